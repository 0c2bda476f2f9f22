/* Sources: what the driver of SQLite promises beyond what the tests of all drivers look at
 * (tests/system/test_sources.py), and the sandbox around opened sources. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "source/sandbox.h"
#include "source/source.h"

static char folder[] = "/tmp/test_source.XXXXXX";
static char path[64];
static struct error error;

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/s.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    FREE_CLEAN char *command = memory_format("rm -rf %s", folder);
    return system(command);
}

static void run_sql(const char *sql)
{
    sqlite3 *database;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(database);
}

static struct source *try_open(int64_t time_limit_us)
{
    struct source_options options = {
        .driver = "sqlite", .path = path, .time_limit_us = time_limit_us};
    return source_open("shop", &options, &error);
}

static struct source *open_source(void)
{
    struct source *source = try_open(20000000);
    if (!source)
        fail_msg("%s", error.message);
    return source;
}

static void ask(struct source *source, const char *sql)
{
    if (source_query(source, sql, NULL, &error) != 0)
        fail_msg("%s: %s", sql, error.message);
}

static int64_t number(struct source *source, const char *sql)
{
    struct source_value value;
    ask(source, sql);
    if (source_next(source, &error) != 1)
        fail_msg("%s: %s", sql, error.message);
    source_value(source, 0, &value);
    assert_int_equal(value.type, SQLITE_INTEGER);
    return value.integer;
}

static void assert_message(const char *part)
{
    if (!strstr(error.message, part))
        fail_msg("»%s« is not in »%s«", part, error.message);
}

/* ---- what it says ---- */

static void a_column_has_the_type_that_its_table_declares(void **state)
{
    (void)state;
    run_sql("CREATE TABLE t (a INTEGER, b VARCHAR(20), c DECIMAL(10, 2), d DATE, e DATETIME, "
            "f BOOLEAN, g BLOB, h DOUBLE, i TIME, j TIMESTAMP, k NUMERIC, l)");
    static const char *const expected[] = {"integer", "text",   "decimal", "date", "timestamp",
                                           "boolean", "binary", "real",    "time", "timestamp",
                                           "decimal", "",       ""};
    struct source *source = open_source();
    ask(source, "SELECT *, 1 + 1 FROM t");
    assert_int_equal(source_columns(source), 13);
    for (unsigned i = 0; i < 13; i++)
        assert_string_equal(source_type_name(source_column_type(source, i)), expected[i]);
    source_close(source);
}

static void values_come_as_they_are_stored(void **state)
{
    (void)state;
    struct source_value value;
    run_sql("CREATE TABLE t (a); INSERT INTO t VALUES (x''), (CAST(x'610062' AS TEXT)), "
            "(CAST(x'fc' AS TEXT)), (12.5)");
    struct source *source = open_source();
    ask(source, "SELECT a FROM t");
    assert_int_equal(source_next(source, &error), 1);
    source_value(source, 0, &value);
    assert_int_equal(value.type, SQLITE_BLOB);
    assert_int_equal(value.length, 0);
    assert_non_null(value.text);
    assert_int_equal(source_next(source, &error), 1);
    source_value(source, 0, &value);
    assert_int_equal(value.type, SQLITE_TEXT);
    assert_int_equal(value.length, 3);
    assert_memory_equal(value.text, "a\0b", 4);
    assert_int_equal(source_next(source, &error), 1);
    source_value(source, 0, &value);
    assert_string_equal(value.text, "\xfc");
    assert_int_equal(source_next(source, &error), 1);
    source_value(source, 0, &value);
    assert_int_equal(value.type, SQLITE_FLOAT);
    assert_int_equal(source_next(source, &error), 0);
    source_close(source);
}

static void names_that_are_not_there_come_with_the_nearest(void **state)
{
    (void)state;
    run_sql("CREATE TABLE customer (name TEXT, email TEXT); CREATE TABLE other (emial TEXT)");
    struct source *source = open_source();
    assert_int_equal(source_query(source, "SELECT 1,\n c.emial FROM customer AS c", NULL, &error),
                     -1);
    assert_message("no such column: c.emial (line 2, near »c.emial FROM customer AS c«); did you "
                   "mean »email«?");
    assert_int_equal(source_query(source, "SELECT nmae FROM customer", NULL, &error), -1);
    assert_message("did you mean »name«?");
    assert_int_equal(source_query(source, "SELECT name FROM custmoer", NULL, &error), -1);
    assert_message("did you mean »customer«?");
    assert_non_null(strstr(error.german, "war gemeint: »customer«?"));
    assert_int_equal(number(source, "SELECT count(*) FROM customer"), 0);
    source_close(source);
}

