"""The suppression list: entries, files, feeds; and objections that arrive while a run is under way take back what has not begun."""
import csv
import io
import os
import signal
import sqlite3
import threading
import time

import pytest

from conftest import Failed, until
import test_run_kill
from test_run_kill import totals_add_up, wait_acts

RECIPIENTS = 2000


def begin_addressed(site, **more):
    """A run whose group says which column is the e-mail address."""
    query = type(site).query
    site.query = lambda *args, **keys: query(site, *args, **{"fields": [{"name": "email", "role": "email"}], **keys})
    return test_run_kill.begin(site, **more)


def addressed_campaign(site, purpose="information", **parameters):
    site.query(fields=[{"name": "email", "role": "email"}])
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, **parameters}}],
                  purpose=purpose, **({"purpose_reason": "§ 7 of the statutes"} if purpose == "mandatory" else {}))


def suppress(site, value, **more):
    return site.api("POST", "/v1/suppressions", {"value": value, "reason": "objection", "scope": "all", **more})


def entries(site, **parameters):
    return site.api("GET", "/v1/suppressions" + ("?" + "&".join(f"{k}={v}" for k, v in parameters.items())
                                                  if parameters else ""))


def import_csv(site, text):
    return site.api("POST", "/v1/suppressions/import", {"csv": text})


# ---- the list

def test_an_entry_is_added_once_and_becomes_stricter(site):
    site.start(customers=3)
    first = suppress(site, " Kunde1@Example.ORG ", note="by telephone")
    assert first["result"] == "added" and first["value"] == "kunde1@example.org"
    assert (first["kind"], first["channel"], first["scope"]) == ("address", "any", "all")
    assert suppress(site, "kunde1@example.org")["result"] == "known"
    created = entries(site)[0]["created_at"]
    assert suppress(site, "kunde1@example.org", reason="deceased", note="letter came back")["result"] == "stricter"
    [entry] = entries(site, value="KUNDE1@example.org")
    assert entry["id"] == first["id"] and entry["created_at"] == created
    assert (entry["reason"], entry["note"], entry["origin"]) == ("deceased", "letter came back", "hand")
    assert suppress(site, "kunde1@example.org", reason="objection", note="milder")["result"] == "known"
    assert entries(site)[0]["reason"] == "deceased"
    site.api("DELETE", f"/v1/suppressions/{entry['id']}")
    assert entries(site) == []
    with pytest.raises(Failed) as failed:
        site.api("DELETE", f"/v1/suppressions/{entry['id']}")
    assert failed.value.status == 404


def test_what_is_left_out_of_an_entry_is_filled_in(site):
    site.start(customers=3)
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {}}])

    def add(**body):
        made = site.api("POST", "/v1/suppressions", body)
        return tuple(made[key] for key in ("kind", "value", "channel", "scope", "reason"))
    assert add(value="a@b.at") == ("address", "a@b.at", "any", "advertising", "objection")
    assert add(value="c@b.at", reason="bounce") == ("address", "c@b.at", "email", "all", "bounce")
    assert add(value="+43 (316) 77-1") == ("address", "+43316771", "any", "advertising", "objection")
    assert add(value="4711", kind="person", reason="blocked") == ("person", "4711", "any", "all", "blocked")
    assert add(value="d@b.at", campaign="leer") == ("address", "d@b.at", "any", "campaign", "objection")
    for wrong, word in (({"value": "4711"}, "kind"), ({"value": "a@"}, "e-mail"), ({"value": "x", "kind": "address"}, "neither"),
                        ({"value": "a@b.at", "reason": "bored"}, "objection"), ({"value": "a@b@c.at"}, "no e-mail address"), ({"value": "a@b.at", "scope": "campaign"}, "campaign"),
                        ({"value": "a@b.at", "campaign": "keine"}, "keine"), ({"value": "a@b.at", "channel": "pigeon"}, "letter"),
                        ({"value": "", "kind": "person"}, "key"), ({}, "value")):
        with pytest.raises(Failed) as failed:
            site.api("POST", "/v1/suppressions", wrong)
        assert failed.value.status in (400, 404) and word in failed.value.answer["error"]["message"], failed.value.answer
    assert len(entries(site)) == 5


