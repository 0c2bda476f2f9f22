#include "host/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

struct pool {
    struct calls *calls;
    pthread_mutex_t mutex;
    pthread_cond_t posted;
    struct call *first, **last; /* of struct work */
    pthread_t *threads;
    unsigned count, limit, idle, waiting;
    bool closing;
};

static void on_done(struct call *call)
{
    struct work *work = (struct work *)call;
    work->after(work);
}

/* The next work; NULL: the pool closes. */
static struct work *take(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->idle++;
    while (!pool->first && !pool->closing)
        pthread_cond_wait(&pool->posted, &pool->mutex);
    pool->idle--;
    struct call *call = pool->first;
    if (call) {
        pool->first = call->next;
        pool->waiting--;
        if (!pool->first)
            pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->mutex);
    return (struct work *)call;
}

static void *thread_main(void *context)
{
    struct pool *pool = context;
    for (struct work *work; (work = take(pool));) {
        work->run(work);
        work->call.run = on_done;
        calls_post(pool->calls, &work->call);
    }
    return NULL;
}

/* Signals are the loop's. */
static int start_thread(pthread_t *thread, void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(thread, NULL, thread_main, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

struct pool *pool_open(struct calls *calls, unsigned limit)
{
    struct pool *pool = memory_new(sizeof *pool);
    pool->calls = calls;
    pool->limit = limit;
    pool->threads = memory_array(limit, sizeof *pool->threads);
    pool->last = &pool->first;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->posted, NULL);
    return pool;
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->posted);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->threads);
    free(pool);
}

void pool_submit(struct pool *pool, struct work *work)
{
    pthread_mutex_lock(&pool->mutex);
    work->call.next = NULL;
    *pool->last = &work->call;
    pool->last = &work->call.next;
    pool->waiting++;
    if (pool->waiting > pool->idle && pool->count < pool->limit) {
        int failed = start_thread(&pool->threads[pool->count], pool);
        if (!failed)
            pool->count++;
        else if (pool->count == 0)
            memory_exhausted(0);
        else
            log_warning("cannot start another thread: %s", strerror(failed));
    }
    pthread_cond_signal(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
}
