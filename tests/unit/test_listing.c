/* Lists: CSV as RFC 4180 has it, and JSON lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "source/listing.h"

static const struct listing_column columns[] = {
    {"id", SOURCE_INTEGER}, {"name", SOURCE_TEXT}, {"betrag", SOURCE_DECIMAL},
    {"ok", SOURCE_BOOLEAN}, {"satz", SOURCE_REAL}, {"bild", SOURCE_BINARY},
};

static struct source_value text(const char *value)
{
    return (struct source_value){.type = SQLITE_TEXT, .text = value, .length = strlen(value)};
}

/* A list of these rows. */
static void list_rows(const struct listing_options *options, const struct listing_column *as,
                      unsigned count, const struct source_value *values, unsigned rows,
                      struct buffer *out)
{
    struct error error;
    FILE *file = tmpfile();
    struct listing *listing = listing_new(fileno(file), options, as, count);
    for (unsigned row = 0; row < rows; row++)
        assert_int_equal(listing_row(listing, values + row * count, &error), 0);
    assert_int_equal(listing_end(listing, &error), 0);
    listing_free(listing);
    lseek(fileno(file), 0, SEEK_SET);
    assert_int_equal(file_read_fd(fileno(file), "the list", 1 << 20, out, &error), 0);
    fclose(file);
}

/* A row with this name and amount, and one of nothing but NULL. */
static void list(const struct listing_options *options, const char *name, const char *amount,
                 struct buffer *out)
{
    const struct source_value values[12] = {
        {.type = SQLITE_INTEGER, .integer = -7},
        text(name),
        text(amount),
        {.type = SQLITE_INTEGER, .integer = 1},
        {.type = SQLITE_FLOAT, .real = 0.5},
        {.type = SQLITE_BLOB, .text = "\x00\xff", .length = 2},
        {.type = SQLITE_NULL},
        {.type = SQLITE_NULL},
        {.type = SQLITE_NULL},
        {.type = SQLITE_NULL},
        {.type = SQLITE_NULL},
        {.type = SQLITE_NULL},
    };
    list_rows(options, columns, 6, values, 2, out);
}

/* One row of one cell. */
static void list_cell(const struct listing_options *options, enum source_type type,
                      struct source_value value, struct buffer *out)
{
    list_rows(options, &(struct listing_column){"c", type}, 1, &value, 1, out);
}

static void expect_cell(const struct listing_options *options, enum source_type type,
                        struct source_value value, const char *cell)
{
    BUFFER_CLEAN struct buffer out = {0};
    char expected[200];
    list_cell(options, type, value, &out);
    if (options->format == LISTING_CSV)
        snprintf(expected, sizeof expected, "c\r\n%s\r\n", cell);
    else
        snprintf(expected, sizeof expected, "{\"c\":%s}\n", cell);
    assert_string_equal(buffer_string(&out), expected);
}

static const struct listing_options csv = {.separator = ','};
static const struct listing_options guarded = {.separator = ',', .formula_guard = true};
static const struct listing_options lines = {.format = LISTING_JSON_LINES};

static void csv_is_quoted_where_it_must_be(void **state)
{
    BUFFER_CLEAN struct buffer out = {0};
    (void)state;
    list(&(struct listing_options){.separator = ','}, "Müller, \"Jo\"\nx", "0012.50", &out);
    assert_string_equal(buffer_string(&out), "id,name,betrag,ok,satz,bild\r\n"
                                             "-7,\"Müller, \"\"Jo\"\"\nx\",0012.50,1,0.5,AP8=\r\n"
                                             ",,,,,\r\n");
}

static void csv_takes_other_separators(void **state)
{
    BUFFER_CLEAN struct buffer out = {0};
    (void)state;
    list(&(struct listing_options){.separator = ';', .byte_order_mark = true}, "a,b;c", "1", &out);
    assert_string_equal(buffer_string(&out), "\xef\xbb\xbfid;name;betrag;ok;satz;bild\r\n"
                                             "-7;\"a,b;c\";1;1;0.5;AP8=\r\n"
                                             ";;;;;\r\n");
}

static void csv_tells_null_from_an_empty_text(void **state)
{
    const struct listing_column two[] = {{"a", SOURCE_TEXT}, {"b", SOURCE_TEXT}};
    const struct source_value values[] = {text(""), {.type = SQLITE_NULL}};
    BUFFER_CLEAN struct buffer out = {0};
    (void)state;
    list_rows(&csv, two, 2, values, 1, &out);
    assert_string_equal(buffer_string(&out), "a,b\r\n\"\",\r\n");
    /* An empty line would be no row. */
    expect_cell(&csv, SOURCE_TEXT, (struct source_value){.type = SQLITE_NULL}, "\"\"");
}

static void real_numbers_come_back_the_same(void **state)
{
    static const struct {
        double real;
        const char *written;
    } numbers[] = {{0.1, "0.1"},
                   {0.1 + 0.2, "0.30000000000000004"},
                   {1e300, "1e+300"},
                   {-2, "-2"},
                   {1.0 / 3, "0.3333333333333333"}};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct source_value value = {.type = SQLITE_FLOAT, .real = numbers[i].real};
        expect_cell(&csv, SOURCE_REAL, value, numbers[i].written);
        expect_cell(&lines, SOURCE_REAL, value, numbers[i].written);
    }
    expect_cell(&lines, SOURCE_REAL, (struct source_value){.type = SQLITE_FLOAT, .real = HUGE_VAL},
                "null");
}

