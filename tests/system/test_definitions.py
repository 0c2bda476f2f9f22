"""definitions.db is a public contract: a site writes it with the sqlite3 shell or a program of its own, and gets its answers there."""
import email
import email.policy
import pathlib
import re
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import SANITIZED, Failed, until

ROOT = pathlib.Path(__file__).parents[2]
KUNDEN = [("K1", "Jörg", "Öttl", "Hauptplatz 1", "8010", "Graz", "AT", "joerg@example.org", None),
          ("K2", "Ана", "Petrović", "Gasse 2", "8020", "Graz", "AT", "ana@example.org", 0),
          ("K3", "Max", "Muster", "Weg 3", "8020", "Graz", "AT", "max@example.org", 1),
          ("K4", "Eva", "Leer", "Weg 4", "8020", "Graz", "AT", "", None),
          ("K5", "Urs", "Zürcher", "Gasse 5", "8001", "Zürich", "CH", "urs@example.org", None)]


def manuals_example():
    """The worked example of docs/schema.md, word for word."""
    text = (ROOT / "docs" / "schema.md").read_text(encoding="utf-8")
    return re.search(r"```sql\n(-- sqlite3 /var.*?)```", text, re.DOTALL).group(1)


def sqlite_shell(site, sql, check=True):
    done = subprocess.run(["sqlite3", site.state / "definitions" / "definitions.db"], input=sql, text=True, encoding="utf-8",
                          capture_output=True, timeout=30)
    if check:
        assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def graz(site):
    """A site as the manual's example takes it for granted."""
    db = sqlite3.connect(site.customers_db)
    db.execute("CREATE TABLE kunde (kundennummer TEXT, vorname TEXT, nachname TEXT, strasse TEXT, plz TEXT, ort TEXT, "
               "land TEXT, email TEXT, widerspruch INTEGER)")
    db.executemany("INSERT INTO kunde VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", KUNDEN)
    db.execute("CREATE TABLE buchung (kundennummer TEXT, kurs TEXT, preis DECIMAL, id INTEGER)")
    db.executemany("INSERT INTO buchung VALUES (?, ?, ?, ?)", [("K1", "Tanz", 20, 1), ("K1", "Chor", 12.5, 2), ("K5", "Yoga", 9, 3)])
    db.commit()
    db.close()
    site.configure({"briefe": {"plugin": "print"},
                    "post": {"plugin": "email", "server": f"maildir:{site.folder}/mail", "from": "fest@example.org"}})


def answer(site, condition="1"):
    """The newest start request's (state, run, message), once it is answered."""
    def answered():
        row = site.sql(f"SELECT state, run, message FROM start_request WHERE {condition} ORDER BY id DESC LIMIT 1", ())[0]
        return row[0] != "pending" and row
    return until(answered, 15, "the start request to be answered")


def mails(site):
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in sorted((site.folder / "mail" / "new").iterdir())]


def request(site, campaign):
    """Ask for a start by name, as a site does; the request's id."""
    site.sql("INSERT INTO start_request (campaign, requested_by) VALUES ((SELECT id FROM campaign WHERE name = ?), 'test')",
             (campaign,))
    return site.sql("SELECT max(id) FROM start_request", ())[0][0]


def problems(site, table=None):
    return [row for row in site.sql("SELECT table_name, row_id, severity, message_en FROM problem", ())
            if table is None or row[0] == table]


def wait_problem(site, table, says, row=None):
    def found():
        return [each for each in problems(site, table) if says in each[3] and (row is None or each[1] == row)]
    try:
        return until(found, 10, f"the problem »{says}« of {table}")[0]
    except BaseException:
        print(problems(site))
        raise


# ---- the worked example


def test_manuals_example_while_the_daemon_runs(site):
    graz(site)
    site.start()
    sqlite_shell(site, manuals_example())
    state, run, message = answer(site)
    assert (state, message) == ("accepted", None), message
    done = site.wait_run(run)
    assert done["state"] == "done" and done["left_out"] == {"blocked": 1}
    assert {name: step["delivered"] for name, step in site.steps(run).items()} == {"letter": 2, "mail": 2}
    assert problems(site) == []
    sent = mails(site)
    assert sorted(str(mail["To"]) for mail in sent) == ["ana@example.org", "joerg@example.org"]
    for mail in sent:
        assert mail["Subject"] == "Einladung zum Sommerfest"
        assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]
    texts = {str(mail["To"]): mail.get_body(("html",)).get_content() for mail in sent}
    assert re.findall(r"Gebucht: (\w+)", texts["joerg@example.org"]) == ["Chor", "Tanz"]
    assert "Gebucht" not in texts["ana@example.org"]
    assert done["requested_by"] == "office"


