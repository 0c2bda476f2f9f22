/* A run's journal is made: its tables, all tasks waiting but those that the snapshot skipped; and brought up to date. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "run/journal_internal.h"
#include "source/rows.h"

static const char schema[] =
    "CREATE TABLE step (\n"
    "    number INTEGER PRIMARY KEY,\n"
    "    name TEXT NOT NULL,\n"
    "    action TEXT NOT NULL,\n"
    "    parent INTEGER NOT NULL,\n"
    "    after INTEGER NOT NULL,\n"
    "    repeatable INTEGER NOT NULL,\n"
    "    total INTEGER NOT NULL,\n"
    "    waiting INTEGER NOT NULL,\n"
    "    claimed INTEGER NOT NULL,\n"
    "    deferred INTEGER NOT NULL,\n"
    "    delivered INTEGER NOT NULL,\n"
    "    rejected INTEGER NOT NULL,\n"
    "    skipped INTEGER NOT NULL,\n"
    "    unknown INTEGER NOT NULL\n"
    ") STRICT;\n"
    "CREATE TABLE waiting (\n"
    "    step INTEGER NOT NULL,\n"
    "    first INTEGER NOT NULL,\n"
    "    last INTEGER NOT NULL,\n"
    "    attempt INTEGER NOT NULL,\n"
    "    PRIMARY KEY (step, first)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE claim (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    step INTEGER NOT NULL,\n"
    "    instance TEXT NOT NULL,\n"
    "    time_us INTEGER NOT NULL\n"
    ") STRICT;\n"
    "CREATE TABLE claim_range (\n"
    "    claim INTEGER NOT NULL,\n"
    "    first INTEGER NOT NULL,\n"
    "    last INTEGER NOT NULL,\n"
    "    attempt INTEGER NOT NULL,\n"
    "    PRIMARY KEY (claim, first)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE claim_left (\n"
    "    claim INTEGER NOT NULL,\n"
    "    first INTEGER NOT NULL,\n"
    "    last INTEGER NOT NULL,\n"
    "    PRIMARY KEY (claim, first)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE deferred (\n"
    "    task INTEGER PRIMARY KEY,\n"
    "    attempt INTEGER NOT NULL,\n"
    "    since_us INTEGER NOT NULL,\n"
    "    not_before_us INTEGER NOT NULL,\n"
    "    code INTEGER NOT NULL,\n"
    "    text TEXT NOT NULL\n"
    ") STRICT;\n"
    "CREATE INDEX deferred_due ON deferred (not_before_us) WHERE not_before_us > 0;\n"
    "CREATE TABLE outcome (\n"
    "    task INTEGER PRIMARY KEY,\n"
    "    status INTEGER NOT NULL,\n"
    "    code INTEGER NOT NULL,\n"
    "    attempt INTEGER NOT NULL,\n"
    "    time_us INTEGER NOT NULL,\n"
    "    remote_id TEXT,\n"
    "    text TEXT\n"
    ") STRICT;\n"
    "CREATE TABLE document (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    task INTEGER NOT NULL,\n"
    "    position INTEGER NOT NULL,\n"
    "    segment TEXT NOT NULL,\n"
    "    number INTEGER NOT NULL,\n"
    "    offset INTEGER NOT NULL,\n"
    "    length INTEGER NOT NULL,\n"
    "    hash BLOB NOT NULL,\n"
    "    salt BLOB NOT NULL,\n"
    "    chain BLOB NOT NULL,\n"
    "    name TEXT NOT NULL,\n"
    "    mime_type TEXT NOT NULL\n"
    ") STRICT;\n"
    "CREATE INDEX document_task ON document (task, position);\n"
    "PRAGMA user_version = 1;\n";

#define JOURNAL_VERSION 2

/* Version 2. Only tasks that a claim holds stand in `withdrawn`: all others are skipped at once. */
static const char schema_2[] = "CREATE TABLE withdrawn (\n"
                               "    task INTEGER PRIMARY KEY,\n"
                               "    text TEXT NOT NULL\n"
                               ") STRICT;\n"
                               "CREATE TABLE mark (\n"
                               "    name TEXT PRIMARY KEY,\n"
                               "    value INTEGER NOT NULL\n"
                               ") STRICT, WITHOUT ROWID;\n"
                               "INSERT INTO mark VALUES ('suppression', 0);\n"
                               "PRAGMA user_version = 2;\n";

static const char *const schemas[JOURNAL_VERSION] = {schema, schema_2};

static int add_step(sqlite3 *db, const struct journal_step *step, uint64_t recipients,
                    uint64_t skipped, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *add = sql_prepare(
        db, "INSERT INTO step VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, ?9, 0)", error);
    if (!add)
        return -1;
    sqlite3_bind_int(add, 1, step->number);
    sql_bind_text(add, 2, step->name);
    sql_bind_text(add, 3, step->action);
    sqlite3_bind_int(add, 4, step->parent);
    sqlite3_bind_int(add, 5, step->after);
    sqlite3_bind_int(add, 6, step->repeatable);
    sqlite3_bind_int64(add, 7, (int64_t)recipients);
    sqlite3_bind_int64(add, 8, (int64_t)(recipients - skipped));
    sqlite3_bind_int64(add, 9, (int64_t)skipped);
    return sql_done(add, error);
}

