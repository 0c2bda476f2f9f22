/*
 * Bytes that grow. `data` is always followed by a zero byte (once anything was put in), so that
 * text can be read as a string. Out of memory ends the process: what comes from outside is bounded
 * by its reader before it gets here.
 */
#ifndef CAMPAIGND_BASE_BUFFER_H
#define CAMPAIGND_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
    char *data; /* NULL while nothing was ever put in */
    size_t size;
    size_t capacity;
};

#define BUFFER_CLEAN __attribute__((cleanup(buffer_free)))

void buffer_free(struct buffer *buffer);  /* and set to empty */
void buffer_clear(struct buffer *buffer); /* keep the memory */
char *buffer_extend(struct buffer *buffer,
                    size_t size); /* `size` more bytes, undefined; returns where they begin */
void buffer_reserve(struct buffer *buffer, size_t size); /* room for `size` more without moving */
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void buffer_consume(struct buffer *buffer, size_t size); /* drop the first `size` bytes */
const char *buffer_string(const struct buffer *buffer);  /* never NULL */
char *buffer_steal(
    struct buffer *buffer); /* the bytes, zero-terminated, now the caller's to free(); never NULL */

#endif
