/*
 * The sync thread: makes durable what many tasks wait for, in rounds. A round syncs the archives
 * with new documents first, then the task log (so that no begin is durable whose documents are
 * not), then lets the log move its segments. One round runs at a time; what comes meanwhile is for
 * the next, so that the slower the disk, the more tasks share a sync.
 */
#ifndef CAMPAIGND_HOST_SYNCER_H
#define CAMPAIGND_HOST_SYNCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "host/calls.h"
#include "host/filing.h"
#include "wire/tasklog.h"

struct round_filing {
    struct filing *filing;
    int result;
    struct error error;
};

struct round {
    /* asked for */
    struct round_filing *filings;
    uint32_t filing_count, filing_room;
    bool sync_log;
    bool granted; /* apply these bounds */
    uint32_t grant_low, grant_high;
    /* what came of it */
    int log_result;
    struct error log_error;
    bool wants; /* these are bounds to ask for */
    uint32_t want_low, want_high;
};

struct syncer;

/* `done` is called on the loop after each round. */
struct syncer *syncer_open(struct tasklog *log, struct calls *calls, void (*done)(void *context),
                           void *context);
void syncer_close(struct syncer *syncer); /* waits for the round that runs */

/* [the loop] The round to fill in or to read; not between start and done. */
struct round *syncer_round(struct syncer *syncer);
void round_add(struct round *round, struct filing *filing);
void syncer_start(struct syncer *syncer);

#endif
