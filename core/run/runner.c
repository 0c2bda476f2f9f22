/* Runs and their states; how each changes is here, how tasks are dealt out in dispatch.c, what
 * deaths leave behind in recovery.c. */
#include "run/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "run/internal.h"
#include "run/salvage.h"
#include "source/child.h"
#include "source/rows.h"
#include "store/sql.h"
#include "store/suppression.h"

#define TICK_MS 250
#define DUE_MOST_US 1000000 /* deferred tasks are looked at so often at least */

/* ---- paths ---- */

char *runner_rows_path(const char *state_dir, int64_t run)
{
    return memory_format("%s/runs/%lld.0.rows.db", state_dir, (long long)run);
}

char *runner_journal_path(const char *state_dir, int64_t run)
{
    return memory_format("%s/runs/%lld.db", state_dir, (long long)run);
}

char *runner_archive_path(const char *state_dir, int64_t run)
{
    return memory_format("%s/archive/%lld", state_dir, (long long)run);
}

char *runner_log_prefix(const char *state_dir, const char *instance)
{
    return memory_format("%s/log/%s", state_dir, instance);
}

/* ---- finding ---- */

struct run *run_find(struct runner *runner, int64_t number)
{
    struct run *run = runner->runs;
    while (run && run->row.number != number)
        run = run->next;
    return run;
}

size_t run_step_index(const struct run *run, int number)
{
    size_t i = 0;
    while (i < run->step_count && run->steps[i].number != number)
        i++;
    return i;
}

const struct runner_action *runner_find_action(const struct runner *runner, const char *name)
{
    for (size_t i = 0; i < runner->action_count; i++)
        if (strcmp(runner->actions[i].name, name) == 0)
            return &runner->actions[i];
    return NULL;
}

void runner_note(struct runner *runner)
{
    if (runner->is.changed)
        runner->is.changed(runner->is.context);
}

static struct run *add_run(struct runner *runner, const struct run_row *row)
{
    struct run *run = memory_new(sizeof *run);
    run->row = *row;
    run->indexed = row->state != RUN_PREPARING;
    struct run **place = &runner->runs;
    while (*place && (*place)->row.number > row->number)
        place = &(*place)->next;
    run->next = *place;
    *place = run;
    return run;
}

/* ---- the index row ---- */

struct save_work {
    struct store_work work;
    struct runner *runner;
    struct run *run;
    struct run_row row;
};

static int apply_save(struct store_work *work, struct error *error)
{
    struct save_work *save = (struct save_work *)work;
    return state_put_run(save->runner->is.state, &save->row, error);
}

static void on_saved(struct store_work *work, const struct error *failed)
{
    struct save_work *save = (struct save_work *)work;
    if (failed)
        log_error("the state of run %lld could not be written: %s", (long long)save->row.number,
                  failed->message);
    else if (!save->run->indexed && save->row.state != RUN_PREPARING) {
        save->run->indexed = true;
        dispatch_soon(save->runner);
    }
    free(work);
}

void run_save(struct run *run, struct runner *runner)
{
    struct save_work *save = memory_new(sizeof *save);
    *save = (struct save_work){
        .work = {.database = &runner->is.state->database,
                 .apply = apply_save,
                 .done = on_saved,
                 .keep = true},
        .runner = runner,
        .run = run,
        .row = run->row,
    };
    store_submit(runner->is.store, &save->work);
    runner_note(runner);
}

/* ---- opening and closing ---- */

struct close_work {
    struct store_work work;
    struct journal *journal;
};

static int apply_close(struct store_work *work, struct error *error)
{
    (void)error;
    journal_close(((struct close_work *)work)->journal);
    return 0;
}

static void on_journal_closed(struct store_work *work, const struct error *failed)
{
    (void)failed;
    free(work);
}

void run_release(struct runner *runner, struct run *run)
{
    if (!run->closing || run->pending || !run->journal)
        return;
    struct close_work *work = memory_new(sizeof *work);
    *work = (struct close_work){.work = {.apply = apply_close, .done = on_journal_closed},
                                .journal = run->journal};
    run->journal = NULL;
    json_decref(run->definition);
    run->definition = NULL;
    recheck_close(run);
    store_submit(runner->is.store, &work->work);
}

static void close_run(struct runner *runner, struct run *run)
{
    dispatch_close_jobs(runner, run, false);
    run->closing = true;
    run_release(runner, run);
}

