/*
 * A database behind a driver of unixODBC: MariaDB and MySQL in particular, and what else has one.
 *
 * Rows are fetched in blocks into bound columns. Where a column may hold long values, each value is
 * read on its own instead, in the columns' order, which is all that ODBC promises of every driver.
 * Nothing is kept here beyond the present block; whether the driver keeps all rows is the driver's
 * matter: MariaDB's does before 3.1.17, which brought the option that is set here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/odbc.h"
#include "source/statement.h"

#define NAME_UNITS 1024
#define BLOCK_BYTES (256u << 10)
#define BLOCK_ROWS 500
#define BOUND_TEXT 1024         /* characters; longer ones are read on their own */
#define VALUE_LIMIT (64u << 20) /* bytes of one value */
#define LOGIN_LIMIT_US 15000000

struct odbc_column {
    SQLSMALLINT c_type;
    bool is_zoned;      /* moments, which come in the session's zone: UTC */
    bool is_short;      /* real numbers of four bytes */
    size_t width;       /* of one value, with its terminator */
    char *values;       /* of the block */
    SQLLEN *lengths;    /* or SQL_NULL_DATA */
    struct buffer raw;  /* a value that was read on its own */
    struct buffer text; /* what `present` points to, where it is not in one of the above */
    struct source_value present;
};

struct odbc_parameter {
    SQLLEN length;
    void *data; /* to free() */
};

/* ---- opening ---- */

static bool info_holds(const struct odbc_state *state, SQLUSMALLINT what, const char *part)
{
    SQLWCHAR wide[256] = {0};
    SQLSMALLINT bytes = 0;
    BUFFER_CLEAN struct buffer text = {0};
    if (SQL_SUCCEEDED(odbc.GetInfoW(state->connection, what, wide, sizeof wide - 2, &bytes)))
        odbc_narrow(&text, wide, (size_t)bytes / sizeof *wide);
    return strcasestr(buffer_string(&text), part) != NULL;
}

static bool driver_is_at_least(const struct odbc_state *state, int major, int minor, int patch)
{
    SQLWCHAR wide[64] = {0};
    SQLSMALLINT bytes = 0;
    BUFFER_CLEAN struct buffer text = {0};
    int a = 0, b = 0, c = 0;
    if (SQL_SUCCEEDED(
            odbc.GetInfoW(state->connection, SQL_DRIVER_VER, wide, sizeof wide - 2, &bytes)))
        odbc_narrow(&text, wide, (size_t)bytes / sizeof *wide);
    return sscanf(buffer_string(&text), "%d.%d.%d", &a, &b, &c) == 3 && (a != major   ? a > major
                                                                         : b != minor ? b > minor
                                                                                      : c >= patch);
}

static int refuse_connection(const struct source *source, struct error *error)
{
    const struct odbc_state *state = source->state;
    struct odbc_diagnosis diagnosis;
    odbc_diagnose(source, SQL_HANDLE_DBC, state->connection, &diagnosis);
    return error_say(error, ERROR_INPUT,
                     "source »%s«: cannot connect: %s; check its connection, its password, and "
                     "whether the server is there",
                     "Datenquelle »%s«: keine Verbindung: %s; prüfen, ob Verbindungsangaben und "
                     "Passwort stimmen und der Server läuft.",
                     source->name, diagnosis.text);
}

/* How long connecting may take, in seconds. */
static int login_limit(const struct source_options *options)
{
    int64_t limit_us =
        options->time_limit_us < LOGIN_LIMIT_US ? options->time_limit_us : LOGIN_LIMIT_US;
    return (int)(limit_us / 1000000 + 1);
}

/* The connection string, the password in braces, where only a closing one has to be doubled, and
 * what else is wanted. MariaDB's driver knows the limit of ODBC, but does not keep it; it has one of
 * its own, and of two the last counts. */
static void write_connection_string(struct buffer *target, const struct source_options *options,
                                    const char *more)
{
    const char *connection = options->connection ? options->connection : "";
    if (strcasestr(connection, "mariadb") || strcasestr(connection, "maodbc"))
        buffer_printf(target, "CONN_TIMEOUT=%d;", login_limit(options));
    buffer_text(target, connection);
    if (options->password && *options->password) {
        buffer_text(target, ";PWD={");
        for (const char *c = options->password; *c; c++)
            buffer_text(target, *c == '}' ? "}}" : (char[]){*c, '\0'});
        buffer_char(target, '}');
    }
    buffer_text(target, more);
}

