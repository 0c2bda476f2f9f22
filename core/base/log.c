#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"

static const char *process_name;
static enum log_level threshold = LOG_LEVEL_INFO;
static bool journal;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

void log_open(const char *name)
{
    process_name = name;
    journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

static void escape_controls(struct buffer *line, size_t from)
{
    for (size_t i = from; i < line->size; i++)
        if ((unsigned char)line->data[i] < 0x20 || line->data[i] == 0x7f)
            line->data[i] = ' ';
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level > threshold)
        return;
    BUFFER_CLEAN struct buffer line = {0};
    if (journal) {
        buffer_printf(&line, "<%d>", (int)level);
    } else {
        char time[TEXT_TIME_SIZE];
        text_time(time, clock_now_us());
        buffer_printf(&line, "%s %s: ", time, level_names[level]);
    }
    if (process_name)
        buffer_printf(&line, "%s: ", process_name);
    size_t message = line.size;
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&line, format, arguments);
    va_end(arguments);
    escape_controls(&line, message);
    buffer_char(&line, '\n');
    if (write(STDERR_FILENO, line.data, line.size) < 0)
        return; /* nobody left to tell */
}
