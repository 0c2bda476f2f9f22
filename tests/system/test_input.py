"""Bad input: each fault gives one clear message that names the thing and the mend, at check and at start, and harms nothing else."""
import os
import sqlite3
import subprocess

import pytest

from conftest import Failed, until

ENDLESS = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n"
ENDLESS_WITHOUT_A_ROW = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n WHERE id < 0"
LETTER = "<p>Guten Tag {{name}},</p><p>kommen Sie nach {{ort}}!</p>"


@pytest.fixture
def demo(site):
    """A site with a campaign that is in order, and one run of it."""
    site.customers(6)
    (site.folder / "keine.db").write_bytes(b"this is no database, " * 100)
    sqlite = {"driver": "sqlite", "path": site.customers_db}
    site.start(actions={"letter": {"plugin": "print"}, "null": {"plugin": "nothing"}},
               sources={"kunden": sqlite, "knapp": {**sqlite, "max_rows": 3}, "eilig": {**sqlite, "time_limit": "300ms"},
                        "fort": {"driver": "sqlite", "path": "fort.db"}, "keine": {"driver": "sqlite", "path": "keine.db"}})
    site.query(fields=[{"name": "widerspruch", "role": "blocked"}])
    site.report("Brief", LETTER)
    site.campaign("Einladung", [{"name": "brief", "action": "letter", "parameters": {"report": "Brief"}}])
    assert site.api("POST", "/v1/campaigns/Einladung/check") | {"left_out": None, "steps": None} == {
        "ok": True, "recipients": 6, "problems": [], "left_out": None, "steps": None}
    assert site.wait_run(site.start_run("Einladung"))["state"] == "done"
    return site


def definitions(site):
    """All there is, without what a run changes."""
    found = {}
    for kind in ("queries", "reports", "campaigns"):
        for each in site.api("GET", f"/v1/{kind}"):
            found[kind, each["id"]] = {key: value for key, value in site.api("GET", f"/v1/{kind}/{each['id']}").items()
                                       if key != "last_run"}
    return found


def change(site, kind, name, deed):
    document = site.api("GET", f"/v1/{kind}/{name}")
    deed(document)
    site.api("PUT", f"/v1/{kind}/{name}", document)


def refused(site, *says, where=None, begins=False):
    """Check and start must both refuse with one error that says all of `says`. begins: it is known only when rows are read,
    so that a run begins and fails."""
    before = definitions(site)
    checked = site.api("POST", "/v1/campaigns/Einladung/check")
    errors = [problem for problem in checked["problems"] if problem["severity"] == "error"]
    assert not checked["ok"] and len(errors) == 1, checked
    message = errors[0]["message_en"]
    assert all(text in message for text in says), message
    assert errors[0]["message_de"]
    assert where is None or errors[0]["where"] == where, errors[0]
    done = site.ctl("--lang", "en", "campaign", "check", "Einladung", check=False)
    assert done.returncode == 1 and all(text in done.stdout + done.stderr for text in says), done.stdout + done.stderr
    done = site.ctl("--lang", "en", "campaign", "start", "Einladung", check=False)
    assert done.returncode == 1 and all(text in done.stderr for text in says), done.stderr
    with pytest.raises(Failed) as failed:
        site.start_run("Einladung")
    assert failed.value.status == 422 and all(text in failed.value.answer["error"]["message"] for text in says), failed.value
    # Nothing else is harmed.
    assert definitions(site) == before
    runs = site.api("GET", "/v1/runs")
    assert [run["state"] for run in runs] == (["failed", "failed"] if begins else []) + ["done"], runs
    if begins:
        assert all(text in runs[0]["reason"] for text in says), runs[0]["reason"]
    assert site.ctl("archive", "verify", json_output=True)["ok"] is True
    return message


def mended(site):
    """The same campaign runs once it is mended."""
    assert site.api("POST", "/v1/campaigns/Einladung/check")["ok"]
    assert site.wait_run(site.start_run("Einladung"))["state"] == "done"


