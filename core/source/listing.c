#include "source/listing.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#define WRITE_AT ((size_t)256 * 1024)

struct listing {
    int fd;
    struct listing_options options;
    struct listing_column *columns;
    char **keys; /* of JSON lines: the names as JSON texts */
    unsigned count;
    struct buffer out;
};

/* ---- what is asked for ---- */

static int read_format(const json_t *request, struct listing_options *options, struct error *error)
{
    const json_t *format = json_object_get(request, "format");
    const char *name = json_string_value(format);
    if (!format || text_equal(name, "csv"))
        options->format = LISTING_CSV;
    else if (text_equal(name, "jsonl"))
        options->format = LISTING_JSON_LINES;
    else
        return error_say(error, ERROR_INPUT, "format: there is »csv« and »jsonl«",
                         "format: es gibt »csv« und »jsonl«.");
    return 0;
}

static int read_separator(const json_t *request, struct listing_options *options,
                          struct error *error)
{
    const json_t *separator = json_object_get(request, "separator");
    const char *text = json_string_value(separator);
    if (separator && (!text || strlen(text) != 1 || !strchr(",;\t|", *text)))
        return error_say(error, ERROR_INPUT,
                         "separator: a comma, a semicolon, a tab or »|« is possible",
                         "separator: möglich sind Komma, Semikolon, Tabulator und »|«.");
    options->separator = text ? *text : ',';
    return 0;
}

static int read_decimals(const json_t *request, struct listing_options *options,
                         struct error *error)
{
    const json_t *decimals = json_object_get(request, "decimals");
    const char *as = json_string_value(decimals);
    options->decimals_as_text = text_equal(as, "text");
    if (!decimals || options->decimals_as_text || text_equal(as, "number"))
        return 0;
    return error_say(error, ERROR_INPUT, "decimals: there is »number« and »text«",
                     "decimals: es gibt »number« und »text«.");
}

static int read_switch(const json_t *request, const char *name, bool *target, struct error *error)
{
    const json_t *value = json_object_get(request, name);
    *target = json_is_true(value);
    if (!value || json_is_boolean(value))
        return 0;
    return error_say(error, ERROR_INPUT, "%s: true or false is possible",
                     "%s: möglich sind true und false.", name);
}

int listing_read_options(const json_t *request, struct listing_options *options,
                         struct error *error)
{
    return read_switch(request, "formula_guard", &options->formula_guard, error) != 0 ||
                   read_switch(request, "byte_order_mark", &options->byte_order_mark, error) != 0 ||
                   read_format(request, options, error) != 0 ||
                   read_separator(request, options, error) != 0 ||
                   read_decimals(request, options, error) != 0
               ? -1
               : 0;
}

/* ---- numbers ---- */

/* A number as RFC 8259 has it, without an exponent. */
static bool is_number(const char *text, size_t length)
{
    const char *end = text + length;
    text += *text == '-';
    size_t whole = strspn(text, "0123456789");
    if (!whole || (whole > 1 && *text == '0'))
        return false;
    text += whole;
    if (*text == '.') {
        size_t fraction = strspn(text + 1, "0123456789");
        if (!fraction)
            return false;
        text += 1 + fraction;
    }
    return text == end;
}

/* A decimal comes as text; a database without types may hold any text in such a column. */
static bool is_decimal(const struct listing_column *column, const struct source_value *value)
{
    return column->type == SOURCE_DECIMAL && is_number(value->text, value->length);
}

/* ---- CSV ---- */

/* What OWASP lists; the last four are the wide forms of the first four. */
static bool starts_formula(const char *text, size_t length)
{
    static const char *const starts[] = {"=",  "+",  "-",  "@",  "\t", "\r",
                                         "\n", "＝", "＋", "－", "＠"};
    for (size_t i = 0; length && i < sizeof starts / sizeof *starts; i++)
        if (text_starts(text, starts[i]))
            return true;
    return false;
}

static bool needs_quotes(const struct listing *listing, const char *text, size_t length)
{
    return !length || memchr(text, '"', length) || memchr(text, '\n', length) ||
           memchr(text, '\r', length) || memchr(text, listing->options.separator, length);
}

static void put_csv_text(struct listing *listing, const char *text, size_t length, bool guard)
{
    struct buffer *out = &listing->out;
    bool guarded = guard && starts_formula(text, length);
    if (!needs_quotes(listing, text, length)) {
        if (guarded)
            buffer_char(out, '\'');
        buffer_append(out, text, length);
        return;
    }
    buffer_text(out, guarded ? "\"'" : "\"");
    while (length) {
        const char *quote = memchr(text, '"', length);
        size_t part = quote ? (size_t)(quote - text) + 1 : length;
        buffer_append(out, text, part);
        if (quote)
            buffer_char(out, '"');
        text += part;
        length -= part;
    }
    buffer_char(out, '"');
}

static void put_csv_bytes(struct listing *listing, const struct source_value *value)
{
    BUFFER_CLEAN struct buffer encoded = {0};
    text_base64(&encoded, value->text, value->length);
    put_csv_text(listing, buffer_string(&encoded), encoded.size, listing->options.formula_guard);
}

