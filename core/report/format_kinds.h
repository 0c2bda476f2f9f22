/*
 * The formats behind format.h: what each kind reads of its arguments and writes of a value.
 * format.c has the table of them; format_number.c, format_date.c, format_case.c and format_people.c
 * do the writing.
 */
#ifndef CAMPAIGND_REPORT_FORMAT_KINDS_H
#define CAMPAIGND_REPORT_FORMAT_KINDS_H

#include "report/format.h"

#define FORMAT_WORDS_MAX 4

/* The words after a format's name; quotes are taken off. */
struct format_words {
    size_t count;
    const char *text[FORMAT_WORDS_MAX];
    size_t length[FORMAT_WORDS_MAX];
};

struct format {
    const struct format_kind *kind;
    const struct format *next;
    int number;       /* decimals, or the style of a date */
    const char *text; /* a currency's code, or what stands for a missing value */
    size_t length;
};

struct format_kind {
    const char *name;
    const char *usage; /* as a report writer would write it */
    /* -1: the words are not what `usage` says. */
    int (*read)(struct format *format, const struct format_words *words);
    /* Append to `out`: 0; or -1: the value is not what `needs` says. NULL for default, which only
     * stands in for what is absent. */
    int (*write)(const struct format *format, enum format_language language,
                 const struct format_value *value, struct buffer *out);
    const char *needs; /* "a number such as 1234.50"; NULL: takes every text */
};

bool format_word_is(const struct format_words *words, size_t index, const char *text);

int format_read_number(struct format *format, const struct format_words *words);
int format_read_money(struct format *format, const struct format_words *words);
int format_read_date(struct format *format, const struct format_words *words);
int format_read_nothing(struct format *format, const struct format_words *words);

int format_write_number(const struct format *format, enum format_language language,
                        const struct format_value *value, struct buffer *out);
int format_write_money(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out);
int format_write_date(const struct format *format, enum format_language language,
                      const struct format_value *value, struct buffer *out);
int format_write_time(const struct format *format, enum format_language language,
                      const struct format_value *value, struct buffer *out);
int format_write_upper(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out);
int format_write_lower(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out);
int format_write_yes_no(const struct format *format, enum format_language language,
                        const struct format_value *value, struct buffer *out);
int format_write_telephone(const struct format *format, enum format_language language,
                           const struct format_value *value, struct buffer *out);
int format_write_plain(const struct format *format, enum format_language language,
                       const struct format_value *value, struct buffer *out);

#endif
