/*
 * From fetched rows and verdicts to the run's rows file. If nobody was left out the fetched file
 * becomes it as it is; else the recipients that are left are copied into another one, with new
 * ordinals, and the fetched file goes.
 */
#ifndef CAMPAIGND_SOURCE_FINISH_H
#define CAMPAIGND_SOURCE_FINISH_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "source/details.h"
#include "source/selection.h"

struct finish {
    const char *raw;    /* where the fetched file is */
    const char *path;   /* what it becomes: fsync, rename, mode 0440 */
    json_t *definition; /* frozen into it; its reports' files become rows */
    const char *uuid;
    int64_t run;
};

/* 0 or -1; the fetched file is gone after either. */
int finish_file(const struct finish *finish, struct selection *selection,
                const struct details *details, struct error *error);

#endif
