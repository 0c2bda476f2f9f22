/*
 * What the commands of campaignctl share: one invocation with its options, and how it may end.
 *
 * A command returns one of the exit codes below; for all but 0 it may leave one line in
 * `invocation->failure`, which main prints behind "campaignctl: ". Out of memory ends the process.
 */
#ifndef CAMPAIGND_CTL_CTL_H
#define CAMPAIGND_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ctl/messages.h"

/* Documented in campaignctl(1); stable. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_WRONG = 1, /* refused, the check found problems, verify found faults */
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_UNREACHABLE = 4,
    EXIT_CONFLICT = 5,
    EXIT_DENIED = 6,
    EXIT_RUN_FAILED = 7, /* the run ended with rejected or unknown ones, or not at all */
    EXIT_INTERRUPTED = 130
};

struct command;
struct client;

/* What an option that may come several times was given, in its order. */
struct given_texts {
    const char **items; /* owned array, NULL until the first */
    size_t count;
};

struct invocation {
    const struct command *command;
    struct client *client;
    bool json;
    const char **words;           /* owned: the command line without its options */
    const char *const *arguments; /* into words, NULL-ended */
    size_t argument_count;
    /* What the options say (options.c); NULL, none or false: not given. */
    struct given_texts sets, parameters, take_in, take_out;
    const char *file, *output, *step, *run, *recipient, *limit, *outcome;
    const char *query, *distributor, *group, *event;
    const char *format, *separator, *encoding, *table;
    const char *filter, *sample;
    const char *value, *channel, *scope, *campaign, *reason, *note;
    bool watch, force, yes, save, fresh, left_out, formula_guard, byte_order_mark, person, dry_run;
    char *failure; /* owned; NULL: nothing (more) to say */
};

/* Put `text` (now owned) in as the failure. Returns `code`. */
int fail_with(struct invocation *invocation, int code, char *text);
/* The same with an error, in the language of the output. */
int fail_error(struct invocation *invocation, int code, const struct error *error);
/* The same with a message and the texts that are put into it. */
#define fail(invocation, code, ...)                                                                \
    fail_with(invocation, code, message_with(__VA_ARGS__, (char *)NULL))

/* Print a message with its texts put in, and a line's end, to standard output. */
#define say(...) say_text(message_with(__VA_ARGS__, (char *)NULL))
void say_text(char *text); /* frees it */

/* A question on the terminal, answered with yes or no; `preset` is what Enter alone means. The
 * question is freed. False if there is no terminal. */
bool confirm(char *question, bool preset);

#endif
