#include "store/suppression.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/sql.h"

/* ---- words ---- */

static const char *const kinds[] = {"address", "person", NULL};
static const char *const channels[] = {"any", "email", "sms", "letter", NULL};
static const char *const scopes[] = {"campaign", "advertising", "all", NULL};
/* From the mildest to the strictest. */
static const char *const reasons[] = {"other",   "objection", "complaint", "bounce",
                                      "blocked", "deceased",  NULL};
#define BOUNCE 3

static const char *word(const char *const *words, const char *given)
{
    for (; given && *words; words++)
        if (strcmp(*words, given) == 0)
            return *words;
    return NULL;
}

static int choose(const char **place, const char *const *words, const char *otherwise,
                  const char *what, struct error *error)
{
    BUFFER_CLEAN struct buffer all = {0};
    const char *given = *place && **place ? *place : otherwise;
    if ((*place = word(words, given)))
        return 0;
    for (size_t i = 0; words[i]; i++)
        buffer_printf(&all, "%s%s", i ? ", " : "", words[i]);
    return error_say(error, ERROR_INPUT, "»%.80s« is not known as %s; one of: %s",
                     "»%.80s« ist als %s nicht bekannt; möglich sind: %s", given, what,
                     buffer_string(&all));
}

int suppression_strictness(const char *reason)
{
    int strictness = 0;
    while (reasons[strictness] && strcmp(reasons[strictness], reason) != 0)
        strictness++;
    return reasons[strictness] ? strictness : 0;
}

static bool is_email(const char *value)
{
    const char *at = strrchr(value, '@');
    if (!at || at == value || !at[1])
        return false;
    bool quoted = *value == '"' && at - value > 2 && at[-1] == '"'; /* "a@b"@example.org */
    if (strchr(value, '@') != at && !quoted)
        return false;
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return true;
}

static int make_value(struct suppression_entry *entry, char normal[ADDRESS_SIZE],
                      struct error *error)
{
    const char *given = entry->value ? entry->value : "";
    size_t length = strlen(given);
    if (strcmp(entry->kind, "person") == 0) {
        if (!length || length >= ADDRESS_SIZE || !text_is_utf8(given, length))
            return error_say(
                error, ERROR_INPUT, "the key of a person must have 1 to %d bytes of UTF-8",
                "Der Schlüssel einer Person muss 1 bis %d Bytes UTF-8 haben.", ADDRESS_SIZE - 1);
        memmove(normal, given, length + 1);
    } else if (strchr(given, '@')) {
        if (!address_normal_email(normal, given, length) || !is_email(normal) ||
            !text_is_utf8(given, length))
            return error_say(error, ERROR_INPUT, "»%.100s« is no e-mail address",
                             "»%.100s« ist keine E-Mail-Adresse.", given);
    } else if (address_normal_phone(normal, given, length) < 3)
        return error_say(error, ERROR_INPUT,
                         "»%.100s« is neither an e-mail address nor a telephone number",
                         "»%.100s« ist weder eine E-Mail-Adresse noch eine Telefonnummer.", given);
    entry->value = normal;
    return 0;
}

static int make_scope(struct suppression_entry *entry, struct error *error)
{
    int strictness = suppression_strictness(entry->reason);
    const char *otherwise = entry->campaign_id                   ? "campaign"
                            : strictness == 1 || strictness == 2 ? "advertising"
                                                                 : "all";
    if (choose(&entry->scope, scopes, otherwise, "scope", error) != 0)
        return -1;
    bool one = strcmp(entry->scope, "campaign") == 0;
    if (one == (entry->campaign_id > 0))
        return 0;
    return error_say(error, ERROR_INPUT,
                     one ? "the scope »campaign« needs the campaign"
                         : "a campaign is named, but the scope is not »campaign«",
                     one ? "Der Geltungsbereich »campaign« braucht die Kampagne."
                         : "Eine Kampagne ist genannt, aber der Geltungsbereich ist nicht "
                           "»campaign«.");
}

