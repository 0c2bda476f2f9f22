#include "source/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/condition.h"
#include "source/rows.h"
#include "source/sandbox.h"
#include "source/source.h"
#include "store/sql.h"

#define REQUEST_LIMIT (256u << 20)
#define ROWS_LIMIT 10000

struct reading {
    json_t *request;
    json_t *definition;
    struct source *source;
    struct condition *filter;
    struct condition **whens; /* one a step, NULL where there is none */
    size_t steps;
    int key, blocked, consent; /* columns; -1: none */
    bool one;
    bool counting; /* only keys are kept */
    const char *only_key;
    int64_t max_rows;
    sqlite3 *out;
    sqlite3_stmt *add_recipient, *add_left_out, *add_skipped;
    int64_t recipients;
    json_t *left_out; /* reason → count */
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int64_t integer_of(const json_t *object, const char *name, int64_t missing)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : missing;
}

/* ---- columns and roles ---- */

static const json_t *field_of(const json_t *fields, const char *name)
{
    size_t index;
    json_t *field;
    json_array_foreach(fields, index, field)
        if (strcmp(text_of(field, "name"), name) == 0)
            return field;
    return NULL;
}

static int column_named(const struct source *source, const char *name)
{
    for (unsigned i = 0; i < source_columns(source); i++)
        if (strcmp(source_column_name(source, i), name) == 0)
            return (int)i;
    return -1;
}

static int column_with_role(const struct reading *reading, const char *role)
{
    size_t index;
    json_t *field;
    json_array_foreach(json_object_get(json_object_get(reading->definition, "group"), "fields"),
                       index, field)
        if (strcmp(text_of(field, "role"), role) == 0)
            return column_named(reading->source, text_of(field, "name"));
    return -1;
}

static int check_fields(const struct reading *reading, const json_t *group, struct error *error)
{
    size_t index;
    json_t *field;
    if (source_columns(reading->source) > ROWS_COLUMNS_MAX)
        return error_set(error, ERROR_INPUT,
                         "the query delivers %u columns; at most %d are possible",
                         source_columns(reading->source), ROWS_COLUMNS_MAX);
    json_array_foreach(json_object_get(group, "fields"), index, field)
        if (column_named(reading->source, text_of(field, "name")) < 0)
            return error_set(error, ERROR_INPUT,
                             "the field »%s« of group »%s« is no column of its query; "
                             "correct the field or the SELECT",
                             text_of(field, "name"), text_of(group, "name"));
    return 0;
}

static json_t *columns_json(const struct reading *reading)
{
    json_t *columns = json_array();
    const json_t *fields = json_object_get(json_object_get(reading->definition, "group"), "fields");
    for (unsigned i = 0; i < source_columns(reading->source); i++) {
        const char *name = source_column_name(reading->source, i);
        const json_t *field = field_of(fields, name);
        const char *role = field ? text_of(field, "role") : "";
        json_array_append_new(columns,
                              json_pack("{s:s, s:s?}", "name", name, "role", *role ? role : NULL));
    }
    return columns;
}

/* ---- one row ---- */

/* A yes in a site's column: a number that is not 0, or a text that is none of the usual noes. */
static bool is_yes(const struct reading *reading, int column)
{
    static const char *const noes[] = {"", "0", "n", "no", "nein", "f", "false", "off"};
    struct source_value value;
    source_value(reading->source, (unsigned)column, &value);
    if (value.type == SQLITE_NULL)
        return false;
    if (value.type != SQLITE_TEXT)
        return value.integer != 0 || value.real != 0;
    for (size_t i = 0; i < sizeof noes / sizeof *noes; i++)
        if (strcasecmp(value.text, noes[i]) == 0)
            return false;
    return true;
}

/* As text, until the next call. */
static const char *key_text(const struct reading *reading)
{
    static char digits[64];
    struct source_value value;
    source_value(reading->source, (unsigned)reading->key, &value);
    if (value.type == SQLITE_INTEGER)
        snprintf(digits, sizeof digits, "%lld", (long long)value.integer);
    else if (value.type == SQLITE_FLOAT)
        sqlite3_snprintf(sizeof digits, digits, "%!.15g", value.real);
    else
        return value.type == SQLITE_NULL ? "" : value.text;
    return digits;
}

