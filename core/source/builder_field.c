/* Tables and columns by the names in a document. */
#include <string.h>

#include "source/builder_internal.h"
#include "source/reading.h"

const char *builder_type_in_english(enum source_type type)
{
    static const char *const words[] = {
        [SOURCE_UNKNOWN] = "of an unknown type",
        [SOURCE_TEXT] = "a text",
        [SOURCE_INTEGER] = "a number",
        [SOURCE_DECIMAL] = "a number",
        [SOURCE_REAL] = "a number",
        [SOURCE_BOOLEAN] = "a yes or no",
        [SOURCE_DATE] = "a date",
        [SOURCE_TIME] = "a time of day",
        [SOURCE_TIMESTAMP] = "a date with a time",
        [SOURCE_BINARY] = "binary",
    };
    return words[type];
}

const char *builder_type_in_german(enum source_type type)
{
    static const char *const words[] = {
        [SOURCE_UNKNOWN] = "von unbekanntem Typ",
        [SOURCE_TEXT] = "ein Text",
        [SOURCE_INTEGER] = "eine Zahl",
        [SOURCE_DECIMAL] = "eine Zahl",
        [SOURCE_REAL] = "eine Zahl",
        [SOURCE_BOOLEAN] = "ein Ja oder Nein",
        [SOURCE_DATE] = "ein Datum",
        [SOURCE_TIME] = "eine Uhrzeit",
        [SOURCE_TIMESTAMP] = "ein Datum mit Uhrzeit",
        [SOURCE_BINARY] = "binär",
    };
    return words[type];
}

enum comparison builder_comparison(enum source_type type)
{
    static const enum comparison comparisons[] = {
        [SOURCE_UNKNOWN] = AS_TEXT,   [SOURCE_TEXT] = AS_TEXT,   [SOURCE_INTEGER] = AS_NUMBER,
        [SOURCE_DECIMAL] = AS_NUMBER, [SOURCE_REAL] = AS_NUMBER, [SOURCE_BOOLEAN] = AS_TRUTH,
        [SOURCE_DATE] = AS_DAY,       [SOURCE_TIME] = AS_CLOCK,  [SOURCE_TIMESTAMP] = AS_MOMENT,
        [SOURCE_BINARY] = AS_NOTHING,
    };
    return comparisons[type];
}

static const char *name_of(const json_t *described)
{
    const char *name = json_string_value(json_object_get(described, "name"));
    return name ? name : "";
}

/* The element of a list of tables or columns that has this name. */
static const json_t *named(const json_t *list, const char *name)
{
    size_t i;
    json_t *element;
    json_array_foreach(list, i, element)
        if (strcmp(name_of(element), name) == 0)
            return element;
    return NULL;
}

const json_t *builder_table_named(struct builder *builder, const char *name)
{
    char shown[PLACE_SHOWN];
    const json_t *table = named(builder->tables, name);
    if (table)
        return table;
    const char *near = reading_nearest(builder->tables, name);
    place_failed(
        &builder->place,
        near ? error_say(builder->error, ERROR_INPUT, "there is no table »%s«; did you mean »%s«?",
                         "Eine Tabelle »%s« gibt es nicht; ist »%s« gemeint?",
                         place_shown(shown, name), near)
             : error_say(builder->error, ERROR_INPUT,
                         "there is no table »%s«; »query tables« lists those that there are",
                         "Eine Tabelle »%s« gibt es nicht; »query tables« zeigt, welche es gibt.",
                         place_shown(shown, name)));
    return NULL;
}

const json_t *builder_column_of(const json_t *table, const char *name)
{
    return named(json_object_get(table, "columns"), name);
}

struct column builder_column_in(struct builder *builder, const struct used_table *used,
                                const json_t *described)
{
    char shown[PLACE_SHOWN];
    const char *name = name_of(described), *quoted = dialect_quoted(builder, name);
    const char *type = json_string_value(json_object_get(described, "type"));
    const char *whole = used ? arena_format(builder->arena, "%s.%s", used->alias, name) : name;
    return (struct column){
        .sql = used ? arena_format(builder->arena, "%s.%s", dialect_quoted(builder, used->alias),
                                   quoted)
                    : quoted,
        .shown = arena_text(builder->arena, place_shown(shown, whole)),
        .type = source_type_named(type ? type : ""),
        .described = described,
    };
}

static int refuse_column(struct builder *builder, const char *name, const char *near)
{
    char shown[PLACE_SHOWN];
    return place_failed(&builder->place,
                        near ? error_say(builder->error, ERROR_INPUT,
                                         "there is no field »%s«; did you mean »%s«?",
                                         "Ein Feld »%s« gibt es nicht; ist »%s« gemeint?",
                                         place_shown(shown, name), near)
                             : error_say(builder->error, ERROR_INPUT,
                                         "there is no field »%s« among those of the query",
                                         "Ein Feld »%s« gibt es unter denen der Abfrage nicht.",
                                         place_shown(shown, name)));
}

/* All columns of the query, as a document names them. */
static const char *nearest_of_all(struct builder *builder, const char *name)
{
    json_t *all = json_array();
    for (size_t i = 0; i < builder->used_count; i++) {
        const json_t *columns = json_object_get(builder->used[i].table, "columns");
        for (size_t j = 0; j < json_array_size(columns); j++)
            json_array_append_new(all, json_pack("{s:s++}", "name", builder->used[i].alias, ".",
                                                 name_of(json_array_get(columns, j))));
    }
    const char *near = reading_nearest(all, name);
    size_t i;
    json_t *column;
    json_array_foreach(all, i, column) { /* a column's name alone */
        const char *whole = name_of(column);
        const char *dot = strrchr(whole, '.');
        if (!near && dot && strcasecmp(dot + 1, name) == 0)
            near = whole;
    }
    near = near ? arena_text(builder->arena, near) : NULL;
    json_decref(all);
    return near;
}

/* »address.city«, where the table exists and is not part of the query. */
static int refuse_unjoined(struct builder *builder, const char *name)
{
    const char *dot = strchr(name, '.');
    for (; dot; dot = strchr(dot + 1, '.')) {
        const char *table = arena_text_n(builder->arena, name, (size_t)(dot - name));
        const json_t *found = named(builder->tables, table);
        if (found && builder_column_of(found, dot + 1))
            return place_failed(&builder->place,
                                error_say(builder->error, ERROR_INPUT,
                                          "the table »%s« is not part of the query; add it to "
                                          "\"joins\"",
                                          "Die Tabelle »%s« ist nicht Teil der Abfrage; sie unter "
                                          "\"joins\" aufnehmen.",
                                          table));
    }
    return refuse_column(builder, name, nearest_of_all(builder, name));
}

int builder_column(struct builder *builder, const char *name, struct column *column)
{
    if (builder->columns) {
        const json_t *described = named(builder->columns, name);
        if (!described)
            return refuse_column(builder, name, reading_nearest(builder->columns, name));
        *column = builder_column_in(builder, NULL, described);
        return 0;
    }
    for (size_t i = 0; i < builder->used_count; i++) {
        size_t length = strlen(builder->used[i].alias);
        if (strncmp(name, builder->used[i].alias, length) != 0 || name[length] != '.')
            continue;
        const json_t *described = builder_column_of(builder->used[i].table, name + length + 1);
        if (described) {
            *column = builder_column_in(builder, &builder->used[i], described);
            return 0;
        }
    }
    return refuse_unjoined(builder, name);
}
