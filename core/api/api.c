/*
 * How the parts play together. listen.c makes the socket, libmicrohttpd reads HTTP from it, driven
 * by two handles of our loop (its epoll descriptor and its next timeout). An exchange is one
 * request with its answer; peer.c says who asks, route.c what is asked for.
 *
 *   NEW ──► RECEIVING ──► CALLING ──► CALLED ──► ANSWERED     the connection is suspended in
 *      └► ASKING ─┘           └───────────────────► ┘         ASKING and in CALLED
 *
 * An exchange that is refused (wrong path, no permission …) has its answer early and still reads
 * and drops a body of permitted size, as most clients look for the answer only then. ABANDONED is
 * one whose connection went while the services were still at work; their answer frees it.
 */
#include "api/api.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "api/listen.h"
#include "api/peer.h"
#include "api/route.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define CONNECTIONS_MAXIMUM 128u
#define IDLE_SECONDS 60u
#define CONNECTION_MEMORY ((size_t)32 * 1024)
#define DRAIN_FACTOR 4 /* a body that grows beyond this many times max_body is cut off */

enum exchange_state {
    EXCHANGE_NEW,
    EXCHANGE_ASKING,
    EXCHANGE_RECEIVING,
    EXCHANGE_CALLING,
    EXCHANGE_CALLED,
    EXCHANGE_ANSWERED,
    EXCHANGE_ABANDONED,
};

struct exchange {
    struct api *api;
    struct exchange *previous, *next;
    struct MHD_Connection *connection;
    struct peer *peer; /* the connection's */
    enum exchange_state state;
    char *uri;
    struct arena *arena;
    struct route_result route;
    struct buffer body;
    size_t received;
    int status;
    struct MHD_Response *response; /* NULL until there is an answer */
    struct api_request request;
};

struct api {
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    int closing; /* handles that have still to close */
    struct MHD_Daemon *http;
    struct listen_socket listener;
    size_t max_body;
    gid_t sql_group;
    struct api_services services;
    struct exchange *exchanges;
    bool stopping;
};

/* ---- the loop's part ---- */

static void on_timer(uv_timer_t *timer);

static bool is_full(struct api *api)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(api->http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info->num_connections >= CONNECTIONS_MAXIMUM;
}

static void run(struct api *api)
{
    bool was_full = is_full(api);
    MHD_run(api->http);
    /* When it was full, only a run after the one that ended connections listens again. */
    if (was_full && !is_full(api))
        MHD_run(api->http);
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(api->http, &timeout_ms) == MHD_YES)
        uv_timer_start(&api->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&api->timer);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run(poll->data);
}

/* libmicrohttpd looks at what was resumed in its next run only. That must not be here: we may be
 * inside of one. */
static void resume(struct exchange *exchange)
{
    MHD_resume_connection(exchange->connection);
    uv_timer_start(&exchange->api->timer, on_timer, 0, 0);
}

/* ---- answers ---- */

static struct MHD_Response *with_headers(struct MHD_Response *response, const char *mime)
{
    MHD_add_response_header(response, "Content-Type", mime);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    return response;
}

static struct MHD_Response *new_response(const void *data, size_t size, const char *mime)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        memory_exhausted(size);
    return with_headers(response, mime);
}

static void set_response(struct exchange *exchange, int status, struct MHD_Response *response)
{
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    exchange->response = response;
    exchange->status = status;
}

static void set_json(struct exchange *exchange, int status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : memory_text("");
    json_decref(body);
    if (!text) {
        log_error("API: an answer to %s is no valid JSON document", exchange->uri);
        status = 500;
        text = memory_text("{\"error\":{\"code\":\"internal\",\"message\":\"The answer could not "
                           "be written as JSON; the log says more.\"}}");
    }
    set_response(exchange, status,
                 new_response(text, strlen(text), "application/json; charset=utf-8"));
    free(text);
}

