/* The configured sources, as a reader's request tells them (source/reader.h). */
#include "conf/conf.h"
#include "daemon/daemon.h"

static json_t *source_json(const struct conf_source *conf)
{
    return json_pack("{s:s, s:s, s:I, s:I}", "driver", "sqlite", "path", conf->path,
                     "time_limit_us", (json_int_t)conf->time_limit_us, "max_rows",
                     (json_int_t)conf->max_rows);
}

static int add(const struct daemon *daemon, json_t *sources, const json_t *query,
               struct error *error)
{
    const char *name = json_string_value(json_object_get(query, "source"));
    const struct conf_source *conf = name ? conf_source(daemon->conf, name) : NULL;
    if (!conf)
        return error_say(error, ERROR_INPUT,
                         "the query's source »%s« is not configured; add [source.%s] to the "
                         "configuration, or name another",
                         "Die Datenquelle »%s« der Abfrage ist nicht eingerichtet; [source.%s] in "
                         "die Konfiguration aufnehmen oder eine andere nennen.",
                         name ? name : "", name ? name : "NAME");
    json_object_set_new(sources, name, source_json(conf));
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
