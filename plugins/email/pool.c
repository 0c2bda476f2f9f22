#include "pool.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PAUSE_FIRST_MS 1000
#define PAUSE_LONGEST_MS 300000
#define LIMIT_MS 60000

struct pool {
    const struct campaignd_host *host;
    const struct email_settings *settings;
    struct connection_owner owner;
    struct dialer *dialer;
    GQueue waiting;     /* of struct delivery */
    GQueue idle;        /* of struct connection; the last used first */
    GQueue connections; /* all of them */
    GHashTable *fresh;  /* the set of those that were not idle yet */
    unsigned limit;     /* of connections, until limit_until_us; what the server bears */
    int64_t limit_until_us;
    int64_t pause_ms; /* the present pause; 0: the server is well */
    int64_t pause_until_us;
    struct campaignd_timer *pause_timer;
    char trouble[480]; /* why it pauses */
    int closing;
};

static void pump(struct pool *pool);

/* ---- deliveries ---- */

struct delivery *delivery_new(campaignd_task task, const char *sender, const char *recipient,
                              GByteArray *wire)
{
    struct delivery *delivery = g_new0(struct delivery, 1);
    delivery->task = task;
    delivery->wire = wire;
    snprintf(delivery->sender, sizeof(delivery->sender), "%s", sender);
    snprintf(delivery->recipient, sizeof(delivery->recipient), "%s", recipient);
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    g_byte_array_unref(delivery->wire);
    g_free(delivery);
}

static void finish(struct pool *pool, struct delivery *delivery,
                   const struct campaignd_outcome *outcome)
{
    campaignd_task task = delivery->task;
    delivery_free(delivery);
    pool->host->done(task, outcome);
}

static void defer(struct pool *pool, struct delivery *delivery, const char *text,
                  int64_t not_before_us)
{
    struct campaignd_outcome outcome = {.size = sizeof(outcome),
                                        .status = CAMPAIGND_DEFERRED,
                                        .text = text,
                                        .not_before_us = not_before_us};
    finish(pool, delivery, &outcome);
}

/* ---- pauses ---- */

static int64_t pause_left_us(const struct pool *pool)
{
    int64_t left = pool->pause_until_us - g_get_monotonic_time();
    return pool->pause_ms && left > 0 ? left : 0;
}

/* Connections that fail together count once: only what failed after a pause lengthens it. */
static void pause_after(struct pool *pool, enum connection_end end, const char *why)
{
    if (pause_left_us(pool) > 0)
        return;
    pool->pause_ms = pool->pause_ms ? MIN(pool->pause_ms * 2, PAUSE_LONGEST_MS) : PAUSE_FIRST_MS;
    pool->pause_until_us = g_get_monotonic_time() + pool->pause_ms * 1000;
    snprintf(pool->trouble, sizeof(pool->trouble), "%s", why);
    pool->host->log(end == CONNECTION_WRONG_LOGIN ? CAMPAIGND_LOG_ERROR : CAMPAIGND_LOG_WARNING, 0,
                    "%s; next attempt in %lld s", why, (long long)(pool->pause_ms / 1000));
    pool->host->timer_set(pool->pause_timer, pool->pause_ms + 1);
}

/* Some connections stand and one more is refused: the server wants no more of them. */
static void keep_to_limit(struct pool *pool, unsigned standing, const char *why)
{
    int64_t now_us = g_get_monotonic_time();
    if (now_us >= pool->limit_until_us)
        pool->host->log(CAMPAIGND_LOG_WARNING, 0, "%s; keeping to %u connections for %d s", why,
                        standing, LIMIT_MS / 1000);
    pool->limit = standing;
    pool->limit_until_us = now_us + LIMIT_MS * 1000;
}

static void server_is_well(struct pool *pool)
{
    pool->pause_ms = 0;
    pool->host->timer_set(pool->pause_timer, -1);
}

static void on_pause_end(void *context)
{
    pump(context);
}

/* Nobody is left who could bring them anywhere soon. */
static void defer_all(struct pool *pool)
{
    int64_t not_before_us = g_get_real_time() + pause_left_us(pool);
    GQueue waiting = pool->waiting;
    g_queue_init(&pool->waiting);
    for (struct delivery *delivery; (delivery = g_queue_pop_head(&waiting));)
        defer(pool, delivery, pool->trouble, not_before_us);
}

/* ---- connections ---- */

