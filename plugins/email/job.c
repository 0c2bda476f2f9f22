#include "job.h"

#include "address.h"
#include "settings.h"

#include <glib.h>

struct plugin {
    const struct campaignd_host *host;
    struct email_settings settings;
};

struct job {
    struct plugin *plugin;
    struct mailbox from;
};

void email_unload(void *context)
{
    struct plugin *plugin = context;
    settings_clear(&plugin->settings);
    g_free(plugin);
}

int32_t email_load(const struct campaignd_host *host, const struct campaignd_parameters *settings,
                   void **out, struct campaignd_failure *why)
{
    struct plugin *plugin = g_new0(struct plugin, 1);
    plugin->host = host;
    if (settings_read(&plugin->settings, host, settings, why) < 0) {
        email_unload(plugin);
        return -1;
    }
    *out = plugin;
    return 0;
}

int32_t email_open(void *plugin, const struct campaignd_run *run,
                   const struct campaignd_parameters *parameters, void **out,
                   struct campaignd_failure *why)
{
    (void)run, (void)parameters, (void)why;
    struct job *job = g_new0(struct job, 1);
    job->plugin = plugin;
    *out = job;
    return 0;
}

int32_t email_prepare(void *job, campaignd_task task, struct campaignd_outcome *outcome)
{
    (void)job, (void)task, (void)outcome;
    return 0;
}

void email_deliver(void *context, campaignd_task task)
{
    struct job *job = context;
    struct campaignd_outcome outcome = {.size = sizeof(outcome), .status = CAMPAIGND_DEFERRED};
    job->plugin->host->done(task, &outcome);
}

void email_cancel(void *job, campaignd_task task)
{
    (void)job, (void)task;
}

int32_t email_preview(void *job, campaignd_task task, const struct campaignd_preview *out,
                      struct campaignd_failure *why)
{
    (void)job, (void)task, (void)out;
    return settings_fail(why, "no preview");
}

void email_close(void *job)
{
    g_free(job);
}
