/* A database file of SQLite, or one in memory that another driver has filled. */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/driver.h"
#include "source/folding.h"
#include "source/statement.h"

struct sqlite_state {
    sqlite3 *db;
    sqlite3_stmt *statement;
    bool begun;
    bool trusted;        /* our own statements: the authorizer lets them pass */
    const char *refused; /* what it does, English; NULL: it was not refused */
    const char *refused_german;
};

static bool is_harmless(const char *function)
{
    static const char *const dangerous[] = {"load_extension", "readfile", "writefile",    "edit",
                                            "fts3_tokenizer", "fsdir",    "sqlite_dbpage"};
    for (size_t i = 0; i < sizeof dangerous / sizeof *dangerous; i++)
        if (function && strcasecmp(function, dangerous[i]) == 0)
            return false;
    return true;
}

static int deny(struct sqlite_state *state, const char *english, const char *german)
{
    state->refused = english;
    state->refused_german = german;
    return SQLITE_DENY;
}

/* The second wall: what statement.c let pass by its words is looked at by its meaning. */
static int authorize_query(void *context, int action, const char *a, const char *b, const char *c,
                           const char *d)
{
    struct sqlite_state *state = context;
    (void)a, (void)c, (void)d;
    if (state->trusted)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return is_harmless(b) ? SQLITE_OK
                              : deny(state, "it calls a function that reaches outside the database",
                                     "sie ruft eine Funktion auf, die über die Datenbank "
                                     "hinausreicht");
    case SQLITE_PRAGMA:
        return deny(state, "it is a PRAGMA", "sie ist ein PRAGMA");
    default:
        return deny(state, "it would change the database", "sie würde die Datenbank ändern");
    }
}

static int is_over(void *context)
{
    return source_is_over(context);
}

/* ---- opening ---- */

int sqlite_source_take(struct source *source, sqlite3 *database)
{
    struct sqlite_state *state = memory_new(sizeof *state);
    source->state = state;
    source->dialect = DIALECT_SQLITE;
    state->db = database;
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_limit(database, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, 64 << 20);
    sqlite3_busy_timeout(database, 5000);
    folding_install(database, NULL); /* built queries fold texts */
    sqlite3_set_authorizer(database, authorize_query, state);
    sqlite3_progress_handler(database, 10000, is_over, source);
    return 0;
}

/* From the first query on, all statements see one state. What is sorted goes into memory where the
 * sandbox has no folder for it. */
static int begin_reading(struct source *source, struct error *error)
{
    struct sqlite_state *state = source->state;
    if (state->begun)
        return 0;
    state->trusted = true;
    int result =
        sqlite3_exec(state->db,
                     sqlite3_temp_directory ? "PRAGMA query_only = ON; BEGIN"
                                            : "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; "
                                              "BEGIN",
                     NULL, NULL, NULL);
    state->trusted = false;
    state->begun = result == SQLITE_OK;
    return state->begun ? 0
                        : error_say(error, ERROR_INPUT, "source »%s«: cannot read it: %s",
                                    "Datenquelle »%s«: kann nicht gelesen werden: %s", source->name,
                                    sqlite3_errmsg(state->db));
}

/* Byte 18 of a database's head: the version of its format for writing, 2 with a write-ahead log. */
static bool is_in_wal_mode(const char *path)
{
    unsigned char head[20] = {0};
    FD_CLEAN int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd >= 0 && read(fd, head, sizeof head) == (ssize_t)sizeof head && head[18] == 2;
}

/* Has it a schema that can be read? What is needed beside the file is opened by this, too, before
 * the sandbox closes. */
