/* Declared values: each type's check, and messages that help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "campaignd/action.h"
#include "host/declared.h"

static const char table_text[] =
    "[{\"name\": \"server\", \"type\": \"text\", \"required\": true},"
    "{\"name\": \"port\", \"type\": \"integer\", \"default\": \"25\", \"minimum\": 1, \"maximum\": "
    "65535},"
    "{\"name\": \"price\", \"type\": \"money\"}, {\"name\": \"keep\", \"type\": \"boolean\"},"
    "{\"name\": \"tls\", \"type\": \"choice\", \"choices\": [{\"name\": \"none\"}, {\"name\": "
    "\"required\"}]},"
    "{\"name\": \"wait\", \"type\": \"duration\", \"minimum\": 1000000, \"maximum\": 60000000},"
    "{\"name\": \"limit\", \"type\": \"size\"}, {\"name\": \"to\", \"type\": \"column\"},"
    "{\"name\": \"report\", \"type\": \"report\"}, {\"name\": \"password\", \"type\": "
    "\"secret\"}]";

static const char *const columns[] = {"name", "email_address", NULL};

struct seen {
    char name[64], message[1024];
};

static void note(void *context, const char *name, const struct error *fault)
{
    struct seen *seen = context;
    snprintf(seen->name, sizeof seen->name, "%s", name);
    snprintf(seen->message, sizeof seen->message, "%s", fault->message);
}

static int check(const char *given_text, struct seen *seen)
{
    json_t *table = json_loads(table_text, 0, NULL), *given = json_loads(given_text, 0, NULL);
    json_t *reports = json_loads("{\"Infoschreiben\": {}}", 0, NULL);
    struct declared_names names = {.columns = columns, .reports = reports};
    assert_non_null(table);
    assert_non_null(given);
    *seen = (struct seen){0};
    int faults = declared_check(table, given, &names, note, seen);
    json_decref(table);
    json_decref(given);
    json_decref(reports);
    return faults;
}

static void expect_fault(const char *more, const char *name, const char *wanted)
{
    char given[300];
    struct seen seen;
    snprintf(given, sizeof given, "{\"server\": \"x\", %s}", more);
    assert_int_equal(check(given, &seen), 1);
    assert_string_equal(seen.name, name);
    if (!strstr(seen.message, wanted))
        fail_msg("»%s« does not say »%s«", seen.message, wanted);
}

static void good_values_pass(void **state)
{
    struct seen seen;
    (void)state;
    assert_int_equal(check("{\"server\": \"x\", \"port\": 587, \"price\": \"-12.5\", \"keep\": "
                           "true, \"tls\": \"none\", \"wait\": \"30s\", \"limit\": \"4MB\", "
                           "\"to\": \"email_address\", \"report\": \"Infoschreiben\", "
                           "\"password\": \"file:secret\"}",
                           &seen),
                     0);
    assert_int_equal(check("{\"server\": \"x\", \"port\": null, \"tls\": \"\"}", &seen), 0);
}

static void faults_name_the_parameter_and_what_would_be_right(void **state)
{
    struct seen seen;
    (void)state;
    assert_int_equal(check("{}", &seen), 1);
    assert_string_equal(seen.message, "server is missing; it must be given");
    assert_int_equal(check("{\"server\": \"\"}", &seen), 1);
    expect_fault("\"port\": \"0\"", "port", "from 1 to 65535");
    expect_fault("\"port\": \"12x\"", "port", "port = »12x« is not a whole number");
    expect_fault("\"port\": 1.5", "port", "must be a text, a whole number");
    expect_fault("\"price\": \"1,20\"", "price", "»12.34«");
    expect_fault("\"price\": \"1.234\"", "price", "»12.34«");
    expect_fault("\"price\": \"99999999999999999999\"", "price", "»12.34«");
    expect_fault("\"keep\": \"maybe\"", "keep", "»yes« or »no«");
    expect_fault("\"tls\": \"require\"", "tls", "one of »none«, »required«");
    expect_fault("\"wait\": \"30\"", "wait", "a duration with its unit");
    expect_fault("\"wait\": \"2m\"", "wait", "60000000 microseconds");
    expect_fault("\"limit\": \"big\"", "limit", "»4MB«");
    expect_fault("\"to\": \"email_adress\"", "to", "»email_address« is meant");
    expect_fault("\"report\": \"Infobrief\"", "report", "there is no report »Infobrief«");
    expect_fault("\"sever\": \"y\"", "sever", "»server« is meant");
    expect_fault("\"zzz\": \"y\"", "zzz", "there is no parameter »zzz«");
    expect_fault("\"keep\": [1]", "keep", "must be");
}

static void secret_in_plain_is_refused_and_not_repeated(void **state)
{
    struct seen seen;
    (void)state;
    assert_int_equal(check("{\"server\": \"x\", \"password\": \"geheim\"}", &seen), 1);
    assert_null(strstr(seen.message, "geheim"));
    assert_non_null(strstr(seen.message, "file:PATH"));
}

static int64_t read_integer(const char *type, json_t *given)
{
    struct declared_value value;
    struct error error;
    json_t *entry = json_pack("{s:s, s:s}", "name", "x", "type", type);
    if (declared_read(entry, given, NULL, &value, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(value.type, CAMPAIGND_INTEGER);
    buffer_free(&value.text);
    json_decref(entry);
    json_decref(given);
    return value.integer;
}

static void values_become_what_the_abi_says(void **state)
{
    (void)state;
    assert_int_equal(read_integer("money", json_string("12.34")), 1234);
    assert_int_equal(read_integer("money", json_string("-0.5")), -50);
    assert_int_equal(read_integer("money", json_integer(12)), 1200);
    assert_int_equal(read_integer("boolean", json_string("on")), 1);
    assert_int_equal(read_integer("boolean", json_false()), 0);
    assert_int_equal(read_integer("duration", json_string("250ms")), 250000);
    assert_int_equal(read_integer("size", json_string("64KB")), 65536);
}

static void types_have_names_both_ways(void **state)
{
    (void)state;
    for (int32_t type = CAMPAIGND_PARAMETER_TEXT; type <= CAMPAIGND_PARAMETER_LOCATION; type++)
        assert_int_equal(declared_type(declared_type_name(type)), type);
    assert_null(declared_type_name(0));
    assert_null(declared_type_name(CAMPAIGND_PARAMETER_LOCATION + 1));
    assert_int_equal(declared_type("colour"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values_pass),
        cmocka_unit_test(faults_name_the_parameter_and_what_would_be_right),
        cmocka_unit_test(secret_in_plain_is_refused_and_not_repeated),
        cmocka_unit_test(values_become_what_the_abi_says),
        cmocka_unit_test(types_have_names_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
