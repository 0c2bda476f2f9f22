#include "source/child.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define ANSWER_LIMIT (256u << 20)

struct reader {
    uv_process_t process;
    uv_pipe_t input, output;
    uv_timer_t timer;
    uv_write_t write;
    char *request;
    char *out; /* the file that it makes; "": none */
    struct buffer answer;
    reader_done done;
    void *context;
    int open_handles;
    bool exited, ended, timed_out, too_long;
    int64_t status;
    int signal;
    struct reader *next, **previous;
};

static struct reader *readers; /* of this process's one loop */

static void on_removed(uv_fs_t *work)
{
    uv_fs_req_cleanup(work);
    free(work);
}

/* What a reader that was killed has begun to write (source/snapshot.c, source/finish.c). */
static void remove_unfinished(const struct reader *reader)
{
    static const char *const endings[] = {".tmp", ".new"};
    for (size_t i = 0; *reader->out && i < sizeof endings / sizeof *endings; i++) {
        uv_fs_t *work = memory_new(sizeof *work);
        FREE_CLEAN char *path = memory_format("%s%s", reader->out, endings[i]);
        if (uv_fs_unlink(reader->timer.loop, work, path, on_removed) != 0)
            free(work);
    }
}

static void report(struct reader *reader)
{
    struct error error;
    json_t *answer = json_loadb(buffer_string(&reader->answer), reader->answer.size, 0, NULL);
    if (answer && json_is_true(json_object_get(answer, "ok"))) {
        reader->done(reader->context, answer, NULL);
    } else if (answer) {
        const char *code = json_string_value(json_object_get(answer, "code"));
        const char *message = json_string_value(json_object_get(answer, "message"));
        const char *german = json_string_value(json_object_get(answer, "message_de"));
        error_set(&error, ERROR_INPUT, "%s", message ? message : "the reader gave no reason");
        text_copy(error.german, sizeof error.german, german ? german : "");
        for (int i = ERROR_INPUT; code && i <= ERROR_INTERNAL; i++)
            if (strcmp(error_name((enum error_code)i), code) == 0)
                error.code = (enum error_code)i;
        reader->done(reader->context, NULL, &error);
    } else {
        remove_unfinished(reader);
        if (reader->timed_out)
            error_say(&error, ERROR_INPUT,
                      "the query took longer than its source's time_limit; make it simpler or "
                      "raise the limit",
                      "Die Abfrage dauerte länger als time_limit ihrer Datenquelle; die Abfrage "
                      "vereinfachen oder die Grenze anheben.");
        else if (reader->too_long)
            error_say(&error, ERROR_INPUT,
                      "the query's answer is too large; choose fewer columns or rows",
                      "Die Antwort der Abfrage ist zu groß; weniger Spalten oder Zeilen wählen.");
        else
            error_set(&error, ERROR_SYSTEM,
                      "the reader ended by %s %d before it answered; see the log",
                      reader->signal ? "signal" : "status",
                      reader->signal ? reader->signal : (int)reader->status);
        reader->done(reader->context, NULL, &error);
    }
    json_decref(answer);
}

static void on_closed(uv_handle_t *handle)
{
    struct reader *reader = handle->data;
    if (--reader->open_handles > 0)
        return;
    report(reader);
    *reader->previous = reader->next;
    if (reader->next)
        reader->next->previous = reader->previous;
    buffer_free(&reader->answer);
    memory_wipe(reader->request, strlen(reader->request)); /* it holds passwords */
    free(reader->request);
    free(reader->out);
    free(reader);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void end_if_over(struct reader *reader)
{
    if (!reader->exited || !reader->ended)
        return;
    close_handle((uv_handle_t *)&reader->process);
    close_handle((uv_handle_t *)&reader->input);
    close_handle((uv_handle_t *)&reader->output);
    close_handle((uv_handle_t *)&reader->timer);
}

static void on_exit_of_reader(uv_process_t *process, int64_t status, int signal)
{
    struct reader *reader = process->data;
    reader->exited = true;
    reader->status = status;
    reader->signal = signal;
    end_if_over(reader);
}

static void on_time_over(uv_timer_t *timer)
{
    struct reader *reader = timer->data;
    reader->timed_out = true;
    uv_process_kill(&reader->process, SIGKILL);
}

static void on_room_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct reader *reader = handle->data;
    (void)suggested;
    buffer_reserve(&reader->answer, 64 * 1024);
    *room = uv_buf_init(reader->answer.data + reader->answer.size, 64 * 1024);
}

