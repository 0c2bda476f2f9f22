#include "store/state.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/sql.h"

#define STATE_VERSION 3

static const char schema[] = "CREATE TABLE setting (\n"
                             "    name TEXT PRIMARY KEY,\n"
                             "    value BLOB NOT NULL\n"
                             ") STRICT, WITHOUT ROWID;\n"
                             "CREATE TABLE run (\n"
                             "    number INTEGER PRIMARY KEY AUTOINCREMENT,\n"
                             "    uuid TEXT NOT NULL UNIQUE,\n"
                             "    campaign_id INTEGER NOT NULL,\n"
                             "    campaign TEXT NOT NULL,\n"
                             "    requested_by TEXT NOT NULL,\n"
                             "    request INTEGER NOT NULL,\n"
                             "    state INTEGER NOT NULL,\n"
                             "    reason TEXT NOT NULL,\n"
                             "    created_us INTEGER NOT NULL,\n"
                             "    started_us INTEGER NOT NULL,\n"
                             "    ended_us INTEGER NOT NULL,\n"
                             "    recipients INTEGER NOT NULL,\n"
                             "    left_out TEXT NOT NULL\n"
                             ") STRICT;\n"
                             "CREATE TABLE instance (\n"
                             "    id TEXT PRIMARY KEY,\n"
                             "    action TEXT NOT NULL,\n"
                             "    generation INTEGER NOT NULL,\n"
                             "    boot BLOB NOT NULL,\n"
                             "    pid INTEGER NOT NULL,\n"
                             "    pid_start INTEGER NOT NULL,\n"
                             "    low INTEGER NOT NULL,\n"
                             "    high INTEGER NOT NULL,\n"
                             "    durable_begin INTEGER NOT NULL\n"
                             ") STRICT, WITHOUT ROWID;\n"
                             "PRAGMA user_version = 1;\n";

/* Version 2: the suppression list (store/suppression.h), and why a run may reach whom it does. */
static const char schema_2[] =
    "CREATE TABLE suppression (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    value TEXT NOT NULL,\n"
    "    kind TEXT NOT NULL,\n"
    "    channel TEXT NOT NULL,\n"
    "    scope TEXT NOT NULL,\n"
    "    campaign_id INTEGER NOT NULL,\n"
    "    reason TEXT NOT NULL,\n"
    "    note TEXT NOT NULL,\n"
    "    created_us INTEGER NOT NULL,\n"
    "    origin TEXT NOT NULL,\n"
    "    revision INTEGER NOT NULL UNIQUE,\n"
    "    UNIQUE (value, kind, channel, scope, campaign_id)\n"
    ") STRICT;\n"
    "CREATE TABLE counter (\n"
    "    name TEXT PRIMARY KEY,\n"
    "    value INTEGER NOT NULL\n"
    ") STRICT, WITHOUT ROWID;\n"
    "INSERT INTO counter VALUES ('suppression', 0);\n"
    "ALTER TABLE run ADD COLUMN purpose TEXT NOT NULL DEFAULT '';\n"
    "ALTER TABLE run ADD COLUMN purpose_reason TEXT NOT NULL DEFAULT '';\n"
    "ALTER TABLE run ADD COLUMN consent_reason TEXT NOT NULL DEFAULT '';\n"
    "PRAGMA user_version = 2;\n";

/* Version 3: what came back of tasks (store/confirmation.h). */
static const char schema_3[] = "CREATE TABLE confirmation (\n"
                               "    run INTEGER NOT NULL,\n"
                               "    step INTEGER NOT NULL,\n"
                               "    ordinal INTEGER NOT NULL,\n"
                               "    confirmation INTEGER NOT NULL,\n"
                               "    time_us INTEGER NOT NULL,\n"
                               "    text TEXT NOT NULL,\n"
                               "    PRIMARY KEY (run, step, ordinal)\n"
                               ") STRICT, WITHOUT ROWID;\n"
                               "PRAGMA user_version = 3;\n";

static const char *const schemas[STATE_VERSION] = {schema, schema_2, schema_3};

