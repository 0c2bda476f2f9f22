/*
 * Rows, checked and turned into JSON by the description of their table, so that no path out of the
 * database skips the checks.
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_table.h"

static bool is_number(enum kind kind)
{
    return kind <= KIND_BOOLEAN || kind == KIND_REFERENCE;
}

static int number_check(const struct table *table, const struct column *column, int64_t id,
                        int64_t value, struct trouble *why)
{
    int64_t least = column->kind == KIND_BOOLEAN ? 0 : 1;
    int64_t most = column->kind == KIND_BOOLEAN ? 1
                   : column->kind == KIND_COUNT ? column->most
                                                : POSITION_MOST;
    bool is_id =
        column->kind == KIND_ID || column->kind == KIND_PARENT || column->kind == KIND_REFERENCE;
    if (is_id)
        most = INT64_MAX;
    if (value >= least && value <= most)
        return 0;
    char from[40], to[40];
    snprintf(from, sizeof from, "%lld", (long long)least);
    snprintf(to, sizeof to, "%lld", (long long)most);
    return trouble_set(why, ERROR_INPUT, MESSAGE_RANGE, table->name, id, column->name, from, to);
}

static bool is_json(enum kind kind)
{
    return kind == KIND_PARAMETERS || kind == KIND_OBJECT;
}

static int stored_json(const struct table *table, const struct column *column, int64_t id,
                       const char *text, size_t size, json_t **out, struct trouble *why)
{
    json_error_t fault;
    JSON_CLEAN json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (!json || !json_is_object(json))
        return trouble_set(why, ERROR_INPUT, MESSAGE_JSON, table->name, id, column->name,
                           json ? "{…} is expected" : fault.text, NULL);
    if (column->kind == KIND_PARAMETERS &&
        parameters_check(json, column->name, table->name, id, why) < 0)
        return -1;
    if (out)
        *out = json_incref(json);
    return 0;
}

static const char *type_name(const struct column *column)
{
    return is_number(column->kind) ? "INTEGER" : column->kind == KIND_CONTENT ? "BLOB" : "TEXT";
}

static int cell_type(const struct column *column)
{
    return is_number(column->kind)        ? SQLITE_INTEGER
           : column->kind == KIND_CONTENT ? SQLITE_BLOB
                                          : SQLITE_TEXT;
}

static int cell_check(const struct table *table, const struct column *column, int64_t id,
                      sqlite3_stmt *row, int at, struct trouble *why)
{
    int type = sqlite3_column_type(row, at);
    if (type == SQLITE_NULL && column->nullable)
        return 0;
    if (type == SQLITE_NULL)
        return trouble_set(why, ERROR_INPUT, MESSAGE_NULL, table->name, id, column->name, NULL,
                           NULL);
    if (type != cell_type(column))
        return trouble_set(why, ERROR_INPUT, MESSAGE_TYPE, table->name, id, column->name,
                           type_name(column), NULL);
    if (is_number(column->kind))
        return number_check(table, column, id, sqlite3_column_int64(row, at), why);
    const char *text = sqlite3_column_blob(row, at);
    size_t size = (size_t)sqlite3_column_bytes(row, at);
    if (column->kind == KIND_CONTENT)
        return size <= (size_t)column->most ? 0
                                            : column_tell_fault(why, MESSAGE_LONG, column,
                                                                column->name, "", table->name, id);
    if (!text)
        text = "";
    enum message fault = column_text_fault(column, text, size);
    if (fault)
        return column_tell_fault(why, fault, column, column->name, sql_text(row, at), table->name,
                                 id);
    return is_json(column->kind) ? stored_json(table, column, id, text, size, NULL, why) : 0;
}

static bool is_given(const struct table *table, sqlite3_stmt *row, const char *name)
{
    int at = 0;
    for (const struct column *column = table->columns; column->name; column++, at++)
        if (text_equal(column->name, name))
            return sqlite3_column_type(row, at) != SQLITE_NULL;
    return false;
}

static int alternative_check(const struct table *table, int64_t id, sqlite3_stmt *row,
                             struct trouble *why)
{
    const struct alternative *either = table->alternative;
    if (!either)
        return 0;
    bool first = is_given(table, row, either->first), second = is_given(table, row, either->second);
    if (first != second || (!first && !either->needed))
        return 0;
    return trouble_set(why, ERROR_INPUT, first ? MESSAGE_NOT_BOTH : MESSAGE_NEITHER, table->name,
                       id, either->first, either->second, NULL);
}

/* The columns come in the table's order, the first is the id. */
static int row_check(const struct table *table, int64_t id, sqlite3_stmt *row, struct trouble *why)
{
    int at = 0;
    for (const struct column *column = table->columns; column->name; column++, at++)
        if (cell_check(table, column, id, row, at, why) < 0)
            return -1;
    return alternative_check(table, id, row, why);
}

