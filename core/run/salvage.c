#include "run/salvage.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/archive.h"
#include "run/journal.h"

/* One after the other; asked for meanwhile: once more. */
struct salvage {
    struct store_work work; /* of one segment's new index */
    uv_work_t pool;
    struct runner *runner;
    char *state_dir;
    int64_t *runs;
    size_t run_count, run; /* the one that is looked at */
    char (*live)[33];      /* instances whose workers live: their segments are theirs */
    size_t live_count;
    char segment[64]; /* found unsealed; "" none */
    struct archive_entry *old, *new;
    size_t count;
    struct error error;
    bool failed;
};

static void next_step(struct salvage *salvage);

/* ---- on the pool ---- */

static bool is_live(const struct salvage *salvage, const char *segment)
{
    for (size_t i = 0; i < salvage->live_count; i++)
        if (text_starts(segment, salvage->live[i]))
            return true;
    return false;
}

struct finding {
    struct salvage *salvage;
    const char *folder;
};

static int look_at_segment(void *context, const char *segment)
{
    struct finding *finding = context;
    if (is_live(finding->salvage, segment) ||
        archive_is_sealed(finding->folder, segment, NULL) != 0)
        return 0;
    text_copy(finding->salvage->segment, sizeof finding->salvage->segment, segment);
    return 1;
}

/* "INSTANCE-0001.zip" → "INSTANCE-s": a name that no worker uses. */
static void salvage_name(const char *segment, char name[64])
{
    const char *dash = strrchr(segment, '-');
    size_t length = dash ? (size_t)(dash - segment) : strlen(segment);
    bool again = length > 2 && strncmp(segment + length - 2, "-s", 2) == 0;
    snprintf(name, 64, "%.*s%s", (int)(length < 40 ? length : 40), segment, again ? "" : "-s");
}

static void find_and_copy(uv_work_t *pool)
{
    struct salvage *salvage = pool->data;
    int64_t run = salvage->runs[salvage->run];
    FREE_CLEAN char *folder = runner_archive_path(salvage->state_dir, run);
    FREE_CLEAN char *path = runner_journal_path(salvage->state_dir, run);
    struct finding finding = {.salvage = salvage, .folder = folder};
    char uuid[65], name[64];
    salvage->segment[0] = '\0';
    salvage->failed = archive_segments(folder, look_at_segment, &finding, &salvage->error) < 0;
    if (salvage->failed || !*salvage->segment)
        return;
    salvage_name(salvage->segment, name);
    if (journal_file_segment(path, salvage->segment, &salvage->old, &salvage->count,
                             &salvage->error) != 0 ||
        runner_uuid_from_rows(salvage->state_dir, run, uuid, &salvage->error) != 0) {
        salvage->failed = true;
        return;
    }
    salvage->new = memory_array(salvage->count, sizeof *salvage->new);
    salvage->failed = archive_salvage(folder, uuid, salvage->segment, salvage->old, salvage->count,
                                      name, salvage->new, &salvage->error) != 0;
}

static void remove_old(uv_work_t *pool)
{
    struct salvage *salvage = pool->data;
    FREE_CLEAN char *folder = runner_archive_path(salvage->state_dir, salvage->runs[salvage->run]);
    salvage->failed = archive_remove_segment(folder, salvage->segment, &salvage->error) != 0;
}

/* ---- store and loop ---- */

static void forget_segment(struct salvage *salvage)
{
    free(salvage->old);
    free(salvage->new);
    salvage->old = salvage->new = NULL;
    salvage->count = 0;
}

static void finish(struct salvage *salvage)
{
    struct runner *runner = salvage->runner;
    forget_segment(salvage);
    free(salvage->runs);
    free(salvage->live);
    free(salvage->state_dir);
    free(salvage);
    runner->recoveries--;
    runner->salvaging = false;
    if (runner->salvage_again && !runner->quiet)
        salvage_begin(runner, 0);
}

static void give_up_run(struct salvage *salvage)
{
    log_warning("run %lld: an unsealed archive segment could not be salvaged: %s",
                (long long)salvage->runs[salvage->run], salvage->error.message);
    forget_segment(salvage);
    salvage->run++;
    next_step(salvage);
}

static void on_removed(uv_work_t *pool, int status)
{
    struct salvage *salvage = pool->data;
    (void)status;
    if (salvage->failed) {
        give_up_run(salvage);
        return;
    }
    log_info("run %lld: the archive segment %s of an ended worker was sealed anew with its %zu "
             "documents",
             (long long)salvage->runs[salvage->run], salvage->segment, salvage->count);
    forget_segment(salvage);
    next_step(salvage); /* the same run: it may have more */
}

static int apply_index(struct store_work *work, struct error *error)
{
    struct salvage *salvage = (struct salvage *)work;
    FREE_CLEAN char *path = runner_journal_path(salvage->state_dir, salvage->runs[salvage->run]);
    return journal_file_move(path, salvage->old, salvage->new, salvage->count, error);
}

static void on_index(struct store_work *work, const struct error *failed)
{
    struct salvage *salvage = (struct salvage *)work;
    if (failed) {
        salvage->error = *failed;
        give_up_run(salvage);
        return;
    }
    salvage->pool.data = salvage;
    uv_queue_work(salvage->runner->is.loop, &salvage->pool, remove_old, on_removed);
}

static void on_copied(uv_work_t *pool, int status)
{
    struct salvage *salvage = pool->data;
    (void)status;
    if (salvage->failed) {
        give_up_run(salvage);
    } else if (!*salvage->segment) {
        salvage->run++;
        next_step(salvage);
    } else {
        salvage->work = (struct store_work){.apply = apply_index, .done = on_index};
        store_submit(salvage->runner->is.store, &salvage->work);
    }
}

static void next_step(struct salvage *salvage)
{
    if (salvage->run == salvage->run_count || salvage->runner->quiet) {
        finish(salvage);
        return;
    }
    salvage->pool.data = salvage;
    uv_queue_work(salvage->runner->is.loop, &salvage->pool, find_and_copy, on_copied);
}

static void choose_runs(struct salvage *salvage, int64_t only)
{
    for (const struct run *run = salvage->runner->runs; run; run = run->next) {
        if ((only && run->row.number != only) || !run->row.ended_us || !run->row.started_us)
            continue;
        salvage->runs =
            memory_resize(salvage->runs, (salvage->run_count + 1) * sizeof *salvage->runs);
        salvage->runs[salvage->run_count++] = run->row.number;
    }
}

static void choose_live(struct salvage *salvage)
{
    for (const struct runner_worker *worker = salvage->runner->workers; worker;
         worker = worker->next) {
        salvage->live =
            memory_resize(salvage->live, (salvage->live_count + 1) * sizeof *salvage->live);
        text_copy(salvage->live[salvage->live_count++], sizeof *salvage->live, worker->row.id);
    }
}

void salvage_begin(struct runner *runner, int64_t run)
{
    if (runner->salvaging) {
        runner->salvage_again = true;
        return;
    }
    struct salvage *salvage = memory_new(sizeof *salvage);
    runner->salvaging = true;
    runner->salvage_again = false;
    runner->recoveries++;
    salvage->runner = runner;
    salvage->state_dir = memory_text(runner->state_dir);
    choose_runs(salvage, run);
    choose_live(salvage);
    next_step(salvage);
}
