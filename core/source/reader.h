/*
 * The reader child: the same binary, started as `campaignd --reader`, that runs a site's own SQL and ends. A request as JSON on
 * standard input, an answer as JSON on standard output.
 *
 *     {"mode": "snapshot" | "count" | "columns" | "rows" | "one",
 *      "sources": {"NAME": {"driver", "path", "time_limit_us", "max_rows"}},
 *      "definition": the frozen definition (definitions_freeze), or for "rows" {"group": {"sql", "fields"}} alone,
 *      "run": 12, "uuid": "…",
 *      "out": "/…/runs/12.0.rows.db",      snapshot, one: the file to make (.tmp, fsync, rename; mode 0440)
 *      "key": "…", "limit": 20}            one: the recipient, "" the first; rows: how many
 *
 *     {"ok": true, "recipients": 300, "left_out": {"blocked": 12},
 *      "columns": [{"name", "role"}], "rows": [[…]], "truncated": false}
 *     {"ok": false, "code": "input", "message": "…"}
 *
 * "columns" prepares the query and the conditions and runs nothing. "one" is for a preview: nobody is left out.
 * By Landlock, where the kernel has it, the child sees only the source's folder and the one that it writes to; memory and time
 * are limited.
 */
#ifndef CAMPAIGND_SOURCE_READER_H
#define CAMPAIGND_SOURCE_READER_H

int reader_main(void); /* the process's exit status */

#endif
