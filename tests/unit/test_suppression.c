/* The suppression list: what an entry is made of, to whom it applies, what is the same entry, and how it goes in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store/sql.h"
#include "store/state.h"
#include "store/suppression.h"

struct fixture {
    char folder[64];
    char *path, *copy;
    struct state state;
};

static int set_up(void **state)
{
    struct fixture *is = memory_new(sizeof *is);
    struct error error;
    strcpy(is->folder, "/tmp/test_suppression.XXXXXX");
    assert_non_null(mkdtemp(is->folder));
    is->path = memory_format("%s/state.db", is->folder);
    is->copy = memory_format("%s/copy.db", is->folder);
    if (state_open(&is->state, is->path, &error) != 0)
        fail_msg("%s", error.message);
    *state = is;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *is = *state;
    static const char *const endings[] = {"", "-wal", "-shm"};
    state_close(&is->state);
    for (int i = 0; i < 3; i++) {
        FREE_CLEAN char *path = memory_format("%s%s", is->path, endings[i]);
        unlink(path);
    }
    unlink(is->copy);
    assert_int_equal(rmdir(is->folder), 0);
    free(is->path);
    free(is->copy);
    free(is);
    return 0;
}

static struct suppression_entry made(const char *value, const char *reason, const char *scope,
                                     const char *channel, char normal[ADDRESS_SIZE])
{
    struct error error;
    struct suppression_entry entry = {.value = value,
                                      .reason = reason,
                                      .scope = scope,
                                      .channel = channel,
                                      .created_us = 1000000};
    if (!strchr(value, '@') && *value != '+')
        entry.kind = "person";
    if (strcmp(scope, "campaign") == 0)
        entry.campaign_id = 5;
    if (suppression_make(&entry, normal, &error) != 0)
        fail_msg("%s", error.message);
    return entry;
}

static struct suppression_result put(struct fixture *is, const struct suppression_entry *entry)
{
    struct suppression_result result;
    struct error error;
    assert_int_equal(suppression_put(is->state.database.db, entry, 1, &result, &error), 0);
    return result;
}

static int64_t revision(struct fixture *is)
{
    return suppression_revision(is->state.database.db, NULL);
}

/* ---- addresses ---- */

static void addresses_have_one_form(void **state)
{
    char normal[ADDRESS_SIZE], *large = memory_new(ADDRESS_SIZE + 1);
    (void)state;
    memset(large, '7', ADDRESS_SIZE);
    assert_int_equal(address_normal_email(normal, " \tMax.M@Example.ORG\r\n", 20), 17);
    assert_string_equal(normal, "max.m@example.org");
    assert_int_equal(address_normal_email(normal, "  ", 2), 0);
    assert_int_equal(address_normal_email(normal, "a\0b@c", 5), 0);
    assert_int_equal(address_normal_email(normal, large, ADDRESS_SIZE), 0);
    assert_int_equal(address_normal_phone(normal, "+43 (0)316 / 77-1", 17), 9 + 1);
    assert_string_equal(normal, "+430316771");
    assert_int_equal(address_normal_phone(normal, "0316+77", 7), 6);
    assert_int_equal(address_normal_phone(normal, "+ -", 3), 0);
    assert_string_equal(normal, "");
    assert_int_equal(address_normal_phone(normal, large, ADDRESS_SIZE), 0);
    free(large);
}

/* ---- to whom it applies ---- */