static void set_retries(struct runner *runner, struct run *run)
{
    for (size_t i = 0; i < run->step_count; i++) {
        const struct runner_action *action = runner_find_action(runner, run->steps[i].action);
        if (action && run->journal)
            journal_set_retry(run->journal, run->steps[i].number, action->retry_after_us,
                              action->give_up_after_us);
    }
}

void run_opened(struct runner *runner, struct run *run, struct journal *journal, json_t *definition)
{
    run->journal = journal;
    run->closing = false;
    run->step_count = journal_steps(journal, run->steps);
    json_decref(run->definition);
    run->definition = json_incref(definition);
    set_retries(runner, run);
    recheck_open(run);
    run->rate_at_us = 0;
    run->matched = journal_mark(journal);
    run->must_match = runner->suppression;
    withdraw_look(runner);
}

/* All is over, or a cancelled run holds nothing any more: write that down. */
void run_check_end(struct runner *runner, struct run *run)
{
    struct journal_counts counts[JOURNAL_STEPS];
    uint64_t claimed = 0;
    if (!run->journal || run->closing)
        return;
    journal_counts(run->journal, counts);
    for (size_t i = 0; i < run->step_count; i++)
        claimed += counts[i].claimed;
    bool over = run->row.state == RUN_CANCELLED
                    ? claimed == 0 && !run->pending
                    : run->row.state == RUN_RUNNING && journal_finished(run->journal);
    if (!over)
        return;
    if (run->row.state == RUN_RUNNING)
        run->row.state = RUN_DONE;
    run->row.reason[0] = '\0';
    run->row.ended_us = clock_now_us();
    log_notice("run %lld (%s) is %s", (long long)run->row.number, run->row.campaign,
               run_state_name(run->row.state));
    run_save(run, runner);
    close_run(runner, run);
    salvage_begin(runner, run->row.number);
}

/* ---- preparing: index row → rows file → journal → running ---- */

struct preparing {
    struct store_work work;
    struct runner *runner;
    struct run_row row;
    int existed;
    struct preparing *next; /* in the runner's `starting` */
    json_t *definition, *sources;
    char *suppression; /* the list's copy, or "" */
    int64_t suppression_revision;
    runner_started started;
    void *context;
    struct journal_step steps[JOURNAL_STEPS];
    size_t step_count;
    struct journal *journal;
    struct run *run;
};

static void free_preparing(struct preparing *preparing)
{
    json_decref(preparing->definition);
    json_decref(preparing->sources);
    free(preparing->suppression);
    free(preparing);
}

static void fail_preparing(struct preparing *preparing, const struct error *error)
{
    struct run *run = preparing->run;
    run->row.state = RUN_FAILED;
    run->row.ended_us = clock_now_us();
    text_copy(run->row.reason, sizeof run->row.reason, error->message);
    run->preparing = false;
    log_error("run %lld (%s) could not be prepared: %s", (long long)run->row.number,
              run->row.campaign, error->message);
    run_save(run, preparing->runner);
    free_preparing(preparing);
}

static int status_named(const char *name)
{
    if (name && strcmp(name, "any") == 0)
        return JOURNAL_AFTER_ANY;
    for (int status = 1; status < OUTCOME_STATUSES; status++)
        if (name && strcmp(name, outcome_name(status)) == 0)
            return status;
    return OUTCOME_DELIVERED;
}

static void read_steps(struct preparing *preparing)
{
    size_t index;
    json_t *step;
    json_array_foreach(json_object_get(preparing->definition, "steps"), index, step) {
        if (index >= JOURNAL_STEPS)
            break;
        struct journal_step *into = &preparing->steps[preparing->step_count++];
        const char *name = json_string_value(json_object_get(step, "name"));
        const char *action = json_string_value(json_object_get(step, "action"));
        into->number = (int)json_integer_value(json_object_get(step, "number"));
        into->parent = (int)json_integer_value(json_object_get(step, "after"));
        into->after = status_named(json_string_value(json_object_get(step, "after_outcome")));
        text_copy(into->name, sizeof into->name, name ? name : "");
        text_copy(into->action, sizeof into->action, action ? action : "");
        const struct runner_action *known = runner_find_action(preparing->runner, into->action);
        into->repeatable = known && known->repeatable;
    }
}

/* Where a reader writes: a folder that holds nothing else, as it sees no other of state_dir. */
static char *reading_path(const char *state_dir, int64_t run)
{
    return memory_format("%s/reading/%lld.rows.db", state_dir, (long long)run);
}

