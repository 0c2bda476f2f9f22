/*
 * yes/no and telephone: what databases write for machines, written for people.
 */
#include <string.h>
#include <strings.h>

#include "report/format_decimal.h"
#include "report/format_kinds.h"

int format_write_plain(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out)
{
    (void)format;
    (void)language;
    buffer_append(out, value->text, value->length);
    return 0;
}

/* ---- yes/no ---- */

static bool is_word(const struct format_value *value, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == value->length && strncasecmp(*words, value->text, value->length) == 0)
            return true;
    return false;
}

/* 1, 0; or -1: it is neither. */
static int read_yes(const struct format_value *value)
{
    static const char *const yeses[] = {"yes", "y", "ja", "j", "true", "t", "on", "wahr", NULL};
    static const char *const noes[] = {"no", "n", "nein", "false", "f", "off", "falsch", NULL};
    struct decimal number;
    if (decimal_read(value->text, value->length, &number) == 0)
        return !decimal_is_zero(&number);
    if (is_word(value, yeses))
        return 1;
    return is_word(value, noes) ? 0 : -1;
}

int format_write_yes_no(const struct format *format, enum format_language language,
                        const struct format_value *value, struct buffer *out)
{
    static const char *const words[][2] = {
        [FORMAT_ENGLISH] = {"no", "yes"},
        [FORMAT_GERMAN] = {"nein", "ja"},
    };
    int yes = read_yes(value);
    (void)format;
    if (yes < 0)
        return -1;
    buffer_text(out, words[language][yes]);
    return 0;
}

/* ---- telephone ---- */

/*
 * Where a number's parts are known for sure: a country, how its numbers of that kind begin, how many
 * digits follow the country, and how many of them stand together; the last group takes the rest.
 * Area codes of many lengths (Germany, Austria, Italy) cannot be told from the digits: those numbers
 * stay as they are.
 */
static const struct numbering {
    const char *country;
    const char *beginnings; /* of two digits, or of one; "": all */
    size_t shortest, longest;
    size_t groups[5];
} numberings[] = {
    {"41", "", 9, 9, {2, 3, 2, 2}},
    {"423", "", 7, 7, {3, 2, 2}},
    {"43", "65 66 67 68 69", 10, 11, {3}},
    {"49", "15 16 17", 10, 11, {3}},
    {"49", "30 40 69 89", 7, 10, {2}},
    {"33", "", 9, 9, {1, 2, 2, 2, 2}},
    {"1", "2 3 4 5 6 7 8 9", 10, 10, {3, 3, 4}},
};

#define E164_MAX 15

static bool begins_so(const struct numbering *numbering, const char *national)
{
    const char *at = numbering->beginnings;
    while (*at) {
        size_t length = strcspn(at, " ");
        if (strncmp(national, at, length) == 0)
            return true;
        at += length + (at[length] == ' ');
    }
    return !*numbering->beginnings;
}

static const struct numbering *find_numbering(const char *digits)
{
    for (size_t i = 0; i < sizeof numberings / sizeof *numberings; i++) {
        const struct numbering *numbering = &numberings[i];
        size_t country = strlen(numbering->country);
        if (strncmp(digits, numbering->country, country) != 0)
            continue;
        size_t length = strlen(digits + country);
        if (length >= numbering->shortest && length <= numbering->longest &&
            begins_so(numbering, digits + country))
            return numbering;
    }
    return NULL;
}

static void write_groups(const struct numbering *numbering, const char *digits, struct buffer *out)
{
    const char *at = digits + strlen(numbering->country);
    buffer_printf(out, "+%s", numbering->country);
    for (int i = 0; i < 5 && numbering->groups[i] && strlen(at) > numbering->groups[i]; i++) {
        buffer_printf(out, " %.*s", (int)numbering->groups[i], at);
        at += numbering->groups[i];
    }
    buffer_printf(out, " %s", at);
}

/* Only bare E.164 is grouped: what a person has written already stays. */
int format_write_telephone(const struct format *format, enum format_language language,
                           const struct format_value *value, struct buffer *out)
{
    char digits[E164_MAX + 1] = "";
    (void)format;
    (void)language;
    if (value->length > 1 && value->length <= E164_MAX + 1 && *value->text == '+')
        memcpy(digits, value->text + 1, value->length - 1);
    const struct numbering *numbering = NULL;
    if (strspn(digits, "0123456789") + 1 == value->length)
        numbering = find_numbering(digits);
    if (numbering)
        write_groups(numbering, digits, out);
    else
        buffer_append(out, value->text, value->length);
    return 0;
}
