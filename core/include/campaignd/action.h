/*
 * The action ABI of campaignd, version 0.2: the one header that a plugin needs.
 *
 * A plugin is a shared object, NAME.so, that exports one symbol: a constant `struct
 * campaignd_action` named `campaignd_action`. A worker process loads exactly one plugin for one
 * action of the configuration, and hands it recipients. Two processes may have the same plugin
 * loaded at once (two generations after a reload, several workers, several actions of one plugin):
 * keep nothing outside the process but what the host offers.
 *
 * Version 0.x: may change until the five first actions stand. Then it is frozen as version 1 and
 * only grows at the ends. How it grows: every struct that crosses begins with `size` (sizeof,
 * filled in by whoever makes it); tables are NULL-ended arrays of pointers; no enums in fields;
 * what is not used is zero. CAMPAIGND_HOST_HAS(host, function) tells whether the host is new enough
 * to have a function. Texts are UTF-8. Nothing of another library's types crosses.
 *
 * Threads: everything is called on the worker's loop thread, but for `send`, which is called on a
 * pool thread. Host functions marked [any thread] may be called from any; the others only from
 * inside a call that the host made, on its thread.
 */
#ifndef CAMPAIGND_ACTION_H
#define CAMPAIGND_ACTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAMPAIGND_ABI_MAJOR 0
#define CAMPAIGND_ABI_MINOR 2
#define CAMPAIGND_ABI ((uint32_t)(CAMPAIGND_ABI_MAJOR << 16 | CAMPAIGND_ABI_MINOR))

/* ---- values ---- */

/* What a column or a parameter holds. */
#define CAMPAIGND_NULL 0
#define CAMPAIGND_INTEGER 1 /* `integer` */
#define CAMPAIGND_REAL 2    /* `real`; and `text` as the source wrote it */
#define CAMPAIGND_TEXT 3 /* `text`, `length` bytes, followed by a zero byte that is not counted */
#define CAMPAIGND_BLOB 4 /* `text` points at `length` bytes */

/* `text` is set for every type (the decimal digits of an integer, "" for NULL). Lives as long as
 * what it was read from. */
struct campaignd_value {
    size_t size; /* set by the caller to sizeof(struct campaignd_value) */
    int32_t type;
    int64_t integer; /* also: a boolean (0, 1), a duration in microseconds, a size in bytes, money
                        in minor units */
    double real;
    const char *text;
    size_t length;
};
#define CAMPAIGND_VALUE                                                                            \
    {                                                                                              \
        sizeof(struct campaignd_value), 0, 0, 0.0, "", 0                                           \
    }

/* ---- what a plugin declares ---- */

/* Types of settings and parameters. The host checks a value before the plugin sees it. */
#define CAMPAIGND_PARAMETER_TEXT 1
#define CAMPAIGND_PARAMETER_TEMPLATE 2 /* compiled once per run: parameter_template() has it */
#define CAMPAIGND_PARAMETER_INTEGER 3
#define CAMPAIGND_PARAMETER_MONEY 4    /* "12.34" → 1234 in `integer` */
#define CAMPAIGND_PARAMETER_BOOLEAN 5  /* yes/no, true/false, on/off, 1/0 */
#define CAMPAIGND_PARAMETER_CHOICE 6   /* one of `choices` */
#define CAMPAIGND_PARAMETER_DURATION 7 /* "30s" → microseconds in `integer` */
#define CAMPAIGND_PARAMETER_SIZE 8     /* "4MB" → bytes in `integer` */
#define CAMPAIGND_PARAMETER_COLUMN 9   /* the name of a column of the group */
#define CAMPAIGND_PARAMETER_REPORT 10  /* the name of a report: report_render() takes this text */
/* A file or folder; in settings, relative ones count from the file that names them. */
#define CAMPAIGND_PARAMETER_PATH 11
/* Settings only: given as file:PATH or credential:NAME, handed over as text. */
#define CAMPAIGND_PARAMETER_SECRET 12
/* SCHEME://… as it is, or SCHEME:PATH with a path as above. */
#define CAMPAIGND_PARAMETER_LOCATION 13

