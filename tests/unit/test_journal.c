/* A run's journal: each task leaves a claim once, whatever comes twice, late or of another; and what is in memory is what
 * stands in the file. The store's transactions are played by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "run/journal.h"
#include "store/sql.h"

#define RUN 7
#define STEPS_MAX 4
#define RECIPIENTS_MAX 400

struct fixture {
    char folder[64];
    char *path, *rows;
    size_t steps;
    uint64_t recipients;
    struct journal *journal;
};

/* ---- making one ---- */

static int set_up(void **state)
{
    struct fixture *is = memory_new(sizeof *is);
    strcpy(is->folder, "/tmp/test_journal.XXXXXX");
    assert_non_null(mkdtemp(is->folder));
    is->path = memory_format("%s/7.db", is->folder);
    is->rows = memory_format("%s/7.rows.db", is->folder);
    *state = is;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *is = *state;
    static const char *const endings[] = {"", "-wal", "-shm"};
    journal_close(is->journal);
    for (int i = 0; i < 6; i++) {
        FREE_CLEAN char *path = memory_format("%s%s", i < 3 ? is->path : is->rows, endings[i % 3]);
        unlink(path);
    }
    assert_int_equal(rmdir(is->folder), 0);
    free(is->path);
    free(is->rows);
    free(is);
    return 0;
}

static void make_rows(const struct fixture *is, const char *skipped)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(is->rows, &db), SQLITE_OK);
    assert_int_equal(
        sql_run(db, "CREATE TABLE skipped (step INTEGER, ordinal INTEGER, reason TEXT)", NULL), 0);
    assert_int_equal(sql_run(db, skipped, NULL), 0);
    sqlite3_close(db);
}

static void reopen(struct fixture *is)
{
    struct error error;
    journal_close(is->journal);
    is->journal = journal_open(is->path, RUN, &error);
    assert_non_null(is->journal);
}

/* Steps as given; `skipped`: SQL that fills the rows file's table. */
static void make(struct fixture *is, uint64_t recipients, const struct journal_step *steps,
                 size_t count, const char *skipped)
{
    struct error error = {0};
    make_rows(is, skipped);
    is->steps = count;
    is->recipients = recipients;
    if (journal_create(is->path, is->rows, RUN, recipients, steps, count, &error) != 0)
        fail_msg("%s", error.message);
    reopen(is);
}

static const struct journal_step one_step = {.number = 1, .name = "eins", .action = "null"};

static void make_one(struct fixture *is, uint64_t recipients)
{
    make(is, recipients, &one_step, 1, "");
}

/* ---- the store, played ---- */

static void begin(struct fixture *is)
{
    assert_int_equal(sql_run(is->journal->database.db, "BEGIN IMMEDIATE", NULL), 0);
}

static void commit(struct fixture *is)
{
    struct store_database *database = &is->journal->database;
    struct error error;
    assert_int_equal(database->flush(database, &error), 0);
    assert_int_equal(sql_run(database->db, "COMMIT", &error), 0);
    database->committed(database);
}

static void roll_back(struct fixture *is)
{
    struct store_database *database = &is->journal->database;
    struct error error;
    assert_int_equal(sql_run(database->db, "ROLLBACK", &error), 0);
    assert_int_equal(database->rolled_back(database, &error), 0);
}

/* ---- the calls, short ---- */

static uint64_t claim_in(struct fixture *is, int step, const char *instance, uint64_t limit,
                         uint64_t *tasks)
{
    BUFFER_CLEAN struct buffer frame = {0};
    struct error error;
    uint64_t id;
    assert_int_equal(
        journal_claim(is->journal, step, instance, limit, NULL, 0, 3, &frame, &id, tasks, &error),
        0);
    return id;
}

/* A claim, committed; all of `limit` must be there. */
static uint64_t claim(struct fixture *is, int step, const char *instance, uint64_t limit)
{
    uint64_t tasks;
    begin(is);
    uint64_t id = claim_in(is, step, instance, limit, &tasks);
    commit(is);
    assert_int_equal(tasks, limit);
    return id;
}

static struct frame_reader reader_of(const struct buffer *buffer)
{
    return (struct frame_reader){.data = (const unsigned char *)buffer->data, .size = buffer->size};
}

static void put_outcomes(struct buffer *payload, uint64_t claim_id, uint64_t first, uint64_t last,
                         int status)
{
    put_u32(payload, (uint32_t)(last - first + 1));
    for (uint64_t ordinal = first; ordinal <= last; ordinal++) {
        BUFFER_CLEAN struct buffer encoded = {0};
        struct outcome outcome = {.status = status, .time_us = 1};
        outcome_put(&encoded, &outcome);
        put_u64(payload, ordinal);
        put_u64(payload, claim_id);
        put_u64(payload, ordinal);
        put_bytes(payload, encoded.data, encoded.size);
    }
}

