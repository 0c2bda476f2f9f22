/* Who gets a campaign: where its recipients come from, and which of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define RECIPIENTS_DEFAULT 10
#define PARAMETERS_MAXIMUM 100
#define UNKNOWN_SHOWN 10

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- new, from a query or a distributor ---- */

static bool holds(const json_t *texts, const char *text)
{
    for (size_t i = 0; i < json_array_size(texts); i++)
        if (text_equal(json_string_value(json_array_get(texts, i)), text))
            return true;
    return false;
}

/* One of the report's categories must make distributors. */
static int check_category(struct invocation *invocation, const json_t *categories)
{
    const char *missing = "Verteiler für Kampagne";
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", "categories", NULL, &reply);
    for (size_t i = json_array_size(reply.json); i-- > 0 && !code;) {
        const json_t *category = json_array_get(reply.json, i);
        if (!json_is_true(json_object_get(category, "distributor")))
            continue;
        missing = text_of(category, "name");
        if (holds(categories, missing))
            return EXIT_OK;
    }
    return code ? code
                : fail(invocation, EXIT_WRONG, MESSAGE_NOT_DISTRIBUTOR, invocation->distributor,
                       missing);
}

/* The query that the recipients come from; the caller frees. NULL with *code. */
static char *query_of(struct invocation *invocation, int *code)
{
    REPLY_CLEAN struct reply reply = {0};
    *code = EXIT_OK;
    if (invocation->query)
        return memory_text(invocation->query);
    FREE_CLEAN char *path = client_path("reports", invocation->distributor, NULL);
    *code = client_call(invocation, "GET", path, NULL, &reply);
    if (*code)
        return NULL;
    const char *query = text_of(reply.json, "query");
    if (!*query)
        *code = fail(invocation, EXIT_WRONG, MESSAGE_NO_DISTRIBUTOR, invocation->distributor);
    if (!*code)
        *code = check_category(invocation, json_object_get(reply.json, "categories"));
    return *code ? NULL : memory_text(query);
}

static int check_parameter(struct invocation *invocation, const char *query, const char *name,
                           const json_t *declared)
{
    const char *names[PARAMETERS_MAXIMUM];
    size_t count = 0;
    BUFFER_CLEAN struct buffer list = {0};
    for (size_t i = 0; i < json_array_size(declared) && count < PARAMETERS_MAXIMUM; i++) {
        names[count] = text_of(json_array_get(declared, i), "name");
        if (text_equal(names[count], name))
            return EXIT_OK;
        buffer_printf(&list, "%s%s", count ? ", " : "", names[count]);
        count++;
    }
    const char *nearest = suggest_nearest(name, names, count);
    if (!count)
        return fail(invocation, EXIT_WRONG, MESSAGE_NO_PARAMETERS, query, name);
    return nearest
               ? fail(invocation, EXIT_WRONG, MESSAGE_WRONG_PARAMETER_NEAR, query, name, nearest)
               : fail(invocation, EXIT_WRONG, MESSAGE_WRONG_PARAMETER, query, name,
                      buffer_string(&list));
}

/* Those of the queries that a group takes off or cuts with, too. */
static int add_declared_of_sets(struct invocation *invocation, const json_t *group,
                                json_t *declared)
{
    const json_t *sets = json_object_get(group, "sets");
    int code = EXIT_OK;
    for (size_t i = 0; i < json_array_size(sets) && !code; i++) {
        REPLY_CLEAN struct reply reply = {0};
        FREE_CLEAN char *path =
            client_path("queries", text_of(json_array_get(sets, i), "query"), NULL);
        code = client_call(invocation, "GET", path, NULL, &reply);
        json_array_extend(declared, json_object_get(reply.json, "parameters"));
    }
    return code;
}

/* All parameters that a campaign with this query may give values for; a new reference. */
static json_t *declared_parameters(struct invocation *invocation, const json_t *document, int *code)
{
    const json_t *groups = json_object_get(document, "groups");
    json_t *declared = json_copy(json_object_get(document, "parameters"));
    *code = EXIT_OK;
    for (size_t i = 0; i < json_array_size(groups) && !*code; i++)
        *code = add_declared_of_sets(invocation, json_array_get(groups, i), declared);
    return declared;
}

static int check_parameters(struct invocation *invocation, const char *query,
                            const json_t *document, json_t *parameters)
{
    const char *name;
    json_t *value;
    int code = EXIT_OK;
    if (!json_object_size(parameters))
        return EXIT_OK;
    json_t *declared = declared_parameters(invocation, document, &code);
    json_object_foreach(parameters, name, value)
        if (!code)
            code = check_parameter(invocation, query, name, declared);
    json_decref(declared);
    return code;
}

