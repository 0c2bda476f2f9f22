"""campaignctl and the HTTP API over the real daemon: every command in both languages, JSON, exit codes, and who may."""
import contextlib
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from conftest import BUILD, PATIENCE, Failed, until

ROOT = pathlib.Path(__file__).parents[2]
LETTER = "<p>Guten Tag {{name}},</p><p>kommen Sie nach {{ort}}!</p>"


@pytest.fixture
def office(site):
    """A site with a letter campaign, an endless one, and one run."""
    site.start(customers=4, actions={"letter": {"plugin": "print"}, "null": {"plugin": "nothing", "concurrency": 1}},
               daemon={"stop_timeout": "100ms"})
    site.query()
    site.report("Brief", LETTER)
    site.campaign("Grüße", [{"name": "brief", "action": "letter", "parameters": {"report": "Brief"}}])
    site.campaign("lang", [{"name": "eins", "action": "null", "parameters": {"delay_ms": 600_000}}])
    assert site.wait_run(site.start_run("Grüße"))["state"] == "done"
    return site


def commands_of_help():
    text = subprocess.run([BUILD / "campaignctl", "--help"], capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= {2,}| [A-Z\[])", text.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE)
    return set(listed)


# Each command, what must come out in English and in German, and what the answer's JSON must hold. In this order.
COMMANDS = [
    ("status", [], "active runs", "bereit", "actions"),
    ("plugin list", [], "print", "print", None),
    ("problems", [], "No problems", "Keine Probleme", None),
    ("query list", [], "alle", "alle", None),
    ("query show", ["alle"], "SELECT id", "SELECT id", "groups"),
    ("query new", ["--set", "name=neu", "--set", "source=kunden"], "Made: query", "Angelegt: Abfrage", "id"),
    ("query edit", ["neu", "--set", "description=x"], "Changed: query", "Geändert: Abfrage", "version"),
    ("query run", ["alle"], "4 rows in all", "4 Zeilen", "rows"),
    ("query delete", ["neu", "--yes"], "Deleted: query", "Gelöscht: Abfrage", None),
    ("query groups", ["alle"], "4", "4", None),
    ("query sql", ["alle"], "SELECT id", "SELECT id", "sql"),
    ("query fields", ["alle"], "(email)", "(email)", "columns"),
    ("query export", ["alle"], "id,name", "id,name", None),
    ("query tables", ["kunden"], "kunde", "kunde", None),
    ("source list", [], "imports", "eingebaut", None),
    ("source tables", ["kunden", "kunde"], "email", "email", "columns"),
    ("source test", ["kunden"], "answers", "antwortet", "ok"),
    ("source import", ["CSV", "--table", "liste"], "2 rows", "2 Zeilen", "rows"),
    ("source drop", ["liste", "--yes"], "Deleted: table", "Gelöscht: Tabelle", "table"),
    ("category list", [], "Verteiler", "Verteiler", None),
    ("category show", ["1"], "Verteiler", "Verteiler", "name"),
    ("category new", ["--set", "name=neu"], "Made: category", "Angelegt: Kategorie", "id"),
    ("category edit", ["neu", "--set", "distributor=true"], "Changed: category", "Geändert: Kategorie", "version"),
    ("category delete", ["neu", "--yes"], "Deleted: category", "Gelöscht: Kategorie", None),
    ("pattern new", ["--set", "name=neu", "--set", "kind=address", "--set", "template=x"], "Made: address pattern", "Angelegt: Adressmuster", "id"),
    ("pattern list", [], "neu", "neu", None),
    ("pattern show", ["neu"], "neu", "neu", "template"),
    ("pattern edit", ["neu", "--set", "template=y"], "Changed: address pattern", "Geändert: Adressmuster", "version"),
    ("pattern delete", ["neu", "--yes"], "Deleted: address pattern", "Gelöscht: Adressmuster", None),
    ("report list", [], "Brief", "Brief", None),
    ("report show", ["Brief"], "Guten Tag", "Guten Tag", "variants"),
    ("report new", ["--set", "name=neu"], "Made: report", "Angelegt: Bericht", "id"),
    ("report edit", ["neu", "--set", "title=x"], "Changed: report", "Geändert: Bericht", "version"),
    ("report delete", ["neu", "--yes"], "Deleted: report", "Gelöscht: Bericht", None),
    ("campaign list", [], "Grüße", "Grüße", None),
    ("campaign show", ["Grüße"], "brief", "brief", "steps"),
    ("campaign new", ["--set", "name=neu"], "Made: campaign", "Angelegt: Kampagne", "id"),
    ("campaign edit", ["neu", "--set", "description=x"], "Changed: campaign", "Geändert: Kampagne", "version"),
    ("campaign delete", ["neu", "--yes"], "Deleted: campaign", "Gelöscht: Kampagne", None),
    ("campaign check", ["Grüße"], "Ready to start: 4 recipients", "4 Empfänger", "recipients"),
    ("campaign recipients", ["Grüße"], "4 recipients", "4 Empfänger", "recipients"),
    ("campaign export", ["Grüße"], "id,name", "id,name", None),
    ("campaign individual", ["Grüße", "--force"], "its own copy", "eigene Kopie", None),
    ("campaign compare", ["Grüße"], "is the saved one", "ist die gespeicherte", "same"),
    ("suppress add", ["max@example.org"], "Suppressed", "Gesperrt", "id"),
    ("suppress list", [], "max@example.org", "max@example.org", None),
    ("suppress export", [], "max@example.org", "max@example.org", None),
    ("suppress import", ["SUPPRESSIONS"], "added", "hinzugefügt", "added"),
    ("suppress feed", ["alle"], "added", "hinzugefügt", "added"),
    ("suppress remove", ["1"], "is off", "ist von der", None),
    ("person export", ["1"], '"runs"', '"runs"', "runs"),
    ("export", [], "campaignd-definitions", "campaignd-definitions", "format"),
    ("import", ["DEFINITIONS"], "definition taken", "1 Definition übernommen", "unchanged"),
    ("campaign start", ["lang", "--force"], "has started", "hat begonnen", "run"),
    ("run list", [], "Grüße", "Grüße", None),
    ("run show", ["1"], "recipients", "Empfänger", "steps"),
    ("run confirm", ["1", "1"], "confirmed for 1", "bestätigt für 1", "recorded"),
    ("run tasks", ["1"], "delivered", "erledigt", None),
    ("run watch", ["1"], "4", "4", "state"),
    ("run pause", ["2"], "Run 2", "Ausführung 2", "state"),
    ("run resume", ["2"], "Run 2", "Ausführung 2", "state"),
    ("run cancel", ["LAST"], "Run", "Ausführung", "state"),
    ("preview", ["Grüße", "2"], "application/pdf", "application/pdf", "parts"),
    ("archive list", [], "outcome", "Ergebnis", None),
    ("archive get", ["1/1", "-o", "OUT"], "Saved", "Gespeichert", None),
    ("archive verify", [], "4 documents", "4 Dokumente", "ok"),
    ("reload", [], "Reloaded: generation", "Neu geladen", "generation"),
]


def arguments(site, given, number):
    last = site.api("GET", "/v1/runs?limit=1")[0]["number"]
    (site.folder / "liste.csv").write_text("plz;name\n01067;a\n99999;b\n")
    (site.folder / "sperre.csv").write_text("value,kind\na@example.org,address\n")
    (site.folder / "definitions.json").write_text(json.dumps({"format": "campaignd-definitions", "version": 2, "categories": [
        {"name": "eingelesen", "distributor": False}]}))
    return [{"LAST": str(last), "CSV": str(site.folder / "liste.csv"), "SUPPRESSIONS": str(site.folder / "sperre.csv"),
             "DEFINITIONS": str(site.folder / "definitions.json"), "OUT": str(site.folder / f"out{number}.pdf")}.get(argument, argument) for argument in given]


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_command_speaks(office, language):
    assert {command for command, *_ in COMMANDS} == commands_of_help(), "a command is not tested, or gone"
    for number, (command, given, english, german, _) in enumerate(COMMANDS):
        done = office.ctl("--lang", language, *command.split(), *arguments(office, given, number), check=False)
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.stderr == "", f"{command}: {done.stderr}"
        assert (english if language == "en" else german) in done.stdout, f"{command} says: {done.stdout}"
        assert "\x1b[" not in done.stdout, "colours where there is no terminal"


def test_every_command_has_json(office):
    for number, (command, given, _, _, key) in enumerate(COMMANDS):
        done = office.ctl("--json", *command.split(), *arguments(office, given, number), check=False)
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        if not done.stdout:
            assert command.endswith(("delete", "remove")) or command == "archive get", f"{command} prints no JSON"
        elif command.endswith(" export"):
            continue  # a list
        else:
            answer = json.loads(done.stdout)
            assert key is None or key in answer, (command, answer)
            assert isinstance(answer, list) == ((command.endswith(("list", "problems", "tasks", "groups")) or command == "query tables")), command


@pytest.mark.parametrize("language, says", [("en_US.UTF-8", "Ready to start"), ("de_AT.UTF-8", "Startbereit"), ("C", "Ready to start"),
                                            ("fr_FR", "Ready to start")])
def test_language_comes_from_the_environment(office, language, says):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    done = subprocess.run([BUILD / "campaignctl", "campaign", "check", "Grüße"], capture_output=True, text=True, encoding="utf-8",
                          env={**environment, "LANG": language, "CAMPAIGND_SOCKET": office.socket})
    assert done.returncode == 0 and says in done.stdout, done.stdout


# ---- exit codes


@pytest.mark.parametrize("code, command", [
    (1, "campaign edit Grüße --set purpose=fun"),
    (1, "campaign check entwurf"), (1, "campaign start entwurf"),
    (2, "campaign"), (2, "fnord"), (2, "campaign show"), (2, "campaign show a b"), (2, "run show abc"), (2, "run list --limit 0"),
    (2, "status --fnord"), (2, "status --lang fr"), (2, "campaign edit Grüße"), (2, "campaign edit Grüße --set nonsense"),
    (2, "campaign edit Grüße --file /nonexistent"), (2, "archive get 1"),
    (3, "campaign show nirgends"), (3, "query show 4711"), (3, "report delete nirgends --yes"), (3, "run show 99"),
    (3, "archive get 1/99"), (3, "preview Grüße 99"),
    (5, "query delete alle --yes"), (5, "query new --set name=alle --set source=kunden"), (5, "run resume 1"), (5, "run pause 1"),
    (5, "campaign start lang"),
    (7, "campaign start scheitert --watch"),
])
def test_exit_codes(office, code, command):
    office.api("POST", "/v1/campaigns", {"name": "entwurf"})
    if "lang" in command:
        office.start_run("lang")
    if "scheitert" in command:
        office.campaign("scheitert", [{"name": "eins", "action": "null", "parameters": {"fail_every": 2}}])
    for language in ("en", "de"):
        done = office.ctl("--lang", language, *command.split(), check=False)
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        if code not in (1, 7):
            assert done.stderr.startswith("campaignctl: ") and done.stdout == "", (done.stdout, done.stderr)


def test_file_that_is_there_is_not_overwritten_unasked(office):
    name = office.api("GET", "/v1/archive?run=1&limit=1")[0]["name"]
    target = office.folder / name
    target.write_text("mine")
    command = [BUILD / "campaignctl", "--socket", office.socket, "archive", "get", "1/1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=office.folder)
    assert done.returncode == 5 and target.read_text() == "mine" and name in done.stderr
    assert subprocess.run(command + ["-o", name], capture_output=True, cwd=office.folder).returncode == 0
    assert target.read_bytes().startswith(b"%PDF")


def test_no_daemon_is_4_and_the_socket_is_named(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        done = subprocess.run([BUILD / "campaignctl", "--lang", "en", "--socket", path, "status"], capture_output=True, text=True)
        assert done.returncode == 4 and str(path) in done.stderr and "Is it running" in done.stderr


def test_start_with_watch_follows_to_the_end(office):
    done = office.ctl("--lang", "en", "campaign", "start", "Grüße", "--watch")
    assert "4" in done and "done" in done.splitlines()[-1] + done
    assert office.ctl("campaign", "start", "Grüße", "--watch", json_output=True)["state"] == "done"


def test_watching_may_be_interrupted_and_the_run_goes_on(office):
    run = office.start_run("lang")
    watcher = subprocess.Popen([BUILD / "campaignctl", "--socket", office.socket, "run", "watch", str(run)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    watcher.stdout.readline()
    watcher.send_signal(2)
    assert watcher.wait(10 * PATIENCE) == 130
    assert office.run(run)["state"] == "running"
    watcher.communicate()


def test_paused_run_ends_the_watching_with_7(office):
    run = office.start_run("lang")
    office.ctl("run", "pause", run)
    done = office.ctl("--lang", "en", "run", "watch", run, check=False)
    assert done.returncode == 7 and "paused" in done.stdout + done.stderr and f"run resume {run}" in done.stdout + done.stderr


def test_refusal_is_in_the_readers_language(office):
    office.campaign("fax", [{"name": "eins", "action": "fax"}])
    german = office.ctl("--lang", "de", "campaign", "start", "fax", check=False).stderr
    english = office.ctl("--lang", "en", "campaign", "start", "fax", check=False).stderr
    assert "nicht eingerichtet" in german and "no action »fax« is configured" in english
    office.api("POST", "/v1/campaigns", {"name": "entwurf"})
    german = office.ctl("--lang", "de", "campaign", "start", "entwurf", check=False).stderr
    english = office.ctl("--lang", "en", "campaign", "start", "entwurf", check=False).stderr
    assert "noch keine Datenquelle" in german and "has no data yet" in english


# ---- documents


def test_edit_with_an_editor(office):
    editor = office.folder / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/Guten Tag/Servus/' \"$1\"\n")
    editor.chmod(0o755)
    environment = {**os.environ, "EDITOR": str(editor), "CAMPAIGND_SOCKET": office.socket}
    environment.pop("VISUAL", None)
    command = f"{BUILD}/campaignctl report edit Brief"
    done = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, text=True, env=environment, timeout=20)
    assert done.returncode == 0, done.stdout
    assert "Servus" in office.api("GET", "/v1/reports/Brief")["variants"]["de"]["html"]


def test_changed_meanwhile_is_a_conflict(office):
    first = office.api("GET", "/v1/reports/Brief")
    office.api("PUT", "/v1/reports/Brief", {**first, "title": "von anderen"})
    with pytest.raises(Failed) as failed:
        office.api("PUT", "/v1/reports/Brief", {**first, "title": "von mir"})
    assert failed.value.status == 409
    assert office.api("GET", "/v1/reports/Brief")["title"] == "von anderen"
    done = office.ctl("report", "edit", "Brief", "--file", "-", input=json.dumps(first), check=False)
    assert done.returncode == 5


def test_what_show_gives_can_be_put_back(office):
    for kind, name in (("campaign", "Grüße"), ("report", "Brief"), ("query", "alle")):
        shown = office.ctl("--json", kind, "show", name)
        assert office.ctl(kind, "edit", name, "--file", "-", input=shown)
    assert office.wait_run(office.start_run("Grüße"))["state"] == "done"


def test_names_with_odd_characters(office):
    for name in ("a/b", "50 % & mehr?", "ä ö ü #1", "..", "0815", "x" * 200):
        office.api("POST", "/v1/campaigns", {"name": name})
        assert office.ctl("--json", "campaign", "show", name, json_output=True)["name"] == name
        office.ctl("campaign", "delete", name, "--yes")


def test_same_uuid_starts_once(office):
    first = office.api("POST", "/v1/campaigns/Gr%C3%BC%C3%9Fe/start", {"uuid": "once"})["run"]
    assert office.api("POST", "/v1/campaigns/Gr%C3%BC%C3%9Fe/start", {"uuid": "once"})["run"] == first
    office.wait_run(first)
    assert office.api("POST", "/v1/campaigns/Gr%C3%BC%C3%9Fe/start", {"uuid": "once"})["run"] == first
    assert len(office.api("GET", "/v1/runs")) == 2


def test_two_starts_at_once_begin_one_run(office):
    answers = []

    def start():
        try:
            answers.append(office.start_run("lang"))
        except Failed as failed:
            answers.append(failed.status)
    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[0] == 2 and sorted(answers)[1:] == [409] * 5, answers
    assert len(office.api("GET", "/v1/runs")) == 2


def test_archive_gives_what_was_made(office):
    listed = office.ctl("archive", "list", "--run", 1, json_output=True)
    assert sorted(entry["recipient"] for entry in listed) == ["1", "2", "3", "4"]
    for entry in listed:
        target = office.folder / f"{entry['recipient']}.pdf"
        office.ctl("archive", "get", f"1/{entry['document']}", "-o", target)
        text = subprocess.run(["pdftotext", "-layout", target, "-"], capture_output=True, text=True, check=True).stdout
        assert f"Kundin Nr. {entry['recipient']} " in text and target.stat().st_size == entry["length"]
    assert [entry["recipient"] for entry in office.ctl("archive", "list", "--recipient", "3", json_output=True)] == ["3"]


def test_archive_finds_a_change(office):
    segment = next(office.state.glob("archive/1/*.zip"))
    with open(segment, "r+b") as file:
        file.seek(2000)
        byte = file.read(1)
        file.seek(2000)
        file.write(bytes([byte[0] ^ 1]))
    done = office.ctl("--lang", "en", "archive", "verify", check=False)
    assert done.returncode == 1 and "NOT whole" in done.stdout + done.stderr
    answer = office.api("POST", "/v1/archive/verify", {})
    assert answer["ok"] is False and answer["faults"][0]["run"] == 1 and answer["faults"][0]["message"]


def test_preview_files_nothing(office):
    target = office.folder / "preview"
    before = office.api("GET", "/v1/archive")
    office.ctl("preview", "Grüße", "3", "-o", f"{target}/")
    files = list(target.iterdir())
    assert len(files) == 1 and files[0].read_bytes().startswith(b"%PDF")
    assert office.api("GET", "/v1/archive") == before and len(office.api("GET", "/v1/runs")) == 1
    until(lambda: not list((office.state / "preview").iterdir()), 5, "the preview's file to be gone")


# ---- HTTP


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "/", None, 404), ("GET", "/v1/nothing", None, 404), ("GET", "/v1/runs/0", None, 404), ("GET", "/v1/runs/x", None, 404),
    ("GET", "/v1/campaigns/%ff", None, 400), ("GET", "/v1/campaigns/a%00b", None, 400), ("DELETE", "/v1/status", None, 405),
    ("POST", "/v1/campaigns", b"{", 400), ("POST", "/v1/campaigns", b'{"name": "a", "name": "b"}', 400),
    ("POST", "/v1/campaigns", b"[]", 400), ("POST", "/v1/campaigns", b'{"name": "a", "fnord": 1}', 400),
    ("POST", "/v1/campaigns", b'{"name": "\xff"}', 400), ("POST", "/v1/campaigns", b"", 400), ("GET", "/v1/runs?limit=0", None, 400),
    ("GET", "/v1/runs?fnord=1", None, 400), ("GET", "/v1/runs?limit=1&limit=2", None, 400), ("GET", "/v1/" + "x" * 9000, None, 414),
    ("POST", "/v1/campaigns/lang/start", b'{"uuid": ""}', 400), ("POST", "/v1/campaigns/lang/start", b'{"force": "yes"}', 400),
    ("POST", "/v1/queries/alle/run", b'{"limit": "many"}', 400),
])
def test_wrong_requests_get_their_status(office, method, path, body, status):
    connection = http.client.HTTPConnection("campaignd", timeout=10 * PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(office.socket)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == status, answer
    assert answer["error"]["code"] and answer["error"]["message"]
    assert office.api("GET", "/v1/status")["state"] == "running"


def test_wrong_type_and_too_large_bodies(office):
    connection = http.client.HTTPConnection("campaignd", timeout=10 * PATIENCE)
    for headers, body, status in (({"Content-Type": "text/plain"}, b"{}", 415), ({"Content-Type": "application/json"}, b" " * (17 << 20), 413)):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(office.socket)
        try:
            connection.request("POST", "/v1/campaigns", body, headers)
        except BrokenPipeError:
            pass  # it need not read all of it
        assert connection.getresponse().status == status
        connection.close()


def test_requests_while_it_stops_are_answered(office):
    office.start_run("lang")
    office.kill(15, wait=False)
    try:
        office.api("GET", "/v1/status")
    except (Failed, OSError, http.client.HTTPException) as failed:
        assert not isinstance(failed, Failed) or failed.status == 503
    office.kill_workers()
    assert office.core.wait(20 * PATIENCE) == 0


# ---- who may

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

ASK = """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[3].split(",") if g]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1]))
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[4])
s.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: campaignd\\r\\nConnection: close\\r\\n\\r\\n")
data = b""
while chunk := s.recv(65536): data += chunk
sys.stdout.write(data.decode())
"""


def ask_as(site, uid, gid, groups=""):
    return subprocess.run([sys.executable, "-c", ASK, str(uid), str(gid), groups, site.socket], capture_output=True, text=True, timeout=20)


@needs_root
def test_other_users_get_a_403(office):
    os.chmod(office.short, 0o755)
    nobody = pwd.getpwnam("nobody")
    done = ask_as(office, nobody.pw_uid, nobody.pw_gid)
    assert "PermissionError" in done.stderr, "the socket's mode keeps nobody out"
    os.chmod(office.socket, 0o666)  # as a careless admin might
    done = ask_as(office, nobody.pw_uid, nobody.pw_gid)
    assert done.stdout.startswith("HTTP/1.1 403 "), done.stdout + done.stderr
    answer = json.loads(done.stdout.partition("\n\n")[2])
    assert answer["error"]["code"] == "denied" and answer["error"]["message"]
    assert "refused nobody" in office.log()
    assert ask_as(office, 0, 0).stdout.startswith("HTTP/1.1 200 ")


@needs_root
def test_ctl_says_who_may(office):
    """campaignctl as a foreign user: kept out by the socket's mode, then by the daemon; 6 both times."""
    program = pathlib.Path(office.short) / "campaignctl"
    os.chmod(office.short, 0o755)
    shutil.copy(BUILD / "campaignctl", program)
    nobody = pwd.getpwnam("nobody")
    command = [program, "--lang", "en", "--socket", office.socket, "status"]
    options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "capture_output": True, "text": True, "cwd": "/"}
    done = subprocess.run(command, **options)
    assert done.returncode == 6 and "group" in done.stderr, done.stderr
    os.chmod(office.socket, 0o666)
    done = subprocess.run(command, **options)
    assert done.returncode == 6 and done.stderr, done.stderr


@needs_root
def test_members_of_the_socket_group_may(site):
    site.configure(more="[http]\nsocket_group = daemon\n")
    site.customers(1)
    site.start()
    os.chmod(site.short, 0o755)
    import grp
    nobody, daemon = pwd.getpwnam("nobody"), grp.getgrnam("daemon").gr_gid
    assert os.stat(site.socket).st_gid == daemon and os.stat(site.socket).st_mode & 0o777 == 0o660
    assert ask_as(site, nobody.pw_uid, daemon).stdout.startswith("HTTP/1.1 200 ")
    os.chmod(site.socket, 0o666)
    assert ask_as(site, nobody.pw_uid, nobody.pw_gid).stdout.startswith("HTTP/1.1 403 ")


# ---- completion


def test_completion_knows_commands_and_names(office):
    def complete(*words):
        done = subprocess.run([BUILD / "campaignctl", "__complete", *words], capture_output=True, text=True, check=True,
                              env={**os.environ, "CAMPAIGND_SOCKET": office.socket})
        return done.stdout.splitlines()
    assert {"campaign", "query", "run", "reload"} <= set(complete(""))
    assert {"list", "show", "check", "start"} <= set(complete("campaign", ""))
    assert complete("campaign", "show", "") == ["Grüße", "lang"]
    assert complete("run", "show", "") == ["1"]
    assert "--watch" in complete("campaign", "start", "-")


def test_completion_works_in_bash(office):
    script = f"""
        PATH={BUILD}:$PATH; export CAMPAIGND_SOCKET={office.socket}
        source {ROOT}/conf/campaignctl.bash-completion
        COMP_WORDS=(campaignctl campaign sh); COMP_CWORD=2; _campaignctl; echo "${{COMPREPLY[*]}}"
        COMP_WORDS=(campaignctl campaign show la); COMP_CWORD=3; _campaignctl; echo "${{COMPREPLY[*]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20)
    assert done.stdout == "show\nlang\n", done.stdout + done.stderr


def test_idle_clients_cost_no_processor_time(office):
    clients = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(office.socket)
        clients.append(client)

    def used():
        return sum(map(int, open(f"/proc/{office.core.pid}/stat").read().rpartition(")")[2].split()[11:13]))
    time.sleep(0.3)
    before = used()
    time.sleep(1)
    assert used() - before < 20, "the core spins"
    for client in clients:
        client.close()


# ---- a filter is checked when its campaign is saved

FAULTS = [("nmae = 'A'", "»nmae« is no field of the group; is »name« meant? (line 1, column 1)", "»name«"),
          ("id = 'viele'", "id", "»id«"),
          ("id > > 3", "(line 1, column ", "Zeile 1, Spalte ")]


def campaign_document(site, name="Grüße"):
    return site.api("GET", f"/v1/campaigns/{urllib.parse.quote(name)}")


@pytest.mark.parametrize("condition, english, german", FAULTS)
def test_filter_that_cannot_be_is_not_saved(office, condition, english, german):
    where = "/v1/campaigns/" + urllib.parse.quote("Grüße")
    before = campaign_document(office)
    for method, place, body in [("PUT", where, {**before, "filter": condition}),
                                ("POST", "/v1/campaigns", {"name": "neu", "query": "alle", "filter": condition})]:
        with pytest.raises(Failed) as failed:
            office.api(method, place, body)
        error = failed.value.answer["error"]
        assert failed.value.status == 400 and error["code"] == "input", error
        assert english in error["message"] and german in error["message_de"], error
    for language, says in (("en", english), ("de", german)):
        for command in (["campaign", "edit", "Grüße", "--set", f"filter={condition}"],
                        ["campaign", "new", "neu", "--query", "alle", "--set", f"filter={condition}"]):
            done = office.ctl("--lang", language, *command, check=False)
            assert done.returncode == 1 and says in done.stderr, done
    assert campaign_document(office) == before
    assert [campaign["name"] for campaign in office.api("GET", "/v1/campaigns")] == ["Grüße", "lang"]


def test_filter_that_fits_is_saved(office):
    where = "/v1/campaigns/" + urllib.parse.quote("Grüße")
    saved = office.api("PUT", where, {**campaign_document(office), "filter": "id < 3"})
    assert saved["filter"] == "id < 3" and "problems" not in saved
    assert campaign_document(office)["filter"] == "id < 3"
    made = office.api("POST", "/v1/campaigns", {"name": "ohne Schritt", "query": "alle", "filter": "name = 'A'"})
    assert made["filter"] == "name = 'A'" and "problems" not in made, "steps are not needed for it"


def test_what_a_saved_filter_stands_on_is_checked_with_it(office):
    """Another query, another group of it, an individual query: the same filter, and other columns."""
    where = "/v1/campaigns/" + urllib.parse.quote("Grüße")
    office.api("POST", "/v1/queries", {"name": "zwei", "source": "kunden", "groups": [
        {"name": "mit", "key": "id", "sql": "SELECT id, ort FROM kunde"}, {"name": "ohne", "key": "id", "sql": "SELECT id FROM kunde"}]})
    before = office.api("PUT", where, {**campaign_document(office), "filter": "ort = 'Graz'"})
    for change in ({"query": "zwei", "group": "ohne"}, {"individual_sql": "SELECT id, name FROM kunde"}):
        with pytest.raises(Failed) as failed:
            office.api("PUT", where, {**before, **change})
        assert failed.value.status == 400 and "»ort«" in failed.value.answer["error"]["message"]
        assert campaign_document(office)["version"] == before["version"]
    before = office.api("PUT", where, {**before, "query": "zwei", "group": "mit"})
    refused = office.ctl("--lang", "de", "campaign", "individual", "Grüße", "--group", "ohne", check=False)
    assert refused.returncode == 1 and "»ort«" in refused.stderr, refused
    assert campaign_document(office)["version"] == before["version"]


def test_import_checks_filters_and_takes_all_or_none(office, tmp_path):
    document = office.api("GET", "/v1/definitions")
    changed = json.loads(json.dumps(document))
    changed["campaigns"][0]["filter"] = "nmae = 'A'"
    changed["campaigns"][1]["description"] = "neu"
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(changed))
    for more in ([], ["--dry-run"]):
        for language, says in (("en", "is »name« meant?"), ("de", "»name«")):
            done = office.ctl("--lang", language, "import", str(file), *more, check=False)
            assert done.returncode == 1 and says in done.stderr and "»Grüße«: " in done.stderr, done
    assert office.api("GET", "/v1/definitions") == document
    changed["campaigns"][0]["filter"] = "name = 'A'"
    told = office.api("POST", "/v1/definitions", {"document": changed, "dry_run": True})
    assert len(told["changed"]) == 2 and office.api("GET", "/v1/definitions") == document
    office.api("POST", "/v1/definitions", {"document": changed})
    assert campaign_document(office)["filter"] == "name = 'A'"


def hang(listener):
    """A PostgreSQL that lets its clients in and then says no more. Until the listener is closed."""
    clients = []
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            clients.append(client)
            while int.from_bytes(client.recv(65536)[4:8], "big") in (80877103, 80877104):  # for TLS, for GSSAPI
                client.sendall(b"N")
            client.sendall(b"R\0\0\0\x08\0\0\0\0" b"Z\0\0\0\x05I")


def test_source_that_cannot_be_asked_does_not_keep_a_filter_from_being_saved(site):
    """One that is not there, and one that hangs. The campaign is saved with a warning; a check finds out."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        threading.Thread(target=hang, args=[hanging], daemon=True).start()
        port = hanging.getsockname()[1]
        site.start(customers=1, sources={"kunden": {"driver": "sqlite", "path": site.folder / "fort.db"},
                                         "stumm": {"driver": "postgres", "connection": f"host=127.0.0.1 port={port} dbname=x user=x",
                                                   "time_limit": "10m"}})
        for source in ("kunden", "stumm"):
            site.query(source, "SELECT id FROM kunde", source=source)
            saved = site.api("POST", "/v1/campaigns", {"name": source, "query": source, "filter": "id < 3"})
            assert saved["filter"] == "id < 3"
            [problem] = saved["problems"]
            assert problem["severity"] == "warning" and problem["where"] == "filter", problem
            assert "could not be checked" in problem["message_en"] and "nicht geprüft" in problem["message_de"]
            # Neither the filter nor what it stands on is another: nobody is asked.
            assert "problems" not in site.api("PUT", f"/v1/campaigns/{source}", {**saved, "description": "x", "version": None})
    done = site.ctl("--lang", "de", "campaign", "edit", "kunden", "--set", "filter=id < 4")
    assert "nicht geprüft" in done and "Geändert" in done, done
    assert not site.api("POST", "/v1/campaigns/kunden/check")["ok"]


def test_nobody_is_asked_where_no_filter_has_changed(office):
    """A source that is gone after the filter was saved is not missed by a save that leaves the filter as it is."""
    where = "/v1/campaigns/" + urllib.parse.quote("Grüße")
    office.api("PUT", where, {**campaign_document(office), "filter": "id < 3"})
    os.rename(office.customers_db, f"{office.customers_db}.fort")
    assert "problems" not in office.api("PUT", where, {**campaign_document(office), "description": "neu"})
    assert "problems" not in office.api("PUT", where, {**campaign_document(office), "filter": None, "query": "alle"})
    assert "problems" in office.api("PUT", where, {**campaign_document(office), "filter": "id < 4"})
