#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The length of the character that begins here, or 0 where none does (RFC 3629, section 4). */
static size_t character(const unsigned char *c, size_t left)
{
    if (c[0] < 0x80)
        return 1;
    size_t length = c[0] >= 0xc2 && c[0] < 0xe0   ? 2
                    : (c[0] & 0xf0) == 0xe0       ? 3
                    : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                                  : 0;
    if (!length || left < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool surrogate = c[0] == 0xed && c[1] >= 0xa0;
    bool beyond = c[0] == 0xf4 && c[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

bool text_is_utf8(const char *data, size_t size)
{
    const unsigned char *c = (const unsigned char *)data;
    while (size) {
        size_t length = character(c, size);
        if (!length)
            return false;
        c += length;
        size -= length;
    }
    return true;
}

void text_mend_utf8(char *text)
{
    for (size_t left = strlen(text); left;) {
        size_t length = character((unsigned char *)text, left);
        if (!length) {
            *text = '?';
            length = 1;
        }
        text += length;
        left -= length;
    }
}

void text_cut_utf8(char *text, size_t size)
{
    size_t length = strnlen(text, size);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0 &&
        !character((unsigned char *)text + start - 1, length - start + 1))
        length = start - 1;
    text[length] = '\0';
}

void text_copy(char *target, size_t size, const char *source)
{
    size_t length = strnlen(source, size);
    bool fits = length < size;
    if (!fits)
        length = size - 1;
    memcpy(target, source, length);
    target[length] = '\0';
    if (!fits)
        text_cut_utf8(target, length);
}

bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

void text_hex(char *target, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        *target++ = digits[bytes[i] >> 4];
        *target++ = digits[bytes[i] & 15];
    }
    *target = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int text_unhex(void *target, size_t size, const char *hex)
{
    unsigned char *bytes = target;
    if (strlen(hex) != 2 * size)
        return -1;
    for (size_t i = 0; i < size; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64(struct buffer *target, const void *data, size_t size)
{
    const unsigned char *b = data;
    char *out = buffer_extend(target, (size + 2) / 3 * 4);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)b[i] << 16 | (i + 1 < size ? (uint32_t)b[i + 1] << 8 : 0) |
                        (i + 2 < size ? b[i + 2] : 0);
        *out++ = base64_digits[word >> 18];
        *out++ = base64_digits[word >> 12 & 63];
        *out++ = i + 1 < size ? base64_digits[word >> 6 & 63] : '=';
        *out++ = i + 2 < size ? base64_digits[word & 63] : '=';
    }
}

int text_unbase64(struct buffer *target, const char *text, size_t length)
{
    signed char value[256];
    memset(value, -1, sizeof value);
    for (int i = 0; i < 64; i++)
        value[(unsigned char)base64_digits[i]] = (signed char)i;
    if (length % 4)
        return -1;
    for (size_t i = 0; i < length; i += 4) {
        bool last = i + 4 == length;
        int pad = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        uint32_t word = 0;
        for (int k = 0; k < 4; k++) {
            int v = k >= 4 - pad ? 0 : value[(unsigned char)text[i + (size_t)k]];
            if (v < 0)
                return -1;
            word = word << 6 | (uint32_t)v;
        }
        unsigned char bytes[3] = {(unsigned char)(word >> 16), (unsigned char)(word >> 8),
                                  (unsigned char)word};
        buffer_append(target, bytes, (size_t)(3 - pad));
    }
    return 0;
}

int text_to_int64(const char *text, int64_t *value)
{
    char *end;
    const char *first = text + (*text == '-');
    if (*first < '0' || *first > '9')
        return -1;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*end || errno)
        return -1;
    *value = number;
    return 0;
}

void text_real(char target[TEXT_REAL_SIZE], double real)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(target, TEXT_REAL_SIZE, "%.*g", digits, real);
        if (strtod(target, NULL) == real)
            return;
    }
}

struct unit {
    const char *name;
    int64_t factor;
};

/* A number, not negative, and one of the units; a table ends with a NULL name. */
static int with_unit(const char *text, const struct unit *units, int64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno)
        return -1;
    while (*end == ' ')
        end++;
    for (; units->name; units++)
        if (strcmp(end, units->name) == 0)
            return __builtin_mul_overflow((int64_t)number, units->factor, value) ? -1 : 0;
    return -1;
}

int text_to_duration_us(const char *text, int64_t *value_us)
{
    static const struct unit units[] = {
        {"us", 1},         {"ms", 1000},      {"s", 1000000},     {"m", 60000000},
        {"min", 60000000}, {"h", 3600000000}, {"d", 86400000000}, {NULL, 0},
    };
    return with_unit(text, units, value_us);
}

int text_to_size(const char *text, int64_t *value_bytes)
{
    static const struct unit units[] = {
        {"", 1},        {"B", 1},        {"KB", 1 << 10}, {"K", 1 << 10}, {"MB", 1 << 20},
        {"M", 1 << 20}, {"GB", 1 << 30}, {"G", 1 << 30},  {NULL, 0},
    };
    return with_unit(text, units, value_bytes);
}

void text_time(char target[TEXT_TIME_SIZE], int64_t time_us)
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t length = strftime(target, TEXT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(target + length, TEXT_TIME_SIZE - length, ".%03dZ", (int)(time_us / 1000 % 1000));
}