static int connect_odbc(struct source *source, const struct source_options *options,
                        const char *more, struct error *error)
{
    struct odbc_state *state = source->state;
    struct buffer text = {0};
    size_t units;
    if (!SQL_SUCCEEDED(odbc.AllocHandle(SQL_HANDLE_DBC, state->environment, &state->connection)))
        return error_set(error, ERROR_SYSTEM, "source »%s«: unixODBC has no connection handle",
                         source->name);
    odbc.SetConnectAttrW(state->connection, SQL_ATTR_LOGIN_TIMEOUT,
                         (SQLPOINTER)(intptr_t)login_limit(options), SQL_IS_UINTEGER);
    odbc.SetConnectAttrW(state->connection, SQL_ATTR_ACCESS_MODE, (SQLPOINTER)SQL_MODE_READ_ONLY,
                         SQL_IS_UINTEGER);
    write_connection_string(&text, options, more);
    SQLWCHAR *wide = odbc_wide(text.data, text.size, &units);
    SQLRETURN done = odbc.DriverConnectW(state->connection, NULL, wide, (SQLSMALLINT)units, NULL, 0,
                                         NULL, SQL_DRIVER_NOPROMPT);
    memory_wipe(wide, units * sizeof *wide);
    memory_wipe(text.data, text.size);
    free(wide);
    buffer_free(&text);
    if (!SQL_SUCCEEDED(done))
        return refuse_connection(source, error);
    state->is_connected = true;
    return 0;
}

static void disconnect_odbc(struct odbc_state *state)
{
    if (state->is_connected)
        odbc.Disconnect(state->connection);
    state->is_connected = false;
    if (state->connection)
        odbc.FreeHandle(SQL_HANDLE_DBC, state->connection);
    state->connection = SQL_NULL_HDBC;
}

/* MariaDB's driver hands rows on as they come if it is asked to, and if it is young enough. */
static int connect_as_driver_likes(struct source *source, const struct source_options *options,
                                   struct error *error)
{
    struct odbc_state *state = source->state;
    if (connect_odbc(source, options, "", error) != 0)
        return -1;
    state->is_utf8 = info_holds(state, SQL_DRIVER_NAME, "maodbc");
    if (!state->is_utf8 || !driver_is_at_least(state, 3, 1, 17))
        return 0;
    disconnect_odbc(state);
    return connect_odbc(source, options, ";NO_CACHE=1;FORWARDONLY=1", error);
}

static int begin_mysql(const struct source *source, struct error *error)
{
    /* Quotes and backslashes mean what statement.h takes them for. */
    static const char plain_quotes[] =
        "SET SESSION sql_mode = IF(@@SESSION.sql_mode REGEXP 'ANSI|NO_BACKSLASH_ESCAPES', "
        "IF(@@SESSION.sql_mode LIKE '%PIPES_AS_CONCAT%', 'PIPES_AS_CONCAT', ''), "
        "@@SESSION.sql_mode)";
    const struct odbc_state *state = source->state;
    char limit[96];
    if (state->is_mariadb)
        snprintf(limit, sizeof limit, "SET SESSION max_statement_time = %lld.%06lld",
                 (long long)(source->time_limit_us / 1000000),
                 (long long)(source->time_limit_us % 1000000));
    else
        snprintf(limit, sizeof limit, "SET SESSION max_execution_time = %lld",
                 (long long)(source->time_limit_us / 1000 + 1));
    return odbc_run(source, limit, error) == 0 && odbc_run(source, plain_quotes, error) == 0 &&
                   odbc_run(source, "SET SESSION time_zone = '+00:00'", error) == 0 &&
                   odbc_run(source, "SET SESSION TRANSACTION READ ONLY", error) == 0 &&
                   odbc_run(source, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                            error) == 0
               ? 0
               : -1;
}

/* The driver itself keeps to the time limit of its statements. */
static int begin_postgres(const struct source *source, struct error *error)
{
    return odbc_run(source, "SET standard_conforming_strings = on", error) == 0 &&
                   odbc_run(source, "SET TimeZone = 'UTC'", error) == 0 &&
                   odbc_run(source,
                            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL "
                            "REPEATABLE READ, READ ONLY",
                            error) == 0
               ? 0
               : -1;
}

/* From here on all statements see one state and none can write, as far as the server can do that. */
static int begin_reading(struct source *source, struct error *error)
{
    struct odbc_state *state = source->state;
    state->is_mariadb = info_holds(state, SQL_DBMS_NAME, "mariadb");
    source->dialect = state->is_mariadb || info_holds(state, SQL_DBMS_NAME, "mysql") ? DIALECT_MYSQL
                      : info_holds(state, SQL_DBMS_NAME, "postgres") ? DIALECT_POSTGRES
                                                                     : DIALECT_ANSI;
    if (source->dialect == DIALECT_MYSQL)
        return begin_mysql(source, error);
    if (source->dialect == DIALECT_POSTGRES && begin_postgres(source, error) != 0)
        return -1;
    odbc.SetConnectAttrW(state->connection, SQL_ATTR_TXN_ISOLATION,
                         (SQLPOINTER)SQL_TXN_REPEATABLE_READ, SQL_IS_UINTEGER);
    odbc.SetConnectAttrW(state->connection, SQL_ATTR_AUTOCOMMIT, (SQLPOINTER)SQL_AUTOCOMMIT_OFF,
                         SQL_IS_UINTEGER);
    return 0;
}