int suppression_make(struct suppression_entry *entry, char normal[ADDRESS_SIZE],
                     struct error *error)
{
    const char *value = entry->value ? entry->value : "";
    bool kind = entry->kind && *entry->kind;
    if (!kind && !strchr(value, '@') && *value != '+')
        return error_say(
            error, ERROR_INPUT,
            "»%.100s«: say by its kind whether this is an address (a telephone number) "
            "or a person's key",
            "»%.100s«: Die Art muss sagen, ob das eine Adresse (Telefonnummer) oder "
            "der Schlüssel einer Person ist.",
            value);
    if (choose(&entry->kind, kinds, "address", "kind", error) != 0 ||
        choose(&entry->reason, reasons, "objection", "reason", error) != 0 ||
        make_value(entry, normal, error) != 0 || make_scope(entry, error) != 0)
        return -1;
    bool bounced = strcmp(entry->reason, "bounce") == 0 && strcmp(entry->kind, "address") == 0;
    const char *own = strchr(normal, '@') ? "email" : "sms";
    if (choose(&entry->channel, channels, bounced ? own : "any", "channel", error) != 0)
        return -1;
    entry->note = entry->note ? entry->note : "";
    entry->origin = entry->origin && *entry->origin ? entry->origin : "hand";
    if (strlen(entry->note) > SUPPRESSION_NOTE)
        return error_say(error, ERROR_INPUT, "a note has at most %d bytes",
                         "Eine Bemerkung hat höchstens %d Bytes.", SUPPRESSION_NOTE);
    if (entry->created_us <= 0)
        entry->created_us = clock_now_us();
    return 0;
}

bool suppression_applies(const struct suppression_entry *entry, const char *purpose,
                         int64_t campaign_id, const char *channel)
{
    if (strcmp(entry->channel, "any") != 0 && strcmp(entry->channel, channel) != 0)
        return false;
    if (suppression_strictness(entry->reason) >= BOUNCE || strcmp(entry->scope, "all") == 0)
        return true;
    if (strcmp(entry->scope, "campaign") == 0)
        return entry->campaign_id == campaign_id;
    return strcmp(purpose, "advertising") == 0;
}

void suppression_text(char target[SUPPRESSION_TEXT], const struct suppression_entry *entry)
{
    char time[TEXT_TIME_SIZE];
    text_time(time, entry->created_us);
    snprintf(target, SUPPRESSION_TEXT, "suppressed: %.20s of %.10s", entry->reason, time);
}

/* ---- batches ---- */

void suppression_batch_add(struct suppression_batch *batch, const struct suppression_entry *entry)
{
    if (!batch->arena)
        batch->arena = arena_new();
    if (batch->count == batch->room) {
        batch->room = batch->room ? batch->room * 2 : 64;
        batch->entries = memory_resize(batch->entries, batch->room * sizeof *batch->entries);
    }
    struct suppression_entry *copy = &batch->entries[batch->count++];
    *copy = *entry;
    copy->value = arena_text(batch->arena, entry->value);
    copy->note = *entry->note ? arena_text(batch->arena, entry->note) : "";
    copy->origin = arena_text(batch->arena, entry->origin);
}

void suppression_batch_free(struct suppression_batch *batch)
{
    arena_free(batch->arena);
    free(batch->entries);
    *batch = (struct suppression_batch){0};
}

/* ---- the table ---- */

#define COLUMNS                                                                                    \
    "id, revision, kind, value, channel, scope, campaign_id, reason, note, created_us, origin"

