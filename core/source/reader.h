/*
 * The reader child: the same binary, started as `campaignd --reader`, that runs a site's own SQL and ends. A request as JSON on
 * standard input, an answer as JSON on standard output.
 *
 *     {"mode": …,
 *      "sources": {"NAME": {"driver", "path", "connection", "password", "time_limit_us", "max_rows", "catalogue"}},
 *      "definition": the frozen definition (definitions_freeze), or what the mode needs of it,
 *      "suppression": a copy of the suppression list, or "",
 *      "run": 12, "uuid": "…", "out": "/…/12.rows.db", "key": "…", "keys": ["…"], "raw": "/…", "limit": 20,
 *      "today": "2026-11-24"}
 *
 *     {"ok": true, …}
 *     {"ok": false, "code": "input", "message": "…", "message_de": "…"}
 *
 * mode      answers
 * snapshot  makes the rows file `out` of a run (fsync, rename, 0440): "recipients", "left_out" {reason: n}, "steps", "columns"
 * count     the same; nothing is left of it (`out`: where it may work meanwhile; "": in memory)
 * one       a rows file of one recipient, `key` or the first, for a preview
 * fetch     a file of all rows as they come, for select: "rows", "columns"
 * select    of such a file, `raw`: as count, and the first "rows" and "left_out_rows" [{"key", "reason", "detail"}]
 * recheck   which of `keys` are no recipients any more: "gone" [{"key", "reason"}]
 * columns   prepares query, details, sets and conditions, runs nothing: "columns" [{"name", "type", "role", "format", "label_de",
 *           "label_en", "guessed"}], "details" [{"name", "columns"}], "problems"
 * rows      the first rows of a query: "columns", "rows", "count", "truncated"
 * groups    counts the request's "groups": [{"name", "count"}]
 * tables    what there is to read: "tables" (source_tables after the catalogue)
 * test      as rows; and does the source have all that its catalogue names?
 * sql       what a group's query becomes: "sql", "values", "dialect"
 * list      writes a query's rows, or a campaign's recipients, to the file `out` (source/listing.h)
 * import    a CSV file as a table (source/importing.h)
 *
 * By Landlock, where the kernel has it, the child sees only its sources' folders and the one that it writes to; memory and time
 * are limited.
 */
#ifndef CAMPAIGND_SOURCE_READER_H
#define CAMPAIGND_SOURCE_READER_H

int reader_main(void); /* the process's exit status */

#endif
