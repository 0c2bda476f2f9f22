"""Queries, sources and selections by the HTTP API: what a clerk sees before anything is started."""
import concurrent.futures
import csv
import grp
import io
import json
import os
import pwd
import sqlite3
import subprocess
import sys
import time
import urllib.parse

import pytest

from conftest import PATIENCE, Failed, until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

# A query of several groups with a parameter, as of one event of a conference.
EVENT = {"name": "Tagung", "source": "kunden", "parameters": [{"name": "ort", "type": "text", "required": True}], "groups": [
    {"name": "Teilnehmer", "key": "id", "sql": "SELECT id, name, email, ort FROM kunde WHERE ort = :ort ORDER BY id"},
    {"name": "Vortragende", "key": "id", "sql": "SELECT id, name, email FROM kunde WHERE ort = :ort AND id <= 10 ORDER BY id"},
    {"name": "ohne Schlüssel", "key": "Id", "sql": "SELECT id, name FROM kunde"}]}
BUILT = {"name": "Gebaut", "source": "kunden", "groups": [{"name": "g", "key": "id", "built": {
    "from": "kunde", "fields": [{"field": "kunde.id"}, {"field": "kunde.name"}, {"field": "kunde.ort"}],
    "where": {"and": [{"field": "kunde.ort", "is": "=", "value": "Graz"}, {"field": "kunde.id", "is": "<", "value": 30}]},
    "order": [{"field": "kunde.id"}]}}]}


def path(*names):
    return "/v1/" + "/".join(urllib.parse.quote(name, safe="") for name in names)


def refusal(site, status, method, *names, body=None):
    """The error of a request that must fail with this status."""
    with pytest.raises(Failed) as failed:
        site.api(method, path(*names), body)
    assert failed.value.status == status, failed.value
    assert failed.value.answer["error"]["code"] and failed.value.answer["error"]["message"]
    return failed.value.answer["error"]


def selecting(site):
    folder = site.state / "selecting"
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def shop(site):
    site.start(customers=70)
    return site


@pytest.fixture
def event(shop):
    shop.api("POST", "/v1/queries", EVENT)
    return shop


def letters(site, **more):
    """A campaign on the query „alle“ that does nothing."""
    return site.campaign("Brief", [{"name": "eins", "action": "null"}], **more)


# ---- queries


def test_first_rows_of_a_chosen_group(event):
    rows = event.api("POST", path("queries", "Tagung", "run"), {"group": "Vortragende", "parameters": {"ort": "Wien"}, "limit": 1})
    assert [column["name"] for column in rows["columns"]] == ["id", "name", "email"]
    assert len(rows["rows"]) == 1 and rows["count"] == 2 and rows["truncated"] is True and rows["problems"] == []


def test_one_group_need_not_be_named(shop):
    shop.query()
    assert shop.api("POST", path("queries", "alle", "run"))["count"] == 70


def test_several_groups_are_named_to_choose_from(event):
    error = refusal(event, 400, "POST", "queries", "Tagung", "run", body={"parameters": {"ort": "Wien"}})
    assert "Teilnehmer" in error["message"] and "Vortragende" in error["message_de"]


def test_unknown_group_is_told_the_nearest(event):
    error = refusal(event, 400, "POST", "queries", "Tagung", "run", body={"group": "Teilnemer", "parameters": {"ort": "Wien"}})
    assert "Teilnehmer" in error["message"] and "Teilnehmer" in error["message_de"]


def test_missing_parameter_is_named(event):
    error = refusal(event, 400, "POST", "queries", "Tagung", "run", body={"group": "Teilnehmer"})
    assert "ort" in error["message"] and "ort" in error["message_de"]


def test_key_that_is_no_column_is_said_with_the_rows(event):
    rows = event.api("POST", path("queries", "Tagung", "run"), {"group": "ohne Schlüssel", "parameters": {"ort": ""}})
    assert rows["count"] == 70
    (problem,) = rows["problems"]
    assert problem["severity"] == "error" and "»Id«" in problem["message_en"] and "»id«" in problem["message_de"]


