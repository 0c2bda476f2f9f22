/* Reading documents, and what stands in a run's folder. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/archive.h"
#include "report/archive_index.h"
#include "report/archive_record.h"

/* ---- one document ---- */

static int check_entry(const struct archive_entry *entry, struct error *error)
{
    if (entry->length > ARCHIVE_DOCUMENT_LIMIT || entry->offset > INT64_MAX / 2 ||
        !memchr(entry->name, '\0', sizeof entry->name))
        return error_set(error, ERROR_INPUT,
                         "document %" PRIu64 " has an index entry that can be none", entry->number);
    return 0;
}

static int read_range(int fd, char *target, const struct archive_entry *entry, struct error *error)
{
    uint64_t done = 0;
    while (done < entry->length) {
        ssize_t got =
            pread(fd, target + done, (size_t)(entry->length - done), (off_t)(entry->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(error, errno, "cannot read document %" PRIu64 " in %s",
                               entry->number, entry->segment);
        if (got == 0)
            return error_set(error, ERROR_SYSTEM,
                             "%s ends before the end of document %" PRIu64
                             "; restore the file from a backup",
                             entry->segment, entry->number);
        done += (uint64_t)got;
    }
    return 0;
}

static int check_hash(const char *data, const struct archive_entry *entry, struct error *error)
{
    unsigned char hash[ARCHIVE_HASH_SIZE];
    archive_hash_document(hash, entry->salt, entry->name, data, entry->length);
    if (memcmp(hash, entry->hash, sizeof hash) == 0)
        return 0;
    return error_set(error, ERROR_SYSTEM,
                     "document %" PRIu64
                     " in %s is not what was filed; restore the file from a backup",
                     entry->number, entry->segment);
}

/* Before memory is taken for it: is the file long enough? */
static int check_size(int fd, const struct archive_entry *entry, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_errno(error, errno, "cannot read %s", entry->segment);
    if ((uint64_t)status.st_size >= entry->offset + entry->length)
        return 0;
    return error_set(error, ERROR_SYSTEM,
                     "%s ends before the end of document %" PRIu64
                     "; restore the file from a backup",
                     entry->segment, entry->number);
}

int archive_read(const char *folder, const struct archive_entry *entry, struct buffer *target,
                 struct error *error)
{
    if (check_entry(entry, error) != 0)
        return -1;
    FD_CLEAN int fd = archive_segment_open(folder, entry->segment, error);
    if (fd < 0 || check_size(fd, entry, error) != 0)
        return -1;
    size_t before = target->size;
    char *data = buffer_extend(target, (size_t)entry->length);
    if (read_range(fd, data, entry, error) == 0 && check_hash(data, entry, error) == 0)
        return 0;
    target->size = before;
    target->data[before] = '\0';
    return -1;
}

/* ---- segments ---- */

int archive_is_sealed(const char *folder, const char *segment, struct error *error)
{
    FD_CLEAN int fd = archive_segment_open(folder, segment, error);
    if (fd < 0)
        return -1;
    ARCHIVE_INDEX_CLEAN struct archive_index index = {0};
    struct error not_loaded = {0};
    if (archive_index_load(&index, folder, segment, &not_loaded) != 0) {
        if (not_loaded.code == ERROR_NOT_FOUND)
            return 0;
        if (error)
            *error = not_loaded;
        return -1;
    }
    int agrees = index.sealed ? archive_seal_agrees(fd, &index.seal) : 0;
    if (agrees < 0)
        return error_errno(error, errno, "cannot read %s/%s", folder, segment);
    return agrees;
}

static int is_segment(const struct dirent *file)
{
    return archive_segment_valid(file->d_name);
}

/* As strcmp orders: alphasort would ask the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int archive_segments(const char *folder, int (*each)(void *context, const char *segment),
                     void *context, struct error *error)
{
    struct dirent **files = NULL;
    int count = scandir(folder, &files, is_segment, by_bytes);
    if (count < 0 && errno == ENOENT)
        return 0;
    if (count < 0)
        return error_errno(error, errno, "cannot read the folder %s", folder);
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = each(context, files[i]->d_name);
        free(files[i]);
    }
    free(files);
    return result;
}

static int remove_file(const char *path, bool *removed, struct error *error)
{
    if (unlink(path) == 0)
        *removed = true;
    else if (errno != ENOENT)
        return error_errno(error, errno, "cannot remove %s", path);
    return 0;
}

/* The ZIP file first: an .idx alone is nothing, and its name may be used again. */
int archive_remove_segment(const char *folder, const char *segment, struct error *error)
{
    if (!archive_segment_valid(segment))
        return error_set(error, ERROR_INPUT, "this is no archive segment's name: “%.64s”", segment);
    FREE_CLEAN char *zip = archive_segment_path(folder, segment);
    FREE_CLEAN char *index = archive_index_path(folder, segment);
    bool removed = false;
    if (remove_file(zip, &removed, error) != 0 || remove_file(index, &removed, error) != 0)
        return -1;
    return removed ? file_sync_folder(folder, error) : 0;
}
