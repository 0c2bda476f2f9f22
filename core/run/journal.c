/*
 * Steps and claims live in memory, rows in the file; the two are changed together, and
 * journal_reload makes the first from the second. Nothing here scans past waiting tasks: ranges are
 * taken from the front of `waiting`, and a step that depends on another gets its rows in the
 * transaction that commits its parent.
 */
#include "run/journal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

const char *const journal_texts[STATEMENTS] = {
    [TAKE_WAITING] =
        "SELECT first, last, attempt FROM waiting WHERE step = ?1 ORDER BY first LIMIT 1",
    [CUT_WAITING] = "UPDATE waiting SET first = ?3 WHERE step = ?1 AND first = ?2",
    [DROP_WAITING] = "DELETE FROM waiting WHERE step = ?1 AND first = ?2",
    [BEFORE_WAITING] = "SELECT first, last, attempt FROM waiting WHERE step = ?1 AND first < ?2 "
                       "ORDER BY first DESC LIMIT 1",
    [EXTEND_WAITING] = "UPDATE waiting SET last = ?3 WHERE step = ?1 AND first = ?2",
    [ADD_WAITING] = "INSERT INTO waiting (step, first, last, attempt) VALUES (?1, ?2, ?3, ?4)",
    [ADD_CLAIM] = "INSERT INTO claim (id, step, instance, time_us) VALUES (?1, ?2, ?3, ?4)",
    [ADD_CLAIM_RANGE] =
        "INSERT INTO claim_range (claim, first, last, attempt) VALUES (?1, ?2, ?3, ?4)",
    [ADD_CLAIM_LEFT] = "INSERT INTO claim_left (claim, first, last) VALUES (?1, ?2, ?3)",
    [DROP_CLAIM] = "DELETE FROM claim WHERE id = ?1",
    [DROP_CLAIM_RANGE] = "DELETE FROM claim_range WHERE claim = ?1",
    [DROP_CLAIM_LEFT] = "DELETE FROM claim_left WHERE claim = ?1",
    [ADD_OUTCOME] = "INSERT INTO outcome (task, status, code, attempt, time_us, remote_id, text)\n"
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [HAS_OUTCOME] = "SELECT 1 FROM outcome WHERE task = ?1",
    [ADD_DOCUMENT] = "INSERT INTO document (task, position, segment, number, offset, length, hash, "
                     "salt, chain, name, mime_type)\n"
                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [FIND_DOCUMENTS] =
        "SELECT task, segment, number, offset, length, hash, salt, chain, name, mime_type\n"
        "FROM document\n"
        "WHERE task BETWEEN ?1 AND ?2\n"
        "ORDER BY task, position",
    [FIND_DEFERRED] = "SELECT since_us FROM deferred WHERE task = ?1",
    [PUT_DEFERRED] =
        "INSERT OR REPLACE INTO deferred (task, attempt, since_us, not_before_us, code, text)\n"
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [DROP_DEFERRED] = "DELETE FROM deferred WHERE task = ?1",
    [DUE_DEFERRED] = "SELECT task, attempt FROM deferred WHERE not_before_us > 0 AND not_before_us "
                     "<= ?1 LIMIT 1000",
    [WAKE_DEFERRED] = "UPDATE deferred SET not_before_us = 0 WHERE task = ?1",
    [NEXT_DEFERRED] = "SELECT min(not_before_us) FROM deferred WHERE not_before_us > 0",
    [PUT_COUNTS] = "UPDATE step\n"
                   "SET waiting = ?2, claimed = ?3, deferred = ?4, delivered = ?5, rejected = ?6, "
                   "skipped = ?7, unknown = ?8\n"
                   "WHERE number = ?1",
    [AT_WAITING] = "SELECT first, last, attempt FROM waiting WHERE step = ?1 AND first <= ?2 "
                   "ORDER BY first DESC LIMIT 1",
    [FROM_WAITING] = "SELECT first, last, attempt FROM waiting WHERE step = ?1 AND first > ?2 "
                     "ORDER BY first LIMIT 1",
    [ADD_WITHDRAWN] = "INSERT OR IGNORE INTO withdrawn (task, text) VALUES (?1, ?2)",
    [NEXT_WITHDRAWN] =
        "SELECT task, text FROM withdrawn WHERE task BETWEEN ?1 AND ?2 ORDER BY task LIMIT 1",
    [DROP_WITHDRAWN] = "DELETE FROM withdrawn WHERE task = ?1",
    [PUT_MARK] = "UPDATE mark SET value = max(value, ?1) WHERE name = 'suppression'",
};

/* ---- claims in memory ---- */

static void free_claim(struct claim *claim)
{
    free(claim->ranges);
    free(claim->left);
    free(claim);
}

static void free_claims(struct journal_state *state)
{
    for (size_t i = 0; i < state->claim_count; i++)
        free_claim(state->claims[i]);
    free(state->claims);
    state->claims = NULL;
    state->claim_count = 0;
    state->recent = NULL;
}

static struct claim *add_claim(struct journal_state *state, uint64_t id, int step,
                               const char *instance)
{
    struct claim *claim = memory_new(sizeof *claim);
    claim->id = id;
    claim->step = step;
    text_copy(claim->instance, sizeof claim->instance, instance);
    state->claims = memory_resize(state->claims, (state->claim_count + 1) * sizeof *state->claims);
    state->claims[state->claim_count++] = claim;
    return claim;
}

static void add_range(struct claim *claim, uint64_t first, uint64_t last, uint32_t attempt)
{
    claim->ranges = memory_resize(claim->ranges, (claim->count + 1) * sizeof *claim->ranges);
    claim->ranges[claim->count++] =
        (struct range){.first = first, .last = last, .attempt = attempt, .bit = claim->remaining};
    claim->remaining += last - first + 1;
}

static void make_bits(struct claim *claim)
{
    claim->left = memory_new((size_t)(claim->remaining / 8 + 1));
}

static struct claim *find_claim(struct journal_state *state, uint64_t id)
{
    if (state->recent && state->recent->id == id)
        return state->recent;
    for (size_t i = 0; i < state->claim_count; i++)
        if (state->claims[i]->id == id)
            return state->recent = state->claims[i];
    return NULL;
}

