/*
 * Where in a JSON document its reader is, so that messages can say it ("where.and[1].is: …"), and
 * the checks that all readers of documents need: no unknown keys, nothing of another type, no text
 * that is too long or holds a zero byte.
 */
#ifndef CAMPAIGND_SOURCE_BUILDER_PLACE_H
#define CAMPAIGND_SOURCE_BUILDER_PLACE_H

#include <jansson.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

struct place {
    struct buffer path;
    struct error *error;
};

/* Go into a member or an element, ".and[%zu]" or "where"; what is returned leads back. */
size_t place_enter(struct place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void place_leave(struct place *place, size_t back);

/* Put the place in front of the error that was just filled; returns -1. */
int place_failed(struct place *place, int error_filled);

/* A name or value as messages show it: cut to some 60 bytes at a character's end. */
#define PLACE_SHOWN 72
const char *place_shown(char target[PLACE_SHOWN], const char *text);

/* It is an object, and has no keys but these; `known` ends with NULL. 0 or -1. */
int place_keys(struct place *place, const json_t *object, const char *const *known);

/* A member of `object`, of its type; absent or null is `*value` = NULL resp. false. 0 or -1. Texts
 * are not empty, at most `most` bytes, and without zero bytes. */
int place_text(struct place *place, const json_t *object, const char *key, size_t most,
               const char **value);
int place_list(struct place *place, const json_t *object, const char *key, size_t most,
               const json_t **value);
int place_flag(struct place *place, const json_t *object, const char *key, int *value);

/* That a member is missing. -1. */
int place_missing(struct place *place, const char *key);

/* As place_text, for a value that the caller has got hold of. */
int place_check_text(struct place *place, const json_t *value, size_t most, const char **text);

#endif
