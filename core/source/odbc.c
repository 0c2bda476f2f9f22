#include "source/odbc.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define REPLACEMENT 0xFFFDu
#define DIAGNOSIS_UNITS 1024

#define LIBRARY "libodbc.so.2"

struct odbc_library odbc;

/* ---- the library ---- */

static int find_function(void *library, const char *name, void *target, struct error *error)
{
    void *function = dlsym(library, name);
    if (!function)
        return error_set(error, ERROR_SYSTEM, "%s has no %s; install unixODBC 2.3 or later",
                         LIBRARY, name);
    memcpy(target, &function, sizeof function);
    return 0;
}

int odbc_load(struct error *error)
{
    static bool is_loaded;
    if (is_loaded)
        return 0;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(error, ERROR_SYSTEM,
                         "cannot open unixODBC (%s); install it (Debian: libodbc2)", dlerror());
#define FIND(name)                                                                                 \
    if (find_function(library, "SQL" #name, &odbc.name, error) != 0)                               \
        return -1;
    ODBC_FUNCTIONS(FIND)
#undef FIND
    is_loaded = true;
    return 0;
}

/* ---- texts ---- */

/* One character of UTF-8, or U+FFFD for a byte that belongs to none; how many bytes it took. */
static size_t decode_utf8(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)text;
    size_t length = byte[0] < 0x80             ? 1
                    : (byte[0] & 0xE0) == 0xC0 ? 2
                    : (byte[0] & 0xF0) == 0xE0 ? 3
                    : (byte[0] & 0xF8) == 0xF0 ? 4
                                               : 0;
    *code = REPLACEMENT;
    if (length == 0 || length > size)
        return 1;
    uint32_t value = length == 1 ? byte[0] : byte[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (byte[i] & 0x3F);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return 1;
    *code = value;
    return length;
}

static void append_utf8(struct buffer *target, uint32_t code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(first[length] | code);
    buffer_append(target, bytes, length);
}

SQLWCHAR *odbc_wide(const char *text, size_t size, size_t *units)
{
    SQLWCHAR *wide = memory_array(size + 1, sizeof *wide);
    size_t count = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        i += decode_utf8(text + i, size - i, &code);
        if (code >= 0x10000) {
            wide[count++] = (SQLWCHAR)(0xD7C0 + (code >> 10));
            code = 0xDC00 | (code & 0x3FF);
        }
        wide[count++] = (SQLWCHAR)code;
    }
    if (units)
        *units = count;
    return wide;
}

void odbc_narrow(struct buffer *target, const SQLWCHAR *wide, size_t units)
{
    buffer_reserve(target, units);
    for (size_t i = 0; i < units; i++) {
        uint32_t code = wide[i];
        if (code >= 0xD800 && code < 0xDC00 && i + 1 < units && (wide[i + 1] & 0xFC00) == 0xDC00)
            code = 0x10000 + ((code & 0x3FF) << 10) + (wide[++i] & 0x3FFu);
        else if (code >= 0xD800 && code < 0xE000)
            code = REPLACEMENT;
        append_utf8(target, code);
    }
}

void odbc_mend_utf8(struct buffer *target, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t code;
        i += decode_utf8(text + i, size - i, &code);
        append_utf8(target, code);
    }
}

/* ---- diagnoses ---- */

static void hide_password(char *text, const char *password)
{
    size_t length = password ? strlen(password) : 0;
    for (char *found = text; length && (found = strstr(found, password));) {
        memmove(found + 1, found + length, strlen(found + length) + 1);
        *found = '*';
    }
}

/* "[unixODBC][Driver Manager]…", "[ma-3.1.15][10.11]…": which parts of the machinery speak. */
static const char *after_marks(const char *text)
{
    const char *end;
    while (*text == '[' && (end = strchr(text, ']')))
        text = end + 1;
    return text + strspn(text, " ");
}

