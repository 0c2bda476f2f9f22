"""One task for several persons, from end to end: letters to households, mails to shared addresses, and what is held of each member."""
import json
import logging
import re
import sqlite3
import subprocess

import pytest

from conftest import until
from smtp_peer import SmtpPeer
from test_details import HEAD, documented, letters

logging.getLogger("mail.log").setLevel(logging.CRITICAL)

PEOPLE = [  # id, first name, last name, frau, herr, street, postcode, town, e-mail
    (1, "Anna", "Müller", 1, 0, "Hauptstraße 5/12", "8010", "Graz", "familie@mueller.example"),
    (2, "Eva", "Huber", 1, 0, "Am Ring 1", "01067", "Dresden", "eva@x.example"),
    (3, "Max", "Müller", 0, 1, "HAUPTSTR. 5 / 12", "8010", "GRAZ", " Familie@Mueller.example "),
    (4, "Tom", "Berger", 0, 1, "am ring 1.", "01067", "Dresden", "tom@x.example"),
    (5, "Lea", "Müller", 0, 0, "Hauptstrasse 5/12", "8010", "Graz", None),
    (6, "Ida", "Müller", 1, 0, "Hauptstraße 51/2", "8010", "Graz", "ida@x.example"),
    (7, "Kim", "Sommer", 0, 0, None, None, None, None),
    (8, "Jo", "Sommer", 0, 0, None, None, None, "FAMILIE@mueller.example"),
]
ROLES = [{"name": "strasse", "role": "street"}, {"name": "plz", "role": "postcode"}, {"name": "ort", "role": "city"},
         {"name": "email", "role": "email"}]
LETTER = HEAD + "{{>anschrift}}</address><p>{{>anrede}}</p><p>{{#members}}{{index}}. {{vorname}}{{^last}}, {{/last}}{{/members}}</p>"


@pytest.fixture
def town(site):
    """Eight people at four addresses, two without any; a letter to all of a household, in the documented patterns."""
    with sqlite3.connect(site.customers_db) as db:
        db.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, vorname, nachname, frau, herr, strasse, plz, ort, email)")
        db.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", PEOPLE)
        db.execute("CREATE TABLE posten (person INTEGER, text TEXT, betrag TEXT)")
        db.executemany("INSERT INTO posten VALUES (?, ?, ?)", [(1, "Kette", "12.50"), (1, "Öl", "3"), (3, "Schlauch", "7")])
    db.close()
    site.start(actions={"brief": {"plugin": "print"}, "null": {"plugin": "nothing", "concurrency": 1}})
    site.api("POST", "/v1/queries", {"name": "alle", "source": "kunden", "groups": [{
        "name": "g", "key": "id", "fields": ROLES, "sql": "SELECT *, NULL AS titel, '' AS land FROM person ORDER BY id",
        "details": [{"name": "posten", "key": "person", "sql": "SELECT person, text, betrag FROM posten ORDER BY rowid"}]}]})
    for name, kind in (("anschrift", "address"), ("anrede", "salutation")):
        site.api("POST", "/v1/patterns", {"name": name, "kind": kind, "template": documented(f"`{name}`:")})
    site.report("Brief", LETTER)
    return site


def letter_run(site, name="Brief", **more):
    site.campaign(name, [{"name": "brief", "action": "brief", "parameters": {"report": "Brief"}}], unit="household", **more)
    run = site.start_run(name)
    assert site.wait_run(run)["state"] == "done"
    return run


def left_out(site, run):
    """{key: (reason, detail)} as the run's file has it."""
    with sqlite3.connect(f"file:{site.state}/runs/{run}.0.rows.db?immutable=1", uri=True) as rows:
        return {key: (reason, detail) for key, reason, detail in rows.execute("SELECT key, reason, detail FROM left_out")}


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


# ---- letters

def test_a_letter_is_addressed_to_all_who_live_there(town):
    made = letters(town, letter_run(town))
    assert sorted(made) == ["1", "2", "6", "7", "8"]
    muellers = "\n".join(lines(made["1"]))
    assert "Frau Anna Müller\nHerrn Max Müller\nLea Müller\nHauptstraße 5/12\n8010 Graz\n" in muellers
    assert "Sehr geehrte Frau Müller, sehr geehrter Herr Müller, guten Tag Lea Müller,\n1. Anna, 2. Max, 3. Lea" in muellers
    flat = "\n".join(lines(made["2"]))
    assert "Frau Eva Huber\nHerrn Tom Berger\nAm Ring 1\n01067 Dresden\n" in flat
    assert "Sehr geehrte Frau Huber, sehr geehrter Herr Berger,\n1. Eva, 2. Tom" in flat
    assert "Sehr geehrte Frau Müller,\n1. Ida" in "\n".join(lines(made["6"])), "51/2 is another door than 5/12"
    assert "Guten Tag Kim Sommer,\n1. Kim" in "\n".join(lines(made["7"])), "who has no address lives alone"


