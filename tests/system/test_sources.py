"""A site's databases, read through the real reader child and through a daemon: SQLite, PostgreSQL by libpq, MariaDB by ODBC,
and PostgreSQL by ODBC as one of those that have nothing made for them."""
import base64
import contextlib
import csv
import io
import json
import socket
import sqlite3
import subprocess
import time
import urllib.parse

import pytest

import northwind
from conftest import BUILD, PATIENCE, SANITIZED, until
from databases import DRIVERS, SERVERS, Database, Reader, ask, database, on, on_each, refusal, request, rows, site_on  # noqa: F401
from servers import PASSWORD, mariadb, postgres  # noqa: F401  (fixtures)

# ---- values

@on_each
def test_values_come_as_the_contract_says(database):
    binary = database.pick("x'00ff10'", "'\\x00ff10'::bytea", "x'00ff10'")
    types = {  # column: (declared in SQLite, PostgreSQL, MariaDB), literal, type, value
        "ganz": (("INTEGER", "INTEGER", "INT"), "-7", "integer", -7),
        "gross": (("BIGINT", "BIGINT", "BIGINT"), "9007199254740993", "integer", 9007199254740993),
        "betrag": (("DECIMAL(12,2)", "NUMERIC(20,6)", "DECIMAL(20,6)"), "12345678901234.5", "decimal",
                   database.pick(12345678901234.5, "12345678901234.500000", "12345678901234.500000")),
        "anteil": (("DOUBLE", "DOUBLE PRECISION", "DOUBLE"), "0.1", "real", 0.1),
        "aktiv": (("BOOLEAN",) * 3, database.pick("1", "TRUE", "TRUE"), "boolean", 1),
        "gesperrt": (("BOOLEAN",) * 3, database.pick("0", "FALSE", "FALSE"), "boolean", 0),
        "geboren": (("DATE",) * 3, "'1980-02-29'", "date", "1980-02-29"),
        "uhr": (("TIME",) * 3, "'14:05:09'", "time", "14:05:09"),
        "angelegt": (("DATETIME", "TIMESTAMP", "DATETIME"), "'2026-11-24 14:05:09'", "timestamp", "2026-11-24 14:05:09"),
        "genau": (("DATETIME", "TIMESTAMP", "DATETIME(6)"), "'2026-11-24 14:05:09.123456'", "timestamp",
                  "2026-11-24 14:05:09.123456"),
        "name": (("VARCHAR(80)",) * 3, "'Łucja Großmüller 😀 \"q\"'", "text", 'Łucja Großmüller 😀 "q"'),
        "notiz": (("TEXT",) * 3, "'Ärger\nmit\tÖl'", "text", "Ärger\nmit\tÖl"),
        "leer": (("TEXT",) * 3, "''", "text", ""),
        "bild": (("BLOB", "BYTEA", "BLOB"), binary, "binary", {"base64": base64.b64encode(b"\0\xff\x10").decode()}),
        "nichts": (("INTEGER",) * 3, "NULL", "integer", None),
        "keiner": (("TEXT",) * 3, "NULL", "text", None),
        "nie": (("DATE",) * 3, "NULL", "date", None),
    }
    declared = ", ".join(f"{name} {kinds[{'sqlite': 0, 'mariadb': 2}.get(database.kind, 1)]}"
                         for name, (kinds, _, _, _) in types.items())
    database.run(f"CREATE TABLE werte ({declared});\n"
                 f"INSERT INTO werte VALUES ({', '.join(literal for _, literal, _, _ in types.values())})")
    answer = ask(database, "rows", "SELECT * FROM werte")
    assert answer["ok"], answer
    assert dict(zip(types, answer["rows"][0])) == {name: value for name, (_, _, _, value) in types.items()}
    assert {column["name"]: column.get("type") for column in answer["columns"]} == {
        name: kind for name, (_, _, kind, _) in types.items()}


@on_each
def test_short_columns_alone_are_read_in_blocks_and_give_the_same(database):
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY, name VARCHAR(40), seit DATE); INSERT INTO k VALUES "
                 + ", ".join(f"({n}, '{n}', {repr('2026-01-02') if n % 3 == 0 else 'NULL'})" for n in range(1, 2501)))
    got = rows(database, "SELECT id, name, seit FROM k ORDER BY id", limit=5000)
    assert got == [[n, str(n), "2026-01-02" if n % 3 == 0 else None] for n in range(1, 2501)]


@on(*SERVERS, "psqlodbc")
def test_a_moment_comes_in_utc_whatever_zone_the_server_is_in(database):
    zoned = database.pick(None, "TIMESTAMPTZ(6)", "TIMESTAMP(6)")
    database.run(f"CREATE TABLE t (id INTEGER PRIMARY KEY, wann {zoned}, uhr TIMESTAMP(6) NULL);".replace(
        "uhr TIMESTAMP", database.pick(None, "uhr TIMESTAMP", "uhr DATETIME")))
    # Both servers are in the zone of Central Europe.
    database.run("INSERT INTO t VALUES (1, '2026-11-24 14:05:09.5', '2026-11-24 14:05:09.5'), (2, '2026-11-24 00:30:00', NULL)")
    expected = [["2026-11-24 13:05:09.5Z", "2026-11-24 14:05:09.5"], ["2026-11-23 23:30:00Z", None]]
    assert rows(database, "SELECT wann, uhr FROM t ORDER BY id") == expected
    assert rows(database, "SELECT MAX(wann) AS wann, MAX(uhr) AS uhr FROM t GROUP BY id ORDER BY id") == expected