def test_the_list_is_paged_by_id(site):
    site.start(customers=1)
    import_csv(site, "email\r\n" + "".join(f"k{n}@example.org\r\n" for n in range(250)))
    first = entries(site, limit=100)
    second = entries(site, limit=100, after=first[-1]["id"])
    third = entries(site, limit=100, after=second[-1]["id"])
    assert [len(part) for part in (first, second, third)] == [100, 100, 50]
    assert len({entry["value"] for entry in first + second + third}) == 250


def test_an_import_names_the_lines_that_it_refuses_and_can_be_repeated(site):
    site.start(customers=1)
    text = ('\ufeffvalue;kind;channel;scope;reason;note;time\n'
            'Eins@example.org;;;;;"mit ""Zitat""; und\nZeile";2026-03-01\n'
            '\n'
            'zwei@;;;;;;\n'
            '4711;person;any;all;deceased;;2026-03-02T10:11:12Z\n'
            'drei@example.org;;fax;;;;\n'
            'vier@example.org;;;;;;gestern\n')
    answer = import_csv(site, text)
    assert (answer["added"], answer["refused"]) == (2, 3)
    assert [problem["line"] for problem in answer["problems"]] == [5, 7, 8]
    one, two = entries(site)
    assert one["note"] == 'mit "Zitat"; und\nZeile' and one["created_at"].startswith("2026-03-01T00:00:00")
    assert two["created_at"].startswith("2026-03-02T10:11:12") and two["origin"] == "import"
    again = import_csv(site, text)
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)
    with pytest.raises(Failed) as failed:
        import_csv(site, "name,ort\nx,y\n")
    assert failed.value.status == 400 and "value" in failed.value.answer["error"]["message"]


def test_what_is_exported_can_be_imported_elsewhere(new_site):
    one, two = new_site(), new_site()
    one.start(customers=1)
    two.start(customers=1)
    suppress(one, "a@example.org", note='mit "Zitat", und Komma')
    suppress(one, "4711", kind="person", reason="deceased", channel="letter")
    text = one.api("GET", "/v1/suppressions/export", raw=True).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows[0]["note"] == 'mit "Zitat", und Komma' and "\r\n" in text
    assert import_csv(two, text)["added"] == 2
    strip = [{k: v for k, v in entry.items() if k not in ("id", "created_at")} for entry in entries(one)]
    assert strip == [{k: v for k, v in entry.items() if k not in ("id", "created_at")} for entry in entries(two)]


def test_a_query_feeds_the_list(site):
    site.start(customers=20)
    site.query("widersprueche", "SELECT id AS nr, email, 'complaint' AS reason FROM kunde WHERE id <= 7", key="nr")
    site.query("verstorben", "SELECT id, 'deceased' AS reason FROM kunde WHERE id IN (3, 4)")
    answer = site.api("POST", "/v1/suppressions/feed", {"query": "widersprueche"})
    assert (answer["added"], answer["refused"]) == (7, 0), answer
    assert {entry["value"] for entry in entries(site)} == {f"kunde{n}@example.org" for n in range(1, 8)}
    assert {(entry["origin"], entry["reason"]) for entry in entries(site)} == {("source kunden", "complaint")}
    assert site.api("POST", "/v1/suppressions/feed", {"query": "verstorben"})["added"] == 2
    assert {(entry["kind"], entry["value"]) for entry in entries(site)[7:]} == {("person", "3"), ("person", "4")}
    assert site.api("POST", "/v1/suppressions/feed", {"query": "verstorben"})["unchanged"] == 2
    with pytest.raises(Failed):
        site.api("POST", "/v1/suppressions/feed", {"query": "verstorben", "group": "keine"})