/* How many tasks left the claim by it. In a transaction. */
static uint64_t end_in(struct fixture *is, uint64_t claim_id, uint64_t first, uint64_t last,
                       int status)
{
    BUFFER_CLEAN struct buffer payload = {0};
    struct error error;
    uint64_t left;
    put_outcomes(&payload, claim_id, first, last, status);
    assert_int_equal(journal_outcomes(is->journal, reader_of(&payload), &left, &error), 0);
    return left;
}

static uint64_t end(struct fixture *is, uint64_t claim_id, uint64_t first, uint64_t last,
                    int status)
{
    begin(is);
    uint64_t left = end_in(is, claim_id, first, last, status);
    commit(is);
    return left;
}

static uint64_t give_back_in(struct fixture *is, uint64_t claim_id, uint64_t first, uint64_t last)
{
    BUFFER_CLEAN struct buffer payload = {0};
    struct error error;
    uint64_t left;
    put_u64(&payload, claim_id);
    put_u32(&payload, 1);
    put_u64(&payload, first);
    put_u64(&payload, last);
    assert_int_equal(journal_returned(is->journal, reader_of(&payload), &left, &error), 0);
    return left;
}

static uint64_t give_back(struct fixture *is, uint64_t claim_id, uint64_t first, uint64_t last)
{
    begin(is);
    uint64_t left = give_back_in(is, claim_id, first, last);
    commit(is);
    return left;
}

static void recover(struct fixture *is, const char *instance, const struct journal_record *records,
                    size_t count, bool believed)
{
    struct error error;
    struct journal_record *copy = memory_array(count + 1, sizeof *copy);
    if (count)
        memcpy(copy, records, count * sizeof *copy);
    begin(is);
    assert_int_equal(
        journal_recover(is->journal, instance, copy, count, believed, "in doubt", &error), 0);
    commit(is);
    free(copy);
}

static struct journal_counts counts_of(struct fixture *is, int step)
{
    struct journal_counts counts[JOURNAL_STEPS];
    journal_counts(is->journal, counts);
    return counts[step - 1];
}

static int64_t number(struct fixture *is, const char *question)
{
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(is->journal->database.db, question, NULL);
    assert_non_null(select);
    assert_int_equal(sql_row(select, NULL), 1);
    return sqlite3_column_int64(select, 0);
}

/* ---- is it whole? ---- */

/* places[step][ordinal]: how often a task stands somewhere. */
static void add_places(struct fixture *is, const char *question,
                       unsigned char (*places)[RECIPIENTS_MAX + 1], int sign)
{
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(is->journal->database.db, question, NULL);
    assert_non_null(select);
    while (sql_row(select, NULL) > 0)
        for (int64_t o = sqlite3_column_int64(select, 1); o <= sqlite3_column_int64(select, 2);
             o++) {
            unsigned char *place = &places[sqlite3_column_int(select, 0)][o];
            assert_true(o >= 1 && o <= (int64_t)is->recipients);
            *place = (unsigned char)(*place + sign);
        }
}

/* Every task stands in one place; the counters say what the file says; a new reader sees what the memory has. */
static void check(struct fixture *is)
{
    static unsigned char places[STEPS_MAX + 1][RECIPIENTS_MAX + 1];
    struct journal_counts counts[JOURNAL_STEPS], again[JOURNAL_STEPS];
    struct journal_step steps[JOURNAL_STEPS];
    struct error error;
    memset(places, 0, sizeof places);
    add_places(is, "SELECT step, first, last FROM waiting", places, 1);
    add_places(is, "SELECT step, first, last FROM claim JOIN claim_range ON claim = id", places, 1);
    /* who has left a claim has an outcome, is put off, waits, or is in a later claim */
    add_places(is, "SELECT step, l.first, l.last FROM claim JOIN claim_left AS l ON l.claim = id",
               places, -1);
    add_places(is,
               "SELECT task >> 40, task & 0xffffffffff, task & 0xffffffffff FROM outcome WHERE NOT "
               "EXISTS (SELECT 1 "
               "FROM claim JOIN claim_range ON claim = id WHERE step = task >> 40 AND task & "
               "0xffffffffff BETWEEN "
               "first AND last AND NOT EXISTS (SELECT 1 FROM claim_left AS l WHERE l.claim = id "
               "AND task & "
               "0xffffffffff BETWEEN l.first AND l.last))",
               places, 1);
    add_places(is,
               "SELECT task >> 40, task & 0xffffffffff, task & 0xffffffffff FROM deferred WHERE "
               "not_before_us > 0",
               places, 1);
    journal_counts(is->journal, counts);
    size_t count = journal_steps(is->journal, steps);
    assert_int_equal(count, is->steps);
    for (size_t i = 0; i < count; i++) {
        uint64_t blocked = counts[i].waiting - counts[i].runnable,
                 sum = counts[i].waiting + counts[i].claimed;
        for (int status = 1; status < OUTCOME_STATUSES; status++)
            sum += counts[i].ended[status];
        assert_int_equal(sum + counts[i].deferred, counts[i].total);
        for (uint64_t o = 1; o <= is->recipients; o++) {
            assert_true(places[i + 1][o] <= 1);
            blocked -= !places[i + 1][o];
        }
        assert_int_equal(blocked,
                         0); /* those that wait for the step before stand nowhere, and no others */
    }
    struct journal *other = journal_open(is->path, RUN, &error);
    assert_non_null(other);
    journal_counts(other, again);
    assert_memory_equal(counts, again, count * sizeof *counts);
    journal_close(other);
}

