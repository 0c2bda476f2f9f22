#include "source/fetch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "source/arrival.h"
#include "source/reading.h"
#include "source/rows.h"
#include "store/sql.h"

#define WRITING_STEPS 2000000 /* of SQLite's machine: some 10 MB of rows */

/* ---- columns ---- */

int fetch_column_named(const json_t *columns, const char *name)
{
    for (size_t i = 0; i < json_array_size(columns); i++)
        if (strcmp(reading_text(json_array_get(columns, i), "name"), name) == 0)
            return (int)i;
    return -1;
}

int fetch_column_with_role(const json_t *columns, const char *role)
{
    for (size_t i = 0; i < json_array_size(columns); i++)
        if (strcmp(reading_text(json_array_get(columns, i), "role"), role) == 0)
            return (int)i;
    return -1;
}

static const json_t *field_named(const json_t *group, const char *name)
{
    size_t index;
    json_t *field;
    json_array_foreach(json_object_get(group, "fields"), index, field)
        if (strcmp(reading_text(field, "name"), name) == 0)
            return field;
    return NULL;
}

static json_t *column_json(const char *name, const char *type, const json_t *group)
{
    const json_t *field = field_named(group, name);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "type", type, "role",
                     reading_text(field, "role"), "format", reading_text(field, "format"),
                     "label_de", reading_text(field, "label_de"), "label_en",
                     reading_text(field, "label_en"));
}

static int no_key_column(const json_t *columns, const json_t *group, struct error *error)
{
    const char *key = reading_text(group, "key");
    const char *nearest = reading_nearest(columns, key);
    return error_say(error, ERROR_INPUT,
                     "the key column »%s« of group »%s« is not in its query%s%s%s; add it to the "
                     "SELECT, or name another as the key",
                     "Die Schlüsselspalte »%s« der Gruppe »%s« ist nicht in ihrer "
                     "Abfrage%s%s%s; sie in die Abfrage aufnehmen oder eine andere als Schlüssel "
                     "nennen.",
                     key, reading_text(group, "name"), nearest ? " (»" : "", nearest ? nearest : "",
                     nearest ? "«?)" : "");
}

static int check_fields(const json_t *columns, const json_t *group, struct error *error)
{
    size_t index;
    json_t *field;
    json_array_foreach(json_object_get(group, "fields"), index, field) {
        const char *name = reading_text(field, "name");
        if (fetch_column_named(columns, name) >= 0)
            continue;
        const char *nearest = reading_nearest(columns, name);
        return error_say(error, ERROR_INPUT,
                         "the field »%s« of group »%s« is no column of its query%s%s%s; correct "
                         "the field or the SELECT",
                         "Das Feld »%s« der Gruppe »%s« ist keine Spalte ihrer Abfrage%s%s%s; das "
                         "Feld oder die Abfrage berichtigen.",
                         name, reading_text(group, "name"), nearest ? " (»" : "",
                         nearest ? nearest : "", nearest ? "«?)" : "");
    }
    return 0;
}

json_t *fetch_columns(const struct source *source, const json_t *group, struct error *error)
{
    unsigned count = source_columns(source);
    json_t *columns = json_array();
    int result = 0;
    if (count > ROWS_COLUMNS_MAX)
        result = error_say(error, ERROR_INPUT,
                           "the query delivers %u columns; at most %d are possible: name in its "
                           "SELECT those that are needed",
                           "Die Abfrage liefert %u Spalten; höchstens %d sind möglich: im SELECT "
                           "die nennen, die gebraucht werden.",
                           count, ROWS_COLUMNS_MAX);
    for (unsigned i = 0; i < count && result == 0; i++) {
        json_t *column = column_json(source_column_name(source, i),
                                     source_type_name(source_column_type(source, i)), group);
        if (column)
            json_array_append_new(columns, column);
        else
            result = error_say(error, ERROR_INPUT,
                               "the name of the query's column %u is no UTF-8; name it with AS",
                               "Der Name der Spalte %u der Abfrage ist kein UTF-8; sie mit AS "
                               "benennen.",
                               i + 1);
    }
    if (result == 0)
        result = check_fields(columns, group, error);
    if (result == 0 && json_object_get(group, "key") &&
        fetch_column_named(columns, reading_text(group, "key")) < 0)
        result = no_key_column(columns, group, error);
    if (result == 0)
        return columns;
    json_decref(columns);
    return NULL;
}

/* ---- the file ---- */

static int open_file(struct fetched *fetched, const char *path, struct error *error)
{
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    if (sqlite3_open_v2(*path ? path : ":memory:", &fetched->db, flags, NULL) != SQLITE_OK)
        return sql_error(fetched->db, error, "make the run's rows");
    fetched->writable = true;
    /* Without a file there is no folder for temporary ones either. */
    if (!*path && sql_run(fetched->db, "PRAGMA temp_store = MEMORY", error) != 0)
        return -1;
    return sql_run(fetched->db,
                   "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; "
                   "PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = "
                   "-8000; BEGIN",
                   error);
}

static void put_columns(struct buffer *sql, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_printf(sql, ", c%zu", i);
}

/* Let the disk begin with what is there while more comes: of a million rows, the sync at the end
 * would else wait 0.2 s longer. */