enum { INSERT_RUN, FIND_RUN, PUT_RUN, PUT_INSTANCE, DROP_INSTANCE, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [INSERT_RUN] = "INSERT INTO run (uuid, campaign_id, campaign, requested_by, request, state, "
                   "reason, created_us, started_us,\n"
                   "                 ended_us, recipients, left_out, purpose, purpose_reason, "
                   "consent_reason)\n"
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', ?7, 0, 0, 0, '{}', ?8, ?9, ?10)",
    [FIND_RUN] = "SELECT number, uuid, campaign_id, campaign, requested_by, request, state, "
                 "reason, created_us, started_us,\n"
                 "       ended_us, recipients, left_out, purpose, purpose_reason, "
                 "consent_reason\n"
                 "FROM run\n"
                 "WHERE uuid = ?1",
    [PUT_RUN] = "UPDATE run\n"
                "SET state = ?2, reason = ?3, started_us = ?4, ended_us = ?5, recipients = ?6, "
                "left_out = ?7\n"
                "WHERE number = ?1",
    /* A log's bounds only ever rise, in whatever order they are written. */
    [PUT_INSTANCE] = "INSERT INTO instance\n"
                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)\n"
                     "ON CONFLICT (id) DO UPDATE\n"
                     "SET low = max(low, excluded.low), high = max(high, excluded.high)",
    [DROP_INSTANCE] = "DELETE FROM instance WHERE id = ?1",
};

const char *run_state_name(enum run_state state)
{
    static const char *const names[RUN_STATES] = {
        [RUN_PREPARING] = "preparing", [RUN_RUNNING] = "running", [RUN_PAUSED] = "paused",
        [RUN_CANCELLED] = "cancelled", [RUN_DONE] = "done",       [RUN_FAILED] = "failed",
    };
    return state > 0 && state < RUN_STATES ? names[state] : "?";
}

static int read_secret(struct state *state, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *insert = sql_prepare(
        state->database.db, "INSERT OR IGNORE INTO setting VALUES ('secret', ?1)", error);
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(state->database.db, "SELECT value FROM setting WHERE name = 'secret'", error);
    if (!insert || !select)
        return -1;
    randombytes_buf(state->secret, sizeof state->secret);
    sqlite3_bind_blob(insert, 1, state->secret, sizeof state->secret, SQLITE_TRANSIENT);
    if (sql_done(insert, error) != 0 || sql_row(select, error) != 1)
        return -1;
    if (sqlite3_column_bytes(select, 0) != sizeof state->secret)
        return error_set(
            error, ERROR_INPUT,
            "state.db: the installation's secret is damaged; restore state_dir from a backup");
    memcpy(state->secret, sqlite3_column_blob(select, 0), sizeof state->secret);
    return 0;
}

int state_open(struct state *state, const char *path, struct error *error)
{
    *state = (struct state){0};
    if (sodium_init() < 0)
        return error_set(error, ERROR_SYSTEM, "libsodium does not start");
    state->database.db = sql_open(path, error);
    if (!state->database.db ||
        sql_migrate(state->database.db, path, schemas, STATE_VERSION, error) != 0 ||
        read_secret(state, error) != 0)
        return -1;
    for (int i = 0; i < STATEMENTS; i++)
        if (!(state->statements[i] = sql_prepare(state->database.db, texts[i], error)))
            return -1;
    return 0;
}

void state_close(struct state *state)
{
    if (state->database.db)
        sql_close(&state->database.db);
    memory_wipe(state->secret, sizeof state->secret);
}

static void read_run(sqlite3_stmt *from, struct run_row *row)
{
    row->number = sqlite3_column_int64(from, 0);
    text_copy(row->uuid, sizeof row->uuid, sql_text(from, 1));
    row->campaign_id = sqlite3_column_int64(from, 2);
    text_copy(row->campaign, sizeof row->campaign, sql_text(from, 3));
    text_copy(row->requested_by, sizeof row->requested_by, sql_text(from, 4));
    row->request = sqlite3_column_int64(from, 5);
    row->state = (enum run_state)sqlite3_column_int(from, 6);
    text_copy(row->reason, sizeof row->reason, sql_text(from, 7));
    row->created_us = sqlite3_column_int64(from, 8);
    row->started_us = sqlite3_column_int64(from, 9);
    row->ended_us = sqlite3_column_int64(from, 10);
    row->recipients = sqlite3_column_int64(from, 11);
    text_copy(row->left_out, sizeof row->left_out, sql_text(from, 12));
    text_copy(row->purpose, sizeof row->purpose, sql_text(from, 13));
    text_copy(row->purpose_reason, sizeof row->purpose_reason, sql_text(from, 14));
    text_copy(row->consent_reason, sizeof row->consent_reason, sql_text(from, 15));
}

int state_new_run(struct state *state, struct run_row *row, int *existed, struct error *error)
{
    sqlite3_stmt *find = state->statements[FIND_RUN];
    sql_bind_text(find, 1, row->uuid);
    *existed = sql_row(find, error);
    if (*existed < 0)
        return -1;
    if (*existed) {
        read_run(find, row);
        sqlite3_reset(find);
        return 0;
    }
    row->created_us = clock_now_us();
    row->state = RUN_PREPARING;
    sqlite3_stmt *insert = state->statements[INSERT_RUN];
    sql_bind_text(insert, 1, row->uuid);
    sqlite3_bind_int64(insert, 2, row->campaign_id);
    sql_bind_text(insert, 3, row->campaign);
    sql_bind_text(insert, 4, row->requested_by);
    sqlite3_bind_int64(insert, 5, row->request);
    sqlite3_bind_int(insert, 6, row->state);
    sqlite3_bind_int64(insert, 7, row->created_us);
    sql_bind_text(insert, 8, row->purpose);
    sql_bind_text(insert, 9, row->purpose_reason);
    sql_bind_text(insert, 10, row->consent_reason);
    if (sql_done(insert, error) != 0)
        return -1;
    row->number = sqlite3_last_insert_rowid(state->database.db);
    return 0;
}

