"""A private site for each test: its own folder, socket, customers and daemon, all gone when the test is over.

A test says what its site has, starts it, and works on it through campaignctl, the API, SQL or signals:

    def test_something(site):
        site.start(customers=100, actions={"null": {"plugin": "nothing"}})
        site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
        run = site.start_run("leer")
        site.wait_run(run)
        assert len(site.acts()) == 100

What runs is what CAMPAIGND_BUILD names (make sets it). With a sanitizer build all patience is five times as long, and a
report of a sanitizer in the log fails the test; so does a process that is left.
"""
import base64
import collections
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import pytest

BUILD = pathlib.Path(os.environ.get("CAMPAIGND_BUILD") or pathlib.Path(__file__).parents[2] / "build").absolute()
SANITIZED = BUILD.name == "asan"
PATIENCE = 5 if SANITIZED else 1
SETTLED = ("done", "failed", "cancelled")
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "AddressSanitizer:DEADLYSIGNAL")
MARK = "CAMPAIGND_TEST_SITE"


def until(condition, timeout=10.0, what="the condition", step=0.02):
    """Wait until condition() is true, and return what it gave; fail after `timeout` seconds (times PATIENCE)."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"after {timeout * PATIENCE:g} s still waiting for {what}")
        time.sleep(step)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("campaignd", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Failed(Exception):
    """An API call that was answered with an error."""

    def __init__(self, status, answer):
        super().__init__(f"{status}: {answer}")
        self.status = status
        self.answer = answer


class Site:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.short = tempfile.mkdtemp(prefix="cd-")  # a socket's path has 107 bytes; pytest's folders are longer
        self.socket = os.path.join(self.short, "s")
        self.state = self.folder / "state"
        self.conf = self.folder / "campaignd.conf"
        self.log_file = self.folder / "log"
        self.act_file = str(self.folder / "acts")
        self.plugins = self.folder / "plugins"
        self.customers_db = self.folder / "kunden.db"
        self.mark = uuid.uuid4().hex
        self.core = None
        self.exit_status = None
        self.environment = {}  # more for the daemon
        self.sanitizer_expected = False

    # ---- what the site has

    def customers(self, count, rows=None):
        """A table kunde (id, name, email, ort, land, widerspruch): `count` made-up ones, or the given rows."""
        towns = ("Graz", "Wien", "Köln", "Zürich", "Basel", "Ulm", "Łódź")
        db = sqlite3.connect(self.customers_db)
        db.executescript("DROP TABLE IF EXISTS kunde; CREATE TABLE kunde (id INTEGER PRIMARY KEY, name TEXT, "
                         "email TEXT, ort TEXT, land TEXT, widerspruch INTEGER)")
        db.executemany("INSERT INTO kunde VALUES (?, ?, ?, ?, ?, ?)", rows if rows is not None else (
            (n, f"Kundin Nr. {n} Müller-Lüdenscheidt", f"kunde{n}@example.org", towns[n % len(towns)], "AT", None)
            for n in range(1, count + 1)))
        db.commit()
        db.close()

    def plugin(self, name):
        """Copy a plugin, of the project or of its tests, into the site's own plugin_dir; its path."""
        self.plugins.mkdir(exist_ok=True)
        for folder in (BUILD / "plugins", BUILD / "tests" / "plugins"):
            if (folder / f"{name}.so").exists():
                copy = self.plugins / f".{name}.new"
                shutil.copyfile(folder / f"{name}.so", copy)
                copy.chmod(0o755)
                copy.replace(self.plugins / f"{name}.so")
                return self.plugins / f"{name}.so"
        pytest.fail(f"there is no plugin {name} in {BUILD}; make binaries test-plugins")

    def configure(self, actions=None, sources=None, daemon=None, more=""):
        """Write campaignd.conf. actions and sources: {NAME: {KEY: VALUE}}; daemon: {KEY: VALUE} of [daemon]."""
        if actions is None:
            actions = {"null": {"plugin": "nothing"}}
        if sources is None:
            sources = {"kunden": {"driver": "sqlite", "path": self.customers_db}}
        general = {"state_dir": self.state, "library_dir": BUILD, "plugin_dir": self.plugins, **(daemon or {})}
        sections = [("daemon", general), ("http", {"socket": self.socket})]
        sections += [(f"source.{name}", keys) for name, keys in sources.items()]
        sections += [(f"action.{name}", keys) for name, keys in actions.items()]
        self.plugins.mkdir(exist_ok=True)
        for keys in actions.values():
            if not (self.plugins / f"{keys['plugin']}.so").exists():
                self.plugin(keys["plugin"])
        self.conf.write_text("".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for section, keys in sections) + more, encoding="utf-8")

    # ---- the daemon

    def start(self, customers=None, actions=None, sources=None, daemon=None, more="", wait=True):
        """Configure (unless campaignd.conf is there and nothing is given), start, and wait until it answers."""
        if customers is not None:
            self.customers(customers)
        if not self.conf.exists() or any(value for value in (actions, sources, daemon, more)):
            self.configure(actions, sources, daemon, more)
        assert not self.running(), "the site's daemon runs already"
        with open(self.log_file, "ab") as log:
            self.core = subprocess.Popen([BUILD / "campaignd", "-c", self.conf], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, cwd=self.folder,
                                         env={**os.environ, **self.environment, MARK: self.mark})
        self.exit_status = None
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=15):
        def ready():
            if self.core.poll() is not None:
                pytest.fail(f"campaignd ended with status {self.core.returncode} instead of starting")
            try:
                status = self.api("GET", "/v1/status")
            except (OSError, http.client.HTTPException, Failed):
                return False
            return status["generation"] > 0
        until(ready, timeout, "the daemon to be ready")

    def running(self):
        return self.core is not None and self.core.poll() is None

    def kill(self, sig=signal.SIGKILL, wait=True, timeout=15):
        """Send the core a signal; with SIGKILL, SIGTERM or SIGINT wait for its end. Its exit status."""
        self.core.send_signal(sig)
        if not wait or sig not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            return None
        try:
            self.exit_status = self.core.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"campaignd did not end within {timeout * PATIENCE} s of signal {sig}")
        return self.exit_status

    def stop(self):
        return self.kill(signal.SIGTERM)

    def restart(self, sig=signal.SIGTERM, wait=True):
        self.kill(sig)
        return self.start(wait=wait)

    # ---- its processes, found by a mark in their environment: also those whose core is dead

    def processes(self):
        """{pid: arguments} of all that live of this site."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                environment = pathlib.Path("/proc", entry, "environ").read_bytes()
                if f"{MARK}={self.mark}".encode() not in environment.split(b"\0"):
                    continue
                command = pathlib.Path("/proc", entry, "cmdline").read_bytes()
                state = pathlib.Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state not in "ZX":
                found[int(entry)] = command.decode(errors="replace").strip("\0").split("\0")
        return found

    def workers(self):
        """The worker processes' ids, the oldest first, also of a core that is dead."""
        return sorted(pid for pid, command in self.processes().items() if "--worker" in command)

    def kill_workers(self, sig=signal.SIGKILL):
        killed = self.workers()
        for pid in killed:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        return killed

    # ---- its doors

    def ctl(self, *args, check=True, json_output=False, input=None, timeout=30):
        """Run campaignctl. What it printed; with json_output parsed; with check=False the finished process."""
        command = [BUILD / "campaignctl", "--socket", self.socket] + (["--json"] if json_output else [])
        done = subprocess.run(command + [str(arg) for arg in args], input=input, text=True, encoding="utf-8",
                              capture_output=True, timeout=timeout * PATIENCE, env={**os.environ, "LC_ALL": "C.UTF-8"})
        if not check:
            return done
        assert done.returncode == 0, f"campaignctl {args}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if json_output else done.stdout

    def api(self, method, path, body=None, timeout=30, raw=False):
        """One request: the parsed answer (bytes if raw); Failed with status and answer if it is an error."""
        connection = UnixConnection(self.socket, timeout * PATIENCE)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            try:
                answer = json.loads(answer)
            except ValueError:
                answer = answer.decode(errors="replace")
            raise Failed(response.status, answer)
        return answer if raw else json.loads(answer) if answer else None

    def sql(self, statements, arguments=None):
        """Statements on definitions.db, as a site writes it; with arguments one statement, its rows."""
        db = sqlite3.connect(self.state / "definitions" / "definitions.db", timeout=10 * PATIENCE)
        try:
            db.execute("PRAGMA foreign_keys = ON")
            if arguments is None:
                db.executescript(statements)
                return None
            rows = db.execute(statements, arguments).fetchall()
            db.commit()
            return rows
        finally:
            db.close()

    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    # ---- definitions and runs

    def query(self, name="alle", sql="SELECT id, name, email, ort, land, widerspruch FROM kunde ORDER BY id", key="id",
              source="kunden", fields=()):
        return self.api("POST", "/v1/queries", {"name": name, "source": source, "groups": [
            {"name": "g", "sql": sql, "key": key, "fields": list(fields)}]})

    def report(self, name, html, kind="letter", files=(), **more):
        """files: (name, mime type, bytes)."""
        return self.api("POST", "/v1/reports", {
            "name": name, "kind": kind, "variants": {"de": {"html": html}},
            "files": [{"name": n, "mime_type": m, "content_base64": base64.b64encode(c).decode()} for n, m, c in files],
            **more})

    def campaign(self, name, steps, query="alle", **more):
        """Make a campaign (and the query „alle“ over all customers if nobody did)."""
        if query == "alle" and not any(known["name"] == "alle" for known in self.api("GET", "/v1/queries")):
            self.query()
        return self.api("POST", "/v1/campaigns", {"name": name, "query": query, "group": "g", "steps": steps, **more})

    def start_run(self, campaign, **body):
        return self.api("POST", f"/v1/campaigns/{urllib.parse.quote(campaign, safe='')}/start", body)["run"]

    def run(self, number):
        return self.api("GET", f"/v1/runs/{number}")

    def steps(self, number):
        """{step's name: its totals} of a run."""
        return {step["name"]: step for step in self.run(number)["steps"]}

    def wait_run(self, number, states=SETTLED, timeout=20):
        states = (states,) if isinstance(states, str) else states
        last = {}

        def settled():
            last.update(self.run(number))
            return last["state"] in states
        until(settled, timeout, f"run {number} to be {' or '.join(states)}")
        return last

    def wait_ended(self, number, least, timeout=20):
        """Wait until at least so many tasks of a run are over."""
        def enough():
            return sum(step[status] for step in self.run(number).get("steps") or ()
                       for status in ("delivered", "rejected", "unknown")) >= least
        until(enough, timeout, f"{least} tasks of run {number} to be over")

    def journal(self, run):
        """The run's journal, to read."""
        return sqlite3.connect(f"{(self.state / 'runs' / f'{run}.db').as_uri()}?mode=ro", uri=True, timeout=10)

    def outcomes(self, run, step=1):
        """{ordinal: (status, text)} of a step, from the journal."""
        names = {1: "delivered", 2: "rejected", 3: "deferred", 4: "skipped", 5: "unknown"}
        with self.journal(run) as db:
            return {task & ((1 << 40) - 1): (names[status], text) for task, status, text in db.execute(
                "SELECT task, status, text FROM outcome WHERE task >> 40 = ?", (step,))}

    def acts(self, path=None):
        """How often each recipient's key stands in the file that tests/plugins/nothing.c writes."""
        file = pathlib.Path(path or self.act_file)
        return collections.Counter(file.read_text().split()) if file.exists() else collections.Counter()

    # ---- the end

    def close(self):
        """Stop everything; the faults that were found on the way."""
        faults = []
        if self.running():
            self.core.send_signal(signal.SIGTERM)
            try:
                self.core.wait(20 * PATIENCE)
            except subprocess.TimeoutExpired:
                faults.append("campaignd did not stop on SIGTERM")
                self.core.kill()
                self.core.wait()
        end = time.monotonic() + 5 * PATIENCE
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)
        for pid, command in self.processes().items():
            faults.append(f"process {pid} is left: {' '.join(command)}")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.short, ignore_errors=True)
        log = self.log()
        if not self.sanitizer_expected:
            faults += [f"a sanitizer reports in {self.log_file}: {line}" for line in log.splitlines()
                       if any(report in line for report in REPORTS)]
        print("---- the daemon's log, its end ----")
        print("\n".join(log.splitlines()[-80:]))
        return faults


@pytest.fixture
def new_site(tmp_path):
    """For tests that need more than one site: a function that makes one."""
    sites = []

    def make():
        folder = tmp_path / f"site{len(sites)}"
        folder.mkdir()
        sites.append(Site(folder))
        return sites[-1]
    yield make
    faults = [fault for site in sites for fault in site.close()]
    assert not faults, "\n".join(faults)


@pytest.fixture
def site(new_site):
    return new_site()


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures speed, so nothing else may run beside it")
