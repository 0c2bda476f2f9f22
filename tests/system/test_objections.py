"""Objections where they could be missed: by whichever address or member they come, and whatever fails in between."""
import os
import sqlite3
import time

import pytest

from conftest import Failed, until
from test_run_kill import begin, wait_acts
from test_suppression import import_csv, skipped, suppress


def two_addresses(site, roles):
    """A group with two columns of addresses."""
    site.customers(0, [(n, f"a{n}@example.org", f"b{n}@example.org", "", "AT", None) for n in range(1, 301)])
    site.start(actions={"null": {"plugin": "nothing", "concurrency": 2}, "mail": {"plugin": "email", "server": f"maildir:{site.folder}/mail", "from": "wir@example.org"}})
    site.report("Mail", "<p>Hallo</p>", "email")
    site.query(sql="SELECT id, name AS first, email AS second FROM kunde ORDER BY id",
               fields=[{"name": name, "role": role} for name, role in zip(("first", "second"), roles) if role])


def test_every_address_of_a_recipient_counts(site):
    """At the start and in mid-run: columns with the roles, and the one that a step names without any role."""
    two_addresses(site, roles=("email", None))
    site.campaign("leer", [{"name": "eins", "action": "mail", "parameters": {
        "to": "second", "report": "Mail", "subject": "Hallo"}}])
    suppress(site, "a7@example.org")
    suppress(site, "B8@example.org")
    run = site.start_run("leer")
    site.wait_run(run, "done")
    assert site.run(run)["left_out"] == {"suppressed": 2}
    site.query("zwei", "SELECT id, name AS first, email AS second FROM kunde WHERE id > 250 ORDER BY id",
               fields=[{"name": "first", "role": "email"}, {"name": "second", "role": "email"}])
    suppress(site, "b251@example.org")
    site.campaign("nochmals", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 20}}], "zwei")
    run = site.start_run("nochmals")
    assert site.run(run)["left_out"] == {"suppressed": 1}
    wait_acts(site, 2)
    suppress(site, "b300@example.org")
    until(lambda: len(skipped(site, run)) == 1, what="the second address to be taken back")


def test_an_objection_counts_however_many_others_there_are(site):
    """Somebody has objected to forty campaigns before this one."""
    site.start(customers=10)
    site.query(fields=[{"name": "email", "role": "email"}])
    step = {"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}
    ids = [site.campaign(f"nr{n}", [step])["id"] for n in range(41)]
    assert import_csv(site, "email,scope,campaign\n" + "".join(f"kunde3@example.org,campaign,{n}\n" for n in ids))["added"] == 41
    run = site.start_run("nr40")
    site.wait_run(run, "done")
    assert site.acts()["3"] == 0 and site.run(run)["left_out"] == {"suppressed": 1}


def test_the_strictest_of_several_entries_is_the_reason(site):
    site.start(customers=3)
    site.query(fields=[{"name": "email", "role": "email"}])
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {}}])
    suppress(site, "2", kind="person")
    suppress(site, "kunde2@example.org", reason="deceased")
    run = site.start_run("leer")
    site.wait_run(run, "done")
    with sqlite3.connect(f"file:{site.state}/runs/{run}.0.rows.db?immutable=1", uri=True) as rows:
        [(key, reason, detail)] = rows.execute("SELECT key, reason, detail FROM left_out")
    assert (key, reason) == ("2", "suppressed") and detail.startswith("deceased of ")


def test_what_one_member_has_objected_to_is_kept_from_the_household(site):
    """One step is withheld from him alone, so that he stays a recipient of the others; the message of that step would name him."""
    site.customers(0, [(n, f"Kunde {n}", f"k{n}@example.org", f"Haushalt {n // 2}", "AT", None) for n in range(2, 22)])
    site.start(actions={"null": {"plugin": "nothing"}, "mail": {"plugin": "email", "server": f"maildir:{site.folder}/mail", "from": "wir@example.org"}})
    site.report("Mail", "<p>Hallo</p>", "email")
    site.query(fields=[{"name": "ort", "role": "household"}, {"name": "email", "role": "email"}])
    site.campaign("haus", [{"name": "mail", "action": "mail", "parameters": {
        "report": "Mail", "subject": "Hallo"}},
        {"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}], unit="household")
    suppress(site, "k5@example.org", channel="email")
    run = site.start_run("haus")
    site.wait_run(run, "done")
    assert list(skipped(site, run)) == [2] and skipped(site, run)[2].startswith("suppressed: ")
    assert site.steps(run)["eins"]["delivered"] == site.run(run)["recipients"] == 10


# ---- what fails in between

def fault(site, table):
    """Let the next commits that insert into this table of state.db fail, at the very end; returns what ends that."""
    state = sqlite3.connect(site.state / "state.db", isolation_level=None, timeout=10)
    state.executescript(f"""
        CREATE TABLE fault_parent (id INTEGER PRIMARY KEY);
        CREATE TABLE fault (id INTEGER REFERENCES fault_parent DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER fault_at AFTER INSERT ON {table} BEGIN INSERT INTO fault VALUES (1); END;""")

    def mend():
        state.executescript("DROP TRIGGER fault_at; DROP TABLE fault; DROP TABLE fault_parent;")
        state.close()
    return mend


def test_entries_that_could_not_be_written_hold_up_no_run(site):
    """Their revisions do not exist; a run that waited to be compared with them would wait for ever."""
    run = begin(site, recipients=400, at_once=2)
    wait_acts(site, 3)
    mend = fault(site, "suppression")
    with pytest.raises(Failed) as failed:
        suppress(site, "300", kind="person")
    assert "FOREIGN KEY" in str(failed.value.answer)
    mend()
    again = site.start_run("leer", force=True)
    until(lambda: site.steps(again)["eins"]["delivered"] > 3, what="a run that starts afterwards to begin")
    site.wait_run(run, "done")
    before = cpu_seconds(site.core.pid)
    time.sleep(1)
    assert cpu_seconds(site.core.pid) - before < 0.5, "it compares without end"
    site.wait_run(again, "done")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_nothing_is_dealt_out_while_the_list_cannot_be_compared(site):
    """The run's rows cannot be read: whoever has just objected must not be reached for that."""
    run = begin(site, recipients=200, at_once=2, delay_ms=10)
    wait_acts(site, 10)
    rows = site.state / "runs" / f"{run}.0.rows.db"
    hidden = rows.with_suffix(".hidden")
    rows.rename(hidden)
    suppress(site, "200", kind="person")
    reason = until(lambda: site.run(run)["reason"], what="the reason")
    assert "nothing is dealt out" in reason and "suppression list" in reason
    until(lambda: site.steps(run)["eins"]["claimed"] == 0, what="all to be given back")
    held = sum(site.acts().values())
    time.sleep(0.4)
    assert sum(site.acts().values()) == held < 200
    hidden.rename(rows)
    site.wait_run(run, "done")
    assert site.acts()["200"] == 0 and list(skipped(site, run)) == [200] and not site.run(run)["reason"]
