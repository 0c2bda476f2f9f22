/*
 * What the API saves: documents, imports, a campaign's own query. All of it takes the same way: done on
 * the desk in one transaction; what cannot be told of one document alone is looked at there; then kept.
 *
 * A campaign whose filter, or what it stands on, is another now is first only tried: a reader says
 * which columns there are, and a fault of the filter refuses the whole. A source that cannot be asked
 * within some seconds does not: what is saved is answered with a warning, for check and start look
 * again.
 */
#ifndef CAMPAIGND_DAEMON_SAVING_H
#define CAMPAIGND_DAEMON_SAVING_H

#include "daemon/daemon.h"

struct saving_task {
    /* On the desk, perhaps twice: the document as it is now, or what an import tells; NULL with an
     * error. A new reference. */
    json_t *(*save)(void *context, struct error *error);
    /* On the loop: `result` is taken over; warnings, as check has them, stand in its "problems". */
    void (*done)(void *context, json_t *result, const struct error *failed_or_null);
    void *context;
    bool may_sql; /* whoever saves may write SQL */
    bool dry_run; /* everything but keep it */
    /* The campaigns that are saved, by names or ids, borrowed; NULL: the one that `save` returns, if
     * `campaign` is its name or id before, or "" for a new one. Both NULL: none. */
    const json_t *campaigns;
    const char *campaign;
};

void saving_start(struct daemon *daemon, const struct saving_task *task);

#endif
