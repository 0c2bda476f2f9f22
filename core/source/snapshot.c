#include "source/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/details.h"
#include "source/fetch.h"
#include "source/finish.h"
#include "source/selection.h"
#include "source/sets.h"
#include "source/units.h"
#include "store/sql.h"

/* ---- fetching and choosing ---- */

struct taking {
    struct reading *reading;
    char *raw; /* the fetched file; "": in memory */
    struct fetched fetched;
    struct selection *selection;
    struct details details;
};

static const json_t *campaign_of(const struct reading *reading)
{
    return json_object_get(reading->definition, "campaign");
}

/* The file that is fetched into: beside the one that is wanted. */
static char *raw_path(const struct reading *reading)
{
    const char *out = reading_text(reading->request, "out");
    return *out ? memory_format("%s.tmp", out) : memory_text("");
}

/* Is what was fetched still to be removed? A file that has become another is gone by itself. */
static void forget(struct taking *taking)
{
    selection_free(taking->selection);
    fetch_close(&taking->fetched);
    if (taking->raw && *taking->raw)
        unlink(taking->raw);
    memory_cleanup(&taking->raw);
}
#define TAKING_CLEAN __attribute__((cleanup(forget)))

/* `options`: without max_rows. `source`: prepared, or NULL (then its error is the answer). */
static int fetch(struct taking *taking, struct source *source, struct fetch_options options,
                 struct error *error)
{
    const struct reading *reading = taking->reading;
    taking->raw = raw_path(reading);
    if (*taking->raw)
        unlink(taking->raw);
    options.max_rows = reading_max_rows(reading, reading_main_query(reading));
    return source ? fetch_rows(&taking->fetched, taking->raw, source, reading_group(reading),
                               &options, error)
                  : -1;
}

static int fetch_all(struct taking *taking, struct error *error)
{
    struct reading *reading = taking->reading;
    struct source *source =
        reading_query(reading, reading_main_query(reading), reading_group(reading), error);
    return fetch(taking, source, (struct fetch_options){0}, error);
}

static int begin_selection(struct taking *taking, struct error *error)
{
    const struct reading *reading = taking->reading;
    taking->selection = selection_new(&taking->fetched, reading->definition,
                                      reading_text(reading->request, "suppression"), error);
    return taking->selection ? 0 : -1;
}

/* The rules up to duplicates. */
static int judge(struct taking *taking, const char *sets_schema, struct error *error)
{
    if (begin_selection(taking, error) != 0)
        return -1;
    sets_use(taking->reading, taking->selection, sets_schema);
    return selection_judge(taking->selection, error);
}

static int judge_with_sets(struct taking *taking, struct error *error)
{
    return sets_fetch(taking->reading, taking->fetched.db, "temp", error) != 0
               ? -1
               : judge(taking, "temp", error);
}

static int join(struct taking *taking, struct error *error)
{
    return selection_find_duplicates(taking->selection, error) != 0
               ? -1
               : units_join(taking->selection, taking->reading->definition, error);
}

static int sample(struct taking *taking, struct error *error)
{
    const struct reading *reading = taking->reading;
    return selection_sample(taking->selection, reading_text(reading->request, "uuid"),
                            reading_integer(campaign_of(reading), "sample", -1), error);
}

static int choose(struct taking *taking, struct error *error)
{
    return judge_with_sets(taking, error) != 0 || join(taking, error) != 0 ||
                   details_fetch(&taking->details, taking->reading, taking->selection, NULL,
                                 error) != 0
               ? -1
               : sample(taking, error);
}

static int finish(struct taking *taking, struct error *error)
{
    const struct reading *reading = taking->reading;
    const struct finish as = {
        .raw = taking->raw,
        .path = reading_text(reading->request, "out"),
        .definition = (json_t *)reading->definition,
        .uuid = reading_text(reading->request, "uuid"),
        .run = reading_integer(reading->request, "run", 0),
    };
    return finish_file(&as, taking->selection, &taking->details, error);
}

static json_t *totals(const struct taking *taking)
{
    return json_pack("{s:b, s:I, s:o, s:o, s:O}", "ok", 1, "recipients",
                     (json_int_t)selection_recipients(taking->selection), "left_out",
                     selection_counts(taking->selection), "steps",
                     selection_skipped(taking->selection), "columns", taking->fetched.columns);
}