/* "participants (212), speakers (4)": with counts, if they can be had. */
static void list_groups(struct invocation *invocation, const char *query, const json_t *groups,
                        json_t *parameters, struct buffer *list)
{
    REPLY_CLEAN struct reply reply = {0};
    json_t *body = json_object();
    if (parameters)
        json_object_set(body, "parameters", parameters);
    int code = post_to(invocation, "queries", query, "groups", body, &reply);
    const json_t *counts =
        json_is_array(reply.json) ? reply.json : json_object_get(reply.json, "groups");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *count = json_object_get(json_array_get(counts, i), "count");
        buffer_printf(list, "%s%s", i ? ", " : "", text_of(json_array_get(groups, i), "name"));
        if (!code && json_is_integer(count))
            buffer_printf(list, " (%s)", message_number(json_integer_value(count)));
    }
    free(invocation->failure);
    invocation->failure = NULL;
}

static int check_group(struct invocation *invocation, const char *query, const json_t *document,
                       json_t *parameters)
{
    const json_t *groups = json_object_get(document, "groups");
    if (json_array_size(groups) < 2 && !invocation->group)
        return EXIT_OK;
    for (size_t i = 0; i < json_array_size(groups) && invocation->group; i++)
        if (text_equal(text_of(json_array_get(groups, i), "name"), invocation->group))
            return EXIT_OK;
    BUFFER_CLEAN struct buffer list = {0};
    list_groups(invocation, query, groups, parameters, &list);
    return fail(invocation, EXIT_USAGE,
                invocation->group ? MESSAGE_NO_SUCH_GROUP : MESSAGE_WHICH_GROUP, query,
                buffer_string(&list), invocation->group ? invocation->group : "");
}

static int check_origin(struct invocation *invocation, json_t *parameters)
{
    int code;
    FREE_CLEAN char *query = query_of(invocation, &code);
    REPLY_CLEAN struct reply reply = {0};
    if (code)
        return code;
    FREE_CLEAN char *path = client_path("queries", query, NULL);
    code = client_call(invocation, "GET", path, NULL, &reply);
    if (!code)
        code = check_parameters(invocation, query, reply.json, parameters);
    return code ? code : check_group(invocation, query, reply.json, parameters);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, json_string(text));
}

int campaigns_new(struct invocation *invocation)
{
    int code;
    if (!invocation->query && !invocation->distributor) {
        if (invocation->event || invocation->group || invocation->parameters.count)
            return fail(invocation, EXIT_USAGE, MESSAGE_ORIGIN_MISSING);
        return documents_new(invocation);
    }
    if ((invocation->query && invocation->distributor) || invocation->file)
        return fail(invocation, EXIT_USAGE, MESSAGE_ORIGIN_TWICE);
    json_t *parameters = queries_parameters(invocation, &code);
    if (!code)
        code = check_origin(invocation, parameters);
    json_t *document = json_object();
    set_text(document, "query", invocation->query);
    set_text(document, "distributor", invocation->distributor);
    set_text(document, "group", invocation->group);
    if (parameters)
        json_object_set(document, "parameters", parameters);
    if (!code)
        code = documents_new_from(invocation, document);
    json_decref(document);
    json_decref(parameters);
    return code;
}

/* ---- the selection ---- */

static json_t *selection_of(struct invocation *invocation, int *code)
{
    int64_t limit = RECIPIENTS_DEFAULT, sample;
    *code = invocation->limit ? parse_number(invocation, invocation->limit, &limit) : EXIT_OK;
    if (!*code && invocation->sample)
        *code = parse_number(invocation, invocation->sample, &sample);
    if (*code)
        return NULL;
    json_t *body = json_pack("{s:I, s:b}", "limit", (json_int_t)limit, "fresh", invocation->fresh);
    set_text(body, "filter", invocation->filter);
    if (invocation->sample)
        json_object_set_new(body, "sample", json_integer(sample));
    return body;
}

/* A key is either in or out, and there once. */
static void move_pick(json_t *picks, const char *to, const char *from, const char *key)
{
    json_t *into = json_object_get(picks, to), *others = json_object_get(picks, from);
    for (size_t i = json_array_size(others); i-- > 0;)
        if (text_equal(json_string_value(json_array_get(others, i)), key))
            json_array_remove(others, i);
    if (holds(into, key))
        return;
    if (!into)
        json_object_set_new(picks, to, into = json_array());
    json_array_append_new(into, json_string(key));
}

static void change_picks(const struct invocation *invocation, json_t *campaign)
{
    json_t *picks = json_object_get(campaign, "picks");
    if (!json_is_object(picks))
        json_object_set_new(campaign, "picks", picks = json_object());
    for (size_t i = 0; i < invocation->take_in.count; i++)
        move_pick(picks, "in", "out", invocation->take_in.items[i]);
    for (size_t i = 0; i < invocation->take_out.count; i++)
        move_pick(picks, "out", "in", invocation->take_out.items[i]);
}