/* ---- claims ---- */

static void claims_take_what_waits_from_the_front(void **state)
{
    struct fixture *is = *state;
    BUFFER_CLEAN struct buffer frame = {0};
    struct error error;
    uint64_t id, tasks;
    make_one(is, 100);
    begin(is);
    assert_int_equal(
        journal_claim(is->journal, 1, "a", 30, NULL, 0, 3, &frame, &id, &tasks, &error), 0);
    commit(is);
    enum frame_type type;
    struct frame_reader payload;
    assert_int_equal(frame_next(frame.data, frame.size, &type, &payload), frame.size);
    assert_int_equal(type, FRAME_CLAIM);
    assert_int_equal(get_u32(&payload), 3);
    assert_int_equal(get_u64(&payload), id);
    assert_int_equal(get_u32(&payload), 1);
    assert_int_equal(get_u64(&payload), 1);
    assert_int_equal(get_u64(&payload), 30);
    assert_int_equal(get_u32(&payload), 1);
    assert_int_equal(JOURNAL_RUN_OF(id), RUN);
    assert_int_not_equal(claim(is, 1, "b", 70), id);
    begin(is);
    claim_in(is, 1, "c", 10, &tasks);
    commit(is);
    assert_int_equal(tasks, 0);
    check(is);
}

static void outcomes_end_a_task_once(void **state)
{
    struct fixture *is = *state;
    make_one(is, 10);
    uint64_t id = claim(is, 1, "a", 10);
    assert_int_equal(end(is, id, 1, 6, OUTCOME_DELIVERED), 6);
    assert_int_equal(end(is, id, 4, 7, OUTCOME_REJECTED), 1);
    assert_int_equal(end(is, id + 1, 8, 8, OUTCOME_DELIVERED), 0); /* no such claim */
    assert_int_equal(end(is, id + (UINT64_C(1) << 32), 8, 8, OUTCOME_DELIVERED),
                     0);                                         /* another run's */
    assert_int_equal(end(is, id, 11, 12, OUTCOME_DELIVERED), 0); /* no such task */
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_DELIVERED], 6);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_REJECTED], 1);
    assert_int_equal(counts_of(is, 1).claimed, 3);
    check(is);
    assert_int_equal(end(is, id, 8, 10, OUTCOME_DELIVERED), 3);
    assert_true(journal_finished(is->journal));
    assert_int_equal(end(is, id, 8, 10, OUTCOME_DELIVERED), 0); /* the claim is over */
    assert_int_equal(number(is, "SELECT count(*) FROM claim"), 0);
    check(is);
}

static void what_is_given_back_waits_again_unless_it_has_ended(void **state)
{
    struct fixture *is = *state;
    make_one(is, 20);
    uint64_t id = claim(is, 1, "a", 20);
    assert_int_equal(end(is, id, 5, 8, OUTCOME_DELIVERED), 4);
    assert_int_equal(give_back(is, id, 1, 10), 6);
    assert_int_equal(give_back(is, id, 1, 10), 0);
    assert_int_equal(end(is, id, 1, 1, OUTCOME_DELIVERED), 0); /* it has left that claim */
    check(is);
    uint64_t again = claim(is, 1, "b", 6);
    assert_int_equal(give_back(is, id, 1, 20), 10); /* late: nothing of what is under way again */
    assert_int_equal(counts_of(is, 1).claimed, 6);
    assert_int_equal(end(is, again, 1, 4, OUTCOME_DELIVERED), 4);
    check(is);
}

static void claims_are_as_they_were_after_a_reopen(void **state)
{
    struct fixture *is = *state;
    make_one(is, 30);
    uint64_t id = claim(is, 1, "a", 30);
    end(is, id, 1, 10, OUTCOME_DELIVERED);
    give_back(is, id, 21, 30);
    uint64_t other = claim(is, 1, "b", 10);
    reopen(is);
    assert_true(journal_holds(is->journal, "a") && journal_holds(is->journal, "b"));
    assert_int_equal(end(is, id, 1, 30, OUTCOME_DELIVERED), 10);
    assert_int_equal(end(is, other, 1, 30, OUTCOME_DELIVERED), 10);
    assert_false(journal_holds(is->journal, "a"));
    check(is);
}

