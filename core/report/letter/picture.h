/*
 * Pictures: PNG files of the request, decoded once and kept by their bytes, so that the logo of
 * 10,000 letters is read once. A file's size and dimensions are checked before it is decoded.
 */
#ifndef CAMPAIGND_REPORT_LETTER_PICTURE_H
#define CAMPAIGND_REPORT_LETTER_PICTURE_H

#include <cairo.h>
#include <stdbool.h>

#include "report/letter/job.h"

struct picture {
    cairo_surface_t *surface;
    unsigned width, height; /* pixels */
    void *bytes;            /* the file */
    size_t size;
};

struct picture_cache {
    struct picture **pictures;
    size_t count;
    size_t capacity;
    size_t pixels; /* of all */
};

/* The picture of the file `name`. It is the engine's, and stays until the render ends. NULL on
 * error (not there, no PNG, too large, broken). */
const struct picture *picture_get(struct job *job, const char *name, struct position at);

/* Between letters: forget all when they have become many. True if it did. */
bool picture_cache_trim(struct picture_cache *cache);

void picture_cache_free(struct picture_cache *cache);

#endif
