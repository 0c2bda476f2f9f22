/*
 * A source's rows as a table of SQLite: what has been prepared on a source is read by
 *     INSERT INTO … SELECT key, c0, c1 FROM arrival
 * in one loop inside SQLite, with no copy of a text and no statement a row (a third faster than a
 * bound INSERT a row: 1.4 s against 1.9 s for a million rows of 11 columns).
 *
 * Columns: `key`, then c0 … cN as the source typed them. The key is a text:
 * an integer's digits, a binary key in hex; "" where there is none that could be one: NULL, no
 * UTF-8, with control characters, longer than ARRIVAL_KEY_MAX bytes.
 */
#ifndef CAMPAIGND_SOURCE_ARRIVAL_H
#define CAMPAIGND_SOURCE_ARRIVAL_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "source/source.h"

#define ARRIVAL_KEY_MAX 1000

struct arrival {
    struct source *source; /* with its query prepared */
    int key;               /* its column */
    int64_t max_rows;
    const char *only_key; /* NULL: all rows; "": the first; else the first one with that key */
    const json_t *only;   /* an object whose names are the keys that are wanted; NULL: all */
    /* What has been seen: */
    int64_t rows;    /* delivered by the source */
    int64_t keyless; /* among them */
    bool ascending;  /* the keys of the others are strictly ascending integers */
    /* Its own: */
    int64_t last_key;
    struct buffer key_text;
    bool over;
    struct error *error;
};

/* Make `arrival` known to a connection as the table of that name; it is read once, while this
 * struct lives. A failure of the source ends the statement; arrival_failed tells it. 0 or -1. */
int arrival_attach(struct arrival *arrival, sqlite3 *db, struct error *error);

/* The key of the source's present row, as above; until the next row. */
const char *arrival_key(struct arrival *arrival);

void arrival_free(struct arrival *arrival); /* what it holds */

/* -1 with the error that says that a query delivers more rows than its source allows. */
int arrival_too_many(int64_t max_rows, struct error *error);

#endif