static int open_odbc(struct source *source, const struct source_options *options,
                     struct error *error)
{
    struct odbc_state *state = memory_new(sizeof *state);
    source->state = state;
    state->password = memory_text(options->password);
    /* Tables that the conversions between UTF-16 and the site's encodings load when they are needed. */
    source_add_folder(source, "/usr/lib", false);
    if (odbc_load(error) != 0)
        return error_prefix(error, "source »%s«: ", source->name);
    if (!SQL_SUCCEEDED(odbc.AllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &state->environment)))
        return error_set(error, ERROR_SYSTEM, "source »%s«: unixODBC cannot be used", source->name);
    odbc.SetEnvAttr(state->environment, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0);
    return connect_as_driver_likes(source, options, error) == 0 && begin_reading(source, error) == 0
               ? 0
               : -1;
}

static void forget_query(struct odbc_state *state)
{
    if (state->statement)
        odbc.FreeHandle(SQL_HANDLE_STMT, state->statement);
    state->statement = SQL_NULL_HSTMT;
    for (unsigned i = 0; i < state->column_count; i++) {
        free(state->columns[i].values);
        free(state->columns[i].lengths);
        buffer_free(&state->columns[i].raw);
        buffer_free(&state->columns[i].text);
    }
    for (size_t i = 0; i < state->parameter_count; i++)
        free(state->parameters[i].data);
    free(state->columns);
    free(state->parameters);
    state->columns = NULL;
    state->parameters = NULL;
    state->column_count = 0;
    state->parameter_count = 0;
    state->rows = state->row = 0;
    state->is_executed = false;
    buffer_clear(&state->sql);
}

static void close_odbc(struct source *source)
{
    struct odbc_state *state = source->state;
    if (!state)
        return;
    forget_query(state);
    if (state->is_connected)
        odbc.EndTran(SQL_HANDLE_DBC, state->connection, SQL_ROLLBACK);
    disconnect_odbc(state);
    buffer_free(&state->sql);
    if (state->environment)
        odbc.FreeHandle(SQL_HANDLE_ENV, state->environment);
    if (state->password)
        memory_wipe(state->password, strlen(state->password));
    free(state->password);
    free(state);
}

/* ---- one query ---- */

/* The first name in quotes in a server's message; NULL: there is none. */
static char *quoted_name(const char *message)
{
    const char *begin = message + strcspn(message, "'\"");
    const char *end = *begin ? strchr(begin + 1, *begin) : NULL;
    return end ? memory_text_n(begin + 1, (size_t)(end - begin - 1)) : NULL;
}

/* Does `sql` go on with this text, in which line ends have become blanks? */
static bool goes_on_with(const char *sql, const char *text)
{
    for (; *text; text++, sql++)
        if (*sql != *text && !(*text == ' ' && *sql && strchr("\n\r\t", *sql)))
            return false;
    return true;
}

/* Where a message of MariaDB or MySQL, "… to use near 'FORM x' at line 1", points to in `sql`: what
 * it quotes goes on to the end of the statement, if it is not cut. */
static size_t syntax_offset(const char *sql, const char *message)
{
    static const char mark[] = "to use near '";
    const char *near = strstr(message, mark), *end = NULL, *next = message;
    while ((next = strstr(next, "' at line ")))
        end = next++;
    if (!near || !end || end < near + strlen(mark))
        return STATEMENT_NOWHERE;
    FREE_CLEAN char *text = memory_text_n(near + strlen(mark), (size_t)(end - near) - strlen(mark));
    size_t length = strlen(text), all = strlen(sql);
    if (length <= all && goes_on_with(sql + all - length, text))
        return all - length;
    for (size_t i = 0; i < all; i++)
        if (goes_on_with(sql + i, text))
            return i;
    return STATEMENT_NOWHERE;
}

