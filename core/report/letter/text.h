/*
 * Shaped text. The lines of a block of text are broken and measured by Pango, and kept in the
 * engine by everything that decides on their look: what recurs from letter to letter is shaped
 * once.
 */
#ifndef CAMPAIGND_REPORT_LETTER_TEXT_H
#define CAMPAIGND_REPORT_LETTER_TEXT_H

#include <pango/pangocairo.h>

#include "report/letter/document.h"

/* Points throughout. */
struct line {
    PangoLayoutLine *line;
    double width;
    double height;
    double baseline; /* below the line's top */
};

struct text {
    PangoLayout *layout;
    double width; /* of the widest line */
    unsigned count;
    struct line lines[];
};

enum text_wrap {
    TEXT_UNBROKEN, /* at its own line breaks alone */
    TEXT_WRAPPED,  /* to the width; a word longer than it is broken */
    TEXT_WORDS     /* wherever possible: its width is that of the longest word */
};

struct text_entry;

struct text_cache {
    struct text_entry **table; /* by hash, chained */
    size_t count;
    size_t bytes;
    struct buffer key;
    struct font *fonts;
};

/* The lines of `block`, valid until the render ends. NULL on error (a paragraph too long). */
const struct text *text_layout(struct job *job, const struct block *block, enum text_wrap wrap,
                               double width);

/* A plain text in one style, never broken. */
const struct text *text_plain(struct job *job, const char *text, const struct style *style);

/* Draw a line with its top left corner at (x, y). */
void text_draw(cairo_t *cairo, const struct line *line, double x, double y);

/* A picture's size in points, as asked for or its own (96 pixels an inch), within `width`. */
void text_picture_size(const struct run *run, double width, double *picture_width,
                       double *picture_height);

/* Between letters: forget all if it has become much, or if `all`. */
void text_cache_trim(struct text_cache *cache, bool all);

void text_cache_free(struct text_cache *cache);

/* Tell Pango how to draw the pictures inside of text. */
void text_prepare(PangoContext *context);

#endif
