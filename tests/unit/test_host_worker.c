/* A worker's protocol with its core: each task of a claim is answered exactly once, whatever the
 * core, the plugin or the machine does. */
#include "base/text.h"
#include "host/declared.h"
#include "host_harness.h"

/* HMAC-SHA-256 by another program: UUID 0 "1" 0 "1" 0 "0" under the secret 00 01 … 1f. */
#define KEY_OF_FIRST "e79136d79c1b61929ebf7dcda9e07a91ce8ee5595be206eeb7e0c3688731f684"

static void make_journal_rows(struct core *core, unsigned recipients, const char *more)
{
    char parameters[512];
    snprintf(parameters, sizeof parameters, "{\"journal\": \"%s\"%s}", path_in(core, "journal"),
             more);
    make_rows(core, recipients, parameters, NULL);
}

static json_t *setting(const char *key, const char *value)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "key", key, "value", value, "file",
                     "/etc/campaignd/campaignd.conf", "line", 12);
}

/* ---- the way of a task ---- */

static void claim_is_delivered_and_each_act_happens_once(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 5000, ", \"fail_every\": 100");
    start_job(core, "nothing", NULL);
    send_claim(core, 1, 1, 4000);
    send_claim(core, 2, 4001, 5000);
    await_answers(core, 5000);
    assert_int_equal(core->outcomes, 5000);
    assert_all_answered(core, 5000);
    assert_int_equal(journal_lines(core), 4950);
    assert_int_equal(core->last.status, OUTCOME_REJECTED);
    assert_int_equal(core->last.code, 550);
    stop_worker(core);
}

static void simple_tier_prepares_begins_and_sends(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 20, "");
    start_job(core, "simple", json_pack("[o]", setting("greeting", "hello")));
    send_claim(core, 1, 1, 20);
    await_answers(core, 20);
    assert_int_equal(core->outcomes, 20);
    assert_int_equal(journal_lines(core), 18); /* two have no address */
    stop_worker(core);
}

static void idempotency_key_is_the_documented_one(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 1, "");
    start_job(core, "simple", json_pack("[o]", setting("greeting", "hello")));
    send_claim(core, 1, 1, 1);
    await_answers(core, 1);
    assert_string_equal(core->last.remote_id, KEY_OF_FIRST);
    stop_worker(core);
}

static void plugin_that_begins_itself_delivers(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 300, "");
    start_job(core, "asking", NULL);
    send_claim(core, 1, 1, 300);
    await_answers(core, 300);
    assert_int_equal(core->outcomes, 300);
    assert_int_equal(journal_lines(core), 300);
    assert_string_equal(core->last.remote_id, "asked");
    stop_worker(core);
}

static void small_job_is_not_kept_waiting_by_a_large_one(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 4000, ", \"delay_ms\": 1");
    start_job(core, "nothing", json_pack("[o]", setting("concurrency", "8")));
    send_json(core, FRAME_OPEN_JOB, 2, job_json(core));
    expect_frame(core, FRAME_JOB_READY);
    send_claim(core, 1, 1, 3000);
    await_answers(core, 1);
    send_claim_of(core, 2, 2, 3001, 3010);
    for (bool all = false; !all;) {
        assert_int_not_equal(next_frame(core), 0);
        all = true;
        for (unsigned i = 3001; i <= 3010; i++)
            all = all && core->ended[i];
    }
    assert_true(core->outcomes < 1500);
    send_number(core, FRAME_REVOKE, 1, 8);
    await_answers(core, 3010);
    stop_worker(core);
}

/* ---- revoke and stop ---- */

static void revoke_gives_back_what_has_not_begun(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 1000, ", \"wait_ms\": 60000");
    start_job(core, "asking", NULL);
    send_claim(core, 7, 1, 1000);
    usleep(50000); /* 16 are with the plugin */
    send_number(core, FRAME_REVOKE, 7, 8);
    await_answers(core, 1000);
    assert_int_equal(core->returned, 1000);
    assert_all_answered(core, 1000);
    assert_int_equal(journal_lines(core), 0);
    stop_worker(core);
}

static void revoke_lets_end_what_has_begun(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 3000, ", \"delay_ms\": 100");
    start_job(core, "nothing", json_pack("[o]", setting("concurrency", "100")));
    send_claim(core, 7, 1, 3000);
    await_answers(core, 1);
    send_number(core, FRAME_REVOKE, 7, 8);
    send_number(core, FRAME_REVOKE, 8, 8); /* none of ours */
    await_answers(core, 3000);
    assert_all_answered(core, 3000);
    assert_true(core->returned >= 2000);
    assert_int_equal(journal_lines(core), core->outcomes);
    stop_worker(core);
}

