/* Private to core/source: do the literals of a condition fit the fields that they are compared
 * with? (source/condition.h) */
#ifndef CAMPAIGND_SOURCE_CONDITION_TYPES_H
#define CAMPAIGND_SOURCE_CONDITION_TYPES_H

#include <jansson.h>

#include "base/buffer.h"
#include "source/condition_lex.h"

/* The field that a word names, by SQLite's rules (case is ignored); NULL: none. */
const json_t *condition_field(const char *text, const struct word *word, const json_t *columns);

/* Look at each comparison of a field with literals, and append the expression to `out`, numbers in
 * quotes beside fields that are numbers without them. 0, or -1 with what does not fit, and where. */
int condition_fit(const char *text, const struct word *words, size_t count, const json_t *columns,
                  struct buffer *out, struct error *error);

#endif
