/*
 * The rules that look at one row: no key … both by one CASE in SQL, objections and consent of each
 * step in C, since they know the suppression list. One pass over the rows.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "source/condition.h"
#include "source/reading.h"
#include "source/selection_internal.h"
#include "store/sql.h"

/* ---- steps ---- */

/* A definition of before there were channels does not name one: it is about e-mail. */
static const char *channel_of(const json_t *step)
{
    const json_t *channel = json_object_get(step, "channel");
    return channel ? reading_text(step, "channel") : "email";
}

static bool needs_consent(const json_t *definition)
{
    const json_t *campaign = json_object_get(definition, "campaign");
    return strcmp(reading_text(campaign, "purpose"), "advertising") == 0 &&
           !*reading_text(campaign, "consent_reason");
}

/* The role of the column with a person's consent to a channel; NULL: none is needed. */
static const char *consent_role(const char *channel)
{
    return strcmp(channel, "email") == 0 ? "consent_email"
           : strcmp(channel, "sms") == 0 ? "consent_sms"
                                         : NULL;
}

static int check_consent(const json_t *definition, const json_t *columns, const json_t *step,
                         struct error *error)
{
    const char *role = consent_role(channel_of(step));
    if (!role || !needs_consent(definition) || fetch_column_with_role(columns, role) >= 0)
        return 0;
    return error_say(error, ERROR_INPUT,
                     "the campaign is advertising, but no field of the group has the role %s, "
                     "which step »%s« needs; give it to the field that says who consented, or "
                     "state in consent_reason why the campaign may be sent without",
                     "Die Kampagne ist Werbung, aber kein Feld der Gruppe hat die Rolle %s, die "
                     "der Schritt »%s« braucht; sie dem Feld geben, das sagt, wer eingewilligt "
                     "hat, oder in consent_reason begründen, warum es ohne gehen darf.",
                     role, reading_text(step, "name"));
}

int judge_steps(struct selection *selection, struct error *error)
{
    const json_t *steps = json_object_get(selection->definition, "steps");
    const json_t *columns = selection->fetched->columns;
    size_t count = json_array_size(steps);
    bool consent = needs_consent(selection->definition);
    if (count > SELECTION_STEPS_MAX)
        return error_say(error, ERROR_INPUT, "the campaign has more than %d steps",
                         "Die Kampagne hat mehr als %d Schritte.", SELECTION_STEPS_MAX);
    selection->step_count = count;
    selection->steps = memory_array(count + 1, sizeof *selection->steps);
    for (size_t i = 0; i < count; i++) {
        const json_t *given = json_array_get(steps, i);
        const char *role = consent_role(channel_of(given));
        selection->steps[i] = (struct step){
            .name = reading_text(given, "name"),
            .channel = channel_of(given),
            .number = reading_integer(given, "number", (int64_t)i + 1),
            .has_condition = *reading_text(given, "when"),
            .consent = consent && role ? fetch_column_with_role(columns, role) : -1,
        };
    }
    return 0;
}

/* ---- conditions ---- */

static int add_filter(const json_t *definition, const json_t *columns, json_t *values,
                      struct buffer *sql, struct error *error)
{
    static const struct condition_name name = {"the filter", "Der Filter"};
    const char *filter = reading_text(json_object_get(definition, "campaign"), "filter");
    return *filter ? condition_append(&name, filter, columns, values, sql, error) : 0;
}

static int add_when(const json_t *step, const json_t *columns, json_t *values, struct buffer *sql,
                    struct error *error)
{
    const char *when = reading_text(step, "when");
    FREE_CLEAN char *english =
        memory_format("the condition of step »%s«", reading_text(step, "name"));
    FREE_CLEAN char *german =
        memory_format("Die Bedingung des Schritts »%s«", reading_text(step, "name"));
    const struct condition_name name = {english, german};
    return *when ? condition_append(&name, when, columns, values, sql, error) : 0;
}

static json_t *parameters_of(const json_t *definition)
{
    const json_t *given = json_object_get(json_object_get(definition, "campaign"), "parameters");
    return json_is_object(given) ? json_copy((json_t *)given) : json_object();
}

void selection_add_problem(json_t *problems, const char *where, const struct error *error)
{
    json_array_append_new(problems,
                          json_pack("{s:s, s:s, s:s, s:s}", "severity", "error", "where", where,
                                    "message_en", error->message, "message_de", error->german));
}

