/* The rows file: what the reader child writes is what everybody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "source/rows.h"

static char path[] = "/tmp/campaignd-rows-%?#XXXXXX"; /* characters that a URI would take amiss */

static void sql(sqlite3 *database, const char *text)
{
    char *message = NULL;
    if (sqlite3_exec(database, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

static int make_file(void **state)
{
    sqlite3 *database;
    struct error error;
    (void)state;
    int fd = mkstemp(path);
    close(fd);
    unlink(path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    if (rows_create(database, 3, &error) != 0)
        fail_msg("%s", error.message);
    sql(database, "INSERT INTO field(position, name, role, format, label_de, label_en) "
                  "VALUES(0, 'key', '', '', 'Schlüssel', 'key'), (1, 'seq', 'email', 'date "
                  "long', '', ''), (2, 'ordinal', '', '', '', '')");
    sql(database,
        "INSERT INTO recipient VALUES(1, 'A', 1, 'ä', NULL), (2, '17', 1.10, x'00ff', ''),"
        "(3, 'C', '1.10', -5, 'z')");
    sql(database, "INSERT INTO meta VALUES('run', 12), ('uuid', 'U'), ('recipients', 3),"
                  "('created_us', 99), ('definition', '{\"steps\": [1]}')");
    sql(database, "INSERT INTO file VALUES('Brief', 'logo.png', 'image/png', x'89504e4700'),"
                  "('Brief', 'leer', 'text/plain', x'')");
    sqlite3_close(database);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static struct rows *open_rows(void)
{
    struct error error;
    struct rows *rows = rows_open(path, &error);
    if (!rows)
        fail_msg("%s", error.message);
    return rows;
}

static void file_says_what_it_is(void **state)
{
    (void)state;
    ROWS_CLEAN struct rows *rows = open_rows();
    assert_int_equal(rows_run(rows), 12);
    assert_string_equal(rows_uuid(rows), "U");
    assert_int_equal(rows_recipients(rows), 3);
    assert_int_equal(rows_created_us(rows), 99);
    assert_int_equal(json_array_size(json_object_get(rows_definition(rows), "steps")), 1);
    assert_int_equal(rows_field_count(rows), 3);
    assert_string_equal(rows_field(rows, 0)->label_de, "Schlüssel");
    assert_string_equal(rows_field(rows, 1)->format, "date long");
    assert_null(rows_field(rows, 3));
    assert_int_equal(rows_field_by_name(rows, "ordinal"), 2);
    assert_int_equal(rows_field_by_name(rows, "c0"), -1);
    assert_int_equal(rows_field_by_role(rows, "email"), 1);
    assert_int_equal(rows_field_by_role(rows, ""), -1);
}

static void assert_cell(const struct rows *rows, unsigned position, int type, const char *text,
                        size_t length)
{
    struct rows_value value;
    rows_value(rows, position, &value);
    assert_int_equal(value.type, type);
    assert_int_equal(value.length, length);
    assert_memory_equal(value.text, text, length + 1);
}

static void values_are_as_the_source_typed_them(void **state)
{
    (void)state;
    struct error error;
    struct rows_value value;
    ROWS_CLEAN struct rows *rows = open_rows();
    assert_int_equal(rows_seek(rows, 1, 3, &error), 0);
    assert_int_equal(rows_next(rows, &error), 1);
    assert_int_equal(rows_ordinal(rows), 1);
    assert_cell(rows, 0, SQLITE_INTEGER, "1", 1);
    assert_cell(rows, 1, SQLITE_TEXT, "ä", 2);
    assert_cell(rows, 2, SQLITE_NULL, "", 0);
    assert_cell(rows, 9, SQLITE_NULL, "", 0);
    assert_int_equal(rows_next(rows, &error), 1);
    rows_key(rows, &value);
    assert_int_equal(value.type, SQLITE_TEXT);
    assert_string_equal(value.text, "17");
    assert_cell(rows, 0, SQLITE_FLOAT, "1.1", 3);
    rows_value(rows, 1, &value);
    assert_int_equal(value.type, SQLITE_BLOB);
    assert_memory_equal(value.text, "\x00\xff", 2);
    assert_cell(rows, 2, SQLITE_TEXT, "", 0);
    assert_int_equal(rows_next(rows, &error), 1);
    assert_cell(rows, 0, SQLITE_TEXT, "1.10", 4); /* a decimal stays exact */
    assert_cell(rows, 1, SQLITE_INTEGER, "-5", 2);
    assert_int_equal(rows_next(rows, &error), 0);
}

static void cursor_walks_a_range_and_starts_anew(void **state)
{
    (void)state;
    struct error error;
    ROWS_CLEAN struct rows *rows = open_rows();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rows_seek(rows, 2, 2, &error), 0);
        assert_int_equal(rows_next(rows, &error), 1);
        assert_int_equal(rows_ordinal(rows), 2);
        assert_int_equal(rows_seek(rows, 3, 100, &error), 0);
        assert_int_equal(rows_next(rows, &error), 1);
        assert_int_equal(rows_ordinal(rows), 3);
        assert_int_equal(rows_next(rows, &error), 0);
    }
    assert_int_equal(rows_seek(rows, 4, 9, &error), 0);
    assert_int_equal(rows_next(rows, &error), 0);
}

/* ---- files of a test's own ---- */

static void make_own(char *name, int format, const char *text)
{
    sqlite3 *database;
    struct error error;
    int fd = mkstemp(name);
    close(fd);
    unlink(name);
    assert_int_equal(sqlite3_open(name, &database), SQLITE_OK);
    sql(database, "PRAGMA synchronous = OFF; BEGIN");
    if (format > 1)
        assert_int_equal(rows_create(database, 2, &error), 0);
    sql(database, text);
    sql(database, "INSERT INTO meta VALUES('run', 1), ('uuid', 'U'), ('definition', '{}'); COMMIT");
    sqlite3_close(database);
}

static struct rows *open_own(const char *name)
{
    struct error error;
    struct rows *rows = rows_open(name, &error);
    if (!rows)
        fail_msg("%s", error.message);
    return rows;
}

/* What the daemon before this one wrote. */
static const char format_1[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE field(position INTEGER PRIMARY KEY, name TEXT NOT NULL, role TEXT, format TEXT, "
    "label_de TEXT, label_en TEXT);"
    "CREATE TABLE file(report TEXT NOT NULL, name TEXT NOT NULL, mime_type TEXT NOT NULL, "
    "content BLOB NOT NULL, PRIMARY KEY(report, name));"
    "CREATE TABLE left_out(key, reason TEXT NOT NULL, detail TEXT);"
    "CREATE TABLE skipped(step INTEGER NOT NULL, ordinal INTEGER NOT NULL, reason TEXT NOT NULL, "
    "PRIMARY KEY(step, ordinal)) WITHOUT ROWID;"
    "CREATE TABLE recipient(ordinal INTEGER PRIMARY KEY, key NOT NULL, c0);"
    "INSERT INTO meta VALUES('format', '1'), ('recipients', 2);"
    "INSERT INTO field VALUES(0, 'name', 'salutation', 'upper', 'Name', 'name');"
    "INSERT INTO recipient VALUES(1, 'A', 'Anna'), (2, 17, 'Bert');";

static void expect_key(struct rows *rows, const char *key, int64_t expected)
{
    struct error error;
    int64_t ordinal = 0;
    int found = rows_find_key(rows, key, &ordinal, &error);
    if (found != (expected > 0) || ordinal != expected)
        fail_msg("key %s: found %d, ordinal %d", key, found, (int)ordinal);
}

static void recipients_are_found_by_their_key(void **state)
{
    (void)state;
    ROWS_CLEAN struct rows *rows = open_rows();
    expect_key(rows, "C", 3);
    expect_key(rows, "17", 2);
    expect_key(rows, "nobody", 0);
}

static void files_of_format_1_are_still_read(void **state)
{
    (void)state;
    struct error error;
    char name[] = "/tmp/campaignd-rows1-XXXXXX";
    make_own(name, 1, format_1);
    ROWS_CLEAN struct rows *rows = open_own(name);
    assert_int_equal(rows_format(rows), 1);
    assert_int_equal(rows_field_count(rows), 1);
    assert_string_equal(rows_field(rows, 0)->role, "salutation");
    assert_string_equal(rows_field(rows, 0)->type, "");
    assert_string_equal(rows_field(rows, 0)->format, "upper");
    assert_int_equal(rows_detail_count(rows), 0);
    expect_key(rows, "17", 2);
    assert_int_equal(rows_count(rows, ROWS_MEMBERS, 2, &error), 1);
    struct rows_walk *walk = rows_walk(rows, ROWS_MEMBERS, 2, &error);
    assert_non_null(walk);
    assert_int_equal(rows_walk_next(walk, &error), 1);
    assert_string_equal(rows_walk_value(walk, 0)->text, "Bert");
    assert_int_equal(rows_walk_next(walk, &error), 0);
    rows_walk_end(walk);
    unlink(name);
}

static void keys_that_ascend_are_found_by_halving(void **state)
{
    (void)state;
    struct error error;
    sqlite3 *database;
    char name[] = "/tmp/campaignd-rows2-XXXXXX";
    make_own(name, 2,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
             "INSERT INTO recipient SELECT i, CAST(i * 7 - 2000 AS TEXT), i, '' FROM n;"
             "INSERT INTO meta VALUES('recipients', 1000);"
             "INSERT INTO member VALUES(3, 0, '-1979', 3, ''), (3, 1, '9000000', 4, '')");
    assert_int_equal(sqlite3_open(name, &database), SQLITE_OK);
    assert_int_equal(rows_create_indexes(database, true, &error), 0);
    sqlite3_close(database);
    ROWS_CLEAN struct rows *rows = open_own(name);
    for (int i = 1; i <= 1000; i++) {
        char key[20];
        snprintf(key, sizeof key, "%d", i * 7 - 2000);
        expect_key(rows, key, i);
    }
    expect_key(rows, "-1994", 0);
    expect_key(rows, "5001", 0);
    expect_key(rows, "99999999999999999999", 0);
    expect_key(rows, "07", 0);
    expect_key(rows, "+9", 0);
    expect_key(rows, "", 0);
    expect_key(rows, "9000000", 3); /* a member's */
    unlink(name);
}

/* ---- lists ---- */

static const char lists[] =
    "INSERT INTO field VALUES(0, 'name', '', 'text', '', '', ''), "
    "(1, 'title', 'title', 'text', '', '', '');"
    "INSERT INTO recipient VALUES(1, 'a', 'Anna', 'Frau'), (2, 'b', 'Bert', 'Herr');"
    "INSERT INTO member VALUES(1, 0, 'a', 'Anna', 'Frau'), (1, 1, 'm', 'Max', 'Herr'), "
    "(1, 2, 'k', NULL, x'00');"
    "CREATE TABLE detail_0(ordinal INTEGER, seq INTEGER, d0, d1, d2, PRIMARY KEY(ordinal, seq)) "
    "WITHOUT ROWID;"
    "CREATE TABLE detail_1(ordinal INTEGER, seq INTEGER, PRIMARY KEY(ordinal, seq)) WITHOUT ROWID;"
    "INSERT INTO detail_group VALUES(0, 'lines', 1000), (1, 'bookings', 7);"
    "INSERT INTO detail_field VALUES(0, 0, 'label', 'text', '', 'Posten', 'item'), "
    "(0, 1, 'amount', 'decimal', 'money EUR', '', ''), (0, 2, 'count', 'integer', '', '', '');"
    "INSERT INTO detail_0 VALUES(2, 2, 'second', '0.10', 2), (2, 1, 'first', '12.50', 1), "
    "(1, 1, 'other', NULL, 3);";

static char *read_list(struct rows *rows, int list, int64_t ordinal, int column)
{
    static char text[200];
    struct error error;
    struct rows_walk *walk = rows_walk(rows, list, ordinal, &error);
    assert_non_null(walk);
    *text = 0;
    assert_null(rows_walk_value(walk, column));
    while (rows_walk_next(walk, &error) > 0) {
        const struct rows_value *value = rows_walk_value(walk, column);
        strcat(text, value->type == SQLITE_NULL ? "NULL" : value->text);
        strcat(text, " ");
    }
    assert_null(rows_walk_value(walk, column));
    rows_walk_end(walk);
    return text;
}

static void members_of_a_unit_are_read_in_order(void **state)
{
    (void)state;
    struct error error;
    char name[] = "/tmp/campaignd-rows3-XXXXXX";
    make_own(name, 2, lists);
    ROWS_CLEAN struct rows *rows = open_own(name);
    assert_int_equal(rows_count(rows, ROWS_MEMBERS, 1, &error), 3);
    assert_string_equal(read_list(rows, ROWS_MEMBERS, 1, 0), "Anna Max NULL ");
    assert_string_equal(read_list(rows, ROWS_MEMBERS, 1, -1), "a m k ");
    /* who is alone is his own member */
    assert_int_equal(rows_count(rows, ROWS_MEMBERS, 2, &error), 1);
    assert_string_equal(read_list(rows, ROWS_MEMBERS, 2, 1), "Herr ");
    assert_string_equal(read_list(rows, ROWS_MEMBERS, 2, -1), "b ");
    expect_key(rows, "k", 1);
    expect_key(rows, "b", 2);
    unlink(name);
}

static void details_are_read_by_recipient_in_order(void **state)
{
    (void)state;
    struct error error;
    char name[] = "/tmp/campaignd-rows4-XXXXXX";
    make_own(name, 2, lists);
    ROWS_CLEAN struct rows *rows = open_own(name);
    assert_int_equal(rows_detail_count(rows), 2);
    assert_int_equal(rows_detail_by_name(rows, "bookings"), 1);
    assert_int_equal(rows_detail_by_name(rows, "Lines"), -1);
    const struct rows_detail *group = rows_detail(rows, 0);
    assert_int_equal(group->row_limit, 1000);
    assert_int_equal(group->field_count, 3);
    assert_string_equal(group->fields[1].name, "amount");
    assert_string_equal(group->fields[1].type, "decimal");
    assert_string_equal(group->fields[1].format, "money EUR");
    assert_string_equal(group->fields[0].label_de, "Posten");
    assert_null(rows_detail(rows, 2));
    assert_int_equal(rows_count(rows, 0, 2, &error), 2);
    assert_int_equal(rows_count(rows, 0, 3, &error), 0);
    assert_int_equal(rows_count(rows, 1, 2, &error), 0);
    assert_string_equal(read_list(rows, 0, 2, 0), "first second ");
    assert_string_equal(read_list(rows, 0, 2, 1), "12.50 0.10 ");
    assert_string_equal(read_list(rows, 0, 1, 1), "NULL ");
    assert_string_equal(read_list(rows, 1, 1, 0), "");
    assert_null(rows_walk(rows, 2, 1, &error));
    unlink(name);
}

static void lists_are_walked_beside_each_other(void **state)
{
    (void)state;
    struct error error;
    char name[] = "/tmp/campaignd-rows5-XXXXXX";
    make_own(name, 2, lists);
    ROWS_CLEAN struct rows *rows = open_own(name);
    struct rows_walk *outer = rows_walk(rows, 0, 2, &error);
    assert_int_equal(rows_walk_next(outer, &error), 1);
    assert_string_equal(read_list(rows, 0, 2, 0), "first second ");
    struct rows_walk *given_up = rows_walk(rows, 0, 2, &error);
    assert_int_equal(rows_walk_next(given_up, &error), 1);
    rows_walk_end(given_up);
    assert_string_equal(read_list(rows, 0, 1, 0), "other ");
    assert_string_equal(rows_walk_value(outer, 0)->text, "first");
    assert_int_equal(rows_walk_next(outer, &error), 1);
    assert_string_equal(rows_walk_value(outer, 0)->text, "second");
    rows_walk_end(outer);
    unlink(name);
}

static void a_hundred_thousand_lines_cost_the_memory_of_one(void **state)
{
    (void)state;
    struct error error;
    char name[] = "/tmp/campaignd-rows6-XXXXXX";
    make_own(name, 2,
             "CREATE TABLE detail_0(ordinal INTEGER, seq INTEGER, d0, PRIMARY KEY(ordinal, seq)) "
             "WITHOUT ROWID;"
             "INSERT INTO detail_group VALUES(0, 'lines', 1000000);"
             "INSERT INTO detail_field VALUES(0, 0, 'text', 'text', '', '', '');"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
             "INSERT INTO detail_0 SELECT 1, i, printf('%0200d', i) FROM n");
    ROWS_CLEAN struct rows *rows = open_own(name);
    assert_int_equal(rows_count(rows, 0, 1, &error), 100000);
    struct rows_walk *walk = rows_walk(rows, 0, 1, &error);
    size_t before = mallinfo2().uordblks;
    int64_t seen = 0, most = 0;
    while (rows_walk_next(walk, &error) > 0) {
        assert_int_equal(atoi(rows_walk_value(walk, 0)->text), ++seen);
        int64_t more = (int64_t)(mallinfo2().uordblks - before);
        if (more > most)
            most = more;
    }
    rows_walk_end(walk);
    assert_int_equal(seen, 100000);
    assert_in_range(most, 0, 4 << 20); /* SQLite's page cache; the lines are 20 MB */
    unlink(name);
}

static void files_of_reports_are_read(void **state)
{
    (void)state;
    struct error error;
    char *content = NULL, *mime_type = NULL;
    size_t size = 0;
    ROWS_CLEAN struct rows *rows = open_rows();
    assert_int_equal(rows_file(rows, "Brief", "logo.png", &content, &size, &mime_type, &error), 1);
    assert_int_equal(size, 5);
    assert_memory_equal(content, "\x89PNG\0", 5);
    assert_string_equal(mime_type, "image/png");
    free(content);
    free(mime_type);
    assert_int_equal(rows_file(rows, "Brief", "leer", &content, &size, NULL, &error), 1);
    assert_int_equal(size, 0);
    free(content);
    assert_int_equal(rows_file(rows, "Brief", "none", &content, &size, NULL, &error), 0);
}

static void *walk(void *rows)
{
    struct error error;
    for (intptr_t i = 0; i < 500; i++) {
        rows_lock(rows);
        int count = 0;
        rows_seek(rows, 1, 3, &error);
        while (rows_next(rows, &error) == 1)
            count += rows_ordinal(rows) == count + 1;
        rows_unlock(rows);
        if (count != 3)
            return "a row was missed";
    }
    return NULL;
}

static void threads_share_a_connection(void **state)
{
    (void)state;
    pthread_t threads[4];
    ROWS_CLEAN struct rows *rows = open_rows();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, walk, rows);
    for (int i = 0; i < 4; i++) {
        void *fault;
        pthread_join(threads[i], &fault);
        assert_null(fault);
    }
}

static void expect_refusal(const char *file, const char *wanted)
{
    struct error error;
    assert_null(rows_open(file, &error));
    if (!strstr(error.message, wanted))
        fail_msg("»%s« does not say »%s«", error.message, wanted);
}

static void what_is_no_rows_file_is_refused(void **state)
{
    (void)state;
    char other[] = "/tmp/campaignd-norows-XXXXXX";
    sqlite3 *database;
    struct error error;
    int fd = mkstemp(other);
    expect_refusal("/none/such.db", "/none/such.db");
    assert_int_equal(file_write_all(fd, "this is no database, it is a text that is long", 46), 0);
    expect_refusal(other, other);
    close(fd);
    unlink(other);
    assert_int_equal(sqlite3_open(other, &database), SQLITE_OK);
    assert_int_equal(rows_create(database, 0, &error), 0);
    sqlite3_close(database);
    expect_refusal(other, "no definition");
    assert_int_equal(sqlite3_open(other, &database), SQLITE_OK);
    sql(database, "UPDATE meta SET value = 3");
    sqlite3_close(database);
    expect_refusal(other, "not of format 1 to 2");
    unlink(other);
    assert_int_equal(sqlite3_open(":memory:", &database), SQLITE_OK);
    assert_int_equal(rows_create(database, ROWS_COLUMNS_MAX + 1, &error), -1);
    sqlite3_close(database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_says_what_it_is),
        cmocka_unit_test(values_are_as_the_source_typed_them),
        cmocka_unit_test(cursor_walks_a_range_and_starts_anew),
        cmocka_unit_test(recipients_are_found_by_their_key),
        cmocka_unit_test(files_of_format_1_are_still_read),
        cmocka_unit_test(keys_that_ascend_are_found_by_halving),
        cmocka_unit_test(members_of_a_unit_are_read_in_order),
        cmocka_unit_test(details_are_read_by_recipient_in_order),
        cmocka_unit_test(lists_are_walked_beside_each_other),
        cmocka_unit_test(a_hundred_thousand_lines_cost_the_memory_of_one),
        cmocka_unit_test(files_of_reports_are_read),
        cmocka_unit_test(threads_share_a_connection),
        cmocka_unit_test(what_is_no_rows_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
