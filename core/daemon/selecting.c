/*
 * A selection (one request) freezes its campaign on the desk and looks for the snapshot of the same
 * rows. One that is being fetched is waited for, one that is there is used, else a reader fetches
 * it. Then a second reader, which sees that one file, selects from it.
 *
 *   snapshot: FETCHING ──► READY ──► (gone: too old, replaced, or others need its room)
 *
 * A snapshot that somebody uses is not removed under their hands; it is only not found any more.
 */
#include "daemon/selecting.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/queries.h"
#include "daemon/suppressions.h"
#include "source/child.h"

#define SNAPSHOTS_MAX 8
#define BYTES_MAX (INT64_C(2) << 30)
#define LIFETIME_US (INT64_C(5) * 60 * 1000000)
#define HASH_SIZE 16
#define KEY_MAX 1000 /* bytes of a recipient's key */

struct selection {
    struct store_work work; /* first: on the desk */
    struct selection *next; /* of those who wait for the same snapshot */
    struct daemon *daemon;
    struct api_request *request;
    json_t *
        changes; /* what the body says instead of the campaign: {"filter", "in", "out", "sample"} */
    json_int_t limit;
    bool fresh;
    json_t *definition, *sources;
    struct snapshot *snapshot;
};

struct snapshot {
    struct snapshot *next;
    char hash[2 * HASH_SIZE + 1];
    char *path;
    bool ready;
    bool outdated; /* not found any more */
    unsigned users;
    int64_t fetched_us;            /* since 1970: as of when its rows are */
    int64_t begun_us, last_use_us; /* monotonic */
    int64_t bytes;
    struct selection *waiting;
};

static struct snapshot *snapshots; /* of the one daemon */
static uv_timer_t timer;           /* runs while there is a snapshot */
static bool has_timer;

/* ---- snapshots ---- */

static void forget_snapshot(struct snapshot *snapshot)
{
    struct snapshot **place = &snapshots;
    while (*place != snapshot)
        place = &(*place)->next;
    *place = snapshot->next;
    unlink(snapshot->path);
    free(snapshot->path);
    free(snapshot);
    if (!snapshots && has_timer)
        uv_timer_stop(&timer);
}

static void outdate(struct snapshot *snapshot)
{
    snapshot->outdated = true;
    if (snapshot->ready && !snapshot->users)
        forget_snapshot(snapshot);
}

static void leave_snapshot(struct snapshot *snapshot)
{
    snapshot->users--;
    if (snapshot->outdated && !snapshot->users)
        forget_snapshot(snapshot);
}

static void remove_old(void)
{
    int64_t now_us = clock_monotonic_us();
    struct snapshot *next;
    for (struct snapshot *snapshot = snapshots; snapshot; snapshot = next) {
        next = snapshot->next;
        if (snapshot->ready && !snapshot->outdated && now_us - snapshot->begun_us > LIFETIME_US)
            outdate(snapshot);
    }
}

static void on_minute(uv_timer_t *ticking)
{
    (void)ticking;
    remove_old();
}

static struct snapshot *least_recently_used(void)
{
    struct snapshot *least = NULL;
    for (struct snapshot *snapshot = snapshots; snapshot; snapshot = snapshot->next)
        if (snapshot->ready && !snapshot->users &&
            (!least || snapshot->last_use_us < least->last_use_us))
            least = snapshot;
    return least;
}

/* Remove what is longest unused until at most so many snapshots of so many bytes are left, or the
 * rest is in use. False: the rest is more. */
static bool make_room(size_t count_max, int64_t bytes_max)
{
    for (;;) {
        size_t count = 0;
        int64_t bytes = 0;
        for (const struct snapshot *snapshot = snapshots; snapshot; snapshot = snapshot->next) {
            count++;
            bytes += snapshot->bytes;
        }
        if (count <= count_max && bytes <= bytes_max)
            return true;
        struct snapshot *least = least_recently_used();
        if (!least)
            return false;
        forget_snapshot(least);
    }
}

