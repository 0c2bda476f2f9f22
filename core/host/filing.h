/*
 * A run's part of the document archive, as far as this worker writes it: one writer a run, shared
 * by the jobs of its steps, and reading what earlier steps filed.
 */
#ifndef CAMPAIGND_HOST_FILING_H
#define CAMPAIGND_HOST_FILING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/outcome.h"

struct filing;

/* The runs that this worker files for: the loop's. */
struct filings {
    struct filing *first;
};

/* The filing of the archive `folder`: the one that another job has open, or a new one. NULL with
 * the reason. */
struct filing *filings_take(struct filings *filings, const char *folder, const char *run_uuid,
                            const char *instance, struct error *error);

/* With the last release the archive is sealed: 0 or -1. NULL is fine. */
int filings_release(struct filings *filings, struct filing *filing, struct error *error);

struct filing *filing_next(const struct filing *filing);

/* [any thread] File bytes; *document tells where. Not durable before filing_sync. */
int filing_add(struct filing *filing, const char *name, const char *mime_type, const void *data,
               size_t size, struct wire_document *document, struct error *error);

/* [any thread] Was something added since the last sync began? */
bool filing_dirty(struct filing *filing);

/* [any thread] All that was added before this call is durable when it returns 0. */
int filing_sync(struct filing *filing, struct error *error);

/* [any thread] Append a document's bytes to `target`. */
int filing_read(struct filing *filing, const struct wire_document *document, struct buffer *target,
                struct error *error);

#endif
