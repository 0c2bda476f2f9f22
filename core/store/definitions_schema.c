/*
 * The schema of definitions.db: its steps by user_version, and the comparison of what a database
 * holds with what these steps make. The comments inside the statements are stored with them: a site
 * sees them in the sqlite3 shell's .schema. docs/schema.md describes each column.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

/* Version 1. Never edited once it was shipped: a change is a further step at the end. */
static const char version_1[] =
    "CREATE TABLE category (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    distributor INTEGER NOT NULL DEFAULT 0 CHECK (distributor IN (0, 1))\n"
    ") STRICT;\n"
    "INSERT INTO category (id, name, distributor)\n"
    "VALUES (1, 'Verteiler für Kampagne', 1);\n"

    "CREATE TABLE query (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    source TEXT NOT NULL CHECK (length(source) BETWEEN 1 AND 200), -- [source.NAME]\n"
    "    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000)\n"
    ") STRICT;\n"

    "CREATE TABLE query_group (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    sql TEXT NOT NULL CHECK (length(sql) BETWEEN 1 AND 1000000), -- one SELECT\n"
    "    key_column TEXT NOT NULL CHECK (length(key_column) BETWEEN 1 AND 200),\n"
    "    UNIQUE (query, name)\n"
    ") STRICT;\n"

    "CREATE TABLE field (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query_group INTEGER NOT NULL REFERENCES query_group (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200), -- a column of the SELECT\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    label_de TEXT CHECK (length(label_de) BETWEEN 1 AND 200),\n"
    "    label_en TEXT CHECK (length(label_en) BETWEEN 1 AND 200),\n"
    "    role TEXT CHECK (length(role) BETWEEN 1 AND 50),\n"
    "    format TEXT CHECK (length(format) BETWEEN 1 AND 200),\n"
    "    UNIQUE (query_group, name)\n"
    ") STRICT;\n"

    "CREATE TABLE detail_group ( -- not used yet\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query_group INTEGER NOT NULL REFERENCES query_group (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    sql TEXT NOT NULL CHECK (length(sql) BETWEEN 1 AND 1000000),\n"
    "    key_column TEXT NOT NULL CHECK (length(key_column) BETWEEN 1 AND 200),\n"
    "    UNIQUE (query_group, name)\n"
    ") STRICT;\n"

    "CREATE TABLE report (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    kind TEXT NOT NULL DEFAULT 'letter'\n"
    "        CHECK (kind IN ('letter', 'email', 'text', 'labels')),\n"
    "    title TEXT NOT NULL DEFAULT '' CHECK (length(title) <= 200),\n"
    "    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000),\n"
    "    query INTEGER REFERENCES query (id) -- what a distributor brings\n"
    ") STRICT;\n"

    "CREATE TABLE report_category (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE,\n"
    "    category INTEGER NOT NULL REFERENCES category (id),\n"
    "    UNIQUE (report, category)\n"
    ") STRICT;\n"

    "CREATE TABLE report_variant (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE,\n"
    "    language TEXT NOT NULL DEFAULT 'de' CHECK (length(language) BETWEEN 2 AND 35),\n"
    "    subject TEXT CHECK (length(subject) <= 1000),\n"
    "    html TEXT CHECK (length(html) <= 1000000),\n"
    "    text TEXT CHECK (length(text) <= 1000000),\n"
    "    UNIQUE (report, language)\n"
    ") STRICT;\n"

    "CREATE TABLE report_file (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    mime_type TEXT NOT NULL CHECK (length(mime_type) BETWEEN 3 AND 200),\n"
    "    content BLOB NOT NULL CHECK (length(content) <= 10000000),\n"
    "    UNIQUE (report, name)\n"
    ") STRICT;\n"

    "CREATE TABLE address_pattern (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    kind TEXT NOT NULL CHECK (kind IN ('address', 'salutation')),\n"
    "    country TEXT CHECK (length(country) BETWEEN 1 AND 100),\n"
    "    language TEXT CHECK (length(language) BETWEEN 2 AND 35),\n"
    "    template TEXT NOT NULL CHECK (length(template) <= 100000)\n"
    ") STRICT;\n"

    "CREATE TABLE campaign (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000),\n"
    "    purpose TEXT NOT NULL DEFAULT 'information'\n"
    "        CHECK (purpose IN ('advertising', 'information', 'mandatory')),\n"
    "    language TEXT NOT NULL DEFAULT 'de' CHECK (length(language) BETWEEN 2 AND 35),\n"
    "    query INTEGER REFERENCES query (id),\n"
    "    distributor INTEGER REFERENCES report (id), -- instead of a query\n"
    "    individual_sql TEXT CHECK (length(individual_sql) BETWEEN 1 AND 1000000),\n"
    "    group_name TEXT CHECK (length(group_name) BETWEEN 1 AND 200),\n"
    "    filter TEXT CHECK (length(filter) BETWEEN 1 AND 10000),\n"
    "    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))\n"
    "        CHECK (length(created_at) BETWEEN 1 AND 40),\n"
    "    CONSTRAINT either_query_or_distributor CHECK (query IS NULL OR distributor IS NULL)\n"
    ") STRICT;\n"

    "CREATE TABLE step (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,\n"
    "    position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 1000000),\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 200), -- [action.NAME]\n"
    "    when_expr TEXT CHECK (length(when_expr) BETWEEN 1 AND 10000),\n"
    "    after_step INTEGER, -- the position of an earlier step of the same campaign\n"
    "    after_outcome TEXT NOT NULL DEFAULT 'delivered'\n"
    "        CHECK (after_outcome IN ('delivered', 'rejected', 'skipped', 'unknown', 'any')),\n"
    "    parameters TEXT NOT NULL DEFAULT '{}'\n"
    "        CHECK (length(parameters) <= 100000 AND json_valid(parameters)\n"
    "               AND ltrim(parameters, char(9, 10, 13, 32)) GLOB '{*'),\n"
    "    UNIQUE (campaign, position),\n"
    "    UNIQUE (campaign, name),\n"
    "    FOREIGN KEY (campaign, after_step) REFERENCES step (campaign, position),\n"
    "    CONSTRAINT after_an_earlier_step CHECK (after_step < position)\n"
    ") STRICT;\n"

    "CREATE TABLE schedule ( -- not used yet\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,\n"
    "    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),\n"
    "    starts_at TEXT NOT NULL CHECK (length(starts_at) BETWEEN 1 AND 40),\n"
    "    time_zone TEXT NOT NULL DEFAULT 'Europe/Berlin'\n"
    "        CHECK (length(time_zone) BETWEEN 1 AND 100),\n"
    "    rule TEXT CHECK (length(rule) BETWEEN 1 AND 1000),\n"
    "    catch_up TEXT NOT NULL DEFAULT 'skip' CHECK (catch_up IN ('skip', 'once'))\n"
    ") STRICT;\n"

    "CREATE TABLE start_request (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    uuid TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16))))\n"
    "        CHECK (length(uuid) BETWEEN 1 AND 64 AND uuid NOT GLOB '*[^0-9A-Za-z_-]*'),\n"
    "    campaign INTEGER REFERENCES campaign (id) ON DELETE SET NULL,\n"
    "    requested_by TEXT NOT NULL DEFAULT '' CHECK (length(requested_by) <= 200),\n"
    "    requested_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))\n"
    "        CHECK (length(requested_at) BETWEEN 1 AND 40),\n"
    "    state TEXT NOT NULL DEFAULT 'pending'\n"
    "        CHECK (state IN ('pending', 'accepted', 'refused')),\n"
    "    -- the answer, written by campaignd\n"
    "    run INTEGER,\n"
    "    message TEXT CHECK (length(message) <= 2000),\n"
    "    answered_at TEXT CHECK (length(answered_at) <= 40)\n"
    ") STRICT;\n"
    "CREATE INDEX start_request_state ON start_request (state, id);\n"

    "CREATE TABLE problem ( -- written by campaignd\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    table_name TEXT NOT NULL,\n"
    "    row_id INTEGER,\n"
    "    severity TEXT NOT NULL CHECK (severity IN ('error', 'warning')),\n"
    "    message_en TEXT NOT NULL,\n"
    "    message_de TEXT NOT NULL,\n"
    "    found_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))\n"
    ") STRICT;\n"

    "CREATE INDEX campaign_query ON campaign (query);\n"
    "CREATE INDEX campaign_distributor ON campaign (distributor);\n"
    "CREATE INDEX report_query ON report (query);\n"
    "CREATE INDEX report_category_category ON report_category (category);\n"
    "CREATE INDEX schedule_campaign ON schedule (campaign);\n"
    "CREATE INDEX start_request_campaign ON start_request (campaign);\n"
    "PRAGMA user_version = 1;\n";

