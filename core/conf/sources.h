/* What is particular to a section [source.NAME]: which keys fit its driver, what its values hold;
 * private to conf/. */
#ifndef CAMPAIGND_CONF_SOURCES_H
#define CAMPAIGND_CONF_SOURCES_H

#include "conf/conf.h"

/* Check a source whose keys have been read, and load its catalogue. `shown` is its file as it was
 * named, `begun` the line of its heading; `lines` has the line of each of conf_keys, 0: not there.
 */
void conf_source_check(struct conf_source *source, const char *shown, int begun, const int *lines,
                       struct conf_problems *problems);

/* Wipe its password, let go of its catalogue. */
void conf_source_forget(struct conf_source *source);

#endif
