#include "store/definitions.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

#define BUSY_TIMEOUT_MS 2000
#define CALL_TIMEOUT_US (20 * INT64_C(1000000))
#define ROWS_MOST 100000
#define VERSION_BYTES 12

/* ---- statements and transactions ---- */

void json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

int definitions_prepare(struct definitions *d, const char *sql, sqlite3_stmt **statement,
                        struct trouble *why)
{
    if (sqlite3_prepare_v2(d->db, sql, -1, statement, NULL) == SQLITE_OK)
        return 0;
    return trouble_sql(why, d, NULL);
}

void transaction_end(struct transaction *transaction)
{
    if (transaction->d)
        sqlite3_exec(transaction->d->db,
                     transaction->d->joint ? "ROLLBACK TO part; RELEASE part" : "ROLLBACK", NULL,
                     NULL, NULL);
    transaction->d = NULL;
}

int transaction_begin(struct transaction *transaction, struct definitions *d, bool to_write,
                      struct trouble *why)
{
    const char *begin = d->joint ? "SAVEPOINT part" : to_write ? "BEGIN IMMEDIATE" : "BEGIN";
    d->deadline_us = clock_monotonic_us() + CALL_TIMEOUT_US;
    bool lost = d->joint && sqlite3_get_autocommit(d->db); /* SQLite has rolled back the whole */
    if (lost || sqlite3_exec(d->db, begin, NULL, NULL, NULL) != SQLITE_OK)
        return trouble_sql(why, d, NULL);
    transaction->d = d;
    return 0;
}

int transaction_commit(struct transaction *transaction, struct trouble *why)
{
    struct definitions *d = transaction->d;
    const char *commit = d->joint ? "RELEASE part" : "COMMIT";
    if (sqlite3_exec(d->db, commit, NULL, NULL, NULL) != SQLITE_OK)
        return trouble_sql(why, d, NULL);
    d->written = true;
    transaction->d = NULL;
    return 0;
}

static int read_pragma(struct definitions *d, const char *sql, int64_t *value, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, why) < 0)
        return -1;
    if (sqlite3_step(row) != SQLITE_ROW)
        return trouble_sql(why, d, NULL);
    *value = sqlite3_column_int64(row, 0);
    return 0;
}

/* Compare the schema if it may have changed since the last time. */
static int look_at_schema(struct definitions *d, struct trouble *why)
{
    int64_t version;
    if (read_pragma(d, "PRAGMA schema_version", &version, why) < 0)
        return -1;
    if (version == d->schema_version)
        return 0;
    FINDINGS_CLEAN struct findings findings = {0};
    if (schema_compare(d, &findings, &d->altered, why) < 0)
        return -1;
    for (size_t i = 0; d->altered && i < findings.count; i++)
        if (findings.items[i].error)
            error_set(&d->alteration, ERROR_INPUT, "%s: %s", d->path, findings.items[i].english);
    d->schema_version = version;
    return 0;
}

int definitions_enter(struct transaction *transaction, struct definitions *d, bool to_write,
                      struct trouble *why)
{
    if (transaction_begin(transaction, d, to_write, why) < 0 || look_at_schema(d, why) < 0)
        return -1;
    if (!d->altered)
        return 0;
    *why = (struct trouble){.error = d->alteration, .message = MESSAGE_ALTERED};
    return -1;
}

int definitions_begin(struct definitions *definitions, struct error *error)
{
    struct trouble why = {0};
    struct transaction whole = {0};
    if (definitions_enter(&whole, definitions, true, &why) < 0) {
        transaction_end(&whole);
        return trouble_tell(&why, error);
    }
    definitions->joint = true;
    definitions->written = false;
    return 0;
}

int definitions_end(struct definitions *definitions, bool keep, struct error *error)
{
    struct trouble why = {0};
    TRANSACTION_CLEAN struct transaction whole = {.d = definitions};
    definitions->joint = false;
    keep = keep && definitions->written; /* else the file would be written all the same */
    return keep && transaction_commit(&whole, &why) < 0 ? trouble_tell(&why, error) : 0;
}

/* ---- open and close ---- */

