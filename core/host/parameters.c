#include "host/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "conf/conf.h"

struct entry {
    char *name;
    int32_t type; /* CAMPAIGND_PARAMETER_… */
    struct declared_value value;
    struct template *compiled;
};

struct campaignd_parameters {
    struct entry *entries;
    size_t count;
};

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

void parameters_free(struct campaignd_parameters *parameters)
{
    for (size_t i = 0; parameters && i < parameters->count; i++) {
        struct entry *entry = &parameters->entries[i];
        if (entry->type == CAMPAIGND_PARAMETER_SECRET && entry->value.text.data)
            memory_wipe(entry->value.text.data, entry->value.text.size);
        buffer_free(&entry->value.text);
        template_free(entry->compiled);
        free(entry->name);
    }
    if (parameters)
        free(parameters->entries);
    free(parameters);
}

/* An entry for each line of the table, with the values of `given`, which passed the check. */
static struct campaignd_parameters *read_all(const json_t *table, const json_t *given)
{
    struct campaignd_parameters *parameters = memory_new(sizeof *parameters);
    parameters->entries = memory_array(json_array_size(table) + 1, sizeof *parameters->entries);
    size_t index;
    const json_t *line;
    json_array_foreach((json_t *)table, index, line) {
        struct entry *entry = &parameters->entries[parameters->count++];
        entry->name = memory_text(member(line, "name"));
        entry->type = declared_type(member(line, "type"));
        declared_read(line, json_object_get(given, entry->name), NULL, &entry->value, NULL);
    }
    return parameters;
}

/* ---- settings ---- */

struct faults {
    const json_t *settings;
    struct buffer text;
};

static const json_t *find_setting(const json_t *settings, const char *key)
{
    size_t index;
    const json_t *setting;
    json_array_foreach((json_t *)settings, index, setting)
        if (strcmp(member(setting, "key"), key) == 0)
            return setting;
    return NULL;
}

static void add_fault(void *context, const char *name, const struct error *fault)
{
    struct faults *faults = context;
    const json_t *setting = find_setting(faults->settings, name);
    if (faults->text.size)
        buffer_text(&faults->text, "; ");
    if (setting && *member(setting, "file"))
        buffer_printf(&faults->text, "%s:%" JSON_INTEGER_FORMAT ": ", member(setting, "file"),
                      json_integer_value(json_object_get(setting, "line")));
    buffer_text(&faults->text, fault->message);
}

static json_t *as_object(const json_t *settings)
{
    json_t *object = json_object();
    size_t index;
    const json_t *setting;
    json_array_foreach((json_t *)settings, index, setting)
        json_object_set(object, member(setting, "key"), json_object_get(setting, "value"));
    return object;
}

static void resolve_path(struct entry *entry, const char *file)
{
    FREE_CLEAN char *path = file_resolve(file, buffer_string(&entry->value.text));
    buffer_clear(&entry->value.text);
    buffer_text(&entry->value.text, path);
}

/* maildir:PATH and the like; what has an authority (smtp://…) stays. */
static void resolve_location(struct entry *entry, const char *file)
{
    const char *text = buffer_string(&entry->value.text);
    const char *colon = strchr(text, ':');
    if (!colon || text_starts(colon, "://"))
        return;
    FREE_CLEAN char *path = file_resolve(file, colon + 1);
    FREE_CLEAN char *location = memory_format("%.*s:%s", (int)(colon - text), text, path);
    buffer_clear(&entry->value.text);
    buffer_text(&entry->value.text, location);
}

static int read_secret(struct entry *entry, const char *file, struct error *error)
{
    struct buffer secret = {0};
    if (conf_secret(buffer_string(&entry->value.text), file, &secret, error) != 0)
        return -1;
    buffer_free(&entry->value.text);
    entry->value.text = secret;
    return 0;
}

