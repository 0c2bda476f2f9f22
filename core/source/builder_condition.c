/* Conditions: nested and, or, not, around one operator on one field. */
#include <string.h>

#include "base/suggest.h"
#include "source/builder_internal.h"

#define SQL(...) arena_format(builder->arena, __VA_ARGS__)
#define BIRTHDAY_DAYS_MAX 366
#define AMOUNT_MAX                                                                                 \
    100000 /* days, weeks, months or years; what leaves the calendar is refused, too */

struct operator;

/* The condition as SQL text of the arena, NULL with an error. */
typedef const char *(*write_operator)(struct builder *builder, const struct operator* operator,
                                      const struct column * column, const json_t *condition);

enum on {
    ON_TEXT = 1 << 0,
    ON_NUMBER = 1 << 1,
    ON_TRUTH = 1 << 2,
    ON_DAY = 1 << 3, /* timestamps, too */
    ON_CLOCK = 1 << 4,
    ON_BINARY = 1 << 5,
    ON_ALL = (1 << 6) - 1,
    ON_ORDERED = ON_TEXT | ON_NUMBER | ON_DAY | ON_CLOCK,
};

struct operator
{
    const char *name;
    write_operator write;
    unsigned on;                /* which columns it is for; those of an unknown type always */
    const char *const *keys;    /* that a condition with it may have */
    const char *sql;            /* "<", "NOT LIKE" … */
    const char *before, *after; /* what a pattern has around the value */
};

/* ---- what a field is compared with: exactly one of value, parameter, other ---- */

static const char *needs_one_of(struct builder *builder, const char *keys)
{
    place_failed(&builder->place,
                 error_say(builder->error, ERROR_INPUT, "this operator needs one of: %s",
                           "Dieser Operator braucht eines von: %s", keys));
    return NULL;
}

static bool has(const json_t *condition, const char *key)
{
    return json_object_get(condition, key) != NULL;
}

static const char *compare_with_other(struct builder *builder, const struct operator* operator,
                                      const struct column * column, const char *name)
{
    struct column other;
    size_t back = place_enter(&builder->place, ".other");
    if (builder_column(builder, name, &other) < 0)
        return NULL;
    enum comparison as = builder_comparison(column->type), with = builder_comparison(other.type);
    if ((as == AS_DAY && with == AS_MOMENT) || (as == AS_MOMENT && with == AS_DAY))
        as = with = AS_DAY;
    if (column->type == SOURCE_UNKNOWN)
        as = with;
    else if (other.type == SOURCE_UNKNOWN)
        with = as;
    if (as != with || as == AS_NOTHING) {
        place_failed(&builder->place,
                     error_say(builder->error, ERROR_INPUT,
                               "»%s« is %s%.0s and »%s« is %s%.0s; they cannot be compared",
                               "»%s« ist %.0s%s und »%s« ist %.0s%s; das ist nicht vergleichbar.",
                               column->shown, builder_type_in_english(column->type),
                               builder_type_in_german(column->type), other.shown,
                               builder_type_in_english(other.type),
                               builder_type_in_german(other.type)));
        return NULL;
    }
    place_leave(&builder->place, back);
    const char *left = dialect_column(builder, column, as);
    const char *right = dialect_column(builder, &other, as);
    return SQL("%s %s %s", dialect_ordered(builder, left, as), operator->sql,
               dialect_ordered(builder, right, as));
}

/* = and <> of texts need no order, and an index that the database has can be used. */
static const char *compared(struct builder *builder, const struct operator* operator,
                            const char * left, const char *right, enum comparison as)
{
    if (strcmp(operator->sql, "=") == 0 || strcmp(operator->sql, "<>") == 0)
        return SQL("%s %s %s", left, operator->sql, right);
    return SQL("%s %s %s", dialect_ordered(builder, left, as), operator->sql,
               dialect_ordered(builder, right, as));
}