def test_groups_are_counted(event):
    groups = event.api("POST", path("queries", "Tagung", "groups"), {"parameters": {"ort": "Wien"}})["groups"]
    assert [(group["name"], group["count"]) for group in groups] == [("Teilnehmer", 10), ("Vortragende", 2), ("ohne Schlüssel", 70)]


def test_built_query_shows_its_sql(shop):
    shop.api("POST", "/v1/queries", BUILT)
    shown = shop.api("POST", path("queries", "Gebaut", "sql"))
    assert shown["dialect"] == "sqlite" and "Graz" not in shown["sql"] and set(shown["values"].values()) == {"Graz", 30}
    rows = shop.api("POST", path("queries", "Gebaut", "run"))
    assert [row[0] for row in rows["rows"]] == [7, 14, 21, 28]


def test_guessed_fields_are_saved_where_there_is_none(shop):
    shop.query(fields=[{"name": "email", "label_de": "Post", "role": "email"}])
    guessed = {column["name"]: column for column in shop.api("POST", path("queries", "alle", "fields"))["columns"]}
    assert guessed["ort"]["guessed"]["role"] == "city"
    assert shop.api("GET", path("queries", "alle"))["groups"][0]["fields"][0]["label_de"] == "Post"
    saved = shop.api("POST", path("queries", "alle", "fields"), {"save": True})
    assert saved["saved"] >= 1
    fields = {field["name"]: field for field in shop.api("GET", path("queries", "alle"))["groups"][0]["fields"]}
    assert fields["email"]["label_de"] == "Post" and fields["ort"]["role"] == "city"
    assert shop.api("POST", path("queries", "alle", "fields"), {"save": True})["saved"] == 0


def test_list_as_csv_and_json_lines(shop):
    shop.customers(2, [(1, "=SUM(A1)", 'a"b@example.org', "Graz", None, None), (2, "Łódź; Ü", "", "Wien", "AT", 1)])
    shop.query()
    text = shop.api("POST", path("queries", "alle", "list"), {"formula_guard": True, "separator": ";"}, raw=True).decode()
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert rows[0] == ["id", "name", "email", "ort", "land", "widerspruch"] and rows[1][1:3] == ["'=SUM(A1)", 'a"b@example.org']
    assert rows[2][1] == "Łódź; Ü"
    lines = shop.api("POST", path("queries", "alle", "list"), {"format": "jsonl"}, raw=True).decode().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["=SUM(A1)", "Łódź; Ü"]
    assert not [name for name in os.listdir(shop.state / "reading") if name.startswith("list")], "a list's file is left"


def test_long_list_is_not_held_in_memory(shop):
    shop.query("lang", "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 200000) "
                       "SELECT id, printf('%0200d', id) AS text FROM n")

    def peak():
        return int(next(line for line in open(f"/proc/{shop.core.pid}/status") if line.startswith("VmHWM")).split()[1])
    before = peak()
    text = shop.api("POST", path("queries", "lang", "list"), {}, timeout=120, raw=True)
    assert text.count(b"\r\n") == 200_001 and len(text) > 40_000_000
    assert peak() - before < 10_000, "the core held the list"


def test_list_of_a_campaign_is_what_it_selects(shop):
    shop.query()
    letters(shop, filter="ort = 'Graz'")
    rows = list(csv.DictReader(io.StringIO(shop.api("POST", path("campaigns", "Brief", "list"), {}, raw=True).decode())))
    assert len(rows) == 10 and {row["ort"] for row in rows} == {"Graz"}


# ---- sources


def test_sources_are_listed_with_the_built_in_ones(shop):
    sources = {source["name"]: source for source in shop.api("GET", "/v1/sources")}
    assert sources["kunden"]["driver"] == "sqlite" and sources["kunden"]["built_in"] is False
    assert sources["runs"]["built_in"] and sources["imports"]["built_in"]
    assert "password" not in json.dumps(list(sources.values())) and str(shop.folder) not in json.dumps(list(sources.values()))


