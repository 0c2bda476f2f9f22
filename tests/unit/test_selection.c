/* What a selection compares with: texts of all languages, conditions and their literals, addresses.
 * The rules themselves are shown on whole databases in tests/system/test_selection.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "source/condition.h"
#include "source/condition_lex.h"
#include "source/folding.h"
#include "source/selection.h"
#include "store/sql.h"

static sqlite3 *db;

static int open_all(void **state)
{
    struct error error;
    (void)state;
    if (folding_load(&error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    return condition_install(db, &error);
}

static int close_all(void **state)
{
    (void)state;
    return sqlite3_close(db);
}

/* ---- texts ---- */

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static int compared(const char *a, const char *b)
{
    int there = sign(folding_compare(a, strlen(a), b, strlen(b)));
    int back = sign(folding_compare(b, strlen(b), a, strlen(a)));
    if (there != -back)
        fail_msg("»%s« and »%s« compare as %d, the other way as %d", a, b, there, back);
    return there;
}

static void texts_stand_in_the_alphabet(void **state)
{
    static const char *const ordered[] = {
        "",      " ", "_1",     "-",      "1",    "10",     "2",       "a", "ä",    "Ab",
        "Ärger", "b", "Muller", "Müller", "Mumm", "Straße", "Straßen", "z", "Žižek"};
    (void)state;
    for (size_t i = 0; i < sizeof ordered / sizeof *ordered; i++)
        for (size_t j = 0; j < sizeof ordered / sizeof *ordered; j++)
            if (compared(ordered[i], ordered[j]) != sign((int)i - (int)j))
                fail_msg("»%s« and »%s« compare as %d", ordered[i], ordered[j],
                         compared(ordered[i], ordered[j]));
}

static void case_makes_no_difference_but_accents_do(void **state)
{
    static const char *const same[][2] = {
        {"KÖLN", "köln"},
        {"Straße", "STRASSE"},
        {"GROẞ", "gross"},
        {"ŽIŽEK", "žižek"},
        {"\u017d", "Z\u030c"},
        {"ΟΔΟΣ", "οδος"},
        {"ΟΔΟς", "οδοσ"},
        {"\u0130", "i\u0307"},
        {"Ångström", "\u212bngström"},
        {"ЖУК", "жук"},
        {"ǆ", "Ǆ"},
        {"\xff", "\xfe"},
    };
    static const char *const different[][2] = {{"Müller", "Muller"}, {"Müller", "Mueller"},
                                               {"a ", "a"},          {"ž", "z"},
                                               {"İ", "i"},           {"ı", "i"},
                                               {"ø", "o"},           {"a", "а"}};
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (compared(same[i][0], same[i][1]) != 0)
            fail_msg("»%s« and »%s« are not the same", same[i][0], same[i][1]);
    for (size_t i = 0; i < sizeof different / sizeof *different; i++)
        if (compared(different[i][0], different[i][1]) == 0)
            fail_msg("»%s« and »%s« are the same", different[i][0], different[i][1]);
}

/* The short cuts for ASCII and what ICU says must be one order. */
static void order_is_one_for_all_texts(void **state)
{
    static const char *const parts[] = {"a", "A",      "b", "-", " ",    "z", "1", "ä",      "ß",
                                        "s", "\u0301", "o", "ö", "\x01", "é", "ž", "\u200b", "t"};
    char texts[60][32];
    (void)state;
    srand(7);
    for (size_t i = 0; i < 60; i++) {
        texts[i][0] = '\0';
        for (int length = rand() % 5; length > 0; length--)
            strcat(texts[i], parts[(size_t)rand() % (sizeof parts / sizeof *parts)]);
    }
    for (size_t i = 0; i < 60; i++)
        for (size_t j = 0; j < 60; j++)
            for (size_t k = 0; k < 60; k++)
                if (compared(texts[i], texts[j]) <= 0 && compared(texts[j], texts[k]) <= 0 &&
                    compared(texts[i], texts[k]) > 0)
                    fail_msg("»%s« <= »%s« <= »%s«", texts[i], texts[j], texts[k]);
}

static void assert_sql(const char *sql, const char *wanted)
{
    struct error error;
    STATEMENT_CLEAN sqlite3_stmt *row = sql_prepare(db, sql, &error);
    if (!row || sql_row(row, &error) != 1)
        fail_msg("%s: %s", sql, error.message);
    const char *got = sqlite3_column_type(row, 0) == SQLITE_NULL ? "NULL" : sql_text(row, 0);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s is »%s«, not »%s«", sql, got, wanted);
}

