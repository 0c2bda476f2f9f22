/* A source's catalogue: what of the source's tables is left to see, and what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "source/builder.h"
#include "source/catalogue.h"

static const char shop[] =
    "[{\"name\": \"customers\", \"kind\": \"table\", \"foreign_keys\": [], \"columns\": ["
    "  {\"name\": \"customer_id\", \"type\": \"integer\", \"key\": 1},"
    "  {\"name\": \"email\", \"type\": \"text\", \"key\": 0},"
    "  {\"name\": \"iban\", \"type\": \"text\", \"key\": 0}]},"
    " {\"name\": \"diagnoses\", \"kind\": \"table\", \"columns\": ["
    "  {\"name\": \"customer_id\", \"type\": \"integer\", \"key\": 1}],"
    "  \"foreign_keys\": [{\"columns\": [\"customer_id\"], \"table\": \"customers\","
    "                      \"to\": [\"customer_id\"]}]},"
    " {\"name\": \"orders\", \"kind\": \"table\", \"columns\": ["
    "  {\"name\": \"order_id\", \"type\": \"integer\", \"key\": 1},"
    "  {\"name\": \"customer_id\", \"type\": \"integer\", \"key\": 0},"
    "  {\"name\": \"diagnosis\", \"type\": \"integer\", \"key\": 0}],"
    "  \"foreign_keys\": [{\"columns\": [\"diagnosis\"], \"table\": \"diagnoses\","
    "                      \"to\": [\"customer_id\"]}]}]";

static json_t *parse(const char *text)
{
    json_error_t wrong;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &wrong);
    if (!value)
        fail_msg("line %d: %s", wrong.line, wrong.text);
    return value;
}

/* The shop's tables as clerks see them. */
static json_t *apply(const char *text)
{
    json_t *tables = parse(shop), *catalogue = parse(text);
    catalogue_apply(tables, catalogue);
    json_decref(catalogue);
    return tables;
}

static json_t *named(const json_t *list, const char *name)
{
    size_t index;
    json_t *element;
    json_array_foreach((json_t *)list, index, element)
        if (strcmp(json_string_value(json_object_get(element, "name")), name) == 0)
            return element;
    return NULL;
}

