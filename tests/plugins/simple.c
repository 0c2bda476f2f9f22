/* The simple tier with begin by the host: prepare() looks at the recipient, send() appends the key
 * to `journal` after `wait_ms`. */
#include <campaignd/action.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct job {
    int journal;
    int64_t wait_ms;
};

static const struct campaignd_host *host;

static const struct campaignd_parameter journal = {
    .size = sizeof journal, .name = "journal", .type = CAMPAIGND_PARAMETER_PATH, .required = 1};
static const struct campaignd_parameter wait_ms = {.size = sizeof wait_ms,
                                                   .name = "wait_ms",
                                                   .type = CAMPAIGND_PARAMETER_INTEGER,
                                                   .default_value = "0"};
static const struct campaignd_parameter *const parameters[] = {&journal, &wait_ms, NULL};

static const struct campaignd_parameter greeting = {
    .size = sizeof greeting, .name = "greeting", .type = CAMPAIGND_PARAMETER_TEXT, .required = 1};
static const struct campaignd_parameter password = {
    .size = sizeof password, .name = "password", .type = CAMPAIGND_PARAMETER_SECRET};
static const struct campaignd_parameter folder = {
    .size = sizeof folder, .name = "folder", .type = CAMPAIGND_PARAMETER_PATH};
static const struct campaignd_parameter *const settings[] = {&greeting, &password, &folder, NULL};

static int32_t load(const struct campaignd_host *offered, const struct campaignd_parameters *table,
                    void **plugin, struct campaignd_failure *why)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    (void)plugin;
    host = offered;
    host->parameter(table, "greeting", &value);
    if (strcmp(value.text, "refuse") == 0) {
        snprintf(why->message, sizeof why->message, "greeting = refuse: as you say");
        return -1;
    }
    return 0;
}

static int32_t open_job(void *plugin, const struct campaignd_run *run,
                        const struct campaignd_parameters *table, void **out,
                        struct campaignd_failure *why)
{
    (void)plugin, (void)run, (void)why;
    struct campaignd_value value = CAMPAIGND_VALUE;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return -1;
    host->parameter(table, "wait_ms", &value);
    job->wait_ms = value.integer;
    host->parameter(table, "journal", &value);
    job->journal = open(value.text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    *out = job;
    return 0;
}

static int32_t prepare(void *job, campaignd_task task, struct campaignd_outcome *outcome)
{
    struct campaignd_value email = CAMPAIGND_VALUE;
    (void)job;
    if (host->column_by_role(task, "email", &email) == 0 && email.length)
        return 0;
    outcome->status = CAMPAIGND_REJECTED;
    outcome->text = "no address";
    return -1;
}

static void send_one(void *context, campaignd_task task, struct campaignd_outcome *outcome)
{
    struct job *job = context;
    struct timespec wait = {.tv_sec = job->wait_ms / 1000,
                            .tv_nsec = job->wait_ms % 1000 * 1000000};
    char line[300];
    nanosleep(&wait, NULL);
    int size = snprintf(line, sizeof line, "%.290s\n", host->key(task));
    if (write(job->journal, line, (size_t)size) == size)
        outcome->status = CAMPAIGND_DELIVERED;
    outcome->remote_id = host->idempotency_key(task);
}

static void close_job(void *context)
{
    struct job *job = context;
    close(job->journal);
    free(job);
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,    .name = "simple",   .version = "1",   .settings = settings,
    .parameters = parameters, .load = load,       .open = open_job, .prepare = prepare,
    .send = send_one,         .close = close_job,
};