static void purpose_scope_and_channel_decide(void **state)
{
    static const struct {
        const char *reason, *scope, *channel;
        const char *purpose;
        int64_t campaign;
        const char *of; /* the step's channel */
        bool applies;
    } rows[] = {
        {"objection", "advertising", "any", "advertising", 1, "email", true},
        {"objection", "advertising", "any", "information", 1, "email", false},
        {"objection", "advertising", "any", "mandatory", 1, "email", false},
        {"objection", "all", "any", "information", 1, "email", true},
        {"complaint", "all", "any", "mandatory", 1, "letter", true},
        {"objection", "campaign", "any", "advertising", 5, "email", true},
        {"objection", "campaign", "any", "mandatory", 5, "email", true},
        {"objection", "campaign", "any", "advertising", 6, "email", false},
        {"objection", "all", "email", "advertising", 1, "letter", false},
        {"objection", "all", "email", "advertising", 1, "", false},
        {"objection", "all", "any", "advertising", 1, "", true},
        {"bounce", "advertising", "email", "mandatory", 1, "email", true},
        {"bounce", "all", "email", "advertising", 1, "letter", false},
        {"blocked", "advertising", "any", "mandatory", 1, "letter", true},
        {"deceased", "campaign", "any", "information", 6, "sms", true},
        {"other", "advertising", "any", "information", 1, "email", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char normal[ADDRESS_SIZE];
        struct suppression_entry entry =
            made("a@example.org", rows[i].reason, rows[i].scope, rows[i].channel, normal);
        if (suppression_applies(&entry, rows[i].purpose, rows[i].campaign, rows[i].of) !=
            rows[i].applies)
            fail_msg("row %zu", i);
    }
}

static void a_task_says_why_and_since_when(void **state)
{
    char normal[ADDRESS_SIZE], text[SUPPRESSION_TEXT];
    (void)state;
    struct suppression_entry entry = made("a@example.org", "objection", "all", "any", normal);
    entry.created_us = INT64_C(1795574815000000);
    suppression_text(text, &entry);
    assert_string_equal(text, "suppressed: objection of 2026-11-25");
}

/* ---- the same again ---- */

static void the_stricter_reason_and_the_first_time_stay(void **state)
{
    struct fixture *is = *state;
    char normal[ADDRESS_SIZE];
    struct error error;
    struct suppression_entry entry = made("A@example.org", "objection", "all", "any", normal);
    assert_int_equal(revision(is), 0);
    int64_t id = put(is, &entry).id;
    assert_int_equal(revision(is), 1);
    assert_int_equal(put(is, &entry).unchanged, 1);
    assert_int_equal(revision(is), 1);
    entry.reason = "bounce";
    entry.note = "550 5.1.1";
    entry.created_us = 9000000;
    assert_int_equal(put(is, &entry).changed, 1);
    assert_int_equal(revision(is), 2);
    entry.reason = "complaint";
    entry.note = "milder";
    assert_int_equal(put(is, &entry).unchanged, 1);
    struct suppression_entry other = made("a@example.org", "objection", "all", "email", normal);
    assert_int_equal(put(is, &other).added, 1);

    SUPPRESSION_BATCH_CLEAN struct suppression_batch batch = {0};
    int64_t upto;
    assert_int_equal(suppression_since(is->path, 0, 10, &batch, &upto, &error), 0);
    assert_int_equal(batch.count, 2);
    assert_int_equal(upto, 3);
    assert_int_equal(batch.entries[0].id, id);
    assert_string_equal(batch.entries[0].reason, "bounce");
    assert_string_equal(batch.entries[0].note, "550 5.1.1");
    assert_int_equal(batch.entries[0].created_us, 1000000);
}

static void who_has_looked_sees_only_what_is_newer(void **state)
{
    struct fixture *is = *state;
    char normal[ADDRESS_SIZE], value[32];
    struct error error;
    int64_t last = 0;
    for (int i = 0; i < 25; i++) {
        snprintf(value, sizeof value, "%d", i);
        struct suppression_entry entry = made(value, "blocked", "all", "any", normal);
        last = put(is, &entry).id;
    }
    for (int64_t after = 0, seen = 0; seen < 25;) {
        SUPPRESSION_BATCH_CLEAN struct suppression_batch batch = {0};
        assert_int_equal(suppression_since(is->path, after, 10, &batch, &after, &error), 0);
        assert_true(batch.count > 0);
        seen += (int64_t)batch.count;
        assert_int_equal(after, seen);
    }
    /* The newest goes, another comes: its revision is new, though the place is free again. */
    assert_int_equal(suppression_remove(is->state.database.db, last, &error), 1);
    assert_int_equal(suppression_remove(is->state.database.db, last, &error), 0);
    assert_int_equal(revision(is), 26);
    struct suppression_entry entry = made("neu", "blocked", "all", "any", normal);
    put(is, &entry);
    SUPPRESSION_BATCH_CLEAN struct suppression_batch batch = {0};
    int64_t upto;
    assert_int_equal(suppression_since(is->path, 25, 10, &batch, &upto, &error), 0);
    assert_int_equal(batch.count, 1);
    assert_string_equal(batch.entries[0].value, "neu");
}

/* ---- CSV ---- */

static void read_csv(const char *text, struct suppression_batch *batch, json_t *problems,
                     size_t *refused)
{
    struct error error;
    if (suppression_read_csv(text, strlen(text), NULL, "import", batch, problems, refused,
                             &error) != 0)
        fail_msg("%s", error.message);
}

static void hostile_csv_does_no_harm(void **state)
{
    static const char *const texts[] = {"value",
                                        "value\n",
                                        "value\n\"",
                                        "value\n\"a@b.at",
                                        "value\n\"\"\"\"\n",
                                        "value,note\na@b.at,\"x",
                                        "value\n\xff\xfe@b.at\n",
                                        "value\na@b.at\x01\n",
                                        "value,time\na@b.at,9999-99-99\n",
                                        "value,time\na@b.at,2026-11-25X\n",
                                        "value,campaign\na@b.at,-1\n",
                                        "value,campaign\na@b.at,99999999999999999999\n",
                                        "key\n' OR 1=1 --\n",
                                        ",,,,value\n,,,,\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        SUPPRESSION_BATCH_CLEAN struct suppression_batch batch = {0};
        json_t *problems = json_array();
        size_t refused;
        read_csv(texts[i], &batch, problems, &refused);
        assert_int_equal(json_array_size(problems), refused);
        FREE_CLEAN char *told = json_dumps(problems, 0);
        assert_non_null(told);
        json_decref(problems);
    }
    BUFFER_CLEAN struct buffer large = {0};
    SUPPRESSION_BATCH_CLEAN struct suppression_batch batch = {0};
    json_t *problems = json_array();
    size_t refused;
    buffer_text(&large, "value,note\na@b.at,");
    for (int i = 0; i < 1 << 20; i++)
        buffer_char(&large, 'x');
    buffer_text(&large, "\nb@b.at,short\n");
    read_csv(buffer_string(&large), &batch, problems, &refused);
    assert_int_equal(refused, 1);
    assert_int_equal(batch.count, 1);
    json_decref(problems);
}

static void what_is_written_is_read_again(void **state)
{
    struct fixture *is = *state;
    char normal[ADDRESS_SIZE];
    struct error error;
    BUFFER_CLEAN struct buffer csv = {0};
    SUPPRESSION_BATCH_CLEAN struct suppression_batch batch = {0};
    json_t *problems = json_array();
    size_t refused;
    struct suppression_entry one = made("a@example.org", "objection", "campaign", "any", normal);
    one.note = "he said \"no\",\r\nand meant it; a\ttab";
    put(is, &one);
    char other[ADDRESS_SIZE];
    struct suppression_entry two = made("47,11", "deceased", "all", "letter", other);
    put(is, &two);
    assert_int_equal(suppression_write_csv(is->path, &csv, &error), 0);
    read_csv(buffer_string(&csv), &batch, problems, &refused);
    assert_int_equal(refused, 0);
    assert_int_equal(batch.count, 2);
    assert_string_equal(batch.entries[0].note, one.note);
    assert_int_equal(batch.entries[0].campaign_id, 5);
    assert_int_equal(batch.entries[0].created_us, 1000000);
    assert_string_equal(batch.entries[1].value, "47,11");
    assert_string_equal(batch.entries[1].kind, "person");
    json_decref(problems);
}

/* ---- the copy ---- */

static void a_copy_has_all_and_nothing_more_than_it_says(void **state)
{
    struct fixture *is = *state;
    char normal[ADDRESS_SIZE], value[32];
    struct error error;
    int64_t as_of;
    for (int i = 0; i < 50; i++) {
        snprintf(value, sizeof value, "k%d@example.org", i);
        struct suppression_entry entry = made(value, "objection", "all", "any", normal);
        put(is, &entry);
    }
    assert_int_equal(suppression_copy(is->path, is->copy, &as_of, &error), 0);
    assert_int_equal(as_of, 50);
    SQL_CLEAN sqlite3 *copy = sql_open_readonly(is->copy, &error);
    STATEMENT_CLEAN sqlite3_stmt *count = sql_prepare(
        copy,
        "SELECT count(*), (SELECT count(*) FROM entry WHERE value = 'k7@example.org') FROM entry",
        &error);
    assert_int_equal(sql_row(count, &error), 1);
    assert_int_equal(sqlite3_column_int(count, 0), 50);
    assert_int_equal(sqlite3_column_int(count, 1), 1);
    STATEMENT_CLEAN sqlite3_stmt *tables =
        sql_prepare(copy, "SELECT group_concat(name) FROM sqlite_schema", &error);
    assert_int_equal(sql_row(tables, &error), 1);
    assert_string_equal(sql_text(tables, 0), "entry,entry_value");
}

/* ---- a state.db of version 1 ---- */

static void an_older_state_gets_the_list(void **state)
{
    struct fixture *is = *state;
    struct error error;
    assert_int_equal(sql_run(is->state.database.db,
                             "DROP TABLE suppression; DROP TABLE counter; DROP TABLE confirmation; "
                             "ALTER TABLE run DROP "
                             "COLUMN purpose; ALTER TABLE run DROP COLUMN purpose_reason; ALTER "
                             "TABLE run DROP COLUMN consent_reason; INSERT INTO run VALUES (3, "
                             "'u', 1, 'c', 'me', 0, 5, '', 1, 1, 1, 9, '{}'); PRAGMA user_version "
                             "= 1",
                             &error),
                     0);
    state_close(&is->state);
    assert_int_equal(state_open(&is->state, is->path, &error), 0);
    assert_int_equal(revision(is), 0);
    struct run_row *rows;
    size_t count;
    assert_int_equal(state_runs(&is->state, &rows, &count, &error), 0);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].recipients, 9);
    assert_string_equal(rows[0].purpose, "");
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(addresses_have_one_form),
        TEST(purpose_scope_and_channel_decide),
        TEST(a_task_says_why_and_since_when),
        TEST(the_stricter_reason_and_the_first_time_stay),
        TEST(who_has_looked_sees_only_what_is_newer),
        TEST(hostile_csv_does_no_harm),
        TEST(what_is_written_is_read_again),
        TEST(a_copy_has_all_and_nothing_more_than_it_says),
        TEST(an_older_state_gets_the_list),
    };
    return cmocka_run_group_tests_name("suppression", tests, NULL, NULL);
}
