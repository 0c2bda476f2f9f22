#include "host/claim.h"

#include <stdlib.h>

#define RANGE_BYTES 20     /* of a range in the frame */
#define DOCUMENT_BYTES 100 /* of a document, at least */

static void read_ranges(struct claim *claim, struct frame_reader *reader)
{
    claim->range_count = get_count(reader, RANGE_BYTES);
    claim->ranges = arena_alloc(claim->arena, claim->range_count * sizeof *claim->ranges);
    for (uint32_t i = 0; i < claim->range_count; i++) {
        struct claim_range *range = &claim->ranges[i];
        range->first = get_u64(reader);
        range->last = get_u64(reader);
        range->attempt = get_u32(reader);
        if (range->last < range->first || range->last > INT64_MAX)
            reader->bad = true;
    }
}

static int by_ordinal(const void *a, const void *b)
{
    const struct earlier_document *left = a, *right = b;
    if (left->ordinal != right->ordinal)
        return left->ordinal < right->ordinal ? -1 : 1;
    return left->position < right->position ? -1 : left->position > right->position;
}

static void read_earlier(struct claim *claim, struct frame_reader *reader)
{
    claim->earlier_count = get_count(reader, DOCUMENT_BYTES);
    claim->earlier = memory_array(claim->earlier_count + 1, sizeof *claim->earlier);
    for (uint32_t i = 0; i < claim->earlier_count; i++) {
        struct earlier_document *earlier = &claim->earlier[i];
        size_t length;
        earlier->ordinal = get_u64(reader);
        earlier->position = i;
        const char *step = get_bytes(reader, &length);
        earlier->step = arena_text_n(claim->arena, step, length);
        document_get(reader, &earlier->document);
    }
    qsort(claim->earlier, claim->earlier_count, sizeof *claim->earlier, by_ordinal);
}

struct claim *claim_read(struct frame_reader *reader)
{
    struct claim *claim = memory_new(sizeof *claim);
    claim->arena = arena_new();
    claim->id = get_u64(reader);
    read_ranges(claim, reader);
    if (!reader->bad)
        read_earlier(claim, reader);
    if (!reader->bad)
        return claim;
    claim_free(claim);
    return NULL;
}

void claim_free(struct claim *claim)
{
    free(claim->earlier);
    free(claim->returned);
    arena_free(claim->arena);
    free(claim);
}

bool claim_waits(const struct claim *claim)
{
    return claim->range < claim->range_count;
}

bool claim_next(struct claim *claim, uint64_t *ordinal, uint32_t *attempt)
{
    if (!claim_waits(claim))
        return false;
    struct claim_range *range = &claim->ranges[claim->range];
    *ordinal = range->first;
    *attempt = range->attempt;
    if (range->first++ == range->last)
        claim->range++;
    return true;
}

void claim_return(struct claim *claim, uint64_t first, uint64_t last)
{
    struct claim_range *before =
        claim->returned_count ? &claim->returned[claim->returned_count - 1] : NULL;
    if (before && before->last + 1 == first) {
        before->last = last;
        return;
    }
    if (claim->returned_count == claim->returned_room) {
        claim->returned_room = claim->returned_room * 2 + 16;
        claim->returned =
            memory_resize(claim->returned, claim->returned_room * sizeof *claim->returned);
    }
    claim->returned[claim->returned_count++] = (struct claim_range){.first = first, .last = last};
}

void claim_return_rest(struct claim *claim)
{
    for (; claim_waits(claim); claim->range++)
        claim_return(claim, claim->ranges[claim->range].first, claim->ranges[claim->range].last);
}

void claim_put_returned(struct claim *claim, struct buffer *out)
{
    size_t mark = frame_begin(out, FRAME_RETURNED);
    put_u64(out, claim->id);
    put_u32(out, claim->returned_count);
    for (uint32_t i = 0; i < claim->returned_count; i++) {
        put_u64(out, claim->returned[i].first);
        put_u64(out, claim->returned[i].last);
    }
    frame_end(out, mark);
    claim->returned_count = 0;
}

uint32_t claim_earlier(const struct claim *claim, uint64_t ordinal,
                       const struct earlier_document **first)
{
    uint32_t low = 0, high = claim->earlier_count, count = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (claim->earlier[middle].ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    *first = &claim->earlier[low];
    while (low + count < claim->earlier_count && claim->earlier[low + count].ordinal == ordinal)
        count++;
    return count;
}
