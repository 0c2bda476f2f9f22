#include "plaintext.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LINE_WIDTH 76
#define ENTITY_LENGTH_MAX 10

struct writer {
    GString *out;
    GString *word;
    size_t column; /* characters in the present line */
    int breaks;    /* newlines owed before the next word */
    int space;     /* a blank is owed before the next word */
    GString *link; /* the target of the <a> that is open; empty: none */
    size_t link_start;
};

/* ---- entities ---- */

struct entity {
    const char *name;
    gunichar character;
};

static const struct entity entities[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},       {"quot", '"'},     {"apos", '\''},
    {"nbsp", 0xa0},     {"shy", 0xad},      {"auml", 0xe4},    {"ouml", 0xf6},    {"uuml", 0xfc},
    {"Auml", 0xc4},     {"Ouml", 0xd6},     {"Uuml", 0xdc},    {"szlig", 0xdf},   {"agrave", 0xe0},
    {"aacute", 0xe1},   {"acirc", 0xe2},    {"ccedil", 0xe7},  {"egrave", 0xe8},  {"eacute", 0xe9},
    {"ecirc", 0xea},    {"euml", 0xeb},     {"icirc", 0xee},   {"iuml", 0xef},    {"ocirc", 0xf4},
    {"ugrave", 0xf9},   {"ucirc", 0xfb},    {"oslash", 0xf8},  {"aring", 0xe5},   {"aelig", 0xe6},
    {"ntilde", 0xf1},   {"sect", 0xa7},     {"copy", 0xa9},    {"reg", 0xae},     {"deg", 0xb0},
    {"middot", 0xb7},   {"frac12", 0xbd},   {"times", 0xd7},   {"laquo", 0xab},   {"raquo", 0xbb},
    {"euro", 0x20ac},   {"pound", 0xa3},    {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018},
    {"rsquo", 0x2019},  {"sbquo", 0x201a},  {"ldquo", 0x201c}, {"rdquo", 0x201d}, {"bdquo", 0x201e},
    {"bull", 0x2022},   {"hellip", 0x2026}, {"trade", 0x2122}, {"rarr", 0x2192},  {"larr", 0x2190},
    {"permil", 0x2030},
};

static gunichar numeric_entity(const char *digits, size_t length)
{
    int hexadecimal = length > 0 && (digits[0] == 'x' || digits[0] == 'X');
    gunichar character = 0;
    for (size_t i = hexadecimal ? 1 : 0; i < length; i++) {
        int digit = hexadecimal ? g_ascii_xdigit_value(digits[i]) : g_ascii_digit_value(digits[i]);
        if (digit < 0 || character > 0x10ffff)
            return 0;
        character = character * (hexadecimal ? 16u : 10u) + (unsigned)digit;
    }
    return character >= 0x20 && g_unichar_validate(character) ? character : 0;
}

/* Decode what stands at `text` == '&'; the number of bytes it took, or 0: no entity. */
static size_t decode_entity(const char *text, size_t length, gunichar *character)
{
    size_t limit = length < ENTITY_LENGTH_MAX ? length : ENTITY_LENGTH_MAX;
    const char *end = memchr(text, ';', limit);
    if (!end)
        return 0;
    size_t name = (size_t)(end - text) - 1;
    *character = 0;
    if (name > 1 && text[1] == '#')
        *character = numeric_entity(text + 2, name - 1);
    for (size_t i = 0; !*character && i < G_N_ELEMENTS(entities); i++) {
        if (strlen(entities[i].name) == name && memcmp(entities[i].name, text + 1, name) == 0)
            *character = entities[i].character;
    }
    return *character ? name + 2 : 0;
}

/* ---- words and lines ---- */

static void end_line(struct writer *writer)
{
    g_string_append_c(writer->out, '\n');
    writer->column = 0;
}

static void end_word(struct writer *writer)
{
    if (writer->word->len == 0)
        return;
    size_t width = (size_t)g_utf8_strlen(writer->word->str, (gssize)writer->word->len);
    if (writer->breaks && writer->out->len) {
        for (int i = 0; i < writer->breaks; i++)
            end_line(writer);
    } else if (writer->space && writer->column) {
        if (writer->column + 1 + width > LINE_WIDTH) {
            end_line(writer);
        } else {
            g_string_append_c(writer->out, ' ');
            writer->column++;
        }
    }
    g_string_append_len(writer->out, writer->word->str, (gssize)writer->word->len);
    g_string_truncate(writer->word, 0);
    writer->column += width;
    writer->breaks = 0;
    writer->space = 0;
}

static void break_lines(struct writer *writer, int lines)
{
    end_word(writer);
    if (writer->breaks < lines)
        writer->breaks = lines;
}