/* Why this row is no recipient: NULL if it is one; or an error. */
static int reason_to_leave_out(struct reading *reading, const char **reason, struct error *error)
{
    *reason = NULL;
    if (!*key_text(reading))
        *reason = "no key";
    else if (reading->blocked >= 0 && is_yes(reading, reading->blocked))
        *reason = "blocked";
    else if (reading->consent >= 0 && !is_yes(reading, reading->consent))
        *reason = "no consent";
    else if (reading->filter) {
        int holds = condition_holds(reading->filter, reading->source, error);
        if (holds < 0)
            return -1;
        if (!holds)
            *reason = "filter";
    }
    return 0;
}

static int leave_out(struct reading *reading, const char *reason, struct error *error)
{
    json_t *count = json_object_get(reading->left_out, reason);
    json_object_set_new(reading->left_out, reason, json_integer(json_integer_value(count) + 1));
    sql_bind_text(reading->add_left_out, 1, key_text(reading));
    sql_bind_text(reading->add_left_out, 2, reason);
    return sql_done(reading->add_left_out, error);
}

static void bind_value(sqlite3_stmt *statement, int index, const struct source_value *value)
{
    switch (value->type) {
    case SQLITE_INTEGER:
        sqlite3_bind_int64(statement, index, value->integer);
        break;
    case SQLITE_FLOAT:
        sqlite3_bind_double(statement, index, value->real);
        break;
    case SQLITE_TEXT:
        sqlite3_bind_text64(statement, index, value->text, value->length, SQLITE_STATIC,
                            SQLITE_UTF8);
        break;
    case SQLITE_BLOB:
        sqlite3_bind_blob64(statement, index, value->text, value->length, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(statement, index);
    }
}

/* 1 added, 0 a key that is there already, -1. */
static int add_recipient(struct reading *reading, struct error *error)
{
    sqlite3_stmt *add = reading->add_recipient;
    sqlite3_bind_int64(add, 1, reading->recipients + 1);
    sql_bind_text(add, 2, key_text(reading));
    for (unsigned i = 0; i < source_columns(reading->source) && !reading->counting; i++) {
        struct source_value value;
        source_value(reading->source, i, &value);
        bind_value(add, (int)i + 3, &value);
    }
    if (sql_done(add, error) != 0)
        return -1;
    if (!sqlite3_changes(reading->out))
        return 0;
    reading->recipients++;
    return 1;
}

static int add_skips(struct reading *reading, struct error *error)
{
    for (size_t i = 0; i < reading->steps; i++) {
        int holds =
            reading->whens[i] ? condition_holds(reading->whens[i], reading->source, error) : 1;
        if (holds < 0)
            return -1;
        if (holds)
            continue;
        sqlite3_bind_int64(reading->add_skipped, 1, (int64_t)i + 1);
        sqlite3_bind_int64(reading->add_skipped, 2, reading->recipients);
        sql_bind_text(reading->add_skipped, 3, "the step's condition does not hold");
        if (sql_done(reading->add_skipped, error) != 0)
            return -1;
    }
    return 0;
}

static int take_row(struct reading *reading, struct error *error)
{
    const char *reason = NULL;
    if (!reading->one && reason_to_leave_out(reading, &reason, error) != 0)
        return -1;
    if (reason)
        return leave_out(reading, reason, error);
    int added = add_recipient(reading, error);
    if (added == 0)
        return leave_out(reading, "duplicate", error);
    return added < 0 ? -1 : add_skips(reading, error);
}

static int take_rows(struct reading *reading, struct error *error)
{
    int64_t seen = 0;
    int more;
    while ((more = source_next(reading->source, error)) > 0) {
        if (++seen > reading->max_rows)
            return error_set(error, ERROR_INPUT,
                             "the query delivers more than max_rows (%lld) rows; narrow it, or "
                             "raise max_rows of its source",
                             (long long)reading->max_rows);
        if (reading->one && *reading->only_key && strcmp(key_text(reading), reading->only_key) != 0)
            continue;
        if (take_row(reading, error) != 0)
            return -1;
        if (reading->one)
            break;
    }
    if (more >= 0 && reading->one && !reading->recipients)
        return *reading->only_key
                   ? error_set(error, ERROR_NOT_FOUND,
                               "the query delivers no recipient with the key »%s«",
                               reading->only_key)
                   : error_set(error, ERROR_NOT_FOUND, "the query delivers no recipients");
    return more < 0 ? -1 : 0;
}

/* ---- the rows file ---- */

static int put_meta(sqlite3 *out, const char *key, const char *text, int64_t number,
                    struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *put =
        sql_prepare(out, "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", error);
    if (!put)
        return -1;
    sql_bind_text(put, 1, key);
    if (text)
        sql_bind_text(put, 2, text);
    else
        sqlite3_bind_int64(put, 2, number);
    return sql_done(put, error);
}

static int put_fields(struct reading *reading, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *put =
        sql_prepare(reading->out,
                    "INSERT INTO field (position, name, role, format, label_de, label_en) VALUES "
                    "(?1, ?2, ?3, ?4, ?5, ?6)",
                    error);
    const json_t *fields = json_object_get(json_object_get(reading->definition, "group"), "fields");
    if (!put)
        return -1;
    for (unsigned i = 0; i < source_columns(reading->source); i++) {
        const char *name = source_column_name(reading->source, i);
        const json_t *field = field_of(fields, name);
        sqlite3_bind_int64(put, 1, i);
        sql_bind_text(put, 2, name);
        sql_bind_text(put, 3, field ? text_of(field, "role") : "");
        sql_bind_text(put, 4, field ? text_of(field, "format") : "");
        sql_bind_text(put, 5, field ? text_of(field, "label_de") : "");
        sql_bind_text(put, 6, field ? text_of(field, "label_en") : "");
        if (sql_done(put, error) != 0)
            return -1;
    }
    return 0;
}

static int put_file(sqlite3_stmt *put, const char *report, json_t *file, struct error *error)
{
    BUFFER_CLEAN struct buffer content = {0};
    json_t *encoded = json_object_get(file, "content_base64");
    if (encoded &&
        text_unbase64(&content, json_string_value(encoded), json_string_length(encoded)) != 0)
        return error_set(error, ERROR_INPUT, "the file »%s« of report »%s« is not base64",
                         text_of(file, "name"), report);
    sql_bind_text(put, 1, report);
    sql_bind_text(put, 2, text_of(file, "name"));
    sql_bind_text(put, 3, text_of(file, "mime_type"));
    sqlite3_bind_blob64(put, 4, buffer_string(&content), content.size, SQLITE_STATIC);
    int result = sql_done(put, error);
    json_object_del(file, "content_base64");
    return result;
}

/* The reports' files become rows; the definition keeps their names. */
static int put_files(struct reading *reading, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *put = sql_prepare(
        reading->out, "INSERT INTO file (report, name, mime_type, content) VALUES (?1, ?2, ?3, ?4)",
        error);
    const char *name;
    json_t *report, *file;
    size_t index;
    if (!put)
        return -1;
    json_object_foreach(json_object_get(reading->definition, "reports"), name, report)
        json_array_foreach(json_object_get(report, "files"), index, file)
            if (put_file(put, name, file, error) != 0)
                return -1;
    return 0;
}

static int put_metas(struct reading *reading, struct error *error)
{
    FREE_CLEAN char *definition = json_dumps(reading->definition, JSON_COMPACT);
    return put_meta(reading->out, "run", NULL, integer_of(reading->request, "run", 0), error) !=
                       0 ||
                   put_meta(reading->out, "uuid", text_of(reading->request, "uuid"), 0, error) !=
                       0 ||
                   put_meta(reading->out, "recipients", NULL, reading->recipients, error) != 0 ||
                   put_meta(reading->out, "created_us", NULL, clock_now_us(), error) != 0 ||
                   put_meta(reading->out, "definition", definition, 0, error) != 0
               ? -1
               : 0;
}

static int prepare_out(struct reading *reading, struct error *error)
{
    unsigned columns = source_columns(reading->source);
    BUFFER_CLEAN struct buffer add = {0};
    if (sql_run(reading->out, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;",
                error) != 0 ||
        rows_create(reading->out, columns, error) != 0 ||
        sql_run(reading->out, "CREATE UNIQUE INDEX recipient_key ON recipient (key)", error) != 0)
        return -1;
    buffer_text(&add, "INSERT OR IGNORE INTO recipient VALUES (?1, ?2");
    for (unsigned i = 0; i < columns; i++)
        buffer_printf(&add, ", ?%u", i + 3);
    buffer_text(&add, ")");
    reading->add_recipient = sql_prepare(reading->out, add.data, error);
    reading->add_left_out = sql_prepare(
        reading->out, "INSERT INTO left_out (key, reason, detail) VALUES (?1, ?2, '')", error);
    reading->add_skipped = sql_prepare(
        reading->out, "INSERT INTO skipped (step, ordinal, reason) VALUES (?1, ?2, ?3)", error);
    return reading->add_recipient && reading->add_left_out && reading->add_skipped
               ? put_fields(reading, error)
               : -1;
}

static int sync_and_rename(const char *temporary, const char *path, struct error *error)
{
    FD_CLEAN int fd = open(temporary, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0440) != 0 || fsync(fd) != 0 || rename(temporary, path) != 0)
        return error_errno(error, errno, "cannot finish %s", path);
    FREE_CLEAN char *folder = memory_text(path);
    return file_sync_folder(dirname(folder), error);
}

