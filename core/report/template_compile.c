/*
 * The compiler: one pass over a source, tag by tag, that appends operations. A partial's source is
 * indented as its tag is, and compiled in its place by the same pass, so that rendering knows
 * nothing of partials. Every search goes forward only, so the time is linear in what is put in,
 * which is bounded.
 */
#include <string.h>

#include "base/text.h"
#include "report/template_internal.h"

#define DELIMITER_MAX 15

struct source {
    const char *partial; /* its name; NULL: the template itself */
    const char *start, *at, *end;
    int indent; /* characters put before each line of it */
    char open[DELIMITER_MAX + 1], close[DELIMITER_MAX + 1];
    int base_depth; /* sections that are open around it */
    /* Where line and column were last counted; only goes forward. */
    const char *counted;
    int line, column;
};

struct tag {
    char sigil; /* one of # ^ / > ! & { = ; 0: a value */
    const char *start, *end;
    const char *text; /* what stands in it, trimmed */
    size_t length;
    int line, column;
};

struct open_section {
    const char *name; /* as written */
    const struct template_name *place;
    const struct template_name *inner; /* what names in it have as in_section */
    bool inverted;
    size_t op;
};

struct compiler {
    struct template *template;
    const struct template_partials *partials;
    struct error *error;
    size_t inlined;
    int tags;
    bool barrier; /* the next literal begins a new operation: a jump ends there */
    struct open_section sections[TEMPLATE_DEPTH_MAX];
    int depth;
    const char *inside[TEMPLATE_PARTIAL_DEPTH_MAX]; /* names of the partials that we are in */
    int partial_depth;
};

static int compile_source(struct compiler *compiler, struct source *source);

/* ---- places and messages ---- */

/* Count lines and characters up to `at`. */
static void count_to(struct source *source, const char *at)
{
    for (; source->counted < at; source->counted++) {
        if (*source->counted == '\n') {
            source->line++;
            source->column = 1;
        } else if ((*source->counted & 0xC0) != 0x80)
            source->column++;
    }
}

static int tag_column(const struct source *source)
{
    int column = source->column - source->indent;
    return column < 1 ? 1 : column;
}

#define FAIL(compiler, source, tag, ...)                                                           \
    (error_set((compiler)->error, ERROR_INPUT, __VA_ARGS__),                                       \
     template_place((compiler)->error, (source)->partial, (tag)->line, (tag)->column))

/* Editors put a byte order mark before a text; it is none of it. */
static void skip_mark(const char **text, size_t *size)
{
    if (*size < 3 || memcmp(*text, "\xEF\xBB\xBF", 3) != 0)
        return;
    *text += 3;
    *size -= 3;
}

/* ---- operations ---- */

static struct template_op *add_op(struct compiler *compiler, enum template_operation operation)
{
    struct template *template = compiler->template;
    if (template->count == template->capacity) {
        template->capacity = template->capacity ? template->capacity * 2 : 32;
        template->ops = memory_resize(template->ops, template->capacity * sizeof *template->ops);
    }
    struct template_op *op = &template->ops[template->count++];
    *op = (struct template_op){.operation = operation};
    return op;
}

static void add_literal(struct compiler *compiler, const char *start, const char *end)
{
    struct template *template = compiler->template;
    size_t length = (size_t)(end - start);
    if (!length)
        return;
    struct template_op *last = template->count ? &template->ops[template->count - 1] : NULL;
    if (compiler->barrier || !last || last->operation != OPERATION_LITERAL) {
        last = add_op(compiler, OPERATION_LITERAL);
        last->offset = template->literals.size;
        compiler->barrier = false;
    }
    buffer_append(&template->literals, start, length);
    last->length += length;
}

