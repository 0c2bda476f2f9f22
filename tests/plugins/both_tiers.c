/* A plugin with deliver and send. It must be refused. */
#include <campaignd/action.h>

static void deliver(void *job, campaignd_task task)
{
    (void)job, (void)task;
}

static void send_one(void *job, campaignd_task task, struct campaignd_outcome *outcome)
{
    (void)job, (void)task, (void)outcome;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .name = "both_tiers",
    .deliver = deliver,
    .send = send_one,
};