static int take_rows(const char *state_dir, int64_t run, const char *rows, struct error *error)
{
    FREE_CLEAN char *written = reading_path(state_dir, run);
    FREE_CLEAN char *folder = memory_format("%s/runs", state_dir);
    if (rename(written, rows) != 0)
        return error_errno(error, errno, "cannot move %s to %s", written, rows);
    return file_sync_folder(folder, error);
}

static int apply_journal(struct store_work *work, struct error *error)
{
    struct preparing *preparing = (struct preparing *)work;
    const char *state_dir = preparing->runner->state_dir;
    FREE_CLEAN char *path = runner_journal_path(state_dir, preparing->row.number);
    FREE_CLEAN char *rows = runner_rows_path(state_dir, preparing->row.number);
    uint32_t number = (uint32_t)preparing->row.number;
    if (take_rows(state_dir, number, rows, error) != 0 ||
        journal_create(path, rows, number, (uint64_t)preparing->row.recipients, preparing->steps,
                       preparing->step_count, error) != 0)
        return -1;
    if (!(preparing->journal = journal_open(path, number, error)))
        return -1;
    if (journal_put_mark(preparing->journal, preparing->suppression_revision, error) == 0)
        return 0;
    journal_close(preparing->journal);
    return -1;
}

static void on_journal_made(struct store_work *work, const struct error *failed)
{
    struct preparing *preparing = (struct preparing *)work;
    struct run *run = preparing->run;
    if (failed) {
        fail_preparing(preparing, failed);
        return;
    }
    run->preparing = false;
    run->row.recipients = preparing->row.recipients;
    run->row.started_us = clock_now_us();
    run_opened(preparing->runner, run, preparing->journal, preparing->definition);
    if (run->row.state == RUN_PREPARING) /* else it was cancelled meanwhile */
        run->row.state = RUN_RUNNING;
    log_notice("run %lld (%s) starts: %lld recipients", (long long)run->row.number,
               run->row.campaign, (long long)run->row.recipients);
    run_save(run, preparing->runner);
    withdraw_look(preparing->runner);
    run_check_end(preparing->runner, run);
    dispatch_soon(preparing->runner);
    free_preparing(preparing);
}

static void on_snapshot(void *context, const json_t *answer, const struct error *failed)
{
    struct preparing *preparing = context;
    if (failed) {
        fail_preparing(preparing, failed);
        return;
    }
    FREE_CLEAN char *left_out = json_dumps(json_object_get(answer, "left_out"), JSON_COMPACT);
    preparing->row.recipients = json_integer_value(json_object_get(answer, "recipients"));
    text_copy(preparing->run->row.left_out, sizeof preparing->run->row.left_out,
              left_out ? left_out : "{}");
    read_steps(preparing);
    preparing->work = (struct store_work){.apply = apply_journal, .done = on_journal_made};
    store_submit(preparing->runner->is.store, &preparing->work);
}

static void take_snapshot(struct preparing *preparing)
{
    FREE_CLEAN char *out = reading_path(preparing->runner->state_dir, preparing->row.number);
    json_t *request = reader_request("snapshot", preparing->sources, preparing->definition);
    json_object_set_new(request, "run", json_integer(preparing->row.number));
    json_object_set_new(request, "uuid", json_string(preparing->row.uuid));
    json_object_set_new(request, "out", json_string(out));
    json_object_set_new(request, "suppression", json_string(preparing->suppression));
    reader_start(preparing->runner->is.loop, request, on_snapshot, preparing);
    json_decref(request);
}

static int apply_new_run(struct store_work *work, struct error *error)
{
    struct preparing *preparing = (struct preparing *)work;
    return state_new_run(preparing->runner->is.state, &preparing->row, &preparing->existed, error);
}

static void leave_starting(struct preparing *preparing)
{
    struct preparing **at = &preparing->runner->starting;
    while (*at != preparing)
        at = &(*at)->next;
    *at = preparing->next;
}

static void on_new_run(struct store_work *work, const struct error *failed)
{
    struct preparing *preparing = (struct preparing *)work;
    struct runner *runner = preparing->runner;
    leave_starting(preparing);
    preparing->started(preparing->context, failed ? 0 : preparing->row.number, failed);
    struct run *known = failed ? NULL : run_find(runner, preparing->row.number);
    if (failed || (known && (known->preparing || known->row.state != RUN_PREPARING))) {
        free_preparing(preparing);
        return;
    }
    preparing->run = known ? known : add_run(runner, &preparing->row);
    preparing->run->preparing = true;
    runner_note(runner);
    take_snapshot(preparing);
}

