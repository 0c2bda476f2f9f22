/* What came back of a run's tasks, told by the API (store/confirmation.h). */
#ifndef CAMPAIGND_DAEMON_CONFIRMATIONS_H
#define CAMPAIGND_DAEMON_CONFIRMATIONS_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void confirmations_call(struct daemon *daemon, struct api_request *request);

#endif
