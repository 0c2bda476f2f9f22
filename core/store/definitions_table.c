/*
 * What each column of each table may hold, in one table. Reading a row, checking it, turning it
 * into JSON, and writing a document back all go by it, so that no path from the database skips the
 * checks.
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

enum kind {
    KIND_ID,
    KIND_PARENT,     /* the row that this one is nested in */
    KIND_POSITION,   /* the place among its siblings; in no document */
    KIND_NUMBER,     /* the same, as "number" */
    KIND_AFTER,      /* the position of an earlier sibling, or NULL */
    KIND_BOOLEAN,    /* 0 or 1 */
    KIND_LINE,       /* one line, not empty */
    KIND_TEXT,       /* any text */
    KIND_CHOICE,     /* one of the words in `choices` */
    KIND_PARAMETERS, /* a JSON object of plain values */
    KIND_CONTENT,    /* bytes */
    KIND_REFERENCE,  /* a row of the table `choices`; its name in documents */
    KIND_CREATED     /* written by the database alone */
};

struct column {
    const char *name;
    const char *key; /* in documents; NULL: not there */
    enum kind kind;
    bool nullable;
    int most;           /* characters; bytes for KIND_CONTENT */
    const char *preset; /* what a document need not give; NULL: must be given unless nullable */
    const char *choices;
};

enum nesting {
    NESTED_LIST,  /* an array of objects */
    NESTED_MAP,   /* an object by the value of `map_key` */
    NESTED_NAMES, /* an array of the names that `map_key` refers to */
};

struct child {
    const char *key;
    enum nesting nesting;
    const struct table *table;
    const char *map_key;
};

struct table {
    const char *name;
    const char *order; /* of siblings */
    const struct column *columns;
    const struct child *children; /* ended by key == NULL */
};

#define POSITION_MOST 1000000
#define CHILDREN_MOST 1000
#define SQL_MOST 1000000
#define BUDGET 64000000
#define LONG_TEXT 10000 /* longer ones are not listed */

#define ID                                                                                         \
    {                                                                                              \
        .name = "id", .kind = KIND_ID                                                              \
    }
#define PARENT(parent)                                                                             \
    {                                                                                              \
        .name = parent, .kind = KIND_PARENT, .choices = parent                                     \
    }
#define POSITION                                                                                   \
    {                                                                                              \
        .name = "position", .kind = KIND_POSITION                                                  \
    }
#define NAME                                                                                       \
    {                                                                                              \
        .name = "name", .key = "name", .kind = KIND_LINE, .most = 200                              \
    }
#define LINE(column, its_key, length)                                                              \
    {                                                                                              \
        .name = column, .key = its_key, .kind = KIND_LINE, .most = length                          \
    }
#define LINE_OR_NULL(column, its_key, length)                                                      \
    {                                                                                              \
        .name = column, .key = its_key, .kind = KIND_LINE, .nullable = true, .most = length        \
    }
#define TEXT(column, length)                                                                       \
    {                                                                                              \
        .name = column, .key = column, .kind = KIND_TEXT, .most = length, .preset = ""             \
    }
#define TEXT_OR_NULL(column, its_key, length)                                                      \
    {                                                                                              \
        .name = column, .key = its_key, .kind = KIND_TEXT, .nullable = true, .most = length        \
    }
#define CHOICE(column, first, words)                                                               \
    {                                                                                              \
        .name = column, .key = column, .kind = KIND_CHOICE, .most = 200, .preset = first,          \
        .choices = words                                                                           \
    }
#define REFERENCE(column, table)                                                                   \
    {                                                                                              \
        .name = column, .key = column, .kind = KIND_REFERENCE, .nullable = true, .choices = table  \
    }
