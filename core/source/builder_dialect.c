/*
 * How databases differ. Each function is one thing to say, in the words of each; what they say must
 * be the same:
 *
 * Texts are the same if their characters are (MariaDB's collations take »Graz« for »graz« and
 * ignore blanks at the end, so there bytes are compared). Where capitals are not to count, both
 * sides are folded, ß to ss: by fold() of the reader in SQLite, whose own lower() knows ASCII alone;
 * by a collation that PostgreSQL has whatever the database's locale is.
 */
#include <string.h>

#include "base/text.h"
#include "source/builder_internal.h"
#include "source/folding.h"

#define SQL(...) arena_format(builder->arena, __VA_ARGS__)

/* ---- names ---- */

const char *dialect_quoted(struct builder *builder, const char *name)
{
    BUFFER_CLEAN struct buffer quoted = {0};
    source_quote(&quoted, builder->dialect, name);
    return arena_text(builder->arena, quoted.data);
}

/* »schema.table« are two names, where the point is not the table's own. */
const char *dialect_table(struct builder *builder, const json_t *table)
{
    const char *name = json_string_value(json_object_get(table, "name"));
    const char *schema = json_string_value(json_object_get(table, "schema"));
    if (!schema)
        return dialect_quoted(builder, name);
    return SQL("%s.%s", dialect_quoted(builder, schema),
               dialect_quoted(builder, name + strlen(schema) + 1));
}

/* ---- both sides of a comparison ---- */

/* `type` is what the column or placeholder is; in SQLite one of an unknown type compares by what
 * each value happens to be, and is made sure of. */
static const char *as_text(struct builder *builder, const char *sql, enum source_type type)
{
    switch (builder->dialect) {
    case DIALECT_SQLITE:
        return type == SOURCE_TEXT ? SQL("%s COLLATE BINARY", sql)
                                   : SQL("CAST(%s AS TEXT) COLLATE BINARY", sql);
    case DIALECT_POSTGRES:
        return SQL("CAST(%s AS text)", sql);
    case DIALECT_MYSQL:
        return SQL("CAST(CONVERT(%s USING utf8mb4) AS BINARY)", sql);
    default:
        return sql;
    }
}

/* A number of four bytes, whose 0.1 is not that of eight: it is what it is shown as. */
static bool is_short_real(const struct builder *builder, const struct column *column)
{
    const char *native = json_string_value(json_object_get(column->described, "native_type"));
    if (column->type != SOURCE_REAL || !native)
        return false;
    return builder->dialect == DIALECT_MYSQL
               ? text_starts(native, "float")
               : builder->dialect == DIALECT_POSTGRES &&
                     (text_equal(native, "real") || text_equal(native, "float4"));
}

static const char *as_number(struct builder *builder, const struct column *column)
{
    if (is_short_real(builder, column))
        return builder->dialect == DIALECT_MYSQL
                   ? SQL("CAST(CAST(%s AS CHAR) AS DOUBLE)", column->sql)
                   : SQL("CAST(CAST(%s AS text) AS double precision)", column->sql);
    bool is_number = column->type == SOURCE_INTEGER || column->type == SOURCE_REAL ||
                     (column->type == SOURCE_DECIMAL && builder->tables);
    switch (builder->dialect) {
    case DIALECT_SQLITE: /* in a snapshot decimals are texts */
        return is_number ? column->sql : SQL("CAST(%s AS NUMERIC)", column->sql);
    case DIALECT_POSTGRES:
        return column->type == SOURCE_UNKNOWN ? SQL("CAST(%s AS numeric)", column->sql)
                                              : column->sql;
    default:
        return column->sql;
    }
}

/* What SQLite's functions take for a day: where a column is not declared as one, only what is
 * written like one. To them 5 is a day, too, 'now' another. */
static const char *sqlite_day(struct builder *builder, const struct column *column)
{
    const char *type = json_string_value(json_object_get(column->described, "type"));
    bool may_be_other = text_equal(type, "") || text_equal(type, "text");
    return may_be_other ? SQL("CASE WHEN %s GLOB '[0-9][0-9][0-9][0-9]-*' THEN %s END", column->sql,
                              column->sql)
                        : column->sql;
}

