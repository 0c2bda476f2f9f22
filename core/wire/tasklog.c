/*
 * Writing: one mutex guards the segments' bookkeeping and the copying of records (48 bytes and
 * more); syncing happens outside it. Reading: plain pread of whole segments, after the writer's
 * lock was taken.
 */
#include "wire/tasklog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define MAGIC "CDTLOG1"
#define END_LIMIT (64u << 10) /* a larger outcome is none of ours */

struct header {
    char magic[8];
    unsigned char instance[16];
    unsigned char boot[16];
    uint32_t generation;
    uint32_t segment;
    uint32_t pid;
    uint32_t zero;
    uint64_t pid_start;
    uint64_t size; /* of the whole file */
    uint64_t checksum;
};

struct record {
    uint32_t size; /* of the whole record, a multiple of 8 */
    uint16_t type;
    uint16_t attempt;
    uint64_t sequence;
    uint64_t claim;
    uint64_t ordinal;
    uint32_t run;
    uint16_t step;
    uint16_t zero;
    uint32_t payload; /* bytes of the outcome that follows */
    uint32_t zero2;
    uint64_t checksum; /* over all before and the payload */
};

struct segment {
    uint32_t number;
    int fd;
    unsigned char *map;
    size_t used;
    uint32_t open;     /* begun here and not ended */
    uint64_t sequence; /* the highest one that ended a task of which something stands here */
    bool dirty;
    size_t synced; /* what stands before it was covered by a sync */
};

struct tasklog {
    pthread_mutex_t mutex;
    pthread_cond_t synced;
    struct tasklog_identity identity;
    char *prefix;
    size_t segment_size;
    int lock_fd;
    struct segment *segments; /* in order of number; those of [low, high] */
    size_t count;
    size_t current; /* the one that is written */
    uint32_t low;   /* as committed by the core */
    uint32_t high;  /* as committed: the last one that may be written */
    uint32_t asked_low, asked_high;
    uint64_t sequence;
    uint64_t acknowledged;
    uint64_t written; /* records so far; what a sync covers */
    uint64_t durable;
    bool syncing;
    int sync_failed; /* errno of the first sync that failed */
};

static char *segment_path(const char *prefix, uint32_t number)
{
    return memory_format("%s.%06u", prefix, number);
}

uint64_t tasklog_process_start(pid_t pid)
{
    char path[64];
    BUFFER_CLEAN struct buffer stat = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (file_read(path, 4096, &stat, NULL) != 0)
        return 0;
    char *field = strrchr(stat.data, ')'); /* the name before it may hold anything */
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoull(field + 1, NULL, 10) : 0;
}

int tasklog_identify(struct tasklog_identity *identity, struct error *error)
{
    BUFFER_CLEAN struct buffer boot = {0};
    if (file_read("/proc/sys/kernel/random/boot_id", 64, &boot, error) != 0)
        return -1;
    char hex[33] = "";
    size_t digits = 0;
    for (size_t i = 0; i < boot.size && digits < 32; i++)
        if (boot.data[i] != '-' && boot.data[i] != '\n')
            hex[digits++] = boot.data[i];
    if (text_unhex(identity->boot, sizeof identity->boot, hex) != 0)
        return error_set(error, ERROR_SYSTEM, "/proc/sys/kernel/random/boot_id holds no boot id");
    identity->pid = (uint32_t)getpid();
    identity->pid_start = tasklog_process_start(getpid());
    return 0;
}

static uint64_t checksum(const unsigned char instance[16], const void *data, size_t size,
                         const void *more, size_t more_size)
{
    unsigned char first[8], second[8];
    uint64_t a, b = 0;
    crypto_shorthash(first, data, size, instance);
    memcpy(&a, first, sizeof a);
    if (more_size) {
        crypto_shorthash(second, more, more_size, instance);
        memcpy(&b, second, sizeof b);
    }
    return a ^ (b << 1 | b >> 63);
}

/* ---- writing ---- */

