#include "daemon/supervisor.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/process.h"
#include "daemon/sealed.h"
#include "host/worker.h"
#include "wire/tasklog.h"

#define READY_MS 30000
#define DEATHS_UNTIL_QUARANTINE 5
#define DEATHS_COUNT_FOR_US                                                                        \
    (INT64_C(60) * 1000000) /* a worker that lived longer starts with a clean slate */
#define RESTART_FIRST_MS 100

enum slot_state {
    SLOT_STARTING = 1,
    SLOT_READY,
    SLOT_WAITING,
    SLOT_QUARANTINED,
    SLOT_STOPPING,
    SLOT_GONE
};

struct preview {
    struct preview *next;
    uint32_t id;
    preview_done done;
    void *context;
};

/* A worker's place: the process that is in it changes, the place stays as long as its generation.
 */
struct slot {
    struct supervisor *supervisor;
    struct generation *generation;
    struct action *action;
    enum slot_state state;
    struct process *process;
    struct runner_worker *worker;
    struct instance_row row;
    uv_timer_t timer;
    unsigned deaths;
    int64_t started_us;
    char failure[512]; /* what FRAME_FAILED said */
    struct preview *previews;
};

struct action {
    const struct conf_action *conf;
    int plugin; /* sealed copy */
    json_t *description;
    struct slot **slots;
    size_t slot_count;
    char trouble[512];
};

struct generation {
    struct generation *next;
    struct supervisor *supervisor;
    unsigned number;
    struct conf *conf;
    int layout;
    struct action *actions;
    size_t action_count;
    size_t live;    /* processes that are not gone */
    size_t waiting; /* slots not ready yet, while it is loading */
    bool retired;
};

struct supervisor {
    uv_loop_t *loop;
    struct runner *runner;
    const struct state *state;
    struct generation *generations;
    struct generation *current;
    struct generation *loading;
    uv_timer_t timer; /* of loading */
    void (*done)(void *context, const struct error *failed_or_null);
    void (*replaced)(void *context, struct conf *conf);
    void *context;
    uint32_t last_preview;
    bool stopping;
};

static void start_slot(struct slot *slot);

/* ---- generations ---- */

static void on_slot_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void free_generation(struct generation *generation)
{
    for (size_t i = 0; i < generation->action_count; i++) {
        struct action *action = &generation->actions[i];
        for (size_t k = 0; k < action->slot_count; k++)
            uv_close((uv_handle_t *)&action->slots[k]->timer, on_slot_timer_closed);
        free(action->slots);
        json_decref(action->description);
        file_close(&action->plugin);
    }
    file_close(&generation->layout);
    free(generation->actions);
    free(generation);
}

/* A retired generation whose last process is gone. */
static void free_if_over(struct generation *generation)
{
    if (!generation->retired || generation->live)
        return;
    struct supervisor *supervisor = generation->supervisor;
    struct conf *conf = generation->conf;
    struct generation **place = &supervisor->generations;
    while (*place != generation)
        place = &(*place)->next;
    *place = generation->next;
    free_generation(generation);
    supervisor->replaced(supervisor->context, conf);
}

static void tell_runner(struct supervisor *supervisor, const struct action *action)
{
    struct runner_action is = {.retry_after_us = action->conf->retry_after_us,
                               .give_up_after_us = action->conf->give_up_after_us};
    json_int_t flags = json_integer_value(json_object_get(action->description, "flags"));
    text_copy(is.name, sizeof is.name, action->conf->name);
    text_copy(is.trouble, sizeof is.trouble, action->trouble);
    is.repeatable = flags & 1; /* CAMPAIGND_REPEATABLE */
    runner_set_action(supervisor->runner, &is);
}

static void stop_slot(struct slot *slot)
{
    BUFFER_CLEAN struct buffer frame = {0};
    uv_timer_stop(&slot->timer);
    slot->state = slot->process ? SLOT_STOPPING : SLOT_GONE;
    if (!slot->process)
        return;
    runner_worker_retire(slot->worker);
    frame_end(&frame, frame_begin(&frame, FRAME_STOP));
    process_send(slot->process, &frame);
}

