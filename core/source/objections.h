/*
 * Who objected to being reached: a copy of the suppression list (store/suppression.h) as a reader
 * asks it, once for each recipient. A filter of bits in memory answers for nearly all who are not
 * on the list.
 */
#ifndef CAMPAIGND_SOURCE_OBJECTIONS_H
#define CAMPAIGND_SOURCE_OBJECTIONS_H

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

/* Find what the list holds on this person, by key and addresses as the source has them ("" or
 * NULL: none). The number of entries, or -1. They last until the next call. */
int objections_look_up(struct objections *objections, const char *key, const char *email,
                       const char *phone, struct error *error);

/* Of those found, the first that keeps a step of `channel` from the person; NULL: none. */
const struct suppression_entry *objections_against(const struct objections *objections,
                                                   const char *channel);

#endif
