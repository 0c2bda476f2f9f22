/*
 * The functions of the action, as campaignd/action.h describes them: one plugin is one mail server
 * (or folder), one job is a step of a run that sends over it.
 */
#ifndef EMAIL_JOB_H
#define EMAIL_JOB_H

#include <campaignd/action.h>

int32_t email_load(const struct campaignd_host *host, const struct campaignd_parameters *settings,
                   void **plugin, struct campaignd_failure *why);
int32_t email_open(void *plugin, const struct campaignd_run *run,
                   const struct campaignd_parameters *parameters, void **job,
                   struct campaignd_failure *why);
int32_t email_prepare(void *job, campaignd_task task, struct campaignd_outcome *outcome);
void email_deliver(void *job, campaignd_task task);
void email_cancel(void *job, campaignd_task task);
int32_t email_preview(void *job, campaignd_task task, const struct campaignd_preview *out,
                      struct campaignd_failure *why);
void email_close(void *job);
void email_unload(void *plugin);

#endif
