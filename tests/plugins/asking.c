/*
 * An action that calls begin() itself, as one that has to find a connection first: after `wait_ms`
 * it asks, and when it may, appends the key to `journal`. cancel() ends the wait. What happened is
 * in the outcomes' texts.
 */
#include <campaignd/action.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
    int64_t wait_ms;
    int journal;
    struct asking *first;
};

struct asking {
    struct asking *next;
    struct job *job;
    campaignd_task task;
    struct campaignd_timer *timer;
    int asked;
};

static const struct campaignd_host *host;

static const struct campaignd_parameter wait_ms = {.size = sizeof wait_ms,
                                                   .name = "wait_ms",
                                                   .type = CAMPAIGND_PARAMETER_INTEGER,
                                                   .default_value = "0"};
static const struct campaignd_parameter journal = {
    .size = sizeof journal, .name = "journal", .type = CAMPAIGND_PARAMETER_PATH};
static const struct campaignd_parameter *const parameters[] = {&wait_ms, &journal, NULL};

static int32_t load(const struct campaignd_host *offered, const struct campaignd_parameters *table,
                    void **plugin, struct campaignd_failure *why)
{
    (void)table, (void)plugin, (void)why;
    host = offered;
    host->set_concurrency(16);
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

static void finish(struct asking *asking, int32_t status, const char *text)
{
    struct campaignd_outcome outcome = {
        .size = sizeof outcome, .status = status, .remote_id = "asked", .text = text};
    struct asking **place = &asking->job->first;
    while (*place != asking)
        place = &(*place)->next;
    *place = asking->next;
    host->timer_end(asking->timer);
    host->done(asking->task, &outcome);
    free(asking);
}

static void begun(void *context, int32_t ok)
{
    struct asking *asking = context;
    char line[300];
    if (!ok) {
        finish(asking, CAMPAIGND_DEFERRED, "begin was refused");
        return;
    }
    int size = snprintf(line, sizeof line, "%.290s\n", host->key(asking->task));
    if (write(asking->job->journal, line, (size_t)size) == size)
        finish(asking, CAMPAIGND_DELIVERED, NULL);
    else
        finish(asking, CAMPAIGND_UNKNOWN, "the journal is not writable");
}

static void on_time(void *context)
{
    struct asking *asking = context;
    asking->asked = 1;
    host->begin(asking->task, begun, asking);
}

static void deliver(void *context, campaignd_task task)
{
    struct job *job = context;
    struct asking *asking = calloc(1, sizeof *asking);
    if (!asking)
        abort();
    *asking = (struct asking){.next = job->first, .job = job, .task = task};
    job->first = asking;
    asking->timer = host->timer(job->wait_ms, on_time, asking);
}

static void cancel(void *context, campaignd_task task)
{
    struct job *job = context;
    for (struct asking *asking = job->first; asking; asking = asking->next)
        if (asking->task == task && !asking->asked) {
            finish(asking, CAMPAIGND_DEFERRED, "cancelled");
            return;
        }
}

static void close_job(void *context)
{
    struct job *job = context;
    close(job->journal);
    free(job);
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,    .flags = CAMPAIGND_CALLS_BEGIN,
    .name = "asking",         .version = "1",
    .parameters = parameters, .load = load,
    .open = open_job,         .deliver = deliver,
    .cancel = cancel,         .close = close_job,
};
