/* SQL before it is sent anywhere: what is refused, what is not, and where the placeholders are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "source/statement.h"

#define SQLITE (1u << DIALECT_SQLITE)
#define POSTGRES (1u << DIALECT_POSTGRES)
#define MYSQL (1u << DIALECT_MYSQL)
#define ANSI (1u << DIALECT_ANSI)
#define ALL (SQLITE | POSTGRES | MYSQL | ANSI)

static const enum source_dialect dialects[] = {DIALECT_SQLITE, DIALECT_POSTGRES, DIALECT_MYSQL,
                                               DIALECT_ANSI};

static void assert_contains(const char *text, const char *part, const char *sql)
{
    if (!strstr(text, part))
        fail_msg("»%s« is not in »%s« (%s)", part, text, sql);
}

static void assert_refused(const char *sql, unsigned wanted, const char *english,
                           const char *german)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        STATEMENT_FREE struct statement statement = {0};
        struct error error = {0};
        if (!(wanted & 1u << dialects[i]))
            continue;
        if (statement_read(&statement, sql, dialects[i], &error) == 0)
            fail_msg("in dialect %d this was let pass: %s", (int)dialects[i], sql);
        assert_contains(error.message, english, sql);
        assert_contains(error.german, german, sql);
    }
}

static void assert_passes(const char *sql, unsigned wanted)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        STATEMENT_FREE struct statement statement = {0};
        struct error error = {0};
        if ((wanted & 1u << dialects[i]) &&
            statement_read(&statement, sql, dialects[i], &error) != 0)
            fail_msg("in dialect %d: %s: %s", (int)dialects[i], error.message, sql);
    }
}

/* ---- what is refused ---- */

static void what_does_not_begin_as_a_question_is_refused(void **state)
{
    (void)state;
    static const char *const begins[] = {
        "INSERT INTO t VALUES (1)",
        "update t set a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING u ON 1",
        "DROP TABLE t",
        "CREATE TABLE t (a int)",
        "ATTACH 'x' AS y",
        "PRAGMA journal_mode",
        "COPY t TO '/x'",
        "CALL p()",
        "DO $$ begin end $$",
        "SET role x",
        "VACUUM",
        "EXPLAIN ANALYZE SELECT 1",
        "LOCK TABLE t",
        "BEGIN",
        "COMMIT",
        "GRANT ALL ON t TO x",
        "HANDLER t OPEN",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "EXEC x",
        "-- SELECT\nTRUNCATE t",
        "/* SELECT */ REPLACE INTO t VALUES (1)",
        "(((DELETE FROM t)))",
        "\"SELECT\" 1",
        "'SELECT'",
    };
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        assert_refused(begins[i], ALL, " it begins with ", " beginnt sie mit ");
    assert_refused("-- one\n-- two\nDROP TABLE t", ALL, "in line 3 it begins with DROP",
                   "In Zeile 3 beginnt sie mit DROP");
    assert_refused("", ALL, "the query is empty", "Die Abfrage ist leer");
    assert_refused(" \n-- nothing\n/* at all */ ;", ALL, "the query is empty", "ist leer");
}

static void a_second_statement_is_refused(void **state)
{
    (void)state;
    assert_refused("SELECT 1;\nDROP TABLE t", ALL, "in line 2 it holds a second statement (DROP …)",
                   "In Zeile 2 steht eine zweite Anweisung (DROP …)");
    assert_refused("SELECT 1; SELECT 2", ALL, "second statement", "zweite Anweisung");
    assert_refused("SELECT 1;; DROP TABLE t", ALL, "second statement", "zweite Anweisung");
    assert_passes("SELECT 1;;", ALL);
    assert_passes("SELECT 1; -- the end\n/* really */ ", ALL);
}

