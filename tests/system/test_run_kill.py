"""A run promises: nothing lost, nothing twice. Here core, worker or both are killed in mid-run, at random moments.

The act that cannot be taken back is a line in a file (tests/plugins/nothing.c). `concurrency` is how many deliveries are
under way at a time, like the connections to a mail server: so many may be in doubt after each death of a worker, no more.
"""
import os
import random
import signal
import time

import pytest

from conftest import PATIENCE, until

RECIPIENTS = 3000
AT_ONCE = 8
STATUSES = ("waiting", "claimed", "delivered", "rejected", "skipped", "deferred", "unknown")


def totals_add_up(site, run, recipients):
    steps = site.steps(run)
    for step in steps.values():
        assert sum(step[status] for status in STATUSES) == step["total"] == recipients, step
    return steps


def nothing_lost_nothing_twice(site, run, recipients, doubtful):
    """All is over; who is called delivered was delivered once, who is unknown at most once, and few are unknown."""
    step = totals_add_up(site, run, recipients)["eins"]
    assert step["waiting"] == step["claimed"] == step["deferred"] == 0, step
    acts, outcomes = site.acts(), site.outcomes(run)
    assert len(outcomes) == recipients
    for ordinal, (status, _) in outcomes.items():
        times = acts[str(ordinal)]
        if status == "delivered":
            assert times == 1, f"{ordinal} is delivered, and was acted on {times} times"
        else:
            assert status == "unknown" and times <= 1, f"{ordinal} is {status}, and was acted on {times} times"
    assert step["unknown"] == sum(status == "unknown" for status, _ in outcomes.values())
    assert step["unknown"] <= doubtful, f"{step['unknown']} are in doubt, {doubtful} may be"
    return step


def begin(site, recipients=RECIPIENTS, at_once=AT_ONCE, daemon=None, action=None, **parameters):
    site.start(customers=recipients, actions={"null": {"plugin": "nothing", "concurrency": at_once, **(action or {})}},
               daemon=daemon)
    site.campaign("leer", [{"name": "eins", "action": "null",
                            "parameters": {"journal": site.act_file, "delay_ms": 5, **parameters}}])
    return site.start_run("leer")


def seeded():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"seed {seed}: repeat with SEED={seed}")
    return random.Random(seed)


def wait_acts(site, count):
    until(lambda: sum(site.acts().values()) >= count, 20, f"{count} acts")


@pytest.mark.parametrize("repetition", range(2))
def test_run_resumes_after_core_is_killed(site, repetition):
    chance = seeded()
    run = begin(site)
    for moment in sorted(chance.sample(range(1, RECIPIENTS * 3 // 4), 3)):
        wait_acts(site, moment)
        time.sleep(chance.random() * 0.02)
        site.restart(signal.SIGKILL)
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 0)  # the workers ended what they had begun, and their logs say so


@pytest.mark.parametrize("repetition", range(2))
def test_run_resumes_after_worker_is_killed(site, repetition):
    chance = seeded()
    run = begin(site)
    deaths = 0
    for moment in sorted(chance.sample(range(1, RECIPIENTS * 3 // 4), 3)):
        wait_acts(site, moment)
        time.sleep(chance.random() * 0.02)
        until(site.workers, what="a worker")
        deaths += len(site.kill_workers())
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, deaths * AT_ONCE)


@pytest.mark.parametrize("repetition", range(2))
def test_run_resumes_after_core_and_worker_are_killed(site, repetition):
    chance = seeded()
    run = begin(site)
    deaths = 0
    for moment in sorted(chance.sample(range(1, RECIPIENTS * 3 // 4), 3)):
        wait_acts(site, moment)
        time.sleep(chance.random() * 0.02)
        if chance.random() < 0.5:
            site.kill()
            deaths += len(site.kill_workers())
        else:
            deaths += len(site.kill_workers())
            site.kill()
        site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, deaths * AT_ONCE)


def test_run_resumes_after_core_dies_while_it_prepares(site):
    """The snapshot's query takes a second; whatever is there of the run when the core dies, it is made anew, once."""
    chance = seeded()
    site.start(customers=200, actions={"null": {"plugin": "nothing", "concurrency": AT_ONCE}})
    site.query("langsam", "SELECT id FROM kunde, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                          "i < 1500000) SELECT max(i) AS i FROM n) WHERE i > 0 ORDER BY id")
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}], "langsam")
    run = site.start_run("leer")
    for _ in range(2):
        time.sleep(chance.random() * 0.8)
        site.restart(signal.SIGKILL)
    until(lambda: [known["number"] for known in site.api("GET", "/v1/runs")] == [run], what="the run, and no other")
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 200, 0)


# What a worker had begun when it died: `crash_at` kills it at an exact moment, with one delivery at a time.

@pytest.mark.parametrize("moment, acts, unknown", [("before", 0, 1), ("after", 1, 1), ("ended", 1, 0)])
def test_worker_dies_at_an_exact_moment(site, moment, acts, unknown):
    run = begin(site, recipients=100, at_once=1, delay_ms=0, crash_at=60, crash_when=moment)
    site.wait_run(run, "done")
    step = nothing_lost_nothing_twice(site, run, 100, 1)
    assert step["unknown"] == unknown
    assert site.acts()["60"] == acts
    if unknown:
        status, text = site.outcomes(run)[60]
        assert status == "unknown" and "ended after it had begun" in text


# The core is started again while a worker of the old one lives on.

def test_old_worker_is_waited_for(site):
    """The old worker ends what it has begun, however long that takes, and only then its log is read."""
    run = begin(site, recipients=40, at_once=10, delay_ms=300, daemon={"recovery_wait": "1h"})
    wait_acts(site, 10)
    old = site.kill_workers(signal.SIGSTOP)
    site.restart(signal.SIGKILL)
    time.sleep(0.3)
    assert set(old) <= set(site.workers())
    step = site.steps(run)["eins"]
    assert step["claimed"] >= 10 and step["unknown"] == 0
    for pid in old:
        os.kill(pid, signal.SIGCONT)
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 40, 0)


def test_old_worker_that_stands_still_is_ended_before_its_log_is_read(site):
    run = begin(site, recipients=400, at_once=4, delay_ms=20, daemon={"recovery_wait": "3s"})
    wait_acts(site, 30)
    old = site.kill_workers(signal.SIGSTOP)
    site.kill()
    began = time.monotonic()
    site.start()
    step, living = site.steps(run)["eins"], site.workers()
    if time.monotonic() - began < 2.5:  # else the machine is too busy to tell
        assert set(old) <= set(living), "ended before recovery_wait was over"
        assert step["claimed"] > 0 and step["unknown"] == 0, "the log was read while its owner lived"
    site.wait_run(run, "done")
    assert not set(old) & set(site.workers())
    assert "still holds its log" in site.log()
    nothing_lost_nothing_twice(site, run, 400, 4)


def test_two_cores_never_share_a_state_dir(site, new_site):
    run = begin(site, recipients=500)
    other = new_site()
    other.state = site.state
    other.start(customers=1, wait=False)
    assert other.core.wait(10 * PATIENCE) == 1
    assert f"another campaignd (process {site.core.pid}) uses {site.state}" in other.log()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 500, 0)


def test_lock_of_the_state_dir_dies_with_its_core_alone(site):
    """Workers of the killed core live on; they do not hold its lock."""
    run = begin(site, recipients=50, at_once=50, delay_ms=1500)
    until(lambda: site.steps(run)["eins"]["claimed"] == 50, what="the claim")
    site.kill()
    assert site.workers()
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 50, 0)
