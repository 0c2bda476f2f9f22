/* A plugin that reaches people by a channel that is none. It must be refused. */
#include <campaignd/action.h>

static void deliver(void *job, campaignd_task task)
{
    (void)job, (void)task;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .name = "odd_channel",
    .deliver = deliver,
    .channel = "pigeon",
};
