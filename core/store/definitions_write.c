/* Documents to rows: one table's, then those of the tables nested in it. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_table.h"

/* Where in a document: "groups[0].fields[2]"; "" at the top. */
struct place {
    char text[400];
};

static struct place place_key(const struct place *above, const char *key)
{
    struct place place;
    char shown[120];
    text_copy(shown, sizeof shown, key);
    snprintf(place.text, sizeof place.text, "%.250s%s%s", above->text, above->text[0] ? "." : "",
             shown);
    return place;
}

static struct place place_index(const struct place *above, size_t index)
{
    struct place place;
    snprintf(place.text, sizeof place.text, "%.350s[%zu]", above->text, index);
    return place;
}

/* One row on its way into the database. */
struct writing {
    struct definitions *d;
    const struct table *table;
    int64_t id;     /* 0: new */
    int64_t parent; /* 0: none */
    size_t number;  /* among its siblings, from 1 */
    const json_t *document;
    struct place place;
    struct error *error;
};

static int wrong(const struct writing *w, const char *key, const char *expected)
{
    struct place place = place_key(&w->place, key);
    return error_set(w->error, ERROR_INPUT, "%s: %s", place.text, expected);
}

static bool is_known_key(const struct table *table, const char *key)
{
    for (const struct column *column = table->columns; column->name; column++)
        if (text_equal(column->key, key))
            return true;
    for (const struct child *child = table->children; child && child->key; child++)
        if (text_equal(child->key, key))
            return true;
    return table_of_kind(table->name) && (text_equal(key, "id") || text_equal(key, "version"));
}

static int check_keys(const struct writing *w)
{
    if (!json_is_object(w->document))
        return error_set(w->error, ERROR_INPUT, "%s: an object is expected",
                         w->place.text[0] ? w->place.text : "document");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)w->document, key, value) {
        if (!is_known_key(w->table, key)) {
            FREE_CLEAN char *what =
                memory_format("a %s has no such key; see docs/schema.md", w->table->name);
            return wrong(w, key, what);
        }
    }
    return 0;
}

static int bind_text(const struct writing *w, sqlite3_stmt *row, int at,
                     const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, "a text is expected");
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    enum message fault = column_text_fault(column, text, size);
    if (fault) {
        struct place place = place_key(&w->place, column->key);
        struct trouble why = {0};
        column_tell_fault(&why, fault, column, place.text, text, w->table->name, 0);
        return trouble_tell(&why, w->error);
    }
    return sqlite3_bind_text(row, at, text, (int)size, SQLITE_TRANSIENT) == SQLITE_OK ? 0 : -1;
}

static int bind_reference(const struct writing *w, sqlite3_stmt *row, int at,
                          const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, "a name is expected");
    struct trouble why = {0};
    int64_t target = table_find_name(w->d, column->choices, json_string_value(value), &why);
    if (target < 0)
        return trouble_tell(&why, w->error);
    if (target == 0) {
        struct place place = place_key(&w->place, column->key);
        return error_set(w->error, ERROR_INPUT, "%s: there is no %s »%.200s«", place.text,
                         column->choices, json_string_value(value));
    }
    return sqlite3_bind_int64(row, at, target) == SQLITE_OK ? 0 : -1;
}

static int bind_parameters(const struct writing *w, sqlite3_stmt *row, int at,
                           const struct column *column, const json_t *value)
{
    struct place place = place_key(&w->place, column->key);
    struct trouble why = {0};
    if (parameters_check(value, place.text, w->table->name, 0, &why) < 0)
        return trouble_tell(&why, w->error);
    FREE_CLEAN char *text = json_dumps(value, JSON_COMPACT);
    if (!text || strlen(text) > (size_t)column->most)
        return wrong(w, column->key, "too long");
    return sqlite3_bind_text(row, at, text, -1, SQLITE_TRANSIENT) == SQLITE_OK ? 0 : -1;
}

static int bind_content(const struct writing *w, sqlite3_stmt *row, int at,
                        const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, "a text is expected");
    BUFFER_CLEAN struct buffer content = {0};
    if (json_string_length(value) / 4 > (size_t)column->most / 3 + 1 ||
        text_unbase64(&content, json_string_value(value), json_string_length(value)) < 0 ||
        content.size > (size_t)column->most)
        return wrong(w, column->key, "base64 of at most 10,000,000 bytes is expected");
    return sqlite3_bind_blob(row, at, buffer_string(&content), (int)content.size,
                             SQLITE_TRANSIENT) == SQLITE_OK
               ? 0
               : -1;
}