struct campaignd_choice {
    size_t size;
    const char *name; /* what is stored: stable, lower case */
    const char *label_en, *label_de;
};

struct campaignd_parameter {
    size_t size;
    const char *name; /* lower case, digits, '_' */
    int32_t type;
    int32_t required;          /* 1: must be given */
    const char *default_value; /* as a person would write it; NULL: none */
    const char *label_en, *label_de;
    const char *help_en, *help_de;
    const struct campaignd_choice *const *choices; /* NULL-ended; for CHOICE */
    int64_t minimum, maximum; /* for INTEGER, MONEY, DURATION, SIZE; both 0: no bounds */
};

/* Flags of an action. */
/* It only makes documents: no begin; an unfinished task is simply done again. */
#define CAMPAIGND_REPEATABLE 1u
/* It calls begin() itself, at the exact moment; else the host does, before deliver or send. */
#define CAMPAIGND_CALLS_BEGIN 2u
/* send() may be called for several tasks of one job at the same time. */
#define CAMPAIGND_THREAD_SAFE 4u

/* ---- tasks ---- */

/*
 * A task is one step for one recipient: a checked handle, never a pointer. It is valid from
 * prepare() until done(); a late or a second done() is an error in the log, nothing worse. 0 is no
 * task.
 */
typedef uint64_t campaignd_task;

#define CAMPAIGND_DELIVERED 1 /* it is done */
#define CAMPAIGND_REJECTED 2  /* it will never work for this recipient: say why in `text` */
#define CAMPAIGND_DEFERRED 3  /* not now; the host tries again later, not before `not_before_us` */
#define CAMPAIGND_SKIPPED 4   /* rightly not done: say why in `text` */
#define CAMPAIGND_UNKNOWN 5   /* done or not, nobody can tell: a person decides */

/* Zeroed and owned by the host (its `size` set). The texts are the plugin's and are copied by
 * done(). */
struct campaignd_outcome {
    size_t size;
    int32_t status; /* CAMPAIGND_DELIVERED … ; 0 is an error of the plugin and becomes `unknown`
                       after begin, else `rejected` */
    int32_t code;   /* SMTP, HTTP or the plugin's own; 0: none */
    const char *remote_id; /* the other side's name for it (a queue id); may be NULL */
    const char *text; /* one line for people, English; at most 500 bytes are kept; may be NULL */
    int64_t not_before_us; /* wall clock, for DEFERRED; 0: the host's choice */
};

/* A document of a recipient: made by this step, or by an earlier one that this step depends on. */
struct campaignd_document {
    size_t size;
    const char *name;      /* as a person should see it: "Infoschreiben.pdf" */
    const char *mime_type; /* "application/pdf" */
    const char *step;      /* the name of the step that made it */
    uint64_t length;       /* bytes */
};

/* Bytes that the host owns; valid until the call that they were given to returns, or until
 * done(task). */
struct campaignd_bytes {
    size_t size;
    const char *data; /* followed by a zero byte that is not counted */
    size_t length;
};
#define CAMPAIGND_BYTES                                                                            \
    {                                                                                              \
        sizeof(struct campaignd_bytes), "", 0                                                      \
    }

/* Targets of template_render: how what comes from data is escaped. */
#define CAMPAIGND_AS_TEXT 1   /* as it is, without control characters but newline and tab */
#define CAMPAIGND_AS_HTML 2   /* & < > " ' */
#define CAMPAIGND_AS_URL 3    /* RFC 3986 percent-encoding of all but unreserved characters */
#define CAMPAIGND_AS_HEADER 4 /* one line: control characters become spaces */

/* A message of a plugin about a failure: filled by snprintf or campaignd_fail; one line, English,
 * no secrets. */
