/*
 * Everything comes in as an event: a reply's class, a loss, a time-out, begin()'s answer. For each
 * state the table at the end names what an event does; what it does not name is a reply out of
 * place. Every way in from outside is between enter() and leave(): a connection that was closed
 * meanwhile is freed by the last leave(), never under a caller's feet.
 */
#include "connection.h"

#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IDLE_MS 15000 /* a connection that has nothing to do is kept so long */
#define QUIT_MS 5000
#define WRITE_CHUNK 65536
#define END_LENGTH 5 /* "\r\n.\r\n": what is held back until begin() */
#define RESTARTS_MAX 5

enum state {
    DIALLING,  /* libcurl connects and logs in */
    GREETING,  /* our EHLO is sent */
    IDLE,      /* waits for a delivery */
    MAIL,      /* MAIL FROM is sent (and with PIPELINING all to DATA) */
    RCPT,      /* RCPT TO is sent */
    DATA,      /* DATA is sent */
    BODY,      /* the message but its end is being sent */
    BEGIN,     /* all that was taken by the socket; begin() is asked */
    RELEASE,   /* begin() said yes; a last look for what the server said meanwhile */
    DOT,       /* the end is released */
    ABANDONED, /* lost while begin() was asked: its answer is waited for, the socket is gone */
    DRAIN,     /* the delivery is over; replies to pipelined commands are still to come */
    RESET,     /* RSET is sent */
    QUITTING,  /* QUIT is sent */
    CLOSED,
    STATE_COUNT
};

enum event {
    OK,        /* 2yz */
    GO_ON,     /* 3yz */
    LATER,     /* 4yz */
    REFUSED,   /* 5yz */
    LEAVING,   /* 421: the server closes */
    GARBAGE,   /* no reply at all */
    LOST,      /* the connection ended or failed */
    TIMEOUT,   /* nothing came for too long */
    SENT,      /* what was to be written is taken by the socket */
    BEGUN,     /* begin() is durable */
    NOT_BEGUN, /* it is not, or the task was taken back */
    CANCEL,    /* the host wants the task back */
    EVENT_COUNT
};

struct connection {
    const struct campaignd_host *host;
    const struct email_settings *settings;
    const struct connection_owner *owner;
    struct dial *dial;
    struct campaignd_watch *watch;
    struct campaignd_timer *timer;
    enum state state;
    unsigned depth; /* of enter() */
    enum connection_end end;
    char why[480];

    struct smtp_capabilities offers;
    struct reply reply;
    struct delivery *delivery;
    int32_t abandoned_status, abandoned_code; /* of the delivery in ABANDONED */
    unsigned mails;                           /* transactions that were answered to their end */
    unsigned drain;                           /* replies that are still to come in DRAIN */
    GString *command;                         /* the bytes of the command that is being written */
    const char *output;
    size_t output_length, output_taken;
};

static void dispatch(struct connection *connection, enum event event);
static void read_on(struct connection *connection);

/* ---- ways in and out ---- */

static void enter(struct connection *connection)
{
    connection->depth++;
}

static void leave(struct connection *connection)
{
    if (--connection->depth > 0 || connection->state != CLOSED)
        return;
    connection->owner->gone(connection->owner->context, connection, connection->end,
                            connection->why);
    connection->host->timer_end(connection->timer);
    g_string_free(connection->command, TRUE);
    g_free(connection);
}

static void hang_up(struct connection *connection)
{
    if (connection->watch)
        connection->host->watch_end(connection->watch);
    connection->watch = NULL;
    if (connection->dial)
        dial_end(connection->dial);
    connection->dial = NULL;
    connection->output_length = connection->output_taken = 0;
    connection->host->timer_set(connection->timer, -1);
}

static void close_for(struct connection *connection, enum connection_end end, const char *why)
{
    hang_up(connection);
    connection->state = CLOSED;
    connection->end = end;
    snprintf(connection->why, sizeof(connection->why), "%s", why);
}

