#include "source/importing.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "source/builder_date.h"
#include "source/guess.h"
#include "source/rows.h"
#include "store/sql.h"

#define NAME_MAXIMUM 200
#define CELL_MAXIMUM ((size_t)1 << 20)
#define SEPARATORS ",;\t|"
#define LINES_TO_LOOK_AT 100

struct importing_options {
    const char *table;
    const char *encoding; /* NULL: find out */
    char separator;       /* 0: find out */
    int64_t max_rows;
};

/* ---- the encoding ---- */

/* How many bytes are letters that German has beyond ASCII, if the text is in that page: small ones
 * within a word, where no page has its quotation marks. */
static size_t german_letters(const struct buffer *file, const char *small, const char *capitals)
{
    size_t count = 0;
    for (size_t i = 0; i < file->size; i++) {
        if ((unsigned char)file->data[i] < 0x80)
            continue;
        bool within = i && isalpha((unsigned char)file->data[i - 1]) && i + 1 < file->size &&
                      isalpha((unsigned char)file->data[i + 1]);
        count += memchr(capitals, file->data[i], strlen(capitals)) ||
                 (within && memchr(small, file->data[i], strlen(small)));
    }
    return count;
}

/* What it begins with is taken off. */
static const char *encoding_by_mark(struct buffer *file)
{
    static const struct {
        const char *mark;
        size_t size;
        const char *encoding;
    } marks[] = {
        {"\xef\xbb\xbf", 3, "UTF-8"}, {"\xff\xfe", 2, "UTF-16LE"}, {"\xfe\xff", 2, "UTF-16BE"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (file->size >= marks[i].size && !memcmp(file->data, marks[i].mark, marks[i].size)) {
            buffer_consume(file, marks[i].size);
            return marks[i].encoding;
        }
    return NULL;
}

static const char *encoding_of(const struct buffer *file)
{
    if (text_is_utf8(file->data, file->size))
        return "UTF-8";
    /* ä ö ü ß Ä Ö Ü in either page */
    size_t windows = german_letters(file, "\xe4\xf6\xfc\xdf", "\xc4\xd6\xdc");
    size_t dos = german_letters(file, "\x84\x94\x81\xe1", "\x8e\x99\x9a");
    return dos > windows ? "CP850" : "WINDOWS-1252";
}

/* Not »ASCII//IGNORE«, which would leave out what does not fit. */
static bool is_encoding_name(const char *name)
{
    return !name[strspn(name,
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")];
}

/* The system's converters are files of its own, which a sandbox hides. Those that are in use stay. */
void importing_load(const char *wanted)
{
    static iconv_t kept[5];
    const char *const encodings[] = {"WINDOWS-1252", "CP850", "UTF-16LE", "UTF-16BE", wanted};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (encodings[i] && is_encoding_name(encodings[i]))
            kept[i] = iconv_open("UTF-8", encodings[i]);
}

static int convert(struct buffer *file, const char *encoding, struct error *error)
{
    iconv_t converter = is_encoding_name(encoding) ? iconv_open("UTF-8", encoding) : (iconv_t)-1;
    char shown[64];
    text_copy(shown, sizeof shown, encoding);
    if (converter == (iconv_t)-1)
        return error_say(
            error, ERROR_INPUT, "there is no encoding »%s«; usual are UTF-8 and WINDOWS-1252",
            "Es gibt keine Kodierung »%s«; üblich sind UTF-8 und WINDOWS-1252.", shown);
    struct buffer text = {0};
    char *from = file->data;
    size_t left = file->size, result = 0;
    while (left && result != (size_t)-1) {
        char part[65536], *to = part;
        size_t room = sizeof part;
        result = iconv(converter, &from, &left, &to, &room);
        buffer_append(&text, part, sizeof part - room);
        if (result == (size_t)-1 && errno == E2BIG)
            result = 0;
    }
    iconv_close(converter);
    if (left) {
        int64_t line = 1;
        for (size_t i = 0; i < text.size; i++)
            line += text.data[i] == '\n';
        buffer_free(&text);
        return error_say(
            error, ERROR_INPUT,
            "line %lld: the file is not in the encoding %s; name its encoding, or save "
            "it as UTF-8",
            "Zeile %lld: Die Datei ist nicht in der Kodierung %s; die Kodierung "
            "angeben oder als UTF-8 speichern.",
            (long long)line, encoding);
    }
    buffer_free(file);
    *file = text;
    return 0;
}

/* The first line that is no text. NULL: all are. */
static const char *bad_line(const struct buffer *file, int64_t *number)
{
    const char *at = buffer_string(file), *end = at + file->size;
    for (*number = 1; at < end; ++*number) {
        const char *line = at, *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
        if (!text_is_utf8(line, (size_t)(at - line)) || memchr(line, '\0', (size_t)(at - line)))
            return line;
    }
    return NULL;
}

static int check_text(const struct buffer *file, struct error *error)
{
    int64_t number;
    if (text_is_utf8(file->data, file->size) && !memchr(buffer_string(file), '\0', file->size))
        return 0;
    const char *line = bad_line(file, &number), *end = file->data + file->size;
    const char *next = memchr(line, '\n', (size_t)(end - line));
    if (memchr(line, '\0', (size_t)((next ? next : end) - line)))
        return error_say(error, ERROR_INPUT,
                         "line %lld: there are zero bytes in it, so this is no CSV file; save it "
                         "as CSV (UTF-8)",
                         "Zeile %lld: Darin stehen Nullbytes, also ist es keine CSV-Datei; als CSV "
                         "(UTF-8) speichern.",
                         (long long)number);
    return error_say(error, ERROR_INPUT,
                     "line %lld: it is not UTF-8; name the file's encoding, or save it as UTF-8",
                     "Zeile %lld: Sie ist kein UTF-8; die Kodierung der Datei angeben oder als "
                     "UTF-8 speichern.",
                     (long long)number);
}

/* The file as UTF-8: its encoding, or NULL. What it begins with goes before what is `wanted`. */
static const char *to_utf8(struct buffer *file, const char *wanted, struct error *error)
{
    const char *marked = encoding_by_mark(file);
    const char *encoding = marked ? marked : wanted ? wanted : encoding_of(file);
    if (strcasecmp(encoding, "UTF-8") != 0 && convert(file, encoding, error) != 0)
        return NULL;
    return check_text(file, error) == 0 ? encoding : NULL;
}

/* ---- lines and cells ---- */

struct cell {
    char *text; /* zero-terminated, in the parser's own copy */
    size_t length;
};

struct parser {
    const char *at, *end;
    char separator;
    int64_t line;        /* of what comes next, from 1 */
    int64_t record_line; /* where the present record begins */
    struct cell cells[ROWS_COLUMNS_MAX];
    unsigned count;
    struct buffer text; /* of the present record */
};

static int cannot_parse(const struct parser *parser, const char *english, const char *german,
                        struct error *error)
{
    char text[sizeof error->german];
    long long line = (long long)parser->record_line;
    snprintf(text, sizeof text, "Zeile %lld, Zelle %u: %s", line, parser->count + 1, german);
    error_set(error, ERROR_INPUT, "line %lld, cell %u: %s", line, parser->count + 1, english);
    text_copy(error->german, sizeof error->german, text);
    return -1;
}

/* Behind a quoted cell's first quote. 0, or -1: it does not end. */
static int take_quoted(struct parser *parser)
{
    while (parser->at < parser->end) {
        if (*parser->at == '"' && (parser->at + 1 == parser->end || parser->at[1] != '"')) {
            parser->at++;
            return 0;
        }
        parser->at += *parser->at == '"';
        parser->line += *parser->at == '\n';
        buffer_char(&parser->text, *parser->at++);
    }
    return -1;
}

static bool ends_cell(const struct parser *parser)
{
    return parser->at == parser->end || *parser->at == parser->separator || *parser->at == '\n' ||
           *parser->at == '\r';
}

/* Offsets until the record is whole: the text may move while it grows. */
static int take_cell(struct parser *parser, size_t *length)
{
    size_t begin = parser->text.size;
    bool quoted = parser->at < parser->end && *parser->at == '"';
    parser->at += quoted;
    if (quoted && take_quoted(parser) != 0)
        return -1;
    while (!ends_cell(parser)) /* what stands behind the closing quote belongs to it */
        buffer_char(&parser->text, *parser->at++);
    *length = parser->text.size - begin;
    buffer_char(&parser->text, '\0');
    return 0;
}

static void take_line_end(struct parser *parser)
{
    if (parser->at < parser->end && *parser->at == '\r')
        parser->at++;
    if (parser->at < parser->end && *parser->at == '\n')
        parser->at++;
    parser->line++;
}

static void place_cells(struct parser *parser, const size_t *lengths)
{
    char *text = parser->text.data;
    for (unsigned i = 0; i < parser->count; i++) {
        parser->cells[i] = (struct cell){text, lengths[i]};
        text += lengths[i] + 1;
    }
}

/* 1 a record, 0 the end, -1. */
static int next_record(struct parser *parser, struct error *error)
{
    size_t lengths[ROWS_COLUMNS_MAX];
    while (parser->at < parser->end && (*parser->at == '\n' || *parser->at == '\r'))
        take_line_end(parser);
    if (parser->at == parser->end)
        return 0;
    parser->record_line = parser->line;
    parser->count = 0;
    buffer_clear(&parser->text);
    for (;;) {
        if (parser->count >= ROWS_COLUMNS_MAX)
            return cannot_parse(parser, "more than 500 columns; leave some out",
                                "mehr als 500 Spalten; einige weglassen", error);
        if (take_cell(parser, &lengths[parser->count]) != 0)
            return cannot_parse(parser, "a quotation mark is opened and never closed; close it",
                                "Ein Anführungszeichen wird geöffnet und nie geschlossen; es "
                                "schließen.",
                                error);
        if (lengths[parser->count] > CELL_MAXIMUM)
            return cannot_parse(parser, "it is longer than 1 MB; shorten it",
                                "Sie ist länger als 1 MB; kürzen.", error);
        parser->count++;
        if (parser->at == parser->end || *parser->at != parser->separator)
            break;
        parser->at++;
    }
    take_line_end(parser);
    place_cells(parser, lengths);
    return 1;
}

static void begin_at(struct parser *parser, const struct buffer *file, char separator)
{
    parser->at = buffer_string(file);
    parser->end = parser->at + file->size;
    parser->separator = separator;
    parser->line = 1;
}

/* How well a separator cuts the first lines. */
struct cut {
    unsigned cells; /* of the first line, which names the columns */
    enum { SOME_HAVE_MORE, SOME_HAVE_FEWER, ALL_ALIKE } lines;
};

static struct cut cut_with(struct parser *parser, const struct buffer *file, char separator)
{
    struct error ignored;
    struct cut cut = {0, ALL_ALIKE};
    int more = 1;
    begin_at(parser, file, separator);
    for (int i = 0; i < LINES_TO_LOOK_AT && more == 1; i++) {
        more = next_record(parser, &ignored);
        if (!i)
            cut.cells = parser->count;
        else if (more == 1 && parser->count > cut.cells)
            cut.lines = SOME_HAVE_MORE;
        else if (more == 1 && parser->count < cut.cells && cut.lines == ALL_ALIKE)
            cut.lines = SOME_HAVE_FEWER;
    }
    return cut;
}

/* Rather one that cuts the first line; of those the one that fits the others best. Where none does,
 * one has still to be told, so that the line that does not fit can be named. */
static char find_separator(struct parser *parser, const struct buffer *file)
{
    char best = ',';
    int best_rank = -1;
    unsigned most = 0;
    for (const char *separator = SEPARATORS; *separator; separator++) {
        struct cut cut = cut_with(parser, file, *separator);
        int rank = (cut.cells > 1 ? ALL_ALIKE + 1 : 0) + (int)cut.lines;
        if (rank < best_rank || (rank == best_rank && cut.cells <= most))
            continue;
        best = *separator;
        best_rank = rank;
        most = cut.cells;
    }
    return best;
}

/* ---- what columns hold ---- */

struct column {
    char name[NAME_MAXIMUM + 1];
    char *example;
    bool filled; /* any value at all */
    bool integer, iso_date, german_date;
    bool point, comma;               /* every value is a number written so */
    bool surely_point, surely_comma; /* and one of them can be no other */
    enum source_type type;           /* once all were looked at */
};

static bool is_integer(const char *text)
{
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    return digits && digits <= 18 && !text[digits] && (digits == 1 || *text != '0');
}

#define EXACT_DIGITS 15 /* more are rounded in an SQLite number */

/* A number with `mark` before its decimals and, perhaps, `group` between its thousands. *surely is
 * set if it has decimals and its mark cannot be one between thousands. */
static bool is_decimal(const char *text, char mark, char group, bool *surely)
{
    text += *text == '-';
    bool begins_with_zero = *text == '0';
    size_t run = strspn(text, "0123456789"), whole = run;
    if (!run || (run > 1 && begins_with_zero))
        return false;
    bool grouped = text[run] == group;
    if (grouped && (run > 3 || begins_with_zero))
        return false;
    while (text[run] == group) {
        text += run + 1;
        run = strspn(text, "0123456789");
        if (run != 3)
            return false;
        whole += run;
    }
    if (!text[run])
        return whole <= EXACT_DIGITS;
    if (text[run] != mark)
        return false;
    size_t decimals = strspn(text + run + 1, "0123456789");
    *surely |= grouped || begins_with_zero || decimals != 3 || whole > 3;
    return decimals && whole + decimals <= EXACT_DIGITS && !text[run + 1 + decimals];
}

static bool read_german_date(const char *text, struct date *date)
{
    int end = 0;
    return sscanf(text, "%2d.%2d.%4d%n", &date->day, &date->month, &date->year, &end) == 3 &&
           !text[end] && strspn(text, "0123456789.") == (size_t)end && date->year >= 1000 &&
           date_exists(*date);
}

static void look_at(struct column *column, const struct cell *cell)
{
    struct date date;
    if (!cell->length)
        return;
    if (!column->filled)
        column->example = memory_text(cell->text);
    column->filled = true;
    column->integer = column->integer && is_integer(cell->text);
    column->point = column->point && is_decimal(cell->text, '.', ',', &column->surely_point);
    column->comma = column->comma && is_decimal(cell->text, ',', '.', &column->surely_comma);
    column->iso_date = column->iso_date && date_read(cell->text, &date);
    column->german_date = column->german_date && read_german_date(cell->text, &date);
}

/* A name that says that its numbers are none. */
static bool stays_text(const char *name)
{
    struct guessed guessed;
    guess_field(name, SOURCE_TEXT, &guessed);
    return text_equal(guessed.role, "postcode") || text_equal(guessed.format, "telephone");
}

/* Every value is a number, written in one way, and it is plain which: 1.234 alone may be either. */
static bool is_decimal_column(const struct column *column)
{
    return (column->point && column->surely_point) || (column->comma && column->surely_comma);
}

static enum source_type type_of(const struct column *column)
{
    bool number = column->filled && !stays_text(column->name);
    return number && column->integer               ? SOURCE_INTEGER
           : number && is_decimal_column(column)   ? SOURCE_DECIMAL
           : column->filled && column->iso_date    ? SOURCE_DATE
           : column->filled && column->german_date ? SOURCE_DATE
                                                   : SOURCE_TEXT;
}

/* ---- the whole file ---- */

struct importing {
    const struct importing_options *options;
    struct buffer file;
    struct parser parser;
    const char *encoding;
    char separator;
    struct column *columns;
    unsigned count;
    int64_t rows;
    sqlite3 *database;
    sqlite3_stmt *insert;
    bool replaced;
};

static bool name_is_taken(const struct importing *importing, unsigned before, const char *name)
{
    for (unsigned i = 0; i < before; i++)
        if (strcasecmp(importing->columns[i].name, name) == 0)
            return true;
    return false;
}

static void trim(struct cell *cell)
{
    while (cell->length && isspace((unsigned char)cell->text[cell->length - 1]))
        cell->text[--cell->length] = '\0';
    while (cell->length && isspace((unsigned char)*cell->text)) {
        cell->text++;
        cell->length--;
    }
}

static void name_column(struct importing *importing, unsigned index, struct cell *cell)
{
    struct column *column = &importing->columns[index];
    char base[NAME_MAXIMUM - 10];
    for (size_t i = 0; i < cell->length; i++)
        if ((unsigned char)cell->text[i] < ' ' || cell->text[i] == 0x7f)
            cell->text[i] = ' ';
    trim(cell);
    text_copy(base, sizeof base, cell->text);
    if (!*base)
        snprintf(base, sizeof base, "column_%u", index + 1);
    text_copy(column->name, sizeof column->name, base);
    for (int i = 2; name_is_taken(importing, index, column->name); i++)
        snprintf(column->name, sizeof column->name, "%s_%d", base, i);
    column->integer = column->point = column->comma = column->iso_date = column->german_date = true;
}

static int read_names(struct importing *importing, struct error *error)
{
    int result = next_record(&importing->parser, error);
    if (result < 0)
        return -1;
    if (!result)
        return error_say(error, ERROR_INPUT,
                         "the file is empty; its first line must hold the columns' names",
                         "Die Datei ist leer; ihre erste Zeile muss die Spaltennamen enthalten.");
    importing->count = importing->parser.count;
    importing->columns = memory_array(importing->count, sizeof *importing->columns);
    for (unsigned i = 0; i < importing->count; i++)
        name_column(importing, i, &importing->parser.cells[i]);
    return 0;
}

static int fits(const struct importing *importing, struct error *error)
{
    const struct parser *parser = &importing->parser;
    if (parser->count > importing->count)
        return error_say(error, ERROR_INPUT,
                         "line %lld has %u cells, but the first line names %u columns; a cell with "
                         "»%c« in it must stand in quotation marks",
                         "Zeile %lld hat %u Zellen, die erste Zeile nennt aber %u Spalten; eine "
                         "Zelle mit »%c« darin muss in Anführungszeichen stehen.",
                         (long long)parser->record_line, parser->count, importing->count,
                         importing->separator);
    if (importing->rows > importing->options->max_rows)
        return error_say(error, ERROR_INPUT, "the file has more than %lld rows; cut it in parts",
                         "Die Datei hat mehr als %lld Zeilen; in Teile zerlegen.",
                         (long long)importing->options->max_rows);
    return 0;
}

static int look_at_all(struct importing *importing, struct error *error)
{
    int more;
    while ((more = next_record(&importing->parser, error)) == 1) {
        importing->rows++;
        if (fits(importing, error) != 0)
            return -1;
        for (unsigned i = 0; i < importing->parser.count; i++)
            look_at(&importing->columns[i], &importing->parser.cells[i]);
    }
    for (unsigned i = 0; i < importing->count; i++)
        importing->columns[i].type = type_of(&importing->columns[i]);
    return more;
}

/* ---- the table ---- */

static int make_table(struct importing *importing, struct error *error)
{
    static const char *const declared[] = {
        [SOURCE_TEXT] = "TEXT",
        [SOURCE_INTEGER] = "INTEGER",
        [SOURCE_DECIMAL] = "DECIMAL",
        [SOURCE_DATE] = "DATE",
    };
    BUFFER_CLEAN struct buffer make = {0}, insert = {0};
    buffer_text(&make, "CREATE TABLE ");
    source_quote(&make, DIALECT_SQLITE, importing->options->table);
    buffer_text(&insert, "INSERT INTO ");
    source_quote(&insert, DIALECT_SQLITE, importing->options->table);
    for (unsigned i = 0; i < importing->count; i++) {
        buffer_text(&make, i ? ", " : " (");
        source_quote(&make, DIALECT_SQLITE, importing->columns[i].name);
        buffer_printf(&make, " %s", declared[importing->columns[i].type]);
        buffer_printf(&insert, "%s?%u", i ? ", " : " VALUES (", i + 1);
    }
    buffer_text(&make, ")");
    buffer_text(&insert, ")");
    if (sql_run(importing->database, buffer_string(&make), error) != 0)
        return -1;
    importing->insert = sql_prepare(importing->database, buffer_string(&insert), error);
    return importing->insert ? 0 : -1;
}

/* A number without marks between thousands, a point before its decimals. */
static void plain_number(struct cell *cell, bool comma)
{
    char *to = cell->text;
    for (const char *from = cell->text; *from; from++) {
        if (*from == (comma ? '.' : ','))
            continue;
        *to++ = *from == ',' ? '.' : *from;
    }
    *to = '\0';
    cell->length = (size_t)(to - cell->text);
}

static void bind_cell(struct importing *importing, unsigned index, struct cell *cell)
{
    const struct column *column = &importing->columns[index];
    int place = (int)index + 1;
    struct date date;
    if (!cell->length) {
        sqlite3_bind_null(importing->insert, place);
        return;
    }
    if (column->type == SOURCE_DECIMAL)
        plain_number(cell, !column->point);
    if (column->type == SOURCE_DATE && !column->iso_date && read_german_date(cell->text, &date)) {
        char written[DATE_SIZE];
        date_write(written, date);
        sqlite3_bind_text(importing->insert, place, written, -1, SQLITE_TRANSIENT);
    } else
        sqlite3_bind_text(importing->insert, place, cell->text, (int)cell->length, SQLITE_STATIC);
}

static int insert_all(struct importing *importing, struct error *error)
{
    struct error ignored;
    begin_at(&importing->parser, &importing->file, importing->separator);
    next_record(&importing->parser, &ignored);
    while (next_record(&importing->parser, &ignored) == 1) {
        sqlite3_clear_bindings(importing->insert);
        for (unsigned i = 0; i < importing->parser.count; i++)
            bind_cell(importing, i, &importing->parser.cells[i]);
        if (sql_done(importing->insert, error) != 0)
            return -1;
    }
    return 0;
}

/* 1: there was such a table; 0; -1. */
static int drop_table(sqlite3 *database, const char *table, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *find = sql_prepare(database,
                                                     "SELECT 1\n"
                                                     "FROM sqlite_schema\n"
                                                     "WHERE type = 'table'\n"
                                                     "    AND name = ?1 COLLATE NOCASE",
                                                     error);
    if (!find)
        return -1;
    sql_bind_text(find, 1, table);
    int found = sql_row(find, error);
    sqlite3_reset(find);
    if (found <= 0)
        return found;
    BUFFER_CLEAN struct buffer drop = {0};
    buffer_text(&drop, "DROP TABLE ");
    source_quote(&drop, DIALECT_SQLITE, table);
    return sql_run(database, buffer_string(&drop), error) == 0 ? 1 : -1;
}

static bool is_table_name(const char *name)
{
    size_t length = strlen(name);
    return length && length <= 63 && isalpha((unsigned char)*name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               length &&
           strncasecmp(name, "sqlite_", 7) != 0;
}

static sqlite3 *open_imports(const char *path, const char *table, struct error *error)
{
    sqlite3 *database = NULL;
    if (!is_table_name(table)) {
        char shown[84];
        text_copy(shown, sizeof shown, table);
        error_say(error, ERROR_INPUT,
                  "»%s« is no name for a table: letters, digits and _, a letter first, at most 63",
                  "»%s« ist kein Name für eine Tabelle: Buchstaben, Ziffern und _, ein Buchstabe "
                  "zuerst, höchstens 63.",
                  shown);
        return NULL;
    }
    if (sqlite3_open_v2(path, &database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(database, 30000); /* queries that read it now */
        if (sql_run(database, "BEGIN IMMEDIATE", error) == 0)
            return database;
    } else
        sql_error(database, error, "open the imports");
    sqlite3_close(database);
    return NULL;
}

int importing_recover(const char *path, struct error *error)
{
    sqlite3 *database = NULL;
    int result = sqlite3_open(path, &database) == SQLITE_OK
                     ? sql_run(database, "SELECT 1 FROM sqlite_schema", error)
                     : sql_error(database, error, "open the imports");
    sqlite3_close(database);
    return result;
}

static int write_table(struct importing *importing, const char *path, struct error *error)
{
    importing->database = open_imports(path, importing->options->table, error);
    if (!importing->database)
        return -1;
    int dropped = drop_table(importing->database, importing->options->table, error);
    importing->replaced = dropped > 0;
    return dropped < 0 || make_table(importing, error) != 0 || insert_all(importing, error) != 0
               ? -1
               : sql_run(importing->database, "COMMIT", error);
}

/* ---- the answer ---- */

static json_t *columns_json(const struct importing *importing)
{
    json_t *columns = json_array();
    for (unsigned i = 0; i < importing->count; i++) {
        const struct column *column = &importing->columns[i];
        char example[61];
        text_copy(example, sizeof example, column->example ? column->example : "");
        json_array_append_new(columns,
                              json_pack("{s:s, s:s, s:s}", "name", column->name, "type",
                                        source_type_name(column->type), "example", example));
    }
    return columns;
}

static int import(struct importing *importing, const char *csv_path, const char *database_path,
                  struct error *error)
{
    if (file_read(csv_path, IMPORTING_FILE_MAX, &importing->file, error) != 0)
        return -1;
    importing->encoding = to_utf8(&importing->file, importing->options->encoding, error);
    if (!importing->encoding)
        return -1;
    importing->separator = importing->options->separator
                               ? importing->options->separator
                               : find_separator(&importing->parser, &importing->file);
    begin_at(&importing->parser, &importing->file, importing->separator);
    return read_names(importing, error) != 0 || look_at_all(importing, error) != 0
               ? -1
               : write_table(importing, database_path, error);
}

static json_t *run(const char *csv_path, const char *database_path,
                   const struct importing_options *options, struct error *error)
{
    struct importing *importing = memory_new(sizeof *importing);
    importing->options = options;
    json_t *answer = NULL;
    char separator[2] = "";
    if (import(importing, csv_path, database_path, error) == 0) {
        *separator = importing->separator;
        answer = json_pack("{s:b, s:s, s:I, s:s, s:s, s:b, s:o}", "ok", 1, "table", options->table,
                           "rows", (json_int_t)importing->rows, "encoding", importing->encoding,
                           "separator", separator, "replaced", importing->replaced, "columns",
                           columns_json(importing));
    }
    for (unsigned i = 0; i < importing->count; i++)
        free(importing->columns[i].example);
    free(importing->columns);
    sqlite3_finalize(importing->insert);
    sqlite3_close(importing->database);
    buffer_free(&importing->parser.text);
    buffer_free(&importing->file);
    free(importing);
    return answer;
}

static json_t *drop(const char *path, const char *table, struct error *error)
{
    sqlite3 *database = open_imports(path, table, error);
    int dropped = database ? drop_table(database, table, error) : -1;
    if (dropped > 0 && sql_run(database, "COMMIT", error) != 0)
        dropped = -1;
    sqlite3_close(database);
    if (!dropped)
        error_say(error, ERROR_NOT_FOUND, "there is no imported table »%s«",
                  "Es gibt keine eingelesene Tabelle »%s«.", table);
    return dropped > 0 ? json_pack("{s:b, s:s}", "ok", 1, "table", table) : NULL;
}

json_t *importing_request(const json_t *request, struct error *error)
{
    const char *csv = "", *database = "", *table = "", *encoding = NULL, *separator = "";
    int dropping = 0;
    json_int_t max_rows = 10000000;
    if (json_unpack((json_t *)request, "{s?s, s:s, s:s, s?s, s?s, s?b, s?I}", "csv", &csv,
                    "database", &database, "table", &table, "encoding", &encoding, "separator",
                    &separator, "drop", &dropping, "max_rows", &max_rows) != 0) {
        error_set(error, ERROR_INTERNAL, "an import needs a database and a table");
        return NULL;
    }
    if (dropping)
        return drop(database, table, error);
    if (*separator && (separator[1] || !strchr(SEPARATORS, *separator))) {
        error_say(error, ERROR_INPUT, "separator: a comma, a semicolon, a tab or »|« is possible",
                  "separator: möglich sind Komma, Semikolon, Tabulator und »|«.");
        return NULL;
    }
    struct importing_options options = {
        .table = table, .encoding = encoding, .separator = *separator, .max_rows = max_rows};
    return run(csv, database, &options, error);
}
