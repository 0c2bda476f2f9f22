/*
 * The HTTP/JSON API on a unix socket (docs/api.md), inside the daemon's loop.
 *
 * This module knows HTTP: who is at the other end, which operation a method and path mean, how
 * large a request may be, how an error looks. It knows nothing of campaigns: each request that
 * passes goes to `call`, which answers it exactly once, at once or later. Everything here belongs
 * to the loop's thread, but for a look into the user database, which may be a network away and goes
 * to the pool.
 *
 * Who may: root, the daemon's own user, and the members of `socket_group`; all others get a 403. To
 * write SQL is a right of its own (`may_sql` of a request), which those who are called here look at.
 */
#ifndef CAMPAIGND_API_API_H
#define CAMPAIGND_API_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/error.h"

/* What is in `subject`, `run`, `document` … stands beside each; everything else is NULL or 0. */
enum api_operation {
    API_STATUS,
    API_RELOAD,
    API_PLUGINS,
    API_PROBLEMS,
    API_LIST,             /* kind */
    API_GET,              /* kind, subject */
    API_NEW,              /* kind, body */
    API_PUT,              /* kind, subject, body */
    API_DELETE,           /* kind, subject */
    API_CAMPAIGN_CHECK,   /* subject */
    API_CAMPAIGN_START,   /* subject, body: {"force": bool, "uuid": "…"}, both optional */
    API_CAMPAIGN_PREVIEW, /* subject, recipient; step or NULL */
    /* subject; body: {"limit", "filter", "in", "out", "sample", "fresh"}, all optional */
    API_CAMPAIGN_RECIPIENTS,
    API_CAMPAIGN_LIST,       /* subject; body: {"format", "separator", …}, optional */
    API_CAMPAIGN_INDIVIDUAL, /* subject; body: {"group"}, optional */
    API_CAMPAIGN_COMPARE,    /* subject */
    API_SOURCES,
    API_SOURCE_TABLES,       /* subject */
    API_SOURCE_TEST,         /* subject */
    API_QUERY_RUN,           /* subject; body: {"group", "parameters", "limit"}, optional */
    API_QUERY_GROUPS,        /* subject; body: {"parameters"}, optional */
    API_QUERY_SQL,           /* subject; body: {"group", "parameters"}, optional */
    API_QUERY_FIELDS,        /* subject; body: {"group", "save"}, optional */
    API_QUERY_LIST,          /* subject; body: {"format", "separator", …}, optional */
    API_SUPPRESSIONS,        /* value or NULL; limit, after or 0 */
    API_SUPPRESSION_NEW,     /* body */
    API_SUPPRESSION_DELETE,  /* id */
    API_SUPPRESSIONS_IMPORT, /* body: {"csv"} */
    API_SUPPRESSIONS_EXPORT,
    API_SUPPRESSIONS_FEED, /* body: {"query", "group"} */
    API_PERSON,            /* subject: a recipient's key */
    API_DEFINITIONS_EXPORT,
    API_DEFINITIONS_IMPORT, /* body: {"document", "dry_run"} */
    API_IMPORT_PUT,         /* subject: the table; bytes, size: CSV; encoding, separator or NULL */
    API_IMPORT_DELETE,      /* subject: the table */
    API_RUNS,               /* limit or 0 */
    API_RUN,                /* run */
    API_RUN_TASKS,          /* run; outcome, step, recipient or NULL, limit or 0 */
    API_RUN_PAUSE,          /* run */
    API_RUN_RESUME,         /* run */
    API_RUN_CANCEL,         /* run */
    API_RUN_CONFIRM,        /* run; body: {"recipients", "confirmation", "step", "text"} */
    API_ARCHIVE_LIST,       /* run or 0, recipient or NULL, limit or 0 */
    API_ARCHIVE_GET,        /* run, document */
    API_ARCHIVE_VERIFY,     /* body: {"run": 12}, optional */
};

/* A request. Owned by this module; valid, with all that it points at, until it is answered. Texts
 * are decoded, valid UTF-8 and never empty. */
struct api_request {
    enum api_operation operation;
    const char *kind;    /* "query", "report", "campaign", "pattern" or "category" */
    const char *subject; /* the name or id that the path gives */
    int64_t run;         /* the run's number, > 0 */
    int64_t document;    /* the document's number in the run, >= 0 */
    int64_t limit;       /* 1 … API_LIMIT_MAXIMUM */
    const char *recipient;
    const char *step;
    const char *outcome;
    const char *value;
    const char *encoding, *separator; /* of a CSV file */
    int64_t id;                       /* > 0 */
    int64_t after;                    /* >= 0: list what stands behind this id */
    json_t *body; /* an object, borrowed; never NULL where JSON is taken (empty if none came) */
    const char *bytes; /* a body that is not JSON, followed by a zero byte */
    size_t size;
    uid_t uid;        /* who asks */
    const char *user; /* the name of that user, or "uid:1234" */
    bool may_sql;     /* may that user write SQL? root, the daemon's user, members of sql_group */
};

#define API_LIMIT_MAXIMUM 10000

struct api_services {
    void *context;
    void (*call)(void *context, struct api_request *request);
};

struct api;

struct api_options {
    const char *socket;       /* its path */
    const char *socket_group; /* whose members may do all but write SQL; NULL or "": nobody's */
    const char *sql_group;    /* whose members, if they may do anything, may write SQL; the same */
    size_t max_body;          /* bytes of a request's body */
};

/*
 * Listen on the socket (mode 0660, with `socket_group`; its folder is made, 0755, if missing). One
 * that a killed daemon left is replaced; one that somebody listens on is an ERROR_CONFLICT, any
 * other kind of file an ERROR_INPUT. `options` and `services` are copied. NULL on error.
 */
struct api *api_start(uv_loop_t *loop, const struct api_options *options,
                      const struct api_services *services, struct error *error);

/* End: take the socket away, flush what was answered, tell the rest 503, and close. Requests that
 * are still unanswered may (and should) be answered later, which then only frees them. The memory
 * goes when the loop has run its closing callbacks. NULL is fine. */
void api_stop(struct api *api);

/* Answer with JSON; `body` is taken over. A status 204 with NULL is fine. A client that has gone
 * meanwhile is no error. After any of these four, `request` is gone. */
void api_answer(struct api_request *request, int status, json_t *body);

/* Answer with {"error": {"code": "not-found", "message": "…"}} and the status that fits the code:
 * input 400, not-found 404, denied 403, conflict 409, busy 503, all else 500. */
void api_answer_error(struct api_request *request, const struct error *error);

/* Answer with a file called `name` of type `mime`; `data` is copied. */
void api_answer_bytes(struct api_request *request, const char *mime, const char *name,
                      const void *data, size_t size);

/* Answer with the regular file that `fd` is open on, as it goes: nothing of it is held in memory.
 * `fd` is taken over. */
void api_answer_file(struct api_request *request, const char *mime, const char *name, int fd);

#endif
