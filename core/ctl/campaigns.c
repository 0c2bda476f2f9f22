/* Check, start and preview of campaigns; a query's rows. */
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

static int post(struct invocation *invocation, const char *collection, const char *verb,
                json_t *body, struct reply *reply)
{
    FREE_CLEAN char *path = client_path(collection, invocation->arguments[0], verb);
    int code = client_call(invocation, "POST", path, body, reply);
    json_decref(body);
    return code;
}

int campaigns_check(struct invocation *invocation)
{
    static const char *const columns[] = {"severity", "where", "message", NULL};
    REPLY_CLEAN struct reply reply = {0};
    int code = post(invocation, "campaigns", "check", json_object(), &reply);
    if (code)
        return code;
    bool good = json_is_true(json_object_get(reply.json, "ok"));
    code = good ? EXIT_OK : EXIT_WRONG;
    if (invocation->json) {
        print_json(reply.json);
        return code;
    }
    json_t *problems = json_object_get(reply.json, "problems");
    if (json_array_size(problems))
        print_objects(problems, columns);
    json_t *recipients = json_object_get(reply.json, "recipients");
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
    int code = post(invocation, "campaigns", "start",
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

/* ---- a query's rows ---- */

static void print_rows(const json_t *columns, const json_t *rows)
{
    size_t count = json_array_size(columns);
    const char **names = memory_array(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        names[i] = json_string_value(json_object_get(json_array_get(columns, i), "name"));
        if (!names[i])
            names[i] = "?";
    }
    struct table *table = table_new(names);
    table_headings_as_given(table);
    for (size_t row = 0; row < json_array_size(rows); row++)
        for (size_t i = 0; i < count && i < TABLE_COLUMNS_MAXIMUM; i++)
            table_json(table, json_array_get(json_array_get(rows, row), i));
    table_print(table);
    table_free(table);
    free(names);
}

int queries_run(struct invocation *invocation)
{
    int64_t limit = 20;
    int code = invocation->limit ? parse_number(invocation, invocation->limit, &limit) : EXIT_OK;
    if (code)
        return code;
    REPLY_CLEAN struct reply reply = {0};
    code =
        post(invocation, "queries", "run", json_pack("{s:I}", "limit", (json_int_t)limit), &reply);
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
