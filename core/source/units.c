#include "source/units.h"

#include <string.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "source/folding.h"
#include "source/reading.h"
#include "source/selection_internal.h"
#include "store/sql.h"

struct joining {
    struct selection *selection;
    enum reason reason;
    sqlite3_stmt *add; /* a member; NULL: they are only counted */
    sqlite3_stmt *withhold;
    struct buffer unit; /* the present one's */
    struct buffer key;  /* of who stands for it */
    int64_t head;       /* and his ordinal; 0: none yet */
    int64_t members;    /* written of it */
};

/* ---- what a unit is ---- */

static void sql_email_unit(sqlite3_context *context, int count, sqlite3_value **values)
{
    char address[ADDRESS_SIZE];
    const char *text = (const char *)sqlite3_value_text(values[0]);
    (void)count;
    if (!text)
        return;
    size_t length = address_normal_email(address, text, (size_t)sqlite3_value_bytes(values[0]));
    if (length)
        sqlite3_result_text(context, address, (int)length, SQLITE_TRANSIENT);
}

/* household(role's field, street, postcode, city, country) */
static void sql_household_unit(sqlite3_context *context, int count, sqlite3_value **values)
{
    BUFFER_CLEAN struct buffer unit = {0};
    char street[ADDRESS_SIZE];
    const char *own = (const char *)sqlite3_value_text(values[0]);
    const char *text = (const char *)sqlite3_value_text(values[1]);
    if (own && *own) {
        buffer_printf(&unit, "household %s", own);
        sqlite3_result_text(context, unit.data, (int)unit.size, SQLITE_TRANSIENT);
        return;
    }
    BUFFER_CLEAN struct buffer folded = {0};
    if (text)
        folding_fold(&folded, text, (size_t)sqlite3_value_bytes(values[1]));
    if (!address_normal_street(street, buffer_string(&folded), folded.size))
        return;
    buffer_printf(&unit, "address %s", street);
    for (int i = 2; i < count; i++) {
        const char *part = (const char *)sqlite3_value_text(values[i]);
        char normal[ADDRESS_SIZE] = "";
        buffer_clear(&folded);
        if (part)
            folding_fold(&folded, part, (size_t)sqlite3_value_bytes(values[i]));
        address_normal_street(normal, buffer_string(&folded), folded.size);
        buffer_printf(&unit, "\n%s", normal);
    }
    sqlite3_result_text(context, unit.data, (int)unit.size, SQLITE_TRANSIENT);
}

static void put_role(struct buffer *sql, const struct selection *selection, const char *role)
{
    int column = fetch_column_with_role(selection_fetched(selection)->columns, role);
    if (column >= 0)
        buffer_printf(sql, "c%d", column);
    else
        buffer_text(sql, "NULL");
}

static int no_column(const char *role, const char *unit, struct error *error)
{
    return error_say(
        error, ERROR_INPUT,
        "recipients are to be joined by %.0s%s, but no field of the group has the role "
        "%s; give it to a field, or choose one task for each key",
        "Empfänger sollen nach %s%.0s zusammengefasst werden, aber kein Feld der "
        "Gruppe hat die Rolle %s; sie einem Feld geben oder je Schlüssel eine Aufgabe "
        "wählen.",
        strcmp(unit, "email") == 0 ? "E-Mail-Adresse" : "Haushalt",
        strcmp(unit, "email") == 0 ? "e-mail address" : "household", role);
}

/* The SQL that says what unit a row belongs to; NULL with an error. */
static char *unit_sql(const struct selection *selection, const char *unit, struct error *error)
{
    static const char *const parts[] = {"household", "street", "postcode", "city", "country"};
    const json_t *columns = selection_fetched(selection)->columns;
    struct buffer sql = {0};
    if (strcmp(unit, "email") == 0) {
        int column = fetch_column_with_role(columns, "email");
        if (column >= 0)
            return memory_format("campaignd_email_unit(c%d)", column);
        no_column("email", unit, error);
        return NULL;
    }
    if (fetch_column_with_role(columns, "household") < 0 &&
        fetch_column_with_role(columns, "street") < 0) {
        no_column("household", unit, error);
        return NULL;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buffer_text(&sql, i ? ", " : "campaignd_household_unit(");
        put_role(&sql, selection, parts[i]);
    }
    buffer_char(&sql, ')');
    return buffer_steal(&sql);
}

/* ---- joining ---- */

static int add_member(struct joining *joining, int64_t ordinal, struct error *error)
{
    if (!joining->add)
        return 0;
    sqlite3_bind_int64(joining->add, 1, joining->head);
    sqlite3_bind_int64(joining->add, 2, joining->members++);
    sqlite3_bind_int64(joining->add, 3, ordinal);
    return sql_done(joining->add, error);
}

/* One message goes to all of them: what an objection or the lack of consent keeps from one of them,
 * it keeps from the unit. */
static int withhold_steps(struct joining *joining, int64_t ordinal, struct error *error)
{
    const struct selection *selection = joining->selection;
    for (size_t i = 0; joining->withhold && i < selection->step_count; i++) {
        const struct step *step = &selection->steps[i];
        if (!step->skipped[SKIP_SUPPRESSED] && !step->skipped[SKIP_NO_CONSENT])
            continue;
        sqlite3_bind_int64(joining->withhold, 1, step->number);
        sqlite3_bind_int64(joining->withhold, 2, joining->head);
        sqlite3_bind_int64(joining->withhold, 3, ordinal);
        if (sql_done(joining->withhold, error) != 0)
            return -1;
    }
    return 0;
}