#define LANGUAGE                                                                                   \
    {                                                                                              \
        .name = "language", .key = "language", .kind = KIND_LINE, .most = 35, .preset = "de"       \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct table field = {
    .name = "field",
    .order = "position, id",
    .columns = (const struct column[]){ID, PARENT("query_group"), NAME, POSITION,
                                       LINE_OR_NULL("label_de", "label_de", 200),
                                       LINE_OR_NULL("label_en", "label_en", 200),
                                       LINE_OR_NULL("role", "role", 50),
                                       LINE_OR_NULL("format", "format", 200), END},
};

static const struct table detail_group = {
    .name = "detail_group",
    .order = "position, id",
    .columns =
        (const struct column[]){ID,
                                PARENT("query_group"),
                                NAME,
                                POSITION,
                                {.name = "sql", .key = "sql", .kind = KIND_TEXT, .most = SQL_MOST},
                                LINE("key_column", "key", 200),
                                END},
};

static const struct table query_group = {
    .name = "query_group",
    .order = "position, id",
    .columns =
        (const struct column[]){ID,
                                PARENT("query"),
                                NAME,
                                POSITION,
                                {.name = "sql", .key = "sql", .kind = KIND_TEXT, .most = SQL_MOST},
                                LINE("key_column", "key", 200),
                                END},
    .children = (const struct child[]){{"fields", NESTED_LIST, &field, NULL},
                                       {"details", NESTED_LIST, &detail_group, NULL},
                                       {.key = NULL}},
};

static const struct table query = {
    .name = "query",
    .order = "id",
    .columns = (const struct column[]){ID, NAME, LINE("source", "source", 200),
                                       TEXT("description", LONG_TEXT), END},
    .children = (const struct child[]){{"groups", NESTED_LIST, &query_group, NULL}, {.key = NULL}},
};

static const struct table category = {
    .name = "category",
    .order = "id",
    .columns =
        (const struct column[]){
            ID,
            NAME,
            {.name = "distributor", .key = "distributor", .kind = KIND_BOOLEAN, .preset = "0"},
            END},
};

static const struct table report_category = {
    .name = "report_category",
    .order = "category",
    .columns =
        (const struct column[]){
            ID,
            PARENT("report"),
            {.name = "category", .key = "category", .kind = KIND_REFERENCE, .choices = "category"},
            END},
};

static const struct table report_variant = {
    .name = "report_variant",
    .order = "language",
    .columns = (const struct column[]){ID, PARENT("report"), LANGUAGE,
                                       TEXT_OR_NULL("subject", "subject", 1000),
                                       TEXT_OR_NULL("html", "html", SQL_MOST),
                                       TEXT_OR_NULL("text", "text", SQL_MOST), END},
};

static const struct table report_file = {
    .name = "report_file",
    .order = "name",
    .columns =
        (const struct column[]){
            ID,
            PARENT("report"),
            NAME,
            LINE("mime_type", "mime_type", 200),
            {.name = "content", .key = "content_base64", .kind = KIND_CONTENT, .most = 10000000},
            END},
};

static const struct table report = {
    .name = "report",
    .order = "id",
    .columns =
        (const struct column[]){ID, NAME, CHOICE("kind", "letter", "letter email text labels"),
                                TEXT("title", 200), TEXT("description", LONG_TEXT),
                                REFERENCE("query", "query"), END},
    .children = (const struct child[]){{"categories", NESTED_NAMES, &report_category, "category"},
                                       {"variants", NESTED_MAP, &report_variant, "language"},
                                       {"files", NESTED_LIST, &report_file, NULL},
                                       {.key = NULL}},
};

static const struct table address_pattern = {
    .name = "address_pattern",
    .order = "name",
    .columns =
        (const struct column[]){
            ID,
            NAME,
            {.name = "kind",
             .key = "kind",
             .kind = KIND_CHOICE,
             .most = 200,
             .choices = "address salutation"},
            LINE_OR_NULL("country", "country", 100),
            LINE_OR_NULL("language", "language", 35),
            {.name = "template", .key = "template", .kind = KIND_TEXT, .most = 100000},
            END},
};

static const struct table step = {
    .name = "step",
    .order = "position",
    .columns =
        (const struct column[]){
            ID,
            PARENT("campaign"),
            {.name = "position", .key = "number", .kind = KIND_NUMBER},
            NAME,
            LINE("action", "action", 200),
            {.name = "after_step", .key = "after", .kind = KIND_AFTER, .nullable = true},
            CHOICE("after_outcome", "delivered", "delivered rejected skipped unknown any"),
            TEXT_OR_NULL("when_expr", "when", LONG_TEXT),
            {.name = "parameters",
             .key = "parameters",
             .kind = KIND_PARAMETERS,
             .most = 100000,
             .preset = "{}"},
            END},
};

static const struct table schedule = {
    .name = "schedule",
    .order = "id",
    .columns =
        (const struct column[]){
            ID,
            PARENT("campaign"),
            {.name = "enabled", .key = "enabled", .kind = KIND_BOOLEAN, .preset = "1"},
            LINE("starts_at", "starts_at", 40),
            {.name = "time_zone",
             .key = "time_zone",
             .kind = KIND_LINE,
             .most = 100,
             .preset = "Europe/Berlin"},
            LINE_OR_NULL("rule", "rule", 1000),
            CHOICE("catch_up", "skip", "skip once"),
            END},
};

static const struct table campaign = {
    .name = "campaign",
    .order = "id",
    .columns =
        (const struct column[]){
            ID,
            NAME,
            TEXT("description", LONG_TEXT),
            CHOICE("purpose", "information", "advertising information mandatory"),
            LANGUAGE,
            REFERENCE("query", "query"),
            REFERENCE("distributor", "report"),
            TEXT_OR_NULL("individual_sql", "individual_sql", SQL_MOST),
            LINE_OR_NULL("group_name", "group", 200),
            TEXT_OR_NULL("filter", "filter", LONG_TEXT),
            {.name = "created_at", .key = "created_at", .kind = KIND_CREATED, .most = 40},
            END},
    .children = (const struct child[]){{"steps", NESTED_LIST, &step, NULL},
                                       {"schedules", NESTED_LIST, &schedule, NULL},
                                       {.key = NULL}},
};

const struct table *const tables_all[] = {&category,        &query,
                                          &query_group,     &field,
                                          &detail_group,    &report,
                                          &report_category, &report_variant,
                                          &report_file,     &address_pattern,
                                          &campaign,        &step,
                                          &schedule,        NULL};

const struct table *table_of_kind(const char *kind)
{
    return text_equal(kind, "query")      ? &query
           : text_equal(kind, "report")   ? &report
           : text_equal(kind, "campaign") ? &campaign
                                          : NULL;
}

const char *table_name(const struct table *table)
{
    return table->name;
}

/* ---- checks that rows and documents share */

static size_t characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

static bool is_choice(const char *choices, const char *word, size_t size)
{
    for (const char *c = choices; *c; c += strcspn(c, " "), c += *c == ' ')
        if (strcspn(c, " ") == size && !memcmp(c, word, size))
            return true;
    return false;
}

static bool may_be_empty(const struct column *column)
{
    return column->kind == KIND_TEXT && column->preset;
}

/* What is wrong with a text in this column; MESSAGE_NONE: nothing. */
static enum message text_fault(const struct column *column, const char *text, size_t size)
{
    if (size > (size_t)column->most && characters(text, size) > (size_t)column->most)
        return MESSAGE_LONG;
    if (!text_is_utf8(text, size) || memchr(text, '\0', size))
        return MESSAGE_UTF8;
    bool is_line = column->kind == KIND_LINE || column->kind == KIND_CREATED;
    if (size == 0 && (is_line || (!column->nullable && !may_be_empty(column))))
        return MESSAGE_EMPTY;
    if (is_line && has_control(text, size))
        return MESSAGE_CONTROL;
    if (column->kind == KIND_CHOICE && !is_choice(column->choices, text, size))
        return MESSAGE_CHOICE;
    return MESSAGE_NONE;
}

/* Say what text_fault found. `name`: the column's, or the place in a document. */
static int tell_text_fault(struct trouble *why, enum message fault, const struct column *column,
                           const char *name, const char *text, const char *table, int64_t row)
{
    char most[40];
    snprintf(most, sizeof most, "%d", column->most);
    const char *second = fault == MESSAGE_CHOICE ? text : most;
    return trouble_set(why, ERROR_INPUT, fault, table, row, name, second, column->choices);
}

static int parameters_check(const json_t *parameters, const char *name, const char *table,
                            int64_t row, struct trouble *why)
{
    if (!json_is_object(parameters))
        return trouble_set(why, ERROR_INPUT, MESSAGE_JSON, table, row, name, "{…} is expected",
                           NULL);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)parameters, key, value)
    {
        if (json_is_object(value) || json_is_array(value))
            return trouble_set(why, ERROR_INPUT, MESSAGE_JSON_VALUE, table, row, name, key, NULL);
    }
    return 0;
}

