/* The API's HTTP layer by real HTTP over its socket: the server's loop runs in a thread, the test
 * is a client with a blocking socket. The services answer with what reached them. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define MAX_BODY 4096
#define GROUP_OF_TEST "daemon"
#define NOBODY 65534

static struct {
    char folder[64];
    char path[96];
    const char *group, *sql_group;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop;
    uv_sem_t ready;
    struct api *api;
    struct api_request *kept; /* by the subject "keep" */
    uv_timer_t timer;
    struct api_request *delayed;
} server;

/* ---- the services ---- */

static json_t *describe(const struct api_request *request)
{
    return json_pack("{s:i,s:s?,s:s?,s:I,s:I,s:I,s:s?,s:s?,s:s?,s:s?,s:I,s:I,s:O?,s:s?,s:I,s:I,s:s,"
                     "s:b}",
                     "operation", request->operation, "kind", request->kind, "subject",
                     request->subject, "run", (json_int_t)request->run, "document",
                     (json_int_t)request->document, "limit", (json_int_t)request->limit,
                     "recipient", request->recipient, "step", request->step, "outcome",
                     request->outcome, "value", request->value, "id", (json_int_t)request->id,
                     "after", (json_int_t)request->after, "body", request->body, "bytes",
                     request->bytes, "size", (json_int_t)request->size, "uid",
                     (json_int_t)request->uid, "user", request->user, "may_sql", request->may_sql);
}

static void on_delay(uv_timer_t *timer)
{
    (void)timer;
    struct api_request *request = server.delayed;
    server.delayed = NULL;
    api_answer(request, 200, describe(request));
}

#define FILE_LINES 200000

static void answer_with_file(struct api_request *request)
{
    FILE *file = tmpfile();
    for (int i = 0; i < FILE_LINES; i++)
        fprintf(file, "%07d\n", i);
    fflush(file);
    api_answer_file(request, "text/csv; charset=utf-8", "Liste.csv", dup(fileno(file)));
    fclose(file);
}

static void serve(void *context, struct api_request *request)
{
    assert_ptr_equal(context, &server);
    const char *subject = request->subject ? request->subject : "";
    if (!strcmp(subject, "keep")) {
        server.kept = request;
    } else if (!strcmp(subject, "later")) {
        server.delayed = request;
        uv_timer_start(&server.timer, on_delay, 100, 0);
    } else if (!strcmp(subject, "missing")) {
        struct error error;
        error_set(&error, ERROR_NOT_FOUND, "there is no campaign „missing“");
        api_answer_error(request, &error);
    } else if (!strcmp(subject, "busy")) {
        struct error error;
        error_set(&error, ERROR_BUSY, "wait");
        api_answer_error(request, &error);
    } else if (!strcmp(subject, "file")) {
        answer_with_file(request);
    } else if (request->operation == API_ARCHIVE_GET) {
        api_answer_bytes(request, "application/pdf", "Müller\r\nX: y.pdf", "%PDF\0bytes", 10);
    } else {
        api_answer(request, request->operation == API_CAMPAIGN_START ? 202 : 200,
                   describe(request));
    }
}

/* ---- the server's thread ---- */

static void on_stop(uv_async_t *async)
{
    api_stop(server.api);
    if (server.kept) { /* what is answered after the end is only freed */
        api_answer(server.kept, 200, json_object());
        server.kept = NULL;
    }
    uv_close((uv_handle_t *)&server.timer, NULL);
    uv_close((uv_handle_t *)async, NULL);
}

static void *run_server(void *unused)
{
    (void)unused;
    struct api_services services = {.context = &server, .call = serve};
    struct error error;
    uv_loop_init(&server.loop);
    uv_async_init(&server.loop, &server.stop, on_stop);
    uv_timer_init(&server.loop, &server.timer);
    struct api_options options = {.socket = server.path,
                                  .socket_group = server.group,
                                  .sql_group = server.sql_group,
                                  .max_body = MAX_BODY};
    server.api = api_start(&server.loop, &options, &services, &error);
    if (!server.api)
        fprintf(stderr, "%s\n", error.message);
    uv_sem_post(&server.ready);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server.loop), 0);
    return NULL;
}

