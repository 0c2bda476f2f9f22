/*
 * Who objected to being reached: a copy of the suppression list (store/suppression.h) as a reader
 * asks it, once for each recipient. A filter of bits in memory answers for nearly all who are not
 * on the list.
 */
#ifndef CAMPAIGND_SOURCE_OBJECTIONS_H
#define CAMPAIGND_SOURCE_OBJECTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/suppression.h"

struct objections;

/* Of a campaign with this purpose and id. `path` "": nobody objected. NULL with an error. */
struct objections *objections_open(const char *path, const char *purpose, int64_t campaign,
                                   struct error *error);
void objections_close(struct objections *objections); /* NULL is fine */

/* Is there anything to ask? */
bool objections_any(const struct objections *objections);

/* Does a column of this name and role hold addresses? By its role, or as a step of the definition
 * names it. */
bool objections_is_address(const json_t *definition, const char *name, const char *role);

/* Find what the list holds on one person: first by the key, then also by each address as the source
 * has it. What was found lasts until the next key. 0 or -1. */
int objections_look_up(struct objections *objections, const char *key, struct error *error);
int objections_look_up_address(struct objections *objections, const char *text, size_t size,
                               struct error *error);

/* Of those found, the strictest that keeps a step of `channel` from the person; NULL: none. */
const struct suppression_entry *objections_against(const struct objections *objections,
                                                   const char *channel);

#endif
