/* What a run needs of the definitions, in one document; and with it the question whether a campaign
 * can be started at all. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

struct freezing {
    struct definitions *d;
    int64_t id;
    enum depth depth;
    const char *name; /* the campaign's */
    const json_t *campaign;
    struct trouble *why;
};

static int cannot(const struct freezing *f, enum message message, const char *first,
                  const char *second, const char *third)
{
    return trouble_set(f->why, ERROR_INPUT, message, "campaign", f->id, first, second, third);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A copy with these keys alone, NULL-ended. */
static json_t *pick(const json_t *object, const char *const keys[])
{
    json_t *picked = json_object();
    for (size_t i = 0; keys[i]; i++)
        json_object_set(picked, keys[i], json_object_get(object, keys[i]));
    return picked;
}

/* A definition by its name, with its id put in. NULL with trouble; *id is 0 if it is not there. */
static json_t *load_named(const struct freezing *f, const char *kind, const char *name, int64_t *id)
{
    *id = table_find_name(f->d, kind, name, f->why);
    if (*id == 0)
        cannot(f, MESSAGE_DANGLING, f->name, kind, NULL);
    json_t *document =
        *id > 0 ? table_load(f->d, table_of_kind(kind), *id, f->depth, f->why) : NULL;
    if (document)
        json_object_set_new(document, "id", json_integer(*id));
    return document;
}

/* ---- the data source ---- */

/* Does the report have a category that makes it a distributor: 1, 0, -1. */
static int has_distributor_category(const struct freezing *f, const char *report)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(f->d,
                            "SELECT 1\n"
                            "FROM report\n"
                            "JOIN report_category ON report_category.report = report.id\n"
                            "JOIN category ON category.id = report_category.category\n"
                            "WHERE report.name = ?1\n"
                            "    AND category.distributor = 1",
                            &row, f->why) < 0)
        return -1;
    sqlite3_bind_text(row, 1, report, -1, SQLITE_STATIC);
    int result = sqlite3_step(row);
    return result == SQLITE_ROW    ? 1
           : result == SQLITE_DONE ? 0
                                   : trouble_sql(f->why, f->d, "report_category");
}

/* The name of a category that makes distributors: a site may have renamed the first one. */
static char *distributors_category(const struct freezing *f)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    bool found = sqlite3_prepare_v2(f->d->db,
                                    "SELECT name\n"
                                    "FROM category\n"
                                    "WHERE distributor = 1\n"
                                    "ORDER BY id\n"
                                    "LIMIT 1",
                                    -1, &row, NULL) == SQLITE_OK &&
                 sqlite3_step(row) == SQLITE_ROW;
    return memory_text(found ? sql_text(row, 0) : "Verteiler für Kampagne");
}

static json_t *distributors_query(const struct freezing *f, const char *distributor)
{
    int64_t id;
    int has = has_distributor_category(f, distributor);
    if (has < 0)
        return NULL;
    JSON_CLEAN json_t *report = load_named(f, "report", distributor, &id);
    if (!report)
        return NULL;
    const char *query = text_of(report, "query");
    if (!has || !query) {
        FREE_CLEAN char *category = distributors_category(f);
        cannot(f, MESSAGE_NOT_A_DISTRIBUTOR, distributor, category, NULL);
        return NULL;
    }
    return load_named(f, "query", query, &id);
}

static json_t *load_query(const struct freezing *f)
{
    const char *query = text_of(f->campaign, "query");
    const char *distributor = text_of(f->campaign, "distributor");
    int64_t id;
    if (query && distributor)
        cannot(f, MESSAGE_BOTH_SOURCES, f->name, NULL, NULL);
    else if (query)
        return load_named(f, "query", query, &id);
    else if (distributor)
        return distributors_query(f, distributor);
    else
        cannot(f, MESSAGE_NO_SOURCE, f->name, NULL, NULL);
    return NULL;
}

static const json_t *choose_group(const struct freezing *f, const json_t *query)
{
    json_t *groups = json_object_get(query, "groups"), *group;
    const char *wanted = text_of(f->campaign, "group");
    const char *name = text_of(query, "name");
    size_t i;
    if (json_array_size(groups) == 0)
        cannot(f, MESSAGE_NO_GROUPS, name, NULL, NULL);
    else if (!wanted && json_array_size(groups) > 1)
        cannot(f, MESSAGE_WHICH_GROUP, name, f->name, NULL);
    else if (!wanted)
        return json_array_get(groups, 0);
    else {
        json_array_foreach(groups, i, group) {
            if (text_equal(text_of(group, "name"), wanted))
                return group;
        }
        cannot(f, MESSAGE_NO_GROUP, name, wanted, f->name);
    }
    return NULL;
}

