/* Queries and sources by the API: first rows, counts of groups, SQL, fields, lists, tables. All of it by
 * readers. */
#ifndef CAMPAIGND_DAEMON_QUERIES_H
#define CAMPAIGND_DAEMON_QUERIES_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void queries_call(struct daemon *daemon, struct api_request *request);

#endif
