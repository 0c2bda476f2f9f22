/* What somebody may have meant who wrote a name that is not there: for messages. */
#ifndef CAMPAIGND_BASE_SUGGEST_H
#define CAMPAIGND_BASE_SUGGEST_H

#include <stddef.h>

/* The candidate that `word` is a likely slip of: other case, a few letters, one cut short. NULL:
 * none is near. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);

#endif
