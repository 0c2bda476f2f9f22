#include "api/route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define PREFIX "/v1/"
#define SEGMENTS_MAXIMUM 4

/* Query parameters that a route takes. */
#define TAKES_RECIPIENT 1u
#define TAKES_STEP 2u
#define TAKES_RUN 4u
#define TAKES_LIMIT 8u
#define NEEDS_RECIPIENT 16u
#define TAKES_OUTCOME 32u
#define TAKES_VALUE 64u
#define TAKES_AFTER 128u
#define TAKES_ENCODING 256u
#define TAKES_SEPARATOR 512u

/* Segments in capitals stand for: KINDS a kind's plural, SUBJECT a name or id, RUN, DOCUMENT and ID
 * numbers. */
struct route {
    const char *method;
    const char *path;
    enum api_operation operation;
    enum route_body body;
    unsigned parameters;
};

static const struct route routes[] = {
    {"GET", "status", API_STATUS, ROUTE_BODY_NONE, 0},
    {"POST", "reload", API_RELOAD, ROUTE_BODY_OPTIONAL, 0},
    {"GET", "plugins", API_PLUGINS, ROUTE_BODY_NONE, 0},
    {"GET", "problems", API_PROBLEMS, ROUTE_BODY_NONE, 0},
    {"GET", "KINDS", API_LIST, ROUTE_BODY_NONE, 0},
    {"POST", "KINDS", API_NEW, ROUTE_BODY_REQUIRED, 0},
    {"GET", "KINDS/SUBJECT", API_GET, ROUTE_BODY_NONE, 0},
    {"PUT", "KINDS/SUBJECT", API_PUT, ROUTE_BODY_REQUIRED, 0},
    {"DELETE", "KINDS/SUBJECT", API_DELETE, ROUTE_BODY_NONE, 0},
    {"POST", "campaigns/SUBJECT/check", API_CAMPAIGN_CHECK, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "campaigns/SUBJECT/start", API_CAMPAIGN_START, ROUTE_BODY_OPTIONAL, 0},
    {"GET", "campaigns/SUBJECT/preview", API_CAMPAIGN_PREVIEW, ROUTE_BODY_NONE,
     TAKES_RECIPIENT | NEEDS_RECIPIENT | TAKES_STEP},
    {"POST", "campaigns/SUBJECT/recipients", API_CAMPAIGN_RECIPIENTS, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "campaigns/SUBJECT/list", API_CAMPAIGN_LIST, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "campaigns/SUBJECT/individual", API_CAMPAIGN_INDIVIDUAL, ROUTE_BODY_OPTIONAL, 0},
    {"GET", "campaigns/SUBJECT/compare", API_CAMPAIGN_COMPARE, ROUTE_BODY_NONE, 0},
    {"GET", "sources", API_SOURCES, ROUTE_BODY_NONE, 0},
    {"GET", "sources/SUBJECT/tables", API_SOURCE_TABLES, ROUTE_BODY_NONE, 0},
    {"POST", "sources/SUBJECT/test", API_SOURCE_TEST, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "queries/SUBJECT/run", API_QUERY_RUN, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "queries/SUBJECT/groups", API_QUERY_GROUPS, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "queries/SUBJECT/sql", API_QUERY_SQL, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "queries/SUBJECT/fields", API_QUERY_FIELDS, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "queries/SUBJECT/list", API_QUERY_LIST, ROUTE_BODY_OPTIONAL, 0},
    {"GET", "suppressions", API_SUPPRESSIONS, ROUTE_BODY_NONE,
     TAKES_VALUE | TAKES_LIMIT | TAKES_AFTER},
    {"POST", "suppressions", API_SUPPRESSION_NEW, ROUTE_BODY_REQUIRED, 0},
    {"DELETE", "suppressions/ID", API_SUPPRESSION_DELETE, ROUTE_BODY_NONE, 0},
    {"POST", "suppressions/import", API_SUPPRESSIONS_IMPORT, ROUTE_BODY_REQUIRED, 0},
    {"GET", "suppressions/export", API_SUPPRESSIONS_EXPORT, ROUTE_BODY_NONE, 0},
    {"POST", "suppressions/feed", API_SUPPRESSIONS_FEED, ROUTE_BODY_REQUIRED, 0},
    {"GET", "persons/SUBJECT", API_PERSON, ROUTE_BODY_NONE, 0},
    {"GET", "definitions", API_DEFINITIONS_EXPORT, ROUTE_BODY_NONE, 0},
    {"POST", "definitions", API_DEFINITIONS_IMPORT, ROUTE_BODY_REQUIRED, 0},
    {"PUT", "imports/SUBJECT", API_IMPORT_PUT, ROUTE_BODY_CSV, TAKES_ENCODING | TAKES_SEPARATOR},
    {"DELETE", "imports/SUBJECT", API_IMPORT_DELETE, ROUTE_BODY_NONE, 0},
    {"GET", "runs", API_RUNS, ROUTE_BODY_NONE, TAKES_LIMIT},
    {"GET", "runs/RUN", API_RUN, ROUTE_BODY_NONE, 0},
    {"GET", "runs/RUN/tasks", API_RUN_TASKS, ROUTE_BODY_NONE,
     TAKES_OUTCOME | TAKES_STEP | TAKES_RECIPIENT | TAKES_LIMIT},
    {"POST", "runs/RUN/pause", API_RUN_PAUSE, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "runs/RUN/resume", API_RUN_RESUME, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "runs/RUN/cancel", API_RUN_CANCEL, ROUTE_BODY_OPTIONAL, 0},
    {"POST", "runs/RUN/confirmations", API_RUN_CONFIRM, ROUTE_BODY_REQUIRED, 0},
    {"GET", "archive", API_ARCHIVE_LIST, ROUTE_BODY_NONE,
     TAKES_RUN | TAKES_RECIPIENT | TAKES_LIMIT},
    {"GET", "archive/RUN/DOCUMENT", API_ARCHIVE_GET, ROUTE_BODY_NONE, 0},
    {"POST", "archive/verify", API_ARCHIVE_VERIFY, ROUTE_BODY_OPTIONAL, 0},
};

