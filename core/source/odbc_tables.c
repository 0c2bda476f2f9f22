/* What there is to read behind ODBC. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "source/odbc.h"

static const char *text_at(const json_t *row, size_t column)
{
    const char *text = json_string_value(json_array_get(row, column));
    return text ? text : "";
}

static json_t *new_table(json_t *tables, const char *name, bool is_view)
{
    json_t *table = json_pack("{s:s, s:s, s:[], s:[]}", "name", name, "kind",
                              is_view ? "view" : "table", "columns", "foreign_keys");
    json_object_set_new(tables, name, table);
    return table;
}

static void add_column(json_t *table, const char *name, enum source_type type, const char *native,
                       bool is_nullable)
{
    json_array_append_new(json_object_get(table, "columns"),
                          json_pack("{s:s, s:s, s:s, s:b, s:i}", "name", name, "type",
                                    source_type_name(type), "native_type", native, "nullable",
                                    is_nullable, "key", 0));
}

static void set_key(json_t *table, const char *name, int place)
{
    size_t i;
    json_t *column;
    json_array_foreach(json_object_get(table, "columns"), i, column)
        if (strcmp(json_string_value(json_object_get(column, "name")), name) == 0)
            json_object_set_new(column, "key", json_integer(place));
}

/* Rows of one key follow each other; `is_first`: a new one begins. */
static void add_foreign_key(json_t *table, bool is_first, const char *column, const char *target,
                            const char *to)
{
    json_t *keys = json_object_get(table, "foreign_keys");
    if (is_first)
        json_array_append_new(keys,
                              json_pack("{s:[], s:s, s:[]}", "columns", "table", target, "to"));
    json_t *key = json_array_get(keys, json_array_size(keys) - 1);
    json_array_append_new(json_object_get(key, "columns"), json_string(column));
    json_array_append_new(json_object_get(key, "to"), json_string(to));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* {"name": table} as [table, …], sorted by name; takes the reference. */
static json_t *sorted(json_t *tables)
{
    json_t *list = json_array(), *table;
    const char *name, **names = memory_array(json_object_size(tables) + 1, sizeof *names);
    size_t count = 0;
    json_object_foreach(tables, name, table)
        names[count++] = name;
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        json_array_append(list, json_object_get(tables, names[i]));
    free(names);
    json_decref(tables);
    return list;
}

/* ---- MariaDB and MySQL: two statements for all tables ---- */

static enum source_type mysql_type(const char *type, const char *declared)
{
    static const struct {
        const char *name;
        enum source_type type;
    } types[] = {
        {"tinyint", SOURCE_INTEGER},     {"smallint", SOURCE_INTEGER},
        {"mediumint", SOURCE_INTEGER},   {"int", SOURCE_INTEGER},
        {"bigint", SOURCE_INTEGER},      {"year", SOURCE_INTEGER},
        {"decimal", SOURCE_DECIMAL},     {"float", SOURCE_REAL},
        {"double", SOURCE_REAL},         {"date", SOURCE_DATE},
        {"time", SOURCE_TIME},           {"datetime", SOURCE_TIMESTAMP},
        {"timestamp", SOURCE_TIMESTAMP}, {"binary", SOURCE_BINARY},
        {"varbinary", SOURCE_BINARY},    {"tinyblob", SOURCE_BINARY},
        {"blob", SOURCE_BINARY},         {"mediumblob", SOURCE_BINARY},
        {"longblob", SOURCE_BINARY},     {"geometry", SOURCE_BINARY},
    };
    if (strncmp(declared, "tinyint(1)", 10) == 0 || strcmp(declared, "bit(1)") == 0)
        return SOURCE_BOOLEAN;
    if (strcmp(type, "bit") == 0)
        return SOURCE_BINARY;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, type) == 0)
            return types[i].type;
    return SOURCE_TEXT;
}

