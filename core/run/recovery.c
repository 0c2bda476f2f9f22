/*
 * What a dead worker leaves behind. First its log's lock: while somebody holds it, its owner still
 * works; after recovery_wait the owner is ended, if it is still the process that the instance's row
 * names. Then the log is read, each run settles what the instance held, and only when all that is
 * committed the instance's row and its log go. Each part can be repeated.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "run/internal.h"
#include "run/salvage.h"

#define LOCK_RETRY_MS 50

struct recovery {
    struct runner *runner;
    struct instance_row row;
    char *prefix;
    int64_t since_us;
    uv_work_t pool;
    uv_timer_t timer;
    enum tasklog_owner owner;
    int lock_fd;
    bool believed;
    struct error doubt;
    struct journal_record *records;
    size_t count;
    size_t works;
    bool failed;
};

/* ---- on the pool ---- */

static bool same_boot(const struct tasklog_identity *identity)
{
    struct tasklog_identity here;
    return tasklog_identify(&here, NULL) != 0 ||
           memcmp(here.boot, identity->boot, sizeof here.boot) == 0;
}

static bool is_dead(int pidfd, int wait_ms)
{
    struct pollfd dead = {.fd = pidfd, .events = POLLIN};
    return poll(&dead, 1, wait_ms) > 0;
}

/* End the process that the instance's row names, and no other: through a descriptor that cannot
 * come to mean a later one. Returns whether it is sure to be gone. */
static bool end_owner(const struct recovery *recovery)
{
    const struct tasklog_identity *identity = &recovery->row.identity;
    pid_t pid = (pid_t)identity->pid;
    if (!same_boot(identity))
        return true; /* whoever has that number now is another */
    FD_CLEAN int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return errno == ESRCH;
    uint64_t start = tasklog_process_start(pid);
    if (start != identity->pid_start)
        return start || is_dead(pidfd, 0);
    log_warning("worker %s (process %d) still holds its log after the recovery wait; it is ended",
                recovery->row.id, (int)pid);
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    return is_dead(pidfd, 1000);
}

static void keep_record(void *context, enum tasklog_record type, const struct tasklog_task *task,
                        const void *outcome, size_t size)
{
    struct recovery *recovery = context;
    if ((recovery->count & (recovery->count - 1)) == 0)
        recovery->records =
            memory_resize(recovery->records,
                          (recovery->count ? recovery->count * 2 : 1) * sizeof *recovery->records);
    recovery->records[recovery->count++] = (struct journal_record){
        .claim = task->claim,
        .ordinal = task->ordinal,
        .ended = type == TASKLOG_END,
        .outcome = size ? memory_text_n(outcome, size) : NULL,
        .size = size,
    };
}

static void read_log(struct recovery *recovery)
{
    const struct tasklog_identity *identity = &recovery->row.identity;
    recovery->believed =
        tasklog_read(recovery->prefix, identity, recovery->row.low, recovery->row.high, keep_record,
                     recovery, &recovery->doubt) == 0;
    if (recovery->believed && !recovery->row.durable_begin && !same_boot(identity)) {
        recovery->believed = false;
        error_set(&recovery->doubt, ERROR_INPUT,
                  "the machine was started anew, and this action is set to durable_begin = no");
    }
}

static void try_recovery(uv_work_t *pool)
{
    struct recovery *recovery = pool->data;
    recovery->owner = tasklog_try_lock(recovery->prefix, &recovery->lock_fd);
    if (recovery->owner == TASKLOG_HELD &&
        clock_monotonic_us() - recovery->since_us > recovery->runner->is.recovery_wait_us) {
        end_owner(recovery);
        recovery->owner = tasklog_try_lock(recovery->prefix, &recovery->lock_fd);
    }
    /* Without the file nothing tells whether it lives: make sure that it does not. */
    if (recovery->owner == TASKLOG_NO_LOCK_FILE && !end_owner(recovery))
        recovery->owner = TASKLOG_HELD;
    if (recovery->owner != TASKLOG_HELD)
        read_log(recovery);
}

/* ---- on the loop ---- */

static void on_tried(uv_work_t *pool, int status);

static void free_records(struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->count; i++)
        free((void *)recovery->records[i].outcome);
    free(recovery->records);
    recovery->records = NULL;
    recovery->count = 0;
}

static void on_recovery_closed(uv_handle_t *handle)
{
    struct recovery *recovery = handle->data;
    recovery->runner->recoveries--;
    salvage_begin(recovery->runner, 0);
    dispatch_soon(recovery->runner);
    runner_note(recovery->runner);
    file_close(&recovery->lock_fd);
    free_records(recovery);
    free(recovery->prefix);
    free(recovery);
}