@on(*SERVERS, "psqlodbc", "sqlite")
def test_a_number_of_four_bytes_is_what_it_is_shown_as(database):
    database.run(f"CREATE TABLE t (note {database.pick('FLOAT', 'REAL', 'FLOAT')}); INSERT INTO t VALUES (0.1), (16777217), (-0.7), (1e30)")
    got = sorted(row[0] for row in rows(database, "SELECT note FROM t"))
    assert got == [-0.7, 0.1, database.pick(16777217, 16777216, 16777216), 1e30]


@on("mariadb")
def test_mysqls_own_types(database):
    database.run("SET sql_mode = ''; CREATE TABLE t (riesig BIGINT UNSIGNED, art ENUM('ä','b'), jahr YEAR, nie DATE, nie2 DATETIME, bit1 BIT, "
                 "lang TIME, alt VARCHAR(9) CHARACTER SET latin1, flags BIT(9)); "
                 "INSERT INTO t VALUES (18446744073709551615, 'ä', 2026, '0000-00-00', '0000-00-00 00:00:00', b'1', '-101:00:00', 'Müßig', b'1');")
    answer = ask(database, "rows", "SELECT * FROM t")
    assert answer["rows"] == [["18446744073709551615", "ä", 2026, None, None, 1, "-101:00:00", "Müßig", {"base64": "AAE="}]]
    assert [column.get("type") for column in answer["columns"]] == ["integer", "text", "integer", "date", "timestamp",
                                                                    "boolean", "time", "text", "binary"]


@on_each
def test_a_text_of_a_megabyte_and_200_columns(database):
    columns = [f"spalte_{n}" for n in range(200)]
    database.run(f"CREATE TABLE lang (id INTEGER, txt {database.pick('TEXT', 'TEXT', 'LONGTEXT')}); "
                 f"CREATE TABLE breit ({', '.join(f'{name} INTEGER' for name in columns)}); "
                 f"INSERT INTO breit VALUES ({', '.join(str(n) for n in range(200))})")
    long = "ü😀x" * 150_000
    for begin in range(0, len(long), 90_000):  # no client takes a megabyte in one line
        part = long[begin:begin + 90_000]
        database.run(f"INSERT INTO lang VALUES ({begin}, '{part}');")
    joined = database.pick("group_concat(txt, '')", "string_agg(txt, '' ORDER BY id)",
                           "CONCAT((SELECT txt FROM lang WHERE id = 0), (SELECT txt FROM lang WHERE id = 90000), "
                           "(SELECT txt FROM lang WHERE id = 180000), (SELECT txt FROM lang WHERE id = 270000), "
                           "(SELECT txt FROM lang WHERE id = 360000))")
    origin = database.pick("(SELECT * FROM lang ORDER BY id) AS l", "lang", "(SELECT 1 AS one) AS o")
    assert rows(database, f"SELECT 1 AS a, {joined} AS txt, 2 AS b FROM {origin}") == [[1, long, 2]]
    answer = ask(database, "rows", "SELECT * FROM breit")
    assert answer["rows"] == [list(range(200))]
    assert [column["name"] for column in answer["columns"]] == columns


@on_each
def test_hostile_names_of_tables_and_columns(database):
    table = "we\"ird'tab`le; DROP TABLE k --"
    columns = ["a\"b'c`d", "select", "x; DELETE FROM k", "ä ö:ü", ":name", "%s%n", "[a]"]
    database.run(f"CREATE TABLE {database.name_of(table)} ({', '.join(database.name_of(name) + ' INTEGER' for name in columns)}); "
                 f"INSERT INTO {database.name_of(table)} VALUES ({', '.join(str(n) for n in range(len(columns)))});")
    answer = ask(database, "rows", f"SELECT {database.name_of(*columns)} FROM {database.name_of(table)}")
    assert answer["ok"], answer
    assert [column["name"] for column in answer["columns"]] == columns
    assert answer["rows"] == [list(range(len(columns)))]
    tables = ask(database, "tables")
    assert [(t["name"], [c["name"] for c in t["columns"]]) for t in tables["tables"]] == [(table, columns)]


@on("sqlite", "postgres", "psqlodbc")
def test_bytes_that_are_no_utf8(database):
    """SQLite hands on what is stored; a PostgreSQL that checks nothing itself does not send such bytes to a UTF-8 client."""
    if database.kind == "sqlite":
        assert rows(database, "SELECT CAST(x'41ff42' AS TEXT)") == [[{"base64": base64.b64encode(b"A\xffB").decode()}]]
        return
    database.use(database.server.new_database(encoding="SQL_ASCII"))
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO k VALUES (1, 'ü'), (2, E'A\\xffB')")
    assert rows(database, "SELECT name FROM k WHERE id = 1") == [["ü"]]
    assert "invalid byte sequence" in refusal(database, "SELECT name FROM k")


@on("sqlite")
def test_a_message_with_bytes_that_are_no_utf8_comes_through(database):
    """SQLite says in the database's own bytes what a view wants and does not find."""
    subprocess.run(["sqlite3", database.source["path"]], check=True,
                   input=b'CREATE TABLE "t\xff" (a); CREATE VIEW v AS SELECT a FROM "t\xff"; DROP TABLE "t\xff";')
    assert "no such table: main.t?" in refusal(database, "SELECT a FROM v")


