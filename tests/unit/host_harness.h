/*
 * A real worker over a socketpair, for the tests of core/host: the child calls worker_main() with
 * the descriptors that the daemon would give it; the parent plays the core. Each test has a folder
 * of its own.
 */
#ifndef HOST_HARNESS_H
#define HOST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "host/worker.h"
#include "source/rows.h"
#include "wire/frame.h"
#include "wire/outcome.h"
#include "wire/tasklog.h"

#define INSTANCE "00112233445566778899aabbccddeeff"
#define UUID "4be2c0de-0000-4000-8000-000000000001"
#define RECIPIENTS_MAX 100000
#define TIMEOUT_MS 20000

struct core {
    char folder[64];
    int fd;
    pid_t pid;
    struct buffer in;
    size_t read; /* bytes of `in` that were taken */
    bool quiet;  /* neither acknowledge nor grant */
    uint32_t ready_low, ready_high;
    /* what came, by ordinal */
    uint32_t outcomes, returned;
    unsigned char ended[RECIPIENTS_MAX + 1], given_back[RECIPIENTS_MAX + 1];
    struct outcome last; /* the latest outcome, without documents */
    struct wire_document document;
    uint32_t documents;
    uint64_t sequence;
    char message[4096]; /* of FAILED, JOB_FAILED, PREVIEWED */
    struct buffer previewed;
};

static __attribute__((unused)) const char *build_folder(void)
{
    const char *folder = getenv("CAMPAIGND_BUILD");
    return folder ? folder : "build";
}

/* ---- the rows file ---- */

static __attribute__((unused)) char *path_in(const struct core *core, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", core->folder, name);
    return path;
}

