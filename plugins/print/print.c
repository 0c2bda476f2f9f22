/*
 * The print action: each recipient's letter, rendered from a report of the run and filed in the
 * document archive. It makes documents and nothing else, so it is repeatable: a task that a crash
 * cut short is simply done again.
 */
#include <campaignd/action.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugin {
    const struct campaignd_host *host;
};

struct job {
    const struct campaignd_host *host;
    const char *report;
};

static const struct campaignd_parameter report = {
    .size = sizeof report,
    .name = "report",
    .type = CAMPAIGND_PARAMETER_REPORT,
    .required = 1,
    .label_en = "Report",
    .label_de = "Bericht",
    .help_en = "A report of the kind letter",
    .help_de = "Ein Bericht der Art Brief",
};

static const struct campaignd_choice output_archive = {
    .size = sizeof output_archive,
    .name = "archive",
    .label_en = "The document archive",
    .label_de = "Das Dokumenten-Archiv",
};
static const struct campaignd_choice *const output_choices[] = {&output_archive, NULL};

static const struct campaignd_parameter output = {
    .size = sizeof output,
    .name = "output",
    .type = CAMPAIGND_PARAMETER_CHOICE,
    .default_value = "archive",
    .choices = output_choices,
    .label_en = "Where to",
    .label_de = "Wohin",
    .help_en = "Where the letters go",
    .help_de = "Wohin die Briefe gehen",
};

static const struct campaignd_parameter *const parameters[] = {&report, &output, NULL};

static int32_t print_load(const struct campaignd_host *host,
                          const struct campaignd_parameters *settings, void **out,
                          struct campaignd_failure *why)
{
    (void)settings, (void)why;
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin)
        return -1;
    plugin->host = host;
    *out = plugin;
    return 0;
}

static int32_t print_open(void *context, const struct campaignd_run *run,
                          const struct campaignd_parameters *values, void **out,
                          struct campaignd_failure *why)
{
    (void)run, (void)why;
    const struct plugin *plugin = context;
    struct campaignd_value value = CAMPAIGND_VALUE;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return -1;
    plugin->host->parameter(values, "report", &value);
    job->host = plugin->host;
    job->report = value.text;
    *out = job;
    return 0;
}

static int32_t make_letter(const struct job *job, campaignd_task task, struct campaignd_bytes *pdf,
                           struct campaignd_bytes *name, struct campaignd_failure *why)
{
    *pdf = *name = (struct campaignd_bytes)CAMPAIGND_BYTES;
    if (job->host->report_render(job->report, task, pdf, name, why) < 0)
        return -1;
    if (pdf->length >= 5 && memcmp(pdf->data, "%PDF-", 5) == 0)
        return 0;
    snprintf(why->message, sizeof why->message,
             "the report »%.100s« is no letter; name one of the kind letter", job->report);
    return -1;
}

static int32_t file_letter(const struct job *job, campaignd_task task,
                           struct campaignd_failure *why)
{
    struct campaignd_bytes pdf, name;
    if (make_letter(job, task, &pdf, &name, why) < 0)
        return -1;
    return job->host->document_add(task, name.data, "application/pdf", pdf.data, pdf.length, why);
}

static void print_send(void *job, campaignd_task task, struct campaignd_outcome *outcome)
{
    static _Thread_local struct campaignd_failure why; /* copied when this call has returned */
    why = (struct campaignd_failure){.size = sizeof why};
    outcome->status = CAMPAIGND_DELIVERED;
    if (file_letter(job, task, &why) == 0)
        return;
    outcome->status = CAMPAIGND_REJECTED;
    outcome->text = why.message;
}

static int32_t print_preview(void *job, campaignd_task task, const struct campaignd_preview *out,
                             struct campaignd_failure *why)
{
    struct campaignd_bytes pdf, name;
    if (make_letter(job, task, &pdf, &name, why) < 0)
        return -1;
    out->add(out->context, name.data, "application/pdf", pdf.data, pdf.length);
    return 0;
}

static void print_close(void *job)
{
    free(job);
}

static void print_unload(void *plugin)
{
    free(plugin);
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .flags = CAMPAIGND_REPEATABLE,
    .name = "print",
    .version = PLUGIN_VERSION,
    .label_en = "Print",
    .label_de = "Drucken",
    .help_en = "Makes each recipient's letter as a PDF and files it in the document archive",
    .help_de = "Macht für jeden Empfänger den Brief als PDF und legt ihn im Dokumenten-Archiv ab",
    .parameters = parameters,
    .load = print_load,
    .open = print_open,
    .send = print_send,
    .preview = print_preview,
    .close = print_close,
    .unload = print_unload,
    .channel = "letter",
};
