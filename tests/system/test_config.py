"""The configuration and the start: -t names each error with its file and line, a start is refused with the reason."""
import json
import os
import pwd
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, until


def campaignd(*arguments, timeout=30, **options):
    return subprocess.run([BUILD / "campaignd", *map(str, arguments)], capture_output=True, text=True, encoding="utf-8",
                          stdin=subprocess.DEVNULL, timeout=timeout * PATIENCE, **options)


def check(site):
    return campaignd("-t", "-c", site.conf)


def line_of(site, text):
    """The number of the configuration's line that holds `text`."""
    lines = site.conf.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def refused_start(site):
    """Start a site that must not start; its log's new lines."""
    before = len(site.log())
    site.start(wait=False)
    until(lambda: not site.running(), 20, "a daemon that cannot start to end")
    assert site.core.returncode == 1
    return site.log()[before:]


# ---- options


def test_version_and_help():
    assert campaignd("--version").stdout == campaignd("-V").stdout == "campaignd 0.1.0\n"
    assert "usage: campaignd" in campaignd("--help").stdout
    wrong = campaignd("--nonsense")
    assert wrong.returncode == 2 and "--nonsense" in wrong.stderr and "usage:" in wrong.stderr
    assert campaignd("-c").returncode == 2


def test_good_configuration_passes(site):
    site.customers(1)
    site.configure({"null": {"plugin": "nothing", "concurrency": 7}})
    done = check(site)
    assert done.returncode == 0, done.stderr
    assert "all in order (sources: 1, actions: 1)" in done.stdout and done.stderr == ""
    assert not site.state.exists(), "-t wrote something"


# ---- what -t says


def test_each_error_of_a_catalogue_has_its_file_and_place(site):
    catalogue = site.folder / "katalog.json"
    site.customers(1)
    site.configure(sources={"kunden": {"driver": "sqlite", "path": site.customers_db, "catalogue": catalogue}})
    catalogue.write_text('{"tables": {"kunde": {"hiden": true, "columns": {"ort": {"label": "Ort"}}}}, "unlisted": "no"}')
    done = check(site)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{catalogue}: tables.kunde.hiden: there is no such key; did you mean »hidden«? Keys: label_de, label_en, hidden, columns",
        f"{catalogue}: tables.kunde.columns.ort.label: there is no such key; did you mean »label_de«? "
        "Keys: label_de, label_en, role, format, hidden",
        f"{catalogue}: unlisted: \"shown\" or \"hidden\" is expected"]
    assert f"{catalogue}: " in refused_start(site)
    catalogue.write_text('{"tables": {"kunde": {"hidden": true}}}')
    assert check(site).returncode == 0


@pytest.mark.parametrize("wrong, says", [
    ("[daemon]\ncolour = red\n", "has no key »colour«"),
    ("[daemon]\nlog_levle = info\n", "»log_level«"),
    ("[fnord]\n", "there is no section [fnord]"),
    ("[daemon]\nlog_level = loud\n", "loud"),
    ("[daemon]\nstop_timeout = 30\n", "»30« does not fit stop_timeout: expected is a time"),
    ("[source.two]\ndriver = sqlite\n", "path is missing"),
    ("[source.two]\ndriver = oracle\npath = x\n", "oracle"),
    ("[source.kunden]\ndriver = sqlite\npath = x\n", "there is a [source.kunden] already"),
    ("[action.null]\nplugin = nothing\n", "there is a [action.null] already"),
    ("[action.Big]\nplugin = nothing\n", "»Big« is no name"),
    ("[action.two]\nconcurrency = 3\n", "plugin is missing"),
    ("[http]\nmax_body = 1KB\nmax_body = 2KB\n", "max_body was given already"),
    ("rubbish\n", "neither »[section]« nor »key = value«"),
    ("[daemon]\nlog_level = info ; not loud\n", ";"),
    ("[daemon]\nuser = " + "x" * 250 + "\n", "199"),
])
def test_each_error_of_the_file_has_its_line(site, wrong, says):
    site.configure(more=wrong)
    expected = len(site.conf.read_text().splitlines())
    done = check(site)
    assert done.returncode == 1
    found = [line for line in done.stderr.splitlines() if says in line]
    assert found, done.stderr
    name, number, message = found[0].split(":", 2)
    assert name == str(site.conf) and expected - 2 <= int(number) <= expected, found


def test_all_errors_are_said_at_once_in_all_files(site):
    site.configure(daemon={"include": "conf.d/*.conf"}, more="[http]\nsize = 3\n")
    (site.folder / "conf.d").mkdir()
    (site.folder / "conf.d" / "a.conf").write_text("# one\n[daemon]\nfirst = 1\n")
    (site.folder / "conf.d" / "b.conf").write_text("[action.b]\nworkers = 0\n")
    done = check(site)
    assert done.returncode == 1
    assert "conf.d/a.conf:3: " in done.stderr and "conf.d/b.conf:2: " in done.stderr
    assert f"campaignd.conf:{line_of(site, 'size = 3')}: " in done.stderr
    assert "conf.d/b.conf:1: plugin is missing" in done.stderr


