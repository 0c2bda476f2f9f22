/* The document archive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

int archive_list(struct invocation *invocation)
{
    static const char *const columns[] = {"document", "recipient", "step",    "name",
                                          "length",   "time",      "outcome", NULL};
    int64_t checked;
    int code = EXIT_OK;
    if (invocation->run)
        code = parse_number(invocation, invocation->run, &checked);
    if (!code && invocation->limit)
        code = parse_number(invocation, invocation->limit, &checked);
    if (code)
        return code;
    BUFFER_CLEAN struct buffer path = {0};
    buffer_text(&path, "archive");
    add_parameter(&path, "run", invocation->run);
    add_parameter(&path, "recipient", invocation->recipient);
    add_parameter(&path, "limit", invocation->limit);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "GET", path.data, NULL, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    for (size_t i = 0; i < json_array_size(reply.json); i++) { /* as `archive get` wants it */
        json_t *row = json_array_get(reply.json, i);
        FREE_CLEAN char *name =
            memory_format("%lld/%lld", (long long)json_integer_value(json_object_get(row, "run")),
                          (long long)json_integer_value(json_object_get(row, "document")));
        json_object_set_new(row, "document", json_string(name));
    }
    print_objects(reply.json, columns);
    return EXIT_OK;
}

int archive_get(struct invocation *invocation)
{
    long long run, document;
    char rest;
    const char *name = invocation->arguments[0];
    if (sscanf(name, "%lld/%lld%c", &run, &document, &rest) != 2 || run < 1 || document < 0)
        return fail(invocation, EXIT_USAGE, MESSAGE_BAD_DOCUMENT_NAME, name);
    FREE_CLEAN char *path = memory_format("archive/%lld/%lld", run, document);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", path, NULL, &reply);
    if (code)
        return code;
    FREE_CLEAN char *plain = memory_format("%lld-%lld", run, document);
    return save_bytes(invocation, invocation->output, *reply.file_name ? reply.file_name : plain,
                      buffer_string(&reply.bytes), reply.bytes.size);
}

static void print_verdict(const json_t *verdict, bool good)
{
    static const char *const columns[] = {"run", "segment", "number", "message", NULL};
    json_t *faults = json_object_get(verdict, "faults");
    const char *documents =
        message_number(json_integer_value(json_object_get(verdict, "documents")));
    int64_t uncommitted = json_integer_value(json_object_get(verdict, "uncommitted"));
    if (json_array_size(faults))
        print_objects(faults, columns);
    if (good)
        say(MESSAGE_VERIFY_OK, documents);
    else
        say(MESSAGE_VERIFY_BAD, message_number((int64_t)json_array_size(faults)), documents);
    if (uncommitted)
        say(MESSAGE_VERIFY_UNCOMMITTED, message_number(uncommitted));
}

int archive_verify(struct invocation *invocation)
{
    int64_t run = 0;
    int code = EXIT_OK;
    if (invocation->argument_count)
        code = parse_number(invocation, invocation->arguments[0], &run);
    if (code)
        return code;
    json_t *body = run ? json_pack("{s:I}", "run", (json_int_t)run) : json_object();
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "POST", "archive/verify", body, &reply);
    json_decref(body);
    if (code)
        return code;
    bool good = json_is_true(json_object_get(reply.json, "ok"));
    if (invocation->json)
        print_json(reply.json);
    else
        print_verdict(reply.json, good);
    return good ? EXIT_OK : EXIT_WRONG;
}
