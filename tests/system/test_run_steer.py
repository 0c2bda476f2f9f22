"""Pause, resume, cancel and stop take back at once what has not begun; what has begun ends."""
import signal
import sqlite3
import threading
import time

from conftest import until
from test_run_kill import begin, nothing_lost_nothing_twice, totals_add_up, wait_acts

RECIPIENTS = 1500


def wait_nothing_claimed(site, run, timeout=5):
    until(lambda: site.steps(run)["eins"]["claimed"] == 0, timeout, "what was claimed to be given back")


def test_pause_takes_back_at_once_and_resume_goes_on(site):
    run = begin(site, recipients=RECIPIENTS, delay_ms=20)  # so long that a slow machine still finds it running
    for moment in (100, 500, 900):
        wait_acts(site, moment)
        site.ctl("run", "pause", run)
        wait_nothing_claimed(site, run, 2)
        acts = site.acts()
        time.sleep(0.2)
        assert site.acts() == acts, "deliveries went on after all was given back"
        step = totals_add_up(site, run, RECIPIENTS)["eins"]
        assert site.run(run)["state"] == "paused"
        assert step["delivered"] == len(acts) and step["unknown"] == 0
        site.ctl("run", "resume", run)
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 0)


def test_pause_and_resume_in_quick_succession(site):
    run = begin(site, recipients=RECIPIENTS)
    wait_acts(site, 50)
    for _ in range(25):
        site.api("POST", f"/v1/runs/{run}/pause")
        site.api("POST", f"/v1/runs/{run}/resume")
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 0)


def test_paused_run_stays_paused_over_a_restart(site):
    run = begin(site, recipients=RECIPIENTS)
    wait_acts(site, 100)
    site.ctl("run", "pause", run)
    wait_nothing_claimed(site, run)
    acts = site.acts()
    site.restart(signal.SIGKILL)
    time.sleep(0.5)
    assert site.run(run)["state"] == "paused" and site.acts() == acts
    site.ctl("run", "resume", run)
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 0)


def test_pause_counts_although_the_core_is_killed_right_after_its_answer(site):
    run = begin(site, recipients=RECIPIENTS)
    wait_acts(site, 100)
    lock = sqlite3.connect(site.state / "state.db", isolation_level=None, timeout=10)
    lock.execute("BEGIN IMMEDIATE")
    pausing = threading.Thread(target=site.api, args=("POST", f"/v1/runs/{run}/pause"))
    pausing.start()
    pausing.join(0.5)
    assert pausing.is_alive(), "answered before it could be durable"
    lock.execute("ROLLBACK")
    pausing.join()
    site.restart(signal.SIGKILL)
    assert site.run(run)["state"] == "paused"


def test_cancel_ends_a_run_and_leaves_the_rest_undone(site):
    run = begin(site, recipients=RECIPIENTS)
    wait_acts(site, 200)
    site.ctl("run", "cancel", run)
    until(lambda: site.run(run)["ended_at"], 3, "the cancelled run to end")
    assert site.run(run)["state"] == "cancelled"
    step = totals_add_up(site, run, RECIPIENTS)["eins"]
    acts = site.acts()
    assert step["claimed"] == step["unknown"] == 0
    assert step["delivered"] == len(acts) < RECIPIENTS and max(acts.values()) == 1
    time.sleep(0.3)
    assert site.acts() == acts


def test_cancelled_run_is_settled_after_core_and_worker_are_killed(site):
    run = begin(site, recipients=200, at_once=4, delay_ms=200)
    wait_acts(site, 8)
    site.api("POST", f"/v1/runs/{run}/cancel")
    site.kill()
    site.kill_workers()
    site.start()
    until(lambda: site.run(run)["ended_at"], 5, "the cancelled run to end")
    step = totals_add_up(site, run, 200)["eins"]
    assert site.run(run)["state"] == "cancelled"
    assert step["claimed"] == 0 and step["unknown"] <= 4
    assert max(site.acts().values()) == 1


def test_sigterm_ends_what_has_begun_and_a_restart_finishes(site):
    run = begin(site, recipients=RECIPIENTS, delay_ms=100)
    for moment in (50, 150):
        wait_acts(site, moment)
        began = time.monotonic()
        assert site.stop() == 0
        assert time.monotonic() - began < 10
        assert not site.workers()
        with site.journal(run) as db:
            claimed, delivered, unknown = db.execute("SELECT claimed, delivered, unknown FROM step").fetchone()
        assert claimed == 0 and unknown == 0 and delivered == len(site.acts())
        site.start()
    site.kill(signal.SIGINT)
    site.configure(actions={"null": {"plugin": "nothing", "concurrency": 500}})
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 0)


def test_worker_that_is_told_to_stop_gives_back_what_it_has_not_begun(site):
    """As a service manager does it that signals all processes of a service."""
    run = begin(site, recipients=RECIPIENTS)
    wait_acts(site, 200)
    site.kill_workers(signal.SIGTERM)
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 0)
