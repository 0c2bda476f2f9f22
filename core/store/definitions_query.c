/* What a run needs of a query: its group, the sets that this is joined with, and values for its
 * parameters. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "store/definitions_internal.h"

#define PARAMETERS_MOST 1000

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int64_t id_of(const json_t *query)
{
    return json_integer_value(json_object_get(query, "id"));
}

static int wrong(struct trouble *why, const json_t *query, enum message message, const char *first,
                 const char *second, const char *third)
{
    return trouble_set(why, ERROR_INPUT, message, "query", id_of(query), first, second, third);
}

json_t *query_load(struct definitions *d, int64_t id, struct trouble *why)
{
    json_t *query = table_load(d, table_of_kind("query"), id, DEPTH_WHOLE, why);
    if (query)
        json_object_set_new(query, "id", json_integer(id));
    return query;
}

json_t *query_identity(const json_t *query)
{
    return json_pack("{s:O, s:O, s:O}", "id", json_object_get(query, "id"), "name",
                     json_object_get(query, "name"), "source", json_object_get(query, "source"));
}

/* ---- parameters ---- */

static bool is_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789") >= count;
}

/* -12, 12.50, not 1e3 and not .5 */
static bool is_decimal(const char *text)
{
    size_t length = strlen(text);
    text += *text == '-';
    size_t whole = strspn(text, "0123456789");
    const char *rest = text + whole;
    size_t places = *rest == '.' ? strspn(rest + 1, "0123456789") : 0;
    return length <= 64 && whole > 0 && (*rest != '.' || places > 0) &&
           rest[*rest == '.' ? 1 + places : 0] == '\0';
}

