/*
 * The names that templates may say, by what the reader answers about a query: columns, roles, detail
 * groups with their columns, members, and the words of ours that are always there.
 */
#ifndef CAMPAIGND_DAEMON_CHECK_NAMES_H
#define CAMPAIGND_DAEMON_CHECK_NAMES_H

#include <jansson.h>

#include "base/error.h"
#include "report/template.h"

/*
 * Is there what this use of a name says? `answer`: {"columns": [{"name", "role"}], "details":
 * [{"name", "columns": [{"name"}]}]}. 0; or -1 with an error in both languages that says where it
 * stands, what is meant perhaps, and what to do.
 */
int check_template_name(const json_t *answer, const struct template_name *name,
                        struct error *error);

#endif
