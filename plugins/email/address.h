/*
 * E-mail addresses: what may stand in an envelope and a header (RFC 5321, RFC 5322), and nothing
 * that could become a second header, recipient or command.
 */
#ifndef EMAIL_ADDRESS_H
#define EMAIL_ADDRESS_H

#include <stddef.h>

#define ADDRESS_LENGTH_MAX 254 /* RFC 5321, 4.5.3.1.3: a path of 256 with its angle brackets */
#define MAILBOX_NAME_MAX 250   /* bytes of a display name; longer ones are cut */

struct mailbox {
    char name[MAILBOX_NAME_MAX + 1]; /* UTF-8, one line; "": none */
    char address[ADDRESS_LENGTH_MAX + 1];
};

/* NULL if `length` bytes are a sendable address, else why not, as the end of a sentence. */
const char *address_fault(const char *address, size_t length);

/* The part after the '@' of a checked address. */
const char *address_domain(const char *address);

/* Set the name: cut at a character's border, control characters and invalid UTF-8 replaced. */
void mailbox_set_name(struct mailbox *mailbox, const char *name);

/* Read "address" or "Name <address>". 0; or -1 with the reason in `why`. */
int mailbox_parse(struct mailbox *out, const char *text, char *why, size_t why_size);

#endif