json_t *snapshot_take(struct reading *reading, struct error *error)
{
    TAKING_CLEAN struct taking taking = {.reading = reading};
    if (fetch_all(&taking, error) != 0 || choose(&taking, error) != 0 ||
        finish(&taking, error) != 0)
        return NULL;
    return totals(&taking);
}

json_t *snapshot_count(struct reading *reading, struct error *error)
{
    TAKING_CLEAN struct taking taking = {.reading = reading};
    if (fetch_all(&taking, error) != 0 || choose(&taking, error) != 0)
        return NULL;
    return totals(&taking);
}

/* ---- one, for a preview ---- */

static int nobody(const char *key, struct error *error)
{
    return *key ? error_say(error, ERROR_NOT_FOUND,
                            "the query delivers no recipient with the key »%s«",
                            "Die Abfrage liefert keinen Empfänger mit dem Schlüssel »%s«.", key)
                : error_say(error, ERROR_NOT_FOUND, "the query delivers no recipients",
                            "Die Abfrage liefert keine Empfänger.");
}

static int leave_all_but(struct taking *taking, int64_t head, struct error *error)
{
    for (int64_t ordinal = 1; ordinal <= taking->fetched.rows; ordinal++)
        if (ordinal != head &&
            selection_leave_out(taking->selection, ordinal, REASON_NOT_ASKED_FOR, "", error) != 0)
            return -1;
    return 0;
}

static int64_t first_recipient(const struct taking *taking)
{
    for (int64_t ordinal = 1; ordinal <= taking->fetched.rows; ordinal++)
        if (selection_has(taking->selection, ordinal))
            return ordinal;
    return 0;
}

/* With those who share the unit: all have to be read. 1 done, 0 nobody stands for him, -1. */
static int take_unit(struct taking *taking, const char *key, struct error *error)
{
    if (fetch_all(taking, error) != 0 || judge_with_sets(taking, error) != 0 ||
        join(taking, error) != 0)
        return -1;
    int64_t head = *key ? units_head(taking->selection, key, error) : first_recipient(taking);
    if (head <= 0)
        return (int)head;
    if (leave_all_but(taking, head, error) != 0 ||
        details_fetch(&taking->details, taking->reading, taking->selection, NULL, error) != 0)
        return -1;
    return finish(taking, error) == 0 ? 1 : -1;
}

/* Alone, whatever the rules say of him. */
static int take_single(struct taking *taking, const char *key, struct error *error)
{
    struct reading *reading = taking->reading;
    const json_t *query = reading_main_query(reading), *group = reading_group(reading);
    json_t *keys = json_pack("[s]", key);
    struct source *source = *key ? reading_query_keys(reading, query, group, keys, error)
                                 : reading_query(reading, query, group, error);
    json_decref(keys);
    if (fetch(taking, source, (struct fetch_options){.only_key = key}, error) != 0)
        return -1;
    if (!taking->fetched.rows)
        return nobody(key, error);
    BUFFER_CLEAN struct buffer found = {0};
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(taking->fetched.db, "SELECT key FROM main.recipient", error);
    if (!row || sql_row(row, error) != 1)
        return -1;
    buffer_text(&found, sql_text(row, 0));
    sqlite3_reset(row);
    if (begin_selection(taking, error) != 0 ||
        details_fetch(&taking->details, reading, taking->selection, buffer_string(&found), error) !=
            0)
        return -1;
    return finish(taking, error);
}

json_t *snapshot_one(struct reading *reading, struct error *error)
{
    const char *key = reading_text(reading->request, "key");
    const char *unit = reading_text(campaign_of(reading), "unit");
    bool alone = !*unit || strcmp(unit, "key") == 0;
    if (!alone) {
        TAKING_CLEAN struct taking taking = {.reading = reading};
        int taken = take_unit(&taking, key, error);
        if (taken != 0)
            return taken > 0 ? totals(&taking) : NULL;
    }
    TAKING_CLEAN struct taking taking = {.reading = reading};
    return take_single(&taking, key, error) == 0 ? totals(&taking) : NULL;
}

/* ---- fetch and select, for a count that follows what somebody types ---- */