def test_an_entry_is_durable_before_its_request_is_answered(site):
    site.start(customers=1)
    lock = sqlite3.connect(site.state / "state.db", isolation_level=None, timeout=10)
    lock.execute("BEGIN IMMEDIATE")
    adding = threading.Thread(target=suppress, args=(site, "a@example.org"))
    adding.start()
    adding.join(0.5)
    assert adding.is_alive(), "answered before it could be durable"
    lock.execute("ROLLBACK")
    adding.join()
    site.restart(signal.SIGKILL)
    assert [entry["value"] for entry in entries(site)] == ["a@example.org"]


# ---- in mid-run

def skipped(site, run):
    return {ordinal: text for ordinal, (status, text) in site.outcomes(run).items() if status == "skipped"}


def nobody_was_reached_in_spite_of(site, run, recipients, suppressed, acts_before):
    """Counters add up, nobody twice, and of the suppressed only those that had begun were acted on."""
    step = totals_add_up(site, run, recipients)["eins"]
    acts, left = site.acts(), skipped(site, run)
    assert step["waiting"] == step["claimed"] == step["deferred"] == 0, step
    assert max(acts.values()) == 1
    assert set(left) <= suppressed and step["skipped"] == len(left)
    assert not {int(key) for key in acts} & set(left), "skipped, and acted on"
    assert {int(key) for key in acts} | set(left) == set(range(1, recipients + 1)) or step["unknown"]
    assert all(text.startswith("suppressed: objection of 20") for text in left.values())
    late = suppressed - set(left) - acts_before
    return left, late


def test_objections_in_mid_run_take_back_what_has_not_begun(site):
    run = begin_addressed(site, recipients=RECIPIENTS)
    wait_acts(site, 300)
    suppressed = set(range(2, RECIPIENTS, 4))
    import_csv(site, "email,scope\n" + "".join(f"KUNDE{n}@example.org,all\n" for n in suppressed))
    time.sleep(0.3)
    acts = {int(key) for key in site.acts()}
    site.wait_run(run, "done")
    left, late = nobody_was_reached_in_spite_of(site, run, RECIPIENTS, suppressed, acts)
    assert not late, f"begun long after their objection: {late}"
    assert len(left) > 200


def test_an_objection_holds_over_a_deferral_and_a_pause(site):
    site.start(customers=50, actions={"null": {"plugin": "nothing", "concurrency": 2}})
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 20}}])
    run = site.start_run("leer")
    wait_acts(site, 3)
    site.api("POST", f"/v1/runs/{run}/pause")
    until(lambda: site.steps(run)["eins"]["claimed"] == 0, what="all to be given back")
    suppress(site, "50", kind="person")
    until(lambda: 50 in skipped(site, run), what="the objection")
    site.api("POST", f"/v1/runs/{run}/resume")
    site.wait_run(run, "done")
    assert site.steps(run)["eins"]["skipped"] == 1 and site.acts()["50"] == 0


@pytest.mark.parametrize("purpose, scope, counts", [("information", "advertising", False), ("advertising", "advertising", True),
                                                    ("mandatory", "advertising", False), ("mandatory", "all", True)])
def test_the_purpose_decides_which_objections_count(site, purpose, scope, counts):
    site.start(customers=300, actions={"null": {"plugin": "nothing", "concurrency": 2}})
    addressed_campaign(site, purpose, delay_ms=5)
    run = site.start_run("leer")
    wait_acts(site, 3)
    site.api("POST", f"/v1/runs/{run}/pause")
    suppress(site, "kunde300@example.org", scope=scope)
    suppress(site, "kunde299@example.org", reason="bounce", channel="any", scope="advertising")
    until(lambda: 299 in skipped(site, run), what="the bounce, which always counts")
    site.api("POST", f"/v1/runs/{run}/resume")
    site.wait_run(run, "done")
    assert (300 in skipped(site, run)) == counts
    shown = site.run(run)
    assert shown["purpose"] == purpose
    assert shown["purpose_reason"] == ("§ 7 of the statutes" if purpose == "mandatory" else "")


