/* The suppression list by the API: list, add, take off, import, export, feed by a query. */
#ifndef CAMPAIGND_DAEMON_SUPPRESSIONS_H
#define CAMPAIGND_DAEMON_SUPPRESSIONS_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void suppressions_call(struct daemon *daemon, struct api_request *request);

#endif
