#include "host/filing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/archive.h"

struct filing {
    struct filing *next;
    unsigned uses; /* jobs */
    char *folder;
    struct archive_writer *writer;
    _Atomic bool dirty;
};

struct filing *filings_take(struct filings *filings, const char *folder, const char *run_uuid,
                            const char *instance, struct error *error)
{
    struct filing *filing = filings->first;
    while (filing && strcmp(filing->folder, folder) != 0)
        filing = filing->next;
    if (filing) {
        filing->uses++;
        return filing;
    }
    struct archive_writer *writer =
        archive_writer_open(folder, run_uuid, instance, ARCHIVE_SEAL_AT, error);
    if (!writer)
        return NULL;
    filing = memory_new(sizeof *filing);
    filing->uses = 1;
    filing->folder = memory_text(folder);
    filing->writer = writer;
    filing->next = filings->first;
    filings->first = filing;
    return filing;
}

int filings_release(struct filings *filings, struct filing *filing, struct error *error)
{
    struct filing **place = &filings->first;
    if (!filing || --filing->uses > 0)
        return 0;
    while (*place != filing)
        place = &(*place)->next;
    *place = filing->next;
    int result = archive_writer_close(filing->writer, error);
    free(filing->folder);
    free(filing);
    return result;
}

struct filing *filing_next(const struct filing *filing)
{
    return filing->next;
}

/* The same thing in the words of the wire, which does not know the archive. */
static void to_wire(struct wire_document *document, const struct archive_entry *entry)
{
    *document = (struct wire_document){
        .number = entry->number, .offset = entry->offset, .length = entry->length};
    memcpy(document->segment, entry->segment, sizeof document->segment);
    memcpy(document->hash, entry->hash, sizeof document->hash);
    memcpy(document->salt, entry->salt, sizeof document->salt);
    memcpy(document->chain, entry->chain, sizeof document->chain);
    memcpy(document->name, entry->name, sizeof document->name);
    memcpy(document->mime_type, entry->mime_type, sizeof document->mime_type);
}

static void from_wire(struct archive_entry *entry, const struct wire_document *document)
{
    *entry = (struct archive_entry){
        .number = document->number, .offset = document->offset, .length = document->length};
    memcpy(entry->segment, document->segment, sizeof entry->segment);
    memcpy(entry->hash, document->hash, sizeof entry->hash);
    memcpy(entry->salt, document->salt, sizeof entry->salt);
    memcpy(entry->chain, document->chain, sizeof entry->chain);
    memcpy(entry->name, document->name, sizeof entry->name);
    memcpy(entry->mime_type, document->mime_type, sizeof entry->mime_type);
}

int filing_add(struct filing *filing, const char *name, const char *mime_type, const void *data,
               size_t size, struct wire_document *document, struct error *error)
{
    struct archive_entry entry;
    if (archive_writer_add(filing->writer, name, mime_type, data, size, &entry, error) != 0)
        return -1;
    to_wire(document, &entry);
    filing->dirty = true;
    return 0;
}

bool filing_dirty(struct filing *filing)
{
    return filing->dirty;
}

int filing_sync(struct filing *filing, struct error *error)
{
    filing->dirty = false; /* before the sync: what is added meanwhile is for the next one */
    if (archive_writer_sync(filing->writer, error) == 0)
        return 0;
    filing->dirty = true;
    return -1;
}

int filing_read(struct filing *filing, const struct wire_document *document, struct buffer *target,
                struct error *error)
{
    struct archive_entry entry;
    from_wire(&entry, document);
    return archive_read(filing->folder, &entry, target, error);
}