static int begin_writing(void *file)
{
    sync_file_range(*(int *)file, 0, 0, SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* To close the file a second time takes SQLite's lock from it; nobody else knows of it yet. */
static int insert_all(sqlite3 *db, const char *path, const char *sql, struct error *error)
{
    FD_CLEAN int file = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0)
        sqlite3_progress_handler(db, WRITING_STEPS, begin_writing, &file);
    int result = sql_run(db, sql, error);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return result;
}

static int fill(struct fetched *fetched, const char *path, struct arrival *arrival,
                struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    size_t columns = json_array_size(fetched->columns);
    struct error why = {0};
    if (arrival_attach(arrival, fetched->db, &why) != 0) {
        *error = why;
        return -1;
    }
    buffer_text(&sql, "INSERT INTO recipient (key");
    put_columns(&sql, columns);
    buffer_text(&sql, ") SELECT key");
    put_columns(&sql, columns);
    buffer_text(&sql, " FROM arrival");
    if (insert_all(fetched->db, path, buffer_string(&sql), error) == 0)
        return 0;
    if (why.code != ERROR_NONE)
        *error = why;
    return -1;
}

int fetch_rows(struct fetched *fetched, const char *path, struct source *source,
               const json_t *group, const struct fetch_options *options, struct error *error)
{
    fetched->columns = fetch_columns(source, group, error);
    if (!fetched->columns || open_file(fetched, path, error) != 0 ||
        rows_create(fetched->db, source_columns(source), error) != 0)
        return -1;
    fetched->key = fetch_column_named(fetched->columns, reading_text(group, "key"));
    struct arrival arrival = {.source = source,
                              .key = fetched->key,
                              .max_rows = options->max_rows,
                              .only_key = options->only_key,
                              .only = options->only};
    int result = fill(fetched, path, &arrival, error);
    fetched->keyless = arrival.keyless;
    fetched->ascending = arrival.ascending;
    arrival_free(&arrival);
    fetched->rows = sqlite3_last_insert_rowid(fetched->db);
    if (result == 0 && !fetched->ascending)
        result = sql_run(fetched->db, "CREATE INDEX recipient_key ON recipient (key)", error);
    return result;
}

int fetch_put_meta(sqlite3 *db, const char *schema, const char *key, const char *text,
                   int64_t number, struct error *error)
{
    FREE_CLEAN char *sql =
        memory_format("INSERT OR REPLACE INTO %s.meta (key, value) VALUES (?1, ?2)", schema);
    STATEMENT_CLEAN sqlite3_stmt *put = sql_prepare(db, sql, error);
    if (!put)
        return -1;
    sql_bind_text(put, 1, key);
    if (text)
        sql_bind_text(put, 2, text);
    else
        sqlite3_bind_int64(put, 2, number);
    return sql_done(put, error);
}

int fetch_put_fields(sqlite3 *db, const char *schema, const json_t *columns, struct error *error)
{
    static const char *const keys[] = {"name", "role", "type", "format", "label_de", "label_en"};
    FREE_CLEAN char *sql =
        memory_format("INSERT INTO %s.field (position, name, role, type, format, label_de, "
                      "label_en) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                      schema);
    STATEMENT_CLEAN sqlite3_stmt *put = sql_prepare(db, sql, error);
    size_t index;
    json_t *column;
    if (!put)
        return -1;
    json_array_foreach((json_t *)columns, index, column) {
        sqlite3_bind_int64(put, 1, (int64_t)index);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            sql_bind_text(put, (int)i + 2, reading_text(column, keys[i]));
        if (sql_done(put, error) != 0)
            return -1;
    }
    return 0;
}

int fetch_keep(struct fetched *fetched, struct error *error)
{
    if (fetch_put_fields(fetched->db, "main", fetched->columns, error) != 0 ||
        fetch_put_meta(fetched->db, "main", "ascending", NULL, fetched->ascending, error) != 0 ||
        fetch_put_meta(fetched->db, "main", "rows", NULL, fetched->rows, error) != 0 ||
        fetch_put_meta(fetched->db, "main", "keyless", NULL, fetched->keyless, error) != 0)
        return -1;
    return sql_run(fetched->db, "COMMIT", error);
}

/* ---- what was kept ---- */

static int64_t meta_of(sqlite3 *db, const char *key)
{
    STATEMENT_CLEAN sqlite3_stmt *get =
        sql_prepare(db, "SELECT value FROM meta WHERE key = ?1", NULL);
    if (!get)
        return -1;
    sql_bind_text(get, 1, key);
    return sql_row(get, NULL) == 1 ? sqlite3_column_int64(get, 0) : -1;
}

static json_t *kept_columns(sqlite3 *db, const json_t *group, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *get =
        sql_prepare(db, "SELECT name, type FROM field ORDER BY position", error);
    int more = -1;
    json_t *columns = json_array();
    while (get && (more = sql_row(get, error)) > 0)
        json_array_append_new(columns, column_json(sql_text(get, 0), sql_text(get, 1), group));
    if (more == 0 && check_fields(columns, group, error) == 0)
        return columns;
    json_decref(columns);
    return NULL;
}

int fetch_open(struct fetched *fetched, const char *path, const json_t *group, struct error *error)
{
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &fetched->db, flags, NULL) != SQLITE_OK)
        return sql_error(fetched->db, error, "open what was fetched");
    sqlite3_db_config(fetched->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(fetched->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sql_run(fetched->db, "PRAGMA mmap_size = 1073741824", NULL);
    fetched->columns = kept_columns(fetched->db, group, error);
    if (!fetched->columns)
        return -1;
    fetched->rows = meta_of(fetched->db, "rows");
    fetched->keyless = meta_of(fetched->db, "keyless");
    fetched->ascending = meta_of(fetched->db, "ascending") == 1;
    fetched->key = fetch_column_named(fetched->columns, reading_text(group, "key"));
    if (fetched->key < 0)
        return no_key_column(fetched->columns, group, error);
    return fetched->rows >= 0
               ? 0
               : error_set(error, ERROR_INPUT, "the file %s does not hold fetched rows", path);
}

void fetch_close(struct fetched *fetched)
{
    sql_close(&fetched->db);
    json_decref(fetched->columns);
    *fetched = (struct fetched){0};
}
