/*
 * This installation's own runs as a source: who got what, by recipient's key. An SQLite database in
 * memory with one real table and virtual ones that open a run's files when they are asked for it:
 *
 *   run       number, uuid, campaign_id, campaign, state, requested_by, created_at, started_at,
 *             ended_at, recipients
 *   task      run, recipient, step, action, outcome, confirmation, code, attempt, time, remote_id,
 *             text: what ended, or is deferred
 *   document  run, recipient, step, name, mime_type, length, sha256, document
 *   left_out  run, recipient, reason, detail
 *
 * A task for several persons of a household stands there under each one's key. A query that names a
 * run (or joins run, and names it there) opens that run's files alone. Runs that are under way are
 * seen as they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "source/driver.h"
#include "store/sql.h"
#include "store/state.h"
#include "wire/outcome.h"

#define TASK_BITS "40" /* a task's number is step << 40 | ordinal */
#define TIME(column) "strftime('%Y-%m-%d %H:%M:%SZ', " column " / 1000000, 'unixepoch')"

/* ---- what a virtual table is ---- */

struct run_table {
    const char *name;
    const char *declaration;
    /* Selects all columns but the first, `run`, from a run's journal (main) and its rows file
     * (rows). @KEY@ and @WHO@ stand for a recipient's key, and for the tables that hold it under
     * the name `who`: once the recipients themselves, once the other members of their households. */
    const char *select;
    /* From the rows file alone: there are no members. */
    bool rows_alone;
};

static const struct run_table run_tables[] = {
    {.name = "task",
     .declaration = "CREATE TABLE task (run INTEGER, recipient TEXT, step TEXT, action TEXT, "
                    "outcome TEXT, confirmation TEXT, code INTEGER, attempt INTEGER, "
                    "time TIMESTAMP, remote_id TEXT, text TEXT)",
     .select =
         "SELECT who.key, step.name, step.action, "
         "    CASE outcome.status WHEN 1 THEN 'delivered' WHEN 2 THEN 'rejected' "
         "        WHEN 4 THEN 'skipped' ELSE 'unknown' END, "
         "    'none', outcome.code, outcome.attempt, " TIME(
             "outcome.time_us") ", "
                                "    outcome.remote_id, outcome.text\n"
                                "FROM outcome\n"
                                "JOIN step ON step.number = outcome.task >> " TASK_BITS "\n"
                                "JOIN @WHO@ AS who ON who.ordinal = outcome.task & 0xffffffffff\n"
                                "WHERE @KEY@\n"
                                "UNION ALL\n"
                                "SELECT who.key, step.name, step.action, 'deferred', 'none', "
                                "deferred.code, "
                                "    deferred.attempt, " TIME(
                                    "deferred.not_before_us") ", NULL, deferred.text\n"
                                                              "FROM deferred\n"
                                                              "JOIN step ON step.number = "
                                                              "deferred.task >> " TASK_BITS "\n"
                                                              "JOIN @WHO@ AS who ON who.ordinal = "
                                                              "deferred.task & 0xffffffffff\n"
                                                              "WHERE deferred.not_before_us > 0\n"
                                                              "    AND @KEY@\n"},
    {.name = "document",
     .declaration = "CREATE TABLE document (run INTEGER, recipient TEXT, step TEXT, name TEXT, "
                    "mime_type TEXT, length INTEGER, sha256 TEXT, document INTEGER)",
     .select = "SELECT who.key, step.name, document.name, document.mime_type, document.length, "
               "    lower(hex(document.hash)), document.id\n"
               "FROM document\n"
               "JOIN step ON step.number = document.task >> " TASK_BITS "\n"
               "JOIN @WHO@ AS who ON who.ordinal = document.task & 0xffffffffff\n"
               "WHERE @KEY@\n"},
    {.name = "left_out",
     .declaration = "CREATE TABLE left_out (run INTEGER, recipient TEXT, reason TEXT, detail TEXT)",
     .select = "SELECT who.key, who.reason, who.detail\n"
               "FROM @WHO@ AS who\n"
               "WHERE @KEY@\n",
     .rows_alone = true},
};

_Static_assert(OUTCOME_DELIVERED == 1 && OUTCOME_REJECTED == 2 && OUTCOME_SKIPPED == 4,
               "the names in the statement above");

#define RUN_TABLES (sizeof run_tables / sizeof *run_tables)

/* What a virtual table is told when it is made. */
struct runs_module {
    const struct runs *runs;
    const struct run_table *table;
};

/* All virtual tables of a connection share this. */
struct runs {
    char *state_dir;
    int64_t *numbers; /* of all runs, the newest first */
    size_t count;
    struct runs_module modules[RUN_TABLES];
};