static json_t *column(const json_t *tables, const char *table, const char *name)
{
    return named(json_object_get(named(tables, table), "columns"), name);
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

/* No word of it is left, be it as a name or as a key's end. */
static void assert_untold(const json_t *tables, const char *word)
{
    char *all = json_dumps(tables, JSON_COMPACT);
    if (strstr(all, word))
        fail_msg("»%s« is told in %s", word, all);
    free(all);
}

static void all_is_seen_without_a_catalogue(void **state)
{
    (void)state;
    json_t *as_it_is = parse(shop), *tables = parse(shop);
    catalogue_apply(tables, NULL);
    assert_true(json_equal(tables, as_it_is));
    json_decref(tables);
    tables = apply("{}");
    assert_true(json_equal(tables, as_it_is));
    json_decref(tables);
    json_decref(as_it_is);
}

static void hidden_tables_and_columns_are_gone_with_their_keys(void **state)
{
    (void)state;
    json_t *tables = apply("{\"tables\": {\"diagnoses\": {\"hidden\": true}, \"customers\": "
                           "{\"columns\": {\"iban\": {\"hidden\": true}}}}}");
    assert_int_equal(json_array_size(tables), 2);
    assert_untold(tables, "diagnoses");
    assert_untold(tables, "iban");
    assert_int_equal(json_array_size(json_object_get(named(tables, "orders"), "foreign_keys")), 0);
    assert_non_null(column(tables, "customers", "email"));
    json_decref(tables);
}

static void column_that_a_key_needs_hides_the_key(void **state)
{
    (void)state;
    json_t *tables = apply(
        "{\"tables\": {\"diagnoses\": {\"columns\": {\"customer_id\": {\"hidden\": true}}}}}");
    assert_int_equal(json_array_size(json_object_get(named(tables, "orders"), "foreign_keys")), 0);
    assert_int_equal(json_array_size(json_object_get(named(tables, "diagnoses"), "foreign_keys")),
                     0);
    json_decref(tables);
}

/* SQLite and MariaDB take Iban for iban. */
static void hiding_does_not_depend_on_capitals(void **state)
{
    (void)state;
    json_t *tables = apply("{\"tables\": {\"DIAGNOSES\": {\"hidden\": true}, \"Customers\": "
                           "{\"columns\": {\"IBAN\": {\"hidden\": true}}}}}");
    assert_untold(tables, "diagnoses");
    assert_untold(tables, "iban");
    json_decref(tables);
}

static void just_the_same_name_goes_before_one_of_other_capitals(void **state)
{
    (void)state;
    json_t *tables = apply("{\"tables\": {\"Orders\": {\"hidden\": true}, \"orders\": "
                           "{\"label_de\": \"Aufträge\"}}}");
    assert_string_equal(text(named(tables, "orders"), "label_de"), "Aufträge");
    json_decref(tables);
}

static void unlisted_may_be_hidden(void **state)
{
    (void)state;
    json_t *tables = apply("{\"unlisted\": \"hidden\", \"tables\": {\"orders\": {}, \"customers\": "
                           "{\"columns\": {\"customer_id\": {}, \"email\": {}}}}}");
    assert_int_equal(json_array_size(tables), 2);
    assert_untold(tables, "iban");
    assert_untold(tables, "diagnoses");
    assert_non_null(column(tables, "customers", "email"));
    assert_int_equal(json_array_size(json_object_get(named(tables, "orders"), "columns")), 3);
    json_decref(tables);
}

static void labels_roles_and_formats_are_put_in(void **state)
{
    (void)state;
    json_t *tables =
        apply("{\"tables\": {\"customers\": {\"label_de\": \"Kundschaft\", \"label_en\": "
              "\"Customers\", \"columns\": {\"email\": {\"role\": \"email\", \"format\": "
              "\"lower\", \"label_en\": \"Mail\"}}}}}");
    const json_t *email = column(tables, "customers", "email");
    assert_string_equal(text(named(tables, "customers"), "label_de"), "Kundschaft");
    assert_string_equal(text(named(tables, "customers"), "label_en"), "Customers");
    assert_string_equal(text(email, "role"), "email");
    assert_string_equal(text(email, "format"), "lower");
    assert_string_equal(text(email, "label_en"), "Mail");
    assert_string_equal(text(email, "label_de"), "");
    json_decref(tables);
}

#define JOIN                                                                                       \
    "\"joins\": [{\"table\": \"orders\", \"columns\": [\"customer_id\"], \"to\": \"customers\", "  \
    "\"to_columns\": [\"customer_id\"]}]"

static void joins_become_keys_that_are_not_declared(void **state)
{
    (void)state;
    json_t *tables = apply("{" JOIN "}");
    const json_t *keys = json_object_get(named(tables, "orders"), "foreign_keys");
    const json_t *key = json_array_get(keys, 1);
    assert_int_equal(json_array_size(keys), 2);
    assert_string_equal(text(key, "table"), "customers");
    assert_true(json_is_false(json_object_get(key, "declared")));
    assert_null(json_object_get(json_array_get(keys, 0), "declared"));
    json_decref(tables);
}

static void joins_to_what_is_hidden_are_hidden(void **state)
{
    static const char *const hiding[] = {
        "\"customers\": {\"hidden\": true}", "\"orders\": {\"hidden\": true}",
        "\"customers\": {\"columns\": {\"customer_id\": {\"hidden\": true}}}",
        "\"orders\": {\"columns\": {\"customer_id\": {\"hidden\": true}}}"};
    (void)state;
    for (size_t i = 0; i < sizeof hiding / sizeof *hiding; i++) {
        char catalogue[600];
        snprintf(catalogue, sizeof catalogue, "{\"tables\": {%s}, " JOIN "}", hiding[i]);
        json_t *tables = apply(catalogue);
        assert_untold(tables, "declared");
        json_decref(tables);
    }
}

/* ---- built queries ---- */

static void assert_refused(const json_t *tables, const char *built, const char *hidden)
{
    static const enum source_dialect dialects[] = {DIALECT_SQLITE, DIALECT_POSTGRES, DIALECT_MYSQL,
                                                   DIALECT_ANSI};
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        struct error error;
        json_t *document = parse(built);
        json_t *answer = builder_sql(document, dialects[i], tables, date_today(), &error);
        if (answer)
            fail_msg("%s became %s", built, text(answer, "sql"));
        assert_non_null(strstr(error.message, hidden));
        const char *meant = strstr(error.message, "did you mean");
        assert_true(!meant || (!strstr(meant, "iban") && !strstr(meant, "diagnoses")));
        json_decref(document);
    }
}

