"""Who is a recipient, and why not: the reader child on real databases, one rule a test; and runs from end to end."""
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, until
from servers import PASSWORD, mariadb, postgres  # noqa: F401  (fixtures)

OBJECTION_US = 1793577600_000000  # 2026-11-02


class Reader:
    """A SQLite source, and a reader child asked about one definition over it."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "site.db"
        self.database = sqlite3.connect(self.path)
        self.count = 0
        self.sources = {"s": self.source(self.path)}
        self.databases = {}  # of servers

    @staticmethod
    def source(path, **more):
        return {"driver": "sqlite", "path": str(path), "time_limit_us": 20_000_000, "max_rows": 10_000_000, **more}

    def table(self, create, rows=()):
        """A table of the source by its CREATE TABLE, with rows."""
        self.database.execute(create)
        name = create.split("(")[0].split()[-1]
        for row in rows:
            self.database.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
        self.database.commit()

    def ask(self, mode, sql="SELECT * FROM p", key_column="id", roles=None, campaign=None, steps=None, picks=None, suppression="",
            details=(), sets=(), definition=None, **more):
        fields = [{"name": name, "role": role} for name, role in (roles or {}).items()]
        if definition is None:
            definition = {
                "campaign": {"id": 7, "name": "K", "purpose": "information", **(campaign or {})},
                "query": {"id": 1, "name": "Q", "source": "s"},
                "group": {"name": "g", "sql": sql, "key": key_column, "fields": fields, "details": list(details), "sets": list(sets)},
                "picks": picks or {}, "reports": {},
                "steps": steps or [{"number": 1, "name": "mail", "action": "a", "channel": "email"}]}
        request = {"mode": mode, "sources": self.sources, "definition": definition, "suppression": str(suppression), **more}
        done = subprocess.run([BUILD / "campaignd", "--reader"], input=json.dumps(request).encode(), capture_output=True,
                              timeout=60 * PATIENCE)
        assert done.returncode == 0, done.stderr.decode()
        assert b"Sanitizer" not in done.stderr, done.stderr.decode()
        return json.loads(done.stdout)

    def snapshot(self, mode="snapshot", **more):
        """The answer, and the rows file that was made."""
        self.count += 1
        out = self.folder / f"out{self.count}" / "rows.db"
        out.parent.mkdir()
        answer = self.ask(mode, out=str(out), uuid=more.pop("uuid", "u"), run=1, **more)
        if not answer["ok"]:
            assert os.listdir(out.parent) == [], "what could not be made leaves nothing"
            return answer, None
        assert os.listdir(out.parent) == ["rows.db"]
        return answer, sqlite3.connect(f"file:{out}?immutable=1", uri=True)

    def keys(self, **more):
        """The recipients' keys, in order, and {key: (reason, detail)} of those left out."""
        answer, rows = self.snapshot(**more)
        assert answer["ok"], answer
        recipients = rows.execute("SELECT ordinal, key FROM recipient ORDER BY ordinal").fetchall()
        assert [ordinal for ordinal, _ in recipients] == list(range(1, len(recipients) + 1)), "ordinals have gaps"
        assert len(recipients) == answer["recipients"]
        assert int(dict(rows.execute("SELECT key, value FROM meta"))["recipients"]) == len(recipients)
        left_out = rows.execute("SELECT key, reason, detail FROM left_out").fetchall()
        assert sum(answer["left_out"].values()) == len(left_out)
        return [key for _, key in recipients], {key: (reason, detail) for key, reason, detail in left_out}

    def error(self, mode="count", **more):
        answer = self.ask(mode, **more)
        assert not answer["ok"], answer
        assert answer["message_de"] and answer["message_de"] != answer["message"], "clerks read German, too"
        return answer["message"]

    def filtered(self, condition, **more):
        return self.keys(campaign={"filter": condition}, **more)[0]

    def suppress(self, *entries):
        """A copy of a suppression list: (kind, value, channel, scope, campaign, reason) each."""
        self.count += 1
        path = self.folder / f"suppression{self.count}.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL, channel TEXT NOT NULL,"
                       " scope TEXT NOT NULL, campaign_id INTEGER NOT NULL, reason TEXT NOT NULL, note TEXT NOT NULL,"
                       " created_us INTEGER NOT NULL, origin TEXT NOT NULL)")
            db.executemany(f"INSERT INTO entry VALUES (NULL, ?, ?, ?, ?, ?, ?, '', {OBJECTION_US}, 'hand')", entries)
            db.execute("CREATE INDEX entry_value ON entry (value)")
        return path


@pytest.fixture
def reader(tmp_path):
    return Reader(tmp_path)


PEOPLE = ("CREATE TABLE p (id INTEGER, name TEXT, email TEXT, city TEXT, balance DECIMAL(10,2), born DATE, ok BOOLEAN)", [
    (1, "Ärger", "a@x.org", "Köln", "9.50", "1980-02-03", 1),
    (2, "Bär", "B@x.org", "KÖLN", "10.00", "1990-12-31", 0),
    (3, "Zebra", "c@x.org", "Graz", "100.25", None, None),
    (4, "İpek", "d@x.org", "Straße", "-3", "2001-01-01", 1),
    (5, "Žižek", None, "STRASSE", None, "1949-03-21", 1),
])


@pytest.fixture
def people(reader):
    reader.table(*PEOPLE)
    return reader


# ---- rules, each with the reason that is kept

def test_nobody_is_left_out_without_a_rule(people):
    keys, left_out = people.keys()
    assert keys == ["1", "2", "3", "4", "5"] and left_out == {}


def test_rows_without_a_key_are_left_out_and_say_so(reader):
    reader.table("CREATE TABLE p (id, name)", [(None, "NULL"), ("", "leer"), ("a\nb", "Zeile"), ("a\x00b", "NUL"), ("k" * 1001, "lang"),
                                               ("k" * 1000, "gerade"), ("Jürgen", "UTF-8"), (b"\x01\xff", "Bytes"), (1.5, "Bruch")])
    reader.database.execute("INSERT INTO p VALUES (CAST(x'ff41' AS TEXT), 'kein UTF-8')")
    reader.database.commit()
    answer, rows = reader.snapshot()
    assert [key for key, in rows.execute("SELECT key FROM recipient ORDER BY ordinal")] == ["k" * 1000, "Jürgen", "01ff", "1.5"]
    assert answer["left_out"] == {"no key": 6}
    details = [detail for detail, in rows.execute("SELECT detail FROM left_out WHERE reason = 'no key'")]
    assert details.count("") == 2 and sum("control characters" in detail for detail in details) == 4


def test_blocked_and_deceased_say_yes_in_many_words(reader):
    reader.table("CREATE TABLE p (id INTEGER, blocked, dead)", [
        (1, None, None), (2, 1, None), (3, "ja", None), (4, "nein", "0"), (5, 0, "x"), (6, "", "NO"), (7, 1, 1), (8, "off", 0.5),
        (9, "Falsch", " nein "), (10, "   ", "f ")])
    keys, left_out = reader.keys(roles={"blocked": "blocked", "dead": "deceased"})
    assert keys == ["1", "4", "6", "9", "10"]
    assert {key: reason for key, (reason, _) in left_out.items()} == {
        "2": "blocked", "3": "blocked", "5": "deceased", "7": "blocked", "8": "deceased"}


