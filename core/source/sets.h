/*
 * Set operations between queries: the keys of the other query, from its own source, in a table
 * SCHEMA.set_N that rules ask (minus, both; source/selection.h). Keys are compared as texts.
 */
#ifndef CAMPAIGND_SOURCE_SETS_H
#define CAMPAIGND_SOURCE_SETS_H

#include <stdbool.h>

#include "base/error.h"
#include "source/reading.h"
#include "source/selection.h"

/* Fetch the keys of all sets of the definition into the database `schema` of `db`: "temp", or "main"
 * to keep them beside the fetched rows. 0 or -1. */
int sets_fetch(struct reading *reading, sqlite3 *db, const char *schema, struct error *error);

/* Let the selection ask those of `schema`. */
void sets_use(const struct reading *reading, struct selection *selection, const char *schema);

/* Are the keys of all sets kept in database `schema`? */
bool sets_kept(const struct reading *reading, sqlite3 *db, const char *schema);

/* Check the statements and keys of all sets: each that is wrong is appended to `problems`
 * (selection_check). */
void sets_check(struct reading *reading, json_t *problems);

#endif
