#include "conf/sources.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "conf/catalogue.h"
#include "conf/keys.h"
#include "conf/problems.h"

/* A key that only some drivers know. */
struct driver_key {
    const char *name;
    bool fits[CONF_DRIVER_ODBC + 1];
    const char *missing[CONF_DRIVER_ODBC + 1]; /* it must be there: what it is; NULL: it need not */
};

static const struct driver_key driver_keys[] = {
    {"path", .fits = {[CONF_DRIVER_SQLITE] = true},
     .missing = {[CONF_DRIVER_SQLITE] = "the database file"}},
    {"connection", .fits = {[CONF_DRIVER_POSTGRES] = true, [CONF_DRIVER_ODBC] = true},
     .missing = {[CONF_DRIVER_POSTGRES] = "as in »host=db.example.org dbname=shop user=campaignd«",
                 [CONF_DRIVER_ODBC] = "as in »Driver=MariaDB;Server=db.example.org;Database=shop;"
                                      "Uid=campaignd«"}},
    {"password", .fits = {[CONF_DRIVER_POSTGRES] = true, [CONF_DRIVER_ODBC] = true}},
};

const char *conf_driver_name(enum conf_driver driver)
{
    const struct conf_key *key = conf_key_find(CONF_SOURCE, "driver");
    return driver == CONF_DRIVER_NONE ? "" : key->choices[driver - CONF_DRIVER_SQLITE];
}

struct check {
    struct conf_source *source;
    const char *shown;
    int begun;
    const int *lines;
    struct conf_problems *problems;
};

#define SOURCE_PROBLEM(check, line, ...)                                                           \
    conf_problems_add((check)->problems, (check)->shown, line, __VA_ARGS__)

static int line_of(const struct check *check, const char *key)
{
    return check->lines[conf_key_find(CONF_SOURCE, key) - conf_keys];
}

static void check_driver_keys(const struct check *check)
{
    enum conf_driver driver = check->source->driver;
    for (size_t i = 0; i < sizeof driver_keys / sizeof *driver_keys; i++) {
        const struct driver_key *key = &driver_keys[i];
        int line = line_of(check, key->name);
        if (line && !key->fits[driver])
            SOURCE_PROBLEM(check, line,
                           "the driver %s takes no %s; delete the line, or choose another driver",
                           conf_driver_name(driver), key->name);
        else if (!line && key->missing[driver])
            SOURCE_PROBLEM(check, check->begun, "%s is missing: add »%s = …«, %s", key->name,
                           key->name, key->missing[driver]);
    }
}

static void check_built_in(const struct check *check)
{
#ifndef WITH_POSTGRES
    if (check->source->driver == CONF_DRIVER_POSTGRES)
        SOURCE_PROBLEM(check, line_of(check, "driver"),
                       "the driver postgres is not in this build; build with WITH_POSTGRES=yes");
#endif
#ifndef WITH_ODBC
    if (check->source->driver == CONF_DRIVER_ODBC)
        SOURCE_PROBLEM(check, line_of(check, "driver"),
                       "the driver odbc is not in this build; build with WITH_ODBC=yes");
#endif
    (void)check;
}

/* Does a word of it, up to a »=«, say that a password follows? It may stand in a conninfo, a URI or
 * an ODBC connection string: what comes before the word is a beginning, a blank, »;«, »?« or »&«. */
static bool names_password(const char *connection)
{
    static const char *const words[] = {"password", "pwd", "sslpassword", "passphrase"};
    for (const char *c = connection; *c; c++) {
        if (c > connection && !strchr(" \t;?&", c[-1]))
            continue;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            size_t length = strlen(words[i]);
            if (strncasecmp(c, words[i], length) == 0 &&
                c[length + strspn(c + length, " \t")] == '=')
                return true;
        }
    }
    return false;
}

/* postgresql://user:password@host/ */
static bool uri_holds_password(const char *connection)
{
    const char *authority = strstr(connection, "://");
    if (!authority || (strncmp(connection, "postgres://", 11) != 0 &&
                       strncmp(connection, "postgresql://", 13) != 0))
        return false;
    authority += 3;
    const char *at = memchr(authority, '@', strcspn(authority, "/?#"));
    return at && memchr(authority, ':', (size_t)(at - authority));
}

static void check_connection(const struct check *check)
{
    const char *connection = check->source->connection;
    if (connection && (names_password(connection) || uri_holds_password(connection)))
        SOURCE_PROBLEM(check, line_of(check, "connection"),
                       "the connection holds a password, which would be seen in messages; put it "
                       "into a file and name that by »password = file:PATH«");
}

static void check_taken_name(const struct check *check)
{
    const char *name = check->source->name;
    if (strcmp(name, "runs") == 0)
        SOURCE_PROBLEM(check, check->begun,
                       "the source »runs« is there already: it is campaignd's own, of its earlier "
                       "runs; rename this one");
    if (strcmp(name, "imports") == 0)
        SOURCE_PROBLEM(check, check->begun,
                       "the source »imports« is there already: it is campaignd's own, of imported "
                       "tables; rename this one");
}

/* It travels to the reader in JSON. */
static void check_password(const struct check *check)
{
    const char *password = check->source->password;
    if (password && !text_is_utf8(password, strlen(password)))
        SOURCE_PROBLEM(check, line_of(check, "password"),
                       "the password is not UTF-8; save its file as UTF-8");
}

static void load_catalogue(const struct check *check)
{
    struct conf_source *source = check->source;
    BUFFER_CLEAN struct buffer text = {0};
    struct error error;
    json_error_t wrong;
    if (file_read(source->catalogue_file, CONF_FILE_MAX, &text, &error) != 0) {
        SOURCE_PROBLEM(check, line_of(check, "catalogue"), "%s", error.message);
        return;
    }
    source->catalogue = json_loadb(buffer_string(&text), text.size, JSON_REJECT_DUPLICATES, &wrong);
    if (!source->catalogue)
        conf_problems_add(check->problems, source->catalogue_file, wrong.line > 0 ? wrong.line : 1,
                          "this is not JSON: %s", wrong.text);
    else if (!json_is_object(source->catalogue))
        conf_problems_add(check->problems, source->catalogue_file, 1,
                          "a catalogue is one JSON object, as in {\"tables\": {…}}");
    else
        conf_catalogue_check(source->catalogue, source->catalogue_file, check->problems);
}

void conf_source_check(struct conf_source *source, const char *shown, int begun, const int *lines,
                       struct conf_problems *problems)
{
    struct check check = {source, shown, begun, lines, problems};
    check_taken_name(&check);
    if (source->driver != CONF_DRIVER_NONE) {
        check_driver_keys(&check);
        check_built_in(&check);
    }
    check_connection(&check);
    check_password(&check);
    if (source->catalogue_file)
        load_catalogue(&check);
}

void conf_source_forget(struct conf_source *source)
{
    if (source->password)
        memory_wipe((char *)source->password, strlen(source->password));
    json_decref(source->catalogue);
}