static void set_error(struct exchange *exchange, int status, const struct error *error)
{
    json_t *body =
        json_pack("{s:{s:s,s:s,s:s*}}", "error", "code", error_name(error->code), "message",
                  error->message, "message_de", *error->german ? error->german : NULL);
    if (!body)
        body = json_pack("{s:{s:s,s:s}}", "error", "code", error_name(error->code), "message",
                         "(a message that is not UTF-8)");
    set_json(exchange, status, body);
}

static void refuse(struct exchange *exchange, int status, enum error_code code, const char *message)
{
    struct error error;
    error_set(&error, code, "%s", message);
    set_error(exchange, status, &error);
}

static int status_of(enum error_code code)
{
    switch (code) {
    case ERROR_INPUT:
        return 400;
    case ERROR_NOT_FOUND:
        return 404;
    case ERROR_DENIED:
        return 403;
    case ERROR_CONFLICT:
        return 409;
    case ERROR_BUSY:
        return 503;
    default:
        return 500;
    }
}

/* ---- an exchange's life ---- */

static void exchange_free(struct exchange *exchange)
{
    if (exchange->api) {
        if (exchange->previous)
            exchange->previous->next = exchange->next;
        else
            exchange->api->exchanges = exchange->next;
        if (exchange->next)
            exchange->next->previous = exchange->previous;
    }
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    json_decref(exchange->request.body);
    buffer_free(&exchange->body);
    arena_free(exchange->arena);
    free(exchange->uri);
    free(exchange);
}

static struct exchange *exchange_of(struct api_request *request)
{
    return (struct exchange *)((char *)request - offsetof(struct exchange, request));
}

/* The answer is there: let the connection go on with it. */
static void answered(struct exchange *exchange)
{
    switch (exchange->state) {
    case EXCHANGE_CALLING:
        exchange->state = EXCHANGE_ANSWERED;
        break;
    case EXCHANGE_CALLED:
        exchange->state = EXCHANGE_ANSWERED;
        resume(exchange);
        break;
    case EXCHANGE_ABANDONED:
        exchange_free(exchange);
        break;
    default:
        log_error("API: a second answer to %s was dropped", exchange->uri);
    }
}

void api_answer(struct api_request *request, int status, json_t *body)
{
    struct exchange *exchange = exchange_of(request);
    set_json(exchange, status, body);
    answered(exchange);
}

void api_answer_error(struct api_request *request, const struct error *error)
{
    struct exchange *exchange = exchange_of(request);
    set_error(exchange, status_of(error->code), error);
    answered(exchange);
}

static bool is_header_text(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            return false;
    return *text != '\0';
}

/* RFC 6266 and 8187: whatever is in a document's name, it stays a name. */
static void add_file_name(struct MHD_Response *response, const char *name)
{
    BUFFER_CLEAN struct buffer value = {0};
    buffer_text(&value, "attachment; filename*=UTF-8''");
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
            *c == '.' || *c == '-' || *c == '_')
            buffer_char(&value, (char)*c);
        else
            buffer_printf(&value, "%%%02X", *c);
    MHD_add_response_header(response, "Content-Disposition", value.data);
}

void api_answer_bytes(struct api_request *request, const char *mime, const char *name,
                      const void *data, size_t size)
{
    struct exchange *exchange = exchange_of(request);
    struct MHD_Response *response =
        new_response(data, size, is_header_text(mime) ? mime : "application/octet-stream");
    add_file_name(response, name);
    set_response(exchange, 200, response);
    answered(exchange);
}

void api_answer_file(struct api_request *request, const char *mime, const char *name, int fd)
{
    struct exchange *exchange = exchange_of(request);
    struct stat status;
    struct MHD_Response *response =
        fstat(fd, &status) == 0
            ? MHD_create_response_from_fd((size_t)status.st_size, fd) /* which closes it */
            : NULL;
    if (response) {
        with_headers(response, mime);
        add_file_name(response, name);
        set_response(exchange, 200, response);
    } else {
        file_close(&fd);
        refuse(exchange, 500, ERROR_SYSTEM, "the answer's file cannot be read");
    }
    answered(exchange);
}