/* Texts last until the statement's next step; words are ours for ever. */
static void read_entry(sqlite3_stmt *row, struct suppression_entry *entry)
{
    const char *kind = word(kinds, sql_text(row, 2));
    const char *channel = word(channels, sql_text(row, 4));
    const char *scope = word(scopes, sql_text(row, 5));
    const char *reason = word(reasons, sql_text(row, 7));
    *entry = (struct suppression_entry){
        .id = sqlite3_column_int64(row, 0),
        .revision = sqlite3_column_int64(row, 1),
        .kind = kind ? kind : "address",
        .value = sql_text(row, 3),
        .channel = channel ? channel : "any",
        .scope = scope ? scope : "all",
        .campaign_id = sqlite3_column_int64(row, 6),
        .reason = reason ? reason : "other",
        .note = sql_text(row, 8),
        .created_us = sqlite3_column_int64(row, 9),
        .origin = sql_text(row, 10),
    };
}

int64_t suppression_revision(sqlite3 *state, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(state, "SELECT value FROM counter WHERE name = 'suppression'", error);
    if (!select || sql_row(select, error) < 0)
        return -1;
    return sqlite3_column_int64(select, 0);
}

static int set_revision(sqlite3 *state, int64_t revision, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *update =
        sql_prepare(state, "UPDATE counter SET value = ?1 WHERE name = 'suppression'", error);
    if (!update)
        return -1;
    sqlite3_bind_int64(update, 1, revision);
    return sql_done(update, error);
}

struct putting {
    sqlite3 *state;
    sqlite3_stmt *find, *insert, *update;
    int64_t revision;
    struct suppression_result *result;
};

static int prepare_putting(struct putting *put, struct error *error)
{
    put->find = sql_prepare(put->state,
                            "SELECT id, reason\n"
                            "FROM suppression\n"
                            "WHERE value = ?1 AND kind = ?2 AND channel = ?3 AND scope = ?4 AND "
                            "campaign_id = ?5",
                            error);
    put->insert = put->find
                      ? sql_prepare(put->state,
                                    "INSERT INTO suppression (value, kind, channel, scope, "
                                    "campaign_id, reason, note, created_us, origin, revision)\n"
                                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                                    error)
                      : NULL;
    put->update = put->insert
                      ? sql_prepare(put->state,
                                    "UPDATE suppression\n"
                                    "SET reason = ?2, note = ?3, origin = ?4, revision = ?5\n"
                                    "WHERE id = ?1",
                                    error)
                      : NULL;
    return put->update ? 0 : -1;
}

static void bind_same(sqlite3_stmt *statement, const struct suppression_entry *entry)
{
    sql_bind_text(statement, 1, entry->value);
    sql_bind_text(statement, 2, entry->kind);
    sql_bind_text(statement, 3, entry->channel);
    sql_bind_text(statement, 4, entry->scope);
    sqlite3_bind_int64(statement, 5, entry->campaign_id);
}

static int insert_entry(struct putting *put, const struct suppression_entry *entry,
                        struct error *error)
{
    bind_same(put->insert, entry);
    sql_bind_text(put->insert, 6, entry->reason);
    sql_bind_text(put->insert, 7, entry->note);
    sqlite3_bind_int64(put->insert, 8, entry->created_us);
    sql_bind_text(put->insert, 9, entry->origin);
    sqlite3_bind_int64(put->insert, 10, ++put->revision);
    if (sql_done(put->insert, error) != 0)
        return -1;
    put->result->added++;
    put->result->id = sqlite3_last_insert_rowid(put->state);
    return 0;
}

static int update_entry(struct putting *put, const struct suppression_entry *entry,
                        struct error *error)
{
    sqlite3_bind_int64(put->update, 1, put->result->id);
    sql_bind_text(put->update, 2, entry->reason);
    sql_bind_text(put->update, 3, entry->note);
    sql_bind_text(put->update, 4, entry->origin);
    sqlite3_bind_int64(put->update, 5, ++put->revision);
    put->result->changed++;
    return sql_done(put->update, error);
}

