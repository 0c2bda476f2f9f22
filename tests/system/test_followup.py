"""Earlier runs as the source »runs«: who got what, and follow-up campaigns made of it, from end to end."""
import json
import logging
import os
import sqlite3
import time

import pytest

from conftest import BUILD, SANITIZED, Failed, until
from servers import PASSWORD, postgres  # noqa: F401  (fixture)
from smtp_peer import Fault, SmtpPeer

logging.getLogger("mail.log").setLevel(logging.CRITICAL)

# What a clerk puts together, without a word of SQL.
REJECTED = {
    "from": "task",
    "fields": [{"field": "task.recipient"}, {"field": "task.text"}],
    "where": {"and": [{"field": "task.run", "is": "=", "parameter": "run"}, {"field": "task.outcome", "is": "=", "value": "rejected"}]}}
REACHED = {
    "from": "task",
    "fields": [{"field": "task.recipient"}],
    "where": {"and": [{"field": "task.run", "is": "=", "parameter": "run"}, {"field": "task.outcome", "is": "=", "value": "delivered"}]}}
CUSTOMERS = {"from": "kunde", "fields": [{"field": f"kunde.{name}"} for name in ("id", "name", "email", "ort", "land")],
             "order": [{"field": "kunde.id"}]}
RUN = [{"name": "run", "type": "integer", "label_de": "Ausführung", "label_en": "Run"}]


def runs_query(site, name, built, parameters=RUN):
    return site.api("POST", "/v1/queries", {"name": name, "source": "runs", "parameters": list(parameters),
                                            "groups": [{"name": "g", "key": "recipient", "built": built}]})


def customers_query(site, name, sets=(), source="kunden", **group):
    """All customers, cut with other queries or without theirs: (operation, query) each."""
    group = group or {"built": CUSTOMERS, "key": "id", "fields": [{"name": "email", "role": "email"}]}
    return site.api("POST", "/v1/queries", {"name": name, "source": source, "groups": [
        {"name": "g", **group, "sets": [{"operation": operation, "query": query} for operation, query in sets]}]})


def recipients(site, campaign, **body):
    """The keys that a start would take, and the counted reasons."""
    told = site.api("POST", f"/v1/campaigns/{campaign}/recipients", {"limit": 100, **body})
    return [str(row[0]) for row in told["rows"]], told["left_out"]


def query_rows(site, name, **parameters):
    return site.api("POST", f"/v1/queries/{name}/run", {"parameters": parameters, "limit": 1000})["rows"]


@pytest.fixture
def mailing(site):
    """Eight customers got a mail; those of number 3 and 4 were rejected. The run's number is site.first."""
    site.customers(8)
    with SmtpPeer([Fault("rcpt", reply="550 5.1.1 no such user", skip=2, times=2)]) as peer:
        site.start(actions={"post": {"plugin": "email", "server": peer.url, "helo": "client.test", "from": "info@example.org",
                                     "connections": 1}, "brief": {"plugin": "print"}, "null": {"plugin": "nothing"}})
        customers_query(site, "Kunden")
        site.report("Einladung", "<p>Liebe {{name}}</p>", kind="email")
        site.report("Brief", "<p>{{name}}, Ihre Mail kam zurück.</p>")
        site.campaign("Einladung", [{"name": "mail", "action": "post", "parameters": {"report": "Einladung", "subject": "Kommen Sie?"}}],
                      query="Kunden")
        site.first = site.start_run("Einladung")
        assert site.wait_run(site.first)["state"] == "done"
        assert sorted(peer.recipients()) == [f"kunde{n}@example.org" for n in (1, 2, 5, 6, 7, 8)]
    return site


UNANSWERED = {**REACHED, "where": {"and": REACHED["where"]["and"] + [{"field": "task.confirmation", "is": "<>", "value": "confirmed"}]}}


# ---- the two queries of a clerk

