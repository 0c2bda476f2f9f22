#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

__attribute__((format(printf, 3, 0))) static void fill(struct error *error, enum error_code code,
                                                       const char *format, va_list arguments)
{
    error->code = code;
    int length = vsnprintf(error->message, sizeof error->message, format, arguments);
    if (length >= (int)sizeof error->message)
        text_cut_utf8(error->message, sizeof error->message - 1);
    for (char *c = error->message; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
    if (!error)
        return -1;
    va_list arguments;
    va_start(arguments, format);
    fill(error, code, format, arguments);
    va_end(arguments);
    return -1;
}

int error_errno(struct error *error, int error_number, const char *format, ...)
{
    if (!error)
        return -1;
    struct error what;
    va_list arguments;
    va_start(arguments, format);
    fill(&what, ERROR_SYSTEM, format, arguments);
    va_end(arguments);
    return error_set(error, ERROR_SYSTEM, "%s: %s", what.message, strerror(error_number));
}

int error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return -1;
    struct error what;
    va_list arguments;
    va_start(arguments, format);
    fill(&what, error->code, format, arguments);
    va_end(arguments);
    char message[sizeof error->message];
    memcpy(message, error->message, sizeof message);
    return error_set(error, error->code, "%s%s", what.message, message);
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
