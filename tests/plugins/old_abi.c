/* A plugin as it was built for ABI 0.1: its struct ends where that of 0.1 did. What lies behind it is
 * not the host's to read. */
#include <campaignd/action.h>

static void send_one(void *job, campaignd_task task, struct campaignd_outcome *outcome)
{
    (void)job, (void)task;
    outcome->status = CAMPAIGND_DELIVERED;
}

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    .size = offsetof(struct campaignd_action, channel),
    .abi = 1,
    .name = "old_abi",
    .version = "1",
    .send = send_one,
    .channel = "beyond its end",
};