static const struct run *under_way(const struct runner *runner, int64_t campaign)
{
    for (const struct run *run = runner->runs; run; run = run->next)
        if (run->row.campaign_id == campaign && run->row.state <= RUN_PAUSED)
            return run;
    return NULL;
}

/* Another start of the campaign whose run the store has not written yet? */
static bool starting(const struct runner *runner, int64_t campaign, const char *uuid)
{
    for (const struct preparing *one = runner->starting; one; one = one->next)
        if (one->row.campaign_id == campaign && strcmp(one->row.uuid, uuid) != 0)
            return true;
    return false;
}

static void copy_member(char *target, size_t size, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    text_copy(target, size, text ? text : "");
}

static void copy_purpose(struct run_row *row, const json_t *campaign)
{
    copy_member(row->purpose, sizeof row->purpose, campaign, "purpose");
    copy_member(row->purpose_reason, sizeof row->purpose_reason, campaign, "purpose_reason");
    copy_member(row->consent_reason, sizeof row->consent_reason, campaign, "consent_reason");
}

static const char *state_in_german(enum run_state state)
{
    static const char *const names[RUN_STATES] = {[RUN_PREPARING] = "wird vorbereitet",
                                                  [RUN_RUNNING] = "läuft",
                                                  [RUN_PAUSED] = "ist angehalten",
                                                  [RUN_CANCELLED] = "ist abgebrochen",
                                                  [RUN_DONE] = "ist fertig",
                                                  [RUN_FAILED] = "ist gescheitert"};
    return names[state];
}

void runner_start_run(struct runner *runner, json_t *definition, json_t *sources,
                      const char *suppression, int64_t suppression_revision, const char *uuid,
                      const char *requested_by, int64_t request, bool force, runner_started started,
                      void *context)
{
    const json_t *campaign = json_object_get(definition, "campaign");
    const char *name = json_string_value(json_object_get(campaign, "name"));
    int64_t id = json_integer_value(json_object_get(campaign, "id"));
    const struct run *other = under_way(runner, id);
    struct error error;
    if (other && !force && strcmp(other->row.uuid, uuid) != 0) {
        error_say(
            &error, ERROR_CONFLICT,
            "run %lld of this campaign is %s%.0s; wait for its end, or start with force",
            "Ausführung %lld dieser Kampagne %.0s%s; ihr Ende abwarten oder mit force starten",
            (long long)other->row.number, run_state_name(other->row.state),
            state_in_german(other->row.state));
        started(context, 0, &error);
        json_decref(definition);
        json_decref(sources);
        return;
    }
    if (!force && starting(runner, id, uuid)) {
        error_say(
            &error, ERROR_CONFLICT,
            "a run of this campaign is just being started; wait for its end, or start with "
            "force",
            "Eine Ausführung dieser Kampagne wird gerade gestartet; ihr Ende abwarten oder mit "
            "force starten");
        started(context, 0, &error);
        json_decref(definition);
        json_decref(sources);
        return;
    }
    struct preparing *preparing = memory_new(sizeof *preparing);
    preparing->next = runner->starting;
    runner->starting = preparing;
    preparing->work = (struct store_work){
        .database = &runner->is.state->database, .apply = apply_new_run, .done = on_new_run};
    preparing->runner = runner;
    preparing->definition = definition;
    preparing->sources = sources;
    preparing->suppression = memory_text(suppression);
    preparing->suppression_revision = suppression_revision;
    preparing->started = started;
    preparing->context = context;
    preparing->row.campaign_id = id;
    preparing->row.request = request;
    text_copy(preparing->row.uuid, sizeof preparing->row.uuid, uuid);
    text_copy(preparing->row.campaign, sizeof preparing->row.campaign, name ? name : "");
    text_copy(preparing->row.requested_by, sizeof preparing->row.requested_by, requested_by);
    copy_purpose(&preparing->row, campaign);
    store_submit(runner->is.store, &preparing->work);
}

bool runner_unprepared(const struct runner *runner, size_t index, struct run_row *row)
{
    for (const struct run *run = runner->runs; run; run = run->next)
        if (run->row.state == RUN_PREPARING && !run->preparing && index-- == 0) {
            *row = run->row;
            return true;
        }
    return false;
}

