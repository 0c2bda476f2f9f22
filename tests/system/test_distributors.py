"""Where a campaign's recipients come from: a query, a distributor, one event, or a query of its own."""
import json
import urllib.parse

import pytest

from conftest import Failed

CATEGORY = "Verteiler für Kampagne"
EVENT = {"name": "Tagung", "source": "kunden", "parameters": [{"name": "event", "type": "integer", "required": True}], "groups": [
    {"name": "Teilnehmer", "key": "id", "sql": "SELECT id, name, email FROM kunde WHERE id % 7 = :event ORDER BY id"},
    {"name": "Vortragende", "key": "id", "sql": "SELECT id, name, email FROM kunde WHERE id % 7 = :event AND id <= 10 ORDER BY id"}]}
BUILT = {"name": "Gebaut", "source": "kunden", "groups": [{"name": "g", "key": "id", "built": {
    "from": "kunde", "fields": [{"field": "kunde.id"}, {"field": "kunde.name"}, {"field": "kunde.ort", "as": "Wohnort"}],
    "where": {"or": [{"field": "kunde.ort", "is": "=", "value": "Graz"}, {"not": {"field": "kunde.id", "is": "between", "values": [3, 70]}}]},
    "order": [{"field": "kunde.id", "descending": True}], "limit": 5}}]}


def path(*names):
    return "/v1/" + "/".join(urllib.parse.quote(name, safe="") for name in names)


@pytest.fixture
def event(site):
    """70 customers, a query of one group and one of two, and a distributor that brings the latter."""
    site.start(customers=70)
    site.query()
    site.api("POST", "/v1/queries", EVENT)
    site.report("Tagungsgäste", "<p>Liste</p>", query="Tagung", categories=[CATEGORY])
    return site


def count(site, campaign, **body):
    """How many the campaign reaches, as soon as it does anything."""
    document = site.api("GET", path("campaigns", campaign))
    if not document["steps"]:
        site.api("PUT", path("campaigns", campaign), {**document, "steps": [{"name": "eins", "action": "null"}]})
    return site.api("POST", path("campaigns", campaign, "recipients"), body)["recipients"]


def test_with_one_group_nobody_is_asked(event):
    event.ctl("campaign", "new", "A", "--query", "alle")
    assert event.api("GET", path("campaigns", "A"))["query"] == "alle" and count(event, "A") == 70


def test_with_several_groups_they_are_shown_with_their_counts(event):
    asked = event.ctl("campaign", "new", "A", "--query", "Tagung", "--from-event", "1", check=False)
    assert asked.returncode == 2 and "Teilnehmer (10), Vortragende (2)" in asked.stderr, asked
    assert event.api("GET", "/v1/campaigns") == []
    wrong = event.ctl("campaign", "new", "A", "--query", "Tagung", "--from-event", "1", "--group", "Vortragene", check=False)
    assert wrong.returncode == 2 and "Vortragende (2)" in wrong.stderr
    event.ctl("campaign", "new", "A", "--query", "Tagung", "--from-event", "1", "--group", "Vortragende")
    assert count(event, "A") == 2


def test_a_campaign_from_an_event(event):
    for number, expected in (("1", 10), ("7", 0), ("0", 10)):
        event.ctl("campaign", "new", f"Von {number}", "--query", "Tagung", "--group", "Teilnehmer", "--from-event", number)
        assert event.api("GET", path("campaigns", f"Von {number}"))["parameters"] == {"event": int(number)}
        assert count(event, f"Von {number}") == expected
    wrong = event.ctl("campaign", "new", "A", "--query", "alle", "--from-event", "1", check=False)
    assert wrong.returncode == 1 and "has no parameters" in wrong.stderr and "event" in wrong.stderr
    nowhere = event.ctl("campaign", "new", "A", "--from-event", "1", check=False)
    assert nowhere.returncode == 2 and "--query" in nowhere.stderr


def test_the_same_by_api(event):
    event.api("POST", "/v1/campaigns", {"name": "A", "query": "Tagung", "group": "Vortragende", "parameters": {"event": 1}})
    event.api("POST", "/v1/campaigns", {"name": "B", "distributor": "Tagungsgäste", "group": "Vortragende", "parameters": {"event": 1}})
    assert count(event, "A") == count(event, "B") == 2
    with pytest.raises(Failed) as failed:
        event.api("POST", "/v1/campaigns", {"name": "C", "query": "alle", "distributor": "Tagungsgäste"})
    assert failed.value.status == 400


def test_a_distributor_brings_its_query(event):
    event.ctl("campaign", "new", "A", "--distributor", "Tagungsgäste", "--group", "Teilnehmer", "--from-event", "2")
    campaign = event.api("GET", path("campaigns", "A"))
    assert campaign["distributor"] == "Tagungsgäste" and campaign["query"] is None and count(event, "A") == 10
    # It is the distributor's query at any time, not the one of the day when the campaign was made.
    query = event.api("GET", path("queries", "Tagung"))
    query["groups"][0]["sql"] = "SELECT id, name, email FROM kunde WHERE id = :event"
    event.api("PUT", path("queries", "Tagung"), query)
    assert count(event, "A", fresh=True) == 1


