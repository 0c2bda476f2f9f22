/*
 * The worker's end of the socket to its core. Reading hands over whole frames; writing collects
 * them in `out` and sends at channel_flush(), without ever blocking the loop.
 */
#ifndef CAMPAIGND_HOST_CHANNEL_H
#define CAMPAIGND_HOST_CHANNEL_H

#include <stdbool.h>
#include <uv.h>

#include "base/buffer.h"
#include "wire/frame.h"

struct channel {
    int fd;
    uv_poll_t poll;
    struct buffer in, out;
    bool lost;    /* the core is gone: nothing is sent any more */
    bool blocked; /* waits until the socket takes more */
    void (*on_frame)(void *context, enum frame_type type, struct frame_reader *payload);
    void (*on_lost)(void *context, const char *why); /* once */
    void *context;
};

/* Fill fd and the callbacks first. */
void channel_open(struct channel *channel, uv_loop_t *loop);
void channel_close(struct channel *channel);

/* Send what is in `out`, as far as the socket takes it; the rest follows by itself. */
void channel_flush(struct channel *channel);

/* Send all of it, waiting for the core for at most `timeout_ms`: the last thing before an exit. */
void channel_drain(struct channel *channel, int timeout_ms);

#endif