@pytest.mark.parametrize("repetition", range(4))
def test_objections_survive_the_death_of_core_and_worker(site, repetition):
    """Killed at any moment around the import: who is on the list, and had not begun, is never acted on after the restart."""
    run = begin_addressed(site, recipients=RECIPIENTS)
    wait_acts(site, 100)
    suppressed = set(range(1, RECIPIENTS, 3))
    import_csv(site, "email,scope\n" + "".join(f"kunde{n}@example.org,all\n" for n in suppressed))
    time.sleep((0, 0.004, 0.015, 0.05)[repetition])
    if repetition % 2:
        site.kill_workers()
    site.kill()
    until(lambda: not site.processes(), what="the workers to end")
    acts = {int(key) for key in site.acts()}
    site.start()
    site.wait_run(run, "done", timeout=40)
    left, late = nobody_was_reached_in_spite_of(site, run, RECIPIENTS, suppressed, acts)
    unknown = {ordinal for ordinal, (status, _) in site.outcomes(run).items() if status == "unknown"}
    assert not late - unknown, f"begun after the restart: {late - unknown}"
    assert len(left) > 300


def withdrawn(site, run):
    with site.journal(run) as db:
        return {task & ((1 << 40) - 1) for task, in db.execute("SELECT task FROM withdrawn")}


def end_after_a_death(site, run, suppressed, deadly):
    """Kill, start again, wait for the end: whoever is on the list and had not begun by then is skipped."""
    deadly()
    until(lambda: not site.processes(), what="the processes to end")
    acts = {int(key) for key in site.acts()}
    site.start()
    site.wait_run(run, "done", timeout=40)
    left, late = nobody_was_reached_in_spite_of(site, run, RECIPIENTS, suppressed, acts)
    unknown = {ordinal for ordinal, (status, _) in site.outcomes(run).items() if status == "unknown"}
    assert not late - unknown, f"begun after the restart: {late - unknown}"
    assert withdrawn(site, run) == set()
    return left


def test_a_death_between_the_entry_and_the_withdrawal_loses_nothing(site):
    """The run's journal cannot be written when the entry is made, and the core dies before it can."""
    run = begin_addressed(site, recipients=RECIPIENTS)
    wait_acts(site, 50)
    lock = sqlite3.connect(site.state / "runs" / f"{run}.db", isolation_level=None, timeout=10)
    lock.execute("BEGIN IMMEDIATE")
    suppressed = set(range(RECIPIENTS - 400, RECIPIENTS + 1))
    import_csv(site, "email,scope\n" + "".join(f"kunde{n}@example.org,all\n" for n in suppressed))
    time.sleep(0.3)

    def deadly():
        site.kill()
        lock.execute("ROLLBACK")
        lock.close()
        assert withdrawn(site, run) == set() and not skipped(site, run)
    assert end_after_a_death(site, run, suppressed, deadly) and sum(site.acts().values()) < RECIPIENTS


@pytest.mark.parametrize("worker_lives", (True, False))
def test_a_death_between_the_withdrawal_and_the_return_loses_nothing(site, worker_lives):
    """The worker stands still when it is told to give back; then the core dies, and maybe the worker, too."""
    run = begin_addressed(site, recipients=RECIPIENTS)
    wait_acts(site, 50)
    workers = site.kill_workers(signal.SIGSTOP)
    with site.journal(run) as db:
        held = {ordinal for first, last in db.execute("SELECT first, last FROM claim_range") for ordinal in range(first, last + 1)}
    suppressed = {ordinal for ordinal in held if ordinal % 2}
    import_csv(site, "key,scope\n" + "".join(f"{n},all\n" for n in suppressed))
    until(lambda: withdrawn(site, run), what="what is held to be marked")

    def deadly():
        site.kill()
        assert withdrawn(site, run)
        for pid in workers:
            os.kill(pid, signal.SIGCONT if worker_lives else signal.SIGKILL)
    assert end_after_a_death(site, run, suppressed, deadly)


