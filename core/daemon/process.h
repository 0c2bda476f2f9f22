/* One worker process: started from /proc/self/exe, spoken to in frames over a socketpair. All on
 * the loop. */
#ifndef CAMPAIGND_DAEMON_PROCESS_H
#define CAMPAIGND_DAEMON_PROCESS_H

#include <stdbool.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/frame.h"

struct process;

struct process_events {
    /* A whole frame; false: it is not one that we know, and the process is killed. */
    bool (*frame)(void *context, enum frame_type type, struct frame_reader payload);
    /* It has exited and all that it sent was handed over. Last call; the pointer is dead. `how` for
     * people: "signal 11 (…)" */
    void (*gone)(void *context, const char *how);
};

/* `plugin` and `layout` (-1: none) are lent for the start. NULL with the reason. */
struct process *process_start(uv_loop_t *loop, int plugin, int layout,
                              const struct process_events *events, void *context,
                              struct error *error);
void process_send(struct process *process, const struct buffer *frames);
void process_kill(struct process *process, int signal);
int process_pid(const struct process *process);

#endif