static void retire(struct generation *generation)
{
    generation->retired = true;
    for (size_t i = 0; i < generation->action_count; i++)
        for (size_t k = 0; k < generation->actions[i].slot_count; k++)
            stop_slot(generation->actions[i].slots[k]);
}

static void forget_missing_actions(struct supervisor *supervisor, const struct generation *old)
{
    for (size_t i = 0; i < old->action_count; i++)
        if (!conf_action(supervisor->current->conf, old->actions[i].conf->name))
            runner_forget_action(supervisor->runner, old->actions[i].conf->name);
}

static void serve(struct generation *generation)
{
    for (size_t i = 0; i < generation->action_count; i++)
        for (size_t k = 0; k < generation->actions[i].slot_count; k++)
            if (generation->actions[i].slots[k]->state == SLOT_READY)
                runner_worker_serve(generation->actions[i].slots[k]->worker);
}

/* All of the new generation is ready: it takes over. */
static void take_over(struct supervisor *supervisor)
{
    struct generation *old = supervisor->current;
    uv_timer_stop(&supervisor->timer);
    supervisor->current = supervisor->loading;
    supervisor->loading = NULL;
    for (size_t i = 0; i < supervisor->current->action_count; i++)
        tell_runner(supervisor, &supervisor->current->actions[i]);
    if (old) {
        forget_missing_actions(supervisor, old);
        retire(old);
    }
    serve(supervisor->current);
    supervisor->done(supervisor->context, NULL);
    if (old) /* after done(): until then its configuration is the present one */
        free_if_over(old);
}

static void give_up(struct supervisor *supervisor, const struct error *error)
{
    struct generation *generation = supervisor->loading;
    uv_timer_stop(&supervisor->timer);
    supervisor->loading = NULL;
    generation->retired = true;
    for (size_t i = 0; i < generation->action_count; i++)
        for (size_t k = 0; k < generation->actions[i].slot_count; k++) {
            struct slot *slot = generation->actions[i].slots[k];
            uv_timer_stop(&slot->timer);
            slot->state = slot->process ? SLOT_STOPPING : SLOT_GONE;
            if (slot->process)
                process_kill(slot->process, SIGKILL);
        }
    supervisor->done(supervisor->context, error);
    free_if_over(generation);
}

static void on_not_ready(uv_timer_t *timer)
{
    struct supervisor *supervisor = timer->data;
    struct error error;
    error_set(&error, ERROR_SYSTEM, "the new workers were not ready within %d s", READY_MS / 1000);
    give_up(supervisor, &error);
}

/* ---- one worker ---- */

json_t *supervisor_settings_json(const struct conf_action *conf)
{
    json_t *settings = json_array();
    for (size_t i = 0; i < conf->setting_count; i++) {
        const struct conf_setting *setting = &conf->settings[i];
        json_array_append_new(settings, json_pack("{s:s, s:s, s:s, s:i}", "key", setting->key,
                                                  "value", setting->value, "file", setting->file,
                                                  "line", setting->line));
    }
    return settings;
}

static void configure(struct slot *slot)
{
    const struct conf *conf = slot->generation->conf;
    const struct conf_action *action = slot->action->conf;
    BUFFER_CLEAN struct buffer frame = {0};
    char secret[2 * STATE_SECRET + 1];
    FREE_CLEAN char *log_prefix = runner_log_prefix(conf->daemon.state_dir, slot->row.id);
    FREE_CLEAN char *state_dir =
        memory_format("%s/actions/%s", conf->daemon.state_dir, action->name);
    text_hex(secret, slot->supervisor->state->secret, STATE_SECRET);
    json_t *json = json_pack(
        "{s:s, s:s, s:b, s:i, s:s, s:s, s:I, s:s, s:s, s:b, s:I, s:i, s:o}", "action", action->name,
        "plugin", action->plugin, "describe", 0, "generation", (int)slot->generation->number,
        "instance", slot->row.id, "log_prefix", log_prefix, "log_segment_size",
        (json_int_t)TASKLOG_SEGMENT_SIZE, "state_dir", state_dir, "secret", secret, "durable_begin",
        action->durable_begin, "stop_timeout_us", (json_int_t)conf->daemon.stop_timeout_us,
        "log_level", (int)conf->daemon.log_level, "settings", supervisor_settings_json(action));
    FREE_CLEAN char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    size_t mark = frame_begin(&frame, FRAME_CONFIGURE);
    put_text(&frame, text);
    frame_end(&frame, mark);
    process_send(slot->process, &frame);
    memory_wipe(secret, sizeof secret);
    memory_wipe(text, strlen(text));
}

