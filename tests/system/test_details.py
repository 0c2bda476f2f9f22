"""What hangs on a recipient: an invoice's lines in a letter, a household's members, the documented patterns; what is checked
before a run; and that a member finds the household's documents."""
import pathlib
import re
import sqlite3
import subprocess

import pytest

from conftest import Failed

DOCS = pathlib.Path(__file__).parents[2] / "docs"
HEAD = '<body class="din5008-b"><div class="return-line">Alpenrad GmbH · 87435 Kempten</div><address class="window">'
LINES = [  # customer, text, amount
    (1, "Wartung & Öl", "49.90"), (1, "Kette", "12.50"), (1, "Kulanz", None), (1, "Rabatt", "-0.1"),
    (2, "Schlauch", "7"), (4, "Probefahrt", "0.00")]
PEOPLE = [  # id, household, first name, last name, frau, herr
    (1, "h1", "Anna", "Meier", 1, 0), (2, "h1", "Max", "Meier", 0, 1), (3, None, "Eva", "Huber", 1, 0),
    (4, "h2", "Kim", "Sommer", 0, 0), (5, "h2", "Jo", "Winter", 0, 1), (6, "h1", "Lea", "Meier", 1, None)]


def documented(after, number=0):
    """The fenced block of docs/templates.md that follows a text: what it says there must work."""
    text = (DOCS / "templates.md").read_text(encoding="utf-8")
    return re.findall(r"```html\n(.*?)```", text.partition(after)[2], re.DOTALL)[number]


def pdf_text(data):
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=data, capture_output=True, check=True)
    return re.sub(r"[ \xa0]+", " ", done.stdout.decode())


def letters(site, run):
    """{recipient: text} of a run's documents."""
    return {entry["recipient"]: pdf_text(site.api("GET", f"/v1/archive/{run}/{entry['document']}", raw=True))
            for entry in site.api("GET", f"/v1/archive?run={run}&limit=100")}


def problems(site, campaign, language="en"):
    return [(problem["where"], problem[f"message_{language}"])
            for problem in site.api("POST", f"/v1/campaigns/{campaign}/check", {})["problems"] if problem["severity"] == "error"]


@pytest.fixture
def shop(site):
    """People, some of a household, and invoices' lines; a query with both; a letter action and one without channel."""
    db = sqlite3.connect(site.customers_db)
    db.executescript("CREATE TABLE person (id INTEGER PRIMARY KEY, haushalt TEXT, vorname TEXT, nachname TEXT, frau INTEGER, herr INTEGER);"
                     "CREATE TABLE posten (nr INTEGER PRIMARY KEY, person INTEGER, text TEXT, betrag TEXT)")
    db.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?)", PEOPLE)
    db.executemany("INSERT INTO posten (person, text, betrag) VALUES (?, ?, ?)", LINES)
    db.commit()
    db.close()
    site.start(actions={"brief": {"plugin": "print"}, "null": {"plugin": "nothing"}, "sms": {"plugin": "details"}})
    fields = [{"name": "haushalt", "role": "household"}, {"name": "betrag", "format": "money EUR"}]
    site.api("POST", "/v1/queries", {"name": "alle", "source": "kunden", "groups": [{
        "name": "g", "key": "id", "fields": fields,
        "sql": "SELECT id, haushalt, vorname, nachname, frau, herr, NULL AS titel, 'Weg ' || id AS strasse, '8010' AS plz, "
               "'Graz' AS ort, 'Österreich' AS land, '1234.5' AS betrag FROM person ORDER BY id",
        "details": [{"name": "lines", "key": "person", "sql":
                     "SELECT person, text AS label, betrag AS amount FROM posten ORDER BY person, nr"}]}]})
    return site


def letter_campaign(shop, html, name="Rechnung", **more):
    shop.report(name, html)
    shop.campaign(name, [{"name": "brief", "action": "brief", "parameters": {"report": name}}], **more)
    return name


