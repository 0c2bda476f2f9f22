/*
 * Templates: mustache, compiled once and rendered many times; docs/templates.md is the language.
 *
 * template_compile() reads a text, puts in its partials and makes a flat list of operations of it;
 * it finds all that is wrong with the text itself. template_render() then only copies, looks up,
 * formats and escapes. A compiled template never changes: any number of threads may render from it
 * at once. Neither reaches files, the environment or the locale, and a hostile template or value
 * ends in an error, within bounded time and memory.
 *
 * Used by the host (parameters, reports) and by whoever checks definitions before a run.
 */
#ifndef CAMPAIGND_REPORT_TEMPLATE_H
#define CAMPAIGND_REPORT_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct format; /* report/format.h */
struct template;

#define TEMPLATE_SOURCE_MAX ((size_t)1 << 20)   /* bytes of one template or partial */
#define TEMPLATE_INLINED_MAX ((size_t)4 << 20)  /* bytes of it and all its partials, put in */
#define TEMPLATE_TAGS_MAX 100000                /* tags in all of that */
#define TEMPLATE_NAME_MAX 200                   /* bytes of a name */
#define TEMPLATE_DEPTH_MAX 64                   /* sections in sections, through partials */
#define TEMPLATE_PARTIAL_DEPTH_MAX 16           /* partials in partials */
#define TEMPLATE_OUTPUT_MAX ((size_t)16 << 20)  /* bytes rendered, unless the options say else */
#define TEMPLATE_STEPS_MAX ((uint64_t)10000000) /* operations and look-ups of one rendering */

/* Is it `first`, `last` (1 or 0) or `index` (from 1), which a name in a list's section is where the
 * data have no such name? */
int template_is_row_word(const char *name);

/* ---- compiling ---- */

/*
 * Where partials come from. `find` points *source at *size bytes, which stay until
 * template_compile() returns: 0; or -1 if there is no partial of that name, which is an error of
 * the template. (Mustache's specification wants nothing in its place: a `find` that returns 0 with
 * no bytes gives that.)
 */
struct template_partials {
    int (*find)(void *context, const char *name, const char **source, size_t *size);
    void *context;
};

/*
 * Compile `size` bytes of UTF-8. `partials` may be NULL: then every partial is missing. Returns a
 * template that the caller frees, or NULL with an error that says line and column (in characters,
 * from 1; and the partial's name if it is in one), and what to write.
 */
struct template *template_compile(const char *source, size_t size,
                                  const struct template_partials *partials, struct error *error);

void template_free(struct template *template); /* NULL is fine */
void template_cleanup(struct template **template);
#define TEMPLATE_CLEAN __attribute__((cleanup(template_cleanup)))

/* One use of a name. Lives as long as its template. */
struct template_name {
    const char *name; /* what is looked up: of a dotted name the first part */
    const char *path; /* the whole of a dotted name */
    const char
        *total_of; /* of lines.sum.amount (or min, max) "amount", of lines.count "": what it says
                             if `lines` is a list; else NULL */
    const char *partial; /* the partial that it stands in; NULL: the template itself */
    int line, column;
    int is_section;  /* {{#name}} or {{^name}} */
    int has_default; /* {{name | default "…"}}: it may be missing */
    /* The innermost {{#section}} that it stands in, whose rows are asked first if it is a list;
     * NULL: it can only be a name of the top level. */
    const struct template_name *in_section;
};

/*
 * Call `each` for every use of a name, in the text's order, so that missing columns are found
 * before a run. `{{.}}` is none.
 */
void template_names(const struct template *template,
                    void (*each)(void *context, const struct template_name *name), void *context);

/* ---- data ---- */

struct template_value;

/*
 * A thing with names: a recipient, a row of a detail group. `lookup` fills *out (zeroed before) and
 * returns 0, or -1 if there is no such name. The name is also followed by a zero byte. What *out
 * points at stays as it is until template_render() returns; what a list's row says, until the list is
 * asked for another row.
 */
struct template_data {
    int (*lookup)(void *context, const char *name, size_t length, struct template_value *out);
    void *context;
};

/*
 * Rows, or plain values. `item` fills *out (zeroed before) for index < count and returns 0, or -1 if
 * it cannot be had, which ends the rendering with an error.
 *
 * A list that is read as a stream has `open` and `close` (else both are NULL): each use begins with
 * open(context), whose result (NULL: an error) is the context of `item`, called with index 0, 1, 2 …
 * in order, and of `close`, called once. Several uses may be open at once.
 *
 * `column`, if not NULL, says whether the rows have that name, 0 or -1, and its own formats: what
 * {{list.sum.name}} of a list without rows cannot see in them.
 */
struct template_list {
    size_t count;
    int (*item)(void *context, size_t index, struct template_value *out);
    void *context;
    void *(*open)(void *context);
    void (*close)(void *opened);
    int (*column)(void *context, const char *name, const struct format **formats);
};

#define TEMPLATE_NULL 0
#define TEMPLATE_TEXT 1    /* `text`, `length` */
#define TEMPLATE_INTEGER 2 /* `integer`; `text` may be NULL */
#define TEMPLATE_REAL 3    /* `text`, `length`: the number as the source wrote it, exact */
#define TEMPLATE_LIST 4    /* `list` */
#define TEMPLATE_RECORD 5  /* `record`: a row; what lists of detail rows are made of */

/* False in a section are: a missing name, NULL, "", a number that is zero, an empty list. */
struct template_value {
    int kind;
    const char *text; /* UTF-8; need not end with a zero byte */
    size_t length;
    int64_t integer;
    const struct format *formats; /* how it is written where the tag does not say; NULL: as it is */
    struct template_list list;
    struct template_data record;
};

/* ---- rendering ---- */

/* How what comes from data is escaped; the numbers are those of CAMPAIGND_AS_* in
 * campaignd/action.h, so that the host can hand them through. */
#define TEMPLATE_AS_TEXT 1 /* as it is, without control characters but newline and tab */
#define TEMPLATE_AS_HTML 2 /* & < > " ' become entities; control characters go, as in text */
#define TEMPLATE_AS_URL 3  /* RFC 3986: percent-encoded but for unreserved characters */
#define TEMPLATE_AS_HEADER                                                                         \
    4 /* one line: control characters and line ends become spaces, those of                        \
         the template's own text, too */

#define TEMPLATE_MISSING_ERROR 0 /* a name that is nowhere ends the rendering, in sections, too */
#define TEMPLATE_MISSING_EMPTY 1 /* it is nothing, and false in a section: plain mustache */

struct template_options {
    int target;           /* TEMPLATE_AS_… */
    const char *language; /* of formats: "de" and "de-…" are German, all else and NULL English */
    int missing;          /* TEMPLATE_MISSING_… */
    size_t output_limit;  /* bytes; 0: TEMPLATE_OUTPUT_MAX */
};

/*
 * Append the template, filled with `data`, to `out`. 0; or -1 with an error that says line, column
 * and name, never the value, and `out` as it was.
 *
 * `{{x}}` is escaped as the target says. `{{{x}}}` and `{{&x}}` are not, for text and HTML; for
 * URL and HEADER they are all the same: a recipient's data never becomes a header or a path.
 */
int template_render(const struct template *template, const struct template_data *data,
                    const struct template_options *options, struct buffer *out,
                    struct error *error);

#endif
