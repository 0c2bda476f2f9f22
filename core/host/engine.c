#include "host/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "host/flow.h"

#define START_AT_ONCE 4096u /* tasks a turn of the loop, so that the core's frames get read */
#define PREPARE_AT_ONCE                                                                            \
    2u /* if each is prepared here, which may take long: sockets must not wait */
#define START_OF_ONE_JOB 64u /* then another job's turn */
#define SETTLING_ROOM 1024u  /* slots beyond the concurrency, for those that settle */
#define SLOTS_FOR_PREVIEWS 8u
#define CONCURRENCY_MAX 65536u
#define THREADS_BESIDE 16u /* for the host function thread(), beside send() */
#define THREADS_MAX 256u
#define HOUSEKEEPING_WRITES 1000u    /* records after which the log looks at its segments */
#define OUTCOMES_AT_ONCE (64u << 10) /* bytes after which they are sent within a turn */

/* ---- opening and closing jobs ---- */

struct job_context engine_job_context(struct engine *engine)
{
    return (struct job_context){.plugin = &engine->plugin,
                                .loaded = engine->loaded,
                                .layout = engine->layout,
                                .instance = engine->instance,
                                .filings = &engine->filings};
}

static struct job *find_job(struct engine *engine, uint32_t id)
{
    struct job *job = engine->jobs;
    while (job && (job->id != id || job->closing))
        job = job->next;
    return job;
}

static void say_job_failed(struct engine *engine, uint32_t id, const char *message)
{
    struct buffer *out = &engine->channel.out;
    size_t mark = frame_begin(out, FRAME_JOB_FAILED);
    put_u32(out, id);
    put_text(out, message);
    frame_end(out, mark);
}

void engine_open_job(struct engine *engine, uint32_t id, const json_t *json)
{
    struct error error;
    struct job_context context = engine_job_context(engine);
    struct job *job = NULL;
    if (engine->phase != ENGINE_RUNNING)
        return; /* FRAME_STOPPING is on its way; a failure would pause the run */
    if (find_job(engine, id))
        error_set(&error, ERROR_CONFLICT, "job %u is open already", id);
    else
        job = job_open(&context, json, false, &error);
    if (!job) {
        say_job_failed(engine, id, error.message);
        return;
    }
    job->id = id;
    job->engine = engine;
    job->next = engine->jobs;
    engine->jobs = job;
    size_t mark = frame_begin(&engine->channel.out, FRAME_JOB_READY);
    put_u32(&engine->channel.out, id);
    frame_end(&engine->channel.out, mark);
}

void engine_close_job(struct engine *engine, uint32_t id)
{
    struct job *job = find_job(engine, id);
    if (job)
        job->closing = true;
}

static bool in_round(const struct engine *engine, const struct job *job)
{
    const struct round *round = syncer_round(engine->syncer);
    if (!engine->round_runs)
        return false;
    for (uint32_t i = 0; i < round->filing_count; i++)
        if (round->filings[i].filing == job->filing)
            return true;
    return false;
}

static void close_finished_jobs(struct engine *engine)
{
    for (struct job **place = &engine->jobs; *place;) {
        struct job *job = *place;
        if (!job->closing || job->out || job->claims || in_round(engine, job)) {
            place = &job->next;
            continue;
        }
        *place = job->next;
        if (engine->turn == job)
            engine->turn = NULL;
        struct job_context context = engine_job_context(engine);
        job_close(job, &context, &engine->batches);
    }
}

/* ---- claims ---- */

static void add_claim(struct job *job, struct claim *claim)
{
    claim->job = job;
    claim->next = NULL;
    *job->last_claim = claim;
    job->last_claim = &claim->next;
}

void engine_claim(struct engine *engine, struct frame_reader *payload)
{
    uint32_t id = get_u32(payload);
    struct claim *claim = claim_read(payload);
    struct job *job = find_job(engine, id);
    if (!claim) {
        log_error("a defect: the core sent a claim that is none");
        return;
    }
    if (job && !job->failed && engine->phase == ENGINE_RUNNING) {
        add_claim(job, claim);
        return;
    }
    claim_return_rest(claim);
    claim_put_returned(claim, &engine->channel.out);
    claim_free(claim);
}

static void revoke_claim(struct engine *engine, struct claim *claim)
{
    claim_return_rest(claim);
    for (uint32_t i = 0; claim->out && i < engine->tasks.capacity; i++)
        if (engine->tasks.slots[i].claim == claim)
            flow_revoke(engine, &engine->tasks.slots[i]);
}

static void revoke_job(struct engine *engine, struct job *job)
{
    for (struct claim *claim = job->claims; claim; claim = claim->next)
        revoke_claim(engine, claim);
}

void engine_revoke(struct engine *engine, uint64_t id)
{
    for (struct job *job = engine->jobs; job; job = job->next)
        for (struct claim *claim = job->claims; claim; claim = claim->next)
            if (claim->id == id) {
                revoke_claim(engine, claim);
                return;
            }
}

void engine_fail_job(struct engine *engine, struct job *job, const char *message)
{
    if (job->failed)
        return;
    job->failed = true;
    log_error("run %u, step %u: %s", job->run, job->step, message);
    say_job_failed(engine, job->id, message);
    revoke_job(engine, job);
}