/* ---- rows */

static bool is_number(enum kind kind)
{
    return kind <= KIND_BOOLEAN || kind == KIND_REFERENCE;
}

static int number_check(const struct table *table, const struct column *column, int64_t id,
                        int64_t value, struct trouble *why)
{
    int64_t least = column->kind == KIND_BOOLEAN ? 0 : 1;
    int64_t most = column->kind == KIND_BOOLEAN ? 1 : POSITION_MOST;
    bool is_id =
        column->kind == KIND_ID || column->kind == KIND_PARENT || column->kind == KIND_REFERENCE;
    if (is_id)
        most = INT64_MAX;
    if (value >= least && value <= most)
        return 0;
    char from[40], to[40];
    snprintf(from, sizeof from, "%lld", (long long)least);
    snprintf(to, sizeof to, "%lld", (long long)most);
    return trouble_set(why, ERROR_INPUT, MESSAGE_RANGE, table->name, id, column->name, from, to);
}

static int stored_parameters(const struct table *table, const struct column *column, int64_t id,
                             const char *text, size_t size, json_t **out, struct trouble *why)
{
    json_error_t fault;
    JSON_CLEAN json_t *parameters = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (!parameters)
        return trouble_set(why, ERROR_INPUT, MESSAGE_JSON, table->name, id, column->name,
                           fault.text, NULL);
    if (parameters_check(parameters, column->name, table->name, id, why) < 0)
        return -1;
    if (out)
        *out = json_incref(parameters);
    return 0;
}

static const char *type_name(const struct column *column)
{
    return is_number(column->kind) ? "INTEGER" : column->kind == KIND_CONTENT ? "BLOB" : "TEXT";
}

static int cell_type(const struct column *column)
{
    return is_number(column->kind)        ? SQLITE_INTEGER
           : column->kind == KIND_CONTENT ? SQLITE_BLOB
                                          : SQLITE_TEXT;
}