static const struct {
    const char *plural;
    const char *kind;
} kinds[] = {{"queries", "query"},
             {"reports", "report"},
             {"campaigns", "campaign"},
             {"patterns", "pattern"},
             {"categories", "category"}};

static const struct {
    const char *name;
    unsigned flag;
} parameters[] = {{"recipient", TAKES_RECIPIENT}, {"step", TAKES_STEP},
                  {"outcome", TAKES_OUTCOME},     {"run", TAKES_RUN},
                  {"limit", TAKES_LIMIT},         {"value", TAKES_VALUE},
                  {"after", TAKES_AFTER},         {"encoding", TAKES_ENCODING},
                  {"separator", TAKES_SEPARATOR}};

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decoding; NULL if it is malformed, holds a zero byte or is not UTF-8. */
static char *decode(struct arena *arena, const char *text, size_t size, bool plus_is_space)
{
    char *target = arena_alloc(arena, size + 1);
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '+' && plus_is_space)
            c = ' ';
        if (c == '%') {
            int high = size - i > 2 ? digit(text[i + 1]) : -1;
            int low = size - i > 2 ? digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (!c)
            return NULL;
        target[length++] = c;
    }
    target[length] = '\0';
    return text_is_utf8(target, length) ? target : NULL;
}

static int refuse(struct route_result *result, int status, enum error_code code,
                  const char *message)
{
    result->status = status;
    return error_set(&result->error, code, "%s", message);
}

/* The path's parts behind /v1/, decoded. Their number, or -1. */
static int split(const char *uri, size_t size, struct arena *arena, char **segments,
                 struct route_result *result)
{
    static const char nowhere[] = "there is nothing at this path; docs/api.md lists all";
    if (size < strlen(PREFIX) || strncmp(uri, PREFIX, strlen(PREFIX)))
        return refuse(result, 404, ERROR_NOT_FOUND, nowhere);
    const char *at = uri + strlen(PREFIX), *end = uri + size;
    for (int count = 0; count < SEGMENTS_MAXIMUM;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t length = (size_t)((slash ? slash : end) - at);
        if (!length)
            return refuse(result, 404, ERROR_NOT_FOUND, nowhere);
        segments[count] = decode(arena, at, length, false);
        if (!segments[count++])
            return refuse(result, 400, ERROR_INPUT,
                          "the path is not UTF-8 in percent-encoding; encode each name by itself");
        if (!slash)
            return count;
        at = slash + 1;
    }
    return refuse(result, 404, ERROR_NOT_FOUND, nowhere);
}

static bool match_segment(const char *pattern, size_t size, char *segment,
                          struct api_request *request)
{
    if (size == strlen("KINDS") && !memcmp(pattern, "KINDS", size)) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (text_equal(kinds[i].plural, segment)) {
                request->kind = kinds[i].kind;
                return true;
            }
        return false;
    }
    if (size == strlen("SUBJECT") && !memcmp(pattern, "SUBJECT", size)) {
        request->subject = segment;
        return true;
    }
    if (size == strlen("RUN") && !memcmp(pattern, "RUN", size))
        return text_to_int64(segment, &request->run) == 0 && request->run > 0;
    if (size == strlen("DOCUMENT") && !memcmp(pattern, "DOCUMENT", size))
        return text_to_int64(segment, &request->document) == 0 && request->document >= 0;
    if (size == strlen("ID") && !memcmp(pattern, "ID", size))
        return text_to_int64(segment, &request->id) == 0 && request->id > 0;
    return strlen(segment) == size && !memcmp(pattern, segment, size);
}

static bool match(const struct route *route, char **segments, int count,
                  struct api_request *request)
{
    const char *at = route->path;
    for (int i = 0; i < count; i++) {
        size_t size = strcspn(at, "/");
        if (!size || !match_segment(at, size, segments[i], request))
            return false;
        at += size;
        if (*at == '/')
            at++;
    }
    return !*at;
}

