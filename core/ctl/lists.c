/*
 * Lists of queries and campaigns, of any length: what comes is passed on, into a file or to standard
 * output. A table and a terminal take it line by line, for what steers a terminal is taken out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/saving.h"
#include "ctl/table.h"

#define PART_ROWS 1000               /* of a table that are laid out together … */
#define PART_BYTES ((size_t)1 << 20) /* … or as many as this, if they are long */

struct list {
    struct invocation *invocation;
    const char *output; /* where it is saved; "-": standard output */
    struct saving saving;
    bool begun;
    /* Of a table, and on a terminal: */
    void (*show)(struct list *list, const char *line, size_t length);
    struct buffer line; /* not whole yet */
    struct table *table;
    const char **names; /* of its columns */
    int64_t rows;
    size_t held; /* bytes of the rows that are not printed yet */
};

static json_t *body_of(struct invocation *invocation, const char *format, int *code)
{
    const char *separator = invocation->separator;
    json_t *body = queries_body(invocation, code);
    if (*code)
        return NULL;
    json_object_set_new(body, "format", json_string(format));
    if (separator)
        json_object_set_new(body, "separator",
                            json_string(text_equal(separator, "\\t") ? "\t" : separator));
    if (invocation->formula_guard)
        json_object_set_new(body, "formula_guard", json_true());
    if (invocation->byte_order_mark)
        json_object_set_new(body, "byte_order_mark", json_true());
    return body;
}

/* ---- as it comes ---- */

static int save(void *context, const struct reply *reply, const char *data, size_t size)
{
    struct list *list = context;
    int code = list->begun
                   ? EXIT_OK
                   : saving_begin(&list->saving, list->invocation, list->output, reply->file_name);
    list->begun = true;
    return code || !size ? code : saving_write(&list->saving, data, size);
}

/* ---- line by line ---- */

static int take_lines(void *context, const struct reply *reply, const char *data, size_t size)
{
    struct list *list = context;
    (void)reply;
    while (size) {
        const char *end = memchr(data, '\n', size);
        size_t part = end ? (size_t)(end - data) + 1 : size;
        buffer_append(&list->line, data, part);
        if (end) {
            list->show(list, list->line.data, list->line.size);
            buffer_clear(&list->line);
        }
        data += part;
        size -= part;
    }
    return EXIT_OK;
}

static void show_clean(struct list *list, const char *line, size_t length)
{
    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    FREE_CLEAN char *whole = memory_text_n(line, length);
    FREE_CLEAN char *clean = table_clean(whole, true);
    puts(clean);
    (void)list;
}

static void begin_table(struct list *list, const json_t *row)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    list->names = memory_array(json_object_size(row) + 1, sizeof *list->names);
    json_object_foreach((json_t *)row, name, value)
        list->names[count++] = memory_text(name);
    list->table = table_new(list->names);
    table_headings_as_given(list->table);
}

static void show_row(struct list *list, const char *line, size_t length)
{
    json_t *row = json_loadb(line, length, 0, NULL), *value;
    const char *name;
    size_t column = 0;
    if (!list->table)
        begin_table(list, row);
    json_object_foreach(row, name, value)
        if (column++ < TABLE_COLUMNS_MAXIMUM)
            table_json(list->table, value);
    json_decref(row);
    list->held += length;
    if (++list->rows % PART_ROWS == 0 || list->held > PART_BYTES) {
        table_print_part(list->table);
        list->held = 0;
    }
}

static void end_table(struct list *list)
{
    if (list->table)
        table_print(list->table);
    else
        puts(message(MESSAGE_NOTHING));
    say(MESSAGE_ROWS_COUNT, message_number(list->rows));
}

/* ---- the whole ---- */

static void free_list(struct list *list)
{
    if (list->begun)
        saving_abandon(&list->saving);
    if (list->table)
        table_free(list->table);
    for (size_t i = 0; list->names && list->names[i]; i++)
        free((char *)list->names[i]);
    free(list->names);
    buffer_free(&list->line);
}

/* Where it goes decides how it is taken; an empty list makes an empty file. */
static int fetch(struct list *list, const char *path, const json_t *body)
{
    REPLY_CLEAN struct reply reply = {0};
    int code =
        client_stream(list->invocation, path, body, list->show ? take_lines : save, list, &reply);
    if (code || list->show)
        return code;
    code = save(list, &reply, "", 0);
    return code ? code : saving_end(&list->saving);
}

int lists_export(struct invocation *invocation)
{
    bool of_query = text_equal(invocation->command->noun, "query");
    bool table = text_equal(invocation->format, "table");
    if (invocation->format && !table && !text_equal(invocation->format, "csv") &&
        !text_equal(invocation->format, "jsonl"))
        return fail(invocation, EXIT_USAGE, MESSAGE_BAD_FORMAT, invocation->format);
    const char *format = table ? "jsonl" : invocation->format ? invocation->format : "csv";
    bool to_stdout = !invocation->output || text_equal(invocation->output, "-");
    int code;
    if (table && !to_stdout)
        return fail(invocation, EXIT_USAGE, MESSAGE_TABLE_TO_FILE);
    json_t *body = body_of(invocation, format, &code);
    if (code)
        return code;
    if (table)
        json_object_set_new(body, "decimals", json_string("text"));
    struct list list = {.invocation = invocation,
                        .output = to_stdout ? "-" : invocation->output,
                        .show = table                              ? show_row
                                : to_stdout && table_on_terminal() ? show_clean
                                                                   : NULL};
    FREE_CLEAN char *path =
        client_path(of_query ? "queries" : "campaigns", invocation->arguments[0], "list");
    code = fetch(&list, path, body);
    if (!code && table)
        end_table(&list);
    free_list(&list);
    json_decref(body);
    return code;
}
