#include "dialer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <glib.h>

struct dialer {
    const struct campaignd_host *host;
    const struct email_settings *settings;
    CURLM *multi;
    struct campaignd_timer *timer;
};

struct dial {
    struct dialer *dialer;
    CURL *easy;
    dial_result *result;
    void *context;
    char message[CURL_ERROR_SIZE];
};

/* A socket that libcurl wants to hear about, while it connects. */
struct dial_watch {
    struct dialer *dialer;
    int socket;
    struct campaignd_watch *watch;
};

/* ---- libcurl on the host's loop ---- */

static void explain(const struct dial *dial, CURLcode code, long reply, char *why, size_t size)
{
    const char *message = dial->message[0] ? dial->message : curl_easy_strerror(code);
    const struct email_settings *settings = dial->dialer->settings;
    if (code == CURLE_LOGIN_DENIED)
        snprintf(why, size, "%s refuses the login of %.100s (%ld): check user and password",
                 settings->server, settings->user ? settings->user : "nobody", reply);
    else if (code == CURLE_USE_SSL_FAILED)
        snprintf(why, size, "%s offers no STARTTLS, and tls = required", settings->server);
    else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        snprintf(why, size, "the certificate of %s is not trusted: %s; see ca_file",
                 settings->server, message);
    else
        snprintf(why, size, "no connection to %s: %s", settings->server, message);
}

static void report(struct dial *dial, CURLcode code)
{
    if (code == CURLE_OK) {
        dial->result(dial->context, NULL, 0);
        return;
    }
    char why[400];
    long reply = 0;
    curl_easy_getinfo(dial->easy, CURLINFO_RESPONSE_CODE, &reply);
    explain(dial, code, reply, why, sizeof(why));
    dial->result(dial->context, why, code == CURLE_LOGIN_DENIED);
}

static void report_finished(struct dialer *dialer)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(dialer->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct dial *dial = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&dial);
        report(dial, code);
    }
}

static void on_socket_ready(void *context, uint32_t events)
{
    struct dial_watch *watch = context;
    struct dialer *dialer = watch->dialer;
    int mask = (events & CAMPAIGND_READABLE ? CURL_CSELECT_IN : 0) |
               (events & CAMPAIGND_WRITABLE ? CURL_CSELECT_OUT : 0);
    int running;
    curl_multi_socket_action(dialer->multi, watch->socket, mask, &running);
    report_finished(dialer);
}

static void on_timer(void *context)
{
    struct dialer *dialer = context;
    int running;
    curl_multi_socket_action(dialer->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    report_finished(dialer);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct dialer *dialer = context;
    dialer->host->timer_set(dialer->timer, timeout_ms);
    return 0;
}

static void end_watch(struct dialer *dialer, struct dial_watch *watch)
{
    if (watch && watch->watch)
        dialer->host->watch_end(watch->watch);
    g_free(watch);
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *assigned)
{
    (void)easy;
    struct dialer *dialer = context;
    struct dial_watch *watch = assigned;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(dialer->multi, socket, NULL);
        end_watch(dialer, watch);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? CAMPAIGND_READABLE : 0) |
                      (what & CURL_POLL_OUT ? CAMPAIGND_WRITABLE : 0);
    if (watch) {
        dialer->host->watch_change(watch->watch, events);
        return 0;
    }
    watch = g_new0(struct dial_watch, 1);
    watch->dialer = dialer;
    watch->socket = socket;
    watch->watch = dialer->host->watch_fd(socket, events, on_socket_ready, watch);
    if (!watch->watch) {
        g_free(watch);
        return -1;
    }
    curl_multi_assign(dialer->multi, socket, watch);
    return 0;
}

/* ---- the dialer ---- */

struct dialer *dialer_new(const struct campaignd_host *host, const struct email_settings *settings,
                          struct campaignd_failure *why)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        settings_fail(why, "libcurl cannot start");
        return NULL;
    }
    struct dialer *dialer = g_new0(struct dialer, 1);
    dialer->host = host;
    dialer->settings = settings;
    dialer->multi = curl_multi_init();
    dialer->timer = host->timer(-1, on_timer, dialer);
    if (!dialer->multi || !dialer->timer) {
        settings_fail(why, "libcurl cannot start");
        dialer_free(dialer);
        return NULL;
    }
    curl_multi_setopt(dialer->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(dialer->multi, CURLMOPT_SOCKETDATA, dialer);
    curl_multi_setopt(dialer->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(dialer->multi, CURLMOPT_TIMERDATA, dialer);
    /* Its cache holds the connections that we use; none may be thrown out. */
    curl_multi_setopt(dialer->multi, CURLMOPT_MAXCONNECTS, (long)settings->connections * 2 + 8);
    return dialer;
}

void dialer_free(struct dialer *dialer)
{
    if (dialer->multi)
        curl_multi_cleanup(dialer->multi);
    if (dialer->timer)
        dialer->host->timer_end(dialer->timer);
    g_free(dialer);
    curl_global_cleanup();
}

/* What may be had without knowing the peer is not worth more than no encryption (RFC 7435): so an
 * optional STARTTLS checks no certificate, unless a ca_file asks for it. */
static void set_tls(CURL *easy, const struct email_settings *settings)
{
    static const long levels[] = {
        [EMAIL_TLS_NONE] = CURLUSESSL_NONE,
        [EMAIL_TLS_OPTIONAL] = CURLUSESSL_TRY,
        [EMAIL_TLS_REQUIRED] = CURLUSESSL_ALL,
        [EMAIL_TLS_IMPLICIT] = CURLUSESSL_ALL,
    };
    int verified = settings->tls != EMAIL_TLS_OPTIONAL || settings->ca_file;
    curl_easy_setopt(easy, CURLOPT_USE_SSL, levels[settings->tls]);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verified ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verified ? 2L : 0L);
    if (settings->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
}

static void set_options(struct dial *dial, const struct email_settings *settings)
{
    CURL *easy = dial->easy;
    long reply_s = (long)((settings->reply_timeout_ms + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_URL, settings->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, dial);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, dial->message);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, reply_s);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    set_tls(easy, settings);
    if (settings->user) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, settings->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, settings->password);
    }
}

struct dial *dialer_dial(struct dialer *dialer, dial_result *result, void *context)
{
    struct dial *dial = g_new0(struct dial, 1);
    dial->dialer = dialer;
    dial->result = result;
    dial->context = context;
    dial->easy = curl_easy_init();
    if (dial->easy) {
        set_options(dial, dialer->settings);
        if (curl_multi_add_handle(dialer->multi, dial->easy) == CURLM_OK)
            return dial;
        curl_easy_cleanup(dial->easy);
    }
    g_free(dial);
    return NULL;
}

CURL *dial_handle(struct dial *dial)
{
    return dial->easy;
}

int dial_socket(struct dial *dial)
{
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(dial->easy, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK)
        return -1;
    return socket == CURL_SOCKET_BAD ? -1 : socket;
}

/* libcurl says QUIT when a connection is removed, and waits for the reply: on a socket that is shut
 * down already it cannot. */
void dial_end(struct dial *dial)
{
    int socket = dial_socket(dial);
    if (socket >= 0)
        shutdown(socket, SHUT_RDWR);
    curl_multi_remove_handle(dial->dialer->multi, dial->easy);
    curl_easy_cleanup(dial->easy);
    g_free(dial);
}
