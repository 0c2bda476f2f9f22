/* definitions.db: its documents, what a run gets of it, start requests, and a hostile site. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions.h"

struct site {
    char folder[64];
    char path[128];
    struct definitions *d;
    sqlite3 *raw; /* another program, all its checks off */
    struct error error;
};

static void raw(struct site *site, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(site->raw, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static int64_t raw_number(struct site *site, const char *sql)
{
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_prepare_v2(site->raw, sql, -1, &row, NULL), SQLITE_OK);
    int64_t number = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : -999;
    sqlite3_finalize(row);
    return number;
}

static char *raw_text(struct site *site, const char *sql)
{
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_prepare_v2(site->raw, sql, -1, &row, NULL), SQLITE_OK);
    const char *text =
        sqlite3_step(row) == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
    char *copy = memory_text(text ? text : "(none)");
    sqlite3_finalize(row);
    return copy;
}

#define assert_raw_text(site, sql, expected)                                                       \
    do {                                                                                           \
        char *text_ = raw_text(site, sql);                                                         \
        assert_string_equal(text_, expected);                                                      \
        free(text_);                                                                               \
    } while (0)

static int open_site(void **state)
{
    struct site *site = memory_new(sizeof *site);
    bool in_memory = access("/dev/shm", W_OK) == 0; /* many databases, no need of a disk */
    snprintf(site->folder, sizeof site->folder, "%s/test_definitions.XXXXXX",
             in_memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(site->folder));
    snprintf(site->path, sizeof site->path, "%s/definitions/definitions.db", site->folder);
    site->d = definitions_open(site->path, &site->error);
    if (!site->d)
        fail_msg("%s", site->error.message);
    assert_int_equal(sqlite3_open(site->path, &site->raw), SQLITE_OK);
    raw(site, "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;"
              "PRAGMA synchronous = OFF");
    *state = site;
    return 0;
}

static int close_site(void **state)
{
    struct site *site = *state;
    definitions_close(site->d);
    sqlite3_close(site->raw);
    char *command = memory_format("rm -rf %s", site->folder);
    int result = system(command);
    free(command);
    free(site);
    return result;
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        fail_msg("%s: %s", error.text, text);
    return json;
}

/* Put, and give the document back. */
static json_t *put(struct site *site, const char *kind, const char *name, const char *text)
{
    json_t *json = parse(text);
    json_t *now = definitions_put(site->d, kind, name, json, &site->error);
    json_decref(json);
    if (!now)
        fail_msg("%s", site->error.message);
    return now;
}

static void put_refused(struct site *site, const char *kind, const char *name, const char *text,
                        enum error_code code, const char *words)
{
    json_t *json = parse(text);
    json_t *now = definitions_put(site->d, kind, name, json, &site->error);
    json_decref(json);
    if (now)
        fail_msg("was accepted: %s", text);
    assert_int_equal(site->error.code, code);
    if (!strstr(site->error.message, words))
        fail_msg("»%s« is not in »%s«", words, site->error.message);
}

static void assert_same(json_t *now, const char *expected)
{
    json_t *json = parse(expected);
    if (!json_equal(now, json)) {
        char *text = json_dumps(now, JSON_COMPACT);
        fail_msg("%s\nis not\n%s", text, expected);
    }
    json_decref(json);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "(none)";
}

/* A campaign as a site inserts it. */
static void insert_campaign(struct site *site)
{
    raw(site,
        "INSERT INTO query (id, name, source) VALUES (7, 'Interessenten', 'kunden');"
        "INSERT INTO query_group (id, query, name, sql, key_column)"
        "    VALUES (70, 7, 'Kunden', 'SELECT kundennummer, email FROM kunde', 'kundennummer');"
        "INSERT INTO field (query_group, name, position, label_de, label_en, role)"
        "    VALUES (70, 'email', 1, 'E-Mail', 'E-mail', 'email');"
        "INSERT INTO report (id, name, kind, title) VALUES"
        "    (3, 'Infoschreiben', 'letter', 'Neues'), (4, 'Begleitmail', 'email', ''),"
        "    (5, 'Unbeteiligt', 'letter', '');"
        "INSERT INTO report_variant (report, language, html)"
        "    VALUES (3, 'de', '<p>Hallo</p>'), (4, 'de', '<p>Anbei</p>');"
        "INSERT INTO report_file (report, name, mime_type, content)"
        "    VALUES (3, 'logo.png', 'image/png', x'89504e47');"
        "INSERT INTO campaign (id, name, purpose, query)"
        "    VALUES (1, 'Informationskampagne', 'information', 7);"
        "INSERT INTO step (campaign, position, name, action, parameters)"
        "    VALUES (1, 10, 'letter', 'briefe', '{\"report\":\"Infoschreiben\"}');"
        "INSERT INTO step (campaign, position, name, action, after_step, parameters)"
        "    VALUES (1, 20, 'mail', 'post', 10, '{\"report\":\"Begleitmail\",\"attach\":true}');"
        "INSERT INTO address_pattern (name, kind, template)"
        "    VALUES ('Standard', 'address', '{{vorname}}')");
}

static int check(struct site *site)
{
    int errors = definitions_check(site->d, &site->error);
    if (errors < 0)
        fail_msg("check: %s", site->error.message);
    return errors;
}

