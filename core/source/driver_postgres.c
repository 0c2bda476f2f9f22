/*
 * PostgreSQL, by libpq. All of a source's statements run in one transaction that is read only and
 * sees one state; all settings are local to it, so that a pooler between us gets back its
 * connection as it was.
 *
 * A query is prepared and described. Then it runs as COPY (query) TO STDOUT, if it has no values:
 * COPY knows none, and they are never written into SQL. Else it runs in single-row mode, which
 * delivers the same for more (0.85 against 0.48 s of processor for a million rows of 9 columns:
 * libpq makes a result, with copies of all columns' names, for each row). Either way rows come as
 * the server makes them, one is held here, and the server may plan as for any query (a cursor would
 * keep it from working in parallel; batches of FETCH were slower the larger they were). What waits
 * for the server waits no longer than the query's time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/driver.h"
#include "source/statement.h"

#define CONNECT_TIMEOUT "10" /* seconds a host, unless the connection says otherwise */
#define LOOK_MS 100          /* how often a wait for the server looks whether it is still wanted */
#define MARK "campaignd"     /* the savepoint to which each query goes back */

/* SQLSTATE */
#define QUERY_CANCELED "57014"
#define UNDEFINED_TABLE "42P01"
#define UNDEFINED_COLUMN "42703"

/* ---- libpq, opened by the first source that needs it: pg.exec is PQexec ---- */

#define LIBPQ_FUNCTIONS(X)                                                                         \
    X(connectdbParams)                                                                             \
    X(status)                                                                                      \
    X(errorMessage)                                                                                \
    X(finish)                                                                                      \
    X(socket)                                                                                      \
    X(setNoticeReceiver)                                                                           \
    X(exec)                                                                                        \
    X(execParams)                                                                                  \
    X(prepare)                                                                                     \
    X(describePrepared)                                                                            \
    X(sendQueryPrepared)                                                                           \
    X(sendQuery)                                                                                   \
    X(setSingleRowMode)                                                                            \
    X(getCopyData)                                                                                 \
    X(freemem)                                                                                     \
    X(consumeInput)                                                                                \
    X(isBusy)                                                                                      \
    X(getResult)                                                                                   \
    X(getCancel)                                                                                   \
    X(cancel)                                                                                      \
    X(freeCancel)                                                                                  \
    X(resultStatus)                                                                                \
    X(resultErrorField)                                                                            \
    X(ntuples)                                                                                     \
    X(nfields)                                                                                     \
    X(fname)                                                                                       \
    X(ftype)                                                                                       \
    X(getvalue)                                                                                    \
    X(getlength)                                                                                   \
    X(getisnull)                                                                                   \
    X(clear)

static struct {
#define LIBPQ_MEMBER(name) __typeof__(PQ##name) *name;
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
} pg;