/* Send what was given back; forget claims of which nothing is left. */
static void sweep_claims(struct engine *engine, struct job *job)
{
    job->last_claim = &job->claims;
    while (*job->last_claim) {
        struct claim *claim = *job->last_claim;
        if (claim->returned_count)
            claim_put_returned(claim, &engine->channel.out);
        if (claim->out || claim_waits(claim)) {
            job->last_claim = &claim->next;
        } else {
            *job->last_claim = claim->next;
            claim_free(claim);
        }
    }
}

/* ---- starting tasks ---- */

static bool next_of_job(struct job *job, struct claim **claim, uint64_t *ordinal, uint32_t *attempt)
{
    for (*claim = job->claims; *claim; *claim = (*claim)->next)
        if (claim_next(*claim, ordinal, attempt))
            return true;
    return false;
}

static struct batch *batch_for(struct engine *engine, struct job *job, uint64_t ordinal)
{
    struct batch *batch = job->batch;
    if (!batch || ordinal < batch->first || ordinal >= batch->first + BATCH_ROWS) {
        batches_release(&engine->batches, batch);
        batch = job->batch = batches_take(&engine->batches, job->rows, ordinal);
    }
    batch->uses++;
    return batch;
}

static bool start_one(struct engine *engine, struct job *job)
{
    struct claim *claim;
    uint64_t ordinal;
    uint32_t attempt;
    if (job->failed || job->running || engine->active >= engine->concurrency ||
        engine->tasks.free.count <= SLOTS_FOR_PREVIEWS || engine->waiting_log.count ||
        !next_of_job(job, &claim, &ordinal, &attempt))
        return false;
    struct task *task = tasks_take(&engine->tasks, TASK_LOADED);
    task->job = job;
    task->claim = claim;
    task->log = (struct tasklog_task){
        .claim = claim->id,
        .ordinal = ordinal,
        .run = job->run,
        .step = (uint16_t)job->step,
        .attempt = (uint16_t)(attempt < UINT16_MAX ? attempt : UINT16_MAX),
    };
    task->batch = batch_for(engine, job, ordinal);
    claim->out++;
    job->out++;
    engine->active++;
    job->running =
        engine->plugin.action.send && !plugin_has(&engine->plugin, CAMPAIGND_THREAD_SAFE);
    flow_start(engine, task);
    return true;
}

/* Jobs take turns. Returns how many tasks were started, at most `limit`. */
static uint32_t start_tasks(struct engine *engine, uint32_t limit)
{
    uint32_t started = 0, idle = 0, jobs = 0;
    for (struct job *job = engine->jobs; job; job = job->next)
        jobs++;
    while (idle < jobs && started < limit && engine->phase == ENGINE_RUNNING) {
        struct job *job = engine->turn ? engine->turn : engine->jobs;
        uint32_t of_job = 0;
        while (of_job < START_OF_ONE_JOB && started + of_job < limit && start_one(engine, job))
            of_job++;
        started += of_job;
        idle = of_job ? 0 : idle + 1;
        engine->turn = job->next;
    }
    return started;
}

/* ---- rounds of syncing ---- */

static void ask_for_segments(struct engine *engine, const struct round *round)
{
    struct buffer *out = &engine->channel.out;
    size_t mark = frame_begin(out, FRAME_LOG_WANT);
    put_u32(out, round->want_low);
    put_u32(out, round->want_high);
    frame_end(out, mark);
}

static void fail_filings(struct engine *engine, const struct round *round)
{
    for (uint32_t i = 0; i < round->filing_count; i++)
        for (struct job *job = engine->jobs; job && round->filings[i].result; job = job->next)
            if (job->filing == round->filings[i].filing)
                engine_fail_job(engine, job, round->filings[i].error.message);
}

static void on_round(void *context)
{
    struct engine *engine = context;
    struct round *round = syncer_round(engine->syncer);
    engine->round_runs = false;
    flow_continue(engine, round);
    fail_filings(engine, round);
    if (round->wants)
        ask_for_segments(engine, round);
    if (round->granted)
        flow_retry(engine);
}

static void fill_round(struct engine *engine, struct round *round)
{
    round->filing_count = 0;
    for (struct filing *each = engine->filings.first; each; each = filing_next(each))
        if (filing_dirty(each) && engine->pending.count)
            round_add(round, each);
    round->sync_log = engine->durable_begin && engine->pending.count;
    round->granted = engine->granted;
    round->grant_low = engine->grant_low;
    round->grant_high = engine->grant_high;
    engine->granted = false;
}

static bool needs_thread(const struct engine *engine, const struct round *round)
{
    return round->filing_count || round->sync_log || round->granted || engine->housekeeping ||
           engine->log_writes >= HOUSEKEEPING_WRITES;
}

/* Start a round if there is something for it. True if tasks went on at once: nothing needed a
 * sync. */