def test_invoice_has_its_lines_their_sum_and_their_count(shop):
    table = documented("An invoice's table")
    letter_campaign(shop, f"{HEAD}{{{{vorname}}}}<br>Graz</address>{table}<p>Limit {{{{betrag}}}}, im Mittel {{{{lines.max.amount | number}}}}</p>")
    run = shop.start_run("Rechnung")
    assert shop.wait_run(run)["state"] == "done"
    made = letters(shop, run)
    assert len(made) == 6
    assert "1 Wartung & Öl 49,90 €" in made["1"] and "2 Kette 12,50 €" in made["1"] and "4 Rabatt -0,10 €" in made["1"]
    assert re.search(r"3 Kulanz\n", made["1"]) and "Summe aus 4 Posten 62,30 €" in made["1"]
    assert "Limit 1.234,50 €, im Mittel 49,9" in made["1"]
    assert "Summe aus 1 Posten 7,00 €" in made["2"]
    assert "Summe aus 0 Posten 0,00 €" in made["3"] and "Wartung" not in made["3"]


def test_household_gets_one_letter_to_all_its_members(shop):
    for name, kind in (("anschrift", "address"), ("anrede", "salutation")):
        shop.api("POST", "/v1/patterns", {"name": name, "kind": kind, "template": documented(f"`{name}`:")})
    letter_campaign(shop, HEAD + "{{>anschrift}}</address><p>{{>anrede}}</p>{{#members}}<p>{{vorname}}: {{index}} von {{members.count}}</p>{{/members}}",
                    unit="household")
    run = shop.start_run("Rechnung")
    assert shop.wait_run(run)["state"] == "done"
    made = letters(shop, run)
    assert sorted(made) == ["1", "3", "4"]
    assert re.search(r"Frau Anna Meier\n *Herrn Max Meier\n *Frau Lea Meier\n *Weg 1\n *8010 Graz\n *ÖSTERREICH\n", made["1"])
    assert "Sehr geehrte Frau Meier, sehr geehrter Herr Meier, sehr geehrte Frau Meier," in made["1"]
    assert "Max: 2 von 3" in made["1"]
    assert re.search(r"Frau Eva Huber\n *Weg 3\n", made["3"]) and "Sehr geehrte Frau Huber," in made["3"] and "Eva: 1 von 1" in made["3"]
    assert "Guten Tag Kim Sommer, sehr geehrter Herr Winter," in made["4"]
    # whoever asks by a member's key finds the household's document and task
    for key in ("1", "2", "6"):
        assert [entry["recipient"] for entry in shop.api("GET", f"/v1/archive?recipient={key}")] == ["1"]
        assert [task["outcome"] for task in shop.api("GET", f"/v1/runs/{run}/tasks?recipient={key}")] == ["delivered"]
    with pytest.raises(Failed) as failed:
        shop.api("GET", f"/v1/runs/{run}/tasks?recipient=7")
    assert failed.value.status == 404


def test_preview_shows_lines_and_members(shop):
    letter_campaign(shop, HEAD + "{{#members}}{{vorname}} {{/members}}</address><p>{{#lines}}{{label}}{{^last}}; {{/last}}{{/lines}}</p>"
                                 "<p>{{lines.sum.amount | money EUR}}</p>", unit="household")
    target = shop.folder / "preview"
    shop.ctl("preview", "Rechnung", "1", "-o", f"{target}/")
    text = pdf_text(next(target.iterdir()).read_bytes())
    assert "Wartung & Öl; Kette; Kulanz; Rabatt" in text and "62,30 €" in text and "Anna" in text


def test_total_of_what_is_no_number_rejects_that_recipient_alone(shop):
    db = sqlite3.connect(shop.customers_db)
    db.execute("UPDATE posten SET betrag = '7,00' WHERE person = 2")
    db.commit()
    db.close()
    letter_campaign(shop, HEAD + "Graz</address><p>{{lines.sum.amount}}</p>")
    run = shop.start_run("Rechnung")
    assert shop.wait_run(run)["state"] == "done"
    outcomes = shop.outcomes(run)
    assert [outcomes[n][0] for n in range(1, 7)] == ["delivered", "rejected"] + ["delivered"] * 4
    assert "»lines.sum.amount«: row 1 of »lines« has no number in the column »amount«" in outcomes[2][1]


