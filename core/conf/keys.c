#include "conf/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "conf/conf.h"

#define MILLISECOND INT64_C(1000)
#define SECOND (1000 * MILLISECOND)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)
#define KB INT64_C(1024)
#define GB (KB * KB * KB)

#define PATH_MOST 4095
#define SOCKET_PATH_MOST 107 /* sun_path of unix(7), with its zero byte */

static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const drivers[] = {"sqlite", "postgres", "odbc", NULL};

#define AT_DAEMON(field) .scope = CONF_DAEMON, .offset = offsetof(struct conf_daemon, field)
#define AT_HTTP(field) .scope = CONF_HTTP, .offset = offsetof(struct conf_http, field)
#define AT_SOURCE(field) .scope = CONF_SOURCE, .offset = offsetof(struct conf_source, field)
#define AT_ACTION(field) .scope = CONF_ACTION, .offset = offsetof(struct conf_action, field)

/* clang-format off */
const struct conf_key conf_keys[] = {
    {AT_DAEMON(state_dir), .name = "state_dir", .type = CONF_PATH, .most = PATH_MOST,
     .standard = "/var/lib/campaignd", .help = "the folder of all that campaignd keeps"},
    {AT_DAEMON(user), .name = "user", .type = CONF_TEXT,
     .help = "the user to become when started as root"},
    {AT_DAEMON(site_group), .name = "site_group", .type = CONF_TEXT,
     .help = "the group that may write definitions"},
    {AT_DAEMON(library_dir), .name = "library_dir", .type = CONF_PATH, .most = PATH_MOST,
     .standard = CAMPAIGND_LIBRARY_DIR, .help = "the folder of letter.so"},
    {AT_DAEMON(plugin_dir), .name = "plugin_dir", .type = CONF_PATH, .most = PATH_MOST,
     .help = "the folder of the plugins"},
    {AT_DAEMON(log_level), .name = "log_level", .type = CONF_CHOICE, .choices = levels,
     .least = LOG_LEVEL_ERROR, .standard = "info", .help = "the least urgent messages to log"},
    {AT_DAEMON(stop_timeout_us), .name = "stop_timeout", .type = CONF_DURATION, .least = 0,
     .most = DAY, .standard = "30s", .help = "how long begun deliveries may take at stop"},
    {AT_DAEMON(recovery_wait_us), .name = "recovery_wait", .type = CONF_DURATION, .least = 0,
     .most = DAY, .standard = "10s",
     .help = "how long a log's former worker may live before it is ended"},
    {.scope = CONF_DAEMON, .name = "include", .type = CONF_INCLUDE,
     .help = "a pattern of further files"},

    {AT_HTTP(socket), .name = "socket", .type = CONF_PATH, .most = SOCKET_PATH_MOST,
     .standard = "/run/campaignd/campaignd.sock", .help = "the unix socket of the API"},
    {AT_HTTP(socket_group), .name = "socket_group", .type = CONF_TEXT,
     .help = "the group that may use the socket"},
    {AT_HTTP(sql_group), .name = "sql_group", .type = CONF_TEXT,
     .help = "the group that may write SQL"},
    {AT_HTTP(max_body_bytes), .name = "max_body", .type = CONF_SIZE, .least = KB, .most = GB,
     .standard = "16MB", .help = "the largest request body"},

    {AT_SOURCE(driver), .name = "driver", .type = CONF_CHOICE, .choices = drivers,
     .least = CONF_DRIVER_SQLITE, .required = true, .help = "the kind of database"},
    {AT_SOURCE(path), .name = "path", .type = CONF_PATH, .most = PATH_MOST,
     .help = "the database file"},
    {AT_SOURCE(connection), .name = "connection", .type = CONF_TEXT,
     .help = "how to reach the server"},
    {AT_SOURCE(password), .name = "password", .type = CONF_SECRET,
     .help = "where the server's password is: file:PATH or credential:NAME"},
    {AT_SOURCE(catalogue_file), .name = "catalogue", .type = CONF_PATH, .most = PATH_MOST,
     .help = "a file that says what of it clerks see"},
    {AT_SOURCE(time_limit_us), .name = "time_limit", .type = CONF_DURATION, .least = MILLISECOND,
     .most = 7 * DAY, .standard = "5m", .help = "how long one query may take"},
    {AT_SOURCE(max_rows), .name = "max_rows", .type = CONF_INTEGER, .least = 1,
     .most = 1000000000, .standard = "10000000", .help = "how many rows one query may deliver"},
    {AT_SOURCE(label), .name = "label", .type = CONF_TEXT, .help = "the name that clerks see"},

    {AT_ACTION(plugin), .name = "plugin", .type = CONF_NAME, .required = true,
     .help = "the plugin, NAME for NAME.so"},
    {AT_ACTION(workers), .name = "workers", .type = CONF_INTEGER, .least = 1, .most = 64,
     .standard = "1", .help = "how many processes work on it"},
    {AT_ACTION(durable_begin), .name = "durable_begin", .type = CONF_BOOLEAN, .standard = "yes",
     .help = "whether a delivery waits until its begin is on the disk"},
    {AT_ACTION(retry_after_us), .name = "retry_after", .type = CONF_DURATION, .least = MILLISECOND,
     .most = DAY, .standard = "1m", .help = "the pause before a delivery is tried again"},
    {AT_ACTION(give_up_after_us), .name = "give_up_after", .type = CONF_DURATION, .least = 0,
     .most = 30 * DAY, .standard = "4h", .help = "how long a delivery is tried again"},
    {AT_ACTION(label), .name = "label", .type = CONF_TEXT, .help = "the name that clerks see"},
};
/* clang-format on */
const size_t conf_key_count = sizeof conf_keys / sizeof *conf_keys;
_Static_assert(sizeof conf_keys / sizeof *conf_keys <= CONF_KEYS_MAX, "raise CONF_KEYS_MAX");

