/* SQLite with our manners: errors that name the file, statements that are found again, no surprise
 * in how a file is opened. */
#ifndef CAMPAIGND_STORE_SQL_H
#define CAMPAIGND_STORE_SQL_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Fill `error` from the handle: "PATH: WHAT: sqlite's message". SQLITE_FULL and the like say that
 * the disk is full. -1. */
int sql_error(sqlite3 *db, struct error *error, const char *what);

/*
 * Open a database of our own for its one writer: WAL, synchronous FULL (each commit is durable),
 * foreign keys, 0600. NULL with the reason.
 */
sqlite3 *sql_open(const char *path, struct error *error);

/* Open for reading only; other processes' or threads' commits are seen. */
sqlite3 *sql_open_readonly(const char *path, struct error *error);

/* A path as a file: URI ("immutable=1", …), whatever stands in it; the caller frees. */
char *sql_uri(const char *path, const char *options);

/*
 * Bring a database up to date: schemas[0] makes version 1 out of an empty one, schemas[1] version 2,
 * and so on, each ending with its PRAGMA user_version; all in one transaction. 0, or -1, also if a
 * newer campaignd wrote it (a version above `newest`).
 */
int sql_migrate(sqlite3 *db, const char *path, const char *const *schemas, int newest,
                struct error *error);

int sql_run(sqlite3 *db, const char *statements,
            struct error *error); /* one or more, without values */

/* Prepare for keeps. NULL with the reason. */
sqlite3_stmt *sql_prepare(sqlite3 *db, const char *statement, struct error *error);

/* Step a statement that returns no rows, and reset it: 0, or -1. */
int sql_done(sqlite3_stmt *statement, struct error *error);

/* Step: 1 a row, 0 no more (and reset), -1 (and reset). */
int sql_row(sqlite3_stmt *statement, struct error *error);

void sql_bind_text(sqlite3_stmt *statement, int index,
                   const char *text);                      /* NULL binds NULL; copied */
const char *sql_text(sqlite3_stmt *statement, int column); /* never NULL; until the next step */

/* A BLOB of just `size` bytes into `target`; any other value leaves `target` as it is. */
void sql_blob(sqlite3_stmt *statement, int column, void *target, size_t size);

void sql_close(sqlite3 **db); /* finalizes what is left */
void sql_finalize(sqlite3_stmt **statement);
#define SQL_CLEAN __attribute__((cleanup(sql_close)))
#define STATEMENT_CLEAN __attribute__((cleanup(sql_finalize)))

#endif
