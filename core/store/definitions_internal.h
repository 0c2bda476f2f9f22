/*
 * What the definitions' own files know of each other; nobody else includes this.
 *
 *   definitions.c           open, transactions, documents: list, get, put, delete
 *   definitions_schema.c    the schema, its migrations, the comparison with what is there
 *   definitions_table.c     what each column of each table may hold
 *   definitions_row.c       rows, checked, to JSON
 *   definitions_write.c     documents to rows
 *   definitions_check.c     all rows looked at, `problem` brought up to date
 *   definitions_freeze.c    what a run needs, in one document
 *   definitions_query.c     what it needs of a query: groups, sets, parameters
 *   definitions_compare.c   a campaign's own query, and how it differs from the saved one
 *   definitions_exchange.c  export and import
 *   definitions_start.c     start requests
 *   definitions_message.c   the catalogue of messages, English and German
 */
#ifndef CAMPAIGND_STORE_DEFINITIONS_INTERNAL_H
#define CAMPAIGND_STORE_DEFINITIONS_INTERNAL_H

#include <sqlite3.h>
#include <stdlib.h>

#include "store/definitions.h"
#include "store/sql.h"

struct schema;
struct table;

struct definitions {
    sqlite3 *db;
    char *path;
    struct schema *expected;
    int64_t data_version;   /* at the last definitions_changed; -1: not asked yet */
    int64_t schema_version; /* at the last comparison; -1: not compared yet */
    bool altered;           /* the tables are not the ones we made: nothing may be read from them */
    int64_t deadline_us;    /* of the present call, monotonic */
    size_t budget;          /* bytes that the present call may still turn into JSON */
    bool joint;             /* between definitions_begin and definitions_end */
    bool written;           /* meanwhile, by a call that has succeeded */
    struct error alteration; /* what is wrong, if altered */
};

/* ---- messages (definitions_message.c) ---- */

enum message {
    MESSAGE_NONE,
    MESSAGE_NO_VERSION,
    MESSAGE_NEWER,
    MESSAGE_ALTERED,
    MESSAGE_MISSING,
    MESSAGE_NOT_RUN,
    MESSAGE_FOREIGN,
    MESSAGE_MORE,
    MESSAGE_SQL,
    MESSAGE_BUSY,
    MESSAGE_TOO_BIG,
    MESSAGE_TOO_SLOW,
    MESSAGE_DAMAGED,
    MESSAGE_NULL,
    MESSAGE_TYPE,
    MESSAGE_UTF8,
    MESSAGE_CONTROL,
    MESSAGE_EMPTY,
    MESSAGE_LONG,
    MESSAGE_CHOICE,
    MESSAGE_RANGE,
    MESSAGE_JSON,
    MESSAGE_JSON_VALUE,
    MESSAGE_DANGLING,
    MESSAGE_TOO_MANY,
    MESSAGE_STATE,
    MESSAGE_STEP_AFTER,
    MESSAGE_NO_CAMPAIGN,
    MESSAGE_NO_SOURCE,
    MESSAGE_NO_STEPS,
    MESSAGE_BOTH_SOURCES,
    MESSAGE_NOT_A_DISTRIBUTOR,
    MESSAGE_NO_GROUPS,
    MESSAGE_WHICH_GROUP,
    MESSAGE_NO_GROUP,
    MESSAGE_NO_REPORT,
    MESSAGE_TOO_LARGE,
    MESSAGE_CANNOT_START,
    MESSAGE_REQUEST_RUBBISH,
    MESSAGE_REQUEST_NO_CAMPAIGN,
    MESSAGE_NOT_FOUND,
    /* documents; the first text is the place in it */
    MESSAGE_GIVE,
    MESSAGE_EXPECT_TEXT,
    MESSAGE_EXPECT_NAME,
    MESSAGE_EXPECT_OBJECT,
    MESSAGE_EXPECT_ARRAY,
    MESSAGE_EXPECT_BOOLEAN,
    MESSAGE_EXPECT_COUNT,
    MESSAGE_EXPECT_PLAIN,
    MESSAGE_EXPECT_BASE64,
    MESSAGE_EXPECT_EARLIER,
    MESSAGE_EXPECT_ORDER,
    MESSAGE_UNKNOWN_KEY,
    MESSAGE_UNKNOWN_KEY_NEAR,
    MESSAGE_NO_SUCH,
    MESSAGE_KEY_ABOVE,
    MESSAGE_TOO_MANY_HERE,
    MESSAGE_TWICE,
    MESSAGE_WORD,
    MESSAGE_NOT_BOTH,
    MESSAGE_NEITHER,
    /* definitions by name */
    MESSAGE_NO_KIND,
    MESSAGE_UNKNOWN,
    MESSAGE_NAME_TAKEN,
    MESSAGE_NAME_UNREADABLE,
    MESSAGE_CHANGED,
    MESSAGE_ID,
    MESSAGE_USED,
    MESSAGE_USED_ELSEWHERE,
    MESSAGE_LAST_DISTRIBUTOR,
    MESSAGE_CANNOT_MIGRATE,
    /* freezing */
    MESSAGE_NO_PURPOSE_REASON,
    MESSAGE_PARAMETER_MISSING,
    MESSAGE_PARAMETER_UNKNOWN,
    MESSAGE_PARAMETER_NEAR,
    MESSAGE_PARAMETER_TYPE,
    MESSAGE_PARAMETER_DEFAULT,
    MESSAGE_PARAMETER_CLASH,
    MESSAGE_SET_OWN,
    MESSAGE_SET_NESTED,
    MESSAGE_SET_WHICH_GROUP,
    MESSAGE_SET_NO_GROUP,
    MESSAGE_ASK_GROUP,
    MESSAGE_ASK_NO_GROUP,
    /* a campaign's own query; export and import */
    MESSAGE_HAS_INDIVIDUAL,
    MESSAGE_NOT_AN_EXPORT,
    MESSAGE_EXPORT_VERSION,
    MESSAGE_COUNT
};