static int compare_range(const void *key, const void *element)
{
    uint64_t ordinal = *(const uint64_t *)key;
    const struct range *range = element;
    return ordinal < range->first ? -1 : ordinal > range->last;
}

/* The range of a task that is still in the claim, or NULL. */
const struct range *journal_held(const struct claim *claim, uint64_t ordinal, uint64_t *bit)
{
    const struct range *range = claim->ranges;
    if (claim->count != 1 || ordinal < range->first || ordinal > range->last)
        range =
            bsearch(&ordinal, claim->ranges, claim->count, sizeof *claim->ranges, compare_range);
    if (!range)
        return NULL;
    *bit = range->bit + (ordinal - range->first);
    return claim->left[*bit / 8] & 1u << *bit % 8 ? NULL : range;
}

static void leave(struct claim *claim, uint64_t bit)
{
    claim->left[bit / 8] = (unsigned char)(claim->left[bit / 8] | 1u << bit % 8);
    claim->remaining--;
}

/* ---- reading the file ---- */

static int load_steps(struct journal_state *state, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(state->db,
                    "SELECT number, name, action, parent, after, repeatable, total, waiting, "
                    "claimed, deferred, delivered,\n"
                    "       rejected, skipped, unknown,\n"
                    "       (SELECT coalesce(sum(last - first + 1), 0) FROM waiting WHERE "
                    "waiting.step = step.number),\n"
                    "       (SELECT count(*) FROM withdrawn WHERE task BETWEEN number << 40 AND "
                    "((number + 1) << 40) - 1)\n"
                    "FROM step\n"
                    "ORDER BY number",
                    error);
    if (!select)
        return -1;
    int more;
    size_t count = 0;
    while ((more = sql_row(select, error)) > 0 && count < JOURNAL_STEPS) {
        struct step *step = &state->steps[count++];
        struct journal_step kept = step->is; /* the retry settings are not in the file */
        *step = (struct step){.is = {.retry_us = kept.retry_us, .give_up_us = kept.give_up_us}};
        step->is.number = sqlite3_column_int(select, 0);
        text_copy(step->is.name, sizeof step->is.name, sql_text(select, 1));
        text_copy(step->is.action, sizeof step->is.action, sql_text(select, 2));
        step->is.parent = sqlite3_column_int(select, 3);
        step->is.after = sqlite3_column_int(select, 4);
        step->is.repeatable = sqlite3_column_int(select, 5);
        step->counts.total = (uint64_t)sqlite3_column_int64(select, 6);
        step->counts.waiting = (uint64_t)sqlite3_column_int64(select, 7);
        step->counts.claimed = (uint64_t)sqlite3_column_int64(select, 8);
        step->counts.deferred = (uint64_t)sqlite3_column_int64(select, 9);
        step->counts.ended[OUTCOME_DELIVERED] = (uint64_t)sqlite3_column_int64(select, 10);
        step->counts.ended[OUTCOME_REJECTED] = (uint64_t)sqlite3_column_int64(select, 11);
        step->counts.ended[OUTCOME_SKIPPED] = (uint64_t)sqlite3_column_int64(select, 12);
        step->counts.ended[OUTCOME_UNKNOWN] = (uint64_t)sqlite3_column_int64(select, 13);
        step->counts.runnable = (uint64_t)sqlite3_column_int64(select, 14);
        step->withdrawn = (uint64_t)sqlite3_column_int64(select, 15);
    }
    state->step_count = count;
    return more < 0 ? -1 : 0;
}

struct step *journal_find_step(struct journal_state *state, int number)
{
    for (size_t i = 0; i < state->step_count; i++)
        if (state->steps[i].is.number == number)
            return &state->steps[i];
    return NULL;
}

/* Mark the tasks that one column of rows names as having left the claim. */
static int mark_left(struct claim *claim, sqlite3_stmt *select, uint64_t mask, struct error *error)
{
    int more;
    while ((more = sql_row(select, error)) > 0)
        for (uint64_t o = (uint64_t)sqlite3_column_int64(select, 0) & mask,
                      last = (uint64_t)sqlite3_column_int64(select, 1) & mask;
             o <= last; o++) {
            uint64_t bit;
            if (journal_held(claim, o, &bit))
                leave(claim, bit);
        }
    return more;
}

static int load_claim(struct journal_state *state, struct claim *claim, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *ranges = sql_prepare(
        state->db, "SELECT first, last, attempt FROM claim_range WHERE claim = ?1 ORDER BY first",
        error);
    STATEMENT_CLEAN sqlite3_stmt *left =
        sql_prepare(state->db, "SELECT first, last FROM claim_left WHERE claim = ?1", error);
    STATEMENT_CLEAN sqlite3_stmt *ended = sql_prepare(
        state->db, "SELECT task, task FROM outcome WHERE task BETWEEN ?1 AND ?2", error);
    if (!ranges || !left || !ended)
        return -1;
    sqlite3_bind_int64(ranges, 1, (int64_t)claim->id);
    int more;
    while ((more = sql_row(ranges, error)) > 0)
        add_range(claim, (uint64_t)sqlite3_column_int64(ranges, 0),
                  (uint64_t)sqlite3_column_int64(ranges, 1),
                  (uint32_t)sqlite3_column_int(ranges, 2));
    if (more < 0)
        return -1;
    make_bits(claim);
    sqlite3_bind_int64(left, 1, (int64_t)claim->id);
    if (mark_left(claim, left, UINT64_MAX, error) < 0)
        return -1;
    for (size_t i = 0; i < claim->count; i++) {
        int step = state->steps[claim->step].is.number;
        sqlite3_bind_int64(ended, 1, journal_task_row(step, claim->ranges[i].first));
        sqlite3_bind_int64(ended, 2, journal_task_row(step, claim->ranges[i].last));
        if (mark_left(claim, ended, JOURNAL_ORDINALS, error) < 0)
            return -1;
    }
    return 0;
}

