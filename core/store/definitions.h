/*
 * The definitions: queries, reports, patterns, campaigns, steps and start requests in
 * definitions.db. It is the public contract (docs/schema.md): a site writes into it with its own
 * programs, at any time, so whatever is read from here was checked as hostile input before anybody
 * else sees it. Triggers and views are not run, the schema is compared with the one we made, and
 * each value's type, length and form is looked at.
 *
 * `struct definitions` is one connection. All calls are synchronous and may touch the disk: use it
 * from one thread at a time, never from the loop. No call waits longer than two seconds for another
 * program's lock; it then fails with ERROR_BUSY and can be repeated as it is. Reading works while
 * another program writes.
 *
 * Documents (jansson) of the five kinds; what get returns may be changed and given to put:
 *   query     {"id", "version", "name", "source", "description",
 *              "parameters": [{"name", "label_de", "label_en", "type", "required", "default"}],
 *              "groups": [{"name", "sql", "built": {}, "key",
 *              "fields": [{"name", "label_de", "label_en", "role", "format"}],
 *              "details": [{"name", "sql", "built": {}, "key", "limit"}],
 *              "sets": [{"operation", "query", "group"}]}]}
 *   report    {"id", "version", "name", "kind", "title", "description", "query",
 *              "categories": ["NAME"], "variants": {"de": {"subject", "html", "text"}},
 *              "files": [{"name", "mime_type", "content_base64"}]}
 *   campaign  {"id", "version", "name", "description", "purpose", "purpose_reason",
 *              "consent_reason", "language", "query", "distributor", "individual_sql",
 *              "individual_built": {}, "group", "parameters": {}, "filter", "unit", "sample",
 *              "created_at", "picks": {"in": ["KEY"], "out": ["KEY"]},
 *              "steps": [{"number", "name", "action", "after", "after_outcome", "when", "recheck",
 *              "parameters": {}}], "schedules": [{"enabled", "starts_at", "time_zone", "rule",
 *              "catch_up"}]}
 *   category  {"id", "version", "name", "distributor"}
 *   pattern   {"id", "version", "name", "kind", "country", "language", "template"}
 * A group has either "sql" or "built", the other is null; a campaign may have "individual_sql" or
 * "individual_built". A long text may be given as an array of its lines, base64 as an array, too.
 * Queries, reports and categories are named by their names. "version" is a hash of the whole
 * document, so that it notices edits by other programs, too.
 */
#ifndef CAMPAIGND_STORE_DEFINITIONS_H
#define CAMPAIGND_STORE_DEFINITIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define DEFINITIONS_UUID_SIZE 65 /* with the zero byte; a site's own may be longer than a UUID */
#define DEFINITIONS_WHO_SIZE 801

struct definitions;

/*
 * Open the database at `path`; make it (mode 0660, and its folder, 2770, if that is not there) and
 * bring it to the present schema. NULL: ERROR_INPUT if it is from a newer campaignd or not ours,
 * ERROR_BUSY if another program's lock is in the way of a migration, ERROR_SYSTEM else.
 */
struct definitions *definitions_open(const char *path, struct error *error);
void definitions_close(struct definitions *definitions); /* NULL is fine */
#define DEFINITIONS_CLEAN __attribute__((cleanup(definitions_close_pointer)))
void definitions_close_pointer(struct definitions **definitions);

/* 1 if another connection has committed something since the last call (and at the first call), 0 if
 * not, -1 if that cannot be told just now. Cheap: meant to be asked twice a second. */
int definitions_changed(struct definitions *definitions);

/*
 * Look at everything, and bring the table `problem` to what was found; it is written only if that
 * differs. Returns the number of problems with severity `error`, or -1.
 */
int definitions_check(struct definitions *definitions, struct error *error);

/* The rows of `problem`: [{"table", "row", "severity", "message_en", "message_de", "found_at"}]. */
json_t *definitions_problems(struct definitions *definitions, struct error *error);

