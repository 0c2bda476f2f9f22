#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "source/rows_internal.h"
#include "store/sql.h"

/* ---- writing ---- */

static const char fixed_tables[] = "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
                                   "CREATE TABLE field("
                                   "  position INTEGER PRIMARY KEY,"
                                   "  name TEXT NOT NULL,"
                                   "  role TEXT,"
                                   "  type TEXT,"
                                   "  format TEXT,"
                                   "  label_de TEXT,"
                                   "  label_en TEXT);"
                                   "CREATE TABLE file("
                                   "  report TEXT NOT NULL,"
                                   "  name TEXT NOT NULL,"
                                   "  mime_type TEXT NOT NULL,"
                                   "  content BLOB NOT NULL,"
                                   "  PRIMARY KEY(report, name));"
                                   "CREATE TABLE left_out(key, reason TEXT NOT NULL, detail TEXT);"
                                   "CREATE TABLE skipped("
                                   "  step INTEGER NOT NULL,"
                                   "  ordinal INTEGER NOT NULL,"
                                   "  reason TEXT NOT NULL,"
                                   "  PRIMARY KEY(step, ordinal)) WITHOUT ROWID;"
                                   "CREATE TABLE detail_group("
                                   "  position INTEGER PRIMARY KEY,"
                                   "  name TEXT NOT NULL,"
                                   "  row_limit INTEGER NOT NULL);"
                                   "CREATE TABLE detail_field("
                                   "  grp INTEGER NOT NULL,"
                                   "  position INTEGER NOT NULL,"
                                   "  name TEXT NOT NULL,"
                                   "  type TEXT,"
                                   "  format TEXT,"
                                   "  label_de TEXT,"
                                   "  label_en TEXT,"
                                   "  PRIMARY KEY(grp, position)) WITHOUT ROWID;"
                                   "INSERT INTO meta VALUES('format', 2);";

int rows_fail(const struct rows *rows, struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "cannot read the rows file %s: %s", rows->path,
                     sqlite3_errmsg(rows->database));
}

/* ", c0, c1 … cN": no declared types, so that each cell stays as the source typed it. */
static void add_cells(struct buffer *sql, const char *prefix, unsigned columns)
{
    for (unsigned i = 0; i < columns; i++)
        buffer_printf(sql, ", %s%u", prefix, i);
}

static int check_width(unsigned columns, struct error *error)
{
    if (columns <= ROWS_COLUMNS_MAX)
        return 0;
    return error_say(error, ERROR_INPUT,
                     "the query delivers %u columns; a run takes at most %d: name in its SELECT "
                     "those that are needed",
                     "Die Abfrage liefert %u Spalten; eine Ausführung nimmt höchstens %d: im "
                     "SELECT die nennen, die gebraucht werden",
                     columns, ROWS_COLUMNS_MAX);
}

static int make_tables(sqlite3 *database, const struct buffer *sql, struct error *error)
{
    if (sqlite3_exec(database, buffer_string(sql), NULL, NULL, NULL) != SQLITE_OK)
        return error_set(error, ERROR_SYSTEM, "cannot make the tables of a rows file: %s",
                         sqlite3_errmsg(database));
    return 0;
}

int rows_create(sqlite3 *database, unsigned columns, struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    if (check_width(columns, error) != 0)
        return -1;
    buffer_text(&sql, fixed_tables);
    buffer_text(&sql, "CREATE TABLE recipient(ordinal INTEGER PRIMARY KEY, key NOT NULL");
    add_cells(&sql, "c", columns);
    buffer_text(&sql, ");CREATE TABLE member(ordinal INTEGER, position INTEGER, key NOT NULL");
    add_cells(&sql, "c", columns);
    buffer_text(&sql, ", PRIMARY KEY(ordinal, position)) WITHOUT ROWID;");
    return make_tables(database, &sql, error);
}

