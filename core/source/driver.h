/*
 * Private to core/source: what a driver is, and what drivers share. A driver is one table of
 * functions, `const struct driver driver_NAME` in driver_NAME.c; source.c lists them.
 *
 * source.c checks the statement (source/statement.h), looks after names, columns and limits, and
 * calls a driver with what is in order.
 */
#ifndef CAMPAIGND_SOURCE_DRIVER_H
#define CAMPAIGND_SOURCE_DRIVER_H

#include <sqlite3.h>
#include <stdbool.h>

#include "source/sandbox.h"
#include "source/source.h"

struct driver {
    const char *name;

    /* Connect and put what the driver needs into source->state, and source->dialect. 0 or -1; after
     * either `close` is called once. */
    int (*open)(struct source *source, const struct source_options *options, struct error *error);
    void (*close)(struct source *source);

    /* Prepare one SELECT and describe its columns by source_add_column, without running it. */
    int (*query)(struct source *source, const char *sql, const json_t *parameters,
                 struct error *error);

    /* As source_next and source_value. */
    int (*next)(struct source *source, struct error *error);
    void (*value)(const struct source *source, unsigned column, struct source_value *out);

    json_t *(*tables)(struct source *source, struct error *error);

    /* Does `next`, in another thread, soon come back once source_is_over? */
    bool can_be_stopped;
};

#define SOURCE_FOLDERS_MAX 8

struct source_column {
    char *name;
    enum source_type type;
};

struct source {
    const struct driver *driver;
    char *name;
    void *state;   /* the driver's; NULL until its `open` sets it */
    void *beneath; /* of a driver that gave its database to driver_sqlite: what is its own */
    enum source_dialect dialect;
    int64_t time_limit_us;
    int64_t until_us; /* on the monotonic clock: when the present query has had its time */
    struct sandbox_folder
        folders[SOURCE_FOLDERS_MAX]; /* that must stay in sight; paths are owned */
    size_t folder_count;
    struct source_column *columns;
    unsigned column_count;
    struct ahead *ahead; /* NULL: rows come from the driver as they are asked for */
    bool is_stopped;     /* by another thread: only by source_stop and source_is_over */
};

extern const struct driver driver_sqlite;
extern const struct driver driver_odbc;
extern const struct driver driver_postgres;
extern const struct driver driver_runs;

/* ---- for drivers ---- */

/* One more column of the query that is being prepared. */
void source_add_column(struct source *source, const char *name, enum source_type type);

/* One more folder that must stay in sight while the source is used; copied. `write`: as
 * sandbox_folder has it. */
void source_add_folder(struct source *source, const char *folder, bool write);

/* The value of a placeholder, borrowed; NULL with an error that names it: there is none. */
const json_t *source_parameter(const json_t *parameters, const char *name, struct error *error);

/* Append to the error »did you mean …?« if a table or column is called much like `name` (may be
 * qualified), which was not found; columns of tables that `sql` names go first. Asks the driver for
 * its tables. */
void source_suggest(struct source *source, const char *name, bool is_column, const char *sql,
                    struct error *error);

/* Has the present query had its time, or does nobody want its rows any more? What waits looks
 * here several times a second. */
bool source_is_over(const struct source *source);
void source_stop(struct source *source, bool stop);

/* That the query took longer than its time_limit. Returns -1. */
int source_too_slow(const struct source *source, struct error *error);

/* ---- a driver whose database is SQLite's (driver_sqlite.c) ---- */

/* The database becomes the source's: made safe, read only, closed with it. `open` of a driver that
 * fills a database of its own ends with this, and its other functions are those of driver_sqlite. */
int sqlite_source_take(struct source *source, sqlite3 *database);

#endif