@on("postgres")
def test_rows_are_the_same_whether_the_query_has_values_or_not(database):
    """Without values they come by COPY, which writes some characters in its own way; with them as libpq's results."""
    texts = ["", None, "\\N", "\\", "\\\\N", "a\tb", "\t", "zwei\nZeilen\n", "\r\n", "\b\f\v", "\x01\x1f\x7f", "\\.", "\\t", "ende\\", "n", "N",
             "ü\t😀\\ß", "\\\t\\\n\\", "x" * 100_000 + "\t\\"]
    quoted = ["NULL" if text is None else "'" + text.replace("'", "''") + "'" for text in texts]
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY, name TEXT, fest CHAR(4), wert NUMERIC(10, 2), bild BYTEA, da BOOLEAN); "
                 + "; ".join(f"INSERT INTO k VALUES ({n}, {text}, 'a\\', {n}.50, '\\x5c09', {n} % 2 = 0)"
                             for n, text in enumerate(quoted)))
    expected = [[text, n, "a\\", f"{n}.50", {"base64": base64.b64encode(b"\\\t").decode()}, int(n % 2 == 0)]
                for n, text in enumerate(texts)]
    select = "SELECT name, id, fest, wert, bild, da FROM k"
    assert rows(database, f"{select} ORDER BY id; -- all") == expected
    assert rows(database, f"{select} WHERE id >= :first ORDER BY id", parameters={"first": 0}) == expected
    assert rows(database, "(SELECT name FROM k ORDER BY id) -- alone") == [[text] for text in texts]
    assert rows(database, "VALUES ('a', 1), (NULL, 2)") == [["a", 1], [None, 2]]
    assert rows(database, "WITH w AS (SELECT 'a)' AS a) SELECT a, '' AS b FROM w") == [["a)", ""]]
    assert rows(database, "SELECT id FROM k WHERE id < 0") == []
    assert "division by zero" in refusal(database, "SELECT 1 / (id - 5) AS q FROM k ORDER BY id")
    assert rows(database, "SELECT id FROM k WHERE id = 1") == [[1]], "the transaction goes on"


# ---- parameters

@on_each
def test_parameters_are_bound_and_stay_values(database):
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY, name VARCHAR(80), betrag DECIMAL(10,2), seit DATE); "
                 "INSERT INTO k VALUES (1, 'O''Hara', 12.50, '2026-01-02'), (2, 'x'' OR 1=1 --', 3, NULL), (3, 'ü😀', 4, NULL)")
    def found(condition, **parameters):
        return [row[0] for row in rows(database, f"SELECT id FROM k WHERE {condition} ORDER BY id", parameters=parameters)]
    assert found("name = :name", name="O'Hara") == [1]
    assert found("name = :name", name="x' OR 1=1 --") == [2]
    assert found("name = :name OR name = :name OR id = :id", name="ü😀", id=1) == [1, 3]
    assert found("name = :name", name="'; DROP TABLE k; --") == []
    assert found("betrag = :betrag", betrag=12.5) == [1]
    assert found("betrag > :betrag", betrag=3) == [1, 3]
    assert found("seit = :tag", tag="2026-01-02") == [1]
    assert found("name = ':name' OR id = :id /* :comment */", id=2) == [2]
    assert found("id = :leer", leer=None) == []
    assert "»fehlt«" in refusal(database, "SELECT id FROM k WHERE id = :fehlt")


# ---- refusals

REFUSED = {
    "INSERT INTO k VALUES (9)": "INSERT",
    "UPDATE k SET id = 2": "UPDATE",
    "DELETE FROM k": "DELETE",
    "DROP TABLE k": "DROP",
    "WITH x AS (DELETE FROM k RETURNING id) SELECT * FROM x": "DELETE",
    "WITH x AS (SELECT 1) DELETE FROM k": "DELETE",
    "SELECT 1; SELECT 2": "second",
    "SELECT 1; DROP TABLE k": "second",
    ";": "empty",
    "-- nothing": "empty",
    "SELECT id FROM k FOR UPDATE": "lock",
    "SELECT 1 /*! INTO OUTFILE '/tmp/x' */": "comment",
    "CREATE TABLE neu (id INTEGER)": "CREATE",
    "GRANT ALL ON k TO reader": "GRANT",
}
REFUSED_BY = {
    "sqlite": {"ATTACH 'x.db' AS x": "ATTACH", "PRAGMA writable_schema = 1": "PRAGMA", "SELECT load_extension('x')": "load_extension",
               "VACUUM INTO 'x'": "VACUUM"},
    "postgres": {"SELECT * INTO neu FROM k": "INTO", "COPY k TO '/tmp/x'": "COPY", "COPY k TO PROGRAM 'id'": "COPY",
                 "SELECT pg_read_file('/etc/passwd')": "pg_read_file", "SELECT \"pg_read_file\"('/etc/passwd')": "pg_read_file",
                 "SELECT pg_sleep(60)": "pg_sleep", "SELECT pg_terminate_backend(1)": "pg_terminate_backend",
                 "SELECT lo_export(1, '/tmp/x')": "lo_export", "SELECT set_config('a.b', 'c', false)": "set_config",
                 "DO $$ BEGIN END $$": "DO", "SET ROLE owner": "SET"},
    "mariadb": {"SELECT * FROM k INTO OUTFILE '/tmp/x'": "INTO", "SELECT LOAD_FILE('/etc/passwd')": "LOAD_FILE",
                "SELECT SLEEP(60)": "SLEEP", "SELECT sleep (60)": "sleep", "SELECT BENCHMARK(1000000000, MD5('x'))": "BENCHMARK",
                "SELECT GET_LOCK('x', 1)": "GET_LOCK", "SELECT id INTO @x FROM k": "INTO", "LOAD DATA INFILE '/etc/passwd' INTO TABLE k": "LOAD",
                "CALL p()": "CALL", "SELECT id FROM k LOCK IN SHARE MODE": "lock", "SET @x = 1": "SET"},
}
REFUSED_BY["psqlodbc"] = REFUSED_BY["postgres"]


