#include "host/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define READ_AT_ONCE (256u << 10)

static void lose(struct channel *channel, const char *why)
{
    if (channel->lost)
        return;
    channel->lost = true;
    uv_poll_stop(&channel->poll);
    buffer_clear(&channel->out);
    channel->on_lost(channel->context, why);
}

/* Hand over all whole frames of `in`; what is left is the start of one. */
static void hand_over(struct channel *channel)
{
    size_t used = 0;
    while (!channel->lost) {
        enum frame_type type;
        struct frame_reader payload;
        int64_t size =
            frame_next(channel->in.data + used, channel->in.size - used, &type, &payload);
        if (size < 0)
            lose(channel, "it sent what is no frame");
        if (size <= 0)
            break;
        channel->on_frame(channel->context, type, &payload);
        used += (size_t)size;
    }
    buffer_consume(&channel->in, used);
}

static void read_some(struct channel *channel)
{
    buffer_reserve(&channel->in, READ_AT_ONCE);
    ssize_t got =
        recv(channel->fd, channel->in.data + channel->in.size, READ_AT_ONCE, MSG_DONTWAIT);
    if (got > 0) {
        channel->in.size += (size_t)got;
        hand_over(channel);
    } else if (got == 0) {
        lose(channel, "it closed the socket");
    } else if (errno != EAGAIN && errno != EINTR) {
        lose(channel, strerror(errno));
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct channel *channel = poll->data;
    if (status < 0) {
        lose(channel, uv_strerror(status));
        return;
    }
    if (events & UV_READABLE)
        read_some(channel);
    if (!channel->lost && events & UV_WRITABLE)
        channel_flush(channel);
}

static void watch(struct channel *channel)
{
    uv_poll_start(&channel->poll, UV_READABLE | (channel->blocked ? UV_WRITABLE : 0), on_ready);
}

void channel_open(struct channel *channel, uv_loop_t *loop)
{
    uv_poll_init(loop, &channel->poll, channel->fd);
    channel->poll.data = channel;
    watch(channel);
}

void channel_close(struct channel *channel)
{
    uv_close((uv_handle_t *)&channel->poll, NULL);
    buffer_free(&channel->in);
    buffer_free(&channel->out);
}

void channel_flush(struct channel *channel)
{
    size_t sent = 0;
    bool blocked = false;
    while (!channel->lost && !blocked && sent < channel->out.size) {
        ssize_t n = send(channel->fd, channel->out.data + sent, channel->out.size - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            blocked = true;
        else if (n < 0 && errno != EINTR)
            lose(channel, strerror(errno));
    }
    if (channel->lost)
        return;
    buffer_consume(&channel->out, sent);
    if (blocked != channel->blocked) {
        channel->blocked = blocked;
        watch(channel);
    }
}

void channel_drain(struct channel *channel, int timeout_ms)
{
    int64_t until = clock_monotonic_us() + timeout_ms * 1000LL;
    channel_flush(channel);
    while (!channel->lost && channel->out.size > 0 && clock_monotonic_us() < until) {
        struct pollfd wait = {.fd = channel->fd, .events = POLLOUT};
        poll(&wait, 1, 100);
        channel_flush(channel);
    }
}
