/* The table of commands: dispatch, help and completion all come from it. */
#ifndef CAMPAIGND_CTL_COMMAND_H
#define CAMPAIGND_CTL_COMMAND_H

#include <jansson.h>

#include "base/buffer.h"
#include "ctl/client.h"
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
#define OPTION_GROUP 4096u
#define OPTION_PARAMETER 8192u
#define OPTION_SAVE 16384u
#define OPTION_LISTING 32768u /* how a list is written */
#define OPTION_ORIGIN 65536u  /* where a new campaign's recipients come from */
#define OPTION_SELECTION 131072u
#define OPTION_CSV 262144u /* how a CSV file is read */
#define OPTION_VALUE 524288u
#define OPTION_SUPPRESSION 1048576u
#define OPTION_DRY_RUN 2097152u

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
    const char *value; /* "FILE", or NULL if it takes none: then its field is a bool */
    unsigned flag;     /* of the commands that take it */
    enum message help;
    size_t field; /* of struct invocation; 0: options.c looks after it */
    bool several; /* its field is a struct given_texts */
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

int documents_new_from(struct invocation *invocation, json_t *document); /* borrowed */

/* campaigns.c */
int campaigns_check(struct invocation *invocation);
int campaigns_start(struct invocation *invocation);
int campaigns_preview(struct invocation *invocation);

/* queries.c */
int queries_run(struct invocation *invocation);
int queries_groups(struct invocation *invocation);
int queries_sql(struct invocation *invocation);
int queries_fields(struct invocation *invocation);
/* What --parameter and --from-event give, as an object; NULL: none. *code says what is wrong. */
json_t *queries_parameters(struct invocation *invocation, int *code);
/* {"group", "parameters"} as the options say; NULL: they are wrong, *code says how. */
json_t *queries_body(struct invocation *invocation, int *code);

/* lists.c */
int lists_export(struct invocation *invocation); /* of a query or a campaign */

/* recipients.c */
int campaigns_new(struct invocation *invocation);
int campaigns_recipients(struct invocation *invocation);
int campaigns_individual(struct invocation *invocation);
int campaigns_compare(struct invocation *invocation);

/* sources.c */
int sources_list(struct invocation *invocation);
int sources_tables(struct invocation *invocation);
int sources_test(struct invocation *invocation);
int sources_import(struct invocation *invocation);
int sources_drop(struct invocation *invocation);

/* suppressions.c */
int suppressions_list(struct invocation *invocation);
int suppressions_add(struct invocation *invocation);
int suppressions_remove(struct invocation *invocation);
int suppressions_import(struct invocation *invocation);
int suppressions_export(struct invocation *invocation);
int suppressions_feed(struct invocation *invocation);

/* exchange.c */
int definitions_export(struct invocation *invocation);
int definitions_import(struct invocation *invocation);
int persons_export(struct invocation *invocation);

/* runs.c; the verb of the command is the API's */
int runs_list(struct invocation *invocation);
int runs_show(struct invocation *invocation);
int runs_tasks(struct invocation *invocation);
int runs_change(struct invocation *invocation);
int runs_confirm(struct invocation *invocation);
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

/* reasons.c: what campaignd wrote in English, in the language of the output. The caller frees. */
char *reason_text(const char *text); /* why somebody was left out, or what became of a task */
char *where_text(const char *where); /* of a problem: "step letter" */
/* In each of these objects, where it is there. */
void translate_members(json_t *objects, const char *key, char *(*translate)(const char *text));

/* ---- what commands share (shared.c) ---- */

void print_json(const json_t *json);
/* POST COLLECTION/NAME/VERB; `body` is taken over. */
int post_to(struct invocation *invocation, const char *collection, const char *name,
            const char *verb, json_t *body, struct reply *reply);
/* Rows under the names of their columns, as the site calls them. */
void print_rows(const json_t *columns, const json_t *rows);
/* "Left out: 3 blocked, 1 without a key." of {"blocked": 3, …}; nothing if there is nobody. */
void print_left_out(const json_t *left_out);
/* What --output names, or standard output; a text for people or programs. */
int output_text(struct invocation *invocation, const void *data, size_t size);
/* "key  value" lines for the scalar members of an object, in its order. */
void print_members(const json_t *object, const char *const *left_out);
/* A table of an array of objects. */
void print_objects(const json_t *array, const char *const *keys);

/* What an answer has to say against a campaign; nothing if it says nothing. */
void print_problems(json_t *problems);
/* [{"name", "count"}] of a query's groups; changes it. */
void print_groups(json_t *groups);
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
