/*
 * What became of a task: in a frame to the core, in the worker's log, and in the run's journal the
 * same thing. The numbers of `status` are those of campaignd/action.h, for ever.
 */
#ifndef CAMPAIGND_WIRE_OUTCOME_H
#define CAMPAIGND_WIRE_OUTCOME_H

#include <stdint.h>

#include "base/buffer.h"
#include "wire/frame.h"

enum outcome_status {
    OUTCOME_DELIVERED = 1,
    OUTCOME_REJECTED = 2,
    OUTCOME_DEFERRED = 3,
    OUTCOME_SKIPPED = 4,
    OUTCOME_UNKNOWN = 5,
};
#define OUTCOME_STATUSES 6 /* for arrays by status; [0] is unused */

const char *outcome_name(int status); /* "delivered", …; "?" for what is none */

#define OUTCOME_TEXT 512
#define OUTCOME_REMOTE 256
#define OUTCOME_DOCUMENTS 32

/* A document in the archive, as its index knows it (report/archive.h says what the numbers mean).
 */
struct wire_document {
    char segment[64];
    uint64_t number, offset, length;
    unsigned char hash[32], salt[16], chain[32];
    char name[128];
    char mime_type[64];
};

struct outcome {
    int32_t status;
    int32_t code;
    int64_t time_us;       /* when it ended, wall clock */
    int64_t not_before_us; /* for deferred; 0: the core's choice */
    char remote_id[OUTCOME_REMOTE];
    char text[OUTCOME_TEXT];
    uint32_t document_count;
    struct wire_document *documents; /* outcome_free frees them */
};

void outcome_free(struct outcome *outcome);

/* Append the encoded outcome. At most OUTCOME_DOCUMENTS documents. */
void outcome_put(struct buffer *buffer, const struct outcome *outcome);

/* Read one; `reader->bad` if it is none, and then the outcome is empty. */
void outcome_get(struct frame_reader *reader, struct outcome *outcome);

void document_put(struct buffer *buffer, const struct wire_document *document);
void document_get(struct frame_reader *reader, struct wire_document *document);

#endif