static int cell_check(const struct table *table, const struct column *column, int64_t id,
                      sqlite3_stmt *row, int at, struct trouble *why)
{
    int type = sqlite3_column_type(row, at);
    if (type == SQLITE_NULL && column->nullable)
        return 0;
    if (type == SQLITE_NULL)
        return trouble_set(why, ERROR_INPUT, MESSAGE_NULL, table->name, id, column->name, NULL,
                           NULL);
    if (type != cell_type(column))
        return trouble_set(why, ERROR_INPUT, MESSAGE_TYPE, table->name, id, column->name,
                           type_name(column), NULL);
    if (is_number(column->kind))
        return number_check(table, column, id, sqlite3_column_int64(row, at), why);
    const char *text = sqlite3_column_blob(row, at);
    size_t size = (size_t)sqlite3_column_bytes(row, at);
    if (column->kind == KIND_CONTENT)
        return size <= (size_t)column->most
                   ? 0
                   : tell_text_fault(why, MESSAGE_LONG, column, column->name, "", table->name, id);
    if (!text)
        text = "";
    enum message fault = text_fault(column, text, size);
    if (fault)
        return tell_text_fault(why, fault, column, column->name, column_string(row, at),
                               table->name, id);
    return column->kind == KIND_PARAMETERS
               ? stored_parameters(table, column, id, text, size, NULL, why)
               : 0;
}

/* The columns come in the table's order, the first is the id. */
static int row_check(const struct table *table, int64_t id, sqlite3_stmt *row, struct trouble *why)
{
    int at = 0;
    for (const struct column *column = table->columns; column->name; column++, at++)
        if (cell_check(table, column, id, row, at, why) < 0)
            return -1;
    return 0;
}

static int select_row(struct definitions *d, const struct table *table, int64_t id,
                      sqlite3_stmt **row, struct trouble *why)
{
    BUFFER_CLEAN struct buffer sql = {0};
    for (const struct column *column = table->columns; column->name; column++)
        buffer_printf(&sql, "%s%s", column == table->columns ? "SELECT " : ", ", column->name);
    buffer_printf(&sql, " FROM %s WHERE id = ?1", table->name);
    if (prepare(d, buffer_string(&sql), row, why) < 0)
        return -1;
    sqlite3_bind_int64(*row, 1, id);
    int result = sqlite3_step(*row);
    if (result == SQLITE_ROW)
        return 0;
    if (result == SQLITE_DONE) {
        char number[40];
        snprintf(number, sizeof number, "%lld", (long long)id);
        return trouble_set(why, ERROR_NOT_FOUND, MESSAGE_NOT_FOUND, table->name, id, table->name,
                           number, NULL);
    }
    trouble_sql(why, d, table->name);
    why->row = id;
    return -1;
}

int table_check(struct definitions *d, const struct table *table, int64_t id, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (select_row(d, table, id, &row, why) < 0)
        return -1;
    return row_check(table, id, row, why);
}

/* The name that a reference goes by. It is another row's and not checked with this one. */
static json_t *referred_name(struct definitions *d, const struct table *table,
                             const struct column *column, int64_t id, int64_t target,
                             struct trouble *why)
{
    FREE_CLEAN char *sql = memory_format("SELECT name FROM %s WHERE id = ?1", column->choices);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (prepare(d, sql, &row, why) < 0)
        return NULL;
    sqlite3_bind_int64(row, 1, target);
    int result = sqlite3_step(row);
    json_t *name = result == SQLITE_ROW && sqlite3_column_type(row, 0) == SQLITE_TEXT
                       ? json_stringn(column_string(row, 0), (size_t)sqlite3_column_bytes(row, 0))
                       : NULL;
    if (name)
        return name;
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        trouble_set(why, ERROR_INPUT, MESSAGE_DANGLING, table->name, id, column->name,
                    column->choices, NULL);
    else
        trouble_sql(why, d, table->name);
    return NULL;
}

static json_t *content_json(const void *data, size_t size, enum depth depth)
{
    BUFFER_CLEAN struct buffer text = {0};
    if (depth == DEPTH_WHOLE && size > 0)
        text_base64(&text, data, size);
    return json_stringn(buffer_string(&text), text.size);
}

void table_refill_budget(struct definitions *d)
{
    d->budget = BUDGET;
}

/* Many rows, each within its limits, are still bounded together. */
static int spend(struct definitions *d, const struct table *table, int64_t id, size_t size,
                 struct trouble *why)
{
    if (size > d->budget)
        return trouble_set(why, ERROR_INPUT, MESSAGE_TOO_LARGE, table->name, id, "64 MB", NULL,
                           NULL);
    d->budget -= size;
    return 0;
}

/* A checked cell. */
static json_t *cell_json(struct definitions *d, const struct table *table,
                         const struct column *column, int64_t id, sqlite3_stmt *row, int at,
                         enum depth depth, struct trouble *why)
{
    if (sqlite3_column_type(row, at) == SQLITE_NULL)
        return json_null();
    int64_t number = sqlite3_column_int64(row, at);
    if (column->kind == KIND_REFERENCE)
        return referred_name(d, table, column, id, number, why);
    if (column->kind == KIND_BOOLEAN)
        return json_boolean(number);
    if (is_number(column->kind))
        return json_integer(number);
    const char *text = column_string(row, at);
    size_t size = (size_t)sqlite3_column_bytes(row, at);
    json_t *parameters = NULL;
    bool is_content = column->kind == KIND_CONTENT;
    if ((!is_content || depth == DEPTH_WHOLE) && spend(d, table, id, size, why) < 0)
        return NULL;
    if (column->kind == KIND_PARAMETERS)
        return stored_parameters(table, column, id, text, size, &parameters, why) < 0 ? NULL
                                                                                      : parameters;
    if (is_content)
        return content_json(sqlite3_column_blob(row, at), size, depth);
    return json_stringn(text, size);
}

