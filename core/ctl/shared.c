#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/saving.h"
#include "ctl/table.h"

int fail_with(struct invocation *invocation, int code, char *text)
{
    free(invocation->failure);
    invocation->failure = text;
    return code;
}

int fail_error(struct invocation *invocation, int code, const struct error *error)
{
    bool german = messages_language() == LANGUAGE_GERMAN && *error->german;
    return fail_with(invocation, code, memory_text(german ? error->german : error->message));
}

void say_text(char *text)
{
    FREE_CLEAN char *clean = table_clean(text, true);
    puts(clean);
    free(text);
}

bool confirm(char *question, bool preset)
{
    if (!isatty(STDIN_FILENO)) {
        free(question);
        return false;
    }
    FREE_CLEAN char *clean = table_clean(question, false);
    free(question);
    fputs(clean, stderr);
    fflush(stderr);
    char answer[64];
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    if (*answer == '\n')
        return preset;
    return strchr("yYjJ", *answer) != NULL;
}

void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

int post_to(struct invocation *invocation, const char *collection, const char *name,
            const char *verb, json_t *body, struct reply *reply)
{
    FREE_CLEAN char *path = client_path(collection, name, verb);
    int code = client_call(invocation, "POST", path, body, reply);
    json_decref(body);
    return code;
}

/* 1 and 0 of yes and no are told apart from numbers by the column's type. */
static const json_t *as_its_column(const json_t *column, const json_t *value)
{
    bool boolean = text_equal(json_string_value(json_object_get(column, "type")), "boolean");
    return boolean && json_is_integer(value) ? json_boolean(json_integer_value(value)) : value;
}

void print_rows(const json_t *columns, const json_t *rows)
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
            table_json(table, as_its_column(json_array_get(columns, i),
                                            json_array_get(json_array_get(rows, row), i)));
    table_print(table);
    table_free(table);
    free(names);
}

void print_left_out(const json_t *left_out)
{
    const char *reason;
    json_t *count;
    BUFFER_CLEAN struct buffer list = {0};
    json_object_foreach((json_t *)left_out, reason, count) {
        if (json_integer_value(count) > 0)
            buffer_printf(&list, "%s%s %s", list.size ? ", " : "",
                          message_number(json_integer_value(count)), message_label(reason));
    }
    if (list.size)
        say(MESSAGE_LEFT_OUT, list.data);
}

static bool is_among(const char *key, const char *const *keys)
{
    for (; keys && *keys; keys++)
        if (text_equal(key, *keys))
            return true;
    return false;
}

/* Is there something to show in one line? */
static bool is_plain(const json_t *value)
{
    if (json_is_null(value) || json_is_object(value))
        return false;
    if (json_is_string(value))
        return json_string_length(value) > 0;
    if (!json_is_array(value))
        return true;
    return json_array_size(value) && !json_is_object(json_array_get(value, 0));
}

void print_members(const json_t *object, const char *const *left_out)
{
    const char *key;
    json_t *value;
    size_t width = 0;
    json_object_foreach((json_t *)object, key, value) {
        size_t own = table_width(message_label(key));
        if (is_plain(value) && !is_among(key, left_out) && own > width)
            width = own;
    }
    json_object_foreach((json_t *)object, key, value) {
        if (!is_plain(value) || is_among(key, left_out))
            continue;
        const char *label = message_label(key);
        const char *state = text_equal(key, "state") || text_equal(key, "purpose")
                                ? json_string_value(value)
                                : NULL;
        FREE_CLEAN char *text = state ? memory_text(message_label(state)) : table_value(key, value);
        printf("%s%s%s%*s  %s%s%s\n", table_colour(COLOUR_BOLD), label, table_colour_end(),
               (int)(width - table_width(label)), "",
               state ? table_colour(table_colour_of_state(state)) : "", text,
               state ? table_colour_end() : "");
    }
}

void print_objects(const json_t *array, const char *const *keys)
{
    struct table *table = table_new(keys);
    for (size_t i = 0; i < json_array_size(array); i++)
        table_object(table, json_array_get(array, i));
    table_print(table);
    table_free(table);
}

void print_problems(json_t *problems)
{
    static const char *const columns[] = {"severity", "where", "message", NULL};
    translate_members(problems, "where", where_text);
    if (json_array_size(problems))
        print_objects(problems, columns);
}

void print_groups(json_t *groups)
{
    static const char *const columns[] = {"group", "count", NULL};
    for (size_t i = 0; i < json_array_size(groups); i++) {
        json_t *group = json_array_get(groups, i);
        json_object_set(group, "group", json_object_get(group, "name"));
    }
    print_objects(groups, columns);
}

void add_parameter(struct buffer *path, const char *name, const char *value)
{
    if (!value)
        return;
    buffer_printf(path, "%c%s=", strchr(buffer_string(path), '?') ? '&' : '?', name);
    client_encode(path, value);
}

int parse_number(struct invocation *invocation, const char *text, int64_t *number)
{
    if (text_to_int64(text, number) == 0 && *number > 0)
        return EXIT_OK;
    return fail(invocation, EXIT_USAGE, MESSAGE_BAD_NUMBER, text);
}

void command_safe_file_name(char *name)
{
    for (unsigned char *c = (unsigned char *)name; *c; c++)
        if (*c == '/' || *c < 0x20 || *c == 0x7f)
            *c = '_';
    if (*name == '.' || *name == '-')
        *name = '_';
}

int save_bytes(struct invocation *invocation, const char *path, const char *name, const void *data,
               size_t size)
{
    SAVING_CLEAN struct saving saving;
    int code = saving_begin(&saving, invocation, path, name);
    if (!code)
        code = saving_write(&saving, data, size);
    return code ? code : saving_end(&saving);
}

int output_text(struct invocation *invocation, const void *data, size_t size)
{
    return save_bytes(invocation, invocation->output ? invocation->output : "-", "", data, size);
}
