/* systemd's notify protocol (sd_notify(3)): one datagram to $NOTIFY_SOCKET; nothing happens where
 * there is none. */
#ifndef CAMPAIGND_DAEMON_NOTIFY_H
#define CAMPAIGND_DAEMON_NOTIFY_H

#include <stdint.h>

/* Assignments separated by newlines: "READY=1\nSTATUS=…". */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "RELOADING=1" with the monotonic time that systemd wants beside it. */
void notify_reloading(void);

/* How often systemd wants to hear WATCHDOG=1, halved; 0: never. */
int64_t notify_watchdog_ms(void);

/* Forget the socket, so that children do not speak for us. */
void notify_forget(void);

#endif
