/*
 * Dealing tasks out. Each worker is kept with about half a second's work outstanding (its window,
 * learned from what it ends), so that a fast action gets claims of many thousands, a slow one few,
 * and a revoke never has much to take back. Runs take turns: the one that was served last is asked
 * last.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "run/internal.h"

#define WINDOW_LEAST 256
#define WINDOW_MOST 65536
#define WINDOW_US 500000
#define SHARE_LEAST 16
#define SHARE_WITH_DOCUMENTS 4096 /* of a step whose claims carry documents: the frame is bounded */

static void send_frames(struct runner_worker *worker, const struct buffer *frames)
{
    worker->runner->is.send(worker->runner->is.context, worker->context, frames);
}

/* ---- jobs ---- */

static struct job *job_of(struct runner_worker *worker, int64_t run, int step)
{
    for (size_t i = 0; i < worker->job_count; i++)
        if (worker->jobs[i].run == run && worker->jobs[i].step == step)
            return &worker->jobs[i];
    return NULL;
}

static struct job *job_numbered(struct runner_worker *worker, uint32_t number)
{
    for (size_t i = 0; i < worker->job_count; i++)
        if (worker->jobs[i].number == number)
            return &worker->jobs[i];
    return NULL;
}

static json_t *job_json(const struct runner *runner, const struct run *run,
                        const struct journal_step *step)
{
    FREE_CLEAN char *rows = runner_rows_path(runner->state_dir, run->row.number);
    FREE_CLEAN char *archive = runner_archive_path(runner->state_dir, run->row.number);
    const json_t *campaign = json_object_get(run->definition, "campaign");
    const char *purpose = json_string_value(json_object_get(campaign, "purpose"));
    const char *language = json_string_value(json_object_get(campaign, "language"));
    return json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:I}", "run",
                     (json_int_t)run->row.number, "uuid", run->row.uuid, "campaign",
                     run->row.campaign, "step", step->number, "step_name", step->name, "purpose",
                     purpose ? purpose : "information", "language", language ? language : "",
                     "recipients", (json_int_t)run->row.recipients, "rows", rows, "archive",
                     archive, "started_us", (json_int_t)run->row.started_us);
}

static void open_job(struct runner_worker *worker, const struct run *run,
                     const struct journal_step *step)
{
    BUFFER_CLEAN struct buffer frame = {0};
    worker->jobs = memory_resize(worker->jobs, (worker->job_count + 1) * sizeof *worker->jobs);
    struct job *job = &worker->jobs[worker->job_count++];
    *job = (struct job){.number = ++worker->next_job,
                        .run = run->row.number,
                        .step = step->number,
                        .state = JOB_OPENING};
    json_t *json = job_json(worker->runner, run, step);
    FREE_CLEAN char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    size_t mark = frame_begin(&frame, FRAME_OPEN_JOB);
    put_u32(&frame, job->number);
    put_text(&frame, text);
    frame_end(&frame, mark);
    send_frames(worker, &frame);
}

void dispatch_close_jobs(struct runner *runner, const struct run *run, bool only_failed)
{
    for (struct runner_worker *worker = runner->workers; worker; worker = worker->next)
        for (size_t i = worker->job_count; i-- > 0;) {
            const struct job *job = &worker->jobs[i];
            if (job->run != run->row.number || job->claiming ||
                (only_failed && job->state != JOB_FAILED))
                continue;
            BUFFER_CLEAN struct buffer frame = {0};
            size_t mark = frame_begin(&frame, FRAME_CLOSE_JOB);
            put_u32(&frame, worker->jobs[i].number);
            frame_end(&frame, mark);
            if (worker->state != WORKER_GONE)
                send_frames(worker, &frame);
            worker->jobs[i] = worker->jobs[--worker->job_count];
        }
}

/* ---- claims ---- */

