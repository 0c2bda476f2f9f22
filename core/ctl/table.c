#include "ctl/table.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/messages.h"

#define GAP 2
#define NARROWEST 8 /* no column is cut below this */

struct cell {
    char *text;
    size_t width;
    enum colour colour;
    bool number;
};

struct column {
    size_t width;
    bool empty; /* in every row: not shown */
    bool right; /* numbers and their heading stand to the right */
    bool rigid; /* half of it would say nothing */
};

struct table {
    const char *const *keys;
    size_t columns;
    bool as_given;
    struct cell *cells; /* not printed yet */
    size_t count, capacity;
    struct column *layout; /* NULL: nothing is printed yet */
    bool as_records;       /* too many columns for the terminal: each row as lines of its own */
};

static bool terminal;
static bool coloured;

void table_setup(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    terminal = isatty(STDOUT_FILENO) == 1;
    coloured = terminal && !(no_color && *no_color) && !text_equal(term, "dumb");
}

bool table_on_terminal(void)
{
    return terminal;
}

size_t table_terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

const char *table_colour(enum colour colour)
{
    static const char *const sequences[] = {[COLOUR_NONE] = "",
                                            [COLOUR_BOLD] = "\033[1m",
                                            [COLOUR_GREEN] = "\033[32m",
                                            [COLOUR_YELLOW] = "\033[33m",
                                            [COLOUR_RED] = "\033[31m"};
    return coloured ? sequences[colour] : "";
}

const char *table_colour_end(void)
{
    return coloured ? "\033[0m" : "";
}

enum colour table_colour_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } states[] = {
        {"done", COLOUR_GREEN},      {"ready", COLOUR_GREEN},    {"delivered", COLOUR_GREEN},
        {"paused", COLOUR_YELLOW},   {"warning", COLOUR_YELLOW}, {"restarting", COLOUR_YELLOW},
        {"stopping", COLOUR_YELLOW}, {"unknown", COLOUR_YELLOW}, {"cancelled", COLOUR_YELLOW},
        {"failed", COLOUR_RED},      {"error", COLOUR_RED},      {"rejected", COLOUR_RED},
        {"quarantined", COLOUR_RED}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (text_equal(states[i].state, state))
            return states[i].colour;
    return COLOUR_NONE;
}

/* ---- text ---- */

/* The next character and its width; at least one byte, even of what is not UTF-8. */
static size_t step(const char *text, size_t *width)
{
    wchar_t character = 0;
    mbstate_t state = {0};
    *width = 1;
    if (*text >= ' ' && *text <= '~') /* most */
        return 1;
    size_t size = mbrtowc(&character, text, MB_CUR_MAX, &state);
    if (size == (size_t)-1 || size == (size_t)-2 || size == 0)
        return 1;
    int columns = wcwidth(character);
    *width = columns < 0 ? 1 : (size_t)columns;
    return size;
}

size_t table_width(const char *text)
{
    size_t total = 0, width;
    while (*text) {
        text += step(text, &width);
        total += width;
    }
    return total;
}

char *table_cut(const char *text, size_t limit)
{
    if (table_width(text) <= limit)
        return memory_text(text);
    const char *at = text;
    size_t total = 0, width;
    while (*at) {
        size_t size = step(at, &width);
        if (total + width + 1 > limit)
            break;
        total += width;
        at += size;
    }
    return memory_format("%.*s…", (int)(at - text), text);
}

char *table_clean(const char *text, bool keep_lines)
{
    struct buffer clean = {0};
    size_t width;
    for (size_t size; *text; text += size) {
        size = step(text, &width);
        unsigned char c = (unsigned char)*text;
        bool c1 = size == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0;
        if (keep_lines && (c == '\n' || c == '\t'))
            buffer_char(&clean, *text);
        else if (c == '\n' || c == '\t')
            buffer_char(&clean, ' ');
        else if (c < 0x20 || c == 0x7f || c1)
            buffer_text(&clean, "·");
        else
            buffer_append(&clean, text, size);
    }
    return buffer_steal(&clean);
}

