/*
 * A change goes the same way whoever asks for it: body (or a reader's list, for a feed) → entries, on the pool where they are
 * many → the store thread, some thousand in a transaction → the runner is told, the request answered.
 */
#include "daemon/suppressions.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/queries.h"
#include "source/child.h"
#include "store/sql.h"
#include "store/suppression.h"

#define ENTRIES_AT_ONCE 5000
#define LIST_DEFAULT 100
#define FEED_LIMIT ((size_t)1 << 30) /* bytes of a source's list */

static char *state_path(const struct daemon *daemon)
{
    return memory_format("%s/state.db", daemon->conf->daemon.state_dir);
}

/* ---- the copy for readers ---- */

struct copying {
    uv_work_t pool;
    struct daemon *daemon;
    char *state, *target;
    int64_t revision;
    bool failed;
    struct error error;
};

struct copy_waiter {
    struct copy_waiter *next;
    suppressions_done done;
    void *context;
};

static struct {
    int64_t list;     /* its revision as far as it was changed by this process; 0: not */
    int64_t revision; /* of the copy that is there; -1: none */
    char *path;
    bool making;
    struct copy_waiter *waiters; /* of the one that is being made */
} copy = {.revision = -1};

static void make_copy(uv_work_t *pool)
{
    struct copying *copying = pool->data;
    copying->failed =
        suppression_copy(copying->state, copying->target, &copying->revision, &copying->error) != 0;
}

static void on_copied(uv_work_t *pool, int status)
{
    struct copying *copying = pool->data;
    struct copy_waiter *waiter = copy.waiters, *next;
    (void)status;
    copy.making = false;
    copy.waiters = NULL;
    copy.revision = copying->failed ? -1 : copying->revision;
    free(copy.path);
    copy.path = copying->target;
    for (; waiter; waiter = next) {
        next = waiter->next;
        waiter->done(waiter->context, copying->failed ? NULL : copy.path, copying->revision,
                     copying->failed ? &copying->error : NULL);
        free(waiter);
    }
    free(copying->state);
    free(copying);
}

/* Who asks while a copy is made gets that one: it may lack the very last entries, which the runner
 * knows, as the revision is told. */
void suppressions_file(struct daemon *daemon, suppressions_done done, void *context)
{
    if (!copy.making && copy.revision >= copy.list && copy.path && access(copy.path, R_OK) == 0) {
        done(context, copy.path, copy.revision, NULL);
        return;
    }
    struct copy_waiter *waiter = memory_new(sizeof *waiter);
    *waiter = (struct copy_waiter){.next = copy.waiters, .done = done, .context = context};
    copy.waiters = waiter;
    if (copy.making)
        return;
    copy.making = true;
    struct copying *copying = memory_new(sizeof *copying);
    copying->daemon = daemon;
    copying->state = state_path(daemon);
    copying->target = memory_format("%s/reading/suppression.db", daemon->conf->daemon.state_dir);
    copying->pool.data = copying;
    uv_queue_work(daemon->loop, &copying->pool, make_copy, on_copied);
}

/* ---- a change ---- */

struct change {
    struct store_work work; /* first */
    uv_work_t pool;
    struct daemon *daemon;
    struct api_request *request;
    struct suppression_entry entry; /* of an addition; its texts are the body's */
    char value[ADDRESS_SIZE];
    const char *campaign;
    struct suppression_batch batch;
    size_t done; /* of the batch */
    struct suppression_result result, part;
    int64_t revision, part_revision; /* what is committed, and what is on its way */
    bool removed;
    char *origin, *file; /* of a feed */
    json_t *definition, *names, *problems;
    size_t refused;
    bool failed;
    struct error error;
};

static struct change *new_change(struct daemon *daemon, struct api_request *request)
{
    struct change *change = memory_new(sizeof *change);
    change->daemon = daemon;
    change->request = request;
    change->problems = json_array();
    return change;
}

static void free_change(struct change *change)
{
    if (change->file)
        unlink(change->file);
    suppression_batch_free(&change->batch);
    free(change->origin);
    free(change->file);
    json_decref(change->definition);
    json_decref(change->names);
    json_decref(change->problems);
    free(change);
}

static void fail_change(struct change *change, const struct error *error)
{
    queries_answer_failure(change->request, error);
    free_change(change);
}

