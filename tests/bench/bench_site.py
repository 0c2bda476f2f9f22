"""A private campaignd for a benchmark: its own folder on the disk, its own socket, gone afterwards."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from datetime import datetime

TICKS = os.sysconf("SC_CLK_TCK")


class Trouble(Exception):
    """Why a row cannot be measured, for people."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("campaignd", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)


class Site:
    """`plugins`: the folder of the plugins. `actions`: {NAME: {KEY: VALUE}}."""

    def __init__(self, build, folder, plugins, database, actions):
        self.build = build
        self.folder = folder
        self.short = tempfile.mkdtemp(prefix="cd-bench-")  # a socket's path is short
        self.socket = os.path.join(self.short, "s")
        self.notify_path = os.path.join(self.short, "n")
        self.process = None
        self.wanted = [action["plugin"] for action in actions.values()]
        self.plugins = plugins
        remove_folder(folder)
        folder.mkdir(parents=True)
        sections = {"daemon": {"state_dir": folder / "state", "library_dir": build, "plugin_dir": plugins},
                    "http": {"socket": self.socket}, "source.kunden": {"driver": "sqlite", "path": database},
                    **{f"action.{name}": keys for name, keys in actions.items()}}
        (folder / "campaignd.conf").write_text("".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for name, keys in sections.items()))

    def start(self):
        """Start the daemon; the seconds until it says READY=1, with all its workers."""
        for plugin in self.wanted:
            if not (self.plugins / f"{plugin}.so").exists():
                raise Trouble(f"the plugin {plugin} is not built ({self.plugins / plugin}.so)")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(self.folder / "log", "ab") as log:
            notify.bind(self.notify_path)
            notify.settimeout(0.5)
            since = time.perf_counter()
            self.process = subprocess.Popen([self.build / "campaignd", "-c", self.folder / "campaignd.conf"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, "NOTIFY_SOCKET": self.notify_path})
            self.wait_for_ready(notify)
            took = time.perf_counter() - since
        os.unlink(self.notify_path)
        return took

    def wait_for_ready(self, notify):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    break
        raise Trouble(f"campaignd did not start: {self.last_words()}")

    def last_words(self):
        """The end of its log, on one line."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:])[-600:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self, keep):
        self.stop()
        remove_folder(self.short)
        if not keep:
            remove_folder(self.folder)

    # ---- its doors

    def api(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise Trouble(f"{method} {path}: {response.status} {answer.decode(errors='replace').strip()[:400]}")
        return json.loads(answer) if answer else None

    def definitions(self):
        return self.folder / "state" / "definitions" / "definitions.db"

    def query(self, sql, key):
        self.api("POST", "/v1/queries", {"name": "alle", "source": "kunden", "groups": [
            {"name": "g", "sql": sql, "key": key, "fields": []}]})

    def campaign(self, name, steps):
        self.api("POST", "/v1/campaigns", {"name": name, "query": "alle", "group": "g", "steps": steps})

    def run(self, campaign, limit_s=600):
        """Start a campaign, wait for its end: (the run, its seconds from started_at to ended_at)."""
        number = self.api("POST", f"/v1/campaigns/{urllib.parse.quote(campaign, safe='')}/start", {})["run"]
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            time.sleep(0.2)
            run = self.api("GET", f"/v1/runs/{number}")
            if run["state"] in ("done", "failed", "cancelled"):
                break
            if run["state"] == "paused":
                raise Trouble(f"run {number} of {campaign} has paused: {run['reason']}")
        if run["state"] != "done":
            raise Trouble(f"run {number} of {campaign} is {run['state']}: {run['reason']}; log: {self.last_words()}")
        return run, moment(run["ended_at"]) - moment(run["started_at"])

    # ---- its processes

    def processes(self):
        """{"core": pid, NAME-OF-ACTION: pid, …}; the log says which worker is whose."""
        core = self.process.pid
        children = pathlib.Path(f"/proc/{core}/task/{core}/children").read_text().split()
        log = (self.folder / "log").read_text(errors="replace")
        return {"core": core, **{name: int(pid) for name, pid in re.findall(r"action »(.+)«: worker (\d+) is ready", log)
                                 if pid in children}}

    def processor_since(self, before):
        """What processor_s() says, less what it said before."""
        return {name: seconds - before.get(name, 0) for name, seconds in self.processor_s().items()}

    def peak_mb(self):
        """{"core": MB, NAME-OF-ACTION: MB}: each process's largest resident size so far."""
        return {name: int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024
                for name, pid in self.processes().items()}

    def processor_s(self):
        """{"core loop": seconds of processor, "core store": …, "null loop": …}, so far; unnamed threads together."""
        used = {}
        for name, pid in self.processes().items():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                head, _, tail = (task / "stat").read_text().rpartition(")")
                thread = head.split("(", 1)[1]
                label = f"{name} {'loop' if task.name == str(pid) else 'others' if thread in ('campaignd', 'exe') else thread}"
                used[label] = used.get(label, 0) + sum(int(field) for field in tail.split()[11:13]) / TICKS
        return used