/* ---- values ---- */

static char *local_time(const char *text)
{
    struct tm broken = {0}, local;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &broken);
    if (!rest || (*rest != 'Z' && *rest != '.'))
        return memory_text(text);
    time_t time = timegm(&broken);
    char target[64];
    localtime_r(&time, &local);
    strftime(target, sizeof target,
             messages_language() == LANGUAGE_GERMAN ? "%d.%m.%Y %H:%M:%S" : "%Y-%m-%d %H:%M:%S",
             &local);
    return memory_text(target);
}

/* A number that names something, and so is not grouped; so are a site's own ("" as the key). */
static bool is_name(const char *key)
{
    static const char *const names[] = {"", "id", "number", "run", "row", "after", "generation"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_equal(key, names[i]))
            return true;
    return false;
}

static bool is_time(const char *key)
{
    size_t length = strlen(key);
    return text_equal(key, "time") || (length > 3 && text_equal(&key[length - 3], "_at"));
}

static char *duration(int64_t seconds)
{
    if (seconds < 60)
        return memory_format("%d s", (int)seconds);
    if (seconds < 3600)
        return memory_format("%d min %d s", (int)(seconds / 60), (int)(seconds % 60));
    return memory_format("%lld h %d min", (long long)(seconds / 3600), (int)(seconds / 60 % 60));
}

static char *list(const json_t *array)
{
    struct buffer text = {0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        FREE_CLEAN char *part = table_value("", json_array_get(array, i));
        buffer_printf(&text, "%s%s", i ? ", " : "", part);
    }
    return buffer_steal(&text);
}

/* "(1,234 bytes)" of {"base64": "…"}. */
static char *bytes(const json_t *value)
{
    BUFFER_CLEAN struct buffer decoded = {0};
    const json_t *encoded = json_object_get(value, "base64");
    text_unbase64(&decoded, json_string_value(encoded), json_string_length(encoded));
    return message_with(MESSAGE_BYTES, message_number((int64_t)decoded.size), (char *)NULL);
}

char *table_value(const char *key, const json_t *value)
{
    size_t length = strlen(key);
    bool seconds =
        length > 2 && text_equal(&key[length - 2], "_s") && !text_equal(key, "rate_per_s");
    if (json_is_number(value) && seconds)
        return duration((int64_t)json_number_value(value));
    switch (json_typeof(value)) {
    case JSON_STRING:
        return is_time(key) ? local_time(json_string_value(value))
                            : table_clean(json_string_value(value), false);
    case JSON_INTEGER:
        return is_name(key) ? memory_format("%lld", (long long)json_integer_value(value))
                            : memory_text(message_number(json_integer_value(value)));
    case JSON_REAL:
        return text_equal(key, "rate_per_s") ? memory_text(message_decimal(json_real_value(value)))
                                             : memory_format("%.15g", json_real_value(value));
    case JSON_TRUE:
        return memory_text(message(MESSAGE_YES));
    case JSON_FALSE:
        return memory_text(message(MESSAGE_NO));
    case JSON_ARRAY:
        return list(value);
    case JSON_OBJECT:
        return json_object_get(value, "base64") ? bytes(value) : json_dumps(value, JSON_COMPACT);
    default:
        return memory_text("");
    }
}

/* ---- tables ---- */

struct table *table_new(const char *const *keys)
{
    struct table *table = memory_new(sizeof *table);
    table->keys = keys;
    while (keys[table->columns] && table->columns < TABLE_COLUMNS_MAXIMUM)
        table->columns++;
    return table;
}

static void forget_rows(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    table->count = 0;
}

void table_free(struct table *table)
{
    forget_rows(table);
    free(table->cells);
    free(table->layout);
    free(table);
}

void table_headings_as_given(struct table *table)
{
    table->as_given = true;
}