def set_sql(site, sql, source="kunden"):
    def deed(query):
        query["groups"][0]["sql"] = sql
        query["groups"][0]["fields"] = []
        query["source"] = source
    change(site, "queries", "alle", deed)


# ---- the query


@pytest.mark.parametrize("sql, says", [
    ("SELEC id FROM kunde", ("the query was refused", "line 1", "begins with SELEC", "only SELECT")),
    ("SELECT id,\n name,\n nix FROM kunde", ("no such column: nix", "line 3")),
    ("SELECT id FROM nirgends", ("no such table: nirgends",)),
    ("SELECT id FROM kunde WHERE (id > 3", ("incomplete input",)),
    ("INSERT INTO kunde (id) VALUES (99)", ("the query was refused", "begins with INSERT", "only SELECT")),
    ("UPDATE kunde SET id = id + 1 RETURNING id", ("begins with UPDATE",)),
    ("DELETE FROM kunde", ("begins with DELETE",)),
    ("DROP TABLE kunde", ("begins with DROP",)),
    ("PRAGMA table_info(kunde)", ("begins with PRAGMA", "only SELECT")),
    ("SELECT name AS id FROM pragma_table_info('kunde')", ("the query was refused", "only a SELECT")),
    ("ATTACH '/etc/passwd' AS other", ("begins with ATTACH",)),
    ("SELECT id FROM kunde; DELETE FROM kunde", ("second statement", "leave one SELECT")),
    ("SELECT load_extension('/tmp/evil.so') AS id", ("load_extension",)),
    ("SELECT readfile('/etc/passwd') AS id", ("readfile",)),
    ("VACUUM INTO '/tmp/copy.db'", ("begins with VACUUM",)),
    ("BEGIN", ("begins with BEGIN",)),
    ("-- nothing but a comment", ("the query is empty", "write a SELECT")),
], ids=lambda value: value.split()[0] if isinstance(value, str) else "")
def test_query_that_cannot_run(demo, sql, says):
    set_sql(demo, sql)
    refused(demo, *says, where="query")
    assert sqlite3.connect(demo.customers_db).execute("SELECT count(*) FROM kunde").fetchone() == (6,)
    done = demo.ctl("query", "run", "alle", check=False)
    assert done.returncode == 1 and says[0] in done.stderr


def test_query_may_end_with_a_semicolon_and_comments(demo):
    set_sql(demo, "SELECT id, name, ort FROM kunde; -- that is all\n/* really */ ;")
    mended(demo)


@pytest.mark.parametrize("sql", [ENDLESS, ENDLESS_WITHOUT_A_ROW], ids=["rows", "no-row"])
def test_endless_query_meets_its_time_limit(demo, sql):
    # Its columns are those that the letter needs.
    set_sql(demo, sql.replace("SELECT id FROM n", "SELECT id, '' AS name, '' AS ort FROM n"), "eilig")
    refused(demo, "source »eilig«", "took longer than time_limit (300 ms)", "raise the limit", begins=True)
    assert demo.api("GET", "/v1/status")["state"] == "running"
    done = demo.ctl("query", "run", "alle", check=False)
    assert done.returncode == 1 and "time_limit" in done.stderr
    until(lambda: not [line for line in demo.processes().values() if "--reader" in line], 5, "the readers' end")


def test_too_many_rows(demo):
    set_sql(demo, "SELECT id, name, ort FROM kunde", "knapp")
    refused(demo, "more than max_rows (3) rows", "raise max_rows", begins=True)


def test_value_that_is_too_large(demo):
    set_sql(demo, "SELECT id, name, zeroblob(200000000) AS ort FROM kunde")
    refused(demo, "source »kunden«", "too big", begins=True)


def test_key_that_is_no_column(demo):
    change(demo, "queries", "alle", lambda query: query["groups"][0].update(key="nummer"))
    refused(demo, "the key column »nummer« of group »g« is not in its query", "add it to the SELECT, or name another", where="query")