/* Nobody knows yet whether a moment's parameter will have a time of day: days are compared. */
static const char *compare_with_parameter(struct builder *builder, const struct operator* operator,
                                          const struct column * column, const char *name)
{
    enum comparison as = builder_comparison(column->type);
    const char *placeholder = builder_parameter(builder, column, name);
    if (as == AS_MOMENT)
        as = AS_DAY;
    if (!placeholder)
        return NULL;
    return compared(builder, operator, dialect_column(builder, column, as),
                    dialect_parameter(builder, placeholder, as, column->type, 10), as);
}

static const char *compare_with_value(struct builder *builder, const struct operator* operator,
                                      const struct column * column, const json_t *value)
{
    size_t back = place_enter(&builder->place, ".value");
    enum comparison as = builder_value_as(builder, column, value);
    if (as == AS_NOTHING)
        return NULL;
    const char *right = as == AS_TRUTH ? "" : builder_value(builder, column, as, value);
    if (!right)
        return NULL;
    place_leave(&builder->place, back);
    if (as == AS_TRUTH)
        return dialect_truth(builder, column,
                             json_is_true(value) == (strcmp(operator->sql, "=") == 0));
    return compared(builder, operator, dialect_column(builder, column, as), right, as);
}

/* At most one of the three, and each of its type. */
static int read_operand(struct builder *builder, const json_t *condition, const char **parameter,
                        const char **other)
{
    int count = has(condition, "value") + has(condition, "parameter") + has(condition, "other");
    if (count != 1)
        return needs_one_of(builder, "\"value\", \"parameter\", \"other\""), -1;
    return place_text(&builder->place, condition, "parameter", NAME_MAX_BYTES, parameter) < 0 ||
                   place_text(&builder->place, condition, "other", 2 * NAME_MAX_BYTES, other) < 0
               ? -1
               : 0;
}

static const char *write_comparison(struct builder *builder, const struct operator* operator,
                                    const struct column * column, const json_t *condition)
{
    const char *parameter, *other;
    if (read_operand(builder, condition, &parameter, &other) < 0)
        return NULL;
    if (other)
        return compare_with_other(builder, operator, column, other);
    if (parameter)
        return compare_with_parameter(builder, operator, column, parameter);
    return compare_with_value(builder, operator, column, json_object_get(condition, "value"));
}

/* ---- several values ---- */

/* All are taken for the same: a day and a moment in one list would be compared differently. */
static enum comparison values_as(struct builder *builder, const struct column *column,
                                 const json_t *values)
{
    enum comparison as = AS_NOTHING;
    size_t i;
    json_t *value;
    json_array_foreach(values, i, value) {
        size_t back = place_enter(&builder->place, ".values[%zu]", i);
        enum comparison this = builder_value_as(builder, column, value);
        if (this == AS_NOTHING)
            return AS_NOTHING;
        if (i && this != as) {
            place_failed(&builder->place,
                         error_say(builder->error, ERROR_INPUT,
                                   "give all values a time of day, or none",
                                   "Entweder alle Werte mit Uhrzeit angeben oder keinen."));
            return AS_NOTHING;
        }
        as = this;
        place_leave(&builder->place, back);
    }
    return as;
}

static const char *write_between(struct builder *builder, const struct operator* operator,
                                 const struct column * column, const json_t *condition)
{
    (void)operator;
    const json_t *values;
    if (place_list(&builder->place, condition, "values", BUILDER_VALUES_MAX, &values) < 0)
        return NULL;
    if (json_array_size(values) != 2) {
        place_failed(&builder->place,
                     error_say(builder->error, ERROR_INPUT,
                               "»between« needs two values: \"values\": [first, last]",
                               "»between« braucht zwei Werte: \"values\": [erster, letzter]"));
        return NULL;
    }
    enum comparison as = values_as(builder, column, values);
    if (as == AS_NOTHING)
        return NULL;
    const char *first = builder_value(builder, column, as, json_array_get(values, 0));
    const char *last = builder_value(builder, column, as, json_array_get(values, 1));
    if (!first || !last)
        return NULL;
    const char *left = dialect_column(builder, column, as);
    return SQL("%s BETWEEN %s AND %s", dialect_ordered(builder, left, as),
               dialect_ordered(builder, first, as), dialect_ordered(builder, last, as));
}