/* The instance is in state.db: tasks may flow once its generation is the present one. */
static void on_accepted(void *context, void *worker)
{
    struct slot *slot = worker;
    struct supervisor *supervisor = slot->supervisor;
    (void)context;
    if (slot->state != SLOT_STARTING)
        return;
    slot->state = SLOT_READY;
    log_info("action »%s«: worker %d is ready (plugin %s, generation %u)", slot->action->conf->name,
             process_pid(slot->process), slot->action->conf->plugin, slot->generation->number);
    if (slot->generation == supervisor->loading && --slot->generation->waiting == 0)
        take_over(supervisor);
    else if (slot->generation == supervisor->current) {
        slot->action->trouble[0] = '\0';
        tell_runner(supervisor, slot->action);
        runner_worker_serve(slot->worker);
    }
}

static bool on_hello(struct slot *slot, struct frame_reader payload)
{
    uint32_t version = get_u32(&payload);
    free(get_text(&payload));
    FREE_CLEAN char *description = get_text(&payload);
    if (payload.bad || version != WIRE_VERSION)
        return false;
    json_decref(slot->action->description);
    slot->action->description = json_loads(description, 0, NULL);
    return slot->action->description != NULL;
}

static bool on_ready(struct slot *slot, struct frame_reader payload)
{
    struct error error;
    if (tasklog_identify(&slot->row.identity, &error) !=
        0) { /* for the boot id; the rest is the worker's */
        log_error("%s", error.message);
        return false;
    }
    slot->row.identity.pid = get_u32(&payload);
    slot->row.identity.pid_start = get_u64(&payload);
    slot->row.low = get_u32(&payload);
    slot->row.high = get_u32(&payload);
    if (payload.bad)
        return false;
    runner_worker_ready(slot->worker, &slot->row, on_accepted);
    return true;
}

static bool on_previewed(struct slot *slot, struct frame_reader payload)
{
    uint32_t id = get_u32(&payload);
    for (struct preview **place = &slot->previews; *place; place = &(*place)->next) {
        struct preview *preview = *place;
        if (preview->id != id)
            continue;
        *place = preview->next;
        preview->done(preview->context, &payload, NULL);
        free(preview);
        return true;
    }
    return !payload.bad;
}

static bool on_frame(void *context, enum frame_type type, struct frame_reader payload)
{
    struct slot *slot = context;
    switch (type) {
    case FRAME_HELLO:
        return on_hello(slot, payload);
    case FRAME_READY:
        return on_ready(slot, payload);
    case FRAME_FAILED:
        get_text_into(&payload, slot->failure, sizeof slot->failure);
        return true;
    case FRAME_PREVIEWED:
        return on_previewed(slot, payload);
    default:
        return runner_frame(slot->worker, type, payload);
    }
}

static void fail_previews(struct slot *slot)
{
    struct error error;
    error_set(&error, ERROR_SYSTEM,
              "the worker of action »%s« ended during the preview; see the log",
              slot->action->conf->name);
    for (struct preview *preview = slot->previews, *next; preview; preview = next) {
        next = preview->next;
        preview->done(preview->context, NULL, &error);
        free(preview);
    }
    slot->previews = NULL;
}

static void on_restart(uv_timer_t *timer)
{
    start_slot(timer->data);
}

static void quarantine(struct slot *slot, const char *how)
{
    slot->state = SLOT_QUARANTINED;
    char reason[300];
    text_copy(reason, sizeof reason, *slot->failure ? slot->failure : how);
    snprintf(slot->action->trouble, sizeof slot->action->trouble,
             "quarantined: its worker ended %u times in a row, last by %s; mend the plugin or its "
             "settings, then campaignctl reload",
             slot->deaths, reason);
    log_error("action »%s« is %s", slot->action->conf->name, slot->action->trouble);
    tell_runner(slot->supervisor, slot->action);
}