static json_t *added_json(const struct change *change)
{
    const struct suppression_entry *entry = change->batch.entries;
    const char *how = change->result.added     ? "added"
                      : change->result.changed ? "stricter"
                                               : "known";
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "id",
                     (json_int_t)change->result.id, "result", how, "kind", entry->kind, "value",
                     entry->value, "channel", entry->channel, "scope", entry->scope, "campaign_id",
                     entry->campaign_id ? json_integer(entry->campaign_id) : json_null(), "reason",
                     entry->reason);
}

static void answer_change(struct change *change)
{
    if (change->request->operation == API_SUPPRESSION_DELETE)
        api_answer(change->request, 204, NULL);
    else if (change->request->operation == API_SUPPRESSION_NEW)
        api_answer(change->request, change->result.added ? 201 : 200, added_json(change));
    else
        api_answer(change->request, 200,
                   json_pack("{s:I, s:I, s:I, s:I, s:O}", "added", (json_int_t)change->result.added,
                             "changed", (json_int_t)change->result.changed, "unchanged",
                             (json_int_t)change->result.unchanged, "refused",
                             (json_int_t)change->refused, "problems", change->problems));
    free_change(change);
}

static void tell(const struct change *change)
{
    if (change->revision > copy.list)
        copy.list = change->revision;
    runner_suppressed(change->daemon->runner, change->revision);
}

static int apply_put(struct store_work *work, struct error *error)
{
    struct change *change = (struct change *)work;
    sqlite3 *state = change->daemon->state.database.db;
    size_t count = change->batch.count - change->done;
    if (suppression_put(state, change->batch.entries + change->done,
                        count < ENTRIES_AT_ONCE ? count : ENTRIES_AT_ONCE, &change->part,
                        error) != 0)
        return -1;
    change->part_revision = suppression_revision(state, error);
    return change->part_revision < 0 ? -1 : 0;
}

static void submit_put(struct change *change);

/* The runs are looked through when all is there, or as much as there will be. */
static void on_put(struct store_work *work, const struct error *failed)
{
    struct change *change = (struct change *)work;
    if (!failed) {
        change->result.added += change->part.added;
        change->result.changed += change->part.changed;
        change->result.unchanged += change->part.unchanged;
        change->result.id = change->part.id;
        change->revision = change->part_revision;
        change->done += ENTRIES_AT_ONCE;
        if (change->done < change->batch.count) {
            submit_put(change);
            return;
        }
    }
    if (change->revision)
        tell(change);
    if (!failed) {
        answer_change(change);
        return;
    }
    struct error error = *failed;
    if (change->done)
        error_prefix(&error,
                     "%zu of %zu entries are on the list, repeat it for the others: ", change->done,
                     change->batch.count);
    fail_change(change, &error);
}

static void submit_put(struct change *change)
{
    change->work = (struct store_work){
        .database = &change->daemon->state.database, .apply = apply_put, .done = on_put};
    store_submit(change->daemon->store, &change->work);
}

/* ---- add ---- */

static void add_entry(struct change *change)
{
    struct error error;
    if (suppression_make(&change->entry, change->value, &error) != 0) {
        fail_change(change, &error);
        return;
    }
    suppression_batch_add(&change->batch, &change->entry);
    submit_put(change);
}

static int apply_find_campaign(struct store_work *work, struct error *error)
{
    struct change *change = (struct change *)work;
    change->entry.campaign_id =
        definitions_find(change->daemon->definitions, "campaign", change->campaign, error);
    return change->entry.campaign_id < 0 ? -1 : 0;
}

static void on_campaign_found(struct store_work *work, const struct error *failed)
{
    struct change *change = (struct change *)work;
    if (failed)
        fail_change(change, failed);
    else
        add_entry(change);
}

/* {"value", "kind", "channel", "scope", "campaign": its name or id, "reason", "note"} */
static void add(struct daemon *daemon, struct api_request *request)
{
    struct change *change = new_change(daemon, request);
    struct suppression_entry *entry = &change->entry;
    json_t *campaign = NULL;
    if (!operations_read_body(request, "{s:s, s?s, s?s, s?s, s?o, s?s, s?s}", "value",
                              &entry->value, "kind", &entry->kind, "channel", &entry->channel,
                              "scope", &entry->scope, "campaign", &campaign, "reason",
                              &entry->reason, "note", &entry->note)) {
        free_change(change);
        return;
    }
    entry->origin = "hand";
    if (json_is_integer(campaign))
        change->campaign = change->origin = memory_format("%lld", json_integer_value(campaign));
    else
        change->campaign = json_string_value(campaign);
    if (!change->campaign || !*change->campaign) {
        add_entry(change);
        return;
    }
    change->work = (struct store_work){.apply = apply_find_campaign, .done = on_campaign_found};
    store_submit(daemon->desk, &change->work);
}