/* ---- a request's way in ---- */

static enum MHD_Result queue(struct exchange *exchange)
{
    exchange->state = EXCHANGE_ANSWERED;
    return MHD_queue_response(exchange->connection, (unsigned)exchange->status, exchange->response);
}

/* Is this the media type `wanted`, with or without parameters? */
static bool is_type(const char *type, const char *wanted)
{
    if (!type || strncasecmp(type, wanted, strlen(wanted)))
        return false;
    const char *rest = type + strlen(wanted);
    return !*rest || *rest == ';' || *rest == ' ';
}

static const char *header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* The peer is known: permission and route, before any body is read. */
static void begin(struct exchange *exchange, const char *method)
{
    exchange->state = EXCHANGE_RECEIVING;
    if (exchange->response)
        return;
    if (peer_state(exchange->peer) != PEER_ALLOWED) {
        struct error error;
        error_set(&error, ERROR_DENIED,
                  "the user %s may not use campaignd: become root or the daemon's user, or join "
                  "its socket_group",
                  peer_user(exchange->peer));
        set_error(exchange, 403, &error);
        return;
    }
    exchange->request.uid = peer_uid(exchange->peer);
    exchange->request.may_sql = peer_may_sql(exchange->peer);
    exchange->request.user = arena_text(exchange->arena, peer_user(exchange->peer));
    route_find(method, exchange->uri, exchange->arena, &exchange->request, &exchange->route);
    if (exchange->route.status) {
        set_error(exchange, exchange->route.status, &exchange->route.error);
        if (*exchange->route.allow)
            MHD_add_response_header(exchange->response, "Allow", exchange->route.allow);
    }
}

static void refuse_large(struct exchange *exchange)
{
    struct error error;
    error_set(&error, ERROR_INPUT,
              "the request's body is larger than %zu bytes; max_body in the section [http] of the "
              "configuration sets that bound",
              exchange->api->max_body);
    buffer_free(&exchange->body);
    set_error(exchange, 413, &error);
}

static enum MHD_Result on_headers(struct exchange *exchange, const char *method)
{
    const char *length_text = header(exchange, "Content-Length");
    int64_t length = 0;
    if (length_text && text_to_int64(length_text, &length) == 0 && length >= 0 &&
        (uint64_t)length > exchange->api->max_body) {
        refuse_large(exchange);
        return queue(exchange);
    }
    if (peer_state(exchange->peer) == PEER_ASKING) {
        exchange->state = EXCHANGE_ASKING;
        peer_set_context(exchange->peer, exchange);
        MHD_suspend_connection(exchange->connection);
        return MHD_YES;
    }
    begin(exchange, method);
    return MHD_YES;
}

static void on_peer_known(void *context)
{
    struct exchange *exchange = context;
    if (exchange && exchange->state == EXCHANGE_ASKING)
        resume(exchange);
}

static enum MHD_Result on_body(struct exchange *exchange, const char *data, size_t size)
{
    exchange->received += size;
    if (exchange->received / DRAIN_FACTOR > exchange->api->max_body)
        return MHD_NO;
    if (exchange->response)
        return MHD_YES;
    if (exchange->received > exchange->api->max_body)
        refuse_large(exchange);
    else if (exchange->route.body != ROUTE_BODY_NONE)
        buffer_append(&exchange->body, data, size);
    return MHD_YES;
}

/* 0, or -1 with the refusal set. */
static int hand_over_csv(struct exchange *exchange)
{
    exchange->request.bytes = buffer_string(&exchange->body);
    exchange->request.size = exchange->body.size;
    if (!exchange->body.size)
        refuse(exchange, 400, ERROR_INPUT, "the body is empty: a CSV file is needed");
    else if (!is_type(header(exchange, "Content-Type"), "text/csv"))
        refuse(exchange, 415, ERROR_INPUT,
               "the body must be CSV: send the header Content-Type: text/csv");
    return exchange->response ? -1 : 0;
}

