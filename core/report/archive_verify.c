/*
 * Verification walks the segments of the folder and the caller's index side by side, both sorted.
 * In each segment it follows the records of the .idx from the first to the last: every document's
 * bytes, those around them, and the chain. Up to the last document that the index knows, and to the
 * end of what is sealed, all must be right; behind that a torn end is what a crash leaves.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/archive.h"
#include "report/archive_index.h"
#include "report/archive_record.h"

struct walk {
    const char *folder, *run_uuid;
    const struct archive_verify *verify;
    struct archive_totals *totals;
    struct archive_entry entry; /* the index's next */
    bool has_entry;

    /* the segment that is looked at */
    char segment[64];
    int fd; /* -1: there is none */
    struct archive_index index;
    bool has_index;
    uint64_t number; /* of the last record that was looked at */
    uint64_t end;    /* where it ends */
    unsigned char chain[ARCHIVE_HASH_SIZE];
    bool chain_known; /* not behind a record that cannot be read */
    uint64_t lost;    /* documents of the index, where there is no file */
};

__attribute__((format(printf, 4, 5))) static void report(struct walk *walk,
                                                         enum archive_fault fault, uint64_t number,
                                                         const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    text_cut_utf8(message, sizeof message - 1);
    walk->totals->faults++;
    walk->verify->report(walk->verify->context, fault, walk->segment, number, message);
}

const char *archive_fault_name(enum archive_fault fault)
{
    static const char *const names[] = {
        [ARCHIVE_FAULT_SEGMENT] = "segment", [ARCHIVE_FAULT_MISSING] = "missing",
        [ARCHIVE_FAULT_CHANGED] = "changed", [ARCHIVE_FAULT_ORDER] = "order",
        [ARCHIVE_FAULT_CHAIN] = "chain",     [ARCHIVE_FAULT_DAMAGED] = "damaged",
    };
    return (size_t)fault < sizeof names / sizeof *names ? names[fault] : "?";
}

/* ---- the index ---- */

static void terminate(struct archive_entry *entry)
{
    entry->segment[sizeof entry->segment - 1] = '\0';
    entry->name[sizeof entry->name - 1] = '\0';
    entry->mime_type[sizeof entry->mime_type - 1] = '\0';
}

/* The next entry that stands where it should; the others are reported. */
static int next_entry(struct walk *walk, struct error *error)
{
    char segment[sizeof walk->segment];
    for (;;) {
        struct archive_entry last = walk->entry;
        bool had = walk->has_entry;
        int got = walk->verify->next(walk->verify->context, &walk->entry, error);
        walk->has_entry = got == 1;
        if (got <= 0)
            return got;
        terminate(&walk->entry);
        walk->totals->documents++;
        int order = had ? strcmp(walk->entry.segment, last.segment) : 1;
        bool named = archive_segment_valid(walk->entry.segment);
        if (named && (order > 0 || (order == 0 && walk->entry.number > last.number)) &&
            walk->entry.number > 0)
            return 1;
        text_copy(segment, sizeof segment, walk->segment);
        text_copy(walk->segment, sizeof walk->segment, named ? walk->entry.segment : "?");
        report(walk, named ? ARCHIVE_FAULT_ORDER : ARCHIVE_FAULT_SEGMENT, walk->entry.number,
               named ? "the index names a document twice, or out of order"
                     : "the index names a segment that can be none");
        text_copy(walk->segment, sizeof walk->segment, segment);
        walk->entry = last;
        walk->has_entry = had;
    }
}

/* ---- bytes ---- */

/* 1: they have this hash, 0: another, -1: the file ends before or cannot be read. */
static int content_matches(struct walk *walk, const unsigned char *salt, const char *name,
                           uint64_t offset, uint64_t length, const unsigned char *hash)
{
    crypto_hash_sha256_state state;
    unsigned char found[ARCHIVE_HASH_SIZE];
    archive_hash_begin(&state, salt, name, length);
    if (archive_hash_range(walk->fd, offset, length, &state) != 1)
        return -1;
    crypto_hash_sha256_final(&state, found);
    walk->totals->bytes += length;
    return memcmp(found, hash, sizeof found) == 0;
}