/* A connection that never brought a mail to its end tells something about the server. */
static void close_failed(struct connection *connection, const char *what)
{
    char why[480];
    snprintf(why, sizeof(why), "%s: %s", connection->settings->server, what);
    close_for(connection, connection->mails ? CONNECTION_FINISHED : CONNECTION_NOT_MADE, why);
}

static void close_now(struct connection *connection)
{
    close_for(connection, CONNECTION_FINISHED, "");
}

/* ---- the end of a delivery ---- */

static const char *position(enum state state)
{
    switch (state) {
    case MAIL:
        return "MAIL FROM";
    case RCPT:
        return "RCPT TO";
    case DATA:
        return "DATA";
    default:
        return "the message";
    }
}

static void over(struct connection *connection, int32_t status, int code, const char *remote_id,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void over(struct connection *connection, int32_t status, int code, const char *remote_id,
                 const char *format, ...)
{
    char text[501];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct campaignd_outcome outcome = {.size = sizeof(outcome),
                                        .status = status,
                                        .code = code,
                                        .remote_id = remote_id,
                                        .text = text};
    struct delivery *delivery = connection->delivery;
    connection->delivery = NULL;
    connection->owner->over(connection->owner->context, delivery, &outcome);
}

static void over_by_reply(struct connection *connection, int32_t status)
{
    char line[350];
    reply_line(&connection->reply, line, sizeof(line));
    over(connection, status, connection->reply.code, NULL, "%s answered %s with %s",
         connection->settings->server, position(connection->state), line);
}

static const char *event_text(enum event event)
{
    switch (event) {
    case LOST:
        return "the connection was lost";
    case TIMEOUT:
        return "the server did not answer in time";
    case GARBAGE:
        return "the server's answer is no SMTP";
    default:
        return "the server's answer is out of place";
    }
}

/* ---- writing ---- */

static void watch_for(struct connection *connection, uint32_t events)
{
    connection->host->watch_change(connection->watch, events);
}

static void wait_ms(struct connection *connection, int64_t time_ms)
{
    connection->host->timer_set(connection->timer, time_ms);
}

static void wait_for_reply(struct connection *connection)
{
    wait_ms(connection, connection->settings->reply_timeout_ms);
}

/* Before it closed the server may have said why. */
static void write_failed(struct connection *connection)
{
    enum state state = connection->state;
    read_on(connection);
    if (connection->state == state)
        dispatch(connection, LOST);
}

/* A TLS library wants the very same bytes again after "try later": `output` must not move. */
static void write_on(struct connection *connection)
{
    while (connection->output_taken < connection->output_length) {
        size_t left = connection->output_length - connection->output_taken, taken = 0;
        CURLcode code = curl_easy_send(dial_handle(connection->dial),
                                       connection->output + connection->output_taken,
                                       left < WRITE_CHUNK ? left : WRITE_CHUNK, &taken);
        if (code == CURLE_AGAIN) {
            watch_for(connection, CAMPAIGND_READABLE | CAMPAIGND_WRITABLE);
            return;
        }
        if (code != CURLE_OK) {
            write_failed(connection);
            return;
        }
        connection->output_taken += taken;
        if (connection->state == BODY)
            wait_for_reply(connection);
    }
    watch_for(connection, CAMPAIGND_READABLE);
    if (connection->state == BODY)
        dispatch(connection, SENT);
}

static void write_bytes(struct connection *connection, const void *bytes, size_t length)
{
    connection->output = bytes;
    connection->output_length = length;
    connection->output_taken = 0;
    write_on(connection);
}

/* The state changes first: the bytes may be taken, or the connection be lost, within the call. */
static void say(struct connection *connection, enum state next, int64_t timeout_ms,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(struct connection *connection, enum state next, int64_t timeout_ms,
                const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_vprintf(connection->command, format, arguments);
    va_end(arguments);
    connection->state = next;
    wait_ms(connection, timeout_ms);
    write_bytes(connection, connection->command->str, connection->command->len);
}

/* ---- reading ---- */

static enum event class_of(int code)
{
    if (code == 421)
        return LEAVING;
    static const enum event classes[] = {[2] = OK, [3] = GO_ON, [4] = LATER, [5] = REFUSED};
    return classes[code / 100];
}

static void feed(struct connection *connection, const char *data, size_t length)
{
    while (length && connection->state != CLOSED && connection->dial) {
        size_t taken = 0;
        enum reply_result result = reply_feed(&connection->reply, data, length, &taken);
        data += taken;
        length -= taken;
        if (result == REPLY_COMPLETE)
            dispatch(connection, class_of(connection->reply.code));
        else if (result == REPLY_GARBAGE)
            dispatch(connection, GARBAGE);
    }
}

static void read_on(struct connection *connection)
{
    char data[4096];
    while (connection->dial) {
        size_t length = 0;
        CURLcode code = curl_easy_recv(dial_handle(connection->dial), data, sizeof(data), &length);
        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK || length == 0) {
            dispatch(connection, LOST);
            return;
        }
        feed(connection, data, length);
    }
}

static void on_ready(void *context, uint32_t events)
{
    struct connection *connection = context;
    enter(connection);
    if (events & CAMPAIGND_READABLE)
        read_on(connection);
    if (connection->dial && connection->output_taken < connection->output_length)
        write_on(connection);
    leave(connection);
}

static void on_timeout(void *context)
{
    struct connection *connection = context;
    enter(connection);
    dispatch(connection, TIMEOUT);
    leave(connection);
}

static void on_begun(void *context, int32_t ok)
{
    struct connection *connection = context;
    enter(connection);
    dispatch(connection, ok ? BEGUN : NOT_BEGUN);
    leave(connection);
}

/* ---- before the first mail ---- */

static void on_dialled(void *context, const char *why, int wrong_login)
{
    struct connection *connection = context;
    enter(connection);
    int socket = why ? -1 : dial_socket(connection->dial);
    if (!why && socket >= 0)
        connection->watch =
            connection->host->watch_fd(socket, CAMPAIGND_READABLE, on_ready, connection);
    if (connection->watch)
        say(connection, GREETING, connection->settings->reply_timeout_ms, "EHLO %s\r\n",
            connection->settings->helo);
    else
        close_for(connection, wrong_login ? CONNECTION_WRONG_LOGIN : CONNECTION_NOT_MADE,
                  why ? why : "the connection ended at once");
    leave(connection);
}

static void greeting_fails(struct connection *connection, enum event event)
{
    char line[350];
    reply_line(&connection->reply, line, sizeof(line));
    int answered = event == LATER || event == LEAVING;
    close_failed(connection, answered ? line : event_text(event));
}

static void become_idle(struct connection *connection, enum event event)
{
    (void)event;
    if (connection->mails >= connection->settings->mails_per_connection) {
        say(connection, QUITTING, QUIT_MS, "QUIT\r\n");
        return;
    }
    connection->state = IDLE;
    wait_ms(connection, IDLE_MS);
    connection->owner->idle(connection->owner->context, connection);
}

/* libcurl said EHLO or HELO before; a server that takes our EHLO ill offers nothing. */
static void greeting_answered(struct connection *connection, enum event event)
{
    if (event == OK)
        reply_capabilities(&connection->reply, &connection->offers);
    become_idle(connection, event);
}

static void idle_timeout(struct connection *connection, enum event event)
{
    (void)event;
    say(connection, QUITTING, QUIT_MS, "QUIT\r\n");
}

static void end_quietly(struct connection *connection, enum event event)
{
    (void)event;
    close_now(connection);
}

/* ---- MAIL, RCPT, DATA ---- */

static void say_mail(struct connection *connection)
{
    const struct delivery *delivery = connection->delivery;
    char size[32] = "";
    if (connection->offers.size)
        snprintf(size, sizeof(size), " SIZE=%u", delivery->wire->len);
    if (connection->offers.pipelining)
        say(connection, MAIL, connection->settings->reply_timeout_ms,
            "MAIL FROM:<%s>%s\r\nRCPT TO:<%s>\r\nDATA\r\n", delivery->sender, size,
            delivery->recipient);
    else
        say(connection, MAIL, connection->settings->reply_timeout_ms, "MAIL FROM:<%s>%s\r\n",
            delivery->sender, size);
}

static void mail_accepted(struct connection *connection, enum event event)
{
    (void)event;
    if (!connection->offers.pipelining) {
        say(connection, RCPT, connection->settings->reply_timeout_ms, "RCPT TO:<%s>\r\n",
            connection->delivery->recipient);
        return;
    }
    connection->state = RCPT;
    wait_for_reply(connection);
}

static void recipient_accepted(struct connection *connection, enum event event)
{
    (void)event;
    if (!connection->offers.pipelining) {
        say(connection, DATA, connection->settings->reply_timeout_ms, "DATA\r\n");
        return;
    }
    connection->state = DATA;
    wait_for_reply(connection);
}

static void send_body(struct connection *connection, enum event event)
{
    (void)event;
    const GByteArray *wire = connection->delivery->wire;
    connection->state = BODY;
    wait_for_reply(connection);
    write_bytes(connection, wire->data, wire->len - END_LENGTH);
}

static void reset(struct connection *connection)
{
    say(connection, RESET, connection->settings->reply_timeout_ms, "RSET\r\n");
}

static void deferred_by_reply(struct connection *connection, enum event event)
{
    (void)event;
    char line[350];
    reply_line(&connection->reply, line, sizeof(line));
    over_by_reply(connection, CAMPAIGND_DEFERRED);
    close_failed(connection, line);
}

/* The server wants no more of this delivery. What was pipelined behind is still answered. 530
 * (login first, or STARTTLS first) is the action's fault, not the recipient's. */
static void transaction_refused(struct connection *connection, enum event event)
{
    static const unsigned behind[STATE_COUNT] = {[MAIL] = 2, [RCPT] = 1};
    unsigned waiting = connection->offers.pipelining ? behind[connection->state] : 0;
    if (connection->reply.code == 530) {
        deferred_by_reply(connection, event);
        return;
    }
    over_by_reply(connection, event == REFUSED ? CAMPAIGND_REJECTED : CAMPAIGND_DEFERRED);
    connection->drain = waiting;
    if (waiting == 0) {
        reset(connection);
        return;
    }
    connection->state = DRAIN;
    wait_for_reply(connection);
}

static void drained(struct connection *connection, enum event event)
{
    (void)event;
    if (--connection->drain == 0)
        reset(connection);
}

static void transaction_reset(struct connection *connection, enum event event)
{
    connection->mails++;
    become_idle(connection, event);
}

/* ---- what goes wrong before the end is released: the message is not there ---- */

static void deferred(struct connection *connection, enum event event)
{
    over(connection, CAMPAIGND_DEFERRED, 0, NULL, "%s: %s at %s, before the message was complete",
         connection->settings->server, event_text(event), position(connection->state));
    close_failed(connection, event_text(event));
}

/* A reply in the middle of the message: the server has made up its mind and will close. */
static void body_interrupted(struct connection *connection, enum event event)
{
    over_by_reply(connection, event == REFUSED ? CAMPAIGND_REJECTED : CAMPAIGND_DEFERRED);
    close_now(connection);
}

/* The first answer on a kept connection is that it is dead: nothing of the delivery was heard. */
static void stale(struct connection *connection, enum event event)
{
    struct delivery *delivery = connection->delivery;
    if (connection->mails == 0 || delivery->restarts >= RESTARTS_MAX) {
        (event == LEAVING ? deferred_by_reply : deferred)(connection, event);
        return;
    }
    connection->delivery = NULL;
    delivery->restarts++;
    close_now(connection);
    connection->owner->restart(connection->owner->context, delivery);
}

static void give_back(struct connection *connection, enum event event)
{
    (void)event;
    over(connection, CAMPAIGND_DEFERRED, 0, NULL, "taken back before it was sent");
    close_now(connection);
}

/* ---- the end ---- */

static void ask_begin(struct connection *connection, enum event event)
{
    (void)event;
    connection->state = BEGIN;
    wait_ms(connection, -1);
    connection->host->begin(connection->delivery->task, on_begun, connection);
}

/* The delivery's begin() is not answered yet: the delivery cannot end before. */
static void abandon(struct connection *connection, enum event event)
{
    int answered = event == LATER || event == LEAVING || event == REFUSED;
    if (answered)
        reply_line(&connection->reply, connection->why, sizeof(connection->why));
    else
        snprintf(connection->why, sizeof(connection->why), "%s", event_text(event));
    connection->abandoned_status = event == REFUSED ? CAMPAIGND_REJECTED : CAMPAIGND_DEFERRED;
    connection->abandoned_code = answered ? connection->reply.code : 0;
    hang_up(connection);
    connection->state = ABANDONED;
}

static void abandoned_answered(struct connection *connection, enum event event)
{
    (void)event;
    over(connection, connection->abandoned_status, connection->abandoned_code, NULL,
         "%s: %.400s, before the message was complete", connection->settings->server,
         connection->why);
    if (connection->abandoned_status == CAMPAIGND_REJECTED)
        close_now(connection);
    else
        close_failed(connection, connection->why);
}

static void release_end(struct connection *connection, enum event event)
{
    (void)event;
    const GByteArray *wire = connection->delivery->wire;
    connection->state = RELEASE;
    read_on(connection);
    if (connection->state != RELEASE)
        return;
    connection->state = DOT;
    wait_ms(connection, 2 * connection->settings->reply_timeout_ms);
    write_bytes(connection, wire->data + wire->len - END_LENGTH, END_LENGTH);
}

static void delivered(struct connection *connection, enum event event)
{
    char line[350], id[REPLY_ID_MAX];
    reply_line(&connection->reply, line, sizeof(line));
    int known = reply_queue_id(&connection->reply, id) == 0;
    connection->mails++;
    over(connection, CAMPAIGND_DELIVERED, connection->reply.code, known ? id : NULL, "%s", line);
    become_idle(connection, event);
}

static void message_refused(struct connection *connection, enum event event)
{
    connection->mails++;
    over_by_reply(connection, event == REFUSED ? CAMPAIGND_REJECTED : CAMPAIGND_DEFERRED);
    if (event == LEAVING)
        close_now(connection);
    else
        become_idle(connection, event);
}

static void unknown(struct connection *connection, enum event event)
{
    over(connection, CAMPAIGND_UNKNOWN, 0, NULL,
         "%s: %s after the message was complete: it may have arrived", connection->settings->server,
         event_text(event));
    close_failed(connection, event_text(event));
}

/* ---- the table ---- */

typedef void transition(struct connection *connection, enum event event);

/* For what a row does not name: a reply that has no place there. */
static transition *const out_of_place[STATE_COUNT] = {
    [GREETING] = greeting_fails, [IDLE] = end_quietly,  [MAIL] = deferred,
    [RCPT] = deferred,           [DATA] = deferred,     [BODY] = deferred,
    [BEGIN] = abandon,           [RELEASE] = deferred,  [DOT] = unknown,
    [DRAIN] = end_quietly,       [RESET] = end_quietly, [QUITTING] = end_quietly,
};

static transition *const table[STATE_COUNT][EVENT_COUNT] = {
    [GREETING] = {[OK] = greeting_answered, [REFUSED] = greeting_answered},
    [IDLE] = {[TIMEOUT] = idle_timeout},
    [MAIL] = {[OK] = mail_accepted,
              [LATER] = transaction_refused,
              [REFUSED] = transaction_refused,
              [LEAVING] = stale,
              [LOST] = stale,
              [CANCEL] = give_back},
    [RCPT] = {[OK] = recipient_accepted,
              [LATER] = transaction_refused,
              [REFUSED] = transaction_refused,
              [LEAVING] = deferred_by_reply,
              [CANCEL] = give_back},
    [DATA] = {[GO_ON] = send_body,
              [LATER] = transaction_refused,
              [REFUSED] = transaction_refused,
              [LEAVING] = deferred_by_reply,
              [CANCEL] = give_back},
    [BODY] = {[SENT] = ask_begin,
              [LATER] = body_interrupted,
              [REFUSED] = body_interrupted,
              [LEAVING] = deferred_by_reply,
              [CANCEL] = give_back},
    [BEGIN] = {[BEGUN] = release_end, [NOT_BEGUN] = give_back},
    [RELEASE] =
        {[LATER] = body_interrupted, [REFUSED] = body_interrupted, [LEAVING] = deferred_by_reply},
    [DOT] = {[OK] = delivered,
             [LATER] = message_refused,
             [REFUSED] = message_refused,
             [LEAVING] = message_refused},
    [ABANDONED] = {[BEGUN] = abandoned_answered, [NOT_BEGUN] = abandoned_answered},
    [DRAIN] = {[OK] = drained, [LATER] = drained, [REFUSED] = drained},
    [RESET] = {[OK] = transaction_reset},
};

static void ignore(struct connection *connection, enum event event)
{
    (void)connection, (void)event;
}

static void dispatch(struct connection *connection, enum event event)
{
    transition *row = table[connection->state][event];
    if (!row && event < SENT)
        row = out_of_place[connection->state];
    (row ? row : ignore)(connection, event);
}

/* ---- what the owner calls ---- */

struct connection *connection_new(const struct campaignd_host *host,
                                  const struct email_settings *settings, struct dialer *dialer,
                                  const struct connection_owner *owner)
{
    struct connection *connection = g_new0(struct connection, 1);
    connection->host = host;
    connection->settings = settings;
    connection->owner = owner;
    connection->timer = host->timer(-1, on_timeout, connection);
    connection->dial = connection->timer ? dialer_dial(dialer, on_dialled, connection) : NULL;
    if (!connection->dial) {
        if (connection->timer)
            host->timer_end(connection->timer);
        g_free(connection);
        return NULL;
    }
    connection->command = g_string_sized_new(1024);
    return connection;
}

/* A message that the server has said it will not take is not offered. */
static int too_large(const struct connection *connection, const struct delivery *delivery)
{
    return connection->offers.size_max > 0 && delivery->wire->len > connection->offers.size_max;
}

void connection_send(struct connection *connection, struct delivery *delivery)
{
    enter(connection);
    connection->delivery = delivery;
    if (too_large(connection, delivery))
        over(connection, CAMPAIGND_REJECTED, 552, NULL,
             "the message has %u bytes, and %s takes at most %lld", delivery->wire->len,
             connection->settings->server, (long long)connection->offers.size_max);
    else
        say_mail(connection);
    if (connection->state == IDLE)
        become_idle(connection, OK);
    leave(connection);
}

int connection_cancel(struct connection *connection, campaignd_task task)
{
    if (!connection->delivery || connection->delivery->task != task)
        return 0;
    enter(connection);
    dispatch(connection, CANCEL);
    leave(connection);
    return 1;
}

void connection_close(struct connection *connection)
{
    enter(connection);
    if (connection->state == IDLE) {
        size_t taken;
        curl_easy_send(dial_handle(connection->dial), "QUIT\r\n", 6, &taken);
    }
    if (connection->state != CLOSED)
        close_now(connection);
    leave(connection);
}
