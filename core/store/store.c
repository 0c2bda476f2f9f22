#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/sql.h"

struct queue {
    struct store_work *first, **last;
};

struct store {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    uv_async_t async;
    struct queue incoming; /* guarded */
    struct queue finished; /* guarded */
    bool stopping;         /* guarded */
    struct queue kept;     /* the thread's own: to be tried again */
    size_t unreported;     /* the loop's own */
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_put(struct queue *queue, struct store_work *work)
{
    work->next = NULL;
    *queue->last = work;
    queue->last = &work->next;
}

static void queue_move(struct queue *target, struct queue *source)
{
    if (!source->first)
        return;
    *target->last = source->first;
    target->last = source->last;
    queue_init(source);
}

static void report(struct store *store)
{
    struct queue finished;
    queue_init(&finished);
    pthread_mutex_lock(&store->mutex);
    queue_move(&finished, &store->finished);
    pthread_mutex_unlock(&store->mutex);
    for (struct store_work *work = finished.first, *next; work; work = next) {
        next = work->next;
        store->unreported--;
        work->done(work, work->failed ? &work->error : NULL);
    }
}

static void on_finished(uv_async_t *async)
{
    report(async->data);
}

/* The databases of one round; few, so a list is searched. */
struct round {
    struct store_database **databases;
    size_t count;
};

/* What was read anew after a failure and could not be is read before anything relies on it. */
static int refresh(struct store_database *database, struct error *error)
{
    if (database->stale && database->rolled_back(database, error) != 0)
        return -1;
    database->stale = false;
    return 0;
}

/* If a transaction cannot be begun, all further work of this round on that database fails with it:
 * none may overtake what is kept. */
static int enter(struct round *round, struct store_database *database, struct error *error)
{
    if (!database || database->in_transaction)
        return 0;
    database->in_transaction = true;
    database->broken = false;
    round->databases =
        memory_resize(round->databases, (round->count + 1) * sizeof *round->databases);
    round->databases[round->count++] = database;
    if (sql_run(database->db, "BEGIN IMMEDIATE", error) == 0 && refresh(database, error) == 0)
        return 0;
    database->broken = true;
    database->why = *error;
    log_error("%s", error->message);
    return -1;
}

static void undo(struct store_database *database)
{
    struct error error;
    if (!sqlite3_get_autocommit(database->db))
        sql_run(database->db, "ROLLBACK", NULL);
    database->in_transaction = false;
    if (database->rolled_back && database->rolled_back(database, &error) != 0) {
        database->stale = true;
        log_error("after a failed commit: %s", error.message);
    }
}

static void commit(struct store_database *database, struct error *error)
{
    if (!database->broken && ((database->flush && database->flush(database, error) != 0) ||
                              sql_run(database->db, "COMMIT", error) != 0)) {
        database->broken = true;
        database->why = *error;
    }
    if (database->broken) {
        undo(database);
        return;
    }
    database->in_transaction = false;
    if (database->committed)
        database->committed(database);
}

static void apply(struct round *round, struct store_work *work)
{
    struct store_database *database = work->database;
    bool known = database && database->in_transaction;
    work->failed = false;
    if (known && database->broken) {
        work->failed = true;
        work->error = database->why;
        return;
    }
    if (enter(round, database, &work->error) != 0) {
        work->failed = true;
        return;
    }
    if (work->apply(work, &work->error) == 0)
        return;
    work->failed = true;
    if (database) {
        database->broken = true;
        database->why = work->error;
        log_error("%s", work->error.message);
    }
}

/* What failed with its transaction goes back to the queue if it is to be kept. */
static void settle(struct store *store, struct queue *batch, bool stopping)
{
    struct queue finished;
    queue_init(&finished);
    for (struct store_work *work = batch->first, *next; work; work = next) {
        next = work->next;
        bool undone = work->database && work->database->broken;
        if (undone && !work->failed) {
            work->failed = true;
            work->error = work->database->why;
        }
        queue_put(work->failed && work->keep && !stopping ? &store->kept : &finished, work);
    }
    pthread_mutex_lock(&store->mutex);
    queue_move(&store->finished, &finished);
    pthread_mutex_unlock(&store->mutex);
    uv_async_send(&store->async);
}

/* One round: apply all, commit each database, state.db (the first that was opened) before the
 * journals. */
static void work_off(struct store *store, struct queue *batch, bool stopping)
{
    struct round round = {0};
    struct error error;
    for (struct store_work *work = batch->first; work; work = work->next)
        apply(&round, work);
    for (size_t i = 0; i < round.count; i++) {
        error.message[0] = '\0';
        commit(round.databases[i], &error);
        if (error.message[0])
            log_error("%s", error.message);
    }
    settle(store, batch, stopping);
    free(round.databases);
}

/* Wait for work, or a second if some is kept. Returns whether the thread is to end after this
 * batch. */
static bool take(struct store *store, struct queue *batch)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    queue_init(batch);
    pthread_mutex_lock(&store->mutex);
    bool due = false;
    while (!store->incoming.first && !store->stopping && !due) {
        if (!store->kept.first)
            pthread_cond_wait(&store->wake, &store->mutex);
        else
            due = pthread_cond_timedwait(&store->wake, &store->mutex, &until) == ETIMEDOUT;
    }
    queue_move(batch, &store->kept); /* kept work first: outcomes stay in order */
    queue_move(batch, &store->incoming);
    bool last = store->stopping;
    pthread_mutex_unlock(&store->mutex);
    return last;
}

static void *run_thread(void *context)
{
    struct store *store = context;
    struct queue batch;
    for (bool last = false; !last;) {
        last = take(store, &batch);
        work_off(store, &batch, last);
    }
    return NULL;
}

struct store *store_start(uv_loop_t *loop, struct error *error)
{
    struct store *store = memory_new(sizeof *store);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->wake, NULL);
    queue_init(&store->incoming);
    queue_init(&store->finished);
    queue_init(&store->kept);
    store->async.data = store;
    uv_async_init(loop, &store->async, on_finished);
    int failed = pthread_create(&store->thread, NULL, run_thread, store);
    if (failed) {
        error_errno(error, failed, "cannot start the store thread");
        uv_close((uv_handle_t *)&store->async, NULL);
        free(store);
        return NULL;
    }
    pthread_setname_np(store->thread, "store"); /* for top -H and perf */
    return store;
}

void store_submit(struct store *store, struct store_work *work)
{
    store->unreported++;
    pthread_mutex_lock(&store->mutex);
    queue_put(&store->incoming, work);
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
}

bool store_busy(const struct store *store)
{
    return store->unreported > 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* What was handed over while the last of it was reported: this thread is the writer now. */
static bool work_off_rest(struct store *store)
{
    struct queue batch;
    queue_init(&batch);
    queue_move(&batch, &store->incoming);
    if (!batch.first)
        return false;
    work_off(store, &batch, true);
    return true;
}

void store_stop(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->thread, NULL);
    do
        report(store);
    while (work_off_rest(store));
    uv_close((uv_handle_t *)&store->async, on_closed);
}
