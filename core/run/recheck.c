/*
 * Steps that ask the source again before delivery. What waits of such a step is not claimed as it comes: the first thousands are
 * looked up in the rows file (pool), a reader asks the source which of their keys it does not select any more, those are
 * withdrawn, and the others may be claimed for half a minute; what has not begun by then is asked back. Whoever was given back, or
 * put off, is asked about again. Of a unit of several every member is asked about: one message goes to all of them.
 *
 *   peek (store) → keys (pool) → reader → withdraw (store) → cleared, until claimed or too old
 *
 * A source that cannot be asked holds up its step alone.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "run/internal.h"
#include "source/rows.h"
#include "store/sql.h"

#define TASKS_LEAST 1000 /* at once; more for an action that is through with them soon */
#define TASKS_MOST 4000
#define SOON_US INT64_C(2000000)
#define CLEARED_US INT64_C(30000000)
#define AGAIN_US INT64_C(30000000)
#define SAID_AFTER_US INT64_C(2000000)

/* What was claimed on the strength of an answer, and until when that holds. */
struct given {
    uint64_t claim;
    int64_t until_us;
};

struct recheck {
    bool wanted;
    bool asking;
    struct journal_range *cleared; /* may be claimed; ascending */
    size_t count, room;
    int64_t cleared_until_us, again_us, asked_us; /* monotonic */
    size_t at_once;
    struct given *given;
    size_t given_count;
    char trouble[512]; /* why the source cannot be asked; "" */
};

struct asking {
    struct store_work work; /* first */
    uv_work_t pool;
    struct runner *runner;
    struct run *run;
    struct recheck *recheck;
    int step;
    size_t at_once;
    struct journal_range ranges[TASKS_MOST];
    size_t range_count;
    char *rows_path;
    uint64_t ordinals[TASKS_MOST]; /* ascending */
    char *reasons[TASKS_MOST];     /* why it is gone; NULL: it is not */
    size_t count;
    json_t *keys; /* texts; of each its task */
    size_t *tasks;
    struct journal_withdrawal withdrawals[TASKS_MOST];
    size_t gone;
    bool failed;
    struct error error;
};

/* ---- of a run ---- */

void recheck_open(struct run *run)
{
    size_t index;
    json_t *step;
    recheck_close(run);
    json_array_foreach(json_object_get(run->definition, "steps"), index, step) {
        size_t i = run_step_index(run, (int)json_integer_value(json_object_get(step, "number")));
        if (i == run->step_count || !json_is_true(json_object_get(step, "recheck")))
            continue;
        if (!run->rechecks)
            run->rechecks = memory_array(run->step_count, sizeof *run->rechecks);
        run->rechecks[i].wanted = true;
        run->rechecks[i].at_once = TASKS_LEAST;
    }
}

void recheck_close(struct run *run)
{
    for (size_t i = 0; run->rechecks && i < run->step_count; i++) {
        free(run->rechecks[i].cleared);
        free(run->rechecks[i].given);
    }
    free(run->rechecks);
    run->rechecks = NULL;
}

json_t *recheck_reason_json(const struct run *run)
{
    for (size_t i = 0; run->rechecks && i < run->step_count; i++) {
        const struct recheck *recheck = &run->rechecks[i];
        int64_t asking_us = clock_monotonic_us() - recheck->asked_us;
        if (*recheck->trouble)
            return json_string(recheck->trouble);
        if (recheck->asking && recheck->asked_us && asking_us > SAID_AFTER_US)
            return json_sprintf("step »%.60s« waits: its source has been asked for %lld s who is "
                                "still selected",
                                run->steps[i].name, (long long)(asking_us / 1000000));
    }
    return NULL;
}

bool recheck_wanted(const struct run *run, size_t step)
{
    return run->rechecks && run->rechecks[step].wanted;
}

/* ---- what was found out ---- */

static void add_cleared(struct recheck *recheck, uint64_t ordinal)
{
    struct journal_range *last = recheck->count ? &recheck->cleared[recheck->count - 1] : NULL;
    if (last && last->last + 1 == ordinal) {
        last->last = ordinal;
        return;
    }
    if (recheck->count == recheck->room) {
        recheck->room = recheck->room ? recheck->room * 2 : 16;
        recheck->cleared =
            memory_resize(recheck->cleared, recheck->room * sizeof *recheck->cleared);
    }
    recheck->cleared[recheck->count++] = (struct journal_range){.first = ordinal, .last = ordinal};
}

