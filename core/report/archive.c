/*
 * The writer: which segment takes the next document, and what is yet to be synced.
 *
 * `lock` guards all fields and is held while a document is written into the page cache, never while
 * the disk syncs. `sync_lock` makes one sync run at a time; only its holder closes segments, so
 * that a descriptor lives as long as a sync uses it.
 */
#include "report/archive.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/archive_record.h"
#include "report/archive_segment.h"
#include "report/archive_writer.h"

#define SEAL_AT_LIMIT (UINT64_C(2) << 30)
#define LAST_SEGMENT 9999u

struct archive_writer {
    char *folder, *run_uuid, *instance;
    uint64_t seal_at;
    pthread_mutex_t lock, sync_lock;
    struct archive_segment *current;
    struct archive_segment *retired; /* closed, to be synced and freed */
    unsigned last_segment;           /* the number last tried */
    bool folder_made;                /* by this writer's first document */
    bool new_files;                  /* made since the folder was last synced */
    bool failed;                     /* a sync has: `failure` is what everybody gets */
    struct error failure;
};

static bool instance_valid(const char *instance)
{
    size_t length = strlen(instance);
    return length >= 1 && length <= 48 &&
           strspn(instance, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               length;
}

struct archive_writer *archive_writer_open(const char *folder, const char *run_uuid,
                                           const char *instance, uint64_t seal_at_bytes,
                                           struct error *error)
{
    if (!instance_valid(instance)) {
        error_set(error, ERROR_INPUT, "“%s” is no name for an archive's segments", instance);
        return NULL;
    }
    size_t uuid_length = strlen(run_uuid);
    if (!uuid_length || uuid_length >= sizeof((struct record *)0)->mime_type) {
        error_set(error, ERROR_INPUT, "“%s” is no run's uuid", run_uuid);
        return NULL;
    }
    if (sodium_init() < 0) {
        error_set(error, ERROR_SYSTEM, "libsodium cannot start: no source of random bytes?");
        return NULL;
    }
    struct archive_writer *writer = memory_new(sizeof *writer);
    writer->folder = memory_text(folder);
    writer->run_uuid = memory_text(run_uuid);
    writer->instance = memory_text(instance);
    writer->seal_at = seal_at_bytes < SEAL_AT_LIMIT ? seal_at_bytes : SEAL_AT_LIMIT;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_mutex_init(&writer->sync_lock, NULL);
    return writer;
}

/* ---- adding ---- */

static void retire(struct archive_writer *writer)
{
    struct archive_segment *segment = writer->current;
    writer->current = NULL;
    segment->next = writer->retired;
    writer->retired = segment;
}

static bool has_room(const struct archive_writer *writer, uint64_t length)
{
    const struct archive_segment *segment = writer->current;
    return !segment->documents || (segment->documents < SEGMENT_DOCUMENTS &&
                                   archive_segment_size_with(segment, length) <= writer->seal_at);
}

/* What cannot be sealed is as readable as before, and salvaged later like what a crash leaves. */
static void seal_full(struct archive_writer *writer)
{
    struct error error = {0};
    if (archive_segment_seal(writer->current, &error) != 0)
        log_warning("%s; it stays unsealed", error.message);
    retire(writer);
}

/* Its documents, if it has any, stay readable: it is synced like any other. */
static void retire_broken(struct archive_writer *writer)
{
    if (!writer->current->documents)
        archive_segment_discard(writer->current);
    retire(writer);
}

static int open_segment(struct archive_writer *writer, struct error *error)
{
    if (!writer->folder_made) {
        if (file_make_folders(writer->folder, 0700, error) != 0)
            return -1;
        writer->folder_made = true;
    }
    while (writer->last_segment < LAST_SEGMENT) {
        char name[64];
        snprintf(name, sizeof name, "%s-%04u.zip", writer->instance, ++writer->last_segment);
        bool exists;
        writer->current =
            archive_segment_new(writer->folder, name, writer->run_uuid, &exists, error);
        if (writer->current) {
            writer->new_files = true;
            return 0;
        }
        if (!exists) {
            writer->last_segment--;
            return -1;
        }
    }
    return error_set(error, ERROR_CONFLICT, "%s has no free name for another segment of %s",
                     writer->folder, writer->instance);
}

static int add_locked(struct archive_writer *writer, const void *data, struct archive_entry *entry,
                      struct error *error)
{
    if (writer->failed) {
        if (error)
            *error = writer->failure;
        return -1;
    }
    if (writer->current && !has_room(writer, entry->length))
        seal_full(writer);
    if (!writer->current && open_segment(writer, error) != 0)
        return -1;
    int result = archive_segment_add(writer->current, data, entry, error);
    if (writer->current->closed)
        retire_broken(writer);
    return result;
}

int archive_writer_put(struct archive_writer *writer, const void *data, struct archive_entry *entry,
                       struct error *error)
{
    pthread_mutex_lock(&writer->lock);
    int result = add_locked(writer, data, entry, error);
    pthread_mutex_unlock(&writer->lock);
    return result;
}

int archive_writer_add(struct archive_writer *writer, const char *name, const char *mime_type,
                       const void *data, size_t length, struct archive_entry *entry,
                       struct error *error)
{
    *entry = (struct archive_entry){.length = length};
    archive_clean_name(entry->name, name);
    archive_clean_mime_type(entry->mime_type, mime_type);
    if (length > ARCHIVE_DOCUMENT_LIMIT)
        return error_set(error, ERROR_INPUT,
                         "the document “%s” has %zu bytes; the archive takes up to %zu",
                         entry->name, length, ARCHIVE_DOCUMENT_LIMIT);
    randombytes_buf(entry->salt, sizeof entry->salt);
    archive_hash_document(entry->hash, entry->salt, entry->name, data, length);
    if (archive_writer_put(writer, data, entry, error) != 0)
        return error_prefix(error, "cannot file “%s”: ", entry->name);
    return 0;
}

/* ---- syncing ---- */

/* What one sync has to do, taken over under the lock. */
struct sync_work {
    struct archive_segment *current, *retired;
    bool new_files;
};

static int take_work(struct archive_writer *writer, struct sync_work *work, struct error *error)
{
    pthread_mutex_lock(&writer->lock);
    bool failed = writer->failed;
    if (failed) {
        if (error)
            *error = writer->failure;
    } else {
        struct archive_segment *current = writer->current;
        *work = (struct sync_work){.retired = writer->retired, .new_files = writer->new_files};
        if (current && current->dirty) {
            work->current = current;
            current->dirty = false;
        }
        writer->retired = NULL;
        writer->new_files = false;
    }
    pthread_mutex_unlock(&writer->lock);
    return failed ? -1 : 0;
}

static void free_segments(struct archive_segment *segment)
{
    while (segment) {
        struct archive_segment *next = segment->next;
        archive_segment_free(segment);
        segment = next;
    }
}

static int sync_folders(const struct archive_writer *writer, struct error *error)
{
    FREE_CLEAN char *parent = memory_format("%s/..", writer->folder);
    if (file_sync_folder(writer->folder, error) != 0)
        return -1;
    return file_sync_folder(parent, error);
}

static int do_work(const struct archive_writer *writer, const struct sync_work *work,
                   struct error *error)
{
    for (struct archive_segment *segment = work->retired; segment; segment = segment->next)
        if (archive_segment_sync(segment, error) != 0)
            return -1;
    if (work->current && archive_segment_sync(work->current, error) != 0)
        return -1;
    return work->new_files ? sync_folders(writer, error) : 0;
}

int archive_writer_sync(struct archive_writer *writer, struct error *error)
{
    struct sync_work work = {0};
    struct error failure = {0};
    pthread_mutex_lock(&writer->sync_lock);
    int result = take_work(writer, &work, error);
    if (result == 0 && do_work(writer, &work, &failure) != 0) {
        /* The kernel has dropped what it could not write: a later sync that succeeds would say
         * nothing about it. */
        pthread_mutex_lock(&writer->lock);
        writer->failed = true;
        writer->failure = failure;
        pthread_mutex_unlock(&writer->lock);
        if (error)
            *error = failure;
        result = -1;
    }
    free_segments(work.retired);
    pthread_mutex_unlock(&writer->sync_lock);
    return result;
}

/* ---- closing ---- */

static void writer_free(struct archive_writer *writer)
{
    free_segments(writer->retired);
    archive_segment_free(writer->current);
    pthread_mutex_destroy(&writer->lock);
    pthread_mutex_destroy(&writer->sync_lock);
    memory_cleanup(&writer->folder);
    memory_cleanup(&writer->run_uuid);
    memory_cleanup(&writer->instance);
    memory_cleanup(&writer);
}

int archive_writer_close(struct archive_writer *writer, struct error *error)
{
    if (!writer)
        return 0;
    int result = 0;
    if (writer->current && !writer->failed) {
        if (writer->current->documents)
            result = archive_segment_seal(writer->current, error);
        else
            archive_segment_discard(writer->current);
        retire(writer);
    }
    struct error not_synced = {0};
    if (archive_writer_sync(writer, &not_synced) != 0) {
        if (error)
            *error = not_synced;
        result = -1;
    }
    writer_free(writer);
    return result;
}
