/* CSV files as tables of the built-in source `imports`. */
#ifndef CAMPAIGND_DAEMON_IMPORTS_H
#define CAMPAIGND_DAEMON_IMPORTS_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void imports_call(struct daemon *daemon, struct api_request *request);

#endif