/* What decides which rows a source delivers. Not the passwords: they change nothing of it. */
static void hash_of(const struct selection *selection, char hash[2 * HASH_SIZE + 1])
{
    unsigned char bytes[HASH_SIZE];
    const char *name;
    json_t *source, *sources = json_deep_copy(selection->sources);
    json_object_foreach(sources, name, source)
        json_object_del(source, "password");
    const json_t *definition = selection->definition;
    json_t *rows = json_pack(
        "{s:o, s:O?, s:O?, s:O?}", "sources", sources, "query",
        json_object_get(definition, "query"), "group", json_object_get(definition, "group"),
        "parameters", json_object_get(json_object_get(definition, "campaign"), "parameters"));
    FREE_CLEAN char *text = json_dumps(rows, JSON_COMPACT | JSON_SORT_KEYS);
    crypto_generichash(bytes, sizeof bytes, (const unsigned char *)text, strlen(text), NULL, 0);
    text_hex(hash, bytes, sizeof bytes);
    json_decref(rows);
}

static struct snapshot *find_snapshot(const char *hash)
{
    for (struct snapshot *snapshot = snapshots; snapshot; snapshot = snapshot->next)
        if (!snapshot->outdated && strcmp(snapshot->hash, hash) == 0)
            return snapshot;
    return NULL;
}

static struct snapshot *new_snapshot(struct daemon *daemon, const char *hash, struct error *error)
{
    static unsigned last;
    FREE_CLEAN char *folder = memory_format("%s/selecting", daemon->conf->daemon.state_dir);
    if (!make_room(SNAPSHOTS_MAX - 1, BYTES_MAX)) {
        error_say(
            error, ERROR_BUSY, "%d selections are being counted already; try again in a moment",
            "%d Auswahlen werden schon gezählt; gleich noch einmal versuchen.", SNAPSHOTS_MAX);
        return NULL;
    }
    if (file_make_folders(folder, 0700, error) != 0)
        return NULL;
    struct snapshot *snapshot = memory_new(sizeof *snapshot);
    text_copy(snapshot->hash, sizeof snapshot->hash, hash);
    snapshot->path = memory_format("%s/%s.%u.raw.db", folder, hash, ++last);
    snapshot->fetched_us = clock_now_us();
    snapshot->begun_us = snapshot->last_use_us = clock_monotonic_us();
    snapshot->next = snapshots;
    snapshots = snapshot;
    if (!has_timer)
        uv_timer_init(daemon->loop, &timer);
    has_timer = true;
    uv_timer_start(&timer, on_minute, 60000, 60000);
    return snapshot;
}

/* ---- one selection ---- */

static void free_selection(struct selection *selection)
{
    json_decref(selection->changes);
    json_decref(selection->definition);
    json_decref(selection->sources);
    free(selection);
}

static void fail(struct selection *selection, const struct error *error)
{
    queries_answer_failure(selection->request, error);
    free_selection(selection);
}

static void on_selected(void *context, const json_t *told, const struct error *failed)
{
    struct selection *selection = context;
    struct snapshot *snapshot = selection->snapshot;
    char time[TEXT_TIME_SIZE];
    if (failed) {
        leave_snapshot(snapshot);
        fail(selection, failed);
        return;
    }
    text_time(time, snapshot->fetched_us);
    json_t *body = json_copy((json_t *)told);
    json_object_del(body, "ok");
    json_object_set_new(body, "fetched_at", json_string(time));
    api_answer(selection->request, 200, body);
    leave_snapshot(snapshot);
    free_selection(selection);
}

static void on_suppressions(void *context, const char *path, int64_t revision,
                            const struct error *failed)
{
    struct selection *selection = context;
    (void)revision;
    if (failed) {
        leave_snapshot(selection->snapshot);
        fail(selection, failed);
        return;
    }
    json_t *request = reader_request("select", selection->sources, selection->definition);
    json_object_set_new(request, "raw", json_string(selection->snapshot->path));
    json_object_set_new(request, "limit", json_integer(selection->limit));
    json_object_set_new(request, "suppression", json_string(path));
    reader_start(selection->daemon->loop, request, on_selected, selection);
    json_decref(request);
}

