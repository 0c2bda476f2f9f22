#include "source/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "source/driver.h"

/* Those that are built in. */
static const struct driver *const drivers[] = {
    &driver_sqlite,
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

void source_close(struct source *source)
{
    if (!source)
        return;
    source->driver->close(source);
    forget_columns(source);
    for (size_t i = 0; i < source->folder_count; i++)
        free(source->folders[i]);
    free(source->name);
    free(source);
}

enum source_dialect source_dialect(const struct source *source)
{
    return source->dialect;
}

const char *const *source_folders(const struct source *source, size_t *count)
{
    *count = source->folder_count;
    return (const char *const *)source->folders;
}

void source_add_folder(struct source *source, const char *folder)
{
    if (source->folder_count < SOURCE_FOLDERS_MAX)
        source->folders[source->folder_count++] = memory_text(folder);
}

int source_query(struct source *source, const char *sql, const json_t *parameters,
                 struct error *error)
{
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

int source_next(struct source *source, struct error *error)
{
    return source->driver->next(source, error);
}

void source_value(const struct source *source, unsigned column, struct source_value *out)
{
    source->driver->value(source, column, out);
}

json_t *source_tables(struct source *source, struct error *error)
{
    source->until_us = clock_monotonic_us() + source->time_limit_us;
    return source->driver->tables(source, error);
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