/* Paths and secrets: what a value names becomes what is meant. */
static void resolve(struct campaignd_parameters *parameters, struct faults *faults)
{
    for (size_t i = 0; i < parameters->count; i++) {
        struct entry *entry = &parameters->entries[i];
        const json_t *setting = find_setting(faults->settings, entry->name);
        const char *file = setting ? member(setting, "file") : "";
        struct error error;
        if (entry->value.type != CAMPAIGND_TEXT)
            continue;
        if (entry->type == CAMPAIGND_PARAMETER_PATH)
            resolve_path(entry, file);
        else if (entry->type == CAMPAIGND_PARAMETER_LOCATION)
            resolve_location(entry, file);
        else if (entry->type == CAMPAIGND_PARAMETER_SECRET && read_secret(entry, file, &error) != 0)
            add_fault(faults, entry->name, &error);
    }
}

struct campaignd_parameters *parameters_settings(const json_t *table, const json_t *settings,
                                                 struct error *error)
{
    struct faults faults = {.settings = settings};
    struct campaignd_parameters *parameters = NULL;
    json_t *given = as_object(settings);
    if (declared_check(table, given, NULL, add_fault, &faults) == 0) {
        parameters = read_all(table, given);
        resolve(parameters, &faults);
    }
    json_decref(given);
    if (faults.text.size) {
        error_set(error, ERROR_INPUT, "%s", faults.text.data);
        parameters_free(parameters);
        parameters = NULL;
    }
    buffer_free(&faults.text);
    return parameters;
}

/* ---- a step's parameters ---- */

static int compile(struct campaignd_parameters *parameters,
                   const struct template_partials *partials, struct error *error)
{
    for (size_t i = 0; i < parameters->count; i++) {
        struct entry *entry = &parameters->entries[i];
        if (entry->type != CAMPAIGND_PARAMETER_TEMPLATE || entry->value.type != CAMPAIGND_TEXT)
            continue;
        entry->compiled = template_compile(buffer_string(&entry->value.text),
                                           entry->value.text.size, partials, error);
        if (!entry->compiled)
            return error_prefix(error, "the parameter %s: ", entry->name);
    }
    return 0;
}

struct campaignd_parameters *parameters_step(const json_t *table, const json_t *given,
                                             const struct declared_names *names,
                                             const struct template_partials *partials,
                                             struct error *error)
{
    struct faults faults = {0};
    struct campaignd_parameters *parameters = NULL;
    if (declared_check(table, given, names, add_fault, &faults) == 0) {
        parameters = read_all(table, given);
        if (compile(parameters, partials, error) != 0) {
            parameters_free(parameters);
            parameters = NULL;
        }
    } else {
        error_set(error, ERROR_INPUT, "%s", faults.text.data);
    }
    buffer_free(&faults.text);
    return parameters;
}

/* ---- what is asked ---- */

void value_give(struct campaignd_value *out, const struct campaignd_value *value)
{
    size_t size = out->size;
    if (size > sizeof *value || size < sizeof size)
        size = sizeof *value;
    memcpy((char *)out + sizeof size, (const char *)value + sizeof size, size - sizeof size);
}

static const struct entry *find(const struct campaignd_parameters *parameters, const char *name)
{
    for (size_t i = 0; parameters && i < parameters->count; i++)
        if (strcmp(parameters->entries[i].name, name) == 0)
            return &parameters->entries[i];
    return NULL;
}

int32_t parameters_get(const struct campaignd_parameters *parameters, const char *name,
                       struct campaignd_value *out)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    const struct entry *entry = find(parameters, name);
    if (entry && entry->value.type != CAMPAIGND_NULL) {
        value.type = entry->value.type;
        value.integer = entry->value.integer;
        value.text = buffer_string(&entry->value.text);
        value.length = entry->value.text.size;
    }
    value_give(out, &value);
    return value.type == CAMPAIGND_NULL ? -1 : 0;
}

const struct template *parameters_template(const struct campaignd_parameters *parameters,
                                           const char *name)
{
    const struct entry *entry = find(parameters, name);
    return entry ? entry->compiled : NULL;
}

int parameters_reports(const struct campaignd_parameters *parameters,
                       int (*each)(void *context, const char *report, struct error *error),
                       void *context, struct error *error)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct entry *entry = &parameters->entries[i];
        if (entry->type == CAMPAIGND_PARAMETER_REPORT && entry->value.type == CAMPAIGND_TEXT &&
            each(context, buffer_string(&entry->value.text), error) != 0)
            return -1;
    }
    return 0;
}
