/* A worker's life: configured by the first frame, then the engine's, until it is told to stop or
 * its core is gone. */
#include "host/worker.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/engine.h"
#include "host/preview.h"
#include "host/services.h"

#define DRAIN_MS 5000 /* how long a core may take to read a worker's last words */

struct worker {
    struct engine engine;
    bool configured;
    bool failed;
    char name[80];
};

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- the first frame ---- */

static void say_hello(struct worker *worker)
{
    struct buffer *out = &worker->engine.channel.out;
    FREE_CLEAN char *description = json_dumps(worker->engine.plugin.description, JSON_COMPACT);
    size_t mark = frame_begin(out, FRAME_HELLO);
    put_u32(out, WIRE_VERSION);
    put_text(out, CAMPAIGND_VERSION);
    put_text(out, description);
    frame_end(out, mark);
}

static int read_configuration(struct engine *engine, const json_t *json, struct error *error)
{
    text_copy(engine->instance, sizeof engine->instance, member(json, "instance"));
    engine->action = memory_text(member(json, "action"));
    engine->state_dir = memory_text(member(json, "state_dir"));
    engine->durable_begin = !json_is_false(json_object_get(json, "durable_begin"));
    engine->stop_timeout_us = json_integer_value(json_object_get(json, "stop_timeout_us"));
    if (text_unhex(engine->secret, sizeof engine->secret, member(json, "secret")) != 0)
        return error_set(error, ERROR_INTERNAL, "a defect: the core gave no secret");
    return file_make_folders(engine->state_dir, 0700, error);
}

static int load_plugin(struct engine *engine, const json_t *json, struct error *error)
{
    struct campaignd_failure why = {.size = sizeof why};
    const struct campaignd_action *action = &engine->plugin.action;
    engine->settings = parameters_settings(json_object_get(engine->plugin.description, "settings"),
                                           json_object_get(json, "settings"), error);
    if (!engine->settings)
        return -1;
    if (action->load &&
        action->load(services_open(engine), engine->settings, &engine->loaded, &why) != 0) {
        why.message[sizeof why.message - 1] = 0;
        return error_set(error, ERROR_INPUT, "%s",
                         *why.message ? why.message : "the plugin refused and said not why");
    }
    services_open(engine);
    engine->is_loaded = true;
    return 0;
}

static int open_log(struct engine *engine, const json_t *json, struct tasklog_identity *identity,
                    struct error *error)
{
    int64_t size = json_integer_value(json_object_get(json, "log_segment_size"));
    identity->generation = (uint32_t)json_integer_value(json_object_get(json, "generation"));
    if (text_unhex(identity->instance, sizeof identity->instance, engine->instance) != 0)
        return error_set(error, ERROR_INTERNAL, "a defect: the core gave no instance");
    if (tasklog_identify(identity, error) != 0)
        return -1;
    engine->log = tasklog_open(member(json, "log_prefix"), identity,
                               size > 0 ? (size_t)size : TASKLOG_SEGMENT_SIZE, error);
    return engine->log ? 0 : -1;
}

static void say_ready(struct engine *engine, const struct tasklog_identity *identity)
{
    struct buffer *out = &engine->channel.out;
    size_t mark = frame_begin(out, FRAME_READY);
    put_u32(out, identity->pid);
    put_u64(out, identity->pid_start);
    put_u32(out, 1); /* a new log has segment 1 alone */
    put_u32(out, 1);
    frame_end(out, mark);
}

/* Load and open all that is needed. 0, or -1 with one line for the admin. */
static int configure(struct worker *worker, const json_t *json, struct error *error)
{
    struct engine *engine = &worker->engine;
    struct tasklog_identity identity;
    snprintf(worker->name, sizeof worker->name, "worker %.60s", member(json, "action"));
    log_open(worker->name);
    if (json_object_get(json, "log_level"))
        log_set_level((enum log_level)json_integer_value(json_object_get(json, "log_level")));
    if (plugin_open(&engine->plugin, WIRE_FD_PLUGIN, member(json, "plugin"), error) != 0)
        return -1;
    say_hello(worker);
    if (json_is_true(json_object_get(json, "describe"))) {
        uv_stop(&engine->loop);
        return json_object_get(json, "settings") ? load_plugin(engine, json, error) : 0;
    }
    engine->layout = layout_open(WIRE_FD_LAYOUT);
    if (read_configuration(engine, json, error) != 0 || load_plugin(engine, json, error) != 0 ||
        open_log(engine, json, &identity, error) != 0)
        return -1;
    engine_start(engine);
    say_ready(engine, &identity);
    return 0;
}

static void fail(struct worker *worker, const char *message)
{
    struct buffer *out = &worker->engine.channel.out;
    size_t mark = frame_begin(out, FRAME_FAILED);
    put_text(out, message);
    frame_end(out, mark);
    worker->failed = true;
    uv_stop(&worker->engine.loop);
}

static void on_configure(struct worker *worker, struct frame_reader *payload)
{
    struct error error;
    size_t length;
    const char *text = get_bytes(payload, &length);
    json_t *json = json_loadb(text, length, 0, NULL);
    worker->configured = true;
    if (!json)
        fail(worker, "a defect: the core's configuration is not JSON");
    else if (configure(worker, json, &error) != 0)
        fail(worker, error.message);
    json_decref(json);
    channel_flush(&worker->engine.channel);
}

