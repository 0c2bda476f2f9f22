/* A repeatable action of the simple tier that makes one document a recipient from a template, and
 * a copy of what an earlier step made. */
#include <campaignd/action.h>

#include <stdio.h>
#include <string.h>

struct job {
    const struct campaignd_template *body;
};

static const struct campaignd_host *host;
static struct job the_job;

static const struct campaignd_parameter body = {
    .size = sizeof body, .name = "body", .type = CAMPAIGND_PARAMETER_TEMPLATE, .required = 1};
static const struct campaignd_parameter report = {
    .size = sizeof report, .name = "report", .type = CAMPAIGND_PARAMETER_REPORT};
static const struct campaignd_parameter column = {
    .size = sizeof column, .name = "column", .type = CAMPAIGND_PARAMETER_COLUMN};
static const struct campaignd_parameter *const parameters[] = {&body, &report, &column, NULL};

static int32_t load(const struct campaignd_host *offered, const struct campaignd_parameters *table,
                    void **plugin, struct campaignd_failure *why)
{
    (void)table, (void)plugin, (void)why;
    host = offered;
    return 0;
}

static int32_t open_job(void *plugin, const struct campaignd_run *run,
                        const struct campaignd_parameters *table, void **job,
                        struct campaignd_failure *why)
{
    (void)plugin, (void)run, (void)why;
    the_job.body = host->parameter_template(table, "body");
    *job = &the_job;
    return 0;
}

static int32_t render(const struct job *job, campaignd_task task, struct campaignd_bytes *text,
                      struct campaignd_failure *why)
{
    return host->template_render(job->body, task, CAMPAIGND_AS_TEXT, text, why);
}

/* A second document: what an earlier step made. */
static int32_t copy_earlier(campaignd_task task, struct campaignd_failure *why)
{
    struct campaignd_bytes bytes = CAMPAIGND_BYTES;
    if (host->documents(task) == 0)
        return 0;
    if (host->document_read(task, 0, &bytes, why) < 0)
        return -1;
    return host->document_add(task, "Kopie.txt", "text/plain", bytes.data, bytes.length, why);
}

static void send_one(void *context, campaignd_task task, struct campaignd_outcome *outcome)
{
    static _Thread_local struct campaignd_failure why;
    struct campaignd_bytes text = CAMPAIGND_BYTES;
    if (render(context, task, &text, &why) < 0 ||
        host->document_add(task, "Blatt.txt", "text/plain", text.data, text.length, &why) < 0 ||
        copy_earlier(task, &why) < 0) {
        outcome->status = CAMPAIGND_REJECTED;
        outcome->text = why.message;
    } else {
        outcome->status = CAMPAIGND_DELIVERED;
    }
}

static int32_t preview(void *job, campaignd_task task, const struct campaignd_preview *out,
                       struct campaignd_failure *why)
{
    struct campaignd_bytes text = CAMPAIGND_BYTES;
    (void)out;
    for (uint32_t i = 0; i < host->documents(task); i++) {
        struct campaignd_document document = {.size = sizeof document};
        struct campaignd_bytes bytes = CAMPAIGND_BYTES;
        if (host->document(task, i, &document) < 0 || host->document_read(task, i, &bytes, why) < 0)
            return -1;
        out->add(out->context, document.name, document.mime_type, bytes.data, bytes.length);
    }
    if (render(job, task, &text, why) < 0)
        return -1;
    return host->document_add(task, "Blatt.txt", "text/plain", text.data, text.length, why);
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,    .flags = CAMPAIGND_REPEATABLE,
    .name = "paper",          .version = "1",
    .parameters = parameters, .load = load,
    .open = open_job,         .send = send_one,
    .preview = preview,
};
