/*
 * The API's operations. Each is answered once: at once where the loop knows, else after the desk
 * (definitions), the pool (files of runs), a reader or a worker has done its part.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/archives.h"
#include "daemon/confirmations.h"
#include "daemon/daemon.h"
#include "daemon/exchange.h"
#include "daemon/imports.h"
#include "daemon/persons.h"
#include "daemon/previewing.h"
#include "daemon/queries.h"
#include "daemon/rights.h"
#include "daemon/saving.h"
#include "daemon/selecting.h"
#include "daemon/suppressions.h"
#include "daemon/tasks.h"

bool operations_read_body(struct api_request *request, const char *format, ...)
{
    json_error_t fault;
    struct error error;
    va_list targets;
    if (!request->body)
        return true;
    va_start(targets, format);
    int result = json_vunpack_ex(request->body, &fault, JSON_STRICT, format, targets);
    va_end(targets);
    if (result == 0)
        return true;
    error_set(&error, ERROR_INPUT, "the request's body: %s; docs/api.md tells its keys",
              fault.text);
    api_answer_error(request, &error);
    return false;
}

/* ---- definitions, on the desk ---- */

struct desk_work {
    struct store_work work;
    struct daemon *daemon;
    struct api_request *request;
    json_t *result;
    json_t *queries; /* of API_PROBLEMS: all, for their sources */
};

static int apply_definition(struct store_work *work, struct error *error)
{
    struct desk_work *desk = (struct desk_work *)work;
    const struct api_request *request = desk->request;
    struct definitions *definitions = desk->daemon->definitions;
    switch (request->operation) {
    case API_LIST:
        desk->result = definitions_list(definitions, request->kind, error);
        break;
    case API_GET:
        desk->result = definitions_get(definitions, request->kind, request->subject, error);
        break;
    case API_DELETE:
        return definitions_delete(definitions, request->kind, request->subject, error);
    case API_PROBLEMS:
        if (definitions_check(definitions, error) >= 0)
            desk->result = definitions_problems(definitions, error);
        if (desk->result)
            desk->queries = definitions_list(definitions, "query", error);
        return desk->queries ? 0 : -1;
    default:
        return error_set(error, ERROR_INTERNAL, "not an operation on definitions");
    }
    return desk->result ? 0 : -1;
}

/* The definitions do not know the configuration: queries whose source is not in it. */
static void add_unknown_sources(struct daemon *daemon, const json_t *queries, json_t *problems)
{
    size_t index;
    json_t *query;
    char now[TEXT_TIME_SIZE];
    text_time(now, clock_now_us());
    json_array_foreach(queries, index, query) {
        struct error error;
        json_t *definition = json_pack("{s:O}", "query", query);
        json_t *sources = sources_of(daemon, definition, &error);
        if (!sources)
            json_array_append_new(
                problems, json_pack("{s:s, s:O?, s:s, s:s, s:s, s:s}", "table", "query", "row",
                                    json_object_get(query, "id"), "severity", "error", "message_en",
                                    error.message, "message_de",
                                    *error.german ? error.german : error.message, "found_at", now));
        json_decref(sources);
        json_decref(definition);
    }
}

/* A campaign is shown with its last execution. */
static void add_last_run(struct daemon *daemon, const char *kind, json_t *result)
{
    size_t index;
    json_t *campaign;
    if (!kind || strcmp(kind, "campaign") != 0)
        return;
    if (json_is_object(result)) {
        json_object_set_new(result, "last_run",
                            runner_last_run_json(
                                daemon->runner, json_integer_value(json_object_get(result, "id"))));
        return;
    }
    json_array_foreach(result, index, campaign)
        json_object_set_new(campaign, "last_run",
                            runner_last_run_json(daemon->runner, json_integer_value(json_object_get(
                                                                     campaign, "id"))));
}

static void on_definition(struct store_work *work, const struct error *failed)
{
    struct desk_work *desk = (struct desk_work *)work;
    if (failed) {
        api_answer_error(desk->request, failed);
    } else if (desk->request->operation == API_DELETE) {
        api_answer(desk->request, 204, NULL);
    } else {
        add_unknown_sources(desk->daemon, desk->queries, desk->result);
        add_last_run(desk->daemon, desk->request->kind, desk->result);
        api_answer(desk->request, 200, desk->result);
    }
    json_decref(desk->queries);
    free(desk);
}

