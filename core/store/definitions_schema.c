/*
 * The schema of definitions.db: its steps by user_version, and the comparison of what a database
 * holds with what these steps make. The comments inside the statements are stored with them: a site
 * sees them in the sqlite3 shell's .schema. docs/schema.md describes each column.
 */
#include <string.h>

#include "base/clock.h"
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

/*
 * Version 2: built queries, parameters, sets, picks, units and samples. Four tables are made anew: a
 * copy of their rows goes into temporary tables, and back into the new ones with the same ids. (A
 * new table that is renamed at the end, as SQLite's manual has it, would be stopped by a site's own
 * view on the old one.) Foreign keys are off meanwhile, see migrate(). Some versions of SQLite say
 * 0 for json_valid(NULL), hence IS NULL.
 */
static const char version_2[] =
    "CREATE TEMP TABLE old_query_group AS SELECT * FROM query_group;\n"
    "CREATE TEMP TABLE old_detail_group AS SELECT * FROM detail_group;\n"
    "CREATE TEMP TABLE old_campaign AS SELECT * FROM campaign;\n"
    "CREATE TEMP TABLE old_step AS SELECT * FROM step;\n"
    "CREATE TEMP TABLE old_sequence AS\n"
    "SELECT name, seq\n"
    "FROM sqlite_sequence\n"
    "WHERE name = 'campaign';\n"
    "DROP TABLE query_group;\n"
    "DROP TABLE detail_group;\n"
    "DROP TABLE campaign;\n"
    "DROP TABLE step;\n"

    "CREATE TABLE query_parameter ( -- what :name in a query's SQL stands for\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL\n"
    "        CHECK (length(name) BETWEEN 1 AND 100 AND name GLOB '[A-Za-z_]*'\n"
    "               AND name NOT GLOB '*[^0-9A-Za-z_]*'\n"
    "               -- v1, v2 … are a built query's own values\n"
    "               AND NOT (name GLOB 'v[0-9]*' AND substr(name, 2) NOT GLOB '*[^0-9]*')),\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    label_de TEXT CHECK (length(label_de) BETWEEN 1 AND 200),\n"
    "    label_en TEXT CHECK (length(label_en) BETWEEN 1 AND 200),\n"
    "    type TEXT NOT NULL DEFAULT 'text'\n"
    "        CHECK (type IN ('text', 'integer', 'decimal', 'date', 'boolean')),\n"
    "    required INTEGER NOT NULL DEFAULT 1 CHECK (required IN (0, 1)),\n"
    "    default_value TEXT CHECK (length(default_value) <= 1000),\n"
    "    UNIQUE (query, name)\n"
    ") STRICT;\n"

    "CREATE TABLE query_group (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    sql TEXT CHECK (length(sql) BETWEEN 1 AND 1000000), -- one SELECT\n"
    "    built TEXT -- or the document that one is made of: docs/queries.md\n"
    "        CHECK (built IS NULL\n"
    "               OR (length(built) <= 1000000 AND json_valid(built)\n"
    "                   AND ltrim(built, char(9, 10, 13, 32)) GLOB '{*')),\n"
    "    key_column TEXT NOT NULL CHECK (length(key_column) BETWEEN 1 AND 200),\n"
    "    UNIQUE (query, name),\n"
    "    CONSTRAINT either_sql_or_built CHECK ((sql IS NULL) <> (built IS NULL))\n"
    ") STRICT;\n"
    "INSERT INTO query_group (id, query, name, position, sql, key_column)\n"
    "SELECT id, query, name, position, sql, key_column\n"
    "FROM old_query_group;\n"

    "CREATE TABLE detail_group ( -- rows that hang on a recipient's key\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query_group INTEGER NOT NULL REFERENCES query_group (id) ON DELETE CASCADE,\n"
    "    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    sql TEXT CHECK (length(sql) BETWEEN 1 AND 1000000),\n"
    "    built TEXT\n"
    "        CHECK (built IS NULL\n"
    "               OR (length(built) <= 1000000 AND json_valid(built)\n"
    "                   AND ltrim(built, char(9, 10, 13, 32)) GLOB '{*')),\n"
    "    key_column TEXT NOT NULL CHECK (length(key_column) BETWEEN 1 AND 200),\n"
    "    row_limit INTEGER NOT NULL DEFAULT 1000 -- of one recipient\n"
    "        CHECK (row_limit BETWEEN 1 AND 1000000),\n"
    "    UNIQUE (query_group, name),\n"
    "    CONSTRAINT either_sql_or_built CHECK ((sql IS NULL) <> (built IS NULL))\n"
    ") STRICT;\n"
    "INSERT INTO detail_group (id, query_group, name, position, sql, key_column)\n"
    "SELECT id, query_group, name, position, sql, key_column\n"
    "FROM old_detail_group;\n"

    "CREATE TABLE query_set ( -- another query that recipients are, or are not, in\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    query_group INTEGER NOT NULL REFERENCES query_group (id) ON DELETE CASCADE,\n"
    "    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),\n"
    "    operation TEXT NOT NULL CHECK (operation IN ('minus', 'both')),\n"
    "    other_query INTEGER NOT NULL REFERENCES query (id),\n"
    "    other_group TEXT CHECK (length(other_group) BETWEEN 1 AND 200)\n"
    ") STRICT;\n"

    "CREATE TABLE campaign (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),\n"
    "    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000),\n"
    "    purpose TEXT NOT NULL DEFAULT 'information'\n"
    "        CHECK (purpose IN ('advertising', 'information', 'mandatory')),\n"
    "    purpose_reason TEXT CHECK (length(purpose_reason) BETWEEN 1 AND 1000),\n"
    "    consent_reason TEXT CHECK (length(consent_reason) BETWEEN 1 AND 1000),\n"
    "    language TEXT NOT NULL DEFAULT 'de' CHECK (length(language) BETWEEN 2 AND 35),\n"
    "    query INTEGER REFERENCES query (id),\n"
    "    distributor INTEGER REFERENCES report (id), -- instead of a query\n"
    "    individual_sql TEXT CHECK (length(individual_sql) BETWEEN 1 AND 1000000),\n"
    "    individual_built TEXT\n"
    "        CHECK (individual_built IS NULL\n"
    "               OR (length(individual_built) <= 1000000 AND json_valid(individual_built)\n"
    "                   AND ltrim(individual_built, char(9, 10, 13, 32)) GLOB '{*')),\n"
    "    group_name TEXT CHECK (length(group_name) BETWEEN 1 AND 200),\n"
    "    parameters TEXT NOT NULL DEFAULT '{}' -- of the query\n"
    "        CHECK (length(parameters) <= 100000 AND json_valid(parameters)\n"
    "               AND ltrim(parameters, char(9, 10, 13, 32)) GLOB '{*'),\n"
    "    filter TEXT CHECK (length(filter) BETWEEN 1 AND 10000),\n"
    "    unit TEXT NOT NULL DEFAULT 'key' CHECK (unit IN ('key', 'email', 'household')),\n"
    "    sample INTEGER CHECK (sample BETWEEN 1 AND 1000000000),\n"
    "    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))\n"
    "        CHECK (length(created_at) BETWEEN 1 AND 40),\n"
    "    CONSTRAINT either_query_or_distributor CHECK (query IS NULL OR distributor IS NULL),\n"
    "    CONSTRAINT either_sql_or_built\n"
    "        CHECK (individual_sql IS NULL OR individual_built IS NULL)\n"
    ") STRICT;\n"
    "INSERT INTO campaign (id, name, description, purpose, language, query, distributor,\n"
    "    individual_sql, group_name, filter, created_at)\n"
    "SELECT id, name, description, purpose, language, query, distributor, individual_sql,\n"
    "    group_name, filter, created_at\n"
    "FROM old_campaign;\n"
    "DELETE FROM sqlite_sequence WHERE name = 'campaign';\n"
    "INSERT INTO sqlite_sequence (name, seq)\n"
    "SELECT name, seq\n"
    "FROM old_sequence;\n"

    "CREATE TABLE campaign_pick ( -- single recipients, whatever the filter says\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,\n"
    "    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 500),\n"
    "    pick TEXT NOT NULL CHECK (pick IN ('in', 'out')),\n"
    "    UNIQUE (campaign, key)\n"
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
    "    recheck INTEGER NOT NULL DEFAULT 0 CHECK (recheck IN (0, 1)),\n"
    "    parameters TEXT NOT NULL DEFAULT '{}'\n"
    "        CHECK (length(parameters) <= 100000 AND json_valid(parameters)\n"
    "               AND ltrim(parameters, char(9, 10, 13, 32)) GLOB '{*'),\n"
    "    UNIQUE (campaign, position),\n"
    "    UNIQUE (campaign, name),\n"
    "    FOREIGN KEY (campaign, after_step) REFERENCES step (campaign, position),\n"
    "    CONSTRAINT after_an_earlier_step CHECK (after_step < position)\n"
    ") STRICT;\n"
    "INSERT INTO step (id, campaign, position, name, action, when_expr, after_step,\n"
    "    after_outcome, parameters)\n"
    "SELECT id, campaign, position, name, action, when_expr, after_step, after_outcome,\n"
    "    parameters\n"
    "FROM old_step;\n"

    "DROP TABLE old_query_group;\n"
    "DROP TABLE old_detail_group;\n"
    "DROP TABLE old_campaign;\n"
    "DROP TABLE old_step;\n"
    "DROP TABLE old_sequence;\n"
    "CREATE INDEX campaign_query ON campaign (query);\n"
    "CREATE INDEX campaign_distributor ON campaign (distributor);\n"
    "CREATE INDEX query_set_query_group ON query_set (query_group);\n"
    "CREATE INDEX query_set_other_query ON query_set (other_query);\n"
    "PRAGMA user_version = 2;\n";