def test_manuals_example_while_the_daemon_is_down(site):
    graz(site)
    site.start()
    site.stop()
    sqlite_shell(site, manuals_example())
    assert sqlite_shell(site, "SELECT state FROM start_request;") == "pending\n"
    site.start()
    state, run, message = answer(site)
    assert state == "accepted", message
    assert site.wait_run(run)["state"] == "done" and len(mails(site)) == 2
    # Another while it runs, and one while it is down again.
    again = "INSERT INTO start_request (campaign) SELECT id FROM campaign WHERE name = 'Sommerfest';"
    sqlite_shell(site, again)
    until(lambda: answer(site)[1] == 2, 10, "the second run")
    site.wait_run(2)
    site.stop()
    sqlite_shell(site, again)
    site.start()
    until(lambda: answer(site)[1] == 3, 10, "the third run")
    assert site.wait_run(3)["state"] == "done" and len(mails(site)) == 6


def test_manuals_refusal_is_what_the_manual_says(site):
    graz(site)
    site.start()
    sqlite_shell(site, manuals_example().replace('{"report": "Mail zur Einladung"', '{"report": "Nirgends"'))
    state, run, message = answer(site)
    assert state == "refused" and run is None
    assert "step »mail«: there is no report »Nirgends«: make it, or name another in its parameter »report«" in message
    wait_problem(site, "campaign", "there is no report »Nirgends«")
    assert site.api("GET", "/v1/runs") == []
    sqlite_shell(site, "UPDATE step SET parameters = replace(parameters, 'Nirgends', 'Mail zur Einladung');")
    until(lambda: problems(site) == [], 10, "the problem to go")
    request(site, "Sommerfest")
    assert answer(site)[0] == "accepted"
    site.wait_run(1)


def test_same_uuid_starts_once(site):
    site.start(customers=5)
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    insert = "INSERT INTO start_request (uuid, campaign) SELECT 'office-17', id FROM campaign;"
    sqlite_shell(site, insert)
    with pytest.raises(AssertionError, match="UNIQUE"):
        sqlite_shell(site, insert)
    run = answer(site)[1]
    site.wait_run(run)
    # The row forgotten and written again, by a careless program: still the same run.
    sqlite_shell(site, "DELETE FROM start_request; " + insert)
    assert answer(site)[:2] == ("accepted", run)
    assert len(site.api("GET", "/v1/runs")) == 1 and set(site.acts().values()) == {1}


def test_kill_between_request_and_answer_starts_once(site):
    site.start(customers=50)
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    for delay in (0.0, 0.2, 0.5):
        before = len(site.api("GET", "/v1/runs"))
        number = request(site, "leer")
        time.sleep(delay)
        site.restart(sig=9)
        state, run, message = answer(site, f"id = {number}")
        assert state == "accepted", message
        assert site.wait_run(run)["state"] == "done"
        assert len(site.api("GET", "/v1/runs")) == before + 1
    assert set(site.acts().values()) == {3}


# ---- a database of an older campaignd


def old_definitions(site):
    """definitions.db as version 1 was, with a campaign in it; its path."""
    folder = site.state / "definitions"
    folder.mkdir(parents=True)
    db = sqlite3.connect(folder / "definitions.db")
    db.executescript((ROOT / "tests" / "data" / "definitions" / "version-1.sql").read_text(encoding="utf-8"))
    db.executescript("""
        INSERT INTO query (id, name, source) VALUES (7, 'alle', 'kunden');
        INSERT INTO query_group (query, name, sql, key_column) VALUES (7, 'g', 'SELECT id, email FROM kunde', 'id');
        INSERT INTO campaign (id, name, query, filter) VALUES (5, 'alt', 7, 'id <= 3');
        INSERT INTO start_request (campaign, uuid) VALUES (5, 'before');""")
    db.execute("INSERT INTO step (campaign, position, name, action, parameters) VALUES (5, 10, 'eins', 'null', ?)",
               (f'{{"journal": "{site.act_file}"}}',))
    db.commit()
    db.close()
    return folder / "definitions.db"


def test_definitions_of_an_older_version_go_on(site):
    old_definitions(site)
    site.start(customers=5)
    assert site.sql("PRAGMA user_version", ()) == [(2,)]
    state, run, message = answer(site, "uuid = 'before'")
    assert state == "accepted", message
    assert site.wait_run(run)["state"] == "done" and set(site.acts()) == {"1", "2", "3"}
    assert problems(site) == []
    document = site.api("GET", "/v1/campaigns/alt")
    assert (document["id"], document["unit"], document["picks"]) == (5, "key", {"in": [], "out": []})