/* ---- finding tags ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *find(const char *start, const char *end, const char *text)
{
    return memmem(start, (size_t)(end - start), text, strlen(text));
}

static void trim(const char **start, const char **end)
{
    while (*start < *end && is_space(**start))
        (*start)++;
    while (*end > *start && is_space((*end)[-1]))
        (*end)--;
}

static int fail_unclosed(struct compiler *compiler, const struct source *source,
                         const struct tag *tag, const char *closing)
{
    return FAIL(compiler, source, tag,
                "the tag that is opened here with %s is never closed; write %s where it ends",
                source->open, closing);
}

/* The sigil, and what must come at the tag's end: `}` or `=` before the closing mark. */
static const char *read_sigil(const struct source *source, const char *at, struct tag *tag,
                              char closing[DELIMITER_MAX + 2])
{
    char twin = 0;
    if (at < source->end && (*at == '{' || *at == '='))
        twin = *at == '{' ? '}' : '=';
    else
        while (at < source->end && is_space(*at))
            at++;
    tag->sigil = 0;
    if (at < source->end && (twin || (*at && strchr("#^/>!&", *at))))
        tag->sigil = *at++;
    closing[0] = twin;
    text_copy(closing + (twin != 0), DELIMITER_MAX + 1, source->close);
    return at;
}

/* Read the next tag: 1; 0: there is none. */
static int next_tag(struct compiler *compiler, struct source *source, struct tag *tag)
{
    char closing[DELIMITER_MAX + 2];
    tag->start = find(source->at, source->end, source->open);
    if (!tag->start)
        return 0;
    count_to(source, tag->start);
    tag->line = source->line;
    tag->column = tag_column(source);
    if (compiler->tags++ == TEMPLATE_TAGS_MAX)
        return FAIL(compiler, source, tag, "more than %d tags; split the text, or use fewer",
                    TEMPLATE_TAGS_MAX);
    const char *start = read_sigil(source, tag->start + strlen(source->open), tag, closing);
    const char *end = find(start, source->end, closing);
    if (!end)
        return fail_unclosed(compiler, source, tag, closing);
    tag->end = end + strlen(closing);
    if (tag->sigil != '!' && find(start, end, source->open))
        return fail_unclosed(compiler, source, tag, closing);
    trim(&start, &end);
    tag->text = start;
    tag->length = (size_t)(end - start);
    return 1;
}

/* If a tag that writes nothing stands alone in its line, the line goes with it. Gives the line's
 * start and the next one's. */
static bool stands_alone(const struct source *source, const struct tag *tag, const char **start,
                         const char **end)
{
    const char *left = tag->start, *right = tag->end;
    while (left > source->start && (left[-1] == ' ' || left[-1] == '\t'))
        left--;
    if (left > source->start && left[-1] != '\n')
        return false;
    while (right < source->end && (*right == ' ' || *right == '\t'))
        right++;
    if (right + 1 < source->end && right[0] == '\r' && right[1] == '\n')
        right++;
    if (right < source->end && *right++ != '\n')
        return false;
    *start = left;
    *end = right;
    return true;
}

/* ---- names ---- */

static int check_name(struct compiler *compiler, const struct source *source, const struct tag *tag,
                      const char *text, size_t length)
{
    if (!length)
        return FAIL(compiler, source, tag, "a tag without a name; write one, such as %sname%s",
                    source->open, source->close);
    if (length > TEMPLATE_NAME_MAX)
        return FAIL(compiler, source, tag,
                    "a name of %zu bytes; at most %d are allowed: is the closing %s missing?",
                    length, TEMPLATE_NAME_MAX, source->close);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return FAIL(compiler, source, tag,
                        "a name with a line break or control character in it; is the closing %s "
                        "missing?",
                        source->close);
    if (strchr("$<*{}=", *text))
        return FAIL(compiler, source, tag,
                    "%s%c is no tag of this language; a name does not begin with %c", source->open,
                    *text, *text);
    return 0;
}

static struct template_path *split_name(struct compiler *compiler, const char *name)
{
    size_t count = 1;
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
        count++;
    struct arena *arena = compiler->template->arena;
    struct template_path *path =
        arena_alloc(arena, sizeof *path + count * sizeof(struct template_part));
    path->text = name;
    if (strcmp(name, ".") == 0)
        return path;
    for (const char *at = name; path->count < count; path->count++) {
        size_t length = strcspn(at, ".");
        if (!length)
            return NULL;
        path->parts[path->count] = (struct template_part){arena_text_n(arena, at, length), length};
        at += length + 1;
    }
    return path;
}

