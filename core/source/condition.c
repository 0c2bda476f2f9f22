#include "source/condition.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "source/builder.h"
#include "source/condition_types.h"
#include "source/folding.h"
#include "source/reading.h"
#include "source/source.h"
#include "store/sql.h"

/* ---- the connection ---- */

/* What looks like a number is one; anything else stays what it is. */
static void sql_number(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_value_numeric_type(values[0]);
    sqlite3_result_value(context, values[0]);
}

int condition_install(sqlite3 *db, struct error *error)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* "x" is a field, never a text */
    if (sqlite3_create_function(db, "campaignd_number", 1,
                                SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                sql_number, NULL, NULL) != SQLITE_OK)
        return sql_error(db, error, "prepare conditions");
    return folding_install(db, error);
}

/* ---- the columns as conditions see them ---- */

static bool begins_so(const json_t *columns, const char *prefix)
{
    size_t index;
    json_t *column;
    json_array_foreach((json_t *)columns, index, column)
        if (strncasecmp(reading_text(column, "name"), prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

char *condition_prefix(const json_t *columns)
{
    BUFFER_CLEAN struct buffer prefix = {0};
    buffer_text(&prefix, "row_");
    while (begins_so(columns, prefix.data))
        buffer_char(&prefix, '_');
    return buffer_steal(&prefix);
}

/* Of columns whose names are the same to SQLite the first is seen. */
static bool was_before(const json_t *columns, size_t index)
{
    const char *name = reading_text(json_array_get(columns, index), "name");
    for (size_t i = 0; i < index; i++)
        if (strcasecmp(reading_text(json_array_get(columns, i), "name"), name) == 0)
            return true;
    return false;
}

static void put_columns(struct buffer *sql, const json_t *columns, bool empty)
{
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *column = json_array_get(columns, i);
        enum source_type type = source_type_named(reading_text(column, "type"));
        char cell[24] = "NULL";
        if (was_before(columns, i))
            continue;
        if (!empty)
            snprintf(cell, sizeof cell, "c%zu", i);
        if (type == SOURCE_TEXT || type == SOURCE_UNKNOWN)
            buffer_printf(sql, ", %s COLLATE " FOLDING_COLLATION, cell);
        else if (type == SOURCE_DECIMAL)
            buffer_printf(sql, ", campaignd_number(%s)", cell);
        else
            buffer_printf(sql, ", %s", cell);
        buffer_text(sql, " AS ");
        source_quote(sql, DIALECT_SQLITE, reading_text(column, "name"));
    }
}

void condition_view(struct buffer *sql, const json_t *columns, const char *prefix)
{
    buffer_printf(sql, "SELECT ordinal AS %sordinal, key AS %skey", prefix, prefix);
    for (size_t i = 0; i < json_array_size(columns); i++)
        buffer_printf(sql, ", c%zu AS %s%zu", i, prefix, i);
    put_columns(sql, columns, false);
    buffer_text(sql, " FROM main.recipient");
}

/* ---- values ---- */

static void bind_value(sqlite3_stmt *statement, int index, const json_t *value)
{
    if (json_is_string(value))
        sqlite3_bind_text(statement, index, json_string_value(value),
                          (int)json_string_length(value), SQLITE_TRANSIENT);
    else if (json_is_integer(value))
        sqlite3_bind_int64(statement, index, json_integer_value(value));
    else if (json_is_real(value))
        sqlite3_bind_double(statement, index, json_real_value(value));
    else if (json_is_boolean(value))
        sqlite3_bind_int(statement, index, json_is_true(value));
}

void condition_bind(sqlite3_stmt *statement, const json_t *values)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
        const char *name = sqlite3_bind_parameter_name(statement, i);
        if (name)
            bind_value(statement, i, json_object_get(values, name + 1));
    }
}

/* ---- checking ---- */

/* Calling functions is all that an expression may do beside reading its row. */
static int authorize(void *context, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)context, (void)c, (void)d;
    bool outside = (action == SQLITE_FUNCTION && b && strcasecmp(b, "load_extension") == 0) ||
                   (action == SQLITE_READ && a && strncasecmp(a, "sqlite_", 7) == 0);
    return !outside &&
                   (action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION)
               ? SQLITE_OK
               : SQLITE_DENY;
}

static sqlite3 *open_empty(struct error *error)
{
    sqlite3 *db;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        condition_install(db, error) != 0) {
        sqlite3_close_v2(db);
        return NULL;
    }
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 500);
    sqlite3_set_authorizer(db, authorize, NULL);
    return db;
}

static int no_field(const char *name, const json_t *columns, int line, int column,
                    struct error *error)
{
    const char *nearest = reading_nearest(columns, name);
    if (nearest)
        return error_say(error, ERROR_INPUT,
                         "»%s« is no field of the group; is »%s« meant? (line %d, column %d)",
                         "»%s« ist kein Feld der Gruppe; ist »%s« gemeint? (Zeile %d, Spalte %d)",
                         name, nearest, line, column);
    return error_say(error, ERROR_INPUT,
                     "»%s« is no field of the group; texts are written in 'single quotes' (line "
                     "%d, column %d)",
                     "»%s« ist kein Feld der Gruppe; Texte stehen in 'einfachen "
                     "Anführungszeichen' (Zeile %d, Spalte %d)",
                     name, line, column);
}