static void definition(struct daemon *daemon, struct api_request *request)
{
    struct desk_work *desk = memory_new(sizeof *desk);
    desk->work = (struct store_work){.apply = apply_definition, .done = on_definition};
    desk->daemon = daemon;
    desk->request = request;
    store_submit(daemon->desk, &desk->work);
}

/* ---- definitions that are saved ---- */

struct putting {
    struct daemon *daemon;
    struct api_request *request;
    json_t *body;
};

static json_t *put(void *context, struct error *error)
{
    struct putting *putting = context;
    struct definitions *definitions = putting->daemon->definitions;
    const char *kind = putting->request->kind, *subject = putting->request->subject;
    if (!putting->request->may_sql) {
        json_t *present = subject ? definitions_get(definitions, kind, subject, NULL) : NULL;
        int result = rights_check_sql(present, putting->body, error);
        json_decref(present);
        if (result != 0)
            return NULL;
    }
    return definitions_put(definitions, kind, subject, putting->body, error);
}

static void on_put(void *context, json_t *result, const struct error *failed)
{
    struct putting *putting = context;
    if (failed) {
        api_answer_error(putting->request, failed);
    } else {
        add_last_run(putting->daemon, putting->request->kind, result);
        api_answer(putting->request, putting->request->operation == API_NEW ? 201 : 200, result);
    }
    json_decref(putting->body);
    free(putting);
}

/* What is shown beside the document may come back with put, and says nothing there. */
static json_t *without_shown(const json_t *body)
{
    json_t *copy = json_deep_copy(body);
    json_object_del(copy, "last_run");
    json_object_del(copy, "problems");
    return copy;
}

static void put_definition(struct daemon *daemon, struct api_request *request)
{
    struct putting *putting = memory_new(sizeof *putting);
    const char *subject = request->subject ? request->subject : "";
    putting->daemon = daemon;
    putting->request = request;
    putting->body = without_shown(request->body);
    saving_start(daemon, &(struct saving_task){
                             .save = put,
                             .done = on_put,
                             .context = putting,
                             .may_sql = request->may_sql,
                             .campaign = text_equal(request->kind, "campaign") ? subject : NULL,
                         });
}

/* ---- check and start ---- */

static void on_checked(void *context, const struct launch_result *result,
                       const struct error *failed)
{
    if (failed) {
        api_answer_error(context, failed);
        return;
    }
    json_t *body =
        json_pack("{s:b, s:o, s:O}", "ok", !check_has_error(result->problems), "recipients",
                  result->recipients < 0 ? json_null() : json_integer(result->recipients),
                  "problems", result->problems);
    if (result->left_out)
        json_object_set(body, "left_out", (json_t *)result->left_out);
    if (result->steps)
        json_object_set(body, "steps", (json_t *)result->steps);
    if (result->groups)
        json_object_set(body, "groups", (json_t *)result->groups);
    api_answer(context, 200, body);
}

static void on_launched(void *context, const struct launch_result *result,
                        const struct error *failed)
{
    struct api_request *request = context;
    if (failed) {
        api_answer_error(request, failed);
        return;
    }
    size_t index;
    json_t *problem;
    json_array_foreach(result->problems, index, problem) {
        const char *severity = json_string_value(json_object_get(problem, "severity"));
        if (!severity || strcmp(severity, "error") != 0)
            continue;
        const char *where = json_string_value(json_object_get(problem, "where"));
        json_t *error =
            json_pack("{s:s, s:o, s:o}", "code", "input", "message",
                      json_sprintf("%s: %s", where,
                                   json_string_value(json_object_get(problem, "message_en"))),
                      "message_de",
                      json_sprintf("%s: %s", where,
                                   json_string_value(json_object_get(problem, "message_de"))));
        api_answer(request, 422,
                   json_pack("{s:o, s:O}", "error", error, "problems", result->problems));
        return;
    }
    json_t *body = json_pack("{s:I}", "run", (json_int_t)result->run);
    api_answer(request, 202, body);
}

static void start(struct daemon *daemon, struct api_request *request)
{
    const char *uuid = NULL;
    int force = 0;
    struct error error;
    if (!operations_read_body(request, "{s?b, s?s}", "force", &force, "uuid", &uuid))
        return;
    if (uuid && (!*uuid || strlen(uuid) > 64)) {
        error_set(&error, ERROR_INPUT, "uuid: 1 to 64 characters");
        api_answer_error(request, &error);
        return;
    }
    launch_start(daemon, LAUNCH_RUN, request->subject, uuid, request->user, 0, force != 0,
                 on_launched, request);
}

