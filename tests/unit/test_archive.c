/* The document archive: real files in a folder of the test's own. fdatasync is replaced here, so
 * that a test can make it fail or take its time. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/archive.h"
#include "report/archive_record.h"

#define RUN "7f1c9a52-0d2b-4a6e-9f3e-52d1a7c0b9e4"
#define SMALL (UINT64_C(1) << 30)
#define MAX_DOCUMENTS 64

static char folder[64];
static atomic_int sync_error;    /* what fdatasync answers */
static atomic_int sync_delay_ms; /* and how long it takes */
static atomic_int syncs;

int fdatasync(int fd)
{
    syncs++;
    if (sync_delay_ms)
        usleep((useconds_t)sync_delay_ms * 1000);
    if (sync_error) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- helpers ---- */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_archive.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    umount2(folder, MNT_DETACH); /* a test may have mounted something there */
    FREE_CLEAN char *command = memory_format("rm -rf %s", folder);
    return system(command);
}

static char *path_of(const char *name)
{
    return memory_format("%s/%s", folder, name);
}

static struct archive_writer *open_writer(const char *instance, uint64_t seal_at)
{
    struct error error = {0};
    struct archive_writer *writer = archive_writer_open(folder, RUN, instance, seal_at, &error);
    assert_non_null(writer);
    return writer;
}

static void add(struct archive_writer *writer, const char *name, const void *data, size_t length,
                struct archive_entry *entry)
{
    struct error error = {0};
    if (archive_writer_add(writer, name, "application/pdf", data, length, entry, &error) != 0)
        fail_msg("%s", error.message);
}

static void add_text(struct archive_writer *writer, const char *text, struct archive_entry *entry)
{
    add(writer, "Infoschreiben.pdf", text, strlen(text), entry);
}

static void sync_all(struct archive_writer *writer)
{
    struct error error = {0};
    if (archive_writer_sync(writer, &error) != 0)
        fail_msg("%s", error.message);
}

static void close_writer(struct archive_writer *writer)
{
    struct error error = {0};
    if (archive_writer_close(writer, &error) != 0)
        fail_msg("%s", error.message);
}

/* `count` documents of some 100 bytes in one sealed segment. */
static void make_segment(const char *instance, struct archive_entry *entries, size_t count)
{
    struct archive_writer *writer = open_writer(instance, SMALL);
    for (size_t i = 0; i < count; i++) {
        char text[128];
        snprintf(text, sizeof text, "%%PDF-1.7 letter %zu %080d", i, 7);
        add_text(writer, text, &entries[i]);
    }
    close_writer(writer);
}

static void assert_reads(const struct archive_entry *entry, const void *data, size_t length)
{
    BUFFER_CLEAN struct buffer content = {0};
    struct error error = {0};
    if (archive_read(folder, entry, &content, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(content.size, length);
    assert_memory_equal(content.data, data, length);
}

static void read_bytes(const char *name, struct buffer *bytes)
{
    FREE_CLEAN char *path = path_of(name);
    assert_int_equal(file_read(path, 1 << 30, bytes, NULL), 0);
}

static void write_bytes(const char *name, const void *data, size_t size)
{
    FREE_CLEAN char *path = path_of(name);
    FD_CLEAN int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, size), 0);
}

static void cut(const char *name, uint64_t size)
{
    FREE_CLEAN char *path = path_of(name);
    assert_int_equal(truncate(path, (off_t)size), 0);
}

static uint64_t size_of(const char *name)
{
    FREE_CLEAN char *path = path_of(name);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (uint64_t)status.st_size;
}

static bool exists(const char *name)
{
    FREE_CLEAN char *path = path_of(name);
    return access(path, F_OK) == 0;
}

static int run(const char *format, const char *path)
{
    char command[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof command, format, path);
#pragma GCC diagnostic pop
    return system(command);
}

/* ---- verifying ---- */

struct seen {
    const struct archive_entry *entries;
    size_t count, next;
    size_t faults;
    enum archive_fault kinds[16];
    uint64_t numbers[16];
    char last_message[256];
};

static int next_seen(void *context, struct archive_entry *entry, struct error *error)
{
    (void)error;
    struct seen *seen = context;
    if (seen->next == seen->count)
        return 0;
    *entry = seen->entries[seen->next++];
    return 1;
}

static void note_fault(void *context, enum archive_fault fault, const char *segment,
                       uint64_t number, const char *message)
{
    struct seen *seen = context;
    if (seen->faults < 16) {
        seen->kinds[seen->faults] = fault;
        seen->numbers[seen->faults] = number;
    }
    seen->faults++;
    snprintf(seen->last_message, sizeof seen->last_message, "%s %s %" PRIu64 ": %s",
             archive_fault_name(fault), segment, number, message);
}

