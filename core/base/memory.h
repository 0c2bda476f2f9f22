/*
 * Memory. Out of memory ends the process with one line on standard error: every process of ours can
 * be killed at any moment without harm, and starts again clean. Large blocks whose size comes from
 * outside are bounded by whoever reads them.
 */
#ifndef CAMPAIGND_BASE_MEMORY_H
#define CAMPAIGND_BASE_MEMORY_H

#include <stddef.h>

void *memory_new(size_t size);                 /* zeroed */
void *memory_array(size_t count, size_t size); /* zeroed, checked for overflow */
void *memory_resize(void *old, size_t size);
char *memory_text(const char *text); /* a copy; NULL gives NULL */
char *memory_text_n(const char *text, size_t size);
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void memory_exhausted(size_t size);

/* For locals: `FREE_CLEAN char *path = ...;` */
void memory_cleanup(void *pointer_to_pointer);
#define FREE_CLEAN __attribute__((cleanup(memory_cleanup)))

/* Overwrite a secret before its memory is given back. */
void memory_wipe(void *data, size_t size);

/* An arena: things that die together (a request, a task, a template). */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *arena);  /* NULL is fine */
void arena_reset(struct arena *arena); /* all that came from it is gone; keeps one block */
void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for anything */
char *arena_text(struct arena *arena, const char *text);
char *arena_text_n(struct arena *arena, const char *text, size_t size);
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