int rows_create_detail(sqlite3 *database, unsigned index, unsigned columns, struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    if (check_width(columns, error) != 0)
        return -1;
    if (index >= ROWS_DETAILS_MAX)
        return error_say(
            error, ERROR_INPUT,
            "the group has more than %d detail groups; take those away that no report "
            "needs",
            "Die Gruppe hat mehr als %d Detailgruppen; die entfernen, die kein Bericht "
            "braucht",
            ROWS_DETAILS_MAX);
    buffer_printf(&sql, "CREATE TABLE detail_%u(ordinal INTEGER, seq INTEGER", index);
    add_cells(&sql, "d", columns);
    buffer_text(&sql, ", PRIMARY KEY(ordinal, seq)) WITHOUT ROWID;");
    return make_tables(database, &sql, error);
}

int rows_create_indexes(sqlite3 *database, bool ascending, struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    buffer_printf(&sql, "INSERT OR REPLACE INTO meta VALUES('ascending', %d);", ascending);
    if (!ascending)
        buffer_text(&sql, "CREATE INDEX IF NOT EXISTS recipient_key ON recipient(key);");
    buffer_text(&sql, "CREATE INDEX IF NOT EXISTS member_key ON member(key);");
    return make_tables(database, &sql, error);
}

/* ---- opening ---- */

int rows_prepare(struct rows *rows, const char *sql, sqlite3_stmt **statement, struct error *error)
{
    if (sqlite3_prepare_v3(rows->database, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) !=
        SQLITE_OK)
        return rows_fail(rows, error);
    return 0;
}

static const char *column_text(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);
    return text ? text : "";
}

static void take_meta(struct rows *rows, const char *key, sqlite3_stmt *statement)
{
    if (strcmp(key, "format") == 0)
        rows->format = sqlite3_column_int(statement, 1);
    else if (strcmp(key, "ascending") == 0)
        rows->ascending = sqlite3_column_int(statement, 1) == 1;
    else if (strcmp(key, "run") == 0)
        rows->run = sqlite3_column_int64(statement, 1);
    else if (strcmp(key, "uuid") == 0)
        rows->uuid = arena_text(rows->texts, column_text(statement, 1));
    else if (strcmp(key, "recipients") == 0)
        rows->recipients = sqlite3_column_int64(statement, 1);
    else if (strcmp(key, "created_us") == 0)
        rows->created_us = sqlite3_column_int64(statement, 1);
    else if (strcmp(key, "definition") == 0 && !rows->definition)
        rows->definition = json_loadb(column_text(statement, 1),
                                      (size_t)sqlite3_column_bytes(statement, 1), 0, NULL);
}

void rows_finalize(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

static int read_meta(struct rows *rows, struct error *error)
{
    ROWS_STATEMENT_CLEAN sqlite3_stmt *statement = NULL;
    int step;
    if (rows_prepare(rows, "SELECT key, value FROM meta", &statement, error) != 0)
        return -1;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW)
        take_meta(rows, column_text(statement, 0), statement);
    if (step != SQLITE_DONE)
        return rows_fail(rows, error);
    if (rows->format < ROWS_FORMAT_OLDEST || rows->format > ROWS_FORMAT)
        return error_set(error, ERROR_INPUT, "the rows file %s is not of format %d to %d",
                         rows->path, ROWS_FORMAT_OLDEST, ROWS_FORMAT);
    if (!json_is_object(rows->definition) || !rows->uuid)
        return error_set(error, ERROR_INPUT, "the rows file %s has no definition or no uuid",
                         rows->path);
    return 0;
}

int rows_take_fields(struct rows *rows, sqlite3_stmt *statement, struct rows_field **fields,
                     unsigned *count, struct error *error)
{
    int step;
    *count = 0;
    *fields = arena_alloc(rows->texts, ROWS_COLUMNS_MAX * sizeof **fields);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (*count == ROWS_COLUMNS_MAX || sqlite3_column_int64(statement, 0) != (int64_t)*count)
            return error_set(error, ERROR_INPUT, "the rows file %s has a gap in its fields",
                             rows->path);
        (*fields)[(*count)++] = (struct rows_field){
            .name = arena_text(rows->texts, column_text(statement, 1)),
            .role = arena_text(rows->texts, column_text(statement, 2)),
            .type = arena_text(rows->texts, column_text(statement, 3)),
            .format = arena_text(rows->texts, column_text(statement, 4)),
            .label_de = arena_text(rows->texts, column_text(statement, 5)),
            .label_en = arena_text(rows->texts, column_text(statement, 6)),
        };
    }
    return step == SQLITE_DONE ? 0 : rows_fail(rows, error);
}

