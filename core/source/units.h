/*
 * One task for several persons: those who share an e-mail address, or a household. The first of
 * them in the query's order who is still a recipient stands for all; the others are left out, and
 * all of them are rows of table `member`, that one first.
 *
 * A household is what the field with that role says; without it the postal address: street,
 * postcode, city and country in one form (address_normal_street). Who has neither, or no e-mail
 * address, is a unit alone. Objections and consent were asked for each person before: of a family
 * the one who objected is not in it. Detail rows are those of the first one's key.
 */
#ifndef CAMPAIGND_SOURCE_UNITS_H
#define CAMPAIGND_SOURCE_UNITS_H

#include "base/error.h"
#include "source/selection.h"

/* Join the recipients by the campaign's `unit`: "key" (nothing is joined), "email", "household".
 * 0, or -1 (no field to join by). */
int units_join(struct selection *selection, const json_t *definition, struct error *error);

/* The ordinal of the recipient who stands for the person with this key; 0: nobody does. -1. */
int64_t units_head(struct selection *selection, const char *key, struct error *error);

#endif
