/* The configuration: real files in a folder of the test's own, each error with its file and line.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "conf/conf.h"
#include "conf/keys.h"

static char folder[] = "/tmp/test_conf.XXXXXX";

/* ---- helpers ---- */

static char *path_of(const char *name)
{
    return memory_format("%s/%s", folder, name);
}

static void write_bytes(const char *name, const void *data, size_t size)
{
    FREE_CLEAN char *path = path_of(name);
    FREE_CLEAN char *parent = memory_text_n(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(file_make_folders(parent, 0700, NULL), 0);
    FD_CLEAN int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, size), 0);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* All problems, one a line, with the folder's name left out. */
static char *problems_text(const struct conf_problems *problems)
{
    struct buffer all = {0};
    for (size_t i = 0; i < problems->count; i++) {
        BUFFER_CLEAN struct buffer one = {0};
        conf_problem_text(&problems->items[i], &one);
        const char *text = one.data;
        for (const char *found; (found = strstr(text, folder)); text = found + strlen(folder) + 1)
            buffer_append(&all, text, (size_t)(found - text));
        buffer_printf(&all, "%s\n", text);
    }
    return buffer_steal(&all);
}

/* Load what was written as a.conf; it must be in order. */
static struct conf *load_good(void)
{
    FREE_CLEAN char *path = path_of("a.conf");
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    struct conf *conf = conf_load(path, &problems);
    FREE_CLEAN char *text = problems_text(&problems);
    assert_string_equal(text, "");
    assert_non_null(conf);
    return conf;
}

static struct conf *load_text(const char *text)
{
    write_text("a.conf", text);
    return load_good();
}

/* Load what was written as a.conf; returns its problems. */
static char *load_bad(void)
{
    FREE_CLEAN char *path = path_of("a.conf");
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    assert_null(conf_load(path, &problems));
    assert_true(problems.count > 0);
    return problems_text(&problems);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("»%s« is not in »%s«", part, text);
}

static void conf_cleanup(struct conf **conf)
{
    conf_free(*conf);
}
#define CONF_CLEAN __attribute__((cleanup(conf_cleanup)))

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    FREE_CLEAN char *command = memory_format("rm -rf %s", folder);
    return system(command);
}

/* ---- what is right ---- */

static void an_empty_file_gives_all_defaults(void **state)
{
    (void)state;
    CONF_CLEAN struct conf *conf = load_text("");
    assert_string_equal(conf->daemon.state_dir, "/var/lib/campaignd");
    assert_null(conf->daemon.user);
    assert_null(conf->daemon.site_group);
    assert_string_equal(conf->daemon.library_dir, CAMPAIGND_LIBRARY_DIR);
    assert_string_equal(conf->daemon.plugin_dir, CAMPAIGND_LIBRARY_DIR "/plugins");
    assert_int_equal(conf->daemon.log_level, LOG_LEVEL_INFO);
    assert_int_equal(conf->daemon.stop_timeout_us, 30000000);
    assert_int_equal(conf->daemon.recovery_wait_us, 10000000);
    assert_string_equal(conf->http.socket, "/run/campaignd/campaignd.sock");
    assert_null(conf->http.socket_group);
    assert_null(conf->http.sql_group);
    assert_int_equal(conf->http.max_body_bytes, 16 << 20);
    assert_int_equal(conf->source_count, 0);
    assert_int_equal(conf->action_count, 0);
}

static void a_source_and_an_action_have_defaults(void **state)
{
    (void)state;
    CONF_CLEAN struct conf *conf = load_text("[source.c]\ndriver = sqlite\npath = c.db\n"
                                             "[action.a]\nplugin = print\n");
    const struct conf_source *source = conf_source(conf, "c");
    assert_non_null(source);
    assert_int_equal(source->driver, CONF_DRIVER_SQLITE);
    assert_int_equal(source->time_limit_us, 300000000);
    assert_int_equal(source->max_rows, 10000000);
    assert_null(source->label);
    assert_null(source->connection);
    assert_null(source->password);
    assert_null(source->catalogue);
    const struct conf_action *action = conf_action(conf, "a");
    assert_non_null(action);
    assert_string_equal(action->plugin, "print");
    assert_int_equal(action->workers, 1);
    assert_true(action->durable_begin);
    assert_int_equal(action->retry_after_us, 60000000);
    assert_int_equal(action->give_up_after_us, INT64_C(14400000000));
    assert_int_equal(action->setting_count, 0);
    assert_null(conf_source(conf, "a"));
    assert_null(conf_action(conf, "c"));
}