static void text_that_is_none_is_bytes(void **state)
{
    const struct source_value zero = {.type = SQLITE_TEXT, .text = "a\0b", .length = 3};
    const struct source_value digits = {.type = SQLITE_TEXT, .text = "12\0x", .length = 4};
    (void)state;
    expect_cell(&csv, SOURCE_TEXT, text("\xff"), "/w==");
    expect_cell(&csv, SOURCE_TEXT, zero, "YQBi");
    expect_cell(&lines, SOURCE_TEXT, zero, "{\"base64\":\"YQBi\"}");
    expect_cell(&lines, SOURCE_DECIMAL, digits, "{\"base64\":\"MTIAeA==\"}");
}

static void csv_guards_formulas_but_not_numbers(void **state)
{
    static const char *const formulas[] = {"=1+1", "+49 171", "-x",  "@a", "\tx",
                                           "＝1",  "＋1",     "－1", "＠1"};
    (void)state;
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        char expected[80];
        snprintf(expected, sizeof expected, "'%s", formulas[i]);
        expect_cell(&guarded, SOURCE_TEXT, text(formulas[i]), expected);
        expect_cell(&csv, SOURCE_TEXT, text(formulas[i]), formulas[i]);
    }
    expect_cell(&guarded, SOURCE_TEXT, text("\n=1"), "\"'\n=1\"");
    expect_cell(&guarded, SOURCE_TEXT, text("\r=1"), "\"'\r=1\"");
    expect_cell(&guarded, SOURCE_TEXT, text("=a,\"b\""), "\"'=a,\"\"b\"\"\"");
    expect_cell(&guarded, SOURCE_DECIMAL, text("-12.50"), "-12.50");
    expect_cell(&guarded, SOURCE_INTEGER,
                (struct source_value){.type = SQLITE_INTEGER, .integer = -7}, "-7");
    /* A database without types holds anything in any column. */
    expect_cell(&guarded, SOURCE_DECIMAL, text("-1+cmd|' /C calc'!A0"), "'-1+cmd|' /C calc'!A0");
    expect_cell(&guarded, SOURCE_BINARY,
                (struct source_value){.type = SQLITE_BLOB, .text = "\xf8", .length = 1}, "'+A==");
    BUFFER_CLEAN struct buffer named = {0};
    list_rows(&guarded, &(struct listing_column){"=1", SOURCE_TEXT}, 1, NULL, 0, &named);
    assert_string_equal(buffer_string(&named), "'=1\r\n");
}

static void json_lines_keep_types(void **state)
{
    BUFFER_CLEAN struct buffer out = {0};
    (void)state;
    list(&(struct listing_options){.format = LISTING_JSON_LINES}, "a\"ü\n",
         "12345678901234567890.10", &out);
    assert_string_equal(
        buffer_string(&out),
        "{\"id\":-7,\"name\":\"a\\\"ü\\n\",\"betrag\":12345678901234567890.10,\"ok\":true,"
        "\"satz\":0.5,\"bild\":{\"base64\":\"AP8=\"}}\n"
        "{\"id\":null,\"name\":null,\"betrag\":null,\"ok\":null,\"satz\":null,\"bild\":null}\n");
}

static void json_lines_have_no_bad_numbers_or_texts(void **state)
{
    BUFFER_CLEAN struct buffer out = {0};
    (void)state;
    list(&(struct listing_options){.format = LISTING_JSON_LINES}, "\xff", "0012", &out);
    assert_non_null(strstr(buffer_string(&out), "\"name\":{\"base64\":\"/w==\"}"));
    assert_non_null(strstr(buffer_string(&out), "\"betrag\":\"0012\""));
}

static void decimals_may_stay_texts(void **state)
{
    struct listing_options options = lines;
    (void)state;
    options.decimals_as_text = true;
    expect_cell(&options, SOURCE_DECIMAL, text("12.50"), "\"12.50\"");
    expect_cell(&lines, SOURCE_DECIMAL, text("12.50"), "12.50");
}

static void options_are_read_and_refused(void **state)
{
    struct listing_options options;
    struct error error;
    (void)state;
    json_t *good =
        json_pack("{s:s, s:s, s:b}", "format", "csv", "separator", "\t", "formula_guard", 1);
    assert_int_equal(listing_read_options(good, &options, &error), 0);
    assert_true(options.separator == '\t' && options.formula_guard && !options.byte_order_mark);
    json_decref(good);
    static const char *const bad[][2] = {{"format", "xml"},        {"separator", "ab"},
                                         {"separator", "x"},       {"decimals", "xml"},
                                         {"formula_guard", "yes"}, {"byte_order_mark", "1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *request = json_pack("{s:s}", bad[i][0], bad[i][1]);
        assert_int_equal(listing_read_options(request, &options, &error), -1);
        assert_non_null(strstr(error.message, bad[i][0]));
        assert_non_null(strstr(error.german, bad[i][0]));
        json_decref(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_quoted_where_it_must_be),
        cmocka_unit_test(csv_takes_other_separators),
        cmocka_unit_test(csv_tells_null_from_an_empty_text),
        cmocka_unit_test(real_numbers_come_back_the_same),
        cmocka_unit_test(text_that_is_none_is_bytes),
        cmocka_unit_test(csv_guards_formulas_but_not_numbers),
        cmocka_unit_test(json_lines_keep_types),
        cmocka_unit_test(json_lines_have_no_bad_numbers_or_texts),
        cmocka_unit_test(decimals_may_stay_texts),
        cmocka_unit_test(options_are_read_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