static bool frame_matches(const struct walk *walk, const struct record *record)
{
    crypto_hash_sha256_state state;
    unsigned char found[ARCHIVE_HASH_SIZE];
    uint64_t behind = record->offset + record->length;
    crypto_hash_sha256_init(&state);
    if (archive_hash_range(walk->fd, record->start, record->offset - record->start, &state) != 1 ||
        archive_hash_range(walk->fd, behind, record->end - behind, &state) != 1)
        return false;
    crypto_hash_sha256_final(&state, found);
    return memcmp(found, record->frame, sizeof found) == 0;
}

/* ---- one record of the .idx ---- */

/* Do its numbers make sense, and does it begin where the one before ended? Behind a record that
 * could not be read nobody knows where exactly that is. */
static bool well_placed(const struct walk *walk, const struct record *record, bool after_known)
{
    bool begins = after_known ? record->start == walk->end : record->start >= walk->end;
    return begins && record->start <= record->offset && record->length <= ARCHIVE_DOCUMENT_LIMIT &&
           record->offset < INT64_MAX / 2 && record->end >= record->offset + record->length &&
           record->end < INT64_MAX / 2;
}

struct finding {
    bool fault;
    enum archive_fault kind;
    const char *message;
};

static struct finding check_bytes(struct walk *walk, const struct record *record)
{
    int matches = content_matches(walk, record->salt, record->name, record->offset, record->length,
                                  record->hash);
    if (matches < 0)
        return (struct finding){true, ARCHIVE_FAULT_MISSING,
                                "the file ends before the end of the document"};
    if (matches == 0)
        return (struct finding){true, ARCHIVE_FAULT_CHANGED,
                                "the document's bytes are not what was filed"};
    if (!frame_matches(walk, record))
        return (struct finding){true, ARCHIVE_FAULT_DAMAGED,
                                "the ZIP header before or behind the document was changed"};
    return (struct finding){0};
}

/* Take up the chain and the place behind a record, right or wrong, so that one fault is found
 * once. */
static bool follow_chain(struct walk *walk, const struct record *record)
{
    archive_chain_next(walk->chain, record->number, record->hash);
    bool right = !walk->chain_known || memcmp(walk->chain, record->chain, sizeof walk->chain) == 0;
    memcpy(walk->chain, record->chain, sizeof walk->chain);
    walk->chain_known = true;
    return right;
}

static struct finding check_record(struct walk *walk, uint64_t number, struct record *record)
{
    bool had_chain = walk->chain_known;
    walk->number = number;
    walk->chain_known = false;
    if (archive_index_record(&walk->index, number, record) != 0 ||
        record->kind != RECORD_DOCUMENT) {
        record->kind = 0;
        return (struct finding){true, ARCHIVE_FAULT_DAMAGED,
                                "the document's record in the .idx was changed"};
    }
    if (record->number != number)
        return (struct finding){true, ARCHIVE_FAULT_ORDER,
                                "another document stands in this one's place"};
    bool placed = well_placed(walk, record, had_chain);
    walk->chain_known = had_chain;
    bool chained = follow_chain(walk, record);
    walk->end = record->end;
    if (!placed)
        return (struct finding){true, ARCHIVE_FAULT_DAMAGED,
                                "the document does not begin where the one before ends"};
    struct finding finding = check_bytes(walk, record);
    if (!finding.fault && !chained)
        finding = (struct finding){true, ARCHIVE_FAULT_CHAIN,
                                   "the chain is broken between this document and the one before"};
    return finding;
}

/* ---- the documents of the index, and those that it does not know ---- */

/* Which part of the entry differs from the record; NULL: none. */
static const char *difference(const struct archive_entry *entry, const struct record *record)
{
    if (strcmp(entry->name, record->name) != 0)
        return "name";
    if (strcmp(entry->mime_type, record->mime_type) != 0)
        return "type";
    if (entry->offset != record->offset || entry->length != record->length)
        return "place";
    if (memcmp(entry->salt, record->salt, sizeof entry->salt) != 0)
        return "salt";
    if (memcmp(entry->hash, record->hash, sizeof entry->hash) != 0)
        return "hash";
    if (memcmp(entry->chain, record->chain, sizeof entry->chain) != 0)
        return "chain";
    return NULL;
}

