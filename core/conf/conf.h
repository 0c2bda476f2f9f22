/*
 * The configuration: an INI file and what it includes, read into one checked struct.
 *
 * conf_load() reads all and reports every error it finds, each with its file and line, so that an
 * admin mends them in one go. A configuration with an error is none: there is no half one. All
 * values are checked, all defaults filled in, all paths absolute, all times in microseconds and all
 * sizes in bytes. What stands in an action's section beside our own keys is its plugin's: kept raw,
 * in the order of the file, and checked by a worker against the plugin's own table.
 *
 * keys.h holds the one table that the parser, the manual's test and these structs agree on.
 */
#ifndef CAMPAIGND_CONF_CONF_H
#define CAMPAIGND_CONF_CONF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"

/* Bounds of what is read. */
#define CONF_FILE_MAX (1024 * 1024) /* bytes of one file */
#define CONF_FILES_MAX 100          /* files, included ones and the first */
#define CONF_SECTIONS_MAX 1000      /* sources, and as many actions */
#define CONF_SETTINGS_MAX 200       /* of one action */
#define CONF_PROBLEMS_MAX 200       /* reported at once */
#define CONF_SECRET_MAX (64 * 1024) /* bytes of a secret */

/* ---- what is wrong ---- */

struct conf_problem {
    char *file; /* as it was named */
    int line;   /* from 1; 0: the file as a whole */
    char
        *message; /* what is wrong and what would be right; never the value of a plugin's setting */
};

/* Begin with `struct conf_problems problems = {0}`. In the order of files and lines. */
struct conf_problems {
    struct conf_problem *items;
    size_t count;
};

void conf_problems_free(struct conf_problems *problems); /* and set to empty */
#define CONF_PROBLEMS_CLEAN __attribute__((cleanup(conf_problems_free)))

/* One problem, »FILE:LINE: message« or »FILE: message«, appended to `out` without a newline. */
void conf_problem_text(const struct conf_problem *problem, struct buffer *out);

/* ---- what is configured. All texts live as long as the struct conf. ---- */

struct conf_daemon {
    const char *state_dir;
    const char *user;       /* NULL: go on as who we are */
    const char *site_group; /* of the definitions' folder; NULL: none */
    const char *library_dir;
    const char *plugin_dir;
    enum log_level log_level;
    int64_t stop_timeout_us;  /* how long begun deliveries may take when we stop */
    int64_t recovery_wait_us; /* how long a log's former owner may live before it is ended */
};

struct conf_http {
    const char *socket;
    const char *socket_group; /* NULL: none */
    const char *sql_group;    /* whose members may write SQL, too; NULL: only root and our user */
    int64_t max_body_bytes;
};

enum conf_driver { CONF_DRIVER_NONE, CONF_DRIVER_SQLITE, CONF_DRIVER_POSTGRES, CONF_DRIVER_ODBC };

/* As it is written: "sqlite", …; "" for none. */
const char *conf_driver_name(enum conf_driver driver);

struct conf_source {
    const char *name;
    const char *label; /* NULL: none */
    const char *file;  /* where its section stands: absolute path, line */
    int line;
    enum conf_driver driver;
    const char *path;           /* sqlite: the database file; NULL: another driver */
    const char *connection;     /* the others: how to reach the server; holds no password */
    const char *password;       /* itself, wiped by conf_free; NULL: none */
    const char *catalogue_file; /* absolute; NULL: none */
    json_t *catalogue;          /* what stands in it, an object; NULL: none */
    int64_t time_limit_us;
    int64_t max_rows;
};

struct conf_setting {
    const char *key;
    const char *value; /* as it stands; may be "", or »file:PATH« or »credential:NAME« */
    const char *file;  /* absolute: relative paths in `value` count from it (file_resolve) */
    int line;
};

struct conf_action {
    const char *name;
    const char *label; /* NULL: none */
    const char *file;  /* where its section stands: absolute path, line */
    int line;
    const char *plugin; /* NAME of plugin_dir/NAME.so */
    int64_t workers;
    bool durable_begin;
    int64_t retry_after_us; /* the first pause of a deferred task; each further one doubles */
    int64_t give_up_after_us;
    struct conf_setting *settings;
    size_t setting_count;
};

struct conf {
    const char *file; /* the first file: absolute path */
    struct conf_daemon daemon;
    struct conf_http http;
    struct conf_source *sources; /* in the order of the files */
    size_t source_count;
    struct conf_action *actions;
    size_t action_count;
    struct arena *texts; /* private */
};

/*
 * Read the file PATH and those it includes. Returns a struct for conf_free(), and `problems` stays
 * empty; or NULL, and `problems` (empty at the call) holds at least one.
 */
struct conf *conf_load(const char *path, struct conf_problems *problems);
void conf_free(struct conf *conf); /* NULL is fine */

/* By name; NULL: there is none. */
const struct conf_source *conf_source(const struct conf *conf, const char *name);
const struct conf_action *conf_action(const struct conf *conf, const char *name);

/* ---- secrets ---- */

/*
 * Append the secret that `value` names to `out`: »file:PATH« (PATH counts from the file
 * `from_file`; a regular file that others may not read) or »credential:NAME« (of systemd's
 * $CREDENTIALS_DIRECTORY). At most CONF_SECRET_MAX bytes without a zero byte; one newline at the
 * end is not part of it. A secret that stands there in plain is refused. 0, or -1 with a message
 * that holds neither the secret nor a plain value, and `out` as it was. The caller wipes
 * (memory_wipe) what it got.
 */
int conf_secret(const char *value, const char *from_file, struct buffer *out, struct error *error);

#endif