def test_files_of_a_run_that_cannot_be_read_are_an_error_and_not_nothing(shop):
    shop.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": shop.act_file}}])
    run = shop.start_run("leer")
    shop.wait_run(run)
    shop.query("bekommen", f"SELECT recipient FROM task WHERE run = {run}", key="recipient", source="runs")
    assert shop.api("POST", path("queries", "bekommen", "run"), {})["count"] == 70
    rows = shop.state / "runs" / f"{run}.0.rows.db"
    rows.chmod(0o600)
    rows.write_bytes(b"x" * 8192)
    error = refusal(shop, 422, "POST", "queries", "bekommen", "run", body={})
    assert f"run {run}: its files cannot be read" in error["message"]
    rows.unlink()
    error = refusal(shop, 404, "POST", "queries", "bekommen", "run", body={})
    assert f"the files of run {run} were deleted" in error["message"]


def test_a_parameter_that_need_not_be_given_is_null(shop):
    built = {"from": "kunde", "fields": [{"field": "kunde.id"}], "where": {"or": [
        {"field": "kunde.ort", "is": "=", "parameter": "ort"}, {"field": "kunde.id", "is": "=", "value": 1}]}}
    shop.api("POST", "/v1/queries", {"name": "wahl", "source": "kunden", "parameters": [
        {"name": "ort", "type": "text", "required": False}], "groups": [{"name": "g", "key": "id", "built": built}]})
    assert shop.api("POST", path("queries", "wahl", "run"), {})["count"] == 1
    assert shop.api("POST", path("queries", "wahl", "run"), {"parameters": {"ort": "Graz"}})["count"] == 11


def test_tables_of_a_source(shop):
    tables = {table["name"]: table for table in shop.api("GET", path("sources", "kunden", "tables"))["tables"]}
    assert [column["name"] for column in tables["kunde"]["columns"]] == ["id", "name", "email", "ort", "land", "widerspruch"]
    assert tables["kunde"]["columns"][0]["key"] == 1


def test_hidden_columns_are_not_told(site):
    site.customers(1)
    (site.folder / "katalog.json").write_text(json.dumps({"tables": {"kunde": {"label_de": "Kundschaft", "columns": {
        "widerspruch": {"hidden": True}, "ort": {"label_de": "Wohnort", "role": "city"}}}}}))
    site.start(sources={"kunden": {"driver": "sqlite", "path": site.customers_db, "catalogue": "katalog.json"}})
    answer = site.api("GET", path("sources", "kunden", "tables"))
    (table,) = answer["tables"]
    columns = {column["name"]: column for column in table["columns"]}
    assert table["label_de"] == "Kundschaft" and columns["ort"]["role"] == "city" and "widerspruch" not in json.dumps(answer)


def test_source_is_tested(site):
    site.customers(1)
    site.start(sources={"kunden": {"driver": "sqlite", "path": site.customers_db}, "fort": {"driver": "sqlite", "path": site.folder / "fort.db"}})
    well = site.api("POST", path("sources", "kunden", "test"))
    assert well["ok"] is True and well["ms"] >= 0
    ill = site.api("POST", path("sources", "fort", "test"))
    assert ill["ok"] is False and "fort" in ill["message"] and ill["message_de"]
    assert "mond" in refusal(site, 404, "POST", "sources", "mond", "test")["message"]


def test_query_on_an_unknown_source_is_a_problem(shop):
    shop.query("fern", source="mond")
    (problem,) = [problem for problem in shop.api("GET", "/v1/problems") if "mond" in problem["message_en"]]
    assert problem["table"] == "query" and problem["severity"] == "error" and "mond" in problem["message_de"]


# ---- the live count


def test_count_starts_nothing(shop):
    letters(shop, filter="ort = 'Graz'")
    answer = shop.api("POST", path("campaigns", "Brief", "recipients"), {"limit": 3})
    assert answer["recipients"] == 10 and answer["left_out"] == {"filter": 60} and len(answer["rows"]) == 3
    assert answer["left_out_rows"][0]["reason"] == "filter" and answer["columns"][0]["name"] == "id" and answer["fetched_at"]
    assert shop.api("GET", "/v1/runs") == [] and shop.acts() == {}
    assert shop.api("GET", path("campaigns", "Brief"))["last_run"] is None


