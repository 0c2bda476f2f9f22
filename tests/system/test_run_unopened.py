"""A run whose journal is gone at a start: nothing is lost that a restored file could still tell."""

from conftest import until


def test_journal_that_is_away_at_a_start_goes_on_when_it_is_back(site):
    site.customers(3000)
    site.start(actions={"null": {"plugin": "nothing", "concurrency": "4"}})
    site.query()
    site.campaign("k", [{"name": "eins", "action": "null",
                         "parameters": {"delay_ms": 2, "journal": str(site.folder / "acts")}}])
    run = site.start_run("k")
    until(lambda: site.run(run)["steps"][0]["delivered"] > 50, 20, "first deliveries")
    site.kill()
    journal = site.state / "runs" / f"{run}.db"
    away = {path: path.with_name("away" + path.name) for path in journal.parent.glob(f"{run}.db*")}
    for path, other in away.items():
        path.rename(other)
    site.start()
    shown = site.run(run)
    assert shown["state"] == "failed" and "restore it and restart" in shown["reason"]
    site.stop()
    for path, other in away.items():
        other.rename(path)
    site.start()
    site.wait_run(run, timeout=60)
    acts = (site.folder / "acts").read_text().split()
    unknown = site.run(run)["steps"][0]["unknown"]
    assert len(acts) == len(set(acts)) and unknown <= 4
    assert 3000 - unknown <= len(acts) <= 3000
