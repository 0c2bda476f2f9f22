/* FRAME_PREVIEW: what would be done for one recipient, in a job that exists only for it. */
#ifndef CAMPAIGND_HOST_PREVIEW_H
#define CAMPAIGND_HOST_PREVIEW_H

#include "host/engine.h"

/* Answers with one FRAME_PREVIEWED, now or when a thread is through with it. */
void preview_start(struct engine *engine, struct frame_reader *payload);

#endif
