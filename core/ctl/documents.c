/* Queries, reports, campaigns, categories and patterns: list, show, new, edit, delete are the same
 * for all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/edit.h"
#include "ctl/table.h"

struct kind {
    const char *noun;
    const char *collection;
    enum message label;
    const char *columns[7];
    const char *skeleton; /* what `new` opens in the editor, in the order that reads best */
};

static const struct kind kinds[] = {
    {"campaign",
     "campaigns",
     MESSAGE_KIND_CAMPAIGN,
     {"id", "name", "purpose", "query", "distributor", "description", NULL},
     "{\"name\":\"\",\"description\":\"\",\"purpose\":\"information\",\"query\":null,"
     "\"distributor\":null,\"group\":null,\"steps\":[{\"name\":\"\",\"action\":\"\","
     "\"parameters\":{}}]}"},
    {"query",
     "queries",
     MESSAGE_KIND_QUERY,
     {"id", "name", "source", "description", NULL},
     "{\"name\":\"\",\"source\":\"\",\"description\":\"\",\"groups\":[{\"name\":\"\",\"sql\":"
     "\"SELECT \",\"key\":\"\",\"fields\":[]}]}"},
    {"report",
     "reports",
     MESSAGE_KIND_REPORT,
     {"id", "name", "kind", "title", "query", "description", NULL},
     "{\"name\":\"\",\"kind\":\"letter\",\"title\":\"\",\"description\":\"\",\"categories\":[],"
     "\"variants\":{\"de\":{\"subject\":null,\"html\":\"\",\"text\":null}},\"files\":[]}"},
    {"category",
     "categories",
     MESSAGE_KIND_CATEGORY,
     {"id", "name", "distributor", NULL},
     "{\"name\":\"\",\"distributor\":false}"},
    {"pattern",
     "patterns",
     MESSAGE_KIND_PATTERN,
     {"id", "name", "kind", "country", "language", NULL},
     "{\"name\":\"\",\"kind\":\"address\",\"country\":null,\"language\":null,\"template\":\"\"}"},
};

static const struct kind *kind_of(const struct invocation *invocation)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (text_equal(kinds[i].noun, invocation->command->noun))
            return &kinds[i];
    return NULL;
}

int documents_list(struct invocation *invocation)
{
    const struct kind *kind = kind_of(invocation);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", kind->collection, NULL, &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        print_objects(reply.json, kind->columns);
    return EXIT_OK;
}

static int get(struct invocation *invocation, const struct kind *kind, struct reply *reply)
{
    FREE_CLEAN char *path = client_path(kind->collection, invocation->arguments[0], NULL);
    return client_call(invocation, "GET", path, NULL, reply);
}

/* ---- show: an outline of whatever the document holds ---- */

static void show_value(const char *key, const json_t *value, int depth);

static void indent(int depth)
{
    printf("%*s", depth * 2, "");
}

static void show_lines(const char *text, int depth)
{
    FREE_CLEAN char *clean = table_clean(text, true);
    for (char *line = clean, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        if (!*line && !end)
            break;
        indent(depth);
        puts(line);
    }
}

static void show_text(const char *key, const json_t *value, int depth)
{
    const char *text = json_string_value(value);
    if (text && (strchr(text, '\n') || table_width(text) > 70)) {
        putchar('\n');
        show_lines(text, depth + 1);
        return;
    }
    FREE_CLEAN char *plain = table_value(key, value);
    printf(" %s\n", text_equal(key, "type") || text_equal(key, "unit") ? message_word(key, plain)
                    : text_equal(key, "purpose") || text_equal(key, "after_outcome") ||
                            text_equal(key, "state")
                        ? message_label(plain)
                        : plain);
}

static void show_content(const json_t *value)
{
    size_t bytes = strlen(json_string_value(value)) / 4 * 3;
    FREE_CLEAN char *text =
        message_with(MESSAGE_BYTES, message_number((int64_t)bytes), (char *)NULL);
    printf(" %s\n", text);
}

static void show_object(const json_t *object, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        show_value(key, value, depth);
    }
}

static void show_array(const json_t *array, int depth)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (i) {
            indent(depth);
            puts("—");
        }
        if (json_is_object(item))
            show_object(item, depth);
    }
}

static bool is_empty(const json_t *value)
{
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) {
        if (!is_empty(member))
            return false;
    }
    return json_is_null(value) || json_is_object(value) ||
           (json_is_string(value) && !json_string_length(value)) ||
           (json_is_array(value) && !json_array_size(value));
}

static void show_value(const char *key, const json_t *value, int depth)
{
    if (is_empty(value) || (depth == 0 && text_equal(key, "version")))
        return;
    indent(depth);
    FREE_CLEAN char *label = table_clean(message_label(key), false);
    printf("%s%s:%s", table_colour(COLOUR_BOLD), label, table_colour_end());
    if (json_is_object(value)) {
        putchar('\n');
        show_object(value, depth + 1);
    } else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
        putchar('\n');
        show_array(value, depth + 1);
    } else if (text_equal(key, "content_base64") && json_is_string(value)) {
        show_content(value);
    } else {
        show_text(key, value, depth);
    }
}