static int add_first_range(sqlite3 *db, int step, uint64_t first, uint64_t last,
                           struct error *error)
{
    if (first > last)
        return 0;
    STATEMENT_CLEAN sqlite3_stmt *add = sql_prepare(db, journal_texts[ADD_WAITING], error);
    if (!add)
        return -1;
    sqlite3_bind_int(add, 1, step);
    sqlite3_bind_int64(add, 2, (int64_t)first);
    sqlite3_bind_int64(add, 3, (int64_t)last);
    sqlite3_bind_int(add, 4, 1);
    return sql_done(add, error);
}

static int add_skip(sqlite3_stmt *add, int step, uint64_t ordinal, const char *reason,
                    struct error *error)
{
    sqlite3_bind_int64(add, 1, journal_task_row(step, ordinal));
    sqlite3_bind_int(add, 2, OUTCOME_SKIPPED);
    sqlite3_bind_int(add, 3, 0);
    sqlite3_bind_int(add, 4, 0);
    sqlite3_bind_int64(add, 5, clock_now_us());
    sqlite3_bind_null(add, 6);
    sql_bind_text(add, 7, reason);
    return sql_done(add, error);
}

/* Skipped tasks of one step get their outcome at once; what lies between them waits, if the step
 * depends on none. */
static int fill_step(sqlite3 *db, sqlite3 *rows, const struct journal_step *step,
                     uint64_t recipients, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(
        rows, "SELECT ordinal, reason FROM skipped WHERE step = ?1 ORDER BY ordinal", error);
    STATEMENT_CLEAN sqlite3_stmt *add = sql_prepare(db, journal_texts[ADD_OUTCOME], error);
    if (!select || !add)
        return -1;
    uint64_t next = 1, skipped = 0;
    int more;
    sqlite3_bind_int(select, 1, step->number);
    while ((more = sql_row(select, error)) > 0) {
        uint64_t ordinal = (uint64_t)sqlite3_column_int64(select, 0);
        if (add_skip(add, step->number, ordinal, sql_text(select, 1), error) != 0 ||
            (!step->parent && add_first_range(db, step->number, next, ordinal - 1, error) != 0))
            return -1;
        next = ordinal + 1;
        skipped++;
    }
    if (more < 0 ||
        (!step->parent && add_first_range(db, step->number, next, recipients, error) != 0))
        return -1;
    return add_step(db, step, recipients, skipped, error);
}

/* A task whose parent was skipped at the snapshot never hears of it later, so that is settled here.
 */
static int settle_skipped_parents(struct journal *journal, const struct journal_step *steps,
                                  size_t count, sqlite3 *rows, struct error *error)
{
    struct journal_state *state = journal->state;
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(rows, "SELECT ordinal FROM skipped WHERE step = ?1 ORDER BY ordinal", error);
    if (!select)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int more;
        sqlite3_bind_int(select, 1, steps[i].number);
        while ((more = sql_row(select, error)) > 0)
            if (journal_release_children(state, journal_find_step(state, steps[i].number),
                                         (uint64_t)sqlite3_column_int64(select, 0), OUTCOME_SKIPPED,
                                         error) != 0)
                return -1;
        if (more < 0)
            return -1;
    }
    return 0;
}

static int fill(sqlite3 *db, sqlite3 *rows, uint64_t recipients, const struct journal_step *steps,
                size_t count, struct error *error)
{
    if (sql_run(db, "BEGIN IMMEDIATE", error) != 0 || sql_run(db, schema, error) != 0 ||
        sql_run(db, schema_2, error) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (fill_step(db, rows, &steps[i], recipients, error) != 0)
            return -1;
    return sql_run(db, "COMMIT", error);
}

static void remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        FREE_CLEAN char *file = memory_format("%s%s", path, endings[i]);
        unlink(file);
    }
}

int journal_create(const char *path, const char *rows_path, uint32_t run, uint64_t recipients,
                   const struct journal_step *steps, size_t count, struct error *error)
{
    if (count > JOURNAL_STEPS)
        return error_set(error, ERROR_INPUT, "a campaign has at most %d steps", JOURNAL_STEPS);
    SQL_CLEAN sqlite3 *rows = rows_open_database(rows_path, error);
    if (!rows)
        return -1;
    remove_database(path);
    sqlite3 *db = sql_open(path, error);
    int result = db ? fill(db, rows, recipients, steps, count, error) : -1;
    if (db)
        sql_close(&db);
    if (result != 0)
        return -1;
    struct journal *journal = journal_open(path, run, error);
    if (!journal)
        return -1;
    if (sql_run(journal->database.db, "BEGIN IMMEDIATE", error) != 0 ||
        settle_skipped_parents(journal, steps, count, rows, error) != 0 ||
        journal->database.flush(&journal->database, error) != 0)
        result = -1;
    else
        result = sql_run(journal->database.db, "COMMIT", error);
    journal_close(journal);
    return result;
}

int journal_migrate(sqlite3 *db, const char *path, struct error *error)
{
    return sql_migrate(db, path, schemas, JOURNAL_VERSION, error);
}