static void a_driver_that_is_not_there_is_named_with_those_that_are(void **state)
{
    (void)state;
    struct source_options options = {.driver = "oracle", .path = path};
    assert_null(source_open("shop", &options, &error));
    assert_message("source »shop«: the driver »oracle« is not built in; drivers: sqlite");
}

static void what_is_no_database_says_so(void **state)
{
    (void)state;
    assert_null(try_open(1000000));
    assert_message("cannot open ");
    FD_CLEAN int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static const char text[] = "this is a text, not a database, and long enough for a page's head "
                               "to be looked at by whoever opens it as one";
    assert_int_equal(file_write_all(fd, text, sizeof text), 0);
    assert_null(try_open(1000000));
    assert_message("file is not a database");
}

/* ---- what it keeps to ---- */

static void all_queries_see_the_state_of_the_first(void **state)
{
    (void)state;
    run_sql("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    struct source *source = open_source();
    assert_int_equal(number(source, "SELECT count(*) FROM t"), 1);
    run_sql("INSERT INTO t VALUES (2)");
    assert_int_equal(number(source, "SELECT count(*) FROM t"), 1);
    source_close(source);
    source = open_source();
    assert_int_equal(number(source, "SELECT count(*) FROM t"), 2);
    source_close(source);
}

static void a_query_ends_at_its_time_limit(void **state)
{
    (void)state;
    run_sql("CREATE TABLE t (a)");
    struct source *source = try_open(100000);
    int64_t begun_us = clock_monotonic_us();
    ask(source, "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) "
                "SELECT count(*) FROM x");
    assert_int_equal(source_next(source, &error), -1);
    assert_message("longer than time_limit (100 ms)");
    assert_true(clock_monotonic_us() - begun_us < 5000000);
    source_close(source);
}

/* ---- reading ahead ---- */

/* A number that differs if any value of any row does, or their order. */
static uint64_t digest_of_rows(struct source *source, int64_t *rows)
{
    uint64_t digest = 1;
    struct source_value value;
    for (*rows = 0; source_next(source, &error) > 0; (*rows)++)
        for (unsigned i = 0; i < source_columns(source); i++) {
            source_value(source, i, &value);
            digest = digest * 31 + (uint64_t)value.type;
            digest = digest * 31 + (uint64_t)value.integer + (uint64_t)(value.real * 16);
            for (size_t j = 0; j < value.length; j++)
                digest = digest * 31 + (unsigned char)value.text[j];
            if (value.type == SQLITE_TEXT)
                assert_int_equal(value.text[value.length], '\0');
        }
    return digest;
}

static void rows_read_ahead_are_those_of_the_query(void **state)
{
    static const char sql[] =
        "SELECT n, CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN n / 8.0 WHEN 2 THEN x'00ff' "
        "WHEN 3 THEN '' ELSE 'ü' || n END AS v, "
        "CASE WHEN n % 20000 = 0 THEN hex(zeroblob(700000)) ELSE 'x' END AS w FROM t ORDER BY n";
    (void)state;
    int64_t rows, ahead;
    run_sql("CREATE TABLE t (n); "
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 70000) "
            "INSERT INTO t SELECT n FROM x");
    struct source *source = open_source();
    ask(source, sql);
    uint64_t digest = digest_of_rows(source, &rows);
    ask(source, sql);
    source_read_ahead(source);
    assert_true(digest == digest_of_rows(source, &ahead));
    assert_int_equal(rows, 70000);
    assert_int_equal(ahead, 70000);
    assert_int_equal(source_next(source, &error), 0);
    ask(source, "SELECT n FROM t WHERE n < 0");
    source_read_ahead(source);
    assert_int_equal(source_next(source, &error), 0);
    source_close(source);
}

/* What fails comes after the rows before it. */
static void reading_ahead_ends_with_the_error_of_its_query(void **state)
{
    (void)state;
    int64_t rows;
    run_sql("CREATE TABLE t (a)");
    struct source *source = open_source();
    ask(source, "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) "
                "SELECT abs(CASE n WHEN 20001 THEN -9223372036854775807 - 1 ELSE n END) FROM x");
    source_read_ahead(source);
    digest_of_rows(source, &rows);
    assert_int_equal(rows, 20000);
    assert_message("integer overflow");
    assert_int_equal(source_next(source, &error), -1);
    assert_int_equal(number(source, "SELECT 7"), 7);
    source_close(source);
}