static void select_from(struct selection *selection, struct snapshot *snapshot)
{
    selection->snapshot = snapshot;
    snapshot->users++;
    snapshot->last_use_us = clock_monotonic_us();
    suppressions_file(selection->daemon, on_suppressions, selection);
}

static void on_fetched(void *context, const json_t *told, const struct error *failed)
{
    struct snapshot *snapshot = context;
    struct selection *next, *waiting = snapshot->waiting;
    struct stat status;
    (void)told;
    snapshot->waiting = NULL;
    snapshot->ready = true;
    snapshot->bytes = stat(snapshot->path, &status) == 0 ? status.st_size : 0;
    snapshot->users++; /* it stays while they are served */
    for (struct selection *selection = waiting; selection; selection = next) {
        next = selection->next;
        if (failed)
            fail(selection, failed);
        else
            select_from(selection, snapshot);
    }
    snapshot->outdated = snapshot->outdated || failed;
    leave_snapshot(snapshot);
    make_room(SNAPSHOTS_MAX, BYTES_MAX);
}

static void fetch(struct selection *selection, struct snapshot *snapshot)
{
    json_t *request = reader_request("fetch", selection->sources, selection->definition);
    json_object_set_new(request, "out", json_string(snapshot->path));
    reader_start(selection->daemon->loop, request, on_fetched, snapshot);
    json_decref(request);
}

static void wait_for(struct selection *selection, struct snapshot *snapshot)
{
    selection->next = snapshot->waiting;
    snapshot->waiting = selection;
}

static void find_rows(struct selection *selection)
{
    char hash[2 * HASH_SIZE + 1];
    struct error error;
    remove_old();
    hash_of(selection, hash);
    struct snapshot *snapshot = find_snapshot(hash);
    if (snapshot && selection->fresh) {
        outdate(snapshot);
        snapshot = NULL;
    }
    if (snapshot && snapshot->ready) {
        select_from(selection, snapshot);
        return;
    }
    bool is_new = !snapshot;
    if (is_new && !(snapshot = new_snapshot(selection->daemon, hash, &error))) {
        fail(selection, &error);
        return;
    }
    wait_for(selection, snapshot);
    if (is_new)
        fetch(selection, snapshot);
}

/* ---- the campaign, with the request's changes ---- */

static void apply_changes(json_t *definition, const json_t *changes)
{
    static const char *const of_campaign[] = {"filter", "sample"};
    static const char *const of_picks[] = {"in", "out"};
    json_t *campaign = json_object_get(definition, "campaign");
    json_t *picks = json_object_get(definition, "picks");
    for (size_t i = 0; i < sizeof of_campaign / sizeof *of_campaign; i++)
        if (json_object_get(changes, of_campaign[i]))
            json_object_set(campaign, of_campaign[i], json_object_get(changes, of_campaign[i]));
    if (!picks) {
        picks = json_object();
        json_object_set_new(definition, "picks", picks);
    }
    for (size_t i = 0; i < sizeof of_picks / sizeof *of_picks; i++)
        if (json_object_get(changes, of_picks[i]))
            json_object_set(picks, of_picks[i], json_object_get(changes, of_picks[i]));
}

static int apply_campaign(struct store_work *work, struct error *error)
{
    struct selection *selection = (struct selection *)work;
    struct definitions *definitions = selection->daemon->definitions;
    int64_t id = definitions_find(definitions, "campaign", selection->request->subject, error);
    if (id >= 0)
        selection->definition = definitions_freeze(definitions, id, error);
    if (!selection->definition)
        return -1;
    apply_changes(selection->definition, selection->changes);
    return 0;
}

static void on_campaign(struct store_work *work, const struct error *failed)
{
    struct selection *selection = (struct selection *)work;
    struct error error;
    if (!failed &&
        !(selection->sources = sources_of(selection->daemon, selection->definition, &error)))
        failed = &error;
    if (failed) {
        fail(selection, failed);
        return;
    }
    launch_add_channels(selection->daemon, selection->definition);
    find_rows(selection);
}