def test_request_may_try_another_filter_and_other_picks(shop):
    letters(shop, filter="ort = 'Graz'")

    def count(**body):
        return shop.api("POST", path("campaigns", "Brief", "recipients"), body)
    assert count(filter="ort = 'Wien'")["recipients"] == 10
    assert count(filter=None)["recipients"] == 70
    assert count(filter={"or": [{"field": "ort", "is": "=", "value": "Graz"}, {"field": "id", "is": "=", "value": 1}]})["recipients"] == 11
    answer = count(**{"in": ["1", 2]}, out=["7"])
    assert answer["recipients"] == 11 and answer["left_out"] == {"filter": 58, "taken out": 1}
    answer = count(sample=4)
    assert answer["recipients"] == 4 and answer["left_out"]["sample"] == 6
    assert len(selecting(shop)) == 1, "another filter needs no other rows"
    assert shop.api("GET", path("campaigns", "Brief"))["filter"] == "ort = 'Graz'"


def test_rows_are_used_again_until_fresh_ones_are_asked_for(shop):
    letters(shop)

    def count(**body):
        answer = shop.api("POST", path("campaigns", "Brief", "recipients"), body)
        return answer["recipients"], answer["fetched_at"]
    first = count()
    shop.customers(5)
    assert count() == first == (70, first[1])
    fresh = count(fresh=True)
    assert fresh[0] == 5 and fresh[1] > first[1]
    assert count() == fresh
    assert len(selecting(shop)) == 1


def test_two_at_once_share_one_fetch(shop):
    shop.query("langsam", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) "
                          "SELECT id, name FROM kunde, (SELECT count(*) AS c FROM n) WHERE c > 0")
    shop.campaign("Brief", [{"name": "eins", "action": "null"}], query="langsam")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shop.api("POST", path("campaigns", "Brief", "recipients"), {}), range(4)))
    assert {answer["recipients"] for answer in answers} == {70} and len({answer["fetched_at"] for answer in answers}) == 1
    assert len(selecting(shop)) == 1 and ".1.raw.db" in selecting(shop)[0]


def test_only_eight_selections_are_kept(shop):
    for number in range(10):
        shop.query(f"q{number}", f"SELECT id, name FROM kunde WHERE id > {number}")
        shop.campaign(f"c{number}", [{"name": "eins", "action": "null"}], query=f"q{number}")
        assert shop.api("POST", path("campaigns", f"c{number}", "recipients"), {})["recipients"] == 70 - number
    numbers = sorted(int(name.split(".")[1]) for name in selecting(shop))
    assert numbers == list(range(3, 11)), "the least recently used go first"


def test_kept_rows_are_private_and_gone_after_the_stop(shop):
    letters(shop)
    shop.api("POST", path("campaigns", "Brief", "recipients"), {})
    assert len(selecting(shop)) == 1 and os.stat(shop.state / "selecting").st_mode & 0o777 == 0o700
    assert shop.stop() == 0 and selecting(shop) == []
    shop.start()
    shop.api("POST", path("campaigns", "Brief", "recipients"), {})
    shop.kill()
    assert len(selecting(shop)) == 1
    shop.start()
    assert selecting(shop) == []


def test_check_counts_the_fellow_groups(event):
    event.campaign("Einladung", [{"name": "eins", "action": "null"}], query="Tagung", parameters={"ort": "Wien"}, )
    campaign = event.api("GET", path("campaigns", "Einladung"))
    event.api("PUT", path("campaigns", "Einladung"), {**campaign, "group": "Teilnehmer"})
    answer = event.api("POST", path("campaigns", "Einladung", "check"))
    assert answer["recipients"] == 10, answer
    assert [(group["name"], group["count"]) for group in answer["groups"]] == [("Teilnehmer", 10), ("Vortragende", 2), ("ohne Schlüssel", 70)]


# ---- a source that fails


@pytest.mark.parametrize("call", ["check", "start", "recipients", "run", "list", "groups"])
def test_source_that_goes_away_changes_nothing(shop, call):
    letters(shop)
    before = shop.api("GET", path("campaigns", "Brief"))
    shop.customers_db.write_bytes(b"not a database at all, " * 1000)
    where = path("campaigns", "Brief", call) if call in ("check", "start", "recipients") else path("queries", "alle", call)
    if call == "check":
        answer = shop.api("POST", where, {})
        assert answer["ok"] is False
        message = answer["problems"][0]["message_en"]
    else:
        with pytest.raises(Failed) as failed:
            shop.api("POST", where, {})
        assert failed.value.status in (400, 422), failed.value
        message = failed.value.answer["error"]["message"]
    assert "kunden" in message and "not a database" in message
    assert shop.api("GET", path("campaigns", "Brief")) == before and shop.api("GET", "/v1/runs") == []
    shop.customers_db.unlink()
    shop.customers(3)
    assert shop.api("POST", path("campaigns", "Brief", "recipients"), {"fresh": True})["recipients"] == 3