static void on_idle(void *context, struct connection *connection)
{
    struct pool *pool = context;
    g_hash_table_remove(pool->fresh, connection);
    struct delivery *next = g_queue_pop_head(&pool->waiting);
    if (next)
        connection_send(connection, next);
    else
        g_queue_push_head(&pool->idle, connection);
}

static void on_over(void *context, struct delivery *delivery,
                    const struct campaignd_outcome *outcome)
{
    struct pool *pool = context;
    if (outcome->code && outcome->code != 421 && outcome->code != 530)
        server_is_well(pool);
    finish(pool, delivery, outcome);
}

static void on_restart(void *context, struct delivery *delivery)
{
    struct pool *pool = context;
    g_queue_push_head(&pool->waiting, delivery);
}

static void on_gone(void *context, struct connection *connection, enum connection_end end,
                    const char *why)
{
    struct pool *pool = context;
    g_queue_remove(&pool->idle, connection);
    g_queue_remove(&pool->connections, connection);
    g_hash_table_remove(pool->fresh, connection);
    unsigned standing = pool->connections.length - g_hash_table_size(pool->fresh);
    if (end != CONNECTION_FINISHED && standing)
        keep_to_limit(pool, standing, why);
    else if (end != CONNECTION_FINISHED)
        pause_after(pool, end, why);
    if (!pool->closing)
        pump(pool);
}

static unsigned limit_now(const struct pool *pool)
{
    return g_get_monotonic_time() < pool->limit_until_us ? pool->limit
                                                         : pool->settings->connections;
}

/* After trouble one connection looks whether the server is well again; only then come the others.
 */
static int may_dial(const struct pool *pool)
{
    unsigned dialling = g_hash_table_size(pool->fresh);
    unsigned wanted = pool->pause_ms ? 1 : pool->waiting.length;
    return pool->connections.length < limit_now(pool) && dialling < wanted &&
           pause_left_us(pool) == 0;
}

static void dial(struct pool *pool)
{
    struct connection *connection =
        connection_new(pool->host, pool->settings, pool->dialer, &pool->owner);
    if (!connection) {
        pause_after(pool, CONNECTION_NOT_MADE, "libcurl makes no connection");
        return;
    }
    g_queue_push_tail(&pool->connections, connection);
    g_hash_table_add(pool->fresh, connection);
}

static void pump(struct pool *pool)
{
    while (pool->waiting.length && pool->idle.length)
        connection_send(g_queue_pop_head(&pool->idle), g_queue_pop_head(&pool->waiting));
    while (pool->waiting.length && may_dial(pool))
        dial(pool);
    if (pool->waiting.length && pool->connections.length == 0)
        defer_all(pool);
}

/* ---- what the plugin calls ---- */

struct pool *pool_new(const struct campaignd_host *host, const struct email_settings *settings,
                      struct campaignd_failure *why)
{
    struct pool *pool = g_new0(struct pool, 1);
    pool->host = host;
    pool->settings = settings;
    pool->owner = (struct connection_owner){
        .context = pool, .idle = on_idle, .over = on_over, .restart = on_restart, .gone = on_gone};
    pool->fresh = g_hash_table_new(NULL, NULL);
    pool->pause_timer = host->timer(-1, on_pause_end, pool);
    pool->dialer = dialer_new(host, settings, why);
    if (pool->dialer && pool->pause_timer)
        return pool;
    if (pool->dialer)
        settings_fail(why, "the loop makes no timer");
    pool_free(pool);
    return NULL;
}

void pool_free(struct pool *pool)
{
    pool->closing = 1;
    while (pool->connections.length)
        connection_close(g_queue_peek_head(&pool->connections));
    if (pool->dialer)
        dialer_free(pool->dialer);
    if (pool->pause_timer)
        pool->host->timer_end(pool->pause_timer);
    g_hash_table_destroy(pool->fresh);
    g_free(pool);
}

void pool_send(struct pool *pool, struct delivery *delivery)
{
    g_queue_push_tail(&pool->waiting, delivery);
    pump(pool);
}

void pool_cancel(struct pool *pool, campaignd_task task)
{
    for (GList *link = pool->waiting.head; link; link = link->next) {
        struct delivery *delivery = link->data;
        if (delivery->task != task)
            continue;
        g_queue_delete_link(&pool->waiting, link);
        defer(pool, delivery, "taken back before it was sent", 0);
        return;
    }
    for (GList *link = pool->connections.head; link; link = link->next) {
        if (connection_cancel(link->data, task))
            return;
    }
}
