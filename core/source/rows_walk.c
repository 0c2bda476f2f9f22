/*
 * What hangs on one recipient: his detail rows and the persons behind him, read one after the other;
 * and finding a recipient by a key, his own or a member's.
 *
 * A walk has a statement of its own, so that threads, and lists in lists, read beside each other. A
 * row is copied out under the lock: the connection, whose memory SQLite hands out, is everybody's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "source/rows_internal.h"

struct rows_walk {
    struct rows_walk *next; /* while it is free */
    struct rows *rows;
    int list;
    sqlite3_stmt *statement;
    unsigned columns;
    struct arena *arena; /* the present row's bytes */
    struct rows_value *cells;
};

/* ---- detail groups ---- */

static int read_detail_fields(struct rows *rows, unsigned group, struct error *error)
{
    ROWS_STATEMENT_CLEAN sqlite3_stmt *statement = NULL;
    struct rows_field *fields;
    if (rows_prepare(rows,
                     "SELECT position, name, '', type, format, label_de, label_en "
                     "FROM detail_field "
                     "WHERE grp = ?1 "
                     "ORDER BY position",
                     &statement, error) != 0)
        return -1;
    sqlite3_bind_int64(statement, 1, group);
    if (rows_take_fields(rows, statement, &fields, &rows->details[group].field_count, error) != 0)
        return -1;
    rows->details[group].fields = fields;
    return 0;
}

static int read_groups(struct rows *rows, sqlite3_stmt *groups, struct error *error)
{
    int step;
    while ((step = sqlite3_step(groups)) == SQLITE_ROW) {
        unsigned group = rows->detail_count;
        if (group == ROWS_DETAILS_MAX || sqlite3_column_int64(groups, 0) != (int64_t)group)
            return error_set(error, ERROR_INPUT, "the rows file %s has a gap in its detail groups",
                             rows->path);
        const char *name = (const char *)sqlite3_column_text(groups, 1);
        rows->details[group].name = arena_text(rows->texts, name ? name : "");
        rows->details[group].row_limit = sqlite3_column_int64(groups, 2);
        rows->detail_count++;
        if (read_detail_fields(rows, group, error) != 0)
            return -1;
    }
    return step == SQLITE_DONE ? 0 : rows_fail(rows, error);
}

int rows_read_details(struct rows *rows, struct error *error)
{
    ROWS_STATEMENT_CLEAN sqlite3_stmt *groups = NULL;
    rows->details = arena_alloc(rows->texts, ROWS_DETAILS_MAX * sizeof *rows->details);
    if (rows->format == 1)
        return 0;
    if (rows_prepare(rows,
                     "SELECT position, name, row_limit "
                     "FROM detail_group "
                     "ORDER BY position",
                     &groups, error) != 0)
        return -1;
    return read_groups(rows, groups, error);
}

unsigned rows_detail_count(const struct rows *rows)
{
    return rows->detail_count;
}

const struct rows_detail *rows_detail(const struct rows *rows, unsigned group)
{
    return group < rows->detail_count ? &rows->details[group] : NULL;
}

