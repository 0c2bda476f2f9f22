#include "daemon/saving.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/rights.h"
#include "source/child.h"

/* Somebody waits for the answer. */
#define ASK_LIMIT_US 3000000
#define LOOK_LIMIT_US 20000000

struct saving {
    struct store_work work; /* first: on the desk */
    struct daemon *daemon;
    struct saving_task task;
    json_t *filters;     /* definitions whose filter is to be looked at (what_filter_stands_on) */
    size_t at;           /* the one that is */
    bool looked;         /* all are: now it is kept */
    int64_t deadline_us; /* of the looking */
    json_t *problems;    /* warnings */
    json_t *result;
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void finish(struct saving *saving, const struct error *failed)
{
    if (!failed && json_array_size(saving->problems))
        json_object_set(saving->result, "problems", saving->problems);
    saving->task.done(saving->task.context, failed ? NULL : json_incref(saving->result), failed);
    json_decref(saving->filters);
    json_decref(saving->problems);
    json_decref(saving->result);
    free(saving);
}

static void warn(struct saving *saving, const char *campaign, const struct error *reason)
{
    const char *german = *reason->german ? reason->german : reason->message;
    FREE_CLEAN char *en =
        memory_format("the filter of »%s« could not be checked, and is saved as it "
                      "is; a check of the campaign looks again. %s",
                      campaign, reason->message);
    FREE_CLEAN char *de = memory_format("Der Filter von »%s« konnte nicht geprüft werden und ist "
                                        "gespeichert, wie er ist; eine Prüfung der Kampagne sieht "
                                        "ihn wieder an. %s",
                                        campaign, german);
    json_array_append_new(saving->problems,
                          json_pack("{s:s, s:s, s:s, s:s}", "severity", "warning", "where",
                                    "filter", "message_en", en, "message_de", de));
}

/* ---- on the desk ---- */

/* Of a frozen campaign, what a reader need know to look at its filter; NULL: it has none. */
static json_t *what_filter_stands_on(const json_t *frozen)
{
    const json_t *campaign = json_object_get(frozen, "campaign");
    if (!*text_of(campaign, "filter"))
        return NULL;
    json_t *group = json_copy(json_object_get(frozen, "group"));
    json_object_del(group, "details");
    json_object_del(group, "sets");
    return json_pack("{s:{s:s, s:s, s:O?}, s:O, s:o}", "campaign", "name",
                     text_of(campaign, "name"), "filter", text_of(campaign, "filter"), "parameters",
                     json_object_get(campaign, "parameters"), "query",
                     json_object_get(frozen, "query"), "group", group);
}

/* NULL: there is no such campaign, it has no filter, or `error` says why it stands on nothing. */
static json_t *filter_of(const struct saving *saving, const char *campaign, struct error *error)
{
    struct definitions *definitions = saving->daemon->definitions;
    error->code = ERROR_NONE;
    int64_t id = definitions_find(definitions, "campaign", campaign, NULL);
    json_t *frozen = id < 0 ? NULL : definitions_freeze_source(definitions, id, error);
    json_t *filter = what_filter_stands_on(frozen);
    json_decref(frozen);
    return filter;
}

/* [{…} or null] of the campaigns as they are now. */
static json_t *filters_of(const struct saving *saving, const json_t *campaigns)
{
    size_t index;
    json_t *campaign, *filters = json_array();
    struct error ignored;
    json_array_foreach(campaigns, index, campaign) {
        json_t *filter = filter_of(saving, json_string_value(campaign), &ignored);
        json_array_append_new(filters, filter ? filter : json_null());
    }
    return filters;
}

/* A campaign that lacks what its filter stands on is saved so: it is not finished yet. */
static void warn_of_incomplete(struct saving *saving, const char *campaign,
                               const struct error *reason)
{
    json_t *document = definitions_get(saving->daemon->definitions, "campaign", campaign, NULL);
    if (*text_of(document, "filter"))
        warn(saving, text_of(document, "name"), reason);
    json_decref(document);
}

static void collect_filters(struct saving *saving, const json_t *campaigns, const json_t *before)
{
    size_t index;
    json_t *campaign;
    json_array_foreach(campaigns, index, campaign) {
        struct error reason;
        json_t *filter = filter_of(saving, json_string_value(campaign), &reason);
        if (filter && !json_equal(filter, json_array_get(before, index)))
            json_array_append(saving->filters, filter);
        else if (!filter && reason.code != ERROR_NONE)
            warn_of_incomplete(saving, json_string_value(campaign), &reason);
        json_decref(filter);
    }
}

static json_t *campaigns_before(const struct saving_task *task)
{
    if (task->campaigns)
        return json_incref((json_t *)task->campaigns);
    return task->campaign ? json_pack("[s]", task->campaign) : json_array();
}

/* One that is saved may have another name than before. */
static json_t *campaigns_after(const struct saving *saving)
{
    const json_t *id = json_object_get(saving->result, "id");
    if (saving->task.campaigns || !saving->task.campaign)
        return campaigns_before(&saving->task);
    return json_pack("[o]", json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(id)));
}

static int keep(struct saving *saving, struct error *error)
{
    saving->result = saving->task.save(saving->task.context, error);
    return saving->result ? 0 : -1;
}