static void add(struct table *table, char *text, enum colour colour, bool number)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 64;
        table->cells = memory_resize(table->cells, table->capacity * sizeof *table->cells);
    }
    table->cells[table->count++] = (struct cell){text, table_width(text), colour, number};
}

void table_text(struct table *table, const char *text)
{
    add(table, table_clean(text, false), COLOUR_NONE, false);
}

void table_state(struct table *table, const char *state)
{
    add(table, table_clean(message_label(state), false), table_colour_of_state(state), false);
}

/* Decimals come as text, so that they keep their digits. */
static bool is_decimal(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text)
        return false;
    text += *text == '-';
    size_t whole = strspn(text, "0123456789");
    size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    return whole && fraction && !text[whole + 1 + fraction] && (whole == 1 || *text != '0');
}

void table_json(struct table *table, const json_t *value)
{
    const char *key = table->as_given ? "" : table->keys[table->count % table->columns];
    char *text = value ? table_value(key, value) : memory_text("");
    add(table, text, COLOUR_NONE, json_is_number(value) || (table->as_given && is_decimal(value)));
}

/* Its values are words of campaignd's own. */
static bool is_word(const char *key)
{
    static const char *const keys[] = {"kind", "channel", "scope", "reason", "origin"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (text_equal(key, keys[i]))
            return true;
    return false;
}

static bool is_state(const char *key)
{
    return text_equal(key, "state") || text_equal(key, "severity") || text_equal(key, "outcome") ||
           text_equal(key, "purpose");
}

void table_object(struct table *table, const json_t *object)
{
    for (size_t i = 0; i < table->columns; i++) {
        const char *key = table->keys[i];
        FREE_CLEAN char *own = memory_format("%s_%s", key, messages_language_name());
        const json_t *value = json_object_get(object, own);
        if (!value)
            value = json_object_get(object, key);
        if (is_state(key) && json_is_string(value))
            table_state(table, json_string_value(value));
        else if (is_word(key) && json_is_string(value))
            table_text(table, message_label(json_string_value(value)));
        else
            table_json(table, value);
    }
}

static const char *heading(const struct table *table, size_t column)
{
    return table->as_given ? table->keys[column] : message_label(table->keys[column]);
}

/* Take from the widest until the row fits; false: it cannot. */
static bool fit(struct column *columns, size_t count)
{
    size_t room = table_terminal_width() + GAP, total = 0;
    for (size_t i = 0; i < count; i++)
        total += columns[i].empty ? 0 : columns[i].width + GAP;
    for (; total > room; total--) {
        struct column *widest = NULL;
        for (size_t i = 0; i < count; i++)
            if (!columns[i].rigid && !columns[i].empty &&
                (!widest || columns[i].width > widest->width))
                widest = &columns[i];
        if (!widest || widest->width <= NARROWEST)
            return false;
        widest->width--;
    }
    return true;
}

static void print_cell(const struct cell *cell, size_t width, bool right, bool last)
{
    bool fits = !terminal || cell->width <= width;
    FREE_CLEAN char *cut = fits ? NULL : table_cut(cell->text, width);
    size_t shown = fits ? cell->width : table_width(cut), space = width > shown ? width - shown : 0;
    printf("%*s%s%s%s%*s", right ? (int)space : 0, "", table_colour(cell->colour),
           fits ? cell->text : cut, cell->colour == COLOUR_NONE ? "" : table_colour_end(),
           right || last ? 0 : (int)space, "");
    if (!last)
        printf("%*s", GAP, "");
}

static void measure(const struct table *table, size_t index, struct column *column)
{
    const char *key = table->as_given ? "" : table->keys[index];
    bool numbers = false, others = false;
    *column = (struct column){.width = table_width(heading(table, index))};
    for (size_t i = index; i < table->count; i += table->columns) {
        const struct cell *cell = &table->cells[i];
        if (cell->width > column->width)
            column->width = cell->width;
        numbers = numbers || cell->number;
        others = others || (!cell->number && cell->width);
    }
    column->empty = !numbers && !others && !table->as_given;
    column->right = numbers && !others;
    column->rigid = column->right || is_time(key) || is_state(key) || text_equal(key, "document");
}

/* The bytes of the text's first line, cut at a blank where there is one. */
static size_t first_line(const char *text, size_t limit)
{
    size_t total = 0, width, blank = 0, at = 0;
    while (text[at]) {
        size_t size = step(text + at, &width);
        if (text[at] == ' ')
            blank = at;
        if (total + width > limit)
            return blank ? blank : at ? at : size;
        total += width;
        at += size;
    }
    return at;
}

/* What somebody must read to the end goes on in the next line, below itself. */
static void print_wrapped(const char *text, size_t width, size_t indent)
{
    for (size_t size; *text; text += size + (text[size] == ' ')) {
        size = first_line(text, width);
        printf("%.*s", (int)size, text);
        if (text[size])
            printf("\n%*s", (int)indent, "");
    }
}

static bool wraps(const struct table *table, size_t column)
{
    const char *key = table->as_given ? "" : table->keys[column];
    return terminal && column + 1 == table->columns &&
           (text_equal(key, "message") || text_equal(key, "reason"));
}

static void print_row(const struct table *table, const struct column *columns,
                      const struct cell *cells)
{
    size_t indent = 0, last = table->columns - 1;
    while (last && (columns[last].empty || (cells && !cells[last].width)))
        last--;
    for (size_t i = 0; i <= last; i++) {
        const struct column *column = &columns[i];
        struct cell name = {(char *)heading(table, i), table_width(heading(table, i)), COLOUR_BOLD,
                            false};
        if (column->empty)
            continue;
        if (cells && wraps(table, i))
            print_wrapped(cells[i].text, column->width, indent);
        else
            print_cell(cells ? &cells[i] : &name, column->width, column->right, i == last);
        indent += column->width + GAP;
    }
    putchar('\n');
}

static void print_records(const struct table *table)
{
    size_t width = 0;
    for (size_t i = 0; i < table->columns; i++)
        if (table_width(heading(table, i)) > width)
            width = table_width(heading(table, i));
    for (size_t i = 0; i < table->count; i++) {
        const struct cell *cell = &table->cells[i];
        const char *name = heading(table, i % table->columns);
        if (i && i % table->columns == 0)
            putchar('\n');
        if (cell->width)
            printf("%s%s%s%*s  %s\n", table_colour(COLOUR_BOLD), name, table_colour_end(),
                   (int)(width - table_width(name)), "", cell->text);
    }
}

/* True: the columns are as wide as before. Only a terminal has to cut, and so looks again. */
static bool lay_out(struct table *table)
{
    bool first = !table->layout, same = !first;
    if (!first && (!terminal || table->as_records))
        return true;
    struct column *layout = memory_array(table->columns + 1, sizeof *layout);
    for (size_t i = 0; i < table->columns; i++)
        measure(table, i, &layout[i]);
    bool fits = !terminal || fit(layout, table->columns);
    for (size_t i = 0; same && fits && i < table->columns; i++)
        same = layout[i].width == table->layout[i].width;
    if (same) {
        free(layout);
        return true;
    }
    free(table->layout);
    table->layout = layout;
    table->as_records = !fits;
    return false;
}

void table_print_part(struct table *table)
{
    bool first = !table->layout, same = lay_out(table);
    if (!first && (!same || table->as_records))
        putchar('\n');
    if (table->as_records)
        print_records(table);
    else if (!same)
        print_row(table, table->layout, NULL);
    for (size_t i = 0; i < table->count && !table->as_records; i += table->columns)
        print_row(table, table->layout, &table->cells[i]);
    forget_rows(table);
}

void table_print(struct table *table)
{
    if (table->count)
        table_print_part(table);
    else if (!table->layout)
        puts(message(MESSAGE_NOTHING));
}
