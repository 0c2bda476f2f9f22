/*
 * The runner: starts runs, deals their tasks out to workers, settles what becomes of them,
 * recovers after deaths. Everything here happens on the loop's thread; what touches a run's files
 * goes through the store thread or the pool.
 *
 * It knows workers by their frames alone: the daemon starts processes, tells the runner when one is
 * ready or gone, hands over what it sends, and offers `send`. So nothing in this folder knows what
 * a process is.
 *
 * A run's states: preparing → running ⇄ paused → done; preparing → failed; running or paused →
 * cancelled.
 */
#ifndef CAMPAIGND_RUN_RUNNER_H
#define CAMPAIGND_RUN_RUNNER_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "source/child.h"
#include "store/state.h"
#include "store/store.h"
#include "wire/frame.h"

struct runner;
struct runner_worker;

struct runner_options {
    uv_loop_t *loop;
    struct store *store;
    struct state *state;
    const char *state_dir;    /* absolute */
    int64_t recovery_wait_us; /* how long a log's former owner may live before it is ended */
    void *context;
    void (*send)(void *context, void *worker,
                 const struct buffer *frames); /* copy the bytes to that worker */
    /* What a reader's request says of the sources that this frozen definition reads, as they are
     * configured now: a new reference, or NULL with the reason. */
    json_t *(*sources)(void *context, const json_t *definition, struct error *error);
    /* A run ended, failed, paused or began, or an instance was recovered: for logs, status and
     * whoever waits. May be NULL. */
    void (*changed)(void *context);
};

/* What the runner must know of an action; kept until changed. */
struct runner_action {
    char name[64];
    bool repeatable;
    int64_t retry_after_us, give_up_after_us;
    char trouble[512]; /* why it cannot work now (quarantined, …); "" */
};

/* Read the index of runs and the instances, begin recovery, go on with what was running. NULL with
 * the reason. */
struct runner *runner_start(const struct runner_options *options, struct error *error);

/* Hand out nothing more. What has begun ends, workers are told by the daemon. */
void runner_quiesce(struct runner *runner);

/* Is a store work or a recovery under way? */
bool runner_busy(const struct runner *runner);

/* Right before store_stop(): whatever is not settled by then is left to the next start. */
void runner_end(struct runner *runner);

/* After store_stop(), and when the loop is empty: free all. */
void runner_free(struct runner *runner);

void runner_set_action(struct runner *runner, const struct runner_action *action);
void runner_forget_action(struct runner *runner, const char *name); /* it is no longer configured */

/* ---- workers: called by the daemon ---- */

/* A new instance, before its process starts. `row` has id, action, generation, durable_begin;
 * `worker` comes back in send(). */
struct runner_worker *runner_worker_new(struct runner *runner, const struct instance_row *row,
                                        void *worker);

/* FRAME_READY came: boot, pid, start time, low and high are in `row`. `accepted` is called when
 * that is committed: tasks may flow, once runner_worker_serve says so. */
void runner_worker_ready(struct runner_worker *worker, const struct instance_row *row,
                         void (*accepted)(void *context, void *worker));

/* It may have tasks from now on: its generation has taken over. Those of a generation that is given
 * up have begun nothing. */
void runner_worker_serve(struct runner_worker *worker);

/* Frames about tasks and logs; others are the daemon's. Returns false for a frame that is none of
 * these, or broken. */
bool runner_frame(struct runner_worker *worker, enum frame_type type, struct frame_reader payload);

/* No new claims (its generation is old, or it is to stop). */
void runner_worker_retire(struct runner_worker *worker);

/* Its process is gone and all that it sent was handed over: recover, then forget it. The pointer is
 * dead. */
void runner_worker_gone(struct runner_worker *worker);

/* ---- runs ---- */

/* `number` is 0 if there is an error. Called when the index row is committed (the run is
 * `preparing`), not when it runs. */
typedef void (*runner_started)(void *context, int64_t number, const struct error *failed_or_null);

/*
 * Start a run of `definition`; it and `sources` (what a reader's request says of them) are stolen.
 * `suppression`: the path of a copy of the suppression list for the reader, "" none, and the
 * revision that it has at least: what is newer is looked at before the run begins. `uuid` makes it
 * once: if there is such a run, that one is answered. `request`: the start_request's id or 0.
 * `force`: although another run of this campaign is under way (else ERROR_CONFLICT).
 */
void runner_start_run(struct runner *runner, json_t *definition, json_t *sources,
                      const char *suppression, int64_t suppression_revision, const char *uuid,
                      const char *requested_by, int64_t request, bool force, runner_started started,
                      void *context);

/* The suppression list has a new revision, durably: take back from all runs under way what has not
 * begun for whom it names. */
void runner_suppressed(struct runner *runner, int64_t revision);

/*
 * Runs that a crash left `preparing`: one after the other, with campaign and uuid, for the daemon
 * to start anew by runner_start_run; `index` 0, 1, … until false.
 */
bool runner_unprepared(const struct runner *runner, size_t index, struct run_row *row);
/* Such a run cannot be prepared any more (its campaign is gone). */
void runner_fail_run(struct runner *runner, int64_t number, const char *reason);

/* 0, or -1: ERROR_NOT_FOUND, or ERROR_CONFLICT if it is not in a state for that. */
int runner_pause(struct runner *runner, int64_t number, const char *reason, struct error *error);
int runner_resume(struct runner *runner, int64_t number, struct error *error);
int runner_cancel(struct runner *runner, int64_t number, struct error *error);

/* 1: it has begun, so it has files; 0: not yet, or it failed before; -1: ERROR_NOT_FOUND. */
int runner_has_begun(struct runner *runner, int64_t number, struct error *error);

/* New references. Lists are newest first; `limit` 0: all. docs/api.md has the shapes; a run that
 * ended long ago has no "steps" here (read them by journal_steps_json on the pool). */
json_t *runner_runs_json(struct runner *runner, size_t limit);
json_t *runner_run_json(struct runner *runner, int64_t number); /* NULL: no such run */
/* {"number", "state", "started_at"} of the newest run of a campaign, or null. */
json_t *runner_last_run_json(const struct runner *runner, int64_t campaign);
size_t runner_active(const struct runner *runner);

/* The steps of a run from its file, read only; for the pool. NULL with the reason. */
json_t *runner_steps_from_file(const char *state_dir, int64_t number, struct error *error);

/* The uuid that a run's rows file names. */
int runner_uuid_from_rows(const char *state_dir, int64_t number, char uuid[65],
                          struct error *error);

/* Paths, for others that read a run's files. The caller frees. */
char *runner_rows_path(const char *state_dir, int64_t run);
char *runner_journal_path(const char *state_dir, int64_t run);
char *runner_archive_path(const char *state_dir, int64_t run);
char *runner_log_prefix(const char *state_dir, const char *instance);

#endif