def test_picks_take_out_and_in(people):
    keys, left_out = people.keys(campaign={"filter": "city = 'Graz'"}, picks={"in": ["1", "nobody"], "out": ["3", "2"]})
    assert keys == ["1"]
    assert left_out == {"2": ("taken out", ""), "3": ("taken out", ""), "4": ("filter", ""), "5": ("filter", "")}


def test_taken_in_against_a_filter_still_meets_the_other_rules(people):
    list_ = people.suppress(("address", "a@x.org", "email", "all", 0, "objection"))
    keys, left_out = people.keys(roles={"email": "email"}, campaign={"filter": "id = 3"}, picks={"in": ["1", "2"]}, suppression=list_)
    assert keys == ["2", "3"] and left_out["1"] == ("suppressed", "objection of 2026-11-02")


def test_sets_across_two_sources(people, tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE x (k TEXT, event INTEGER)")
        other.executemany("INSERT INTO x VALUES (?, ?)", [("1", 42), ("3", 42), ("3", 42), ("5", 7), (None, 42)])
    people.sources["t"] = people.source(tmp_path / "other.db")

    def set_of(operation, sql):
        return {"operation": operation, "query": {"id": 2, "name": "andere", "source": "t"}, "group": {"name": "h", "sql": sql, "key": "k"}}
    event = {"parameters": {"event": 42}}
    keys, left_out = people.keys(sets=[set_of("minus", "SELECT k FROM x WHERE event = :event")], campaign=event)
    assert keys == ["2", "4", "5"] and left_out == {"1": ("minus", ""), "3": ("minus", "")}
    keys, left_out = people.keys(sets=[set_of("both", "SELECT k FROM x WHERE event = :event")], campaign=event)
    assert keys == ["1", "3"] and left_out["2"] == ("both", "")
    both = [set_of("both", "SELECT k FROM x"), set_of("minus", "SELECT k FROM x WHERE event = 7")]
    assert people.keys(sets=both)[0] == ["1", "3"]
    message = people.error(sets=[set_of("minus", "SELECT k AS kk FROM x")])
    assert "»andere«" in message and "»k«" in message
    assert "minus, both" in people.error(sets=[set_of("plus", "SELECT k FROM x")])
    people.sources["t"]["path"] = str(tmp_path / "none.db")
    assert "none.db" in people.ask("count", sets=both)["message"]


def test_same_key_keeps_the_first_that_is_left(reader):
    reader.table("CREATE TABLE p (id, name)", [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("c", 5)])
    answer, rows = reader.snapshot()
    assert rows.execute("SELECT key, c1 FROM recipient").fetchall() == [("a", 1), ("b", 2), ("c", 5)]
    assert rows.execute("SELECT key, reason, detail FROM left_out").fetchall() == [("a", "duplicate", "a")] * 2
    answer, rows = reader.snapshot(campaign={"filter": "name <> 1"})
    assert rows.execute("SELECT key, c1 FROM recipient").fetchall() == [("b", 2), ("a", 3), ("c", 5)]
    assert answer["left_out"] == {"filter": 1, "duplicate": 1}


@pytest.mark.parametrize("keys", [[3, 1, 2], ["1", "2", "3"], [1, 2, 2, 3], [1, None, 2, 3], [-5, 0, 9]])
def test_rows_file_says_truly_whether_keys_ascend(reader, keys):
    reader.table("CREATE TABLE p (id)", [(key,) for key in keys])
    answer, rows = reader.snapshot()
    found = [key for key, in rows.execute("SELECT key FROM recipient ORDER BY ordinal")]
    ascending = int(dict(rows.execute("SELECT key, value FROM meta"))["ascending"])
    assert ascending == (keys in ([1, None, 2, 3], [-5, 0, 9]))
    if ascending:
        assert [int(key) for key in found] == sorted(set(int(key) for key in found))
    indexes = {name for name, in rows.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}
    assert ("recipient_key" in indexes) != bool(ascending) and "member_key" in indexes


def test_all_rules_in_their_order(reader):
    """Each row hits a rule and all that come after it: the first is the reason."""
    reader.table("CREATE TABLE p (id, email, blocked, dead, f, consent)", [
        (None, "s@x", 1, 1, 0, 0), ("b", "s@x", 1, 1, 0, 0), ("d", "s@x", 0, 1, 0, 0), ("o", "s@x", 0, 0, 0, 0), ("f", "s@x", 0, 0, 0, 0),
        ("m", "s@x", 0, 0, 1, 0), ("n", "s@x", 0, 0, 1, 0), ("s", "s@x", 0, 0, 1, 0), ("c", "c@x", 0, 0, 1, 0), ("r", "r@x", 0, 0, 1, 1),
        ("r", "r@x", 0, 0, 1, 1), ("u", " R@X ", 0, 0, 1, 1)])
    query = {"id": 2, "name": "andere", "source": "s"}
    sets = [{"operation": "minus", "query": query, "group": {"name": "h", "sql": "SELECT 'm' AS k", "key": "k"}},
            {"operation": "both", "query": query, "group": {"name": "h", "sql": "SELECT id FROM p WHERE id <> 'n'", "key": "id"}}]
    keys, left_out = reader.keys(
        roles={"email": "email", "blocked": "blocked", "dead": "deceased", "consent": "consent_email"}, sets=sets,
        campaign={"purpose": "advertising", "filter": "f = 1", "unit": "email"}, picks={"out": ["o"]},
        suppression=reader.suppress(("address", "s@x", "any", "all", 0, "objection")))
    assert keys == ["r"]
    assert {key: reason for key, (reason, _) in left_out.items()} == {
        "": "no key", "b": "blocked", "d": "deceased", "o": "taken out", "f": "filter", "m": "minus", "n": "both", "s": "suppressed",
        "c": "no consent", "r": "duplicate", "u": "duplicate"}


# ---- steps: conditions, objections, consent

TWO_STEPS = [{"number": 1, "name": "brief", "action": "a", "channel": "letter"},
             {"number": 2, "name": "mail", "action": "b", "channel": "email"}]


def skipped(rows):
    return rows.execute("SELECT step, r.key, reason FROM skipped JOIN recipient AS r USING (ordinal) ORDER BY step, ordinal").fetchall()


def test_condition_of_a_step_skips_it(people):
    steps = [dict(TWO_STEPS[0], when="city = 'köln'"), dict(TWO_STEPS[1], when="email IS NOT NULL AND id > 1")]
    answer, rows = people.snapshot(steps=steps, campaign={"filter": "id <> 2"})
    text = "the step's condition does not hold"
    assert skipped(rows) == [(1, "3", text), (1, "4", text), (1, "5", text), (2, "1", text), (2, "5", text)]
    assert answer["recipients"] == 4, "whose steps are all skipped by conditions stays"
    assert [step["skipped"] for step in answer["steps"]] == [{"condition": 3}, {"condition": 2}]


@pytest.mark.parametrize("purpose, entry, kept_out", [
    ("advertising", ("email", "advertising", 0, "objection"), True),
    ("advertising", ("email", "all", 0, "objection"), True),
    ("advertising", ("email", "campaign", 7, "objection"), True),
    ("advertising", ("email", "campaign", 8, "objection"), False),
    ("advertising", ("sms", "all", 0, "objection"), False),
    ("information", ("email", "advertising", 0, "objection"), False),
    ("information", ("email", "all", 0, "complaint"), True),
    ("information", ("any", "all", 0, "other"), True),
    ("mandatory", ("email", "advertising", 0, "objection"), False),
    ("mandatory", ("email", "advertising", 0, "bounce"), True),
    ("mandatory", ("any", "advertising", 0, "deceased"), True),
    ("mandatory", ("letter", "advertising", 0, "blocked"), False),
    ("mandatory", ("email", "campaign", 7, "objection"), True),
])
def test_purpose_decides_which_objections_apply(people, purpose, entry, kept_out):
    campaign = {"purpose": purpose, "consent_reason": "Bestandskunden"}
    list_ = people.suppress(("address", "b@x.org", *entry))
    keys, left_out = people.keys(roles={"email": "email"}, campaign=campaign, suppression=list_)
    assert ("2" not in keys) == kept_out
    assert left_out == ({"2": ("suppressed", f"{entry[3]} of 2026-11-02")} if kept_out else {})


def test_objection_to_one_channel_leaves_the_others(people):
    list_ = people.suppress(("address", "a@x.org", "email", "all", 0, "objection"), ("person", "3", "letter", "all", 0, "objection"),
                            ("person", "4", "any", "all", 0, "blocked"))
    answer, rows = people.snapshot(steps=TWO_STEPS, roles={"email": "email"}, suppression=list_)
    assert answer["left_out"] == {"suppressed": 1} and answer["recipients"] == 4
    assert skipped(rows) == [(1, "3", "suppressed: objection of 2026-11-02"), (2, "1", "suppressed: objection of 2026-11-02")]
    assert rows.execute("SELECT key, detail FROM left_out").fetchall() == [("4", "blocked of 2026-11-02")]


def test_telephone_numbers_are_compared_by_their_digits(reader):
    reader.table("CREATE TABLE p (id INTEGER, tel TEXT)", [(1, "+43 (664) 123-45"), (2, "0664 12345")])
    list_ = reader.suppress(("address", "+4366412345", "sms", "all", 0, "objection"))
    steps = [{"number": 1, "name": "sms", "action": "a", "channel": "sms"}]
    assert reader.keys(roles={"tel": "phone"}, steps=steps, suppression=list_)[0] == ["2"]


def test_many_entries_and_many_people(reader):
    """Nobody is taken for another by the filter in memory."""
    reader.table("CREATE TABLE p (id INTEGER, email TEXT)", [(n, f"p{n}@x.org") for n in range(20000)])
    listed = {n for n in range(0, 20000, 7)}
    list_ = reader.suppress(*(("address", f"p{n}@x.org", "email", "all", 0, "objection") for n in listed))
    keys, left_out = reader.keys(roles={"email": "email"}, suppression=list_)
    assert {int(key) for key in left_out} == listed and len(keys) == 20000 - len(listed)


def test_advertising_needs_consent_of_its_channel(reader):
    reader.table("CREATE TABLE p (id INTEGER, yes TEXT)", [(1, "ja"), (2, "nein"), (3, None)])
    roles, advertising = {"yes": "consent_email"}, {"purpose": "advertising"}
    keys, left_out = reader.keys(roles=roles, campaign=advertising)
    assert keys == ["1"] and left_out == {"2": ("no consent", ""), "3": ("no consent", "")}
    answer, rows = reader.snapshot(roles=roles, campaign=advertising, steps=TWO_STEPS)
    assert answer["recipients"] == 3 and skipped(rows) == [(2, "2", "no consent"), (2, "3", "no consent")]
    assert reader.keys(roles=roles, campaign={"purpose": "information"})[0] == ["1", "2", "3"]
    assert reader.keys(roles=roles, campaign={**advertising, "consent_reason": "Bestandskunden"})[0] == ["1", "2", "3"]
    assert reader.keys(campaign=advertising, steps=TWO_STEPS[:1])[0] == ["1", "2", "3"], "a letter needs none"


def test_advertising_without_a_consent_column_or_reason_is_refused(people):
    advertising = {"purpose": "advertising"}
    assert "consent_email" in people.error(campaign=advertising)
    sms = [{"number": 1, "name": "sms", "action": "a", "channel": "sms"}]
    assert "consent_sms" in people.error(campaign=advertising, steps=sms)
    problems = people.ask("columns", campaign=advertising)["problems"]
    assert [problem["severity"] for problem in problems] == ["error"] and "consent_email" in problems[0]["message_en"]
    assert people.ask("columns", campaign={**advertising, "consent_reason": "x"})["problems"] == []


# ---- units

def members(rows):
    return rows.execute("SELECT r.key, m.position, m.key FROM member AS m JOIN recipient AS r ON r.ordinal = m.ordinal"
                        " ORDER BY m.ordinal, m.position").fetchall()


def test_one_task_for_an_email_address(reader):
    reader.table("CREATE TABLE p (id INTEGER, name TEXT, email TEXT)", [
        (1, "A", "x@Y.org"), (2, "B", None), (3, "C", " X@y.ORG "), (4, "D", ""), (5, "E", "z@y.org"), (6, "F", "x@y.org")])
    answer, rows = reader.snapshot(roles={"email": "email"}, campaign={"unit": "email"})
    assert [key for key, in rows.execute("SELECT key FROM recipient")] == ["1", "2", "4", "5"]
    assert rows.execute("SELECT key, reason, detail FROM left_out").fetchall() == [("3", "duplicate", "1"), ("6", "duplicate", "1")]
    assert members(rows) == [("1", 0, "1"), ("1", 1, "3"), ("1", 2, "6")]
    assert rows.execute("SELECT c1 FROM member ORDER BY position").fetchall() == [("A",), ("C",), ("F",)]


def test_households_by_their_field_and_by_address(reader):
    roles = {"hh": "household", "street": "street", "zip": "postcode", "city": "city", "land": "country"}
    reader.table("CREATE TABLE p (id INTEGER, hh, street TEXT, zip TEXT, city TEXT, land TEXT)", [
        (1, None, "Hauptstraße 5", "8010", "Graz", "AT"), (2, "h1", "A 1", "1", "x", ""), (3, None, "HAUPTSTR.5", "8010", "GRAZ", "at"),
        (4, "h1", "B 2", "2", "y", ""), (5, None, "Hauptstraße 5", "8020", "Graz", "AT"), (6, None, None, None, None, None),
        (7, None, None, None, None, None), (8, None, "Weg 1/12", "1", "x", "AT"), (9, None, "Weg 11/2", "1", "x", "AT"),
        (10, None, "Weg 1 / 12", "1", "x", "AT")])
    answer, rows = reader.snapshot(roles=roles, campaign={"unit": "household"})
    assert rows.execute("SELECT key, reason, detail FROM left_out").fetchall() == [
        ("3", "household", "1"), ("4", "household", "2"), ("10", "household", "8")]
    assert members(rows) == [("1", 0, "1"), ("1", 1, "3"), ("2", 0, "2"), ("2", 1, "4"), ("8", 0, "8"), ("8", 1, "10")]
    assert answer["recipients"] == 7


def test_who_objected_is_in_no_household(reader):
    reader.table("CREATE TABLE p (id INTEGER, hh)", [(1, "h"), (2, "h"), (3, "h")])
    list_ = reader.suppress(("person", "1", "any", "all", 0, "objection"))
    answer, rows = reader.snapshot(roles={"hh": "household"}, campaign={"unit": "household"}, suppression=list_)
    assert members(rows) == [("2", 0, "2"), ("2", 1, "3")] and answer["left_out"] == {"suppressed": 1, "household": 1}


def test_unit_needs_its_field(people):
    assert "role email" in people.error(campaign={"unit": "email"})
    assert "role household" in people.error(campaign={"unit": "household"})
    assert "key, email, household" in people.error(campaign={"unit": "family"})


# ---- details

DETAILS = ("CREATE TABLE d (p INTEGER, what TEXT, price DECIMAL(10,2))",
           [(3, "c", "1.10"), (1, "a", "2.20"), (3, "b", None), (9, "nobody's", "1"), (None, "NULL", "1"), (1, "z", "0.30")])


def detail(**more):
    return {"name": "bookings", "sql": "SELECT p, what, price FROM d ORDER BY rowid", "key": "p", **more}


def test_details_are_frozen_in_their_order(people):
    people.table(*DETAILS)
    answer, rows = people.snapshot(details=[detail(fields=[{"name": "price", "format": "money", "label_de": "Preis"}]),
                                            {"name": "none", "sql": "SELECT p FROM d WHERE 0", "key": "p"}], campaign={"filter": "id <> 2"})
    assert rows.execute("SELECT r.key, seq, d1, d2 FROM detail_0 JOIN recipient AS r USING (ordinal) ORDER BY ordinal, seq").fetchall() == [
        ("1", 1, "a", 2.2), ("1", 2, "z", 0.3), ("3", 1, "c", 1.1), ("3", 2, "b", None)]
    assert rows.execute("SELECT position, name, row_limit FROM detail_group").fetchall() == [(0, "bookings", 1000), (1, "none", 1000)]
    assert rows.execute("SELECT grp, position, name, type, format, label_de FROM detail_field WHERE name = 'price'").fetchall() == [
        (0, 2, "price", "decimal", "money", "Preis")]
    assert rows.execute("SELECT count(*) FROM detail_1").fetchone() == (0,)


@pytest.mark.parametrize("order", ["id", "id DESC", "random()"])
def test_details_find_their_owner_whatever_the_order(reader, order):
    reader.table("CREATE TABLE p (id INTEGER, n INTEGER)", [(n * 3, n) for n in range(1, 500)])
    reader.table("CREATE TABLE d (p INTEGER, n INTEGER)", [(n * 3, n * 10 + i) for n in range(0, 502) for i in range(n % 4)])
    answer, rows = reader.snapshot(sql=f"SELECT * FROM p ORDER BY {order}",
                                   details=[{"name": "d", "sql": "SELECT * FROM d ORDER BY random()", "key": "p"}])
    assert answer["recipients"] == 499
    assert rows.execute("SELECT count(*), sum(d1 / 10 = c1), max(seq) FROM detail_0 JOIN recipient USING (ordinal)").fetchone() == (
        sum(n % 4 for n in range(1, 500)), sum(n % 4 for n in range(1, 500)), 3)


def test_details_go_to_the_one_that_is_left_of_a_key(reader):
    reader.table("CREATE TABLE p (id, n)", [("a", 1), ("a", 2), ("a", 3)])
    reader.table("CREATE TABLE d (p, what)", [("a", "x"), ("a", "y")])
    answer, rows = reader.snapshot(details=[{"name": "d", "sql": "SELECT * FROM d", "key": "p"}], campaign={"filter": "n > 1"})
    assert rows.execute("SELECT c1, seq, d1 FROM detail_0 JOIN recipient USING (ordinal)").fetchall() == [(2, 1, "x"), (2, 2, "y")]


def test_too_many_details_leave_out_and_say_how_many(people):
    people.table(*DETAILS)
    people.database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO d SELECT 2, 'x', i FROM n")
    people.database.commit()
    answer, rows = people.snapshot(details=[detail(limit=2)])
    assert rows.execute("SELECT key, reason, detail FROM left_out").fetchall() == [("2", "too many details", "bookings: 100000 of at most 2")]
    assert rows.execute("SELECT count(*) FROM detail_0").fetchone() == (4,)
    assert os.stat(people.folder / "out1" / "rows.db").st_size < 200_000


def test_details_that_cannot_be_had(people):
    people.table(*DETAILS)
    assert "»bookings«" in people.error(details=[detail(key="pp")])
    assert "»p«?" in people.error(details=[detail(key="P")])
    problems = people.ask("columns", details=[detail(sql="SELECT nope FROM d"), detail(sql="SELEC")])["problems"]
    assert [problem["where"] for problem in problems] == ["details bookings"] * 2


# ---- the sample

def test_sample_is_the_same_for_the_same_run(reader):
    reader.table("CREATE TABLE p (id INTEGER)", [(n,) for n in range(1000)])
    first, left_out = reader.keys(campaign={"sample": 20}, uuid="one")
    assert len(first) == 20 and {reason for reason, _ in left_out.values()} == {"sample"} and len(left_out) == 980
    assert [int(key) for key in first] == sorted(int(key) for key in first), "the query's order stays"
    assert reader.keys(campaign={"sample": 20}, uuid="one", sql="SELECT * FROM p ORDER BY id DESC")[0] == first[::-1]
    assert reader.keys(campaign={"sample": 20}, uuid="two")[0] != first
    assert set(first) < set(reader.keys(campaign={"sample": 40}, uuid="one")[0])
    assert len(reader.keys(campaign={"sample": 5000})[0]) == 1000 and reader.keys(campaign={"sample": 0})[0] == []


def test_sample_is_of_those_who_are_left(people):
    keys, left_out = people.keys(campaign={"sample": 2, "filter": "id > 2"})
    assert len(keys) == 2 and sorted(reason for reason, _ in left_out.values()) == ["filter", "filter", "sample"]


def test_each_is_in_a_sample_as_often(reader):
    reader.table("CREATE TABLE p (id INTEGER)", [(n,) for n in range(40)])
    times = dict.fromkeys(map(str, range(40)), 0)
    for n in range(60):
        for key in reader.ask("count", campaign={"sample": 10}, uuid=str(n)) and reader.keys(campaign={"sample": 10}, uuid=str(n))[0]:
            times[key] += 1
    assert sum(times.values()) == 600 and min(times.values()) >= 4 and max(times.values()) <= 30


# ---- conditions: what they mean

@pytest.mark.parametrize("condition, keys", [
    ("city = 'köln'", "12"), ("city = 'Koln'", ""), ("city <> 'köln'", "345"), ("'KÖLN' = city", "12"), ("city IN ('köln', 'graz')", "123"),
    ("city = 'Strasse'", "45"), ("city = 'straße'", "45"), ("name = 'ärger'", "1"), ("name = 'žižek'", "5"), ("name = 'Zizek'", ""),
    ("city LIKE 'K_LN'", "12"), ("city LIKE 'stras%'", "45"), ("city LIKE '%ß%'", "45"), ("name LIKE 'Ž%'", "5"), ("name LIKE 'ž%EK'", "5"),
    ("name < 'b'", "1"), ("name BETWEEN 'a' AND 'c'", "12"), ("name > 'y'", "35"), ("lower(name) = 'bär' COLLATE BINARY", "2"),
    ("upper(city) = 'STRASSE' COLLATE BINARY", "45"), ("fold(name) LIKE fold('ÄR%')", "1"), ("city = 'KÖLN' COLLATE BINARY", "2"),
    ("balance > 9.6", "23"), ("balance < 10", "14"), ("balance > '9.6'", "23"), ("balance BETWEEN '9' AND '50'", "12"), ("balance = -3", "4"),
    ("balance IN (10, '100.25')", "23"), ("born < '1990-12-31'", "15"), ("born >= '1990-12-31' OR born IS NULL", "234"), ("ok", "145"),
    ("ok = 1", "145"), ("NOT ok", "2"), ("ok IS NULL", "3"), ("email IS NULL", "5"), ("id % 2 = 0 -- gerade", "24"), ("\"id\" = 1", "1"),
    ("[id] = '2'", "2"), ("city = 'Graz' /* der Ort */", "3"), ("balance * 2 > 100", "3"), ("length(name) = 5", "135"),
    ("(SELECT 1) AND id = 4", "4"), ("name = 'A' || 'rger'", ""), ("id = 1 OR name = 'x; DROP TABLE recipient'", "1"),
    ("city LIKE 'k\\_ln' ESCAPE '\\'", ""), ("name LIKE 'İ%'", "4"),
])
def test_what_a_filter_means(people, condition, keys):
    assert "".join(people.filtered(condition)) == keys


def test_decomposed_letters_are_the_same(reader):
    reader.table("CREATE TABLE p (id INTEGER, name TEXT)", [(1, "Z\u030ci\u0301"), (2, "\u017d\u00ed"), (3, "Zi")])
    assert reader.filtered("name = 'ží'") == ["1", "2"]


def test_texts_that_are_no_utf8_harm_nobody(reader):
    reader.table("CREATE TABLE p (id INTEGER, name TEXT)", [(1, "gut")])
    reader.database.execute("INSERT INTO p VALUES (2, CAST(x'c328ff' AS TEXT)), (3, CAST(x'610062' AS TEXT)), (4, x'ff00')")
    reader.database.commit()
    assert reader.filtered("name = 'gut'") == ["1"]
    assert reader.filtered("name LIKE '%u%' OR lower(name) = 'x' OR fold(name) = 'gut'") == ["1"]
    answer, rows = reader.snapshot()
    assert rows.execute("SELECT CAST(c1 AS BLOB), typeof(c1) FROM recipient").fetchall() == [
        (b"gut", "text"), (b"\xc3(\xff", "text"), (b"a\0b", "text"), (b"\xff\0", "blob")]
    answer = reader.ask("rows")
    assert [row[1] for row in answer["rows"]] == ["gut", {"base64": "wyj/"}, {"base64": "YQBi"}, {"base64": "/wA="}]


def test_filter_takes_the_campaigns_parameters(people):
    campaign = {"filter": "id = :wanted OR city = :city", "parameters": {"wanted": 5, "city": "graz"}}
    assert people.keys(campaign=campaign)[0] == ["3", "5"]
    assert "»wantd«" in people.error(campaign={**campaign, "filter": "id = :wantd"})


def test_built_filter(people):
    built = {"or": [{"field": "city", "is": "=", "value": "KÖLN"}, {"field": "balance", "is": ">", "value": 99}]}
    assert people.filtered(json.dumps(built)) == ["2", "3"], "what is built compares letter by letter, as on each source"
    assert people.filtered(json.dumps({"field": "city", "is": "contains", "value": "ÖLN"})) == ["1", "2"]
    assert "»cty«" in people.error(campaign={"filter": json.dumps({"field": "cty", "is": "=", "value": "x"})})
    assert "filter" in people.error(campaign={"filter": "{not json"})


@pytest.mark.parametrize("condition, wanted", [
    ("nmae = 'x'", "»nmae« is no field of the group; is »name« meant? (line 1, column 1)"),
    ("id = 1 AND\n  city = \"Graz\"", "»Graz« is no field of the group; texts are written in 'single quotes' (line 2, column 10)"),
    ("balance = 'viel'", "»balance« is a number (written without quotes), but is compared with 'viel' (line 1, column 11)"),
    ("balance IN (1, 'x')", "column 16"), ("balance BETWEEN 1 AND 'x'", "»balance« is a number"), ("'x' < balance", "»balance« is a number"),
    ("born > '31.12.1990'", "»born« is a date (written '2026-11-24'), but is compared with '31.12.1990'"),
    ("born = '2026-02-30'", "»born« is a date"), ("born < 20260101", "»born« is a date"), ("name = 5", "»name« is a text"),
    ("name IN ('a', -1)", "-1"), ("balance LIKE '9%'", "»balance« is no text"), ("ok = 'ja'", "»ok« is yes or no"), ("name = balance", "»name«"),
    ("city = 'Graz", "quotation mark is not closed (line 1, column 8)"), ("(id = 1", "parenthesis is not closed"), ("id = 1)", "not opened"),
    ("id = 1; DROP TABLE recipient", "more than one expression"), ("/* id = 1", "comment is not closed"), ("1) UNION SELECT (1", ""), ("   ", "empty"),
    ("count(*) > 1", "aggregate"), ("id IN (SELECT key FROM recipient)", "no tables"), ("(SELECT count(*) FROM sqlite_schema) > 0", ""),
    ("id = ?", "parameter"), ("id = 1, id = 2", ""), ("load_extension('x')", ""), ("nofunction(id)", "nofunction"), ("id BETWEEN", ""),
    ("EXISTS (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT 1 FROM n WHERE i = 2)", ""),
    pytest.param("(" * 600 + "1" + ")" * 600, "", id="deep"),
    pytest.param("id IN (" + ", ".join(["1"] * 200000) + ")", "longer than", id="long"),
])
def test_filter_that_cannot_be_is_refused_with_the_place(people, condition, wanted):
    message = people.error(campaign={"filter": condition})
    assert message.startswith("the filter: ") and wanted in message, message
    assert [problem["where"] for problem in people.ask("columns", campaign={"filter": condition})["problems"]] == ["filter"]


def test_condition_of_a_step_is_checked_as_the_filter(people):
    steps = [dict(TWO_STEPS[0], when="nmae = 1"), dict(TWO_STEPS[1], when="1 = ")]
    problems = people.ask("columns", steps=steps, campaign={"filter": "x"})["problems"]
    assert [problem["where"] for problem in problems] == ["filter", "step brief", "step mail"]
    assert "the condition of step »brief«" in problems[0 + 1]["message_en"] and "Die Bedingung des Schritts" in problems[1]["message_de"]
    assert "step »brief«" in people.error(steps=steps)


# ---- the same on each source

SAME = ["city = 'köln'", "city IN ('strasse', 'GRAZ')", "name < 'c'", "name LIKE 'Ž%' OR name LIKE '%bär%'", "balance > 9.6", "balance < '10.00'",
        "balance = 9.5", "born < '1985-01-01'", "born BETWEEN '1980-01-01' AND '1990-12-31'", "ok", "NOT ok", "ok IS NULL", "email IS NULL",
        "name > 'x' AND name <= 'Zebra'", "city <> 'Graz' ", "lower(city) = 'köln'", "length(name) = 5"]


@pytest.fixture
def three(reader, postgres, mariadb):  # noqa: F811
    """The same people in SQLite, PostgreSQL and MariaDB, as sources s, p and m."""
    reader.table(*PEOPLE)
    for name, server, truth in (("p", postgres, {1: "true", 0: "false", None: "NULL"}), ("m", mariadb, {1: "1", 0: "0", None: "NULL"})):
        database = server.new_database()
        values = ", ".join("(" + ", ".join("NULL" if value is None else "'" + str(value) + "'" for value in row[:6]) + f", {truth[row[6]]})"
                           for row in PEOPLE[1])
        create = PEOPLE[0].replace("TEXT", "VARCHAR(40)")
        server.sql(f"{create}; INSERT INTO p VALUES {values};", database)
        reader.sources[name] = reader.source("", **{**server.source(database), "password": PASSWORD})
        reader.databases[name] = database
    return reader


def test_filters_mean_the_same_on_each_source(three):
    for condition in SAME:
        found = {}
        for source in "spm":
            definition = {"campaign": {"id": 1, "purpose": "information", "filter": condition}, "query": {"source": source},
                          "group": {"name": "g", "sql": "SELECT * FROM p ORDER BY id", "key": "id", "fields": []}, "picks": {}, "reports": {},
                          "steps": [{"number": 1, "name": "x", "channel": ""}]}
            found[source] = three.keys(definition=definition)[0]
        assert found["s"] == found["p"] == found["m"] != [], (condition, found)


@pytest.mark.parametrize("source", ["p", "m"])
def test_recheck_and_sets_on_servers(three, source):
    definition = {"campaign": {"id": 1, "purpose": "information"}, "query": {"source": source},
                  "group": {"name": "g", "sql": "SELECT * FROM p ORDER BY name -- alle", "key": "id", "fields": [], "sets": [
                      {"operation": "minus", "query": {"name": "x", "source": "s"},
                       "group": {"name": "h", "sql": "SELECT id FROM p WHERE id = 3", "key": "id"}}]},
                  "picks": {}, "reports": {}, "steps": [{"number": 1, "name": "x", "channel": ""}]}
    assert three.ask("recheck", definition=definition, keys=["1", "3", "9", "x"])["gone"] == [
        {"key": "3", "reason": "minus"}, {"key": "9", "reason": "not in the query any more"}, {"key": "x", "reason": "not in the query any more"}]
    three.sources[source]["max_rows"] = 1
    assert three.ask("recheck", definition=definition, keys=["2"])["gone"] == [], "the server finds the key"
    del definition["group"]["sets"]
    answer, rows = three.snapshot("one", key="4", definition=definition)
    assert rows.execute("SELECT key, c1 FROM recipient").fetchall() == [("4", "İpek")]


KEY_TYPES = {
    "s": {"INTEGER": "1", "integer": "'K-1'", "VARCHAR(9)": "'007'", "TEXT": "'ä'", "STRING": "'007'", "REAL": "1.5", "NUMERIC": "'1e3'", "BLOB": "x'00ff'",
          "DATE": "'2026-01-02'", "BOOLEAN": "1", "": "7"},
    "p": {"smallint": "1", "bigint": "-9223372036854775808", "char(6)": "'ab'", "varchar(9)": "'007'", "text": "'ä'", "name": "'n'", "numeric": "1.50",
          "numeric(10)": "7", "real": "1.5", "uuid": "'6f1c2f7e-0b5c-4f43-9a5e-111111111111'", "date": "'2026-01-02'", "boolean": "true", "oid": "12",
          "bytea": "'\\x00ff'", "\"char\"": "'c'", "timestamptz": "'2026-01-02 03:04:05+00'", "inet": "'10.0.0.1'", "mood": "'good'", "domain_text": "'d'"},
    "m": {"tinyint": "1", "bigint unsigned": "18446744073709551615", "int(5) zerofill": "7", "char(6)": "'ab'", "varchar(9)": "'Abc '", "text": "'ä'", "decimal(9,2)": "1.50",
          "double": "1.5", "date": "'2026-01-02'", "datetime": "'2026-01-02 03:04:05'", "binary(3)": "x'00ff01'", "enum('a','b')": "'b'", "year": "2026"},
}


@pytest.mark.parametrize("source", "spm")
def test_a_key_of_any_type_is_found_again(three, postgres, mariadb, source):  # noqa: F811
    if source == "p":
        postgres.sql("CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN domain_text AS text", three.databases["p"])
    missed = {}
    for n, (kind, value) in enumerate(KEY_TYPES[source].items()):
        statements = f"CREATE TABLE k{n} (k {kind}, x integer); INSERT INTO k{n} VALUES ({value}, 1);"
        if source == "s":
            three.database.executescript(statements)
        else:
            (postgres if source == "p" else mariadb).sql(statements, three.databases[source])
        definition = {"campaign": {"id": 1, "purpose": "information"}, "query": {"source": source}, "picks": {}, "reports": {},
                      "group": {"name": "g", "sql": f"SELECT * FROM k{n}", "key": "k", "fields": []},
                      "steps": [{"number": 1, "name": "x", "channel": ""}]}
        [key] = three.keys(definition=definition)[0]
        answer = three.ask("recheck", definition=definition, keys=[key])
        if answer.get("gone") != []:
            missed[kind] = (key, answer)
    assert not missed


# ---- queries that do not fit

def test_key_and_fields_that_are_no_columns(people):
    assert "»id«?" in people.error(key_column="ID")
    assert "»nothing«" in people.error(key_column="nothing") and "?" not in people.error(key_column="nothing")
    assert "»name«?" in people.error(roles={"nmae": ""})
    assert people.ask("rows", key_column="nothing")["ok"], "its rows can be looked at all the same"


def test_hostile_names_and_values(reader):
    names = ["id", 'quo"te', "semi;colon", "row_key", "ROW_1", "order", "ünï", "a b", "'", "`", "[x]", "--", "CASE"]
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    reader.database.execute(f"CREATE TABLE p ({columns})")
    reader.database.execute(f"INSERT INTO p VALUES ({', '.join('?' * len(names))})", [1, "'; DROP TABLE recipient; --"] + ["x" * 1_000_000] * 11)
    reader.database.commit()
    answer, rows = reader.snapshot(campaign={"filter": '"quo""te" LIKE \'%DROP%\' AND "row_key" = "ROW_1" AND "[x]" = "--" AND ünï = "a b"'},
                                   roles={name: "" for name in names})
    assert answer["recipients"] == 1 and [column["name"] for column in answer["columns"]] == names
    assert rows.execute("SELECT length(c2), c1 FROM recipient").fetchone() == (1_000_000, "'; DROP TABLE recipient; --")


def test_two_hundred_columns_and_too_many(reader):
    many = ", ".join(f"{n} AS c{n}" for n in range(200))
    answer, rows = reader.snapshot(sql=f"SELECT 5 AS id, {many}", campaign={"filter": "c199 = 199"})
    assert answer["recipients"] == 1 and len(answer["columns"]) == 201
    many = ", ".join(f"{n} AS c{n}" for n in range(501))
    assert "501" in reader.error(sql=f"SELECT {many}", key_column="c1")


def test_columns_of_the_same_name_show_the_first(reader):
    answer, rows = reader.snapshot(sql="SELECT 1 AS id, 'a' AS x, 'b' AS X, 'c' AS x", campaign={"filter": "x = 'a'"})
    assert answer["recipients"] == 1


def test_max_rows(people):
    people.sources["s"]["max_rows"] = 4
    assert "max_rows (4)" in people.error()
    people.sources["s"]["max_rows"] = 5
    assert people.ask("count")["recipients"] == 5


# ---- modes

def fetched(reader, **more):
    reader.count += 1
    raw = reader.folder / f"raw{reader.count}.db"
    answer = reader.ask("fetch", out=str(raw), **more)
    assert answer["ok"], answer
    return raw


def test_select_answers_from_what_was_fetched(people):
    raw = fetched(people)
    people.database.execute("DELETE FROM p")
    people.database.commit()
    before = raw.read_bytes()
    answer = people.ask("select", raw=str(raw), limit=1, campaign={"filter": "city = 'köln'"}, picks={"out": ["2"]})
    assert answer["recipients"] == 1 and answer["left_out"] == {"filter": 3, "taken out": 1}
    assert answer["rows"] == [[1, "Ärger", "a@x.org", "Köln", 9.5, "1980-02-03", 1]]
    assert answer["left_out_rows"] == [{"key": "2", "reason": "taken out", "detail": ""}]
    assert answer["columns"][4]["type"] == "decimal"
    assert people.ask("select", raw=str(raw), limit=0)["rows"] == []
    joined = people.ask("select", raw=str(raw), roles={"city": "household"}, campaign={"unit": "household"})
    assert joined["recipients"] == 5 and raw.read_bytes() == before
    assert not people.ask("select", raw=str(people.folder / "none"))["ok"]
    assert not people.ask("select", raw=str(people.path))["ok"]


def test_select_names_the_picks_that_are_no_rows(people):
    raw = str(fetched(people))
    answer = people.ask("select", raw=raw, picks={"in": ["2", "9"], "out": ["1", "01", "7 "]}, campaign={"filter": "id = 3"})
    assert answer["ok"] and sorted(answer["unknown"]) == ["01", "7 ", "9"]
    assert people.ask("select", raw=raw, picks={"in": ["2", "9"]})["unknown"] == ["9"]
    assert people.ask("select", raw=raw)["unknown"] == []


def test_select_and_snapshot_agree(reader):
    reader.table("CREATE TABLE p (id, email, city)", [(n % 900, f"P{n % 700}@x.org", "Graz" if n % 3 else "Wien") for n in range(1000)])
    more = {"roles": {"email": "email"}, "campaign": {"filter": "city = 'graz'", "unit": "email", "sample": 50},
            "suppression": reader.suppress(*(("address", f"p{n}@x.org", "email", "all", 0, "bounce") for n in range(0, 700, 5)))}
    counted = reader.ask("select", raw=str(fetched(reader)), uuid="u", **more)
    taken, rows = reader.snapshot(uuid="u", **more)
    assert {key: counted[key] for key in ("recipients", "left_out", "steps")} == {key: taken[key] for key in ("recipients", "left_out", "steps")}
    assert reader.ask("count", uuid="u", **more)["left_out"] == taken["left_out"]


def test_select_keeps_the_keys_of_sets(people):
    sets = [{"operation": "minus", "query": {"id": 2, "name": "x", "source": "s"}, "group": {"name": "h", "sql": "SELECT id FROM p WHERE id < 3", "key": "id"}}]
    raw = fetched(people, sets=sets)
    people.database.execute("DELETE FROM p")
    people.database.commit()
    assert people.ask("select", raw=str(raw), sets=sets)["left_out"] == {"minus": 2}
    without = fetched(people)
    assert people.ask("select", raw=str(without), sets=sets)["ok"], "sets that are new are fetched"


def test_recheck_says_who_is_gone_and_why(people):
    list_ = people.suppress(("address", "a@x.org", "email", "all", 0, "objection"))
    people.database.execute("DELETE FROM p WHERE id = 5")
    people.database.commit()
    gone = people.ask("recheck", keys=["1", "2", "3", "5", "x' OR '1", "4"], step=2, steps=TWO_STEPS, roles={"email": "email"},
                      suppression=list_, campaign={"filter": "city <> 'Graz'", "sample": 1, "unit": "email"})["gone"]
    assert gone == [{"key": "1", "reason": "suppressed: objection of 2026-11-02"}, {"key": "3", "reason": "filter"},
                    {"key": "5", "reason": "not in the query any more"}, {"key": "x' OR '1", "reason": "not in the query any more"}]


@pytest.mark.parametrize("sql", ["SELECT id, name FROM p ORDER BY name; -- Ende", "SELECT id, id, name FROM p", "SELECT 0 + id AS id FROM p",
                                 "WITH q AS (SELECT * FROM p) SELECT * FROM q", "SELECT CAST(id AS TEXT) AS id FROM p"])
def test_recheck_works_on_any_query(people, sql):
    assert people.ask("recheck", sql=sql, keys=["2", "7"])["gone"] == [{"key": "7", "reason": "not in the query any more"}]


def test_recheck_asks_the_source_for_those_keys_alone(reader):
    reader.database.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)")
    reader.database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) INSERT INTO p SELECT i, 'x' || i FROM n")
    reader.database.commit()
    reader.sources["s"]["max_rows"] = 1000
    keys = [str(n) for n in range(1, 2000000, 4000)]
    gone = reader.ask("recheck", keys=keys)["gone"]
    assert len(gone) == 250


