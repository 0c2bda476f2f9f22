/* Built queries: the SQL that documents become, what SQLite finds by it, and hostile documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/builder.h"
#include "source/folding.h"

/* ---- a shop: as source_tables would describe it, and the same in SQLite ---- */

static const char shop_sql[] =
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT COLLATE NOCASE, born DATE,"
    "  revenue DECIMAL(12,2), rating REAL, active BOOLEAN, seen TIMESTAMP, photo BLOB, "
    "\"od\"\"d`\" "
    "TEXT, extra);"
    "CREATE TABLE booking (id INTEGER PRIMARY KEY, customer_id INTEGER, event INTEGER, day DATE,"
    "  paid DECIMAL(12,2), at TIME);"
    "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, boss INTEGER);"
    "CREATE TABLE parcel (id INTEGER PRIMARY KEY, sender INTEGER, receiver INTEGER);"
    "INSERT INTO customer VALUES"
    " (1,'Müller','Graz','1980-11-24','100.50',1.5,1,'2026-11-24 14:05:09',x'00','a',5),"
    " (2,'MÜLLER','GRAZ','1990-11-30',99,2.5,0,'2026-08-26 00:00:00',NULL,'',  'x'),"
    " (3,'Straße 5%','Wien','2000-02-29',0.1,3,NULL,'2026-08-25 23:59:59',NULL,NULL,NULL),"
    " (4,'O''Neil_','wien','1975-01-03',-5,4,1,NULL,NULL,'b','y'),"
    " (5,NULL,'','1960-12-31',NULL,NULL,0,'2025-11-24 00:00:00',NULL,'c',''),"
    " (6,'Graz','Linz',NULL,1000000,0,1,'2026-11-25 00:00:01',NULL,'d',1.5);"
    "INSERT INTO booking VALUES (1,1,42,'2026-11-01',10.1,'14:05'),(2,1,42,'2026-11-02',20.2,NULL),"
    " (3,2,42,'2026-10-01',0.3,'09:00:00'),(4,4,7,'2026-12-01',5,NULL);";

static const char shop_json[] =
    "[{'name':'booking','kind':'table','columns':["
    "   {'name':'id','type':'integer','key':1},{'name':'customer_id','type':'integer','key':0},"
    "   {'name':'event','type':'integer','key':0},{'name':'day','type':'date','key':0},"
    "   {'name':'paid','type':'decimal','key':0},{'name':'at','type':'time','key':0}],"
    "  'foreign_keys':[{'columns':['customer_id'],'table':'customer','to':['id']}]},"
    " {'name':'customer','kind':'table','columns':["
    "   {'name':'id','type':'integer','key':1},{'name':'name','type':'text','key':0},"
    "   {'name':'city','type':'text','key':0},{'name':'born','type':'date','key':0},"
    "   {'name':'revenue','type':'decimal','key':0},{'name':'rating','type':'real','key':0},"
    "   {'name':'active','type':'boolean','key':0},{'name':'seen','type':'timestamp','key':0},"
    "   {'name':'photo','type':'binary','key':0},{'name':'od\\\"d`','type':'text','key':0},"
    "   {'name':'extra','type':'','key':0}],'foreign_keys':[]},"
    " {'name':'parcel','kind':'table','columns':[{'name':'id','type':'integer','key':1},"
    "   {'name':'sender','type':'integer','key':0},{'name':'receiver','type':'integer','key':0}],"
    "  'foreign_keys':[{'columns':['sender'],'table':'customer','to':['id']},"
    "   {'columns':['receiver'],'table':'customer','to':['id']}]},"
    " {'name':'person','kind':'table','columns':[{'name':'id','type':'integer','key':1},"
    "   {'name':'name','type':'text','key':0},{'name':'boss','type':'integer','key':0}],"
    "  'foreign_keys':[{'columns':['boss'],'table':'person','to':['id']}]}]";

static const struct date today = {2026, 11, 24};

/* JSON with ' for ", for reading. */
static json_t *json(const char *text)
{
    FREE_CLEAN char *copy = memory_text(text);
    json_error_t wrong;
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &wrong);
    if (!value)
        fail_msg("%s: %s", wrong.text, text);
    return value;
}

struct shop {
    sqlite3 *db;
    json_t *tables;
};