static bool is_wanted(const struct column *column, enum depth depth)
{
    return column->key && (depth != DEPTH_LIST || column->most <= LONG_TEXT);
}

static int load_columns(struct definitions *d, const struct table *table, int64_t id,
                        enum depth depth, json_t *target, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (select_row(d, table, id, &row, why) < 0 || row_check(table, id, row, why) < 0)
        return -1;
    int at = 0;
    for (const struct column *column = table->columns; column->name; column++, at++) {
        if (!is_wanted(column, depth))
            continue;
        json_t *value = cell_json(d, table, column, id, row, at, depth, why);
        if (!value)
            return -1;
        json_object_set_new(target, column->key, value);
    }
    return 0;
}

/* ids of the rows nested in `parent`, in their order; parent 0: of all rows. */
static int64_t *select_ids(struct definitions *d, const struct table *table,
                           const char *parent_column, int64_t parent, size_t most, size_t *count,
                           struct trouble *why)
{
    FREE_CLEAN char *sql =
        parent_column
            ? memory_format("SELECT id FROM %s WHERE %s = ?1 ORDER BY %s LIMIT ?2", table->name,
                            parent_column, table->order)
            : memory_format("SELECT id FROM %s WHERE ?1 = 0 ORDER BY id LIMIT ?2", table->name);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (prepare(d, sql, &row, why) < 0)
        return NULL;
    sqlite3_bind_int64(row, 1, parent);
    sqlite3_bind_int64(row, 2, (int64_t)most + 1);
    size_t room = 16;
    int64_t *ids = memory_array(room, sizeof *ids);
    *count = 0;
    int result;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        if (*count == room)
            ids = memory_resize(ids, (room *= 2) * sizeof *ids);
        ids[(*count)++] = sqlite3_column_int64(row, 0);
    }
    if (result == SQLITE_DONE && *count <= most)
        return ids;
    if (result == SQLITE_DONE) {
        char number[40];
        snprintf(number, sizeof number, "%zu", most);
        trouble_set(why, ERROR_INPUT, MESSAGE_TOO_MANY, table->name, 0, table->name, number, NULL);
    } else {
        trouble_sql(why, d, table->name);
    }
    free(ids);
    return NULL;
}

int64_t *table_ids(struct definitions *d, const struct table *table, size_t most, size_t *count,
                   struct trouble *why)
{
    return select_ids(d, table, NULL, 0, most, count, why);
}

/* ---- nested rows */

static const char *parent_column(const struct table *table)
{
    const struct column *column = table->columns;
    while (column->kind != KIND_PARENT)
        column++;
    return column->name;
}

/* Steps are kept under any positions; in documents they are numbered 1, 2, 3. */
static int number_steps(json_t *steps, struct trouble *why)
{
    size_t i;
    json_t *one;
    json_array_foreach(steps, i, one)
    {
        int64_t after = json_integer_value(json_object_get(one, "after"));
        size_t earlier = 0;
        while (after && earlier < i &&
               json_integer_value(json_object_get(json_array_get(steps, earlier), "position")) !=
                   after)
            earlier++;
        if (after && earlier == i)
            return trouble_set(why, ERROR_INPUT, MESSAGE_STEP_AFTER, step.name, 0,
                               json_string_value(json_object_get(one, "name")), NULL, NULL);
        json_object_set(one, "position", json_object_get(one, "number"));
        json_object_set_new(one, "number", json_integer((json_int_t)i + 1));
        if (after)
            json_object_set_new(one, "after", json_integer((json_int_t)earlier + 1));
    }
    json_array_foreach(steps, i, one)
    {
        json_object_del(one, "position");
    }
    return 0;
}

static void nest(const struct child *child, json_t *collection, json_t *one)
{
    const char *key = json_string_value(json_object_get(one, child->map_key ? child->map_key : ""));
    if (child->nesting == NESTED_LIST) {
        json_array_append(collection, one);
    } else if (child->nesting == NESTED_NAMES) {
        json_array_append(collection, json_object_get(one, child->map_key));
    } else {
        json_object_set(collection, key, one);
        json_object_del(one, child->map_key);
    }
}

static json_t *load_children(struct definitions *d, const struct child *child, int64_t parent,
                             enum depth depth, struct trouble *why)
{
    size_t count;
    FREE_CLEAN int64_t *ids = select_ids(d, child->table, parent_column(child->table), parent,
                                         CHILDREN_MOST, &count, why);
    if (!ids)
        return NULL;
    JSON_CLEAN json_t *collection = child->nesting == NESTED_MAP ? json_object() : json_array();
    for (size_t i = 0; i < count; i++) {
        JSON_CLEAN json_t *one = table_load(d, child->table, ids[i], depth, why);
        if (!one)
            return NULL;
        nest(child, collection, one);
    }
    if (child->table == &step && number_steps(collection, why) < 0)
        return NULL;
    return json_incref(collection);
}

