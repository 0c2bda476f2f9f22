"""Built queries on real databases: every operator with every type that it takes, joins, order and hostile names, on the same
data in SQLite, PostgreSQL, MariaDB and PostgreSQL by ODBC. The same recipients must be found on all of them.

Which recipients a condition finds is told by a count alone, so that one reading answers hundreds of conditions: recipient n
has 2ⁿ rows in a table that is joined, and the count's binary digits are the recipients.
"""
import json

import pytest

from databases import DRIVERS, Database, Reader, ask, refusal, request, rows
from servers import mariadb, postgres  # noqa: F401  (fixtures)

TODAY = "2026-11-24"

COLUMNS = {  # name: type in SQLite, PostgreSQL, MariaDB; as campaignd calls it
    "name": ("VARCHAR(80)", "VARCHAR(80)", "VARCHAR(80)", "text"),
    "ort": ("TEXT", "TEXT", "TEXT", "text"),
    "umsatz": ("DECIMAL(12,2)", "NUMERIC(12,2)", "DECIMAL(12,2)", "decimal"),
    "anteil": ("DOUBLE", "DOUBLE PRECISION", "DOUBLE", "real"),
    "note": ("FLOAT", "REAL", "FLOAT", "real"),
    "punkte": ("BIGINT", "BIGINT", "BIGINT", "integer"),
    "aktiv": ("BOOLEAN", "BOOLEAN", "BOOLEAN", "boolean"),
    "vip": ("BOOLEAN", "BOOLEAN", "BOOLEAN", "boolean"),
    "geboren": ("DATE", "DATE", "DATE", "date"),
    "uhr": ("TIME", "TIME", "TIME", "time"),
    "gesehen": ("TIMESTAMP", "TIMESTAMP", "DATETIME", "timestamp"),
    "gebucht": ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP NULL", "timestamp"),
    "bild": ("BLOB", "BYTEA", "BLOB", "binary"),
}
N, T, F = None, True, False
PEOPLE = {
    0: ("Müller", "Wien", "100.50", 1.5, 0.1, 7, T, T, "1980-11-24", "14:05:09", "2026-11-24 14:05:09", "2026-11-24 14:05:09Z", b"\0\xff"),
    1: ("MÜLLER", "wien", "99", 2.5, 0.7, -3, F, F, "1990-11-30", "09:00:00", "2026-08-26 00:00:00", "2026-11-23 23:30:00Z", b""),
    2: ("Straße 5%", N, "0.10", 0.1, 3, 0, N, T, "2000-02-29", "00:00:00", "2026-08-25 23:59:59", "2026-11-24 00:00:00Z", N),
    3: ("O'Neil_", "O'Neil", "-5", 4, -1.5, 1, T, F, "1975-01-03", "23:59:59", N, N, N),
    4: (N, "Graz", N, N, N, N, F, T, "1960-12-31", N, "2025-11-24 00:00:00", "2026-11-24 23:30:00Z", N),
    5: ("Graz", "Graz", "1000000", 0, 0, 9007199254740993, T, N, N, "12:00:00", "2026-11-25 00:00:00", "2026-11-25 00:00:00Z", N),
    6: ("", N, "0.30", 0.30000000000000004, 0.3, 9007199254740992, N, N, "1960-03-01", "12:00:01", "2026-11-24 00:00:00", N, N),
    7: ("  ", "x", "0.29", 0.29, 0.29, 8, T, N, "1999-11-01", "12:30:00", "2026-11-23 23:59:59", N, N),
    8: ("Graz ", "Graz ", "-0.01", -0.01, 1, 9, F, N, "1961-10-24", "18:00:00", "2026-12-24 00:00:00", N, N),
    9: ("graz", "Graz", "12.34", 12.34, 2, 10, T, N, "2026-11-24", "06:00:00", "2027-01-31 12:00:00", N, N),
    10: ("a\\b!%_ \"x\" Łódź", "b", "12.3", 12.3, 2, 11, F, N, "1984-02-28", "06:00:00", "2024-02-29 00:00:00", N, N),
    11: ("Zoë 😀 Ärger", "a", "99999999.99", 1e15, 2, 12, T, N, "1900-03-01", "06:00:00", "2026-02-28 23:59:59", N, N),
}
ALL = set(PEOPLE)