@pytest.mark.parametrize("template, english, german", [
    ("{{#lines}}{{lable}}{{/lines}}", "line 1, column 11: »lable« is no column of the query; did you mean »label«?", "ist »label« gemeint?"),
    ("{{label}}", "»label« is no column of the query", "»label« ist keine Spalte der Abfrage"),
    ("{{lines.sum.amuont}}", "»lines« has no column »amuont«; did you mean »amount«?", "»lines« hat keine Spalte »amuont«; ist »amount« gemeint?"),
    ("{{lines.sum.betrag | default 0}}", "»lines« has no column »betrag«", "»lines« hat keine Spalte »betrag«"),
    ("{{lines.average.amount}}", "»lines.average.amount« says nothing of the list »lines«; there are lines.count,", "sagt nichts über die Liste »lines«"),
    ("{{lines}}", "»lines« is a list, not one value; write {{#lines}} … {{/lines}}", "»lines« ist eine Liste"),
    ("{{line.count}}", "»line« is no column of the query; did you mean »lines«?", "ist »lines« gemeint?"),
    ("{{vorname.x}}", "»vorname« is one value, without parts", "»vorname« ist ein Wert ohne Teile"),
    ("{{#members}}{{vornam}}{{/members}}", "did you mean »vorname«?", "ist »vorname« gemeint?"),
    ("{{#members}}{{label}}{{/members}}", "»label« is no column of the query", "»label« ist keine Spalte"),
    ("{{index}}", "»index« is no column of the query", "»index« ist keine Spalte"),
])
def test_wrong_names_are_found_before_a_run(shop, template, english, german):
    letter_campaign(shop, f"{template}")
    found = problems(shop, "Rechnung")
    assert len(found) == 1 and found[0][0] == "report Rechnung de, html" and english in found[0][1], found
    assert german in problems(shop, "Rechnung", "de")[0][1]


def test_right_names_pass(shop):
    letter_campaign(shop, "{{#lines}}{{index}}{{label}}{{vorname}}{{#label}}{{amount}}{{/label}}{{lines.count}}{{#members}}{{amount}}{{/members}}{{/lines}}"
                          "{{#members}}{{household}}{{first}}{{lines.sum.amount}}{{/members}}{{members.count}}{{members.max.id}}{{^lines}}x{{/lines}}"
                          "{{nix | default 0}}{{#lines.sum.amount}}{{today}}{{/lines.sum.amount}}")
    assert problems(shop, "Rechnung") == []


def test_format_that_is_none_is_found_before_a_run(shop):
    shop.query(name="falsch", sql="SELECT id, nachname FROM person", fields=[{"name": "nachname", "format": "TT.MM."}])
    shop.campaign("c", [{"name": "eins", "action": "null", "parameters": {}}], query="falsch")
    with_format = [message for where, message in problems(shop, "c") if "TT.MM." in message]
    assert with_format and "there is no format »TT.MM.«" in with_format[0]


def test_detail_group_is_not_hidden_by_a_column(shop):
    shop.api("POST", "/v1/queries", {"name": "zwei", "source": "kunden", "groups": [{
        "name": "g", "key": "id", "sql": "SELECT id, nachname AS lines FROM person", "details": [
            {"name": "lines", "key": "person", "sql": "SELECT person, text FROM posten"}]}]})
    shop.campaign("c", [{"name": "eins", "action": "null", "parameters": {}}], query="zwei")
    assert "the detail group »lines« has the name of a column" in problems(shop, "c")[0][1]
    assert "Die Detailgruppe »lines« heißt wie eine Spalte" in problems(shop, "c", "de")[0][1]


@pytest.mark.parametrize("action, more, role, refused", [
    ("sms", {}, None, True), ("sms", {}, "consent_sms", False), ("sms", {}, "consent_email", True),
    ("sms", {"consent_reason": "Bestandskunden, § 174 TKG"}, None, False), ("sms", {"purpose": "information"}, None, False),
    ("brief", {}, None, False), ("null", {}, None, False)])
def test_advertising_needs_consent_for_its_channel(shop, action, more, role, refused):
    shop.query(name="q", sql="SELECT id, nachname, 1 AS ja FROM person", fields=[{"name": "ja", "role": role}] if role else [])
    shop.report("Brief", HEAD + "Graz</address>")
    parameters = {"report": "Brief"} if action == "brief" else {}
    shop.campaign("w", [{"name": "eins", "action": action, "parameters": parameters}], query="q", **{"purpose": "advertising", **more})
    found = problems(shop, "w")
    if refused:
        assert len(found) == 1 and found[0][0] == "step eins" and "has the role consent_sms" in found[0][1], found
        assert "consent_sms" in problems(shop, "w", "de")[0][1]
        with pytest.raises(Failed):
            shop.start_run("w")
    else:
        assert found == []


def test_plugins_say_their_channel(shop):
    channels = {plugin["action"]: plugin["channel"] for plugin in shop.api("GET", "/v1/plugins")}
    assert channels == {"brief": "letter", "null": "", "sms": "sms"}