/* SQLite is told not to follow links, so the folder's own are resolved before. */
static int real_path(const char *path, char target[PATH_MAX], struct error *error)
{
    FREE_CLEAN char *for_folder = memory_text(path);
    FREE_CLEAN char *for_file = memory_text(path);
    const char *folder = dirname(for_folder);
    struct stat status;
    if (stat(folder, &status) < 0) {
        if (file_make_folders(folder, 0770, error) < 0)
            return -1;
        if (chmod(folder, 02770) < 0)
            return error_errno(error, errno, "folder %s", folder);
    }
    char real[PATH_MAX];
    if (!realpath(folder, real))
        return error_errno(error, errno, "folder %s", folder);
    if (snprintf(target, PATH_MAX, "%s/%s", real, basename(for_file)) >= PATH_MAX)
        return error_set(error, ERROR_INPUT, "%s: the path is too long", path);
    return 0;
}

/* SQLite gives -wal and -shm the mode of the file beside them. */
static int make_file(const char *path, struct error *error)
{
    FD_CLEAN int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd < 0)
        return errno == EEXIST ? 0 : error_errno(error, errno, "cannot make %s", path);
    return fchmod(fd, 0660) < 0 ? error_errno(error, errno, "mode of %s", path) : 0;
}

static int is_too_slow(void *context)
{
    const struct definitions *d = context;
    return clock_monotonic_us() > d->deadline_us;
}

static void limit(sqlite3 *db)
{
    static const struct {
        int what, most;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 16000000},   {SQLITE_LIMIT_SQL_LENGTH, 100000},
        {SQLITE_LIMIT_COLUMN, 100},        {SQLITE_LIMIT_EXPR_DEPTH, 100},
        {SQLITE_LIMIT_COMPOUND_SELECT, 4}, {SQLITE_LIMIT_VDBE_OP, 25000},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},    {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 5},   {SQLITE_LIMIT_VARIABLE_NUMBER, 50},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].what, limits[i].most);
}

/* SQLite's own json_valid (here 3.40) counts as unsafe in a schema that is not trusted. */
static void is_valid_json(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *text = (const char *)sqlite3_value_text(values[0]);
    if (!text)
        return;
    JSON_CLEAN json_t *json =
        json_loadb(text, (size_t)sqlite3_value_bytes(values[0]), JSON_DECODE_ANY, NULL);
    sqlite3_result_int(context, json != NULL);
}

