/*
 * The renderer: walks the flat list of operations with a stack of open sections of its own. Each
 * operation and each look-up is a step; their number and the output's size are bounded, so that
 * lists in lists end, too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/template_internal.h"

/* An open section: a list and its present row, or the one value that it goes over. */
struct frame {
    struct template_value value;
    struct template_value item; /* of a list */
    size_t index;
    void *opened; /* of a list */
};

struct rendering {
    const struct template *template;
    const struct template_data *data;
    const struct template_options *options;
    enum format_language language;
    struct buffer *out;
    size_t start, limit;
    uint64_t steps;
    struct buffer scratch[2];
    struct template_total *totals; /* made at first use */
    struct frame frames[TEMPLATE_DEPTH_MAX];
    int depth;
    struct error *error;
};

static void leave_frame(struct rendering *rendering)
{
    struct frame *frame = &rendering->frames[--rendering->depth];
    if (frame->value.kind == TEMPLATE_LIST)
        template_list_close(&frame->value.list, frame->opened);
}

static void rendering_free(struct rendering *rendering)
{
    while (rendering->depth)
        leave_frame(rendering);
    buffer_free(&rendering->scratch[0]);
    buffer_free(&rendering->scratch[1]);
    free(rendering->totals);
}

enum found { FOUND, MISSING, FAILED };

#define FAIL(rendering, op, ...)                                                                   \
    (error_set((rendering)->error, ERROR_INPUT, __VA_ARGS__),                                      \
     template_place((rendering)->error, (op)->name->partial, (op)->name->line,                     \
                    (op)->name->column))

/* ---- finding values ---- */

static const struct template_value *frame_context(const struct frame *frame)
{
    return frame->value.kind == TEMPLATE_LIST ? &frame->item : &frame->value;
}

static int look_up(struct rendering *rendering, const struct template_data *data,
                   const struct template_part *part, struct template_value *value)
{
    rendering->steps++;
    memset(value, 0, sizeof *value);
    return data->lookup(data->context, part->text, part->length, value);
}

/* first, last, index: what a row is in the innermost list. */
static int find_row_word(const struct rendering *rendering, const char *name,
                         struct template_value *value)
{
    int depth = rendering->depth;
    while (depth && rendering->frames[depth - 1].value.kind != TEMPLATE_LIST)
        depth--;
    if (!depth || !template_is_row_word(name))
        return -1;
    const struct frame *frame = &rendering->frames[depth - 1];
    size_t number = frame->index + 1;
    *value = (struct template_value){.kind = TEMPLATE_INTEGER};
    value->integer = *name == 'f'   ? number == 1
                     : *name == 'l' ? number == frame->value.list.count
                                    : (int64_t)number;
    return 0;
}

static int find_first(struct rendering *rendering, const struct template_part *part,
                      struct template_value *value)
{
    for (int i = rendering->depth - 1; i >= 0; i--) {
        const struct template_value *context = frame_context(&rendering->frames[i]);
        if (context->kind == TEMPLATE_RECORD &&
            look_up(rendering, &context->record, part, value) == 0)
            return 0;
    }
    if (look_up(rendering, rendering->data, part, value) == 0)
        return 0;
    return find_row_word(rendering, part->text, value);
}

/* lines.sum.amount, of the list that was found; computed once for each place that says it. */
static int find_total(struct rendering *rendering, const struct template_op *op,
                      const struct template_list *list, struct template_value *value)
{
    enum template_function function;
    if (!rendering->totals)
        rendering->totals = memory_array(rendering->template->totals, sizeof *rendering->totals);
    struct template_total *total = &rendering->totals[op->total - 1];
    template_function(op->path, &function);
    if ((total->list.item != list->item || total->list.context != list->context) &&
        template_compute_total(total, function, op->path, list, &rendering->steps,
                               rendering->error) != 0) {
        template_place(rendering->error, op->name->partial, op->name->line, op->name->column);
        return FAILED;
    }
    *value = total->value;
    return FOUND;
}