static int open_shop(void **state)
{
    struct shop *shop = memory_new(sizeof *shop);
    struct error error;
    char *message = NULL;
    assert_int_equal(folding_load(&error), 0);
    assert_int_equal(sqlite3_open(":memory:", &shop->db), SQLITE_OK);
    assert_int_equal(folding_install(shop->db, &error), 0);
    if (sqlite3_exec(shop->db, shop_sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    shop->tables = json(shop_json);
    *state = shop;
    return 0;
}

static int close_shop(void **state)
{
    struct shop *shop = *state;
    sqlite3_close(shop->db);
    json_decref(shop->tables);
    free(shop);
    return 0;
}

/* ---- what a document becomes ---- */

static json_t *built_on(struct shop *shop, const char *document, enum source_dialect dialect,
                        struct date day, struct error *error)
{
    json_t *built = json(document);
    json_t *answer = builder_sql(built, dialect, shop->tables, day, error);
    json_decref(built);
    return answer;
}

#define assert_sql(shop, dialect, document, expected)                                              \
    do {                                                                                           \
        struct error error_ = {0};                                                                 \
        json_t *answer_ = built_on(shop, document, dialect, today, &error_);                       \
        if (!answer_)                                                                              \
            fail_msg("%s", error_.message);                                                        \
        assert_string_equal(json_string_value(json_object_get(answer_, "sql")), expected);         \
        json_decref(answer_);                                                                      \
    } while (0)

#define CUSTOMERS(where)                                                                           \
    "{'from':'customer','fields':[{'field':'customer.id'}],'order':[{'field':'customer.id'}],"     \
    "'where':" where "}"
#define IS(field, is, more) "{'field':'customer." field "','is':'" is "'" more "}"

/* Bind by names, run, and write all rows as "1,2,3" (columns by |). */
static char *rows_of(struct shop *shop, const json_t *answer, const json_t *more)
{
    sqlite3_stmt *statement;
    BUFFER_CLEAN struct buffer rows = {0};
    const char *sql = json_string_value(json_object_get(answer, "sql"));
    if (sqlite3_prepare_v2(shop->db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s\n%s", sqlite3_errmsg(shop->db), sql);
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
        const char *name = sqlite3_bind_parameter_name(statement, i) + 1;
        const json_t *value = json_object_get(json_object_get(answer, "values"), name);
        if (!value)
            value = json_object_get(more, name);
        assert_non_null(value);
        if (json_is_integer(value))
            sqlite3_bind_int64(statement, i, json_integer_value(value));
        else
            sqlite3_bind_text(statement, i, json_string_value(value), -1, SQLITE_TRANSIENT);
    }
    int step;
    bool is_first = true;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            buffer_printf(&rows, "%s%s", i ? "|" : is_first ? "" : ",", text ? text : "-");
            is_first = false;
        }
    if (step != SQLITE_DONE)
        fail_msg("%s\n%s", sqlite3_errmsg(shop->db), sql);
    sqlite3_finalize(statement);
    return buffer_steal(&rows);
}

#define assert_rows_on(shop, day, document, expected)                                              \
    do {                                                                                           \
        struct error error_ = {0};                                                                 \
        json_t *answer_ = built_on(shop, document, DIALECT_SQLITE, day, &error_);                  \
        if (!answer_)                                                                              \
            fail_msg("%s", error_.message);                                                        \
        char *rows_ = rows_of(shop, answer_, NULL);                                                \
        assert_string_equal(rows_, expected);                                                      \
        free(rows_);                                                                               \
        json_decref(answer_);                                                                      \
    } while (0)
#define assert_rows(shop, document, expected) assert_rows_on(shop, today, document, expected)

#define assert_refused(shop, document, begins, german_begins)                                      \
    do {                                                                                           \
        struct error error_ = {0};                                                                 \
        json_t *answer_ = built_on(shop, document, DIALECT_SQLITE, today, &error_);                \
        if (answer_)                                                                               \
            fail_msg("not refused: %s", json_string_value(json_object_get(answer_, "sql")));       \
        assert_int_equal(error_.code, ERROR_INPUT);                                                \
        if (!text_starts(error_.message, begins))                                                  \
            assert_string_equal(error_.message, begins);                                           \
        if (!text_starts(error_.german, german_begins))                                            \
            assert_string_equal(error_.german, german_begins);                                     \
    } while (0)

static void each_database_gets_its_own_words(void **state)
{
    struct shop *shop = *state;
    const char *document =
        "{'from':'customer','joins':[{'table':'booking','kind':'left'}],"
        " 'fields':[{'field':'customer.id'},{'field':'customer.od\\\"d`','as':'x'}],"
        " 'where':{'and':[{'field':'customer.city','is':'=','value':'Graz'},"
        "  {'or':[{'field':'customer.name','is':'contains','value':'50%'},"
        "   {'not':{'field':'booking.paid','is':'>','value':'10.50'}}]},"
        "  {'field':'booking.event','is':'=','parameter':'event'}]},"
        " 'order':[{'field':'customer.name','descending':true}],'limit':10}";
    assert_sql(shop, DIALECT_SQLITE, document,
               "SELECT \"customer\".\"id\" AS \"id\", \"customer\".\"od\"\"d`\" AS \"x\"\n"
               "FROM \"customer\" AS \"customer\"\n"
               "LEFT JOIN \"booking\" AS \"booking\" ON \"customer\".\"id\" = "
               "\"booking\".\"customer_id\"\n"
               "WHERE \"customer\".\"city\" COLLATE BINARY = :v1\n"
               "    AND (fold(\"customer\".\"name\") LIKE fold(:v2) ESCAPE '!' OR NOT "
               "(\"booking\".\"paid\" > CAST(:v3 AS NUMERIC)))\n"
               "    AND \"booking\".\"event\" = CAST(:event AS INTEGER)\n"
               "ORDER BY \"customer\".\"name\" COLLATE campaignd DESC, \"customer\".\"id\", "
               "\"booking\".\"id\"\n"
               "LIMIT 10");
    assert_sql(
        shop, DIALECT_POSTGRES, document,
        "SELECT \"customer\".\"id\" AS \"id\", \"customer\".\"od\"\"d`\" AS \"x\"\n"
        "FROM \"customer\" AS \"customer\"\n"
        "LEFT JOIN \"booking\" AS \"booking\" ON \"customer\".\"id\" = "
        "\"booking\".\"customer_id\"\n"
        "WHERE CAST(\"customer\".\"city\" AS text) = CAST(:v1 AS text)\n"
        "    AND (REPLACE(LOWER(CAST(\"customer\".\"name\" AS text) COLLATE "
        "\"und-x-icu\"), 'ß', 'ss') LIKE REPLACE(LOWER(CAST(:v2 AS text) COLLATE "
        "\"und-x-icu\"), 'ß', 'ss') ESCAPE '!' OR NOT (\"booking\".\"paid\" > CAST(:v3 AS "
        "numeric)))\n"
        "    AND \"booking\".\"event\" = CAST(:event AS bigint)\n"
        "ORDER BY REPLACE(LOWER(CAST(\"customer\".\"name\" AS text) COLLATE "
        "\"und-x-icu\"), 'ß', 'ss') COLLATE \"und-x-icu\" DESC NULLS LAST, \"customer\".\"id\" "
        "NULLS FIRST, \"booking\".\"id\" NULLS FIRST\n"
        "LIMIT 10");
    assert_sql(shop, DIALECT_MYSQL, document,
               "SELECT `customer`.`id` AS `id`, `customer`.`od\"d``` AS `x`\n"
               "FROM `customer` AS `customer`\n"
               "LEFT JOIN `booking` AS `booking` ON `customer`.`id` = `booking`.`customer_id`\n"
               "WHERE CAST(CONVERT(`customer`.`city` USING utf8mb4) AS BINARY) = "
               "CAST(CONVERT(:v1 USING utf8mb4) AS BINARY)\n"
               "    AND (REPLACE(REPLACE(LOWER(CONVERT(`customer`.`name` USING utf8mb4)) COLLATE "
               "utf8mb4_bin, 'ẞ', 'ss'), 'ß', 'ss') LIKE REPLACE(REPLACE(LOWER(CONVERT(:v2 USING "
               "utf8mb4)) COLLATE utf8mb4_bin, 'ẞ', 'ss'), 'ß', 'ss') ESCAPE '!' OR NOT "
               "(`booking`.`paid` > CAST(:v3 AS DECIMAL(65, 2))))\n"
               "    AND `booking`.`event` = CAST(:event AS SIGNED)\n"
               "ORDER BY CONVERT(`customer`.`name` USING utf8mb4) COLLATE utf8mb4_unicode_520_ci "
               "DESC, CAST(REPLACE(REPLACE(LOWER(CONVERT(`customer`.`name` USING utf8mb4)) COLLATE "
               "utf8mb4_bin, 'ẞ', 'ss'), 'ß', 'ss') AS BINARY) DESC, `customer`.`id`, "
               "`booking`.`id`\n"
               "LIMIT 10");
    assert_sql(shop, DIALECT_ANSI, document,
               "SELECT \"customer\".\"id\" AS \"id\", \"customer\".\"od\"\"d`\" AS \"x\"\n"
               "FROM \"customer\" AS \"customer\"\n"
               "LEFT JOIN \"booking\" AS \"booking\" ON \"customer\".\"id\" = "
               "\"booking\".\"customer_id\"\n"
               "WHERE \"customer\".\"city\" = :v1\n"
               "    AND (LOWER(\"customer\".\"name\") LIKE LOWER(:v2) ESCAPE '!' OR NOT "
               "(\"booking\".\"paid\" > CAST(:v3 AS DECIMAL(38, 2))))\n"
               "    AND \"booking\".\"event\" = CAST(:event AS BIGINT)\n"
               "ORDER BY LOWER(\"customer\".\"name\") DESC, \"customer\".\"id\", "
               "\"booking\".\"id\"\n"
               "FETCH FIRST 10 ROWS ONLY");
}

static void values_are_bound_and_parameters_named(void **state)
{
    struct shop *shop = *state;
    struct error error = {0};
    json_t *answer = built_on(
        shop,
        CUSTOMERS("{'and':[" IS("name", "in", ",'values':['a','b']") "," IS(
            "revenue", "<", ",'value':12.5") "," IS("id", "=", ",'parameter':'event'") "]}"),
        DIALECT_POSTGRES, today, &error);
    json_t *expected = json("{'v1':'a','v2':'b','v3':'12.5'}");
    json_t *parameters = json("{'event':{'type':'integer','field':'customer.id'}}");
    assert_true(json_equal(json_object_get(answer, "values"), expected));
    assert_true(json_equal(json_object_get(answer, "parameters"), parameters));
    json_t *good = json("{'event':42}"), *text = json("{'event':'42'}"),
           *bad = json("{'event':'abc'}"), *none = json("{}");
    assert_int_equal(builder_check_parameters(parameters, good, &error), 0);
    assert_int_equal(builder_check_parameters(parameters, text, &error), 0);
    assert_int_equal(builder_check_parameters(parameters, bad, &error), -1);
    assert_string_equal(error.message, ":event: »customer.id« is a number, and »abc« is none");
    assert_int_equal(builder_check_parameters(parameters, none, &error), -1);
    assert_string_equal(error.german,
                        "Die Abfrage braucht den Parameter »event«, der keinen Wert hat.");
    json_decref(good), json_decref(text), json_decref(bad), json_decref(none);
    json_decref(answer), json_decref(expected), json_decref(parameters);
}

static void texts_compare_exactly_but_search_without_case(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop, CUSTOMERS(IS("city", "=", ",'value':'Graz'")), "1");
    assert_rows(shop, CUSTOMERS(IS("city", "<>", ",'value':'Graz'")), "2,3,4,5,6");
    assert_rows(shop, CUSTOMERS(IS("city", "in", ",'values':['GRAZ','wien']")), "2,4");
    assert_rows(shop, CUSTOMERS(IS("city", "not in", ",'values':['GRAZ','wien','']")), "1,3,6");
    assert_rows(shop, CUSTOMERS(IS("city", "between", ",'values':['G','M']")), "1,2,6");
    assert_rows(shop, CUSTOMERS(IS("city", ">", ",'value':'Z'")), "4");
    assert_rows(shop, CUSTOMERS(IS("name", "contains", ",'value':'ülle'")), "1,2");
    assert_rows(shop, CUSTOMERS(IS("name", "contains", ",'value':'ÜLLE'")), "1,2");
    assert_rows(shop, CUSTOMERS(IS("name", "starts with", ",'value':'STRASSE'")), "3");
    assert_rows(shop, CUSTOMERS(IS("name", "ends with", ",'value':'%'")), "3");
    assert_rows(shop, CUSTOMERS(IS("name", "contains", ",'value':'_'")), "4");
    assert_rows(shop, CUSTOMERS(IS("name", "like", ",'value':'m_ller'")), "1,2");
    assert_rows(shop, CUSTOMERS(IS("name", "like", ",'value':'%!%'")), "");
    assert_rows(shop, CUSTOMERS(IS("name", "not like", ",'value':'m%'")), "3,4,6");
    assert_rows(shop, CUSTOMERS(IS("name", "=", ",'other':'customer.city'")), "");
    assert_rows(shop, CUSTOMERS(IS("od\\\"d`", "=", ",'value':'a'")), "1");
}

static void nothing_is_null_or_an_empty_text(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop, CUSTOMERS(IS("name", "is empty", "")), "5");
    assert_rows(shop, CUSTOMERS(IS("city", "is empty", "")), "5");
    assert_rows(shop, CUSTOMERS(IS("city", "is not empty", "")), "1,2,3,4,6");
    assert_rows(shop, CUSTOMERS(IS("revenue", "is empty", "")), "5");
    assert_rows(shop, CUSTOMERS(IS("photo", "is not empty", "")), "1");
    assert_rows(shop, CUSTOMERS("{'not':" IS("name", "=", ",'value':'Graz'") "}"), "1,2,3,4");
}

