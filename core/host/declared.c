#include "host/declared.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "campaignd/action.h"

static const char *const type_names[] = {
    [CAMPAIGND_PARAMETER_TEXT] = "text",         [CAMPAIGND_PARAMETER_TEMPLATE] = "template",
    [CAMPAIGND_PARAMETER_INTEGER] = "integer",   [CAMPAIGND_PARAMETER_MONEY] = "money",
    [CAMPAIGND_PARAMETER_BOOLEAN] = "boolean",   [CAMPAIGND_PARAMETER_CHOICE] = "choice",
    [CAMPAIGND_PARAMETER_DURATION] = "duration", [CAMPAIGND_PARAMETER_SIZE] = "size",
    [CAMPAIGND_PARAMETER_COLUMN] = "column",     [CAMPAIGND_PARAMETER_REPORT] = "report",
    [CAMPAIGND_PARAMETER_PATH] = "path",         [CAMPAIGND_PARAMETER_SECRET] = "secret",
    [CAMPAIGND_PARAMETER_LOCATION] = "location",
};
#define TYPES (int32_t)(sizeof type_names / sizeof *type_names)
#define VALUE_MAX (1u << 20) /* bytes of one value */
#define SHOWN_MAX 60         /* bytes of a wrong value in a message */
#define NEAREST_MAX 200      /* names that are compared */

const char *declared_type_name(int32_t type)
{
    return type > 0 && type < TYPES ? type_names[type] : NULL;
}

int32_t declared_type(const char *name)
{
    for (int32_t i = 1; name && i < TYPES; i++)
        if (strcmp(type_names[i], name) == 0)
            return i;
    return 0;
}

static const char *member(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const json_t *declared_find(const json_t *table, const char *name)
{
    size_t index;
    const json_t *entry;
    json_array_foreach((json_t *)table, index, entry)
        if (text_equal(member(entry, "name"), name))
            return entry;
    return NULL;
}

/* ---- the nearest name ---- */

/* The names of a table or the keys of an object, NULL-ended; the array is the caller's to free. */
static const char **names_of(const json_t *json)
{
    const char **names = memory_array(NEAREST_MAX + 1, sizeof *names);
    size_t count = 0, index;
    const char *key;
    json_t *value;
    json_array_foreach((json_t *)json, index, value)
        if (count < NEAREST_MAX && member(value, "name"))
            names[count++] = member(value, "name");
    json_object_foreach((json_t *)json, key, value)
        if (count < NEAREST_MAX)
            names[count++] = key;
    return names;
}

static int unknown_name(struct error *error, const char *what, const char *german, const char *name,
                        const char *const *known)
{
    size_t count = 0;
    while (known[count] && count < NEAREST_MAX)
        count++;
    const char *near = suggest_nearest(name, known, count);
    if (near)
        return error_say(error, ERROR_INPUT, "%s%.0s »%.*s«; »%s« is meant?",
                         "%.0s%s »%.*s«; ist »%s« gemeint?", what, german, SHOWN_MAX, name, near);
    return error_say(error, ERROR_INPUT, "%s%.0s »%.*s«", "%.0s%s »%.*s«", what, german, SHOWN_MAX,
                     name);
}

/* ---- one value ---- */

static int fault(struct error *error, const json_t *entry, const char *value, const char *wanted,
                 const char *german)
{
    return error_say(error, ERROR_INPUT, "%s = »%.*s« is not %s%.0s",
                     "%s = »%.*s« ist nicht %.0s%s", member(entry, "name"), SHOWN_MAX, value,
                     wanted, german);
}

static int to_boolean(const char *text, int64_t *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], text) == 0) {
            *value = (int64_t)(i & 1);
            return 0;
        }
    return -1;
}

/* "12.34", "12", "-0.5" → hundredths. */
static int to_money(const char *text, int64_t *value)
{
    char digits[32];
    size_t length = strlen(text), size = 0;
    const char *point = strchr(text, '.');
    size_t whole = point ? (size_t)(point - text) : length;
    size_t places = point ? length - whole - 1 : 0;
    if (whole == 0 || whole > 18 || places > 2 || (point && places == 0))
        return -1;
    memcpy(digits, text, whole);
    size = whole;
    for (size_t i = 0; i < 2; i++)
        digits[size++] = i < places ? point[1 + i] : '0';
    digits[size] = 0;
    return text_to_int64(digits, value);
}

