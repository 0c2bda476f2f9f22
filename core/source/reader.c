/* The reader's process: a request read, the mode's function called, its answer written. */
#include "source/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "source/arrival.h"
#include "source/details.h"
#include "source/fetch.h"
#include "source/guess.h"
#include "source/importing.h"
#include "source/listing.h"
#include "source/reading.h"
#include "source/sandbox.h"
#include "source/selection.h"
#include "source/sets.h"
#include "source/snapshot.h"

#define REQUEST_LIMIT (256u << 20)
#define IMPORT_CPU_US INT64_C(300000000)

/* ---- columns ---- */

/* What a column probably means; of one of a table, the source's catalogue knows better. */
static json_t *guess(const json_t *column, const json_t *of_table)
{
    static const char *const keys[] = {"label_de", "label_en", "role", "format"};
    json_t *guessed =
        guess_json(reading_text(column, "name"), source_type_named(reading_text(column, "type")));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(of_table, keys[i]))
            json_object_set(guessed, keys[i], json_object_get(of_table, keys[i]));
    return guessed;
}

/* For the columns without a field. `fields`: of which tables' columns those of a built query are
 * (source/builder.h). */
static void add_guesses(json_t *columns, const json_t *group, const json_t *fields)
{
    size_t index, at;
    json_t *column, *field;
    json_array_foreach(columns, index, column) {
        const char *name = reading_text(column, "name");
        bool known = false;
        json_array_foreach(json_object_get(group, "fields"), at, field)
            known = known || strcmp(reading_text(field, "name"), name) == 0;
        if (!known)
            json_object_set_new(column, "guessed", guess(column, json_object_get(fields, name)));
    }
}

/* What the query, its details and sets and the conditions are worth, without running them. */
static json_t *only_columns(struct reading *reading, struct error *error)
{
    const json_t *query = reading_main_query(reading), *group = reading_group(reading);
    struct source *source = reading_query(reading, query, group, error);
    json_t *columns = source ? fetch_columns(source, group, error) : NULL;
    json_t *statement = columns ? reading_sql(reading, query, group, error) : NULL;
    if (!statement) {
        json_decref(columns);
        return NULL;
    }
    json_t *problems = json_array();
    selection_check(reading->definition, columns, problems);
    json_t *details = details_check(reading, problems);
    sets_check(reading, problems);
    add_guesses(columns, group, json_object_get(statement, "fields"));
    json_decref(statement);
    return json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "columns", columns, "problems", problems,
                     "details", details);
}

/* ---- rows as they come ---- */

/* Prepared, with its columns; a query without its key still shows its rows. */
static struct source *prepare_rows(struct reading *reading, json_t **columns, struct error *error)
{
    json_t *group = json_copy((json_t *)reading_group(reading));
    json_object_del(group, "key");
    struct source *source = reading_query(reading, reading_main_query(reading), group, error);
    *columns = source ? fetch_columns(source, group, error) : NULL;
    json_decref(group);
    return *columns ? source : NULL;
}

static json_t *row_json(const struct source *source)
{
    json_t *row = json_array();
    struct source_value value;
    for (unsigned i = 0; i < source_columns(source); i++) {
        source_value(source, i, &value);
        json_array_append_new(row, snapshot_value_json(&value));
    }
    return row;
}

static json_t *first_rows(struct reading *reading, struct error *error)
{
    int64_t limit = reading_limit(reading), count = 0;
    int64_t most = reading_max_rows(reading, reading_main_query(reading));
    int more = 0;
    json_t *columns, *rows = json_array();
    struct source *source = prepare_rows(reading, &columns, error);
    while (source && (more = source_next(source, error)) > 0 && count < most)
        if (count++ < limit)
            json_array_append_new(rows, row_json(source));
    if (source && more >= 0) {
        json_t *counted = more ? json_null() : json_integer(count);
        return json_pack("{s:b, s:o, s:b, s:o, s:o}", "ok", 1, "count", counted, "truncated",
                         more || count > limit, "columns", columns, "rows", rows);
    }
    json_decref(columns);
    json_decref(rows);
    return NULL;
}

/* ---- groups ---- */

/* How many rows; null: more than max_rows. NULL with an error. */
static json_t *count_group(struct reading *reading, const json_t *group, struct error *error)
{
    int64_t most = reading_max_rows(reading, reading_main_query(reading)), count = 0;
    struct source *source = reading_query(reading, reading_main_query(reading), group, error);
    int more = -1;
    while (source && (more = source_next(source, error)) > 0 && count < most)
        count++;
    return more < 0 ? NULL : more ? json_null() : json_integer(count);
}

static json_t *count_groups(struct reading *reading, struct error *error)
{
    json_t *counts = json_array(), *group;
    size_t index;
    json_array_foreach(json_object_get(reading->request, "groups"), index, group) {
        const char *name = reading_text(group, "name");
        json_t *count = count_group(reading, group, error);
        if (!count) {
            json_decref(counts);
            error_prefix(error, "»%s«: ", name);
            return NULL;
        }
        json_array_append_new(counts, json_pack("{s:s, s:o}", "name", name, "count", count));
    }
    return json_pack("{s:b, s:o}", "ok", 1, "groups", counts);
}

/* ---- what there is, and what becomes of it ---- */

static json_t *list_tables(struct reading *reading, struct error *error)
{
    const char *name = reading_text(reading_main_query(reading), "source");
    const json_t *tables = reading_tables(reading, name, error);
    return tables ? json_pack("{s:b, s:O}", "ok", 1, "tables", tables) : NULL;
}

