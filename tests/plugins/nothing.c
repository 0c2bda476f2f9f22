/*
 * An action that does nothing, as fast as it is asked: for benchmarks, and for tests that count
 * irrevocable acts. With `journal` each delivery appends one line, the recipient's key, to a file:
 * that line is the act that can't be taken back.
 */
#include <campaignd/action.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct plugin {
    int64_t concurrency;
};

struct job {
    int64_t fail_every, delay_ms, crash_at, count;
    int64_t defer_times, not_before_ms;
    char crash_when[16];
    int journal; /* -1: none */
};

struct waiting {
    struct job *job;
    campaignd_task task;
    struct campaignd_timer *timer;
};

static const struct campaignd_host *host;

#define PARAMETER(variable, ...)                                                                   \
    static const struct campaignd_parameter variable = {                                           \
        .size = sizeof(struct campaignd_parameter), __VA_ARGS__}
#define CHOICE(variable, ...)                                                                      \
    static const struct campaignd_choice variable = {.size = sizeof(struct campaignd_choice),      \
                                                     __VA_ARGS__}

PARAMETER(concurrency, .name = "concurrency", .type = CAMPAIGND_PARAMETER_INTEGER,
          .default_value = "4096", .minimum = 1, .maximum = 65536, .label_en = "Tasks at a time",
          .label_de = "Aufgaben zugleich");
PARAMETER(refuse_after_ms, .name = "refuse_after_ms", .type = CAMPAIGND_PARAMETER_INTEGER,
          .minimum = 0, .maximum = 60000, .label_en = "Refuse to load, after so long",
          .label_de = "Das Laden verweigern, nach so langer Zeit");
static const struct campaignd_parameter *const settings[] = {&concurrency, &refuse_after_ms, NULL};

CHOICE(before, .name = "before", .label_en = "Before the act", .label_de = "Vor der Tat");
CHOICE(after, .name = "after", .label_en = "After the act, before done",
       .label_de = "Nach der Tat, vor dem Ende");
CHOICE(ended, .name = "ended", .label_en = "After done", .label_de = "Nach dem Ende");
static const struct campaignd_choice *const moments[] = {&before, &after, &ended, NULL};

PARAMETER(fail_every, .name = "fail_every", .type = CAMPAIGND_PARAMETER_INTEGER, .minimum = 0,
          .maximum = 1000000000, .label_en = "Reject each n-th", .label_de = "Jede n-te ablehnen");
PARAMETER(delay_ms, .name = "delay_ms", .type = CAMPAIGND_PARAMETER_INTEGER, .minimum = 0,
          .maximum = 3600000, .label_en = "Milliseconds that a task takes",
          .label_de = "Millisekunden, die eine Aufgabe dauert");
PARAMETER(crash_at, .name = "crash_at", .type = CAMPAIGND_PARAMETER_INTEGER, .minimum = 0,
          .maximum = 1000000000, .label_en = "Die at the n-th task",
          .label_de = "Bei der n-ten Aufgabe sterben");
PARAMETER(crash_when, .name = "crash_when", .type = CAMPAIGND_PARAMETER_CHOICE,
          .default_value = "after", .choices = moments, .label_en = "When to die",
          .label_de = "Wann sterben");
PARAMETER(journal, .name = "journal", .type = CAMPAIGND_PARAMETER_PATH,
          .label_en = "File that counts the acts", .label_de = "Datei, die die Taten zählt");
PARAMETER(defer_times, .name = "defer_times", .type = CAMPAIGND_PARAMETER_INTEGER, .minimum = 0,
          .maximum = 1000000000, .label_en = "Defer the first n attempts",
          .label_de = "Die ersten n Versuche vertagen");
PARAMETER(not_before_ms, .name = "not_before_ms", .type = CAMPAIGND_PARAMETER_INTEGER, .minimum = 0,
          .maximum = 3600000, .label_en = "Milliseconds that a deferral asks for",
          .label_de = "Millisekunden, um die vertagt wird");
static const struct campaignd_parameter *const parameters[] = {
    &fail_every, &delay_ms, &crash_at, &crash_when, &journal, &defer_times, &not_before_ms, NULL};

static int64_t integer(const struct campaignd_parameters *table, const char *name)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    host->parameter(table, name, &value);
    return value.integer;
}

