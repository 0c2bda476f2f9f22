#include "report/letter/page.h"

#include <string.h>

#include "report/letter/flow.h"
#include "report/letter/window.h"

/* Millimetres from the page's top or left edge. */
#define LEFT 25.0
#define RIGHT 190.0
#define TOP 25.0
#define BOTTOM (297.0 - 20.0)
#define HEADER_TOP 10.0
#define FOOTER_BOTTOM (297.0 - 9.0)
#define FOOTER_GAP 6.0    /* above the footer */
#define NUMBER_HEIGHT 6.0 /* of the page number's line above it */
#define NUMBER_SIZE 8.5   /* points */
#define INFO_LEFT 125.0
#define INFO_WIDTH 75.0
#define INFO_GAP 8.5    /* two lines between it and the text */
#define RETURN_BASE 1.2 /* from the return line's lower edge to the address zone */
#define GREATEST_FOOTER 100.0

/* DIN 5008:2020. */
static const struct places {
    double address; /* the upper edge of the address field, where the letterhead ends */
    double zone;    /* the first address line */
    double info;
    double text;
    double folds[2];
} forms[] = {
    [FORM_A] = {27, 44.7, 32, 80.5, {87, 192}},
    [FORM_B] = {45, 62.7, 50, 98.5, {105, 210}},
};

#define PUNCH 148.5

struct page {
    struct placed *placed;
    size_t count, capacity;
    size_t repeated; /* of them, headings of a table that goes on */
    double y;
    double bottom;
    const struct layout *layout;
};

struct layout {
    const struct document *document;
    const struct places *places; /* NULL: FORM_PLAIN */
    struct flow parts[PARTS];
    double first_top;
    double footer_top; /* points; the page's bottom margin if there is none */
};

/* ---- where things stand ---- */

static double footer_height(const struct layout *layout)
{
    return flow_height(&layout->parts[PART_FOOTER]);
}

static double page_bottom(const struct layout *layout, bool first)
{
    if (!layout->parts[PART_FOOTER].count)
        return MM(BOTTOM);
    return layout->footer_top - MM(FOOTER_GAP) - (first ? 0 : MM(NUMBER_HEIGHT));
}

static int flow_part(struct job *job, struct layout *layout, enum part part, double width)
{
    struct block *block = layout->document->parts[part];
    if (!block)
        return 0;
    if (part == PART_WINDOW)
        return window_address(job, &layout->parts[part], block);
    if (part == PART_RETURN)
        return window_return_line(job, &layout->parts[part], block);
    return flow_block(&layout->parts[part], block, 0, width);
}

static int flow_parts(struct job *job, struct layout *layout)
{
    static const double widths[PARTS] = {[PART_INFO] = INFO_WIDTH};
    for (enum part part = PART_BODY; part < PARTS; part++) {
        layout->parts[part].job = job;
        double width = widths[part] > 0 ? widths[part] : RIGHT - LEFT;
        if (flow_part(job, layout, part, MM(width)))
            return -1;
    }
    return 0;
}

static int place_header(struct job *job, const struct layout *layout)
{
    const struct flow *header = &layout->parts[PART_HEADER];
    double end = HEADER_TOP + flow_height(header) / POINTS_PER_MM;
    if (!layout->places || end <= layout->places->address)
        return 0;
    return job_fail(job, layout->document->parts[PART_HEADER]->at,
                    "the letterhead reaches down to %.0f mm, into the address field, which begins "
                    "at %.0f mm; make it lower",
                    end, layout->places->address);
}

static int place_footer(struct job *job, struct layout *layout)
{
    layout->footer_top = MM(FOOTER_BOTTOM) - footer_height(layout);
    if (footer_height(layout) <= MM(GREATEST_FOOTER))
        return 0;
    return job_fail(job, layout->document->parts[PART_FOOTER]->at,
                    "the footer is %.0f mm high; at most %.0f mm are possible",
                    footer_height(layout) / POINTS_PER_MM, GREATEST_FOOTER);
}

