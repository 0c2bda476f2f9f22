#include "report/letter/window.h"

#include <string.h>

#define ADDRESS_HEIGHT MM(27.3)
#define ADDRESS_LINES 6
#define ADDRESS_LEAST 9.0
#define RETURN_LEAST 6.0
#define RETURN_HEIGHT MM(17.7)

/* The width of the widest text of a tree, unbroken. */
static int widest(struct job *job, const struct block *block, double *width)
{
    if (block->kind == BLOCK_TEXT) {
        const struct text *text = text_layout(job, block, TEXT_UNBROKEN, WINDOW_WIDTH);
        if (text && text->width > *width)
            *width = text->width;
        return text ? 0 : -1;
    }
    for (const struct block *child = block->first; child; child = child->next)
        if (widest(job, child, width))
            return -1;
    return 0;
}

/* Set `block` in `size` or, by steps of half a point, in what fits, but not less than `least`. */
static int shrink(struct job *job, struct block *block, double least, double line_height,
                  bool *fits)
{
    double size = block->style->size, height = line_height;
    for (;;) {
        double width = 0;
        if (line_height <= 0)
            height = size * 1.2;
        document_resize(job, block, size, height);
        if (widest(job, block, &width))
            return -1;
        *fits = width <= WINDOW_WIDTH;
        if (*fits || size <= least)
            return 0;
        size = size - 0.5 > least ? size - 0.5 : least;
    }
}

int window_address(struct job *job, struct flow *flow, struct block *address)
{
    bool fits;
    if (shrink(job, address, ADDRESS_LEAST, ADDRESS_HEIGHT / ADDRESS_LINES, &fits))
        return -1;
    if (!fits)
        job_warn(job, address->at,
                 "an address line is wider than the window's %.0f mm even in %.0f pt: it is "
                 "continued on the next line",
                 WINDOW_WIDTH / POINTS_PER_MM, ADDRESS_LEAST);
    if (flow_block(flow, address, 0, WINDOW_WIDTH))
        return -1;
    if (!flow->count)
        return job_fail(job, address->at, "the address is empty; give this recipient one");
    if (flow->count > ADDRESS_LINES || flow_height(flow) > ADDRESS_HEIGHT + 0.1)
        return job_fail(job, address->at,
                        "the address takes %.1f mm, and the window shows %.1f mm, or %d lines; "
                        "shorten it",
                        flow_height(flow) / POINTS_PER_MM, ADDRESS_HEIGHT / POINTS_PER_MM,
                        ADDRESS_LINES);
    return 0;
}

int window_return_line(struct job *job, struct flow *flow, struct block *line)
{
    bool fits;
    if (shrink(job, line, RETURN_LEAST, 0, &fits) || flow_block(flow, line, 0, WINDOW_WIDTH))
        return -1;
    if (!fits || flow->count > 1 || flow_height(flow) > RETURN_HEIGHT)
        return job_fail(job, line->at,
                        "the return line does not fit into one line of %.0f mm even in %.0f pt; "
                        "shorten it",
                        WINDOW_WIDTH / POINTS_PER_MM, RETURN_LEAST);
    return 0;
}