/* The name of a value or section: into `op`. */
static int read_name(struct compiler *compiler, const struct source *source, const struct tag *tag,
                     size_t length, struct template_op *op)
{
    if (check_name(compiler, source, tag, tag->text, length) < 0)
        return -1;
    struct arena *arena = compiler->template->arena;
    op->path = split_name(compiler, arena_text_n(arena, tag->text, length));
    if (!op->path)
        return FAIL(compiler, source, tag,
                    "the name »%.*s« has a dot with nothing on one side; write name.name, or . "
                    "alone",
                    (int)length, tag->text);
    struct template_name *name = arena_alloc(arena, sizeof *name);
    *name = (struct template_name){
        .name = op->path->count ? op->path->parts[0].text : ".",
        .path = op->path->text,
        .partial = source->partial,
        .line = tag->line,
        .column = tag->column,
        .is_section = op->operation != OPERATION_VALUE,
        .has_default = format_has_default(op->formats),
        .in_section = compiler->depth ? compiler->sections[compiler->depth - 1].inner : NULL,
    };
    op->name = name;
    enum template_function function;
    if (template_function(op->path, &function) != 0)
        return 0;
    op->total = ++compiler->template->totals;
    name->total_of = function == TOTAL_COUNT ? "" : op->path->parts[2].text;
    return 0;
}

/* ---- the kinds of tags ---- */

static int compile_value(struct compiler *compiler, const struct source *source,
                         const struct tag *tag)
{
    const char *end = tag->text + tag->length;
    const char *pipe = memchr(tag->text, '|', tag->length);
    const char *start = tag->text, *name_end = pipe ? pipe : end;
    trim(&start, &name_end);
    struct template_op value = {.operation = OPERATION_VALUE, .raw = tag->sigil != 0};
    if (pipe) {
        value.formats = format_parse(compiler->template->arena, pipe + 1, (size_t)(end - pipe - 1),
                                     compiler->error);
        if (!value.formats)
            return template_place(compiler->error, source->partial, tag->line, tag->column);
    }
    if (read_name(compiler, source, tag, (size_t)(name_end - start), &value) < 0)
        return -1;
    *add_op(compiler, OPERATION_VALUE) = value;
    return 0;
}

static int open_section(struct compiler *compiler, const struct source *source,
                        const struct tag *tag)
{
    bool inverted = tag->sigil == '^';
    struct template_op op = {.operation = inverted ? OPERATION_INVERTED : OPERATION_SECTION};
    if (compiler->depth == TEMPLATE_DEPTH_MAX)
        return FAIL(compiler, source, tag, "more than %d sections in each other; close some first",
                    TEMPLATE_DEPTH_MAX);
    if (memchr(tag->text, '|', tag->length))
        return FAIL(compiler, source, tag,
                    "a section takes no format; write it on the values inside, as in %sname | "
                    "upper%s",
                    source->open, source->close);
    if (read_name(compiler, source, tag, tag->length, &op) < 0)
        return -1;
    compiler->sections[compiler->depth++] = (struct open_section){
        .name = op.path->text,
        .place = op.name,
        .inner = inverted ? op.name->in_section : op.name,
        .inverted = inverted,
        .op = compiler->template->count,
    };
    *add_op(compiler, op.operation) = op;
    return 0;
}

static int check_closing(struct compiler *compiler, const struct source *source,
                         const struct tag *tag)
{
    int length = (int)tag->length;
    if (check_name(compiler, source, tag, tag->text, tag->length) < 0)
        return -1;
    if (compiler->depth == source->base_depth)
        return FAIL(compiler, source, tag,
                    "%s/%.*s%s closes a section that is not open; write %s#%.*s%s before it, or "
                    "take it away",
                    source->open, length, tag->text, source->close, source->open, length, tag->text,
                    source->close);
    const struct open_section *section = &compiler->sections[compiler->depth - 1];
    if (strlen(section->name) != tag->length || memcmp(section->name, tag->text, tag->length) != 0)
        return FAIL(compiler, source, tag,
                    "%s/%.*s%s stands here, but the section opened last is »%s« (line %d, column "
                    "%d); write %s/%s%s first",
                    source->open, length, tag->text, source->close, section->name,
                    section->place->line, section->place->column, source->open, section->name,
                    source->close);
    return 0;
}

