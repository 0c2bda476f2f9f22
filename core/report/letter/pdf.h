/* Pages to a PDF's bytes. */
#ifndef CAMPAIGND_REPORT_LETTER_PDF_H
#define CAMPAIGND_REPORT_LETTER_PDF_H

#include "report/letter/page.h"

/* Append the PDF of all pages to `pdf`. 0, or -1 with ERROR_SYSTEM. */
int pdf_write(struct job *job, const struct document *document, const struct pages *pages,
              struct buffer *pdf);

#endif