static int place_parts(struct job *job, struct layout *layout)
{
    const struct flow *info = &layout->parts[PART_INFO];
    layout->first_top = MM(TOP);
    if (place_header(job, layout) || place_footer(job, layout))
        return -1;
    if (!layout->places)
        return 0;
    if (!layout->document->parts[PART_WINDOW])
        job_warn(job, layout->document->parts[PART_BODY]->at,
                 "the letter has no <address class=\"window\">");
    layout->first_top = MM(layout->places->text);
    double below = MM(layout->places->info + INFO_GAP) + flow_height(info);
    if (info->count && below > layout->first_top)
        layout->first_top = below;
    if (layout->first_top > page_bottom(layout, true) - MM(30))
        return job_fail(job, layout->document->parts[PART_INFO]->at,
                        "the information block leaves no room for the text");
    return 0;
}

/* ---- where pages end ---- */

static struct page *new_page(struct job *job, struct pages *pages, const struct layout *layout)
{
    pages->pages =
        job_grow(job, pages->pages, pages->count, &pages->capacity, sizeof *pages->pages);
    struct page *page = &pages->pages[pages->count++];
    bool first = pages->count == 1;
    *page = (struct page){.y = first ? layout->first_top : MM(TOP),
                          .bottom = page_bottom(layout, first),
                          .layout = layout};
    return page;
}

static void place(struct job *job, struct page *page, const struct slice *slice)
{
    page->placed = job_grow(job, page->placed, page->count, &page->capacity, sizeof *page->placed);
    page->y += page->count ? slice->gap : 0;
    page->placed[page->count++] = (struct placed){slice, page->y};
    page->y += slice->height;
}

static void repeat_headings(struct job *job, struct page *page, const struct flow *flow,
                            size_t next)
{
    const struct row *row = flow->slices[next].row;
    if (!row || !row->headings->count)
        return;
    const struct headings *headings = row->headings;
    bool begun = next >= headings->begin + headings->count;
    if (!begun || headings->height > (page->bottom - page->y) / 2)
        return;
    for (size_t i = 0; i < headings->count; i++)
        place(job, page, &flow->slices[headings->begin + i]);
    page->repeated = page->count;
}

/* How many of a full page's slices stay on it. */
static size_t break_point(const struct page *page)
{
    for (size_t count = page->count; count > page->repeated; count--)
        if (!page->placed[count - 1].slice->keep)
            return count;
    return page->count;
}

static int break_pages(struct job *job, struct pages *pages, const struct layout *layout)
{
    const struct flow *body = &layout->parts[PART_BODY];
    struct page *page = new_page(job, pages, layout);
    for (size_t i = 0; i < body->count;) {
        const struct slice *slice = &body->slices[i];
        bool empty = page->count == page->repeated;
        double gap = page->count ? slice->gap : 0;
        bool full = page->y + gap + slice->height > page->bottom + 0.01;
        if (!full && (!slice->break_before || empty)) {
            place(job, page, slice);
            i++;
            continue;
        }
        if (empty && pages->count > 1)
            return job_fail(job, slice->at, "this is higher than a page and cannot be divided");
        size_t stay = full ? break_point(page) : page->count;
        i -= page->count - stay;
        page->count = stay;
        if (pages->count == LETTER_MAX_PAGES)
            return job_fail(job, slice->at, "the letter has more than %d pages", LETTER_MAX_PAGES);
        page = new_page(job, pages, layout);
        repeat_headings(job, page, body, i);
    }
    return 0;
}

int page_layout(struct job *job, struct document *document, struct pages *pages)
{
    struct layout *layout = arena_alloc(job->arena, sizeof *layout);
    layout->document = document;
    layout->places = document->form == FORM_PLAIN ? NULL : &forms[document->form];
    if (flow_parts(job, layout) || place_parts(job, layout))
        return -1;
    return break_pages(job, pages, layout);
}

