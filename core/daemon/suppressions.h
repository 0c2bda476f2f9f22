/*
 * The suppression list by the API: list, add, take off, import, export, feed by a query; and its copy for readers.
 *
 * What is added is durable before its request is answered; right afterwards the runs under way are looked through (run/withdraw.c).
 */
#ifndef CAMPAIGND_DAEMON_SUPPRESSIONS_H
#define CAMPAIGND_DAEMON_SUPPRESSIONS_H

#include "daemon/daemon.h"

/* Answers the request, at once or later. */
void suppressions_call(struct daemon *daemon, struct api_request *request);

/* `path`: a copy of the list as a reader's request takes it ("suppression"), of at least `revision`; until the list changes the next
 * call gives the same one, and a later one takes its place in the same path. NULL with what failed. */
typedef void (*suppressions_done)(void *context, const char *path, int64_t revision,
                                  const struct error *failed_or_null);

/* Make the copy unless the present one is right. `done` is called once, maybe at once. */
void suppressions_file(struct daemon *daemon, suppressions_done done, void *context);

#endif
