#include "source/condition_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "source/builder_date.h"
#include "source/reading.h"
#include "source/source.h"

struct fitting {
    const char *text;
    const struct word *words;
    size_t count;
    const json_t *columns;
    bool *bare; /* of each word: a number whose quotes go */
    struct error *error;
};

/* ---- fields ---- */

static bool same_name(const char *text, const struct word *word, const char *name)
{
    size_t skip = word->kind == WORD_QUOTED;
    const char *at = text + word->start + skip, *end = text + word->start + word->length - skip;
    char close = end[0];
    for (; at < end && *name; at++, name++) {
        if (strncasecmp(at, name, 1) != 0)
            return false;
        if (skip && *at == close && close != ']')
            at++; /* it was doubled */
    }
    return at == end && !*name;
}

const json_t *condition_field(const char *text, const struct word *word, const json_t *columns)
{
    size_t index;
    json_t *column;
    if (word->kind != WORD_NAME && word->kind != WORD_QUOTED)
        return NULL;
    json_array_foreach((json_t *)columns, index, column)
        if (same_name(text, word, reading_text(column, "name")))
            return column;
    return NULL;
}

static enum source_type type_of(const json_t *column)
{
    return source_type_named(reading_text(column, "type"));
}

static bool is_number_type(enum source_type type)
{
    return type == SOURCE_INTEGER || type == SOURCE_DECIMAL || type == SOURCE_REAL;
}

/* ---- literals ---- */

static bool is_number_text(const char *text, size_t length)
{
    size_t i = length && (*text == '-' || *text == '+'), digits = 0, points = 0;
    for (; i < length; i++) {
        digits += text[i] >= '0' && text[i] <= '9';
        points += text[i] == '.';
    }
    size_t sign = length && (*text == '-' || *text == '+');
    return digits && points <= 1 && digits + points + sign == length;
}

static bool takes(const char **text, size_t *length, const char *pattern)
{
    size_t i = 0;
    for (; pattern[i]; i++)
        if (i >= *length ||
            (pattern[i] == '9' ? (*text)[i] < '0' || (*text)[i] > '9' : (*text)[i] != pattern[i]))
            return false;
    *text += i;
    *length -= i;
    return true;
}

static int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

static bool is_date(const char **text, size_t *length)
{
    struct date date;
    char day[DATE_SIZE];
    text_copy(day, sizeof day, *text);
    return takes(text, length, "9999-99-99") && date_read(day, &date);
}

static bool is_time(const char **text, size_t *length)
{
    const char *time = *text;
    if (!takes(text, length, "99:99") || two_digits(time) > 23 || two_digits(time + 3) > 59)
        return false;
    if (!*length || **text != ':')
        return true;
    if (!takes(text, length, ":99"))
        return false;
    while (*length && strchr(".0123456789", **text))
        ++*text, --*length;
    return true;
}

static bool is_moment(enum source_type type, const char *text, size_t length)
{
    if (type == SOURCE_TIME)
        return is_time(&text, &length) && !length;
    if (!is_date(&text, &length))
        return false;
    if (type == SOURCE_TIMESTAMP && length && (*text == ' ' || *text == 'T')) {
        text++, length--;
        if (!is_time(&text, &length))
            return false;
        if (length == 1 && *text == 'Z')
            length--;
    }
    return !length;
}

static bool is_truth(const char *text, const struct word *word)
{
    return word_is(text, word, "TRUE") || word_is(text, word, "FALSE");
}

/* ---- what does not fit ---- */

static int misfit(const struct fitting *f, const json_t *column, const struct word *literal,
                  const char *english, const char *german)
{
    int line, at;
    char shown[64];
    const struct word *last = literal;
    if (word_is(f->text, literal, "-") || word_is(f->text, literal, "+"))
        last++;
    FREE_CLEAN char *value =
        memory_text_n(f->text + literal->start, last->start + last->length - literal->start);
    text_copy(shown, sizeof shown, value);
    condition_place(f->text, literal->start, &line, &at);
    return error_say(f->error, ERROR_INPUT,
                     "the field »%s« %s%.0s, but is compared with %s (line %d, column %d)",
                     "Das Feld »%s« %.0s%s, wird aber mit %s verglichen (Zeile %d, Spalte %d)",
                     reading_text(column, "name"), english, german, shown, line, at);
}