static void start_thread(void)
{
    uv_sem_init(&server.ready, 0);
    pthread_create(&server.thread, NULL, run_server, NULL);
    uv_sem_wait(&server.ready);
}

static int start_server(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    strcpy(server.folder, "/tmp/test_api.XXXXXX");
    if (!mkdtemp(server.folder))
        return -1;
    snprintf(server.path, sizeof server.path, "%s/new/api.sock", server.folder);
    server.group = getgrnam(GROUP_OF_TEST) && geteuid() == 0 ? GROUP_OF_TEST : NULL;
    start_thread();
    return server.api ? 0 : -1;
}

static void end_thread(void)
{
    if (!server.api)
        return;
    uv_async_send(&server.stop);
    pthread_join(server.thread, NULL);
    uv_sem_destroy(&server.ready);
    server.api = NULL;
}

static int stop_server(void **state)
{
    (void)state;
    end_thread();
    unlink(server.path);
    char folder[96];
    snprintf(folder, sizeof folder, "%s/new", server.folder);
    rmdir(folder);
    return rmdir(server.folder);
}

/* ---- the client ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void put(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

struct answer {
    int status;
    struct buffer all;
    const char *body;
    json_t *json;
};

static void answer_free(struct answer *answer)
{
    buffer_free(&answer->all);
    json_decref(answer->json);
}

#define ANSWER_CLEAN __attribute__((cleanup(answer_free)))

/* Everything up to the connection's end. */
static struct answer read_answer(int fd)
{
    struct answer answer = {0};
    char part[4096];
    for (ssize_t got; (got = recv(fd, part, sizeof part, 0)) > 0;)
        buffer_append(&answer.all, part, (size_t)got);
    close(fd);
    sscanf(buffer_string(&answer.all), "HTTP/1.1 %d", &answer.status);
    const char *end = strstr(buffer_string(&answer.all), "\r\n\r\n");
    answer.body = end ? end + 4 : "";
    answer.json = json_loads(answer.body, 0, NULL);
    return answer;
}

static struct answer send_raw(const char *data, size_t size)
{
    int fd = connect_to(server.path);
    assert_true(fd >= 0);
    put(fd, data, size);
    return read_answer(fd);
}

