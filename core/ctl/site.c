/* The daemon itself: status, plugins, problems, reload. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

/* EXIT_OK with an answer that is still to be shown, or with *done set as --json has shown it. */
static int ask(struct invocation *invocation, const char *method, const char *path,
               struct reply *reply, bool *done)
{
    int code = client_call(invocation, method, path, NULL, reply);
    *done = code || invocation->json;
    if (!code && invocation->json)
        print_json(reply->json);
    return code;
}

int site_status(struct invocation *invocation)
{
    static const char *const columns[] = {"name",    "label",  "plugin", "state",
                                          "workers", "reason", NULL};
    REPLY_CLEAN struct reply reply = {0};
    bool done;
    int code = ask(invocation, "GET", "status", &reply, &done);
    if (done)
        return code;
    print_members(reply.json, NULL);
    printf("\n%s%s%s\n", table_colour(COLOUR_BOLD), message(MESSAGE_ACTIONS), table_colour_end());
    print_objects(json_object_get(reply.json, "actions"), columns);
    return EXIT_OK;
}

int site_plugins(struct invocation *invocation)
{
    static const char *const columns[] = {"action", "label", "plugin", "version", "does", NULL};
    REPLY_CLEAN struct reply reply = {0};
    bool done;
    int code = ask(invocation, "GET", "plugins", &reply, &done);
    if (done)
        return code;
    for (size_t i = 0; i < json_array_size(reply.json); i++) { /* two things are called a label */
        json_t *plugin = json_array_get(reply.json, i);
        FREE_CLEAN char *own = memory_format("label_%s", messages_language_name());
        json_object_set(plugin, "does", json_object_get(plugin, own));
        json_object_del(plugin, "label_en");
        json_object_del(plugin, "label_de");
    }
    print_objects(reply.json, columns);
    return EXIT_OK;
}

int site_problems(struct invocation *invocation)
{
    static const char *const columns[] = {"severity", "table", "row", "found_at", "message", NULL};
    REPLY_CLEAN struct reply reply = {0};
    bool done;
    int code = ask(invocation, "GET", "problems", &reply, &done);
    if (done)
        return code;
    if (json_array_size(reply.json))
        print_objects(reply.json, columns);
    else
        say(MESSAGE_NO_PROBLEMS);
    return EXIT_OK;
}

int site_reload(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    bool done;
    int code = ask(invocation, "POST", "reload", &reply, &done);
    if (done)
        return code;
    say(MESSAGE_RELOADED,
        message_number(json_integer_value(json_object_get(reply.json, "generation"))));
    json_t *changed = json_object_get(reply.json, "changed");
    if (json_array_size(changed)) {
        FREE_CLEAN char *list = table_value("changed", changed);
        say(MESSAGE_RELOADED_CHANGED, list);
    }
    return EXIT_OK;
}
