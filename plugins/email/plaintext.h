/*
 * The plain text of a mail, made from its html for readers that show none: paragraphs, lists, table
 * rows and links stay recognisable, lines are wrapped at 76 characters. It reads any bytes, however
 * broken, in one pass, and writes no control characters but newlines.
 */
#ifndef EMAIL_PLAINTEXT_H
#define EMAIL_PLAINTEXT_H

#include <glib.h>

/* The caller frees the result by g_string_free(). `html` must be valid UTF-8. */
GString *plaintext_from_html(const char *html, size_t length);

/*
 * One attribute of a tag, `tag` being what stands between '<' and '>'. 0 with its raw value (not
 * unescaped, inside `tag`), or -1: it has none of that name.
 */
int html_attribute(const char *tag, size_t length, const char *name, const char **value,
                   size_t *value_length);

/* The end of the tag that begins at html[at] == '<': the place of its '>', or `length`. */
size_t html_tag_end(const char *html, size_t length, size_t at);

#endif