def test_entries_that_were_there_are_known_before_a_run_begins(site):
    site.start(customers=400, actions={"null": {"plugin": "nothing", "concurrency": 8}})
    addressed_campaign(site)
    suppress(site, "kunde7@example.org")
    suppress(site, "9", kind="person")
    run = site.start_run("leer")
    site.wait_run(run, "done")
    assert site.acts()["7"] == site.acts()["9"] == 0 and sum(site.acts().values()) == 398


# ---- asked again before delivery

def gone(site, run, step=1):
    return {ordinal: text for ordinal, (status, text) in site.outcomes(run, step).items() if status == "skipped"}


def begin_rechecked(site, recipients=2500, **more):
    site.start(customers=recipients, actions={"null": {"plugin": "nothing", "concurrency": 8}})
    site.campaign("leer", [{"name": "eins", "action": "null", "recheck": True,
                            "parameters": {"journal": site.act_file, "delay_ms": 5}}], **more)
    return site.start_run("leer")


def change_source(site, statement):
    db = sqlite3.connect(site.customers_db, timeout=10)
    with db:
        db.execute(statement)
    db.close()


def test_who_is_no_longer_selected_is_skipped_and_says_so(site):
    run = begin_rechecked(site, filter="ort <> 'Wien'")
    wait_acts(site, 100)
    change_source(site, "DELETE FROM kunde WHERE id > 2300")
    change_source(site, "UPDATE kunde SET ort = 'Wien' WHERE id = 2222")
    site.wait_run(run, "done")
    totals_add_up(site, run, site.run(run)["recipients"])
    with sqlite3.connect(f"file:{site.state}/runs/{run}.0.rows.db?mode=ro&immutable=1", uri=True) as rows:
        keys = {ordinal: int(key) for ordinal, key in rows.execute("SELECT ordinal, key FROM recipient")}
    left = {keys[ordinal]: text for ordinal, text in gone(site, run).items()}
    assert left.pop(2222) == "no longer selected: filter"
    assert set(left) == {key for key in keys.values() if key > 2300}
    assert set(left.values()) == {"no longer selected: not in the query any more"}
    acts = site.acts()
    assert {int(key) for key in acts} == set(keys.values()) - set(left) - {2222} and max(acts.values()) == 1


def test_a_source_that_is_down_holds_up_its_step_alone(site):
    site.start(customers=200, actions={"null": {"plugin": "nothing", "concurrency": 8}})
    parameters = {"journal": site.act_file, "delay_ms": 1}
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": f"{site.act_file}.1", "delay_ms": 20}},
                           {"name": "zwei", "action": "null", "after": 1, "recheck": True, "parameters": parameters}])
    run = site.start_run("leer")
    until(lambda: sum(site.acts(f"{site.act_file}.1").values()) >= 20, what="the first step to be under way")
    site.api("POST", f"/v1/runs/{run}/pause")
    hidden = site.customers_db.with_suffix(".away")
    site.customers_db.rename(hidden)
    site.restart()
    before = sum(site.acts().values())
    site.api("POST", f"/v1/runs/{run}/resume")
    until(lambda: site.steps(run)["eins"]["delivered"] == 200, what="the first step to go on")
    reason = until(lambda: site.run(run)["reason"], what="the reason")
    assert "»zwei«" in reason and "asked again" in reason, reason
    assert sum(site.acts().values()) == before and site.run(run)["state"] == "running"
    hidden.rename(site.customers_db)
    site.restart()  # else within 30 s
    site.wait_run(run, "done")
    assert sum(site.acts().values()) == 200 and site.steps(run)["zwei"]["delivered"] == 200


def test_asking_again_survives_deaths(site):
    run = begin_rechecked(site)
    for moment in (50, 700, 1500):
        wait_acts(site, moment)
        site.kill_workers() if moment == 700 else None
        site.restart(signal.SIGKILL)
    change_source(site, "DELETE FROM kunde WHERE id = 2500")
    site.wait_run(run, "done", timeout=40)
    step = totals_add_up(site, run, 2500)["eins"]
    assert max(site.acts().values()) == 1 and step["unknown"] <= 8
    assert 2500 in gone(site, run) and site.acts()["2500"] == 0