static const char *write_in(struct builder *builder, const struct operator* operator,
                            const struct column * column, const json_t *condition)
{
    const json_t *values;
    BUFFER_CLEAN struct buffer list = {0};
    if (place_list(&builder->place, condition, "values", BUILDER_VALUES_MAX, &values) < 0)
        return NULL;
    if (!values)
        return needs_one_of(builder, "\"values\"");
    enum comparison as = values_as(builder, column, values);
    if (as == AS_NOTHING)
        return NULL;
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = builder_value(builder, column, as, json_array_get(values, i));
        if (!value)
            return NULL;
        buffer_printf(&list, "%s%s", i ? ", " : "", value);
    }
    return SQL("%s %s (%s)", dialect_column(builder, column, as), operator->sql,
               buffer_string(&list));
}

/* ---- patterns ---- */

/* The value with what is special in it escaped by »!«; % and _ are, if they mean themselves. */
static const char *pattern_of(struct builder *builder, const struct operator* operator,
                              const char * value)
{
    bool wildcards = !*operator->before && !* operator->after;
    BUFFER_CLEAN struct buffer pattern = {0};
    buffer_text(&pattern, operator->before);
    for (; *value; value++) {
        if (*value == '!' || (!wildcards && (*value == '%' || *value == '_')))
            buffer_char(&pattern, '!');
        buffer_char(&pattern, *value);
    }
    buffer_text(&pattern, operator->after);
    const char *placeholder = builder_bind(builder, json_string(buffer_string(&pattern)));
    return placeholder ? dialect_folded(builder, placeholder) : NULL;
}

static const char *pattern_of_parameter(struct builder *builder, const struct operator* operator,
                                        const struct column * column, const char *name)
{
    const char *placeholder = builder_parameter(builder, column, name);
    bool wildcards = !*operator->before && !* operator->after;
    if (!placeholder)
        return NULL;
    return dialect_folded(
        builder,
        dialect_pattern(builder, placeholder, operator->before, operator->after, wildcards));
}

static const char *write_pattern(struct builder *builder, const struct operator* operator,
                                 const struct column * column, const json_t *condition)
{
    const char *text, *parameter;
    if (has(condition, "value") + has(condition, "parameter") != 1)
        return needs_one_of(builder, "\"value\", \"parameter\"");
    if (place_text(&builder->place, condition, "value", BUILDER_TEXT_MAX, &text) < 0 ||
        place_text(&builder->place, condition, "parameter", NAME_MAX_BYTES, &parameter) < 0)
        return NULL;
    if (!text && !parameter)
        return needs_one_of(builder, "\"value\", \"parameter\"");
    const char *pattern = text ? pattern_of(builder, operator, text)
                               : pattern_of_parameter(builder, operator, column, parameter);
    if (!pattern)
        return NULL;
    return SQL("%s %s %s ESCAPE '!'", dialect_folded(builder, column->sql), operator->sql, pattern);
}

/* ---- without a value ---- */

static const char *write_empty(struct builder *builder, const struct operator* operator,
                               const struct column * column, const json_t *condition)
{
    (void)condition;
    return dialect_empty(builder, column, strcmp(operator->sql, "IS NULL") == 0);
}

static const char *write_truth(struct builder *builder, const struct operator* operator,
                               const struct column * column, const json_t *condition)
{
    (void)condition;
    return dialect_truth(builder, column, strcmp(operator->sql, "TRUE") == 0);
}

/* ---- days ---- */