static void a_write_inside_a_select_is_refused(void **state)
{
    (void)state;
    assert_refused("WITH x AS (INSERT INTO t VALUES (1) RETURNING a)\nSELECT * FROM x", ALL,
                   "would change data (INSERT)", "Daten ändern (INSERT)");
    assert_refused("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", ALL, "(DELETE)",
                   "(DELETE)");
    assert_refused("WITH x AS (update t SET a = 1 RETURNING *) SELECT * FROM x", ALL, "(update)",
                   "(update)");
    assert_refused("WITH x AS (UPDATE \"t\" SET a = 1 RETURNING *) SELECT * FROM x", ALL,
                   "(UPDATE)", "(UPDATE)");
    assert_refused("WITH x AS (SELECT 1), y AS MATERIALIZED (MERGE INTO t USING x ON true WHEN "
                   "MATCHED THEN DELETE) SELECT 1",
                   ALL, "(MERGE)", "(MERGE)");
    assert_refused("WITH x AS (SELECT 1)\nINSERT\nINTO t SELECT * FROM x", ALL,
                   "in line 2 it would change data (INSERT)", "In Zeile 2");
    assert_refused("WITH x AS (SELECT 1) DELETE t FROM t JOIN x", ALL, "(DELETE)", "(DELETE)");
    assert_refused("WITH x AS (SELECT 1) REPLACE t SELECT 1", ALL, "(REPLACE)", "(REPLACE)");
    assert_refused("SELECT NEXT VALUE FOR s", ALL, "(NEXT)", "(NEXT)");
}

static void into_and_locks_are_refused(void **state)
{
    (void)state;
    assert_refused("SELECT *\nINTO t2 FROM t", ALL, "in line 2 it would put its rows somewhere",
                   "In Zeile 2 würde sie ihre Zeilen anderswohin");
    assert_refused("SELECT * FROM t INTO OUTFILE '/tmp/x'", ALL, "(INTO)", "(INTO)");
    assert_refused("SELECT * FROM t/**/into/**/dumpfile '/tmp/x'", ALL, "(into)", "(into)");
    assert_refused("SELECT * FROM t FOR UPDATE", ALL, "would lock rows", "Zeilen sperren");
    assert_refused("SELECT * FROM t FOR NO KEY UPDATE", ALL, "would lock rows", "Zeilen sperren");
    assert_refused("SELECT * FROM t FOR /* x */ share", ALL, "would lock rows", "Zeilen sperren");
    assert_refused("SELECT * FROM t LOCK IN SHARE MODE", ALL, "would lock rows", "Zeilen sperren");
}

static void dangerous_functions_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned dialects;
        const char *call;
    } calls[] = {
        {POSTGRES | ANSI, "pg_read_file('/etc/passwd')"},
        {POSTGRES, "pg_catalog.pg_read_binary_file ('/etc/passwd')"},
        {POSTGRES, "\"pg_sleep\"(100)"},
        {POSTGRES, "pg_catalog.\"pg_sleep\"(100)"},
        {POSTGRES, "PG_SLEEP_FOR/* */('1 hour')"},
        {POSTGRES, "pg_ls_dir('/')"},
        {POSTGRES, "lo_export(1, '/x')"},
        {POSTGRES, "lo_get(1)"},
        {POSTGRES, "dblink_exec('', 'DROP TABLE t')"},
        {POSTGRES, "dblink('dbname=x', 'SELECT 1')"},
        {POSTGRES, "pg_terminate_backend(1)"},
        {POSTGRES, "pg_cancel_backend(1)"},
        {POSTGRES, "pg_reload_conf()"},
        {POSTGRES, "set_config('transaction_read_only', 'off', false)"},
        {POSTGRES, "pg_advisory_lock(1)"},
        {POSTGRES, "pg_try_advisory_xact_lock(1)"},
        {POSTGRES | MYSQL, "nextval('s')"},
        {POSTGRES, "setval('s', 1)"},
        {POSTGRES, "query_to_xml('DELETE FROM t', true, true, '')"},
        {POSTGRES, "query_to_xml_and_xmlschema('x', true, true, '')"},
        {POSTGRES, "table_to_xml('t', true, true, '')"},
        {POSTGRES, "ts_stat('DELETE FROM t')"},
        {POSTGRES, "pg_notify('a', 'b')"},
        {POSTGRES, "pg_logical_emit_message(true, 'a', 'b')"},
        {POSTGRES, "pg_create_logical_replication_slot('a', 'b')"},
        {MYSQL | ANSI, "LOAD_FILE('/etc/passwd')"},
        {MYSQL, "sleep (10)"},
        {MYSQL, "benchmark(1000000000, md5('x'))"},
        {MYSQL, "get_lock('a', 1)"},
        {MYSQL, "sys_exec('id')"},
        {MYSQL, "`sys_eval`('id')"},
        {SQLITE | ANSI, "load_extension('x')"},
        {SQLITE, "readfile('/etc/passwd')"},
        {SQLITE, "writefile('/x', 'y')"},
        {SQLITE, "edit('x')"},
        {SQLITE, "[edit]('x')"},
        {SQLITE, "fts3_tokenizer('x', 'y')"},
        {ANSI, "UTL_HTTP.REQUEST('http://x/')"},
        {ANSI, "dbms_lock.sleep(1)"},
        {ANSI, "a FROM OPENROWSET(BULK 'x', SINGLE_CLOB)"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        FREE_CLEAN char *sql = memory_format("SELECT\n %s", calls[i].call);
        assert_refused(sql, calls[i].dialects, "in line 2 it calls the function ",
                       "In Zeile 2 ruft sie die Funktion ");
    }
    assert_refused("SELECT U&\"\\0070g_sleep\"(1)", POSTGRES | ANSI, "spells a name by numbers",
                   "Name in Zahlen");
}

