/* What a crash left: committed documents of an unsealed segment go to a new one. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/archive.h"
#include "report/archive_writer.h"

static int copy_document(const char *folder, struct archive_writer *writer,
                         const struct archive_entry *from, struct archive_entry *to,
                         struct buffer *content, struct error *error)
{
    buffer_clear(content);
    if (archive_read(folder, from, content, error) != 0)
        return -1;
    struct archive_entry moved = *from;
    if (archive_writer_put(writer, content->data, &moved, error) != 0)
        return -1;
    *to = moved; /* not before: to->segment is what would be removed */
    return 0;
}

static int copy_all(const char *folder, struct archive_writer *writer, const char *old_segment,
                    const struct archive_entry *entries, size_t count,
                    struct archive_entry *new_entries, struct error *error)
{
    BUFFER_CLEAN struct buffer content = {0};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].segment, old_segment) != 0)
            return error_set(error, ERROR_INPUT, "a document of %s is not one of %s",
                             entries[i].segment, old_segment);
        if (copy_document(folder, writer, &entries[i], &new_entries[i], &content, error) != 0)
            return -1;
    }
    return 0;
}

/* new_entries[0 … copied) name the segments that were begun. */
static void remove_copies(const char *folder, const struct archive_entry *new_entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (*new_entries[i].segment &&
            (i == 0 || strcmp(new_entries[i].segment, new_entries[i - 1].segment) != 0))
            archive_remove_segment(folder, new_entries[i].segment, NULL);
}

int archive_salvage(const char *folder, const char *run_uuid, const char *old_segment,
                    const struct archive_entry *entries, size_t count, const char *new_instance,
                    struct archive_entry *new_entries, struct error *error)
{
    if (count == 0)
        return 0;
    struct archive_writer *writer =
        archive_writer_open(folder, run_uuid, new_instance, UINT64_MAX, error);
    if (!writer)
        return -1;
    memset(new_entries, 0, count * sizeof *new_entries);
    int result = copy_all(folder, writer, old_segment, entries, count, new_entries, error);
    struct error not_closed = {0};
    if (archive_writer_close(writer, &not_closed) != 0 && result == 0) {
        if (error)
            *error = not_closed;
        result = -1;
    }
    if (result != 0) {
        remove_copies(folder, new_entries, count);
        return error_prefix(error, "cannot salvage %s: ", old_segment);
    }
    return 0;
}