struct claim_work {
    struct store_work work;
    struct runner_worker *worker;
    struct run *run;
    int step;
    uint32_t job;
    uint64_t limit;
    struct journal_range *only; /* NULL: whatever waits */
    size_t only_count;
    int64_t until_us; /* of those: when what has not begun is to be asked about again */
    struct buffer frame;
    uint64_t claim, tasks;
};

static int apply_claim(struct store_work *work, struct error *error)
{
    struct claim_work *claim = (struct claim_work *)work;
    return journal_claim(claim->run->journal, claim->step, claim->worker->row.id, claim->limit,
                         claim->only, claim->only_count, claim->job, &claim->frame, &claim->claim,
                         &claim->tasks, error);
}

static void put_revoke(struct buffer *frame, uint64_t claim)
{
    size_t mark = frame_begin(frame, FRAME_REVOKE);
    put_u64(frame, claim);
    frame_end(frame, mark);
}

/* The claim is committed: only now may it be sent. A worker that went away meanwhile is recovered,
 * this claim with it. */
static void on_claimed(struct store_work *work, const struct error *failed)
{
    struct claim_work *claim = (struct claim_work *)work;
    struct runner_worker *worker = claim->worker;
    struct runner *runner = worker->runner;
    struct job *job = job_numbered(worker, claim->job);
    if (job)
        job->claiming = false;
    if (failed) {
        runner->retry_at_us = clock_monotonic_us() + 1000000;
    } else if (claim->tasks) {
        worker->outstanding += claim->tasks;
        if (claim->run->row.state != RUN_RUNNING || worker->state != WORKER_READY)
            put_revoke(&claim->frame, claim->claim);
        if (worker->state != WORKER_GONE)
            send_frames(worker, &claim->frame);
        if (claim->only && claim->run->rechecks)
            recheck_given(claim->run, run_step_index(claim->run, claim->step), claim->claim,
                          claim->until_us);
    }
    worker->pending--;
    claim->run->pending--;
    if (claim->run->closing)
        dispatch_close_jobs(runner, claim->run, false);
    run_check_end(runner, claim->run);
    run_release(runner, claim->run);
    worker_free_if_gone(worker);
    dispatch_soon(runner);
    buffer_free(&claim->frame);
    free(claim->only);
    free(claim);
}

/* `only` is taken over. */
static void ask_claim(struct runner_worker *worker, struct run *run, struct job *job,
                      uint64_t limit, struct journal_range *only, size_t only_count,
                      int64_t until_us)
{
    struct claim_work *claim = memory_new(sizeof *claim);
    *claim = (struct claim_work){
        .work = {.database = &run->journal->database, .apply = apply_claim, .done = on_claimed},
        .worker = worker,
        .run = run,
        .step = job->step,
        .job = job->number,
        .limit = limit,
        .only = only,
        .only_count = only_count,
        .until_us = until_us,
    };
    job->claiming = true;
    worker->pending++;
    run->pending++;
    store_submit(worker->runner->is.store, &claim->work);
}

/* ---- who gets what ---- */

static uint64_t workers_of(const struct runner *runner, const char *action)
{
    uint64_t count = 0;
    for (const struct runner_worker *worker = runner->workers; worker; worker = worker->next)
        count += worker->state == WORKER_READY && strcmp(worker->row.action, action) == 0;
    return count ? count : 1;
}

/* Of a step whose source is asked again: what it still selects; if that is claimed, ask it. */
static bool ask_rechecked(struct runner_worker *worker, struct run *run, struct job *job,
                          size_t step, uint64_t limit)
{
    struct journal_range *only;
    int64_t until_us;
    size_t count = recheck_take(run, step, limit, &only, &until_us);
    if (count) {
        ask_claim(worker, run, job, limit, only, count, until_us);
        return true;
    }
    free(only);
    recheck_ask(worker->runner, run, step);
    return false;
}

/* One step of one run for one worker: open its job, or ask for a claim. Returns whether a claim was
 * asked for. */