static void check(struct daemon *daemon, struct api_request *request)
{
    launch_start(daemon, LAUNCH_CHECK, request->subject, NULL, request->user, 0, false, on_checked,
                 request);
}

/* ---- runs ---- */

/* Runs that ended before: their steps are read from their files, on the pool. */
struct steps_work {
    uv_work_t work;
    struct api_request *request;
    char *state_dir;
    json_t *answer; /* one run, or an array of them */
};

static void add_steps(const char *state_dir, json_t *run)
{
    if (json_object_get(run, "steps"))
        return;
    int64_t number = json_integer_value(json_object_get(run, "number"));
    bool started = !json_is_null(json_object_get(run, "started_at"));
    json_t *steps = started ? runner_steps_from_file(state_dir, number, NULL) : NULL;
    json_object_set_new(run, "steps", steps ? steps : json_array());
}

static void read_steps(uv_work_t *work)
{
    struct steps_work *steps = work->data;
    size_t index;
    json_t *run;
    if (json_is_object(steps->answer))
        add_steps(steps->state_dir, steps->answer);
    json_array_foreach(steps->answer, index, run)
        add_steps(steps->state_dir, run);
}

static void on_steps(uv_work_t *work, int status)
{
    struct steps_work *steps = work->data;
    (void)status;
    api_answer(steps->request, 200, steps->answer);
    free(steps->state_dir);
    free(steps);
}

static void answer_with_steps(struct daemon *daemon, struct api_request *request, json_t *answer)
{
    struct steps_work *steps = memory_new(sizeof *steps);
    steps->request = request;
    steps->state_dir = memory_text(daemon->conf->daemon.state_dir);
    steps->answer = answer;
    steps->work.data = steps;
    uv_queue_work(daemon->loop, &steps->work, read_steps, on_steps);
}

static void show_run(struct daemon *daemon, struct api_request *request)
{
    struct error error;
    json_t *run = runner_run_json(daemon->runner, request->run);
    if (run) {
        answer_with_steps(daemon, request, run);
        return;
    }
    error_say(&error, ERROR_NOT_FOUND, "there is no run %lld", "Eine Ausführung %lld gibt es nicht",
              (long long)request->run);
    api_answer_error(request, &error);
}

static void list_runs(struct daemon *daemon, struct api_request *request)
{
    size_t limit = request->limit ? (size_t)request->limit : 100;
    answer_with_steps(daemon, request, runner_runs_json(daemon->runner, limit));
}

/* What a pause or a cancel has changed is answered when it is durable: a core that is killed right
 * after its answer must not go on sending. */
struct steered {
    struct store_work work;
    struct daemon *daemon;
    struct api_request *request;
};

static int apply_nothing(struct store_work *work, struct error *error)
{
    (void)work, (void)error;
    return 0;
}

static void on_steered(struct store_work *work, const struct error *failed)
{
    struct steered *steered = (struct steered *)work;
    if (failed)
        api_answer_error(steered->request, failed);
    else
        show_run(steered->daemon, steered->request);
    free(steered);
}

static void answer_when_durable(struct daemon *daemon, struct api_request *request)
{
    struct steered *steered = memory_new(sizeof *steered);
    *steered = (struct steered){.work = {.database = &daemon->state.database,
                                         .apply = apply_nothing,
                                         .done = on_steered,
                                         .keep = true},
                                .daemon = daemon,
                                .request = request};
    store_submit(daemon->store, &steered->work);
}

static void steer(struct daemon *daemon, struct api_request *request)
{
    struct error error;
    FREE_CLEAN char *who = memory_format("paused by %s", request->user);
    int result = request->operation == API_RUN_PAUSE
                     ? runner_pause(daemon->runner, request->run, who, &error)
                 : request->operation == API_RUN_RESUME
                     ? runner_resume(daemon->runner, request->run, &error)
                     : runner_cancel(daemon->runner, request->run, &error);
    if (result == 0)
        answer_when_durable(daemon, request);
    else
        api_answer_error(request, &error);
}

/* ---- the daemon itself ---- */

