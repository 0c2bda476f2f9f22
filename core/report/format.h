/*
 * Formats: how a value is written, `{{amount | money EUR}}`, in German or English.
 * docs/templates.md lists them for report writers.
 *
 * A chain is read once, when its template is compiled, and its arguments are checked there. Numbers
 * and amounts are decimal text from end to end, never a double; dates are ISO text. Nothing here
 * asks the locale or the clock.
 */
#ifndef CAMPAIGND_REPORT_FORMAT_H
#define CAMPAIGND_REPORT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

struct format; /* one format and those that follow it */

enum format_language { FORMAT_ENGLISH, FORMAT_GERMAN };

/* "de", "de-AT", "de_CH": German; all else, NULL too: English. */
enum format_language format_language(const char *tag);

/* Read what stands after a name's first `|`: `money EUR | default "…"`. The chain comes from
 * `arena`. NULL with an error that names the format and says what can be written. */
const struct format *format_parse(struct arena *arena, const char *text, size_t size,
                                  struct error *error);

/* Does the chain say what stands for a missing value? */
bool format_has_default(const struct format *chain);

/* Does it say no more than that? Then a field's own format goes before it. True for NULL. */
bool format_only_default(const struct format *chain);

/*
 * A value under way through a chain. `kind` is a word for messages ("text", "an integer"). What is
 * absent (a missing or NULL value) stays absent until a default; empty text counts as absent.
 */
struct format_value {
    bool absent;
    const char *kind;
    const char *text;
    size_t length;
};

/*
 * Send *value through the chain. Its text may then point into `scratch` (two buffers of the
 * caller's, overwritten). 0; or -1 with an error that names the format and the kind of value, not
 * the value. One that is absent at the end has text "".
 */
int format_apply(const struct format *chain, enum format_language language,
                 struct format_value *value, struct buffer scratch[2], struct error *error);

#endif