static void an_unreadable_outcome_is_unknown(void **state)
{
    struct fixture *is = *state;
    BUFFER_CLEAN struct buffer payload = {0};
    struct error error;
    uint64_t left;
    make_one(is, 3);
    uint64_t id = claim(is, 1, "a", 3);
    put_u32(&payload, 1);
    put_u64(&payload, 1);
    put_u64(&payload, id);
    put_u64(&payload, 2);
    put_bytes(&payload, "\x4d rubbish", 9);
    begin(is);
    assert_int_equal(journal_outcomes(is->journal, reader_of(&payload), &left, &error), 0);
    commit(is);
    assert_int_equal(left, 1);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_UNKNOWN], 1);
    check(is);
}

/* ---- rollback ---- */

static void after_a_rollback_all_is_as_before(void **state)
{
    struct fixture *is = *state;
    uint64_t tasks;
    make_one(is, 50);
    uint64_t id = claim(is, 1, "a", 20);
    end(is, id, 1, 5, OUTCOME_DELIVERED);
    struct journal_counts before = counts_of(is, 1);
    begin(is);
    uint64_t lost = claim_in(is, 1, "b", 10, &tasks);
    assert_int_equal(end_in(is, id, 6, 20, OUTCOME_DELIVERED), 15);
    assert_int_equal(end_in(is, lost, 21, 30, OUTCOME_DELIVERED), 10);
    roll_back(is);
    struct journal_counts after = counts_of(is, 1);
    assert_memory_equal(&before, &after, sizeof before);
    assert_false(journal_holds(is->journal, "b"));
    check(is);
    assert_int_equal(end(is, id, 6, 20, OUTCOME_DELIVERED), 15); /* and it can be done again */
    check(is);
}

/* ---- steps ---- */

static void a_dependent_step_waits_for_its_parent(void **state)
{
    struct fixture *is = *state;
    const struct journal_step steps[] = {
        one_step,
        {.number = 2, .name = "zwei", .action = "null", .parent = 1, .after = OUTCOME_DELIVERED},
        {.number = 3, .name = "drei", .action = "null", .parent = 2, .after = OUTCOME_SKIPPED},
        {.number = 4, .name = "vier", .action = "null", .parent = 1, .after = JOURNAL_AFTER_ANY},
    };
    make(is, 10, steps, 4, "INSERT INTO skipped VALUES (1, 10, 'when'), (2, 3, 'when')");
    check(is);
    assert_int_equal(counts_of(is, 1).runnable, 9);
    assert_int_equal(counts_of(is, 2).runnable, 0);
    assert_int_equal(counts_of(is, 2).ended[OUTCOME_SKIPPED],
                     2);                            /* 3 by itself, 10 by its parent */
    assert_int_equal(counts_of(is, 3).runnable, 2); /* which is what step 3 waits for */
    assert_int_equal(counts_of(is, 4).runnable, 1);
    uint64_t id = claim(is, 1, "a", 9);
    end(is, id, 1, 5, OUTCOME_DELIVERED);
    end(is, id, 6, 7, OUTCOME_REJECTED);
    end(is, id, 8, 8, OUTCOME_UNKNOWN);
    check(is);
    assert_int_equal(counts_of(is, 2).runnable, 4);
    assert_int_equal(counts_of(is, 2).ended[OUTCOME_SKIPPED], 5);
    assert_int_equal(counts_of(is, 3).runnable, 5);
    assert_int_equal(counts_of(is, 4).runnable, 9);
    end(is, claim(is, 2, "a", 4), 1, 5, OUTCOME_DELIVERED);
    end(is, id, 9, 9, OUTCOME_DELIVERED);
    assert_int_equal(counts_of(is, 3).ended[OUTCOME_SKIPPED], 4);
    check(is);
}

/* ---- put off ---- */

static void what_is_put_off_waits_again_when_it_is_due(void **state)
{
    struct fixture *is = *state;
    struct error error;
    int64_t next_us, now_us = clock_now_us();
    make_one(is, 3);
    journal_set_retry(is->journal, 1, 1000000, 3000000);
    uint64_t id = claim(is, 1, "a", 3);
    end(is, id, 1, 2, OUTCOME_DEFERRED);
    check(is);
    begin(is);
    assert_int_equal(journal_due(is->journal, now_us + 500000, &next_us, &error), 0);
    commit(is);
    assert_true(next_us >= now_us + 1000000 && next_us < now_us + 3000000);
    assert_int_equal(counts_of(is, 1).deferred, 2);
    begin(is);
    assert_int_equal(journal_due(is->journal, next_us + 1000000, &next_us, &error), 0);
    commit(is);
    assert_int_equal(next_us, 0);
    assert_int_equal(counts_of(is, 1).deferred, 0);
    check(is);
    reopen(is);
    uint64_t again = claim(is, 1, "b", 2);
    assert_int_equal(
        number(is, "SELECT attempt FROM claim_range WHERE claim = (SELECT max(id) FROM claim)"), 2);
    assert_int_equal(end(is, id, 1, 2, OUTCOME_DELIVERED),
                     0); /* the first attempt has left its claim */
    assert_int_equal(end(is, again, 1, 2, OUTCOME_DELIVERED), 2);
    assert_int_equal(number(is, "SELECT count(*) FROM deferred"), 0);
    check(is);
}

