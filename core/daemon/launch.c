/* Check and start share one path: freeze (desk) → the query's columns (reader) → look at everything
 * → count it and its fellow groups, or start. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "daemon/suppressions.h"
#include "host/declared.h"
#include "source/child.h"

struct launch {
    struct store_work work; /* first: on the desk */
    struct launch *next;
    struct daemon *daemon;
    enum launch_kind kind;
    char *campaign;
    char uuid[65];
    char *requested_by;
    int64_t request;
    bool force;
    launch_done done;
    void *context;
    json_t *definition;
    json_t *problems;
    json_t *sources;
    char *suppression; /* a copy of the list */
    int64_t suppression_revision;
    struct launch_result result;
    json_t *counted; /* a check's answer of the reader */
    json_t *fellows; /* the query with all its groups, if it has several */
    json_t *groups;  /* [{"name", "count"}] */
};

static struct launch *waiting; /* for their run to leave `preparing` */

static void finish(struct launch *launch, const struct error *failed)
{
    launch->result.problems = launch->problems;
    launch->result.left_out = json_object_get(launch->counted, "left_out");
    launch->result.steps = json_object_get(launch->counted, "steps");
    launch->result.groups = launch->groups;
    launch->done(launch->context, failed ? NULL : &launch->result, failed);
    json_decref(launch->definition);
    json_decref(launch->sources);
    json_decref(launch->problems);
    json_decref(launch->counted);
    json_decref(launch->fellows);
    json_decref(launch->groups);
    free(launch->campaign);
    free(launch->suppression);
    free(launch->requested_by);
    free(launch);
}

static void add_problem(struct launch *launch, const char *where, const struct error *error)
{
    const char *german = *error->german ? error->german : error->message;
    json_array_append_new(launch->problems,
                          json_pack("{s:s, s:s, s:s, s:s}", "severity", "error", "where", where,
                                    "message_en", error->message, "message_de", german));
}

/* `out`: what is counted is kept there meanwhile, not in memory. */
static void read_source(struct launch *launch, const char *mode, reader_done done)
{
    static unsigned last_file;
    FREE_CLEAN char *out =
        memory_format("%s/reading/count-%u", launch->daemon->conf->daemon.state_dir, ++last_file);
    json_t *request = reader_request(mode, launch->sources, launch->definition);
    json_object_set_new(request, "out", json_string(out));
    json_object_set_new(request, "suppression", json_string(launch->suppression));
    reader_start(launch->daemon->loop, request, done, launch);
    json_decref(request);
}

/* ---- start ---- */

static bool settled(struct launch *launch)
{
    json_t *run = runner_run_json(launch->daemon->runner, launch->result.run);
    const char *state = json_string_value(json_object_get(run, "state"));
    bool over = !state || strcmp(state, "preparing") != 0;
    if (state && strcmp(state, "failed") == 0) {
        const char *reason = json_string_value(json_object_get(run, "reason"));
        struct error error;
        error_set(&error, ERROR_INPUT, "%s", reason ? reason : "the run could not be prepared");
        add_problem(launch, "run", &error);
    }
    json_decref(run);
    return over;
}

void launch_run_changed(struct daemon *daemon)
{
    (void)daemon;
    for (struct launch **place = &waiting; *place;) {
        struct launch *launch = *place;
        if (!settled(launch)) {
            place = &launch->next;
            continue;
        }
        *place = launch->next;
        finish(launch, NULL);
    }
}

static void on_started(void *context, int64_t number, const struct error *failed)
{
    struct launch *launch = context;
    if (failed) {
        finish(launch, failed);
        return;
    }
    launch->result.run = number;
    launch->next = waiting;
    waiting = launch;
    /* A new run is not known yet, and will change. That of a repeated request may be long over. */
    json_t *run = runner_run_json(launch->daemon->runner, number);
    if (run)
        launch_run_changed(launch->daemon);
    json_decref(run);
}

static void start_run(struct launch *launch)
{
    runner_start_run(launch->daemon->runner, json_incref(launch->definition),
                     json_incref(launch->sources), launch->suppression,
                     launch->suppression_revision, launch->uuid, launch->requested_by,
                     launch->request, launch->force, on_started, launch);
}

/* ---- check ---- */

static void on_groups(void *context, const json_t *answer, const struct error *failed)
{
    struct launch *launch = context;
    if (failed)
        add_problem(launch, "query", failed);
    else
        launch->groups = json_incref(json_object_get(answer, "groups"));
    finish(launch, NULL);
}

static void count_groups(struct launch *launch)
{
    struct error error;
    json_t *sources = sources_of(launch->daemon, launch->fellows, &error);
    if (!sources) {
        add_problem(launch, "query", &error);
        finish(launch, NULL);
        return;
    }
    json_t *request = reader_request("groups", sources, launch->fellows);
    json_object_set(request, "groups", json_object_get(launch->fellows, "groups"));
    reader_start(launch->daemon->loop, request, on_groups, launch);
    json_decref(request);
    json_decref(sources);
}