def test_missing_file_is_named(tmp_path):
    done = campaignd("-t", "-c", tmp_path / "nowhere.conf")
    assert done.returncode == 1 and f"{tmp_path}/nowhere.conf" in done.stderr and "No such file" in done.stderr
    assert campaignd("-c", tmp_path / "nowhere.conf").returncode == 1


# Each: the plugin's section, the line that the error is in (of its own lines), and what is said.
PLUGINS = {
    "there-is-none": (["plugin = fnord"], 0, "there is no "),
    "of-another-abi": (["plugin = wrong_abi"], 0, "it was built for ABI 9.0"),
    "of-another-name": (["plugin = other_name"], 0, "it calls itself »somebody«"),
    "no-action": (["plugin = no_symbol"], 0, "no symbol campaignd_action"),
    "does-nothing": (["plugin = no_tier"], 0, "none of deliver() and send()"),
    "two-tiers": (["plugin = both_tiers"], 0, "both of deliver() and send()"),
    "odd-flags": (["plugin = odd_flags"], 0, "flags that mean nothing"),
    "unknown-setting": (["plugin = nothing", "concurency = 3"], 2, "»concurrency« is meant?"),
    "bad-setting": (["plugin = nothing", "concurrency = 0"], 2, "out of bounds"),
    "no-number": (["plugin = nothing", "concurrency = many"], 2, "»many« is not a whole number"),
    "missing-setting": (["plugin = simple"], 0, "greeting is missing"),
    "open-secret": (["plugin = simple", "greeting = hi", "password = hunter2"], 3, "is a secret"),
    "no-secret-file": (["plugin = simple", "greeting = hi", "password = file:none"], 3, "none"),
}


def test_each_error_of_the_plugins_has_its_line(site):
    more, lines = "", 0
    for plugin in ("wrong_abi", "other_name", "no_symbol", "no_tier", "both_tiers", "odd_flags", "simple"):
        site.plugin(plugin)
    for name, (keys, _, _) in PLUGINS.items():
        more += f"[action.{name}]\n" + "".join(key + "\n" for key in keys)
    site.customers(1)
    site.configure(more=more)
    done = check(site)
    assert done.returncode == 1
    for name, (_, line, says) in PLUGINS.items():
        number = line_of(site, f"[action.{name}]") + line
        start = f"{site.conf}:{number}: action »{name}«: "
        found = [text for text in done.stderr.splitlines() if text.startswith(start)]
        assert len(found) == 1 and says in found[0], (start, done.stderr)
        lines += 1
    assert f"{lines} errors" in done.stderr
    assert "hunter2" not in done.stderr


def test_plugin_that_others_may_write_is_refused(site):
    site.configure()
    (site.plugins / "nothing.so").chmod(0o777)
    done = check(site)
    assert done.returncode == 1 and "can be written by others" in done.stderr and "chmod go-w" in done.stderr


def test_garbage_for_a_plugin_is_refused(site):
    site.configure()
    (site.plugins / "nothing.so").write_bytes(os.urandom(20000))
    done = check(site)
    assert done.returncode == 1 and "action »null«: plugin nothing: it cannot be loaded" in done.stderr


def test_layout_that_is_missing_is_said(site):
    site.configure(daemon={"library_dir": site.folder})
    done = check(site)
    assert done.returncode == 1 and "library_dir" in done.stderr and "letter.so" in done.stderr


# ---- the start


def test_start_with_an_error_is_refused_with_the_same_line(site):
    site.configure(more="[daemon]\ncolour = red\n")
    log = refused_start(site)
    assert f"{site.conf}:{line_of(site, 'colour')}: " in log and "colour" in log


def test_start_with_a_missing_plugin_is_refused(site):
    site.configure()
    (site.plugins / "nothing.so").unlink()
    log = refused_start(site)
    assert "does not start" in log and "action »null«" in log and "nothing.so" in log


def test_start_with_a_plugin_that_fails_to_load_is_refused(site):
    site.configure({"null": {"plugin": "nothing"}, "some": {"plugin": "simple", "greeting": "refuse"}})
    log = refused_start(site)
    assert "does not start" in log and "action »some«" in log and "as you say" in log


def test_no_action_at_all_is_fine(site):
    site.customers(3)
    site.start(actions={})
    assert site.api("GET", "/v1/status")["actions"] == []
    assert site.ctl("reload")
    assert site.ctl("reload")
    assert site.api("GET", "/v1/status")["generation"] == 3


