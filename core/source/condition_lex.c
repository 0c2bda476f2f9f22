#include "source/condition_lex.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

struct lexing {
    const char *text;
    size_t at;
    struct word *words;
    size_t count, room;
    int depth;
    struct error *error;
};

void condition_place(const char *text, size_t offset, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset && text[i]; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80)
            ++*column;
    }
}

bool word_is(const char *text, const struct word *word, const char *wanted)
{
    return (word->kind == WORD_NAME || word->kind == WORD_SIGN) && strlen(wanted) == word->length &&
           strncasecmp(text + word->start, wanted, word->length) == 0;
}

static int fault(struct lexing *lexing, size_t at, const char *english, const char *german)
{
    int line, column;
    condition_place(lexing->text, at, &line, &column);
    return error_say(lexing->error, ERROR_INPUT, "%s%.0s (line %d, column %d)",
                     "%.0s%s (Zeile %d, Spalte %d)", english, german, line, column);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static void add(struct lexing *lexing, enum word_kind kind, size_t length)
{
    if (lexing->count == lexing->room) {
        lexing->room = 2 * lexing->room + 64;
        lexing->words = memory_resize(lexing->words, lexing->room * sizeof *lexing->words);
    }
    lexing->words[lexing->count++] =
        (struct word){.kind = kind, .start = lexing->at, .length = length};
    lexing->at += length;
}

/* Of blanks and comments at `text`; 0: there are none. */
static size_t blank_length(const char *text)
{
    if (strchr(" \t\r\n\f", *text) && *text)
        return 1;
    if (text[0] == '-' && text[1] == '-')
        return strcspn(text, "\n");
    if (text[0] == '/' && text[1] == '*') {
        const char *end = strstr(text + 2, "*/");
        return end ? (size_t)(end + 2 - text) : 0;
    }
    return 0;
}

/* A quoted thing from its opening quote on; a doubled closing one is one inside. 0: not closed. */
static size_t quoted_length(const char *text, char close)
{
    for (size_t i = 1; text[i]; i++) {
        if (text[i] != close)
            continue;
        if (text[i + 1] != close || close == ']')
            return i + 1;
        i++;
    }
    return 0;
}

static int take_quoted(struct lexing *lexing, enum word_kind kind, size_t before)
{
    const char *text = lexing->text + lexing->at + before;
    size_t length = quoted_length(text, *text == '[' ? ']' : *text);
    if (!length)
        return fault(lexing, lexing->at, "this quotation mark is not closed",
                     "dieses Anführungszeichen wird nicht geschlossen");
    add(lexing, kind, before + length);
    return 0;
}

static size_t number_length(const char *text)
{
    size_t i = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return 2 + strspn(text + 2, "0123456789abcdefABCDEF");
    while (is_digit(text[i]) || text[i] == '.')
        i++;
    if (text[i] == 'e' || text[i] == 'E') {
        size_t sign = text[i + 1] == '+' || text[i + 1] == '-';
        if (is_digit(text[i + 1 + sign]))
            for (i += 1 + sign; is_digit(text[i]);)
                i++;
    }
    return i;
}

static size_t name_length(const char *text)
{
    size_t i = 0;
    while (is_name(text[i]))
        i++;
    return i;
}

static int take_sign(struct lexing *lexing)
{
    static const char *const signs[] = {
        "->>", "<=", ">=", "<>", "!=", "==", "||", "->", "<<", ">>"};
    const char *text = lexing->text + lexing->at;
    size_t length = 1;
    for (size_t i = 0; i < sizeof signs / sizeof *signs && length == 1; i++)
        if (strncmp(text, signs[i], strlen(signs[i])) == 0)
            length = strlen(signs[i]);
    if (*text == ';')
        return fault(lexing, lexing->at, "it is more than one expression; leave out the semicolon",
                     "es ist mehr als ein Ausdruck; das Semikolon weglassen");
    lexing->depth += (*text == '(') - (*text == ')');
    if (lexing->depth < 0)
        return fault(lexing, lexing->at, "this parenthesis was not opened",
                     "diese Klammer wurde nicht geöffnet");
    add(lexing, WORD_SIGN, length);
    return 0;
}

static int take_word(struct lexing *lexing)
{
    const char *text = lexing->text + lexing->at;
    if (text[0] == '/' && text[1] == '*')
        return fault(lexing, lexing->at, "this comment is not closed",
                     "dieser Kommentar wird nicht geschlossen");
    if (*text == '\'')
        return take_quoted(lexing, WORD_TEXT, 0);
    if (*text == '"' || *text == '`' || *text == '[')
        return take_quoted(lexing, WORD_QUOTED, 0);
    if ((*text == 'x' || *text == 'X') && text[1] == '\'')
        return take_quoted(lexing, WORD_OTHER, 1);
    if (is_digit(*text) || (*text == '.' && is_digit(text[1])))
        add(lexing, WORD_NUMBER, number_length(text));
    else if (*text == ':' && is_name(text[1]))
        add(lexing, WORD_PARAMETER, 1 + name_length(text + 1));
    else if (is_name(*text))
        add(lexing, WORD_NAME, name_length(text));
    else
        return take_sign(lexing);
    return 0;
}

struct word *condition_words(const char *text, size_t *count, struct error *error)
{
    struct lexing lexing = {.text = text, .error = error};
    int result = 0;
    while (result == 0 && text[lexing.at]) {
        size_t blank = blank_length(text + lexing.at);
        if (blank)
            lexing.at += blank;
        else
            result = take_word(&lexing);
    }
    if (result == 0 && lexing.depth > 0)
        result = fault(&lexing, lexing.at, "a parenthesis is not closed",
                       "eine Klammer wird nicht geschlossen");
    if (result != 0) {
        free(lexing.words);
        return NULL;
    }
    add(&lexing, WORD_END, 0);
    *count = lexing.count - 1;
    return lexing.words;
}
