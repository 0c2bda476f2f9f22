/*
 * What went wrong, for the caller who can help.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and fills a struct error that its
 * caller owns. The message says what happened, to which thing, and what to do next; it never holds
 * a secret. Nobody prints and returns.
 */
#ifndef CAMPAIGND_BASE_ERROR_H
#define CAMPAIGND_BASE_ERROR_H

enum error_code {
    ERROR_NONE = 0,
    ERROR_INPUT,     /* what a person or program gave us is wrong: HTTP 400/422, exit 1 */
    ERROR_NOT_FOUND, /* the thing named is not there: 404 */
    ERROR_CONFLICT,  /* not in this state, or somebody was faster: 409 */
    ERROR_DENIED,    /* not allowed: 403 */
    ERROR_BUSY,      /* try again later: 503 */
    ERROR_SYSTEM,    /* the machine refused: disk full, no memory, no such file: 500 */
    ERROR_INTERNAL,  /* a defect of ours: 500 */
};

struct error {
    enum error_code code;
    char message[1024]; /* UTF-8, one line, cut at a character's end */
    char german[1024];  /* the same for a clerk who reads German; "": there is only `message` */
};

/* Fill `error` (which may be NULL) and return -1, so that `return error_set(...)` reads well. */
int error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same in both languages, for what clerks see; both formats take the same arguments in the same
 * order. */
int error_say(struct error *error, enum error_code code, const char *english, const char *german,
              ...) __attribute__((format(printf, 3, 5), format(printf, 4, 5)));

/* As error_set, followed by ": " and strerror(error_number); the code is ERROR_SYSTEM. */
int error_errno(struct error *error, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put words in front of the message, in either language: "campaign »X«: " + what is there. Returns
 * -1. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "input", "not-found", … for programs; stable names. */
const char *error_name(enum error_code code);

#endif
