/* Private to core/source: the words of a condition (source/condition.h), where they stand. */
#ifndef CAMPAIGND_SOURCE_CONDITION_LEX_H
#define CAMPAIGND_SOURCE_CONDITION_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum word_kind {
    WORD_END,
    WORD_NAME,      /* bare: a field, a function, or SQL's */
    WORD_QUOTED,    /* a name in "…", `…` or […] */
    WORD_TEXT,      /* '…' */
    WORD_NUMBER,    /* without a sign */
    WORD_SIGN,      /* an operator, a parenthesis, a comma */
    WORD_PARAMETER, /* :name */
    WORD_OTHER      /* x'…' */
};

struct word {
    enum word_kind kind;
    size_t start, length; /* in the expression, with quotes */
};

/*
 * The words of an expression, an array for the caller to free(), ended by one WORD_END; comments
 * and blanks left out. NULL with an error: a quote, comment or parenthesis that is not closed, one
 * too many, a semicolon.
 */
struct word *condition_words(const char *text, size_t *count, struct error *error);

/* Where a byte of a text stands, from 1; columns count characters. */
void condition_place(const char *text, size_t offset, int *line, int *column);

bool word_is(const char *text, const struct word *word, const char *wanted); /* case is ignored */

#endif