def test_reminder_to_all_who_have_not_answered(mailing):
    """Answers are noted one by one as they come, also after a restart; what was a mistake is taken back."""
    said = mailing.ctl("run", "confirm", mailing.first, 5, 6, 99)
    assert "confirmed for 2" in said and f"Not a recipient of run {mailing.first}: 99" in said
    confirm = f"/v1/runs/{mailing.first}/confirmations"
    assert mailing.api("POST", confirm, {"recipients": ["7", "8"], "text": "am Telefon", "step": "mail"}) == {"recorded": 2, "unknown": []}
    mailing.api("POST", confirm, {"recipients": ["8"], "confirmation": "none"})
    mailing.api("POST", confirm, {"recipients": ["2"], "confirmation": "failed", "text": "5.1.1"})
    mailing.restart()
    runs_query(mailing, "Stand", {"from": "task", "fields": [{"field": "task.recipient"}, {"field": "task.confirmation"}],
                                  "where": {"field": "task.run", "is": "=", "parameter": "run"}, "order": [{"field": "task.recipient"}]})
    assert query_rows(mailing, "Stand", run=mailing.first) == [
        ["1", "none"], ["2", "failed"], ["3", "none"], ["4", "none"], ["5", "confirmed"], ["6", "confirmed"], ["7", "confirmed"], ["8", "none"]]
    [told] = mailing.api("GET", "/v1/persons/7")["runs"]
    assert [(task["outcome"], task["confirmation"]) for task in told["tasks"]] == [("delivered", "confirmed")]
    runs_query(mailing, "Ohne Antwort", UNANSWERED)
    customers_query(mailing, "Kunden ohne Antwort", [("both", "Ohne Antwort")])
    mailing.campaign("Erinnerung", [{"name": "eins", "action": "null", "parameters": {"journal": mailing.act_file}}], query="Kunden ohne Antwort",
                     parameters={"run": mailing.first})
    second = mailing.start_run("Erinnerung")
    assert mailing.wait_run(second)["left_out"] == {"both": 5}
    assert mailing.acts() == {"1": 1, "2": 1, "8": 1}, "3 and 4 never got the mail"


def test_a_confirmation_that_cannot_be_is_refused(mailing):
    for run, body, status, wanted in (
            (1, {"recipients": ["1"], "confirmation": "perhaps"}, 400, "none, pending, confirmed, failed"),
            (1, {"recipients": ["1"], "step": "Mail"}, 404, "no step »Mail«"), (1, {"recipients": [1]}, 400, "as texts"),
            (1, {"recipients": []}, 400, "as texts"), (1, {"recipients": ["1"], "who": "me"}, 400, ""), (7, {"recipients": ["1"]}, 404, "no run 7")):
        with pytest.raises(Failed) as failed:
            mailing.api("POST", f"/v1/runs/{run}/confirmations", body)
        assert failed.value.status == status and wanted in failed.value.answer["error"]["message"], body


def test_letter_to_those_whose_mail_was_rejected(mailing):
    runs_query(mailing, "Abgelehnt", REJECTED)
    rows = query_rows(mailing, "Abgelehnt", run=mailing.first)
    assert [row[0] for row in rows] == ["3", "4"] and "550 5.1.1 no such user" in rows[0][1]
    customers_query(mailing, "Kunden, deren Mail abgelehnt wurde", sets=[("both", "Abgelehnt")])
    mailing.campaign("Nachbrief", [{"name": "brief", "action": "brief", "parameters": {"report": "Brief"}}],
                     query="Kunden, deren Mail abgelehnt wurde", parameters={"run": mailing.first})
    assert recipients(mailing, "Nachbrief") == (["3", "4"], {"both": 6})
    second = mailing.start_run("Nachbrief")
    assert mailing.wait_run(second)["left_out"] == {"both": 6}
    assert sorted(entry["recipient"] for entry in mailing.api("GET", f"/v1/archive?run={second}")) == ["3", "4"]
    # and what the second did is there for a third
    documents = {"from": "document", "order": [{"field": "document.recipient"}], "fields": [{"field": "document.recipient"}, {"field": "document.name"}, {"field": "document.sha256"}],
                 "where": {"field": "document.run", "is": "=", "value": second}}
    runs_query(mailing, "Briefe", documents, ())
    got = query_rows(mailing, "Briefe")
    assert [(key, name) for key, name, _ in got] == [("3", "Brief.pdf"), ("4", "Brief.pdf")] and len(got[0][2]) == 64
    left = {"from": "left_out", "fields": [{"field": "left_out.recipient"}, {"field": "left_out.reason"}],
            "joins": [{"table": "run"}], "where": {"field": "run.campaign", "is": "=", "value": "Nachbrief"},
            "order": [{"field": "left_out.recipient"}]}
    runs_query(mailing, "Ausgelassen", left, ())
    assert query_rows(mailing, "Ausgelassen") == [[str(key), "both"] for key in (1, 2, 5, 6, 7, 8)]


