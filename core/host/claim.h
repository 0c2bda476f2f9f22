/*
 * Claims: ranges of a job's tasks that the core gave to this worker. They wait here as ranges, and
 * are expanded one task at a time, as the plugin takes them.
 */
#ifndef CAMPAIGND_HOST_CLAIM_H
#define CAMPAIGND_HOST_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "wire/frame.h"
#include "wire/outcome.h"

struct claim_range {
    uint64_t first, last;
    uint32_t attempt;
};

/* What an earlier step made for a recipient. */
struct earlier_document {
    uint64_t ordinal;
    uint32_t position; /* in the frame */
    const char *step;
    struct wire_document document;
};

struct claim {
    struct claim *next; /* of its job */
    uint64_t id;
    struct job *job;
    struct claim_range *ranges;
    uint32_t range_count, range; /* the present one; its `first` moves on */
    struct earlier_document *earlier;
    uint32_t earlier_count;
    uint32_t out;                 /* tasks that are under way */
    struct claim_range *returned; /* to be sent with the next FRAME_RETURNED */
    uint32_t returned_count, returned_room;
    struct arena *arena;
};

/* Read the rest of a FRAME_CLAIM, after the job's number. NULL: it is none. */
struct claim *claim_read(struct frame_reader *reader);
void claim_free(struct claim *claim);

/* The next task: 1 with ordinal and attempt, 0 if none is left. */
bool claim_next(struct claim *claim, uint64_t *ordinal, uint32_t *attempt);
bool claim_waits(const struct claim *claim); /* is one left? */

/* Note tasks as given back. */
void claim_return(struct claim *claim, uint64_t first, uint64_t last);
void claim_return_rest(struct claim *claim); /* all that were not expanded */

/* Append FRAME_RETURNED for what is noted. */
void claim_put_returned(struct claim *claim, struct buffer *out);

/* The documents of a recipient, in the frame's order: how many, and the first. */
uint32_t claim_earlier(const struct claim *claim, uint64_t ordinal,
                       const struct earlier_document **first);

#endif
