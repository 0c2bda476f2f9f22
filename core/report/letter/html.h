/* HTML text to gumbo's tree, in bounded time and memory. */
#ifndef CAMPAIGND_REPORT_LETTER_HTML_H
#define CAMPAIGND_REPORT_LETTER_HTML_H

#include <gumbo.h>

#include "report/letter/job.h"

/* The tree of job->request->html, all of it in the job's arena: nothing to free. NULL on error. */
GumboNode *html_parse(struct job *job);

struct position html_position(GumboSourcePosition position);

/* An attribute's value, or NULL. */
const char *html_attribute(const GumboNode *node, const char *name);

/* The element's name as written, in lower case. */
const char *html_tag(struct job *job, const GumboNode *node);

#endif
