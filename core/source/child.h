/* The core's side of the reader child (source/reader.h): started, fed, timed, its answer read; all
 * on the loop. */
#ifndef CAMPAIGND_SOURCE_CHILD_H
#define CAMPAIGND_SOURCE_CHILD_H

#include <jansson.h>
#include <uv.h>

#include "base/error.h"

/* `answer` is borrowed: {"ok": true, …}, or NULL with what failed. Called once, on the loop. */
typedef void (*reader_done)(void *context, const json_t *answer,
                            const struct error *failed_or_null);

/* A request without what only some modes want (source/reader.h); a new reference. `sources` and
 * `definition` are borrowed. */
json_t *reader_request(const char *mode, json_t *sources, json_t *definition);

/* Start a reader with `request`, which is read before this returns. It is killed some seconds after
 * its statements' time limits together, and what it has begun to write goes. */
void reader_start(uv_loop_t *loop, const json_t *request, reader_done done, void *context);

/* End all readers that are under way (their `done` is called with an error as they go). */
void reader_stop_all(void);

#endif
