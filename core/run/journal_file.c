/* The closed journal of a run that is over: its index of documents, for salvage. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "run/journal.h"
#include "store/sql.h"

void journal_read_entry(sqlite3_stmt *row, struct archive_entry *entry)
{
    *entry = (struct archive_entry){0};
    text_copy(entry->segment, sizeof entry->segment, sql_text(row, 0));
    entry->number = (uint64_t)sqlite3_column_int64(row, 1);
    entry->offset = (uint64_t)sqlite3_column_int64(row, 2);
    entry->length = (uint64_t)sqlite3_column_int64(row, 3);
    sql_blob(row, 4, entry->hash, sizeof entry->hash);
    sql_blob(row, 5, entry->salt, sizeof entry->salt);
    sql_blob(row, 6, entry->chain, sizeof entry->chain);
    text_copy(entry->name, sizeof entry->name, sql_text(row, 7));
    text_copy(entry->mime_type, sizeof entry->mime_type, sql_text(row, 8));
}

int journal_file_segment(const char *path, const char *segment, struct archive_entry **entries,
                         size_t *count, struct error *error)
{
    SQL_CLEAN sqlite3 *db = sql_open_readonly(path, error);
    STATEMENT_CLEAN sqlite3_stmt *select = db ? sql_prepare(db,
                                                            "SELECT " JOURNAL_ENTRY_COLUMNS "\n"
                                                            "FROM document\n"
                                                            "WHERE segment = ?1\n"
                                                            "ORDER BY number",
                                                            error)
                                              : NULL;
    *entries = NULL;
    *count = 0;
    if (!select)
        return -1;
    sql_bind_text(select, 1, segment);
    int more;
    while ((more = sql_row(select, error)) > 0) {
        *entries = memory_resize(*entries, (*count + 1) * sizeof **entries);
        journal_read_entry(select, &(*entries)[(*count)++]);
    }
    return more;
}

static int move_all(sqlite3_stmt *update, const struct archive_entry *old,
                    const struct archive_entry *new, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        sql_bind_text(update, 1, new[i].segment);
        sqlite3_bind_int64(update, 2, (int64_t) new[i].number);
        sqlite3_bind_int64(update, 3, (int64_t) new[i].offset);
        sqlite3_bind_blob(update, 4, new[i].chain, sizeof new[i].chain, SQLITE_STATIC);
        sql_bind_text(update, 5, old[i].segment);
        sqlite3_bind_int64(update, 6, (int64_t)old[i].number);
        if (sql_done(update, error) != 0)
            return -1;
    }
    return 0;
}

int journal_file_move(const char *path, const struct archive_entry *old,
                      const struct archive_entry *new, size_t count, struct error *error)
{
    SQL_CLEAN sqlite3 *db = sql_open(path, error);
    if (!db || sql_run(db,
                       "BEGIN IMMEDIATE; CREATE INDEX IF NOT EXISTS document_place ON document "
                       "(segment, number)",
                       error) != 0)
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *update =
        sql_prepare(db,
                    "UPDATE document\n"
                    "SET segment = ?1, number = ?2, offset = ?3, chain = ?4\n"
                    "WHERE segment = ?5 AND number = ?6",
                    error);
    if (!update || move_all(update, old, new, count, error) != 0)
        return -1;
    return sql_run(db, "COMMIT", error);
}