void odbc_diagnose(const struct source *source, SQLSMALLINT kind, SQLHANDLE handle,
                   struct odbc_diagnosis *out)
{
    const struct odbc_state *state = source->state;
    SQLWCHAR wide_state[6] = {0}, wide_text[DIAGNOSIS_UNITS] = {0};
    SQLSMALLINT units = 0;
    BUFFER_CLEAN struct buffer text = {0};
    *out = (struct odbc_diagnosis){.text = "its driver gave no reason"};
    if (!SQL_SUCCEEDED(odbc.GetDiagRecW(kind, handle, 1, wide_state, &out->native, wide_text,
                                        DIAGNOSIS_UNITS, &units)))
        return;
    for (size_t i = 0; i < 5; i++)
        out->state[i] = (char)wide_state[i];
    odbc_narrow(&text, wide_text, units < DIAGNOSIS_UNITS ? (size_t)units : DIAGNOSIS_UNITS - 1);
    if (text.size == 0)
        return;
    /* PostgreSQL's driver has more to say, but of itself. */
    char *own = source->dialect == DIALECT_POSTGRES ? strstr(text.data, ";\n") : NULL;
    if (own)
        *own = '\0';
    for (char *c = text.data; *c; c++)
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
    hide_password(text.data, state->password);
    text_copy(out->text, sizeof out->text, after_marks(text.data));
    for (size_t length = strlen(out->text); length && out->text[length - 1] == ' ';)
        out->text[--length] = '\0';
}

/* MariaDB's max_statement_time, MySQL's max_execution_time, a canceled statement of PostgreSQL, and
 * what ODBC has for it. */
static bool is_timeout(const struct source *source, const struct odbc_diagnosis *diagnosis)
{
    bool is_mysql = source->dialect == DIALECT_MYSQL;
    return (is_mysql && (diagnosis->native == 1969 || diagnosis->native == 3024)) ||
           strncmp(diagnosis->state, "HYT0", 4) == 0 || strcmp(diagnosis->state, "57014") == 0;
}

int odbc_fail(const struct source *source, SQLSMALLINT kind, SQLHANDLE handle, struct error *error)
{
    struct odbc_diagnosis diagnosis;
    odbc_diagnose(source, kind, handle, &diagnosis);
    if (is_timeout(source, &diagnosis))
        return source_too_slow(source, error);
    if (strncmp(diagnosis.state, "08", 2) == 0 ||
        (source->dialect == DIALECT_MYSQL &&
         (diagnosis.native == 2006 || diagnosis.native == 2013)))
        return error_say(
            error, ERROR_INPUT,
            "source »%s«: the connection to its server was lost while it was read (%s); "
            "try again when the server is there",
            "Datenquelle »%s«: die Verbindung zu ihrem Server ging beim Lesen verloren "
            "(%s); nochmals versuchen, wenn der Server da ist.",
            source->name, diagnosis.text);
    return error_say(error, ERROR_INPUT, "source »%s«: the query failed: %s",
                     "Datenquelle »%s«: die Abfrage ist gescheitert: %s", source->name,
                     diagnosis.text);
}

int odbc_run(const struct source *source, const char *sql, struct error *error)
{
    const struct odbc_state *state = source->state;
    SQLHSTMT statement = SQL_NULL_HSTMT;
    FREE_CLEAN SQLWCHAR *wide = odbc_wide(sql, strlen(sql), NULL);
    int result = 0;
    if (!SQL_SUCCEEDED(odbc.AllocHandle(SQL_HANDLE_STMT, state->connection, &statement)))
        return odbc_fail(source, SQL_HANDLE_DBC, state->connection, error);
    SQLRETURN done = odbc.ExecDirectW(statement, wide, SQL_NTS);
    if (!SQL_SUCCEEDED(done) && done != SQL_NO_DATA)
        result = odbc_fail(source, SQL_HANDLE_STMT, statement, error);
    odbc.FreeHandle(SQL_HANDLE_STMT, statement);
    return result;
}

/* ---- lists of our own ---- */

static json_t *read_text(SQLHSTMT statement, SQLUSMALLINT column, SQLRETURN *done)
{
    BUFFER_CLEAN struct buffer text = {0};
    SQLWCHAR piece[DIAGNOSIS_UNITS];
    SQLLEN length = SQL_NULL_DATA;
    do {
        *done = odbc.GetData(statement, column, SQL_C_WCHAR, piece, sizeof piece, &length);
        if (*done == SQL_ERROR || length == SQL_NULL_DATA)
            return json_null();
        if (*done != SQL_NO_DATA) {
            size_t units = 0;
            while (units < DIAGNOSIS_UNITS - 1 && piece[units])
                units++;
            odbc_narrow(&text, piece, units);
        }
    } while (*done == SQL_SUCCESS_WITH_INFO);
    return json_stringn(buffer_string(&text), text.size);
}