static void what_is_put_off_too_long_is_rejected(void **state)
{
    struct fixture *is = *state;
    struct error error;
    int64_t next_us;
    make_one(is, 1);
    journal_set_retry(is->journal, 1, 1000, 100000);
    end(is, claim(is, 1, "a", 1), 1, 1, OUTCOME_DEFERRED);
    assert_int_equal(counts_of(is, 1).deferred, 1);
    begin(is);
    assert_int_equal(journal_due(is->journal, INT64_MAX, &next_us, &error), 0);
    commit(is);
    usleep(100000);
    end(is, claim(is, 1, "a", 1), 1, 1, OUTCOME_DEFERRED);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_REJECTED], 1);
    assert_true(journal_finished(is->journal));
    check(is);
}

/* ---- recovery ---- */

static struct journal_record begun(uint64_t claim_id, uint64_t ordinal)
{
    return (struct journal_record){.claim = claim_id, .ordinal = ordinal};
}

static struct journal_record ended(uint64_t claim_id, uint64_t ordinal,
                                   const struct buffer *outcome)
{
    return (struct journal_record){.claim = claim_id,
                                   .ordinal = ordinal,
                                   .ended = true,
                                   .outcome = outcome->data,
                                   .size = outcome->size};
}

static void put_delivered(struct buffer *outcome)
{
    outcome_put(outcome, &(struct outcome){.status = OUTCOME_DELIVERED, .time_us = 1});
}

static void recovery_applies_ends_doubts_begins_and_frees_the_rest(void **state)
{
    struct fixture *is = *state;
    BUFFER_CLEAN struct buffer delivered = {0};
    make_one(is, 20);
    uint64_t id = claim(is, 1, "a", 10), other = claim(is, 1, "b", 10);
    put_delivered(&delivered);
    end(is, id, 1, 2, OUTCOME_REJECTED); /* known already, whatever the log says */
    const struct journal_record records[] = {
        begun(id, 5),
        begun(id, 1),
        ended(id, 1, &delivered),
        begun(id, 3),
        ended(id, 3, &delivered),
        begun(id, 4),
        begun(other, 12), /* not its own: another holds that claim */
    };
    recover(is, "a", records, 7, true);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_REJECTED], 2);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_DELIVERED], 1);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_UNKNOWN], 2);
    assert_int_equal(counts_of(is, 1).waiting, 5);
    assert_int_equal(counts_of(is, 1).claimed, 10);
    assert_false(journal_holds(is->journal, "a"));
    check(is);
    recover(is, "a", records, 7, true); /* a repeat changes nothing */
    assert_int_equal(counts_of(is, 1).waiting, 5);
    check(is);
}

static void a_log_that_cannot_be_believed_leaves_all_in_doubt(void **state)
{
    struct fixture *is = *state;
    BUFFER_CLEAN struct buffer delivered = {0};
    make_one(is, 10);
    uint64_t id = claim(is, 1, "a", 8);
    put_delivered(&delivered);
    const struct journal_record records[] = {begun(id, 1), ended(id, 1, &delivered)};
    recover(is, "a", records, 2, false);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_DELIVERED], 1);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_UNKNOWN], 7);
    assert_int_equal(counts_of(is, 1).waiting, 2);
    check(is);
}

static void what_is_repeatable_is_done_again(void **state)
{
    struct fixture *is = *state;
    const struct journal_step step = {
        .number = 1, .name = "eins", .action = "null", .repeatable = true};
    make(is, 10, &step, 1, "");
    uint64_t id = claim(is, 1, "a", 10);
    const struct journal_record records[] = {begun(id, 1)};
    recover(is, "a", records, 1, false);
    assert_int_equal(counts_of(is, 1).waiting, 10);
    check(is);
}

/* An end that cannot be read is still a begin. */
static void a_spoiled_end_is_in_doubt(void **state)
{
    struct fixture *is = *state;
    BUFFER_CLEAN struct buffer rubbish = {0};
    make_one(is, 2);
    uint64_t id = claim(is, 1, "a", 2);
    put_u32(&rubbish, 0xffffffff);
    const struct journal_record records[] = {ended(id, 1, &rubbish)};
    recover(is, "a", records, 1, true);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_UNKNOWN], 1);
    assert_int_equal(counts_of(is, 1).waiting, 1);
    check(is);
}

/* ---- withdrawn ---- */

