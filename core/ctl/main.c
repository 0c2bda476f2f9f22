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
#define OF_GROUP (OPTION_GROUP | OPTION_PARAMETER)
#define SELECTING (OPTION_SELECTION | OPTION_LIMIT | OPTION_SAVE)

const struct command commands[] = {
    {"campaign", "list", "", 0, 0, 0, MESSAGE_HELP_CAMPAIGN_LIST, documents_list},
    {"campaign", "show", "CAMPAIGN", 1, 1, 0, MESSAGE_HELP_CAMPAIGN_SHOW, documents_show},
    {"campaign", "new", "[NAME]", 0, 1, EDITABLE | OPTION_ORIGIN | OF_GROUP,
     MESSAGE_HELP_CAMPAIGN_NEW, campaigns_new},
    {"campaign", "edit", "CAMPAIGN", 1, 1, EDITABLE, MESSAGE_HELP_CAMPAIGN_EDIT, documents_edit},
    {"campaign", "check", "CAMPAIGN", 1, 1, 0, MESSAGE_HELP_CAMPAIGN_CHECK, campaigns_check},
    {"campaign", "start", "CAMPAIGN", 1, 1, OPTION_WATCH | OPTION_FORCE,
     MESSAGE_HELP_CAMPAIGN_START, campaigns_start},
    {"campaign", "delete", "CAMPAIGN", 1, 1, OPTION_YES, MESSAGE_HELP_CAMPAIGN_DELETE,
     documents_delete},
    {"campaign", "recipients", "CAMPAIGN", 1, 1, SELECTING, MESSAGE_HELP_CAMPAIGN_RECIPIENTS,
     campaigns_recipients},
    {"campaign", "individual", "CAMPAIGN", 1, 1, OPTION_GROUP | OPTION_FORCE,
     MESSAGE_HELP_CAMPAIGN_INDIVIDUAL, campaigns_individual},
    {"campaign", "compare", "CAMPAIGN", 1, 1, 0, MESSAGE_HELP_CAMPAIGN_COMPARE, campaigns_compare},
    {"campaign", "export", "CAMPAIGN", 1, 1, OPTION_LISTING | OPTION_OUTPUT,
     MESSAGE_HELP_CAMPAIGN_EXPORT, lists_export},
    {"query", "list", "", 0, 0, 0, MESSAGE_HELP_QUERY_LIST, documents_list},
    {"query", "show", "QUERY", 1, 1, 0, MESSAGE_HELP_QUERY_SHOW, documents_show},
    {"query", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_QUERY_NEW, documents_new},
    {"query", "edit", "QUERY", 1, 1, EDITABLE, MESSAGE_HELP_QUERY_EDIT, documents_edit},
    {"query", "run", "QUERY", 1, 1, OPTION_LIMIT | OF_GROUP, MESSAGE_HELP_QUERY_RUN, queries_run},
    {"query", "groups", "QUERY", 1, 1, OPTION_PARAMETER, MESSAGE_HELP_QUERY_GROUPS, queries_groups},
    {"query", "sql", "QUERY", 1, 1, OF_GROUP, MESSAGE_HELP_QUERY_SQL, queries_sql},
    {"query", "fields", "QUERY", 1, 1, OPTION_GROUP | OPTION_SAVE, MESSAGE_HELP_QUERY_FIELDS,
     queries_fields},
    {"query", "export", "QUERY", 1, 1, OPTION_LISTING | OPTION_OUTPUT | OF_GROUP,
     MESSAGE_HELP_QUERY_EXPORT, lists_export},
    {"query", "tables", "SOURCE [TABLE]", 1, 2, 0, MESSAGE_HELP_SOURCE_TABLES, sources_tables},
    {"query", "delete", "QUERY", 1, 1, OPTION_YES, MESSAGE_HELP_QUERY_DELETE, documents_delete},
    {"report", "list", "", 0, 0, 0, MESSAGE_HELP_REPORT_LIST, documents_list},
    {"report", "show", "REPORT", 1, 1, 0, MESSAGE_HELP_REPORT_SHOW, documents_show},
    {"report", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_REPORT_NEW, documents_new},
    {"report", "edit", "REPORT", 1, 1, EDITABLE, MESSAGE_HELP_REPORT_EDIT, documents_edit},
    {"report", "delete", "REPORT", 1, 1, OPTION_YES, MESSAGE_HELP_REPORT_DELETE, documents_delete},
    {"category", "list", "", 0, 0, 0, MESSAGE_HELP_CATEGORY_LIST, documents_list},
    {"category", "show", "CATEGORY", 1, 1, 0, MESSAGE_HELP_CATEGORY_SHOW, documents_show},
    {"category", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_CATEGORY_NEW, documents_new},
    {"category", "edit", "CATEGORY", 1, 1, EDITABLE, MESSAGE_HELP_CATEGORY_EDIT, documents_edit},
    {"category", "delete", "CATEGORY", 1, 1, OPTION_YES, MESSAGE_HELP_CATEGORY_DELETE,
     documents_delete},
    {"pattern", "list", "", 0, 0, 0, MESSAGE_HELP_PATTERN_LIST, documents_list},
    {"pattern", "show", "PATTERN", 1, 1, 0, MESSAGE_HELP_PATTERN_SHOW, documents_show},
    {"pattern", "new", "[NAME]", 0, 1, EDITABLE, MESSAGE_HELP_PATTERN_NEW, documents_new},
    {"pattern", "edit", "PATTERN", 1, 1, EDITABLE, MESSAGE_HELP_PATTERN_EDIT, documents_edit},
    {"pattern", "delete", "PATTERN", 1, 1, OPTION_YES, MESSAGE_HELP_PATTERN_DELETE,
     documents_delete},
    {"source", "list", "", 0, 0, 0, MESSAGE_HELP_SOURCE_LIST, sources_list},
    {"source", "tables", "SOURCE [TABLE]", 1, 2, 0, MESSAGE_HELP_SOURCE_TABLES, sources_tables},
    {"source", "test", "SOURCE", 1, 1, 0, MESSAGE_HELP_SOURCE_TEST, sources_test},
    {"source", "import", "FILE", 1, 1, OPTION_CSV, MESSAGE_HELP_SOURCE_IMPORT, sources_import},
    {"source", "drop", "TABLE", 1, 1, OPTION_YES, MESSAGE_HELP_SOURCE_DROP, sources_drop},
    {"run", "list", "", 0, 0, OPTION_LIMIT, MESSAGE_HELP_RUN_LIST, runs_list},
    {"run", "show", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_SHOW, runs_show},
    {"run", "watch", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_WATCH, runs_watch},
    {"run", "tasks", "RUN", 1, 1, OPTION_OUTCOME | OPTION_STEP | OPTION_RECIPIENT | OPTION_LIMIT,
     MESSAGE_HELP_RUN_TASKS, runs_tasks},
    {"run", "confirm", "RUN RECIPIENT...", 2, 1000, OPTION_STEP, MESSAGE_HELP_RUN_CONFIRM,
     runs_confirm},
    {"run", "pause", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_PAUSE, runs_change},
    {"run", "resume", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_RESUME, runs_change},
    {"run", "cancel", "RUN", 1, 1, 0, MESSAGE_HELP_RUN_CANCEL, runs_change},
    {"preview", NULL, "CAMPAIGN RECIPIENT", 2, 2, OPTION_STEP | OPTION_OUTPUT, MESSAGE_HELP_PREVIEW,
     campaigns_preview},
    {"archive", "list", "", 0, 0, OPTION_RUN | OPTION_RECIPIENT | OPTION_LIMIT,
     MESSAGE_HELP_ARCHIVE_LIST, archive_list},
    {"archive", "get", "RUN/DOCUMENT", 1, 1, OPTION_OUTPUT, MESSAGE_HELP_ARCHIVE_GET, archive_get},
    {"archive", "verify", "[RUN]", 0, 1, 0, MESSAGE_HELP_ARCHIVE_VERIFY, archive_verify},
    {"suppress", "list", "", 0, 0, OPTION_VALUE | OPTION_LIMIT, MESSAGE_HELP_SUPPRESS_LIST,
     suppressions_list},
    {"suppress", "add", "VALUE", 1, 1, OPTION_SUPPRESSION, MESSAGE_HELP_SUPPRESS_ADD,
     suppressions_add},
    {"suppress", "remove", "ENTRY", 1, 1, 0, MESSAGE_HELP_SUPPRESS_REMOVE, suppressions_remove},
    {"suppress", "import", "FILE", 1, 1, 0, MESSAGE_HELP_SUPPRESS_IMPORT, suppressions_import},
    {"suppress", "export", "", 0, 0, OPTION_OUTPUT, MESSAGE_HELP_SUPPRESS_EXPORT,
     suppressions_export},
    {"suppress", "feed", "QUERY", 1, 1, OPTION_GROUP, MESSAGE_HELP_SUPPRESS_FEED,
     suppressions_feed},
    {"person", "export", "KEY", 1, 1, OPTION_OUTPUT, MESSAGE_HELP_PERSON_EXPORT, persons_export},
    {"export", NULL, "", 0, 0, OPTION_OUTPUT, MESSAGE_HELP_EXPORT, definitions_export},
    {"import", NULL, "FILE", 1, 1, OPTION_DRY_RUN, MESSAGE_HELP_IMPORT, definitions_import},
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
    free(invocation.sets.items);
    free(invocation.parameters.items);
    free(invocation.take_in.items);
    free(invocation.take_out.items);
    free(invocation.words);
    client_free(invocation.client);
    return code;
}
