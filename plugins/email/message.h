/*
 * The bytes of a mail: headers, html and text as alternatives, pictures that the html shows,
 * attachments. Built by GMime; all that comes from data is checked, encoded or replaced, so that
 * none of it can become a header. The bytes are 7-bit, with CRLF, lines of at most 998, and end
 * with CRLF.
 */
#ifndef EMAIL_MESSAGE_H
#define EMAIL_MESSAGE_H

#include "address.h"

#include <glib.h>

struct message_file {
    const char *name; /* as the recipient sees it; for a picture: as the html names it */
    const char *mime_type;
    const char *data;
    size_t length;
};

struct message_draft {
    const struct mailbox *from;
    const struct mailbox *reply_to; /* NULL: none */
    const struct mailbox *to;
    const char *subject;
    const char *html; /* may contain cid:NAME for each picture */
    size_t html_length;
    const char *text; /* NULL: made from the html */
    size_t text_length;
    const char *identity; /* left side of the Message-ID; letters and digits */
    int64_t date_us;
    const struct message_file *pictures;
    size_t picture_count;
    const struct message_file *attachments;
    size_t attachment_count;
};

/* Before the first message; and after the last. */
void message_initialise(void);
void message_shut_down(void);

/* The caller owns the result. */
GByteArray *message_build(const struct message_draft *draft);

/* For SMTP: `message` with its lines dot-stuffed and the final dot's line added; takes it over. */
GByteArray *message_to_wire(GByteArray *message);

/* Call `found(context, name)` for each picture that the html shows as cid:NAME. */
void message_find_pictures(const char *html, size_t length,
                           void (*found)(void *context, const char *name), void *context);

#endif
