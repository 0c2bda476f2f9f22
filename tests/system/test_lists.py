"""Lists of queries and campaigns as CSV, JSON lines and tables; CSV files as tables of the source "imports"."""
import csv
import fcntl
import io
import itertools
import json
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import termios
import time
import unicodedata
import urllib.parse

import pytest

from conftest import BUILD, SANITIZED, Failed, until

COLUMNS = ["id", "name", "betrag", "anteil", "seit", "ok", "bild", "plz"]
CUSTOMERS = [
    (1, 'Müller, "Jo"\r\n;|x', 12.5, 0.1, "2026-01-02", 1, b"\0\xff", "01067"),
    (2, "", -3, 0.1 + 0.2, "0001-01-01", 0, b"", ""),
    (3, None, None, None, None, None, None, None),
    (4, "Łódź 東京 😀 'Apostroph' \\ %s \t Tab", 1234567.89, 1e300, "9999-12-31", 1, b"x" * 100, "8010"),
    (5, "x" * 100_000, 0, -0.5, "2026-02-28", 0, b"\xf8", " "),
]


def make_customers(site):
    db = sqlite3.connect(site.customers_db)
    db.execute("CREATE TABLE k (id INTEGER PRIMARY KEY, name TEXT, betrag DECIMAL(10,2), anteil DOUBLE, seit DATE, ok BOOLEAN, "
               "bild BLOB, plz TEXT)")
    db.executemany("INSERT INTO k VALUES (?, ?, ?, ?, ?, ?, ?, ?)", CUSTOMERS)
    db.commit()
    db.close()


@pytest.fixture
def shop(site):
    make_customers(site)
    site.start(sources={"kunden": {"driver": "sqlite", "path": site.customers_db},
                        "knapp": {"driver": "sqlite", "path": site.customers_db, "max_rows": 3}})
    return site


BOTH = (("query", "alle"), ("campaign", "C"))  # two ways to the same list


@pytest.fixture
def listed(shop):
    shop.query(sql="SELECT * FROM k ORDER BY id")
    shop.campaign("C", [{"name": "eins", "action": "null"}])
    return shop


def series(count):
    return f"WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {count})"