static struct seen verify(const struct archive_entry *entries, size_t count,
                          struct archive_totals *totals)
{
    struct seen seen = {.entries = entries, .count = count};
    struct archive_verify how = {.next = next_seen, .report = note_fault, .context = &seen};
    struct archive_totals unasked;
    struct error error = {0};
    totals = totals ? totals : &unasked;
    if (archive_verify(folder, RUN, &how, totals, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(totals->faults, seen.faults);
    return seen;
}

static void assert_whole(const struct archive_entry *entries, size_t count)
{
    struct seen seen = verify(entries, count, NULL);
    if (seen.faults)
        fail_msg("%s", seen.last_message);
}

static void assert_fault(const struct archive_entry *entries, size_t count,
                         enum archive_fault fault, uint64_t number)
{
    struct seen seen = verify(entries, count, NULL);
    for (size_t i = 0; i < seen.faults && i < 16; i++)
        if (seen.kinds[i] == fault && seen.numbers[i] == number)
            return;
    fail_msg("%s at %" PRIu64 " was not reported; %zu others: %s", archive_fault_name(fault),
             number, seen.faults, seen.last_message);
}

/* ---- writing and reading ---- */

static void documents_come_back_exactly(void **state)
{
    (void)state;
    static char large[300 * 1024];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31 + i / 251);
    const size_t sizes[] = {0, 1, 30 * 1024, 64 * 1024, 65 * 1024, sizeof large};
    struct archive_entry entries[6];
    struct archive_writer *writer = open_writer("a1", SMALL);
    for (size_t i = 0; i < 6; i++) {
        add(writer, "Brief für Müller.pdf", large, sizes[i], &entries[i]);
        assert_int_equal(entries[i].number, i + 1);
        assert_int_equal(entries[i].length, sizes[i]);
        assert_string_equal(entries[i].segment, "a1-0001.zip");
        assert_string_equal(entries[i].name, "Brief für Müller.pdf");
        assert_reads(&entries[i], large, sizes[i]); /* even before a sync */
    }
    close_writer(writer);
    for (size_t i = 0; i < 6; i++)
        assert_reads(&entries[i], large, sizes[i]);
    assert_whole(entries, 6);
}

static void a_sealed_segment_is_a_zip_file_for_every_tool(void **state)
{
    (void)state;
    struct archive_entry entries[3];
    struct archive_writer *writer = open_writer("a1", SMALL);
    add(writer, "../../etc/passwd", "one", 3, &entries[0]);
    archive_writer_add(writer, "x.eml", "message/rfc822", "two", 3, &entries[1], NULL);
    archive_writer_add(writer, "x.exe", "application/../x", "three", 5, &entries[2], NULL);
    close_writer(writer);
    FREE_CLEAN char *path = path_of("a1-0001.zip");
    if (run("command -v unzip >/dev/null", "") == 0) {
        assert_int_equal(run("unzip -tq '%s' >/dev/null", path), 0);
        assert_int_equal(run("test \"$(unzip -p '%s' 000002.eml)\" = two", path), 0);
    }
    if (run("test -x /usr/bin/python3", "") == 0)
        assert_int_equal(
            run("/usr/bin/python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); "
                "sys.exit(z.testzip() is not None or z.namelist() != "
                "[\"000001.pdf\", \"000002.eml\", \"000003.bin\"] or "
                "any(i.compress_type for i in z.infolist()) or z.read(\"000003.bin\") != "
                "b\"three\")' '%s'",
                path),
            0);
}

static void nothing_is_made_without_a_document(void **state)
{
    (void)state;
    FREE_CLEAN char *inner = path_of("12");
    struct archive_writer *writer = archive_writer_open(inner, RUN, "a1", SMALL, NULL);
    assert_non_null(writer);
    sync_all(writer);
    close_writer(writer);
    assert_false(exists("12"));
    writer = archive_writer_open(inner, RUN, "a1", SMALL, NULL);
    struct archive_entry entry;
    add_text(writer, "x", &entry);
    assert_true(exists("12/a1-0001.zip"));
    close_writer(writer);
    assert_int_equal(archive_writer_close(NULL, NULL), 0);
}

static void names_are_cleaned_before_they_count(void **state)
{
    (void)state;
    char longest[400];
    for (size_t i = 0; i < 199; i++)
        memcpy(longest + 2 * i, "ü", 2);
    longest[398] = '\0';
    struct archive_entry entries[3];
    struct archive_writer *writer = open_writer("a1", SMALL);
    add(writer, "a\nb\xff\xc3(.pdf", "x", 1, &entries[0]);
    assert_string_equal(entries[0].name, "a_b__(.pdf");
    add(writer, longest, "x", 1, &entries[1]);
    assert_int_equal(strlen(entries[1].name), 126);
    assert_true(text_is_utf8(entries[1].name, 126));
    add(writer, "", "x", 1, &entries[2]);
    assert_int_equal(archive_writer_add(writer, "x", "text/\nx", "x", 1, &entries[2], NULL), 0);
    assert_string_equal(entries[2].mime_type, "application/octet-stream");
    close_writer(writer);
    assert_reads(&entries[0], "x", 1);
    assert_reads(&entries[1], "x", 1);
}

static void a_full_segment_is_sealed_and_another_begun(void **state)
{
    (void)state;
    static char page[10000];
    struct archive_entry entries[10];
    struct archive_writer *writer = open_writer("a1", 35000);
    for (size_t i = 0; i < 10; i++)
        add(writer, "x", page, sizeof page, &entries[i]);
    assert_string_equal(entries[9].segment, "a1-0004.zip");
    assert_int_equal(entries[9].number, 1);
    assert_int_equal(archive_is_sealed(folder, "a1-0003.zip", NULL), 1);
    assert_int_equal(archive_is_sealed(folder, "a1-0004.zip", NULL), 0);
    close_writer(writer);
    for (size_t i = 0; i < 10; i++)
        assert_reads(&entries[i], page, sizeof page);
    assert_true(size_of("a1-0001.zip") <= 35000);
    struct archive_totals totals;
    assert_int_equal(verify(entries, 10, &totals).faults, 0);
    assert_int_equal(totals.segments, 4);
    assert_int_equal(totals.documents, 10);
    assert_int_equal(totals.unsealed, 0);
    assert_int_equal(totals.bytes, 10 * sizeof page);
}

static void a_segment_is_never_continued(void **state)
{
    (void)state;
    struct archive_entry first, second;
    make_segment("a1", &first, 1);
    make_segment("a1", &second, 1);
    assert_string_equal(second.segment, "a1-0002.zip");
    struct archive_entry both[] = {first, second};
    assert_whole(both, 2);
}

static void what_can_be_no_entry_is_refused(void **state)
{
    (void)state;
    static const char *const segments[] = {"../x.zip", "/etc/x.zip", "a/b.zip", "x.idx",
                                           ".zip",     "",           "a.b.zip", "nothere.zip"};
    struct archive_entry entry;
    make_segment("a1", &entry, 1);
    BUFFER_CLEAN struct buffer content = {0};
    buffer_text(&content, "kept");
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
        struct error error = {0};
        struct archive_entry wrong = entry;
        text_copy(wrong.segment, sizeof wrong.segment, segments[i]);
        assert_int_equal(archive_read(folder, &wrong, &content, &error), -1);
        assert_int_equal(error.code, i == 7 ? ERROR_NOT_FOUND : ERROR_INPUT);
    }
    struct archive_entry beyond = entry, huge = entry, changed = entry;
    beyond.offset += 1000000;
    huge.length = UINT64_MAX;
    changed.name[0] = 'X';
    assert_int_equal(archive_read(folder, &beyond, &content, NULL), -1);
    assert_int_equal(archive_read(folder, &huge, &content, NULL), -1);
    assert_int_equal(archive_read(folder, &changed, &content, NULL), -1);
    assert_string_equal(content.data, "kept");
    assert_int_equal(content.size, 4);
    struct error error = {0};
    assert_null(archive_writer_open(folder, RUN, "../x", SMALL, &error));
    assert_int_equal(error.code, ERROR_INPUT);
}

