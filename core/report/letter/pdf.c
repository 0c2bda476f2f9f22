#include "report/letter/pdf.h"

#include <cairo-pdf.h>
#include <stdbool.h>
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

/* A finished PDF that is corrected afterwards. */
struct file {
    struct buffer *pdf;
    size_t begin; /* of the file in it */
    size_t table; /* of offsets, from there */
};

static bool find_table(struct file *file)
{
    static const char last[] = "startxref\n";
    const char *bytes = file->pdf->data + file->begin;
    size_t size = file->pdf->size - file->begin;
    const char *start = size > 64 ? memmem(bytes + size - 64, 64, last, sizeof last - 1) : NULL;
    file->table = start ? strtoul(start + sizeof last - 1, NULL, 10) : 0;
    return file->table && file->table + 64 < size &&
           memcmp(bytes + file->table, "xref\n0 ", 7) == 0;
}

/* The entries of the table, "0000000015 00000 n \n", for what now stands `size` bytes later. */
static void move_offsets(struct file *file, size_t at, size_t size)
{
    char *entry = file->pdf->data + file->begin + file->table + 5;
    unsigned long count = strtoul(entry + 2, NULL, 10);
    char *end = file->pdf->data + file->pdf->size;
    entry = memchr(entry, '\n', (size_t)(end - entry));
    for (entry++; count && end - entry > 20; count--, entry += 20) {
        size_t offset = strtoul(entry, NULL, 10);
        char text[24];
        if (offset <= at || entry[17] != 'n')
            continue;
        snprintf(text, sizeof text, "%010zu", offset + size);
        memcpy(entry, text, 10);
    }
}

/* The last `mark` not far before the table: texts of the letter, which may say anything, stand
 * before it. */
static const char *find_mark(const struct file *file, const char *mark)
{
    size_t window = file->table < 4000 ? file->table : 4000, size = strlen(mark);
    const char *end = file->pdf->data + file->begin + file->table, *found = NULL;
    const char *next = end - window;
    while ((next = memmem(next, (size_t)(end - next), mark, size)))
        found = next++;
    return found;
}

/* Put `text` behind the last `mark`, which is not far before the table, and set the offsets right.
 */
static void insert_after(struct file *file, const char *mark, const char *text)
{
    size_t size = strlen(text);
    const char *bytes = file->pdf->data + file->begin;
    const char *found = find_mark(file, mark);
    if (!found)
        return;
    size_t at = (size_t)(found - bytes) + strlen(mark);
    move_offsets(file, at, size);
    BUFFER_CLEAN struct buffer tail = {0};
    buffer_append(&tail, bytes + at, file->pdf->size - file->begin - at);
    file->pdf->size = file->begin + at;
    file->table += size;
    buffer_append(file->pdf, text, size);
    buffer_append(file->pdf, tail.data, tail.size);
    const char *start = memmem(file->pdf->data + file->pdf->size - 64, 64, "startxref\n", 10);
    file->pdf->size = (size_t)(start - file->pdf->data);
    buffer_printf(file->pdf, "startxref\n%zu\n%%%%EOF\n", file->table);
}

/* Cairo 1.16 has no call for a document's language, which belongs into the catalogue, and writes
 * dates without the "D:" that PDF asks for. Both objects stand at the file's end. */
static void correct(struct buffer *pdf, size_t begin, const char *language)
{
    struct file file = {.pdf = pdf, .begin = begin};
    char entry[64];
    if (!find_table(&file))
        return;
    snprintf(entry, sizeof entry, "\n   /Lang (%s)", language);
    insert_after(&file, "/Type /Catalog", entry);
    if (!memmem(pdf->data + begin, pdf->size - begin, "/CreationDate (D:", 17))
        insert_after(&file, "/CreationDate (", "D:");
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
    correct(pdf, begin, job->language);
    return 0;
}
