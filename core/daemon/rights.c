#include "daemon/rights.h"

#include <string.h>

#include "base/buffer.h"
#include "base/text.h"

static bool holds_sql(const char *key)
{
    return strcmp(key, "sql") == 0 || strcmp(key, "individual_sql") == 0;
}

/* What a plugin or a query takes as parameters is data, whatever it is called. */
static bool is_data(const char *key)
{
    return strcmp(key, "parameters") == 0;
}

/* A long text may be written as an array of its lines. */
static void take_sql(const json_t *sql, json_t *texts)
{
    BUFFER_CLEAN struct buffer text = {0};
    size_t index;
    json_t *line;
    if (json_is_string(sql))
        buffer_text(&text, json_string_value(sql));
    json_array_foreach(sql, index, line) {
        buffer_text(&text, index ? "\n" : "");
        buffer_text(&text, json_is_string(line) ? json_string_value(line) : "");
    }
    if (text.size)
        json_object_set_new(texts, buffer_string(&text), json_true());
}

/* The SQL texts anywhere in a document, as the keys of `texts`. */
static void collect(const json_t *value, json_t *texts)
{
    size_t index;
    const char *key;
    json_t *child;
    json_array_foreach(value, index, child)
        collect(child, texts);
    json_object_foreach((json_t *)value, key, child) {
        if (holds_sql(key))
            take_sql(child, texts);
        else if (!is_data(key))
            collect(child, texts);
    }
}

/* On which data a document's SQL runs: a query's source, a campaign's query or distributor. */
static bool same_data(const json_t *before, const json_t *after)
{
    static const char *const keys[] = {"source", "query", "distributor"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *was = json_string_value(json_object_get(before, keys[i]));
        const char *is = json_string_value(json_object_get(after, keys[i]));
        if (!text_equal(was ? was : "", is ? is : ""))
            return false;
    }
    return true;
}

int rights_check_sql(const json_t *before, const json_t *after, struct error *error)
{
    json_t *known = json_object(), *wanted = json_object();
    const char *sql;
    json_t *ignored;
    int result = 0;
    if (before && same_data(before, after))
        collect(before, known);
    collect(after, wanted);
    json_object_foreach(wanted, sql, ignored)
        if (!json_object_get(known, sql))
            result = -1;
    json_decref(known);
    json_decref(wanted);
    return result == 0
               ? 0
               : error_say(error, ERROR_DENIED,
                           "to write or change SQL is a right of its own that this user does not "
                           "have; build the query, or have a member of sql_group write it",
                           "SQL schreiben oder ändern ist ein eigenes Recht, das dieser Benutzer "
                           "nicht hat; die Abfrage zusammenstellen oder von einem Mitglied von "
                           "sql_group schreiben lassen.");
}

int rights_check_sources(const json_t *before, const json_t *after, struct error *error)
{
    const char *id;
    json_t *was;
    json_object_foreach((json_t *)before, id, was) {
        const json_t *is = json_object_get(after, id);
        if (is && !json_equal(json_object_get(was, "source"), json_object_get(is, "source")))
            return error_say(
                error, ERROR_DENIED,
                "the campaign »%.200s« has SQL of its own, which would run on another source; to "
                "move it is a right that this user does not have; have a member of sql_group do it",
                "Die Kampagne »%.200s« hat eigenes SQL, das dann auf einer anderen Datenquelle "
                "liefe; es zu verlegen ist ein Recht, das dieser Benutzer nicht hat; ein Mitglied "
                "von sql_group bitten.",
                json_string_value(json_object_get(is, "campaign")));
    }
    return 0;
}

static const json_t *named(const json_t *documents, const char *name)
{
    size_t index;
    json_t *document;
    json_array_foreach(documents, index, document) {
        const char *its = json_string_value(json_object_get(document, "name"));
        if (its && strcmp(its, name) == 0)
            return document;
    }
    return json_object_get(documents, name);
}

int rights_check_import(const json_t *before, const json_t *after, struct error *error)
{
    const char *kind, *key;
    json_t *documents, *document;
    size_t index;
    json_object_foreach((json_t *)after, kind, documents) {
        const json_t *present = json_object_get(before, kind);
        json_array_foreach(documents, index, document) {
            const char *name = json_string_value(json_object_get(document, "name"));
            if (rights_check_sql(name ? named(present, name) : NULL, document, error) != 0)
                return -1;
        }
        json_object_foreach(documents, key, document)
            if (rights_check_sql(named(present, key), document, error) != 0)
                return -1;
    }
    return 0;
}
