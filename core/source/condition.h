/*
 * A condition over the fields of a group (a campaign's filter, a step's `when`): an SQL expression
 * in SQLite's words that sees one recipient's columns by their names and nothing else. It means the
 * same for every source, since SQLite evaluates it here.
 */
#ifndef CAMPAIGND_SOURCE_CONDITION_H
#define CAMPAIGND_SOURCE_CONDITION_H

#include <stdbool.h>

#include "base/error.h"
#include "source/source.h"

struct condition;

/* `what` names it in messages ("the condition of step »mail«"). NULL with what is wrong with the
 * expression. */
struct condition *condition_new(const char *what, const char *expression,
                                const struct source *columns, struct error *error);
void condition_free(struct condition *condition);

/* Does it hold for the source's present row? NULL (SQL's) is no. 1, 0, or -1. */
int condition_holds(struct condition *condition, const struct source *row, struct error *error);

#endif
