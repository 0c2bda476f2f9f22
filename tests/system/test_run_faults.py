"""Where a run's promises could break: each of these once did, or nearly."""
import http.client
import os
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import PATIENCE, Failed, until
from test_run_kill import AT_ONCE, begin, nothing_lost_nothing_twice, wait_acts


def test_refused_reload_leaves_nothing_in_doubt(site):
    """The new generation's workers are ready one after the other, and the last one refuses: none may have begun a task."""
    run = begin(site, recipients=1500, at_once=4)
    wait_acts(site, 50)
    site.configure(actions={"null": {"plugin": "nothing", "concurrency": 4},
                            "spaet": {"plugin": "nothing", "refuse_after_ms": 700}})
    with pytest.raises(Failed) as failed:
        site.api("POST", "/v1/reload", {})
    assert failed.value.status == 422 and "refused, as the test wants" in str(failed.value.answer)
    assert site.api("GET", "/v1/status")["generation"] == 1
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 1500, 0)


def test_run_goes_on_over_reloads(site):
    run = begin(site, recipients=2000)
    for moment in (100, 400, 800, 1200):
        wait_acts(site, moment)
        site.ctl("reload")
    assert site.api("GET", "/v1/status")["generation"] == 5
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 2000, 0)
    until(lambda: len(site.workers()) == 1, what="the old workers' end")


def test_reader_of_a_dead_core_ends_with_it(site):
    """Left alone it would finish its snapshot, under the name that the next core's reader is writing to."""
    site.start(customers=200)
    site.query("langsam", "SELECT id FROM kunde, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                          "i < 6000000) SELECT max(i) AS i FROM n) WHERE i > 0 ORDER BY id")
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}], "langsam")
    starting = threading.Thread(target=start_and_ignore, args=(site,))
    starting.start()
    run = until(lambda: site.api("GET", "/v1/runs"), what="the run")[0]["number"]
    readers = until(lambda: [pid for pid, command in site.processes().items() if "--reader" in command],
                    what="the reader")
    site.kill()
    starting.join()
    site.start()
    until(lambda: not set(readers) & set(site.processes()), 2, "the old reader's end")
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 200, 0)


def hold(path):
    """Another program's write lock."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return db


def start_and_ignore(site):
    try:
        site.start_run("leer")
    except (OSError, http.client.HTTPException):
        pass  # the core is killed meanwhile


def test_nothing_is_sent_before_the_index_says_that_the_run_runs(site):
    """state.db cannot be written when the run is ready; killed now, it is prepared anew, so nothing may have been sent."""
    site.start(customers=300, actions={"null": {"plugin": "nothing", "concurrency": 4}})
    site.query("langsam", "SELECT id FROM kunde, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                          "i < 2000000) SELECT max(i) AS i FROM n) WHERE i > 0 ORDER BY id")
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}], "langsam")
    starting = threading.Thread(target=start_and_ignore, args=(site,))  # it is answered when the run is ready
    starting.start()
    run = until(lambda: site.api("GET", "/v1/runs"), what="the run")[0]["number"]
    state = sqlite3.connect(site.state / "state.db", isolation_level=None, timeout=10)
    state.execute("CREATE TRIGGER fault BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'as the test wants'); END")
    assert site.run(run)["state"] == "preparing"
    until(lambda: "starts: 300 recipients" in site.log(), 15, "the run to be ready")
    time.sleep(1)
    site.kill()
    site.kill_workers()
    starting.join()
    state.execute("DROP TRIGGER fault")
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 300, 0)


def test_stop_does_not_wait_for_an_old_worker_that_stands_still(site):
    """Its recovery is the next start's."""
    run = begin(site, recipients=300, at_once=4, delay_ms=20, daemon={"recovery_wait": "1h"})
    wait_acts(site, 30)
    old = site.kill_workers(signal.SIGSTOP)
    site.kill()
    site.start()
    assert site.steps(run)["eins"]["claimed"] > 0
    began = time.monotonic()
    assert site.stop() == 0
    assert time.monotonic() - began < 5 * PATIENCE
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 300, 4)


@pytest.fixture
def small_disk(tmp_path):
    """28 MB: room for three logs and little else."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=28m", "none", folder]).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk):
    """Leave no byte; returns the file to be removed."""
    file = disk / "fills"
    with open(file, "wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass
    return file


def test_full_disk_loses_nothing(small_disk, site):
    """Outcomes wait until there is room; nothing is begun meanwhile that could not be written down."""
    site.state = small_disk / "state"
    run = begin(site, recipients=1000, delay_ms=5)
    wait_acts(site, 100)
    filler = fill(small_disk)
    until(lambda: "full" in site.log(), 10, "the daemon to notice")
    time.sleep(1)
    site.api("GET", "/v1/status")
    filler.unlink()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 1000, 0)


def test_killed_and_stopped_on_a_full_disk(small_disk, site):
    site.state = small_disk / "state"
    run = begin(site, recipients=1000, delay_ms=5, daemon={"stop_timeout": "1s"})
    wait_acts(site, 100)
    filler = fill(small_disk)
    until(lambda: "full" in site.log(), 10, "the daemon to notice")
    site.kill(signal.SIGTERM, timeout=25)
    filler.unlink()
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 1000, 0)


def test_run_survives_a_lock_on_its_files(site):
    """Outcomes that cannot be committed are kept and come later; nothing is lost, and nobody is asked twice."""
    run = begin(site, recipients=1500)
    wait_acts(site, 200)
    journal, state = hold(site.state / "runs" / f"{run}.db"), hold(site.state / "state.db")
    time.sleep(6 * PATIENCE)
    state.execute("ROLLBACK")
    journal.execute("ROLLBACK")
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 1500, 0)


def test_run_whose_action_is_taken_away_waits_and_says_why(site):
    run = begin(site, recipients=1500)
    wait_acts(site, 100)
    site.configure(actions={"anders": {"plugin": "nothing"}})
    site.ctl("reload")
    assert site.run(run)["reason"] == "waits: no action »null« is configured"
    until(lambda: site.steps(run)["eins"]["claimed"] == 0, 5, "what was claimed to be given back")
    site.configure(actions={"null": {"plugin": "nothing", "concurrency": AT_ONCE}})
    site.ctl("reload")
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 1500, 0)


def test_run_whose_parameters_do_not_pass_the_new_plugin_pauses_and_says_why(site):
    run = begin(site, recipients=1500)
    wait_acts(site, 100)
    site.configure(actions={"null": {"plugin": "faulty"}})
    site.ctl("reload")
    paused = site.wait_run(run, "paused", 5)
    assert "journal" in paused["reason"] or "delay_ms" in paused["reason"], paused["reason"]
    site.configure(actions={"null": {"plugin": "nothing", "concurrency": AT_ONCE}})
    site.ctl("reload")
    site.ctl("run", "resume", run)
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, 1500, 0)


def test_run_that_begins_while_a_worker_is_ending_is_not_paused_by_it(site):
    """As when a service manager signals all processes of a service: the worker ends what it has begun, and knows more than
    its core does."""
    first = begin(site, recipients=4, at_once=4, delay_ms=1500)
    until(lambda: site.steps(first)["eins"]["claimed"] == 4, what="the claim")
    time.sleep(0.2)
    site.kill_workers(signal.SIGTERM)
    site.campaign("zweite", [{"name": "eins", "action": "null", "parameters": {}}])
    second = site.start_run("zweite")
    assert site.wait_run(second, ("done", "paused"))["state"] == "done"
    site.wait_run(first, "done")
    nothing_lost_nothing_twice(site, first, 4, 0)