static json_t *mysql_columns(const struct source *source, struct error *error)
{
    size_t i;
    json_t *row, *tables = json_object();
    json_t *rows = odbc_select(source,
                               "SELECT c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.DATA_TYPE, "
                               "c.COLUMN_TYPE, c.IS_NULLABLE "
                               "FROM information_schema.COLUMNS c "
                               "JOIN information_schema.TABLES t "
                               "ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME "
                               "WHERE c.TABLE_SCHEMA = DATABASE() "
                               "ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
                               NULL, 0, error);
    json_array_foreach(rows, i, row) {
        json_t *table = json_object_get(tables, text_at(row, 0));
        if (!table)
            table = new_table(tables, text_at(row, 0), strstr(text_at(row, 1), "VIEW") != NULL);
        add_column(table, text_at(row, 2), mysql_type(text_at(row, 3), text_at(row, 4)),
                   text_at(row, 4), strcmp(text_at(row, 5), "YES") == 0);
    }
    if (!rows)
        json_decref(tables);
    json_decref(rows);
    return rows ? tables : NULL;
}

static int mysql_keys(const struct source *source, const json_t *tables, struct error *error)
{
    size_t i;
    json_t *row;
    json_t *rows = odbc_select(
        source,
        "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, ORDINAL_POSITION, "
        "CASE WHEN REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA THEN REFERENCED_TABLE_NAME END, "
        "REFERENCED_COLUMN_NAME "
        "FROM information_schema.KEY_COLUMN_USAGE "
        "WHERE TABLE_SCHEMA = DATABASE() "
        "ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
        NULL, 0, error);
    json_array_foreach(rows, i, row) {
        json_t *table = json_object_get(tables, text_at(row, 0));
        int place = atoi(text_at(row, 3));
        if (strcmp(text_at(row, 1), "PRIMARY") == 0)
            set_key(table, text_at(row, 2), place);
        else if (table && *text_at(row, 4))
            add_foreign_key(table, place == 1, text_at(row, 2), text_at(row, 4), text_at(row, 5));
    }
    json_decref(rows);
    return rows ? 0 : -1;
}

static json_t *mysql_tables(const struct source *source, struct error *error)
{
    json_t *tables = mysql_columns(source, error);
    if (!tables)
        return NULL;
    if (mysql_keys(source, tables, error) == 0)
        return sorted(tables);
    json_decref(tables);
    return NULL;
}

/* ---- any other: ODBC's own functions ---- */

/* Places in the rows that these functions deliver. */
enum { TABLE_SCHEMA = 1, TABLE_NAME = 2, TABLE_TYPE = 3 };
enum {
    COLUMN_NAME = 3,
    COLUMN_TYPE = 4,
    COLUMN_TYPE_NAME = 5,
    COLUMN_SIZE = 6,
    COLUMN_NULLABLE = 10
};
enum { KEY_COLUMN = 3, KEY_PLACE = 4 };
enum { TO_SCHEMA = 1, TO_TABLE = 2, TO_COLUMN = 3, FROM_COLUMN = 7, FROM_PLACE = 8 };

enum catalogue { TABLES, COLUMNS, PRIMARY_KEYS, FOREIGN_KEYS };

static json_t *ask_driver(const struct source *source, enum catalogue what, const char *schema,
                          const char *table, struct error *error)
{
    const struct odbc_state *state = source->state;
    SQLHSTMT statement = SQL_NULL_HSTMT;
    static SQLWCHAR kinds[] = {'T', 'A', 'B', 'L', 'E', ',', 'V', 'I', 'E', 'W', 0};
    size_t s, t;
    FREE_CLEAN SQLWCHAR *in_schema = odbc_wide(schema, strlen(schema), &s);
    FREE_CLEAN SQLWCHAR *of_table = odbc_wide(table, strlen(table), &t);
    SQLWCHAR *place = s ? in_schema : NULL;
    SQLSMALLINT schema_units = (SQLSMALLINT)s, table_units = (SQLSMALLINT)t;
    SQLRETURN done;
    json_t *rows = NULL;
    if (!SQL_SUCCEEDED(odbc.AllocHandle(SQL_HANDLE_STMT, state->connection, &statement))) {
        odbc_fail(source, SQL_HANDLE_DBC, state->connection, error);
        return NULL;
    }
    if (what == TABLES)
        done = odbc.TablesW(statement, NULL, 0, NULL, 0, NULL, 0, kinds, SQL_NTS);
    else if (what == COLUMNS)
        done =
            odbc.ColumnsW(statement, NULL, 0, place, schema_units, of_table, table_units, NULL, 0);
    else if (what == PRIMARY_KEYS)
        done = odbc.PrimaryKeysW(statement, NULL, 0, place, schema_units, of_table, table_units);
    else
        done = odbc.ForeignKeysW(statement, NULL, 0, NULL, 0, NULL, 0, NULL, 0, place, schema_units,
                                 of_table, table_units);
    if (SQL_SUCCEEDED(done))
        rows = odbc_rows(source, statement, error);
    else
        odbc_fail(source, SQL_HANDLE_STMT, statement, error);
    odbc.FreeHandle(SQL_HANDLE_STMT, statement);
    return rows;
}

