/*
 * Capitals and small letters of the European scripts: Latin with its extensions, Greek, Cyrillic.
 * A table of our own, because the C library's depends on the process's locale.
 */
#include <stdint.h>
#include <string.h>

#include "report/format_kinds.h"

/* Small letters first … last, whose capitals lie at a fixed distance. */
static const struct shift {
    uint32_t first, last;
    int32_t to_capital;
} shifts[] = {
    {0x61, 0x7A, -32},   {0xE0, 0xF6, -32},   {0xF8, 0xFE, -32},   {0xFF, 0xFF, 121},
    {0x3AC, 0x3AC, -38}, {0x3AD, 0x3AF, -37}, {0x3B1, 0x3C1, -32}, {0x3C3, 0x3CB, -32},
    {0x3CC, 0x3CC, -64}, {0x3CD, 0x3CE, -63}, {0x430, 0x44F, -32}, {0x450, 0x45F, -80},
    {0x3C2, 0x3C2, -31}, /* the final sigma, after the other one, which capitals go back to */
};

/* Ranges in which capital and small letter take turns, beginning with a capital. */
static const struct pairs {
    uint32_t first, last;
} pairs[] = {
    {0x100, 0x12F}, {0x132, 0x137}, {0x139, 0x148},   {0x14A, 0x177},   {0x179, 0x17E},
    {0x1CD, 0x1DC}, {0x1F8, 0x21F}, {0x222, 0x233},   {0x460, 0x481},   {0x48A, 0x4BF},
    {0x4C1, 0x4CE}, {0x4D0, 0x52F}, {0x1E00, 0x1E95}, {0x1EA0, 0x1EFF},
};

#define SHARP_S 0xDFu
#define CAPITAL_SHARP_S 0x1E9Eu

/* Is it in one of the ranges, and is it the small one of its pair? */
static bool in_pairs(uint32_t c, bool *small)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (c >= pairs[i].first && c <= pairs[i].last) {
            *small = (c - pairs[i].first) % 2 == 1;
            return true;
        }
    return false;
}

static uint32_t to_upper(uint32_t c)
{
    bool small;
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++)
        if (c >= shifts[i].first && c <= shifts[i].last)
            return c + (uint32_t)shifts[i].to_capital;
    return in_pairs(c, &small) && small ? c - 1 : c;
}

static uint32_t to_lower(uint32_t c)
{
    bool small;
    if (c == CAPITAL_SHARP_S)
        return SHARP_S;
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        uint32_t low = c - (uint32_t)shifts[i].to_capital;
        if (low >= shifts[i].first && low <= shifts[i].last)
            return low;
    }
    return in_pairs(c, &small) && !small ? c + 1 : c;
}

/* One character of two or three bytes, which is all that the tables speak of; 0: none is here. */
static size_t decode(const unsigned char *at, const unsigned char *end, uint32_t *c)
{
    if (end - at >= 2 && at[0] >= 0xC2 && at[0] <= 0xDF && (at[1] & 0xC0) == 0x80) {
        *c = (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
        return 2;
    }
    if (end - at >= 3 && (at[0] & 0xF0) == 0xE0 && (at[1] & 0xC0) == 0x80 &&
        (at[2] & 0xC0) == 0x80) {
        *c = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
        return 3;
    }
    return 0;
}

static void encode(uint32_t c, struct buffer *out)
{
    if (c >= 0x800)
        buffer_char(out, (char)(0xE0 | c >> 12));
    if (c >= 0x800)
        buffer_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
    else
        buffer_char(out, (char)(0xC0 | c >> 6));
    buffer_char(out, (char)(0x80 | (c & 0x3F)));
}

static void convert(const struct format_value *value, bool upper, struct buffer *out)
{
    const unsigned char *at = (const unsigned char *)value->text;
    const unsigned char *end = at + value->length;
    buffer_reserve(out, value->length);
    while (at < end) {
        uint32_t c = *at;
        size_t length = c < 0x80 ? 0 : decode(at, end, &c);
        if (length && upper && c == SHARP_S)
            buffer_append(out, "SS", 2);
        else if (length)
            encode(upper ? to_upper(c) : to_lower(c), out);
        else if (c < 0x80)
            buffer_char(out, (char)(upper ? to_upper(c) : to_lower(c)));
        else
            buffer_char(out, (char)c);
        at += length ? length : 1;
    }
}

int format_write_upper(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out)
{
    (void)format;
    (void)language;
    convert(value, true, out);
    return 0;
}

int format_write_lower(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out)
{
    (void)format;
    (void)language;
    convert(value, false, out);
    return 0;
}
