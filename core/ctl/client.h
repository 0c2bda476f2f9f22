/* Requests to the daemon over its socket. An answer that is held is bounded to 256 MB. */
#ifndef CAMPAIGND_CTL_CLIENT_H
#define CAMPAIGND_CTL_CLIENT_H

#include <jansson.h>

#include "base/buffer.h"
#include "ctl/ctl.h"

struct client *client_new(const char *socket_path);
void client_free(struct client *client);

struct reply {
    json_t *json;         /* of an answer in JSON; NULL else */
    struct buffer bytes;  /* of any other */
    char file_name[1024]; /* that the daemon proposes; "" if none: never a path, never hidden */
};

#define REPLY_CLEAN __attribute__((cleanup(reply_free)))
void reply_free(struct reply *reply);

/* `path` stands behind /v1/ and is encoded already. `body` is borrowed; NULL sends none. Returns
 * EXIT_OK with a JSON object or array, or bytes; else the exit code, with the failure said. */
int client_call(struct invocation *invocation, const char *method, const char *path,
                const json_t *body, struct reply *reply);

/* The same with a body of another kind than JSON. */
int client_send(struct invocation *invocation, const char *method, const char *path,
                const char *mime_type, const void *data, size_t size, struct reply *reply);

/* A POST whose answer may have any size: the bytes of a good one go to `take` as they come, not into
 * `reply`, whose `file_name` is known then. Other than EXIT_OK from `take` ends the transfer and is
 * the result. */
typedef int (*client_take)(void *context, const struct reply *reply, const char *data, size_t size);
int client_stream(struct invocation *invocation, const char *path, const json_t *body,
                  client_take take, void *context, struct reply *reply);

/* Append `name` percent-encoded, so that it is one part of a path or one value of a query. */
void client_encode(struct buffer *path, const char *name);

/* "campaigns/NAME/check" from ("campaigns", name, "check"); the last may be NULL. Caller frees. */
char *client_path(const char *collection, const char *name, const char *verb);

#endif
