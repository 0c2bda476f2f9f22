#include "report/format_decimal.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- reading ---- */

static const char *read_digits(const char *at, const char *end, struct decimal *decimal)
{
    while (at < end && is_digit(*at)) {
        if (decimal->count == DECIMAL_DIGITS_MAX)
            return NULL;
        decimal->digits[decimal->count++] = *at++;
    }
    return at;
}

/* "e+05" and the like, as databases write large numbers. */
static const char *read_exponent(const char *at, const char *end, int *exponent)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end || !is_digit(*at))
        return NULL;
    for (*exponent = 0; at < end && is_digit(*at); at++) {
        *exponent = *exponent * 10 + (*at - '0');
        if (*exponent > DECIMAL_EXPONENT_MAX)
            return NULL;
    }
    if (negative)
        *exponent = -*exponent;
    return at;
}

/* Zeros until at least one digit stands before the point and none stands after the last. */
static void settle(struct decimal *decimal)
{
    for (; decimal->scale < 0; decimal->scale++)
        decimal->digits[decimal->count++] = '0';
    int missing = decimal->scale + 1 - decimal->count;
    if (missing > 0) {
        memmove(decimal->digits + missing, decimal->digits, (size_t)decimal->count);
        memset(decimal->digits, '0', (size_t)missing);
        decimal->count += missing;
    }
    int zeros = 0;
    while (decimal->count - zeros > decimal->scale + 1 && decimal->digits[zeros] == '0')
        zeros++;
    decimal->count -= zeros;
    memmove(decimal->digits, decimal->digits + zeros, (size_t)decimal->count);
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

int decimal_read(const char *text, size_t length, struct decimal *decimal)
{
    const char *end = text + length;
    const char *at = skip_space(text, end);
    decimal->count = decimal->scale = 0;
    decimal->negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!(at = read_digits(at, end, decimal)))
        return -1;
    int whole = decimal->count;
    if (at < end && *at == '.' && !(at = read_digits(at + 1, end, decimal)))
        return -1;
    if (!decimal->count)
        return -1;
    int exponent = 0;
    if (at < end && (*at == 'e' || *at == 'E') && !(at = read_exponent(at + 1, end, &exponent)))
        return -1;
    if (skip_space(at, end) != end)
        return -1;
    decimal->scale = decimal->count - whole - exponent;
    settle(decimal);
    return 0;
}

/* ---- comparing ---- */

/* The digit at 10^place. */
static int digit_at(const struct decimal *decimal, int place)
{
    int index = decimal->count - decimal->scale - 1 - place;
    return index < 0 || index >= decimal->count ? 0 : decimal->digits[index] - '0';
}

static int larger(int left, int right)
{
    return left > right ? left : right;
}

static int compare_sizes(const struct decimal *left, const struct decimal *right)
{
    int top = larger(left->count - left->scale, right->count - right->scale) - 1;
    for (int place = top; place >= -larger(left->scale, right->scale); place--) {
        int difference = digit_at(left, place) - digit_at(right, place);
        if (difference)
            return difference < 0 ? -1 : 1;
    }
    return 0;
}

bool decimal_is_zero(const struct decimal *decimal)
{
    for (int i = 0; i < decimal->count; i++)
        if (decimal->digits[i] != '0')
            return false;
    return true;
}

static bool is_negative(const struct decimal *decimal)
{
    return decimal->negative && !decimal_is_zero(decimal);
}

int decimal_compare(const struct decimal *left, const struct decimal *right)
{
    if (is_negative(left) != is_negative(right))
        return is_negative(left) ? -1 : 1;
    return is_negative(left) ? -compare_sizes(left, right) : compare_sizes(left, right);
}

/* ---- summing ---- */

#define PLACES (DECIMAL_SCALE_MAX + DECIMAL_WHOLE_MAX)

void decimal_add(struct decimal_sum *sum, const struct decimal *decimal)
{
    int lowest = DECIMAL_SCALE_MAX - decimal->scale;
    sum->scale = larger(sum->scale, decimal->scale);
    for (int i = 0; i < decimal->count; i++) {
        int digit = decimal->digits[decimal->count - 1 - i] - '0';
        sum->places[lowest + i] += decimal->negative ? -digit : digit;
    }
}

/* Each place 0 … 9, but for the highest, which keeps what goes beyond and the sign. */
static void carry(struct decimal_sum *sum)
{
    for (int i = 0; i < PLACES - 1; i++) {
        int64_t up = sum->places[i] / 10;
        if (sum->places[i] % 10 < 0)
            up--;
        sum->places[i] -= up * 10;
        sum->places[i + 1] += up;
    }
}

static size_t write_number(char *text, int64_t number)
{
    char digits[24];
    size_t count = 0, length = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        text[length++] = digits[--count];
    return length;
}

size_t decimal_write_sum(struct decimal_sum *sum, char text[DECIMAL_SUM_SIZE])
{
    struct decimal_sum size = *sum;
    size_t length = 0;
    carry(&size);
    if (size.places[PLACES - 1] < 0) {
        for (int i = 0; i < PLACES; i++)
            size.places[i] = -size.places[i];
        carry(&size);
        text[length++] = '-';
    }
    int place = PLACES - 1;
    while (place > DECIMAL_SCALE_MAX && !size.places[place])
        place--;
    for (; place >= DECIMAL_SCALE_MAX - sum->scale; place--) {
        if (place == DECIMAL_SCALE_MAX - 1)
            text[length++] = '.';
        length += write_number(text + length, size.places[place]);
    }
    text[length] = '\0';
    return length;
}
