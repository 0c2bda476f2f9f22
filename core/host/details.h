/*
 * What hangs on a task's recipient, for its plugin: detail rows and members, asked for by their
 * number, read as a stream. Of each list one row is held, however many there are.
 */
#ifndef CAMPAIGND_HOST_DETAILS_H
#define CAMPAIGND_HOST_DETAILS_H

#include <stdint.h>

#include "source/rows.h"

struct details;

/* Both must outlive it. `list`: a detail group, or ROWS_MEMBERS. */
struct details *details_open(struct rows *rows, int64_t ordinal);
void details_close(struct details *details); /* NULL is fine */

/* How many rows there are; -1: no such list, or it cannot be read (the log says why). */
int64_t details_count(struct details *details, int list);

/* A cell, until another row of the same list is asked for; NULL: there is none. */
const struct rows_value *details_cell(struct details *details, int list, int64_t row, int column);

#endif