static int harden(struct definitions *d, struct trouble *why)
{
    static const struct {
        int what, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},       {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},  {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},     {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},         {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        sqlite3_db_config(d->db, settings[i].what, settings[i].value, NULL);
    limit(d->db);
    sqlite3_busy_timeout(d->db, BUSY_TIMEOUT_MS);
    sqlite3_progress_handler(d->db, 10000, is_too_slow, d);
    d->deadline_us = clock_monotonic_us() + CALL_TIMEOUT_US;
    sqlite3_create_function_v2(d->db, "json_valid", 1,
                               SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                               is_valid_json, NULL, NULL, NULL);
    return sqlite3_exec(d->db,
                        "PRAGMA cell_size_check = ON;\n"
                        "PRAGMA mmap_size = 0;\n"
                        "PRAGMA synchronous = FULL;\n",
                        NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : trouble_sql(why, d, NULL);
}

/* With the write-ahead log readers and a writer do not wait for each other. Where another program
 * is in the way, it stays as it is until the next start. */
static int use_wal(struct definitions *d, struct trouble *why)
{
    int result = sqlite3_exec(d->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    return result == SQLITE_OK || result == SQLITE_BUSY ? 0 : trouble_sql(why, d, NULL);
}

static int open_database(struct definitions *d, struct error *error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(d->path, &d->db, flags, NULL) != SQLITE_OK)
        return error_set(error, ERROR_SYSTEM, "cannot open %s: %s", d->path,
                         d->db ? sqlite3_errmsg(d->db) : "out of memory");
    struct trouble why = {0};
    if (harden(d, &why) < 0 || use_wal(d, &why) < 0 || schema_migrate(d, &why) < 0)
        return trouble_tell(&why, error);
    return 0;
}

struct definitions *definitions_open(const char *path, struct error *error)
{
    char real[PATH_MAX];
    if (real_path(path, real, error) < 0 || make_file(real, error) < 0)
        return NULL;
    struct definitions *d = memory_new(sizeof *d);
    d->path = memory_text(real);
    d->data_version = -1;
    d->schema_version = -1;
    d->expected = schema_expected(error);
    if (d->expected && open_database(d, error) == 0)
        return d;
    definitions_close(d);
    return NULL;
}

void definitions_close(struct definitions *definitions)
{
    if (!definitions)
        return;
    sqlite3_close(definitions->db);
    schema_free(definitions->expected);
    free(definitions->path);
    free(definitions);
}

void definitions_close_pointer(struct definitions **definitions)
{
    definitions_close(*definitions);
}

int definitions_changed(struct definitions *definitions)
{
    struct definitions *d = definitions;
    struct trouble why = {0};
    int64_t version;
    d->deadline_us = clock_monotonic_us() + CALL_TIMEOUT_US;
    if (read_pragma(d, "PRAGMA data_version", &version, &why) < 0)
        return -1;
    bool changed = version != d->data_version;
    d->data_version = version;
    return changed;
}

/* ---- documents ---- */

static const struct table *kind_table(const char *kind, struct trouble *why)
{
    const struct table *table = table_of_kind(kind);
    if (!table)
        trouble_set(why, ERROR_INPUT, MESSAGE_NO_KIND, NULL, 0, kind, NULL, NULL);
    return table;
}

int64_t document_find(struct definitions *d, const struct table *table, const char *name_or_id,
                      struct trouble *why)
{
    int64_t id = table_find(d, table, name_or_id, why);
    if (id == 0)
        return trouble_set(why, ERROR_NOT_FOUND, MESSAGE_UNKNOWN, table_name(table), 0,
                           table_kind(table), name_or_id, NULL);
    return id;
}

static void add_identity(json_t *document, int64_t id)
{
    JSON_CLEAN json_t *columns = json_copy(document);
    json_object_clear(document);
    json_object_set_new(document, "id", json_integer(id));
    json_object_set_new(document, "version", json_string(""));
    json_object_update(document, columns);
}

/* A hash of the whole: it changes with every edit, whoever made it. */
static void add_version(json_t *document)
{
    FREE_CLEAN char *text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
    unsigned char hash[crypto_generichash_BYTES];
    char version[2 * VERSION_BYTES + 1];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)(text ? text : ""),
                       text ? strlen(text) : 0, NULL, 0);
    text_hex(version, hash, VERSION_BYTES);
    json_object_set_new(document, "version", json_string(version));
}

json_t *definition_document(struct definitions *d, const struct table *table, int64_t id,
                            struct trouble *why)
{
    table_refill_budget(d);
    json_t *document = table_load(d, table, id, DEPTH_WHOLE, why);
    if (!document)
        return NULL;
    add_identity(document, id);
    add_version(document);
    return document;
}

static int by_name(const void *left, const void *right)
{
    const char *a = json_string_value(json_object_get(*(json_t *const *)left, "name"));
    const char *b = json_string_value(json_object_get(*(json_t *const *)right, "name"));
    int order = strcasecmp(a, b);
    return order ? order : strcmp(a, b);
}

static json_t *list(struct definitions *d, const struct table *table, struct trouble *why)
{
    size_t count, good = 0;
    table_refill_budget(d);
    FREE_CLEAN int64_t *ids = table_ids(d, table, ROWS_MOST, &count, why);
    if (!ids)
        return NULL;
    FREE_CLEAN json_t **rows = memory_array(count + 1, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        json_t *row = table_load(d, table, ids[i], DEPTH_LIST, why);
        if (!row)
            continue;
        json_t *named = json_pack("{s:I}", "id", (json_int_t)ids[i]);
        json_object_update(named, row);
        json_decref(row);
        rows[good++] = named;
    }
    qsort(rows, good, sizeof *rows, by_name);
    json_t *result = json_array();
    for (size_t i = 0; i < good; i++)
        json_array_append_new(result, rows[i]);
    return result;
}

json_t *definitions_list(struct definitions *definitions, const char *kind, struct error *error)
{
    struct trouble why = {0};
    const struct table *table = kind_table(kind, &why);
    TRANSACTION_CLEAN struct transaction transaction = {0};
    json_t *result = NULL;
    if (table && definitions_enter(&transaction, definitions, false, &why) == 0)
        result = list(definitions, table, &why);
    if (!result)
        trouble_tell(&why, error);
    return result;
}