static void queue_try(struct recovery *recovery)
{
    recovery->pool.data = recovery;
    uv_queue_work(recovery->runner->is.loop, &recovery->pool, try_recovery, on_tried);
}

static void on_retry(uv_timer_t *timer)
{
    queue_try(timer->data);
}

struct recovery_work {
    struct store_work work;
    struct recovery *recovery;
    struct run *run;
};

static int apply_drop(struct store_work *work, struct error *error)
{
    const struct recovery *recovery = ((struct recovery_work *)work)->recovery;
    return state_drop_instance(recovery->runner->is.state, recovery->row.id, error);
}

static void on_dropped(struct store_work *work, const struct error *failed)
{
    struct recovery *recovery = ((struct recovery_work *)work)->recovery;
    struct error error = {0};
    if (!failed)
        tasklog_remove(recovery->prefix, &error);
    if (error.message[0])
        log_warning("%s", error.message);
    uv_close((uv_handle_t *)&recovery->timer, on_recovery_closed);
    free(work);
}

/* All runs have settled it. */
static void finish(struct recovery *recovery)
{
    /* At the end of the store, or for a run that could not be opened: the next start recovers. */
    if (recovery->failed || recovery->runner->unopened) {
        uv_close((uv_handle_t *)&recovery->timer, on_recovery_closed);
        return;
    }
    struct recovery_work *drop = memory_new(sizeof *drop);
    drop->work = (struct store_work){.database = &recovery->runner->is.state->database,
                                     .apply = apply_drop,
                                     .done = on_dropped,
                                     .keep = true};
    drop->recovery = recovery;
    store_submit(recovery->runner->is.store, &drop->work);
}

static int apply_recovery(struct store_work *work, struct error *error)
{
    const struct recovery_work *step = (struct recovery_work *)work;
    struct recovery *recovery = step->recovery;
    if (!journal_holds(step->run->journal, recovery->row.id))
        return 0;
    FREE_CLEAN char *why =
        recovery->believed
            ? memory_text("its worker ended after it had begun and before it could say how it went")
            : memory_format("whether it was begun cannot be told: %s", recovery->doubt.message);
    return journal_recover(step->run->journal, recovery->row.id, recovery->records, recovery->count,
                           recovery->believed, why, error);
}

static void on_recovered(struct store_work *work, const struct error *failed)
{
    struct recovery_work *step = (struct recovery_work *)work;
    struct recovery *recovery = step->recovery;
    struct runner *runner = recovery->runner;
    if (failed)
        recovery->failed = true;
    step->run->pending--;
    run_check_end(runner, step->run);
    run_release(runner, step->run);
    free(step);
    if (--recovery->works == 0)
        finish(recovery);
}

static void settle_runs(struct recovery *recovery)
{
    struct runner *runner = recovery->runner;
    recovery->works = 1;
    for (struct run *run = runner->runs; run; run = run->next) {
        if (!run->journal || run->closing)
            continue;
        struct recovery_work *step = memory_new(sizeof *step);
        *step = (struct recovery_work){
            .work = {.database = &run->journal->database,
                     .apply = apply_recovery,
                     .done = on_recovered,
                     .keep = true},
            .recovery = recovery,
            .run = run,
        };
        run->pending++;
        recovery->works++;
        store_submit(runner->is.store, &step->work);
    }
    if (--recovery->works == 0)
        finish(recovery);
}

static void on_tried(uv_work_t *pool, int status)
{
    struct recovery *recovery = pool->data;
    bool held = recovery->owner == TASKLOG_HELD;
    (void)status;
    if (recovery->runner->over || (held && recovery->runner->quiet)) { /* the next start's */
        uv_close((uv_handle_t *)&recovery->timer, on_recovery_closed);
        return;
    }
    if (held) {
        uv_timer_start(&recovery->timer, on_retry, LOCK_RETRY_MS, 0);
        return;
    }
    if (!recovery->believed)
        log_error("worker %s of action »%s«: %s; what it had claimed is in doubt", recovery->row.id,
                  recovery->row.action, recovery->doubt.message);
    settle_runs(recovery);
}

void recovery_begin(struct runner *runner, const struct instance_row *row)
{
    if (runner->over)
        return;
    struct recovery *recovery = memory_new(sizeof *recovery);
    recovery->runner = runner;
    recovery->row = *row;
    recovery->prefix = runner_log_prefix(runner->state_dir, row->id);
    recovery->since_us = clock_monotonic_us();
    recovery->lock_fd = -1;
    runner->recoveries++;
    uv_timer_init(runner->is.loop, &recovery->timer);
    recovery->timer.data = recovery;
    queue_try(recovery);
}