/* There is a problem about this row whose English message has these words. */
static void assert_problem(struct site *site, const char *table, int64_t row, const char *words)
{
    json_t *problems = definitions_problems(site->d, &site->error);
    assert_non_null(problems);
    size_t i;
    json_t *problem;
    bool found = false;
    json_array_foreach(problems, i, problem) {
        found |= text_equal(text_at(problem, "table"), table) &&
                 json_integer_value(json_object_get(problem, "row")) == row &&
                 strstr(text_at(problem, "message_en"), words) &&
                 strlen(text_at(problem, "message_de")) > 5;
    }
    if (!found)
        fail_msg("no »%s« about %s %lld in %s", words, table, (long long)row,
                 json_dumps(problems, JSON_INDENT(1)));
    json_decref(problems);
}

static void assert_not_startable(struct site *site, const char *words)
{
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_null(frozen);
    assert_int_equal(site->error.code, ERROR_INPUT);
    if (!strstr(site->error.message, words))
        fail_msg("»%s« is not in »%s«", words, site->error.message);
}

/* ---- the file ---- */

static void test_a_new_database_can_be_shared_with_the_group(void **state)
{
    struct site *site = *state;
    struct stat file, folder;
    char name[140];
    assert_int_equal(stat(site->path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0660);
    snprintf(name, sizeof name, "%s/definitions", site->folder);
    assert_int_equal(stat(name, &folder), 0);
    assert_int_equal(folder.st_mode & 07777, 02770);
    raw(site, "INSERT INTO query (name, source) VALUES ('a', 'b')");
    snprintf(name, sizeof name, "%s-wal", site->path);
    assert_int_equal(stat(name, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0660);
    assert_int_equal(check(site), 0);
    assert_int_equal(raw_number(site, "PRAGMA user_version"), 2);
}

static void reopen(struct site *site)
{
    definitions_close(site->d);
    site->d = definitions_open(site->path, &site->error);
}

static void test_a_newer_database_is_refused(void **state)
{
    struct site *site = *state;
    raw(site, "PRAGMA user_version = 99");
    reopen(site);
    assert_null(site->d);
    assert_int_equal(site->error.code, ERROR_INPUT);
    assert_non_null(strstr(site->error.message, "newer campaignd"));
}

static void test_a_restored_dump_without_version_is_refused(void **state)
{
    struct site *site = *state;
    raw(site, "PRAGMA user_version = 0");
    reopen(site);
    assert_null(site->d);
    assert_non_null(strstr(site->error.message, "PRAGMA user_version = 2"));
}

static void test_a_link_is_not_followed(void **state)
{
    struct site *site = *state;
    char link[140];
    snprintf(link, sizeof link, "%s/link.db", site->folder);
    assert_int_equal(symlink(site->path, link), 0);
    assert_null(definitions_open(link, &site->error));
}

static void test_rubbish_instead_of_a_database_is_an_error(void **state)
{
    struct site *site = *state;
    char path[140];
    snprintf(path, sizeof path, "%s/rubbish.db", site->folder);
    char rubbish[5000];
    memset(rubbish, 'x', sizeof rubbish);
    assert_int_equal(file_replace(path, rubbish, sizeof rubbish, 0600, &site->error), 0);
    assert_null(definitions_open(path, &site->error));
    assert_int_equal(site->error.code, ERROR_SYSTEM);
    assert_non_null(strstr(site->error.message, "damaged"));
}

static void test_changes_of_others_are_noticed_and_own_ones_not(void **state)
{
    struct site *site = *state;
    assert_int_equal(definitions_changed(site->d), 1);
    assert_int_equal(definitions_changed(site->d), 0);
    json_decref(put(site, "query", NULL, "{\"name\":\"a\",\"source\":\"s\"}"));
    assert_int_equal(definitions_changed(site->d), 0);
    raw(site, "INSERT INTO query (name, source) VALUES ('b', 's')");
    assert_int_equal(definitions_changed(site->d), 1);
    assert_int_equal(definitions_changed(site->d), 0);
}

/* ---- documents ---- */

#define QUERY                                                                                      \
    "{\"name\":\"Interessenten\",\"source\":\"kunden\",\"description\":\"alle\",\"parameters\":"   \
    "[{\"name\":\"event\",\"label_de\":\"Veranstaltung\",\"label_en\":null,\"type\":\"integer\","  \
    "\"required\":false,\"default\":\"42\"}],\"groups\":"                                          \
    "[{\"name\":\"Kunden\",\"sql\":\"SELECT 1 AS n\",\"built\":null,\"key\":\"n\",\"fields\":"     \
    "[{\"name\":\"n\",\"label_de\":\"Nummer\",\"label_en\":null,\"role\":\"key\",\"format\":"      \
    "null}],\"details\":[{\"name\":\"Posten\",\"sql\":null,\"built\":{\"from\":\"posten\",\"z\":"  \
    "1,"                                                                                           \
    "\"a\":[{}]},\"key\":\"n\",\"limit\":7}],\"sets\":[{\"operation\":\"minus\",\"query\":"        \
    "\"Gesperrte\",\"group\":null}]}]}"
#define OTHER                                                                                      \
    "{\"name\":\"Gesperrte\",\"source\":\"sperren\",\"groups\":[{\"name\":\"Alle\",\"sql\":"       \
    "\"SELECT 2 AS n\",\"key\":\"n\"}]}"

/* Interessenten, and the query that it is joined with. */
static void put_queries(struct site *site)
{
    json_decref(put(site, "query", NULL, OTHER));
    json_decref(put(site, "query", NULL, QUERY));
}

static void test_a_query_comes_back_as_it_was_put(void **state)
{
    struct site *site = *state;
    json_decref(put(site, "query", NULL, OTHER));
    json_t *now = put(site, "query", NULL, QUERY);
    json_t *got = definitions_get(site->d, "query", "Interessenten", &site->error);
    assert_true(json_equal(now, got));
    assert_int_equal(json_integer_value(json_object_get(got, "id")), 2);
    assert_int_equal(strlen(text_at(got, "version")), 24);
    json_object_del(got, "id");
    json_object_del(got, "version");
    assert_same(got, QUERY);
    json_decref(got);
    got = definitions_get(site->d, "query", "2", &site->error);
    assert_true(json_equal(now, got));
    json_decref(got);
    json_decref(now);
}

static void test_a_report_comes_back_as_it_was_put(void **state)
{
    struct site *site = *state;
    static const char report[] =
        "{\"name\":\"R\",\"kind\":\"email\",\"title\":\"T\",\"description\":\"\",\"query\":"
        "\"Interessenten\",\"categories\":[\"Verteiler für Kampagne\"],\"variants\":{\"de\":"
        "{\"subject\":\"S\",\"html\":\"<b>\",\"text\":null},\"en\":{\"subject\":null,\"html\":"
        "null,\"text\":\"t\"}},\"files\":[{\"name\":\"a.png\",\"mime_type\":\"image/png\","
        "\"content_base64\":\"AAECAw==\"}]}";
    put_queries(site);
    json_decref(put(site, "report", NULL, report));
    json_decref(put(site, "report", "R", report)); /* again, over the first */
    json_t *got = definitions_get(site->d, "report", "R", &site->error);
    json_object_del(got, "id");
    json_object_del(got, "version");
    assert_same(got, report);
    json_decref(got);
    assert_raw_text(site, "SELECT hex(content) FROM report_file", "00010203");
}

static void test_a_campaign_comes_back_as_it_was_put(void **state)
{
    struct site *site = *state;
    static const char campaign[] =
        "{\"name\":\"K\",\"description\":\"d\",\"purpose\":\"mandatory\",\"purpose_reason\":"
        "\"Satzung\",\"consent_reason\":\"keine nötig\",\"language\":\"en\","
        "\"query\":\"Interessenten\",\"distributor\":null,\"individual_sql\":null,"
        "\"individual_built\":{\"from\":\"kunde\"},\"group\":\"Kunden\",\"parameters\":{\"event\":"
        "7},"
        "\"filter\":\"n > 1\",\"unit\":\"household\",\"sample\":50,"
        "\"picks\":{\"in\":[\"4711\",\"ä\"],\"out\":[\"4712\"]},\"steps\":[{\"number\":1,\"name\":"
        "\"a\","
        "\"action\":\"x\",\"after\":null,\"after_outcome\":\"delivered\",\"when\":null,"
        "\"recheck\":true,\"parameters\":{}},{\"number\":2,\"name\":\"b\",\"action\":\"y\","
        "\"after\":1,"
        "\"after_outcome\":\"rejected\",\"when\":\"n = "
        "1\",\"recheck\":false,\"parameters\":{\"p\":1.5}}],"
        "\"schedules\":[{\"enabled\":false,\"starts_at\":\"2027-01-01T08:00\",\"time_zone\":"
        "\"Europe/Vienna\",\"rule\":\"FREQ=DAILY\",\"catch_up\":\"once\"}]}";
    put_queries(site);
    json_decref(put(site, "campaign", NULL, campaign));
    json_t *got = definitions_get(site->d, "campaign", "K", &site->error);
    json_t *again = definitions_put(site->d, "campaign", "K", got, &site->error);
    assert_true(json_equal(again, got)); /* what get returns may be put */
    json_decref(again);
    json_object_del(got, "id");
    json_object_del(got, "version");
    json_object_del(got, "created_at");
    assert_same(got, campaign);
    json_decref(got);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM step"), 2);
}

static void test_a_wrong_document_is_refused_with_its_place(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *kind, *document, *words;
    } wrong[] = {
        {"query", "{\"name\":\"a\"}", "source: must be given"},
        {"query", "{\"name\":\"a\",\"source\":7}", "source: a text"},
        {"query", "{\"name\":\"a\",\"source\":\"s\",\"colour\":1}", "colour: "},
        {"query", "{\"name\":\"\",\"source\":\"s\"}", "name must not be empty"},
        {"query", "{\"name\":\"a\\nb\",\"source\":\"s\"}", "name must be one line"},
        {"query", "{\"name\":\"a\",\"source\":\"s\",\"groups\":7}", "groups: an array"},
        {"query", "[]", "an object"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"sql\":\"S\",\"key\":\"k\","
         "\"fields\":[{\"name\":\"f\"},{\"name\":\"f\",\"role\":false}]}]}",
         "groups[0].fields[1].role: a text"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"sql\":\"S\",\"key\":\"k\"}"
         ",{\"name\":\"g\",\"sql\":\"S\",\"key\":\"k\"}]}",
         "groups[1] is there twice"},
        {"report", "{\"name\":\"a\",\"kind\":\"fax\"}", "kind is »fax« but must be one of"},
        {"report", "{\"name\":\"a\",\"variants\":{\"de\":{\"html\":1}}}", "variants.de.html: a te"},
        {"report", "{\"name\":\"a\",\"variants\":{\"de\":1}}", "variants.de: an object"},
        {"report",
         "{\"name\":\"a\",\"files\":[{\"name\":\"x\",\"mime_type\":\"y\",\"content_base64\":\"?\"}]"
         "}",
         "files[0].content_base64: base64"},
        {"report", "{\"name\":\"a\",\"categories\":[\"nie\"]}", "categories[0].category: there is"},
        {"campaign", "{\"query\":\"nie\"}", "query: there is no query »nie«"},
        {"campaign", "{\"steps\":[{\"name\":\"s\",\"action\":\"a\",\"after\":1}]}",
         "steps[0].after: the number of an earlier"},
        {"campaign", "{\"steps\":[{\"name\":\"s\",\"action\":\"a\",\"number\":2}]}",
         "steps[0].number"},
        {"campaign", "{\"steps\":[{\"name\":\"s\",\"action\":\"a\",\"parameters\":[1]}]}",
         "steps[0].parameters is not a JSON object"},
        {"campaign", "{\"steps\":[{\"name\":\"s\",\"action\":\"a\",\"parameters\":{\"p\":[]}}]}",
         "steps[0].parameters: the value of »p«"},
        {"campaign", "{\"purpose\":null}", "purpose: a text"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        put_refused(site, wrong[i].kind, NULL, wrong[i].document, ERROR_INPUT, wrong[i].words);
    assert_int_equal(raw_number(site, "SELECT (SELECT count(*) FROM query) + (SELECT count(*) FROM"
                                      " report) + (SELECT count(*) FROM campaign)"),
                     0);
    put_refused(site, "nonsense", NULL, "{}", ERROR_INPUT, "no kind");
    put_refused(site, "query", "nie", "{}", ERROR_NOT_FOUND, "no query »nie«");
}

static void test_a_change_by_somebody_else_is_a_conflict(void **state)
{
    struct site *site = *state;
    json_decref(put(site, "query", NULL, OTHER));
    json_t *mine = put(site, "query", NULL, QUERY);
    raw(site, "UPDATE field SET label_de = 'Nr.'");
    assert_null(definitions_put(site->d, "query", "Interessenten", mine, &site->error));
    assert_int_equal(site->error.code, ERROR_CONFLICT);
    json_decref(mine);
    mine = definitions_get(site->d, "query", "Interessenten", &site->error);
    json_object_set_new(mine, "description", json_string("neu"));
    json_t *now = definitions_put(site->d, "query", "Interessenten", mine, &site->error);
    assert_non_null(now);
    assert_string_not_equal(text_at(now, "version"), text_at(mine, "version"));
    json_decref(now);
    json_decref(mine);
    put_refused(site, "query", NULL, QUERY, ERROR_CONFLICT, "there is a query »Interessenten«");
}

static void test_new_campaigns_are_named_by_day_and_number(void **state)
{
    struct site *site = *state;
    char today[40];
    time_t now = time(NULL);
    strftime(today, sizeof today, "Kampagne %Y-%m-%d Nr. ", localtime(&now));
    for (int i = 1; i <= 3; i++) {
        json_t *campaign = put(site, "campaign", NULL, "{}");
        char *expected = memory_format("%s%d", today, i);
        assert_string_equal(text_at(campaign, "name"), expected);
        free(expected);
        json_decref(campaign);
    }
}

static void test_lists_are_in_the_order_of_names(void **state)
{
    struct site *site = *state;
    json_decref(put(site, "report", NULL, "{\"name\":\"b\"}"));
    json_decref(put(site, "report", NULL, "{\"name\":\"A\",\"title\":\"t\"}"));
    json_t *list = definitions_list(site->d, "report", &site->error);
    assert_same(list, "[{\"id\":2,\"name\":\"A\",\"kind\":\"letter\",\"title\":\"t\","
                      "\"description\":\"\",\"query\":null},{\"id\":1,\"name\":\"b\",\"kind\":"
                      "\"letter\",\"title\":\"\",\"description\":\"\",\"query\":null}]");
    json_decref(list);
}

static void test_what_is_used_cannot_be_deleted(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    assert_int_equal(definitions_delete(site->d, "query", "Interessenten", &site->error), -1);
    assert_int_equal(site->error.code, ERROR_CONFLICT);
    assert_int_equal(definitions_delete(site->d, "campaign", "Informationskampagne", &site->error),
                     0);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM step"), 0);
    assert_int_equal(definitions_delete(site->d, "query", "7", &site->error), 0);
    assert_int_equal(definitions_delete(site->d, "query", "7", &site->error), -1);
    assert_int_equal(site->error.code, ERROR_NOT_FOUND);
}

/* ---- freezing ---- */

static void test_a_frozen_campaign_has_all_that_a_run_needs(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    assert_int_equal(check(site), 0);
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    if (!frozen)
        fail_msg("%s", site->error.message);
    assert_same(
        frozen,
        "{\"campaign\":{\"id\":1,\"name\":\"Informationskampagne\",\"description\":\"\","
        "\"purpose\":\"information\",\"purpose_reason\":\"\",\"consent_reason\":\"\","
        "\"language\":\"de\",\"filter\":null,\"unit\":\"key\",\"sample\":null,\"parameters\":{}},"
        "\"query\":{\"id\":7,\"name\":\"Interessenten\",\"source\":\"kunden\"},"
        "\"group\":{\"name\":\"Kunden\",\"sql\":\"SELECT kundennummer, email FROM kunde\","
        "\"built\":null,\"details\":[],\"sets\":[],\"key\":\"kundennummer\",\"fields\":[{\"name\":"
        "\"email\",\"label_de\":\"E-Mail\","
        "\"label_en\":\"E-mail\",\"role\":\"email\",\"format\":null}]},"
        "\"picks\":{\"in\":[],\"out\":[]},"
        "\"steps\":[{\"number\":1,\"name\":\"letter\",\"action\":\"briefe\",\"after\":null,"
        "\"after_outcome\":\"delivered\",\"when\":null,\"recheck\":false,\"parameters\":{"
        "\"report\":"
        "\"Infoschreiben\"}},{\"number\":2,\"name\":\"mail\",\"action\":\"post\",\"after\":1,"
        "\"after_outcome\":\"delivered\",\"when\":null,\"recheck\":false,\"parameters\":{"
        "\"report\":"
        "\"Begleitmail\",\"attach\":true}}],"
        "\"reports\":{\"Infoschreiben\":{\"kind\":\"letter\",\"title\":\"Neues\",\"variants\":"
        "{\"de\":{\"subject\":null,\"html\":\"<p>Hallo</p>\",\"text\":null}},\"files\":"
        "[{\"name\":\"logo.png\",\"mime_type\":\"image/png\",\"content_base64\":\"iVBORw==\"}]},"
        "\"Begleitmail\":{\"kind\":\"email\",\"title\":\"\",\"variants\":{\"de\":{\"subject\":"
        "null,\"html\":\"<p>Anbei</p>\",\"text\":null}},\"files\":[]}},"
        "\"patterns\":{\"Standard\":{\"kind\":\"address\",\"template\":\"{{vorname}}\"}}}");
    json_decref(frozen);
}

static void test_a_distributor_brings_its_query(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "UPDATE campaign SET query = NULL, distributor = 5,"
              "    individual_sql = 'SELECT 1 AS kundennummer'");
    assert_not_startable(site, "is no distributor");
    assert_int_equal(check(site), 1);
    assert_problem(site, "campaign", 1, "is no distributor");
    raw(site, "UPDATE report SET query = 7 WHERE id = 5");
    assert_not_startable(site, "is no distributor");
    raw(site, "INSERT INTO report_category (report, category) VALUES (5, 1)");
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_non_null(frozen);
    assert_string_equal(text_at(json_object_get(frozen, "query"), "name"), "Interessenten");
    assert_string_equal(text_at(json_object_get(frozen, "group"), "sql"),
                        "SELECT 1 AS kundennummer");
    json_decref(frozen);
    assert_int_equal(check(site), 0);
}

static void test_what_dangles_is_named_with_the_mend(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE campaign SET query = NULL", "choose a query or a distributor"},
        {"UPDATE campaign SET query = 7, group_name = 'Firmen'", "no group »Firmen«"},
        {"INSERT INTO query_group (query, name, sql, key_column) VALUES (7, 'B', 'S', 'k');"
         "UPDATE campaign SET group_name = NULL",
         "several groups"},
        {"DELETE FROM query_group WHERE name = 'B'; DELETE FROM report WHERE id = 4",
         "step »mail«: there is no report »Begleitmail«"},
        {"DELETE FROM step", "no steps yet"},
        {"DELETE FROM query_group", "query »Interessenten« has no group"},
        {"DELETE FROM query", "query refers to a query that is not there"},
    };
    insert_campaign(site);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        raw(site, cases[i].sql);
        assert_not_startable(site, cases[i].words);
    }
    assert_null(definitions_freeze(site->d, 99, &site->error));
    assert_int_equal(site->error.code, ERROR_NOT_FOUND);
}