/* Single recipients are tried together with those that the campaign has picked already. */
static int add_picks(struct invocation *invocation, json_t *body)
{
    if (!invocation->take_in.count && !invocation->take_out.count)
        return EXIT_OK;
    FREE_CLEAN char *path = client_path("campaigns", invocation->arguments[0], NULL);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", path, NULL, &reply);
    if (code)
        return code;
    change_picks(invocation, reply.json);
    json_object_update(body, json_object_get(reply.json, "picks"));
    return EXIT_OK;
}

/* What was tried becomes the campaign's own. */
static int save_selection(struct invocation *invocation)
{
    FREE_CLEAN char *path = client_path("campaigns", invocation->arguments[0], NULL);
    REPLY_CLEAN struct reply old = {0};
    REPLY_CLEAN struct reply taken = {0};
    int64_t sample = 0;
    int code = client_call(invocation, "GET", path, NULL, &old);
    if (code)
        return code;
    set_text(old.json, "filter", invocation->filter);
    if (invocation->filter && !*invocation->filter)
        json_object_set_new(old.json, "filter", json_null());
    if (invocation->sample && text_to_int64(invocation->sample, &sample) == 0)
        json_object_set_new(old.json, "sample", json_integer(sample));
    change_picks(invocation, old.json);
    code = client_call(invocation, "PUT", path, old.json, &taken);
    if (!code && !invocation->json) {
        print_problems(json_object_get(taken.json, "problems"));
        say(MESSAGE_CHANGED, message(MESSAGE_KIND_CAMPAIGN), invocation->arguments[0]);
    }
    return code;
}

static void print_left_out_rows(const json_t *answer)
{
    static const char *const columns[] = {"key", "reason", "message", NULL};
    json_t *rows = json_object_get(answer, "left_out_rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        json_object_set(row, "message", json_object_get(row, "detail"));
    }
    translate_members(rows, "reason", reason_text);
    translate_members(rows, "message", reason_text);
    print_objects(rows, columns);
}

/* Keys that were taken in or out and are not there. */
static void say_unknown(const json_t *keys)
{
    BUFFER_CLEAN struct buffer list = {0};
    for (size_t i = 0; i < json_array_size(keys) && i < UNKNOWN_SHOWN; i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        FREE_CLEAN char *clean = table_clean(key ? key : "", false);
        buffer_printf(&list, "%s%s", i ? ", " : "", clean);
    }
    if (json_array_size(keys) > UNKNOWN_SHOWN)
        buffer_text(&list, ", …");
    if (list.size)
        say(MESSAGE_NOT_IN_QUERY, buffer_string(&list));
}

int campaigns_recipients(struct invocation *invocation)
{
    int code;
    json_t *body = selection_of(invocation, &code);
    REPLY_CLEAN struct reply reply = {0};
    if (!code)
        code = add_picks(invocation, body);
    if (!code)
        code =
            post_to(invocation, "campaigns", invocation->arguments[0], "recipients", body, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
    } else {
        if (invocation->left_out)
            print_left_out_rows(reply.json);
        else
            print_rows(json_object_get(reply.json, "columns"), json_object_get(reply.json, "rows"));
        say(MESSAGE_RECIPIENTS,
            message_number(json_integer_value(json_object_get(reply.json, "recipients"))));
        print_left_out(json_object_get(reply.json, "left_out"));
        say_unknown(json_object_get(reply.json, "unknown"));
    }
    return invocation->save ? save_selection(invocation) : EXIT_OK;
}

/* ---- a query of its own ---- */

int campaigns_individual(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    json_t *body = json_object();
    set_text(body, "group", invocation->group);
    if (invocation->force)
        json_object_set_new(body, "force", json_true());
    int code =
        post_to(invocation, "campaigns", invocation->arguments[0], "individual", body, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    print_problems(json_object_get(reply.json, "problems"));
    say(MESSAGE_INDIVIDUAL, invocation->arguments[0]);
    return EXIT_OK;
}

static void print_difference(const json_t *lines)
{
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        FREE_CLEAN char *clean = table_clean(line ? line : "", false);
        enum colour colour = *clean == '+'   ? COLOUR_GREEN
                             : *clean == '-' ? COLOUR_RED
                             : *clean == '@' ? COLOUR_BOLD
                                             : COLOUR_NONE;
        printf("%s%s%s\n", table_colour(colour), clean,
               colour == COLOUR_NONE ? "" : table_colour_end());
    }
}

int campaigns_compare(struct invocation *invocation)
{
    FREE_CLEAN char *path = client_path("campaigns", invocation->arguments[0], "compare");
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", path, NULL, &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else if (json_is_true(json_object_get(reply.json, "same")))
        say(MESSAGE_COMPARE_SAME, invocation->arguments[0]);
    else
        print_difference(json_object_get(reply.json, "difference"));
    return EXIT_OK;
}