static void on_counted(void *context, const json_t *answer, const struct error *failed)
{
    struct launch *launch = context;
    if (failed)
        add_problem(launch, "query", failed);
    else {
        launch->counted = json_incref((json_t *)answer);
        launch->result.recipients = json_integer_value(json_object_get(answer, "recipients"));
        if (!launch->result.recipients)
            json_array_append_new(launch->problems,
                                  json_pack("{s:s, s:s, s:s, s:s}", "severity", "warning", "where",
                                            "query", "message_en",
                                            "the query delivers no recipients", "message_de",
                                            "Die Abfrage liefert keine Empfänger."));
    }
    if (launch->fellows && !failed)
        count_groups(launch);
    else
        finish(launch, NULL);
}

static void on_columns(void *context, const json_t *answer, const struct error *failed)
{
    struct launch *launch = context;
    if (failed)
        add_problem(launch, "query", failed);
    else
        json_array_extend(launch->problems, json_object_get(answer, "problems"));
    check_definition(launch->daemon, launch->definition, answer, launch->problems);
    if (launch->kind == LAUNCH_RUN && !check_has_error(launch->problems))
        start_run(launch);
    else if (launch->kind == LAUNCH_CHECK && !failed &&
             !check_has_error(json_object_get(answer, "problems")))
        read_source(launch, "count", on_counted);
    else
        finish(launch, NULL);
}

static void on_suppressions(void *context, const char *path, int64_t revision,
                            const struct error *failed)
{
    struct launch *launch = context;
    if (failed) {
        finish(launch, failed);
        return;
    }
    launch->suppression = memory_text(path);
    launch->suppression_revision = revision;
    read_source(launch, "columns", on_columns);
}

/* Of a campaign's own query there is nothing to choose from. */
static json_t *freeze_fellows(struct definitions *definitions, const json_t *definition)
{
    const char *query =
        json_string_value(json_object_get(json_object_get(definition, "query"), "name"));
    const json_t *parameters =
        json_object_get(json_object_get(definition, "campaign"), "parameters");
    json_t *fellows =
        query ? definitions_freeze_groups(definitions, query, parameters, NULL) : NULL;
    if (json_array_size(json_object_get(fellows, "groups")) > 1)
        return fellows;
    json_decref(fellows);
    return NULL;
}

static int apply_freeze(struct store_work *work, struct error *error)
{
    struct launch *launch = (struct launch *)work;
    struct definitions *definitions = launch->daemon->definitions;
    int64_t id = definitions_find(definitions, "campaign", launch->campaign, error);
    if (id >= 0)
        launch->definition = definitions_freeze(definitions, id, error);
    if (launch->definition && launch->kind == LAUNCH_CHECK)
        launch->fellows = freeze_fellows(definitions, launch->definition);
    return launch->definition ? 0 : -1;
}

static void on_frozen(struct store_work *work, const struct error *failed)
{
    struct launch *launch = (struct launch *)work;
    struct error error;
    if (failed && failed->code == ERROR_INPUT) {
        add_problem(launch, "campaign", failed);
        finish(launch, NULL);
    } else if (failed) {
        finish(launch, failed);
    } else if (!(launch->sources = sources_of(launch->daemon, launch->definition, &error))) {
        add_problem(launch, "query", &error);
        check_definition(launch->daemon, launch->definition, NULL, launch->problems);
        finish(launch, NULL);
    } else {
        launch_add_channels(launch->daemon, launch->definition);
        suppressions_file(launch->daemon, on_suppressions, launch);
    }
}

/* The columns that a step's parameters name: what it may take for an address. */
static json_t *named_columns(const json_t *description, const json_t *step)
{
    const json_t *table = json_object_get(description, "parameters");
    json_t *columns = json_array(), *given;
    const char *name;
    json_object_foreach(json_object_get(step, "parameters"), name, given)
        if (text_equal(json_string_value(json_object_get(declared_find(table, name), "type")),
                       "column"))
            json_array_append(columns, given);
    return columns;
}

void launch_add_channels(const struct daemon *daemon, json_t *definition)
{
    size_t index;
    json_t *step;
    json_array_foreach(json_object_get(definition, "steps"), index, step) {
        const char *action = json_string_value(json_object_get(step, "action"));
        const json_t *description =
            supervisor_description(daemon->supervisor, action ? action : "");
        const char *channel = json_string_value(json_object_get(description, "channel"));
        json_object_set_new(step, "channel", json_string(channel ? channel : ""));
        json_object_set_new(step, "addresses", named_columns(description, step));
    }
}

static void make_uuid(char uuid[65])
{
    unsigned char bytes[16];
    char hex[33];
    randombytes_buf(bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    text_hex(hex, bytes, sizeof bytes);
    snprintf(uuid, 65, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void launch_start(struct daemon *daemon, enum launch_kind kind, const char *campaign,
                  const char *uuid, const char *requested_by, int64_t request, bool force,
                  launch_done done, void *context)
{
    struct launch *launch = memory_new(sizeof *launch);
    launch->work = (struct store_work){.apply = apply_freeze, .done = on_frozen};
    launch->daemon = daemon;
    launch->kind = kind;
    launch->campaign = memory_text(campaign);
    launch->requested_by = memory_text(requested_by);
    launch->request = request;
    launch->force = force;
    launch->done = done;
    launch->context = context;
    launch->problems = json_array();
    launch->result.recipients = -1;
    if (uuid)
        text_copy(launch->uuid, sizeof launch->uuid, uuid);
    else
        make_uuid(launch->uuid);
    store_submit(daemon->desk, &launch->work);
}
