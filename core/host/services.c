#include "host/services.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

static struct engine *engine;

struct engine *services_engine(void)
{
    return engine;
}

static bool on_loop(void)
{
    return pthread_equal(pthread_self(), engine->thread);
}

static struct task *find(campaignd_task handle)
{
    return tasks_find(&engine->tasks, handle);
}

static void __attribute__((format(printf, 3, 4)))
host_log(int32_t level, campaignd_task handle, const char *format, ...)
{
    BUFFER_CLEAN struct buffer message = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&message, format, arguments);
    va_end(arguments);
    enum log_level known = level <= LOG_LEVEL_ERROR     ? LOG_LEVEL_ERROR
                           : level <= LOG_LEVEL_WARNING ? LOG_LEVEL_WARNING
                           : level <= LOG_LEVEL_INFO    ? LOG_LEVEL_INFO
                                                        : LOG_LEVEL_DEBUG;
    char who[100] = "";
    if (handle)
        tasks_describe(&engine->tasks, handle, who, sizeof who);
    log_write(known, "%s%s%s", who, *who ? ": " : "", buffer_string(&message));
}

static int32_t __attribute__((format(printf, 2, 3)))
fail(struct campaignd_failure *why, const char *format, ...)
{
    va_list arguments;
    if (!why)
        return -1;
    va_start(arguments, format);
    vsnprintf(why->message, sizeof why->message, format, arguments);
    va_end(arguments);
    text_cut_utf8(why->message, sizeof why->message - 1);
    return -1;
}

static int32_t fail_dead(struct campaignd_failure *why)
{
    return fail(why, "the task is over, or there is no such task");
}

static void give_bytes(struct campaignd_bytes *out, const char *data, size_t length)
{
    out->data = data;
    out->length = length;
}

/* ---- settings and parameters ---- */

static const struct campaignd_template *host_parameter_template(
    const struct campaignd_parameters *table, const char *name)
{
    /* The plugin's name for the compiled template; it only hands it back. */
    return (const struct campaignd_template *)parameters_template(table, name);
}

static void host_set_concurrency(uint32_t tasks)
{
    if (!engine->is_loaded)
        engine->concurrency = tasks;
    else
        log_error("plugin %s called set_concurrency() outside load()", engine->plugin.action.name);
}

static const char *host_state_dir(void)
{
    return engine->state_dir;
}

/* ---- the recipient ---- */

static const struct rows_value *cell(campaignd_task handle, int column)
{
    struct task *task = find(handle);
    return task ? batch_cell(task->batch, task->log.ordinal, column) : NULL;
}

static uint32_t host_columns(campaignd_task handle)
{
    struct task *task = find(handle);
    return task ? rows_field_count(task->job->rows) : 0;
}

static const char *host_column_name(campaignd_task handle, uint32_t index)
{
    struct task *task = find(handle);
    const struct rows_field *field = task ? rows_field(task->job->rows, index) : NULL;
    return field ? field->name : NULL;
}

/* NULL: there is no such value. */
static int32_t give_value(const struct rows_value *found, struct campaignd_value *out)
{
    static const int32_t types[] = {
        [SQLITE_INTEGER] = CAMPAIGND_INTEGER, [SQLITE_FLOAT] = CAMPAIGND_REAL,
        [SQLITE_TEXT] = CAMPAIGND_TEXT,       [SQLITE_BLOB] = CAMPAIGND_BLOB,
        [SQLITE_NULL] = CAMPAIGND_NULL,
    };
    struct campaignd_value value = CAMPAIGND_VALUE;
    if (found) {
        value.type = types[found->type];
        value.integer = found->integer;
        value.real = found->real;
        value.text = found->text;
        value.length = found->length;
    }
    value_give(out, &value);
    return found ? 0 : -1;
}

static int32_t host_column(campaignd_task handle, uint32_t index, struct campaignd_value *out)
{
    return give_value(index < host_columns(handle) ? cell(handle, (int)index) : NULL, out);
}

/* A column that is not there is one that lies beyond the last. */
static int32_t give_column(campaignd_task handle, int index, struct campaignd_value *out)
{
    return host_column(handle, index < 0 ? UINT32_MAX : (uint32_t)index, out);
}

static int32_t host_column_by_name(campaignd_task handle, const char *name,
                                   struct campaignd_value *out)
{
    struct task *task = find(handle);
    return give_column(handle, task ? rows_field_by_name(task->job->rows, name) : -1, out);
}

