#include "daemon/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static int check_opened(int fd, const char *path, struct stat *status, struct error *error)
{
    if (fstat(fd, status) != 0)
        return error_errno(error, errno, "cannot look at %s", path);
    if (!S_ISREG(status->st_mode))
        return error_set(error, ERROR_INPUT, "%s is not a regular file", path);
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return error_set(
            error, ERROR_INPUT,
            "%s belongs to user %u; it must belong to root or to the daemon's user (chown root)",
            path, status->st_uid);
    if (status->st_mode & (S_IWGRP | S_IWOTH))
        return error_set(
            error, ERROR_INPUT,
            "%s can be written by others than its owner; take that right away (chmod go-w)", path);
    return 0;
}

static int copy_all(int from, int to, off_t size)
{
    while (size > 0) {
        ssize_t copied = sendfile(to, from, NULL, (size_t)size);
        if (copied < 0 && errno == EINTR)
            continue;
        if (copied <= 0)
            return -1;
        size -= copied;
    }
    return 0;
}

int sealed_copy(const char *folder, const char *name, struct error *error)
{
    FREE_CLEAN char *path = memory_format("%s/%s.so", folder, name);
    FD_CLEAN int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (fd < 0 && errno == ENOENT)
        return error_set(error, ERROR_INPUT,
                         "there is no %s; install it, or correct the name or the folder", path);
    if (fd < 0 && errno == ELOOP)
        return error_set(error, ERROR_INPUT,
                         "%s is a symbolic link; put the file itself there, or name its folder",
                         path);
    if (fd < 0)
        return error_errno(error, errno, "cannot open %s", path);
    if (check_opened(fd, path, &status, error) != 0)
        return -1;
    FD_CLEAN int copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0 || copy_all(fd, copy, status.st_size) != 0 ||
        fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        return error_errno(error, errno, "cannot copy %s into memory", path);
    int result = copy;
    copy = -1;
    return result;
}
