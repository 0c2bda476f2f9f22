#include "daemon/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#define READ_SIZE (256 * 1024)
#define DRAIN_MS 2000 /* somebody else may hold the socket of a dead process open */

struct process {
    uv_process_t child;
    uv_pipe_t pipe;
    uv_timer_t drain;
    struct process_events events;
    void *context;
    struct buffer input;
    size_t consumed;
    int open_handles;
    bool exited, ended, broken;
    char how[96];
};

static void on_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    if (--process->open_handles > 0)
        return;
    process->events.gone(process->context, process->how);
    buffer_free(&process->input);
    free(process);
}

static void close_if_over(struct process *process)
{
    if (!process->exited || !process->ended || uv_is_closing((uv_handle_t *)&process->child))
        return;
    uv_close((uv_handle_t *)&process->child, on_closed);
    uv_close((uv_handle_t *)&process->pipe, on_closed);
    uv_close((uv_handle_t *)&process->drain, on_closed);
}

static void on_drain_over(uv_timer_t *timer)
{
    struct process *process = timer->data;
    process->ended = true;
    close_if_over(process);
}

static void on_exit_of_process(uv_process_t *child, int64_t status, int signal_number)
{
    struct process *process = child->data;
    process->exited = true;
    if (signal_number)
        snprintf(process->how, sizeof process->how, "signal %d (%s)", signal_number,
                 strsignal(signal_number));
    else
        snprintf(process->how, sizeof process->how, "status %d", (int)status);
    uv_timer_start(&process->drain, on_drain_over, DRAIN_MS, 0);
    close_if_over(process);
}

/* Hand over all whole frames; what is left moves to the front. */
static void take_frames(struct process *process)
{
    enum frame_type type;
    struct frame_reader payload;
    int64_t size;
    while ((size = frame_next(process->input.data + process->consumed,
                              process->input.size - process->consumed, &type, &payload)) > 0) {
        process->consumed += (size_t)size;
        if (!process->events.frame(process->context, type, payload)) {
            size = -1;
            break;
        }
    }
    if (size < 0 && !process->broken) {
        log_error("worker %d sent what is no frame of ours (type %d); it is killed",
                  process->child.pid, (int)type);
        process->broken = true;
        uv_process_kill(&process->child, SIGKILL);
    }
    buffer_consume(&process->input, process->consumed);
    process->consumed = 0;
}

static void on_room_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct process *process = handle->data;
    (void)suggested;
    buffer_reserve(&process->input, READ_SIZE);
    *room = uv_buf_init(process->input.data + process->input.size, READ_SIZE);
}

static void on_input(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct process *process = stream->data;
    (void)room;
    if (got < 0) {
        uv_read_stop(stream);
        process->ended = true;
        close_if_over(process);
        return;
    }
    if (process->broken)
        return;
    process->input.size += (size_t)got;
    process->input.data[process->input.size] = '\0';
    take_frames(process);
}

static int spawn(uv_loop_t *loop, struct process *process, int socket_fd, int plugin, int layout)
{
    static char program[] = "campaignd", option[] = "--worker";
    char *arguments[] = {program, option, NULL};
    uv_stdio_container_t stdio[6] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
        {.flags = UV_INHERIT_FD, .data.fd = socket_fd},
        {.flags = UV_INHERIT_FD, .data.fd = plugin},
        {.flags = layout >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = layout},
    };
    uv_process_options_t options = {
        .file = "/proc/self/exe",
        .args = arguments,
        .exit_cb = on_exit_of_process,
        .stdio = stdio,
        .stdio_count = layout >= 0 ? 6 : 5,
    };
    return uv_spawn(loop, &process->child, &options);
}

static void on_unstarted_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    if (--process->open_handles == 0)
        free(process);
}

struct process *process_start(uv_loop_t *loop, int plugin, int layout,
                              const struct process_events *events, void *context,
                              struct error *error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        error_errno(error, errno, "cannot make a socket pair for a worker");
        return NULL;
    }
    struct process *process = memory_new(sizeof *process);
    process->events = *events;
    process->context = context;
    process->child.data = process->pipe.data = process->drain.data = process;
    uv_pipe_init(loop, &process->pipe, 0);
    uv_timer_init(loop, &process->drain);
    uv_pipe_open(&process->pipe, pair[0]);
    int failed = spawn(loop, process, pair[1], plugin, layout);
    close(pair[1]);
    process->open_handles = 3;
    if (failed) {
        error_set(error, ERROR_SYSTEM, "cannot start a worker: %s", uv_strerror(failed));
        uv_close((uv_handle_t *)&process->child, on_unstarted_closed);
        uv_close((uv_handle_t *)&process->pipe, on_unstarted_closed);
        uv_close((uv_handle_t *)&process->drain, on_unstarted_closed);
        return NULL;
    }
    uv_read_start((uv_stream_t *)&process->pipe, on_room_wanted, on_input);
    return process;
}

struct sending {
    uv_write_t write;
    char *data;
};

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = write->data;
    (void)status; /* a process that is gone is reported by its exit */
    free(sending->data);
    free(sending);
}

void process_send(struct process *process, const struct buffer *frames)
{
    if (process->ended || process->exited || uv_is_closing((uv_handle_t *)&process->pipe))
        return;
    struct sending *sending = memory_new(sizeof *sending);
    sending->data = memory_text_n(frames->data, frames->size);
    sending->write.data = sending;
    uv_buf_t bytes = uv_buf_init(sending->data, (unsigned)frames->size);
    if (uv_write(&sending->write, (uv_stream_t *)&process->pipe, &bytes, 1, on_sent) != 0)
        on_sent(&sending->write, 0);
}

void process_kill(struct process *process, int signal_number)
{
    if (!process->exited)
        uv_process_kill(&process->child, signal_number);
}

int process_pid(const struct process *process)
{
    return process->child.pid;
}
