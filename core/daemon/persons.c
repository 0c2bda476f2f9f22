/*
 * One person's data lies in many files: the rows file and the journal of each run, the suppression list, the picks of campaigns.
 * All of them are only read, on the pool, one run after the other.
 */
#include "daemon/persons.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "run/journal.h"
#include "source/rows.h"
#include "source/snapshot.h"
#include "store/confirmation.h"
#include "store/sql.h"
#include "store/suppression.h"

#define RUNS_MOST 1000
#define LIST_MOST 1000 /* of suppressions by one value, of picks */

struct person {
    uv_work_t pool;
    struct api_request *request;
    char *state_dir;
    const char *key;
    json_t *runs, *suppressions, *picks, *unreadable;
    json_t *addresses; /* {NORMALISED: true}: those of him that runs know */
    json_t *listed;    /* {"ID": true}: the entries that are told already */
    sqlite3_stmt *confirmation;
    bool more;
    bool failed;
    struct error error;
};

/* The present run's files while it is looked at. */
struct look {
    struct person *person;
    struct rows *rows;
    sqlite3 *journal;
    int64_t run, ordinal;
    json_t *json;
};

/* ---- values ---- */

static json_t *readable(const char *text, size_t size)
{
    if (text_is_utf8(text, size))
        return json_stringn(text, size);
    BUFFER_CLEAN struct buffer base64 = {0};
    text_base64(&base64, text, size);
    return json_pack("{s:s}", "base64", buffer_string(&base64));
}

static json_t *value_json(const struct rows_value *value)
{
    struct source_value same = {.type = value->type,
                                .integer = value->integer,
                                .real = value->real,
                                .text = value->text,
                                .length = value->length};
    return snapshot_value_json(&same);
}

static json_t *cell_json(sqlite3_stmt *row, int column)
{
    struct rows_value value;
    rows_cell(row, column, &value);
    return value_json(&value);
}

static json_t *text_json(sqlite3_stmt *row, int column)
{
    const char *text = sql_text(row, column);
    return readable(text, strlen(text));
}

static json_t *moment_json(int64_t time_us)
{
    char text[TEXT_TIME_SIZE];
    if (!time_us)
        return json_null();
    text_time(text, time_us);
    return json_string(text);
}

/* ---- the frozen row ---- */

static void keep_address(struct look *look, const struct rows_field *field, sqlite3_stmt *row,
                         int column)
{
    char normal[ADDRESS_SIZE];
    bool phone = strcmp(field->role, "phone") == 0;
    if (!phone && strcmp(field->role, "email") != 0)
        return;
    const char *text = sql_text(row, column);
    size_t size = phone ? address_normal_phone(normal, text, strlen(text))
                        : address_normal_email(normal, text, strlen(text));
    if (size)
        json_object_set_new(look->person->addresses, normal, json_true());
}

/* The columns c0 … of a row whose column `first` is c0. */
static void add_columns(struct look *look, sqlite3_stmt *row, int first)
{
    json_t *columns = json_array(), *consent = json_object();
    for (unsigned i = 0; i < rows_field_count(look->rows); i++) {
        const struct rows_field *field = rows_field(look->rows, i);
        json_t *value = cell_json(row, first + (int)i);
        keep_address(look, field, row, first + (int)i);
        if (text_starts(field->role, "consent"))
            json_object_set(consent, field->role, value);
        json_array_append_new(columns, json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", field->name,
                                                 "role", field->role, "label_de", field->label_de,
                                                 "label_en", field->label_en, "value", value));
    }
    json_object_set_new(look->json, "columns", columns);
    json_object_set_new(look->json, "consent", consent);
}

static int add_row(struct look *look, const char *statement, int first, const char *as,
                   struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(rows_database(look->rows), statement, error);
    if (!select)
        return -1;
    sqlite3_bind_int64(select, 1, look->ordinal);
    sql_bind_text(select, 2, look->person->key);
    int found = sql_row(select, error);
    if (found <= 0)
        return found;
    json_object_set_new(look->json, "as", json_string(as));
    add_columns(look, select, first);
    return 1;
}

