/*
 * The rows of a group, fetched from their source into table `recipient` of a new rows file: all of
 * them, as they came, with ordinals that are final only if nobody is left out (source/selection.h).
 *
 * A text that is no UTF-8 passes as it is: a broken byte in one cell keeps nobody from being
 * invited. Only keys must be UTF-8 without control characters (source/arrival.h).
 */
#ifndef CAMPAIGND_SOURCE_FETCH_H
#define CAMPAIGND_SOURCE_FETCH_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "source/source.h"

struct fetched {
    sqlite3 *db;     /* its main database is the rows file */
    bool writable;   /* a transaction is open; else it was opened for reading */
    json_t *columns; /* [{"name", "role", "type", "format", "label_de", "label_en"}] of c0 … */
    int key;         /* the position of the key column */
    int64_t rows;
    int64_t keyless; /* rows without a key; -1: not counted */
    bool ascending;  /* keys are strictly ascending integers; else recipient_key indexes them */
};

/* The columns of the query that is prepared, with what the group's fields say of each; a new
 * reference. NULL with an error: too many, a field or the key is no column (with what may have been
 * meant). */
json_t *fetch_columns(const struct source *source, const json_t *group, struct error *error);

/* The position of the column with a name, or the first with a role; -1: none. */
int fetch_column_named(const json_t *columns, const char *name);
int fetch_column_with_role(const json_t *columns, const char *role);

/*
 * Make a rows file at `path` ("": in memory) and fill it with the rows of the query that is
 * prepared. 0 or -1; after either, fetch_close.
 */
struct fetch_options {
    int64_t max_rows;
    const char *only_key; /* source/arrival.h */
    const json_t *only;
};
int fetch_rows(struct fetched *fetched, const char *path, struct source *source,
               const json_t *group, const struct fetch_options *options, struct error *error);

/* Commit what was fetched, with what fetch_open needs to know of it. 0 or -1. */
int fetch_keep(struct fetched *fetched, struct error *error);

/* Open what fetch_keep left. `group` says which role a column has today. 0 or -1. */
int fetch_open(struct fetched *fetched, const char *path, const json_t *group, struct error *error);

void fetch_close(struct fetched *fetched);

/* Put one line into table `meta` of the database `schema` of `db`: `text`, or `number` if that is NULL.
 * 0 or -1. */
int fetch_put_meta(sqlite3 *db, const char *schema, const char *key, const char *text,
                   int64_t number, struct error *error);

/* Put the columns into table `field` of the database `schema` of `db`. 0 or -1. */
int fetch_put_fields(sqlite3 *db, const char *schema, const json_t *columns, struct error *error);

#endif