static int open_request(const char *method, const char *path, const char *type, const char *body)
{
    BUFFER_CLEAN struct buffer text = {0};
    buffer_printf(&text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", method, path);
    if (type)
        buffer_printf(&text, "Content-Type: %s\r\n", type);
    if (body)
        buffer_printf(&text, "Content-Length: %zu\r\n", strlen(body));
    buffer_printf(&text, "\r\n%s", body ? body : "");
    int fd = connect_to(server.path);
    assert_true(fd >= 0);
    put(fd, text.data, text.size);
    return fd;
}

static struct answer request(const char *method, const char *path, const char *body)
{
    return read_answer(open_request(method, path, body ? "application/json" : NULL, body));
}

static const char *text_of(const struct answer *answer, const char *key)
{
    const char *text = json_string_value(json_object_get(answer->json, key));
    return text ? text : "(none)";
}

static json_int_t number_of(const struct answer *answer, const char *key)
{
    return json_integer_value(json_object_get(answer->json, key));
}

static const char *error_of(const struct answer *answer, const char *key)
{
    json_t *error = json_object_get(answer->json, "error");
    const char *text = json_string_value(json_object_get(error, key));
    return text ? text : "(none)";
}

/* ---- the tests ---- */

static void every_path_leads_to_its_operation(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body;
        enum api_operation operation;
        int status;
    } rows[] = {
        {"GET", "/v1/status", NULL, API_STATUS, 200},
        {"POST", "/v1/reload", NULL, API_RELOAD, 200},
        {"GET", "/v1/plugins", NULL, API_PLUGINS, 200},
        {"GET", "/v1/problems", NULL, API_PROBLEMS, 200},
        {"GET", "/v1/queries", NULL, API_LIST, 200},
        {"POST", "/v1/reports", "{}", API_NEW, 200},
        {"GET", "/v1/campaigns/7", NULL, API_GET, 200},
        {"PUT", "/v1/queries/a", "{}", API_PUT, 200},
        {"DELETE", "/v1/reports/a", NULL, API_DELETE, 200},
        {"POST", "/v1/campaigns/a/check", NULL, API_CAMPAIGN_CHECK, 200},
        {"POST", "/v1/campaigns/a/start", "{\"force\":true}", API_CAMPAIGN_START, 202},
        {"GET", "/v1/campaigns/a/preview?recipient=K1&step=x", NULL, API_CAMPAIGN_PREVIEW, 200},
        {"POST", "/v1/queries/a/run", "{\"limit\":20}", API_QUERY_RUN, 200},
        {"GET", "/v1/patterns", NULL, API_LIST, 200},
        {"POST", "/v1/categories", "{}", API_NEW, 200},
        {"POST", "/v1/campaigns/a/recipients", NULL, API_CAMPAIGN_RECIPIENTS, 200},
        {"POST", "/v1/campaigns/a/list", "{\"format\":\"csv\"}", API_CAMPAIGN_LIST, 200},
        {"POST", "/v1/campaigns/a/individual", NULL, API_CAMPAIGN_INDIVIDUAL, 200},
        {"GET", "/v1/campaigns/a/compare", NULL, API_CAMPAIGN_COMPARE, 200},
        {"GET", "/v1/sources", NULL, API_SOURCES, 200},
        {"GET", "/v1/sources/a/tables", NULL, API_SOURCE_TABLES, 200},
        {"POST", "/v1/sources/a/test", NULL, API_SOURCE_TEST, 200},
        {"POST", "/v1/queries/a/groups", NULL, API_QUERY_GROUPS, 200},
        {"POST", "/v1/queries/a/sql", NULL, API_QUERY_SQL, 200},
        {"POST", "/v1/queries/a/fields", "{\"save\":true}", API_QUERY_FIELDS, 200},
        {"POST", "/v1/queries/a/list", NULL, API_QUERY_LIST, 200},
        {"GET", "/v1/suppressions?value=a%40b&limit=5&after=0", NULL, API_SUPPRESSIONS, 200},
        {"POST", "/v1/suppressions", "{}", API_SUPPRESSION_NEW, 200},
        {"DELETE", "/v1/suppressions/7", NULL, API_SUPPRESSION_DELETE, 200},
        {"POST", "/v1/suppressions/import", "{}", API_SUPPRESSIONS_IMPORT, 200},
        {"GET", "/v1/suppressions/export", NULL, API_SUPPRESSIONS_EXPORT, 200},
        {"POST", "/v1/suppressions/feed", "{}", API_SUPPRESSIONS_FEED, 200},
        {"GET", "/v1/persons/4711%2Fa", NULL, API_PERSON, 200},
        {"GET", "/v1/definitions", NULL, API_DEFINITIONS_EXPORT, 200},
        {"POST", "/v1/definitions", "{}", API_DEFINITIONS_IMPORT, 200},
        {"GET", "/v1/runs", NULL, API_RUNS, 200},
        {"GET", "/v1/runs/12", NULL, API_RUN, 200},
        {"GET", "/v1/runs/12/tasks?outcome=rejected&step=x&recipient=K1&limit=5", NULL,
         API_RUN_TASKS, 200},
        {"POST", "/v1/runs/12/pause", NULL, API_RUN_PAUSE, 200},
        {"POST", "/v1/runs/12/resume", NULL, API_RUN_RESUME, 200},
        {"POST", "/v1/runs/12/cancel", NULL, API_RUN_CANCEL, 200},
        {"POST", "/v1/runs/12/confirmations", "{}", API_RUN_CONFIRM, 200},
        {"GET", "/v1/archive?run=3&limit=5", NULL, API_ARCHIVE_LIST, 200},
        {"POST", "/v1/archive/verify", "{}", API_ARCHIVE_VERIFY, 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ANSWER_CLEAN struct answer answer = request(rows[i].method, rows[i].path, rows[i].body);
        if (answer.status != rows[i].status)
            fprintf(stderr, "%s %s: %s\n", rows[i].method, rows[i].path, answer.body);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(number_of(&answer, "operation"), rows[i].operation);
    }
}

static void arguments_arrive_decoded(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer answer = request(
        "GET", "/v1/campaigns/Info%2Fkampagne%20%C3%BC/preview?recipient=K%26+7&step=a%3Db", NULL);
    assert_string_equal(text_of(&answer, "kind"), "(none)");
    assert_string_equal(text_of(&answer, "subject"), "Info/kampagne ü");
    assert_string_equal(text_of(&answer, "recipient"), "K& 7");
    assert_string_equal(text_of(&answer, "step"), "a=b");
    ANSWER_CLEAN struct answer list = request("GET", "/v1/archive?run=3&limit=5&recipient=x", NULL);
    assert_int_equal(number_of(&list, "run"), 3);
    assert_int_equal(number_of(&list, "limit"), 5);
    ANSWER_CLEAN struct answer start =
        request("POST", "/v1/campaigns/a/start", "{\"uuid\": \"ü\"}");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(start.json, "body"), "uuid")), "ü");
    assert_int_equal(number_of(&start, "uid"), geteuid());
    ANSWER_CLEAN struct answer entries =
        request("GET", "/v1/suppressions?value=a%2Bb%40example.org&after=12", NULL);
    assert_string_equal(text_of(&entries, "value"), "a+b@example.org");
    assert_int_equal(number_of(&entries, "after"), 12);
    ANSWER_CLEAN struct answer entry = request("DELETE", "/v1/suppressions/7", NULL);
    assert_int_equal(number_of(&entry, "id"), 7);
}