static int load_libpq(struct error *error)
{
    static void *library;
    if (library)
        return 0;
    library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(error, ERROR_SYSTEM,
                         "libpq cannot be loaded (%s); install the package libpq5", dlerror());
#define LIBPQ_FIND(name)                                                                           \
    if (!(pg.name = (__typeof__(pg.name))dlsym(library, "PQ" #name)))                              \
        return error_set(error, ERROR_SYSTEM, "libpq has no %s; install a newer libpq5",           \
                         "PQ" #name);
    LIBPQ_FUNCTIONS(LIBPQ_FIND)
#undef LIBPQ_FIND
    return 0;
}

/* ---- state ---- */

/* How a column's text becomes a value. */
enum conversion {
    AS_TEXT,
    AS_PADDED_TEXT, /* char(n): without the blanks at its end */
    AS_INTEGER,
    AS_REAL,
    AS_BOOLEAN,
    AS_MONEY,
    AS_ZONED, /* "…+00" → "…Z" */
    AS_BYTES,
};

struct postgres_column {
    enum conversion conversion;
    struct buffer scratch; /* a value that is not as the server sends it; made on demand */
};

/* A column of a line of COPY; `text` NULL: null. */
struct postgres_cell {
    char *text;
    size_t length;
};

struct postgres_state {
    PGconn *connection;
    struct postgres_column *columns;
    struct postgres_cell *cells; /* of `line` */
    unsigned column_count;
    char **values; /* of the query's placeholders, as text; NULL: null */
    size_t value_count;
    struct buffer copy; /* COPY …; empty: the query has values */
    bool is_sent;       /* the query runs: results are to be got until there are none */
    bool is_copying;    /* and before them, lines */
    PGresult *row;      /* the present one, or */
    char *line;         /* as COPY writes it, taken apart */
};

static struct postgres_state *state_of(const struct source *source)
{
    return source->state;
}

/* ---- what went wrong ---- */

/* On one line, without a newline at its end. */
static void one_line(char *text)
{
    char *out = text;
    for (const char *c = text; *c; c++)
        if (*c != '\n' && *c != '\r' && *c != '\t')
            *out++ = *c;
        else if (out > text && out[-1] != ' ' && c[1])
            *out++ = ' ';
    while (out > text && out[-1] == ' ')
        out--;
    *out = '\0';
}

static const char *field(const PGresult *result, int code)
{
    const char *text = result ? pg.resultErrorField(result, code) : NULL;
    return text ? text : "";
}

/* What the server says, or if it says nothing more, libpq. The caller frees. */
static char *message_of(const struct source *source, const PGresult *result)
{
    const char *primary = field(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = field(result, PG_DIAG_MESSAGE_HINT);
    char *message = !*primary ? memory_text(pg.errorMessage(state_of(source)->connection))
                    : *hint   ? memory_format("%s. %s", primary, hint)
                              : memory_text(primary);
    one_line(message);
    return message;
}

static bool is_lost(const struct source *source, const PGresult *result)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);
    return pg.status(state_of(source)->connection) == CONNECTION_BAD || text_starts(state, "57P") ||
           text_starts(state, "08");
}

/* That reading failed: too slow, the connection is lost, or what the server says. Returns -1. */
static int reading_failed(struct source *source, const PGresult *result, struct error *error)
{
    if (strcmp(field(result, PG_DIAG_SQLSTATE), QUERY_CANCELED) == 0)
        return source_too_slow(source, error);
    FREE_CLEAN char *message = message_of(source, result);
    if (is_lost(source, result))
        return error_say(error, ERROR_INPUT,
                         "source »%s«: the connection to its server was lost while it was read "
                         "(%s); try again when the server is there",
                         "Datenquelle »%s«: die Verbindung zu ihrem Server ging beim Lesen "
                         "verloren (%s); nochmals versuchen, wenn der Server da ist.",
                         source->name, message);
    return error_say(error, ERROR_INPUT, "source »%s«: the query failed: %s",
                     "Datenquelle »%s«: die Abfrage ist gescheitert: %s", source->name, message);
}

/* The position counts characters, from 1; offsets count bytes. */
static size_t offset_of(const char *sql, const char *position)
{
    int64_t characters;
    if (text_to_int64(position, &characters) != 0 || characters < 1)
        return STATEMENT_NOWHERE;
    const char *c = sql;
    while (*c && --characters > 0)
        for (c++; (*c & 0xC0) == 0x80;)
            c++;
    return (size_t)(c - sql);
}

/* »column "nmae" does not exist«, »relation "custmers" does not exist«: what is in quotes, or up to
 * a blank: »column p.nmae does not exist«. */
static char *missing_name(const char *message)
{
    const char *begin = strchr(message, ' ');
    if (!begin)
        return NULL;
    begin++;
    return *begin == '"' ? memory_text_n(begin + 1, strcspn(begin + 1, "\""))
                         : memory_text_n(begin, strcspn(begin, " "));
}

/* ---- statements of our own ---- */

static void forget_row(struct postgres_state *state)
{
    pg.clear(state->row);
    state->row = NULL;
    pg.freemem(state->line);
    state->line = NULL;
}

/* Run statements that deliver nothing. */
static int run_plain(struct source *source, const char *sql, struct error *error)
{
    PGresult *result = pg.exec(state_of(source)->connection, sql);
    int failed = pg.resultStatus(result) != PGRES_COMMAND_OK;
    if (failed)
        reading_failed(source, result, error);
    pg.clear(result);
    return failed ? -1 : 0;
}

/* ---- opening ---- */

/* The server's notices are for psql. */
static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context, (void)notice;
}

static int connect_server(struct source *source, const struct source_options *options,
                          struct error *error)
{
    struct postgres_state *state = state_of(source);
    bool has_password = options->password && *options->password;
    /* What stands before `dbname`, which is the whole connection string, is a default. */
    const char *const names[] = {"connect_timeout",
                                 "dbname",
                                 "client_encoding",
                                 "application_name",
                                 has_password ? "password" : NULL,
                                 NULL};
    const char *const values[] = {CONNECT_TIMEOUT,
                                  options->connection ? options->connection : "",
                                  "UTF8",
                                  "campaignd",
                                  options->password,
                                  NULL};
    state->connection = pg.connectdbParams(names, values, 1);
    if (pg.status(state->connection) == CONNECTION_OK)
        return 0;
    FREE_CLEAN char *message = memory_text(pg.errorMessage(state->connection));
    one_line(message);
    return error_say(error, ERROR_INPUT,
                     "source »%s«: cannot connect: %s; check its connection, its password, and "
                     "whether the server is there",
                     "Datenquelle »%s«: keine Verbindung: %s; prüfen, ob Verbindungsangaben und "
                     "Passwort stimmen und der Server läuft.",
                     source->name, message);
}

/* A table that nobody has changed comes in the same order each time (synchronize_seqscans off), not
 * from where somebody else's scan happens to be. */
static int begin_reading(struct source *source, struct error *error)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
             "SET LOCAL statement_timeout = %lld; "
             "SET LOCAL lock_timeout = 10000; "
             "SET LOCAL idle_in_transaction_session_timeout = 0; "
             "SET LOCAL standard_conforming_strings = on; "
             "SET LOCAL TimeZone = 'UTC'; "
             "SET LOCAL DateStyle = 'ISO'; "
             "SET LOCAL bytea_output = 'hex'; "
             "SET LOCAL lc_monetary = 'C'; "
             "SET LOCAL extra_float_digits = 1; "
             "SET LOCAL synchronize_seqscans = off; "
             "SAVEPOINT " MARK,
             (long long)(source->time_limit_us / 1000 + 1));
    return run_plain(source, sql, error);
}

