#include "report/letter/flow.h"

#include <string.h>

#define LEAST_WIDTH 8.0
#define SHORT_TEXT 100
#define MARKER_GAP MM(1.8)

double flow_extent(const struct length *length, double whole, double otherwise)
{
    if (length->unit == UNIT_AUTO)
        return otherwise;
    return length->unit == UNIT_PERCENT ? whole * length->value / 100 : length->value;
}

double flow_height(const struct flow *flow)
{
    return flow->count ? flow->height - flow->slices[0].gap : 0;
}

/* ---- slices ---- */

int flow_append(struct flow *flow, struct slice slice)
{
    slice.gap = flow->gap;
    slice.break_before = flow->break_before;
    slice.keep |= flow->keep;
    slice.decoration = flow->decoration;
    flow->gap = 0;
    flow->break_before = false;
    flow->slices =
        job_grow(flow->job, flow->slices, flow->count, &flow->capacity, sizeof *flow->slices);
    flow->slices[flow->count++] = slice;
    flow->height += slice.gap + slice.height;
    if (flow->height > LETTER_MAX_PAGES * MM(297))
        return job_fail(flow->job, slice.at, "the letter has more than %d pages", LETTER_MAX_PAGES);
    return 0;
}

int flow_open(struct flow *flow, const struct style *style, double x, double width, double edge)
{
    struct decoration *decoration = arena_alloc(flow->job->arena, sizeof *decoration);
    decoration->outer = flow->decoration;
    decoration->style = style;
    decoration->x = x;
    decoration->width = width;
    flow->decoration = decoration;
    return flow_append(
        flow, (struct slice){.kind = SLICE_EDGE, .height = edge, .keep = true, .begins = true});
}

int flow_close(struct flow *flow, double edge)
{
    flow->slices[flow->count - 1].keep = true;
    flow->gap = 0;
    int result =
        flow_append(flow, (struct slice){.kind = SLICE_EDGE, .height = edge, .ends = true});
    flow->decoration = flow->decoration->outer;
    return result;
}

/* ---- blocks ---- */

static double aligned(enum align align, double x, double width, double line)
{
    if (align == ALIGN_RIGHT)
        return x + width - line;
    return align == ALIGN_CENTER ? x + (width - line) / 2 : x;
}

static int append_line(struct flow *flow, const struct block *block, const struct text *text,
                       unsigned number, double x, double width)
{
    const struct line *line = &text->lines[number];
    struct slice slice = {
        .kind = SLICE_LINE,
        .at = block->at,
        .height = line->height,
        .x = aligned(block->style->align, x, width, line->width),
        .line = line,
        .marker = flow->marker,
        .marker_x = flow->marker_x,
        .keep = (number == 0 && text->count > 1) || number + 2 == text->count,
    };
    flow->marker = NULL;
    return flow_append(flow, slice);
}

/* A short text is likely to fit as it is: then its width does not matter, and it is found again
 * whatever the width. */
static const struct text *broken_text(struct flow *flow, const struct block *block, double width)
{
    if (block->size < SHORT_TEXT) {
        const struct text *text = text_layout(flow->job, block, TEXT_UNBROKEN, width);
        if (!text || text->width <= width + 0.01)
            return text;
    }
    return text_layout(flow->job, block, TEXT_WRAPPED, width);
}

static void check_pictures(struct flow *flow, const struct block *block, double width)
{
    for (size_t i = 0; i < block->run_count; i++) {
        const struct run *run = &block->runs[i];
        double wide, high;
        if (!run->picture)
            continue;
        text_picture_size(run, width, &wide, &high);
        double wanted = flow_extent(&run->width, width, run->height.unit ? 0 : wide);
        if (wide < wanted - 0.5)
            job_warn(flow->job, run->at, "the picture is made smaller to fit: %.0f mm wide",
                     wide / POINTS_PER_MM);
    }
}

static int flow_text(struct flow *flow, const struct block *block, double x, double width)
{
    check_pictures(flow, block, width);
    const struct text *text = broken_text(flow, block, width);
    if (!text)
        return -1;
    for (unsigned i = 0; i < text->count; i++)
        if (append_line(flow, block, text, i, x, width))
            return -1;
    return 0;
}

