"""As a service: systemd's notify protocol, played by the test, and a log for the journal."""
import os
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, until


SO_TIMESTAMP = 29  # of the kernel's <asm-generic/socket.h>; Python has no name for it


class Manager:
    """The service manager's end of $NOTIFY_SOCKET. Each message is kept with the moment at which it was sent, by the kernel's clock,
    however late the test reads it, and its sender."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
        self.socket.bind(address)
        self.socket.setblocking(False)
        self.messages = []

    def read(self):
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(4096, 1024)
            except BlockingIOError:
                return self.messages
            told = {kind: value for _, kind, value in ancillary}
            seconds, microseconds = struct.unpack("@ll", told[SO_TIMESTAMP])
            (pid, _, _) = struct.unpack("3i", told[socket.SCM_CREDENTIALS])
            self.messages.append((seconds + microseconds / 1e6, data.decode(), pid))

    def lines(self):
        """All assignments so far, in their order."""
        return [line for _, message, _ in self.read() for line in message.split("\n")]

    def wait(self, line, count=1, timeout=15):
        until(lambda: self.lines().count(line) >= count, timeout, f"{line} ({count} times)")

    def close(self):
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, site):
    name = f"{site.short}/n" if request.param == "path" else f"\0campaignd-test-{os.path.basename(site.short)}"
    manager = Manager(name)
    site.environment["NOTIFY_SOCKET"] = name.replace("\0", "@", 1)
    yield manager
    manager.close()


def test_ready_when_the_actions_are_ready_and_stopping_at_the_end(site, manager):
    site.start(customers=1, actions={"a": {"plugin": "nothing"}, "b": {"plugin": "nothing", "workers": 2}}, wait=False)
    manager.wait("READY=1")
    actions = site.api("GET", "/v1/status")["actions"]
    assert [action["state"] for action in actions] == ["ready", "ready"] and len(site.workers()) == 3
    assert any(line.startswith("STATUS=") for line in manager.lines())
    site.stop()
    lines = manager.lines()
    assert lines.count("READY=1") == 1 and lines.count("STOPPING=1") == 1
    assert lines.index("READY=1") < lines.index("STOPPING=1")
    assert "RELOADING=1" not in lines
    assert {pid for _, _, pid in manager.messages} == {site.core.pid}, "somebody else spoke for the service"


def test_failed_start_is_never_ready(site, manager):
    site.start(customers=1, actions={"a": {"plugin": "simple", "greeting": "refuse"}}, wait=False)
    until(lambda: not site.running(), 15, "the start to fail")
    assert "READY=1" not in manager.lines()


def test_reload_is_told_with_its_time(site, manager):
    site.start(customers=1)
    manager.wait("READY=1")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    site.ctl("reload")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.wait("READY=1", 2)
    lines = manager.lines()
    message = next(text for _, text, _ in manager.messages if "RELOADING=1" in text).split("\n")
    told = [int(line.partition("=")[2]) for line in message if line.startswith("MONOTONIC_USEC=")]
    assert len(told) == 1 and before <= told[0] <= after, "the time must stand in the same message"
    assert lines.index("RELOADING=1") < len(lines) - 1 - lines[::-1].index("READY=1")


def test_refused_reload_is_ready_again_too(site, manager):
    site.start(customers=1)
    manager.wait("READY=1")
    site.conf.write_text(site.conf.read_text() + "[fnord]\n")
    site.kill(signal.SIGHUP)
    manager.wait("RELOADING=1")
    manager.wait("READY=1", 2)
    assert site.api("GET", "/v1/status")["generation"] == 1


def test_status_tells_of_runs(site, manager):
    site.start(customers=20)
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"delay_ms": 2500}}])
    run = site.start_run("leer")
    manager.wait("STATUS=1 runs under way")
    site.wait_run(run, "done")
    manager.wait("STATUS=0 runs under way")


@pytest.mark.parametrize("limit_us", [400_000, 2_000_000])
def test_watchdog_hears_in_time(site, manager, limit_us):
    limit_us *= PATIENCE
    site.environment["WATCHDOG_USEC"] = str(limit_us)
    site.start(customers=300)
    manager.wait("READY=1")
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"delay_ms": 100}}])
    run = site.start_run("leer")
    manager.wait("WATCHDOG=1", 4, timeout=20)
    site.wait_run(run, "done")
    times = [moment for moment, text, _ in manager.read() if "WATCHDOG=1" in text]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert max(gaps) < limit_us / 1e6, gaps


def test_watchdog_is_silent_where_nobody_asks(site, manager):
    site.start(customers=1)
    manager.wait("READY=1")
    time.sleep(1.2)
    assert "WATCHDOG=1" not in manager.lines()


def test_children_know_neither_the_socket_nor_the_watchdog(site, manager):
    site.environment["WATCHDOG_USEC"] = "60000000"
    site.start(customers=1)
    for pid in site.workers():
        environment = open(f"/proc/{pid}/environ", "rb").read()
        assert b"NOTIFY_SOCKET" not in environment and b"WATCHDOG" not in environment


# ---- campaignctl reload, as ExecReload= calls it


def test_ctl_reload_returns_when_the_new_generation_is_ready(site):
    site.start(customers=1)
    for expected in (2, 3):
        done = site.ctl("reload", check=False)
        assert done.returncode == 0 and str(expected) in done.stdout
        status = site.api("GET", "/v1/status")
        assert status["generation"] == expected
        assert [action["state"] for action in status["actions"]] == ["ready"]


def test_ctl_reload_says_why_not(site):
    site.start(customers=1)
    site.conf.write_text(site.conf.read_text() + "[daemon]\nfnord = 1\n")
    done = site.ctl("reload", check=False)
    line = len(site.conf.read_text().splitlines())
    assert done.returncode == 1 and done.stdout == ""
    assert f"{site.conf}:{line}: " in done.stderr and "»fnord«" in done.stderr


def test_ctl_reload_without_a_daemon(site):
    done = site.ctl("reload", check=False)
    assert done.returncode == 4 and site.socket in done.stderr


# ---- the log


def test_log_for_the_journal_has_priorities_and_no_times(site):
    site.environment["JOURNAL_STREAM"] = "8:12345"
    site.start(customers=3)
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"crash_at": 2}}])
    site.start_run("leer")
    until(lambda: "a new one starts" in site.log(), 10, "the worker's death in the log")
    site.stop()
    lines = site.log().splitlines()
    assert lines and all(re.match(r"<[3-7]>\S", line) for line in lines), lines
    assert not [line for line in lines if re.search(r"\d{4}-\d\d-\d\dT\d\d:", line)]
    priority = {line[3:]: line[1] for line in lines}
    assert any(number == "5" and "is ready: " in text for text, number in priority.items())
    assert any(number == "4" and "a worker ended" in text for text, number in priority.items())


def test_log_for_people_has_times(site):
    site.start(customers=1)
    site.stop()
    for line in site.log().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|notice|info|debug): \S", line), line


def test_log_level_is_kept_to(site):
    site.start(customers=1, daemon={"log_level": "error"})
    site.stop()
    assert site.log() == ""


def test_errors_of_the_configuration_have_the_journals_form_too(site):
    site.configure(more="[fnord]\n")
    done = subprocess.run([BUILD / "campaignd", "-c", site.conf], capture_output=True, text=True,
                          env={**os.environ, "JOURNAL_STREAM": "8:12345"}, timeout=20)
    assert done.returncode == 1 and re.match(r"<3>.*campaignd.conf:\d+: there is no section", done.stderr)
