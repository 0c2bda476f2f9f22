/* Sources: what there is to read, and CSV files as tables of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define CSV_MAXIMUM ((size_t)256 * 1024 * 1024)

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int sources_list(struct invocation *invocation)
{
    static const char *const columns[] = {"name", "label", "driver", "built_in", NULL};
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", "sources", NULL, &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        print_objects(reply.json, columns);
    return EXIT_OK;
}

/* ---- tables ---- */

static const char *label_of(const json_t *object)
{
    return text_of(object, text_equal(messages_language_name(), "de") ? "label_de" : "label_en");
}

/* "customers.customer_id" of the foreign key that a column alone makes; "" if it makes none. */
static char *points_at(const json_t *table, const char *column)
{
    const json_t *keys = json_object_get(table, "foreign_keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        const json_t *columns = json_object_get(key, "columns"), *to = json_object_get(key, "to");
        for (size_t at = 0; at < json_array_size(columns); at++) {
            const char *target = json_string_value(json_array_get(to, at));
            if (text_equal(json_string_value(json_array_get(columns, at)), column))
                return memory_format("%s.%s", text_of(key, "table"), target ? target : "?");
        }
    }
    return memory_text("");
}

static void print_columns_of(const json_t *source)
{
    static const char *const headings[] = {"name", "type", "key", "refers_to", "shown_as", NULL};
    const json_t *columns = json_object_get(source, "columns");
    struct table *table = table_new(headings);
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *column = json_array_get(columns, i);
        FREE_CLEAN char *target = points_at(source, text_of(column, "name"));
        bool key = json_integer_value(json_object_get(column, "key")) > 0;
        table_text(table, text_of(column, "name"));
        table_text(table, *text_of(column, "type") ? message_word("type", text_of(column, "type"))
                                                   : text_of(column, "native_type"));
        table_text(table, key ? message(MESSAGE_YES) : "");
        table_text(table, target);
        table_text(table, label_of(column));
    }
    table_print(table);
    table_free(table);
}

static void print_table_of(const json_t *table)
{
    FREE_CLEAN char *name = table_clean(text_of(table, "name"), false);
    FREE_CLEAN char *label = table_clean(label_of(table), false);
    printf("%s%s%s%s%s%s\n", table_colour(COLOUR_BOLD), name, table_colour_end(),
           *label ? " (" : "", label, *label ? ")" : "");
    print_columns_of(table);
}

/* Without the name of one: all, each with its columns' number. */
static void print_tables(const json_t *tables)
{
    static const char *const columns[] = {"table", "kind", "columns", "shown_as", NULL};
    struct table *table = table_new(columns);
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const json_t *one = json_array_get(tables, i);
        table_text(table, text_of(one, "name"));
        table_state(table, text_of(one, "kind"));
        json_t *count = json_integer((json_int_t)json_array_size(json_object_get(one, "columns")));
        table_json(table, count);
        json_decref(count);
        table_text(table, label_of(one));
    }
    table_print(table);
    table_free(table);
}

static int no_such_table(struct invocation *invocation, const json_t *tables, const char *wanted)
{
    size_t count = json_array_size(tables);
    const char **names = memory_array(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = text_of(json_array_get(tables, i), "name");
    const char *source = invocation->arguments[0];
    const char *nearest = suggest_nearest(wanted, names, count);
    free(names);
    return nearest ? fail(invocation, EXIT_NOT_FOUND, MESSAGE_NO_SUCH_TABLE_NEAR, source, wanted,
                          nearest)
                   : fail(invocation, EXIT_NOT_FOUND, MESSAGE_NO_SUCH_TABLE, source, wanted);
}

int sources_tables(struct invocation *invocation)
{
    FREE_CLEAN char *path = client_path("sources", invocation->arguments[0], "tables");
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "GET", path, NULL, &reply);
    const char *wanted = invocation->argument_count > 1 ? invocation->arguments[1] : NULL;
    if (code)
        return code;
    json_t *tables = json_is_array(reply.json) ? reply.json : json_object_get(reply.json, "tables");
    for (size_t i = 0; i < json_array_size(tables) && wanted; i++) {
        json_t *table = json_array_get(tables, i);
        if (!text_equal(text_of(table, "name"), wanted))
            continue;
        if (invocation->json)
            print_json(table);
        else
            print_table_of(table);
        return EXIT_OK;
    }
    if (wanted)
        return no_such_table(invocation, tables, wanted);
    if (invocation->json)
        print_json(tables);
    else
        print_tables(tables);
    return EXIT_OK;
}

