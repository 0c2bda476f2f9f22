/*
 * What a segment's .idx holds: records of one size, the first the header, then one for each
 * document in the order of their numbers, and at the end, if the segment is sealed, the seal. All
 * numbers are little-endian. And the hashes of the archive, with their encodings.
 */
#ifndef CAMPAIGND_REPORT_ARCHIVE_RECORD_H
#define CAMPAIGND_REPORT_ARCHIVE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "report/archive.h"

#define RECORD_SIZE 384

/* Fewer than what makes a ZIP file need its 64-bit extensions. */
#define SEGMENT_DOCUMENTS 65000u

enum record_kind {
    RECORD_HEADER = 1,   /* name: the segment; mime_type: the run's uuid; chain: where it starts */
    RECORD_DOCUMENT = 2, /* see struct record */
    RECORD_SEAL = 3,     /* number: how many documents; start, offset: the ZIP's directory, of
                            `length` bytes; end: the file's size; chain: its head; frame: H(directory) */
};

struct record {
    uint32_t kind;
    uint64_t number;
    uint64_t start; /* where the ZIP entry's local header begins */
    uint64_t offset, length;
    uint64_t end; /* where the next entry begins */
    unsigned char hash[ARCHIVE_HASH_SIZE], salt[ARCHIVE_SALT_SIZE], chain[ARCHIVE_HASH_SIZE];
    unsigned char frame[ARCHIVE_HASH_SIZE]; /* of the bytes from start to end but the content */
    char name[128];
    char mime_type[64];
};

void record_put(unsigned char bytes[RECORD_SIZE], const struct record *record);

/* -1 if these bytes are not a whole record as record_put writes it. */
int record_get(struct record *record, const unsigned char bytes[RECORD_SIZE]);

/* H(salt ‖ u32 length of name ‖ name ‖ u64 length of content ‖ content): begin, then add the
 * content. */
void archive_hash_begin(crypto_hash_sha256_state *state,
                        const unsigned char salt[ARCHIVE_SALT_SIZE], const char *name,
                        uint64_t length);
void archive_hash_document(unsigned char hash[ARCHIVE_HASH_SIZE],
                           const unsigned char salt[ARCHIVE_SALT_SIZE], const char *name,
                           const void *data, uint64_t length);

/* chain_0 = H("campaignd archive" ‖ u32 length of uuid ‖ uuid ‖ u32 length of segment ‖ segment) */
void archive_chain_start(unsigned char chain[ARCHIVE_HASH_SIZE], const char *run_uuid,
                         const char *segment);

/* chain_n = H(chain_n-1 ‖ u64 number ‖ hash), in place */
void archive_chain_next(unsigned char chain[ARCHIVE_HASH_SIZE], uint64_t number,
                        const unsigned char hash[ARCHIVE_HASH_SIZE]);

/* Texts from outside, made fit: valid UTF-8 without control characters; a MIME type or
 * application/octet-stream. */
void archive_clean_name(char target[128], const char *name);
void archive_clean_mime_type(char target[64], const char *mime_type);

/* Is this a segment's file name (and so has no slash and leads nowhere)? */
bool archive_segment_valid(const char *segment);

/* FOLDER/SEGMENT and FOLDER/SEGMENT with .idx in place of .zip. The caller frees. */
char *archive_segment_path(const char *folder, const char *segment);
char *archive_index_path(const char *folder, const char *segment);

#endif
