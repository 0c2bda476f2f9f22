#include "source/catalogue.h"

#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"

/* ---- checking ---- */

static bool is_among(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(*known, key) == 0)
            return true;
    return false;
}

static int wrong(struct error *error, const char *place, const char *what)
{
    return error_set(error, ERROR_INPUT, "%s: %s", place, what);
}

/* An object of texts and, under "hidden", a truth; no other keys than these, but for `nested`. */
static int check_object(const json_t *object, const char *place, const char *const *texts,
                        const char *nested, struct error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return wrong(error, place, "an object {…} is expected");
    json_object_foreach((json_t *)object, key, value) {
        BUFFER_CLEAN struct buffer at = {0};
        buffer_printf(&at, "%s.%s", place, key);
        if (strcmp(key, "hidden") == 0) {
            if (!json_is_boolean(value))
                return wrong(error, at.data, "true or false is expected");
        } else if (nested && strcmp(key, nested) == 0) {
            if (!json_is_object(value))
                return wrong(error, at.data, "an object {…} is expected");
        } else if (!is_among(key, texts))
            return wrong(error, at.data, "there is no such key here; docs/queries.md tells them");
        else if (!json_is_string(value) || json_string_length(value) > 200)
            return wrong(error, at.data, "a text of at most 200 bytes is expected");
    }
    return 0;
}

static int check_table(const char *name, const json_t *table, struct error *error)
{
    static const char *const of_table[] = {"label_de", "label_en", "key", NULL};
    static const char *const of_column[] = {"label_de", "label_en", "role", "format", NULL};
    const char *column;
    json_t *value;
    BUFFER_CLEAN struct buffer place = {0};
    buffer_printf(&place, "tables.%s", name);
    if (check_object(table, place.data, of_table, "columns", error) != 0)
        return -1;
    json_object_foreach(json_object_get(table, "columns"), column, value) {
        BUFFER_CLEAN struct buffer at = {0};
        buffer_printf(&at, "tables.%s.columns.%s", name, column);
        if (check_object(value, at.data, of_column, NULL, error) != 0)
            return -1;
    }
    return 0;
}

static bool is_list_of_texts(const json_t *list)
{
    size_t index;
    json_t *value;
    json_array_foreach((json_t *)list, index, value)
        if (!json_is_string(value))
            return false;
    return json_array_size(list) > 0;
}

static int check_join(size_t index, const json_t *join, struct error *error)
{
    const json_t *columns = json_object_get(join, "columns");
    const json_t *to = json_object_get(join, "to_columns");
    bool good = json_is_string(json_object_get(join, "table")) &&
                json_is_string(json_object_get(join, "to")) && is_list_of_texts(columns) &&
                is_list_of_texts(to) && json_array_size(columns) == json_array_size(to);
    return good ? 0
                : error_set(error, ERROR_INPUT,
                            "joins[%zu]: expected is {\"table\", \"columns\": [\"…\"], \"to\", "
                            "\"to_columns\": [\"…\"]} with as many columns on either side",
                            index);
}

int catalogue_check(const json_t *catalogue, struct error *error)
{
    static const char *const known[] = {"tables", "joins", "unlisted", NULL};
    const char *name;
    json_t *value;
    size_t index;
    if (!json_is_object(catalogue))
        return error_set(error, ERROR_INPUT, "a catalogue is a JSON object {…}");
    json_object_foreach((json_t *)catalogue, name, value)
        if (!is_among(name, known))
            return wrong(error, name, "there is no such key here; docs/queries.md tells them");
    const json_t *unlisted = json_object_get(catalogue, "unlisted");
    if (unlisted && !text_equal(json_string_value(unlisted), "shown") &&
        !text_equal(json_string_value(unlisted), "hidden"))
        return wrong(error, "unlisted", "»shown« or »hidden« is expected");
    json_object_foreach(json_object_get(catalogue, "tables"), name, value)
        if (check_table(name, value, error) != 0)
            return -1;
    json_array_foreach(json_object_get(catalogue, "joins"), index, value)
        if (check_join(index, value, error) != 0)
            return -1;
    return 0;
}

/* ---- applying ---- */

static bool is_hidden(const json_t *entry, bool unlisted_hidden)
{
    return entry ? json_is_true(json_object_get(entry, "hidden")) : unlisted_hidden;
}

static void copy_texts(json_t *target, const json_t *entry)
{
    static const char *const keys[] = {"label_de", "label_en", "role", "format"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *text = json_object_get(entry, keys[i]);
        if (text)
            json_object_set(target, keys[i], text);
    }
}

static const char *name_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    return name ? name : "";
}

static void apply_to_table(json_t *table, const json_t *entry, bool unlisted_hidden)
{
    json_t *columns = json_object_get(table, "columns");
    const json_t *entries = json_object_get(entry, "columns");
    /* A table that is listed without columns is seen whole. */
    bool hide = unlisted_hidden && json_object_size(entries) > 0;
    copy_texts(table, entry);
    for (size_t i = json_array_size(columns); i-- > 0;) {
        json_t *column = json_array_get(columns, i);
        const json_t *own = json_object_get(entries, name_of(column));
        if (is_hidden(own, hide))
            json_array_remove(columns, i);
        else
            copy_texts(column, own);
    }
}

static json_t *table_named(const json_t *tables, const char *name)
{
    size_t index;
    json_t *table;
    json_array_foreach((json_t *)tables, index, table)
        if (name && strcmp(name_of(table), name) == 0)
            return table;
    return NULL;
}

static bool has_columns(const json_t *table, const json_t *names)
{
    size_t index;
    json_t *name;
    json_array_foreach((json_t *)names, index, name)
        if (!table_named(json_object_get(table, "columns"), json_string_value(name)))
            return false;
    return true;
}

/* Keys that lead to what is hidden are hidden, too. */
static void drop_keys(const json_t *tables, json_t *table)
{
    json_t *keys = json_object_get(table, "foreign_keys");
    for (size_t i = json_array_size(keys); i-- > 0;) {
        const json_t *key = json_array_get(keys, i);
        const json_t *target =
            table_named(tables, json_string_value(json_object_get(key, "table")));
        if (!target || !has_columns(target, json_object_get(key, "to")) ||
            !has_columns(table, json_object_get(key, "columns")))
            json_array_remove(keys, i);
    }
}

static void add_join(const json_t *tables, const json_t *join)
{
    json_t *table = table_named(tables, json_string_value(json_object_get(join, "table")));
    json_t *key = json_pack("{s:O, s:O, s:O, s:b}", "columns", json_object_get(join, "columns"),
                            "table", json_object_get(join, "to"), "to",
                            json_object_get(join, "to_columns"), "declared", 0);
    json_array_append_new(json_object_get(table, "foreign_keys"), key);
}

void catalogue_apply(json_t *tables, const json_t *catalogue)
{
    const char *unlisted = json_string_value(json_object_get(catalogue, "unlisted"));
    const json_t *entries = json_object_get(catalogue, "tables");
    bool hide = text_equal(unlisted, "hidden");
    size_t index;
    json_t *table, *join;
    if (!json_is_object(catalogue))
        return;
    for (size_t i = json_array_size(tables); i-- > 0;) {
        table = json_array_get(tables, i);
        const json_t *entry = json_object_get(entries, name_of(table));
        if (is_hidden(entry, hide))
            json_array_remove(tables, i);
        else
            apply_to_table(table, entry, hide);
    }
    json_array_foreach(json_object_get(catalogue, "joins"), index, join)
        add_join(tables, join);
    json_array_foreach(tables, index, table)
        drop_keys(tables, table);
}