static int load_claims(struct journal_state *state, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(state->db, "SELECT id, step, instance FROM claim", error);
    STATEMENT_CLEAN sqlite3_stmt *last =
        sql_prepare(state->db, "SELECT seq FROM sqlite_sequence WHERE name = 'claim'", error);
    if (!select || !last)
        return -1;
    free_claims(state);
    int more;
    while ((more = sql_row(select, error)) > 0) {
        struct step *step = journal_find_step(state, sqlite3_column_int(select, 1));
        if (!step)
            return error_set(error, ERROR_INPUT,
                             "run %u: a claim names step %d, which is not there", state->run,
                             sqlite3_column_int(select, 1));
        add_claim(state, (uint64_t)sqlite3_column_int64(select, 0), (int)(step - state->steps),
                  sql_text(select, 2));
    }
    for (size_t i = 0; more == 0 && i < state->claim_count; i++)
        if (load_claim(state, state->claims[i], error) != 0)
            return -1;
    state->last_claim = (uint64_t)state->run << 32;
    if (more == 0 && (more = sql_row(last, error)) > 0) {
        state->last_claim = (uint64_t)sqlite3_column_int64(last, 0);
        sqlite3_reset(last);
    }
    return more < 0 ? -1 : 0;
}

static void publish(struct journal_state *state)
{
    pthread_mutex_lock(&state->mutex);
    for (size_t i = 0; i < state->step_count; i++)
        state->published[i] = state->steps[i].counts;
    pthread_mutex_unlock(&state->mutex);
}

static int load_mark(struct journal_state *state, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(state->db, "SELECT value FROM mark WHERE name = 'suppression'", error);
    int found = select ? sql_row(select, error) : -1;
    if (found > 0)
        state->mark = sqlite3_column_int64(select, 0);
    return found < 0 ? -1 : 0;
}

static int journal_reload(struct journal_state *state, struct error *error)
{
    if (load_steps(state, error) != 0 || load_claims(state, error) != 0 ||
        load_mark(state, error) != 0)
        return -1;
    publish(state);
    return 0;
}

/* ---- waiting ranges ---- */

sqlite3_stmt *journal_bound(struct journal_state *state, int which, int step, uint64_t a,
                            uint64_t b)
{
    sqlite3_stmt *statement = state->statements[which];
    sqlite3_bind_int(statement, 1, step);
    sqlite3_bind_int64(statement, 2, (int64_t)a);
    if (sqlite3_bind_parameter_count(statement) > 2)
        sqlite3_bind_int64(statement, 3, (int64_t)b);
    return statement;
}

/* Tasks [first, last] wait (again); joined with the range before where they touch. Counters are the
 * caller's. */
static int add_waiting(struct journal_state *state, struct step *step, struct range range,
                       struct error *error)
{
    step->counts.runnable += range.last - range.first + 1;
    sqlite3_stmt *before = journal_bound(state, BEFORE_WAITING, step->is.number, range.first, 0);
    int found = sql_row(before, error);
    if (found < 0)
        return -1;
    uint64_t start = found ? (uint64_t)sqlite3_column_int64(before, 0) : 0;
    bool touches = found && (uint64_t)sqlite3_column_int64(before, 1) + 1 == range.first &&
                   (uint32_t)sqlite3_column_int(before, 2) == range.attempt;
    sqlite3_reset(before);
    if (touches)
        return sql_done(journal_bound(state, EXTEND_WAITING, step->is.number, start, range.last),
                        error);
    sqlite3_stmt *add = journal_bound(state, ADD_WAITING, step->is.number, range.first, range.last);
    sqlite3_bind_int(add, 4, (int)range.attempt);
    return sql_done(add, error);
}

int journal_flush_released(struct journal_state *state, struct step *step, struct error *error)
{
    if (!step->releasing)
        return 0;
    step->releasing = false;
    return add_waiting(state, step, step->released, error);
}

static int release(struct journal_state *state, struct step *step, uint64_t ordinal,
                   struct error *error)
{
    if (step->releasing && step->released.last + 1 == ordinal) {
        step->released.last++;
        return 0;
    }
    if (journal_flush_released(state, step, error) != 0)
        return -1;
    step->releasing = true;
    step->released = (struct range){.first = ordinal, .last = ordinal, .attempt = 1};
    return 0;
}

/* ---- outcomes ---- */

int journal_has_outcome(struct journal_state *state, int step, uint64_t ordinal,
                        struct error *error)
{
    sqlite3_stmt *find = state->statements[HAS_OUTCOME];
    sqlite3_bind_int64(find, 1, journal_task_row(step, ordinal));
    int found = sql_row(find, error);
    sqlite3_reset(find);
    return found;
}

static int add_documents(struct journal_state *state, int64_t task, const struct outcome *outcome,
                         struct error *error)
{
    for (uint32_t i = 0; i < outcome->document_count; i++) {
        const struct wire_document *document = &outcome->documents[i];
        sqlite3_stmt *add = state->statements[ADD_DOCUMENT];
        sqlite3_bind_int64(add, 1, task);
        sqlite3_bind_int64(add, 2, i + 1);
        sql_bind_text(add, 3, document->segment);
        sqlite3_bind_int64(add, 4, (int64_t)document->number);
        sqlite3_bind_int64(add, 5, (int64_t)document->offset);
        sqlite3_bind_int64(add, 6, (int64_t)document->length);
        sqlite3_bind_blob(add, 7, document->hash, sizeof document->hash, SQLITE_STATIC);
        sqlite3_bind_blob(add, 8, document->salt, sizeof document->salt, SQLITE_STATIC);
        sqlite3_bind_blob(add, 9, document->chain, sizeof document->chain, SQLITE_STATIC);
        sql_bind_text(add, 10, document->name);
        sql_bind_text(add, 11, document->mime_type);
        if (sql_done(add, error) != 0)
            return -1;
    }
    return 0;
}

int journal_add_outcome(struct journal_state *state, struct step *step, uint64_t ordinal,
                        uint32_t attempt, const struct outcome *outcome, struct error *error)
{
    int64_t task = journal_task_row(step->is.number, ordinal);
    sqlite3_stmt *add = state->statements[ADD_OUTCOME];
    sqlite3_bind_int64(add, 1, task);
    sqlite3_bind_int(add, 2, outcome->status);
    sqlite3_bind_int(add, 3, outcome->code);
    sqlite3_bind_int(add, 4, (int)attempt);
    sqlite3_bind_int64(add, 5, outcome->time_us);
    if (*outcome->remote_id)
        sql_bind_text(add, 6, outcome->remote_id);
    else
        sqlite3_bind_null(add, 6);
    if (*outcome->text)
        sql_bind_text(add, 7, outcome->text);
    else
        sqlite3_bind_null(add, 7);
    if (sql_done(add, error) != 0)
        return -1;
    step->counts.ended[outcome->status]++;
    step->dirty = true;
    return outcome->document_count ? add_documents(state, task, outcome, error) : 0;
}

