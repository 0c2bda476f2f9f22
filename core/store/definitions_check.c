/* All rows looked at, and the table `problem` brought to what was found. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

#define ROWS_MOST 100000 /* of one table */

/* Looking at one thing after the other: a row that cannot be read is a finding, but when the
 * database itself fails the check ends. */
static bool is_finding(const struct trouble *why)
{
    return why->error.code == ERROR_INPUT;
}

static int check_rows(struct definitions *d, const struct table *table, struct findings *findings,
                      struct trouble *why)
{
    size_t count;
    FREE_CLEAN int64_t *ids = table_ids(d, table, ROWS_MOST, &count, why);
    if (!ids && is_finding(why)) {
        findings_add_trouble(findings, why);
        return 0;
    }
    for (size_t i = 0; ids && i < count && findings->count < FINDINGS_MOST; i++) {
        if (table_check(d, table, ids[i], why) == 0)
            continue;
        if (!is_finding(why))
            return -1;
        findings_add_trouble(findings, why);
    }
    return ids ? 0 : -1;
}

static int check_references(struct definitions *d, const struct table *table,
                            struct findings *findings, struct trouble *why)
{
    const char *name = table_name(table);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "SELECT f.rowid, f.parent, k.\"from\"\n"
                            "FROM pragma_foreign_key_check(?1) AS f\n"
                            "JOIN pragma_foreign_key_list(?1) AS k ON k.id = f.fkid\n"
                            "WHERE k.seq = (\n"
                            "    SELECT max(seq)\n"
                            "    FROM pragma_foreign_key_list(?1)\n"
                            "    WHERE id = k.id)\n"
                            "LIMIT 1000",
                            &row, why) < 0)
        return -1;
    sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        findings_add(findings, true, MESSAGE_DANGLING, name, sqlite3_column_int64(row, 0),
                     sql_text(row, 2), sql_text(row, 1), NULL);
    if (result == SQLITE_TOOBIG || result == SQLITE_ERROR) {
        trouble_sql(why, d, name);
        findings_add_trouble(findings, why);
        return 0;
    }
    return result == SQLITE_DONE ? 0 : trouble_sql(why, d, name);
}

/* Not finished is no problem; it is said when somebody wants to start it. */
static bool is_draft(const struct trouble *why)
{
    return why->message == MESSAGE_NO_SOURCE || why->message == MESSAGE_NO_STEPS ||
           why->message == MESSAGE_PARAMETER_MISSING || why->message == MESSAGE_NO_PURPOSE_REASON;
}

static char *campaign_name(struct definitions *d, int64_t id)
{
    struct trouble why = {0};
    JSON_CLEAN json_t *row = table_load(d, table_of_kind("campaign"), id, DEPTH_LIST, &why);
    const char *name = json_string_value(json_object_get(row, "name"));
    return name ? memory_text(name) : memory_format("%lld", (long long)id);
}

static int check_campaign(struct definitions *d, int64_t id, struct findings *findings,
                          struct trouble *why)
{
    JSON_CLEAN json_t *frozen = definitions_freeze_now(d, id, DEPTH_WITHOUT_CONTENT, why);
    if (frozen || is_draft(why))
        return 0;
    if (why->error.code != ERROR_INPUT)
        return -1;
    if (findings_has(findings, "campaign", id))
        return 0;
    FREE_CLEAN char *name = campaign_name(d, id);
    struct trouble cannot = {0}, german = {0};
    trouble_set(&cannot, ERROR_INPUT, MESSAGE_CANNOT_START, "campaign", id, name,
                why->error.message, NULL);
    trouble_set(&german, ERROR_INPUT, MESSAGE_CANNOT_START, "campaign", id, name, why->error.german,
                NULL);
    memcpy(cannot.error.german, german.error.german, sizeof cannot.error.german);
    findings_add_trouble(findings, &cannot);
    return 0;
}

/* A query that has a finding already is not looked at once more as a whole. */
static int check_queries(struct definitions *d, struct findings *findings, struct trouble *why)
{
    size_t count;
    FREE_CLEAN int64_t *ids = table_ids(d, table_of_kind("query"), ROWS_MOST, &count, why);
    if (!ids)
        return is_finding(why) ? 0 : -1; /* too many: said before */
    for (size_t i = 0; i < count && findings->count < FINDINGS_MOST; i++) {
        if (query_check(d, ids[i], why) == 0)
            continue;
        if (!is_finding(why))
            return -1;
        if (!findings_has(findings, why->table, why->row))
            findings_add_trouble(findings, why);
    }
    return 0;
}