json_t *table_load(struct definitions *d, const struct table *table, int64_t id, enum depth depth,
                   struct trouble *why)
{
    JSON_CLEAN json_t *target = json_object();
    if (load_columns(d, table, id, depth, target, why) < 0)
        return NULL;
    for (const struct child *child = table->children; depth != DEPTH_LIST && child && child->key;
         child++) {
        json_t *collection = load_children(d, child, id, depth, why);
        if (!collection)
            return NULL;
        json_object_set_new(target, child->key, collection);
    }
    return json_incref(target);
}

/* ---- names */

int64_t table_find_name(struct definitions *d, const char *table, const char *name,
                        struct trouble *why)
{
    FREE_CLEAN char *sql = memory_format("SELECT id FROM %s WHERE name = ?1", table);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (prepare(d, sql, &row, why) < 0)
        return -1;
    sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        return sqlite3_column_int64(row, 0);
    return result == SQLITE_DONE ? 0 : trouble_sql(why, d, table);
}

int64_t table_find(struct definitions *d, const struct table *table, const char *name_or_id,
                   struct trouble *why)
{
    int64_t id = table_find_name(d, table->name, name_or_id, why);
    int64_t number;
    if (id != 0 || text_to_int64(name_or_id, &number) < 0)
        return id;
    FREE_CLEAN char *sql = memory_format("SELECT id FROM %s WHERE id = ?1", table->name);
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    if (prepare(d, sql, &row, why) < 0)
        return -1;
    sqlite3_bind_int64(row, 1, number);
    int result = sqlite3_step(row);
    if (result == SQLITE_ROW)
        return number;
    return result == SQLITE_DONE ? 0 : trouble_sql(why, d, table->name);
}

/* ---- documents to rows */

/* Where in a document: "groups[0].fields[2]"; "" at the top. */
struct place {
    char text[400];
};

static struct place place_key(const struct place *above, const char *key)
{
    struct place place;
    char shown[120];
    text_copy(shown, sizeof shown, key);
    snprintf(place.text, sizeof place.text, "%.250s%s%s", above->text, above->text[0] ? "." : "",
             shown);
    return place;
}

static struct place place_index(const struct place *above, size_t index)
{
    struct place place;
    snprintf(place.text, sizeof place.text, "%.350s[%zu]", above->text, index);
    return place;
}

/* One row on its way into the database. */
struct writing {
    struct definitions *d;
    const struct table *table;
    int64_t id;     /* 0: new */
    int64_t parent; /* 0: none */
    size_t number;  /* among its siblings, from 1 */
    const json_t *document;
    struct place place;
    struct error *error;
};

static int wrong(const struct writing *w, const char *key, const char *expected)
{
    struct place place = place_key(&w->place, key);
    return error_set(w->error, ERROR_INPUT, "%s: %s", place.text, expected);
}

static bool is_known_key(const struct table *table, const char *key)
{
    for (const struct column *column = table->columns; column->name; column++)
        if (text_equal(column->key, key))
            return true;
    for (const struct child *child = table->children; child && child->key; child++)
        if (text_equal(child->key, key))
            return true;
    return table_of_kind(table->name) && (text_equal(key, "id") || text_equal(key, "version"));
}

static int check_keys(const struct writing *w)
{
    if (!json_is_object(w->document))
        return error_set(w->error, ERROR_INPUT, "%s: an object is expected",
                         w->place.text[0] ? w->place.text : "document");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)w->document, key, value)
    {
        if (!is_known_key(w->table, key)) {
            FREE_CLEAN char *what =
                memory_format("a %s has no such key; see docs/schema.md", w->table->name);
            return wrong(w, key, what);
        }
    }
    return 0;
}

static int bind_text(const struct writing *w, sqlite3_stmt *row, int at,
                     const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, "a text is expected");
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    enum message fault = text_fault(column, text, size);
    if (fault) {
        struct place place = place_key(&w->place, column->key);
        struct trouble why = {0};
        tell_text_fault(&why, fault, column, place.text, text, w->table->name, 0);
        return trouble_tell(&why, w->error);
    }
    return sqlite3_bind_text(row, at, text, (int)size, SQLITE_TRANSIENT) == SQLITE_OK ? 0 : -1;
}

static int bind_reference(const struct writing *w, sqlite3_stmt *row, int at,
                          const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, "a name is expected");
    struct trouble why = {0};
    int64_t target = table_find_name(w->d, column->choices, json_string_value(value), &why);
    if (target < 0)
        return trouble_tell(&why, w->error);
    if (target == 0) {
        struct place place = place_key(&w->place, column->key);
        return error_set(w->error, ERROR_INPUT, "%s: there is no %s »%.200s«", place.text,
                         column->choices, json_string_value(value));
    }
    return sqlite3_bind_int64(row, at, target) == SQLITE_OK ? 0 : -1;
}