static json_t *show_sql(struct reading *reading, struct error *error)
{
    json_t *shown =
        reading_sql(reading, reading_main_query(reading), reading_group(reading), error);
    json_object_del(shown, "fields");
    if (shown)
        json_object_set_new(shown, "ok", json_true());
    return shown;
}

/* Does it answer, and does its catalogue fit it? */
static json_t *test_source(struct reading *reading, struct error *error)
{
    const char *name = reading_text(reading_main_query(reading), "source");
    json_t *rows = first_rows(reading, error);
    if (rows && reading_check_catalogue(reading, name, error) != 0) {
        json_decref(rows);
        return NULL;
    }
    return rows;
}

/* ---- lists ---- */

static int list_rows(struct reading *reading, struct source *source, struct listing *listing,
                     int64_t *count, struct error *error)
{
    int64_t most = reading_max_rows(reading, reading_main_query(reading));
    unsigned columns = source_columns(source);
    struct source_value *values = memory_array(columns + 1, sizeof *values);
    int more;
    while ((more = source_next(source, error)) > 0) {
        for (unsigned i = 0; i < columns; i++)
            source_value(source, i, &values[i]);
        if (++*count > most)
            more = arrival_too_many(most, error);
        else
            more = listing_row(listing, values, error);
        if (more < 0)
            break;
    }
    free(values);
    return more < 0 ? -1 : listing_end(listing, error);
}

/* A query's rows as they come, none of them held. */
static json_t *list_query(struct reading *reading, int fd, struct error *error)
{
    json_t *columns;
    int64_t count = 0;
    struct source *source = prepare_rows(reading, &columns, error);
    struct listing *listing = source ? snapshot_begin_list(reading, fd, columns, error) : NULL;
    int result = listing ? list_rows(reading, source, listing, &count, error) : -1;
    listing_free(listing);
    if (result == 0)
        return json_pack("{s:b, s:I, s:o}", "ok", 1, "rows", (json_int_t)count, "columns", columns);
    json_decref(columns);
    return NULL;
}

static json_t *list(struct reading *reading, struct error *error)
{
    const char *out = reading_text(reading->request, "out");
    FD_CLEAN int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_errno(error, errno, "cannot make the list's file");
        return NULL;
    }
    bool of_campaign = json_object_get(reading->definition, "steps") != NULL;
    return of_campaign ? snapshot_list(reading, fd, error) : list_query(reading, fd, error);
}

/* ---- imports ---- */

static void import_confine(const json_t *request)
{
    FREE_CLEAN char *database = memory_text(reading_text(request, "database"));
    importing_load(json_string_value(json_object_get(request, "encoding")));
    sandbox_limit(IMPORT_CPU_US);
    sandbox_confine(NULL, 0, dirname(database));
}

/* ---- the process ---- */

static const struct {
    const char *name;
    json_t *(*answer)(struct reading *reading, struct error *error);
} modes[] = {
    {"snapshot", snapshot_take}, {"count", snapshot_count},   {"one", snapshot_one},
    {"fetch", snapshot_fetch},   {"select", snapshot_select}, {"recheck", snapshot_recheck},
    {"columns", only_columns},   {"rows", first_rows},        {"groups", count_groups},
    {"tables", list_tables},     {"sql", show_sql},           {"list", list},
    {"test", test_source},
};

static json_t *answer(const json_t *request, struct error *error)
{
    const char *mode = reading_text(request, "mode");
    struct reading reading = {0};
    json_t *told = NULL;
    if (strcmp(mode, "import") == 0) {
        import_confine(request);
        return importing_request(request, error);
    }
    error_set(error, ERROR_INTERNAL, "a reader knows no mode »%s«", mode);
    if (reading_open(&reading, request, error) == 0)
        for (size_t i = 0; i < sizeof modes / sizeof *modes && !told; i++)
            if (strcmp(modes[i].name, mode) == 0)
                told = modes[i].answer(&reading, error);
    reading_close(&reading);
    return told;
}

/*
 * A reader never outlives its core: the next one starts another for the same run, which writes under
 * the same name. The kernel sees to that; and if the core was dead before it was asked to, nobody
 * reads the answer any more.
 */
static bool die_with_core(void)
{
    struct pollfd told = {.fd = STDOUT_FILENO, .events = POLLOUT};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return poll(&told, 1, 0) >= 0 && !(told.revents & (POLLERR | POLLHUP));
}

int reader_main(void)
{
    struct error error = {.message = "the request is not JSON", .code = ERROR_INTERNAL};
    BUFFER_CLEAN struct buffer input = {0};
    json_t *request = NULL, *told = NULL;
    log_open("reader");
    if (!die_with_core())
        return 1;
    if (file_read_fd(STDIN_FILENO, "the request", REQUEST_LIMIT, &input, &error) == 0)
        request = json_loadb(buffer_string(&input), input.size, 0, NULL);
    if (request)
        told = answer(request, &error);
    if (!told)
        told = json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "code", error_name(error.code), "message",
                         error.message, "message_de", error.german);
    FREE_CLEAN char *text = json_dumps(told, JSON_COMPACT);
    json_decref(told);
    json_decref(request);
    return text && file_write_all(STDOUT_FILENO, text, strlen(text)) == 0 ? 0 : 1;
}