static void check_stopped(struct core *core)
{
    assert_int_equal(await_exit(core), 0);
    assert_int_equal(core->outcomes + core->returned, 50);
    assert_all_answered(core, 50);
    assert_true(core->returned >= 40);
    assert_int_equal(journal_lines(core), core->outcomes);
}

static void stop_finishes_what_has_begun(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 50, ", \"delay_ms\": 150");
    start_job(core, "nothing", json_pack("[o]", setting("concurrency", "4")));
    send_claim(core, 1, 1, 50);
    await_answers(core, 1);
    send_number(core, FRAME_STOP, 0, 0);
    check_stopped(core);
}

static void sigterm_stops_and_terminal_signals_do_not(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 50, ", \"delay_ms\": 150");
    start_job(core, "nothing", json_pack("[o]", setting("concurrency", "4")));
    send_claim(core, 1, 1, 50);
    kill(core->pid, SIGINT);
    kill(core->pid, SIGHUP);
    await_answers(core, 2);
    assert_int_equal(core->returned, 0);
    kill(core->pid, SIGTERM);
    check_stopped(core);
}

static void claim_of_no_open_job_is_given_back(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 10, "");
    start_job(core, "nothing", NULL);
    send_number(core, FRAME_CLOSE_JOB, 1, 4);
    send_claim(core, 1, 1, 10);
    await_answers(core, 10);
    assert_int_equal(core->returned, 10);
    stop_worker(core);
}

static void stop_does_not_wait_for_ever(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 5, ", \"delay_ms\": 3600000");
    json_t *json = configuration(core, "nothing");
    json_object_set_new(json, "stop_timeout_us", json_integer(100000));
    start_worker(core, "nothing");
    send_json(core, FRAME_CONFIGURE, -1, json);
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_READY);
    send_claim(core, 1, 1, 5);
    usleep(200000);
    send_number(core, FRAME_STOP, 0, 0);
    assert_int_equal(await_exit(core), 1);
    assert_int_equal(core->outcomes, 0);
    assert_int_equal(journal_lines(core), 0);
}

/* ---- the log ---- */

struct log_counts {
    unsigned begins, ends;
    bool begun[RECIPIENTS_MAX + 1];
};

static void count_record(void *context, enum tasklog_record type, const struct tasklog_task *task,
                         const void *outcome, size_t size)
{
    struct log_counts *counts = context;
    (void)outcome, (void)size;
    if (type == TASKLOG_BEGIN) {
        counts->begins++;
        counts->begun[task->ordinal] = true;
    } else {
        counts->ends++;
        assert_true(counts->begun[task->ordinal]);
    }
}

static void read_log(struct core *core, struct log_counts *counts, pid_t pid, uint64_t start)
{
    struct tasklog_identity identity;
    struct error error;
    memset(counts, 0, sizeof *counts);
    assert_int_equal(tasklog_identify(&identity, &error), 0);
    text_unhex(identity.instance, sizeof identity.instance, INSTANCE);
    identity.generation = 3;
    identity.pid = (uint32_t)pid;
    identity.pid_start = start;
    if (tasklog_read(path_in(core, INSTANCE), &identity, core->ready_low, core->ready_high,
                     count_record, counts, &error) != 0)
        fail_msg("%s", error.message);
}

static void worker_without_core_finishes_into_its_log(void **state)
{
    struct core *core = *state;
    static struct log_counts counts;
    make_journal_rows(core, 50, ", \"delay_ms\": 150");
    start_job(core, "nothing", json_pack("[o]", setting("concurrency", "4")));
    pid_t pid = core->pid;
    uint64_t start = tasklog_process_start(pid);
    send_claim(core, 1, 1, 50);
    await_answers(core, 1);
    file_close(&core->fd);
    assert_int_equal(await_exit(core), 0);
    read_log(core, &counts, pid, start);
    assert_int_equal(counts.begins, counts.ends);
    assert_int_equal(counts.ends, journal_lines(core));
    assert_in_range(counts.ends, 4, 12);
}

static void dead_worker_leaves_begins_of_all_that_it_did(void **state)
{
    struct core *core = *state;
    static struct log_counts counts;
    make_journal_rows(core, 2000, ", \"crash_at\": 700");
    core->quiet = true;
    start_job(core, "nothing", json_pack("[o]", setting("concurrency", "32")));
    pid_t pid = core->pid;
    uint64_t start = tasklog_process_start(pid);
    send_claim(core, 1, 1, 2000);
    assert_int_equal(await_exit(core), -SIGKILL);
    read_log(core, &counts, pid, start);
    assert_int_equal(journal_lines(core), 700);
    assert_int_equal(counts.ends, 699);
    assert_true(counts.begins >= 700 && counts.begins <= 699 + 32);
}