json_t *definitions_get(struct definitions *definitions, const char *kind, const char *name_or_id,
                        struct error *error)
{
    struct trouble why = {0};
    const struct table *table = kind_table(kind, &why);
    TRANSACTION_CLEAN struct transaction transaction = {0};
    int64_t id = -1;
    if (table && definitions_enter(&transaction, definitions, false, &why) == 0)
        id = document_find(definitions, table, name_or_id, &why);
    json_t *document = id < 0 ? NULL : definition_document(definitions, table, id, &why);
    if (!document)
        trouble_tell(&why, error);
    return document;
}

int64_t definitions_find(struct definitions *definitions, const char *kind, const char *name_or_id,
                         struct error *error)
{
    struct trouble why = {0};
    const struct table *table = kind_table(kind, &why);
    TRANSACTION_CLEAN struct transaction transaction = {0};
    int64_t id = -1;
    if (table && definitions_enter(&transaction, definitions, false, &why) == 0)
        id = document_find(definitions, table, name_or_id, &why);
    return id < 0 ? trouble_tell(&why, error) : id;
}

/* „Kampagne 2026-11-24 Nr. 3": the first number of the day that is free, after all that are there.
 */
static char *new_campaign_name(struct definitions *d, struct trouble *why)
{
    time_t now = (time_t)(clock_now_us() / 1000000);
    struct tm day;
    localtime_r(&now, &day);
    FREE_CLEAN char *prefix = memory_format("Kampagne %04d-%02d-%02d Nr. ", day.tm_year + 1900,
                                            day.tm_mon + 1, day.tm_mday);
    for (int number = 1; number <= ROWS_MOST; number++) {
        char *name = memory_format("%s%d", prefix, number);
        int64_t id = table_find_name(d, "campaign", name, why);
        if (id == 0)
            return name;
        free(name);
        if (id < 0)
            return NULL;
    }
    trouble_set(why, ERROR_CONFLICT, MESSAGE_TOO_MANY, "campaign", 0, "campaign", "100000", NULL);
    return NULL;
}

/* The name that a document without one gets. NULL: none. */
static int add_name(struct definitions *d, const struct table *table, const char *name_or_id,
                    int64_t id, json_t *document, struct trouble *why)
{
    if (!json_is_object(document) || json_object_get(document, "name"))
        return 0;
    if (!id && text_equal(table_name(table), "campaign")) {
        FREE_CLEAN char *name = new_campaign_name(d, why);
        if (!name)
            return -1;
        json_object_set_new(document, "name", json_string(name));
    } else if (id) {
        JSON_CLEAN json_t *now = table_load(d, table, id, DEPTH_LIST, why);
        if (!now)
            return trouble_set(why, ERROR_INPUT, MESSAGE_NAME_UNREADABLE, table_name(table), id,
                               table_kind(table), name_or_id, NULL);
        json_object_set(document, "name", json_object_get(now, "name"));
    }
    return 0;
}

static int check_version(struct definitions *d, const struct table *table, const char *name_or_id,
                         int64_t id, const json_t *document, struct trouble *why)
{
    const json_t *version = json_object_get(document, "version");
    if (!version || json_is_null(version))
        return 0;
    if (!json_is_string(version))
        return trouble_set(why, ERROR_INPUT, MESSAGE_EXPECT_TEXT, table_name(table), id, "version",
                           NULL, NULL);
    JSON_CLEAN json_t *now = definition_document(d, table, id, why);
    if (!now)
        return -1;
    if (json_equal(version, json_object_get(now, "version")))
        return 0;
    return trouble_set(why, ERROR_CONFLICT, MESSAGE_CHANGED, table_name(table), id,
                       table_kind(table), name_or_id, NULL);
}

static int check_id(int64_t id, const json_t *document, struct trouble *why)
{
    const json_t *given = json_object_get(document, "id");
    if (!given || !id || (json_is_integer(given) && json_integer_value(given) == id))
        return 0;
    char number[40];
    snprintf(number, sizeof number, "%lld", (long long)id);
    return trouble_set(why, ERROR_INPUT, MESSAGE_ID, NULL, id, number, NULL, NULL);
}