/* The campaign's own query in place of the group's. */
static void put_individual(const struct freezing *f, json_t *group)
{
    json_t *sql = json_object_get(f->campaign, "individual_sql");
    json_t *built = json_object_get(f->campaign, "individual_built");
    if (json_is_null(sql) && json_is_null(built))
        return;
    json_object_set(group, "sql", sql);
    json_object_set(group, "built", built);
}

static int freeze_source(const struct freezing *f, json_t *frozen)
{
    JSON_CLEAN json_t *query = load_query(f);
    JSON_CLEAN json_t *queries = json_array();
    const json_t *chosen = query ? choose_group(f, query) : NULL;
    if (!chosen)
        return -1;
    json_array_append(queries, query);
    json_object_set_new(frozen, "query", query_identity(query));
    json_t *group = query_freeze_group(f->d, query, chosen, queries, f->why);
    if (!group)
        return -1;
    put_individual(f, group);
    json_object_set_new(frozen, "group", group);
    json_t *values =
        query_freeze_parameters(queries, json_object_get(f->campaign, "parameters"), f->why);
    return values ? json_object_set_new(json_object_get(frozen, "campaign"), "parameters", values)
                  : -1;
}

/* ---- steps and their reports ---- */

/* 1: there is such a report, and it is in `reports` now; 0: there is none; -1. */
static int add_report(struct freezing *f, const char *name, json_t *reports)
{
    static const char *const keys[] = {"kind", "title", "variants", "files", NULL};
    int64_t id;
    if (json_object_get(reports, name))
        return 1;
    JSON_CLEAN json_t *report = load_named(f, "report", name, &id);
    if (!report)
        return id == 0 ? 0 : -1;
    json_object_set_new(reports, name, pick(report, keys));
    return 1;
}

static bool names_a_report(const char *parameter)
{
    size_t length = strlen(parameter);
    return text_equal(parameter, "report") ||
           (length > 7 && text_equal(parameter + length - 7, "_report"));
}

static int add_reports_of_step(struct freezing *f, const json_t *step, json_t *reports)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(step, "parameters"), key, value) {
        const char *text = json_string_value(value);
        int result = text ? add_report(f, text, reports) : 0;
        if (result < 0)
            return -1;
        if (result == 0 && text && *text && names_a_report(key))
            return cannot(f, MESSAGE_NO_REPORT, text_of(step, "name"), text, key);
    }
    return 0;
}

static int freeze_steps(struct freezing *f, json_t *frozen)
{
    json_t *steps = json_object_get(f->campaign, "steps"), *step;
    size_t i;
    if (json_array_size(steps) == 0)
        return cannot(f, MESSAGE_NO_STEPS, f->name, NULL, NULL);
    json_t *reports = json_object();
    json_object_set(frozen, "steps", steps);
    json_object_set_new(frozen, "reports", reports);
    json_array_foreach(steps, i, step) {
        if (add_reports_of_step(f, step, reports) < 0)
            return -1;
    }
    return 0;
}

/* ---- patterns ---- */

static int freeze_patterns(const struct freezing *f, json_t *frozen)
{
    static const char *const keys[] = {"kind", "template", NULL};
    const struct table *table = table_of_kind("pattern");
    size_t count;
    FREE_CLEAN int64_t *ids = table_ids(f->d, table, 1000, &count, f->why);
    if (!ids)
        return -1;
    json_t *patterns = json_object();
    json_object_set_new(frozen, "patterns", patterns);
    for (size_t i = 0; i < count; i++) {
        JSON_CLEAN json_t *pattern = table_load(f->d, table, ids[i], f->depth, f->why);
        if (!pattern)
            return -1;
        json_object_set_new(patterns, text_of(pattern, "name"), pick(pattern, keys));
    }
    return 0;
}

/* ---- the whole ---- */

static json_t *reason(const struct freezing *f, const char *key)
{
    const char *text = text_of(f->campaign, key);
    return json_string(text ? text : "");
}

static int freeze_head(struct freezing *f, json_t *frozen)
{
    static const char *const keys[] = {"id",     "name", "description", "purpose", "language",
                                       "filter", "unit", "sample",      NULL};
    json_t *campaign = pick(f->campaign, keys);
    json_object_set_new(campaign, "purpose_reason", reason(f, "purpose_reason"));
    json_object_set_new(campaign, "consent_reason", reason(f, "consent_reason"));
    json_object_set_new(frozen, "campaign", campaign);
    return freeze_source(f, frozen);
}

