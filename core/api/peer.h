/*
 * Who is at the other end of a connection, and may they? The kernel tells the uid and gid; root and
 * the daemon's own user are known at once. For everybody else the user database is asked for name
 * and groups, which may take a directory server's time and so happens in the pool.
 */
#ifndef CAMPAIGND_API_PEER_H
#define CAMPAIGND_API_PEER_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

enum peer_state { PEER_ASKING, PEER_ALLOWED, PEER_DENIED };

struct peer;

/* Whose members may; (gid_t)-1: nobody's. */
struct peer_groups {
    gid_t all; /* use the API */
    gid_t sql; /* write SQL, if they may use it */
};

/* What is known of the peer of the connected socket `fd`. When it changes from PEER_ASKING,
 * `on_known(context)` is called, on the loop's thread, unless peer_drop() came first. Never NULL:
 * who cannot be told is denied. */
struct peer *peer_new(uv_loop_t *loop, int fd, struct peer_groups groups,
                      void (*on_known)(void *context));
void peer_set_context(struct peer *peer, void *context);
enum peer_state peer_state(const struct peer *peer);
bool peer_may_sql(const struct peer *peer); /* once it is PEER_ALLOWED */
uid_t peer_uid(const struct peer *peer);
const char *peer_user(const struct peer *peer); /* its name, or "uid:1234" */
void peer_drop(struct peer *peer);              /* NULL is fine */

#endif