@on_each
def test_what_would_do_more_than_read_is_refused_with_the_reason(database):
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY); INSERT INTO k VALUES (1)")
    for sql, reason in {**REFUSED, **REFUSED_BY[database.kind]}.items():
        for mode in ("rows", "columns"):
            answer = ask(database, mode, sql, key="id")
            assert not answer["ok"] and reason.lower() in answer["message"].lower(), (sql, answer)
            assert answer.get("message_de"), (sql, answer)
    assert rows(database, "SELECT id FROM k") == [[1]]


@on(*[kind for kind in DRIVERS if kind != "sqlite"])
def test_the_connection_itself_cannot_write(database):
    """What the guard does not know: a function of the site's that writes."""
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY)")
    database.run(database.pick(
        None, "CREATE FUNCTION schreibe() RETURNS INTEGER LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO k VALUES (1) RETURNING id $$",
        "DELIMITER //\nCREATE FUNCTION schreibe() RETURNS INTEGER MODIFIES SQL DATA SQL SECURITY DEFINER "
        "BEGIN INSERT INTO k VALUES (1); RETURN 1; END //\nGRANT EXECUTE ON FUNCTION schreibe TO reader@localhost //\n"))
    assert "read" in refusal(database, "SELECT schreibe() AS id").lower()
    assert rows(database, "SELECT id FROM k") == []


# ---- errors

@on_each
def test_a_syntax_error_has_its_position(database):
    database.run("CREATE TABLE kunde (id INTEGER, vorname VARCHAR(20))")
    message = refusal(database, "SELECT id,\n       vorname\nFROM kunde\nWERE id = 1 AND 2")
    assert "shop" in message
    if database.kind == "psqlodbc":
        assert message.endswith('syntax error at or near "id"'), message
    else:
        assert "line 4" in message, message
        early = refusal(database, "SELECT id\nFORM kunde WHERE\n\tid > 1 ORDER BY vorname, id\n" + "-- " + "x" * 100)
        assert "line 2" in early and "kunde" in early, early
        ended = refusal(database, "SELECT id FROM kunde WHERE ")
        assert "at its end" in ended or "incomplete input" in ended, ended
    assert "shop" in refusal(database, "SELECT id FROM kunde WHERE")


@on_each
def test_a_missing_column_or_table_comes_with_the_nearest(database):
    database.run("CREATE TABLE kunde (id INTEGER, vorname VARCHAR(20))")
    assert "vorname" in refusal(database, "SELECT id, vornme FROM kunde")
    assert "»kunde«" in refusal(database, "SELECT id FROM kunden")


@on_each
def test_keys_that_are_missing_null_or_twice(database, tmp_path):
    database.run("CREATE TABLE k (id INTEGER, name VARCHAR(20)); INSERT INTO k VALUES (1, 'a'), (2, 'b'), (2, 'c'), (NULL, 'd')")
    message = refusal(database, "SELECT id, name FROM k", mode="snapshot", key="Id", out=tmp_path / "1.rows.db")
    assert "the key column »Id« of group »g« is not in its query (»id«?)" in message and not list(tmp_path.glob("*rows*"))
    answer = ask(database, "snapshot", "SELECT id, name FROM k ORDER BY name", key="id", out=tmp_path / "1.rows.db")
    assert answer["ok"] and answer["recipients"] == 2 and answer["left_out"] == {"duplicate": 1, "no key": 1}, answer


@on_each
def test_a_clash_of_types_is_the_databases_to_tell(database):
    """PostgreSQL refuses to compare a text with a number; the others convert."""
    database.run("CREATE TABLE k (id INTEGER, name VARCHAR(20)); INSERT INTO k VALUES (1, '5')")
    query = "SELECT id FROM k\nWHERE name = 5"
    if database.is_postgres:
        message = refusal(database, query)
        assert "operator does not exist" in message and ("line 2" in message or database.kind == "psqlodbc"), message
    else:
        assert rows(database, query) == [[1]]


@on_each
def test_what_cannot_be_reached_says_so(database):
    if database.kind == "sqlite":
        database.source["path"] += "x"
        message = refusal(database, "SELECT 1")
        assert "shop" in message and "site.dbx" in message
        return
    working = database.source["connection"]
    for reached in (working.replace(str(database.server.folder), "/tmp/nobody-here"), working.replace(database.name, "nothere")):
        database.source["connection"] = reached
        message = refusal(database, "SELECT 1")
        assert "shop" in message and "connect" in message, message
        assert "reader;" not in message and "UID=" not in message, message


@on(*SERVERS, "psqlodbc")
def test_a_wrong_password_is_refused_and_none_is_told(database):
    database.source["password"] = "geheim;}x"
    reader = Reader(request(database, "rows", "SELECT 1"))
    answer = reader.answer()
    assert not answer["ok"] and "shop" in answer["message"]
    assert "geheim" not in json.dumps(answer) + reader.errors.decode()


def test_an_odbc_driver_that_is_not_there(tmp_path, mariadb):
    database = Database("mariadb", tmp_path, mariadb)
    database.source["connection"] = "Driver=No such;Server=x"
    assert "No such" in refusal(database, "SELECT 1")
    database.source["connection"] = "DSN=nowhere"
    assert "Data source name not found" in refusal(database, "SELECT 1")


