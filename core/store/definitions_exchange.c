/*
 * All definitions as one document, out and in. It is made to be kept in git: sorted by name, keys in
 * the order of the columns, all of them there, without what differs from one database to the next,
 * and long texts as arrays of their lines.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_table.h"

#define FORMAT "campaignd-definitions"
#define VERSION 2
#define ROWS_MOST 100000
#define BASE64_LINE 76

/* In the order in which they are read: what others refer to first. */
static const struct section {
    const char *key, *kind;
} sections[] = {{"categories", "category"},
                {"patterns", "pattern"},
                {"queries", "query"},
                {"reports", "report"},
                {"campaigns", "campaign"}};

#define SECTIONS (sizeof sections / sizeof *sections)

/* ---- export ---- */

static json_t *lines_of(const char *text)
{
    json_t *lines = json_array();
    for (;;) {
        size_t size = strcspn(text, "\n");
        json_array_append_new(lines, json_stringn(text, size));
        if (!text[size])
            return lines;
        text += size + 1;
    }
}

static json_t *chunks_of(const char *text, size_t size)
{
    json_t *chunks = json_array();
    for (size_t at = 0; at < size; at += BASE64_LINE)
        json_array_append_new(
            chunks, json_stringn(text + at, size - at < BASE64_LINE ? size - at : BASE64_LINE));
    return chunks;
}

static void spread_columns(const struct table *table, json_t *document)
{
    for (const struct column *column = table->columns; column->name; column++) {
        json_t *value = column->key ? json_object_get(document, column->key) : NULL;
        const char *text = json_string_value(value);
        if (text && column->kind == KIND_TEXT && strchr(text, '\n'))
            json_object_set_new(document, column->key, lines_of(text));
        if (text && column->kind == KIND_CONTENT && json_string_length(value) > BASE64_LINE)
            json_object_set_new(document, column->key, chunks_of(text, json_string_length(value)));
    }
}

/* Only what a clerk means: no number that another database counts differently, long texts by lines.
 */
static void make_portable(const struct table *table, json_t *document)
{
    json_object_del(document, "created_at");
    if (text_equal(table->name, "step"))
        json_object_del(document, "number");
    spread_columns(table, document);
    for (const struct child *child = table->children; child && child->key; child++) {
        json_t *nested = json_object_get(document, child->key), *one;
        const char *key;
        size_t i;
        if (child->nesting == NESTED_LIST) {
            json_array_foreach(nested, i, one) {
                make_portable(child->table, one);
            }
        } else if (child->nesting == NESTED_MAP) {
            json_object_foreach(nested, key, one) {
                make_portable(child->table, one);
            }
        }
    }
}

static int by_name(const void *left, const void *right)
{
    return strcmp(json_string_value(json_object_get(*(json_t *const *)left, "name")),
                  json_string_value(json_object_get(*(json_t *const *)right, "name")));
}

static json_t *sorted(const json_t *documents)
{
    size_t count = json_array_size(documents), i;
    FREE_CLEAN json_t **all = memory_array(count + 1, sizeof *all);
    json_t *one, *result = json_array();
    json_array_foreach((json_t *)documents, i, one) {
        all[i] = one;
    }
    qsort(all, count, sizeof *all, by_name);
    for (i = 0; i < count; i++)
        json_array_append(result, all[i]);
    return result;
}

static json_t *export_kind(struct definitions *d, const char *kind, struct trouble *why)
{
    const struct table *table = table_of_kind(kind);
    size_t count;
    FREE_CLEAN int64_t *ids = table_ids(d, table, ROWS_MOST, &count, why);
    JSON_CLEAN json_t *documents = json_array();
    for (size_t i = 0; ids && i < count; i++) {
        json_t *document = table_load(d, table, ids[i], DEPTH_WHOLE, why);
        if (!document)
            return NULL;
        make_portable(table, document);
        json_array_append_new(documents, document);
    }
    return ids ? sorted(documents) : NULL;
}

static json_t *export_all(struct definitions *d, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, false, why) < 0)
        return NULL;
    JSON_CLEAN json_t *document = json_pack("{s:s, s:i}", "format", FORMAT, "version", VERSION);
    table_refill_budget(d);
    for (size_t i = 0; i < SECTIONS; i++) {
        json_t *documents = export_kind(d, sections[i].kind, why);
        if (!documents)
            return NULL;
        json_object_set_new(document, sections[i].key, documents);
    }
    return json_incref(document);
}

