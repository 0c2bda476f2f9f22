#include "settings.h"

#include "address.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#define HOST_LENGTH_MAX 255

int settings_fail(struct campaignd_failure *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->message, sizeof(why->message), format, arguments);
    va_end(arguments);
    return -1;
}

static const char *text_or_null(const struct campaignd_host *host,
                                const struct campaignd_parameters *table, const char *name)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    if (host->parameter(table, name, &value) < 0 || value.length == 0)
        return NULL;
    return value.text;
}

static int64_t number(const struct campaignd_host *host, const struct campaignd_parameters *table,
                      const char *name)
{
    struct campaignd_value value = CAMPAIGND_VALUE;
    return host->parameter(table, name, &value) < 0 ? 0 : value.integer;
}

/* A host name, an IPv4 address, or an IPv6 address in brackets; nothing that could change the URL.
 */
static int check_host(const char *host, size_t length)
{
    if (length == 0 || length > HOST_LENGTH_MAX)
        return -1;
    int bracketed = host[0] == '[' && length > 2 && host[length - 1] == ']';
    for (size_t i = bracketed ? 1 : 0; i < length - (bracketed ? 1 : 0); i++) {
        unsigned char c = (unsigned char)host[i];
        if (!(isalnum(c) || c == '.' || c == '-' || c == '_' || (bracketed && c == ':')))
            return -1;
    }
    return 0;
}

/* `rest` is HOST[:PORT][/]. Fills `server` with HOST[:PORT]. */
static int read_authority(struct email_settings *out, const char *rest,
                          struct campaignd_failure *why)
{
    size_t length = strcspn(rest, "/");
    if (rest[length] == '/' && rest[length + 1])
        return settings_fail(why, "server = …%s: nothing may follow the host and port", rest);
    size_t host_length = rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":/");
    if (host_length > length || check_host(rest, host_length) < 0)
        return settings_fail(why, "server = …%s: write smtp://HOST or smtp://HOST:PORT", rest);
    if (host_length < length) {
        char *end = NULL;
        long port = rest[host_length] == ':' && isdigit((unsigned char)rest[host_length + 1])
                        ? strtol(rest + host_length + 1, &end, 10)
                        : 0;
        if (port < 1 || port > 65535 || end != rest + length)
            return settings_fail(why, "server = …%s: the port is a number from 1 to 65535", rest);
    }
    out->server = g_strndup(rest, length);
    return 0;
}

static int read_helo(struct email_settings *out, const char *given, struct campaignd_failure *why)
{
    char name[HOST_LENGTH_MAX + 1] = "";
    if (!given && gethostname(name, sizeof(name) - 1) < 0)
        return settings_fail(why, "the machine has no host name: set helo");
    out->helo = g_strdup(given ? given : name[0] ? name : "localhost");
    if (check_host(out->helo, strlen(out->helo)) < 0)
        return settings_fail(why, "helo = %s: not a host name", out->helo);
    return 0;
}

/* A password never goes over a line that is not encrypted unless the site says so itself. */
static int read_tls(struct email_settings *out, const char *given, int implicit,
                    struct campaignd_failure *why)
{
    if (implicit) {
        if (given && strcmp(given, "required") != 0)
            return settings_fail(why, "tls = %s contradicts smtps://: leave it out", given);
        out->tls = EMAIL_TLS_IMPLICIT;
    } else if (!given) {
        out->tls = out->user ? EMAIL_TLS_REQUIRED : EMAIL_TLS_OPTIONAL;
    } else {
        out->tls = !strcmp(given, "none")       ? EMAIL_TLS_NONE
                   : !strcmp(given, "optional") ? EMAIL_TLS_OPTIONAL
                                                : EMAIL_TLS_REQUIRED;
    }
    return 0;
}

static int read_smtp(struct email_settings *out, const struct campaignd_host *host,
                     const struct campaignd_parameters *table, const char *server, int implicit,
                     struct campaignd_failure *why)
{
    const char *scheme = implicit ? "smtps://" : "smtp://";
    out->transport = EMAIL_SMTP;
    if (read_authority(out, server + strlen(scheme), why) < 0 ||
        read_helo(out, text_or_null(host, table, "helo"), why) < 0 ||
        read_tls(out, text_or_null(host, table, "tls"), implicit, why) < 0)
        return -1;
    out->url = g_strdup_printf("%s%s/%s", scheme, out->server, out->helo);
    return 0;
}

static int read_maildir(struct email_settings *out, const char *path, struct campaignd_failure *why)
{
    if (!path[0])
        return settings_fail(why, "server = maildir: … name the folder: maildir:/var/spool/x");
    out->transport = EMAIL_MAILDIR;
    out->server = g_canonicalize_filename(path, NULL);
    out->maildir = out->server;
    return 0;
}

int settings_read(struct email_settings *out, const struct campaignd_host *host,
                  const struct campaignd_parameters *table, struct campaignd_failure *why)
{
    *out = (struct email_settings){0};
    out->ca_file = text_or_null(host, table, "ca_file");
    out->user = text_or_null(host, table, "user");
    out->password = text_or_null(host, table, "password");
    out->from = text_or_null(host, table, "from");
    out->connections = (unsigned)number(host, table, "connections");
    out->mails_per_connection = (unsigned)number(host, table, "mails_per_connection");
    out->connect_timeout_ms = number(host, table, "connect_timeout") / 1000;
    out->reply_timeout_ms = number(host, table, "reply_timeout") / 1000;
    if (!out->user != !out->password)
        return settings_fail(why, "user and password belong together: %s is missing",
                             out->user ? "password" : "user");
    struct mailbox ignored;
    if (out->from && mailbox_parse(&ignored, out->from, why->message, sizeof(why->message)) < 0)
        return -1;
    const char *server = text_or_null(host, table, "server");
    if (server && g_str_has_prefix(server, "smtp://"))
        return read_smtp(out, host, table, server, 0, why);
    if (server && g_str_has_prefix(server, "smtps://"))
        return read_smtp(out, host, table, server, 1, why);
    if (server && g_str_has_prefix(server, "maildir:"))
        return read_maildir(out, server + strlen("maildir:"), why);
    return settings_fail(why, "server = %s: write smtp://HOST, smtps://HOST or maildir:PATH",
                         server ? server : "");
}

void settings_clear(struct email_settings *settings)
{
    g_free(settings->url);
    g_free(settings->server);
    g_free(settings->helo);
    *settings = (struct email_settings){0};
}