static void every_key_is_taken(void **state)
{
    (void)state;
    CONF_CLEAN struct conf *conf =
        load_text("[daemon]\nstate_dir = /s\nuser = u\nsite_group = g\nlibrary_dir = /l\n"
                  "plugin_dir = /p\nlog_level = debug\nstop_timeout = 2m\nrecovery_wait = 250ms\n"
                  "[http]\nsocket = /h\nsocket_group = hg\nsql_group = sg\nmax_body = 64KB\n"
                  "[source.s]\ndriver = sqlite\npath = /d\ntime_limit = 2h\nmax_rows = 7\n"
                  "label = Größe\n"
                  "[action.a]\nplugin = e-mail_2\nworkers = 64\ndurable_begin = no\n"
                  "retry_after = 5s\ngive_up_after = 1d\nlabel = Post\n");
    assert_string_equal(conf->daemon.state_dir, "/s");
    assert_string_equal(conf->daemon.user, "u");
    assert_string_equal(conf->daemon.site_group, "g");
    assert_string_equal(conf->daemon.library_dir, "/l");
    assert_string_equal(conf->daemon.plugin_dir, "/p");
    assert_int_equal(conf->daemon.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(conf->daemon.stop_timeout_us, 120000000);
    assert_int_equal(conf->daemon.recovery_wait_us, 250000);
    assert_string_equal(conf->http.socket, "/h");
    assert_string_equal(conf->http.socket_group, "hg");
    assert_string_equal(conf->http.sql_group, "sg");
    assert_int_equal(conf->http.max_body_bytes, 65536);
    assert_string_equal(conf->sources[0].path, "/d");
    assert_int_equal(conf->sources[0].time_limit_us, INT64_C(7200000000));
    assert_int_equal(conf->sources[0].max_rows, 7);
    assert_string_equal(conf->sources[0].label, "Größe");
    assert_string_equal(conf->actions[0].plugin, "e-mail_2");
    assert_int_equal(conf->actions[0].workers, 64);
    assert_false(conf->actions[0].durable_begin);
    assert_int_equal(conf->actions[0].retry_after_us, 5000000);
    assert_int_equal(conf->actions[0].give_up_after_us, INT64_C(86400000000));
    assert_string_equal(conf->actions[0].label, "Post");
}

static void a_server_is_reached_by_connection_and_password(void **state)
{
    (void)state;
    write_text("pw", "hunter2\n");
    CONF_CLEAN struct conf *conf =
        load_text("[source.p]\ndriver = postgres\nconnection = host=h dbname=d user=u\n"
                  "password = file:pw\n"
                  "[source.o]\ndriver = odbc\nconnection = Driver=MariaDB;Server=h\n");
    assert_int_equal(conf->sources[0].driver, CONF_DRIVER_POSTGRES);
    assert_string_equal(conf->sources[0].connection, "host=h dbname=d user=u");
    assert_string_equal(conf->sources[0].password, "hunter2");
    assert_null(conf->sources[0].path);
    assert_int_equal(conf->sources[1].driver, CONF_DRIVER_ODBC);
    assert_string_equal(conf->sources[1].connection, "Driver=MariaDB;Server=h");
    assert_string_equal(conf_driver_name(conf->sources[0].driver), "postgres");
    assert_string_equal(conf_driver_name(conf->sources[1].driver), "odbc");
}

static void a_connection_that_holds_a_password_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "host=h password=hunter2",
        "PASSWORD = hunter2 host=h",
        "Driver=x;Server=y;PWD=hunter2",
        "driver=x;pwd={hunter2}",
        "Server=y;Password=hunter2;Driver=x",
        "postgresql://u:hunter2@h/d",
        "postgres://h/d?user=u&password=hunter2",
        "host=h sslpassword=hunter2",
    };
    static const char *const good[] = {
        "host=h passfile=/x",          "postgresql://u@h:5432/d?sslmode=require",
        "postgresql:///d?host=/run/x", "Driver=x;Server=y;Port=3306",
        "host=password dbname=pwd",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FREE_CLEAN char *text =
            memory_format("[source.p]\ndriver = odbc\nconnection = %s\n", bad[i]);
        write_text("a.conf", text);
        FREE_CLEAN char *problems = load_bad();
        assert_contains(problems, "a.conf:3: the connection holds a password");
        assert_null(strstr(problems, "hunter2"));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        FREE_CLEAN char *text =
            memory_format("[source.p]\ndriver = postgres\nconnection = %s\n", good[i]);
        conf_free(load_text(text));
    }
}

static void a_catalogue_is_read_from_its_file(void **state)
{
    (void)state;
    static const char text[] = "[source.s]\ndriver = sqlite\npath = s.db\ncatalogue = c.json\n";
    write_text("c.json", "{\"tables\": {\"customer\": {\"hidden\": true}}}");
    CONF_CLEAN struct conf *conf = load_text(text);
    FREE_CLEAN char *path = path_of("c.json");
    assert_string_equal(conf->sources[0].catalogue_file, path);
    assert_true(json_is_object(json_object_get(conf->sources[0].catalogue, "tables")));

    write_text("c.json", "{\"tables\":\n  {,}\n}");
    FREE_CLEAN char *problems = load_bad();
    assert_contains(problems, "c.json:2: this is not JSON: ");
    write_text("c.json", "{\"a\": 1,\n\"a\": 2}");
    FREE_CLEAN char *twice = load_bad();
    assert_contains(twice, "c.json:2: this is not JSON: duplicate");
    write_text("c.json", "[]");
    FREE_CLEAN char *list = load_bad();
    assert_contains(list, "c.json:1: a catalogue is one JSON object");
}

#define CATALOGUE_KEYS "Keys: tables, joins, unlisted"
#define TABLE_KEYS "Keys: label_de, label_en, hidden, columns"
#define COLUMN_KEYS "Keys: label_de, label_en, role, format, hidden"
#define JOIN_KEYS "Keys: table, columns, to, to_columns"
#define EXPECTED_TEXT ": a text of 1 to 200 bytes is expected"

