/* The SELECT of a built query, clause by clause. */
#include "source/builder.h"

#include <stdlib.h>
#include <string.h>

#include "source/builder_internal.h"

#define ORDERS_MAX 50
#define LIMIT_MAX 100000000

struct output {
    const char *field; /* as the document names it */
    const char *name;  /* the result's column */
    const char *sql;
    struct column column;
    bool is_aggregate;
    enum source_type type;
};

struct select {
    struct builder *builder;
    struct output *outputs;
    size_t count;
    bool is_grouped;
};

/* ---- fields ---- */

/* A number's function of other things would be a different nonsense in each database. */
static int check_function(struct builder *builder, const char *function,
                          const struct column *column)
{
    static const char *const names[] = {"count", "sum", "min", "max", "average"};
    size_t i = 0, count = sizeof names / sizeof *names;
    while (i < count && strcmp(names[i], function) != 0)
        i++;
    place_enter(&builder->place, ".function");
    if (i == count)
        return place_failed(&builder->place,
                            error_say(builder->error, ERROR_INPUT,
                                      "the function is count, sum, min, max or average",
                                      "Die Funktion ist count, sum, min, max oder average."));
    enum comparison as = builder_comparison(column->type);
    bool is_number = as == AS_NUMBER || column->type == SOURCE_UNKNOWN;
    bool fits =
        *function == 'c' || is_number || (*function == 'm' && as != AS_TRUTH && as != AS_NOTHING);
    if (fits)
        return 0;
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT, "»%s« is %s%.0s; %s is not for that",
                                  "»%s« ist %.0s%s; %s ist dafür nicht gedacht.", column->shown,
                                  builder_type_in_english(column->type),
                                  builder_type_in_german(column->type), function));
}

static enum source_type type_of_function(const char *function, enum source_type type)
{
    if (strcmp(function, "count") == 0)
        return SOURCE_INTEGER;
    return strcmp(function, "average") == 0 ? SOURCE_DECIMAL : type;
}

/* »city« of customers.city, »sum_amount« of a function. */
static const char *name_of_output(struct builder *builder, const struct column *column,
                                  const char *function)
{
    const char *name = json_string_value(json_object_get(column->described, "name"));
    return function ? arena_format(builder->arena, "%s_%s", function, name) : name;
}

static int check_name(struct select *select, size_t index)
{
    struct builder *builder = select->builder;
    char shown[PLACE_SHOWN];
    const char *name = select->outputs[index].name;
    for (size_t i = 0; i < index; i++)
        if (strcasecmp(select->outputs[i].name, name) == 0)
            return place_failed(&builder->place,
                                error_say(builder->error, ERROR_INPUT,
                                          "two fields are called »%s«; give this one another name "
                                          "by \"as\"",
                                          "Zwei Felder heißen »%s«; diesem mit \"as\" einen "
                                          "anderen Namen geben.",
                                          place_shown(shown, name)));
    return 0;
}

static int read_output(struct select *select, const json_t *document, size_t index)
{
    static const char *const keys[] = {"field", "as", "function", NULL};
    struct builder *builder = select->builder;
    struct output *output = &select->outputs[index];
    const char *function;
    if (place_keys(&builder->place, document, keys) < 0 ||
        place_text(&builder->place, document, "field", 2 * NAME_MAX_BYTES, &output->field) < 0 ||
        place_text(&builder->place, document, "as", ALIAS_MAX_BYTES, &output->name) < 0 ||
        place_text(&builder->place, document, "function", NAME_MAX_BYTES, &function) < 0)
        return -1;
    if (!output->field)
        return place_missing(&builder->place, "field");
    size_t back = place_enter(&builder->place, ".field");
    if (builder_column(builder, output->field, &output->column) < 0)
        return -1;
    place_leave(&builder->place, back);
    if (function && check_function(builder, function, &output->column) < 0)
        return -1;
    place_leave(&builder->place, back);
    if (!output->name)
        output->name = name_of_output(builder, &output->column, function);
    output->is_aggregate = function != NULL;
    output->type = function ? type_of_function(function, output->column.type) : output->column.type;
    output->sql =
        function ? dialect_aggregate(builder, function, &output->column) : output->column.sql;
    select->is_grouped |= output->is_aggregate;
    return check_name(select, index);
}