/* The first SQL block of docs/schema.md, without the shell's own commands. */
static char *documented_example(struct site *site)
{
    BUFFER_CLEAN struct buffer page = {0};
    if (file_read("docs/schema.md", 1000000, &page, &site->error) < 0)
        fail_msg("%s (run from the project's folder)", site->error.message);
    char *sql = strstr(buffer_string(&page), "```sql\n");
    assert_non_null(sql);
    sql += strlen("```sql\n");
    char *end = strstr(sql, "\n```\n");
    assert_non_null(end);
    end[1] = '\0';
    for (char *line = sql; line; line = strchr(line, '\n'), line += line != NULL)
        if (*line == '.')
            memset(line, ' ', strcspn(line, "\n"));
    return memory_text(sql);
}

static void test_the_documented_example_can_be_started(void **state)
{
    struct site *site = *state;
    FREE_CLEAN char *sql = documented_example(site);
    raw(site, "PRAGMA ignore_check_constraints = OFF");
    raw(site, sql);
    assert_int_equal(check(site), 0);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM problem"), 0);
    struct definitions_start start;
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 1);
    json_t *frozen = definitions_freeze(site->d, start.campaign, &site->error);
    if (!frozen)
        fail_msg("%s", site->error.message);
    assert_int_equal(json_array_size(json_object_get(frozen, "steps")), 2);
    assert_int_equal(json_object_size(json_object_get(frozen, "reports")), 2);
    json_decref(frozen);
}

