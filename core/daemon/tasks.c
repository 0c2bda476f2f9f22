/* Tasks that wait or are dealt out have no row of their own in the journal, and so are not listed.
 * Each step is a range of task numbers, so that one statement serves the steps one by one. */
#include "daemon/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "run/journal.h"
#include "source/rows.h"
#include "store/sql.h"

#define LIST_DEFAULT 100
#define ORDINAL_MAXIMUM ((INT64_C(1) << JOURNAL_TASK_BITS) - 1)

struct tasks_work {
    uv_work_t work;
    struct api_request *request;
    char *journal_path, *rows_path;
    int64_t outcome; /* an enum outcome_status, or 0: all */
    int64_t ordinal; /* of the one recipient that is asked for, or 0: all */
    size_t limit;
    json_t *result;
    bool failed;
    struct error error;
};

/* ---- on the pool ---- */

/* A deferred task whose time has come waits again, though its row is still there. */
static sqlite3_stmt *prepare_tasks(sqlite3 *journal, struct error *error)
{
    return sql_prepare(journal,
                       "SELECT task, status, code, attempt, time_us, remote_id, text\n"
                       "FROM outcome\n"
                       "WHERE task BETWEEN ?1 AND ?2 AND (?3 = 0 OR status = ?3)\n"
                       "UNION ALL\n"
                       "SELECT task, ?4, code, attempt, not_before_us, NULL, text\n"
                       "FROM deferred\n"
                       "WHERE task BETWEEN ?1 AND ?2 AND ?3 IN (0, ?4) AND not_before_us > 0\n"
                       "ORDER BY task\n"
                       "LIMIT ?5",
                       error);
}

/* What a plugin or a server said may be in any encoding; an answer is UTF-8. */
static json_t *readable(const char *text)
{
    if (text_is_utf8(text, strlen(text)))
        return json_string(text);
    FREE_CLEAN char *plain = memory_text(text);
    for (char *c = plain; *c; c++)
        if (*c & 0x80)
            *c = '?';
    return json_string(plain);
}

static int append_task(struct tasks_work *work, sqlite3_stmt *row, const char *step,
                       struct rows *rows, struct error *error)
{
    struct rows_value key = {.text = ""};
    char time[TEXT_TIME_SIZE];
    int64_t ordinal = sqlite3_column_int64(row, 0) & ORDINAL_MAXIMUM;
    if (rows_seek(rows, ordinal, ordinal, error) != 0 || rows_next(rows, error) < 0)
        return -1;
    rows_key(rows, &key);
    text_time(time, sqlite3_column_int64(row, 4));
    json_array_append_new(
        work->result,
        json_pack("{s:o, s:s, s:s, s:i, s:i, s:s, s:o, s:o}", "recipient", readable(key.text),
                  "step", step, "outcome", outcome_name(sqlite3_column_int(row, 1)), "code",
                  sqlite3_column_int(row, 2), "attempt", sqlite3_column_int(row, 3), "time", time,
                  "remote_id", readable(sql_text(row, 5)), "text", readable(sql_text(row, 6))));
    return 0;
}

static int list_step(struct tasks_work *work, sqlite3_stmt *select, int64_t number,
                     const char *step, struct rows *rows, struct error *error)
{
    int64_t base = number << JOURNAL_TASK_BITS;
    int more;
    sqlite3_bind_int64(select, 1, base | work->ordinal);
    sqlite3_bind_int64(select, 2, base | (work->ordinal ? work->ordinal : ORDINAL_MAXIMUM));
    sqlite3_bind_int64(select, 3, work->outcome);
    sqlite3_bind_int(select, 4, OUTCOME_DEFERRED);
    sqlite3_bind_int64(select, 5, (int64_t)(work->limit - json_array_size(work->result)));
    while ((more = sql_row(select, error)) > 0)
        if (append_task(work, select, step, rows, error) != 0)
            return -1;
    return more;
}