json_t *snapshot_fetch(struct reading *reading, struct error *error)
{
    const char *out = reading_text(reading->request, "out");
    TAKING_CLEAN struct taking taking = {.reading = reading};
    if (fetch_all(&taking, error) != 0 ||
        sets_fetch(reading, taking.fetched.db, "main", error) != 0 ||
        fetch_keep(&taking.fetched, error) != 0)
        return NULL;
    if (rename(taking.raw, out) != 0) {
        error_errno(error, errno, "cannot rename %s to %s", taking.raw, out);
        return NULL;
    }
    return json_pack("{s:b, s:I, s:O}", "ok", 1, "rows", (json_int_t)taking.fetched.rows, "columns",
                     taking.fetched.columns);
}

json_t *snapshot_value_json(const struct source_value *value)
{
    BUFFER_CLEAN struct buffer encoded = {0};
    switch (value->type) {
    case SQLITE_NULL:
        return json_null();
    case SQLITE_INTEGER:
        return json_integer(value->integer);
    case SQLITE_FLOAT: {
        json_t *real = json_real(value->real);
        return real ? real : json_null(); /* what is no number in JSON: infinity */
    }
    case SQLITE_TEXT:
        if (source_value_is_text(value))
            return json_stringn_nocheck(value->text, value->length);
        __attribute__((fallthrough));
    default:
        text_base64(&encoded, value->text, value->length);
        return json_pack("{s:s}", "base64", buffer_string(&encoded));
    }
}

static struct source_value cell_of(sqlite3_stmt *row, int column)
{
    struct source_value value = {.type = sqlite3_column_type(row, column)};
    if (value.type == SQLITE_INTEGER)
        value.integer = sqlite3_column_int64(row, column);
    else if (value.type == SQLITE_FLOAT)
        value.real = sqlite3_column_double(row, column);
    else if (value.type != SQLITE_NULL) {
        const char *bytes = sqlite3_column_blob(row, column);
        value.text = bytes ? bytes : "";
        value.length = (size_t)sqlite3_column_bytes(row, column);
    }
    return value;
}

static json_t *rows_json(sqlite3_stmt *row, int columns, struct error *error)
{
    json_t *rows = json_array();
    int more;
    while ((more = sql_row(row, error)) > 0) {
        json_t *cells = json_array();
        for (int i = 0; i < columns; i++) {
            struct source_value value = cell_of(row, i);
            json_array_append_new(cells, snapshot_value_json(&value));
        }
        json_array_append_new(rows, cells);
    }
    if (more == 0)
        return rows;
    json_decref(rows);
    return NULL;
}

/* The columns of those who are recipients, in their order. `limit` -1: of all. */
static sqlite3_stmt *prepare_recipients(const struct taking *taking, int64_t limit,
                                        struct error *error)
{
    int columns = (int)json_array_size(taking->fetched.columns);
    BUFFER_CLEAN struct buffer sql = {0};
    buffer_text(&sql, "SELECT ");
    for (int i = 0; i < columns; i++)
        buffer_printf(&sql, "%sc%d", i ? ", " : "", i);
    buffer_printf(&sql,
                  " FROM main.recipient WHERE campaignd_chosen(ordinal) ORDER BY ordinal LIMIT "
                  "%lld",
                  (long long)limit);
    return sql_prepare(taking->fetched.db, buffer_string(&sql), error);
}

static json_t *first_recipients(const struct taking *taking, int64_t limit, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *row = prepare_recipients(taking, limit, error);
    return row ? rows_json(row, (int)json_array_size(taking->fetched.columns), error) : NULL;
}

static json_t *first_left_out(const struct taking *taking, int64_t limit, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(taking->fetched.db,
                    "SELECT r.key, campaignd_reason(r.ordinal), coalesce(v.detail, '')\n"
                    "FROM main.recipient AS r\n"
                    "LEFT JOIN temp.verdict AS v ON v.ordinal = r.ordinal\n"
                    "WHERE campaignd_reason(r.ordinal) IS NOT NULL\n"
                    "ORDER BY r.ordinal\n"
                    "LIMIT ?1",
                    error);
    json_t *rows = json_array();
    int more = -1;
    if (row)
        sqlite3_bind_int64(row, 1, selection_left_out(taking->selection) ? limit : 0);
    while (row && (more = sql_row(row, error)) > 0)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "key", sql_text(row, 0), "reason",
                                              sql_text(row, 1), "detail", sql_text(row, 2)));
    if (more == 0)
        return rows;
    json_decref(rows);
    return NULL;
}

/* The keys that were taken in or out and are no row's: somebody has mistaken one. Without picks the
 * tables are not there; the rows are walked once. */