static enum found find_value(struct rendering *rendering, const struct template_op *op,
                             struct template_value *value)
{
    static const struct template_part itself = {".", 1};
    const struct template_path *path = op->path;
    if (!path->count) {
        if (!rendering->depth)
            return look_up(rendering, rendering->data, &itself, value) == 0 ? FOUND : MISSING;
        *value = *frame_context(&rendering->frames[rendering->depth - 1]);
        return FOUND;
    }
    if (find_first(rendering, &path->parts[0], value) < 0)
        return MISSING;
    if (op->total && value->kind == TEMPLATE_LIST) {
        struct template_list list = value->list;
        return find_total(rendering, op, &list, value);
    }
    for (size_t i = 1; i < path->count; i++) {
        struct template_data record = value->record;
        if (value->kind != TEMPLATE_RECORD ||
            look_up(rendering, &record, &path->parts[i], value) < 0)
            return MISSING;
    }
    return FOUND;
}

/* The value, or NULL in its place if it may be missing. */
static int find_or_fail(struct rendering *rendering, const struct template_op *op,
                        struct template_value *value)
{
    enum found found = find_value(rendering, op, value);
    if (found != MISSING)
        return found == FOUND ? 0 : -1;
    *value = (struct template_value){.kind = TEMPLATE_NULL};
    if (rendering->options->missing == TEMPLATE_MISSING_EMPTY || op->name->has_default)
        return 0;
    return FAIL(rendering, op, "there is no field »%s« in the data; correct the name%s",
                op->path->text,
                op->name->is_section ? "" : ", or say what stands for it: | default \"…\"");
}

/* ---- writing ---- */

static int check_size(struct rendering *rendering, size_t more)
{
    if (rendering->out->size - rendering->start + more <= rendering->limit)
        return 0;
    return error_set(
        rendering->error, ERROR_INPUT,
        "the finished text would be longer than %zu bytes; shorten the template or its "
        "lists",
        rendering->limit);
}

static int write_literal(struct rendering *rendering, const struct template_op *op)
{
    const char *text = rendering->template->literals.data + op->offset;
    if (check_size(rendering, op->length) < 0)
        return -1;
    if (rendering->options->target == TEMPLATE_AS_HEADER)
        template_escape(TEMPLATE_AS_HEADER, false, text, op->length, rendering->out);
    else
        buffer_append(rendering->out, text, op->length);
    return 0;
}

#define INTEGER_SIZE 24

/* A value's text and kind, for formats and output. */
static int describe(struct rendering *rendering, const struct template_op *op,
                    const struct template_value *value, char digits[INTEGER_SIZE],
                    struct format_value *text)
{
    *text = (struct format_value){false, "text", value->text, value->length};
    switch (value->kind) {
    case TEMPLATE_NULL:
        *text = (struct format_value){true, "nothing", "", 0};
        return 0;
    case TEMPLATE_INTEGER:
        text->kind = "an integer";
        if (!value->text) {
            text->length = (size_t)snprintf(digits, INTEGER_SIZE, "%" PRId64, value->integer);
            text->text = digits;
        }
        return 0;
    case TEMPLATE_REAL:
        text->kind = "a decimal number";
        return 0;
    case TEMPLATE_TEXT:
        return 0;
    default:
        return FAIL(rendering, op,
                    "»%s« is %s, not one value; write {{#%s}} … {{/%s}} around what it is for",
                    op->path->text, value->kind == TEMPLATE_LIST ? "a list" : "a row",
                    op->path->text, op->path->text);
    }
}

/* A field's own formats go before a tag that has none but a default. */
static int apply_formats(struct rendering *rendering, const struct template_op *op,
                         const struct format *own, struct format_value *text)
{
    const struct format *const chains[] = {format_only_default(op->formats) ? own : NULL,
                                           op->formats};
    for (size_t i = 0; i < 2; i++) {
        if (!chains[i] || format_apply(chains[i], rendering->language, text, rendering->scratch,
                                       rendering->error) == 0)
            continue;
        error_prefix(rendering->error, "»%s«: ", op->path->text);
        return template_place(rendering->error, op->name->partial, op->name->line,
                              op->name->column);
    }
    return 0;
}

static int write_value(struct rendering *rendering, const struct template_op *op)
{
    struct template_value value;
    struct format_value text;
    char digits[INTEGER_SIZE];
    if (find_or_fail(rendering, op, &value) < 0 ||
        describe(rendering, op, &value, digits, &text) < 0)
        return -1;
    if (apply_formats(rendering, op, value.formats, &text) < 0)
        return -1;
    if (check_size(rendering, text.length) < 0)
        return -1;
    template_escape(rendering->options->target, op->raw, text.text, text.length, rendering->out);
    return check_size(rendering, 0);
}

/* ---- sections ---- */

