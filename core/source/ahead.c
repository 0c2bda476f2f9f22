#include "source/ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "source/driver.h"

/* One is filled, one is read, one lies between them, so that neither waits for the other's last
 * row. To wake a thread costs up to 30 µs on a virtual machine: a block shall be worth some hundreds
 * of them, and still lie in the processor's cache. */
#define BLOCKS 3
#define BLOCK_CELLS 8192
#define BLOCK_TEXT (256 << 10)

struct cell {
    uint32_t type; /* SQLITE_NULL … */
    uint32_t length;
    union {
        int64_t integer;
        double real;
        size_t at; /* in the block's texts */
    };
};

struct block {
    struct cell *cells; /* row by row */
    size_t rows;
    struct buffer texts;
};

struct ahead {
    struct source *source;
    unsigned columns;
    size_t block_rows; /* most of one block */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* The caller's alone: */
    size_t reading, row;
    bool holding; /* the block `reading` */
    /* The thread's alone, until it has ended: */
    size_t filling;
    int result; /* of its last row: 0, -1 */
    struct error error;
    /* Under the mutex: */
    size_t filled; /* blocks that wait for the caller, with that which it reads */
    bool ended, stopped;
    struct block blocks[BLOCKS];
};

/* ---- the thread ---- */

static void put_text(struct block *block, struct cell *cell, const struct source_value *value)
{
    cell->length = (uint32_t)value->length;
    cell->at = block->texts.size;
    char *text = buffer_extend(&block->texts, value->length + 1);
    memcpy(text, value->text, value->length);
    text[value->length] = '\0';
}

static void put_row(const struct ahead *ahead, struct block *block)
{
    struct cell *cell = block->cells + block->rows++ * ahead->columns;
    for (unsigned i = 0; i < ahead->columns; i++, cell++) {
        struct source_value value;
        ahead->source->driver->value(ahead->source, i, &value);
        cell->type = (uint32_t)value.type;
        if (value.type == SQLITE_INTEGER)
            cell->integer = value.integer;
        else if (value.type == SQLITE_FLOAT)
            cell->real = value.real;
        else if (value.type != SQLITE_NULL)
            put_text(block, cell, &value);
    }
}

/* What one large row took is given back. */
static void empty(struct block *block)
{
    block->rows = 0;
    if (block->texts.capacity > 4 * BLOCK_TEXT)
        buffer_free(&block->texts);
    else
        buffer_clear(&block->texts);
}

/* As source_next, of the last row. */
static int fill(struct ahead *ahead, struct block *block)
{
    int more = 1;
    empty(block);
    while (block->rows < ahead->block_rows && block->texts.size < BLOCK_TEXT &&
           (more = ahead->source->driver->next(ahead->source, &ahead->error)) > 0)
        put_row(ahead, block);
    return more;
}

/* Is there a block to fill, or will there be? */
static bool wait_for_room(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->mutex);
    while (ahead->filled == BLOCKS && !ahead->stopped)
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    bool go_on = !ahead->stopped;
    pthread_mutex_unlock(&ahead->mutex);
    return go_on;
}

static void hand_over(struct ahead *ahead, bool ended)
{
    pthread_mutex_lock(&ahead->mutex);
    ahead->filled++;
    ahead->ended = ended;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
}

static void *thread_main(void *context)
{
    struct ahead *ahead = context;
    int more = 1;
    while (more > 0 && wait_for_room(ahead)) {
        more = ahead->result = fill(ahead, &ahead->blocks[ahead->filling]);
        ahead->filling = (ahead->filling + 1) % BLOCKS;
        hand_over(ahead, more <= 0);
    }
    return NULL;
}

/* ---- the caller ---- */

static void free_ahead(struct ahead *ahead)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        free(ahead->blocks[i].cells);
        buffer_free(&ahead->blocks[i].texts);
    }
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->mutex);
    free(ahead);
}

struct ahead *ahead_start(struct source *source)
{
    struct ahead *ahead = memory_new(sizeof *ahead);
    sigset_t all, before;
    ahead->source = source;
    ahead->columns = source_columns(source);
    ahead->block_rows = BLOCK_CELLS / (ahead->columns + 1) + 1;
    for (size_t i = 0; i < BLOCKS; i++)
        ahead->blocks[i].cells =
            memory_array(ahead->block_rows * (ahead->columns + 1), sizeof(struct cell));
    pthread_mutex_init(&ahead->mutex, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&ahead->thread, NULL, thread_main, ahead);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return ahead;
    free_ahead(ahead);
    return NULL;
}

/* Give back the block that has been read, if there was one, and wait for another. */
static bool take_block(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->mutex);
    if (ahead->holding) {
        ahead->filled--;
        ahead->reading = (ahead->reading + 1) % BLOCKS;
        pthread_cond_signal(&ahead->changed);
    }
    while (!ahead->filled && !ahead->ended)
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    ahead->holding = ahead->filled > 0;
    pthread_mutex_unlock(&ahead->mutex);
    ahead->row = 0;
    return ahead->holding;
}

int ahead_next(struct ahead *ahead, struct error *error)
{
    if (ahead->holding && ++ahead->row < ahead->blocks[ahead->reading].rows)
        return 1;
    while (take_block(ahead))
        if (ahead->blocks[ahead->reading].rows)
            return 1;
    if (ahead->result < 0 && error)
        *error = ahead->error;
    return ahead->result;
}

void ahead_value(const struct ahead *ahead, unsigned column, struct source_value *out)
{
    const struct block *block = &ahead->blocks[ahead->reading];
    const struct cell *cell = &block->cells[ahead->row * ahead->columns + column];
    *out = (struct source_value){.type = (int)cell->type};
    if (cell->type == SQLITE_INTEGER)
        out->integer = cell->integer;
    else if (cell->type == SQLITE_FLOAT)
        out->real = cell->real;
    else if (cell->type != SQLITE_NULL) {
        out->text = block->texts.data + cell->at;
        out->length = cell->length;
    }
}

void ahead_stop(struct ahead *ahead)
{
    if (!ahead)
        return;
    source_stop(ahead->source, true);
    pthread_mutex_lock(&ahead->mutex);
    ahead->stopped = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->mutex);
    pthread_join(ahead->thread, NULL);
    source_stop(ahead->source, false);
    free_ahead(ahead);
}
