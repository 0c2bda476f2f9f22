/*
 * Recipients as tasks see them: read from the rows file in batches of neighbours, and only when
 * somebody asks for a column. A batch lives as long as a task of it.
 */
#ifndef CAMPAIGND_HOST_BATCH_H
#define CAMPAIGND_HOST_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "source/rows.h"

#define BATCH_ROWS 64

struct batch {
    struct batch *next; /* while it is free */
    uint64_t first;     /* the ordinal of its first row */
    uint32_t uses;      /* tasks, and the job's present one; the loop's */
    struct rows *rows;
    _Atomic bool loaded;
    struct arena *arena;
    struct rows_value *cells[BATCH_ROWS]; /* the key, then the columns; NULL: no such row */
};

/* Batches to use again: the loop's. */
struct batches {
    struct batch *free;
};

struct batch *batches_take(struct batches *batches, struct rows *rows, uint64_t ordinal);
void batches_release(struct batches *batches, struct batch *batch); /* NULL is fine */
void batches_close(struct batches *batches);

/* [any thread] A recipient's key (column -1) or column; NULL if there is none. */
const struct rows_value *batch_cell(struct batch *batch, uint64_t ordinal, int column);

#endif
