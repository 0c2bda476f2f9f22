/* All that is held on one person, by the recipient's key. */
#ifndef CAMPAIGND_DAEMON_PERSONS_H
#define CAMPAIGND_DAEMON_PERSONS_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void persons_call(struct daemon *daemon, struct api_request *request);

#endif