def test_a_family_of_one_name_is_called_family(town):
    """The documented pattern for it, with a household of name and address."""
    town.api("POST", "/v1/queries", {"name": "familien", "source": "kunden", "groups": [{
        "name": "g", "key": "id", "fields": [{"name": "haus", "role": "household"}],
        "sql": "SELECT *, NULL AS titel, '' AS land, nachname || ' ' || plz AS haus FROM person ORDER BY id"}]})
    town.api("POST", "/v1/patterns", {"name": "familie", "kind": "address", "template": documented("`familie`:")})
    town.report("Familienbrief", HEAD + "{{>familie}}</address><p>Text</p>")
    town.campaign("F", [{"name": "brief", "action": "brief", "parameters": {"report": "Familienbrief"}}], query="familien", unit="household")
    run = town.start_run("F")
    town.wait_run(run, "done")
    made = {key: lines(text) for key, text in letters(town, run).items()}
    assert "Familie Müller" in made["1"] and "Eva Huber" in made["2"] and "Tom Berger" in made["4"]
    assert not any("Familie" in line for line in made["2"])


def test_outcome_and_document_are_filed_under_every_member(town):
    run = letter_run(town)
    assert left_out(town, run) == {"3": ("household", "1"), "4": ("household", "2"), "5": ("household", "1")}
    documents = {}
    for key in "12345678":
        [entry] = town.api("GET", f"/v1/archive?recipient={key}&run={run}")
        documents[key] = entry["document"]
        assert [task["outcome"] for task in town.api("GET", f"/v1/runs/{run}/tasks?recipient={key}")] == ["delivered"]
        [told] = town.api("GET", f"/v1/persons/{key}")["runs"]
        assert [document["document"] for document in told["documents"]] == [documents[key]]
        assert told["as"] == ("member" if key in "345" else "recipient")
        assert told["left_out"] == ([{"reason": "household", "detail": "2" if key == "4" else "1"}] if key in "345" else [])
    assert documents["1"] == documents["3"] == documents["5"] and documents["2"] == documents["4"] and len(set(documents.values())) == 5
    assert f"{'3':<9}" not in town.ctl("archive", "list", "--recipient", "3"), "it is told under the key that it was made for"


def test_who_objected_or_is_filtered_out_is_not_in_the_letter(town):
    town.api("POST", "/v1/suppressions", {"kind": "person", "value": "3", "channel": "letter", "scope": "all", "reason": "objection"})
    run = letter_run(town, filter="vorname <> 'Eva'")
    made = letters(town, run)
    assert sorted(made) == ["1", "4", "6", "7", "8"]
    assert "1. Anna, 2. Lea" in made["1"] and "Max" not in made["1"] and "1. Tom" in made["4"] and "Huber" not in made["4"]
    out = left_out(town, run)
    assert out["2"] == ("filter", "") and out["3"][0] == "suppressed" and out["5"] == ("household", "1") and "4" not in out


# ---- one mail for an address

def test_a_shared_address_gets_one_mail(site):
    site.customers(0, [(n, vorname, mail, ort, None, None) for n, vorname, _, _, _, _, _, ort, mail in PEOPLE])
    with SmtpPeer() as peer:
        site.start(actions={"post": {"plugin": "email", "server": peer.url, "helo": "client.test", "from": "info@example.org"}})
        site.query(fields=[{"name": "email", "role": "email"}])
        site.report("Mail", "<p>{{#members}}{{name}}{{^last}} und {{/last}}{{/members}}</p>", kind="email")
        site.campaign("Mail", [{"name": "mail", "action": "post", "parameters": {"report": "Mail", "subject": "An {{members.count}}"}}],
                      unit="email", filter="email IS NOT NULL")
        run = site.start_run("Mail")
        assert site.wait_run(run)["left_out"] == {"duplicate": 2, "filter": 2}
        mails = {mail.recipients[0]: mail.content.decode() for mail in peer.accepted}
    assert sorted(mails) == ["eva@x.example", "familie@mueller.example", "ida@x.example", "tom@x.example"]
    assert "Anna und Max und Jo" in mails["familie@mueller.example"] and "Subject: An 3" in mails["familie@mueller.example"]
    out = left_out(site, run)
    assert out["3"] == ("duplicate", "1") and out["8"] == ("duplicate", "1")
    assert [task["remote_id"] for task in site.api("GET", f"/v1/runs/{run}/tasks?recipient=8")] == \
        [task["remote_id"] for task in site.api("GET", f"/v1/runs/{run}/tasks?recipient=1")]


