/* Runs: list, show, pause, resume, cancel, and watching one until it ends. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define POLL_TERMINAL_MS 250
#define POLL_PLAIN_MS 1000
#define BAR_WIDTH 24
#define TASKS_DEFAULT 100 /* the daemon's */

static int64_t number(const json_t *object, const char *key)
{
    return (int64_t)json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* ---- sums over a run's steps ---- */

struct progress {
    int64_t total, finished, delivered, rejected, unknown, deferred;
};

static struct progress progress_of(const json_t *run)
{
    struct progress sum = {0};
    json_t *steps = json_object_get(run, "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        sum.total += number(step, "total");
        sum.delivered += number(step, "delivered");
        sum.rejected += number(step, "rejected");
        sum.unknown += number(step, "unknown");
        sum.deferred += number(step, "deferred");
        sum.finished += number(step, "delivered") + number(step, "rejected") +
                        number(step, "skipped") + number(step, "unknown");
    }
    return sum;
}

static int percent(const struct progress *progress)
{
    if (progress->total <= 0)
        return 0;
    int64_t value = progress->finished * 100 / progress->total;
    return value < 0 ? 0 : value > 100 ? 100 : (int)value;
}

/* ---- list and show ---- */

int runs_list(struct invocation *invocation)
{
    static const char *const columns[] = {"number",     "campaign", "state", "started_at",
                                          "recipients", "progress", NULL};
    int64_t limit = 0;
    int code = invocation->limit ? parse_number(invocation, invocation->limit, &limit) : EXIT_OK;
    if (code)
        return code;
    FREE_CLEAN char *path =
        limit ? memory_format("runs?limit=%lld", (long long)limit) : memory_text("runs");
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "GET", path, NULL, &reply);
    if (code)
        return code;
    for (size_t i = 0; i < json_array_size(reply.json) && !invocation->json; i++) {
        json_t *run = json_array_get(reply.json, i);
        struct progress progress = progress_of(run);
        FREE_CLEAN char *share = memory_format("%d %%", percent(&progress));
        json_object_set_new(run, "progress", json_string(share));
    }
    if (invocation->json)
        print_json(reply.json);
    else
        print_objects(reply.json, columns);
    return EXIT_OK;
}

/* Does any step have some of these? */
static bool occurs(const json_t *steps, const char *key)
{
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (number(json_array_get(steps, i), key))
            return true;
    return false;
}

/* Counts that are 0 everywhere only take the others' room. */
static void print_steps(const json_t *run)
{
    static const char *const counts[] = {"rejected", "unknown", "skipped",
                                         "deferred", "claimed", "waiting"};
    const char *columns[12] = {"number", "name", "action", "delivered"};
    size_t count = 4;
    const json_t *steps = json_object_get(run, "steps");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (occurs(steps, counts[i]))
            columns[count++] = counts[i];
    columns[count] = "total";
    print_objects(steps, columns);
}

/* Which command says who the rejected or unknown ones are. Caller frees. */
static char *which(const json_t *run, const struct progress *progress)
{
    FREE_CLEAN char *label = memory_format("%lld", (long long)number(run, "number"));
    return message_with(MESSAGE_TASKS_WHICH, label, progress->rejected ? "rejected" : "unknown",
                        (char *)NULL);
}

static int get_run(struct invocation *invocation, int64_t run, struct reply *reply)
{
    FREE_CLEAN char *path = memory_format("runs/%lld", (long long)run);
    return client_call(invocation, "GET", path, NULL, reply);
}

int runs_show(struct invocation *invocation)
{
    int64_t run;
    int code = parse_number(invocation, invocation->arguments[0], &run);
    REPLY_CLEAN struct reply reply = {0};
    if (!code)
        code = get_run(invocation, run, &reply);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    print_members(reply.json, NULL);
    putchar('\n');
    print_steps(reply.json);
    print_left_out(json_object_get(reply.json, "left_out"));
    struct progress progress = progress_of(reply.json);
    if (progress.rejected || progress.unknown)
        say_text(which(reply.json, &progress));
    return EXIT_OK;
}

