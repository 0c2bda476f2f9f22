/*
 * What [action.NAME] says about the mail server, checked once in load().
 *
 * The texts belong to the host and live as long as the plugin, but for those marked "owned".
 * settings_clear() frees the owned ones.
 */
#ifndef EMAIL_SETTINGS_H
#define EMAIL_SETTINGS_H

#include <campaignd/action.h>

enum email_transport { EMAIL_SMTP, EMAIL_MAILDIR };
enum email_tls { EMAIL_TLS_NONE, EMAIL_TLS_OPTIONAL, EMAIL_TLS_REQUIRED, EMAIL_TLS_IMPLICIT };

struct email_settings {
    enum email_transport transport;
    enum email_tls tls;
    char *url;    /* owned: smtp://host[:port]/HELO, as libcurl wants it; NULL for a Maildir */
    char *server; /* owned: for messages: "mail.example.org:25" or the Maildir's path */
    char *helo;   /* owned: the name in EHLO */
    const char *maildir; /* the folder; part of `server` */
    const char *ca_file; /* NULL: the system's */
    const char *user;    /* NULL: no AUTH */
    const char *password;
    const char *from; /* the default sender, NULL: none */
    unsigned connections;
    unsigned mails_per_connection;
    int64_t connect_timeout_ms;
    int64_t reply_timeout_ms; /* after the final dot twice this is waited */
};

/* 0; or -1 with the reason in `why`. `out` is to be cleared in either case. */
int settings_read(struct email_settings *out, const struct campaignd_host *host,
                  const struct campaignd_parameters *table, struct campaignd_failure *why);

void settings_clear(struct email_settings *settings);

/* Fill `why` like printf. Returns -1, so that a caller can return it. */
int settings_fail(struct campaignd_failure *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