static void a_document_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct archive_writer *writer = open_writer("a1", SMALL);
    struct archive_entry entry;
    struct error error = {0};
    assert_int_equal(archive_writer_add(writer, "x", "text/plain", "", ARCHIVE_DOCUMENT_LIMIT + 1,
                                        &entry, &error),
                     -1);
    assert_int_equal(error.code, ERROR_INPUT);
    close_writer(writer);
}

/* ---- finding what was changed ---- */

static void flip_each_byte(const char *name, const struct archive_entry *entries, size_t count)
{
    BUFFER_CLEAN struct buffer bytes = {0};
    read_bytes(name, &bytes);
    FREE_CLEAN char *path = path_of(name);
    FD_CLEAN int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < bytes.size; i++) {
        char flipped = (char)(bytes.data[i] ^ (1 << (i % 8)));
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
        if (verify(entries, count, NULL).faults == 0)
            fail_msg("byte %zu of %zu in %s was changed and nobody noticed", i, bytes.size, name);
        assert_int_equal(pwrite(fd, &bytes.data[i], 1, (off_t)i), 1);
        if (i == bytes.size - RECORD_SIZE && strstr(name, ".idx"))
            i = bytes.size - 2; /* of the seal its first and last byte: each takes 100 ms */
    }
    assert_whole(entries, count);
}

