#include "daemon/leftovers.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/imports.h"

static bool known(const struct instance_row *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (text_starts(name, rows[i].id))
            return true;
    return false;
}

/* A log of an instance that state.db does not know: never accepted, so nothing was claimed by it. Its owner may still live. */
static void remove_log(const char *folder, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (!dot || strcmp(dot, ".lock") != 0)
        return;
    FREE_CLEAN char *prefix = memory_format("%s/%.*s", folder, (int)(dot - name), name);
    int fd;
    if (tasklog_try_lock(prefix, &fd) != TASKLOG_FREE)
        return;
    tasklog_remove(prefix, NULL);
    file_close(&fd);
}

static void each_file(const char *state_dir, const char *folder_name,
                      void (*deed)(const char *folder, const char *name, void *context),
                      void *context)
{
    FREE_CLEAN char *folder = memory_format("%s/%s", state_dir, folder_name);
    DIR *open_folder = opendir(folder);
    if (!open_folder)
        return; /* a first start */
    for (struct dirent *entry; (entry = readdir(open_folder));)
        if (entry->d_name[0] != '.')
            deed(folder, entry->d_name, context);
    closedir(open_folder);
}

struct instances {
    struct instance_row *rows;
    size_t count;
};

static void look_at_log(const char *folder, const char *name, void *context)
{
    const struct instances *instances = context;
    if (!known(instances->rows, instances->count, name))
        remove_log(folder, name);
}

static void remove_file(const char *folder, const char *name)
{
    FREE_CLEAN char *path = memory_format("%s/%s", folder, name);
    unlink(path);
}

static void look_at_unfinished(const char *folder, const char *name, void *context)
{
    (void)context;
    remove_file(folder, name);
}

/* The tables stay, the files that were to become some do not. */
static void look_at_import(const char *folder, const char *name, void *context)
{
    (void)context;
    if (strstr(name, ".csv"))
        remove_file(folder, name);
}

void leftovers_remove(const char *state_dir, struct state *state)
{
    struct error error;
    struct instances instances;
    if (state_instances(state, &instances.rows, &instances.count, &error) == 0)
        each_file(state_dir, "log", look_at_log, &instances);
    else
        log_error("%s", error.message);
    free(instances.rows);
    each_file(state_dir, "preview", look_at_unfinished, NULL);
    each_file(state_dir, "reading", look_at_unfinished, NULL);
    each_file(state_dir, "selecting", look_at_unfinished, NULL);
    each_file(state_dir, "imports", look_at_import, NULL);
    imports_prepare(state_dir);
}

struct again {
    struct daemon *daemon;
    int64_t run;
};

static void on_prepared(void *context, const struct launch_result *result,
                        const struct error *failed)
{
    struct again *again = context;
    size_t index;
    json_t *problem;
    if (failed)
        runner_fail_run(again->daemon->runner, again->run, failed->message);
    else if (!result->run) /* it does not pass the checks any more */
        json_array_foreach(result->problems, index, problem)
            runner_fail_run(again->daemon->runner, again->run,
                            json_string_value(json_object_get(problem, "message_en")));
    free(again);
}

void leftovers_prepare(struct daemon *daemon)
{
    struct run_row row;
    for (size_t i = 0; runner_unprepared(daemon->runner, i, &row); i++) {
        struct again *again = memory_new(sizeof *again);
        *again = (struct again){.daemon = daemon, .run = row.number};
        FREE_CLEAN char *campaign = memory_format("%lld", (long long)row.campaign_id);
        log_notice("run %lld (%s) was being prepared; that begins anew", (long long)row.number,
                   row.campaign);
        launch_start(daemon, LAUNCH_RUN, campaign, row.uuid, row.requested_by, row.request, true,
                     on_prepared, again);
    }
}
