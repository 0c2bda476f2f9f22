/* Documents to rows: one table's, then those of the tables nested in it. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/suggest.h"
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
    struct trouble *why;
};

static int wrong_with(const struct writing *w, const char *key, enum message message,
                      const char *second, const char *third)
{
    struct place place = place_key(&w->place, key);
    return trouble_set(w->why, ERROR_INPUT, message, w->table->name, 0, place.text, second, third);
}

static int wrong(const struct writing *w, const char *key, enum message message)
{
    return wrong_with(w, key, message, NULL, NULL);
}

/* The keys that a document of this table may have. */
static size_t known_keys(const struct table *table, const char *keys[], size_t room)
{
    size_t count = 0;
    for (const struct column *column = table->columns; column->name && count < room; column++)
        if (column->key)
            keys[count++] = column->key;
    for (const struct child *child = table->children; child && child->key && count < room; child++)
        keys[count++] = child->key;
    if (table->kind && count + 2 <= room) {
        keys[count++] = "id";
        keys[count++] = "version";
    }
    return count;
}

static int check_key(const struct writing *w, const char *key, const char *const known[],
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(known[i], key))
            return 0;
    const char *nearest = suggest_nearest(key, known, count);
    return nearest ? wrong_with(w, key, MESSAGE_UNKNOWN_KEY_NEAR, table_kind(w->table), nearest)
                   : wrong_with(w, key, MESSAGE_UNKNOWN_KEY, table_kind(w->table), NULL);
}

/* Where an error is about the whole of what is written. */
static int wrong_here(const struct writing *w, enum message message, const char *second)
{
    const char *place = w->place.text[0] ? w->place.text : table_kind(w->table);
    return trouble_set(w->why, ERROR_INPUT, message, w->table->name, 0, place, second, NULL);
}

static int check_keys(const struct writing *w)
{
    if (!json_is_object(w->document))
        return wrong_here(w, MESSAGE_EXPECT_OBJECT, NULL);
    const char *known[32];
    size_t count = known_keys(w->table, known, sizeof known / sizeof *known);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)w->document, key, value) {
        if (check_key(w, key, known, count) < 0)
            return -1;
    }
    return 0;
}

static bool is_said(const struct writing *w, const char *column)
{
    const json_t *value = json_object_get(w->document, column);
    return value && !json_is_null(value);
}

static int check_alternative(const struct writing *w)
{
    const struct alternative *either = w->table->alternative;
    if (!either)
        return 0;
    bool first = is_said(w, either->first), second = is_said(w, either->second);
    if (first && second)
        return wrong_with(w, either->first, MESSAGE_NOT_BOTH, either->second, NULL);
    if (!first && !second && either->needed)
        return wrong_with(w, either->first, MESSAGE_NEITHER, either->second, NULL);
    return 0;
}

static int bound(const struct writing *w, int result)
{
    return result == SQLITE_OK ? 0 : trouble_sql(w->why, w->d, w->table->name);
}

static int bind_string(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column, const char *text, size_t size)
{
    enum message fault = column_text_fault(column, text, size);
    struct place place = place_key(&w->place, column->key);
    if (fault)
        return column_tell_fault(w->why, fault, column, place.text, text, w->table->name, 0);
    return bound(w, sqlite3_bind_text(row, at, text, (int)size, SQLITE_TRANSIENT));
}

/* Lines into one text. False: not an array of texts, or far too long. */
static bool join(const json_t *lines, const char *between, size_t most, struct buffer *text)
{
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)lines, i, line) {
        if (!json_is_string(line) || text->size > most)
            return false;
        buffer_text(text, i ? between : "");
        buffer_append(text, json_string_value(line), json_string_length(line));
    }
    return true;
}

static int bind_text(const struct writing *w, sqlite3_stmt *row, int at,
                     const struct column *column, const json_t *value)
{
    if (json_is_string(value))
        return bind_string(w, row, at, column, json_string_value(value), json_string_length(value));
    BUFFER_CLEAN struct buffer text = {0};
    if (column->kind != KIND_TEXT || !json_is_array(value) ||
        !join(value, "\n", 4 * (size_t)column->most, &text))
        return wrong(w, column->key, MESSAGE_EXPECT_TEXT);
    return bind_string(w, row, at, column, buffer_string(&text), text.size);
}

static int bind_plain(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column, const json_t *value)
{
    char number[40];
    if (json_is_string(value))
        return bind_text(w, row, at, column, value);
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        text_copy(number, sizeof number, json_is_true(value) ? "true" : "false");
    else
        return wrong(w, column->key, MESSAGE_EXPECT_PLAIN);
    return bind_string(w, row, at, column, number, strlen(number));
}

