/*
 * The worker's threads: for send(), for previews of the simple tier, and for the host function
 * thread(). Threads are started as they are needed, up to a limit, and stay.
 */
#ifndef CAMPAIGND_HOST_POOL_H
#define CAMPAIGND_HOST_POOL_H

#include "host/calls.h"

struct work {
    struct call call;                 /* first: how it comes back to the loop */
    void (*run)(struct work *work);   /* on a thread */
    void (*after)(struct work *work); /* then on the loop */
};

struct pool;

struct pool *pool_open(struct calls *calls, unsigned limit);

/* Let threads end; those that run something end after it. Waits for all of them. */
void pool_close(struct pool *pool);

/* [the loop] `work` stays the caller's, untouched until after(). */
void pool_submit(struct pool *pool, struct work *work);

#endif