static bool serve(struct runner_worker *worker, struct run *run, const struct journal_step *step,
                  uint64_t runnable)
{
    struct job *job = job_of(worker, run->row.number, step->number);
    uint64_t room = worker->window > worker->outstanding ? worker->window - worker->outstanding : 0;
    if (!job) {
        open_job(worker, run, step);
        return false;
    }
    if (job->state != JOB_OPEN || job->claiming || room < (worker->window + 1) / 4)
        return false;
    uint64_t share = runnable / workers_of(worker->runner, worker->row.action) + 1;
    if (share < SHARE_LEAST)
        share = SHARE_LEAST;
    if (step->parent && share > SHARE_WITH_DOCUMENTS)
        share = SHARE_WITH_DOCUMENTS;
    uint64_t limit = share < room ? share : room;
    size_t index = (size_t)(step - run->steps);
    if (recheck_wanted(run, index))
        return ask_rechecked(worker, run, job, index, limit);
    ask_claim(worker, run, job, limit, NULL, 0, 0);
    return true;
}

static bool serve_run(struct runner_worker *worker, struct run *run)
{
    struct journal_counts counts[JOURNAL_STEPS];
    bool asked = false;
    if (run->row.state != RUN_RUNNING || !run->indexed || !run->journal || run->closing ||
        run->matched < run->must_match)
        return false;
    journal_counts(run->journal, counts);
    for (size_t i = 0; i < run->step_count; i++)
        if (counts[i].runnable && strcmp(run->steps[i].action, worker->row.action) == 0)
            asked |= serve(worker, run, &run->steps[i], counts[i].runnable);
    return asked;
}

/* The runs in turn, from the one after the last that was served (the list is newest first). */
static void serve_worker(struct runner_worker *worker)
{
    struct run *first = worker->runner->runs;
    while (first && first->row.number >= worker->turn)
        first = first->next;
    int64_t turn = worker->turn;
    for (struct run *run = first; run; run = run->next)
        if (serve_run(worker, run))
            turn = run->row.number;
    for (struct run *run = worker->runner->runs; run != first; run = run->next)
        if (serve_run(worker, run))
            turn = run->row.number;
    worker->turn = turn;
}

static void learn_window(struct runner_worker *worker)
{
    int64_t now_us = clock_monotonic_us();
    int64_t span_us = now_us - worker->since_us;
    if (span_us < 50000)
        return;
    uint64_t window = (uint64_t)((double)worker->ended_since * WINDOW_US / (double)span_us);
    window = window < WINDOW_LEAST ? WINDOW_LEAST : window > WINDOW_MOST ? WINDOW_MOST : window;
    worker->window = window > worker->window ? window : (worker->window * 3 + window) / 4;
    worker->ended_since = 0;
    worker->since_us = now_us;
}

static void on_soon(uv_idle_t *idle)
{
    struct runner *runner = idle->data;
    uv_idle_stop(idle);
    if (runner->quiet || clock_monotonic_us() < runner->retry_at_us)
        return;
    for (struct runner_worker *worker = runner->workers; worker; worker = worker->next)
        if (worker->state == WORKER_READY) {
            learn_window(worker);
            serve_worker(worker);
        }
}

void dispatch_soon(struct runner *runner)
{
    if (!runner->quiet)
        uv_idle_start(&runner->soon, on_soon);
}

/* Take back what has not begun, from everybody: who does not have a claim ignores it. */
struct revoke_work {
    struct store_work work;
    struct runner *runner;
    struct run *run;
    uint64_t *claims;
    size_t count;
};

static int apply_revoke(struct store_work *work, struct error *error)
{
    struct revoke_work *revoke = (struct revoke_work *)work;
    (void)error;
    revoke->count = journal_claims(revoke->run->journal, NULL, &revoke->claims);
    return 0;
}