static int bind_reference(const struct writing *w, sqlite3_stmt *row, int at,
                          const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, MESSAGE_EXPECT_NAME);
    int64_t target = table_find_name(w->d, column->choices, json_string_value(value), w->why);
    if (target < 0)
        return -1;
    if (target == 0)
        return wrong_with(w, column->key, MESSAGE_NO_SUCH, column->choices,
                          json_string_value(value));
    return bound(w, sqlite3_bind_int64(row, at, target));
}

static int bind_json(const struct writing *w, sqlite3_stmt *row, int at,
                     const struct column *column, const json_t *value)
{
    struct place place = place_key(&w->place, column->key);
    if (column->kind == KIND_PARAMETERS &&
        parameters_check(value, place.text, w->table->name, 0, w->why) < 0)
        return -1;
    if (!json_is_object(value))
        return wrong(w, column->key, MESSAGE_EXPECT_OBJECT);
    FREE_CLEAN char *text = json_dumps(value, JSON_COMPACT);
    if (!text)
        return wrong(w, column->key, MESSAGE_EXPECT_OBJECT);
    return bind_string(w, row, at, column, text, strlen(text));
}

static int bind_content(const struct writing *w, sqlite3_stmt *row, int at,
                        const struct column *column, const json_t *value)
{
    BUFFER_CLEAN struct buffer joined = {0};
    BUFFER_CLEAN struct buffer content = {0};
    size_t most = (size_t)column->most;
    if (json_is_string(value))
        buffer_append(&joined, json_string_value(value), json_string_length(value));
    else if (!json_is_array(value) || !join(value, "", 2 * most, &joined))
        return wrong(w, column->key, MESSAGE_EXPECT_TEXT);
    if (joined.size / 4 > most / 3 + 1 ||
        text_unbase64(&content, buffer_string(&joined), joined.size) < 0 || content.size > most)
        return wrong(w, column->key, MESSAGE_EXPECT_BASE64);
    return bound(w, sqlite3_bind_blob(row, at, buffer_string(&content), (int)content.size,
                                      SQLITE_TRANSIENT));
}

static int bind_after(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column, const json_t *value)
{
    json_int_t after = json_integer_value(value);
    if (!json_is_integer(value) || after < 1 || after >= (json_int_t)w->number)
        return wrong(w, column->key, MESSAGE_EXPECT_EARLIER);
    return bound(w, sqlite3_bind_int64(row, at, after));
}

static int bind_count(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column, const json_t *value)
{
    json_int_t count = json_integer_value(value);
    char most[40];
    snprintf(most, sizeof most, "%d", column->most);
    if (!json_is_integer(value) || count < 1 || count > column->most)
        return wrong_with(w, column->key, MESSAGE_EXPECT_COUNT, "1", most);
    return bound(w, sqlite3_bind_int64(row, at, count));
}

static int bind_boolean(const struct writing *w, sqlite3_stmt *row, int at,
                        const struct column *column, const json_t *value)
{
    if (!json_is_boolean(value))
        return wrong(w, column->key, MESSAGE_EXPECT_BOOLEAN);
    return bound(w, sqlite3_bind_int(row, at, json_is_true(value)));
}

static int bind_number(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column, const json_t *value)
{
    if (value && column->key && json_integer_value(value) != (json_int_t)w->number)
        return wrong(w, column->key, MESSAGE_EXPECT_ORDER);
    return bound(w, sqlite3_bind_int64(row, at, (int64_t)w->number));
}

/* What a document does not say. */
static int bind_preset(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column)
{
    if (column->nullable)
        return bound(w, sqlite3_bind_null(row, at));
    if (!column->preset)
        return wrong(w, column->key, MESSAGE_GIVE);
    if (column->kind == KIND_BOOLEAN || column->kind == KIND_COUNT)
        return bound(w, sqlite3_bind_int(row, at, atoi(column->preset)));
    return bound(w, sqlite3_bind_text(row, at, column->preset, -1, SQLITE_STATIC));
}

