/*
 * A worker instance's log: what it has begun and how that ended, in mapped, preallocated segments
 * that outlive its process, and, once synced, a loss of power. "Begin" is written here before
 * anything that cannot be taken back.
 *
 *     PREFIX.lock       locked (flock) by the worker for life; recovery takes it first
 *     PREFIX.000001 …   segments: a header with the identity, then records until the first that is
 * none
 *
 * Which segments exist is agreed with the core, so that a deleted one is noticed: a worker makes
 * segment `high` (synced, with its folder) and then asks for it; it writes into it only when the
 * core has committed the new bounds. When all outcomes in the lowest segments are acknowledged it
 * asks to raise `low`, and deletes them when that is committed. So [low, high] as committed are
 * always on the disk, unless somebody took one away: then the log cannot be believed.
 *
 * Each record's checksum is keyed with the instance's id: no record of another log is ever taken
 * for one of this.
 */
#ifndef CAMPAIGND_WIRE_TASKLOG_H
#define CAMPAIGND_WIRE_TASKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define TASKLOG_SEGMENT_SIZE (8u << 20)

struct tasklog_identity {
    unsigned char instance[16]; /* random; also the checksums' key */
    unsigned char boot[16];     /* /proc/sys/kernel/random/boot_id */
    uint32_t generation;
    uint32_t pid;
    uint64_t pid_start; /* field 22 of /proc/PID/stat */
};

/* Fill boot, pid and pid_start for this process. */
int tasklog_identify(struct tasklog_identity *identity, struct error *error);

/* The start time of a process in clock ticks since boot, or 0 if there is none. */
uint64_t tasklog_process_start(pid_t pid);

struct tasklog_task {
    uint64_t claim;
    uint64_t ordinal;
    uint32_t run;
    uint16_t step;
    uint16_t attempt;
    uint32_t
        begun_in; /* set by tasklog_begin: the segment that holds it; 0: no begin was written */
};

/* ---- writing: the worker. All functions are safe from any thread. ---- */

struct tasklog;

/* Take the lock, make segment 1, sync both and the folder. NULL with the reason. */
struct tasklog *tasklog_open(const char *prefix, const struct tasklog_identity *identity,
                             size_t segment_size, struct error *error);
void tasklog_close(
    struct tasklog *log); /* unmaps; the files stay for the core to remove; releases the lock */

/*
 * Write "begin": 0, and then tasklog_sync makes it durable. -1: it is not written, so the step must
 * not happen; code ERROR_BUSY when only the core's grant of a new segment is missing (try again
 * when it came).
 */
int tasklog_begin(struct tasklog *log, struct tasklog_task *task, struct error *error);

/*
 * Write "end" with an encoded outcome and give it the next sequence number (also on failure, as the
 * outcome still goes to the core: without the record only a crash before its commit leaves it in
 * doubt).
 */
int tasklog_end(struct tasklog *log, const struct tasklog_task *task, const void *outcome,
                size_t size, uint64_t *sequence, struct error *error);

/* All that was written before this call is on the disk when it returns 0. Concurrent calls share
 * syncs. */
int tasklog_sync(struct tasklog *log, struct error *error);

/* All outcomes up to `sequence` are committed by the core. */
void tasklog_acknowledge(struct tasklog *log, uint64_t sequence);

/*
 * Bounds to ask the core for (FRAME_LOG_WANT): true once each time they change. Makes the next
 * segment when the present one is half full, so call it after writing; it may touch the disk for a
 * moment. A failure to make one is logged and tried again. From one thread at a time.
 */
bool tasklog_wants(struct tasklog *log, uint32_t *low, uint32_t *high);
void tasklog_grant(struct tasklog *log, uint32_t low, uint32_t high);

/* ---- reading: recovery ---- */

enum tasklog_owner { TASKLOG_FREE, TASKLOG_HELD, TASKLOG_NO_LOCK_FILE };

/* Try the lock. TASKLOG_FREE: *fd holds it until closed. */
enum tasklog_owner tasklog_try_lock(const char *prefix, int *fd);

enum tasklog_record { TASKLOG_BEGIN = 1, TASKLOG_END = 2 };

/*
 * Read segments [low, high] of the log, each record in the order of writing. Returns 0 if the log
 * is whole and the one that `identity` names (its instance, boot, pid and pid_start); -1 with the
 * reason if it is missing, cut or another's: then `each` may have been called for some records, and
 * those are true, but the absence of a record says nothing.
 */
int tasklog_read(const char *prefix, const struct tasklog_identity *identity, uint32_t low,
                 uint32_t high,
                 void (*each)(void *context, enum tasklog_record type,
                              const struct tasklog_task *task, const void *outcome, size_t size),
                 void *context, struct error *error);

/* Remove all files of a log. */
void tasklog_remove(const char *prefix, struct error *error);

#endif
