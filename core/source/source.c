#include "source/source.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

struct source {
    char *name;
    sqlite3 *db;
    sqlite3_stmt *statement;
    int64_t time_limit_us;
    int64_t until_us;  /* monotonic */
    char refused[160]; /* why; "": it was not */
};

static bool harmless(const char *function)
{
    static const char *const dangerous[] = {"load_extension", "readfile", "writefile",    "edit",
                                            "fts3_tokenizer", "fsdir",    "sqlite_dbpage"};
    for (size_t i = 0; i < sizeof dangerous / sizeof *dangerous; i++)
        if (function && strcasecmp(function, dangerous[i]) == 0)
            return false;
    return true;
}

static int authorize(void *context, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    struct source *source = context;
    (void)a, (void)c, (void)d;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        if (harmless(b))
            return SQLITE_OK;
        snprintf(source->refused, sizeof source->refused,
                 "it calls the function %.60s, which reaches outside the database", b);
        return SQLITE_DENY;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        text_copy(source->refused, sizeof source->refused, "it attaches another database");
        return SQLITE_DENY;
    case SQLITE_PRAGMA:
        text_copy(source->refused, sizeof source->refused, "it is a PRAGMA");
        return SQLITE_DENY;
    default:
        text_copy(source->refused, sizeof source->refused, "it would change the database");
        return SQLITE_DENY;
    }
}

static int on_progress(void *context)
{
    const struct source *source = context;
    return clock_monotonic_us() > source->until_us;
}

struct source *source_open(const char *name, const struct source_options *options,
                           struct error *error)
{
    struct source *source = memory_new(sizeof *source);
    source->name = memory_text(name);
    source->time_limit_us = options->time_limit_us;
    if (strcmp(options->driver, "sqlite") != 0)
        error_set(error, ERROR_INPUT,
                  "source »%s«: the driver »%s« is not built in; drivers: sqlite", name,
                  options->driver);
    else if (sqlite3_open_v2(options->path, &source->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                             NULL) != SQLITE_OK)
        error_set(error, ERROR_INPUT, "source »%s«: cannot open %s: %s", name, options->path,
                  source->db ? sqlite3_errmsg(source->db) : "out of memory");
    else {
        sqlite3_db_config(source->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(source->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_limit(source->db, SQLITE_LIMIT_ATTACHED, 0);
        sqlite3_limit(source->db, SQLITE_LIMIT_LENGTH, 64 << 20);
        sqlite3_busy_timeout(source->db, 5000);
        sqlite3_set_authorizer(source->db, authorize, source);
        sqlite3_progress_handler(source->db, 10000, on_progress, source);
        return source;
    }
    source_close(source);
    return NULL;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    sqlite3_finalize(source->statement);
    sqlite3_close_v2(source->db);
    free(source->name);
    free(source);
}

/* Is there anything but blanks, comments and semicolons? */
static bool holds_sql(const char *text)
{
    while (*text) {
        if (text[0] == '-' && text[1] == '-')
            text += strcspn(text, "\n");
        else if (text[0] == '/' && text[1] == '*') {
            const char *end = strstr(text + 2, "*/");
            text = end ? end + 2 : text + strlen(text);
        } else if (isspace((unsigned char)*text) || *text == ';')
            text++;
        else
            return true;
    }
    return false;
}

int source_query(struct source *source, const char *sql, struct error *error)
{
    const char *tail;
    sqlite3_finalize(source->statement);
    source->statement = NULL;
    source->refused[0] = '\0';
    source->until_us = clock_monotonic_us() + source->time_limit_us;
    if (sqlite3_prepare_v2(source->db, sql, -1, &source->statement, &tail) != SQLITE_OK) {
        int offset = sqlite3_error_offset(source->db);
        if (*source->refused)
            return error_set(error, ERROR_INPUT,
                             "the query was refused: %s; only a SELECT may be run",
                             source->refused);
        int line = 1;
        for (int i = 0; i < offset && sql[i]; i++)
            line += sql[i] == '\n';
        return offset < 0
                   ? error_set(error, ERROR_INPUT, "the query does not run on source »%s«: %s",
                               source->name, sqlite3_errmsg(source->db))
                   : error_set(error, ERROR_INPUT,
                               "the query does not run on source »%s«: %s (line %d, near »%.40s«)",
                               source->name, sqlite3_errmsg(source->db), line, sql + offset);
    }
    if (!source->statement)
        return error_set(error, ERROR_INPUT, "the query is empty; write a SELECT");
    if (holds_sql(tail))
        return error_set(error, ERROR_INPUT,
                         "the query holds more than one statement; leave one SELECT");
    if (!sqlite3_stmt_readonly(source->statement) || !sqlite3_column_count(source->statement))
        return error_set(error, ERROR_INPUT,
                         "the query delivers no rows; only a SELECT may be run");
    return 0;
}

unsigned source_columns(const struct source *source)
{
    return (unsigned)sqlite3_column_count(source->statement);
}

const char *source_column_name(const struct source *source, unsigned column)
{
    return sqlite3_column_name(source->statement, (int)column);
}

int source_next(struct source *source, struct error *error)
{
    bool whole_seconds = source->time_limit_us % 1000000 == 0;
    switch (sqlite3_step(source->statement)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    case SQLITE_INTERRUPT:
        return error_set(error, ERROR_INPUT,
                         "source »%s«: the query took longer than time_limit (%lld %s); make it "
                         "simpler or raise the limit",
                         source->name,
                         (long long)(source->time_limit_us / (whole_seconds ? 1000000 : 1000)),
                         whole_seconds ? "s" : "ms");
    default:
        return error_set(error, ERROR_INPUT, "source »%s«: the query failed: %s", source->name,
                         sqlite3_errmsg(source->db));
    }
}

const sqlite3_value *source_value(const struct source *source, unsigned column)
{
    return sqlite3_column_value(source->statement, (int)column);
}
