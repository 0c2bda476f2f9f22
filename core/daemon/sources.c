/* The configured sources, as a reader's request tells them (source/reader.h). */
#include "base/memory.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/daemon.h"

static json_t *source_json(const struct conf_source *conf)
{
    return json_pack("{s:s, s:s*, s:s*, s:s*, s:I, s:I, s:O*}", "driver",
                     conf_driver_name(conf->driver), "path", conf->path, "connection",
                     conf->connection, "password", conf->password, "time_limit_us",
                     (json_int_t)conf->time_limit_us, "max_rows", (json_int_t)conf->max_rows,
                     "catalogue", conf->catalogue);
}

#define LABELLED(name, german, english)                                                            \
    "\"" name "\": {\"label_de\": \"" german "\", \"label_en\": \"" english "\"}"
#define TABLE(name, german, english)                                                               \
    "\"" name "\": {\"label_de\": \"" german "\", \"label_en\": \"" english "\", \"columns\": {"
#define OF_A_RUN                                                                                   \
    LABELLED("run", "Ausführung", "Run")                                                           \
    ", \"recipient\": {\"label_de\": \"Empfänger\", \"label_en\": \"Recipient\", "                \
    "\"role\": \"key\"}, "
#define TO_A_RUN(table)                                                                            \
    "{\"table\": \"" table "\", \"columns\": [\"run\"], \"to\": \"run\", "                         \
    "\"to_columns\": [\"number\"]}"

/* What clerks see of the runs, and how its tables belong together (source/catalogue.h). */
/* clang-format off */
static const char runs_catalogue[] =
    "{\"tables\": {"
    TABLE("run", "Ausführungen", "Runs")
        LABELLED("number", "Nummer", "Number") ", "
        LABELLED("uuid", "Kennung", "Identifier") ", "
        LABELLED("campaign_id", "Nummer der Kampagne", "Campaign's number") ", "
        LABELLED("campaign", "Kampagne", "Campaign") ", "
        LABELLED("state", "Zustand", "State") ", "
        LABELLED("requested_by", "Gestartet von", "Started by") ", "
        LABELLED("created_at", "Angelegt", "Made") ", "
        LABELLED("started_at", "Beginn", "Began") ", "
        LABELLED("ended_at", "Ende", "Ended") ", "
        LABELLED("recipients", "Zahl der Empfänger", "Number of recipients") "}}, "
    TABLE("task", "Wer was bekommen hat", "Who got what")
        OF_A_RUN
        LABELLED("step", "Schritt", "Step") ", "
        LABELLED("action", "Aktion", "Action") ", "
        LABELLED("outcome", "Ergebnis", "Outcome") ", "
        LABELLED("confirmation", "Bestätigung", "Confirmation") ", "
        LABELLED("code", "Code der Gegenseite", "The other side's code") ", "
        LABELLED("attempt", "Versuch", "Attempt") ", "
        LABELLED("time", "Zeit", "Time") ", "
        LABELLED("remote_id", "Kennung der Gegenseite", "The other side's identifier") ", "
        LABELLED("text", "Meldung", "Message") "}}, "
    TABLE("document", "Dokumente", "Documents")
        OF_A_RUN
        LABELLED("step", "Schritt", "Step") ", "
        LABELLED("name", "Dokument", "Document") ", "
        LABELLED("mime_type", "Art", "Type") ", "
        LABELLED("length", "Größe in Bytes", "Size in bytes") ", "
        LABELLED("sha256", "Prüfsumme (SHA-256)", "Checksum (SHA-256)") ", "
        LABELLED("document", "Nummer im Archiv", "Number in the archive") "}}, "
    TABLE("left_out", "Wer ausgelassen wurde", "Who was left out")
        OF_A_RUN
        LABELLED("reason", "Grund", "Reason") ", "
        LABELLED("detail", "Näheres", "Detail") "}}}, "
    "\"joins\": [" TO_A_RUN("task") ", " TO_A_RUN("document") ", " TO_A_RUN("left_out") "]}";
/* clang-format on */

#define BUILT_IN_TIME_LIMIT_US INT64_C(300000000)
#define BUILT_IN_MAX_ROWS 10000000

/* The two sources that every installation has; NULL: it is neither. */
static json_t *built_in_json(const struct daemon *daemon, const char *name)
{
    const char *state_dir = daemon->conf->daemon.state_dir;
    bool is_runs = text_equal(name, "runs");
    if (!is_runs && !text_equal(name, "imports"))
        return NULL;
    FREE_CLEAN char *imports = memory_format("%s/imports/imports.db", state_dir);
    return json_pack("{s:s, s:s, s:I, s:I, s:o?}", "driver", is_runs ? "runs" : "sqlite", "path",
                     is_runs ? state_dir : imports, "time_limit_us",
                     (json_int_t)BUILT_IN_TIME_LIMIT_US, "max_rows", (json_int_t)BUILT_IN_MAX_ROWS,
                     "catalogue", is_runs ? json_loads(runs_catalogue, 0, NULL) : NULL);
}

static int add(const struct daemon *daemon, json_t *sources, const json_t *query,
               struct error *error)
{
    const char *name = json_string_value(json_object_get(query, "source"));
    const struct conf_source *conf = name ? conf_source(daemon->conf, name) : NULL;
    json_t *source = conf ? source_json(conf) : built_in_json(daemon, name);
    if (!source)
        return error_say(error, ERROR_INPUT,
                         "the query's source »%s« is not configured; add [source.%s] to the "
                         "configuration, or name another",
                         "Die Datenquelle »%s« der Abfrage ist nicht eingerichtet; [source.%s] in "
                         "die Konfiguration aufnehmen oder eine andere nennen.",
                         name ? name : "", name ? name : "NAME");
    json_object_set_new(sources, name, source);
    return 0;
}

json_t *sources_of(const struct daemon *daemon, const json_t *definition, struct error *error)
{
    size_t index;
    json_t *set, *sources = json_object();
    int result = add(daemon, sources, json_object_get(definition, "query"), error);
    json_array_foreach(json_object_get(json_object_get(definition, "group"), "sets"), index, set)
        if (result == 0)
            result = add(daemon, sources, json_object_get(set, "query"), error);
    if (result == 0)
        return sources;
    json_decref(sources);
    return NULL;
}
