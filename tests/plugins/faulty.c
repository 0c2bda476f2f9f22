/* What a plugin must not do, one fault a key: the recipient's column `fault` says which. */
#include <campaignd/action.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct campaignd_host *host;
static campaignd_task late;

static int32_t load(const struct campaignd_host *offered, const struct campaignd_parameters *table,
                    void **plugin, struct campaignd_failure *why)
{
    (void)table, (void)plugin, (void)why;
    host = offered;
    return 0;
}

static void end(campaignd_task task, int32_t status)
{
    struct campaignd_outcome outcome = {.size = sizeof outcome, .status = status};
    host->done(task, &outcome);
}

static void *end_on_thread(void *context)
{
    end((campaignd_task)(uintptr_t)context, CAMPAIGND_DELIVERED);
    return NULL;
}

static void never(void *context, int32_t ok)
{
    (void)context;
    if (ok)
        abort();
}

static void deliver(void *job, campaignd_task task)
{
    struct campaignd_value fault = CAMPAIGND_VALUE;
    pthread_t thread;
    (void)job;
    host->column_by_name(task, "fault", &fault);
    if (strcmp(fault.text, "twice") == 0) {
        end(task, CAMPAIGND_DELIVERED);
        end(task, CAMPAIGND_REJECTED);
        late = task;
    } else if (strcmp(fault.text, "none") == 0) {
        end(task, 0);
    } else if (strcmp(fault.text, "wild") == 0) {
        end(late, CAMPAIGND_DELIVERED);
        end(0, CAMPAIGND_DELIVERED);
        end(UINT64_MAX, CAMPAIGND_DELIVERED);
        end(task, 77);
    } else if (strcmp(fault.text, "begins") == 0) {
        host->begin(task, never, NULL);
        end(task, CAMPAIGND_DELIVERED);
    } else if (strcmp(fault.text, "thread") == 0) {
        pthread_create(&thread, NULL, end_on_thread, (void *)(uintptr_t)task);
        pthread_detach(thread);
    } else if (strcmp(fault.text, "document") == 0) {
        struct campaignd_failure why = {.size = sizeof why};
        int refused = host->document_add(task, "a.txt", "text/plain", "a", 1, &why) < 0;
        end(task, refused ? CAMPAIGND_SKIPPED : CAMPAIGND_DELIVERED);
    } else if (strcmp(fault.text, "crash") == 0) {
        abort();
    } else {
        end(task, CAMPAIGND_DELIVERED);
    }
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD, .name = "faulty", .version = "1", .load = load, .deliver = deliver,
};
