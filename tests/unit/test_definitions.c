/* definitions.db: its documents, what a run gets of it, start requests, and a hostile site. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* ---- from version 1 ---- */

/* A new site whose database is of version 1, with the rows of a campaign, and not open yet. */
static struct site *old_site(void)
{
    struct site *site;
    open_site((void **)&site);
    definitions_close(site->d);
    site->d = NULL;
    sqlite3_close(site->raw);
    char *command = memory_format("rm -f %s*", site->path);
    assert_int_equal(system(command), 0);
    free(command);
    BUFFER_CLEAN struct buffer sql = {0};
    if (file_read("tests/data/definitions/version-1.sql", 100000, &sql, &site->error) < 0)
        fail_msg("%s (run from the project's folder)", site->error.message);
    assert_int_equal(sqlite3_open(site->path, &site->raw), SQLITE_OK);
    raw(site, "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;"
              "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL");
    raw(site, buffer_string(&sql));
    insert_campaign(site);
    return site;
}

/* All that the schema has, but for what a site made of its own. */
#define SCHEMA                                                                                     \
    "SELECT group_concat(name || ':' || coalesce(sql, ''), ';')\n"                                 \
    "FROM (SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'site%' ORDER BY name)"

static void test_a_database_of_version_1_is_brought_up_to_date(void **state)
{
    struct site *fresh = *state, *site = old_site();
    raw(site,
        "INSERT INTO detail_group (query_group, name, position, sql, key_column)"
        "    VALUES (70, 'Posten', 4, 'SELECT 1', 'k');"
        "INSERT INTO campaign (id, name) VALUES (99, 'gelöscht');"
        "DELETE FROM campaign WHERE id = 99;"
        "INSERT INTO campaign (id, name, purpose, query, individual_sql, filter, created_at)"
        "    VALUES (2, 'schlecht', 'spam', 4711, 'S', 'f', 'damals');"
        "INSERT INTO schedule (campaign, starts_at) VALUES (1, '2027-01-01T08:00');"
        "INSERT INTO start_request (campaign, uuid) VALUES (1, 'vorher');"
        "CREATE TABLE site_note (campaign INTEGER REFERENCES campaign (id), t TEXT);"
        "INSERT INTO site_note VALUES (1, 'mein');"
        "CREATE INDEX site_by_purpose ON campaign (purpose) WHERE filter IS NOT NULL;"
        "CREATE TRIGGER site_trigger AFTER INSERT ON campaign BEGIN"
        "    INSERT INTO site_note VALUES (new.id, 'ran'); END;"
        "CREATE VIEW site_view AS SELECT name, sql FROM query_group JOIN campaign USING (name)");
    char *before = raw_text(site, "SELECT group_concat(id || name || created_at) FROM campaign");
    char *steps = raw_text(site, "SELECT group_concat(id || name || parameters) FROM step");
    reopen(site);
    if (!site->d)
        fail_msg("%s", site->error.message);
    assert_int_equal(raw_number(site, "PRAGMA user_version"), 2);
    char *schema = raw_text(fresh, SCHEMA);
    assert_raw_text(site, SCHEMA, schema);
    free(schema);
    assert_raw_text(site, "SELECT group_concat(id || name || created_at) FROM campaign", before);
    assert_raw_text(site, "SELECT group_concat(id || name || parameters) FROM step", steps);
    free(before);
    free(steps);
    assert_raw_text(site,
                    "SELECT purpose || query || individual_sql || filter FROM campaign"
                    " WHERE id = 2",
                    "spam4711Sf");
    assert_raw_text(site, "SELECT id || name || position || sql || row_limit FROM detail_group",
                    "1Posten4SELECT 11000");
    assert_raw_text(site, "SELECT group_concat(name) FROM sqlite_schema WHERE name LIKE 'site%'",
                    "site_note,site_view,site_by_purpose,site_trigger");
    assert_int_equal(raw_number(site, "SELECT count(*) FROM site_note"), 1);
    /* what was wrong is still a problem, and nothing more; the rest works */
    assert_int_equal(check(site), 2);
    assert_problem(site, "campaign", 2, "purpose is »spam«");
    assert_problem(site, "campaign", 2, "query refers to a query");
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_non_null(frozen);
    json_decref(frozen);
    struct definitions_start start;
    assert_int_equal(definitions_next_start(site->d, &start, &site->error), 1);
    assert_string_equal(start.uuid, "vorher");
    /* an id that was given once is not given again, and foreign keys are on */
    json_t *next = put(site, "campaign", NULL, "{\"query\":\"Interessenten\"}");
    assert_int_equal(json_integer_value(json_object_get(next, "id")), 100);
    json_decref(next);
    assert_int_equal(definitions_delete(site->d, "campaign", "1", &site->error), -1);
    assert_int_equal(site->error.code, ERROR_CONFLICT); /* by a table of the site's */
    assert_non_null(strstr(site->error.message, "by a table of your own"));
    raw(site, "DELETE FROM site_note");
    assert_int_equal(definitions_delete(site->d, "campaign", "1", &site->error), 0);
    assert_int_equal(raw_number(site, "SELECT count(*) FROM step"), 0);
    put_refused(site, "campaign", NULL, "{\"name\":\"x\",\"sample\":0}", ERROR_INPUT, "sample");
    close_site((void **)&site);
}

