#include "host/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "host/declared.h"

#define SYMBOL "campaignd_action"
#define KNOWN_FLAGS (CAMPAIGND_REPEATABLE | CAMPAIGND_CALLS_BEGIN | CAMPAIGND_THREAD_SAFE)
#define SMALLEST_ACTION offsetof(struct campaignd_action, label_en)
#define TABLE_MAX 200 /* entries of a table, choices of a parameter */

/* Copy a struct that states its size first: no more than it has, no more than we know. */
static void copy_sized(void *target, size_t target_size, const void *source)
{
    size_t size;
    memcpy(&size, source, sizeof size);
    memset(target, 0, target_size);
    memcpy(target, source, size < target_size ? size : target_size);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, json_string(text));
}

static json_t *describe_choices(const struct campaignd_choice *const *choices)
{
    json_t *array = json_array();
    for (size_t i = 0; choices && choices[i] && i < TABLE_MAX; i++) {
        struct campaignd_choice choice;
        copy_sized(&choice, sizeof choice, choices[i]);
        json_t *object = json_object();
        set_text(object, "name", choice.name);
        set_text(object, "label_en", choice.label_en);
        set_text(object, "label_de", choice.label_de);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *describe_parameter(const struct campaignd_parameter *parameter)
{
    json_t *object = json_object();
    set_text(object, "name", parameter->name);
    set_text(object, "type", declared_type_name(parameter->type));
    json_object_set_new(object, "required", json_boolean(parameter->required != 0));
    set_text(object, "default", parameter->default_value);
    set_text(object, "label_en", parameter->label_en);
    set_text(object, "label_de", parameter->label_de);
    set_text(object, "help_en", parameter->help_en);
    set_text(object, "help_de", parameter->help_de);
    if (parameter->type == CAMPAIGND_PARAMETER_CHOICE)
        json_object_set_new(object, "choices", describe_choices(parameter->choices));
    if (parameter->minimum || parameter->maximum) {
        json_object_set_new(object, "minimum", json_integer(parameter->minimum));
        json_object_set_new(object, "maximum", json_integer(parameter->maximum));
    }
    return object;
}

static int describe_table(json_t *description, const char *key,
                          const struct campaignd_parameter *const *table, struct error *error)
{
    json_t *array = json_array();
    json_object_set_new(description, key, array);
    for (size_t i = 0; table && table[i] && i < TABLE_MAX; i++) {
        struct campaignd_parameter parameter;
        copy_sized(&parameter, sizeof parameter, table[i]);
        if (!parameter.name || !*parameter.name || !declared_type_name(parameter.type))
            return error_set(error, ERROR_INPUT,
                             "entry %zu of its %s has no name or the unknown type %d", i + 1, key,
                             (int)parameter.type);
        json_array_append_new(array, describe_parameter(&parameter));
    }
    return 0;
}

static int describe(struct plugin *plugin, struct error *error)
{
    const struct campaignd_action *action = &plugin->action;
    json_t *object = json_object();
    plugin->description = object;
    set_text(object, "name", action->name);
    set_text(object, "version", action->version);
    json_object_set_new(object, "abi", json_integer(action->abi));
    json_object_set_new(object, "flags", json_integer(action->flags));
    set_text(object, "label_en", action->label_en);
    set_text(object, "label_de", action->label_de);
    set_text(object, "help_en", action->help_en);
    set_text(object, "help_de", action->help_de);
    set_text(object, "channel", action->channel ? action->channel : "");
    json_object_set_new(object, "asynchronous", json_boolean(action->deliver != NULL));
    json_object_set_new(object, "preview", json_boolean(action->preview != NULL));
    if (describe_table(object, "settings", action->settings, error) != 0)
        return -1;
    return describe_table(object, "parameters", action->parameters, error);
}

static int check_abi(const struct campaignd_action *exported, struct error *error)
{
    uint32_t major = exported->abi >> 16, minor = exported->abi & 0xffff;
    if (major != CAMPAIGND_ABI_MAJOR || minor > CAMPAIGND_ABI_MINOR)
        return error_set(error, ERROR_INPUT,
                         "it was built for ABI %u.%u, and this campaignd has %d.%d: build it anew",
                         major, minor, CAMPAIGND_ABI_MAJOR, CAMPAIGND_ABI_MINOR);
    if (exported->size < SMALLEST_ACTION)
        return error_set(error, ERROR_INPUT, "the size in its description is wrong");
    return 0;
}

static bool is_channel(const char *channel)
{
    static const char *const channels[] = {"", "email", "sms", "letter"};
    for (size_t i = 0; channel && i < sizeof channels / sizeof *channels; i++)
        if (strcmp(channel, channels[i]) == 0)
            return true;
    return !channel;
}

static int check_action(const struct campaignd_action *action, const char *name,
                        struct error *error)
{
    if (!action->name || strcmp(action->name, name) != 0)
        return error_set(error, ERROR_INPUT,
                         "it calls itself »%.60s«; the file's name must be "
                         "that name",
                         action->name ? action->name : "");
    if (!action->deliver == !action->send)
        return error_set(error, ERROR_INPUT, "it has %s of deliver() and send(); it must have one",
                         action->deliver ? "both" : "none");
    if (action->flags & ~KNOWN_FLAGS)
        return error_set(error, ERROR_INPUT, "it sets flags that mean nothing: 0x%x",
                         action->flags & ~KNOWN_FLAGS);
    if ((action->flags & CAMPAIGND_REPEATABLE) && (action->flags & CAMPAIGND_CALLS_BEGIN))
        return error_set(error, ERROR_INPUT,
                         "it says that it is repeatable and that it calls begin(); it must be one");
    if (!is_channel(action->channel))
        return error_set(
            error, ERROR_INPUT,
            "its channel »%.60s« is none; there are email, sms, letter and none at all",
            action->channel);
    return 0;
}

static int load(struct plugin *plugin, int fd, const char *name, struct error *error)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    /* Its code stays until the process ends: libraries such as GLib cannot be unloaded. */
    plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!plugin->handle)
        return error_set(error, ERROR_INPUT, "it cannot be loaded: %s", dlerror());
    const struct campaignd_action *exported = dlsym(plugin->handle, SYMBOL);
    if (!exported)
        return error_set(error, ERROR_INPUT, "it exports no symbol " SYMBOL ": it is no action");
    if (check_abi(exported, error) != 0)
        return -1;
    copy_sized(&plugin->action, sizeof plugin->action, exported);
    if (check_action(&plugin->action, name, error) != 0)
        return -1;
    return describe(plugin, error);
}

int plugin_open(struct plugin *plugin, int fd, const char *name, struct error *error)
{
    *plugin = (struct plugin){0};
    if (load(plugin, fd, name, error) == 0)
        return 0;
    plugin_close(plugin);
    return error_prefix(error, "plugin %s: ", name);
}

void plugin_close(struct plugin *plugin)
{
    json_decref(plugin->description);
    plugin->description = NULL;
    if (plugin->handle)
        dlclose(plugin->handle);
    plugin->handle = NULL;
}

bool plugin_has(const struct plugin *plugin, uint32_t flag)
{
    return (plugin->action.flags & flag) != 0;
}
