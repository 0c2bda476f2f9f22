/*
 * Comparing text as people do, the same on every source: a collation and functions for the SQLite
 * connections on which conditions are evaluated, by ICU's root rules (those for no language in
 * particular).
 *
 * COLLATE campaignd: `=` ignores case but no accent: 'Köln' = 'KÖLN', 'Straße' = 'STRASSE',
 * 'Müller' <> 'Muller', 'Muller' <> 'Mueller'; how an ä is encoded makes no difference. Order is
 * alphabetical: 'Ärger' < 'Bär' < 'zebra'. Blanks count. Bytes that are no UTF-8 compare as U+FFFD.
 * fold(text), lower(text), upper(text): of all languages; fold is for comparing ('Straße' →
 * 'strasse'). A LIKE B [ESCAPE C]: % and _, of folded texts; with something that is no text it
 * compares its digits, and NULL gives NULL. NUL bytes are characters as others.
 *
 * ICU is opened at run time, by its own name: linked, it would cost each process of ours 5 ms and
 * 3 MB. ASCII never gets that far.
 */
#ifndef CAMPAIGND_SOURCE_FOLDING_H
#define CAMPAIGND_SOURCE_FOLDING_H

#include <sqlite3.h>

#include "base/buffer.h"
#include "base/error.h"

#define FOLDING_COLLATION "campaignd"

/* Open ICU; once a process, before it enters a sandbox that hides the library. 0 or -1. */
int folding_load(struct error *error);

/* Put the collation and the functions into a connection; after folding_load. 0 or -1. */
int folding_install(sqlite3 *db, struct error *error);

/* Append `text` folded. */
void folding_fold(struct buffer *target, const char *text, size_t length);

/* The order of two texts: < 0, 0, > 0. */
int folding_compare(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
