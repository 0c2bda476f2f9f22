/* The live count: who would get a campaign, and who not, without starting anything. */
#ifndef CAMPAIGND_DAEMON_SELECTING_H
#define CAMPAIGND_DAEMON_SELECTING_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void selecting_call(struct daemon *daemon, struct api_request *request);

#endif
