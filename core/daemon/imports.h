/* CSV files as tables of the built-in source `imports`. */
#ifndef CAMPAIGND_DAEMON_IMPORTS_H
#define CAMPAIGND_DAEMON_IMPORTS_H

#include "daemon/daemon.h"

/* Before anything starts: the source's database, empty at first, and without what an import that was
 * killed has begun in it. */
void imports_prepare(const char *state_dir);

/* Answers the request, at once or later. */
void imports_call(struct daemon *daemon, struct api_request *request);

#endif