static const char *const steps[] = {version_1};
#define NEWEST ((int)(sizeof steps / sizeof *steps))

/* One object that the schema has: a row of sqlite_schema. */
struct object {
    char *name;
    char *sql; /* NULL for the indexes that SQLite makes by itself */
};

struct schema {
    size_t count;
    struct object objects[64];
};

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->count; i++) {
        free(schema->objects[i].name);
        free(schema->objects[i].sql);
    }
    free(schema);
}

static void close_database(sqlite3 **db)
{
    sqlite3_close(*db);
}

#define SELECT_OBJECTS                                                                             \
    "SELECT type, name, tbl_name, sql\n"                                                           \
    "FROM sqlite_schema\n"                                                                         \
    "ORDER BY name"

struct schema *schema_expected(struct error *error)
{
    __attribute__((cleanup(close_database))) sqlite3 *db = NULL;
    bool made = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    for (int i = 0; made && i < NEWEST; i++)
        made = sqlite3_exec(db, steps[i], NULL, NULL, NULL) == SQLITE_OK;
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (!made || sqlite3_prepare_v2(db, SELECT_OBJECTS, -1, &row, NULL) != SQLITE_OK) {
        error_set(error, ERROR_INTERNAL, "the schema of the definitions: %s", sqlite3_errmsg(db));
        return NULL;
    }
    struct schema *schema = memory_new(sizeof *schema);
    while (sqlite3_step(row) == SQLITE_ROW &&
           schema->count < sizeof schema->objects / sizeof *schema->objects) {
        struct object *object = &schema->objects[schema->count++];
        object->name = memory_text((const char *)sqlite3_column_text(row, 1));
        object->sql = memory_text((const char *)sqlite3_column_text(row, 3));
    }
    return schema;
}