static int write_fields(struct select *select, const json_t *built, struct buffer *sql)
{
    struct builder *builder = select->builder;
    const json_t *fields;
    int distinct;
    if (place_list(&builder->place, built, "fields", BUILDER_FIELDS_MAX, &fields) < 0 ||
        place_flag(&builder->place, built, "distinct", &distinct) < 0)
        return -1;
    if (!fields)
        return place_missing(&builder->place, "fields");
    select->is_grouped = distinct;
    select->count = json_array_size(fields);
    select->outputs = arena_alloc(builder->arena, select->count * sizeof *select->outputs);
    buffer_text(sql, "SELECT ");
    for (size_t i = 0; i < select->count; i++) {
        size_t back = place_enter(&builder->place, "fields[%zu]", i);
        if (read_output(select, json_array_get(fields, i), i) < 0)
            return -1;
        place_leave(&builder->place, back);
        if (!select->outputs[i].is_aggregate)
            json_object_set(builder->fields, select->outputs[i].name,
                            (json_t *)select->outputs[i].column.described);
        buffer_printf(sql, "%s%s AS %s", i ? ", " : "", select->outputs[i].sql,
                      dialect_quoted(builder, select->outputs[i].name));
    }
    return 0;
}

/* ---- the other clauses ---- */

static int write_where(struct builder *builder, const json_t *built, struct buffer *sql)
{
    const json_t *where = json_object_get(built, "where");
    if (!where || json_is_null(where))
        return 0;
    size_t back = place_enter(&builder->place, "where");
    buffer_text(sql, "\nWHERE ");
    if (builder_condition_write(builder, where, sql) < 0)
        return -1;
    place_leave(&builder->place, back);
    return 0;
}

/* Rows that are the same are one: by GROUP BY for »distinct«, too, since a SELECT DISTINCT can only
 * be ordered by what it shows as it shows it. */
static void write_group(const struct select *select, struct buffer *sql)
{
    bool is_first = true;
    for (size_t i = 0; select->is_grouped && i < select->count; i++) {
        if (select->outputs[i].is_aggregate)
            continue;
        buffer_printf(sql, "%s%s", is_first ? "\nGROUP BY " : ", ",
                      dialect_grouped(select->builder, &select->outputs[i].column));
        is_first = false;
    }
}

/* What to order by: a field of the result, by either of its names, or a column of the tables. */
static int find_order(struct select *select, const char *name, const char **sql,
                      enum source_type *type)
{
    struct column column;
    char shown[PLACE_SHOWN];
    for (size_t i = 0; i < select->count; i++) {
        const struct output *output = &select->outputs[i];
        if (strcmp(output->name, name) == 0 ||
            (strcmp(output->field, name) == 0 && !output->is_aggregate)) {
            *sql = output->sql;
            *type = output->type;
            return 0;
        }
    }
    if (builder_column(select->builder, name, &column) < 0)
        return -1;
    *sql = column.sql;
    *type = column.type;
    if (!select->is_grouped)
        return 0;
    return place_failed(&select->builder->place,
                        error_say(select->builder->error, ERROR_INPUT,
                                  "the rows are put together, so they can only be ordered by the "
                                  "query's fields, and »%s« is none of them",
                                  "Die Zeilen werden zusammengefasst und lassen sich nur nach den "
                                  "Feldern der Abfrage ordnen; »%s« ist keines davon.",
                                  place_shown(shown, name)));
}

static int write_order(struct select *select, const json_t *document, struct buffer *sql)
{
    static const char *const keys[] = {"field", "descending", NULL};
    struct builder *builder = select->builder;
    const char *field, *order;
    enum source_type type;
    int descending;
    if (place_keys(&builder->place, document, keys) < 0 ||
        place_text(&builder->place, document, "field", 2 * NAME_MAX_BYTES, &field) < 0 ||
        place_flag(&builder->place, document, "descending", &descending) < 0)
        return -1;
    if (!field)
        return place_missing(&builder->place, "field");
    size_t back = place_enter(&builder->place, ".field");
    if (find_order(select, field, &order, &type) < 0)
        return -1;
    place_leave(&builder->place, back);
    buffer_printf(sql, "%s%s", sql->size ? ", " : "",
                  dialect_sorted(builder, order, type, descending));
    return 0;
}

/* What is left open would be another order, and with a limit other rows, in each database: so
 * the tables' keys come last, or where rows are put together all their fields. */
static void write_tie_breakers(struct select *select, struct buffer *sql)
{
    struct builder *builder = select->builder;
    for (size_t i = 0; select->is_grouped && i < select->count; i++)
        buffer_printf(sql, "%s%s", sql->size ? ", " : "",
                      dialect_exactly_sorted(builder, select->outputs[i].sql,
                                             select->outputs[i].type, false));
    for (size_t i = 0; !select->is_grouped && i < builder->used_count; i++) {
        size_t j;
        json_t *described;
        json_array_foreach(json_object_get(builder->used[i].table, "columns"), j, described) {
            struct column column = builder_column_in(builder, &builder->used[i], described);
            if (json_integer_value(json_object_get(described, "key")) > 0)
                buffer_printf(sql, "%s%s", sql->size ? ", " : "",
                              dialect_exactly_sorted(builder, column.sql, column.type, false));
        }
    }
}

