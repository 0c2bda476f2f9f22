#include "source/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/reading.h"
#include "source/rows.h"
#include "store/sql.h"

/* ---- what a rows file says beside its recipients; into the database `schema` ---- */

static int put_file(sqlite3_stmt *put, const char *report, json_t *file, struct error *error)
{
    BUFFER_CLEAN struct buffer content = {0};
    json_t *encoded = json_object_get(file, "content_base64");
    if (encoded &&
        text_unbase64(&content, json_string_value(encoded), json_string_length(encoded)) != 0)
        return error_set(error, ERROR_INPUT, "the file »%s« of report »%s« is not base64",
                         reading_text(file, "name"), report);
    sql_bind_text(put, 1, report);
    sql_bind_text(put, 2, reading_text(file, "name"));
    sql_bind_text(put, 3, reading_text(file, "mime_type"));
    sqlite3_bind_blob64(put, 4, buffer_string(&content), content.size, SQLITE_STATIC);
    int result = sql_done(put, error);
    json_object_del(file, "content_base64");
    return result;
}

/* The reports' files become rows; the definition keeps their names. */
static int put_files(sqlite3 *db, const char *schema, const json_t *definition, struct error *error)
{
    FREE_CLEAN char *sql = memory_format(
        "INSERT INTO %s.file (report, name, mime_type, content) VALUES (?1, ?2, ?3, ?4)", schema);
    STATEMENT_CLEAN sqlite3_stmt *put = sql_prepare(db, sql, error);
    const char *name;
    json_t *report, *file;
    size_t index;
    if (!put)
        return -1;
    json_object_foreach(json_object_get(definition, "reports"), name, report)
        json_array_foreach(json_object_get(report, "files"), index, file)
            if (put_file(put, name, file, error) != 0)
                return -1;
    return 0;
}

static int put_about(const struct finish *finish, const struct selection *selection,
                     const char *schema, struct error *error)
{
    const struct fetched *fetched = selection_fetched(selection);
    if (put_files(fetched->db, schema, finish->definition, error) != 0)
        return -1;
    FREE_CLEAN char *definition = json_dumps(finish->definition, JSON_COMPACT);
    return fetch_put_meta(fetched->db, schema, "run", NULL, finish->run, error) != 0 ||
                   fetch_put_meta(fetched->db, schema, "uuid", finish->uuid, 0, error) != 0 ||
                   fetch_put_meta(fetched->db, schema, "recipients", NULL,
                                  selection_recipients(selection), error) != 0 ||
                   fetch_put_meta(fetched->db, schema, "created_us", NULL, clock_now_us(), error) !=
                       0 ||
                   fetch_put_meta(fetched->db, schema, "definition", definition, 0, error) != 0 ||
                   fetch_put_meta(fetched->db, schema, "ascending", NULL, fetched->ascending,
                                  error) != 0 ||
                   fetch_put_fields(fetched->db, schema, fetched->columns, error) != 0
               ? -1
               : 0;
}

/* ---- copying those who are left ---- */

/* The tables of the fetched file, empty, in database `final`. */
static int make_tables(sqlite3 *db, struct error *error)
{
    static const char create[] = "CREATE TABLE ";
    BUFFER_CLEAN struct buffer sql = {0};
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(db,
                    "SELECT sql FROM main.sqlite_schema\n"
                    "WHERE type = 'table' AND sql LIKE 'CREATE TABLE %'",
                    error);
    int more = -1;
    while (row && (more = sql_row(row, error)) > 0)
        buffer_printf(&sql, "%sfinal.%s;", create, sql_text(row, 0) + sizeof create - 1);
    return more == 0 ? sql_run(db, buffer_string(&sql), error) : -1;
}

static int copy(const struct selection *selection, const char *into, const char *from,
                const char *columns, struct error *error)
{
    sqlite3 *db = selection_fetched(selection)->db;
    FREE_CLEAN char *sql =
        memory_format("INSERT INTO final.%s SELECT %s FROM %s", into, columns, from);
    return sql_run(db, sql, error);
}