static int close_section(struct compiler *compiler, const struct source *source,
                         const struct tag *tag)
{
    if (check_closing(compiler, source, tag) < 0)
        return -1;
    const struct open_section *section = &compiler->sections[--compiler->depth];
    if (!section->inverted)
        add_op(compiler, OPERATION_END)->target = section->op + 1;
    compiler->template->ops[section->op].target = compiler->template->count;
    compiler->barrier = true;
    return 0;
}

static bool is_delimiter(const char *text, size_t length)
{
    if (!length || length > DELIMITER_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (is_space(text[i]) || text[i] == '=' || !text[i])
            return false;
    return true;
}

static int set_delimiters(struct compiler *compiler, struct source *source, const struct tag *tag)
{
    const char *end = tag->text + tag->length, *first_end = tag->text;
    while (first_end < end && !is_space(*first_end))
        first_end++;
    const char *second = first_end;
    while (second < end && is_space(*second))
        second++;
    size_t first_length = (size_t)(first_end - tag->text), second_length = (size_t)(end - second);
    if (!is_delimiter(tag->text, first_length) || !is_delimiter(second, second_length))
        return FAIL(compiler, source, tag,
                    "new marks are written as %s=<%% %%>=%s: two of them, up to %d bytes each, "
                    "without = and blanks",
                    source->open, source->close, DELIMITER_MAX);
    memcpy(source->open, tag->text, first_length);
    source->open[first_length] = '\0';
    memcpy(source->close, second, second_length);
    source->close[second_length] = '\0';
    return 0;
}

/* ---- partials ---- */

static int find_partial(struct compiler *compiler, const struct source *source,
                        const struct tag *tag, const char *name, const char **text, size_t *size)
{
    if (compiler->partial_depth == TEMPLATE_PARTIAL_DEPTH_MAX)
        return FAIL(compiler, source, tag, "more than %d partials in each other",
                    TEMPLATE_PARTIAL_DEPTH_MAX);
    for (int i = 0; i < compiler->partial_depth; i++)
        if (strcmp(compiler->inside[i], name) == 0)
            return FAIL(compiler, source, tag,
                        "the partial »%s« contains itself; take %s>%s%s out of it", name,
                        source->open, name, source->close);
    const struct template_partials *partials = compiler->partials;
    if (!partials || partials->find(partials->context, name, text, size) < 0)
        return FAIL(compiler, source, tag,
                    "there is no partial »%s«; make one of that name, or correct the name", name);
    if (*size > TEMPLATE_SOURCE_MAX)
        return FAIL(compiler, source, tag,
                    "the partial »%s« has %zu bytes; at most %zu are allowed", name, *size,
                    TEMPLATE_SOURCE_MAX);
    if (!text_is_utf8(*text, *size))
        return FAIL(compiler, source, tag, "the partial »%s« is not UTF-8; store it as UTF-8",
                    name);
    skip_mark(text, size);
    return 0;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += i == 0 || text[i - 1] == '\n';
    return lines;
}

static void indent_lines(const char *text, size_t size, const char *indent, size_t indent_size,
                         struct buffer *out)
{
    const char *end = text + size;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        buffer_append(out, indent, indent_size);
        buffer_append(out, text, (size_t)(next - text));
        text = next;
    }
}

static void source_begin(struct source *source, const char *partial, const char *text, size_t size)
{
    *source = (struct source){.partial = partial, .start = text, .end = text + size};
    source->at = source->counted = text;
    source->line = source->column = 1;
    text_copy(source->open, sizeof source->open, "{{");
    text_copy(source->close, sizeof source->close, "}}");
}

