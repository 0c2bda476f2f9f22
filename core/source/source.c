#include "source/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "source/ahead.h"
#include "source/driver.h"

/* Those that are built in. */
static const struct driver *const drivers[] = {
    &driver_sqlite,
#ifdef WITH_POSTGRES
    &driver_postgres,
#endif
#ifdef WITH_ODBC
    &driver_odbc,
#endif
    &driver_runs,
};

static const char *const type_names[] = {
    [SOURCE_UNKNOWN] = "",        [SOURCE_TEXT] = "text", [SOURCE_INTEGER] = "integer",
    [SOURCE_DECIMAL] = "decimal", [SOURCE_REAL] = "real", [SOURCE_BOOLEAN] = "boolean",
    [SOURCE_DATE] = "date",       [SOURCE_TIME] = "time", [SOURCE_TIMESTAMP] = "timestamp",
    [SOURCE_BINARY] = "binary",
};

bool source_value_is_text(const struct source_value *value)
{
    return !memchr(value->text, '\0', value->length) && text_is_utf8(value->text, value->length);
}

const char *source_type_name(enum source_type type)
{
    return type_names[type];
}

enum source_type source_type_named(const char *name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (strcmp(type_names[i], name) == 0)
            return (enum source_type)i;
    return SOURCE_UNKNOWN;
}

static const struct driver *find_driver(const char *name)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

static int refuse_driver(const char *source, const char *driver, struct error *error)
{
    BUFFER_CLEAN struct buffer known = {0};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        buffer_printf(&known, "%s%s", i ? ", " : "", drivers[i]->name);
    return error_say(error, ERROR_INPUT,
                     "source »%s«: the driver »%s« is not built in; drivers: %s",
                     "Datenquelle »%s«: der Treiber »%s« ist nicht eingebaut; Treiber: %s", source,
                     driver, buffer_string(&known));
}

struct source *source_open(const char *name, const struct source_options *options,
                           struct error *error)
{
    const struct driver *driver = find_driver(options->driver);
    if (!driver) {
        refuse_driver(name, options->driver, error);
        return NULL;
    }
    struct source *source = memory_new(sizeof *source);
    source->driver = driver;
    source->name = memory_text(name);
    source->time_limit_us = options->time_limit_us;
    if (driver->open(source, options, error) == 0)
        return source;
    source_close(source);
    return NULL;
}

static void forget_columns(struct source *source)
{
    for (unsigned i = 0; i < source->column_count; i++)
        free(source->columns[i].name);
    free(source->columns);
    source->columns = NULL;
    source->column_count = 0;
}

static void stop_reading_ahead(struct source *source)
{
    ahead_stop(source->ahead);
    source->ahead = NULL;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    stop_reading_ahead(source);
    source->driver->close(source);
    forget_columns(source);
    for (size_t i = 0; i < source->folder_count; i++)
        free((char *)source->folders[i].path);
    free(source->name);
    free(source);
}

enum source_dialect source_dialect(const struct source *source)
{
    return source->dialect;
}

void source_quote(struct buffer *sql, enum source_dialect dialect, const char *name)
{
    char mark = dialect == DIALECT_MYSQL ? '`' : '"';
    buffer_char(sql, mark);
    for (; *name; name++) {
        if (*name == mark)
            buffer_char(sql, mark);
        buffer_char(sql, *name);
    }
    buffer_char(sql, mark);
}

const struct sandbox_folder *source_folders(const struct source *source, size_t *count)
{
    *count = source->folder_count;
    return source->folders;
}

void source_add_folder(struct source *source, const char *folder, bool write)
{
    if (source->folder_count < SOURCE_FOLDERS_MAX)
        source->folders[source->folder_count++] =
            (struct sandbox_folder){.path = memory_text(folder), .write = write};
}

int source_query(struct source *source, const char *sql, const json_t *parameters,
                 struct error *error)
{
    stop_reading_ahead(source);
    forget_columns(source);
    source->until_us = clock_monotonic_us() + source->time_limit_us;
    return source->driver->query(source, sql, parameters, error);
}

void source_add_column(struct source *source, const char *name, enum source_type type)
{
    source->columns =
        memory_resize(source->columns, (source->column_count + 1) * sizeof *source->columns);
    source->columns[source->column_count++] = (struct source_column){memory_text(name), type};
}