static void numbers_keep_their_digits(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop, CUSTOMERS(IS("revenue", "=", ",'value':'100.50'")), "1");
    assert_rows(shop, CUSTOMERS(IS("revenue", "=", ",'value':100.5")), "1");
    assert_rows(shop, CUSTOMERS(IS("revenue", "<", ",'value':0.1")), "4");
    assert_rows(shop, CUSTOMERS(IS("revenue", "in", ",'values':[99,'0.1','-5.00']")), "2,3,4");
    assert_rows(shop, CUSTOMERS(IS("id", ">=", ",'value':'5'")), "5,6");
    assert_rows(shop, CUSTOMERS(IS("id", ">", ",'value':4.5")), "5,6");
    assert_rows(shop, CUSTOMERS(IS("rating", "between", ",'values':[1.5,'3']")), "1,2,3");
    assert_rows(shop, CUSTOMERS(IS("rating", ">", ",'other':'customer.id'")), "1,2");
    assert_rows(shop, CUSTOMERS(IS("extra", "=", ",'value':5")), "1");
    assert_rows(shop, CUSTOMERS(IS("extra", "=", ",'value':'5'")), "1");
    assert_rows(shop, CUSTOMERS(IS("extra", "=", ",'value':'y'")), "4");
    struct error error = {0};
    json_t *answer =
        built_on(shop, CUSTOMERS(IS("revenue", "=", ",'value':'12345678901234567890.10'")),
                 DIALECT_MYSQL, today, &error);
    assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "values"), "v1")),
                        "12345678901234567890.10");
    json_decref(answer);
}

