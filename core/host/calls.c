#include "host/calls.h"

#include <stddef.h>

static void run_all(struct calls *calls)
{
    pthread_mutex_lock(&calls->mutex);
    struct call *call = calls->first;
    calls->first = NULL;
    calls->last = &calls->first;
    pthread_mutex_unlock(&calls->mutex);
    while (call) {
        struct call *next = call->next;
        call->run(call);
        call = next;
    }
}

static void on_posted(uv_async_t *async)
{
    run_all(async->data);
}

void calls_open(struct calls *calls, uv_loop_t *loop)
{
    pthread_mutex_init(&calls->mutex, NULL);
    calls->first = NULL;
    calls->last = &calls->first;
    uv_async_init(loop, &calls->async, on_posted);
    calls->async.data = calls;
}

void calls_close(struct calls *calls)
{
    run_all(calls);
    uv_close((uv_handle_t *)&calls->async, NULL);
}

void calls_post(struct calls *calls, struct call *call)
{
    call->next = NULL;
    pthread_mutex_lock(&calls->mutex);
    *calls->last = call;
    calls->last = &call->next;
    pthread_mutex_unlock(&calls->mutex);
    uv_async_send(&calls->async);
}
