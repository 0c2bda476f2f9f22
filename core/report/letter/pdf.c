#include "report/letter/pdf.h"

#include <cairo-pdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static cairo_status_t append(void *context, const unsigned char *data, unsigned size)
{
    buffer_append(context, data, size);
    return CAIRO_STATUS_SUCCESS;
}

static void set_metadata(cairo_surface_t *surface, cairo_pdf_metadata_t kind, const char *text)
{
    if (text && *text)
        cairo_pdf_surface_set_metadata(surface, kind, text);
}

static void set_date(cairo_surface_t *surface, int64_t created_us)
{
    char date[40];
    struct tm tm;
    time_t seconds = (time_t)(created_us / 1000000);
    if (gmtime_r(&seconds, &tm) && strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm))
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, date);
}

static void draw_pages(struct job *job, const struct pages *pages, cairo_surface_t *surface)
{
    cairo_t *cairo = cairo_create(surface);
    for (size_t i = 0; i < pages->count; i++) {
        page_draw(job, pages, i, cairo);
        cairo_show_page(cairo);
    }
    cairo_destroy(cairo);
}

/*
 * The document's language belongs into the catalogue, and Cairo 1.16 has no call for it. The
 * catalogue is the last object that Cairo writes, right before the table of offsets: what grows
 * there moves nothing but the table itself, whose own offset stands in the last lines.
 */
static void set_language(struct buffer *pdf, size_t begin, const char *language)
{
    static const char mark[] = "/Type /Catalog", last[] = "startxref\n";
    char *bytes = pdf->data + begin;
    size_t size = pdf->size - begin;
    char *start = size > 64 ? memmem(bytes + size - 64, 64, last, sizeof last - 1) : NULL;
    size_t table = start ? strtoul(start + sizeof last - 1, NULL, 10) : 0;
    if (table < 300 || table >= size || memcmp(bytes + table, "xref", 4) != 0)
        return;
    char *catalog = memmem(bytes + table - 300, 300, mark, sizeof mark - 1);
    if (!catalog || memmem(catalog, (size_t)(bytes + table - catalog), " obj", 4))
        return;
    char entry[80];
    int added = snprintf(entry, sizeof entry, "\n   /Lang (%s)", language);
    BUFFER_CLEAN struct buffer tail = {0};
    size_t keep = (size_t)(catalog - bytes) + sizeof mark - 1;
    buffer_text(&tail, entry);
    buffer_append(&tail, bytes + keep, (size_t)(start - bytes) - keep);
    buffer_printf(&tail, "startxref\n%zu\n%%%%EOF\n", table + (size_t)added);
    pdf->size = begin + keep;
    buffer_append(pdf, tail.data, tail.size);
}

int pdf_write(struct job *job, const struct document *document, const struct pages *pages,
              struct buffer *pdf)
{
    size_t begin = pdf->size;
    const struct letter_request *request = job->request;
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(append, pdf, PAGE_WIDTH, PAGE_HEIGHT);
    set_metadata(surface, CAIRO_PDF_METADATA_TITLE,
                 request->title ? request->title : document->title);
    set_metadata(surface, CAIRO_PDF_METADATA_AUTHOR, request->author);
    set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "campaignd " CAMPAIGND_VERSION);
    set_date(surface, request->created_us);
    draw_pages(job, pages, surface);
    cairo_surface_finish(surface);
    cairo_status_t status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS) {
        pdf->size = begin;
        return error_set(job->error, ERROR_SYSTEM, "letter: the PDF cannot be written: %s",
                         cairo_status_to_string(status));
    }
    set_language(pdf, begin, job->language);
    return 0;
}