void selection_check(const json_t *definition, const json_t *columns, json_t *problems)
{
    size_t index;
    json_t *step, *values = parameters_of(definition);
    struct error error;
    BUFFER_CLEAN struct buffer sql = {0};
    if (add_filter(definition, columns, values, &sql, &error) != 0)
        selection_add_problem(problems, "filter", &error);
    json_array_foreach(json_object_get(definition, "steps"), index, step) {
        FREE_CLEAN char *where = memory_format("step %s", reading_text(step, "name"));
        if (add_when(step, columns, values, &sql, &error) != 0)
            selection_add_problem(problems, where, &error);
        if (check_consent(definition, columns, step, &error) != 0)
            selection_add_problem(problems, where, &error);
    }
    json_decref(values);
}

/* ---- the statement ---- */

static void put_yes(struct buffer *sql, const struct selection *selection, const char *prefix,
                    enum reason reason)
{
    const json_t *columns = selection->fetched->columns;
    for (size_t i = 0; i < json_array_size(columns); i++)
        if (strcmp(reading_text(json_array_get(columns, i), "role"), reason_name(reason)) == 0)
            buffer_printf(sql, " WHEN campaignd_yes(%s%zu) THEN %d", prefix, i, reason);
}

static void put_sets(struct buffer *sql, const struct selection *selection, const char *prefix)
{
    size_t index;
    json_t *set;
    const json_t *sets = json_object_get(json_object_get(selection->definition, "group"), "sets");
    json_array_foreach((json_t *)sets, index, set) {
        bool minus = strcmp(reading_text(set, "operation"), "minus") == 0;
        if (index < SELECTION_SETS_MAX && selection->sets[index])
            buffer_printf(sql, " WHEN %skey %sIN %s.set_%zu THEN %d", prefix, minus ? "" : "NOT ",
                          selection->sets[index], index, minus ? REASON_MINUS : REASON_BOTH);
    }
}

/* CASE … END: the number of the first rule that hits, NULL if none does. */
static int put_rules(struct buffer *sql, const struct selection *selection, const char *prefix,
                     json_t *values, struct error *error)
{
    const json_t *picks = json_object_get(selection->definition, "picks");
    BUFFER_CLEAN struct buffer filter = {0};
    if (add_filter(selection->definition, selection->fetched->columns, values, &filter, error) != 0)
        return -1;
    buffer_printf(sql, "CASE WHEN %skey = '' THEN %d", prefix, REASON_NO_KEY);
    put_yes(sql, selection, prefix, REASON_BLOCKED);
    put_yes(sql, selection, prefix, REASON_DECEASED);
    if (json_array_size(json_object_get(picks, "out")))
        buffer_printf(sql, " WHEN %skey IN temp.pick_out THEN %d", prefix, REASON_TAKEN_OUT);
    if (filter.size) {
        buffer_printf(sql, " WHEN %s IS NOT TRUE", filter.data);
        if (json_array_size(json_object_get(picks, "in")))
            buffer_printf(sql, " AND %skey NOT IN temp.pick_in", prefix);
        buffer_printf(sql, " THEN %d", REASON_FILTER);
    }
    put_sets(sql, selection, prefix);
    buffer_text(sql, " END");
    return 0;
}

enum { AT_ORDINAL, AT_RULE, AT_KEY, AT_KEY_CELL, AT_ADDRESSES };

/* The column `position` of the row, NULL if there is none. */
static void put_cell(struct buffer *sql, const char *prefix, int position)
{
    if (position >= 0)
        buffer_printf(sql, ", %s%d", prefix, position);
    else
        buffer_text(sql, ", NULL");
}

/* After those come the addresses, then two columns a step: does its condition hold, what is said of consent. */
static int put_steps(struct buffer *sql, const struct selection *selection, const char *prefix,
                     json_t *values, struct error *error)
{
    const json_t *columns = selection->fetched->columns;
    const json_t *steps = json_object_get(selection->definition, "steps");
    for (size_t i = 0; i < selection->step_count; i++) {
        buffer_text(sql, ", ");
        if (!selection->steps[i].has_condition)
            buffer_char(sql, '1');
        else if (add_when(json_array_get(steps, i), columns, values, sql, error) != 0)
            return -1;
        put_cell(sql, prefix, selection->steps[i].consent);
    }
    return 0;
}

static void put_addresses(struct buffer *sql, struct selection *selection, const char *prefix)
{
    const json_t *columns = selection->fetched->columns;
    selection->addresses = 0;
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *column = json_array_get(columns, i);
        if (!objections_is_address(selection->definition, reading_text(column, "name"),
                                   reading_text(column, "role")))
            continue;
        put_cell(sql, prefix, (int)i);
        selection->addresses++;
    }
}

