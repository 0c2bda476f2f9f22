"""source.*: a million rows of a site's database into a run's rows file, and a selection over them counted.

Measured from the start of the reader child to its end, as the peers are from theirs: starting, connecting, the query, the selection,
the file written and synced. What is selected is everybody, with a key, an e-mail address, a decimal, a date, and texts with umlauts.
`details` has each round's seconds of processor, ours and the peer's (without the server's, which does the same for both).
"""
import json
import os
import pathlib
import sqlite3
import subprocess
import sys

from bench_site import Trouble, remove_folder
from row import Row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

MANY = 1_000_000
FEW = 10_000
QUERY = "SELECT id, vorname, nachname, strasse, plz, ort, email, umsatz, seit FROM kunde WHERE id > 0"
FIELDS = [{"name": "email", "role": "email"}, {"name": "plz", "role": "postcode"}]
FILTER = "umsatz > 500 AND ort LIKE '%straß%'"
TABLE = ("CREATE TABLE kunde (id INTEGER PRIMARY KEY, vorname TEXT, nachname TEXT, strasse TEXT, plz TEXT, ort TEXT, "
         "email TEXT, umsatz {decimal}, seit DATE)")
TOWNS = ("Köln", "Straßburg", "Sankt Pölten", "Žilina", "Dresden")


def customer(number):
    return (number, f"Vorname {number % 997}", f"Müller-Lüdenscheidt {number}", f"Hauptstraße {number % 300}",
            f"{number % 100000:05d}", TOWNS[number % 5], f"kunde{number}@example.org", f"{number % 100000 / 100:.2f}",
            f"20{number % 20:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}")


def make_sqlite(path, count):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.execute(TABLE.format(decimal="NUMERIC"))
    database.executemany("INSERT INTO kunde VALUES (?,?,?,?,?,?,?,?,?)", map(customer, range(1, count + 1)))
    database.commit()
    database.close()


def definition(**campaign):
    return {"campaign": {"id": 1, "name": "Maß", "description": "", "purpose": "information", "language": "de", "filter": None,
                         "unit": "key", "sample": None, "consent_reason": "", "parameters": {}, **campaign},
            "query": {"id": 1, "name": "Kunden", "source": "kunden"},
            "group": {"name": "Kunden", "sql": QUERY, "built": None, "key": "id", "fields": FIELDS, "details": [], "sets": []},
            "picks": {"in": [], "out": []}, "reports": {}, "patterns": {},
            "steps": [{"number": 1, "name": "brief", "action": "briefe", "after": None, "after_outcome": "delivered", "when": None,
                       "parameters": {}, "recheck": False, "channel": "letter"}]}


CHILD = pathlib.Path(__file__).with_name("child.py")


def run(command, data=b"", **more):
    """(what it printed, child.py's figures of it)"""
    told, tell = os.pipe()
    done = subprocess.run([sys.executable, "-IS", CHILD, str(tell), *map(str, command)], input=data, stdout=subprocess.PIPE,
                          pass_fds=[tell], **more)
    os.close(tell)
    with open(told) as said:
        figures = json.loads(said.read() or '{"status": -1}')
    if done.returncode or figures["status"]:
        raise Trouble(f"{command[0]} ended with status {figures['status']}: {done.stdout.decode(errors='replace')[:500]}")
    return done.stdout, figures


class Reading(Row):
    """What the rows share: a reader child, asked as the core asks it."""
    unit = "rows/s"
    peer_environment = {}

    def note_processor(self, whose, figures):
        self.details.setdefault(f"{whose}_processor_s", []).append(round(figures["processor_s"], 3))

    def source(self, name="kunden"):
        return {"time_limit_us": 600_000_000, "max_rows": 10_000_000, "catalogue": None, **self.database}

    def read(self, mode, *, campaign={}, **more):
        """(its answer, child.py's figures of it)"""
        request = {"mode": mode, "sources": {"kunden": self.source()}, "definition": definition(**campaign), "suppression": "",
                   "run": 1, "uuid": "bench", **more}
        text, figures = run([self.build / "campaignd", "--reader"], json.dumps(request).encode())
        answer = json.loads(text)
        if not answer.get("ok"):
            raise Trouble(f"the reader answered: {text.decode()[:500]}")
        return answer, figures

    def snapshot(self, count=MANY):
        out = self.folder / "reading" / "1.rows.db"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        answer, figures = self.read("snapshot", out=str(out))
        if answer["recipients"] != count:
            raise Trouble(f"{answer['recipients']} recipients instead of {count}")
        return figures

    def ours(self):
        figures = self.snapshot()
        self.note_processor("ours", figures)
        self.details["reader_peak_mb"] = round(figures["peak_mb"], 1)
        return MANY / figures["seconds"]

    def peer(self):
        command = self.peer_command()
        figures = run(command, env={**os.environ, **self.peer_environment})[1]
        self.note_processor("peer", figures)
        return MANY / figures["seconds"]

    def close(self, keep):
        if getattr(self, "server", None):
            self.server.close()
        if not keep:
            remove_folder(self.folder)


