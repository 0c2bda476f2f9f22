/* What the parts of the daemon share: main.c makes it, the others take what they need. Everything
 * belongs to the loop's thread. */
#ifndef CAMPAIGND_DAEMON_DAEMON_H
#define CAMPAIGND_DAEMON_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "api/api.h"
#include "conf/conf.h"
#include "daemon/supervisor.h"
#include "run/runner.h"
#include "store/definitions.h"
#include "store/state.h"
#include "store/store.h"

struct daemon {
    uv_loop_t *loop;
    const char *conf_path;
    struct conf *conf; /* of the present generation */
    struct state state;
    struct store *store;
    struct store
        *desk; /* the thread of the definitions' one connection; its works have no database */
    struct definitions *definitions; /* the desk's own */
    struct runner *runner;
    struct supervisor *supervisor;
    struct api *api;
    int64_t started_us;
    bool ready, stopping;
    int exit_status;
};

/* ---- main.c ---- */

/* Reload: the configuration anew, a new generation. `done` once; a reload that is asked for
 * meanwhile is merged into the next. */
void daemon_reload(struct daemon *daemon,
                   void (*done)(void *context, const struct error *failed_or_null), void *context);

/* ---- operations.c: the API's operations ---- */

void operations_call(void *daemon, struct api_request *request);

/* What an optional body of few keys holds, as json_unpack(3) wants it told; a key that is not told
 * is an error. False: it is answered. */
bool operations_read_body(struct api_request *request, const char *format, ...);

/* ---- requests.c: what sites write into the definitions ---- */

void requests_start(struct daemon *daemon); /* look twice a second */
void requests_stop(void);

/* ---- launch.c: from a campaign to a checked definition, a count, a run ---- */

struct launch;

enum launch_kind {
    LAUNCH_CHECK, /* look at everything, count the recipients */
    LAUNCH_RUN,   /* look at everything, start if there is no error */
};

struct launch_result {
    const json_t *problems; /* [{"severity", "where", "message_en", "message_de"}] */
    int64_t recipients;     /* of a check; -1: not known */
    const json_t *left_out; /* {reason: number} */
    const json_t *steps;    /* of a check: who gets which step; NULL: not known */
    const json_t *groups;   /* of a check whose query has several: [{"name", "count"}], or NULL */
    int64_t run;            /* of a start: its number, or 0 */
};

/* `failed`: nothing could be looked at (no such campaign, conflict). Called once. For LAUNCH_RUN
 * when the run runs or has failed. */
typedef void (*launch_done)(void *context, const struct launch_result *result,
                            const struct error *failed_or_null);

/* `campaign`: name or id. `uuid` NULL: a new one. */
void launch_start(struct daemon *daemon, enum launch_kind kind, const char *campaign,
                  const char *uuid, const char *requested_by, int64_t request, bool force,
                  launch_done done, void *context);
/* Each step of a frozen definition says which "channel" its action declares: "email", "sms",
 * "letter" or "". */
void launch_add_channels(const struct daemon *daemon, json_t *definition);
void launch_run_changed(struct daemon *daemon); /* a run may have left `preparing` */

/* ---- sources.c ---- */

/* What a reader's request says of the sources that a frozen definition reads: a new reference, or
 * NULL if one is not configured. */
json_t *sources_of(const struct daemon *daemon, const json_t *definition, struct error *error);

/* ---- check.c ---- */

/*
 * What can be known of a definition before it runs: actions, parameters against the plugins'
 * tables, templates, and, if the reader's `answer` ({"columns", "details"}) is given, the names that
 * they use, formats, and the consent that advertising needs. Appends to `problems`. Runs on the loop;
 * templates are small.
 */
void check_definition(const struct daemon *daemon, const json_t *definition, const json_t *answer,
                      json_t *problems);
bool check_has_error(const json_t *problems);

#endif
