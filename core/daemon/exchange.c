#include "daemon/exchange.h"

#include <stdlib.h>

#include "base/memory.h"
#include "daemon/rights.h"

struct exchanging {
    struct store_work work; /* first: on the desk */
    struct daemon *daemon;
    struct api_request *request;
    const char *group;      /* of the body; NULL: the campaign's */
    const json_t *document; /* of the body: what is to be imported */
    bool force, dry_run;
    json_t *result;
};

static int import(struct exchanging *exchanging, struct error *error)
{
    struct definitions *definitions = exchanging->daemon->definitions;
    if (!exchanging->request->may_sql) {
        json_t *present = definitions_export(definitions, error);
        int result = present ? rights_check_import(present, exchanging->document, error) : -1;
        json_decref(present);
        if (result != 0)
            return -1;
    }
    exchanging->result =
        definitions_import(definitions, exchanging->document, exchanging->dry_run, error);
    return exchanging->result ? 0 : -1;
}

static int apply_exchange(struct store_work *work, struct error *error)
{
    struct exchanging *exchanging = (struct exchanging *)work;
    struct definitions *definitions = exchanging->daemon->definitions;
    const char *subject = exchanging->request->subject;
    switch (exchanging->request->operation) {
    case API_CAMPAIGN_INDIVIDUAL:
        exchanging->result = definitions_individual(definitions, subject, exchanging->group,
                                                    exchanging->force, error);
        break;
    case API_CAMPAIGN_COMPARE:
        exchanging->result = definitions_compare(definitions, subject, error);
        break;
    case API_DEFINITIONS_EXPORT:
        exchanging->result = definitions_export(definitions, error);
        break;
    default:
        return import(exchanging, error);
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
    if (read)
        store_submit(daemon->desk, &exchanging->work);
    else
        free(exchanging);
}
