"""The catalogue of a source: what it hides cannot be reached by who may not write SQL; labels, roles and joins that it gives."""
import contextlib
import json
import os
import sqlite3

import pytest

from conftest import Failed
from test_queries import as_clerk, needs_root, path, refusal

SECRETS = ("AT611904300234573201", "Diabetes")
CATALOGUE = {
    "tables": {
        "befund": {"hidden": True},
        "kunde": {"label_de": "Kundschaft", "label_en": "Customers", "columns": {
            "IBAN": {"hidden": True},
            "kontakt": {"label_de": "Mailadresse", "label_en": "Mail address", "role": "email"},
            "seit": {"format": "date long"}}}},
    "joins": [{"table": "bestellung", "columns": ["besteller"], "to": "kunde", "to_columns": ["id"]},
              {"table": "befund", "columns": ["kunde_id"], "to": "kunde", "to_columns": ["id"]}]}
NAMES = {"from": "kunde", "fields": [{"field": "kunde.id"}, {"field": "kunde.name"}]}
ORDERS = {"from": "bestellung", "joins": [{"table": "kunde"}],
          "fields": [{"field": "bestellung.nr"}, {"field": "kunde.name"}], "order": [{"field": "bestellung.nr"}]}
HIDDEN = {  # built queries that name what is hidden, and the name
    "field": ({**NAMES, "fields": [{"field": "kunde.id"}, {"field": "kunde.iban"}]}, "kunde.iban"),
    "function": ({**NAMES, "fields": [{"field": "kunde.iban", "function": "min", "as": "id"}]}, "kunde.iban"),
    "condition": ({**NAMES, "where": {"field": "kunde.iban", "is": "starts with", "value": "AT6"}}, "kunde.iban"),
    "order": ({**NAMES, "order": [{"field": "kunde.iban"}]}, "kunde.iban"),
    "table": ({"from": "befund", "fields": [{"field": "befund.kunde_id", "as": "id"}]}, "befund"),
    "join": ({**NAMES, "joins": [{"table": "befund"}]}, "befund"),
    "join on": ({**NAMES, "joins": [{"table": "befund", "on": [["id", "kunde_id"]]}]}, "befund"),
    "column of a join": ({**NAMES, "joins": [{"table": "bestellung", "on": [["iban", "nr"]]}]}, "iban"),
    "other capitals": ({**NAMES, "fields": [{"field": "kunde.id"}, {"field": "kunde.IBAN"}]}, "kunde.IBAN"),
    "schema": ({"from": "sqlite_schema", "fields": [{"field": "sqlite_schema.sql", "as": "id"}]}, "sqlite_schema"),
}


def write_catalogue(site, catalogue):
    (site.folder / "katalog.json").write_text(json.dumps(catalogue))


def practice(site, catalogue=None, more=""):
    """A site whose source holds what clerks must not see, and whose schema declares no foreign keys."""
    with contextlib.closing(sqlite3.connect(site.customers_db)) as db:
        db.executescript("CREATE TABLE kunde (id INTEGER PRIMARY KEY, name TEXT, kontakt TEXT, seit DATE, iban TEXT);"
                         "CREATE TABLE befund (kunde_id INTEGER, text TEXT);"
                         "CREATE TABLE bestellung (nr INTEGER PRIMARY KEY, besteller INTEGER);"
                         "INSERT INTO kunde VALUES (1, 'Anna', 'anna@example.org', '2020-01-05', 'AT611904300234573201'),"
                         "                         (2, 'Bert', 'bert@example.org', '2021-02-06', NULL);"
                         "INSERT INTO befund VALUES (1, 'Diabetes');"
                         "INSERT INTO bestellung VALUES (10, 2), (11, 1), (12, 2)")
    write_catalogue(site, catalogue or CATALOGUE)
    site.configure(sources={"kunden": {"driver": "sqlite", "path": site.customers_db, "catalogue": "katalog.json"}}, more=more)
    return site.start()