static uint64_t withdraw_in(struct fixture *is, int step, uint64_t first, uint64_t last)
{
    uint64_t skipped, all = 0;
    struct error error;
    for (uint64_t ordinal = first; ordinal <= last; ordinal++) {
        struct journal_withdrawal one = {.step = step, .ordinal = ordinal, .text = "suppressed"};
        assert_int_equal(journal_withdraw(is->journal, &one, 1, &skipped, &error), 0);
        all += skipped;
    }
    return all;
}

static uint64_t withdraw(struct fixture *is, int step, uint64_t first, uint64_t last)
{
    begin(is);
    uint64_t skipped = withdraw_in(is, step, first, last);
    commit(is);
    return skipped;
}

/* How many of these are over, skipped with the withdrawal's text. */
static int64_t skipped_so(struct fixture *is, int step, uint64_t first, uint64_t last)
{
    FREE_CLEAN char *question =
        memory_format("SELECT count(*) FROM outcome WHERE task BETWEEN %d << 40 | %d AND %d << 40 "
                      "| %d AND status = %d AND text = 'suppressed'",
                      step, (int)first, step, (int)last, OUTCOME_SKIPPED);
    return number(is, question);
}

static size_t claims_with_withdrawn(struct fixture *is)
{
    struct error error;
    uint64_t *claims;
    size_t count;
    assert_int_equal(journal_withdrawn_claims(is->journal, &claims, &count, &error), 0);
    free(claims);
    return count;
}

static void what_waits_is_withdrawn_at_once(void **state)
{
    struct fixture *is = *state;
    make_one(is, 20);
    claim(is, 1, "a", 5);
    assert_int_equal(withdraw(is, 1, 10, 12), 3);
    assert_int_equal(withdraw(is, 1, 10, 12), 0); /* a repeat changes nothing */
    assert_int_equal(withdraw(is, 1, 6, 6), 1);   /* the first of what waits */
    assert_int_equal(withdraw(is, 1, 20, 20), 1); /* the last */
    assert_int_equal(withdraw(is, 1, 0, 0) + withdraw(is, 1, 21, 21) + withdraw(is, 9, 1, 1), 0);
    assert_int_equal(skipped_so(is, 1, 1, 20), 5);
    assert_int_equal(counts_of(is, 1).waiting, 10);
    assert_int_equal(claims_with_withdrawn(is), 0);
    check(is);
    claim(is, 1, "a", 10);
    check(is);
}

static void what_is_held_is_skipped_when_it_comes_back(void **state)
{
    struct fixture *is = *state;
    make_one(is, 10);
    uint64_t id = claim(is, 1, "a", 10);
    assert_int_equal(withdraw(is, 1, 3, 6), 0);
    assert_int_equal(counts_of(is, 1).claimed, 10);
    assert_int_equal(claims_with_withdrawn(is), 1);
    assert_int_equal(end(is, id, 3, 3, OUTCOME_DELIVERED), 1); /* it had begun */
    reopen(is);
    assert_int_equal(claims_with_withdrawn(is), 1);
    assert_int_equal(give_back(is, id, 4, 10), 7);
    assert_int_equal(skipped_so(is, 1, 1, 10), 3);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_DELIVERED], 1);
    assert_int_equal(counts_of(is, 1).waiting, 4);
    assert_int_equal(claims_with_withdrawn(is), 0);
    assert_int_equal(number(is, "SELECT count(*) FROM withdrawn"), 0);
    check(is);
}

static void what_is_withdrawn_is_not_tried_again(void **state)
{
    struct fixture *is = *state;
    int64_t next_us;
    struct error error;
    make_one(is, 4);
    uint64_t id = claim(is, 1, "a", 4);
    end(is, id, 1, 2, OUTCOME_DEFERRED);
    begin(is);
    assert_int_equal(journal_due(is->journal, INT64_MAX, &next_us, &error), 0);
    commit(is); /* 1 and 2 wait again, for the second time */
    uint64_t again = claim(is, 1, "a", 1);
    end(is, again, 1, 1, OUTCOME_DEFERRED);
    assert_int_equal(withdraw(is, 1, 1, 3), 2); /* put off; waiting; held */
    assert_int_equal(end(is, id, 3, 3, OUTCOME_DEFERRED), 1);
    assert_int_equal(skipped_so(is, 1, 1, 3), 3);
    assert_int_equal(counts_of(is, 1).deferred, 0);
    assert_int_equal(number(is, "SELECT count(*) FROM deferred"), 0);
    check(is);
}