const char *conf_scope_title(enum conf_scope scope)
{
    static const char *const titles[] = {
        [CONF_DAEMON] = "[daemon]",
        [CONF_HTTP] = "[http]",
        [CONF_SOURCE] = "[source.NAME]",
        [CONF_ACTION] = "[action.NAME]",
    };
    return titles[scope];
}

const struct conf_key *conf_key_find(enum conf_scope scope, const char *name)
{
    for (size_t i = 0; i < conf_key_count; i++)
        if (conf_keys[i].scope == scope && strcmp(conf_keys[i].name, name) == 0)
            return &conf_keys[i];
    return NULL;
}

bool conf_name_is_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return length >= 1 && length <= 63 && !name[length] && *name != '_' && *name != '-';
}

struct unit {
    int64_t factor;
    const char *name;
};

/* As a person would write it: in the largest unit that divides it. Tables end with factor 1. */
static void put_amount(struct buffer *out, int64_t amount, const struct unit *units)
{
    while (amount % units->factor)
        units++;
    buffer_printf(out, "%lld%s", (long long)(amount / units->factor), units->name);
}

static void put_bound(struct buffer *out, enum conf_type type, int64_t bound)
{
    static const struct unit none[] = {{1, ""}};
    static const struct unit times[] = {{DAY, "d"},    {60 * MINUTE, "h"},  {MINUTE, "m"},
                                        {SECOND, "s"}, {MILLISECOND, "ms"}, {1, "us"}};
    static const struct unit sizes[] = {{GB, "GB"}, {KB * KB, "MB"}, {KB, "KB"}, {1, "B"}};
    if (type == CONF_DURATION && bound == 0)
        buffer_text(out, "0s");
    else
        put_amount(out, bound, type == CONF_DURATION ? times : type == CONF_SIZE ? sizes : none);
}

/* "expected is a time like 30s, 5m or 2h, from 1s to 7d" */
static int refuse_amount(const struct conf_key *key, const char *value, struct error *error)
{
    const char *form = key->type == CONF_DURATION ? "a time like 30s, 5m or 2h"
                       : key->type == CONF_SIZE   ? "a size like 512KB, 16MB or 1GB"
                                                  : "a whole number";
    BUFFER_CLEAN struct buffer bounds = {0};
    buffer_text(&bounds, "from ");
    put_bound(&bounds, key->type, key->least);
    buffer_text(&bounds, " to ");
    put_bound(&bounds, key->type, key->most);
    return error_set(error, ERROR_INPUT, "»%s« does not fit %s: expected is %s, %s", value,
                     key->name, form, bounds.data);
}

