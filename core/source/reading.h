/*
 * What all modes of the reader child share: the request, its sources, opened before the sandbox
 * closes, and how a group's statement is prepared on one of them.
 */
#ifndef CAMPAIGND_SOURCE_READING_H
#define CAMPAIGND_SOURCE_READING_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "source/builder_date.h"
#include "source/source.h"

struct reading {
    const json_t *request;    /* borrowed */
    const json_t *definition; /* request's; never NULL */
    struct reading_source *sources;
    size_t source_count;
    struct date today; /* all its statements count from one day: the request's `today`, if any */
};

/* Limit the process, open the request's sources, load what selecting needs, and close the sandbox
 * around them and the folder of the request's `out`. 0 or -1; after either, reading_close. */
int reading_open(struct reading *reading, const json_t *request, struct error *error);
void reading_close(struct reading *reading);

/* A source of the request by its name. NULL with an error. */
struct source *reading_source(const struct reading *reading, const char *name, struct error *error);

/* Its tables after its catalogue; borrowed, asked for once. NULL with an error. */
const json_t *reading_tables(struct reading *reading, const char *name, struct error *error);

/* Does the source have all that its catalogue names? 0, or -1 with what it has not. */
int reading_check_catalogue(struct reading *reading, const char *name, struct error *error);

/* The statement of a group, or of a group of details, on the source of `query` ({"source"}), in its
 * words: {"sql", "values", "dialect"}, of a built one "parameters" and "fields", too
 * (source/builder.h). A new reference, or NULL with an error. */
json_t *reading_sql(struct reading *reading, const json_t *query, const json_t *group,
                    struct error *error);

/* The same, prepared with the campaign's parameters. The source, or NULL with an error. */
struct source *reading_query(struct reading *reading, const json_t *query, const json_t *group,
                             struct error *error);

/* As reading_query, but only the rows whose key is among `keys` (an array of texts), which the
 * source finds without reading all, if its key column allows. */
struct source *reading_query_keys(struct reading *reading, const json_t *query, const json_t *group,
                                  const json_t *keys, struct error *error);

/* What a query on the source of `query` may deliver at most. */
int64_t reading_max_rows(const struct reading *reading, const json_t *query);

/* How many rows are to be shown. */
#define READING_ROWS_MAX 10000
int64_t reading_limit(const struct reading *reading);

/* ---- JSON ---- */

const char *reading_text(const json_t *object, const char *name); /* "": it is not there */
int64_t reading_integer(const json_t *object, const char *name, int64_t missing);

/* Of a list of objects with a "name", the one that may have been meant; NULL: none is near. */
const char *reading_nearest(const json_t *list, const char *name);

const json_t *reading_group(const struct reading *reading);
const json_t *reading_main_query(const struct reading *reading);

#endif