static int put_entry(struct putting *put, const struct suppression_entry *entry,
                     struct error *error)
{
    bind_same(put->find, entry);
    int found = sql_row(put->find, error);
    if (found < 0)
        return -1;
    if (!found)
        return insert_entry(put, entry, error);
    int known = suppression_strictness(sql_text(put->find, 1));
    put->result->id = sqlite3_column_int64(put->find, 0);
    sqlite3_reset(put->find);
    if (suppression_strictness(entry->reason) > known)
        return update_entry(put, entry, error);
    put->result->unchanged++;
    return 0;
}

int suppression_put(sqlite3 *state, const struct suppression_entry *entries, size_t count,
                    struct suppression_result *result, struct error *error)
{
    struct putting put = {.state = state, .result = result};
    *result = (struct suppression_result){0};
    int failed = prepare_putting(&put, error);
    if (failed == 0 && (put.revision = suppression_revision(state, error)) < 0)
        failed = -1;
    for (size_t i = 0; failed == 0 && i < count; i++)
        failed = put_entry(&put, &entries[i], error);
    if (failed == 0 && (result->added || result->changed))
        failed = set_revision(state, put.revision, error);
    sql_finalize(&put.find);
    sql_finalize(&put.insert);
    sql_finalize(&put.update);
    return failed;
}

int suppression_remove(sqlite3 *state, int64_t id, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *remove =
        sql_prepare(state, "DELETE FROM suppression WHERE id = ?1", error);
    if (!remove)
        return -1;
    sqlite3_bind_int64(remove, 1, id);
    if (sql_done(remove, error) != 0)
        return -1;
    if (!sqlite3_changes(state))
        return 0;
    int64_t revision = suppression_revision(state, error);
    return revision < 0 || set_revision(state, revision + 1, error) != 0 ? -1 : 1;
}

/* ---- reading, on the pool ---- */

static json_t *entry_json(const struct suppression_entry *entry)
{
    char time[TEXT_TIME_SIZE];
    text_time(time, entry->created_us);
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s}", "id", (json_int_t)entry->id, "kind",
        entry->kind, "value", entry->value, "channel", entry->channel, "scope", entry->scope,
        "campaign_id", entry->campaign_id ? json_integer(entry->campaign_id) : json_null(),
        "reason", entry->reason, "note", entry->note, "created_at", time, "origin", entry->origin);
}

static sqlite3_stmt *prepare_list(sqlite3 *db, const char *value, struct error *error)
{
    if (!value)
        return sql_prepare(db,
                           "SELECT " COLUMNS "\n"
                           "FROM suppression\n"
                           "WHERE id > ?1\n"
                           "ORDER BY id\n"
                           "LIMIT ?2",
                           error);
    return sql_prepare(
        db,
        "SELECT " COLUMNS "\n"
        "FROM suppression\n"
        "WHERE id > ?1 AND (value = ?3 OR (kind = 'address' AND value IN (?4, ?5)))\n"
        "ORDER BY id\n"
        "LIMIT ?2",
        error);
}

json_t *suppression_list(const char *state_path, const char *value, int64_t after, size_t limit,
                         struct error *error)
{
    SQL_CLEAN sqlite3 *db = sql_open_readonly(state_path, error);
    STATEMENT_CLEAN sqlite3_stmt *select = db ? prepare_list(db, value, error) : NULL;
    char email[ADDRESS_SIZE], phone[ADDRESS_SIZE];
    if (!select)
        return NULL;
    sqlite3_bind_int64(select, 1, after);
    sqlite3_bind_int64(select, 2, (int64_t)limit);
    if (value) {
        address_normal_email(email, value, strlen(value));
        address_normal_phone(phone, value, strchr(value, '@') ? 0 : strlen(value));
        sql_bind_text(select, 3, value);
        sql_bind_text(select, 4, email);
        sql_bind_text(select, 5, phone);
    }
    json_t *list = json_array();
    struct suppression_entry entry;
    int more;
    while ((more = sql_row(select, error)) > 0) {
        read_entry(select, &entry);
        json_array_append_new(list, entry_json(&entry));
    }
    if (more == 0)
        return list;
    json_decref(list);
    return NULL;
}