/* ---- drawing ---- */

static void draw_mark(cairo_t *cairo, double y, double length)
{
    cairo_move_to(cairo, MM(5), MM(y));
    cairo_line_to(cairo, MM(5 + length), MM(y));
    cairo_stroke(cairo);
}

static void draw_marks(cairo_t *cairo, const struct places *places)
{
    cairo_set_source_rgb(cairo, 0.45, 0.45, 0.45);
    cairo_set_line_width(cairo, 0.4);
    draw_mark(cairo, places->folds[0], 4);
    draw_mark(cairo, PUNCH, 6);
    draw_mark(cairo, places->folds[1], 4);
}

static void draw_return_line(cairo_t *cairo, const struct layout *layout)
{
    const struct flow *flow = &layout->parts[PART_RETURN];
    double base = MM(layout->places->zone - RETURN_BASE);
    if (!flow->count)
        return;
    flow_draw(cairo, flow, MM(LEFT), base - flow_height(flow));
    cairo_set_source_rgb(cairo, 0.45, 0.45, 0.45);
    cairo_set_line_width(cairo, 0.35);
    cairo_move_to(cairo, MM(LEFT), base + 0.6);
    cairo_line_to(cairo, MM(LEFT) + WINDOW_WIDTH, base + 0.6);
    cairo_stroke(cairo);
}

static void draw_first(cairo_t *cairo, const struct layout *layout)
{
    const struct places *places = layout->places;
    if (!places)
        return;
    if (layout->document->marks)
        draw_marks(cairo, places);
    flow_draw(cairo, &layout->parts[PART_HEADER], MM(LEFT), MM(HEADER_TOP));
    draw_return_line(cairo, layout);
    flow_draw(cairo, &layout->parts[PART_WINDOW], MM(LEFT), MM(places->zone));
    flow_draw(cairo, &layout->parts[PART_INFO], MM(INFO_LEFT), MM(places->info));
}

/* "Seite 2 von 3" in the letter's language. */
static const char *number_text(struct job *job, size_t number, size_t count)
{
    static const char *const words[][3] = {
        {"de", "Seite", "von"}, {"en", "Page", "of"},    {"fr", "Page", "sur"},
        {"it", "Pagina", "di"}, {"nl", "Pagina", "van"}, {"es", "Página", "de"},
        {"pl", "Strona", "z"},  {"cs", "Strana", "z"},   {"da", "Side", "af"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(job->language, words[i][0], 2) == 0)
            return arena_format(job->arena, "%s %zu %s %zu", words[i][1], number, words[i][2],
                                count);
    return arena_format(job->arena, "%zu / %zu", number, count);
}

static void draw_number(struct job *job, cairo_t *cairo, const struct layout *layout, size_t number,
                        size_t count)
{
    struct style style = *layout->document->parts[PART_BODY]->style;
    style.size = NUMBER_SIZE;
    style.line_factor = 1.2;
    const struct text *text = text_plain(job, number_text(job, number, count), &style);
    if (!text)
        return;
    double y = layout->parts[PART_FOOTER].count ? layout->footer_top - MM(NUMBER_HEIGHT)
                                                : MM(FOOTER_BOTTOM) - text->lines[0].height;
    cairo_set_source_rgb(cairo, 0, 0, 0);
    text_draw(cairo, &text->lines[0], MM(RIGHT) - text->width, y);
}

void page_draw(struct job *job, const struct pages *pages, size_t number, cairo_t *cairo)
{
    const struct page *page = &pages->pages[number];
    const struct layout *layout = page->layout;
    if (number == 0)
        draw_first(cairo, layout);
    flow_draw_placed(job, cairo, page->placed, page->count, MM(LEFT));
    flow_draw(cairo, &layout->parts[PART_FOOTER], MM(LEFT), layout->footer_top);
    if (number > 0)
        draw_number(job, cairo, layout, number + 1, pages->count);
}