static int read_fields(struct rows *rows, struct error *error)
{
    ROWS_STATEMENT_CLEAN sqlite3_stmt *statement = NULL;
    if (rows_prepare(rows,
                     rows->format == 1
                         ? "SELECT position, name, role, '', format, label_de, label_en "
                           "FROM field "
                           "ORDER BY position"
                         : "SELECT position, name, role, type, format, label_de, label_en "
                           "FROM field "
                           "ORDER BY position",
                     &statement, error) != 0)
        return -1;
    return rows_take_fields(rows, statement, &rows->fields, &rows->field_count, error);
}

static int prepare_cursor(struct rows *rows, struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    buffer_text(&sql, "SELECT ordinal, key");
    for (unsigned i = 0; i < rows->field_count; i++)
        buffer_printf(&sql, ", c%u", i);
    buffer_text(&sql, " FROM recipient "
                      "WHERE ordinal BETWEEN ?1 AND ?2 "
                      "ORDER BY ordinal");
    return rows_prepare(rows, buffer_string(&sql), &rows->cursor, error);
}

sqlite3 *rows_open_database(const char *path, struct error *error)
{
    FREE_CLEAN char *uri = sql_uri(path, "immutable=1");
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(uri, &db, flags, NULL) != SQLITE_OK) {
        error_set(error, ERROR_SYSTEM, "cannot open the rows file %s: %s", path,
                  sqlite3_errmsg(db));
        sql_close(&db);
        return NULL;
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return db;
}

int rows_has_members(sqlite3 *db, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(
        db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'member'", error);
    return select ? sql_row(select, error) : -1;
}

static void make_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(mutex, &recursive);
    pthread_mutexattr_destroy(&recursive);
}

struct rows *rows_open(const char *path, struct error *error)
{
    struct rows *rows = memory_new(sizeof *rows);
    make_mutex(&rows->mutex);
    rows->texts = arena_new();
    rows->path = memory_text(path);
    rows->database = rows_open_database(path, error);
    if (rows->database)
        sqlite3_exec(rows->database, "PRAGMA mmap_size = 1073741824", NULL, NULL, NULL);
    if (rows->database && read_meta(rows, error) == 0 && read_fields(rows, error) == 0 &&
        rows_read_details(rows, error) == 0 && prepare_cursor(rows, error) == 0)
        return rows;
    rows_close(rows);
    return NULL;
}

void rows_close(struct rows *rows)
{
    if (!rows)
        return;
    rows_close_walks(rows);
    sqlite3_finalize(rows->cursor);
    sqlite3_finalize(rows->file);
    sqlite3_close(rows->database);
    json_decref(rows->definition);
    arena_free(rows->texts);
    pthread_mutex_destroy(&rows->mutex);
    free(rows->path);
    free(rows);
}

void rows_close_pointer(struct rows **rows)
{
    rows_close(*rows);
}

/* ---- what it says about itself ---- */

sqlite3 *rows_database(const struct rows *rows)
{
    return rows->database;
}

const json_t *rows_definition(const struct rows *rows)
{
    return rows->definition;
}

const char *rows_uuid(const struct rows *rows)
{
    return rows->uuid;
}

int64_t rows_run(const struct rows *rows)
{
    return rows->run;
}

int64_t rows_recipients(const struct rows *rows)
{
    return rows->recipients;
}

int64_t rows_created_us(const struct rows *rows)
{
    return rows->created_us;
}

unsigned rows_field_count(const struct rows *rows)
{
    return rows->field_count;
}

const struct rows_field *rows_field(const struct rows *rows, unsigned position)
{
    return position < rows->field_count ? &rows->fields[position] : NULL;
}