static int try_reading(struct source *source, const char *path, struct error *error)
{
    const struct sqlite_state *state = source->state;
    int result = sqlite3_exec(state->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        return 0;
    if (result != SQLITE_NOTADB && result != SQLITE_CORRUPT && is_in_wal_mode(path))
        return error_say(error, ERROR_INPUT,
                         "source »%s«: cannot read %s: %s. The database is in WAL mode, in which "
                         "reading makes files beside it: let campaignd's user write into its "
                         "folder, or take it out of that mode (PRAGMA journal_mode = DELETE)",
                         "Datenquelle »%s«: %s kann nicht gelesen werden: %s. Die Datenbank ist im "
                         "WAL-Modus, in dem beim Lesen Dateien neben ihr entstehen: dem Benutzer "
                         "von campaignd das Schreiben in ihren Ordner erlauben oder diesen Modus "
                         "beenden (PRAGMA journal_mode = DELETE).",
                         source->name, path, sqlite3_errmsg(state->db));
    return error_say(error, ERROR_INPUT, "source »%s«: cannot read %s: %s",
                     "Datenquelle »%s«: %s kann nicht gelesen werden: %s", source->name, path,
                     sqlite3_errmsg(state->db));
}

static int open_sqlite(struct source *source, const struct source_options *options,
                       struct error *error)
{
    sqlite3 *database = NULL;
    FREE_CLEAN char *folder = memory_text(options->path ? options->path : "");
    FREE_CLEAN char *path = memory_text(folder);
    source_add_folder(source, dirname(folder), true);
    source->until_us = clock_monotonic_us() + source->time_limit_us;
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK)
        return sqlite_source_take(source, database) == 0 ? try_reading(source, path, error) : -1;
    error_say(error, ERROR_INPUT, "source »%s«: cannot open %s: %s",
              "Datenquelle »%s«: %s kann nicht geöffnet werden: %s", source->name, path,
              database ? sqlite3_errmsg(database) : "out of memory");
    sqlite3_close_v2(database);
    return -1;
}

static void close_sqlite(struct source *source)
{
    struct sqlite_state *state = source->state;
    if (!state)
        return;
    sqlite3_finalize(state->statement);
    sqlite3_close_v2(state->db);
    free(state);
}

/* ---- one query ---- */

/* "no such column: c.nmae", "no such table: custmers": say what was meant. */
static void suggest_name(struct source *source, const char *message, const char *sql,
                         struct error *error)
{
    static const char column[] = "no such column: ", table[] = "no such table: ";
    FREE_CLEAN char *copy = memory_text(message); /* the list of tables makes a new one */
    if (text_starts(copy, column))
        source_suggest(source, copy + strlen(column), true, sql, error);
    else if (text_starts(copy, table))
        source_suggest(source, copy + strlen(table), false, sql, error);
}

static int say_refused(const struct sqlite_state *state, struct error *error)
{
    error_set(error, ERROR_INPUT, "the query was refused: %s; only a SELECT may be run",
              state->refused ? state->refused : "it is not allowed");
    if (error)
        snprintf(error->german, sizeof error->german,
                 "Die Abfrage wurde abgelehnt: %s; nur ein SELECT darf ausgeführt werden.",
                 state->refused ? state->refused_german : "sie ist nicht erlaubt");
    return -1;
}

static int refuse_statement(struct source *source, const struct statement *statement,
                            struct error *error)
{
    const struct sqlite_state *state = source->state;
    int offset = sqlite3_error_offset(state->db);
    if (state->refused)
        return say_refused(state, error);
    FREE_CLEAN char *message = memory_text(sqlite3_errmsg(state->db));
    statement_wrong(statement, source->name, message,
                    offset < 0 ? STATEMENT_NOWHERE : (size_t)offset, error);
    suggest_name(source, message, statement->original, error);
    return -1;
}

static void bind_json(sqlite3_stmt *statement, int index, const json_t *value)
{
    if (json_is_integer(value))
        sqlite3_bind_int64(statement, index, json_integer_value(value));
    else if (json_is_real(value))
        sqlite3_bind_double(statement, index, json_real_value(value));
    else if (json_is_string(value))
        sqlite3_bind_text(statement, index, json_string_value(value),
                          (int)json_string_length(value), SQLITE_TRANSIENT);
    else if (json_is_boolean(value))
        sqlite3_bind_int(statement, index, json_is_true(value));
}

static int bind_parameters(sqlite3_stmt *prepared, const struct statement *statement,
                           const json_t *parameters, struct error *error)
{
    for (size_t i = 0; i < statement->value_count; i++) {
        const json_t *value = source_parameter(parameters, statement->values[i], error);
        if (!value)
            return -1;
        bind_json(prepared, (int)i + 1, value);
    }
    return 0;
}

/* A column's type by the words that SQLite itself looks for, and by those for dates, which it does
 * not know. */