static int open_postgres(struct source *source, const struct source_options *options,
                         struct error *error)
{
    struct postgres_state *state = memory_new(sizeof *state);
    source->state = state;
    source->dialect = DIALECT_POSTGRES;
    if (load_libpq(error) != 0)
        return error_prefix(error, "source »%s«: ", source->name);
    if (connect_server(source, options, error) != 0)
        return -1;
    pg.setNoticeReceiver(state->connection, ignore_notice, NULL);
    return begin_reading(source, error);
}

/* The server shall not work on for nobody. */
static void cancel_query(struct postgres_state *state)
{
    char ignored[256];
    PGcancel *cancel = pg.getCancel(state->connection);
    if (cancel)
        pg.cancel(cancel, ignored, sizeof ignored);
    pg.freeCancel(cancel);
}

static void forget_query(struct postgres_state *state)
{
    forget_row(state);
    for (unsigned i = 0; i < state->column_count; i++)
        buffer_free(&state->columns[i].scratch);
    free(state->columns);
    free(state->cells);
    buffer_free(&state->copy);
    for (size_t i = 0; i < state->value_count; i++)
        free(state->values[i]);
    free(state->values);
    state->columns = NULL;
    state->cells = NULL;
    state->values = NULL;
    state->column_count = 0;
    state->value_count = 0;
}

static void close_postgres(struct source *source)
{
    struct postgres_state *state = state_of(source);
    if (!state)
        return;
    if (state->connection) {
        forget_query(state);
        if (state->is_sent)
            cancel_query(state);
        pg.finish(state->connection);
    }
    free(state);
}

/* ---- preparing ---- */

/* The type of a column by the OID of its type, as in pg_type.dat; a domain has its base type's, and
 * all that is not here is text. */
static const struct {
    Oid oid;
    enum source_type type;
    enum conversion conversion;
} known_types[] = {
    {16, SOURCE_BOOLEAN, AS_BOOLEAN},    {17, SOURCE_BINARY, AS_BYTES},
    {20, SOURCE_INTEGER, AS_INTEGER},    {21, SOURCE_INTEGER, AS_INTEGER},
    {23, SOURCE_INTEGER, AS_INTEGER},    {26, SOURCE_INTEGER, AS_INTEGER},
    {700, SOURCE_REAL, AS_REAL},         {701, SOURCE_REAL, AS_REAL},
    {790, SOURCE_DECIMAL, AS_MONEY},     {1700, SOURCE_DECIMAL, AS_TEXT},
    {1042, SOURCE_TEXT, AS_PADDED_TEXT}, {1082, SOURCE_DATE, AS_TEXT},
    {1083, SOURCE_TIME, AS_TEXT},        {1114, SOURCE_TIMESTAMP, AS_TEXT},
    {1184, SOURCE_TIMESTAMP, AS_ZONED},
};

