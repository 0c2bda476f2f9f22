#include "host/job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/format.h"

enum source { FROM_COLUMN, FROM_LIST, FROM_TODAY, FROM_CAMPAIGN, FROM_RUN };

struct job_name {
    const char *name;
    size_t length;
    enum source source;
    int column; /* or the list */
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

/* Names first, then the roles that are no names, then the lists and our own words. */
static void collect_names(struct job *job)
{
    unsigned columns = rows_field_count(job->rows), details = rows_detail_count(job->rows);
    job->names = memory_array(2 * columns + details + 4, sizeof *job->names);
    for (unsigned i = 0; i < columns; i++)
        add_name(job, rows_field(job->rows, i)->name, FROM_COLUMN, (int)i);
    for (unsigned i = 0; i < columns; i++)
        add_name(job, rows_field(job->rows, i)->role, FROM_COLUMN, (int)i);
    for (unsigned i = 0; i < details; i++)
        add_name(job, rows_detail(job->rows, i)->name, FROM_LIST, (int)i);
    add_name(job, "members", FROM_LIST, ROWS_MEMBERS);
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

static int give_cell(const struct rows_value *value, const struct format *formats,
                     struct template_value *out)
{
    static const int kinds[] = {
        [SQLITE_INTEGER] = TEMPLATE_INTEGER,
        [SQLITE_FLOAT] = TEMPLATE_REAL,
        [SQLITE_TEXT] = TEMPLATE_TEXT,
        [SQLITE_NULL] = TEMPLATE_NULL,
    };
    if (!value || value->type == SQLITE_BLOB ||
        (value->type == SQLITE_TEXT && !text_is_utf8(value->text, value->length)))
        return -1;
    out->kind = kinds[value->type];
    out->text = value->text;
    out->length = value->length;
    out->integer = value->integer;
    out->formats = formats;
    return 0;
}

static const struct job_name *find_name(const struct job *job, const char *name, size_t length)
{
    for (size_t i = 0; i < job->name_count; i++)
        if (job->names[i].length == length && memcmp(job->names[i].name, name, length) == 0)
            return &job->names[i];
    return NULL;
}

/* ---- lists ---- */

/* One reading of a list. */
struct job_walk {
    const struct job_list *list;
    struct rows_walk *rows;
};

static int detail_column(const struct job *job, int group, const char *name)
{
    const struct rows_detail *detail = rows_detail(job->rows, (unsigned)group);
    for (unsigned i = 0; i < detail->field_count; i++)
        if (strcmp(detail->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The column of a list, and how it is written; -1: there is none. */
static int list_column(const struct job_list *list, const char *name, const struct format **formats)
{
    const struct job *job = list->row->job;
    const struct job_name *found =
        list->list == ROWS_MEMBERS ? find_name(job, name, strlen(name)) : NULL;
    int column = list->list != ROWS_MEMBERS              ? detail_column(job, list->list, name)
                 : found && found->source == FROM_COLUMN ? found->column
                                                         : -1;
    if (column >= 0)
        *formats = list->list == ROWS_MEMBERS ? job->formats[column]
                                              : job->detail_formats[list->list][column];
    return column;
}

static int lookup_in_row(void *context, const char *name, size_t length, struct template_value *out)
{
    const struct job_walk *walk = context;
    const struct format *formats = NULL;
    (void)length; /* a zero byte follows it */
    int column = list_column(walk->list, name, &formats);
    return column < 0 ? -1 : give_cell(rows_walk_value(walk->rows, column), formats, out);
}

static int has_column(void *context, const char *name, const struct format **formats)
{
    return list_column(context, name, formats) < 0 ? -1 : 0;
}

static void *open_list(void *context)
{
    const struct job_list *list = context;
    struct error error;
    struct job_walk *walk = memory_new(sizeof *walk);
    walk->list = list;
    walk->rows = rows_walk(list->row->job->rows, list->list, (int64_t)list->row->ordinal, &error);
    if (walk->rows)
        return walk;
    log_error("%s", error.message);
    free(walk);
    return NULL;
}

static int next_item(void *context, size_t index, struct template_value *out)
{
    struct job_walk *walk = context;
    struct error error = {.message = "a list has fewer rows than were counted"};
    (void)index; /* they come in order */
    if (rows_walk_next(walk->rows, &error) <= 0) {
        log_error("%s", error.message);
        return -1;
    }
    out->kind = TEMPLATE_RECORD;
    out->record = (struct template_data){.lookup = lookup_in_row, .context = walk};
    return 0;
}

static void close_list(void *context)
{
    struct job_walk *walk = context;
    rows_walk_end(walk->rows);
    free(walk);
}

static int give_list(struct job_row *row, int list, struct template_value *out)
{
    struct job_list *entry = &row->lists[list + 1];
    struct error error;
    if (!entry->row) {
        *entry = (struct job_list){.row = row, .list = list};
        entry->count = rows_count(row->job->rows, list, (int64_t)row->ordinal, &error);
        if (entry->count < 0)
            log_error("%s", error.message);
    }
    if (entry->count < 0)
        return -1;
    out->kind = TEMPLATE_LIST;
    out->list = (struct template_list){.count = (size_t)entry->count,
                                       .item = next_item,
                                       .context = entry,
                                       .open = open_list,
                                       .close = close_list,
                                       .column = has_column};
    return 0;
}

int job_lookup(void *context, const char *name, size_t length, struct template_value *out)
{
    struct job_row *row = context;
    const struct job *job = row->job;
    const struct job_name *found = find_name(job, name, length);
    if (!found)
        return -1;
    switch (found->source) {
    case FROM_COLUMN:
        return give_cell(batch_cell(row->batch, row->ordinal, found->column),
                         job->formats[found->column], out);
    case FROM_LIST:
        return give_list(row, found->column, out);
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

/* ---- the fields' own formats ---- */

/* Runs that a daemon before formats had an effect began go on without them. */
static int read_formats(struct job *job, const struct rows_field *fields, unsigned count,
                        const struct format ***formats, struct error *error)
{
    bool have_effect = rows_format(job->rows) > 1;
    *formats = arena_alloc(job->arena, count * sizeof **formats);
    for (unsigned i = 0; i < count && have_effect; i++) {
        const char *text = fields[i].format;
        if (*text && !((*formats)[i] = format_parse(job->arena, text, strlen(text), error)))
            return error_prefix(error, "the format of the field »%.100s«: ", fields[i].name);
    }
    return 0;
}

static int read_all_formats(struct job *job, struct error *error)
{
    job->arena = arena_new();
    if (read_formats(job, rows_field(job->rows, 0), rows_field_count(job->rows), &job->formats,
                     error) != 0)
        return -1;
    for (unsigned i = 0; i < rows_detail_count(job->rows); i++) {
        const struct rows_detail *detail = rows_detail(job->rows, i);
        if (read_formats(job, detail->fields, detail->field_count, &job->detail_formats[i],
                         error) != 0)
            return -1;
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
    if (read_all_formats(job, error) != 0)
        return -1;
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
    arena_free(job->arena);
    free(job->campaign);
    free(job->language);
    free(job);
}