struct runs_table {
    sqlite3_vtab base; /* first */
    const struct runs_module *module;
};

struct runs_cursor {
    sqlite3_vtab_cursor base; /* first */
    int64_t run;              /* only this one; 0: all */
    char *key;                /* only this recipient's; NULL: all */
    size_t next;              /* of the runs */
    int64_t present;
    sqlite3 *database;
    sqlite3_stmt *statement;
    sqlite3_int64 row;
    bool over;
};

/* ---- one run's files ---- */

static void append_replaced(struct buffer *sql, const char *select, const char *who,
                            const char *key)
{
    while (*select) {
        if (!strncmp(select, "@WHO@", 5))
            buffer_text(sql, who);
        else if (!strncmp(select, "@KEY@", 5))
            buffer_text(sql, key);
        else {
            buffer_char(sql, *select++);
            continue;
        }
        select += 5;
    }
}

static char *statement_of(const struct run_table *table, bool members, bool by_key)
{
    struct buffer sql = {0};
    const char *key = by_key ? "who.key = ?1" : "TRUE";
    append_replaced(&sql, table->select, table->rows_alone ? "rows.left_out" : "rows.recipient",
                    key);
    if (members && !table->rows_alone) {
        buffer_text(&sql, "UNION ALL\n");
        append_replaced(&sql, table->select,
                        "(SELECT ordinal, key FROM rows.member WHERE position > 0)", key);
    }
    return buffer_steal(&sql);
}

static bool attach_rows(sqlite3 *database, const char *path)
{
    sqlite3_stmt *attach = NULL;
    FREE_CLEAN char *uri = sql_uri(path, "immutable=1");
    bool done = sqlite3_prepare_v2(database, "ATTACH ?1 AS rows", -1, &attach, NULL) == SQLITE_OK &&
                sqlite3_bind_text(attach, 1, uri, -1, SQLITE_STATIC) == SQLITE_OK &&
                sqlite3_step(attach) == SQLITE_DONE;
    sqlite3_finalize(attach);
    return done;
}

static bool has_members(sqlite3 *database)
{
    sqlite3_stmt *find = NULL;
    bool has = sqlite3_prepare_v2(database, "SELECT 1 FROM rows.member LIMIT 1", -1, &find, NULL) ==
                   SQLITE_OK &&
               sqlite3_step(find) == SQLITE_ROW;
    sqlite3_finalize(find);
    return has;
}

/* A journal that nobody has open is all in its one file, and may be read without locks; one that is
 * under way is read beside its writer. */