/* Each table and column stands in docs/schema.md. */
static void test_every_column_is_documented(void **state)
{
    struct site *site = *state;
    BUFFER_CLEAN struct buffer page = {0};
    assert_int_equal(file_read("docs/schema.md", 1000000, &page, &site->error), 0);
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_prepare_v2(site->raw,
                                        "SELECT m.name, c.name FROM sqlite_schema AS m"
                                        "    JOIN pragma_table_info(m.name) AS c"
                                        "    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
                                        "    AND c.name <> 'id'",
                                        -1, &row, NULL),
                     SQLITE_OK);
    while (sqlite3_step(row) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(row, 0);
        const char *column = (const char *)sqlite3_column_text(row, 1);
        FREE_CLEAN char *marked = memory_format("`%s`", column);
        FREE_CLEAN char *with_table = memory_format("`%s.%s`", table, column);
        if (!strstr(buffer_string(&page), table) ||
            (!strstr(buffer_string(&page), marked) && !strstr(buffer_string(&page), with_table)))
            fail_msg("docs/schema.md does not mention %s.%s", table, column);
    }
    sqlite3_finalize(row);
}

/* ---- hostile rows ---- */

static void test_rubbish_in_rows_comes_back_as_problems(void **state)
{
    static const struct {
        const char *sql, *table, *words;
        int64_t row;
    } cases[] = {
        {"UPDATE campaign SET query = 4711", "campaign", "refers to a query", 1},
        {"UPDATE campaign SET name = ''", "campaign", "name must not be empty", 1},
        {"UPDATE campaign SET name = char(27) || '[2J'", "campaign", "control characters", 1},
        {"UPDATE campaign SET name = CAST(x'ff41fe' AS TEXT)", "campaign", "not valid UTF-8", 1},
        {"UPDATE campaign SET name = 'a' || char(0) || 'b'", "campaign", "not valid UTF-8", 1},
        {"UPDATE campaign SET purpose = 'spam'", "campaign", "purpose is »spam«", 1},
        {"UPDATE campaign SET name = replace(hex(zeroblob(524288)), '00', 'ää')", "campaign",
         "name is too long: 200", 1},
        {"UPDATE campaign SET filter = replace(hex(zeroblob(8000000)), '00', 'xxx')", "campaign",
         "larger than any may be", 1},
        {"UPDATE query SET name = replace(hex(zeroblob(524288)), '00', 'xx')", "query",
         "name is too long", 7},
        {"UPDATE query_group SET query = -5", "query_group", "query must be between", 70},
        {"UPDATE query_group SET sql = ''", "query_group", "sql must not be empty", 70},
        {"UPDATE query_group SET sql = replace(hex(zeroblob(600000)), '00', 'xx')", "query_group",
         "sql is too long", 70},
        {"UPDATE field SET position = 0", "field", "position must be between", 1},
        {"UPDATE step SET parameters = '{\"report\":' WHERE id = 1", "step", "not a JSON obj", 1},
        {"UPDATE step SET parameters = '[]' WHERE id = 1", "step", "not a JSON object", 1},
        {"UPDATE step SET parameters = '{\"a\":{}}' WHERE id = 1", "step", "the value of »a«", 1},
        {"UPDATE step SET parameters = '{\"a\":1,\"a\":2}' WHERE id = 1", "step", "not a JSON", 1},
        {"UPDATE step SET parameters = replace(hex(zeroblob(90000)), '00', '[') WHERE id = 1",
         "step", "not a JSON object", 1},
        {"UPDATE step SET after_step = 77 WHERE id = 2", "step", "after_step refers to a step", 2},
        {"UPDATE step SET after_step = 20 WHERE id = 1", "campaign", "does not stand before it", 1},
        {"UPDATE report SET kind = 'fax' WHERE id = 3", "report", "kind is »fax«", 3},
        {"UPDATE report_file SET content = zeroblob(10000001)", "report_file", "too long", 1},
        {"UPDATE report_file SET name = '../../etc' || char(10)", "report_file", "one line", 1},
        {"UPDATE address_pattern SET kind = 'x'", "address_pattern", "kind is »x«", 1},
        {"INSERT INTO report_category (report, category) VALUES (3, 99)", "report_category",
         "refers to a category", 1},
        {"INSERT INTO schedule (campaign, starts_at) VALUES (5, 'x')", "schedule",
         "refers to a campaign", 1},
        {"INSERT INTO start_request (campaign, state) VALUES (1, 'Pending')", "start_request",
         "state is none of", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct site *site;
        open_site((void **)&site);
        insert_campaign(site);
        raw(site, cases[i].sql);
        if (check(site) < 1)
            fail_msg("no problem with %s", cases[i].sql);
        assert_problem(site, cases[i].table, cases[i].row, cases[i].words);
        bool harmless =
            text_equal(cases[i].table, "schedule") || text_equal(cases[i].table, "start_request");
        json_t *frozen = definitions_freeze(site->d, 1, &site->error);
        if (harmless)
            assert_non_null(frozen);
        else if (frozen && !text_equal(cases[i].table, "report_category"))
            fail_msg("can be started in spite of %s", cases[i].sql);
        json_decref(frozen);
        close_site((void **)&site);
    }
    (void)state;
}

static void test_a_broken_row_spares_the_others(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "INSERT INTO campaign (id, name, purpose) VALUES (2, 'schlecht', 'spam')");
    assert_int_equal(check(site), 1);
    json_t *list = definitions_list(site->d, "campaign", &site->error);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_non_null(frozen);
    json_decref(frozen);
    assert_null(definitions_get(site->d, "campaign", "schlecht", &site->error));
    assert_int_equal(site->error.code, ERROR_INPUT);
    /* and is mended by putting a good one over it */
    json_decref(put(site, "campaign", "schlecht", "{\"name\":\"gut\"}"));
    assert_int_equal(check(site), 0);
}