static const char *as_day(struct builder *builder, const struct column *column)
{
    if (builder->dialect == DIALECT_SQLITE)
        return SQL("date(%s)", sqlite_day(builder, column));
    return column->type == SOURCE_DATE ? column->sql : SQL("CAST(%s AS date)", column->sql);
}

static bool has_booleans(const struct builder *builder)
{
    return builder->dialect == DIALECT_POSTGRES || builder->dialect == DIALECT_ANSI;
}

const char *dialect_column(struct builder *builder, const struct column *column, enum comparison as)
{
    bool is_sqlite = builder->dialect == DIALECT_SQLITE;
    switch (as) {
    case AS_TEXT:
        return as_text(builder, column->sql, column->type);
    case AS_NUMBER:
        return as_number(builder, column);
    case AS_DAY:
        return as_day(builder, column);
    case AS_MOMENT:
        return is_sqlite ? SQL("strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s)", column->sql)
                         : column->sql;
    case AS_CLOCK:
        return is_sqlite ? SQL("strftime('%%H:%%M:%%f', %s)", column->sql) : column->sql;
    case AS_TRUTH: /* what is not 0 is true, 2 as well as 1 */
        return has_booleans(builder) ? column->sql : SQL("(%s <> 0)", column->sql);
    default:
        return column->sql;
    }
}

/* A placeholder's type is not left to the database's guess. */
static const char *numeric_placeholder(struct builder *builder, const char *placeholder,
                                       enum source_type type, int decimals)
{
    static const char *const words[][3] = {
        /* integer, real, decimal */
        [DIALECT_SQLITE] = {"INTEGER", "REAL", "NUMERIC"},
        [DIALECT_POSTGRES] = {"bigint", "double precision", "numeric"},
        [DIALECT_MYSQL] = {"SIGNED", "DOUBLE", NULL},
        [DIALECT_ANSI] = {"BIGINT", "DOUBLE PRECISION", NULL},
    };
    int kind = type == SOURCE_INTEGER ? 0 : type == SOURCE_REAL ? 1 : 2;
    const char *word = words[builder->dialect][kind];
    if (word)
        return SQL("CAST(%s AS %s)", placeholder, word);
    return SQL("CAST(%s AS DECIMAL(%d, %d))", placeholder,
               builder->dialect == DIALECT_MYSQL ? 65 : 38, decimals);
}

const char *dialect_parameter(struct builder *builder, const char *placeholder, enum comparison as,
                              enum source_type type, int decimals)
{
    static const char *const mysql[] = {
        [AS_DAY] = "DATE", [AS_MOMENT] = "DATETIME(6)", [AS_CLOCK] = "TIME(6)"};
    static const char *const others[] = {
        [AS_DAY] = "date", [AS_MOMENT] = "timestamp", [AS_CLOCK] = "time"};
    struct column itself = {.sql = placeholder, .type = SOURCE_TEXT};
    switch (as) {
    case AS_TEXT:
        return builder->dialect == DIALECT_SQLITE ? SQL("CAST(%s AS TEXT)", placeholder)
                                                  : as_text(builder, placeholder, type);
    case AS_NUMBER:
        return numeric_placeholder(builder, placeholder, type, decimals);
    case AS_TRUTH:
        return builder->dialect == DIALECT_POSTGRES ? SQL("CAST(%s AS boolean)", placeholder)
                                                    : placeholder;
    default:
        if (builder->dialect == DIALECT_SQLITE)
            return dialect_column(builder, &itself, as);
        return SQL("CAST(%s AS %s)", placeholder,
                   builder->dialect == DIALECT_MYSQL ? mysql[as] : others[as]);
    }
}

