/*
 * What a plugin declares is learned from a worker that is started to describe it, as a reload would; its settings are then checked
 * here, each with the line that it stands in.
 */
#include "daemon/configtest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/process.h"
#include "daemon/sealed.h"
#include "daemon/supervisor.h"
#include "host/declared.h"

struct test {
    const struct conf_action *action;
    size_t *errors;
    struct process *process;
    json_t *description;
    char *failure;
};

static void complain(struct test *test, const char *file, int line, const char *message)
{
    ++*test->errors;
    fprintf(stderr, "%s:%d: action »%s«: %s\n", file, line, test->action->name, message);
}

static bool on_frame(void *context, enum frame_type type, struct frame_reader payload)
{
    struct test *test = context;
    if (type == FRAME_FAILED)
        test->failure = get_text(&payload);
    else if (type == FRAME_HELLO) {
        get_u32(&payload);
        free(get_text(&payload));
        FREE_CLEAN char *text = get_text(&payload);
        test->description = json_loads(text, 0, NULL);
    } else
        return false;
    return !payload.bad;
}

static const struct conf_setting *setting_named(const struct conf_action *action, const char *name)
{
    for (size_t i = 0; i < action->setting_count; i++)
        if (strcmp(action->settings[i].key, name) == 0)
            return &action->settings[i];
    return NULL;
}

static void on_setting(void *context, const char *name, const struct error *fault)
{
    struct test *test = context;
    const struct conf_setting *setting = setting_named(test->action, name);
    complain(test, setting ? setting->file : test->action->file,
             setting ? setting->line : test->action->line, fault->message);
}

static void check_secrets(struct test *test, const json_t *table)
{
    size_t index;
    json_t *entry;
    json_array_foreach(table, index, entry) {
        const char *type = json_string_value(json_object_get(entry, "type"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        const struct conf_setting *setting = name ? setting_named(test->action, name) : NULL;
        struct error error;
        BUFFER_CLEAN struct buffer secret = {0};
        if (!setting || !type || strcmp(type, "secret") != 0)
            continue;
        if (!text_starts(setting->value, "file:") && !text_starts(setting->value, "credential:"))
            continue; /* declared_check() has said so */
        if (conf_secret(setting->value, setting->file, &secret, &error) != 0)
            complain(test, setting->file, setting->line, error.message);
        memory_wipe(secret.data, secret.size);
    }
}

static void check_settings(struct test *test)
{
    const json_t *table = json_object_get(test->description, "settings");
    json_t *given = json_object();
    for (size_t i = 0; i < test->action->setting_count; i++)
        json_object_set_new(given, test->action->settings[i].key,
                            json_string(test->action->settings[i].value));
    declared_check(table, given, NULL, on_setting, test);
    check_secrets(test, table);
    json_decref(given);
}

/* What the plugin's load() said, at the line of the setting that it names ("server = …: …"), if it names one. */
static void complain_of_load(struct test *test)
{
    for (size_t i = 0; i < test->action->setting_count; i++) {
        const struct conf_setting *setting = &test->action->settings[i];
        FREE_CLEAN char *named = memory_format("%s = ", setting->key);
        if (strstr(test->failure, named)) {
            complain(test, setting->file, setting->line, test->failure);
            return;
        }
    }
    complain(test, test->action->file, test->action->line, test->failure);
}

static void on_gone(void *context, const char *how)
{
    struct test *test = context;
    size_t before = *test->errors;
    if (test->description)
        check_settings(test);
    else if (!test->failure)
        complain(test, test->action->file, test->action->line, how);
    if (test->failure && *test->errors == before) /* else the same faults, told with their lines */
        complain_of_load(test);
    json_decref(test->description);
    free(test->failure);
    free(test);
}

static void describe(uv_loop_t *loop, const struct conf *conf, const struct conf_action *action,
                     size_t *errors)
{
    static const struct process_events events = {.frame = on_frame, .gone = on_gone};
    struct error error;
    BUFFER_CLEAN struct buffer frame = {0};
    struct test *test = memory_new(sizeof *test);
    *test = (struct test){.action = action, .errors = errors};
    FD_CLEAN int plugin = sealed_copy(conf->daemon.plugin_dir, action->plugin, &error);
    if (plugin >= 0)
        test->process = process_start(loop, plugin, -1, &events, test, &error);
    if (!test->process) {
        complain(test, action->file, action->line, error.message);
        free(test);
        return;
    }
    json_t *json = json_pack("{s:s, s:s, s:b}", "action", action->name, "plugin", action->plugin,
                             "describe", 1);
    json_object_set_new(json, "settings", supervisor_settings_json(action));
    FREE_CLEAN char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    size_t mark = frame_begin(&frame, FRAME_CONFIGURE);
    put_text(&frame, text);
    frame_end(&frame, mark);
    process_send(test->process, &frame);
}

static void check_layout(const struct conf *conf, size_t *errors)
{
    struct error error;
    FD_CLEAN int layout = sealed_copy(conf->daemon.library_dir, "letter", &error);
    if (layout >= 0)
        return;
    ++*errors;
    fprintf(stderr, "%s: library_dir: %s\n", conf->file, error.message);
}

static void check_sources(const struct conf *conf, size_t *errors)
{
    for (size_t i = 0; i < conf->source_count; i++) {
        const struct conf_source *source = &conf->sources[i];
        if (!source->path || access(source->path, R_OK) == 0)
            continue;
        ++*errors;
        fprintf(stderr, "%s:%d: source »%s«: cannot read %s: %s\n", source->file, source->line,
                source->name, source->path, strerror(errno));
    }
}

int configtest_main(const char *path)
{
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    struct conf *conf = conf_load(path, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        BUFFER_CLEAN struct buffer line = {0};
        conf_problem_text(&problems.items[i], &line);
        fprintf(stderr, "%s\n", buffer_string(&line));
    }
    if (!conf)
        return 1;
    size_t errors = 0;
    uv_loop_t loop;
    uv_loop_init(&loop);
    signal(SIGPIPE, SIG_IGN);
    check_layout(conf, &errors);
    check_sources(conf, &errors);
    for (size_t i = 0; i < conf->action_count; i++)
        describe(&loop, conf, &conf->actions[i], &errors);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (errors)
        fprintf(stderr, "campaignd: %s: %zu error%s\n", path, errors, errors == 1 ? "" : "s");
    else
        printf("campaignd: %s: all in order (sources: %zu, actions: %zu)\n", path,
               conf->source_count, conf->action_count);
    conf_free(conf);
    return errors ? 1 : 0;
}
