#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/command.h"

#define FIELD(name) offsetof(struct invocation, name)

/* clang-format off */
const struct option_row option_rows[] = {
    {"--set", 0, "KEY=VALUE", OPTION_SET, MESSAGE_OPTION_SET, FIELD(sets), true},
    {"--file", 'f', "FILE", OPTION_FILE, MESSAGE_OPTION_FILE, FIELD(file), false},
    {"--query", 0, "QUERY", OPTION_ORIGIN, MESSAGE_OPTION_QUERY, FIELD(query), false},
    {"--distributor", 0, "REPORT", OPTION_ORIGIN, MESSAGE_OPTION_DISTRIBUTOR, FIELD(distributor), false},
    {"--from-event", 0, "ID", OPTION_ORIGIN, MESSAGE_OPTION_EVENT, FIELD(event), false},
    {"--group", 0, "GROUP", OPTION_GROUP, MESSAGE_OPTION_GROUP, FIELD(group), false},
    {"--parameter", 'p', "NAME=VALUE", OPTION_PARAMETER, MESSAGE_OPTION_PARAMETER, FIELD(parameters), true},
    {"--filter", 0, "CONDITION", OPTION_SELECTION, MESSAGE_OPTION_FILTER, FIELD(filter), false},
    {"--take-out", 0, "KEY", OPTION_SELECTION, MESSAGE_OPTION_TAKE_OUT, FIELD(take_out), true},
    {"--take-in", 0, "KEY", OPTION_SELECTION, MESSAGE_OPTION_TAKE_IN, FIELD(take_in), true},
    {"--sample", 0, "NUMBER", OPTION_SELECTION, MESSAGE_OPTION_SAMPLE, FIELD(sample), false},
    {"--fresh", 0, NULL, OPTION_SELECTION, MESSAGE_OPTION_FRESH, FIELD(fresh), false},
    {"--left-out", 0, NULL, OPTION_SELECTION, MESSAGE_OPTION_LEFT_OUT, FIELD(left_out), false},
    {"--save", 0, NULL, OPTION_SAVE, MESSAGE_OPTION_SAVE, FIELD(save), false},
    {"--format", 0, "csv|jsonl|table", OPTION_LISTING, MESSAGE_OPTION_FORMAT, FIELD(format), false},
    {"--formula-guard", 0, NULL, OPTION_LISTING, MESSAGE_OPTION_FORMULA_GUARD, FIELD(formula_guard), false},
    {"--bom", 0, NULL, OPTION_LISTING, MESSAGE_OPTION_BOM, FIELD(byte_order_mark), false},
    {"--separator", 0, "C", OPTION_LISTING | OPTION_CSV, MESSAGE_OPTION_SEPARATOR, FIELD(separator), false},
    {"--encoding", 0, "NAME", OPTION_CSV, MESSAGE_OPTION_ENCODING, FIELD(encoding), false},
    {"--table", 0, "TABLE", OPTION_CSV, MESSAGE_OPTION_TABLE, FIELD(table), false},
    {"--person", 0, NULL, OPTION_SUPPRESSION, MESSAGE_OPTION_PERSON, FIELD(person), false},
    {"--channel", 0, "email|sms|letter|any", OPTION_SUPPRESSION, MESSAGE_OPTION_CHANNEL, FIELD(channel), false},
    {"--scope", 0, "campaign|advertising|all", OPTION_SUPPRESSION, MESSAGE_OPTION_SCOPE, FIELD(scope), false},
    {"--campaign", 0, "CAMPAIGN", OPTION_SUPPRESSION, MESSAGE_OPTION_CAMPAIGN, FIELD(campaign), false},
    {"--reason", 0, "REASON", OPTION_SUPPRESSION, MESSAGE_OPTION_REASON, FIELD(reason), false},
    {"--note", 0, "TEXT", OPTION_SUPPRESSION, MESSAGE_OPTION_NOTE, FIELD(note), false},
    {"--value", 0, "VALUE", OPTION_VALUE, MESSAGE_OPTION_VALUE, FIELD(value), false},
    {"--dry-run", 0, NULL, OPTION_DRY_RUN, MESSAGE_OPTION_DRY_RUN, FIELD(dry_run), false},
    {"--watch", 'w', NULL, OPTION_WATCH, MESSAGE_OPTION_WATCH, FIELD(watch), false},
    {"--force", 0, NULL, OPTION_FORCE, MESSAGE_OPTION_FORCE, FIELD(force), false},
    {"--yes", 'y', NULL, OPTION_YES, MESSAGE_OPTION_YES, FIELD(yes), false},
    {"--step", 0, "NAME", OPTION_STEP, MESSAGE_OPTION_STEP, FIELD(step), false},
    {"--output", 'o', "FILE", OPTION_OUTPUT, MESSAGE_OPTION_OUTPUT, FIELD(output), false},
    {"--run", 0, "NUMBER", OPTION_RUN, MESSAGE_OPTION_RUN, FIELD(run), false},
    {"--recipient", 0, "KEY", OPTION_RECIPIENT, MESSAGE_OPTION_RECIPIENT, FIELD(recipient), false},
    {"--outcome", 0, "OUTCOME", OPTION_OUTCOME, MESSAGE_OPTION_OUTCOME, FIELD(outcome), false},
    {"--limit", 'n', "NUMBER", OPTION_LIMIT, MESSAGE_OPTION_LIMIT, FIELD(limit), false},
    {"--socket", 0, "PATH", OPTION_GLOBAL, MESSAGE_OPTION_SOCKET, 0, false},
    {"--json", 0, NULL, OPTION_GLOBAL, MESSAGE_OPTION_JSON, 0, false},
    {"--lang", 0, "de|en", OPTION_GLOBAL, MESSAGE_OPTION_LANG, 0, false},
    {"--help", 'h', NULL, OPTION_GLOBAL, MESSAGE_OPTION_HELP, 0, false},
    {"--version", 0, NULL, OPTION_GLOBAL, MESSAGE_OPTION_VERSION, 0, false},
    {NULL, 0, NULL, 0, MESSAGE_COUNT, 0, false},
};
/* clang-format on */

