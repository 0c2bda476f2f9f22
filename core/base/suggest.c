#include "base/suggest.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, taken out or changed (Levenshtein); both fit WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

/* 0 is the same but for case; a beginning counts as one slip. */
static size_t unlikeness(const char *word, const char *candidate)
{
    if (strcasecmp(word, candidate) == 0)
        return 0;
    size_t common = least(strlen(word), strlen(candidate));
    if (common >= 3 && strncasecmp(word, candidate, common) == 0)
        return 1;
    return distance(word, candidate);
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    if (length > WORD_MAX)
        return NULL;
    const char *nearest = NULL;
    size_t best = (length < 5 ? 1 : length < 9 ? 2 : length / 3) + 1;
    for (size_t i = 0; i < count; i++) {
        if (strlen(candidates[i]) > WORD_MAX)
            continue;
        size_t value = unlikeness(word, candidates[i]);
        if (value < best) {
            best = value;
            nearest = candidates[i];
        }
    }
    return nearest;
}
