#include "source/catalogue.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "source/reading.h"

/* ---- names ---- */

static json_t *named(const json_t *list, const char *name)
{
    size_t index;
    json_t *element;
    json_array_foreach((json_t *)list, index, element)
        if (name && strcmp(reading_text(element, "name"), name) == 0)
            return element;
    return NULL;
}

/* What the catalogue says of a table or column. Where none is called just so, case makes no
 * difference: to most databases it makes none, and rather too much is hidden than too little. */
static const json_t *entry_of(const json_t *entries, const char *name)
{
    const json_t *exact = json_object_get(entries, name);
    const char *key;
    json_t *entry;
    if (exact)
        return exact;
    json_object_foreach((json_t *)entries, key, entry)
        if (strcasecmp(key, name) == 0)
            return entry;
    return NULL;
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

static void apply_to_table(json_t *table, const json_t *entry, bool unlisted_hidden)
{
    json_t *columns = json_object_get(table, "columns");
    const json_t *entries = json_object_get(entry, "columns");
    /* A table that is listed without columns is seen whole. */
    bool hide = unlisted_hidden && json_object_size(entries) > 0;
    copy_texts(table, entry);
    for (size_t i = json_array_size(columns); i-- > 0;) {
        json_t *column = json_array_get(columns, i);
        const json_t *own = entry_of(entries, reading_text(column, "name"));
        if (is_hidden(own, hide))
            json_array_remove(columns, i);
        else
            copy_texts(column, own);
    }
}

static bool has_columns(const json_t *table, const json_t *names)
{
    size_t index;
    json_t *name;
    json_array_foreach((json_t *)names, index, name)
        if (!named(json_object_get(table, "columns"), json_string_value(name)))
            return false;
    return true;
}

/* Keys that lead to what is hidden are hidden, too. */
static void drop_keys(const json_t *tables, json_t *table)
{
    json_t *keys = json_object_get(table, "foreign_keys");
    for (size_t i = json_array_size(keys); i-- > 0;) {
        const json_t *key = json_array_get(keys, i);
        const json_t *target = named(tables, json_string_value(json_object_get(key, "table")));
        if (!target || !has_columns(target, json_object_get(key, "to")) ||
            !has_columns(table, json_object_get(key, "columns")))
            json_array_remove(keys, i);
    }
}

static void add_join(const json_t *tables, const json_t *join)
{
    json_t *table = named(tables, json_string_value(json_object_get(join, "table")));
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
        const json_t *entry = entry_of(entries, reading_text(table, "name"));
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

/* ---- what the source does not have ---- */

/* As entry_of() finds it, or, where a statement is made of the name, just so. */
static const json_t *find(const json_t *list, const char *name, bool just_so)
{
    size_t index;
    json_t *element;
    const json_t *exact = named(list, name);
    json_array_foreach((json_t *)list, index, element)
        if (!exact && !just_so && strcasecmp(reading_text(element, "name"), name) == 0)
            return element;
    return exact;
}

static int is_missing(const char *place, const json_t *list, const char *name, struct error *error)
{
    const char *near = reading_nearest(list, name);
    return error_say(error, ERROR_INPUT,
                     "the catalogue's %s: there is no »%s«%s%s%s; correct the catalogue, else this "
                     "entry hides and shows nothing",
                     "Katalog, %s: »%s« gibt es nicht%s%s%s; den Katalog berichtigen, sonst "
                     "verbirgt und zeigt dieser Eintrag nichts.",
                     place, name, near ? " (»" : "", near ? near : "", near ? "«?)" : "");
}

static int find_columns(const char *place, const json_t *table, const json_t *names,
                        struct error *error)
{
    const json_t *columns = json_object_get(table, "columns");
    size_t index;
    json_t *name;
    json_array_foreach((json_t *)names, index, name)
        if (!find(columns, json_string_value(name), true))
            return is_missing(place, columns, json_string_value(name), error);
    return 0;
}

static int check_side(const json_t *tables, const json_t *join, size_t index, const char *of_table,
                      const char *of_columns, struct error *error)
{
    const char *name = json_string_value(json_object_get(join, of_table));
    const json_t *table = find(tables, name, true);
    FREE_CLEAN char *at_table = memory_format("joins[%zu].%s", index, of_table);
    FREE_CLEAN char *at_columns = memory_format("joins[%zu].%s", index, of_columns);
    return table ? find_columns(at_columns, table, json_object_get(join, of_columns), error)
                 : is_missing(at_table, tables, name, error);
}

static int check_table(const json_t *tables, const char *name, const json_t *entry,
                       struct error *error)
{
    const json_t *table = find(tables, name, false), *columns = json_object_get(table, "columns");
    const char *column;
    json_t *ignored;
    if (!table)
        return is_missing("tables", tables, name, error);
    FREE_CLEAN char *place = memory_format("tables.%s.columns", name);
    json_object_foreach(json_object_get(entry, "columns"), column, ignored)
        if (!find(columns, column, false))
            return is_missing(place, columns, column, error);
    return 0;
}

int catalogue_fits(const json_t *tables, const json_t *catalogue, struct error *error)
{
    const char *name;
    json_t *entry, *join;
    size_t index;
    json_object_foreach(json_object_get(catalogue, "tables"), name, entry)
        if (check_table(tables, name, entry, error) != 0)
            return -1;
    json_array_foreach(json_object_get(catalogue, "joins"), index, join)
        if (check_side(tables, join, index, "table", "columns", error) != 0 ||
            check_side(tables, join, index, "to", "to_columns", error) != 0)
            return -1;
    return 0;
}