/* A failure in both languages, with the row that it is about. `error` has the English text. */
struct trouble {
    struct error error;
    enum message message;
    const char *table; /* a constant, or NULL */
    int64_t row;       /* 0: none in particular */
};

/* {1} {2} {3} in the message become the texts; what is hostile in them (control characters, broken
 * UTF-8, length) is made harmless. {N1}: the text's first word is one of ours ("query", "integer")
 * and is put in people's words. Returns -1. */
int trouble_set(struct trouble *why, enum error_code code, enum message message, const char *table,
                int64_t row, const char *first, const char *second, const char *third);

/* The connection's last error. `table`: what it was about, or NULL. Returns -1. */
int trouble_sql(struct trouble *why, struct definitions *d, const char *table);

/* Hand both texts to a caller outside. Returns -1. */
int trouble_tell(const struct trouble *why, struct error *error);

/* What check found. */
struct finding {
    const char *table;
    int64_t row;
    bool error; /* else a warning */
    char *english, *german;
};

#define FINDINGS_MOST 1000

struct findings {
    struct finding *items;
    size_t count;
};

void findings_add(struct findings *findings, bool error, enum message message, const char *table,
                  int64_t row, const char *first, const char *second, const char *third);
void findings_add_trouble(struct findings *findings, const struct trouble *why);
bool findings_has(const struct findings *findings, const char *table, int64_t row);
void findings_free(struct findings *findings);
#define FINDINGS_CLEAN __attribute__((cleanup(findings_free)))

/* ---- statements and transactions (definitions.c) ---- */

void json_release(json_t **json);
#define JSON_CLEAN __attribute__((cleanup(json_release)))

struct transaction {
    struct definitions *d;
};

/* Rolls back what was not committed. */
void transaction_end(struct transaction *transaction);
#define TRANSACTION_CLEAN __attribute__((cleanup(transaction_end)))
int transaction_begin(struct transaction *transaction, struct definitions *d, bool to_write,
                      struct trouble *why);
int transaction_commit(struct transaction *transaction, struct trouble *why);

/* Begin, and refuse if the tables are not the ones we made. What every public call starts with. */
int definitions_enter(struct transaction *transaction, struct definitions *d, bool to_write,
                      struct trouble *why);

int definitions_prepare(struct definitions *d, const char *sql, sqlite3_stmt **statement,
                        struct trouble *why);

/* ---- documents (definitions.c) ---- */