void dispatch_send_revokes(struct runner *runner, const uint64_t *claims, size_t count)
{
    BUFFER_CLEAN struct buffer frames = {0};
    for (size_t i = 0; i < count; i++)
        put_revoke(&frames, claims[i]);
    for (struct runner_worker *worker = runner->workers; worker && frames.size;
         worker = worker->next)
        if (worker->state != WORKER_GONE && worker->state != WORKER_STARTING)
            send_frames(worker, &frames);
}

static void on_revoke(struct store_work *work, const struct error *failed)
{
    struct revoke_work *revoke = (struct revoke_work *)work;
    struct runner *runner = revoke->runner;
    (void)failed;
    dispatch_send_revokes(runner, revoke->claims, revoke->count);
    revoke->run->pending--;
    run_check_end(runner, revoke->run);
    run_release(runner, revoke->run);
    free(revoke->claims);
    free(revoke);
}

void dispatch_revoke(struct runner *runner, struct run *run)
{
    if (!run->journal || run->closing)
        return;
    struct revoke_work *revoke = memory_new(sizeof *revoke);
    *revoke = (struct revoke_work){
        .work = {.apply = apply_revoke, .done = on_revoke}, .runner = runner, .run = run};
    run->pending++;
    store_submit(runner->is.store, &revoke->work);
}

/* ---- what workers say ---- */

/* The payload of FRAME_OUTCOMES or FRAME_RETURNED, applied to one run. */
struct settle_work {
    struct store_work work;
    struct runner_worker *worker;
    struct run *run;
    bool outcomes;
    struct buffer payload;
    uint64_t left;
    struct unacknowledged *frame; /* of outcomes */
};

static int apply_settle(struct store_work *work, struct error *error)
{
    struct settle_work *settle = (struct settle_work *)work;
    struct frame_reader reader = {.data = (const unsigned char *)settle->payload.data,
                                  .size = settle->payload.size};
    return settle->outcomes ? journal_outcomes(settle->run->journal, reader, &settle->left, error)
                            : journal_returned(settle->run->journal, reader, &settle->left, error);
}

/* Acknowledge, in the order of their sequence, all frames that are committed from the first on. */
static void acknowledge(struct runner_worker *worker)
{
    uint64_t sequence = 0;
    while (worker->first && !worker->first->works) {
        struct unacknowledged *over = worker->first;
        sequence = over->sequence;
        worker->first = over->next;
        if (!worker->first)
            worker->last = &worker->first;
        free(over);
    }
    if (!sequence || worker->state == WORKER_GONE)
        return;
    BUFFER_CLEAN struct buffer frame = {0};
    size_t mark = frame_begin(&frame, FRAME_ACK);
    put_u64(&frame, sequence);
    frame_end(&frame, mark);
    send_frames(worker, &frame);
}

static void on_settled(struct store_work *work, const struct error *failed)
{
    struct settle_work *settle = (struct settle_work *)work;
    struct runner_worker *worker = settle->worker;
    struct runner *runner = worker->runner;
    if (!failed) {
        worker->outstanding -=
            settle->left < worker->outstanding ? settle->left : worker->outstanding;
        if (settle->outcomes)
            worker->ended_since += settle->left;
        if (settle->frame)
            settle->frame->works--;
        acknowledge(worker);
    }
    worker->pending--;
    settle->run->pending--;
    run_check_end(runner, settle->run);
    run_release(runner, settle->run);
    worker_free_if_gone(worker);
    dispatch_soon(runner);
    buffer_free(&settle->payload);
    free(settle);
}