static enum source_type declared_type(const char *declared)
{
    static const struct {
        const char *word;
        enum source_type type;
    } words[] = {
        {"INT", SOURCE_INTEGER},        {"CHAR", SOURCE_TEXT},           {"CLOB", SOURCE_TEXT},
        {"TEXT", SOURCE_TEXT},          {"BLOB", SOURCE_BINARY},         {"REAL", SOURCE_REAL},
        {"FLOA", SOURCE_REAL},          {"DOUB", SOURCE_REAL},           {"DEC", SOURCE_DECIMAL},
        {"NUMERIC", SOURCE_DECIMAL},    {"MONEY", SOURCE_DECIMAL},       {"BOOL", SOURCE_BOOLEAN},
        {"DATETIME", SOURCE_TIMESTAMP}, {"TIMESTAMP", SOURCE_TIMESTAMP}, {"DATE", SOURCE_DATE},
        {"TIME", SOURCE_TIME},
    };
    for (size_t i = 0; declared && i < sizeof words / sizeof *words; i++)
        if (strcasestr(declared, words[i].word))
            return words[i].type;
    return SOURCE_UNKNOWN;
}

static int query_sqlite(struct source *source, const char *sql, const json_t *parameters,
                        struct error *error)
{
    struct sqlite_state *state = source->state;
    STATEMENT_FREE struct statement statement = {0};
    sqlite3_finalize(state->statement);
    state->statement = NULL;
    state->refused = NULL;
    if (statement_read(&statement, sql, DIALECT_SQLITE, error) != 0 ||
        begin_reading(source, error) != 0)
        return -1;
    if (sqlite3_prepare_v2(state->db, statement.sql, -1, &state->statement, NULL) != SQLITE_OK)
        return refuse_statement(source, &statement, error);
    if (!sqlite3_stmt_readonly(state->statement) || !sqlite3_column_count(state->statement))
        return error_say(error, ERROR_INPUT, "the query delivers no rows; only a SELECT may be run",
                         "Die Abfrage liefert keine Zeilen; nur ein SELECT darf ausgeführt "
                         "werden.");
    if (bind_parameters(state->statement, &statement, parameters, error) != 0)
        return -1;
    for (int i = 0; i < sqlite3_column_count(state->statement); i++)
        source_add_column(source, sqlite3_column_name(state->statement, i),
                          declared_type(sqlite3_column_decltype(state->statement, i)));
    return 0;
}

static int next_sqlite(struct source *source, struct error *error)
{
    struct sqlite_state *state = source->state;
    switch (sqlite3_step(state->statement)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    case SQLITE_INTERRUPT:
        return source_too_slow(source, error);
    case SQLITE_AUTH: /* table-valued PRAGMAs are looked at when they run */
        return say_refused(state, error);
    default:
        return error_say(error, ERROR_INPUT, "source »%s«: the query failed: %s",
                         "Datenquelle »%s«: die Abfrage ist gescheitert: %s", source->name,
                         sqlite3_errmsg(state->db));
    }
}

/* One look at the column: sqlite3_column_…() each would be one (a fifth of a fetch's time). */
static void value_sqlite(const struct source *source, unsigned column, struct source_value *out)
{
    const struct sqlite_state *state = source->state;
    sqlite3_value *value = sqlite3_column_value(state->statement, (int)column);
    *out = (struct source_value){.type = sqlite3_value_type(value)};
    switch (out->type) {
    case SQLITE_INTEGER:
        out->integer = sqlite3_value_int64(value);
        break;
    case SQLITE_FLOAT:
        out->real = sqlite3_value_double(value);
        break;
    case SQLITE_TEXT:
        out->text = (const char *)sqlite3_value_text(value);
        out->length = (size_t)sqlite3_value_bytes(value);
        break;
    case SQLITE_BLOB:
        out->text = sqlite3_value_blob(value);
        out->length = (size_t)sqlite3_value_bytes(value);
        if (!out->text)
            out->text = ""; /* so is a blob of no bytes */
        break;
    }
}

/* ---- what there is ---- */

static sqlite3_stmt *prepare_list(const struct source *source, const char *sql, const char *table)
{
    const struct sqlite_state *state = source->state;
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(state->db, sql, -1, &statement, NULL);
    if (statement && table)
        sqlite3_bind_text(statement, 1, table, -1, SQLITE_TRANSIENT);
    return statement;
}