static void test_an_altered_database_of_version_1_is_left_as_it_is(void **state)
{
    static const struct {
        const char *alter, *mend, *words;
    } cases[] = {
        {"ALTER TABLE campaign ADD COLUMN colour TEXT", "ALTER TABLE campaign DROP COLUMN colour",
         "»campaign« is not as campaignd made it"},
        {"ALTER TABLE step RENAME COLUMN when_expr TO condition",
         "ALTER TABLE step RENAME COLUMN condition TO when_expr",
         "»step« is not as campaignd made it"},
        {"DROP INDEX campaign_query", "CREATE INDEX campaign_query ON campaign (query)",
         "»campaign_query« is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct site *site = old_site();
        raw(site, cases[i].alter);
        char *schema = raw_text(site, SCHEMA);
        reopen(site);
        assert_null(site->d);
        assert_int_equal(site->error.code, ERROR_INPUT);
        assert_non_null(strstr(site->error.message, cases[i].words));
        assert_non_null(strstr(site->error.message, "cannot be brought up to date"));
        assert_int_equal(raw_number(site, "PRAGMA user_version"), 1);
        assert_raw_text(site, SCHEMA, schema);
        free(schema);
        raw(site, cases[i].mend);
        reopen(site);
        if (!site->d)
            fail_msg("%s", site->error.message);
        assert_int_equal(check(site), 0);
        close_site((void **)&site);
    }
    (void)state;
}

static void test_a_locked_database_of_version_1_is_left_as_it_is(void **state)
{
    struct site *site = old_site();
    raw(site, "BEGIN IMMEDIATE");
    int64_t begin = clock_monotonic_us();
    reopen(site);
    assert_null(site->d);
    assert_int_equal(site->error.code, ERROR_BUSY);
    assert_in_range(clock_monotonic_us() - begin, 1000000, 6000000);
    raw(site, "COMMIT");
    assert_int_equal(raw_number(site, "PRAGMA user_version"), 1);
    reopen(site);
    assert_non_null(site->d);
    assert_int_equal(raw_number(site, "PRAGMA user_version"), 2);
    close_site((void **)&site);
    (void)state;
}

/* Open in a process of its own, which is killed after `delay_us` (0: never). Its status. */
static int open_in_a_child(struct site *site, int64_t delay_us)
{
    pid_t child = fork();
    if (child == 0) {
        struct error error;
        _exit(definitions_open(site->path, &error) ? 0 : 1);
    }
    if (delay_us) {
        usleep((useconds_t)delay_us);
        kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static struct site *large_old_site(void)
{
    struct site *site = old_site();
    raw(site,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"
        "INSERT INTO campaign (name, description) SELECT 'K' || i, hex(zeroblob(1000)) FROM n");
    return site;
}

static void assert_old_or_new(struct site *site)
{
    int64_t version = raw_number(site, "PRAGMA user_version");
    assert_in_range(version, 1, 2);
    assert_raw_text(site, "PRAGMA integrity_check", "ok");
    assert_int_equal(raw_number(site, "SELECT count(*) FROM campaign"), 3000);
    assert_int_equal(raw_number(site, "SELECT (SELECT count(*) FROM pragma_table_info('campaign')"
                                      "    WHERE name IN ('unit', 'sample'))"
                                      " + (SELECT count(*) FROM sqlite_schema"
                                      "    WHERE name IN ('query_set', 'campaign_pick'))"),
                     version == 2 ? 4 : 0);
}

static void test_a_killed_migration_leaves_the_old_or_the_new(void **state)
{
    struct site *site = large_old_site();
    int64_t begin = clock_monotonic_us();
    assert_int_equal(open_in_a_child(site, 0), 0);
    int64_t whole = clock_monotonic_us() - begin;
    assert_int_equal(raw_number(site, "PRAGMA user_version"), 2);
    close_site((void **)&site);
    int killed = 0;
    for (int i = 1; i <= 10; i++) {
        site = large_old_site();
        killed += WIFSIGNALED(open_in_a_child(site, whole * i / 10));
        assert_old_or_new(site);
        reopen(site);
        if (!site->d)
            fail_msg("%s", site->error.message);
        assert_int_equal(raw_number(site, "PRAGMA user_version"), 2);
        assert_old_or_new(site);
        close_site((void **)&site);
    }
    assert_true(killed > 0);
    (void)state;
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
        {"campaign", "{\"purpos_reason\":\"x\"}", "did you mean »purpose_reason«"},
        {"campaign", "{\"unit\":\"person\"}", "unit is »person« but must be one of"},
        {"campaign", "{\"sample\":0}", "sample: a whole number from 1"},
        {"campaign", "{\"sample\":1.5}", "sample: a whole number from 1"},
        {"campaign", "{\"filter\":\"\"}", "filter must not be empty"},
        {"campaign", "{\"consent_reason\":\"\"}", "consent_reason must not be empty"},
        {"campaign", "{\"parameters\":{\"a\":[]}}", "parameters: the value of »a«"},
        {"campaign", "{\"individual_built\":[]}", "individual_built: an object"},
        {"campaign", "{\"individual_built\":{},\"individual_sql\":\"S\"}",
         "individual_sql and individual_built cannot both"},
        {"campaign", "{\"picks\":[]}", "picks: an object"},
        {"campaign", "{\"picks\":{\"in\":\"a\"}}", "picks.in: an array"},
        {"campaign", "{\"picks\":{\"in\":[1]}}", "picks.in[0].key: a text"},
        {"campaign", "{\"picks\":{\"up\":[\"a\"]}}", "picks.up[0].pick is »up« but must be"},
        {"campaign", "{\"picks\":{\"in\":[\"a\"],\"out\":[\"b\",\"a\"]}}",
         "picks.out[1] is there twice"},
        {"campaign", "{\"steps\":[{\"name\":\"s\",\"action\":\"a\",\"recheck\":1}]}",
         "steps[0].recheck: true or false"},
        {"query", "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\"}]}",
         "groups[0].sql or built must be given"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\",\"sql\":\"S\","
         "\"built\":{}}]}",
         "groups[0].sql and built cannot both"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\",\"sql\":\"S\","
         "\"details\":[{\"name\":\"d\",\"key\":\"k\",\"sql\":\"S\",\"limit\":1000001}]}]}",
         "groups[0].details[0].limit: a whole number from 1 to 1000000"},
        {"query", "{\"name\":\"a\",\"source\":\"s\",\"parameters\":[{\"name\":\"v1\"}]}",
         "parameters[0].name must be letters"},
        {"query", "{\"name\":\"a\",\"source\":\"s\",\"parameters\":[{\"name\":\"1a\"}]}",
         "parameters[0].name must be letters"},
        {"query", "{\"name\":\"a\",\"source\":\"s\",\"parameters\":[{\"name\":\"a-b\"}]}",
         "parameters[0].name must be letters"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"parameters\":[{\"name\":\"e\"},{\"name\":\"e\"}]}",
         "parameters[1] is there twice"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"parameters\":[{\"name\":\"e\",\"type\":\"date\","
         "\"default\":\"2026-02-30\"}]}",
         "the default of parameter »e« is »2026-02-30«, but a date such as"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\",\"sql\":\"S\","
         "\"sets\":[{\"operation\":\"minus\",\"query\":\"a\"}]}]}",
         "cannot refer to its own query"},
        {"query",
         "{\"name\":\"a\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\",\"sql\":\"S\","
         "\"sets\":[{\"operation\":\"plus\",\"query\":\"a\"}]}]}",
         "groups[0].sets[0].operation is »plus«"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_refused(site, wrong[i].kind, NULL, wrong[i].document, ERROR_INPUT, wrong[i].words);
        assert_true(strlen(site->error.german) > 10);
    }
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

static void test_categories_and_patterns_are_documents(void **state)
{
    struct site *site = *state;
    static const char pattern[] = "{\"name\":\"Anschrift\",\"kind\":\"address\",\"country\":\"AT\","
                                  "\"language\":null,\"template\":\"{{name}}\\n{{ort}}\"}";
    json_t *now = put(site, "pattern", NULL, pattern);
    json_object_del(now, "id");
    json_object_del(now, "version");
    assert_same(now, pattern);
    json_decref(now);
    json_decref(put(site, "pattern", "Anschrift",
                    "{\"name\":\"Ort\",\"kind\":\"address\","
                    "\"template\":[\"a\",\"b\"]}"));
    assert_raw_text(site, "SELECT name || template FROM address_pattern", "Orta\nb");
    json_t *list = definitions_list(site->d, "pattern", &site->error);
    assert_same(list, "[{\"id\":1,\"name\":\"Ort\",\"kind\":\"address\",\"country\":null,"
                      "\"language\":null}]");
    json_decref(list);
    json_decref(put(site, "category", NULL, "{\"name\":\"Presse\"}"));
    list = definitions_list(site->d, "category", &site->error);
    assert_same(list, "[{\"id\":2,\"name\":\"Presse\",\"distributor\":false},{\"id\":1,\"name\":"
                      "\"Verteiler für Kampagne\",\"distributor\":true}]");
    json_decref(list);
    assert_int_equal(definitions_delete(site->d, "pattern", "Ort", &site->error), 0);
    assert_int_equal(definitions_delete(site->d, "category", "Presse", &site->error), 0);
    put_refused(site, "pattern", "nie", "{}", ERROR_NOT_FOUND, "no pattern »nie«");
    assert_non_null(strstr(site->error.german, "Adressmuster »nie« gibt es nicht"));
}

static void test_one_category_of_distributors_stays(void **state)
{
    struct site *site = *state;
    json_decref(put(site, "category", "1", "{\"name\":\"Verteiler\",\"distributor\":true}"));
    put_refused(site, "category", "Verteiler", "{\"distributor\":false}", ERROR_CONFLICT,
                "only one that makes distributors");
    assert_int_equal(definitions_delete(site->d, "category", "Verteiler", &site->error), -1);
    assert_int_equal(site->error.code, ERROR_CONFLICT);
    json_decref(put(site, "category", NULL, "{\"name\":\"Zweite\",\"distributor\":true}"));
    assert_int_equal(definitions_delete(site->d, "category", "Verteiler", &site->error), 0);
    assert_raw_text(site, "SELECT group_concat(name) FROM category", "Zweite");
}

static void test_who_deletes_is_told_who_uses_it(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *sql, *kind, *name, *english, *german;
    } cases[] = {
        {"", "query", "Interessenten", "is used by campaign »Informationskampagne«",
         "wird verwendet: Kampagne »Informationskampagne«"},
        {"UPDATE campaign SET query = NULL; UPDATE report SET query = 7 WHERE id = 5", "query",
         "Interessenten", "used by report »Unbeteiligt«", "Bericht »Unbeteiligt«"},
        {"UPDATE report SET query = NULL;"
         "INSERT INTO query (id, name, source) VALUES (8, 'B', 's');"
         "INSERT INTO query_group (id, query, name, sql, key_column) VALUES (80, 8, 'g', 'S', 'k');"
         "INSERT INTO query_set (query_group, operation, other_query) VALUES (80, 'minus', 7)",
         "query", "Interessenten", "used by query »B«", "Abfrage »B«"},
        {"UPDATE campaign SET distributor = 5", "report", "5", "»Unbeteiligt« is used by campaign",
         "Bericht »Unbeteiligt« wird verwendet: Kampagne"},
        {"UPDATE step SET parameters = '{' WHERE id = 1", "report", "Begleitmail",
         "used by campaign »Informationskampagne«", "Kampagne"},
        {"INSERT INTO report_category (report, category) VALUES (5, 1)", "category",
         "Verteiler für Kampagne", "used by report »Unbeteiligt«", "Kategorie"},
        {"UPDATE report_variant SET html = 'An: {{> Standard }}' WHERE report = 4", "pattern",
         "Standard", "used by report »Begleitmail«", "Adressmuster »Standard«"},
    };
    insert_campaign(site);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        raw(site, cases[i].sql);
        assert_int_equal(definitions_delete(site->d, cases[i].kind, cases[i].name, &site->error),
                         -1);
        assert_int_equal(site->error.code, ERROR_CONFLICT);
        if (!strstr(site->error.message, cases[i].english) ||
            !strstr(site->error.german, cases[i].german))
            fail_msg("%s\n%s", site->error.message, site->error.german);
    }
    raw(site, "UPDATE report_variant SET html = 'An: {{>Standardform}}' WHERE report = 4");
    assert_int_equal(definitions_delete(site->d, "pattern", "Standard", &site->error), 0);
    assert_int_equal(definitions_delete(site->d, "report", "Infoschreiben", &site->error), 0);
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

static void test_sets_details_and_picks_are_frozen(void **state)
{
    struct site *site = *state;
    put_queries(site);
    json_decref(
        put(site, "campaign", NULL,
            "{\"name\":\"K\",\"query\":\"Interessenten\",\"unit\":\"email\",\"sample\":3,"
            "\"consent_reason\":\"Bestandskunden\",\"picks\":{\"in\":[\"1\"],\"out\":[\"2\"]},"
            "\"steps\":[{\"name\":\"a\",\"action\":\"x\",\"recheck\":true}]}"));
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    if (!frozen)
        fail_msg("%s", site->error.message);
    assert_same(
        json_object_get(frozen, "group"),
        "{\"name\":\"Kunden\",\"sql\":\"SELECT 1 AS n\",\"built\":null,\"key\":\"n\",\"fields\":"
        "[{\"name\":\"n\",\"label_de\":\"Nummer\",\"label_en\":null,\"role\":\"key\",\"format\":"
        "null}],\"details\":[{\"name\":\"Posten\",\"sql\":null,\"built\":{\"from\":\"posten\","
        "\"z\":1,\"a\":[{}]},\"key\":\"n\",\"limit\":7}],\"sets\":[{\"operation\":\"minus\","
        "\"query\":{\"id\":1,\"name\":\"Gesperrte\",\"source\":\"sperren\"},\"group\":"
        "{\"name\":\"Alle\",\"sql\":\"SELECT 2 AS n\",\"built\":null,\"key\":\"n\"}}]}");
    assert_same(json_object_get(frozen, "picks"), "{\"in\":[\"1\"],\"out\":[\"2\"]}");
    json_t *campaign = json_object_get(frozen, "campaign");
    assert_string_equal(text_at(campaign, "unit"), "email");
    assert_int_equal(json_integer_value(json_object_get(campaign, "sample")), 3);
    assert_string_equal(text_at(campaign, "consent_reason"), "Bestandskunden");
    assert_same(json_object_get(campaign, "parameters"), "{\"event\":42}");
    assert_true(json_is_true(
        json_object_get(json_array_get(json_object_get(frozen, "steps"), 0), "recheck")));
    json_decref(frozen);
    /* the campaign's own query, in either form, takes the place of the group's */
    raw(site, "UPDATE campaign SET individual_built = '{\"from\":\"x\"}'");
    frozen = definitions_freeze(site->d, 1, &site->error);
    assert_same(json_object_get(json_object_get(frozen, "group"), "built"), "{\"from\":\"x\"}");
    assert_true(json_is_null(json_object_get(json_object_get(frozen, "group"), "sql")));
    assert_int_equal(json_array_size(json_object_get(json_object_get(frozen, "group"), "sets")), 1);
    json_decref(frozen);
}

static void test_a_set_that_cannot_be_followed_is_named(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"INSERT INTO query_group (query, name, sql, key_column) VALUES (1, 'B', 'S', 'k')",
         "query »Gesperrte« has several groups"},
        {"UPDATE query_set SET other_group = 'C'", "query »Gesperrte« has no group »C«"},
        {"UPDATE query_set SET other_group = 'B', operation = 'both';"
         "INSERT INTO query (id, name, source) VALUES (3, 'Dritte', 's');"
         "INSERT INTO query_set (query_group, operation, other_query)"
         "    SELECT id, 'minus', 3 FROM query_group WHERE name = 'B'",
         "group »B« of query »Gesperrte« has sets of its own"},
        {"UPDATE query_set SET other_query = 2 WHERE id = 1", "cannot refer to its own query"},
    };
    put_queries(site);
    raw(site, "INSERT INTO campaign (id, name, query) VALUES (1, 'K', 2);"
              "INSERT INTO step (campaign, position, name, action) VALUES (1, 1, 'a', 'x')");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        raw(site, cases[i].sql);
        assert_not_startable(site, cases[i].words);
        assert_true(check(site) >= 1);
        assert_problem(site, "query", 2, cases[i].words);
    }
}