@pytest.mark.parametrize("driver, connection", [
    ("odbc", "Driver=MariaDB Unicode;SERVER=127.0.0.1;PORT={port};UID=reader;DATABASE=x"),
    ("odbc", "Driver=PostgreSQL Unicode;Servername=127.0.0.1;Port={port};UID=reader;Database=x"),
    ("postgres", "host=127.0.0.1 port={port} user=reader dbname=x connect_timeout=2"),
], ids=["mariadb", "psqlodbc", "postgres"])
def test_a_server_that_never_speaks_is_given_up(tmp_path, driver, connection):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database("sqlite", tmp_path, None)
        database.source = {"driver": driver, "connection": connection.format(port=silent.getsockname()[1]), "password": PASSWORD}
        begun = time.monotonic()
        assert "cannot connect" in refusal(database, "SELECT 1", time_limit_us=1_000_000)
        assert time.monotonic() - begun < 10 * PATIENCE


def slow_rows(database):
    """A query whose rows take a while, the first of them at once where the server hands on rows as they come."""
    return (f"SELECT s.n AS id, (SELECT count(*) FROM {database.series(20_000)} AS b WHERE b.n % 7 = s.n % 7) AS z "
            f"FROM {database.series(20_000)} AS s")


def running_statement(database):
    """The server's number of the reader's connection once it works, else None."""
    if database.is_mariadb:
        found = database.server.sql("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'reader' AND info LIKE '%seq_1_to%'")
    else:
        found = database.server.sql(f"SELECT pid FROM pg_stat_activity WHERE usename = 'reader' AND datname = '{database.name}' "
                                    "AND state = 'active' AND now() - query_start > interval '0.3 s'")
    return found.split()[0] if found.split() else None


@on_each
def test_a_slow_query_ends_at_its_time_limit(database):
    many = database.series(30_000)
    begun = time.monotonic()
    message = refusal(database, f"SELECT count(*) AS id FROM {many} AS a, {many} AS b WHERE (a.n * 7 + b.n * 3) % 11 = 5",
                      time_limit_us=1_000_000)
    assert "time_limit" in message and "1 s" in message, message
    assert time.monotonic() - begun < 8 * PATIENCE
    if database.server:  # nor does it go on for nobody
        until(lambda: not running_statement(database), 5, "the server to have ended it")


@on(*SERVERS, "psqlodbc")
def test_a_query_of_a_reader_that_dies_ends_on_the_server(database):
    reader = Reader(request(database, "rows", slow_rows(database)))
    until(lambda: running_statement(database), 20, "the query to run")
    reader.process.kill()
    reader.process.communicate()
    reader.watch.join()
    until(lambda: not running_statement(database), 30, "the server to have noticed")


@on(*SERVERS, "psqlodbc")
def test_a_connection_killed_halfway_leaves_no_file(database, tmp_path):
    reader = Reader(request(database, "snapshot", slow_rows(database), key="id", out=tmp_path / "1.rows.db"))
    number = until(lambda: running_statement(database), 20, "the query to run")
    database.server.sql(f"KILL {number}" if database.is_mariadb else f"SELECT pg_terminate_backend({number})")
    answer = reader.answer()
    assert not answer["ok"] and "»shop«: the connection to its server was lost" in answer["message"], answer
    assert [file.name for file in tmp_path.iterdir() if "rows" in file.name] == []


@on(*SERVERS)
def test_a_server_killed_halfway_leaves_no_file(database, tmp_path):
    reader = Reader(request(database, "snapshot", slow_rows(database), key="id", out=tmp_path / "1.rows.db"))
    until(lambda: running_statement(database), 20, "the query to run")
    database.server.kill()
    try:
        answer = reader.answer()
    finally:
        database.server.start()
    assert not answer["ok"] and "shop" in answer["message"], answer
    assert "connection" in answer["message"] or "server" in answer["message"], answer
    assert [file.name for file in tmp_path.iterdir() if "rows" in file.name] == []


@on_each
def test_more_rows_than_max_rows_are_refused(database, tmp_path):
    many = f"SELECT n AS id FROM {database.series(101)} AS s"
    out = tmp_path / "1.rows.db"
    message = refusal(database, many, mode="snapshot", key="id", out=out, max_rows=100)
    assert "max_rows" in message and "100" in message
    assert not out.exists()
    answer = ask(database, "snapshot", many, key="id", out=out, max_rows=101)
    assert answer["ok"] and answer["recipients"] == 101


@on("sqlite", "postgres")
def test_a_query_of_which_nobody_wants_more_is_stopped(database, tmp_path):
    quick, many = database.series(8_000), database.series(60_000)  # what is read ahead, and what never ends
    begun = time.monotonic()
    message = refusal(database, f"SELECT n AS id FROM {quick} AS s UNION ALL SELECT count(*) FROM {many} AS a, {many} AS b "
                      "WHERE (a.n * 7 + b.n * 3) % 11 = 5", mode="snapshot", key="id", out=tmp_path / "1.rows.db", max_rows=100,
                      time_limit_us=50_000_000)
    assert "max_rows" in message, message
    assert time.monotonic() - begun < 40, "it was waited for until its time was over"


# ---- one state, bounded memory

@on(*SERVERS, "psqlodbc")
def test_all_statements_of_one_reading_see_one_state(database):
    database.run("CREATE TABLE k (id INTEGER PRIMARY KEY); INSERT INTO k VALUES (1)")
    many = database.series(6_000)
    slow = f"SELECT count(*) AS id FROM {many} AS a, {many} AS b WHERE (a.n * 7 + b.n * 3) % 11 = 5"
    reader = Reader({**request(database, "groups"), "groups": [
        {"name": "first", "sql": slow, "built": None, "key": None}, {"name": "then", "sql": "SELECT id FROM k", "built": None, "key": None}]})
    until(lambda: running_statement(database), 20, "the first query to run")
    database.run("INSERT INTO k VALUES (2)")
    assert running_statement(database), "the first query was over before there was a second row"
    answer = reader.answer()
    assert answer["ok"] and answer["groups"] == [{"name": "first", "count": 1}, {"name": "then", "count": 1}], answer
    assert rows(database, "SELECT count(*) AS id FROM k") == [[2]]