static void csv_is_handed_over_as_it_came(void **state)
{
    (void)state;
    static const char csv[] = "plz;ort\r\n01067;\"Dresden\"\r\n";
    ANSWER_CLEAN struct answer answer =
        read_answer(open_request("PUT", "/v1/imports/orte", "text/csv; charset=windows-1252", csv));
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_of(&answer, "operation"), API_IMPORT_PUT);
    assert_string_equal(text_of(&answer, "subject"), "orte");
    assert_string_equal(text_of(&answer, "bytes"), csv);
    assert_int_equal(number_of(&answer, "size"), strlen(csv));
    ANSWER_CLEAN struct answer json = request("PUT", "/v1/imports/orte", "{}");
    assert_int_equal(json.status, 415);
    assert_non_null(strstr(error_of(&json, "message"), "text/csv"));
    ANSWER_CLEAN struct answer empty =
        read_answer(open_request("PUT", "/v1/imports/orte", "text/csv", ""));
    assert_int_equal(empty.status, 400);
}

static void wrong_paths_and_arguments_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
    } rows[] = {
        {"GET", "/", 404},
        {"GET", "/v1/", 404},
        {"GET", "/v1/statuses", 404},
        {"GET", "/v1/status/", 404},
        {"GET", "/v1//status", 404},
        {"GET", "/v1/runs/abc", 404},
        {"GET", "/v1/runs/0", 404},
        {"GET", "/v1/runs/99999999999999999999", 404},
        {"GET", "/v1/archive/1/2/3", 404},
        {"GET", "/v1/queries/a/run/b/c", 404},
        {"GET", "/v1/campaigns/%00", 400},
        {"GET", "/v1/campaigns/%C3", 400},
        {"GET", "/v1/campaigns/%4", 400},
        {"GET", "/v1/campaigns/%zz", 400},
        {"GET", "/v1/campaigns/a/preview", 400},
        {"GET", "/v1/campaigns/a/preview?recipient=", 400},
        {"GET", "/v1/campaigns/a/preview?recipient=a&recipient=b", 400},
        {"GET", "/v1/runs?limit=0", 400},
        {"GET", "/v1/runs?limit=10001", 400},
        {"GET", "/v1/runs?colour=red", 400},
        {"GET", "/v1/status?run=1", 400},
        {"GET", "/v1/suppressions?after=-1", 400},
        {"GET", "/v1/suppressions?value=", 400},
        {"DELETE", "/v1/suppressions/0", 404},
        {"DELETE", "/v1/suppressions/a", 404},
        {"GET", "/v1/persons/", 404},
        {"GET", "/v1/sources/a/rows", 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ANSWER_CLEAN struct answer answer = request(rows[i].method, rows[i].path, NULL);
        if (answer.status != rows[i].status)
            fprintf(stderr, "%s: %d %s\n", rows[i].path, answer.status, answer.body);
        assert_int_equal(answer.status, rows[i].status);
        assert_string_not_equal(error_of(&answer, "message"), "(none)");
    }
}