static void functions_know_all_alphabets(void **state)
{
    (void)state;
    assert_sql("SELECT fold('ÄÖÜ×÷ßẞ Ÿ Σς')", "äöü×÷ssss ÿ σσ");
    assert_sql("SELECT fold('ÀÞÿß')", "àþÿss");
    assert_sql("SELECT lower('ÄΣ Ž')", "äς ž");
    assert_sql("SELECT upper('straße ž')", "STRASSE Ž");
    assert_sql("SELECT fold('İ') = 'i' || char(775)", "1");
    assert_sql("SELECT fold(NULL)", "NULL");
    assert_sql("SELECT lower(12.5)", "12.5");
    assert_sql("SELECT hex(fold(CAST(x'41c3' AS TEXT)))", "61C3");
    assert_sql("SELECT length(upper(replace(hex(zeroblob(200000)), '0', 'ŉ')))", "800000");
}

/* What is folded without ICU is folded as ICU does: all of Latin-1, against the letter that ICU
 * makes of it beside one that is not. */
static void latin_folds_as_icu_does(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char sql[160];
        snprintf(
            sql, sizeof sql,
            "SELECT hex(fold(char(%d) || char(1046))) = hex(fold(char(%d)) || fold(char(1046)))", c,
            c);
        assert_sql(sql, "1");
    }
}

static void like_matches_folded_texts(void **state)
{
    static const struct {
        const char *text, *pattern, *escape;
        bool matches;
    } cases[] = {
        {"", "", NULL, true},          {"", "%", NULL, true},
        {"", "_", NULL, false},        {"abc", "a%c", NULL, true},
        {"abc", "A_C", NULL, true},    {"abc", "a_", NULL, false},
        {"abc", "%b%", NULL, true},    {"abc", "%%%c", NULL, true},
        {"abc", "c%", NULL, false},    {"Ärger", "ä%", NULL, true},
        {"KÖLN", "k_ln", NULL, true},  {"Straße", "%SS_", NULL, true},
        {"ab", "a%b%c", NULL, false},  {"aXbXc", "a%b%c", NULL, true},
        {"aaab", "%ab", NULL, true},   {"50%", "50!%", "!", true},
        {"505", "50!%", "!", false},   {"a_b", "a!_b", "!", true},
        {"axb", "a!_b", "!", false},   {"a!", "a!!", "!", true},
        {"日本", "__", NULL, true},    {"日本", "日%", NULL, true},
        {"abab", "%abab", NULL, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FREE_CLEAN char *plain =
            memory_format("SELECT '%s' LIKE '%s'%s%s%s", cases[i].text, cases[i].pattern,
                          cases[i].escape ? " ESCAPE '" : "",
                          cases[i].escape ? cases[i].escape : "", cases[i].escape ? "'" : "");
        assert_sql(plain, cases[i].matches ? "1" : "0");
    }
    assert_sql("SELECT NULL LIKE '%'", "NULL");
    assert_sql("SELECT 125 LIKE '1%5'", "1");
}

static void hostile_patterns_end_soon(void **state)
{
    (void)state;
    assert_sql("SELECT replace(hex(zeroblob(50000)), '00', 'a') LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%b'",
               "0");
}

/* ---- conditions ---- */

static json_t *columns(void)
{
    return json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}]",
                     "name", "id", "type", "integer", "name", "na\"me", "type", "text", "name",
                     "at", "type", "timestamp", "name", "t", "type", "time", "name", "any", "type",
                     "", "name", "d", "type", "date");
}

static void check(const char *condition, const char *wanted)
{
    static const struct condition_name name = {"the filter", "Der Filter"};
    struct error error = {0};
    BUFFER_CLEAN struct buffer sql = {0};
    json_t *fields = columns(), *values = json_object();
    int result = condition_append(&name, condition, fields, values, &sql, &error);
    json_decref(values);
    json_decref(fields);
    if (!wanted && result != 0)
        fail_msg("%s: %s", condition, error.message);
    if (wanted && result == 0)
        fail_msg("%s is taken", condition);
    if (wanted && (!strstr(error.message, wanted) || !*error.german))
        fail_msg("%s: »%s« / »%s« does not say »%s«", condition, error.message, error.german,
                 wanted);
}

static void literals_fit_their_fields(void **state)
{
    (void)state;
    check("\"na\"\"me\" = 'x' AND [na\"me] > 'a' AND `na\"me` LIKE 'b%'", NULL);
    check("\"na\"\"me\" = 5", "is a text");
    check("at > '2026-01-31' AND at < '2026-01-31 23:59' AND at = '2026-01-31T10:00:00.5Z'", NULL);
    check("at > '2026-13-01'", "is a time with its date");
    check("at > '2026-01-01 24:00'", "is a time with its date");
    check("t = '14:05' OR t = '14:05:09.123'", NULL);
    check("t = '2026-01-01'", "is a time (");
    check("d = '2024-02-29'", NULL);
    check("d = '2100-02-29'", "is a date");
    check("d BETWEEN '2026-01-01' AND '2026-1-2'", "column 28");
    check("d NOT IN ('2026-01-01', 'x')", "compared with 'x'");
    check("any = 5 OR any = 'x' OR any > d", NULL);
    check("id = -5 OR id <> +7 OR - 5 = id", NULL);
    check("id = '5' OR id = '-5.5' OR '7' = id", NULL);
    check("id = '1e5'", "is a number");
    check("id = ''", "is a number");
    check("id || '' = '5' AND id * 2 = 4 AND '' || id = '5'", NULL);
    check("id = d", "»id«");
    check("length(\"na\"\"me\") = 5", NULL);
    check("CASE WHEN id = 1 THEN 'x' ELSE 'y' END = 'x'", NULL);
    check("id IN (1, (2), 3) AND id NOT BETWEEN 1 AND 2", NULL);
    check("id = 1 AND", "ends too early (line 1, column 11)");
    check("ID = 1", NULL);
}

