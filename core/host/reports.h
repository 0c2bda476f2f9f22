/*
 * The reports of a job: from the rows file's frozen definition, in the job's language, compiled
 * once, rendered for any recipient on any thread.
 */
#ifndef CAMPAIGND_HOST_REPORTS_H
#define CAMPAIGND_HOST_REPORTS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "host/layout.h"
#include "report/template.h"
#include "source/rows.h"

struct reports;

/* All of them stay the caller's and must outlive the reports. `language`: which variant is taken;
 * where there is none, the one without region, else any. */
struct reports *reports_open(struct rows *rows, struct layout *layout, const char *language,
                             int64_t created_us);
void reports_close(struct reports *reports); /* NULL is fine */

/* The definition's address patterns, as partials of templates. */
const struct template_partials *reports_partials(const struct reports *reports);

/* [any thread] Find and compile a report, so that what is wrong with it is known: 0 or -1. */
int reports_check(struct reports *reports, const char *name, struct error *error);

/* [any thread] Append the rendered report to `out`, and to `title` the document's name for people
 * ("Infoschreiben.pdf"). `recipient` is for warnings. */
int reports_render(struct reports *reports, const char *name, const char *recipient,
                   const struct template_data *data, struct buffer *out, struct buffer *title,
                   struct error *error);

/* [any thread] A file that belongs to a report; stays as long as the reports. 0, or -1: none. */
int reports_file(struct reports *reports, const char *report, const char *name, const char **data,
                 size_t *size);

#endif
