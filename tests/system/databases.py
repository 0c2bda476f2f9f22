"""A site's databases of all kinds that a source can be, and the reader child that reads them.

    from databases import database, on_each, rows  # noqa: F401  (fixtures)
    from servers import mariadb, postgres  # noqa: F401  (fixtures)

    @on_each
    def test_something(database):  # SQLite, PostgreSQL by libpq, MariaDB by ODBC, PostgreSQL by ODBC
        database.run("CREATE TABLE kunde (id INTEGER PRIMARY KEY)")
        assert rows(database, "SELECT id FROM kunde") == []
"""
import contextlib
import json
import pathlib
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import BUILD, PATIENCE
from servers import PASSWORD

DRIVERS = ("sqlite", "postgres", "mariadb", "psqlodbc")
SERVERS = ("postgres", "mariadb")


class Database:
    """An empty database of one kind, that tests fill as its owner and read as campaignd does."""

    def __init__(self, kind, folder, server):
        self.kind, self.server = kind, server
        self.is_postgres = kind in ("postgres", "psqlodbc")
        self.is_mariadb = kind == "mariadb"
        self.file = folder / "site.db"
        if kind == "sqlite":
            sqlite3.connect(self.file).close()
            self.source = {"driver": "sqlite", "path": str(self.file)}
        else:
            self.use(server.new_database())

    def use(self, name):
        self.name = name
        self.source = {**self.server.source(name), "password": PASSWORD}
        if self.kind == "psqlodbc":
            self.source.update(driver="odbc", connection=f"Driver=PostgreSQL Unicode;Servername={self.server.folder};"
                                                         f"Database={name};UID=reader")

    def run(self, statements):
        if self.kind == "sqlite":
            with contextlib.closing(sqlite3.connect(self.file)) as db:
                db.executescript(statements)
                return None
        return self.server.sql(statements, self.name)

    def name_of(self, *names):
        quote = "`" if self.is_mariadb else '"'
        return ", ".join(quote + name.replace(quote, quote * 2) + quote for name in names)

    def pick(self, sqlite=None, postgres=None, mariadb=None):
        """What differs between the three dialects."""
        return mariadb if self.is_mariadb else postgres if self.is_postgres else sqlite

    def series(self, count):
        """A table expression with one column n: 1 … count."""
        return self.pick(
            f"(WITH RECURSIVE s(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)",
            f"(SELECT generate_series(1, {count}) AS n)", f"(SELECT seq AS n FROM seq_1_to_{count})")


@pytest.fixture
def database(request, tmp_path):
    kind = request.param
    server = {"sqlite": None, "mariadb": "mariadb"}.get(kind, "postgres")
    return Database(kind, tmp_path, request.getfixturevalue(server) if server else None)


def on(*kinds):
    return pytest.mark.parametrize("database", kinds, indirect=True)


on_each = on(*DRIVERS)


class Reader:
    """campaignd --reader, started with a request; its answer, and its largest size."""

    def __init__(self, request):
        self.hwm_kb = 0
        self.process = subprocess.Popen([BUILD / "campaignd", "--reader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.watch = threading.Thread(target=self.watch_size)
        self.watch.start()
        self.process.stdin.write(json.dumps(request).encode())
        self.process.stdin.close()
        self.process.stdin = None

    def watch_size(self):
        while self.process.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
                self.hwm_kb = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
            time.sleep(0.005)

    def answer(self, timeout=60):
        out, self.errors = self.process.communicate(timeout=timeout * PATIENCE)
        self.watch.join()
        assert PASSWORD not in (out + self.errors).decode(errors="replace")
        answer = json.loads(out)
        assert self.process.returncode == 0, answer
        return answer


def request(database, mode, query=None, parameters=None, key=None, limit=1000, time_limit_us=60_000_000, max_rows=10_000_000,
            out="", today="", **more):
    """query: SQL, or the document of a built query."""
    built = isinstance(query, dict)
    source = {**database.source, "time_limit_us": time_limit_us, "max_rows": max_rows, "catalogue": None, **more}
    return {"mode": mode, "sources": {"shop": source}, "source": "shop", "limit": limit, "out": str(out), "suppression": "",
            "today": today, "run": 1, "uuid": "3d8e2fde-0000-4000-8000-000000000001", "key": "",
            "definition": {
                "campaign": {"id": 1, "name": "C", "description": "", "purpose": "information", "language": "de",
                             "filter": "", "unit": "key", "sample": None, "consent_reason": "",
                             "parameters": parameters or {}},
                "query": {"id": 1, "name": "Q", "source": "shop"},
                "group": {"name": "g", "sql": None if built else query, "built": query if built else None, "key": key,
                          "fields": [], "details": [], "sets": []},
                "picks": {"in": [], "out": []}, "steps": [], "reports": [], "patterns": []}}


def ask(database, mode, query=None, **more):
    return Reader(request(database, mode, query, **more)).answer()


def rows(database, query, **more):
    answer = ask(database, "rows", query, **more)
    assert answer["ok"], answer
    return answer["rows"]


def refusal(database, query, mode="rows", **more):
    """The reader's message, in both languages; it must be one."""
    answer = ask(database, mode, query, **more)
    assert not answer["ok"], answer
    assert answer["code"] == "input" and answer["message_de"], answer
    return answer["message"]


def site_on(new_site, database, actions=None):
    site = new_site()
    keys = dict(database.source)
    if "password" in keys:
        secret = site.folder / "password"
        secret.write_text(keys.pop("password") + "\n", encoding="utf-8")
        secret.chmod(0o600)
        keys["password"] = f"file:{secret}"
    site.start(sources={"shop": keys}, actions=actions)
    return site