static bool is_decorated(const struct style *style)
{
    for (unsigned side = 0; side < 4; side++)
        if (style->border[side].width > 0)
            return true;
    return style->background.visible || style->padding[SIDE_TOP] > 0 ||
           style->padding[SIDE_BOTTOM] > 0;
}

static void raise_gap(struct flow *flow, double gap)
{
    if (gap > flow->gap)
        flow->gap = gap;
}

static int set_marker(struct flow *flow, const struct block *item, double x)
{
    if (!item->marker)
        return 0;
    const struct text *text = text_plain(flow->job, item->marker, item->style);
    if (!text)
        return -1;
    flow->marker = &text->lines[0];
    flow->marker_x = x - MARKER_GAP - text->width;
    return 0;
}

static int flow_children(struct flow *flow, const struct block *box, double x, double width)
{
    const struct style *style = box->style;
    double left = style->padding[SIDE_LEFT] + style->border[SIDE_LEFT].width;
    double inside = width - left - style->padding[SIDE_RIGHT] - style->border[SIDE_RIGHT].width;
    if (inside < LEAST_WIDTH)
        inside = LEAST_WIDTH;
    if (set_marker(flow, box, x + left))
        return -1;
    for (const struct block *child = box->first; child; child = child->next)
        if (flow_block(flow, child, x + left, inside))
            return -1;
    return 0;
}

static int flow_decorated(struct flow *flow, const struct block *box, double x, double width)
{
    const struct style *style = box->style;
    if (flow_open(flow, style, x, width,
                  style->padding[SIDE_TOP] + style->border[SIDE_TOP].width) ||
        flow_children(flow, box, x, width))
        return -1;
    return flow_close(flow, style->padding[SIDE_BOTTOM] + style->border[SIDE_BOTTOM].width);
}

static int flow_box(struct flow *flow, const struct block *box, double x, double width)
{
    const struct style *style = box->style;
    bool outer_keep = flow->keep;
    double whole = width - style->margin[SIDE_LEFT] - style->margin[SIDE_RIGHT];
    double own = flow_extent(&style->width, width, whole);
    if (own > whole)
        own = whole;
    raise_gap(flow, style->margin[SIDE_TOP]);
    flow->break_before |= style->break_before;
    flow->keep |= style->keep;
    int result = is_decorated(style) ? flow_decorated(flow, box, x + style->margin[SIDE_LEFT], own)
                                     : flow_children(flow, box, x + style->margin[SIDE_LEFT], own);
    flow->keep = outer_keep;
    raise_gap(flow, style->margin[SIDE_BOTTOM]);
    return result;
}

static int flow_rule(struct flow *flow, const struct block *block, double x, double width)
{
    const struct style *style = block->style;
    double own = flow_extent(&style->width, width, width);
    raise_gap(flow, style->margin[SIDE_TOP]);
    flow->break_before |= style->break_before;
    double thick = style->border[SIDE_TOP].width;
    int result = flow_append(flow, (struct slice){.kind = SLICE_RULE,
                                                  .at = block->at,
                                                  .x = x,
                                                  .width = own < width ? own : width,
                                                  .height = thick > 0 ? thick : 0.5,
                                                  .style = style});
    raise_gap(flow, style->margin[SIDE_BOTTOM]);
    return result;
}

int flow_block(struct flow *flow, const struct block *block, double x, double width)
{
    switch (block->kind) {
    case BLOCK_TEXT:
        return flow_text(flow, block, x, width);
    case BLOCK_RULE:
        return flow_rule(flow, block, x, width);
    case BLOCK_TABLE:
        raise_gap(flow, block->style->margin[SIDE_TOP]);
        flow->break_before |= block->style->break_before;
        if (flow_table(flow, block, x, width))
            return -1;
        raise_gap(flow, block->style->margin[SIDE_BOTTOM]);
        return 0;
    case BLOCK_BOX:
    case BLOCK_ROW:
    case BLOCK_CELL:
        return flow_box(flow, block, x, width);
    }
    return 0;
}