def test_altered_definitions_of_an_older_version_stop_the_start_and_stay(site):
    path = old_definitions(site)
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE campaign ADD COLUMN ours TEXT")
    db.commit()
    site.customers(5)
    site.configure()
    site.start(wait=False)
    until(lambda: not site.running(), 15, "a start with altered definitions to be refused")
    assert site.core.returncode == 1
    last = site.log().splitlines()[-1]
    assert "cannot be brought up to date" in last and "»campaign« is not as campaignd made it" in last and "site_" in last, last
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.execute("ALTER TABLE campaign DROP COLUMN ours")
    db.commit()
    db.close()
    site.start()
    assert answer(site, "uuid = 'before'")[0] == "accepted"
    site.wait_run(1)


# ---- as one file


def test_export_of_one_site_fills_another(new_site):
    first, second = new_site(), new_site()
    for each in (first, second):
        graz(each)
        each.start()
    sqlite_shell(first, manuals_example().replace("INSERT INTO start_request", "-- ").replace("SELECT id, 'office'\nFROM campaign\nWHERE name = 'Sommerfest';", ""))
    document = first.api("GET", "/v1/definitions")
    dry = second.api("POST", "/v1/definitions", {"document": document, "dry_run": True})
    assert sorted(made["name"] for made in dry["created"]) == ["Einladung", "Kunden am Ort", "Mail zur Einladung", "Sommerfest"]
    assert second.sql("SELECT count(*) FROM campaign", ()) == [(0,)]
    second.api("POST", "/v1/definitions", {"document": document})
    assert second.api("GET", "/v1/definitions", raw=True) == first.api("GET", "/v1/definitions", raw=True)
    again = second.api("POST", "/v1/definitions", {"document": document})
    assert again["created"] == [] and again["changed"] == []
    run = second.start_run("Sommerfest")
    assert second.wait_run(run)["state"] == "done" and len(mails(second)) == 2


# ---- another program's lock


def test_lock_of_ten_seconds_is_not_noticed_by_a_run(site):
    site.start(customers=2400, actions={"null": {"plugin": "nothing", "concurrency": 8}})
    site.campaign("lang", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 40}}])
    site.campaign("andere", [{"name": "eins", "action": "null"}], filter="id <= 3")
    run = site.start_run("lang")
    until(lambda: sum(site.acts().values()) > 100, 10, "the run to be under way")
    db = sqlite3.connect(site.state / "definitions" / "definitions.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO query (name, source) VALUES ('under way', 'kunden')")
    locked, edit = time.monotonic(), {}

    def change():
        try:
            site.query("neu")
            edit["answer"] = "done"
        except Failed as failed:
            edit["answer"] = failed
    editor = threading.Thread(target=change)
    editor.start()
    other = site.start_run("andere")  # a start reads definitions only
    assert site.wait_run(other, timeout=8)["state"] == "done"
    before, counts, slowest = time.monotonic(), [sum(site.acts().values())], 0
    for second in range(1, 9):
        time.sleep(max(0, before + second - time.monotonic()))
        counts.append(sum(site.acts().values()))
        asked = time.monotonic()
        site.api("GET", "/v1/status")
        slowest = max(slowest, time.monotonic() - asked)
    time.sleep(max(0, locked + 10 - time.monotonic()))
    db.execute("ROLLBACK")
    db.close()
    steps = [later - earlier for earlier, later in zip(counts, counts[1:])]
    assert min(steps) > 40, f"the run noticed: {steps}"
    assert slowest < 1
    editor.join(20)
    assert edit["answer"].status == 503, edit  # an edit alone waits, two seconds, and may be tried again
    assert site.wait_run(run)["state"] == "done"
    assert len(site.acts()) == 2400 and set(site.acts().values()) == {1}


def test_request_during_a_lock_is_answered_after_it_and_once(site):
    site.start(customers=5)
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    number = request(site, "leer")
    db = sqlite3.connect(site.state / "definitions" / "definitions.db", isolation_level=None, timeout=10)
    db.execute("BEGIN IMMEDIATE")
    time.sleep(4)
    db.execute("ROLLBACK")
    db.close()
    state, run, message = answer(site, f"id = {number}")
    assert state == "accepted", message
    site.wait_run(run)
    time.sleep(1.2)
    assert len(site.api("GET", "/v1/runs")) == 1 and set(site.acts().values()) == {1}


