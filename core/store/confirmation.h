/*
 * What came back of a task after it was delivered: somebody answered, a gateway reported. It stands
 * apart from the outcome, in the table `confirmation` of state.db, as it may come before the outcome
 * is known and long after the run is over. What is said last counts; of a task of which nothing was
 * said it is `none`.
 */
#ifndef CAMPAIGND_STORE_CONFIRMATION_H
#define CAMPAIGND_STORE_CONFIRMATION_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum confirmation {
    CONFIRMATION_NONE,
    CONFIRMATION_PENDING,
    CONFIRMATION_CONFIRMED,
    CONFIRMATION_FAILED,
};

/* "none", "pending", "confirmed", "failed"; "?" for what is none of them. */
const char *confirmation_name(int confirmation);

/* The one with this name: 0, or -1 with those that there are. */
int confirmation_named(const char *name, enum confirmation *confirmation, struct error *error);

struct confirmation_task {
    int64_t step, ordinal;
};

/* On the store thread, inside its transaction on state.db: the same of all these tasks of a run.
 * `text`: what came back, for people. CONFIRMATION_NONE takes back what was said. 0 or -1. */
int confirmation_put(sqlite3 *state, int64_t run, const struct confirmation_task *tasks,
                     size_t count, enum confirmation confirmation, const char *text,
                     struct error *error);

/* A statement for confirmation_of, on any connection to state.db; NULL with the reason. */
sqlite3_stmt *confirmation_prepare(sqlite3 *state, struct error *error);

/* An enum confirmation, or -1. */
int confirmation_of(sqlite3_stmt *find, int64_t run, int64_t step, int64_t ordinal,
                    struct error *error);

#endif