static bool submit_settle(struct runner_worker *worker, int64_t run_number, bool outcomes,
                          const struct frame_reader *payload, struct unacknowledged *frame)
{
    struct run *run = run_find(worker->runner, run_number);
    if (!run || !run->journal || run->closing)
        return false; /* nothing of it is claimed any more */
    struct settle_work *settle = memory_new(sizeof *settle);
    *settle = (struct settle_work){
        .work = {.database = &run->journal->database,
                 .apply = apply_settle,
                 .done = on_settled,
                 .keep = true},
        .worker = worker,
        .run = run,
        .outcomes = outcomes,
        .frame = frame,
    };
    buffer_append(&settle->payload, payload->data + payload->position,
                  payload->size - payload->position);
    worker->pending++;
    run->pending++;
    if (frame)
        frame->works++;
    store_submit(worker->runner->is.store, &settle->work);
    return true;
}

/* The runs that a frame of outcomes names, each once, in `runs`; and its highest sequence. -1:
 * broken. */
static int read_runs(struct frame_reader items, int64_t *runs, size_t limit, uint64_t *sequence)
{
    uint32_t count = get_count(&items, 28);
    size_t found = 0, length;
    for (uint32_t i = 0; i < count; i++) {
        *sequence = get_u64(&items);
        int64_t run = JOURNAL_RUN_OF(get_u64(&items));
        get_u64(&items);
        get_bytes(&items, &length);
        size_t k = 0;
        while (k < found && runs[k] != run)
            k++;
        if (k < found)
            continue;
        if (found == limit)
            return -1;
        runs[found++] = run;
    }
    return items.bad ? -1 : (int)found;
}

#define RUNS_AT_ONCE 256

static bool on_outcomes(struct runner_worker *worker, struct frame_reader payload)
{
    int64_t runs[RUNS_AT_ONCE];
    uint64_t sequence = 0;
    int count = read_runs(payload, runs, RUNS_AT_ONCE, &sequence);
    if (count < 0)
        return false;
    struct unacknowledged *frame = memory_new(sizeof *frame);
    frame->sequence = sequence;
    *worker->last = frame;
    worker->last = &frame->next;
    for (int i = 0; i < count; i++)
        submit_settle(worker, runs[i], true, &payload, frame);
    acknowledge(worker); /* if none of its runs is open any more */
    return true;
}

static bool on_returned(struct runner_worker *worker, struct frame_reader payload)
{
    struct frame_reader look = payload;
    int64_t run = JOURNAL_RUN_OF(get_u64(&look));
    if (look.bad)
        return false;
    submit_settle(worker, run, false, &payload, NULL);
    return true;
}

static bool on_job_ready(struct runner_worker *worker, struct frame_reader payload)
{
    struct job *job = job_numbered(worker, get_u32(&payload));
    if (job && job->state == JOB_OPENING)
        job->state = JOB_OPEN;
    dispatch_soon(worker->runner);
    return !payload.bad;
}

static bool on_job_failed(struct runner_worker *worker, struct frame_reader payload)
{
    struct job *job = job_numbered(worker, get_u32(&payload));
    FREE_CLEAN char *why = get_text(&payload);
    struct run *run = job ? run_find(worker->runner, job->run) : NULL;
    if (job)
        job->state = JOB_FAILED;
    if (run && run->row.state == RUN_RUNNING) {
        FREE_CLEAN char *reason = memory_format("action »%s«: %s", worker->row.action, why);
        run_pause(worker->runner, run, reason);
    }
    return !payload.bad;
}

/* ---- instances and their logs' bounds ---- */

struct instance_work {
    struct store_work work;
    struct runner_worker *worker;
    struct instance_row row;
    bool first;
};

static int apply_instance(struct store_work *work, struct error *error)
{
    struct instance_work *instance = (struct instance_work *)work;
    return state_put_instance(instance->worker->runner->is.state, &instance->row, error);
}

static void send_grant(struct runner_worker *worker, const struct instance_row *row)
{
    BUFFER_CLEAN struct buffer frame = {0};
    size_t mark = frame_begin(&frame, FRAME_LOG_GRANT);
    put_u32(&frame, row->low);
    put_u32(&frame, row->high);
    frame_end(&frame, mark);
    send_frames(worker, &frame);
}

