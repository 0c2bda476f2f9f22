/* The suppression list as CSV, in and out. What a line says is judged by suppression_make; a line that it refuses does not keep the
 * others out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/sql.h"
#include "store/suppression.h"

#define PROBLEMS_SHOWN 100
#define CELLS_MOST 64

/* Those before EMAIL are what is written, in this order. */
enum {
    VALUE,
    KIND,
    CHANNEL,
    SCOPE,
    CAMPAIGN,
    REASON,
    NOTE,
    TIME,
    ORIGIN,
    EMAIL,
    PHONE,
    KEY,
    COLUMNS
};
static const char *const column_names[COLUMNS] = {"value",    "kind",   "channel", "scope",
                                                  "campaign", "reason", "note",    "time",
                                                  "origin",   "email",  "phone",   "key"};

/* ---- lines and cells ---- */

struct csv {
    const char *at, *end;
    char separator;
    size_t line; /* where the record begins, from 1 */
    size_t next_line;
    struct buffer text; /* the cells, each with its zero */
    size_t cells[CELLS_MOST];
    size_t count;
};

static char find_separator(const char *at, const char *end)
{
    size_t commas = 0, semicolons = 0, tabs = 0;
    for (; at < end && *at != '\n'; at++) {
        commas += *at == ',';
        semicolons += *at == ';';
        tabs += *at == '\t';
    }
    return semicolons > commas ? ';' : tabs > commas ? '\t' : ',';
}

static void read_quoted(struct csv *csv)
{
    for (csv->at++; csv->at < csv->end; csv->at++) {
        if (*csv->at == '"' && (csv->at + 1 == csv->end || csv->at[1] != '"')) {
            csv->at++;
            return;
        }
        if (*csv->at == '"')
            csv->at++;
        csv->next_line += *csv->at == '\n';
        buffer_char(&csv->text, *csv->at);
    }
}

static void read_cell(struct csv *csv)
{
    if (csv->count < CELLS_MOST)
        csv->cells[csv->count++] = csv->text.size;
    if (csv->at < csv->end && *csv->at == '"')
        read_quoted(csv);
    while (csv->at < csv->end && *csv->at != csv->separator && *csv->at != '\n')
        buffer_char(&csv->text, *csv->at++);
    if (csv->text.size && csv->text.data[csv->text.size - 1] == '\r')
        csv->text.size--;
    buffer_char(&csv->text, '\0');
}

/* The next record, empty lines passed over. Returns whether there is one. */
static bool read_record(struct csv *csv)
{
    while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r'))
        csv->next_line += *csv->at++ == '\n';
    if (csv->at == csv->end)
        return false;
    csv->line = csv->next_line;
    csv->count = 0;
    buffer_clear(&csv->text);
    read_cell(csv);
    while (csv->at < csv->end && *csv->at == csv->separator) {
        csv->at++;
        read_cell(csv);
    }
    if (csv->at < csv->end)
        csv->at++;
    csv->next_line++;
    return true;
}

/* ---- what they mean ---- */

static int column_named(const char *name)
{
    if (strcasecmp(name, "address") == 0)
        return VALUE;
    if (strcasecmp(name, "created_at") == 0)
        return TIME;
    for (int i = 0; i < COLUMNS; i++)
        if (strcasecmp(name, column_names[i]) == 0)
            return i;
    return -1;
}

static bool names_someone(const int places[COLUMNS])
{
    return places[VALUE] >= 0 || places[EMAIL] >= 0 || places[PHONE] >= 0 || places[KEY] >= 0;
}

static int read_header(struct csv *csv, const json_t *names, int places[COLUMNS],
                       struct error *error)
{
    bool found = read_record(csv);
    for (int i = 0; i < COLUMNS; i++)
        places[i] = -1;
    for (size_t i = 0; found && i < csv->count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        int column = column_named(names ? (name ? name : "") : csv->text.data + csv->cells[i]);
        if (column >= 0 && places[column] < 0)
            places[column] = (int)i;
    }
    if (names_someone(places))
        return 0;
    const char *first = found ? csv->text.data : "";
    bool readable = text_is_utf8(first, strlen(first));
    return error_say(error, ERROR_INPUT,
                     "one column must be called value, address, email, phone or key; the first is "
                     "»%.200s«",
                     "Eine Spalte muss value, address, email, phone oder key heißen; die erste ist "
                     "»%.200s«.",
                     readable ? first : "?");
}

static const char *cell(const struct csv *csv, const int places[COLUMNS], int column)
{
    int place = places[column];
    return place >= 0 && (size_t)place < csv->count ? csv->text.data + csv->cells[place] : "";
}

/* "2026-11-25", or with a time in UTC behind it. */
static int read_time(const char *text, int64_t *time_us, struct error *error)
{
    struct tm tm = {0};
    char mark = 'T';
    *time_us = 0;
    if (!*text)
        return 0;
    int got = sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &mark,
                     &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
    if ((got == 3 || got >= 6) && (mark == 'T' || mark == ' ') && tm.tm_mon >= 1 &&
        tm.tm_mon <= 12 && tm.tm_mday >= 1 && tm.tm_mday <= 31 && tm.tm_year >= 1970) {
        tm.tm_year -= 1900;
        tm.tm_mon--;
        *time_us = (int64_t)timegm(&tm) * 1000000;
        return 0;
    }
    return error_say(error, ERROR_INPUT, "»%.40s« is no time such as 2026-11-25",
                     "»%.40s« ist kein Zeitpunkt wie 2026-11-25.", text);
}

