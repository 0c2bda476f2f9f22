/* What each column of each table may hold. docs/schema.md says the same to people. */
#include "store/definitions_table.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

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
#define FILLED_OR_NULL(column, its_key, length)                                                    \
    {                                                                                              \
        .name = column, .key = its_key, .kind = KIND_TEXT, .nullable = true, .filled = true,       \
        .most = length                                                                             \
    }
#define OBJECT_OR_NULL(column)                                                                     \
    {                                                                                              \
        .name = column, .key = column, .kind = KIND_OBJECT, .nullable = true, .most = SQL_MOST     \
    }
#define PARAMETERS                                                                                 \
    {                                                                                              \
        .name = "parameters", .key = "parameters", .kind = KIND_PARAMETERS, .most = 100000,        \
        .preset = "{}"                                                                             \
    }
#define BOOLEAN(column, first)                                                                     \
    {                                                                                              \
        .name = column, .key = column, .kind = KIND_BOOLEAN, .preset = first                       \
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

static const struct alternative sql_or_built = {"sql", "built", true};

static const struct table detail_group = {
    .name = "detail_group",
    .order = "position, id",
    .alternative = &sql_or_built,
    .columns = (const struct column[]){ID,
                                       PARENT("query_group"),
                                       NAME,
                                       POSITION,
                                       FILLED_OR_NULL("sql", "sql", SQL_MOST),
                                       OBJECT_OR_NULL("built"),
                                       LINE("key_column", "key", 200),
                                       {.name = "row_limit",
                                        .key = "limit",
                                        .kind = KIND_COUNT,
                                        .most = 1000000,
                                        .preset = "1000"},
                                       END},
};

static const struct table query_set = {
    .name = "query_set",
    .order = "position, id",
    .columns =
        (const struct column[]){
            ID,
            PARENT("query_group"),
            POSITION,
            CHOICE("operation", NULL, "minus both"),
            {.name = "other_query", .key = "query", .kind = KIND_REFERENCE, .choices = "query"},
            LINE_OR_NULL("other_group", "group", 200),
            END},
};

static const struct table query_group = {
    .name = "query_group",
    .order = "position, id",
    .alternative = &sql_or_built,
    .columns =
        (const struct column[]){ID, PARENT("query"), NAME, POSITION,
                                FILLED_OR_NULL("sql", "sql", SQL_MOST), OBJECT_OR_NULL("built"),
                                LINE("key_column", "key", 200), END},
    .children = (const struct child[]){{"fields", NESTED_LIST, &field, NULL},
                                       {"details", NESTED_LIST, &detail_group, NULL},
                                       {"sets", NESTED_LIST, &query_set, NULL},
                                       {.key = NULL}},
};

static const struct table query_parameter = {
    .name = "query_parameter",
    .order = "position, id",
    .columns =
        (const struct column[]){ID,
                                PARENT("query"),
                                {.name = "name", .key = "name", .kind = KIND_WORD, .most = 100},
                                POSITION,
                                LINE_OR_NULL("label_de", "label_de", 200),
                                LINE_OR_NULL("label_en", "label_en", 200),
                                CHOICE("type", "text", "text integer decimal date boolean"),
                                BOOLEAN("required", "1"),
                                {.name = "default_value",
                                 .key = "default",
                                 .kind = KIND_PLAIN,
                                 .nullable = true,
                                 .most = 1000},
                                END},
};

static const struct table query = {
    .name = "query",
    .kind = "query",
    .order = "id",
    .columns = (const struct column[]){ID, NAME, LINE("source", "source", 200),
                                       TEXT("description", LONG_TEXT), END},
    .children = (const struct child[]){{"parameters", NESTED_LIST, &query_parameter, NULL},
                                       {"groups", NESTED_LIST, &query_group, NULL},
                                       {.key = NULL}},
};

static const struct table category = {
    .name = "category",
    .kind = "category",
    .order = "id",
    .columns = (const struct column[]){ID, NAME, BOOLEAN("distributor", "0"), END},
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
    .kind = "report",
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
    .kind = "pattern",
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
            FILLED_OR_NULL("when_expr", "when", LONG_TEXT),
            BOOLEAN("recheck", "0"),
            PARAMETERS,
            END},
};