static const struct {
    const char *catalogue, *problem;
} bad_catalogues[] = {
    {"{\"table\": {}}", "table: there is no such key; did you mean »tables«? " CATALOGUE_KEYS},
    {"{\"quux\": 1}", "quux: there is no such key. " CATALOGUE_KEYS},
    {"{\"unlisted\": true}", "unlisted: \"shown\" or \"hidden\" is expected"},
    {"{\"tables\": []}",
     "tables: names and what is said of each are expected, as in {\"name\": {…}}"},
    {"{\"tables\": {\"a\": true}}", "tables.a: an object {…} is expected"},
    {"{\"tables\": {\"a\": {\"hiden\": true}}}",
     "tables.a.hiden: there is no such key; did you mean »hidden«? " TABLE_KEYS},
    {"{\"tables\": {\"a\": {\"hidden\": \"true\"}}}",
     "tables.a.hidden: true or false is expected, without quotation marks"},
    {"{\"tables\": {\"a\": {\"label_de\": 7}}}", "tables.a.label_de" EXPECTED_TEXT},
    {"{\"tables\": {\"a\": {\"columns\": [\"b\"]}}}",
     "tables.a.columns: names and what is said of each are expected, as in {\"name\": {…}}"},
    {"{\"tables\": {\"a\": {\"columns\": {\"b\": {\"rolle\": \"email\"}}}}}",
     "tables.a.columns.b.rolle: there is no such key; did you mean »role«? " COLUMN_KEYS},
    {"{\"tables\": {\"a\": {\"columns\": {\"b\": {\"format\": \"\"}}}}}",
     "tables.a.columns.b.format" EXPECTED_TEXT},
    {"{\"tables\": {\"a\": {\"columns\": {\"b\": {\"role\": "
     "\"123456789 123456789 123456789 123456789 123456789 1\"}}}}}",
     "tables.a.columns.b.role: a text of 1 to 50 bytes is expected"},
    {"{\"joins\": {}}", "joins: a list of joins […] is expected"},
    {"{\"joins\": [\"a\"]}", "joins[0]: an object {…} is expected"},
    {"{\"joins\": [{\"table\": \"a\", \"columns\": [\"b\"], \"to\": \"c\", "
     "\"to_column\": [\"d\"]}]}",
     "joins[0].to_column: there is no such key; did you mean »to_columns«? " JOIN_KEYS},
    {"{\"joins\": [{\"table\": \"a\", \"columns\": [\"b\"], \"to_columns\": [\"d\"]}]}",
     "joins[0]: »to« is missing"},
    {"{\"joins\": [{\"table\": 1, \"columns\": [\"b\"], \"to\": \"c\", "
     "\"to_columns\": [\"d\"]}]}",
     "joins[0].table: the name of a table is expected"},
    {"{\"joins\": [{\"table\": \"a\", \"columns\": [1], \"to\": \"c\", "
     "\"to_columns\": [\"d\"]}]}",
     "joins[0].columns: a list of columns is expected, as in [\"customer_id\"]"},
    {"{\"joins\": [{\"table\": \"a\", \"columns\": [\"b\"], \"to\": \"c\", "
     "\"to_columns\": [\"d\", \"e\"]}]}",
     "joins[0]: columns and to_columns are not equally many"},
};

static void a_catalogues_errors_have_their_file_and_place(void **state)
{
    (void)state;
    write_text("a.conf", "[source.s]\ndriver = sqlite\npath = s.db\ncatalogue = c.json\n");
    for (size_t i = 0; i < sizeof bad_catalogues / sizeof *bad_catalogues; i++) {
        write_text("c.json", bad_catalogues[i].catalogue);
        FREE_CLEAN char *problems = load_bad();
        FREE_CLEAN char *expected = memory_format("c.json: %s\n", bad_catalogues[i].problem);
        assert_contains(problems, expected);
    }
    write_text("c.json", "{\"tabels\": {}, \"unlisted\": 1, \"tables\": {\"a\": []}}");
    FREE_CLEAN char *all = load_bad();
    assert_contains(all, "tabels: ");
    assert_contains(all, "unlisted: ");
    assert_contains(all, "tables.a: ");
}

static void a_plugins_settings_stay_raw_and_in_order(void **state)
{
    (void)state;
    CONF_CLEAN struct conf *conf = load_text(
        "[action.a]\nzeta = file:pw\nplugin = x\nalpha: a=b # c\nempty =\nquoted = \" q\"\n"
        "semi=;x\n[action.b]\nplugin = x\nzeta = 2\n");
    FREE_CLEAN char *path = path_of("a.conf");
    static const struct conf_setting expected[] = {{"zeta", "file:pw", NULL, 2},
                                                   {"alpha", "a=b # c", NULL, 4},
                                                   {"empty", "", NULL, 5},
                                                   {"quoted", "\" q\"", NULL, 6},
                                                   {"semi", ";x", NULL, 7}};
    const struct conf_action *action = &conf->actions[0];
    assert_int_equal(action->setting_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(action->settings[i].key, expected[i].key);
        assert_string_equal(action->settings[i].value, expected[i].value);
        assert_string_equal(action->settings[i].file, path);
        assert_int_equal(action->settings[i].line, expected[i].line);
    }
    assert_int_equal(conf->actions[1].setting_count, 1);
    assert_int_equal(conf->actions[1].line, 8);
}

static void relative_paths_count_from_the_file_that_names_them(void **state)
{
    (void)state;
    write_text("conf.d/b.conf", "[source.s]\ndriver = sqlite\npath = s.db\n");
    CONF_CLEAN struct conf *conf = load_text("[daemon]\ninclude = conf.d/*.conf\nstate_dir = st\n"
                                             "library_dir = lib\n[http]\nsocket = ../s\n");
    FREE_CLEAN char *state_dir = path_of("st");
    FREE_CLEAN char *plugin_dir = path_of("lib/plugins");
    FREE_CLEAN char *socket = path_of("../s");
    FREE_CLEAN char *database = path_of("conf.d/s.db");
    assert_string_equal(conf->daemon.state_dir, state_dir);
    assert_string_equal(conf->daemon.plugin_dir, plugin_dir);
    assert_string_equal(conf->http.socket, socket);
    assert_string_equal(conf->sources[0].path, database);
}

static void a_relative_configuration_gives_absolute_paths(void **state)
{
    (void)state;
    write_text("a.conf", "[daemon]\nstate_dir = st\n");
    FREE_CLEAN char *expected = path_of("st");
    FREE_CLEAN char *before = get_current_dir_name();
    assert_int_equal(chdir(folder), 0);
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    CONF_CLEAN struct conf *conf = conf_load("a.conf", &problems);
    assert_int_equal(chdir(before), 0);
    assert_non_null(conf);
    assert_string_equal(conf->daemon.state_dir, expected);
}