void recheck_given(struct run *run, size_t step, uint64_t claim, int64_t until_us)
{
    struct recheck *recheck = &run->rechecks[step];
    recheck->given =
        memory_resize(recheck->given, (recheck->given_count + 1) * sizeof *recheck->given);
    recheck->given[recheck->given_count++] = (struct given){.claim = claim, .until_us = until_us};
}

/* Who has begun all of it, or is gone, ignores it. */
void recheck_expire(struct runner *runner, struct run *run)
{
    for (size_t i = 0; run->rechecks && i < run->step_count; i++) {
        struct recheck *recheck = &run->rechecks[i];
        size_t kept = 0;
        for (size_t k = 0; k < recheck->given_count; k++)
            if (clock_monotonic_us() > recheck->given[k].until_us)
                dispatch_send_revokes(runner, &recheck->given[k].claim, 1);
            else
                recheck->given[kept++] = recheck->given[k];
        recheck->given_count = kept;
    }
}

size_t recheck_take(struct run *run, size_t step, uint64_t limit, struct journal_range **ranges,
                    int64_t *until_us)
{
    struct recheck *recheck = &run->rechecks[step];
    size_t taken = 0;
    if (recheck->count && clock_monotonic_us() > recheck->cleared_until_us) {
        recheck->count = 0;
        recheck->at_once = TASKS_LEAST;
    }
    *ranges = memory_array(recheck->count + 1, sizeof **ranges);
    *until_us = recheck->cleared_until_us;
    while (taken < recheck->count && limit) {
        struct journal_range *range = &recheck->cleared[taken];
        uint64_t tasks = range->last - range->first + 1;
        (*ranges)[taken] = *range;
        if (tasks > limit) { /* the rest of it stays */
            (*ranges)[taken].last = range->first + limit - 1;
            range->first += limit;
            memmove(recheck->cleared, range, (recheck->count - taken) * sizeof *range);
            recheck->count -= taken;
            return taken + 1;
        }
        limit -= tasks;
        taken++;
    }
    if (taken) /* else there may be no list yet */
        memmove(recheck->cleared, recheck->cleared + taken,
                (recheck->count - taken) * sizeof *recheck->cleared);
    recheck->count -= taken;
    return taken;
}

/* How many it is asked about next: an action that needed seconds for as many gets no more of them. */
static void choose_size(struct recheck *recheck)
{
    int64_t since_us = clock_monotonic_us() - (recheck->cleared_until_us - CLEARED_US);
    if (recheck->cleared_until_us && since_us < SOON_US && recheck->at_once < TASKS_MOST)
        recheck->at_once *= 2;
}

/* ---- asking: its end ---- */

static void over(struct asking *asking)
{
    struct runner *runner = asking->runner;
    struct run *run = asking->run;
    asking->recheck->asking = false;
    asking->recheck->asked_us = 0;
    runner->recoveries--;
    run->pending--;
    for (size_t i = 0; i < asking->count; i++)
        free(asking->reasons[i]);
    json_decref(asking->keys);
    free(asking->tasks);
    free(asking->rows_path);
    free(asking);
    run_check_end(runner, run);
    run_release(runner, run);
    dispatch_soon(runner);
}

static bool is_void(const struct asking *asking)
{
    return asking->runner->over || asking->run->closing || !asking->run->journal ||
           asking->run->row.state == RUN_CANCELLED;
}

static void fail(struct asking *asking, const struct error *error)
{
    struct recheck *recheck = asking->recheck;
    const struct run *run = asking->run;
    const char *step = run->steps[run_step_index(run, asking->step)].name;
    bool said = *recheck->trouble;
    snprintf(recheck->trouble, sizeof recheck->trouble,
             "step »%.60s« waits: the source cannot say who is still selected: %.300s; it is asked "
             "again every 30 s",
             step, error->message);
    text_cut_utf8(recheck->trouble, sizeof recheck->trouble - 1);
    recheck->again_us = clock_monotonic_us() + AGAIN_US;
    if (!said && !asking->runner->quiet)
        log_warning("run %lld (%s): %s", (long long)run->row.number, run->row.campaign,
                    recheck->trouble);
    runner_note(asking->runner);
    over(asking);
}

