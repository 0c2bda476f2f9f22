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
 * run (or joins run, and names it there) opens that run's files alone, and fails if they are not
 * there: who is written to "but for those of run 12" must not be everybody. Runs that are under way
 * are seen as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "source/driver.h"
#include "source/rows.h"
#include "store/confirmation.h"
#include "store/sql.h"
#include "store/state.h"
#include "wire/outcome.h"

#define TASK_BITS "40" /* a task's number is step << 40 | ordinal */
#define JOURNAL_BITS 40
#define TASK_ORDINAL "1099511627775"
#define TIME(column) "strftime('%Y-%m-%d %H:%M:%SZ', " column " / 1000000, 'unixepoch')"

/* ---- what a virtual table is ---- */

/* Rows of the journal that belong to tasks. */
struct task_rows {
    const char *table;
    const char *columns; /* all but `run` and `recipient` */
    const char *where;
};

struct run_table {
    const char *name;
    const char *declaration;
    struct task_rows parts[2]; /* none: it is about those who are no recipients */
    int confirmation;          /* the column that has a task's number in its place; 0: none */
};

/* clang-format off */
static const struct run_table run_tables[] = {
    {.name = "task",
     .confirmation = 5,
     .declaration =
         "CREATE TABLE task (run INTEGER, recipient TEXT, step TEXT, action TEXT, outcome TEXT, "
         "confirmation TEXT, code INTEGER, attempt INTEGER, time TIMESTAMP, remote_id TEXT, "
         "text TEXT)",
     .parts = {
         {.table = "outcome",
          .columns =
              "step.name, step.action,\n"
              "    CASE status WHEN 1 THEN 'delivered' WHEN 2 THEN 'rejected'\n"
              "        WHEN 4 THEN 'skipped' ELSE 'unknown' END,\n"
              "    task, code, attempt, " TIME("time_us") ", remote_id, text",
          .where = "TRUE"},
         {.table = "deferred",
          .columns =
              "step.name, step.action, 'deferred', task, code, attempt,\n"
              "    " TIME("not_before_us") ", NULL, text",
          .where = "not_before_us > 0"}}},
    {.name = "document",
     .declaration =
         "CREATE TABLE document (run INTEGER, recipient TEXT, step TEXT, name TEXT, "
         "mime_type TEXT, length INTEGER, sha256 TEXT, document INTEGER)",
     .parts = {
         {.table = "document",
          .columns = "step.name, document.name, mime_type, length, lower(hex(hash)), id",
          .where = "TRUE"}}},
    {.name = "left_out",
     .declaration = "CREATE TABLE left_out (run INTEGER, recipient TEXT, reason TEXT, detail TEXT)"},
};
/* clang-format on */

_Static_assert(OUTCOME_DELIVERED == 1 && OUTCOME_REJECTED == 2 && OUTCOME_SKIPPED == 4,
               "the names in the statement above");

#define RUN_TABLES (sizeof run_tables / sizeof *run_tables)

/* What a virtual table is told when it is made. */
struct runs_module {
    struct runs *runs;
    const struct run_table *table;
};

struct known_run {
    int64_t number;
    bool started; /* else it never had files */
};

/* All virtual tables of a connection share this. */
struct runs {
    struct source *source;
    char *state_dir;
    struct known_run *known; /* the newest first */
    size_t count;
    sqlite3 *state; /* state.db */
    sqlite3_stmt *confirmation;
    struct runs_module modules[RUN_TABLES];
    struct error failure; /* why a virtual table failed, for next_runs; ERROR_NONE: none did */
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
    int64_t present;          /* whose files are open; 0: none */
    struct rows *rows;        /* with its journal attached */
    sqlite3_stmt *statement;
    bool by_key; /* so the statement is */
    bool found;  /* the present run has the key */
    sqlite3_int64 row;
    bool over;
};

static const struct runs_module *module_of(const struct runs_cursor *cursor)
{
    return ((const struct runs_table *)cursor->base.pVtab)->module;
}

/* The query ends; next_runs says why. */
static int fail(struct runs_cursor *cursor, const struct error *error)
{
    module_of(cursor)->runs->failure = *error;
    return SQLITE_ERROR;
}

