/* Secrets that stand outside the configuration: in a file of their own or a systemd credential. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "conf/conf.h"

static const char file_prefix[] = "file:";
static const char credential_prefix[] = "credential:";

/* The path of the credential NAME, the caller's to free; or NULL. */
static char *credential_path(const char *name, struct error *error)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        error_set(error, ERROR_INPUT,
                  "credential:NAME takes the name of one credential, without »/«");
        return NULL;
    }
    if (!folder || !*folder) {
        error_set(error, ERROR_INPUT,
                  "credential:%s needs $CREDENTIALS_DIRECTORY, which systemd sets with "
                  "LoadCredential=%s:PATH; without systemd use file:PATH",
                  name, name);
        return NULL;
    }
    return memory_format("%s/%s", folder, name);
}

/* Where `value` says that the secret is, the caller's to free; or NULL. */
static char *secret_path(const char *value, const char *from_file, struct error *error)
{
    if (text_starts(value, credential_prefix))
        return credential_path(value + strlen(credential_prefix), error);
    if (!text_starts(value, file_prefix)) {
        error_set(error, ERROR_INPUT, "a secret must be given as file:PATH or credential:NAME");
        return NULL;
    }
    const char *path = value + strlen(file_prefix);
    if (*path)
        return file_resolve(from_file, path);
    error_set(error, ERROR_INPUT, "file: names no file; write file:PATH");
    return NULL;
}

/* An open file that only its owner and group may read; or -1. Does not wait on a pipe. */
static int open_private(const char *path, struct error *error)
{
    FD_CLEAN int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return error_errno(error, errno, "cannot open the secret's file %s", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_INPUT, "the secret's file %s is no regular file", path);
    if (status.st_mode & S_IRWXO)
        return error_set(error, ERROR_DENIED,
                         "the secret's file %s is open to everybody; run chmod o= %s", path, path);
    int opened = fd;
    fd = -1;
    return opened;
}

/* Read it whole. The room is taken at once, so that no copy stays behind in freed memory. */
static int read_secret(int fd, const char *path, struct buffer *out, struct error *error)
{
    char *data = buffer_extend(out, CONF_SECRET_MAX + 1);
    size_t length = 0;
    while (length <= CONF_SECRET_MAX) {
        ssize_t got = read(fd, data + length, CONF_SECRET_MAX + 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(error, errno, "cannot read the secret's file %s", path);
        if (got == 0)
            break;
        length += (size_t)got;
    }
    if (length > CONF_SECRET_MAX)
        return error_set(error, ERROR_INPUT, "the secret's file %s is larger than 64 KB", path);
    if (memchr(data, '\0', length))
        return error_set(error, ERROR_INPUT, "the secret's file %s holds a zero byte", path);
    if (length && data[length - 1] == '\n')
        length -= length > 1 && data[length - 2] == '\r' ? 2 : 1;
    if (!length)
        return error_set(error, ERROR_INPUT, "the secret's file %s is empty", path);
    out->size = (size_t)(data - out->data) + length;
    data[length] = '\0';
    return 0;
}

int conf_secret(const char *value, const char *from_file, struct buffer *out, struct error *error)
{
    FREE_CLEAN char *path = secret_path(value, from_file, error);
    if (!path)
        return -1;
    FD_CLEAN int fd = open_private(path, error);
    if (fd < 0)
        return -1;
    size_t before = out->size;
    if (read_secret(fd, path, out, error) == 0)
        return 0;
    memory_wipe(out->data + before, out->size - before);
    out->size = before;
    out->data[before] = '\0';
    return -1;
}
