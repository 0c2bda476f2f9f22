/*
 * Tables. Column widths: what <col> or a cell gives (% of the table, or a length, padding
 * included); the others get what their content wants if that fits, else between the longest word
 * and that. A row stands on one page; heading rows are repeated. Borders are drawn on the cells'
 * edges and take no room, so that those of neighbours fall together.
 */
#include <string.h>

#include "report/letter/flow.h"

#define MAX_COLUMNS 100
#define LEAST_COLUMN 6.0

struct grid {
    struct job *job;
    const struct block *table;
    size_t count;
    double widths[MAX_COLUMNS];
    double whole; /* the table's width */
    struct headings *headings;
};

/* ---- measuring ---- */

static int measure(struct job *job, const struct block *block, enum text_wrap wrap, double *width);

static int measure_children(struct job *job, const struct block *block, enum text_wrap wrap,
                            double *width)
{
    const struct style *style = block->style;
    double widest = 0;
    for (const struct block *child = block->first; child; child = child->next) {
        double own = 0;
        if (measure(job, child, wrap, &own))
            return -1;
        if (own > widest)
            widest = own;
    }
    *width = widest + style->padding[SIDE_LEFT] + style->padding[SIDE_RIGHT] +
             style->margin[SIDE_LEFT] + style->margin[SIDE_RIGHT];
    if (block->kind != BLOCK_CELL)
        *width += style->border[SIDE_LEFT].width + style->border[SIDE_RIGHT].width;
    return 0;
}

/* The table within a cell: its columns side by side. */
static int measure_table(struct job *job, const struct block *table, enum text_wrap wrap,
                         double *width)
{
    *width = 0;
    for (const struct block *row = table->first; row; row = row->next) {
        double sum = 0;
        for (const struct block *cell = row->first; cell; cell = cell->next) {
            double own = 0;
            if (measure(job, cell, wrap, &own))
                return -1;
            sum += own;
        }
        if (sum > *width)
            *width = sum;
    }
    return 0;
}

static int measure(struct job *job, const struct block *block, enum text_wrap wrap, double *width)
{
    if (block->kind == BLOCK_TABLE)
        return measure_table(job, block, wrap, width);
    if (block->kind != BLOCK_TEXT)
        return measure_children(job, block, wrap, width);
    const struct text *text = text_layout(job, block, wrap, MM(297));
    if (!text)
        return -1;
    /* Pango counts in 1/1024 points, and breaks a line that is one of them too long. */
    *width = text->width + 0.05;
    return 0;
}

/* ---- columns ---- */

static int count_columns(struct grid *grid)
{
    for (const struct block *row = grid->table->first; row; row = row->next) {
        size_t count = 0;
        for (const struct block *cell = row->first; cell; cell = cell->next)
            count += cell->span;
        if (count > MAX_COLUMNS)
            return job_fail(grid->job, row->at, "a table has more than %d columns", MAX_COLUMNS);
        if (count > grid->count)
            grid->count = count;
    }
    return 0;
}

static void take_length(struct grid *grid, size_t column, const struct length *length)
{
    if (column < grid->count && grid->widths[column] == 0)
        grid->widths[column] = flow_extent(length, grid->whole, 0);
}

static void take_given_widths(struct grid *grid)
{
    for (size_t i = 0; i < grid->table->column_count; i++)
        take_length(grid, i, &grid->table->columns[i].width);
    for (const struct block *row = grid->table->first; row; row = row->next) {
        size_t column = 0;
        for (const struct block *cell = row->first; cell; column += cell->span, cell = cell->next)
            if (cell->span == 1)
                take_length(grid, column, &cell->style->width);
    }
}

/* What the content of the columns without a width needs. */
static int measure_columns(const struct grid *grid, enum text_wrap wrap, double *needs)
{
    for (size_t i = 0; i < grid->count; i++)
        needs[i] = grid->widths[i] > 0 ? 0 : LEAST_COLUMN;
    for (const struct block *row = grid->table->first; row; row = row->next) {
        size_t column = 0;
        for (const struct block *cell = row->first; cell; column += cell->span, cell = cell->next) {
            double own;
            if (cell->span > 1 || grid->widths[column] > 0)
                continue;
            if (measure(grid->job, cell, wrap, &own))
                return -1;
            if (own > needs[column])
                needs[column] = own;
        }
    }
    return 0;
}

static double sum_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

/* Columns narrower than what they want: each gets its longest word, and a share of the rest. */
static int squeeze(struct grid *grid, double room, const double *wants)
{
    double least[MAX_COLUMNS];
    if (measure_columns(grid, TEXT_WORDS, least))
        return -1;
    double sum_least = sum_of(least, grid->count), sum_wants = sum_of(wants, grid->count);
    for (size_t i = 0; i < grid->count; i++) {
        if (grid->widths[i] > 0)
            continue;
        double share = sum_wants > sum_least ? (wants[i] - least[i]) / (sum_wants - sum_least) : 0;
        grid->widths[i] =
            sum_least < room ? least[i] + share * (room - sum_least) : least[i] * room / sum_least;
    }
    return 0;
}

