#include "conf/catalogue.h"

#include <string.h>

#include "base/suggest.h"
#include "base/text.h"
#include "conf/problems.h"

/* In bytes; what a field of a group takes (store/definitions_table.c). */
#define TEXT_MAX 200
#define ROLE_MAX 50

struct check {
    const char *file;
    struct conf_problems *problems;
};

/* What a key's value must be. */
enum kind { TABLES, COLUMNS, JOINS, UNLISTED, TRUTH, TEXT, ROLE, NAME, NAMES };

struct key {
    const char *name;
    enum kind kind;
    bool needed;
};

static const struct key of_catalogue[] = {
    {"tables", TABLES, false}, {"joins", JOINS, false}, {"unlisted", UNLISTED, false}, {0}};
static const struct key of_table[] = {{"label_de", TEXT, false},
                                      {"label_en", TEXT, false},
                                      {"hidden", TRUTH, false},
                                      {"columns", COLUMNS, false},
                                      {0}};
static const struct key of_column[] = {{"label_de", TEXT, false}, {"label_en", TEXT, false},
                                       {"role", ROLE, false},     {"format", TEXT, false},
                                       {"hidden", TRUTH, false},  {0}};
static const struct key of_join[] = {{"table", NAME, true},
                                     {"columns", NAMES, true},
                                     {"to", NAME, true},
                                     {"to_columns", NAMES, true},
                                     {0}};

#define PROBLEM(check, ...) conf_problems_add((check)->problems, (check)->file, 0, __VA_ARGS__)

static void check_object(const struct check *check, const json_t *object, const char *place,
                         const struct key *keys);

/* ---- values ---- */

static void check_named(const struct check *check, const json_t *objects, const char *place,
                        const struct key *keys)
{
    const char *name;
    json_t *object;
    if (!json_is_object(objects))
        PROBLEM(check, "%s: names and what is said of each are expected, as in {\"name\": {…}}",
                place);
    json_object_foreach((json_t *)objects, name, object) {
        BUFFER_CLEAN struct buffer at = {0};
        buffer_printf(&at, "%s.%s", place, name);
        check_object(check, object, at.data, keys);
    }
}

static void check_joins(const struct check *check, const json_t *joins, const char *place)
{
    size_t index;
    json_t *join;
    if (!json_is_array(joins))
        PROBLEM(check, "%s: a list of joins […] is expected", place);
    json_array_foreach((json_t *)joins, index, join) {
        BUFFER_CLEAN struct buffer at = {0};
        buffer_printf(&at, "%s[%zu]", place, index);
        check_object(check, join, at.data, of_join);
        if (json_array_size(json_object_get(join, "columns")) !=
            json_array_size(json_object_get(join, "to_columns")))
            PROBLEM(check, "%s: columns and to_columns are not equally many", at.data);
    }
}

static bool is_name(const json_t *value)
{
    return json_string_length(value) > 0;
}

static bool are_names(const json_t *value)
{
    size_t index;
    json_t *name;
    json_array_foreach((json_t *)value, index, name)
        if (!is_name(name))
            return false;
    return json_array_size(value) > 0;
}

static void check_text(const struct check *check, const json_t *value, const char *place, int most)
{
    size_t length = json_string_length(value);
    if (!length || length > (size_t)most)
        PROBLEM(check, "%s: a text of 1 to %d bytes is expected", place, most);
}

static void check_value(const struct check *check, const json_t *value, const char *place,
                        enum kind kind)
{
    const char *text = json_string_value(value);
    switch (kind) {
    case TABLES:
        check_named(check, value, place, of_table);
        break;
    case COLUMNS:
        check_named(check, value, place, of_column);
        break;
    case JOINS:
        check_joins(check, value, place);
        break;
    case UNLISTED:
        if (!text || (strcmp(text, "shown") != 0 && strcmp(text, "hidden") != 0))
            PROBLEM(check, "%s: \"shown\" or \"hidden\" is expected", place);
        break;
    case TRUTH:
        if (!json_is_boolean(value))
            PROBLEM(check, "%s: true or false is expected, without quotation marks", place);
        break;
    case TEXT:
        check_text(check, value, place, TEXT_MAX);
        break;
    case ROLE:
        check_text(check, value, place, ROLE_MAX);
        break;
    case NAME:
        if (!is_name(value))
            PROBLEM(check, "%s: the name of a table is expected", place);
        break;
    case NAMES:
        if (!are_names(value))
            PROBLEM(check, "%s: a list of columns is expected, as in [\"customer_id\"]", place);
    }
}

/* ---- keys ---- */

static const struct key *find_key(const struct key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

static void refuse_key(const struct check *check, const char *place, const char *name,
                       const struct key *keys)
{
    const char *names[8];
    size_t count = 0;
    BUFFER_CLEAN struct buffer all = {0};
    for (; keys[count].name; count++) {
        names[count] = keys[count].name;
        buffer_printf(&all, "%s%s", count ? ", " : "", names[count]);
    }
    const char *nearest = suggest_nearest(name, names, count);
    if (nearest)
        PROBLEM(check, "%s: there is no such key; did you mean »%s«? Keys: %s", place, nearest,
                all.data);
    else
        PROBLEM(check, "%s: there is no such key. Keys: %s", place, all.data);
}

static void check_object(const struct check *check, const json_t *object, const char *place,
                         const struct key *keys)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object)) {
        PROBLEM(check, "%s: an object {…} is expected", place);
        return;
    }
    json_object_foreach((json_t *)object, name, value) {
        BUFFER_CLEAN struct buffer at = {0};
        buffer_printf(&at, "%s%s%s", place, *place ? "." : "", name);
        const struct key *key = find_key(keys, name);
        if (key)
            check_value(check, value, at.data, key->kind);
        else
            refuse_key(check, at.data, name, keys);
    }
    for (; keys->name; keys++)
        if (keys->needed && !json_object_get(object, keys->name))
            PROBLEM(check, "%s: »%s« is missing", place, keys->name);
}

void conf_catalogue_check(const json_t *catalogue, const char *file, struct conf_problems *problems)
{
    const struct check check = {file, problems};
    check_object(&check, catalogue, "", of_catalogue);
}