/* `indent` is what stands before the tag, if it stands alone in its line. */
static int put_in_partial(struct compiler *compiler, const struct source *source,
                          const struct tag *tag, const char *indent, size_t indent_size)
{
    const char *text = "";
    size_t size = 0;
    if (check_name(compiler, source, tag, tag->text, tag->length) < 0)
        return -1;
    const char *name = arena_text_n(compiler->template->arena, tag->text, tag->length);
    if (find_partial(compiler, source, tag, name, &text, &size) < 0)
        return -1;
    compiler->inlined += size + count_lines(text, size) * indent_size;
    if (compiler->inlined > TEMPLATE_INLINED_MAX)
        return FAIL(compiler, source, tag,
                    "with all partials put in, the text is longer than %zu bytes; use fewer or "
                    "shorter ones",
                    TEMPLATE_INLINED_MAX);
    BUFFER_CLEAN struct buffer indented = {0};
    if (indent_size) {
        indent_lines(text, size, indent, indent_size, &indented);
        text = buffer_string(&indented);
        size = indented.size;
    }
    struct source inner;
    source_begin(&inner, name, text, size);
    inner.indent = (int)indent_size;
    inner.base_depth = compiler->depth;
    compiler->inside[compiler->partial_depth++] = name;
    int result = compile_source(compiler, &inner);
    compiler->partial_depth--;
    return result;
}

/* ---- a source ---- */

static int compile_tag(struct compiler *compiler, struct source *source, const struct tag *tag,
                       const char *line_start)
{
    switch (tag->sigil) {
    case '#':
    case '^':
        return open_section(compiler, source, tag);
    case '/':
        return close_section(compiler, source, tag);
    case '>':
        return put_in_partial(compiler, source, tag, line_start, (size_t)(tag->start - line_start));
    case '=':
        return set_delimiters(compiler, source, tag);
    case '!':
        return 0;
    default:
        return compile_value(compiler, source, tag);
    }
}

static int check_all_closed(struct compiler *compiler, const struct source *source)
{
    if (compiler->depth == source->base_depth)
        return 0;
    const struct open_section *section = &compiler->sections[compiler->depth - 1];
    return FAIL(compiler, source, section->place,
                "the section %s%c%s%s that is opened here is never closed; write %s/%s%s where it "
                "ends",
                source->open, section->inverted ? '^' : '#', section->name, source->close,
                source->open, section->name, source->close);
}

static int compile_source(struct compiler *compiler, struct source *source)
{
    struct tag tag;
    int found;
    while ((found = next_tag(compiler, source, &tag)) > 0) {
        const char *start = tag.start, *end = tag.end;
        if (tag.sigil && strchr("#^/>!=", tag.sigil))
            stands_alone(source, &tag, &start, &end);
        bool is_partial = tag.sigil == '>';
        add_literal(compiler, source->at, start);
        source->at = end;
        if (compile_tag(compiler, source, &tag, is_partial ? start : tag.start) < 0)
            return -1;
    }
    if (found < 0)
        return -1;
    add_literal(compiler, source->at, source->end);
    return check_all_closed(compiler, source);
}

struct template *template_compile(const char *text, size_t size,
                                  const struct template_partials *partials, struct error *error)
{
    if (size > TEMPLATE_SOURCE_MAX) {
        error_set(error, ERROR_INPUT, "the template has %zu bytes; at most %zu are allowed", size,
                  TEMPLATE_SOURCE_MAX);
        return NULL;
    }
    if (!text_is_utf8(text, size)) {
        error_set(error, ERROR_INPUT, "the template is not UTF-8; store it as UTF-8");
        return NULL;
    }
    TEMPLATE_CLEAN struct template *template = memory_new(sizeof *template);
    template->arena = arena_new();
    struct compiler compiler = {
        .template = template, .partials = partials, .error = error, .inlined = size};
    struct source source;
    skip_mark(&text, &size);
    source_begin(&source, NULL, text, size);
    if (compile_source(&compiler, &source) < 0)
        return NULL;
    struct template *done = template;
    template = NULL;
    return done;
}