/* ---- the body ---- */

/* A condition as text, or as an object that is made one. */
static int take_filter(const json_t *filter, json_t *changes, struct error *error)
{
    if (!filter)
        return 0;
    if (json_is_null(filter) || json_is_string(filter)) {
        json_object_set_new(changes, "filter",
                            json_is_string(filter) ? json_copy((json_t *)filter) : json_string(""));
        return 0;
    }
    if (!json_is_object(filter))
        return error_say(error, ERROR_INPUT, "filter: a text or a condition as object is needed",
                         "filter: einen Text oder eine Bedingung als Objekt angeben.");
    FREE_CLEAN char *text = json_dumps(filter, JSON_COMPACT);
    json_object_set_new(changes, "filter", json_string(text));
    return 0;
}

static json_t *key_text(const json_t *key)
{
    if (json_is_integer(key))
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(key));
    size_t length = json_string_length(key);
    return length && length <= KEY_MAX ? json_copy((json_t *)key) : NULL;
}

static int take_keys(const char *name, const json_t *keys, json_t *changes, struct error *error)
{
    size_t index;
    json_t *key, *texts;
    if (!keys)
        return 0;
    if (!json_is_array(keys))
        return error_say(error, ERROR_INPUT, "%s: a list of recipients' keys is needed",
                         "%s: eine Liste von Schlüsseln der Empfänger angeben.", name);
    json_object_set_new(changes, name, texts = json_array());
    json_array_foreach(keys, index, key) {
        json_t *text = key_text(key);
        if (!text)
            return error_say(error, ERROR_INPUT,
                             "%s[%zu]: a recipient's key is needed: a text of 1 to %d bytes",
                             "%s[%zu]: den Schlüssel eines Empfängers angeben: einen Text von 1 "
                             "bis %d Bytes.",
                             name, index, KEY_MAX);
        json_array_append_new(texts, text);
    }
    return 0;
}

static int take_sample(json_t *sample, json_t *changes, struct error *error)
{
    if (!sample)
        return 0;
    if (!json_is_null(sample) && (!json_is_integer(sample) || json_integer_value(sample) < 1))
        return error_say(error, ERROR_INPUT, "sample: a whole number from 1 on, or null, is needed",
                         "sample: eine ganze Zahl ab 1 oder null angeben.");
    json_object_set(changes, "sample", sample);
    return 0;
}

/* False: it is answered. */
static bool read_request(struct selection *selection)
{
    json_t *filter = NULL, *in = NULL, *out = NULL, *sample = NULL, *changes = selection->changes;
    int fresh = 0;
    struct error error;
    if (!operations_read_body(selection->request, "{s?I, s?o, s?o, s?o, s?o, s?b}", "limit",
                              &selection->limit, "filter", &filter, "in", &in, "out", &out,
                              "sample", &sample, "fresh", &fresh))
        return false;
    selection->fresh = fresh != 0;
    if (queries_check_limit(selection->limit, &error) == 0 &&
        take_filter(filter, changes, &error) == 0 && take_keys("in", in, changes, &error) == 0 &&
        take_keys("out", out, changes, &error) == 0 && take_sample(sample, changes, &error) == 0)
        return true;
    api_answer_error(selection->request, &error);
    return false;
}

void selecting_call(struct daemon *daemon, struct api_request *request)
{
    struct selection *selection = memory_new(sizeof *selection);
    selection->work = (struct store_work){.apply = apply_campaign, .done = on_campaign};
    selection->daemon = daemon;
    selection->request = request;
    selection->limit = 20;
    selection->changes = json_object();
    if (read_request(selection))
        store_submit(daemon->desk, &selection->work);
    else
        free_selection(selection);
}

void selecting_stop(void)
{
    for (struct snapshot *snapshot = snapshots; snapshot; snapshot = snapshot->next)
        unlink(snapshot->path);
}