/* ---- migration ---- */

static int user_version(sqlite3 *db, int *version)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &row, NULL) != SQLITE_OK ||
        sqlite3_step(row) != SQLITE_ROW)
        return -1;
    *version = sqlite3_column_int(row, 0);
    return 0;
}

/* With our version number lost (a restored dump) or never there (another program's database). */
static bool holds_our_tables(sqlite3 *db)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    return sqlite3_prepare_v2(db,
                              "SELECT 1\n"
                              "FROM sqlite_schema\n"
                              "WHERE name IN ('campaign', 'query', 'report', 'problem')",
                              -1, &row, NULL) == SQLITE_OK &&
           sqlite3_step(row) == SQLITE_ROW;
}

static int migrate(struct definitions *d, int version, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (transaction_begin(&transaction, d, true, why) < 0)
        return -1;
    /* Somebody may have been faster. */
    if (user_version(d->db, &version) < 0)
        return trouble_sql(why, d, NULL);
    if (version == 0 && holds_our_tables(d->db))
        return trouble_set(why, ERROR_INPUT, MESSAGE_NO_VERSION, NULL, 0, d->path, NULL, NULL);
    for (int i = version; i < NEWEST; i++)
        if (sqlite3_exec(d->db, steps[i], NULL, NULL, NULL) != SQLITE_OK)
            return trouble_sql(why, d, NULL);
    return transaction_commit(&transaction, why);
}