static void what_a_server_would_read_otherwise_is_refused(void **state)
{
    (void)state;
    assert_refused("SELECT 1 /*! INTO OUTFILE '/x' */", ALL, "a comment that some servers execute",
                   "Kommentar, den manche Server ausführen");
    assert_refused("SELECT 1 /*M!100000 INTO OUTFILE '/x' */", ALL, "some servers execute",
                   "manche Server");
    assert_refused("SELECT 'a\\' , pg_sleep(1), ' '", ANSI, "a backslash before a quote",
                   "ein Backslash");
    assert_refused("SELECT 1 /* /* */ , pg_sleep(1) /* */", ANSI, "a comment in a comment",
                   "Kommentar im Kommentar");
    assert_refused("SELECT 1 DROP TABLE t", ANSI, "(DROP)", "(DROP)");
    assert_refused("SELECT 1 EXEC ('DROP TABLE t')", ANSI, "(EXEC)", "(EXEC)");
    /* MySQL's backslash and PostgreSQL's are not the same: what is a text here is a call there. */
    assert_refused("SELECT 'a\\', sleep(1), pg_sleep(1), ' '", POSTGRES, "function pg_sleep",
                   "Funktion pg_sleep");
    assert_passes("SELECT 'a\\', sleep(1), pg_sleep(1) '", MYSQL);
    assert_refused("SELECT E'a\\', x ', pg_sleep(2)", POSTGRES, "function pg_sleep",
                   "Funktion pg_sleep");
    assert_refused("SELECT 1 --1 INTO OUTFILE '/x'", MYSQL, "(INTO)", "(INTO)");
    assert_refused("SELECT 1 /* /* */ */ , pg_sleep(1)", POSTGRES, "pg_sleep", "pg_sleep");
    assert_refused("SELECT 1 /* /* */ , sleep(1) -- */", MYSQL, "sleep", "sleep");
    assert_refused("SELECT $a$ $b$ $a$, pg_sleep(1), $b$ $b$", POSTGRES, "pg_sleep", "pg_sleep");
}

static void what_has_no_end_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("SELECT 1,\n 'it''s", ALL, "line 2: what begins with ' there has no end",
                   "Zeile 2 der Abfrage: was dort mit ' beginnt");
    assert_refused("SELECT \"a", ALL, "begins with \" there", "mit \" beginnt");
    assert_refused("SELECT /* a", ALL, "begins with /* there", "mit /* beginnt");
    assert_refused("SELECT $x$ a $y$", POSTGRES, "begins with $ there", "mit $ beginnt");
    assert_refused("SELECT `a", MYSQL | SQLITE, "begins with ` there", "mit ` beginnt");
}

static void positional_placeholders_are_refused(void **state)
{
    (void)state;
    assert_refused("SELECT * FROM t WHERE a = ?", SQLITE | MYSQL | ANSI, "has the placeholder ?",
                   "steht der Platzhalter ?");
    assert_refused("SELECT * FROM t WHERE a = $1", ALL, "has the placeholder $",
                   "steht der Platzhalter $");
    assert_refused("SELECT * FROM t WHERE a = @a", SQLITE, "has the placeholder @",
                   "steht der Platzhalter @");
    assert_refused("SELECT * FROM t WHERE a = :1", SQLITE | MYSQL,
                   "has the placeholder :", "steht der Platzhalter :");
    assert_passes("SELECT data ? 'key', a[1:2] FROM t", POSTGRES);
    assert_passes("SELECT @a", MYSQL);
}

/* ---- what is not ---- */

