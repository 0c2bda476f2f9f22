/* Definitions as one document, and the individual query of a campaign. */
#ifndef CAMPAIGND_DAEMON_EXCHANGE_H
#define CAMPAIGND_DAEMON_EXCHANGE_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void exchange_call(struct daemon *daemon, struct api_request *request);

#endif