static sqlite3 *open_files(const struct runs *runs, int64_t run)
{
    sqlite3 *database = NULL;
    FREE_CLEAN char *journal = memory_format("%s/runs/%lld.db", runs->state_dir, (long long)run);
    FREE_CLEAN char *log = memory_format("%s-wal", journal);
    FREE_CLEAN char *rows =
        memory_format("%s/runs/%lld.0.rows.db", runs->state_dir, (long long)run);
    FREE_CLEAN char *uri = sql_uri(journal, access(log, F_OK) == 0 ? "mode=ro" : "immutable=1");
    if (sqlite3_open_v2(uri, &database,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK &&
        sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK &&
        attach_rows(database, rows)) {
        sqlite3_busy_timeout(database, 5000);
        return database;
    }
    sqlite3_close_v2(database);
    return NULL;
}

static void close_files(struct runs_cursor *cursor)
{
    sqlite3_finalize(cursor->statement);
    sqlite3_close_v2(cursor->database);
    cursor->statement = NULL;
    cursor->database = NULL;
}

/* A run without files (it failed before it began, or its files were deleted) has no rows. One whose
 * files cannot be read is no such run: who was reached by it would count as not reached. */
static int without_files(struct runs_cursor *cursor, const struct runs *runs, int64_t run)
{
    FREE_CLEAN char *journal = memory_format("%s/runs/%lld.db", runs->state_dir, (long long)run);
    if (access(journal, F_OK) != 0)
        return SQLITE_OK;
    sqlite3_free(cursor->base.pVtab->zErrMsg);
    cursor->base.pVtab->zErrMsg =
        sqlite3_mprintf("run %lld: its files cannot be read", (long long)run);
    return SQLITE_ERROR;
}

static int open_run(struct runs_cursor *cursor, const struct runs_module *module, int64_t run)
{
    close_files(cursor);
    cursor->present = run;
    cursor->database = open_files(module->runs, run);
    if (!cursor->database)
        return without_files(cursor, module->runs, run);
    FREE_CLEAN char *sql =
        statement_of(module->table, has_members(cursor->database), cursor->key != NULL);
    int result = sqlite3_prepare_v2(cursor->database, sql, -1, &cursor->statement, NULL);
    if (result == SQLITE_OK && cursor->key)
        result = sqlite3_bind_text(cursor->statement, 1, cursor->key, -1, SQLITE_STATIC);
    return result;
}

/* ---- the virtual table ---- */

static int connect_table(sqlite3 *database, void *context, int count, const char *const *arguments,
                         sqlite3_vtab **out, char **message)
{
    const struct runs_module *module = context;
    (void)count, (void)arguments, (void)message;
    int result = sqlite3_declare_vtab(database, module->table->declaration);
    if (result != SQLITE_OK)
        return result;
    struct runs_table *table = memory_new(sizeof *table);
    table->module = module;
    *out = &table->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

/* idxNum: 1 a run is given, 2 a recipient is. */
static int plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
    int place[2] = {-1, -1}, argument = 0;
    (void)table;
    for (int i = 0; i < info->nConstraint; i++) {
        int column = info->aConstraint[i].iColumn;
        if (info->aConstraint[i].usable && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ &&
            (column == 0 || column == 1))
            place[column] = i;
    }
    for (int column = 0; column < 2; column++)
        if (place[column] >= 0) {
            info->idxNum |= 1 << column;
            info->aConstraintUsage[place[column]].argvIndex = ++argument;
        }
    info->estimatedCost = (info->idxNum & 1 ? 1e4 : 1e7) / (info->idxNum & 2 ? 1e3 : 1);
    info->estimatedRows = (sqlite3_int64)info->estimatedCost;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct runs_cursor *cursor = memory_new(sizeof *cursor);
    *out = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    close_files(cursor);
    free(cursor->key);
    free(cursor);
    return SQLITE_OK;
}

static const struct runs_module *module_of(const struct runs_cursor *cursor)
{
    return ((const struct runs_table *)cursor->base.pVtab)->module;
}

/* The next row of this run, or of one that follows. */
static int next_row(sqlite3_vtab_cursor *base)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    const struct runs_module *module = module_of(cursor);
    int result = SQLITE_OK;
    cursor->row++;
    for (;;) {
        int step = cursor->statement ? sqlite3_step(cursor->statement) : SQLITE_DONE;
        if (step == SQLITE_ROW)
            return SQLITE_OK;
        if (step != SQLITE_DONE) {
            sqlite3_free(cursor->base.pVtab->zErrMsg);
            cursor->base.pVtab->zErrMsg = sqlite3_mprintf(
                "run %lld: %s", (long long)cursor->present, sqlite3_errmsg(cursor->database));
            return step;
        }
        while (cursor->next < module->runs->count && cursor->run &&
               module->runs->numbers[cursor->next] != cursor->run)
            cursor->next++;
        if (cursor->next == module->runs->count) {
            close_files(cursor);
            cursor->over = true;
            return SQLITE_OK;
        }
        result = open_run(cursor, module, module->runs->numbers[cursor->next++]);
        if (result != SQLITE_OK)
            return result;
    }
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text, int count,
                  sqlite3_value **arguments)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    int argument = 0;
    (void)text, (void)count;
    close_files(cursor);
    free(cursor->key);
    cursor->key = NULL;
    cursor->run = 0;
    cursor->next = 0;
    cursor->row = 0;
    cursor->over = false;
    if (number & 1) {
        cursor->run = sqlite3_value_int64(arguments[argument++]);
        cursor->over = cursor->run <= 0;
    }
    if (number & 2) {
        const char *key = (const char *)sqlite3_value_text(arguments[argument]);
        cursor->key = memory_text(key ? key : "");
        cursor->over |= !key;
    }
    return cursor->over ? SQLITE_OK : next_row(base);
}

static int is_over(sqlite3_vtab_cursor *base)
{
    return ((struct runs_cursor *)base)->over;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int index)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    if (index == 0)
        sqlite3_result_int64(context, cursor->present);
    else
        sqlite3_result_value(context, sqlite3_column_value(cursor->statement, index - 1));
    return SQLITE_OK;
}

static int row_number(sqlite3_vtab_cursor *base, sqlite3_int64 *row)
{
    *row = ((struct runs_cursor *)base)->row;
    return SQLITE_OK;
}

static const sqlite3_module runs_module = {
    .iVersion = 1,
    .xCreate = connect_table,
    .xConnect = connect_table,
    .xBestIndex = plan,
    .xDisconnect = disconnect_table,
    .xDestroy = disconnect_table,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next_row,
    .xEof = is_over,
    .xColumn = give_column,
    .xRowid = row_number,
};

/* ---- opening ---- */