void runner_fail_run(struct runner *runner, int64_t number, const char *reason)
{
    struct run *run = run_find(runner, number);
    if (!run || run->row.state != RUN_PREPARING || run->preparing)
        return;
    run->row.state = RUN_FAILED;
    run->row.ended_us = clock_now_us();
    text_copy(run->row.reason, sizeof run->row.reason, reason);
    run_save(run, runner);
}

/* ---- steering ---- */

static struct run *find_or_error(struct runner *runner, int64_t number, struct error *error)
{
    struct run *run = run_find(runner, number);
    if (!run)
        error_say(error, ERROR_NOT_FOUND, "there is no run %lld",
                  "Eine Ausführung %lld gibt es nicht", (long long)number);
    return run;
}

int runner_has_begun(struct runner *runner, int64_t number, struct error *error)
{
    const struct run *run = find_or_error(runner, number, error);
    return run ? run->row.started_us != 0 : -1;
}

static int wrong_state(const struct run *run, const char *deed, const char *german,
                       struct error *error)
{
    return error_say(error, ERROR_CONFLICT, "run %lld is %s%.0s and cannot be %s%.0s",
                     "Ausführung %lld %.0s%s und kann nicht %.0s%s werden",
                     (long long)run->row.number, run_state_name(run->row.state),
                     state_in_german(run->row.state), deed, german);
}

void run_pause(struct runner *runner, struct run *run, const char *reason)
{
    run->row.state = RUN_PAUSED;
    text_copy(run->row.reason, sizeof run->row.reason, reason);
    log_notice("run %lld (%s) is paused: %s", (long long)run->row.number, run->row.campaign,
               reason);
    run_save(run, runner);
    dispatch_revoke(runner, run);
}

int runner_pause(struct runner *runner, int64_t number, const char *reason, struct error *error)
{
    struct run *run = find_or_error(runner, number, error);
    if (!run)
        return -1;
    if (run->row.state != RUN_RUNNING)
        return wrong_state(run, "paused", "angehalten", error);
    run_pause(runner, run, reason);
    return 0;
}

int runner_resume(struct runner *runner, int64_t number, struct error *error)
{
    struct run *run = find_or_error(runner, number, error);
    if (!run)
        return -1;
    if (run->row.state != RUN_PAUSED || !run->journal)
        return wrong_state(run, "resumed", "fortgesetzt", error);
    run->row.state = RUN_RUNNING;
    run->row.reason[0] = '\0';
    log_notice("run %lld (%s) goes on", (long long)run->row.number, run->row.campaign);
    dispatch_close_jobs(runner, run, true); /* one that failed is opened anew */
    run_save(run, runner);
    run_check_end(runner, run);
    dispatch_soon(runner);
    return 0;
}

int runner_cancel(struct runner *runner, int64_t number, struct error *error)
{
    struct run *run = find_or_error(runner, number, error);
    if (!run)
        return -1;
    if (run->row.state != RUN_RUNNING && run->row.state != RUN_PAUSED)
        return wrong_state(run, "cancelled", "abgebrochen", error);
    run->row.state = RUN_CANCELLED;
    run->row.reason[0] = '\0';
    log_notice("run %lld (%s) is being cancelled: what has begun ends", (long long)run->row.number,
               run->row.campaign);
    run_save(run, runner);
    dispatch_revoke(runner, run);
    run_check_end(runner, run);
    return 0;
}

/* ---- actions ---- */

void runner_set_action(struct runner *runner, const struct runner_action *action)
{
    struct runner_action *known = (struct runner_action *)runner_find_action(runner, action->name);
    if (!known) {
        runner->actions =
            memory_resize(runner->actions, (runner->action_count + 1) * sizeof *runner->actions);
        known = &runner->actions[runner->action_count++];
    }
    *known = *action;
    for (struct run *run = runner->runs; run; run = run->next)
        set_retries(runner, run);
    runner_note(runner);
}

void runner_forget_action(struct runner *runner, const char *name)
{
    for (size_t i = 0; i < runner->action_count; i++)
        if (strcmp(runner->actions[i].name, name) == 0)
            runner->actions[i] = runner->actions[--runner->action_count];
}

/* ---- for people ---- */

