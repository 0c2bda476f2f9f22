/*
 * Decimal numbers as digits, from the source's text to the letter: no double, nothing lost. Read,
 * compared and summed; format_number.c writes them for people.
 */
#ifndef CAMPAIGND_REPORT_FORMAT_DECIMAL_H
#define CAMPAIGND_REPORT_FORMAT_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_DIGITS_MAX 80   /* of a number as it is written */
#define DECIMAL_EXPONENT_MAX 40 /* "1e40" */
#define DECIMAL_ROUNDED_MAX 20  /* decimals that a format may ask for */

/* digits[0 … count), the last `scale` of them after the point; at least one before it. */
struct decimal {
    bool negative;
    int count, scale;
    char digits[DECIMAL_DIGITS_MAX + DECIMAL_EXPONENT_MAX + DECIMAL_ROUNDED_MAX + 2];
};

/* "1234.50", "-3", "1.5e+03", blanks around it. 0, or -1: it is no such number, or too long. */
int decimal_read(const char *text, size_t length, struct decimal *decimal);

bool decimal_is_zero(const struct decimal *decimal);

/* -1, 0, 1: the first is smaller, equal, larger. */
int decimal_compare(const struct decimal *left, const struct decimal *right);

/* The places of all numbers that can be read: 10^119 … 10^-120. */
#define DECIMAL_WHOLE_MAX (DECIMAL_DIGITS_MAX + DECIMAL_EXPONENT_MAX)
#define DECIMAL_SCALE_MAX (DECIMAL_DIGITS_MAX + DECIMAL_EXPONENT_MAX)

/*
 * A sum, exact: each place counts its own digits, and carries are made once, when it is written. So
 * adding costs the digits of what is added, and 10^17 numbers can be added. All zero: empty.
 */
struct decimal_sum {
    int scale; /* the most that a number had: 12.50 + 0.1 = 12.60 */
    int64_t places[DECIMAL_SCALE_MAX + DECIMAL_WHOLE_MAX]; /* [DECIMAL_SCALE_MAX] is the ones */
};

void decimal_add(struct decimal_sum *sum, const struct decimal *decimal);

/* The sum as text, at most DECIMAL_SUM_SIZE bytes with its zero byte; returns its length. The sum
 * can still be added to. */
#define DECIMAL_SUM_SIZE (DECIMAL_SCALE_MAX + DECIMAL_WHOLE_MAX + 24)
size_t decimal_write_sum(struct decimal_sum *sum, char text[DECIMAL_SUM_SIZE]);

#endif