static int32_t load(const struct campaignd_host *offered, const struct campaignd_parameters *table,
                    void **plugin, struct campaignd_failure *why)
{
    (void)plugin;
    host = offered;
    host->set_concurrency((uint32_t)integer(table, "concurrency"));
    int64_t refuse_ms = integer(table, "refuse_after_ms");
    if (!refuse_ms)
        return 0;
    usleep((useconds_t)refuse_ms * 1000);
    snprintf(why->message, sizeof why->message, "refused, as the test wants");
    return -1;
}

static int32_t open_job(void *plugin, const struct campaignd_run *run,
                        const struct campaignd_parameters *table, void **out,
                        struct campaignd_failure *why)
{
    (void)plugin, (void)run;
    struct campaignd_value value = CAMPAIGND_VALUE;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return -1;
    job->fail_every = integer(table, "fail_every");
    job->delay_ms = integer(table, "delay_ms");
    job->crash_at = integer(table, "crash_at");
    job->defer_times = integer(table, "defer_times");
    job->not_before_ms = integer(table, "not_before_ms");
    job->journal = -1;
    host->parameter(table, "crash_when", &value);
    snprintf(job->crash_when, sizeof job->crash_when, "%s", value.text);
    if (host->parameter(table, "journal", &value) == 0 && value.length) {
        job->journal = open(value.text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (job->journal < 0) {
            snprintf(why->message, sizeof why->message, "%s: %s", value.text, strerror(errno));
            free(job);
            return -1;
        }
    }
    *out = job;
    return 0;
}

static void crash(const struct job *job, int64_t count, const char *when)
{
    if (job->crash_at && count == job->crash_at && strcmp(job->crash_when, when) == 0)
        raise(SIGKILL);
}

static void act(const struct job *job, campaignd_task task)
{
    char line[300];
    if (job->journal < 0)
        return;
    int size = snprintf(line, sizeof line, "%.290s\n", host->key(task));
    if (write(job->journal, line, (size_t)size) != size)
        host->log(CAMPAIGND_LOG_ERROR, task, "cannot write the journal");
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void finish(struct job *job, campaignd_task task)
{
    struct campaignd_outcome outcome = {.size = sizeof outcome, .status = CAMPAIGND_DELIVERED};
    int64_t count = ++job->count;
    crash(job, count, "before");
    if (job->fail_every && count % job->fail_every == 0) {
        outcome.status = CAMPAIGND_REJECTED;
        outcome.code = 550;
        outcome.text = "rejected, as the test wants";
    } else if (host->attempt(task) <= job->defer_times) {
        outcome.status = CAMPAIGND_DEFERRED;
        outcome.code = 450;
        outcome.text = "deferred, as the test wants";
        if (job->not_before_ms)
            outcome.not_before_us = now_us() + job->not_before_ms * 1000;
    } else {
        act(job, task);
    }
    crash(job, count, "after");
    host->done(task, &outcome);
    crash(job, count, "ended");
}

static void on_time(void *context)
{
    struct waiting *waiting = context;
    finish(waiting->job, waiting->task);
    host->timer_end(waiting->timer);
    free(waiting);
}

static void deliver(void *context, campaignd_task task)
{
    struct job *job = context;
    struct waiting *waiting = job->delay_ms ? malloc(sizeof *waiting) : NULL;
    if (!waiting) {
        finish(job, task);
        return;
    }
    waiting->job = job;
    waiting->task = task;
    waiting->timer = host->timer(job->delay_ms, on_time, waiting);
}

static int32_t preview(void *job, campaignd_task task, const struct campaignd_preview *out,
                       struct campaignd_failure *why)
{
    (void)job, (void)why;
    const char *key = host->key(task);
    out->add(out->context, "nothing.txt", "text/plain", key, strlen(key));
    return 0;
}

static void close_job(void *context)
{
    struct job *job = context;
    if (job->journal >= 0)
        close(job->journal);
    free(job);
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD, .name = "nothing",    .version = "1",           .label_en = "Nothing",
    .label_de = "Nichts",  .settings = settings, .parameters = parameters, .load = load,
    .open = open_job,      .deliver = deliver,   .preview = preview,       .close = close_job,
};
