/*
 * The table of formats, the reading of a chain, and sending a value through it. A format that fails
 * names what it needs; its caller knows the field and its place.
 */
#include "report/format.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "report/format_kinds.h"

#define CHAIN_MAX 16
#define CHAIN_BYTES_MAX 2000

static int read_default(struct format *format, const struct format_words *words)
{
    if (words->count != 1)
        return -1;
    format->text = words->text[0];
    format->length = words->length[0];
    return 0;
}

static const struct format_kind kinds[] = {
    {"money", "money EUR", format_read_money, format_write_money, "a number such as 1234.50"},
    {"number", "number 2", format_read_number, format_write_number, "a number such as 1234.50"},
    {"date", "date long (or short, full, iso)", format_read_date, format_write_date,
     "a date such as 2026-11-24"},
    {"time", "time", format_read_nothing, format_write_time, "a time such as 2026-11-24 14:05:00"},
    {"upper", "upper", format_read_nothing, format_write_upper, NULL},
    {"lower", "lower", format_read_nothing, format_write_lower, NULL},
    {"yes/no", "yes/no", format_read_nothing, format_write_yes_no,
     "yes or no, true or false, or a number"},
    {"telephone", "telephone", format_read_nothing, format_write_telephone, NULL},
    {"plain", "plain", format_read_nothing, format_write_plain, NULL},
    {"default", "default \"…\"", read_default, NULL, NULL},
};

enum format_language format_language(const char *tag)
{
    bool german = tag && strncasecmp(tag, "de", 2) == 0 && (!tag[2] || strchr("-_.", tag[2]));
    return german ? FORMAT_GERMAN : FORMAT_ENGLISH;
}

bool format_word_is(const struct format_words *words, size_t index, const char *text)
{
    return index < words->count && words->length[index] == strlen(text) &&
           memcmp(words->text[index], text, words->length[index]) == 0;
}

int format_read_nothing(struct format *format, const struct format_words *words)
{
    (void)format;
    return words->count ? -1 : 0;
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
    struct arena *arena;
    struct error *error;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && is_space(*reader->at))
        reader->at++;
}

/* A quoted word; a backslash takes the next character as it is. */
static int read_quoted(struct reader *reader, const char **text, size_t *length)
{
    char quote = *reader->at++;
    const char *start = reader->at;
    char *copy = arena_alloc(reader->arena, (size_t)(reader->end - start) + 1);
    size_t used = 0;
    while (reader->at < reader->end && *reader->at != quote) {
        if (*reader->at == '\\' && reader->at + 1 < reader->end)
            reader->at++;
        copy[used++] = *reader->at++;
    }
    if (reader->at == reader->end)
        return error_set(reader->error, ERROR_INPUT,
                         "the quotation mark %c is never closed; write %c where the text ends (it "
                         "cannot hold the tag's own closing mark)",
                         quote, quote);
    reader->at++;
    *text = copy;
    *length = used;
    return 0;
}

static int read_word(struct reader *reader, const char **text, size_t *length)
{
    if (*reader->at == '"' || *reader->at == '\'')
        return read_quoted(reader, text, length);
    const char *start = reader->at;
    while (reader->at < reader->end && !is_space(*reader->at) && *reader->at != '|')
        reader->at++;
    *length = (size_t)(reader->at - start);
    *text = arena_text_n(reader->arena, start, *length);
    return 0;
}

/* All words up to the next `|`, which is taken as well. */
static int read_words(struct reader *reader, struct format_words *words)
{
    *words = (struct format_words){0};
    for (skip_space(reader); reader->at < reader->end; skip_space(reader)) {
        if (*reader->at == '|')
            return 0;
        if (words->count == FORMAT_WORDS_MAX)
            return error_set(reader->error, ERROR_INPUT,
                             "too many words after »|«; a text of several words stands in "
                             "quotation marks");
        if (read_word(reader, &words->text[words->count], &words->length[words->count]) < 0)
            return -1;
        words->count++;
    }
    return 0;
}

static const struct format_kind *find_kind(const struct format_words *words)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (format_word_is(words, 0, kinds[i].name))
            return &kinds[i];
    return NULL;
}

static struct format *read_format(struct reader *reader)
{
    struct format_words words;
    if (read_words(reader, &words) < 0)
        return NULL;
    if (!words.count) {
        error_set(reader->error, ERROR_INPUT,
                  "a format is missing after »|«; write one, such as »| upper«");
        return NULL;
    }
    struct format *format = arena_alloc(reader->arena, sizeof *format);
    format->kind = find_kind(&words);
    if (!format->kind) {
        char name[50];
        text_copy(name, sizeof name, words.text[0]);
        error_set(
            reader->error, ERROR_INPUT,
            "there is no format »%s«; there are money, number, date, time, yes/no, telephone, "
            "upper, lower, plain and default",
            name);
        return NULL;
    }
    words.count--;
    memmove(words.text, words.text + 1, words.count * sizeof *words.text);
    memmove(words.length, words.length + 1, words.count * sizeof *words.length);
    if (format->kind->read(format, &words) < 0) {
        error_set(reader->error, ERROR_INPUT,
                  "the format »%s« is not written like that; write »%s«", format->kind->name,
                  format->kind->usage);
        return NULL;
    }
    return format;
}

const struct format *format_parse(struct arena *arena, const char *text, size_t size,
                                  struct error *error)
{
    if (size > CHAIN_BYTES_MAX) {
        error_set(error, ERROR_INPUT, "the formats of one tag are longer than %d bytes",
                  CHAIN_BYTES_MAX);
        return NULL;
    }
    struct reader reader = {text, text + size, arena, error};
    const struct format *first = NULL;
    const struct format **next = &first;
    for (int count = 0;; reader.at++, count++) {
        if (count == CHAIN_MAX) {
            error_set(error, ERROR_INPUT, "more than %d formats in one tag", CHAIN_MAX);
            return NULL;
        }
        struct format *format = read_format(&reader);
        if (!format)
            return NULL;
        *next = format;
        next = &format->next;
        if (reader.at == reader.end)
            return first;
    }
}

bool format_has_default(const struct format *chain)
{
    for (; chain; chain = chain->next)
        if (!chain->kind->write)
            return true;
    return false;
}

bool format_only_default(const struct format *chain)
{
    for (; chain; chain = chain->next)
        if (chain->kind->write)
            return false;
    return true;
}

/* ---- applying ---- */

static int write_one(const struct format *format, enum format_language language,
                     struct format_value *value, struct buffer *out, struct error *error)
{
    buffer_clear(out);
    if (format->kind->write(format, language, value, out) < 0)
        return error_set(error, ERROR_INPUT, "the format »%s« needs %s, but this is %s%s",
                         format->kind->name, format->kind->needs, value->kind,
                         strcmp(value->kind, "text") == 0 ? " of another form" : "");
    value->kind = "what the format before it made";
    value->text = buffer_string(out);
    value->length = out->size;
    return 0;
}

int format_apply(const struct format *chain, enum format_language language,
                 struct format_value *value, struct buffer scratch[2], struct error *error)
{
    int turn = 0;
    for (; chain; chain = chain->next) {
        if (!value->length)
            value->absent = true;
        if (value->absent && !chain->kind->write)
            *value = (struct format_value){false, "text", chain->text, chain->length};
        else if (!value->absent && chain->kind->write) {
            if (write_one(chain, language, value, &scratch[turn], error) < 0)
                return -1;
            turn = !turn;
        }
    }
    if (value->absent) {
        value->text = "";
        value->length = 0;
    }
    return 0;
}
