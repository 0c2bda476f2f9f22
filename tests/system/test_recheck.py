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
