#include "host/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static void write_begin(struct engine *engine, struct task *task);

static bool has_begun(const struct task *task)
{
    return task->log.begun_in != 0;
}

/* ---- the end of a task ---- */

/* The plugin is through with it: its handle dies, and another task may take its place. */
static void leave_plugin(struct engine *engine, struct task *task)
{
    task_retire(task);
    engine->active--;
    task->job->running = false;
}

static void release(struct engine *engine, struct task *task)
{
    task->claim->out--;
    task->job->out--;
    batches_release(&engine->batches, task->batch);
    tasks_release(&engine->tasks, task);
}

/* Append the outcome to the frame that is being made; returns where its encoding begins. */
static size_t put_outcome(struct engine *engine, const struct task *task,
                          const struct outcome *outcome)
{
    struct buffer *out = &engine->outcomes;
    if (engine->outcome_count == 0) {
        engine->outcomes_mark = frame_begin(out, FRAME_OUTCOMES);
        put_u32(out, 0);
    }
    put_u64(out, 0);
    put_u64(out, task->log.claim);
    put_u64(out, task->log.ordinal);
    put_u32(out, 0);
    size_t start = out->size;
    outcome_put(out, outcome);
    return start;
}

static void patch(struct buffer *buffer, size_t position, const void *value, size_t size)
{
    memcpy(buffer->data + position, value, size);
}

/* Write end, and put the outcome on its way to the core; the task is over. */
static void end(struct engine *engine, struct task *task, const struct outcome *outcome)
{
    struct buffer *out = &engine->outcomes;
    struct error error;
    uint64_t sequence;
    size_t start = put_outcome(engine, task, outcome);
    uint32_t size = (uint32_t)(out->size - start);
    if (tasklog_end(engine->log, &task->log, out->data + start, size, &sequence, &error) != 0 &&
        !engine->end_unlogged) {
        engine->end_unlogged = true;
        log_warning("%s: it goes to the core alone; a crash before its commit would leave it in "
                    "doubt (said once)",
                    error.message);
    }
    uint64_t wire_sequence = htole64(sequence);
    uint32_t wire_size = htole32(size);
    patch(out, start - 4, &wire_size, sizeof wire_size);
    patch(out, start - 28, &wire_sequence, sizeof wire_sequence);
    engine->outcome_count++;
    engine->log_writes++;
    if (engine->channel.lost) {
        buffer_clear(out);
        engine->outcome_count = 0;
    }
    release(engine, task);
}

/* Not done: back to the core; or, where a begin stands in the log that could not be made durable,
 * an end that says so. */
static void give_back(struct engine *engine, struct task *task, const char *why)
{
    if (has_begun(task)) {
        struct outcome outcome;
        engine_copy_outcome(&outcome, &(struct campaignd_outcome){.size = sizeof outcome,
                                                                  .status = CAMPAIGND_DEFERRED,
                                                                  .text = why});
        end(engine, task, &outcome);
        return;
    }
    claim_return(task->claim, task->log.ordinal, task->log.ordinal);
    release(engine, task);
}

static void leave_and_give_back(struct engine *engine, struct task *task, const char *why)
{
    leave_plugin(engine, task);
    give_back(engine, task, why);
}

/* What must not reach the core: no outcome, one that is none, a delivery without begin. */
static void correct_outcome(struct engine *engine, const struct task *task, struct outcome *outcome)
{
    bool none = outcome->status < OUTCOME_DELIVERED || outcome->status > OUTCOME_UNKNOWN;
    if (none) {
        outcome->status = has_begun(task) ? OUTCOME_UNKNOWN : OUTCOME_REJECTED;
        text_copy(outcome->text, sizeof outcome->text, "the plugin gave no outcome");
    }
    if (outcome->status == OUTCOME_DELIVERED && !has_begun(task) &&
        !plugin_has(&engine->plugin, CAMPAIGND_REPEATABLE)) {
        char who[100];
        tasks_describe(&engine->tasks, task_handle(task), who, sizeof who);
        log_error("%s: the plugin says that it delivered without begin(): a defect of plugin %s",
                  who, engine->plugin.action.name);
    }
}

