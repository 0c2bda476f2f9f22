/* One task's way through its states; the engine's inner part. */
#ifndef CAMPAIGND_HOST_FLOW_H
#define CAMPAIGND_HOST_FLOW_H

#include "host/engine.h"

/* A task that was just expanded (LOADED). */
void flow_start(struct engine *engine, struct task *task);

/* Give it back if it has not begun; else it goes on. */
void flow_revoke(struct engine *engine, struct task *task);

/* A round is over, or there was nothing to sync: go on with the tasks of `in_round`. `round` NULL:
 * all of it worked. */
void flow_continue(struct engine *engine, const struct round *round);

/* Try again to write begin for those that wait for room in the log. */
void flow_retry(struct engine *engine);

/* In engine.c: the job can't go on; say so to the core, give back what has not begun. */
void engine_fail_job(struct engine *engine, struct job *job, const char *message);

#endif
