#include "report/archive_zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/buffer.h"
#include "base/memory.h"

/* libarchive hands an entry over in five or more pieces; those up to this size are put together and
 * written at once. */
#define PENDING_LIMIT ((size_t)64 << 10)

/* Room on the disk is taken in such steps. An entry takes less than ENTRY_ROOM beside its content,
 * and the directory less than DIRECTORY_ROOM for each. */
#define RESERVE_STEP ((uint64_t)4 << 20)
#define ENTRY_ROOM 256u
#define DIRECTORY_ROOM 128u

#define LOCAL_HEADER_SIZE 30u

struct archive_zip {
    int fd;
    char *path;
    struct archive *archive;
    uint64_t written; /* bytes in the file */
    uint64_t good;    /* of these, whole entries */
    uint64_t reserved;
    uint64_t entries;
    struct buffer pending; /* to be written behind `written` */
    bool content;          /* what comes now is an entry's content */
    bool broken;
    int error_number; /* of the write that failed */
    crypto_hash_sha256_state frame;
};

static int write_at(struct archive_zip *zip, const char *data, size_t size)
{
    while (size) {
        ssize_t written = pwrite(zip->fd, data, size, (off_t)zip->written);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            zip->error_number = errno;
            return -1;
        }
        zip->written += (uint64_t)written;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static int flush(struct archive_zip *zip)
{
    int result = write_at(zip, zip->pending.data, zip->pending.size);
    buffer_clear(&zip->pending);
    return result;
}

static la_ssize_t on_bytes(struct archive *archive, void *context, const void *data, size_t size)
{
    (void)archive;
    struct archive_zip *zip = context;
    if (zip->broken)
        return (la_ssize_t)size; /* it is being freed */
    if (!zip->content)
        crypto_hash_sha256_update(&zip->frame, data, size);
    if (zip->pending.size + size <= PENDING_LIMIT) {
        buffer_append(&zip->pending, data, size);
        return (la_ssize_t)size;
    }
    if (flush(zip) != 0 || write_at(zip, data, size) != 0)
        return -1;
    return (la_ssize_t)size;
}

struct archive_zip *archive_zip_new(int fd, const char *path, struct error *error)
{
    struct archive *archive = archive_write_new();
    if (!archive)
        memory_exhausted(0);
    struct archive_zip *zip = memory_new(sizeof *zip);
    *zip = (struct archive_zip){.fd = fd, .path = memory_text(path), .archive = archive};
    /* Block size 0: every byte comes to on_bytes at once, so that the filter's count is the place
     * in the file. */
    if (archive_write_set_format_zip(archive) != ARCHIVE_OK ||
        archive_write_zip_set_compression_store(archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
        archive_write_open(archive, zip, NULL, on_bytes, NULL) != ARCHIVE_OK) {
        error_set(error, ERROR_INTERNAL, "cannot begin the ZIP file %s: %s", path,
                  archive_error_string(archive));
        archive_zip_free(zip);
        return NULL;
    }
    return zip;
}

void archive_zip_free(struct archive_zip *zip)
{
    if (!zip)
        return;
    zip->broken = true; /* what closing writes is dropped; without it, libarchive leaks */
    archive_write_close(zip->archive);
    archive_write_free(zip->archive);
    buffer_free(&zip->pending);
    memory_wipe(&zip->frame, sizeof zip->frame);
    memory_cleanup(&zip->path);
    memory_cleanup(&zip);
}

bool archive_zip_broken(const struct archive_zip *zip)
{
    return zip->broken;
}

uint64_t archive_zip_end(const struct archive_zip *zip)
{
    return zip->good;
}

/* Take room on the disk before libarchive hears of an entry: a full disk is then an error that
 * leaves it as it was. Filesystems that cannot do so find out while writing. */
static int reserve(struct archive_zip *zip, size_t length, struct error *error)
{
    uint64_t need = zip->good + length + ENTRY_ROOM + (zip->entries + 2) * DIRECTORY_ROOM;
    if (need <= zip->reserved)
        return 0;
    uint64_t sizes[] = {need - zip->good + RESERVE_STEP, need - zip->good};
    for (size_t i = 0; i < 2; i++) {
        if (fallocate(zip->fd, FALLOC_FL_KEEP_SIZE, (off_t)zip->good, (off_t)sizes[i]) == 0) {
            zip->reserved = zip->good + sizes[i];
            return 0;
        }
        if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
            return 0;
    }
    return error_errno(error, errno, "no room for a document of %zu bytes in %s", length,
                       zip->path);
}

/* What libarchive refused, or the file. Cuts off what was written of it. */
static int fail(struct archive_zip *zip, struct error *error)
{
    zip->broken = true;
    if (zip->error_number)
        error_errno(error, zip->error_number, "cannot write %s", zip->path);
    else
        error_set(error, ERROR_INTERNAL, "cannot write %s: %s", zip->path,
                  archive_error_string(zip->archive));
    if (ftruncate(zip->fd, (off_t)zip->good) == 0)
        zip->written = zip->good;
    return -1;
}

static uint64_t position(const struct archive_zip *zip)
{
    return (uint64_t)archive_filter_bytes(zip->archive, -1);
}

/* Is `offset` where the local header, which is still pending, says that the content begins? */
static bool header_agrees(const struct archive_zip *zip, uint64_t offset)
{
    const unsigned char *header = (const unsigned char *)zip->pending.data;
    size_t size = zip->pending.size;
    if (size < LOCAL_HEADER_SIZE || memcmp(header, "PK\3\4", 4) != 0)
        return false;
    size_t name = (size_t)header[26] | (size_t)header[27] << 8;
    size_t extra = (size_t)header[28] | (size_t)header[29] << 8;
    return LOCAL_HEADER_SIZE + name + extra == size && zip->written + size == offset;
}

static int write_header(struct archive_zip *zip, const char *name, size_t length)
{
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        memory_exhausted(0);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)length);
    archive_entry_set_mtime(entry, time(NULL), 0);
    int result = archive_write_header(zip->archive, entry);
    archive_entry_free(entry);
    return result == ARCHIVE_OK ? 0 : -1;
}

