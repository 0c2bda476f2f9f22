/*
 * The document archive of a run: the exact bytes that its steps made, in ordinary ZIP files.
 *
 * A run's folder holds segments, INSTANCE-SSSS.zip, each written by one worker instance from its
 * beginning to its end and never continued: documents are stored as they are, so that one can be
 * read by pread() at the `offset` its index entry names. A segment is sealed (it gets the
 * directory that makes it a ZIP file for every tool) when it is full or its writer is closed; what
 * a crash leaves unsealed is salvaged into a new one. Beside each stands INSTANCE-SSSS.idx, the
 * segment's own journal: a checksummed record for each document, whether or not its outcome was
 * ever committed, with which the chain can be walked. docs/archive.md has the formats.
 *
 * The index that counts is the caller's: he keeps the struct archive_entry of each document whose
 * outcome he commits. The archive keeps its promise to find every change against that index.
 */
#ifndef CAMPAIGND_REPORT_ARCHIVE_H
#define CAMPAIGND_REPORT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define ARCHIVE_SEAL_AT (UINT64_C(1) << 30)        /* what `seal_at_bytes` usually is */
#define ARCHIVE_DOCUMENT_LIMIT ((size_t)256 << 20) /* bytes of one document */
#define ARCHIVE_HASH_SIZE 32                       /* SHA-256 */
#define ARCHIVE_SALT_SIZE 16

struct archive_entry {
    char segment[64]; /* the file in the run's folder, "INSTANCE-0001.zip" */
    uint64_t number;  /* in the segment, from 1 without gaps; the ZIP entry is "000001.pdf" */
    uint64_t offset;  /* where in the file the document's bytes begin */
    uint64_t length;
    unsigned char hash[ARCHIVE_HASH_SIZE];  /* of salt, name and content */
    unsigned char salt[ARCHIVE_SALT_SIZE];  /* random: a hash alone gives nothing away */
    unsigned char chain[ARCHIVE_HASH_SIZE]; /* of the entry before's chain, number and hash */
    char name[128]; /* for people: valid UTF-8 without control characters; never a file's name */
    char mime_type[64];
};

/* ---- writing ---- */

struct archive_writer;

/*
 * A writer for one worker instance in one run. Nothing is made in `folder` (nor the folder itself)
 * before the first document. `instance` is 1 to 48 of letters, digits, '_' and '-'; files of that
 * name that exist are left alone, the next free number is taken. A segment is sealed when the next
 * document would take it past `seal_at_bytes` (at most 2 GB count). NULL if a parameter is no good.
 */
struct archive_writer *archive_writer_open(const char *folder, const char *run_uuid,
                                           const char *instance, uint64_t seal_at_bytes,
                                           struct error *error);

/*
 * [any thread] Write a document; *entry says where. It is not durable before a sync. `name` is
 * cleaned and cut to fit. Does not wait for a sync that is under way.
 *
 * -1: the document is not in the archive; all earlier ones are where they were, and the writer
 * goes on working (when there is room on the disk again, say), unless a sync has failed.
 */
int archive_writer_add(struct archive_writer *writer, const char *name, const char *mime_type,
                       const void *data, size_t length, struct archive_entry *entry,
                       struct error *error);

/*
 * [any thread, also while others add] When it returns 0, all that was added before the call is
 * durable. When it fails, what was added since the last good sync may be lost, and nobody can tell
 * what: from then on this writer refuses everything but being closed, with the same message.
 */
int archive_writer_sync(struct archive_writer *writer, struct error *error);

/* Seal the segment, sync, and free the writer, in every case. -1: the segment is not sealed, or
 * what was added since the last good sync may not be durable; call archive_writer_sync before, if
 * the difference matters. NULL is fine. No other thread may still use the writer. */
int archive_writer_close(struct archive_writer *writer, struct error *error);

/* ---- reading ---- */

/* Append a document's bytes to `target`, checked against its hash. -1: ERROR_NOT_FOUND (no such
 * segment), ERROR_INPUT (an entry that can be none) or ERROR_SYSTEM (changed or cut); `target` is
 * then as it was. Works on segments that are being written, too. */
int archive_read(const char *folder, const struct archive_entry *entry, struct buffer *target,
                 struct error *error);

/* ---- what a crash left ---- */

/* Is the segment closed, whole and a ZIP file? 1, 0, or -1 with an error (ERROR_NOT_FOUND if there
 * is none). Meaningful only when its writer no longer lives. */
int archive_is_sealed(const char *folder, const char *segment, struct error *error);

/* Call `each` with the name of every segment in `folder`, sorted; what it returns but 0 ends that
 * and is returned. A folder that does not exist has none. -1 with an error if it cannot be read. */
int archive_segments(const char *folder, int (*each)(void *context, const char *segment),
                     void *context, struct error *error);

/*
 * Copy the `count` committed entries of an unsealed segment into a new one, sealed and durable when
 * this returns 0; new_entries[i] is where entries[i] is now (same hash and salt; another segment,
 * number, offset and chain). The old segment stays until the caller has committed the new entries
 * and calls archive_remove_segment. With `count` 0 nothing is made. On -1 nothing is left of the
 * new segment. `new_instance` may be used again: it then gets the next free segment number.
 */
int archive_salvage(const char *folder, const char *run_uuid, const char *old_segment,
                    const struct archive_entry *entries, size_t count, const char *new_instance,
                    struct archive_entry *new_entries, struct error *error);

/* Remove a segment and its .idx, durably. One that is not there is fine. */
int archive_remove_segment(const char *folder, const char *segment, struct error *error);

/* ---- verifying ---- */

enum archive_fault {
    ARCHIVE_FAULT_SEGMENT, /* a segment is missing or cannot be read */
    ARCHIVE_FAULT_MISSING, /* a document is not there */
    ARCHIVE_FAULT_CHANGED, /* a document's bytes, name or place are not what was filed */
    ARCHIVE_FAULT_ORDER,   /* documents stand in another order than they were filed */
    ARCHIVE_FAULT_CHAIN,   /* the chain is broken: something was put in, left out or replaced */
    ARCHIVE_FAULT_DAMAGED, /* the file around the documents, or its .idx, is not as it was written
                            */
};

const char *archive_fault_name(enum archive_fault fault); /* "changed", …; stable names */

struct archive_totals {
    uint64_t segments;    /* in the folder or the index */
    uint64_t unsealed;    /* of these: being written, or left by a crash */
    uint64_t documents;   /* committed: in the index */
    uint64_t uncommitted; /* in a segment, not in the index: no fault */
    uint64_t bytes;       /* of the documents that were read */
    uint64_t faults;
};

struct archive_verify {
    /* The next entry of the index, ordered by segment (as strcmp orders) and number: 1, 0 at the
     * end, or -1 with an error, which ends the verification. */
    int (*next)(void *context, struct archive_entry *entry, struct error *error);
    /* A fault; number 0 is the segment itself. `message` is one line for people. */
    void (*report)(void *context, enum archive_fault fault, const char *segment, uint64_t number,
                   const char *message);
    void *context; /* passed to both */
};

/*
 * Read every segment of the run, whole, and compare it with the index. Finds every byte that was
 * changed, every document that is missing or out of place; what is in an unsealed segment after its
 * last committed document is no fault, however torn. May run while documents are written, if the
 * index is read before (one snapshot). 0: all was looked at, see totals->faults; -1: it could not
 * be.
 */
int archive_verify(const char *folder, const char *run_uuid, const struct archive_verify *verify,
                   struct archive_totals *totals, struct error *error);

#endif
