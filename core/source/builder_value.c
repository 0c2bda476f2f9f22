/* Values: of the right type for their column, and bound, never written into the SQL. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "source/builder_internal.h"

#define DIGITS_MAX 60
#define DECIMALS_MAX 30

/* ---- binding ---- */

const char *builder_bind(struct builder *builder, json_t *value)
{
    if (json_object_size(builder->values) - builder->first_value >= BUILDER_VALUES_MAX) {
        json_decref(value);
        place_failed(&builder->place,
                     error_say(builder->error, ERROR_INPUT, "the query has more than %d values",
                               "Die Abfrage hat mehr als %d Werte.", BUILDER_VALUES_MAX));
        return NULL;
    }
    const char *placeholder =
        arena_format(builder->arena, ":v%zu", json_object_size(builder->values) + 1);
    json_object_set_new(builder->values, placeholder + 1, value);
    return placeholder;
}

const char *builder_bind_date(struct builder *builder, struct date date)
{
    char text[DATE_SIZE];
    date_write(text, date);
    const char *placeholder = builder_bind(builder, json_string(text));
    return placeholder ? dialect_value(builder, placeholder, AS_DAY, SOURCE_DATE, 0) : NULL;
}

const char *builder_bind_number(struct builder *builder, json_int_t number)
{
    const char *placeholder = builder_bind(builder, json_integer(number));
    return placeholder ? dialect_value(builder, placeholder, AS_NUMBER, SOURCE_INTEGER, 0) : NULL;
}

/* ---- reading ---- */

/* A value as a message shows it. */
static const char *value_shown(char target[PLACE_SHOWN], const json_t *value)
{
    if (json_is_string(value))
        return place_shown(target, json_string_value(value));
    if (json_is_array(value) || json_is_object(value))
        return "[…]";
    if (json_is_real(value)) {
        text_real(target, json_real_value(value));
        return target;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    place_shown(target, text ? text : "");
    free(text);
    return target;
}

static int refuse_value(struct builder *builder, const struct column *column, const json_t *value)
{
    char shown[PLACE_SHOWN];
    /* Each language prints its own word and skips the other's. */
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT, "»%s« is %s%.0s, and »%s« is none",
                                  "»%s« ist %.0s%s, und »%s« ist das nicht.", column->shown,
                                  builder_type_in_english(column->type),
                                  builder_type_in_german(column->type), value_shown(shown, value)));
}

static int refuse_number_as_text(struct builder *builder, const struct column *column,
                                 const json_t *value)
{
    char shown[PLACE_SHOWN];
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT,
                                  "»%s« is a text, and %s is none; write it in quotation marks",
                                  "»%s« ist ein Text, und %s ist keiner; den Wert in "
                                  "Anführungszeichen setzen.",
                                  column->shown, value_shown(shown, value)));
}

/* "-12.50": how many decimals, -1: it is no such number. */
static int decimals_of(const char *text)
{
    size_t whole, fraction = 0;
    text += *text == '-';
    whole = strspn(text, "0123456789");
    text += whole;
    if (*text == '.') {
        fraction = strspn(++text, "0123456789");
        text += fraction;
        if (!fraction)
            return -1;
    }
    bool is_number = !*text && whole && whole + fraction <= DIGITS_MAX && fraction <= DECIMALS_MAX;
    return is_number ? (int)fraction : -1;
}

/* The number that a value stands for; its decimals, -1: none. `number` is bound as a text if it is
 * no whole one, so that no digit is lost on the way. */
static int read_number(const json_t *value, json_t **number)
{
    char digits[TEXT_REAL_SIZE] = "";
    int64_t whole;
    if (json_is_integer(value)) {
        *number = json_integer(json_integer_value(value));
        return 0;
    }
    if (json_is_real(value))
        text_real(digits, json_real_value(value));
    const char *text = json_is_string(value) ? json_string_value(value) : digits;
    int decimals = decimals_of(text);
    if (decimals >= 0)
        *number =
            !decimals && text_to_int64(text, &whole) == 0 ? json_integer(whole) : json_string(text);
    return decimals;
}