static void comments_byte_order_mark_and_other_line_ends_are_fine(void **state)
{
    (void)state;
    char comment[401] = {0};
    memset(comment, '#', 400);
    FREE_CLEAN char *text =
        memory_format("\xef\xbb\xbf[daemon] ; ours\r\n  # indented ; comment\r\n"
                      "%s\r\n; x\r\n \t\r\nuser\t=\tu \t\r\n[http]#x",
                      comment);
    CONF_CLEAN struct conf *conf = load_text(text);
    assert_string_equal(conf->daemon.user, "u");
}

static void a_line_of_199_bytes_is_whole_and_a_name_of_63_too(void **state)
{
    (void)state;
    char line[200];
    memset(line, 'x', 199);
    memcpy(line, "key=", 4);
    line[199] = '\0';
    char name[64];
    memset(name, 'n', 63);
    name[63] = '\0';
    FREE_CLEAN char *text = memory_format("[action.%s]\nplugin=p\n%s", name, line);
    CONF_CLEAN struct conf *conf = load_text(text);
    assert_string_equal(conf->actions[0].name, name);
    assert_int_equal(strlen(conf->actions[0].settings[0].value), 195);
}

static void daemon_and_http_may_be_spread_over_files(void **state)
{
    (void)state;
    write_text("conf.d/b.conf", "[daemon]\nuser = u\n[http]\nmax_body = 1MB\n");
    CONF_CLEAN struct conf *conf =
        load_text("[daemon]\ninclude = conf.d/*.conf\nsite_group = g\n[http]\nsocket = /s\n");
    assert_string_equal(conf->daemon.user, "u");
    assert_string_equal(conf->daemon.site_group, "g");
    assert_string_equal(conf->http.socket, "/s");
    assert_int_equal(conf->http.max_body_bytes, 1 << 20);
}