/* A worker of the present generation ended without being told to. */
static void on_death(struct slot *slot, const char *how)
{
    if (slot->supervisor->stopping) {
        slot->state = SLOT_GONE;
        return;
    }
    if (clock_monotonic_us() - slot->started_us > DEATHS_COUNT_FOR_US)
        slot->deaths = 0;
    slot->deaths++;
    if (slot->deaths >= DEATHS_UNTIL_QUARANTINE) {
        quarantine(slot, how);
        return;
    }
    slot->state = SLOT_WAITING;
    uint64_t delay_ms = (uint64_t)RESTART_FIRST_MS << (slot->deaths - 1);
    log_warning("action »%s«: a worker ended by %s%s%s; a new one starts in %llu ms",
                slot->action->conf->name, how, *slot->failure ? ": " : "", slot->failure,
                (unsigned long long)delay_ms);
    uv_timer_start(&slot->timer, on_restart, delay_ms, 0);
}

static void on_gone(void *context, const char *how)
{
    struct slot *slot = context;
    struct supervisor *supervisor = slot->supervisor;
    struct generation *generation = slot->generation;
    slot->process = NULL;
    runner_worker_gone(slot->worker);
    slot->worker = NULL;
    generation->live--;
    fail_previews(slot);
    if (slot->state == SLOT_STOPPING) {
        slot->state = SLOT_GONE;
        free_if_over(generation);
    } else if (generation == supervisor->loading) {
        struct error error;
        error_set(&error, ERROR_INPUT, "%s:%d: action »%s«: %s%s", slot->action->conf->file,
                  slot->action->conf->line, slot->action->conf->name,
                  *slot->failure ? "" : "its worker ended before it was ready, by ",
                  *slot->failure ? slot->failure : how);
        slot->state = SLOT_GONE;
        give_up(supervisor, &error);
    } else
        on_death(slot, how);
}

static void new_instance(struct slot *slot)
{
    slot->row = (struct instance_row){.durable_begin = slot->action->conf->durable_begin};
    randombytes_buf(slot->row.identity.instance, sizeof slot->row.identity.instance);
    text_hex(slot->row.id, slot->row.identity.instance, sizeof slot->row.identity.instance);
    slot->row.identity.generation = slot->generation->number;
    text_copy(slot->row.action, sizeof slot->row.action, slot->action->conf->name);
}

static void start_slot(struct slot *slot)
{
    static const struct process_events events = {.frame = on_frame, .gone = on_gone};
    struct error error;
    slot->failure[0] = '\0';
    slot->state = SLOT_STARTING;
    slot->started_us = clock_monotonic_us();
    new_instance(slot);
    slot->process = process_start(slot->supervisor->loop, slot->action->plugin,
                                  slot->generation->layout, &events, slot, &error);
    if (!slot->process) {
        log_error("action »%s«: %s", slot->action->conf->name, error.message);
        on_death(slot, error.message);
        return;
    }
    slot->generation->live++;
    slot->worker = runner_worker_new(slot->supervisor->runner, &slot->row, slot);
    configure(slot);
}

/* ---- loading ---- */

static void add_slots(struct supervisor *supervisor, struct generation *generation,
                      struct action *action)
{
    action->slot_count = (size_t)action->conf->workers;
    action->slots = memory_array(action->slot_count, sizeof *action->slots);
    for (size_t i = 0; i < action->slot_count; i++) {
        struct slot *slot = memory_new(sizeof *slot);
        slot->supervisor = supervisor;
        slot->generation = generation;
        slot->action = action;
        uv_timer_init(supervisor->loop, &slot->timer);
        slot->timer.data = slot;
        action->slots[i] = slot;
        generation->waiting++;
    }
}