/* He is a recipient, or a member of a unit whose first person is one. */
static int add_recipient(struct look *look, struct error *error)
{
    int found = add_row(look,
                        "SELECT *\n"
                        "FROM recipient\n"
                        "WHERE ordinal = ?1 AND CAST(key AS TEXT) = ?2",
                        2, "recipient", error);
    if (found)
        return found;
    STATEMENT_CLEAN sqlite3_stmt *head = sql_prepare(
        rows_database(look->rows), "SELECT key FROM recipient WHERE ordinal = ?1", error);
    if (!head)
        return -1;
    sqlite3_bind_int64(head, 1, look->ordinal);
    if (sql_row(head, error) < 0)
        return -1;
    json_object_set_new(look->json, "recipient", text_json(head, 0));
    return add_row(look, "SELECT * FROM member WHERE ordinal = ?1 AND key = ?2", 3, "member",
                   error);
}

static int add_detail_rows(struct look *look, unsigned group, json_t *rows, struct error *error)
{
    const struct rows_detail *detail = rows_detail(look->rows, group);
    struct rows_walk *walk = rows_walk(look->rows, (int)group, look->ordinal, error);
    int more = walk ? 1 : -1;
    while (more > 0 && (more = rows_walk_next(walk, error)) > 0) {
        json_t *row = json_object();
        for (unsigned i = 0; i < detail->field_count; i++)
            json_object_set_new(row, detail->fields[i].name,
                                value_json(rows_walk_value(walk, (int)i)));
        json_array_append_new(rows, row);
    }
    rows_walk_end(walk);
    return more;
}

/* They hang on the key of the unit's first person: they are not the others'. */
static int add_details(struct look *look, struct error *error)
{
    json_t *details = json_array();
    json_object_set_new(look->json, "details", details);
    if (!text_equal(json_string_value(json_object_get(look->json, "as")), "recipient"))
        return 0;
    for (unsigned i = 0; i < rows_detail_count(look->rows); i++) {
        json_t *rows = json_array();
        json_array_append_new(details, json_pack("{s:s, s:o}", "name",
                                                 rows_detail(look->rows, i)->name, "rows", rows));
        if (add_detail_rows(look, i, rows, error) != 0)
            return -1;
    }
    return 0;
}

/* ---- what became of it ---- */

/* What has neither an outcome nor is put off waits, or is under way. */
static int add_tasks(struct look *look, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(look->journal,
                    "SELECT step.name, outcome.status, outcome.code, outcome.attempt, "
                    "outcome.time_us, outcome.remote_id, outcome.text, deferred.attempt,\n"
                    "       deferred.text, step.number\n"
                    "FROM step\n"
                    "LEFT JOIN outcome ON outcome.task = step.number << ?2 | ?1\n"
                    "LEFT JOIN deferred ON deferred.task = step.number << ?2 | ?1\n"
                    "ORDER BY step.number",
                    error);
    json_t *tasks = json_array();
    json_object_set_new(look->json, "tasks", tasks);
    if (!select)
        return -1;
    sqlite3_bind_int64(select, 1, look->ordinal);
    sqlite3_bind_int(select, 2, JOURNAL_TASK_BITS);
    int more;
    while ((more = sql_row(select, error)) > 0) {
        int status = sqlite3_column_int(select, 1);
        bool deferred = sqlite3_column_type(select, 7) != SQLITE_NULL;
        const char *outcome = status     ? outcome_name(status)
                              : deferred ? outcome_name(OUTCOME_DEFERRED)
                                         : "waiting";
        int confirmation = confirmation_of(look->person->confirmation, look->run,
                                           sqlite3_column_int64(select, 9), look->ordinal, error);
        if (confirmation < 0)
            return -1;
        json_array_append_new(
            tasks, json_pack("{s:o, s:s, s:s, s:i, s:i, s:o, s:o, s:o}", "step",
                             text_json(select, 0), "outcome", outcome, "confirmation",
                             confirmation_name(confirmation), "code", sqlite3_column_int(select, 2),
                             "attempt", sqlite3_column_int(select, status || !deferred ? 3 : 7),
                             "time", moment_json(sqlite3_column_int64(select, 4)), "remote_id",
                             text_json(select, 5), "text",
                             text_json(select, status || !deferred ? 6 : 8)));
    }
    return more;
}