static int misfit_moment(const struct fitting *f, const json_t *column, const struct word *literal,
                         enum source_type type)
{
    if (type == SOURCE_DATE)
        return misfit(f, column, literal, "is a date (written '2026-11-24')",
                      "ist ein Datum (geschrieben '2026-11-24')");
    if (type == SOURCE_TIME)
        return misfit(f, column, literal, "is a time (written '14:05:00')",
                      "ist eine Uhrzeit (geschrieben '14:05:00')");
    return misfit(f, column, literal, "is a time with its date (written '2026-11-24 14:05:00')",
                  "ist ein Zeitpunkt (geschrieben '2026-11-24 14:05:00')");
}

/* ---- one comparison ---- */

static int fit_text(const struct fitting *f, const json_t *column, size_t literal)
{
    const struct word *word = &f->words[literal];
    const char *text = f->text + word->start + 1;
    size_t length = word->length - 2;
    enum source_type type = type_of(column);
    if (is_number_type(type)) {
        if (!is_number_text(text, length))
            return misfit(f, column, word, "is a number (written without quotes)",
                          "ist eine Zahl (ohne Anführungszeichen geschrieben)");
        f->bare[literal] = true;
    }
    if (type == SOURCE_BOOLEAN)
        return misfit(f, column, word, "is yes or no (written 1 or 0)",
                      "ist ja oder nein (geschrieben 1 oder 0)");
    if ((type == SOURCE_DATE || type == SOURCE_TIME || type == SOURCE_TIMESTAMP) &&
        !is_moment(type, text, length))
        return misfit_moment(f, column, word, type);
    return 0;
}

static int fit_number(const struct fitting *f, const json_t *column, const struct word *literal)
{
    enum source_type type = type_of(column);
    if (type == SOURCE_TEXT)
        return misfit(f, column, literal, "is a text (written in 'quotes')",
                      "ist ein Text (in 'Anführungszeichen' geschrieben)");
    if (type == SOURCE_DATE || type == SOURCE_TIME || type == SOURCE_TIMESTAMP)
        return misfit_moment(f, column, literal, type);
    return 0;
}

/* Does the literal that begins at word `at` fit? What is none fits. `length`: of how many words. */
static int fit_literal(const struct fitting *f, const json_t *column, size_t at, size_t *length)
{
    const struct word *word = &f->words[at];
    bool sign = word_is(f->text, word, "-") || word_is(f->text, word, "+");
    *length = 1;
    if (word->kind == WORD_TEXT)
        return fit_text(f, column, at);
    if (word->kind == WORD_NUMBER)
        return fit_number(f, column, word);
    if (sign && at + 1 < f->count && f->words[at + 1].kind == WORD_NUMBER) {
        *length = 2;
        return fit_number(f, column, word);
    }
    return is_truth(f->text, word) && type_of(column) == SOURCE_TEXT ? fit_number(f, column, word)
                                                                     : 0;
}

static bool is_comparison(const char *text, const struct word *word)
{
    static const char *const signs[] = {"=", "==", "<>", "!=", "<", "<=", ">", ">="};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (word_is(text, word, signs[i]))
            return true;
    return false;
}

/* A field as a part of something larger (price * 2 = …) is not judged. */
static bool stands_alone_before(const struct fitting *f, size_t at)
{
    return at == 0 || f->words[at - 1].kind != WORD_SIGN ||
           word_is(f->text, &f->words[at - 1], "(") || word_is(f->text, &f->words[at - 1], ",");
}

static bool stands_alone_after(const struct fitting *f, size_t at)
{
    const struct word *next = &f->words[at + 1];
    return next->kind != WORD_SIGN || word_is(f->text, next, ")") || word_is(f->text, next, ",");
}

