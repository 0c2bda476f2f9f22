/*
 * A list written to a file: CSV as RFC 4180 has it (UTF-8, lines ended by CR LF, the first one the
 * columns' names), or JSON lines (one object a row, https://jsonlines.org). Rows come one after the
 * other and nothing of them is kept.
 *
 * CSV: a cell is quoted where it has to be. NULL and "" are both empty, bytes are base64. With
 * `formula_guard` a text that a spreadsheet would take for a formula (it begins with = + - @, a tab
 * or a carriage return) gets an apostrophe in front; numbers never.
 *
 * JSON lines: integers and booleans as such, decimals as numbers with all their digits, NULL as
 * null, bytes as {"base64": "…"}.
 */
#ifndef CAMPAIGND_SOURCE_LISTING_H
#define CAMPAIGND_SOURCE_LISTING_H

#include <stdbool.h>

#include "base/error.h"
#include "source/source.h"

enum listing_format { LISTING_CSV, LISTING_JSON_LINES };

struct listing_options {
    enum listing_format format;
    char separator;       /* of CSV: , ; or a tab */
    bool formula_guard;   /* of CSV */
    bool byte_order_mark; /* of CSV: three bytes that tell some spreadsheets that it is UTF-8 */
};

struct listing_column {
    const char *name;
    enum source_type type;
};

struct listing;

/* What a request's object asks for: {"format": "csv" | "jsonl", "separator": ";",
 * "formula_guard": true, "byte_order_mark": true}, all optional. 0, or -1 with what is wrong. */
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