/* They are there, so nobody may be told that the run reached nobody. */
static int unreadable(int64_t run, struct error *error)
{
    struct error why = *error;
    return error_say(error, why.code, "run %lld: its files cannot be read: %s",
                     "Ausführung %lld: ihre Dateien lassen sich nicht lesen: %s", (long long)run,
                     why.message);
}

/* ---- one run's statement ---- */

static void append_all(struct buffer *sql, const struct task_rows *part, const char *persons)
{
    buffer_printf(sql,
                  "SELECT CAST(who.key AS TEXT), %s\n"
                  "FROM journal.%s\n"
                  "JOIN journal.step ON step.number = task >> " TASK_BITS "\n"
                  "JOIN %s AS who ON who.ordinal = task & " TASK_ORDINAL "\n"
                  "WHERE %s\n",
                  part->columns, part->table, persons, part->where);
}

static void append_one(struct buffer *sql, const struct task_rows *part)
{
    buffer_printf(sql,
                  "SELECT ?2, %s\n"
                  "FROM journal.step\n"
                  "JOIN journal.%s ON task = step.number << " TASK_BITS " | ?1\n"
                  "WHERE %s\n",
                  part->columns, part->table, part->where);
}

/* Of all recipients and the other members of their households; or of the one with ordinal ?1, who
 * was found by the key ?2. */
static char *statement_of(const struct run_table *table, bool members, bool by_key)
{
    struct buffer sql = {0};
    if (!table->parts[0].table)
        buffer_printf(&sql, "SELECT CAST(key AS TEXT), reason, detail\nFROM main.left_out\n%s",
                      by_key ? "WHERE CAST(key AS TEXT) = ?2" : "");
    for (size_t i = 0; i < 2 && table->parts[i].table; i++) {
        buffer_text(&sql, i ? "UNION ALL\n" : "");
        if (by_key) {
            append_one(&sql, &table->parts[i]);
            continue;
        }
        append_all(&sql, &table->parts[i], "main.recipient");
        if (members) {
            buffer_text(&sql, "UNION ALL\n");
            append_all(&sql, &table->parts[i],
                       "(SELECT ordinal, key FROM main.member WHERE position > 0)");
        }
    }
    return buffer_steal(&sql);
}

/* ---- one run's files ---- */

static int is_time_over(void *context)
{
    return source_is_over(context);
}

/* A journal that nobody has open is all in its one file, and may be read without locks; one that is
 * under way is read beside its writer. */
static int attach_journal(struct rows *rows, const char *path, struct error *error)
{
    FREE_CLEAN char *log = memory_format("%s-wal", path);
    FREE_CLEAN char *uri = sql_uri(path, access(log, F_OK) == 0 ? "mode=ro" : "immutable=1");
    STATEMENT_CLEAN sqlite3_stmt *attach =
        sql_prepare(rows_database(rows), "ATTACH ?1 AS journal", error);
    if (!attach)
        return -1;
    sql_bind_text(attach, 1, uri);
    return sql_done(attach, error);
}