static int read_campaign(const char *text, int64_t *id, struct error *error)
{
    *id = 0;
    if (!*text || (text_to_int64(text, id) == 0 && *id > 0))
        return 0;
    return error_say(error, ERROR_INPUT, "campaign: »%.40s« is not a campaign's id",
                     "campaign: »%.40s« ist keine Nummer einer Kampagne.", text);
}

/* One entry of a line: whom it names stands in `column`. */
static int read_entry(const struct csv *csv, const int places[COLUMNS], int column,
                      struct suppression_entry entry, struct suppression_batch *batch,
                      struct error *error)
{
    char normal[ADDRESS_SIZE];
    entry.value = cell(csv, places, column);
    entry.kind = column == VALUE ? cell(csv, places, KIND) : column == KEY ? "person" : "address";
    if (suppression_make(&entry, normal, error) != 0)
        return -1;
    suppression_batch_add(batch, &entry);
    return 0;
}

static int read_line(const struct csv *csv, const int places[COLUMNS], const char *origin,
                     struct suppression_batch *batch, struct error *error)
{
    static const int whom[] = {VALUE, EMAIL, PHONE, KEY};
    const char *own = cell(csv, places, ORIGIN);
    struct suppression_entry entry = {
        .channel = cell(csv, places, CHANNEL),
        .scope = cell(csv, places, SCOPE),
        .reason = cell(csv, places, REASON),
        .note = cell(csv, places, NOTE),
        .origin = *own ? own : origin,
    };
    bool any = false;
    if (!text_is_utf8(entry.note, strlen(entry.note)) ||
        !text_is_utf8(entry.origin, strlen(entry.origin)) || strlen(entry.origin) > 100)
        return error_say(error, ERROR_INPUT, "note or origin is not UTF-8, or too long",
                         "note oder origin ist nicht UTF-8 oder zu lang.");
    if (read_time(cell(csv, places, TIME), &entry.created_us, error) != 0 ||
        read_campaign(cell(csv, places, CAMPAIGN), &entry.campaign_id, error) != 0)
        return -1;
    for (size_t i = 0; i < sizeof whom / sizeof *whom; i++) {
        if (!*cell(csv, places, whom[i]))
            continue;
        any = true;
        if (read_entry(csv, places, whom[i], entry, batch, error) != 0)
            return -1;
    }
    return any ? 0
               : error_say(error, ERROR_INPUT, "this line names nobody",
                           "Diese Zeile nennt niemanden.");
}

static void add_problem(json_t *problems, size_t line, const struct error *error)
{
    json_t *problem =
        json_pack("{s:I, s:s, s:s}", "line", (json_int_t)line, "message_en", error->message,
                  "message_de", *error->german ? error->german : error->message);
    if (problem) /* else the line was not UTF-8, and its number must do */
        json_array_append_new(problems, problem);
    else
        json_array_append_new(problems, json_pack("{s:I, s:s, s:s}", "line", (json_int_t)line,
                                                  "message_en", "this line is not UTF-8",
                                                  "message_de", "Diese Zeile ist nicht UTF-8."));
}

int suppression_read_csv(const char *text, size_t size, const json_t *names, const char *origin,
                         struct suppression_batch *batch, json_t *problems, size_t *refused,
                         struct error *error)
{
    int places[COLUMNS];
    struct csv csv = {.at = text, .end = text + size, .next_line = 1};
    struct error why;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        csv.at += 3;
    csv.separator = find_separator(csv.at, csv.end);
    *refused = 0;
    int result = read_header(&csv, names, places, error);
    while (result == 0 && read_record(&csv)) {
        if (read_line(&csv, places, origin, batch, &why) == 0)
            continue;
        if (++*refused <= PROBLEMS_SHOWN)
            add_problem(problems, csv.line, &why);
    }
    buffer_free(&csv.text);
    return result;
}

/* ---- out ---- */

static void put_cell(struct buffer *csv, const char *text, const char *after)
{
    if (!strpbrk(text, ",;\"\r\n\t")) {
        buffer_printf(csv, "%s%s", text, after);
        return;
    }
    buffer_char(csv, '"');
    for (; *text; text++)
        buffer_printf(csv, "%.*s%c", *text == '"', "\"", *text);
    buffer_printf(csv, "\"%s", after);
}

static void put_line(struct buffer *csv, sqlite3_stmt *row)
{
    char time[TEXT_TIME_SIZE];
    for (int i = 0; i < EMAIL; i++) {
        const char *after = i + 1 < EMAIL ? "," : "\r\n";
        if (i == TIME)
            text_time(time, sqlite3_column_int64(row, i));
        put_cell(csv, i == TIME ? time : sql_text(row, i), after);
    }
}

int suppression_write_csv(const char *state_path, struct buffer *csv, struct error *error)
{
    SQL_CLEAN sqlite3 *db = sql_open_readonly(state_path, error);
    STATEMENT_CLEAN sqlite3_stmt *select =
        db ? sql_prepare(db,
                         "SELECT value, kind, channel, scope, nullif(campaign_id, 0), reason, "
                         "note, created_us, origin\n"
                         "FROM suppression\n"
                         "ORDER BY id",
                         error)
           : NULL;
    if (!select)
        return -1;
    for (int i = 0; i < EMAIL; i++)
        buffer_printf(csv, "%s%s", column_names[i], i + 1 < EMAIL ? "," : "\r\n");
    int more;
    while ((more = sql_row(select, error)) > 0)
        put_line(csv, select);
    return more;
}
