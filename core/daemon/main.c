/*
 * campaignd: the core's process. Options, the order of starting and stopping, signals, reload. The same binary is the worker
 * (--worker) and the reader (--reader); both are started by the core alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/configtest.h"
#include "daemon/daemon.h"
#include "daemon/leftovers.h"
#include "daemon/notify.h"
#include "daemon/selecting.h"
#include "host/worker.h"
#include "source/child.h"
#include "source/reader.h"

#define STOP_GRACE_MS 5000 /* beyond stop_timeout, for what the workers' ends leave to commit */
#define STATUS_MS 1000

static const char usage[] =
    "usage: campaignd [-c FILE] [-t]\n"
    "  -c, --config FILE   the configuration (default: " CAMPAIGND_CONFIGURATION ")\n"
    "  -t, --test          check the configuration and every plugin, name each error, and end\n"
    "  -V, --version       print the version\n"
    "  -h, --help          print this\n"
    "campaignd stays in the foreground and logs to standard error; see campaignd(8).\n";

struct options {
    const char *config;
    bool test;
};

/* -1: go on; else the exit status. */
static int read_options(int count, char **arguments, struct options *options)
{
    options->config = CAMPAIGND_CONFIGURATION;
    for (int i = 1; i < count; i++) {
        const char *argument = arguments[i];
        if ((strcmp(argument, "-c") == 0 || strcmp(argument, "--config") == 0) && i + 1 < count)
            options->config = arguments[++i];
        else if (strcmp(argument, "-t") == 0 || strcmp(argument, "--test") == 0)
            options->test = true;
        else if (strcmp(argument, "-V") == 0 || strcmp(argument, "--version") == 0) {
            puts("campaignd " CAMPAIGND_VERSION);
            return 0;
        } else if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        } else {
            fprintf(stderr, "campaignd: unknown or incomplete option »%s«\n%s", argument, usage);
            return 2;
        }
    }
    return -1;
}

/* ---- the folder and who we are ---- */

static int give_to(const char *path, uid_t user, gid_t group, struct error *error)
{
    if (chown(path, user, group) != 0)
        return error_errno(error, errno, "cannot give %s to the daemon's user", path);
    return 0;
}

/* state_dir 0700; definitions 2770 with the site's group; the socket's folder. Made as root, given to the user that we become. */
static int make_folders(const struct conf *conf, const struct passwd *user, struct error *error)
{
    const char *state_dir = conf->daemon.state_dir;
    FREE_CLEAN char *definitions = memory_format("%s/definitions", state_dir);
    FREE_CLEAN char *run = memory_format(
        "%.*s", (int)(strrchr(conf->http.socket, '/') - conf->http.socket), conf->http.socket);
    const struct group *site = conf->daemon.site_group ? getgrnam(conf->daemon.site_group) : NULL;
    if (conf->daemon.site_group && !site)
        return error_set(
            error, ERROR_INPUT,
            "%s: site_group: there is no group »%s«; make it (groupadd) or name another",
            conf->file, conf->daemon.site_group);
    /* What stands above state_dir is not ours to close: the user that we become must get through. */
    FREE_CLEAN char *above =
        memory_format("%.*s", (int)(strrchr(state_dir, '/') - state_dir), state_dir);
    bool new_run = access(run, F_OK) != 0;
    if ((*above && file_make_folders(above, 0755, error) != 0) ||
        file_make_folders(state_dir, 0700, error) != 0 ||
        file_make_folders(definitions, 02770, error) != 0 ||
        (*run && file_make_folders(run, 0755, error) != 0))
        return -1;
    if (site)
        chmod(state_dir, 0711); /* the site's group passes through to definitions/ */
    chmod(definitions, 02770);
    if (user && (give_to(state_dir, user->pw_uid, user->pw_gid, error) != 0 ||
                 (new_run && give_to(run, user->pw_uid, user->pw_gid, error) != 0)))
        return -1;
    if (user && give_to(definitions, user->pw_uid, (gid_t)-1, error) != 0)
        return -1;
    if (site && chown(definitions, (uid_t)-1, site->gr_gid) != 0)
        return error_errno(error, errno,
                           "%s: cannot give %s to site_group; started as another than root, "
                           "campaignd must be a member of »%s«",
                           conf->file, definitions, conf->daemon.site_group);
    return 0;
}

static int become(const struct passwd *user, struct error *error)
{
    if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0)
        return error_errno(error, errno, "cannot become the user %s", user->pw_name);
    if (setuid(0) == 0)
        return error_set(error, ERROR_SYSTEM, "root's rights could not be given up");
    prctl(PR_SET_DUMPABLE, 1);
    return 0;
}