int documents_show(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    int code = get(invocation, kind_of(invocation), &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        show_object(reply.json, 0);
    return EXIT_OK;
}

/* ---- new and edit ---- */

struct target {
    const char *method;
    char *path;
    json_t *taken; /* the document as the daemon answered it */
};

static void target_free(struct target *target)
{
    free(target->path);
    json_decref(target->taken);
}

#define TARGET_CLEAN __attribute__((cleanup(target_free)))

static int submit(struct invocation *invocation, json_t *document, void *context)
{
    struct target *target = context;
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, target->method, target->path, document, &reply);
    if (!code)
        target->taken = json_incref(reply.json);
    return code;
}

/* `document` is the base; --file replaces it, --set changes it; else a person does. */
static int change(struct invocation *invocation, json_t *document, struct target *target)
{
    bool changed = true;
    int code = EXIT_OK;
    json_t *from_file = NULL;
    if (invocation->file)
        code = edit_read_file(invocation, &from_file);
    if (from_file && invocation->argument_count && text_equal(target->method, "POST"))
        json_object_set_new(from_file, "name", json_string(invocation->arguments[0]));
    json_t *base = from_file ? from_file : document;
    if (!code && invocation->sets.count)
        code = edit_apply_sets(invocation, base);
    if (!code && (invocation->file || invocation->sets.count))
        code = submit(invocation, base, target);
    else if (!code)
        code = edit_interactively(invocation, base, submit, target, &changed);
    json_decref(from_file);
    if (!code && !changed)
        say(MESSAGE_UNCHANGED);
    return code;
}

static void say_taken(const struct invocation *invocation, const struct target *target,
                      const struct kind *kind)
{
    if (!target->taken)
        return;
    if (invocation->json) {
        print_json(target->taken);
        return;
    }
    print_problems(json_object_get(target->taken, "problems"));
    const char *name = json_string_value(json_object_get(target->taken, "name"));
    FREE_CLEAN char *id =
        memory_format("%lld", (long long)json_integer_value(json_object_get(target->taken, "id")));
    if (text_equal(target->method, "POST"))
        say(MESSAGE_MADE, message(kind->label), name ? name : "", id);
    else
        say(MESSAGE_CHANGED, message(kind->label), name ? name : "");
}

int documents_new_from(struct invocation *invocation, json_t *document)
{
    const struct kind *kind = kind_of(invocation);
    TARGET_CLEAN struct target target = {.method = "POST", .path = memory_text(kind->collection)};
    if (invocation->argument_count)
        json_object_set_new(document, "name", json_string(invocation->arguments[0]));
    int code = edit_apply_sets(invocation, document);
    if (!code)
        code = submit(invocation, document, &target);
    say_taken(invocation, &target, kind);
    return code;
}

int documents_new(struct invocation *invocation)
{
    const struct kind *kind = kind_of(invocation);
    TARGET_CLEAN struct target target = {.method = "POST", .path = memory_text(kind->collection)};
    bool by_hand = !invocation->sets.count && !invocation->file;
    json_t *document = by_hand ? json_loads(kind->skeleton, 0, NULL) : json_object();
    if (invocation->argument_count)
        json_object_set_new(document, "name", json_string(invocation->arguments[0]));
    int code = change(invocation, document, &target);
    json_decref(document);
    say_taken(invocation, &target, kind);
    return code;
}

int documents_edit(struct invocation *invocation)
{
    const struct kind *kind = kind_of(invocation);
    TARGET_CLEAN struct target target = {
        .method = "PUT", .path = client_path(kind->collection, invocation->arguments[0], NULL)};
    REPLY_CLEAN struct reply reply = {0};
    int code = get(invocation, kind, &reply);
    if (!code)
        code = change(invocation, reply.json, &target);
    say_taken(invocation, &target, kind);
    return code;
}

int documents_delete(struct invocation *invocation)
{
    const struct kind *kind = kind_of(invocation);
    const char *name = invocation->arguments[0];
    bool sure =
        invocation->yes || !table_on_terminal() ||
        confirm(message_with(MESSAGE_SURE_DELETE, message(kind->label), name, (char *)NULL), false);
    if (!sure) {
        say(MESSAGE_NOT_DELETED);
        return EXIT_WRONG;
    }
    REPLY_CLEAN struct reply reply = {0};
    FREE_CLEAN char *path = client_path(kind->collection, name, NULL);
    int code = client_call(invocation, "DELETE", path, NULL, &reply);
    if (code)
        return code;
    if (!invocation->json)
        say(MESSAGE_DELETED, message(kind->label), name);
    else if (reply.json)
        print_json(reply.json);
    return EXIT_OK;
}