static size_t known_type(Oid oid)
{
    size_t i = 0;
    while (i < sizeof known_types / sizeof *known_types && known_types[i].oid != oid)
        i++;
    return i;
}

static enum source_type type_of(Oid oid)
{
    size_t i = known_type(oid);
    return i < sizeof known_types / sizeof *known_types ? known_types[i].type : SOURCE_TEXT;
}

static enum conversion conversion_of(Oid oid)
{
    size_t i = known_type(oid);
    return i < sizeof known_types / sizeof *known_types ? known_types[i].conversion : AS_TEXT;
}

/* A parameter as text, for the server to read as the type that it infers; NULL: null. */
static char *text_of_json(const json_t *value)
{
    char digits[TEXT_REAL_SIZE];
    switch (json_typeof(value)) {
    case JSON_STRING:
        return memory_text(json_string_value(value));
    case JSON_INTEGER:
        return memory_format("%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        text_real(digits, json_real_value(value));
        return memory_text(digits);
    case JSON_TRUE:
        return memory_text("true");
    case JSON_FALSE:
        return memory_text("false");
    default:
        return NULL;
    }
}

static int keep_values(struct source *source, const struct statement *statement,
                       const json_t *parameters, struct error *error)
{
    struct postgres_state *state = state_of(source);
    state->values = memory_array(statement->value_count + 1, sizeof *state->values);
    for (; state->value_count < statement->value_count; state->value_count++) {
        const char *name = statement->values[state->value_count];
        const json_t *value = source_parameter(parameters, name, error);
        if (!value)
            return -1;
        state->values[state->value_count] = text_of_json(value);
    }
    return 0;
}

/* The server did not take the statement. */
static int refuse_statement(struct source *source, const struct statement *statement,
                            const PGresult *result, struct error *error)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);
    bool is_column = strcmp(state, UNDEFINED_COLUMN) == 0;
    if (is_lost(source, result) || strcmp(state, QUERY_CANCELED) == 0)
        return reading_failed(source, result, error);
    FREE_CLEAN char *message = message_of(source, result);
    statement_wrong(statement, source->name, message,
                    offset_of(statement->sql, field(result, PG_DIAG_STATEMENT_POSITION)), error);
    if (*field(result, PG_DIAG_MESSAGE_HINT) || (!is_column && strcmp(state, UNDEFINED_TABLE) != 0))
        return -1;
    FREE_CLEAN char *name = missing_name(message);
    if (name)
        source_suggest(source, name, is_column, statement->original, error);
    return -1;
}

static int describe_columns(struct source *source, const PGresult *description, struct error *error)
{
    struct postgres_state *state = state_of(source);
    int count = pg.nfields(description);
    if (!count)
        return error_say(error, ERROR_INPUT,
                         "the query delivers no columns; name some in its SELECT",
                         "Die Abfrage liefert keine Spalten; im SELECT welche nennen.");
    state->columns = memory_array((size_t)count, sizeof *state->columns);
    state->cells = memory_array((size_t)count, sizeof *state->cells);
    state->column_count = (unsigned)count;
    for (int i = 0; i < count; i++) {
        state->columns[i].conversion = conversion_of(pg.ftype(description, i));
        source_add_column(source, pg.fname(description, i), type_of(pg.ftype(description, i)));
    }
    return 0;
}

/* Stop what runs, and take back what failed: the transaction is as it was after its beginning. */
static int go_back(struct source *source, struct error *error)
{
    struct postgres_state *state = state_of(source);
    PGresult *rest;
    forget_query(state);
    if (state->is_sent)
        cancel_query(state);
    while (state->is_copying && pg.getCopyData(state->connection, &state->line, 0) > 0)
        forget_row(state);
    while (state->is_sent && (rest = pg.getResult(state->connection)))
        pg.clear(rest);
    state->is_sent = state->is_copying = false;
    return run_plain(source, "ROLLBACK TO SAVEPOINT " MARK, error);
}

