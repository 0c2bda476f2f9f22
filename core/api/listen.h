/* The API's listening socket: a path in the file system that one daemon owns. */
#ifndef CAMPAIGND_API_LISTEN_H
#define CAMPAIGND_API_LISTEN_H

#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"

struct listen_socket {
    int fd;    /* non-blocking, close-on-exec */
    gid_t gid; /* of the group given, or (gid_t)-1 */
    dev_t device;
    ino_t inode;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

/* The id of the group that the setting called `setting` names; (gid_t)-1 if `name` is NULL or "".
 * 0, or -1: there is no such group. */
int listen_group(const char *setting, const char *name, gid_t *gid, struct error *error);

/* As api_start() says. 0, or -1 with nothing left behind. */
int listen_open(struct listen_socket *listener, const char *path, const char *group,
                struct error *error);

/* Remove the path if it is still this socket. The descriptor is its user's to close. */
void listen_remove(const struct listen_socket *listener);

#endif