/* A table or column is not there: which, and which one was likely meant. */
static int refuse_name(struct source *source, const struct statement *statement,
                       const struct odbc_diagnosis *diagnosis, bool is_column, struct error *error)
{
    const struct odbc_state *state = source->state;
    FREE_CLEAN char *name = quoted_name(diagnosis->text);
    const char *last = name ? strrchr(name, '.') : NULL, *bare = last ? last + 1 : name;
    const char *found = bare ? strstr(state->sql.data, bare) : NULL;
    statement_wrong(statement, source->name, diagnosis->text,
                    found ? (size_t)(found - state->sql.data) : STATEMENT_NOWHERE, error);
    if (bare)
        source_suggest(source, bare, is_column, statement->original, error);
    return -1;
}

static int refuse_query(struct source *source, const struct statement *statement,
                        struct error *error)
{
    const struct odbc_state *state = source->state;
    struct odbc_diagnosis diagnosis;
    odbc_diagnose(source, SQL_HANDLE_STMT, state->statement, &diagnosis);
    if (strncmp(diagnosis.state, "08", 2) == 0 || strncmp(diagnosis.state, "HYT", 3) == 0)
        return odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
    /* SQLSTATE of ODBC, and of PostgreSQL */
    bool is_column = strcmp(diagnosis.state, "42S22") == 0 || strcmp(diagnosis.state, "42703") == 0;
    if (is_column || strcmp(diagnosis.state, "42S02") == 0 || strcmp(diagnosis.state, "42P01") == 0)
        return refuse_name(source, statement, &diagnosis, is_column, error);
    size_t offset = source->dialect == DIALECT_MYSQL
                        ? syntax_offset(state->sql.data, diagnosis.text)
                        : STATEMENT_NOWHERE;
    return statement_wrong(statement, source->name,
                           offset == STATEMENT_NOWHERE ? diagnosis.text : "syntax error", offset,
                           error);
}

static void set_statement(struct odbc_state *state, SQLINTEGER attribute, SQLULEN value)
{
    odbc.SetStmtAttrW(state->statement, attribute, (SQLPOINTER)value, 0);
}

static int prepare_odbc(struct source *source, const struct statement *statement,
                        struct error *error)
{
    struct odbc_state *state = source->state;
    size_t units;
    if (!SQL_SUCCEEDED(odbc.AllocHandle(SQL_HANDLE_STMT, state->connection, &state->statement)))
        return odbc_fail(source, SQL_HANDLE_DBC, state->connection, error);
    set_statement(state, SQL_ATTR_CURSOR_TYPE, SQL_CURSOR_FORWARD_ONLY);
    set_statement(state, SQL_ATTR_CONCURRENCY, SQL_CONCUR_READ_ONLY);
    set_statement(state, SQL_ATTR_NOSCAN, SQL_NOSCAN_ON);
    set_statement(state, SQL_ATTR_QUERY_TIMEOUT, (SQLULEN)(source->time_limit_us / 1000000 + 1));
    FREE_CLEAN SQLWCHAR *wide = odbc_wide(state->sql.data, state->sql.size, &units);
    return SQL_SUCCEEDED(odbc.PrepareW(state->statement, wide, (SQLINTEGER)units))
               ? 0
               : refuse_query(source, statement, error);
}

/* How a value of a type is read. */
static SQLSMALLINT c_type_of(const struct odbc_state *state, enum source_type type)
{
    switch (type) {
    case SOURCE_REAL:
        return SQL_C_DOUBLE;
    case SOURCE_DATE:
        return SQL_C_TYPE_DATE;
    case SOURCE_TIMESTAMP:
        return SQL_C_TYPE_TIMESTAMP;
    case SOURCE_BINARY:
        return SQL_C_BINARY;
    case SOURCE_TEXT:
        return state->is_utf8 ? SQL_C_CHAR : SQL_C_WCHAR;
    default: /* digits: no integer is too large, no decimal is rounded, no time too long */
        return SQL_C_CHAR;
    }
}

/* Bytes of one value in a block; 0: such values are to be read on their own. */
static size_t width_of(const struct odbc_state *state, enum source_type type, SQLULEN size)
{
    bool is_short = size > 0 && size <= BOUND_TEXT;
    switch (type) {
    case SOURCE_REAL:
        return sizeof(SQLDOUBLE);
    case SOURCE_DATE:
        return sizeof(SQL_DATE_STRUCT);
    case SOURCE_TIMESTAMP:
        return sizeof(SQL_TIMESTAMP_STRUCT);
    case SOURCE_TEXT: /* other drivers than MariaDB's are not exact about sizes */
        return state->is_utf8 && is_short ? size * 4 + 1 : 0;
    case SOURCE_BINARY:
        return state->is_utf8 && is_short ? size : 0;
    case SOURCE_DECIMAL: /* sign, point, a zero before it, the terminator */
        return state->is_utf8 && is_short ? size + 4 : 0;
    default:
        return 32;
    }
}