static const char *const steps[] = {version_1, version_2};
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

/* What the steps up to `version` make. */
static struct schema *schema_of(int version, struct error *error)
{
    __attribute__((cleanup(close_database))) sqlite3 *db = NULL;
    bool made = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    for (int i = 0; made && i < version; i++)
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

struct schema *schema_expected(struct error *error)
{
    return schema_of(NEWEST, error);
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

static int compare(struct definitions *d, const struct schema *expected, struct findings *findings,
                   bool *altered, struct trouble *why)
{
    *altered = false;
    bool seen[sizeof expected->objects / sizeof *expected->objects] = {false};
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, SELECT_OBJECTS, &row, why) < 0)
        return -1;
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        compare_object(expected, row, seen, findings, altered);
    if (result != SQLITE_DONE)
        return trouble_sql(why, d, "sqlite_schema");
    for (size_t i = 0; i < expected->count; i++)
        if (!seen[i]) {
            *altered = true;
            findings_add(findings, true, MESSAGE_MISSING, "sqlite_schema", 0,
                         expected->objects[i].name, NULL, NULL);
        }
    return 0;
}

int schema_compare(struct definitions *d, struct findings *findings, bool *altered,
                   struct trouble *why)
{
    return compare(d, d->expected, findings, altered, why);
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

/* ---- migration ---- */

#define MIGRATION_TIMEOUT_US (600 * INT64_C(1000000))

static int user_version(sqlite3 *db, int *version)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &row, NULL) != SQLITE_OK ||
        sqlite3_step(row) != SQLITE_ROW)
        return -1;
    *version = sqlite3_column_int(row, 0);
    return 0;
}