static void built_queries_cannot_name_what_is_hidden(void **state)
{
    static const char *const built[][2] = {
        {"{\"from\": \"diagnoses\", \"fields\": [{\"field\": \"diagnoses.customer_id\"}]}",
         "»diagnoses«"},
        {"{\"from\": \"customers\", \"fields\": [{\"field\": \"customers.iban\"}]}",
         "»customers.iban«"},
        {"{\"from\": \"customers\", \"fields\": [{\"field\": \"customers.iban\", \"function\": "
         "\"min\"}]}",
         "»customers.iban«"},
        {"{\"from\": \"customers\", \"fields\": [{\"field\": \"customers.email\"}], \"where\": "
         "{\"field\": \"customers.iban\", \"is\": \"like\", \"value\": \"AT%\"}}",
         "»customers.iban«"},
        {"{\"from\": \"customers\", \"fields\": [{\"field\": \"customers.email\"}], \"order\": "
         "[{\"field\": \"customers.iban\"}]}",
         "»customers.iban«"},
        {"{\"from\": \"orders\", \"fields\": [{\"field\": \"orders.order_id\"}], \"joins\": "
         "[{\"table\": \"diagnoses\", \"on\": [[\"diagnosis\", \"customer_id\"]]}]}",
         "»diagnoses«"},
        {"{\"from\": \"orders\", \"fields\": [{\"field\": \"orders.order_id\"}], \"joins\": "
         "[{\"table\": \"customers\", \"on\": [[\"order_id\", \"iban\"]]}]}",
         "iban"},
        /* under another table's name, which a database that ignores capitals takes for its own */
        {"{\"from\": \"customers\", \"fields\": [{\"field\": \"CUSTOMERS.IBAN\"}], \"joins\": "
         "[{\"table\": \"orders\", \"as\": \"CUSTOMERS\", \"on\": [[\"customer_id\", "
         "\"customer_id\"]]}]}",
         "CUSTOMERS"},
        {"{\"from\": \"customers\", \"fields\": [{\"field\": \"customers.email\\\", "
         "\\\"customers\\\".\\\"iban\"}]}",
         "iban"},
    };
    (void)state;
    json_t *tables = apply("{\"tables\": {\"diagnoses\": {\"hidden\": true}, \"customers\": "
                           "{\"columns\": {\"iban\": {\"hidden\": true}}}}}");
    for (size_t i = 0; i < sizeof built / sizeof *built; i++)
        assert_refused(tables, built[i][0], built[i][1]);
    json_decref(tables);
}

static void built_queries_join_along_the_catalogue(void **state)
{
    (void)state;
    struct error error;
    json_t *tables = apply("{" JOIN "}");
    json_t *built = parse("{\"from\": \"orders\", \"joins\": [{\"table\": \"customers\"}], "
                          "\"fields\": [{\"field\": \"customers.email\", \"as\": \"an\"}]}");
    json_t *answer = builder_sql(built, DIALECT_SQLITE, tables, date_today(), &error);
    assert_non_null(answer);
    assert_non_null(strstr(text(answer, "sql"), "ON \"orders\".\"customer_id\" = "
                                                "\"customers\".\"customer_id\""));
    assert_string_equal(text(json_object_get(json_object_get(answer, "fields"), "an"), "name"),
                        "email");
    json_decref(answer);
    json_decref(built);
    json_decref(tables);
}

/* ---- does it fit? ---- */

static int fits(const char *catalogue_text, struct error *error)
{
    json_t *tables = parse(shop), *catalogue = parse(catalogue_text);
    int result = catalogue_fits(tables, catalogue, error);
    json_decref(catalogue);
    json_decref(tables);
    return result;
}

static void what_the_source_has_fits(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(fits("{}", &error), 0);
    assert_int_equal(fits("{" JOIN ", \"tables\": {\"Orders\": {}, \"customers\": {\"columns\": "
                          "{\"IBAN\": {\"hidden\": true}}}}}",
                          &error),
                     0);
}

static void what_the_source_does_not_have_is_named_with_the_nearest(void **state)
{
    static const char *const wrong[][3] = {
        {"{\"tables\": {\"custmers\": {\"hidden\": true}}}", "tables: there is no »custmers«",
         "»customers«?"},
        {"{\"tables\": {\"customers\": {\"columns\": {\"ibann\": {\"hidden\": true}}}}}",
         "tables.customers.columns: there is no »ibann«", "»iban«?"},
        {"{\"joins\": [{\"table\": \"order\", \"columns\": [\"customer_id\"], \"to\": "
         "\"customers\", \"to_columns\": [\"customer_id\"]}]}",
         "joins[0].table: there is no »order«", "»orders«?"},
        {"{\"joins\": [{\"table\": \"orders\", \"columns\": [\"customer_id\"], \"to\": "
         "\"customers\", \"to_columns\": [\"Customer_ID\"]}]}",
         "joins[0].to_columns: there is no »Customer_ID«", "»customer_id«?"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error error;
        assert_int_equal(fits(wrong[i][0], &error), -1);
        if (!strstr(error.message, wrong[i][1]) || !strstr(error.message, wrong[i][2]))
            fail_msg("%s", error.message);
        assert_non_null(strstr(error.german, wrong[i][2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_seen_without_a_catalogue),
        cmocka_unit_test(hidden_tables_and_columns_are_gone_with_their_keys),
        cmocka_unit_test(column_that_a_key_needs_hides_the_key),
        cmocka_unit_test(hiding_does_not_depend_on_capitals),
        cmocka_unit_test(just_the_same_name_goes_before_one_of_other_capitals),
        cmocka_unit_test(unlisted_may_be_hidden),
        cmocka_unit_test(labels_roles_and_formats_are_put_in),
        cmocka_unit_test(joins_become_keys_that_are_not_declared),
        cmocka_unit_test(joins_to_what_is_hidden_are_hidden),
        cmocka_unit_test(built_queries_cannot_name_what_is_hidden),
        cmocka_unit_test(built_queries_join_along_the_catalogue),
        cmocka_unit_test(what_the_source_has_fits),
        cmocka_unit_test(what_the_source_does_not_have_is_named_with_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
