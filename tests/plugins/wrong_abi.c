/* A plugin of another ABI. It must be refused. */
#include <campaignd/action.h>

static void deliver(void *job, campaignd_task task)
{
    (void)job, (void)task;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    .size = sizeof campaignd_action,
    .abi = 9u << 16,
    .name = "wrong_abi",
    .deliver = deliver,
};