int suppression_since(const char *state_path, int64_t after, size_t limit,
                      struct suppression_batch *batch, int64_t *revision, struct error *error)
{
    SQL_CLEAN sqlite3 *db = sql_open_readonly(state_path, error);
    if (!db || sql_run(db, "BEGIN", error) != 0 ||
        (*revision = suppression_revision(db, error)) < 0)
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *select = sql_prepare(db,
                                                       "SELECT " COLUMNS "\n"
                                                       "FROM suppression\n"
                                                       "WHERE revision > ?1\n"
                                                       "ORDER BY revision\n"
                                                       "LIMIT ?2",
                                                       error);
    if (!select)
        return -1;
    sqlite3_bind_int64(select, 1, after);
    sqlite3_bind_int64(select, 2, (int64_t)limit);
    struct suppression_entry entry;
    int more;
    while ((more = sql_row(select, error)) > 0) {
        read_entry(select, &entry);
        suppression_batch_add(batch, &entry);
    }
    if (batch->count == limit)
        *revision = batch->entries[batch->count - 1].revision;
    return more;
}

static int fill_copy(sqlite3 *copy, const char *state_path, int64_t *revision, struct error *error)
{
    STATEMENT_CLEAN sqlite3_stmt *attach = sql_prepare(copy, "ATTACH ?1 AS state", error);
    FREE_CLEAN char *uri = sql_uri(state_path, "mode=ro");
    if (!attach)
        return -1;
    sql_bind_text(attach, 1, uri);
    if (sql_done(attach, error) != 0 || sql_run(copy, "BEGIN", error) != 0)
        return -1;
    STATEMENT_CLEAN sqlite3_stmt *select =
        sql_prepare(copy, "SELECT value FROM state.counter WHERE name = 'suppression'", error);
    if (!select || sql_row(select, error) < 0)
        return -1;
    *revision = sqlite3_column_int64(select, 0);
    return sql_run(copy,
                   "CREATE TABLE entry (\n"
                   "    id INTEGER PRIMARY KEY,\n"
                   "    kind TEXT NOT NULL,\n"
                   "    value TEXT NOT NULL,\n"
                   "    channel TEXT NOT NULL,\n"
                   "    scope TEXT NOT NULL,\n"
                   "    campaign_id INTEGER NOT NULL,\n"
                   "    reason TEXT NOT NULL,\n"
                   "    note TEXT NOT NULL,\n"
                   "    created_us INTEGER NOT NULL,\n"
                   "    origin TEXT NOT NULL\n"
                   ") STRICT;\n"
                   "INSERT INTO entry\n"
                   "SELECT id, kind, value, channel, scope, campaign_id, reason, note, created_us, "
                   "origin\n"
                   "FROM state.suppression\n"
                   "ORDER BY id;\n"
                   "CREATE INDEX entry_value ON entry (value);\n"
                   "COMMIT",
                   error);
}

/* Nobody reads it before it is whole, and a lost one is made again: nothing need be durable. */
int suppression_copy(const char *state_path, const char *target, int64_t *revision,
                     struct error *error)
{
    FREE_CLEAN char *unfinished = memory_format("%s.tmp", target);
    SQL_CLEAN sqlite3 *copy = NULL;
    unlink(unfinished);
    int opened = sqlite3_open_v2(
        unfinished, &copy,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (opened != SQLITE_OK)
        return sql_error(copy, error, "make the copy of the suppression list");
    sqlite3_busy_timeout(copy, 5000);
    if (sql_run(copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", error) != 0 ||
        fill_copy(copy, state_path, revision, error) != 0)
        return -1;
    sql_close(&copy);
    if (rename(unfinished, target) != 0)
        return error_errno(error, errno, "cannot move %s to %s", unfinished, target);
    return 0;
}
