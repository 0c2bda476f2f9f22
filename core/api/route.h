/* From a method and a URI to an operation with its arguments: one table (route.c), no state. */
#ifndef CAMPAIGND_API_ROUTE_H
#define CAMPAIGND_API_ROUTE_H

#include <stdbool.h>

#include "api/api.h"
#include "base/memory.h"

#define ROUTE_URI_MAXIMUM 8192

enum route_body {
    ROUTE_BODY_NONE,
    ROUTE_BODY_OPTIONAL, /* JSON */
    ROUTE_BODY_REQUIRED, /* JSON */
    ROUTE_BODY_CSV,
};

struct route_result {
    enum route_body body;
    int status;         /* 0, or the HTTP status of the refusal: 400, 404, 405, 414 */
    struct error error; /* what is wrong, where status is set */
    char allow[64];     /* "GET, HEAD, POST", for 405 */
};

/* Fill of `request` what the path and its query say; texts live in `arena`. `uri` is as it came on
 * the wire: percent-encoded. */
void route_find(const char *method, const char *uri, struct arena *arena,
                struct api_request *request, struct route_result *result);

#endif
