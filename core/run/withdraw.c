/*
 * Objections that arrive while runs are under way. The entry is durable in state.db first; then each open run's recipients are
 * compared with all entries that are newer than those it was compared with before (the journal's mark), on the pool, in one pass
 * over its rows file; then, in the run's own transactions, what has not begun is withdrawn and at last the mark set. Each part can
 * be repeated, so whatever is killed between the two databases, the next start does what is missing.
 *
 * One run at a time: a pass reads as fast as the disk gives.
 */
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "run/internal.h"
#include "source/objections.h"
#include "source/rows.h"
#include "store/sql.h"
#include "store/suppression.h"

#define ENTRIES_AT_ONCE 200000 /* of the list in memory */
#define TASKS_AT_ONCE 2000     /* in one transaction, so that others get their turn */
#define AGAIN_US 5000000

struct match_step {
    int number;
    char channel[16];
};

struct match {
    uv_work_t pool;
    struct store_work work;
    struct runner *runner;
    struct run *run;
    char *state_path, *rows_path;
    json_t *definition;
    char purpose[16];
    int64_t campaign_id;
    struct match_step steps[JOURNAL_STEPS];
    size_t step_count;
    int64_t after, revision;
    struct suppression_batch batch;
    /* Which entries have a value of this hash: the first, and for each the next; counted from 1. */
    size_t *heads, *nexts, mask;
    struct journal_withdrawal *withdrawals;
    size_t count, room, done;
    uint64_t skipped, part_skipped;
    uint64_t *claims;
    size_t claim_count;
    bool failed;
    struct error error;
};

/* ---- on the pool: the entries by their value ---- */