static int write_content(struct archive_zip *zip, const void *data, size_t length)
{
    if (!length)
        return 0;
    zip->content = true;
    la_ssize_t written = archive_write_data(zip->archive, data, length);
    zip->content = false;
    return written == (la_ssize_t)length ? 0 : -1;
}

int archive_zip_add(struct archive_zip *zip, const char *name, const void *data, size_t length,
                    struct archive_zip_place *place, struct error *error)
{
    if (zip->broken)
        return error_set(error, ERROR_CONFLICT, "%s can take nothing more", zip->path);
    if (reserve(zip, length, error) != 0)
        return -1;
    crypto_hash_sha256_init(&zip->frame);
    if (write_header(zip, name, length) != 0)
        return fail(zip, error);
    uint64_t offset = position(zip);
    if (!header_agrees(zip, offset)) {
        fail(zip, NULL);
        return error_set(error, ERROR_INTERNAL, "the ZIP entry %s in %s is not where it should be",
                         name, zip->path);
    }
    if (write_content(zip, data, length) != 0 ||
        archive_write_finish_entry(zip->archive) != ARCHIVE_OK || flush(zip) != 0)
        return fail(zip, error);
    *place = (struct archive_zip_place){.start = zip->good, .offset = offset, .end = position(zip)};
    crypto_hash_sha256_final(&zip->frame, place->frame);
    zip->good = zip->written;
    zip->entries++;
    return 0;
}

int archive_zip_finish(struct archive_zip *zip, struct archive_zip_place *place,
                       struct error *error)
{
    if (zip->broken)
        return error_set(error, ERROR_CONFLICT, "%s can take nothing more", zip->path);
    crypto_hash_sha256_init(&zip->frame);
    if (archive_write_close(zip->archive) != ARCHIVE_OK || flush(zip) != 0)
        return fail(zip, error);
    *place =
        (struct archive_zip_place){.start = zip->good, .offset = zip->good, .end = zip->written};
    crypto_hash_sha256_final(&zip->frame, place->frame);
    zip->good = zip->written;
    zip->broken = true; /* nothing may follow */
    /* What was reserved and not used goes back; failing leaves a few blocks taken. */
    if (ftruncate(zip->fd, (off_t)zip->good) != 0)
        return error_errno(error, errno, "cannot set the size of %s", zip->path);
    return 0;
}