static int bind_parameters(const struct writing *w, sqlite3_stmt *row, int at,
                           const struct column *column, const json_t *value)
{
    struct place place = place_key(&w->place, column->key);
    struct trouble why = {0};
    if (parameters_check(value, place.text, w->table->name, 0, &why) < 0)
        return trouble_tell(&why, w->error);
    FREE_CLEAN char *text = json_dumps(value, JSON_COMPACT);
    if (!text || strlen(text) > (size_t)column->most)
        return wrong(w, column->key, "too long");
    return sqlite3_bind_text(row, at, text, -1, SQLITE_TRANSIENT) == SQLITE_OK ? 0 : -1;
}

static int bind_content(const struct writing *w, sqlite3_stmt *row, int at,
                        const struct column *column, const json_t *value)
{
    if (!json_is_string(value))
        return wrong(w, column->key, "a text is expected");
    BUFFER_CLEAN struct buffer content = {0};
    if (json_string_length(value) / 4 > (size_t)column->most / 3 + 1 ||
        text_unbase64(&content, json_string_value(value), json_string_length(value)) < 0 ||
        content.size > (size_t)column->most)
        return wrong(w, column->key, "base64 of at most 10,000,000 bytes is expected");
    return sqlite3_bind_blob(row, at, buffer_string(&content), (int)content.size,
                             SQLITE_TRANSIENT) == SQLITE_OK
               ? 0
               : -1;
}

static int bind_after(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column, const json_t *value)
{
    json_int_t after = json_integer_value(value);
    if (!json_is_integer(value) || after < 1 || after >= (json_int_t)w->number)
        return wrong(w, column->key, "the number of an earlier step, or null, is expected");
    return sqlite3_bind_int64(row, at, after) == SQLITE_OK ? 0 : -1;
}

static int bind_number(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column, const json_t *value)
{
    if (value && column->key && json_integer_value(value) != (json_int_t)w->number)
        return wrong(w, column->key, "steps are numbered 1, 2, 3 in their order; leave it out");
    return sqlite3_bind_int64(row, at, (int64_t)w->number) == SQLITE_OK ? 0 : -1;
}

/* What a document does not say. */
static int bind_preset(const struct writing *w, sqlite3_stmt *row, int at,
                       const struct column *column)
{
    if (column->nullable)
        return sqlite3_bind_null(row, at) == SQLITE_OK ? 0 : -1;
    if (!column->preset)
        return wrong(w, column->key, "must be given");
    if (column->kind == KIND_BOOLEAN)
        return sqlite3_bind_int(row, at, column->preset[0] == '1') == SQLITE_OK ? 0 : -1;
    return sqlite3_bind_text(row, at, column->preset, -1, SQLITE_STATIC) == SQLITE_OK ? 0 : -1;
}

static int bind_value(const struct writing *w, sqlite3_stmt *row, int at,
                      const struct column *column)
{
    const json_t *value = column->key ? json_object_get(w->document, column->key) : NULL;
    if (column->kind == KIND_PARENT)
        return sqlite3_bind_int64(row, at, w->parent) == SQLITE_OK ? 0 : -1;
    if (column->kind == KIND_POSITION || column->kind == KIND_NUMBER)
        return bind_number(w, row, at, column, value);
    if (!value || (json_is_null(value) && column->nullable))
        return bind_preset(w, row, at, column);
    switch (column->kind) {
    case KIND_REFERENCE:
        return bind_reference(w, row, at, column, value);
    case KIND_PARAMETERS:
        return bind_parameters(w, row, at, column, value);
    case KIND_CONTENT:
        return bind_content(w, row, at, column, value);
    case KIND_AFTER:
        return bind_after(w, row, at, column, value);
    case KIND_BOOLEAN:
        if (!json_is_boolean(value))
            return wrong(w, column->key, "true or false is expected");
        return sqlite3_bind_int(row, at, json_is_true(value)) == SQLITE_OK ? 0 : -1;
    default:
        return bind_text(w, row, at, column, value);
    }
}

static bool is_written(const struct column *column)
{
    return column->kind != KIND_ID && column->kind != KIND_CREATED;
}

/* INSERT or UPDATE, with the written columns as ?1 …, and the id of an UPDATE last. */
static int prepare_write(const struct writing *w, sqlite3_stmt **row, int *count)
{
    BUFFER_CLEAN struct buffer names = {0};
    BUFFER_CLEAN struct buffer places = {0};
    *count = 0;
    for (const struct column *column = w->table->columns; column->name; column++) {
        if (!is_written(column))
            continue;
        const char *comma = (*count)++ ? ", " : "";
        buffer_printf(&names, w->id ? "%s%s = ?%d" : "%s%s", comma, column->name, *count);
        buffer_printf(&places, "%s?%d", comma, *count);
    }
    FREE_CLEAN char *sql = w->id ? memory_format("UPDATE %s SET %s WHERE id = ?%d", w->table->name,
                                                 buffer_string(&names), *count + 1)
                                 : memory_format("INSERT INTO %s (%s) VALUES (%s)", w->table->name,
                                                 buffer_string(&names), buffer_string(&places));
    struct trouble why = {0};
    return prepare(w->d, sql, row, &why) < 0 ? trouble_tell(&why, w->error) : 0;
}