static void test_parameters_are_given_typed_and_declared(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *given, *frozen, *words;
    } cases[] = {
        {"{\"i\":7}", "{\"i\":7,\"t\":null,\"d\":\"1.50\",\"day\":null,\"b\":null,\"deep\":null}",
         NULL},
        {"{\"i\":\"-7\",\"t\":\"01067\",\"d\":12,\"day\":\"2028-02-29\",\"b\":\"ja\",\"deep\":0}",
         "{\"i\":-7,\"t\":\"01067\",\"d\":\"12\",\"day\":\"2028-02-29\",\"b\":true,\"deep\":0}",
         NULL},
        {"{\"i\":1,\"t\":1067,\"d\":\"-0.10\",\"b\":false}",
         "{\"i\":1,\"t\":\"1067\",\"d\":\"-0.10\",\"day\":null,\"b\":false,\"deep\":null}", NULL},
        {"{\"i\":1,\"d\":2.5,\"t\":\"\"}",
         "{\"i\":1,\"t\":\"\",\"d\":\"2.5\",\"day\":null,\"b\":null,\"deep\":null}", NULL},
        {"{}", NULL, "needs a value for its parameter »i«"},
        {"{\"i\":null}", NULL, "needs a value for its parameter »i«"},
        {"{\"i\":1,\"Day\":\"2026-01-01\"}", NULL, "no parameter »Day«: did you mean »day«?"},
        {"{\"i\":1,\"ganzanders\":1}", NULL, "no parameter »ganzanders«: leave it out"},
        {"{\"i\":\"1; DROP TABLE x\"}", NULL, "»i«: a whole number is expected, not »1; DROP"},
        {"{\"i\":1.5}", NULL, "»i«: a whole number is expected, not »1.5«"},
        {"{\"i\":true}", NULL, "»i«: a whole number is expected, not »true«"},
        {"{\"i\":99999999999999999999}", NULL, "whole number"},
        {"{\"i\":\"99999999999999999999\"}", NULL, "whole number"},
        {"{\"i\":1,\"t\":true}", NULL, "»t«: a text is expected"},
        {"{\"i\":1,\"d\":\"1,5\"}", NULL, "»d«: a number such as 12.50 is expected, not »1,5«"},
        {"{\"i\":1,\"d\":1e300}", NULL, "»d«: a number such as"},
        {"{\"i\":1,\"d\":\"1.\"}", NULL, "»d«: a number such as"},
        {"{\"i\":1,\"day\":\"2026-02-29\"}", NULL, "»day«: a date such as 2026-11-24 is expected"},
        {"{\"i\":1,\"day\":\"24.11.2026\"}", NULL, "»day«: a date such as"},
        {"{\"i\":1,\"day\":\"2026-1-001\"}", NULL, "»day«: a date such as"},
        {"{\"i\":1,\"b\":\"maybe\"}", NULL, "»b«: true or false is expected"},
        {"{\"i\":1,\"b\":2}", NULL, "»b«: true or false is expected"},
    };
    json_decref(put(site, "query", NULL,
                    "{\"name\":\"B\",\"source\":\"s\",\"parameters\":[{\"name\":\"deep\",\"type\":"
                    "\"integer\",\"required\":false},{\"name\":\"i\",\"type\":\"integer\"}],"
                    "\"groups\":[{\"name\":\"g\",\"sql\":\"S\",\"key\":\"k\"}]}"));
    json_decref(put(
        site, "query", NULL,
        "{\"name\":\"A\",\"source\":\"s\",\"parameters\":[{\"name\":\"i\",\"type\":\"integer\"},"
        "{\"name\":\"t\",\"required\":false},{\"name\":\"d\",\"type\":\"decimal\",\"default\":"
        "\"1.50\"},{\"name\":\"day\",\"type\":\"date\",\"required\":false},{\"name\":\"b\","
        "\"type\":"
        "\"boolean\",\"required\":false}],\"groups\":[{\"name\":\"g\",\"sql\":\"S\",\"key\":\"k\","
        "\"sets\":[{\"operation\":\"both\",\"query\":\"B\"}]}]}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_error_t fault;
        json_t *given = json_loads(cases[i].given, JSON_DECODE_INT_AS_REAL * 0, &fault);
        if (!given) /* an integer that JSON itself cannot hold here */
            continue;
        json_t *frozen = definitions_freeze_query(site->d, "A", "g", given, &site->error);
        json_decref(given);
        if (!cases[i].words && !frozen)
            fail_msg("%s: %s", cases[i].given, site->error.message);
        if (cases[i].words && (frozen || !strstr(site->error.message, cases[i].words)))
            fail_msg("»%s« is not in »%s«", cases[i].words, site->error.message);
        if (frozen)
            assert_same(json_object_get(json_object_get(frozen, "campaign"), "parameters"),
                        cases[i].frozen);
        json_decref(frozen);
    }
    raw(site, "UPDATE query_parameter SET type = 'text' WHERE query = 1 AND name = 'i'");
    assert_null(definitions_freeze_query(site->d, "A", "g", NULL, &site->error));
    assert_non_null(
        strstr(site->error.message, "has one type in query »A« and another in query »B«"));
}