/* ---- what a definition asks for ---- */

static int prepare_conditions(struct reading *reading, struct error *error)
{
    const char *filter = text_of(json_object_get(reading->definition, "campaign"), "filter");
    if (*filter &&
        !(reading->filter = condition_new("the campaign's filter", filter, reading->source, error)))
        return -1;
    const json_t *steps = json_object_get(reading->definition, "steps");
    reading->steps = json_array_size(steps);
    reading->whens = memory_array(reading->steps, sizeof(struct condition *));
    for (size_t i = 0; i < reading->steps; i++) {
        const json_t *step = json_array_get(steps, i);
        const char *when = text_of(step, "when");
        FREE_CLEAN char *what = memory_format("the condition of step »%s«", text_of(step, "name"));
        if (*when && !(reading->whens[i] = condition_new(what, when, reading->source, error)))
            return -1;
    }
    return 0;
}

static int prepare_selection(struct reading *reading, struct error *error)
{
    const json_t *group = json_object_get(reading->definition, "group");
    if (check_fields(reading, group, error) != 0)
        return -1;
    reading->key = column_named(reading->source, text_of(group, "key"));
    if (reading->key < 0)
        return error_set(error, ERROR_INPUT,
                         "the key column »%s« of group »%s« is not in its query; add it to the "
                         "SELECT or name another",
                         text_of(group, "key"), text_of(group, "name"));
    bool advertising = strcmp(text_of(json_object_get(reading->definition, "campaign"), "purpose"),
                              "advertising") == 0;
    reading->blocked = column_with_role(reading, "blocked");
    reading->consent = advertising ? column_with_role(reading, "consent_email") : -1;
    return prepare_conditions(reading, error);
}

