/* Formats: each kind in both languages, what it refuses, and chains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/format.h"

static struct error error;

/* `text` sent through `chain`; NULL: an error. `text` NULL is an absent value. */
static const char *apply(const char *chain, const char *language, const char *text)
{
    static struct buffer result;
    struct buffer scratch[2] = {{0}, {0}};
    struct arena *arena = arena_new();
    const struct format *format = format_parse(arena, chain, strlen(chain), &error);
    struct format_value value = {!text, "text", text ? text : "", text ? strlen(text) : 0};
    const char *answer = NULL;
    if (format && format_apply(format, format_language(language), &value, scratch, &error) == 0) {
        buffer_clear(&result);
        buffer_append(&result, value.text, value.length);
        answer = buffer_string(&result);
    }
    buffer_free(&scratch[0]);
    buffer_free(&scratch[1]);
    arena_free(arena);
    if (!answer)
        buffer_free(&result);
    return answer;
}

struct example {
    const char *chain, *text, *german, *english;
};

static void check_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *example = &examples[i];
        const char *german = apply(example->chain, "de", example->text);
        if (!german)
            fail_msg("%s of %s: %s", example->chain, example->text, error.message);
        assert_string_equal(german, example->german);
        assert_string_equal(apply(example->chain, "en", example->text), example->english);
    }
    assert_null(apply("number 99", "de", "1")); /* frees the result */
}

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const struct example examples[] = {__VA_ARGS__};                                    \
        check_examples(examples, sizeof examples / sizeof *examples);                              \
    } while (0)

static void money_is_exact_and_localized(void **state)
{
    (void)state;
    CHECK({"money EUR", "1234.5", "1.234,50 €", "€1,234.50"}, {"money EUR", "0", "0,00 €", "€0.00"},
          {"money EUR", "-7", "-7,00 €", "-€7.00"}, {"money EUR", "-0.004", "0,00 €", "€0.00"},
          {"money EUR", "0.005", "0,01 €", "€0.01"}, {"money EUR", "1.005", "1,01 €", "€1.01"},
          {"money EUR", "-1.005", "-1,01 €", "-€1.01"},
          {"money EUR", "999.995", "1.000,00 €", "€1,000.00"},
          {"money EUR", "99999999999999999999.99", "99.999.999.999.999.999.999,99 €",
           "€99,999,999,999,999,999,999.99"},
          {"money CHF", "1234.5", "1.234,50 CHF", "CHF 1,234.50"},
          {"money USD", "12", "12,00 $", "$12.00"}, {"money GBP", "12", "12,00 £", "£12.00"},
          {"money JPY", "1234.5", "1.235 ¥", "¥1,235"},
          {"money KWD", "1.5", "1,500 KWD", "KWD 1.500"},
          {"money EUR", " 12.30 ", "12,30 €", "€12.30"}, {"money EUR", "+3", "3,00 €", "€3.00"});
}

static void numbers_are_grouped_and_rounded(void **state)
{
    (void)state;
    CHECK({"number 2", "1480.5", "1.480,50", "1,480.50"},
          {"number", "1480.5", "1.480,5", "1,480.5"}, {"number", "100", "100", "100"},
          {"number", "1000", "1.000", "1,000"}, {"number", "007", "7", "7"},
          {"number", ".5", "0,5", "0.5"}, {"number 0", "0.5", "1", "1"},
          {"number 0", "-0.4", "0", "0"}, {"number 3", "2", "2,000", "2.000"},
          {"number 1", "9.96", "10,0", "10.0"}, {"number", "1.5e3", "1.500", "1,500"},
          {"number", "1.5e-3", "0,0015", "0.0015"},
          {"number 2", "1e+06", "1.000.000,00", "1,000,000.00"},
          {"number", "123456789012345678901234567890.12",
           "123.456.789.012.345.678.901.234.567.890,12",
           "123,456,789,012,345,678,901,234,567,890.12"});
}

static void numbers_of_the_greatest_size_fit(void **state)
{
    (void)state;
    char text[90];
    memset(text, '9', 80);
    strcpy(text + 80, "e40");
    assert_int_equal(strlen(apply("number 20", "en", text)), 120 + 39 + 21);
    strcpy(text + 80, "e-40");
    assert_int_equal(strlen(apply("number 20", "en", text)), 41 + 13 + 21);
    assert_string_equal(apply("number 0", "en", "99999999999999999999e-40"), "0");
    assert_non_null(apply("number", "en", "1e-40"));
    strcpy(text + 80, "9");
    assert_null(apply("number", "en", text));
    assert_null(apply("number", "en", "1e41"));
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"abc",  "1,5", "1.2.3", "-",   ".",    "1e",  "12 EUR",
                                        "0x10", "NaN", "--1",   "1 2", "1e99", "inf", "1.234,50"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(apply("number", "de", wrong[i]));
        assert_null(apply("money EUR", "de", wrong[i]));
    }
    assert_string_equal(error.message,
                        "the format »money« needs a number such as 1234.50, but this "
                        "is text of another form");
}