static int settle_in(const struct conf *conf, struct error *error)
{
    const struct passwd *user = NULL;
    if (geteuid() == 0 && conf->daemon.user && !(user = getpwnam(conf->daemon.user)))
        return error_set(
            error, ERROR_INPUT,
            "%s: user: there is no user »%s«; make it (adduser --system) or name another",
            conf->file, conf->daemon.user);
    if (make_folders(conf, user, error) != 0 || (user && become(user, error) != 0))
        return -1;
    if (geteuid() == 0)
        log_warning("running as root; set [daemon] user to run with less rights");
    return 0;
}

/* Two daemons never share a state_dir. The lock is not inherited: CLOEXEC, and flock's owner is the open file. */
static int lock_state(const char *state_dir, struct error *error)
{
    FREE_CLEAN char *path = memory_format("%s/lock", state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char pid[32];
    if (fd < 0)
        return error_errno(error, errno, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = read(fd, pid, sizeof pid - 1);
        pid[got > 0 ? got : 0] = '\0';
        close(fd);
        return error_set(
            error, ERROR_CONFLICT,
            "another campaignd (process %.*s) uses %s; stop it, or give this one its own state_dir",
            (int)strcspn(pid, "\n"), pid, state_dir);
    }
    int length = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, pid, (size_t)length) != length)
        return error_errno(error, errno, "cannot write %s", path);
    return 0; /* held until the process ends */
}

/* ---- reload ---- */

struct waiter {
    struct waiter *next;
    void (*done)(void *context, const struct error *failed_or_null);
    void *context;
};

static struct {
    struct waiter *present; /* of the reload that is under way */
    struct waiter *coming;  /* of the one after it */
    struct conf *conf;
} reloads;

static void begin_reload(struct daemon *daemon);

static void answer_waiters(struct waiter *waiter, const struct error *failed)
{
    for (struct waiter *next; waiter; waiter = next) {
        next = waiter->next;
        if (waiter->done)
            waiter->done(waiter->context, failed);
        free(waiter);
    }
}

static void finish_reload(struct daemon *daemon, const struct error *failed)
{
    struct waiter *present = reloads.present;
    reloads.present = NULL;
    if (failed)
        log_error("reload refused, all stays as it was: %s", failed->message);
    else
        log_notice("reloaded: generation %u", supervisor_generation(daemon->supervisor));
    notify_send("READY=1");
    answer_waiters(present, failed);
    if (reloads.coming && !daemon->stopping)
        begin_reload(daemon);
}

static void on_loaded(void *context, const struct error *failed)
{
    struct daemon *daemon = context;
    if (!failed) {
        daemon->conf = reloads.conf;
        log_set_level(daemon->conf->daemon.log_level);
    }
    finish_reload(daemon, failed);
}

/* Of a start that failed the configuration is still needed to stop. */
static void on_replaced(void *context, struct conf *conf)
{
    const struct daemon *daemon = context;
    if (conf != daemon->conf)
        conf_free(conf);
}

/* What a reload cannot change while the process lives. */
static int check_unchanged(const struct conf *old, const struct conf *new, struct error *error)
{
    if (!text_equal(old->daemon.state_dir, new->daemon.state_dir) ||
        !text_equal(old->http.socket, new->http.socket))
        return error_set(
            error, ERROR_INPUT,
            "%s: state_dir and socket cannot change by a reload; restart campaignd instead",
            new->file);
    return 0;
}

static struct conf *load_conf(const char *path, struct error *error)
{
    CONF_PROBLEMS_CLEAN struct conf_problems problems = {0};
    struct conf *conf = conf_load(path, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        BUFFER_CLEAN struct buffer line = {0};
        conf_problem_text(&problems.items[i], &line);
        log_error("%s", buffer_string(&line));
        if (i == 0)
            error_set(error, ERROR_INPUT, "%s%s", buffer_string(&line),
                      problems.count > 1 ? " (and more; campaignd -t names them all)" : "");
    }
    return conf;
}

static void begin_reload(struct daemon *daemon)
{
    struct error error;
    reloads.present = reloads.coming;
    reloads.coming = NULL;
    notify_reloading();
    reloads.conf = load_conf(daemon->conf_path, &error);
    if (reloads.conf && check_unchanged(daemon->conf, reloads.conf, &error) != 0) {
        conf_free(reloads.conf);
        reloads.conf = NULL;
    }
    if (reloads.conf)
        supervisor_load(daemon->supervisor, reloads.conf, on_loaded, on_replaced, daemon);
    else
        finish_reload(daemon, &error);
}