static void yes_and_no_leave_out_unknown(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop, CUSTOMERS(IS("active", "yes", "")), "1,4,6");
    assert_rows(shop, CUSTOMERS(IS("active", "no", "")), "2,5");
    assert_rows(shop, CUSTOMERS(IS("active", "=", ",'value':true")), "1,4,6");
    assert_rows(shop, CUSTOMERS(IS("active", "<>", ",'value':true")), "2,5");
    assert_sql(
        shop, DIALECT_POSTGRES,
        "{'from':'customer','fields':[{'field':'customer.id'}],'where':" IS("active", "no", "") "}",
        "SELECT \"customer\".\"id\" AS \"id\"\nFROM \"customer\" AS \"customer\"\nWHERE "
        "\"customer\".\"active\" = FALSE");
}

static void days_of_moments_are_compared_as_days(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop, CUSTOMERS(IS("seen", "=", ",'value':'2026-11-24'")), "1");
    assert_rows(shop, CUSTOMERS(IS("seen", "<=", ",'value':'2026-11-24'")), "1,2,3,5");
    assert_rows(shop, CUSTOMERS(IS("seen", ">", ",'value':'2026-11-24T14:05'")), "1,6");
    assert_rows(shop, CUSTOMERS(IS("seen", "=", ",'value':'2026-11-24 14:05:09'")), "1");
    assert_rows(shop, CUSTOMERS(IS("seen", "before", ",'value':'2026-08-26'")), "3,5");
    assert_rows(shop, CUSTOMERS(IS("seen", "after", ",'value':'2026-11-24'")), "6");
    assert_rows(shop, CUSTOMERS(IS("born", "before", ",'other':'customer.seen'")), "1,2,3,5");
    assert_rows(shop, CUSTOMERS(IS("born", "between", ",'values':['1960-12-31','1975-01-03']")),
                "4,5");
}

static void relative_days_count_from_today(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop, CUSTOMERS(IS("seen", "in the last", ",'value':90,'unit':'days'")), "1,2");
    assert_rows(shop, CUSTOMERS(IS("seen", "in the last", ",'value':0,'unit':'days'")), "1");
    assert_rows(shop, CUSTOMERS(IS("seen", "longer ago than", ",'value':90,'unit':'days'")), "3,5");
    assert_rows(shop, CUSTOMERS(IS("seen", "longer ago than", ",'value':1,'unit':'years'")), "");
    assert_rows(shop, CUSTOMERS(IS("seen", "in the last", ",'value':12,'unit':'months'")),
                "1,2,3,5");
    assert_rows(shop, CUSTOMERS(IS("seen", "in the next", ",'value':1,'unit':'weeks'")), "1,6");
    struct date last_of_march = {2027, 3, 31};
    struct error error = {0};
    json_t *answer =
        built_on(shop, CUSTOMERS(IS("seen", "in the last", ",'value':1,'unit':'months'")),
                 DIALECT_SQLITE, last_of_march, &error);
    assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "values"), "v1")),
                        "2027-02-28");
    json_decref(answer);
}

static void birthdays_come_round_every_year(void **state)
{
    struct shop *shop = *state;
    struct date newyear = {2026, 12, 28}, february = {2027, 2, 28}, leap = {2028, 2, 28},
                leap_day = {2028, 2, 29}, march = {2027, 3, 1}, before_february = {2027, 2, 21};
    const char *is_today = CUSTOMERS(IS("born", "birthday today", ""));
    const char *is_month = CUSTOMERS(IS("born", "birthday this month", ""));
    const char *week = CUSTOMERS(IS("born", "birthday in the next", ",'value':7"));
    assert_rows(shop, is_today, "1");
    assert_rows(shop, is_month, "1,2");
    assert_rows(shop, week, "1,2");
    assert_rows_on(shop, newyear, week, "4,5");
    assert_rows_on(shop, february, is_today, "3");
    assert_rows_on(shop, february, is_month, "3");
    assert_rows_on(shop, leap, is_today, "");
    assert_rows_on(shop, leap_day, is_today, "3");
    assert_rows_on(shop, march, is_today, "");
    assert_rows_on(shop, march, week, "");
    assert_rows_on(shop, before_february, week, "3");
    assert_rows(shop, CUSTOMERS(IS("born", "birthday in the next", ",'value':365")), "1,2,3,4,5");
}