static bool is_gone(const char *path)
{
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* 1; 0: they were deleted; -1. */
static int open_files(const struct runs *runs, int64_t run, struct rows **rows, struct error *error)
{
    FREE_CLEAN char *path =
        memory_format("%s/runs/%lld.0.rows.db", runs->state_dir, (long long)run);
    FREE_CLEAN char *journal = memory_format("%s/runs/%lld.db", runs->state_dir, (long long)run);
    if (is_gone(path) || is_gone(journal))
        return 0;
    if (!(*rows = rows_open(path, error)) || attach_journal(*rows, journal, error) != 0)
        return -1;
    sqlite3_busy_timeout(rows_database(*rows), 5000);
    sqlite3_progress_handler(rows_database(*rows), 10000, is_time_over, runs->source);
    return 1;
}

static void close_files(struct runs_cursor *cursor)
{
    sqlite3_finalize(cursor->statement);
    rows_close(cursor->rows);
    cursor->statement = NULL;
    cursor->rows = NULL;
    cursor->present = 0;
}

/* Some units are of several persons. */
static bool has_members(sqlite3 *database)
{
    sqlite3_stmt *find = NULL;
    bool has = sqlite3_prepare_v2(database, "SELECT 1 FROM main.member LIMIT 1", -1, &find, NULL) ==
                   SQLITE_OK &&
               sqlite3_step(find) == SQLITE_ROW;
    sqlite3_finalize(find);
    return has;
}

static int prepare(struct runs_cursor *cursor, struct error *error)
{
    sqlite3 *database = rows_database(cursor->rows);
    FREE_CLEAN char *sql =
        statement_of(module_of(cursor)->table, has_members(database), cursor->key != NULL);
    cursor->by_key = cursor->key != NULL;
    cursor->statement = sql_prepare(database, sql, error);
    return cursor->statement ? 0 : -1;
}

/* Joins ask for one key after the other: the files stay open as long as it is the same run. */
static int bind_key(struct runs_cursor *cursor, struct error *error)
{
    int64_t ordinal = 0;
    sqlite3_reset(cursor->statement);
    if (!cursor->by_key)
        return 0;
    int found = module_of(cursor)->table->parts[0].table
                    ? rows_find_key(cursor->rows, cursor->key, &ordinal, error)
                    : 1;
    cursor->found = found > 0;
    sqlite3_bind_int64(cursor->statement, 1, ordinal);
    sql_bind_text(cursor->statement, 2, cursor->key);
    return found < 0 ? -1 : 0;
}

static int open_run(struct runs_cursor *cursor, const struct known_run *run, struct error *error)
{
    const struct runs *runs = module_of(cursor)->runs;
    if (cursor->present != run->number || cursor->by_key != (cursor->key != NULL)) {
        close_files(cursor);
        int opened = run->started ? open_files(runs, run->number, &cursor->rows, error) : 0;
        if (!opened && run->started && cursor->run)
            return error_say(error, ERROR_NOT_FOUND,
                             "the files of run %lld were deleted: who got what in it cannot be "
                             "told any more",
                             "Die Dateien von Ausführung %lld wurden gelöscht: wer darin was "
                             "bekommen hat, lässt sich nicht mehr sagen.",
                             (long long)run->number);
        if (opened < 0 || (opened && prepare(cursor, error) != 0))
            return unreadable(run->number, error);
        if (!opened)
            return 0;
        cursor->present = run->number;
    }
    return bind_key(cursor, error);
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

/* A row of the run that is open: SQLITE_ROW, SQLITE_DONE, or what went wrong. */
static int step_in_run(struct runs_cursor *cursor)
{
    struct error error;
    int step = !cursor->statement || (cursor->by_key && !cursor->found)
                   ? SQLITE_DONE
                   : sqlite3_step(cursor->statement);
    if (step == SQLITE_ROW || step == SQLITE_DONE || step == SQLITE_INTERRUPT)
        return step;
    sql_error(rows_database(cursor->rows), &error, "read it");
    unreadable(cursor->present, &error);
    return fail(cursor, &error);
}

/* Of the run that is looked at next: its first row. SQLITE_DONE: it has none. */
static int first_of_next(struct runs_cursor *cursor)
{
    const struct runs *runs = module_of(cursor)->runs;
    struct error error;
    while (cursor->next < runs->count && cursor->run &&
           runs->known[cursor->next].number != cursor->run)
        cursor->next++;
    if (cursor->next == runs->count) {
        cursor->over = true;
        return SQLITE_OK;
    }
    if (open_run(cursor, &runs->known[cursor->next++], &error) != 0)
        return fail(cursor, &error);
    return step_in_run(cursor);
}

/* The next row of this run, or of one that follows. */
static int next_row(sqlite3_vtab_cursor *base)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    int step = cursor->row++ ? step_in_run(cursor) : first_of_next(cursor);
    while (step == SQLITE_DONE)
        step = first_of_next(cursor);
    return step == SQLITE_ROW ? SQLITE_OK : step;
}

static bool is_known(const struct runs *runs, int64_t number)
{
    size_t i = 0;
    while (i < runs->count && runs->known[i].number != number)
        i++;
    return i < runs->count;
}

/* A number that is none finds nothing: so SQL has it. */
static int take_run(struct runs_cursor *cursor, sqlite3_value *value)
{
    struct error error;
    cursor->run = sqlite3_value_int64(value);
    cursor->over = sqlite3_value_type(value) == SQLITE_NULL || cursor->run <= 0;
    if (cursor->over || is_known(module_of(cursor)->runs, cursor->run))
        return SQLITE_OK;
    error_say(&error, ERROR_NOT_FOUND,
              "there is no run %lld; campaignctl run list names those that are there",
              "Es gibt keine Ausführung %lld; campaignctl run list nennt die, die es gibt.",
              (long long)cursor->run);
    return fail(cursor, &error);
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text, int count,
                  sqlite3_value **arguments)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    int argument = 0;
    (void)text, (void)count;
    free(cursor->key);
    cursor->key = NULL;
    cursor->run = 0;
    cursor->next = 0;
    cursor->row = 0;
    cursor->over = false;
    if (number & 1 && take_run(cursor, arguments[argument++]) != SQLITE_OK)
        return SQLITE_ERROR;
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

static int give_confirmation(struct runs_cursor *cursor, sqlite3_context *context, int64_t task)
{
    struct error error;
    int64_t step = task >> JOURNAL_BITS, ordinal = task & ((INT64_C(1) << JOURNAL_BITS) - 1);
    int found = confirmation_of(module_of(cursor)->runs->confirmation, cursor->present, step,
                                ordinal, &error);
    if (found < 0)
        return fail(cursor, &error);
    sqlite3_result_text(context, confirmation_name(found), -1, SQLITE_STATIC);
    return SQLITE_OK;
}

static int give_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int index)
{
    struct runs_cursor *cursor = (struct runs_cursor *)base;
    if (index == 0)
        sqlite3_result_int64(context, cursor->present);
    else if (index == module_of(cursor)->table->confirmation)
        return give_confirmation(cursor, context,
                                 sqlite3_column_int64(cursor->statement, index - 1));
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
    sqlite3_finalize(runs->confirmation);
    sqlite3_close_v2(runs->state);
    free(runs->state_dir);
    free(runs->known);
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
    runs->known = memory_resize(runs->known, (runs->count + 1) * sizeof *runs->known);
    runs->known[runs->count++] =
        (struct known_run){.number = sqlite3_column_int64(from, 0),
                           .started = sqlite3_column_type(from, 7) != SQLITE_NULL};
    return sql_done(insert, error);
}

