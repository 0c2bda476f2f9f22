/* Calls from other threads to the loop: queued in the order in which they were posted, and run on
 * the loop's thread. A call belongs to its poster until it runs, and then to what it runs. */
#ifndef CAMPAIGND_HOST_CALLS_H
#define CAMPAIGND_HOST_CALLS_H

#include <pthread.h>
#include <uv.h>

struct call {
    struct call *next;
    void (*run)(struct call *call);
};

struct calls {
    pthread_mutex_t mutex;
    struct call *first, **last;
    uv_async_t async;
};

void calls_open(struct calls *calls, uv_loop_t *loop);
void calls_close(struct calls *calls); /* runs what is still there; closes the handle */

/* [any thread] */
void calls_post(struct calls *calls, struct call *call);

#endif
