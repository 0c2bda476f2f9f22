#include "ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/command.h"

#define ANSWER_MAXIMUM ((size_t)256 * 1024 * 1024)
#define CONNECT_SECONDS 10L
#define ANSWER_SECONDS 600L /* a reload waits until new workers are ready */

struct client {
    CURL *curl;
    char *socket_path;
    bool too_large;
};

struct client *client_new(const char *socket_path)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct client *client = memory_new(sizeof *client);
    client->socket_path = memory_text(socket_path);
    client->curl = curl_easy_init();
    if (!client->curl)
        memory_exhausted(0);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    free(client->socket_path);
    free(client);
}

void reply_free(struct reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
    buffer_free(&reply->bytes);
}

void client_encode(struct buffer *path, const char *name)
{
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
            *c == '-' || *c == '_' || *c == '~')
            buffer_char(path, (char)*c);
        else
            buffer_printf(path, "%%%02X", *c);
}

char *client_path(const char *collection, const char *name, const char *verb)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/", collection);
    client_encode(&path, name);
    if (verb)
        buffer_printf(&path, "/%s", verb);
    return buffer_steal(&path);
}

struct sink {
    struct client *client;
    struct reply *reply;
    client_take take; /* NULL: the answer is held */
    void *context;
    int taken; /* what `take` said; other than EXIT_OK: it wants no more */
};

static bool is_good(const struct client *client)
{
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static size_t on_data(char *data, size_t one, size_t size, void *context)
{
    (void)one;
    struct sink *sink = context;
    if (sink->take && is_good(sink->client)) {
        sink->taken = sink->take(sink->context, sink->reply, data, size);
        return sink->taken == EXIT_OK ? size : 0;
    }
    if (sink->reply->bytes.size + size > ANSWER_MAXIMUM) {
        sink->client->too_large = true;
        return 0;
    }
    buffer_append(&sink->reply->bytes, data, size);
    return size;
}

/* The name that a Content-Disposition proposes, made harmless. */
static void take_file_name(struct reply *reply, const char *value, size_t size)
{
    static const char mark[] = "filename*=UTF-8''";
    const char *at = memmem(value, size, mark, strlen(mark));
    if (!at)
        return;
    at += strlen(mark);
    int length = (int)(value + size - at);
    while (length > 0 && (at[length - 1] == '\r' || at[length - 1] == '\n'))
        length--;
    int decoded = 0;
    char *name = curl_easy_unescape(NULL, at, length, &decoded);
    if (!name)
        return;
    text_copy(reply->file_name, sizeof reply->file_name, name);
    curl_free(name);
    command_safe_file_name(reply->file_name);
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    (void)one;
    static const char name[] = "content-disposition:";
    struct sink *sink = context;
    if (size > strlen(name) && !strncasecmp(data, name, strlen(name)))
        take_file_name(sink->reply, data, size);
    return size;
}

static int no_answer(struct invocation *invocation, CURLcode result, const char *detail)
{
    struct client *client = invocation->client;
    long error_number = 0;
    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &error_number);
    if (client->too_large)
        return fail(invocation, EXIT_WRONG, MESSAGE_TOO_LARGE);
    if (result == CURLE_COULDNT_CONNECT && error_number == EACCES)
        return fail(invocation, EXIT_DENIED, MESSAGE_NO_PERMISSION, client->socket_path);
    const char *reason = *detail ? detail : curl_easy_strerror(result);
    if (result == CURLE_COULDNT_CONNECT)
        return fail(invocation, EXIT_UNREACHABLE, MESSAGE_UNREACHABLE, client->socket_path,
                    error_number ? strerror((int)error_number) : reason);
    return fail(invocation, EXIT_UNREACHABLE, MESSAGE_CONNECTION_LOST, client->socket_path, reason);
}

/* Of what kind is the thing that a command names and that is not there? */
static const char *noun_missed(const struct invocation *invocation)
{
    int (*run)(struct invocation *) = invocation->command->run;
    return run == sources_tables                           ? "source"
           : run == suppressions_add                       ? "campaign"
           : run == suppressions_feed || invocation->query ? "query"
           : invocation->distributor                       ? "report"
                                                           : invocation->command->noun;
}

/* What to do about a refusal, if the command line can help. */
static char *hint(const struct invocation *invocation, int code, long status)
{
    const char *noun = invocation->command->noun;
    bool of_a_run = invocation->step || invocation->recipient; /* no list of runs has those */
    if (code == EXIT_NOT_FOUND && invocation->command->verb && !of_a_run)
        return message_with(MESSAGE_HINT_LIST, noun_missed(invocation), (char *)NULL);
    if (status == 422 && text_equal(noun, "campaign"))
        return message_with(MESSAGE_HINT_CHECK, (char *)NULL);
    if (status == 503)
        return message_with(MESSAGE_HINT_BUSY, (char *)NULL);
    if (status >= 500)
        return message_with(MESSAGE_HINT_LOG, (char *)NULL);
    return NULL;
}

