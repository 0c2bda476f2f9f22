#include "job.h"

#include "address.h"
#include "maildir.h"
#include "message.h"
#include "pool.h"
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* For each connection one more task than it has under way, so that when many replies come at once
 * the next messages are built already. */
#define SPARE_TASKS_MAX 64
#define MAILDIR_TASKS 128
/* Messages that are prepared and never asked for (their task was taken back) must not pile up. */
#define PREPARED_MAX 2048
#define IDENTITY_LENGTH 32

struct plugin {
    const struct campaignd_host *host;
    struct email_settings settings;
    struct pool *pool; /* one of the two */
    struct maildir *maildir;
};

struct job {
    struct plugin *plugin;
    const struct campaignd_host *host;
    struct mailbox from;
    struct mailbox reply_to; /* its address is "": none */
    const char *to_column;   /* NULL: the role email */
    const char *to_name_column;
    const char *report;
    const struct campaignd_template *subject;
    const struct campaignd_template *text; /* NULL: made from the html */
    int attach;
    int picture_warned;
    GHashTable *prepared; /* task → struct prepared */
    char trouble[500];    /* the text of the last outcome of prepare() */
};

struct prepared {
    campaignd_task task; /* the key in the table */
    char recipient[ADDRESS_LENGTH_MAX + 1];
    GByteArray *message;
};

static void prepared_free(void *context)
{
    struct prepared *prepared = context;
    if (prepared->message)
        g_byte_array_unref(prepared->message);
    g_free(prepared);
}

/* ---- the plugin ---- */

void email_unload(void *context)
{
    struct plugin *plugin = context;
    if (plugin->pool)
        pool_free(plugin->pool);
    if (plugin->maildir)
        maildir_free(plugin->maildir);
    settings_clear(&plugin->settings);
    message_shut_down();
    g_free(plugin);
}

static int make_transport(struct plugin *plugin, struct campaignd_failure *why)
{
    const struct email_settings *settings = &plugin->settings;
    if (settings->transport == EMAIL_MAILDIR) {
        plugin->host->set_concurrency(MAILDIR_TASKS);
        plugin->maildir = maildir_new(plugin->host, settings->maildir);
        return 0;
    }
    plugin->host->set_concurrency(settings->connections +
                                  MIN(settings->connections + 1, SPARE_TASKS_MAX));
    plugin->pool = pool_new(plugin->host, settings, why);
    return plugin->pool ? 0 : -1;
}

int32_t email_load(const struct campaignd_host *host, const struct campaignd_parameters *settings,
                   void **out, struct campaignd_failure *why)
{
    struct plugin *plugin = g_new0(struct plugin, 1);
    plugin->host = host;
    message_initialise();
    if (settings_read(&plugin->settings, host, settings, why) < 0 ||
        make_transport(plugin, why) < 0) {
        email_unload(plugin);
        return -1;
    }
    *out = plugin;
    return 0;
}

/* ---- a job ---- */

static const char *parameter_text(const struct job *job, const struct campaignd_parameters *table,
                                  const char *name)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    if (job->host->parameter(table, name, &value) < 0 || value.length == 0)
        return NULL;
    return value.text;
}

static int read_senders(struct job *job, const struct campaignd_parameters *table,
                        struct campaignd_failure *why)
{
    const char *from = parameter_text(job, table, "from");
    const char *reply_to = parameter_text(job, table, "reply_to");
    if (!from)
        from = job->plugin->settings.from;
    if (!from)
        return settings_fail(why, "no sender: set from in the step, or in the action");
    if (mailbox_parse(&job->from, from, why->message, sizeof(why->message)) < 0)
        return -1;
    return reply_to ? mailbox_parse(&job->reply_to, reply_to, why->message, sizeof(why->message))
                    : 0;
}

int32_t email_open(void *plugin, const struct campaignd_run *run,
                   const struct campaignd_parameters *parameters, void **out,
                   struct campaignd_failure *why)
{
    (void)run;
    struct job *job = g_new0(struct job, 1);
    job->plugin = plugin;
    job->host = job->plugin->host;
    job->to_column = parameter_text(job, parameters, "to");
    job->to_name_column = parameter_text(job, parameters, "to_name");
    job->report = parameter_text(job, parameters, "report");
    job->subject = job->host->parameter_template(parameters, "subject");
    job->text = job->host->parameter_template(parameters, "text");
    const char *attach = parameter_text(job, parameters, "attach");
    job->attach = !attach || !strcmp(attach, "documents");
    job->prepared = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, prepared_free);
    int failed = read_senders(job, parameters, why);
    if (!failed && (!job->report || !job->subject))
        failed = settings_fail(why, "the step needs %s", job->report ? "a subject" : "a report");
    if (failed) {
        email_close(job);
        return -1;
    }
    *out = job;
    return 0;
}

void email_close(void *context)
{
    struct job *job = context;
    g_hash_table_destroy(job->prepared);
    g_free(job);
}

/* ---- making a message ---- */