/* What waits for this step's outcome becomes runnable, or is skipped with the reason; and so on
 * down the chain. */
int journal_release_children(struct journal_state *state, const struct step *parent,
                             uint64_t ordinal, int status, struct error *error)
{
    for (size_t i = 0; i < state->step_count; i++) {
        struct step *child = &state->steps[i];
        if (child->is.parent != parent->is.number)
            continue;
        int over = journal_has_outcome(state, child->is.number, ordinal,
                                       error); /* its own condition did not hold */
        if (over < 0)
            return -1;
        if (over)
            continue;
        if (child->is.after == JOURNAL_AFTER_ANY || status == child->is.after) {
            if (release(state, child, ordinal, error) != 0)
                return -1;
            continue;
        }
        struct outcome skipped = {.status = OUTCOME_SKIPPED, .time_us = clock_now_us()};
        snprintf(skipped.text, sizeof skipped.text, "the step »%s« before it ended as %s",
                 parent->is.name, outcome_name(status));
        child->counts.waiting--;
        if (journal_add_outcome(state, child, ordinal, 0, &skipped, error) != 0 ||
            journal_release_children(state, child, ordinal, OUTCOME_SKIPPED, error) != 0)
            return -1;
    }
    return 0;
}

#define RETRY_LONGEST_US (INT64_C(3600) * 1000000)

static int64_t pause_us(const struct step *step, uint32_t attempt)
{
    int64_t pause = step->is.retry_us > 0 ? step->is.retry_us : 60000000;
    for (uint32_t i = 1; i < attempt && pause < RETRY_LONGEST_US; i++)
        pause *= 2;
    return pause < RETRY_LONGEST_US ? pause : RETRY_LONGEST_US;
}

static int deferred_since(struct journal_state *state, int64_t task, int64_t *since_us,
                          struct error *error)
{
    sqlite3_stmt *find = state->statements[FIND_DEFERRED];
    sqlite3_bind_int64(find, 1, task);
    int found = sql_row(find, error);
    if (found > 0) {
        *since_us = sqlite3_column_int64(find, 0);
        sqlite3_reset(find);
    }
    return found < 0 ? -1 : 0;
}

static int add_left(struct journal_state *state, uint64_t claim, uint64_t first, uint64_t last,
                    struct error *error)
{
    sqlite3_stmt *add = state->statements[ADD_CLAIM_LEFT];
    sqlite3_bind_int64(add, 1, (int64_t)claim);
    sqlite3_bind_int64(add, 2, (int64_t)first);
    sqlite3_bind_int64(add, 3, (int64_t)last);
    return sql_done(add, error);
}

static int defer(struct journal_state *state, struct step *step, uint64_t claim, uint64_t ordinal,
                 uint32_t attempt, int64_t since_us, const struct outcome *outcome,
                 struct error *error)
{
    int64_t due = clock_now_us() + pause_us(step, attempt);
    sqlite3_stmt *put = state->statements[PUT_DEFERRED];
    sqlite3_bind_int64(put, 1, journal_task_row(step->is.number, ordinal));
    sqlite3_bind_int(put, 2, (int)attempt + 1);
    sqlite3_bind_int64(put, 3, since_us);
    sqlite3_bind_int64(put, 4, outcome->not_before_us > due ? outcome->not_before_us : due);
    sqlite3_bind_int(put, 5, outcome->code);
    sql_bind_text(put, 6, outcome->text);
    step->counts.deferred++;
    return sql_done(put, error) != 0 ? -1 : add_left(state, claim, ordinal, ordinal, error);
}

static int drop_claim_if_empty(struct journal_state *state, struct claim *claim,
                               struct error *error)
{
    if (claim->remaining)
        return 0;
    for (int which = DROP_CLAIM; which <= DROP_CLAIM_LEFT; which++) {
        sqlite3_bind_int64(state->statements[which], 1, (int64_t)claim->id);
        if (sql_done(state->statements[which], error) != 0)
            return -1;
    }
    size_t i = 0;
    while (state->claims[i] != claim)
        i++;
    state->claims[i] = state->claims[--state->claim_count];
    if (state->recent == claim)
        state->recent = NULL;
    free_claim(claim);
    return 0;
}

/* A held task ends. `outcome` may be changed: a deferral that has lasted too long is a rejection, one
 * of a withdrawn task is its end. */
static int end_task(struct journal_state *state, struct claim *claim, uint64_t ordinal,
                    uint32_t attempt, struct outcome *outcome, struct error *error)
{
    struct step *step = &state->steps[claim->step];
    int64_t task = journal_task_row(step->is.number, ordinal);
    step->counts.claimed--;
    step->dirty = true;
    if (journal_end_withdrawn(state, step, ordinal, outcome, error) < 0)
        return -1;
    if (outcome->status == OUTCOME_DEFERRED) {
        int64_t since_us = clock_now_us();
        if (attempt > 1 && deferred_since(state, task, &since_us, error) != 0)
            return -1;
        if (step->is.give_up_us <= 0 || clock_now_us() - since_us < step->is.give_up_us)
            return defer(state, step, claim->id, ordinal, attempt, since_us, outcome, error);
        outcome->status = OUTCOME_REJECTED;
        char text[OUTCOME_TEXT];
        text_copy(text, sizeof text - 72, outcome->text);
        snprintf(outcome->text, sizeof outcome->text, "given up after %u attempts: %.440s", attempt,
                 text);
    }
    if (attempt > 1) {
        sqlite3_bind_int64(state->statements[DROP_DEFERRED], 1, task);
        if (sql_done(state->statements[DROP_DEFERRED], error) != 0)
            return -1;
    }
    if (journal_add_outcome(state, step, ordinal, attempt, outcome, error) != 0)
        return -1;
    return journal_release_children(state, step, ordinal, outcome->status, error);
}