def test_field_that_is_no_column(demo):
    change(demo, "queries", "alle", lambda query: query["groups"][0].update(fields=[{"name": "titel", "role": "salutation"}]))
    refused(demo, "the field »titel« of group »g« is no column of its query", "correct the field or the SELECT", where="query")


def test_source_that_is_not_configured(demo):
    change(demo, "queries", "alle", lambda query: query.update(source="mond"))
    refused(demo, "the query's source »mond« is not configured", "add [source.mond]", where="query")


@pytest.mark.parametrize("source, says", [("fort", ("fort.db", "unable to open")), ("keine", ("not a database",))])
def test_source_that_cannot_be_read(demo, source, says):
    change(demo, "queries", "alle", lambda query: query.update(source=source))
    refused(demo, f"»{source}«", *says, where="query")


def filter_past_the_api(site, text):
    """The API does not save it, and its message is the answer; a program of the site writes it into the database."""
    with pytest.raises(Failed) as failed:
        change(site, "campaigns", "Einladung", lambda campaign: campaign.update(filter=text))
    assert failed.value.status == 400, failed.value
    site.sql("UPDATE campaign SET filter = ? WHERE name = 'Einladung'", (text,))
    return failed.value.answer["error"]["message"]


def test_filter_that_is_no_condition(demo):
    message = filter_past_the_api(demo, "ort = = 'Graz'")
    assert refused(demo, "the filter: ", "syntax error", "line 1, column 7") == message


def test_filter_on_what_is_no_column(demo):
    message = filter_past_the_api(demo, "stadt = 'Graz'")
    assert refused(demo, "the filter: »stadt« is no field of the group", "line 1, column 1") == message


@pytest.mark.parametrize("text", ["(SELECT 1)); DELETE FROM kunde; --", "id IN (SELECT id FROM kunde)",
                                  "1; DELETE FROM kunde", "load_extension('x')"])
def test_condition_reaches_nothing_but_its_row(demo, text):
    change(demo, "campaigns", "Einladung", lambda campaign: campaign["steps"][0].update(when=text))
    refused(demo, "the condition of step »brief«: ")


# ---- templates


@pytest.mark.parametrize("html, says", [
    ("<p>Guten Tag {{name,</p>\n<p>!</p>", ("line 1, column 14", "never closed", "}}")),
    ("<p>\n{{#name}}Guten Tag</p>", ("line 2, column 1", "{{#name}}", "never closed", "{{/name}}")),
    ("<p>{{/name}}</p>", ("{{/name}} closes a section that is not open",)),
    ("<p>{{>Anrede}}</p>", ("there is no partial »Anrede«", "make one of that name")),
    ("<p>{{name | fnord}}</p>", ("fnord",)),
    ("<p>{{}}</p>", ("a tag without a name",)),
    ("<p>Guten Tag\n {{vorname}}</p>", ("line 2, column 2", "»vorname« is no column of the query", "add it to the SELECT")),
    ("<p>{{#kinder}}x{{/kinder}}</p>", ("»kinder« is no column of the query",)),
], ids=["tag", "section", "end", "partial", "format", "empty", "name", "section-name"])
def test_template_with_a_fault(demo, html, says):
    change(demo, "reports", "Brief", lambda report: report["variants"]["de"].update(html=html))
    refused(demo, *says, where="report Brief de, html")
    change(demo, "reports", "Brief", lambda report: report["variants"]["de"].update(html=LETTER))
    mended(demo)


def test_report_without_text(demo):
    change(demo, "reports", "Brief", lambda report: report.update(variants={}))
    refused(demo, "no text", where="report Brief")


# ---- steps


def steps(site, **changes):
    change(site, "campaigns", "Einladung", lambda campaign: campaign["steps"][0].update(changes))