static int check_campaigns(struct definitions *d, struct findings *findings, struct trouble *why)
{
    size_t count;
    FREE_CLEAN int64_t *ids = table_ids(d, table_of_kind("campaign"), ROWS_MOST, &count, why);
    if (!ids)
        return is_finding(why) ? 0 : -1; /* too many: said before */
    for (size_t i = 0; i < count && findings->count < FINDINGS_MOST; i++)
        if (check_campaign(d, ids[i], findings, why) < 0)
            return -1;
    return 0;
}

/* Requests in a state that does not exist, which nobody would ever look at. Those that are pending
 * are answered in their row. */
static int check_requests(struct definitions *d, struct findings *findings, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "SELECT id\n"
                            "FROM start_request\n"
                            "WHERE state NOT IN ('pending', 'accepted', 'refused')\n"
                            "LIMIT 1000",
                            &row, why) < 0)
        return -1;
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        findings_add(findings, true, MESSAGE_STATE, "start_request", sqlite3_column_int64(row, 0),
                     NULL, NULL, NULL);
    if (result == SQLITE_TOOBIG) {
        trouble_sql(why, d, "start_request");
        findings_add_trouble(findings, why);
        return 0;
    }
    return result == SQLITE_DONE ? 0 : trouble_sql(why, d, "start_request");
}

static int look(struct definitions *d, struct findings *findings, struct trouble *why)
{
    if (schema_compare(d, findings, &d->altered, why) < 0)
        return -1;
    if (d->altered)
        return 0;
    for (size_t i = 0; tables_all[i]; i++)
        if (check_rows(d, tables_all[i], findings, why) < 0 ||
            check_references(d, tables_all[i], findings, why) < 0)
            return -1;
    return check_requests(d, findings, why) < 0 || check_queries(d, findings, why) < 0 ||
                   check_campaigns(d, findings, why) < 0
               ? -1
               : 0;
}

/* ---- the table `problem` ---- */

/* A row of `problem` that says what was found? */
static bool says(sqlite3_stmt *row, const struct finding *finding)
{
    return text_equal(sql_text(row, 1), finding->table) &&
           sqlite3_column_int64(row, 2) == finding->row &&
           text_equal(sql_text(row, 3), finding->error ? "error" : "warning") &&
           text_equal(sql_text(row, 4), finding->english) &&
           text_equal(sql_text(row, 5), finding->german);
}

/* What is to change: rows of `problem` that are no more, findings that are new. */
struct difference {
    bool known[FINDINGS_MOST];
    int64_t gone[FINDINGS_MOST];
    size_t gone_count;
    bool all_gone; /* not as we write it: begin anew */
};

static void compare_row(const struct findings *findings, sqlite3_stmt *row,
                        struct difference *difference)
{
    for (size_t i = 0; i < findings->count; i++)
        if (!difference->known[i] && says(row, &findings->items[i])) {
            difference->known[i] = true;
            return;
        }
    if (difference->gone_count < FINDINGS_MOST)
        difference->gone[difference->gone_count++] = sqlite3_column_int64(row, 0);
    else
        difference->all_gone = true;
}

static int compare(struct definitions *d, const struct findings *findings,
                   struct difference *difference, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d,
                            "SELECT id, table_name, row_id, severity, message_en, message_de\n"
                            "FROM problem\n"
                            "ORDER BY id\n"
                            "LIMIT 3000",
                            &row, why) < 0)
        return -1;
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW)
        compare_row(findings, row, difference);
    if (result == SQLITE_TOOBIG)
        difference->all_gone = true;
    else if (result != SQLITE_DONE)
        return trouble_sql(why, d, "problem");
    return 0;
}

static bool differs(const struct findings *findings, const struct difference *difference)
{
    bool differs = difference->all_gone || difference->gone_count > 0;
    for (size_t i = 0; i < findings->count; i++)
        differs |= !difference->known[i];
    return differs;
}

static int delete_gone(struct definitions *d, const struct difference *difference,
                       struct trouble *why)
{
    if (difference->all_gone)
        return sqlite3_exec(d->db, "DELETE FROM problem", NULL, NULL, NULL) == SQLITE_OK
                   ? 0
                   : trouble_sql(why, d, "problem");
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, "DELETE FROM problem WHERE id = ?1", &row, why) < 0)
        return -1;
    for (size_t i = 0; i < difference->gone_count; i++) {
        sqlite3_reset(row);
        sqlite3_bind_int64(row, 1, difference->gone[i]);
        if (sqlite3_step(row) != SQLITE_DONE)
            return trouble_sql(why, d, "problem");
    }
    return 0;
}

