/*
 * A CSV file made into a table of the source `imports`: an SQLite database of campaignd's own that
 * queries read like any other source. Runs in the reader child, as a file from outside is parsed.
 *
 * What the file does not say is found out, and said: its encoding (a byte order mark, else UTF-8 if
 * it is valid, else windows-1252 or the old DOS page 850, by which letters make sense), its
 * separator (the one of , ; tab | that cuts all lines alike, or that cuts the first line and none
 * into more), and what each column holds. A column becomes a number or a date only if every value in
 * it is one, and it is plain which: postcodes, telephone numbers, whatever else begins with a zero,
 * and a column of 1.234 alone stay text as they are. German numbers (1.234,50) and dates
 * (24.11.2026) are understood and stored as 1234.50 and 2026-11-24.
 *
 * The file is CSV as RFC 4180 has it, its first line the columns' names; LF alone ends a line, too,
 * and empty lines are passed over. A table of the same name is replaced, all or nothing.
 */
#ifndef CAMPAIGND_SOURCE_IMPORTING_H
#define CAMPAIGND_SOURCE_IMPORTING_H

#include <jansson.h>

#include "base/error.h"

#define IMPORTING_FILE_MAX ((size_t)1 << 30) /* bytes */

/* Before the sandbox closes: what is needed to read the usual encodings, and the `wanted` one (NULL:
 * none). */
void importing_load(const char *wanted);

/* Make the database if there is none, and take back what an import that was killed has left in it:
 * those who only read it cannot. 0 or -1. */
int importing_recover(const char *path, struct error *error);

/*
 * By a reader's request, {"csv", "database", "table", "encoding", "separator", "max_rows"}: the last
 * three are optional, the encoding as iconv(3) names it. The table's name has letters, digits and
 * _, a letter first, at most 63.
 *
 * {"table", "rows", "encoding", "separator", "replaced": true | false,
 *  "columns": [{"name", "type": "text" | "integer" | "decimal" | "date", "example"}]}
 * or NULL with what is wrong, and with its line.
 *
 * With "drop": true the table goes: {"table"}, or ERROR_NOT_FOUND.
 */
json_t *importing_request(const json_t *request, struct error *error);

#endif