static void wrong_method_is_told_the_right_ones(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer answer = request("POST", "/v1/campaigns/a", "{}");
    assert_int_equal(answer.status, 405);
    assert_non_null(strstr(answer.all.data, "Allow: GET, HEAD, PUT, DELETE\r\n"));
    ANSWER_CLEAN struct answer other = request("BREW", "/v1/reload", NULL);
    assert_int_equal(other.status, 405);
    assert_non_null(strstr(other.all.data, "Allow: POST\r\n"));
}

static void head_has_no_body(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer answer = request("HEAD", "/v1/status", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "");
}

static void bad_bodies_are_refused_with_their_place(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer broken = request("PUT", "/v1/queries/a", "{\n \"name\": }");
    assert_int_equal(broken.status, 400);
    assert_non_null(strstr(error_of(&broken, "message"), "line 2, column 10"));
    ANSWER_CLEAN struct answer array = request("PUT", "/v1/queries/a", "[]");
    assert_int_equal(array.status, 400);
    ANSWER_CLEAN struct answer twice = request("PUT", "/v1/queries/a", "{\"a\":1,\"a\":2}");
    assert_int_equal(twice.status, 400);
    ANSWER_CLEAN struct answer empty = request("PUT", "/v1/queries/a", "");
    assert_int_equal(empty.status, 400);
    ANSWER_CLEAN struct answer binary = request("PUT", "/v1/queries/a", "{\"a\":\"\xff\"}");
    assert_int_equal(binary.status, 400);
    ANSWER_CLEAN struct answer form = read_answer(
        open_request("POST", "/v1/reports", "application/x-www-form-urlencoded", "a=b"));
    assert_int_equal(form.status, 415);
    ANSWER_CLEAN struct answer charset = read_answer(
        open_request("POST", "/v1/reports", "Application/JSON; charset=utf-8", "{\"a\":1}"));
    assert_int_equal(charset.status, 200);
}

