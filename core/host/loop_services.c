#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "host/services.h"

/* ---- descriptors ---- */

struct campaignd_watch {
    uv_poll_t poll;
    void (*ready)(void *context, uint32_t events);
    void *context;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct campaignd_watch *watch = poll->data;
    uint32_t ready = 0;
    if (events & UV_READABLE)
        ready |= CAMPAIGND_READABLE;
    if (events & UV_WRITABLE)
        ready |= CAMPAIGND_WRITABLE;
    /* An error is for the plugin's read or write to find out. */
    if (status < 0)
        ready = CAMPAIGND_READABLE | CAMPAIGND_WRITABLE;
    watch->ready(watch->context, ready);
}

struct campaignd_watch *services_watch_fd(int32_t fd, uint32_t events,
                                          void (*ready)(void *context, uint32_t events),
                                          void *context)
{
    struct campaignd_watch *watch = memory_new(sizeof *watch);
    int failed = uv_poll_init(&services_engine()->loop, &watch->poll, fd);
    if (failed) {
        log_error("watch_fd: descriptor %d: %s", fd, uv_strerror(failed));
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->ready = ready;
    watch->context = context;
    services_watch_change(watch, events);
    return watch;
}

void services_watch_change(struct campaignd_watch *watch, uint32_t events)
{
    int wanted = (events & CAMPAIGND_READABLE ? UV_READABLE : 0) |
                 (events & CAMPAIGND_WRITABLE ? UV_WRITABLE : 0);
    if (wanted)
        uv_poll_start(&watch->poll, wanted, on_ready);
    else
        uv_poll_stop(&watch->poll);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

void services_watch_end(struct campaignd_watch *watch)
{
    if (watch)
        uv_close((uv_handle_t *)&watch->poll, free_handle);
}

/* ---- timers ---- */

struct campaignd_timer {
    uv_timer_t timer;
    void (*fire)(void *context);
    void *context;
};

static void on_timer(uv_timer_t *handle)
{
    struct campaignd_timer *timer = handle->data;
    timer->fire(timer->context);
}

struct campaignd_timer *services_timer(int64_t delay_ms, void (*fire)(void *context), void *context)
{
    struct campaignd_timer *timer = memory_new(sizeof *timer);
    uv_timer_init(&services_engine()->loop, &timer->timer);
    timer->timer.data = timer;
    timer->fire = fire;
    timer->context = context;
    services_timer_set(timer, delay_ms);
    return timer;
}

void services_timer_set(struct campaignd_timer *timer, int64_t delay_ms)
{
    if (delay_ms < 0) {
        uv_timer_stop(&timer->timer);
        return;
    }
    uv_update_time(&services_engine()->loop); /* the call before this one may have taken long */
    uv_timer_start(&timer->timer, on_timer, (uint64_t)delay_ms, 0);
}

void services_timer_end(struct campaignd_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->timer, free_handle);
}

/* ---- threads ---- */

struct threaded {
    struct work work;
    void (*run)(void *context);
    void (*after)(void *context);
    void *context;
};

static void run_threaded(struct work *work)
{
    struct threaded *threaded = (struct threaded *)work;
    threaded->run(threaded->context);
}

static void on_threaded(struct work *work)
{
    struct threaded *threaded = (struct threaded *)work;
    if (threaded->after)
        threaded->after(threaded->context);
    free(threaded);
}

void services_thread(void (*work)(void *context), void (*after)(void *context), void *context)
{
    struct threaded *threaded = memory_new(sizeof *threaded);
    threaded->work.run = run_threaded;
    threaded->work.after = on_threaded;
    threaded->run = work;
    threaded->after = after;
    threaded->context = context;
    if (services_engine()->pool) {
        pool_submit(services_engine()->pool, &threaded->work);
    } else { /* the worker ends */
        threaded->run(context);
        on_threaded(&threaded->work);
    }
}