static void put_csv_value(struct listing *listing, const struct listing_column *column,
                          const struct source_value *value)
{
    char digits[TEXT_REAL_SIZE];
    switch (value->type) {
    case SQLITE_NULL:
        break;
    case SQLITE_INTEGER:
        buffer_printf(&listing->out, "%lld", (long long)value->integer);
        break;
    case SQLITE_FLOAT:
        text_real(digits, value->real);
        buffer_text(&listing->out, digits);
        break;
    case SQLITE_TEXT:
        if (source_value_is_text(value)) {
            put_csv_text(listing, value->text, value->length,
                         listing->options.formula_guard && !is_decimal(column, value));
            break;
        }
        __attribute__((fallthrough));
    default:
        put_csv_bytes(listing, value);
    }
}

static void put_csv_names(struct listing *listing)
{
    if (listing->options.byte_order_mark)
        buffer_text(&listing->out, "\xef\xbb\xbf");
    for (unsigned i = 0; i < listing->count; i++) {
        if (i)
            buffer_char(&listing->out, listing->options.separator);
        put_csv_text(listing, listing->columns[i].name, strlen(listing->columns[i].name),
                     listing->options.formula_guard);
    }
    buffer_text(&listing->out, "\r\n");
}

static void put_csv_row(struct listing *listing, const struct source_value *values)
{
    if (listing->count == 1 && values->type == SQLITE_NULL)
        buffer_text(&listing->out, "\"\""); /* an empty line is no row for those who read CSV */
    for (unsigned i = 0; i < listing->count; i++) {
        if (i)
            buffer_char(&listing->out, listing->options.separator);
        put_csv_value(listing, &listing->columns[i], &values[i]);
    }
    buffer_text(&listing->out, "\r\n");
}

/* ---- JSON lines ---- */

static void put_json_text(struct buffer *out, const char *data, size_t length)
{
    json_t *text = json_stringn_nocheck(data, length);
    FREE_CLEAN char *written = json_dumps(text, JSON_ENCODE_ANY);
    buffer_text(out, written);
    json_decref(text);
}

static void put_json_real(struct buffer *out, double real)
{
    char digits[TEXT_REAL_SIZE];
    text_real(digits, real);
    buffer_text(out, isfinite(real) ? digits : "null");
}

static void put_json_bytes(struct buffer *out, const struct source_value *value)
{
    buffer_text(out, "{\"base64\":\"");
    text_base64(out, value->text, value->length);
    buffer_text(out, "\"}");
}

static void put_json_value(struct listing *listing, const struct listing_column *column,
                           const struct source_value *value)
{
    struct buffer *out = &listing->out;
    switch (value->type) {
    case SQLITE_NULL:
        buffer_text(out, "null");
        break;
    case SQLITE_INTEGER:
        if (column->type == SOURCE_BOOLEAN)
            buffer_text(out, value->integer ? "true" : "false");
        else
            buffer_printf(out, "%lld", (long long)value->integer);
        break;
    case SQLITE_FLOAT:
        put_json_real(out, value->real);
        break;
    case SQLITE_TEXT:
        if (is_decimal(column, value) && !listing->options.decimals_as_text)
            buffer_append(out, value->text, value->length);
        else if (source_value_is_text(value))
            put_json_text(out, value->text, value->length);
        else
            put_json_bytes(out, value);
        break;
    default:
        put_json_bytes(out, value);
    }
}

static void put_json_row(struct listing *listing, const struct source_value *values)
{
    for (unsigned i = 0; i < listing->count; i++) {
        buffer_char(&listing->out, i ? ',' : '{');
        buffer_text(&listing->out, listing->keys[i]);
        buffer_char(&listing->out, ':');
        put_json_value(listing, &listing->columns[i], &values[i]);
    }
    buffer_text(&listing->out, "}\n");
}

/* ---- the whole ---- */

struct listing *listing_new(int fd, const struct listing_options *options,
                            const struct listing_column *columns, unsigned count)
{
    struct listing *listing = memory_new(sizeof *listing);
    listing->fd = fd;
    listing->options = *options;
    listing->count = count;
    listing->columns = memory_array(count, sizeof *columns);
    listing->keys = memory_array(count, sizeof *listing->keys);
    for (unsigned i = 0; i < count; i++) {
        listing->columns[i] =
            (struct listing_column){memory_text(columns[i].name), columns[i].type};
        json_t *name = json_string(columns[i].name);
        listing->keys[i] = name ? json_dumps(name, JSON_ENCODE_ANY) : memory_text("\"?\"");
        json_decref(name);
    }
    if (options->format == LISTING_CSV)
        put_csv_names(listing);
    return listing;
}

static int flush_to(struct listing *listing, size_t at_least, struct error *error)
{
    if (listing->out.size < at_least || !listing->out.size)
        return 0;
    if (file_write_all(listing->fd, listing->out.data, listing->out.size) != 0)
        return error_errno(error, errno, "cannot write the list");
    buffer_clear(&listing->out);
    return 0;
}

int listing_row(struct listing *listing, const struct source_value *values, struct error *error)
{
    if (listing->options.format == LISTING_CSV)
        put_csv_row(listing, values);
    else
        put_json_row(listing, values);
    return flush_to(listing, WRITE_AT, error);
}

int listing_end(struct listing *listing, struct error *error)
{
    return flush_to(listing, 1, error);
}

void listing_free(struct listing *listing)
{
    if (!listing)
        return;
    for (unsigned i = 0; i < listing->count; i++) {
        free((char *)listing->columns[i].name);
        free(listing->keys[i]);
    }
    free(listing->columns);
    free(listing->keys);
    buffer_free(&listing->out);
    free(listing);
}
