/*
 * Escaping by target. One table says for each byte which targets must look at it; all between such
 * bytes is copied in one piece. 0xC2 and 0xE2 are looked at because U+0080 – U+009F and
 * U+2028/2029, control characters and line ends beyond ASCII, begin with them.
 */
#include <stdint.h>

#include "report/template_internal.h"

enum { T = 1, H = 2, U = 4, L = 8 }; /* text, HTML, URL, header line */

static const uint8_t special[256] = {
    [0 ... 8] = T | H | U | L,
    ['\t' ... '\n'] = U | L,
    [11 ... 31] = T | H | U | L,
    [' ' ... '!'] = U,
    ['"'] = U | H,
    ['#' ... '%'] = U,
    ['&' ... '\''] = U | H,
    ['(' ... ','] = U,
    ['/'] = U,
    [':' ... ';'] = U,
    ['<'] = U | H,
    ['='] = U,
    ['>'] = U | H,
    ['?' ... '@'] = U,
    ['[' ... '^'] = U,
    ['`'] = U,
    ['{' ... '}'] = U,
    [0x7F] = T | H | U | L,
    [0x80 ... 0xC1] = U,
    [0xC2] = T | H | U | L,
    [0xC3 ... 0xE1] = U,
    [0xE2] = U | L,
    [0xE3 ... 0xFF] = U,
};

/* How many bytes of a control character or line end stand here; 0: none. */
static size_t control_length(const unsigned char *at, const unsigned char *end)
{
    if (*at < 0x20 || *at == 0x7F)
        return 1;
    if (*at == 0xC2 && end - at >= 2 && at[1] >= 0x80 && at[1] <= 0x9F)
        return 2;
    if (*at == 0xE2 && end - at >= 3 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9))
        return 3;
    return 0;
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void percent(unsigned char c, struct buffer *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *target = buffer_extend(out, 3);
    target[0] = '%';
    target[1] = digits[c >> 4];
    target[2] = digits[c & 15];
}

/* Write what stands for the byte or character here; returns how many bytes it was. */
static size_t escape_one(unsigned target, const unsigned char *at, const unsigned char *end,
                         struct buffer *out)
{
    const char *as_entity = target == H ? entity(*at) : NULL;
    if (target == U) {
        percent(*at, out);
        return 1;
    }
    if (as_entity) {
        buffer_text(out, as_entity);
        return 1;
    }
    size_t control = control_length(at, end);
    if (control && target == L)
        buffer_char(out, ' ');
    if (control)
        return control;
    buffer_char(out, (char)*at);
    return 1;
}

static void escape(unsigned target, const char *text, size_t length, struct buffer *out)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end) {
        const unsigned char *run = at;
        while (at < end && !(special[*at] & target))
            at++;
        buffer_append(out, run, (size_t)(at - run));
        if (at < end)
            at += escape_one(target, at, end, out);
    }
}

void template_escape(int target, bool raw, const char *text, size_t length, struct buffer *out)
{
    if (target == TEMPLATE_AS_URL)
        escape(U, text, length, out);
    else if (target == TEMPLATE_AS_HEADER)
        escape(L, text, length, out);
    else if (raw)
        buffer_append(out, text, length);
    else
        escape(target == TEMPLATE_AS_HTML ? H : T, text, length, out);
}