/* What a message is made of while it is made; freed by clear_parts(). */
struct parts {
    struct job *job;
    campaignd_task task;
    struct mailbox to;
    char *subject, *html, *text;
    GArray *attachments; /* of struct message_file */
    GArray *pictures;    /* the same; names owned */
    int32_t status;      /* why not, with `why` */
    struct campaignd_failure why;
};

static void clear_picture(void *context)
{
    struct message_file *picture = context;
    g_free((char *)picture->name);
}

static void clear_parts(struct parts *parts)
{
    g_free(parts->subject);
    g_free(parts->html);
    g_free(parts->text);
    g_array_unref(parts->attachments);
    g_array_unref(parts->pictures);
}

static int refuse(struct parts *parts, int32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct parts *parts, int32_t status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parts->why.message, sizeof(parts->why.message), format, arguments);
    va_end(arguments);
    parts->status = status;
    return -1;
}

static int find_address(struct parts *parts)
{
    const struct job *job = parts->job;
    const char *column = job->to_column;
    struct campaignd_value value = CAMPAIGND_VALUE;
    int found = column ? job->host->column_by_name(parts->task, column, &value)
                       : job->host->column_by_role(parts->task, "email", &value);
    g_autofree char *where =
        column ? g_strdup_printf("column %.100s", column) : g_strdup("the column of role email");
    if (found < 0)
        return refuse(parts, CAMPAIGND_REJECTED, "no address: %s does not exist", where);
    if (value.type == CAMPAIGND_NULL || value.length == 0)
        return refuse(parts, CAMPAIGND_REJECTED, "no address: %s is empty", where);
    const char *start = value.text, *end = value.text + value.length;
    while (start < end && *start == ' ')
        start++;
    while (end > start && end[-1] == ' ')
        end--;
    const char *fault = address_fault(start, (size_t)(end - start));
    if (fault)
        return refuse(parts, CAMPAIGND_REJECTED, "%s holds no usable address: %s", where, fault);
    memcpy(parts->to.address, start, (size_t)(end - start));
    if (job->to_name_column &&
        job->host->column_by_name(parts->task, job->to_name_column, &value) == 0)
        mailbox_set_name(&parts->to, value.text);
    return 0;
}

static char *valid_copy(const struct campaignd_bytes *bytes)
{
    return g_utf8_make_valid(bytes->data, (gssize)bytes->length);
}

static int render_template(struct parts *parts, const struct campaignd_template *template,
                           int32_t target, const char *what, char **out)
{
    struct campaignd_bytes bytes = CAMPAIGND_BYTES;
    struct campaignd_failure why = {.size = sizeof(why)};
    if (parts->job->host->template_render(template, parts->task, target, &bytes, &why) < 0)
        return refuse(parts, CAMPAIGND_REJECTED, "%s: %.400s", what, why.message);
    *out = valid_copy(&bytes);
    return 0;
}

static int render_report(struct parts *parts)
{
    const struct job *job = parts->job;
    struct campaignd_bytes bytes = CAMPAIGND_BYTES;
    struct campaignd_failure why = {.size = sizeof(why)};
    if (job->host->report_render(job->report, parts->task, &bytes, NULL, &why) < 0)
        return refuse(parts, CAMPAIGND_REJECTED, "report %.60s: %.400s", job->report, why.message);
    parts->html = valid_copy(&bytes);
    return 0;
}

static int render_texts(struct parts *parts)
{
    const struct job *job = parts->job;
    if (render_template(parts, job->subject, CAMPAIGND_AS_HEADER, "subject", &parts->subject) < 0)
        return -1;
    if (job->text && render_template(parts, job->text, CAMPAIGND_AS_TEXT, "text", &parts->text) < 0)
        return -1;
    return render_report(parts);
}

static const char *picture_type(const char *name)
{
    static const char *const types[][2] = {
        {".png", "image/png"}, {".jpg", "image/jpeg"},    {".jpeg", "image/jpeg"},
        {".gif", "image/gif"}, {".svg", "image/svg+xml"}, {".webp", "image/webp"},
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < G_N_ELEMENTS(types); i++) {
        if (!g_ascii_strcasecmp(ending, types[i][0]))
            return types[i][1];
    }
    return "application/octet-stream";
}

static void on_picture(void *context, const char *name)
{
    struct parts *parts = context;
    struct job *job = parts->job;
    for (guint i = 0; i < parts->pictures->len; i++) {
        if (!strcmp(g_array_index(parts->pictures, struct message_file, i).name, name))
            return;
    }
    struct campaignd_bytes bytes = CAMPAIGND_BYTES;
    if (job->host->report_file(job->report, parts->task, name, &bytes) < 0) {
        if (!job->picture_warned++)
            job->host->log(CAMPAIGND_LOG_WARNING, parts->task,
                           "the report %s shows the picture %s, which is not among its files",
                           job->report, name);
        return;
    }
    struct message_file picture = {.name = g_strdup(name),
                                   .mime_type = picture_type(name),
                                   .data = bytes.data,
                                   .length = bytes.length};
    g_array_append_val(parts->pictures, picture);
}

