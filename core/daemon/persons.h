/* All that is held on one person, by the recipient's key: for whoever asks what a site knows of him. */
#ifndef CAMPAIGND_DAEMON_PERSONS_H
#define CAMPAIGND_DAEMON_PERSONS_H

#include "daemon/daemon.h"

/* Answers the request, at once or later: docs/suppression.md has the shape. The newest thousand runs are looked through; "more" says
 * whether there are older ones, "unreadable" names those whose files could not be read. */
void persons_call(struct daemon *daemon, struct api_request *request);

#endif