struct campaignd_failure {
    size_t size;
    char message[500];
};

/* What a run is, for open(). Valid during the call; the host keeps nothing of it. */
struct campaignd_run {
    size_t size;
    int64_t number;       /* of the run; 0 in a preview */
    const char *uuid;     /* of the run */
    const char *campaign; /* its name */
    const char *step;     /* this step's name */
    const char *purpose;  /* "advertising", "information", "mandatory" */
    int64_t recipients;
    int32_t preview; /* 1: touch nothing outside */
};

struct campaignd_parameters; /* the values of one table, checked; belongs to the host */
struct campaignd_template;   /* compiled; belongs to the host, lives as long as its job */

#define CAMPAIGND_LOG_ERROR 3
#define CAMPAIGND_LOG_WARNING 4
#define CAMPAIGND_LOG_INFO 6
#define CAMPAIGND_LOG_DEBUG 7

#define CAMPAIGND_READABLE 1u
#define CAMPAIGND_WRITABLE 2u

struct campaignd_watch; /* of watch_fd */
struct campaignd_timer; /* of timer */

/* ---- what the host offers ---- */

struct campaignd_host {
    size_t size;
    uint32_t abi; /* of the host */

    /* [any thread] A line in the log, with the task's identity attached (task 0: none).
     * printf-like. */
    void (*log)(int32_t level, campaignd_task task, const char *format, ...);

    /*
     * Read a setting or a parameter. 0, or -1: no such name, or not given and without default (then
     * `out` is NULL-typed). For a TEMPLATE parameter `text` is its source; get the compiled one
     * from parameter_template (NULL: not given). Values live as long as the plugin (settings) or
     * the job (parameters).
     */
    int32_t (*parameter)(const struct campaignd_parameters *table, const char *name,
                         struct campaignd_value *out);
    const struct campaignd_template *(*parameter_template)(const struct campaignd_parameters *table,
                                                           const char *name);

    /* How many tasks this plugin wants at a time; call it in load(). The default is 1 for send, 64
     * for deliver. */
    void (*set_concurrency)(uint32_t tasks);

    /* A folder of this action's own, made by the host, that survives restarts. */
    const char *(*state_dir)(void);

    /* -- task data, valid until done(task); [any thread that holds the task] */

    /* A column by its place (0 …) or its name or its role ("email", "salutation", …). 0, or -1:
     * there is none. */
    uint32_t (*columns)(campaignd_task task);
    const char *(*column_name)(campaignd_task task, uint32_t index);
    int32_t (*column)(campaignd_task task, uint32_t index, struct campaignd_value *out);
    int32_t (*column_by_name)(campaignd_task task, const char *name, struct campaignd_value *out);
    int32_t (*column_by_role)(campaignd_task task, const char *role, struct campaignd_value *out);

    const char *(*key)(campaignd_task task);  /* the recipient's key */
    uint32_t (*attempt)(campaignd_task task); /* 1, 2, … */
    /* The same for the same run, step, recipient and resend number for ever: 64 hex digits. */
    const char *(*idempotency_key)(campaignd_task task);

    /* -- templates and documents; [any thread that holds the task] */

    /* Render for this recipient. 0; or -1 with the reason (a field that is not there, too deep, too
     * long). */
    int32_t (*template_render)(const struct campaignd_template *compiled, campaignd_task task,
                               int32_t target, struct campaignd_bytes *out,
                               struct campaignd_failure *why);

    /*
     * Render a report of the run for this recipient: a letter gives a PDF, an e-mail report its
     * html. Nothing is filed. `name` gets the document's name for people ("Infoschreiben.pdf"); may
     * be NULL. 0, or -1 with the reason.
     */
    int32_t (*report_render)(const char *report, campaignd_task task, struct campaignd_bytes *out,
                             struct campaignd_bytes *name, struct campaignd_failure *why);