def test_report_that_is_not_there(demo):
    steps(demo, parameters={"report": "Breif"})
    refused(demo, "step »brief«: there is no report »Breif«", "make it, or name another in its parameter »report«")


def test_action_that_is_not_configured(demo):
    steps(demo, action="fax")
    refused(demo, "no action »fax« is configured", "add [action.fax] to the configuration, or choose another", where="step brief")


def test_parameter_that_is_missing(demo):
    steps(demo, parameters={})
    refused(demo, "report is missing", "must be given", where="step brief")


@pytest.mark.parametrize("parameters, says", [
    ({"report": "Brief", "ouput": "archive"}, ("there is no parameter »ouput«", "»output« is meant?")),
    ({"report": "Brief", "output": "printer"}, ("output = »printer« is not one of »archive«",)),
    ({"report": 7.5}, ("report",)),
])
def test_parameter_that_is_wrong(demo, parameters, says):
    steps(demo, parameters=parameters)
    refused(demo, *says, where="step brief")


def test_number_out_of_its_bounds(demo):
    steps(demo, action="null", parameters={"delay_ms": -1})
    refused(demo, "delay_ms", "0", "3600000", where="step brief")


def test_step_that_waits_for_none(demo):
    db = sqlite3.connect(demo.state / "definitions" / "definitions.db")
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("UPDATE step SET after_step = 7 WHERE name = 'brief'")
    db.commit()
    db.close()
    says = "step »brief« waits for a step that does not stand before it: correct after_step"
    assert [problem["message_en"] for problem in demo.api("POST", "/v1/campaigns/Einladung/check")["problems"]] == [says]
    with pytest.raises(Failed, match=says):
        demo.start_run("Einladung")


def test_campaign_without_query_or_steps(demo):
    change(demo, "campaigns", "Einladung", lambda campaign: campaign.update(steps=[]))
    refused(demo, "campaign »Einladung« has no steps yet", "choose an action")
    change(demo, "campaigns", "Einladung", lambda campaign: campaign.update(query=None, group=None))
    refused(demo, "campaign »Einladung« has no data yet", "choose a query or a distributor")


def test_group_that_is_not_there(demo):
    change(demo, "campaigns", "Einladung", lambda campaign: campaign.update(group="Firmen"))
    refused(demo, "query »alle« has no group »Firmen«", "choose another in campaign »Einladung«")


def test_several_faults_are_said_together(demo):
    steps(demo, parameters={"ouput": "archive"})
    change(demo, "queries", "alle", lambda query: query["groups"][0].update(key="nummer"))
    problems = demo.api("POST", "/v1/campaigns/Einladung/check")["problems"]
    text = " ".join(problem["message_en"] for problem in problems)
    assert "»nummer«" in text and "»ouput«" in text and "report is missing" in text


def test_campaign_that_does_not_exist(demo):
    for verb in ("check", "start", "show", "delete"):
        done = demo.ctl("--lang", "en", "campaign", verb, "Ausladung", check=False)
        assert done.returncode == 3 and "Ausladung" in done.stderr and "campaign list" in done.stderr


def test_recipient_that_the_query_does_not_deliver(demo):
    done = demo.ctl("--lang", "en", "preview", "Einladung", "4711", check=False)
    assert done.returncode == 3 and "no recipient with the key »4711«" in done.stderr


# ---- data that is no fault, but odd