/* Does the outcome name documents that are not durable yet? A deferred task makes new ones. */
static bool must_settle(const struct task *task, const struct outcome *outcome)
{
    return task->data && task->data->unsynced && outcome->status != OUTCOME_DEFERRED;
}

static void add_documents(struct task *task, struct outcome *outcome)
{
    if (!task->data || outcome->status == OUTCOME_DEFERRED)
        return;
    outcome->documents = task->data->documents;
    outcome->document_count = task->data->document_count;
}

/* The plugin's outcome is here, in whatever state the task is. */
static void conclude(struct engine *engine, struct task *task, const struct outcome *said)
{
    struct task_data *data = task->data;
    if (data && data->disk_failed) {
        struct job *job = task->job;
        char why[sizeof data->failure];
        text_copy(why, sizeof why, data->failure);
        leave_and_give_back(engine, task, why);
        engine_fail_job(engine, job, why);
        return;
    }
    struct outcome outcome = *said;
    correct_outcome(engine, task, &outcome);
    leave_plugin(engine, task);
    if (task->state == TASK_BEGINNING || must_settle(task, &outcome)) {
        task_data(task)->held = outcome;
        if (task->state != TASK_BEGINNING) /* else it is in a list already */
            task_list_add(&engine->pending, task);
        task_move(task, TASK_SETTLING);
        return;
    }
    add_documents(task, &outcome);
    end(engine, task, &outcome);
}

static void list_remove(struct task_list *list, struct task *task)
{
    struct task_list kept = {0};
    for (struct task *each; (each = task_list_take(list));)
        if (each != task)
            task_list_add(&kept, each);
    *list = kept;
}

void engine_copy_outcome(struct outcome *target, const struct campaignd_outcome *source)
{
    target->status = source->status;
    target->code = source->code;
    target->time_us = clock_now_us();
    target->not_before_us = source->not_before_us;
    target->document_count = 0;
    target->documents = NULL;
    target->remote_id[0] = target->text[0] = 0;
    if (source->remote_id)
        text_copy(target->remote_id, sizeof target->remote_id, source->remote_id);
    if (source->text)
        text_copy(target->text, sizeof target->text, source->text);
}

static void complain(struct engine *engine, campaignd_task handle, const char *what)
{
    char who[100];
    tasks_describe(&engine->tasks, handle, who, sizeof who);
    log_error("%s: plugin %s called %s", who, engine->plugin.action.name, what);
}

void engine_done(struct engine *engine, campaignd_task handle, const struct outcome *outcome)
{
    struct task *task = tasks_find(&engine->tasks, handle);
    switch (task ? task->state : TASK_FREE) {
    case TASK_OFFERED:
    case TASK_DELIVERING:
    case TASK_BEGINNING:
        conclude(engine, task, outcome);
        break;
    case TASK_WAITING_LOG:
        list_remove(&engine->waiting_log, task);
        conclude(engine, task, outcome);
        break;
    case TASK_TAKEN_BACK:
        leave_and_give_back(engine, task, "the begin could not be made durable");
        break;
    default:
        complain(engine, handle, "done() for what is no task of its own, or not any more");
    }
}

/* ---- the way there ---- */

static struct task *task_of(struct work *work)
{
    return (struct task *)((char *)work - offsetof(struct task, work));
}

static void on_sent(struct work *work)
{
    struct task *task = task_of(work);
    engine_done(task->job->engine, task_handle(task), &task->data->held);
}

/* [pool] */
static void run_send(struct work *work)
{
    struct task *task = task_of(work);
    struct engine *engine = task->job->engine;
    engine->plugin.action.send(task->job->opened, task_handle(task), &task->outcome);
    engine_copy_outcome(&task_data(task)->held, &task->outcome);
}

static void clear_outcome(struct task *task)
{
    task->outcome = (struct campaignd_outcome){.size = sizeof task->outcome};
}

static void call_plugin(struct engine *engine, struct task *task)
{
    if (engine->plugin.action.deliver) {
        engine->plugin.action.deliver(task->job->opened, task_handle(task));
        return;
    }
    clear_outcome(task);
    task->work.run = run_send;
    task->work.after = on_sent;
    pool_submit(engine->pool, &task->work);
}

