#include "host/lists.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

#define NO_ROW (-1)

struct cursor {
    struct rows_walk *walk;
    int64_t row; /* the present one */
};

struct lists {
    struct rows *rows;
    int64_t ordinal;
    unsigned count;          /* the members, then the groups */
    struct cursor cursors[]; /* by list + 1 */
};

struct lists *lists_open(struct rows *rows, int64_t ordinal)
{
    unsigned count = rows_detail_count(rows) + 1;
    struct lists *lists = memory_new(sizeof *lists + count * sizeof(struct cursor));
    lists->rows = rows;
    lists->ordinal = ordinal;
    lists->count = count;
    for (unsigned i = 0; i < count; i++)
        lists->cursors[i].row = NO_ROW;
    return lists;
}

void lists_close(struct lists *lists)
{
    if (!lists)
        return;
    for (unsigned i = 0; i < lists->count; i++)
        rows_walk_end(lists->cursors[i].walk);
    free(lists);
}

static bool has_list(const struct lists *lists, int list)
{
    return list >= ROWS_MEMBERS && list + 1 < (int)lists->count;
}

int64_t lists_count(struct lists *lists, int list)
{
    struct error error;
    if (!has_list(lists, list))
        return -1;
    int64_t count = rows_count(lists->rows, list, lists->ordinal, &error);
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
static int go_to(struct lists *lists, int list, int64_t row)
{
    struct cursor *cursor = &lists->cursors[list + 1];
    struct error error = {.code = ERROR_NONE};
    int more = 1;
    if (cursor->row > row)
        rewind_cursor(cursor);
    if (!cursor->walk)
        cursor->walk = rows_walk(lists->rows, list, lists->ordinal, &error);
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

const struct rows_value *lists_cell(struct lists *lists, int list, int64_t row, int column)
{
    if (!has_list(lists, list) || row < 0 || go_to(lists, list, row) != 0)
        return NULL;
    return rows_walk_value(lists->cursors[list + 1].walk, column);
}