static int select_row(struct definitions *d, const struct table *table, int64_t id,
                      sqlite3_stmt **row, struct trouble *why)
{
    BUFFER_CLEAN struct buffer sql = {0};
    for (const struct column *column = table->columns; column->name; column++)
        buffer_printf(&sql, "%s%s", column == table->columns ? "SELECT " : ", ", column->name);
    buffer_printf(&sql, " FROM %s WHERE id = ?1", table->name);
    if (definitions_prepare(d, buffer_string(&sql), row, why) < 0)
        return -1;
    sqlite3_bind_int64(*row, 1, id);
    int result = sqlite3_step(*row);
    if (result == SQLITE_ROW)
        return 0;
    if (result == SQLITE_DONE) {
        char number[40];
        snprintf(number, sizeof number, "%lld", (long long)id);
        return trouble_set(why, ERROR_NOT_FOUND, MESSAGE_NOT_FOUND, table->name, id, table->name,
                           number, NULL);
    }
    trouble_sql(why, d, table->name);
    why->row = id;
    return -1;
}

int table_check(struct definitions *d, const struct table *table, int64_t id, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (select_row(d, table, id, &row, why) < 0)
        return -1;
    return row_check(table, id, row, why);
}

/* The name that a reference goes by. It is another row's and not checked with this one. */
static json_t *referred_name(struct definitions *d, const struct table *table,
                             const struct column *column, int64_t id, int64_t target,
                             struct trouble *why)
{
    FREE_CLEAN char *sql = memory_format("SELECT name FROM %s WHERE id = ?1", column->choices);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, why) < 0)
        return NULL;
    sqlite3_bind_int64(row, 1, target);
    int result = sqlite3_step(row);
    json_t *name = result == SQLITE_ROW && sqlite3_column_type(row, 0) == SQLITE_TEXT
                       ? json_stringn(sql_text(row, 0), (size_t)sqlite3_column_bytes(row, 0))
                       : NULL;
    if (name)
        return name;
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        trouble_set(why, ERROR_INPUT, MESSAGE_DANGLING, table->name, id, column->name,
                    column->choices, NULL);
    else
        trouble_sql(why, d, table->name);
    return NULL;
}

static json_t *content_json(const void *data, size_t size, enum depth depth)
{
    BUFFER_CLEAN struct buffer text = {0};
    if (depth == DEPTH_WHOLE && size > 0)
        text_base64(&text, data, size);
    return json_stringn(buffer_string(&text), text.size);
}

void table_refill_budget(struct definitions *d)
{
    d->budget = BUDGET;
}

/* Many rows, each within its limits, are still bounded together. */
static int spend(struct definitions *d, const struct table *table, int64_t id, size_t size,
                 struct trouble *why)
{
    if (size > d->budget)
        return trouble_set(why, ERROR_INPUT, MESSAGE_TOO_LARGE, table->name, id, "64 MB", NULL,
                           NULL);
    d->budget -= size;
    return 0;
}