static void every_changed_byte_is_found(void **state)
{
    (void)state;
    struct archive_entry entries[4];
    make_segment("a1", entries, 4);
    flip_each_byte("a1-0001.zip", entries, 3); /* the fourth is not committed */
    flip_each_byte("a1-0001.idx", entries, 3);
}

static void every_cut_is_found(void **state)
{
    (void)state;
    struct archive_entry entries[3];
    make_segment("a1", entries, 3);
    BUFFER_CLEAN struct buffer zip = {0}, index = {0};
    read_bytes("a1-0001.zip", &zip);
    read_bytes("a1-0001.idx", &index);
    for (size_t size = 0; size < zip.size; size++) {
        cut("a1-0001.zip", size);
        assert_true(verify(entries, 3, NULL).faults > 0);
        assert_int_equal(archive_is_sealed(folder, "a1-0001.zip", NULL), 0);
        write_bytes("a1-0001.zip", zip.data, zip.size);
    }
    const size_t sizes[] = {0, 2 * RECORD_SIZE + 1, index.size - 1};
    for (size_t i = 0; i < 3; i++) {
        cut("a1-0001.idx", sizes[i]);
        assert_true(verify(entries, 3, NULL).faults > 0);
        assert_int_equal(archive_is_sealed(folder, "a1-0001.zip", NULL), 0);
        write_bytes("a1-0001.idx", index.data, index.size);
    }
    buffer_char(&zip, 'x'); /* and what was put behind */
    write_bytes("a1-0001.zip", zip.data, zip.size);
    assert_fault(entries, 3, ARCHIVE_FAULT_DAMAGED, 0);
    cut("a1-0001.zip", zip.size - 1);
    assert_whole(entries, 3);
}

static void swapped_documents_are_found(void **state)
{
    (void)state;
    struct archive_entry entries[3];
    make_segment("a1", entries, 3);
    BUFFER_CLEAN struct buffer zip = {0}, index = {0};
    read_bytes("a1-0001.zip", &zip);
    read_bytes("a1-0001.idx", &index);

    char content[256]; /* both have the same length */
    memcpy(content, zip.data + entries[0].offset, entries[0].length);
    memcpy(zip.data + entries[0].offset, zip.data + entries[1].offset, entries[0].length);
    memcpy(zip.data + entries[1].offset, content, entries[0].length);
    BUFFER_CLEAN struct buffer original = {0};
    read_bytes("a1-0001.zip", &original);
    write_bytes("a1-0001.zip", zip.data, zip.size);
    assert_fault(entries, 3, ARCHIVE_FAULT_CHANGED, 1);
    assert_fault(entries, 3, ARCHIVE_FAULT_CHANGED, 2);
    write_bytes("a1-0001.zip", original.data, original.size);

    char record[RECORD_SIZE];
    memcpy(record, index.data + RECORD_SIZE, RECORD_SIZE);
    memcpy(index.data + RECORD_SIZE, index.data + (size_t)2 * RECORD_SIZE, RECORD_SIZE);
    memcpy(index.data + (size_t)2 * RECORD_SIZE, record, RECORD_SIZE);
    BUFFER_CLEAN struct buffer original_index = {0};
    read_bytes("a1-0001.idx", &original_index);
    write_bytes("a1-0001.idx", index.data, index.size);
    assert_fault(entries, 3, ARCHIVE_FAULT_ORDER, 1);
    assert_fault(entries, 3, ARCHIVE_FAULT_ORDER, 2);
    write_bytes("a1-0001.idx", original_index.data, original_index.size);

    struct archive_entry swapped[] = {entries[1], entries[0], entries[2]};
    assert_fault(swapped, 3, ARCHIVE_FAULT_ORDER, 1);
    swapped[0].number = 1;
    swapped[1].number = 2;
    assert_fault(swapped, 3, ARCHIVE_FAULT_CHANGED, 1);
    assert_whole(entries, 3);
}

static void change_record(uint64_t place, void (*change)(struct record *record))
{
    BUFFER_CLEAN struct buffer index = {0};
    read_bytes("a1-0001.idx", &index);
    unsigned char *bytes = (unsigned char *)index.data + place * RECORD_SIZE;
    struct record record;
    assert_int_equal(record_get(&record, bytes), 0);
    change(&record);
    record_put(bytes, &record);
    write_bytes("a1-0001.idx", index.data, index.size);
}

