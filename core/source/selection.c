#include "source/selection.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "source/condition.h"
#include "source/reading.h"
#include "source/selection_internal.h"
#include "store/sql.h"

#define PLACE_BLOCK 256

const char *reason_name(enum reason reason)
{
    static const char *const names[REASONS] = {
        [REASON_NONE] = "",
        [REASON_NO_KEY] = "no key",
        [REASON_BLOCKED] = "blocked",
        [REASON_DECEASED] = "deceased",
        [REASON_TAKEN_OUT] = "taken out",
        [REASON_FILTER] = "filter",
        [REASON_MINUS] = "minus",
        [REASON_BOTH] = "both",
        [REASON_SUPPRESSED] = "suppressed",
        [REASON_NO_CONSENT] = "no consent",
        [REASON_DUPLICATE] = "duplicate",
        [REASON_HOUSEHOLD] = "household",
        [REASON_TOO_MANY_DETAILS] = "too many details",
        [REASON_SAMPLE] = "sample",
        [REASON_NOT_ASKED_FOR] = "not asked for",
    };
    return reason < REASONS ? names[reason] : "";
}

/* ---- verdicts ---- */

const json_t *selection_campaign(const struct selection *selection)
{
    return json_object_get(selection->definition, "campaign");
}

struct fetched *selection_fetched(const struct selection *selection)
{
    return selection->fetched;
}

static bool is_row(const struct selection *selection, int64_t ordinal)
{
    return ordinal >= 1 && ordinal <= selection->fetched->rows;
}

enum reason selection_reason(const struct selection *selection, int64_t ordinal)
{
    return is_row(selection, ordinal) ? (enum reason)selection->reasons[ordinal] : REASON_NO_KEY;
}

bool selection_has(const struct selection *selection, int64_t ordinal)
{
    return selection_reason(selection, ordinal) == REASON_NONE;
}

static int keep_detail(struct selection *selection, int64_t ordinal, const char *detail,
                       struct error *error)
{
    sqlite3_bind_int64(selection->add_detail, 1, ordinal);
    sqlite3_bind_text(selection->add_detail, 2, detail, -1, SQLITE_STATIC);
    return sql_done(selection->add_detail, error);
}

int selection_leave_out(struct selection *selection, int64_t ordinal, enum reason reason,
                        const char *detail, struct error *error)
{
    if (!selection_has(selection, ordinal))
        return 0;
    selection->reasons[ordinal] = (uint8_t)reason;
    selection->counts[reason]++;
    return *detail ? keep_detail(selection, ordinal, detail, error) : 0;
}

const char *selection_detail(struct selection *selection, int64_t ordinal)
{
    sqlite3_reset(selection->get_detail);
    sqlite3_bind_int64(selection->get_detail, 1, ordinal);
    return sqlite3_step(selection->get_detail) == SQLITE_ROW ? sql_text(selection->get_detail, 0)
                                                             : "";
}

int64_t selection_left_out(const struct selection *selection)
{
    int64_t sum = 0;
    for (int reason = 1; reason < REASONS; reason++)
        sum += selection->counts[reason];
    return sum;
}

int64_t selection_recipients(const struct selection *selection)
{
    return selection->fetched->rows - selection_left_out(selection);
}

json_t *selection_counts(const struct selection *selection)
{
    json_t *counts = json_object();
    for (int reason = 1; reason < REASON_NOT_ASKED_FOR; reason++)
        if (selection->counts[reason])
            json_object_set_new(counts, reason_name((enum reason)reason),
                                json_integer(selection->counts[reason]));
    return counts;
}

json_t *selection_skipped(const struct selection *selection)
{
    static const char *const names[SKIPS] = {[SKIP_CONDITION] = "condition",
                                             [SKIP_SUPPRESSED] = "suppressed",
                                             [SKIP_NO_CONSENT] = "no consent"};
    json_t *steps = json_array();
    for (size_t i = 0; i < selection->step_count; i++) {
        const struct step *step = &selection->steps[i];
        json_t *skipped = json_object();
        for (int skip = 1; skip < SKIPS; skip++)
            if (step->skipped[skip])
                json_object_set_new(skipped, names[skip], json_integer(step->skipped[skip]));
        json_array_append_new(steps,
                              json_pack("{s:I, s:s, s:o}", "number", (json_int_t)step->number,
                                        "name", step->name, "skipped", skipped));
    }
    return steps;
}