def test_only_reports_of_a_distributors_category_are_distributors(event):
    event.report("Brief", "<p>Grüße</p>", query="Tagung")
    event.report("leer", "<p>Liste</p>", categories=[CATEGORY])
    for name, says in (("leer", "brings no query"), ("Nix", "no report »Nix«")):
        wrong = event.ctl("campaign", "new", "A", "--distributor", name, "--group", "Teilnehmer", "--from-event", "1", check=False)
        assert wrong.returncode and says in wrong.stderr, (name, wrong)
    event.api("POST", "/v1/campaigns", {"name": "A", "distributor": "Brief", "group": "Teilnehmer", "parameters": {"event": 1}})
    with pytest.raises(Failed) as failed:
        count(event, "A")
    assert "»Brief« is no distributor" in str(failed.value) and CATEGORY in str(failed.value)
    report = event.api("GET", path("reports", "Brief"))
    event.api("PUT", path("reports", "Brief"), {**report, "categories": [CATEGORY]})
    assert count(event, "A") == 10


def test_a_report_that_is_no_distributor_is_refused_at_once(event):
    event.report("Brief", "<p>x</p>", query="alle", categories=[])
    for language, says in (("en", "is no distributor; give it the category"), ("de", "ist kein Verteiler; ihm die Kategorie")):
        done = event.ctl("--lang", language, "campaign", "new", "A", "--distributor", "Brief", check=False)
        assert done.returncode == 1 and says in done.stderr and CATEGORY in done.stderr, done
    assert event.api("GET", "/v1/campaigns") == []


def test_a_key_that_is_not_in_the_query_is_said(event):
    event.ctl("campaign", "new", "A", "--query", "alle")
    count(event, "A")
    for language, says in (("en", "Not in the query: 08, 4711."), ("de", "Nicht in der Abfrage: 08, 4711.")):
        told = event.ctl("--lang", language, "campaign", "recipients", "A", "--take-out", "4711", "--take-out", "8", "--take-out", "08")
        assert says in told, told
    assert "Not in" not in event.ctl("--lang", "en", "campaign", "recipients", "A", "--take-out", "8")


def test_categories_are_edited(event):
    event.ctl("category", "new", "--set", "name=Presse", "--set", "distributor=true")
    event.report("Medien", "<p>Liste</p>", query="alle", categories=["Presse"])
    event.ctl("campaign", "new", "A", "--distributor", "Medien")
    assert count(event, "A") == 70
    event.ctl("category", "edit", CATEGORY, "--set", "name=Verteiler")
    assert event.api("GET", path("reports", "Tagungsgäste"))["categories"] == ["Verteiler"]
    event.ctl("campaign", "new", "B", "--distributor", "Tagungsgäste", "--group", "Teilnehmer", "--from-event", "1")
    assert count(event, "B") == 10


# ---- the campaign's own query


def test_an_individual_query_is_the_campaigns_own(event):
    event.campaign("A", [{"name": "eins", "action": "null"}])
    event.ctl("campaign", "individual", "A")
    same = event.ctl("campaign", "compare", "A")
    assert "is the saved one" in same, same
    campaign = event.api("GET", path("campaigns", "A"))
    saved = event.api("GET", path("queries", "alle"))
    event.api("PUT", path("campaigns", "A"), {**campaign, "individual_sql": campaign["individual_sql"].replace(" ORDER BY id", " WHERE id < 4 ORDER BY id")})
    differs = event.ctl("campaign", "compare", "A")
    assert any(line.startswith("-") for line in differs.splitlines()) and any(
        line.startswith("+") and "id < 4" in line for line in differs.splitlines()), differs
    assert count(event, "A") == 3 and event.api("GET", path("queries", "alle")) == saved
    # Made anew only if that is meant.
    again = event.ctl("campaign", "individual", "A", check=False)
    assert again.returncode == 5 and "compare the two" in again.stderr, again
    assert count(event, "A") == 3
    event.ctl("campaign", "individual", "A", "--force")
    assert "is the saved one" in event.ctl("campaign", "compare", "A")


def test_a_built_query_stays_the_document_that_it_was(event):
    """It shows its SQL, and comes back from saving, copying, exporting and importing as it was."""
    event.api("POST", "/v1/queries", BUILT)
    built = BUILT["groups"][0]["built"]
    assert event.api("GET", path("queries", "Gebaut"))["groups"][0]["built"] == built
    shown = event.ctl("query", "sql", "Gebaut")
    assert "BETWEEN" in shown and "ORDER BY" in shown and "LIMIT 5" in shown and "Graz" in shown, shown
    event.ctl("query", "edit", "Gebaut", "--set", "description=neu")
    assert event.api("GET", path("queries", "Gebaut"))["groups"][0]["built"] == built
    event.campaign("A", [{"name": "eins", "action": "null"}], query="Gebaut")
    event.ctl("campaign", "individual", "A")
    assert event.api("GET", path("campaigns", "A"))["individual_built"] == built
    document = event.api("GET", "/v1/definitions")
    event.api("DELETE", path("campaigns", "A"))
    event.api("DELETE", path("queries", "Gebaut"))
    event.api("POST", "/v1/definitions", {"document": document})
    assert event.api("GET", path("queries", "Gebaut"))["groups"][0]["built"] == built
    assert [row[0] for row in event.api("POST", path("queries", "Gebaut", "run"))["rows"]] == [70, 63, 56, 49, 42]
    changed = {**built, "limit": 2}
    query = event.api("GET", path("queries", "Gebaut"))
    query["groups"][0]["built"] = changed
    event.api("PUT", path("queries", "Gebaut"), query)
    assert [row[0] for row in event.api("POST", path("queries", "Gebaut", "run"))["rows"]] == [70, 63]
    assert count(event, "A") == 5 and "limit" in json.dumps(event.api("GET", path("campaigns", "A", "compare"))["difference"])