static int bind_after(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column, const json_t *value)
{
    json_int_t after = json_integer_value(value);
    if (!json_is_integer(value) || after < 1 || after >= (json_int_t)w->number)
        return wrong(w, column->key, "the number of an earlier step, or null, is expected");
    return sqlite3_bind_int64(row, at, after) == SQLITE_OK ? 0 : -1;
}

static int bind_number(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column, const json_t *value)
{
    if (value && column->key && json_integer_value(value) != (json_int_t)w->number)
        return wrong(w, column->key, "steps are numbered 1, 2, 3 in their order; leave it out");
    return sqlite3_bind_int64(row, at, (int64_t)w->number) == SQLITE_OK ? 0 : -1;
}

/* What a document does not say. */
static int bind_preset(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column)
{
    if (column->nullable)
        return sqlite3_bind_null(row, at) == SQLITE_OK ? 0 : -1;
    if (!column->preset)
        return wrong(w, column->key, "must be given");
    if (column->kind == KIND_BOOLEAN)
        return sqlite3_bind_int(row, at, column->preset[0] == '1') == SQLITE_OK ? 0 : -1;
    return sqlite3_bind_text(row, at, column->preset, -1, SQLITE_STATIC) == SQLITE_OK ? 0 : -1;
}

static int bind_value(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column)
{
    const json_t *value = column->key ? json_object_get(w->document, column->key) : NULL;
    if (column->kind == KIND_PARENT)
        return sqlite3_bind_int64(row, at, w->parent) == SQLITE_OK ? 0 : -1;
    if (column->kind == KIND_POSITION || column->kind == KIND_NUMBER)
        return bind_number(w, row, at, column, value);
    if (!value || (json_is_null(value) && column->nullable))
        return bind_preset(w, row, at, column);
    switch (column->kind) {
    case KIND_REFERENCE:
        return bind_reference(w, row, at, column, value);
    case KIND_PARAMETERS:
        return bind_parameters(w, row, at, column, value);
    case KIND_CONTENT:
        return bind_content(w, row, at, column, value);
    case KIND_AFTER:
        return bind_after(w, row, at, column, value);
    case KIND_BOOLEAN:
        if (!json_is_boolean(value))
            return wrong(w, column->key, "true or false is expected");
        return sqlite3_bind_int(row, at, json_is_true(value)) == SQLITE_OK ? 0 : -1;
    default:
        return bind_text(w, row, at, column, value);
    }
}

static bool is_written(const struct column *column)
{
    return column->kind != KIND_ID && column->kind != KIND_CREATED;
}

/* INSERT or UPDATE, with the written columns as ?1 …, and the id of an UPDATE last. */
static int prepare_write(const struct writing *w, sqlite3_stmt **row, int *count)
{
    BUFFER_CLEAN struct buffer names = {0};
    BUFFER_CLEAN struct buffer places = {0};
    *count = 0;
    for (const struct column *column = w->table->columns; column->name; column++) {
        if (!is_written(column))
            continue;
        const char *comma = (*count)++ ? ", " : "";
        buffer_printf(&names, w->id ? "%s%s = ?%d" : "%s%s", comma, column->name, *count);
        buffer_printf(&places, "%s?%d", comma, *count);
    }
    FREE_CLEAN char *sql = w->id ? memory_format("UPDATE %s SET %s WHERE id = ?%d", w->table->name,
                                                 buffer_string(&names), *count + 1)
                                 : memory_format("INSERT INTO %s (%s) VALUES (%s)", w->table->name,
                                                 buffer_string(&names), buffer_string(&places));
    struct trouble why = {0};
    return definitions_prepare(w->d, sql, row, &why) < 0 ? trouble_tell(&why, w->error) : 0;
}