static int copy_all(const struct selection *selection, struct error *error)
{
    BUFFER_CLEAN struct buffer cells = {0}, recipient = {0}, member = {0};
    for (size_t i = 0; i < json_array_size(selection_fetched(selection)->columns); i++)
        buffer_printf(&cells, ", c%zu", i);
    /* NULL: the next ordinal. */
    buffer_printf(&recipient, "NULL, key%s", buffer_string(&cells));
    buffer_printf(&member, "campaignd_placed(ordinal), position, key%s", buffer_string(&cells));
    return copy(selection, "recipient",
                "main.recipient WHERE campaignd_chosen(ordinal) ORDER BY ordinal", recipient.data,
                error) != 0 ||
                   copy(selection, "member",
                        "main.member WHERE campaignd_chosen(ordinal) ORDER BY ordinal, position",
                        member.data, error) != 0 ||
                   copy(selection, "skipped",
                        "main.skipped WHERE campaignd_chosen(ordinal) ORDER BY step, ordinal",
                        "step, campaignd_placed(ordinal), reason", error) != 0 ||
                   copy(selection, "left_out",
                        "main.recipient AS r\n"
                        "LEFT JOIN temp.verdict AS v ON v.ordinal = r.ordinal\n"
                        "WHERE campaignd_reason(r.ordinal) IS NOT NULL\n"
                        "ORDER BY r.ordinal",
                        "r.key, campaignd_reason(r.ordinal), coalesce(v.detail, '')", error) != 0 ||
                   copy(selection, "detail_group", "main.detail_group", "*", error) != 0 ||
                   copy(selection, "detail_field", "main.detail_field", "*", error) != 0 ||
                   copy(selection, "meta", "main.meta WHERE key = 'format'", "*", error) != 0
               ? -1
               : 0;
}

/* ---- the whole ---- */

static int sync_and_rename(const char *from, const char *to, struct error *error)
{
    FREE_CLEAN char *folder = memory_text(to);
    FD_CLEAN int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || fchmod(fd, 0440) != 0)
        return error_errno(error, errno, "cannot write %s", from);
    if (rename(from, to) != 0)
        return error_errno(error, errno, "cannot rename %s to %s", from, to);
    return file_sync_folder(dirname(folder), error);
}

static int finish_in_place(const struct finish *finish, struct selection *selection,
                           const struct details *details, struct error *error)
{
    struct fetched *fetched = selection_fetched(selection);
    selection_place(selection);
    if (put_about(finish, selection, "main", error) != 0 ||
        details_put(details, selection, "main", error) != 0 ||
        rows_create_indexes(fetched->db, fetched->ascending, error) != 0)
        return -1;
    return sql_run(fetched->db, "COMMIT", error);
}

static int attach(sqlite3 *db, const char *path, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *attach =
        sql_run(db, "COMMIT", error) == 0 ? sql_prepare(db, "ATTACH ?1 AS final", error) : NULL;
    if (!attach)
        return -1;
    sql_bind_text(attach, 1, path);
    return sql_done(attach, error) != 0
               ? -1
               : sql_run(
                     db,
                     "PRAGMA final.page_size = 8192; PRAGMA final.journal_mode = OFF; "
                     "PRAGMA final.synchronous = OFF; PRAGMA final.locking_mode = EXCLUSIVE; BEGIN",
                     error);
}

static int index_copy(const char *path, bool ascending, struct error *error)
{
    SQL_CLEAN sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return sql_error(db, error, "make the run's rows");
    return sql_run(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", error) != 0 ||
                   rows_create_indexes(db, ascending, error) != 0
               ? -1
               : 0;
}

static int finish_by_copy(const struct finish *finish, struct selection *selection,
                          const struct details *details, const char *path, struct error *error)
{
    struct fetched *fetched = selection_fetched(selection);
    selection_place(selection);
    return attach(fetched->db, path, error) != 0 || make_tables(fetched->db, error) != 0 ||
                   copy_all(selection, error) != 0 ||
                   put_about(finish, selection, "final", error) != 0 ||
                   details_put(details, selection, "final", error) != 0 ||
                   sql_run(fetched->db, "COMMIT; DETACH final", error) != 0
               ? -1
               : index_copy(path, fetched->ascending, error);
}

int finish_file(const struct finish *finish, struct selection *selection,
                const struct details *details, struct error *error)
{
    bool whole = selection_left_out(selection) == 0;
    FREE_CLEAN char *copy = memory_format("%s.new", finish->path);
    unlink(copy);
    int result = whole ? finish_in_place(finish, selection, details, error)
                       : finish_by_copy(finish, selection, details, copy, error);
    if (result == 0)
        result = sync_and_rename(whole ? finish->raw : copy, finish->path, error);
    if (!whole || result != 0)
        unlink(finish->raw);
    if (result != 0)
        unlink(copy);
    return result;
}