int rows_field_by_name(const struct rows *rows, const char *name)
{
    for (unsigned i = 0; i < rows->field_count; i++)
        if (strcmp(rows->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

int rows_field_by_role(const struct rows *rows, const char *role)
{
    for (unsigned i = 0; *role && i < rows->field_count; i++)
        if (strcmp(rows->fields[i].role, role) == 0)
            return (int)i;
    return -1;
}

int rows_format(const struct rows *rows)
{
    return rows->format;
}

/* ---- the cursor ---- */

void rows_lock(struct rows *rows)
{
    pthread_mutex_lock(&rows->mutex);
}

void rows_unlock(struct rows *rows)
{
    pthread_mutex_unlock(&rows->mutex);
}

void rows_unlock_pointer(struct rows **rows)
{
    rows_unlock(*rows);
}

int rows_seek(struct rows *rows, int64_t first, int64_t last, struct error *error)
{
    ROWS_LOCKED(rows);
    sqlite3_reset(rows->cursor);
    if (sqlite3_bind_int64(rows->cursor, 1, first) != SQLITE_OK ||
        sqlite3_bind_int64(rows->cursor, 2, last) != SQLITE_OK)
        return rows_fail(rows, error);
    return 0;
}

int rows_next(struct rows *rows, struct error *error)
{
    ROWS_LOCKED(rows);
    int step = sqlite3_step(rows->cursor);
    if (step == SQLITE_ROW)
        return 1;
    if (step != SQLITE_DONE)
        rows_fail(rows, error);
    sqlite3_reset(rows->cursor);
    return step == SQLITE_DONE ? 0 : -1;
}

void rows_cell(sqlite3_stmt *statement, int index, struct rows_value *out)
{
    *out = (struct rows_value){.type = sqlite3_column_type(statement, index), .text = ""};
    if (out->type == SQLITE_NULL)
        return;
    if (out->type == SQLITE_INTEGER)
        out->integer = sqlite3_column_int64(statement, index);
    if (out->type == SQLITE_FLOAT)
        out->real = sqlite3_column_double(statement, index);
    /* A blob of no bytes is NULL to sqlite3_column_blob. */
    const void *bytes = out->type == SQLITE_BLOB
                            ? sqlite3_column_blob(statement, index)
                            : (const void *)sqlite3_column_text(statement, index);
    out->length = (size_t)sqlite3_column_bytes(statement, index);
    if (bytes)
        out->text = bytes;
}

int64_t rows_ordinal(const struct rows *rows)
{
    return sqlite3_column_int64(rows->cursor, 0);
}

void rows_key(const struct rows *rows, struct rows_value *out)
{
    rows_cell(rows->cursor, 1, out);
}

void rows_value(const struct rows *rows, unsigned position, struct rows_value *out)
{
    if (position < rows->field_count)
        rows_cell(rows->cursor, (int)position + 2, out);
    else
        *out = (struct rows_value){.type = SQLITE_NULL, .text = ""};
}

/* ---- files of reports ---- */

int rows_file(struct rows *rows, const char *report, const char *name, char **content, size_t *size,
              char **mime_type, struct error *error)
{
    ROWS_LOCKED(rows);
    if (!rows->file && rows_prepare(rows,
                                    "SELECT content, mime_type "
                                    "FROM file "
                                    "WHERE report = ?1 AND name = ?2",
                                    &rows->file, error) != 0)
        return -1;
    sqlite3_bind_text(rows->file, 1, report, -1, SQLITE_STATIC);
    sqlite3_bind_text(rows->file, 2, name, -1, SQLITE_STATIC);
    int step = sqlite3_step(rows->file);
    if (step == SQLITE_ROW) {
        const char *bytes = sqlite3_column_blob(rows->file, 0);
        *size = (size_t)sqlite3_column_bytes(rows->file, 0);
        *content = memory_text_n(bytes ? bytes : "", *size);
        if (mime_type)
            *mime_type = memory_text(column_text(rows->file, 1));
    } else if (step != SQLITE_DONE) {
        rows_fail(rows, error);
    }
    sqlite3_reset(rows->file);
    sqlite3_clear_bindings(rows->file);
    return step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -1;
}