/* "14:05", "14:05:09", "14:05:09.123456" */
static bool is_clock(const char *text)
{
    static const char form[] = "dd:dd:dd";
    size_t length = strcspn(text, ".");
    if (length != 5 && length != 8)
        return false;
    for (size_t i = 0; i < length; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    if (text[length]) {
        size_t digits = strspn(text + length + 1, "0123456789");
        if (length == 5 || !digits || digits > 6 || text[length + 1 + digits])
            return false;
    }
    return atoi(text) < 24 && atoi(text + 3) < 60 && (length == 5 || atoi(text + 6) < 60);
}

/* "2026-11-24 14:05:09", with a T in the middle, too. */
static bool is_moment(const char *text)
{
    struct date date;
    char day[DATE_SIZE];
    if (strlen(text) < DATE_SIZE || (text[DATE_SIZE - 1] != ' ' && text[DATE_SIZE - 1] != 'T'))
        return false;
    text_copy(day, sizeof day, text);
    return date_read(day, &date) && is_clock(text + DATE_SIZE);
}

/* ---- values and columns ---- */

static enum comparison refuse(struct builder *builder, const struct column *column,
                              const json_t *value)
{
    struct date date;
    const char *text = json_string_value(value);
    char shown[PLACE_SHOWN];
    enum comparison as = builder_comparison(column->type);
    if (as == AS_TEXT && json_is_number(value))
        refuse_number_as_text(builder, column, value);
    else if (as == AS_DAY && text && is_moment(text))
        place_failed(&builder->place,
                     error_say(builder->error, ERROR_INPUT,
                               "»%s« is a date without a time of day; write the day alone",
                               "»%s« ist ein Datum ohne Uhrzeit; den Tag allein schreiben.",
                               column->shown));
    else if ((as == AS_DAY || as == AS_MOMENT) && text && !date_read(text, &date))
        place_failed(&builder->place,
                     error_say(builder->error, ERROR_INPUT,
                               "»%s« is %s%.0s, and »%s« is none; write year, month and day, such "
                               "as 2026-11-24",
                               "»%s« ist %.0s%s, und »%s« ist das nicht; Jahr, Monat und Tag "
                               "schreiben, etwa 2026-11-24.",
                               column->shown, builder_type_in_english(column->type),
                               builder_type_in_german(column->type), place_shown(shown, text)));
    else
        refuse_value(builder, column, value);
    return AS_NOTHING;
}

static bool is_text(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static int check_length(struct builder *builder, const json_t *value)
{
    if (!json_is_string(value) || json_string_length(value) <= BUILDER_TEXT_MAX)
        return 0;
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT, "the value is longer than %d bytes",
                                  "Der Wert ist länger als %d Bytes.", BUILDER_TEXT_MAX));
}

/* One of an unknown type is taken for what the value is. */
enum comparison builder_value_as(struct builder *builder, const struct column *column,
                                 const json_t *value)
{
    struct date date;
    json_t *number = NULL;
    const char *text = is_text(value) ? json_string_value(value) : NULL;
    enum comparison as = builder_comparison(column->type);
    if (column->type == SOURCE_UNKNOWN && json_is_number(value))
        as = AS_NUMBER;
    if (check_length(builder, value) < 0)
        return AS_NOTHING;
    switch (as) {
    case AS_TEXT:
        return text ? as : refuse(builder, column, value);
    case AS_NUMBER:
        if (read_number(value, &number) < 0)
            return refuse(builder, column, value);
        json_decref(number);
        return as;
    case AS_TRUTH:
        return json_is_boolean(value) ? as : refuse(builder, column, value);
    case AS_DAY:
        return text && date_read(text, &date) ? as : refuse(builder, column, value);
    case AS_MOMENT:
        if (text && date_read(text, &date))
            return AS_DAY;
        return text && is_moment(text) ? as : refuse(builder, column, value);
    case AS_CLOCK:
        return text && is_clock(text) ? as : refuse(builder, column, value);
    default:
        return refuse(builder, column, value);
    }
}

static const char *number_value(struct builder *builder, const struct column *column,
                                const json_t *value)
{
    json_t *number = NULL;
    int decimals = read_number(value, &number);
    bool is_whole = json_is_integer(number);
    enum source_type type = column->type == SOURCE_REAL ? SOURCE_REAL
                            : is_whole                  ? SOURCE_INTEGER
                                                        : SOURCE_DECIMAL;
    const char *placeholder = builder_bind(builder, number);
    return placeholder ? dialect_value(builder, placeholder, AS_NUMBER, type, decimals) : NULL;
}