static int bind_value(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column)
{
    const json_t *value = column->key ? json_object_get(w->document, column->key) : NULL;
    if (column->kind == KIND_PARENT)
        return bound(w, sqlite3_bind_int64(row, at, w->parent));
    if (column->kind == KIND_POSITION || column->kind == KIND_NUMBER)
        return bind_number(w, row, at, column, value);
    if (!value || (json_is_null(value) && column->nullable))
        return bind_preset(w, row, at, column);
    switch (column->kind) {
    case KIND_REFERENCE:
        return bind_reference(w, row, at, column, value);
    case KIND_PARAMETERS:
    case KIND_OBJECT:
        return bind_json(w, row, at, column, value);
    case KIND_CONTENT:
        return bind_content(w, row, at, column, value);
    case KIND_AFTER:
        return bind_after(w, row, at, column, value);
    case KIND_COUNT:
        return bind_count(w, row, at, column, value);
    case KIND_BOOLEAN:
        return bind_boolean(w, row, at, column, value);
    case KIND_PLAIN:
        return bind_plain(w, row, at, column, value);
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
    return definitions_prepare(w->d, sql, row, w->why);
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
    if (sqlite3_extended_errcode(w->d->db) == SQLITE_CONSTRAINT_UNIQUE)
        return wrong_here(w, MESSAGE_TWICE, NULL);
    if (sqlite3_errcode(w->d->db) == SQLITE_CONSTRAINT)
        return wrong_here(w, MESSAGE_SQL, sqlite3_errmsg(w->d->db));
    return trouble_sql(w->why, w->d, w->table->name);
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
        .why = above->why,
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
            return trouble_set(w->why, ERROR_INPUT, MESSAGE_KEY_ABOVE, child->table->name, 0,
                               inside.text, child->map_key, NULL);
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

/* {"in": ["4711"], "out": ["4712"]} */
static int write_picks(const struct writing *w, const struct child *child,
                       const struct place *place, json_t *picks)
{
    const char *pick;
    json_t *keys, *key;
    size_t i;
    json_object_foreach(picks, pick, keys) {
        struct place inside = place_key(place, pick);
        if (!json_is_array(keys) || json_array_size(keys) > PICKS_MOST)
            return trouble_set(w->why, ERROR_INPUT, MESSAGE_EXPECT_ARRAY, child->table->name, 0,
                               inside.text, NULL, NULL);
        json_array_foreach(keys, i, key) {
            struct place here = place_index(&inside, i);
            JSON_CLEAN json_t *one = json_pack("{s:s, s:O}", child->map_key, pick, "key", key);
            if (write_child(w, child, &here, i + 1, one) < 0)
                return -1;
        }
    }
    return 0;
}

static size_t nested_count(const struct child *child, json_t *nested)
{
    if (child->nesting != NESTED_PICKS)
        return json_is_object(nested) ? json_object_size(nested) : json_array_size(nested);
    return json_array_size(json_object_get(nested, "in")) +
           json_array_size(json_object_get(nested, "out"));
}

static int delete_children(const struct writing *w, const struct child *child)
{
    FREE_CLEAN char *sql = memory_format("DELETE FROM %s WHERE %s = ?1", child->table->name,
                                         table_parent_column(child->table));
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (definitions_prepare(w->d, sql, &row, w->why) < 0)
        return -1;
    sqlite3_bind_int64(row, 1, w->id);
    return sqlite3_step(row) == SQLITE_DONE ? 0 : trouble_sql(w->why, w->d, child->table->name);
}

static int write_children(const struct writing *w, const struct child *child)
{
    if (delete_children(w, child) < 0)
        return -1;
    json_t *nested = json_object_get(w->document, child->key);
    if (!nested || json_is_null(nested))
        return 0;
    struct place place = place_key(&w->place, child->key);
    bool is_map = child->nesting == NESTED_MAP || child->nesting == NESTED_PICKS;
    if (is_map ? !json_is_object(nested) : !json_is_array(nested))
        return wrong(w, child->key, is_map ? MESSAGE_EXPECT_OBJECT : MESSAGE_EXPECT_ARRAY);
    if (nested_count(child, nested) > child_most(child)) {
        char most[40];
        snprintf(most, sizeof most, "%zu", child_most(child));
        return wrong_with(w, child->key, MESSAGE_TOO_MANY_HERE, most, NULL);
    }
    return child->nesting == NESTED_PICKS ? write_picks(w, child, &place, nested)
           : is_map                       ? write_map(w, child, &place, nested)
                                          : write_list(w, child, &place, nested);
}

static int write_document(struct writing *w)
{
    if (check_keys(w) < 0 || check_alternative(w) < 0 || write_row(w) < 0)
        return -1;
    for (const struct child *child = w->table->children; child && child->key; child++)
        if (write_children(w, child) < 0)
            return -1;
    return 0;
}

int table_store(struct definitions *d, const struct table *table, int64_t *id,
                const json_t *document, struct trouble *why)
{
    struct writing w = {
        .d = d, .table = table, .id = *id, .number = 1, .document = document, .why = why};
    if (write_document(&w) < 0)
        return -1;
    *id = w.id;
    return 0;
}