static void describe_part(SQLHSTMT statement, SQLUSMALLINT column, SQLUSMALLINT what,
                          struct buffer *text)
{
    SQLWCHAR wide[NAME_UNITS] = {0};
    SQLSMALLINT bytes = 0;
    SQLLEN number;
    if (SQL_SUCCEEDED(odbc.ColAttributeW(statement, column, what, wide, sizeof wide - sizeof *wide,
                                         &bytes, &number)))
        odbc_narrow(text, wide, (size_t)bytes / sizeof *wide);
}

/* MariaDB's driver does not say whether a TINYINT was declared with one digit, as BOOLEAN is. */
static bool is_mysql_boolean(const struct source *source, SQLUSMALLINT column)
{
    const struct odbc_state *state = source->state;
    struct error ignored;
    BUFFER_CLEAN struct buffer database = {0}, table = {0}, name = {0};
    describe_part(state->statement, column, SQL_DESC_CATALOG_NAME, &database);
    describe_part(state->statement, column, SQL_DESC_BASE_TABLE_NAME, &table);
    describe_part(state->statement, column, SQL_DESC_BASE_COLUMN_NAME, &name);
    if (table.size == 0 || name.size == 0)
        return false;
    const char *values[] = {buffer_string(&database), buffer_string(&table), buffer_string(&name)};
    json_t *rows = odbc_select(source,
                               "SELECT 1 FROM information_schema.COLUMNS "
                               "WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME = ? "
                               "AND COLUMN_TYPE LIKE 'tinyint(1)%'",
                               values, 3, &ignored);
    bool is_boolean = json_array_size(rows) > 0;
    json_decref(rows);
    return is_boolean;
}

/* MySQL's TIMESTAMP and PostgreSQL's timestamp with time zone mean a moment, DATETIME and timestamp
 * what a clock shows somewhere. */
static bool is_zoned(const struct source *source, const char *native)
{
    return (source->dialect == DIALECT_MYSQL && strcasecmp(native, "timestamp") == 0) ||
           (source->dialect == DIALECT_POSTGRES && strcasecmp(native, "timestamptz") == 0);
}

static int describe_column(struct source *source, struct odbc_column *column, SQLUSMALLINT index,
                           struct error *error)
{
    struct odbc_state *state = source->state;
    SQLWCHAR wide[NAME_UNITS] = {0};
    SQLSMALLINT units = 0, type = 0, digits, nullable;
    SQLULEN size = 0;
    BUFFER_CLEAN struct buffer name = {0}, native = {0};
    if (!SQL_SUCCEEDED(odbc.DescribeColW(state->statement, index, wide, NAME_UNITS, &units, &type,
                                         &size, &digits, &nullable)))
        return odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
    odbc_narrow(&name, wide, units < NAME_UNITS ? (size_t)units : NAME_UNITS - 1);
    describe_part(state->statement, index, SQL_DESC_TYPE_NAME, &native);
    enum source_type ours = odbc_type(source, type, size, buffer_string(&native));
    if (type == SQL_TINYINT && source->dialect == DIALECT_MYSQL && is_mysql_boolean(source, index))
        ours = SOURCE_BOOLEAN;
    source_add_column(source, buffer_string(&name), ours);
    column->c_type = c_type_of(state, ours);
    column->is_short = type == SQL_REAL;
    column->is_zoned = ours == SOURCE_TIMESTAMP && is_zoned(source, buffer_string(&native));
    column->width = width_of(state, ours, size);
    if (column->width == 0)
        state->is_piecewise = true;
    return 0;
}

static int describe_columns(struct source *source, const struct statement *statement,
                            struct error *error)
{
    struct odbc_state *state = source->state;
    SQLSMALLINT count = 0;
    if (!SQL_SUCCEEDED(odbc.NumResultCols(state->statement, &count)))
        return refuse_query(source, statement, error);
    if (count == 0)
        return error_say(
            error, ERROR_INPUT, "the query delivers no rows; only a SELECT may be run",
            "Die Abfrage liefert keine Zeilen; nur ein SELECT kann ausgeführt werden.");
    state->column_count = (unsigned)count;
    state->columns = memory_array((size_t)count, sizeof *state->columns);
    state->is_piecewise = false;
    for (unsigned i = 0; i < state->column_count; i++)
        if (describe_column(source, &state->columns[i], (SQLUSMALLINT)(i + 1), error) != 0)
            return -1;
    return 0;
}