/* Another definition of that name? */
static int check_name(struct definitions *d, const struct table *table, int64_t id,
                      const json_t *document, struct trouble *why)
{
    const char *name = json_string_value(json_object_get(document, "name"));
    if (!name)
        return 0;
    int64_t other = table_find_name(d, table_name(table), name, why);
    if (other < 0)
        return -1;
    if (other == 0 || other == id)
        return 0;
    return trouble_set(why, ERROR_CONFLICT, MESSAGE_NAME_TAKEN, table_name(table), id,
                       table_kind(table), name, NULL);
}

int category_makes_distributors(struct definitions *d, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, "SELECT 1 FROM category WHERE distributor = 1 LIMIT 1", &row, why) <
        0)
        return -1;
    int result = sqlite3_step(row);
    return result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : trouble_sql(why, d, "category");
}

/* What rows cannot say of themselves. `had`: were there distributors' categories before. */
static int check_whole(struct definitions *d, const struct table *table, int64_t id, int had,
                       struct trouble *why)
{
    if (text_equal(table_kind(table), "query"))
        return query_check(d, id, why);
    if (!had || !text_equal(table_kind(table), "category"))
        return 0;
    int has = category_makes_distributors(d, why);
    JSON_CLEAN json_t *category = has == 0 ? table_load(d, table, id, DEPTH_LIST, why) : NULL;
    if (has == 0)
        return trouble_set(why, ERROR_CONFLICT, MESSAGE_LAST_DISTRIBUTOR, "category", id,
                           json_string_value(json_object_get(category, "name")), NULL, NULL);
    return has < 0 ? -1 : 0;
}

static int put(struct definitions *d, const struct table *table, const char *name_or_id,
               json_t *document, int64_t *id, struct trouble *why)
{
    int had = category_makes_distributors(d, why);
    *id = name_or_id ? document_find(d, table, name_or_id, why) : 0;
    if (had < 0 || *id < 0 || check_id(*id, document, why) < 0 ||
        (*id && check_version(d, table, name_or_id, *id, document, why) < 0) ||
        add_name(d, table, name_or_id, *id, document, why) < 0 ||
        check_name(d, table, *id, document, why) < 0 ||
        table_store(d, table, id, document, why) < 0)
        return -1;
    return check_whole(d, table, *id, had, why);
}

static json_t *put_and_get(struct definitions *d, const struct table *table, const char *name_or_id,
                           json_t *document, struct trouble *why)
{
    int64_t id;
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, true, why) < 0 ||
        put(d, table, name_or_id, document, &id, why) < 0)
        return NULL;
    JSON_CLEAN json_t *now = definition_document(d, table, id, why);
    return now && transaction_commit(&transaction, why) == 0 ? json_incref(now) : NULL;
}

json_t *definitions_put(struct definitions *definitions, const char *kind, const char *name_or_id,
                        const json_t *document, struct error *error)
{
    struct trouble why = {0};
    const struct table *table = kind_table(kind, &why);
    JSON_CLEAN json_t *own = json_copy((json_t *)document);
    json_t *now = table ? put_and_get(definitions, table, name_or_id, own, &why) : NULL;
    if (!now)
        trouble_tell(&why, error);
    return now;
}

/* ---- deleting ---- */

/* What uses a definition: "campaign NAME" by id or name of what is used. A report is also named by
 * steps' parameters, a pattern by the templates. */
