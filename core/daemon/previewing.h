/* campaign preview: what each step would do with one recipient, byte for byte, touching nothing
 * outside. */
#ifndef CAMPAIGND_DAEMON_PREVIEWING_H
#define CAMPAIGND_DAEMON_PREVIEWING_H

#include "daemon/daemon.h"

/* Answers the request with {"parts": [{"step", "name", "mime_type", "content_base64"}]}. */
void previewing_start(struct daemon *daemon, struct api_request *request);

#endif
