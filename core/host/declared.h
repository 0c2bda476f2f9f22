/*
 * What a plugin declares about its settings and parameters, as JSON (the `settings` and
 * `parameters` of FRAME_HELLO's description), and the checks that follow from it. The worker checks
 * with it what it is handed; the core checks definitions and configurations with the same code,
 * without loading the plugin.
 *
 * A table is an array of {"name", "type", "required", "default", "label_en", "label_de", "help_en",
 * "help_de", "choices": [{"name", "label_en", "label_de"}], "minimum", "maximum"}; the types are
 * text template integer money boolean choice duration size column report path secret location. What is not
 * there is null or absent.
 */
#ifndef CAMPAIGND_HOST_DECLARED_H
#define CAMPAIGND_HOST_DECLARED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* The word for CAMPAIGND_PARAMETER_…; NULL for what is none. And back: 0 for what is none. */
const char *declared_type_name(int32_t type);
int32_t declared_type(const char *name);

/* What values may name, where that is known; NULL: not known, so not checked. */
struct declared_names {
    const char *const *columns; /* of the group; NULL-ended */
    const json_t *reports;      /* an object with the reports' names as keys */
};

typedef void declared_problem(void *context, const char *name, const struct error *fault);

/*
 * Check `given` (an object: name → string, number or boolean; null counts as not given) against
 * `table`. Calls `problem` for each fault, with the parameter's name and a message that names it,
 * what is wrong and what would be right; no message holds a secret's value. Returns the number of
 * faults. `names` may be NULL. Nothing is resolved: a path need not exist, a secret is not read, a
 * template not compiled.
 */
int declared_check(const json_t *table, const json_t *given, const struct declared_names *names,
                   declared_problem *problem, void *context);

/* The entry of a table by name; NULL. */
const json_t *declared_find(const json_t *table, const char *name);

/*
 * One value as its type has it: `type` is CAMPAIGND_INTEGER (integer, money, boolean, duration,
 * size: in `integer`), CAMPAIGND_TEXT, or CAMPAIGND_NULL where nothing is given and there is no
 * default. `text` is as given, a boolean's "0" or "1". 0, or -1 with the message of the fault.
 */
struct declared_value {
    int32_t type;
    int64_t integer;
    struct buffer text;
};

int declared_read(const json_t *entry, const json_t *given, const struct declared_names *names,
                  struct declared_value *out, struct error *error);

#endif
