/* The suppression list: who is not to be reached, on which channel, and since when. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define CSV_MAXIMUM ((size_t)256 * 1024 * 1024)
#define LIST_DEFAULT 100

int suppressions_list(struct invocation *invocation)
{
    static const char *const columns[] = {"id",     "kind", "value",      "channel", "scope",
                                          "reason", "note", "created_at", "origin",  NULL};
    int64_t limit = LIST_DEFAULT;
    int code = invocation->limit ? parse_number(invocation, invocation->limit, &limit) : EXIT_OK;
    if (code)
        return code;
    BUFFER_CLEAN struct buffer path = {0};
    FREE_CLEAN char *most = memory_format("%lld", (long long)limit);
    buffer_text(&path, "suppressions");
    add_parameter(&path, "value", invocation->value);
    add_parameter(&path, "limit", most);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "GET", path.data, NULL, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    print_objects(reply.json, columns);
    if ((int64_t)json_array_size(reply.json) >= limit)
        say(MESSAGE_TASKS_CUT, message_number(limit));
    return EXIT_OK;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, json_string(text));
}

int suppressions_add(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    json_t *body = json_pack("{s:s, s:s}", "kind", invocation->person ? "person" : "address",
                             "value", invocation->arguments[0]);
    set_text(body, "channel", invocation->channel);
    set_text(body, "scope", invocation->scope);
    set_text(body, "campaign", invocation->campaign);
    set_text(body, "reason", invocation->reason);
    set_text(body, "note", invocation->note);
    int code = client_call(invocation, "POST", "suppressions", body, &reply);
    json_decref(body);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    FREE_CLEAN char *id =
        memory_format("%lld", (long long)json_integer_value(json_object_get(reply.json, "id")));
    say(MESSAGE_SUPPRESSED, invocation->arguments[0], id);
    return EXIT_OK;
}

int suppressions_remove(struct invocation *invocation)
{
    int64_t id;
    int code = parse_number(invocation, invocation->arguments[0], &id);
    if (code)
        return code;
    FREE_CLEAN char *path = memory_format("suppressions/%lld", (long long)id);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "DELETE", path, NULL, &reply);
    if (!code && !invocation->json)
        say(MESSAGE_UNSUPPRESSED, invocation->arguments[0]);
    return code;
}

/* What was taken; and which lines were not, and why. */
static int say_counts(struct invocation *invocation, const struct reply *reply)
{
    static const char *const columns[] = {"line", "message", NULL};
    const json_t *problems = json_object_get(reply->json, "problems");
    int64_t refused = json_integer_value(json_object_get(reply->json, "refused"));
    if (invocation->json) {
        print_json(reply->json);
        return refused ? EXIT_WRONG : EXIT_OK;
    }
    if (json_array_size(problems))
        print_objects(problems, columns);
    say(MESSAGE_SUPPRESSIONS_TAKEN,
        message_number(json_integer_value(json_object_get(reply->json, "added"))),
        message_number(json_integer_value(json_object_get(reply->json, "changed"))));
    return refused ? fail(invocation, EXIT_WRONG, MESSAGE_LINES_REFUSED, message_number(refused))
                   : EXIT_OK;
}

int suppressions_import(struct invocation *invocation)
{
    struct error error;
    BUFFER_CLEAN struct buffer csv = {0};
    if (file_read(invocation->arguments[0], CSV_MAXIMUM, &csv, &error) != 0)
        return fail_error(invocation, EXIT_USAGE, &error);
    json_t *text = json_stringn(buffer_string(&csv), csv.size);
    if (!text)
        return fail(invocation, EXIT_USAGE, MESSAGE_NOT_UTF8, invocation->arguments[0]);
    json_t *body = json_pack("{s:o}", "csv", text);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "POST", "suppressions/import", body, &reply);
    json_decref(body);
    return code ? code : say_counts(invocation, &reply);
}

int suppressions_export(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", "suppressions/export", NULL, &reply);
    return code ? code : output_text(invocation, buffer_string(&reply.bytes), reply.bytes.size);
}

int suppressions_feed(struct invocation *invocation)
{
    json_t *body = json_pack("{s:s}", "query", invocation->arguments[0]);
    set_text(body, "group", invocation->group);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "POST", "suppressions/feed", body, &reply);
    json_decref(body);
    return code ? code : say_counts(invocation, &reply);
}