static void on_answer(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct reader *reader = stream->data;
    (void)room;
    if (got < 0) {
        reader->ended = true;
        end_if_over(reader);
        return;
    }
    reader->answer.size += (size_t)got;
    reader->answer.data[reader->answer.size] = '\0';
    if (reader->answer.size > ANSWER_LIMIT) {
        reader->too_long = true;
        buffer_clear(&reader->answer);
        uv_process_kill(&reader->process, SIGKILL);
    }
}

static void on_request_written(uv_write_t *write, int status)
{
    struct reader *reader = write->data;
    (void)status; /* a reader that did not read says why by how it ends */
    if (!uv_is_closing((uv_handle_t *)&reader->input))
        uv_close((uv_handle_t *)&reader->input, on_closed);
}

static void init_handles(uv_loop_t *loop, struct reader *reader)
{
    uv_pipe_init(loop, &reader->input, 0);
    uv_pipe_init(loop, &reader->output, 0);
    uv_timer_init(loop, &reader->timer);
    reader->process.data = reader->input.data = reader->output.data = reader->timer.data =
        reader->write.data = reader;
    reader->open_handles = 4;
}

json_t *reader_request(const char *mode, json_t *sources, json_t *definition)
{
    return json_pack("{s:s, s:O, s:O}", "mode", mode, "sources", sources, "definition", definition);
}

/* Each statement has its source's time; what is fetched is sorted and copied after that. */
static uint64_t time_limit_ms(const json_t *request)
{
    const json_t *group = json_object_get(json_object_get(request, "definition"), "group");
    bool sorts = json_object_get(request, "out") || json_object_get(request, "raw");
    uint64_t statements = 1 + json_array_size(json_object_get(group, "details"));
    const char *name;
    json_t *source;
    json_int_t sum_us = 0;
    json_object_foreach(json_object_get(request, "sources"), name, source)
        sum_us += json_integer_value(json_object_get(source, "time_limit_us"));
    return (uint64_t)sum_us / 1000 * statements + (sorts ? 60000 : 5000);
}

void reader_start(uv_loop_t *loop, const json_t *request, reader_done done, void *context)
{
    static char program[] = "campaignd", option[] = "--reader";
    char *arguments[] = {program, option, NULL};
    struct reader *reader = memory_new(sizeof *reader);
    reader->done = done;
    reader->context = context;
    const char *out = json_string_value(json_object_get(request, "out"));
    reader->request = json_dumps(request, JSON_COMPACT);
    reader->out = memory_text(out ? out : "");
    init_handles(loop, reader);
    reader->next = readers;
    reader->previous = &readers;
    if (readers)
        readers->previous = &reader->next;
    readers = reader;
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&reader->input},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&reader->output},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {
        .file = "/proc/self/exe",
        .args = arguments,
        .exit_cb = on_exit_of_reader,
        .stdio = stdio,
        .stdio_count = 3,
    };
    int failed = uv_spawn(loop, &reader->process, &options);
    if (failed) {
        log_error("cannot start a reader: %s", uv_strerror(failed));
        reader->exited = reader->ended = true;
        end_if_over(reader);
        return;
    }
    uv_buf_t bytes = uv_buf_init(reader->request, (unsigned)strlen(reader->request));
    uv_read_start((uv_stream_t *)&reader->output, on_room_wanted, on_answer);
    uv_write(&reader->write, (uv_stream_t *)&reader->input, &bytes, 1, on_request_written);
    uv_timer_start(&reader->timer, on_time_over, time_limit_ms(request), 0);
}

void reader_stop_all(void)
{
    for (struct reader *reader = readers; reader; reader = reader->next)
        if (!reader->exited)
            uv_process_kill(&reader->process, SIGKILL);
}
