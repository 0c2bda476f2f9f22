/* Small things about strings and bytes: UTF-8, hex, base64, numbers with units. Nothing here
 * allocates unless it says so. */
#ifndef CAMPAIGND_BASE_TEXT_H
#define CAMPAIGND_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Is this valid UTF-8 (RFC 3629: no overlong forms, no surrogates)? */
bool text_is_utf8(const char *data, size_t size);

/* Put ? in place of each byte that belongs to no character. */
void text_mend_utf8(char *text);

/* Cut a zero-terminated text that may have been cut inside a character, so that at most `size`
 * bytes of whole ones stay. */
void text_cut_utf8(char *text, size_t size);

/* Copy `source` into `target[size]`, cut at a character's end if it does not fit; always
 * terminated. */
void text_copy(char *target, size_t size, const char *source);

bool text_equal(const char *a, const char *b); /* both may be NULL; NULL equals NULL */
bool text_starts(const char *text, const char *prefix);

/* Lower-case hex. `target` holds 2 * size + 1 bytes. Decoding returns 0, or -1 if it is not 2 *
 * size hex digits. */
void text_hex(char *target, const void *data, size_t size);
int text_unhex(void *target, size_t size, const char *hex);

/* Base64 (RFC 4648 section 4, with padding). Decoding appends to `target`; -1 if `text` is not
 * base64. */
void text_base64(struct buffer *target, const void *data, size_t size);
int text_unbase64(struct buffer *target, const char *text, size_t length);

/* A whole number in decimal, nothing around it: 0, or -1. */
int text_to_int64(const char *text, int64_t *value);

/* A number in the fewest digits that mean it: "0.1", "1e+300"; "inf", "-inf" and "nan", too. */
#define TEXT_REAL_SIZE 32
void text_real(char target[TEXT_REAL_SIZE], double real);

/* "30s", "5m", "2h", "1d", "250ms" → microseconds; a bare number is an error. 0, or -1. */
int text_to_duration_us(const char *text, int64_t *value_us);

/* "4MB", "64KB", "1GB", "512B" (powers of 1024) → bytes; a bare number counts bytes. 0, or -1. */
int text_to_size(const char *text, int64_t *value_bytes);

/* RFC 3339 in UTC with milliseconds, "2026-11-24T14:05:09.123Z", of a time in microseconds since
 * 1970. */
#define TEXT_TIME_SIZE 32
void text_time(char target[TEXT_TIME_SIZE], int64_t time_us);

#endif
