/* What a query delivers: rows, groups, fields, its SQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define ROWS_DEFAULT 20

/* ---- parameters ---- */

/* A whole number is one, all else a text; a text with a zero in front stays what it is. */
static json_t *parameter_value(const char *text)
{
    int64_t number;
    bool padded = *text == '0' && text[1];
    return !padded && text_to_int64(text, &number) == 0 ? json_integer(number) : json_string(text);
}

json_t *queries_parameters(struct invocation *invocation, int *code)
{
    json_t *parameters = json_object();
    *code = EXIT_OK;
    if (invocation->event)
        json_object_set_new(parameters, "event", parameter_value(invocation->event));
    for (size_t i = 0; i < invocation->parameters.count && !*code; i++) {
        const char *given = invocation->parameters.items[i], *equals = strchr(given, '=');
        if (!equals || equals == given) {
            *code = fail(invocation, EXIT_USAGE, MESSAGE_BAD_PARAMETER, given);
            break;
        }
        FREE_CLEAN char *name = memory_text_n(given, (size_t)(equals - given));
        json_object_set_new(parameters, name, parameter_value(equals + 1));
    }
    if (!*code && json_object_size(parameters))
        return parameters;
    json_decref(parameters);
    return NULL;
}

json_t *queries_body(struct invocation *invocation, int *code)
{
    json_t *parameters = queries_parameters(invocation, code);
    json_t *body = *code ? NULL : json_object();
    if (body && invocation->group)
        json_object_set_new(body, "group", json_string(invocation->group));
    if (body && parameters)
        json_object_set(body, "parameters", parameters);
    json_decref(parameters);
    return body;
}

/* ---- rows ---- */

int queries_run(struct invocation *invocation)
{
    int64_t limit = ROWS_DEFAULT;
    int code = invocation->limit ? parse_number(invocation, invocation->limit, &limit) : EXIT_OK;
    json_t *body = code ? NULL : queries_body(invocation, &code);
    if (code)
        return code;
    json_object_set_new(body, "limit", json_integer(limit));
    REPLY_CLEAN struct reply reply = {0};
    code = post_to(invocation, "queries", invocation->arguments[0], "run", body, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    print_rows(json_object_get(reply.json, "columns"), json_object_get(reply.json, "rows"));
    json_t *count = json_object_get(reply.json, "count");
    if (json_is_integer(count))
        say(MESSAGE_ROWS_COUNT, message_number(json_integer_value(count)));
    if (json_is_true(json_object_get(reply.json, "truncated")))
        say(MESSAGE_ROWS_TRUNCATED);
    return EXIT_OK;
}

int queries_groups(struct invocation *invocation)
{
    int code;
    json_t *body = queries_body(invocation, &code);
    REPLY_CLEAN struct reply reply = {0};
    if (!code)
        code = post_to(invocation, "queries", invocation->arguments[0], "groups", body, &reply);
    if (code)
        return code;
    json_t *groups = json_is_array(reply.json) ? reply.json : json_object_get(reply.json, "groups");
    if (invocation->json)
        print_json(groups);
    else
        print_groups(groups);
    return EXIT_OK;
}

/* ---- SQL ---- */

int queries_sql(struct invocation *invocation)
{
    int code;
    json_t *body = queries_body(invocation, &code);
    REPLY_CLEAN struct reply reply = {0};
    if (!code)
        code = post_to(invocation, "queries", invocation->arguments[0], "sql", body, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    const char *sql = json_string_value(json_object_get(reply.json, "sql"));
    FREE_CLEAN char *clean = table_clean(sql ? sql : "", true);
    puts(clean);
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(reply.json, "values"), name, value) {
        FREE_CLEAN char *text = json_dumps(value, JSON_ENCODE_ANY);
        FREE_CLEAN char *shown = table_clean(text ? text : "", false);
        printf("  :%s = %s\n", name, shown);
    }
    return EXIT_OK;
}

/* ---- fields ---- */

/* What is guessed stands in parentheses until it is saved. Is it? */
static bool put_field(struct table *table, const json_t *column, const char *key)
{
    const char *value = json_string_value(json_object_get(column, key));
    const char *guess = json_string_value(json_object_get(json_object_get(column, "guessed"), key));
    bool guessed = !(value && *value) && guess && *guess;
    FREE_CLEAN char *marked = guessed ? memory_format("(%s)", guess) : memory_text(value);
    table_text(table, !marked                   ? ""
                      : text_equal(key, "type") ? message_word("type", marked)
                                                : marked);
    return guessed;
}

/* Is anything of it guessed? */
static bool print_fields(const json_t *columns)
{
    bool guessed = false;
    const char *label = text_equal(messages_language_name(), "de") ? "label_de" : "label_en";
    const char *keys[] = {"name", "type", label, "role", "format", NULL};
    struct table *table = table_new(keys);
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *column = json_array_get(columns, i);
        for (size_t key = 0; keys[key]; key++)
            guessed |= put_field(table, column, keys[key]);
    }
    table_print(table);
    table_free(table);
    return guessed;
}

int queries_fields(struct invocation *invocation)
{
    int code;
    json_t *body = queries_body(invocation, &code);
    REPLY_CLEAN struct reply reply = {0};
    if (!code) {
        json_object_set_new(body, "save", json_boolean(invocation->save));
        code = post_to(invocation, "queries", invocation->arguments[0], "fields", body, &reply);
    }
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    bool guessed = print_fields(json_object_get(reply.json, "columns"));
    if (invocation->save)
        say(MESSAGE_FIELDS_SAVED,
            message_number(json_integer_value(json_object_get(reply.json, "saved"))));
    else if (guessed)
        say(MESSAGE_FIELDS_GUESSED);
    return EXIT_OK;
}
