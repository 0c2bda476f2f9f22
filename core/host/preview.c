#include "host/preview.h"

#include <stdlib.h>

#include "base/memory.h"

#define DOCUMENT_BYTES 16 /* of an earlier document in the frame, at least */
#define PARTS_MAX 100
#define PARTS_BYTES_MAX (FRAME_LIMIT / 2)

struct preview {
    struct work work; /* first */
    struct engine *engine;
    uint32_t id;
    uint64_t ordinal;
    json_t *json;
    struct job *job;
    struct task *task;
    int32_t result;
    struct campaignd_failure why;
    struct buffer parts; /* as FRAME_PREVIEWED has them */
    uint32_t part_count;
    bool too_large;
};

static void add_part(struct preview *preview, const char *name, const char *mime_type,
                     const void *data, size_t length)
{
    if (preview->part_count == PARTS_MAX || length > PARTS_BYTES_MAX - preview->parts.size) {
        preview->too_large = true;
        return;
    }
    put_text(&preview->parts, name);
    put_text(&preview->parts, mime_type);
    put_bytes(&preview->parts, data, length);
    preview->part_count++;
}

static void on_add(void *context, const char *name, const char *mime_type, const void *data,
                   size_t length)
{
    add_part(context, name, mime_type, data, length);
}

static void answer(struct preview *preview, const char *why)
{
    struct buffer *out = &preview->engine->channel.out;
    size_t mark = frame_begin(out, FRAME_PREVIEWED);
    put_u32(out, preview->id);
    put_u8(out, why == NULL);
    put_text(out, why);
    put_u32(out, why ? 0 : preview->part_count);
    if (!why)
        buffer_append(out, preview->parts.data, preview->parts.size);
    frame_end(out, mark);
}

static void add_documents(struct preview *preview)
{
    const struct task_data *data = preview->task->data;
    for (uint32_t i = 0; data && i < data->made_count; i++)
        add_part(preview, data->made[i].name, data->made[i].mime_type, data->made[i].data,
                 data->made[i].size);
}

static void free_preview(struct preview *preview)
{
    struct engine *engine = preview->engine;
    if (preview->task) {
        task_retire(preview->task);
        batches_release(&engine->batches, preview->task->batch);
        tasks_release(&engine->tasks, preview->task);
    }
    struct job_context context = engine_job_context(engine);
    if (preview->job)
        job_close(preview->job, &context, &engine->batches);
    json_decref(preview->json);
    buffer_free(&preview->parts);
    free(preview);
}

static void on_previewed(struct work *work)
{
    struct preview *preview = (struct preview *)work;
    add_documents(preview);
    preview->why.message[sizeof preview->why.message - 1] = 0;
    if (preview->result != 0)
        answer(preview, *preview->why.message ? preview->why.message
                                              : "the plugin refused and said not why");
    else
        answer(preview, preview->too_large ? "the preview is too large to be shown" : NULL);
    free_preview(preview);
}

/* [pool or loop] */
static void run_preview(struct work *work)
{
    struct preview *preview = (struct preview *)work;
    const struct campaignd_preview out = {.size = sizeof out, .context = preview, .add = on_add};
    preview->result = preview->engine->plugin.action.preview(
        preview->job->opened, task_handle(preview->task), &out, &preview->why);
}

static void read_earlier(struct task_data *data, struct frame_reader *payload)
{
    uint32_t count = get_count(payload, DOCUMENT_BYTES);
    data->inlined = arena_alloc(data->arena, count * sizeof *data->inlined);
    for (uint32_t i = 0; i < count; i++) {
        struct inline_document *document = &data->inlined[i];
        FREE_CLEAN char *name = get_text(payload);
        FREE_CLEAN char *mime_type = get_text(payload);
        FREE_CLEAN char *step = get_text(payload);
        const char *bytes = get_bytes(payload, &document->size);
        document->name = arena_text(data->arena, name);
        document->mime_type = arena_text(data->arena, mime_type);
        document->step = arena_text(data->arena, step);
        document->data = arena_text_n(data->arena, bytes, document->size);
    }
    data->inlined_count = count;
}

static int make_task(struct preview *preview, struct frame_reader *payload, struct error *error)
{
    struct engine *engine = preview->engine;
    struct task *task = tasks_take(&engine->tasks, TASK_PREVIEWING);
    if (!task)
        return error_set(error, ERROR_BUSY, "too many previews at once; try again");
    preview->task = task;
    task->job = preview->job;
    task->log = (struct tasklog_task){.ordinal = preview->ordinal,
                                      .run = preview->job->run,
                                      .step = (uint16_t)preview->job->step,
                                      .attempt = 1};
    task->batch = batches_take(&engine->batches, preview->job->rows, preview->ordinal);
    if (!batch_cell(task->batch, preview->ordinal, -1))
        return error_set(error, ERROR_NOT_FOUND, "there is no such recipient");
    read_earlier(task_data(task), payload);
    return payload->bad ? error_set(error, ERROR_INTERNAL, "the request for a preview is cut") : 0;
}

static int prepare(struct preview *preview, struct frame_reader *payload, struct error *error)
{
    struct engine *engine = preview->engine;
    struct job_context context = engine_job_context(engine);
    if (engine->phase != ENGINE_RUNNING)
        return error_set(error, ERROR_BUSY, "the worker is about to end; try again");
    if (!engine->plugin.action.preview)
        return error_set(error, ERROR_INPUT, "the plugin %s has no preview",
                         engine->plugin.action.name);
    preview->job = job_open(&context, preview->json, true, error);
    if (!preview->job)
        return -1;
    preview->job->engine = engine;
    return make_task(preview, payload, error);
}

void preview_start(struct engine *engine, struct frame_reader *payload)
{
    struct preview *preview = memory_new(sizeof *preview);
    struct error error;
    size_t length;
    preview->engine = engine;
    preview->why.size = sizeof preview->why;
    preview->id = get_u32(payload);
    const char *text = get_bytes(payload, &length);
    preview->json = json_loadb(text, length, 0, NULL);
    preview->ordinal = get_u64(payload);
    if (prepare(preview, payload, &error) != 0) {
        answer(preview, error.message);
        free_preview(preview);
        return;
    }
    preview->work.run = run_preview;
    preview->work.after = on_previewed;
    if (engine->plugin.action.send) {
        pool_submit(engine->pool, &preview->work);
        return;
    }
    run_preview(&preview->work);
    on_previewed(&preview->work);
}