/* What the command line says, in its order, before it is known which command it is for. */
struct given {
    const struct option_row *row;
    const char *value;
};

struct line {
    struct given *given;
    size_t given_count;
    const char **words;
    size_t word_count;
};

static const struct option_row *find_option(const char *text, const char **value)
{
    for (const struct option_row *row = option_rows; row->name; row++) {
        size_t size = strlen(row->name);
        *value = NULL;
        if (text[1] != '-' && row->letter == text[1]) {
            *value = text[2] ? text + 2 : NULL;
            return row;
        }
        if (!strncmp(text, row->name, size) && (!text[size] || text[size] == '=')) {
            *value = text[size] ? text + size + 1 : NULL;
            return row;
        }
    }
    return NULL;
}

static const char *command_name(const struct invocation *invocation)
{
    static char name[64];
    const struct command *command = invocation->command;
    if (!command)
        return "";
    snprintf(name, sizeof name, " %s", command->noun);
    if (command->verb) {
        strncat(name, " ", sizeof name - strlen(name) - 1);
        strncat(name, command->verb, sizeof name - strlen(name) - 1);
    }
    return name;
}

/* One option at arguments[*at]; its value may be the next argument. */
static int take_option(struct invocation *invocation, int count, char **arguments, int *at,
                       struct line *line)
{
    const char *text = arguments[*at], *value;
    const struct option_row *row = find_option(text, &value);
    if (!row || (value && !row->value))
        return fail(invocation, EXIT_USAGE, MESSAGE_BAD_OPTION, text, command_name(invocation));
    if (row->value && !value) {
        if (*at + 1 >= count)
            return fail(invocation, EXIT_USAGE, MESSAGE_OPTION_NEEDS_VALUE, text);
        value = arguments[++*at];
    }
    line->given[line->given_count++] = (struct given){row, value};
    return EXIT_OK;
}

static int set_global(const struct given *given, struct invocation *invocation,
                      struct globals *globals)
{
    const char *name = given->row->name;
    if (text_equal(name, "--socket"))
        globals->socket = given->value;
    else if (text_equal(name, "--json"))
        invocation->json = true;
    else if (text_equal(name, "--help"))
        globals->help = true;
    else if (text_equal(name, "--version"))
        globals->version = true;
    else if (text_equal(given->value, "de"))
        messages_set_language(LANGUAGE_GERMAN);
    else if (text_equal(given->value, "en"))
        messages_set_language(LANGUAGE_ENGLISH);
    else
        return fail(invocation, EXIT_USAGE, MESSAGE_BAD_LANGUAGE, given->value);
    return EXIT_OK;
}