static void dates_are_localized(void **state)
{
    (void)state;
    CHECK({"date long", "2026-11-24", "24. November 2026", "24 November 2026"},
          {"date long", "2026-03-01", "1. März 2026", "1 March 2026"},
          {"date short", "2026-03-01", "01.03.2026", "01/03/2026"},
          {"date", "2026-11-24", "24.11.2026", "24/11/2026"},
          {"date iso", "2026-11-24 14:05:09", "2026-11-24", "2026-11-24"},
          {"date full", "2026-11-24", "Dienstag, 24. November 2026", "Tuesday, 24 November 2026"},
          {"date full", "2000-02-29", "Dienstag, 29. Februar 2000", "Tuesday, 29 February 2000"},
          {"date full", "1970-01-01", "Donnerstag, 1. Januar 1970", "Thursday, 1 January 1970"},
          {"date short", "2026-11-24T14:05:09.123456+01:00", "24.11.2026", "24/11/2026"},
          {"date short", "2026-11-24 14:05:09+01", "24.11.2026", "24/11/2026"},
          {"date short", " 2026-11-24 ", "24.11.2026", "24/11/2026"},
          {"time", "2026-11-24 14:05:09", "14:05", "14:05"}, {"time", "09:30", "09:30", "09:30"},
          {"time", "2026-11-24T00:00Z", "00:00", "00:00"});
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "24.11.2026",      "2026-13-01",        "2026-00-10",
        "2026-02-29",      "2100-02-29",        "0000-01-01",
        "2026-11-24x",     "2026-11-24 25:00",  "2026-11-24 10:60",
        "2026-11-24 10:5", "2026-1-1",          "20261124",
        "2026-11-24 ab",   "2026-11-24 10:00:", "2026-11-24 10:00:00.",
        "-026-11-24"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (apply("date", "de", wrong[i]))
            fail_msg("%s is taken for a date", wrong[i]);
    assert_null(apply("time", "de", "2026-11-24"));
    assert_string_equal(error.message,
                        "the format »time« needs a time such as 2026-11-24 14:05:00, "
                        "but this is text of another form");
}

static void letters_change_case_beyond_ascii(void **state)
{
    (void)state;
    CHECK({"upper", "Grüße, Žofia Łęcka ÿ", "GRÜSSE, ŽOFIA ŁĘCKA Ÿ", "GRÜSSE, ŽOFIA ŁĘCKA Ÿ"},
          {"lower", "STRAẞE ÄÖÜ ŽŁĘ Ÿ ĽŇ", "straße äöü žłę ÿ ľň", "straße äöü žłę ÿ ľň"},
          {"upper", "αβγς ά дёж 日本 😀 a÷b", "ΑΒΓΣ Ά ДЁЖ 日本 😀 A÷B", "ΑΒΓΣ Ά ДЁЖ 日本 😀 A÷B"},
          {"lower", "ΑΒΓΣ Ά ДЁЖ ×", "αβγσ ά дёж ×", "αβγσ ά дёж ×"},
          {"upper", "țș ếạ", "ȚȘ ẾẠ", "ȚȘ ẾẠ"}, {"upper", "ı", "ı", "ı"});
}

static void yes_and_no_are_words(void **state)
{
    (void)state;
    CHECK({"yes/no", "1", "ja", "yes"}, {"yes/no", "0", "nein", "no"},
          {"yes/no", "-1", "ja", "yes"}, {"yes/no", "0.00", "nein", "no"},
          {"yes/no", "TRUE", "ja", "yes"}, {"yes/no", "f", "nein", "no"},
          {"yes/no", "Nein", "nein", "no"}, {"yes/no", "J", "ja", "yes"}, {"yes/no", NULL, "", ""},
          {"yes/no | default \"?\"", "", "?", "?"});
    assert_null(apply("yes/no", "de", "perhaps"));
    assert_string_equal(error.message, "the format »yes/no« needs yes or no, true or false, or a "
                                       "number, but this is text of another form");
    assert_null(apply("yes/no 1", "de", "1"));
}