# ---- bad input


@pytest.mark.parametrize("where, body", [
    (("queries", "Tagung", "run"), {"fnord": 1}), (("queries", "Tagung", "run"), {"group": 7}),
    (("queries", "Tagung", "run"), {"group": "Teilnehmer", "parameters": []}),
    (("queries", "Tagung", "run"), {"group": "Teilnehmer", "parameters": {"ort": ["a"]}}),
    (("queries", "Tagung", "run"), {"group": "Teilnehmer", "parameters": {"ort": "Wien", "fnord": 1}}),
    (("queries", "Tagung", "run"), {"group": "Teilnehmer", "parameters": {"ort": "Wien"}, "limit": -1}),
    (("queries", "Tagung", "run"), {"group": "Teilnehmer", "parameters": {"ort": "Wien"}, "limit": 10001}),
    (("queries", "Tagung", "groups"), {"group": "Teilnehmer"}), (("queries", "Tagung", "sql"), {"group": None}),
    (("queries", "Tagung", "sql"), {"group": "nix"}), (("queries", "Tagung", "fields"), {"group": "Teilnehmer", "save": "yes"}),
    (("queries", "Tagung", "list"), {"group": "Teilnehmer", "parameters": {"ort": "Wien"}, "format": "xlsx"}),
    (("queries", "Tagung", "list"), {"group": "Teilnehmer", "parameters": {"ort": "Wien"}, "separator": "xx"}),
    (("queries", "Tagung", "list"), {"group": "Teilnehmer", "out": "/tmp/x"}),
    (("campaigns", "Brief", "recipients"), {"fnord": 1}), (("campaigns", "Brief", "recipients"), {"limit": "many"}),
    (("campaigns", "Brief", "recipients"), {"filter": 7}), (("campaigns", "Brief", "recipients"), {"filter": "ort = = 1"}),
    (("campaigns", "Brief", "recipients"), {"filter": {"field": "ortt", "is": "=", "value": 1}}),
    (("campaigns", "Brief", "recipients"), {"in": "4711"}), (("campaigns", "Brief", "recipients"), {"out": [""]}),
    (("campaigns", "Brief", "recipients"), {"out": [{"a": 1}]}), (("campaigns", "Brief", "recipients"), {"out": ["x" * 1001]}),
    (("campaigns", "Brief", "recipients"), {"sample": 0}), (("campaigns", "Brief", "recipients"), {"sample": "ten"}),
    (("campaigns", "Brief", "recipients"), {"fresh": 1}), (("sources", "kunden", "test"), {"sql": "SELECT 2"}),
], ids=lambda value: "/".join(value) if isinstance(value, tuple) else json.dumps(value)[:40])
def test_bad_input_is_refused(event, where, body):
    letters(event)
    refusal(event, 400, "POST", *where, body=body)
    assert event.api("GET", "/v1/status")["state"] == "running"


@pytest.mark.parametrize("method, where", [
    ("POST", ("queries", "nix", "run")), ("POST", ("queries", "nix", "groups")), ("POST", ("queries", "nix", "sql")),
    ("POST", ("queries", "nix", "fields")), ("POST", ("queries", "nix", "list")), ("POST", ("campaigns", "nix", "list")),
    ("POST", ("campaigns", "nix", "recipients")), ("POST", ("campaigns", "nix", "individual")), ("GET", ("campaigns", "nix", "compare")),
    ("GET", ("sources", "nix", "tables")), ("POST", ("sources", "nix", "test")),
])
def test_what_is_not_there_is_a_404(shop, method, where):
    assert refusal(shop, 404, method, *where)["code"] == "not-found"


