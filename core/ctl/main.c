/* campaignctl: one command line, one or a few requests to the daemon, an exit code. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/table.h"

#define SOCKET_DEFAULT "/run/campaignd/campaignd.sock"
#define COMPLETE "__complete" /* called by conf/campaignctl.bash-completion */

#define EDITABLE (OPTION_SET | OPTION_FILE)

const struct command commands[] = {
    {"campaign", "list", "", 0, 0, 0, MESSAGE_HELP_CAMPAIGN_LIST, documents_list},
    {"campaign", "show", "CAMPAIGN", 1, 1, 0, MESSAGE_HELP_CAMPAIGN_SHOW, documents_show},
    {"campaign", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_CAMPAIGN_NEW, documents_new},
    {"campaign", "edit", "CAMPAIGN", 1, 1, EDITABLE, MESSAGE_HELP_CAMPAIGN_EDIT, documents_edit},
    {"campaign", "check", "CAMPAIGN", 1, 1, 0, MESSAGE_HELP_CAMPAIGN_CHECK, campaigns_check},
    {"campaign", "start", "CAMPAIGN", 1, 1, OPTION_WATCH | OPTION_FORCE,
     MESSAGE_HELP_CAMPAIGN_START, campaigns_start},
    {"campaign", "delete", "CAMPAIGN", 1, 1, OPTION_YES, MESSAGE_HELP_CAMPAIGN_DELETE,
     documents_delete},
    {"query", "list", "", 0, 0, 0, MESSAGE_HELP_QUERY_LIST, documents_list},
    {"query", "show", "QUERY", 1, 1, 0, MESSAGE_HELP_QUERY_SHOW, documents_show},
    {"query", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_QUERY_NEW, documents_new},
    {"query", "edit", "QUERY", 1, 1, EDITABLE, MESSAGE_HELP_QUERY_EDIT, documents_edit},
    {"query", "run", "QUERY", 1, 1, OPTION_LIMIT, MESSAGE_HELP_QUERY_RUN, queries_run},
    {"query", "delete", "QUERY", 1, 1, OPTION_YES, MESSAGE_HELP_QUERY_DELETE, documents_delete},
    {"report", "list", "", 0, 0, 0, MESSAGE_HELP_REPORT_LIST, documents_list},
    {"report", "show", "REPORT", 1, 1, 0, MESSAGE_HELP_REPORT_SHOW, documents_show},
    {"report", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_REPORT_NEW, documents_new},
    {"report", "edit", "REPORT", 1, 1, EDITABLE, MESSAGE_HELP_REPORT_EDIT, documents_edit},
    {"report", "delete", "REPORT", 1, 1, OPTION_YES, MESSAGE_HELP_REPORT_DELETE, documents_delete},
    {"run", "list", "", 0, 0, OPTION_LIMIT, MESSAGE_HELP_RUN_LIST, runs_list},
    {"run", "show", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_SHOW, runs_show},
    {"run", "watch", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_WATCH, runs_watch},
    {"run", "tasks", "RUN", 1, 1, OPTION_OUTCOME | OPTION_STEP | OPTION_RECIPIENT | OPTION_LIMIT,
     MESSAGE_HELP_RUN_TASKS, runs_tasks},
    {"run", "pause", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_PAUSE, runs_change},
    {"run", "resume", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_RESUME, runs_change},
    {"run", "cancel", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_CANCEL, runs_change},
    {"preview", NULL, "CAMPAIGN RECIPIENT", 2, 2, OPTION_STEP | OPTION_OUTPUT, MESSAGE_HELP_PREVIEW,
     campaigns_preview},
    {"archive", "list", "", 0, 0, OPTION_RUN | OPTION_RECIPIENT | OPTION_LIMIT,
     MESSAGE_HELP_ARCHIVE_LIST, archive_list},
    {"archive", "get", "RUN/DOCUMENT", 1, 1, OPTION_OUTPUT, MESSAGE_HELP_ARCHIVE_GET, archive_get},
    {"archive", "verify", "[RUN]", 0, 1, 0, MESSAGE_HELP_ARCHIVE_VERIFY, archive_verify},
    {"plugin", "list", "", 0, 0, 0, MESSAGE_HELP_PLUGIN_LIST, site_plugins},
    {"status", NULL, "", 0, 0, 0, MESSAGE_HELP_STATUS, site_status},
    {"problems", NULL, "", 0, 0, 0, MESSAGE_HELP_PROBLEMS, site_problems},
    {"reload", NULL, "", 0, 0, 0, MESSAGE_HELP_RELOAD, site_reload},
    {NULL, NULL, NULL, 0, 0, 0, MESSAGE_COUNT, NULL},
};

static const char *socket_path(const char *option)
{
    const char *environment = getenv("CAMPAIGND_SOCKET");
    return option ? option : environment && *environment ? environment : SOCKET_DEFAULT;
}

static int run(struct invocation *invocation, const struct globals *globals)
{
    if (globals->version) {
        puts("campaignctl " CAMPAIGND_VERSION);
        return EXIT_OK;
    }
    if (globals->help || !invocation->command) {
        help_print(invocation->command);
        return globals->help ? EXIT_OK : EXIT_USAGE;
    }
    invocation->client = client_new(socket_path(globals->socket));
    return invocation->command->run(invocation);
}

/* A full disk or a closed pipe must not look like success. */
static int flush(struct invocation *invocation, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    const char *reason = strerror(errno);
    return code ? code : fail(invocation, EXIT_WRONG, MESSAGE_CANNOT_WRITE, "stdout", reason);
}

int main(int count, char **arguments)
{
    table_setup();
    messages_set_language(messages_language_of_environment());
    struct invocation invocation = {0};
    struct globals globals = {0};
    int code;
    if (count > 1 && text_equal(arguments[1], COMPLETE)) {
        invocation.client = client_new(socket_path(NULL));
        code = help_complete(&invocation, (const char *const *)arguments + 2, (size_t)count - 2);
        free(invocation.failure);
        invocation.failure = NULL;
    } else {
        code = options_parse(count, arguments, &invocation, &globals);
        if (!code)
            code = run(&invocation, &globals);
    }
    code = flush(&invocation, code);
    if (invocation.failure) {
        FREE_CLEAN char *clean = table_clean(invocation.failure, false);
        fprintf(stderr, "campaignctl: %s\n", clean);
    }
    free(invocation.failure);
    free(invocation.sets);
    free(invocation.words);
    client_free(invocation.client);
    return code;
}
