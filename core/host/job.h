/*
 * A job: one step of one run in this worker, with all that its tasks share: the rows file, the
 * step's parameters, the reports, the archive, and what the plugin's open() returned.
 */
#ifndef CAMPAIGND_HOST_JOB_H
#define CAMPAIGND_HOST_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "host/batch.h"
#include "host/claim.h"
#include "host/filing.h"
#include "host/layout.h"
#include "host/parameters.h"
#include "host/plugin.h"
#include "host/reports.h"
#include "source/rows.h"

struct engine;

struct job {
    struct job *next;
    struct engine *engine; /* the one that runs its tasks */
    uint32_t id;
    bool preview;
    bool failed;  /* its claims are given back until it is closed */
    bool closing; /* ends with its last task */
    bool running; /* a send() of it runs, and another one must wait */
    uint32_t run, step;
    struct rows *rows;
    struct reports *reports;
    struct campaignd_parameters *parameters;
    struct filing *filing; /* NULL in a preview */
    void *opened;          /* the plugin's */
    bool is_open;
    struct claim *claims, **last_claim;
    uint32_t out;        /* tasks in slots */
    struct batch *batch; /* the one that the next task is likely in */
    char *campaign, *language;
    char today[16];
    struct job_name *names; /* what a template may say */
    size_t name_count;
    struct arena *arena;           /* the formats */
    const struct format **formats; /* of the columns, by position; NULL: it has none */
    const struct format **detail_formats[ROWS_DETAILS_MAX];
};

/* What a worker has for all its jobs. */
struct job_context {
    const struct plugin *plugin;
    void *loaded; /* what load() returned */
    struct layout *layout;
    const char *instance;
    struct filings *filings;
};

/* Open one by FRAME_OPEN_JOB's JSON, the plugin's open() included. NULL with the reason. */
struct job *job_open(const struct job_context *context, const json_t *json, bool preview,
                     struct error *error);

/* The plugin's close(); the archive is sealed. No task may be left. */
void job_close(struct job *job, const struct job_context *context, struct batches *batches);

/*
 * For templates: the recipient's columns by name, by role where no column has that name; the detail
 * groups by name and `members`, lists that are read as streams; `today`, `campaign`, `run`. `context`
 * of the lookup is a struct job_row, which stays where it is until the rendering is over.
 */
struct job_list {
    struct job_row *row; /* NULL: nobody asked for it yet */
    int list;
    int64_t count;
};

struct job_row {
    struct job *job;
    struct batch *batch;
    uint64_t ordinal;
    struct job_list lists[ROWS_DETAILS_MAX + 1]; /* the members, then the detail groups */
};
int job_lookup(void *row, const char *name, size_t length, struct template_value *out);

#endif
