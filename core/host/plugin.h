/*
 * The plugin's shared object: opened from a descriptor, checked, and described as JSON. What it
 * declares is copied here by the sizes that it states, so that a plugin of another minor version
 * has only what it knows.
 */
#ifndef CAMPAIGND_HOST_PLUGIN_H
#define CAMPAIGND_HOST_PLUGIN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "campaignd/action.h"

struct plugin {
    void *handle;                   /* of dlopen */
    struct campaignd_action action; /* what it exports; functions it does not know are NULL */
    json_t *description;            /* as host/worker.h says */
};

/* dlopen descriptor `fd`; refused with one clear line: no such symbol, another ABI, a name unlike
 * `name`, neither or both of deliver and send, flags that we do not know, a parameter without name
 * or with an unknown type. */
int plugin_open(struct plugin *plugin, int fd, const char *name, struct error *error);
void plugin_close(struct plugin *plugin);

bool plugin_has(const struct plugin *plugin, uint32_t flag);

#endif