static void words_in_texts_comments_and_quotes_are_no_words(void **state)
{
    (void)state;
    assert_passes("SELECT 'INSERT INTO t; DROP TABLE t', 'it''s pg_sleep(1)' FROM t", ALL);
    assert_passes("SELECT 1 -- ; DROP TABLE t\n", ALL);
    assert_passes("SELECT 1 /* INTO x FOR UPDATE; */ FROM t", ALL);
    assert_passes("SELECT \"into\", \"for\" FROM \"update\" AS \"delete\"", ALL);
    assert_passes("SELECT \"a\"\"; DROP TABLE t\" FROM t", ALL);
    assert_passes("SELECT `into` FROM `update`", SQLITE | MYSQL);
    assert_passes("SELECT [into] FROM [update]", SQLITE | ANSI);
    assert_passes("SELECT $$; DROP TABLE t$$, $x$ it's $$ pg_sleep(1) $x$", POSTGRES);
    assert_passes("SELECT E'it\\'s; DROP TABLE t'", POSTGRES);
    assert_passes("SELECT 'it\\'s; DROP TABLE t', \"it\\\"s; x\"", MYSQL);
    assert_passes("SELECT 1 # ; DROP TABLE t\n", MYSQL);
    assert_passes("SELECT 'C:\\', 'x'", SQLITE | POSTGRES);
}

static void names_like_dangerous_words_are_fine(void **state)
{
    (void)state;
    assert_passes("SELECT \"pg_sleep\", load_file, t.edit FROM t", ALL);
    assert_passes("SELECT t.update, t.into, a AS delete FROM t", SQLITE | POSTGRES | MYSQL);
    assert_passes("SELECT replace(a, 'x', 'y'), (update IS NULL) FROM t WHERE (delete > 3)",
                  SQLITE | POSTGRES | MYSQL);
    assert_passes("SELECT insert('a', 1, 2, 'b'), TRUNCATE(1.5, 0)", MYSQL | ANSI);
    assert_passes("SELECT last_update, updated, deleted_at, inserted FROM t FOR_x", ALL);
    assert_passes("SELECT substring(name FROM 1 FOR 3) FROM t", ALL);
    assert_passes("SELECT my_pg_sleep(1), xsleep(2)", ALL);
    assert_passes("SELECT größe, straße FROM kunden", ALL);
}

static void questions_of_every_kind_pass(void **state)
{
    (void)state;
    assert_passes("select 1", ALL);
    assert_passes("  (SELECT 1) UNION (SELECT 2) ORDER BY 1", ALL);
    assert_passes("VALUES (1, 'a'), (2, 'b')", ALL);
    assert_passes("TABLE t", ALL);
    assert_passes("WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 9), "
                  "y AS (SELECT (n) FROM x) SELECT * FROM y",
                  ALL);
    assert_passes("WITH RECURSIVE x AS (SELECT 1) SEARCH DEPTH FIRST BY a SET b SELECT * FROM x",
                  POSTGRES);
    assert_passes("SELECT a::text, b::numeric(10, 2), -1.5e3, .5, 1e-3, 0x1F FROM t", POSTGRES);
    assert_passes("SELECT CASE WHEN a THEN 'x' ELSE 'y' END, count(*) FILTER (WHERE b) OVER () "
                  "FROM a.b.c",
                  ALL);
}

/* ---- placeholders ---- */

static void assert_rewritten(const char *sql, enum source_dialect dialect, const char *expected,
                             const char *values)
{
    STATEMENT_FREE struct statement statement = {0};
    struct error error = {0};
    if (statement_read(&statement, sql, dialect, &error) != 0)
        fail_msg("%s: %s", error.message, sql);
    assert_string_equal(statement.sql, expected);
    BUFFER_CLEAN struct buffer got = {0};
    for (size_t i = 0; i < statement.value_count; i++)
        buffer_printf(&got, "%s%s", i ? " " : "", statement.values[i]);
    assert_string_equal(buffer_string(&got), values);
}

static void placeholders_become_the_dialects(void **state)
{
    (void)state;
    static const char sql[] = "SELECT a FROM t WHERE b = :b AND c > :c_1 AND d = :b;";
    assert_rewritten(sql, DIALECT_SQLITE, "SELECT a FROM t WHERE b = :b AND c > :c_1 AND d = :b",
                     "b c_1");
    assert_rewritten(sql, DIALECT_POSTGRES, "SELECT a FROM t WHERE b = $1 AND c > $2 AND d = $1",
                     "b c_1");
    assert_rewritten(sql, DIALECT_MYSQL, "SELECT a FROM t WHERE b = ? AND c > ? AND d = ?",
                     "b c_1 b");
    assert_rewritten(sql, DIALECT_ANSI, "SELECT a FROM t WHERE b = ? AND c > ? AND d = ?",
                     "b c_1 b");
}