int rows_detail_by_name(const struct rows *rows, const char *name)
{
    for (unsigned i = 0; i < rows->detail_count; i++)
        if (strcmp(rows->details[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- counting ---- */

static bool is_list(const struct rows *rows, int list)
{
    return list >= ROWS_MEMBERS && list < (int)rows->detail_count;
}

static int prepare_count(struct rows *rows, int list, struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    if (rows->counts[list + 1])
        return 0;
    buffer_text(&sql, "SELECT count(*) FROM ");
    if (list == ROWS_MEMBERS)
        buffer_text(&sql, "member");
    else
        buffer_printf(&sql, "detail_%d", list);
    buffer_text(&sql, " WHERE ordinal = ?1");
    return rows_prepare(rows, buffer_string(&sql), &rows->counts[list + 1], error);
}

int64_t rows_count(struct rows *rows, int list, int64_t ordinal, struct error *error)
{
    ROWS_LOCKED(rows);
    int64_t count = 0;
    if (!is_list(rows, list))
        return 0;
    if (rows->format > 1) {
        if (prepare_count(rows, list, error) != 0)
            return -1;
        sqlite3_stmt *statement = rows->counts[list + 1];
        sqlite3_bind_int64(statement, 1, ordinal);
        int step = sqlite3_step(statement);
        count = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : rows_fail(rows, error);
        sqlite3_reset(statement);
    }
    return list == ROWS_MEMBERS && count == 0 ? 1 : count;
}

/* ---- walking ---- */

static void add_columns(struct buffer *sql, const char *prefix, unsigned columns)
{
    for (unsigned i = 0; i < columns; i++)
        buffer_printf(sql, ", %s%u", prefix, i);
}

/* The persons of a unit; or the recipient, who is alone. */
static void member_sql(const struct rows *rows, struct buffer *sql)
{
    if (rows->format > 1) {
        buffer_text(sql, "SELECT position, key");
        add_columns(sql, "c", rows->field_count);
        buffer_text(sql, " FROM member WHERE ordinal = ?1 UNION ALL ");
    }
    buffer_text(sql, "SELECT 0, key");
    add_columns(sql, "c", rows->field_count);
    buffer_text(sql, " FROM recipient WHERE ordinal = ?1");
    if (rows->format > 1)
        buffer_text(sql, " AND NOT EXISTS (SELECT 1 FROM member WHERE ordinal = ?1)");
    buffer_text(sql, " ORDER BY 1");
}

static void detail_sql(const struct rows *rows, int group, struct buffer *sql)
{
    buffer_text(sql, "SELECT seq, NULL");
    add_columns(sql, "d", rows->details[group].field_count);
    buffer_printf(sql, " FROM detail_%d WHERE ordinal = ?1 ORDER BY seq", group);
}

static void free_walk(struct rows_walk *walk)
{
    sqlite3_finalize(walk->statement);
    arena_free(walk->arena);
    free(walk);
}

static struct rows_walk *new_walk(struct rows *rows, int list, struct error *error)
{
    BUFFER_CLEAN struct buffer sql = {0};
    struct rows_walk *walk = memory_new(sizeof *walk);
    walk->rows = rows;
    walk->list = list;
    walk->arena = arena_new();
    walk->columns = list == ROWS_MEMBERS ? rows->field_count : rows->details[list].field_count;
    if (list == ROWS_MEMBERS)
        member_sql(rows, &sql);
    else
        detail_sql(rows, list, &sql);
    if (rows_prepare(rows, buffer_string(&sql), &walk->statement, error) == 0)
        return walk;
    free_walk(walk);
    return NULL;
}

struct rows_walk *rows_walk(struct rows *rows, int list, int64_t ordinal, struct error *error)
{
    ROWS_LOCKED(rows);
    if (!is_list(rows, list)) {
        error_set(error, ERROR_NOT_FOUND, "the rows file %s has no detail group %d", rows->path,
                  list);
        return NULL;
    }
    struct rows_walk *walk = rows->walks[list + 1];
    if (walk)
        rows->walks[list + 1] = walk->next;
    else
        walk = new_walk(rows, list, error);
    if (walk)
        sqlite3_bind_int64(walk->statement, 1, ordinal);
    return walk;
}

static void copy_row(struct rows_walk *walk)
{
    arena_reset(walk->arena);
    walk->cells = arena_alloc(walk->arena, (walk->columns + 1) * sizeof *walk->cells);
    for (unsigned i = 0; i <= walk->columns; i++) {
        struct rows_value *value = &walk->cells[i];
        rows_cell(walk->statement, (int)i + 1, value);
        if (value->length)
            value->text = arena_text_n(walk->arena, value->text, value->length);
    }
}

int rows_walk_next(struct rows_walk *walk, struct error *error)
{
    ROWS_LOCKED(walk->rows);
    int step = sqlite3_step(walk->statement);
    if (step == SQLITE_ROW) {
        copy_row(walk);
        return 1;
    }
    walk->cells = NULL;
    if (step != SQLITE_DONE)
        rows_fail(walk->rows, error);
    sqlite3_reset(walk->statement);
    return step == SQLITE_DONE ? 0 : -1;
}

const struct rows_value *rows_walk_value(const struct rows_walk *walk, int column)
{
    if (!walk->cells || column < -1 || column >= (int)walk->columns)
        return NULL;
    return &walk->cells[column + 1];
}

void rows_walk_end(struct rows_walk *walk)
{
    if (!walk)
        return;
    ROWS_LOCKED(walk->rows);
    sqlite3_reset(walk->statement);
    arena_reset(walk->arena);
    walk->cells = NULL;
    walk->next = walk->rows->walks[walk->list + 1];
    walk->rows->walks[walk->list + 1] = walk;
}

void rows_close_walks(struct rows *rows)
{
    for (unsigned i = 0; i <= ROWS_DETAILS_MAX; i++) {
        sqlite3_finalize(rows->counts[i]);
        while (rows->walks[i]) {
            struct rows_walk *walk = rows->walks[i];
            rows->walks[i] = walk->next;
            free_walk(walk);
        }
    }
}

/* ---- finding a key ---- */

/* One integer: 1 with *value, 0 no row, -1. */
static int find_integer(struct rows *rows, const char *sql, const char *key, int64_t *value,
                        struct error *error)
{
    ROWS_STATEMENT_CLEAN sqlite3_stmt *statement = NULL;
    if (rows_prepare(rows, sql, &statement, error) != 0)
        return -1;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else if (step != SQLITE_DONE)
        return rows_fail(rows, error);
    return step == SQLITE_ROW;
}

/* Files of format 1 need no index, and their keys are as the source typed them. */
static int find_by_scan(struct rows *rows, const char *key, int64_t *ordinal, struct error *error)
{
    return find_integer(rows,
                        "SELECT ordinal "
                        "FROM recipient "
                        "WHERE CAST(key AS TEXT) = ?1 "
                        "ORDER BY ordinal "
                        "LIMIT 1",
                        key, ordinal, error);
}

/* "7" but not "07", "+7" or " 7": what is written otherwise is no key of an ascending file. */
static bool read_integer(const char *text, int64_t *value)
{
    char again[24];
    sqlite3_snprintf(sizeof again, again, "%lld", *value = strtoll(text, NULL, 10));
    return strcmp(text, again) == 0;
}

static int find_ascending(struct rows *rows, const char *key, int64_t *ordinal, struct error *error)
{
    ROWS_STATEMENT_CLEAN sqlite3_stmt *statement = NULL;
    int64_t wanted, low = 1, high = rows->recipients;
    if (!read_integer(key, &wanted))
        return 0;
    if (rows_prepare(rows, "SELECT key FROM recipient WHERE ordinal = ?1", &statement, error) != 0)
        return -1;
    while (low <= high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, middle);
        if (sqlite3_step(statement) != SQLITE_ROW)
            return rows_fail(rows, error);
        int64_t found = sqlite3_column_int64(statement, 0);
        if (found == wanted) {
            *ordinal = middle;
            return 1;
        }
        if (found < wanted)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return 0;
}

static int find_indexed(struct rows *rows, const char *key, int64_t *ordinal, struct error *error)
{
    return find_integer(rows, "SELECT ordinal FROM recipient WHERE key = ?1 LIMIT 1", key, ordinal,
                        error);
}

int rows_find_key(struct rows *rows, const char *key, int64_t *ordinal, struct error *error)
{
    ROWS_LOCKED(rows);
    if (rows->format == 1)
        return find_by_scan(rows, key, ordinal, error);
    int found = rows->ascending ? find_ascending(rows, key, ordinal, error)
                                : find_indexed(rows, key, ordinal, error);
    return found ? found
                 : find_integer(rows, "SELECT ordinal FROM member WHERE key = ?1 LIMIT 1", key,
                                ordinal, error);
}