static void another_hash(struct record *record)
{
    char text[128];
    snprintf(text, sizeof text, "%%PDF-1.7 letter %d %080d", 1, 8);
    archive_hash_document(record->hash, record->salt, record->name, text, strlen(text));
}

/* Somebody who knows the formats replaces a document that no outcome names. */
static void a_replaced_uncommitted_document_breaks_the_chain(void **state)
{
    (void)state;
    struct archive_entry entries[3];
    make_segment("a1", entries, 3);
    struct archive_entry committed[] = {entries[0], entries[2]};
    struct archive_totals totals;
    assert_int_equal(verify(committed, 2, &totals).faults, 0);
    assert_int_equal(totals.uncommitted, 1);

    BUFFER_CLEAN struct buffer zip = {0};
    read_bytes("a1-0001.zip", &zip);
    zip.data[entries[1].offset + entries[1].length - 1] = '8';
    write_bytes("a1-0001.zip", zip.data, zip.size);
    change_record(2, another_hash);
    assert_fault(committed, 2, ARCHIVE_FAULT_CHAIN, 2);
}

static void another_name(struct record *record)
{
    strcpy(record->name, "Mahnung.pdf");
}

static void a_changed_name_is_found(void **state)
{
    (void)state;
    struct archive_entry entries[2];
    make_segment("a1", entries, 2);
    struct archive_entry renamed[] = {entries[0], entries[1]};
    strcpy(renamed[1].name, "Mahnung.pdf");
    assert_fault(renamed, 2, ARCHIVE_FAULT_CHANGED, 2);
    change_record(2, another_name);
    assert_fault(renamed, 2, ARCHIVE_FAULT_CHANGED, 2); /* even in both */
}

static void a_missing_or_foreign_segment_is_found(void **state)
{
    (void)state;
    struct archive_entry entries[4];
    make_segment("a1", entries, 2);
    make_segment("a2", entries + 2, 2);
    FREE_CLEAN char *zip = path_of("a1-0001.zip"), *other = path_of("a2-0001.zip");
    FREE_CLEAN char *aside = path_of("aside"), *index = path_of("a1-0001.idx");
    FREE_CLEAN char *other_index = path_of("a2-0001.idx");

    assert_int_equal(rename(zip, aside), 0);
    assert_fault(entries, 4, ARCHIVE_FAULT_SEGMENT, 0);
    struct seen seen = verify(entries, 4, NULL);
    assert_int_equal(seen.faults, 1);
    assert_non_null(strstr(seen.last_message, "2 documents"));
    assert_int_equal(rename(aside, zip), 0);

    assert_int_equal(rename(index, aside), 0);
    assert_fault(entries, 4, ARCHIVE_FAULT_SEGMENT, 0);
    assert_int_equal(rename(aside, index), 0);

    /* One takes the other's place. */
    assert_int_equal(rename(other, zip), 0);
    assert_int_equal(rename(other_index, index), 0);
    assert_fault(entries, 2, ARCHIVE_FAULT_CHAIN, 0);
    assert_fault(entries, 2, ARCHIVE_FAULT_CHANGED, 1);
}

static void an_entry_the_segment_does_not_have_is_found(void **state)
{
    (void)state;
    struct archive_entry entries[3];
    make_segment("a1", entries, 2);
    entries[2] = entries[1];
    entries[2].number = 3;
    entries[2].offset += 5000;
    assert_fault(entries, 3, ARCHIVE_FAULT_MISSING, 3);
    strcpy(entries[2].segment, "../x.zip");
    assert_fault(entries, 3, ARCHIVE_FAULT_SEGMENT, 3);
}

/* ---- a crash ---- */

/* The files as a killed writer leaves them: copied while it has not sealed. `after` more documents
 * are not committed. */
static void crash(struct archive_entry *entries, size_t count)
{
    struct archive_writer *writer = open_writer("dead", SMALL);
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "document %zu", i);
        add_text(writer, text, &entries[i]);
    }
    BUFFER_CLEAN struct buffer zip = {0}, index = {0};
    read_bytes("dead-0001.zip", &zip);
    read_bytes("dead-0001.idx", &index);
    close_writer(writer);
    write_bytes("dead-0001.zip", zip.data, zip.size);
    write_bytes("dead-0001.idx", index.data, index.size);
}