static void allow(struct route_result *result, const char *method)
{
    size_t used = strlen(result->allow);
    snprintf(result->allow + used, sizeof result->allow - used, "%s%s%s", used ? ", " : "", method,
             text_equal(method, "GET") ? ", HEAD" : "");
}

static const struct route *choose(const char *method, char **segments, int count,
                                  struct api_request *request, struct route_result *result)
{
    if (text_equal(method, "HEAD"))
        method = "GET";
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct api_request candidate = *request;
        if (!match(&routes[i], segments, count, &candidate))
            continue;
        if (text_equal(method, routes[i].method)) {
            *request = candidate;
            return &routes[i];
        }
        allow(result, routes[i].method);
    }
    if (*result->allow) {
        result->status = 405;
        error_set(&result->error, ERROR_INPUT, "%s is not possible here, only %s", method,
                  result->allow);
    } else {
        refuse(result, 404, ERROR_NOT_FOUND,
               "there is nothing at this path; docs/api.md lists all");
    }
    return NULL;
}

static int set_number(const char *name, const char *value, int64_t minimum, int64_t maximum,
                      int64_t *target, struct route_result *result)
{
    if (text_to_int64(value, target) == 0 && *target >= minimum && *target <= maximum)
        return 0;
    result->status = 400;
    return error_set(&result->error, ERROR_INPUT,
                     "the parameter \"%s\" must be a whole number from %" PRId64 " to %" PRId64,
                     name, minimum, maximum);
}

static int set_parameter(unsigned flag, const char *name, const char *value,
                         struct api_request *request, struct route_result *result)
{
    if (!*value) {
        result->status = 400;
        return error_set(&result->error, ERROR_INPUT, "the parameter \"%s\" is empty", name);
    }
    switch (flag) {
    case TAKES_RECIPIENT:
        request->recipient = value;
        return 0;
    case TAKES_STEP:
        request->step = value;
        return 0;
    case TAKES_OUTCOME:
        request->outcome = value;
        return 0;
    case TAKES_VALUE:
        request->value = value;
        return 0;
    case TAKES_ENCODING:
        request->encoding = value;
        return 0;
    case TAKES_SEPARATOR:
        request->separator = value;
        return 0;
    case TAKES_RUN:
        return set_number(name, value, 1, INT64_MAX, &request->run, result);
    case TAKES_AFTER:
        return set_number(name, value, 0, INT64_MAX, &request->after, result);
    default:
        return set_number(name, value, 1, API_LIMIT_MAXIMUM, &request->limit, result);
    }
}

/* One "name=value" of the query; `seen` collects the flags of those that came. */
static int take_parameter(const struct route *route, char *name, char *value, unsigned *seen,
                          struct api_request *request, struct route_result *result)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        unsigned flag = parameters[i].flag;
        if (!(route->parameters & flag) || !text_equal(parameters[i].name, name))
            continue;
        if (*seen & flag)
            break;
        *seen |= flag;
        return set_parameter(flag, name, value, request, result);
    }
    result->status = 400;
    return error_set(&result->error, ERROR_INPUT,
                     "the parameter \"%.80s\" is not known here, or given twice", name);
}

static int take_query(const struct route *route, const char *query, struct arena *arena,
                      struct api_request *request, struct route_result *result)
{
    unsigned seen = 0;
    while (*query) {
        size_t size = strcspn(query, "&");
        const char *equals = memchr(query, '=', size);
        size_t name_size = equals ? (size_t)(equals - query) : size;
        char *name = decode(arena, query, name_size, true);
        char *value = equals ? decode(arena, equals + 1, size - name_size - 1, true) : "";
        if (!name || !value)
            return refuse(result, 400, ERROR_INPUT,
                          "the query behind \"?\" is not UTF-8 in percent-encoding");
        if (size && take_parameter(route, name, value, &seen, request, result))
            return -1;
        query += size + (query[size] == '&');
    }
    if (route->parameters & NEEDS_RECIPIENT && !(seen & TAKES_RECIPIENT))
        return refuse(result, 400, ERROR_INPUT,
                      "the parameter \"recipient\" is missing: the key of one recipient");
    return 0;
}

void route_find(const char *method, const char *uri, struct arena *arena,
                struct api_request *request, struct route_result *result)
{
    *result = (struct route_result){.status = 0};
    if (strlen(uri) > ROUTE_URI_MAXIMUM) {
        refuse(result, 414, ERROR_INPUT, "the path and its query are longer than 8192 bytes");
        return;
    }
    char *segments[SEGMENTS_MAXIMUM];
    size_t path_size = strcspn(uri, "?");
    int count = split(uri, path_size, arena, segments, result);
    const struct route *route = count < 0 ? NULL : choose(method, segments, count, request, result);
    if (!route)
        return;
    request->operation = route->operation;
    result->body = route->body;
    take_query(route, uri[path_size] ? uri + path_size + 1 : "", arena, request, result);
}
