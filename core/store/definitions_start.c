/* Start requests: rows that a site, or the API, puts into start_request, and their answers. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

#define REFUSALS_MOST 1000 /* in one call */

/* The oldest pending one after `after`: 1, 0, -1. */
static int next_pending(struct definitions *d, int64_t after, int64_t *id, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "SELECT id\n"
                            "FROM start_request\n"
                            "WHERE state = 'pending'\n"
                            "    AND id > ?1\n"
                            "ORDER BY id\n"
                            "LIMIT 1",
                            &row, why) < 0)
        return -1;
    sqlite3_bind_int64(row, 1, after);
    int result = sqlite3_step(row);
    if (result != SQLITE_ROW)
        return result == SQLITE_DONE ? 0 : trouble_sql(why, d, "start_request");
    *id = sqlite3_column_int64(row, 0);
    return 1;
}

static bool is_uuid(const char *text, size_t size)
{
    return size > 0 && size < DEFINITIONS_UUID_SIZE &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == size;
}

static bool is_line(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return text_is_utf8(text, size);
}

static bool read_text(sqlite3_stmt *row, int column, size_t size, const char **text)
{
    *text = sql_text(row, column);
    return sqlite3_column_type(row, column) == SQLITE_TEXT &&
           (size_t)sqlite3_column_bytes(row, column) < size;
}

/* Look at a row of start_request: 1 it can be started, 0 it never can (why is filled), -1. */
static int examine(sqlite3_stmt *row, struct definitions_start *out, struct trouble *why)
{
    const char *uuid, *who;
    if (!read_text(row, 0, sizeof out->uuid, &uuid) ||
        !is_uuid(uuid, (size_t)sqlite3_column_bytes(row, 0))) {
        trouble_set(why, ERROR_INPUT, MESSAGE_REQUEST_RUBBISH, "start_request", out->id, "uuid",
                    NULL, NULL);
        return 0;
    }
    if (!read_text(row, 1, sizeof out->requested_by, &who) ||
        !is_line(who, (size_t)sqlite3_column_bytes(row, 1))) {
        trouble_set(why, ERROR_INPUT, MESSAGE_REQUEST_RUBBISH, "start_request", out->id,
                    "requested_by", NULL, NULL);
        return 0;
    }
    if (sqlite3_column_type(row, 3) != SQLITE_INTEGER) {
        trouble_set(why, ERROR_INPUT, MESSAGE_REQUEST_NO_CAMPAIGN, "start_request", out->id, NULL,
                    NULL, NULL);
        return 0;
    }
    text_copy(out->uuid, sizeof out->uuid, uuid);
    text_copy(out->requested_by, sizeof out->requested_by, who);
    out->campaign = sqlite3_column_int64(row, 2);
    return 1;
}

static int read_request(struct definitions *d, struct definitions_start *out, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "SELECT r.uuid, r.requested_by, r.campaign, c.id\n"
                            "FROM start_request AS r\n"
                            "LEFT JOIN campaign AS c ON c.id = r.campaign\n"
                            "WHERE r.id = ?1",
                            &row, why) < 0)
        return -1;
    sqlite3_bind_int64(row, 1, out->id);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        return examine(row, out, why);
    trouble_sql(why, d, "start_request");
    return result == SQLITE_TOOBIG ? 0 : -1;
}

static int write_answer(struct definitions *d, int64_t id, const char *state, int64_t run,
                        const char *message, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "UPDATE start_request\n"
                            "SET state = ?2, run = ?3, message = ?4, answered_at = ?5\n"
                            "WHERE id = ?1",
                            &row, why) < 0)
        return -1;
    char now[TEXT_TIME_SIZE], shown[1024];
    text_time(now, clock_now_us());
    text_copy(shown, sizeof shown, message ? message : "");
    sqlite3_bind_int64(row, 1, id);
    sqlite3_bind_text(row, 2, state, -1, SQLITE_STATIC);
    if (run > 0)
        sqlite3_bind_int64(row, 3, run);
    if (message && *message)
        sqlite3_bind_text(row, 4, shown, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 5, now, -1, SQLITE_STATIC);
    return sqlite3_step(row) == SQLITE_DONE ? 0 : trouble_sql(why, d, "start_request");
}

static int refuse(struct definitions *d, int64_t id, const char *message, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, true, why) < 0 ||
        write_answer(d, id, "refused", 0, message, why) < 0)
        return -1;
    return transaction_commit(&transaction, why);
}

