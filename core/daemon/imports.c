/*
 * A CSV file goes into a file of its own, a reader makes the table of it, the file goes. After a
 * reader that failed, who may have been killed in the middle, the database is seen to before the
 * failure is told.
 */
#include "daemon/imports.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "source/child.h"
#include "source/importing.h"

#define TIME_LIMIT_US INT64_C(300000000)

struct import {
    uv_work_t work;
    struct daemon *daemon;
    struct api_request *request;
    char *folder, *database;
    char *csv; /* NULL where a table is dropped */
    bool failed;
    struct error error;
};

static void finish(struct import *import)
{
    if (import->csv)
        unlink(import->csv);
    free(import->csv);
    free(import->database);
    free(import->folder);
    free(import);
}

static void recover(uv_work_t *work)
{
    const struct import *import = work->data;
    struct error error;
    if (importing_recover(import->database, &error) != 0)
        log_error("source imports: %s", error.message);
}

static void on_recovered(uv_work_t *work, int status)
{
    struct import *import = work->data;
    (void)status;
    api_answer_error(import->request, &import->error);
    finish(import);
}

static void on_read(void *context, const json_t *answer, const struct error *failed)
{
    struct import *import = context;
    if (failed) {
        import->error = *failed;
        uv_queue_work(import->daemon->loop, &import->work, recover, on_recovered);
        return;
    }
    json_t *body = json_copy((json_t *)answer);
    json_object_del(body, "ok");
    api_answer(import->request, 200, body);
    finish(import);
}

static void start_reader(struct import *import)
{
    const struct api_request *asked = import->request;
    json_t *request =
        json_pack("{s:s, s:{s:{s:I}}, s:s, s:s*, s:s, s:s*, s:s*, s:b}", "mode", "import",
                  "sources", "imports", "time_limit_us", (json_int_t)TIME_LIMIT_US, "database",
                  import->database, "csv", import->csv, "table", asked->subject, "encoding",
                  asked->encoding, "separator", asked->separator, "drop", !import->csv);
    reader_start(import->daemon->loop, request, on_read, import);
    json_decref(request);
}

static void write_csv(uv_work_t *work)
{
    struct import *import = work->data;
    const struct api_request *request = import->request;
    import->failed = file_make_folders(import->folder, 0700, &import->error) != 0 ||
                     (import->csv && file_replace(import->csv, request->bytes, request->size, 0600,
                                                  &import->error) != 0);
}

static void on_written(uv_work_t *work, int status)
{
    struct import *import = work->data;
    (void)status;
    if (import->failed) {
        api_answer_error(import->request, &import->error);
        finish(import);
        return;
    }
    start_reader(import);
}

void imports_call(struct daemon *daemon, struct api_request *request)
{
    static unsigned last;
    struct import *import = memory_new(sizeof *import);
    import->daemon = daemon;
    import->request = request;
    import->folder = memory_format("%s/imports", daemon->conf->daemon.state_dir);
    import->database = memory_format("%s/imports.db", import->folder);
    if (request->operation == API_IMPORT_PUT)
        import->csv = memory_format("%s/%u.csv", import->folder, ++last);
    import->work.data = import;
    uv_queue_work(daemon->loop, &import->work, write_csv, on_written);
}

void imports_prepare(const char *state_dir)
{
    struct error error;
    FREE_CLEAN char *folder = memory_format("%s/imports", state_dir);
    FREE_CLEAN char *database = memory_format("%s/imports.db", folder);
    if (file_make_folders(folder, 0700, &error) != 0 || importing_recover(database, &error) != 0)
        log_error("source imports: %s", error.message);
}