static json_t *unknown_picks(const struct taking *taking, struct error *error)
{
    const json_t *picks = json_object_get(taking->reading->definition, "picks");
    json_t *unknown = json_array();
    if (!json_array_size(json_object_get(picks, "in")) &&
        !json_array_size(json_object_get(picks, "out")))
        return unknown;
    STATEMENT_CLEAN sqlite3_stmt *row = sql_prepare(taking->fetched.db,
                                                    "SELECT key FROM temp.pick_in\n"
                                                    "UNION\n"
                                                    "SELECT key FROM temp.pick_out\n"
                                                    "EXCEPT\n"
                                                    "SELECT key FROM main.recipient",
                                                    error);
    int more = -1;
    while (row && (more = sql_row(row, error)) > 0)
        json_array_append_new(unknown, json_string(sql_text(row, 0)));
    if (more == 0)
        return unknown;
    json_decref(unknown);
    return NULL;
}

json_t *snapshot_select(struct reading *reading, struct error *error)
{
    TAKING_CLEAN struct taking taking = {.reading = reading};
    sqlite3 **db = &taking.fetched.db;
    if (fetch_open(&taking.fetched, reading_text(reading->request, "raw"), reading_group(reading),
                   error) != 0)
        return NULL;
    bool kept = sets_kept(reading, *db, "main");
    if ((!kept && sets_fetch(reading, *db, "temp", error) != 0) ||
        judge(&taking, kept ? "main" : "temp", error) != 0 || join(&taking, error) != 0 ||
        sample(&taking, error) != 0)
        return NULL;
    json_t *rows = first_recipients(&taking, reading_limit(reading), error);
    json_t *left_out = rows ? first_left_out(&taking, reading_limit(reading), error) : NULL;
    json_t *unknown = left_out ? unknown_picks(&taking, error) : NULL;
    if (!unknown) {
        json_decref(rows);
        json_decref(left_out);
        return NULL;
    }
    json_t *answer = totals(&taking);
    json_object_set_new(answer, "unknown", unknown);
    json_object_set_new(answer, "rows", rows);
    json_object_set_new(answer, "left_out_rows", left_out);
    return answer;
}

/* ---- lists ---- */

