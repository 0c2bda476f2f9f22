#include "host/details.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

#define NO_ROW (-1)

struct cursor {
    struct rows_walk *walk;
    int64_t row; /* the present one */
};

struct details {
    struct rows *rows;
    int64_t ordinal;
    unsigned lists;          /* the members, then the groups */
    struct cursor cursors[]; /* by list + 1 */
};

struct details *details_open(struct rows *rows, int64_t ordinal)
{
    unsigned lists = rows_detail_count(rows) + 1;
    struct details *details = memory_new(sizeof *details + lists * sizeof(struct cursor));
    details->rows = rows;
    details->ordinal = ordinal;
    details->lists = lists;
    for (unsigned i = 0; i < lists; i++)
        details->cursors[i].row = NO_ROW;
    return details;
}

void details_close(struct details *details)
{
    if (!details)
        return;
    for (unsigned i = 0; i < details->lists; i++)
        rows_walk_end(details->cursors[i].walk);
    free(details);
}

static bool has_list(const struct details *details, int list)
{
    return list >= ROWS_MEMBERS && list + 1 < (int)details->lists;
}

int64_t details_count(struct details *details, int list)
{
    struct error error;
    if (!has_list(details, list))
        return -1;
    int64_t count = rows_count(details->rows, list, details->ordinal, &error);
    if (count < 0)
        log_error("%s", error.message);
    return count;
}

static void rewind_cursor(struct cursor *cursor)
{
    rows_walk_end(cursor->walk);
    cursor->walk = NULL;
    cursor->row = NO_ROW;
}

/* 0, or -1: there is no such row, or it cannot be read. */
static int go_to(struct details *details, int list, int64_t row)
{
    struct cursor *cursor = &details->cursors[list + 1];
    struct error error = {.code = ERROR_NONE};
    int more = 1;
    if (cursor->row > row)
        rewind_cursor(cursor);
    if (!cursor->walk)
        cursor->walk = rows_walk(details->rows, list, details->ordinal, &error);
    if (!cursor->walk)
        more = -1;
    while (more > 0 && cursor->row < row && (more = rows_walk_next(cursor->walk, &error)) > 0)
        cursor->row++;
    if (more > 0)
        return 0;
    if (more < 0)
        log_error("%s", error.message);
    rewind_cursor(cursor);
    return -1;
}

const struct rows_value *details_cell(struct details *details, int list, int64_t row, int column)
{
    if (!has_list(details, list) || row < 0 || go_to(details, list, row) != 0)
        return NULL;
    return rows_walk_value(details->cursors[list + 1].walk, column);
}