/* Where the .idx cannot say it: the bytes against the index's own hash. */
static void check_without_record(struct walk *walk)
{
    const struct archive_entry *entry = &walk->entry;
    int matches = -1;
    if (entry->length <= ARCHIVE_DOCUMENT_LIMIT && entry->offset < INT64_MAX / 2)
        matches = content_matches(walk, entry->salt, entry->name, entry->offset, entry->length,
                                  entry->hash);
    if (matches < 0)
        report(walk, ARCHIVE_FAULT_MISSING, entry->number, "the document is not in the file");
    else if (matches == 0)
        report(walk, ARCHIVE_FAULT_CHANGED, entry->number,
               "the document's bytes are not what was filed");
}

/* Walk to the index's next entry: what lies before is not committed, but must be right, because
 * the same sync made it durable. */
static void check_committed(struct walk *walk)
{
    const struct archive_entry *entry = &walk->entry;
    struct record record = {0};
    struct finding finding = {0};
    if (!walk->has_index || entry->number > walk->index.documents) {
        if (walk->has_index)
            report(walk, ARCHIVE_FAULT_DAMAGED, entry->number,
                   "the document's record is missing in the .idx");
        check_without_record(walk);
        return;
    }
    while (walk->number < entry->number) {
        uint64_t number = walk->number + 1;
        finding = check_record(walk, number, &record);
        if (finding.fault)
            report(walk, finding.kind, number, "%s", finding.message);
        if (number < entry->number)
            walk->totals->uncommitted++;
    }
    if (record.kind == 0 || record.number != entry->number) {
        check_without_record(walk);
        return;
    }
    const char *differs = difference(entry, &record);
    if (differs)
        report(walk, ARCHIVE_FAULT_CHANGED, entry->number,
               "the document's %s in the index is not the one in the segment", differs);
}

/* Behind the index's last entry. */
static void check_uncommitted(struct walk *walk)
{
    struct record record;
    while (walk->number < walk->index.documents) {
        uint64_t number = walk->number + 1;
        struct finding finding = check_record(walk, number, &record);
        if (finding.fault && !walk->index.sealed)
            return;
        if (finding.fault)
            report(walk, finding.kind, number, "%s", finding.message);
        walk->totals->uncommitted++;
    }
}

/* ---- one segment ---- */

static void check_header(struct walk *walk)
{
    struct record header;
    archive_chain_start(walk->chain, walk->run_uuid, walk->segment);
    walk->chain_known = true;
    if (!walk->has_index)
        return;
    if (archive_index_record(&walk->index, 0, &header) != 0 || header.kind != RECORD_HEADER)
        report(walk, ARCHIVE_FAULT_DAMAGED, 0, "the header of its .idx was changed");
    else if (strcmp(header.name, walk->segment) != 0 ||
             strcmp(header.mime_type, walk->run_uuid) != 0 ||
             memcmp(header.chain, walk->chain, sizeof walk->chain) != 0)
        report(walk, ARCHIVE_FAULT_CHAIN, 0, "it belongs to another run, or was renamed");
}

static void check_seal(struct walk *walk)
{
    const struct record *seal = &walk->index.seal;
    if (seal->number != walk->index.documents)
        report(walk, ARCHIVE_FAULT_CHAIN, 0,
               "it was sealed with %" PRIu64 " documents and has %" PRIu64, seal->number,
               walk->index.documents);
    else if (walk->chain_known && memcmp(seal->chain, walk->chain, sizeof walk->chain) != 0)
        report(walk, ARCHIVE_FAULT_CHAIN, 0, "its chain does not end as it was sealed");
    if (archive_seal_agrees(walk->fd, seal) != 1 || (walk->chain_known && seal->start != walk->end))
        report(walk, ARCHIVE_FAULT_DAMAGED, 0,
               "the ZIP directory at its end was changed, or the file was cut or continued");
}

static uint32_t number_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Does the file end as a ZIP file does, with a directory that ends where it says? (A document may
 * be a ZIP file, too: its end would name other places.) */
static bool ends_as_zip(int fd)
{
    struct stat status;
    unsigned char end[22];
    if (fstat(fd, &status) != 0 || status.st_size < (off_t)sizeof end)
        return false;
    off_t at = status.st_size - (off_t)sizeof end;
    return pread(fd, end, sizeof end, at) == (ssize_t)sizeof end && memcmp(end, "PK\5\6", 4) == 0 &&
           (uint64_t)number_at(end + 12) + number_at(end + 16) == (uint64_t)at;
}

