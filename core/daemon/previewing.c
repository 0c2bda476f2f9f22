/*
 * Freeze, let a reader write a rows file with that one recipient, ask each step's worker in turn;
 * what one step makes is handed to those after it, as its documents would be.
 */
#include "daemon/previewing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/child.h"

struct part {
    int step; /* index */
    char *name, *mime_type;
    struct buffer data;
};

struct previewing {
    struct store_work work; /* first: on the desk */
    struct daemon *daemon;
    struct api_request *request;
    json_t *definition;
    char *rows;
    size_t step; /* the one that is being asked */
    struct part *parts;
    size_t part_count;
};

static unsigned last_file;

static const json_t *step_at(const struct previewing *previewing, size_t index)
{
    return json_array_get(json_object_get(previewing->definition, "steps"), index);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void free_previewing(struct previewing *previewing)
{
    for (size_t i = 0; i < previewing->part_count; i++) {
        free(previewing->parts[i].name);
        free(previewing->parts[i].mime_type);
        buffer_free(&previewing->parts[i].data);
    }
    if (previewing->rows)
        unlink(previewing->rows);
    free(previewing->parts);
    free(previewing->rows);
    json_decref(previewing->definition);
    free(previewing);
}

static void fail(struct previewing *previewing, const struct error *error)
{
    api_answer_error(previewing->request, error);
    free_previewing(previewing);
}

static void finish(struct previewing *previewing)
{
    json_t *parts = json_array();
    const char *wanted = previewing->request->step;
    for (size_t i = 0; i < previewing->part_count; i++) {
        const struct part *part = &previewing->parts[i];
        const char *step = text_of(step_at(previewing, (size_t)part->step), "name");
        if (wanted && strcmp(wanted, step) != 0)
            continue;
        BUFFER_CLEAN struct buffer encoded = {0};
        text_base64(&encoded, part->data.data, part->data.size);
        json_array_append_new(parts, json_pack("{s:s, s:s, s:s, s:s}", "step", step, "name",
                                               part->name, "mime_type", part->mime_type,
                                               "content_base64", buffer_string(&encoded)));
    }
    api_answer(previewing->request, 200, json_pack("{s:o}", "parts", parts));
    free_previewing(previewing);
}

static void ask_next(struct previewing *previewing);

static void keep_part(struct previewing *previewing, struct frame_reader *payload)
{
    size_t size;
    previewing->parts =
        memory_resize(previewing->parts, (previewing->part_count + 1) * sizeof *previewing->parts);
    struct part *part = &previewing->parts[previewing->part_count++];
    *part = (struct part){
        .step = (int)previewing->step, .name = get_text(payload), .mime_type = get_text(payload)};
    const char *data = get_bytes(payload, &size);
    buffer_append(&part->data, data, size);
}

static void on_previewed(void *context, struct frame_reader *payload, const struct error *failed)
{
    struct previewing *previewing = context;
    struct error error;
    if (!failed && !get_u8(payload)) {
        FREE_CLEAN char *why = get_text(payload);
        error_set(&error, ERROR_INPUT, "step »%s«: %s",
                  text_of(step_at(previewing, previewing->step), "name"), why);
        failed = &error;
    }
    if (failed) {
        fail(previewing, failed);
        return;
    }
    free(get_text(payload));
    uint32_t count = get_count(payload, 12);
    for (uint32_t i = 0; i < count && !payload->bad; i++)
        keep_part(previewing, payload);
    previewing->step++;
    ask_next(previewing);
}

/* Does step `index` depend on step `other`, directly or by others? Both are indexes. */
static bool depends(const struct previewing *previewing, size_t index, size_t other)
{
    for (size_t guard = 0; guard < 64; guard++) {
        json_int_t after = json_integer_value(json_object_get(step_at(previewing, index), "after"));
        if (!after)
            return false;
        index = (size_t)after - 1;
        if (index == other)
            return true;
    }
    return false;
}

static void put_documents(const struct previewing *previewing, struct buffer *payload)
{
    uint32_t count = 0;
    for (size_t i = 0; i < previewing->part_count; i++)
        count += depends(previewing, previewing->step, (size_t)previewing->parts[i].step);
    put_u32(payload, count);
    for (size_t i = 0; i < previewing->part_count; i++) {
        const struct part *part = &previewing->parts[i];
        if (!depends(previewing, previewing->step, (size_t)part->step))
            continue;
        put_text(payload, part->name);
        put_text(payload, part->mime_type);
        put_text(payload, text_of(step_at(previewing, (size_t)part->step), "name"));
        put_bytes(payload, part->data.data, part->data.size);
    }
}

static void ask_next(struct previewing *previewing)
{
    const json_t *step = step_at(previewing, previewing->step);
    const json_t *campaign = json_object_get(previewing->definition, "campaign");
    BUFFER_CLEAN struct buffer payload = {0};
    if (!step) {
        finish(previewing);
        return;
    }
    json_t *job =
        json_pack("{s:i, s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:s, s:s, s:I}", "run", 0, "uuid",
                  "preview", "campaign", text_of(campaign, "name"), "step",
                  json_integer_value(json_object_get(step, "number")), "step_name",
                  text_of(step, "name"), "purpose", text_of(campaign, "purpose"), "language",
                  text_of(campaign, "language"), "recipients", 1, "rows", previewing->rows,
                  "archive", "", "started_us", (json_int_t)clock_now_us());
    FREE_CLEAN char *text = json_dumps(job, JSON_COMPACT);
    json_decref(job);
    put_text(&payload, text);
    put_u64(&payload, 1);
    put_documents(previewing, &payload);
    supervisor_preview(previewing->daemon->supervisor, text_of(step, "action"), &payload,
                       on_previewed, previewing);
}

static void on_row(void *context, const json_t *answer, const struct error *failed)
{
    struct previewing *previewing = context;
    (void)answer;
    if (failed)
        fail(previewing, failed);
    else
        ask_next(previewing);
}

static int apply_freeze(struct store_work *work, struct error *error)
{
    struct previewing *previewing = (struct previewing *)work;
    struct definitions *definitions = previewing->daemon->definitions;
    int64_t id = definitions_find(definitions, "campaign", previewing->request->subject, error);
    if (id >= 0)
        previewing->definition = definitions_freeze(definitions, id, error);
    return previewing->definition ? 0 : -1;
}

static void on_frozen(struct store_work *work, const struct error *failed)
{
    struct previewing *previewing = (struct previewing *)work;
    json_t *sources = NULL;
    struct error error;
    FREE_CLEAN char *folder =
        memory_format("%s/preview", previewing->daemon->conf->daemon.state_dir);
    if (!failed && (!(sources = sources_of(previewing->daemon, previewing->definition, &error)) ||
                    file_make_folders(folder, 0700, &error) != 0))
        failed = &error;
    if (failed) {
        json_decref(sources);
        fail(previewing, failed);
        return;
    }
    json_t *request = reader_request("one", sources, previewing->definition);
    previewing->rows = memory_format("%s/%u.rows.db", folder, ++last_file);
    json_object_set_new(request, "out", json_string(previewing->rows));
    json_object_set_new(
        request, "key",
        json_string(previewing->request->recipient ? previewing->request->recipient : ""));
    reader_start(previewing->daemon->loop, request, on_row, previewing);
    json_decref(request);
    json_decref(sources);
}

void previewing_start(struct daemon *daemon, struct api_request *request)
{
    struct previewing *previewing = memory_new(sizeof *previewing);
    previewing->work = (struct store_work){.apply = apply_freeze, .done = on_frozen};
    previewing->daemon = daemon;
    previewing->request = request;
    store_submit(daemon->desk, &previewing->work);
}