static int apply_outcome(struct journal_state *state, uint64_t claim_id, uint64_t ordinal,
                         struct outcome *outcome, uint64_t *left, struct error *error)
{
    uint64_t bit;
    struct claim *claim = find_claim(state, claim_id);
    const struct range *range = claim ? journal_held(claim, ordinal, &bit) : NULL;
    if (!range)
        return 0;
    leave(claim, bit);
    ++*left;
    if (end_task(state, claim, ordinal, range->attempt, outcome, error) != 0)
        return -1;
    return drop_claim_if_empty(state, claim, error);
}

/* A worker that its plugin has damaged says what is no outcome. It was begun, so it is in doubt. */
static void make_unreadable(struct outcome *outcome)
{
    *outcome = (struct outcome){.status = OUTCOME_UNKNOWN, .time_us = clock_now_us()};
    text_copy(outcome->text, sizeof outcome->text, "its worker's report could not be read");
}

int journal_outcomes(struct journal *journal, struct frame_reader items, uint64_t *left,
                     struct error *error)
{
    struct journal_state *state = journal->state;
    uint32_t count = get_count(&items, 28);
    *left = 0;
    for (uint32_t i = 0; i < count && !items.bad; i++) {
        get_u64(&items); /* the sequence is the dispatcher's */
        uint64_t claim = get_u64(&items);
        uint64_t ordinal = get_u64(&items);
        size_t size;
        const char *data = get_bytes(&items, &size);
        struct frame_reader reader = {.data = (const unsigned char *)data, .size = size};
        struct outcome outcome;
        if (JOURNAL_RUN_OF(claim) != state->run)
            continue;
        outcome_get(&reader, &outcome);
        if (reader.bad)
            make_unreadable(&outcome);
        int result = apply_outcome(state, claim, ordinal, &outcome, left, error);
        outcome_free(&outcome);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* ---- given back ---- */

/* Where a range of waiting tasks begins that `ordinal` lies in: 1, 0 if it does not wait, -1. */
int journal_find_waiting(struct journal_state *state, const struct step *step, uint64_t ordinal,
                         struct range *range, struct error *error)
{
    sqlite3_stmt *at = journal_bound(state, AT_WAITING, step->is.number, ordinal, 0);
    int found = sql_row(at, error);
    if (found <= 0)
        return found;
    *range = (struct range){.first = (uint64_t)sqlite3_column_int64(at, 0),
                            .last = (uint64_t)sqlite3_column_int64(at, 1),
                            .attempt = (uint32_t)sqlite3_column_int(at, 2)};
    sqlite3_reset(at);
    return ordinal <= range->last;
}

/* Take [first, last] out of `range`, which is one row of `waiting` and holds them. */
int journal_take_out(struct journal_state *state, struct step *step, struct range range,
                     uint64_t first, uint64_t last, struct error *error)
{
    int number = step->is.number;
    int result =
        first > range.first
            ? sql_done(journal_bound(state, EXTEND_WAITING, number, range.first, first - 1), error)
        : last < range.last
            ? sql_done(journal_bound(state, CUT_WAITING, number, range.first, last + 1), error)
            : sql_done(journal_bound(state, DROP_WAITING, number, range.first, 0), error);
    step->counts.runnable -= last - first + 1;
    if (result != 0 || first == range.first || last == range.last)
        return result;
    sqlite3_stmt *add = journal_bound(state, ADD_WAITING, number, last + 1, range.last);
    sqlite3_bind_int(add, 4, (int)range.attempt);
    return sql_done(add, error);
}

/* Tasks [first, last] of one range of a claim, all still held, wait again. */
static int give_back(struct journal_state *state, struct claim *claim, struct range range,
                     struct error *error)
{
    struct step *step = &state->steps[claim->step];
    uint64_t tasks = range.last - range.first + 1;
    for (uint64_t ordinal = range.first; ordinal <= range.last; ordinal++) {
        uint64_t bit;
        journal_held(claim, ordinal, &bit);
        leave(claim, bit);
    }
    step->counts.claimed -= tasks;
    step->counts.waiting += tasks;
    step->dirty = true;
    return add_left(state, claim->id, range.first, range.last, error) != 0 ||
                   add_waiting(state, step, range, error) != 0
               ? -1
               : journal_skip_withdrawn(state, step, range.first, range.last, error);
}

/* Of [first, last] give back what the claim still holds, in as few ranges as may be. */
static int give_back_held(struct journal_state *state, struct claim *claim, uint64_t first,
                          uint64_t last, uint64_t *left, struct error *error)
{
    for (size_t i = 0; i < claim->count; i++) {
        struct range range = claim->ranges[i];
        uint64_t to = last < range.last ? last : range.last;
        for (uint64_t o = first > range.first ? first : range.first, bit; o <= to; o++) {
            if (!journal_held(claim, o, &bit))
                continue;
            struct range part = {.first = o, .attempt = range.attempt};
            while (o < to && journal_held(claim, o + 1, &bit))
                o++;
            part.last = o;
            *left += part.last - part.first + 1;
            if (give_back(state, claim, part, error) != 0)
                return -1;
        }
    }
    return 0;
}

int journal_returned(struct journal *journal, struct frame_reader payload, uint64_t *left,
                     struct error *error)
{
    struct journal_state *state = journal->state;
    struct claim *claim = find_claim(state, get_u64(&payload));
    uint32_t count = get_count(&payload, 16);
    *left = 0;
    for (uint32_t i = 0; claim && i < count; i++) {
        uint64_t first = get_u64(&payload), last = get_u64(&payload);
        if (give_back_held(state, claim, first, last, left, error) != 0)
            return -1;
    }
    return claim ? drop_claim_if_empty(state, claim, error) : 0;
}

/* ---- claiming ---- */

/* Take up to `limit` tasks from the front of what waits. 1 taken, 0 nothing there, -1. */
static int take_range(struct journal_state *state, struct step *step, uint64_t limit,
                      struct range *range, struct error *error)
{
    sqlite3_stmt *take = journal_bound(state, TAKE_WAITING, step->is.number, 0, 0);
    int found = sql_row(take, error);
    if (found <= 0)
        return found;
    *range = (struct range){.first = (uint64_t)sqlite3_column_int64(take, 0),
                            .last = (uint64_t)sqlite3_column_int64(take, 1),
                            .attempt = (uint32_t)sqlite3_column_int(take, 2)};
    sqlite3_reset(take);
    uint64_t end = range->last;
    if (end - range->first >= limit)
        range->last = range->first + limit - 1;
    int which = range->last < end ? CUT_WAITING : DROP_WAITING;
    if (sql_done(journal_bound(state, which, step->is.number, range->first, range->last + 1),
                 error) != 0)
        return -1;
    step->counts.runnable -= range->last - range->first + 1;
    return 1;
}

/* Where a claim stands among the tasks that it may take. */
struct among {
    const struct journal_range *ranges;
    size_t count;
    uint64_t at; /* the next ordinal of ranges[0]; 0: its first */
};

static int next_waiting_at(struct journal_state *state, const struct step *step, uint64_t ordinal,
                           struct range *range, struct error *error)
{
    int found = journal_find_waiting(state, step, ordinal, range, error);
    if (found)
        return found;
    sqlite3_stmt *from = journal_bound(state, FROM_WAITING, step->is.number, ordinal, 0);
    found = sql_row(from, error);
    if (found <= 0)
        return found;
    *range = (struct range){.first = (uint64_t)sqlite3_column_int64(from, 0),
                            .last = (uint64_t)sqlite3_column_int64(from, 1),
                            .attempt = (uint32_t)sqlite3_column_int(from, 2)};
    sqlite3_reset(from);
    return 1;
}

/* As take_range, of the tasks that `among` still has. */
static int take_among(struct journal_state *state, struct step *step, uint64_t limit,
                      struct among *among, struct range *range, struct error *error)
{
    for (; among->count; among->ranges++, among->count--, among->at = 0) {
        uint64_t at = among->at ? among->at : among->ranges->first;
        struct range row;
        int found = at <= among->ranges->last ? next_waiting_at(state, step, at, &row, error) : 0;
        if (found < 0)
            return -1;
        if (!found || row.first > among->ranges->last)
            continue;
        *range =
            (struct range){.first = row.first > at ? row.first : at,
                           .last = row.last < among->ranges->last ? row.last : among->ranges->last,
                           .attempt = row.attempt};
        if (range->last - range->first >= limit)
            range->last = range->first + limit - 1;
        among->at = range->last + 1;
        return journal_take_out(state, step, row, range->first, range->last, error) != 0 ? -1 : 1;
    }
    return 0;
}

int journal_peek(struct journal *journal, int step_number, size_t limit,
                 struct journal_range *ranges, size_t *count, struct error *error)
{
    struct journal_state *state = journal->state;
    struct step *step = journal_find_step(state, step_number);
    *count = 0;
    if (!step || journal_flush_released(state, step, error) != 0)
        return step ? -1 : 0;
    struct range row = {0};
    int found = next_waiting_at(state, step, 0, &row, error);
    for (; found > 0 && limit; found = next_waiting_at(state, step, row.last + 1, &row, error)) {
        uint64_t tasks = row.last - row.first + 1;
        tasks = tasks < limit ? tasks : limit;
        ranges[(*count)++] =
            (struct journal_range){.first = row.first, .last = row.first + tasks - 1};
        limit -= tasks;
    }
    return found < 0 ? -1 : 0;
}

static int put_documents(struct journal_state *state, const struct step *parent,
                         const struct range *range, struct buffer *frame, uint32_t *count,
                         struct error *error)
{
    sqlite3_stmt *find = state->statements[FIND_DOCUMENTS];
    sqlite3_bind_int64(find, 1, journal_task_row(parent->is.number, range->first));
    sqlite3_bind_int64(find, 2, journal_task_row(parent->is.number, range->last));
    int more;
    while ((more = sql_row(find, error)) > 0) {
        struct wire_document document = {.number = (uint64_t)sqlite3_column_int64(find, 2),
                                         .offset = (uint64_t)sqlite3_column_int64(find, 3),
                                         .length = (uint64_t)sqlite3_column_int64(find, 4)};
        text_copy(document.segment, sizeof document.segment, sql_text(find, 1));
        sql_blob(find, 5, document.hash, sizeof document.hash);
        sql_blob(find, 6, document.salt, sizeof document.salt);
        sql_blob(find, 7, document.chain, sizeof document.chain);
        text_copy(document.name, sizeof document.name, sql_text(find, 8));
        text_copy(document.mime_type, sizeof document.mime_type, sql_text(find, 9));
        put_u64(frame, (uint64_t)sqlite3_column_int64(find, 0) & JOURNAL_ORDINALS);
        put_text(frame, parent->is.name);
        document_put(frame, &document);
        ++*count;
    }
    return more;
}

/* The documents of all steps that this one depends on, nearest first. */
static int put_ancestors_documents(struct journal_state *state, const struct step *step,
                                   const struct claim *claim, struct buffer *frame,
                                   struct error *error)
{
    size_t mark = frame->size;
    uint32_t count = 0;
    put_u32(frame, 0);
    const struct step *ancestor = journal_find_step(state, step->is.parent);
    for (size_t guard = 0; ancestor && guard < JOURNAL_STEPS; guard++) {
        for (size_t i = 0; i < claim->count; i++)
            if (put_documents(state, ancestor, &claim->ranges[i], frame, &count, error) < 0)
                return -1;
        ancestor = journal_find_step(state, ancestor->is.parent);
    }
    BUFFER_CLEAN struct buffer number = {0};
    put_u32(&number, count);
    memcpy(frame->data + mark, number.data, number.size);
    return 0;
}

static int record_claim(struct journal_state *state, const struct claim *claim, struct error *error)
{
    sqlite3_stmt *add = state->statements[ADD_CLAIM];
    sqlite3_bind_int64(add, 1, (int64_t)claim->id);
    sqlite3_bind_int(add, 2, state->steps[claim->step].is.number);
    sql_bind_text(add, 3, claim->instance);
    sqlite3_bind_int64(add, 4, clock_now_us());
    if (sql_done(add, error) != 0)
        return -1;
    for (size_t i = 0; i < claim->count; i++) {
        add = state->statements[ADD_CLAIM_RANGE];
        sqlite3_bind_int64(add, 1, (int64_t)claim->id);
        sqlite3_bind_int64(add, 2, (int64_t)claim->ranges[i].first);
        sqlite3_bind_int64(add, 3, (int64_t)claim->ranges[i].last);
        sqlite3_bind_int(add, 4, (int)claim->ranges[i].attempt);
        if (sql_done(add, error) != 0)
            return -1;
    }
    return 0;
}

static int put_claim_frame(struct journal_state *state, const struct claim *claim, uint32_t job,
                           struct buffer *frame, struct error *error)
{
    size_t mark = frame_begin(frame, FRAME_CLAIM);
    put_u32(frame, job);
    put_u64(frame, claim->id);
    put_u32(frame, (uint32_t)claim->count);
    for (size_t i = 0; i < claim->count; i++) {
        put_u64(frame, claim->ranges[i].first);
        put_u64(frame, claim->ranges[i].last);
        put_u32(frame, claim->ranges[i].attempt);
    }
    if (put_ancestors_documents(state, &state->steps[claim->step], claim, frame, error) != 0)
        return -1;
    frame_end(frame, mark);
    return 0;
}

static int take_next(struct journal_state *state, struct step *step, uint64_t limit,
                     struct among *among, struct range *range, struct error *error)
{
    return among->ranges ? take_among(state, step, limit, among, range, error)
                         : take_range(state, step, limit, range, error);
}

int journal_claim(struct journal *journal, int step_number, const char *instance, uint64_t limit,
                  const struct journal_range *only, size_t only_count, uint32_t job,
                  struct buffer *frame, uint64_t *claim_id, uint64_t *tasks, struct error *error)
{
    struct journal_state *state = journal->state;
    struct step *step = journal_find_step(state, step_number);
    *tasks = *claim_id = 0;
    if (!step || journal_flush_released(state, step, error) != 0)
        return step ? -1
                    : error_set(error, ERROR_INTERNAL, "run %u has no step %d", state->run,
                                step_number);
    struct range range;
    struct among among = {.ranges = only, .count = only_count};
    int found = take_next(state, step, limit, &among, &range, error);
    if (found <= 0)
        return found;
    struct claim *claim =
        add_claim(state, ++state->last_claim, (int)(step - state->steps), instance);
    do {
        add_range(claim, range.first, range.last, range.attempt);
        found = claim->remaining < limit
                    ? take_next(state, step, limit - claim->remaining, &among, &range, error)
                    : 0;
    } while (found > 0);
    if (found < 0)
        return -1;
    make_bits(claim);
    *claim_id = claim->id;
    *tasks = claim->remaining;
    step->counts.waiting -= claim->remaining;
    step->counts.claimed += claim->remaining;
    step->dirty = true;
    return record_claim(state, claim, error) != 0
               ? -1
               : put_claim_frame(state, claim, job, frame, error);
}

/* ---- deferred ---- */

static int wake(struct journal_state *state, int64_t task, uint32_t attempt, struct error *error)
{
    struct step *step = journal_find_step(state, (int)(task >> JOURNAL_TASK_BITS));
    uint64_t ordinal = (uint64_t)task & JOURNAL_ORDINALS;
    sqlite3_bind_int64(state->statements[WAKE_DEFERRED], 1, task);
    if (!step || sql_done(state->statements[WAKE_DEFERRED], error) != 0)
        return step ? -1 : error_set(error, ERROR_INTERNAL, "a deferred task of an unknown step");
    step->counts.deferred--;
    step->counts.waiting++;
    step->dirty = true;
    return add_waiting(
        state, step, (struct range){.first = ordinal, .last = ordinal, .attempt = attempt}, error);
}

int journal_due(struct journal *journal, int64_t now_us, int64_t *next_us, struct error *error)
{
    struct journal_state *state = journal->state;
    sqlite3_stmt *due = state->statements[DUE_DEFERRED];
    int64_t tasks[1000];
    uint32_t attempts[1000];
    size_t count = 0;
    int more;
    sqlite3_bind_int64(due, 1, now_us);
    while ((more = sql_row(due, error)) > 0 && count < 1000) {
        tasks[count] = sqlite3_column_int64(due, 0);
        attempts[count++] = (uint32_t)sqlite3_column_int(due, 1);
    }
    sqlite3_reset(due);
    for (size_t i = 0; more >= 0 && i < count; i++)
        if (wake(state, tasks[i], attempts[i], error) != 0)
            return -1;
    sqlite3_stmt *next = state->statements[NEXT_DEFERRED];
    if (more < 0 || sql_row(next, error) < 0)
        return -1;
    *next_us = sqlite3_column_int64(next, 0);
    sqlite3_reset(next);
    return 0;
}

/* ---- recovery ---- */

/* By claim and task, ends before begins, so that the first of a task says what became of it. */
static int compare_record(const void *a, const void *b)
{
    const struct journal_record *x = a, *y = b;
    if (x->claim != y->claim)
        return x->claim < y->claim ? -1 : 1;
    if (x->ordinal != y->ordinal)
        return x->ordinal < y->ordinal ? -1 : 1;
    return (int)y->ended - (int)x->ended;
}

static int compare_task(const void *key, const void *element)
{
    const struct journal_record *x = key, *y = element;
    return x->claim != y->claim       ? (x->claim < y->claim ? -1 : 1)
           : x->ordinal != y->ordinal ? (x->ordinal < y->ordinal ? -1 : 1)
                                      : 0;
}

static int apply_end(struct journal_state *state, const struct journal_record *record,
                     struct error *error)
{
    struct frame_reader reader = {.data = record->outcome, .size = record->size};
    struct outcome outcome;
    uint64_t left = 0;
    outcome_get(&reader, &outcome);
    if (reader.bad)
        return 0;
    int result = apply_outcome(state, record->claim, record->ordinal, &outcome, &left, error);
    outcome_free(&outcome);
    return result;
}

/* What the log does not end: in doubt, or back to waiting. */
static int settle_task(struct journal_state *state, struct claim *claim, uint64_t ordinal,
                       uint32_t attempt, bool in_doubt, const char *why, struct error *error)
{
    if (!in_doubt)
        return give_back(state, claim,
                         (struct range){.first = ordinal, .last = ordinal, .attempt = attempt},
                         error);
    struct outcome unknown = {.status = OUTCOME_UNKNOWN, .time_us = clock_now_us()};
    text_copy(unknown.text, sizeof unknown.text, why);
    uint64_t bit;
    journal_held(claim, ordinal, &bit);
    leave(claim, bit);
    return end_task(state, claim, ordinal, attempt, &unknown, error);
}

static int recover_claim(struct journal_state *state, struct claim *claim,
                         const struct journal_record *records, size_t count, bool believed,
                         const char *why, struct error *error)
{
    bool repeatable = state->steps[claim->step].is.repeatable;
    if (believed && !count)
        return 0;
    for (size_t i = 0; i < claim->count; i++)
        for (uint64_t o = claim->ranges[i].first, bit; o <= claim->ranges[i].last; o++) {
            if (!journal_held(claim, o, &bit))
                continue;
            struct journal_record key = {.claim = claim->id, .ordinal = o};
            bool begun = count && bsearch(&key, records, count, sizeof *records, compare_task);
            if (begun || (!believed && !repeatable))
                if (settle_task(state, claim, o, claim->ranges[i].attempt, !repeatable, why,
                                error) != 0)
                    return -1;
        }
    return 0;
}

int journal_recover(struct journal *journal, const char *instance, struct journal_record *records,
                    size_t count, bool believed, const char *why, struct error *error)
{
    struct journal_state *state = journal->state;
    if (count)
        qsort(records, count, sizeof *records, compare_record);
    for (size_t i = 0; i < count; i++)
        if (records[i].ended && apply_end(state, &records[i], error) != 0)
            return -1;
    for (size_t i = state->claim_count; i-- > 0;) {
        struct claim *claim = state->claims[i];
        uint64_t left = 0;
        if (strcmp(claim->instance, instance) != 0)
            continue;
        if (recover_claim(state, claim, records, count, believed, why, error) != 0)
            return -1;
        for (size_t k = 0; k < claim->count; k++)
            if (give_back_held(state, claim, claim->ranges[k].first, claim->ranges[k].last, &left,
                               error) != 0)
                return -1;
        if (drop_claim_if_empty(state, claim, error) != 0)
            return -1;
    }
    return 0;
}

bool journal_holds(const struct journal *journal, const char *instance)
{
    for (size_t i = 0; i < journal->state->claim_count; i++)
        if (strcmp(journal->state->claims[i]->instance, instance) == 0)
            return true;
    return false;
}

size_t journal_claims(const struct journal *journal, const char *instance, uint64_t **claims)
{
    size_t count = 0;
    *claims = memory_array(journal->state->claim_count, sizeof **claims);
    for (size_t i = 0; i < journal->state->claim_count; i++)
        if (!instance || strcmp(journal->state->claims[i]->instance, instance) == 0)
            (*claims)[count++] = journal->state->claims[i]->id;
    return count;
}

/* ---- the store's hooks ---- */

static int flush(struct store_database *database, struct error *error)
{
    struct journal_state *state = ((struct journal *)database)->state;
    for (size_t i = 0; i < state->step_count; i++) {
        struct step *step = &state->steps[i];
        if (journal_flush_released(state, step, error) != 0)
            return -1;
        if (!step->dirty)
            continue;
        sqlite3_stmt *put = state->statements[PUT_COUNTS];
        sqlite3_bind_int(put, 1, step->is.number);
        sqlite3_bind_int64(put, 2, (int64_t)step->counts.waiting);
        sqlite3_bind_int64(put, 3, (int64_t)step->counts.claimed);
        sqlite3_bind_int64(put, 4, (int64_t)step->counts.deferred);
        sqlite3_bind_int64(put, 5, (int64_t)step->counts.ended[OUTCOME_DELIVERED]);
        sqlite3_bind_int64(put, 6, (int64_t)step->counts.ended[OUTCOME_REJECTED]);
        sqlite3_bind_int64(put, 7, (int64_t)step->counts.ended[OUTCOME_SKIPPED]);
        sqlite3_bind_int64(put, 8, (int64_t)step->counts.ended[OUTCOME_UNKNOWN]);
        if (sql_done(put, error) != 0)
            return -1;
        step->dirty = false;
    }
    return 0;
}

static void committed(struct store_database *database)
{
    publish(((struct journal *)database)->state);
}

static int rolled_back(struct store_database *database, struct error *error)
{
    return journal_reload(((struct journal *)database)->state, error);
}

/* ---- making, opening ---- */

struct journal *journal_open(const char *path, uint32_t run, struct error *error)
{
    struct journal *journal = memory_new(sizeof *journal);
    struct journal_state *state = journal->state = memory_new(sizeof *state);
    pthread_mutex_init(&state->mutex, NULL);
    state->run = run;
    journal->database =
        (struct store_database){.flush = flush, .committed = committed, .rolled_back = rolled_back};
    if (access(path, F_OK) != 0) {
        error_errno(error, errno, "the run's journal %s is gone", path);
        journal_close(journal);
        return NULL;
    }
    state->db = journal->database.db = sql_open(path, error);
    bool good = state->db && journal_migrate(state->db, path, error) == 0;
    for (int i = 0; good && i < STATEMENTS; i++)
        good = (state->statements[i] = sql_prepare(state->db, journal_texts[i], error)) != NULL;
    if (!good || journal_reload(state, error) != 0) {
        journal_close(journal);
        return NULL;
    }
    return journal;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->database.db)
        sql_close(&journal->database.db);
    free_claims(journal->state);
    pthread_mutex_destroy(&journal->state->mutex);
    free(journal->state);
    free(journal);
}

size_t journal_steps(const struct journal *journal, struct journal_step *steps)
{
    for (size_t i = 0; i < journal->state->step_count; i++)
        steps[i] = journal->state->steps[i].is;
    return journal->state->step_count;
}

void journal_set_retry(struct journal *journal, int number, int64_t retry_us, int64_t give_up_us)
{
    struct step *step = journal_find_step(journal->state, number);
    if (!step)
        return;
    step->is.retry_us = retry_us;
    step->is.give_up_us = give_up_us;
}

void journal_counts(struct journal *journal, struct journal_counts *counts)
{
    pthread_mutex_lock(&journal->state->mutex);
    memcpy(counts, journal->state->published, journal->state->step_count * sizeof *counts);
    pthread_mutex_unlock(&journal->state->mutex);
}

bool journal_finished(struct journal *journal)
{
    struct journal_counts counts[JOURNAL_STEPS];
    journal_counts(journal, counts);
    for (size_t i = 0; i < journal->state->step_count; i++)
        if (counts[i].waiting || counts[i].claimed || counts[i].deferred)
            return false;
    return true;
}
