/*
 * Withdrawn tasks. What no claim holds is over at once. What is held stands in `withdrawn` until it leaves its claim, so that every
 * way out of a claim asks here: an outcome, being given back, recovery.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "run/journal_internal.h"

/* ---- what is held ---- */

/* Is one of [first, last] withdrawn? The first that is: its number and its text. 1, 0, -1. */
static int next_withdrawn(struct journal_state *state, const struct step *step, uint64_t first,
                          uint64_t last, uint64_t *ordinal, char text[OUTCOME_TEXT],
                          struct error *error)
{
    if (!step->withdrawn)
        return 0;
    sqlite3_stmt *next = state->statements[NEXT_WITHDRAWN];
    sqlite3_bind_int64(next, 1, journal_task_row(step->is.number, first));
    sqlite3_bind_int64(next, 2, journal_task_row(step->is.number, last));
    int found = sql_row(next, error);
    if (found <= 0)
        return found;
    *ordinal = (uint64_t)sqlite3_column_int64(next, 0) & JOURNAL_ORDINALS;
    text_copy(text, OUTCOME_TEXT, sql_text(next, 1));
    sqlite3_reset(next);
    return 1;
}

static int drop_withdrawn(struct journal_state *state, struct step *step, uint64_t ordinal,
                          struct error *error)
{
    step->withdrawn--;
    sqlite3_bind_int64(state->statements[DROP_WITHDRAWN], 1,
                       journal_task_row(step->is.number, ordinal));
    return sql_done(state->statements[DROP_WITHDRAWN], error);
}

/* A withdrawn task that ends after all: as it ends, only that it is not tried again. */
int journal_end_withdrawn(struct journal_state *state, struct step *step, uint64_t ordinal,
                          struct outcome *outcome, struct error *error)
{
    char text[OUTCOME_TEXT];
    int found = next_withdrawn(state, step, ordinal, ordinal, &ordinal, text, error);
    if (found <= 0)
        return found;
    if (outcome->status == OUTCOME_DEFERRED) {
        outcome->status = OUTCOME_SKIPPED;
        text_copy(outcome->text, sizeof outcome->text, text);
    }
    return drop_withdrawn(state, step, ordinal, error);
}

/* ---- what is not ---- */

/* A task that no claim holds is over before it began. Its counter is the caller's. */
static int skip_task(struct journal_state *state, struct step *step, uint64_t ordinal,
                     const char *text, struct error *error)
{
    struct outcome skipped = {.status = OUTCOME_SKIPPED, .time_us = clock_now_us()};
    text_copy(skipped.text, sizeof skipped.text, text);
    step->dirty = true;
    return journal_add_outcome(state, step, ordinal, 0, &skipped, error) != 0
               ? -1
               : journal_release_children(state, step, ordinal, OUTCOME_SKIPPED, error);
}

/* 1 if it waited and is skipped now; 0 if it does not wait; -1. */
static int skip_waiting(struct journal_state *state, struct step *step, uint64_t ordinal,
                        const char *text, struct error *error)
{
    struct range range;
    int found = journal_find_waiting(state, step, ordinal, &range, error);
    if (found <= 0)
        return found;
    step->counts.waiting--;
    sqlite3_bind_int64(state->statements[DROP_DEFERRED], 1,
                       journal_task_row(step->is.number, ordinal));
    return journal_take_out(state, step, range, ordinal, ordinal, error) != 0 ||
                   sql_done(state->statements[DROP_DEFERRED], error) != 0 ||
                   skip_task(state, step, ordinal, text, error) != 0
               ? -1
               : 1;
}

/* What was given back of the withdrawn ones is skipped now. */
int journal_skip_withdrawn(struct journal_state *state, struct step *step, uint64_t first,
                           uint64_t last, struct error *error)
{
    char text[OUTCOME_TEXT];
    uint64_t ordinal;
    int found;
    while ((found = next_withdrawn(state, step, first, last, &ordinal, text, error)) > 0)
        if (drop_withdrawn(state, step, ordinal, error) != 0 ||
            skip_waiting(state, step, ordinal, text, error) < 0)
            return -1;
    return found;
}

