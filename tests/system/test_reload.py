"""Reload: a new generation from sealed copies, or the old one and the reason. Quarantine of a plugin that keeps dying."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import BUILD, PATIENCE, Failed, until

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "plugins" / "nothing.c"
RECIPIENTS = 1200


def compile_variant(site, name, *changes):
    """tests/plugins/nothing.c with changes (from, to), compiled into site.folder; its path."""
    text = SOURCE.read_text()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    source = site.folder / f"{name}.c"
    source.write_text(text)
    target = site.folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", f"-I{ROOT}/core/include", "-o", target, source], check=True)
    target.chmod(0o755)
    return target


def second_version(site):
    return compile_variant(site, "second", ('.version = "1"', '.version = "2"'))


def overwrite(path, content):
    """In place, as a careless compiler or cp does it: the same inode."""
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate()


def generation(site):
    return site.api("GET", "/v1/status")["generation"]


def versions(site):
    return {plugin["action"]: plugin["version"] for plugin in site.api("GET", "/v1/plugins")}


def actions(site):
    return {action["name"]: action for action in site.api("GET", "/v1/status")["actions"]}


def refused_reload(site):
    """A reload that must be refused, by campaignctl; the reason, which the log has, too."""
    before = generation(site)
    done = site.ctl("reload", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert generation(site) == before, "a refused reload changed the generation"
    assert "reload refused, all stays as it was" in site.log()
    return done.stderr


def begin(site, recipients=RECIPIENTS, **parameters):
    site.start(customers=recipients, actions={"null": {"plugin": "nothing", "concurrency": 8}})
    site.campaign("leer", [{"name": "eins", "action": "null",
                            "parameters": {"journal": site.act_file, "delay_ms": 5, **parameters}}])
    return site.start_run("leer")


def wait_acts(site, count):
    until(lambda: sum(site.acts().values()) >= count, 20, f"{count} acts")


def all_once(site, run, recipients=RECIPIENTS):
    assert site.wait_run(run)["state"] == "done"
    acts = site.acts()
    assert len(acts) == recipients and set(acts.values()) == {1}
    assert site.steps(run)["eins"]["delivered"] == recipients


def test_reload_by_signal_and_by_ctl(site):
    site.start(customers=1)
    old = site.workers()
    site.kill(signal.SIGHUP)
    until(lambda: generation(site) == 2, 10, "the second generation")
    until(lambda: len(site.workers()) == 1 and site.workers() != old, 10, "the old worker's end")
    assert "3" in site.ctl("reload")
    assert site.ctl("reload", json_output=True) == {"generation": 4}
    assert "reloaded: generation 4" in site.log()


def test_many_reloads_at_once_are_merged(site):
    site.start(customers=1)
    command = [BUILD / "campaignctl", "--socket", site.socket, "--json", "reload"]
    for _ in range(20):
        site.kill(signal.SIGHUP)
    clients = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(6)]
    assert [client.wait(30 * PATIENCE) for client in clients] == [0] * 6
    until(lambda: len(site.workers()) == 1, 10, "the old workers' end")
    assert 2 <= generation(site) <= 8, "reloads are not merged"


def test_plugin_overwritten_in_place_harms_nothing_that_runs(site):
    run = begin(site, recipients=4000)
    wait_acts(site, 100)
    worker = site.workers()
    overwrite(site.plugins / "nothing.so", os.urandom(50000))
    reason = refused_reload(site)
    assert "action »null«" in reason and "plugin nothing" in reason and "cannot be loaded" in reason
    assert site.workers() == worker, "the running worker did not survive"
    overwrite(site.plugins / "nothing.so", b"")
    assert "nothing" in refused_reload(site)
    assert site.run(run)["state"] == "running"
    overwrite(site.plugins / "nothing.so", second_version(site).read_bytes())
    assert versions(site) == {"null": "1"}
    assert site.ctl("reload", json_output=True) == {"generation": 2}
    assert versions(site) == {"null": "2"}
    all_once(site, run, 4000)


def test_worker_that_is_restarted_gets_its_generations_copy(site):
    site.start(customers=1)
    overwrite(site.plugins / "nothing.so", second_version(site).read_bytes())
    for _ in range(2):
        old = site.workers()
        site.kill_workers()
        until(lambda: site.workers() and site.workers() != old, 10, "a new worker")
        until(lambda: actions(site)["null"]["state"] == "ready", 10, "the new worker to be ready")
        assert versions(site) == {"null": "1"}
    assert generation(site) == 1
    site.ctl("reload")
    assert versions(site) == {"null": "2"}


def test_plugin_deleted_or_replaced_by_a_link_is_refused(site):
    site.start(customers=1)
    plugin = site.plugins / "nothing.so"
    plugin.rename(site.folder / "kept.so")
    reason = refused_reload(site)
    assert str(plugin) in reason and "there is no" in reason and "action »null«" in reason
    plugin.symlink_to(site.folder / "kept.so")
    assert "symbolic link" in refused_reload(site)
    plugin.unlink()
    site.plugin("nothing")
    site.ctl("reload")


def test_catalogue_that_is_wrong_is_refused_and_the_old_one_stays(site):
    """Else a misspelled »hidden« would show what was hidden."""
    catalogue = site.folder / "katalog.json"
    catalogue.write_text('{"tables": {"kunde": {"columns": {"email": {"hidden": true}}}}}')
    site.start(customers=1, sources={"kunden": {"driver": "sqlite", "path": site.customers_db, "catalogue": catalogue}})

    def columns():
        (table,) = site.api("GET", "/v1/sources/kunden/tables")["tables"]
        return [column["name"] for column in table["columns"]]
    for wrong, says in (('{"tables": {"kunde": {"columns": {"email": {"hiden": true}}}}}', "tables.kunde.columns.email.hiden: "),
                        ('{"tables": {"kunde": {"columns": {"email": {"hidden": 1}}}}}', "tables.kunde.columns.email.hidden: "),
                        ('{"tables": {', ":1: this is not JSON")):
        catalogue.write_text(wrong)
        reason = refused_reload(site)
        assert str(catalogue) in reason and says in reason
        assert "email" not in columns()
    catalogue.write_text('{"tables": {"kunde": {"columns": {"ort": {"hidden": true}}}}}')
    site.ctl("reload")
    assert "email" in columns() and "ort" not in columns()


def test_changed_configuration_is_taken_over(site):
    site.start(customers=3, actions={"null": {"plugin": "nothing", "concurrency": 1}})
    site.configure({"null": {"plugin": "nothing", "concurrency": 2, "workers": 2}, "neu": {"plugin": "nothing"}},
                   sources={"kunden": {"driver": "sqlite", "path": site.customers_db},
                            "andere": {"driver": "sqlite", "path": site.customers_db, "max_rows": 2}},
                   daemon={"log_level": "debug"})
    site.ctl("reload")
    now = actions(site)
    assert sorted(now) == ["neu", "null"] and now["null"]["workers"] == 2
    until(lambda: len(site.workers()) == 3, 10, "two and one workers")
    site.query("zwei", source="andere")
    assert site.api("POST", "/v1/queries/zwei/run")["rows"]
    site.configure({"neu": {"plugin": "nothing"}})
    site.ctl("reload")
    assert list(actions(site)) == ["neu"]
    until(lambda: len(site.workers()) == 1, 10, "the old workers' end")


@pytest.mark.parametrize("wrong, says", [
    ("[daemon]\nfnord = 1\n", "has no key »fnord«"),
    ("rubbish\n", "neither »[section]« nor »key = value«"),
    ("[action.b]\nplugin = simple\ngreeting = refuse\n", "as you say"),
    ("[action.b]\nplugin = simple\n", "greeting is missing"),
    ("[action.b]\nplugin = wrong_abi\n", "built for ABI 9.0"),
    ("[action.b]\nplugin = nothing\nconcurency = 1\n", "»concurrency« is meant?"),
])
def test_wrong_configuration_is_refused_with_the_reason(site, wrong, says):
    site.start(customers=1)
    for plugin in ("simple", "wrong_abi"):
        site.plugin(plugin)
    right = site.conf.read_text()
    site.conf.write_text(right + wrong)
    assert re.search(f"{site.conf}:[0-9]+: .*{re.escape(says)}", refused_reload(site))
    assert site.log().count("reload refused") == 1
    site.kill(signal.SIGHUP)
    until(lambda: site.log().count("reload refused") == 2, 10, "the log to say that the reload is refused")
    assert actions(site)["null"]["state"] == "ready"
    until(lambda: len(site.workers()) == 1, 10, "the refused generation's end")
    site.conf.write_text(right)
    assert site.ctl("reload")


def test_state_dir_and_socket_cannot_change(site):
    site.start(customers=1)
    site.configure(daemon={"state_dir": site.folder / "other"})
    assert "restart campaignd" in refused_reload(site)
    assert not (site.folder / "other").exists()


def test_missing_configuration_is_refused(site):
    site.start(customers=1)
    site.conf.rename(site.folder / "away")
    assert str(site.conf) in refused_reload(site)


def test_reload_during_a_run_ends_it_complete_and_nothing_twice(site):
    run = begin(site)
    for moment in (100, 400, 700):
        wait_acts(site, moment)
        site.ctl("reload")
    all_once(site, run)
    until(lambda: len(site.workers()) == 1, 10, "the old workers' end")
    assert generation(site) == 4


def test_refused_reload_during_a_run_is_not_noticed_by_it(site):
    run = begin(site)
    right = site.conf.read_text()
    for moment, wrong in ((100, "[daemon]\nfnord = 1\n"), (400, "[action.b]\nplugin = simple\ngreeting = refuse\n")):
        site.plugin("simple")
        wait_acts(site, moment)
        site.conf.write_text(right + wrong)
        refused_reload(site)
    all_once(site, run)


def test_run_waits_for_an_action_that_a_reload_took_away(site):
    run = begin(site)
    wait_acts(site, 100)
    right = site.conf.read_text()
    site.configure({"andere": {"plugin": "nothing"}})
    site.ctl("reload")
    until(lambda: len(site.workers()) == 1, 10, "the old worker's end")
    time.sleep(0.3)
    seen = site.run(run)
    assert seen["state"] in ("running", "paused") and "null" in (seen["reason"] or ""), seen
    site.conf.write_text(right)
    site.ctl("reload")
    if site.run(run)["state"] == "paused":
        site.ctl("run", "resume", run)
    all_once(site, run)


def test_plugin_that_keeps_dying_is_quarantined_and_a_reload_clears_it(site):
    site.start(customers=30, actions={"wild": {"plugin": "nothing", "concurrency": 1}, "zahm": {"plugin": "simple", "greeting": "hi"}})
    site.query(fields=[{"name": "email", "role": "email"}])
    site.campaign("stirbt", [{"name": "eins", "action": "wild", "parameters": {
        "journal": site.act_file, "crash_at": 1, "crash_when": "before"}}])
    site.campaign("lebt", [{"name": "eins", "action": "zahm", "parameters": {"journal": str(site.folder / "other")}}])
    run = site.start_run("stirbt")
    until(lambda: actions(site)["wild"]["state"] == "quarantined", 20, "the quarantine")
    reason = actions(site)["wild"]["reason"]
    assert "ended 5 times in a row" in reason and re.search("signal|9", reason) and "campaignctl reload" in reason
    assert site.log().count("a new one starts in") == 4, "no back-off before the quarantine"
    assert "quarantined" in site.ctl("status")
    seen = site.run(run)
    assert seen["state"] in ("running", "paused") and "wild" in seen["reason"] and "quarantined" in seen["reason"], seen
    # Others go on.
    other = site.start_run("lebt")
    assert site.wait_run(other)["state"] == "done"
    assert len(site.acts(site.folder / "other")) == 30
    assert len(site.workers()) == 1, "the quarantined action has a worker"
    # Mended, and taken over.
    mended = compile_variant(site, "mended", ("raise(SIGKILL)", "(void)when"))
    overwrite(site.plugins / "nothing.so", mended.read_bytes())
    site.ctl("reload")
    assert actions(site)["wild"] == {"name": "wild", "label": None, "plugin": "nothing", "state": "ready", "reason": None, "workers": 1}
    assert site.wait_run(run)["state"] == "done"
    step = site.steps(run)["eins"]
    assert step["unknown"] == 5 and step["delivered"] == 25 == len(site.acts()), step


def test_start_with_a_quarantined_action_still_answers(site):
    """What is asked of an action without a worker is refused with its reason, not left without an answer."""
    site.start(customers=2, actions={"wild": {"plugin": "nothing", "concurrency": 1}})
    site.campaign("stirbt", [{"name": "eins", "action": "wild", "parameters": {"crash_at": 1, "crash_when": "before"}}])
    for _ in range(5):
        until(lambda: actions(site)["wild"]["state"] == "ready", 10, "a worker")
        site.kill_workers()
        until(lambda: actions(site)["wild"]["state"] != "ready", 10, "its death to be noticed")
    until(lambda: actions(site)["wild"]["state"] == "quarantined", 10, "the quarantine")
    with pytest.raises(Failed) as failed:
        site.api("GET", "/v1/campaigns/stirbt/preview?recipient=1")
    assert failed.value.status == 503 and "quarantined" in failed.value.answer["error"]["message"]


def test_worker_that_cannot_load_any_more_is_quarantined_with_its_reason(site):
    secret = site.folder / "secret"
    secret.write_text("geheim\n")
    secret.chmod(0o600)
    site.start(customers=1, actions={"zahm": {"plugin": "simple", "greeting": "hi", "password": "file:secret"},
                                     "null": {"plugin": "nothing"}})
    secret.rename(site.folder / "away")
    site.kill_workers()
    until(lambda: actions(site)["zahm"]["state"] == "quarantined", 20, "the quarantine")
    assert "secret" in actions(site)["zahm"]["reason"] and "geheim" not in site.log()
    assert actions(site)["null"]["state"] == "ready"
    assert "secret" in refused_reload(site)
    (site.folder / "away").rename(secret)
    site.ctl("reload")
    assert {name: action["state"] for name, action in actions(site).items()} == {"zahm": "ready", "null": "ready"}


def test_reload_asked_for_while_it_starts_comes_after_the_start(site):
    site.start(customers=1, wait=False)
    until(lambda: b"campaignd.conf" in open(f"/proc/{site.core.pid}/cmdline", "rb").read(), 5, "the program")
    until(lambda: int(re.search(r"SigBlk:\s*(\w+)", open(f"/proc/{site.core.pid}/status").read())[1], 16) & 1 or
          os.path.exists(site.socket), 5, "the signal to be held")
    site.kill(signal.SIGHUP)
    until(lambda: "reloaded: generation 2" in site.log(), 15, "the reload after the start")
    assert generation(site) == 2


def test_stop_during_a_reload(site):
    """Also one that is asked for at the same moment: the kernel delivers the lower number, or the stop, first."""
    site.start(customers=1, actions={"a": {"plugin": "nothing", "workers": 4}})
    site.kill(signal.SIGSTOP)
    for sig in (signal.SIGTERM, signal.SIGHUP):
        site.kill(sig, wait=False)
    site.kill(signal.SIGCONT)
    assert site.core.wait(15 * PATIENCE) == 0
    site.start()
    for _ in range(3):
        site.kill(signal.SIGHUP)
    assert site.stop() == 0


def test_reload_and_kill_of_the_core_leave_nothing_behind(site):
    run = begin(site, recipients=600)
    for moment in (50, 200, 400):
        wait_acts(site, moment)
        site.kill(signal.SIGHUP)
        time.sleep(0.05)
        site.restart(sig=9)
    site.wait_run(run)
    acts = site.acts()
    assert len(acts) == 600 and set(acts.values()) == {1}
    until(lambda: len(site.workers()) == 1, 15, "the former workers' end")