static int fit_fields(const struct fitting *f, const json_t *column, size_t at)
{
    const json_t *other = condition_field(f->text, &f->words[at], f->columns);
    if (!other || !stands_alone_after(f, at))
        return 0;
    enum source_type a = type_of(column), b = type_of(other);
    bool clash = (is_number_type(a) && b >= SOURCE_DATE && b <= SOURCE_TIMESTAMP) ||
                 (is_number_type(a) && b == SOURCE_TEXT) ||
                 (is_number_type(b) && a == SOURCE_TEXT) ||
                 (is_number_type(b) && a >= SOURCE_DATE && a <= SOURCE_TIMESTAMP);
    return clash ? misfit(f, column, &f->words[at], is_number_type(a) ? "is a number" : "is none",
                          is_number_type(a) ? "ist eine Zahl" : "ist keine Zahl")
                 : 0;
}

static int fit_list(const struct fitting *f, const json_t *column, size_t at)
{
    size_t length;
    if (!word_is(f->text, &f->words[at], "("))
        return 0;
    do {
        if (fit_literal(f, column, ++at, &length) != 0)
            return -1;
        at += length;
    } while (at < f->count && word_is(f->text, &f->words[at], ","));
    return 0;
}

static int fit_like(const struct fitting *f, const json_t *column, size_t at)
{
    enum source_type type = type_of(column);
    if (!is_number_type(type) && type != SOURCE_BOOLEAN)
        return 0;
    return misfit(f, column, &f->words[at], "is no text", "ist kein Text");
}

/* What follows the field at word `at`. */
static int fit_after(const struct fitting *f, const json_t *column, size_t at)
{
    size_t next = at + 1, length;
    if (word_is(f->text, &f->words[next], "NOT"))
        next++;
    if (is_comparison(f->text, &f->words[next]))
        return fit_literal(f, column, next + 1, &length) != 0 ? -1
                                                              : fit_fields(f, column, next + 1);
    if (word_is(f->text, &f->words[next], "IN"))
        return fit_list(f, column, next + 1);
    if (word_is(f->text, &f->words[next], "LIKE"))
        return fit_like(f, column, next);
    if (!word_is(f->text, &f->words[next], "BETWEEN"))
        return 0;
    if (fit_literal(f, column, next + 1, &length) != 0)
        return -1;
    next += 1 + length;
    return word_is(f->text, &f->words[next], "AND") ? fit_literal(f, column, next + 1, &length) : 0;
}

/* 'x' = field */
static int fit_before(const struct fitting *f, const json_t *column, size_t at)
{
    size_t length;
    if (at < 2 || !is_comparison(f->text, &f->words[at - 1]) || !stands_alone_after(f, at))
        return 0;
    return fit_literal(f, column, at - 2, &length);
}

static void put_words(const struct fitting *f, struct buffer *out)
{
    size_t copied = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (!f->bare[i])
            continue;
        const struct word *word = &f->words[i];
        buffer_append(out, f->text + copied, word->start - copied);
        buffer_char(out, ' ');
        buffer_append(out, f->text + word->start + 1, word->length - 2);
        buffer_char(out, ' ');
        copied = word->start + word->length;
    }
    buffer_text(out, f->text + copied);
}

int condition_fit(const char *text, const struct word *words, size_t count, const json_t *columns,
                  struct buffer *out, struct error *error)
{
    FREE_CLEAN bool *bare = memory_array(count + 1, sizeof *bare);
    struct fitting f = {.text = text,
                        .words = words,
                        .count = count,
                        .columns = columns,
                        .bare = bare,
                        .error = error};
    for (size_t i = 0; i < count; i++) {
        const json_t *column = condition_field(text, &words[i], columns);
        if (!column)
            continue;
        if ((stands_alone_before(&f, i) && fit_after(&f, column, i) != 0) ||
            fit_before(&f, column, i) != 0)
            return -1;
    }
    put_words(&f, out);
    return 0;
}