static void uncommitted_and_torn_ends_are_no_fault(void **state)
{
    (void)state;
    struct archive_entry entries[5];
    crash(entries, 5);
    struct archive_totals totals;
    assert_int_equal(verify(entries, 3, &totals).faults, 0);
    assert_int_equal(totals.uncommitted, 2);
    assert_int_equal(totals.unsealed, 1);
    struct archive_entry without_first[] = {entries[1], entries[2]};
    assert_int_equal(verify(without_first, 2, &totals).faults, 0);
    assert_int_equal(totals.uncommitted, 3);
    assert_int_equal(verify(NULL, 0, &totals).faults, 0);
    assert_int_equal(totals.uncommitted, 5);

    cut("dead-0001.zip", entries[4].offset + 3);
    cut("dead-0001.idx", 5 * RECORD_SIZE + 17);
    assert_int_equal(verify(entries, 3, &totals).faults, 0);
    assert_int_equal(totals.uncommitted, 1);
    cut("dead-0001.zip", entries[3].offset + 3);
    assert_int_equal(verify(entries, 3, &totals).faults, 0);
    cut("dead-0001.zip", entries[2].offset + 3); /* a committed one is torn */
    assert_fault(entries, 3, ARCHIVE_FAULT_MISSING, 3);
}

static void committed_documents_are_salvaged(void **state)
{
    (void)state;
    struct archive_entry entries[6], kept[3], moved[3];
    struct error error = {0};
    crash(entries, 6);
    cut("dead-0001.zip", entries[5].offset + 2);
    assert_int_equal(archive_is_sealed(folder, "dead-0001.zip", &error), 0);
    kept[0] = entries[0];
    kept[1] = entries[2];
    kept[2] = entries[4];
    if (archive_salvage(folder, RUN, "dead-0001.zip", kept, 3, "saved", moved, &error) != 0)
        fail_msg("%s", error.message);
    assert_whole(kept, 3); /* as long as the index has the old ones */
    assert_string_equal(moved[2].segment, "saved-0001.zip");
    assert_int_equal(moved[2].number, 3);
    assert_memory_equal(moved[2].hash, kept[2].hash, sizeof kept[2].hash);
    assert_reads(&moved[2], "document 4", 10);
    assert_int_equal(archive_is_sealed(folder, "saved-0001.zip", &error), 1);

    assert_int_equal(archive_remove_segment(folder, "dead-0001.zip", &error), 0);
    assert_int_equal(archive_remove_segment(folder, "dead-0001.zip", &error), 0);
    assert_false(exists("dead-0001.zip") || exists("dead-0001.idx"));
    assert_whole(moved, 3);
    FREE_CLEAN char *path = path_of("saved-0001.zip");
    if (run("command -v unzip >/dev/null", "") == 0)
        assert_int_equal(run("unzip -tq '%s' >/dev/null", path), 0);
}

static void a_salvage_that_fails_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct archive_entry entries[3], moved[3];
    struct error error = {0};
    crash(entries, 3);
    cut("dead-0001.zip", entries[2].offset + 2);
    assert_int_equal(
        archive_salvage(folder, RUN, "dead-0001.zip", entries, 3, "saved", moved, &error), -1);
    assert_non_null(strstr(error.message, "dead-0001.zip"));
    assert_false(exists("saved-0001.zip") || exists("saved-0001.idx"));
    assert_int_equal(
        archive_salvage(folder, RUN, "dead-0001.zip", entries + 2, 1, "saved", moved, &error), -1);
    assert_true(exists("dead-0001.zip"));
    assert_reads(&entries[1], "document 1", 10);
    assert_int_equal(archive_salvage(folder, RUN, "dead-0001.zip", NULL, 0, "saved", moved, &error),
                     0);
    assert_false(exists("saved-0001.zip"));
}

static int join_names(void *context, const char *segment)
{
    struct buffer *names = context;
    buffer_printf(names, "%s ", segment);
    return strcmp(segment, "b-0001.zip") == 0 ? 7 : 0;
}

