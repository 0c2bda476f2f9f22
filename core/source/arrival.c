#include "source/arrival.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/sql.h"

struct arrival_table {
    sqlite3_vtab base;
    struct arrival *arrival;
};

/* ---- keys ---- */

static bool is_line(const char *text, size_t length)
{
    bool ascii = true;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
        ascii &= (unsigned char)text[i] < 0x80;
    }
    return ascii || text_is_utf8(text, length);
}

static void put_integer(struct buffer *text, int64_t number)
{
    char digits[24];
    char *first = digits + sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do
        *--first = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--first = '-';
    buffer_append(text, first, (size_t)(digits + sizeof digits - first));
}

static void put_key(struct buffer *text, const struct source_value *value)
{
    switch (value->type) {
    case SQLITE_INTEGER:
        put_integer(text, value->integer);
        break;
    case SQLITE_FLOAT:
        buffer_printf(text, "%.15g", value->real);
        break;
    case SQLITE_TEXT:
        if (value->length <= ARRIVAL_KEY_MAX && is_line(value->text, value->length))
            buffer_append(text, value->text, value->length);
        break;
    case SQLITE_BLOB:
        if (value->length * 2 <= ARRIVAL_KEY_MAX && value->length)
            text_hex(buffer_extend(text, 2 * value->length), value->text, value->length);
        break;
    default:
        break;
    }
}

const char *arrival_key(struct arrival *arrival)
{
    struct source_value value;
    source_value(arrival->source, (unsigned)arrival->key, &value);
    buffer_clear(&arrival->key_text);
    put_key(&arrival->key_text, &value);
    if (!arrival->key_text.size)
        arrival->keyless++;
    else if (value.type != SQLITE_INTEGER || value.integer <= arrival->last_key)
        arrival->ascending = false;
    else
        arrival->last_key = value.integer;
    return buffer_string(&arrival->key_text);
}

/* ---- the virtual table ---- */

static int on_connect(sqlite3 *db, void *context, int count, const char *const *arguments,
                      sqlite3_vtab **made, char **message)
{
    struct arrival *arrival = context;
    struct arrival_table *table = memory_new(sizeof *table);
    BUFFER_CLEAN struct buffer sql = {0};
    (void)count, (void)arguments, (void)message;
    buffer_text(&sql, "CREATE TABLE arrival(key");
    for (unsigned i = 0; i < source_columns(arrival->source); i++)
        buffer_printf(&sql, ", c%u", i);
    buffer_char(&sql, ')');
    table->arrival = arrival;
    *made = &table->base;
    return sqlite3_declare_vtab(db, buffer_string(&sql));
}

static int on_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

static int on_plan(sqlite3_vtab *table, sqlite3_index_info *plan)
{
    (void)table;
    plan->estimatedCost = 1e6;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
    (void)table;
    *cursor = memory_new(sizeof **cursor);
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static struct arrival *arrival_of(const sqlite3_vtab_cursor *cursor)
{
    return ((struct arrival_table *)cursor->pVtab)->arrival;
}

int arrival_too_many(int64_t max_rows, struct error *error)
{
    return error_say(error, ERROR_INPUT,
                     "the query delivers more than max_rows (%lld) rows; narrow it, or raise "
                     "max_rows of its source",
                     "Die Abfrage liefert mehr als max_rows (%lld) Zeilen; sie enger fassen oder "
                     "max_rows ihrer Datenquelle anheben.",
                     (long long)max_rows);
}

static bool is_wanted(const struct arrival *arrival, const char *key)
{
    if (arrival->only)
        return *key && json_object_get(arrival->only, key);
    return !arrival->only_key ||
           (*key && (!*arrival->only_key || strcmp(key, arrival->only_key) == 0));
}

/* Go to the next row that is wanted: 0 (or `over`), -1. */
static int advance(struct arrival *arrival)
{
    bool found = arrival->only_key && arrival->key_text.size;
    while (!arrival->over) {
        int more = found ? 0 : source_next(arrival->source, arrival->error);
        if (more < 0)
            return -1;
        if (!more) {
            arrival->over = true;
            break;
        }
        if (++arrival->rows > arrival->max_rows)
            return arrival_too_many(arrival->max_rows, arrival->error);
        if (is_wanted(arrival, arrival_key(arrival)))
            break;
        buffer_clear(&arrival->key_text);
    }
    return 0;
}

static int on_next(sqlite3_vtab_cursor *cursor)
{
    return advance(arrival_of(cursor)) == 0 ? SQLITE_OK : SQLITE_ERROR;
}

static int on_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int count,
                     sqlite3_value **values)
{
    const struct arrival *arrival = arrival_of(cursor);
    (void)plan, (void)text, (void)count, (void)values;
    if (!arrival->only_key)
        source_read_ahead(arrival->source);
    return on_next(cursor);
}

static int on_end(sqlite3_vtab_cursor *cursor)
{
    return arrival_of(cursor)->over;
}

/* The source's bytes stay where they are until its next row: SQLite has written them by then. */
static int on_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
    struct arrival *arrival = arrival_of(cursor);
    struct source_value value;
    if (column == 0) {
        sqlite3_result_text(context, buffer_string(&arrival->key_text), (int)arrival->key_text.size,
                            SQLITE_STATIC);
        return SQLITE_OK;
    }
    source_value(arrival->source, (unsigned)column - 1, &value);
    switch (value.type) {
    case SQLITE_INTEGER:
        sqlite3_result_int64(context, value.integer);
        break;
    case SQLITE_FLOAT:
        sqlite3_result_double(context, value.real);
        break;
    case SQLITE_TEXT:
        sqlite3_result_text64(context, value.text, value.length, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case SQLITE_BLOB:
        sqlite3_result_blob64(context, value.length ? value.text : "", value.length, SQLITE_STATIC);
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *row)
{
    *row = arrival_of(cursor)->rows;
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect = on_connect,
    .xBestIndex = on_plan,
    .xDisconnect = on_disconnect,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_end,
    .xColumn = on_column,
    .xRowid = on_rowid,
};

int arrival_attach(struct arrival *arrival, sqlite3 *db, struct error *error)
{
    arrival->ascending = true;
    arrival->last_key = INT64_MIN;
    arrival->error = error;
    /* One that was there before goes. */
    return sqlite3_create_module(db, "arrival", &module, arrival) == SQLITE_OK
               ? 0
               : sql_error(db, error, "read the source's rows");
}

void arrival_free(struct arrival *arrival)
{
    buffer_free(&arrival->key_text);
}