/* Its thread waits for a row that never comes. */
static void what_is_read_ahead_can_be_left(void **state)
{
    (void)state;
    run_sql("CREATE TABLE t (a)");
    int64_t begun_us = clock_monotonic_us();
    for (int i = 0; i < 3; i++) {
        struct source *source = open_source();
        ask(source, "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) "
                    "SELECT n FROM x WHERE n <= 10000");
        source_read_ahead(source);
        if (i > 0)
            assert_int_equal(source_next(source, &error), 1);
        if (i > 1)
            assert_int_equal(number(source, "SELECT 7"), 7);
        source_close(source);
    }
    assert_true(clock_monotonic_us() - begun_us < 15000000); /* of 20 s each */
}

/* Past the words of the statement there is the authorizer. */
static void assert_pragma_refused(struct source *source)
{
    assert_true(source_query(source, "SELECT * FROM pragma_table_info('t')", NULL, &error) != 0 ||
                source_next(source, &error) < 0);
    assert_message("the query was refused: it ");
}

static void a_pragma_in_a_select_is_refused(void **state)
{
    (void)state;
    run_sql("CREATE TABLE t (a)");
    struct source *source = open_source();
    assert_pragma_refused(source);
    json_t *tables = source_tables(source, &error);
    assert_int_equal(json_array_size(tables), 1);
    assert_int_equal(json_array_size(json_object_get(json_array_get(tables, 0), "columns")), 1);
    json_decref(tables);
    assert_pragma_refused(source); /* now it runs into it later */
    source_close(source);
}

/* Root may write everywhere; this one looks as somebody else. */
static void wal_mode_in_a_folder_of_somebody_else_is_explained(void **state)
{
    (void)state;
    run_sql("PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    assert_int_equal(chmod(folder, 0555) | chmod(path, 0444), 0);
    if (getuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    struct source *source = try_open(1000000);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_null(source);
    assert_message("The database is in WAL mode");
    assert_non_null(strstr(error.german, "WAL-Modus"));
}

/* ---- the sandbox ---- */

/* Builds with sanitizers go without: those read files of their own. */
static bool is_confined(void)
{
#ifdef CAMPAIGND_SANITIZED
    return false;
#else
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
#endif
}

/* In a child, since there is no way back. Its exit status says which step failed. */
static int in_sandbox(const char *write_folder)
{
    struct source *source = try_open(60000000);
    size_t count;
    if (!source)
        return 1;
    const struct sandbox_folder *folders = source_folders(source, &count);
    sandbox_limit(60000000);
    sandbox_confine(folders, count, write_folder);
    if (is_confined() && (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES))
        return 2;
    /* More than SQLite sorts within its cache: where can the rest go? */
    if (source_query(source, "SELECT a, b FROM t ORDER BY b DESC, a", NULL, &error) != 0)
        return 3;
    int64_t rows = 0;
    while (source_next(source, &error) == 1)
        rows++;
    if (rows != 200000)
        fprintf(stderr, "%lld rows: %s\n", (long long)rows, error.message);
    return rows == 200000 ? 0 : 4;
}

static int status_in_child(const char *write_folder)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(in_sandbox(write_folder));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_source_goes_on_in_the_sandbox(void **state)
{
    (void)state;
    run_sql("PRAGMA journal_mode = WAL; CREATE TABLE t (a, b); "
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 200000) "
            "INSERT INTO t SELECT n, hex(randomblob(100)) FROM x");
    FREE_CLEAN char *out = memory_format("%s/out", folder);
    assert_int_equal(mkdir(out, 0700), 0);
    assert_int_equal(status_in_child(out), 0);
    assert_int_equal(status_in_child(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_column_has_the_type_that_its_table_declares),
        TEST(values_come_as_they_are_stored),
        TEST(names_that_are_not_there_come_with_the_nearest),
        TEST(a_driver_that_is_not_there_is_named_with_those_that_are),
        TEST(what_is_no_database_says_so),
        TEST(all_queries_see_the_state_of_the_first),
        TEST(a_query_ends_at_its_time_limit),
        TEST(rows_read_ahead_are_those_of_the_query),
        TEST(reading_ahead_ends_with_the_error_of_its_query),
        TEST(what_is_read_ahead_can_be_left),
        TEST(a_pragma_in_a_select_is_refused),
        TEST(wal_mode_in_a_folder_of_somebody_else_is_explained),
        TEST(a_source_goes_on_in_the_sandbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