/* ---- places ---- */

/* Only each block's sum is kept; the rest is counted when it is asked for. */
void selection_place(struct selection *selection)
{
    int64_t blocks = selection->fetched->rows / PLACE_BLOCK + 1, sum = 0;
    free(selection->placed);
    selection->placed = memory_array((size_t)blocks, sizeof *selection->placed);
    for (int64_t ordinal = 0; ordinal <= selection->fetched->rows; ordinal++) {
        if (ordinal % PLACE_BLOCK == 0)
            selection->placed[ordinal / PLACE_BLOCK] = sum;
        sum += ordinal && selection->reasons[ordinal] == REASON_NONE;
    }
}

static int64_t place_of(const struct selection *selection, int64_t ordinal)
{
    int64_t first = ordinal / PLACE_BLOCK * PLACE_BLOCK;
    int64_t sum = selection->placed[ordinal / PLACE_BLOCK];
    for (int64_t i = first ? first : 1; i <= ordinal; i++)
        sum += selection->reasons[i] == REASON_NONE;
    return sum;
}

/* ---- functions for SQL ---- */

static void sql_chosen(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const struct selection *selection = sqlite3_user_data(context);
    sqlite3_result_int(context, selection_has(selection, sqlite3_value_int64(values[0])));
}

static void sql_placed(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const struct selection *selection = sqlite3_user_data(context);
    int64_t ordinal = sqlite3_value_int64(values[0]);
    if (selection->placed && is_row(selection, ordinal))
        sqlite3_result_int64(context, place_of(selection, ordinal));
}

/* reason(ordinal): NULL where nobody need know. */
static void sql_reason(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const struct selection *selection = sqlite3_user_data(context);
    enum reason reason = selection_reason(selection, sqlite3_value_int64(values[0]));
    if (reason != REASON_NONE && reason != REASON_NOT_ASKED_FOR)
        sqlite3_result_text(context, reason_name(reason), -1, SQLITE_STATIC);
}

static int add_functions(struct selection *selection, struct error *error)
{
    static const struct {
        const char *name;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"campaignd_chosen", sql_chosen},
                     {"campaignd_placed", sql_placed},
                     {"campaignd_reason", sql_reason}};
    sqlite3 *db = selection->fetched->db;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (sqlite3_create_function(db, functions[i].name, 1, SQLITE_UTF8, selection,
                                    functions[i].function, NULL, NULL) != SQLITE_OK)
            return sql_error(db, error, "select recipients");
    return condition_install(db, error);
}

/* ---- making one ---- */

static int prepare_statements(struct selection *selection, struct error *error)
{
    sqlite3 *db = selection->fetched->db;
    if (sql_run(db, "CREATE TEMP TABLE verdict (ordinal INTEGER PRIMARY KEY, detail TEXT)",
                error) != 0)
        return -1;
    selection->add_detail =
        sql_prepare(db, "INSERT OR IGNORE INTO temp.verdict VALUES (?1, ?2)", error);
    selection->get_detail =
        sql_prepare(db, "SELECT detail FROM temp.verdict WHERE ordinal = ?1", error);
    if (selection->fetched->writable)
        selection->add_skip = sql_prepare(
            db, "INSERT INTO main.skipped (step, ordinal, reason) VALUES (?1, ?2, ?3)", error);
    return selection->add_detail && selection->get_detail &&
                   (selection->add_skip || !selection->fetched->writable)
               ? 0
               : -1;
}

struct selection *selection_new(struct fetched *fetched, const json_t *definition,
                                const char *suppression, struct error *error)
{
    struct selection *selection = memory_new(sizeof *selection);
    selection->fetched = fetched;
    selection->definition = definition;
    selection->reasons = memory_array((size_t)fetched->rows + 1, 1);
    const json_t *campaign = selection_campaign(selection);
    selection->objections = objections_open(suppression, reading_text(campaign, "purpose"),
                                            reading_integer(campaign, "id", 0), error);
    if (selection->objections && add_functions(selection, error) == 0 &&
        prepare_statements(selection, error) == 0 && judge_steps(selection, error) == 0)
        return selection;
    selection_free(selection);
    return NULL;
}