/* ---- tasks ---- */

static int check_tasks(struct invocation *invocation, int64_t *run)
{
    static const char *const outcomes[] = {"rejected", "unknown", "skipped", "deferred",
                                           "delivered"};
    int64_t limit;
    int code = parse_number(invocation, invocation->arguments[0], run);
    if (!code && invocation->limit)
        code = parse_number(invocation, invocation->limit, &limit);
    bool known = !invocation->outcome;
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        known = known || text_equal(invocation->outcome, outcomes[i]);
    return code    ? code
           : known ? EXIT_OK
                   : fail(invocation, EXIT_USAGE, MESSAGE_BAD_OUTCOME, invocation->outcome);
}

/* Of a single recipient all that is known; of many what a clerk asks for. */
static void print_tasks(const struct invocation *invocation, json_t *tasks)
{
    static const char *const few[] = {"recipient", "step", "outcome", "time", "message", NULL};
    static const char *const all[] = {"recipient", "step",      "outcome", "code", "attempt",
                                      "time",      "remote_id", "message", NULL};
    size_t count = json_array_size(tasks);
    int64_t limit = TASKS_DEFAULT;
    for (size_t i = 0; i < count; i++) { /* a column of this name is never cut */
        json_t *task = json_array_get(tasks, i);
        json_object_set(task, "message", json_object_get(task, "text"));
    }
    translate_members(tasks, "message", reason_text);
    print_objects(tasks, invocation->recipient ? all : few);
    if (invocation->limit)
        text_to_int64(invocation->limit, &limit);
    if ((int64_t)count >= limit)
        say(MESSAGE_TASKS_CUT, message_number(limit));
}

int runs_tasks(struct invocation *invocation)
{
    int64_t run;
    int code = check_tasks(invocation, &run);
    if (code)
        return code;
    BUFFER_CLEAN struct buffer path = {0};
    buffer_printf(&path, "runs/%lld/tasks", (long long)run);
    add_parameter(&path, "outcome", invocation->outcome);
    add_parameter(&path, "step", invocation->step);
    add_parameter(&path, "recipient", invocation->recipient);
    add_parameter(&path, "limit", invocation->limit);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "GET", path.data, NULL, &reply);
    if (code)
        return code;
    if (invocation->json)
        print_json(reply.json);
    else
        print_tasks(invocation, reply.json);
    return EXIT_OK;
}

int runs_change(struct invocation *invocation)
{
    int64_t run;
    int code = parse_number(invocation, invocation->arguments[0], &run);
    if (code)
        return code;
    const char *verb = invocation->command->verb;
    FREE_CLEAN char *path = memory_format("runs/%lld/%s", (long long)run, verb);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "POST", path, NULL, &reply);
    if (code)
        return code;
    if (invocation->json && reply.json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    const char *state = text(reply.json, "state");
    const char *what = *state                       ? message_label(state)
                       : text_equal(verb, "pause")  ? message(MESSAGE_RUN_PAUSING)
                       : text_equal(verb, "resume") ? message(MESSAGE_RUN_RESUMING)
                                                    : message(MESSAGE_RUN_CANCELLING);
    say(MESSAGE_RUN_CHANGED, invocation->arguments[0], what);
    return EXIT_OK;
}