static void test_a_query_alone_is_frozen_with_one_group_or_all(void **state)
{
    struct site *site = *state;
    put_queries(site);
    json_t *frozen = definitions_freeze_query(site->d, "Gesperrte", NULL, NULL, &site->error);
    assert_same(frozen,
                "{\"query\":{\"id\":1,\"name\":\"Gesperrte\",\"source\":\"sperren\"},"
                "\"campaign\":{\"parameters\":{}},\"group\":{\"name\":\"Alle\",\"sql\":"
                "\"SELECT 2 AS n\",\"built\":null,\"key\":\"n\",\"fields\":[],\"details\":[],"
                "\"sets\":[]}}");
    json_decref(frozen);
    raw(site, "INSERT INTO query_group (query, name, position, built, key_column)"
              "    VALUES (1, 'B', 2, '{}', 'k');"
              "INSERT INTO query_parameter (query, name) VALUES (1, 'ort')");
    assert_null(definitions_freeze_query(site->d, "Gesperrte", NULL, NULL, &site->error));
    assert_non_null(strstr(site->error.message, "several groups: name one of »Alle«, »B«"));
    assert_null(definitions_freeze_query(site->d, "Gesperrte", "C", NULL, &site->error));
    assert_non_null(strstr(site->error.message, "no group »C«: name one of »Alle«, »B«"));
    assert_null(definitions_freeze_groups(site->d, "Gesperrte", NULL, &site->error));
    assert_non_null(strstr(site->error.message, "parameter »ort«"));
    json_t *unasked = json_null();
    frozen = definitions_freeze_groups(site->d, "Gesperrte", unasked, &site->error);
    assert_int_equal(json_array_size(json_object_get(frozen, "groups")), 2);
    assert_same(json_object_get(frozen, "campaign"), "{\"parameters\":{\"ort\":null}}");
    json_decref(frozen);
    assert_null(definitions_freeze_query(site->d, "nie", NULL, NULL, &site->error));
    assert_int_equal(site->error.code, ERROR_NOT_FOUND);
}

