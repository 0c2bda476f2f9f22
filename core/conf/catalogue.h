/* Is a file's JSON a source's catalogue (source/catalogue.h)? Private to conf/. */
#ifndef CAMPAIGND_CONF_CATALOGUE_H
#define CAMPAIGND_CONF_CATALOGUE_H

#include "conf/conf.h"

/* Add a problem for each thing in it that is wrong, with its place ("tables.customer.columns.iban")
 * and for a key that there is not the nearest that there is. What hides nothing because it is
 * misspelled must not pass. Whether the source has such tables, only the source knows. */
void conf_catalogue_check(const json_t *catalogue, const char *file,
                          struct conf_problems *problems);

#endif