static __attribute__((unused)) void sql(sqlite3 *database, const char *text)
{
    char *message = NULL;
    if (sqlite3_exec(database, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

/* `parameters`: JSON of step 1. Recipients 1 … n: key K<n>, name, email (role email; none for each
 * seventh), fault ("" unless the test updates it). */
static __attribute__((unused)) void make_rows(struct core *core, unsigned recipients,
                                              const char *parameters, const char *more_sql)
{
    sqlite3 *database;
    struct error error;
    char *path = path_in(core, "12.0.rows.db");
    unlink(path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    sql(database, "PRAGMA synchronous = OFF; BEGIN");
    if (rows_create(database, 4, &error) != 0)
        fail_msg("%s", error.message);
    sql(database, "INSERT INTO field(position, name, role, format, label_de, label_en) "
                  "VALUES(0, 'name', '', '', 'Name', 'name'),"
                  "(1, 'mail', 'email', '', 'E-Mail', 'e-mail'), (2, 'fault', '', '', '', ''),"
                  "(3, 'amount', '', '', '', '')");
    char *insert = sqlite3_mprintf(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
        "INSERT INTO recipient SELECT i, 'K' || i, 'Müller & ' || i, "
        "CASE WHEN i %% 7 = 0 THEN NULL ELSE 'm' || i || '@example.org' END, '', i * 100 FROM n",
        recipients);
    sql(database, insert);
    sqlite3_free(insert);
    char *meta = sqlite3_mprintf(
        "INSERT INTO meta VALUES('run', 12), ('uuid', '" UUID "'), ('recipients', %u),"
        "('created_us', 1), ('definition', '{\"campaign\": {}, \"steps\": [{\"number\": 1, "
        "\"name\": \"step\", \"action\": \"post\", \"parameters\": %s}], \"reports\": "
        "{\"Brief\": {\"kind\": \"text\", \"title\": \"Ein/Brief\", \"variants\": {\"de\": "
        "{\"text\": \"Guten Tag {{name}}\"}}}, "
        "\"Letter\": {\"kind\": \"letter\", \"title\": \"Info/schreiben\", \"variants\": {\"de\": "
        "{\"html\": \"<p>Guten Tag {{name}}</p>\"}}}}, \"patterns\": {\"gruss\": {\"kind\": "
        "\"salutation\", \"template\": \"Hallo {{name}}\"}}}')",
        recipients, parameters);
    sql(database, meta);
    sqlite3_free(meta);
    if (more_sql)
        sql(database, more_sql);
    sql(database, "COMMIT");
    sqlite3_close(database);
}

/* ---- processes and frames ---- */

static __attribute__((unused)) int file_fd(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s is not there: make test-plugins", path);
    return fd;
}

static __attribute__((unused)) void place(int from, int to)
{
    if (from != to)
        dup2(from, to);
    file_set_cloexec(to, false);
}

static __attribute__((unused)) void start_worker(struct core *core, const char *plugin)
{
    int pair[2];
    char name[100], plugins[256];
    snprintf(name, sizeof name, "%s.so", plugin);
    bool ours = strcmp(plugin, "print") == 0;
    snprintf(plugins, sizeof plugins, "%s/%splugins", build_folder(), ours ? "" : "tests/");
    int plugin_fd = file_fd(plugins, name);
    int layout_fd = ours ? file_fd(build_folder(), "letter.so") : -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    core->pid = fork();
    if (core->pid == 0) {
        int high_socket = fcntl(pair[1], F_DUPFD, 100);
        int high_plugin = fcntl(plugin_fd, F_DUPFD, 100);
        int high_layout = layout_fd < 0 ? -1 : fcntl(layout_fd, F_DUPFD, 100);
        place(high_socket, WIRE_FD_SOCKET);
        place(high_plugin, WIRE_FD_PLUGIN);
        if (high_layout >= 0)
            place(high_layout, WIRE_FD_LAYOUT);
        else
            close(WIRE_FD_LAYOUT);
        for (int fd = 6; fd < 200; fd++)
            close(fd);
        exit(worker_main());
    }
    close(plugin_fd);
    file_close(&layout_fd);
    close(pair[1]);
    core->fd = pair[0];
}

static __attribute__((unused)) void send_frames(struct core *core, struct buffer *frames)
{
    assert_int_equal(file_write_all(core->fd, frames->data, frames->size), 0);
    buffer_free(frames);
}

static __attribute__((unused)) void send_json(struct core *core, enum frame_type type, int64_t id,
                                              json_t *json)
{
    struct buffer out = {0};
    char *text = json_dumps(json, JSON_COMPACT);
    size_t mark = frame_begin(&out, type);
    if (id >= 0)
        put_u32(&out, (uint32_t)id);
    put_text(&out, text);
    frame_end(&out, mark);
    free(text);
    json_decref(json);
    send_frames(core, &out);
}

static __attribute__((unused)) void send_number(struct core *core, enum frame_type type,
                                                uint64_t number, unsigned bytes)
{
    struct buffer out = {0};
    size_t mark = frame_begin(&out, type);
    if (bytes == 4)
        put_u32(&out, (uint32_t)number);
    else if (bytes == 8)
        put_u64(&out, number);
    frame_end(&out, mark);
    send_frames(core, &out);
}

static __attribute__((unused)) void take_outcomes(struct core *core, struct frame_reader *reader)
{
    uint32_t count = get_u32(reader);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sequence = get_u64(reader), claim = get_u64(reader), ordinal = get_u64(reader);
        struct frame_reader inner = {0};
        inner.data = (const unsigned char *)get_bytes(reader, &inner.size);
        assert_true(claim > 0 && ordinal > 0 && ordinal <= RECIPIENTS_MAX);
        assert_int_equal(sequence, core->sequence + 1);
        core->sequence = sequence;
        outcome_get(&inner, &core->last);
        assert_false(inner.bad);
        core->ended[ordinal]++;
        core->outcomes++;
        core->documents += core->last.document_count;
        if (core->last.document_count)
            core->document = core->last.documents[0];
        outcome_free(&core->last);
    }
    assert_false(reader->bad);
    if (!core->quiet)
        send_number(core, FRAME_ACK, core->sequence, 8);
}

static __attribute__((unused)) void take_returned(struct core *core, struct frame_reader *reader)
{
    get_u64(reader);
    uint32_t count = get_u32(reader);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t first = get_u64(reader), last = get_u64(reader);
        assert_true(first <= last && last <= RECIPIENTS_MAX);
        for (uint64_t ordinal = first; ordinal <= last; ordinal++, core->returned++)
            core->given_back[ordinal]++;
    }
    assert_false(reader->bad);
}

static __attribute__((unused)) void take_want(struct core *core, struct frame_reader *reader)
{
    struct buffer out = {0};
    uint32_t low = get_u32(reader), high = get_u32(reader);
    if (core->quiet)
        return;
    core->ready_low = low;
    core->ready_high = high;
    size_t mark = frame_begin(&out, FRAME_LOG_GRANT);
    put_u32(&out, low);
    put_u32(&out, high);
    frame_end(&out, mark);
    send_frames(core, &out);
}

static __attribute__((unused)) void take_frame(struct core *core, enum frame_type type,
                                               struct frame_reader *reader)
{
    switch (type) {
    case FRAME_OUTCOMES:
        take_outcomes(core, reader);
        break;
    case FRAME_RETURNED:
        take_returned(core, reader);
        break;
    case FRAME_LOG_WANT:
        take_want(core, reader);
        break;
    case FRAME_READY:
        get_u32(reader);
        get_u64(reader);
        core->ready_low = get_u32(reader);
        core->ready_high = get_u32(reader);
        break;
    case FRAME_HELLO:
        assert_int_equal(get_u32(reader), WIRE_VERSION);
        free(get_text(reader));
        get_text_into(reader, core->message, sizeof core->message);
        break;
    case FRAME_FAILED:
        get_text_into(reader, core->message, sizeof core->message);
        break;
    case FRAME_JOB_FAILED:
        get_u32(reader);
        get_text_into(reader, core->message, sizeof core->message);
        break;
    case FRAME_PREVIEWED:
        buffer_clear(&core->previewed);
        buffer_append(&core->previewed, reader->data + reader->position,
                      reader->size - reader->position);
        break;
    default:
        break;
    }
}

/* Take one frame; its type, or 0 at the end of the worker's words. */
static __attribute__((unused)) int next_frame(struct core *core)
{
    for (;;) {
        enum frame_type type;
        struct frame_reader reader;
        int64_t size =
            frame_next(core->in.data + core->read, core->in.size - core->read, &type, &reader);
        assert_true(size >= 0);
        if (size > 0) {
            take_frame(core, type, &reader);
            core->read += (size_t)size;
            return (int)type;
        }
        buffer_consume(&core->in, core->read);
        core->read = 0;
        struct pollfd wait = {.fd = core->fd, .events = POLLIN};
        if (poll(&wait, 1, TIMEOUT_MS) <= 0)
            fail_msg("the worker said nothing for %d ms", TIMEOUT_MS);
        buffer_reserve(&core->in, 1 << 20);
        ssize_t got = recv(core->fd, core->in.data + core->in.size, 1 << 20, 0);
        if (got <= 0)
            return 0;
        core->in.size += (size_t)got;
    }
}

static __attribute__((unused)) void expect_frame(struct core *core, enum frame_type wanted)
{
    int type = next_frame(core);
    while (type == FRAME_LOG_WANT && wanted != FRAME_LOG_WANT)
        type = next_frame(core);
    if (type != (int)wanted)
        fail_msg("frame %d came instead of %d: %s", type, (int)wanted, core->message);
}

/* Until `count` tasks were answered. */
static __attribute__((unused)) void await_answers(struct core *core, uint32_t count)
{
    while (core->outcomes + core->returned < count)
        if (next_frame(core) == 0)
            fail_msg("the worker is gone; %u ended, %u given back", core->outcomes, core->returned);
}

static __attribute__((unused)) json_t *configuration(struct core *core, const char *plugin)
{
    return json_pack("{s:s, s:s, s:b, s:i, s:s, s:s, s:i, s:s, s:s, s:b, s:i, s:i, s:[]}", "action",
                     "post", "plugin", plugin, "describe", 0, "generation", 3, "instance", INSTANCE,
                     "log_prefix", path_in(core, INSTANCE), "log_segment_size", 1 << 20,
                     "state_dir", path_in(core, "actions/post"), "secret",
                     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                     "durable_begin", 1, "stop_timeout_us", 5000000, "log_level", 4, "settings");
}

static __attribute__((unused)) json_t *job_json(struct core *core)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:s, s:s, s:s, s:i, s:s, s:s, s:I}", "run", 12, "uuid",
                     UUID, "campaign", "Kampagne", "step", 1, "step_name", "step", "purpose",
                     "information", "language", "de", "recipients", 10, "rows",
                     path_in(core, "12.0.rows.db"), "archive", path_in(core, "archive-12"),
                     "started_us", (json_int_t)1795600000000000);
}