/* A row that cannot be read is named: an export with holes is none. */
static int tell(const struct trouble *why, struct error *error)
{
    trouble_tell(why, error);
    if (why->error.code == ERROR_INPUT && why->table && why->row)
        error_prefix(error, "%s %lld: ", why->table, (long long)why->row);
    return -1;
}

json_t *definitions_export(struct definitions *definitions, struct error *error)
{
    struct trouble why = {0};
    json_t *document = export_all(definitions, &why);
    if (!document)
        tell(&why, error);
    return document;
}

/* ---- import ---- */

struct import {
    struct definitions *d;
    json_t *created, *changed;
    json_int_t unchanged;
    struct trouble *why;
};

static const char *name_of(const json_t *document)
{
    return json_string_value(json_object_get(document, "name"));
}

static int no_export(struct import *import, const char *what)
{
    return trouble_set(import->why, ERROR_INPUT, MESSAGE_NOT_AN_EXPORT, NULL, 0, what, NULL, NULL);
}

static const struct section *section_of(const char *key)
{
    for (size_t i = 0; i < SECTIONS; i++)
        if (text_equal(sections[i].key, key))
            return &sections[i];
    return NULL;
}

static int check_head(struct import *import, const json_t *document)
{
    const json_t *version = json_object_get(document, "version");
    if (!text_equal(json_string_value(json_object_get(document, "format")), FORMAT))
        return no_export(import, "\"format\": \"" FORMAT "\"");
    if (json_is_integer(version) && json_integer_value(version) == VERSION)
        return 0;
    FREE_CLEAN char *theirs = json_dumps(version, JSON_ENCODE_ANY);
    FREE_CLEAN char *ours = memory_format("%d", VERSION);
    return trouble_set(import->why, ERROR_INPUT, MESSAGE_EXPORT_VERSION, NULL, 0,
                       theirs ? theirs : "?", ours, NULL);
}

static int check_names(struct import *import, const char *section, const json_t *documents)
{
    JSON_CLEAN json_t *names = json_object();
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)documents, i, one) {
        FREE_CLEAN char *place = memory_format("%s[%zu].name", section, i);
        if (!name_of(one))
            return trouble_set(import->why, ERROR_INPUT, MESSAGE_GIVE, NULL, 0, place, NULL, NULL);
        if (json_object_get(names, name_of(one)))
            return trouble_set(import->why, ERROR_INPUT, MESSAGE_TWICE, NULL, 0, place, NULL, NULL);
        json_object_set_new(names, name_of(one), json_true());
    }
    return 0;
}

static int check_document(struct import *import, const json_t *document)
{
    const char *key;
    json_t *value;
    if (check_head(import, document) < 0)
        return -1;
    json_object_foreach((json_t *)document, key, value) {
        if (text_equal(key, "format") || text_equal(key, "version"))
            continue;
        if (!section_of(key))
            return no_export(import, key);
        if (!json_is_array(value))
            return trouble_set(import->why, ERROR_INPUT, MESSAGE_EXPECT_ARRAY, NULL, 0, key, NULL,
                               NULL);
        if (check_names(import, key, value) < 0)
            return -1;
    }
    return 0;
}