/* The server has parsed the statement: it is whole, and cannot end what is put around it. */
static void write_copy(struct buffer *copy, const char *sql)
{
    buffer_printf(copy, "COPY (%s\n) TO STDOUT", sql);
}

static int query_postgres(struct source *source, const char *sql, const json_t *parameters,
                          struct error *error)
{
    struct postgres_state *state = state_of(source);
    STATEMENT_FREE struct statement statement = {0};
    if (statement_read(&statement, sql, DIALECT_POSTGRES, error) != 0 ||
        go_back(source, error) != 0 || keep_values(source, &statement, parameters, error) != 0)
        return -1;
    PGresult *result = pg.prepare(state->connection, "", statement.sql, 0, NULL);
    if (pg.resultStatus(result) == PGRES_COMMAND_OK) {
        pg.clear(result);
        result = pg.describePrepared(state->connection, "");
    }
    int done = pg.resultStatus(result) == PGRES_COMMAND_OK
                   ? describe_columns(source, result, error)
                   : refuse_statement(source, &statement, result, error);
    pg.clear(result);
    if (!state->value_count)
        write_copy(&state->copy, statement.sql);
    return done;
}

/* ---- rows ---- */

static int send_query(struct source *source, struct error *error)
{
    struct postgres_state *state = state_of(source);
    int sent = state->copy.size
                   ? pg.sendQuery(state->connection, buffer_string(&state->copy))
                   : pg.sendQueryPrepared(state->connection, "", (int)state->value_count,
                                          (const char *const *)state->values, NULL, NULL, 0);
    if (!sent)
        return reading_failed(source, NULL, error);
    if (!state->copy.size)
        pg.setSingleRowMode(state->connection);
    state->is_sent = true;
    return 0;
}

/* Take what the server sends, no later than the query's time is over. */
static int wait_for_server(struct source *source, struct error *error)
{
    struct postgres_state *state = state_of(source);
    struct pollfd server = {.fd = pg.socket(state->connection), .events = POLLIN};
    if (source_is_over(source))
        return source_too_slow(source, error);
    if (poll(&server, 1, LOOK_MS) < 0 && errno != EINTR)
        return error_errno(error, errno, "source »%s«: cannot wait for its server", source->name);
    if (server.revents && !pg.consumeInput(state->connection))
        return reading_failed(source, NULL, error);
    return 0;
}