static const char *text_at(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

static json_t *columns_of(const struct source *source, const char *table)
{
    json_t *columns = json_array();
    sqlite3_stmt *list = prepare_list(source,
                                      "SELECT name, type, \"notnull\", pk "
                                      "FROM pragma_table_info(?1) "
                                      "ORDER BY cid",
                                      table);
    while (list && sqlite3_step(list) == SQLITE_ROW)
        json_array_append_new(
            columns, json_pack("{s:s, s:s, s:s, s:b, s:i}", "name", text_at(list, 0), "type",
                               source_type_name(declared_type(text_at(list, 1))), "native_type",
                               text_at(list, 1), "nullable",
                               !sqlite3_column_int(list, 2) && !sqlite3_column_int(list, 3), "key",
                               sqlite3_column_int(list, 3)));
    sqlite3_finalize(list);
    return columns;
}

/* A key that names no columns means the other table's primary key. */
static json_t *primary_key_of(const struct source *source, const char *table)
{
    json_t *names = json_array();
    sqlite3_stmt *list = prepare_list(source,
                                      "SELECT name "
                                      "FROM pragma_table_info(?1) "
                                      "WHERE pk > 0 "
                                      "ORDER BY pk",
                                      table);
    while (list && sqlite3_step(list) == SQLITE_ROW)
        json_array_append_new(names, json_string(text_at(list, 0)));
    sqlite3_finalize(list);
    return names;
}

static json_t *foreign_keys_of(const struct source *source, const char *table)
{
    json_t *keys = json_array(), *key = NULL;
    sqlite3_stmt *list = prepare_list(source,
                                      "SELECT id, \"table\", \"from\", \"to\" "
                                      "FROM pragma_foreign_key_list(?1) "
                                      "ORDER BY id DESC, seq",
                                      table);
    for (int id = -1; list && sqlite3_step(list) == SQLITE_ROW;) {
        bool named = sqlite3_column_type(list, 3) != SQLITE_NULL;
        if (sqlite3_column_int(list, 0) != id) {
            id = sqlite3_column_int(list, 0);
            key = json_pack("{s:[], s:s, s:o}", "columns", "table", text_at(list, 1), "to",
                            named ? json_array() : primary_key_of(source, text_at(list, 1)));
            json_array_append_new(keys, key);
        }
        json_array_append_new(json_object_get(key, "columns"), json_string(text_at(list, 2)));
        if (named)
            json_array_append_new(json_object_get(key, "to"), json_string(text_at(list, 3)));
    }
    sqlite3_finalize(list);
    return keys;
}

static json_t *list_tables(struct source *source, struct error *error)
{
    struct sqlite_state *state = source->state;
    json_t *tables = json_array();
    int step = SQLITE_ERROR;
    sqlite3_stmt *list = prepare_list(source,
                                      "SELECT name, type "
                                      "FROM sqlite_schema "
                                      "WHERE type IN ('table', 'view') AND name NOT LIKE "
                                      "'sqlite\\_%' ESCAPE '\\' "
                                      "ORDER BY name",
                                      NULL);
    while (list && (step = sqlite3_step(list)) == SQLITE_ROW)
        json_array_append_new(
            tables, json_pack("{s:s, s:s, s:o, s:o}", "name", text_at(list, 0), "kind",
                              text_at(list, 1), "columns", columns_of(source, text_at(list, 0)),
                              "foreign_keys", foreign_keys_of(source, text_at(list, 0))));
    if (step == SQLITE_DONE) {
        sqlite3_finalize(list);
        return tables;
    }
    error_say(error, ERROR_INPUT, "source »%s«: cannot list its tables: %s",
              "Datenquelle »%s«: ihre Tabellen lassen sich nicht auflisten: %s", source->name,
              sqlite3_errmsg(state->db));
    sqlite3_finalize(list);
    json_decref(tables);
    return NULL;
}

/* PRAGMAs ask the authorizer while they run, too. */
static json_t *tables_sqlite(struct source *source, struct error *error)
{
    struct sqlite_state *state = source->state;
    state->trusted = true;
    json_t *tables = list_tables(source, error);
    state->trusted = false;
    return tables;
}

const struct driver driver_sqlite = {
    .name = "sqlite",
    .open = open_sqlite,
    .close = close_sqlite,
    .query = query_sqlite,
    .next = next_sqlite,
    .value = value_sqlite,
    .tables = tables_sqlite,
    .can_be_stopped = true,
};
