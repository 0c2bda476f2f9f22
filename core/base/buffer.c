#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

void buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t needed;
    if (__builtin_add_overflow(buffer->size, size, &needed) ||
        __builtin_add_overflow(needed, 1, &needed))
        memory_exhausted(size);
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < needed)
        capacity += capacity / 2;
    buffer->data = memory_resize(buffer->data, capacity);
    buffer->capacity = capacity;
}

char *buffer_extend(struct buffer *buffer, size_t size)
{
    buffer_reserve(buffer, size);
    char *start = buffer->data + buffer->size;
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return start;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    char *start = buffer_extend(buffer, size);
    if (size)
        memcpy(start, data, size);
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_char(struct buffer *buffer, char c)
{
    *buffer_extend(buffer, 1) = c;
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return;
    char *start = buffer_extend(buffer, (size_t)length);
    vsnprintf(start, (size_t)length + 1, format, arguments);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(buffer, format, arguments);
    va_end(arguments);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    if (!size)
        return;
    memmove(buffer->data, buffer->data + size, buffer->size - size + 1);
    buffer->size -= size;
}

const char *buffer_string(const struct buffer *buffer)
{
    return buffer->data ? buffer->data : "";
}

char *buffer_steal(struct buffer *buffer)
{
    buffer_reserve(buffer, 0);
    buffer->data[buffer->size] = '\0';
    char *data = buffer->data;
    *buffer = (struct buffer){0};
    return data;
}
