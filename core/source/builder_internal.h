/*
 * Private to builder*.c: what they share while one document is turned into SQL.
 *
 * builder.c writes the SELECT, builder_join.c its tables, builder_condition.c its WHERE;
 * builder_field.c finds columns, builder_value.c checks and binds values, and builder_dialect.c
 * alone knows how databases differ.
 */
#ifndef CAMPAIGND_SOURCE_BUILDER_INTERNAL_H
#define CAMPAIGND_SOURCE_BUILDER_INTERNAL_H

#include <stdbool.h>

#include "base/memory.h"
#include "source/builder.h"
#include "source/builder_place.h"

#define NAME_MAX_BYTES 250 /* of a table or column that a document names */
#define ALIAS_MAX_BYTES 60 /* of a name that it gives; PostgreSQL cuts at 63 */

/* A table in its place in the query. */
struct used_table {
    const char *alias;
    const json_t *table; /* of `tables` */
};

struct builder {
    enum source_dialect dialect;
    const json_t *tables;  /* of a source; NULL in a condition alone */
    const json_t *columns; /* of a condition alone */
    struct date today;
    struct used_table used[BUILDER_JOINS_MAX + 1];
    size_t used_count;
    json_t *values, *parameters;
    json_t *fields; /* of the answer; NULL in a condition alone */
    size_t first_value;
    size_t conditions, depth;
    struct arena *arena; /* all SQL texts */
    struct place place;
    struct error *error;
};

struct column {
    const char *sql;   /* "orders"."order_date" */
    const char *shown; /* orders.order_date, cut for messages */
    enum source_type type;
    const json_t *described; /* {"name", "type", …} */
};

/* What a comparison takes both its sides for. */
enum comparison {
    AS_TEXT, /* exact: capitals count */
    AS_NUMBER,
    AS_TRUTH,
    AS_DAY,    /* the day alone, of timestamps, too */
    AS_MOMENT, /* day and time of day */
    AS_CLOCK,  /* time of day */
    AS_NOTHING /* cannot be compared */
};

/* ---- builder_field.c ---- */

/* The column that a document names, "orders.order_date", or in a condition alone "order_date". */
int builder_column(struct builder *builder, const char *name, struct column *column);
const json_t *builder_table_named(struct builder *builder, const char *name);
const json_t *builder_column_of(const json_t *table, const char *name);
struct column builder_column_in(struct builder *builder, const struct used_table *used,
                                const json_t *described);
enum comparison builder_comparison(enum source_type type);

/* "a text", "ein Text" */
const char *builder_type_in_english(enum source_type type);
const char *builder_type_in_german(enum source_type type);

/* ---- builder_dialect.c ---- */

const char *dialect_quoted(struct builder *builder, const char *name);
const char *dialect_table(struct builder *builder, const json_t *table);

/* One side of a comparison, made to be taken for what `as` says: a column; a parameter, whose type
 * nobody knows; a value that builder_value.c has bound. `type` and `decimals` are the number's. */
const char *dialect_column(struct builder *builder, const struct column *column,
                           enum comparison as);
const char *dialect_parameter(struct builder *builder, const char *placeholder, enum comparison as,
                              enum source_type type, int decimals);
const char *dialect_value(struct builder *builder, const char *placeholder, enum comparison as,
                          enum source_type type, int decimals);

/* So that < and > of texts go by the characters' numbers. Takes what the two above gave. */
const char *dialect_ordered(struct builder *builder, const char *sql, enum comparison as);

/* So that capitals do not count. */
const char *dialect_folded(struct builder *builder, const char *sql);

/* The pattern of a LIKE made of a parameter, whose special characters mean themselves. */
const char *dialect_pattern(struct builder *builder, const char *placeholder, const char *before,
                            const char *after, bool wildcards);

const char *dialect_truth(struct builder *builder, const struct column *column, bool is);
const char *dialect_empty(struct builder *builder, const struct column *column, bool is);
const char *dialect_month(struct builder *builder, const struct column *column);
const char *dialect_month_and_day(struct builder *builder, const struct column *column);

const char *dialect_aggregate(struct builder *builder, const char *function,
                              const struct column *column);
const char *dialect_grouped(struct builder *builder, const struct column *column);

/* For ORDER BY: as people look names up, capitals do not count; or by the characters' numbers, so
 * that no two texts are the same. */
const char *dialect_sorted(struct builder *builder, const char *sql, enum source_type type,
                           bool descending);
const char *dialect_exactly_sorted(struct builder *builder, const char *sql, enum source_type type,
                                   bool descending);
const char *dialect_limit(struct builder *builder, json_int_t limit);

/* ---- builder_value.c ---- */

/* Bind it: ":v7". The reference becomes the builder's. NULL: there are too many. */
const char *builder_bind(struct builder *builder, json_t *value);
const char *builder_bind_date(struct builder *builder, struct date date);
const char *builder_bind_number(struct builder *builder, json_int_t number);

/* What the column is taken for when it is compared with this value; AS_NOTHING with an error. */
enum comparison builder_value_as(struct builder *builder, const struct column *column,
                                 const json_t *value);

/* Check the value, bind it: SQL to compare the column with. NULL with an error. */
const char *builder_value(struct builder *builder, const struct column *column, enum comparison as,
                          const json_t *value);

/* The placeholder of a parameter, ":event", noted as one that `column` is compared with. NULL with
 * an error. */
const char *builder_parameter(struct builder *builder, const struct column *column,
                              const char *name);

/* ---- the rest ---- */

int builder_condition_write(struct builder *builder, const json_t *condition, struct buffer *sql);
int builder_join_tables(struct builder *builder, const json_t *built, struct buffer *sql);

#endif
