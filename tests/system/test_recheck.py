"""Steps that ask the source again before delivery: who is asked about, what counts, and what a source that cannot answer does."""
import os
import signal
import sqlite3
import time

import pytest

from conftest import Failed, until
from test_run_kill import totals_add_up, wait_acts
from test_suppression import change_source, gone, suppress


def begin(site, recipients=300, delay_ms=5, at_once=8, sql=None, fields=(), rows=None, wait=True, daemon=None, **campaign):
    if rows is not None:
        site.customers(0, rows)
    site.start(customers=recipients if rows is None else None, daemon=daemon,
               actions={"null": {"plugin": "nothing", "concurrency": at_once}})
    site.query(fields=fields, **({"sql": sql} if sql else {}))
    site.campaign("leer", [{"name": "eins", "action": "null", "recheck": True,
                            "parameters": {"journal": site.act_file, "delay_ms": delay_ms}}], **campaign)
    return site.start_run("leer")


def test_all_of_it_works_under_a_state_dir_with_an_odd_name(site):
    """? # and % mean something in the URI by which SQLite opens a file."""
    site.state = site.folder / "a ?b#c%41 Wör=&ter"
    site.customers(0, [(n, f"Kunde {n}", f"k{n}@example.org", f"Haushalt {n // 2}", "AT", None) for n in range(2, 402)])
    site.start(actions={"null": {"plugin": "nothing", "concurrency": 2}})
    site.query(fields=[{"name": "ort", "role": "household"}, {"name": "email", "role": "email"}])
    step = {"name": "eins", "action": "null", "recheck": True, "parameters": {"journal": site.act_file, "delay_ms": 10}}
    site.campaign("haus", [step], unit="household")
    run = site.start_run("haus")
    wait_acts(site, 3)
    suppress(site, "K401@example.org")
    change_source(site, "DELETE FROM kunde WHERE id = 398")
    site.restart(signal.SIGKILL)
    site.wait_run(run, "done")
    left = gone(site, run)
    assert left.pop(200).startswith("suppressed: ") and list(left) == [199], left
    [told] = site.api("GET", "/v1/persons/3")["runs"]
    assert told["as"] == "member" and not site.api("GET", "/v1/persons/3")["unreadable"]
    site.query("gegangen", f"SELECT recipient FROM task WHERE run = {run} AND outcome = 'delivered'", "recipient", "runs")
    site.campaign("nochmals", [dict(step, recheck=False, parameters={})], "gegangen")
    again = site.start_run("nochmals")
    site.wait_run(again, "done")
    assert site.run(again)["recipients"] == 396