# ---- all that is held on one person

def test_all_that_is_held_on_a_person_is_told(site):
    site.start(customers=5, actions={"letters": {"plugin": "print"}, "null": {"plugin": "nothing"}})
    site.report("Brief", "<p>{{name}}</p>")
    site.query(fields=[{"name": "email", "role": "email", "label_de": "E-Mail", "label_en": "E-mail"}])
    site.campaign("brief", [{"name": "brief", "action": "letters", "parameters": {"report": "Brief"}}])
    site.campaign("ohne", [{"name": "eins", "action": "null", "parameters": {}}], filter="id <> 3")
    site.campaign("weg", [{"name": "eins", "action": "null", "parameters": {}}], picks={"in": ["3"], "out": ["1"]})
    first, second = site.start_run("brief"), site.start_run("ohne")
    site.wait_run(first, "done")
    site.wait_run(second, "done")
    by_address, by_key = suppress(site, "kunde3@example.org"), suppress(site, "3", kind="person", scope="advertising")
    suppress(site, "4", kind="person")
    told = site.api("GET", "/v1/persons/3")
    assert [run["run"] for run in told["runs"]] == [second, first] and not told["more"] and told["unreadable"] == []
    left, letter = told["runs"]
    assert [out["reason"] for out in left["left_out"]] == ["filter"] and "tasks" not in left
    assert letter["as"] == "recipient" and letter["left_out"] == []
    columns = {column["name"]: column for column in letter["columns"]}
    assert columns["email"]["value"] == "kunde3@example.org" and columns["email"]["label_de"] == "E-Mail"
    assert [(task["step"], task["outcome"]) for task in letter["tasks"]] == [("brief", "delivered")]
    [document] = letter["documents"]
    assert len(document["hash"]) == 64 and document["file"].startswith(f"archive/{first}/")
    content = site.api("GET", f"/v1/archive/{first}/{document['document']}", raw=True)
    assert len(content) == document["size"] and content.startswith(b"%PDF")
    assert {entry["id"] for entry in told["suppressions"]} == {by_address["id"], by_key["id"]}
    assert [(pick["campaign"], pick["pick"]) for pick in told["picks"]] == [("weg", "in")]
    nobody = site.api("GET", "/v1/persons/gibt%20es%20nicht")
    assert not nobody["runs"] and not nobody["suppressions"] and not nobody["picks"]


def test_a_member_of_a_household_is_found_by_his_own_key(site):
    rows = [(n, f"Kind {n}", f"k{n}@example.org", f"Haushalt {n // 2}", "AT", None) for n in range(2, 6)]
    site.customers(4, rows)
    site.start(actions={"null": {"plugin": "nothing"}})
    site.query(fields=[{"name": "ort", "role": "household"}, {"name": "email", "role": "email"}])
    site.campaign("haus", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 1}}],
                  unit="household")
    run = site.start_run("haus")
    site.wait_run(run, "done")
    [told] = site.api("GET", "/v1/persons/3")["runs"]
    assert told["as"] == "member" and told["recipient"] == "2"
    assert {column["name"]: column["value"] for column in told["columns"]}["email"] == "k3@example.org"
    assert [task["outcome"] for task in told["tasks"]] == ["delivered"]


def test_an_objection_of_one_member_keeps_the_whole_household(site):
    rows = [(n, f"Kind {n}", f"k{n}@example.org", f"Haushalt {n // 2}", "AT", None) for n in range(2, 402)]
    site.customers(400, rows)
    site.start(actions={"null": {"plugin": "nothing", "concurrency": 2}})
    site.query(fields=[{"name": "ort", "role": "household"}, {"name": "email", "role": "email"}])
    site.campaign("haus", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 20}}],
                  unit="household")
    run = site.start_run("haus")
    wait_acts(site, 3)
    suppress(site, "K401@example.org")
    suppress(site, "399", kind="person")
    until(lambda: len(skipped(site, run)) == 2, what="the two households to be taken back")
    assert site.acts()["400"] == site.acts()["398"] == 0