def test_one_for_a_preview_leaves_nobody_out(people):
    people.table(*DETAILS)
    more = {"details": [detail()], "campaign": {"filter": "0"}, "roles": {"ok": "blocked"}}
    for key, wanted in (("3", "3"), ("", "1")):
        answer, rows = people.snapshot("one", key=key, **more)
        assert rows.execute("SELECT ordinal, key FROM recipient").fetchall() == [(1, wanted)]
        assert rows.execute("SELECT count(*) FROM detail_0").fetchone() == (2,)
    answer, rows = people.snapshot("one", key="77", **more)
    assert answer["code"] == "not-found" and "»77«" in answer["message"]
    answer, rows = people.snapshot("one", key="", sql="SELECT * FROM p WHERE 0")
    assert "no recipients" in answer["message"]


def test_one_of_a_household_comes_with_the_others(reader):
    reader.table("CREATE TABLE p (id INTEGER, hh)", [(1, "a"), (2, "b"), (3, "b"), (4, "b"), (5, None)])
    more = {"roles": {"hh": "household"}, "campaign": {"unit": "household"}}
    for key in ("2", "4"):
        answer, rows = reader.snapshot("one", key=key, **more)
        assert rows.execute("SELECT ordinal, key FROM recipient").fetchall() == [(1, "2")]
        assert members(rows) == [("2", 0, "2"), ("2", 1, "3"), ("2", 2, "4")] and answer["left_out"].get("not asked for") is None
        assert rows.execute("SELECT key FROM left_out").fetchall() == [("3",), ("4",)]
    assert people_of(reader.snapshot("one", key="5", **more)[1]) == ["5"]
    assert people_of(reader.snapshot("one", key="", **more)[1]) == ["1"]