class FromSqlite(Reading):
    name = "source.sqlite_rows"
    peer_name = "sqlite3 shell: CREATE TABLE … AS SELECT of the same query into a new file"

    def target(self, peer):
        return round(peer / 1.5) if peer else None

    def prepare(self):
        self.path = self.folder / "kunden.db"
        make_sqlite(self.path, MANY)
        self.database = {"driver": "sqlite", "path": str(self.path)}

    def peer_command(self):
        copy = self.folder / "copy.db"
        copy.unlink(missing_ok=True)
        query = QUERY.replace("kunde ", "site.kunde ")
        return ["sqlite3", copy, f"ATTACH '{self.path}' AS site; CREATE TABLE recipient AS {query};"]


class FromPostgres(Reading):
    name = "source.postgres_rows"
    peer_name = "psql -c '\\copy (the same query) to file'"

    def target(self, peer):
        return round(peer / 2) if peer else None

    def prepare(self):
        import servers
        self.server = servers.Postgres()
        self.name_of_database = self.server.new_database()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fill(MANY)
        self.details["postgres"] = self.server.sql("SHOW server_version").strip()
        self.database = {"driver": "postgres", "connection": self.server.connection(self.name_of_database),
                         "password": servers.PASSWORD}

    def fill(self, count):
        self.server.sql(TABLE.format(decimal="NUMERIC(10, 2)") + ";\nCOPY kunde FROM STDIN;\n"
                        + "".join("\t".join(map(str, customer(number))) + "\n" for number in range(1, count + 1)) + "\\.\nANALYZE kunde;\n",
                        self.name_of_database)

    def peer_command(self):
        import servers
        self.peer_environment = {"PGPASSWORD": servers.OWNER_PASSWORD}
        return [servers.POSTGRES / "psql", "-qX", "-h", self.server.folder, "-U", "owner", "-d", self.name_of_database,
                "-c", f"\\copy ({QUERY}) to '{self.folder / 'copy.txt'}'"]


class Memory(Reading):
    """The reader's peak at a million rows beside that at ten thousand."""
    unit = "MB"
    better = "less"
    peer_name = "the same reader at 10,000 rows"

    def target(self, peer):
        return round(peer + 16, 1) if peer else None

    def ours(self):
        return self.snapshot()["peak_mb"]

    def peer(self):
        global QUERY
        whole = QUERY
        QUERY = f"{whole} AND id <= {FEW}"
        try:
            return self.snapshot(FEW)["peak_mb"]
        finally:
            QUERY = whole


class MemoryPostgres(Memory, FromPostgres):
    name = "source.memory_mb"


class MemorySqlite(Memory, FromSqlite):
    name = "source.memory_mb_sqlite"


class Count(Reading):
    """A clerk's filter over a snapshot that is there: the reader started, asked, ended."""
    name = "source.count_ms"
    unit = "ms"
    better = "less"
    peer_name = "sqlite3 shell: count(*) with LIKE over the same million rows"

    def target(self, peer):
        return 500

    def prepare(self):
        path = self.folder / "kunden.db"
        make_sqlite(path, MANY)
        self.database = {"driver": "sqlite", "path": str(path)}
        self.path = path
        self.raw = self.folder / "selecting" / "raw.db"
        self.raw.parent.mkdir(parents=True, exist_ok=True)
        self.read("fetch", out=str(self.raw))

    def ours(self):
        answer, figures = self.read("select", campaign={"filter": FILTER}, raw=str(self.raw), limit=20)
        expected = sum(number % 100000 / 100 > 500 and number % 5 == 1 for number in range(1, MANY + 1))
        if answer["recipients"] != expected:
            raise Trouble(f"{answer['recipients']} recipients instead of {expected}")
        self.note_processor("ours", figures)
        self.details["reader_peak_mb"] = round(figures["peak_mb"], 1)
        return figures["seconds"] * 1000

    def peer(self):
        figures = run(["sqlite3", self.path, f"SELECT count(*) FROM kunde WHERE {FILTER}"])[1]
        self.note_processor("peer", figures)
        return figures["seconds"] * 1000


def rows(build, folder):
    return [row(build, folder) for row in (FromPostgres, FromSqlite, Count, MemoryPostgres, MemorySqlite)]
