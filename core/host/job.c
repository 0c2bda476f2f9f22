#include "host/job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

enum source { FROM_COLUMN, FROM_TODAY, FROM_CAMPAIGN, FROM_RUN };

struct job_name {
    const char *name;
    size_t length;
    enum source source;
    int column;
};

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- what templates see ---- */

static void add_name(struct job *job, const char *name, enum source source, int column)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < job->name_count; i++)
        if (job->names[i].length == length && memcmp(job->names[i].name, name, length) == 0)
            return;
    if (length)
        job->names[job->name_count++] =
            (struct job_name){.name = name, .length = length, .source = source, .column = column};
}

/* Names first, then the roles that are no names, then our own words. */
static void collect_names(struct job *job)
{
    unsigned columns = rows_field_count(job->rows);
    job->names = memory_array(2 * columns + 3, sizeof *job->names);
    for (unsigned i = 0; i < columns; i++)
        add_name(job, rows_field(job->rows, i)->name, FROM_COLUMN, (int)i);
    for (unsigned i = 0; i < columns; i++)
        add_name(job, rows_field(job->rows, i)->role, FROM_COLUMN, (int)i);
    add_name(job, "today", FROM_TODAY, 0);
    add_name(job, "campaign", FROM_CAMPAIGN, 0);
    add_name(job, "run", FROM_RUN, 0);
}

static void give_text(struct template_value *out, const char *text)
{
    out->kind = TEMPLATE_TEXT;
    out->text = text;
    out->length = strlen(text);
}

static int give_cell(const struct job_row *row, int column, struct template_value *out)
{
    static const int kinds[] = {
        [SQLITE_INTEGER] = TEMPLATE_INTEGER,
        [SQLITE_FLOAT] = TEMPLATE_REAL,
        [SQLITE_TEXT] = TEMPLATE_TEXT,
        [SQLITE_NULL] = TEMPLATE_NULL,
    };
    const struct rows_value *value = batch_cell(row->batch, row->ordinal, column);
    if (!value || value->type == SQLITE_BLOB ||
        (value->type == SQLITE_TEXT && !text_is_utf8(value->text, value->length)))
        return -1;
    out->kind = kinds[value->type];
    out->text = value->text;
    out->length = value->length;
    out->integer = value->integer;
    return 0;
}

int job_lookup(void *context, const char *name, size_t length, struct template_value *out)
{
    const struct job_row *row = context;
    const struct job *job = row->job;
    const struct job_name *found = NULL;
    for (size_t i = 0; i < job->name_count && !found; i++)
        if (job->names[i].length == length && memcmp(job->names[i].name, name, length) == 0)
            found = &job->names[i];
    if (!found)
        return -1;
    switch (found->source) {
    case FROM_COLUMN:
        return give_cell(row, found->column, out);
    case FROM_TODAY:
        give_text(out, job->today);
        break;
    case FROM_CAMPAIGN:
        give_text(out, job->campaign);
        break;
    case FROM_RUN:
        out->kind = TEMPLATE_INTEGER;
        out->integer = job->run;
        break;
    }
    return 0;
}

/* ---- opening ---- */

static void set_today(struct job *job, int64_t started_us)
{
    time_t seconds = (time_t)(started_us / 1000000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(job->today, sizeof job->today, "%Y-%m-%d", &local);
}

static const json_t *find_step(const json_t *definition, int64_t step)
{
    size_t index;
    const json_t *entry;
    json_array_foreach(json_object_get(definition, "steps"), index, entry)
        if (number(entry, "number") == step)
            return entry;
    return NULL;
}

static int read_parameters(struct job *job, const struct plugin *plugin, struct error *error)
{
    const json_t *definition = rows_definition(job->rows);
    const json_t *step = find_step(definition, job->step);
    if (!step)
        return error_set(error, ERROR_INPUT, "the run's definition has no step %u", job->step);
    FREE_CLEAN const char **columns =
        memory_array(rows_field_count(job->rows) + 1, sizeof *columns);
    for (unsigned i = 0; i < rows_field_count(job->rows); i++)
        columns[i] = rows_field(job->rows, i)->name;
    struct declared_names names = {.columns = columns,
                                   .reports = json_object_get(definition, "reports")};
    job->parameters = parameters_step(json_object_get(plugin->description, "parameters"),
                                      json_object_get(step, "parameters"), &names,
                                      reports_partials(job->reports), error);
    return job->parameters ? 0 : -1;
}

static int check_report(void *reports, const char *name, struct error *error)
{
    return reports_check(reports, name, error);
}

static int open_in_plugin(struct job *job, const struct job_context *context, const json_t *json,
                          struct error *error)
{
    struct campaignd_failure why = {.size = sizeof why};
    struct campaignd_run run = {
        .size = sizeof run,
        .number = job->run,
        .uuid = rows_uuid(job->rows),
        .campaign = job->campaign,
        .step = member(json, "step_name"),
        .purpose = member(json, "purpose"),
        .recipients = rows_recipients(job->rows),
        .preview = job->preview,
    };
    const struct campaignd_action *action = &context->plugin->action;
    if (action->open &&
        action->open(context->loaded, &run, job->parameters, &job->opened, &why) != 0) {
        why.message[sizeof why.message - 1] = 0;
        return error_set(error, ERROR_INPUT, "%s",
                         *why.message ? why.message
                                      : "the plugin refused the step and said not "
                                        "why");
    }
    job->is_open = true;
    return 0;
}

static int fill(struct job *job, const struct job_context *context, const json_t *json,
                struct error *error)
{
    int64_t started_us = number(json, "started_us");
    job->run = (uint32_t)number(json, "run");
    job->step = (uint32_t)number(json, "step");
    job->campaign = memory_text(member(json, "campaign"));
    job->language = memory_text(member(json, "language"));
    set_today(job, started_us ? started_us : clock_now_us());
    job->rows = rows_open(member(json, "rows"), error);
    if (!job->rows)
        return -1;
    collect_names(job);
    job->reports = reports_open(job->rows, context->layout, job->language, started_us);
    if (!job->preview) {
        job->filing = filings_take(context->filings, member(json, "archive"), rows_uuid(job->rows),
                                   context->instance, error);
        if (!job->filing)
            return -1;
    }
    if (read_parameters(job, context->plugin, error) != 0 ||
        parameters_reports(job->parameters, check_report, job->reports, error) != 0)
        return -1;
    return open_in_plugin(job, context, json, error);
}

struct job *job_open(const struct job_context *context, const json_t *json, bool preview,
                     struct error *error)
{
    struct job *job = memory_new(sizeof *job);
    job->preview = preview;
    job->last_claim = &job->claims;
    if (fill(job, context, json, error) == 0)
        return job;
    job_close(job, context, NULL);
    return NULL;
}

void job_close(struct job *job, const struct job_context *context, struct batches *batches)
{
    struct error error;
    if (job->is_open && context->plugin->action.close)
        context->plugin->action.close(job->opened);
    if (filings_release(context->filings, job->filing, &error) != 0)
        log_error("run %u, step %u: %s", job->run, job->step, error.message);
    if (job->batch)
        batches_release(batches, job->batch);
    parameters_free(job->parameters);
    reports_close(job->reports);
    rows_close(job->rows);
    free(job->names);
    free(job->campaign);
    free(job->language);
    free(job);
}