def test_a_query_on_runs_is_itself_a_list_of_recipients(mailing):
    """Without the site's data, as for a label or a note: each one once, whatever number of steps he had."""
    runs_query(mailing, "Abgelehnt", REJECTED)
    mailing.campaign("Notiz", [{"name": "eins", "action": "null", "parameters": {"journal": mailing.act_file}}], query="Abgelehnt",
                     parameters={"run": mailing.first})
    mailing.wait_run(mailing.start_run("Notiz"), "done")
    assert mailing.acts() == {"3": 1, "4": 1}


# ---- sets across sources

def test_keys_are_compared_as_texts_letter_by_letter(site, postgres):  # noqa: F811
    """Integers here, texts there; 07 is not 7, a is not A, ä is not a; NULL is nobody."""
    keys = ["7", "07", " 7", "a1", "A1", "ä1", "Ä1", "x'; --", "9223372036854775807"]
    site.customers(0, [(7, "Sieben", None, "Graz", "AT", None), (8, "Acht", None, "Graz", "AT", None),
                       (2**63 - 1, "Viele", None, "Graz", "AT", None)])
    database = postgres.new_database()
    postgres.sql("CREATE TABLE person (nr TEXT, zahl NUMERIC(30,0), name TEXT);" + "".join(
        "INSERT INTO person VALUES ('%s', %s, 'x');" % (key.replace("'", "''"), key.strip() if key.strip().isdigit() else "NULL") for key in keys)
        + "INSERT INTO person VALUES (NULL, 8, 'ohne Nummer')", database)
    secret = site.folder / "password"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    secret.chmod(0o600)
    site.start(sources={"kunden": {"driver": "sqlite", "path": site.customers_db},
                        "pg": postgres.source(database, password=f"file:{secret}")})
    runs_query(site, "Gehabt", REACHED)
    site.query("Alle", "SELECT id, name FROM kunde ORDER BY id")
    step = [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}]
    site.campaign("Erste", step, query="Alle", filter="id <> 8")
    first = site.start_run("Erste")
    assert site.wait_run(first)["state"] == "done"
    customers_query(site, "Übrige", [("minus", "Gehabt")], "pg", sql="SELECT nr, name FROM person", key="nr")
    site.campaign("Übrige", step, query="Übrige", parameters={"run": first})
    assert recipients(site, "%C3%9Cbrige") == (["07", " 7", "a1", "A1", "ä1", "Ä1", "x'; --"], {"minus": 2, "no key": 1})
    customers_query(site, "Zahlen", [("both", "Gehabt")], "pg", sql="SELECT zahl, name FROM person", key="zahl")
    site.campaign("Zahlen", step, query="Zahlen", parameters={"run": first})
    assert recipients(site, "Zahlen") == (["7", "9223372036854775807"], {"both": 1, "no key": 5, "duplicate": 2})
    # Over there texts, and then texts again: the second run's own keys.
    second = site.start_run("Übrige")
    assert site.wait_run(second)["state"] == "done"
    customers_query(site, "Rest", [("minus", "Gehabt")], "pg", sql="SELECT nr, name FROM person", key="nr")
    site.campaign("Rest", step, query="Rest", parameters={"run": second})
    assert recipients(site, "Rest") == (["7", "9223372036854775807"], {"minus": 7, "no key": 1})


def test_sets_one_after_the_other(mailing):
    """All that were reached, but for one town and for those that some other run left out."""
    runs_query(mailing, "Erreicht", REACHED)
    site_towns = {"from": "kunde", "fields": [{"field": "kunde.id"}], "where": {"field": "kunde.ort", "is": "=", "value": "Wien"}}
    customers_query(mailing, "Wiener", built=site_towns, key="id")
    customers_query(mailing, "Rest", [("both", "Erreicht"), ("minus", "Wiener")])
    mailing.campaign("Rest", [{"name": "eins", "action": "null"}], query="Rest", parameters={"run": mailing.first})
    assert recipients(mailing, "Rest") == (["2", "5", "6", "7"], {"both": 2, "minus": 2})


# ---- what cannot be told is no empty answer

