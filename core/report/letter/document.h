/*
 * A letter's HTML as a tree of blocks, each with its computed style: what layout works on.
 *
 * Boxes hold blocks; only texts hold text, with white space already collapsed. The parts with a
 * place of their own on the page (address, return line, …) are taken out of the flow.
 */
#ifndef CAMPAIGND_REPORT_LETTER_DOCUMENT_H
#define CAMPAIGND_REPORT_LETTER_DOCUMENT_H

#include "report/letter/picture.h"
#include "report/letter/style.h"

enum block_kind { BLOCK_BOX, BLOCK_TEXT, BLOCK_RULE, BLOCK_TABLE, BLOCK_ROW, BLOCK_CELL };

/* A stretch of a text in one style; or a picture, over its one U+FFFC. */
struct run {
    size_t begin, end; /* bytes */
    const struct style *style;
    const struct picture *picture;
    struct length width, height; /* the picture's, as asked for */
    struct position at;
};

struct column {
    struct length width;
};

struct block {
    enum block_kind kind;
    const struct style *style;
    struct position at;
    struct block *first, *last, *next;

    /* BLOCK_TEXT */
    char *text;
    size_t size;
    struct run *runs;
    size_t run_count;

    const char *marker; /* BLOCK_BOX: a list item's bullet or number; NULL: none */

    /* BLOCK_TABLE */
    struct column *columns; /* from <col>: may be fewer than there are */
    size_t column_count;
    unsigned nesting; /* tables around this one */

    bool heading;        /* BLOCK_ROW: repeated on each page of the table */
    unsigned span;       /* BLOCK_CELL */
    struct color behind; /* BLOCK_CELL: the background of its row */
};

enum part { PART_BODY, PART_WINDOW, PART_RETURN, PART_INFO, PART_HEADER, PART_FOOTER, PARTS };

enum form { FORM_PLAIN, FORM_A, FORM_B };

struct document {
    enum form form;
    bool marks;                 /* fold and punch marks */
    struct block *parts[PARTS]; /* boxes; NULL: not there (the body always is) */
    const char *title;          /* from <title>, or NULL */
    const char *language;       /* from <html lang>, or NULL */
};

/* Read job->request->html. 0, or -1. */
int document_read(struct job *job, struct document *document);

/* Give every text of a tree this font size and line height, in points. */
void document_resize(struct job *job, struct block *block, double size, double line_height);

#endif