static void test_mandatory_needs_its_reason(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "UPDATE campaign SET purpose = 'mandatory'");
    assert_not_startable(site, "say why in purpose_reason");
    assert_int_equal(check(site), 0); /* a draft */
    raw(site, "UPDATE campaign SET purpose_reason = 'Einladung nach § 12 der Satzung'");
    json_t *frozen = definitions_freeze(site->d, 1, &site->error);
    assert_string_equal(text_at(json_object_get(frozen, "campaign"), "purpose_reason"),
                        "Einladung nach § 12 der Satzung");
    json_decref(frozen);
}

/* ---- a campaign's own query ---- */

static void test_a_campaigns_own_query_is_compared_with_the_saved_one(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "UPDATE query_group SET sql = 'SELECT a,' || char(10) || '  b' || char(10) ||"
              " 'FROM kunde' || char(10) || 'WHERE 1' || char(10) || 'ORDER BY 1'");
    json_t *compared = definitions_compare(site->d, "Informationskampagne", &site->error);
    assert_true(json_is_true(json_object_get(compared, "same")));
    assert_true(json_is_null(json_object_get(compared, "own")));
    json_decref(compared);
    json_t *now = definitions_individual(site->d, "1", NULL, false, &site->error);
    if (!now)
        fail_msg("%s", site->error.message);
    assert_non_null(strstr(text_at(now, "individual_sql"), "FROM kunde"));
    json_decref(now);
    compared = definitions_compare(site->d, "1", &site->error);
    assert_true(json_is_true(json_object_get(compared, "same")));
    assert_int_equal(json_array_size(json_object_get(compared, "difference")), 0);
    json_decref(compared);
    raw(site, "UPDATE campaign SET individual_sql = 'SELECT a,' || char(10) || '  b' || char(10) ||"
              " 'FROM kunde' || char(10) || 'WHERE 2' || char(10) || 'AND 3' || char(10) ||"
              " 'ORDER BY 1'");
    compared = definitions_compare(site->d, "1", &site->error);
    assert_false(json_is_true(json_object_get(compared, "same")));
    assert_same(json_object_get(compared, "difference"),
                "[\"@@ -1,5 +1,6 @@\",\" SELECT a,\",\"   b\",\" FROM kunde\",\"-WHERE 1\","
                "\"+WHERE 2\",\"+AND 3\",\" ORDER BY 1\"]");
    json_decref(compared);
    assert_null(definitions_individual(site->d, "1", NULL, false, &site->error));
    assert_int_equal(site->error.code, ERROR_CONFLICT);
    raw(site, "INSERT INTO query_group (query, name, built, key_column)"
              "    VALUES (7, 'Firmen', '{\"from\":\"firma\",\"a\":1}', 'k')");
    assert_null(definitions_individual(site->d, "1", "nie", true, &site->error));
    assert_non_null(strstr(site->error.message, "no group »nie«"));
    now = definitions_individual(site->d, "1", "Firmen", true, &site->error);
    assert_string_equal(text_at(now, "group"), "Firmen");
    assert_true(json_is_null(json_object_get(now, "individual_sql")));
    assert_same(json_object_get(now, "individual_built"), "{\"from\":\"firma\",\"a\":1}");
    json_decref(now);
    raw(site, "UPDATE campaign SET individual_built = '{\"from\":\"firma\",\"a\":2}'");
    compared = definitions_compare(site->d, "1", &site->error);
    assert_same(json_object_get(compared, "difference"),
                "[\"@@ -1,4 +1,4 @@\",\" {\",\"-  \\\"a\\\": 1,\",\"+  \\\"a\\\": 2,\","
                "\"   \\\"from\\\": \\\"firma\\\"\",\" }\"]");
    json_decref(compared);
    assert_raw_text(site,
                    "SELECT count(*) || max(sql) FROM query_group WHERE name = 'Kunden'"
                    " AND sql LIKE '%WHERE 1%'",
                    "1SELECT a,\n  b\nFROM kunde\nWHERE 1\nORDER BY 1");
}

