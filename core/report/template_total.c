/*
 * What is said of a list as a whole: how many rows, and the sum, least and greatest of a column.
 * Numbers are added as decimal digits, exactly; NULL and empty text do not count. Least and greatest
 * are also had of dates as databases write them, which are in order as text.
 */
#include <stdio.h>
#include <string.h>

#include "report/template_internal.h"

#define DATE_SIZE 10 /* 2026-11-24 */

int template_function(const struct template_path *path, enum template_function *function)
{
    static const char *const names[] = {
        [TOTAL_COUNT] = "count", [TOTAL_SUM] = "sum", [TOTAL_MIN] = "min", [TOTAL_MAX] = "max"};
    for (size_t i = 0; i < sizeof names / sizeof *names && path->count >= 2; i++)
        if (strcmp(path->parts[1].text, names[i]) == 0 &&
            path->count == (i == TOTAL_COUNT ? 2u : 3u)) {
            *function = (enum template_function)i;
            return 0;
        }
    return -1;
}

int template_is_row_word(const char *name)
{
    return strcmp(name, "first") == 0 || strcmp(name, "last") == 0 || strcmp(name, "index") == 0;
}

int template_list_open(const struct template_list *list, void **opened)
{
    *opened = list->open ? list->open(list->context) : list->context;
    return list->open && !*opened ? -1 : 0;
}

void template_list_close(const struct template_list *list, void *opened)
{
    if (list->close && opened)
        list->close(opened);
}

/* ---- totalling ---- */

struct totalling {
    struct template_total *total;
    enum template_function function;
    const struct template_path *path;
    struct decimal_sum sum;
    struct decimal best; /* the least or greatest so far */
    bool any, dates;
    struct error *error;
};

static const char *list_name(const struct totalling *totalling)
{
    return totalling->path->parts[0].text;
}

static const char *column_name(const struct totalling *totalling)
{
    return totalling->path->parts[2].text;
}

static int fail_missing(const struct totalling *totalling)
{
    return error_set(totalling->error, ERROR_INPUT,
                     "the rows of »%s« have no column »%s«; correct the name", list_name(totalling),
                     column_name(totalling));
}

static int fail_kind(const struct totalling *totalling, size_t row)
{
    return error_set(totalling->error, ERROR_INPUT,
                     "»%s«: row %zu of »%s« has no %s in the column »%s«; let the query deliver "
                     "%s with a point, such as 1234.50",
                     totalling->path->text, row + 1, list_name(totalling),
                     totalling->dates ? "date" : "number", column_name(totalling),
                     totalling->dates ? "dates alone, or numbers" : "numbers");
}

static bool is_date(const struct template_value *value)
{
    static const char shape[] = "0000-00-00";
    if (value->kind != TEMPLATE_TEXT || value->length < DATE_SIZE ||
        value->length >= DECIMAL_SUM_SIZE)
        return false;
    for (int i = 0; i < DATE_SIZE; i++)
        if (shape[i] == '0' ? value->text[i] < '0' || value->text[i] > '9' : value->text[i] != '-')
            return false;
    return true;
}

static void keep(struct totalling *totalling, const char *text, size_t length)
{
    struct template_total *total = totalling->total;
    memcpy(total->text, text, length);
    total->text[length] = '\0';
    total->value.length = length;
}

static void keep_better_date(struct totalling *totalling, const struct template_value *value)
{
    const struct template_total *total = totalling->total;
    size_t length = total->value.length;
    size_t shorter = length < value->length ? length : value->length;
    int order = totalling->any ? memcmp(value->text, total->text, shorter) : 0;
    if (!order)
        order = value->length < length ? -1 : value->length > length;
    if (!totalling->any || (totalling->function == TOTAL_MIN ? order < 0 : order > 0))
        keep(totalling, value->text, value->length);
}

static int take_date(struct totalling *totalling, const struct template_value *value, size_t row)
{
    if (totalling->any && !totalling->dates)
        return fail_kind(totalling, row);
    keep_better_date(totalling, value);
    totalling->any = totalling->dates = true;
    return 0;
}

