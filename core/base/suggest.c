#include "base/suggest.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, taken out, changed or swapped with the next (optimal string
 * alignment); both fit WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1]; /* the present one and the two above it, in turn */
    size_t width = strlen(b);
    size_t height = 0;
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
        height = i;
    }
    return rows[height % 3][width];
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