static void tasks_wait_for_the_log_to_be_granted(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 4000, "");
    json_t *json = configuration(core, "nothing");
    json_object_set_new(json, "log_segment_size", json_integer(64 << 10));
    start_worker(core, "nothing");
    core->quiet = true;
    send_json(core, FRAME_CONFIGURE, -1, json);
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_READY);
    send_claim(core, 1, 1, 4000);
    expect_frame(core, FRAME_LOG_WANT);
    assert_true(core->outcomes < 1500);
    core->quiet = false;
    struct buffer out = {0};
    size_t mark = frame_begin(&out, FRAME_LOG_GRANT);
    put_u32(&out, 1);
    put_u32(&out, 2);
    frame_end(&out, mark);
    send_frames(core, &out);
    await_answers(core, 4000);
    assert_int_equal(core->outcomes, 4000);
    assert_int_equal(journal_lines(core), 4000);
    stop_worker(core);
}

/* ---- faults of plugins ---- */

static int status_of_fault(struct core *core, uint64_t ordinal)
{
    core->last.status = -1;
    send_claim(core, ordinal, ordinal, ordinal);
    await_answers(core, (uint32_t)ordinal);
    return core->last.status;
}

static void faults_of_a_plugin_end_in_the_log_only(void **state)
{
    struct core *core = *state;
    static const struct {
        const char *fault;
        int status;
    } faults[] = {
        {"twice", OUTCOME_DELIVERED},  {"none", OUTCOME_UNKNOWN},     {"wild", OUTCOME_UNKNOWN},
        {"begins", OUTCOME_DELIVERED}, {"thread", OUTCOME_DELIVERED}, {"document", OUTCOME_SKIPPED},
    };
    char update[1000] = "";
    size_t count = sizeof faults / sizeof *faults;
    for (size_t i = 0; i < count; i++)
        snprintf(update + strlen(update), sizeof update - strlen(update),
                 "UPDATE recipient SET c2 = '%s' WHERE ordinal = %zu;", faults[i].fault, i + 1);
    make_rows(core, 10, "{}", update);
    json_t *json = configuration(core, "faulty");
    json_object_set_new(json, "log_level", json_integer(2)); /* the errors are expected */
    start_worker(core, "faulty");
    send_json(core, FRAME_CONFIGURE, -1, json);
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_READY);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(status_of_fault(core, i + 1), faults[i].status);
    assert_all_answered(core, (unsigned)count);
    stop_worker(core);
}

/* ---- refusals ---- */

static void expect_refusal(struct core *core, const char *plugin, json_t *settings,
                           const char *wanted)
{
    json_t *json = configuration(core, plugin);
    if (settings)
        json_object_set_new(json, "settings", settings);
    start_worker(core, plugin);
    send_json(core, FRAME_CONFIGURE, -1, json);
    int type = next_frame(core);
    if (type == FRAME_HELLO)
        type = next_frame(core);
    assert_int_equal(type, FRAME_FAILED);
    if (!strstr(core->message, wanted))
        fail_msg("»%s« does not say »%s«", core->message, wanted);
    assert_int_equal(await_exit(core), 1);
    file_close(&core->fd);
}

static void plugins_that_are_none_are_refused(void **state)
{
    expect_refusal(*state, "no_symbol", NULL, "exports no symbol campaignd_action");
    expect_refusal(*state, "wrong_abi", NULL, "built for ABI 9.0, and this campaignd has 0.2");
    expect_refusal(*state, "other_name", NULL, "calls itself »somebody«");
    expect_refusal(*state, "both_tiers", NULL, "both of deliver() and send()");
    expect_refusal(*state, "no_tier", NULL, "none of deliver() and send()");
    expect_refusal(*state, "odd_flags", NULL, "0x100000");
    expect_refusal(*state, "odd_channel", NULL, "its channel »pigeon« is none");
}

static void plugins_of_the_abi_before_still_work(void **state)
{
    struct core *core = *state;
    make_rows(core, 20, "{}", NULL);
    start_job(core, "old_abi", NULL);
    assert_non_null(strstr(core->message, "\"abi\":1,"));
    assert_non_null(strstr(core->message, "\"channel\":\"\""));
    send_claim(core, 1, 1, 20);
    await_answers(core, 20);
    assert_int_equal(core->last.status, OUTCOME_DELIVERED);
    stop_worker(core);
}