static const struct table schedule = {
    .name = "schedule",
    .order = "id",
    .columns = (const struct column[]){ID,
                                       PARENT("campaign"),
                                       BOOLEAN("enabled", "1"),
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

static const struct table campaign_pick = {
    .name = "campaign_pick",
    .order = "id",
    .columns = (const struct column[]){ID, PARENT("campaign"), LINE("key", "key", 500),
                                       CHOICE("pick", NULL, "in out"), END},
};

static const struct alternative individual = {"individual_sql", "individual_built", false};

static const struct table campaign = {
    .name = "campaign",
    .kind = "campaign",
    .order = "id",
    .alternative = &individual,
    .columns =
        (const struct column[]){
            ID,
            NAME,
            TEXT("description", LONG_TEXT),
            CHOICE("purpose", "information", "advertising information mandatory"),
            FILLED_OR_NULL("purpose_reason", "purpose_reason", 1000),
            FILLED_OR_NULL("consent_reason", "consent_reason", 1000),
            LANGUAGE,
            REFERENCE("query", "query"),
            REFERENCE("distributor", "report"),
            FILLED_OR_NULL("individual_sql", "individual_sql", SQL_MOST),
            OBJECT_OR_NULL("individual_built"),
            LINE_OR_NULL("group_name", "group", 200),
            PARAMETERS,
            FILLED_OR_NULL("filter", "filter", LONG_TEXT),
            CHOICE("unit", "key", "key email household"),
            {.name = "sample",
             .key = "sample",
             .kind = KIND_COUNT,
             .nullable = true,
             .most = 1000000000},
            {.name = "created_at", .key = "created_at", .kind = KIND_CREATED, .most = 40},
            END},
    .children = (const struct child[]){{"picks", NESTED_PICKS, &campaign_pick, "pick"},
                                       {"steps", NESTED_LIST, &step, NULL},
                                       {"schedules", NESTED_LIST, &schedule, NULL},
                                       {.key = NULL}},
};

const struct table *const tables_all[] = {&category,
                                          &query,
                                          &query_parameter,
                                          &query_group,
                                          &field,
                                          &detail_group,
                                          &query_set,
                                          &report,
                                          &report_category,
                                          &report_variant,
                                          &report_file,
                                          &address_pattern,
                                          &campaign,
                                          &campaign_pick,
                                          &step,
                                          &schedule,
                                          NULL};

const struct table *table_of_kind(const char *kind)
{
    for (size_t i = 0; kind && tables_all[i]; i++)
        if (text_equal(tables_all[i]->kind, kind))
            return tables_all[i];
    return NULL;
}

const char *table_kind(const struct table *table)
{
    return table->kind ? table->kind : table->name;
}

const char *table_name(const struct table *table)
{
    return table->name;
}

/* ---- checks that rows and documents share ---- */

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
    return !column->filled && (column->nullable || column->preset);
}

/* "event", but not "v1": that is a value of a built query. */
static bool is_placeholder(const char *text, size_t size)
{
    static const char digits[] = "0123456789";
    static const char word[] = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool is_a_value = size > 1 && text[0] == 'v' && strspn(text + 1, digits) == size - 1;
    return strspn(text, word) == size && !strchr(digits, text[0]) && !is_a_value;
}

enum message column_text_fault(const struct column *column, const char *text, size_t size)
{
    if (size > (size_t)column->most && characters(text, size) > (size_t)column->most)
        return MESSAGE_LONG;
    if (!text_is_utf8(text, size) || memchr(text, '\0', size))
        return MESSAGE_UTF8;
    bool is_line = column->kind == KIND_LINE || column->kind == KIND_CREATED;
    if (size == 0 && (is_line || column->kind == KIND_WORD || !may_be_empty(column)))
        return MESSAGE_EMPTY;
    if (column->kind == KIND_WORD && !is_placeholder(text, size))
        return MESSAGE_WORD;
    if (is_line && has_control(text, size))
        return MESSAGE_CONTROL;
    if (column->kind == KIND_CHOICE && !is_choice(column->choices, text, size))
        return MESSAGE_CHOICE;
    return MESSAGE_NONE;
}

int column_tell_fault(struct trouble *why, enum message fault, const struct column *column,
                      const char *name, const char *text, const char *table, int64_t row)
{
    char most[40];
    snprintf(most, sizeof most, "%d", column->most);
    const char *second = fault == MESSAGE_CHOICE ? text : most;
    return trouble_set(why, ERROR_INPUT, fault, table, row, name, second, column->choices);
}

int parameters_check(const json_t *parameters, const char *name, const char *table, int64_t row,
                     struct trouble *why)
{
    if (!json_is_object(parameters))
        return trouble_set(why, ERROR_INPUT, MESSAGE_JSON, table, row, name, "{…} is expected",
                           NULL);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)parameters, key, value) {
        if (json_is_object(value) || json_is_array(value))
            return trouble_set(why, ERROR_INPUT, MESSAGE_JSON_VALUE, table, row, name, key, NULL);
    }
    return 0;
}

size_t child_most(const struct child *child)
{
    return child->nesting == NESTED_PICKS ? PICKS_MOST : CHILDREN_MOST;
}

const char *table_parent_column(const struct table *table)
{
    const struct column *column = table->columns;
    while (column->kind != KIND_PARENT)
        column++;
    return column->name;
}
