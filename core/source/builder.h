/*
 * Built queries: a JSON document that a clerk made by choosing, turned into one SELECT in the words
 * of a source's database. docs/queries.md describes the document and what each operator becomes.
 *
 * Nothing of a document gets into the SQL as it is: tables and columns are looked up among those
 * that the source has and quoted, values are bound as :v1, :v2 …; parameters stay, as :event. The
 * same document means the same on SQLite, PostgreSQL and MariaDB/MySQL.
 *
 * Errors are the clerk's, in both languages, and begin with the place: "where.and[1].is: …".
 */
#ifndef CAMPAIGND_SOURCE_BUILDER_H
#define CAMPAIGND_SOURCE_BUILDER_H

#include <jansson.h>

#include "base/error.h"
#include "source/builder_date.h"
#include "source/source.h"

#define BUILDER_DEPTH_MAX 20
#define BUILDER_CONDITIONS_MAX 1000
#define BUILDER_FIELDS_MAX 500
#define BUILDER_JOINS_MAX 32
#define BUILDER_VALUES_MAX 10000     /* bound by one query */
#define BUILDER_TEXT_MAX (16 * 1024) /* bytes of one value */

/*
 * `tables` is what there is to see: source_tables' answer after catalogue_apply. A new reference:
 *   {"sql": "SELECT …", "values": {"v1": "Graz"}, "parameters": {"event": {"type": "integer",
 *    "field": "booking.event_id"}}, "fields": {"city": {…}}}
 * `values` goes to source_query together with the campaign's parameters; `parameters` says what
 * the query asks for, for builder_check_parameters; `fields`, of which of the tables' columns each
 * column of the result is, as `tables` has it (those of functions are left out). NULL with an error.
 * Relative dates and birthdays count from `today`.
 */
json_t *builder_sql(const json_t *built, enum source_dialect dialect, const json_t *tables,
                    struct date today, struct error *error);

/*
 * A condition alone, over `columns` [{"name", "type"}] with plain names: a campaign's filter. An
 * SQL expression for the caller to free(); what it binds is added to the object `values`, as :vN
 * with N after those that are there. With DIALECT_SQLITE it calls fold(x), which the connection
 * must know (folding_install). It counts from the machine's date, builder_condition_on from `today`.
 */
char *builder_condition(const json_t *condition, enum source_dialect dialect, const json_t *columns,
                        json_t *values, struct error *error);
char *builder_condition_on(const json_t *condition, enum source_dialect dialect,
                           const json_t *columns, struct date today, json_t *values,
                           struct error *error);

/* Do the parameters given, {"event": 42}, fit what builder_sql says is wanted? 0 or -1. */
int builder_check_parameters(const json_t *wanted, const json_t *given, struct error *error);

#endif
