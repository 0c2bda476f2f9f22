"""A log that is missing, cut or another's says nothing by its silence: what its worker had claimed is in doubt, all of it."""
import os
import signal

import pytest

from conftest import until
from test_run_kill import begin, nothing_lost_nothing_twice, wait_acts

RECIPIENTS = 600


def claimed(site, run):
    """{instance: ordinals that it holds} by the journal, while nobody writes it."""
    held = {}
    with site.journal(run) as db:
        over = {task & ((1 << 40) - 1) for task, in db.execute("SELECT task FROM outcome")}
        left = {}
        for claim, first, last in db.execute("SELECT claim, first, last FROM claim_left"):
            left.setdefault(claim, set()).update(range(first, last + 1))
        for claim, instance, first, last in db.execute(
                "SELECT claim.id, instance, first, last FROM claim JOIN claim_range ON claim.id = claim"):
            held.setdefault(instance, set()).update(set(range(first, last + 1)) - over - left.get(claim, set()))
    return held


def segments(site, instance):
    return sorted(path for path in (site.state / "log").glob(f"{instance}.*") if path.suffix != ".lock")


def interrupted(site, **action):
    """A run whose core and workers were killed in the midst of it; what each instance holds."""
    run = begin(site, recipients=RECIPIENTS, delay_ms=10, action=action)
    wait_acts(site, 100)
    site.kill()
    site.kill_workers()
    until(lambda: not site.workers(), what="the workers' end")
    held = {instance: ordinals for instance, ordinals in claimed(site, run).items() if ordinals}
    assert held
    return run, held


def spoil_delete(site, instance):
    for path in segments(site, instance):
        path.unlink()


def spoil_delete_all(site, instance):
    spoil_delete(site, instance)
    (site.state / "log" / f"{instance}.lock").unlink()


def spoil_cut_half(site, instance):
    path = segments(site, instance)[0]
    os.truncate(path, path.stat().st_size // 2)


def spoil_cut_to_nothing(site, instance):
    os.truncate(segments(site, instance)[0], 0)


def spoil_overwrite_record(site, instance):
    """A few bytes of the third record are not what was written; those after it are."""
    with open(segments(site, instance)[0], "r+b") as file:
        file.seek(80 + 2 * 56 + 16)
        file.write(b"\xff" * 8)


def spoil_empty_page(site, instance):
    """As if a page had never been written, while the one after it was."""
    with open(segments(site, instance)[0], "r+b") as file:
        file.seek(80 + 5 * 56)
        file.write(bytes(1000))


@pytest.mark.parametrize("spoil", [spoil_delete, spoil_delete_all, spoil_cut_half, spoil_cut_to_nothing,
                                   spoil_overwrite_record, spoil_empty_page], ids=lambda spoil: spoil.__name__[6:])
def test_spoiled_log_leaves_what_was_claimed_in_doubt(site, spoil):
    run, held = interrupted(site)
    (instance, ordinals), = held.items()
    spoil(site, instance)
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, len(ordinals))
    outcomes = site.outcomes(run)
    unknown = {ordinal for ordinal, (status, _) in outcomes.items() if status == "unknown"}
    acts = site.acts()
    for ordinal in ordinals:  # what the log still tells is believed
        assert outcomes[ordinal][0] == "unknown" or acts[str(ordinal)] == 1
    assert unknown <= ordinals
    if spoil in (spoil_delete, spoil_delete_all, spoil_cut_to_nothing):
        assert unknown == ordinals
    assert any("cannot be told" in outcomes[ordinal][1] for ordinal in unknown)
    assert not list((site.state / "log").glob(f"{instance}.*")), "the dead worker's log is left"


def test_swapped_logs_leave_what_was_claimed_in_doubt(site):
    run, held = interrupted(site, workers=2)
    first, second = sorted(held)
    one, two = segments(site, first)[0], segments(site, second)[0]
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    site.start()
    site.wait_run(run, "done")
    ordinals = held[first] | held[second]
    nothing_lost_nothing_twice(site, run, RECIPIENTS, len(ordinals))
    assert {ordinal for ordinal, (status, _) in site.outcomes(run).items() if status == "unknown"} == ordinals


def test_lock_taken_away_while_its_owner_lives(site):
    """Nothing tells whether it lives, so it is ended first; its log itself is whole."""
    run = begin(site, recipients=RECIPIENTS, at_once=4, delay_ms=10, daemon={"recovery_wait": "30s"})
    wait_acts(site, 50)
    old = site.kill_workers(signal.SIGSTOP)
    site.kill()
    (instance, _), = claimed(site, run).items()
    (site.state / "log" / f"{instance}.lock").unlink()
    site.start()
    site.wait_run(run, "done")
    assert not set(old) & set(site.workers())
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 4)


def test_logs_of_dead_workers_are_removed_when_all_is_settled(site):
    run, held = interrupted(site)
    site.start()
    site.wait_run(run, "done")
    nothing_lost_nothing_twice(site, run, RECIPIENTS, 8)
    until(lambda: not any(path.name.startswith(tuple(held)) for path in (site.state / "log").iterdir()),
          what="the old log to be removed")