static void included_files_are_read_once_each_and_sorted(void **state)
{
    (void)state;
    write_text("conf.d/2.conf", "[action.two]\nplugin = p\n");
    write_text("conf.d/10.conf", "[action.ten]\nplugin = p\n");
    write_text("conf.d/1.conf", "[action.one]\nplugin = p\n");
    write_text("conf.d/ignored.txt", "nonsense\n");
    CONF_CLEAN struct conf *conf =
        load_text("[daemon]\ninclude = conf.d/*.conf\ninclude = conf.d/1*.conf\n"
                  "include = *.conf\ninclude = nowhere/*.conf\ninclude = conf.d/*.none\n"
                  "[action.zero]\nplugin = p\n");
    static const char *const names[] = {"zero", "one", "ten", "two"};
    assert_int_equal(conf->action_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(conf->actions[i].name, names[i]);
}

static void a_folder_with_special_letters_is_no_pattern(void **state)
{
    (void)state;
    write_text("x[1]*/conf.d/b.conf", "[action.b]\nplugin = p\n");
    write_text("x[1]*/a.conf", "[daemon]\ninclude = conf.d/*.conf\n");
    FREE_CLEAN char *path = path_of("x[1]*/a.conf");
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    CONF_CLEAN struct conf *conf = conf_load(path, &problems);
    assert_non_null(conf);
    assert_int_equal(conf->action_count, 1);
}

/* ---- what is wrong: one line of a.conf at a time, in a place where the rest is right ---- */

#define UNKNOWN_SECTIONS "Sections: [daemon], [http], [source.NAME] and [action.NAME]\n"
#define NO_LINE "the line is neither »[section]« nor »key = value« nor a comment (# or ;)\n"
#define CUT                                                                                        \
    "the value would be cut at »;« after a space; put a comment on a line of its own, and a "    \
    "secret into a file that you name by file:PATH\n"
#define INDENTED                                                                                   \
    "the line begins with a space, and there are no continuation lines; begin »key = value« at " \
    "the line's start\n"
#define NAME_FORM "expected are small letters, digits, - and _, a letter or digit first, at most 63"
#define DAEMON_KEYS                                                                                \
    "Keys: state_dir, user, site_group, library_dir, plugin_dir, log_level, stop_timeout, "        \
    "recovery_wait, include\n"

static const struct {
    const char *text, *problems;
} wrong[] = {
    /* what inih would swallow */
    {"[action.a]\nplugin = p\npassword = a ;b\n", "a.conf:3: " CUT},
    {"[action.a]\nplugin = p\npassword = a\t; b\n", "a.conf:3: " CUT},
    {"[action.a]\nplugin = p\npassword = ;b\n", "a.conf:3: " CUT},
    {"[action.a]\nplugin = p\npass ;word = b\n", "a.conf:3: " CUT},
    {"[action.a]\nplugin = p\nkey = v\n more\n", "a.conf:4: " INDENTED},
    {"[action.a]\nplugin = p\n\tkey = v\n", "a.conf:3: " INDENTED},
    {" [action.a]\n", "a.conf:1: " INDENTED},
    {"[action.a\nplugin = p\n",
     "a.conf:1: the section's heading has no »]«; write »[section]«\n"
     "a.conf:2: »plugin« stands before the first section; sections are [daemon], [http], "
     "[source.NAME] and [action.NAME]\n"},
    {"[daemon] user = u\n",
     "a.conf:1: nothing may stand behind a section's »]«; begin a new line\n"},
    {"[daemon]\nuser\n", "a.conf:2: " NO_LINE},
    {"[daemon]\n= u\n", "a.conf:2: there is no key before the »=«; write »key = value«\n"},
    {"[daemon]\nuser = \xff\n", "a.conf:2: the line is not UTF-8; save the file as UTF-8\n"},
    {"[daemon]\n# M\xfcller\n", "a.conf:2: the line is not UTF-8; save the file as UTF-8\n"},
    {"[daemon]\nuser = a\x01\n", "a.conf:2: the line holds a control character; delete it\n"},
    {"[daemon]\ruser = a\n", "a.conf:1: the line holds a control character; delete it\n"},
    /* sections */
    {"[Daemon]\nx = 1\n",
     "a.conf:1: there is no section [Daemon]. Did you mean [daemon]? " UNKNOWN_SECTIONS},
    {"[sorce.x]\n",
     "a.conf:1: there is no section [sorce.x]. Did you mean [source.NAME]? " UNKNOWN_SECTIONS},
    {"[action]\n",
     "a.conf:1: there is no section [action]. Did you mean [action.NAME]? " UNKNOWN_SECTIONS},
    {"[smtp]\n", "a.conf:1: there is no section [smtp]. " UNKNOWN_SECTIONS},
    {"[]\n", "a.conf:1: there is no section []. " UNKNOWN_SECTIONS},
    {"user = u\n", "a.conf:1: »user« stands before the first section; sections are [daemon], "
                   "[http], [source.NAME] and [action.NAME]\n"},
    {"[action.A b]\nplugin = p\n",
     "a.conf:1: »A b« is no name for action: " NAME_FORM ", as in [action.main]\n"},
    {"[source.]\npath = p\ndriver = sqlite\n",
     "a.conf:1: »« is no name for source: " NAME_FORM ", as in [source.main]\n"},
    {"[action.-a]\nplugin = p\n",
     "a.conf:1: »-a« is no name for action: " NAME_FORM ", as in [action.main]\n"},
    {"[action.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn]\nplugin = p\n",
     "a.conf:1: »nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn« is no name for "
     "action: " NAME_FORM ", as in [action.main]\n"},
    {"[action.a]\nplugin = p\n[source.a]\ndriver = sqlite\npath = p\n[action.a]\nplugin = q\n",
     "a.conf:6: there is a [action.a] already in a.conf:1; rename one of the two\n"},
    {"[source.a]\ndriver = sqlite\npath = p\n[source.a]\ndriver = sqlite\npath = p\n",
     "a.conf:4: there is a [source.a] already in a.conf:1; rename one of the two\n"},
    {"\n[source.a]\n", "a.conf:2: driver is missing: add »driver = …«, the kind of database\n"},
    {"\n[source.a]\ndriver = sqlite\n",
     "a.conf:2: path is missing: add »path = …«, the database file\n"},
    {"[source.a]\ndriver = postgres\n", "a.conf:1: connection is missing: add »connection = …«, as "
                                        "in »host=db.example.org dbname=shop "
                                        "user=campaignd«\n"},
    {"[source.a]\ndriver = odbc\n",
     "a.conf:1: connection is missing: add »connection = …«, as in »Driver=MariaDB;"
     "Server=db.example.org;Database=shop;Uid=campaignd«\n"},
    {"[source.a]\ndriver = postgres\nconnection = dbname=x\npath = x.db\n",
     "a.conf:4: the driver postgres takes no path; delete the line, or choose another driver\n"},
    {"[source.a]\ndriver = sqlite\npath = x.db\nconnection = dbname=x\n",
     "a.conf:4: the driver sqlite takes no connection; delete the line, or choose another "
     "driver\n"},
    {"[source.runs]\ndriver = sqlite\npath = x.db\n",
     "a.conf:1: the source »runs« is there already: it is campaignd's own, of its earlier runs; "
     "rename this one\n"},
    {"[source.imports]\ndriver = sqlite\npath = x.db\n",
     "a.conf:1: the source »imports« is there already: it is campaignd's own, of imported tables; "
     "rename this one\n"},
    {"[source.a]\ndriver = postgres\nconnection = dbname=x\npassword = plain\n",
     "a.conf:4: a secret must be given as file:PATH or credential:NAME\n"},
    {"[source.a]\ndriver = sqlite\npath = x.db\ncatalogue = nowhere.json\n",
     "a.conf:4: cannot open nowhere.json: No such file or directory\n"},
    {"[action.a]\nserver = s\n",
     "a.conf:1: plugin is missing: add »plugin = …«, the plugin, NAME for NAME.so\n"},
    /* keys */
    {"[daemon]\nstat_dir = /s\n",
     "a.conf:2: [daemon] has no key »stat_dir«. Did you mean »state_dir«? " DAEMON_KEYS},
    {"[daemon]\nUser = u\n",
     "a.conf:2: [daemon] has no key »User«. Did you mean »user«? " DAEMON_KEYS},
    {"[daemon]\nsocket = /s\n",
     "a.conf:2: [daemon] has no key »socket«. It belongs to [http]. " DAEMON_KEYS},
    {"[http]\nquux = 1\n",
     "a.conf:2: [http] has no key »quux«. Keys: socket, socket_group, sql_group, max_body\n"},
    {"[source.a]\ndriver = sqlite\npath = p\ntime = 5m\n",
     "a.conf:4: [source.NAME] has no key »time«. Did you mean »time_limit«? "
     "Keys: driver, path, connection, password, catalogue, time_limit, max_rows, label\n"},
    {"[daemon]\nuser = u\n[http]\n[daemon]\nuser = v\n",
     "a.conf:5: user was given already in a.conf:2; delete one of the two\n"},
    {"[action.a]\nplugin = p\nserver = s\nserver = t\n",
     "a.conf:4: server was given already in line 3; delete one of the two\n"},
    /* values */
    {"[daemon]\nuser =\n", "a.conf:2: user is empty; give a value, or delete the line\n"},
    {"[daemon]\nlog_level = loud\n",
     "a.conf:2: there is no log_level »loud«; log_levels: error, warning, notice, info, debug\n"},
    {"[daemon]\nstop_timeout = 30\n", "a.conf:2: »30« does not fit stop_timeout: expected is a "
                                      "time like 30s, 5m or 2h, from 0s to 1d\n"},
    {"[daemon]\nstop_timeout = 25h\n", "a.conf:2: »25h« does not fit stop_timeout: expected is a "
                                       "time like 30s, 5m or 2h, from 0s to 1d\n"},
    {"[http]\nmax_body = 2GB\n", "a.conf:2: »2GB« does not fit max_body: expected is a size like "
                                 "512KB, 16MB or 1GB, from 1KB to 1GB\n"},
    {"[source.a]\ndriver = oracle\npath = p\n",
     "a.conf:2: there is no driver »oracle«; drivers: sqlite, postgres, odbc\n"},
    {"[source.a]\ndriver = sqlite\npath = p\nmax_rows = 1e6\n",
     "a.conf:4: »1e6« does not fit max_rows: expected is a whole number, from 1 to 1000000000\n"},
    {"[action.a]\nplugin = p\nworkers = 65\n",
     "a.conf:3: »65« does not fit workers: expected is a whole number, from 1 to 64\n"},
    {"[action.a]\nplugin = p\nworkers = 0\n",
     "a.conf:3: »0« does not fit workers: expected is a whole number, from 1 to 64\n"},
    {"[action.a]\nplugin = p\ndurable_begin = maybe\n",
     "a.conf:3: »maybe« does not fit durable_begin: expected is yes or no\n"},
    {"[action.a]\nplugin = ../p\n", "a.conf:2: »../p« is no name for plugin: " NAME_FORM "\n"},
    {"[http]\nsocket = /123456789/123456789/123456789/123456789/123456789/123456789/123456789/"
     "123456789/123456789/123456789/1234567\n",
     "a.conf:2: socket is too long: /123456789/123456789/123456789/123456789/123456789/123456789/"
     "123456789/123456789/123456789/123456789/1234567 has 108 bytes, at most 107 are possible\n"},
    /* includes */
    {"[daemon]\ninclude = a.d/*\ninclude = a.d/*\n",
     "a.conf:3: »a.d/*« is included already in line 2; delete one of the two\n"},
    {"[daemon]\ninclude = b.conf\n",
     "a.conf:2: cannot include »b.conf«: there is no such file; create it, or delete the line\n"},
};

static void each_error_is_named_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_text("a.conf", wrong[i].text);
        FREE_CLEAN char *problems = load_bad();
        assert_string_equal(problems, wrong[i].problems);
    }
}