const char *dialect_value(struct builder *builder, const char *placeholder, enum comparison as,
                          enum source_type type, int decimals)
{
    bool is_typed = builder->dialect == DIALECT_SQLITE &&
                    (as == AS_TEXT || as == AS_DAY || (as == AS_NUMBER && type == SOURCE_INTEGER));
    return is_typed ? placeholder : dialect_parameter(builder, placeholder, as, type, decimals);
}

const char *dialect_ordered(struct builder *builder, const char *sql, enum comparison as)
{
    return as == AS_TEXT && builder->dialect == DIALECT_POSTGRES ? SQL("(%s COLLATE \"C\")", sql)
                                                                 : sql;
}

/* ---- texts whose capitals do not count ---- */

const char *dialect_folded(struct builder *builder, const char *sql)
{
    switch (builder->dialect) {
    case DIALECT_SQLITE:
        return SQL("fold(%s)", sql);
    case DIALECT_POSTGRES:
        return SQL("REPLACE(LOWER(CAST(%s AS text) COLLATE \"und-x-icu\"), 'ß', 'ss')", sql);
    case DIALECT_MYSQL:
        return SQL("REPLACE(REPLACE(LOWER(CONVERT(%s USING utf8mb4)) COLLATE utf8mb4_bin, "
                   "'ẞ', 'ss'), 'ß', 'ss')",
                   sql);
    default:
        return SQL("LOWER(%s)", sql);
    }
}

const char *dialect_pattern(struct builder *builder, const char *placeholder, const char *before,
                            const char *after, bool wildcards)
{
    bool is_mysql = builder->dialect == DIALECT_MYSQL;
    const char *text = is_mysql ? SQL("CONVERT(%s USING utf8mb4)", placeholder)
                                : SQL("CAST(%s AS text)", placeholder);
    text = SQL("REPLACE(%s, '!', '!!')", text);
    if (!wildcards)
        text = SQL("REPLACE(REPLACE(%s, '%%', '!%%'), '_', '!_')", text);
    if (is_mysql)
        return SQL("CONCAT('%s', %s, '%s')", before, text, after);
    return SQL("'%s' || %s || '%s'", before, text, after);
}

/* ---- other conditions ---- */

const char *dialect_truth(struct builder *builder, const struct column *column, bool is)
{
    if (has_booleans(builder) && column->type == SOURCE_BOOLEAN)
        return SQL("%s = %s", column->sql, is ? "TRUE" : "FALSE");
    return SQL("%s %s 0", as_number(builder, column), is ? "<>" : "=");
}

/* SQLite's columns may hold an empty text whatever their type is. */
const char *dialect_empty(struct builder *builder, const struct column *column, bool is)
{
    bool is_sqlite = builder->dialect == DIALECT_SQLITE;
    bool may_be_text = column->type == SOURCE_TEXT || column->type == SOURCE_UNKNOWN || is_sqlite;
    const char *text = is_sqlite ? column->sql : as_text(builder, column->sql, column->type);
    if (!may_be_text || column->type == SOURCE_BINARY)
        return SQL("%s IS %s", column->sql, is ? "NULL" : "NOT NULL");
    return is ? SQL("(%s IS NULL OR %s = '')", column->sql, text)
              : SQL("(%s IS NOT NULL AND %s <> '')", column->sql, text);
}

const char *dialect_month(struct builder *builder, const struct column *column)
{
    if (builder->dialect == DIALECT_SQLITE)
        return SQL("CAST(strftime('%%m', %s) AS INTEGER)", sqlite_day(builder, column));
    return SQL("EXTRACT(MONTH FROM %s)", as_day(builder, column));
}

/* 1124 is 24 November. */
const char *dialect_month_and_day(struct builder *builder, const struct column *column)
{
    const char *day = as_day(builder, column);
    if (builder->dialect == DIALECT_SQLITE)
        return SQL("CAST(strftime('%%m%%d', %s) AS INTEGER)", sqlite_day(builder, column));
    return SQL("(100 * EXTRACT(MONTH FROM %s) + EXTRACT(DAY FROM %s))", day, day);
}

/* ---- the SELECT's other clauses ---- */

