/*
 * A site's database, read only: opened, one SELECT, its rows one after the other. Used by the
 * reader child alone.
 *
 * What would write, attach or reach outside is refused when it is prepared, with the reason; time
 * and rows are limited.
 */
#ifndef CAMPAIGND_SOURCE_SOURCE_H
#define CAMPAIGND_SOURCE_SOURCE_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/error.h"

struct source;

struct source_options {
    const char *driver; /* "sqlite" */
    const char *path;
    int64_t time_limit_us; /* for all of a query */
};

struct source *source_open(const char *name, const struct source_options *options,
                           struct error *error);
void source_close(struct source *source); /* NULL is fine */

/* Prepare the one statement; replaces the one before. 0, or -1 with what is wrong with the SQL. */
int source_query(struct source *source, const char *sql, struct error *error);

unsigned source_columns(const struct source *source);
const char *source_column_name(const struct source *source, unsigned column);

/* 1 a row, 0 no more, -1. */
int source_next(struct source *source, struct error *error);

/* A value of the present row as the source typed it; valid until the next row. */
const sqlite3_value *source_value(const struct source *source, unsigned column);

#endif