static void every_error_is_found_in_the_order_of_lines(void **state)
{
    (void)state;
    write_text("conf.d/b.conf", "[http]\nsockt = /s\n\n[daemon]\nuser = v\ninclude = x\n");
    write_text("a.conf", "[action.a]\nworkers = x\n[daemon]\nuser = u\ninclude = conf.d/*.conf\n"
                         "nonsense\n[what]\n[source.s]\ndriver = sqlite\n");
    FREE_CLEAN char *problems = load_bad();
    static const char *const begins[] = {
        "a.conf:1: plugin is missing",
        "a.conf:2: »x« does not fit workers",
        "a.conf:6: the line is neither",
        "a.conf:7: there is no section [what]",
        "a.conf:8: path is missing",
        "conf.d/b.conf:2: [http] has no key »sockt«",
        "conf.d/b.conf:5: user was given already in a.conf:4",
        "conf.d/b.conf:6: an included file cannot include others; move this line to a.conf\n",
    };
    const char *line = problems;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (!text_starts(line, begins[i]))
            fail_msg("expected »%s…«, got »%s«", begins[i], line);
        line = strchr(line, '\n') + 1;
    }
    assert_string_equal(line, "");
}

static void the_same_name_in_two_files_is_an_error_with_both_places(void **state)
{
    (void)state;
    write_text("conf.d/b.conf", "[action.a]\nplugin = p\n");
    write_text("conf.d/c.conf", "\n[action.a]\nplugin = p\n");
    write_text("a.conf", "[daemon]\ninclude = conf.d/*.conf\n");
    FREE_CLEAN char *problems = load_bad();
    assert_string_equal(problems, "conf.d/c.conf:2: there is a [action.a] already in "
                                  "conf.d/b.conf:1; rename one of the two\n");
}

static void a_line_of_200_bytes_is_refused(void **state)
{
    (void)state;
    char line[201];
    memset(line, 'x', 200);
    memcpy(line, "key=", 4);
    line[200] = '\0';
    FREE_CLEAN char *text = memory_format("[action.a]\nplugin=p\n%s\nuser\n", line);
    write_text("a.conf", text);
    FREE_CLEAN char *problems = load_bad();
    assert_string_equal(problems, "a.conf:3: the line is longer than 199 bytes; shorten it, or put "
                                  "the value into a file if its key takes file:PATH\n"
                                  "a.conf:4: " NO_LINE);
}

static void a_zero_byte_ends_the_reading(void **state)
{
    (void)state;
    static const char text[] = "[daemon]\nuser = a\0b\nnonsense\n";
    write_bytes("a.conf", text, sizeof text - 1);
    FREE_CLEAN char *problems = load_bad();
    assert_string_equal(problems, "a.conf:2: the file holds a zero byte and is read no further; "
                                  "save it as UTF-8 text\n");
}

static void a_plugins_setting_is_never_shown(void **state)
{
    (void)state;
    write_text("a.conf", "[action.a]\npassword = hunter2\npassword = hunter2 ;x\n"
                         "password = hunter2\nhunter2\n hunter2\n");
    FREE_CLEAN char *problems = load_bad();
    assert_null(strstr(problems, "hunter2"));
}

/* ---- files ---- */