static __attribute__((unused)) void send_claim_of(struct core *core, uint32_t job, uint64_t claim,
                                                  uint64_t first, uint64_t last)
{
    struct buffer out = {0};
    size_t mark = frame_begin(&out, FRAME_CLAIM);
    put_u32(&out, job);
    put_u64(&out, claim);
    put_u32(&out, 1);
    put_u64(&out, first);
    put_u64(&out, last);
    put_u32(&out, 1);
    put_u32(&out, 0);
    frame_end(&out, mark);
    send_frames(core, &out);
}

static __attribute__((unused)) void send_claim(struct core *core, uint64_t claim, uint64_t first,
                                               uint64_t last)
{
    send_claim_of(core, 1, claim, first, last);
}

/* A worker that is ready, with job 1 open. */
static __attribute__((unused)) void start_job(struct core *core, const char *plugin,
                                              json_t *settings)
{
    json_t *json = configuration(core, plugin);
    if (settings)
        json_object_set_new(json, "settings", settings);
    start_worker(core, plugin);
    send_json(core, FRAME_CONFIGURE, -1, json);
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_READY);
}

/* Wait for its end, reading its last words; the exit status, or minus the signal. */
static __attribute__((unused)) int await_exit(struct core *core)
{
    int status;
    while (core->fd >= 0 && next_frame(core) != 0)
        ;
    for (int i = 0; waitpid(core->pid, &status, WNOHANG) == 0; i++) {
        if (i > TIMEOUT_MS / 5) {
            kill(core->pid, SIGKILL);
            fail_msg("the worker does not end");
        }
        usleep(5000);
    }
    core->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static __attribute__((unused)) void stop_worker(struct core *core)
{
    send_number(core, FRAME_STOP, 0, 0);
    assert_int_equal(await_exit(core), 0);
}

static __attribute__((unused)) unsigned journal_lines(struct core *core)
{
    struct buffer text = {0};
    unsigned lines = 0;
    if (file_read(path_in(core, "journal"), 64 << 20, &text, NULL) != 0)
        return 0;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    buffer_free(&text);
    return lines;
}

/* Is each task 1 … n answered exactly once? */
static __attribute__((unused)) void assert_all_answered(const struct core *core, unsigned n)
{
    for (unsigned i = 1; i <= n; i++)
        if (core->ended[i] + core->given_back[i] != 1)
            fail_msg("task %u: %d outcomes, given back %d times", i, core->ended[i],
                     core->given_back[i]);
}

static __attribute__((unused)) int set_up(void **state)
{
    struct core *core = memory_new(sizeof *core);
    core->fd = -1;
    snprintf(core->folder, sizeof core->folder, "/tmp/campaignd-host-XXXXXX");
    if (!mkdtemp(core->folder))
        return -1;
    *state = core;
    return 0;
}

static __attribute__((unused)) int tear_down(void **state)
{
    struct core *core = *state;
    char command[128];
    if (core->pid > 0) {
        kill(core->pid, SIGKILL);
        waitpid(core->pid, NULL, 0);
    }
    file_close(&core->fd);
    buffer_free(&core->in);
    buffer_free(&core->previewed);
    snprintf(command, sizeof command, "rm -rf '%s'", core->folder);
    int result = system(command);
    free(core);
    return result;
}

#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