static int share_out(struct grid *grid, bool fill)
{
    double wants[MAX_COLUMNS];
    double room = grid->whole - sum_of(grid->widths, grid->count);
    if (measure_columns(grid, TEXT_UNBROKEN, wants))
        return -1;
    double sum = sum_of(wants, grid->count);
    if (sum == 0)
        return 0;
    if (room < LEAST_COLUMN)
        room = LEAST_COLUMN;
    if (sum > room)
        return squeeze(grid, room, wants);
    double factor = fill ? room / sum : 1;
    for (size_t i = 0; i < grid->count; i++)
        grid->widths[i] += wants[i] * factor;
    return 0;
}

static int make_columns(struct grid *grid, double available)
{
    const struct style *style = grid->table->style;
    grid->whole = flow_extent(&style->width, available, available);
    if (grid->whole > available)
        grid->whole = available;
    if (count_columns(grid))
        return -1;
    take_given_widths(grid);
    if (share_out(grid, style->width.unit != UNIT_AUTO))
        return -1;
    double sum = sum_of(grid->widths, grid->count);
    if (sum > grid->whole + 0.1) {
        job_warn(grid->job, grid->table->at,
                 "the columns are %.0f mm wide together and the table %.0f mm: they are narrowed",
                 sum / POINTS_PER_MM, grid->whole / POINTS_PER_MM);
        for (size_t i = 0; i < grid->count; i++)
            grid->widths[i] *= grid->whole / sum;
        sum = grid->whole;
    }
    grid->whole = sum;
    return 0;
}

/* ---- rows ---- */

static int fill_cell(struct grid *grid, struct cell *cell, const struct block *block, size_t column)
{
    const struct style *style = block->style;
    cell->style = style;
    cell->background = style->background.visible ? style->background : block->behind;
    cell->flow.job = grid->job;
    cell->width = sum_of(grid->widths + column, block->span);
    double inside = cell->width - style->padding[SIDE_LEFT] - style->padding[SIDE_RIGHT];
    if (inside < LEAST_COLUMN)
        inside = LEAST_COLUMN;
    for (const struct block *child = block->first; child; child = child->next)
        if (flow_block(&cell->flow, child, style->padding[SIDE_LEFT], inside))
            return -1;
    return 0;
}

static double cell_height(const struct cell *cell)
{
    return flow_height(&cell->flow) + cell->style->padding[SIDE_TOP] +
           cell->style->padding[SIDE_BOTTOM];
}

static size_t count_cells(const struct block *row)
{
    size_t count = 0;
    for (const struct block *cell = row->first; cell; cell = cell->next)
        count++;
    return count;
}

static int append_row(struct flow *flow, struct grid *grid, const struct block *block, double x)
{
    struct row *row = arena_alloc(grid->job->arena, sizeof *row);
    row->cells = arena_alloc(grid->job->arena, count_cells(block) * sizeof *row->cells);
    row->heading = block->heading;
    row->headings = grid->headings;
    double height = 0;
    size_t column = 0;
    for (const struct block *child = block->first; child; child = child->next) {
        struct cell *cell = &row->cells[row->count++];
        cell->x = x + sum_of(grid->widths, column);
        if (fill_cell(grid, cell, child, column))
            return -1;
        if (cell_height(cell) > height)
            height = cell_height(cell);
        column += child->span;
    }
    return flow_append(flow, (struct slice){.kind = SLICE_ROW,
                                            .at = block->at,
                                            .height = height,
                                            .row = row,
                                            .keep = block->heading});
}

static int append_rows(struct flow *flow, struct grid *grid, double x)
{
    struct headings *headings = grid->headings;
    headings->begin = flow->count;
    for (const struct block *row = grid->table->first; row; row = row->next) {
        if (append_row(flow, grid, row, x))
            return -1;
        if (row->heading && headings->begin + headings->count + 1 == flow->count) {
            headings->count++;
            headings->height += flow->slices[flow->count - 1].height;
        }
    }
    return 0;
}

int flow_table(struct flow *flow, const struct block *table, double x, double width)
{
    struct grid grid = {.job = flow->job, .table = table};
    const struct style *style = table->style;
    grid.headings = arena_alloc(flow->job->arena, sizeof *grid.headings);
    if (make_columns(&grid, width))
        return -1;
    if (flow_open(flow, style, x, grid.whole, 0) || append_rows(flow, &grid, x))
        return -1;
    return flow_close(flow, 0);
}
