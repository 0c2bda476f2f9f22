/*
 * Numbers and amounts, as decimal digits from the source's text to the letter: no double, nothing
 * lost, and halves are rounded away from zero, as merchants do.
 */
#include <stdlib.h>
#include <string.h>

#include "report/format_decimal.h"
#include "report/format_kinds.h"

/* ---- rounding ---- */

static void add_one(struct decimal *decimal)
{
    int i = decimal->count - 1;
    while (i >= 0 && decimal->digits[i] == '9')
        decimal->digits[i--] = '0';
    if (i >= 0) {
        decimal->digits[i]++;
        return;
    }
    memmove(decimal->digits + 1, decimal->digits, (size_t)decimal->count++);
    decimal->digits[0] = '1';
}

static void round_to(struct decimal *decimal, int decimals)
{
    int surplus = decimal->scale - decimals;
    if (surplus > 0) {
        decimal->count -= surplus;
        bool up = decimal->digits[decimal->count] >= '5';
        decimal->scale = decimals;
        if (up)
            add_one(decimal);
    }
    for (; decimal->scale < decimals; decimal->scale++)
        decimal->digits[decimal->count++] = '0';
}

/* ---- writing ---- */

static void write_sign(const struct decimal *decimal, struct buffer *out)
{
    if (decimal->negative && !decimal_is_zero(decimal))
        buffer_char(out, '-');
}

static void write_digits(const struct decimal *decimal, enum format_language language,
                         struct buffer *out)
{
    const char group = language == FORMAT_GERMAN ? '.' : ',';
    const char point = language == FORMAT_GERMAN ? ',' : '.';
    int whole = decimal->count - decimal->scale;
    for (int i = 0; i < whole; i++) {
        if (i && (whole - i) % 3 == 0)
            buffer_char(out, group);
        buffer_char(out, decimal->digits[i]);
    }
    if (!decimal->scale)
        return;
    buffer_char(out, point);
    buffer_append(out, decimal->digits + whole, (size_t)decimal->scale);
}

/* ---- number ---- */

#define AS_IT_IS (-1)

int format_read_number(struct format *format, const struct format_words *words)
{
    format->number = AS_IT_IS;
    if (!words->count)
        return 0;
    const char *text = words->text[0];
    if (words->count > 1 || !words->length[0] || strspn(text, "0123456789") != words->length[0] ||
        words->length[0] > 2 || atoi(text) > DECIMAL_ROUNDED_MAX)
        return -1;
    format->number = atoi(text);
    return 0;
}

int format_write_number(const struct format *format, enum format_language language,
                        const struct format_value *value, struct buffer *out)
{
    struct decimal decimal;
    if (decimal_read(value->text, value->length, &decimal) < 0)
        return -1;
    if (format->number != AS_IT_IS)
        round_to(&decimal, format->number);
    write_sign(&decimal, out);
    write_digits(&decimal, language, out);
    return 0;
}

/* ---- money ---- */

static const struct currency {
    const char *code;
    const char *symbol; /* NULL: the code itself is written */
    int decimals;
} currencies[] = {
    {"EUR", "€", 2},  {"USD", "$", 2},  {"GBP", "£", 2},  {"JPY", "¥", 0},  {"KRW", NULL, 0},
    {"ISK", NULL, 0}, {"CLP", NULL, 0}, {"VND", NULL, 0}, {"PYG", NULL, 0}, {"UGX", NULL, 0},
    {"RWF", NULL, 0}, {"XAF", NULL, 0}, {"XOF", NULL, 0}, {"XPF", NULL, 0}, {"BHD", NULL, 3},
    {"JOD", NULL, 3}, {"KWD", NULL, 3}, {"LYD", NULL, 3}, {"OMR", NULL, 3}, {"TND", NULL, 3},
    {"IQD", NULL, 3},
};

static const struct currency *find_currency(const char *code)
{
    static const struct currency other = {"", NULL, 2};
    for (size_t i = 0; i < sizeof currencies / sizeof *currencies; i++)
        if (strcmp(currencies[i].code, code) == 0)
            return &currencies[i];
    return &other;
}

int format_read_money(struct format *format, const struct format_words *words)
{
    if (words->count != 1 || words->length[0] != 3 ||
        strspn(words->text[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
        return -1;
    format->text = words->text[0];
    format->length = 3;
    return 0;
}

/* German: "1.234,50 €", "1.234,50 CHF"; English: "€1,234.50", "CHF 1,234.50". */
int format_write_money(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out)
{
    struct decimal decimal;
    if (decimal_read(value->text, value->length, &decimal) < 0)
        return -1;
    const struct currency *currency = find_currency(format->text);
    const char *sign = currency->symbol ? currency->symbol : format->text;
    round_to(&decimal, currency->decimals);
    write_sign(&decimal, out);
    if (language == FORMAT_GERMAN) {
        write_digits(&decimal, language, out);
        buffer_char(out, ' ');
        buffer_text(out, sign);
        return 0;
    }
    buffer_text(out, sign);
    if (!currency->symbol)
        buffer_char(out, ' ');
    write_digits(&decimal, language, out);
    return 0;
}