static int read_attachments(struct parts *parts)
{
    const struct campaignd_host *host = parts->job->host;
    uint32_t count = parts->job->attach ? host->documents(parts->task) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct campaignd_document document = {.size = sizeof(document)};
        struct campaignd_bytes bytes = CAMPAIGND_BYTES;
        struct campaignd_failure why = {.size = sizeof(why)};
        if (host->document(parts->task, i, &document) < 0)
            return refuse(parts, CAMPAIGND_DEFERRED, "document %u cannot be found", i + 1);
        if (host->document_read(parts->task, i, &bytes, &why) < 0)
            return refuse(parts, CAMPAIGND_DEFERRED, "document %.100s: %.350s", document.name,
                          why.message);
        struct message_file file = {.name = document.name,
                                    .mime_type = document.mime_type,
                                    .data = bytes.data,
                                    .length = bytes.length};
        g_array_append_val(parts->attachments, file);
    }
    return 0;
}

static GByteArray *build(struct parts *parts)
{
    const struct job *job = parts->job;
    char identity[IDENTITY_LENGTH + 1];
    snprintf(identity, sizeof(identity), "%s", job->host->idempotency_key(parts->task));
    message_find_pictures(parts->html, strlen(parts->html), on_picture, parts);
    struct message_draft draft = {
        .from = &job->from,
        .reply_to = job->reply_to.address[0] ? &job->reply_to : NULL,
        .to = &parts->to,
        .subject = parts->subject,
        .html = parts->html,
        .html_length = strlen(parts->html),
        .text = parts->text,
        .text_length = parts->text ? strlen(parts->text) : 0,
        .identity = identity,
        .date_us = g_get_real_time(),
        .pictures = (const struct message_file *)parts->pictures->data,
        .picture_count = parts->pictures->len,
        .attachments = (const struct message_file *)parts->attachments->data,
        .attachment_count = parts->attachments->len,
    };
    return message_build(&draft);
}

/* NULL: *status and `why` say why not. The caller frees the result. */
static struct prepared *make_message(struct job *job, campaignd_task task, int32_t *status,
                                     char *why, size_t why_size)
{
    struct parts parts = {.job = job, .task = task};
    struct prepared *prepared = NULL;
    parts.attachments = g_array_new(FALSE, FALSE, sizeof(struct message_file));
    parts.pictures = g_array_new(FALSE, FALSE, sizeof(struct message_file));
    g_array_set_clear_func(parts.pictures, clear_picture);
    if (find_address(&parts) == 0 && render_texts(&parts) == 0 && read_attachments(&parts) == 0) {
        prepared = g_new0(struct prepared, 1);
        prepared->task = task;
        prepared->message = build(&parts);
        memcpy(prepared->recipient, parts.to.address, sizeof(prepared->recipient));
    } else {
        *status = parts.status;
        snprintf(why, why_size, "%s", parts.why.message);
    }
    clear_parts(&parts);
    return prepared;
}

/* ---- a task ---- */

int32_t email_prepare(void *context, campaignd_task task, struct campaignd_outcome *outcome)
{
    struct job *job = context;
    struct prepared *prepared =
        make_message(job, task, &outcome->status, job->trouble, sizeof(job->trouble));
    if (!prepared) {
        outcome->text = job->trouble;
        return -1;
    }
    if (g_hash_table_size(job->prepared) >= PREPARED_MAX)
        g_hash_table_remove_all(job->prepared);
    g_hash_table_replace(job->prepared, &prepared->task, prepared);
    return 0;
}

/* What prepare() made; made again if it was thrown away. */
static struct prepared *take_prepared(struct job *job, campaignd_task task, int32_t *status)
{
    void *prepared = NULL;
    if (g_hash_table_steal_extended(job->prepared, &task, NULL, &prepared))
        return prepared;
    return make_message(job, task, status, job->trouble, sizeof(job->trouble));
}

void email_deliver(void *context, campaignd_task task)
{
    struct job *job = context;
    struct plugin *plugin = job->plugin;
    struct campaignd_outcome outcome = {.size = sizeof(outcome), .text = job->trouble};
    struct prepared *prepared = take_prepared(job, task, &outcome.status);
    if (!prepared) {
        job->host->done(task, &outcome);
        return;
    }
    GByteArray *message = g_steal_pointer(&prepared->message);
    if (plugin->maildir)
        maildir_send(plugin->maildir, task, message);
    else
        pool_send(plugin->pool, delivery_new(task, job->from.address, prepared->recipient,
                                             message_to_wire(message)));
    prepared_free(prepared);
}

void email_cancel(void *context, campaignd_task task)
{
    struct job *job = context;
    g_hash_table_remove(job->prepared, &task);
    if (job->plugin->maildir)
        maildir_cancel(job->plugin->maildir, task);
    else
        pool_cancel(job->plugin->pool, task);
}

int32_t email_preview(void *context, campaignd_task task, const struct campaignd_preview *out,
                      struct campaignd_failure *why)
{
    struct job *job = context;
    int32_t status = 0;
    struct prepared *prepared =
        make_message(job, task, &status, why->message, sizeof(why->message));
    if (!prepared)
        return -1;
    out->add(out->context, "mail.eml", "message/rfc822", prepared->message->data,
             prepared->message->len);
    prepared_free(prepared);
    return 0;
}
