/* A worker's protocol with its core: each task of a claim is answered exactly once. */
#include "host_harness.h"

static json_t *journal_parameters(struct core *core, const char *more)
{
    (void)core;
    return json_loads(more, 0, NULL);
}

static void make_journal_rows(struct core *core, unsigned recipients, const char *more)
{
    char parameters[512];
    json_decref(journal_parameters(core, "{}"));
    snprintf(parameters, sizeof parameters, "{\"journal\": \"%s\"%s}", path_in(core, "journal"),
             more);
    make_rows(core, recipients, parameters, NULL);
}

static void claim_is_delivered_and_each_act_happens_once(void **state)
{
    struct core *core = *state;
    make_journal_rows(core, 5000, "");
    start_job(core, "nothing", NULL);
    send_claim(core, 1, 1, 4000);
    send_claim(core, 2, 4001, 5000);
    await_answers(core, 5000);
    assert_int_equal(core->outcomes, 5000);
    assert_all_answered(core, 5000);
    assert_int_equal(journal_lines(core), 5000);
    assert_int_equal(core->last.status, OUTCOME_DELIVERED);
    stop_worker(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(claim_is_delivered_and_each_act_happens_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