void selection_free(struct selection *selection)
{
    if (!selection)
        return;
    sqlite3_finalize(selection->add_detail);
    sqlite3_finalize(selection->get_detail);
    sqlite3_finalize(selection->add_skip);
    objections_close(selection->objections);
    free(selection->steps);
    free(selection->placed);
    free(selection->reasons);
    free(selection);
}

void selection_use_set(struct selection *selection, size_t index, const char *schema)
{
    if (index < SELECTION_SETS_MAX)
        selection->sets[index] = schema;
}

/* ---- duplicates ---- */

static int judge_same_key(struct selection *selection, sqlite3_stmt *row, struct buffer *head,
                          struct error *error)
{
    int64_t ordinal = sqlite3_column_int64(row, 0);
    const char *key = sql_text(row, 1);
    if (!selection_has(selection, ordinal))
        return 0;
    if (head->size && strcmp(head->data, key) == 0)
        return selection_leave_out(selection, ordinal, REASON_DUPLICATE, key, error);
    buffer_clear(head);
    buffer_text(head, key);
    return 0;
}

int selection_find_duplicates(struct selection *selection, struct error *error)
{
    BUFFER_CLEAN struct buffer head = {0};
    if (selection->fetched->ascending)
        return 0;
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(selection->fetched->db,
                    "SELECT ordinal, key FROM main.recipient ORDER BY key, ordinal", error);
    int more = -1;
    while (row && (more = sql_row(row, error)) > 0)
        if (judge_same_key(selection, row, &head, error) != 0)
            return -1;
    return more;
}

/* ---- the sample ---- */

struct ticket {
    uint64_t hash;
    int64_t ordinal;
};

static bool later(const struct ticket *a, const struct ticket *b)
{
    return a->hash != b->hash ? a->hash > b->hash : a->ordinal > b->ordinal;
}

/* Of a heap with the last ticket on top, let the one at `at` sink to its place. */
static void sink(struct ticket *heap, size_t count, size_t at)
{
    for (;;) {
        size_t last = at, left = 2 * at + 1;
        if (left < count && later(&heap[left], &heap[last]))
            last = left;
        if (left + 1 < count && later(&heap[left + 1], &heap[last]))
            last = left + 1;
        if (last == at)
            return;
        struct ticket ticket = heap[at];
        heap[at] = heap[last];
        heap[last] = ticket;
        at = last;
    }
}

static void rise(struct ticket *heap, size_t at)
{
    while (at && later(&heap[at], &heap[(at - 1) / 2])) {
        struct ticket ticket = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = ticket;
        at = (at - 1) / 2;
    }
}

static uint64_t draw(const unsigned char secret[crypto_shorthash_KEYBYTES], const char *key)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key, strlen(key), secret);
    return hash;
}

/* Who is pushed out of the heap, or never gets in, is not in the sample. */
static int enter(struct selection *selection, struct ticket *heap, size_t *count, size_t wanted,
                 struct ticket ticket, struct error *error)
{
    if (*count < wanted) {
        heap[*count] = ticket;
        rise(heap, (*count)++);
        return 0;
    }
    if (wanted && later(&heap[0], &ticket)) {
        struct ticket out = heap[0];
        heap[0] = ticket;
        sink(heap, *count, 0);
        ticket = out;
    }
    return selection_leave_out(selection, ticket.ordinal, REASON_SAMPLE, "", error);
}

int selection_sample(struct selection *selection, const char *uuid, int64_t wanted,
                     struct error *error)
{
    unsigned char secret[crypto_shorthash_KEYBYTES];
    size_t count = 0;
    int more = -1;
    if (wanted < 0 || wanted >= selection_recipients(selection))
        return 0;
    crypto_generichash(secret, sizeof secret, (const unsigned char *)uuid, strlen(uuid), NULL, 0);
    FREE_CLEAN struct ticket *heap = memory_array((size_t)wanted + 1, sizeof *heap);
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(selection->fetched->db, "SELECT ordinal, key FROM main.recipient", error);
    while (row && (more = sql_row(row, error)) > 0) {
        struct ticket ticket = {.ordinal = sqlite3_column_int64(row, 0)};
        if (!selection_has(selection, ticket.ordinal))
            continue;
        ticket.hash = draw(secret, sql_text(row, 1));
        if (enter(selection, heap, &count, (size_t)wanted, ticket, error) != 0)
            return -1;
    }
    return more;
}
