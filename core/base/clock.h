/* Time, always int64 microseconds: the wall clock since 1970 UTC, and a clock that only goes
 * forward. */
#ifndef CAMPAIGND_BASE_CLOCK_H
#define CAMPAIGND_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_now_us(void);
int64_t clock_monotonic_us(void);

#endif
