#include "conf/ini.h"

#include <ini.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

struct reading {
    char *at, *end;
    int line;
    const struct ini_events *events;
    void *context;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_space(const char *text)
{
    while (is_space(*text))
        text++;
    return text;
}

/* Cut the next line out of the text and end it with a zero byte; NULL: there is none. */
static char *next_line(struct reading *reading, size_t *length)
{
    if (reading->at == reading->end)
        return NULL;
    char *line = reading->at;
    char *newline = memchr(line, '\n', (size_t)(reading->end - line));
    char *end = newline ? newline : reading->end;
    reading->at = newline ? newline + 1 : reading->end;
    reading->line++;
    if (end > line && end[-1] == '\r')
        end--;
    *end = '\0';
    *length = (size_t)(end - line);
    return line;
}

/* What makes the bytes of a line unfit, or NULL. Any line, a comment too. */
static const char *bytes_problem(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
            return "the line holds a control character; delete it";
    if (!text_is_utf8(line, length))
        return "the line is not UTF-8; save the file as UTF-8";
    return NULL;
}

/* inih takes white space followed by a semicolon for the begin of a comment, wherever it is. */
static bool has_inline_comment(const char *line)
{
    for (const char *c = line; *c; c++)
        if (is_space(c[0]) && c[1] == ';')
            return true;
    return false;
}

static const char *entry_problem(const char *line)
{
    size_t key = strcspn(line, "=:");
    if (!line[key])
        return "the line is neither »[section]« nor »key = value« nor a comment (# or ;)";
    if (key == 0)
        return "there is no key before the »=«; write »key = value«";
    if (has_inline_comment(line))
        return "the value would be cut at »;« after a space; put a comment on a line of its own, "
               "and a secret into a file that you name by file:PATH";
    return NULL;
}

static const char *heading_problem(const char *line)
{
    const char *close = strchr(line, ']');
    if (!close)
        return "the section's heading has no »]«; write »[section]«";
    const char *rest = skip_space(close + 1);
    if (*rest && *rest != ';' && *rest != '#')
        return "nothing may stand behind a section's »]«; begin a new line";
    return NULL;
}

/* What inih would mangle or refuse in this line, or NULL. It takes at most `limit` bytes. */
static const char *line_problem(const char *line, size_t length, size_t limit)
{
    if (is_space(*line))
        return "the line begins with a space, and there are no continuation lines; "
               "begin »key = value« at the line's start";
    if (length > limit)
        return "the line is longer than 199 bytes; shorten it, or put the value into a file "
               "if its key takes file:PATH";
    return *line == '[' ? heading_problem(line) : entry_problem(line);
}

static void report_heading(struct reading *reading, const char *line)
{
    char section[INI_LINE_MAX + 1];
    text_copy(section, sizeof section, line + 1);
    section[strcspn(section, "]")] = '\0';
    reading->events->heading(reading->context, reading->line, section);
}

/* Look at a line; true: inih may have it. */
static bool admit(struct reading *reading, const char *line, size_t length, size_t limit)
{
    const char *problem = bytes_problem(line, length);
    if (!problem) {
        const char *start = skip_space(line);
        if (!*start || *start == ';' || *start == '#')
            return false;
        problem = line_problem(line, length, limit);
    }
    if (problem) {
        reading->events->problem(reading->context, reading->line, problem);
        return false;
    }
    if (*line == '[')
        report_heading(reading, line);
    return true;
}

/* inih's reader: one line a call into `target`, which holds `size` bytes. */
static char *read_line(char *target, int size, void *stream)
{
    struct reading *reading = stream;
    size_t length;
    const char *line = next_line(reading, &length);
    if (!line)
        return NULL;
    size_t limit = size <= INI_LINE_MAX ? (size_t)size - 1 : INI_LINE_MAX;
    if (!admit(reading, line, length, limit))
        length = 0;
    memcpy(target, line, length);
    target[length] = '\0';
    return target;
}

static int on_entry(void *context, const char *section, const char *key, const char *value)
{
    (void)section;
    struct reading *reading = context;
    reading->events->entry(reading->context, reading->line, key, value);
    return 1;
}

/* A zero byte means that this is no text at all, or UTF-16: one problem is enough. */
static bool is_text(char *text, size_t size, const struct ini_events *events, void *context)
{
    const char *zero = memchr(text, '\0', size);
    if (!zero)
        return true;
    int line = 1;
    for (const char *c = text; c < zero; c++)
        line += *c == '\n';
    events->problem(context, line,
                    "the file holds a zero byte and is read no further; save it as UTF-8 text");
    return false;
}

void ini_read(char *text, size_t size, const struct ini_events *events, void *context)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct reading reading = {text, text + size, 0, events, context};
    if (!is_text(text, size, events, context))
        return;
    if (text_starts(text, byte_order_mark))
        reading.at += sizeof byte_order_mark - 1;
    int refused = ini_parse_stream(read_line, &reading, on_entry, &reading);
    if (refused)
        events->problem(context, refused > 0 ? refused : 0, "inih cannot read this line");
}