const char *builder_value(struct builder *builder, const struct column *column, enum comparison as,
                          const json_t *value)
{
    if (builder_value_as(builder, column, value) == AS_NOTHING)
        return NULL;
    if (as == AS_NUMBER)
        return number_value(builder, column, value);
    const char *placeholder = builder_bind(builder, json_deep_copy(value));
    return placeholder ? dialect_value(builder, placeholder, as, column->type, 0) : NULL;
}

/* ---- parameters ---- */

/* Letters, digits and _, and not one of the names that values are bound by. */
static bool is_parameter_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    bool is_ours = *name == 'v' && name[1] && !name[1 + strspn(name + 1, "0123456789")];
    return length && length <= 50 && !name[length] && !isdigit((unsigned char)*name) && !is_ours;
}

const char *builder_parameter(struct builder *builder, const struct column *column,
                              const char *name)
{
    char shown[PLACE_SHOWN];
    if (!is_parameter_name(name)) {
        place_failed(
            &builder->place,
            error_say(builder->error, ERROR_INPUT,
                      "»%s« is no name of a parameter: it is made of letters a–z, digits "
                      "and _, begins with a letter, and is not v with a number",
                      "»%s« ist kein Name eines Parameters: er besteht aus Buchstaben a–z, "
                      "Ziffern und _, beginnt mit einem Buchstaben und ist nicht v mit "
                      "einer Zahl.",
                      place_shown(shown, name)));
        return NULL;
    }
    if (!json_object_get(builder->parameters, name))
        json_object_set_new(builder->parameters, name,
                            json_pack("{s:s, s:s}", "type", source_type_name(column->type), "field",
                                      column->shown));
    return arena_format(builder->arena, ":%s", name);
}

/* Databases would round 4.7 in their own ways, or not take it. */
static int check_whole(struct builder *builder, const struct column *column, const json_t *value)
{
    char shown[PLACE_SHOWN];
    json_t *number = NULL;
    read_number(value, &number);
    bool is_whole = json_is_integer(number);
    json_decref(number);
    if (is_whole)
        return 0;
    return place_failed(&builder->place, error_say(builder->error, ERROR_INPUT,
                                                   "»%s« is a whole number, and »%s« is none",
                                                   "»%s« ist eine ganze Zahl, und »%s« ist keine.",
                                                   column->shown, value_shown(shown, value)));
}

static int check_parameter(struct builder *builder, const char *name, const json_t *wanted,
                           const json_t *value)
{
    const char *type = json_string_value(json_object_get(wanted, "type"));
    const char *field = json_string_value(json_object_get(wanted, "field"));
    struct column column = {.shown = field ? field : name,
                            .type = source_type_named(type ? type : "")};
    if (json_is_null(value))
        return 0; /* it need not have one, or only the columns are asked for */
    if (!value)
        return place_failed(&builder->place,
                            error_say(builder->error, ERROR_INPUT,
                                      "the query needs the parameter »%s«, which has no value",
                                      "Die Abfrage braucht den Parameter »%s«, der keinen Wert "
                                      "hat.",
                                      name));
    if (column.type == SOURCE_TEXT && json_is_integer(value))
        return 0; /* a record's number is as good as a text */
    size_t back = place_enter(&builder->place, ":%s", name);
    if (builder_value_as(builder, &column, value) == AS_NOTHING ||
        (column.type == SOURCE_INTEGER && check_whole(builder, &column, value) < 0))
        return -1;
    place_leave(&builder->place, back);
    return 0;
}

int builder_check_parameters(const json_t *wanted, const json_t *given, struct error *error)
{
    struct builder builder = {.error = error, .place = {.error = error}};
    const char *name;
    json_t *what;
    int result = 0;
    json_object_foreach((json_t *)wanted, name, what) {
        result = check_parameter(&builder, name, what, json_object_get(given, name));
        if (result < 0)
            break;
    }
    buffer_free(&builder.place.path);
    return result;
}
