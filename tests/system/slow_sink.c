/*
 * A mail server that takes everything and answers each final dot after a delay: so lean that a test of speed measures the sender.
 *
 *     slow_sink DELAY_MS PORT     PORT 0: any; prints it; on SIGTERM: how many dots it answered, and the seconds from the first to the last
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 1024 /* by descriptor */

struct client {
    char line[1024];
    size_t length;
    int in_message;
    int matched; /* of "\r\n.\r\n" */
    double due;  /* when its dot is answered; 0: none is open */
};

static struct client clients[CLIENTS];
static double delay, first, last;
static long answered;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        close(fd);
}

static void on_command(int fd, struct client *client)
{
    if (strncasecmp(client->line, "EHLO", 4) == 0)
        say(fd, "250-sink.test\r\n250 PIPELINING\r\n");
    else if (strncasecmp(client->line, "DATA", 4) == 0) {
        client->in_message = 1;
        client->matched = 2; /* a dot on the first line counts, too */
        say(fd, "354 go on\r\n");
    } else if (strncasecmp(client->line, "QUIT", 4) == 0) {
        say(fd, "221 bye\r\n");
        close(fd);
    } else
        say(fd, "250 ok\r\n");
}

static void on_byte(int fd, struct client *client, char byte)
{
    static const char end[] = "\r\n.\r\n";
    if (client->in_message) {
        client->matched = byte == end[client->matched] ? client->matched + 1 : byte == '\r';
        if (client->matched < 5)
            return;
        client->in_message = 0;
        client->due = now() + delay;
    } else if (byte == '\n') {
        client->line[client->length] = '\0';
        client->length = 0;
        on_command(fd, client);
    } else if (client->length < sizeof client->line - 1)
        client->line[client->length++] = byte;
}

/* Answer the dots that are due; returns how many milliseconds it is to the next. */
static int answer_dots(void)
{
    double next = now() + 1;
    for (int fd = 0; fd < CLIENTS; fd++) {
        if (!clients[fd].due)
            continue;
        if (clients[fd].due > now()) {
            next = clients[fd].due < next ? clients[fd].due : next;
            continue;
        }
        clients[fd].due = 0;
        last = now();
        first = answered++ ? first : last;
        say(fd, "250 2.0.0 Ok: queued as SLOW\r\n");
    }
    int wait_ms = (int)((next - now()) * 1000);
    return wait_ms > 0 ? wait_ms : 0;
}

static void on_input(int fd)
{
    char bytes[65536];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        clients[fd] = (struct client){0};
        close(fd);
    }
    for (ssize_t i = 0; i < got; i++)
        on_byte(fd, &clients[fd], bytes[i]);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void on_client(int epoll, int listener)
{
    int fd = accept(listener, NULL, NULL), one = 1;
    if (fd < 0 || fd >= CLIENTS)
        exit(1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    clients[fd] = (struct client){0};
    watch(epoll, fd);
    say(fd, "220 sink.test ESMTP\r\n");
}

static int listen_at(uint16_t port)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 512) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        exit(1);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments)
{
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    if (count != 3)
        return 2;
    delay = strtod(arguments[1], NULL) / 1000;
    int epoll = epoll_create1(0), listener = listen_at((uint16_t)strtoul(arguments[2], NULL, 10));
    int signals = signalfd(-1, &end, 0);
    watch(epoll, listener);
    watch(epoll, signals);
    for (int ended = 0; !ended;) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, answer_dots());
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == signals)
                ended = 1;
            else if (events[i].data.fd == listener)
                on_client(epoll, listener);
            else
                on_input(events[i].data.fd);
        }
    }
    printf("%ld %.6f\n", answered, last - first);
    return 0;
}
