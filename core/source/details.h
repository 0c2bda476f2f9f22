/*
 * The groups of details: rows that hang on a recipient's key (invoice lines, bookings), read from
 * the same source and frozen in the order in which they came. Their key column says whose they are;
 * rows of nobody who is a recipient are dropped as they come.
 *
 * More rows than the group's limit leave the recipient out ("too many details"): they are counted,
 * not kept, so that a hundred thousand of them cost nothing.
 */
#ifndef CAMPAIGND_SOURCE_DETAILS_H
#define CAMPAIGND_SOURCE_DETAILS_H

#include <stddef.h>

#include "base/error.h"
#include "source/reading.h"
#include "source/rows.h"
#include "source/selection.h"

#define DETAILS_LIMIT 1000 /* where the group states none */

struct details {
    size_t count;
    unsigned columns[ROWS_DETAILS_MAX];
};

/* Read them for all who are recipients so far; `only_key`: for that one alone, as the source finds
 * him; NULL: all. 0 or -1. */
int details_fetch(struct details *details, struct reading *reading, struct selection *selection,
                  const char *only_key, struct error *error);

/* Put the rows of those who are left into the tables detail_N of the database `schema`, when the
 * selection is placed. 0 or -1. */
int details_put(const struct details *details, const struct selection *selection,
                const char *schema, struct error *error);

/* Check the statements and keys of all groups: each that is wrong is appended to `problems`
 * (selection_check). Their columns, for the check of templates, a new reference:
 * [{"name", "columns"}], empty of those that are wrong. */
json_t *details_check(struct reading *reading, json_t *problems);

#endif