@on(*SERVERS, "psqlodbc")
def test_tables_are_described(database):
    loaded = northwind.load_mariadb(database.server) if database.is_mariadb else northwind.load_postgres(database.server)
    database.use(loaded)
    answer = ask(database, "tables")
    tables = {table["name"]: table for table in answer["tables"]}
    assert set(tables) == set(northwind.ROWS) | {"Order Subtotals"}
    assert list(tables) == sorted(tables)
    assert tables["Order Subtotals"]["kind"] == "view" and tables["Orders"]["kind"] == "table"
    columns = {column["name"]: column for column in tables["Orders"]["columns"]}
    assert list(columns)[:4] == ["OrderID", "CustomerID", "EmployeeID", "OrderDate"]
    assert {name: columns[name]["type"] for name in ("OrderID", "CustomerID", "OrderDate", "Freight")} == {
        "OrderID": "integer", "CustomerID": "text", "OrderDate": "timestamp", "Freight": "decimal"}
    assert [columns[name]["key"] for name in ("OrderID", "CustomerID")] == [1, 0]
    assert columns["CustomerID"]["nullable"] and not columns["OrderID"]["nullable"]
    assert {c["name"]: c["type"] for c in tables["Products"]["columns"]}["Discontinued"] == "boolean"
    assert {c["name"]: c["key"] for c in tables["Order Details"]["columns"] if c["key"]} == {"OrderID": 1, "ProductID": 2}
    keys = sorted(tables["Orders"]["foreign_keys"], key=lambda key: key["table"])
    assert [{name: key[name] for name in ("columns", "table", "to")} for key in keys] == [
        {"columns": ["CustomerID"], "table": "Customers", "to": ["CustomerID"]},
        {"columns": ["EmployeeID"], "table": "Employees", "to": ["EmployeeID"]},
        {"columns": ["ShipVia"], "table": "Shippers", "to": ["ShipperID"]}]


@on_each
def test_keys_of_two_columns_stay_together(database):
    database.run("CREATE TABLE a (x INTEGER NOT NULL, y INTEGER NOT NULL, PRIMARY KEY (y, x)); "
                 "CREATE TABLE b (id INTEGER PRIMARY KEY, ax INTEGER, ay INTEGER, einzeln INTEGER, "
                 "FOREIGN KEY (ay, ax) REFERENCES a (y, x), FOREIGN KEY (einzeln) REFERENCES b (id))")
    answer = ask(database, "tables")
    assert answer["ok"], answer
    a, b = answer["tables"]
    assert [(column["name"], column["key"]) for column in a["columns"]] == [("x", 2), ("y", 1)]
    assert sorted((key["columns"], key["table"], key["to"]) for key in b["foreign_keys"]) == [
        (["ay", "ax"], "a", ["y", "x"]), (["einzeln"], "b", ["id"])]


@on_each
def test_a_name_is_no_pattern(database):
    database.run("CREATE TABLE t_1 (a INTEGER); CREATE TABLE tx1 (b INTEGER)")
    answer = ask(database, "tables")
    assert [(t["name"], [c["name"] for c in t["columns"]]) for t in answer["tables"]] == [("t_1", ["a"]), ("tx1", ["b"])]


def largest_size_kb(database, count, out):
    text = database.pick("printf('Kundin Nr. %d Müller', n)", "'Kundin Nr. ' || n || ' Müller'", "CONCAT('Kundin Nr. ', n, ' Müller')")
    reader = Reader(request(database, "snapshot", f"SELECT n AS id, {text} AS name, n % 7 AS rest FROM {database.series(count)} AS s",
                            key="id", out=out, time_limit_us=300_000_000))
    answer = reader.answer(timeout=300)
    assert answer["ok"] and answer["recipients"] == count, answer
    return reader.hwm_kb


def mariadb_streams():
    """Debian 12's driver keeps all rows of a result; from 3.1.17 on it hands them on."""
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "odbc-mariadb"], capture_output=True, text=True).stdout
    return tuple(int(part) for part in version.split("-")[0].split(".")) >= (3, 1, 17)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory grows")
@on("sqlite", "postgres", "mariadb")
def test_memory_does_not_grow_with_the_rows(database, tmp_path):
    few, many = 200_000, 1_000_000  # the caches of a few megabytes are full before
    small = largest_size_kb(database, few, tmp_path / "few.rows.db")
    large = largest_size_kb(database, many, tmp_path / "many.rows.db")
    if database.is_mariadb and not mariadb_streams():
        assert large - small < 120 * (many - few) / 1024, "a row that the driver keeps"
    else:
        assert large - small < 12_000, (small, large)


# ---- through a daemon