static void test_problems_are_written_only_when_they_differ(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "UPDATE campaign SET purpose = 'spam'");
    assert_int_equal(check(site), 1);
    int64_t before = raw_number(site, "PRAGMA data_version");
    char *found_at = raw_text(site, "SELECT found_at FROM problem");
    assert_int_equal(check(site), 1);
    assert_int_equal(raw_number(site, "PRAGMA data_version"), before);
    raw(site, "UPDATE report SET kind = 'fax' WHERE id = 5");
    assert_int_equal(check(site), 2);
    assert_raw_text(site, "SELECT found_at FROM problem WHERE table_name = 'campaign'", found_at);
    free(found_at);
    raw(site, "UPDATE campaign SET purpose = 'information';"
              "UPDATE report SET kind = 'letter'");
    assert_int_equal(check(site), 0);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM problem"), 0);
}

static void test_more_problems_than_anybody_reads_are_cut(void **state)
{
    struct site *site = *state;
    raw(site, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
              "INSERT INTO query (name, source) SELECT 'Q' || i, '' FROM n");
    assert_int_equal(check(site), 1000);
    assert_problem(site, "problem", 0, "more problems");
    raw(site, "DELETE FROM query;"
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
              "INSERT INTO problem (table_name, severity, message_en, message_de)"
              "SELECT 'x', 'error', i, i FROM n");
    assert_int_equal(check(site), 0);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM problem"), 0);
}

