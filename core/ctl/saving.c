#include "ctl/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* Where it goes; a name that leads elsewhere stays, and so does what it leads to. */
static char *place_of(const char *path, const char *name)
{
    struct stat status;
    if (!path)
        return memory_text(name);
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return memory_format("%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", name);
    char *real = realpath(path, NULL);
    return real ? real : memory_text(path);
}

static int cannot_write(const struct saving *saving)
{
    return fail(saving->invocation, EXIT_WRONG, MESSAGE_CANNOT_WRITE,
                saving->path ? saving->path : "stdout", strerror(errno));
}

static void forget(char **text)
{
    free(*text);
    *text = NULL;
}

/* What is there keeps its owner and its rights. */
static void keep_rights(const struct saving *saving, const struct stat *there)
{
    if (fchown(saving->fd, there->st_uid, there->st_gid) == 0)
        fchmod(saving->fd, there->st_mode & 07777);
}

static int open_part(struct saving *saving)
{
    struct stat there;
    bool known = stat(saving->path, &there) == 0;
    if (known && !S_ISREG(there.st_mode)) {
        saving->fd = open(saving->path, O_WRONLY | O_CLOEXEC);
        return saving->fd < 0 ? cannot_write(saving) : EXIT_OK;
    }
    saving->part = memory_format("%s.part", saving->path);
    saving->fd = open(saving->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (saving->fd < 0) {
        int code = cannot_write(saving);
        forget(&saving->part);
        return code;
    }
    if (known)
        keep_rights(saving, &there);
    return EXIT_OK;
}

int saving_begin(struct saving *saving, struct invocation *invocation, const char *path,
                 const char *name)
{
    *saving = (struct saving){.invocation = invocation, .fd = -1, .exclusive = !path};
    if (text_equal(path, "-"))
        return EXIT_OK;
    saving->path = place_of(path, name);
    if (!saving->exclusive)
        return open_part(saving);
    saving->fd = open(saving->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (saving->fd < 0 && errno == EEXIST)
        return fail(invocation, EXIT_CONFLICT, MESSAGE_EXISTS, saving->path);
    return saving->fd < 0 ? cannot_write(saving) : EXIT_OK;
}

int saving_write(struct saving *saving, const void *data, size_t size)
{
    bool written = saving->path ? file_write_all(saving->fd, data, size) == 0
                                : fwrite(data, 1, size, stdout) == size;
    saving->size += (int64_t)size;
    return written ? EXIT_OK : cannot_write(saving);
}

int saving_end(struct saving *saving)
{
    if (!saving->path)
        return EXIT_OK;
    bool closed = close(saving->fd) == 0;
    saving->fd = -1;
    if (!closed || (saving->part && rename(saving->part, saving->path) != 0))
        return cannot_write(saving);
    forget(&saving->part);
    saving->exclusive = false;
    if (!saving->invocation->json)
        say(MESSAGE_SAVED, saving->path, message_number(saving->size));
    return EXIT_OK;
}

void saving_abandon(struct saving *saving)
{
    const char *left = saving->part ? saving->part : saving->exclusive ? saving->path : NULL;
    bool made = saving->fd >= 0 || saving->part;
    file_close(&saving->fd);
    if (left && made)
        unlink(left);
    forget(&saving->part);
    forget(&saving->path);
}
