/*
 * The supervisor: generations of workers, one process for each action of the configuration (or
 * `workers` of them). A new generation is started beside the old one and takes over when all of it
 * is ready; if anything is wrong, the old one stays. A worker that dies is started again, later
 * each time; one that keeps dying is quarantined until the next reload.
 */
#ifndef CAMPAIGND_DAEMON_SUPERVISOR_H
#define CAMPAIGND_DAEMON_SUPERVISOR_H

#include <jansson.h>
#include <uv.h>

#include "base/error.h"
#include "conf/conf.h"
#include "run/runner.h"

struct supervisor;

struct supervisor *supervisor_new(uv_loop_t *loop, struct runner *runner,
                                  const struct state *state);
void supervisor_free(struct supervisor *supervisor); /* all workers gone */

/* The runner's way to a worker. */
void supervisor_send(void *worker, const struct buffer *frames);

/*
 * Start a generation for `conf`, which must live until `done` was called with an error or the
 * generation is replaced (then `replaced` is called with it). `done` comes when all its workers are
 * ready (NULL) or it was given up (the reason).
 */
void supervisor_load(struct supervisor *supervisor, struct conf *conf,
                     void (*done)(void *context, const struct error *failed_or_null),
                     void (*replaced)(void *context, struct conf *conf), void *context);
bool supervisor_loading(const struct supervisor *supervisor);
unsigned supervisor_generation(const struct supervisor *supervisor);

/* Tell all workers to stop; true from supervisor_idle() when none is left. supervisor_kill ends
 * those that do not. */
void supervisor_stop(struct supervisor *supervisor);
bool supervisor_idle(const struct supervisor *supervisor);
void supervisor_kill(struct supervisor *supervisor);

/* An action's own settings as FRAME_CONFIGURE wants them. */
json_t *supervisor_settings_json(const struct conf_action *conf);

/* What the plugin of an action declares (borrowed; NULL: no such action). */
const json_t *supervisor_description(const struct supervisor *supervisor, const char *action);

json_t *supervisor_actions_json(const struct supervisor *supervisor); /* as docs/api.md: status */
json_t *supervisor_plugins_json(const struct supervisor *supervisor);

/* Send FRAME_PREVIEW's payload (after the id) to a worker of the action; `done` gets
 * FRAME_PREVIEWED's payload after the id, once. */
typedef void (*preview_done)(void *context, struct frame_reader *payload_or_null,
                             const struct error *failed_or_null);
void supervisor_preview(struct supervisor *supervisor, const char *action,
                        const struct buffer *payload, preview_done done, void *context);

#endif