static void test_a_difference_of_huge_texts_is_bounded(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90000)"
              "UPDATE query_group SET sql = (SELECT group_concat(i, char(10)) FROM n);"
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90000)"
              "UPDATE campaign SET individual_sql = (SELECT group_concat(-i, char(10)) FROM n)");
    int64_t begin = clock_monotonic_us();
    json_t *compared = definitions_compare(site->d, "1", &site->error);
    assert_in_range(clock_monotonic_us() - begin, 0, 5000000);
    json_t *difference = json_object_get(compared, "difference");
    assert_in_range(json_array_size(difference), 1000, 2001);
    assert_string_equal(
        json_string_value(json_array_get(difference, json_array_size(difference) - 1)), "…");
    json_decref(compared);
}

/* ---- export and import ---- */

static char *exported(struct site *site)
{
    json_t *document = definitions_export(site->d, &site->error);
    if (!document)
        fail_msg("%s", site->error.message);
    char *text = json_dumps(document, JSON_INDENT(2));
    json_decref(document);
    return text;
}

static json_t *import(struct site *site, const char *text, bool dry_run)
{
    json_t *document = parse(text);
    assert_int_equal(definitions_begin(site->d, &site->error), 0);
    json_t *result = definitions_import(site->d, document, &site->error);
    assert_int_equal(definitions_end(site->d, result && !dry_run, &site->error), 0);
    json_decref(document);
    return result;
}

static void fill_for_export(struct site *site)
{
    insert_campaign(site);
    raw(site, "UPDATE query SET name = 'Adressen'");
    put_queries(site);
    json_decref(put(site, "category", NULL, "{\"name\":\"Presse\"}"));
    json_decref(
        put(site, "report", NULL,
            "{\"name\":\"Liste\",\"query\":\"Gesperrte\",\"categories\":[\"Presse\","
            "\"Verteiler für Kampagne\"],\"variants\":{\"en\":{\"html\":\"<p>\\n</p>\\n\"}}}"));
    json_decref(
        put(site, "campaign", NULL,
            "{\"name\":\"Alles\",\"distributor\":\"Liste\",\"picks\":{\"out\":[\"z\",\"a\"]},"
            "\"parameters\":{\"b\":1,\"a\":\"x\\ny\"},\"steps\":[{\"name\":\"a\",\"action\":"
            "\"x\"},{\"name\":\"b\",\"action\":\"x\",\"after\":1}]}"));
    raw(site, "UPDATE report_file SET content = randomblob(200);"
              "UPDATE query_group SET sql = 'SELECT 1 AS n' || char(10) || 'FROM x' WHERE id = 70");
}

static void test_importing_an_export_changes_nothing(void **state)
{
    struct site *site = *state;
    fill_for_export(site);
    FREE_CLEAN char *first = exported(site);
    assert_non_null(strstr(first, "\"sql\": [\n"));
    assert_null(strstr(first, "created_at"));
    assert_null(strstr(first, "\"id\""));
    assert_true(strstr(first, "\"Gesperrte\"") <
                strstr(first, "\"Interessenten\",\n      \"source\""));
    int64_t before = raw_number(site, "PRAGMA data_version");
    json_t *result = import(site, first, false);
    if (!result)
        fail_msg("%s", site->error.message);
    assert_same(result, "{\"created\":[],\"changed\":[],\"unchanged\":12}");
    json_decref(result);
    assert_int_equal(raw_number(site, "PRAGMA data_version"), before);
    FREE_CLEAN char *second = exported(site);
    assert_string_equal(second, first);
}

static void test_an_export_fills_another_database(void **state)
{
    struct site *site = *state, *other;
    fill_for_export(site);
    /* two queries that refer to each other's groups, in an order that no single pass can make */
    json_decref(
        put(site, "query", NULL,
            "{\"name\":\"Zweite\",\"source\":\"s\",\"groups\":[{\"name\":\"frei\",\"sql\":\"S\","
            "\"key\":\"k\"}]}"));
    json_decref(
        put(site, "query", NULL,
            "{\"name\":\"Erste\",\"source\":\"s\",\"groups\":[{\"name\":\"frei\",\"sql\":\"S\","
            "\"key\":\"k\"},{\"name\":\"ohne\",\"sql\":\"S\",\"key\":\"k\",\"sets\":[{"
            "\"operation\":\"minus\",\"query\":\"Zweite\",\"group\":\"frei\"}]}]}"));
    json_decref(put(site, "query", "Zweite",
                    "{\"source\":\"s\",\"groups\":[{\"name\":\"frei\",\"sql\":\"S\",\"key\":\"k\"},"
                    "{\"name\":\"ohne\",\"sql\":\"S\",\"key\":\"k\",\"sets\":[{\"operation\":"
                    "\"minus\",\"query\":\"Erste\",\"group\":\"frei\"}]}]}"));
    FREE_CLEAN char *first = exported(site);
    open_site((void **)&other);
    json_t *result = import(other, first, true);
    if (!result)
        fail_msg("%s", other->error.message);
    assert_int_equal(json_array_size(json_object_get(result, "created")), 13);
    assert_int_equal(json_integer_value(json_object_get(result, "unchanged")), 1);
    assert_int_equal(raw_number(other, "SELECT count(*) FROM campaign"), 0); /* dry */
    json_t *again = import(other, first, false);
    assert_true(json_equal(again, result));
    json_decref(again);
    json_decref(result);
    FREE_CLEAN char *second = exported(other);
    assert_string_equal(second, first);
    char *content = raw_text(site, "SELECT hex(content) FROM report_file");
    assert_raw_text(other, "SELECT hex(content) FROM report_file", content);
    free(content);
    close_site((void **)&other);
}