static int set_amount(const struct conf_key *key, const char *value, int64_t *target,
                      struct error *error)
{
    int64_t amount;
    int bad = key->type == CONF_DURATION ? text_to_duration_us(value, &amount)
              : key->type == CONF_SIZE   ? text_to_size(value, &amount)
                                         : text_to_int64(value, &amount);
    if (bad || amount < key->least || amount > key->most)
        return refuse_amount(key, value, error);
    *target = amount;
    return 0;
}

static int set_boolean(const struct conf_key *key, const char *value, bool *target,
                       struct error *error)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(value, words[i]) == 0) {
            *target = i % 2;
            return 0;
        }
    }
    return error_set(error, ERROR_INPUT, "»%s« does not fit %s: expected is yes or no", value,
                     key->name);
}

static int set_choice(const struct conf_key *key, const char *value, int *target,
                      struct error *error)
{
    BUFFER_CLEAN struct buffer known = {0};
    for (int i = 0; key->choices[i]; i++) {
        if (strcmp(value, key->choices[i]) == 0) {
            *target = (int)key->least + i;
            return 0;
        }
        buffer_printf(&known, "%s%s", i ? ", " : "", key->choices[i]);
    }
    return error_set(error, ERROR_INPUT, "there is no %s »%s«; %ss: %s", key->name, value,
                     key->name, known.data);
}

static int set_path(const struct conf_key *key, const char *value, const char *from,
                    const char **target, struct arena *arena, struct error *error)
{
    FREE_CLEAN char *path = file_resolve(from, value);
    size_t length = strlen(path);
    if (length > (size_t)key->most)
        return error_set(error, ERROR_INPUT,
                         "%s is too long: %s has %zu bytes, at most %lld are possible", key->name,
                         path, length, (long long)key->most);
    *target = arena_text(arena, path);
    return 0;
}

static int set_name(const struct conf_key *key, const char *value, const char **target,
                    struct arena *arena, struct error *error)
{
    if (!conf_name_is_valid(value))
        return error_set(error, ERROR_INPUT,
                         "»%s« is no name for %s: expected are small letters, digits, - and _, "
                         "a letter or digit first, at most 63",
                         value, key->name);
    *target = arena_text(arena, value);
    return 0;
}

static int set_secret(const char *value, const char *from, const char **target, struct arena *arena,
                      struct error *error)
{
    BUFFER_CLEAN struct buffer secret = {0};
    if (conf_secret(value, from, &secret, error) != 0)
        return -1;
    *target = arena_text_n(arena, secret.data, secret.size);
    memory_wipe(secret.data, secret.capacity);
    return 0;
}

int conf_key_set(const struct conf_key *key, const char *value, const char *from, void *target,
                 struct arena *arena, struct error *error)
{
    void *field = (char *)target + key->offset;
    if (!*value)
        return error_set(error, ERROR_INPUT, "%s is empty; give a value, or delete the line",
                         key->name);
    switch (key->type) {
    case CONF_TEXT:
        *(const char **)field = arena_text(arena, value);
        return 0;
    case CONF_NAME:
        return set_name(key, value, field, arena, error);
    case CONF_PATH:
        return set_path(key, value, from, field, arena, error);
    case CONF_INTEGER:
    case CONF_DURATION:
    case CONF_SIZE:
        return set_amount(key, value, field, error);
    case CONF_BOOLEAN:
        return set_boolean(key, value, field, error);
    case CONF_CHOICE:
        return set_choice(key, value, field, error);
    case CONF_SECRET:
        return set_secret(value, from, field, arena, error);
    case CONF_INCLUDE:
        return 0;
    }
    return error_set(error, ERROR_INTERNAL, "the key %s has no type", key->name);
}