def people_of(rows):
    return [key for key, in rows.execute("SELECT key FROM recipient")]


def test_columns_says_all_that_is_wrong_at_once(people):
    sets = [{"operation": "minus", "query": {"id": 2, "name": "x", "source": "s"}, "group": {"name": "h", "sql": "SELECT 1 AS k", "key": "j"}}]
    answer = people.ask("columns", campaign={"filter": "x"}, sets=sets, details=[detail()], steps=[dict(TWO_STEPS[0], when="(")])
    assert [problem["where"] for problem in answer["problems"]] == ["filter", "step brief", "details bookings", "set x"]
    assert answer["columns"][4] == {"name": "balance", "type": "decimal", "role": "", "format": "", "label_de": "", "label_en": "",
                                    "guessed": answer["columns"][4]["guessed"]}


def test_a_reader_that_fails_leaves_nothing(people):
    answer, rows = people.snapshot(sql="SELECT id, abs(-9223372036854775807 - (id > 3)) FROM p")
    assert not answer["ok"] and rows is None


# ---- from end to end

def test_a_run_of_households_with_objections(site):
    """What is counted beforehand is what the run does, and each one left out keeps the reason."""
    site.customers(0, rows=[(1, "A", "a@x.org", "Graz", "h1", None), (2, "B", "b@x.org", "GRAZ", "h1", None), (3, "C", "c@x.org", "Wien", "h2", None),
                            (4, "D", "d@x.org", "Graz", "h4", 1), (5, "E", "e@x.org", "graz", "h5", None), (6, "F", "f@x.org", "Graz", "h6", None)])
    site.start()
    site.query(fields=[{"name": "land", "role": "household"}, {"name": "widerspruch", "role": "blocked"}, {"name": "email", "role": "email"}])
    site.campaign("k", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}], filter="ort = 'graz'", unit="household")
    site.api("POST", "/v1/suppressions", {"kind": "person", "value": "5", "channel": "any", "scope": "all", "reason": "objection"})
    counted = site.api("POST", "/v1/campaigns/k/recipients", {"limit": 10})
    assert counted["recipients"] == 2 and [row[0] for row in counted["rows"]] == [1, 6]
    assert counted["left_out"] == {"blocked": 1, "filter": 1, "suppressed": 1, "household": 1}
    run = site.start_run("k")
    assert site.wait_run(run)["left_out"] == counted["left_out"]
    assert site.acts() == {"1": 1, "6": 1}
    rows = sqlite3.connect(f"file:{site.state}/runs/{run}.0.rows.db?immutable=1", uri=True)
    left_out = {key: (reason, detail) for key, reason, detail in rows.execute("SELECT key, reason, detail FROM left_out")}
    assert left_out["2"] == ("household", "1") and left_out["5"][0] == "suppressed" and left_out["5"][1].startswith("objection of ")
    assert members(rows) == [("1", 0, "1"), ("1", 1, "2")]
    assert list((site.state / "reading").glob("*.rows.db*")) == []


