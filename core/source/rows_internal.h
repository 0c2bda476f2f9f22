/*
 * What an open rows file is made of: shared by rows.c, which opens it and has the cursor over
 * recipients, and rows_walk.c, which reads what hangs on one recipient and finds one by his key.
 */
#ifndef CAMPAIGND_SOURCE_ROWS_INTERNAL_H
#define CAMPAIGND_SOURCE_ROWS_INTERNAL_H

#include <pthread.h>

#include "base/memory.h"
#include "source/rows.h"

struct rows {
    sqlite3 *database;
    sqlite3_stmt *cursor;
    sqlite3_stmt *file;
    pthread_mutex_t mutex; /* recursive: a cursor's owner holds it over several calls */
    char *path;
    json_t *definition;
    char *uuid;
    int format;
    bool ascending; /* keys are strictly ascending integers */
    int64_t run, recipients, created_us;
    struct rows_field *fields;
    unsigned field_count;
    struct rows_detail *details;
    unsigned detail_count;
    /* Of each list, the members first: walks to use again, and the statement that counts. */
    struct rows_walk *walks[ROWS_DETAILS_MAX + 1];
    sqlite3_stmt *counts[ROWS_DETAILS_MAX + 1];
    struct arena *texts;
};

int rows_prepare(struct rows *rows, const char *sql, sqlite3_stmt **statement, struct error *error);
void rows_finalize(sqlite3_stmt **statement);
#define ROWS_STATEMENT_CLEAN __attribute__((cleanup(rows_finalize)))

/* "cannot read the rows file …", with SQLite's reason. Returns -1. */
int rows_fail(const struct rows *rows, struct error *error);

/* All rows of a statement that delivers position, name, role, type, format, label_de, label_en. */
int rows_take_fields(struct rows *rows, sqlite3_stmt *statement, struct rows_field **fields,
                     unsigned *count, struct error *error);

int rows_read_details(struct rows *rows, struct error *error);
void rows_close_walks(struct rows *rows);

/* Hold the lock until the end of the block. */
void rows_unlock_pointer(struct rows **rows);
#define ROWS_LOCKED(which)                                                                         \
    __attribute__((cleanup(rows_unlock_pointer), unused)) struct rows *locked = (which);           \
    rows_lock(locked)

#endif