@on_each
def test_a_campaign_runs_on_each_database(database, new_site):
    database.run("CREATE TABLE kunde (id INTEGER PRIMARY KEY, name VARCHAR(40), betrag DECIMAL(10,2))")
    database.run("INSERT INTO kunde VALUES " + ", ".join(f"({n}, 'Müller {n}', {n}.5)" for n in range(1, 301)))
    site = site_on(new_site, database)
    site.query(sql="SELECT id, name, betrag FROM kunde WHERE id <= 250 ORDER BY id", source="shop")
    shown = site.ctl("query", "run", "alle", "--limit", "3")
    assert "Müller 1" in shown and "Müller 3" in shown and "Müller 4" not in shown
    site.campaign("C", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    assert "250" in site.ctl("campaign", "check", "C")
    run = site.start_run("C")
    assert site.wait_run(run)["state"] == "done"
    assert site.acts() == {str(n): 1 for n in range(1, 251)}
    assert PASSWORD not in site.log()


@on(*SERVERS)
def test_a_source_that_went_away_fails_the_check_and_nothing_else(database, new_site):
    database.run("CREATE TABLE kunde (id INTEGER PRIMARY KEY); INSERT INTO kunde VALUES (1)")
    site = site_on(new_site, database)
    site.query(sql="SELECT id FROM kunde", source="shop")
    site.campaign("C", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    before = site.api("GET", "/v1/campaigns/C")
    database.server.kill()
    try:
        failed = site.ctl("campaign", "start", "C", check=False)
        assert failed.returncode != 0 and "shop" in failed.stdout + failed.stderr
        assert site.api("GET", "/v1/campaigns/C") == before
    finally:
        database.server.start()
    run = site.start_run("C")
    assert site.wait_run(run)["state"] == "done"


HOSTILE = {
    1: "O'Hara \"Bobby\"; DROP TABLE kunde; --", 2: "{{name}} {{#lines}} <b>&amp;</b><script>alert(1)</script>", 3: "\\ %s %n $1 ?1 :id \t",
    4: "Zeile 1\r\nZeile 2", 5: "😀 Łódź 東京 ﷽ \u202eumgekehrt", 6: "\x01\x1b[2J\x7f", 7: "", 8: None,
    9: "x" * 1_000_000}  # no letter can hold such a word
KEYS = ("O'Hara", 'k"2', "k;3", "k 4", "Schlüssel 5", "{{k6}}", "<7>", "%s", "\\9")


@on_each
def test_hostile_names_and_values_go_through_a_run(database, new_site):
    """From the query into a list, a letter and a run: nothing of it becomes SQL, markup, a path or another value."""
    table, column = "we\"ird'tab`le; --", "na\"m'e`; --"
    long = database.pick("TEXT", "TEXT", "LONGTEXT")
    database.run(f"CREATE TABLE {database.name_of(table)} (nr INTEGER, k VARCHAR(40), {database.name_of(column)} {long}, "
                 f"{', '.join(f's{n} INTEGER' for n in range(200))})")

    def literal(text):
        """A text as the three write it, whatever it holds."""
        if text is None or text == "":
            return "NULL" if text is None else "''"
        hexed = text.encode().hex()
        return database.pick(f"CAST(x'{hexed}' AS TEXT)", f"convert_from('\\x{hexed}', 'UTF8')", f"CONVERT(x'{hexed}' USING utf8mb4)")

    numbers = ", ".join(str(n) for n in range(200))
    for (number, text), key in zip(HOSTILE.items(), KEYS):
        value = literal(text) if number != 9 else database.pick("replace(hex(zeroblob(500000)), '0', 'x')", "repeat('x', 1000000)",
                                                                 "repeat('x', 1000000)")
        database.run(f"INSERT INTO {database.name_of(table)} VALUES ({number}, {literal(key)}, {value}, {numbers});")
    site = site_on(new_site, database, actions={"null": {"plugin": "nothing"}, "letter": {"plugin": "print"}})
    name = f"{database.name_of(column)}"
    site.query(sql=f"SELECT k, {name}, {name} AS name, nr, {', '.join(f's{n}' for n in range(200))} FROM {database.name_of(table)} "
                   "ORDER BY nr", key="k", source="shop")
    csv.field_size_limit(4 << 20)
    for noun, subject in (("queries", "alle"), ("campaigns", "C'\"; --/%s")):
        if noun == "campaigns":
            site.report("Brief", "<p>Guten Tag {{name}}!</p>")
            site.campaign(subject, [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}},
                                    {"name": "brief", "action": "letter", "parameters": {"report": "Brief"}}], filter="s199 = 199")
        where = f"/v1/{noun}/{urllib.parse.quote(subject, safe='')}/list"
        listed = list(csv.reader(io.StringIO(site.api("POST", where, {}, raw=True).decode(), newline="")))
        assert listed[0][:4] == ["k", column, "name", "nr"]
        assert [row[:4] for row in listed[1:]] == [[key, text or "", text or "", str(number)]
                                                   for (number, text), key in zip(HOSTILE.items(), KEYS)]
        lines = [json.loads(line) for line in site.api("POST", where, {"format": "jsonl"}, raw=True).decode().splitlines()]
        assert [(row["k"], row[column], row["nr"], row["s199"]) for row in lines] == [
            (key, text, number, 199) for (number, text), key in zip(HOSTILE.items(), KEYS)]
    run = site.wait_run(site.start_run(subject), timeout=60)
    assert run["state"] == "done" and run["recipients"] == 9 and [step["delivered"] for step in run["steps"]] == [9, 8], run
    rejected = site.api("GET", f"/v1/runs/{run['number']}/tasks?outcome=rejected")
    assert [task["recipient"] for task in rejected] == ["\\9"] and "a word has more than 1000 letters" in rejected[0]["text"]
    assert {key for key in KEYS if " " not in key} <= set(site.acts())
    letters = {entry["recipient"]: entry for entry in site.api("GET", f"/v1/archive?run={run['number']}")}
    assert set(letters) == set(KEYS[:-1]) and site.ctl("archive", "verify", json_output=True)["ok"]

    def letter(key):
        entry = letters[key]
        data = site.api("GET", f"/v1/archive/{entry['run']}/{entry['document']}", raw=True)
        return " ".join(subprocess.run(["pdftotext", "-layout", "-", "-"], input=data, capture_output=True, check=True).stdout.decode().split())
    for number in (1, 2):
        assert f"Guten Tag {HOSTILE[number]}!" in letter(KEYS[number - 1])
    assert database.kind != "sqlite" or sqlite3.connect(database.file).execute(f"SELECT count(*) FROM {database.name_of(table)}").fetchone() == (9,)