static void put_character(struct writer *writer, gunichar character)
{
    if (character == ' ' || character == '\t' || character == '\n' || character == '\r' ||
        character == '\f') {
        end_word(writer);
        writer->space = 1;
    } else if (character == 0xa0) {
        g_string_append_c(writer->word, ' ');
    } else if (character >= 0x20 && character != 0x7f && character != 0xad) {
        g_string_append_unichar(writer->word, character);
    }
}

/* How many bytes at `text` are plainly parts of a word. 0xc2 leads the blanks and controls of
 * Latin-1. */
static size_t plain_run(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && (unsigned char)text[i] > 0x20 && text[i] != 0x7f && text[i] != '&' &&
           (unsigned char)text[i] != 0xc2)
        i++;
    return i;
}

static void put_text(struct writer *writer, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t taken = plain_run(text + i, length - i);
        if (taken) {
            g_string_append_len(writer->word, text + i, (gssize)taken);
            i += taken;
            continue;
        }
        gunichar character;
        taken = text[i] == '&' ? decode_entity(text + i, length - i, &character) : 0;
        if (!taken) {
            character = g_utf8_get_char(text + i);
            taken = (size_t)(g_utf8_next_char(text + i) - (text + i));
        }
        put_character(writer, character);
        i += taken;
    }
}

static void put_word(struct writer *writer, const char *word)
{
    end_word(writer);
    writer->space = 1;
    g_string_append(writer->word, word);
    end_word(writer);
}

/* ---- tags ---- */

enum tag_effect { PARAGRAPH, LINE, ITEM, CELL, RULE, IMAGE, LINK, HIDDEN };

struct tag_rule {
    const char *name;
    enum tag_effect effect;
};

static const struct tag_rule tag_rules[] = {
    {"p", PARAGRAPH},
    {"h1", PARAGRAPH},
    {"h2", PARAGRAPH},
    {"h3", PARAGRAPH},
    {"h4", PARAGRAPH},
    {"h5", PARAGRAPH},
    {"h6", PARAGRAPH},
    {"ul", PARAGRAPH},
    {"ol", PARAGRAPH},
    {"table", PARAGRAPH},
    {"blockquote", PARAGRAPH},
    {"pre", PARAGRAPH},
    {"br", LINE},
    {"div", LINE},
    {"tr", LINE},
    {"section", LINE},
    {"header", LINE},
    {"footer", LINE},
    {"address", LINE},
    {"dt", LINE},
    {"dd", LINE},
    {"li", ITEM},
    {"td", CELL},
    {"th", CELL},
    {"hr", RULE},
    {"img", IMAGE},
    {"a", LINK},
    {"style", HIDDEN},
    {"script", HIDDEN},
    {"title", HIDDEN},
};

static size_t tag_name_length(const char *tag, size_t length)
{
    size_t i = 0;
    while (i < length && isalnum((unsigned char)tag[i]))
        i++;
    return i;
}

static const struct tag_rule *find_rule(const char *name, size_t length)
{
    for (size_t i = 0; i < G_N_ELEMENTS(tag_rules); i++) {
        if (strlen(tag_rules[i].name) == length && !strncasecmp(tag_rules[i].name, name, length))
            return &tag_rules[i];
    }
    return NULL;
}

size_t html_tag_end(const char *html, size_t length, size_t at)
{
    char quote = 0;
    for (size_t i = at + 1; i < length; i++) {
        if (quote)
            quote = html[i] == quote ? 0 : quote;
        else if (html[i] == '>')
            return i;
        else if ((html[i] == '"' || html[i] == '\'') && html[i - 1] == '=')
            quote = html[i];
    }
    return length;
}

int html_attribute(const char *tag, size_t length, const char *name, const char **value,
                   size_t *value_length)
{
    size_t wanted = strlen(name);
    for (size_t i = tag_name_length(tag, length); i < length;) {
        while (i < length && (isspace((unsigned char)tag[i]) || tag[i] == '/'))
            i++;
        size_t start = i;
        while (i < length && !isspace((unsigned char)tag[i]) && tag[i] != '=')
            i++;
        int found = i - start == wanted && !strncasecmp(tag + start, name, wanted);
        size_t from = i, to = i;
        if (i < length && tag[i] == '=') {
            char quote = ++i < length && (tag[i] == '"' || tag[i] == '\'') ? tag[i++] : 0;
            from = i;
            while (i < length && (quote ? tag[i] != quote : !isspace((unsigned char)tag[i])))
                i++;
            to = i;
            i += quote && i < length;
        } else if (i == start) {
            i++;
        }
        if (found) {
            *value = tag + from;
            *value_length = to - from;
            return 0;
        }
    }
    return -1;
}

