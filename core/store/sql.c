#include "store/sql.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"

int sql_error(sqlite3 *db, struct error *error, const char *what)
{
    const char *path = db ? sqlite3_db_filename(db, "main") : NULL;
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;
    enum error_code kind = code == SQLITE_BUSY || code == SQLITE_LOCKED ? ERROR_BUSY
                           : code == SQLITE_CONSTRAINT                  ? ERROR_CONFLICT
                                                                        : ERROR_SYSTEM;
    return error_set(error, kind, "%s: cannot %s: %s%s", path && *path ? path : "database", what,
                     db ? sqlite3_errmsg(db) : "out of memory",
                     code == SQLITE_FULL ? " (free space on its disk)" : "");
}

/* SQLite counts its memory under a lock, at each allocation: an eighth of the time that a journal's
 * rows take. Nobody asks for the count. Too late after the first open, and then without effect. */
static void set_up(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static sqlite3 *open_with(const char *path, int flags, const char *settings, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sqlite3 *db = NULL;
    pthread_once(&once, set_up);
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        error_set(error, ERROR_SYSTEM, "cannot open the database %s: %s", path,
                  db ? sqlite3_errmsg(db) : "out of memory");
        sqlite3_close_v2(db);
        return NULL;
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_busy_timeout(db, 5000);
    if (sql_run(db, settings, error) != 0)
        sql_close(&db);
    return db;
}

sqlite3 *sql_open(const char *path, struct error *error)
{
    mode_t mask = umask(0077);
    sqlite3 *db = open_with(
        path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;", error);
    umask(mask);
    return db;
}

sqlite3 *sql_open_readonly(const char *path, struct error *error)
{
    return open_with(path, SQLITE_OPEN_READONLY, "PRAGMA query_only = ON;", error);
}

char *sql_uri(const char *path, const char *options)
{
    struct buffer uri = {0};
    buffer_text(&uri, "file:");
    for (; *path; path++) {
        if (strchr("?#%", *path))
            buffer_printf(&uri, "%%%02X", (unsigned)*path);
        else
            buffer_char(&uri, *path);
    }
    buffer_printf(&uri, "?%s", options);
    return buffer_steal(&uri);
}

int sql_migrate(sqlite3 *db, const char *path, const char *const *schemas, int newest,
                struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *version = sql_prepare(db, "PRAGMA user_version", error);
    if (!version || sql_row(version, error) < 0)
        return -1;
    int found = sqlite3_column_int(version, 0);
    sqlite3_reset(version);
    if (found > newest)
        return error_set(error, ERROR_INPUT,
                         "%s was written by a newer campaignd (version %d, this one knows %d); "
                         "install that one again",
                         path, found, newest);
    if (found == newest)
        return 0;
    if (sql_run(db, "BEGIN IMMEDIATE", error) != 0)
        return -1;
    for (int next = found; next < newest; next++)
        if (sql_run(db, schemas[next], error) != 0)
            return -1;
    return sql_run(db, "COMMIT", error);
}

int sql_run(sqlite3 *db, const char *statements, struct error *error)
{
    return sqlite3_exec(db, statements, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : sql_error(db, error, "run a statement");
}

sqlite3_stmt *sql_prepare(sqlite3 *db, const char *statement, struct error *error)
{
    sqlite3_stmt *prepared = NULL;
    if (sqlite3_prepare_v3(db, statement, -1, SQLITE_PREPARE_PERSISTENT, &prepared, NULL) !=
        SQLITE_OK)
        sql_error(db, error, "prepare a statement");
    return prepared;
}

int sql_row(sqlite3_stmt *statement, struct error *error)
{
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return 1;
    if (result == SQLITE_DONE) {
        sqlite3_reset(statement);
        return 0;
    }
    sql_error(sqlite3_db_handle(statement), error, "read or write");
    sqlite3_reset(statement);
    return -1;
}

int sql_done(sqlite3_stmt *statement, struct error *error)
{
    int result = sql_row(statement, error);
    if (result > 0)
        sqlite3_reset(statement);
    return result < 0 ? -1 : 0;
}

void sql_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);
}

const char *sql_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

void sql_blob(sqlite3_stmt *statement, int column, void *target, size_t size)
{
    if (sqlite3_column_bytes(statement, column) == (int)size)
        memcpy(target, sqlite3_column_blob(statement, column), size);
}

void sql_close(sqlite3 **db)
{
    for (sqlite3_stmt *left; *db && (left = sqlite3_next_stmt(*db, NULL));)
        sqlite3_finalize(left);
    sqlite3_close_v2(*db);
    *db = NULL;
}

void sql_finalize(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
    *statement = NULL;
}