static int in_bounds(const json_t *entry, const char *text, int64_t value, struct error *error)
{
    int64_t minimum = json_integer_value(json_object_get(entry, "minimum"));
    int64_t maximum = json_integer_value(json_object_get(entry, "maximum"));
    if ((minimum == 0 && maximum == 0) || (value >= minimum && value <= maximum))
        return 0;
    int32_t type = declared_type(member(entry, "type"));
    const char *unit = type == CAMPAIGND_PARAMETER_DURATION ? " microseconds"
                       : type == CAMPAIGND_PARAMETER_SIZE   ? " bytes"
                       : type == CAMPAIGND_PARAMETER_MONEY  ? " hundredths"
                                                            : "";
    const char *german = type == CAMPAIGND_PARAMETER_DURATION ? " Mikrosekunden"
                         : type == CAMPAIGND_PARAMETER_SIZE   ? " Bytes"
                         : type == CAMPAIGND_PARAMETER_MONEY  ? " Hundertstel"
                                                              : "";
    return error_say(error, ERROR_INPUT,
                     "%s = »%.*s« is out of bounds: from %" PRId64 " to %" PRId64 "%s%.0s",
                     "%s = »%.*s« liegt außerhalb der Grenzen: %" PRId64 " bis %" PRId64 "%.0s%s",
                     member(entry, "name"), SHOWN_MAX, text, minimum, maximum, unit, german);
}

/* The types that become a number. */
static int read_number(const json_t *entry, int32_t type, const char *text, int64_t *value,
                       struct error *error)
{
    static const struct {
        int (*read)(const char *text, int64_t *value);
        const char *wanted, *german;
    } numbers[] = {
        [CAMPAIGND_PARAMETER_INTEGER] = {text_to_int64, "a whole number, as »20«",
                                         "eine ganze Zahl wie »20«"},
        [CAMPAIGND_PARAMETER_MONEY] = {to_money, "an amount, as »12.34«", "ein Betrag wie »12.34«"},
        [CAMPAIGND_PARAMETER_BOOLEAN] = {to_boolean, "»yes« or »no«", "»yes« oder »no«"},
        [CAMPAIGND_PARAMETER_DURATION] = {text_to_duration_us,
                                          "a duration with its unit, as »30s«, »5m« or »250ms«",
                                          "eine Dauer mit Einheit wie »30s«, »5m« oder »250ms«"},
        [CAMPAIGND_PARAMETER_SIZE] = {text_to_size, "a size, as »64KB« or »4MB«",
                                      "eine Größe wie »64KB« oder »4MB«"},
    };
    if (numbers[type].read(text, value) != 0)
        return fault(error, entry, text, numbers[type].wanted, numbers[type].german);
    return type == CAMPAIGND_PARAMETER_BOOLEAN ? 0 : in_bounds(entry, text, *value, error);
}

static int check_choice(const json_t *entry, const char *text, struct error *error)
{
    const json_t *choices = json_object_get(entry, "choices");
    if (declared_find(choices, text))
        return 0;
    BUFFER_CLEAN struct buffer wanted = {0};
    size_t index;
    const json_t *choice;
    json_array_foreach((json_t *)choices, index, choice)
        buffer_printf(&wanted, "%s»%s«", index ? ", " : "", member(choice, "name"));
    FREE_CLEAN char *english = memory_format("one of %s", buffer_string(&wanted));
    FREE_CLEAN char *german = memory_format("eines von %s", buffer_string(&wanted));
    return fault(error, entry, text, english, german);
}

static int check_column(const json_t *entry, const char *text, const struct declared_names *names,
                        struct error *error)
{
    for (size_t i = 0; names && names->columns && names->columns[i]; i++)
        if (strcmp(names->columns[i], text) == 0)
            return 0;
    if (!names || !names->columns)
        return 0;
    FREE_CLEAN char *what = memory_format("%s: the group has no column", member(entry, "name"));
    FREE_CLEAN char *german =
        memory_format("%s: die Gruppe hat keine Spalte", member(entry, "name"));
    return unknown_name(error, what, german, text, names->columns);
}

static int check_report(const json_t *entry, const char *text, const struct declared_names *names,
                        struct error *error)
{
    if (!names || !names->reports || json_object_get(names->reports, text))
        return 0;
    FREE_CLEAN char *what = memory_format("%s: there is no report", member(entry, "name"));
    FREE_CLEAN char *german = memory_format("%s: es gibt keinen Bericht", member(entry, "name"));
    FREE_CLEAN const char **known = names_of(names->reports);
    return unknown_name(error, what, german, text, known);
}