    /* A file that belongs to a report of the run (an image). 0, or -1: there is none. Valid as long
     * as the job. */
    int32_t (*report_file)(const char *report, campaignd_task task, const char *name,
                           struct campaignd_bytes *out);

    /*
     * File bytes in the archive under this recipient. Durable before the task's begin, and before
     * its outcome is believed. Call it in prepare(), or in a repeatable action's send() or
     * deliver(). 0, or -1 with the reason (disk full).
     */
    int32_t (*document_add)(campaignd_task task, const char *name, const char *mime_type,
                            const void *data, size_t length, struct campaignd_failure *why);

    /* The documents of this recipient from the steps that this one depends on, in their order.
     * document_read: 0, or -1. */
    uint32_t (*documents)(campaignd_task task);
    int32_t (*document)(campaignd_task task, uint32_t index, struct campaignd_document *out);
    int32_t (*document_read)(campaignd_task task, uint32_t index, struct campaignd_bytes *out,
                             struct campaignd_failure *why);

    /* -- the moment that cannot be taken back */

    /*
     * "What comes next cannot be taken back." Only with CAMPAIGND_CALLS_BEGIN, once per task.
     * `begun` is called later on the loop with ok = 1 when that is durable; with ok = 0 it is not,
     * or the task was taken back: then do not do it, and end with done() and any status (the host
     * gives the task back).
     */
    void (*begin)(campaignd_task task, void (*begun)(void *context, int32_t ok), void *context);

    /* [pool threads] The same, waiting: 1, or 0. */
    int32_t (*begin_wait)(campaignd_task task);

    /* [any thread] The task is over; exactly once per deliver(). The handle is dead afterwards. */
    void (*done)(campaignd_task task, const struct campaignd_outcome *outcome);

    /* -- the loop */

    /* Call `ready(context, events)` on the loop whenever `fd` is; CAMPAIGND_READABLE |
     * CAMPAIGND_WRITABLE. Change the events by watch_change (0: rest); end with watch_end before
     * the fd is closed. NULL: the loop refused. */
    struct campaignd_watch *(*watch_fd)(int32_t fd, uint32_t events,
                                        void (*ready)(void *context, uint32_t events),
                                        void *context);
    void (*watch_change)(struct campaignd_watch *watch, uint32_t events);
    void (*watch_end)(struct campaignd_watch *watch);

    /* Call `fire(context)` on the loop once after `delay_ms`; timer_set starts it anew (negative:
     * stop it); timer_end frees. */
    struct campaignd_timer *(*timer)(int64_t delay_ms, void (*fire)(void *context), void *context);
    void (*timer_set)(struct campaignd_timer *timer, int64_t delay_ms);
    void (*timer_end)(struct campaignd_timer *timer);

    /* Run `work(context)` on a pool thread, then `after(context)` on the loop. */
    void (*thread)(void (*work)(void *context), void (*after)(void *context), void *context);

    /* -- since 0.2: what hangs on the recipient; [any thread that holds the task] */

    /*
     * Groups of details (an invoice's lines, bookings) and their columns, each counted from 0. A name
     * is NULL where there is no such group or column. detail_rows: how many rows this recipient has;
     * -1: there is no such group, or it cannot be read (the log says why).
     */
    uint32_t (*detail_groups)(campaignd_task task);
    const char *(*detail_name)(campaignd_task task, uint32_t group);
    int64_t (*detail_rows)(campaignd_task task, uint32_t group);
    uint32_t (*detail_columns)(campaignd_task task, uint32_t group);
    const char *(*detail_column_name)(campaignd_task task, uint32_t group, uint32_t column);

    /*
     * A cell. 0, or -1: there is none, or it cannot be read. Values are valid until another row of
     * the same group is asked for, at most until done(task). Ask row by row: rows in their order are
     * read as a stream, however many there are; one before the present row is read from the first on.
     */
    int32_t (*detail)(campaignd_task task, uint32_t group, int64_t row, uint32_t column,
                      struct campaignd_value *out);