/*
 * Documents. `kind` is one of the five above; `name_or_id` is a name or else an id in decimal
 * digits. Results are new references, NULL on error. Errors of put name the place in the
 * document ("steps[1].after: …"). Rows that do not pass the checks are left out of the list, and
 * are an ERROR_INPUT of get.
 *
 * list: [{…}] in the order of the names, without what is nested and without long texts.
 * put: replace the whole document, or make a new one if `name_or_id` is NULL; what is not given
 *   gets its default; unknown keys are errors. If it has a "version" that is not the present one:
 *   ERROR_CONFLICT. Returns the document as it is now. A new campaign without a name is called
 *   „Kampagne 2026-11-24 Nr. 3".
 * delete: ERROR_CONFLICT that names another definition that still uses it. Of the categories that
 *   make distributors one must stay; put refuses to take that mark from the last one, too.
 */
json_t *definitions_list(struct definitions *definitions, const char *kind, struct error *error);
json_t *definitions_get(struct definitions *definitions, const char *kind, const char *name_or_id,
                        struct error *error);
json_t *definitions_put(struct definitions *definitions, const char *kind, const char *name_or_id,
                        const json_t *document, struct error *error);
int definitions_delete(struct definitions *definitions, const char *kind, const char *name_or_id,
                       struct error *error);

/*
 * Several calls as one: those between begin and end see what the ones before have changed, and all of
 * it stays if end is told to keep it, else none; a call that fails has changed nothing. Other programs
 * that write wait meanwhile. 0 or -1; a begin that fails wants no end.
 */
int definitions_begin(struct definitions *definitions, struct error *error);
int definitions_end(struct definitions *definitions, bool keep, struct error *error);

/* The id of a definition, or -1: ERROR_NOT_FOUND. */
int64_t definitions_find(struct definitions *definitions, const char *kind, const char *name_or_id,
                         struct error *error);

/*
 * Everything that a run of this campaign needs, as one document that no later edit changes:
 *   {"campaign": {"id", "name", "description", "purpose", "language", "filter", "unit", "sample",
 *                 "purpose_reason", "consent_reason", "parameters": {"event": 42}},
 *    "query": {"id", "name", "source"},
 *    "group": {"name", "sql", "built", "key", "fields": [{"name", "label_de", "label_en", "role",
 *              "format"}], "details": [{"name", "sql", "built", "key", "limit"}],
 *              "sets": [{"operation", "query": {"id", "name", "source"},
 *              "group": {"name", "sql", "built", "key"}}]},
 *    "picks": {"in": ["KEY"], "out": ["KEY"]},
 *    "steps": [{"number": 1, "name", "action", "after": null or a number, "after_outcome", "when",
 *               "recheck", "parameters": {}}],
 *    "reports": {"NAME": {"kind", "title", "variants": {"de": {"subject", "html", "text"}},
 *                "files": [{"name", "mime_type", "content_base64"}]}},
 *    "patterns": {"NAME": {"kind", "template"}}}
 * Of "sql" and "built" one is null. The campaign's own query stands in place of the group's. The
 * parameters are all that the query and those of its sets declare, in their types: integer a number,
 * boolean true or false, text, decimal ("12.50") and date ("2026-11-24") a text; null for one that
 * is not required and was not given. The reasons are "" if there is none; a campaign whose purpose
 * is "mandatory" needs its one. Sets are one level deep: a group with sets cannot be a set.
 * Steps are numbered from 1 in their order. Reports are those that a step's parameter names (a
 * string that is a report's name). A parameter called "report" or "…_report" must name one. Values
 * that may be absent are null; fields without a row in `field` are not listed. What dangles is an
 * ERROR_INPUT that names the thing and the mend.
 */
json_t *definitions_freeze(struct definitions *definitions, int64_t campaign, struct error *error);

/* What a campaign's filter stands on: "campaign", "query" and "group" as above, whatever else the
 * campaign may lack. */
json_t *definitions_freeze_source(struct definitions *definitions, int64_t campaign,
                                  struct error *error);