/* ---- remove ---- */

static int apply_remove(struct store_work *work, struct error *error)
{
    struct change *change = (struct change *)work;
    sqlite3 *state = change->daemon->state.database.db;
    int removed = suppression_remove(state, change->request->id, error);
    change->removed = removed > 0;
    return removed < 0 || (change->revision = suppression_revision(state, error)) < 0 ? -1 : 0;
}

static void on_removed(struct store_work *work, const struct error *failed)
{
    struct change *change = (struct change *)work;
    struct error error;
    if (failed) {
        fail_change(change, failed);
    } else if (!change->removed) {
        error_say(&error, ERROR_NOT_FOUND, "the suppression list has no entry %lld",
                  "Die Sperrliste hat keinen Eintrag %lld.", (long long)change->request->id);
        fail_change(change, &error);
    } else {
        tell(change);
        answer_change(change);
    }
}

static void remove_entry(struct daemon *daemon, struct api_request *request)
{
    struct change *change = new_change(daemon, request);
    change->work = (struct store_work){
        .database = &daemon->state.database, .apply = apply_remove, .done = on_removed};
    store_submit(daemon->store, &change->work);
}

/* ---- import, and a feed's list ---- */

static int read_entries(struct change *change)
{
    BUFFER_CLEAN struct buffer text = {0};
    const json_t *csv = json_object_get(change->request->body, "csv");
    if (!change->file)
        return suppression_read_csv(json_string_value(csv), json_string_length(csv), NULL, "import",
                                    &change->batch, change->problems, &change->refused,
                                    &change->error);
    if (file_read(change->file, FEED_LIMIT, &text, &change->error) != 0)
        return -1;
    return suppression_read_csv(buffer_string(&text), text.size, change->names, change->origin,
                                &change->batch, change->problems, &change->refused, &change->error);
}

static void read_on_pool(uv_work_t *pool)
{
    struct change *change = pool->data;
    change->failed = read_entries(change) != 0;
}

static void on_read(uv_work_t *pool, int status)
{
    struct change *change = pool->data;
    (void)status;
    if (!change->failed && change->daemon->stopping) {
        error_set(&change->error, ERROR_BUSY, "campaignd is stopping; nothing was taken over");
        change->failed = true;
    }
    if (change->failed)
        fail_change(change, &change->error);
    else if (!change->batch.count)
        answer_change(change);
    else
        submit_put(change);
}

static void queue_read(struct change *change)
{
    change->pool.data = change;
    uv_queue_work(change->daemon->loop, &change->pool, read_on_pool, on_read);
}

static void import(struct daemon *daemon, struct api_request *request)
{
    json_t *csv;
    struct error error;
    if (!operations_read_body(request, "{s:o}", "csv", &csv))
        return;
    if (json_is_string(csv)) {
        queue_read(new_change(daemon, request));
        return;
    }
    error_say(&error, ERROR_INPUT, "csv: the file's text is needed",
              "csv: den Text der Datei angeben.");
    api_answer_error(request, &error);
}

/* ---- feed ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* What each column of a query means to the list: by its name, else by its role. Nobody named: the
 * group's key is whom it means. */
static json_t *column_names(const json_t *columns, const char *key)
{
    static const char *const own[] = {"value", "address",    "email",   "phone",  "key",
                                      "kind",  "channel",    "scope",   "reason", "note",
                                      "time",  "created_at", "campaign"};
    json_t *names = json_array(), *column;
    size_t index, whom = 0;
    json_array_foreach((json_t *)columns, index, column) {
        const char *name = text_of(column, "name"), *role = text_of(column, "role");
        const char *means = "";
        size_t place = 0;
        while (place < sizeof own / sizeof *own && strcasecmp(own[place], name) != 0)
            place++;
        if (place < sizeof own / sizeof *own)
            means = own[place];
        else if (strcmp(role, "email") == 0 || strcmp(role, "phone") == 0)
            means = role, place = 2;
        whom += place < 5;
        json_array_append_new(names, json_string(means));
    }
    json_array_foreach((json_t *)columns, index, column)
        if (!whom && strcmp(text_of(column, "name"), key) == 0)
            json_array_set_new(names, index, json_string("key"));
    return names;
}

static void on_listed(void *context, const json_t *told, const struct error *failed)
{
    struct change *change = context;
    if (failed) {
        fail_change(change, failed);
        return;
    }
    change->names = column_names(json_object_get(told, "columns"),
                                 text_of(json_object_get(change->definition, "group"), "key"));
    queue_read(change);
}