/* 0, or -1 with the refusal set. */
static int parse_body(struct exchange *exchange)
{
    if (exchange->route.body == ROUTE_BODY_NONE)
        return 0;
    if (exchange->route.body == ROUTE_BODY_CSV)
        return hand_over_csv(exchange);
    if (!exchange->body.size && exchange->route.body == ROUTE_BODY_OPTIONAL) {
        exchange->request.body = json_object();
        return 0;
    }
    if (exchange->body.size && !is_type(header(exchange, "Content-Type"), "application/json")) {
        refuse(exchange, 415, ERROR_INPUT,
               "the body must be JSON: send the header Content-Type: application/json");
        return -1;
    }
    json_error_t where;
    json_t *body = json_loadb(buffer_string(&exchange->body), exchange->body.size,
                              JSON_REJECT_DUPLICATES, &where);
    struct error error = {.code = ERROR_NONE};
    if (!exchange->body.size)
        error_set(&error, ERROR_INPUT, "the body is empty: a JSON object is needed");
    else if (!body)
        error_set(&error, ERROR_INPUT, "the body is no valid JSON: line %d, column %d: %s",
                  where.line, where.column, where.text);
    else if (!json_is_object(body))
        error_set(&error, ERROR_INPUT, "the body must be a JSON object: {\"…\": …}");
    if (error.code == ERROR_NONE) {
        exchange->request.body = body;
        buffer_free(&exchange->body);
        return 0;
    }
    json_decref(body);
    set_error(exchange, 400, &error);
    return -1;
}

static enum MHD_Result on_complete(struct exchange *exchange)
{
    if (exchange->response || parse_body(exchange))
        return queue(exchange);
    if (exchange->api->stopping) {
        refuse(exchange, 503, ERROR_BUSY, "campaignd is stopping; try again when it is back");
        return queue(exchange);
    }
    exchange->state = EXCHANGE_CALLING;
    exchange->api->services.call(exchange->api->services.context, &exchange->request);
    if (exchange->state == EXCHANGE_ANSWERED)
        return queue(exchange);
    exchange->state = EXCHANGE_CALLED;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

/* ---- libmicrohttpd's callbacks ---- */

static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct api *api = context;
    struct exchange *exchange = memory_new(sizeof *exchange);
    exchange->api = api;
    exchange->connection = connection;
    exchange->uri = memory_text(uri);
    exchange->arena = arena_new();
    exchange->next = api->exchanges;
    if (exchange->next)
        exchange->next->previous = exchange;
    api->exchanges = exchange;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    exchange->peer = info->socket_context;
    return exchange;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **exchange_pointer)
{
    (void)context, (void)connection, (void)url, (void)version;
    struct exchange *exchange = *exchange_pointer;
    switch (exchange->state) {
    case EXCHANGE_NEW:
        return on_headers(exchange, method);
    case EXCHANGE_ASKING: /* resumed: libmicrohttpd tells the headers again, then comes the body */
        begin(exchange, method);
        return MHD_YES;
    case EXCHANGE_RECEIVING:
        break;
    case EXCHANGE_ANSWERED:
        return queue(exchange);
    case EXCHANGE_ABANDONED: /* api_stop() has set the answer */
        return MHD_queue_response(connection, (unsigned)exchange->status, exchange->response);
    default:
        return MHD_NO;
    }
    if (!*size)
        return on_complete(exchange);
    enum MHD_Result result = on_body(exchange, data, *size);
    *size = 0;
    return result;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchange_pointer,
                         enum MHD_RequestTerminationCode code)
{
    (void)context, (void)connection, (void)code;
    struct exchange *exchange = *exchange_pointer;
    *exchange_pointer = NULL;
    if (!exchange)
        return;
    if (peer_state(exchange->peer) == PEER_ASKING)
        peer_set_context(exchange->peer, NULL);
    if (exchange->state == EXCHANGE_CALLED)
        exchange->state = EXCHANGE_ABANDONED;
    if (exchange->state != EXCHANGE_ABANDONED)
        exchange_free(exchange);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **peer,
                          enum MHD_ConnectionNotificationCode code)
{
    struct api *api = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        peer_drop(*peer);
        *peer = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct peer_groups groups = {.all = api->listener.gid, .sql = api->sql_group};
    *peer = peer_new(api->loop, info->connect_fd, groups, on_peer_known);
}

