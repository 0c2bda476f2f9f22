/* A plugin that sets a flag that nobody knows. It must be refused. */
#include <campaignd/action.h>

static void deliver(void *job, campaignd_task task)
{
    (void)job, (void)task;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .flags = 1u << 20,
    .name = "odd_flags",
    .deliver = deliver,
};