static int copy_objects(struct generation *generation, struct error *error)
{
    const struct conf *conf = generation->conf;
    if ((generation->layout = sealed_copy(conf->daemon.library_dir, "letter", error)) < 0)
        return -1;
    for (size_t i = 0; i < generation->action_count; i++) {
        struct action *action = &generation->actions[i];
        action->plugin = sealed_copy(conf->daemon.plugin_dir, action->conf->plugin, error);
        if (action->plugin < 0)
            return error_prefix(error, "%s:%d: action »%s«: ", action->conf->file,
                                action->conf->line, action->conf->name);
    }
    return 0;
}

static struct generation *new_generation(struct supervisor *supervisor, struct conf *conf,
                                         struct error *error)
{
    struct generation *generation = memory_new(sizeof *generation);
    generation->supervisor = supervisor;
    generation->conf = conf;
    generation->layout = -1;
    generation->action_count = conf->action_count;
    generation->actions = memory_array(conf->action_count, sizeof *generation->actions);
    for (size_t i = 0; i < conf->action_count; i++)
        generation->actions[i] = (struct action){.conf = &conf->actions[i], .plugin = -1};
    if (copy_objects(generation, error) != 0) {
        free_generation(generation);
        return NULL;
    }
    generation->number = supervisor_generation(supervisor) + 1; /* one that fails leaves no gap */
    for (size_t i = 0; i < conf->action_count; i++)
        add_slots(supervisor, generation, &generation->actions[i]);
    return generation;
}

void supervisor_load(struct supervisor *supervisor, struct conf *conf,
                     void (*done)(void *context, const struct error *failed_or_null),
                     void (*replaced)(void *context, struct conf *conf), void *context)
{
    struct error error;
    supervisor->done = done;
    supervisor->replaced = replaced;
    supervisor->context = context;
    struct generation *generation = new_generation(supervisor, conf, &error);
    if (!generation) {
        done(context, &error);
        replaced(context, conf);
        return;
    }
    generation->next = supervisor->generations;
    supervisor->generations = generation;
    supervisor->loading = generation;
    uv_timer_start(&supervisor->timer, on_not_ready, READY_MS, 0);
    if (!generation->waiting)
        take_over(supervisor);
    for (size_t i = 0; i < generation->action_count; i++)
        for (size_t k = 0; k < generation->actions[i].slot_count; k++)
            start_slot(generation->actions[i].slots[k]);
}

bool supervisor_loading(const struct supervisor *supervisor)
{
    return supervisor->loading;
}

unsigned supervisor_generation(const struct supervisor *supervisor)
{
    return supervisor->current ? supervisor->current->number : 0;
}