static int list_steps(struct tasks_work *work, sqlite3 *journal, struct rows *rows,
                      struct error *error)
{
    const struct api_request *request = work->request;
    STATEMENT_CLEAN sqlite3_stmt *select = prepare_tasks(journal, error);
    STATEMENT_CLEAN sqlite3_stmt *steps = sql_prepare(journal,
                                                      "SELECT number, name\n"
                                                      "FROM step\n"
                                                      "WHERE ?1 IS NULL OR name = ?1\n"
                                                      "ORDER BY number",
                                                      error);
    if (!select || !steps)
        return -1;
    sql_bind_text(steps, 1, request->step);
    bool found = false;
    int more;
    while ((more = sql_row(steps, error)) > 0) {
        found = true;
        if (list_step(work, select, sqlite3_column_int64(steps, 0), sql_text(steps, 1), rows,
                      error) < 0)
            return -1;
    }
    if (!more && !found && request->step)
        return error_say(error, ERROR_NOT_FOUND, "run %lld has no step »%.200s«",
                         "Ausführung %lld hat keinen Schritt »%.200s«", (long long)request->run,
                         request->step);
    return more;
}

static int list(struct tasks_work *work, struct error *error)
{
    const struct api_request *request = work->request;
    SQL_CLEAN sqlite3 *journal = sql_open_readonly(work->journal_path, error);
    ROWS_CLEAN struct rows *rows = journal ? rows_open(work->rows_path, error) : NULL;
    if (!rows)
        return -1;
    if (request->recipient) {
        int found = rows_find_key(rows, request->recipient, &work->ordinal, error);
        if (found < 0)
            return -1;
        if (!found)
            return error_say(error, ERROR_NOT_FOUND,
                             "run %lld has no recipient with the key »%.200s«; who is blocked or "
                             "was left out is none",
                             "Ausführung %lld hat keinen Empfänger mit dem Schlüssel »%.200s«; wer "
                             "gesperrt ist oder ausgelassen wurde, ist keiner",
                             (long long)request->run, request->recipient);
    }
    return list_steps(work, journal, rows, error);
}

static void on_pool(uv_work_t *pool)
{
    struct tasks_work *work = pool->data;
    work->failed = list(work, &work->error) < 0;
}

/* ---- on the loop ---- */

static void on_done(uv_work_t *pool, int status)
{
    struct tasks_work *work = pool->data;
    (void)status;
    if (work->failed) {
        json_decref(work->result);
        api_answer_error(work->request, &work->error);
    } else {
        api_answer(work->request, 200, work->result);
    }
    free(work->journal_path);
    free(work->rows_path);
    free(work);
}

static int find_outcome(const char *name, int64_t *outcome, struct error *error)
{
    *outcome = 0;
    if (!name)
        return 0;
    for (int status = 1; status < OUTCOME_STATUSES; status++)
        if (text_equal(name, outcome_name(status))) {
            *outcome = status;
            return 0;
        }
    return error_set(error, ERROR_INPUT,
                     "the parameter \"outcome\" must be rejected, unknown, skipped, deferred or "
                     "delivered, not \"%.80s\"",
                     name);
}

void tasks_call(struct daemon *daemon, struct api_request *request)
{
    const char *state_dir = daemon->conf->daemon.state_dir;
    struct error error;
    int64_t outcome;
    int found = find_outcome(request->outcome, &outcome, &error);
    if (found == 0)
        found = runner_has_begun(daemon->runner, request->run, &error);
    if (found < 0) {
        api_answer_error(request, &error);
        return;
    }
    if (!found) { /* nothing became of anybody */
        api_answer(request, 200, json_array());
        return;
    }
    struct tasks_work *work = memory_new(sizeof *work);
    work->request = request;
    work->journal_path = runner_journal_path(state_dir, request->run);
    work->rows_path = runner_rows_path(state_dir, request->run);
    work->outcome = outcome;
    work->limit = request->limit ? (size_t)request->limit : LIST_DEFAULT;
    work->result = json_array();
    work->work.data = work;
    uv_queue_work(daemon->loop, &work->work, on_pool, on_done);
}