int schema_migrate(struct definitions *d, struct trouble *why)
{
    int version;
    if (user_version(d->db, &version) < 0)
        return trouble_sql(why, d, NULL);
    if (version < 0 || version > NEWEST) {
        FREE_CLEAN char *theirs = memory_format("%d", version);
        FREE_CLEAN char *ours = memory_format("%d", NEWEST);
        return trouble_set(why, ERROR_INPUT, MESSAGE_NEWER, NULL, 0, d->path, theirs, ours);
    }
    return version < NEWEST ? migrate(d, version, why) : 0;
}

/* ---- comparison ---- */

static const struct object *object_find(const struct schema *schema, const char *name, size_t *at)
{
    for (size_t i = 0; i < schema->count; i++)
        if (text_equal(schema->objects[i].name, name)) {
            *at = i;
            return &schema->objects[i];
        }
    return NULL;
}

/* What a site may have in here: tables and indexes whose names begin with site_, and what SQLite
 * makes for itself. */
static bool is_the_sites_own(const char *type, const char *name, const char *table)
{
    bool keeps = text_equal(type, "table") || text_equal(type, "index");
    return keeps && (text_starts(name, "site_") || text_starts(table, "site_") ||
                     text_starts(name, "sqlite_"));
}

static void compare_object(const struct schema *expected, sqlite3_stmt *row, bool *seen,
                           struct findings *findings, bool *altered)
{
    const char *type = sql_text(row, 0), *name = sql_text(row, 1);
    const char *table = sql_text(row, 2);
    const char *sql = (const char *)sqlite3_column_text(row, 3);
    size_t at;
    const struct object *object = object_find(expected, name, &at);
    if (object) {
        seen[at] = true;
        if (!text_equal(object->sql, sql)) {
            *altered = true;
            findings_add(findings, true, MESSAGE_ALTERED, "sqlite_schema", 0, type, name, NULL);
        }
    } else if (text_equal(type, "trigger") || text_equal(type, "view")) {
        findings_add(findings, false, MESSAGE_NOT_RUN, "sqlite_schema", 0, type, name, NULL);
    } else if (!is_the_sites_own(type, name, table)) {
        findings_add(findings, false, MESSAGE_FOREIGN, "sqlite_schema", 0, type, name, NULL);
    }
}

int schema_compare(struct definitions *d, struct findings *findings, bool *altered,
                   struct trouble *why)
{
    *altered = false;
    bool seen[sizeof d->expected->objects / sizeof *d->expected->objects] = {false};
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, SELECT_OBJECTS, &row, why) < 0)
        return -1;
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        compare_object(d->expected, row, seen, findings, altered);
    if (result != SQLITE_DONE)
        return trouble_sql(why, d, "sqlite_schema");
    for (size_t i = 0; i < d->expected->count; i++)
        if (!seen[i]) {
            *altered = true;
            findings_add(findings, true, MESSAGE_MISSING, "sqlite_schema", 0,
                         d->expected->objects[i].name, NULL, NULL);
        }
    return 0;
}

bool schema_can_hold_problems(struct definitions *d)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    size_t at;
    const struct object *object = object_find(d->expected, "problem", &at);
    return object &&
           sqlite3_prepare_v2(d->db,
                              "SELECT 1\n"
                              "FROM sqlite_schema\n"
                              "WHERE type = 'table'\n"
                              "    AND name = 'problem'\n"
                              "    AND sql = ?1",
                              -1, &row, NULL) == SQLITE_OK &&
           sqlite3_bind_text(row, 1, object->sql, -1, SQLITE_STATIC) == SQLITE_OK &&
           sqlite3_step(row) == SQLITE_ROW;
}
