/*
 * The archive segments that dead workers left unsealed: when their run is over, what is committed of them goes into a new, sealed
 * segment, the journal's index is changed to it, and the old one is removed. Not earlier, as a step under way may read the old one.
 */
#ifndef CAMPAIGND_RUN_SALVAGE_H
#define CAMPAIGND_RUN_SALVAGE_H

#include "run/internal.h"

/* The run is over, or a worker that had filed documents of ended runs is gone. `run` 0: look at all ended runs. */
void salvage_begin(struct runner *runner, int64_t run);

#endif