static bool start_round(struct engine *engine)
{
    struct round *round = syncer_round(engine->syncer);
    if (engine->round_runs)
        return false;
    fill_round(engine, round);
    engine->in_round = engine->pending;
    engine->pending = (struct task_list){0};
    if (!needs_thread(engine, round)) {
        bool some = engine->in_round.count > 0;
        flow_continue(engine, NULL);
        return some;
    }
    engine->housekeeping = false;
    engine->log_writes = 0;
    engine->round_runs = true;
    syncer_start(engine->syncer);
    return false;
}

void engine_acknowledge(struct engine *engine, uint64_t sequence)
{
    tasklog_acknowledge(engine->log, sequence);
    engine->housekeeping = true; /* segments may have become free */
}

void engine_grant(struct engine *engine, uint32_t low, uint32_t high)
{
    engine->granted = true;
    engine->grant_low = low;
    engine->grant_high = high;
}

/* ---- the pump ---- */

static void flush_outcomes(struct engine *engine)
{
    struct buffer *outcomes = &engine->outcomes;
    if (engine->outcome_count && !engine->channel.lost) {
        uint32_t count = htole32(engine->outcome_count);
        memcpy(outcomes->data + engine->outcomes_mark + FRAME_HEAD, &count, sizeof count);
        frame_end(outcomes, engine->outcomes_mark);
        buffer_append(&engine->channel.out, outcomes->data, outcomes->size);
    }
    engine->outcome_count = 0;
    buffer_clear(outcomes);
}

static void flush(struct engine *engine)
{
    flush_outcomes(engine);
    for (struct job *job = engine->jobs; job; job = job->next)
        sweep_claims(engine, job);
    channel_flush(&engine->channel);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the loop from sleeping */
}

static void end_loop(struct engine *engine)
{
    engine->phase = ENGINE_STOPPED;
    uv_stop(&engine->loop);
}

void engine_pump(struct engine *engine)
{
    const struct campaignd_action *action = &engine->plugin.action;
    uint32_t left = action->prepare && action->deliver ? PREPARE_AT_ONCE : START_AT_ONCE;
    bool went_on = true;
    while (went_on && left) {
        uint32_t started = start_tasks(engine, left);
        left -= started;
        went_on = start_round(engine) || (started && engine->active < engine->concurrency);
        if (engine->outcomes.size > OUTCOMES_AT_ONCE)
            flush(engine);
    }
    flush(engine);
    close_finished_jobs(engine);
    if (left == 0)
        uv_idle_start(&engine->idle, on_idle);
    else
        uv_idle_stop(&engine->idle);
    if (engine->phase == ENGINE_STOPPING && engine->tasks.used == 0 && !engine->round_runs)
        end_loop(engine);
}

static void on_prepare(uv_prepare_t *prepare)
{
    engine_pump(prepare->data);
}

/* ---- start and stop ---- */

void engine_start(struct engine *engine)
{
    bool simple = engine->plugin.action.send != NULL;
    if (engine->concurrency == 0)
        engine->concurrency = simple ? 1 : 64;
    if (engine->concurrency > CONCURRENCY_MAX)
        engine->concurrency = CONCURRENCY_MAX;
    tasks_open(&engine->tasks, engine->concurrency + SETTLING_ROOM + SLOTS_FOR_PREVIEWS);
    uint32_t threads = (simple ? engine->concurrency : 0) + THREADS_BESIDE;
    engine->pool = pool_open(&engine->calls, threads < THREADS_MAX ? threads : THREADS_MAX);
    engine->syncer = syncer_open(engine->log, &engine->calls, on_round, engine);
    uv_prepare_init(&engine->loop, &engine->prepare);
    uv_idle_init(&engine->loop, &engine->idle);
    engine->prepare.data = engine;
    uv_prepare_start(&engine->prepare, on_prepare);
}

static void on_stop_time(uv_timer_t *timer)
{
    struct engine *engine = timer->data;
    log_error("%u deliveries had not ended when the time to stop was over; they are in doubt",
              engine->tasks.used);
    end_loop(engine);
}

void engine_stop(struct engine *engine)
{
    if (engine->phase != ENGINE_RUNNING)
        return;
    engine->phase = ENGINE_STOPPING;
    frame_end(&engine->channel.out, frame_begin(&engine->channel.out, FRAME_STOPPING));
    for (struct job *job = engine->jobs; job; job = job->next)
        revoke_job(engine, job);
    engine->stop_timer.data = engine;
    uv_timer_start(&engine->stop_timer, on_stop_time, (uint64_t)(engine->stop_timeout_us / 1000),
                   0);
}

void engine_end(struct engine *engine)
{
    struct error error;
    syncer_close(engine->syncer);
    pool_close(engine->pool);
    engine->pool = NULL;
    calls_close(&engine->calls);
    for (struct job *job = engine->jobs; job; job = job->next)
        job->closing = true;
    engine->round_runs = false;
    flush(engine);
    close_finished_jobs(engine);
    if (tasklog_sync(engine->log, &error) != 0)
        log_error("%s", error.message);
    tasks_close(&engine->tasks);
    batches_close(&engine->batches);
    buffer_free(&engine->outcomes);
    uv_close((uv_handle_t *)&engine->prepare, NULL);
    uv_close((uv_handle_t *)&engine->idle, NULL);
}