static void test_many_rows_within_limits_are_bounded_together(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"
              "INSERT INTO report_file (report, name, mime_type, content)"
              "SELECT 3, 'f' || i, 'a/b', zeroblob(9000000) FROM n");
    assert_not_startable(site, "larger than 64 MB");
    assert_null(definitions_get(site->d, "report", "3", &site->error));
    assert_non_null(strstr(site->error.message, "larger than 64 MB"));
    raw(site, "DELETE FROM report_file;"
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)"
              "INSERT INTO report_file (report, name, mime_type, content)"
              "SELECT 3, 'f' || i, 'a/b', x'00' FROM n");
    assert_not_startable(site, "more than 1000 rows of report_file");
}

/* ---- hostile schemas ---- */

static void test_triggers_and_views_are_named_and_not_run(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "CREATE TABLE site_note (t TEXT);"
              "CREATE INDEX site_by_title ON report (title);"
              "CREATE TRIGGER boese AFTER INSERT ON start_request BEGIN"
              "    INSERT INTO site_note VALUES ('ran'); END;"
              "CREATE VIEW einblick AS SELECT * FROM campaign;"
              "CREATE TABLE fremd (x)");
    assert_int_equal(check(site), 0);
    assert_problem(site, "sqlite_schema", 0, "trigger »boese«");
    assert_problem(site, "sqlite_schema", 0, "view »einblick«");
    assert_problem(site, "sqlite_schema", 0, "table »fremd«");
    assert_int_equal(raw_number(site, "SELECT count(*) FROM problem"), 3);
    char uuid[DEFINITIONS_UUID_SIZE];
    assert_int_equal(definitions_request_start(site->d, "1", "ich", uuid, &site->error), 0);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM site_note"), 0);
}