static void test_an_import_names_what_it_changes(void **state)
{
    struct site *site = *state;
    fill_for_export(site);
    json_t *result = import(site,
                            "{\"format\":\"campaignd-definitions\",\"version\":2,\"queries\":[{"
                            "\"name\":\"Neu\",\"source\":"
                            "\"s\"},{\"name\":\"Gesperrte\",\"source\":\"anders\"}],\"categories\":"
                            "[{\"name\":\"Presse\"}]}",
                            false);
    if (!result)
        fail_msg("%s", site->error.message);
    assert_same(result,
                "{\"created\":[{\"kind\":\"query\",\"name\":\"Neu\"}],\"changed\":[{\"kind\":"
                "\"query\",\"name\":\"Gesperrte\"}],\"unchanged\":1}");
    json_decref(result);
    assert_raw_text(site, "SELECT source FROM query WHERE name = 'Gesperrte'", "anders");
    assert_int_equal(raw_number(site, "SELECT count(*) FROM report"), 4);
}

#define HEAD "{\"format\":\"campaignd-definitions\",\"version\":2,"

static void test_a_wrong_import_is_refused_as_a_whole(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *document, *words;
    } cases[] = {
        {"[]", "no export"},
        {"{}", "no export of definitions: \"format\""},
        {"{\"format\":\"campaignd-definitions\",\"version\":3}", "has the version 3"},
        {"{\"format\":\"campaignd-definitions\"}", "has the version ?"},
        {HEAD "\"colours\":[]}", "no export of definitions: colours"},
        {HEAD "\"queries\":{}}", "queries: an array"},
        {HEAD "\"queries\":[7]}", "queries[0].name: must be given"},
        {HEAD "\"queries\":[{\"name\":\"a\",\"source\":\"s\"},{\"name\":\"a\",\"source\":\"s\"}]}",
         "queries[1].name is there twice"},
        {HEAD
         "\"categories\":[{\"name\":\"neu\"}],\"queries\":[{\"name\":\"gut\",\"source\":\"s\"},"
         "{\"name\":\"b\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\",\"sql\":[7]}]}"
         "]}",
         "queries[1] »b«: groups[0].sql: a text"},
        {HEAD
         "\"queries\":[{\"name\":\"b\",\"source\":\"s\",\"groups\":[{\"name\":\"g\",\"key\":\"k\","
         "\"sql\":\"S\",\"sets\":[{\"operation\":\"both\",\"query\":\"b\"}]}]}]}",
         "queries[0] »b«: group »g«: a set cannot refer"},
        {HEAD "\"campaigns\":[{\"name\":\"k\",\"query\":\"nie\"}]}",
         "campaigns[0] »k«: query: there is no query »nie«"},
        {HEAD "\"categories\":[{\"name\":\"Verteiler für Kampagne\",\"distributor\":false}]}",
         "only one that makes distributors"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *result = import(site, cases[i].document, false);
        if (result)
            fail_msg("was accepted: %s", cases[i].document);
        if (!strstr(site->error.message, cases[i].words) || strlen(site->error.german) < 10)
            fail_msg("»%s« is not in »%s« (%s)", cases[i].words, site->error.message,
                     site->error.german);
        assert_int_equal(raw_number(site, "SELECT (SELECT count(*) FROM query) + (SELECT count(*)"
                                          " FROM category) + (SELECT count(*) FROM campaign)"),
                         1);
    }
}

