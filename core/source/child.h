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

/* How a reader reaches a source. */
struct reader_source {
    char driver[16], path[4096];
    int64_t time_limit_us, max_rows;
};

/* A request without what only some modes want (source/reader.h); a new reference. */
json_t *reader_request(const char *mode, const char *name, const struct reader_source *source,
                       json_t *definition);

/* Start a reader with `request`, which is read before this returns. It is killed some seconds after
 * its time limit. */
void reader_start(uv_loop_t *loop, const json_t *request, int64_t time_limit_us, reader_done done,
                  void *context);

/* End all readers that are under way (their `done` is called with an error as they go). */
void reader_stop_all(void);

#endif