static json_t *find_group(const json_t *query, const char *name, struct error *error)
{
    size_t index;
    json_t *group;
    json_array_foreach(json_object_get(query, "groups"), index, group)
        if (!name || strcmp(text_of(group, "name"), name) == 0)
            return group;
    error_say(error, ERROR_INPUT, "the query »%.200s« has no group »%.200s«",
              "Die Abfrage »%.200s« hat keine Gruppe »%.200s«.", text_of(query, "name"),
              name ? name : "");
    return NULL;
}

static int apply_feed(struct store_work *work, struct error *error)
{
    struct change *change = (struct change *)work;
    const json_t *body = change->request->body;
    json_t *query =
        definitions_get(change->daemon->definitions, "query", text_of(body, "query"), error);
    json_t *group =
        query ? find_group(query, json_string_value(json_object_get(body, "group")), error) : NULL;
    if (group) {
        change->origin = memory_format("source %s", text_of(query, "source"));
        change->definition =
            json_pack("{s:{s:O*, s:O*, s:O*}, s:O, s:{}}", "query", "id",
                      json_object_get(query, "id"), "name", json_object_get(query, "name"),
                      "source", json_object_get(query, "source"), "group", group, "campaign");
    }
    json_decref(query);
    return change->definition ? 0 : -1;
}

static void on_feed_known(struct store_work *work, const struct error *failed)
{
    static unsigned last_feed;
    struct change *change = (struct change *)work;
    struct error error;
    json_t *sources = NULL;
    if (!failed && !(sources = sources_of(change->daemon, change->definition, &error)))
        failed = &error;
    if (failed) {
        fail_change(change, failed);
        return;
    }
    change->file =
        memory_format("%s/reading/feed-%u", change->daemon->conf->daemon.state_dir, ++last_feed);
    json_t *request = reader_request("list", sources, change->definition);
    json_object_set_new(request, "format", json_string("csv"));
    json_object_set_new(request, "out", json_string(change->file));
    reader_start(change->daemon->loop, request, on_listed, change);
    json_decref(request);
    json_decref(sources);
}

static void feed(struct daemon *daemon, struct api_request *request)
{
    const char *query, *group;
    if (!operations_read_body(request, "{s:s, s?s}", "query", &query, "group", &group))
        return;
    struct change *change = new_change(daemon, request);
    change->work = (struct store_work){.apply = apply_feed, .done = on_feed_known};
    store_submit(daemon->desk, &change->work);
}

/* ---- list, export ---- */

struct look {
    uv_work_t pool;
    struct api_request *request;
    char *state;
    json_t *list;
    struct buffer csv;
    bool failed;
    struct error error;
};

static void look_on_pool(uv_work_t *pool)
{
    struct look *look = pool->data;
    const struct api_request *request = look->request;
    if (request->operation == API_SUPPRESSIONS_EXPORT) {
        look->failed = suppression_write_csv(look->state, &look->csv, &look->error) != 0;
        return;
    }
    size_t limit = request->limit ? (size_t)request->limit : LIST_DEFAULT;
    look->list = suppression_list(look->state, request->value, request->after, limit, &look->error);
    look->failed = !look->list;
}

static void on_looked(uv_work_t *pool, int status)
{
    struct look *look = pool->data;
    (void)status;
    if (look->failed)
        api_answer_error(look->request, &look->error);
    else if (look->list)
        api_answer(look->request, 200, look->list);
    else
        api_answer_bytes(look->request, "text/csv; charset=utf-8", "suppression.csv",
                         buffer_string(&look->csv), look->csv.size);
    buffer_free(&look->csv);
    free(look->state);
    free(look);
}

static void look(struct daemon *daemon, struct api_request *request)
{
    struct look *look = memory_new(sizeof *look);
    look->request = request;
    look->state = state_path(daemon);
    look->pool.data = look;
    uv_queue_work(daemon->loop, &look->pool, look_on_pool, on_looked);
}

void suppressions_call(struct daemon *daemon, struct api_request *request)
{
    switch (request->operation) {
    case API_SUPPRESSION_NEW:
        add(daemon, request);
        break;
    case API_SUPPRESSION_DELETE:
        remove_entry(daemon, request);
        break;
    case API_SUPPRESSIONS_IMPORT:
        import(daemon, request);
        break;
    case API_SUPPRESSIONS_FEED:
        feed(daemon, request);
        break;
    default:
        look(daemon, request);
    }
}