static void telephone_numbers_are_grouped_where_that_is_sure(void **state)
{
    (void)state;
    CHECK({"telephone", "+41446681800", "+41 44 668 18 00", "+41 44 668 18 00"},
          {"telephone", "+436601234567", "+43 660 1234567", "+43 660 1234567"},
          {"telephone", "+4915112345678", "+49 151 12345678", "+49 151 12345678"},
          {"telephone", "+493012345678", "+49 30 12345678", "+49 30 12345678"},
          {"telephone", "+12125550123", "+1 212 555 0123", "+1 212 555 0123"},
          {"telephone", "+33123456789", "+33 1 23 45 67 89", "+33 1 23 45 67 89"},
          {"telephone", "+4232345678", "+423 234 56 78", "+423 234 56 78"},
          /* an area code of unknown length, a person's own hand, what is none */
          {"telephone", "+43316123456", "+43316123456", "+43316123456"},
          {"telephone", "0660/123 45 67", "0660/123 45 67", "0660/123 45 67"},
          {"telephone", "+41 44 6681800", "+41 44 6681800", "+41 44 6681800"},
          {"telephone", "+4144668180", "+4144668180", "+4144668180"}, {"telephone", "+", "+", "+"},
          {"telephone", "+4366012345678901", "+4366012345678901", "+4366012345678901"},
          {"telephone", "+43660x234567", "+43660x234567", "+43660x234567"},
          {"telephone", "Tel", "Tel", "Tel"});
}

static void a_default_stands_for_what_is_absent(void **state)
{
    (void)state;
    CHECK({"default \"–\"", NULL, "–", "–"}, {"default \"–\"", "", "–", "–"},
          {"default \"–\"", "x", "x", "x"},
          {"money EUR | default 'nichts'", NULL, "nichts", "nichts"},
          {"default 0|money EUR", NULL, "0,00 €", "€0.00"}, {"upper", NULL, "", ""},
          {"default \"a \\\"b\\\" | c\" | upper", NULL, "A \"B\" | C", "A \"B\" | C"},
          {"default \"\"", NULL, "", ""}, {"lower | upper | lower", "Ab", "ab", "ab"});
}

static void what_cannot_be_read_is_explained(void **state)
{
    (void)state;
    static const struct {
        const char *chain, *message;
    } wrong[] = {
        {"monney EUR", "there is no format »monney«; there are money, number, date, time, yes/no, "
                       "telephone, upper, lower, plain and default"},
        {"money", "the format »money« is not written like that; write »money EUR«"},
        {"money eur", "the format »money« is not written like that; write »money EUR«"},
        {"number two", "the format »number« is not written like that; write »number 2«"},
        {"number 21", "the format »number« is not written like that; write »number 2«"},
        {"date tall",
         "the format »date« is not written like that; write »date long (or short, full, iso)«"},
        {"upper x", "the format »upper« is not written like that; write »upper«"},
        {"default", "the format »default« is not written like that; write »default \"…\"«"},
        {"default \"x", "the quotation mark \" is never closed; write \" where the text ends (it "
                        "cannot hold the tag's own closing mark)"},
        {"default a b c d", "too many words after »|«; a text of several words stands in quotation "
                            "marks"},
        {"upper |", "a format is missing after »|«; write one, such as »| upper«"},
        {"", "a format is missing after »|«; write one, such as »| upper«"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(apply(wrong[i].chain, "de", "1"));
        assert_string_equal(error.message, wrong[i].message);
    }
    char endless[200] = "upper";
    for (int i = 0; i < 17; i++)
        strcat(endless, "|upper");
    assert_null(apply(endless, "de", "x"));
}

static void a_language_is_german_or_english(void **state)
{
    (void)state;
    assert_int_equal(format_language("de"), FORMAT_GERMAN);
    assert_int_equal(format_language("de-CH"), FORMAT_GERMAN);
    assert_int_equal(format_language("DE_at.UTF-8"), FORMAT_GERMAN);
    assert_int_equal(format_language("den"), FORMAT_ENGLISH);
    assert_int_equal(format_language("fr"), FORMAT_ENGLISH);
    assert_int_equal(format_language(NULL), FORMAT_ENGLISH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_exact_and_localized),
        cmocka_unit_test(numbers_are_grouped_and_rounded),
        cmocka_unit_test(numbers_of_the_greatest_size_fit),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(dates_are_localized),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(letters_change_case_beyond_ascii),
        cmocka_unit_test(yes_and_no_are_words),
        cmocka_unit_test(telephone_numbers_are_grouped_where_that_is_sure),
        cmocka_unit_test(a_default_stands_for_what_is_absent),
        cmocka_unit_test(what_cannot_be_read_is_explained),
        cmocka_unit_test(a_language_is_german_or_english),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