static json_t *document_json(struct look *look, sqlite3_stmt *row)
{
    struct archive_entry entry = {0};
    char hash[2 * sizeof entry.hash + 1];
    sql_blob(row, 5, entry.hash, sizeof entry.hash);
    text_hex(hash, entry.hash, sizeof entry.hash);
    return json_pack("{s:I, s:o, s:o, s:o, s:I, s:s, s:o, s:I}", "document",
                     (json_int_t)sqlite3_column_int64(row, 0), "step", text_json(row, 1), "name",
                     text_json(row, 2), "mime_type", text_json(row, 3), "size",
                     (json_int_t)sqlite3_column_int64(row, 4), "hash", hash, "file",
                     json_sprintf("archive/%lld/%s", (long long)look->run, sql_text(row, 6)),
                     "number", (json_int_t)sqlite3_column_int64(row, 7));
}

static int add_documents(struct look *look, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(look->journal,
                    "SELECT document.id, step.name, document.name, mime_type, length, hash, "
                    "segment, document.number\n"
                    "FROM step\n"
                    "JOIN document ON document.task = step.number << ?2 | ?1\n"
                    "ORDER BY step.number, position",
                    error);
    json_t *documents = json_array();
    json_object_set_new(look->json, "documents", documents);
    if (!select)
        return -1;
    sqlite3_bind_int64(select, 1, look->ordinal);
    sqlite3_bind_int(select, 2, JOURNAL_TASK_BITS);
    int more;
    while ((more = sql_row(select, error)) > 0)
        json_array_append_new(documents, document_json(look, select));
    return more;
}

/* ---- one run ---- */

static int add_left_out(struct look *look, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(rows_database(look->rows),
                    "SELECT reason, detail FROM left_out WHERE CAST(key AS TEXT) = ?1", error);
    json_t *left_out = json_array();
    json_object_set_new(look->json, "left_out", left_out);
    if (!select)
        return -1;
    sql_bind_text(select, 1, look->person->key);
    int more;
    while ((more = sql_row(select, error)) > 0)
        json_array_append_new(left_out, json_pack("{s:o, s:o}", "reason", text_json(select, 0),
                                                  "detail", text_json(select, 1)));
    return more;
}

static int fill_look(struct look *look, struct error *error)
{
    FREE_CLEAN char *path = runner_journal_path(look->person->state_dir, look->run);
    FREE_CLEAN char *rows = runner_rows_path(look->person->state_dir, look->run);
    if (!(look->rows = rows_open(rows, error)) || add_left_out(look, error) != 0)
        return -1;
    int found = rows_find_key(look->rows, look->person->key, &look->ordinal, error);
    if (found <= 0)
        return found;
    if (!(look->journal = sql_open_readonly(path, error)) || add_recipient(look, error) < 0 ||
        add_details(look, error) != 0 || add_tasks(look, error) != 0 ||
        add_documents(look, error) != 0)
        return -1;
    return 1;
}

static json_t *run_json(sqlite3_stmt *row)
{
    return json_pack("{s:I, s:o, s:I, s:s, s:o, s:o, s:o, s:o}", "run",
                     (json_int_t)sqlite3_column_int64(row, 0), "campaign", text_json(row, 1),
                     "campaign_id", (json_int_t)sqlite3_column_int64(row, 2), "state",
                     run_state_name((enum run_state)sqlite3_column_int(row, 3)), "started_at",
                     moment_json(sqlite3_column_int64(row, 4)), "purpose", text_json(row, 5),
                     "purpose_reason", text_json(row, 6), "consent_reason", text_json(row, 7));
}

static void look_at_run(struct person *person, sqlite3_stmt *row)
{
    struct error error;
    struct look look = {
        .person = person, .run = sqlite3_column_int64(row, 0), .json = run_json(row)};
    int found = fill_look(&look, &error);
    if (found < 0)
        json_array_append_new(
            person->unreadable,
            json_pack("{s:I, s:s}", "run", (json_int_t)look.run, "message", error.message));
    else if (found || json_array_size(json_object_get(look.json, "left_out")))
        json_array_append(person->runs, look.json);
    json_decref(look.json);
    rows_close(look.rows);
    sql_close(&look.journal);
}

static int look_at_runs(struct person *person, const char *state, struct error *error)
{
    SQL_CLEAN sqlite3 *db = sql_open_readonly(state, error);
    STATEMENT_CLEAN sqlite3_stmt *select =
        db ? sql_prepare(db,
                         "SELECT number, campaign, campaign_id, state, started_us, purpose, "
                         "purpose_reason, consent_reason\n"
                         "FROM run\n"
                         "WHERE started_us > 0\n"
                         "ORDER BY number DESC",
                         error)
           : NULL;
    STATEMENT_CLEAN sqlite3_stmt *confirmation = select ? confirmation_prepare(db, error) : NULL;
    int more;
    if (!confirmation)
        return -1;
    person->confirmation = confirmation;
    for (size_t seen = 0; (more = sql_row(select, error)) > 0; seen++) {
        if (seen == RUNS_MOST) {
            person->more = true;
            return 0;
        }
        look_at_run(person, select);
    }
    return more;
}