@pytest.fixture
def praxis(site):
    return practice(site)


def query(site, name, *groups):
    return site.api("POST", "/v1/queries", {"name": name, "source": "kunden", "groups": [
        {"name": f"g{number}", "key": "id", **group} for number, group in enumerate(groups)]})


def refused(site, *names, **body):
    """The message of a request that must be refused."""
    return refusal(site, 400, "POST", *names, body=body)["message"]


def rows(site, name):
    return site.api("POST", path("queries", name, "run"))["rows"]


def test_what_is_hidden_is_not_told(praxis):
    answer = praxis.api("GET", path("sources", "kunden", "tables"))
    assert {table["name"]: [column["name"] for column in table["columns"]] for table in answer["tables"]} == {
        "bestellung": ["nr", "besteller"], "kunde": ["id", "name", "kontakt", "seit"]}
    assert "befund" not in json.dumps(answer) and "iban" not in json.dumps(answer).lower()
    shown = praxis.ctl("query", "tables", "kunden") + praxis.ctl("query", "tables", "kunden", "kunde")
    assert "befund" not in shown and "iban" not in shown.lower() and "kontakt" in shown
    hidden = praxis.ctl("query", "tables", "kunden", "befund", check=False)
    assert hidden.returncode == praxis.ctl("query", "tables", "kunden", "nirgends", check=False).returncode != 0


def test_labels_and_joins_are_told(praxis):
    tables = {table["name"]: table for table in praxis.api("GET", path("sources", "kunden", "tables"))["tables"]}
    assert tables["kunde"]["label_de"] == "Kundschaft" and tables["kunde"]["label_en"] == "Customers"
    assert tables["bestellung"]["foreign_keys"] == [
        {"columns": ["besteller"], "table": "kunde", "to": ["id"], "declared": False}]


@pytest.mark.parametrize("call", ["run", "groups", "list", "fields", "sql"])
def test_built_query_cannot_reach_what_is_hidden(praxis, call):
    for what, (built, name) in HIDDEN.items():
        query(praxis, what, {"built": built})
        message = refused(praxis, "queries", what, call)
        assert name in message and not any(secret in message for secret in SECRETS), (what, message)


@pytest.mark.parametrize("place", ["group", "set", "details", "individual"])
def test_campaign_cannot_reach_what_is_hidden(praxis, place):
    """Neither where it is counted, nor listed, nor started."""
    for what in ("field", "condition", "join"):
        built, name = HIDDEN[what]
        query(praxis, f"für {what}", {"built": built})
        group = {"group": {"built": built}, "individual": {"built": NAMES},
                 "set": {"built": NAMES, "sets": [{"operation": "both", "query": f"für {what}", "group": "g0"}]},
                 "details": {"built": NAMES, "details": [{"name": "posten", "key": "id", "built": built}]}}[place]
        query(praxis, what, group)
        praxis.api("POST", "/v1/campaigns", {
            "name": what, "query": what, "group": "g0", "steps": [{"name": "eins", "action": "null"}],
            **({"individual_built": built} if place == "individual" else {})})
        checked = praxis.api("POST", path("campaigns", what, "check"))
        assert checked["ok"] is False
        told = [" ".join(problem["message_en"] for problem in checked["problems"]),
                refusal(praxis, 422, "POST", "campaigns", what, "start", body={})["message"],
                refused(praxis, "campaigns", what, "list")]
        if place != "details":  # the count needs none
            told.append(refused(praxis, "campaigns", what, "recipients"))
        assert all(name in message for message in told), told
    assert praxis.api("GET", "/v1/runs") == []


