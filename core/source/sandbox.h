/* What a process that runs foreign SQL may still do. */
#ifndef CAMPAIGND_SOURCE_SANDBOX_H
#define CAMPAIGND_SOURCE_SANDBOX_H

#include <stdint.h>

/* Limit memory (not in sanitizer builds), CPU time, descriptors and core dumps; by Landlock, where
 * the kernel has it, see only `read_folder` and `write_folder` (NULL: none). What cannot be had is
 * logged at debug level and done without. */
void sandbox_enter(const char *read_folder, const char *write_folder, int64_t cpu_us);

#endif