def test_a_reader_that_is_killed_leaves_no_file(site):
    """As by the kernel for want of memory: the half-made file goes, the check says what happened."""
    site.start(customers=10)
    site.query(sql="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000000) SELECT i AS id, hex(zeroblob(500)) AS x FROM n")
    site.campaign("k", [{"name": "eins", "action": "null"}])
    reading = site.state / "reading"
    checking = subprocess.Popen([BUILD / "campaignctl", "--socket", site.socket, "campaign", "check", "k"], stdout=subprocess.PIPE, text=True)
    until(lambda: any(file.stat().st_size > 1_000_000 for file in reading.glob("count-*")), 20, "the file to grow")
    for pid, command in site.processes().items():
        if "--reader" in command:
            os.kill(pid, signal.SIGKILL)
    assert "signal 9" in checking.communicate(timeout=20 * PATIENCE)[0]
    until(lambda: not list(reading.glob("count-*")), 5, "the file to go")


# ---- size

@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A million rows with a few texts and numbers."""
    path = tmp_path_factory.mktemp("million") / "m.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT, balance DECIMAL(10,2), since DATE)")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) INSERT INTO p SELECT i, 'Kundin Nr. ' || i ||"
               " ' Müller', 'kunde' || i || '@example.org', CASE i % 3 WHEN 0 THEN 'Graz' WHEN 1 THEN 'Köln' ELSE 'Wien' END, i * 0.25,"
               " date('2020-01-01', (i % 2000) || ' days') FROM n")
    db.commit()
    db.close()
    yield path
    path.unlink()


def measured(reader, **request):
    """The answer and the child's peak of private memory in kilobytes."""
    definition = {"campaign": {"id": 7, "purpose": "information", **request.pop("campaign", {})}, "query": {"source": "s"},
                  "group": {"name": "g", "sql": request.pop("sql", "SELECT * FROM p"), "key": "id",
                            "fields": [{"name": "email", "role": "email"}]},
                  "picks": {}, "reports": {}, "steps": [{"number": 1, "name": "m", "channel": "email"}]}
    text = json.dumps({"sources": reader.sources, "definition": definition, "uuid": "u", "run": 1, "suppression": "", **request})
    child = subprocess.Popen([BUILD / "campaignd", "--reader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(text.encode())
    child.stdin.close()
    peak = 0
    while child.poll() is None:
        try:
            status = open(f"/proc/{child.pid}/status", encoding="ascii").read()
            peak = max([peak] + [int(number) for number in re.findall(r"RssAnon:\s+(\d+)", status)])
        except OSError:
            pass
        time.sleep(0.01)
    return json.loads(child.stdout.read()), peak


@pytest.mark.skipif(BUILD.name == "asan", reason="memory of sanitizer builds says nothing")
@pytest.mark.parametrize("order", ["", " ORDER BY random()"])
def test_a_million_rows_take_no_more_memory(reader, million, order):
    reader.sources["s"]["path"] = str(million)
    (reader.folder / "o").mkdir()
    answer, peak = measured(reader, mode="snapshot", out=str(reader.folder / "o" / "rows.db"), sql="SELECT * FROM p" + order,
                            campaign={"filter": "city <> 'graz'", "unit": "email", "sample": 100000})
    assert answer["ok"] and answer["recipients"] == 100000, answer
    assert peak < (64 << 10), f"{peak} KB"
    os.unlink(reader.folder / "o" / "rows.db")
