"""Steps that depend on one another, conditions, and what is put off."""
import time

from conftest import until
from test_run_kill import totals_add_up

RECIPIENTS = 300


def step(name, site=None, after=None, outcome=None, **parameters):
    made = {"name": name, "action": "null", "parameters": parameters}
    if site:
        made["parameters"]["journal"] = f"{site.act_file}.{name}"
    if after:
        made["after"] = after
    if outcome:
        made["after_outcome"] = outcome
    return made


def go(site, steps, recipients=RECIPIENTS, action=None, timeout=20, **campaign):
    site.start(customers=recipients, actions={"null": {"plugin": "nothing", **(action or {})}})
    site.campaign("leer", steps, **campaign)
    run = site.start_run("leer")
    site.wait_run(run, "done", timeout)
    return run, totals_add_up(site, run, recipients)


def keys(site, name):
    acts = site.acts(f"{site.act_file}.{name}")
    assert not acts or max(acts.values()) == 1
    return set(acts)


def test_step_runs_for_those_whose_earlier_step_was_delivered(site):
    run, steps = go(site, [step("eins", site, fail_every=3), step("zwei", site, after=1), step("drei", site, after=2)])
    first = keys(site, "eins")
    assert len(first) == steps["eins"]["delivered"] == RECIPIENTS * 2 // 3
    assert keys(site, "zwei") == keys(site, "drei") == first
    assert steps["zwei"]["skipped"] == steps["drei"]["skipped"] == RECIPIENTS // 3
    texts = {text for status, text in site.outcomes(run, 2).values() if status == "skipped"}
    assert texts == {"the step »eins« before it ended as rejected"}


def test_step_runs_for_those_whose_earlier_step_was_rejected(site):
    _, steps = go(site, [step("eins", site, fail_every=4), step("zwei", site, after=1, outcome="rejected"),
                         step("drei", site, after=2, outcome="skipped")])
    everybody = {str(n) for n in range(1, RECIPIENTS + 1)}
    assert len(keys(site, "eins")) == RECIPIENTS * 3 // 4
    assert keys(site, "zwei") == everybody - keys(site, "eins")
    assert keys(site, "drei") == keys(site, "eins")
    assert steps["zwei"]["skipped"] == RECIPIENTS * 3 // 4


def test_step_after_any_outcome_runs_for_all(site):
    _, steps = go(site, [step("eins", site, fail_every=4), step("zwei", site, after=1, outcome="any")])
    assert len(keys(site, "zwei")) == RECIPIENTS
    assert steps["zwei"]["delivered"] == RECIPIENTS


def test_condition_chooses_recipients(site):
    """What does not meet it is skipped, and so is what waits for it; a step of its own goes on."""
    run, steps = go(site, [{**step("eins", site), "when": "ort = 'Graz'"}, step("zwei", site, after=1),
                           step("drei", site), {**step("vier", site, after=3), "when": "id > 290"}])
    graz = {str(n) for n in range(1, RECIPIENTS + 1) if n % 7 == 0}
    assert keys(site, "eins") == keys(site, "zwei") == graz
    assert len(keys(site, "drei")) == RECIPIENTS
    assert keys(site, "vier") == {str(n) for n in range(291, 301)}
    assert steps["eins"]["skipped"] == steps["zwei"]["skipped"] == RECIPIENTS - len(graz)


def test_blocked_recipients_are_left_out(site):
    rows = [(n, f"N{n}", f"n{n}@example.org", "Graz", "AT", 1 if n % 10 == 0 else None) for n in range(1, 101)]
    site.customers(0, rows)
    site.start()
    site.query(fields=[{"name": "widerspruch", "role": "blocked"}])
    site.campaign("leer", [step("eins", site)])
    run = site.start_run("leer")
    done = site.wait_run(run, "done")
    assert done["recipients"] == 90 and done["left_out"] == {"blocked": 10}
    assert keys(site, "eins") == {str(n) for n in range(1, 101) if n % 10}


def test_run_without_recipients_is_done(site):
    site.start(customers=0)
    site.campaign("leer", [step("eins", site), step("zwei", site, after=1)])
    run = site.start_run("leer", force=True)
    assert site.wait_run(run)["state"] == "done"
    totals_add_up(site, run, 0)


# ---- put off

def test_deferred_are_tried_again(site):
    began = time.monotonic()
    run, steps = go(site, [step("eins", site, defer_times=2)], 50, {"retry_after": "200ms"})
    assert steps["eins"]["delivered"] == len(keys(site, "eins")) == 50
    assert time.monotonic() - began > 0.6, "200 ms, then 400 ms"
    with site.journal(run) as db:
        assert db.execute("SELECT DISTINCT attempt FROM outcome").fetchall() == [(3,)]
        assert db.execute("SELECT count(*) FROM deferred").fetchone() == (0,)


def test_deferred_are_given_up_in_the_end(site):
    run, steps = go(site, [step("eins", site, defer_times=1000000), step("zwei", site, after=1)], 20,
                    {"retry_after": "100ms", "give_up_after": "500ms"})
    assert steps["eins"]["rejected"] == 20 and steps["zwei"]["skipped"] == 20
    assert not keys(site, "eins")
    texts = {text for _, text in site.outcomes(run).values()}
    assert all(text.startswith("given up after ") and "deferred, as the test wants" in text for text in texts)


def test_one_that_is_put_off_long_does_not_hold_up_others(site):
    """One step asks for an hour; another's retry of half a second, put off later, comes first."""
    site.start(customers=10, actions={"null": {"plugin": "nothing", "retry_after": "100ms"}})
    site.campaign("leer", [step("lang", site, defer_times=1, not_before_ms=3600000),
                           step("kurz", site, delay_ms=600, defer_times=1, not_before_ms=500)])
    run = site.start_run("leer")
    until(lambda: site.steps(run)["kurz"]["delivered"] == 10, 6, "the short retry")
    totals_add_up(site, run, 10)
    assert site.steps(run)["lang"]["deferred"] == 10


def test_deferred_survive_a_kill(site):
    site.start(customers=40, actions={"null": {"plugin": "nothing", "retry_after": "500ms"}})
    site.campaign("leer", [step("eins", site, defer_times=1)])
    run = site.start_run("leer")
    until(lambda: site.steps(run)["eins"]["deferred"] == 40, what="all to be put off")
    site.kill()
    site.kill_workers()
    site.start()
    site.wait_run(run, "done")
    assert totals_add_up(site, run, 40)["eins"]["delivered"] == len(keys(site, "eins")) == 40