static json_t *step_json(const struct journal_step *step, const struct journal_counts *counts)
{
    return json_pack(
        "{s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "number", step->number, "name",
        step->name, "action", step->action, "waiting", (json_int_t)counts->waiting, "claimed",
        (json_int_t)counts->claimed, "delivered", (json_int_t)counts->ended[OUTCOME_DELIVERED],
        "rejected", (json_int_t)counts->ended[OUTCOME_REJECTED], "skipped",
        (json_int_t)counts->ended[OUTCOME_SKIPPED], "deferred", (json_int_t)counts->deferred,
        "unknown", (json_int_t)counts->ended[OUTCOME_UNKNOWN], "total", (json_int_t)counts->total);
}

json_t *runner_steps_from_file(const char *state_dir, int64_t number, struct error *error)
{
    FREE_CLEAN char *path = runner_journal_path(state_dir, number);
    SQL_CLEAN sqlite3 *db = sql_open_readonly(path, error);
    STATEMENT_CLEAN sqlite3_stmt *select =
        db ? sql_prepare(db,
                         "SELECT number, name, action, waiting, claimed, delivered, rejected, "
                         "skipped, deferred, unknown, total\n"
                         "FROM step\n"
                         "ORDER BY number",
                         error)
           : NULL;
    if (!select)
        return NULL;
    json_t *steps = json_array();
    int more;
    while ((more = sql_row(select, error)) > 0) {
        struct journal_step step = {.number = sqlite3_column_int(select, 0)};
        struct journal_counts counts = {.waiting = (uint64_t)sqlite3_column_int64(select, 3),
                                        .claimed = (uint64_t)sqlite3_column_int64(select, 4),
                                        .deferred = (uint64_t)sqlite3_column_int64(select, 8),
                                        .total = (uint64_t)sqlite3_column_int64(select, 10)};
        text_copy(step.name, sizeof step.name, sql_text(select, 1));
        text_copy(step.action, sizeof step.action, sql_text(select, 2));
        counts.ended[OUTCOME_DELIVERED] = (uint64_t)sqlite3_column_int64(select, 5);
        counts.ended[OUTCOME_REJECTED] = (uint64_t)sqlite3_column_int64(select, 6);
        counts.ended[OUTCOME_SKIPPED] = (uint64_t)sqlite3_column_int64(select, 7);
        counts.ended[OUTCOME_UNKNOWN] = (uint64_t)sqlite3_column_int64(select, 9);
        json_array_append_new(steps, step_json(&step, &counts));
    }
    if (more == 0)
        return steps;
    json_decref(steps);
    return NULL;
}

int runner_uuid_from_rows(const char *state_dir, int64_t number, char uuid[65], struct error *error)
{
    FREE_CLEAN char *path = runner_rows_path(state_dir, number);
    ROWS_CLEAN struct rows *rows = rows_open(path, error);
    if (rows)
        text_copy(uuid, 65, rows_uuid(rows));
    return rows ? 0 : -1;
}

static json_t *time_json(int64_t time_us)
{
    char text[TEXT_TIME_SIZE];
    if (!time_us)
        return json_null();
    text_time(text, time_us);
    return json_string(text);
}

/* Why nothing moves, if that is so: the run's own reason, or its action's trouble. */
static json_t *reason_json(const struct runner *runner, const struct run *run)
{
    if (*run->row.reason)
        return json_string(run->row.reason);
    if (run->match_trouble)
        return json_string(run->match_trouble);
    for (size_t i = 0; run->row.state == RUN_RUNNING && i < run->step_count; i++) {
        const struct runner_action *action = runner_find_action(runner, run->steps[i].action);
        if (!action)
            return json_sprintf("waits: no action »%s« is configured", run->steps[i].action);
        if (*action->trouble)
            return json_sprintf("waits for action »%s«: %s", run->steps[i].action, action->trouble);
    }
    json_t *reason = run->row.state == RUN_RUNNING ? recheck_reason_json(run) : NULL;
    return reason ? reason : json_null();
}