/* The id by a name or an id in digits, or -1: ERROR_NOT_FOUND. */
int64_t document_find(struct definitions *d, const struct table *table, const char *name_or_id,
                      struct trouble *why);
/* The document as definitions_get has it. */
json_t *definition_document(struct definitions *d, const struct table *table, int64_t id,
                            struct trouble *why);

/* Is there a category that makes distributors of reports: 1, 0, -1. */
int category_makes_distributors(struct definitions *d, struct trouble *why);

/* ---- the schema (definitions_schema.c) ---- */

struct schema *schema_expected(struct error *error);
void schema_free(struct schema *schema);
int schema_migrate(struct definitions *d, struct trouble *why);
/* *altered: a table of ours is not as we made it; else what is found is harmless. */
int schema_compare(struct definitions *d, struct findings *findings, bool *altered,
                   struct trouble *why);
bool schema_can_hold_problems(struct definitions *d);

/* ---- tables (definitions_table.c, _row.c, _write.c) ---- */

/* The kinds of document, by the word that the API uses; NULL: no such kind. */
const struct table *table_of_kind(const char *kind);
const char *table_kind(const struct table *table); /* the same word; a nested table's name */
const char *table_name(const struct table *table);
extern const struct table *const tables_all[]; /* NULL-ended, parents first */

/* How much of a row is wanted. */
enum depth {
    DEPTH_LIST,            /* no nested rows, no long texts */
    DEPTH_WITHOUT_CONTENT, /* files' contents empty */
    DEPTH_WHOLE
};

/* A checked row as JSON, nested rows and all. NULL with ERROR_NOT_FOUND, ERROR_INPUT (a row that
 * does not pass the checks) or what SQLite says. */
json_t *table_load(struct definitions *d, const struct table *table, int64_t id, enum depth depth,
                   struct trouble *why);

/* Begin to count anew what table_load turns into JSON. */
void table_refill_budget(struct definitions *d);

/* Only look: 0, or -1. */
int table_check(struct definitions *d, const struct table *table, int64_t id, struct trouble *why);

/* Write a document and what is nested in it: *id is the row, or 0 for a new one, and becomes its
 * number. Inside a transaction. */
int table_store(struct definitions *d, const struct table *table, int64_t *id,
                const json_t *document, struct trouble *why);

/* A row by its unique name: its id, 0 if there is none, or -1. */
int64_t table_find_name(struct definitions *d, const char *table, const char *name,
                        struct trouble *why);
/* By a name or else an id in digits; 0: none; -1. */
int64_t table_find(struct definitions *d, const struct table *table, const char *name_or_id,
                   struct trouble *why);

/* All ids of a table, at most `most`: a new array of *count, or NULL. */
int64_t *table_ids(struct definitions *d, const struct table *table, size_t most, size_t *count,
                   struct trouble *why);

/* ---- queries (definitions_query.c) ---- */

/* What a query's rows cannot say of themselves: its sets, the defaults of its parameters. */
int query_check(struct definitions *d, int64_t id, struct trouble *why);

/* A query document by its id, with "id" put in. */
json_t *query_load(struct definitions *d, int64_t id, struct trouble *why);

/* {"id", "name", "source"} */
json_t *query_identity(const json_t *query);

/* A group as a run wants it: {"name", "sql", "built", "key", "fields", "details", "sets"}. The sets'
 * queries, as documents, are added to `others`. */
json_t *query_freeze_group(struct definitions *d, const json_t *query, const json_t *group,
                           json_t *others, struct trouble *why);

/* Values for all parameters that these queries (documents; the first is the one that is meant)
 * declare. `given` NULL: none; JSON null: they are not asked for, those without a default are null.
 */
json_t *query_freeze_parameters(const json_t *queries, const json_t *given, struct trouble *why);

/* ---- freezing (definitions_freeze.c) ---- */

/* A campaign document by its id, with "id" put in. */
json_t *campaign_load(struct definitions *d, int64_t id, struct trouble *why);

/* The group of the saved query that a campaign means: a new reference. */
json_t *campaign_saved_group(struct definitions *d, const json_t *campaign, struct trouble *why);

/* Inside a transaction. */
json_t *definitions_freeze_now(struct definitions *d, int64_t campaign, enum depth depth,
                               struct trouble *why);

#endif