static void tables_are_joined_along_their_keys(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop,
                "{'from':'booking','joins':[{'table':'customer'}],'fields':[{'field':'booking.id'},"
                "{'field':'customer.name'}],'order':[{'field':'booking.id'}]}",
                "1|Müller,2|Müller,3|MÜLLER,4|O'Neil_");
    assert_rows(shop,
                "{'from':'person','joins':[{'table':'person','as':'b','to':'person',"
                "'on':[['boss','id']],'kind':'left'}],'fields':[{'field':'b.id'}]}",
                "");
    assert_refused(shop,
                   "{'from':'person','joins':[{'table':'person','as':'b'}],'fields':[{'field':'b."
                   "id'}]}",
                   "joins[0]: several keys lead to »person«; take one: \"to\": \"person\", \"on\": "
                   "[[\"boss\",\"id\"]]; \"to\": \"person\", \"on\": [[\"id\",\"boss\"]]",
                   "joins[0]: Mehrere Schlüssel führen zu »person«");
    assert_refused(shop,
                   "{'from':'parcel','joins':[{'table':'customer'}],'fields':[{'field':'parcel.id'}"
                   "]}",
                   "joins[0]: several keys lead to »customer«; take one: \"to\": \"parcel\", "
                   "\"on\": [[\"sender\",\"id\"]]; ",
                   "joins[0]: Mehrere");
    assert_refused(shop,
                   "{'from':'person','joins':[{'table':'customer'}],'fields':[{'field':'person.id'}"
                   "]}",
                   "joins[0]: no key leads from the tables before to »customer«", "joins[0]: Von");
    assert_refused(shop,
                   "{'from':'person','joins':[{'table':'customer','on':[['name','id']]}],'fields':["
                   "{'field':'person.id'}]}",
                   "joins[0].on[0]: »person.name« is a text and »customer.id« is a number; they "
                   "cannot be joined",
                   "joins[0].on[0]: »person.name« ist ein Text und »customer.id« ist eine Zahl");
    assert_refused(shop, "{'from':'person','joins':[{'table':'person'}],'fields':[1]}",
                   "joins[0]: several keys", "joins[0]: Mehrere");
}

static void functions_group_by_the_other_fields(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop,
                "{'from':'customer','joins':[{'table':'booking'}],'fields':[{'field':'customer.id'}"
                ",{'field':'booking.paid','function':'sum','as':'total'},{'field':'booking.id',"
                "'function':'count'},{'field':'booking.paid','function':'average'},{'field':'"
                "booking.day','function':'max'}],'order':[{'field':'total','descending':true}]}",
                "1|30.3|2|15.15|2026-11-02,4|5.0|1|5.0|2026-12-01,2|0.3|1|0.3|2026-10-01");
    assert_rows(shop,
                "{'from':'customer','fields':[{'field':'customer.city'}],'distinct':true,"
                "'order':[{'field':'customer.city'}]}",
                ",GRAZ,Graz,Linz,Wien,wien");
    assert_rows(shop, "{'from':'customer','fields':[{'field':'customer.name','function':'min'}]}",
                "Graz");
    assert_refused(shop,
                   "{'from':'customer','fields':[{'field':'customer.name','function':'sum'}]}",
                   "fields[0].function: »customer.name« is a text; sum is not for that",
                   "fields[0].function: »customer.name« ist ein Text; sum");
    assert_refused(shop,
                   "{'from':'customer','distinct':true,'fields':[{'field':'customer.name'}],"
                   "'order':[{'field':'customer.id'}]}",
                   "order[0].field: the rows are put together", "order[0].field: Die Zeilen");
}

static void order_is_by_letters_then_by_keys(void **state)
{
    struct shop *shop = *state;
    assert_rows(shop,
                "{'from':'customer','fields':[{'field':'customer.id'}],'order':[{'field':'customer."
                "name'}]}",
                "5,6,1,2,4,3");
    assert_rows(shop,
                "{'from':'customer','fields':[{'field':'customer.id','as':'nr'}],'limit':2,"
                "'order':[{'field':'nr','descending':true}]}",
                "6,5");
    assert_rows(shop, "{'from':'customer','fields':[{'field':'customer.id'}],'limit':3}", "1,2,3");
}

static void parameters_may_be_searched_for(void **state)
{
    struct shop *shop = *state;
    struct error error = {0};
    json_t *answer = built_on(shop, CUSTOMERS(IS("name", "ends with", ",'parameter':'what'")),
                              DIALECT_SQLITE, today, &error);
    json_t *percent = json("{'what':'5%'}"), *none = json("{'what':'%5'}");
    char *rows = rows_of(shop, answer, percent);
    assert_string_equal(rows, "3");
    free(rows);
    rows = rows_of(shop, answer, none);
    assert_string_equal(rows, "");
    free(rows);
    json_decref(answer), json_decref(percent), json_decref(none);
}

/* ---- what is wrong, where, and what was meant ---- */

