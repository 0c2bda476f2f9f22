/*
 * Brings deliveries to the mail server: keeps what waits, opens connections as they are needed (up
 * to the setting), and hands each that is idle the next delivery. When the server cannot be reached
 * it is left in peace for a growing time, and what waits meanwhile is `deferred`, rather than kept.
 *
 * All on the loop thread.
 */
#ifndef EMAIL_POOL_H
#define EMAIL_POOL_H

#include "connection.h"

struct pool;

/* NULL with the reason in `why`. Host and settings must outlive it. */
struct pool *pool_new(const struct campaignd_host *host, const struct email_settings *settings,
                      struct campaignd_failure *why);

/* Close all connections; no delivery may be left. */
void pool_free(struct pool *pool);

/* Takes the delivery over; ends with the task's done(). */
void pool_send(struct pool *pool, struct delivery *delivery);

/* Give the task up if it has not begun; it ends with its done() in any case. */
void pool_cancel(struct pool *pool, campaignd_task task);

struct delivery *delivery_new(campaignd_task task, const char *sender, const char *recipient,
                              GByteArray *wire);
void delivery_free(struct delivery *delivery);

#endif