/* A checked cell. */
static json_t *cell_json(struct definitions *d, const struct table *table,
                         const struct column *column, int64_t id, sqlite3_stmt *row, int at,
                         enum depth depth, struct trouble *why)
{
    if (sqlite3_column_type(row, at) == SQLITE_NULL)
        return json_null();
    int64_t number = sqlite3_column_int64(row, at);
    if (column->kind == KIND_REFERENCE)
        return referred_name(d, table, column, id, number, why);
    if (column->kind == KIND_BOOLEAN)
        return json_boolean(number);
    if (is_number(column->kind))
        return json_integer(number);
    const char *text = sql_text(row, at);
    size_t size = (size_t)sqlite3_column_bytes(row, at);
    json_t *json = NULL;
    bool is_content = column->kind == KIND_CONTENT;
    if ((!is_content || depth == DEPTH_WHOLE) && spend(d, table, id, size, why) < 0)
        return NULL;
    if (is_json(column->kind))
        return stored_json(table, column, id, text, size, &json, why) < 0 ? NULL : json;
    if (is_content)
        return content_json(sqlite3_column_blob(row, at), size, depth);
    return json_stringn(text, size);
}

static bool is_wanted(const struct column *column, enum depth depth)
{
    return column->key && (depth != DEPTH_LIST || column->most <= LONG_TEXT);
}

static int load_columns(struct definitions *d, const struct table *table, int64_t id,
                        enum depth depth, json_t *target, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (select_row(d, table, id, &row, why) < 0 || row_check(table, id, row, why) < 0)
        return -1;
    int at = 0;
    for (const struct column *column = table->columns; column->name; column++, at++) {
        if (!is_wanted(column, depth))
            continue;
        json_t *value = cell_json(d, table, column, id, row, at, depth, why);
        if (!value)
            return -1;
        json_object_set_new(target, column->key, value);
    }
    return 0;
}

/* ids of the rows nested in `parent`, in their order; parent 0: of all rows. */
static int64_t *select_ids(struct definitions *d, const struct table *table,
                           const char *parent_column, int64_t parent, size_t most, size_t *count,
                           struct trouble *why)
{
    FREE_CLEAN char *sql =
        parent_column
            ? memory_format("SELECT id FROM %s WHERE %s = ?1 ORDER BY %s LIMIT ?2", table->name,
                            parent_column, table->order)
            : memory_format("SELECT id FROM %s WHERE ?1 = 0 ORDER BY id LIMIT ?2", table->name);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, why) < 0)
        return NULL;
    sqlite3_bind_int64(row, 1, parent);
    sqlite3_bind_int64(row, 2, (int64_t)most + 1);
    size_t room = 16;
    int64_t *ids = memory_array(room, sizeof *ids);
    *count = 0;
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        if (*count == room)
            ids = memory_resize(ids, (room *= 2) * sizeof *ids);
        ids[(*count)++] = sqlite3_column_int64(row, 0);
    }
    if (result == SQLITE_DONE && *count <= most)
        return ids;
    if (result == SQLITE_DONE) {
        char number[40];
        snprintf(number, sizeof number, "%zu", most);
        trouble_set(why, ERROR_INPUT, MESSAGE_TOO_MANY, table->name, 0, table->name, number, NULL);
    } else {
        trouble_sql(why, d, table->name);
    }
    free(ids);
    return NULL;
}

int64_t *table_ids(struct definitions *d, const struct table *table, size_t most, size_t *count,
                   struct trouble *why)
{
    return select_ids(d, table, NULL, 0, most, count, why);
}

/* ---- nested rows ---- */

