/*
 * The catalogue of a source: what of it clerks see. An admin's JSON file, named by `catalogue` of
 * the source's section; docs/catalogue.md describes it, conf/catalogue.c checks it.
 *
 *   {"tables": {"customers": {"label_de", "label_en", "hidden": false,
 *               "columns": {"iban": {"hidden": true},
 *                           "email": {"label_de", "label_en", "role", "format"}}}},
 *    "joins": [{"table": "orders", "columns": ["customer_id"],
 *               "to": "customers", "to_columns": ["customer_id"]}],
 *    "unlisted": "shown" | "hidden"}
 *
 * What is hidden does not exist for built queries: they are made of what catalogue_apply leaves. It
 * does not bind SQL that somebody writes: to write SQL is the right to read all that the source's
 * own database user may.
 */
#ifndef CAMPAIGND_SOURCE_CATALOGUE_H
#define CAMPAIGND_SOURCE_CATALOGUE_H

#include <jansson.h>

#include "base/error.h"

/* Take what is hidden out of source_tables' answer, and put in labels, roles, formats, and joins as
 * foreign keys with "declared": false. NULL: there is no catalogue, all is seen as it is. */
void catalogue_apply(json_t *tables, const json_t *catalogue);

/* Has the source (source_tables' answer as it is) all that the catalogue names? 0, or -1 with the
 * first that it has not, and what may have been meant. */
int catalogue_fits(const json_t *tables, const json_t *catalogue, struct error *error);

#endif