static void trim_blanks(const char **text, size_t *length)
{
    for (; *length && (**text == ' ' || **text == '\t'); ++*text)
        --*length;
    while (*length && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t'))
        --*length;
}

static int take_number(struct totalling *totalling, const char *text, size_t length, size_t row)
{
    struct decimal number;
    trim_blanks(&text, &length);
    if (totalling->dates || length >= DECIMAL_SUM_SIZE || decimal_read(text, length, &number) < 0)
        return fail_kind(totalling, row);
    int order = totalling->any ? decimal_compare(&number, &totalling->best) : 0;
    if (totalling->function == TOTAL_SUM) {
        decimal_add(&totalling->sum, &number);
    } else if (!totalling->any || (totalling->function == TOTAL_MIN ? order < 0 : order > 0)) {
        totalling->best = number;
        keep(totalling, text, length);
    }
    totalling->any = true;
    return 0;
}

static int take_value(struct totalling *totalling, const struct template_value *value, size_t row)
{
    char digits[24];
    const char *text = value->text;
    size_t length = value->length;
    if (value->kind == TEMPLATE_INTEGER && !text) {
        length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value->integer);
        text = digits;
    }
    if (value->kind == TEMPLATE_NULL || (value->kind == TEMPLATE_TEXT && !length))
        return 0;
    if (value->kind == TEMPLATE_LIST || value->kind == TEMPLATE_RECORD)
        return fail_kind(totalling, row);
    if (totalling->function != TOTAL_SUM && is_date(value))
        return take_date(totalling, value, row);
    return take_number(totalling, text, length, row);
}

static int take_row(struct totalling *totalling, const struct template_list *list, void *opened,
                    size_t row)
{
    const struct template_part *column = &totalling->path->parts[2];
    struct template_value item = {0}, value = {0};
    if (list->item(opened, row, &item) != 0)
        return error_set(totalling->error, ERROR_INPUT, "row %zu of »%s« could not be read",
                         row + 1, list_name(totalling));
    if (item.kind != TEMPLATE_RECORD ||
        item.record.lookup(item.record.context, column->text, column->length, &value) != 0)
        return fail_missing(totalling);
    totalling->total->value.formats = value.formats;
    return take_value(totalling, &value, row);
}

static int take_rows(struct totalling *totalling, const struct template_list *list, uint64_t *steps)
{
    void *opened;
    int result = 0;
    if (template_list_open(list, &opened) != 0)
        return error_set(totalling->error, ERROR_INPUT, "the rows of »%s« could not be read",
                         list_name(totalling));
    for (size_t row = 0; row < list->count && result == 0 && *steps < TEMPLATE_STEPS_MAX; row++) {
        ++*steps;
        result = take_row(totalling, list, opened, row);
    }
    template_list_close(list, opened);
    return result;
}

int template_compute_total(struct template_total *total, enum template_function function,
                           const struct template_path *path, const struct template_list *list,
                           uint64_t *steps, struct error *error)
{
    struct totalling totalling = {
        .total = total, .function = function, .path = path, .error = error};
    *total = (struct template_total){.list = *list};
    total->value.kind = TEMPLATE_NULL;
    if (function == TOTAL_COUNT) {
        total->value.kind = TEMPLATE_INTEGER;
        total->value.integer = (int64_t)list->count;
        return 0;
    }
    if (list->column &&
        list->column(list->context, path->parts[2].text, &total->value.formats) != 0)
        return fail_missing(&totalling);
    if (take_rows(&totalling, list, steps) != 0)
        return -1;
    if (function == TOTAL_SUM)
        total->value.length = decimal_write_sum(&totalling.sum, total->text);
    if (function == TOTAL_SUM || totalling.any)
        total->value.kind = totalling.dates ? TEMPLATE_TEXT : TEMPLATE_REAL;
    total->value.text = total->text;
    return 0;
}
