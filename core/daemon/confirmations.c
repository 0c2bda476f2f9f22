/*
 * Recipients' keys → tasks, by the run's rows file on the pool → the store thread. A member of a household confirms the task of all.
 * What is answered is durable.
 */
#include "daemon/confirmations.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "source/rows.h"
#include "store/confirmation.h"

struct confirming {
    struct store_work work; /* first */
    uv_work_t pool;
    struct daemon *daemon;
    struct api_request *request;
    const json_t *recipients; /* of the request's body, as are the texts */
    const char *step;         /* NULL: all */
    const char *text;
    enum confirmation confirmation;
    char *rows_path;
    struct confirmation_task *tasks;
    size_t count;
    size_t found; /* recipients */
    json_t *unknown;
    bool failed;
    struct error error;
};

static void end(struct confirming *confirming, const struct error *failed)
{
    if (failed)
        api_answer_error(confirming->request, failed);
    else
        api_answer(confirming->request, 200,
                   json_pack("{s:I, s:O}", "recorded", (json_int_t)confirming->found, "unknown",
                             confirming->unknown));
    json_decref(confirming->unknown);
    free(confirming->rows_path);
    free(confirming->tasks);
    free(confirming);
}

/* ---- on the pool ---- */

static int check_step(const struct confirming *confirming, const json_t *steps, struct error *error)
{
    size_t index;
    json_t *step;
    if (!confirming->step)
        return 0;
    json_array_foreach((json_t *)steps, index, step)
        if (text_equal(json_string_value(json_object_get(step, "name")), confirming->step))
            return 0;
    return error_say(error, ERROR_NOT_FOUND, "run %lld has no step »%.200s«",
                     "Ausführung %lld hat keinen Schritt »%.200s«.",
                     (long long)confirming->request->run, confirming->step);
}

static void add_tasks(struct confirming *confirming, const json_t *steps, int64_t ordinal)
{
    size_t index;
    json_t *step;
    json_array_foreach((json_t *)steps, index, step) {
        const char *name = json_string_value(json_object_get(step, "name"));
        if (confirming->step && !text_equal(name, confirming->step))
            continue;
        confirming->tasks[confirming->count++] = (struct confirmation_task){
            .step = json_integer_value(json_object_get(step, "number")), .ordinal = ordinal};
    }
}

static int find_tasks(struct confirming *confirming, struct error *error)
{
    ROWS_CLEAN struct rows *rows = rows_open(confirming->rows_path, error);
    const json_t *steps = rows ? json_object_get(rows_definition(rows), "steps") : NULL;
    size_t index, keys = json_array_size(confirming->recipients);
    json_t *key;
    if (!rows || check_step(confirming, steps, error) != 0)
        return -1;
    confirming->tasks = memory_array(keys * json_array_size(steps) + 1, sizeof *confirming->tasks);
    json_array_foreach((json_t *)confirming->recipients, index, key) {
        int64_t ordinal;
        int found = rows_find_key(rows, json_string_value(key), &ordinal, error);
        if (found < 0)
            return -1;
        if (!found) {
            json_array_append(confirming->unknown, key);
            continue;
        }
        confirming->found++;
        add_tasks(confirming, steps, ordinal);
    }
    return 0;
}

static void find_on_pool(uv_work_t *pool)
{
    struct confirming *confirming = pool->data;
    confirming->failed = find_tasks(confirming, &confirming->error) != 0;
}

/* ---- on the store thread, and the loop ---- */

static int apply(struct store_work *work, struct error *error)
{
    struct confirming *confirming = (struct confirming *)work;
    return confirmation_put(confirming->daemon->state.database.db, confirming->request->run,
                            confirming->tasks, confirming->count, confirming->confirmation,
                            confirming->text, error);
}

static void on_applied(struct store_work *work, const struct error *failed)
{
    end((struct confirming *)work, failed);
}

static void on_found(uv_work_t *pool, int status)
{
    struct confirming *confirming = pool->data;
    (void)status;
    if (confirming->failed) {
        end(confirming, &confirming->error);
        return;
    }
    confirming->work = (struct store_work){
        .database = &confirming->daemon->state.database, .apply = apply, .done = on_applied};
    store_submit(confirming->daemon->store, &confirming->work);
}

static int check_recipients(const json_t *recipients, struct error *error)
{
    size_t index;
    json_t *key;
    bool texts = json_array_size(recipients) > 0;
    json_array_foreach((json_t *)recipients, index, key)
        texts = texts && json_is_string(key);
    return texts
               ? 0
               : error_say(error, ERROR_INPUT, "recipients: an array of keys, as texts, is needed",
                           "recipients: eine Liste von Schlüsseln als Texte ist nötig.");
}

static int check_run(const struct daemon *daemon, int64_t number, struct error *error)
{
    int begun = runner_has_begun(daemon->runner, number, error);
    return begun ? begun > 0 ? 0 : -1
                 : error_say(error, ERROR_CONFLICT,
                             "run %lld has not begun, so nothing can be confirmed",
                             "Ausführung %lld hat nicht begonnen; es gibt nichts zu bestätigen.",
                             (long long)number);
}

/* {"recipients": ["7"], "confirmation": "confirmed", "step": "mail", "text": "…"} */
void confirmations_call(struct daemon *daemon, struct api_request *request)
{
    json_t *recipients;
    const char *step = NULL, *text = "", *name = "confirmed";
    enum confirmation confirmation;
    struct error error;
    if (!operations_read_body(request, "{s:o, s?s, s?s, s?s}", "recipients", &recipients,
                              "confirmation", &name, "step", &step, "text", &text))
        return;
    if (confirmation_named(name, &confirmation, &error) != 0 ||
        check_recipients(recipients, &error) != 0 || check_run(daemon, request->run, &error) != 0) {
        api_answer_error(request, &error);
        return;
    }
    struct confirming *confirming = memory_new(sizeof *confirming);
    confirming->daemon = daemon;
    confirming->request = request;
    confirming->recipients = recipients;
    confirming->step = step;
    confirming->text = text;
    confirming->confirmation = confirmation;
    confirming->rows_path = runner_rows_path(daemon->conf->daemon.state_dir, request->run);
    confirming->unknown = json_array();
    confirming->pool.data = confirming;
    uv_queue_work(daemon->loop, &confirming->pool, find_on_pool, on_found);
}