__attribute__((format(printf, 2, 0))) static void on_message(void *context, const char *format,
                                                             va_list arguments)
{
    (void)context;
    BUFFER_CLEAN struct buffer line = {0};
    buffer_vprintf(&line, format, arguments);
    while (line.size && line.data[line.size - 1] == '\n')
        line.data[--line.size] = '\0';
    log_debug("API: %s", buffer_string(&line));
}

/* ---- start and stop ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct api *api = handle->data;
    if (--api->closing == 0)
        free(api);
}

static int start_http(struct api *api, struct error *error)
{
    api->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        api, MHD_OPTION_EXTERNAL_LOGGER, on_message, api, MHD_OPTION_LISTEN_SOCKET,
        api->listener.fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, api, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, api,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAXIMUM, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
    if (!api->http)
        return error_set(error, ERROR_SYSTEM, "socket %s: the HTTP server does not start",
                         api->listener.path);
    return 0;
}

static int watch(struct api *api, struct error *error)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(api->http, MHD_DAEMON_INFO_EPOLL_FD);
    int result = uv_poll_init(api->loop, &api->poll, info->epoll_fd);
    if (result)
        return error_set(error, ERROR_SYSTEM, "socket %s: cannot be watched: %s",
                         api->listener.path, uv_strerror(result));
    uv_timer_init(api->loop, &api->timer);
    api->poll.data = api->timer.data = api;
    api->closing = 2;
    uv_poll_start(&api->poll, UV_READABLE, on_readable);
    return 0;
}

struct api *api_start(uv_loop_t *loop, const struct api_options *options,
                      const struct api_services *services, struct error *error)
{
    struct api *api = memory_new(sizeof *api);
    api->loop = loop;
    api->max_body = options->max_body;
    api->services = *services;
    if (listen_group("sql_group", options->sql_group, &api->sql_group, error) ||
        listen_open(&api->listener, options->socket, options->socket_group, error)) {
        free(api);
        return NULL;
    }
    if (start_http(api, error)) {
        listen_remove(&api->listener);
        file_close(&api->listener.fd);
        free(api);
        return NULL;
    }
    if (watch(api, error)) {
        listen_remove(&api->listener);
        MHD_stop_daemon(api->http);
        free(api);
        return NULL;
    }
    return api;
}

/* libmicrohttpd cannot end with suspended connections: each gets an answer. */
static void end_suspended(struct api *api)
{
    for (struct exchange *exchange = api->exchanges; exchange; exchange = exchange->next) {
        if (exchange->state != EXCHANGE_CALLED && exchange->state != EXCHANGE_ASKING)
            continue;
        refuse(exchange, 503, ERROR_BUSY, "campaignd is stopping; try again when it is back");
        if (exchange->state == EXCHANGE_CALLED)
            exchange->state = EXCHANGE_ABANDONED;
        MHD_resume_connection(exchange->connection);
    }
}

/* What the services still hold outlives us. */
static void detach(struct api *api)
{
    struct exchange *next;
    for (struct exchange *exchange = api->exchanges; exchange; exchange = next) {
        next = exchange->next;
        exchange->api = NULL;
        exchange->previous = exchange->next = NULL;
    }
    api->exchanges = NULL;
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    api->stopping = true;
    listen_remove(&api->listener);
    end_suspended(api);
    for (int i = 0; i < 3; i++)
        MHD_run(api->http);
    uv_poll_stop(&api->poll);
    MHD_stop_daemon(api->http);
    detach(api);
    uv_close((uv_handle_t *)&api->poll, on_handle_closed);
    uv_close((uv_handle_t *)&api->timer, on_handle_closed);
}
