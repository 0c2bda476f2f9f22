/*
 * A run's journal, runs/N.db: which tasks wait, who holds which claim, and what became of each. It
 * keeps the promises of the design's run protocol: a task leaves a claim exactly once, by its
 * outcome, by being given back, or by recovery; whatever names a claim that is over, or a task that
 * has left it, is ignored.
 *
 * A task is (step, ordinal); its row number is step << 40 | ordinal. Claims are ranges of tasks of
 * one step, held by one worker instance; a claim's number is run << 32 | n and is never used again.
 * What is in memory (counters, which tasks have left a claim) is read anew from the file after a
 * failed commit.
 *
 * All functions are for the store thread, inside a transaction that the store opened on `database`;
 * only journal_create, journal_open and journal_close stand outside one, and journal_counts may be
 * called from any thread.
 */
#ifndef CAMPAIGND_RUN_JOURNAL_H
#define CAMPAIGND_RUN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "report/archive.h"
#include "store/store.h"
#include "wire/frame.h"
#include "wire/outcome.h"

#define JOURNAL_STEPS 32
#define JOURNAL_TASK_BITS 40

struct journal_step {
    int number; /* 1 … */
    char name[128];
    char action[64];
    int parent; /* 0: none */
    int after;  /* the parent's outcome that makes this one runnable, an enum outcome_status */
#define JOURNAL_AFTER_ANY 0
    bool repeatable;    /* the action only makes documents: what is in doubt is simply done again */
    int64_t retry_us;   /* first pause after `deferred`; doubles each time, an hour at most */
    int64_t give_up_us; /* from the first deferral on */
};

/* Tasks of one step, by where they stand. Their sum is `total`, always. */
struct journal_counts {
    uint64_t total;
    uint64_t waiting;  /* those that may start now, and those that wait for the step before */
    uint64_t runnable; /* of them: may start now */
    uint64_t claimed;
    uint64_t deferred;
    uint64_t ended[OUTCOME_STATUSES]; /* by status; [OUTCOME_DEFERRED] is unused */
};

struct journal {
    struct store_database database; /* first: the store's view */
    struct journal_state *state;    /* journal.c's own */
};

/* Make runs/N.db with all tasks waiting but those that the rows file lists as skipped. An
 * unfinished one of the same name is replaced: nothing was claimed from it. */
int journal_create(const char *path, const char *rows_path, uint32_t run, uint64_t recipients,
                   const struct journal_step *steps, size_t count, struct error *error);

struct journal *journal_open(const char *path, uint32_t run, struct error *error);
void journal_close(struct journal *journal);

size_t journal_steps(
    const struct journal *journal,
    struct journal_step *steps); /* up to JOURNAL_STEPS; they never change but for: */
void journal_set_retry(struct journal *journal, int step, int64_t retry_us, int64_t give_up_us);

/* As of the last commit; array of journal_steps() entries. Any thread. */
void journal_counts(struct journal *journal, struct journal_counts *counts);

/* Is every task over? As of the last commit. Any thread. */
bool journal_finished(struct journal *journal);

/* Tasks of one step that follow each other. */
struct journal_range {
    uint64_t first, last;
};

/*
 * Claim up to `limit` waiting tasks for an instance and append FRAME_CLAIM for `job` to `frame`,
 * with the documents of the steps that this one depends on. `only`: of these alone, ascending; NULL:
 * from the front of all. *tasks and *claim say what was taken; 0 tasks: nothing waits.
 */
int journal_claim(struct journal *journal, int step, const char *instance, uint64_t limit,
                  const struct journal_range *only, size_t only_count, uint32_t job,
                  struct buffer *frame, uint64_t *claim, uint64_t *tasks, struct error *error);

/* The first `limit` tasks that wait, in at most so many `ranges`. Nothing is taken. */
int journal_peek(struct journal *journal, int step, size_t limit, struct journal_range *ranges,
                 size_t *count, struct error *error);

/* Apply the payload of FRAME_OUTCOMES. *left: tasks that left a claim by it. Items of other runs
 * are ignored. */
int journal_outcomes(struct journal *journal, struct frame_reader items, uint64_t *left,
                     struct error *error);

/* Apply the payload of FRAME_RETURNED. */
int journal_returned(struct journal *journal, struct frame_reader payload, uint64_t *left,
                     struct error *error);

/* A task that must not be begun any more, and why. */
struct journal_withdrawal {
    int step;
    uint64_t ordinal;
    const char *text; /* of the outcome; cut to OUTCOME_TEXT */
};

/*
 * Take back what has not begun. Tasks that no claim holds (waiting, deferred, waiting for the step
 * before) are skipped at once; *skipped counts them. One that a worker holds is marked: if it comes
 * back, by a revoke or by recovery, or ends as deferred, it is skipped then; if it had begun, it
 * ends as it ends. What is over stays. Repeating it changes nothing.
 */
int journal_withdraw(struct journal *journal, const struct journal_withdrawal *withdrawals,
                     size_t count, uint64_t *skipped, struct error *error);

/* The claims that hold marked tasks, for a revoke; the caller frees. 0 or -1. */
int journal_withdrawn_claims(struct journal *journal, uint64_t **claims, size_t *count,
                             struct error *error);

/* Up to which revision of the suppression list this run was looked at (0: not at all); it only ever
 * rises. journal_mark may also be called before anything else uses the journal, on any thread. */
int journal_put_mark(struct journal *journal, int64_t revision, struct error *error);
int64_t journal_mark(const struct journal *journal);

/* Deferred tasks whose time has come wait again. *next_us: when the next is due (0: none). */
int journal_due(struct journal *journal, int64_t now_us, int64_t *next_us, struct error *error);

/* What a log says of tasks, for recovery. */
struct journal_record {
    uint64_t claim;
    uint64_t ordinal;
    bool ended;
    const void *outcome; /* encoded, if ended */
    size_t size;
};

/*
 * The instance is dead and its log was read. `records` get sorted. Ended: applied. Begun: unknown.
 * Neither: waits again if the log is whole (`believed`) or the action repeatable, else unknown.
 * `why` is the text of the unknown ones.
 */
int journal_recover(struct journal *journal, const char *instance, struct journal_record *records,
                    size_t count, bool believed, const char *why, struct error *error);

/* Is any claim held by this instance? */
bool journal_holds(const struct journal *journal, const char *instance);

/* The claims that an instance holds (NULL: any), for a revoke; the caller frees. From the store
 * thread. */
size_t journal_claims(const struct journal *journal, const char *instance, uint64_t **claims);

/* A document's index row, selected by just these columns of the table `document`. */
#define JOURNAL_ENTRY_COLUMNS "segment, number, offset, length, hash, salt, chain, name, mime_type"
void journal_read_entry(sqlite3_stmt *row, struct archive_entry *entry);

/* Of the closed journal of a run that is over: the index of one archive segment, in the order of its numbers (the caller frees), and
 * its move to another place, in one transaction. */
int journal_file_segment(const char *path, const char *segment, struct archive_entry **entries,
                         size_t *count, struct error *error);
int journal_file_move(const char *path, const struct archive_entry *old,
                      const struct archive_entry *new, size_t count, struct error *error);

#define JOURNAL_RUN_OF(claim) ((uint32_t)((claim) >> 32))

#endif