static sqlite3_stmt *prepare_rows(struct selection *selection, json_t *values, struct error *error)
{
    const json_t *columns = selection->fetched->columns;
    FREE_CLEAN char *prefix = condition_prefix(columns);
    BUFFER_CLEAN struct buffer sql = {0};
    buffer_printf(&sql, "SELECT %sordinal, ", prefix);
    if (put_rules(&sql, selection, prefix, values, error) != 0)
        return NULL;
    buffer_printf(&sql, ", %skey", prefix);
    put_cell(&sql, prefix, selection->fetched->key);
    put_addresses(&sql, selection, prefix);
    if (put_steps(&sql, selection, prefix, values, error) != 0)
        return NULL;
    buffer_text(&sql, " FROM (");
    condition_view(&sql, columns, prefix);
    buffer_char(&sql, ')');
    sqlite3_stmt *rows = sql_prepare(selection->fetched->db, buffer_string(&sql), error);
    if (rows)
        condition_bind(rows, values);
    return rows;
}

/* ---- yes ---- */

/* A yes in a site's column: a number that is not 0, or a text that is none of the usual noes, blanks
 * around it left out (a CHAR(4) has some). */
static bool is_yes(sqlite3_value *value)
{
    static const char *const noes[] = {"", "0", "n", "no", "nein", "f", "false", "falsch", "off"};
    if (sqlite3_value_type(value) == SQLITE_NULL)
        return false;
    if (sqlite3_value_type(value) != SQLITE_TEXT)
        return sqlite3_value_double(value) != 0;
    const char *text = (const char *)sqlite3_value_text(value);
    text += strspn(text, " ");
    size_t length = strlen(text);
    while (length && text[length - 1] == ' ')
        length--;
    for (size_t i = 0; i < sizeof noes / sizeof *noes; i++)
        if (strlen(noes[i]) == length && strncasecmp(text, noes[i], length) == 0)
            return false;
    return true;
}

static void sql_yes(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int(context, is_yes(values[0]));
}

static int fill_picks(const struct selection *selection, const char *which, struct error *error)
{
    sqlite3 *db = selection->fetched->db;
    size_t index;
    json_t *key;
    FREE_CLEAN char *create = memory_format(
        "CREATE TEMP TABLE pick_%s (key TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID", which);
    FREE_CLEAN char *insert =
        memory_format("INSERT OR IGNORE INTO temp.pick_%s VALUES (?1)", which);
    if (sql_run(db, create, error) != 0)
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *put = sql_prepare(db, insert, error);
    if (!put)
        return -1;
    json_array_foreach(json_object_get(json_object_get(selection->definition, "picks"), which),
                       index, key) {
        sql_bind_text(put, 1, json_string_value(key));
        if (json_is_string(key) && sql_done(put, error) != 0)
            return -1;
    }
    return 0;
}

/* ---- one row ---- */

static const char *why_no_key(sqlite3_value *cell)
{
    switch (sqlite3_value_type(cell)) {
    case SQLITE_NULL:
        return "";
    case SQLITE_TEXT:
        return sqlite3_value_bytes(cell) == 0 ? ""
                                              : "the key is longer than 1000 bytes, is no UTF-8, "
                                                "or holds control characters";
    default:
        return sqlite3_value_bytes(cell) == 0 ? "" : "the key is longer than 1000 bytes";
    }
}

static int skip(struct selection *selection, int64_t ordinal, const struct step *step,
                const char *reason, struct error *error)
{
    sqlite3_stmt *add = selection->add_skip;
    if (!add)
        return 0;
    sqlite3_bind_int64(add, 1, step->number);
    sqlite3_bind_int64(add, 2, ordinal);
    sqlite3_bind_text(add, 3, reason, -1, SQLITE_STATIC);
    return sql_done(add, error);
}

static enum skip judge_step(const struct selection *selection, const struct step *step, bool holds,
                            sqlite3_value *consent, bool listed,
                            const struct suppression_entry **entry)
{
    if (!holds)
        return SKIP_CONDITION;
    *entry = listed ? objections_against(selection->objections, step->channel) : NULL;
    if (*entry)
        return SKIP_SUPPRESSED;
    return step->consent >= 0 && !is_yes(consent) ? SKIP_NO_CONSENT : SKIP_NOT;
}

static const char *skip_text(enum skip why, const struct suppression_entry *entry,
                             char text[SUPPRESSION_TEXT])
{
    if (why == SKIP_SUPPRESSED)
        suppression_text(text, entry);
    return why == SKIP_CONDITION    ? "the step's condition does not hold"
           : why == SKIP_NO_CONSENT ? "no consent"
                                    : text;
}

/* Of a recipient for whom objections or consent have left no step: leave out, with the reason. */
static int leave_without_step(struct selection *selection, int64_t ordinal,
                              const struct suppression_entry *entry, struct error *error)
{
    char text[SUPPRESSION_TEXT] = "";
    if (!entry)
        return selection_leave_out(selection, ordinal, REASON_NO_CONSENT, "", error);
    suppression_text(text, entry);
    const char *detail = strncmp(text, "suppressed: ", 12) == 0 ? text + 12 : text;
    return selection_leave_out(selection, ordinal, REASON_SUPPRESSED, detail, error);
}

