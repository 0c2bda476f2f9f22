/*
 * What hangs on a task's recipient, for its plugin: detail rows and members, asked for by their
 * number, read as a stream. Of each list one row is held, however many there are.
 */
#ifndef CAMPAIGND_HOST_LISTS_H
#define CAMPAIGND_HOST_LISTS_H

#include <stdint.h>

#include "source/rows.h"

struct lists;

/* Both must outlive it. `list`: a detail group, or ROWS_MEMBERS. */
struct lists *lists_open(struct rows *rows, int64_t ordinal);
void lists_close(struct lists *lists); /* NULL is fine */

/* How many rows there are; -1: no such list, or it cannot be read (the log says why). */
int64_t lists_count(struct lists *lists, int list);

/* A cell, until another row of the same list is asked for; NULL: there is none. */
const struct rows_value *lists_cell(struct lists *lists, int list, int64_t row, int column);

#endif