def test_two_daemons_never_share_a_state_dir(site, new_site):
    site.start(customers=1)
    other = new_site()
    other.state = site.state
    other.configure(sources={})
    log = refused_start(other)
    assert f"another campaignd (process {site.core.pid}) uses {site.state}" in log
    assert site.api("GET", "/v1/status")["state"] == "running"


def test_two_daemons_never_share_a_socket(site, new_site):
    site.start(customers=1)
    other = new_site()
    other.socket, own = site.socket, other.socket
    other.configure(sources={})
    log = refused_start(other)
    assert site.socket in log and "another process listens there" in log
    assert site.api("GET", "/v1/status")["state"] == "running"
    other.socket = own


def test_state_dir_is_free_again_after_a_kill(site):
    site.start(customers=1)
    site.restart(sig=9)
    assert site.api("GET", "/v1/status")["state"] == "running"


def test_relative_paths_count_from_the_file_that_names_them(site):
    site.customers(5)
    site.configure(sources={}, actions={}, daemon={"state_dir": "var/own", "include": "parts/*.conf"})
    parts = site.folder / "parts"
    (parts / "plugins").mkdir(parents=True)
    os.rename(site.plugin("nothing"), parts / "plugins" / "nothing.so")
    text = site.conf.read_text().replace(f"plugin_dir = {site.plugins}\n", "")
    site.conf.write_text(text)
    os.rename(site.customers_db, parts / "kunden.db")
    (parts / "site.conf").write_text("[daemon]\nplugin_dir = plugins\n[source.kunden]\ndriver = sqlite\npath = kunden.db\n"
                                     "[action.null]\nplugin = nothing\n")
    site.state = site.folder / "var" / "own"
    (site.folder / "elsewhere").mkdir()
    done = campaignd("-t", "-c", "../campaignd.conf", cwd=site.folder / "elsewhere")
    assert done.returncode == 0, done.stderr
    site.start()
    assert (site.folder / "var" / "own" / "state.db").exists()
    site.campaign("leer", [{"name": "eins", "action": "null"}])
    assert site.api("POST", "/v1/campaigns/leer/check")["recipients"] == 5


# ---- who it runs as

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def owner(path):
    return pwd.getpwuid(path.stat().st_uid).pw_name


def reachable_for_all(site):
    """pytest's folders are closed to others; a site whose daemon is another user lives in its own short folder."""
    import pathlib
    import shutil
    folder = pathlib.Path(site.short)
    folder.chmod(0o755)
    build = folder / "build"
    build.mkdir()
    for name in ("campaignd", "letter.so"):
        shutil.copy(BUILD / name, build / name)
    site.folder = folder
    site.state, site.conf, site.plugins = folder / "lib" / "state", folder / "campaignd.conf", folder / "plugins"
    site.customers_db, site.act_file = folder / "kunden.db", str(folder / "lib" / "state" / "acts")
    site.socket = str(folder / "run" / "s")
    return build


@needs_root
def test_started_as_root_it_becomes_its_user(site):
    build = reachable_for_all(site)
    site.customers(20)
    site.start(daemon={"user": "nobody", "library_dir": build})
    uid = pwd.getpwnam("nobody").pw_uid
    for pid in site.processes():
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
        assert status["Uid"].split() == [str(uid)] * 4, status["Uid"]
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert "0" not in status["Groups"].split()
    assert owner(site.state) == owner(site.state / "definitions") == owner(site.state / "state.db") == "nobody"
    assert site.state.stat().st_mode & 0o777 == 0o700
    assert site.state.joinpath("definitions").stat().st_mode & 0o7777 == 0o2770
    assert "running as root" not in site.log()
    site.campaign("leer", [{"name": "eins", "action": "null", "parameters": {"journal": site.act_file}}])
    run = site.start_run("leer")
    assert site.wait_run(run)["state"] == "done" and len(site.acts()) == 20
    assert site.ctl("reload")
    # A second start finds all as the first one left it.
    site.restart()
    assert site.run(run)["state"] == "done"


@needs_root
def test_without_a_user_root_says_so_and_goes_on(site):
    site.start(customers=1)
    assert "running as root" in site.log() and "[daemon] user" in site.log()


@needs_root
def test_user_or_group_that_does_not_exist_is_named(site):
    site.configure(daemon={"user": "nosuchuser"})
    assert "there is no user »nosuchuser«" in refused_start(site)
    site.configure(daemon={"site_group": "nosuchgroup"})
    assert "there is no group »nosuchgroup«" in refused_start(site)


# ---- stop


@pytest.mark.parametrize("number", [15, 2])
def test_stops_cleanly(site, number):
    site.start(customers=1)
    assert site.kill(number) == 0
    assert site.log().rstrip().endswith("campaignd has ended")
    assert not os.path.exists(site.socket)


def test_help_of_ctl_without_a_daemon_names_the_socket(site):
    done = site.ctl("status", check=False)
    assert done.returncode == 4 and site.socket in done.stderr
