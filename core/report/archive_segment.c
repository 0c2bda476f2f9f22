#include "report/archive_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/archive_record.h"

#define INDEX_STEP ((uint64_t)256 * RECORD_SIZE)
#define SEALED_OVERHEAD 512u /* a document's headers and its line in the directory, at most */
#define DIRECTORY_PER_ENTRY 128u

/* The extension is for people who unpack a segment; it never comes from a user's text. */
static const char *extension(const char *mime_type)
{
    static const struct {
        const char *mime_type, *extension;
    } table[] = {
        {"application/pdf", "pdf"}, {"message/rfc822", "eml"}, {"text/plain", "txt"},
        {"text/html", "html"},      {"text/csv", "csv"},       {"application/json", "json"},
        {"application/xml", "xml"}, {"text/xml", "xml"},       {"image/png", "png"},
        {"image/jpeg", "jpg"},      {"image/svg+xml", "svg"},  {"application/zip", "zip"},
        {"text/vcard", "vcf"},      {"text/calendar", "ics"},
    };
    size_t length = strcspn(mime_type, "; ");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].mime_type) == length &&
            strncasecmp(table[i].mime_type, mime_type, length) == 0)
            return table[i].extension;
    return "bin";
}

/* ---- the .idx ---- */

static int write_record(struct archive_segment *segment, const struct record *record, uint64_t slot,
                        struct error *error)
{
    unsigned char bytes[RECORD_SIZE];
    record_put(bytes, record);
    off_t at = (off_t)(slot * RECORD_SIZE);
    for (size_t done = 0; done < sizeof bytes;) {
        ssize_t written =
            pwrite(segment->index_fd, bytes + done, sizeof bytes - done, at + (off_t)done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_errno(error, errno, "cannot write %s", segment->index_path);
        done += (size_t)written;
    }
    segment->dirty = true;
    return 0;
}

/* Room for one more record and the seal, taken beforehand as archive_zip.c does. */
static int reserve_index(struct archive_segment *segment, struct error *error)
{
    uint64_t from = (segment->documents + 1) * RECORD_SIZE;
    uint64_t need = from + (uint64_t)2 * RECORD_SIZE;
    if (need <= segment->index_reserved)
        return 0;
    uint64_t sizes[] = {INDEX_STEP, need - from};
    for (size_t i = 0; i < 2; i++) {
        if (fallocate(segment->index_fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)sizes[i]) == 0) {
            segment->index_reserved = from + sizes[i];
            return 0;
        }
        if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
            return 0;
    }
    return error_errno(error, errno, "no room in %s", segment->index_path);
}

static int write_header(struct archive_segment *segment, const char *run_uuid, struct error *error)
{
    archive_chain_start(segment->chain, run_uuid, segment->name);
    struct record header = {.kind = RECORD_HEADER};
    text_copy(header.name, sizeof header.name, segment->name);
    text_copy(header.mime_type, sizeof header.mime_type, run_uuid);
    memcpy(header.chain, segment->chain, sizeof header.chain);
    return write_record(segment, &header, 0, error);
}

/* ---- the segment ---- */

