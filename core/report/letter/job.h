/*
 * One call of render(): what every part of it shares. Everything allocated from `arena` lives until
 * the call returns. Parts report through it: a warning goes to the caller at once, a failure fills
 * his error and gives -1 back.
 */
#ifndef CAMPAIGND_REPORT_LETTER_JOB_H
#define CAMPAIGND_REPORT_LETTER_JOB_H

#include "base/memory.h"
#include "report/letter.h"

#define POINTS_PER_MM (72.0 / 25.4)
#define MM(x) ((x)*POINTS_PER_MM)

struct position {
    unsigned line;
    unsigned column;
};

struct job {
    struct letter_engine *engine;
    const struct letter_request *request;
    struct arena *arena;
    struct error *error;
    const char *language; /* never NULL once the document is read */
    unsigned warnings;
    unsigned groups; /* of slices drawn so far: see draw.c */
};

void job_warn(struct job *job, struct position at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ERROR_INPUT, "line 12: …"; a line of 0 is left out. Returns -1. */
int job_fail(struct job *job, struct position at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Room for one more in an array of the arena, which doubles: returns the array, moved or not. */
void *job_grow(struct job *job, void *array, size_t count, size_t *capacity, size_t size);

#endif