static bool holds_a_table(sqlite3 *db, const char *names)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    return sqlite3_prepare_v2(db,
                              "SELECT 1\n"
                              "FROM sqlite_schema\n"
                              "WHERE instr(?1, ' ' || name || ' ')",
                              -1, &row, NULL) == SQLITE_OK &&
           sqlite3_bind_text(row, 1, names, -1, SQLITE_STATIC) == SQLITE_OK &&
           sqlite3_step(row) == SQLITE_ROW;
}

/* Tables of ours without our version number: it was lost (a restored dump), or they are another
 * program's. */
static int refuse_without_version(struct definitions *d, struct trouble *why)
{
    if (!holds_a_table(d->db, " campaign query report problem "))
        return 0;
    const char *version = holds_a_table(d->db, " query_parameter campaign_pick ") ? "2" : "1";
    return trouble_set(why, ERROR_INPUT, MESSAGE_NO_VERSION, NULL, 0, d->path, version, NULL);
}

/* A table that a site has altered cannot be made anew without losing what it put there. */
static int refuse_altered(struct definitions *d, int version, struct trouble *why)
{
    bool altered;
    struct error error;
    struct schema *expected = schema_of(version, &error);
    if (!expected)
        return trouble_set(why, ERROR_INTERNAL, MESSAGE_SQL, NULL, 0, d->path, error.message, NULL);
    FINDINGS_CLEAN struct findings findings = {0};
    int result = compare(d, expected, &findings, &altered, why);
    schema_free(expected);
    if (result < 0 || !altered)
        return result;
    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].error) {
            trouble_set(why, ERROR_INPUT, MESSAGE_CANNOT_MIGRATE, "sqlite_schema", 0, d->path,
                        findings.items[i].english, NULL);
            struct trouble german = {0};
            trouble_set(&german, ERROR_INPUT, MESSAGE_CANNOT_MIGRATE, NULL, 0, d->path,
                        findings.items[i].german, NULL);
            memcpy(why->error.german, german.error.german, sizeof why->error.german);
            break;
        }
    return -1;
}

/* A site's own indexes and triggers, which go with the tables that are made anew: their statements
 * as an array. (The triggers are not run, but they are not ours to delete either.) */
