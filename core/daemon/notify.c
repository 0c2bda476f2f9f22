#include "daemon/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

static struct sockaddr_un address;
static socklen_t address_size;
static int64_t watchdog_ms;

static void look_at_environment(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    const char *watchdog_us = getenv("WATCHDOG_USEC");
    int64_t us;
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path)
        return;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, strlen(path));
    if (*path == '@')
        address.sun_path[0] = '\0';
    address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (watchdog_us && text_to_int64(watchdog_us, &us) == 0 && us > 0)
        watchdog_ms = us / 2000;
}

void notify_forget(void)
{
    look_at_environment();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_send(const char *format, ...)
{
    if (!address_size)
        return;
    BUFFER_CLEAN struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    FD_CLEAN int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || sendto(fd, text.data, text.size, MSG_NOSIGNAL, (struct sockaddr *)&address,
                         address_size) < 0)
        log_debug("the service manager did not take a message");
}

void notify_reloading(void)
{
    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
}

int64_t notify_watchdog_ms(void)
{
    return watchdog_ms;
}
