#include "host/batch.h"

#include <stdlib.h>

#include "base/log.h"

struct batch *batches_take(struct batches *batches, struct rows *rows, uint64_t ordinal)
{
    struct batch *batch = batches->free;
    if (batch) {
        batches->free = batch->next;
        if (batch->loaded)
            arena_reset(batch->arena);
    } else {
        batch = memory_new(sizeof *batch);
        batch->arena = arena_new();
    }
    batch->first = ordinal / BATCH_ROWS * BATCH_ROWS;
    batch->uses = 1;
    batch->rows = rows;
    batch->loaded = false;
    return batch;
}

void batches_release(struct batches *batches, struct batch *batch)
{
    if (!batch || --batch->uses > 0)
        return;
    batch->next = batches->free;
    batches->free = batch;
}

void batches_close(struct batches *batches)
{
    while (batches->free) {
        struct batch *batch = batches->free;
        batches->free = batch->next;
        arena_free(batch->arena);
        free(batch);
    }
}

static void copy_cell(struct batch *batch, struct rows_value *to, const struct rows_value *from)
{
    *to = *from;
    to->text = from->length ? arena_text_n(batch->arena, from->text, from->length) : "";
}

static void copy_row(struct batch *batch)
{
    struct rows *rows = batch->rows;
    unsigned columns = rows_field_count(rows);
    uint64_t row = (uint64_t)rows_ordinal(rows) - batch->first;
    struct rows_value value, *cells = arena_alloc(batch->arena, (columns + 1) * sizeof *cells);
    rows_key(rows, &value);
    copy_cell(batch, &cells[0], &value);
    for (unsigned i = 0; i < columns; i++) {
        rows_value(rows, i, &value);
        copy_cell(batch, &cells[i + 1], &value);
    }
    batch->cells[row] = cells;
}

static void load(struct batch *batch)
{
    struct error error;
    int more;
    for (unsigned i = 0; i < BATCH_ROWS; i++)
        batch->cells[i] = NULL;
    more = rows_seek(batch->rows, (int64_t)batch->first, (int64_t)batch->first + BATCH_ROWS - 1,
                     &error);
    while (more >= 0 && (more = rows_next(batch->rows, &error)) > 0)
        copy_row(batch);
    if (more < 0)
        log_error("%s", error.message);
}

const struct rows_value *batch_cell(struct batch *batch, uint64_t ordinal, int column)
{
    if (!atomic_load_explicit(&batch->loaded, memory_order_acquire)) {
        rows_lock(batch->rows);
        if (!batch->loaded)
            load(batch);
        atomic_store_explicit(&batch->loaded, true, memory_order_release);
        rows_unlock(batch->rows);
    }
    const struct rows_value *cells = batch->cells[ordinal - batch->first];
    return cells ? &cells[column + 1] : NULL;
}