static json_t *sites_own_statements(struct definitions *d, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "SELECT sql\n"
                            "FROM sqlite_schema\n"
                            "WHERE type IN ('index', 'trigger')\n"
                            "    AND (sql LIKE 'CREATE INDEX%'\n"
                            "        OR sql LIKE 'CREATE UNIQUE INDEX%'\n"
                            "        OR sql LIKE 'CREATE TRIGGER%')",
                            &row, why) < 0)
        return NULL;
    JSON_CLEAN json_t *statements = json_array();
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        json_array_append_new(statements, json_string(sql_text(row, 0)));
    if (result == SQLITE_DONE)
        return json_incref(statements);
    trouble_sql(why, d, "sqlite_schema");
    return NULL;
}

static bool is_there(struct definitions *d, const char *statement)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    return sqlite3_prepare_v2(d->db, "SELECT 1 FROM sqlite_schema WHERE sql = ?1", -1, &row,
                              NULL) == SQLITE_OK &&
           sqlite3_bind_text(row, 1, statement, -1, SQLITE_STATIC) == SQLITE_OK &&
           sqlite3_step(row) == SQLITE_ROW;
}

/* One that does not fit any more (an index on what is no column now) stays away: it is a help for
 * the site's own statements, and no reason to stop. */
static void restore_statements(struct definitions *d, const json_t *statements)
{
    size_t i;
    json_t *statement;
    json_array_foreach((json_t *)statements, i, statement) {
        STATEMENT_CLEAN sqlite3_stmt *row = NULL;
        const char *sql = json_string_value(statement);
        if (!is_there(d, sql) && sqlite3_prepare_v2(d->db, sql, -1, &row, NULL) == SQLITE_OK)
            sqlite3_step(row);
    }
}

/* How many references dangle: what a site wrote with foreign keys off is its problem before and
 * after, but no migration may make more. */
static int count_dangling(struct definitions *d, int64_t *count, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, "SELECT count(*) FROM pragma_foreign_key_check", &row, why) < 0)
        return -1;
    if (sqlite3_step(row) != SQLITE_ROW)
        return trouble_sql(why, d, NULL);
    *count = sqlite3_column_int64(row, 0);
    return 0;
}

/* Rows that break a rule are kept as they are: each is a problem of its own, none holds up the
 * rest. */
static int run_steps(struct definitions *d, int version, struct trouble *why)
{
    int result = SQLITE_OK;
    sqlite3_exec(d->db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
    for (int i = version; result == SQLITE_OK && i < NEWEST; i++)
        result = sqlite3_exec(d->db, steps[i], NULL, NULL, NULL);
    if (result != SQLITE_OK)
        trouble_sql(why, d, NULL);
    sqlite3_exec(d->db, "PRAGMA ignore_check_constraints = OFF", NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : -1;
}

static int migrate_tables(struct definitions *d, int version, struct trouble *why)
{
    int64_t before, after;
    if (refuse_altered(d, version, why) < 0)
        return -1;
    JSON_CLEAN json_t *statements = sites_own_statements(d, why);
    if (!statements || count_dangling(d, &before, why) < 0 || run_steps(d, version, why) < 0)
        return -1;
    restore_statements(d, statements);
    if (count_dangling(d, &after, why) < 0)
        return -1;
    return after == before ? 0
                           : trouble_set(why, ERROR_INTERNAL, MESSAGE_CANNOT_MIGRATE, NULL, 0,
                                         d->path, "references would be lost", NULL);
}

static int migrate_in_transaction(struct definitions *d, struct trouble *why)
{
    int version;
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (transaction_begin(&transaction, d, true, why) < 0)
        return -1;
    d->deadline_us = clock_monotonic_us() + MIGRATION_TIMEOUT_US;
    /* Somebody may have been faster. */
    if (user_version(d->db, &version) < 0)
        return trouble_sql(why, d, NULL);
    if (version >= NEWEST)
        return 0;
    int result = version == 0 ? refuse_without_version(d, why) : 0;
    if (result == 0)
        result = version == 0 ? run_steps(d, 0, why) : migrate_tables(d, version, why);
    return result < 0 ? -1 : transaction_commit(&transaction, why);
}

/* Foreign keys cannot be switched inside a transaction, and with them on DROP TABLE would delete
 * what refers to the old table's rows. */
static int migrate(struct definitions *d, struct trouble *why)
{
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    int result = migrate_in_transaction(d, why);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    return result;
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
    return version < NEWEST ? migrate(d, why) : 0;
}
