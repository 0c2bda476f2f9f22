/* To write SQL is a right of its own ([http] sql_group): who does not have it may do everything else,
 * and build queries. */
#ifndef CAMPAIGND_DAEMON_RIGHTS_H
#define CAMPAIGND_DAEMON_RIGHTS_H

#include <jansson.h>

#include "base/error.h"

/*
 * May somebody without that right put the document `after` where `before` stands (NULL: nothing)?
 * Not if it holds SQL that `before` does not, or that would run on another source or beside another
 * query. 0, or -1 with ERROR_DENIED.
 */
int rights_check_sql(const json_t *before, const json_t *after, struct error *error);

/* May somebody without that right do what moves campaigns' own SQL from its sources `before` to those
 * `after` (definitions_individual_sources)? Not to another one. 0, or -1 with ERROR_DENIED. */
int rights_check_sources(const json_t *before, const json_t *after, struct error *error);

/* The same of an exported document of all definitions, each compared with that of its name. */
int rights_check_import(const json_t *before, const json_t *after, struct error *error);

#endif
