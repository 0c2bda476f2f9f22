/* Collecting what is wrong with a configuration; private to conf/. */
#ifndef CAMPAIGND_CONF_PROBLEMS_H
#define CAMPAIGND_CONF_PROBLEMS_H

#include "conf/conf.h"

/*
 * Add one, before those of the same file with a later line. Texts are copied. Past
 * CONF_PROBLEMS_MAX only one more is added, which says that there are others.
 */
void conf_problems_add(struct conf_problems *problems, const char *file, int line,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