static void large_requests_are_refused(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer declared = send_raw(
        "POST /v1/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 999999999\r\n"
        "Content-Type: application/json\r\n\r\n{",
        strlen("POST /v1/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
               "999999999\r\nContent-Type: application/json\r\n\r\n{"));
    assert_int_equal(declared.status, 413);
    assert_string_equal(error_of(&declared, "code"), "input");

    BUFFER_CLEAN struct buffer text = {0};
    buffer_text(&text, "POST /v1/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n");
    for (int i = 0; i < 3; i++)
        buffer_printf(&text, "800\r\n%2048s\r\n", "x");
    buffer_text(&text, "0\r\n\r\n");
    ANSWER_CLEAN struct answer chunked = send_raw(text.data, text.size);
    assert_int_equal(chunked.status, 413);

    buffer_clear(&text);
    buffer_printf(&text,
                  "GET /v1/campaigns/%09000d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 1);
    ANSWER_CLEAN struct answer uri = send_raw(text.data, text.size);
    assert_int_equal(uri.status, 414);
    assert_string_equal(error_of(&uri, "code"), "input");

    buffer_clear(&text);
    buffer_printf(&text, "GET /v1/status HTTP/1.1\r\nX: %0100000d\r\n\r\n", 1);
    ANSWER_CLEAN struct answer headers = send_raw(text.data, text.size);
    assert_true(headers.status >= 400 && headers.status < 500);
}

/* A client that never ends its chunked body is cut off. */
static void endless_body_is_cut_off(void **state)
{
    (void)state;
    int fd = connect_to(server.path);
    static const char head[] = "POST /v1/reports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                               "chunked\r\nContent-Type: application/json\r\n\r\n";
    put(fd, head, strlen(head));
    char chunk[2048 + 8];
    snprintf(chunk, sizeof chunk, "800\r\n%2048s\r\n", "x");
    int sent = 0;
    while (sent < 10000 && send(fd, chunk, strlen(chunk), MSG_NOSIGNAL) > 0)
        sent++;
    close(fd);
    assert_true(sent < 10000);
}

static void garbage_harms_nobody(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 200; round++) {
        char data[600];
        int size = snprintf(data, sizeof data, "%s", round % 2 ? "PUT /v1/queries/" : "");
        for (; size < 590; size++)
            data[size] = (char)rand_r(&seed);
        int fd = connect_to(server.path);
        put(fd, data, (size_t)size);
        if (round % 3)
            shutdown(fd, SHUT_WR);
        else
            put(fd, "\r\n\r\n\r\n", 6);
        close(fd);
    }
    ANSWER_CLEAN struct answer answer = request("GET", "/v1/status", NULL);
    assert_int_equal(answer.status, 200);
}

static void slow_request_is_answered_and_blocks_nobody(void **state)
{
    (void)state;
    int slow = connect_to(server.path);
    static const char text[] =
        "PUT /v1/queries/ab HTTP/1.1\r\nConnection: close\r\nHost: x\r\n"
        "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        put(slow, text + i, 1);
        if (i % 40 == 0) {
            ANSWER_CLEAN struct answer other = request("GET", "/v1/status", NULL);
            assert_int_equal(other.status, 200);
        }
    }
    ANSWER_CLEAN struct answer answer = read_answer(slow);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_of(&answer, "subject"), "ab");
}