def test_hostile_names_and_values(shop):
    """Quotes, markup, a megabyte and 200 columns go through as what they are, or are refused."""
    name = "a'b\"c;--/*<script>%s\\"
    columns = ", ".join(f"{n} AS \"c{n}'\"" for n in range(200))
    shop.query(name, f"SELECT id, replace(hex(zeroblob(524288)), '00', '\"'';') AS lang, {columns} FROM kunde WHERE id = 1")
    rows = shop.api("POST", path("queries", name, "run"), {"limit": 1})
    assert len(rows["columns"]) == 202 and rows["columns"][2]["name"] == "c0'" and len(rows["rows"][0][1]) == 3 * 524288
    text = shop.api("POST", path("queries", name, "list"), {}, raw=True).decode()
    csv.field_size_limit(2 << 20)
    assert list(csv.reader(io.StringIO(text)))[1][1] == "\"';" * 524288
    shop.api("POST", "/v1/campaigns", {"name": name, "query": name, "group": "g", "steps": [{"name": "x", "action": "null"}]})
    assert shop.api("POST", path("campaigns", name, "recipients"), {"in": [name], "out": ["'); DROP TABLE recipient;"]})["recipients"] == 1


# ---- who may write SQL

AS_SOMEBODY = """
import http.client, json, os, socket, sys
uid, gid, path, method, where, body = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
os.setgroups([]); os.setgid(gid); os.setuid(uid)
connection = http.client.HTTPConnection("campaignd")
connection.sock = socket.socket(socket.AF_UNIX); connection.sock.connect(path)
connection.request(method, where, body.encode() or None, {"Content-Type": "application/json"} if body else {})
response = connection.getresponse()
print(json.dumps([response.status, json.loads(response.read() or "null")]))
"""


