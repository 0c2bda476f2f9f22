/* Queries and sources by the API: first rows, counts of groups, SQL, fields, lists, tables. What is
 * asked of a database goes through a reader. */
#ifndef CAMPAIGND_DAEMON_QUERIES_H
#define CAMPAIGND_DAEMON_QUERIES_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void queries_call(struct daemon *daemon, struct api_request *request);

/* Answer with why a reader failed: as any error, but what a source's machine refused (it is down, it
 * went away) is a 422: nothing is wrong with us. */
void queries_answer_failure(struct api_request *request, const struct error *error);

/* A limit of rows as a request's body may hold it: 0, or -1 if it is not 0 to API_LIMIT_MAXIMUM. */
int queries_check_limit(json_int_t limit, struct error *error);

#endif
