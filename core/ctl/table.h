/* Tables and text for a terminal: columns as wide as their UTF-8 really is, cut to the terminal,
 * but for times, numbers and states; a message in the last column goes on in the next line, and
 * what has too many columns is shown as a list. Columns with nothing in them are left out. Colour
 * only on a terminal, and not with NO_COLOR. What comes from outside cannot steer the terminal. */
#ifndef CAMPAIGND_CTL_TABLE_H
#define CAMPAIGND_CTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* The colour that a state has: done green, failed red, waiting for somebody yellow. */
enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED };

void table_setup(void); /* once, before all else: the locale, and what standard output is */
bool table_on_terminal(void);
size_t table_terminal_width(void);
const char *table_colour(enum colour colour); /* the sequence, or "" */
const char *table_colour_end(void);
enum colour table_colour_of_state(const char *state);

size_t table_width(const char *text); /* columns on a terminal */
char *table_cut(const char *text,
                size_t width); /* to that width, "…" at its end; freed by caller */
char *table_clean(const char *text,
                  bool keep_lines); /* control characters as "·"; freed by caller */

#define TABLE_COLUMNS_MAXIMUM 256 /* more are not shown */

struct table;

/* `keys` (NULL-ended) are the columns; their headings are the keys' labels. */
struct table *table_new(const char *const *keys);
void table_free(struct table *table);

/* The next cell, row by row; kept as a copy. Numbers stand to the right. */
void table_text(struct table *table, const char *text);
void table_state(struct table *table, const char *state); /* in words, coloured */
void table_json(struct table *table, const json_t *value);

/* A row of an object's values for the table's keys; "label", "help" and "message" in the language
 * of the output. */
void table_object(struct table *table, const json_t *object);
void table_headings_as_given(struct table *table); /* the keys are names, not ours to translate */

void table_print(struct table *table); /* "(nothing)" if it has no row */

/* Print the rows so far and forget them, for a table that is not held as a whole. On a terminal each
 * part is as wide as its own rows want it, and has a heading if that differs; else the first ones
 * decide. table_print ends it. */
void table_print_part(struct table *table);

/* A value as people read it: numbers grouped, times local, yes and no in words. Caller frees. */
char *table_value(const char *key, const json_t *value);

#endif
