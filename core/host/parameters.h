/* The values of one table as a plugin sees them (struct campaignd_parameters): checked, resolved,
 * templates compiled. */
#ifndef CAMPAIGND_HOST_PARAMETERS_H
#define CAMPAIGND_HOST_PARAMETERS_H

#include <jansson.h>

#include "base/error.h"
#include "campaignd/action.h"
#include "host/declared.h"
#include "report/template.h"

struct campaignd_parameters;

/*
 * The settings of an action: `settings` is FRAME_CONFIGURE's array. Paths count from the file that
 * names them; secrets are read. NULL: the message names all faults, each with FILE:LINE.
 */
struct campaignd_parameters *parameters_settings(const json_t *table, const json_t *settings,
                                                 struct error *error);

/* The parameters of a step: an object. Templates are compiled with `partials`. */
struct campaignd_parameters *parameters_step(const json_t *table, const json_t *given,
                                             const struct declared_names *names,
                                             const struct template_partials *partials,
                                             struct error *error);

void parameters_free(struct campaignd_parameters *parameters); /* secrets are wiped */

/* As campaignd_host's functions. */
int32_t parameters_get(const struct campaignd_parameters *parameters, const char *name,
                       struct campaignd_value *out);
const struct template *parameters_template(const struct campaignd_parameters *parameters,
                                           const char *name);

/* Call `each` for every report that a parameter names, until it fails. */
int parameters_reports(const struct campaignd_parameters *parameters,
                       int (*each)(void *context, const char *report, struct error *error),
                       void *context, struct error *error);

/* Fill *out as the ABI says, honouring the caller's out->size. */
void value_give(struct campaignd_value *out, const struct campaignd_value *value);

#endif