struct supervisor *supervisor_new(uv_loop_t *loop, struct runner *runner, const struct state *state)
{
    struct supervisor *supervisor = memory_new(sizeof *supervisor);
    supervisor->loop = loop;
    supervisor->runner = runner;
    supervisor->state = state;
    uv_timer_init(loop, &supervisor->timer);
    supervisor->timer.data = supervisor;
    return supervisor;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void supervisor_free(struct supervisor *supervisor)
{
    for (struct generation *generation = supervisor->generations, *next; generation;
         generation = next) {
        next = generation->next;
        struct conf *conf = generation->conf;
        free_generation(generation);
        supervisor->replaced(supervisor->context, conf);
    }
    uv_close((uv_handle_t *)&supervisor->timer, on_timer_closed);
}

void supervisor_send(void *worker, const struct buffer *frames)
{
    struct slot *slot = worker;
    if (slot->process)
        process_send(slot->process, frames);
}

/* ---- stopping ---- */

static void each_process(struct supervisor *supervisor, void (*deed)(struct slot *slot))
{
    for (struct generation *generation = supervisor->generations; generation;
         generation = generation->next)
        for (size_t i = 0; i < generation->action_count; i++)
            for (size_t k = 0; k < generation->actions[i].slot_count; k++)
                deed(generation->actions[i].slots[k]);
}

static void kill_slot(struct slot *slot)
{
    if (slot->process)
        process_kill(slot->process, SIGKILL);
}

void supervisor_stop(struct supervisor *supervisor)
{
    supervisor->stopping = true;
    uv_timer_stop(&supervisor->timer);
    each_process(supervisor, stop_slot);
}

bool supervisor_idle(const struct supervisor *supervisor)
{
    for (const struct generation *generation = supervisor->generations; generation;
         generation = generation->next)
        if (generation->live)
            return false;
    return true;
}

void supervisor_kill(struct supervisor *supervisor)
{
    each_process(supervisor, kill_slot);
}

/* ---- for people ---- */

static struct action *find_action(const struct supervisor *supervisor, const char *name)
{
    struct generation *current = supervisor->current;
    for (size_t i = 0; current && i < current->action_count; i++)
        if (strcmp(current->actions[i].conf->name, name) == 0)
            return &current->actions[i];
    return NULL;
}

const json_t *supervisor_description(const struct supervisor *supervisor, const char *name)
{
    const struct action *action = find_action(supervisor, name);
    return action ? action->description : NULL;
}

/* The best that one of its workers is: ready, else starting, restarting, quarantined. */
static const char *action_state(const struct action *action)
{
    static const char *const names[] = {
        [SLOT_STARTING] = "starting",  [SLOT_READY] = "ready",
        [SLOT_WAITING] = "restarting", [SLOT_QUARANTINED] = "quarantined",
        [SLOT_STOPPING] = "stopping",  [SLOT_GONE] = "stopping"};
    static const enum slot_state order[] = {SLOT_READY, SLOT_STARTING, SLOT_WAITING,
                                            SLOT_QUARANTINED, SLOT_STOPPING};
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        for (size_t i = 0; i < action->slot_count; i++)
            if (action->slots[i]->state == order[o])
                return names[order[o]];
    return "stopping";
}

json_t *supervisor_actions_json(const struct supervisor *supervisor)
{
    json_t *list = json_array();
    const struct generation *current = supervisor->current;
    for (size_t i = 0; current && i < current->action_count; i++) {
        const struct action *action = &current->actions[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s?, s:s, s:s, s:s?, s:i}", "name",
                                        action->conf->name, "label", action->conf->label, "plugin",
                                        action->conf->plugin, "state", action_state(action),
                                        "reason", *action->trouble ? action->trouble : NULL,
                                        "workers", (int)action->slot_count));
    }
    return list;
}

json_t *supervisor_plugins_json(const struct supervisor *supervisor)
{
    static const char *const shown[] = {"version", "channel", "label_en", "label_de",
                                        "help_en", "help_de", "settings", "parameters"};
    json_t *list = json_array();
    const struct generation *current = supervisor->current;
    for (size_t i = 0; current && i < current->action_count; i++) {
        const struct action *action = &current->actions[i];
        json_t *plugin = json_pack("{s:s, s:s?, s:s}", "action", action->conf->name, "label",
                                   action->conf->label, "plugin", action->conf->plugin);
        for (size_t k = 0; k < sizeof shown / sizeof *shown; k++)
            json_object_set(plugin, shown[k], json_object_get(action->description, shown[k]));
        json_array_append_new(list, plugin);
    }
    return list;
}

void supervisor_preview(struct supervisor *supervisor, const char *name,
                        const struct buffer *payload, preview_done done, void *context)
{
    struct error error;
    struct action *action = find_action(supervisor, name);
    struct slot *slot = NULL;
    for (size_t i = 0; action && i < action->slot_count; i++)
        if (action->slots[i]->state == SLOT_READY)
            slot = action->slots[i];
    if (!slot) {
        error_set(&error, ERROR_BUSY, "action »%s« has no worker that is ready%s%s", name,
                  action && *action->trouble ? ": " : "", action ? action->trouble : "");
        done(context, NULL, &error);
        return;
    }
    struct preview *preview = memory_new(sizeof *preview);
    *preview = (struct preview){
        .next = slot->previews, .id = ++supervisor->last_preview, .done = done, .context = context};
    slot->previews = preview;
    BUFFER_CLEAN struct buffer frame = {0};
    size_t mark = frame_begin(&frame, FRAME_PREVIEW);
    put_u32(&frame, preview->id);
    buffer_append(&frame, payload->data, payload->size);
    frame_end(&frame, mark);
    process_send(slot->process, &frame);
}