static void segments_are_listed(void **state)
{
    (void)state;
    struct archive_entry entry;
    BUFFER_CLEAN struct buffer names = {0};
    assert_int_equal(archive_segments("/nonexistent/folder", join_names, &names, NULL), 0);
    make_segment("B", &entry, 1);
    make_segment("a", &entry, 1);
    write_bytes("README", "x", 1);
    assert_int_equal(archive_segments(folder, join_names, &names, NULL), 0);
    assert_string_equal(names.data, "B-0001.zip a-0001.zip ");
    make_segment("b", &entry, 1);
    make_segment("c", &entry, 1);
    buffer_clear(&names);
    assert_int_equal(archive_segments(folder, join_names, &names, NULL), 7);
    assert_string_equal(names.data, "B-0001.zip a-0001.zip b-0001.zip ");
    struct error error = {0};
    assert_int_equal(archive_is_sealed(folder, "none.zip", &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
}

/* ---- threads ---- */

struct adder {
    struct archive_writer *writer;
    struct archive_entry entries[200];
    int which;
};

static void *add_many(void *argument)
{
    struct adder *adder = argument;
    for (int i = 0; i < 200; i++) {
        char text[3000];
        memset(text, 'a' + adder->which, sizeof text);
        if (archive_writer_add(adder->writer, "x", "text/plain", text, sizeof text,
                               &adder->entries[i], NULL) != 0)
            return argument;
    }
    return NULL;
}

static atomic_bool adding;

static void *sync_often(void *argument)
{
    while (adding)
        if (archive_writer_sync(argument, NULL) != 0)
            return argument;
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const struct archive_entry *x = a, *y = b;
    int order = strcmp(x->segment, y->segment);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static void threads_add_while_another_syncs(void **state)
{
    (void)state;
    static struct adder adders[2];
    static struct archive_entry all[400];
    pthread_t threads[2], syncer;
    struct archive_writer *writer = open_writer("a1", 200 * 1024);
    adding = true;
    pthread_create(&syncer, NULL, sync_often, writer);
    for (int i = 0; i < 2; i++) {
        adders[i] = (struct adder){.writer = writer, .which = i};
        pthread_create(&threads[i], NULL, add_many, &adders[i]);
    }
    void *failed;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
        memcpy(all + (size_t)200 * (size_t)i, adders[i].entries, sizeof adders[i].entries);
    }
    adding = false;
    pthread_join(syncer, &failed);
    assert_null(failed);
    close_writer(writer);
    qsort(all, 400, sizeof *all, by_place);
    struct archive_totals totals;
    assert_int_equal(verify(all, 400, &totals).faults, 0);
    assert_true(totals.segments > 5);
    assert_int_equal(totals.documents, 400);
    assert_int_equal(totals.uncommitted, 0);
}

static void *sync_once(void *argument)
{
    return archive_writer_sync(argument, NULL) == 0 ? NULL : argument;
}

static void adding_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    struct archive_writer *writer = open_writer("a1", 1000);
    struct archive_entry entries[4];
    pthread_t thread;
    add_text(writer, "one", &entries[0]);
    sync_delay_ms = 80;
    pthread_create(&thread, NULL, sync_once, writer);
    usleep(20000);
    int64_t began_us = clock_monotonic_us();
    static char page[900]; /* which also seals the segment that is being synced */
    for (size_t i = 1; i < 4; i++)
        add(writer, "x", page, sizeof page, &entries[i]);
    assert_true(clock_monotonic_us() - began_us < 60000);
    pthread_join(thread, NULL);
    sync_delay_ms = 0;
    close_writer(writer);
    assert_whole(entries, 4);
}

/* ---- trouble with the disk ---- */

static void a_sync_that_failed_is_final(void **state)
{
    (void)state;
    struct archive_entry entry, later;
    struct error error = {0}, again = {0}, refused = {0};
    struct archive_writer *writer = open_writer("a1", SMALL);
    add_text(writer, "one", &entry);
    sync_error = EIO;
    assert_int_equal(archive_writer_sync(writer, &error), -1);
    sync_error = 0;
    assert_non_null(strstr(error.message, "a1-0001.zip"));
    assert_int_equal(archive_writer_sync(writer, &again), -1);
    assert_string_equal(again.message, error.message);
    assert_int_equal(archive_writer_add(writer, "x", "text/plain", "x", 1, &later, &refused), -1);
    assert_non_null(strstr(refused.message, error.message));
    assert_int_equal(archive_writer_close(writer, NULL), -1);
    assert_int_equal(archive_is_sealed(folder, "a1-0001.zip", NULL), 0);
    make_segment("a1", &later, 1);
    assert_string_equal(later.segment, "a1-0002.zip");
}

static void a_sync_without_news_costs_nothing(void **state)
{
    (void)state;
    struct archive_entry entry;
    struct archive_writer *writer = open_writer("a1", SMALL);
    add_text(writer, "one", &entry);
    sync_all(writer);
    int before = syncs;
    sync_all(writer);
    assert_int_equal(syncs, before);
    close_writer(writer);
}

/* Add pages until it fails, then some small ones; all that was said to be filed must be there. */
static size_t fill(struct archive_writer *writer, struct archive_entry *entries, char *page,
                   size_t size, struct error *error)
{
    size_t count = 0;
    while (count < MAX_DOCUMENTS - 1 &&
           archive_writer_add(writer, "x", "text/plain", page, size, &entries[count], error) == 0)
        count++;
    assert_true(count > 0 && count < MAX_DOCUMENTS - 1);
    return count;
}

static void a_file_size_limit_harms_no_earlier_document(void **state)
{
    (void)state;
    static char page[20000];
    static struct archive_entry entries[MAX_DOCUMENTS];
    memset(page, 'p', sizeof page);
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct archive_writer *writer = open_writer("a1", SMALL);
    struct error error = {0};
    limit = before;
    limit.rlim_cur = 150000;
    add_text(writer, "first", &entries[0]);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    size_t count = 1 + fill(writer, entries + 1, page, sizeof page, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(error.message, "a1-0001.zip"));
    const struct archive_entry *last = &entries[count - 1];
    assert_true(size_of("a1-0001.zip") < last->offset + last->length + 64); /* nothing half */
    /* The broken segment takes nothing more; the writer goes on in another. */
    add(writer, "x", page, sizeof page, &entries[count]);
    assert_string_equal(entries[count++].segment, "a1-0002.zip");
    close_writer(writer);
    assert_reads(&entries[0], "first", 5);
    for (size_t i = 1; i < count; i++)
        assert_reads(&entries[i], page, sizeof page);
    struct archive_totals totals;
    assert_int_equal(verify(entries, count, &totals).faults, 0);
    assert_int_equal(totals.unsealed, 1);
    static struct archive_entry moved[MAX_DOCUMENTS];
    assert_int_equal(
        archive_salvage(folder, RUN, "a1-0001.zip", entries, count - 1, "saved", moved, &error), 0);
    assert_reads(&moved[count - 2], page, sizeof page);
}

static void a_full_disk_is_an_error_and_the_writer_goes_on(void **state)
{
    (void)state;
    if (mount("none", folder, "tmpfs", 0, "size=1m") != 0)
        skip(); /* not root */
    static char page[50000];
    static struct archive_entry entries[MAX_DOCUMENTS];
    memset(page, 'q', sizeof page);
    struct archive_writer *writer = open_writer("a1", SMALL);
    struct error error = {0};
    size_t count = fill(writer, entries, page, sizeof page, &error);
    assert_non_null(strstr(error.message, "a1-0001.zip"));
    assert_non_null(strstr(error.message, strerror(ENOSPC)));
    struct archive_entry small;
    add_text(writer, "what still fits", &small); /* in the same segment */
    assert_string_equal(small.segment, "a1-0001.zip");
    entries[count++] = small;
    close_writer(writer);
    assert_int_equal(archive_is_sealed(folder, "a1-0001.zip", NULL), 1); /* there was room kept */
    assert_whole(entries, count);
    assert_reads(&entries[count - 2], page, sizeof page);
}

static void a_salvage_onto_a_full_disk_keeps_the_old_segment(void **state)
{
    (void)state;
    struct archive_entry entries[3], moved[3];
    struct error error = {0};
    struct rlimit before, limit;
    crash(entries, 3);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t size = 100; size < 3000; size += 100) { /* from nothing to all but the end */
        limit = before;
        limit.rlim_cur = size;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        int result =
            archive_salvage(folder, RUN, "dead-0001.zip", entries, 3, "saved", moved, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(exists("dead-0001.zip") && exists("dead-0001.idx"));
        if (result == 0)
            return;
        assert_false(exists("saved-0001.zip") || exists("saved-0001.idx"));
    }
    fail_msg("%s", error.message);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(documents_come_back_exactly),
        TEST(a_sealed_segment_is_a_zip_file_for_every_tool),
        TEST(nothing_is_made_without_a_document),
        TEST(names_are_cleaned_before_they_count),
        TEST(a_full_segment_is_sealed_and_another_begun),
        TEST(a_segment_is_never_continued),
        TEST(what_can_be_no_entry_is_refused),
        TEST(a_document_over_the_limit_is_refused),
        TEST(every_changed_byte_is_found),
        TEST(every_cut_is_found),
        TEST(swapped_documents_are_found),
        TEST(a_replaced_uncommitted_document_breaks_the_chain),
        TEST(a_changed_name_is_found),
        TEST(a_missing_or_foreign_segment_is_found),
        TEST(an_entry_the_segment_does_not_have_is_found),
        TEST(uncommitted_and_torn_ends_are_no_fault),
        TEST(committed_documents_are_salvaged),
        TEST(a_salvage_that_fails_leaves_all_as_it_was),
        TEST(segments_are_listed),
        TEST(threads_add_while_another_syncs),
        TEST(adding_does_not_wait_for_the_disk),
        TEST(a_sync_that_failed_is_final),
        TEST(a_sync_without_news_costs_nothing),
        TEST(a_file_size_limit_harms_no_earlier_document),
        TEST(a_full_disk_is_an_error_and_the_writer_goes_on),
        TEST(a_salvage_onto_a_full_disk_keeps_the_old_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
