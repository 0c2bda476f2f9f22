/*
 * Letters: filled-in HTML becomes a PDF, in build/letter.so.
 *
 * The shared object exports one symbol, `campaignd_letter`; a worker opens it with dlopen when it
 * makes its first letter, so that nothing else carries Pango. docs/letters.md says which elements,
 * properties and units it knows and how a page is made up. What it does not know is reported with
 * line and column, and its text is laid out all the same.
 *
 * An engine belongs to one thread at a time; threads with an engine each work side by side. It
 * keeps fonts, decoded pictures and the text that recurs from letter to letter, in bounded memory.
 * Nothing is read but what the request hands over (and the system's fonts): no file, no network.
 * The same request gives the same bytes.
 */
#ifndef CAMPAIGND_REPORT_LETTER_H
#define CAMPAIGND_REPORT_LETTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define LETTER_API_VERSION 1
#define LETTER_SYMBOL "campaignd_letter"

/* What is larger ends with ERROR_INPUT. */
#define LETTER_MAX_HTML (1024 * 1024)      /* bytes */
#define LETTER_MAX_PARAGRAPH (16 * 1024)   /* bytes without a line break */
#define LETTER_MAX_WORD 1000               /* letters, digits and signs without a blank */
#define LETTER_MAX_FONTS 64                /* families, sizes, weights and slants together */
#define LETTER_MAX_DEPTH 200               /* elements inside each other */
#define LETTER_MAX_PAGES 200               /* of one letter */
#define LETTER_MAX_CELLS 10000             /* of all tables of one letter */
#define LETTER_MAX_PIXELS 8000000          /* of one picture */
#define LETTER_MAX_IMAGE (4 * 1024 * 1024) /* bytes of one picture's file */

struct letter_engine;

struct letter_request {
    const char *html; /* UTF-8, all fields filled in */
    size_t html_size;
    const char *title;    /* the document's title; NULL: the one in <title>, if any */
    const char *author;   /* NULL: none */
    const char *language; /* "de", "en-GB"; NULL: <html lang>, else "de". Decides "Seite 2" */
    int64_t created_us;   /* wall clock; the document's creation date */

    /* A picture's bytes by the name in <img src>; NULL if there is none of that name. They stay the
     * caller's and must not change before render() returns. NULL: no pictures at all. */
    const void *(*find_file)(void *context, const char *name, size_t *size);

    /* What is outside the subset, or would not be printed as written. `line` and `column` count
     * from 1 in the HTML. May be NULL. */
    void (*warn)(void *context, unsigned line, unsigned column, const char *message);

    void *context; /* of both */

    unsigned *pages; /* where the number of pages goes; may be NULL */
};

struct letter_api {
    unsigned version; /* LETTER_API_VERSION */
    size_t size;      /* sizeof(struct letter_api): new functions are added at the end */

    struct letter_engine *(*engine_new)(void);
    void (*engine_free)(struct letter_engine *engine); /* NULL is fine */

    /* Append the letter's PDF to `pdf`. 0; or -1, and `pdf` is as it was. ERROR_INPUT: this letter
     * cannot be made as it is (its address does not fit the window, a picture is missing, a limit);
     * the message names the line. ERROR_SYSTEM: fonts or Cairo fail. */
    int (*render)(struct letter_engine *engine, const struct letter_request *request,
                  struct buffer *pdf, struct error *error);
};

#endif