static int32_t host_column_by_role(campaignd_task handle, const char *role,
                                   struct campaignd_value *out)
{
    struct task *task = find(handle);
    return give_column(handle, task ? rows_field_by_role(task->job->rows, role) : -1, out);
}

static const char *host_key(campaignd_task handle)
{
    const struct rows_value *key = cell(handle, -1);
    return key ? key->text : "";
}

static uint32_t host_attempt(campaignd_task handle)
{
    struct task *task = find(handle);
    return task ? task->log.attempt : 0;
}

static const char *host_idempotency_key(campaignd_task handle)
{
    struct task *task = find(handle);
    if (!task)
        return "";
    struct task_data *data = task_data(task);
    if (!*data->key)
        idempotency_key(data->key, engine->secret, rows_uuid(task->job->rows), task->job->step,
                        task->log.ordinal, 0);
    return data->key;
}

/* ---- details and members ---- */

static struct lists *lists_of(struct task *task)
{
    struct task_data *data = task_data(task);
    if (!data->lists)
        data->lists = lists_open(task->job->rows, (int64_t)task->log.ordinal);
    return data->lists;
}

static const struct rows_detail *detail_group(campaignd_task handle, uint32_t group)
{
    struct task *task = find(handle);
    return task ? rows_detail(task->job->rows, group) : NULL;
}

static uint32_t host_detail_groups(campaignd_task handle)
{
    struct task *task = find(handle);
    return task ? rows_detail_count(task->job->rows) : 0;
}

static const char *host_detail_name(campaignd_task handle, uint32_t group)
{
    const struct rows_detail *found = detail_group(handle, group);
    return found ? found->name : NULL;
}

static int64_t host_detail_rows(campaignd_task handle, uint32_t group)
{
    return detail_group(handle, group) ? lists_count(lists_of(find(handle)), (int)group) : -1;
}

static uint32_t host_detail_columns(campaignd_task handle, uint32_t group)
{
    const struct rows_detail *found = detail_group(handle, group);
    return found ? found->field_count : 0;
}

static const char *host_detail_column_name(campaignd_task handle, uint32_t group, uint32_t column)
{
    const struct rows_detail *found = detail_group(handle, group);
    return found && column < found->field_count ? found->fields[column].name : NULL;
}

static int32_t host_detail(campaignd_task handle, uint32_t group, int64_t row, uint32_t column,
                           struct campaignd_value *out)
{
    bool is_there = column < host_detail_columns(handle, group);
    return give_value(
        is_there ? lists_cell(lists_of(find(handle)), (int)group, row, (int)column) : NULL, out);
}

static uint32_t host_members(campaignd_task handle)
{
    struct task *task = find(handle);
    int64_t count = task ? lists_count(lists_of(task), ROWS_MEMBERS) : 0;
    return count > 0 ? (uint32_t)count : 0;
}

static int32_t host_member(campaignd_task handle, uint32_t index, uint32_t column,
                           struct campaignd_value *out)
{
    bool is_there = column < host_columns(handle);
    return give_value(
        is_there ? lists_cell(lists_of(find(handle)), ROWS_MEMBERS, index, (int)column) : NULL,
        out);
}

/* ---- templates and reports ---- */

struct job_row engine_row(const struct task *task)
{
    return (struct job_row){.job = task->job, .batch = task->batch, .ordinal = task->log.ordinal};
}

/* Bytes that live as long as the task. */
static void keep(struct task *task, const struct buffer *bytes, struct campaignd_bytes *out)
{
    give_bytes(out, arena_text_n(task_data(task)->arena, buffer_string(bytes), bytes->size),
               bytes->size);
}

static int32_t host_template_render(const struct campaignd_template *compiled,
                                    campaignd_task handle, int32_t target,
                                    struct campaignd_bytes *out, struct campaignd_failure *why)
{
    struct task *task = find(handle);
    if (!task || !compiled)
        return task ? fail(why, "there is no template") : fail_dead(why);
    if (target < TEMPLATE_AS_TEXT || target > TEMPLATE_AS_HEADER)
        return fail(why, "%d is no target of a template", (int)target);
    BUFFER_CLEAN struct buffer text = {0};
    struct error error;
    struct job_row row = engine_row(task);
    struct template_data data = {.lookup = job_lookup, .context = &row};
    struct template_options options = {.target = target, .language = task->job->language};
    if (template_render((const struct template *)compiled, &data, &options, &text, &error) != 0)
        return fail(why, "%s", error.message);
    keep(task, &text, out);
    return 0;
}

