/*
 * A condition over the fields of a group: a campaign's filter, a step's `when`. Evaluated by SQLite
 * on the fetched rows, so that it means the same whatever the source is.
 *
 * It is either an SQL expression in SQLite's words that sees one recipient's fields by their names
 * and nothing else, or a built condition (it begins with "{"; source/builder.h). A :name is the
 * campaign's parameter.
 *
 * What it means (docs/selection.md says it to clerks):
 *   texts     = <> < <= > >= IN BETWEEN, LIKE, lower(), upper() and fold() know all alphabets; case
 *             makes no difference, accents do (source/folding.h). Exactly: code = 'a1' COLLATE
 *             BINARY. Numbers, dates and bytes compare as such.
 *   decimals  are numbers, whatever the source: '9.50' < '10.00'.
 *   NULL      is no, as in SQL: a condition on a missing value does not hold.
 *
 * Before it is used it is checked: names (with what may have been meant), and literals beside a
 * field: a number in quotes is taken as one, and what is no number, no date (2026-11-24) or no text
 * is an error that names field, type, value and place.
 */
#ifndef CAMPAIGND_SOURCE_CONDITION_H
#define CAMPAIGND_SOURCE_CONDITION_H

#include <jansson.h>
#include <sqlite3.h>

#include "base/buffer.h"
#include "base/error.h"

#define CONDITION_LENGTH_MAX (256 * 1024)

/* What is being looked at, for messages: "the filter", "der Filter". */
struct condition_name {
    const char *english, *german;
};

/* Functions and collation that conditions use; for each connection that evaluates them. 0 or -1. */
int condition_install(sqlite3 *db, struct error *error);

/*
 * Check a condition over `columns` [{"name", "type"}] and append it to `sql` as an expression in
 * parentheses over what condition_view delivers. `values` holds the campaign's parameters, and
 * takes in what a built condition binds. 0 or -1.
 */
int condition_append(const struct condition_name *name, const char *condition,
                     const json_t *columns, json_t *values, struct buffer *sql,
                     struct error *error);

/*
 * Append "SELECT ordinal AS PREFIXordinal, key AS PREFIXkey, c0 AS PREFIX0, …, and the columns as
 * conditions see them FROM main.recipient". The prefix is one that no column begins with:
 * condition_prefix.
 */
void condition_view(struct buffer *sql, const json_t *columns, const char *prefix);
char *condition_prefix(const json_t *columns); /* the caller frees */

/* Bind the values to the :names in a statement. */
void condition_bind(sqlite3_stmt *statement, const json_t *values);

#endif