def literal(database, value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return database.pick("1" if value else "0", str(value), str(value))
    if isinstance(value, bytes):
        return database.pick(f"x'{value.hex()}'", f"'\\x{value.hex()}'", f"x'{value.hex()}'" if value else "''")
    if isinstance(value, (int, float)):
        return repr(value)
    if value.endswith("Z") and not database.is_postgres:
        value = value if not database.is_mariadb else value[:-1]
    value = value.replace("'", "''")
    return "'" + (value.replace("\\", "\\\\") if database.is_mariadb else value) + "'"


def fill(database):
    kind = {"sqlite": 0, "mariadb": 2}.get(database.kind, 1)
    declared = ", ".join(f"{name} {types[kind]}" for name, types in COLUMNS.items())
    database.run("".join(
        ["SET time_zone = '+00:00';\n" if database.is_mariadb else "",
         f"CREATE TABLE kunde (id INTEGER PRIMARY KEY, {declared});\n",
         "CREATE TABLE gewicht (id INTEGER PRIMARY KEY, kunde INTEGER NOT NULL, FOREIGN KEY (kunde) REFERENCES kunde (id));\n"]
        + [f"INSERT INTO kunde VALUES ({n}, {', '.join(literal(database, value) for value in values)});\n"
           for n, values in PEOPLE.items()]
        + [f"INSERT INTO gewicht SELECT n + {2 ** n - 1}, {n} FROM {database.series(2 ** n)} AS s;\n" for n in PEOPLE]))


@pytest.fixture(scope="module", params=DRIVERS)
def shop(request, tmp_path_factory):
    kind = request.param
    server = {"sqlite": None, "mariadb": "mariadb"}.get(kind, "postgres")
    database = Database(kind, tmp_path_factory.mktemp(kind), request.getfixturevalue(server) if server else None)
    fill(database)
    return database


def where(field, operator, *value, **more):
    """A condition on a field of kunde."""
    if len(value) == 1:
        more["value"] = value[0]
    elif value:
        more["values"] = list(value)
    return {"field": f"kunde.{field}", "is": operator, **more}


def set_of(count):
    return {n for n in range(count.bit_length()) if count >> n & 1}


def found_by_queries(database, conditions, today=TODAY, **parameters):
    """The recipients that each condition finds as that of a built query."""
    asked = request(database, "groups", parameters=parameters, today=today)
    asked["groups"] = [{"name": repr(condition), "sql": None, "key": None, "built": {
        "from": "kunde", "joins": [{"table": "gewicht"}], "fields": [{"field": "gewicht.id"}], "where": condition}}
        for condition in conditions]
    answer = Reader(asked).answer()
    assert answer["ok"], answer
    return [set_of(group["count"]) for group in answer["groups"]]


def plain(condition):
    """The condition with the fields' names alone, as a filter has them."""
    return json.loads(json.dumps(condition).replace('"kunde.', '"'))


def found_by_filters(database, conditions):
    """The same as a step's `when`, on what was fetched."""
    columns = ", ".join(database.name_of(name) for name in COLUMNS)
    asked = request(database, "count", f"SELECT gewicht.id, {columns} FROM gewicht JOIN kunde ON kunde.id = gewicht.kunde", key="id")
    asked["definition"]["steps"] = [{"id": n, "position": n, "name": repr(condition), "action": "null", "parameters": {},
                                     "when": json.dumps(plain(condition))} for n, condition in enumerate(conditions, 1)]
    answer = Reader(asked).answer()
    assert answer["ok"], answer
    return [ALL - set_of(step["skipped"].get("condition", 0)) for step in answer["steps"]]


def counts_from_today(condition):
    return "unit" in condition or "birthday" in condition.get("is", "")


def wrong(cases, got):
    return "\n".join(f"{condition}: {sorted(ids)} instead of {sorted(expected)}" for (condition, expected), ids in zip(cases, got)
                     if ids != set(expected))


CASES = [
    # texts: exact
    (where("name", "=", "Graz"), {5}),
    (where("name", "=", "Graz "), {8}),
    (where("name", "=", ""), {6}),
    (where("name", "=", "  "), {7}),
    (where("name", "=", "Müller"), {0}),
    (where("name", "=", "O'Neil_"), {3}),
    (where("name", "=", "a\\b!%_ \"x\" Łódź"), {10}),
    (where("name", "=", "Zoë 😀 Ärger"), {11}),
    (where("name", "=", "x' OR '1'='1"), {}),
    (where("name", "<>", "Graz"), ALL - {4, 5}),
    (where("name", "<", "Graz "), {5, 6, 7}),
    (where("name", "<=", "Graz "), {5, 6, 7, 8}),
    (where("name", ">", "a"), {9, 10}),
    (where("name", ">=", "O"), {2, 3, 9, 10, 11}),
    (where("name", "between", "G", "O"), {0, 1, 5, 8}),
    (where("name", "in", "Graz", "", "O'Neil_"), {3, 5, 6}),
    (where("name", "not in", "Graz", "", "O'Neil_"), ALL - {3, 4, 5, 6}),
    (where("name", "like", "gra_"), {5, 9}),
    (where("name", "like", "GRAZ%"), {5, 8, 9}),
    (where("name", "like", "m_ller"), {0, 1}),
    (where("name", "like", "%😀%"), {11}),
    (where("name", "like", "a\\b%"), {10}),
    (where("name", "not like", "graz%"), ALL - {4, 5, 8, 9}),
    (where("name", "contains", "ÄRGER"), {11}),
    (where("name", "contains", "ŁÓDŹ"), {10}),
    (where("name", "contains", "%"), {2, 10}),
    (where("name", "contains", "_"), {3, 10}),
    (where("name", "contains", "!"), {10}),
    (where("name", "contains", "\\"), {10}),
    (where("name", "contains", "'"), {3}),
    (where("name", "contains", "\""), {10}),
    (where("name", "contains", "ss"), {2}),
    (where("name", "starts with", "STRASSE"), {2}),
    (where("name", "starts with", "  "), {7}),
    (where("name", "ends with", "%"), {2}),
    (where("name", "ends with", " "), {7, 8}),
    (where("name", "is empty"), {4, 6}),
    (where("name", "is not empty"), ALL - {4, 6}),
    # numbers
    (where("umsatz", "=", 12.3), {10}),
    (where("umsatz", "=", "12.30"), {10}),
    (where("umsatz", "=", "0.3"), {6}),
    (where("umsatz", "<>", 99), ALL - {1, 4}),
    (where("umsatz", "<", 0), {3, 8}),
    (where("umsatz", "<=", "0.29"), {2, 3, 7, 8}),
    (where("umsatz", ">", "99999999.98"), {11}),
    (where("umsatz", ">=", 100.5), {0, 5, 11}),
    (where("umsatz", "between", "0.10", "0.30"), {2, 6, 7}),
    (where("umsatz", "in", 99, "-5.00", "0.1"), {1, 2, 3}),
    (where("umsatz", "not in", 99, "-5.00", "0.1"), ALL - {1, 2, 3, 4}),
    (where("umsatz", "is empty"), {4}),
    (where("umsatz", "is not empty"), ALL - {4}),
    (where("umsatz", "yes"), ALL - {4}),
    (where("umsatz", "no"), {}),
    (where("anteil", "=", 0.1), {2}),
    (where("anteil", "=", "0.30000000000000004"), {6}),
    (where("anteil", "=", 0.3), {}),
    (where("anteil", "<>", 0.1), ALL - {2, 4}),
    (where("anteil", "<", 0), {8}),
    (where("anteil", "<=", 0), {5, 8}),
    (where("anteil", ">", 4), {9, 10, 11}),
    (where("anteil", ">=", 4), {3, 9, 10, 11}),
    (where("anteil", "between", 1, 2.5), {0, 1}),
    (where("anteil", "in", 1.5, 4), {0, 3}),
    (where("anteil", "not in", 1.5, 4), ALL - {0, 3, 4}),
    (where("anteil", "is empty"), {4}),
    (where("anteil", "is not empty"), ALL - {4}),
    (where("anteil", "yes"), ALL - {4, 5}),
    (where("anteil", "no"), {5}),
    (where("note", "=", 0.1), {0}),
    (where("note", "in", 0.7, 0.29), {1, 7}),
    (where("note", "<=", 0.1), {0, 3, 5}),
    (where("note", "between", 0.29, 0.7), {1, 6, 7}),
    (where("note", "<", "0.3"), {0, 3, 5, 7}),
    (where("punkte", "=", 9007199254740993), {5}),
    (where("punkte", "=", "9007199254740992"), {6}),
    (where("punkte", "=", 7.5), {}),
    (where("punkte", "<>", 7), ALL - {0, 4}),
    (where("punkte", "<", 0.5), {1, 2}),
    (where("punkte", "<=", 0), {1, 2}),
    (where("punkte", ">", 9007199254740992), {5}),
    (where("punkte", ">=", 9007199254740992), {5, 6}),
    (where("punkte", "between", -3, 1), {1, 2, 3}),
    (where("punkte", "in", 7, 8), {0, 7}),
    (where("punkte", "not in", 7, 8), ALL - {0, 4, 7}),
    (where("punkte", "is empty"), {4}),
    (where("punkte", "is not empty"), ALL - {4}),
    (where("punkte", "yes"), ALL - {2, 4}),
    (where("punkte", "no"), {2}),
    # yes and no
    (where("aktiv", "yes"), {0, 3, 5, 7, 9, 11}),
    (where("aktiv", "no"), {1, 4, 8, 10}),
    (where("aktiv", "=", True), {0, 3, 5, 7, 9, 11}),
    (where("aktiv", "=", False), {1, 4, 8, 10}),
    (where("aktiv", "<>", True), {1, 4, 8, 10}),
    (where("aktiv", "is empty"), {2, 6}),
    (where("aktiv", "is not empty"), ALL - {2, 6}),
    # days
    (where("geboren", "=", "2000-02-29"), {2}),
    (where("geboren", "<>", "2000-02-29"), ALL - {2, 5}),
    (where("geboren", "<", "1960-12-31"), {6, 11}),
    (where("geboren", "<=", "1960-12-31"), {4, 6, 11}),
    (where("geboren", ">", "1999-11-01"), {2, 9}),
    (where("geboren", ">=", "1999-11-01"), {2, 7, 9}),
    (where("geboren", "between", "1960-12-31", "1975-01-03"), {3, 4, 8}),
    (where("geboren", "in", "1900-03-01", "1984-02-28"), {10, 11}),
    (where("geboren", "not in", "1900-03-01", "1984-02-28"), ALL - {5, 10, 11}),
    (where("geboren", "is empty"), {5}),
    (where("geboren", "is not empty"), ALL - {5}),
    (where("geboren", "before", "1960-03-01"), {11}),
    (where("geboren", "after", "2000-02-29"), {9}),
    (where("geboren", "in the last", 1, unit="days"), {9}),
    (where("geboren", "in the last", 27, unit="years"), {2, 9}),
    (where("geboren", "in the next", 0, unit="days"), {9}),
    (where("geboren", "longer ago than", 66, unit="years"), {6, 11}),
    # moments
    (where("gesehen", "=", "2026-11-24"), {0, 6}),
    (where("gesehen", "=", "2026-11-24 14:05:09"), {0}),
    (where("gesehen", "<>", "2026-11-24"), ALL - {0, 3, 6}),
    (where("gesehen", "<>", "2026-11-24T00:00"), ALL - {3, 6}),
    (where("gesehen", "<", "2026-08-26"), {2, 4, 10, 11}),
    (where("gesehen", "<=", "2026-08-26"), {1, 2, 4, 10, 11}),
    (where("gesehen", ">", "2026-11-24"), {5, 8, 9}),
    (where("gesehen", ">", "2026-11-24 00:00:00"), {0, 5, 8, 9}),
    (where("gesehen", ">=", "2026-11-24"), {0, 5, 6, 8, 9}),
    (where("gesehen", "between", "2026-08-25", "2026-08-26"), {1, 2}),
    (where("gesehen", "between", "2026-08-25 23:59:59", "2026-11-24 00:00"), {1, 2, 6, 7}),
    (where("gesehen", "in", "2026-11-24", "2024-02-29"), {0, 6, 10}),
    (where("gesehen", "in", "2026-11-24 00:00", "2024-02-29 00:00"), {6, 10}),
    (where("gesehen", "not in", "2026-11-24", "2024-02-29"), ALL - {0, 3, 6, 10}),
    (where("gesehen", "is empty"), {3}),
    (where("gesehen", "is not empty"), ALL - {3}),
    (where("gesehen", "before", "2026-08-26"), {2, 4, 10, 11}),
    (where("gesehen", "after", "2026-11-24"), {5, 8, 9}),
    (where("gesehen", "in the last", 90, unit="days"), {0, 1, 6, 7}),
    (where("gesehen", "in the last", 0, unit="days"), {0, 6}),
    (where("gesehen", "in the last", 3, unit="months"), {0, 1, 2, 6, 7}),
    (where("gesehen", "in the next", 4, unit="weeks"), {0, 5, 6}),
    (where("gesehen", "in the next", 30, unit="days"), {0, 5, 6, 8}),
    (where("gesehen", "longer ago than", 90, unit="days"), {2, 4, 10, 11}),
    (where("gesehen", "longer ago than", 1, unit="years"), {10}),
    (where("gebucht", "=", "2026-11-24"), {0, 2, 4}),
    (where("gebucht", "=", "2026-11-24 14:05:09"), {0}),
    (where("gebucht", ">=", "2026-11-24 23:30"), {4, 5}),
    (where("gebucht", "in the last", 0, unit="days"), {0, 2, 4}),
    (where("gebucht", "before", "2026-11-24"), {1}),
    # times of day
    (where("uhr", "=", "12:00"), {5}),
    (where("uhr", "<>", "12:00"), ALL - {4, 5}),
    (where("uhr", "<", "06:00:01"), {2, 9, 10, 11}),
    (where("uhr", "<=", "06:00"), {2, 9, 10, 11}),
    (where("uhr", ">", "18:00"), {3}),
    (where("uhr", ">=", "18:00:00"), {3, 8}),
    (where("uhr", "between", "12:00", "12:30"), {5, 6, 7}),
    (where("uhr", "in", "00:00", "23:59:59"), {2, 3}),
    (where("uhr", "not in", "00:00", "23:59:59"), ALL - {2, 3, 4}),
    (where("uhr", "is empty"), {4}),
    (where("uhr", "is not empty"), ALL - {4}),
    # bytes
    (where("bild", "is empty"), ALL - {0, 1}),
    (where("bild", "is not empty"), {0, 1}),
    # the other column
    (where("name", "=", other="kunde.ort"), {5, 8}),
    (where("name", "<", other="kunde.ort"), {0, 1, 7, 10, 11}),
    (where("umsatz", "=", other="kunde.anteil"), {2, 7, 8, 9, 10}),
    (where("anteil", ">", other="kunde.punkte"), {1, 2, 3, 9, 10, 11}),
    (where("note", "<=", other="kunde.anteil"), {0, 1, 3, 5, 6, 7, 9, 10, 11}),
    (where("aktiv", "=", other="kunde.vip"), {0, 1}),
    (where("aktiv", "<>", other="kunde.vip"), {3, 4}),
    (where("geboren", "before", other="kunde.gesehen"), ALL - {3, 5}),
    (where("gesehen", "after", other="kunde.gebucht"), {}),
    (where("gesehen", ">=", other="kunde.gebucht"), {0, 5}),
    (where("uhr", "=", other="kunde.uhr"), ALL - {4}),
    # one in another; what is not known is neither so nor not so
    ({"not": where("name", "=", "Graz")}, ALL - {4, 5}),
    ({"not": {"or": [where("name", "is empty"), where("aktiv", "yes")]}}, {1, 8, 10}),
    ({"or": [where("name", "=", "Graz"), {"and": [where("aktiv", "no"), {"not": where("umsatz", ">", 50)}]}]}, {5, 8, 10}),
    ({"and": [{"or": [where("punkte", "<", 5), where("punkte", ">", 11)]}, {"not": {"not": where("aktiv", "yes")}}]}, {3, 5, 11}),
    ({"not": {"and": [where("aktiv", "is empty"), where("punkte", "no")]}}, ALL - {2}),
]


def test_each_operator_finds_the_same_recipients(shop):
    got = found_by_queries(shop, [condition for condition, _ in CASES])
    assert not wrong(CASES, got), wrong(CASES, got)


def test_filters_mean_what_queries_mean(shop):
    cases = [(condition, expected) for condition, expected in CASES if not counts_from_today(condition)]
    got = found_by_filters(shop, [condition for condition, _ in cases])
    assert not wrong(cases, got), wrong(cases, got)


CALENDAR = {  # today: what counts from it. Of months and years the same day, or the month's last.
    "2026-11-24": [
        (where("geboren", "birthday today"), {0, 9}),
        (where("geboren", "birthday this month"), {0, 1, 7, 9}),
        (where("geboren", "birthday in the next", 0), {0, 9}),
        (where("geboren", "birthday in the next", 5), {0, 9}),
        (where("geboren", "birthday in the next", 6, unit="days"), {0, 1, 9}),
        (where("geboren", "birthday in the next", 37), {0, 1, 4, 9}),
        (where("geboren", "birthday in the next", 365), ALL - {5}),
        (where("gesehen", "birthday today"), {0, 4, 6}),
        (where("gesehen", "birthday this month"), {0, 4, 5, 6, 7}),
        (where("gesehen", "birthday in the next", 1), {0, 4, 5, 6}),
    ],
    "2026-12-28": [
        (where("geboren", "birthday in the next", 2), {}),
        (where("geboren", "birthday in the next", 3), {4}),
        (where("geboren", "birthday in the next", 7), {3, 4}),
        (where("geboren", "birthday this month"), {4}),
        (where("gesehen", "in the next", 5, unit="weeks"), {9}),
    ],
    "2027-02-27": [(where("geboren", "birthday in the next", 1), {2, 10})],
    "2027-02-28": [
        (where("geboren", "birthday today"), {2, 10}),  # 29 February, in years that have none
        (where("geboren", "birthday this month"), {2, 10}),
        (where("geboren", "birthday in the next", 1), {2, 6, 10, 11}),
        (where("gesehen", "in the last", 1, unit="years"), {0, 1, 2, 5, 6, 7, 8, 9, 11}),
        (where("gesehen", "longer ago than", 3, unit="years"), {}),
    ],
    "2027-03-01": [(where("geboren", "birthday today"), {6, 11})],
    "2028-02-28": [
        (where("geboren", "birthday today"), {10}),
        (where("geboren", "birthday in the next", 1), {2, 10}),
        (where("geboren", "birthday in the next", 2), {2, 6, 10, 11}),
    ],
    "2028-02-29": [
        (where("geboren", "birthday today"), {2}),
        (where("gesehen", "in the last", 4, unit="years"), ALL - {3}),
        (where("gesehen", "longer ago than", 1460, unit="days"), {10}),
        (where("gesehen", "longer ago than", 1461, unit="days"), {}),
        (where("gesehen", "in the last", 2, unit="years"), {0, 1, 2, 5, 6, 7, 8, 9, 11}),
    ],
    "2026-03-31": [
        (where("gesehen", "in the last", 1, unit="months"), {11}),
        (where("gesehen", "in the last", 30, unit="days"), {}),
        (where("gesehen", "in the last", 31, unit="days"), {11}),
    ],
    "2024-03-31": [
        (where("gesehen", "in the last", 1, unit="months"), {10}),
        (where("gesehen", "longer ago than", 1, unit="months"), {}),
        (where("gesehen", "longer ago than", 4, unit="weeks"), {10}),
    ],
}


@pytest.mark.parametrize("today", CALENDAR)
def test_days_count_by_the_calendar(shop, today):
    got = found_by_queries(shop, [condition for condition, _ in CALENDAR[today]], today)
    assert not wrong(CALENDAR[today], got), wrong(CALENDAR[today], got)


@pytest.fixture
def lite(tmp_path):
    """For what is decided before a database is asked."""
    database = Database("sqlite", tmp_path, None)
    database.run(f"CREATE TABLE kunde (id INTEGER PRIMARY KEY, {', '.join(f'{name} {types[0]}' for name, types in COLUMNS.items())})")
    return database


def kunden(condition):
    return {"from": "kunde", "fields": [{"field": "kunde.id"}], "where": condition}


def test_no_operator_goes_untested(lite):
    """The operators are those that a message lists, and each is tried on a column of each type."""
    operators = refusal(lite, kunden(where("name", "no such operator"))).partition("there are: ")[2].split(", ")
    assert len(operators) > 20 and "=" in operators and "birthday in the next" in operators, operators
    asked = request(lite, "columns", "SELECT * FROM kunde", key="id")
    tried = [(column, operator) for column in COLUMNS for operator in operators]
    asked["definition"]["steps"] = [{"id": n, "position": n, "name": f"{n}", "action": "null", "parameters": {},
                                     "when": json.dumps({"field": column, "is": operator})} for n, (column, operator) in enumerate(tried)]
    answer = Reader(asked).answer()
    refused = {tried[int(problem["where"].split()[-1])] for problem in answer["problems"] if "is not for that" in problem["message_en"]}
    types = {name: kinds[3] for name, kinds in COLUMNS.items()}
    taken = {(types[column], operator) for column, operator in set(tried) - refused}
    days = {operator for kind, operator in taken if kind == "date"} - {operator for kind, operator in taken if kind == "integer"}
    taken -= {("text", operator) for operator in days}  # SQLite's texts may be dates; elsewhere they are refused
    tested = {(types[condition["field"].partition(".")[2]], condition["is"])
              for condition, _ in CASES + sum(CALENDAR.values(), []) if "field" in condition}
    assert taken == tested, f"not tested: {sorted(taken - tested)}; not taken: {sorted(tested - taken)}"


# ---- parameters

PARAMETERS = [  # condition, value, whom it finds
    (where("name", "=", parameter="p"), "O'Neil_", {3}),
    (where("name", "=", parameter="p"), "graz' OR 'a' = 'a", {}),
    (where("name", "=", parameter="p"), "a\\b!%_ \"x\" Łódź", {10}),
    (where("name", "<>", parameter="p"), 42, ALL - {4}),
    (where("name", "<", parameter="p"), "Graz ", {5, 6, 7}),
    (where("name", "like", parameter="p"), "m_ller%", {0, 1}),
    (where("name", "not like", parameter="p"), "%r%", {3, 6, 7, 10}),
    (where("name", "contains", parameter="p"), "%", {2, 10}),
    (where("name", "contains", parameter="p"), "\\B!", {10}),
    (where("name", "contains", parameter="p"), "'", {3}),
    (where("name", "starts with", parameter="p"), "STRASSE", {2}),
    (where("name", "ends with", parameter="p"), "_", {3}),
    (where("umsatz", "=", parameter="p"), 12.3, {10}),
    (where("umsatz", "=", parameter="p"), "0.10", {2}),
    (where("umsatz", "=", parameter="p"), 0.1, {2}),
    (where("umsatz", "<=", parameter="p"), 0, {3, 8}),
    (where("anteil", "=", parameter="p"), 0.1, {2}),
    (where("anteil", "=", parameter="p"), 0.30000000000000004, {6}),
    (where("anteil", ">", parameter="p"), 9.9e14, {11}),
    (where("anteil", "=", parameter="p"), "0.29", {7}),
    (where("note", "=", parameter="p"), 0.7, {1}),
    (where("punkte", "=", parameter="p"), 9007199254740993, {5}),
    (where("punkte", "=", parameter="p"), "9007199254740992", {6}),
    (where("punkte", "=", parameter="p"), 7.0, {0}),
    (where("aktiv", "=", parameter="p"), True, {0, 3, 5, 7, 9, 11}),
    (where("aktiv", "<>", parameter="p"), True, {1, 4, 8, 10}),
    (where("geboren", "=", parameter="p"), "2000-02-29", {2}),
    (where("geboren", "after", parameter="p"), "1999-11-01", {2, 9}),
    (where("gesehen", "=", parameter="p"), "2026-11-24", {0, 6}),
    (where("gesehen", "before", parameter="p"), "2026-08-26", {2, 4, 10, 11}),
    (where("gebucht", "=", parameter="p"), "2026-11-24", {0, 2, 4}),
    (where("uhr", "=", parameter="p"), "12:00", {5}),
    (where("uhr", ">=", parameter="p"), "18:00:00", {3, 8}),
]


def test_parameters_are_values_of_their_columns_type(shop):
    named, given = [], {}
    for n, (condition, value, expected) in enumerate(PARAMETERS):
        named.append(({**condition, "parameter": f"p{n}"}, expected))
        given[f"p{n}"] = value
    got = found_by_queries(shop, [condition for condition, _ in named], **given)
    told = [((condition, value), expected) for condition, value, expected in PARAMETERS]
    assert not wrong(told, got), wrong(told, got)


@pytest.mark.parametrize("field, value, message", [
    ("punkte", "abc", ":p: »kunde.punkte« is a number, and »abc« is none"),
    ("punkte", 4.7, ":p: »kunde.punkte« is a whole number, and »4.7« is none"),
    ("punkte", "7.0", ":p: »kunde.punkte« is a whole number, and »7.0« is none"),
    ("punkte", "9223372036854775808", ":p: »kunde.punkte« is a whole number, and »9223372036854775808« is none"),
    ("umsatz", "1e5", ":p: »kunde.umsatz« is a number"),
    ("umsatz", "12,50", ":p: »kunde.umsatz« is a number, and »12,50« is none"),
    ("aktiv", "ja", ":p: »kunde.aktiv« is a yes or no, and »ja« is none"),
    ("geboren", "2026-02-30", ":p: »kunde.geboren« is a date, and »2026-02-30« is none; write year, month and day, such as 2026-11-24"),
    ("gesehen", "gestern", ":p: »kunde.gesehen« is a date with a time, and »gestern« is none"),
    ("uhr", "24:00", ":p: »kunde.uhr« is a time of day, and »24:00« is none"),
    ("name", True, ":p: »kunde.name« is a text, and »true« is none"),
    ("name", "x" * 20_000, ":p: the value is longer than 16384 bytes"),
])
def test_a_parameter_of_another_type_is_refused(lite, field, value, message):
    assert refusal(lite, kunden(where(field, "=", parameter="p")), parameters={"p": value}).startswith(message)


# ---- what there is to compare only some databases know

def test_a_text_is_a_date_in_sqlite_alone(shop):
    query = kunden(where("name", "before", "2026-01-01"))
    if shop.kind == "sqlite":
        assert rows(shop, query) == []
    else:
        assert refusal(shop, query) == "where.is: »kunde.name« is a text; »before« is not for that"


@pytest.mark.parametrize("condition, message", [
    (where("umsatz", ">", "12,50"), "where.value: »kunde.umsatz« is a number, and »12,50« is none"),
    (where("ortt", "=", "Graz"), "where.field: there is no field »kunde.ortt«; did you mean »kunde.ort«?"),
    (where("name", "=", other="kunde.punkte"), "where.other: »kunde.name« is a text and »kunde.punkte« is a number; they cannot be compared"),
])
def test_a_clash_of_types_is_said_before_anything_runs(lite, condition, message):
    assert refusal(lite, kunden(condition)) == message


# ---- order

NAMES = ["Abel", "abel", "Äbel", "Adler", "Aechter", "Ächter", "Ärger", "ärger", "Zebra", "zebra", "Öl", "Oel", "Ol", "Müller", "Muller",
         "Mueller", "MÜLLER", "Mull", "Straße", "Strasse", "STRASSE", "STRAẞE", "Strassen", "Łódź", "Lodz", "Loden", "O'Neil", "ONeil",
         "O Neil", "Meyer-Lüdenscheidt", "Meyer Lüdenscheidt", "Meyer", "Meyera", "von Aa", "Vonaa", "1. FC", "2. FC", "10. FC",
         "Žižek", "Zizek", "Çelik", "Celik", "Şahin", "Sahin", "Dvořák", "Dvorak", "É", "E", "F", "", "à la", "Müller ", "x", "X", None]
ORDERED = [None, "", "1. FC", "10. FC", "2. FC", "à la", "Abel", "abel", "Äbel", "Ächter", "Adler", "Aechter", "Ärger", "ärger", "Celik",
           "Çelik", "Dvorak", "Dvořák", "E", "É", "F", "Loden", "Lodz", "Łódź", "Meyer", "Meyer Lüdenscheidt", "Meyer-Lüdenscheidt",
           "Meyera", "Mueller", "Mull", "Muller", "Müller", "MÜLLER", "Müller ", "O Neil", "O'Neil", "Oel", "Ol", "Öl", "ONeil",
           "Sahin", "Şahin", "Straße", "Strasse", "STRASSE", "STRAẞE", "Strassen", "von Aa", "Vonaa", "x", "X", "Zebra", "zebra",
           "Zizek", "Žižek"]


@pytest.fixture(scope="module")
def names(shop):
    """NAMES, numbered as they stand there, but stored in another order."""
    shop.run("CREATE TABLE name (id INTEGER PRIMARY KEY, name VARCHAR(40), zahl INTEGER, tag DATE);\n" + "".join(
        f"INSERT INTO name VALUES ({n}, {literal(shop, name)}, {n % 3 or 'NULL'}, {'NULL' if n % 2 else repr('2026-01-0%d' % (n % 8 + 1))});\n"
        for n, name in sorted(enumerate(NAMES), key=lambda numbered: numbered[0] * 37 % len(NAMES))))
    return shop


def ordered(database, *order, **more):
    query = {"from": "name", "fields": [{"field": "name.id"}, {"field": "name.name"}, {"field": "name.zahl"}, {"field": "name.tag"}],
             "order": [{"field": f"name.{name.removeprefix('-')}", "descending": name.startswith("-")} for name in order] or None, **more}
    return rows(database, query)


def test_names_are_in_the_order_of_a_telephone_book(names):
    assert [row[1] for row in ordered(names, "name")] == ORDERED


def test_the_last_name_comes_first(names):
    """Those that are the same but for capitals stay in the order of their keys."""
    assert [row[1] for row in ordered(names, "-name")] == [
        "Žižek", "Zizek", "Zebra", "zebra", "x", "X", "Vonaa", "von Aa", "Strassen", "Straße", "Strasse", "STRASSE", "STRAẞE", "Şahin",
        "Sahin", "ONeil", "Öl", "Ol", "Oel", "O'Neil", "O Neil", "Müller ", "Müller", "MÜLLER", "Muller", "Mull", "Mueller", "Meyera",
        "Meyer-Lüdenscheidt", "Meyer Lüdenscheidt", "Meyer", "Łódź", "Lodz", "Loden", "F", "É", "E", "Dvořák", "Dvorak", "Çelik",
        "Celik", "Ärger", "ärger", "Aechter", "Adler", "Ächter", "Äbel", "Abel", "abel", "à la", "2. FC", "10. FC", "1. FC", "", None]


def test_what_is_not_there_comes_first_and_a_limit_takes_the_same(names):
    first = [None, None, None]
    assert [row[2] for row in ordered(names, "zahl", limit=3)] == first and [row[0] for row in ordered(names, "zahl", limit=3)] == [0, 3, 6]
    assert [row[0] for row in ordered(names, "-zahl", limit=3)] == [2, 5, 8]
    assert [row[2] for row in ordered(names, "-zahl")][-18:] == [None] * 18
    assert [row[0] for row in ordered(names, "tag", "-zahl", limit=4)] == [5, 11, 17, 23]
    assert [row[0] for row in ordered(names, "-tag", "id", limit=2)] == [6, 14]
    assert [row[0] for row in ordered(names, limit=4)] == [0, 1, 2, 3]


# ---- joins

@pytest.fixture(scope="module")
def club(shop):
    shop.run("""CREATE TABLE verein (land VARCHAR(2) NOT NULL, nr INTEGER NOT NULL, name VARCHAR(40), PRIMARY KEY (land, nr));
        CREATE TABLE mitglied (id INTEGER PRIMARY KEY, name VARCHAR(40), land VARCHAR(2), verein INTEGER, werber INTEGER, obmann INTEGER,
            FOREIGN KEY (land, verein) REFERENCES verein (land, nr), FOREIGN KEY (werber) REFERENCES mitglied (id));
        CREATE TABLE paket (id INTEGER PRIMARY KEY, von INTEGER, an INTEGER,
            FOREIGN KEY (von) REFERENCES mitglied (id), FOREIGN KEY (an) REFERENCES mitglied (id));
        CREATE TABLE notiz (id INTEGER PRIMARY KEY, wer INTEGER, text VARCHAR(40));
        INSERT INTO verein VALUES ('AT', 1, 'Graz'), ('DE', 1, 'Köln'), ('DE', 2, 'Ulm');
        INSERT INTO mitglied VALUES (1, 'Ada', 'AT', 1, NULL, NULL), (2, 'Bea', 'DE', 1, 1, 1), (3, 'Cid', 'DE', 2, 1, 1),
            (4, 'Dov', NULL, 2, 2, 3), (5, 'Eva', 'DE', NULL, NULL, 3);
        INSERT INTO paket VALUES (1, 1, 2), (2, 2, 1), (3, 3, NULL), (4, NULL, 1);
        INSERT INTO notiz VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 4, 'c'), (4, 9, 'd');""")
    return shop


JOINS = {  # what: (joins, from, fields, rows)
    "a key of two columns": ([{"table": "verein"}], "mitglied", "mitglied.id verein.name", [[1, "Graz"], [2, "Köln"], [3, "Ulm"]]),
    "the same from the other side": ([{"table": "mitglied", "kind": "left"}], "verein", "verein.name mitglied.name",
                                     [["Graz", "Ada"], ["Köln", "Bea"], ["Ulm", "Cid"]]),
    "those without a partner, too": ([{"table": "verein", "kind": "left"}], "mitglied", "mitglied.id verein.name",
                                     [[1, "Graz"], [2, "Köln"], [3, "Ulm"], [4, None], [5, None]]),
    "a table with itself": ([{"table": "mitglied", "as": "w", "kind": "left", "to": "mitglied", "on": [["werber", "id"]]}], "mitglied",
                            "mitglied.id w.name", [[1, None], [2, "Ada"], [3, "Ada"], [4, "Bea"], [5, None]]),
    "two keys to one table": ([{"table": "mitglied", "as": "von", "on": [["von", "id"]]},
                               {"table": "mitglied", "as": "an", "to": "paket", "on": [["an", "id"]], "kind": "left"}], "paket",
                              "paket.id von.name an.name", [[1, "Ada", "Bea"], [2, "Bea", "Ada"], [3, "Cid", None]]),
    "without a key": ([{"table": "notiz", "on": [["id", "wer"]]}], "mitglied", "mitglied.id notiz.text",
                      [[1, "a"], [1, "b"], [4, "c"]]),
    "along three": ([{"table": "mitglied", "as": "m", "on": [["an", "id"]]}, {"table": "verein", "to": "m"},
                     {"table": "notiz", "to": "m", "on": [["id", "wer"]], "kind": "left"}], "paket",
                    "paket.id verein.name notiz.text", [[1, "Köln", None], [2, "Graz", "a"], [2, "Graz", "b"], [4, "Graz", "a"], [4, "Graz", "b"]]),
}


@pytest.mark.parametrize("what", JOINS)
def test_tables_are_joined(club, what):
    joins, table, fields, expected = JOINS[what]
    assert rows(club, {"from": table, "joins": joins, "order": [{"field": fields.split()[0]}], "fields": [
        {"field": field, "as": field} for field in fields.split()]}) == expected


def test_two_keys_to_one_table_are_told_to_choose_from(club):
    message = refusal(club, {"from": "paket", "joins": [{"table": "mitglied"}], "fields": [{"field": "paket.id"}]})
    assert message.startswith("joins[0]: several keys lead to »mitglied«; take one: ")
    assert '"to": "paket", "on": [["von","id"]]' in message and '"to": "paket", "on": [["an","id"]]' in message


def test_rows_are_put_together(club):
    """By count, sum, min, max and average; texts are the same if each letter is."""
    club.run("CREATE TABLE spende (id INTEGER PRIMARY KEY, ort VARCHAR(20), betrag DECIMAL(10,2), tag DATE);"
             "INSERT INTO spende VALUES (1, 'Graz', 0.1, '2026-01-01'), (2, 'Graz', 0.2, '2026-03-01'), (3, 'graz', 5, NULL),"
             " (4, 'Graz ', 7.05, '2026-02-01'), (5, NULL, NULL, '2026-02-02'), (6, 'Graz', NULL, '2026-02-02')")
    fields = [{"field": "spende.ort"}, {"field": "spende.id", "function": "count"}, {"field": "spende.betrag", "function": "sum", "as": "summe"},
              {"field": "spende.betrag", "function": "count", "as": "betraege"}, {"field": "spende.betrag", "function": "average", "as": "mittel"},
              {"field": "spende.tag", "function": "max", "as": "zuletzt"}, {"field": "spende.ort", "function": "min", "as": "kleinster"}]
    got = rows(club, {"from": "spende", "fields": fields, "order": [{"field": "spende.ort"}, {"field": "summe", "descending": True}]})
    number = lambda value: None if value is None else float(value)
    assert [[ort, count, number(total), some, number(average), last, least] for ort, count, total, some, average, last, least in got] == [
        [None, 1, None, 0, None, "2026-02-02", None], ["graz", 1, 5, 1, 5, None, "graz"], ["Graz", 3, 0.3, 2, 0.15, "2026-03-01", "Graz"],
        ["Graz ", 1, 7.05, 1, 7.05, "2026-02-01", "Graz "]]
    assert rows(club, {"from": "spende", "fields": [{"field": "spende.ort"}], "distinct": True, "limit": 3,
                       "order": [{"field": "spende.ort", "descending": True}]}) == [["Graz "], ["Graz"], ["graz"]]


# ---- names

HOSTILE = ["select", "Größe in m²", "we\"ird", "tab`le", "it's", "a.b", "wer?", ":x", "x; DROP TABLE kunde --", "[a]", "%s%n", "50%", "{d '2026-01-01'}",
           "back\\slash", "ORDER", "a  b", "$1", "/* c */"]


def test_names_are_names_whatever_they_are(shop):
    """Tables and columns of such names, joined, chosen, compared, ordered and shown again."""
    table = "tab\"le`s; 'x'?"
    columns = ", ".join(f"{shop.name_of(name)} INTEGER" for name in HOSTILE)
    shop.run(f"CREATE TABLE {shop.name_of('a.b')} (id INTEGER PRIMARY KEY, {columns}); "
             f"CREATE TABLE {shop.name_of(table)} (id INTEGER PRIMARY KEY, {shop.name_of('group')} INTEGER, "
             f"FOREIGN KEY ({shop.name_of('group')}) REFERENCES {shop.name_of('a.b')} (id)); "
             f"INSERT INTO {shop.name_of('a.b')} VALUES (1, {', '.join(str(n) for n in range(len(HOSTILE)))}), (2, {', '.join('0' for _ in HOSTILE)}); "
             f"INSERT INTO {shop.name_of(table)} VALUES (7, 1), (8, 2)")
    query = {"from": table, "joins": [{"table": "a.b", "as": "order"}],
             "fields": [{"field": f"{table}.id", "as": "from"}] + [{"field": f"order.{name}"} for name in HOSTILE],
             "where": {"and": [{"field": f"order.{name}", "is": "=", "value": n} for n, name in enumerate(HOSTILE)]},
             "order": [{"field": f"order.{name}"} for name in HOSTILE]}
    answer = ask(shop, "rows", query)
    assert answer["ok"], answer
    assert [column["name"] for column in answer["columns"]] == ["from"] + HOSTILE
    assert answer["rows"] == [[7] + list(range(len(HOSTILE)))]
    assert rows(shop, {**query, "where": {"field": "order.select", "is": "=", "value": 1}}) == []


def test_views_are_tables(shop):
    shop.run("CREATE VIEW gute AS SELECT id, name, umsatz, geboren, aktiv FROM kunde WHERE umsatz > 90")
    assert rows(shop, {"from": "gute", "fields": [{"field": "gute.id"}], "order": [{"field": "gute.name"}], "where": {"and": [
        {"field": "gute.geboren", "is": "before", "value": "2000-01-01"}, {"field": "gute.aktiv", "is": "yes"}]}}) == [[0], [11]]


@pytest.mark.parametrize("shop", ["postgres", "psqlodbc"], indirect=True)
def test_a_schema_is_a_name_of_its_own(shop):
    shop.run('CREATE SCHEMA "Ver.ein"; CREATE TABLE "Ver.ein"."a.b" (id INTEGER PRIMARY KEY); INSERT INTO "Ver.ein"."a.b" VALUES (5); '
             'CREATE TABLE "Ver.ein".c (id INTEGER PRIMARY KEY, ab INTEGER REFERENCES "Ver.ein"."a.b" (id)); INSERT INTO "Ver.ein".c VALUES (1, 5)')
    assert rows(shop, {"from": "Ver.ein.c", "joins": [{"table": "Ver.ein.a.b"}],
                       "fields": [{"field": "Ver.ein.c.id"}, {"field": "Ver.ein.a.b.id", "as": "ab"}]}) == [[1, 5]]


# ---- columns that only some databases have

def counted(database, table, conditions):
    """How many rows each condition finds, in one reading."""
    asked = request(database, "groups")
    asked["groups"] = [{"name": repr(condition), "sql": None, "key": None, "built": {
        "from": table, "fields": [{"field": f"{table}.id"}], "order": [{"field": condition["field"]}], "where": condition}}
        for condition in conditions]
    answer = Reader(asked).answer()
    assert answer["ok"], answer
    return [group["count"] for group in answer["groups"]]


@pytest.mark.parametrize("shop", ["postgres", "psqlodbc"], indirect=True)
def test_types_of_postgresql_are_texts(shop):
    shop.run("CREATE TYPE laune AS ENUM ('gut', 'schlecht'); CREATE DOMAIN plz AS VARCHAR(10);"
             "CREATE TABLE eigen (id INTEGER PRIMARY KEY, laune laune, u UUID, plz plz, kurz CHAR(6), netz INET, js JSONB);"
             "INSERT INTO eigen VALUES (1, 'gut', '3d8e2fde-0000-4000-8000-000000000001', '01067', 'ab', '10.0.0.1', '{\"a\": 1}'),"
             " (2, 'schlecht', NULL, '1067', 'CD', NULL, NULL)")
    values = {"laune": "gut", "u": "3d8e2fde-0000-4000-8000-000000000001", "plz": "01067", "kurz": "ab", "netz": "10.0.0.1/32"}
    conditions = [{"field": f"eigen.{field}", **more} for field, value in values.items() for more in (
        {"is": "=", "value": value}, {"is": "starts with", "value": value[:2]}, {"is": "in", "values": [value, "x"]})]
    conditions.append({"field": "eigen.js", "is": "is empty"})
    assert counted(shop, "eigen", conditions) == [1] * len(conditions)


@pytest.mark.parametrize("shop", ["mariadb"], indirect=True)
def test_types_of_mariadb(shop):
    shop.run("CREATE TABLE eigen (id INTEGER PRIMARY KEY, laune ENUM('gut','Schlecht'), wahl SET('a','b'), jahr YEAR, bit1 BIT(1),"
             " gross BIGINT UNSIGNED, alt VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci, kurz CHAR(6));"
             "INSERT INTO eigen VALUES (1, 'gut', 'a,b', 2026, b'1', 18446744073709551615, 'Straße', 'ab'),"
             " (2, 'Schlecht', '', 1999, b'0', 1, 'STRASSE', 'AB'), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
    cases = [
        (1, "laune", "=", "gut"), (1, "laune", "like", "schl%"), (0, "laune", "=", "schlecht"), (1, "wahl", "contains", "B"),
        (1, "jahr", "<", 2000), (1, "bit1", "=", True), (1, "bit1", "=", False), (1, "gross", "=", "18446744073709551615"),
        (1, "alt", "=", "Straße"), (2, "alt", "starts with", "strass"), (0, "alt", "=", "Łódź"), (1, "kurz", "=", "ab")]
    got = counted(shop, "eigen", [{"field": f"eigen.{field}", "is": operator, "value": value} for _, field, operator, value in cases]
                  + [{"field": "eigen.wahl", "is": "is empty"}])
    assert got == [expected for expected, *_ in cases] + [2]


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_column_of_sqlite_may_hold_anything(shop):
    shop.run("CREATE TABLE alles (id INTEGER PRIMARY KEY, x, t TEXT COLLATE NOCASE);"
             "INSERT INTO alles VALUES (1, 5, 'Graz'), (2, '5', 'graz'), (3, '2026-11-24', '2026-11-24'), (4, NULL, '24.11.2026'), (5, '', NULL), (6, x'35', '')")
    for condition, expected in (
            ({"field": "alles.x", "is": "=", "value": 5}, [[1], [2], [6]]), ({"field": "alles.x", "is": "=", "value": "5"}, [[1], [2], [6]]),
            ({"field": "alles.x", "is": "before", "value": "2026-11-25"}, [[3]]), ({"field": "alles.x", "is": "is empty"}, [[4], [5]]),
            ({"field": "alles.t", "is": "=", "value": "Graz"}, [[1]]), ({"field": "alles.t", "is": "after", "value": "2026-11-23"}, [[3]])):
        assert rows(shop, {"from": "alles", "fields": [{"field": "alles.id"}], "where": condition, "order": [{"field": "alles.id"}]}) == expected, condition


# ---- databases of other encodings

@pytest.mark.parametrize("kind", ["postgres", "psqlodbc"])
def test_a_database_of_another_encoding(tmp_path, postgres, kind):  # noqa: F811
    database = Database(kind, tmp_path, postgres)
    database.use(postgres.new_database(encoding="LATIN1"))
    database.run("CREATE TABLE n (id INTEGER PRIMARY KEY, name VARCHAR(40)); INSERT INTO n VALUES (1, 'Zebra'), (2, 'Ärger'), (3, 'abel'), (4, 'Straße')")
    query = {"from": "n", "fields": [{"field": "n.id"}], "order": [{"field": "n.name"}]}
    assert rows(database, query) == [[3], [2], [4], [1]]
    assert rows(database, {**query, "where": {"field": "n.name", "is": "starts with", "value": "STRASSE"}}) == [[4]]
    assert rows(database, {**query, "where": {"field": "n.name", "is": "=", "value": "Ärger"}}) == [[2]]
