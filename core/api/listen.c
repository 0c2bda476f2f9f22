#include "api/listen.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#define SOCKET_MODE 0660
#define BACKLOG 128

int listen_group(const char *setting, const char *name, gid_t *gid, struct error *error)
{
    *gid = (gid_t)-1;
    if (!name || !*name)
        return 0;
    struct group *group = getgrnam(name);
    if (!group)
        return error_set(error, ERROR_INPUT,
                         "%s: there is no group \"%s\"; make it (groupadd --system %s) or name "
                         "another",
                         setting, name, name);
    *gid = group->gr_gid;
    return 0;
}

static int make_folder(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    FREE_CLEAN char *folder = memory_text_n(path, (size_t)(slash - path));
    return file_make_folders(folder, 0755, error);
}

/* Is somebody at the other end? A socket that nobody accepts from refuses at once. */
static bool somebody_listens(const struct sockaddr_un *address)
{
    FD_CLEAN int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
           (errno != ECONNREFUSED && errno != ENOENT);
}

static int remove_stale(const struct sockaddr_un *address, struct error *error)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status))
        return errno == ENOENT ? 0 : error_errno(error, errno, "socket %s", path);
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, ERROR_INPUT,
                         "socket %s: something that is no socket is there; move it away or "
                         "choose another path",
                         path);
    if (somebody_listens(address))
        return error_set(error, ERROR_CONFLICT,
                         "socket %s: another process listens there; stop it or choose another "
                         "path",
                         path);
    log_notice("socket %s: removed what a former process left", path);
    if (unlink(path) && errno != ENOENT)
        return error_errno(error, errno, "socket %s: cannot remove the old one", path);
    return 0;
}

/* Nobody else gets in between bind() and chmod(). */
static int bind_closed(int fd, const struct sockaddr_un *address)
{
    mode_t mask = umask(0177);
    int result = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int saved = errno;
    umask(mask);
    errno = saved;
    return result;
}

static int open_up(struct listen_socket *listener, struct error *error)
{
    struct stat status;
    if (listener->gid != (gid_t)-1 && chown(listener->path, (uid_t)-1, listener->gid))
        return error_set(error, ERROR_SYSTEM,
                         "socket %s: cannot give it to socket_group: %s; run campaignd as root or "
                         "as a member of that group",
                         listener->path, strerror(errno));
    if (chmod(listener->path, SOCKET_MODE) || lstat(listener->path, &status) ||
        listen(listener->fd, BACKLOG))
        return error_errno(error, errno, "socket %s", listener->path);
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    return 0;
}

int listen_open(struct listen_socket *listener, const char *path, const char *group,
                struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof address.sun_path)
        return error_set(error, ERROR_INPUT,
                         "socket %s: the path must have 1 to %zu bytes; choose a shorter one", path,
                         sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    strcpy(listener->path, path);
    if (listen_group("socket_group", group, &listener->gid, error) || make_folder(path, error) ||
        remove_stale(&address, error))
        return -1;

    FD_CLEAN int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind_closed(fd, &address))
        return error_errno(error, errno, "socket %s", path);
    listener->fd = fd;
    if (open_up(listener, error)) {
        unlink(path);
        return -1;
    }
    fd = -1;
    return 0;
}

void listen_remove(const struct listen_socket *listener)
{
    struct stat status;
    if (lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        unlink(listener->path);
}
