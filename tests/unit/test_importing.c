/* CSV files from outside made into tables: what is found out of them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "source/importing.h"

static char folder[] = "/tmp/test_importing.XXXXXX";
static char csv[64], database[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(csv, sizeof csv, "%s/list.csv", folder);
    snprintf(database, sizeof database, "%s/imports.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(csv);
    unlink(database);
    return rmdir(folder);
}

/* ---- helpers ---- */

/* `more`: keys of the request beside the usual, or NULL; its reference is taken. */
static json_t *try_import(const char *bytes, size_t size, json_t *more, struct error *error)
{
    assert_int_equal(file_replace(csv, bytes, size, 0600, NULL), 0);
    json_t *request =
        json_pack("{s:s, s:s, s:s}", "csv", csv, "database", database, "table", "list");
    json_object_update(request, more);
    json_decref(more);
    json_t *answer = importing_request(request, error);
    json_decref(request);
    return answer;
}

static json_t *import_with(const char *text, json_t *more)
{
    struct error error;
    json_t *answer = try_import(text, strlen(text), more, &error);
    if (!answer)
        fail_msg("%s", error.message);
    return answer;
}

static json_t *import(const char *text)
{
    return import_with(text, NULL);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* "id integer, name text", and the answer is let go. */
static char *columns_of(json_t *answer)
{
    struct buffer all = {0};
    size_t index;
    json_t *column;
    json_array_foreach(json_object_get(answer, "columns"), index, column)
        buffer_printf(&all, "%s%s %s", index ? ", " : "", text_of(column, "name"),
                      text_of(column, "type"));
    json_decref(answer);
    return buffer_steal(&all);
}

#define assert_columns(text, expected)                                                             \
    do {                                                                                           \
        FREE_CLEAN char *columns_found = columns_of(import(text));                                 \
        assert_string_equal(columns_found, expected);                                              \
    } while (0)

/* The table's rows: cells in |, rows in /, NULL as -. */
static char *rows_of(const char *table)
{
    struct buffer all = {0};
    sqlite3 *db;
    sqlite3_stmt *rows;
    FREE_CLEAN char *sql = memory_format("SELECT * FROM \"%s\" ORDER BY rowid", table);
    assert_int_equal(sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
    for (int row = 0; sqlite3_step(rows) == SQLITE_ROW; row++)
        for (int i = 0; i < sqlite3_column_count(rows); i++) {
            const char *cell = (const char *)sqlite3_column_text(rows, i);
            buffer_printf(&all, "%s%s", i ? "|" : row ? "/" : "", cell ? cell : "-");
        }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return buffer_steal(&all);
}

static void assert_rows(const char *text, const char *expected)
{
    json_decref(import(text));
    FREE_CLEAN char *rows = rows_of("list");
    assert_string_equal(rows, expected);
}

static void refused_bytes(const char *bytes, size_t size, json_t *more, const char *english,
                          const char *german)
{
    struct error error;
    json_t *answer = try_import(bytes, size, more, &error);
    if (answer)
        fail_msg("it was taken, but »%s« was expected", english);
    if (!strstr(error.message, english) || !strstr(error.german, german))
        fail_msg("»%s«, »%s«", error.message, error.german);
}

static void refused(const char *text, const char *english, const char *german)
{
    refused_bytes(text, strlen(text), NULL, english, german);
}

/* ---- encodings ---- */

static void assert_encoding(const char *bytes, size_t size, const char *encoding, const char *rows)
{
    struct error error;
    json_t *answer = try_import(bytes, size, NULL, &error);
    if (!answer)
        fail_msg("%s", error.message);
    assert_string_equal(text_of(answer, "encoding"), encoding);
    json_decref(answer);
    FREE_CLEAN char *found = rows_of("list");
    assert_string_equal(found, rows);
}

#define ENCODING(bytes, encoding, rows) assert_encoding(bytes, sizeof bytes - 1, encoding, rows)

static void encodings_are_found(void **state)
{
    (void)state;
    ENCODING("id,ort\n1,Köln\n", "UTF-8", "1|Köln");
    ENCODING("\xef\xbb\xbfid,ort\n1,Łódź\n", "UTF-8", "1|Łódź");
    ENCODING("id,ort\n1,K\xf6ln\n2,Stra\xdf"
             "e\n",
             "WINDOWS-1252", "1|Köln/2|Straße");
    ENCODING("id,ort\n1,\x80 5\n", "WINDOWS-1252", "1|€ 5");
    ENCODING("id,ort\n1,K\x94ln\n2,\x9a"
             "belbach\n",
             "CP850", "1|Köln/2|Übelbach");
    ENCODING("\xff\xfei\0d\0,\0o\0\n\0"
             "1\0,\0\xf6\0\n\0",
             "UTF-16LE", "1|ö");
    ENCODING("\xfe\xff\0i\0d\0,\0o\0\n\0"
             "1\0,\x01\x41\0\n",
             "UTF-16BE", "1|Ł");
    ENCODING("id\n\n", "UTF-8", "");
}

/* „Firma“ and Müller” end in bytes that are ä and ö in the old page of DOS. */
static void quotation_marks_are_no_umlauts(void **state)
{
    (void)state;
    ENCODING("id;text\n1;\x84"
             "Firma\x93 M\xfcller\x94\n2;\x84"
             "der\x93\n3;\x84"
             "die\x94\n",
             "WINDOWS-1252", "1|„Firma“ Müller”/2|„der“/3|„die”");
}

static void encoding_may_be_told(void **state)
{
    (void)state;
    json_t *answer = import_with("id,ort\n1,\xb1\n", json_pack("{s:s}", "encoding", "ISO-8859-2"));
    assert_string_equal(text_of(answer, "encoding"), "ISO-8859-2");
    json_decref(answer);
    FREE_CLEAN char *rows = rows_of("list");
    assert_string_equal(rows, "1|ą");
    /* what a file begins with is no matter of opinion */
    answer = import_with("\xef\xbb\xbfid,ort\n1,ä\n", json_pack("{s:s}", "encoding", "CP1252"));
    assert_string_equal(text_of(answer, "encoding"), "UTF-8");
    json_decref(answer);
}

static void encodings_that_do_not_fit_are_refused(void **state)
{
    static const char latin[] = "id,ort\n1,K\xf6ln\n";
    (void)state;
    refused_bytes(latin, sizeof latin - 1, json_pack("{s:s}", "encoding", "UTF-8"),
                  "line 2: it is not UTF-8", "Zeile 2: Sie ist kein UTF-8");
    refused_bytes(latin, sizeof latin - 1, json_pack("{s:s}", "encoding", "ASCII"),
                  "line 2: the file is not in the encoding ASCII", "Zeile 2: Die Datei");
    refused_bytes(latin, sizeof latin - 1, json_pack("{s:s}", "encoding", "ASCII//IGNORE"),
                  "no encoding »ASCII//IGNORE«", "keine Kodierung »ASCII//IGNORE«");
    refused_bytes(latin, sizeof latin - 1,
                  json_pack("{s:s}", "encoding", "xääääääääääääääääääääääääääääääääääääääääää"),
                  "no encoding »xää", "ä«; üblich");
    refused_bytes("i\0d\0\n\0", 6, NULL, "there are zero bytes in it", "stehen Nullbytes");
    refused_bytes("id\n1\0002\n", 7, NULL, "there are zero bytes in it", "stehen Nullbytes");
    refused_bytes("\xff\xfei\0\xd8", 5, NULL, "line 1: the file is not in the encoding UTF-16LE",
                  "Zeile 1: Die Datei");
}

/* ---- separators ---- */

static void assert_separator(const char *text, const char *separator, const char *rows)
{
    json_t *answer = import(text);
    assert_string_equal(text_of(answer, "separator"), separator);
    json_decref(answer);
    FREE_CLEAN char *found = rows_of("list");
    assert_string_equal(found, rows);
}

static void separators_are_found(void **state)
{
    (void)state;
    assert_separator("a,b\n1,x\n", ",", "1|x");
    assert_separator("a;b\n1;x\n", ";", "1|x");
    assert_separator("a\tb\n1\tx\n", "\t", "1|x");
    assert_separator("a|b\n1|x\n", "|", "1|x");
    assert_separator("a;b\nx;1,5\ny;2,5\n", ";", "x|1.5/y|2.5");
    assert_separator("name,ort\n\"Huber; Anna\",Graz\n\"Maier; Bert\",Wien\n", ",",
                     "Huber; Anna|Graz/Maier; Bert|Wien");
    assert_separator("only\n1\n", ",", "1");
    assert_separator("only\n1,5\n2\n", ";", "1.5/2");
}

/* Else all of it would be one column called »a;b;c«. */
static void ragged_lines_do_not_hide_the_separator(void **state)
{
    (void)state;
    assert_separator("a;b;c\n1;x\n2\n3;y;z\n", ";", "1|x|-/2|-|-/3|y|z");
    assert_separator("a;b\nx,y;1\nz\n", ";", "x,y|1/z|-");
    refused("a;b\n1;2;3\n", "line 2 has 3 cells, but the first line names 2 columns",
            "Zeile 2 hat 3 Zellen, die erste Zeile nennt aber 2 Spalten");
    refused("a,b\n1,\"x\ny\"\n\n2,x,y\n", "line 5 has 3 cells", "Zeile 5 hat 3 Zellen");
}

static void separator_may_be_told(void **state)
{
    (void)state;
    json_decref(import_with("a,b;c\nx,y;3\n", json_pack("{s:s}", "separator", ";")));
    FREE_CLEAN char *rows = rows_of("list");
    assert_string_equal(rows, "x,y|3");
    refused_bytes("a\n", 2, json_pack("{s:s}", "separator", ":"), "separator: a comma",
                  "separator: möglich sind");
    refused_bytes("a\n", 2, json_pack("{s:s}", "separator", ",;"), "separator: a comma",
                  "separator: möglich sind");
}

/* ---- cells ---- */

static void quoted_cells_hold_anything(void **state)
{
    (void)state;
    assert_rows("a,b\r\n\"x \"\"y\"\",\r\nz\",\"\"\r\n\r\n2,\" 3\"\r\n", "x \"y\",\r\nz|-/2| 3");
    assert_rows("a,b\n1,x\"y\n2,\"x\"y\n", "1|x\"y/2|xy");
    assert_rows("a,b\r1,x\r2,y", "1|x/2|y");
    refused("a,b\n1,\"x\n2,y\n", "line 2, cell 2: a quotation mark is opened",
            "Zeile 2, Zelle 2: Ein Anf");
}

static void huge_cells_and_rows_have_bounds(void **state)
{
    (void)state;
    const size_t most = 1 << 20;
    BUFFER_CLEAN struct buffer file = {0};
    buffer_text(&file, "a,b\n1,");
    memset(buffer_extend(&file, most), 'x', most);
    buffer_text(&file, "\n");
    json_decref(import(file.data));
    FREE_CLEAN char *rows = rows_of("list");
    assert_int_equal(strlen(rows), most + 2);
    buffer_clear(&file);
    buffer_text(&file, "a,b\n1,");
    memset(buffer_extend(&file, most + 1), 'x', most + 1);
    refused(file.data, "line 2, cell 2: it is longer than 1 MB",
            "Zeile 2, Zelle 2: Sie ist länger");
    json_decref(import_with("a\n1\n2\n", json_pack("{s:i}", "max_rows", 2)));
    refused_bytes("a\n1\n2\n3\n", 8, json_pack("{s:i}", "max_rows", 2), "more than 2 rows",
                  "mehr als 2 Zeilen");
}

static void columns_are_at_most_500(void **state)
{
    (void)state;
    for (int count = 500; count <= 501; count++) {
        BUFFER_CLEAN struct buffer file = {0};
        for (int i = 1; i <= count; i++)
            buffer_printf(&file, "%sc%d", i > 1 ? "," : "", i);
        buffer_text(&file, "\n");
        if (count > 500)
            refused(file.data, "line 1, cell 501: more than 500 columns", "mehr als 500 Spalten");
        else
            json_decref(import(file.data));
    }
}

/* ---- names ---- */

static void names_are_made_different_and_harmless(void **state)
{
    (void)state;
    assert_columns("id, ID ,id,,\"a\nb\"\n1,2,3,4,5\n",
                   "id integer, ID_2 integer, id_3 integer, column_4 integer, a b integer");
    assert_columns("\"\x01\",\"\"\"); DROP TABLE x; --\"\n1,2\n",
                   "column_1 integer, \"); DROP TABLE x; -- integer");
    FREE_CLEAN char *rows = rows_of("list");
    assert_string_equal(rows, "1|2");
}

static void long_names_are_cut_at_a_character(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer file = {0};
    for (int column = 0; column < 3; column++) {
        for (int i = 0; i < 1000; i++)
            buffer_text(&file, "ä");
        buffer_text(&file, column < 2 ? "," : "\n1,2,3\n");
    }
    json_t *answer = import(file.data);
    const json_t *columns = json_object_get(answer, "columns");
    const char *first = text_of(json_array_get(columns, 0), "name");
    const char *third = text_of(json_array_get(columns, 2), "name");
    assert_true(strlen(first) <= 200 && strlen(third) <= 200);
    assert_string_equal(third + strlen(third) - 4, "ä_3");
    json_decref(answer);
}

static void table_names_are_checked(void **state)
{
    static const char *const bad[] = {
        "",        "1a",
        "a-b",     "sqlite_master",
        "Kunden ", "a\"; DROP TABLE x; --",
        "ä",       "a234567890123456789012345678901234567890123456789012345678901234"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused_bytes("a\n", 2, json_pack("{s:s}", "table", bad[i]), "is no name for a table",
                      "ist kein Name für eine Tabelle");
    refused_bytes("a\n", 2,
                  json_pack("{s:s}", "table",
                            "xääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää"),
                  "ä« is no name for a table", "ä« ist kein Name");
}

/* ---- what columns hold ---- */

static void what_begins_with_zero_stays_text(void **state)
{
    (void)state;
    assert_columns("id,nr\n1,01067\n2,1067\n", "id integer, nr text");
    FREE_CLEAN char *rows = rows_of("list");
    assert_string_equal(rows, "1|01067/2|1067");
}

static void postcodes_and_telephone_numbers_stay_text(void **state)
{
    (void)state;
    assert_columns("PLZ,telefon,Handy-Nr.,fax,n\n8010,316,664,12,3\n",
                   "PLZ text, telefon text, Handy-Nr. text, fax text, n integer");
    assert_columns("nr\n+43316\n", "nr text");
}

static void numbers_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *values, *type, *stored;
    } numbers[] = {
        {"1\n-2\n300", "integer", "1/-2/300"},
        {"1\n\n3", "integer", "1/3"},
        {"123456789012345678", "integer", "123456789012345678"},
        {"1234567890123456789", "text", "1234567890123456789"},
        {"1.5\n2", "decimal", "1.5/2"},
        {"\"1,5\"\n2", "decimal", "1.5/2"},
        {"\"1.234,50\"\n\"-1.234.567,8\"", "decimal", "1234.5/-1234567.8"},
        {"\"1,234.50\"\n7", "decimal", "1234.5/7"},
        {"\"5,50\"\n1.234", "decimal", "5.5/1234"},
        {"12.5\n1.234", "decimal", "12.5/1.234"},
        {"0.125\n0.250", "decimal", "0.125/0.25"},
        {"1234.567", "decimal", "1234.567"},
        /* could be either, or neither */
        {"1.234\n2.500", "text", "1.234/2.500"},
        {"1.234.567", "text", "1.234.567"},
        {"192.168.100.200", "text", "192.168.100.200"},
        {"\"1,5\"\n1.5", "text", "1,5/1.5"},
        {"1e5", "text", "1e5"},
        {"007\n1", "text", "007/1"},
        {"1.\n2.5", "text", "1./2.5"},
        {".5", "text", ".5"},
        {"+5", "text", "+5"},
        {"--5", "text", "--5"},
        {"12 345", "text", "12 345"},
        {"5 €", "text", "5 €"},
        {"NaN", "text", "NaN"},
        {"0x10", "text", "0x10"},
        /* more digits than an SQLite number keeps */
        {"12345678901234.5", "decimal", "12345678901234.5"},
        {"123456789012345.5", "text", "123456789012345.5"},
        {"0.1234567890123456", "text", "0.1234567890123456"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        FREE_CLEAN char *file = memory_format("n\n%s\n", numbers[i].values);
        FREE_CLEAN char *columns =
            columns_of(import_with(file, json_pack("{s:s}", "separator", ",")));
        FREE_CLEAN char *expected = memory_format("n %s", numbers[i].type);
        FREE_CLEAN char *rows = rows_of("list");
        if (strcmp(columns, expected) != 0 || strcmp(rows, numbers[i].stored) != 0)
            fail_msg("%s: %s: %s", numbers[i].values, columns, rows);
    }
}

static void dates_are_read_as_they_are_written(void **state)
{
    static const struct {
        const char *values, *type, *stored;
    } dates[] = {
        {"2026-11-24\n2024-02-29", "date", "2026-11-24/2024-02-29"},
        {"24.11.2026\n1.2.2026", "date", "2026-11-24/2026-02-01"},
        {"2026-02-29", "text", "2026-02-29"},
        {"30.02.2026", "text", "30.02.2026"},
        {"24.11.26", "text", "24.11.26"},
        {"24.11.2026 12:00", "text", "24.11.2026 12:00"},
        {"2026-1- 2", "text", "2026-1- 2"},
        {"2026- 1- 2", "text", "2026- 1- 2"},
        {"+026-01-02", "text", "+026-01-02"},
        {"2026-11-24\n24.11.2026", "text", "2026-11-24/24.11.2026"},
        {"11/24/2026", "text", "11/24/2026"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        FREE_CLEAN char *file = memory_format("d\n%s\n", dates[i].values);
        FREE_CLEAN char *columns = columns_of(import(file));
        FREE_CLEAN char *expected = memory_format("d %s", dates[i].type);
        FREE_CLEAN char *rows = rows_of("list");
        if (strcmp(columns, expected) != 0 || strcmp(rows, dates[i].stored) != 0)
            fail_msg("%s: %s: %s", dates[i].values, columns, rows);
    }
}

/* ---- the table ---- */

static void table_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    json_decref(import("a,b\n1,x\n"));
    json_t *answer = import("c\n7\n");
    assert_true(json_is_true(json_object_get(answer, "replaced")));
    assert_int_equal(json_integer_value(json_object_get(answer, "rows")), 1);
    json_decref(answer);
    refused("d,e\n1,2\n3,4,5\n", "line 3 has 3 cells", "Zeile 3 hat 3 Zellen");
    FREE_CLEAN char *rows = rows_of("list");
    assert_string_equal(rows, "7");
    json_t *other = import_with("e\n8\n", json_pack("{s:s}", "table", "LIST"));
    assert_true(json_is_true(json_object_get(other, "replaced")));
    json_decref(other);
}

static void table_is_dropped(void **state)
{
    (void)state;
    struct error error;
    json_decref(import("a\n1\n"));
    json_t *request =
        json_pack("{s:s, s:s, s:b}", "database", database, "table", "list", "drop", 1);
    json_t *answer = importing_request(request, &error);
    assert_non_null(answer);
    json_decref(answer);
    assert_null(importing_request(request, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "»list«"));
    json_decref(request);
}

static void examples_are_short(void **state)
{
    (void)state;
    json_t *answer = import("a,b\n,\"ääääääääääääääääääääääääääääääääääääääääää\"\n7,\n");
    const json_t *columns = json_object_get(answer, "columns");
    assert_string_equal(text_of(json_array_get(columns, 0), "example"), "7");
    assert_int_equal(strlen(text_of(json_array_get(columns, 1), "example")), 60);
    json_decref(answer);
}

static void empty_files_are_refused(void **state)
{
    (void)state;
    refused("", "the file is empty", "Die Datei ist leer");
    refused("\r\n\n\n", "the file is empty", "Die Datei ist leer");
    refused_bytes("\xef\xbb\xbf", 3, NULL, "the file is empty", "Die Datei ist leer");
    refused_bytes("\xff\xfe", 2, NULL, "the file is empty", "Die Datei ist leer");
    assert_rows("a,b\n", "");
    assert_columns("a,b", "a text, b text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_are_found),
        cmocka_unit_test(quotation_marks_are_no_umlauts),
        cmocka_unit_test(encoding_may_be_told),
        cmocka_unit_test(encodings_that_do_not_fit_are_refused),
        cmocka_unit_test(separators_are_found),
        cmocka_unit_test(ragged_lines_do_not_hide_the_separator),
        cmocka_unit_test(separator_may_be_told),
        cmocka_unit_test(quoted_cells_hold_anything),
        cmocka_unit_test(huge_cells_and_rows_have_bounds),
        cmocka_unit_test(columns_are_at_most_500),
        cmocka_unit_test(names_are_made_different_and_harmless),
        cmocka_unit_test(long_names_are_cut_at_a_character),
        cmocka_unit_test(table_names_are_checked),
        cmocka_unit_test(what_begins_with_zero_stays_text),
        cmocka_unit_test(postcodes_and_telephone_numbers_stay_text),
        cmocka_unit_test(numbers_are_read_as_they_are_written),
        cmocka_unit_test(dates_are_read_as_they_are_written),
        cmocka_unit_test(table_is_replaced_whole_or_not_at_all),
        cmocka_unit_test(table_is_dropped),
        cmocka_unit_test(examples_are_short),
        cmocka_unit_test(empty_files_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
