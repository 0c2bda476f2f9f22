#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define COMMAND_WIDTH 38

char *help_usage(const struct command *command)
{
    return memory_format("campaignctl %s%s%s%s%s", command->noun, command->verb ? " " : "",
                         command->verb ? command->verb : "", *command->arguments ? " " : "",
                         command->arguments);
}

static void heading(enum message id)
{
    printf("\n%s%s%s\n", table_colour(COLOUR_BOLD), message(id), table_colour_end());
}

/* "-o, --output FILE"; the caller frees. */
static char *option_usage(const struct option_row *row)
{
    char letter[8] = "    ";
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    return memory_format("%s%s%s%s", letter, row->name, row->value ? " " : "",
                         row->value ? row->value : "");
}

static void print_options(unsigned flags)
{
    size_t width = 0;
    for (const struct option_row *row = option_rows; row->name; row++) {
        FREE_CLEAN char *usage = option_usage(row);
        if (row->flag & flags && strlen(usage) > width)
            width = strlen(usage);
    }
    for (const struct option_row *row = option_rows; row->name; row++) {
        FREE_CLEAN char *usage = option_usage(row);
        if (row->flag & flags)
            printf("  %-*s  %s\n", (int)width, usage, message(row->help));
    }
}

static void print_overview(void)
{
    say(MESSAGE_USAGE, "campaignctl [--json] COMMAND …");
    puts(message(MESSAGE_ABOUT));
    heading(MESSAGE_COMMANDS);
    for (const struct command *command = commands; command->noun; command++) {
        FREE_CLEAN char *usage = help_usage(command);
        printf("  %-*s  %s\n", COMMAND_WIDTH, usage + strlen("campaignctl "),
               message(command->help));
    }
    heading(MESSAGE_GLOBAL_OPTIONS);
    print_options(OPTION_GLOBAL);
    putchar('\n');
    puts(message(MESSAGE_HELP_MORE));
}

void help_print(const struct command *command)
{
    if (!command) {
        print_overview();
        return;
    }
    FREE_CLEAN char *usage = help_usage(command);
    say(MESSAGE_USAGE, usage);
    puts(message(command->help));
    if (command->options) {
        heading(MESSAGE_OPTIONS);
        print_options(command->options);
    }
    heading(MESSAGE_GLOBAL_OPTIONS);
    print_options(OPTION_GLOBAL);
}

/* ---- completion ---- */

static void complete_options(const struct command *command)
{
    unsigned flags = OPTION_GLOBAL | (command ? command->options : 0);
    for (const struct option_row *row = option_rows; row->name; row++)
        if (row->flag & flags)
            puts(row->name);
}

/* Nouns, or the verbs of the noun that is there. */
static void complete_command(const char *noun)
{
    const char *last = "";
    for (const struct command *command = commands; command->noun; command++) {
        if (!noun && !text_equal(last, command->noun))
            puts(command->noun);
        else if (noun && command->verb && text_equal(noun, command->noun))
            puts(command->verb);
        last = command->noun;
    }
}

/* Names or numbers that the daemon knows; nothing if it cannot be asked. */
static int complete_names(struct invocation *invocation, const struct command *command)
{
    static const struct {
        const char *argument;
        const char *collection;
        const char *key;
    } sources[] = {{"CAMPAIGN", "campaigns", "name"}, {"QUERY", "queries", "name"},
                   {"REPORT", "reports", "name"},     {"CATEGORY", "categories", "name"},
                   {"PATTERN", "patterns", "name"},   {"SOURCE", "sources", "name"},
                   {"RUN", "runs", "number"}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        size_t size = strcspn(command->arguments, " /");
        if (strlen(sources[i].argument) != size ||
            strncmp(command->arguments, sources[i].argument, size))
            continue;
        REPLY_CLEAN struct reply reply = {0};
        invocation->command = command;
        if (client_call(invocation, "GET", sources[i].collection, NULL, &reply))
            return EXIT_OK;
        for (size_t row = 0; row < json_array_size(reply.json); row++) {
            json_t *value = json_object_get(json_array_get(reply.json, row), sources[i].key);
            FREE_CLEAN char *text =
                json_is_integer(value)
                    ? memory_format("%lld", (long long)json_integer_value(value))
                    : table_clean(json_is_string(value) ? json_string_value(value) : "", false);
            puts(text);
        }
    }
    return EXIT_OK;
}

int help_complete(struct invocation *invocation, const char *const *words, size_t count)
{
    const char *current = count ? words[count - 1] : "";
    const char *plain[3] = {NULL};
    size_t plain_count = 0;
    for (size_t i = 0; count && i < count - 1 && plain_count < 3; i++)
        if (words[i][0] != '-')
            plain[plain_count++] = words[i];
    const struct command *command = commands;
    while (command->noun && !(plain_count && text_equal(command->noun, plain[0]) &&
                              (!command->verb || text_equal(command->verb, plain[1]))))
        command++;
    const struct command *found = command->noun ? command : NULL;
    if (*current == '-')
        complete_options(found);
    else if (!found && plain_count < 2)
        complete_command(plain[0]);
    else if (found && plain_count == (found->verb ? 2 : 1))
        return complete_names(invocation, found);
    return EXIT_OK;
}