static void begin_or_deliver(struct engine *engine, struct task *task)
{
    if (plugin_has(&engine->plugin, CAMPAIGND_REPEATABLE)) {
        task_move(task, TASK_DELIVERING);
        call_plugin(engine, task);
    } else if (plugin_has(&engine->plugin, CAMPAIGND_CALLS_BEGIN)) {
        task_move(task, TASK_OFFERED);
        call_plugin(engine, task);
    } else {
        write_begin(engine, task);
    }
}

static void on_prepared(struct engine *engine, struct task *task, const struct outcome *refused)
{
    struct task_data *data = task->data;
    if (task->state == TASK_TAKEN_BACK)
        leave_and_give_back(engine, task, NULL);
    else if (refused || (data && data->disk_failed))
        conclude(engine, task, refused);
    else
        begin_or_deliver(engine, task);
}

static void on_prepared_by_thread(struct work *work)
{
    struct task *task = task_of(work);
    on_prepared(task->job->engine, task, task->refused ? &task->data->held : NULL);
}

/* [pool] */
static void run_prepare(struct work *work)
{
    struct task *task = task_of(work);
    struct engine *engine = task->job->engine;
    task->refused =
        engine->plugin.action.prepare(task->job->opened, task_handle(task), &task->outcome);
    if (task->refused)
        engine_copy_outcome(&task_data(task)->held, &task->outcome);
}

static void prepare_here(struct engine *engine, struct task *task)
{
    struct outcome outcome;
    int32_t refused =
        engine->plugin.action.prepare(task->job->opened, task_handle(task), &task->outcome);
    if (refused)
        engine_copy_outcome(&outcome, &task->outcome);
    on_prepared(engine, task, refused ? &outcome : NULL);
}

void flow_start(struct engine *engine, struct task *task)
{
    const struct campaignd_action *action = &engine->plugin.action;
    task_move(task, TASK_PREPARING);
    if (!action->prepare) {
        on_prepared(engine, task, NULL);
        return;
    }
    clear_outcome(task);
    if (action->deliver) {
        prepare_here(engine, task);
        return;
    }
    task->work.run = run_prepare;
    task->work.after = on_prepared_by_thread;
    pool_submit(engine->pool, &task->work);
}

/* ---- begin ---- */

struct later {
    struct call call;
    void (*begun)(void *context, int32_t ok);
    void *context;
    int32_t ok;
};

static void run_later(struct call *call)
{
    struct later *later = (struct later *)call;
    later->begun(later->context, later->ok);
    free(later);
}

void engine_call_later(struct engine *engine, void (*begun)(void *context, int32_t ok),
                       void *context, int32_t ok)
{
    struct later *later = memory_new(sizeof *later);
    later->call.run = run_later;
    later->begun = begun;
    later->context = context;
    later->ok = ok;
    calls_post(&engine->calls, &later->call);
}

/* The plugin's begin() is refused; its done() will give the task back. */
static void refuse_begin(struct engine *engine, struct task *task)
{
    task_move(task, TASK_TAKEN_BACK);
    if (task->begun)
        engine_call_later(engine, task->begun, task->begun_context, 0);
    task->begun = NULL;
}

/* Begin cannot be written or made durable: the step must not happen, and the job pauses. */
static void fail_begin(struct engine *engine, struct task *task, const char *why)
{
    struct job *job = task->job;
    if (plugin_has(&engine->plugin, CAMPAIGND_CALLS_BEGIN))
        refuse_begin(engine, task);
    else
        leave_and_give_back(engine, task, why);
    engine_fail_job(engine, job, why);
}

static void write_begin(struct engine *engine, struct task *task)
{
    struct error error;
    if (tasklog_begin(engine->log, &task->log, &error) == 0) {
        task_move(task, TASK_BEGINNING);
        task_list_add(&engine->pending, task);
        engine->log_writes++;
    } else if (error.code == ERROR_BUSY) {
        task_move(task, TASK_WAITING_LOG);
        task_list_add(&engine->waiting_log, task);
        engine->housekeeping = true;
    } else {
        fail_begin(engine, task, error.message);
    }
}

