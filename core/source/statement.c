#include "source/statement.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define WORD_SHOWN 40

/* ---- tokens ---- */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,        /* a bare name or keyword */
    TOKEN_QUOTED,      /* a name in quotes */
    TOKEN_TEXT,        /* a text or number */
    TOKEN_PLACEHOLDER, /* :name, with the colon */
    TOKEN_SYMBOL,      /* one character */
};

struct token {
    enum token_kind kind;
    const char *text;
    size_t length;
};

struct scan {
    enum source_dialect dialect;
    const char *sql;
    const char *at;
    struct error *error;
    bool failed;
};

static bool begins_name(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool goes_on_name(char c)
{
    return begins_name(c) || isdigit((unsigned char)c) || c == '$';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int line_at(const char *sql, const char *at)
{
    int line = 1;
    for (const char *c = sql; c < at; c++)
        line += *c == '\n';
    return line;
}

/* What begins here has no end. */
static const char *unended(struct scan *scan, const char *begin)
{
    char shown[3] = {begin[0], 0, 0};
    if (begin[0] == '/')
        shown[1] = begin[1];
    if (!scan->failed)
        error_say(scan->error, ERROR_INPUT,
                  "the query's line %d: what begins with %s there has no end; close it",
                  "Zeile %d der Abfrage: was dort mit %s beginnt, endet nicht; es schließen.",
                  line_at(scan->sql, begin), shown);
    scan->failed = true;
    return begin + strlen(begin);
}

/* The end of what is quoted by `quote` from `begin` on; a doubled one is one inside. */
static const char *quoted_end(struct scan *scan, const char *begin, char quote, bool backslash)
{
    for (const char *c = begin + 1; *c; c++) {
        if (*c == '\\' && backslash && c[1])
            c++;
        else if (*c == quote && c[1] == quote)
            c++;
        else if (*c == quote)
            return c + 1;
    }
    return unended(scan, begin);
}

/* MySQL runs what stands in comments like these. */
static const char *refuse_hidden(struct scan *scan, const char *begin)
{
    if (!scan->failed)
        error_say(scan->error, ERROR_INPUT,
                  "the query was refused: line %d has a comment that some servers execute (/*!); "
                  "write it as SQL, or delete it",
                  "Die Abfrage wurde abgelehnt: Zeile %d hat einen Kommentar, den manche Server "
                  "ausführen (/*!); ihn als SQL schreiben oder löschen.",
                  line_at(scan->sql, begin));
    scan->failed = true;
    return begin + strlen(begin);
}

/* Whether there is more hidden in it only the server knows. */
static const char *refuse_ambiguous(struct scan *scan, const char *at, const char *english,
                                    const char *german)
{
    if (!scan->failed) {
        error_set(scan->error, ERROR_INPUT,
                  "the query was refused: %s, in line %d, is not the same to every server; write "
                  "it in another way",
                  english, line_at(scan->sql, at));
        if (scan->error)
            snprintf(scan->error->german, sizeof scan->error->german,
                     "Die Abfrage wurde abgelehnt: %s, in Zeile %d, bedeutet nicht auf jedem "
                     "Server dasselbe; es anders schreiben.",
                     german, line_at(scan->sql, at));
    }
    scan->failed = true;
    return at + strlen(at);
}

static const char *comment_end(struct scan *scan, const char *begin)
{
    bool nested = scan->dialect == DIALECT_POSTGRES;
    int depth = 1;
    if (begin[2] == '!' || (begin[2] == 'M' && begin[3] == '!'))
        return refuse_hidden(scan, begin);
    for (const char *c = begin + 2; *c; c++) {
        if (c[0] == '*' && c[1] == '/') {
            c++;
            if (--depth == 0)
                return c + 1;
        } else if (c[0] == '/' && c[1] == '*') {
            if (scan->dialect == DIALECT_ANSI)
                return refuse_ambiguous(scan, c, "a comment in a comment",
                                        "ein Kommentar im Kommentar");
            depth += nested;
            c++;
        }
    }
    return unended(scan, begin);
}

static bool begins_line_comment(const struct scan *scan, const char *c)
{
    if (scan->dialect == DIALECT_MYSQL)
        return *c == '#' || (c[0] == '-' && c[1] == '-' && (!c[2] || is_blank(c[2])));
    return c[0] == '-' && c[1] == '-';
}

static void skip_blanks(struct scan *scan)
{
    for (;;) {
        const char *c = scan->at;
        if (is_blank(*c))
            scan->at++;
        else if (begins_line_comment(scan, c))
            scan->at += strcspn(c, "\n");
        else if (c[0] == '/' && c[1] == '*')
            scan->at = comment_end(scan, c);
        else
            return;
    }
}

/* The end of the number's digits, point and exponent. */
static const char *number_end(const char *c)
{
    while (isdigit((unsigned char)*c))
        c++;
    if (*c == '.')
        c++;
    while (isdigit((unsigned char)*c))
        c++;
    if ((*c == 'e' || *c == 'E') &&
        isdigit((unsigned char)(c[1] == '+' || c[1] == '-' ? c[2] : c[1])))
        for (c += 2; isdigit((unsigned char)*c);)
            c++;
    return c;
}

/* $$ … $$, $tag$ … $tag$; NULL: it is none. */
static const char *dollar_end(struct scan *scan, const char *begin)
{
    const char *tag_end = begin + 1;
    if (begins_name(*tag_end))
        while (*tag_end != '$' && goes_on_name(*tag_end))
            tag_end++;
    if (*tag_end != '$')
        return NULL;
    size_t length = (size_t)(tag_end + 1 - begin);
    for (const char *c = tag_end + 1; *c; c++)
        if (strncmp(c, begin, length) == 0)
            return c + length;
    return unended(scan, begin);
}

/* [name]: not the brackets of an array. NULL: it is none. */
static const char *bracket_end(const struct scan *scan, const char *begin)
{
    if (scan->dialect == DIALECT_POSTGRES || scan->dialect == DIALECT_MYSQL)
        return NULL;
    size_t length = strcspn(begin + 1, scan->dialect == DIALECT_SQLITE ? "]" : "]'\"`;[/-");
    return begin[1 + length] == ']' ? begin + length + 2 : NULL;
}

static const char *name_end(const char *c)
{
    while (goes_on_name(*c))
        c++;
    return c;
}

/* A word that stands right before a quote can change what that means. */
static const char *word_or_prefixed(struct scan *scan, struct token *token)
{
    const char *begin = scan->at, *end = name_end(begin);
    bool one = end == begin + 1;
    token->kind = TOKEN_WORD;
    if (one && *end == '\'' && (*begin == 'E' || *begin == 'e') &&
        scan->dialect == DIALECT_POSTGRES) {
        token->kind = TOKEN_TEXT;
        return quoted_end(scan, end, '\'', true);
    }
    return end;
}

static const char *text_end(struct scan *scan, const char *begin)
{
    const char *end = quoted_end(scan, begin, *begin, scan->dialect == DIALECT_MYSQL);
    /* Does a backslash keep the quote from being the end? Only the server knows. */
    if (scan->dialect == DIALECT_ANSI && !scan->failed)
        for (const char *c = begin; c + 1 < end; c++)
            if (c[0] == '\\' && c[1] == *begin)
                return refuse_ambiguous(scan, c, "a backslash before a quote",
                                        "ein Backslash vor einem Anführungszeichen");
    return end;
}

static const char *symbol_or_placeholder(struct scan *scan, struct token *token)
{
    const char *c = scan->at;
    const char *end;
    if (*c == '$' && scan->dialect == DIALECT_POSTGRES && (end = dollar_end(scan, c))) {
        token->kind = TOKEN_TEXT;
        return end;
    }
    if (*c == '[' && (end = bracket_end(scan, c))) {
        token->kind = TOKEN_QUOTED;
        return end;
    }
    if (*c == ':' && begins_name(c[1])) {
        token->kind = TOKEN_PLACEHOLDER;
        return name_end(c + 1);
    }
    token->kind = TOKEN_SYMBOL;
    return *c == ':' && (c[1] == ':' || c[1] == '=') ? c + 2 : c + 1;
}

static struct token next_token(struct scan *scan)
{
    skip_blanks(scan);
    const char *c = scan->at;
    struct token token = {.text = c};
    if (!*c)
        token.kind = TOKEN_END;
    else if (begins_name(*c))
        scan->at = word_or_prefixed(scan, &token);
    else if (isdigit((unsigned char)*c) || (*c == '.' && isdigit((unsigned char)c[1]))) {
        token.kind = TOKEN_TEXT;
        scan->at = number_end(c);
    } else if (*c == '\'') {
        token.kind = TOKEN_TEXT;
        scan->at = text_end(scan, c);
    } else if (*c == '"' || (*c == '`' && scan->dialect != DIALECT_POSTGRES)) {
        token.kind = TOKEN_QUOTED;
        scan->at = quoted_end(scan, c, *c, *c == '"' && scan->dialect == DIALECT_MYSQL);
    } else
        scan->at = symbol_or_placeholder(scan, &token);
    if (scan->failed)
        token.kind = TOKEN_END;
    token.length = (size_t)(scan->at - c);
    return token;
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && strlen(word) == token->length &&
           strncasecmp(token->text, word, token->length) == 0;
}

static bool is_one_of(const struct token *token, const char *const *words)
{
    for (; *words; words++)
        if (is_word(token, *words))
            return true;
    return false;
}

static bool is_symbol(const struct token *token, char c)
{
    return token->kind == TOKEN_SYMBOL && token->length == 1 && *token->text == c;
}

/* ---- the guard ---- */

struct guard {
    struct scan scan;
    struct token before2, before, now, after; /* neighbours; END outside of the text */
    size_t depth;                             /* of parentheses */
    bool with;                                /* in a WITH whose main statement has not begun */
    struct error *error;
};

/* »INSERT«, as the query writes it; on one line, not too long. */
static void show(const struct token *token, char shown[WORD_SHOWN + 1])
{
    size_t length = token->length < WORD_SHOWN ? token->length : WORD_SHOWN;
    for (size_t i = 0; i < length; i++)
        shown[i] = (char)(is_blank(token->text[i]) ? ' ' : token->text[i]);
    shown[length] = '\0';
    text_cut_utf8(shown, WORD_SHOWN);
}

/* Say why: both formats take the line and the word. */
#define REFUSE(guard, token, english, german)                                                      \
    ({                                                                                             \
        char shown[WORD_SHOWN + 1];                                                                \
        show(token, shown);                                                                        \
        error_say((guard)->error, ERROR_INPUT, "the query was refused: in line %d it " english,    \
                  "Die Abfrage wurde abgelehnt: In Zeile %d " german,                              \
                  line_at((guard)->scan.sql, (token)->text), shown);                               \
    })

static int refuse_writing(const struct guard *guard, const struct token *token)
{
    return REFUSE(guard, token, "would change data (%s); only a SELECT may be run",
                  "würde sie Daten ändern (%s); nur ein SELECT darf ausgeführt werden.");
}

static int refuse_function(const struct guard *guard, const struct token *token)
{
    return REFUSE(guard, token,
                  "calls the function %s, which does more than read the database; leave it out",
                  "ruft sie die Funktion %s auf, die mehr tut, als die Datenbank zu lesen; sie "
                  "weglassen.");
}

/* Functions that reach outside of the database, wait, lock, write, or run other SQL. A »*« at the
 * end stands for any more letters. */
struct dangerous {
    unsigned dialects; /* bits */
    const char *name;
};

#define SQLITE (1u << DIALECT_SQLITE)
#define POSTGRES (1u << DIALECT_POSTGRES)
#define MYSQL (1u << DIALECT_MYSQL)
#define ANSI (1u << DIALECT_ANSI)

/* clang-format off */
static const struct dangerous dangerous[] = {
    {SQLITE, "load_extension"}, {SQLITE, "readfile"}, {SQLITE, "writefile"}, {SQLITE, "edit"},
    {SQLITE, "fts3_tokenizer"}, {SQLITE, "fsdir"}, {SQLITE, "sqlite_dbpage"}, {SQLITE, "sqlite_dbdata"},

    {POSTGRES, "pg_read_file*"}, {POSTGRES, "pg_read_binary_file*"}, {POSTGRES, "pg_stat_file"},
    {POSTGRES, "pg_ls_*"}, {POSTGRES, "pg_file_*"}, {POSTGRES, "pg_logdir_ls"}, {POSTGRES, "pg_current_logfile"},
    {POSTGRES, "lo_*"}, {POSTGRES, "loread"}, {POSTGRES, "lowrite"},
    {POSTGRES, "dblink*"}, {POSTGRES, "pg_sleep*"},
    {POSTGRES, "pg_terminate_backend"}, {POSTGRES, "pg_cancel_backend"}, {POSTGRES, "pg_reload_conf"},
    {POSTGRES, "pg_rotate_logfile*"}, {POSTGRES, "pg_promote"}, {POSTGRES, "pg_switch_*"},
    {POSTGRES, "pg_create_*"}, {POSTGRES, "pg_drop_*"}, {POSTGRES, "pg_copy_*"}, {POSTGRES, "pg_backup_*"},
    {POSTGRES, "pg_start_backup"}, {POSTGRES, "pg_stop_backup"}, {POSTGRES, "pg_wal_replay_*"},
    {POSTGRES, "pg_logical_*"}, {POSTGRES, "pg_replication_*"}, {POSTGRES, "pg_export_snapshot"},
    {POSTGRES, "pg_import_*"}, {POSTGRES, "pg_stat_reset*"}, {POSTGRES, "pg_prewarm"}, {POSTGRES, "autoprewarm_*"},
    {POSTGRES, "pg_log_*"}, {POSTGRES, "pg_notify"}, {POSTGRES, "pg_extension_config_dump"},
    {POSTGRES, "pg_advisory_*"}, {POSTGRES, "pg_try_advisory_*"}, {POSTGRES, "set_config"},
    {POSTGRES, "setval"}, {POSTGRES, "nextval"}, {POSTGRES, "brin_*"}, {POSTGRES, "gin_clean_pending_list"},
    {POSTGRES, "query_to_xml*"}, {POSTGRES, "cursor_to_xml*"}, {POSTGRES, "table_to_xml*"},
    {POSTGRES, "schema_to_xml*"}, {POSTGRES, "database_to_xml*"}, {POSTGRES, "ts_stat"},
    {POSTGRES, "ts_rewrite"}, {POSTGRES, "crosstab*"}, {POSTGRES, "connectby"},

    {MYSQL, "load_file"}, {MYSQL, "sleep"}, {MYSQL, "benchmark"}, {MYSQL, "get_lock"},
    {MYSQL, "release_lock"}, {MYSQL, "release_all_locks"}, {MYSQL, "master_pos_wait"},
    {MYSQL, "master_gtid_wait"}, {MYSQL, "source_pos_wait"}, {MYSQL, "wait_for_executed_gtid_set"},
    {MYSQL, "wait_until_sql_thread_after_gtids"}, {MYSQL, "sys_exec"}, {MYSQL, "sys_eval"},
    {MYSQL, "sys_get"}, {MYSQL, "sys_set"}, {MYSQL, "nextval"}, {MYSQL, "setval"},

    {ANSI, "openrowset"}, {ANSI, "openquery"}, {ANSI, "opendatasource"}, {ANSI, "openxml"}, {ANSI, "xp_*"},
    {ANSI, "utl_*"}, {ANSI, "dbms_*"}, {ANSI, "httpuritype"}, {ANSI, "sys_eval"}, {ANSI, "sys_exec"},
};
/* clang-format on */

static bool names_dangerous(const struct dangerous *row, const char *name, size_t length)
{
    size_t known = strlen(row->name);
    if (row->name[known - 1] == '*')
        return length >= known - 1 && strncasecmp(name, row->name, known - 1) == 0;
    return length == known && strncasecmp(name, row->name, known) == 0;
}

static bool is_dangerous(enum source_dialect dialect, const char *name, size_t length)
{
    /* Behind ODBC's unknown servers any of them may be. */
    unsigned wanted = dialect == DIALECT_ANSI ? SQLITE | POSTGRES | MYSQL | ANSI : 1u << dialect;
    for (size_t i = 0; i < sizeof dangerous / sizeof *dangerous; i++)
        if ((dangerous[i].dialects & wanted) && names_dangerous(&dangerous[i], name, length))
            return true;
    return false;
}

/* name ( or "name" (, also as the last of schema.name; with ANSI's packages any of the names. */
static int check_call(const struct guard *guard)
{
    const struct token *name = &guard->now;
    bool quoted = name->kind == TOKEN_QUOTED;
    bool called = is_symbol(&guard->after, '(') ||
                  (guard->scan.dialect == DIALECT_ANSI && is_symbol(&guard->after, '.'));
    if (!called || (!quoted && name->kind != TOKEN_WORD))
        return 0;
    size_t length = name->length - (quoted ? 2 : 0);
    return is_dangerous(guard->scan.dialect, name->text + quoted, length)
               ? refuse_function(guard, name)
               : 0;
}

static const char *const writing[] = {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", NULL};
static const char *const reading[] = {"SELECT", "VALUES", "TABLE", NULL};

/* What may follow a column that is called like a writing word. */
static const char *const operators[] = {"IS",   "IN",      "NOT", "LIKE", "ILIKE", "SIMILAR",
                                        "AND",  "OR",      "AS",  "AT",   "OVER",  "COLLATE",
                                        "DESC", "BETWEEN", "ASC", "FROM", "ORDER", NULL};

/* INSERT, UPDATE … where a statement can stand: WITH x AS (INSERT …), or after a WITH's list. */
static bool writes_here(const struct guard *guard)
{
    const struct token *word = &guard->now;
    if (!is_one_of(word, writing))
        return false;
    if (guard->with && guard->depth == 0 && is_symbol(&guard->before, ')'))
        return true;
    if (!is_symbol(&guard->before, '('))
        return false;
    if (is_word(word, "DELETE"))
        return is_word(&guard->after, "FROM");
    if (is_word(word, "UPDATE"))
        return (guard->after.kind == TOKEN_WORD || guard->after.kind == TOKEN_QUOTED) &&
               !is_one_of(&guard->after, operators);
    return guard->after.kind == TOKEN_WORD && !is_one_of(&guard->after, operators);
}

/* FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE, LOCK IN SHARE MODE */
static bool locks_here(const struct guard *guard)
{
    static const char *const locks[] = {"UPDATE", "SHARE", "NO", "KEY", NULL};
    if (is_word(&guard->before, "FOR"))
        return is_one_of(&guard->now, locks);
    return is_word(&guard->before2, "LOCK") && is_word(&guard->before, "IN") &&
           is_word(&guard->now, "SHARE");
}

/* Transact-SQL needs no semicolon between statements. All of these are reserved there. */
static const char *const statements[] = {
    "INSERT",  "UPDATE", "DELETE", "MERGE", "DROP",   "CREATE",      "ALTER",   "TRUNCATE", "EXEC",
    "EXECUTE", "GRANT",  "REVOKE", "DENY",  "BACKUP", "RESTORE",     "WAITFOR", "SHUTDOWN", "KILL",
    "DECLARE", "USE",    "BULK",   "DBCC",  "SET",    "RECONFIGURE", NULL};

static bool is_statement(const struct guard *guard)
{
    static const char *const functions[] = {"INSERT", "TRUNCATE", NULL};
    bool called = is_symbol(&guard->after, '(') && is_one_of(&guard->now, functions);
    return guard->scan.dialect == DIALECT_ANSI && !called && !is_symbol(&guard->after, ',') &&
           is_one_of(&guard->now, statements);
}

static bool is_plain_name(const struct guard *guard)
{
    return is_symbol(&guard->before, '.') || is_word(&guard->before, "AS");
}

static int check_token(struct guard *guard)
{
    const struct token *now = &guard->now;
    if (check_call(guard) != 0)
        return -1;
    if (now->kind != TOKEN_WORD || is_plain_name(guard))
        return 0;
    if (guard->with && guard->depth == 0 && is_one_of(now, reading))
        guard->with = false;
    if (is_word(now, "INTO"))
        return REFUSE(guard, now,
                      "would put its rows somewhere else (%s); leave out INTO and what it names",
                      "würde sie ihre Zeilen anderswohin schreiben (%s); INTO und sein Ziel "
                      "weglassen.");
    if (locks_here(guard))
        return REFUSE(guard, now, "would lock rows (FOR … %s); leave that out",
                      "würde sie Zeilen sperren (FOR … %s); das weglassen.");
    if (writes_here(guard))
        return refuse_writing(guard, now);
    if (is_word(now, "FOR") && is_word(&guard->before, "VALUE") && is_word(&guard->before2, "NEXT"))
        return refuse_writing(guard, &guard->before2);
    return is_statement(guard) ? refuse_writing(guard, now) : 0;
}

static int check_first(const struct guard *guard)
{
    const struct token *first = &guard->now;
    if (first->kind == TOKEN_END || is_symbol(first, ';'))
        return error_say(guard->error, ERROR_INPUT, "the query is empty; write a SELECT",
                         "Die Abfrage ist leer; ein SELECT schreiben.");
    if (is_one_of(first, reading) || is_word(first, "WITH"))
        return 0;
    return REFUSE(guard, first, "begins with %s; only SELECT, WITH, VALUES and TABLE may be run",
                  "beginnt sie mit %s; nur SELECT, WITH, VALUES und TABLE dürfen ausgeführt "
                  "werden.");
}

static int check_last(struct guard *guard)
{
    while (is_symbol(&guard->after, ';')) /* nothing between them */
        guard->after = next_token(&guard->scan);
    if (guard->scan.failed)
        return -1;
    return guard->after.kind == TOKEN_END
               ? 0
               : REFUSE(guard, &guard->after, "holds a second statement (%s …); leave one SELECT",
                        "steht eine zweite Anweisung (%s …); ein SELECT übrig lassen.");
}

/* Positional ones would mix with those we make. */
static int check_foreign_placeholder(const struct guard *guard)
{
    const struct token *now = &guard->now;
    enum source_dialect dialect = guard->scan.dialect;
    bool named = guard->after.text == now->text + 1 && guard->after.kind != TOKEN_END;
    bool foreign = (is_symbol(now, '?') && dialect != DIALECT_POSTGRES) ||
                   (is_symbol(now, '$') && named) ||
                   (is_symbol(now, '@') && named && dialect == DIALECT_SQLITE) ||
                   (now->kind == TOKEN_SYMBOL && *now->text == ':' && now->length == 1 &&
                    guard->after.kind == TOKEN_TEXT && named && dialect != DIALECT_POSTGRES);
    if (!foreign)
        return 0;
    return REFUSE(guard, now, "has the placeholder %s; placeholders have names, as in :event",
                  "steht der Platzhalter %s; Platzhalter haben Namen, wie :event.");
}

/* ---- placeholders ---- */

static void add_parameter(struct statement *statement, const struct token *token, size_t offset)
{
    statement->parameters = memory_resize(statement->parameters, (statement->parameter_count + 1) *
                                                                     sizeof *statement->parameters);
    statement->parameters[statement->parameter_count++] = (struct statement_parameter){
        .name = memory_text_n(token->text + 1, token->length - 1),
        .offset = offset,
        .length = token->length,
    };
}

static unsigned number_of(struct statement *statement, char *name, bool once)
{
    for (size_t i = 0; once && i < statement->value_count; i++)
        if (strcmp(statement->values[i], name) == 0)
            return (unsigned)i + 1;
    statement->values =
        memory_resize(statement->values, (statement->value_count + 1) * sizeof *statement->values);
    statement->values[statement->value_count++] = name;
    return (unsigned)statement->value_count;
}

/* Put the dialect's placeholders for the names; `length` bytes of the original count. */
static void rewrite(struct statement *statement, enum source_dialect dialect, size_t length)
{
    bool once = dialect == DIALECT_SQLITE || dialect == DIALECT_POSTGRES;
    struct buffer sql = {0};
    size_t done = 0;
    for (size_t i = 0; i < statement->parameter_count; i++) {
        struct statement_parameter *parameter = &statement->parameters[i];
        parameter->number = number_of(statement, parameter->name, once);
        buffer_append(&sql, statement->original + done, parameter->offset - done);
        parameter->rewritten = sql.size;
        if (dialect == DIALECT_SQLITE)
            buffer_printf(&sql, ":%s", parameter->name);
        else if (dialect == DIALECT_POSTGRES)
            buffer_printf(&sql, "$%u", parameter->number);
        else
            buffer_char(&sql, '?');
        parameter->rewritten_length = sql.size - parameter->rewritten;
        done = parameter->offset + parameter->length;
    }
    buffer_append(&sql, statement->original + done, length - done);
    statement->sql = buffer_steal(&sql);
}

/* ---- the whole ---- */

static void advance(struct guard *guard)
{
    guard->before2 = guard->before;
    guard->before = guard->now;
    guard->now = guard->after;
    guard->after = next_token(&guard->scan);
}

/* U&"…" can spell any name by its letters' numbers. */
static int check_spelled(const struct guard *guard)
{
    const char *text = guard->now.text;
    if (!is_word(&guard->now, "U") || guard->scan.dialect == DIALECT_MYSQL ||
        guard->scan.dialect == DIALECT_SQLITE || text[1] != '&' || text[2] != '"')
        return 0;
    return REFUSE(guard, &guard->now, "spells a name by numbers (%s&\"…\"); write it plainly",
                  "steht ein Name in Zahlen (%s&\"…\"); ihn ausschreiben.");
}

static int check_all(struct guard *guard, struct statement *statement, size_t *length)
{
    for (; guard->now.kind != TOKEN_END; advance(guard)) {
        if (is_symbol(&guard->now, ';')) {
            *length = (size_t)(guard->now.text - guard->scan.sql);
            return check_last(guard);
        }
        if (is_symbol(&guard->now, '('))
            guard->depth++;
        else if (is_symbol(&guard->now, ')') && guard->depth)
            guard->depth--;
        if (check_token(guard) != 0 || check_foreign_placeholder(guard) != 0 ||
            check_spelled(guard) != 0)
            return -1;
        if (guard->now.kind != TOKEN_PLACEHOLDER)
            continue;
        if (statement->parameter_count == STATEMENT_PARAMETERS_MAX)
            return error_say(guard->error, ERROR_INPUT,
                             "the query has more than %d placeholders; make it simpler",
                             "Die Abfrage hat mehr als %d Platzhalter; sie vereinfachen.",
                             STATEMENT_PARAMETERS_MAX);
        add_parameter(statement, &guard->now, (size_t)(guard->now.text - guard->scan.sql));
    }
    return guard->scan.failed ? -1 : 0;
}

int statement_read(struct statement *statement, const char *sql, enum source_dialect dialect,
                   struct error *error)
{
    struct guard guard = {.error = error};
    size_t length = strlen(sql);
    statement_free(statement);
    statement->original = memory_text(sql);
    guard.scan = (struct scan){.dialect = dialect, .sql = sql, .at = sql, .error = error};
    guard.now = next_token(&guard.scan);
    while (is_symbol(&guard.now, '(')) {
        guard.depth++;
        guard.before = guard.now;
        guard.now = next_token(&guard.scan);
    }
    guard.after = next_token(&guard.scan);
    guard.with = is_word(&guard.now, "WITH");
    if (guard.scan.failed || check_first(&guard) != 0 || check_all(&guard, statement, &length) != 0)
        return -1;
    rewrite(statement, dialect, length);
    return 0;
}

void statement_free(struct statement *statement)
{
    for (size_t i = 0; i < statement->parameter_count; i++)
        free(statement->parameters[i].name);
    free(statement->parameters);
    free(statement->values);
    free(statement->original);
    free(statement->sql);
    *statement = (struct statement){0};
}

/* ---- places ---- */

size_t statement_original(const struct statement *statement, size_t rewritten)
{
    size_t shift_from = 0, shift_to = 0;
    for (size_t i = 0; i < statement->parameter_count; i++) {
        const struct statement_parameter *parameter = &statement->parameters[i];
        if (rewritten < parameter->rewritten)
            break;
        if (rewritten < parameter->rewritten + parameter->rewritten_length)
            return parameter->offset;
        shift_from = parameter->rewritten + parameter->rewritten_length;
        shift_to = parameter->offset + parameter->length;
    }
    size_t length = strlen(statement->original);
    size_t offset = shift_to + (rewritten - shift_from);
    return offset < length ? offset : length;
}

int statement_wrong(const struct statement *statement, const char *source, const char *message,
                    size_t rewritten, struct error *error)
{
    char near[WORD_SHOWN + 1];
    if (rewritten == STATEMENT_NOWHERE)
        return error_say(error, ERROR_INPUT, "the query does not run on source »%s«: %s",
                         "Die Abfrage läuft auf der Datenquelle »%s« nicht: %s", source, message);
    const char *place = statement->original + statement_original(statement, rewritten);
    struct token rest = {.text = place, .length = strcspn(place, "\n")};
    show(&rest, near);
    if (!*near)
        return error_say(error, ERROR_INPUT,
                         "the query does not run on source »%s«: %s (line %d, at its end)",
                         "Die Abfrage läuft auf der Datenquelle »%s« nicht: %s (Zeile %d, an ihrem "
                         "Ende)",
                         source, message, line_at(statement->original, place));
    return error_say(error, ERROR_INPUT,
                     "the query does not run on source »%s«: %s (line %d, near »%s«)",
                     "Die Abfrage läuft auf der Datenquelle »%s« nicht: %s (Zeile %d, bei »%s«)",
                     source, message, line_at(statement->original, place), near);
}