@on(*SERVERS)
def test_a_server_killed_while_a_campaign_starts_leaves_it_as_it_was(database, new_site):
    site = site_on(new_site, database)
    site.query(sql=slow_rows(database), source="shop")
    site.campaign("C", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    before = site.api("GET", "/v1/campaigns/C")
    starting = subprocess.Popen([BUILD / "campaignctl", "--socket", site.socket, "campaign", "start", "C"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
    until(lambda: running_statement(database), 20, "the query to run")
    database.server.kill()
    try:
        _, told = starting.communicate(timeout=30 * PATIENCE)
        assert starting.returncode == 1 and "shop" in told and ("connection" in told or "server" in told), told
        (run,) = site.api("GET", "/v1/runs")
        after = site.api("GET", "/v1/campaigns/C")
        assert run["state"] == after["last_run"]["state"] == "failed" and {**after, "last_run": None} == before
        assert [file.name for file in site.state.rglob("*") if "rows" in file.name or file.name == "1.db"] == []
        site.restart()  # nor does it need its sources to start
        assert site.api("POST", "/v1/sources/shop/test")["ok"] is False
    finally:
        database.server.start()
    assert site.api("POST", "/v1/sources/shop/test")["ok"] is True


# ---- one built query, the same recipients everywhere

BUILT = {
    "from": "Customers",
    "joins": [{"table": "Orders"}, {"table": "Shippers"}],
    "fields": [{"field": "Customers.CustomerID"}, {"field": "Customers.CompanyName"}, {"field": "Customers.City"},
               {"field": "Orders.OrderID", "function": "count", "as": "orders"},
               {"field": "Orders.Freight", "function": "sum", "as": "freight"},
               {"field": "Orders.OrderDate", "function": "max", "as": "latest"}],
    "where": {"and": [
        {"or": [{"field": "Customers.Country", "is": "in", "values": ["Germany", "Austria", "Brazil"]},
                {"field": "Customers.City", "is": "starts with", "value": "Lon"}]},
        {"field": "Orders.OrderDate", "is": "between", "values": ["1997-01-01", "1997-12-31"]},
        {"field": "Orders.Freight", "is": ">=", "value": 10.5},
        {"not": {"field": "Customers.ContactTitle", "is": "contains", "value": "Owner"}},
        {"field": "Customers.Region", "is": "is empty"},
        {"field": "Shippers.CompanyName", "is": "<>", "parameter": "shipper"}]},
    "order": [{"field": "Customers.CompanyName", "descending": True}],
}
BY_HAND = """
SELECT c.CustomerID, c.CompanyName, c.City, COUNT(*), ROUND(SUM(o.Freight), 2), SUBSTR(MAX(o.OrderDate), 1, 10)
FROM Customers c JOIN Orders o ON o.CustomerID = c.CustomerID JOIN Shippers s ON s.ShipperID = o.ShipVia
WHERE (c.Country IN ('Germany', 'Austria', 'Brazil') OR c.City LIKE 'Lon%') AND SUBSTR(o.OrderDate, 1, 4) = '1997'
AND o.Freight >= 10.5 AND c.ContactTitle NOT LIKE '%Owner%' AND (c.Region IS NULL OR c.Region = '')
AND s.CompanyName <> 'Speedy Express'
GROUP BY c.CustomerID ORDER BY c.CompanyName DESC"""


def test_a_built_query_finds_the_same_recipients_on_all_three(tmp_path, new_site, postgres, mariadb):
    file = northwind.load_sqlite(tmp_path / "northwind.db")
    with contextlib.closing(sqlite3.connect(file)) as db:
        expected = db.execute(BY_HAND).fetchall()
    assert len(expected) > 10
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    secret.chmod(0o600)
    password = f"file:{secret}"
    site = new_site()
    site.start(sources={"lite": {"driver": "sqlite", "path": file},
                        "pg": postgres.source(northwind.load_postgres(postgres), password=password),
                        "maria": mariadb.source(northwind.load_mariadb(mariadb), password=password)})
    for source in ("lite", "pg", "maria"):
        site.api("POST", "/v1/queries", {
            "name": source, "source": source, "parameters": [{"name": "shipper", "type": "text"}], "groups": [
            {"name": "g", "built": BUILT, "key": "CustomerID", "fields": []}]})
        site.campaign(f"C {source}", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}],
                      query=source, parameters={"shipper": "Speedy Express"})
        run = site.start_run(f"C {source}")
        assert site.wait_run(run)["state"] == "done"
        rows_file = next((site.state / "runs").glob(f"{run}.*rows.db"))
        with contextlib.closing(sqlite3.connect(f"file:{rows_file}?mode=ro", uri=True)) as db:
            got = [(key, name, city, orders, round(float(freight), 2), latest[:10]) for key, name, city, orders, freight, latest
                   in db.execute("SELECT key, c1, c2, c3, c4, c5 FROM recipient ORDER BY ordinal")]
        # A server orders by its own rules: umlauts may lie elsewhere, but each recipient is the same.
        assert sorted(got) == sorted(expected), source
        plain = [row for row in got if row[1].isascii()]
        assert plain == [row for row in expected if row[1].isascii()], source