static void a_withdrawn_step_decides_for_those_that_wait_for_it(void **state)
{
    struct fixture *is = *state;
    const struct journal_step steps[] = {
        one_step,
        {.number = 2, .name = "zwei", .action = "null", .parent = 1, .after = OUTCOME_DELIVERED},
        {.number = 3, .name = "drei", .action = "null", .parent = 1, .after = JOURNAL_AFTER_ANY},
    };
    make(is, 6, steps, 3, "");
    uint64_t id = claim(is, 1, "a", 3);
    assert_int_equal(withdraw(is, 2, 1, 1), 1); /* the child alone: it waits for its parent */
    assert_int_equal(withdraw(is, 1, 4, 4), 1);
    assert_int_equal(counts_of(is, 2).ended[OUTCOME_SKIPPED], 2); /* 1 and 4 */
    assert_int_equal(counts_of(is, 3).runnable, 1);               /* 4: after any outcome */
    check(is);
    end(is, id, 1, 3, OUTCOME_DELIVERED);
    assert_int_equal(counts_of(is, 2).runnable, 2); /* 2 and 3 */
    assert_int_equal(withdraw(is, 2, 2, 2), 1);
    assert_int_equal(withdraw(is, 3, 4, 4), 1);
    check(is);
}

static void recovery_skips_what_was_withdrawn_and_not_begun(void **state)
{
    struct fixture *is = *state;
    make_one(is, 6);
    uint64_t id = claim(is, 1, "a", 6);
    withdraw(is, 1, 1, 4);
    reopen(is);
    const struct journal_record records[] = {begun(id, 1)};
    recover(is, "a", records, 1, true);
    assert_int_equal(counts_of(is, 1).ended[OUTCOME_UNKNOWN], 1);
    assert_int_equal(skipped_so(is, 1, 1, 6), 3);
    assert_int_equal(counts_of(is, 1).waiting, 2);
    check(is);
}

static void claims_may_be_of_some_alone(void **state)
{
    struct fixture *is = *state;
    BUFFER_CLEAN struct buffer frame = {0};
    const struct journal_range only[] = {{2, 3}, {7, 12}, {19, 40}};
    struct journal_range seen[20];
    struct error error;
    uint64_t id, tasks;
    size_t count;
    make_one(is, 20);
    withdraw(is, 1, 8, 8);
    begin(is);
    assert_int_equal(journal_peek(is->journal, 1, 20, seen, &count, &error), 0);
    assert_int_equal(count, 2);
    assert_true(seen[0].first == 1 && seen[0].last == 7 && seen[1].first == 9 &&
                seen[1].last == 20);
    assert_int_equal(journal_peek(is->journal, 1, 8, seen, &count, &error), 0);
    assert_true(count == 2 && seen[1].first == 9 && seen[1].last == 9);
    assert_int_equal(journal_claim(is->journal, 1, "a", 6, only, 3, 3, &frame, &id, &tasks, &error),
                     0);
    commit(is);
    assert_int_equal(tasks, 6); /* 2, 3, 7, 9, 10, 11 */
    assert_int_equal(end(is, id, 9, 11, OUTCOME_DELIVERED), 3);
    check(is);
    begin(is);
    assert_int_equal(
        journal_claim(is->journal, 1, "a", 100, only, 3, 3, &frame, &id, &tasks, &error), 0);
    commit(is);
    assert_int_equal(tasks, 3); /* 12, 19, 20 */
    check(is);
}

static void a_journal_of_version_1_gets_what_it_lacks(void **state)
{
    struct fixture *is = *state;
    make_one(is, 5);
    assert_int_equal(sql_run(is->journal->database.db,
                             "DROP TABLE withdrawn; DROP TABLE mark; PRAGMA user_version = 1",
                             NULL),
                     0);
    reopen(is);
    assert_int_equal(journal_mark(is->journal), 0);
    assert_int_equal(withdraw(is, 1, 1, 2), 2);
    begin(is);
    assert_int_equal(journal_put_mark(is->journal, 7, NULL), 0);
    roll_back(is);
    assert_int_equal(journal_mark(is->journal), 0);
    begin(is);
    assert_int_equal(journal_put_mark(is->journal, 7, NULL), 0);
    assert_int_equal(journal_put_mark(is->journal, 5, NULL), 0);
    commit(is);
    reopen(is);
    assert_int_equal(journal_mark(is->journal), 7);
    check(is);
}

/* ---- at random ---- */

/* Who was withdrawn has an outcome, or is held and marked. */
static void check_withdrawn(struct fixture *is, const bool withdrawn[4][121])
{
    assert_int_equal(number(is, "SELECT count(*) FROM withdrawn WHERE task IN (SELECT task FROM "
                                "outcome) OR NOT EXISTS (SELECT 1 FROM claim JOIN claim_range ON "
                                "claim = id WHERE step = task >> 40 AND task & 0xffffffffff "
                                "BETWEEN first AND last)"),
                     0);
    STATEMENT_CLEAN sqlite3_stmt *find =
        sql_prepare(is->journal->database.db,
                    "SELECT 1 FROM outcome WHERE task = ?1 UNION ALL SELECT 1 FROM withdrawn WHERE "
                    "task = ?1",
                    NULL);
    for (int step = 1; step <= 3; step++)
        for (int ordinal = 1; ordinal <= 120; ordinal++) {
            if (!withdrawn[step][ordinal])
                continue;
            sqlite3_bind_int64(find, 1, (int64_t)step << 40 | ordinal);
            assert_int_equal(sql_row(find, NULL), 1);
            sqlite3_reset(find);
        }
}

