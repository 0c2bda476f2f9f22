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

/* What clerks see of the runs, and how its tables belong together (source/catalogue.h). */
static const char runs_catalogue[] =
    "{\"tables\": {"
    " \"run\": {\"label_de\": \"Ausführungen\", \"label_en\": \"Runs\", \"columns\": {"
    "  \"number\": {\"label_de\": \"Nummer\", \"label_en\": \"Number\"},"
    "  \"campaign\": {\"label_de\": \"Kampagne\", \"label_en\": \"Campaign\"},"
    "  \"state\": {\"label_de\": \"Zustand\", \"label_en\": \"State\"},"
    "  \"requested_by\": {\"label_de\": \"Gestartet von\", \"label_en\": \"Started by\"},"
    "  \"started_at\": {\"label_de\": \"Beginn\", \"label_en\": \"Began\"},"
    "  \"ended_at\": {\"label_de\": \"Ende\", \"label_en\": \"Ended\"},"
    "  \"recipients\": {\"label_de\": \"Empfänger\", \"label_en\": \"Recipients\"}}},"
    " \"task\": {\"label_de\": \"Aufgaben\", \"label_en\": \"Tasks\", \"columns\": {"
    "  \"run\": {\"label_de\": \"Ausführung\", \"label_en\": \"Run\"},"
    "  \"recipient\": {\"label_de\": \"Empfänger\", \"label_en\": \"Recipient\","
    "   \"role\": \"key\"},"
    "  \"step\": {\"label_de\": \"Schritt\", \"label_en\": \"Step\"},"
    "  \"action\": {\"label_de\": \"Aktion\", \"label_en\": \"Action\"},"
    "  \"outcome\": {\"label_de\": \"Ergebnis\", \"label_en\": \"Outcome\"},"
    "  \"confirmation\": {\"label_de\": \"Bestätigung\", \"label_en\": \"Confirmation\"},"
    "  \"time\": {\"label_de\": \"Zeit\", \"label_en\": \"Time\"},"
    "  \"text\": {\"label_de\": \"Meldung\", \"label_en\": \"Message\"}}},"
    " \"document\": {\"label_de\": \"Dokumente\", \"label_en\": \"Documents\", \"columns\": {"
    "  \"run\": {\"label_de\": \"Ausführung\", \"label_en\": \"Run\"},"
    "  \"recipient\": {\"label_de\": \"Empfänger\", \"label_en\": \"Recipient\","
    "   \"role\": \"key\"},"
    "  \"step\": {\"label_de\": \"Schritt\", \"label_en\": \"Step\"},"
    "  \"name\": {\"label_de\": \"Dokument\", \"label_en\": \"Document\"}}},"
    " \"left_out\": {\"label_de\": \"Ausgelassen\", \"label_en\": \"Left out\", \"columns\": {"
    "  \"run\": {\"label_de\": \"Ausführung\", \"label_en\": \"Run\"},"
    "  \"recipient\": {\"label_de\": \"Empfänger\", \"label_en\": \"Recipient\","
    "   \"role\": \"key\"},"
    "  \"reason\": {\"label_de\": \"Grund\", \"label_en\": \"Reason\"}}}},"
    " \"joins\": ["
    "  {\"table\": \"task\", \"columns\": [\"run\"], \"to\": \"run\", \"to_columns\": "
    "[\"number\"]},"
    "  {\"table\": \"document\", \"columns\": [\"run\"], \"to\": \"run\","
    "   \"to_columns\": [\"number\"]},"
    "  {\"table\": \"left_out\", \"columns\": [\"run\"], \"to\": \"run\","
    "   \"to_columns\": [\"number\"]}]}";

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