static void mistakes_are_named_with_their_place(void **state)
{
    struct shop *shop = *state;
#define IN_AND(leaf) CUSTOMERS("{'and':[" IS("id", ">", ",'value':1") "," leaf "]}")
    assert_refused(shop, IN_AND("{'field':'customer.id','is':'equls','value':1}"),
                   "where.and[1].is: there is no operator »equls«; there are: =, <>",
                   "where.and[1].is: Einen Operator »equls« gibt es nicht");
    assert_refused(shop, IN_AND("{'field':'customer.name','is':'start with','value':'a'}"),
                   "where.and[1].is: there is no operator »start with«; did you mean »starts "
                   "with«?",
                   "where.and[1].is: Einen Operator");
    assert_refused(shop, IN_AND("{'field':'customer.nam','is':'=','value':'a'}"),
                   "where.and[1].field: there is no field »customer.nam«; did you mean "
                   "»customer.name«?",
                   "where.and[1].field: Ein Feld »customer.nam« gibt es nicht; ist »customer.name« "
                   "gemeint?");
    assert_refused(shop, IN_AND("{'field':'name','is':'=','value':'a'}"),
                   "where.and[1].field: there is no field »name«; did you mean »customer.name«?",
                   "where.and[1].field: Ein Feld");
    assert_refused(shop, IN_AND("{'field':'booking.id','is':'=','value':'a'}"),
                   "where.and[1].field: the table »booking« is not part of the query",
                   "where.and[1].field: Die Tabelle »booking«");
    assert_refused(shop, IN_AND("{'feld':'customer.id','is':'=','value':'a'}"),
                   "where.and[1]: there is no key »feld«; did you mean »field«?",
                   "where.and[1]: Einen Schlüssel »feld«");
    assert_refused(shop, IN_AND("{'field':'customer.id','is':'=','value':1,'values':[1]}"),
                   "where.and[1]: there is no key »values«; did you mean »value«?",
                   "where.and[1]: Einen");
    assert_refused(shop, IN_AND("{'field':'customer.id','is':'='}"),
                   "where.and[1]: this operator needs one of: \"value\", \"parameter\", \"other\"",
                   "where.and[1]: Dieser Operator braucht");
    assert_refused(shop, IN_AND("{'and':[],'or':[]}"),
                   "where.and[1]: beside »or« no other key can stand here", "where.and[1]: Neben");
    assert_refused(shop, IN_AND("{'and':[]}"), "where.and[1].and: a list that is not empty",
                   "where.and[1].and: Hier");
    assert_refused(shop, IN_AND("{'and':null}"), "where.and[1]: the key »and« is missing",
                   "where.and[1]: Der Schlüssel");
    assert_refused(shop, "{'from':'custumer','fields':[{'field':'customer.id'}]}",
                   "from: there is no table »custumer«; did you mean »customer«?",
                   "from: Eine Tabelle »custumer«");
    assert_refused(shop, "{'from':'customer'}", "the key »fields« is missing",
                   "Der Schlüssel »fields« fehlt.");
    assert_refused(shop, "{'from':'customer','fields':[{'field':'customer.id'}],'limit':0}",
                   "limit: a whole number from 1", "limit: Hier");
    assert_refused(shop,
                   "{'from':'customer','fields':[{'field':'customer.id'},{'field':'customer."
                   "id'}]}",
                   "fields[1]: two fields are called »id«", "fields[1]: Zwei Felder");
    assert_refused(shop, "[]", "an object with keys", "Hier wird ein Objekt");
}

static void values_of_another_type_are_refused(void **state)
{
    struct shop *shop = *state;
    assert_refused(shop, CUSTOMERS(IS("revenue", ">", ",'value':'abc'")),
                   "where.value: »customer.revenue« is a number, and »abc« is none",
                   "where.value: »customer.revenue« ist eine Zahl, und »abc« ist das nicht.");
    assert_refused(shop, CUSTOMERS(IS("revenue", ">", ",'value':'1.234,50'")),
                   "where.value: »customer.revenue« is a number", "where.value");
    assert_refused(shop, CUSTOMERS(IS("city", "=", ",'value':8010")),
                   "where.value: »customer.city« is a text, and 8010 is none; write it in "
                   "quotation marks",
                   "where.value: »customer.city« ist ein Text, und 8010 ist keiner");
    assert_refused(shop, CUSTOMERS(IS("born", "=", ",'value':'24.11.2026'")),
                   "where.value: »customer.born« is a date, and »24.11.2026« is none; write year, "
                   "month and day, such as 2026-11-24",
                   "where.value: »customer.born« ist ein Datum, und »24.11.2026« ist das nicht; "
                   "Jahr, Monat und Tag schreiben, etwa 2026-11-24.");
    assert_refused(shop, CUSTOMERS(IS("born", "=", ",'value':'2026-02-29'")),
                   "where.value: »customer.born« is a date", "where.value");
    assert_refused(shop, CUSTOMERS(IS("born", "=", ",'value':'2026-11-24 10:00'")),
                   "where.value: »customer.born« is a date without a time of day", "where.value");
    assert_refused(shop, CUSTOMERS(IS("seen", "in", ",'values':['2026-11-24','2026-11-24 10:00']")),
                   "where.values[1]: give all values a time of day, or none", "where.values[1]");
    assert_refused(shop, CUSTOMERS(IS("active", "=", ",'value':'ja'")),
                   "where.value: »customer.active« is a yes or no", "where.value");
    assert_refused(shop, CUSTOMERS(IS("active", "<", ",'value':true")),
                   "where.is: »customer.active« is a yes or no; »<« is not for that", "where.is");
    assert_refused(shop, CUSTOMERS(IS("id", "contains", ",'value':'1'")),
                   "where.is: »customer.id« is a number; »contains« is not for that",
                   "where.is: »customer.id« ist eine Zahl; »contains« ist dafür nicht gedacht.");
    assert_refused(shop, CUSTOMERS(IS("id", "birthday today", "")),
                   "where.is: »customer.id« is a number", "where.is");
    assert_refused(shop, CUSTOMERS(IS("photo", "=", ",'value':'1'")),
                   "where.is: »customer.photo« is binary", "where.is: »customer.photo« ist binär");
    assert_refused(shop, CUSTOMERS(IS("id", "=", ",'other':'customer.name'")),
                   "where.other: »customer.id« is a number and »customer.name« is a text; they "
                   "cannot be compared",
                   "where.other: »customer.id« ist eine Zahl und »customer.name« ist ein Text");
    assert_refused(shop, CUSTOMERS(IS("name", "=", ",'value':'a\\u0000b'")),
                   "where.value: »customer.name« is a text", "where.value");
    assert_refused(shop, CUSTOMERS(IS("seen", "in the last", ",'value':90,'unit':'day'")),
                   "where.unit: the unit is days", "where.unit: Die Einheit");
    assert_refused(shop, CUSTOMERS(IS("seen", "in the last", ",'value':'90','unit':'days'")),
                   "where.value: a whole number from 0", "where.value");
    assert_refused(shop, CUSTOMERS(IS("seen", "in the last", ",'value':9000,'unit':'years'")),
                   "where.value: this leads out of the calendar", "where.value");
    assert_refused(shop, CUSTOMERS(IS("id", "=", ",'parameter':'v1'")),
                   "where: »v1« is no name of a parameter", "where: »v1« ist kein Name");
    assert_refused(shop, CUSTOMERS(IS("id", "=", ",'parameter':'a; DROP'")),
                   "where: »a; DROP« is no name of a parameter", "where");
}

