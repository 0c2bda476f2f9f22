/*
 * The log: one line a message to standard error, in English, for the admin. Under systemd
 * (JOURNAL_STREAM is set) a line begins with its priority, "<6>", as sd-daemon(3) says, and carries
 * no time; elsewhere with the time and the level's name. Thread-safe. Control characters of what is
 * logged are escaped, so that no recipient's name can forge a line.
 */
#ifndef CAMPAIGND_BASE_LOG_H
#define CAMPAIGND_BASE_LOG_H

/* syslog(3)'s priorities. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* `name` is put before every message of this process ("worker print.3"); NULL for the core. Kept by
 * reference. */
void log_open(const char *name);
void log_set_level(
    enum log_level level); /* more talkative levels are dropped; the default is LOG_LEVEL_INFO */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