/* before, after: whole days, also of timestamps. */
static const char *write_day(struct builder *builder, const struct operator* operator,
                             const struct column * column, const json_t *condition)
{
    const char *parameter, *other;
    struct column as_date = *column;
    if (column->type != SOURCE_TIMESTAMP)
        as_date.type = SOURCE_DATE;
    if (read_operand(builder, condition, &parameter, &other) < 0)
        return NULL;
    if (other)
        return compare_with_other(builder, operator, & as_date, other);
    if (parameter)
        return compare_with_parameter(builder, operator, & as_date, parameter);
    return compare_with_value(builder, operator, & as_date, json_object_get(condition, "value"));
}

static int read_amount(struct builder *builder, const json_t *condition, json_int_t most,
                       long *amount)
{
    const json_t *value = json_object_get(condition, "value");
    size_t back = place_enter(&builder->place, ".value");
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > most)
        return place_failed(
            &builder->place,
            error_say(builder->error, ERROR_INPUT, "a whole number from 0 to %lld is needed here",
                      "Hier wird eine ganze Zahl von 0 bis %lld gebraucht.", (long long)most));
    *amount = (long)json_integer_value(value);
    place_leave(&builder->place, back);
    return 0;
}

/* The day that lies `amount` units away from today. */
static int count_from_today(struct builder *builder, const json_t *condition, long amount,
                            struct date *date)
{
    static const struct {
        const char *name;
        long days, months;
    } units[] = {{"days", 1, 0}, {"weeks", 7, 0}, {"months", 0, 1}, {"years", 0, 12}};
    const char *unit;
    if (place_text(&builder->place, condition, "unit", NAME_MAX_BYTES, &unit) < 0)
        return -1;
    if (!unit)
        return place_missing(&builder->place, "unit");
    size_t i = 0, count = sizeof units / sizeof *units;
    while (i < count && strcmp(units[i].name, unit) != 0)
        i++;
    if (i == count) {
        place_enter(&builder->place, ".unit");
        return place_failed(&builder->place,
                            error_say(builder->error, ERROR_INPUT,
                                      "the unit is days, weeks, months or years",
                                      "Die Einheit ist days, weeks, months oder years."));
    }
    *date = builder->today;
    if (units[i].days ? date_add_days(date, amount * units[i].days)
                      : date_add_months(date, amount * units[i].months))
        return 0;
    place_enter(&builder->place, ".value");
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT,
                                  "this leads out of the calendar; take a smaller number",
                                  "Das führt aus dem Kalender hinaus; eine kleinere Zahl "
                                  "nehmen."));
}

/* in the last, in the next, longer ago than */
static const char *write_relative(struct builder *builder, const struct operator* operator,
                                  const struct column * column, const json_t *condition)
{
    long amount;
    struct date away;
    bool is_future = strcmp(operator->sql, "NEXT") == 0;
    if (read_amount(builder, condition, AMOUNT_MAX, &amount) < 0 ||
        count_from_today(builder, condition, is_future ? amount : -amount, &away) < 0)
        return NULL;
    const char *day = dialect_column(builder, column, AS_DAY);
    if (strcmp(operator->sql, "<") == 0) {
        const char *limit = builder_bind_date(builder, away);
        return limit ? SQL("%s < %s", day, limit) : NULL;
    }
    const char *first = builder_bind_date(builder, is_future ? builder->today : away);
    const char *last = builder_bind_date(builder, is_future ? away : builder->today);
    return first && last ? SQL("%s BETWEEN %s AND %s", day, first, last) : NULL;
}

/* ---- birthdays ---- */

static json_int_t month_and_day(struct date date)
{
    return date.month * 100 + date.day;
}

/* From today for so many days. Who was born on 29 February has the birthday on the 28th in years
 * that have no such day, so that it stays in its month. */