static json_t *run_json(const struct runner *runner, const struct run *run)
{
    json_t *left_out = json_loads(run->row.left_out, 0, NULL);
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:s, s:s, s:s}", "number",
        (json_int_t)run->row.number, "uuid", run->row.uuid, "campaign", run->row.campaign, "state",
        run_state_name(run->row.state), "reason", reason_json(runner, run), "requested_by",
        run->row.requested_by, "created_at", time_json(run->row.created_us), "started_at",
        time_json(run->row.started_us), "ended_at", time_json(run->row.ended_us), "recipients",
        (json_int_t)run->row.recipients, "left_out", left_out ? left_out : json_object(), "purpose",
        run->row.purpose, "purpose_reason", run->row.purpose_reason, "consent_reason",
        run->row.consent_reason);
    if (!run->journal)
        return json;
    struct journal_counts counts[JOURNAL_STEPS];
    uint64_t left = 0;
    json_t *steps = json_array();
    journal_counts(run->journal, counts);
    for (size_t i = 0; i < run->step_count; i++) {
        json_array_append_new(steps, step_json(&run->steps[i], &counts[i]));
        left += counts[i].waiting + counts[i].claimed + counts[i].deferred;
    }
    json_object_set_new(json, "steps", steps);
    json_object_set_new(json, "rate_per_s", json_real(run->rate_per_s));
    json_object_set_new(json, "eta_s",
                        run->rate_per_s > 0
                            ? json_integer((json_int_t)((double)left / run->rate_per_s + 0.5))
                            : json_null());
    return json;
}

json_t *runner_run_json(struct runner *runner, int64_t number)
{
    const struct run *run = run_find(runner, number);
    return run ? run_json(runner, run) : NULL;
}

json_t *runner_runs_json(struct runner *runner, size_t limit)
{
    json_t *list = json_array();
    for (const struct run *run = runner->runs; run && (!limit || json_array_size(list) < limit);
         run = run->next)
        json_array_append_new(list, run_json(runner, run));
    return list;
}

json_t *runner_last_run_json(const struct runner *runner, int64_t campaign)
{
    for (const struct run *run = runner->runs; run; run = run->next)
        if (run->row.campaign_id == campaign)
            return json_pack("{s:I, s:s, s:o}", "number", (json_int_t)run->row.number, "state",
                             run_state_name(run->row.state), "started_at",
                             time_json(run->row.started_us));
    return json_null();
}

size_t runner_active(const struct runner *runner)
{
    size_t active = 0;
    for (const struct run *run = runner->runs; run; run = run->next)
        active += run->row.state == RUN_PREPARING || run->row.state == RUN_RUNNING;
    return active;
}

/* ---- time ---- */

struct due_work {
    struct store_work work;
    struct runner *runner;
    struct run *run;
    int64_t next_us;
};

static int apply_due(struct store_work *work, struct error *error)
{
    struct due_work *due = (struct due_work *)work;
    return journal_due(due->run->journal, clock_now_us(), &due->next_us, error);
}

static void on_due(struct store_work *work, const struct error *failed)
{
    struct due_work *due = (struct due_work *)work;
    /* Another may be put off meanwhile, and be due earlier than those that were seen. */
    int64_t look_again_us = clock_now_us() + DUE_MOST_US;
    due->run->next_due_us =
        !failed && due->next_us && due->next_us < look_again_us ? due->next_us : look_again_us;
    due->run->pending--;
    run_release(due->runner, due->run);
    dispatch_soon(due->runner);
    free(due);
}

static void wake_deferred(struct runner *runner, struct run *run, uint64_t deferred)
{
    if (!deferred || run->closing || run->row.state != RUN_RUNNING ||
        clock_now_us() < run->next_due_us)
        return;
    struct due_work *due = memory_new(sizeof *due);
    *due = (struct due_work){
        .work = {.database = &run->journal->database, .apply = apply_due, .done = on_due},
        .runner = runner,
        .run = run};
    run->pending++;
    run->next_due_us = clock_now_us() + DUE_MOST_US;
    store_submit(runner->is.store, &due->work);
}

static void measure_rate(struct run *run, const struct journal_counts *counts)
{
    uint64_t ended = 0;
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < run->step_count; i++)
        ended += counts[i].ended[OUTCOME_DELIVERED] + counts[i].ended[OUTCOME_REJECTED] +
                 counts[i].ended[OUTCOME_UNKNOWN];
    if (run->rate_at_us) {
        double now = (double)(ended - run->rate_ended) * 1e6 / (double)(now_us - run->rate_at_us);
        run->rate_per_s = run->rate_per_s > 0 ? run->rate_per_s * 0.8 + now * 0.2 : now;
    }
    run->rate_ended = ended;
    run->rate_at_us = now_us;
}

