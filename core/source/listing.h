/*
 * A list written to a file: CSV as RFC 4180 has it (UTF-8, lines ended by CR LF, the first one the
 * columns' names), or JSON lines (one object a row, https://jsonlines.org). Rows come one after the
 * other and nothing of them is kept.
 *
 * A real number has the fewest digits that mean it. Text that is none (not UTF-8, or with a zero
 * byte in it) is told as bytes.
 *
 * CSV: a cell is quoted where it has to be. NULL is an empty cell, an empty text is "" in quotation
 * marks (so is NULL where it is the only column, for an empty line would be no row); true and false
 * are 1 and 0, bytes are base64. With `formula_guard` whatever a spreadsheet would take for a formula
 * gets an apostrophe in front: what begins with = + - @, also in their wide forms, a tab or a line's
 * end; numbers never.
 *
 * JSON lines: integers and booleans as such, decimals as numbers with all their digits (or as texts,
 * for those who would make a binary fraction of them), NULL as null, bytes as {"base64": "…"}.
 */
#ifndef CAMPAIGND_SOURCE_LISTING_H
#define CAMPAIGND_SOURCE_LISTING_H

#include <stdbool.h>

#include "base/error.h"
#include "source/source.h"

enum listing_format { LISTING_CSV, LISTING_JSON_LINES };

struct listing_options {
    enum listing_format format;
    char separator;        /* of CSV: , ; | or a tab */
    bool formula_guard;    /* of CSV */
    bool byte_order_mark;  /* of CSV: three bytes that tell some spreadsheets that it is UTF-8 */
    bool decimals_as_text; /* of JSON lines */
};

struct listing_column {
    const char *name;
    enum source_type type;
};

struct listing;

/* What a request's object asks for: {"format": "csv" | "jsonl", "separator": ";",
 * "formula_guard": true, "byte_order_mark": true, "decimals": "number" | "text"}, all optional. 0,
 * or -1 with what is wrong. */
int listing_read_options(const json_t *request, struct listing_options *options,
                         struct error *error);

/* Begin to write to the open file `fd`, which stays the caller's. `columns` is copied. */
struct listing *listing_new(int fd, const struct listing_options *options,
                            const struct listing_column *columns, unsigned count);
/* One row of as many values as there are columns. 0, or -1 if it cannot be written. */
int listing_row(struct listing *listing, const struct source_value *values, struct error *error);
/* Write what is left. 0, or -1. */
int listing_end(struct listing *listing, struct error *error);
void listing_free(struct listing *listing); /* NULL is fine */

#endif
