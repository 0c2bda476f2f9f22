/*
 * Blocks as a sequence of slices: what stands below one another, from a line of text to a table's
 * row, each with its height and the gap above it. Slices are never divided; where a page may end is
 * between two of them. What surrounds several (a box's background and border) is a decoration that
 * they name, drawn as far as it goes on each page. Points throughout.
 */
#ifndef CAMPAIGND_REPORT_LETTER_FLOW_H
#define CAMPAIGND_REPORT_LETTER_FLOW_H

#include "report/letter/text.h"

struct decoration {
    struct decoration *outer;
    const struct style *style;
    double x, width;

    /* as far as it is drawn in the group of slices with this number */
    unsigned group;
    double top, bottom;
    bool begins, ends;
    struct decoration *next;
};

enum slice_kind { SLICE_EDGE, SLICE_LINE, SLICE_RULE, SLICE_ROW };

struct slice {
    enum slice_kind kind;
    struct position at;
    double gap; /* above it, except at the top of a page */
    double height;
    double x, width;
    bool keep;         /* the next one must stand on the same page */
    bool break_before; /* begins a page */
    struct decoration *decoration;
    bool begins, ends; /* SLICE_EDGE: of the decoration */

    const struct line *line;   /* SLICE_LINE */
    const struct line *marker; /* a list's bullet beside it, or NULL */
    double marker_x;

    const struct style *style; /* SLICE_RULE */

    const struct row *row; /* SLICE_ROW */
};

struct flow {
    struct job *job;
    struct slice *slices;
    size_t count, capacity;
    double height; /* of all slices and gaps so far */

    /* what the next slice gets */
    double gap;
    bool break_before;
    bool keep;
    const struct line *marker;
    double marker_x;
    struct decoration *decoration;
};

struct cell {
    const struct style *style;
    struct color background;
    double x, width;
    struct flow flow;
};

/* The rows repeated at the top of each page of a table. */
struct headings {
    size_t begin, count; /* slices */
    double height;
};

struct row {
    struct cell *cells;
    size_t count;
    bool heading;
    const struct headings *headings;
};

/* Append a block. 0, or -1. */
int flow_block(struct flow *flow, const struct block *block, double x, double width);

/* A table: see table.c. */
int flow_table(struct flow *flow, const struct block *table, double x, double width);

/* Append a slice made by the caller: the gap, decoration and so on are filled in. 0, or -1. */
int flow_append(struct flow *flow, struct slice slice);

/* A decoration around what follows, and its end. 0, or -1. */
int flow_open(struct flow *flow, const struct style *style, double x, double width, double edge);
int flow_close(struct flow *flow, double edge);

/* The height without a gap above the first slice. */
double flow_height(const struct flow *flow);

/* A length within `whole`; `otherwise` if it is auto. */
double flow_extent(const struct length *length, double whole, double otherwise);

/* A slice at its place. */
struct placed {
    const struct slice *slice;
    double y;
};

/* Draw what stands on one page, moved right by `x`. */
void flow_draw_placed(struct job *job, cairo_t *cairo, const struct placed *placed, size_t count,
                      double x);

/* Draw a whole flow with its top left corner at (x, y). */
void flow_draw(cairo_t *cairo, const struct flow *flow, double x, double y);

#endif