/* JSON cannot hold two members of one name. */
static int check_names(const json_t *columns, struct error *error)
{
    json_t *seen = json_object(), *column;
    const char *twice = NULL;
    size_t index;
    json_array_foreach((json_t *)columns, index, column) {
        const char *name = reading_text(column, "name");
        if (json_object_get(seen, name))
            twice = name;
        json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
    if (!twice)
        return 0;
    return error_say(error, ERROR_INPUT,
                     "two columns of the query are called »%s«; name one of them otherwise with "
                     "AS, or choose CSV",
                     "Zwei Spalten der Abfrage heißen »%s«; eine davon mit AS anders benennen "
                     "oder CSV wählen.",
                     twice);
}

struct listing *snapshot_begin_list(const struct reading *reading, int fd, const json_t *columns,
                                    struct error *error)
{
    struct listing_options options;
    if (listing_read_options(reading->request, &options, error) != 0 ||
        (options.format == LISTING_JSON_LINES && check_names(columns, error) != 0))
        return NULL;
    unsigned count = (unsigned)json_array_size(columns);
    struct listing_column *as = memory_array(count + 1, sizeof *as);
    for (unsigned i = 0; i < count; i++) {
        const json_t *column = json_array_get(columns, i);
        as[i] = (struct listing_column){reading_text(column, "name"),
                                        source_type_named(reading_text(column, "type"))};
    }
    struct listing *listing = listing_new(fd, &options, as, count);
    free(as);
    return listing;
}

static int list_recipients(const struct taking *taking, struct listing *listing,
                           struct error *error)
{
    int columns = (int)json_array_size(taking->fetched.columns), more = -1;
    STATEMENT_CLEAN sqlite3_stmt *row = prepare_recipients(taking, -1, error);
    struct source_value *values = memory_array((size_t)columns + 1, sizeof *values);
    while (row && (more = sql_row(row, error)) > 0) {
        for (int i = 0; i < columns; i++)
            values[i] = cell_of(row, i);
        if (listing_row(listing, values, error) != 0) {
            more = -1;
            break;
        }
    }
    free(values);
    return more < 0 ? -1 : listing_end(listing, error);
}

json_t *snapshot_list(struct reading *reading, int fd, struct error *error)
{
    TAKING_CLEAN struct taking taking = {.reading = reading};
    if (fetch_all(&taking, error) != 0 || choose(&taking, error) != 0)
        return NULL;
    struct listing *listing = snapshot_begin_list(reading, fd, taking.fetched.columns, error);
    int result = listing ? list_recipients(&taking, listing, error) : -1;
    listing_free(listing);
    return result == 0 ? json_pack("{s:b, s:I}", "ok", 1, "rows",
                                   (json_int_t)selection_recipients(taking.selection))
                       : NULL;
}

/* ---- recheck ---- */

static void add_gone(json_t *gone, const char *key, const char *reason, const char *detail)
{
    FREE_CLEAN char *text = *detail ? memory_format("%s: %s", reason, detail) : memory_text(reason);
    json_array_append_new(gone, json_pack("{s:s, s:s}", "key", key, "reason", text));
}

/* Objections and consent, which came up since, keep a single step. */
static int is_step_withheld(sqlite3 *db, int64_t ordinal, int64_t step, json_t *gone,
                            const char *key, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(db,
                    "SELECT reason FROM main.skipped\n"
                    "WHERE step = ?1 AND ordinal = ?2\n"
                    "    AND (reason = 'no consent' OR reason GLOB 'suppressed*')",
                    error);
    if (!row)
        return -1;
    sqlite3_bind_int64(row, 1, step);
    sqlite3_bind_int64(row, 2, ordinal);
    int found = sql_row(row, error);
    if (found > 0)
        add_gone(gone, key, sql_text(row, 0), "");
    return found < 0 ? -1 : 0;
}

static int recheck_key(struct taking *taking, sqlite3_stmt *row, const char *key, int64_t step,
                       json_t *gone, struct error *error)
{
    int64_t last = 0;
    int more;
    sql_bind_text(row, 1, key);
    while ((more = sql_row(row, error)) > 0) {
        last = sqlite3_column_int64(row, 0);
        if (!selection_has(taking->selection, last))
            continue;
        sqlite3_reset(row);
        return is_step_withheld(taking->fetched.db, last, step, gone, key, error);
    }
    if (more < 0)
        return -1;
    if (last)
        add_gone(gone, key, reason_name(selection_reason(taking->selection, last)),
                 selection_detail(taking->selection, last));
    else
        add_gone(gone, key, "not in the query any more", "");
    return 0;
}

static int recheck_keys(struct taking *taking, const json_t *keys, int64_t step, json_t *gone,
                        struct error *error)
{
    size_t index;
    json_t *key;
    if (sql_run(taking->fetched.db, "CREATE INDEX IF NOT EXISTS recipient_key ON recipient (key)",
                error) != 0)
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *row =
        sql_prepare(taking->fetched.db,
                    "SELECT ordinal FROM main.recipient WHERE key = ?1 ORDER BY ordinal", error);
    json_array_foreach((json_t *)keys, index, key)
        if (!row || (json_is_string(key) &&
                     recheck_key(taking, row, json_string_value(key), step, gone, error) != 0))
            return -1;
    return 0;
}

/* A hash of the keys: where a source cannot look for them, all its rows come by. */
static json_t *wanted_keys(const json_t *keys)
{
    json_t *wanted = json_object(), *key;
    size_t index;
    json_array_foreach((json_t *)keys, index, key)
        if (json_is_string(key))
            json_object_set_new(wanted, json_string_value(key), json_true());
    return wanted;
}

json_t *snapshot_recheck(struct reading *reading, struct error *error)
{
    TAKING_CLEAN struct taking taking = {.reading = reading};
    json_t *keys = json_object_get(reading->request, "keys"), *gone = json_array();
    json_t *wanted = wanted_keys(keys);
    struct source *source = reading_query_keys(reading, reading_main_query(reading),
                                               reading_group(reading), keys, error);
    int result = fetch(&taking, source, (struct fetch_options){.only = wanted}, error);
    if (result == 0)
        result = judge_with_sets(&taking, error);
    if (result == 0)
        result =
            recheck_keys(&taking, keys, reading_integer(reading->request, "step", 0), gone, error);
    json_decref(wanted);
    if (result == 0)
        return json_pack("{s:b, s:o}", "ok", 1, "gone", gone);
    json_decref(gone);
    return NULL;
}