static int make_files(struct archive_segment *segment, const char *run_uuid, bool *exists,
                      struct error *error)
{
    segment->zip_fd = open(segment->zip_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (segment->zip_fd < 0) {
        *exists = errno == EEXIST;
        return error_errno(error, errno, "cannot make %s", segment->zip_path);
    }
    /* An .idx without its segment is what a removal left that was cut short. */
    segment->index_fd = open(segment->index_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (segment->index_fd < 0)
        return error_errno(error, errno, "cannot make %s", segment->index_path);
    segment->zip = archive_zip_new(segment->zip_fd, segment->zip_path, error);
    if (!segment->zip)
        return -1;
    return write_header(segment, run_uuid, error);
}

struct archive_segment *archive_segment_new(const char *folder, const char *name,
                                            const char *run_uuid, bool *exists, struct error *error)
{
    struct archive_segment *segment = memory_new(sizeof *segment);
    text_copy(segment->name, sizeof segment->name, name);
    segment->zip_path = archive_segment_path(folder, name);
    segment->index_path = archive_index_path(folder, name);
    segment->zip_fd = segment->index_fd = -1;
    *exists = false;
    if (make_files(segment, run_uuid, exists, error) == 0)
        return segment;
    if (!*exists)
        archive_segment_discard(segment);
    archive_segment_free(segment);
    return NULL;
}

void archive_segment_free(struct archive_segment *segment)
{
    if (!segment)
        return;
    archive_zip_free(segment->zip);
    file_close(&segment->zip_fd);
    file_close(&segment->index_fd);
    memory_cleanup(&segment->zip_path);
    memory_cleanup(&segment->index_path);
    memory_cleanup(&segment);
}

void archive_segment_discard(struct archive_segment *segment)
{
    if (segment->zip_fd >= 0)
        unlink(segment->zip_path);
    if (segment->index_fd >= 0)
        unlink(segment->index_path);
}

static void fill_record(struct record *record, const struct archive_entry *entry,
                        const struct archive_zip_place *place)
{
    *record = (struct record){.kind = RECORD_DOCUMENT,
                              .number = entry->number,
                              .start = place->start,
                              .offset = place->offset,
                              .length = entry->length,
                              .end = place->end};
    memcpy(record->hash, entry->hash, sizeof record->hash);
    memcpy(record->salt, entry->salt, sizeof record->salt);
    memcpy(record->chain, entry->chain, sizeof record->chain);
    memcpy(record->frame, place->frame, sizeof record->frame);
    text_copy(record->name, sizeof record->name, entry->name);
    text_copy(record->mime_type, sizeof record->mime_type, entry->mime_type);
}

/* The ZIP file first, then its record: a record never speaks of what was not written. */
int archive_segment_add(struct archive_segment *segment, const void *data,
                        struct archive_entry *entry, struct error *error)
{
    char name[32];
    uint64_t number = segment->documents + 1;
    snprintf(name, sizeof name, "%06" PRIu64 ".%s", number, extension(entry->mime_type));
    struct archive_zip_place place;
    if (reserve_index(segment, error) != 0)
        return -1;
    if (archive_zip_add(segment->zip, name, data, entry->length, &place, error) != 0) {
        segment->closed = archive_zip_broken(segment->zip);
        return -1;
    }
    text_copy(entry->segment, sizeof entry->segment, segment->name);
    entry->number = number;
    entry->offset = place.offset;
    memcpy(entry->chain, segment->chain, sizeof entry->chain);
    archive_chain_next(entry->chain, number, entry->hash);

    struct record record;
    fill_record(&record, entry, &place);
    if (write_record(segment, &record, number, error) != 0) {
        segment->closed = true;
        return -1;
    }
    memcpy(segment->chain, entry->chain, sizeof segment->chain);
    segment->documents = number;
    return 0;
}

uint64_t archive_segment_size_with(const struct archive_segment *segment, uint64_t length)
{
    return archive_zip_end(segment->zip) + length + SEALED_OVERHEAD +
           segment->documents * DIRECTORY_PER_ENTRY;
}

int archive_segment_seal(struct archive_segment *segment, struct error *error)
{
    struct archive_zip_place place;
    segment->closed = true;
    segment->dirty = true;
    if (archive_zip_finish(segment->zip, &place, error) != 0)
        return -1;
    struct record seal = {.kind = RECORD_SEAL,
                          .number = segment->documents,
                          .start = place.start,
                          .offset = place.start,
                          .length = place.end - place.start,
                          .end = place.end};
    memcpy(seal.chain, segment->chain, sizeof seal.chain);
    memcpy(seal.frame, place.frame, sizeof seal.frame);
    uint64_t slot = segment->documents + 1;
    if (write_record(segment, &seal, slot, error) != 0)
        return -1;
    if (ftruncate(segment->index_fd, (off_t)((slot + 1) * RECORD_SIZE)) != 0)
        return error_errno(error, errno, "cannot set the size of %s", segment->index_path);
    return 0;
}

int archive_segment_sync(const struct archive_segment *segment, struct error *error)
{
    /* Both at once: the disk takes up the second while we wait for the first. */
    sync_file_range(segment->index_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    if (fdatasync(segment->zip_fd) != 0)
        return error_errno(error, errno, "cannot sync %s", segment->zip_path);
    if (fdatasync(segment->index_fd) != 0)
        return error_errno(error, errno, "cannot sync %s", segment->index_path);
    return 0;
}