static void what_cannot_be_read_is_an_error_of_the_whole_file(void **state)
{
    (void)state;
    FREE_CLEAN char *problems = load_bad();
    assert_string_equal(problems, "a.conf: cannot open the file: No such file or directory\n");

    write_text("a.conf", "[daemon]\ninclude = d/*\nuser = u\n");
    FREE_CLEAN char *sub = path_of("d/folder");
    FREE_CLEAN char *pipe = path_of("d/pipe");
    FREE_CLEAN char *dangling = path_of("d/dangling");
    assert_int_equal(file_make_folders(sub, 0700, NULL), 0);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    FREE_CLEAN char *more = load_bad();
    assert_string_equal(more, "d/dangling: cannot open the file: No such file or directory\n"
                              "d/folder: this is no regular file\n"
                              "d/pipe: this is no regular file\n");
}

/* Root may read all; these two look as somebody else. */
static void as_nobody(bool on)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(on ? 65534 : 0), 0);
}

static void an_unreadable_include_is_an_error(void **state)
{
    (void)state;
    write_text("a.conf", "[daemon]\ninclude = d/*\ninclude = shut/*\n");
    write_text("d/b.conf", "");
    write_text("shut/c.conf", "");
    FREE_CLEAN char *a = path_of("a.conf"), *d = path_of("d"), *shut = path_of("shut");
    FREE_CLEAN char *b = path_of("d/b.conf");
    assert_int_equal(
        chmod(folder, 0755) | chmod(a, 0644) | chmod(d, 0755) | chmod(b, 0) | chmod(shut, 0), 0);
    as_nobody(true);
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    struct conf *conf = conf_load(a, &problems);
    as_nobody(false);
    chmod(shut, 0700);
    assert_null(conf);
    FREE_CLEAN char *text = problems_text(&problems);
    assert_string_equal(text, "d/b.conf: cannot open the file: Permission denied\n"
                              "a.conf:3: cannot include »shut/*«: its folder cannot be read; check "
                              "its permissions\n");
}

static void size_and_number_of_files_are_bounded(void **state)
{
    (void)state;
    FREE_CLEAN char *big = memory_array(CONF_FILE_MAX + 2, 1);
    memset(big, '#', CONF_FILE_MAX);
    write_bytes("a.conf", big, CONF_FILE_MAX);
    conf_free(load_good());
    big[CONF_FILE_MAX] = '\n';
    write_bytes("a.conf", big, CONF_FILE_MAX + 1);
    FREE_CLEAN char *problems = load_bad();
    assert_string_equal(problems, "a.conf: the file is larger than the limit of 1048576 bytes\n");

    for (int i = 1; i < CONF_FILES_MAX; i++) {
        FREE_CLEAN char *name = memory_format("d/%d.conf", i);
        write_text(name, "");
    }
    conf_free(load_text("[daemon]\ninclude = d/*.conf\n"));
    write_text("d/100.conf", "");
    FREE_CLEAN char *more = load_bad();
    assert_string_equal(more, "a.conf:2: cannot include »d/*.conf«: more than 100 files; put some "
                              "of them into one\n");
}

static void sections_settings_and_problems_are_bounded(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer text = {0};
    for (int i = 0; i <= CONF_SECTIONS_MAX; i++)
        buffer_printf(&text, "[action.a%d]\nplugin=p\n", i);
    write_text("a.conf", text.data);
    FREE_CLEAN char *sections = load_bad();
    assert_string_equal(sections, "a.conf:2001: more than 1000 sections [action.NAME]\n");

    buffer_clear(&text);
    buffer_text(&text, "[action.a]\nplugin=p\n");
    for (int i = 0; i <= CONF_SETTINGS_MAX; i++)
        buffer_printf(&text, "k%d=v\n", i);
    write_text("a.conf", text.data);
    FREE_CLEAN char *settings = load_bad();
    assert_string_equal(settings, "a.conf:203: more than 200 settings in one section\n");

    buffer_clear(&text);
    for (int i = 0; i < 1000; i++)
        buffer_text(&text, "nonsense\n");
    write_text("a.conf", text.data);
    FREE_CLEAN char *problems = load_bad();
    assert_contains(problems, "a.conf:200: ");
    assert_null(strstr(problems, "a.conf:201: "));
    assert_contains(problems,
                    "a.conf: there are more problems than can be listed; mend these first\n");
}

/* ---- secrets ---- */

/* The secret of `value` as named in a.conf, or the error's message with the folder left out. */
static char *secret(const char *value)
{
    FREE_CLEAN char *from = path_of("a.conf");
    struct buffer out = {0};
    struct error error;
    buffer_text(&out, "<");
    if (conf_secret(value, from, &out, &error) == 0) {
        buffer_text(&out, ">");
        return buffer_steal(&out);
    }
    assert_string_equal(out.data, "<");
    assert_int_equal(out.size, 1);
    buffer_free(&out);
    assert_null(strstr(error.message, "hunter2"));
    return memory_text(error.message);
}

static void assert_secret(const char *value, const char *expected)
{
    FREE_CLEAN char *got = secret(value);
    assert_string_equal(got, expected);
}

static void assert_no_secret(const char *value, const char *part)
{
    FREE_CLEAN char *got = secret(value);
    assert_contains(got, part);
}

static void a_secret_is_read_from_its_file(void **state)
{
    (void)state;
    write_text("pw", "hunter2 ;x\n");
    assert_secret("file:pw", "<hunter2 ;x>");
    FREE_CLEAN char *absolute = path_of("pw");
    FREE_CLEAN char *value = memory_format("file:%s", absolute);
    assert_secret(value, "<hunter2 ;x>");
    write_text("pw", "hunter2\n\n");
    assert_secret("file:pw", "<hunter2\n>");
    write_text("pw", "hunter2\r\n");
    assert_secret("file:pw", "<hunter2>");
    write_text("pw", "hunter2\r");
    assert_secret("file:pw", "<hunter2\r>");
    assert_int_equal(chmod(absolute, 0640), 0);
    assert_secret("file:pw", "<hunter2\r>");
}