static uint64_t hash_of(const char *value, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)value[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

static bool concerns(const struct match *match, const struct suppression_entry *entry)
{
    for (size_t i = 0; i < match->step_count; i++)
        if (suppression_applies(entry, match->purpose, match->campaign_id, match->steps[i].channel))
            return true;
    return false;
}

static size_t index_entries(struct match *match)
{
    size_t kept = 0, size = 64;
    while (size < match->batch.count * 2)
        size *= 2;
    match->mask = size - 1;
    match->heads = memory_array(size, sizeof *match->heads);
    match->nexts = memory_array(match->batch.count + 1, sizeof *match->nexts);
    for (size_t i = 0; i < match->batch.count; i++) {
        const struct suppression_entry *entry = &match->batch.entries[i];
        if (!concerns(match, entry))
            continue;
        size_t *head = &match->heads[hash_of(entry->value, strlen(entry->value)) & match->mask];
        match->nexts[i + 1] = *head;
        *head = i + 1;
        kept++;
    }
    return kept;
}

/* ---- on the pool: one recipient ---- */

/* For each step the strictest entry that keeps it. */
struct found {
    const struct suppression_entry *entries[JOURNAL_STEPS];
    bool any;
};

static void look_up(const struct match *match, const char *kind, const char *value, size_t size,
                    struct found *found)
{
    for (size_t at = match->heads[hash_of(value, size) & match->mask]; at; at = match->nexts[at]) {
        const struct suppression_entry *entry = &match->batch.entries[at - 1];
        if (strcmp(entry->value, value) != 0 || strcmp(entry->kind, kind) != 0)
            continue;
        for (size_t i = 0; i < match->step_count; i++) {
            const struct suppression_entry *known = found->entries[i];
            if (!suppression_applies(entry, match->purpose, match->campaign_id,
                                     match->steps[i].channel) ||
                (known &&
                 suppression_strictness(known->reason) >= suppression_strictness(entry->reason)))
                continue;
            found->entries[i] = entry;
            found->any = true;
        }
    }
}

static void look_up_address(const struct match *match, const char *text, size_t size,
                            struct found *found)
{
    char normal[ADDRESS_SIZE];
    size_t length = address_normal(normal, text, size);
    if (length)
        look_up(match, "address", normal, length, found);
}

/* The last steps first: what waits for another step then says why itself. */
static void add_withdrawals(struct match *match, uint64_t ordinal, const struct found *found)
{
    for (size_t i = match->step_count; i-- > 0;) {
        const struct suppression_entry *entry = found->entries[i];
        char text[SUPPRESSION_TEXT];
        if (!entry)
            continue;
        if (match->count == match->room) {
            match->room = match->room ? match->room * 2 : 256;
            match->withdrawals =
                memory_resize(match->withdrawals, match->room * sizeof *match->withdrawals);
        }
        suppression_text(text, entry);
        match->withdrawals[match->count++] =
            (struct journal_withdrawal){.step = match->steps[i].number,
                                        .ordinal = ordinal,
                                        .text = arena_text(match->batch.arena, text)};
    }
}

/* ---- on the pool: all recipients ---- */

struct address_columns {
    int positions[ROWS_COLUMNS_MAX];
    size_t count;
};

static int find_columns(const struct match *match, sqlite3 *rows, struct address_columns *columns,
                        struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(rows, "SELECT position, name, role FROM field ORDER BY position", error);
    int more;
    if (!select)
        return -1;
    while ((more = sql_row(select, error)) > 0 && columns->count < ROWS_COLUMNS_MAX)
        if (objections_is_address(match->definition, sql_text(select, 1), sql_text(select, 2)))
            columns->positions[columns->count++] = sqlite3_column_int(select, 0);
    return more < 0 ? -1 : 0;
}

static void match_row(struct match *match, sqlite3_stmt *row, const struct address_columns *columns)
{
    struct found found = {.any = false};
    const char *key = sql_text(row, 1);
    look_up(match, "person", key, strlen(key), &found);
    for (size_t i = 0; i < columns->count; i++) {
        const char *text = (const char *)sqlite3_column_text(row, (int)i + 2);
        if (text)
            look_up_address(match, text, (size_t)sqlite3_column_bytes(row, (int)i + 2), &found);
    }
    if (found.any)
        add_withdrawals(match, (uint64_t)sqlite3_column_int64(row, 0), &found);
}

static int match_table(struct match *match, sqlite3 *rows, const char *table,
                       const struct address_columns *columns, struct error *error)
{
    BUFFER_CLEAN struct buffer text = {0};
    buffer_text(&text, "SELECT ordinal, key");
    for (size_t i = 0; i < columns->count; i++)
        buffer_printf(&text, ", c%d", columns->positions[i]);
    buffer_printf(&text, " FROM %s ORDER BY ordinal", table);
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(rows, buffer_string(&text), error);
    int more;
    if (!select)
        return -1;
    while ((more = sql_row(select, error)) > 0)
        match_row(match, select, columns);
    return more;
}

static int match_rows(struct match *match, struct error *error)
{
    SQL_CLEAN sqlite3 *rows = rows_open_database(match->rows_path, error);
    struct address_columns columns = {.count = 0};
    int members = rows ? rows_has_members(rows, error) : -1;
    if (members < 0 || find_columns(match, rows, &columns, error) != 0 ||
        match_table(match, rows, "recipient", &columns, error) != 0)
        return -1;
    return members ? match_table(match, rows, "member", &columns, error) : 0;
}

static void on_pool(uv_work_t *pool)
{
    struct match *match = pool->data;
    match->failed = suppression_since(match->state_path, match->after, ENTRIES_AT_ONCE,
                                      &match->batch, &match->revision, &match->error) != 0 ||
                    (index_entries(match) && match_rows(match, &match->error) != 0);
}

/* ---- on the loop ---- */

static void over(struct match *match)
{
    struct runner *runner = match->runner;
    struct run *run = match->run;
    runner->matching = false;
    runner->recoveries--;
    run->pending--;
    suppression_batch_free(&match->batch);
    free(match->heads);
    free(match->nexts);
    free(match->withdrawals);
    free(match->claims);
    json_decref(match->definition);
    free(match->state_path);
    free(match->rows_path);
    free(match);
    run_check_end(runner, run);
    run_release(runner, run);
    withdraw_look(runner);
    dispatch_soon(runner);
}

static int apply_withdrawals(struct store_work *work, struct error *error)
{
    struct match *match = (struct match *)((char *)work - offsetof(struct match, work));
    struct journal *journal = match->run->journal;
    size_t count = match->count - match->done;
    bool last = count <= TASKS_AT_ONCE;
    if (journal_withdraw(journal, match->withdrawals + match->done, last ? count : TASKS_AT_ONCE,
                         &match->part_skipped, error) != 0 ||
        (last && journal_put_mark(journal, match->revision, error) != 0))
        return -1;
    free(match->claims);
    return journal_withdrawn_claims(journal, &match->claims, &match->claim_count, error);
}

static void submit_withdrawals(struct match *match);

/* Each part revokes at once what it has marked. */
static void on_withdrawn(struct store_work *work, const struct error *failed)
{
    struct match *match = (struct match *)((char *)work - offsetof(struct match, work));
    struct run *run = match->run;
    if (failed || match->runner->over) { /* at the end of the store: the next start's */
        over(match);
        return;
    }
    dispatch_send_revokes(match->runner, match->claims, match->claim_count);
    match->skipped += match->part_skipped;
    match->done += TASKS_AT_ONCE;
    if (match->done < match->count) {
        submit_withdrawals(match);
        return;
    }
    run->matched = match->revision;
    if (match->count)
        log_notice("run %lld (%s): the suppression list names recipients: %llu tasks are skipped, "
                   "what is at work for them is asked back",
                   (long long)run->row.number, run->row.campaign,
                   (unsigned long long)match->skipped);
    over(match);
}

static void submit_withdrawals(struct match *match)
{
    match->work = (struct store_work){.database = &match->run->journal->database,
                                      .apply = apply_withdrawals,
                                      .done = on_withdrawn,
                                      .keep = true};
    store_submit(match->runner->is.store, &match->work);
}

static void on_matched(uv_work_t *pool, int status)
{
    struct match *match = pool->data;
    struct run *run = match->run;
    (void)status;
    free(run->match_trouble);
    run->match_trouble = NULL;
    if (match->failed) {
        log_error("run %lld: whom the suppression list names cannot be told: %s",
                  (long long)run->row.number, match->error.message);
        run->match_trouble =
            memory_format("nothing is dealt out: the suppression list cannot be compared with the "
                          "recipients: %s; tried again every 5 s",
                          match->error.message);
        run->match_again_us = clock_monotonic_us() + AGAIN_US;
        run->must_match = match->runner->suppression;
        dispatch_revoke(match->runner, run);
    }
    if (match->failed || match->runner->over || run->closing || !run->journal)
        over(match);
    else
        submit_withdrawals(match);
}

static void copy_steps(struct match *match)
{
    size_t index;
    json_t *step;
    const json_t *campaign = json_object_get(match->run->definition, "campaign");
    const char *purpose = json_string_value(json_object_get(campaign, "purpose"));
    text_copy(match->purpose, sizeof match->purpose, purpose ? purpose : "information");
    match->campaign_id = json_integer_value(json_object_get(campaign, "id"));
    json_array_foreach(json_object_get(match->run->definition, "steps"), index, step) {
        if (match->step_count == JOURNAL_STEPS)
            return;
        const char *channel = json_string_value(json_object_get(step, "channel"));
        struct match_step *into = &match->steps[match->step_count++];
        into->number = (int)json_integer_value(json_object_get(step, "number"));
        text_copy(into->channel, sizeof into->channel, channel ? channel : "");
    }
}

static void match_run(struct runner *runner, struct run *run)
{
    struct match *match = memory_new(sizeof *match);
    match->runner = runner;
    match->run = run;
    match->after = run->matched;
    match->state_path = memory_format("%s/state.db", runner->state_dir);
    match->rows_path = runner_rows_path(runner->state_dir, run->row.number);
    match->definition = /* the pool's own: references are not counted atomically */
        json_pack("{s:o*}", "steps", json_deep_copy(json_object_get(run->definition, "steps")));
    copy_steps(match);
    runner->matching = true;
    runner->recoveries++;
    run->pending++;
    match->pool.data = match;
    uv_queue_work(runner->is.loop, &match->pool, on_pool, on_matched);
}

static bool lags(const struct runner *runner, const struct run *run)
{
    return (run->row.state == RUN_RUNNING || run->row.state == RUN_PAUSED) && run->journal &&
           !run->closing && run->matched < runner->suppression &&
           clock_monotonic_us() >= run->match_again_us;
}

void withdraw_look(struct runner *runner)
{
    if (runner->matching || runner->quiet)
        return;
    for (struct run *run = runner->runs; run; run = run->next)
        if (lags(runner, run)) {
            match_run(runner, run);
            return;
        }
}

void runner_suppressed(struct runner *runner, int64_t revision)
{
    if (revision > runner->suppression)
        runner->suppression = revision;
    withdraw_look(runner);
}