static int write_row(struct writing *w)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    int count, at = 0;
    if (prepare_write(w, &row, &count) < 0)
        return -1;
    for (const struct column *column = w->table->columns; column->name; column++)
        if (is_written(column) && bind_value(w, row, ++at, column) < 0)
            return -1;
    if (w->id)
        sqlite3_bind_int64(row, count + 1, w->id);
    if (sqlite3_step(row) == SQLITE_DONE) {
        if (!w->id)
            w->id = sqlite3_last_insert_rowid(w->d->db);
        return 0;
    }
    if (sqlite3_errcode(w->d->db) == SQLITE_CONSTRAINT)
        return error_set(w->error, ERROR_INPUT, "%s: %s",
                         w->place.text[0] ? w->place.text : w->table->name,
                         sqlite3_errmsg(w->d->db));
    struct trouble why = {0};
    trouble_sql(&why, w->d, w->table->name);
    return trouble_tell(&why, w->error);
}

static int write_document(struct writing *w);

static int write_child(const struct writing *above, const struct child *child,
                       const struct place *place, size_t number, const json_t *document)
{
    struct writing w = {
        .d = above->d,
        .table = child->table,
        .parent = above->id,
        .number = number,
        .document = document,
        .place = *place,
        .error = above->error,
    };
    return write_document(&w);
}

static int write_map(const struct writing *w, const struct child *child, const struct place *place,
                     json_t *map)
{
    const char *key;
    json_t *value;
    size_t number = 0;
    json_object_foreach(map, key, value) {
        struct place inside = place_key(place, key);
        if (json_object_get(value, child->map_key))
            return error_set(w->error, ERROR_INPUT, "%s: »%s« is the key above it, leave it out",
                             inside.text, child->map_key);
        JSON_CLEAN json_t *one = json_is_object(value) ? json_copy(value) : json_incref(value);
        if (json_is_object(one))
            json_object_set_new(one, child->map_key, json_string(key));
        if (write_child(w, child, &inside, ++number, one) < 0)
            return -1;
    }
    return 0;
}

static int write_list(const struct writing *w, const struct child *child, const struct place *place,
                      json_t *list)
{
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) {
        struct place inside = place_index(place, i);
        JSON_CLEAN json_t *one = child->nesting == NESTED_NAMES
                                     ? json_pack("{s:O}", child->map_key, value)
                                     : json_incref(value);
        if (write_child(w, child, &inside, i + 1, one) < 0)
            return -1;
    }
    return 0;
}

static int delete_children(const struct writing *w, const struct child *child)
{
    FREE_CLEAN char *sql = memory_format("DELETE FROM %s WHERE %s = ?1", child->table->name,
                                         table_parent_column(child->table));
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    struct trouble why = {0};
    if (definitions_prepare(w->d, sql, &row, &why) < 0)
        return trouble_tell(&why, w->error);
    sqlite3_bind_int64(row, 1, w->id);
    if (sqlite3_step(row) == SQLITE_DONE)
        return 0;
    trouble_sql(&why, w->d, child->table->name);
    return trouble_tell(&why, w->error);
}

static int write_children(const struct writing *w, const struct child *child)
{
    if (delete_children(w, child) < 0)
        return -1;
    json_t *nested = json_object_get(w->document, child->key);
    if (!nested || json_is_null(nested))
        return 0;
    struct place place = place_key(&w->place, child->key);
    bool is_map = child->nesting == NESTED_MAP;
    if (is_map ? !json_is_object(nested) : !json_is_array(nested))
        return error_set(w->error, ERROR_INPUT, "%s: an %s is expected", place.text,
                         is_map ? "object" : "array");
    size_t count = is_map ? json_object_size(nested) : json_array_size(nested);
    if (count > CHILDREN_MOST)
        return error_set(w->error, ERROR_INPUT, "%s: more than %d", place.text, CHILDREN_MOST);
    return is_map ? write_map(w, child, &place, nested) : write_list(w, child, &place, nested);
}

static int write_document(struct writing *w)
{
    if (check_keys(w) < 0 || write_row(w) < 0)
        return -1;
    for (const struct child *child = w->table->children; child && child->key; child++)
        if (write_children(w, child) < 0)
            return -1;
    return 0;
}

int table_store(struct definitions *d, const struct table *table, int64_t *id,
                const json_t *document, struct error *error)
{
    struct writing w = {
        .d = d, .table = table, .id = *id, .number = 1, .document = document, .error = error};
    if (error)
        error_set(error, ERROR_SYSTEM, "out of memory");
    if (write_document(&w) < 0)
        return -1;
    *id = w.id;
    return 0;
}
