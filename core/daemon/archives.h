/* The archive's operations of the API: list, get, verify; on the pool, with read-only connections of their own. */
#ifndef CAMPAIGND_DAEMON_ARCHIVES_H
#define CAMPAIGND_DAEMON_ARCHIVES_H

#include "daemon/daemon.h"

void archives_call(struct daemon *daemon, struct api_request *request);

#endif