static int sync_folder_of(const char *path, struct error *error)
{
    FREE_CLEAN char *folder = memory_text(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    return file_sync_folder(slash ? folder : ".", error);
}

static void fill_header(const struct tasklog *log, uint32_t number, struct header *header)
{
    *header = (struct header){
        .magic = MAGIC,
        .generation = log->identity.generation,
        .segment = number,
        .pid = log->identity.pid,
        .pid_start = log->identity.pid_start,
        .size = log->segment_size,
    };
    memcpy(header->instance, log->identity.instance, sizeof header->instance);
    memcpy(header->boot, log->identity.boot, sizeof header->boot);
    header->checksum =
        checksum(header->instance, header, offsetof(struct header, checksum), NULL, 0);
}

/* A new segment, durable with its folder. Blocks are allocated, so that writing into the map cannot
 * fail later. */
static int make_segment(struct tasklog *log, uint32_t number, struct segment *segment,
                        struct error *error)
{
    FREE_CLEAN char *path = segment_path(log->prefix, number);
    FD_CLEAN int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(error, errno, "cannot make the task log's segment %s", path);
    struct header header;
    fill_header(log, number, &header);
    int failed = posix_fallocate(fd, 0, (off_t)log->segment_size);
    if (!failed && (file_write_all(fd, &header, sizeof header) != 0 || fsync(fd) != 0))
        failed = errno;
    void *map = failed ? MAP_FAILED
                       : mmap(NULL, log->segment_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!failed && map == MAP_FAILED)
        failed = errno;
    if (failed) {
        unlink(path);
        return error_errno(error, failed, "cannot make the task log's segment %s", path);
    }
    if (sync_folder_of(path, error) != 0) {
        munmap(map, log->segment_size);
        unlink(path);
        return -1;
    }
    *segment = (struct segment){.number = number, .fd = fd, .map = map, .used = sizeof header};
    fd = -1;
    return 0;
}

static void drop_segment(struct tasklog *log, struct segment *segment)
{
    munmap(segment->map, log->segment_size);
    close(segment->fd);
}

static void append_segment(struct tasklog *log, const struct segment *segment)
{
    log->segments = memory_resize(log->segments, (log->count + 1) * sizeof *log->segments);
    log->segments[log->count++] = *segment;
}

struct tasklog *tasklog_open(const char *prefix, const struct tasklog_identity *identity,
                             size_t segment_size, struct error *error)
{
    if (sodium_init() < 0) {
        error_set(error, ERROR_SYSTEM, "libsodium does not start");
        return NULL;
    }
    struct tasklog *log = memory_new(sizeof *log);
    pthread_mutex_init(&log->mutex, NULL);
    pthread_cond_init(&log->synced, NULL);
    log->identity = *identity;
    log->prefix = memory_text(prefix);
    log->segment_size = segment_size;
    log->low = log->high = log->asked_low = log->asked_high = 1;
    FREE_CLEAN char *path = memory_format("%s.lock", prefix);
    struct segment first;
    log->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (log->lock_fd < 0 || flock(log->lock_fd, LOCK_EX | LOCK_NB) != 0)
        error_errno(error, errno, "cannot lock the task log %s", path);
    else if (make_segment(log, 1, &first, error) == 0) {
        append_segment(log, &first);
        return log;
    }
    tasklog_close(log);
    return NULL;
}

void tasklog_close(struct tasklog *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < log->count; i++)
        drop_segment(log, &log->segments[i]);
    free(log->segments);
    free(log->prefix);
    if (log->lock_fd >= 0)
        close(log->lock_fd);
    pthread_cond_destroy(&log->synced);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

static struct segment *find_segment(struct tasklog *log, uint32_t number)
{
    size_t index = number - log->segments[0].number;
    return number >= log->segments[0].number && index < log->count ? &log->segments[index] : NULL;
}

/* The segment that takes `size` more bytes; NULL when the next one is not granted yet. */
static struct segment *room_for(struct tasklog *log, size_t size)
{
    struct segment *segment = &log->segments[log->current];
    if (log->segment_size - segment->used >= size)
        return segment;
    if (log->current + 1 >= log->count || segment->number + 1 > log->high)
        return NULL;
    log->current++;
    return &log->segments[log->current];
}

static void write_record(struct tasklog *log, struct segment *segment, const struct record *head,
                         const void *payload)
{
    unsigned char *at = segment->map + segment->used;
    memcpy(at + sizeof head->size, (const unsigned char *)head + sizeof head->size,
           sizeof *head - sizeof head->size);
    if (head->payload)
        memcpy(at + sizeof *head, payload, head->payload);
    /* Last, whatever the compiler thinks: a half-written record is none. */
    __atomic_store_n((uint32_t *)(void *)at, head->size, __ATOMIC_RELEASE);
    segment->used += head->size;
    segment->dirty = true;
    log->written++;
}

static struct record make_record(const struct tasklog *log, enum tasklog_record type,
                                 const struct tasklog_task *task, uint64_t sequence,
                                 const void *payload, size_t size)
{
    struct record record = {
        .size = (uint32_t)((sizeof record + size + 7) / 8 * 8),
        .type = (uint16_t)type,
        .attempt = task->attempt,
        .sequence = sequence,
        .claim = task->claim,
        .ordinal = task->ordinal,
        .run = task->run,
        .step = task->step,
        .payload = (uint32_t)size,
    };
    record.checksum =
        checksum(log->identity.instance, &record, offsetof(struct record, checksum), payload, size);
    return record;
}

int tasklog_begin(struct tasklog *log, struct tasklog_task *task, struct error *error)
{
    struct record record = make_record(log, TASKLOG_BEGIN, task, 0, NULL, 0);
    pthread_mutex_lock(&log->mutex);
    struct segment *segment = room_for(log, record.size);
    if (segment) {
        write_record(log, segment, &record, NULL);
        segment->open++;
        task->begun_in = segment->number;
    }
    pthread_mutex_unlock(&log->mutex);
    return segment ? 0
                   : error_set(error, ERROR_BUSY, "the task log %s waits for its next segment",
                               log->prefix);
}

int tasklog_end(struct tasklog *log, const struct tasklog_task *task, const void *outcome,
                size_t size, uint64_t *sequence, struct error *error)
{
    pthread_mutex_lock(&log->mutex);
    *sequence = ++log->sequence;
    struct segment *segment = NULL;
    if (size <= END_LIMIT) {
        struct record record = make_record(log, TASKLOG_END, task, *sequence, outcome, size);
        segment = room_for(log, record.size);
        if (segment) {
            write_record(log, segment, &record, outcome);
            segment->sequence = *sequence;
        }
    }
    struct segment *begun = task->begun_in ? find_segment(log, task->begun_in) : NULL;
    if (begun) {
        begun->open--;
        begun->sequence = *sequence;
    }
    pthread_mutex_unlock(&log->mutex);
    return segment ? 0
                   : error_set(error, ERROR_BUSY, "the task log %s has no room for an outcome",
                               log->prefix);
}

/*
 * Let go of the pages that a sync is about to write. They stay in the page cache, and a later record
 * maps its page anew; but the kernel need not protect each of them by itself while it writes them,
 * which takes an interrupt of all processors a page.
 */
static void let_go(struct segment *segment)
{
    size_t from = segment->synced & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
    madvise(segment->map + from, segment->used - from, MADV_DONTNEED);
    segment->synced = segment->used;
}

/* Copy the descriptors of what is dirty, so that the sync itself needs no lock. Duplicates, as a
 * segment may be dropped. */
static size_t take_dirty(struct tasklog *log, int *fds, size_t limit)
{
    size_t count = 0;
    for (size_t i = 0; i <= log->current && count < limit; i++)
        if (log->segments[i].dirty) {
            fds[count++] = fcntl(log->segments[i].fd, F_DUPFD_CLOEXEC, 0);
            log->segments[i].dirty = false;
            let_go(&log->segments[i]);
        }
    return count;
}

#define SYNC_AT_ONCE 64

int tasklog_sync(struct tasklog *log, struct error *error)
{
    int fds[SYNC_AT_ONCE];
    pthread_mutex_lock(&log->mutex);
    uint64_t wanted = log->written;
    while (log->durable < wanted && !log->sync_failed) {
        if (log->syncing) {
            pthread_cond_wait(&log->synced, &log->mutex);
            continue;
        }
        log->syncing = true;
        uint64_t covered = log->written;
        size_t count = take_dirty(log, fds, SYNC_AT_ONCE);
        pthread_mutex_unlock(&log->mutex);
        int failed = 0;
        for (size_t i = 0; i < count; i++) {
            if (fds[i] < 0 || fdatasync(fds[i]) != 0)
                failed = errno;
            file_close(&fds[i]);
        }
        pthread_mutex_lock(&log->mutex);
        log->syncing = false;
        if (failed)
            log->sync_failed = failed;
        else if (count < SYNC_AT_ONCE)
            log->durable = covered;
        pthread_cond_broadcast(&log->synced);
    }
    int failed = log->sync_failed;
    pthread_mutex_unlock(&log->mutex);
    return failed ? error_errno(error, failed, "cannot sync the task log %s", log->prefix) : 0;
}

void tasklog_acknowledge(struct tasklog *log, uint64_t sequence)
{
    pthread_mutex_lock(&log->mutex);
    if (sequence > log->acknowledged)
        log->acknowledged = sequence;
    pthread_mutex_unlock(&log->mutex);
}

/* The lowest segment of which something is still needed. */
static uint32_t needed_low(const struct tasklog *log)
{
    size_t i = 0;
    while (i < log->current && log->segments[i].open == 0 &&
           log->segments[i].sequence <= log->acknowledged)
        i++;
    return log->segments[i].number;
}

/* The next segment, when the present one is half full: made without the mutex, as it syncs and others write meanwhile. */
static void make_next(struct tasklog *log)
{
    struct error error;
    struct segment next;
    pthread_mutex_lock(&log->mutex);
    const struct segment *current = &log->segments[log->current];
    bool due = log->current + 1 == log->count && current->used > log->segment_size / 2;
    uint32_t number = current->number + 1;
    pthread_mutex_unlock(&log->mutex);
    if (!due)
        return;
    if (make_segment(log, number, &next, &error) != 0) {
        log_error("%s; deliveries pause until it can be made", error.message);
        return;
    }
    pthread_mutex_lock(&log->mutex);
    append_segment(log, &next);
    pthread_mutex_unlock(&log->mutex);
}

bool tasklog_wants(struct tasklog *log, uint32_t *low, uint32_t *high)
{
    make_next(log);
    pthread_mutex_lock(&log->mutex);
    *low = needed_low(log);
    *high = log->segments[log->count - 1].number;
    bool news = *low != log->asked_low || *high != log->asked_high;
    log->asked_low = *low;
    log->asked_high = *high;
    pthread_mutex_unlock(&log->mutex);
    return news;
}

void tasklog_grant(struct tasklog *log, uint32_t low, uint32_t high)
{
    pthread_mutex_lock(&log->mutex);
    log->low = low;
    log->high = high;
    while (log->current > 0 && log->segments[0].number < low) {
        FREE_CLEAN char *path = segment_path(log->prefix, log->segments[0].number);
        drop_segment(log, &log->segments[0]);
        unlink(path);
        log->count--;
        log->current--;
        memmove(log->segments, log->segments + 1, log->count * sizeof *log->segments);
    }
    pthread_mutex_unlock(&log->mutex);
}

/* ---- reading ---- */

enum tasklog_owner tasklog_try_lock(const char *prefix, int *fd)
{
    FREE_CLEAN char *path = memory_format("%s.lock", prefix);
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        return errno == ENOENT ? TASKLOG_NO_LOCK_FILE : TASKLOG_HELD; /* out of descriptors … */
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return TASKLOG_FREE;
    file_close(fd);
    return TASKLOG_HELD;
}

static int check_header(const char *path, const struct header *header, size_t file_size,
                        uint32_t number, const struct tasklog_identity *identity,
                        struct error *error)
{
    if (memcmp(header->magic, MAGIC, sizeof header->magic) != 0 ||
        header->checksum !=
            checksum(identity->instance, header, offsetof(struct header, checksum), NULL, 0))
        return error_set(error, ERROR_INPUT,
                         "the task log's segment %s is not what this instance wrote", path);
    bool same = memcmp(header->instance, identity->instance, sizeof header->instance) == 0 &&
                memcmp(header->boot, identity->boot, sizeof header->boot) == 0 &&
                header->pid == identity->pid && header->pid_start == identity->pid_start &&
                header->segment == number;
    if (!same)
        return error_set(error, ERROR_INPUT, "the task log's segment %s belongs to another worker",
                         path);
    if (header->size != file_size)
        return error_set(error, ERROR_INPUT, "the task log's segment %s was cut: %zu of %llu bytes",
                         path, file_size, (unsigned long long)header->size);
    return 0;
}

struct reading {
    const struct tasklog_identity *identity;
    bool same_boot; /* the machine has not been restarted since */
    void (*each)(void *context, enum tasklog_record type, const struct tasklog_task *task,
                 const void *outcome, size_t size);
    void *context;
};

static bool take_record(const struct reading *reading, const unsigned char *at, size_t left,
                        struct record *record)
{
    if (left < sizeof *record)
        return false;
    memcpy(record, at, sizeof *record);
    return record->size >= sizeof *record && record->size <= left && record->size % 8 == 0 &&
           record->payload <= record->size - sizeof *record &&
           record->checksum == checksum(reading->identity->instance, record,
                                        offsetof(struct record, checksum), at + sizeof *record,
                                        record->payload);
}

/* The record at `at`, or its size 0 where none begins: never written, or torn by a loss of power
 * after the last sync. */
static size_t read_record(const struct reading *reading, const unsigned char *at, size_t left)
{
    struct record record;
    if (!take_record(reading, at, left, &record))
        return 0;
    struct tasklog_task task = {
        .claim = record.claim,
        .ordinal = record.ordinal,
        .run = record.run,
        .step = record.step,
        .attempt = record.attempt,
    };
    reading->each(reading->context, (enum tasklog_record)record.type, &task, at + sizeof record,
                  record.payload);
    return record.size;
}

/*
 * Is what follows the last record more than the end of writing? A mapping's pages outlive their
 * process whole, so until the machine restarts there can be neither a torn record nor one behind a
 * gap. After a loss of power both may be: of what was not synced yet, and so not begun.
 */
static bool is_damaged(const struct reading *reading, const unsigned char *map, size_t at,
                       size_t size)
{
    struct record record;
    uint32_t first = 0;
    if (!reading->same_boot || size - at < sizeof record)
        return false;
    memcpy(&first, map + at, sizeof first);
    bool found = first != 0;
    for (; !found && at < size; at += 8)
        found = take_record(reading, map + at, size - at, &record);
    return found;
}

static int read_segment(const char *prefix, uint32_t number, const struct reading *reading,
                        struct error *error)
{
    FREE_CLEAN char *path = segment_path(prefix, number);
    FD_CLEAN int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return error_errno(error, errno, "the task log's segment %s is missing", path);
    size_t size = (size_t)status.st_size;
    if (size < sizeof(struct header))
        return error_set(error, ERROR_INPUT,
                         "the task log's segment %s was cut: %zu bytes are left", path, size);
    unsigned char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return error_errno(error, errno, "cannot read the task log's segment %s", path);
    struct header header;
    memcpy(&header, map, sizeof header);
    int result = check_header(path, &header, size, number, reading->identity, error);
    bool ours = memcmp(header.instance, reading->identity->instance, sizeof header.instance) == 0;
    size_t at = sizeof header;
    for (size_t step = 1; ours && step; at += step)
        step = read_record(reading, map + at, size - at);
    if (result == 0 && is_damaged(reading, map, at, size))
        result = error_set(error, ERROR_INPUT,
                           "the task log's segment %s is damaged at byte %zu: its records cannot "
                           "be believed to be all",
                           path, at);
    munmap(map, size);
    return result;
}

int tasklog_read(const char *prefix, const struct tasklog_identity *identity, uint32_t low,
                 uint32_t high,
                 void (*each)(void *context, enum tasklog_record type,
                              const struct tasklog_task *task, const void *outcome, size_t size),
                 void *context, struct error *error)
{
    struct reading reading = {.identity = identity, .each = each, .context = context};
    int result = 0;
    struct tasklog_identity here;
    if (sodium_init() < 0)
        return error_set(error, ERROR_SYSTEM, "libsodium does not start");
    reading.same_boot = tasklog_identify(&here, NULL) == 0 &&
                        memcmp(here.boot, identity->boot, sizeof here.boot) == 0;
    for (uint32_t number = low; number <= high; number++)
        if (read_segment(prefix, number, &reading, result == 0 ? error : NULL) != 0)
            result = -1;
    return result;
}

static const char *after_slash(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void tasklog_remove(const char *prefix, struct error *error)
{
    FREE_CLEAN char *folder = memory_format("%.*s", (int)(after_slash(prefix) - prefix), prefix);
    FREE_CLEAN char *name = memory_format("%s.", after_slash(prefix));
    DIR *open_folder = opendir(*folder ? folder : ".");
    if (!open_folder) {
        error_errno(error, errno, "cannot open %s", folder);
        return;
    }
    for (struct dirent *entry; (entry = readdir(open_folder));)
        if (text_starts(entry->d_name, name))
            unlinkat(dirfd(open_folder), entry->d_name, 0);
    closedir(open_folder);
}