static void test_a_broken_row_is_named_by_the_export(void **state)
{
    struct site *site = *state;
    insert_campaign(site);
    raw(site, "UPDATE report SET kind = 'fax' WHERE id = 4");
    assert_null(definitions_export(site->d, &site->error));
    assert_non_null(strstr(site->error.message, "report 4: kind is »fax«"));
    /* and an import mends it */
    json_t *result = import(site, HEAD "\"reports\":[{\"name\":\"Begleitmail\"}]}", false);
    assert_int_equal(json_array_size(json_object_get(result, "changed")), 1);
    json_decref(result);
    assert_int_equal(check(site), 0);
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
        {"UPDATE query_group SET built = '{}'", "query_group", "sql and built cannot both", 70},
        {"UPDATE query_group SET sql = NULL", "query_group", "sql or built must be given", 70},
        {"UPDATE query_group SET sql = NULL, built = '[]'", "query_group", "not a JSON object", 70},
        {"UPDATE query_group SET sql = NULL, built = '{\"a\":'", "query_group", "not a JSON obj",
         70},
        {"UPDATE query_group SET sql = NULL, built = '{\"a\":1,\"a\":2}'", "query_group",
         "not a JSON object", 70},
        {"UPDATE query_group SET sql = NULL, built = replace(hex(zeroblob(900000)), '00', '[')",
         "query_group", "not a JSON object", 70},
        {"UPDATE query_group SET sql = NULL, built = '{\"a\":\"' || CAST(x'ff' AS TEXT) || '\"}'",
         "query_group", "not valid UTF-8", 70},
        {"UPDATE query_group SET sql = NULL,"
         " built = '{\"a\":\"' || replace(hex(zeroblob(600000)), '00', 'xx') || '\"}'",
         "query_group", "built is too long", 70},
        {"INSERT INTO query_parameter (query, name) VALUES (7, 'a b')", "query_parameter",
         "name must be letters", 1},
        {"INSERT INTO query_parameter (query, name) VALUES (7, '')", "query_parameter",
         "name must not be empty", 1},
        {"INSERT INTO query_parameter (query, name) VALUES (7, 'v12')", "query_parameter",
         "name must be letters", 1},
        {"INSERT INTO query_parameter (query, name) VALUES (7, 'é')", "query_parameter",
         "name must be letters", 1},
        {"INSERT INTO query_parameter (query, name) VALUES (7, 'a' || char(0))", "query_parameter",
         "not valid UTF-8", 1},
        {"INSERT INTO query_parameter (query, name, type) VALUES (7, 'a', 'blob')",
         "query_parameter", "type is »blob«", 1},
        {"INSERT INTO query_parameter (query, name, required) VALUES (7, 'a', 2)",
         "query_parameter", "required must be between 0 and 1", 1},
        {"INSERT INTO query_parameter (query, name, type, default_value) VALUES"
         " (7, 'a', 'integer', 'x')",
         "query", "the default of parameter »a« is »x«", 7},
        {"INSERT INTO query_parameter (query, name, default_value) VALUES"
         " (7, 'a', replace(hex(zeroblob(524288)), '00', 'xx'))",
         "query_parameter", "default_value is too long", 1},
        {"INSERT INTO query_set (query_group, operation, other_query) VALUES (70, 'plus', 7)",
         "query_set", "operation is »plus«", 1},
        {"INSERT INTO query_set (query_group, operation, other_query) VALUES (70, 'minus', 99)",
         "query_set", "other_query refers to a query", 1},
        {"INSERT INTO query_set (query_group, operation, other_query) VALUES (70, 'minus', 7)",
         "query", "cannot refer to its own query", 7},
        {"INSERT INTO query_set (query_group, operation, other_query, other_group)"
         " VALUES (70, 'minus', 7, char(10))",
         "query_set", "control characters", 1},
        {"INSERT INTO detail_group (query_group, name, sql, key_column, row_limit)"
         " VALUES (70, 'd', 'S', 'k', 1000001)",
         "detail_group", "row_limit must be between 1 and 1000000", 1},
        {"INSERT INTO detail_group (query_group, name, key_column) VALUES (70, 'd', 'k')",
         "detail_group", "sql or built must be given", 1},
        {"UPDATE campaign SET individual_sql = 'S', individual_built = '{}'", "campaign",
         "individual_sql and individual_built cannot both", 1},
        {"UPDATE campaign SET individual_sql = ''", "campaign", "individual_sql must not be emp",
         1},
        {"UPDATE campaign SET individual_built = 'x'", "campaign", "not a JSON object", 1},
        {"UPDATE campaign SET unit = 'person'", "campaign", "unit is »person«", 1},
        {"UPDATE campaign SET sample = 0", "campaign", "sample must be between 1", 1},
        {"UPDATE campaign SET sample = -9223372036854775808", "campaign", "sample must be", 1},
        {"UPDATE campaign SET parameters = '{\"a\":[1]}'", "campaign", "the value of »a«", 1},
        {"UPDATE campaign SET parameters = 'null'", "campaign", "not a JSON object", 1},
        {"UPDATE campaign SET parameters = '{\"evnt\":1}'", "campaign", "no parameter »evnt«", 1},
        {"UPDATE campaign SET consent_reason = ''", "campaign", "consent_reason must not be", 1},
        {"UPDATE campaign SET purpose_reason = CAST(x'ff' AS TEXT)", "campaign", "UTF-8", 1},
        {"UPDATE campaign SET consent_reason = replace(hex(zeroblob(600)), '00', 'xx')", "campaign",
         "consent_reason is too long", 1},
        {"INSERT INTO campaign_pick (campaign, key, pick) VALUES (1, '', 'in')", "campaign_pick",
         "key must not be empty", 1},
        {"INSERT INTO campaign_pick (campaign, key, pick) VALUES (1, 'a', 'up')", "campaign_pick",
         "pick is »up«", 1},
        {"INSERT INTO campaign_pick (campaign, key, pick) VALUES (9, 'a', 'in')", "campaign_pick",
         "refers to a campaign", 1},
        {"INSERT INTO campaign_pick (campaign, key, pick) VALUES"
         " (1, replace(hex(zeroblob(524288)), '00', 'xx'), 'in')",
         "campaign_pick", "key is too long: 500", 1},
        {"UPDATE step SET recheck = 2 WHERE id = 1", "step", "recheck must be between", 1},
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
        bool harmless = text_equal(cases[i].table, "schedule") ||
                        text_equal(cases[i].table, "start_request") ||
                        strstr(cases[i].sql, "VALUES (9, 'a', 'in')");
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
        TEST(test_a_database_of_version_1_is_brought_up_to_date),
        TEST(test_an_altered_database_of_version_1_is_left_as_it_is),
        TEST(test_a_locked_database_of_version_1_is_left_as_it_is),
        TEST(test_a_killed_migration_leaves_the_old_or_the_new),
        TEST(test_a_query_comes_back_as_it_was_put),
        TEST(test_a_report_comes_back_as_it_was_put),
        TEST(test_a_campaign_comes_back_as_it_was_put),
        TEST(test_a_wrong_document_is_refused_with_its_place),
        TEST(test_a_change_by_somebody_else_is_a_conflict),
        TEST(test_new_campaigns_are_named_by_day_and_number),
        TEST(test_lists_are_in_the_order_of_names),
        TEST(test_what_is_used_cannot_be_deleted),
        TEST(test_categories_and_patterns_are_documents),
        TEST(test_one_category_of_distributors_stays),
        TEST(test_who_deletes_is_told_who_uses_it),
        TEST(test_a_frozen_campaign_has_all_that_a_run_needs),
        TEST(test_a_distributor_brings_its_query),
        TEST(test_what_dangles_is_named_with_the_mend),
        TEST(test_sets_details_and_picks_are_frozen),
        TEST(test_a_set_that_cannot_be_followed_is_named),
        TEST(test_parameters_are_given_typed_and_declared),
        TEST(test_a_query_alone_is_frozen_with_one_group_or_all),
        TEST(test_mandatory_needs_its_reason),
        TEST(test_a_campaigns_own_query_is_compared_with_the_saved_one),
        TEST(test_a_difference_of_huge_texts_is_bounded),
        TEST(test_importing_an_export_changes_nothing),
        TEST(test_an_export_fills_another_database),
        TEST(test_an_import_names_what_it_changes),
        TEST(test_a_wrong_import_is_refused_as_a_whole),
        TEST(test_a_broken_row_is_named_by_the_export),
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
