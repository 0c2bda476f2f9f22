/* The table of commands: dispatch, help and completion all come from it. */
#ifndef CAMPAIGND_CTL_COMMAND_H
#define CAMPAIGND_CTL_COMMAND_H

#include <jansson.h>

#include "base/buffer.h"
#include "ctl/ctl.h"

#define OPTION_SET 1u
#define OPTION_FILE 2u
#define OPTION_WATCH 4u
#define OPTION_FORCE 8u
#define OPTION_YES 16u
#define OPTION_STEP 32u
#define OPTION_OUTPUT 64u
#define OPTION_RUN 128u
#define OPTION_RECIPIENT 256u
#define OPTION_LIMIT 512u
#define OPTION_GLOBAL 1024u
#define OPTION_OUTCOME 2048u

struct command {
    const char *noun;
    const char *verb;      /* NULL: the noun is the command */
    const char *arguments; /* as help shows them */
    size_t minimum, maximum;
    unsigned options;
    enum message help;
    int (*run)(struct invocation *invocation);
};

/* main.c */
extern const struct command commands[]; /* ended by a NULL noun */

/* help.c: `command` NULL is the overview. */
void help_print(const struct command *command);
char *help_usage(const struct command *command); /* "campaignctl campaign show CAMPAIGN" */
/* What can stand next on the command line `words`, one a line, for the shell. */
int help_complete(struct invocation *invocation, const char *const *words, size_t count);

struct option_row {
    const char *name;  /* "--output" */
    char letter;       /* 'o', or 0 */
    const char *value; /* "FILE", or NULL if it takes none */
    unsigned flag;
    enum message help;
};
extern const struct option_row option_rows[]; /* options.c; ended by a NULL name */

/* options.c: take `arguments` apart. EXIT_OK or EXIT_USAGE; *command is NULL if none is named.
 * `invocation` owns its arrays. */
struct globals {
    const char *socket;
    bool help, version;
};
int options_parse(int count, char **arguments, struct invocation *invocation,
                  struct globals *globals);

/* documents.c; the noun of the command is the kind */
int documents_list(struct invocation *invocation);
int documents_show(struct invocation *invocation);
int documents_new(struct invocation *invocation);
int documents_edit(struct invocation *invocation);
int documents_delete(struct invocation *invocation);

/* campaigns.c */
int campaigns_check(struct invocation *invocation);
int campaigns_start(struct invocation *invocation);
int campaigns_preview(struct invocation *invocation);
int queries_run(struct invocation *invocation);

/* runs.c; the verb of the command is the API's */
int runs_list(struct invocation *invocation);
int runs_show(struct invocation *invocation);
int runs_tasks(struct invocation *invocation);
int runs_change(struct invocation *invocation);
int runs_watch(struct invocation *invocation);
int runs_watch_number(struct invocation *invocation, int64_t number);

/* archive.c */
int archive_list(struct invocation *invocation);
int archive_get(struct invocation *invocation);
int archive_verify(struct invocation *invocation);

/* site.c */
int site_status(struct invocation *invocation);
int site_plugins(struct invocation *invocation);
int site_problems(struct invocation *invocation);
int site_reload(struct invocation *invocation);

/* ---- what commands share (shared.c) ---- */

void print_json(const json_t *json);
/* "key  value" lines for the scalar members of an object, in its order. */
void print_members(const json_t *object, const char *const *left_out);
/* A table of an array of objects. */
void print_objects(const json_t *array, const char *const *keys);
/* Append "?name=value" or "&name=value" to a path, if there is a value. */
void add_parameter(struct buffer *path, const char *name, const char *value);
int parse_number(struct invocation *invocation, const char *text, int64_t *number);
/* Make a name harmless as a file's: no folders, no control characters, not hidden. */
void command_safe_file_name(char *name);
/* Write bytes to `path`, or into the folder `path` as `name`; "-" is standard output. NULL: as
 * `name` here, which must be new. Says where, unless that is standard output. */
int save_bytes(struct invocation *invocation, const char *path, const char *name, const void *data,
               size_t size);

#endif