static int bind_columns(struct source *source, struct error *error)
{
    struct odbc_state *state = source->state;
    size_t row_bytes = 1;
    if (state->is_piecewise)
        return 0;
    for (unsigned i = 0; i < state->column_count; i++)
        row_bytes += state->columns[i].width + sizeof(SQLLEN);
    size_t rows = BLOCK_BYTES / row_bytes;
    rows = rows < 1 ? 1 : rows > BLOCK_ROWS ? BLOCK_ROWS : rows;
    set_statement(state, SQL_ATTR_ROW_ARRAY_SIZE, rows);
    set_statement(state, SQL_ATTR_ROWS_FETCHED_PTR, (SQLULEN)(uintptr_t)&state->rows);
    for (unsigned i = 0; i < state->column_count; i++) {
        struct odbc_column *column = &state->columns[i];
        column->values = memory_array(rows, column->width);
        column->lengths = memory_array(rows, sizeof *column->lengths);
        if (!SQL_SUCCEEDED(odbc.BindCol(state->statement, (SQLUSMALLINT)(i + 1), column->c_type,
                                        column->values, (SQLLEN)column->width, column->lengths)))
            return odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
    }
    return 0;
}

/* ---- parameters ---- */

static SQLRETURN bind_text(SQLHSTMT statement, SQLUSMALLINT index, struct odbc_parameter *parameter,
                           const json_t *value)
{
    size_t units;
    SQLWCHAR *wide = odbc_wide(json_string_value(value), json_string_length(value), &units);
    parameter->data = wide;
    parameter->length = (SQLLEN)(units * sizeof *wide);
    return odbc.BindParameter(statement, index, SQL_PARAM_INPUT, SQL_C_WCHAR, SQL_WVARCHAR,
                              units ? units : 1, 0, wide, parameter->length, &parameter->length);
}

static SQLRETURN bind_number(SQLHSTMT statement, SQLUSMALLINT index,
                             struct odbc_parameter *parameter, const json_t *value)
{
    SQLBIGINT *integer = parameter->data = memory_new(sizeof *integer);
    *integer = json_is_integer(value) ? json_integer_value(value) : json_is_true(value);
    return odbc.BindParameter(statement, index, SQL_PARAM_INPUT, SQL_C_SBIGINT, SQL_BIGINT, 19, 0,
                              integer, 0, &parameter->length);
}

/* As digits: 0.1 stays the decimal that it is. */
static SQLRETURN bind_real(SQLHSTMT statement, SQLUSMALLINT index, struct odbc_parameter *parameter,
                           const json_t *value)
{
    char *digits = parameter->data = memory_new(TEXT_REAL_SIZE);
    text_real(digits, json_real_value(value));
    const char *point = strchr(digits, '.');
    bool is_decimal = !strchr(digits, 'e');
    parameter->length = (SQLLEN)strlen(digits);
    return odbc.BindParameter(statement, index, SQL_PARAM_INPUT, SQL_C_CHAR,
                              is_decimal ? SQL_DECIMAL : SQL_DOUBLE, (SQLULEN)parameter->length,
                              is_decimal && point ? (SQLSMALLINT)strlen(point + 1) : 0, digits,
                              parameter->length, &parameter->length);
}

static SQLRETURN bind_null(SQLHSTMT statement, SQLUSMALLINT index, struct odbc_parameter *parameter)
{
    parameter->length = SQL_NULL_DATA;
    return odbc.BindParameter(statement, index, SQL_PARAM_INPUT, SQL_C_WCHAR, SQL_WVARCHAR, 1, 0,
                              NULL, 0, &parameter->length);
}

static int bind_parameters(struct source *source, const struct statement *statement,
                           const json_t *parameters, struct error *error)
{
    struct odbc_state *state = source->state;
    state->parameter_count = statement->parameter_count;
    state->parameters = memory_array(state->parameter_count + 1, sizeof *state->parameters);
    for (size_t i = 0; i < statement->parameter_count; i++) {
        const char *name = statement->parameters[i].name;
        const json_t *value = source_parameter(parameters, name, error);
        SQLUSMALLINT index = (SQLUSMALLINT)(i + 1);
        struct odbc_parameter *parameter = &state->parameters[i];
        if (!value)
            return -1;
        SQLRETURN done =
            json_is_string(value) ? bind_text(state->statement, index, parameter, value)
            : json_is_null(value) ? bind_null(state->statement, index, parameter)
            : json_is_real(value) ? bind_real(state->statement, index, parameter, value)
                                  : bind_number(state->statement, index, parameter, value);
        if (!SQL_SUCCEEDED(done))
            return odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
    }
    return 0;
}

/* ODBC's placeholders are question marks, whatever the dialect's own are. */
static void write_question_marks(struct buffer *sql, const struct statement *statement)
{
    size_t done = 0;
    for (size_t i = 0; i < statement->parameter_count; i++) {
        const struct statement_parameter *parameter = &statement->parameters[i];
        buffer_append(sql, statement->sql + done, parameter->rewritten - done);
        buffer_char(sql, '?');
        done = parameter->rewritten + parameter->rewritten_length;
    }
    buffer_text(sql, statement->sql + done);
}

