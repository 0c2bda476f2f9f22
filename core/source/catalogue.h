/*
 * The catalogue of a source: what of it clerks see. An admin's JSON file, named by `catalogue` of
 * the source's section; docs/queries.md describes it.
 *
 *   {"tables": {"customers": {"label_de", "label_en", "hidden": false,
 *               "columns": {"iban": {"hidden": true},
 *                           "email": {"label_de", "label_en", "role", "format"}}}},
 *    "joins": [{"table": "orders", "columns": ["customer_id"],
 *               "to": "customers", "to_columns": ["customer_id"]}],
 *    "unlisted": "shown" | "hidden"}
 *
 * What is hidden does not exist for built queries: they are made of what catalogue_apply leaves.
 */
#ifndef CAMPAIGND_SOURCE_CATALOGUE_H
#define CAMPAIGND_SOURCE_CATALOGUE_H

#include <jansson.h>

#include "base/error.h"

/* Is this a catalogue? 0, or -1 with the place of what is wrong in it. */
int catalogue_check(const json_t *catalogue, struct error *error);

/* Take what is hidden out of source_tables' answer, and put in labels, roles, formats, and joins as
 * foreign keys with "declared": false. NULL: there is no catalogue, all is seen as it is. */
void catalogue_apply(json_t *tables, const json_t *catalogue);

#endif
