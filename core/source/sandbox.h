/*
 * What a process that runs foreign SQL may still do. In this order:
 *   sandbox_limit()    first of all
 *   source_open()      each source of the request: connecting reads certificates, the resolver's
 *                      files, client libraries
 *   sandbox_confine()  with the folders of all these sources (source_folders)
 *   source_query() …   as many as are wanted; no source can be opened any more
 */
#ifndef CAMPAIGND_SOURCE_SANDBOX_H
#define CAMPAIGND_SOURCE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_FOLDERS_MAX 64

/* Limit memory (not in sanitizer builds), CPU time, descriptors and core dumps. */
void sandbox_limit(int64_t cpu_us);

struct sandbox_folder {
    const char *path;
    bool write; /* into files that are there: SQLite's -shm beside a database in WAL mode */
};

/* By Landlock, where the kernel has it, see only these folders from now on; `write_folder` (NULL:
 * none) is also where SQLite puts what it sorts. What cannot be had is logged at debug level and
 * done without. */
void sandbox_confine(const struct sandbox_folder *folders, size_t count, const char *write_folder);

#endif