static void documents_are_bounded(void **state)
{
    struct shop *shop = *state;
    struct error error = {0};
    json_t *condition = json(IS("id", ">", ",'value':0"));
    for (int i = 0; i < 25; i++)
        condition = json_pack("{s:o}", "not", condition);
    json_t *document = json_pack("{s:s, s:[{s:s}], s:o}", "from", "customer", "fields", "field",
                                 "customer.id", "where", condition);
    assert_null(builder_sql(document, DIALECT_SQLITE, shop->tables, today, &error));
    assert_non_null(strstr(error.message, "nested more than 20 deep"));
    json_t *many = json_array();
    for (int i = 0; i < 1001; i++)
        json_array_append_new(many, json(IS("id", ">", ",'value':0")));
    json_object_set_new(document, "where", json_pack("{s:o}", "or", many));
    assert_null(builder_sql(document, DIALECT_SQLITE, shop->tables, today, &error));
    assert_non_null(strstr(error.message, "more than 1000"));
    FREE_CLEAN char *large = memory_new(1 << 20);
    memset(large, 'a', (1 << 20) - 1);
    json_object_set_new(
        document, "where",
        json_pack("{s:s, s:s, s:s}", "field", "customer.name", "is", "=", "value", large));
    assert_null(builder_sql(document, DIALECT_SQLITE, shop->tables, today, &error));
    assert_string_equal(error.message, "where.value: the value is longer than 16384 bytes");
    json_decref(document);
}

static void a_condition_alone_sees_plain_names(void **state)
{
    (void)state;
    struct error error = {0};
    json_t *columns = json("[{'name':'name','type':'text'},{'name':'umsatz','type':'decimal'}]");
    json_t *values = json("{'v1':'there'}");
    json_t *condition = json("{'and':[{'field':'name','is':'contains','value':'x'},"
                             "{'field':'umsatz','is':'>','value':'10.5'}]}");
    FREE_CLEAN char *sql =
        builder_condition_on(condition, DIALECT_SQLITE, columns, today, values, &error);
    assert_string_equal(sql, "(fold(\"name\") LIKE fold(:v2) ESCAPE '!' AND CAST(\"umsatz\" AS "
                             "NUMERIC) > CAST(:v3 AS NUMERIC))");
    assert_int_equal(json_object_size(values), 3);
    json_decref(condition);
    condition = json("{'field':'umsat','is':'>','value':'10.5'}");
    assert_null(builder_condition_on(condition, DIALECT_SQLITE, columns, today, values, &error));
    assert_string_equal(error.message, "field: there is no field »umsat«; did you mean »umsatz«?");
    json_decref(condition), json_decref(columns), json_decref(values);
}

/* ---- random documents with hostile names and values ---- */

static const char *const hostile[] = {
    "'; DROP TABLE customer; --",
    "\" OR 1=1 --",
    "`; SELECT evil",
    "evil name",
    "a'evil'b",
    "\\' OR evil",
    "/* evil */",
    "evil)) UNION",
    "$evil$",
    "%evil_!",
    "\xf0\x9f\x92\xa3 evil",
    ":evil",
    "?evil",
    "{evil}",
    "\n--evil\n",
};
static const char *const columns[] = {"id",     "name", "city",  "born",   "revenue", "rating",
                                      "active", "seen", "photo", "od\"d`", "extra",   "nonsense"};
static const char *const tables[] = {"customer", "booking", "person", "parcel"};
static const char *const operators[] = {"=",
                                        "<>",
                                        "<",
                                        "<=",
                                        ">",
                                        ">=",
                                        "between",
                                        "in",
                                        "not in",
                                        "like",
                                        "not like",
                                        "contains",
                                        "starts with",
                                        "ends with",
                                        "is empty",
                                        "is not empty",
                                        "yes",
                                        "no",
                                        "before",
                                        "after",
                                        "in the last",
                                        "in the next",
                                        "longer ago than",
                                        "birthday today",
                                        "birthday this month",
                                        "birthday in the next"};

static uint32_t random_state = 1;

static uint32_t any(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)random_state * below) >> 32);
}

#define ONE_OF(list) (list)[any(sizeof(list) / sizeof *(list))]

static json_t *any_name(void)
{
    if (any(20) == 0)
        return json_string(ONE_OF(hostile));
    return json_pack("s++", any(10) ? "customer" : ONE_OF(tables), ".",
                     any(30) ? ONE_OF(columns) : ONE_OF(hostile));
}

static json_t *any_value(void)
{
    switch (any(9)) {
    case 0:
        return json_integer(any(2000));
    case 1:
        return json_string("2026-02-28");
    case 2:
        return json_string("2026-02-28 10:00");
    case 3:
        return json_real(any(1000) / 7.0);
    case 4:
        return json_boolean(any(2));
    default:
        return json_string(ONE_OF(hostile));
    }
}

static json_t *any_condition(int depth)
{
    json_t *list = json_array();
    if (depth < 4 && any(3) == 0) {
        for (uint32_t i = any(4); i; i--)
            json_array_append_new(list, any_condition(depth + 1));
        return json_pack("{s:o}", any(2) ? "and" : "or", list);
    }
    json_decref(list);
    if (any(12) == 0)
        return json_pack("{s:o}", "not", any_condition(depth + 1));
    const char *is = any(50) ? ONE_OF(operators) : ONE_OF(hostile);
    json_t *leaf = json_pack("{s:o, s:s}", "field", any_name(), "is", is);
    bool none = strstr(is, "empty") || *is == 'y' || strcmp(is, "no") == 0 ||
                strcmp(is, "birthday today") == 0 || strstr(is, "month");
    if (strstr(is, "between") || (*is == 'i' && strcmp(is, "in") == 0) || strstr(is, "not in"))
        json_object_set_new(leaf, "values", json_pack("[o, o]", any_value(), any_value()));
    else if (strstr(is, "the") || strstr(is, "longer")) {
        json_object_set_new(leaf, "value", json_integer(any(400)));
        json_object_set_new(leaf, "unit", json_string(any(10) ? "days" : ONE_OF(hostile)));
    } else if (!none && any(10) == 0)
        json_object_set_new(leaf, "other", any_name());
    else if (!none && any(10) == 0)
        json_object_set_new(leaf, "parameter", json_string(any(3) ? "event" : ONE_OF(hostile)));
    else if (!none)
        json_object_set_new(leaf, "value", any_value());
    if (any(50) == 0)
        json_object_set_new(leaf, ONE_OF(hostile), json_true());
    return leaf;
}