/* Find and read, in one transaction. 1: out is filled; 2: it is to be refused; 0: none; -1. */
static int look_for_start(struct definitions *d, int64_t after, struct definitions_start *out,
                          struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, false, why) < 0)
        return -1;
    int result = next_pending(d, after, &out->id, why);
    if (result <= 0)
        return result;
    result = read_request(d, out, why);
    return result == 0 ? 2 : result;
}

int definitions_next_start(struct definitions *definitions, struct definitions_start *out,
                           struct error *error)
{
    int64_t after = INT64_MIN;
    for (int i = 0; i < REFUSALS_MOST; i++) {
        struct trouble why = {0}, refusing = {0};
        memset(out, 0, sizeof *out);
        int result = look_for_start(definitions, after, out, &why);
        if (result < 0)
            return trouble_tell(&why, error);
        if (result != 2)
            return result;
        /* What is so broken that it cannot even be refused stands in `problem`: pass over it. */
        if (refuse(definitions, out->id, why.error.message, &refusing) < 0 &&
            refusing.error.code == ERROR_BUSY)
            return trouble_tell(&refusing, error);
        after = out->id;
    }
    return 0;
}

/* Was it answered: 0 no, 1 with the same, -1 otherwise or not there. */
static int present_answer(struct definitions *d, int64_t id, const char *state, int64_t run,
                          struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    struct trouble why = {0};
    if (definitions_prepare(d, "SELECT state, run FROM start_request WHERE id = ?1", &row, &why) <
        0)
        return trouble_tell(&why, error);
    sqlite3_bind_int64(row, 1, id);
    int result = sqlite3_step(row);
    if (result == SQLITE_DONE)
        return error_set(error, ERROR_NOT_FOUND, "start request %lld is gone", (long long)id);
    if (result != SQLITE_ROW) {
        trouble_sql(&why, d, "start_request");
        return trouble_tell(&why, error);
    }
    const char *now = sql_text(row, 0);
    if (text_equal(now, "pending"))
        return 0;
    if (text_equal(now, state) && sqlite3_column_int64(row, 1) == run)
        return 1;
    return error_set(error, ERROR_CONFLICT, "start request %lld is answered already (%.20s)",
                     (long long)id, now);
}

int definitions_answer_start(struct definitions *definitions, int64_t id, const char *state,
                             int64_t run, const char *message, struct error *error)
{
    struct trouble why = {0};
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, definitions, true, &why) < 0)
        return trouble_tell(&why, error);
    int answered = present_answer(definitions, id, state, run, error);
    if (answered != 0)
        return answered < 0 ? -1 : 0;
    if (write_answer(definitions, id, state, run, message, &why) < 0 ||
        transaction_commit(&transaction, &why) < 0)
        return trouble_tell(&why, error);
    return 0;
}

static void new_uuid(char uuid[DEFINITIONS_UUID_SIZE])
{
    unsigned char random[16];
    randombytes_buf(random, sizeof random);
    random[6] = (random[6] & 0x0f) | 0x40; /* RFC 9562: version 4 */
    random[8] = (random[8] & 0x3f) | 0x80;
    char hex[2 * sizeof random + 1];
    text_hex(hex, random, sizeof random);
    snprintf(uuid, DEFINITIONS_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
             hex + 16, hex + 20);
}

static int insert_request(struct definitions *d, int64_t campaign, const char *requested_by,
                          const char *uuid, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "INSERT INTO start_request (uuid, campaign, requested_by)\n"
                            "VALUES (?1, ?2, ?3)",
                            &row, why) < 0)
        return -1;
    char who[200];
    text_copy(who, sizeof who, requested_by ? requested_by : "");
    sqlite3_bind_text(row, 1, uuid, -1, SQLITE_STATIC);
    sqlite3_bind_int64(row, 2, campaign);
    sqlite3_bind_text(row, 3, who, -1, SQLITE_STATIC);
    return sqlite3_step(row) == SQLITE_DONE ? 0 : trouble_sql(why, d, "start_request");
}

int definitions_request_start(struct definitions *definitions, const char *campaign_name_or_id,
                              const char *requested_by, char uuid[DEFINITIONS_UUID_SIZE],
                              struct error *error)
{
    struct trouble why = {0};
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, definitions, true, &why) < 0)
        return trouble_tell(&why, error);
    int64_t id = table_find(definitions, table_of_kind("campaign"), campaign_name_or_id, &why);
    if (id == 0)
        return error_set(error, ERROR_NOT_FOUND, "there is no campaign »%.200s«",
                         campaign_name_or_id);
    new_uuid(uuid);
    if (id < 0 || insert_request(definitions, id, requested_by, uuid, &why) < 0 ||
        transaction_commit(&transaction, &why) < 0)
        return trouble_tell(&why, error);
    return 0;
}