def as_clerk(site, gid, method, where, body=None):
    """A request as »nobody« with this group: status and answer."""
    done = subprocess.run([sys.executable, "-c", AS_SOMEBODY, str(pwd.getpwnam("nobody").pw_uid), str(gid), site.socket, method, where,
                           json.dumps(body) if body is not None else ""], capture_output=True, text=True, timeout=30 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def open_to_clerks(site, customers, more=""):
    """Start it with a group whose members may use the socket, and no more than that; its number."""
    site.customers(customers)
    site.configure(more=f"[http]\nsocket_group = daemon\n{more}")
    site.start()
    os.chmod(site.short, 0o755)
    return grp.getgrnam("daemon").gr_gid


@needs_root
def test_sql_is_a_right_of_its_own(site):
    gid = open_to_clerks(site, customers=70)
    site.query()
    letters(site)
    query = site.api("GET", path("queries", "alle"))
    status, answer = as_clerk(site, gid, "POST", "/v1/queries", {**EVENT, "name": "x"})
    assert status == 403 and "sql_group" in answer["error"]["message"] and "sql_group" in answer["error"]["message_de"]
    changed = {**query, "groups": [{**query["groups"][0], "sql": "SELECT id, email FROM kunde"}]}
    assert as_clerk(site, gid, "PUT", path("queries", "alle"), changed)[0] == 403
    assert as_clerk(site, gid, "PUT", path("queries", "alle"), {**query, "source": "runs"})[0] == 403, "the same SQL elsewhere"
    lines = {**query, "groups": [{**query["groups"][0], "sql": ["SELECT id,", "email FROM kunde"]}]}
    assert as_clerk(site, gid, "PUT", path("queries", "alle"), lines)[0] == 403
    campaign = {**site.api("GET", path("campaigns", "Brief")), "individual_sql": "SELECT 1 AS id"}
    assert as_clerk(site, gid, "PUT", path("campaigns", "Brief"), campaign)[0] == 403
    document = site.api("GET", "/v1/definitions")
    assert as_clerk(site, gid, "POST", "/v1/definitions", {"document": document})[0] == 200, "nothing is new"
    assert as_clerk(site, gid, "POST", "/v1/definitions",
                    {"document": json.loads(json.dumps(document).replace("SELECT id", "SELECT 1 AS id")), "dry_run": True})[0] == 403
    # What is not SQL they may do.
    assert as_clerk(site, gid, "PUT", path("queries", "alle"), {**query, "description": "neu"})[0] == 200
    assert as_clerk(site, gid, "POST", "/v1/queries", BUILT)[0] == 201
    assert as_clerk(site, gid, "POST", path("queries", "alle", "run"), {})[0] == 200
    assert as_clerk(site, gid, "POST", path("campaigns", "Brief", "recipients"), {"filter": "id < 3"})[1]["recipients"] == 2


@needs_root
def test_sql_of_a_campaign_is_not_moved_by_what_it_stands_on(site):
    """Whoever may not write SQL moves no query, and no distributor's query, under a campaign's own SQL to another source."""
    gid = open_to_clerks(site, customers=3)
    site.api("POST", "/v1/queries", BUILT)
    site.api("POST", "/v1/queries", {**BUILT, "name": "anderswo", "source": "imports"})
    site.report("Liste", "<p>x</p>", query=BUILT["name"], categories=["Verteiler für Kampagne"])
    for name, origin in (("direkt", {"query": BUILT["name"]}), ("Verteiler", {"distributor": "Liste"})):
        site.api("POST", "/v1/campaigns", {"name": name, **origin, "individual_sql": "SELECT id FROM kunde"})
    before = site.api("GET", "/v1/definitions")
    query = site.api("GET", path("queries", BUILT["name"]))
    report = site.api("GET", path("reports", "Liste"))
    moved = {**before, "queries": [{**q, "source": "imports"} for q in before["queries"]]}
    for method, where, body in [("PUT", path("queries", BUILT["name"]), {**query, "source": "imports"}),
                                ("PUT", path("reports", "Liste"), {**report, "query": "anderswo"}),
                                ("PUT", path("reports", "Liste"), {**report, "query": None}),
                                ("POST", "/v1/definitions", {"document": moved})]:
        status, answer = as_clerk(site, gid, method, where, body)
        assert status == 403 and "own" in answer["error"]["message"] and "eigenes SQL" in answer["error"]["message_de"], (where, answer)
    assert site.api("GET", "/v1/definitions") == before
    # What moves nothing they may do; and who may write SQL may move it.
    assert as_clerk(site, gid, "PUT", path("queries", BUILT["name"]), {**query, "description": "neu"})[0] == 200
    assert as_clerk(site, gid, "PUT", path("queries", "anderswo"), {**BUILT, "name": "anderswo", "source": "kunden"})[0] == 200
    assert site.api("PUT", path("queries", BUILT["name"]), {**BUILT, "source": "imports"})["source"] == "imports"


@needs_root
def test_members_of_sql_group_may_write_sql(site):
    gid = open_to_clerks(site, customers=1, more="sql_group = daemon\n")
    assert as_clerk(site, gid, "POST", "/v1/queries", EVENT)[0] == 201


# ---- definitions as one document


def test_definitions_go_out_and_come_back(shop, new_site):
    shop.query()
    letters(shop)
    document = shop.api("GET", "/v1/definitions")
    other = new_site()
    other.start(customers=3)
    assert "alle" not in json.dumps(other.api("GET", "/v1/queries"))
    other.api("POST", "/v1/definitions", {"document": document, "dry_run": True})
    assert other.api("GET", "/v1/queries") == []
    other.api("POST", "/v1/definitions", {"document": document})
    assert other.api("POST", path("campaigns", "Brief", "recipients"), {})["recipients"] == 3
    assert other.api("GET", "/v1/definitions") == document


def test_individual_query_is_a_copy_that_can_be_compared(shop):
    shop.query()
    letters(shop)
    assert shop.api("GET", path("campaigns", "Brief", "compare"))["same"] is True
    shop.api("POST", path("campaigns", "Brief", "individual"), {})
    campaign = shop.api("GET", path("campaigns", "Brief"))
    assert campaign["individual_sql"].startswith("SELECT id")
    shop.api("PUT", path("campaigns", "Brief"), {**campaign, "individual_sql": "SELECT id, name FROM kunde WHERE id < 4"})
    compared = shop.api("GET", path("campaigns", "Brief", "compare"))
    assert compared["same"] is False and any("id < 4" in line for line in compared["difference"])
    assert shop.api("POST", path("campaigns", "Brief", "recipients"), {})["recipients"] == 3
    assert "WHERE" not in shop.api("GET", path("queries", "alle"))["groups"][0]["sql"]