void daemon_reload(struct daemon *daemon,
                   void (*done)(void *context, const struct error *failed_or_null), void *context)
{
    struct error error;
    if (daemon->stopping) {
        error_set(&error, ERROR_BUSY, "campaignd is stopping");
        if (done)
            done(context, &error);
        return;
    }
    struct waiter *waiter = memory_new(sizeof *waiter);
    *waiter = (struct waiter){.next = reloads.coming, .done = done, .context = context};
    reloads.coming = waiter;
    if (!reloads.present && !supervisor_loading(daemon->supervisor) && daemon->ready)
        begin_reload(daemon);
}

/* ---- stopping: stop the requests, the workers, the store; then the loop is empty ---- */

static uv_signal_t signals[3];
static uv_timer_t stop_timer, status_timer;
static int64_t stopping_since_us;

static void close_quietly(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void finish_stop(struct daemon *daemon)
{
    runner_end(daemon->runner);
    store_stop(daemon->desk);
    store_stop(daemon->store);
    supervisor_free(daemon->supervisor);
    selecting_stop();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        close_quietly((uv_handle_t *)&signals[i]);
    uv_timer_stop(&stop_timer);
    uv_stop(daemon->loop);
}

static void on_stop_tick(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    int64_t patience_us = daemon->conf->daemon.stop_timeout_us + STOP_GRACE_MS * INT64_C(1000);
    int64_t waited_us = clock_monotonic_us() - stopping_since_us;
    if (supervisor_idle(daemon->supervisor) && !runner_busy(daemon->runner) &&
        !store_busy(daemon->desk)) {
        finish_stop(daemon);
    } else if (waited_us > patience_us + STOP_GRACE_MS * INT64_C(1000)) {
        log_warning("what is not committed yet is left to the next start");
        finish_stop(daemon);
    } else if (waited_us > patience_us && !supervisor_idle(daemon->supervisor)) {
        log_warning(
            "workers did not end in time; they are killed, the next start recovers what they held");
        supervisor_kill(daemon->supervisor);
    }
}

static void begin_stop(struct daemon *daemon)
{
    if (daemon->stopping)
        return;
    daemon->stopping = true;
    stopping_since_us = clock_monotonic_us();
    log_notice("stopping: what has begun ends, the rest is taken back");
    notify_send("STOPPING=1\nSTATUS=Stopping: begun deliveries end");
    requests_stop();
    runner_quiesce(daemon->runner);
    supervisor_stop(daemon->supervisor);
    api_stop(daemon->api);
    daemon->api = NULL;
    uv_timer_start(&stop_timer, on_stop_tick, 0, 20);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;
    if (number == SIGHUP)
        daemon_reload(daemon, NULL, NULL);
    else
        begin_stop(daemon);
}

/* What comes before we can serve it waits, instead of ending the process. */
static void hold_signals(int how)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGHUP);
    pthread_sigmask(how, &held, NULL);
}

static void watch_signals(struct daemon *daemon)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uv_signal_init(daemon->loop, &signals[i]);
        signals[i].data = daemon;
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    hold_signals(SIG_UNBLOCK);
}

/* ---- starting ---- */

static void on_status_tick(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    static int64_t last_us;
    static size_t last_active = (size_t)-1;
    size_t active = runner_active(daemon->runner);
    if (notify_watchdog_ms() && clock_monotonic_us() - last_us > notify_watchdog_ms() * 1000 / 2) {
        last_us = clock_monotonic_us();
        notify_send("WATCHDOG=1");
    }
    if (active != last_active && !daemon->stopping)
        notify_send("STATUS=%zu runs under way", active);
    last_active = active;
}

static void on_run_changed(void *context)
{
    launch_run_changed(context);
}

static void on_first_generation(void *context, const struct error *failed)
{
    struct daemon *daemon = context;
    if (daemon->ready) {
        on_loaded(context, failed);
        return;
    }
    if (failed) {
        log_error("campaignd does not start: %s", failed->message);
        daemon->exit_status = 1;
        begin_stop(daemon);
        return;
    }
    daemon->ready = true;
    log_notice("campaignd %s is ready: API at %s (actions: %zu, sources: %zu)", CAMPAIGND_VERSION,
               daemon->conf->http.socket, daemon->conf->action_count, daemon->conf->source_count);
    notify_send("READY=1\nSTATUS=Ready");
    requests_start(daemon);
    leftovers_prepare(daemon);
    if (reloads.coming)
        begin_reload(daemon);
}