/* ---- beside the runs ---- */

static int add_suppressions(struct person *person, const char *state, const char *value,
                            const char *kind, struct error *error)
{
    json_t *list = suppression_list(state, value, 0, LIST_MOST, error), *entry;
    size_t index;
    if (!list)
        return -1;
    json_array_foreach(list, index, entry) {
        const char *is = json_string_value(json_object_get(entry, "kind"));
        FREE_CLEAN char *id =
            memory_format("%lld", json_integer_value(json_object_get(entry, "id")));
        if (!text_equal(is, kind) || json_object_get(person->listed, id))
            continue;
        json_object_set_new(person->listed, id, json_true());
        json_array_append(person->suppressions, entry);
    }
    json_decref(list);
    return 0;
}

/* Read here and not by the desk's connection: nothing of it is to be changed or checked. */
static int add_picks(struct person *person, struct error *error)
{
    FREE_CLEAN char *path = memory_format("%s/definitions/definitions.db", person->state_dir);
    SQL_CLEAN sqlite3 *db = sql_open_readonly(path, error);
    STATEMENT_CLEAN sqlite3_stmt *select =
        db ? sql_prepare(db,
                         "SELECT campaign.id, campaign.name, pick\n"
                         "FROM campaign_pick\n"
                         "JOIN campaign ON campaign.id = campaign_pick.campaign\n"
                         "WHERE key = ?1\n"
                         "ORDER BY campaign.id\n"
                         "LIMIT ?2",
                         error)
           : NULL;
    int more;
    if (!select)
        return -1;
    sql_bind_text(select, 1, person->key);
    sqlite3_bind_int(select, 2, LIST_MOST);
    while ((more = sql_row(select, error)) > 0)
        json_array_append_new(person->picks,
                              json_pack("{s:I, s:o, s:o}", "campaign_id",
                                        (json_int_t)sqlite3_column_int64(select, 0), "campaign",
                                        text_json(select, 1), "pick", text_json(select, 2)));
    return more;
}

static int gather(struct person *person, struct error *error)
{
    FREE_CLEAN char *state = memory_format("%s/state.db", person->state_dir);
    const char *address;
    json_t *known;
    if (look_at_runs(person, state, error) != 0 ||
        add_suppressions(person, state, person->key, "person", error) != 0)
        return -1;
    json_object_foreach(person->addresses, address, known)
        if (add_suppressions(person, state, address, "address", error) != 0)
            return -1;
    return add_picks(person, error);
}

static void gather_on_pool(uv_work_t *pool)
{
    struct person *person = pool->data;
    person->failed = gather(person, &person->error) != 0;
}

/* ---- on the loop ---- */

static void on_gathered(uv_work_t *pool, int status)
{
    struct person *person = pool->data;
    (void)status;
    if (person->failed)
        api_answer_error(person->request, &person->error);
    else
        api_answer(person->request, 200,
                   json_pack("{s:s, s:O, s:O, s:O, s:O, s:b}", "key", person->key, "runs",
                             person->runs, "suppressions", person->suppressions, "picks",
                             person->picks, "unreadable", person->unreadable, "more",
                             person->more));
    json_decref(person->runs);
    json_decref(person->suppressions);
    json_decref(person->picks);
    json_decref(person->unreadable);
    json_decref(person->addresses);
    json_decref(person->listed);
    free(person->state_dir);
    free(person);
}

void persons_call(struct daemon *daemon, struct api_request *request)
{
    struct person *person = memory_new(sizeof *person);
    person->request = request;
    person->key = request->subject;
    person->state_dir = memory_text(daemon->conf->daemon.state_dir);
    person->runs = json_array();
    person->suppressions = json_array();
    person->picks = json_array();
    person->unreadable = json_array();
    person->addresses = json_object();
    person->listed = json_object();
    person->pool.data = person;
    uv_queue_work(daemon->loop, &person->pool, gather_on_pool, on_gathered);
}
