/*
 * A site's database, read only: opened, one SELECT at a time, its rows one after the other. Used by
 * the reader child alone. What the database is, is a driver's matter (source/driver.h).
 *
 * A statement that would write, lock, attach or reach outside is refused before it is sent anywhere
 * (source/statement.h), and the connection itself can only read. All statements of one source see
 * one state of the database, that of the first. Memory does not grow with the rows.
 *
 * Text is handed out as the database has it: in SQLite that may be any bytes, zero bytes among them,
 * and in a PostgreSQL whose encoding is SQL_ASCII, too. Whoever needs UTF-8 checks it.
 */
#ifndef CAMPAIGND_SOURCE_SOURCE_H
#define CAMPAIGND_SOURCE_SOURCE_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* What a column holds. Unknown: an expression of SQLite, each of whose values may be of any type. */
enum source_type {
    SOURCE_UNKNOWN,
    SOURCE_TEXT,
    SOURCE_INTEGER,
    SOURCE_DECIMAL,
    SOURCE_REAL,
    SOURCE_BOOLEAN,
    SOURCE_DATE,
    SOURCE_TIME,
    SOURCE_TIMESTAMP,
    SOURCE_BINARY
};

/* "", "text", "integer", "decimal", "real", "boolean", "date", "time", "timestamp", "binary" */
const char *source_type_name(enum source_type type);
enum source_type source_type_named(
    const char *name); /* SOURCE_UNKNOWN: there is none of that name */

enum source_dialect { DIALECT_SQLITE, DIALECT_POSTGRES, DIALECT_MYSQL, DIALECT_ANSI };

/*
 * A value as it goes into a rows file. `type` is SQLITE_NULL, SQLITE_INTEGER, SQLITE_FLOAT,
 * SQLITE_TEXT or SQLITE_BLOB; `text` is set for the last two alone, followed by a zero byte.
 * Integers and booleans (1, 0) are INTEGER; decimals TEXT, exact, with a point ("12.50"); real
 * FLOAT; dates "2026-11-24", times "14:05:09", timestamps "2026-11-24 14:05:09" with ".5" if there
 * are fractions, and one with a zone in UTC with "Z" at its end: TEXT. SQLite has values, not
 * columns, of a type: there each passes as it is stored, whatever its column is called.
 */
struct source_value {
    int type;
    int64_t integer;
    double real;
    const char *text;
    size_t length;
};

/* Of a value of the type SQLITE_TEXT: UTF-8 without a zero byte, which all who read it can take? Else
 * it is told as bytes. */
bool source_value_is_text(const struct source_value *value);

struct source;
struct sandbox_folder;

struct source_options {
    const char *driver;     /* "sqlite", "postgres", "odbc", "runs" */
    const char *path;       /* of a database file; "" or NULL: none */
    const char *connection; /* how to reach a server, without its password; "" or NULL: none */
    const char *password;   /* "" or NULL: none */
    int64_t time_limit_us;  /* for all of a query */
};

/* Open it: connects where there is a server (before sandbox_confine). The options are not needed
 * afterwards. */
struct source *source_open(const char *name, const struct source_options *options,
                           struct error *error);
void source_close(struct source *source); /* NULL is fine */

enum source_dialect source_dialect(const struct source *source);

/* Append a table's or column's name as it is written in a statement: "name" or `name`. */
void source_quote(struct buffer *sql, enum source_dialect dialect, const char *name);

/* The folders that must stay in sight while it is used (sandbox_confine); all as long as the
 * source. */
const struct sandbox_folder *source_folders(const struct source *source, size_t *count);

/*
 * Prepare one SELECT; replaces the one before. `parameters` {"event": 42, "v1": "Graz"} gives its
 * :name placeholders their values (text, number, true, false, null); NULL: none. It is checked and
 * its columns are described, but it does not run. 0, or -1 with what is wrong with it and where.
 */
int source_query(struct source *source, const char *sql, const json_t *parameters,
                 struct error *error);

/* Of the query prepared. Names may be the same, or empty. */
unsigned source_columns(const struct source *source);
const char *source_column_name(const struct source *source, unsigned column);
enum source_type source_column_type(const struct source *source, unsigned column);

/* From the query's first row on, read ahead of the caller in a thread, until its last row or the
 * next query: for who wants many of them. Where a driver cannot do it this does nothing. */
void source_read_ahead(struct source *source);

/* 1 a row, 0 no more, -1. The first call runs the query. */
int source_next(struct source *source, struct error *error);

/* A value of the present row; valid until the next row. */
void source_value(const struct source *source, unsigned column, struct source_value *out);

/*
 * What there is to read, a new reference: [{"name", "schema", "kind": "table" | "view",
 *   "columns": [{"name", "type", "native_type", "nullable": bool, "key": 0 | 1 | 2 …}],
 *   "foreign_keys": [{"columns": [], "table", "to": []}]}], sorted by name. `key` is the place in
 * the primary key, 0: none. Without system schemas; the name of a table of PostgreSQL outside of
 * `public`, or of another schema behind ODBC, is "schema.table", and its "schema" is there, too.
 */
json_t *source_tables(struct source *source, struct error *error);

#endif