static json_t *any_document(void)
{
    static const char *const functions[] = {"count", "sum", "min", "max", "average", "evil"};
    json_t *document = json_pack("{s:s}", "from", any(40) ? "customer" : ONE_OF(hostile));
    json_t *fields = json_array();
    for (uint32_t i = 1 + any(3); i; i--) {
        json_t *field = json_pack("{s:o}", "field", any_name());
        if (any(2))
            json_object_set_new(field, "as", json_string(ONE_OF(hostile)));
        if (any(6) == 0)
            json_object_set_new(field, "function", json_string(ONE_OF(functions)));
        json_array_append_new(fields, field);
    }
    json_object_set_new(document, "fields", fields);
    if (any(4) == 0)
        json_object_set_new(document, "joins",
                            json_pack("[{s:s, s:s}]", "table", any(9) ? "booking" : ONE_OF(hostile),
                                      "as", any(2) ? "booking" : ONE_OF(hostile)));
    if (any(4))
        json_object_set_new(document, "where", any_condition(0));
    if (any(3) == 0)
        json_object_set_new(document, "order", json_pack("[{s:o}]", "field", any_name()));
    if (any(5) == 0)
        json_object_set_new(document, "limit", json_integer(any(20)));
    if (any(8) == 0)
        json_object_set_new(document, "distinct", json_true());
    return document;
}

/* The SQL without what stands between a dialect's marks for names; they are doubled inside. */
static char *outside_of_names(const char *sql, char mark)
{
    BUFFER_CLEAN struct buffer rest = {0};
    for (bool inside = false; *sql; sql++) {
        if (*sql == mark)
            inside = !inside;
        else if (!inside)
            buffer_char(&rest, *sql);
    }
    return buffer_steal(&rest);
}

static void assert_tame(struct shop *shop, const json_t *answer, enum source_dialect dialect)
{
    const char *sql = json_string_value(json_object_get(answer, "sql")), *tail = NULL;
    FREE_CLEAN char *rest = outside_of_names(sql, dialect == DIALECT_MYSQL ? '`' : '"');
    if (strstr(rest, "evil") || strstr(rest, "DROP") || strchr(rest, ';') || strstr(rest, "--"))
        fail_msg("%s", sql);
    if (dialect != DIALECT_SQLITE)
        return;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(shop->db, sql, -1, &statement, &tail) != SQLITE_OK || *tail)
        fail_msg("%s\n%s", sqlite3_errmsg(shop->db), sql);
    sqlite3_finalize(statement);
}

static void hostile_documents_never_become_sql(void **state)
{
    struct shop *shop = *state;
    size_t accepted = 0;
    for (int i = 0; i < 100000; i++) {
        struct error error = {0};
        json_t *document = any_document();
        enum source_dialect dialect = i % 2 ? DIALECT_SQLITE : (enum source_dialect)any(4);
        json_t *answer = builder_sql(document, dialect, shop->tables, today, &error);
        if (answer) {
            accepted++;
            assert_tame(shop, answer, dialect);
        } else {
            assert_int_equal(error.code, ERROR_INPUT);
            assert_true(*error.message && *error.german);
            assert_true(text_is_utf8(error.message, strlen(error.message)));
            assert_true(text_is_utf8(error.german, strlen(error.german)));
        }
        json_decref(answer);
        json_decref(document);
    }
    assert_in_range(accepted, 5000, 95000);
}

static void days_are_counted_as_the_calendar_has_them(void **state)
{
    (void)state;
    struct date date = {2024, 2, 28}, walker = {1, 1, 1};
    assert_true(date_add_days(&date, 2));
    assert_true(date.year == 2024 && date.month == 3 && date.day == 1);
    assert_true(date_add_months(&date, -13));
    assert_true(date.year == 2023 && date.month == 2 && date.day == 1);
    assert_false(date_read("2026-02-29", &date));
    assert_false(date_read("2026-2-9", &date));
    assert_false(date_read("2026-11-24 ", &date));
    assert_false(date_read("0000-01-01", &date));
    /* Every day of 400 years and more, one after the other, there and back. */
    long days = 0;
    for (; walker.year < 450; days++) {
        struct date from_start = {1, 1, 1};
        assert_true(date_add_days(&from_start, days));
        assert_memory_equal(&from_start, &walker, sizeof walker);
        assert_true(date_add_days(&walker, 1));
    }
    assert_int_equal(days, 449 * 365 + 112 - 4 + 1);
    walker = (struct date){9999, 12, 31};
    assert_false(date_add_days(&walker, 1));
    walker = (struct date){1, 1, 1};
    assert_false(date_add_days(&walker, -1));
    assert_false(date_add_months(&walker, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_database_gets_its_own_words),
        cmocka_unit_test(values_are_bound_and_parameters_named),
        cmocka_unit_test(texts_compare_exactly_but_search_without_case),
        cmocka_unit_test(nothing_is_null_or_an_empty_text),
        cmocka_unit_test(numbers_keep_their_digits),
        cmocka_unit_test(yes_and_no_leave_out_unknown),
        cmocka_unit_test(days_of_moments_are_compared_as_days),
        cmocka_unit_test(relative_days_count_from_today),
        cmocka_unit_test(birthdays_come_round_every_year),
        cmocka_unit_test(tables_are_joined_along_their_keys),
        cmocka_unit_test(functions_group_by_the_other_fields),
        cmocka_unit_test(order_is_by_letters_then_by_keys),
        cmocka_unit_test(parameters_may_be_searched_for),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(values_of_another_type_are_refused),
        cmocka_unit_test(documents_are_bounded),
        cmocka_unit_test(a_condition_alone_sees_plain_names),
        cmocka_unit_test(hostile_documents_never_become_sql),
        cmocka_unit_test(days_are_counted_as_the_calendar_has_them),
    };
    return cmocka_run_group_tests_name("builder", tests, open_shop, close_shop);
}