static int save_and_collect(struct saving *saving, struct error *error)
{
    if (saving->looked)
        return keep(saving, error);
    json_t *names = campaigns_before(&saving->task), *before = filters_of(saving, names);
    json_decref(names);
    int result = keep(saving, error);
    if (result == 0) {
        names = campaigns_after(saving);
        collect_filters(saving, names, before);
        json_decref(names);
    }
    json_decref(before);
    return result;
}

/* SQL that another has written must not run elsewhere by what is saved. */
static int save_within_rights(struct saving *saving, struct error *error)
{
    struct definitions *definitions = saving->daemon->definitions;
    if (saving->task.may_sql)
        return save_and_collect(saving, error);
    json_t *before = definitions_individual_sources(definitions, error), *after = NULL;
    int result = before ? save_and_collect(saving, error) : -1;
    if (result == 0 && !(after = definitions_individual_sources(definitions, error)))
        result = -1;
    if (result == 0)
        result = rights_check_sources(before, after, error);
    json_decref(before);
    json_decref(after);
    return result;
}

static bool is_to_look(const struct saving *saving)
{
    return !saving->looked && json_array_size(saving->filters);
}

static int apply_saving(struct store_work *work, struct error *error)
{
    struct saving *saving = (struct saving *)work;
    struct definitions *definitions = saving->daemon->definitions;
    if (definitions_begin(definitions, error) != 0)
        return -1;
    if (save_within_rights(saving, error) != 0) {
        definitions_end(definitions, false, NULL);
        return -1;
    }
    return definitions_end(definitions, !is_to_look(saving) && !saving->task.dry_run, error);
}

/* ---- on the loop ---- */

static void look_at_next(struct saving *saving);

static void on_saved(struct store_work *work, const struct error *failed)
{
    struct saving *saving = (struct saving *)work;
    if (!failed && is_to_look(saving))
        look_at_next(saving);
    else
        finish(saving, failed);
}

static void save(struct saving *saving)
{
    json_decref(saving->result);
    saving->result = NULL;
    saving->work = (struct store_work){.apply = apply_saving, .done = on_saved};
    store_submit(saving->daemon->desk, &saving->work);
}

/* The reader's problem with the filter becomes the refusal of what is saved. */
static bool take_fault(const json_t *problems, struct error *error)
{
    size_t index;
    json_t *problem;
    json_array_foreach(problems, index, problem)
        if (text_equal(text_of(problem, "where"), "filter")) {
            error_set(error, ERROR_INPUT, "%s", text_of(problem, "message_en"));
            text_copy(error->german, sizeof error->german, text_of(problem, "message_de"));
            return true;
        }
    return false;
}

static void on_columns(void *context, const json_t *answer, const struct error *failed)
{
    struct saving *saving = context;
    const json_t *filter = json_array_get(saving->filters, saving->at++);
    const char *campaign = text_of(json_object_get(filter, "campaign"), "name");
    struct error fault;
    if (saving->daemon->stopping) {
        error_say(&fault, ERROR_BUSY, "campaignd is stopping", "campaignd hält gerade an");
        finish(saving, &fault);
    } else if (take_fault(json_object_get(answer, "problems"), &fault)) {
        if (saving->task.campaigns)
            error_prefix(&fault, "»%.200s«: ", campaign);
        finish(saving, &fault);
    } else {
        if (failed)
            warn(saving, campaign, failed);
        look_at_next(saving);
    }
}

static void ask(struct saving *saving, json_t *filter, json_t *sources)
{
    const char *name;
    json_t *source;
    json_object_foreach(sources, name, source) {
        json_t *limit = json_object_get(source, "time_limit_us");
        if (json_integer_value(limit) > ASK_LIMIT_US)
            json_integer_set(limit, ASK_LIMIT_US);
    }
    json_t *request = reader_request("columns", sources, filter);
    reader_start(saving->daemon->loop, request, on_columns, saving);
    json_decref(request);
}

/* Of many filters on sources that are slow, the last are not looked at. */
static json_t *sources_in_time(const struct saving *saving, const json_t *filter,
                               struct error *reason)
{
    if (clock_monotonic_us() <= saving->deadline_us)
        return sources_of(saving->daemon, filter, reason);
    error_say(reason, ERROR_BUSY, "The sources take too long to answer.",
              "Die Datenquellen brauchen zu lange für ihre Antwort.");
    return NULL;
}

static void look_at_next(struct saving *saving)
{
    json_t *filter;
    struct error reason;
    for (; (filter = json_array_get(saving->filters, saving->at)); saving->at++) {
        json_t *sources = sources_in_time(saving, filter, &reason);
        if (sources) {
            ask(saving, filter, sources);
            json_decref(sources);
            return;
        }
        warn(saving, text_of(json_object_get(filter, "campaign"), "name"), &reason);
    }
    saving->looked = true;
    save(saving);
}

void saving_start(struct daemon *daemon, const struct saving_task *task)
{
    struct saving *saving = memory_new(sizeof *saving);
    saving->daemon = daemon;
    saving->task = *task;
    saving->filters = json_array();
    saving->deadline_us = clock_monotonic_us() + LOOK_LIMIT_US;
    saving->problems = json_array();
    save(saving);
}