static int read_limit(struct builder *builder, const json_t *built, json_int_t *limit)
{
    const json_t *value = json_object_get(built, "limit");
    *limit = 0;
    if (!value || json_is_null(value))
        return 0;
    size_t back = place_enter(&builder->place, "limit");
    *limit = json_integer_value(value);
    if (*limit < 1 || *limit > LIMIT_MAX)
        return place_failed(
            &builder->place,
            error_say(builder->error, ERROR_INPUT, "a whole number from 1 to %d is needed here",
                      "Hier wird eine ganze Zahl von 1 bis %d gebraucht.", LIMIT_MAX));
    place_leave(&builder->place, back);
    return 0;
}

static int write_end(struct select *select, const json_t *built, struct buffer *sql)
{
    struct builder *builder = select->builder;
    BUFFER_CLEAN struct buffer order = {0};
    const json_t *orders;
    json_int_t limit;
    if (place_list(&builder->place, built, "order", ORDERS_MAX, &orders) < 0 ||
        read_limit(builder, built, &limit) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(orders); i++) {
        size_t back = place_enter(&builder->place, "order[%zu]", i);
        if (write_order(select, json_array_get(orders, i), &order) < 0)
            return -1;
        place_leave(&builder->place, back);
    }
    if (orders || limit)
        write_tie_breakers(select, &order);
    if (order.size)
        buffer_printf(sql, "\nORDER BY %s", order.data);
    if (limit)
        buffer_printf(sql, "\n%s", dialect_limit(builder, limit));
    return 0;
}

/* ---- the whole ---- */

static int write_select(struct builder *builder, const json_t *built, struct buffer *sql)
{
    static const char *const keys[] = {"from",  "joins",    "fields", "where",
                                       "order", "distinct", "limit",  NULL};
    struct select select = {.builder = builder};
    BUFFER_CLEAN struct buffer from = {0};
    if (place_keys(&builder->place, built, keys) < 0 ||
        builder_join_tables(builder, built, &from) < 0 || write_fields(&select, built, sql) < 0)
        return -1;
    buffer_text(sql, from.data);
    if (write_where(builder, built, sql) < 0)
        return -1;
    write_group(&select, sql);
    return write_end(&select, built, sql);
}

static void begin(struct builder *builder, enum source_dialect dialect, struct date today,
                  json_t *values, struct error *error)
{
    *builder = (struct builder){
        .dialect = dialect,
        .today = today,
        .values = values,
        .first_value = json_object_size(values),
        .parameters = json_object(),
        .arena = arena_new(),
        .place = {.error = error},
        .error = error,
    };
}

static void end(struct builder *builder)
{
    buffer_free(&builder->place.path);
    arena_free(builder->arena);
}

json_t *builder_sql(const json_t *built, enum source_dialect dialect, const json_t *tables,
                    struct date today, struct error *error)
{
    struct builder builder;
    BUFFER_CLEAN struct buffer sql = {0};
    json_t *answer = NULL;
    begin(&builder, dialect, today, json_object(), error);
    builder.tables = tables;
    builder.fields = json_object();
    if (write_select(&builder, built, &sql) == 0)
        answer = json_pack("{s:s, s:O, s:O, s:O}", "sql", sql.data, "values", builder.values,
                           "parameters", builder.parameters, "fields", builder.fields);
    json_decref(builder.fields);
    json_decref(builder.values);
    json_decref(builder.parameters);
    end(&builder);
    return answer;
}

char *builder_condition_on(const json_t *condition, enum source_dialect dialect,
                           const json_t *columns, struct date today, json_t *values,
                           struct error *error)
{
    struct builder builder;
    BUFFER_CLEAN struct buffer sql = {0};
    begin(&builder, dialect, today, values, error);
    builder.columns = columns;
    int result = builder_condition_write(&builder, condition, &sql);
    json_decref(builder.parameters);
    end(&builder);
    return result == 0 ? buffer_steal(&sql) : NULL;
}

char *builder_condition(const json_t *condition, enum source_dialect dialect, const json_t *columns,
                        json_t *values, struct error *error)
{
    return builder_condition_on(condition, dialect, columns, date_today(), values, error);
}
