/* Lists: CSV as RFC 4180 has it, and JSON lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
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

/* One row with this name and amount, as a list of these options. */
static void list(const struct listing_options *options, const char *name, const char *amount,
                 struct buffer *out)
{
    struct error error;
    FILE *file = tmpfile();
    struct listing *listing = listing_new(fileno(file), options, columns, 6);
    const struct source_value values[] = {
        {.type = SQLITE_INTEGER, .integer = -7},
        text(name),
        text(amount),
        {.type = SQLITE_INTEGER, .integer = 1},
        {.type = SQLITE_FLOAT, .real = 0.5},
        {.type = SQLITE_BLOB, .text = "\x00\xff", .length = 2},
    };
    const struct source_value nothing[6] = {{.type = SQLITE_NULL}, {.type = SQLITE_NULL},
                                            {.type = SQLITE_NULL}, {.type = SQLITE_NULL},
                                            {.type = SQLITE_NULL}, {.type = SQLITE_NULL}};
    assert_int_equal(listing_row(listing, values, &error), 0);
    assert_int_equal(listing_row(listing, nothing, &error), 0);
    assert_int_equal(listing_end(listing, &error), 0);
    listing_free(listing);
    lseek(fileno(file), 0, SEEK_SET);
    assert_int_equal(file_read_fd(fileno(file), "the list", 1 << 20, out, &error), 0);
    fclose(file);
}

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

static void csv_guards_formulas_but_not_numbers(void **state)
{
    static const char *const formulas[] = {"=1+1", "+49", "-x", "@a", "\tx"};
    (void)state;
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        BUFFER_CLEAN struct buffer out = {0};
        char expected[80];
        list(&(struct listing_options){.separator = ',', .formula_guard = true}, formulas[i],
             "-12.50", &out);
        snprintf(expected, sizeof expected, "-7,'%s,-12.50,1", formulas[i]);
        assert_non_null(strstr(buffer_string(&out), expected));
    }
    BUFFER_CLEAN struct buffer quoted = {0};
    list(&(struct listing_options){.separator = ',', .formula_guard = true}, "=a,\"b\"", "1",
         &quoted);
    assert_non_null(strstr(buffer_string(&quoted), "\"'=a,\"\"b\"\"\""));
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
    static const char *const bad[][2] = {
        {"format", "xml"}, {"separator", "ab"}, {"separator", "x"}};
    for (size_t i = 0; i < 3; i++) {
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
        cmocka_unit_test(csv_guards_formulas_but_not_numbers),
        cmocka_unit_test(json_lines_keep_types),
        cmocka_unit_test(json_lines_have_no_bad_numbers_or_texts),
        cmocka_unit_test(options_are_read_and_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