static void late_answer_arrives_and_waiting_costs_nothing(void **state)
{
    (void)state;
    struct rusage before, after;
    int fd = open_request("GET", "/v1/campaigns/later", NULL, NULL);
    int64_t begin_us = clock_monotonic_us();
    getrusage(RUSAGE_SELF, &before);
    ANSWER_CLEAN struct answer answer = read_answer(fd);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(answer.status, 200);
    assert_true(clock_monotonic_us() - begin_us >= 90000);
    int64_t cpu_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
                     (after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
                     (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
                     (after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    assert_true(cpu_us < 40000);
}

static void client_that_hangs_up_meanwhile_is_no_error(void **state)
{
    (void)state;
    close(open_request("GET", "/v1/campaigns/later", NULL, NULL));
    for (int i = 0; i < 100 && !__atomic_load_n(&server.delayed, __ATOMIC_SEQ_CST); i++)
        usleep(1000);
    for (int i = 0; i < 300 && __atomic_load_n(&server.delayed, __ATOMIC_SEQ_CST); i++)
        usleep(1000);
    ANSWER_CLEAN struct answer answer = request("GET", "/v1/status", NULL);
    assert_int_equal(answer.status, 200);
}

static void connection_serves_several_requests(void **state)
{
    (void)state;
    int fd = connect_to(server.path);
    static const char text[] =
        "GET /v1/runs/1 HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /v1/runs/2/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        "GET /v1/runs/3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    put(fd, text, sizeof text - 1);
    ANSWER_CLEAN struct answer answer = read_answer(fd);
    assert_non_null(strstr(answer.all.data, "\"run\":1"));
    assert_non_null(strstr(answer.all.data, "\"run\":2"));
    assert_non_null(strstr(answer.all.data, "\"run\":3"));
}

static void error_codes_become_statuses(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer missing = request("GET", "/v1/campaigns/missing", NULL);
    assert_int_equal(missing.status, 404);
    assert_string_equal(error_of(&missing, "code"), "not-found");
    assert_string_equal(error_of(&missing, "message"), "there is no campaign „missing“");
    ANSWER_CLEAN struct answer busy = request("GET", "/v1/campaigns/busy", NULL);
    assert_int_equal(busy.status, 503);
}

static void documents_arrive_byte_for_byte(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer answer = request("GET", "/v1/archive/3/0", NULL);
    assert_int_equal(answer.status, 200);
    assert_memory_equal(answer.body, "%PDF\0bytes", 10);
    assert_non_null(strstr(answer.all.data, "Content-Type: application/pdf\r\n"));
    assert_non_null(strstr(answer.all.data, "filename*=UTF-8''M%C3%BCller%0D%0AX%3A%20y.pdf\r\n"));
}

static void files_are_streamed_whole(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer answer = request("POST", "/v1/queries/file/list", "{}");
    assert_int_equal(answer.status, 200);
    size_t head = (size_t)(answer.body - answer.all.data);
    assert_int_equal(answer.all.size - head, FILE_LINES * 8);
    assert_memory_equal(answer.body, "0000000\n0000001\n", 16);
    assert_string_equal(answer.body + (FILE_LINES - 1) * 8, "0199999\n");
    assert_non_null(strstr(answer.all.data, "Content-Type: text/csv; charset=utf-8\r\n"));
    assert_non_null(strstr(answer.all.data, "filename*=UTF-8''Liste.csv\r\n"));
}

/* In a child with other rights: the status of a request with a body, or 0. */
static int status_as(uid_t uid, gid_t gid, char *body, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
            _exit(1);
        struct answer answer = request("POST", "/v1/reports", "{\"from\": \"somebody\"}");
        ssize_t done = write(ends[1], answer.all.data, answer.all.size);
        _exit(done < 0);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], body, size - 1);
    body[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
    int status = 0;
    sscanf(body, "HTTP/1.1 %d", &status);
    return status;
}

static void strangers_are_refused_and_members_are_not(void **state)
{
    (void)state;
    if (geteuid() || !server.group)
        skip();
    struct stat socket_status;
    assert_int_equal(stat(server.path, &socket_status), 0);
    assert_int_equal(socket_status.st_mode & 07777, 0660);
    assert_int_equal(socket_status.st_gid, getgrnam(GROUP_OF_TEST)->gr_gid);
    /* Even with the file's own mode out of the way. */
    chmod(server.folder, 0755);
    chmod(server.path, 0666);
    char text[2048];
    assert_int_equal(status_as(NOBODY, NOBODY, text, sizeof text), 403);
    assert_non_null(strstr(text, "\"code\":\"denied\""));
    assert_non_null(strstr(text, "socket_group"));
    assert_int_equal(status_as(NOBODY, getgrnam(GROUP_OF_TEST)->gr_gid, text, sizeof text), 200);
    assert_non_null(strstr(text, "\"body\":{\"from\":\"somebody\"}"));
    assert_int_equal(status_as(54321, NOBODY, text, sizeof text), 403);
}

static void sql_is_a_right_of_its_own(void **state)
{
    (void)state;
    ANSWER_CLEAN struct answer own = request("GET", "/v1/status", NULL);
    assert_true(json_is_true(json_object_get(own.json, "may_sql")));
    if (geteuid() || !server.group)
        skip();
    chmod(server.folder, 0755);
    chmod(server.path, 0666);
    char text[2048];
    gid_t group = getgrnam(GROUP_OF_TEST)->gr_gid;
    assert_int_equal(status_as(NOBODY, group, text, sizeof text), 200);
    assert_non_null(strstr(text, "\"may_sql\":false"));
    end_thread();
    server.sql_group = GROUP_OF_TEST;
    start_thread();
    server.sql_group = NULL;
    chmod(server.path, 0666);
    assert_int_equal(status_as(NOBODY, group, text, sizeof text), 200);
    assert_non_null(strstr(text, "\"may_sql\":true"));
}

static void connections_beyond_the_bound_wait_for_their_turn(void **state)
{
    (void)state;
    int fds[160];
    for (int i = 0; i < 160; i++)
        fds[i] = connect_to(server.path);
    usleep(50000);
    int late = open_request("GET", "/v1/status", NULL, NULL);
    char byte;
    usleep(50000);
    assert_int_equal(recv(late, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    for (int i = 0; i < 160; i++)
        close(fds[i]);
    ANSWER_CLEAN struct answer answer = read_answer(late);
    assert_int_equal(answer.status, 200);
}

static void stop_answers_those_who_wait(void **state)
{
    (void)state;
    int fd = open_request("GET", "/v1/campaigns/keep", NULL, NULL);
    for (int i = 0; i < 1000 && !__atomic_load_n(&server.kept, __ATOMIC_SEQ_CST); i++)
        usleep(1000);
    end_thread();
    ANSWER_CLEAN struct answer answer = read_answer(fd);
    assert_int_equal(answer.status, 503);
    assert_string_equal(error_of(&answer, "code"), "busy");
    assert_int_equal(access(server.path, F_OK), -1);
}

static void only_a_stale_socket_is_replaced(void **state)
{
    (void)state;
    struct api_services services = {.context = &server, .call = serve};
    struct error error;
    uv_loop_t loop;
    uv_loop_init(&loop);
    /* somebody listens */
    struct api_options options = {.socket = server.path, .max_body = MAX_BODY};
    assert_null(api_start(&loop, &options, &services, &error));
    assert_int_equal(error.code, ERROR_CONFLICT);
    assert_non_null(strstr(error.message, server.path));
    /* a socket nobody listens on: as after kill -9 */
    char path[128];
    snprintf(path, sizeof path, "%s/stale", server.folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    options.socket = path;
    options.socket_group = "";
    struct api *api = api_start(&loop, &options, &services, &error);
    assert_non_null(api);
    api_stop(api);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(access(path, F_OK), -1);
    /* a file */
    FILE *file = fopen(path, "w");
    fclose(file);
    options.socket_group = NULL;
    assert_null(api_start(&loop, &options, &services, &error));
    assert_int_equal(error.code, ERROR_INPUT);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    options.socket_group = "no-such-group";
    assert_null(api_start(&loop, &options, &services, &error));
    assert_non_null(strstr(error.message, "no-such-group"));
    options.socket_group = NULL;
    options.sql_group = "no-sql-group";
    assert_null(api_start(&loop, &options, &services, &error));
    assert_non_null(strstr(error.message, "sql_group: there is no group \"no-sql-group\""));
    uv_loop_close(&loop);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start_server, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(every_path_leads_to_its_operation),
        SERVED(arguments_arrive_decoded),
        SERVED(csv_is_handed_over_as_it_came),
        SERVED(wrong_paths_and_arguments_are_refused),
        SERVED(wrong_method_is_told_the_right_ones),
        SERVED(head_has_no_body),
        SERVED(bad_bodies_are_refused_with_their_place),
        SERVED(large_requests_are_refused),
        SERVED(endless_body_is_cut_off),
        SERVED(garbage_harms_nobody),
        SERVED(slow_request_is_answered_and_blocks_nobody),
        SERVED(late_answer_arrives_and_waiting_costs_nothing),
        SERVED(client_that_hangs_up_meanwhile_is_no_error),
        SERVED(connection_serves_several_requests),
        SERVED(error_codes_become_statuses),
        SERVED(documents_arrive_byte_for_byte),
        SERVED(files_are_streamed_whole),
        SERVED(strangers_are_refused_and_members_are_not),
        SERVED(sql_is_a_right_of_its_own),
        SERVED(connections_beyond_the_bound_wait_for_their_turn),
        SERVED(stop_answers_those_who_wait),
        SERVED(only_a_stale_socket_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