def test_daemon_starts_while_the_definitions_are_locked(site):
    site.start(customers=5)
    site.campaign("leer", [{"name": "eins", "action": "null"}])
    site.stop()
    db = sqlite3.connect(site.state / "definitions" / "definitions.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        site.start()
        assert site.wait_run(site.start_run("leer"))["state"] == "done"
    finally:
        db.execute("ROLLBACK")
        db.close()


# ---- rubbish


def hostile(site, *statements, arguments=()):
    """As an enemy writes: all checks off."""
    db = sqlite3.connect(site.state / "definitions" / "definitions.db", timeout=10)
    try:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            db.execute(statement, arguments)
        db.commit()
    finally:
        db.close()


@pytest.fixture
def lively(site):
    """A site with a good campaign, which must start whatever else there is."""
    site.start(customers=3)
    site.campaign("gut", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    yield site
    before = len(site.acts())
    run = site.start_run("gut", force=True)
    assert site.wait_run(run)["state"] == "done", "a good campaign does not start any more"
    assert len(site.acts()) == max(before, 3)
    assert site.api("GET", "/v1/status")["state"] == "running"


def test_dangling_references_are_problems(lively):
    site = lively
    hostile(site, "INSERT INTO campaign (name, query) VALUES ('hängt', 999)",
            "INSERT INTO step (campaign, position, name, action) VALUES (888, 1, 'x', 'null')",
            "INSERT INTO report_variant (report, language, html) VALUES (777, 'de', 'x')")
    wait_problem(site, "campaign", "query refers to a query that is not there")
    wait_problem(site, "step", "campaign refers to a campaign that is not there")
    wait_problem(site, "report_variant", "report refers to a report that is not there")
    request(site, "hängt")
    state, _, message = answer(site)
    assert state == "refused" and message
    with pytest.raises(Failed) as failed:
        site.start_run("hängt")
    assert failed.value.status == 422, failed.value
    hostile(site, "DELETE FROM campaign WHERE name = 'hängt'", "DELETE FROM step WHERE campaign = 888",
            "DELETE FROM report_variant WHERE report = 777")
    until(lambda: problems(site) == [], 10, "the problems to go")


@pytest.mark.parametrize("json", ['{"journal": ', "[]", '"text"', '{"journal": {"deep": 1}}', '{"a": 1, "a": 2}', "\x00"])
def test_wrong_json_is_a_problem(lively, json):
    site = lively
    site.campaign("kaputt", [{"name": "eins", "action": "null"}])
    number = site.sql("SELECT step.id FROM step JOIN campaign ON campaign.id = campaign WHERE campaign.name = 'kaputt'", ())[0][0]
    hostile(site, f"UPDATE step SET parameters = ? WHERE id = {number}", arguments=(json,))
    wait_problem(site, "step", "parameters", number)
    request(site, "kaputt")
    state, _, message = answer(site)
    assert state == "refused" and "parameters" in message


def test_names_of_a_megabyte_are_problems(lively):
    site = lively
    for table, columns in (("campaign", "name"), ("query", "source, name"), ("report", "name"), ("category", "name")):
        values = "'kunden', ?" if "source" in columns else "?"
        hostile(site, f"INSERT INTO {table} ({columns}) VALUES ({values})", arguments=("x" * 1_000_000,))
        found = wait_problem(site, table, "name is too long")
        assert len(found[3]) < 2000
    hostile(site, "INSERT INTO start_request (campaign) SELECT max(id) FROM campaign")
    state, _, message = answer(site)
    assert state == "refused" and "name is too long" in message and len(message) < 2000
    assert len(site.ctl("campaign", "list")) < 10_000


def test_bytes_that_are_no_text_are_problems(lively):
    site = lively
    hostile(site, "INSERT INTO campaign (name) VALUES (CAST(x'ff00fe' AS TEXT))",
            "INSERT INTO query (name, source) VALUES ('a' || char(10) || 'b', 'kunden')",
            "INSERT INTO report (name) VALUES ('')")
    wait_problem(site, "campaign", "name")
    wait_problem(site, "query", "one line without control characters")
    wait_problem(site, "report", "must not be empty")
    assert site.ctl("problems")


def test_choices_and_ranges_are_checked(lively):
    site = lively
    hostile(site, "INSERT INTO campaign (name, purpose) VALUES ('zweck', 'fun')",
            "INSERT INTO step (campaign, position, name, action, after_step) SELECT id, 1, 'a', 'null', 1 FROM campaign WHERE name = 'zweck'",
            "INSERT INTO start_request (campaign, state) VALUES (1, 'maybe')")
    wait_problem(site, "campaign", "purpose is »fun« but must be one of: advertising")
    wait_problem(site, "start_request", "state is none of pending, accepted, refused")


def test_trigger_and_view_are_never_run(lively):
    site = lively
    hostile(site, "CREATE TRIGGER evil AFTER UPDATE ON start_request BEGIN DELETE FROM campaign; END",
            "CREATE TRIGGER evil2 AFTER INSERT ON problem BEGIN DELETE FROM campaign; END",
            "CREATE VIEW bad AS SELECT load_extension('x') FROM campaign")
    for name in ("evil", "evil2", "bad"):
        found = wait_problem(site, "sqlite_schema", f"»{name}«")
        assert found[1] is None and found[2] == "warning"
    number = request(site, "gut")
    assert answer(site, f"id = {number}")[0] == "accepted"
    site.wait_run(1)
    assert [row[0] for row in site.sql("SELECT name FROM campaign", ())] == ["gut"]


def test_altered_tables_are_not_read_until_they_are_mended(lively):
    site = lively
    hostile(site, "ALTER TABLE campaign ADD COLUMN ours TEXT")
    wait_problem(site, "sqlite_schema", "»campaign« is not as campaignd made it")
    with pytest.raises(Failed) as failed:
        site.start_run("gut")
    assert "site_" in failed.value.answer["error"]["message"]
    hostile(site, "ALTER TABLE campaign DROP COLUMN ours", "CREATE TABLE site_ours (a)", "CREATE INDEX site_index ON campaign (purpose)")
    until(lambda: problems(site) == [], 10, "the problem to go")


def test_rubbish_written_while_the_daemon_is_down(lively):
    site = lively
    site.stop()
    hostile(site, "INSERT INTO campaign (name, query) VALUES ('hängt', 999)",
            "INSERT INTO start_request (campaign, uuid) VALUES (4711, 'nobody')",
            "INSERT INTO start_request (campaign, uuid) SELECT id, 'dangling' FROM campaign WHERE name = 'hängt'",
            "INSERT INTO start_request (campaign, uuid) SELECT id, 'good' FROM campaign WHERE name = 'gut'")
    site.start()
    wait_problem(site, "campaign", "query refers to a query")
    assert answer(site, "uuid = 'good'")[0] == "accepted"
    for uuid in ("nobody", "dangling"):
        state, run, message = answer(site, f"uuid = '{uuid}'")
        assert state == "refused" and run is None and message
    site.wait_run(1)


@pytest.mark.parametrize("column, value, times", [("uuid", "not a uuid!", 1), ("uuid", "", 1), ("uuid", "x", 100_000),
                                                  ("requested_by", "a\nb", 1), ("requested_by", "x", 1_000_000)])
def test_request_of_rubbish_is_refused(lively, column, value, times):
    site = lively
    hostile(site, f"INSERT INTO start_request (campaign, {column}) SELECT id, ? FROM campaign", arguments=(value * times,))
    state, run, message = answer(site)
    assert state == "refused" and run is None and f"the request cannot be read: {column}" in message
    assert site.api("GET", "/v1/runs") == []


def test_many_requests_for_nothing_do_not_hold_up_a_good_one(lively):
    site = lively
    hostile(site, f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {200 if SANITIZED else 1100}) "
                  "INSERT INTO start_request (campaign) SELECT 100000 + i FROM n")
    number = request(site, "gut")
    assert answer(site, f"id = {number}")[0] == "accepted"
    site.wait_run(1)


def test_damaged_database_harms_no_run(site):
    site.start(customers=600, actions={"null": {"plugin": "nothing", "concurrency": 4}})
    site.campaign("gut", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file, "delay_ms": 10}}])
    run = site.start_run("gut")
    until(lambda: sum(site.acts().values()) > 20, 10, "the run to be under way")
    for file in (site.state / "definitions").iterdir():
        if not file.name.endswith("-shm"):
            with open(file, "r+b") as opened:
                opened.write(b"rubbish!" * 2000)
    assert site.wait_run(run)["state"] == "done"
    assert len(site.acts()) == 600 and set(site.acts().values()) == {1}
    assert site.api("GET", "/v1/status")["state"] == "running"
    site.stop()
    site.start(wait=False)
    until(lambda: not site.running(), 15, "a start with damaged definitions to be refused")
    assert site.core.returncode == 1
    last = site.log().splitlines()[-1]
    assert "definitions.db is damaged" in last and "restore it, or rescue it" in last, last