/* 2026-11-24, and a day that there is */
static bool is_date(const char *text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (strlen(text) != 10 || !is_digits(text, 4) || text[4] != '-' || !is_digits(text + 5, 2) ||
        text[7] != '-' || !is_digits(text + 8, 2) ||
        sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

static json_t *as_boolean(const char *text)
{
    static const char *const yes[] = {"true", "1", "yes", "ja"};
    static const char *const no[] = {"false", "0", "no", "nein"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (text_equal(text, yes[i]))
            return json_true();
        if (text_equal(text, no[i]))
            return json_false();
    }
    return NULL;
}

/* A plain JSON value as people write it. False: it is none. */
static bool spell(const json_t *value, char *target, size_t size)
{
    if (json_is_string(value))
        text_copy(target, size, json_string_value(value));
    else if (json_is_integer(value))
        snprintf(target, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(target, size, "%.15g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(target, size, "%s", json_is_true(value) ? "true" : "false");
    else
        return false;
    return true;
}

/* A value in a parameter's type, or NULL. What a command line or a form gives is text: "42" is a
 * whole number, too. Decimals and dates stay texts, exact; a number for a text becomes one. */
static json_t *typed(const char *type, const json_t *value)
{
    char text[80];
    int64_t number;
    if (text_equal(type, "text") && json_is_string(value))
        return json_incref((json_t *)value);
    if (!spell(value, text, sizeof text) ||
        (json_is_string(value) && strlen(text) < json_string_length(value)))
        return NULL;
    if (text_equal(type, "integer"))
        return !json_is_boolean(value) && text_to_int64(text, &number) == 0 ? json_integer(number)
                                                                            : NULL;
    if (text_equal(type, "boolean"))
        return as_boolean(text);
    bool fits = text_equal(type, "text")      ? !json_is_boolean(value)
                : text_equal(type, "decimal") ? is_decimal(text)
                                              : is_date(text);
    return fits ? json_string(text) : NULL;
}

static json_t *type_value(const json_t *query, const json_t *parameter, const json_t *value,
                          enum message message, struct trouble *why)
{
    char shown[200];
    json_t *result = typed(text_of(parameter, "type"), value);
    if (result)
        return result;
    if (!spell(value, shown, sizeof shown))
        text_copy(shown, sizeof shown, "{…}");
    wrong(why, query, message, text_of(parameter, "name"), shown, text_of(parameter, "type"));
    return NULL;
}

/* One parameter's value into `values`. `given` as in query_freeze_parameters. */
static int freeze_parameter(const json_t *query, const json_t *parameter, const json_t *given,
                            json_t *values, struct trouble *why)
{
    const char *name = text_of(parameter, "name");
    const json_t *value = json_object_get(given, name);
    const json_t *preset = json_object_get(parameter, "default");
    json_t *result;
    if (value && !json_is_null(value)) {
        result = type_value(query, parameter, value, MESSAGE_PARAMETER_TYPE, why);
    } else if (!json_is_null(preset)) {
        result = type_value(query, parameter, preset, MESSAGE_PARAMETER_DEFAULT, why);
    } else {
        if (json_is_true(json_object_get(parameter, "required")) && !json_is_null(given))
            return wrong(why, query, MESSAGE_PARAMETER_MISSING, text_of(query, "name"), name, NULL);
        result = json_null();
    }
    return result ? json_object_set_new(values, name, result) : -1;
}

/* All parameters that the queries declare, each once: {"event": {…}}. */
static json_t *declared(const json_t *queries, struct trouble *why)
{
    JSON_CLEAN json_t *all = json_object();
    const json_t *first = json_array_get(queries, 0);
    size_t i, j;
    json_t *query, *parameter;
    json_array_foreach((json_t *)queries, i, query) {
        json_array_foreach(json_object_get(query, "parameters"), j, parameter) {
            const char *name = text_of(parameter, "name");
            json_t *known = json_object_get(all, name);
            if (known && !text_equal(text_of(known, "type"), text_of(parameter, "type"))) {
                wrong(why, first, MESSAGE_PARAMETER_CLASH, text_of(first, "name"),
                      text_of(query, "name"), name);
                return NULL;
            }
            if (!known)
                json_object_set(all, name, parameter);
        }
    }
    return json_incref(all);
}

static int refuse_undeclared(const json_t *query, const json_t *known, const json_t *given,
                             struct trouble *why)
{
    const char *names[PARAMETERS_MOST], *key, *nearest;
    size_t count = 0;
    json_t *value;
    json_object_foreach((json_t *)known, key, value) {
        if (count < PARAMETERS_MOST)
            names[count++] = key;
    }
    json_object_foreach((json_t *)given, key, value) {
        if (json_object_get(known, key))
            continue;
        nearest = suggest_nearest(key, names, count);
        return wrong(why, query, nearest ? MESSAGE_PARAMETER_NEAR : MESSAGE_PARAMETER_UNKNOWN,
                     text_of(query, "name"), key, nearest);
    }
    return 0;
}

json_t *query_freeze_parameters(const json_t *queries, const json_t *given, struct trouble *why)
{
    const json_t *query = json_array_get(queries, 0);
    JSON_CLEAN json_t *known = declared(queries, why);
    JSON_CLEAN json_t *values = json_object();
    if (!known || refuse_undeclared(query, known, given, why) < 0)
        return NULL;
    const char *name;
    json_t *parameter;
    json_object_foreach(known, name, parameter) {
        if (freeze_parameter(query, parameter, given, values, why) < 0)
            return NULL;
    }
    return json_incref(values);
}

/* ---- groups and sets ---- */

/* The group that a set means: by its name, or the only one. */
static const json_t *sets_group(const json_t *query, const json_t *group, const json_t *other,
                                const char *wanted, struct trouble *why)
{
    const json_t *groups = json_object_get(other, "groups");
    const char *name = text_of(group, "name"), *other_name = text_of(other, "name");
    size_t i;
    json_t *one;
    if (!wanted && json_array_size(groups) == 1)
        return json_array_get(groups, 0);
    if (!wanted) {
        wrong(why, query, MESSAGE_SET_WHICH_GROUP, name, other_name, NULL);
        return NULL;
    }
    json_array_foreach((json_t *)groups, i, one) {
        if (text_equal(text_of(one, "name"), wanted))
            return one;
    }
    wrong(why, query, MESSAGE_SET_NO_GROUP, name, other_name, wanted);
    return NULL;
}

static json_t *freeze_set(struct definitions *d, const json_t *query, const json_t *group,
                          const json_t *set, json_t *others, struct trouble *why)
{
    const char *other_name = text_of(set, "query");
    if (text_equal(other_name, text_of(query, "name"))) {
        wrong(why, query, MESSAGE_SET_OWN, text_of(group, "name"), other_name, NULL);
        return NULL;
    }
    int64_t id = table_find_name(d, "query", other_name, why);
    if (id == 0)
        wrong(why, query, MESSAGE_UNKNOWN, "query", other_name, NULL);
    JSON_CLEAN json_t *other = id > 0 ? query_load(d, id, why) : NULL;
    const json_t *its = other ? sets_group(query, group, other, text_of(set, "group"), why) : NULL;
    if (!its)
        return NULL;
    if (json_array_size(json_object_get(its, "sets")) > 0) {
        wrong(why, query, MESSAGE_SET_NESTED, text_of(group, "name"), text_of(its, "name"),
              other_name);
        return NULL;
    }
    json_array_append(others, other);
    return json_pack("{s:O, s:o, s:{s:O, s:O, s:O, s:O}}", "operation",
                     json_object_get(set, "operation"), "query", query_identity(other), "group",
                     "name", json_object_get(its, "name"), "sql", json_object_get(its, "sql"),
                     "built", json_object_get(its, "built"), "key", json_object_get(its, "key"));
}

json_t *query_freeze_group(struct definitions *d, const json_t *query, const json_t *group,
                           json_t *others, struct trouble *why)
{
    JSON_CLEAN json_t *frozen = json_copy((json_t *)group);
    json_t *sets = json_array(), *set;
    size_t i;
    json_object_set_new(frozen, "sets", sets);
    json_array_foreach(json_object_get(group, "sets"), i, set) {
        json_t *one = freeze_set(d, query, group, set, others, why);
        if (!one)
            return NULL;
        json_array_append_new(sets, one);
    }
    return json_incref(frozen);
}

int query_check(struct definitions *d, int64_t id, struct trouble *why)
{
    table_refill_budget(d);
    JSON_CLEAN json_t *query = query_load(d, id, why);
    JSON_CLEAN json_t *queries = json_array();
    size_t i;
    json_t *group;
    if (!query)
        return -1;
    json_array_append(queries, query);
    json_array_foreach(json_object_get(query, "groups"), i, group) {
        json_t *frozen = query_freeze_group(d, query, group, queries, why);
        if (!frozen)
            return -1;
        json_decref(frozen);
    }
    JSON_CLEAN json_t *unasked = json_null();
    JSON_CLEAN json_t *values = query_freeze_parameters(queries, unasked, why);
    return values ? 0 : -1;
}

/* ---- a query alone ---- */

static char *group_names(const json_t *query)
{
    BUFFER_CLEAN struct buffer names = {0};
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(query, "groups"), i, group) {
        buffer_printf(&names, "%s»%s«", i ? ", " : "", text_of(group, "name"));
    }
    return buffer_steal(&names);
}

/* Into `groups` and `queries` those groups that are asked for: the one named, the only one, or (if
 * `all`) all. */
static int freeze_groups(struct definitions *d, const json_t *query, const char *wanted, bool all,
                         json_t *groups, json_t *queries, struct trouble *why)
{
    json_t *saved = json_object_get(query, "groups"), *group;
    const char *name = text_of(query, "name");
    size_t i;
    FREE_CLEAN char *names = group_names(query);
    if (json_array_size(saved) == 0)
        return wrong(why, query, MESSAGE_NO_GROUPS, name, NULL, NULL);
    if (!wanted && !all && json_array_size(saved) > 1)
        return wrong(why, query, MESSAGE_ASK_GROUP, name, names, NULL);
    json_array_foreach(saved, i, group) {
        if (wanted && !text_equal(text_of(group, "name"), wanted))
            continue;
        json_t *frozen = query_freeze_group(d, query, group, queries, why);
        if (!frozen)
            return -1;
        json_array_append_new(groups, frozen);
    }
    return json_array_size(groups) > 0
               ? 0
               : wrong(why, query, MESSAGE_ASK_NO_GROUP, name, wanted, names);
}

static json_t *freeze_query(struct definitions *d, const char *name, const char *wanted, bool all,
                            const json_t *parameters, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, false, why) < 0)
        return NULL;
    int64_t id = document_find(d, table_of_kind("query"), name, why);
    table_refill_budget(d);
    JSON_CLEAN json_t *query = id > 0 ? query_load(d, id, why) : NULL;
    JSON_CLEAN json_t *groups = json_array();
    JSON_CLEAN json_t *queries = json_array();
    if (!query)
        return NULL;
    json_array_append(queries, query);
    if (freeze_groups(d, query, wanted, all, groups, queries, why) < 0)
        return NULL;
    json_t *values = query_freeze_parameters(queries, parameters, why);
    if (!values)
        return NULL;
    json_t *frozen = json_pack("{s:o, s:{s:o}}", "query", query_identity(query), "campaign",
                               "parameters", values);
    if (all)
        json_object_set(frozen, "groups", groups);
    else
        json_object_set(frozen, "group", json_array_get(groups, 0));
    return frozen;
}

json_t *definitions_freeze_query(struct definitions *definitions, const char *query,
                                 const char *group, const json_t *parameters, struct error *error)
{
    struct trouble why = {0};
    json_t *frozen = freeze_query(definitions, query, group, false, parameters, &why);
    if (!frozen)
        trouble_tell(&why, error);
    return frozen;
}

json_t *definitions_freeze_groups(struct definitions *definitions, const char *query,
                                  const json_t *parameters, struct error *error)
{
    struct trouble why = {0};
    json_t *frozen = freeze_query(definitions, query, NULL, true, parameters, &why);
    if (!frozen)
        trouble_tell(&why, error);
    return frozen;
}
