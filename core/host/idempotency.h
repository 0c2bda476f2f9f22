/*
 * The key under which a recipient's step is one and the same thing for ever, whatever crashes:
 * HMAC-SHA-256 under the installation's secret over
 *     UUID 0x00 STEP 0x00 ORDINAL 0x00 RESEND
 * with the run's uuid as text and the numbers in decimal digits; written as 64 lower-case hex
 * digits. Only a person's resend raises RESEND; the machine's retries never do.
 */
#ifndef CAMPAIGND_HOST_IDEMPOTENCY_H
#define CAMPAIGND_HOST_IDEMPOTENCY_H

#include <stdint.h>

#define IDEMPOTENCY_SECRET_SIZE 32
#define IDEMPOTENCY_KEY_SIZE 65 /* with the zero byte */

void idempotency_key(char target[IDEMPOTENCY_KEY_SIZE],
                     const unsigned char secret[IDEMPOTENCY_SECRET_SIZE], const char *run_uuid,
                     unsigned step, uint64_t ordinal, unsigned resend);

#endif
