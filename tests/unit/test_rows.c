/* The rows file: what the reader child writes is what everybody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    sql(database, "INSERT INTO recipient VALUES(1, 'A', 1, 'ä', NULL), (2, 17, 1.10, x'00ff', ''),"
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
    assert_int_equal(value.type, SQLITE_INTEGER);
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

static void recipients_are_found_by_their_key(void **state)
{
    (void)state;
    struct error error;
    int64_t ordinal = 0;
    ROWS_CLEAN struct rows *rows = open_rows();
    assert_int_equal(rows_find_key(rows, "C", &ordinal, &error), 1);
    assert_int_equal(ordinal, 3);
    assert_int_equal(rows_find_key(rows, "17", &ordinal, &error), 1);
    assert_int_equal(ordinal, 2);
    assert_int_equal(rows_find_key(rows, "nobody", &ordinal, &error), 0);
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
        cmocka_unit_test(files_of_reports_are_read),
        cmocka_unit_test(threads_share_a_connection),
        cmocka_unit_test(what_is_no_rows_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
