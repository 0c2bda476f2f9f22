/*
 * Private to core/source: rows read ahead. A thread takes them from the driver into blocks while
 * the caller works on the block before: what a source costs (its statement, its server's protocol)
 * and what the rows file costs fall upon two processors. It begins with ahead_start and is over
 * with ahead_stop; in between nobody else uses the driver.
 */
#ifndef CAMPAIGND_SOURCE_AHEAD_H
#define CAMPAIGND_SOURCE_AHEAD_H

#include "source/source.h"

struct ahead;

/* For the query that is prepared. NULL: there can be no thread more. */
struct ahead *ahead_start(struct source *source);

/* As source_next and source_value. */
int ahead_next(struct ahead *ahead, struct error *error);
void ahead_value(const struct ahead *ahead, unsigned column, struct source_value *out);

/* Whatever it waits for; NULL is fine. */
void ahead_stop(struct ahead *ahead);

#endif
