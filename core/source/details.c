#include "source/details.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/arrival.h"
#include "store/sql.h"

struct filling {
    struct selection *selection;
    struct fetched *fetched;
    struct arrival arrival; /* whose key a row carries */
    const json_t *group;
    size_t index;
    unsigned columns;
    bool by_search; /* keys are ascending integers without gaps: no index is needed */
    sqlite3_stmt *find, *add;
    uint32_t *counts; /* rows of each ordinal */
    int64_t owner;    /* of the row before */
    struct buffer owner_key;
};

static const json_t *groups_of(const struct reading *reading)
{
    return json_object_get(reading_group(reading), "details");
}

/* ---- whose a row is ---- */

static int64_t key_at(struct filling *filling, int64_t ordinal)
{
    sqlite3_stmt *find = filling->find;
    sqlite3_bind_int64(find, 1, ordinal);
    int64_t key = sqlite3_step(find) == SQLITE_ROW ? sqlite3_column_int64(find, 0) : INT64_MAX;
    sqlite3_reset(find);
    return key;
}

static int64_t search(struct filling *filling, const char *text)
{
    int64_t key, low = 1, high = filling->fetched->rows;
    if (text_to_int64(text, &key) != 0)
        return 0;
    if (filling->owner < high && key_at(filling, filling->owner + 1) == key)
        return filling->owner + 1;
    while (low <= high) {
        int64_t middle = low + (high - low) / 2, found = key_at(filling, middle);
        if (found == key)
            return middle;
        if (found < key)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return 0;
}

/* Of several rows with the key, the one that is a recipient. */
static int64_t look_up(struct filling *filling, const char *key)
{
    sqlite3_stmt *find = filling->find;
    int64_t owner = 0;
    sqlite3_bind_text(find, 1, key, -1, SQLITE_STATIC);
    while (!owner && sqlite3_step(find) == SQLITE_ROW)
        if (selection_has(filling->selection, sqlite3_column_int64(find, 0)))
            owner = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    return owner;
}

static int64_t owner_of_row(struct filling *filling)
{
    const char *key = arrival_key(&filling->arrival);
    if (!*key)
        return 0;
    if (filling->owner_key.size && strcmp(filling->owner_key.data, key) == 0)
        return filling->owner;
    filling->owner = filling->by_search ? search(filling, key) : look_up(filling, key);
    buffer_clear(&filling->owner_key);
    buffer_text(&filling->owner_key, key);
    return filling->owner;
}

/* ---- keeping a row ---- */

static void bind_cell(sqlite3_stmt *add, int index, const struct source_value *value)
{
    switch (value->type) {
    case SQLITE_INTEGER:
        sqlite3_bind_int64(add, index, value->integer);
        break;
    case SQLITE_FLOAT:
        sqlite3_bind_double(add, index, value->real);
        break;
    case SQLITE_TEXT:
        sqlite3_bind_text64(add, index, value->text, value->length, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case SQLITE_BLOB:
        sqlite3_bind_blob64(add, index, value->length ? value->text : "", value->length,
                            SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(add, index);
    }
}

static int keep_row(struct filling *filling, int64_t owner, struct error *error)
{
    sqlite3_bind_int64(filling->add, 1, owner);
    sqlite3_bind_int64(filling->add, 2, filling->counts[owner]);
    for (unsigned i = 0; i < filling->columns; i++) {
        struct source_value value;
        source_value(filling->arrival.source, i, &value);
        bind_cell(filling->add, (int)i + 3, &value);
    }
    return sql_done(filling->add, error);
}

static int64_t limit_of(const struct filling *filling)
{
    return reading_integer(filling->group, "limit", DETAILS_LIMIT);
}

static int take_rows(struct filling *filling, int64_t max_rows, struct error *error)
{
    struct source *source = filling->arrival.source;
    int64_t limit = limit_of(filling), seen = 0;
    int more;
    source_read_ahead(source);
    while ((more = source_next(source, error)) > 0) {
        if (++seen > max_rows)
            return error_say(error, ERROR_INPUT,
                             "the details »%s« are more than max_rows (%lld) rows; narrow them, "
                             "or raise max_rows of their source",
                             "Die Details »%s« sind mehr als max_rows (%lld) Zeilen; sie enger "
                             "fassen oder max_rows ihrer Datenquelle anheben.",
                             reading_text(filling->group, "name"), (long long)max_rows);
        int64_t owner = owner_of_row(filling);
        if (!owner || !selection_has(filling->selection, owner))
            continue;
        if (filling->counts[owner] < UINT32_MAX)
            filling->counts[owner]++;
        if (filling->counts[owner] <= limit && keep_row(filling, owner, error) != 0)
            return -1;
    }
    return more;
}

static int leave_out_too_many(struct filling *filling, struct error *error)
{
    int64_t limit = limit_of(filling);
    for (int64_t ordinal = 1; ordinal <= filling->fetched->rows; ordinal++) {
        if (filling->counts[ordinal] <= limit)
            continue;
        FREE_CLEAN char *detail =
            memory_format("%s: %u of at most %lld", reading_text(filling->group, "name"),
                          filling->counts[ordinal], (long long)limit);
        if (selection_leave_out(filling->selection, ordinal, REASON_TOO_MANY_DETAILS, detail,
                                error) != 0)
            return -1;
    }
    return 0;
}

/* ---- a group ---- */

static int describe(struct filling *filling, const json_t *columns, struct error *error)
{
    sqlite3 *db = filling->fetched->db;
    STATEMENT_CLEAN sqlite3_stmt *group = sql_prepare(
        db, "INSERT INTO main.detail_group (position, name, row_limit) VALUES (?1, ?2, ?3)", error);
    STATEMENT_CLEAN sqlite3_stmt *field =
        sql_prepare(db,
                    "INSERT INTO main.detail_field (grp, position, name, type, format, label_de, "
                    "label_en) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    error);
    static const char *const keys[] = {"name", "type", "format", "label_de", "label_en"};
    if (!group || !field)
        return -1;
    sqlite3_bind_int64(group, 1, (int64_t)filling->index);
    sql_bind_text(group, 2, reading_text(filling->group, "name"));
    sqlite3_bind_int64(group, 3, limit_of(filling));
    if (sql_done(group, error) != 0)
        return -1;
    for (unsigned i = 0; i < filling->columns; i++) {
        sqlite3_bind_int64(field, 1, (int64_t)filling->index);
        sqlite3_bind_int64(field, 2, i);
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++)
            sql_bind_text(field, (int)j + 3, reading_text(json_array_get(columns, i), keys[j]));
        if (sql_done(field, error) != 0)
            return -1;
    }
    return 0;
}

static int make_table(struct filling *filling, struct error *error)
{
    sqlite3 *db = filling->fetched->db;
    BUFFER_CLEAN struct buffer create = {0}, add = {0};
    buffer_printf(&create, "CREATE TEMP TABLE detail_row_%zu (ordinal, seq", filling->index);
    buffer_printf(&add, "INSERT INTO temp.detail_row_%zu VALUES (?1, ?2", filling->index);
    for (unsigned i = 0; i < filling->columns; i++) {
        buffer_printf(&create, ", d%u", i);
        buffer_printf(&add, ", ?%u", i + 3);
    }
    buffer_char(&create, ')');
    buffer_char(&add, ')');
    if (rows_create_detail(db, (unsigned)filling->index, filling->columns, error) != 0 ||
        sql_run(db, buffer_string(&create), error) != 0)
        return -1;
    filling->add = sql_prepare(db, buffer_string(&add), error);
    return filling->add ? 0 : -1;
}

static int prepare_find(struct filling *filling, struct error *error)
{
    const struct fetched *fetched = filling->fetched;
    filling->by_search = fetched->ascending && fetched->keyless == 0;
    if (!filling->by_search && fetched->ascending &&
        sql_run(fetched->db, "CREATE INDEX IF NOT EXISTS recipient_key ON recipient (key)",
                error) != 0)
        return -1;
    filling->find = sql_prepare(
        fetched->db,
        filling->by_search ? "SELECT CAST(key AS INTEGER) FROM main.recipient WHERE ordinal = ?1"
                           : "SELECT ordinal FROM main.recipient WHERE key = ?1 ORDER BY ordinal",
        error);
    return filling->find ? 0 : -1;
}

static int fill(struct filling *filling, const json_t *columns, int64_t max_rows,
                struct error *error)
{
    filling->columns = (unsigned)json_array_size(columns);
    filling->arrival.key = fetch_column_named(columns, reading_text(filling->group, "key"));
    filling->counts = memory_array((size_t)filling->fetched->rows + 1, sizeof *filling->counts);
    int result = make_table(filling, error) != 0 || describe(filling, columns, error) != 0 ||
                         prepare_find(filling, error) != 0 ||
                         take_rows(filling, max_rows, error) != 0
                     ? -1
                     : leave_out_too_many(filling, error);
    sqlite3_finalize(filling->find);
    sqlite3_finalize(filling->add);
    arrival_free(&filling->arrival);
    buffer_free(&filling->owner_key);
    free(filling->counts);
    return result;
}

static struct source *query(struct reading *reading, const json_t *group, const char *only_key,
                            struct error *error)
{
    const json_t *main_query = reading_main_query(reading);
    if (!only_key)
        return reading_query(reading, main_query, group, error);
    json_t *keys = json_pack("[s]", only_key);
    struct source *source = reading_query_keys(reading, main_query, group, keys, error);
    json_decref(keys);
    return source;
}

static int name_group(const json_t *group, struct error *error)
{
    return error_prefix(error, "»%s«: ", reading_text(group, "name"));
}

int details_fetch(struct details *details, struct reading *reading, struct selection *selection,
                  const char *only_key, struct error *error)
{
    size_t index;
    json_t *group;
    int result = 0;
    json_array_foreach((json_t *)groups_of(reading), index, group) {
        struct source *source = query(reading, group, only_key, error);
        json_t *columns = source ? fetch_columns(source, group, error) : NULL;
        if (!columns)
            return name_group(group, error);
        struct filling filling = {.selection = selection,
                                  .fetched = selection_fetched(selection),
                                  .arrival = {.source = source},
                                  .group = group,
                                  .index = index};
        result =
            fill(&filling, columns, reading_max_rows(reading, reading_main_query(reading)), error);
        if (result == 0)
            details->columns[details->count++] = (unsigned)json_array_size(columns);
        json_decref(columns);
        if (result != 0)
            break;
    }
    return result;
}

int details_put(const struct details *details, const struct selection *selection,
                const char *schema, struct error *error)
{
    for (size_t i = 0; i < details->count; i++) {
        BUFFER_CLEAN struct buffer sql = {0};
        buffer_printf(&sql, "INSERT INTO %s.detail_%zu\nSELECT campaignd_placed(ordinal), seq",
                      schema, i);
        for (unsigned column = 0; column < details->columns[i]; column++)
            buffer_printf(&sql, ", d%u", column);
        buffer_printf(&sql,
                      "\nFROM temp.detail_row_%zu\nWHERE campaignd_chosen(ordinal)\n"
                      "ORDER BY ordinal, seq",
                      i);
        if (sql_run(selection_fetched(selection)->db, buffer_string(&sql), error) != 0)
            return -1;
    }
    return 0;
}

json_t *details_check(struct reading *reading, json_t *problems)
{
    json_t *details = json_array(), *group;
    size_t index;
    json_array_foreach((json_t *)groups_of(reading), index, group) {
        struct error error;
        const char *name = reading_text(group, "name");
        struct source *source = query(reading, group, NULL, &error);
        json_t *columns = source ? fetch_columns(source, group, &error) : NULL;
        FREE_CLEAN char *where = memory_format("details %s", name);
        if (!columns)
            selection_add_problem(problems, where, &error);
        json_array_append_new(details, json_pack("{s:s, s:o}", "name", name, "columns",
                                                 columns ? columns : json_array()));
    }
    return details;
}
