#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* One line, cut at a character's end; what a database says may be in any encoding. */
__attribute__((format(printf, 2, 0))) static void fill(
    char message[sizeof((struct error *)0)->message], const char *format, va_list arguments)
{
    size_t size = sizeof((struct error *)0)->message;
    if (vsnprintf(message, size, format, arguments) >= (int)size)
        text_cut_utf8(message, size - 1);
    text_mend_utf8(message);
    for (char *c = message; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
    if (!error)
        return -1;
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    error->german[0] = '\0';
    fill(error->message, format, arguments);
    va_end(arguments);
    return -1;
}

int error_say(struct error *error, enum error_code code, const char *english, const char *german,
              ...)
{
    if (!error)
        return -1;
    va_list arguments;
    error->code = code;
    va_start(arguments, german);
    fill(error->message, english, arguments);
    va_end(arguments);
    va_start(arguments, german);
    fill(error->german, german, arguments);
    va_end(arguments);
    return -1;
}

int error_errno(struct error *error, int error_number, const char *format, ...)
{
    if (!error)
        return -1;
    char what[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    fill(what, format, arguments);
    va_end(arguments);
    return error_set(error, ERROR_SYSTEM, "%s: %s", what, strerror(error_number));
}

static void prepend(char message[sizeof((struct error *)0)->message], const char *what)
{
    size_t size = sizeof((struct error *)0)->message;
    char rest[sizeof((struct error *)0)->message];
    memcpy(rest, message, size);
    if (snprintf(message, size, "%s%s", what, rest) >= (int)size)
        text_cut_utf8(message, size - 1);
}

int error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return -1;
    char what[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    fill(what, format, arguments);
    va_end(arguments);
    prepend(error->message, what);
    if (*error->german)
        prepend(error->german, what);
    return -1;
}

const char *error_name(enum error_code code)
{
    static const char *const names[] = {
        [ERROR_NONE] = "none",           [ERROR_INPUT] = "input",
        [ERROR_NOT_FOUND] = "not-found", [ERROR_CONFLICT] = "conflict",
        [ERROR_DENIED] = "denied",       [ERROR_BUSY] = "busy",
        [ERROR_SYSTEM] = "system",       [ERROR_INTERNAL] = "internal",
    };
    return (size_t)code < sizeof names / sizeof *names ? names[code] : "internal";
}