static int check_text(const json_t *entry, int32_t type, const char *text,
                      const struct declared_names *names, struct error *error)
{
    if (type == CAMPAIGND_PARAMETER_CHOICE)
        return check_choice(entry, text, error);
    if (type == CAMPAIGND_PARAMETER_COLUMN)
        return check_column(entry, text, names, error);
    if (type == CAMPAIGND_PARAMETER_REPORT)
        return check_report(entry, text, names, error);
    if (type == CAMPAIGND_PARAMETER_SECRET && !text_starts(text, "file:") &&
        !text_starts(text, "credential:"))
        return error_set(error, ERROR_INPUT,
                         "%s is a secret and never stands in a configuration itself: write "
                         "»file:PATH« or »credential:NAME«",
                         member(entry, "name"));
    return 0;
}

/* The given value as a person would write it; NULL: not given. -1: of a kind that no value has. */
static int as_text(const json_t *entry, const json_t *given, struct buffer *text,
                   struct error *error)
{
    const char *name = member(entry, "name");
    if (json_is_string(given)) {
        buffer_append(text, json_string_value(given), json_string_length(given));
        if (text->size > VALUE_MAX || strlen(buffer_string(text)) != text->size)
            return error_say(error, ERROR_INPUT, "%s is too long or holds a zero byte",
                             "%s ist zu lang oder enthält ein Nullbyte", name);
    } else if (json_is_boolean(given)) {
        buffer_text(text, json_is_true(given) ? "yes" : "no");
    } else if (json_is_integer(given)) {
        buffer_printf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(given));
    } else {
        return error_say(
            error, ERROR_INPUT,
            "%s must be a text, a whole number or true or false (an amount as text: "
            "\"12.34\")",
            "%s muss ein Text, eine ganze Zahl oder true oder false sein (ein Betrag als "
            "Text: \"12.34\")",
            name);
    }
    return 0;
}

static bool is_number(int32_t type)
{
    return type == CAMPAIGND_PARAMETER_INTEGER || type == CAMPAIGND_PARAMETER_MONEY ||
           type == CAMPAIGND_PARAMETER_BOOLEAN || type == CAMPAIGND_PARAMETER_DURATION ||
           type == CAMPAIGND_PARAMETER_SIZE;
}

static bool is_given(const json_t *value)
{
    return value && !json_is_null(value);
}

/* Names that must be names: an empty one is as good as none. */
static bool is_empty_name(int32_t type, const struct buffer *text)
{
    return text->size == 0 && type != CAMPAIGND_PARAMETER_TEXT &&
           type != CAMPAIGND_PARAMETER_TEMPLATE;
}

int declared_read(const json_t *entry, const json_t *given, const struct declared_names *names,
                  struct declared_value *out, struct error *error)
{
    *out = (struct declared_value){0};
    int32_t type = declared_type(member(entry, "type"));
    bool required = json_is_true(json_object_get(entry, "required"));
    if (!is_given(given))
        given = json_object_get(entry, "default");
    if (is_given(given) && as_text(entry, given, &out->text, error) != 0)
        return -1;
    if (!is_given(given) || is_empty_name(type, &out->text) || (required && out->text.size == 0))
        return required ? error_say(error, ERROR_INPUT, "%s is missing; it must be given",
                                    "%s fehlt und muss angegeben sein", member(entry, "name"))
                        : 0;
    const char *text = buffer_string(&out->text);
    if (!text_is_utf8(text, out->text.size))
        return error_say(error, ERROR_INPUT, "%s is not UTF-8", "%s ist nicht in UTF-8",
                         member(entry, "name"));
    if (!is_number(type)) {
        out->type = CAMPAIGND_TEXT;
        return check_text(entry, type, text, names, error);
    }
    out->type = CAMPAIGND_INTEGER;
    if (read_number(entry, type, text, &out->integer, error) != 0)
        return -1;
    if (type == CAMPAIGND_PARAMETER_BOOLEAN) {
        buffer_clear(&out->text);
        buffer_text(&out->text, out->integer ? "1" : "0");
    }
    return 0;
}

/* ---- all of them ---- */

static int check_unknown(const json_t *table, const json_t *given, declared_problem *problem,
                         void *context)
{
    int faults = 0;
    FREE_CLEAN const char **known = names_of(table);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value) {
        struct error error;
        if (declared_find(table, name))
            continue;
        unknown_name(&error, "there is no parameter", "es gibt keinen Parameter", name, known);
        problem(context, name, &error);
        faults++;
    }
    return faults;
}

int declared_check(const json_t *table, const json_t *given, const struct declared_names *names,
                   declared_problem *problem, void *context)
{
    int faults = check_unknown(table, given, problem, context);
    size_t index;
    const json_t *entry;
    json_array_foreach((json_t *)table, index, entry) {
        struct declared_value value;
        struct error error;
        const char *name = member(entry, "name");
        if (declared_read(entry, json_object_get(given, name), names, &value, &error) != 0) {
            problem(context, name, &error);
            faults++;
        }
        buffer_free(&value.text);
    }
    return faults;
}