static void faults_of_settings_name_file_and_line(void **state)
{
    const char *place = "/etc/campaignd/campaignd.conf:12: ";
    expect_refusal(*state, "simple", json_pack("[o]", setting("greting", "x")), place);
    expect_refusal(*state, "simple", json_pack("[o]", setting("greting", "x")),
                   "»greeting« is meant");
    expect_refusal(*state, "simple", NULL, "greeting is missing");
    expect_refusal(*state, "nothing", json_pack("[o]", setting("concurrency", "many")),
                   "concurrency = »many« is not a whole number");
    expect_refusal(*state, "nothing", json_pack("[o]", setting("concurrency", "0")),
                   "from 1 to 65536");
    expect_refusal(*state, "simple", json_pack("[o]", setting("greeting", "refuse")),
                   "greeting = refuse: as you say");
    expect_refusal(
        *state, "simple",
        json_pack("[o, o]", setting("greeting", "x"), setting("password", "file:/none/such")),
        "/none/such");
    expect_refusal(*state, "simple",
                   json_pack("[o, o]", setting("greeting", "x"), setting("password", "geheim")),
                   "file:PATH");
    assert_null(strstr(((struct core *)*state)->message, "geheim"));
}

static void describe_says_what_is_declared_and_ends(void **state)
{
    struct core *core = *state;
    start_worker(core, "nothing");
    send_json(core, FRAME_CONFIGURE, -1,
              json_pack("{s:s, s:b}", "plugin", "nothing", "describe", 1));
    expect_frame(core, FRAME_HELLO);
    json_t *description = json_loads(core->message, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(description, "name")), "nothing");
    const json_t *settings = json_object_get(description, "settings");
    assert_string_equal(json_string_value(json_object_get(json_array_get(settings, 0), "default")),
                        "4096");
    const json_t *parameters = json_object_get(description, "parameters");
    assert_string_equal(
        json_string_value(json_object_get(declared_find(parameters, "journal"), "type")), "path");
    assert_int_equal(
        json_array_size(json_object_get(declared_find(parameters, "crash_when"), "choices")), 3);
    json_decref(description);
    assert_int_equal(await_exit(core), 0);
}

static void expect_job_failure(struct core *core, const char *parameters, const char *wanted)
{
    make_rows(core, 3, parameters, NULL);
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_FAILED);
    if (!strstr(core->message, wanted))
        fail_msg("»%s« does not say »%s«", core->message, wanted);
}

static void step_that_cannot_work_fails_before_any_recipient(void **state)
{
    struct core *core = *state;
    start_worker(core, "paper");
    send_json(core, FRAME_CONFIGURE, -1, configuration(core, "paper"));
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    expect_job_failure(core, "{}", "body is missing");
    expect_job_failure(core, "{\"body\": \"{{#open}}\"}", "the parameter body: ");
    expect_job_failure(core, "{\"body\": \"x\", \"report\": \"Brif\"}", "»Brief« is meant");
    expect_job_failure(core, "{\"body\": \"x\", \"column\": \"nam\"}", "»name« is meant");
    expect_job_failure(core, "{\"body\": \"x\", \"bdy\": \"y\"}", "there is no parameter »bdy«");
    unlink(path_in(core, "12.0.rows.db"));
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_FAILED);
    assert_non_null(strstr(core->message, "12.0.rows.db"));
    stop_worker(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(claim_is_delivered_and_each_act_happens_once),
        WORKER_TEST(simple_tier_prepares_begins_and_sends),
        WORKER_TEST(idempotency_key_is_the_documented_one),
        WORKER_TEST(plugin_that_begins_itself_delivers),
        WORKER_TEST(small_job_is_not_kept_waiting_by_a_large_one),
        WORKER_TEST(revoke_gives_back_what_has_not_begun),
        WORKER_TEST(revoke_lets_end_what_has_begun),
        WORKER_TEST(stop_finishes_what_has_begun),
        WORKER_TEST(sigterm_stops_and_terminal_signals_do_not),
        WORKER_TEST(claim_of_no_open_job_is_given_back),
        WORKER_TEST(stop_does_not_wait_for_ever),
        WORKER_TEST(worker_without_core_finishes_into_its_log),
        WORKER_TEST(dead_worker_leaves_begins_of_all_that_it_did),
        WORKER_TEST(tasks_wait_for_the_log_to_be_granted),
        WORKER_TEST(faults_of_a_plugin_end_in_the_log_only),
        WORKER_TEST(plugins_that_are_none_are_refused),
        WORKER_TEST(plugins_of_the_abi_before_still_work),
        WORKER_TEST(faults_of_settings_name_file_and_line),
        WORKER_TEST(describe_says_what_is_declared_and_ends),
        WORKER_TEST(step_that_cannot_work_fails_before_any_recipient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
