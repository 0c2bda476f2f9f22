/*
 * A mail server's replies (RFC 5321, 4.2), read as they come: several lines, cut anywhere, several
 * replies at once. What is kept is bounded and printable ASCII, whatever the server sends.
 */
#ifndef EMAIL_REPLY_H
#define EMAIL_REPLY_H

#include <stddef.h>
#include <stdint.h>

#define REPLY_LENGTH_MAX 8192 /* of a whole reply; a longer one is garbage */
#define REPLY_ID_MAX 100

enum reply_result { REPLY_INCOMPLETE, REPLY_COMPLETE, REPLY_GARBAGE };

/* All zero at first. After REPLY_COMPLETE `code` and `text` are the reply's until the next feed. */
struct reply {
    int code;
    size_t length;
    char text[REPLY_LENGTH_MAX]; /* without the codes; lines parted by '\n'; ends with a zero */
    size_t line_length;          /* of the line that is being read */
    char line[REPLY_LENGTH_MAX];
    int complete;
};

/* Read on; `taken` gets how many of the bytes belong to this reply. */
enum reply_result reply_feed(struct reply *reply, const char *data, size_t length, size_t *taken);

/* What an EHLO reply offers. */
struct smtp_capabilities {
    int pipelining;
    int size;         /* SIZE is offered */
    int64_t size_max; /* 0: no limit named */
};
void reply_capabilities(const struct reply *reply, struct smtp_capabilities *out);

/* The queue id in the reply to a message, as Postfix, Exim, Sendmail, Exchange and Gmail write it.
 * 0, or -1: none is recognisable. */
int reply_queue_id(const struct reply *reply, char id[REPLY_ID_MAX]);

/* The reply as one line of at most `size` - 1 bytes: "550 5.1.1 No such user". */
void reply_line(const struct reply *reply, char *line, size_t size);

#endif