static int query_odbc(struct source *source, const char *sql, const json_t *parameters,
                      struct error *error)
{
    struct odbc_state *state = source->state;
    STATEMENT_FREE struct statement statement = {0};
    forget_query(state);
    if (statement_read(&statement, sql, source->dialect, error) != 0)
        return -1;
    write_question_marks(&state->sql, &statement);
    return prepare_odbc(source, &statement, error) == 0 &&
                   bind_parameters(source, &statement, parameters, error) == 0 &&
                   describe_columns(source, &statement, error) == 0 &&
                   bind_columns(source, error) == 0
               ? 0
               : -1;
}

/* ---- rows ---- */

static int execute_odbc(struct source *source, struct error *error)
{
    struct odbc_state *state = source->state;
    state->is_executed = true;
    SQLRETURN done = odbc.Execute(state->statement);
    return SQL_SUCCEEDED(done) || done == SQL_NO_DATA
               ? 0
               : odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
}

/* Read one value to its end into column->raw. 0, or -1. */
static int read_value(struct source *source, struct odbc_column *column, unsigned index,
                      SQLLEN *length, struct error *error)
{
    struct odbc_state *state = source->state;
    size_t terminator = column->c_type == SQL_C_CHAR    ? 1
                        : column->c_type == SQL_C_WCHAR ? sizeof(SQLWCHAR)
                                                        : 0;
    buffer_clear(&column->raw);
    for (size_t room = 4096;; room *= 2) {
        SQLLEN left = 0;
        buffer_reserve(&column->raw, room);
        SQLRETURN done = odbc.GetData(state->statement, (SQLUSMALLINT)(index + 1), column->c_type,
                                      column->raw.data + column->raw.size, (SQLLEN)room, &left);
        if (done == SQL_NO_DATA)
            break;
        if (!SQL_SUCCEEDED(done))
            return odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
        if (left == SQL_NULL_DATA) {
            *length = SQL_NULL_DATA;
            return 0;
        }
        bool is_whole = left != SQL_NO_TOTAL && (size_t)left + terminator <= room;
        column->raw.size += is_whole ? (size_t)left : room - terminator;
        if (is_whole)
            break;
        if (column->raw.size > VALUE_LIMIT)
            return error_say(error, ERROR_INPUT,
                             "source »%s«: the column »%s« delivers a value of more than %u MB; "
                             "leave it out or shorten it in the SELECT",
                             "Datenquelle »%s«: die Spalte »%s« liefert einen Wert von mehr als %u "
                             "MB; ihn im SELECT weglassen oder kürzen.",
                             source->name, source_column_name(source, index), VALUE_LIMIT >> 20);
    }
    *length = (SQLLEN)column->raw.size;
    return 0;
}

static void put_text(struct odbc_column *column, const char *text, size_t length)
{
    if (!text_is_utf8(text, length)) {
        odbc_mend_utf8(&column->text, text, length);
        text = column->text.data;
        length = column->text.size;
    }
    column->present = (struct source_value){.type = SQLITE_TEXT, .text = text, .length = length};
}

static void put_own_text(struct odbc_column *column)
{
    column->present = (struct source_value){
        .type = SQLITE_TEXT, .text = buffer_string(&column->text), .length = column->text.size};
}

/* Integers beyond 64 bits (MySQL has such) stay exact as text. */
static void put_integer(struct odbc_column *column, const char *digits, size_t length)
{
    column->present.type = SQLITE_INTEGER;
    if (text_to_int64(digits, &column->present.integer) != 0)
        put_text(column, digits, length);
}

static void put_boolean(struct odbc_column *column, const char *text)
{
    column->present.type = SQLITE_INTEGER;
    column->present.integer = strchr("0fFnN", *text) == NULL;
}

/* 0.1 of four bytes is the double 0.1, not the one nearest to it, 0.10000000149. */
static void put_real(struct odbc_column *column, double real)
{
    char digits[TEXT_REAL_SIZE];
    column->present.type = SQLITE_FLOAT;
    column->present.real = real;
    if (!column->is_short)
        return;
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, real);
        column->present.real = strtod(digits, NULL);
        if ((float)column->present.real == (float)real)
            return;
    }
}

static void put_date(struct odbc_column *column, const SQL_DATE_STRUCT *date)
{
    buffer_printf(&column->text, "%04d-%02u-%02u", date->year, date->month, date->day);
    put_own_text(column);
}

