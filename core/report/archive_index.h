/* Reading a segment's .idx and hashing parts of its file: what recovery and verification share. */
#ifndef CAMPAIGND_REPORT_ARCHIVE_INDEX_H
#define CAMPAIGND_REPORT_ARCHIVE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "report/archive_record.h"

struct archive_index {
    struct buffer bytes;
    uint64_t documents; /* places for documents; the last may be torn, if it is not sealed */
    bool sealed;        /* ends with a seal */
    struct record seal;
};
#define ARCHIVE_INDEX_CLEAN __attribute__((cleanup(archive_index_free)))

/* 0; -1 with ERROR_NOT_FOUND, or another error if it cannot be read. */
int archive_index_load(struct archive_index *index, const char *folder, const char *segment,
                       struct error *error);
void archive_index_free(struct archive_index *index);

/* The record in a place: 0 is the header, then the documents by number. -1 if it is not whole. */
int archive_index_record(const struct archive_index *index, uint64_t place, struct record *record);

/* Add bytes of a file to a hash: 1, 0 if the file ends before, -1 with errno. */
int archive_hash_range(int fd, uint64_t offset, uint64_t length, crypto_hash_sha256_state *state);

/* Does the ZIP's directory stand where the seal says, and is it what was written? 1, 0, or -1 with
 * errno. */
int archive_seal_agrees(int fd, const struct record *seal);

/* Open a segment's file for reading: the descriptor, or -1 (ERROR_NOT_FOUND, ERROR_INPUT if it is
 * no segment's name). */
int archive_segment_open(const char *folder, const char *segment, struct error *error);

#endif