int sources_test(struct invocation *invocation)
{
    REPLY_CLEAN struct reply reply = {0};
    const char *name = invocation->arguments[0];
    int code = post_to(invocation, "sources", name, "test", json_object(), &reply);
    if (code)
        return code;
    bool good = json_is_true(json_object_get(reply.json, "ok"));
    if (invocation->json) {
        print_json(reply.json);
        return good ? EXIT_OK : EXIT_WRONG;
    }
    if (good)
        say(MESSAGE_SOURCE_OK, name,
            message_number(json_integer_value(json_object_get(reply.json, "ms"))));
    else
        return fail_with(invocation, EXIT_WRONG,
                         memory_text(text_of(reply.json, text_equal(messages_language_name(), "de")
                                                             ? "message_de"
                                                             : "message")));
    return EXIT_OK;
}

/* ---- CSV files ---- */

/* "Kunden 2026.csv" → "Kunden_2026": letters, digits and _, a letter first. */
static char *table_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = memory_text(slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = '\0';
    for (char *c = name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *c))
            *c = '_';
    if (strchr("0123456789_", *name)) {
        char *named = memory_format("t_%s", name);
        free(name);
        name = named;
    }
    if (strlen(name) > 63)
        name[63] = '\0';
    return name;
}

static void print_import(const json_t *answer)
{
    static const char *const columns[] = {"name", "type", "example", NULL};
    const char *separator = text_of(answer, "separator");
    print_objects(json_object_get(answer, "columns"), columns);
    say(MESSAGE_IMPORTED, message_number(json_integer_value(json_object_get(answer, "rows"))),
        text_of(answer, "table"), text_of(answer, "encoding"),
        *separator == '\t' ? message(MESSAGE_TAB) : separator);
}

int sources_import(struct invocation *invocation)
{
    struct error error;
    BUFFER_CLEAN struct buffer csv = {0};
    const char *file = invocation->arguments[0];
    if (file_read(file, CSV_MAXIMUM, &csv, &error) != 0)
        return fail_error(invocation, EXIT_USAGE, &error);
    FREE_CLEAN char *table =
        invocation->table ? memory_text(invocation->table) : table_of_file(file);
    FREE_CLEAN char *base = client_path("imports", table, NULL);
    BUFFER_CLEAN struct buffer path = {0};
    buffer_text(&path, base);
    add_parameter(&path, "encoding", invocation->encoding);
    add_parameter(&path, "separator",
                  text_equal(invocation->separator, "\\t") ? "\t" : invocation->separator);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_send(invocation, "PUT", path.data, "text/csv", buffer_string(&csv), csv.size,
                           &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        print_import(reply.json);
    return EXIT_OK;
}

int sources_drop(struct invocation *invocation)
{
    const char *table = invocation->arguments[0];
    bool sure =
        invocation->yes || !table_on_terminal() ||
        confirm(message_with(MESSAGE_SURE_DELETE, message(MESSAGE_KIND_TABLE), table, (char *)NULL),
                false);
    if (!sure) {
        say(MESSAGE_NOT_DELETED);
        return EXIT_WRONG;
    }
    FREE_CLEAN char *path = client_path("imports", table, NULL);
    REPLY_CLEAN struct reply reply = {0};
    int code = client_call(invocation, "DELETE", path, NULL, &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        say(MESSAGE_DELETED, message(MESSAGE_KIND_TABLE), table);
    return EXIT_OK;
}