static void a_secret_that_is_not_safe_is_refused(void **state)
{
    (void)state;
    assert_no_secret("hunter2", "a secret must be given as file:PATH or credential:NAME");
    assert_no_secret("", "a secret must be given as file:PATH or credential:NAME");
    assert_no_secret("file:", "names no file");
    assert_no_secret("file:nowhere", "/nowhere: No such file or directory");
    assert_no_secret("file:.", "is no regular file");
    write_text("pw", "hunter2\n");
    FREE_CLEAN char *path = path_of("pw");
    assert_int_equal(chmod(path, 0604), 0);
    assert_no_secret("file:pw", "is open to everybody; run chmod o= ");
    assert_int_equal(chmod(path, 0600), 0);
    write_text("pw", "\n");
    assert_no_secret("file:pw", "is empty");
    write_bytes("pw", "hunter2\0x", 9);
    assert_no_secret("file:pw", "holds a zero byte");
    FREE_CLEAN char *big = memory_array(CONF_SECRET_MAX + 2, 1);
    memset(big, 'x', CONF_SECRET_MAX + 1);
    write_bytes("pw", big, CONF_SECRET_MAX);
    FREE_CLEAN char *whole = secret("file:pw");
    assert_int_equal(strlen(whole), CONF_SECRET_MAX + 2);
    write_bytes("pw", big, CONF_SECRET_MAX + 1);
    assert_no_secret("file:pw", "is larger than 64 KB");
}

static void a_credential_is_read_from_systemds_folder(void **state)
{
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_no_secret("credential:smtp", "LoadCredential=smtp:PATH");
    FREE_CLEAN char *credentials = path_of("cred");
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);
    write_text("cred/smtp", "hunter2\n");
    write_text("outside", "hunter2\n");
    assert_secret("credential:smtp", "<hunter2>");
    assert_no_secret("credential:imap", "cred/imap: No such file or directory");
    assert_no_secret("credential:../outside", "takes the name of one credential");
    assert_no_secret("credential:..", "takes the name of one credential");
    assert_no_secret("credential:", "takes the name of one credential");
    unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- the manual ---- */

/* The part of `text` from the line `begin` to the next line that begins with `end`; or NULL. */
static char *part_of(const char *text, const char *begin, const char *end)
{
    const char *start = strstr(text, begin);
    if (!start)
        return NULL;
    start += strlen(begin);
    const char *stop = strstr(start, end);
    return memory_text_n(start, stop ? (size_t)(stop - start) : strlen(start));
}

static void check_manual_of(const struct conf_key *key, const char *manual)
{
    FREE_CLEAN char *title = memory_format("\n.Ss %s\n", conf_scope_title(key->scope));
    FREE_CLEAN char *item = memory_format("\n.It Ic %s No = ", key->name);
    FREE_CLEAN char *section = part_of(manual, title, "\n.S");
    FREE_CLEAN char *entry = section ? part_of(section, item, "\n.It") : NULL;
    if (!entry)
        fail_msg("the manual lacks %s of %s", key->name, conf_scope_title(key->scope));
    bool told_otherwise = strcmp(key->name, "library_dir") == 0 ||
                          strcmp(key->name, "plugin_dir") == 0; /* depend on something else */
    FREE_CLEAN char *standard =
        told_otherwise  ? memory_text("\nDefault:")
        : key->required ? memory_text("\nRequired.")
                        : memory_format("\nDefault: %s", key->standard ? key->standard : "none");
    const char *found = strstr(entry, standard);
    if (!found || (!told_otherwise && found[strlen(standard)] > '\n'))
        fail_msg("the manual does not say »%s« for %s", standard + 1, key->name);
}

static void the_manual_tells_every_key_and_its_default(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer manual = {0};
    struct error error = {0};
    if (file_read("docs/man/campaignd.conf.5", 1 << 20, &manual, &error) != 0)
        fail_msg("%s (run from the top folder)", error.message);
    size_t told = 0;
    for (const char *c = manual.data; (c = strstr(c, "\n.It Ic ")); c++)
        told++;
    assert_int_equal(told, conf_key_count);
    for (size_t i = 0; i < conf_key_count; i++)
        check_manual_of(&conf_keys[i], manual.data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_gives_all_defaults),
        TEST(a_source_and_an_action_have_defaults),
        TEST(every_key_is_taken),
        TEST(a_server_is_reached_by_connection_and_password),
        TEST(a_connection_that_holds_a_password_is_refused),
        TEST(a_catalogue_is_read_from_its_file),
        TEST(a_catalogues_errors_have_their_file_and_place),
        TEST(a_plugins_settings_stay_raw_and_in_order),
        TEST(relative_paths_count_from_the_file_that_names_them),
        TEST(a_relative_configuration_gives_absolute_paths),
        TEST(comments_byte_order_mark_and_other_line_ends_are_fine),
        TEST(a_line_of_199_bytes_is_whole_and_a_name_of_63_too),
        TEST(daemon_and_http_may_be_spread_over_files),
        TEST(included_files_are_read_once_each_and_sorted),
        TEST(a_folder_with_special_letters_is_no_pattern),
        TEST(each_error_is_named_with_its_line),
        TEST(every_error_is_found_in_the_order_of_lines),
        TEST(the_same_name_in_two_files_is_an_error_with_both_places),
        TEST(a_line_of_200_bytes_is_refused),
        TEST(a_zero_byte_ends_the_reading),
        TEST(a_plugins_setting_is_never_shown),
        TEST(what_cannot_be_read_is_an_error_of_the_whole_file),
        TEST(an_unreadable_include_is_an_error),
        TEST(size_and_number_of_files_are_bounded),
        TEST(sections_settings_and_problems_are_bounded),
        TEST(a_secret_is_read_from_its_file),
        TEST(a_secret_that_is_not_safe_is_refused),
        TEST(a_credential_is_read_from_systemds_folder),
        TEST(the_manual_tells_every_key_and_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