static void on_tick(uv_timer_t *timer)
{
    struct runner *runner = timer->data;
    struct journal_counts counts[JOURNAL_STEPS];
    for (struct run *run = runner->runs; run; run = run->next) {
        if (!run->journal || run->closing)
            continue;
        uint64_t deferred = 0;
        journal_counts(run->journal, counts);
        for (size_t i = 0; i < run->step_count; i++)
            deferred += counts[i].deferred;
        measure_rate(run, counts);
        wake_deferred(runner, run, deferred);
        recheck_expire(runner, run);
        run_check_end(runner, run);
    }
    withdraw_look(runner);
    dispatch_soon(runner);
}

/* ---- start and end ---- */

/* A run that was under way when the last core ended: its journal is opened at once, before anything
 * else happens. */
static void reopen(struct runner *runner, struct run *run)
{
    struct error error;
    FREE_CLEAN char *path = runner_journal_path(runner->state_dir, run->row.number);
    FREE_CLEAN char *rows_path = runner_rows_path(runner->state_dir, run->row.number);
    ROWS_CLEAN struct rows *rows = rows_open(rows_path, &error);
    struct journal *journal = rows ? journal_open(path, (uint32_t)run->row.number, &error) : NULL;
    if (!journal) { /* not written down: once its files are back, the next start goes on with it */
        run->row.state = RUN_FAILED;
        snprintf(run->row.reason, sizeof run->row.reason,
                 "%.400s; restore it and restart campaignd", error.message);
        log_error("run %lld cannot go on: %s", (long long)run->row.number, run->row.reason);
        runner->unopened = true;
        return;
    }
    json_t *definition = json_deep_copy(rows_definition(rows));
    run_opened(runner, run, journal, definition);
    json_decref(definition);
    log_notice("run %lld (%s) was %s and %s", (long long)run->row.number, run->row.campaign,
               run_state_name(run->row.state),
               run->row.state == RUN_RUNNING ? "goes on" : "stays so");
}

static int read_index(struct runner *runner, struct error *error)
{
    struct run_row *rows;
    size_t count;
    int result = state_runs(runner->is.state, &rows, &count, error);
    for (size_t i = 0; result == 0 && i < count; i++)
        add_run(runner, &rows[i]);
    free(rows);
    return result;
}

static int make_folders(const struct runner *runner, struct error *error)
{
    static const char *const folders[] = {"runs", "reading", "log", "archive", "actions"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        FREE_CLEAN char *path = memory_format("%s/%s", runner->state_dir, folders[i]);
        if (file_make_folders(path, 0700, error) != 0)
            return -1;
    }
    return 0;
}

struct runner *runner_start(const struct runner_options *options, struct error *error)
{
    struct runner *runner = memory_new(sizeof *runner);
    struct instance_row *instances = NULL;
    size_t count;
    runner->is = *options;
    runner->state_dir = memory_text(options->state_dir);
    runner->suppression = suppression_revision(options->state->database.db, error);
    if (runner->suppression < 0 || make_folders(runner, error) != 0 ||
        read_index(runner, error) != 0 ||
        state_instances(options->state, &instances, &count, error) != 0) {
        free(instances);
        free(runner->state_dir);
        free(runner);
        return NULL;
    }
    uv_timer_init(options->loop, &runner->tick);
    uv_idle_init(options->loop, &runner->soon);
    runner->tick.data = runner->soon.data = runner;
    uv_timer_start(&runner->tick, on_tick, TICK_MS, TICK_MS);
    for (struct run *run = runner->runs; run; run = run->next)
        if (run->row.state == RUN_RUNNING || run->row.state == RUN_PAUSED ||
            (run->row.state == RUN_CANCELLED && !run->row.ended_us))
            reopen(runner, run);
    for (size_t i = 0; i < count; i++)
        recovery_begin(runner, &instances[i]);
    free(instances);
    return runner;
}

void runner_quiesce(struct runner *runner)
{
    runner->quiet = true;
    uv_timer_stop(&runner->tick);
    reader_stop_all();
}

void runner_end(struct runner *runner)
{
    runner->over = true;
}

bool runner_busy(const struct runner *runner)
{
    return runner->recoveries || store_busy(runner->is.store);
}

void runner_free(struct runner *runner)
{
    for (struct run *run = runner->runs, *next; run; run = next) {
        next = run->next;
        journal_close(run->journal);
        json_decref(run->definition);
        recheck_close(run);
        free(run->match_trouble);
        free(run);
    }
    free(runner->actions);
    free(runner->state_dir);
    free(runner);
}
