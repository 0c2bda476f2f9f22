#include "store/confirmation.h"

#include <string.h>

#include "base/clock.h"
#include "store/sql.h"

static const char *const names[] = {
    [CONFIRMATION_NONE] = "none",
    [CONFIRMATION_PENDING] = "pending",
    [CONFIRMATION_CONFIRMED] = "confirmed",
    [CONFIRMATION_FAILED] = "failed",
};

#define NAMES ((int)(sizeof names / sizeof *names))

const char *confirmation_name(int confirmation)
{
    return confirmation >= 0 && confirmation < NAMES ? names[confirmation] : "?";
}

int confirmation_named(const char *name, enum confirmation *confirmation, struct error *error)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(names[i], name) == 0) {
            *confirmation = (enum confirmation)i;
            return 0;
        }
    return error_say(error, ERROR_INPUT,
                     "»%.80s« is no confirmation; there are: none, pending, confirmed, failed",
                     "»%.80s« ist keine Bestätigung; es gibt: none, pending, confirmed, failed.",
                     name);
}

static sqlite3_stmt *prepare_put(sqlite3 *state, enum confirmation confirmation,
                                 struct error *error)
{
    return sql_prepare(state,
                       confirmation == CONFIRMATION_NONE
                           ? "DELETE FROM confirmation\n"
                             "WHERE run = ?1 AND step = ?2 AND ordinal = ?3"
                           : "INSERT INTO confirmation\n"
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6)\n"
                             "ON CONFLICT (run, step, ordinal) DO UPDATE\n"
                             "SET confirmation = excluded.confirmation, "
                             "time_us = excluded.time_us, text = excluded.text",
                       error);
}

int confirmation_put(sqlite3 *state, int64_t run, const struct confirmation_task *tasks,
                     size_t count, enum confirmation confirmation, const char *text,
                     struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *put = prepare_put(state, confirmation, error);
    if (!put)
        return -1;
    sqlite3_bind_int64(put, 1, run);
    if (confirmation != CONFIRMATION_NONE) {
        sqlite3_bind_int(put, 4, confirmation);
        sqlite3_bind_int64(put, 5, clock_now_us());
        sql_bind_text(put, 6, text);
    }
    for (size_t i = 0; i < count; i++) {
        sqlite3_bind_int64(put, 2, tasks[i].step);
        sqlite3_bind_int64(put, 3, tasks[i].ordinal);
        if (sql_done(put, error) != 0)
            return -1;
    }
    return 0;
}

sqlite3_stmt *confirmation_prepare(sqlite3 *state, struct error *error)
{
    return sql_prepare(state,
                       "SELECT confirmation\n"
                       "FROM confirmation\n"
                       "WHERE run = ?1 AND step = ?2 AND ordinal = ?3",
                       error);
}

int confirmation_of(sqlite3_stmt *find, int64_t run, int64_t step, int64_t ordinal,
                    struct error *error)
{
    sqlite3_bind_int64(find, 1, run);
    sqlite3_bind_int64(find, 2, step);
    sqlite3_bind_int64(find, 3, ordinal);
    int found = sql_row(find, error);
    if (found <= 0)
        return found < 0 ? -1 : CONFIRMATION_NONE;
    found = sqlite3_column_int(find, 0);
    sqlite3_reset(find);
    return found;
}