/* Say what SQLite says, of the place in the expression, which begins at byte `before`. */
static int not_understood(sqlite3 *db, const char *expression, size_t before, const json_t *columns,
                          struct error *error)
{
    static const char unknown[] = "no such column: ";
    const char *message = sqlite3_errmsg(db);
    int offset = sqlite3_error_offset(db), line, column;
    size_t at = offset < (int)before ? 0 : (size_t)offset - before;
    if (at > strlen(expression))
        at = strlen(expression); /* what we have put behind it */
    condition_place(expression, at, &line, &column);
    if (strncmp(message, unknown, sizeof unknown - 1) == 0)
        return no_field(message + sizeof unknown - 1, columns, line, column, error);
    if (sqlite3_errcode(db) == SQLITE_AUTH || strncmp(message, "no such table", 13) == 0)
        return error_say(
            error, ERROR_INPUT, "a condition sees the group's fields alone, no tables (%s)",
            "Eine Bedingung sieht nur die Felder der Gruppe, keine Tabellen (%s)", message);
    if (at == strlen(expression) && strncmp(message, "near \")\"", 8) == 0)
        return error_say(error, ERROR_INPUT, "the expression ends too early (line %d, column %d)",
                         "Der Ausdruck endet zu früh (Zeile %d, Spalte %d)", line, column);
    return error_say(error, ERROR_INPUT, "%s (line %d, column %d)", "%s (Zeile %d, Spalte %d)",
                     message, line, column);
}

static int check_parameters(sqlite3_stmt *statement, const json_t *values, struct error *error)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); i++) {
        const char *name = sqlite3_bind_parameter_name(statement, i);
        if (!name || *name != ':')
            return error_say(error, ERROR_INPUT,
                             "»%s« stands for no value; parameters are written :name",
                             "»%s« steht für keinen Wert; Parameter werden :name geschrieben",
                             name ? name : "?");
        if (!json_object_get(values, name + 1))
            return error_say(error, ERROR_INPUT,
                             "the campaign has no parameter »%s«; give it one, or write the value",
                             "Die Kampagne hat keinen Parameter »%s«; ihn angeben oder den Wert "
                             "schreiben.",
                             name + 1);
    }
    return 0;
}

/* Prepared, as a WHERE (where no aggregate may stand), over a row that is empty and no table. */
static int prepare(const char *expression, const json_t *columns, const json_t *values,
                   struct error *error)
{
    SQL_CLEAN sqlite3 *db = open_empty(error);
    STATEMENT_CLEAN sqlite3_stmt *statement = NULL;
    BUFFER_CLEAN struct buffer sql = {0};
    if (!db)
        return -1;
    buffer_text(&sql, "SELECT 1 FROM (SELECT NULL");
    put_columns(&sql, columns, true);
    buffer_text(&sql, ") WHERE (");
    size_t before = sql.size;
    buffer_printf(&sql, "%s\n)", expression);
    if (sqlite3_prepare_v2(db, sql.data, (int)sql.size, &statement, NULL) != SQLITE_OK)
        return not_understood(db, expression, before, columns, error);
    return check_parameters(statement, values, error);
}

/* "the filter: " in front, in each language. */
static int named(const struct condition_name *name, struct error *error)
{
    struct error inner;
    if (!error)
        return -1;
    inner = *error;
    return error_say(error, inner.code, "%s: %s%.0s%.0s", "%.0s%.0s%s: %s", name->english,
                     inner.message, name->german, *inner.german ? inner.german : inner.message);
}

static int append_expression(const char *expression, const json_t *columns, json_t *values,
                             struct buffer *sql, struct error *error)
{
    size_t count;
    BUFFER_CLEAN struct buffer fitted = {0};
    if (strlen(expression) > CONDITION_LENGTH_MAX)
        return error_say(error, ERROR_INPUT, "it is longer than %d bytes",
                         "sie ist länger als %d Byte", CONDITION_LENGTH_MAX);
    FREE_CLEAN struct word *words = condition_words(expression, &count, error);
    if (!words)
        return -1;
    if (!count)
        return error_say(error, ERROR_INPUT, "it is empty", "sie ist leer");
    if (prepare(expression, columns, values, error) != 0 ||
        condition_fit(expression, words, count, columns, &fitted, error) != 0 ||
        prepare(fitted.data, columns, values, error) != 0)
        return -1;
    buffer_printf(sql, "(%s\n)", fitted.data);
    return 0;
}

/* A built condition begins with a brace. */
static int append_built(const char *condition, const json_t *columns, json_t *values,
                        struct buffer *sql, struct error *error)
{
    json_error_t where;
    json_t *built = json_loads(condition, JSON_REJECT_DUPLICATES, &where);
    if (!built)
        return error_say(error, ERROR_INPUT, "line %d, column %d: %s", "Zeile %d, Spalte %d: %s",
                         where.line, where.column, where.text);
    FREE_CLEAN char *expression = builder_condition(built, DIALECT_SQLITE, columns, values, error);
    json_decref(built);
    if (!expression)
        return -1;
    buffer_printf(sql, "(%s)", expression);
    return 0;
}

int condition_append(const struct condition_name *name, const char *condition,
                     const json_t *columns, json_t *values, struct buffer *sql, struct error *error)
{
    struct error why = {.code = ERROR_NONE};
    bool built = condition[strspn(condition, " \t\r\n")] == '{';
    if ((built ? append_built : append_expression)(condition, columns, values, sql, &why) == 0)
        return 0;
    named(name, &why);
    if (error)
        *error = why;
    return -1;
}
