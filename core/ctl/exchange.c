/* All definitions as one file, and all that is held on one person. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/edit.h"
#include "ctl/table.h"

/* One line a value, so that two of them can be compared line by line. */
static int output_json(struct invocation *invocation, const json_t *json)
{
    FREE_CLEAN char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    BUFFER_CLEAN struct buffer file = {0};
    buffer_text(&file, text ? text : "null");
    buffer_char(&file, '\n');
    return output_text(invocation, file.data, file.size);
}

int definitions_export(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", "definitions", NULL, &reply);
    return code ? code : output_json(invocation, reply.json);
}

static void print_changes(const json_t *answer, bool only_tried)
{
    static const char *const columns[] = {"change", "kind", "name", NULL};
    static const char *const changes[] = {"created", "changed"};
    json_t *all = json_array();
    for (size_t i = 0; i < 2; i++) {
        const json_t *list = json_object_get(answer, changes[i]);
        for (size_t at = 0; at < json_array_size(list); at++) {
            json_t *one = json_array_get(list, at);
            const char *kind = json_string_value(json_object_get(one, "kind"));
            json_object_set_new(one, "change", json_string(message_label(changes[i])));
            json_object_set_new(one, "kind", json_string(message_label(kind ? kind : "")));
            json_array_append(all, one);
        }
    }
    if (json_array_size(all))
        print_objects(all, columns);
    print_problems(json_object_get(answer, "problems"));
    say(only_tried ? MESSAGE_DEFINITIONS_TRIED : MESSAGE_DEFINITIONS_TAKEN,
        message_number((int64_t)json_array_size(all)),
        message_number(json_integer_value(json_object_get(answer, "unchanged"))));
    json_decref(all);
}

int definitions_import(struct invocation *invocation)
{
    json_t *document = NULL;
    invocation->file = invocation->arguments[0];
    int code = edit_read_file(invocation, &document);
    if (code)
        return code;
    json_t *body = json_pack("{s:o, s:b}", "document", document, "dry_run", invocation->dry_run);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "POST", "definitions", body, &reply);
    json_decref(body);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        print_changes(reply.json, invocation->dry_run);
    return EXIT_OK;
}

int persons_export(struct invocation *invocation)
{
    FREE_CLEAN char *path = client_path("persons", invocation->arguments[0], NULL);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", path, NULL, &reply);
    return code ? code : output_json(invocation, reply.json);
}