static int freeze_all(struct freezing *f, json_t *frozen)
{
    if (freeze_head(f, frozen) < 0 || freeze_steps(f, frozen) < 0 || freeze_patterns(f, frozen) < 0)
        return -1;
    json_object_set(frozen, "picks", json_object_get(f->campaign, "picks"));
    const json_t *campaign = json_object_get(frozen, "campaign");
    if (text_equal(text_of(campaign, "purpose"), "mandatory") &&
        !*text_of(campaign, "purpose_reason"))
        return cannot(f, MESSAGE_NO_PURPOSE_REASON, f->name, NULL, NULL);
    return 0;
}

static json_t *load_campaign(struct definitions *d, int64_t id, enum depth depth,
                             struct trouble *why)
{
    table_refill_budget(d);
    json_t *campaign = table_load(d, table_of_kind("campaign"), id, depth, why);
    char number[40];
    snprintf(number, sizeof number, "%lld", (long long)id);
    if (campaign)
        json_object_set_new(campaign, "id", json_integer(id));
    else if (why->error.code == ERROR_NOT_FOUND)
        trouble_set(why, ERROR_NOT_FOUND, MESSAGE_NO_CAMPAIGN, "campaign", id, number, NULL, NULL);
    return campaign;
}

json_t *campaign_load(struct definitions *d, int64_t id, struct trouble *why)
{
    return load_campaign(d, id, DEPTH_WHOLE, why);
}

static struct freezing freezing_of(struct definitions *d, const json_t *campaign, enum depth depth,
                                   struct trouble *why)
{
    return (struct freezing){
        .d = d,
        .id = json_integer_value(json_object_get(campaign, "id")),
        .depth = depth,
        .name = text_of(campaign, "name"),
        .campaign = campaign,
        .why = why,
    };
}

json_t *campaign_saved_group(struct definitions *d, const json_t *campaign, struct trouble *why)
{
    struct freezing f = freezing_of(d, campaign, DEPTH_WITHOUT_CONTENT, why);
    JSON_CLEAN json_t *query = load_query(&f);
    return query ? json_incref((json_t *)choose_group(&f, query)) : NULL;
}

static json_t *freeze(struct definitions *d, int64_t campaign, enum depth depth,
                      int (*fill)(struct freezing *f, json_t *frozen), struct trouble *why)
{
    *why = (struct trouble){0};
    JSON_CLEAN json_t *loaded = load_campaign(d, campaign, depth, why);
    if (!loaded)
        return NULL;
    struct freezing f = freezing_of(d, loaded, depth, why);
    JSON_CLEAN json_t *frozen = json_object();
    return fill(&f, frozen) < 0 ? NULL : json_incref(frozen);
}

json_t *definitions_freeze_now(struct definitions *d, int64_t campaign, enum depth depth,
                               struct trouble *why)
{
    return freeze(d, campaign, depth, freeze_all, why);
}

static json_t *freeze_and_tell(struct definitions *d, int64_t campaign, enum depth depth,
                               int (*fill)(struct freezing *f, json_t *frozen), struct error *error)
{
    struct trouble why = {0};
    TRANSACTION_CLEAN struct transaction transaction = {0};
    json_t *frozen = NULL;
    if (definitions_enter(&transaction, d, false, &why) == 0)
        frozen = freeze(d, campaign, depth, fill, &why);
    if (frozen)
        return frozen;
    trouble_tell(&why, error);
    /* A broken row elsewhere, say a report's: name it, a run's message stands alone. */
    if (why.error.code == ERROR_INPUT && why.message < MESSAGE_NO_PURPOSE_REASON && why.table &&
        why.row && !text_equal(why.table, "campaign"))
        error_prefix(error, "%s %lld: ", why.table, (long long)why.row);
    return NULL;
}

json_t *definitions_freeze(struct definitions *definitions, int64_t campaign, struct error *error)
{
    return freeze_and_tell(definitions, campaign, DEPTH_WHOLE, freeze_all, error);
}

json_t *definitions_freeze_source(struct definitions *definitions, int64_t campaign,
                                  struct error *error)
{
    return freeze_and_tell(definitions, campaign, DEPTH_WITHOUT_CONTENT, freeze_head, error);
}