def test_odd_values_in_the_data(demo):
    """Bytes that are no text, numbers, very long and empty values, columns that are called as ours are."""
    db = sqlite3.connect(demo.customers_db)
    db.execute("CREATE TABLE odd (\"KEY\" TEXT, seq BLOB, ordinal REAL, \"c0\" INTEGER, \"a \"\"b\" TEXT)")
    db.executemany("INSERT INTO odd VALUES (?, ?, ?, ?, ?)", [
        ("a", b"\xff\xfe", 1.5, 2**62, "x" * 500_000), ("b", None, 1e300, -1, ""), ("ü/ö ", b"", 0.0, 0, "{{name}}<b>"),
        ("", b"", 0.0, 0, ""), (None, None, None, None, None), ("a", b"", 1.0, 1, "twice")])
    db.execute("INSERT INTO odd VALUES (CAST(x'fffe' AS TEXT), NULL, 1, 1, 'bytes for a key')")
    db.commit()
    db.close()
    demo.api("POST", "/v1/queries", {"name": "odd", "source": "kunden", "groups": [
        {"name": "g", "sql": "SELECT * FROM odd", "key": "KEY", "fields": []}]})
    demo.campaign("odd", [{"name": "eins", "action": "null", "parameters": {"journal": demo.act_file}}], query="odd")
    run = demo.start_run("odd")
    done = demo.wait_run(run)
    assert done["state"] == "done" and done["left_out"]["duplicate"] == 1 and done["left_out"]["no key"] == 3  # bytes are no key
    assert done["recipients"] + sum(done["left_out"].values()) == 7
    assert demo.ctl("query", "run", "odd", json_output=True)["count"] == 7
    assert demo.ctl("query", "run", "odd")


# ---- a full disk

SMALL = 24 << 20


@pytest.fixture
def small_disk(site):
    """The site's state folder on a small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    site.state.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", site.state], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield site
        if site.running():
            site.stop()
    finally:
        subprocess.run(["umount", "-l", site.state], check=True)


def fill(site):
    """Leave no room: as another program's file would."""
    path = site.state / "ballast"
    with open(path, "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return path


def say_disk(site, since=0):
    log = site.log()[since:].lower()
    return "no space left" in log or "disk is full" in log or "full" in log


@pytest.mark.parametrize("action", ["nothing", "print"])
def test_full_disk_in_the_middle_of_a_run(small_disk, action):
    site = small_disk
    count = 2000 if action == "nothing" else 300
    site.start(customers=count, actions={"a": {"plugin": action, **({"concurrency": 8} if action == "nothing" else {})}})
    site.report("Brief", LETTER)
    site.campaign("lang", [{"name": "eins", "action": "a", "parameters": {"report": "Brief"} if action == "print" else
                            {"journal": site.act_file, "delay_ms": 5}}])
    run = site.start_run("lang")
    site.wait_ended(run, 30)
    ballast = fill(site)
    until(lambda: say_disk(site), 20, "the log to name the disk")
    assert site.running(), "the daemon did not bear a full disk"
    assert site.api("GET", "/v1/status")["state"] == "running"
    seen = site.run(run)
    assert seen["state"] in ("running", "paused"), seen
    if seen["state"] == "paused":
        assert "disk" in seen["reason"] or "space" in seen["reason"], seen["reason"]
    ballast.unlink()
    if site.run(run)["state"] == "paused":
        site.ctl("run", "resume", run)
    assert site.wait_run(run, timeout=40)["state"] == "done"
    step = site.steps(run)["eins"]
    assert step["delivered"] == count, step
    if action == "nothing":
        assert len(site.acts()) == count and set(site.acts().values()) == {1}
    else:
        assert site.ctl("archive", "verify", json_output=True)["ok"] is True
        listed = site.api("GET", f"/v1/archive?run={run}&limit=10000")
        assert len({entry["recipient"] for entry in listed}) == count


def test_start_on_a_full_disk_is_refused(small_disk):
    site = small_disk
    site.start(customers=3000, daemon={"stop_timeout": "1s"})
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    ballast = fill(site)
    try:
        site.start_run("leer", force=True)
        pytest.fail("a run started without room for it")
    except Failed as failed:
        message = failed.answer["error"]["message"]
        assert "/state/" in message and "disk is full" in message and "free space" in message, message
    ballast.unlink()
    assert site.wait_run(site.start_run("leer"))["state"] == "done"
    assert len(site.acts()) == 3000 and set(site.acts().values()) == {1}