static void free_runs(void *context)
{
    struct runs *runs = context;
    free(runs->state_dir);
    free(runs->numbers);
    free(runs);
}

static int add_run(sqlite3 *database, struct runs *runs, sqlite3_stmt *from, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *insert =
        sql_prepare(database,
                    "INSERT INTO run\n"
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    error);
    if (!insert)
        return -1;
    for (int i = 0; i < 10; i++)
        sqlite3_bind_value(insert, i + 1, sqlite3_column_value(from, i));
    sql_bind_text(insert, 5, run_state_name((enum run_state)sqlite3_column_int(from, 4)));
    runs->numbers = memory_resize(runs->numbers, (runs->count + 1) * sizeof *runs->numbers);
    runs->numbers[runs->count++] = sqlite3_column_int64(from, 0);
    return sql_done(insert, error);
}

static int copy_runs(sqlite3 *database, struct runs *runs, struct error *error)
{
    FREE_CLEAN char *path = memory_format("%s/state.db", runs->state_dir);
    SQL_CLEAN sqlite3 *state = sql_open_readonly(path, error);
    STATEMENT_CLEAN sqlite3_stmt *all =
        state ? sql_prepare(
                    state,
                    "SELECT number, uuid, campaign_id, campaign, state, requested_by, "
                    "    " TIME(
                        "created_us") ",\n"
                                      "    CASE WHEN started_us > 0 THEN " TIME(
                                          "started_us") " END,\n"
                                                        "    CASE WHEN ended_us > 0 THEN " TIME(
                                                            "ended_us") " END,\n"
                                                                        "    recipients\n"
                                                                        "FROM run\n"
                                                                        "ORDER BY number DESC",
                    error)
              : NULL;
    int more = all ? 1 : -1;
    while (more > 0 && (more = sql_row(all, error)) > 0)
        if (add_run(database, runs, all, error) != 0)
            more = -1;
    return more;
}

static int make_tables(sqlite3 *database, struct runs *runs, struct error *error)
{
    for (size_t i = 0; i < RUN_TABLES; i++) {
        runs->modules[i] = (struct runs_module){.runs = runs, .table = &run_tables[i]};
        FREE_CLEAN char *module = memory_format("campaignd_%s", run_tables[i].name);
        FREE_CLEAN char *create =
            memory_format("CREATE VIRTUAL TABLE %s USING %s", run_tables[i].name, module);
        if (sqlite3_create_module(database, module, &runs_module, &runs->modules[i]) != SQLITE_OK ||
            sql_run(database, create, error) != 0)
            return sql_error(database, error, "make the tables of the runs");
    }
    return 0;
}

static int open_runs(struct source *source, const struct source_options *options,
                     struct error *error)
{
    sqlite3 *database = NULL;
    struct runs *runs = memory_new(sizeof *runs);
    FREE_CLEAN char *folder = memory_format("%s/runs", options->path);
    runs->state_dir = memory_text(options->path);
    source_add_folder(source, folder, false);
    if (sqlite3_open_v2(":memory:", &database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        free_runs(runs);
        return sql_error(database, error, "open the runs");
    }
    /* What the virtual tables need lives as long as the connection. */
    sqlite3_create_module_v2(database, "campaignd_runs", &runs_module, runs, free_runs);
    if (sql_run(database,
                "CREATE TABLE run (number INTEGER PRIMARY KEY, uuid TEXT, campaign_id INTEGER, "
                "campaign TEXT, state TEXT, requested_by TEXT, created_at TIMESTAMP, "
                "started_at TIMESTAMP, ended_at TIMESTAMP, recipients INTEGER)",
                error) == 0 &&
        copy_runs(database, runs, error) == 0 && make_tables(database, runs, error) == 0)
        return sqlite_source_take(source, database);
    sqlite3_close_v2(database);
    return -1;
}

/* All else is the driver's whose database it now is. */
static void close_runs(struct source *source)
{
    driver_sqlite.close(source);
}

static int query_runs(struct source *source, const char *sql, const json_t *parameters,
                      struct error *error)
{
    return driver_sqlite.query(source, sql, parameters, error);
}

static int next_runs(struct source *source, struct error *error)
{
    return driver_sqlite.next(source, error);
}

static void value_runs(const struct source *source, unsigned column, struct source_value *out)
{
    driver_sqlite.value(source, column, out);
}

static json_t *tables_runs(struct source *source, struct error *error)
{
    return driver_sqlite.tables(source, error);
}

const struct driver driver_runs = {
    .name = "runs",
    .open = open_runs,
    .close = close_runs,
    .query = query_runs,
    .next = next_runs,
    .value = value_runs,
    .tables = tables_runs,
};