int state_put_run(struct state *state, const struct run_row *row, struct error *error)
{
    sqlite3_stmt *put = state->statements[PUT_RUN];
    sqlite3_bind_int64(put, 1, row->number);
    sqlite3_bind_int(put, 2, row->state);
    sql_bind_text(put, 3, row->reason);
    sqlite3_bind_int64(put, 4, row->started_us);
    sqlite3_bind_int64(put, 5, row->ended_us);
    sqlite3_bind_int64(put, 6, row->recipients);
    sql_bind_text(put, 7, row->left_out);
    return sql_done(put, error);
}

int state_runs(struct state *state, struct run_row **rows, size_t *count, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(state->database.db,
                    "SELECT number, uuid, campaign_id, campaign, requested_by, request, state, "
                    "reason, created_us,\n"
                    "       started_us, ended_us, recipients, left_out, purpose, "
                    "purpose_reason, consent_reason\n"
                    "FROM run\n"
                    "ORDER BY number DESC",
                    error);
    *rows = NULL;
    *count = 0;
    if (!select)
        return -1;
    int more;
    while ((more = sql_row(select, error)) > 0) {
        *rows = memory_resize(*rows, (*count + 1) * sizeof **rows);
        read_run(select, &(*rows)[(*count)++]);
    }
    return more;
}

int state_put_instance(struct state *state, const struct instance_row *row, struct error *error)
{
    sqlite3_stmt *put = state->statements[PUT_INSTANCE];
    sql_bind_text(put, 1, row->id);
    sql_bind_text(put, 2, row->action);
    sqlite3_bind_int64(put, 3, row->identity.generation);
    sqlite3_bind_blob(put, 4, row->identity.boot, sizeof row->identity.boot, SQLITE_TRANSIENT);
    sqlite3_bind_int64(put, 5, row->identity.pid);
    sqlite3_bind_int64(put, 6, (int64_t)row->identity.pid_start);
    sqlite3_bind_int64(put, 7, row->low);
    sqlite3_bind_int64(put, 8, row->high);
    sqlite3_bind_int(put, 9, row->durable_begin);
    return sql_done(put, error);
}

int state_drop_instance(struct state *state, const char *id, struct error *error)
{
    sqlite3_stmt *drop = state->statements[DROP_INSTANCE];
    sql_bind_text(drop, 1, id);
    return sql_done(drop, error);
}

static int read_instance(sqlite3_stmt *from, struct instance_row *row, struct error *error)
{
    *row = (struct instance_row){0};
    text_copy(row->id, sizeof row->id, sql_text(from, 0));
    text_copy(row->action, sizeof row->action, sql_text(from, 1));
    row->identity.generation = (uint32_t)sqlite3_column_int64(from, 2);
    row->identity.pid = (uint32_t)sqlite3_column_int64(from, 4);
    row->identity.pid_start = (uint64_t)sqlite3_column_int64(from, 5);
    row->low = (uint32_t)sqlite3_column_int64(from, 6);
    row->high = (uint32_t)sqlite3_column_int64(from, 7);
    row->durable_begin = sqlite3_column_int(from, 8);
    if (text_unhex(row->identity.instance, sizeof row->identity.instance, row->id) != 0 ||
        sqlite3_column_bytes(from, 3) != sizeof row->identity.boot)
        return error_set(error, ERROR_INPUT, "state.db: the instance %s is damaged", row->id);
    memcpy(row->identity.boot, sqlite3_column_blob(from, 3), sizeof row->identity.boot);
    return 0;
}

int state_instances(struct state *state, struct instance_row **rows, size_t *count,
                    struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(
        state->database.db,
        "SELECT id, action, generation, boot, pid, pid_start, low, high, durable_begin\n"
        "FROM instance",
        error);
    *rows = NULL;
    *count = 0;
    if (!select)
        return -1;
    int more;
    while ((more = sql_row(select, error)) > 0) {
        *rows = memory_resize(*rows, (*count + 1) * sizeof **rows);
        if (read_instance(select, &(*rows)[(*count)++], error) != 0)
            return -1;
    }
    return more;
}
