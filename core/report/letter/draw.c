/* Slices onto paper: backgrounds and borders first, then what stands on them. */

#include "report/letter/flow.h"

static void set_color(cairo_t *cairo, struct color color)
{
    cairo_set_source_rgb(cairo, color.red / 255.0, color.green / 255.0, color.blue / 255.0);
}

static void fill(cairo_t *cairo, struct color color, double x, double y, double width,
                 double height)
{
    if (!color.visible || width <= 0 || height <= 0)
        return;
    set_color(cairo, color);
    cairo_rectangle(cairo, x, y, width, height);
    cairo_fill(cairo);
}

/* ---- decorations ---- */

static void draw_border(cairo_t *cairo, const struct decoration *decoration, double dx)
{
    const struct border *border = decoration->style->border;
    double x = decoration->x + dx, width = decoration->width;
    double top = decoration->top, height = decoration->bottom - top;
    if (decoration->begins)
        fill(cairo, border[SIDE_TOP].color, x, top, width, border[SIDE_TOP].width);
    if (decoration->ends)
        fill(cairo, border[SIDE_BOTTOM].color, x, decoration->bottom - border[SIDE_BOTTOM].width,
             width, border[SIDE_BOTTOM].width);
    fill(cairo, border[SIDE_LEFT].color, x, top, border[SIDE_LEFT].width, height);
    fill(cairo, border[SIDE_RIGHT].color, x + width - border[SIDE_RIGHT].width, top,
         border[SIDE_RIGHT].width, height);
}

struct decorations {
    unsigned group;
    struct decoration *first, **end;
};

/* Outer ones come first, so that inner ones are drawn over them. */
static void extend(struct decorations *list, struct decoration *decoration,
                   const struct placed *placed)
{
    if (!decoration)
        return;
    extend(list, decoration->outer, placed);
    if (decoration->group != list->group) {
        decoration->group = list->group;
        decoration->top = placed->y;
        decoration->begins = decoration->ends = false;
        decoration->next = NULL;
        *list->end = decoration;
        list->end = &decoration->next;
    }
    decoration->bottom = placed->y + placed->slice->height;
    if (decoration == placed->slice->decoration) {
        decoration->begins |= placed->slice->begins;
        decoration->ends |= placed->slice->ends;
    }
}

static void draw_decorations(struct job *job, cairo_t *cairo, const struct placed *placed,
                             size_t count, double dx)
{
    struct decorations list = {.group = ++job->groups};
    list.end = &list.first;
    for (size_t i = 0; i < count; i++)
        extend(&list, placed[i].slice->decoration, &placed[i]);
    for (struct decoration *one = list.first; one; one = one->next) {
        fill(cairo, one->style->background, one->x + dx, one->top, one->width,
             one->bottom - one->top);
        draw_border(cairo, one, dx);
    }
}

/* ---- rows ---- */

static double content_top(const struct cell *cell, double y, double height)
{
    const double *padding = cell->style->padding;
    double free = height - flow_height(&cell->flow) - padding[SIDE_TOP] - padding[SIDE_BOTTOM];
    if (cell->style->vertical == VERTICAL_TOP)
        free = 0;
    else if (cell->style->vertical == VERTICAL_MIDDLE)
        free /= 2;
    return y + padding[SIDE_TOP] + free;
}

static void stroke(cairo_t *cairo, const struct border *border, double x, double y, double to_x,
                   double to_y)
{
    if (border->width <= 0 || !border->color.visible)
        return;
    set_color(cairo, border->color);
    cairo_set_line_width(cairo, border->width);
    cairo_move_to(cairo, x, y);
    cairo_line_to(cairo, to_x, to_y);
    cairo_stroke(cairo);
}

static void draw_cell_border(cairo_t *cairo, const struct cell *cell, double x, double y,
                             double height)
{
    const struct border *border = cell->style->border;
    double right = x + cell->width, bottom = y + height;
    stroke(cairo, &border[SIDE_TOP], x, y, right, y);
    stroke(cairo, &border[SIDE_RIGHT], right, y, right, bottom);
    stroke(cairo, &border[SIDE_BOTTOM], x, bottom, right, bottom);
    stroke(cairo, &border[SIDE_LEFT], x, y, x, bottom);
}

static void draw_row(cairo_t *cairo, const struct slice *slice, double dx, double y)
{
    const struct row *row = slice->row;
    for (size_t i = 0; i < row->count; i++)
        fill(cairo, row->cells[i].background, dx + row->cells[i].x, y, row->cells[i].width,
             slice->height);
    for (size_t i = 0; i < row->count; i++)
        flow_draw(cairo, &row->cells[i].flow, dx + row->cells[i].x,
                  content_top(&row->cells[i], y, slice->height));
    for (size_t i = 0; i < row->count; i++)
        draw_cell_border(cairo, &row->cells[i], dx + row->cells[i].x, y, slice->height);
}

/* ---- slices ---- */

static void draw_rule(cairo_t *cairo, const struct slice *slice, double dx, double y)
{
    struct color color = {true, 0x80, 0x80, 0x80};
    if (slice->style->border[SIDE_TOP].width > 0)
        color = slice->style->border[SIDE_TOP].color;
    fill(cairo, color, slice->x + dx, y, slice->width, slice->height);
}

static void draw_slice(cairo_t *cairo, const struct slice *slice, double dx, double y)
{
    if (slice->kind == SLICE_ROW)
        draw_row(cairo, slice, dx, y);
    else if (slice->kind == SLICE_RULE)
        draw_rule(cairo, slice, dx, y);
    if (slice->kind != SLICE_LINE)
        return;
    cairo_set_source_rgb(cairo, 0, 0, 0);
    text_draw(cairo, slice->line, slice->x + dx, y);
    if (slice->marker)
        text_draw(cairo, slice->marker, slice->marker_x + dx,
                  y + slice->line->baseline - slice->marker->baseline);
}

void flow_draw_placed(struct job *job, cairo_t *cairo, const struct placed *placed, size_t count,
                      double x)
{
    draw_decorations(job, cairo, placed, count, x);
    for (size_t i = 0; i < count; i++)
        draw_slice(cairo, placed[i].slice, x, placed[i].y);
}

void flow_draw(cairo_t *cairo, const struct flow *flow, double x, double y)
{
    struct arena *arena = flow->job->arena;
    struct placed *placed = arena_alloc(arena, (flow->count + 1) * sizeof *placed);
    for (size_t i = 0; i < flow->count; i++) {
        y += i ? flow->slices[i].gap : 0;
        placed[i] = (struct placed){&flow->slices[i], y};
        y += flow->slices[i].height;
    }
    flow_draw_placed(flow->job, cairo, placed, flow->count, x);
}