def test_a_run_that_is_not_there_is_said(mailing):
    """»All but those of run 99« must not be all."""
    runs_query(mailing, "Gehabt", REACHED)
    customers_query(mailing, "Übrige", [("minus", "Gehabt")])
    mailing.campaign("K", [{"name": "eins", "action": "null", "parameters": {"journal": mailing.act_file}}], query="Übrige", parameters={"run": 99})
    with pytest.raises(Failed) as failed:
        mailing.start_run("K")
    error = failed.value.answer["error"]
    assert "»Gehabt«: there is no run 99" in error["message"]
    [problem] = [one for one in mailing.api("POST", "/v1/campaigns/K/check", {})["problems"] if one["severity"] == "error"]
    assert "keine Ausführung 99" in problem["message_de"]
    assert not mailing.acts()


def test_a_run_whose_files_were_deleted_is_said(mailing):
    runs_query(mailing, "Gehabt", REACHED)
    runs_query(mailing, "Je gehabt", {**REACHED, "where": {"field": "task.outcome", "is": "=", "value": "delivered"}}, ())
    assert len(query_rows(mailing, "Gehabt", run=mailing.first)) == 6
    mailing.stop()
    for file in (mailing.state / "runs").glob(f"{mailing.first}.*"):
        file.unlink()
    mailing.start()
    with pytest.raises(Failed) as failed:
        query_rows(mailing, "Gehabt", run=mailing.first)
    error = failed.value.answer["error"]
    assert "were deleted" in error["message"] and "wurden gelöscht" in error["message_de"]
    assert query_rows(mailing, "Je%20gehabt") == [], "of all runs: of those that are there"


def test_a_damaged_run_is_said(mailing):
    runs_query(mailing, "Gehabt", {**REACHED, "where": {"field": "task.outcome", "is": "=", "value": "delivered"}}, ())
    mailing.stop()
    with open(mailing.state / "runs" / f"{mailing.first}.db", "r+b") as file:
        file.write(b"nothing that SQLite knows")
    mailing.start()
    with pytest.raises(Failed) as failed:
        query_rows(mailing, "Gehabt")
    error = failed.value.answer["error"]
    assert f"run {mailing.first}: its files cannot be read" in error["message"] and "lassen sich nicht lesen" in error["message_de"]


# ---- while a run goes on

def test_a_run_under_way_is_seen_as_it_is(site):
    site.start(customers=400, actions={"null": {"plugin": "nothing", "concurrency": 1}})
    runs_query(site, "Gehabt", REACHED)
    site.campaign("lang", [{"name": "eins", "action": "null", "parameters": {"delay_ms": 10}}])
    run = site.start_run("lang")
    site.wait_ended(run, 20)
    before = len(query_rows(site, "Gehabt", run=run))
    assert 20 <= before <= 400
    site.api("POST", f"/v1/runs/{run}/pause")
    until(lambda: site.run(run)["steps"][0]["claimed"] == 0, what="the run to stand still")
    site.api("POST", f"/v1/runs/{run}/confirmations", {"recipients": ["1", "400"]})  # the second before it was sent anything
    paused = query_rows(site, "Gehabt", run=run)
    assert before <= len(paused) == site.run(run)["steps"][0]["delivered"] < 400
    runs_query(site, "Bestätigt", {**REACHED, "where": {"field": "task.confirmation", "is": "=", "value": "confirmed"}}, ())
    assert query_rows(site, "Best%C3%A4tigt") == [["1"]]
    # Those that this run has not reached yet, by another campaign.
    customers_query(site, "Übrige", [("minus", "Gehabt")])
    site.campaign("rest", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}], query="Übrige", parameters={"run": run})
    site.wait_run(site.start_run("rest"), "done")
    assert set(site.acts()) == {str(n) for n in range(1, 401)} - {row[0] for row in paused}


# ---- households