# ---- deaths

def test_households_survive_the_death_of_core_and_worker(site):
    """Sixty households of three; all is killed in mid-run: each gets its one letter, found under each member's key."""
    site.customers(0, [(n, f"N{n}", f"k{n}@x.org", "Graz", f"h{(n - 1) % 60}", None) for n in range(1, 181)])
    site.start(actions={"brief": {"plugin": "print"}, "null": {"plugin": "nothing", "concurrency": 2}})
    site.query(fields=[{"name": "land", "role": "household"}])
    site.report("Brief", "<p>{{#members}}{{name}} {{/members}}</p>")
    site.campaign("haus", [{"name": "brief", "action": "brief", "parameters": {"report": "Brief"}},
                           {"name": "eins", "action": "null", "after": 1, "parameters": {"journal": site.act_file, "delay_ms": 10}}],
                  unit="household")
    run = site.start_run("haus")
    until(lambda: sum(site.acts().values()) >= 10, what="some acts")
    site.kill()
    site.kill_workers()
    site.start()
    site.wait_run(run, "done", timeout=60)
    steps = site.steps(run)
    assert steps["brief"]["delivered"] == 60 and steps["eins"]["delivered"] + steps["eins"]["unknown"] == 60
    assert max(site.acts().values()) == 1 and set(site.acts()) <= {str(n) for n in range(1, 61)}
    site.query("dokumente", f"SELECT recipient, document FROM document WHERE run = {run}", "recipient", "runs")
    rows = site.api("POST", "/v1/queries/dokumente/run", {"limit": 1000})["rows"]
    assert sorted(int(key) for key, _ in rows) == list(range(1, 181)), "each once"
    of = {int(key): document for key, document in rows}
    assert all(of[n] == of[n + 60] == of[n + 120] for n in range(1, 61)) and len(set(of.values())) == 60


# ---- all that is held on one person

def test_what_is_held_is_what_lies_on_the_disk(town):
    """Each file under state_dir in which Max stands by name is one that his export tells of; what is of others is not in it."""
    first = letter_run(town)
    town.campaign("ohne", [{"name": "eins", "action": "null"}], filter="id <> 3")
    second = town.start_run("ohne")
    town.wait_run(second, "done")
    by_address = town.api("POST", "/v1/suppressions", {"value": "FAMILIE@mueller.example", "reason": "bounce"})
    town.campaign("weg", [{"name": "eins", "action": "null"}], picks={"in": [], "out": ["3"]})
    told = town.api("GET", "/v1/persons/3")
    assert [run["run"] for run in told["runs"]] == [second, first] and told["unreadable"] == [] and not told["more"]
    assert told["runs"][0]["left_out"] == [{"reason": "filter", "detail": ""}]
    household = told["runs"][1]
    assert {column["name"]: column["value"] for column in household["columns"]}["email"] == " Familie@Mueller.example "
    assert household["recipient"] == "1" and household["details"] == [], "the lines are Anna's"
    assert [entry["id"] for entry in told["suppressions"]] == [by_address["id"]]
    assert [(pick["campaign"], pick["pick"]) for pick in told["picks"]] == [("weg", "out")]
    anna = town.api("GET", "/v1/persons/1")["runs"]
    assert [run["details"] for run in anna] == [[{"name": "posten", "rows": [
        {"person": 1, "text": "Kette", "betrag": "12.50"}, {"person": 1, "text": "Öl", "betrag": "3"}]}]] * 2
    stored = {str(path.relative_to(town.state)) for path in town.state.rglob("*") if path.is_file() and b"Max" in path.read_bytes()}
    assert stored == {f"runs/{first}.0.rows.db"}, stored
    assert json.loads(town.ctl("person", "export", "3")) == told


def test_values_that_json_does_not_know_are_told(site):
    """Infinity is no number of JSON: the column stays, and bytes are told as such."""
    with sqlite3.connect(site.customers_db) as db:
        db.execute("CREATE TABLE p (id INTEGER, gross, bytes, kaputt)")
        db.execute("INSERT INTO p VALUES (1, 9e999, x'00ff', CAST(x'ff41' AS TEXT))")
    db.close()
    site.start()
    site.query("p", "SELECT * FROM p")
    site.campaign("k", [{"name": "eins", "action": "null"}], query="p")
    site.wait_run(site.start_run("k"), "done")
    [run] = site.api("GET", "/v1/persons/1")["runs"]
    assert [(column["name"], column["value"]) for column in run["columns"]] == [
        ("id", 1), ("gross", None), ("bytes", {"base64": "AP8="}), ("kaputt", {"base64": "/0E="})]