/*
 * A query alone, for lists and previews: {"query", "group", "campaign": {"parameters": {}}}, as
 * above. `group` NULL: the only one; ERROR_INPUT that names them if there are several.
 * `parameters` {"event": 42} are checked as a campaign's; NULL: none; JSON null: they are not asked
 * for, those without a default are null (to show the SQL). The second has, in place of "group",
 * "groups": all of them.
 */
json_t *definitions_freeze_query(struct definitions *definitions, const char *query,
                                 const char *group, const json_t *parameters, struct error *error);
json_t *definitions_freeze_groups(struct definitions *definitions, const char *query,
                                  const json_t *parameters, struct error *error);

/* ---- a campaign's own query ---- */

/* Where campaigns' own SQL runs: {"7": {"campaign": "NAME", "sql", "source"}} by their ids; the
 * source is null if there is none. */
json_t *definitions_individual_sources(struct definitions *definitions, struct error *error);

/*
 * Copy the saved group's SQL or document into the campaign, which then has a query of its own;
 * the saved one stays as it is. `group` NULL: the campaign's; else the campaign gets this one.
 * ERROR_CONFLICT if it has a query of its own already, unless `force`. The campaign's document as it
 * is now.
 */
json_t *definitions_individual(struct definitions *definitions, const char *campaign,
                               const char *group, bool force, struct error *error);

/*
 * {"same", "saved": {"sql", "built"}, "own": {"sql", "built"} or null if it has none,
 *  "difference": ["@@ -1,3 +1,4 @@", " SELECT id", "-FROM a", "+FROM b"]}: from the saved query to
 * the campaign's, by lines as of diff -u; of a built one the document, indented, its keys sorted.
 * Cut after 2,000 lines with "…".
 */
json_t *definitions_compare(struct definitions *definitions, const char *campaign,
                            struct error *error);

/* ---- all definitions as one document ---- */

/*
 * {"format": "campaignd-definitions", "version": 2, "categories": [], "patterns": [], "queries": [],
 *  "reports": [], "campaigns": []}: documents as above, sorted by name (by their bytes), without
 * id, version and created_at and without the steps' numbers; keys in the order of the list at the
 * top of this file, defaults in; texts of several lines as arrays of lines, long base64 as arrays of
 * 76 characters. A row that does not pass the checks is an ERROR_INPUT that names it, as are more
 * than 64 MB.
 */
json_t *definitions_export(struct definitions *definitions, struct error *error);

/*
 * Make or replace each definition in the document by its name, all or none; what the document does
 * not name stays, sections may be missing. {"created": [{"kind", "name"}], "changed": [the same],
 * "unchanged": 7}. Errors name the place: "queries[3] »Members«: groups[0].sql …".
 */
json_t *definitions_import(struct definitions *definitions, const json_t *document,
                           struct error *error);

/* ---- start requests ---- */

struct definitions_start {
    int64_t id; /* of the row, for the answer */
    int64_t campaign;
    char uuid[DEFINITIONS_UUID_SIZE];
    char requested_by[DEFINITIONS_WHO_SIZE];
};

/* The oldest request that is pending: 1, or 0 if there is none, or -1. A request that can never be
 * started (no such campaign, rubbish) is refused here with a message in its row. It stays pending,
 * and is returned again, until it is answered. */
int definitions_next_start(struct definitions *definitions, struct definitions_start *out,
                           struct error *error);

/* Answer a request: `state` is "accepted" (with the run's number) or "refused" (run 0, with a
 * message). Repeating an answer is fine; a different one is ERROR_CONFLICT; a row that is gone
 * ERROR_NOT_FOUND. */
int definitions_answer_start(struct definitions *definitions, int64_t id, const char *state,
                             int64_t run, const char *message, struct error *error);

/* Put a request of our own: `uuid` gets its identity. */
int definitions_request_start(struct definitions *definitions, const char *campaign_name_or_id,
                              const char *requested_by, char uuid[DEFINITIONS_UUID_SIZE],
                              struct error *error);

#endif
