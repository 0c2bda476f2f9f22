/*
 * Sealed copies of shared objects. A generation runs from its own copies, so that a file
 * overwritten in place (an upgrade, a compiler) never changes what runs, and a restarted worker
 * gets what its generation began with.
 */
#ifndef CAMPAIGND_DAEMON_SEALED_H
#define CAMPAIGND_DAEMON_SEALED_H

#include "base/error.h"

/*
 * Open FOLDER/NAME.so, check what was opened (a regular file, owned by root or by whom we run as,
 * not writable by group or others, inside the folder), copy it into a sealed memfd. The descriptor
 * (CLOEXEC), or -1 with one clear line.
 */
int sealed_copy(const char *folder, const char *name, struct error *error);

#endif
