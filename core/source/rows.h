/*
 * A run's rows file: the frozen definition, the recipients with their columns, and the reports'
 * files. The reader child writes it once and nobody ever edits it, so it is opened immutable: no
 * locks, no shared memory, and any number of processes read it at once.
 *
 * `struct rows` is one connection; all its functions lock it, so that any thread may call them, but
 * a cursor belongs to one thread from rows_seek() to the end of its use (rows_lock() around it
 * where several share one connection).
 *
 * Format 2; its tables:
 *   meta(key, value)       format = 2, run, uuid, recipients, created_us, definition (JSON),
 *                          ascending (1: the recipients' keys are strictly ascending integers)
 *   field(position, name, role, type, format, label_de, label_en)
 *                          what the columns c0 … cN of recipient and member mean, from position 0;
 *                          type: source_type_name()
 *   recipient(ordinal, key, c0 … cN)           ordinals ascend, from 1, no gaps; key as text
 *   member(ordinal, position, key, c0 … cN)    the persons of units of two or more, from position
 *                                              0: the recipient itself first
 *   detail_group(position, name, row_limit)    the groups of details, from 0
 *   detail_field(grp, position, name, type, format, label_de, label_en)
 *                                              what the columns d0 … dM of detail_GRP mean
 *   detail_0(ordinal, seq, d0 … dM), detail_1 …   a recipient's rows, in the order of seq, from 1
 *   file(report, name, mime_type, content)
 *   left_out(key, reason, detail)              who is no recipient, and why
 *   skipped(step, ordinal, reason)             a step's condition left these out
 *   INDEX recipient_key (absent if meta.ascending), member_key
 *
 * Files of format 1 (without member, the detail tables, field.type, ascending and the indexes) can
 * still be read, so that a daemon finishes the runs that one before it began.
 */
#ifndef CAMPAIGND_SOURCE_ROWS_H
#define CAMPAIGND_SOURCE_ROWS_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define ROWS_FORMAT 2
#define ROWS_FORMAT_OLDEST 1
#define ROWS_COLUMNS_MAX 500
#define ROWS_DETAILS_MAX 32 /* groups of details */

/* ---- writing: the reader child ---- */

/* Make the tables of format 2 in an empty database, recipient and member with `columns` columns, and
 * put meta's `format`. 0 or -1. */
int rows_create(sqlite3 *database, unsigned columns, struct error *error);

/* The table detail_INDEX with `columns` columns d0 …; the caller fills detail_group and
 * detail_field. 0 or -1. */
int rows_create_detail(sqlite3 *database, unsigned index, unsigned columns, struct error *error);

/* The indexes on keys, after filling, and meta's `ascending`: the keys of recipient are strictly
 * ascending integers as text ("7", "12"), and a binary search finds one. 0 or -1. */
int rows_create_indexes(sqlite3 *database, bool ascending, struct error *error);

/* ---- reading ---- */

struct rows;

struct rows_field {
    const char *name;
    const char *role;   /* "": none */
    const char *type;   /* source_type_name(); "": not known */
    const char *format; /* "": none */
    const char *label_de, *label_en;
};

/* NULL with the reason: no such file, not of this format, damaged. */
struct rows *rows_open(const char *path, struct error *error);
void rows_close(struct rows *rows); /* NULL is fine */
void rows_close_pointer(struct rows **rows);
#define ROWS_CLEAN __attribute__((cleanup(rows_close_pointer)))

/* The file's database itself, for statements of one's own; sql_close(). NULL with the reason. */
sqlite3 *rows_open_database(const char *path, struct error *error);
int rows_has_members(sqlite3 *db, struct error *error); /* its table: 1, 0 (format 1), -1 */

/* Its connection, for statements of one's own: on one thread alone, finalized before rows_close. */
sqlite3 *rows_database(const struct rows *rows);

/* All as long as `rows`. */
const json_t *rows_definition(const struct rows *rows);
const char *rows_uuid(const struct rows *rows);
int64_t rows_run(const struct rows *rows);
int64_t rows_recipients(const struct rows *rows);
int64_t rows_created_us(const struct rows *rows);
int rows_format(const struct rows *rows);
unsigned rows_field_count(const struct rows *rows);
const struct rows_field *rows_field(const struct rows *rows, unsigned position);

/* The position of a column by its name or by its role; -1: there is none. */
int rows_field_by_name(const struct rows *rows, const char *name);
int rows_field_by_role(const struct rows *rows, const char *role);

/* A cell or a key as the source typed it; the types are SQLite's (SQLITE_NULL …), and `text` is set
 * for each (an integer's digits; "" for NULL; a BLOB's bytes), followed by a zero byte. */
struct rows_value {
    int type;
    int64_t integer;
    double real;
    const char *text;
    size_t length;
};

/* A column of the row on which a statement of one's own stands, until its next step. */
void rows_cell(sqlite3_stmt *statement, int index, struct rows_value *out);

/* The cursor over recipients `first` … `last`, in their order. The statement is prepared once.
 * rows_next: 1 a row, 0 no more, -1. Values last until the next rows_next or rows_seek. */
void rows_lock(struct rows *rows);
void rows_unlock(struct rows *rows);
int rows_seek(struct rows *rows, int64_t first, int64_t last, struct error *error);
int rows_next(struct rows *rows, struct error *error);
int64_t rows_ordinal(const struct rows *rows);
void rows_key(const struct rows *rows, struct rows_value *out);
void rows_value(const struct rows *rows, unsigned position, struct rows_value *out);

/* ---- what hangs on a recipient ---- */

struct rows_detail {
    const char *name;
    int64_t row_limit; /* nobody has more rows in it */
    unsigned field_count;
    const struct rows_field *fields; /* without roles */
};

unsigned rows_detail_count(const struct rows *rows);
const struct rows_detail *rows_detail(const struct rows *rows, unsigned group); /* NULL: none */
int rows_detail_by_name(const struct rows *rows, const char *name);             /* -1: none */

/* A list of a recipient: the rows of a detail group, by its number; or the persons that he stands
 * for, with the columns of the recipients, himself first, and alone if he is. */
#define ROWS_MEMBERS (-1)

/* [any thread] How many rows it has; of members at least 1. -1: an error. */
int64_t rows_count(struct rows *rows, int list, int64_t ordinal, struct error *error);

/*
 * [any thread] Read a recipient's list, one row after the other; memory is that of one row. Any
 * number of walks may be under way at once; one belongs to one thread. NULL with the reason.
 * rows_walk_next: 1 a row, 0 no more, -1. rows_walk_value: a cell of the row, or a member's key by
 * column -1; until the next row; NULL: no such column, or no row. All walks end before rows_close.
 */
struct rows_walk;
struct rows_walk *rows_walk(struct rows *rows, int list, int64_t ordinal, struct error *error);
int rows_walk_next(struct rows_walk *walk, struct error *error);
const struct rows_value *rows_walk_value(const struct rows_walk *walk, int column);
void rows_walk_end(struct rows_walk *walk); /* NULL is fine */

/* ---- look-ups ---- */

/* The ordinal of the recipient with this key (as text), or of the unit that a person with it
 * belongs to: 1 with *ordinal, 0 if there is none, -1. By an index, but for files of format 1. */
int rows_find_key(struct rows *rows, const char *key, int64_t *ordinal, struct error *error);

/* A report's file: copies for the caller to free(). 1, 0 if there is none, -1. `mime_type` may be
 * NULL. */
int rows_file(struct rows *rows, const char *report, const char *name, char **content, size_t *size,
              char **mime_type, struct error *error);

#endif