    /*
     * The persons that a recipient stands for (a household): always one at least, himself first.
     * Their columns are those of the recipient. member: 0, or -1; values as those of detail.
     */
    uint32_t (*members)(campaignd_task task);
    int32_t (*member)(campaignd_task task, uint32_t index, uint32_t column,
                      struct campaignd_value *out);
};

#define CAMPAIGND_HOST_HAS(host, function)                                                         \
    ((host)->size >= offsetof(struct campaignd_host, function) + sizeof((host)->function) &&       \
     (host)->function)

/* What a preview hands out; add as many parts as there are. */
struct campaignd_preview {
    size_t size;
    void *context;
    /* `name` with an ending that tells the kind: "mail.eml", "Infoschreiben.pdf". Copied. */
    void (*add)(void *context, const char *name, const char *mime_type, const void *data,
                size_t length);
};

/* ---- what a plugin is ---- */

struct campaignd_action {
    size_t size;
    uint32_t abi;
    uint32_t flags;
    const char *name;    /* as its file: NAME.so */
    const char *version; /* the plugin's own */
    const char *label_en, *label_de;
    const char *help_en, *help_de;
    const struct campaignd_parameter *const
        *settings; /* of [action.NAME]; NULL-ended; NULL: none */
    const struct campaignd_parameter *const *parameters; /* of a campaign's step */

    /* Once in a worker: look at the settings, open what is long-lived. *plugin is handed to what
     * follows. 0; or -1 with the reason, which refuses the start or the reload. Must not need the
     * network: an unreachable server is no reason. */
    int32_t (*load)(const struct campaignd_host *host, const struct campaignd_parameters *settings,
                    void **plugin, struct campaignd_failure *why);

    /* Once per run and step in a worker, before any of its tasks. -1 with the reason: the step
     * pauses, no recipient touched. */
    int32_t (*open)(void *plugin, const struct campaignd_run *run,
                    const struct campaignd_parameters *parameters, void **job,
                    struct campaignd_failure *why);

    /* Optional; before begin: make the task's documents. May be called again after a crash. Return
     * 0 to go on; or -1 with the outcome filled (a missing address: rejected), and nothing further
     * is called for the task. On the loop for deliver, on the pool for send. */
    int32_t (*prepare)(void *job, campaignd_task task, struct campaignd_outcome *outcome);

    /* One of the two. deliver: on the loop, must not block, ends with exactly one done(), now or
     * later. send: on a pool thread, may block; fills the outcome and returns. */
    void (*deliver)(void *job, campaignd_task task);
    void (*send)(void *job, campaignd_task task, struct campaignd_outcome *outcome);

    /* Optional: please stop; the task still ends with one done(). Called when the worker is to end
     * or the run is cancelled. */
    void (*cancel)(void *job, campaignd_task task);

    /* What would be done, byte for byte where it can; touches nothing outside. On a pool thread for
     * send, else on the loop. 0, or -1 with the reason. `task` offers all task data; begin and done
     * are not for it. */
    int32_t (*preview)(void *job, campaignd_task task, const struct campaignd_preview *out,
                       struct campaignd_failure *why);

    void (*close)(void *job);     /* after the job's last task is done */
    void (*unload)(void *plugin); /* before the worker ends, all jobs closed */

    /* Since 0.2. How it reaches people, "email", "sms" or "letter": which consents and objections
     * apply. NULL or "": it reaches nobody. */
    const char *channel;
};

#define CAMPAIGND_ACTION_HEAD sizeof(struct campaignd_action), CAMPAIGND_ABI

#if defined(__GNUC__)
#define CAMPAIGND_EXPORT __attribute__((visibility("default")))
#else
#define CAMPAIGND_EXPORT
#endif

#ifdef __cplusplus
}
#endif

#endif