static int load_index(struct walk *walk, struct error *error)
{
    struct error not_loaded = {0};
    archive_index_free(&walk->index);
    walk->has_index =
        archive_index_load(&walk->index, walk->folder, walk->segment, &not_loaded) == 0;
    if (walk->has_index)
        return 0;
    if (not_loaded.code == ERROR_SYSTEM) {
        *error = not_loaded;
        return -1;
    }
    report(walk, ARCHIVE_FAULT_SEGMENT, 0, "%s", not_loaded.message);
    return 0;
}

/* A ZIP file is closed an instant before its .idx is: who looks just then looks again. */
static int load_settled_index(struct walk *walk, struct error *error)
{
    bool closed = ends_as_zip(walk->fd);
    if (load_index(walk, error) != 0)
        return -1;
    if (!closed || !walk->has_index || walk->index.sealed)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    if (load_index(walk, error) != 0)
        return -1;
    if (walk->has_index && !walk->index.sealed)
        report(walk, ARCHIVE_FAULT_DAMAGED, 0, "its .idx was cut, or the seal in it changed");
    return 0;
}

static int begin_segment(struct walk *walk, const char *segment, struct error *error)
{
    text_copy(walk->segment, sizeof walk->segment, segment);
    walk->number = walk->end = walk->lost = 0;
    walk->has_index = false;
    walk->totals->segments++;
    struct error not_opened = {0};
    walk->fd = archive_segment_open(walk->folder, segment, &not_opened);
    if (walk->fd >= 0)
        return load_settled_index(walk, error);
    if (not_opened.code == ERROR_NOT_FOUND)
        return 0;
    *error = not_opened;
    return -1;
}

static void end_segment(struct walk *walk)
{
    if (walk->fd < 0 && walk->lost)
        report(walk, ARCHIVE_FAULT_SEGMENT, 0,
               "the file is missing, and with it %" PRIu64 " documents", walk->lost);
    if (walk->fd < 0 || !walk->has_index)
        return;
    check_uncommitted(walk);
    if (walk->index.sealed)
        check_seal(walk);
    else
        walk->totals->unsealed++;
}

static int walk_segment(struct walk *walk, const char *segment, struct error *error)
{
    int result = begin_segment(walk, segment, error);
    if (result == 0)
        check_header(walk);
    while (result == 0 && walk->has_entry && strcmp(walk->entry.segment, walk->segment) == 0) {
        if (walk->fd >= 0)
            check_committed(walk);
        else
            walk->lost++;
        result = next_entry(walk, error) < 0 ? -1 : 0;
    }
    if (result == 0)
        end_segment(walk);
    file_close(&walk->fd);
    archive_index_free(&walk->index);
    return result;
}

/* ---- all of them ---- */

struct names {
    char (*items)[64];
    size_t count, room;
};

static int collect(void *context, const char *segment)
{
    struct names *names = context;
    if (names->count == names->room) {
        names->room = names->room ? 2 * names->room : 64;
        names->items = memory_resize(names->items, names->room * sizeof *names->items);
    }
    text_copy(names->items[names->count++], sizeof *names->items, segment);
    return 0;
}

static int walk_all(struct walk *walk, const struct names *names, struct error *error)
{
    size_t i = 0;
    if (next_entry(walk, error) < 0)
        return -1;
    while (walk->has_entry || i < names->count) {
        int order = !walk->has_entry    ? 1
                    : i == names->count ? -1
                                        : strcmp(walk->entry.segment, names->items[i]);
        char segment[64];
        text_copy(segment, sizeof segment, order < 0 ? walk->entry.segment : names->items[i]);
        if (order >= 0)
            i++;
        if (walk_segment(walk, segment, error) != 0)
            return -1;
    }
    return 0;
}

int archive_verify(const char *folder, const char *run_uuid, const struct archive_verify *verify,
                   struct archive_totals *totals, struct error *error)
{
    struct error ignored;
    struct names names = {0};
    *totals = (struct archive_totals){0};
    struct walk *walk = memory_new(sizeof *walk);
    *walk = (struct walk){
        .folder = folder, .run_uuid = run_uuid, .verify = verify, .totals = totals, .fd = -1};
    int result = archive_segments(folder, collect, &names, error);
    if (result == 0)
        result = walk_all(walk, &names, error ? error : &ignored);
    memory_cleanup(&names.items);
    memory_cleanup(&walk);
    return result;
}