/* As it is written in a query: tables outside of PostgreSQL's `public` with their schema. */
static char *shown_name(const struct source *source, const char *schema, const char *table)
{
    bool is_plain =
        !*schema || (source->dialect == DIALECT_POSTGRES && strcmp(schema, "public") == 0);
    return is_plain ? memory_text(table) : memory_format("%s.%s", schema, table);
}

static int add_driver_columns(const struct source *source, json_t *table, const json_t *listed,
                              struct error *error)
{
    size_t i;
    json_t *row;
    json_t *rows = ask_driver(source, COLUMNS, text_at(listed, TABLE_SCHEMA),
                              text_at(listed, TABLE_NAME), error);
    json_array_foreach(rows, i, row)
        if (strcmp(text_at(row, TABLE_NAME), text_at(listed, TABLE_NAME)) == 0)
            add_column(table, text_at(row, COLUMN_NAME),
                       odbc_type(source, (SQLSMALLINT)atoi(text_at(row, COLUMN_TYPE)),
                                 (SQLULEN)atoll(text_at(row, COLUMN_SIZE)),
                                 text_at(row, COLUMN_TYPE_NAME)),
                       text_at(row, COLUMN_TYPE_NAME),
                       atoi(text_at(row, COLUMN_NULLABLE)) != SQL_NO_NULLS);
    json_decref(rows);
    return rows ? 0 : -1;
}

/* A driver that knows nothing of keys is no reason to fail. */
static void add_driver_keys(const struct source *source, json_t *table, const json_t *listed)
{
    struct error ignored;
    size_t i;
    json_t *row;
    const char *schema = text_at(listed, TABLE_SCHEMA), *name = text_at(listed, TABLE_NAME);
    json_t *primary = ask_driver(source, PRIMARY_KEYS, schema, name, &ignored);
    json_array_foreach(primary, i, row)
        set_key(table, text_at(row, KEY_COLUMN), atoi(text_at(row, KEY_PLACE)));
    json_t *foreign = ask_driver(source, FOREIGN_KEYS, schema, name, &ignored);
    json_array_foreach(foreign, i, row) {
        FREE_CLEAN char *target =
            shown_name(source, text_at(row, TO_SCHEMA), text_at(row, TO_TABLE));
        add_foreign_key(table, atoi(text_at(row, FROM_PLACE)) == 1, text_at(row, FROM_COLUMN),
                        target, text_at(row, TO_COLUMN));
    }
    json_decref(primary);
    json_decref(foreign);
}

static json_t *driver_tables(const struct source *source, struct error *error)
{
    size_t i;
    json_t *listed, *tables = json_object();
    json_t *list = ask_driver(source, TABLES, "", "", error);
    int result = list ? 0 : -1;
    json_array_foreach(list, i, listed) {
        FREE_CLEAN char *name =
            shown_name(source, text_at(listed, TABLE_SCHEMA), text_at(listed, TABLE_NAME));
        json_t *table =
            new_table(tables, name, strstr(text_at(listed, TABLE_TYPE), "VIEW") != NULL);
        if (strcmp(name, text_at(listed, TABLE_NAME)) != 0)
            json_object_set_new(table, "schema", json_string(text_at(listed, TABLE_SCHEMA)));
        result = add_driver_columns(source, table, listed, error);
        if (result != 0)
            break;
        add_driver_keys(source, table, listed);
    }
    json_decref(list);
    if (result == 0)
        return sorted(tables);
    json_decref(tables);
    return NULL;
}

json_t *odbc_tables(struct source *source, struct error *error)
{
    return source->dialect == DIALECT_MYSQL ? mysql_tables(source, error)
                                            : driver_tables(source, error);
}
