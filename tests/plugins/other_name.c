/* A plugin whose name is not its file's. It must be refused. */
#include <campaignd/action.h>

static void deliver(void *job, campaignd_task task)
{
    (void)job, (void)task;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .name = "somebody",
    .deliver = deliver,
};
