/* What journal.c, journal_create.c and journal_withdraw.c share. Nobody else includes this. */
#ifndef CAMPAIGND_RUN_JOURNAL_INTERNAL_H
#define CAMPAIGND_RUN_JOURNAL_INTERNAL_H

#include <pthread.h>

#include "run/journal.h"
#include "store/sql.h"

#define JOURNAL_ORDINALS ((UINT64_C(1) << JOURNAL_TASK_BITS) - 1)

/* Statements that are prepared once. */
enum {
    TAKE_WAITING,
    CUT_WAITING,
    DROP_WAITING,
    BEFORE_WAITING,
    EXTEND_WAITING,
    ADD_WAITING,
    ADD_CLAIM,
    ADD_CLAIM_RANGE,
    ADD_CLAIM_LEFT,
    DROP_CLAIM,
    DROP_CLAIM_RANGE,
    DROP_CLAIM_LEFT,
    ADD_OUTCOME,
    HAS_OUTCOME,
    ADD_DOCUMENT,
    FIND_DOCUMENTS,
    FIND_DEFERRED,
    PUT_DEFERRED,
    DROP_DEFERRED,
    DUE_DEFERRED,
    WAKE_DEFERRED,
    NEXT_DEFERRED,
    PUT_COUNTS,
    AT_WAITING,
    FROM_WAITING,
    ADD_WITHDRAWN,
    NEXT_WITHDRAWN,
    DROP_WITHDRAWN,
    PUT_MARK,
    STATEMENTS
};

extern const char *const journal_texts[STATEMENTS];

struct range {
    uint64_t first, last;
    uint32_t attempt;
    uint64_t bit; /* of its first task in the claim's bits */
};

struct claim {
    uint64_t id;
    int step; /* index */
    char instance[33];
    struct range *ranges;
    size_t count;
    unsigned char *left; /* a bit a task: it has left the claim */
    uint64_t remaining;
};

struct step {
    struct journal_step is;
    struct journal_counts counts;
    uint64_t withdrawn; /* tasks that are held, and must not be begun */
    bool dirty;
    /* Tasks that became runnable in this transaction and follow each other: written as one range.
     */
    bool releasing;
    struct range released;
};

struct journal_state {
    uint32_t run;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct step steps[JOURNAL_STEPS];
    size_t step_count;
    struct claim **claims;
    size_t claim_count;
    struct claim *recent; /* the one found last: outcomes come in runs of the same claim */
    uint64_t last_claim;
    int64_t mark;
    pthread_mutex_t mutex; /* of published */
    struct journal_counts published[JOURNAL_STEPS];
};

/* ---- journal.c ---- */

static inline int64_t journal_task_row(int step_number, uint64_t ordinal)
{
    return (int64_t)((uint64_t)step_number << JOURNAL_TASK_BITS | ordinal);
}

struct step *journal_find_step(struct journal_state *state, int number); /* NULL: none */

/* The statement with ?1 the step, ?2 a and, if it has one, ?3 b. */
sqlite3_stmt *journal_bound(struct journal_state *state, int which, int step, uint64_t a,
                            uint64_t b);

/* The range of a task that is still in the claim, or NULL. */
const struct range *journal_held(const struct claim *claim, uint64_t ordinal, uint64_t *bit);

/* Where a range of waiting tasks begins that `ordinal` lies in: 1, 0 if it does not wait, -1. */
int journal_find_waiting(struct journal_state *state, const struct step *step, uint64_t ordinal,
                         struct range *range, struct error *error);

/* Take [first, last] out of `range`, which is one row of `waiting` and holds them. */
int journal_take_out(struct journal_state *state, struct step *step, struct range range,
                     uint64_t first, uint64_t last, struct error *error);

int journal_has_outcome(struct journal_state *state, int step, uint64_t ordinal,
                        struct error *error);
int journal_add_outcome(struct journal_state *state, struct step *step, uint64_t ordinal,
                        uint32_t attempt, const struct outcome *outcome, struct error *error);

/* What waits for this step's outcome becomes runnable, or is skipped with the reason; and so on
 * down the chain. */
int journal_release_children(struct journal_state *state, const struct step *parent,
                             uint64_t ordinal, int status, struct error *error);

/* Write what became runnable in this transaction. */
int journal_flush_released(struct journal_state *state, struct step *step, struct error *error);

/* ---- journal_create.c ---- */

/* A journal that an older campaignd has begun gets what it lacks. */
int journal_migrate(sqlite3 *db, const char *path, struct error *error);

/* ---- journal_withdraw.c ---- */

/* A held task ends, with its claim left: if it was withdrawn, a deferral becomes the end. */
int journal_end_withdrawn(struct journal_state *state, struct step *step, uint64_t ordinal,
                          struct outcome *outcome, struct error *error);

/* [first, last] wait again: those that were withdrawn are skipped now. */
int journal_skip_withdrawn(struct journal_state *state, struct step *step, uint64_t first,
                           uint64_t last, struct error *error);

#endif
