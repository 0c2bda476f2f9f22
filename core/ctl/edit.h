/* Changing a document: by --set, from a file, or in $EDITOR. */
#ifndef CAMPAIGND_CTL_EDIT_H
#define CAMPAIGND_CTL_EDIT_H

#include <jansson.h>

#include "ctl/ctl.h"

/* Apply every --set of the invocation to `document`. */
int edit_apply_sets(struct invocation *invocation, json_t *document);

/* The document that --file names (new reference in *document). */
int edit_read_file(struct invocation *invocation, json_t **document);

/* Let a person edit `document`, and hand what came out to `submit`, until it is taken or the
 * person gives up; then the text stays in a file, which is named. *changed is false if the text
 * was left as it was. */
typedef int (*edit_submit)(struct invocation *invocation, json_t *document, void *context);
int edit_interactively(struct invocation *invocation, const json_t *document, edit_submit submit,
                       void *context, bool *changed);

#endif