/* What stands behind a backslash in a line of COPY. */
static char unescaped(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* In place; `from` is the first backslash. */
static void unescape(struct postgres_cell *cell, const char *from)
{
    const char *end = cell->text + cell->length;
    char *out = cell->text + (from - cell->text);
    if (cell->length == 2 && from == cell->text && from[1] == 'N') {
        cell->text = NULL;
        return;
    }
    while (from < end) {
        bool escaped = *from == '\\' && from + 1 < end;
        from += escaped;
        *out++ = escaped ? unescaped(*from) : *from;
        from++;
    }
    *out = '\0';
    cell->length = (size_t)(out - cell->text);
}

/* A line of COPY into its cells: a tab between them, a newline at its end. 0; -1: they are not as
 * many as they should be. */
static int take_apart(struct postgres_state *state, size_t length)
{
    char *begin = state->line, *end = begin + length - (length && begin[length - 1] == '\n');
    bool escapes = memchr(begin, '\\', length) != NULL;
    for (unsigned i = 0; i < state->column_count; i++) {
        bool last = i + 1 == state->column_count;
        char *tab = memchr(begin, '\t', (size_t)(end - begin));
        if (!tab != last)
            return -1;
        struct postgres_cell *cell = &state->cells[i];
        *cell = (struct postgres_cell){begin, (size_t)((last ? end : tab) - begin)};
        begin[cell->length] = '\0';
        const char *first = escapes ? memchr(cell->text, '\\', cell->length) : NULL;
        begin = last ? end : tab + 1;
        if (first)
            unescape(cell, first);
    }
    return 0;
}

/* As source_next; 0: what is left are results. */
static int next_line(struct source *source, struct error *error)
{
    struct postgres_state *state = state_of(source);
    int length;
    while ((length = pg.getCopyData(state->connection, &state->line, 1)) == 0)
        if (wait_for_server(source, error) != 0)
            return -1;
    state->is_copying = length > 0;
    if (length <= 0)
        return 0;
    return take_apart(state, (size_t)length) == 0
               ? 1
               : error_set(error, ERROR_INPUT,
                           "source »%s«: its server sent a row with other columns than it had told",
                           source->name);
}

static int next_result(struct source *source, PGresult **result, struct error *error)
{
    struct postgres_state *state = state_of(source);
    while (pg.isBusy(state->connection))
        if (wait_for_server(source, error) != 0)
            return -1;
    *result = pg.getResult(state->connection);
    return 0;
}

static int next_postgres(struct source *source, struct error *error)
{
    struct postgres_state *state = state_of(source);
    PGresult *result;
    forget_row(state);
    if (!state->is_sent && send_query(source, error) != 0)
        return -1;
    for (;;) {
        int more = state->is_copying ? next_line(source, error) : 0;
        if (more != 0)
            return more;
        if (next_result(source, &result, error) != 0)
            return -1;
        ExecStatusType status = pg.resultStatus(result);
        if (status == PGRES_SINGLE_TUPLE) {
            state->row = result;
            return 1;
        }
        state->is_copying = status == PGRES_COPY_OUT;
        int failed =
            result && !state->is_copying && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
        if (failed)
            reading_failed(source, result, error);
        pg.clear(result);
        if (failed)
            return -1;
        if (!result)
            return 0;
    }
}

/* The text of a column of the present row; NULL: null. */
static const char *text_of(const struct postgres_state *state, unsigned column, size_t *length)
{
    if (state->line) {
        *length = state->cells[column].length;
        return state->cells[column].text;
    }
    *length = (size_t)pg.getlength(state->row, 0, (int)column);
    return *length || !pg.getisnull(state->row, 0, (int)column)
               ? pg.getvalue(state->row, 0, (int)column)
               : NULL;
}

static int64_t integer_of(const char *text)
{
    bool negative = *text == '-';
    uint64_t value = 0;
    for (const char *c = text + negative; *c; c++)
        value = value * 10 + (uint64_t)(*c - '0');
    return (int64_t)(negative ? 0 - value : value);
}

/* "-$1,234.50" → "-1234.50" */
static void put_money(struct buffer *out, const char *text)
{
    for (; *text; text++)
        if (strchr("-.0123456789", *text))
            buffer_char(out, *text);
}

/* "2026-11-24 14:05:09.5+00" → "2026-11-24 14:05:09.5Z"; "infinity" stays. */
static void put_zoned(struct buffer *out, const char *text, size_t length)
{
    const char *zone = memmem(text, length, "+00", 3);
    size_t before = zone ? (size_t)(zone - text) : length;
    buffer_append(out, text, before);
    if (zone) {
        buffer_char(out, 'Z');
        buffer_append(out, zone + 3, length - before - 3); /* " BC" */
    }
}

static unsigned digit_of(char hex)
{
    return hex <= '9' ? (unsigned)(hex - '0') : (unsigned)((hex | 0x20) - 'a' + 10);
}

/* "\x6869" */
static void put_bytes(struct buffer *out, const char *text, size_t length)
{
    size_t count = length >= 2 ? (length - 2) / 2 : 0;
    char *bytes = buffer_extend(out, count);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(digit_of(text[2 + 2 * i]) << 4 | digit_of(text[3 + 2 * i]));
}

static void value_postgres(const struct source *source, unsigned column, struct source_value *out)
{
    struct postgres_state *state = state_of(source);
    struct postgres_column *how = &state->columns[column];
    size_t length;
    const char *text = text_of(state, column, &length);
    if (!text) {
        *out = (struct source_value){.type = SQLITE_NULL};
        return;
    }
    *out = (struct source_value){.type = SQLITE_TEXT, .text = text, .length = length};
    switch (how->conversion) {
    case AS_TEXT:
        return;
    case AS_INTEGER:
        *out = (struct source_value){.type = SQLITE_INTEGER, .integer = integer_of(text)};
        return;
    case AS_BOOLEAN:
        *out = (struct source_value){.type = SQLITE_INTEGER, .integer = *text == 't'};
        return;
    case AS_REAL:
        *out = (struct source_value){.type = SQLITE_FLOAT, .real = strtod(text, NULL)};
        return;
    default:
        break;
    }
    buffer_clear(&how->scratch);
    if (how->conversion == AS_PADDED_TEXT) {
        while (length && text[length - 1] == ' ')
            length--;
        buffer_append(&how->scratch, text, length);
    } else if (how->conversion == AS_MONEY)
        put_money(&how->scratch, text);
    else if (how->conversion == AS_ZONED)
        put_zoned(&how->scratch, text, length);
    else {
        put_bytes(&how->scratch, text, length);
        out->type = SQLITE_BLOB;
    }
    out->text = buffer_string(&how->scratch);
    out->length = how->scratch.size;
}

/* ---- what there is ---- */

/* Each is one JSON document made by the server. What the role may not read is left out. */
static const char tables_sql[] =
    "SELECT coalesce(json_agg(json_build_object("
    "    'name', CASE WHEN n.nspname = 'public' THEN c.relname "
    "                 ELSE n.nspname || '.' || c.relname END, "
    "    'schema', CASE WHEN n.nspname <> 'public' THEN n.nspname END, "
    "    'kind', CASE WHEN c.relkind IN ('r', 'p', 'f') THEN 'table' ELSE 'view' END, "
    "    'columns', (SELECT coalesce(json_agg(json_build_object("
    "            'name', a.attname, "
    "            'oid', (CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END)::int8, "
    "            'native_type', format_type(a.atttypid, a.atttypmod), "
    "            'nullable', NOT a.attnotnull, "
    "            'key', coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)) "
    "        ORDER BY a.attnum), '[]') "
    "        FROM pg_attribute AS a "
    "        JOIN pg_type AS t ON t.oid = a.atttypid "
    "        LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary "
    "        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "            AND has_column_privilege(c.oid, a.attnum, 'SELECT')), "
    "    'foreign_keys', (SELECT coalesce(json_agg(json_build_object("
    "            'columns', (SELECT json_agg(a.attname ORDER BY k.place) "
    "                FROM unnest(f.conkey) WITH ORDINALITY AS k(number, place) "
    "                JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.number), "
    "            'table', CASE WHEN rn.nspname = 'public' THEN r.relname "
    "                          ELSE rn.nspname || '.' || r.relname END, "
    "            'to', (SELECT json_agg(a.attname ORDER BY k.place) "
    "                FROM unnest(f.confkey) WITH ORDINALITY AS k(number, place) "
    "                JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.number)) "
    "        ORDER BY f.conname), '[]') "
    "        FROM pg_constraint AS f "
    "        JOIN pg_class AS r ON r.oid = f.confrelid "
    "        JOIN pg_namespace AS rn ON rn.oid = r.relnamespace "
    "        WHERE f.conrelid = c.oid AND f.contype = 'f')) "
    "    ORDER BY CASE WHEN n.nspname = 'public' THEN c.relname "
    "                  ELSE n.nspname || '.' || c.relname END COLLATE \"C\"), '[]') "
    "FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition "
    "    AND n.nspname NOT IN ('pg_catalog', 'information_schema') "
    "    AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' "
    "    AND has_schema_privilege(n.oid, 'USAGE') "
    "    AND has_any_column_privilege(c.oid, 'SELECT')";