/* ---- withdraw who is gone, clear the others ---- */

static void clear_rest(struct asking *asking)
{
    struct recheck *recheck = asking->recheck;
    recheck->count = 0;
    recheck->cleared_until_us = recheck->asked_us + CLEARED_US;
    recheck->trouble[0] = '\0';
    for (size_t i = 0; i < asking->count; i++)
        if (!asking->reasons[i])
            add_cleared(recheck, asking->ordinals[i]);
    over(asking);
}

static int apply_gone(struct store_work *work, struct error *error)
{
    struct asking *asking = (struct asking *)work;
    uint64_t skipped;
    return journal_withdraw(asking->run->journal, asking->withdrawals, asking->gone, &skipped,
                            error);
}

static void on_gone(struct store_work *work, const struct error *failed)
{
    struct asking *asking = (struct asking *)work;
    if (failed || is_void(asking))
        over(asking);
    else
        clear_rest(asking);
}

static void withdraw_gone(struct asking *asking)
{
    for (size_t i = 0; i < asking->count; i++)
        if (asking->reasons[i])
            asking->withdrawals[asking->gone++] = (struct journal_withdrawal){
                .step = asking->step, .ordinal = asking->ordinals[i], .text = asking->reasons[i]};
    if (!asking->gone) {
        clear_rest(asking);
        return;
    }
    asking->work = (struct store_work){.database = &asking->run->journal->database,
                                       .apply = apply_gone,
                                       .done = on_gone,
                                       .keep = true};
    store_submit(asking->runner->is.store, &asking->work);
}

/* ---- ask the source ---- */

/* `said`: what the reader calls it. Of a unit the first reason stays. */
static void note_reason(struct asking *asking, size_t index, const char *said)
{
    size_t task = asking->tasks[index];
    bool member = index && asking->tasks[index - 1] == task;
    const char *key = json_string_value(json_array_get(asking->keys, index));
    if (asking->reasons[task])
        return;
    asking->reasons[task] = member ? memory_format("no longer selected: %s (member %s)", said, key)
                                   : memory_format("no longer selected: %s", said);
}

static void note_gone(struct asking *asking, const json_t *gone)
{
    size_t index;
    json_t *one, *key, *reasons = json_object();
    json_array_foreach((json_t *)gone, index, one)
        json_object_set(reasons, json_string_value(json_object_get(one, "key")),
                        json_object_get(one, "reason"));
    json_array_foreach(asking->keys, index, key) {
        const char *said = json_string_value(json_object_get(reasons, json_string_value(key)));
        if (said)
            note_reason(asking, index, said);
    }
    json_decref(reasons);
}

static void on_asked(void *context, const json_t *answer, const struct error *failed)
{
    struct asking *asking = context;
    if (is_void(asking)) {
        over(asking);
    } else if (failed) {
        fail(asking, failed);
    } else {
        note_gone(asking, json_object_get(answer, "gone"));
        withdraw_gone(asking);
    }
}

static void ask_source(struct asking *asking)
{
    struct runner *runner = asking->runner;
    FREE_CLEAN char *list = memory_format("%s/reading/suppression.db", runner->state_dir);
    struct error error;
    json_t *sources = runner->is.sources(runner->is.context, asking->run->definition, &error);
    if (!sources) {
        fail(asking, &error);
        return;
    }
    json_t *request = reader_request("recheck", sources, asking->run->definition);
    json_object_set(request, "keys", asking->keys);
    json_object_set_new(request, "step", json_integer(asking->step));
    /* Without a copy of the list: newer objections are withdrawn by their own way. */
    json_object_set_new(request, "suppression", json_string(access(list, R_OK) == 0 ? list : ""));
    asking->recheck->asked_us = clock_monotonic_us();
    reader_start(runner->is.loop, request, on_asked, asking);
    json_decref(request);
    json_decref(sources);
}

/* ---- whose turn it is ---- */

