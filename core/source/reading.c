#include "source/reading.h"

#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "source/builder.h"
#include "source/catalogue.h"
#include "source/folding.h"
#include "source/sandbox.h"

struct reading_source {
    const char *name;
    const json_t *options;
    struct source *source;
    json_t *tables; /* NULL: not asked for yet */
};

/* ---- JSON ---- */

const char *reading_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t reading_integer(const json_t *object, const char *name, int64_t missing)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : missing;
}

int64_t reading_limit(const struct reading *reading)
{
    int64_t limit = reading_integer(reading->request, "limit", 20);
    return limit < 0 || limit > READING_ROWS_MAX ? READING_ROWS_MAX : limit;
}

const char *reading_nearest(const json_t *list, const char *name)
{
    size_t count = json_array_size(list);
    const char **names = memory_array(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = reading_text(json_array_get(list, i), "name");
    const char *nearest = suggest_nearest(name, names, count);
    free(names);
    return nearest;
}

const json_t *reading_group(const struct reading *reading)
{
    return json_object_get(reading->definition, "group");
}

const json_t *reading_main_query(const struct reading *reading)
{
    return json_object_get(reading->definition, "query");
}

/* ---- opening ---- */

static int64_t time_limit_us(const json_t *options)
{
    return reading_integer(options, "time_limit_us", 300000000);
}

static int open_source(struct reading_source *opened, struct error *error)
{
    struct source_options options = {
        .driver = reading_text(opened->options, "driver"),
        .path = reading_text(opened->options, "path"),
        .connection = reading_text(opened->options, "connection"),
        .password = reading_text(opened->options, "password"),
        .time_limit_us = time_limit_us(opened->options),
    };
    opened->source = source_open(opened->name, &options, error);
    return opened->source ? 0 : -1;
}

static void allow(struct sandbox_folder *folders, size_t *count, struct sandbox_folder folder)
{
    if (folder.path && *count < SANDBOX_FOLDERS_MAX)
        folders[(*count)++] = folder;
}

/* A path's folder; NULL if there is no path. The caller frees. */
static char *folder_of(const char *path)
{
    FREE_CLEAN char *copy = memory_text(path);
    return *copy ? memory_text(dirname(copy)) : NULL;
}

static void confine(const struct reading *reading)
{
    struct sandbox_folder folders[SANDBOX_FOLDERS_MAX];
    size_t count = 0;
    FREE_CLEAN char *raw = folder_of(reading_text(reading->request, "raw"));
    FREE_CLEAN char *suppression = folder_of(reading_text(reading->request, "suppression"));
    FREE_CLEAN char *out = folder_of(reading_text(reading->request, "out"));
    allow(folders, &count, (struct sandbox_folder){.path = raw, .write = true});
    allow(folders, &count, (struct sandbox_folder){.path = suppression, .write = true});
    for (size_t i = 0; i < reading->source_count; i++) {
        size_t own;
        const struct sandbox_folder *more = source_folders(reading->sources[i].source, &own);
        for (size_t j = 0; j < own; j++)
            allow(folders, &count, more[j]);
    }
    /* What is sorted of fetched rows goes beside them. */
    sandbox_confine(folders, count, out ? out : raw);
}

int reading_open(struct reading *reading, const json_t *request, struct error *error)
{
    const json_t *sources = json_object_get(request, "sources");
    const char *name;
    json_t *options;
    int64_t cpu_us = 60000000;
    reading->request = request;
    reading->definition = json_object_get(request, "definition");
    if (!date_read(reading_text(request, "today"), &reading->today))
        reading->today = date_today();
    json_object_foreach((json_t *)sources, name, options)
        cpu_us += 2 * time_limit_us(options);
    sandbox_limit(cpu_us);
    if (folding_load(error) != 0)
        return -1;
    reading->sources = memory_array(json_object_size(sources) + 1, sizeof *reading->sources);
    json_object_foreach((json_t *)sources, name, options) {
        struct reading_source *opened = &reading->sources[reading->source_count++];
        *opened = (struct reading_source){.name = name, .options = options};
        if (open_source(opened, error) != 0)
            return -1;
    }
    confine(reading);
    return 0;
}

void reading_close(struct reading *reading)
{
    for (size_t i = 0; i < reading->source_count; i++) {
        source_close(reading->sources[i].source);
        json_decref(reading->sources[i].tables);
    }
    free(reading->sources);
}

/* ---- sources ---- */

static struct reading_source *find_source(const struct reading *reading, const char *name,
                                          struct error *error)
{
    for (size_t i = 0; i < reading->source_count; i++)
        if (strcmp(reading->sources[i].name, name) == 0)
            return &reading->sources[i];
    error_say(error, ERROR_INPUT,
              "the source »%s« is not configured; add [source.%s] to the configuration, or name "
              "another",
              "Die Datenquelle »%s« ist nicht eingerichtet; [source.%s] in die Konfiguration "
              "aufnehmen oder eine andere nennen.",
              name, *name ? name : "NAME");
    return NULL;
}

struct source *reading_source(const struct reading *reading, const char *name, struct error *error)
{
    struct reading_source *found = find_source(reading, name, error);
    return found ? found->source : NULL;
}

const json_t *reading_tables(struct reading *reading, const char *name, struct error *error)
{
    struct reading_source *found = find_source(reading, name, error);
    if (found && !found->tables && (found->tables = source_tables(found->source, error)))
        catalogue_apply(found->tables, json_object_get(found->options, "catalogue"));
    return found ? found->tables : NULL;
}

int reading_check_catalogue(struct reading *reading, const char *name, struct error *error)
{
    struct reading_source *found = find_source(reading, name, error);
    const json_t *catalogue = json_object_get(found ? found->options : NULL, "catalogue");
    if (!catalogue)
        return found ? 0 : -1;
    json_t *tables = source_tables(found->source, error);
    int result = tables ? catalogue_fits(tables, catalogue, error) : -1;
    json_decref(tables);
    return result;
}

int64_t reading_max_rows(const struct reading *reading, const json_t *query)
{
    struct reading_source *found = find_source(reading, reading_text(query, "source"), NULL);
    return reading_integer(found ? found->options : NULL, "max_rows", 10000000);
}

/* ---- statements ---- */

static const char *dialect_name(enum source_dialect dialect)
{
    static const char *const names[] = {[DIALECT_SQLITE] = "sqlite",
                                        [DIALECT_POSTGRES] = "postgres",
                                        [DIALECT_MYSQL] = "mysql",
                                        [DIALECT_ANSI] = "ansi"};
    return names[dialect];
}

static json_t *built_sql(struct reading *reading, const json_t *query, const json_t *built,
                         const struct source *source, struct error *error)
{
    const json_t *tables = reading_tables(reading, reading_text(query, "source"), error);
    enum source_dialect dialect = source_dialect(source);
    json_t *made = tables ? builder_sql(built, dialect, tables, reading->today, error) : NULL;
    const json_t *given =
        json_object_get(json_object_get(reading->definition, "campaign"), "parameters");
    const json_t *wanted = json_object_get(made, "parameters");
    if (made && json_object_size(wanted) && given &&
        builder_check_parameters(wanted, given, error) != 0) {
        json_decref(made);
        return NULL;
    }
    if (made)
        json_object_set_new(made, "dialect", json_string(dialect_name(dialect)));
    return made;
}

json_t *reading_sql(struct reading *reading, const json_t *query, const json_t *group,
                    struct error *error)
{
    struct source *source = reading_source(reading, reading_text(query, "source"), error);
    const char *sql = reading_text(group, "sql");
    const json_t *built = json_object_get(group, "built");
    if (!source)
        return NULL;
    if (json_is_object(built))
        return built_sql(reading, query, built, source, error);
    if (!*sql) {
        error_say(error, ERROR_INPUT,
                  "the query of group »%s« is empty; write a SELECT, or build one",
                  "Die Abfrage der Gruppe »%s« ist leer; ein SELECT schreiben oder eine Abfrage "
                  "zusammenstellen.",
                  reading_text(group, "name"));
        return NULL;
    }
    return json_pack("{s:s, s:{}, s:s}", "sql", sql, "values", "dialect",
                     dialect_name(source_dialect(source)));
}

/* The campaign's parameters and the values that a built query binds. */
static json_t *all_values(const struct reading *reading, const json_t *values)
{
    const json_t *given =
        json_object_get(json_object_get(reading->definition, "campaign"), "parameters");
    json_t *all = json_is_object(given) ? json_copy((json_t *)given) : json_object();
    json_object_update(all, (json_t *)values);
    return all;
}

struct source *reading_query(struct reading *reading, const json_t *query, const json_t *group,
                             struct error *error)
{
    json_t *statement = reading_sql(reading, query, group, error);
    if (!statement)
        return NULL;
    struct source *source = reading_source(reading, reading_text(query, "source"), error);
    json_t *values = all_values(reading, json_object_get(statement, "values"));
    int result = source_query(source, reading_text(statement, "sql"), values, error);
    json_decref(values);
    json_decref(statement);
    return result == 0 ? source : NULL;
}

/* ---- statements for some keys alone ---- */

static enum source_type key_type(const struct source *source, const char *key)
{
    for (unsigned i = 0; i < source_columns(source); i++)
        if (strcmp(source_column_name(source, i), key) == 0)
            return source_column_type(source, i);
    return SOURCE_UNKNOWN;
}

/* Is it written as arrival_key() writes an integer? */
static bool is_integer(const char *key, int64_t *number)
{
    char again[24];
    *number = strtoll(key, NULL, 10);
    snprintf(again, sizeof again, "%lld", (long long)*number);
    return strcmp(key, again) == 0;
}

/* A key as the source compares it: a number where the column holds such. */
static json_t *key_value(const char *key, enum source_type type)
{
    int64_t number;
    return type == SOURCE_INTEGER && is_integer(key, &number) ? json_integer(number)
                                                              : json_string(key);
}

/* SELECT q.* FROM (the statement) AS q WHERE q.key IN (:campaignd_key_0, …) */
static void wrap(struct buffer *sql, const char *statement, const struct source *source,
                 const char *key, const json_t *keys, json_t *values)
{
    enum source_type type = key_type(source, key);
    size_t length = strlen(statement), index, put = 0;
    json_t *text;
    while (length && strchr("; \t\r\n", statement[length - 1]))
        length--;
    buffer_text(sql, "SELECT q.* FROM (");
    buffer_append(sql, statement, length);
    buffer_text(sql, "\n) AS q WHERE q.");
    source_quote(sql, source_dialect(source), key);
    buffer_text(sql, " IN (NULL");
    json_array_foreach((json_t *)keys, index, text) {
        json_t *value = key_value(json_string_value(text), type);
        FREE_CLEAN char *name = memory_format("campaignd_key_%zu", put++);
        buffer_printf(sql, ", :%s", name);
        json_object_set_new(values, name, value);
    }
    buffer_char(sql, ')');
}

/* Types that are compared otherwise than their texts would be are not asked for by key, nor is what
 * a column of integers holds beside such: SQLite any text, MariaDB larger ones. */
static bool keys_can_be_asked_for(enum source_type type, const json_t *keys)
{
    size_t index;
    json_t *key;
    int64_t number;
    json_array_foreach((json_t *)keys, index, key)
        if (type == SOURCE_INTEGER && !is_integer(json_string_value(key), &number))
            return false;
    return type == SOURCE_INTEGER || type == SOURCE_TEXT;
}

struct source *reading_query_keys(struct reading *reading, const json_t *query, const json_t *group,
                                  const json_t *keys, struct error *error)
{
    const char *key = reading_text(group, "key");
    struct source *source = reading_query(reading, query, group, error);
    if (!source || !keys_can_be_asked_for(key_type(source, key), keys))
        return source;
    json_t *statement = reading_sql(reading, query, group, error);
    if (!statement)
        return NULL;
    BUFFER_CLEAN struct buffer sql = {0};
    json_t *values = all_values(reading, json_object_get(statement, "values"));
    wrap(&sql, reading_text(statement, "sql"), source, key, keys, values);
    /* Where a database does not take it as it is (say, two columns of one name), all are read. */
    bool wrapped = source_query(source, buffer_string(&sql), values, NULL) == 0;
    json_decref(values);
    json_decref(statement);
    return wrapped ? source : reading_query(reading, query, group, error);
}