def test_a_household_is_found_by_each_members_key(site):
    """Four live together: the outcome and the document are there under every one's key, once."""
    site.customers(0, [(n, f"N{n}", f"k{n}@x.org", "Graz", "h1" if n < 5 else f"h{n}", None) for n in range(1, 7)])
    site.start(actions={"brief": {"plugin": "print"}})
    site.query(fields=[{"name": "land", "role": "household"}])
    site.report("Brief", "<p>{{name}}</p>")
    site.campaign("haus", [{"name": "brief", "action": "brief", "parameters": {"report": "Brief"}}], unit="household")
    run = site.start_run("haus")
    assert site.wait_run(run)["recipients"] == 3
    runs_query(site, "Gehabt", REACHED)
    assert sorted(row[0] for row in query_rows(site, "Gehabt", run=run)) == ["1", "2", "3", "4", "5", "6"]
    one = {"from": "document", "fields": [{"field": "document.recipient"}, {"field": "document.document"}],
           "where": {"and": [{"field": "document.run", "is": "=", "parameter": "run"}, {"field": "document.recipient", "is": "=", "parameter": "key"}]}}
    runs_query(site, "Dokument", one, RUN + [{"name": "key", "type": "text"}])
    site.api("POST", f"/v1/runs/{run}/confirmations", {"recipients": ["3"]})
    answered = {"from": "task", "fields": [{"field": "task.recipient"}], "where": {"field": "task.confirmation", "is": "=", "value": "confirmed"}}
    runs_query(site, "Geantwortet", answered, ())
    assert sorted(row[0] for row in query_rows(site, "Geantwortet")) == ["1", "2", "3", "4"], "one has answered for all"
    documents = {key: query_rows(site, "Dokument", run=run, key=key) for key in ("1", "2", "3", "4", "5", "7")}
    assert [[row[0] for row in rows] for rows in documents.values()] == [["1"], ["2"], ["3"], ["4"], ["5"], []]
    assert len({documents[key][0][1] for key in "1234"}) == 1 and documents["5"] != documents["4"]
    customers_query(site, "Übrige", [("minus", "Gehabt")])
    site.campaign("Rest", [{"name": "brief", "action": "brief", "parameters": {"report": "Brief"}}], query="Übrige", parameters={"run": run})
    assert recipients(site, "Rest") == ([], {"minus": 6})


# ---- what a clerk sees

def test_every_column_has_a_name_in_both_languages(mailing):
    tables = mailing.api("GET", "/v1/sources/runs/tables")["tables"]
    assert [table["name"] for table in tables] == ["document", "left_out", "run", "task"]
    for one in tables + [column for table in tables for column in table["columns"]]:
        assert one["label_de"] and one["label_en"], one
    shown = mailing.ctl("query", "tables", "runs", "task")
    assert "recipient" in shown and "Recipient" in shown and "run.number" in shown


# ---- size

@pytest.mark.skipif(SANITIZED, reason="figures of sanitizer builds say nothing")
def test_of_a_million_tasks_only_what_is_asked_for_is_read(site):
    """Beside a run of a million a small one: a query that names the small one does not open the large; one person is found
    at once; and joining the two tables by person reads each once."""
    site.start(customers=20)
    site.campaign("klein", [{"name": "eins", "action": "null"}])
    small = site.start_run("klein")
    site.wait_run(small, "done")
    site.query("viele", "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000000) SELECT id, 'x' AS name FROM n")
    site.campaign("gross", [{"name": "eins", "action": "null"}], query="viele")
    large = site.start_run("gross")
    site.wait_run(large, "done", timeout=120)
    runs_query(site, "Gehabt", REACHED)

    def timed(**parameters):
        begin = time.monotonic()
        rows = query_rows(site, "Gehabt", **parameters)
        return len(rows), time.monotonic() - begin
    count, _ = timed(run=small)
    assert count == 20
    rows_file = site.state / "runs" / f"{large}.0.rows.db"
    rows_file.rename(site.folder / "away")
    assert timed(run=small)[0] == 20, "the large one's files are not needed"
    (site.folder / "away").rename(rows_file)
    customers_query(site, "Übrige", [("minus", "Gehabt")])
    site.campaign("Rest", [{"name": "eins", "action": "null"}], query="Übrige", parameters={"run": large})
    begin = time.monotonic()
    assert recipients(site, "Rest") == ([], {"minus": 20})
    print(f"minus a million: {time.monotonic() - begin:.1f} s")
    person = {"from": "task", "fields": [{"field": "task.recipient"}, {"field": "task.run"}],
              "where": {"field": "task.recipient", "is": "=", "parameter": "key"}}
    runs_query(site, "Einer", person, [{"name": "key", "type": "text"}])
    begin = time.monotonic()
    assert query_rows(site, "Einer", key="999999") == [["999999", large]]
    assert query_rows(site, "Einer", key="7") == [["7", large], ["7", small]]
    print(f"one person: {time.monotonic() - begin:.2f} s")