/* Steps are kept under any positions; in documents they are numbered 1, 2, 3. */
static int number_steps(json_t *steps, struct trouble *why)
{
    size_t i;
    json_t *one;
    json_array_foreach(steps, i, one) {
        int64_t after = json_integer_value(json_object_get(one, "after"));
        size_t earlier = 0;
        while (after && earlier < i &&
               json_integer_value(json_object_get(json_array_get(steps, earlier), "position")) !=
                   after)
            earlier++;
        if (after && earlier == i)
            return trouble_set(why, ERROR_INPUT, MESSAGE_STEP_AFTER, "step", 0,
                               json_string_value(json_object_get(one, "name")), NULL, NULL);
        json_object_set(one, "position", json_object_get(one, "number"));
        json_object_set_new(one, "number", json_integer((json_int_t)i + 1));
        if (after)
            json_object_set_new(one, "after", json_integer((json_int_t)earlier + 1));
    }
    json_array_foreach(steps, i, one) {
        json_object_del(one, "position");
    }
    return 0;
}

static void nest(const struct child *child, json_t *collection, json_t *one)
{
    const char *key = json_string_value(json_object_get(one, child->map_key ? child->map_key : ""));
    if (child->nesting == NESTED_LIST) {
        json_array_append(collection, one);
    } else if (child->nesting == NESTED_NAMES) {
        json_array_append(collection, json_object_get(one, child->map_key));
    } else if (child->nesting == NESTED_PICKS) {
        json_array_append(json_object_get(collection, key), json_object_get(one, "key"));
    } else {
        json_object_set(collection, key, one);
        json_object_del(one, child->map_key);
    }
}

static json_t *empty_collection(const struct child *child)
{
    return child->nesting == NESTED_MAP     ? json_object()
           : child->nesting == NESTED_PICKS ? json_pack("{s:[], s:[]}", "in", "out")
                                            : json_array();
}

static json_t *load_children(struct definitions *d, const struct child *child, int64_t parent,
                             enum depth depth, struct trouble *why)
{
    size_t count;
    FREE_CLEAN int64_t *ids = select_ids(d, child->table, table_parent_column(child->table), parent,
                                         child_most(child), &count, why);
    if (!ids)
        return NULL;
    JSON_CLEAN json_t *collection = empty_collection(child);
    for (size_t i = 0; i < count; i++) {
        JSON_CLEAN json_t *one = table_load(d, child->table, ids[i], depth, why);
        if (!one)
            return NULL;
        nest(child, collection, one);
    }
    if (text_equal(child->table->name, "step") && number_steps(collection, why) < 0)
        return NULL;
    return json_incref(collection);
}

json_t *table_load(struct definitions *d, const struct table *table, int64_t id, enum depth depth,
                   struct trouble *why)
{
    JSON_CLEAN json_t *target = json_object();
    if (load_columns(d, table, id, depth, target, why) < 0)
        return NULL;
    for (const struct child *child = table->children; depth != DEPTH_LIST && child && child->key;
         child++) {
        json_t *collection = load_children(d, child, id, depth, why);
        if (!collection)
            return NULL;
        json_object_set_new(target, child->key, collection);
    }
    return json_incref(target);
}

/* ---- names ---- */

int64_t table_find_name(struct definitions *d, const char *table, const char *name,
                        struct trouble *why)
{
    FREE_CLEAN char *sql = memory_format("SELECT id FROM %s WHERE name = ?1", table);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, why) < 0)
        return -1;
    sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        return sqlite3_column_int64(row, 0);
    return result == SQLITE_DONE ? 0 : trouble_sql(why, d, table);
}

int64_t table_find(struct definitions *d, const struct table *table, const char *name_or_id,
                   struct trouble *why)
{
    int64_t id = table_find_name(d, table->name, name_or_id, why);
    int64_t number;
    if (id != 0 || text_to_int64(name_or_id, &number) < 0)
        return id;
    FREE_CLEAN char *sql = memory_format("SELECT id FROM %s WHERE id = ?1", table->name);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(d, sql, &row, why) < 0)
        return -1;
    sqlite3_bind_int64(row, 1, number);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        return number;
    return result == SQLITE_DONE ? 0 : trouble_sql(why, d, table->name);
}
