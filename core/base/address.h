/* Addresses in the one form in which they are compared: by the suppression list, by whoever looks for duplicates. */
#ifndef CAMPAIGND_BASE_ADDRESS_H
#define CAMPAIGND_BASE_ADDRESS_H

#include <stddef.h>

#define ADDRESS_SIZE 512

/* An e-mail address: trimmed, ASCII letters in lower case. Returns the length, 0 if nothing is left or it does not fit. */
size_t address_normal_email(char target[ADDRESS_SIZE], const char *text, size_t length);

/* A telephone number: its digits, and a + if one stands before them. Returns the length, 0 if there is no digit or it does not
 * fit. */
size_t address_normal_phone(char target[ADDRESS_SIZE], const char *text, size_t length);

/* Either: an e-mail address is what has an @. */
size_t address_normal(char target[ADDRESS_SIZE], const char *text, size_t length);

/* A street (or town, postcode) that has been folded, for finding those who live together: what only spaces, points and
 * strokes tell apart is the same, and so are "hauptstrasse 5", "hauptstr. 5" and "haupt str 5"; but "5/12" is neither "51/2" nor "512".
 * Returns the length, 0 if nothing is left or it does not fit. */
size_t address_normal_street(char target[ADDRESS_SIZE], const char *text, size_t length);

#endif