/* clang-format off */
static const char all_runs[] =
    "SELECT number, uuid, campaign_id, campaign, state, requested_by, " TIME("created_us") ",\n"
    "    CASE WHEN started_us > 0 THEN " TIME("started_us") " END,\n"
    "    CASE WHEN ended_us > 0 THEN " TIME("ended_us") " END,\n"
    "    recipients\n"
    "FROM run\n"
    "ORDER BY number DESC";
/* clang-format on */

/* state.db stays open: by then the sandbox is closed. */
static int copy_runs(sqlite3 *database, struct runs *runs, struct error *error)
{
    FREE_CLEAN char *path = memory_format("%s/state.db", runs->state_dir);
    runs->state = sql_open_readonly(path, error);
    if (!runs->state || !(runs->confirmation = confirmation_prepare(runs->state, error)))
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *all = sql_prepare(runs->state, all_runs, error);
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

static int take_database(struct source *source, struct runs *runs, sqlite3 *database)
{
    source->beneath = runs;
    return sqlite_source_take(source, database);
}

static int open_runs(struct source *source, const struct source_options *options,
                     struct error *error)
{
    sqlite3 *database = NULL;
    struct runs *runs = memory_new(sizeof *runs);
    FREE_CLEAN char *folder = memory_format("%s/runs", options->path);
    runs->source = source;
    runs->state_dir = memory_text(options->path);
    source_add_folder(source, folder, false); /* its files are opened when they are needed */
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
        return take_database(source, runs, database);
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
    struct runs *runs = source->beneath;
    runs->failure.code = ERROR_NONE;
    return driver_sqlite.query(source, sql, parameters, error);
}

static int next_runs(struct source *source, struct error *error)
{
    const struct runs *runs = source->beneath;
    int more = driver_sqlite.next(source, error);
    if (more < 0 && error && runs->failure.code != ERROR_NONE)
        *error = runs->failure;
    return more;
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
