/*
 * A document on A4 pages: the places of DIN 5008, where pages end, footer and page numbers, and all
 * of it drawn.
 */
#ifndef CAMPAIGND_REPORT_LETTER_PAGE_H
#define CAMPAIGND_REPORT_LETTER_PAGE_H

#include "report/letter/document.h"

struct page;

struct pages {
    struct page *pages;
    size_t count, capacity;
};

#define PAGE_WIDTH MM(210)
#define PAGE_HEIGHT MM(297)

/* Lay the whole document out. 0, or -1. `document` and `pages` must stay until it is drawn. */
int page_layout(struct job *job, struct document *document, struct pages *pages);

/* Draw page `number`, from 0. */
void page_draw(struct job *job, const struct pages *pages, size_t number, cairo_t *cairo);

#endif