static void what_only_looks_like_a_placeholder_stays(void **state)
{
    (void)state;
    assert_rewritten("SELECT ':a', \":b\", a::text, '10:30' /* :c */ -- :d\n, f(x := 1), a[1:2]",
                     DIALECT_POSTGRES,
                     "SELECT ':a', \":b\", a::text, '10:30' /* :c */ -- :d\n, f(x := 1), a[1:2]",
                     "");
    assert_rewritten("SELECT $$:a$$, :a::int", DIALECT_POSTGRES, "SELECT $$:a$$, $1::int", "a");
    assert_rewritten("SELECT ':a', `:b`, :c # :d\n", DIALECT_MYSQL, "SELECT ':a', `:b`, ? # :d\n",
                     "c");
}

static void a_place_is_found_in_the_original(void **state)
{
    (void)state;
    STATEMENT_FREE struct statement statement = {0};
    struct error error = {0};
    static const char sql[] = "SELECT :long_name,\n :x,\n nmae\nFROM t";
    assert_int_equal(statement_read(&statement, sql, DIALECT_POSTGRES, &error), 0);
    assert_string_equal(statement.sql, "SELECT $1,\n $2,\n nmae\nFROM t");
    size_t there = (size_t)(strstr(statement.sql, "nmae") - statement.sql);
    assert_int_equal(statement_original(&statement, there), strstr(sql, "nmae") - sql);
    assert_int_equal(statement_original(&statement, 8), 7);
    assert_int_equal(statement_original(&statement, 3), 3);
    assert_int_equal(statement_original(&statement, 10000), strlen(sql));

    statement_wrong(&statement, "shop", "no column", there, &error);
    assert_string_equal(error.message,
                        "the query does not run on source »shop«: no column (line 3, near »nmae«)");
    assert_string_equal(error.german, "Die Abfrage läuft auf der Datenquelle »shop« nicht: no "
                                      "column (Zeile 3, bei »nmae«)");
    statement_wrong(&statement, "shop", "what?", STATEMENT_NOWHERE, &error);
    assert_string_equal(error.message, "the query does not run on source »shop«: what?");
    statement_wrong(&statement, "shop", "what?", strlen(statement.sql), &error);
    assert_contains(error.message, "(line 4, at its end)", sql);
}

static void placeholders_are_bounded(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer sql = {0};
    STATEMENT_FREE struct statement statement = {0};
    struct error error = {0};
    buffer_text(&sql, "SELECT 1");
    for (int i = 0; i < STATEMENT_PARAMETERS_MAX; i++)
        buffer_text(&sql, ", :v");
    assert_int_equal(statement_read(&statement, sql.data, DIALECT_ANSI, &error), 0);
    assert_int_equal(statement.value_count, STATEMENT_PARAMETERS_MAX);
    buffer_text(&sql, ", :v");
    assert_int_equal(statement_read(&statement, sql.data, DIALECT_ANSI, &error), -1);
    assert_contains(error.message, "more than 10000 placeholders", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_begin_as_a_question_is_refused),
        cmocka_unit_test(a_second_statement_is_refused),
        cmocka_unit_test(a_write_inside_a_select_is_refused),
        cmocka_unit_test(into_and_locks_are_refused),
        cmocka_unit_test(dangerous_functions_are_refused),
        cmocka_unit_test(what_a_server_would_read_otherwise_is_refused),
        cmocka_unit_test(what_has_no_end_is_refused_with_its_line),
        cmocka_unit_test(positional_placeholders_are_refused),
        cmocka_unit_test(words_in_texts_comments_and_quotes_are_no_words),
        cmocka_unit_test(names_like_dangerous_words_are_fine),
        cmocka_unit_test(questions_of_every_kind_pass),
        cmocka_unit_test(placeholders_become_the_dialects),
        cmocka_unit_test(what_only_looks_like_a_placeholder_stays),
        cmocka_unit_test(a_place_is_found_in_the_original),
        cmocka_unit_test(placeholders_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