static int write_row(struct writing *w)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    int count, at = 0;
    if (prepare_write(w, &row, &count) < 0)
        return -1;
    for (const struct column *column = w->table->columns; column->name; column++)
        if (is_written(column) && bind_value(w, row, ++at, column) < 0)
            return -1;
    if (w->id)
        sqlite3_bind_int64(row, count + 1, w->id);
    if (sqlite3_step(row) == SQLITE_DONE) {
        if (!w->id)
            w->id = sqlite3_last_insert_rowid(w->d->db);
        return 0;
    }
    if (sqlite3_errcode(w->d->db) == SQLITE_CONSTRAINT)
        return error_set(w->error, ERROR_INPUT, "%s: %s",
                         w->place.text[0] ? w->place.text : w->table->name,
                         sqlite3_errmsg(w->d->db));
    struct trouble why = {0};
    trouble_sql(&why, w->d, w->table->name);
    return trouble_tell(&why, w->error);
}

static int write_document(struct writing *w);

static int write_child(const struct writing *above, const struct child *child,
                       const struct place *place, size_t number, const json_t *document)
{
    struct writing w = {
        .d = above->d,
        .table = child->table,
        .parent = above->id,
        .number = number,
        .document = document,
        .place = *place,
        .error = above->error,
    };
    return write_document(&w);
}

static int write_map(const struct writing *w, const struct child *child, const struct place *place,
                     json_t *map)
{
    const char *key;
    json_t *value;
    size_t number = 0;
    json_object_foreach(map, key, value)
    {
        struct place inside = place_key(place, key);
        if (json_object_get(value, child->map_key))
            return error_set(w->error, ERROR_INPUT, "%s: »%s« is the key above it, leave it out",
                             inside.text, child->map_key);
        JSON_CLEAN json_t *one = json_is_object(value) ? json_copy(value) : json_incref(value);
        if (json_is_object(one))
            json_object_set_new(one, child->map_key, json_string(key));
        if (write_child(w, child, &inside, ++number, one) < 0)
            return -1;
    }
    return 0;
}

static int write_list(const struct writing *w, const struct child *child, const struct place *place,
                      json_t *list)
{
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value)
    {
        struct place inside = place_index(place, i);
        JSON_CLEAN json_t *one = child->nesting == NESTED_NAMES
                                     ? json_pack("{s:O}", child->map_key, value)
                                     : json_incref(value);
        if (write_child(w, child, &inside, i + 1, one) < 0)
            return -1;
    }
    return 0;
}

static int delete_children(const struct writing *w, const struct child *child)
{
    FREE_CLEAN char *sql = memory_format("DELETE FROM %s WHERE %s = ?1", child->table->name,
                                         parent_column(child->table));
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    struct trouble why = {0};
    if (prepare(w->d, sql, &row, &why) < 0)
        return trouble_tell(&why, w->error);
    sqlite3_bind_int64(row, 1, w->id);
    if (sqlite3_step(row) == SQLITE_DONE)
        return 0;
    trouble_sql(&why, w->d, child->table->name);
    return trouble_tell(&why, w->error);
}

static int write_children(const struct writing *w, const struct child *child)
{
    if (delete_children(w, child) < 0)
        return -1;
    json_t *nested = json_object_get(w->document, child->key);
    if (!nested || json_is_null(nested))
        return 0;
    struct place place = place_key(&w->place, child->key);
    bool is_map = child->nesting == NESTED_MAP;
    if (is_map ? !json_is_object(nested) : !json_is_array(nested))
        return error_set(w->error, ERROR_INPUT, "%s: an %s is expected", place.text,
                         is_map ? "object" : "array");
    size_t count = is_map ? json_object_size(nested) : json_array_size(nested);
    if (count > CHILDREN_MOST)
        return error_set(w->error, ERROR_INPUT, "%s: more than %d", place.text, CHILDREN_MOST);
    return is_map ? write_map(w, child, &place, nested) : write_list(w, child, &place, nested);
}

static int write_document(struct writing *w)
{
    if (check_keys(w) < 0 || write_row(w) < 0)
        return -1;
    for (const struct child *child = w->table->children; child && child->key; child++)
        if (write_children(w, child) < 0)
            return -1;
    return 0;
}

int table_store(struct definitions *d, const struct table *table, int64_t *id,
                const json_t *document, struct error *error)
{
    struct writing w = {
        .d = d, .table = table, .id = *id, .number = 1, .document = document, .error = error};
    if (error)
        error_set(error, ERROR_SYSTEM, "out of memory");
    if (write_document(&w) < 0)
        return -1;
    *id = w.id;
    return 0;
}
