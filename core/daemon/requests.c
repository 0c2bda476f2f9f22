/*
 * What sites write with sqlite3 or their own programs: every half second, look whether the
 * definitions changed; if so check them, and serve the start requests, one after the other. All of
 * it on the desk's thread but the starting.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon.h"

#define LOOK_MS 500

struct look {
    struct store_work work;
    struct daemon *daemon;
    int found; /* a start request */
    struct definitions_start start;
};

struct answer {
    struct store_work work;
    struct daemon *daemon;
    int64_t request, run;
    char *message; /* NULL: accepted */
};

static struct {
    uv_timer_t timer;
    bool looking; /* a look or a request is under way */
} watch;

static void look(struct daemon *daemon);

static void over(struct daemon *daemon, bool again)
{
    watch.looking = false;
    if (again && !daemon->stopping)
        look(daemon);
}

static int apply_answer(struct store_work *work, struct error *error)
{
    struct answer *answer = (struct answer *)work;
    return definitions_answer_start(answer->daemon->definitions, answer->request,
                                    answer->message ? "refused" : "accepted", answer->run,
                                    answer->message ? answer->message : "", error);
}

static void on_answered(struct store_work *work, const struct error *failed)
{
    struct answer *answer = (struct answer *)work;
    struct daemon *daemon = answer->daemon;
    if (failed && failed->code != ERROR_BUSY)
        log_error("start request %lld could not be answered: %s", (long long)answer->request,
                  failed->message);
    free(answer->message);
    free(answer);
    /* A request that could not be answered (a lock) is found again: its uuid makes that harmless.
     */
    over(daemon, !failed);
}

static char *first_error(const json_t *problems)
{
    BUFFER_CLEAN struct buffer text = {0};
    size_t index;
    json_t *problem;
    json_array_foreach(problems, index, problem) {
        const char *severity = json_string_value(json_object_get(problem, "severity"));
        if (!severity || strcmp(severity, "error") != 0 || text.size > 2000)
            continue;
        buffer_printf(&text, "%s%s: %s", text.size ? "; " : "",
                      json_string_value(json_object_get(problem, "where")),
                      json_string_value(json_object_get(problem, "message_en")));
    }
    return text.size ? buffer_steal(&text) : NULL;
}

struct serving {
    struct daemon *daemon;
    int64_t request;
};

static void on_launched(void *context, const struct launch_result *result,
                        const struct error *failed)
{
    struct serving *serving = context;
    struct answer *answer = memory_new(sizeof *answer);
    answer->work = (struct store_work){.apply = apply_answer, .done = on_answered};
    answer->daemon = serving->daemon;
    answer->request = serving->request;
    answer->message = failed ? memory_text(failed->message) : first_error(result->problems);
    answer->run = answer->message ? 0 : result->run;
    if (answer->message)
        log_warning("start request %lld is refused: %s", (long long)answer->request,
                    answer->message);
    free(serving);
    if (failed && failed->code == ERROR_BUSY) { /* try again at the next look */
        free(answer->message);
        struct daemon *daemon = answer->daemon;
        free(answer);
        over(daemon, false);
        return;
    }
    store_submit(answer->daemon->desk, &answer->work);
}

static int apply_look(struct store_work *work, struct error *error)
{
    struct look *look = (struct look *)work;
    struct definitions *definitions = look->daemon->definitions;
    if (definitions_changed(definitions) != 0 && definitions_check(definitions, error) < 0)
        return -1;
    look->found = definitions_next_start(definitions, &look->start, error);
    return look->found < 0 ? -1 : 0;
}

static void on_looked(struct store_work *work, const struct error *failed)
{
    struct look *look = (struct look *)work;
    struct daemon *daemon = look->daemon;
    if (failed && failed->code != ERROR_BUSY)
        log_error("the definitions cannot be read: %s", failed->message);
    if (failed || look->found <= 0 || daemon->stopping) {
        over(daemon, false);
    } else {
        struct serving *serving = memory_new(sizeof *serving);
        *serving = (struct serving){.daemon = daemon, .request = look->start.id};
        FREE_CLEAN char *campaign = memory_format("%lld", (long long)look->start.campaign);
        launch_start(daemon, LAUNCH_RUN, campaign, look->start.uuid, look->start.requested_by,
                     look->start.id, false, on_launched, serving);
    }
    free(look);
}

static void look(struct daemon *daemon)
{
    struct look *work = memory_new(sizeof *work);
    work->work = (struct store_work){.apply = apply_look, .done = on_looked};
    work->daemon = daemon;
    watch.looking = true;
    store_submit(daemon->desk, &work->work);
}

static void on_time(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    if (!watch.looking && !daemon->stopping)
        look(daemon);
}

void requests_start(struct daemon *daemon)
{
    uv_timer_init(daemon->loop, &watch.timer);
    watch.timer.data = daemon;
    uv_timer_start(&watch.timer, on_time, 0, LOOK_MS);
}

void requests_stop(void)
{
    uv_timer_stop(&watch.timer);
}
