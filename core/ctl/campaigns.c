/* Check, start and preview of campaigns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

int campaigns_check(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    int code =
        post_to(invocation, "campaigns", invocation->arguments[0], "check", json_object(), &reply);
    if (code)
        return code;
    bool good = json_is_true(json_object_get(reply.json, "ok"));
    code = good ? EXIT_OK : EXIT_WRONG;
    if (invocation->json) {
        print_json(reply.json);
        return code;
    }
    print_problems(json_object_get(reply.json, "problems"));
    json_t *recipients = json_object_get(reply.json, "recipients");
    json_t *groups = json_object_get(reply.json, "groups");
    if (json_array_size(groups) > 1)
        print_groups(groups);
    print_left_out(json_object_get(reply.json, "left_out"));
    if (!good)
        say(MESSAGE_CHECK_BAD);
    else if (json_is_integer(recipients))
        say(MESSAGE_CHECK_OK, message_number(json_integer_value(recipients)));
    else
        say(MESSAGE_CHECK_OK_UNCOUNTED);
    return code;
}

int campaigns_start(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    int code = post_to(invocation, "campaigns", invocation->arguments[0], "start",
                       json_pack("{s:b}", "force", (int)invocation->force), &reply);
    if (code)
        return code;
    int64_t number = json_integer_value(json_object_get(reply.json, "run"));
    if (invocation->watch)
        return runs_watch_number(invocation, number);
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    FREE_CLEAN char *text = memory_format("%lld", (long long)number);
    say(MESSAGE_STARTED, text);
    return EXIT_OK;
}

/* ---- preview ---- */

struct part {
    const char *step, *name, *mime_type;
    struct buffer content;
};

static void read_part(const json_t *json, struct part *part)
{
    const char *content = "";
    part->step = part->name = part->mime_type = "";
    json_unpack((json_t *)json, "{s?s,s?s,s?s,s?s}", "step", &part->step, "name", &part->name,
                "mime_type", &part->mime_type, "content_base64", &content);
    text_unbase64(&part->content, content, strlen(content));
}

static void print_part(const struct part *part)
{
    FREE_CLEAN char *name = table_clean(part->name, false);
    say(MESSAGE_PREVIEW_PART, part->step, name, part->mime_type,
        message_number((int64_t)part->content.size));
    bool text = text_starts(part->mime_type, "text/") || text_starts(part->mime_type, "message/");
    if (!text) {
        puts(message(MESSAGE_PREVIEW_BINARY));
        return;
    }
    FREE_CLEAN char *clean = table_clean(buffer_string(&part->content), true);
    puts(table_on_terminal() ? clean : buffer_string(&part->content));
}

static int save_part(struct invocation *invocation, const struct part *part)
{
    FREE_CLEAN char *name = memory_format("%s%s%s", part->step, *part->step ? "-" : "", part->name);
    command_safe_file_name(name);
    return save_bytes(invocation, invocation->output, name, buffer_string(&part->content),
                      part->content.size);
}

/* "FOLDER/" is made where it is missing. */
static bool names_folder(const char *path)
{
    size_t length = strlen(path);
    if (length > 1 && path[length - 1] == '/')
        mkdir(path, 0777);
    BUFFER_CLEAN struct buffer probe = {0};
    buffer_printf(&probe, "%s/.", path);
    return access(probe.data, F_OK) == 0;
}

static int output_parts(struct invocation *invocation, const json_t *parts)
{
    size_t count = json_array_size(parts);
    if (!count)
        say(MESSAGE_PREVIEW_EMPTY);
    bool folder = count && invocation->output && names_folder(invocation->output);
    if (invocation->output && count > 1 && !folder)
        return fail(invocation, EXIT_USAGE, MESSAGE_PREVIEW_SEVERAL,
                    message_number((int64_t)count));
    int code = EXIT_OK;
    for (size_t i = 0; i < count && !code; i++) {
        struct part part = {0};
        read_part(json_array_get(parts, i), &part);
        if (invocation->output)
            code = save_part(invocation, &part);
        else
            print_part(&part);
        buffer_free(&part.content);
    }
    return code;
}

int campaigns_preview(struct invocation *invocation)
{
    FREE_CLEAN char *base = client_path("campaigns", invocation->arguments[0], "preview");
    BUFFER_CLEAN struct buffer path = {0};
    buffer_printf(&path, "%s?recipient=", base);
    client_encode(&path, invocation->arguments[1]);
    if (invocation->step) {
        buffer_text(&path, "&step=");
        client_encode(&path, invocation->step);
    }
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", path.data, NULL, &reply);
    if (code)
        return code;
    if (invocation->json && !invocation->output) {
        print_json(reply.json);
        return EXIT_OK;
    }
    return output_parts(invocation, json_object_get(reply.json, "parts"));
}
