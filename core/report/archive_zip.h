/*
 * One ZIP file being written by libarchive: entries stored, not compressed, and their exact places.
 * (libarchive has a struct archive_entry of its own: only archive_zip.c sees it.)
 */
#ifndef CAMPAIGND_REPORT_ARCHIVE_ZIP_H
#define CAMPAIGND_REPORT_ARCHIVE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct archive_zip;

struct archive_zip_place {
    uint64_t start;          /* where its first byte is */
    uint64_t offset;         /* where the content begins */
    uint64_t end;            /* behind its last byte */
    unsigned char frame[32]; /* SHA-256 of the bytes around the content */
};

/* Write to `fd`, an empty file whose name for messages is `path`. The fd stays the caller's. */
struct archive_zip *archive_zip_new(int fd, const char *path, struct error *error);
void archive_zip_free(struct archive_zip *zip); /* writes nothing more; NULL is fine */

/* `name`: ASCII. -1: nothing was written (what was is cut off again); see archive_zip_broken. */
int archive_zip_add(struct archive_zip *zip, const char *name, const void *data, size_t length,
                    struct archive_zip_place *place, struct error *error);

/* Write the directory: its place and hash. Nothing can be added afterwards. */
int archive_zip_finish(struct archive_zip *zip, struct archive_zip_place *place,
                       struct error *error);

/* After an error in the middle of writing nothing can be added, and no directory be written: what
 * is there can still be read by its place. */
bool archive_zip_broken(const struct archive_zip *zip);

uint64_t archive_zip_end(const struct archive_zip *zip); /* the file's size now */

#endif