static void on_instance(struct store_work *work, const struct error *failed)
{
    struct instance_work *instance = (struct instance_work *)work;
    struct runner_worker *worker = instance->worker;
    worker->pending--;
    if (!failed) {
        worker->row.low = instance->row.low;
        worker->row.high = instance->row.high;
    }
    if (!failed && worker->state != WORKER_GONE) {
        if (worker->state == WORKER_STARTING)
            worker->state = WORKER_STANDBY;
        if (!instance->first)
            send_grant(worker, &instance->row);
        else if (worker->accepted)
            worker->accepted(worker->runner->is.context, worker->context);
    }
    worker_free_if_gone(worker);
    free(instance);
}

static void put_instance(struct runner_worker *worker, const struct instance_row *row, bool first)
{
    struct instance_work *instance = memory_new(sizeof *instance);
    *instance = (struct instance_work){
        .work = {.database = &worker->runner->is.state->database,
                 .apply = apply_instance,
                 .done = on_instance,
                 .keep = true},
        .worker = worker,
        .row = *row,
        .first = first,
    };
    worker->pending++;
    store_submit(worker->runner->is.store, &instance->work);
}

static bool on_log_want(struct runner_worker *worker, struct frame_reader payload)
{
    struct instance_row row = worker->row;
    row.low = get_u32(&payload);
    row.high = get_u32(&payload);
    if (payload.bad || row.low < worker->row.low || row.high < row.low)
        return false;
    put_instance(worker, &row, false);
    return true;
}

bool runner_frame(struct runner_worker *worker, enum frame_type type, struct frame_reader payload)
{
    switch (type) {
    case FRAME_OUTCOMES:
        return on_outcomes(worker, payload);
    case FRAME_RETURNED:
        return on_returned(worker, payload);
    case FRAME_JOB_READY:
        return on_job_ready(worker, payload);
    case FRAME_JOB_FAILED:
        return on_job_failed(worker, payload);
    case FRAME_LOG_WANT:
        return on_log_want(worker, payload);
    case FRAME_STOPPING:
        runner_worker_retire(worker);
        return true;
    default:
        return false;
    }
}

/* ---- workers come and go ---- */

struct runner_worker *runner_worker_new(struct runner *runner, const struct instance_row *row,
                                        void *context)
{
    struct runner_worker *worker = memory_new(sizeof *worker);
    worker->runner = runner;
    worker->row = *row;
    worker->context = context;
    worker->state = WORKER_STARTING;
    worker->window = WINDOW_LEAST;
    worker->last = &worker->first;
    worker->next = runner->workers;
    runner->workers = worker;
    return worker;
}

void runner_worker_ready(struct runner_worker *worker, const struct instance_row *row,
                         void (*accepted)(void *context, void *worker))
{
    worker->row = *row;
    worker->accepted = accepted;
    worker->since_us = clock_monotonic_us();
    put_instance(worker, row, true);
}

void runner_worker_serve(struct runner_worker *worker)
{
    if (worker->state == WORKER_STANDBY)
        worker->state = WORKER_READY;
    dispatch_soon(worker->runner);
}

void runner_worker_retire(struct runner_worker *worker)
{
    worker->state = WORKER_RETIRED;
}

void worker_free_if_gone(struct runner_worker *worker)
{
    if (worker->state != WORKER_GONE || worker->pending)
        return;
    struct runner_worker **place = &worker->runner->workers;
    while (*place != worker)
        place = &(*place)->next;
    *place = worker->next;
    /* What it reported is applied, in order; now what only its log knows. */
    if (worker->row.identity.pid)
        recovery_begin(worker->runner, &worker->row);
    for (struct unacknowledged *frame = worker->first, *next; frame; frame = next) {
        next = frame->next;
        free(frame);
    }
    free(worker->jobs);
    free(worker);
}

void runner_worker_gone(struct runner_worker *worker)
{
    worker->state = WORKER_GONE;
    worker_free_if_gone(worker);
}