static void open_link(struct writer *writer, const char *tag, size_t length)
{
    const char *target;
    size_t target_length;
    end_word(writer);
    g_string_truncate(writer->link, 0);
    if (html_attribute(tag, length, "href", &target, &target_length) < 0)
        return;
    struct writer inner = {.word = writer->link};
    for (size_t i = 0; i < target_length;) {
        gunichar character;
        size_t taken =
            target[i] == '&' ? decode_entity(target + i, target_length - i, &character) : 0;
        if (taken)
            g_string_append_unichar(inner.word, character);
        else if ((unsigned char)target[i] > 0x20)
            g_string_append_c(inner.word, target[i]);
        i += taken ? taken : 1;
    }
    writer->link_start = writer->out->len;
}

/* The target in parentheses, unless the link's text says it already or it leads nowhere. */
static void close_link(struct writer *writer)
{
    end_word(writer);
    const char *target = writer->link->str;
    g_autofree char *text = g_strstrip(g_strdup(writer->out->str + writer->link_start));
    const char *bare = g_str_has_prefix(target, "mailto:") ? target + strlen("mailto:") : target;
    if (strpbrk(target, ":") && *text && strcmp(text, bare) != 0) {
        g_autofree char *shown = g_strdup_printf("(%s)", bare);
        put_word(writer, shown);
    } else if (!*text && strpbrk(target, ":")) {
        put_word(writer, bare);
    }
    g_string_truncate(writer->link, 0);
}

static void put_alternative_text(struct writer *writer, const char *tag, size_t length)
{
    const char *text;
    size_t text_length;
    if (html_attribute(tag, length, "alt", &text, &text_length) == 0)
        put_text(writer, text, text_length);
}

static void apply_rule(struct writer *writer, const struct tag_rule *rule, int closing,
                       const char *tag, size_t length)
{
    switch (rule->effect) {
    case PARAGRAPH:
        break_lines(writer, 2);
        break;
    case LINE:
        break_lines(writer, 1);
        break;
    case ITEM:
        break_lines(writer, 1);
        if (!closing)
            put_word(writer, "-");
        writer->space = 1;
        break;
    case CELL:
        end_word(writer);
        writer->space = 1;
        break;
    case RULE:
        break_lines(writer, 1);
        put_word(writer, "--------");
        break_lines(writer, 1);
        break;
    case IMAGE:
        put_alternative_text(writer, tag, length);
        break;
    case LINK:
        if (writer->link->len)
            close_link(writer);
        if (!closing)
            open_link(writer, tag, length);
        break;
    case HIDDEN:
        break;
    }
}

/* Where the text after a hidden element's content goes on: at its closing tag. */
static size_t skip_hidden(const char *html, size_t length, size_t at, const char *name)
{
    size_t name_length = strlen(name);
    for (; at + name_length + 2 <= length; at++) {
        if (html[at] == '<' && html[at + 1] == '/' &&
            !strncasecmp(html + at + 2, name, name_length))
            return at;
    }
    return length;
}

/* Read the tag or comment at html[at] == '<'; the place behind it. */
static size_t read_tag(struct writer *writer, const char *html, size_t length, size_t at)
{
    if (length - at >= 4 && memcmp(html + at, "<!--", 4) == 0) {
        const char *end = memmem(html + at + 4, length - at - 4, "-->", 3);
        return end ? (size_t)(end - html) + 3 : length;
    }
    size_t end = html_tag_end(html, length, at);
    size_t next = end < length ? end + 1 : length;
    int closing = at + 1 < length && html[at + 1] == '/';
    const char *tag = html + at + 1 + closing;
    size_t tag_length = end > at + 1 + (size_t)closing ? end - at - 1 - (size_t)closing : 0;
    const struct tag_rule *rule = find_rule(tag, tag_name_length(tag, tag_length));
    if (!rule)
        return next;
    apply_rule(writer, rule, closing, tag, tag_length);
    return rule->effect == HIDDEN && !closing ? skip_hidden(html, length, next, rule->name) : next;
}

GString *plaintext_from_html(const char *html, size_t length)
{
    struct writer writer = {.out = g_string_sized_new(length / 2 + 16),
                            .word = g_string_new(NULL),
                            .link = g_string_new(NULL)};
    for (size_t at = 0; at < length;) {
        int is_tag = html[at] == '<' && at + 1 < length &&
                     (isalpha((unsigned char)html[at + 1]) || html[at + 1] == '/' ||
                      html[at + 1] == '!' || html[at + 1] == '?');
        if (is_tag) {
            at = read_tag(&writer, html, length, at);
            continue;
        }
        const char *open = memchr(html + at + 1, '<', length - at - 1);
        size_t end = open ? (size_t)(open - html) : length;
        put_text(&writer, html + at, end - at);
        at = end;
    }
    end_word(&writer);
    g_string_append_c(writer.out, '\n');
    g_string_free(writer.word, TRUE);
    g_string_free(writer.link, TRUE);
    return writer.out;
}
