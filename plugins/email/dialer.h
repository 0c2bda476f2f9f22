/*
 * Makes connections to the mail server: look-up, TCP, TLS or STARTTLS, and AUTH, all by libcurl
 * (CURLOPT_CONNECT_ONLY) on the host's loop. What it hands out is a logged-in SMTP connection for
 * curl_easy_send and curl_easy_recv. libcurl must not send a message itself: it blocks the whole
 * loop while it waits for the reply to the final dot.
 */
#ifndef EMAIL_DIALER_H
#define EMAIL_DIALER_H

#include "settings.h"

#include <curl/curl.h>

struct dialer;
struct dial; /* one connection, from the first attempt to the hanging up */

/* `why` is NULL when the connection stands, else one line for people; then only dial_end() may be
 * called. `wrong_login` is 1 when the server refused user or password. Called on the loop, never
 * from within dialer_dial(). */
typedef void dial_result(void *context, const char *why, int wrong_login);

/* NULL with the reason in `why`. `settings` must outlive it. */
struct dialer *dialer_new(const struct campaignd_host *host, const struct email_settings *settings,
                          struct campaignd_failure *why);
void dialer_free(struct dialer *dialer); /* after all its dials are ended */

/* NULL: libcurl refused. */
struct dial *dialer_dial(struct dialer *dialer, dial_result *result, void *context);

/* The connection, once `result` said that it stands. */
CURL *dial_handle(struct dial *dial);
int dial_socket(struct dial *dial); /* -1: it is gone */

/* Close at once, in any state. No watch of the caller's may be left on the socket. */
void dial_end(struct dial *dial);

#endif