int runs_confirm(struct invocation *invocation)
{
    int64_t run;
    int code = parse_number(invocation, invocation->arguments[0], &run);
    if (code)
        return code;
    json_t *keys = json_array(),
           *body = json_pack("{s:o, s:s*}", "recipients", keys, "step", invocation->step);
    for (size_t i = 1; i < (size_t)invocation->argument_count; i++)
        json_array_append_new(keys, json_string(invocation->arguments[i]));
    FREE_CLEAN char *path = memory_format("runs/%lld/confirmations", (long long)run);
    REPLY_CLEAN struct reply reply = {0};
    code = client_call(invocation, "POST", path, body, &reply);
    json_decref(body);
    if (code)
        return code;
    if (invocation->json) {
        print_json(reply.json);
        return EXIT_OK;
    }
    say(MESSAGE_RUN_CONFIRMED, invocation->arguments[0],
        message_number(number(reply.json, "recorded")));
    const json_t *unknown = json_object_get(reply.json, "unknown");
    for (size_t i = 0; i < json_array_size(unknown); i++)
        say(MESSAGE_RUN_UNKNOWN, invocation->arguments[0],
            json_string_value(json_array_get(unknown, i)));
    return EXIT_OK;
}

/* ---- watch ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void pause_ms(int milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

static void append_bar(struct buffer *line, int share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int units = share * BAR_WIDTH * 8 / 100;
    buffer_text(line, "[");
    for (int i = 0; i < units / 8; i++)
        buffer_text(line, "█");
    buffer_text(line, eighths[units % 8]);
    for (int i = units / 8 + (units % 8 != 0); i < BAR_WIDTH; i++)
        buffer_char(line, ' ');
    buffer_text(line, "] ");
}

/* "Run 12  [████    ] 43 %  133/306  38.1/s  7 s left" */
static char *progress_line(const json_t *run, bool bar)
{
    struct progress progress = progress_of(run);
    const char *state = text(run, "state");
    FREE_CLEAN char *label = memory_format("%lld", (long long)number(run, "number"));
    FREE_CLEAN char *head = message_with(MESSAGE_WATCH_LABEL, label, (char *)NULL);
    struct buffer line = {0};
    buffer_printf(&line, "%s  ", head);
    if (!text_equal(state, "running"))
        buffer_printf(&line, "%s  ", message_label(state));
    if (text_equal(state, "preparing"))
        return buffer_steal(&line);
    if (bar)
        append_bar(&line, percent(&progress));
    buffer_printf(&line, "%3d %%  %s/%s", percent(&progress), message_number(progress.finished),
                  message_number(progress.total));
    if (progress.deferred)
        buffer_printf(&line, "  %s %s", message_number(progress.deferred),
                      message_label("deferred"));
    double rate = json_number_value(json_object_get(run, "rate_per_s"));
    bool stands = progress.deferred || *text(run, "reason") || rate < 0.05;
    if (stands) /* what it did before would foretell nothing */
        return buffer_steal(&line);
    buffer_printf(&line, "  %s/s", message_decimal(rate));
    json_t *left = json_object_get(run, "eta_s");
    if (json_is_number(left) && text_equal(state, "running")) {
        FREE_CLEAN char *time = table_value("eta_s", left);
        FREE_CLEAN char *phrase = message_with(MESSAGE_WATCH_LEFT, time, (char *)NULL);
        buffer_printf(&line, "  %s", phrase);
    }
    return buffer_steal(&line);
}

/* Where there is no terminal, only what is new. */
static void print_progress(const json_t *run, char *last, size_t size)
{
    FREE_CLEAN char *line = progress_line(run, table_on_terminal());
    if (table_on_terminal()) {
        FREE_CLEAN char *cut = table_cut(line, table_terminal_width() - 1);
        printf("\r%s\033[K", cut);
    } else if (!text_equal(line, last)) {
        puts(line);
    }
    text_copy(last, size, line);
    fflush(stdout);
}

/* Why it stands still, once: the bar has no room for it. */
static void print_reason(const json_t *run, char *last, size_t size)
{
    const char *reason = text_equal(text(run, "state"), "running") ? text(run, "reason") : "";
    if (*reason && !text_equal(reason, last)) {
        FREE_CLEAN char *clean = table_clean(reason, false);
        printf("%s%s\n", table_on_terminal() ? "\r\033[K" : "", clean);
    }
    text_copy(last, size, reason);
}

