/* What the host offers to its plugin: struct campaignd_host. A process has one engine, as the ABI's
 * functions carry no context. */
#ifndef CAMPAIGND_HOST_SERVICES_H
#define CAMPAIGND_HOST_SERVICES_H

#include "host/engine.h"

/* The table; it speaks for `engine` from now on. */
const struct campaignd_host *services_open(struct engine *engine);

/* In loop_services.c: watch_fd, timer and thread. */
struct campaignd_watch *services_watch_fd(int32_t fd, uint32_t events,
                                          void (*ready)(void *context, uint32_t events),
                                          void *context);
void services_watch_change(struct campaignd_watch *watch, uint32_t events);
void services_watch_end(struct campaignd_watch *watch);
struct campaignd_timer *services_timer(int64_t delay_ms, void (*fire)(void *context),
                                       void *context);
void services_timer_set(struct campaignd_timer *timer, int64_t delay_ms);
void services_timer_end(struct campaignd_timer *timer);
void services_thread(void (*work)(void *context), void (*after)(void *context), void *context);

/* The engine of this process. */
struct engine *services_engine(void);

#endif