static void put_timestamp(struct odbc_column *column, const SQL_TIMESTAMP_STRUCT *time)
{
    buffer_printf(&column->text, "%04d-%02u-%02u %02u:%02u:%02u", time->year, time->month,
                  time->day, time->hour, time->minute, time->second);
    if (time->fraction >= 1000) {
        buffer_printf(&column->text, ".%06u", (unsigned)(time->fraction / 1000));
        while (column->text.data[column->text.size - 1] == '0')
            column->text.size--;
    }
    if (column->is_zoned)
        buffer_char(&column->text, 'Z');
    put_own_text(column);
}

/* From the driver's form, `length` bytes at `data`, to ours. */
static void convert_value(struct odbc_column *column, enum source_type type, const char *data,
                          SQLLEN length)
{
    buffer_clear(&column->text);
    column->present = (struct source_value){.type = SQLITE_NULL};
    if (length == SQL_NULL_DATA)
        return;
    SQLDOUBLE real;
    switch (column->c_type) {
    case SQL_C_DOUBLE:
        memcpy(&real, data, sizeof real);
        put_real(column, real);
        break;
    case SQL_C_TYPE_DATE:
        put_date(column, (const SQL_DATE_STRUCT *)data);
        break;
    case SQL_C_TYPE_TIMESTAMP:
        put_timestamp(column, (const SQL_TIMESTAMP_STRUCT *)data);
        break;
    case SQL_C_BINARY:
        column->present = (struct source_value){
            .type = SQLITE_BLOB, .text = length ? data : "", .length = (size_t)length};
        break;
    case SQL_C_WCHAR:
        odbc_narrow(&column->text, (const SQLWCHAR *)data, (size_t)length / sizeof(SQLWCHAR));
        put_own_text(column);
        break;
    default:
        if (type == SOURCE_INTEGER)
            put_integer(column, data, (size_t)length);
        else if (type == SOURCE_BOOLEAN)
            put_boolean(column, data);
        else
            put_text(column, data, (size_t)length);
    }
}

static int refuse_truncated(const struct source *source, unsigned column, struct error *error)
{
    return error_say(error, ERROR_INPUT,
                     "source »%s«: the column »%s« delivers a value that is longer than its driver "
                     "said; write CAST(… AS CHAR(2000)) around it",
                     "Datenquelle »%s«: die Spalte »%s« liefert einen längeren Wert, als ihr "
                     "Treiber angab; CAST(… AS CHAR(2000)) darum schreiben.",
                     source->name, source_column_name(source, column));
}

static int take_piecewise(struct source *source, struct error *error)
{
    struct odbc_state *state = source->state;
    for (unsigned i = 0; i < state->column_count; i++) {
        struct odbc_column *column = &state->columns[i];
        SQLLEN length = 0;
        if (read_value(source, column, i, &length, error) != 0)
            return -1;
        if (column->c_type == SQL_C_CHAR && length >= 0)
            column->raw.data[length] = '\0';
        convert_value(column, source_column_type(source, i), column->raw.data, length);
    }
    return 1;
}

static int take_from_block(struct source *source, struct error *error)
{
    struct odbc_state *state = source->state;
    for (unsigned i = 0; i < state->column_count; i++) {
        struct odbc_column *column = &state->columns[i];
        SQLLEN length = column->lengths[state->row];
        bool is_text = column->c_type == SQL_C_CHAR;
        if (length == SQL_NO_TOTAL || (length > 0 && (size_t)length + is_text > column->width))
            return refuse_truncated(source, i, error);
        convert_value(column, source_column_type(source, i),
                      column->values + state->row * column->width, length);
    }
    return 1;
}

static int next_odbc(struct source *source, struct error *error)
{
    struct odbc_state *state = source->state;
    if (!state->is_executed && execute_odbc(source, error) != 0)
        return -1;
    if (++state->row < state->rows)
        return take_from_block(source, error);
    if (source_is_over(source))
        return source_too_slow(source, error);
    state->row = 0;
    state->rows = 0;
    SQLRETURN done = odbc.Fetch(state->statement);
    if (done == SQL_NO_DATA)
        return 0;
    if (!SQL_SUCCEEDED(done))
        return odbc_fail(source, SQL_HANDLE_STMT, state->statement, error);
    return state->is_piecewise ? take_piecewise(source, error) : take_from_block(source, error);
}

static void value_odbc(const struct source *source, unsigned column, struct source_value *out)
{
    const struct odbc_state *state = source->state;
    *out = state->columns[column].present;
}

const struct driver driver_odbc = {
    .name = "odbc",
    .open = open_odbc,
    .close = close_odbc,
    .query = query_odbc,
    .next = next_odbc,
    .value = value_odbc,
    .tables = odbc_tables,
};