static void status(struct daemon *daemon, struct api_request *request)
{
    api_answer(request, 200,
               json_pack("{s:s, s:I, s:i, s:s, s:I, s:o}", "version", CAMPAIGND_VERSION, "uptime_s",
                         (json_int_t)((clock_monotonic_us() - daemon->started_us) / 1000000),
                         "generation", (int)supervisor_generation(daemon->supervisor), "state",
                         daemon->stopping ? "stopping" : "running", "runs_active",
                         (json_int_t)runner_active(daemon->runner), "actions",
                         supervisor_actions_json(daemon->supervisor)));
}

struct reloading {
    struct daemon *daemon;
    struct api_request *request;
};

static void on_reloaded(void *context, const struct error *failed)
{
    struct reloading *reloading = context;
    if (failed) {
        json_t *error =
            json_pack("{s:s, s:s}", "code", error_name(failed->code), "message", failed->message);
        api_answer(reloading->request, 422, json_pack("{s:o}", "error", error));
    } else
        api_answer(reloading->request, 200,
                   json_pack("{s:i}", "generation",
                             (int)supervisor_generation(reloading->daemon->supervisor)));
    free(reloading);
}

static void reload(struct daemon *daemon, struct api_request *request)
{
    struct reloading *reloading = memory_new(sizeof *reloading);
    *reloading = (struct reloading){.daemon = daemon, .request = request};
    daemon_reload(daemon, on_reloaded, reloading);
}

void operations_call(void *context, struct api_request *request)
{
    struct daemon *daemon = context;
    struct error error;
    if (daemon->stopping) {
        error_say(&error, ERROR_BUSY, "campaignd is stopping", "campaignd hält gerade an");
        api_answer_error(request, &error);
        return;
    }
    switch (request->operation) {
    case API_STATUS:
        status(daemon, request);
        break;
    case API_RELOAD:
        reload(daemon, request);
        break;
    case API_PLUGINS:
        api_answer(request, 200, supervisor_plugins_json(daemon->supervisor));
        break;
    case API_PROBLEMS:
    case API_LIST:
    case API_GET:
    case API_DELETE:
        definition(daemon, request);
        break;
    case API_NEW:
    case API_PUT:
        put_definition(daemon, request);
        break;
    case API_CAMPAIGN_CHECK:
        check(daemon, request);
        break;
    case API_CAMPAIGN_START:
        start(daemon, request);
        break;
    case API_CAMPAIGN_PREVIEW:
        previewing_start(daemon, request);
        break;
    case API_CAMPAIGN_RECIPIENTS:
        selecting_call(daemon, request);
        break;
    case API_SOURCES:
    case API_SOURCE_TABLES:
    case API_SOURCE_TEST:
    case API_QUERY_RUN:
    case API_QUERY_GROUPS:
    case API_QUERY_SQL:
    case API_QUERY_FIELDS:
    case API_QUERY_LIST:
    case API_CAMPAIGN_LIST:
        queries_call(daemon, request);
        break;
    case API_CAMPAIGN_INDIVIDUAL:
    case API_CAMPAIGN_COMPARE:
    case API_DEFINITIONS_EXPORT:
    case API_DEFINITIONS_IMPORT:
        exchange_call(daemon, request);
        break;
    case API_SUPPRESSIONS:
    case API_SUPPRESSION_NEW:
    case API_SUPPRESSION_DELETE:
    case API_SUPPRESSIONS_IMPORT:
    case API_SUPPRESSIONS_EXPORT:
    case API_SUPPRESSIONS_FEED:
        suppressions_call(daemon, request);
        break;
    case API_PERSON:
        persons_call(daemon, request);
        break;
    case API_IMPORT_PUT:
    case API_IMPORT_DELETE:
        imports_call(daemon, request);
        break;
    case API_RUNS:
        list_runs(daemon, request);
        break;
    case API_RUN:
        show_run(daemon, request);
        break;
    case API_RUN_TASKS:
        tasks_call(daemon, request);
        break;
    case API_RUN_PAUSE:
    case API_RUN_RESUME:
    case API_RUN_CANCEL:
        steer(daemon, request);
        break;
    case API_RUN_CONFIRM:
        confirmations_call(daemon, request);
        break;
    case API_ARCHIVE_LIST:
    case API_ARCHIVE_GET:
    case API_ARCHIVE_VERIFY:
        archives_call(daemon, request);
        break;
    }
}
