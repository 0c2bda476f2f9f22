#include "report/letter/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A broken template warns about every element; the first ones tell all. */
#define MAX_WARNINGS 200

void job_warn(struct job *job, struct position at, const char *format, ...)
{
    if (!job->request->warn || job->warnings > MAX_WARNINGS)
        return;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof message)
        text_cut_utf8(message, sizeof message - 1);
    if (job->warnings++ == MAX_WARNINGS)
        text_copy(message, sizeof message, "more than 200 warnings: the others are left out");
    job->request->warn(job->request->context, at.line, at.column, message);
}

int job_fail(struct job *job, struct position at, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof message)
        text_cut_utf8(message, sizeof message - 1);
    if (!at.line)
        return error_set(job->error, ERROR_INPUT, "letter: %s", message);
    return error_set(job->error, ERROR_INPUT, "letter, line %u: %s", at.line, message);
}

void *job_grow(struct job *job, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *larger = arena_alloc(job->arena, wanted * size);
    if (count)
        memcpy(larger, array, count * size);
    *capacity = wanted;
    return larger;
}