static const char *birthdays_within(struct builder *builder, const struct column *column, long days)
{
    struct date last = builder->today;
    if (!date_add_days(&last, days))
        last = builder->today;
    json_int_t until = month_and_day(last);
    if (until == 228 && !date_is_leap(last.year))
        until = 229;
    const char *day = dialect_month_and_day(builder, column);
    const char *from_sql = builder_bind_number(builder, month_and_day(builder->today));
    const char *until_sql = builder_bind_number(builder, until);
    if (!from_sql || !until_sql)
        return NULL;
    if (last.year > builder->today.year)
        return SQL("(%s >= %s OR %s <= %s)", day, from_sql, day, until_sql);
    return SQL("%s BETWEEN %s AND %s", day, from_sql, until_sql);
}

static const char *write_birthday_today(struct builder *builder, const struct operator* operator,
                                        const struct column * column, const json_t *condition)
{
    (void)operator,(void) condition;
    return birthdays_within(builder, column, 0);
}

static const char *write_birthday_month(struct builder *builder, const struct operator* operator,
                                        const struct column * column, const json_t *condition)
{
    (void)operator,(void) condition;
    const char *month = builder_bind_number(builder, builder->today.month);
    return month ? SQL("%s = %s", dialect_month(builder, column), month) : NULL;
}

/* A year or more is every day. */
static const char *write_birthday_next(struct builder *builder, const struct operator* operator,
                                       const struct column * column, const json_t *condition)
{
    long days;
    const char *unit;
    (void)operator;
    if (read_amount(builder, condition, BIRTHDAY_DAYS_MAX, &days) < 0 ||
        place_text(&builder->place, condition, "unit", NAME_MAX_BYTES, &unit) < 0)
        return NULL;
    if (unit && strcmp(unit, "days") != 0) {
        place_enter(&builder->place, ".unit");
        place_failed(&builder->place,
                     error_say(builder->error, ERROR_INPUT, "birthdays are counted in days",
                               "Geburtstage werden in Tagen (days) gezählt."));
        return NULL;
    }
    if (days >= 365)
        return SQL("%s IS NOT NULL", dialect_month(builder, column));
    return birthdays_within(builder, column, days);
}

/* ---- the operators ---- */

static const char *const keys_none[] = {"field", "is", NULL};
static const char *const keys_one[] = {"field", "is", "value", "parameter", "other", NULL};
static const char *const keys_list[] = {"field", "is", "values", NULL};
static const char *const keys_pattern[] = {"field", "is", "value", "parameter", NULL};
static const char *const keys_relative[] = {"field", "is", "value", "unit", NULL};

static const struct operator operators[] = {
    {"=", write_comparison, ON_ORDERED | ON_TRUTH, keys_one, "=", "", ""},
    {"<>", write_comparison, ON_ORDERED | ON_TRUTH, keys_one, "<>", "", ""},
    {"<", write_comparison, ON_ORDERED, keys_one, "<", "", ""},
    {"<=", write_comparison, ON_ORDERED, keys_one, "<=", "", ""},
    {">", write_comparison, ON_ORDERED, keys_one, ">", "", ""},
    {">=", write_comparison, ON_ORDERED, keys_one, ">=", "", ""},
    {"between", write_between, ON_ORDERED, keys_list, "BETWEEN", "", ""},
    {"in", write_in, ON_ORDERED, keys_list, "IN", "", ""},
    {"not in", write_in, ON_ORDERED, keys_list, "NOT IN", "", ""},
    {"like", write_pattern, ON_TEXT, keys_pattern, "LIKE", "", ""},
    {"not like", write_pattern, ON_TEXT, keys_pattern, "NOT LIKE", "", ""},
    {"contains", write_pattern, ON_TEXT, keys_pattern, "LIKE", "%", "%"},
    {"starts with", write_pattern, ON_TEXT, keys_pattern, "LIKE", "", "%"},
    {"ends with", write_pattern, ON_TEXT, keys_pattern, "LIKE", "%", ""},
    {"is empty", write_empty, ON_ALL, keys_none, "IS NULL", "", ""},
    {"is not empty", write_empty, ON_ALL, keys_none, "IS NOT NULL", "", ""},
    {"yes", write_truth, ON_TRUTH | ON_NUMBER, keys_none, "TRUE", "", ""},
    {"no", write_truth, ON_TRUTH | ON_NUMBER, keys_none, "FALSE", "", ""},
    {"before", write_day, ON_DAY, keys_one, "<", "", ""},
    {"after", write_day, ON_DAY, keys_one, ">", "", ""},
    {"in the last", write_relative, ON_DAY, keys_relative, "LAST", "", ""},
    {"in the next", write_relative, ON_DAY, keys_relative, "NEXT", "", ""},
    {"longer ago than", write_relative, ON_DAY, keys_relative, "<", "", ""},
    {"birthday today", write_birthday_today, ON_DAY, keys_none, "", "", ""},
    {"birthday this month", write_birthday_month, ON_DAY, keys_none, "", "", ""},
    {"birthday in the next", write_birthday_next, ON_DAY, keys_relative, "", "", ""},
};
#define OPERATORS (sizeof operators / sizeof *operators)