static int look_up(struct selection *selection, sqlite3_stmt *row, struct error *error)
{
    if (objections_look_up(selection->objections, sql_text(row, AT_KEY), error) != 0)
        return -1;
    for (int i = AT_ADDRESSES; i < AT_ADDRESSES + selection->addresses; i++) {
        const char *text = (const char *)sqlite3_column_text(row, i);
        if (text && objections_look_up_address(selection->objections, text,
                                               (size_t)sqlite3_column_bytes(row, i), error) != 0)
            return -1;
    }
    return 0;
}

static int judge_row_steps(struct selection *selection, sqlite3_stmt *row, struct error *error)
{
    int64_t ordinal = sqlite3_column_int64(row, AT_ORDINAL);
    const struct suppression_entry *entry, *first = NULL;
    size_t skipped = 0, withheld = 0;
    bool listed = objections_any(selection->objections);
    enum skip why[SELECTION_STEPS_MAX];
    if (listed && look_up(selection, row, error) != 0)
        return -1;
    for (size_t i = 0; i < selection->step_count; i++) {
        int at = AT_ADDRESSES + selection->addresses + 2 * (int)i;
        why[i] = judge_step(selection, &selection->steps[i], sqlite3_column_int(row, at) != 0,
                            sqlite3_column_value(row, at + 1), listed, &entry);
        skipped += why[i] != SKIP_NOT;
        withheld += why[i] > SKIP_CONDITION;
        if (why[i] == SKIP_SUPPRESSED && !first)
            first = entry;
    }
    if (withheld && skipped == selection->step_count)
        return leave_without_step(selection, ordinal, first, error);
    for (size_t i = 0; i < selection->step_count && skipped; i++) {
        char text[SUPPRESSION_TEXT];
        if (why[i] == SKIP_NOT)
            continue;
        selection->steps[i].skipped[why[i]]++;
        entry = objections_against(selection->objections, selection->steps[i].channel);
        if (skip(selection, ordinal, &selection->steps[i], skip_text(why[i], entry, text), error) !=
            0)
            return -1;
    }
    return 0;
}

static int judge_row(struct selection *selection, sqlite3_stmt *row, struct error *error)
{
    enum reason reason = (enum reason)sqlite3_column_int(row, AT_RULE);
    if (reason == REASON_NONE)
        return judge_row_steps(selection, row, error);
    const char *detail =
        reason == REASON_NO_KEY ? why_no_key(sqlite3_column_value(row, AT_KEY_CELL)) : "";
    return selection_leave_out(selection, sqlite3_column_int64(row, AT_ORDINAL), reason, detail,
                               error);
}

/* Is there a rule that could hit? Else nobody need look at the rows. */
static bool has_rules(const struct selection *selection)
{
    const json_t *columns = selection->fetched->columns;
    const json_t *picks = json_object_get(selection->definition, "picks");
    bool rules = selection->fetched->keyless != 0 || objections_any(selection->objections) ||
                 fetch_column_with_role(columns, "blocked") >= 0 ||
                 fetch_column_with_role(columns, "deceased") >= 0 ||
                 json_array_size(json_object_get(picks, "in")) > 0 ||
                 json_array_size(json_object_get(picks, "out")) > 0 ||
                 *reading_text(selection_campaign(selection), "filter") || selection->sets[0];
    for (size_t i = 0; i < selection->step_count; i++)
        rules |= selection->steps[i].has_condition || selection->steps[i].consent >= 0;
    return rules;
}

int selection_judge(struct selection *selection, struct error *error)
{
    for (size_t i = 0; i < selection->step_count; i++)
        if (check_consent(selection->definition, selection->fetched->columns,
                          json_array_get(json_object_get(selection->definition, "steps"), i),
                          error) != 0)
            return -1;
    if (!has_rules(selection))
        return 0;
    if (sqlite3_create_function(selection->fetched->db, "campaignd_yes", 1,
                                SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                sql_yes, NULL, NULL) != SQLITE_OK)
        return sql_error(selection->fetched->db, error, "select recipients");
    if (fill_picks(selection, "in", error) != 0 || fill_picks(selection, "out", error) != 0)
        return -1;
    json_t *values = parameters_of(selection->definition);
    STATEMENT_CLEAN sqlite3_stmt *row = prepare_rows(selection, values, error);
    json_decref(values);
    int more = -1;
    while (row && (more = sql_row(row, error)) > 0)
        if (judge_row(selection, row, error) != 0)
            return -1;
    return more;
}