static const struct user {
    const char *kind, *user, *sql;
} users[] = {
    {"query", "campaign", "SELECT name FROM campaign WHERE query = ?1"},
    {"query", "report", "SELECT name FROM report WHERE query = ?1"},
    {"query", "query",
     "SELECT query.name\n"
     "FROM query_set\n"
     "JOIN query_group ON query_group.id = query_set.query_group\n"
     "JOIN query ON query.id = query_group.query\n"
     "WHERE query_set.other_query = ?1\n"
     "    AND query.id <> ?1"},
    {"report", "campaign", "SELECT name FROM campaign WHERE distributor = ?1"},
    {"report", "campaign",
     "SELECT campaign.name\n"
     "FROM step\n"
     "JOIN campaign ON campaign.id = step.campaign\n"
     "JOIN json_each(CASE WHEN json_valid(step.parameters) THEN step.parameters ELSE '{}' END)\n"
     "    AS parameter\n"
     "WHERE parameter.type = 'text'\n"
     "    AND parameter.value = ?2"},
    {"category", "report",
     "SELECT report.name\n"
     "FROM report_category\n"
     "JOIN report ON report.id = report_category.report\n"
     "WHERE report_category.category = ?1"},
    {"pattern", "report",
     "SELECT report.name\n"
     "FROM report_variant\n"
     "JOIN report ON report.id = report_variant.report\n"
     "WHERE instr(replace(report_variant.html, ' ', ''), '{{>' || replace(?2, ' ', '') || '}}')\n"
     "    OR instr(replace(report_variant.text, ' ', ''), '{{>' || replace(?2, ' ', '') || '}}')"},
    {"pattern", "pattern",
     "SELECT name\n"
     "FROM address_pattern\n"
     "WHERE instr(replace(template, ' ', ''), '{{>' || replace(?2, ' ', '') || '}}')\n"
     "    AND id <> ?1"},
};

static int check_unused(struct definitions *d, const struct table *table, int64_t id,
                        const char *name, struct trouble *why)
{
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        if (!text_equal(users[i].kind, table_kind(table)))
            continue;
        STATEMENT_CLEAN sqlite3_stmt *row = NULL;
        if (definitions_prepare(d, users[i].sql, &row, why) < 0)
            return -1;
        sqlite3_bind_int64(row, 1, id);
        if (strstr(users[i].sql, "?2"))
            sqlite3_bind_text(row, 2, name, -1, SQLITE_STATIC);
        int result = sqlite3_step(row);
        if (result == SQLITE_DONE)
            continue;
        if (result != SQLITE_ROW)
            return trouble_sql(why, d, table_name(table));
        FREE_CLEAN char *user = memory_format("%s »%s«", users[i].user, sql_text(row, 0));
        return trouble_set(why, ERROR_CONFLICT, MESSAGE_USED, table_name(table), id,
                           table_kind(table), name, user);
    }
    return 0;
}

static int delete_row(struct definitions *d, const struct table *table, int64_t id,
                      const char *name, struct trouble *why)
{
    FREE_CLEAN char *sql = memory_format("DELETE FROM %s WHERE id = ?1", table_name(table));
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, why) < 0)
        return -1;
    sqlite3_bind_int64(row, 1, id);
    if (sqlite3_step(row) == SQLITE_DONE)
        return 0;
    if (sqlite3_extended_errcode(d->db) == SQLITE_CONSTRAINT_FOREIGNKEY)
        return trouble_set(why, ERROR_CONFLICT, MESSAGE_USED_ELSEWHERE, table_name(table), id,
                           table_kind(table), name, NULL);
    return trouble_sql(why, d, table_name(table));
}

/* "" where a site wrote something that is no text. */
static char *name_of(struct definitions *d, const struct table *table, int64_t id)
{
    struct trouble why = {0};
    FREE_CLEAN char *sql = memory_format("SELECT name FROM %s WHERE id = ?1", table_name(table));
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, &why) < 0)
        return memory_text("");
    sqlite3_bind_int64(row, 1, id);
    return memory_text(sqlite3_step(row) == SQLITE_ROW ? sql_text(row, 0) : "");
}

static int delete (struct definitions *d, const struct table *table, const char *name_or_id,
                   struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, true, why) < 0)
        return -1;
    int64_t id = document_find(d, table, name_or_id, why);
    if (id < 0)
        return -1;
    FREE_CLEAN char *name = name_of(d, table, id);
    int had = category_makes_distributors(d, why);
    if (had < 0 || check_unused(d, table, id, name, why) < 0 ||
        delete_row(d, table, id, name, why) < 0)
        return -1;
    if (had && category_makes_distributors(d, why) != 1)
        return trouble_set(why, ERROR_CONFLICT, MESSAGE_LAST_DISTRIBUTOR, "category", id, name,
                           NULL, NULL);
    return transaction_commit(&transaction, why);
}

int definitions_delete(struct definitions *definitions, const char *kind, const char *name_or_id,
                       struct error *error)
{
    struct trouble why = {0};
    const struct table *table = kind_table(kind, &why);
    if (table && delete (definitions, table, name_or_id, &why) == 0)
        return 0;
    return trouble_tell(&why, error);
}