static int insert_finding(struct definitions *d, sqlite3_stmt *row, const struct finding *finding,
                          struct trouble *why)
{
    sqlite3_reset(row);
    sqlite3_bind_text(row, 1, finding->table, -1, SQLITE_STATIC);
    if (finding->row)
        sqlite3_bind_int64(row, 2, finding->row);
    else
        sqlite3_bind_null(row, 2);
    sqlite3_bind_text(row, 3, finding->error ? "error" : "warning", -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 4, finding->english, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 5, finding->german, -1, SQLITE_STATIC);
    return sqlite3_step(row) == SQLITE_DONE ? 0 : trouble_sql(why, d, "problem");
}

static int insert_new(struct definitions *d, const struct findings *findings,
                      const struct difference *difference, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(
            d,
            "INSERT INTO problem (table_name, row_id, severity, message_en, message_de)\n"
            "VALUES (?1, ?2, ?3, ?4, ?5)",
            &row, why) < 0)
        return -1;
    for (size_t i = 0; i < findings->count; i++)
        if ((difference->all_gone || !difference->known[i]) &&
            insert_finding(d, row, &findings->items[i], why) < 0)
            return -1;
    return 0;
}

/* Compared twice: first without a write lock, so that nothing is locked for nothing. */
static int write_problems(struct definitions *d, const struct findings *findings,
                          struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    FREE_CLEAN struct difference *difference = memory_new(sizeof *difference);
    if (transaction_begin(&transaction, d, true, why) < 0 ||
        compare(d, findings, difference, why) < 0 || delete_gone(d, difference, why) < 0 ||
        insert_new(d, findings, difference, why) < 0)
        return -1;
    return transaction_commit(&transaction, why);
}

/* Look, all in one snapshot. 1: `problem` is to be written; 0; -1. */
static int check(struct definitions *d, struct findings *findings, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    FREE_CLEAN struct difference *difference = memory_new(sizeof *difference);
    if (transaction_begin(&transaction, d, false, why) < 0 || look(d, findings, why) < 0)
        return -1;
    if (!schema_can_hold_problems(d))
        return trouble_set(why, ERROR_INPUT, MESSAGE_ALTERED, "problem", 0, "table", "problem",
                           NULL);
    if (compare(d, findings, difference, why) < 0)
        return -1;
    return differs(findings, difference);
}

int definitions_check(struct definitions *definitions, struct error *error)
{
    struct trouble why = {0};
    FINDINGS_CLEAN struct findings findings = {0};
    /* The comparison of the schema is done anew by whoever comes next. */
    definitions->schema_version = -1;
    int result = check(definitions, &findings, &why);
    if (result < 0 || (result > 0 && write_problems(definitions, &findings, &why) < 0))
        return trouble_tell(&why, error);
    int errors = 0;
    for (size_t i = 0; i < findings.count; i++)
        errors += findings.items[i].error;
    return errors;
}

static json_t *problem_json(sqlite3_stmt *row)
{
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s}", "table", sql_text(row, 0), "row",
                     sqlite3_column_type(row, 1) == SQLITE_NULL
                         ? json_null()
                         : json_integer(sqlite3_column_int64(row, 1)),
                     "severity", sql_text(row, 2), "message_en", sql_text(row, 3), "message_de",
                     sql_text(row, 4), "found_at", sql_text(row, 5));
}

/* What a site writes into `problem` itself and is no text is passed over. */
static json_t *read_problems(struct definitions *d, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(
            d,
            "SELECT table_name, row_id, severity, message_en, message_de, found_at\n"
            "FROM problem\n"
            "ORDER BY severity, table_name, row_id, id\n"
            "LIMIT 1000",
            &row, why) < 0)
        return NULL;
    JSON_CLEAN json_t *problems = json_array();
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        json_t *problem = problem_json(row);
        if (problem)
            json_array_append_new(problems, problem);
    }
    if (result == SQLITE_DONE)
        return json_incref(problems);
    trouble_sql(why, d, "problem");
    return NULL;
}

json_t *definitions_problems(struct definitions *definitions, struct error *error)
{
    struct definitions *d = definitions;
    struct trouble why = {0};
    TRANSACTION_CLEAN struct transaction transaction = {0};
    json_t *problems = NULL;
    if (transaction_begin(&transaction, d, false, &why) == 0) {
        if (schema_can_hold_problems(d))
            problems = read_problems(d, &why);
        else
            trouble_set(&why, ERROR_INPUT, MESSAGE_ALTERED, "problem", 0, "table", "problem", NULL);
    }
    if (!problems)
        trouble_tell(&why, error);
    return problems;
}
