/*
 * One segment being written: its ZIP file and its .idx, hand in hand. Not thread-safe, but for
 * archive_segment_sync, which touches the two descriptors alone.
 */
#ifndef CAMPAIGND_REPORT_ARCHIVE_SEGMENT_H
#define CAMPAIGND_REPORT_ARCHIVE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "report/archive.h"
#include "report/archive_zip.h"

struct archive_segment {
    struct archive_segment *next; /* the owner's list */
    char name[64];
    char *zip_path, *index_path;
    int zip_fd, index_fd;
    struct archive_zip *zip;
    uint64_t documents;
    unsigned char chain[ARCHIVE_HASH_SIZE];
    uint64_t index_reserved;
    bool closed; /* sealed, or given up after a write that failed: takes nothing more */
    bool dirty;  /* something was written since the owner last cleared this */
};

/* A new segment, whose files must not exist yet: *exists says that they do. */
struct archive_segment *archive_segment_new(const char *folder, const char *name,
                                            const char *run_uuid, bool *exists,
                                            struct error *error);
void archive_segment_free(struct archive_segment *segment); /* neither seals nor syncs */

/* Write a document. `entry` has name, mime_type, length, salt and hash; gets the rest. */
int archive_segment_add(struct archive_segment *segment, const void *data,
                        struct archive_entry *entry, struct error *error);

/* How large the file would be, sealed, with a document of `length` more. */
uint64_t archive_segment_size_with(const struct archive_segment *segment, uint64_t length);

int archive_segment_seal(struct archive_segment *segment, struct error *error);

/* [any thread, while others add] */
int archive_segment_sync(const struct archive_segment *segment, struct error *error);

/* Remove its files, as if it had never been. */
void archive_segment_discard(struct archive_segment *segment);

#endif
