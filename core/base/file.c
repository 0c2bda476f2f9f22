#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

void file_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int file_read_fd(int fd, const char *name, size_t limit, struct buffer *target, struct error *error)
{
    size_t total = 0;
    for (;;) {
        buffer_reserve(target, 64 * 1024);
        ssize_t got = read(fd, target->data + target->size, 64 * 1024);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_say(error, ERROR_SYSTEM, "cannot read %s: %s", "%s ist nicht lesbar: %s",
                             name, strerror(errno));
        if (got == 0)
            return 0;
        total += (size_t)got;
        if (total > limit)
            return error_say(error, ERROR_INPUT, "%s is larger than the limit of %zu bytes",
                             "%s ist größer als die Grenze von %zu Bytes", name, limit);
        target->size += (size_t)got;
        target->data[target->size] = '\0';
    }
}

int file_read(const char *path, size_t limit, struct buffer *target, struct error *error)
{
    FD_CLEAN int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_say(error, ERROR_SYSTEM, "cannot open %s: %s",
                         "%s lässt sich nicht öffnen: %s", path, strerror(errno));
    return file_read_fd(fd, path, limit, target, error);
}

int file_write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;
    while (size) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

int file_sync_folder(const char *path, struct error *error)
{
    FD_CLEAN int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return error_errno(error, errno, "cannot sync the folder %s", path);
    return 0;
}

static int sync_parent(const char *path, struct error *error)
{
    FREE_CLEAN char *folder = memory_text(path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return file_sync_folder(".", error);
    slash[slash == folder] = '\0';
    return file_sync_folder(folder, error);
}

int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct error *error)
{
    FREE_CLEAN char *temporary = memory_format("%s.tmp", path);
    FD_CLEAN int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return error_errno(error, errno, "cannot write %s", temporary);
    if (file_write_all(fd, data, size) != 0 || fsync(fd) != 0 || rename(temporary, path) != 0) {
        int error_number = errno;
        unlink(temporary);
        return error_errno(error, error_number, "cannot write %s", path);
    }
    return sync_parent(path, error);
}

int file_make_folders(const char *path, mode_t mode, struct error *error)
{
    FREE_CLEAN char *partial = memory_text(path);
    for (char *slash = partial + 1;; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char kept = *slash;
        *slash = '\0';
        if (mkdir(partial, mode) != 0 && errno != EEXIST)
            return error_errno(error, errno, "cannot make the folder %s", partial);
        *slash = kept;
        if (!kept)
            return 0;
    }
}

char *file_resolve(const char *from, const char *path)
{
    const char *slash = strrchr(from, '/');
    if (*path == '/' || !slash)
        return memory_text(path);
    return memory_format("%.*s/%s", (int)(slash - from), from, path);
}

int file_set_cloexec(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0)
        return -1;
    return fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}