static int32_t host_report_render(const char *report, campaignd_task handle,
                                  struct campaignd_bytes *out, struct campaignd_bytes *name,
                                  struct campaignd_failure *why)
{
    struct task *task = find(handle);
    if (!task)
        return fail_dead(why);
    BUFFER_CLEAN struct buffer bytes = {0};
    BUFFER_CLEAN struct buffer title = {0};
    struct error error;
    struct job_row row = engine_row(task);
    struct template_data data = {.lookup = job_lookup, .context = &row};
    if (reports_render(task->job->reports, report, host_key(handle), &data, &bytes, &title,
                       &error) != 0)
        return fail(why, "%s", error.message);
    keep(task, &bytes, out);
    if (name)
        keep(task, &title, name);
    return 0;
}

static int32_t host_report_file(const char *report, campaignd_task handle, const char *name,
                                struct campaignd_bytes *out)
{
    struct task *task = find(handle);
    return task ? reports_file(task->job->reports, report, name, &out->data, &out->length) : -1;
}

/* ---- documents ---- */

/* A preview's documents stay in memory. */
static int32_t add_inline(struct task *task, const char *name, const char *mime_type,
                          const void *bytes, size_t length)
{
    struct task_data *data = task_data(task);
    struct inline_document *list = arena_alloc(data->arena, (data->made_count + 1) * sizeof *list);
    if (data->made_count)
        memcpy(list, data->made, data->made_count * sizeof *list);
    list[data->made_count++] = (struct inline_document){
        .name = arena_text(data->arena, name),
        .mime_type = arena_text(data->arena, mime_type),
        .step = "",
        .data = arena_text_n(data->arena, bytes, length),
        .size = length,
    };
    data->made = list;
    return 0;
}

static bool may_add(const struct task *task)
{
    return task->state == TASK_PREPARING || task->state == TASK_OFFERED ||
           task->state == TASK_TAKEN_BACK || task->state == TASK_PREVIEWING ||
           (task->state == TASK_DELIVERING && task->log.begun_in == 0);
}

static int32_t host_document_add(campaignd_task handle, const char *name, const char *mime_type,
                                 const void *bytes, size_t length, struct campaignd_failure *why)
{
    struct task *task = find(handle);
    struct error error;
    if (!task)
        return fail_dead(why);
    if (!may_add(task))
        return fail(why, "a document must be added before the task begins: in prepare()");
    struct task_data *data = task_data(task);
    if (data->document_count == OUTCOME_DOCUMENTS || data->made_count == OUTCOME_DOCUMENTS)
        return fail(why, "a task makes at most %d documents", OUTCOME_DOCUMENTS);
    if (task->state == TASK_PREVIEWING)
        return add_inline(task, name, mime_type, bytes, length);
    if (filing_add(task->job->filing, name, mime_type, bytes, length,
                   &data->documents[data->document_count], &error) != 0) {
        if (error.code != ERROR_INPUT) { /* else it is this document's fault, not the disk's */
            data->disk_failed = true;
            text_copy(data->failure, sizeof data->failure, error.message);
        }
        return fail(why, "%s", error.message);
    }
    data->document_count++;
    data->unsynced = true;
    return 0;
}

static uint32_t earlier(const struct task *task, const struct earlier_document **first)
{
    return claim_earlier(task->claim, task->log.ordinal, first);
}

static uint32_t host_documents(campaignd_task handle)
{
    struct task *task = find(handle);
    const struct earlier_document *first;
    if (!task)
        return 0;
    return task->claim ? earlier(task, &first) : task_data(task)->inlined_count;
}

static void give_document(struct campaignd_document *out, const char *name, const char *mime_type,
                          const char *step, uint64_t length)
{
    out->name = name;
    out->mime_type = mime_type;
    out->step = step;
    out->length = length;
}

static int32_t host_document(campaignd_task handle, uint32_t index, struct campaignd_document *out)
{
    struct task *task = find(handle);
    const struct earlier_document *first;
    if (!task || index >= host_documents(handle))
        return -1;
    if (task->claim) {
        earlier(task, &first);
        const struct wire_document *document = &first[index].document;
        give_document(out, document->name, document->mime_type, first[index].step,
                      document->length);
    } else {
        const struct inline_document *document = &task_data(task)->inlined[index];
        give_document(out, document->name, document->mime_type, document->step, document->size);
    }
    return 0;
}

