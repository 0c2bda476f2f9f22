/*
 * Tasks: slots of a fixed table, so that nothing is allocated per task, and handles that name a
 * slot and its present use. A handle is dead once the plugin is done with its task; what is said
 * about a dead one is found out, and logged with the identity that it had.
 *
 *     LOADED → PREPARING → OFFERED ─────────────┐ deliver/send runs, begin() not yet called
 *                  │          │ revoked          │
 *                  │          └→ TAKEN_BACK → given back
 *                  └→ WAITING_LOG ⇄ (the log's next segment is not granted yet)
 *                         └→ BEGINNING → DELIVERING → SETTLING → over
 *                            begin is     begun, or   the plugin is done; the outcome waits until
 *                            written, not repeatable  its documents are durable
 *                            yet durable
 *
 * The table of transitions stands in task.c; task_move() is the one function that moves a task.
 * Slots belong to the loop, but for their data (columns, documents), which belongs to whoever holds
 * the task.
 */
#ifndef CAMPAIGND_HOST_TASK_H
#define CAMPAIGND_HOST_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "campaignd/action.h"
#include "host/batch.h"
#include "host/idempotency.h"
#include "host/lists.h"
#include "host/pool.h"
#include "wire/outcome.h"
#include "wire/tasklog.h"

enum task_state {
    TASK_FREE,
    TASK_LOADED,      /* has a slot; nothing was called for it */
    TASK_PREPARING,   /* prepare() runs */
    TASK_OFFERED,     /* deliver() or send() was called; the plugin calls begin() when it will */
    TASK_TAKEN_BACK,  /* was offered, then revoked: begin() is refused, done() gives it back */
    TASK_WAITING_LOG, /* begin is wanted; the log has no room until the core grants it */
    TASK_BEGINNING,   /* begin is written, and waits for its sync */
    TASK_DELIVERING,  /* begun; or repeatable and under way */
    TASK_SETTLING,    /* the plugin is done with it; the outcome waits for a sync */
    TASK_PREVIEWING,  /* a preview; never begun, no outcome */
    TASK_STATES
};

struct claim;
struct job;

/* A document that a preview was handed, or made. */
struct inline_document {
    const char *name, *mime_type, *step; /* of the task's arena */
    const void *data;
    size_t size;
};

/* What few tasks need; made at first use, and kept with the slot. */
struct task_data {
    struct arena *arena; /* bytes handed to the plugin; dies with the task */
    struct wire_document documents[OUTCOME_DOCUMENTS]; /* made by this task */
    uint32_t document_count;
    bool unsynced;    /* some of them are not durable yet */
    bool disk_failed; /* one could not be filed: the task is given back, the job pauses */
    char failure[512];
    struct outcome held; /* in SETTLING */
    char key[IDEMPOTENCY_KEY_SIZE];
    struct lists *lists;             /* NULL: nobody asked for any */
    struct inline_document *inlined; /* a preview's: earlier documents */
    uint32_t inlined_count;
    struct inline_document *made; /* a preview's own */
    uint32_t made_count;
};

struct task {
    _Atomic uint32_t generation;
    enum task_state state;
    uint32_t index;
    struct job *job;
    struct claim *claim; /* NULL in a preview */
    struct tasklog_task log;
    struct batch *batch;
    struct task *next; /* in the one list that it is in: free, waiting for the log, for a sync */
    struct task_data *data;
    void (*begun)(void *context, int32_t ok); /* whom to call when begin is durable; NULL: nobody */
    void *begun_context;
    struct work work; /* send tier: its way through the pool */
    struct campaignd_outcome outcome;
    int32_t refused; /* what prepare() returned */
    struct {
        uint32_t generation, run, step;
        uint64_t ordinal;
    } former; /* whom the handles of the use before this one named */
};

struct task_list {
    struct task *first, *last;
    uint32_t count;
};

void task_list_add(struct task_list *list, struct task *task);
struct task *task_list_take(struct task_list *list); /* the first; NULL: empty */

struct tasks {
    struct task *slots;
    uint32_t capacity, used;
    struct task_list free; /* in the order of their release, so that handles stay dead long */
};

void tasks_open(struct tasks *tasks, uint32_t capacity);
void tasks_close(struct tasks *tasks);

/* A free slot, in state LOADED (or PREVIEWING), all else zero; NULL: all are used. */
struct task *tasks_take(struct tasks *tasks, enum task_state state);

/* Back to FREE; the handle must be retired. */
void tasks_release(struct tasks *tasks, struct task *task);

/* To another state. A transition that the table does not have is a defect of ours: the process
 * ends. */
void task_move(struct task *task, enum task_state to);

campaignd_task task_handle(const struct task *task);

/* [any thread] The task that a living handle names; NULL. */
struct task *tasks_find(struct tasks *tasks, campaignd_task handle);

/* The handle dies. */
void task_retire(struct task *task);

struct task_data *task_data(struct task *task);

/* "run 12, step 1, recipient 5" of a handle, living or dead. */
void tasks_describe(struct tasks *tasks, campaignd_task handle, char *target, size_t size);

#endif
