/*
 * sqlite_loop FILE TASKS: the peer of engine.tasks_per_s. One thread writes into SQLite what a run
 * of TASKS tasks leaves in its journal, and does nothing else: no worker, no frames, no log.
 *
 * The tables are those of core/run/journal.c, durable in the same way (WAL, synchronous FULL). A
 * claim of 4,000 tasks is one transaction, their outcomes and the claim's end another. Prints
 * "S s, P s of processor"; FILE is made anew.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CLAIM 4000
#define STEP INT64_C(1)
#define TASK_BITS 40
#define DELIVERED 1

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;\n"
    "CREATE TABLE step (number INTEGER PRIMARY KEY, waiting INTEGER NOT NULL, claimed INTEGER NOT "
    "NULL, delivered INTEGER NOT NULL) STRICT;\n"
    "CREATE TABLE waiting (step INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
    "attempt INTEGER NOT NULL, PRIMARY KEY (step, first)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE claim (id INTEGER PRIMARY KEY AUTOINCREMENT, step INTEGER NOT NULL, instance "
    "TEXT NOT NULL, time_us INTEGER NOT NULL) STRICT;\n"
    "CREATE TABLE claim_range (claim INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT "
    "NULL, attempt INTEGER NOT NULL, PRIMARY KEY (claim, first)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE claim_left (claim INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT "
    "NULL, PRIMARY KEY (claim, first)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE outcome (task INTEGER PRIMARY KEY, status INTEGER NOT NULL, code INTEGER NOT "
    "NULL, attempt INTEGER NOT NULL, time_us INTEGER NOT NULL, remote_id TEXT, text TEXT) STRICT;\n"
    "INSERT INTO step VALUES (1, 0, 0, 0);\n";

enum {
    BEGIN,
    COMMIT,
    TAKE,
    CUT,
    DROP,
    CLAIM_ADD,
    CLAIM_RANGE,
    OUTCOME,
    CLAIM_DROP,
    RANGE_DROP,
    LEFT_DROP,
    COUNTS,
    STATEMENTS
};

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [TAKE] = "SELECT first, last FROM waiting WHERE step = 1 ORDER BY first LIMIT 1",
    [CUT] = "UPDATE waiting SET first = ?2 WHERE step = 1 AND first = ?1",
    [DROP] = "DELETE FROM waiting WHERE step = 1 AND first = ?1",
    [CLAIM_ADD] = "INSERT INTO claim VALUES (?1, 1, '0123456789abcdef0123456789abcdef', ?2)",
    [CLAIM_RANGE] = "INSERT INTO claim_range VALUES (?1, ?2, ?3, 1)",
    [OUTCOME] = "INSERT INTO outcome VALUES (?1, ?2, 0, 1, ?3, NULL, NULL)",
    [CLAIM_DROP] = "DELETE FROM claim WHERE id = ?1",
    [RANGE_DROP] = "DELETE FROM claim_range WHERE claim = ?1",
    [LEFT_DROP] = "DELETE FROM claim_left WHERE claim = ?1",
    [COUNTS] = "UPDATE step SET waiting = ?1, claimed = ?2, delivered = ?3 WHERE number = 1",
};

static sqlite3 *db;
static sqlite3_stmt *statements[STATEMENTS];

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : "no database");
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Step a statement with up to three integers; leaves it on its row if it has one. */
static int run(int which, int64_t a, int64_t b, int64_t c)
{
    const int64_t values[] = {a, b, c};
    sqlite3_stmt *statement = statements[which];
    int count = sqlite3_bind_parameter_count(statement);
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, values[i]);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return 1;
    if (result != SQLITE_DONE)
        die(texts[which]);
    sqlite3_reset(statement);
    return 0;
}

static void open_database(const char *path, int64_t tasks)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char name[4096];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    snprintf(name, sizeof name, "INSERT INTO waiting VALUES (1, 1, %lld, 1)", (long long)tasks);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, name, NULL, NULL, NULL) != SQLITE_OK)
        die(path);
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL) !=
            SQLITE_OK)
            die(texts[i]);
}

/* A claim from the front of what waits: its tasks are *first … the return value; 0: nothing waits.
 */
static int64_t take(int64_t number, int64_t done, int64_t *first)
{
    run(BEGIN, 0, 0, 0);
    if (!run(TAKE, 0, 0, 0)) {
        run(COMMIT, 0, 0, 0);
        return 0;
    }
    *first = sqlite3_column_int64(statements[TAKE], 0);
    int64_t rest = sqlite3_column_int64(statements[TAKE], 1);
    int64_t last = rest - *first < CLAIM ? rest : *first + CLAIM - 1;
    sqlite3_reset(statements[TAKE]);
    if (last == rest)
        run(DROP, *first, 0, 0);
    else
        run(CUT, *first, last + 1, 0);
    run(CLAIM_ADD, number, now_us(), 0);
    run(CLAIM_RANGE, number, *first, last);
    run(COUNTS, rest - last, last - *first + 1, done);
    run(COMMIT, 0, 0, 0);
    return last;
}

static void end(int64_t number, int64_t first, int64_t last, int64_t tasks)
{
    run(BEGIN, 0, 0, 0);
    for (int64_t ordinal = first; ordinal <= last; ordinal++)
        run(OUTCOME, STEP << TASK_BITS | ordinal, DELIVERED, now_us());
    run(CLAIM_DROP, number, 0, 0);
    run(RANGE_DROP, number, 0, 0);
    run(LEFT_DROP, number, 0, 0);
    run(COUNTS, tasks - last, 0, last);
    run(COMMIT, 0, 0, 0);
}

int main(int count, char **arguments)
{
    int64_t tasks = count == 3 ? atoll(arguments[2]) : 0;
    if (tasks < 1) {
        fprintf(stderr, "usage: sqlite_loop FILE TASKS\n");
        return 2;
    }
    open_database(arguments[1], tasks);
    int64_t since_us = now_us(), first = 1, last = 0;
    for (int64_t number = 1; (last = take(number, last, &first)) > 0; number++)
        end(number, first, last, tasks);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("%.3f s, %.3f s of processor\n", (double)(now_us() - since_us) / 1e6,
           (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
               (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6);
    return 0;
}