static int32_t host_document_read(campaignd_task handle, uint32_t index,
                                  struct campaignd_bytes *out, struct campaignd_failure *why)
{
    struct task *task = find(handle);
    const struct earlier_document *first;
    struct error error;
    if (!task)
        return fail_dead(why);
    if (index >= host_documents(handle))
        return fail(why, "there is no document %u", index);
    if (!task->claim) {
        const struct inline_document *document = &task_data(task)->inlined[index];
        give_bytes(out, document->data, document->size);
        return 0;
    }
    BUFFER_CLEAN struct buffer bytes = {0};
    earlier(task, &first);
    if (filing_read(task->job->filing, &first[index].document, &bytes, &error) != 0)
        return fail(why, "%s", error.message);
    keep(task, &bytes, out);
    return 0;
}

/* ---- begin and done, from any thread ---- */

struct asked {
    struct call call;
    campaignd_task task;
    void (*begun)(void *context, int32_t ok);
    void *context;
    struct outcome outcome;
};

static void run_begin(struct call *call)
{
    struct asked *asked = (struct asked *)call;
    engine_begin(engine, asked->task, asked->begun, asked->context);
    free(asked);
}

static void host_begin(campaignd_task task, void (*begun)(void *context, int32_t ok), void *context)
{
    if (on_loop()) {
        engine_begin(engine, task, begun, context);
        return;
    }
    struct asked *asked = memory_new(sizeof *asked);
    asked->call.run = run_begin;
    asked->task = task;
    asked->begun = begun;
    asked->context = context;
    calls_post(&engine->calls, &asked->call);
}

struct waiter {
    uv_sem_t answered;
    int32_t ok;
};

static void on_answer(void *context, int32_t ok)
{
    struct waiter *waiter = context;
    waiter->ok = ok;
    uv_sem_post(&waiter->answered);
}

static int32_t host_begin_wait(campaignd_task task)
{
    if (on_loop()) {
        host_log(CAMPAIGND_LOG_ERROR, task, "begin_wait() on the loop would wait for ever");
        return 0;
    }
    struct waiter waiter = {.ok = 0};
    uv_sem_init(&waiter.answered, 0);
    host_begin(task, on_answer, &waiter);
    uv_sem_wait(&waiter.answered);
    uv_sem_destroy(&waiter.answered);
    return waiter.ok;
}

static void run_done(struct call *call)
{
    struct asked *asked = (struct asked *)call;
    engine_done(engine, asked->task, &asked->outcome);
    free(asked);
}

static void host_done(campaignd_task task, const struct campaignd_outcome *outcome)
{
    if (engine->plugin.action.send) {
        host_log(CAMPAIGND_LOG_ERROR, task, "done() is not for send(), which returns its outcome");
    } else if (on_loop()) {
        struct outcome copy;
        engine_copy_outcome(&copy, outcome);
        engine_done(engine, task, &copy);
    } else {
        struct asked *asked = memory_new(sizeof *asked);
        asked->call.run = run_done;
        asked->task = task;
        engine_copy_outcome(&asked->outcome, outcome);
        calls_post(&engine->calls, &asked->call);
    }
}

static const struct campaignd_host host = {
    .size = sizeof host,
    .abi = CAMPAIGND_ABI,
    .log = host_log,
    .parameter = parameters_get,
    .parameter_template = host_parameter_template,
    .set_concurrency = host_set_concurrency,
    .state_dir = host_state_dir,
    .columns = host_columns,
    .column_name = host_column_name,
    .column = host_column,
    .column_by_name = host_column_by_name,
    .column_by_role = host_column_by_role,
    .key = host_key,
    .attempt = host_attempt,
    .idempotency_key = host_idempotency_key,
    .template_render = host_template_render,
    .report_render = host_report_render,
    .report_file = host_report_file,
    .document_add = host_document_add,
    .documents = host_documents,
    .document = host_document,
    .document_read = host_document_read,
    .begin = host_begin,
    .begin_wait = host_begin_wait,
    .done = host_done,
    .watch_fd = services_watch_fd,
    .watch_change = services_watch_change,
    .watch_end = services_watch_end,
    .timer = services_timer,
    .timer_set = services_timer_set,
    .timer_end = services_timer_end,
    .thread = services_thread,
    .detail_groups = host_detail_groups,
    .detail_name = host_detail_name,
    .detail_rows = host_detail_rows,
    .detail_columns = host_detail_columns,
    .detail_column_name = host_detail_column_name,
    .detail = host_detail,
    .members = host_members,
    .member = host_member,
};

const struct campaignd_host *services_open(struct engine *of)
{
    engine = of;
    return &host;
}
