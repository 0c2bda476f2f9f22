/* The API's list of a run's tasks: what became of which recipient, and why; on the pool, with
 * read-only connections of its own. */
#ifndef CAMPAIGND_DAEMON_TASKS_H
#define CAMPAIGND_DAEMON_TASKS_H

#include "daemon/daemon.h"

void tasks_call(struct daemon *daemon, struct api_request *request);

#endif
