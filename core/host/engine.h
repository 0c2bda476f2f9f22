/*
 * The engine takes tasks through their states (task.h): expands claims up to the plugin's
 * concurrency, calls the plugin, writes begin and end, waits for syncs, and answers for each task
 * exactly once. Everything here is the loop's unless it says otherwise.
 *
 *     claims ──start──→ prepare ──→ begin ──(round)──→ deliver ──done──→ end ──(round)──→ outcome
 *
 * engine_pump() runs once each turn of the loop, before it sleeps: it starts what can start, begins
 * a round if somebody waits for one, and sends what was collected. Everything else only changes
 * states and lists.
 */
#ifndef CAMPAIGND_HOST_ENGINE_H
#define CAMPAIGND_HOST_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "host/channel.h"
#include "host/job.h"
#include "host/pool.h"
#include "host/syncer.h"
#include "host/task.h"

enum engine_phase {
    ENGINE_RUNNING,
    ENGINE_STOPPING, /* nothing begins any more; what has begun ends */
    ENGINE_STOPPED,
};

struct engine {
    uv_loop_t loop;
    pthread_t thread; /* the loop's */
    enum engine_phase phase;

    /* as configured */
    struct plugin plugin;
    struct campaignd_parameters *settings;
    char *action, *state_dir;
    char instance[33];
    unsigned char secret[IDEMPOTENCY_SECRET_SIZE];
    bool durable_begin;
    int64_t stop_timeout_us;

    void *loaded; /* what load() returned */
    bool is_loaded;
    struct layout *layout;
    struct tasklog *log;
    struct calls calls;
    struct pool *pool;
    struct channel channel;

    struct tasks tasks;
    uint32_t concurrency; /* how many tasks the plugin wants at a time */
    uint32_t active;      /* how many it has */
    struct batches batches;
    struct filings filings;
    struct job *jobs;
    struct job *turn; /* the job that starts tasks next */

    struct task_list waiting_log; /* in WAITING_LOG */
    struct task_list pending;     /* BEGINNING or SETTLING: for the next round */
    struct task_list in_round;    /* the same: of the round that runs */
    struct syncer *syncer;
    bool round_runs;
    bool housekeeping;   /* the log wants to look at its segments */
    uint32_t log_writes; /* records since it last did */
    bool granted;        /* bounds for the next round */
    uint32_t grant_low, grant_high;
    bool end_unlogged; /* said once that an end found no room in the log */

    struct buffer outcomes; /* FRAME_OUTCOMES being made */
    size_t outcomes_mark;
    uint32_t outcome_count;

    uv_prepare_t prepare;
    uv_idle_t idle; /* runs while there is more to start, so that the loop does not sleep */
    uv_timer_t stop_timer;
    uv_signal_t signals[3];
};

/* After load(): slots, threads, the sync thread. */
void engine_start(struct engine *engine);

/* FRAME_OPEN_JOB, FRAME_CLOSE_JOB, FRAME_CLAIM, FRAME_REVOKE, FRAME_ACK, FRAME_LOG_GRANT. */
void engine_open_job(struct engine *engine, uint32_t id, const json_t *json);
void engine_close_job(struct engine *engine, uint32_t id);
void engine_claim(struct engine *engine, struct frame_reader *payload);
void engine_revoke(struct engine *engine, uint64_t claim);
void engine_acknowledge(struct engine *engine, uint64_t sequence);
void engine_grant(struct engine *engine, uint32_t low, uint32_t high);

/* Begin nothing more, give back, finish; the loop ends when all is over, or out of time. */
void engine_stop(struct engine *engine);

void engine_pump(struct engine *engine);

/* Close jobs, threads and log. Only in ENGINE_STOPPED, with no task left. */
void engine_end(struct engine *engine);

/* host->begin and host->done, on the loop. */
void engine_begin(struct engine *engine, campaignd_task handle,
                  void (*begun)(void *context, int32_t ok), void *context);
void engine_done(struct engine *engine, campaignd_task handle, const struct outcome *outcome);

/* [any thread] Copy what a plugin says; the status as it is. */
void engine_copy_outcome(struct outcome *target, const struct campaignd_outcome *source);

/* [any thread] Call `begun(context, ok)` on the loop, not now. */
void engine_call_later(struct engine *engine, void (*begun)(void *context, int32_t ok),
                       void *context, int32_t ok);

/* The row that a task is about, for templates. */
struct job_row engine_row(const struct task *task);

/* The context that jobs of this worker are opened with. */
struct job_context engine_job_context(struct engine *engine);

#endif