/* ---- withdrawing ---- */

static bool is_held(struct journal_state *state, const struct step *step, uint64_t ordinal)
{
    int index = (int)(step - state->steps);
    uint64_t bit;
    for (size_t i = 0; i < state->claim_count; i++)
        if (state->claims[i]->step == index && journal_held(state->claims[i], ordinal, &bit))
            return true;
    return false;
}

static int skip_deferred(struct journal_state *state, struct step *step, uint64_t ordinal,
                         const char *text, struct error *error)
{
    sqlite3_bind_int64(state->statements[DROP_DEFERRED], 1,
                       journal_task_row(step->is.number, ordinal));
    if (sql_done(state->statements[DROP_DEFERRED], error) != 0)
        return -1;
    bool deferred = sqlite3_changes(state->db) > 0;
    if (!deferred && !step->is.parent)
        return 0; /* nowhere: a task that the run does not have */
    if (deferred)
        step->counts.deferred--;
    else
        step->counts.waiting--; /* for the step before */
    return skip_task(state, step, ordinal, text, error) != 0 ? -1 : 1;
}

static int mark_withdrawn(struct journal_state *state, struct step *step, uint64_t ordinal,
                          const char *text, struct error *error)
{
    sqlite3_stmt *add = state->statements[ADD_WITHDRAWN];
    sqlite3_bind_int64(add, 1, journal_task_row(step->is.number, ordinal));
    sql_bind_text(add, 2, text);
    if (sql_done(add, error) != 0)
        return -1;
    step->withdrawn += (uint64_t)sqlite3_changes(state->db);
    return 0;
}

/* 1: skipped, 0: it is over, or held and marked, -1. */
static int withdraw(struct journal_state *state, struct step *step, uint64_t ordinal,
                    const char *text, struct error *error)
{
    int over = ordinal && ordinal <= step->counts.total
                   ? journal_has_outcome(state, step->is.number, ordinal, error)
                   : 1;
    if (over)
        return over < 0 ? -1 : 0;
    if (is_held(state, step, ordinal))
        return mark_withdrawn(state, step, ordinal, text, error);
    if (journal_flush_released(state, step, error) != 0)
        return -1;
    int waited = skip_waiting(state, step, ordinal, text, error);
    return waited ? waited : skip_deferred(state, step, ordinal, text, error);
}

int journal_withdraw(struct journal *journal, const struct journal_withdrawal *withdrawals,
                     size_t count, uint64_t *skipped, struct error *error)
{
    struct journal_state *state = journal->state;
    *skipped = 0;
    for (size_t i = 0; i < count; i++) {
        struct step *step = journal_find_step(state, withdrawals[i].step);
        int result =
            step ? withdraw(state, step, withdrawals[i].ordinal, withdrawals[i].text, error) : 0;
        if (result < 0)
            return -1;
        *skipped += (uint64_t)result;
    }
    return 0;
}

int journal_withdrawn_claims(struct journal *journal, uint64_t **claims, size_t *count,
                             struct error *error)
{
    struct journal_state *state = journal->state;
    char text[OUTCOME_TEXT];
    uint64_t ordinal;
    *count = 0;
    *claims = memory_array(state->claim_count, sizeof **claims);
    for (size_t i = 0; i < state->claim_count; i++) {
        const struct claim *claim = state->claims[i];
        int found = 0;
        for (size_t k = 0; !found && k < claim->count; k++)
            found = next_withdrawn(state, &state->steps[claim->step], claim->ranges[k].first,
                                   claim->ranges[k].last, &ordinal, text, error);
        if (found < 0)
            return -1;
        if (found)
            (*claims)[(*count)++] = claim->id;
    }
    return 0;
}

int journal_put_mark(struct journal *journal, int64_t revision, struct error *error)
{
    struct journal_state *state = journal->state;
    sqlite3_stmt *put = state->statements[PUT_MARK];
    sqlite3_bind_int64(put, 1, revision);
    if (sql_done(put, error) != 0)
        return -1;
    state->mark = revision > state->mark ? revision : state->mark;
    return 0;
}

int64_t journal_mark(const struct journal *journal)
{
    return journal->state->mark;
}
