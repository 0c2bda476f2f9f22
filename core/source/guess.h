/*
 * What a column probably means, by its name and its type: offered to people, who keep or change it
 * (`query fields`). Nothing is used in a run that is only guessed. Rather nothing than something
 * wrong: »email_count« is no e-mail address.
 */
#ifndef CAMPAIGND_SOURCE_GUESS_H
#define CAMPAIGND_SOURCE_GUESS_H

#include <jansson.h>

#include "source/source.h"

#define GUESS_LABEL 120

struct guessed {
    const char *role;   /* "": none */
    const char *format; /* "": none */
    char label_de[GUESS_LABEL], label_en[GUESS_LABEL];
};

void guess_field(const char *name, enum source_type type, struct guessed *guessed);

/* {"role", "format", "label_de", "label_en"}, what is not known as "". A new reference. */
json_t *guess_json(const char *name, enum source_type type);

#endif