static void add_key(struct asking *asking, uint64_t ordinal, const char *text)
{
    size_t count = json_array_size(asking->keys);
    json_t *key = json_string(text);
    if (!asking->count || asking->ordinals[asking->count - 1] != ordinal)
        asking->ordinals[asking->count++] = ordinal;
    size_t task = asking->count - 1;
    /* One that is no text for JSON cannot be asked about, and is gone by that. */
    if (!key && !asking->reasons[task])
        asking->reasons[task] = memory_text("no longer selected: its key is not UTF-8");
    if ((count & (count - 1)) == 0)
        asking->tasks =
            memory_resize(asking->tasks, (count ? count * 2 : 1) * sizeof *asking->tasks);
    asking->tasks[count] = task;
    json_array_append_new(asking->keys, key ? key : json_string(""));
}

static sqlite3_stmt *prepare_keys(sqlite3 *rows, struct error *error)
{
    int members = rows_has_members(rows, error);
    return members < 0 ? NULL
                       : sql_prepare(rows,
                                     members ? "SELECT ordinal, key, 0 AS position\n"
                                               "FROM recipient\n"
                                               "WHERE ordinal BETWEEN ?1 AND ?2\n"
                                               "UNION ALL\n"
                                               "SELECT ordinal, key, position\n"
                                               "FROM member\n"
                                               "WHERE ordinal BETWEEN ?1 AND ?2 AND position > 0\n"
                                               "ORDER BY ordinal, position"
                                             : "SELECT ordinal, key\n"
                                               "FROM recipient\n"
                                               "WHERE ordinal BETWEEN ?1 AND ?2\n"
                                               "ORDER BY ordinal",
                                     error);
}

static int read_keys(struct asking *asking, sqlite3 *rows, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select = prepare_keys(rows, error);
    int more = select ? 0 : -1;
    for (size_t i = 0; more == 0 && i < asking->range_count; i++) {
        sqlite3_bind_int64(select, 1, (int64_t)asking->ranges[i].first);
        sqlite3_bind_int64(select, 2, (int64_t)asking->ranges[i].last);
        while ((more = sql_row(select, error)) > 0)
            add_key(asking, (uint64_t)sqlite3_column_int64(select, 0), sql_text(select, 1));
    }
    return more;
}

static void read_on_pool(uv_work_t *pool)
{
    struct asking *asking = pool->data;
    SQL_CLEAN sqlite3 *rows = rows_open_database(asking->rows_path, &asking->error);
    asking->keys = json_array();
    asking->failed = !rows || read_keys(asking, rows, &asking->error) != 0;
}

static void on_keys(uv_work_t *pool, int status)
{
    struct asking *asking = pool->data;
    (void)status;
    if (is_void(asking) || asking->runner->quiet)
        over(asking);
    else if (asking->failed)
        fail(asking, &asking->error);
    else
        ask_source(asking);
}

static int apply_peek(struct store_work *work, struct error *error)
{
    struct asking *asking = (struct asking *)work;
    return journal_peek(asking->run->journal, asking->step, asking->at_once, asking->ranges,
                        &asking->range_count, error);
}

static void on_peeked(struct store_work *work, const struct error *failed)
{
    struct asking *asking = (struct asking *)work;
    if (failed)
        asking->recheck->again_us = clock_monotonic_us() + 1000000;
    if (failed || !asking->range_count || is_void(asking)) {
        over(asking);
        return;
    }
    asking->rows_path = runner_rows_path(asking->runner->state_dir, asking->run->row.number);
    asking->pool.data = asking;
    uv_queue_work(asking->runner->is.loop, &asking->pool, read_on_pool, on_keys);
}

void recheck_ask(struct runner *runner, struct run *run, size_t step)
{
    struct recheck *recheck = &run->rechecks[step];
    if (recheck->asking || runner->quiet || clock_monotonic_us() < recheck->again_us)
        return;
    recheck->asking = true;
    choose_size(recheck);
    runner->recoveries++;
    run->pending++;
    struct asking *asking = memory_new(sizeof *asking);
    asking->runner = runner;
    asking->run = run;
    asking->recheck = recheck;
    asking->step = run->steps[step].number;
    asking->at_once = recheck->at_once;
    asking->work = (struct store_work){
        .database = &run->journal->database, .apply = apply_peek, .done = on_peeked};
    store_submit(runner->is.store, &asking->work);
}