static const struct operator* find_operator(struct builder *builder, const char *name)
{
    const char *names[OPERATORS];
    char shown[PLACE_SHOWN];
    BUFFER_CLEAN struct buffer list = {0};
    for (size_t i = 0; i < OPERATORS; i++) {
        if (strcmp(operators[i].name, name) == 0)
            return &operators[i];
        names[i] = operators[i].name;
        buffer_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = suggest_nearest(name, names, OPERATORS);
    place_enter(&builder->place, ".is");
    place_failed(&builder->place,
                 near ? error_say(builder->error, ERROR_INPUT,
                                  "there is no operator »%s«; did you mean »%s«?",
                                  "Einen Operator »%s« gibt es nicht; ist »%s« gemeint?",
                                  place_shown(shown, name), near)
                      : error_say(builder->error, ERROR_INPUT,
                                  "there is no operator »%s«; there are: %s",
                                  "Einen Operator »%s« gibt es nicht; es gibt: %s",
                                  place_shown(shown, name), buffer_string(&list)));
    return NULL;
}

/* SQLite has no columns of dates: a text may be one. */
static int check_type(struct builder *builder, const struct operator* operator,
                      const struct column * column)
{
    static const unsigned on[] = {
        [SOURCE_UNKNOWN] = ON_ALL,    [SOURCE_TEXT] = ON_TEXT,   [SOURCE_INTEGER] = ON_NUMBER,
        [SOURCE_DECIMAL] = ON_NUMBER, [SOURCE_REAL] = ON_NUMBER, [SOURCE_BOOLEAN] = ON_TRUTH,
        [SOURCE_DATE] = ON_DAY,       [SOURCE_TIME] = ON_CLOCK,  [SOURCE_TIMESTAMP] = ON_DAY,
        [SOURCE_BINARY] = ON_BINARY,
    };
    unsigned is = on[column->type];
    if (column->type == SOURCE_TEXT && builder->dialect == DIALECT_SQLITE)
        is |= operator->on == ON_DAY ? ON_DAY : 0;
    if (is & operator->on)
        return 0;
    place_enter(&builder->place, ".is");
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT,
                                  "»%s« is %s%.0s; »%s« is not for that",
                                  "»%s« ist %.0s%s; »%s« ist dafür nicht gedacht.", column->shown,
                                  builder_type_in_english(column->type),
                                  builder_type_in_german(column->type), operator->name));
}

