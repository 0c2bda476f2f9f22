/* Files and paths. Every message names the path. */
#ifndef CAMPAIGND_BASE_FILE_H
#define CAMPAIGND_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

void file_close(int *fd); /* closes if >= 0 and sets -1 */
#define FD_CLEAN __attribute__((cleanup(file_close)))

/* Append a file's bytes to `target`; more than `limit` bytes is an error. 0 or -1. */
int file_read(const char *path, size_t limit, struct buffer *target, struct error *error);
int file_read_fd(int fd, const char *name, size_t limit, struct buffer *target,
                 struct error *error);

/* Write all, over EINTR and short writes. 0 or -1 with errno. */
int file_write_all(int fd, const void *data, size_t size);

/* New content under `path`, durable: temporary file beside it, fsync, rename, fsync of the folder.
 */
int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct error *error);

/* fsync of a folder. 0 or -1. */
int file_sync_folder(const char *path, struct error *error);

/* Make a folder and those above it, each new one with `mode`. An existing one is fine. 0 or -1. */
int file_make_folders(const char *path, mode_t mode, struct error *error);

/* `path` as it counts from the folder of the file `from`: absolute ones stay. The caller frees. */
char *file_resolve(const char *from, const char *path);

/* Set or clear FD_CLOEXEC. 0 or -1 with errno. */
int file_set_cloexec(int fd, bool on);

#endif
