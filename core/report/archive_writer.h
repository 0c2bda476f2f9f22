/* What salvaging needs of the writer beside archive.h. */
#ifndef CAMPAIGND_REPORT_ARCHIVE_WRITER_H
#define CAMPAIGND_REPORT_ARCHIVE_WRITER_H

#include "report/archive.h"

/* archive_writer_add for a document that keeps its name, mime_type, length, salt and hash: those
 * of `entry`, which gets its new place. */
int archive_writer_put(struct archive_writer *writer, const void *data, struct archive_entry *entry,
                       struct error *error);

#endif