/* The first error of the problems that a refusal lists, in the language of the output; or the
 * refusal's own message. NULL: neither. */
static char *refusal_text(const json_t *json)
{
    const char *text = NULL, *german = NULL;
    json_unpack((json_t *)json, "{s:{s:s, s?s}}", "error", "message", &text, "message_de", &german);
    if (german && text_equal(messages_language_name(), "de"))
        text = german;
    const json_t *problems = json_object_get(json, "problems");
    FREE_CLEAN char *key = memory_format("message_%s", messages_language_name());
    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *problem = json_array_get(problems, i);
        const char *where = json_string_value(json_object_get(problem, "where"));
        const char *what = json_string_value(json_object_get(problem, key));
        if (where && what &&
            text_equal(json_string_value(json_object_get(problem, "severity")), "error")) {
            FREE_CLEAN char *place = where_text(where);
            return memory_format("%s: %s", place, what);
        }
    }
    return memory_text(text);
}

static int refused(struct invocation *invocation, long status, const json_t *json)
{
    FREE_CLEAN char *text = refusal_text(json);
    if (!text) {
        FREE_CLEAN char *number = memory_format("%ld", status);
        return fail(invocation, EXIT_WRONG, MESSAGE_BAD_ANSWER, invocation->client->socket_path,
                    number);
    }
    int code = status == 403   ? EXIT_DENIED
               : status == 404 ? EXIT_NOT_FOUND
               : status == 409 ? EXIT_CONFLICT
               : status == 503 ? EXIT_UNREACHABLE
                               : EXIT_WRONG;
    FREE_CLEAN char *more = hint(invocation, code, status);
    size_t length = strlen(text);
    const char *dot = length && strchr(".!?:;", text[length - 1]) ? "" : ".";
    return fail_with(invocation, code,
                     more ? memory_format("%s%s %s", text, dot, more)
                          : memory_format("%s%s", text, dot));
}

static int understand(struct invocation *invocation, struct reply *reply)
{
    long status = 0;
    char *type = NULL;
    bool good = is_good(invocation->client);
    curl_easy_getinfo(invocation->client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(invocation->client->curl, CURLINFO_CONTENT_TYPE, &type);
    bool json = type && text_starts(type, "application/json") && !*reply->file_name;
    if (json && reply->bytes.size) {
        reply->json = json_loadb(reply->bytes.data, reply->bytes.size, 0, NULL);
        buffer_free(&reply->bytes);
    }
    if (!good)
        return refused(invocation, status, reply->json);
    if (reply->json || !json || status == 204)
        return EXIT_OK;
    FREE_CLEAN char *number = memory_format("%ld", status);
    return fail(invocation, EXIT_WRONG, MESSAGE_BAD_ANSWER, invocation->client->socket_path,
                number);
}

static void set_up(struct client *client, const char *method, const char *url, char *detail)
{
    curl_easy_reset(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
    curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(client->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
}

/* `data` NULL: no body, which is an empty one for POST. */
static int perform(struct invocation *invocation, const char *method, const char *path,
                   const char *mime_type, const void *data, size_t size, struct sink *sink)
{
    struct client *client = sink->client = invocation->client;
    char detail[CURL_ERROR_SIZE] = "";
    FREE_CLEAN char *url = memory_format("http://campaignd/v1/%s", path);
    FREE_CLEAN char *type = memory_format("Content-Type: %s", mime_type);
    struct curl_slist *headers = data ? curl_slist_append(NULL, type) : NULL;
    headers = curl_slist_append(headers, "Expect:"); /* the daemon is at the other end of a pipe */
    set_up(client, method, url, detail);
    if (data || text_equal(method, "POST")) {
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, data ? data : "");
    }
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(client->curl, CURLOPT_HEADERDATA, sink);
    if (!sink->take)
        curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, ANSWER_SECONDS);
    CURLcode result = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (sink->taken != EXIT_OK)
        return sink->taken;
    return result == CURLE_OK ? understand(invocation, sink->reply)
                              : no_answer(invocation, result, detail);
}

static int call(struct invocation *invocation, const char *method, const char *path,
                const json_t *body, struct sink *sink)
{
    FREE_CLEAN char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    return perform(invocation, method, path, "application/json", text, text ? strlen(text) : 0,
                   sink);
}

int client_call(struct invocation *invocation, const char *method, const char *path,
                const json_t *body, struct reply *reply)
{
    struct sink sink = {.reply = reply};
    return call(invocation, method, path, body, &sink);
}

int client_stream(struct invocation *invocation, const char *path, const json_t *body,
                  client_take take, void *context, struct reply *reply)
{
    struct sink sink = {.reply = reply, .take = take, .context = context};
    return call(invocation, "POST", path, body, &sink);
}

int client_send(struct invocation *invocation, const char *method, const char *path,
                const char *mime_type, const void *data, size_t size, struct reply *reply)
{
    struct sink sink = {.reply = reply};
    return perform(invocation, method, path, mime_type, data, size, &sink);
}