/* A column's OID becomes our name for its type. */
static void name_types(json_t *tables)
{
    size_t i, j;
    json_t *table, *column;
    json_array_foreach(tables, i, table)
        json_array_foreach(json_object_get(table, "columns"), j, column) {
            Oid oid = (Oid)json_integer_value(json_object_get(column, "oid"));
            json_object_set_new(column, "type", json_string(source_type_name(type_of(oid))));
            json_object_del(column, "oid");
        }
}

static json_t *tables_postgres(struct source *source, struct error *error)
{
    struct postgres_state *state = state_of(source);
    if (go_back(source, error) != 0)
        return NULL;
    PGresult *result = pg.exec(state->connection, tables_sql);
    json_t *tables = NULL;
    if (pg.resultStatus(result) == PGRES_TUPLES_OK)
        tables = json_loadb(pg.getvalue(result, 0, 0), (size_t)pg.getlength(result, 0, 0), 0, NULL);
    if (!tables)
        reading_failed(source, result, error);
    pg.clear(result);
    name_types(tables);
    return tables;
}

const struct driver driver_postgres = {
    .name = "postgres",
    .open = open_postgres,
    .close = close_postgres,
    .query = query_postgres,
    .next = next_postgres,
    .value = value_postgres,
    .tables = tables_postgres,
    .can_be_stopped = true,
};
