#include "report/archive_index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

#define INDEX_LIMIT ((size_t)(SEGMENT_DOCUMENTS + 2) * RECORD_SIZE)
#define CHUNK ((size_t)256 << 10)

static int open_file(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(error, ERROR_NOT_FOUND, "there is no file %s", path);
    if (fd < 0)
        return error_errno(error, errno, "cannot open %s", path);
    return fd;
}

int archive_segment_open(const char *folder, const char *segment, struct error *error)
{
    if (!archive_segment_valid(segment))
        return error_set(error, ERROR_INPUT, "this is no archive segment's name: “%.64s”", segment);
    FREE_CLEAN char *path = archive_segment_path(folder, segment);
    return open_file(path, error);
}

int archive_index_load(struct archive_index *index, const char *folder, const char *segment,
                       struct error *error)
{
    *index = (struct archive_index){0};
    FREE_CLEAN char *path = archive_index_path(folder, segment);
    FD_CLEAN int fd = open_file(path, error);
    if (fd < 0 || file_read_fd(fd, path, INDEX_LIMIT, &index->bytes, error) != 0) {
        archive_index_free(index);
        return -1;
    }
    uint64_t records = index->bytes.size / RECORD_SIZE;
    index->documents = records ? records - 1 : 0;
    index->sealed = records >= 2 && index->bytes.size % RECORD_SIZE == 0 &&
                    archive_index_record(index, records - 1, &index->seal) == 0 &&
                    index->seal.kind == RECORD_SEAL;
    if (index->sealed)
        index->documents--;
    return 0;
}

void archive_index_free(struct archive_index *index)
{
    buffer_free(&index->bytes);
    *index = (struct archive_index){0};
}

int archive_index_record(const struct archive_index *index, uint64_t place, struct record *record)
{
    if (place >= index->bytes.size / RECORD_SIZE)
        return -1;
    return record_get(record, (const unsigned char *)index->bytes.data + place * RECORD_SIZE);
}

int archive_hash_range(int fd, uint64_t offset, uint64_t length, crypto_hash_sha256_state *state)
{
    FREE_CLEAN unsigned char *chunk = memory_new(length < CHUNK ? (size_t)length + 1 : CHUNK);
    while (length) {
        size_t want = length < CHUNK ? (size_t)length : CHUNK;
        ssize_t got = pread(fd, chunk, want, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        crypto_hash_sha256_update(state, chunk, (size_t)got);
        offset += (uint64_t)got;
        length -= (uint64_t)got;
    }
    return 1;
}

int archive_seal_agrees(int fd, const struct record *seal)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    if ((uint64_t)status.st_size != seal->end || seal->length > seal->end ||
        seal->start != seal->end - seal->length)
        return 0;
    crypto_hash_sha256_state state;
    unsigned char hash[ARCHIVE_HASH_SIZE];
    crypto_hash_sha256_init(&state);
    int result = archive_hash_range(fd, seal->start, seal->length, &state);
    crypto_hash_sha256_final(&state, hash);
    if (result <= 0)
        return result;
    return memcmp(hash, seal->frame, sizeof hash) == 0;
}
