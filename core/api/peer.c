#include "api/peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define GROUPS_MAXIMUM 65536 /* NGROUPS_MAX of Linux */
#define PASSWORD_ENTRY_MAXIMUM 65536

struct peer {
    uv_work_t work;
    enum peer_state state;
    enum peer_state verdict; /* of the pool's thread, taken over on the loop's */
    bool dropped;            /* nobody waits any more: the work's end frees */
    uid_t uid;
    gid_t gid;
    struct peer_groups groups;
    bool may_sql;
    char user[256];
    char found[256];
    void (*on_known)(void *context);
    void *context;
};

/* The user's name into `user`; the groups need it. */
static bool find_user(uid_t uid, char *user, size_t size)
{
    FREE_CLEAN char *storage = memory_new(PASSWORD_ENTRY_MAXIMUM);
    struct passwd entry, *found = NULL;
    if (getpwuid_r(uid, &entry, storage, PASSWORD_ENTRY_MAXIMUM, &found) || !found)
        return false;
    text_copy(user, size, found->pw_name);
    return true;
}

static bool is_member(const char *user, gid_t primary, gid_t wanted)
{
    int count = 64;
    gid_t *groups = memory_array((size_t)count, sizeof *groups);
    while (getgrouplist(user, primary, groups, &count) < 0 && count <= GROUPS_MAXIMUM)
        groups = memory_resize(groups, (size_t)count * sizeof *groups);
    bool member = false;
    for (int i = 0; count <= GROUPS_MAXIMUM && i < count && !member; i++)
        member = groups[i] == wanted;
    free(groups);
    return member;
}

static bool is_in(const struct peer *peer, bool known, gid_t group)
{
    return group != (gid_t)-1 &&
           (peer->gid == group || (known && is_member(peer->found, peer->gid, group)));
}

static void ask(uv_work_t *work)
{
    struct peer *peer = work->data;
    bool known = find_user(peer->uid, peer->found, sizeof peer->found);
    peer->verdict = is_in(peer, known, peer->groups.all) ? PEER_ALLOWED : PEER_DENIED;
    peer->may_sql = peer->verdict == PEER_ALLOWED && is_in(peer, known, peer->groups.sql);
}

static void on_asked(uv_work_t *work, int status)
{
    struct peer *peer = work->data;
    if (peer->dropped) {
        free(peer);
        return;
    }
    peer->state = status == 0 ? peer->verdict : PEER_DENIED;
    if (*peer->found)
        text_copy(peer->user, sizeof peer->user, peer->found);
    if (peer->state == PEER_DENIED)
        log_warning("API: refused %s (uid %u): neither root, nor the daemon's user, nor in "
                    "socket_group",
                    peer->user, (unsigned)peer->uid);
    peer->on_known(peer->context);
}

struct peer *peer_new(uv_loop_t *loop, int fd, struct peer_groups groups,
                      void (*on_known)(void *context))
{
    struct peer *peer = memory_new(sizeof *peer);
    peer->work.data = peer;
    peer->state = PEER_DENIED;
    peer->groups = groups;
    peer->on_known = on_known;
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size)) {
        log_warning("API: cannot tell who connects: errno %d", errno);
        peer->uid = (uid_t)-1;
        return peer;
    }
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    snprintf(peer->user, sizeof peer->user, "uid:%u", (unsigned)peer->uid);
    if (peer->uid == 0)
        text_copy(peer->user, sizeof peer->user, "root");
    peer->may_sql = peer->uid == 0 || peer->uid == geteuid();
    if (peer->may_sql)
        peer->state = PEER_ALLOWED;
    else if (uv_queue_work(loop, &peer->work, ask, on_asked) == 0)
        peer->state = PEER_ASKING;
    return peer;
}

void peer_set_context(struct peer *peer, void *context)
{
    peer->context = context;
}

enum peer_state peer_state(const struct peer *peer)
{
    return peer->state;
}

bool peer_may_sql(const struct peer *peer)
{
    return peer->may_sql;
}

uid_t peer_uid(const struct peer *peer)
{
    return peer->uid;
}

const char *peer_user(const struct peer *peer)
{
    return peer->user;
}

void peer_drop(struct peer *peer)
{
    if (!peer)
        return;
    if (peer->state == PEER_ASKING)
        peer->dropped = true;
    else
        free(peer);
}