static int open_files(struct daemon *daemon, struct error *error)
{
    const char *state_dir = daemon->conf->daemon.state_dir;
    FREE_CLEAN char *state = memory_format("%s/state.db", state_dir);
    FREE_CLEAN char *definitions = memory_format("%s/definitions/definitions.db", state_dir);
    if (lock_state(state_dir, error) != 0 || state_open(&daemon->state, state, error) != 0 ||
        !(daemon->definitions = definitions_open(definitions, error)))
        return -1;
    leftovers_remove(state_dir, &daemon->state);
    return 0;
}

static void send_to_worker(void *context, void *worker, const struct buffer *frames)
{
    (void)context;
    supervisor_send(worker, frames);
}

static json_t *sources_for_runner(void *daemon, const json_t *definition, struct error *error)
{
    return sources_of(daemon, definition, error);
}

static int start_parts(struct daemon *daemon, struct error *error)
{
    const struct conf *conf = daemon->conf;
    struct runner_options options = {
        .loop = daemon->loop,
        .state = &daemon->state,
        .state_dir = conf->daemon.state_dir,
        .recovery_wait_us = conf->daemon.recovery_wait_us,
        .context = daemon,
        .changed = on_run_changed,
        .sources = sources_for_runner,
    };
    struct api_services services = {.context = daemon, .call = operations_call};
    struct api_options door = {
        .socket = conf->http.socket,
        .socket_group = conf->http.socket_group,
        .sql_group = conf->http.sql_group,
        .max_body = (size_t)conf->http.max_body_bytes,
    };
    if (!(daemon->store = store_start(daemon->loop, error)) ||
        !(daemon->desk = store_start(daemon->loop, error)))
        return -1;
    options.store = daemon->store;
    options.send = send_to_worker;
    /* The socket before the runner: without it no recovery begins. It is served by the loop. */
    if (!(daemon->api = api_start(daemon->loop, &door, &services, error)) ||
        !(daemon->runner = runner_start(&options, error)))
        return -1;
    daemon->supervisor = supervisor_new(daemon->loop, daemon->runner, &daemon->state);
    return 0;
}

static void start_timers(struct daemon *daemon)
{
    uv_timer_init(daemon->loop, &stop_timer);
    uv_timer_init(daemon->loop, &status_timer);
    stop_timer.data = status_timer.data = daemon;
    int64_t every_ms = notify_watchdog_ms() && notify_watchdog_ms() < STATUS_MS
                           ? notify_watchdog_ms() / 2 + 1
                           : STATUS_MS;
    uv_timer_start(&status_timer, on_status_tick, 0, (uint64_t)every_ms);
}

static void on_walk(uv_handle_t *handle, void *context)
{
    (void)context;
    close_quietly(handle);
}

static void close_all(struct daemon *daemon)
{
    uv_walk(daemon->loop, on_walk, NULL);
    uv_run(daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(daemon->loop);
    if (daemon->runner)
        runner_free(daemon->runner);
    definitions_close(daemon->definitions);
    state_close(&daemon->state);
    conf_free(daemon->conf);
}

static void undo_start(struct daemon *daemon)
{
    api_stop(daemon->api);
    if (daemon->desk)
        store_stop(daemon->desk);
    if (daemon->store)
        store_stop(daemon->store);
    close_all(daemon);
}

static int run_daemon(struct daemon *daemon)
{
    struct error error;
    uv_loop_t loop;
    uv_loop_init(&loop);
    daemon->loop = &loop;
    daemon->started_us = clock_monotonic_us();
    if (settle_in(daemon->conf, &error) != 0 || open_files(daemon, &error) != 0 ||
        start_parts(daemon, &error) != 0) {
        log_error("campaignd does not start: %s", error.message);
        undo_start(daemon);
        return 1;
    }
    watch_signals(daemon);
    start_timers(daemon);
    supervisor_load(daemon->supervisor, daemon->conf, on_first_generation, on_replaced, daemon);
    uv_run(&loop, UV_RUN_DEFAULT);
    close_all(daemon);
    log_notice("campaignd has ended");
    return daemon->exit_status;
}

int main(int count, char **arguments)
{
    struct daemon daemon = {0};
    struct options options = {0};
    struct error error;
    if (count == 2 && strcmp(arguments[1], "--worker") == 0)
        return worker_main();
    if (count == 2 && strcmp(arguments[1], "--reader") == 0)
        return reader_main();
    int status = read_options(count, arguments, &options);
    if (status >= 0)
        return status;
    log_open(NULL);
    if (options.test)
        return configtest_main(options.config);
    notify_forget();
    hold_signals(SIG_BLOCK);
    daemon.conf_path = options.config;
    daemon.conf = load_conf(options.config, &error);
    if (!daemon.conf)
        return 1;
    log_set_level(daemon.conf->daemon.log_level);
    return run_daemon(&daemon);
}