void flow_retry(struct engine *engine)
{
    struct error error;
    for (uint32_t tries = engine->waiting_log.count; tries > 0; tries--) {
        struct task *task = task_list_take(&engine->waiting_log);
        if (!task)
            break; /* a failure gave the others back */
        if (tasklog_begin(engine->log, &task->log, &error) == 0) {
            task_move(task, TASK_BEGINNING);
            task_list_add(&engine->pending, task);
            engine->log_writes++;
        } else if (error.code == ERROR_BUSY) {
            task_list_add(&engine->waiting_log, task);
        } else {
            fail_begin(engine, task, error.message);
        }
    }
}

void engine_begin(struct engine *engine, campaignd_task handle,
                  void (*begun)(void *context, int32_t ok), void *context)
{
    struct task *task = tasks_find(&engine->tasks, handle);
    bool calls = plugin_has(&engine->plugin, CAMPAIGND_CALLS_BEGIN);
    if (task && task->state == TASK_TAKEN_BACK && calls) {
        engine_call_later(engine, begun, context, 0);
    } else if (task && task->state == TASK_OFFERED && calls) {
        task->begun = begun;
        task->begun_context = context;
        write_begin(engine, task);
    } else {
        complain(engine, handle,
                 calls ? "begin() twice, or for what is no task of its own"
                       : "begin(), which the host does for it: CAMPAIGND_CALLS_BEGIN is not set");
        engine_call_later(engine, begun, context, 0);
    }
}

/* ---- after a round ---- */

static const struct round_filing *filing_of(const struct round *round, const struct job *job)
{
    for (uint32_t i = 0; round && i < round->filing_count; i++)
        if (round->filings[i].filing == job->filing)
            return &round->filings[i];
    return NULL;
}

/* What kept this task from being durable; NULL: nothing. */
static const char *round_fault(const struct round *round, const struct task *task)
{
    const struct round_filing *filing = filing_of(round, task->job);
    if (filing && filing->result != 0)
        return filing->error.message;
    if (round && round->sync_log && round->log_result != 0 && has_begun(task))
        return round->log_error.message;
    return NULL;
}

static void deliver_begun(struct engine *engine, struct task *task)
{
    void (*begun)(void *context, int32_t ok) = task->begun;
    task_move(task, TASK_DELIVERING);
    task->begun = NULL;
    if (begun)
        begun(task->begun_context, 1);
    else
        call_plugin(engine, task);
}

/* The plugin was done before; now its documents are durable, or cannot be. */
static void settle(struct engine *engine, struct task *task, const char *fault)
{
    struct outcome outcome = task->data->held;
    struct job *job = task->job;
    if (fault && !has_begun(task)) {
        give_back(engine, task, fault);
        engine_fail_job(engine, job, fault);
        return;
    }
    if (!fault)
        add_documents(task, &outcome);
    end(engine, task, &outcome);
    if (fault)
        engine_fail_job(engine, job, fault);
}

void flow_continue(struct engine *engine, const struct round *round)
{
    for (struct task *task; (task = task_list_take(&engine->in_round));) {
        const char *fault = round_fault(round, task);
        if (task->data && !fault)
            task->data->unsynced = false;
        if (task->state == TASK_SETTLING)
            settle(engine, task, fault);
        else if (fault)
            fail_begin(engine, task, fault);
        else
            deliver_begun(engine, task);
    }
}

/* ---- revoke ---- */

void flow_revoke(struct engine *engine, struct task *task)
{
    void (*cancel)(void *job, campaignd_task task) = engine->plugin.action.cancel;
    switch (task->state) {
    case TASK_WAITING_LOG:
        list_remove(&engine->waiting_log, task);
        if (!task->begun) {
            leave_and_give_back(engine, task, NULL);
            return;
        }
        refuse_begin(engine, task);
        break;
    case TASK_OFFERED:
        task_move(task, TASK_TAKEN_BACK);
        break;
    case TASK_PREPARING: /* on a thread: given back when it returns */
        task_move(task, TASK_TAKEN_BACK);
        return;
    default:
        return;
    }
    if (cancel)
        cancel(task->job->opened, task_handle(task));
}
