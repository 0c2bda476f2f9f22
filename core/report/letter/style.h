/*
 * How an element looks: CSS declarations computed into one struct, in points. Text properties are
 * inherited, those of the box are not. The properties known are the table in style.c; what a value
 * may be stands in docs/letters.md.
 */
#ifndef CAMPAIGND_REPORT_LETTER_STYLE_H
#define CAMPAIGND_REPORT_LETTER_STYLE_H

#include <stdbool.h>

#include "report/letter/job.h"

enum side { SIDE_TOP, SIDE_RIGHT, SIDE_BOTTOM, SIDE_LEFT };

enum align { ALIGN_LEFT, ALIGN_RIGHT, ALIGN_CENTER, ALIGN_JUSTIFY };

enum vertical { VERTICAL_TOP, VERTICAL_MIDDLE, VERTICAL_BOTTOM };

struct color {
    bool visible;
    unsigned char red, green, blue;
};

enum unit { UNIT_AUTO, UNIT_POINTS, UNIT_PERCENT };

struct length {
    enum unit unit;
    double value;
};

struct border {
    double width; /* 0: none */
    struct color color;
};

struct style {
    /* inherited */
    const char *family; /* one of the engine's families */
    double size;
    bool bold, italic, underline;
    struct color color;
    enum align align;
    double line_factor; /* of the font's size; 0: line_points counts */
    double line_points;

    /* the element's own box */
    double margin[4];
    double padding[4];
    struct border border[4];
    struct color background;
    struct length width, height;
    enum vertical vertical;
    bool break_before; /* begins a page */
    bool keep;         /* does not end a page */
};

/* The distance from one baseline to the next of lines in this style. */
double style_line_height(const struct style *style);

/* A new element's style inside `parent`: text properties taken over, the box plain. */
struct style style_inherit(const struct style *parent);

/* One "name: value" of a style sheet or attribute. */
struct declaration {
    unsigned property; /* index into the table of properties */
    const char *value; /* as written, trimmed */
    struct position at;
    struct declaration *next;
};

/* Read "name: value; …" (`size` bytes of `text`, which begins at `at` in the HTML). What is unknown
 * or wrong is warned about and left out. NULL if nothing remains. */
struct declaration *style_read(struct job *job, const char *text, size_t size, struct position at);

/* Apply declarations in the order given: `lists` from the weakest to the strongest. */
void style_apply(struct job *job, struct style *style, const struct style *parent,
                 struct declaration *const *lists, size_t count);

/* "85mm", "50%", "2em", "0" → length; a bare number counts pixels (1/96 inch) if `pixels`.
 * 0, or -1. */
int style_length(const char *text, double em, bool pixels, struct length *length);

/* A style sheet: rules of element and class selectors, also one inside another (".info td"). */
struct sheet;

struct sheet *sheet_new(struct job *job);

/* Add the text of a <style> element. 0, or -1 with more than 500 rules. */
int sheet_read(struct job *job, struct sheet *sheet, const char *text, size_t size,
               struct position at);

/* An element as selectors see it. */
struct element_name {
    const char *tag;
    const char *classes; /* the class attribute, or NULL */
};

/* The declarations for the element path[0], which stands in path[1], and so on outwards; weakest
 * first: at most `room` lists into `lists`. */
size_t sheet_match(const struct sheet *sheet, const struct element_name *path, size_t length,
                   struct declaration **lists, size_t room);

/* Is `name` one of the blank-separated `classes` (which may be NULL)? */
bool sheet_has_class(const char *classes, const char *name);

/* Advance a position over `size` bytes of text. */
struct position position_after(struct position at, const char *text, size_t size);

#endif