def test_filter_sees_the_querys_fields_alone(praxis):
    query(praxis, "Namen", {"built": NAMES})
    praxis.api("POST", "/v1/campaigns", {"name": "Brief", "query": "Namen", "group": "g0", "steps": [{"name": "eins", "action": "null"}]})
    for condition in ("iban IS NOT NULL", "id IN (SELECT kunde_id FROM befund)", "(SELECT count(*) FROM befund) > 0",
                      "EXISTS (SELECT 1 FROM main.sqlite_schema)", "(SELECT sql FROM sqlite_master) LIKE '%iban%'",
                      "(SELECT count(*) FROM main.recipient) > 0", '{"field": "iban", "is": "is not empty"}'):
        assert "the filter: " in refused(praxis, "campaigns", "Brief", "recipients", filter=condition), condition


def test_query_that_was_built_before_it_was_hidden_is_refused_from_the_reload_on(praxis):
    write_catalogue(praxis, {})
    praxis.ctl("reload")
    query(praxis, "alles", {"built": HIDDEN["field"][0]})
    praxis.api("POST", "/v1/campaigns", {"name": "Brief", "query": "alles", "group": "g0",
                                         "steps": [{"name": "eins", "action": "null"}]})
    assert SECRETS[0] in json.dumps(praxis.api("POST", path("campaigns", "Brief", "recipients"), {}))
    write_catalogue(praxis, CATALOGUE)
    praxis.ctl("reload")
    assert "kunde.iban" in refused(praxis, "queries", "alles", "run")
    assert "kunde.iban" in refused(praxis, "campaigns", "Brief", "recipients"), "rows that were fetched before are not used"


def test_joins_of_the_catalogue_need_no_foreign_keys(praxis):
    query(praxis, "Bestellungen", {"built": ORDERS, "key": "nr"})
    assert rows(praxis, "Bestellungen") == [[10, "Bert"], [11, "Anna"], [12, "Bert"]]
    write_catalogue(praxis, {**CATALOGUE, "joins": []})
    praxis.ctl("reload")
    assert "no key leads" in refused(praxis, "queries", "Bestellungen", "run")


def test_fields_of_a_built_query_are_what_the_catalogue_says(praxis):
    """Also under another name in the result; what the catalogue does not say is guessed."""
    built = {"from": "kunde", "fields": [{"field": "kunde.id"}, {"field": "kunde.kontakt", "as": "an"}, {"field": "kunde.seit"},
                                         {"field": "kunde.kontakt", "function": "max", "as": "letzter"}]}
    query(praxis, "Namen", {"built": built})
    columns = {column["name"]: column.get("guessed") for column in
               praxis.api("POST", path("queries", "Namen", "fields"), {"save": True})["columns"]}
    assert columns["an"] == {"label_de": "Mailadresse", "label_en": "Mail address", "role": "email", "format": ""}
    assert columns["seit"]["format"] == "date long" and columns["letzter"]["role"] == ""
    fields = {field["name"]: field for field in praxis.api("GET", path("queries", "Namen"))["groups"][0]["fields"]}
    assert fields["an"]["role"] == "email" and fields["an"]["label_de"] == "Mailadresse"
    shown = praxis.api("POST", path("queries", "Namen", "sql"))
    assert set(shown) == {"sql", "values", "parameters", "dialect"}