static int write_leaf(struct builder *builder, const json_t *condition, struct buffer *sql)
{
    const char *field, *is;
    struct column column;
    if (place_text(&builder->place, condition, "field", 2 * NAME_MAX_BYTES, &field) < 0 ||
        place_text(&builder->place, condition, "is", NAME_MAX_BYTES, &is) < 0)
        return -1;
    if (!field || !is)
        return place_missing(&builder->place, field ? "is" : "field");
    const struct operator* operator= find_operator(builder, is);
    if (!operator|| place_keys(&builder->place, condition, operator->keys) < 0)
        return -1;
    size_t back = place_enter(&builder->place, ".field");
    if (builder_column(builder, field, &column) < 0)
        return -1;
    place_leave(&builder->place, back);
    if (check_type(builder, operator, & column) < 0)
        return -1;
    const char *written = operator->write(builder, operator, & column, condition);
    if (!written)
        return -1;
    buffer_text(sql, written);
    return 0;
}

/* ---- and, or, not ---- */

static int write_list(struct builder *builder, const json_t *condition, const char *key,
                      struct buffer *sql)
{
    const json_t *parts;
    if (place_list(&builder->place, condition, key, BUILDER_CONDITIONS_MAX, &parts) < 0)
        return -1;
    if (!parts)
        return place_missing(&builder->place, key);
    bool is_outermost = builder->depth == 1 && strcmp(key, "and") == 0 && builder->tables;
    const char *word = strcmp(key, "and") != 0 ? " OR " : is_outermost ? "\n    AND " : " AND ";
    if (!is_outermost)
        buffer_char(sql, '(');
    for (size_t i = 0; i < json_array_size(parts); i++) {
        size_t back = place_enter(&builder->place, ".%s[%zu]", key, i);
        buffer_text(sql, i ? word : "");
        if (builder_condition_write(builder, json_array_get(parts, i), sql) < 0)
            return -1;
        place_leave(&builder->place, back);
    }
    if (!is_outermost)
        buffer_char(sql, ')');
    return 0;
}

static int write_not(struct builder *builder, const json_t *condition, struct buffer *sql)
{
    size_t back = place_enter(&builder->place, ".not");
    buffer_text(sql, "NOT (");
    if (builder_condition_write(builder, json_object_get(condition, "not"), sql) < 0)
        return -1;
    buffer_char(sql, ')');
    place_leave(&builder->place, back);
    return 0;
}

static int check_size(struct builder *builder)
{
    if (builder->depth > BUILDER_DEPTH_MAX)
        return place_failed(&builder->place,
                            error_say(builder->error, ERROR_INPUT,
                                      "conditions are nested more than %d deep",
                                      "Die Bedingungen sind tiefer als %d ineinander "
                                      "geschachtelt.",
                                      BUILDER_DEPTH_MAX));
    if (builder->conditions > BUILDER_CONDITIONS_MAX)
        return place_failed(&builder->place,
                            error_say(builder->error, ERROR_INPUT,
                                      "there are more than %d conditions",
                                      "Es sind mehr als %d Bedingungen.", BUILDER_CONDITIONS_MAX));
    return 0;
}

int builder_condition_write(struct builder *builder, const json_t *condition, struct buffer *sql)
{
    static const char *const keys_all[] = {"and",    "or",        "not",   "field", "is", "value",
                                           "values", "parameter", "other", "unit",  NULL};
    static const char *const words[] = {"and", "or", "not"};
    if (place_keys(&builder->place, condition, keys_all) < 0)
        return -1;
    builder->depth++;
    builder->conditions++;
    int result = check_size(builder);
    const char *word = NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (has(condition, words[i]))
            word = words[i];
    if (word && json_object_size(condition) != 1)
        result = place_failed(&builder->place,
                              error_say(builder->error, ERROR_INPUT,
                                        "beside »%s« no other key can stand here; nest the "
                                        "conditions",
                                        "Neben »%s« kann hier kein anderer Schlüssel stehen; die "
                                        "Bedingungen schachteln.",
                                        word));
    if (result == 0)
        result = !word                      ? write_leaf(builder, condition, sql)
                 : strcmp(word, "not") == 0 ? write_not(builder, condition, sql)
                                            : write_list(builder, condition, word, sql);
    builder->depth--;
    return result;
}
