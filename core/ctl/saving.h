/*
 * What a command saves: into a file, whole or not at all. Until it is whole it lies beside its place
 * as FILE.part; what is no regular file (a device, a pipe) is written as it is. "-" is standard
 * output. Failures stand in the invocation, with their exit code as result.
 */
#ifndef CAMPAIGND_CTL_SAVING_H
#define CAMPAIGND_CTL_SAVING_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"

struct saving {
    struct invocation *invocation;
    char *path; /* NULL: standard output */
    char *part; /* NULL: it is written where it belongs */
    int fd;
    bool exclusive; /* it was made here, so a failure removes it */
    int64_t size;
};

#define SAVING_CLEAN __attribute__((cleanup(saving_abandon)))

/* To `path`, or into the folder `path` as `name`. NULL: as `name` here, which must be new. EXIT_OK
 * or another; saving_end or saving_abandon after either. */
int saving_begin(struct saving *saving, struct invocation *invocation, const char *path,
                 const char *name);
int saving_write(struct saving *saving, const void *data, size_t size);
/* It is whole: in its place. Says where, unless that is standard output. */
int saving_end(struct saving *saving);
void saving_abandon(struct saving *saving); /* nothing is left; after saving_end it does nothing */

#endif