unsigned source_columns(const struct source *source)
{
    return source->column_count;
}

const char *source_column_name(const struct source *source, unsigned column)
{
    return source->columns[column].name;
}

enum source_type source_column_type(const struct source *source, unsigned column)
{
    return source->columns[column].type;
}

void source_read_ahead(struct source *source)
{
    if (source->driver->can_be_stopped && !source->ahead)
        source->ahead = ahead_start(source);
}

int source_next(struct source *source, struct error *error)
{
    return source->ahead ? ahead_next(source->ahead, error) : source->driver->next(source, error);
}

void source_value(const struct source *source, unsigned column, struct source_value *out)
{
    if (source->ahead)
        ahead_value(source->ahead, column, out);
    else
        source->driver->value(source, column, out);
}

json_t *source_tables(struct source *source, struct error *error)
{
    stop_reading_ahead(source);
    source->until_us = clock_monotonic_us() + source->time_limit_us;
    return source->driver->tables(source, error);
}

const json_t *source_parameter(const json_t *parameters, const char *name, struct error *error)
{
    const json_t *value = json_object_get(parameters, name);
    if (!value || json_is_object(value) || json_is_array(value)) {
        error_say(error, ERROR_INPUT,
                  "the query needs the parameter »%s«, which has no value; give it one",
                  "Die Abfrage braucht den Parameter »%s«, der keinen Wert hat; ihn angeben.",
                  name);
        return NULL;
    }
    return value;
}

/* ---- what somebody may have meant ---- */

struct candidates {
    const char **names;
    size_t count;
};

static void add_candidate(struct candidates *candidates, const char *name)
{
    candidates->names =
        memory_resize(candidates->names, (candidates->count + 1) * sizeof *candidates->names);
    candidates->names[candidates->count++] = name;
}

static void gather(const json_t *tables, bool is_column, const char *sql,
                   struct candidates *candidates)
{
    size_t i, j;
    json_t *table, *column;
    json_array_foreach(tables, i, table) {
        const char *name = json_string_value(json_object_get(table, "name"));
        const char *dot = strrchr(name, '.');
        if (!is_column)
            add_candidate(candidates, name);
        else if (strcasestr(sql, dot ? dot + 1 : name))
            json_array_foreach(json_object_get(table, "columns"), j, column)
                add_candidate(candidates, json_string_value(json_object_get(column, "name")));
    }
}

static void append_hint(char *text, size_t size, const char *format, const char *nearest)
{
    size_t length = strlen(text);
    if (length && text[length - 1] == '.')
        length--;
    if (length < size)
        snprintf(text + length, size - length, "%s%s«?", format, nearest);
}

void source_suggest(struct source *source, const char *name, bool is_column, const char *sql,
                    struct error *error)
{
    struct candidates candidates = {0};
    const char *dot = strrchr(name, '.');
    if (!error)
        return;
    json_t *tables = source->driver->tables(source, NULL);
    gather(tables, is_column, sql, &candidates);
    const char *nearest =
        suggest_nearest(is_column && dot ? dot + 1 : name, candidates.names, candidates.count);
    if (nearest && strcmp(nearest, name) != 0) {
        append_hint(error->message, sizeof error->message, "; did you mean »", nearest);
        append_hint(error->german, sizeof error->german, "; war gemeint: »", nearest);
    }
    free(candidates.names);
    json_decref(tables);
}

bool source_is_over(const struct source *source)
{
    return __atomic_load_n(&source->is_stopped, __ATOMIC_RELAXED) ||
           clock_monotonic_us() > source->until_us;
}

void source_stop(struct source *source, bool stop)
{
    __atomic_store_n(&source->is_stopped, stop, __ATOMIC_RELAXED);
}

int source_too_slow(const struct source *source, struct error *error)
{
    bool whole_seconds = source->time_limit_us % 1000000 == 0;
    return error_say(error, ERROR_INPUT,
                     "source »%s«: the query took longer than time_limit (%lld %s); make it "
                     "simpler or raise the limit",
                     "Datenquelle »%s«: die Abfrage dauerte länger als time_limit (%lld %s); die "
                     "Abfrage vereinfachen oder die Grenze anheben.",
                     source->name,
                     (long long)(source->time_limit_us / (whole_seconds ? 1000000 : 1000)),
                     whole_seconds ? "s" : "ms");
}