static int run(struct import *import, const char *sql)
{
    return sqlite3_exec(import->d->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : trouble_sql(import->why, import->d, NULL);
}

/* Where in the document it is, before what is wrong there. */
static int at(struct import *import, const struct section *section, size_t index,
              const json_t *document)
{
    char place[200], name[100];
    text_copy(name, sizeof name, name_of(document));
    snprintf(place, sizeof place, "%s[%zu] »%s«: ", section->key, index, name);
    return error_prefix(&import->why->error, "%s", place);
}

static json_t *load(struct import *import, const struct table *table, int64_t id,
                    struct trouble *why)
{
    table_refill_budget(import->d);
    return id > 0 ? table_load(import->d, table, id, DEPTH_WHOLE, why) : NULL;
}

/* A row that cannot be read now is a changed one afterwards. */
static int store_document(struct import *import, const struct table *table, int64_t *id,
                          const json_t *document)
{
    struct trouble unread = {0};
    bool is_new = *id == 0;
    JSON_CLEAN json_t *before = load(import, table, *id, &unread);
    if (run(import, "SAVEPOINT one") < 0 ||
        table_store(import->d, table, id, document, import->why) < 0)
        return -1;
    JSON_CLEAN json_t *after = load(import, table, *id, import->why);
    if (!after)
        return -1;
    bool same = before && json_equal(before, after);
    json_t *entry = json_pack("{s:s, s:s}", "kind", table->kind, "name", name_of(document));
    if (!same)
        json_array_append(is_new ? import->created : import->changed, entry);
    json_decref(entry);
    import->unchanged += same;
    return run(import, same ? "ROLLBACK TO one; RELEASE one" : "RELEASE one");
}

/* Queries may refer to each other: those that are new are made first, without their sets, and then
 * all are brought to what the document says. */
static json_t *without_sets(const json_t *query)
{
    json_t *copy = json_deep_copy(query), *group;
    size_t i;
    json_array_foreach(json_object_get(copy, "groups"), i, group) {
        json_object_del(group, "sets");
    }
    return copy;
}

static int make_new_queries(struct import *import, const json_t *queries, json_t *created)
{
    const struct table *table = table_of_kind("query");
    const struct section *section = section_of("queries");
    size_t i;
    json_t *query;
    json_array_foreach((json_t *)queries, i, query) {
        int64_t id = table_find_name(import->d, "query", name_of(query), import->why);
        if (id < 0)
            return -1;
        if (id > 0)
            continue;
        JSON_CLEAN json_t *bare = without_sets(query);
        if (table_store(import->d, table, &id, bare, import->why) < 0)
            return at(import, section, i, query);
        json_object_set_new(created, name_of(query), json_true());
    }
    return 0;
}

static int import_queries(struct import *import, const json_t *queries)
{
    const struct table *table = table_of_kind("query");
    const struct section *section = section_of("queries");
    JSON_CLEAN json_t *created = json_object();
    size_t i;
    json_t *query;
    if (make_new_queries(import, queries, created) < 0)
        return -1;
    json_array_foreach((json_t *)queries, i, query) {
        int64_t id = table_find_name(import->d, "query", name_of(query), import->why);
        bool is_new = json_object_get(created, name_of(query)) != NULL;
        int result = is_new ? table_store(import->d, table, &id, query, import->why)
                            : store_document(import, table, &id, query);
        if (result < 0)
            return at(import, section, i, query);
        if (is_new)
            json_array_append_new(import->created,
                                  json_pack("{s:s, s:s}", "kind", "query", "name", name_of(query)));
    }
    json_array_foreach((json_t *)queries, i, query) {
        int64_t id = table_find_name(import->d, "query", name_of(query), import->why);
        if (id < 0 || query_check(import->d, id, import->why) < 0)
            return at(import, section, i, query);
    }
    return 0;
}

static int import_section(struct import *import, const struct section *section,
                          const json_t *documents)
{
    const struct table *table = table_of_kind(section->kind);
    size_t i;
    json_t *one;
    if (text_equal(section->kind, "query"))
        return import_queries(import, documents);
    json_array_foreach((json_t *)documents, i, one) {
        int64_t id = table_find_name(import->d, table->name, name_of(one), import->why);
        if (id < 0 || store_document(import, table, &id, one) < 0)
            return at(import, section, i, one);
    }
    return 0;
}

static int import_all(struct import *import, const json_t *document)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (check_document(import, document) < 0 ||
        definitions_enter(&transaction, import->d, true, import->why) < 0)
        return -1;
    int had = category_makes_distributors(import->d, import->why);
    if (had < 0)
        return -1;
    for (size_t i = 0; i < SECTIONS; i++)
        if (import_section(import, &sections[i], json_object_get(document, sections[i].key)) < 0)
            return -1;
    int has = category_makes_distributors(import->d, import->why);
    if (has < 0)
        return -1;
    if (had && !has)
        return trouble_set(import->why, ERROR_CONFLICT, MESSAGE_LAST_DISTRIBUTOR, "category", 0,
                           "categories", NULL, NULL);
    bool nothing = json_array_size(import->created) == 0 && json_array_size(import->changed) == 0;
    return nothing ? 0 : transaction_commit(&transaction, import->why);
}

json_t *definitions_import(struct definitions *definitions, const json_t *document,
                           struct error *error)
{
    struct trouble why = {0};
    JSON_CLEAN json_t *created = json_array();
    JSON_CLEAN json_t *changed = json_array();
    struct import import = {.d = definitions, .created = created, .changed = changed, .why = &why};
    if (import_all(&import, document) < 0) {
        trouble_tell(&why, error);
        return NULL;
    }
    return json_pack("{s:O, s:O, s:I}", "created", created, "changed", changed, "unchanged",
                     import.unchanged);
}
