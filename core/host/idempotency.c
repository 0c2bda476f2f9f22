#include "host/idempotency.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void idempotency_key(char target[IDEMPOTENCY_KEY_SIZE],
                     const unsigned char secret[IDEMPOTENCY_SECRET_SIZE], const char *run_uuid,
                     unsigned step, uint64_t ordinal, unsigned resend)
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char numbers[64];
    crypto_auth_hmacsha256_state state;
    int size =
        snprintf(numbers, sizeof numbers, "%u%c%" PRIu64 "%c%u", step, 0, ordinal, 0, resend);
    crypto_auth_hmacsha256_init(&state, secret, IDEMPOTENCY_SECRET_SIZE);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)run_uuid, strlen(run_uuid) + 1);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)numbers, (size_t)size);
    crypto_auth_hmacsha256_final(&state, mac);
    text_hex(target, mac, sizeof mac);
}
