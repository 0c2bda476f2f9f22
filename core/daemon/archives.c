#include "daemon/archives.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/archive.h"
#include "run/journal.h"
#include "source/rows.h"
#include "store/sql.h"

#define LIST_DEFAULT 100
#define FAULTS_SHOWN 1000

struct archive_work {
    uv_work_t work;
    struct daemon *daemon;
    struct api_request *request;
    char *state_dir;
    int64_t *runs; /* the runs to look at, newest first */
    size_t run_count;
    json_t *result;
    struct archive_entry entry;
    struct buffer bytes;
    bool failed;
    struct error error;
};

static sqlite3 *open_journal(const struct archive_work *work, int64_t run, struct error *error)
{
    FREE_CLEAN char *path = runner_journal_path(work->state_dir, run);
    return sql_open_readonly(path, error);
}

static struct rows *open_rows(const struct archive_work *work, int64_t run, struct error *error)
{
    FREE_CLEAN char *path = runner_rows_path(work->state_dir, run);
    return rows_open(path, error);
}

/* ---- list ---- */

static json_t *document_json(sqlite3_stmt *row, int64_t run, const char *key)
{
    char time[TEXT_TIME_SIZE];
    text_time(time, sqlite3_column_int64(row, 6));
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "run", (json_int_t)run,
                     "document", (json_int_t)sqlite3_column_int64(row, 0), "recipient", key, "step",
                     sql_text(row, 2), "name", sql_text(row, 3), "mime_type", sql_text(row, 4),
                     "length", (json_int_t)sqlite3_column_int64(row, 5), "time", time, "outcome",
                     outcome_name(sqlite3_column_int(row, 7)));
}

static const char *key_of(struct rows *rows, int64_t ordinal, struct error *error)
{
    struct rows_value key = {.text = ""};
    if (rows_seek(rows, ordinal, ordinal, error) == 0 && rows_next(rows, error) > 0)
        rows_key(rows, &key);
    return key.text;
}

static int list_run(struct archive_work *work, int64_t run, size_t limit, struct error *error)
{
    int64_t only = 0;
    SQL_CLEAN sqlite3 *journal = open_journal(work, run, error);
    ROWS_CLEAN struct rows *rows = journal ? open_rows(work, run, error) : NULL;
    if (!rows)
        return -1;
    if (work->request->recipient) {
        int found = rows_find_key(rows, work->request->recipient, &only, error);
        if (found <= 0)
            return found;
    }
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(journal,
                    "SELECT document.id, document.task & ?1, step.name, document.name, mime_type, "
                    "length, time_us, status\n"
                    "FROM document\n"
                    "JOIN outcome ON outcome.task = document.task\n"
                    "JOIN step ON step.number = document.task >> ?2\n"
                    "WHERE ?3 = 0 OR document.task IN (SELECT number << ?2 | ?3 FROM step)\n"
                    "ORDER BY document.id DESC\n"
                    "LIMIT ?4",
                    error);
    if (!select)
        return -1;
    sqlite3_bind_int64(select, 1, (INT64_C(1) << JOURNAL_TASK_BITS) - 1);
    sqlite3_bind_int(select, 2, JOURNAL_TASK_BITS);
    sqlite3_bind_int64(select, 3, only);
    sqlite3_bind_int64(select, 4, (int64_t)(limit - json_array_size(work->result)));
    int more;
    while ((more = sql_row(select, error)) > 0)
        json_array_append_new(
            work->result,
            document_json(select, run, key_of(rows, sqlite3_column_int64(select, 1), error)));
    return more;
}

static int list(struct archive_work *work, struct error *error)
{
    size_t limit = work->request->limit ? (size_t)work->request->limit : LIST_DEFAULT;
    work->result = json_array();
    for (size_t i = 0; i < work->run_count && json_array_size(work->result) < limit; i++)
        if (list_run(work, work->runs[i], limit, error) < 0)
            return -1;
    return 0;
}

/* ---- get ---- */

static int get(struct archive_work *work, struct error *error)
{
    const struct api_request *request = work->request;
    SQL_CLEAN sqlite3 *journal = work->run_count ? open_journal(work, request->run, error) : NULL;
    if (!journal)
        return error_say(error, ERROR_NOT_FOUND, "there is no run %lld",
                         "Eine Ausführung %lld gibt es nicht", (long long)request->run);
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(journal, "SELECT " JOURNAL_ENTRY_COLUMNS " FROM document WHERE id = ?1", error);
    if (!select)
        return -1;
    sqlite3_bind_int64(select, 1, request->document);
    int found = sql_row(select, error);
    if (found < 0)
        return -1;
    if (!found)
        return error_say(error, ERROR_NOT_FOUND, "run %lld has no document %lld",
                         "Ausführung %lld hat kein Dokument %lld", (long long)request->run,
                         (long long)request->document);
    journal_read_entry(select, &work->entry);
    FREE_CLEAN char *folder = runner_archive_path(work->state_dir, request->run);
    return archive_read(folder, &work->entry, &work->bytes, error);
}