def export(site, noun, name, *options, output=None):
    """What campaignctl writes, as bytes, to a pipe or into a file."""
    to = ["-o", str(output)] if output else []
    done = subprocess.run([BUILD / "campaignctl", "--socket", site.socket, "--lang", "en", noun, "export", name, *options, *to],
                          capture_output=True, timeout=120, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr.decode()
    return output.read_bytes() if output else done.stdout


def by_api(site, noun, name, **body):
    collection = {"query": "queries", "campaign": "campaigns"}[noun]
    return site.api("POST", f"/v1/{collection}/{urllib.parse.quote(name, safe='')}/list", body, raw=True, timeout=120)


def refused(site, *arguments):
    """(exit code, message) of a campaignctl that must fail and write nothing to standard output."""
    done = site.ctl("--lang", "en", *arguments, check=False)
    assert done.returncode and not done.stdout, done
    return done.returncode, done.stderr


def read_csv(data, **options):
    csv.field_size_limit(4 << 20)
    return list(csv.reader(io.StringIO(data.decode(), newline=""), **options))


# ---- CSV


def test_csv_reads_back_as_it_was(listed, tmp_path):
    for noun, name in BOTH:
        data = export(listed, noun, name)
        assert data == export(listed, noun, name, output=tmp_path / "out.csv") == by_api(listed, noun, name)
        rows = read_csv(data)
        assert rows[0] == COLUMNS
        for row, (number, text, amount, share, since, ok, picture, postcode) in zip(rows[1:], CUSTOMERS, strict=True):
            assert row[0] == str(number) and row[1] == (text or "") and row[7] == (postcode or "")
            assert [float(cell) if cell else None for cell in (row[2], row[3])] == [amount, share]
            assert row[4] == (since or "") and row[5] == ("" if ok is None else str(ok))
        assert rows[1][6] == "AP8=" and rows[5][6] == "+A=="


def test_csv_is_what_rfc_4180_says(listed):
    for noun, name in BOTH:
        lines = export(listed, noun, name).split(b"\r\n")
        assert lines[0] == ",".join(COLUMNS).encode() and lines[-1] == b""
        assert lines[1] == '1,"Müller, ""Jo""'.encode() and lines[2] == b';|x",12.5,0.1,2026-01-02,1,AP8=,01067'
        assert lines[3] == b'2,"",-3,0.30000000000000004,0001-01-01,0,"",""' and lines[4] == b"3,,,,,,,", "NULL is not an empty text"


def test_csv_with_another_separator_and_mark(listed):
    for (noun, name), (separator, given) in itertools.product(BOTH, ((";", ";"), ("\t", "\\t"), ("|", "|"))):
        data = export(listed, noun, name, "--separator", given, "--bom")
        assert data == by_api(listed, noun, name, separator=separator, byte_order_mark=True)
        assert data.startswith(b"\xef\xbb\xbf") and [row[1] for row in read_csv(data[3:], delimiter=separator)][1:] == [
            row[1] or "" for row in CUSTOMERS]


def test_a_row_of_one_null_is_a_row(shop):
    shop.query("eins", "SELECT name FROM k WHERE id IN (2, 3) ORDER BY id")
    assert export(shop, "query", "eins") == b'name\r\n""\r\n""\r\n'


def test_text_that_is_none_is_told_as_bytes(shop):
    shop.query("bytes", "SELECT 1 AS id, CAST(x'41ff' AS TEXT) AS a, CAST(x'410042' AS TEXT) AS b")
    assert export(shop, "query", "bytes") == b"id,a,b\r\n1,Qf8=,QQBC\r\n"
    assert json.loads(export(shop, "query", "bytes", "--format", "jsonl")) == {"id": 1, "a": {"base64": "Qf8="}, "b": {"base64": "QQBC"}}
    assert shop.ctl("query", "run", "bytes", json_output=True)["rows"] == [[1, {"base64": "Qf8="}, {"base64": "QQBC"}]]
    assert "(2 bytes)" in export(shop, "query", "bytes", "--format", "table").decode()


def test_formulas_are_guarded_if_asked_for(shop):
    texts = ["=1+1", "+49 171 1234567", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "=HYPERLINK(\"http://x\";\"y\")", "a=1", "'", ""]
    db = sqlite3.connect(shop.customers_db)
    db.execute("CREATE TABLE f (id INTEGER, betrag DECIMAL(10,2), t TEXT)")
    db.executemany("INSERT INTO f VALUES (?, ?, ?)", [(-n, -n / 4, text) for n, text in enumerate(texts)])
    db.execute("INSERT INTO f VALUES (-99, '=1+1', 'no number in a column of numbers')")
    db.commit()
    db.close()
    shop.query("f", 'SELECT id, betrag, t AS "=t" FROM f ORDER BY id DESC')
    plain = read_csv(export(shop, "query", "f"))
    assert plain[0][2] == "=t" and [row[2] for row in plain[1:-1]] == texts
    guarded = read_csv(export(shop, "query", "f", "--formula-guard"))
    assert guarded[0][2] == "'=t" and [row[2] for row in guarded[1:-1]] == ["'" + text for text in texts[:9]] + texts[9:]
    assert [row[:2] for row in guarded[1:-1]] == [row[:2] for row in plain[1:-1]], "numbers stay"
    assert guarded[-1][1] == "'=1+1"


# ---- JSON lines


def test_json_lines_keep_types(listed):
    for noun, name in BOTH:
        lines = export(listed, noun, name, "--format", "jsonl").decode().split("\n")
        assert lines.pop() == ""
        for line, (number, text, amount, share, since, ok, _, postcode) in zip(lines, CUSTOMERS, strict=True):
            row = json.loads(line)
            assert list(row) == COLUMNS and row | {"bild": None} == dict(zip(COLUMNS, (
                number, text, amount, share, since, None if ok is None else bool(ok), None, postcode)))
        assert json.loads(lines[0])["bild"] == {"base64": "AP8="} and json.loads(lines[2])["bild"] is None


def test_columns_of_one_name(shop):
    shop.query("zwei", "SELECT id, id, '' AS \"\" FROM k WHERE id = 1")
    assert export(shop, "query", "zwei") == b'id,id,""\r\n1,1,""\r\n'
    for form in ("jsonl", "table"):
        code, said = refused(shop, "query", "export", "zwei", "--format", form)
        assert code == 1 and "two columns of the query are called »id«" in said and "AS" in said


def test_an_empty_list_is_a_whole_one(shop, tmp_path):
    shop.query("leer", "SELECT id, name FROM k WHERE 0")
    assert export(shop, "query", "leer") == b"id,name\r\n"
    assert export(shop, "query", "leer", "--format", "jsonl", output=tmp_path / "leer") == b""
    assert "0 rows in all" in export(shop, "query", "leer", "--format", "table").decode()


# ---- what is in it


def test_a_campaigns_list_is_who_a_start_would_take_in_the_querys_order(shop):
    db = sqlite3.connect(shop.customers_db)
    db.executescript("CREATE TABLE p (id TEXT, email TEXT); INSERT INTO p VALUES ('b', 'b@x.org'), ('a', 'a@x.org'), ('c', 'c@x.org'), "
                     "('d', 'd@x.org'), (NULL, 'e@x.org'), ('a', 'a@x.org')")
    db.close()
    shop.query("p", "SELECT id, email FROM p ORDER BY email DESC", fields=[{"name": "email", "role": "email"}])
    shop.campaign("P", [{"name": "eins", "action": "null"}], query="p", filter="id <> 'd'")
    shop.ctl("suppress", "add", "c", "--person", "--scope", "all")
    assert export(shop, "campaign", "P") == b"id,email\r\nb,b@x.org\r\na,a@x.org\r\n"
    assert len(read_csv(export(shop, "query", "p"))) == 7


def test_a_group_and_its_parameters(shop):
    shop.api("POST", "/v1/queries", {"name": "q", "source": "kunden", "parameters": [{"name": "plz", "type": "text"}], "groups": [
        {"name": "a", "key": "id", "sql": "SELECT id FROM k WHERE plz = :plz"}, {"name": "b", "key": "id", "sql": "SELECT id, name FROM k"}]})
    assert export(shop, "query", "q", "--group", "a", "-p", "plz=01067") == b"id\r\n1\r\n"
    assert refused(shop, "query", "export", "q")[0] == 1


def test_a_built_querys_limit_order_and_hidden_columns(site):
    make_customers(site)
    (site.folder / "catalogue.json").write_text('{"tables": {"k": {"columns": {"bild": {"hidden": true}}}}}')
    site.start(sources={"kunden": {"driver": "sqlite", "path": site.customers_db, "catalogue": "catalogue.json"}})

    def build(name, *fields):
        site.api("POST", "/v1/queries", {"name": name, "source": "kunden", "groups": [{"name": "g", "key": "id", "built": {
            "from": "k", "fields": [{"field": f"k.{field}"} for field in fields], "order": [{"field": "k.id", "descending": True}],
            "limit": 2}}]})
    build("gebaut", "id", "plz")
    assert export(site, "query", "gebaut") == b"id,plz\r\n5, \r\n4,8010\r\n"
    build("heimlich", "id", "bild")
    code, said = refused(site, "query", "export", "heimlich")
    assert code == 1 and "bild" in said


# ---- long ones


def peak_kb(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        return 0


def peaks(site, *arguments):
    """How large campaignctl, the readers and the daemon have become."""
    command = subprocess.Popen([BUILD / "campaignctl", "--socket", site.socket, *arguments], stdout=subprocess.DEVNULL)
    own, readers = 0, {}
    while command.poll() is None:
        own = max(own, peak_kb(command.pid))
        for pid in [int(pid) for pid in open(f"/proc/{site.core.pid}/task/{site.core.pid}/children").read().split()]:
            readers[pid] = max(readers.get(pid, 0), peak_kb(pid))
        time.sleep(0.005)
    assert command.returncode == 0
    return {"campaignctl": own, "readers": max(readers.values(), default=0), "daemon": peak_kb(site.core.pid)}


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory grows")
def test_a_long_list_needs_no_more_memory(shop, tmp_path):
    counts = (10_000, 200_000)
    for count in counts:
        shop.query(f"q{count}", f"{series(count)} SELECT id, 'Kundin Nr. ' || id AS name, printf('%0100d', id) AS text FROM n")
        shop.campaign(f"c{count}", [{"name": "eins", "action": "null"}], query=f"q{count}")
    for arguments in (("query", "--format", "csv", "-o", tmp_path / "out"), ("query", "--format", "jsonl"), ("query", "--format", "table"),
                      ("campaign", "--format", "csv")):
        small, large = (peaks(shop, arguments[0], "export", f"{arguments[0][0]}{count}", *arguments[1:]) for count in counts)
        # A campaign's snapshot fills SQLite's cache of 8 MB.
        assert all(large[who] - small[who] < 12_000 for who in small), (arguments, small, large)
    lines = (tmp_path / "out").read_bytes().split(b"\r\n")
    assert len(lines) == counts[1] + 2 and lines[-2].startswith(b"200000,Kundin Nr. 200000,")


# ---- what fails leaves no half list

BREAKS = f"{series(60_000)} SELECT id, CASE WHEN id < 50000 THEN printf('%0200d', id) ELSE abs(-9223372036854775807 - 1) END AS t FROM n"


@pytest.mark.parametrize("sql, source, says", [(BREAKS, "kunden", "integer overflow"), ("SELECT * FROM k", "knapp", "max_rows (3)")],
                         ids=["dies-halfway", "too-many"])
def test_a_source_that_fails_halfway_leaves_no_list(shop, tmp_path, sql, source, says):
    shop.query("bricht", sql, source=source)
    shop.campaign("bricht", [{"name": "eins", "action": "null"}], query="bricht")
    folder = tmp_path / "lists"
    folder.mkdir()
    old = folder / "old.csv"
    old.write_text("what was there")
    for noun in ("query", "campaign"):
        for arguments in ((), ("-o", old), ("-o", folder / "new.csv"), ("--format", "table")):
            code, said = refused(shop, noun, "export", "bricht", *arguments)
            assert code == 1 and says in said, said
        with pytest.raises(Failed) as failed:
            by_api(shop, noun, "bricht")
        error = failed.value.answer["error"]
        assert failed.value.status == 400 and says in error["message"] and error["message_de"] != error["message"]
    assert old.read_text() == "what was there" and os.listdir(folder) == ["old.csv"]
    assert not [name for name in os.listdir(shop.state / "reading") if name.startswith("list")]


def test_more_rows_than_max_rows_are_not_counted(shop):
    shop.query("k", "SELECT * FROM k", source="knapp")
    rows = shop.api("POST", "/v1/queries/k/run", {"limit": 2})
    assert rows["count"] is None and rows["truncated"] is True and len(rows["rows"]) == 2
    assert shop.api("POST", "/v1/queries/k/groups")["groups"] == [{"name": "g", "count": None}]


def test_a_daemon_that_dies_leaves_no_half_list(shop, tmp_path):
    shop.query("lang", f"{series(200_000)} SELECT id, printf('%0200d', id) AS text FROM n")
    out, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    command = subprocess.Popen([BUILD / "campaignctl", "--socket", shop.socket, "query", "export", "lang", "-o", out],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: part.exists() or command.poll() is not None, 30, "the list to come", step=0.0005)
    command.send_signal(signal.SIGSTOP)
    assert command.poll() is None and not out.exists(), "it was over too soon to see anything"
    shop.kill()
    command.send_signal(signal.SIGCONT)
    said, error = command.communicate(timeout=60)
    assert command.returncode == 4 and "no whole answer" in error and not said
    assert not out.exists() and not part.exists()
    shop.start()
    assert not [name for name in os.listdir(shop.state / "reading") if name.startswith("list")]


def test_where_it_goes(shop, tmp_path):
    shop.query(sql="SELECT id FROM k")
    assert "Saved" in shop.ctl("--lang", "en", "query", "export", "alle", "-o", tmp_path)  # a folder: under the query's name
    assert (tmp_path / "alle.csv").read_text().split() == ["id", "1", "2", "3", "4", "5"]
    (tmp_path / "alle.csv").chmod(0o640)
    (tmp_path / "link").symlink_to("alle.csv")
    shop.ctl("query", "export", "alle", "--format", "jsonl", "-o", tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "alle.csv").read_text().startswith("{")
    assert (tmp_path / "alle.csv").stat().st_mode & 0o777 == 0o640
    code, said = refused(shop, "query", "export", "alle", "-o", tmp_path / "nowhere" / "x")
    assert code == 1 and "cannot write" in said and "nowhere" in said
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "campaignctl", "--socket", shop.socket, "query", "export", "alle"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"stdout" in done.stderr
    assert refused(shop, "query", "export", "alle", "-o", "/dev/full")[0] == 1
    assert refused(shop, "query", "export", "alle", "--format", "table", "-o", tmp_path / "t")[0] == 2
    for option in (("--format", "xml"), ("--separator", "x"), ("--separator", ";;")):
        code, said = refused(shop, "query", "export", "alle", *option)
        assert code == (2 if option[0] == "--format" else 1) and option[0].strip("-") in said
    assert refused(shop, "query", "export", "keine")[0] == 3


# ---- on a terminal


def on_terminal(site, *arguments, width=80):
    """What campaignctl shows on a terminal of that width."""
    leader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 25, width, 0, 0))
    command = subprocess.Popen([BUILD / "campaignctl", "--socket", site.socket, "--lang", "en", *arguments], stdout=terminal,
                               env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": ""})
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # its other side is closed
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert command.wait(30) == 0
    return shown.decode().replace("\r\n", "\n")


def columns_of(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def without_colour(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_table_fits_the_terminal(shop):
    db = sqlite3.connect(shop.customers_db)
    db.executescript("CREATE TABLE t (id INTEGER, name TEXT, ort TEXT, betrag DECIMAL(10,2), ok BOOLEAN, notiz TEXT)")
    db.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", [
        (1, "Müller-Lüdenscheidt & Söhne", "東京都千代田区", 1234567.89, 1, "n" * 500), (22, "böse\x1b[2Jrot\x07\x9b", "Łódź", -3, 0, "a\nb")])
    db.commit()
    db.close()
    shop.query("t", "SELECT * FROM t ORDER BY id")
    shown = without_colour(on_terminal(shop, "query", "export", "t", "--format", "table"))
    head, first, second, *rest = shown.splitlines()
    assert "2 rows in all." in rest and max(columns_of(line) for line in shown.splitlines()) <= 80
    assert "\x1b" not in shown and "\x07" not in shown and "\x9b" not in shown and "…" in first and "a b" in second
    assert "1234567.89  yes" in first and "        -3  no" in second and "東京都千代田区" in first
    for word, below in (("name", "Müller"), ("ort", "東京"), ("notiz", "nnn")):  # each under its heading
        assert columns_of(head[:head.index(word)]) == columns_of(first[:first.index(below)]), shown
    piped = export(shop, "query", "t", "--format", "table").decode()
    assert "n" * 500 in piped and "\x1b" not in piped, "a pipe gets all, and nothing that steers a terminal"
    for form in ("csv", "jsonl"):  # what is meant for files is made harmless, too
        shown = on_terminal(shop, "query", "export", "t", "--format", form)
        assert "\x1b" not in shown and "\x07" not in shown and "Müller-Lüdenscheidt" in shown


def test_a_long_table_is_as_wide_as_its_parts(shop):
    shop.query("lang", f"{series(2500)} SELECT id, CASE WHEN id = 1500 THEN 'ein viel längerer Name' ELSE 'kurz' END AS name FROM n")
    shown = without_colour(on_terminal(shop, "query", "export", "lang", "--format", "table"))
    assert "1500  ein viel längerer Name\n" in shown and shown.count("name") == 3 and "2,500 rows in all." in shown


def test_too_many_columns_for_the_terminal_become_lines(shop):
    shop.query("breit", "SELECT id, " + ", ".join(f"{n} AS spalte_{n}" for n in range(100)) + " FROM k WHERE id < 3")
    shown = without_colour(on_terminal(shop, "query", "export", "breit", "--format", "table"))
    assert re.search(r"^spalte_99 +99$", shown, re.M) and shown.count("spalte_99") == 2


# ---- CSV files as tables

GERMAN = ("Nr;Name;PLZ;Telefon;Betrag;Seit;Aktiv\r\n1;Müller;01067;+49 171 1;1.234,50;24.11.2026;ja\r\n"
          "2;\"Söhne; & \"\"Co\"\"\";8010;0316/1;-3,00;01.02.2025;\r\n3;;;;;;nein\r\n")


def import_file(site, data, *options, name="kunden.csv"):
    file = site.folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return site.ctl("source", "import", file, *options, json_output=True, timeout=60)


def imported(site, sql, name="eingelesen"):
    """The rows of a query on the imports."""
    body = {"name": name, "source": "imports", "groups": [{"name": "g", "sql": sql, "key": "Nr", "fields": []}]}
    site.api(*(("PUT", f"/v1/queries/{name}") if any(query["name"] == name for query in site.api("GET", "/v1/queries"))
               else ("POST", "/v1/queries")), body)
    return site.api("POST", f"/v1/queries/{name}/run", {"limit": 100})["rows"]


def test_encoding_and_separator_are_found_out_and_said(shop):
    for encoding in ("UTF-8", "WINDOWS-1252", "CP850", "UTF-16LE", "UTF-16BE"):
        mark = {"UTF-16LE": b"\xff\xfe", "UTF-16BE": b"\xfe\xff"}.get(encoding, b"")
        answer = import_file(shop, mark + GERMAN.encode(encoding))
        assert answer | {"columns": None} == {"table": "kunden", "rows": 3, "encoding": encoding, "separator": ";", "replaced": encoding != "UTF-8",
                                              "columns": None}
        assert {column["name"]: column["type"] for column in answer["columns"]} == {
            "Nr": "integer", "Name": "text", "PLZ": "text", "Telefon": "text", "Betrag": "decimal", "Seit": "date", "Aktiv": "text"}
        assert imported(shop, "SELECT * FROM kunden ORDER BY Nr") == [
            [1, "Müller", "01067", "+49 171 1", 1234.5, "2026-11-24", "ja"],
            [2, 'Söhne; & "Co"', "8010", "0316/1", -3, "2025-02-01", None], [3, None, None, None, None, None, "nein"]]
        shown = shop.ctl("--lang", "en", "source", "import", shop.folder / "kunden.csv")
        assert encoding in shown and "“;”" in shown and "3 rows in the table “kunden”" in shown and "01067" in shown


def test_the_separator_is_the_one_that_makes_sense(shop):
    for text, separator, columns in (("a,b\n1;2,3\n", ",", 2), ("a;b;c\n1\n2;3\n", ";", 3), ("a\n1,5\n2,5\n", ";", 1), ("a\n1\n", ",", 1),
                                     ("a|b\n1,2|3\n", "|", 2), ("a\tb\n1;5\t2;5\n", "\t", 2), ("a, b;c\n1;2\n", ";", 2)):
        answer = import_file(shop, text)
        assert (answer["separator"], len(answer["columns"])) == (separator, columns), text


def test_a_list_can_be_imported_again(shop, tmp_path):
    shop.query(sql="SELECT id AS Nr, name, betrag, seit, plz FROM k WHERE id < 5 ORDER BY id")
    data = export(shop, "query", "alle")
    import_file(shop, data)
    imported(shop, "SELECT * FROM kunden ORDER BY Nr")
    assert export(shop, "query", "eingelesen").replace(b'""', b"") == data.replace(b'""', b"")


def test_an_imported_table_feeds_built_queries_and_campaigns(shop):
    import_file(shop, GERMAN, "--table", "messe")
    tables = shop.ctl("query", "tables", "imports", json_output=True)
    assert [table["name"] for table in tables] == ["messe"]
    shop.api("POST", "/v1/queries", {"name": "Messe", "source": "imports", "groups": [{"name": "g", "key": "Nr", "built": {
        "from": "messe", "fields": [{"field": "messe.Nr"}, {"field": "messe.Name"}, {"field": "messe.PLZ"}],
        "where": {"and": [{"field": "messe.PLZ", "is": "=", "value": "01067"}, {"field": "messe.Betrag", "is": ">", "value": 1000},
                          {"field": "messe.Seit", "is": ">", "value": "2026-01-01"}]}}}]})
    shop.campaign("Messe", [{"name": "eins", "action": "null", "parameters": {"journal": shop.act_file}}], query="Messe")
    assert export(shop, "campaign", "Messe").decode() == "Nr,Name,PLZ\r\n1,Müller,01067\r\n"
    assert shop.wait_run(shop.start_run("Messe"))["state"] == "done" and shop.acts() == {"1": 1}
    # Another file under the same name takes its place, and the campaign goes by it.
    again = import_file(shop, GERMAN.replace("\r\n1;", "\r\n7;"), "--table", "messe")
    assert again["replaced"] is True
    assert shop.wait_run(shop.start_run("Messe"))["state"] == "done" and shop.acts() == {"1": 1, "7": 1}
    shop.ctl("source", "drop", "messe", "--yes")
    code, said = refused(shop, "campaign", "start", "Messe")
    assert code == 1 and "messe" in said
    assert refused(shop, "source", "drop", "messe", "--yes")[0] == 3


def test_imports_are_empty_before_the_first(shop):
    assert shop.ctl("query", "tables", "imports", json_output=True) == []
    assert "imports" in shop.ctl("source", "list") and shop.ctl("source", "test", "imports", json_output=True)["ok"] is True


BROKEN = [
    ("Nr,b\n1,2\n3,4,5\n", (), "line 3 has 3 cells, but the first line names 2 columns"),
    ("Nr;b\n1;2\n3;4;5\n", (), "line 3 has 3 cells, but the first line names 2 columns; a cell with »;« in it"),
    ('Nr,b\n1,2\n3,"4\n5,6\n', (), "line 3, cell 2: a quotation mark is opened and never closed"),
    ("Nr,b\n1,2\n3," + "x" * (1 << 20) + "y\n", (), "line 3, cell 2: it is longer than 1 MB"),
    (",".join(f"c{n}" for n in range(501)) + "\n", (), "line 1, cell 501: more than 500 columns"),
    (b"Nr,b\n1,2\n3,\xe4\n", ("--encoding", "UTF-8"), "line 3: it is not UTF-8"),
    (b"\xef\xbb\xbfNr,b\n1,\xe4\n", (), "line 2: it is not UTF-8"),
    (b"Nr,b\n1,2\n3,\x81\n", ("--encoding", "WINDOWS-1252"), "line 3: the file is not in the encoding WINDOWS-1252"),
    (b"PK\x03\x04\0\0", (), "line 1: there are zero bytes in it"),
    ("\n\n", (), "the file is empty; its first line must hold the columns' names"),
    ("", (), "the body is empty"),
    ("Nr\n1\n", ("--encoding", "KLINGON"), "there is no encoding »KLINGON«; usual are UTF-8 and WINDOWS-1252"),
    ("Nr\n1\n", ("--separator", "x"), "separator: a comma, a semicolon, a tab or »|« is possible"),
    ("Nr\n1\n", ("--table", "a; DROP TABLE x"), "»a; DROP TABLE x« is no name for a table"),
    ("Nr\n1\n", ("--table", "sqlite_schema"), "»sqlite_schema« is no name for a table"),
    ("Nr\n1\n", ("--table", "../x"), "»../x« is no name for a table"),
    ("Nr\n1\n", ("--table", "x" * 64), "is no name for a table: letters, digits and _"),
]


def test_a_broken_file_is_refused_and_the_old_table_stays(shop):
    import_file(shop, "Nr,b\n1,old\n")
    file = shop.folder / "kunden.csv"
    for data, options, says in BROKEN:
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        code, said = refused(shop, "source", "import", file, *options)
        assert code == 1 and says in said, said
    assert imported(shop, "SELECT * FROM kunden") == [[1, "old"]]
    assert [table["name"] for table in shop.ctl("query", "tables", "imports", json_output=True)] == ["kunden"]
    assert sorted(os.listdir(shop.state / "imports")) == ["imports.db"]


def test_hostile_names_and_values_of_a_file(shop):
    names = ['a"b', "x'; DROP TABLE kunden; --", "select", "a,b", "Ä Ö", "%s", ":id", "?1", "", "select", "SELECT", "z\x01y\nw"]
    values = ['"', "'", "=1+1", "a,b", "\U0001f600", "%n", "NULL", "\\", "x\r\ny", "\x1b[2J", "{{name}}", "x" * 100_000]
    out = io.StringIO()
    csv.writer(out).writerows([["Nr"] + names, [1] + values])
    answer = import_file(shop, out.getvalue(), name="'; DROP TABLE x; --ü.csv")
    assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", answer["table"])
    told = [column["name"] for column in answer["columns"]]
    assert told[1:] == names[:8] + ["column_10", "select_2", "SELECT_3", "z y w"]
    assert imported(shop, f"SELECT * FROM {answer['table']}") == [[1] + values]
    assert read_csv(export(shop, "query", "eingelesen")) == [told, ["1"] + values]
    assert shop.ctl("source", "tables", "imports", answer["table"]).count("text") == 12
    assert refused(shop, "source", "import", shop.folder / "nowhere.csv")[0] == 2
    assert refused(shop, "source", "import", shop.folder)[0] == 2


def test_a_long_file_is_imported_whole(shop):
    lines = "".join(f"{n};Müller {n};{n % 100000:05d};+49 171 {n};{n},50;24.11.2026\r\n" for n in range(1, 100_001))
    began = time.monotonic()
    answer = import_file(shop, ("Nr;Name;PLZ;Telefon;Betrag;Seit\r\n" + lines).encode("cp1252"))
    assert answer["rows"] == 100_000 and answer["encoding"] == "WINDOWS-1252" and [column["type"] for column in answer["columns"]] == [
        "integer", "text", "text", "text", "decimal", "date"]
    assert time.monotonic() - began < 60
    assert imported(shop, "SELECT count(*) AS Nr, sum(Betrag) AS s, min(PLZ) AS a, max(PLZ) AS b FROM kunden") == [
        [100_000, 5000100000.0, "00000", "99999"]]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own memory grows")
def test_an_import_holds_its_file_and_no_more(shop):
    def file_of(count):
        path = shop.folder / f"{count}.csv"
        path.write_text("Nr,text\n" + "".join(f"{n},{n:0100d}\n" for n in range(count)))
        return path
    few, many = file_of(1000), file_of(100_000)
    small, large = peaks(shop, "source", "import", few), peaks(shop, "source", "import", many)
    size_kb = many.stat().st_size // 1024
    assert all(large[who] - small[who] < 2 * size_kb + 12_000 for who in small), (size_kb, small, large)


def readers(site):
    return [pid for pid, command in site.processes().items() if "--reader" in command]


@pytest.mark.parametrize("victim", ["reader", "daemon"])
def test_an_import_that_is_killed_leaves_the_old_table(shop, victim):
    import_file(shop, "Nr,b\n1,old\n")
    file, journal = shop.folder / "kunden.csv", shop.state / "imports" / "imports.db-journal"
    file.write_text("Nr,b\n" + "".join(f"{n},{n:080d}\n" for n in range(160_000)))
    database = shop.state / "imports" / "imports.db"
    before = database.stat().st_size
    command = subprocess.Popen([BUILD / "campaignctl", "--socket", shop.socket, "--lang", "en", "source", "import", file],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # The database has grown: a part of the new table is in it.
    until(lambda: database.stat().st_size > before and journal.exists() or command.poll() is not None, 60, "the new table", step=0.0005)
    if victim == "reader":
        for pid in readers(shop):
            os.kill(pid, signal.SIGKILL)
    else:
        shop.kill()
    said, error = command.communicate(timeout=60)
    assert command.returncode == (1 if victim == "reader" else 4) and not said and error, (command.returncode, said, error)
    if victim == "daemon":
        until(lambda: not readers(shop), 10, "the reader to be gone")
        shop.start()
    assert imported(shop, "SELECT * FROM kunden") == [[1, "old"]]
    assert sorted(os.listdir(shop.state / "imports")) == ["imports.db"]
    assert import_file(shop, "Nr,b\n2,new\n")["replaced"] is True and imported(shop, "SELECT * FROM kunden") == [[2, "new"]]
