#include "wire/frame.h"

#include <endian.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

size_t frame_begin(struct buffer *buffer, enum frame_type type)
{
    size_t mark = buffer->size;
    put_u32(buffer, 0);
    put_u16(buffer, (uint16_t)type);
    put_u16(buffer, 0);
    return mark;
}

void frame_end(struct buffer *buffer, size_t mark)
{
    uint32_t size = htole32((uint32_t)(buffer->size - mark - 4));
    memcpy(buffer->data + mark, &size, sizeof size);
}

void put_u8(struct buffer *buffer, uint8_t value)
{
    buffer_append(buffer, &value, sizeof value);
}

void put_u16(struct buffer *buffer, uint16_t value)
{
    value = htole16(value);
    buffer_append(buffer, &value, sizeof value);
}

void put_u32(struct buffer *buffer, uint32_t value)
{
    value = htole32(value);
    buffer_append(buffer, &value, sizeof value);
}

void put_u64(struct buffer *buffer, uint64_t value)
{
    value = htole64(value);
    buffer_append(buffer, &value, sizeof value);
}

void put_bytes(struct buffer *buffer, const void *data, size_t size)
{
    put_u32(buffer, (uint32_t)size);
    buffer_append(buffer, data, size);
}

void put_text(struct buffer *buffer, const char *text)
{
    put_bytes(buffer, text ? text : "", text ? strlen(text) : 0);
}

const void *get_raw(struct frame_reader *reader, size_t size)
{
    if (reader->bad || reader->size - reader->position < size) {
        reader->bad = true;
        return NULL;
    }
    const void *data = reader->data + reader->position;
    reader->position += size;
    return data;
}

uint8_t get_u8(struct frame_reader *reader)
{
    const uint8_t *data = get_raw(reader, 1);
    return data ? *data : 0;
}

uint16_t get_u16(struct frame_reader *reader)
{
    uint16_t value = 0;
    const void *data = get_raw(reader, sizeof value);
    if (data)
        memcpy(&value, data, sizeof value);
    return le16toh(value);
}

uint32_t get_u32(struct frame_reader *reader)
{
    uint32_t value = 0;
    const void *data = get_raw(reader, sizeof value);
    if (data)
        memcpy(&value, data, sizeof value);
    return le32toh(value);
}

uint64_t get_u64(struct frame_reader *reader)
{
    uint64_t value = 0;
    const void *data = get_raw(reader, sizeof value);
    if (data)
        memcpy(&value, data, sizeof value);
    return le64toh(value);
}

const char *get_bytes(struct frame_reader *reader, size_t *length)
{
    size_t size = get_u32(reader);
    const char *data = get_raw(reader, size);
    *length = data ? size : 0;
    return data ? data : "";
}

char *get_text(struct frame_reader *reader)
{
    size_t length;
    const char *data = get_bytes(reader, &length);
    return memory_text_n(data, length);
}

void get_text_into(struct frame_reader *reader, char *target, size_t size)
{
    size_t length;
    const char *data = get_bytes(reader, &length);
    bool fits = length < size;
    if (!fits)
        length = size - 1;
    memcpy(target, data, length);
    target[length] = '\0';
    if (!fits)
        text_cut_utf8(target, length);
}

uint32_t get_count(struct frame_reader *reader, size_t item)
{
    uint32_t count = get_u32(reader);
    if (reader->bad || count > (reader->size - reader->position) / item) {
        reader->bad = true;
        return 0;
    }
    return count;
}

int64_t frame_next(const void *data, size_t size, enum frame_type *type,
                   struct frame_reader *payload)
{
    struct frame_reader head = {.data = data, .size = size};
    if (size < FRAME_HEAD)
        return 0;
    size_t body = get_u32(&head);
    *type = (enum frame_type)get_u16(&head);
    uint16_t zero = get_u16(&head);
    if (body < FRAME_HEAD - 4 || body > FRAME_LIMIT || zero)
        return -1;
    if (size < body + 4)
        return 0;
    *payload = (struct frame_reader){.data = (const unsigned char *)data + FRAME_HEAD,
                                     .size = body + 4 - FRAME_HEAD};
    return (int64_t)body + 4;
}