static void begin_unit(struct joining *joining, const char *unit, const char *key, int64_t ordinal)
{
    buffer_clear(&joining->unit);
    buffer_text(&joining->unit, unit);
    buffer_clear(&joining->key);
    buffer_text(&joining->key, key);
    joining->head = ordinal;
    joining->members = 0;
}

static int join_row(struct joining *joining, sqlite3_stmt *row, struct error *error)
{
    int64_t ordinal = sqlite3_column_int64(row, 0);
    const char *unit = sql_text(row, 1);
    if (!joining->head || strcmp(buffer_string(&joining->unit), unit) != 0) {
        begin_unit(joining, unit, sql_text(row, 2), ordinal);
        return 0;
    }
    if (!joining->members && add_member(joining, joining->head, error) != 0)
        return -1;
    return add_member(joining, ordinal, error) != 0 || withhold_steps(joining, ordinal, error) != 0
               ? -1
               : selection_leave_out(joining->selection, ordinal, joining->reason,
                                     joining->key.data, error);
}

static int prepare_add(struct joining *joining, struct error *error)
{
    const struct fetched *fetched = selection_fetched(joining->selection);
    BUFFER_CLEAN struct buffer sql = {0};
    if (!fetched->writable)
        return 0;
    buffer_text(&sql, "INSERT INTO main.member SELECT ?1, ?2, key");
    for (size_t i = 0; i < json_array_size(fetched->columns); i++)
        buffer_printf(&sql, ", c%zu", i);
    buffer_text(&sql, " FROM main.recipient WHERE ordinal = ?3");
    joining->add = sql_prepare(fetched->db, buffer_string(&sql), error);
    joining->withhold =
        joining->add ? sql_prepare(fetched->db,
                                   "INSERT OR IGNORE INTO main.skipped (step, ordinal, reason)\n"
                                   "SELECT step, ?2, reason\n"
                                   "FROM main.skipped\n"
                                   "WHERE step = ?1 AND ordinal = ?3\n"
                                   "    AND (reason = 'no consent' OR reason GLOB 'suppressed*')",
                                   error)
                     : NULL;
    return joining->withhold ? 0 : -1;
}

static sqlite3_stmt *prepare_rows(const struct selection *selection, const char *unit,
                                  struct error *error)
{
    FREE_CLEAN char *of_row = unit_sql(selection, unit, error);
    if (!of_row)
        return NULL;
    FREE_CLEAN char *sql = memory_format("SELECT ordinal, %s AS unit, key\n"
                                         "FROM main.recipient\n"
                                         "WHERE campaignd_chosen(ordinal) AND unit IS NOT NULL\n"
                                         "ORDER BY unit, ordinal",
                                         of_row);
    return sql_prepare(selection_fetched(selection)->db, sql, error);
}

static int add_functions(sqlite3 *db, struct error *error)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    return sqlite3_create_function(db, "campaignd_email_unit", 1, flags, NULL, sql_email_unit, NULL,
                                   NULL) == SQLITE_OK &&
                   sqlite3_create_function(db, "campaignd_household_unit", 5, flags, NULL,
                                           sql_household_unit, NULL, NULL) == SQLITE_OK
               ? 0
               : sql_error(db, error, "join recipients");
}

int units_join(struct selection *selection, const json_t *definition, struct error *error)
{
    const char *unit = reading_text(json_object_get(definition, "campaign"), "unit");
    if (!*unit || strcmp(unit, "key") == 0)
        return 0;
    bool email = strcmp(unit, "email") == 0;
    if (!email && strcmp(unit, "household") != 0)
        return error_say(error, ERROR_INPUT,
                         "the unit »%s« is not known; there are: key, email, household",
                         "Die Einheit »%s« gibt es nicht; es gibt: key, email, household", unit);
    struct joining joining = {.selection = selection,
                              .reason = email ? REASON_DUPLICATE : REASON_HOUSEHOLD};
    if (add_functions(selection_fetched(selection)->db, error) != 0 ||
        prepare_add(&joining, error) != 0)
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *row = prepare_rows(selection, unit, error);
    int more = -1;
    while (row && (more = sql_row(row, error)) > 0)
        if (join_row(&joining, row, error) != 0) {
            more = -1;
            break;
        }
    sqlite3_finalize(joining.add);
    sqlite3_finalize(joining.withhold);
    buffer_free(&joining.unit);
    buffer_free(&joining.key);
    return more;
}

int64_t units_head(struct selection *selection, const char *key, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *find =
        sql_prepare(selection_fetched(selection)->db,
                    "SELECT r.ordinal, h.ordinal\n"
                    "FROM main.recipient AS r\n"
                    "LEFT JOIN temp.verdict AS v ON v.ordinal = r.ordinal\n"
                    "LEFT JOIN main.recipient AS h ON h.key = v.detail\n"
                    "WHERE r.key = ?1 AND r.key <> ''",
                    error);
    int more;
    int64_t head = 0;
    if (!find)
        return -1;
    sql_bind_text(find, 1, key);
    while (!head && (more = sql_row(find, error)) > 0) {
        int64_t own = sqlite3_column_int64(find, 0), other = sqlite3_column_int64(find, 1);
        enum reason reason = selection_reason(selection, own);
        if (reason == REASON_NONE)
            head = own;
        else if ((reason == REASON_DUPLICATE || reason == REASON_HOUSEHOLD) &&
                 selection_has(selection, other))
            head = other;
    }
    return head;
}