static bool is_zero(const char *text, size_t length)
{
    for (size_t i = 0; i < length && text[i] != 'e' && text[i] != 'E'; i++)
        if (text[i] >= '1' && text[i] <= '9')
            return false;
    return true;
}

static bool is_true(const struct template_value *value)
{
    switch (value->kind) {
    case TEMPLATE_TEXT:
        return value->length > 0;
    case TEMPLATE_INTEGER:
        return value->integer != 0;
    case TEMPLATE_REAL:
        return !is_zero(value->text, value->length);
    case TEMPLATE_LIST:
        return value->list.count > 0;
    case TEMPLATE_RECORD:
        return true;
    default:
        return false;
    }
}

static int load_item(struct rendering *rendering, struct frame *frame, const struct template_op *op)
{
    if (frame->value.kind != TEMPLATE_LIST)
        return 0;
    const struct template_list *list = &frame->value.list;
    memset(&frame->item, 0, sizeof frame->item);
    if (list->item(frame->opened, frame->index, &frame->item) == 0)
        return 0;
    return FAIL(rendering, op, "row %zu of »%s« could not be read", frame->index + 1,
                op->path->text);
}

static int enter_section(struct rendering *rendering, const struct template_op *op, size_t *next)
{
    struct template_value value;
    if (find_or_fail(rendering, op, &value) < 0)
        return -1;
    bool go_in = is_true(&value) == (op->operation == OPERATION_SECTION);
    if (!go_in)
        *next = op->target;
    if (!go_in || op->operation == OPERATION_INVERTED)
        return 0;
    struct frame *frame = &rendering->frames[rendering->depth];
    frame->value = value;
    frame->index = 0;
    if (value.kind == TEMPLATE_LIST && template_list_open(&value.list, &frame->opened) != 0)
        return FAIL(rendering, op, "the rows of »%s« could not be read", op->path->text);
    rendering->depth++;
    return load_item(rendering, frame, op);
}

static int end_section(struct rendering *rendering, const struct template_op *op, size_t *next)
{
    struct frame *frame = &rendering->frames[rendering->depth - 1];
    size_t count = frame->value.kind == TEMPLATE_LIST ? frame->value.list.count : 1;
    if (++frame->index >= count) {
        leave_frame(rendering);
        return 0;
    }
    *next = op->target;
    return load_item(rendering, frame, &rendering->template->ops[op->target - 1]);
}

/* ---- the walk ---- */

static int step(struct rendering *rendering, const struct template_op *op, size_t *next)
{
    switch (op->operation) {
    case OPERATION_LITERAL:
        return write_literal(rendering, op);
    case OPERATION_VALUE:
        return write_value(rendering, op);
    case OPERATION_SECTION:
    case OPERATION_INVERTED:
        return enter_section(rendering, op, next);
    default:
        return end_section(rendering, op, next);
    }
}

static int walk(struct rendering *rendering)
{
    const struct template *template = rendering->template;
    for (size_t at = 0; at < template->count;) {
        size_t next = at + 1;
        if (rendering->steps++ >= TEMPLATE_STEPS_MAX)
            return error_set(rendering->error, ERROR_INPUT,
                             "the template's sections go over too many rows; there may be lists in "
                             "lists that belong beside each other");
        if (step(rendering, &template->ops[at], &next) < 0)
            return -1;
        at = next;
    }
    return 0;
}

int template_render(const struct template *template, const struct template_data *data,
                    const struct template_options *options, struct buffer *out, struct error *error)
{
    if (options->target < TEMPLATE_AS_TEXT || options->target > TEMPLATE_AS_HEADER)
        return error_set(error, ERROR_INTERNAL, "no target of escaping has the number %d",
                         options->target);
    __attribute__((cleanup(rendering_free))) struct rendering rendering;
    /* Not the frames: they are written before they are read, and are most of it. */
    memset(&rendering, 0, offsetof(struct rendering, frames));
    rendering.template = template;
    rendering.data = data;
    rendering.options = options;
    rendering.language = format_language(options->language);
    rendering.out = out;
    rendering.start = out->size;
    rendering.limit = options->output_limit ? options->output_limit : TEMPLATE_OUTPUT_MAX;
    rendering.depth = 0;
    rendering.error = error;
    buffer_reserve(out, template->literals.size);
    if (walk(&rendering) == 0)
        return 0;
    out->size = rendering.start;
    out->data[out->size] = '\0';
    return -1;
}