def test_who_was_reached_meanwhile_by_another_run_is_no_longer_selected(site):
    """The follow-up's source are the runs themselves, also one that is under way; each member of a household counts."""
    site.customers(0, [(n, f"Kunde {n}", f"k{n}@example.org", f"Haushalt {n // 2}", "AT", None) for n in range(2, 42)])
    site.start(actions={"null": {"plugin": "nothing", "concurrency": 1}})
    site.query(fields=[{"name": "ort", "role": "household"}])
    step = {"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 50}}
    site.campaign("haus", [step], unit="household")
    first = site.start_run("haus")
    wait_acts(site, 3)
    site.api("POST", f"/v1/runs/{first}/pause")
    until(lambda: site.steps(first)["eins"]["claimed"] == 0, what="all to be given back")
    reached = {int(key) for key in site.acts()}
    site.api("POST", "/v1/queries", {"name": "erreicht", "source": "runs", "groups": [
        {"name": "g", "key": "recipient", "sql": f"SELECT recipient FROM task WHERE run = {first} AND outcome = 'delivered'"}]})
    site.api("POST", "/v1/queries", {"name": "offen", "source": "kunden", "groups": [
        {"name": "g", "key": "id", "sql": "SELECT id FROM kunde", "sets": [{"operation": "minus", "query": "erreicht"}]}]})
    site.campaign("erinnerung", [dict(step, recheck=True, parameters={"journal": f"{site.act_file}.2", "delay_ms": 5})], "offen")
    second = site.start_run("erinnerung")
    site.wait_run(second, "done")
    reminded = {int(key) for key in site.acts(f"{site.act_file}.2")}
    assert reminded == {n for n in range(2, 42) if n // 2 * 2 not in reached}
    journal = site.state / "runs" / f"{first}.db"
    hidden = journal.with_suffix(".hidden")
    journal.rename(hidden)
    journal.mkdir()  # there, and cannot be read
    with pytest.raises(Failed) as failed:
        site.start_run("erinnerung")
    assert f"run {first}: its files cannot be read" in str(failed.value.answer), failed.value.answer
    journal.rmdir()
    hidden.rename(journal)


HOUSEHOLDS = [(n, f"Kunde {n}", f"k{n}@example.org", f"Haushalt {n // 2}", "AT", None) for n in range(2, 42)]


def stop_early(site, run):
    wait_acts(site, 3)
    site.api("POST", f"/v1/runs/{run}/pause")
    until(lambda: site.steps(run)["eins"]["claimed"] == 0, what="all to be given back")
    return sum(site.acts().values())


def go_on(site, run):
    """By a new core, which knows no earlier answer."""
    site.restart(signal.SIGKILL)
    site.api("POST", f"/v1/runs/{run}/resume")


def test_every_member_of_a_household_is_asked_about(site):
    """The message is for all of them: who of them has died or left since keeps the whole unit."""
    run = begin(site, rows=HOUSEHOLDS, delay_ms=50, at_once=1, unit="household", filter="land = 'AT'",
                fields=[{"name": "ort", "role": "household"}, {"name": "widerspruch", "role": "deceased"}])
    assert site.run(run)["recipients"] == 20
    stop_early(site, run)
    change_source(site, "UPDATE kunde SET widerspruch = 1 WHERE id = 41")
    change_source(site, "UPDATE kunde SET land = 'DE' WHERE id = 38")
    change_source(site, "DELETE FROM kunde WHERE id = 36 OR id = 35")
    go_on(site, run)
    site.wait_run(run, "done")
    assert gone(site, run) == {20: "no longer selected: deceased (member 41)", 19: "no longer selected: filter",
                               18: "no longer selected: not in the query any more",
                               17: "no longer selected: not in the query any more (member 35)"}
    assert max(site.acts().values()) == 1 and len(site.acts()) == 16


def test_who_is_still_selected_is_so_by_the_same_rules(site):
    """Records put in and taken out by hand, a filter, a set, a sample, details: asking again changes nobody's lot."""
    site.start(customers=400, actions={"null": {"plugin": "nothing", "concurrency": 8}})
    site.api("POST", "/v1/queries", {"name": "ohne", "source": "kunden", "groups": [
        {"name": "g", "key": "id", "sql": "SELECT id FROM kunde WHERE id % 10 = 0"}]})
    site.api("POST", "/v1/queries", {"name": "mit", "source": "kunden", "groups": [
        {"name": "g", "key": "id", "sql": "SELECT id, ort FROM kunde ORDER BY id DESC",
         "sets": [{"operation": "minus", "query": "ohne"}],
         "details": [{"name": "d", "key": "id", "sql": "SELECT id, name FROM kunde"}]}]})
    site.campaign("leer", [{"name": "eins", "action": "null", "recheck": True, "parameters": {"journal": site.act_file}}], "mit",
                  filter="ort <> 'Wien'", sample=120, picks={"in": ["1", "8"], "out": ["2"]})
    run = site.start_run("leer")
    site.wait_run(run, "done")
    assert site.steps(run)["eins"]["delivered"] == 120, site.steps(run)
    assert set(site.run(run)["left_out"]) == {"filter", "taken out", "minus", "sample"}


@pytest.mark.parametrize("fault, mend, says", [
    ("ALTER TABLE kunde RENAME COLUMN email TO mail", "ALTER TABLE kunde RENAME COLUMN mail TO email", "no such column"),
    ("ALTER TABLE kunde RENAME TO kunde_alt", "ALTER TABLE kunde_alt RENAME TO kunde", "no such table")])
def test_a_query_that_fails_since_holds_up_its_step_and_says_so(site, fault, mend, says):
    run = begin(site, recipients=100, delay_ms=20, at_once=1)
    held = stop_early(site, run)
    change_source(site, fault)
    go_on(site, run)
    reason = until(lambda: site.run(run)["reason"], what="the reason")
    assert "»eins« waits" in reason and says in reason, reason
    assert sum(site.acts().values()) == held and site.run(run)["state"] == "running"
    change_source(site, mend)
    site.restart()  # else within 30 s
    site.wait_run(run, "done")
    assert sum(site.acts().values()) == site.steps(run)["eins"]["delivered"] == 100


# As slow as the column widerspruch says.
SLOW = ("SELECT id FROM kunde, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
        "(SELECT max(widerspruch) FROM kunde)) SELECT max(i) AS i FROM n) WHERE i > 0")


def test_a_slow_source_is_waited_for_and_that_is_said(site):
    run = begin(site, rows=[(n, "", "", "", "AT", 1) for n in range(1, 51)], sql=SLOW, delay_ms=20, at_once=1)
    held = stop_early(site, run)
    change_source(site, "UPDATE kunde SET widerspruch = 1000000000")
    go_on(site, run)
    reason = until(lambda: site.run(run)["reason"], what="the reason")
    assert "»eins« waits" in reason and "has been asked for" in reason, reason
    readers = [pid for pid, command in site.processes().items() if "--reader" in command]
    for pid in readers:
        os.kill(pid, signal.SIGKILL)
    until(lambda: "ended by signal 9" in (site.run(run)["reason"] or ""), what="the reader's death to be told")
    assert len(readers) == 1 and sum(site.acts().values()) == held
    change_source(site, "UPDATE kunde SET widerspruch = 1")
    site.restart(signal.SIGKILL)
    site.wait_run(run, "done")
    assert totals_add_up(site, run, 50)["eins"]["delivered"] == 50


def test_a_run_is_cancelled_while_its_source_is_asked(site):
    run = begin(site, rows=[(n, "", "", "", "AT", 1) for n in range(1, 51)], sql=SLOW, delay_ms=20, at_once=1)
    stop_early(site, run)
    change_source(site, "DELETE FROM kunde WHERE id > 40")
    change_source(site, "UPDATE kunde SET widerspruch = 4000000")
    go_on(site, run)
    until(lambda: any("--reader" in command for command in site.processes().values()), what="the reader")
    site.api("POST", f"/v1/runs/{run}/cancel")
    until(lambda: site.run(run)["ended_at"], what="the end")
    assert not gone(site, run), "what was cancelled is not skipped as well"