/* Whatever is written, the check ends, and what it takes is one expression. */
static void random_conditions_do_no_harm(void **state)
{
    static const char *const words[] = {
        "id", "=",  "'",    "\"",  "(",      ")",    "IN", "BETWEEN", "AND",  "NOT", "1",  "'x'",
        "-",  "--", "/*",   "*/",  ",",      "LIKE", "[",  "]",       "`",    ";",   "x'", ":a",
        "?",  "\n", "CASE", "END", "SELECT", ".",    "0x", "ä",       "\xff", "1e",  "t",  "d"};
    static const struct condition_name name = {"the filter", "Der Filter"};
    json_t *fields = columns();
    (void)state;
    srand(11);
    for (int round = 0; round < 20000; round++) {
        char condition[128] = "";
        struct error error;
        BUFFER_CLEAN struct buffer sql = {0};
        json_t *values = json_object();
        for (int length = rand() % 9; length >= 0; length--) {
            strcat(condition, words[(size_t)rand() % (sizeof words / sizeof *words)]);
            if (rand() % 2)
                strcat(condition, " ");
        }
        if (condition_append(&name, condition, fields, values, &sql, &error) == 0) {
            FREE_CLEAN char *whole =
                memory_format("SELECT %s FROM (SELECT 1 AS id, 2 AS \"na\"\"me\", 3 AS at, 4 AS t, "
                              "5 AS \"any\", 6 AS d)",
                              buffer_string(&sql));
            STATEMENT_CLEAN sqlite3_stmt *row = sql_prepare(db, whole, &error);
            if (!row || sqlite3_column_count(row) != 1)
                fail_msg("»%s« was taken, but %s", condition,
                         row ? "is no expression" : error.message);
        }
        json_decref(values);
    }
    json_decref(fields);
}

static void places_count_characters(void **state)
{
    int line, column;
    (void)state;
    condition_place("aä\nbö c", 7, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 3);
}

/* ---- addresses ---- */

static void streets_have_one_form(void **state)
{
    static const char *const same[][2] = {{"hauptstrasse 5", "hauptstr.5"},
                                          {"haupt str 5", "hauptstrasse 5 "},
                                          {"am weg 1/12", "am weg 1 - 12"},
                                          {"st.-peter-gasse 3a", "st peter gasse 3 a"}};
    static const char *const different[][2] = {
        {"weg 1/12", "weg 11/2"}, {"weg 1 12", "weg 112"}, {"weg 5", "gasse 5"}};
    char a[ADDRESS_SIZE], b[ADDRESS_SIZE], long_one[2 * ADDRESS_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(address_normal_street(a, same[i][0], strlen(same[i][0])));
        assert_true(address_normal_street(b, same[i][1], strlen(same[i][1])));
        assert_string_equal(a, b);
    }
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        address_normal_street(a, different[i][0], strlen(different[i][0]));
        address_normal_street(b, different[i][1], strlen(different[i][1]));
        assert_string_not_equal(a, b);
    }
    assert_int_equal(address_normal_street(a, " .- ", 4), 0);
    memset(long_one, 'x', sizeof long_one);
    assert_int_equal(address_normal_street(a, long_one, sizeof long_one), 0);
    assert_int_equal(address_normal_street(a, "a\0b", 3), 0);
}

static void each_reason_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(reason_name(REASON_NONE), "");
    for (int reason = 1; reason < REASONS; reason++)
        assert_true(*reason_name((enum reason)reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_stand_in_the_alphabet),
        cmocka_unit_test(case_makes_no_difference_but_accents_do),
        cmocka_unit_test(order_is_one_for_all_texts),
        cmocka_unit_test(functions_know_all_alphabets),
        cmocka_unit_test(latin_folds_as_icu_does),
        cmocka_unit_test(like_matches_folded_texts),
        cmocka_unit_test(hostile_patterns_end_soon),
        cmocka_unit_test(literals_fit_their_fields),
        cmocka_unit_test(random_conditions_do_no_harm),
        cmocka_unit_test(places_count_characters),
        cmocka_unit_test(streets_have_one_form),
        cmocka_unit_test(each_reason_has_its_name),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
