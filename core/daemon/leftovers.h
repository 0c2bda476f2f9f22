/* What a crash leaves that no instance or run owns any more. */
#ifndef CAMPAIGND_DAEMON_LEFTOVERS_H
#define CAMPAIGND_DAEMON_LEFTOVERS_H

#include "daemon/daemon.h"

/* Before anything starts: logs of workers that never became known (nothing was claimed by them), what
 * readers had not finished. */
void leftovers_remove(const char *state_dir, struct state *state);

/* Runs that were `preparing`: prepared anew, from the campaign as it is now. */
void leftovers_prepare(struct daemon *daemon);

#endif