json_t *odbc_rows(const struct source *source, SQLHSTMT statement, struct error *error)
{
    json_t *rows = json_array();
    SQLSMALLINT count = 0;
    SQLRETURN done, read = SQL_SUCCESS;
    odbc.NumResultCols(statement, &count);
    while (read != SQL_ERROR && SQL_SUCCEEDED(done = odbc.Fetch(statement))) {
        json_t *row = json_array();
        json_array_append_new(rows, row);
        for (SQLUSMALLINT i = 1; i <= count && read != SQL_ERROR; i++)
            json_array_append_new(row, read_text(statement, i, &read));
    }
    if (read != SQL_ERROR && done == SQL_NO_DATA)
        return rows;
    odbc_fail(source, SQL_HANDLE_STMT, statement, error);
    json_decref(rows);
    return NULL;
}

#define VALUES_MAX 4

json_t *odbc_select(const struct source *source, const char *sql, const char *const *values,
                    size_t count, struct error *error)
{
    const struct odbc_state *state = source->state;
    SQLHSTMT statement = SQL_NULL_HSTMT;
    SQLWCHAR *wide[VALUES_MAX + 1] = {odbc_wide(sql, strlen(sql), NULL)};
    SQLLEN lengths[VALUES_MAX];
    json_t *rows = NULL;
    SQLRETURN done = odbc.AllocHandle(SQL_HANDLE_STMT, state->connection, &statement);
    for (size_t i = 0; i < count && i < VALUES_MAX && SQL_SUCCEEDED(done); i++) {
        size_t units;
        wide[i + 1] = odbc_wide(values[i], strlen(values[i]), &units);
        lengths[i] = (SQLLEN)(units * sizeof(SQLWCHAR));
        done = odbc.BindParameter(statement, (SQLUSMALLINT)(i + 1), SQL_PARAM_INPUT, SQL_C_WCHAR,
                                  SQL_WVARCHAR, units ? units : 1, 0, wide[i + 1], lengths[i],
                                  &lengths[i]);
    }
    if (SQL_SUCCEEDED(done) && SQL_SUCCEEDED(odbc.ExecDirectW(statement, wide[0], SQL_NTS)))
        rows = odbc_rows(source, statement, error);
    else if (statement)
        odbc_fail(source, SQL_HANDLE_STMT, statement, error);
    else
        odbc_fail(source, SQL_HANDLE_DBC, state->connection, error);
    if (statement)
        odbc.FreeHandle(SQL_HANDLE_STMT, statement);
    for (size_t i = 0; i <= VALUES_MAX; i++)
        free(wide[i]);
    return rows;
}

enum source_type odbc_type(const struct source *source, SQLSMALLINT type, SQLULEN size,
                           const char *native)
{
    switch (type) {
    case SQL_DECIMAL:
    case SQL_NUMERIC:
        return SOURCE_DECIMAL;
    case SQL_TINYINT: /* MySQL's BOOLEAN is TINYINT(1) */
        return source->dialect == DIALECT_MYSQL && size == 1 ? SOURCE_BOOLEAN : SOURCE_INTEGER;
    case SQL_SMALLINT:
    case SQL_INTEGER:
    case SQL_BIGINT:
        return SOURCE_INTEGER;
    case SQL_REAL:
    case SQL_FLOAT:
    case SQL_DOUBLE:
        return SOURCE_REAL;
    case SQL_BIT:
        return SOURCE_BOOLEAN;
    case SQL_TYPE_DATE:
        return SOURCE_DATE;
    case SQL_TYPE_TIME:
        return SOURCE_TIME;
    case SQL_TYPE_TIMESTAMP:
        return SOURCE_TIMESTAMP;
    case SQL_BINARY:
    case SQL_VARBINARY:
    case SQL_LONGVARBINARY:
        return SOURCE_BINARY;
    default: /* PostgreSQL's driver calls a boolean a text of five, unless it is told otherwise */
        return strcasecmp(native, "bool") == 0 ? SOURCE_BOOLEAN : SOURCE_TEXT;
    }
}
