"""engine.*: an action that does nothing, so that what remains is the run's own work: claim, frames, begin, end, commit."""
import pathlib
import re
import sqlite3
import subprocess

from bench_site import Site, Trouble
from row import Row

MANY = 1_000_000
FEW = 10_000
CAMPAIGN = "leer"


def make_customers(path, count):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE kunde (id INTEGER PRIMARY KEY, name TEXT)")
    db.executemany("INSERT INTO kunde VALUES (?, ?)", ((n, f"Kundin Nr. {n}") for n in range(1, count + 1)))
    db.commit()
    db.close()


def make_site(row, database, **settings):
    """A running site with one campaign that does nothing for each of the customers."""
    site = Site(row.build, row.folder, row.build / "tests" / "plugins", database, {"null": {"plugin": "nothing", **settings}})
    site.start()
    site.query("SELECT id, name FROM kunde", "id")
    site.campaign(CAMPAIGN, [{"name": "eins", "action": "null", "parameters": {}}])
    return site


def run_all(site, count):
    """One run; its seconds, with the count of what was delivered checked."""
    run, seconds = site.run(CAMPAIGN)
    delivered = run["steps"][0]["delivered"]
    if delivered != count:
        raise Trouble(f"{delivered} of {count} tasks were delivered; log: {site.last_words()}")
    return seconds


class Tasks(Row):
    name = "engine.tasks_per_s"
    unit = "tasks/s"
    peer_name = "bare SQLite loop: claims and outcomes, no worker, no log"
    settings = {}

    def target(self, peer):
        return 250_000

    def prepare(self):
        self.site = None
        self.loop = self.folder.parent / "sqlite_loop"
        self.loop_database = self.folder.parent / "loop.db"
        database = self.folder.parent / f"{self.name}.db"
        make_customers(database, MANY)
        source = pathlib.Path(__file__).with_name("sqlite_loop.c")
        built = subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", self.loop, source, "-lsqlite3"])
        if built.returncode:
            raise Trouble("sqlite_loop.c does not compile; gcc's words stand above")
        self.site = make_site(self, database, **self.settings)

    def ours(self):
        before = self.site.processor_s()
        seconds = run_all(self.site, MANY)
        self.details["processor_us_per_task"] = {
            name: round(used * 1e6 / MANY, 2) for name, used in self.site.processor_since(before).items() if used * 1e6 / MANY >= 0.01}
        return MANY / seconds

    def peer(self):
        done = subprocess.run([self.loop, self.loop_database, str(MANY)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Trouble(f"sqlite_loop: {done.stderr.strip()}")
        match = re.match(r"([\d.]+) s, ([\d.]+) s of processor", done.stdout)
        self.details["peer_processor_us_per_task"] = round(float(match.group(2)) * 1e6 / MANY, 2)
        return MANY / float(match.group(1))

    def close(self, keep):
        if getattr(self, "site", None):
            self.site.close(keep)


class LooseTasks(Tasks):
    """The same without the sync before each group of begun deliveries."""
    name = "engine.tasks_per_s_loose"
    note = "durable_begin = no"
    settings = {"durable_begin": "no"}

    def target(self, peer):
        return None


class Memory(Row):
    """Peak of core and worker together: each round two fresh daemons, one with few recipients, one with many."""
    name = "engine.memory_mb"
    unit = "MB"
    better = "less"
    peer_name = f"ours with {FEW:,} recipients"
    note = f"core and worker, {MANY:,} recipients"

    def target(self, peer):
        return None if peer is None else round(peer + 16, 1)

    def prepare(self):
        self.site = None
        for count in (FEW, MANY):
            make_customers(self.folder.parent / f"{self.name}.{count}.db", count)

    def peak(self, count):
        self.site = make_site(self, self.folder.parent / f"{self.name}.{count}.db")
        run_all(self.site, count)
        peak = self.site.peak_mb()
        self.details[f"at {count}"] = {name: round(value, 1) for name, value in peak.items()}
        self.site.close(False)
        return sum(peak.values())

    def ours(self):
        return self.peak(MANY)

    def peer(self):
        return self.peak(FEW)

    def close(self, keep):
        if getattr(self, "site", None):
            self.site.close(keep)


def rows(build, folder):
    return [Tasks(build, folder), LooseTasks(build, folder), Memory(build, folder)]
