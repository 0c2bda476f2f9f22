#include "source/condition.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

struct condition {
    char *what;
    sqlite3 *db;
    sqlite3_stmt *statement;
    unsigned columns;
};

/* Reading the bound row and calling functions is all that an expression may do. */
static int authorize(void *context, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)context, (void)a, (void)c, (void)d;
    bool outside = action == SQLITE_FUNCTION && b && strcasecmp(b, "load_extension") == 0;
    return !outside &&
                   (action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION)
               ? SQLITE_OK
               : SQLITE_DENY;
}

/* SELECT (expression) FROM (SELECT ?1 AS "name", …): the row's values are bound, its names quoted.
 */
static void build(struct buffer *sql, const char *expression, const struct source *columns)
{
    buffer_printf(sql, "SELECT (%s\n) FROM (SELECT ", expression);
    for (unsigned i = 0; i < source_columns(columns); i++) {
        buffer_printf(sql, "%s?%u AS \"", i ? ", " : "", i + 1);
        for (const char *c = source_column_name(columns, i); *c; c++) {
            if (*c == '"')
                buffer_char(sql, '"');
            buffer_char(sql, *c);
        }
        buffer_char(sql, '"');
    }
    buffer_text(sql, ")");
}

struct condition *condition_new(const char *what, const char *expression,
                                const struct source *columns, struct error *error)
{
    struct condition *condition = memory_new(sizeof *condition);
    BUFFER_CLEAN struct buffer sql = {0};
    const char *tail = "";
    condition->what = memory_text(what);
    condition->columns = source_columns(columns);
    build(&sql, expression, columns);
    if (sqlite3_open_v2(":memory:", &condition->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK) {
        sqlite3_limit(condition->db, SQLITE_LIMIT_VARIABLE_NUMBER, (int)condition->columns);
        sqlite3_limit(condition->db, SQLITE_LIMIT_LENGTH, 64 << 20);
        sqlite3_limit(condition->db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
        sqlite3_db_config(condition->db, SQLITE_DBCONFIG_DQS_DML, 0,
                          NULL); /* "x" that is no column is an error, not a text */
        sqlite3_set_authorizer(condition->db, authorize, NULL);
        if (sqlite3_prepare_v2(condition->db, sql.data, -1, &condition->statement, &tail) !=
            SQLITE_OK)
            tail = ""; /* the error says it */
        else if (!*tail)
            return condition;
    }
    error_set(error, ERROR_INPUT, "%s: »%.200s« is no condition: %s", what, expression,
              *tail ? "it is more than one expression" : sqlite3_errmsg(condition->db));
    condition_free(condition);
    return NULL;
}

void condition_free(struct condition *condition)
{
    if (!condition)
        return;
    sqlite3_finalize(condition->statement);
    sqlite3_close_v2(condition->db);
    free(condition->what);
    free(condition);
}

static void bind_column(sqlite3_stmt *statement, int index, const struct source *row,
                        unsigned column)
{
    struct source_value value;
    source_value(row, column, &value);
    switch (value.type) {
    case SQLITE_INTEGER:
        sqlite3_bind_int64(statement, index, value.integer);
        break;
    case SQLITE_FLOAT:
        sqlite3_bind_double(statement, index, value.real);
        break;
    case SQLITE_TEXT:
        sqlite3_bind_text64(statement, index, value.text, value.length, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case SQLITE_BLOB:
        sqlite3_bind_blob64(statement, index, value.text, value.length, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(statement, index);
    }
}

int condition_holds(struct condition *condition, const struct source *row, struct error *error)
{
    for (unsigned i = 0; i < condition->columns; i++)
        bind_column(condition->statement, (int)i + 1, row, i);
    int step = sqlite3_step(condition->statement);
    int holds = step == SQLITE_ROW && sqlite3_column_int(condition->statement, 0) != 0;
    if (step != SQLITE_ROW)
        error_set(error, ERROR_INPUT, "%s: %s", condition->what, sqlite3_errmsg(condition->db));
    sqlite3_reset(condition->statement);
    return step == SQLITE_ROW ? holds : -1;
}