static bool is_over(const char *state)
{
    return text_equal(state, "done") || text_equal(state, "failed") ||
           text_equal(state, "cancelled");
}

static char *took(const json_t *run)
{
    struct tm begin = {0}, end = {0};
    if (!strptime(text(run, "started_at"), "%Y-%m-%dT%H:%M:%S", &begin) ||
        !strptime(text(run, "ended_at"), "%Y-%m-%dT%H:%M:%S", &end))
        return memory_text("");
    json_t *seconds = json_integer((json_int_t)(timegm(&end) - timegm(&begin)));
    FREE_CLEAN char *time = table_value("took_s", seconds);
    json_decref(seconds);
    return message_with(MESSAGE_SUMMARY_TOOK, time, (char *)NULL);
}

static int summarise(struct invocation *invocation, const json_t *run)
{
    struct progress progress = progress_of(run);
    const char *state = text(run, "state"), *reason = text(run, "reason");
    bool good = text_equal(state, "done") && !progress.rejected && !progress.unknown;
    if (invocation->json) {
        print_json(run);
        return good ? EXIT_OK : EXIT_RUN_FAILED;
    }
    FREE_CLEAN char *label = memory_format("%lld", (long long)number(run, "number"));
    FREE_CLEAN char *time = took(run);
    FREE_CLEAN char *end = memory_format("%s%s%s", time, *reason ? ": " : "", reason);
    say(MESSAGE_SUMMARY, label, text(run, "campaign"), message_label(state), end);
    print_steps(run);
    print_left_out(json_object_get(run, "left_out"));
    if (progress.rejected || progress.unknown) {
        FREE_CLEAN char *hint = which(run, &progress);
        return fail(invocation, EXIT_RUN_FAILED, MESSAGE_SUMMARY_FAILED,
                    message_number(progress.rejected), message_number(progress.unknown), hint);
    }
    return good ? EXIT_OK : EXIT_RUN_FAILED;
}

static int paused(struct invocation *invocation, const json_t *run)
{
    FREE_CLEAN char *label = memory_format("%lld", (long long)number(run, "number"));
    const char *reason = text(run, "reason");
    FREE_CLEAN char *detail = memory_format("%s%s", *reason ? ": " : "", reason);
    return fail(invocation, EXIT_RUN_FAILED, MESSAGE_WATCH_PAUSED, label, detail);
}

static int leave(struct invocation *invocation, int64_t run)
{
    FREE_CLEAN char *label = memory_format("%lld", (long long)run);
    return fail(invocation, EXIT_INTERRUPTED, MESSAGE_WATCH_LEAVE, label);
}

int runs_watch_number(struct invocation *invocation, int64_t run)
{
    bool terminal = table_on_terminal() && !invocation->json;
    char reason[600] = "", line[300] = "";
    catch_interrupts();
    for (;;) {
        REPLY_CLEAN struct reply reply = {0};
        int code = get_run(invocation, run, &reply);
        if (!code && !invocation->json) {
            print_reason(reply.json, reason, sizeof reason);
            print_progress(reply.json, line, sizeof line);
        }
        bool over = code || is_over(text(reply.json, "state"));
        bool stuck = !over && !terminal && text_equal(text(reply.json, "state"), "paused");
        if ((over || stuck) && terminal)
            putchar('\n');
        if (code)
            return code;
        if (over)
            return summarise(invocation, reply.json);
        if (stuck)
            return paused(invocation, reply.json);
        if (!interrupted)
            pause_ms(terminal ? POLL_TERMINAL_MS : POLL_PLAIN_MS);
        if (interrupted) {
            if (terminal)
                putchar('\n');
            return leave(invocation, run);
        }
    }
}

int runs_watch(struct invocation *invocation)
{
    int64_t run;
    int code = parse_number(invocation, invocation->arguments[0], &run);
    return code ? code : runs_watch_number(invocation, run);
}
