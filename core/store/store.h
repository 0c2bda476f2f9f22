/*
 * The store thread: the only writer of state.db and of the runs' journals.
 *
 * Work is handed over from the loop; the thread takes all that has arrived, applies it inside one
 * transaction per database, commits in the order of their first work, and reports each
 * piece back on the loop. So a commit carries whatever came since the last one: slow disks make
 * larger groups, not longer queues.
 *
 * If a transaction fails (disk full), all of its work is undone. Then work with `keep` is tried
 * again, once a second, until it succeeds (an outcome must not be lost; its worker's log holds it
 * meanwhile); other work is reported as failed. Work on one database is never overtaken by later
 * work on it.
 */
#ifndef CAMPAIGND_STORE_STORE_H
#define CAMPAIGND_STORE_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

struct store;

/* A database that the thread writes. Embed it in what owns it. */
struct store_database {
    sqlite3 *db;
    /* Before commit: write what was gathered in memory. 0 or -1. NULL: nothing to do. */
    int (*flush)(struct store_database *database, struct error *error);
    /* After commit: publish; after rollback: read the state in memory anew. Both on the store
     * thread; may be NULL. */
    void (*committed)(struct store_database *database);
    int (*rolled_back)(struct store_database *database, struct error *error);
    bool in_transaction; /* the thread's own */
    bool broken;         /* this round's transaction failed */
    struct error why;    /* and with what */
    bool stale;          /* and what is in memory could not be read anew */
};

struct store_work {
    struct store_work *next;
    /* Which database the work changes; NULL: none, it runs outside any transaction (opening a
     * journal, reading a log). */
    struct store_database *database;
    int (*apply)(struct store_work *work, struct error *error); /* on the store thread */
    void (*done)(struct store_work *work,
                 const struct error *failed_or_null); /* on the loop; owns the work again */
    bool keep;
    bool failed;
    struct error error;
};

struct store *store_start(uv_loop_t *loop, struct error *error);

/* From the loop thread. The work belongs to the store until `done`. */
void store_submit(struct store *store, struct store_work *work);

/* Is anything under way or not yet reported? */
bool store_busy(const struct store *store);

/* From the loop: finish what is queued (kept work that still fails is given up: the logs hold it),
 * report it, end the thread. */
void store_stop(struct store *store);

#endif