struct held {
    uint64_t id;
    char instance[8];
    int step;
};

/*
 * Claims, outcomes, returns, deferrals, recoveries, withdrawals, rollbacks and reopenings in any order, each checked. At the end, all is
 * over, and `acts` says that no task was delivered twice.
 */
static void anything_in_any_order(void **state)
{
    struct fixture *is = *state;
    const struct journal_step steps[] = {
        one_step,
        {.number = 2, .name = "zwei", .action = "null", .parent = 1, .after = OUTCOME_DELIVERED},
        {.number = 3, .name = "drei", .action = "null", .repeatable = true},
    };
    const char *given = getenv("SEED");
    unsigned seed =
        given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL) ^ (unsigned)getpid();
    struct held held[256];
    bool withdrawn[4][121] = {{false}}, as_before[4][121];
    size_t count = 0;
    print_message("seed %u: repeat with SEED=%u\n", seed, seed);
    srand(seed);
    make(is, 120, steps, 3,
         "INSERT INTO skipped VALUES (1, 17, 'when'), (1, 18, 'when'), (2, 50, 'when')");
    for (int round = 0; round < 400; round++) {
        bool undo = rand() % 8 == 0;
        size_t mark = count;
        memcpy(as_before, withdrawn, sizeof withdrawn);
        begin(is);
        for (int deeds = 1 + rand() % 4; deeds > 0; deeds--) {
            const struct held *one = count ? &held[(size_t)rand() % count] : NULL;
            uint64_t first = 1 + (uint64_t)rand() % 120, last = first + (uint64_t)rand() % 20,
                     tasks;
            struct error error;
            int64_t next_us;
            switch (rand() % 7) {
            case 5:
                for (int step = 1 + rand() % 3; first <= last && first <= 120; first += 3) {
                    withdraw_in(is, step, first, first);
                    withdrawn[step][first] = true;
                }
                break;
            case 0:
                if (count == 256)
                    break;
                held[count].step = 1 + rand() % 3;
                snprintf(held[count].instance, sizeof held[count].instance, "%d", rand() % 5);
                held[count].id = claim_in(is, held[count].step, held[count].instance,
                                          1 + (uint64_t)rand() % 30, &tasks);
                count += tasks > 0;
                break;
            case 1:
            case 2:
                if (one)
                    end_in(is, one->id, first, last, 1 + rand() % 5);
                break;
            case 3:
                if (one)
                    give_back_in(is, one->id, first, last);
                break;
            case 4:
                assert_int_equal(journal_due(is->journal, INT64_MAX, &next_us, &error), 0);
                break;
            default:
                if (one) {
                    struct journal_record records[] = {begun(one->id, first), begun(one->id, last)};
                    assert_int_equal(journal_recover(is->journal, one->instance, records, 2,
                                                     rand() % 3, "?", &error),
                                     0);
                }
            }
        }
        if (undo) {
            roll_back(is);
            memcpy(withdrawn, as_before, sizeof withdrawn);
            count = mark;
        } else {
            commit(is);
        }
        if (rand() % 16 == 0)
            reopen(is);
        check(is);
        check_withdrawn(is, withdrawn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(claims_take_what_waits_from_the_front),
        TEST(outcomes_end_a_task_once),
        TEST(what_is_given_back_waits_again_unless_it_has_ended),
        TEST(claims_are_as_they_were_after_a_reopen),
        TEST(an_unreadable_outcome_is_unknown),
        TEST(after_a_rollback_all_is_as_before),
        TEST(a_dependent_step_waits_for_its_parent),
        TEST(what_is_put_off_waits_again_when_it_is_due),
        TEST(what_is_put_off_too_long_is_rejected),
        TEST(recovery_applies_ends_doubts_begins_and_frees_the_rest),
        TEST(a_log_that_cannot_be_believed_leaves_all_in_doubt),
        TEST(what_is_repeatable_is_done_again),
        TEST(a_spoiled_end_is_in_doubt),
        TEST(what_waits_is_withdrawn_at_once),
        TEST(what_is_held_is_skipped_when_it_comes_back),
        TEST(what_is_withdrawn_is_not_tried_again),
        TEST(a_withdrawn_step_decides_for_those_that_wait_for_it),
        TEST(recovery_skips_what_was_withdrawn_and_not_begun),
        TEST(claims_may_be_of_some_alone),
        TEST(a_journal_of_version_1_gets_what_it_lacks),
        TEST(anything_in_any_order),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
