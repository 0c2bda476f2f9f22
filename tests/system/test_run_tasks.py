"""Which recipients were rejected, skipped, deferred or delivered, and why: `campaignctl run tasks` and its path of the API."""
import os
import sqlite3
import subprocess

import pytest

from conftest import BUILD, Failed, until

RECIPIENTS = 12
REJECTED_TEXT = "rejected, as the test wants"
SKIPPED_TEXT = "the step »eins« before it ended as rejected"


@pytest.fixture
def office(site):
    """A run in which the step eins rejected four, whom zwei then skipped."""
    site.start(customers=RECIPIENTS, actions={"null": {"plugin": "nothing", "concurrency": 1}})
    eins = {"fail_every": 3, "journal": f"{site.act_file}.eins"}
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": eins},
                           {"name": "zwei", "action": "null", "after": 1}])
    assert site.wait_run(site.start_run("leer"))["state"] == "done"
    return site


def rejected_keys(site):
    """By the other way: all but those whom the plugin wrote down as done."""
    return {str(n) for n in range(1, RECIPIENTS + 1)} - set(site.acts(f"{site.act_file}.eins"))


def tasks(site, *options, run=1):
    return site.ctl("run", "tasks", run, *options, json_output=True)


def test_rejected_are_named_with_their_reason(office):
    rejected = tasks(office, "--outcome", "rejected")
    assert {task["recipient"] for task in rejected} == rejected_keys(office) and len(rejected) == RECIPIENTS // 3
    assert [int(task["recipient"]) for task in rejected] == sorted(int(task["recipient"]) for task in rejected)
    for task in rejected:
        assert set(task) == {"recipient", "step", "outcome", "code", "attempt", "time", "remote_id", "text"}
        assert (task["step"], task["outcome"], task["text"], task["attempt"]) == ("eins", "rejected", REJECTED_TEXT, 1)
        assert task["time"].endswith("Z")


def test_filters_narrow_and_combine(office):
    rejected = rejected_keys(office)
    everything = tasks(office)
    assert [task["step"] for task in everything] == ["eins"] * RECIPIENTS + ["zwei"] * RECIPIENTS
    skipped = tasks(office, "--outcome", "skipped")
    assert {task["recipient"] for task in skipped} == rejected and {task["text"] for task in skipped} == {SKIPPED_TEXT}
    assert len(tasks(office, "--step", "zwei", "--outcome", "delivered")) == RECIPIENTS - len(rejected)
    assert tasks(office, "--step", "zwei", "--outcome", "rejected") == []
    assert tasks(office, "--outcome", "unknown") == tasks(office, "--outcome", "deferred") == []
    one = min(rejected)
    assert [(task["step"], task["outcome"]) for task in tasks(office, "--recipient", one)] == [("eins", "rejected"), ("zwei", "skipped")]
    assert [task["step"] for task in tasks(office, "--recipient", one, "--step", "zwei")] == ["zwei"]
    assert tasks(office, "--limit", RECIPIENTS + 1) == everything[:RECIPIENTS + 1], "the limit counts over steps"


def test_table_names_them_and_says_when_it_is_cut(office):
    for language, outcome, cut in (("en", "rejected", "The first 2"), ("de", "abgelehnt", "Die ersten 2")):
        table = office.ctl("--lang", language, "run", "tasks", 1, "--outcome", "rejected")
        lines = table.splitlines()[1:]
        assert {line.split()[0] for line in lines} == rejected_keys(office)
        assert all(outcome in line and REJECTED_TEXT in line for line in lines)
        assert cut in office.ctl("--lang", language, "run", "tasks", 1, "--limit", 2)


def test_show_and_watch_name_the_command(office):
    command = "campaignctl run tasks 1 --outcome rejected"
    assert command in office.ctl("run", "show", 1)
    watched = office.ctl("run", "watch", 1, check=False)
    assert watched.returncode == 7 and command in watched.stderr


def test_what_does_not_exist_is_said(office):
    for given in (["99"], ["1", "--step", "drei"], ["1", "--recipient", "4711"]):
        done = office.ctl("--lang", "en", "run", "tasks", *given, check=False)
        assert done.returncode == 3 and given[-1] in done.stderr and done.stdout == "", done.stderr
        assert ("run list" in done.stderr) == (given == ["99"]), done.stderr


def test_bad_outcome_is_a_clear_error(office):
    done = office.ctl("--lang", "en", "run", "tasks", 1, "--outcome", "lost", check=False)
    assert done.returncode == 2 and "lost" in done.stderr and "rejected, unknown, skipped, deferred" in done.stderr
    with pytest.raises(Failed) as failed:
        office.api("GET", "/v1/runs/1/tasks?outcome=lost")
    assert failed.value.status == 400 and "outcome" in str(failed.value)
    for query in ("limit=0", "limit=10001", "fnord=1", "outcome=rejected&outcome=unknown", "step="):
        with pytest.raises(Failed) as failed:
            office.api("GET", f"/v1/runs/1/tasks?{query}")
        assert failed.value.status == 400


def test_deferred_are_listed_while_they_wait(site):
    site.start(customers=5, actions={"null": {"plugin": "nothing"}})
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"defer_times": 1, "not_before_ms": 3_600_000}}])
    run = site.start_run("leer")
    until(lambda: site.steps(run)["eins"]["deferred"] == 5, 10, "all to be deferred")
    listed = tasks(site, "--outcome", "deferred", run=run)
    assert [task["recipient"] for task in listed] == ["1", "2", "3", "4", "5"] and tasks(site, run=run) == listed
    assert {(task["outcome"], task["text"]) for task in listed} == {("deferred", "deferred, as the test wants")}
    assert all(task["time"] > site.run(run)["started_at"] for task in listed), "when it is tried again"
    site.ctl("run", "cancel", run)


def test_text_in_another_encoding_hides_nobody(office):
    office.stop()
    db = sqlite3.connect(office.state / "runs" / "1.db")
    db.execute("UPDATE outcome SET text = CAST(x'4772fcdf65' AS TEXT) WHERE status = 2")
    db.commit()
    db.close()
    office.start()
    assert {task["text"] for task in tasks(office, "--outcome", "rejected")} == {"Gr??e"}


def test_completion_knows_it():
    done = subprocess.run([BUILD / "campaignctl", "__complete", "run", "tasks", "--"], capture_output=True, text=True, env=os.environ)
    assert {"--outcome", "--step", "--recipient", "--limit"} <= set(done.stdout.split())