static int fill_file(struct reading *reading, struct error *error)
{
    if (prepare_selection(reading, error) != 0 || prepare_out(reading, error) != 0 ||
        take_rows(reading, error) != 0 || put_files(reading, error) != 0 ||
        put_metas(reading, error) != 0)
        return -1;
    return sql_run(reading->out, "COMMIT", error);
}

static json_t *snapshot(struct reading *reading, struct error *error)
{
    const char *path = text_of(reading->request, "out");
    FREE_CLEAN char *temporary = *path ? memory_format("%s.tmp", path) : memory_text(":memory:");
    reading->counting = !*path;
    if (*path)
        unlink(temporary);
    if (sqlite3_open_v2(temporary, &reading->out,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        sql_error(reading->out, error, "make the run's rows");
        return NULL;
    }
    int result = fill_file(reading, error);
    json_t *columns = result == 0 ? columns_json(reading) : NULL;
    sql_close(&reading->out);
    if (result == 0 && *path)
        result = sync_and_rename(temporary, path, error);
    if (result == 0)
        return json_pack("{s:b, s:I, s:O, s:o}", "ok", 1, "recipients",
                         (json_int_t)reading->recipients, "left_out", reading->left_out, "columns",
                         columns);
    json_decref(columns);
    if (*path)
        unlink(temporary);
    return NULL;
}

/* ---- first rows ---- */

static json_t *value_json(const struct source_value *value)
{
    BUFFER_CLEAN struct buffer encoded = {0};
    switch (value->type) {
    case SQLITE_NULL:
        return json_null();
    case SQLITE_INTEGER:
        return json_integer(value->integer);
    case SQLITE_FLOAT:
        return json_real(value->real);
    case SQLITE_TEXT: {
        json_t *text = json_stringn(value->text, value->length);
        if (text)
            return text; /* else it is not UTF-8: shown as bytes */
        __attribute__((fallthrough));
    }
    default:
        text_base64(&encoded, value->text, value->length);
        return json_pack("{s:s}", "base64", buffer_string(&encoded));
    }
}

static json_t *row_json(const struct reading *reading)
{
    json_t *row = json_array();
    for (unsigned i = 0; i < source_columns(reading->source); i++) {
        struct source_value value;
        source_value(reading->source, i, &value);
        json_array_append_new(row, value_json(&value));
    }
    return row;
}

static json_t *first_rows(struct reading *reading, struct error *error)
{
    int64_t limit = integer_of(reading->request, "limit", 20);
    int64_t count = 0;
    int more;
    if (limit < 0 || limit > ROWS_LIMIT)
        limit = ROWS_LIMIT;
    json_t *rows = json_array();
    while ((more = source_next(reading->source, error)) > 0 && count < reading->max_rows)
        if (count++ < limit)
            json_array_append_new(rows, row_json(reading));
    if (more < 0) {
        json_decref(rows);
        return NULL;
    }
    return json_pack("{s:b, s:I, s:b, s:o, s:o}", "ok", 1, "count", (json_int_t)count, "truncated",
                     count > limit, "columns", columns_json(reading), "rows", rows);
}

/* ---- the process ---- */

/* What the query and the conditions are worth, without running them. */
static json_t *only_columns(struct reading *reading, struct error *error)
{
    if (prepare_selection(reading, error) != 0)
        return NULL;
    return json_pack("{s:b, s:o}", "ok", 1, "columns", columns_json(reading));
}

static json_t *answer(struct reading *reading, struct error *error)
{
    const json_t *query = json_object_get(json_object_get(reading->request, "definition"), "query");
    const char *name = text_of(query, "source");
    const json_t *source = json_object_get(json_object_get(reading->request, "sources"), name);
    const char *mode = text_of(reading->request, "mode");
    struct source_options options = {
        .driver = text_of(source, "driver"),
        .path = text_of(source, "path"),
        .connection = text_of(source, "connection"),
        .password = text_of(source, "password"),
        .time_limit_us = integer_of(source, "time_limit_us", 300000000),
    };
    reading->definition = json_object_get(reading->request, "definition");
    reading->max_rows = integer_of(source, "max_rows", 10000000);
    reading->one = strcmp(mode, "one") == 0;
    reading->only_key = text_of(reading->request, "key");
    FREE_CLEAN char *folder = memory_text(options.path);
    FREE_CLEAN char *out = memory_text(text_of(reading->request, "out"));
    sandbox_enter(dirname(folder), *out ? dirname(out) : NULL, options.time_limit_us);
    reading->source = source_open(name, &options, error);
    if (!reading->source ||
        source_query(
            reading->source, text_of(json_object_get(reading->definition, "group"), "sql"),
            json_object_get(json_object_get(reading->definition, "campaign"), "parameters"),
            error) != 0)
        return NULL;
    if (strcmp(mode, "columns") == 0)
        return only_columns(reading, error);
    return strcmp(mode, "rows") == 0 ? first_rows(reading, error) : snapshot(reading, error);
}

static void forget(struct reading *reading)
{
    for (size_t i = 0; i < reading->steps; i++)
        condition_free(reading->whens[i]);
    free(reading->whens);
    condition_free(reading->filter);
    source_close(reading->source);
    json_decref(reading->left_out);
    json_decref(reading->request);
}

/*
 * A reader never outlives its core: the next one starts another for the same run, which writes under
 * the same name. The kernel sees to that; and if the core was dead before it was asked to, nobody
 * reads the answer any more.
 */
static bool die_with_core(void)
{
    struct pollfd answer = {.fd = STDOUT_FILENO, .events = POLLOUT};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return poll(&answer, 1, 0) >= 0 && !(answer.revents & (POLLERR | POLLHUP));
}

int reader_main(void)
{
    struct reading reading = {.key = -1, .blocked = -1, .consent = -1};
    struct error error = {.message = "the request is not JSON", .code = ERROR_INTERNAL};
    BUFFER_CLEAN struct buffer input = {0};
    log_open("reader");
    if (!die_with_core())
        return 1;
    reading.left_out = json_object();
    if (file_read_fd(STDIN_FILENO, "the request", REQUEST_LIMIT, &input, &error) == 0)
        reading.request = json_loadb(buffer_string(&input), input.size, 0, NULL);
    json_t *result = reading.request ? answer(&reading, &error) : NULL;
    if (!result)
        result = json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "code", error_name(error.code),
                           "message", error.message, "message_de", error.german);
    FREE_CLEAN char *text = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    forget(&reading);
    return text && file_write_all(STDOUT_FILENO, text, strlen(text)) == 0 ? 0 : 1;
}