static void test_altered_tables_stop_reading_until_mended(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    json_decref(definitions_list(site->d, "query", &site->error)); /* the schema has been seen */
    raw(site, "ALTER TABLE campaign ADD COLUMN colour TEXT");
    assert_not_startable(site, "»campaign« is not as campaignd made it");
    assert_int_equal(check(site), 1);
    assert_problem(site, "sqlite_schema", 0, "»campaign« is not as");
    struct definitions_start start;
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), -1);
    assert_null(definitions_list(site->d, "query", &site->error));
    raw(site, "ALTER TABLE campaign DROP COLUMN colour");
    assert_int_equal(check(site), 0);
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_non_null(frozen);
    json_decref(frozen);
}

static void test_missing_tables_are_named(void **state)
{
    struct site *site = *state;
    raw(site, "DROP TABLE schedule");
    assert_int_equal(check(site), 2); /* and its index */
    assert_problem(site, "sqlite_schema", 0, "»schedule« is missing");
    raw(site, "DROP TABLE problem");
    assert_int_equal(definitions_check(site->d, &site->error), -1);
    assert_int_equal(site->error.code, ERROR_INPUT);
    assert_null(definitions_problems(site->d, &site->error));
}

static void test_a_schema_overwritten_with_rubbish_is_an_error(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "PRAGMA writable_schema = ON;"
              "UPDATE sqlite_schema SET sql = 'CREATE TABLE query (x' WHERE name = 'query';"
              "PRAGMA schema_version = 4711");
    assert_int_equal(definitions_check(site->d, &site->error), -1);
    assert_int_equal(site->error.code, ERROR_SYSTEM);
    assert_null(definitions_freeze(site->d, 1, &site->error));
    assert_null(definitions_list(site->d, "query", &site->error));
}

static void test_a_table_that_lost_its_types_is_noticed(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "PRAGMA writable_schema = ON;"
              "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'step';"
              "PRAGMA schema_version = 4711");
    assert_not_startable(site, "»step«");
    assert_true(check(site) >= 1);
}

/* ---- locks ---- */

static void test_a_foreign_write_lock_delays_writing_and_not_reading(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "BEGIN IMMEDIATE; UPDATE campaign SET purpose = 'spam'");
    reopen(site);
    assert_non_null(site->d);
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_non_null(frozen);
    json_decref(frozen);
    assert_int_equal(check(site), 0); /* nothing to write */
    struct definitions_start start;
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 0);
    char uuid[DEFINITIONS_UUID_SIZE];
    int64_t begin = clock_monotonic_us();
    assert_int_equal(definitions_request_start(site->d, "1", "", uuid, &site->error), -1);
    assert_int_equal(site->error.code, ERROR_BUSY);
    assert_in_range(clock_monotonic_us() - begin, 1000000, 4000000);
    raw(site, "COMMIT");
    assert_int_equal(check(site), 1);
}

