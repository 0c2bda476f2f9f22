#include "host/layout.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

struct idle {
    struct idle *next;
    struct letter_engine *engine;
};

struct layout {
    int fd;
    pthread_mutex_t mutex;
    void *handle;
    const struct letter_api *api;
    struct idle *idle; /* engines that no thread uses */
};

struct layout *layout_open(int fd)
{
    struct layout *layout = memory_new(sizeof *layout);
    layout->fd = fd;
    pthread_mutex_init(&layout->mutex, NULL);
    return layout;
}

void layout_close(struct layout *layout)
{
    if (!layout)
        return;
    while (layout->idle) {
        struct idle *idle = layout->idle;
        layout->idle = idle->next;
        layout->api->engine_free(idle->engine);
        free(idle);
    }
    if (layout->handle)
        dlclose(layout->handle);
    pthread_mutex_destroy(&layout->mutex);
    free(layout);
}

static int load(struct layout *layout, struct error *error)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", layout->fd);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* GLib cannot go */
    if (!handle)
        return error_set(error, ERROR_SYSTEM, "the page layout (letter.so) cannot be loaded: %s",
                         dlerror());
    const struct letter_api *api = dlsym(handle, LETTER_SYMBOL);
    if (!api || api->version != LETTER_API_VERSION || api->size < sizeof *api) {
        dlclose(handle);
        return error_set(error, ERROR_SYSTEM,
                         "the page layout (letter.so) is not this campaignd's; install both from "
                         "the same build");
    }
    layout->handle = handle;
    layout->api = api;
    return 0;
}

/* An engine for this thread alone, until it is put back. */
static struct idle *take(struct layout *layout, struct error *error)
{
    pthread_mutex_lock(&layout->mutex);
    int loaded = layout->api ? 0 : load(layout, error);
    struct idle *idle = layout->idle;
    if (idle)
        layout->idle = idle->next;
    pthread_mutex_unlock(&layout->mutex);
    if (loaded != 0 || idle)
        return idle;
    struct letter_engine *engine = layout->api->engine_new();
    if (!engine) {
        error_set(error, ERROR_SYSTEM, "the page layout does not start");
        return NULL;
    }
    idle = memory_new(sizeof *idle);
    idle->engine = engine;
    return idle;
}

static void put_back(struct layout *layout, struct idle *idle)
{
    pthread_mutex_lock(&layout->mutex);
    idle->next = layout->idle;
    layout->idle = idle;
    pthread_mutex_unlock(&layout->mutex);
}

int layout_render(struct layout *layout, const struct letter_request *request, struct buffer *pdf,
                  struct error *error)
{
    struct idle *idle = take(layout, error);
    if (!idle)
        return -1;
    int result = layout->api->render(idle->engine, request, pdf, error);
    put_back(layout, idle);
    return result;
}