/* ---- verify ---- */

struct verifying {
    sqlite3_stmt *entries;
    int64_t run;
    json_t *faults;
    uint64_t unshown;
};

static int next_entry(void *context, struct archive_entry *entry, struct error *error)
{
    struct verifying *verifying = context;
    int more = sql_row(verifying->entries, error);
    if (more > 0)
        journal_read_entry(verifying->entries, entry);
    return more;
}

static void on_fault(void *context, enum archive_fault fault, const char *segment, uint64_t number,
                     const char *message)
{
    struct verifying *verifying = context;
    if (json_array_size(verifying->faults) >= FAULTS_SHOWN)
        verifying->unshown++;
    else
        json_array_append_new(verifying->faults,
                              json_pack("{s:I, s:s, s:s, s:I, s:s}", "run",
                                        (json_int_t)verifying->run, "kind",
                                        archive_fault_name(fault), "segment", segment, "number",
                                        (json_int_t)number, "message", message));
}

static int verify_run(struct archive_work *work, int64_t run, json_t *faults,
                      struct archive_totals *sum, struct error *error)
{
    struct archive_totals totals = {0};
    SQL_CLEAN sqlite3 *journal = open_journal(work, run, error);
    STATEMENT_CLEAN sqlite3_stmt *entries =
        journal
            ? sql_prepare(journal,
                          "SELECT " JOURNAL_ENTRY_COLUMNS " FROM document ORDER BY segment, number",
                          error)
            : NULL;
    ROWS_CLEAN struct rows *rows = entries ? open_rows(work, run, error) : NULL;
    if (!rows)
        return -1;
    FREE_CLEAN char *folder = runner_archive_path(work->state_dir, run);
    struct verifying verifying = {.entries = entries, .run = run, .faults = faults};
    struct archive_verify verify = {.next = next_entry, .report = on_fault, .context = &verifying};
    if (archive_verify(folder, rows_uuid(rows), &verify, &totals, error) != 0)
        return -1;
    sum->documents += totals.documents;
    sum->uncommitted += totals.uncommitted;
    sum->faults += totals.faults;
    return 0;
}

static int verify(struct archive_work *work, struct error *error)
{
    struct archive_totals sum = {0};
    json_t *faults = json_array();
    for (size_t i = 0; i < work->run_count; i++)
        if (verify_run(work, work->runs[i], faults, &sum, error) != 0) {
            json_decref(faults);
            return -1;
        }
    work->result = json_pack("{s:b, s:I, s:I, s:o}", "ok", sum.faults == 0, "documents",
                             (json_int_t)sum.documents, "uncommitted", (json_int_t)sum.uncommitted,
                             "faults", faults);
    return 0;
}

/* ---- pool and loop ---- */

static void on_pool(uv_work_t *pool)
{
    struct archive_work *work = pool->data;
    int result = work->request->operation == API_ARCHIVE_LIST  ? list(work, &work->error)
                 : work->request->operation == API_ARCHIVE_GET ? get(work, &work->error)
                                                               : verify(work, &work->error);
    work->failed = result < 0;
}

static void on_done(uv_work_t *pool, int status)
{
    struct archive_work *work = pool->data;
    (void)status;
    if (work->failed) {
        json_decref(work->result);
        api_answer_error(work->request, &work->error);
    } else if (work->result)
        api_answer(work->request, 200, work->result);
    else
        api_answer_bytes(work->request, work->entry.mime_type, work->entry.name,
                         buffer_string(&work->bytes), work->bytes.size);
    buffer_free(&work->bytes);
    free(work->runs);
    free(work->state_dir);
    free(work);
}

/* The runs that have files: all, or the one that is asked for. */
static void choose_runs(struct archive_work *work)
{
    json_t *wanted = json_object_get(work->request->body, "run");
    int64_t only = work->request->run ? work->request->run : json_integer_value(wanted);
    json_t *runs = runner_runs_json(work->daemon->runner, 0), *run;
    size_t index;
    work->runs = memory_array(json_array_size(runs), sizeof *work->runs);
    json_array_foreach(runs, index, run) {
        int64_t number = json_integer_value(json_object_get(run, "number"));
        if ((!only || number == only) && !json_is_null(json_object_get(run, "started_at")))
            work->runs[work->run_count++] = number;
    }
    json_decref(runs);
    if (only && !work->run_count) {
        work->failed = true;
        error_say(&work->error, ERROR_NOT_FOUND, "there is no run %lld with an archive",
                  "Eine Ausführung %lld mit Archiv gibt es nicht", (long long)only);
    }
}

void archives_call(struct daemon *daemon, struct api_request *request)
{
    struct archive_work *work = memory_new(sizeof *work);
    work->daemon = daemon;
    work->request = request;
    work->state_dir = memory_text(daemon->conf->daemon.state_dir);
    work->work.data = work;
    choose_runs(work);
    if (work->failed)
        on_done(&work->work, 0);
    else
        uv_queue_work(daemon->loop, &work->work, on_pool, on_done);
}
