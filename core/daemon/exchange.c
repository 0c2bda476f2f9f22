#include "daemon/exchange.h"

#include <stdlib.h>

#include "base/memory.h"
#include "daemon/rights.h"
#include "daemon/saving.h"

struct exchanging {
    struct store_work work; /* first: on the desk */
    struct daemon *daemon;
    struct api_request *request;
    const char *group;      /* of the body; NULL: the campaign's */
    const json_t *document; /* of the body: what is to be imported */
    bool force, dry_run;
    json_t *campaigns; /* the names of those that an import saves */
    json_t *result;
};

static int apply_exchange(struct store_work *work, struct error *error)
{
    struct exchanging *exchanging = (struct exchanging *)work;
    struct definitions *definitions = exchanging->daemon->definitions;
    const char *subject = exchanging->request->subject;
    switch (exchanging->request->operation) {
    case API_CAMPAIGN_COMPARE:
        exchanging->result = definitions_compare(definitions, subject, error);
        break;
    default:
        exchanging->result = definitions_export(definitions, error);
    }
    return exchanging->result ? 0 : -1;
}

static void on_exchanged(struct store_work *work, const struct error *failed)
{
    struct exchanging *exchanging = (struct exchanging *)work;
    if (failed)
        api_answer_error(exchanging->request, failed);
    else
        api_answer(exchanging->request, 200, exchanging->result);
    free(exchanging);
}

/* ---- what is saved ---- */

static json_t *import(struct exchanging *exchanging, struct error *error)
{
    struct definitions *definitions = exchanging->daemon->definitions;
    if (!exchanging->request->may_sql) {
        json_t *present = definitions_export(definitions, error);
        int result = present ? rights_check_import(present, exchanging->document, error) : -1;
        json_decref(present);
        if (result != 0)
            return NULL;
    }
    return definitions_import(definitions, exchanging->document, error);
}

static json_t *save(void *context, struct error *error)
{
    struct exchanging *exchanging = context;
    if (exchanging->request->operation == API_DEFINITIONS_IMPORT)
        return import(exchanging, error);
    return definitions_individual(exchanging->daemon->definitions, exchanging->request->subject,
                                  exchanging->group, exchanging->force, error);
}

static void on_save(void *context, json_t *result, const struct error *failed)
{
    struct exchanging *exchanging = context;
    if (failed) {
        api_answer_error(exchanging->request, failed);
    } else {
        api_answer(exchanging->request, 200, result);
    }
    json_decref(exchanging->campaigns);
    free(exchanging);
}

static json_t *names_of(const json_t *campaigns)
{
    size_t index;
    json_t *campaign, *names = json_array();
    json_array_foreach(campaigns, index, campaign)
        if (json_is_string(json_object_get(campaign, "name")))
            json_array_append(names, json_object_get(campaign, "name"));
    return names;
}

static void start_saving(struct exchanging *exchanging)
{
    const struct api_request *request = exchanging->request;
    if (request->operation == API_DEFINITIONS_IMPORT)
        exchanging->campaigns = names_of(json_object_get(exchanging->document, "campaigns"));
    saving_start(exchanging->daemon, &(struct saving_task){
                                         .save = save,
                                         .done = on_save,
                                         .context = exchanging,
                                         .may_sql = request->may_sql,
                                         .dry_run = exchanging->dry_run,
                                         .campaigns = exchanging->campaigns,
                                         .campaign = request->subject,
                                     });
}

/* Both false: it is answered. */
static bool read_individual(struct exchanging *exchanging)
{
    int force = 0;
    bool read = operations_read_body(exchanging->request, "{s?s, s?b}", "group", &exchanging->group,
                                     "force", &force);
    exchanging->force = force != 0;
    return read;
}

static bool read_import(struct exchanging *exchanging)
{
    int dry_run = 0;
    struct error error;
    if (!operations_read_body(exchanging->request, "{s?o, s?b}", "document", &exchanging->document,
                              "dry_run", &dry_run))
        return false;
    exchanging->dry_run = dry_run != 0;
    if (json_is_object(exchanging->document))
        return true;
    error_say(&error, ERROR_INPUT,
              "document: the definitions as GET /v1/definitions gives them are needed, an object",
              "document: die Definitionen angeben, wie GET /v1/definitions sie liefert, ein "
              "Objekt.");
    api_answer_error(exchanging->request, &error);
    return false;
}

void exchange_call(struct daemon *daemon, struct api_request *request)
{
    struct exchanging *exchanging = memory_new(sizeof *exchanging);
    exchanging->work = (struct store_work){.apply = apply_exchange, .done = on_exchanged};
    exchanging->daemon = daemon;
    exchanging->request = request;
    bool read = true;
    if (request->operation == API_CAMPAIGN_INDIVIDUAL)
        read = read_individual(exchanging);
    else if (request->operation == API_DEFINITIONS_IMPORT)
        read = read_import(exchanging);
    bool saves = request->operation == API_CAMPAIGN_INDIVIDUAL ||
                 request->operation == API_DEFINITIONS_IMPORT;
    if (!read)
        free(exchanging);
    else if (saves)
        start_saving(exchanging);
    else
        store_submit(daemon->desk, &exchanging->work);
}
