/*
 * A site's SQL before anything is sent to a server: is it one statement that can only read, and
 * where are its :name placeholders? Texts, comments, quoted names, dollar quotes and casts are told
 * apart as the dialect does, so that no word in them counts.
 *
 * This is the first wall, the one that gives reasons; the connection itself can only read. A MySQL
 * server must be told to take backslashes as it does by default (sql_mode without
 * NO_BACKSLASH_ESCAPES), and PostgreSQL likewise (standard_conforming_strings = on).
 */
#ifndef CAMPAIGND_SOURCE_STATEMENT_H
#define CAMPAIGND_SOURCE_STATEMENT_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "source/source.h"

#define STATEMENT_PARAMETERS_MAX 10000

/* A placeholder: `name` stood at `offset` of the original and stands at `rewritten` now. */
struct statement_parameter {
    char *name;
    size_t offset, length;
    size_t rewritten, rewritten_length;
    unsigned number; /* from 1: which value it takes */
};

/* Begin with {0}; free with statement_free. */
struct statement {
    char *original;
    /* Without a semicolon at its end; placeholders are :name (SQLite, which numbers them as `values`
     * does), $1 (PostgreSQL) or ?. */
    char *sql;
    struct statement_parameter *parameters; /* in the order of the text */
    size_t parameter_count;
    /* The name for each value to be bound, in their order: with :name and $1 one a name, with ? one
     * a placeholder; borrowed from `parameters`. */
    char **values;
    size_t value_count;
};

/* Check and rewrite. 0, or -1 with the reason, the word and its line. */
int statement_read(struct statement *statement, const char *sql, enum source_dialect dialect,
                   struct error *error);
void statement_free(struct statement *statement);
#define STATEMENT_FREE __attribute__((cleanup(statement_free)))

/* Where in the original is this offset (bytes) of the rewritten text? */
size_t statement_original(const struct statement *statement, size_t rewritten);

/*
 * That the database did not take the statement: »message«, with line and the text near `rewritten`,
 * an offset in the rewritten text; STATEMENT_NOWHERE: it is not known. Returns -1.
 */
#define STATEMENT_NOWHERE ((size_t)-1)
int statement_wrong(const struct statement *statement, const char *source, const char *message,
                    size_t rewritten, struct error *error);

#endif
