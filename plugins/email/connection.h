/*
 * One SMTP connection, from the dialling to QUIT: the dialogue from EHLO over MAIL, RCPT, DATA and
 * the body to the final dot, for one delivery after another. The states and what each event does in
 * them are the table in connection.c, explained in README.md.
 *
 * What it promises: begin() is called when all of the message but its end was taken by the socket,
 * and the end leaves only after begin() said yes. So whatever goes wrong before is `deferred`, and
 * only what goes wrong between the end's leaving and the server's reply is `unknown`.
 *
 * All on the loop thread.
 */
#ifndef EMAIL_CONNECTION_H
#define EMAIL_CONNECTION_H

#include "address.h"
#include "dialer.h"

#include <glib.h>

struct delivery {
    campaignd_task task;
    char sender[ADDRESS_LENGTH_MAX + 1];
    char recipient[ADDRESS_LENGTH_MAX + 1];
    GByteArray *wire;  /* as message_to_wire() made it */
    unsigned restarts; /* how often a kept connection was found dead under it */
};

struct connection;

enum connection_end {
    CONNECTION_FINISHED,    /* in order, or while nothing was under way */
    CONNECTION_NOT_MADE,    /* never came as far as a mail */
    CONNECTION_WRONG_LOGIN, /* the same, because of user or password */
};

/* What a connection tells its owner. None is called from within connection_new(). */
struct connection_owner {
    void *context;
    /* It can take a delivery now. */
    void (*idle)(void *context, struct connection *connection);
    /* The delivery is over; it belongs to the owner again. The texts of `outcome` live as long as
     * the call. */
    void (*over)(void *context, struct delivery *delivery, const struct campaignd_outcome *outcome);
    /* A kept connection turned out to be dead before the server heard of the delivery: give it to
     * another. */
    void (*restart)(void *context, struct delivery *delivery);
    /* The connection is gone, and freed after the call. `why`: one line, "" if FINISHED. */
    void (*gone)(void *context, struct connection *connection, enum connection_end end,
                 const char *why);
};

/* Starts to dial. NULL: libcurl refused. Host, settings and owner must outlive it. */
struct connection *connection_new(const struct campaignd_host *host,
                                  const struct email_settings *settings, struct dialer *dialer,
                                  const struct connection_owner *owner);

/* Only while idle. Takes the delivery over until over() or restart(). */
void connection_send(struct connection *connection, struct delivery *delivery);

/* Give up `task` if it is under way here and has not begun. 1 if it is here, 0 if not. */
int connection_cancel(struct connection *connection, campaignd_task task);

/* Say QUIT if nothing is under way, and close without waiting; gone() is called. */
void connection_close(struct connection *connection);

#endif