/* ---- start requests ---- */

static void test_a_request_is_found_answered_and_never_again(void **state)
{
    struct site *site = *state;
    struct definitions_start start;
    insert_campaign(site);
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 0);
    raw(site, "INSERT INTO start_request (campaign, requested_by)"
              "    SELECT id, 'Büro' FROM campaign WHERE name = 'Informationskampagne'");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(definitions_next_start(site->d, &start, &site->error), 1);
        assert_int_equal(start.id, 1);
        assert_int_equal(start.campaign, 1);
        assert_int_equal(strlen(start.uuid), 32);
        assert_string_equal(start.requested_by, "Büro");
    }
    assert_int_equal(definitions_answer_start(site->d, 1, "accepted", 17, NULL, &site->error), 0);
    assert_int_equal(definitions_answer_start(site->d, 1, "accepted", 17, NULL, &site->error), 0);
    assert_int_equal(definitions_answer_start(site->d, 1, "refused", 0, "x", &site->error), -1);
    assert_int_equal(site->error.code, ERROR_CONFLICT);
    assert_int_equal(definitions_answer_start(site->d, 2, "refused", 0, "x", &site->error), -1);
    assert_int_equal(site->error.code, ERROR_NOT_FOUND);
    assert_raw_text(site, "SELECT state || run || (answered_at > '2020') FROM start_request",
                    "accepted171");
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 0);
}

static void test_requests_of_ours_carry_a_uuid(void **state)
{
    struct site *site = *state;
    struct definitions_start start;
    char uuid[DEFINITIONS_UUID_SIZE];
    insert_campaign(site);
    assert_int_equal(
        definitions_request_start(site->d, "Informationskampagne", "root", uuid, &site->error), 0);
    assert_int_equal(strlen(uuid), 36);
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 1);
    assert_string_equal(start.uuid, uuid);
    assert_int_equal(definitions_request_start(site->d, "nie", "root", uuid, &site->error), -1);
    assert_int_equal(site->error.code, ERROR_NOT_FOUND);
}

static void test_requests_that_can_never_start_are_refused_in_their_row(void **state)
{
    struct site *site = *state;
    struct definitions_start start;
    insert_campaign(site);
    raw(site, "INSERT INTO start_request (uuid, campaign) VALUES"
              "    ('a', 99), ('b', NULL), ('c; DROP TABLE', 1), ('', 1),"
              "    (replace(hex(zeroblob(524288)), '00', 'xx'), 1),"
              "    (replace(hex(zeroblob(9000000)), '00', 'xx'), 1);"
              "INSERT INTO start_request (uuid, campaign, requested_by)"
              "    VALUES ('d', 1, 'a' || char(10) || 'b'), ('gut', 1, '')");
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 1);
    assert_string_equal(start.uuid, "gut");
    assert_raw_text(site,
                    "SELECT group_concat(state, ' ') FROM start_request WHERE uuid IN ('a', 'b')",
                    "refused refused");
    assert_int_equal(raw_number(site, "SELECT count(*) FROM start_request WHERE state = 'refused'"
                                      " AND length(message) > 10"),
                     6);
    raw(site, "DELETE FROM campaign");
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 0);
    assert_raw_text(site, "SELECT state FROM start_request WHERE uuid = 'gut'", "refused");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_site, close_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_database_can_be_shared_with_the_group),
        TEST(test_a_newer_database_is_refused),
        TEST(test_a_restored_dump_without_version_is_refused),
        TEST(test_a_link_is_not_followed),
        TEST(test_rubbish_instead_of_a_database_is_an_error),
        TEST(test_changes_of_others_are_noticed_and_own_ones_not),
        TEST(test_a_query_comes_back_as_it_was_put),
        TEST(test_a_report_comes_back_as_it_was_put),
        TEST(test_a_campaign_comes_back_as_it_was_put),
        TEST(test_a_wrong_document_is_refused_with_its_place),
        TEST(test_a_change_by_somebody_else_is_a_conflict),
        TEST(test_new_campaigns_are_named_by_day_and_number),
        TEST(test_lists_are_in_the_order_of_names),
        TEST(test_what_is_used_cannot_be_deleted),
        TEST(test_a_frozen_campaign_has_all_that_a_run_needs),
        TEST(test_a_distributor_brings_its_query),
        TEST(test_what_dangles_is_named_with_the_mend),
        TEST(test_the_documented_example_can_be_started),
        TEST(test_every_column_is_documented),
        cmocka_unit_test(test_rubbish_in_rows_comes_back_as_problems),
        TEST(test_a_broken_row_spares_the_others),
        TEST(test_problems_are_written_only_when_they_differ),
        TEST(test_more_problems_than_anybody_reads_are_cut),
        TEST(test_many_rows_within_limits_are_bounded_together),
        TEST(test_triggers_and_views_are_named_and_not_run),
        TEST(test_altered_tables_stop_reading_until_mended),
        TEST(test_missing_tables_are_named),
        TEST(test_a_schema_overwritten_with_rubbish_is_an_error),
        TEST(test_a_table_that_lost_its_types_is_noticed),
        TEST(test_a_foreign_write_lock_delays_writing_and_not_reading),
        TEST(test_a_request_is_found_answered_and_never_again),
        TEST(test_requests_of_ours_carry_a_uuid),
        TEST(test_requests_that_can_never_start_are_refused_in_their_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