/* An average has as many decimals everywhere, and SQLite's sums of decimals, which it counts as
 * binary fractions, none that are not there. */
const char *dialect_aggregate(struct builder *builder, const char *function,
                              const struct column *column)
{
    enum source_dialect dialect = builder->dialect;
    const char *number = as_number(builder, column);
    if (strcmp(function, "count") == 0)
        return SQL("COUNT(%s)", column->sql);
    if (strcmp(function, "average") == 0)
        return SQL("ROUND(AVG(%s), 4)",
                   dialect == DIALECT_POSTGRES ? SQL("CAST(%s AS numeric)", number) : number);
    if (strcmp(function, "sum") == 0)
        return dialect == DIALECT_SQLITE && column->type != SOURCE_INTEGER
                   ? SQL("ROUND(SUM(%s), 6)", number)
                   : SQL("SUM(%s)", number);
    const char *sql = column->sql;
    if (column->type == SOURCE_TEXT) {
        if (dialect == DIALECT_MYSQL)
            sql = SQL("CONVERT(%s USING utf8mb4) COLLATE utf8mb4_bin", sql);
        else
            sql = dialect_ordered(builder, as_text(builder, sql, SOURCE_TEXT), AS_TEXT);
    }
    return SQL("%s(%s)", strcmp(function, "min") == 0 ? "MIN" : "MAX", sql);
}

const char *dialect_grouped(struct builder *builder, const struct column *column)
{
    const char *exact =
        column->type == SOURCE_TEXT ? as_text(builder, column->sql, SOURCE_TEXT) : column->sql;
    if (column->type == SOURCE_TEXT && builder->dialect == DIALECT_MYSQL)
        return SQL("%s, %s", column->sql, exact);
    return builder->dialect == DIALECT_SQLITE ? exact : column->sql;
}

/* Nothing comes before all else, as in SQLite and MariaDB; PostgreSQL has to be told. */
static const char *sorted(struct builder *builder, const char *sql, bool descending)
{
    const char *direction = descending ? " DESC" : "";
    if (builder->dialect != DIALECT_POSTGRES)
        return SQL("%s%s", sql, direction);
    return SQL("%s%s NULLS %s", sql, direction, descending ? "LAST" : "FIRST");
}

/* As people look names up: ä beside a, and after it where all else is the same. MariaDB has a
 * collation for the letters alone, so what is left goes by the characters' numbers. */
const char *dialect_sorted(struct builder *builder, const char *sql, enum source_type type,
                           bool descending)
{
    if (type != SOURCE_TEXT)
        return dialect_exactly_sorted(builder, sql, type, descending);
    const char *folded = dialect_folded(builder, sql);
    switch (builder->dialect) {
    case DIALECT_SQLITE:
        return sorted(builder, SQL("%s COLLATE " FOLDING_COLLATION, sql), descending);
    case DIALECT_POSTGRES:
        return sorted(builder, SQL("%s COLLATE \"und-x-icu\"", folded), descending);
    case DIALECT_MYSQL:
        return SQL("%s, %s",
                   sorted(builder,
                          SQL("CONVERT(%s USING utf8mb4) COLLATE utf8mb4_unicode_520_ci", sql),
                          descending),
                   sorted(builder, SQL("CAST(%s AS BINARY)", folded), descending));
    default:
        return sorted(builder, folded, descending);
    }
}

const char *dialect_exactly_sorted(struct builder *builder, const char *sql, enum source_type type,
                                   bool descending)
{
    bool is_text =
        type == SOURCE_TEXT || (type == SOURCE_UNKNOWN && builder->dialect == DIALECT_POSTGRES);
    if (is_text)
        sql = dialect_ordered(builder, as_text(builder, sql, SOURCE_TEXT), AS_TEXT);
    return sorted(builder, sql, descending);
}

const char *dialect_limit(struct builder *builder, json_int_t limit)
{
    if (builder->dialect == DIALECT_ANSI)
        return SQL("FETCH FIRST %lld ROWS ONLY", (long long)limit);
    return SQL("LIMIT %lld", (long long)limit);
}