static void add_text(struct given_texts *texts, const char *text)
{
    texts->items = memory_resize(texts->items, (texts->count + 1) * sizeof *texts->items);
    texts->items[texts->count++] = text;
}

static void set_option(const struct given *given, struct invocation *invocation)
{
    void *field = (char *)invocation + given->row->field;
    if (given->row->several)
        add_text(field, given->value);
    else if (given->row->value)
        *(const char **)field = given->value;
    else
        *(bool *)field = true;
}

/* The verbs that a noun has, as a sentence lists them; empty: it is no noun. */
static void list_verbs(const char *noun, struct buffer *verbs)
{
    for (const struct command *command = commands; command->noun; command++)
        if (command->verb && text_equal(command->noun, noun))
            buffer_printf(verbs, "%s%s", verbs->size ? ", " : "", command->verb);
}

static int find_command(struct invocation *invocation, const struct line *line)
{
    if (!line->word_count)
        return EXIT_OK;
    for (const struct command *command = commands; command->noun; command++) {
        size_t words = command->verb ? 2 : 1;
        if (line->word_count < words || !text_equal(command->noun, line->words[0]) ||
            (command->verb && !text_equal(command->verb, line->words[1])))
            continue;
        invocation->command = command;
        invocation->arguments = line->words + words;
        invocation->argument_count = line->word_count - words;
        return EXIT_OK;
    }
    BUFFER_CLEAN struct buffer verbs = {0};
    list_verbs(line->words[0], &verbs);
    if (verbs.size)
        return fail(invocation, EXIT_USAGE, MESSAGE_BAD_VERB, line->words[0],
                    buffer_string(&verbs));
    FREE_CLEAN char *both = memory_format("%s%s%s", line->words[0], line->word_count > 1 ? " " : "",
                                          line->word_count > 1 ? line->words[1] : "");
    return fail(invocation, EXIT_USAGE, MESSAGE_BAD_COMMAND, both);
}

static int apply_globals(struct invocation *invocation, const struct line *line,
                         struct globals *globals)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < line->given_count && !code; i++)
        if (line->given[i].row->flag == OPTION_GLOBAL)
            code = set_global(&line->given[i], invocation, globals);
    return code;
}

static int apply(struct invocation *invocation, const struct line *line)
{
    for (size_t i = 0; i < line->given_count; i++) {
        const struct given *given = &line->given[i];
        if (given->row->flag == OPTION_GLOBAL)
            continue;
        if (!invocation->command || !(invocation->command->options & given->row->flag))
            return fail(invocation, EXIT_USAGE, MESSAGE_BAD_OPTION, given->row->name,
                        command_name(invocation));
        set_option(given, invocation);
    }
    return EXIT_OK;
}

static int check_arguments(struct invocation *invocation, const struct globals *globals)
{
    const struct command *command = invocation->command;
    if (!command || globals->help || globals->version ||
        (invocation->argument_count >= command->minimum &&
         invocation->argument_count <= command->maximum))
        return EXIT_OK;
    FREE_CLEAN char *usage = help_usage(command);
    return fail(invocation, EXIT_USAGE, MESSAGE_BAD_ARGUMENTS, usage);
}

int options_parse(int count, char **arguments, struct invocation *invocation,
                  struct globals *globals)
{
    struct line line = {.given = memory_array((size_t)count + 1, sizeof *line.given),
                        .words = memory_array((size_t)count + 1, sizeof *line.words)};
    invocation->words = line.words;
    int code = EXIT_OK;
    bool only_words = false;
    for (int i = 1; i < count && !code; i++) {
        if (!only_words && text_equal(arguments[i], "--"))
            only_words = true;
        else if (!only_words && arguments[i][0] == '-' && arguments[i][1])
            code = take_option(invocation, count, arguments, &i, &line);
        else
            line.words[line.word_count++] = arguments[i];
    }
    /* The language comes first, so that whatever is wrong is said in it. */
    if (!code)
        code = apply_globals(invocation, &line, globals);
    if (!code)
        code = find_command(invocation, &line);
    if (!code)
        code = apply(invocation, &line);
    if (!code)
        code = check_arguments(invocation, globals);
    free(line.given);
    return code;
}
