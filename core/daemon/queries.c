/*
 * Each operation on a query takes the same way: what it asks for is read from the body, the query
 * is frozen on the desk, a reader is asked, its answer becomes the request's.
 *
 * Those on a source need no definition.
 */
#include "daemon/queries.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "daemon/suppressions.h"
#include "source/child.h"
#include "source/listing.h"
#include "source/selection.h"

struct asking {
    struct store_work work; /* first: on the desk */
    struct daemon *daemon;
    struct api_request *request;
    const char *group;        /* of the body; NULL: none is named */
    const json_t *parameters; /* of the body; NULL: none */
    json_int_t limit;
    bool save;
    json_t *definition; /* frozen */
    json_t *columns;    /* of API_QUERY_FIELDS */
    json_int_t saved;   /* fields */
    char *out;          /* a list's file */
    int64_t begun_us;   /* of API_SOURCE_TEST */
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static void free_asking(struct asking *asking)
{
    if (asking->out)
        unlink(asking->out);
    free(asking->out);
    json_decref(asking->definition);
    json_decref(asking->columns);
    free(asking);
}

void queries_answer_failure(struct api_request *request, const struct error *error)
{
    if (error->code != ERROR_SYSTEM) {
        api_answer_error(request, error);
        return;
    }
    json_t *body =
        json_pack("{s:{s:s, s:s, s:s*}}", "error", "code", error_name(error->code), "message",
                  error->message, "message_de", *error->german ? error->german : NULL);
    api_answer(request, 422, body);
}

static void fail(struct asking *asking, const struct error *error)
{
    queries_answer_failure(asking->request, error);
    free_asking(asking);
}

static void answer(struct asking *asking, json_t *body)
{
    json_object_del(body, "ok");
    api_answer(asking->request, 200, body);
    free_asking(asking);
}

static struct asking *new_asking(struct daemon *daemon, struct api_request *request)
{
    struct asking *asking = memory_new(sizeof *asking);
    asking->daemon = daemon;
    asking->request = request;
    asking->limit = 20;
    return asking;
}

/* ---- the body ---- */

int queries_check_limit(json_int_t limit, struct error *error)
{
    if (limit >= 0 && limit <= API_LIMIT_MAXIMUM)
        return 0;
    return error_say(
        error, ERROR_INPUT, "limit: %" JSON_INTEGER_FORMAT " is not 0 to %d; ask for fewer rows",
        "limit: %" JSON_INTEGER_FORMAT " liegt nicht zwischen 0 und %d; weniger Zeilen verlangen.",
        limit, API_LIMIT_MAXIMUM);
}

static int check_parameters(const json_t *parameters, struct error *error)
{
    const char *name;
    json_t *value;
    if (parameters && !json_is_object(parameters))
        return error_say(error, ERROR_INPUT,
                         "parameters: an object of names and values is needed: {\"event\": 42}",
                         "parameters: ein Objekt aus Namen und Werten angeben: {\"event\": 42}");
    json_object_foreach((json_t *)parameters, name, value)
        if (json_is_array(value) || json_is_object(value))
            return error_say(error, ERROR_INPUT,
                             "parameters.%.200s: a text, a number, true, false or null is needed",
                             "parameters.%.200s: einen Text, eine Zahl, true, false oder null "
                             "angeben.",
                             name);
    return 0;
}

/* What of the body is not the list's own. False: it is answered. */
static bool read_list(struct asking *asking)
{
    struct listing_options options;
    struct error error;
    json_t *ignored;
    if (!operations_read_body(asking->request, "{s?s, s?o, s?o, s?o, s?o, s?o, s?o}", "group",
                              &asking->group, "parameters", &asking->parameters, "format", &ignored,
                              "separator", &ignored, "formula_guard", &ignored, "byte_order_mark",
                              &ignored, "decimals", &ignored))
        return false;
    if (listing_read_options(asking->request->body, &options, &error) == 0)
        return true;
    api_answer_error(asking->request, &error);
    return false;
}

static bool read_request(struct asking *asking)
{
    struct api_request *request = asking->request;
    struct error error;
    int save = 0;
    bool read = true;
    switch (request->operation) {
    case API_QUERY_RUN:
        read = operations_read_body(request, "{s?s, s?o, s?I}", "group", &asking->group,
                                    "parameters", &asking->parameters, "limit", &asking->limit);
        break;
    case API_QUERY_GROUPS:
        read = operations_read_body(request, "{s?o}", "parameters", &asking->parameters);
        break;
    case API_QUERY_SQL:
        read = operations_read_body(request, "{s?s, s?o}", "group", &asking->group, "parameters",
                                    &asking->parameters);
        break;
    case API_QUERY_FIELDS:
        read = operations_read_body(request, "{s?s, s?o, s?b}", "group", &asking->group,
                                    "parameters", &asking->parameters, "save", &save);
        break;
    default:
        read = read_list(asking);
    }
    asking->save = save != 0;
    if (!read)
        return false;
    if (queries_check_limit(asking->limit, &error) == 0 &&
        check_parameters(asking->parameters, &error) == 0)
        return true;
    api_answer_error(request, &error);
    return false;
}

/* ---- the query, on the desk ---- */

static int apply_query(struct store_work *work, struct error *error)
{
    struct asking *asking = (struct asking *)work;
    struct definitions *definitions = asking->daemon->definitions;
    const char *subject = asking->request->subject;
    const json_t *parameters = asking->parameters;
    const json_t *any = json_null(); /* no values are asked for */
    int64_t campaign;
    switch (asking->request->operation) {
    case API_CAMPAIGN_LIST:
        campaign = definitions_find(definitions, "campaign", subject, error);
        if (campaign >= 0)
            asking->definition = definitions_freeze(definitions, campaign, error);
        break;
    case API_QUERY_GROUPS:
        asking->definition = definitions_freeze_groups(definitions, subject, parameters, error);
        break;
    case API_QUERY_SQL:
    case API_QUERY_FIELDS:
        asking->definition = definitions_freeze_query(definitions, subject, asking->group,
                                                      parameters ? parameters : any, error);
        break;
    default:
        asking->definition =
            definitions_freeze_query(definitions, subject, asking->group, parameters, error);
    }
    return asking->definition ? 0 : -1;
}

/* ---- the reader's answer ---- */

/* That of a group without its key no campaign can be made, before somebody tries. */
static json_t *key_problems(const json_t *definition, const json_t *columns)
{
    json_t *problems = json_array(), *column;
    const json_t *group = json_object_get(definition, "group");
    const char *key = text_of(group, "key");
    size_t index, count = 0;
    const char **names = memory_array(json_array_size(columns) + 1, sizeof *names);
    struct error error = {.code = ERROR_NONE};
    json_array_foreach(columns, index, column)
        names[count++] = text_of(column, "name");
    const char *nearest = suggest_nearest(key, names, count);
    bool found = false;
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(names[i], key) == 0;
    if (!found && nearest)
        error_say(&error, ERROR_INPUT,
                  "the key column »%.200s« of group »%.200s« is not in its query; did you mean "
                  "»%.200s«?",
                  "Die Schlüsselspalte »%.200s« der Gruppe »%.200s« ist nicht in ihrer Abfrage; "
                  "gemeint ist vielleicht »%.200s«.",
                  key, text_of(group, "name"), nearest);
    else if (!found)
        error_say(&error, ERROR_INPUT,
                  "the key column »%.200s« of group »%.200s« is not in its query; add it, or name "
                  "another",
                  "Die Schlüsselspalte »%.200s« der Gruppe »%.200s« ist nicht in ihrer Abfrage; "
                  "sie aufnehmen oder eine andere nennen.",
                  key, text_of(group, "name"));
    if (!found)
        selection_add_problem(problems, "group", &error);
    free(names);
    return problems;
}

static json_t *field_of_guess(const json_t *column)
{
    static const char *const keys[] = {"label_de", "label_en", "role", "format"};
    const json_t *guessed = json_object_get(column, "guessed");
    json_t *field = json_pack("{s:s}", "name", text_of(column, "name"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (*text_of(guessed, keys[i]))
            json_object_set(field, keys[i], json_object_get(guessed, keys[i]));
    return field;
}

static bool has_field(const json_t *fields, const char *name)
{
    size_t index;
    json_t *field;
    json_array_foreach(fields, index, field)
        if (strcmp(text_of(field, "name"), name) == 0)
            return true;
    return false;
}

/* Columns without a field get one as it was guessed. How many. */
static json_int_t add_guesses(json_t *group, const json_t *columns)
{
    json_t *fields = json_object_get(group, "fields"), *column;
    json_int_t added = 0;
    size_t index;
    json_array_foreach(columns, index, column) {
        json_t *field = field_of_guess(column);
        if (json_object_size(field) > 1 && !has_field(fields, text_of(column, "name"))) {
            json_array_append(fields, field);
            added++;
        }
        json_decref(field);
    }
    return added;
}

static json_t *group_named(const json_t *query, const char *name, struct error *error)
{
    size_t index;
    json_t *group;
    json_array_foreach(json_object_get(query, "groups"), index, group)
        if (strcmp(text_of(group, "name"), name) == 0)
            return group;
    error_say(error, ERROR_CONFLICT, "the group »%.200s« is gone meanwhile; try again",
              "Die Gruppe »%.200s« ist inzwischen fort; noch einmal versuchen.", name);
    return NULL;
}

static int apply_save(struct store_work *work, struct error *error)
{
    struct asking *asking = (struct asking *)work;
    struct definitions *definitions = asking->daemon->definitions;
    const char *subject = asking->request->subject;
    json_t *query = definitions_get(definitions, "query", subject, error);
    const char *name = text_of(json_object_get(asking->definition, "group"), "name");
    json_t *group = query ? group_named(query, name, error) : NULL, *saved = NULL;
    if (group) {
        asking->saved = add_guesses(group, asking->columns);
        saved = asking->saved ? definitions_put(definitions, "query", subject, query, error)
                              : json_incref(query);
    }
    json_decref(query);
    json_decref(saved);
    return saved ? 0 : -1;
}

static void on_saved(struct store_work *work, const struct error *failed)
{
    struct asking *asking = (struct asking *)work;
    if (failed)
        fail(asking, failed);
    else
        answer(asking, json_pack("{s:O, s:I}", "columns", asking->columns, "saved", asking->saved));
}

static void answer_with_file(struct asking *asking)
{
    struct error error;
    bool csv = strcmp(text_of(asking->request->body, "format"), "jsonl") != 0;
    FREE_CLEAN char *name = memory_format("%s.%s", asking->request->subject, csv ? "csv" : "jsonl");
    int fd = open(asking->out, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        error_errno(&error, errno, "the list's file");
        api_answer_error(asking->request, &error);
    } else
        api_answer_file(asking->request,
                        csv ? "text/csv; charset=utf-8" : "application/jsonl; charset=utf-8", name,
                        fd);
    free_asking(asking);
}

static void on_answer(void *context, const json_t *told, const struct error *failed)
{
    struct asking *asking = context;
    if (failed) {
        fail(asking, failed);
        return;
    }
    if (asking->out) {
        answer_with_file(asking);
        return;
    }
    asking->columns = json_incref(json_object_get(told, "columns"));
    if (asking->save) {
        asking->work = (struct store_work){.apply = apply_save, .done = on_saved};
        store_submit(asking->daemon->desk, &asking->work);
        return;
    }
    json_t *body = json_copy((json_t *)told);
    if (asking->request->operation == API_QUERY_RUN)
        json_object_set_new(body, "problems", key_problems(asking->definition, asking->columns));
    answer(asking, body);
}

/* ---- what a reader is asked ---- */

static const char *mode_of(enum api_operation operation)
{
    switch (operation) {
    case API_QUERY_RUN:
        return "rows";
    case API_QUERY_GROUPS:
        return "groups";
    case API_QUERY_SQL:
        return "sql";
    case API_QUERY_FIELDS:
        return "columns";
    default:
        return "list";
    }
}

static int make_place(struct asking *asking, struct error *error)
{
    static unsigned last_list;
    FREE_CLEAN char *folder = memory_format("%s/reading", asking->daemon->conf->daemon.state_dir);
    if (file_make_folders(folder, 0700, error) != 0)
        return -1;
    asking->out = memory_format("%s/list-%u", folder, ++last_list);
    return 0;
}

static void ask_reader(struct asking *asking, json_t *sources, const char *suppression)
{
    json_t *request =
        reader_request(mode_of(asking->request->operation), sources, asking->definition);
    json_object_set_new(request, "limit", json_integer(asking->limit));
    json_object_set_new(request, "suppression", json_string(suppression));
    if (asking->request->operation == API_QUERY_GROUPS)
        json_object_set(request, "groups", json_object_get(asking->definition, "groups"));
    if (asking->out) {
        json_object_update_missing(request, asking->request->body);
        json_object_set_new(request, "out", json_string(asking->out));
    }
    reader_start(asking->daemon->loop, request, on_answer, asking);
    json_decref(request);
}

/* Of a campaign's list those are left out who objected, too. */
static void on_suppressions(void *context, const char *path, int64_t revision,
                            const struct error *failed)
{
    struct asking *asking = context;
    struct error error;
    (void)revision;
    json_t *sources = failed ? NULL : sources_of(asking->daemon, asking->definition, &error);
    if (sources)
        ask_reader(asking, sources, path);
    else
        fail(asking, failed ? failed : &error);
    json_decref(sources);
}

static void on_query(struct store_work *work, const struct error *failed)
{
    struct asking *asking = (struct asking *)work;
    struct error error;
    bool list = strcmp(mode_of(asking->request->operation), "list") == 0;
    if (!failed && list && make_place(asking, &error) != 0)
        failed = &error;
    if (failed) {
        fail(asking, failed);
        return;
    }
    launch_add_channels(asking->daemon, asking->definition);
    if (asking->request->operation == API_CAMPAIGN_LIST)
        suppressions_file(asking->daemon, on_suppressions, asking);
    else
        on_suppressions(asking, "", 0, NULL);
}

static void ask(struct daemon *daemon, struct api_request *request)
{
    struct asking *asking = new_asking(daemon, request);
    if (!read_request(asking)) {
        free_asking(asking);
        return;
    }
    asking->work = (struct store_work){.apply = apply_query, .done = on_query};
    store_submit(daemon->desk, &asking->work);
}

/* ---- sources ---- */

static json_t *source_shown(const char *name, const char *label, const char *driver, bool built_in)
{
    return json_pack("{s:s, s:s?, s:s, s:b}", "name", name, "label", label, "driver", driver,
                     "built_in", built_in);
}

static void list_sources(struct daemon *daemon, struct api_request *request)
{
    json_t *list = json_array();
    const struct conf *conf = daemon->conf;
    for (size_t i = 0; i < conf->source_count; i++) {
        const struct conf_source *source = &conf->sources[i];
        json_t *definition = json_pack("{s:{s:s}}", "query", "source", source->name);
        json_t *sources = sources_of(daemon, definition, NULL);
        json_array_append_new(
            list, source_shown(source->name, source->label,
                               text_of(json_object_get(sources, source->name), "driver"), false));
        json_decref(sources);
        json_decref(definition);
    }
    json_array_append_new(list, source_shown("runs", NULL, "runs", true));
    json_array_append_new(list, source_shown("imports", NULL, "sqlite", true));
    api_answer(request, 200, list);
}

static void no_such_source(const struct daemon *daemon, const char *name, struct error *error)
{
    const char *names[CONF_SECTIONS_MAX + 2] = {"runs", "imports"};
    size_t count = 2;
    for (size_t i = 0; i < daemon->conf->source_count; i++)
        names[count++] = daemon->conf->sources[i].name;
    const char *nearest = suggest_nearest(name, names, count);
    if (nearest)
        error_say(error, ERROR_NOT_FOUND, "there is no source »%.200s«; did you mean »%s«?",
                  "Es gibt keine Datenquelle »%.200s«; ist »%s« gemeint?", name, nearest);
    else
        error_say(error, ERROR_NOT_FOUND, "there is no source »%.200s«",
                  "Es gibt keine Datenquelle »%.200s«", name);
}

/* A reader for one source; `definition` NULL: it needs none. */
static void ask_source(struct daemon *daemon, struct api_request *request, const char *mode,
                       const char *sql, reader_done done)
{
    struct error error;
    struct asking *asking = new_asking(daemon, request);
    asking->definition = json_pack("{s:{s:s}, s:{s:s, s:s, s:[]}}", "query", "source",
                                   request->subject, "group", "name", "", "sql", sql, "fields");
    json_t *sources = sources_of(daemon, asking->definition, NULL);
    if (!sources) {
        no_such_source(daemon, request->subject, &error);
        fail(asking, &error);
        return;
    }
    json_t *reading = reader_request(mode, sources, asking->definition);
    json_object_set_new(reading, "source", json_string(request->subject));
    json_object_set_new(reading, "limit", json_integer(1));
    asking->begun_us = clock_monotonic_us();
    reader_start(daemon->loop, reading, done, asking);
    json_decref(reading);
    json_decref(sources);
}

static void on_tested(void *context, const json_t *told, const struct error *failed)
{
    struct asking *asking = context;
    (void)told;
    json_t *body = json_pack("{s:b, s:I}", "ok", !failed, "ms",
                             (json_int_t)((clock_monotonic_us() - asking->begun_us) / 1000));
    if (failed) {
        json_object_set_new(body, "message", json_string(failed->message));
        json_object_set_new(body, "message_de",
                            json_string(*failed->german ? failed->german : failed->message));
    }
    api_answer(asking->request, 200, body);
    free_asking(asking);
}

void queries_call(struct daemon *daemon, struct api_request *request)
{
    switch (request->operation) {
    case API_SOURCES:
        list_sources(daemon, request);
        break;
    case API_SOURCE_TABLES:
        ask_source(daemon, request, "tables", "", on_answer);
        break;
    case API_SOURCE_TEST:
        if (operations_read_body(request, "{}"))
            ask_source(daemon, request, "test", "SELECT 1 AS one", on_tested);
        break;
    default:
        ask(daemon, request);
    }
}