@needs_root
def test_who_may_not_write_sql_builds(site):
    """The clerk's one way past the catalogue would be SQL."""
    import grp
    gid = grp.getgrnam("daemon").gr_gid
    practice(site, more="[http]\nsocket_group = daemon\n")
    os.chmod(site.short, 0o755)
    sql = "SELECT id, iban FROM kunde"
    query(site, "Namen", {"built": NAMES})
    query(site, "SQL", {"sql": sql})
    site.api("POST", "/v1/campaigns", {"name": "Brief", "query": "Namen", "group": "g0", "steps": []})
    group = {"name": "g0", "key": "id"}
    names = site.api("GET", path("queries", "Namen"))
    campaign = site.api("GET", path("campaigns", "Brief"))
    for method, where, body in (
            ("POST", "/v1/queries", {"name": "x", "source": "kunden", "groups": [{**group, "sql": sql}]}),
            ("POST", "/v1/queries", {"name": "x", "source": "kunden", "groups": [
                {**group, "built": NAMES, "details": [{"name": "d", "key": "id", "sql": sql}]}]}),
            ("PUT", path("queries", "Namen"), {**names, "groups": [{**group, "sql": ["SELECT id, iban", "FROM kunde"]}]}),
            ("PUT", path("campaigns", "Brief"), {**campaign, "individual_sql": sql}),
            ("POST", "/v1/definitions", {"document": {"format": 1, "queries": [{"name": "x", "source": "kunden", "groups": [
                {**group, "sql": sql}]}]}})):
        status, answer = as_clerk(site, gid, method, where, body)
        assert status == 403 and "sql_group" in answer["error"]["message_de"], (where, status, answer)
    assert as_clerk(site, gid, "POST", "/v1/queries", {"name": "y", "source": "kunden", "groups": [{**group, "built": NAMES}]})[0] == 201
    assert as_clerk(site, gid, "POST", path("queries", "y", "run"), {})[1]["rows"] == [[1, "Anna"], [2, "Bert"]]
    status, answer = as_clerk(site, gid, "POST", "/v1/queries", {"name": "z", "source": "kunden", "groups": [
        {**group, "built": HIDDEN["field"][0]}]})
    assert status == 201, answer
    assert as_clerk(site, gid, "POST", path("queries", "z", "run"), {})[0] == 400
    # What somebody with the right has written and saved is offered to all: that is what the right is for.
    assert SECRETS[0] in json.dumps(as_clerk(site, gid, "POST", path("queries", "SQL", "run"), {})[1])


@needs_root
def test_sql_of_who_may_write_it_is_not_bound_by_the_catalogue(site):
    import grp
    gid = grp.getgrnam("daemon").gr_gid
    practice(site, more="[http]\nsocket_group = daemon\nsql_group = daemon\n")
    os.chmod(site.short, 0o755)
    body = {"name": "SQL", "source": "kunden", "groups": [
        {"name": "g0", "key": "id", "sql": "SELECT k.id, k.iban, b.text FROM kunde k JOIN befund b ON b.kunde_id = k.id"}]}
    assert as_clerk(site, gid, "POST", "/v1/queries", body)[0] == 201
    assert as_clerk(site, gid, "POST", path("queries", "SQL", "run"), {})[1]["rows"] == [[1, *SECRETS]]


# ---- a catalogue that does not fit


@pytest.mark.parametrize("wrong, says", [
    ({"tables": {"kunnde": {"hidden": True}}}, ("»kunnde«", "»kunde«?")),
    ({"tables": {"kunde": {"columns": {"ibann": {"hidden": True}}}}}, ("tables.kunde.columns", "»ibann«", "»iban«?")),
    ({"joins": [{"table": "bestellung", "columns": ["bestelle"], "to": "kunde", "to_columns": ["id"]}]},
     ("joins[0].columns", "»bestelle«", "»besteller«?"))])
def test_test_of_a_source_finds_what_its_catalogue_names_in_vain(praxis, wrong, says):
    assert praxis.api("POST", path("sources", "kunden", "test"))["ok"] is True
    write_catalogue(praxis, wrong)
    praxis.ctl("reload")
    answer = praxis.api("POST", path("sources", "kunden", "test"))
    assert answer["ok"] is False and all(word in answer["message"] and word in answer["message_de"] for word in says), answer
    told = praxis.ctl("source", "test", "kunden", check=False)
    assert told.returncode == 1 and says[0] in told.stderr


def test_built_in_sources_fit_their_catalogues(praxis):
    assert praxis.api("POST", path("sources", "runs", "test"))["ok"] is True
    tables = {table["name"]: table for table in praxis.api("GET", path("sources", "runs", "tables"))["tables"]}
    assert set(tables) == {"run", "task", "document", "left_out"} and all(table["label_de"] for table in tables.values())
