/* A plugin that does nothing at all. It must be refused. */
#include <campaignd/action.h>

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .name = "no_tier",
};
