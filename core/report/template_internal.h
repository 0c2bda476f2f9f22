/*
 * What a compiled template is made of: shared by template_compile.c, which makes it, and
 * template_render.c, which runs it; the totals of template_total.c and the escaping of
 * template_escape.c.
 */
#ifndef CAMPAIGND_REPORT_TEMPLATE_INTERNAL_H
#define CAMPAIGND_REPORT_TEMPLATE_INTERNAL_H

#include <stdbool.h>

#include "base/memory.h"
#include "report/format.h"
#include "report/format_decimal.h"
#include "report/template.h"

struct template_part {
    const char *text; /* followed by a zero byte */
    size_t length;
};

/* A dotted name; no parts: `.`, the thing that the section goes over. */
struct template_path {
    const char *text; /* the whole, for messages */
    size_t count;
    struct template_part parts[];
};

enum template_operation {
    OPERATION_LITERAL,
    OPERATION_VALUE,
    OPERATION_SECTION,  /* go to `target`, behind its END, if there is nothing to go over */
    OPERATION_INVERTED, /* go to `target` if there is something */
    OPERATION_END,      /* of a section: the next row, and back to `target` */
};

struct template_op {
    enum template_operation operation;
    bool raw;
    size_t target;
    size_t offset, length; /* a literal's place in `literals` */
    const struct template_path *path;
    const struct format *formats;
    const struct template_name *name; /* where it stands; `.` has one, too */
    size_t total;                     /* its place among the template's totals, from 1; 0: none */
};

struct template
{
    struct arena *arena; /* names, paths and formats */
    struct buffer literals;
    struct template_op *ops;
    size_t count, capacity;
    size_t totals; /* names such as lines.sum.amount */
};

enum template_function { TOTAL_COUNT, TOTAL_SUM, TOTAL_MIN, TOTAL_MAX };

/* What `path` says of a list: `count`, or `sum`, `min`, `max` and a column. 0; or -1: nothing. */
int template_function(const struct template_path *path, enum template_function *function);

/*
 * A sum, minimum or maximum of a list, computed once: `list` says of what. The text stays until
 * another list is totalled in it. All zero: nothing is computed yet.
 */
struct template_total {
    struct template_list list;
    struct template_value value;
    char text[DECIMAL_SUM_SIZE];
};

/*
 * Walk the list and say it in total->value. `steps` is counted up for each row and ends the walk at
 * TEMPLATE_STEPS_MAX. 0; or -1 with an error that names the list and the column.
 */
int template_compute_total(struct template_total *total, enum template_function function,
                           const struct template_path *path, const struct template_list *list,
                           uint64_t *steps, struct error *error);

/* Open a list, and close it; `opened` is what its `item` wants. 0; or -1: it cannot be had. */
int template_list_open(const struct template_list *list, void **opened);
void template_list_close(const struct template_list *list, void *opened);

/* Put "line 3, column 5: " before the message, and the partial, if it is one. Returns -1. */
int template_place(struct error *error, const char *partial, int line, int column);

/* Append a value's text as `target` wants it; `raw`: if the target allows, as it is. At most six
 * times as long. */
void template_escape(int target, bool raw, const char *text, size_t length, struct buffer *out);

#endif
