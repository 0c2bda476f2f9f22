#include "wire/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

const char *outcome_name(int status)
{
    static const char *const names[OUTCOME_STATUSES] = {
        [OUTCOME_DELIVERED] = "delivered", [OUTCOME_REJECTED] = "rejected",
        [OUTCOME_DEFERRED] = "deferred",   [OUTCOME_SKIPPED] = "skipped",
        [OUTCOME_UNKNOWN] = "unknown",
    };
    return status > 0 && status < OUTCOME_STATUSES ? names[status] : "?";
}

void outcome_free(struct outcome *outcome)
{
    free(outcome->documents);
    outcome->documents = NULL;
    outcome->document_count = 0;
}

void document_put(struct buffer *buffer, const struct wire_document *document)
{
    put_text(buffer, document->segment);
    put_u64(buffer, document->number);
    put_u64(buffer, document->offset);
    put_u64(buffer, document->length);
    buffer_append(buffer, document->hash, sizeof document->hash);
    buffer_append(buffer, document->salt, sizeof document->salt);
    buffer_append(buffer, document->chain, sizeof document->chain);
    put_text(buffer, document->name);
    put_text(buffer, document->mime_type);
}

static void get_array(struct frame_reader *reader, void *target, size_t size)
{
    const void *data = get_raw(reader, size);
    if (data)
        memcpy(target, data, size);
}

void document_get(struct frame_reader *reader, struct wire_document *document)
{
    *document = (struct wire_document){0};
    get_text_into(reader, document->segment, sizeof document->segment);
    document->number = get_u64(reader);
    document->offset = get_u64(reader);
    document->length = get_u64(reader);
    get_array(reader, document->hash, sizeof document->hash);
    get_array(reader, document->salt, sizeof document->salt);
    get_array(reader, document->chain, sizeof document->chain);
    get_text_into(reader, document->name, sizeof document->name);
    get_text_into(reader, document->mime_type, sizeof document->mime_type);
}

void outcome_put(struct buffer *buffer, const struct outcome *outcome)
{
    put_u8(buffer, (uint8_t)outcome->status);
    put_u32(buffer, (uint32_t)outcome->code);
    put_u64(buffer, (uint64_t)outcome->time_us);
    put_u64(buffer, (uint64_t)outcome->not_before_us);
    put_text(buffer, outcome->remote_id);
    put_text(buffer, outcome->text);
    put_u32(buffer, outcome->document_count);
    for (uint32_t i = 0; i < outcome->document_count; i++)
        document_put(buffer, &outcome->documents[i]);
}

void outcome_get(struct frame_reader *reader, struct outcome *outcome)
{
    outcome->status = get_u8(reader);
    outcome->code = (int32_t)get_u32(reader);
    outcome->time_us = (int64_t)get_u64(reader);
    outcome->not_before_us = (int64_t)get_u64(reader);
    get_text_into(reader, outcome->remote_id, sizeof outcome->remote_id);
    get_text_into(reader, outcome->text, sizeof outcome->text);
    outcome->document_count = 0;
    outcome->documents = NULL;
    uint32_t count = get_count(reader, 100);
    if (outcome->status < OUTCOME_DELIVERED || outcome->status > OUTCOME_UNKNOWN ||
        count > OUTCOME_DOCUMENTS)
        reader->bad = true;
    if (count && !reader->bad) {
        outcome->documents = memory_array(count, sizeof *outcome->documents);
        outcome->document_count = count;
        for (uint32_t i = 0; i < count; i++)
            document_get(reader, &outcome->documents[i]);
    }
    if (reader->bad)
        outcome_free(outcome);
}
