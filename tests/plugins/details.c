/* A repeatable action that walks what hangs on its recipient, details and members, through the ABI
 * alone: each task's document says what was found, or, with `count`, the outcome says how many cells
 * were read and how many bytes of memory that took at most. */
#include <campaignd/action.h>

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct campaignd_host *host;
static int64_t counting;

static const struct campaignd_parameter count = {.size = sizeof count,
                                                 .name = "count",
                                                 .type = CAMPAIGND_PARAMETER_BOOLEAN,
                                                 .default_value = "no"};
static const struct campaignd_parameter *const parameters[] = {&count, NULL};

static int32_t load(const struct campaignd_host *offered, const struct campaignd_parameters *table,
                    void **plugin, struct campaignd_failure *why)
{
    (void)table, (void)plugin;
    host = offered;
    if (CAMPAIGND_HOST_HAS(host, detail) && CAMPAIGND_HOST_HAS(host, member))
        return 0;
    snprintf(why->message, sizeof why->message, "the host is too old");
    return -1;
}

static int32_t open_job(void *plugin, const struct campaignd_run *run,
                        const struct campaignd_parameters *table, void **job,
                        struct campaignd_failure *why)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    (void)plugin, (void)run, (void)job, (void)why;
    host->parameter(table, "count", &value);
    counting = value.integer;
    return 0;
}

/* ---- saying what is there ---- */

struct text {
    char bytes[4000];
    size_t length;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof text->bytes - text->length;
    int length = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    text->length += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

static void say_cell(struct text *text, int32_t result, const struct campaignd_value *value)
{
    if (result != 0)
        say(text, " none");
    else if (value->type == CAMPAIGND_NULL)
        say(text, " NULL");
    else
        say(text, " %s", value->text);
}

static void say_group(struct text *text, campaignd_task task, uint32_t group)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    int64_t rows = host->detail_rows(task, group);
    say(text, "%s %lld:", host->detail_name(task, group), (long long)rows);
    for (uint32_t column = 0; column < host->detail_columns(task, group); column++)
        say(text, " %s", host->detail_column_name(task, group, column));
    for (int64_t row = 0; row < rows; row++) {
        say(text, ";");
        for (uint32_t column = 0; column < host->detail_columns(task, group); column++)
            say_cell(text, host->detail(task, group, row, column, &value), &value);
    }
    say(text, "\n");
}

/* Backwards, beyond the ends, and what does not exist. */
static void say_strange(struct text *text, campaignd_task task)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    uint32_t groups = host->detail_groups(task);
    say(text, "strange:");
    for (int64_t row = 1; row >= -1; row--)
        say_cell(text, host->detail(task, 0, row, 0, &value), &value);
    say_cell(text, host->detail(task, 0, 1000, 0, &value), &value);
    say_cell(text, host->detail(task, 0, 0, 1000, &value), &value);
    say_cell(text, host->detail(task, groups, 0, 0, &value), &value);
    say_cell(text, host->detail(task, 0, 0, 0, &value), &value);
    say_cell(text, host->member(task, 1000, 0, &value), &value);
    say_cell(text, host->member(task, 0, 1000, &value), &value);
    say(text, " %lld %d %d", (long long)host->detail_rows(task, groups),
        host->detail_name(task, groups) != NULL, host->detail_column_name(task, 0, 1000) != NULL);
    say_cell(text, host->detail(0, 0, 0, 0, &value), &value);
    say(text, " %u %u\n", host->members(0), host->detail_groups(0));
}

static void say_all(struct text *text, campaignd_task task)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    for (uint32_t group = 0; group < host->detail_groups(task); group++)
        say_group(text, task, group);
    say(text, "members:");
    for (uint32_t i = 0; i < host->members(task); i++)
        say_cell(text, host->member(task, i, 0, &value), &value);
    say(text, "\n");
    say_strange(text, task);
}

/* ---- counting ---- */

static void count_cells(campaignd_task task, struct campaignd_outcome *outcome)
{
    static _Thread_local char text[100];
    struct campaignd_value value = CAMPAIGND_VALUE;
    size_t before = mallinfo2().uordblks, most = 0;
    int64_t cells = 0;
    for (uint32_t group = 0; group < host->detail_groups(task); group++)
        for (int64_t row = 0; host->detail(task, group, row, 0, &value) == 0; row++, cells++) {
            size_t now = mallinfo2().uordblks;
            most = now > before && now - before > most ? now - before : most;
        }
    snprintf(text, sizeof text, "%lld cells, %zu KB", (long long)cells, most >> 10);
    outcome->text = text;
}

static void send_one(void *job, campaignd_task task, struct campaignd_outcome *outcome)
{
    static _Thread_local struct campaignd_failure why;
    static _Thread_local struct text text;
    (void)job;
    outcome->status = CAMPAIGND_DELIVERED;
    if (counting) {
        count_cells(task, outcome);
        return;
    }
    text.length = 0;
    say_all(&text, task);
    if (host->document_add(task, "found.txt", "text/plain", text.bytes, text.length, &why) == 0)
        return;
    outcome->status = CAMPAIGND_REJECTED;
    outcome->text = why.message;
}

static int32_t preview(void *job, campaignd_task task, const struct campaignd_preview *out,
                       struct campaignd_failure *why)
{
    static struct text text;
    (void)job, (void)why;
    text.length = 0;
    say_all(&text, task);
    out->add(out->context, "found.txt", "text/plain", text.bytes, text.length);
    return 0;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,    .flags = CAMPAIGND_REPEATABLE,
    .name = "details",        .version = "1",
    .parameters = parameters, .load = load,
    .open = open_job,         .send = send_one,
    .preview = preview,       .channel = "sms",
};
