#include "source/objections.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/sql.h"

struct objections {
    sqlite3 *db;
    sqlite3_stmt *find;
    char *purpose;
    int64_t campaign;
    uint64_t *bits; /* two for each value of the list */
    uint64_t mask;
    int64_t entries;
    struct arena *texts; /* of what was found */
    struct suppression_entry *found;
    size_t found_count, found_room;
};

/* ---- the filter ---- */

static uint64_t hash_of(const char *text) /* FNV-1a, its bits mixed */
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

static uint64_t *word_of(const struct objections *objections, uint64_t bit)
{
    return &objections->bits[(bit & objections->mask) / 64];
}

static void add_to_filter(struct objections *objections, const char *value)
{
    uint64_t hash = hash_of(value);
    *word_of(objections, hash) |= UINT64_C(1) << hash % 64;
    *word_of(objections, hash >> 32) |= UINT64_C(1) << (hash >> 32) % 64;
}

static bool may_be_there(const struct objections *objections, const char *value)
{
    uint64_t hash = hash_of(value);
    return *word_of(objections, hash) >> hash % 64 & 1 &&
           *word_of(objections, hash >> 32) >> (hash >> 32) % 64 & 1;
}

static int count_entries(struct objections *objections, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *count =
        sql_prepare(objections->db, "SELECT COUNT(*) FROM entry", error);
    if (!count || sql_row(count, error) != 1)
        return -1;
    objections->entries = sqlite3_column_int64(count, 0);
    return 0;
}

static int fill_filter(struct objections *objections, struct error *error)
{
    uint64_t bits = 1024;
    int more;
    while (bits < 16 * (uint64_t)objections->entries)
        bits *= 2;
    objections->mask = bits - 1;
    objections->bits = memory_array(bits / 64, sizeof *objections->bits);
    STATEMENT_CLEAN sqlite3_stmt *all =
        sql_prepare(objections->db, "SELECT value FROM entry", error);
    if (!all)
        return -1;
    while ((more = sql_row(all, error)) > 0)
        add_to_filter(objections, sql_text(all, 0));
    return more;
}

/* ---- opening ---- */

static int open_list(struct objections *objections, const char *path, struct error *error)
{
    if (sqlite3_open_v2(path, &objections->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return sql_error(objections->db, error, "read the suppression list");
    objections->find = sql_prepare(objections->db,
                                   "SELECT kind, channel, scope, campaign_id, reason, created_us\n"
                                   "FROM entry\n"
                                   "WHERE value = ?1\n"
                                   "    AND kind = ?2\n"
                                   "ORDER BY created_us, id",
                                   error);
    return !objections->find || count_entries(objections, error) != 0 ||
                   fill_filter(objections, error) != 0
               ? -1
               : 0;
}

struct objections *objections_open(const char *path, const char *purpose, int64_t campaign,
                                   struct error *error)
{
    struct objections *objections = memory_new(sizeof *objections);
    objections->purpose = memory_text(purpose);
    objections->campaign = campaign;
    objections->texts = arena_new();
    if (!*path || open_list(objections, path, error) == 0)
        return objections;
    objections_close(objections);
    return NULL;
}

void objections_close(struct objections *objections)
{
    if (!objections)
        return;
    sqlite3_finalize(objections->find);
    sql_close(&objections->db);
    arena_free(objections->texts);
    free(objections->found);
    free(objections->bits);
    free(objections->purpose);
    free(objections);
}

bool objections_any(const struct objections *objections)
{
    return objections->entries > 0;
}

/* ---- asking ---- */

bool objections_is_address(const json_t *definition, const char *name, const char *role)
{
    size_t index, at;
    json_t *step, *address;
    if (strcmp(role, "email") == 0 || strcmp(role, "phone") == 0)
        return true;
    json_array_foreach(json_object_get(definition, "steps"), index, step)
        json_array_foreach(json_object_get(step, "addresses"), at, address)
            if (text_equal(json_string_value(address), name))
                return true;
    return false;
}

/* What concerns another campaign or purpose is not kept: somebody may have objected to hundreds. */
static void keep(struct objections *objections, sqlite3_stmt *row, const char *value)
{
    const struct suppression_entry entry = {.kind = sql_text(row, 0),
                                            .value = value,
                                            .channel = sql_text(row, 1),
                                            .scope = sql_text(row, 2),
                                            .campaign_id = sqlite3_column_int64(row, 3),
                                            .reason = sql_text(row, 4),
                                            .note = "",
                                            .created_us = sqlite3_column_int64(row, 5),
                                            .origin = ""};
    if (!suppression_applies(&entry, objections->purpose, objections->campaign, entry.channel))
        return;
    if (objections->found_count == objections->found_room) {
        objections->found_room = objections->found_room * 2 + 16;
        objections->found =
            memory_resize(objections->found, objections->found_room * sizeof *objections->found);
    }
    struct suppression_entry *kept = &objections->found[objections->found_count++];
    *kept = entry;
    kept->kind = arena_text(objections->texts, entry.kind);
    kept->value = arena_text(objections->texts, entry.value);
    kept->channel = arena_text(objections->texts, entry.channel);
    kept->scope = arena_text(objections->texts, entry.scope);
    kept->reason = arena_text(objections->texts, entry.reason);
}

static int find(struct objections *objections, const char *kind, const char *value,
                struct error *error)
{
    sqlite3_stmt *row = objections->find;
    int more;
    if (!may_be_there(objections, value))
        return 0;
    sqlite3_bind_text(row, 1, value, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 2, kind, -1, SQLITE_STATIC);
    while ((more = sql_row(row, error)) > 0)
        keep(objections, row, value);
    return more;
}

int objections_look_up(struct objections *objections, const char *key, struct error *error)
{
    if (objections->found_count)
        arena_reset(objections->texts);
    objections->found_count = 0;
    return *key ? find(objections, "person", key, error) : 0;
}

int objections_look_up_address(struct objections *objections, const char *text, size_t size,
                               struct error *error)
{
    char address[ADDRESS_SIZE];
    return address_normal(address, text, size) ? find(objections, "address", address, error) : 0;
}

const struct suppression_entry *objections_against(const struct objections *objections,
                                                   const char *channel)
{
    const struct suppression_entry *strictest = NULL;
    for (size_t i = 0; i < objections->found_count; i++) {
        const struct suppression_entry *entry = &objections->found[i];
        if (suppression_applies(entry, objections->purpose, objections->campaign, channel) &&
            (!strictest ||
             suppression_strictness(entry->reason) > suppression_strictness(strictest->reason)))
            strictest = entry;
    }
    return strictest;
}