/* ---- all other frames ---- */

static void on_open_job(struct engine *engine, struct frame_reader *payload)
{
    uint32_t id = get_u32(payload);
    size_t length;
    const char *text = get_bytes(payload, &length);
    json_t *json = json_loadb(text, length, 0, NULL);
    engine_open_job(engine, id, json);
    json_decref(json);
}

static void on_grant(struct engine *engine, struct frame_reader *payload)
{
    uint32_t low = get_u32(payload), high = get_u32(payload);
    if (!payload->bad)
        engine_grant(engine, low, high);
}

static void on_frame(void *context, enum frame_type type, struct frame_reader *payload)
{
    struct worker *worker = context;
    struct engine *engine = &worker->engine;
    if (type == FRAME_CONFIGURE && !worker->configured) {
        on_configure(worker, payload);
        return;
    }
    if (!engine->is_loaded || !engine->log) {
        fail(worker, "a defect: the core must configure a worker first");
        return;
    }
    switch (type) {
    case FRAME_OPEN_JOB:
        on_open_job(engine, payload);
        break;
    case FRAME_CLOSE_JOB:
        engine_close_job(engine, get_u32(payload));
        break;
    case FRAME_CLAIM:
        engine_claim(engine, payload);
        break;
    case FRAME_REVOKE:
        engine_revoke(engine, get_u64(payload));
        break;
    case FRAME_ACK:
        engine_acknowledge(engine, get_u64(payload));
        break;
    case FRAME_LOG_GRANT:
        on_grant(engine, payload);
        break;
    case FRAME_PREVIEW:
        preview_start(engine, payload);
        break;
    case FRAME_STOP:
        engine_stop(engine);
        break;
    default:
        log_error("a defect: the core sent a frame of type %d", (int)type);
    }
}

static void on_lost(void *context, const char *why)
{
    struct worker *worker = context;
    if (!worker->engine.log) {
        uv_stop(&worker->engine.loop);
        return;
    }
    if (worker->engine.phase == ENGINE_RUNNING)
        log_warning("the core is gone (%s): what has begun is finished, the rest left", why);
    engine_stop(&worker->engine);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct worker *worker = handle->data;
    if (number != SIGTERM)
        return; /* a terminal's Ctrl-C goes to all; the core decides */
    if (worker->engine.log)
        engine_stop(&worker->engine);
    else
        uv_stop(&worker->engine.loop);
}

static void watch_signals(struct worker *worker)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_t *handle = &worker->engine.signals[i];
        uv_signal_init(&worker->engine.loop, handle);
        handle->data = worker;
        uv_signal_start(handle, on_signal, numbers[i]);
    }
}

/* ---- from start to end ---- */

static void open_worker(struct worker *worker)
{
    struct engine *engine = &worker->engine;
    for (int fd = WIRE_FD_SOCKET; fd <= WIRE_FD_LAYOUT; fd++)
        file_set_cloexec(fd, true); /* not for what a plugin may start */
    uv_loop_init(&engine->loop);
    engine->thread = pthread_self();
    calls_open(&engine->calls, &engine->loop);
    uv_timer_init(&engine->loop, &engine->stop_timer);
    watch_signals(worker);
    engine->channel.fd = WIRE_FD_SOCKET;
    engine->channel.on_frame = on_frame;
    engine->channel.on_lost = on_lost;
    engine->channel.context = worker;
    channel_open(&engine->channel, &engine->loop);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct engine *engine)
{
    channel_close(&engine->channel);
    uv_walk(&engine->loop, close_handle, NULL); /* signals, timers, what a plugin forgot */
    uv_run(&engine->loop, UV_RUN_DEFAULT);      /* the handles' last callbacks */
    uv_loop_close(&engine->loop);
}

static void close_worker(struct worker *worker)
{
    struct engine *engine = &worker->engine;
    bool started = engine->syncer != NULL;
    if (started)
        engine_end(engine);
    else
        calls_close(&engine->calls);
    if (engine->is_loaded && engine->plugin.action.unload)
        engine->plugin.action.unload(engine->loaded);
    tasklog_close(engine->log);
    layout_close(engine->layout);
    parameters_free(engine->settings);
    close_loop(engine);
    plugin_close(&engine->plugin);
    free(engine->action);
    free(engine->state_dir);
    sodium_memzero(engine->secret, sizeof engine->secret);
}

int worker_main(void)
{
    struct worker *worker = memory_new(sizeof *worker);
    if (sodium_init() < 0)
        return 1;
    open_worker(worker);
    uv_run(&worker->engine.loop, UV_RUN_DEFAULT);
    channel_drain(&worker->engine.channel, DRAIN_MS);
    /* What still runs in the plugin can neither be ended nor unloaded. */
    if (worker->engine.tasks.used > 0)
        _exit(1);
    close_worker(worker);
    int status = worker->failed ? 1 : 0;
    free(worker);
    return status;
}
