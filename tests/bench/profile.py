#!/usr/bin/python3
"""profile.py [--loose] [--top N]: where engine.tasks_per_s spends its time, by `perf record` on core and worker apart.

Prints each thread's share and the functions that take most of it; the recordings stay in build/bench/*.perf for perf report.
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys

import engine

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CAMPAIGND_BUILD") or ROOT / "build").absolute()
FOLDER = ROOT / "build" / "bench"


def record(site):
    """Run the campaign while perf looks at both processes."""
    recorders = [subprocess.Popen(["perf", "record", "-q", "-F", "1999", "-g", "-p", str(pid), "-o", FOLDER / f"{name}.perf"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                 for name, pid in site.processes().items()]
    try:
        return engine.run_all(site, engine.MANY)
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
            recorder.wait()


def report(name, keys, top):
    done = subprocess.run(["perf", "report", "-i", FOLDER / f"{name}.perf", "--no-children", "-g", "none", "--stdio",
                           "--sort", keys], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
    print(f"\n{name} by {keys}", *lines[:top], sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loose", action="store_true", help="with durable_begin = no")
    parser.add_argument("--top", type=int, default=30)
    options = parser.parse_args()
    row = (engine.LooseTasks if options.loose else engine.Tasks)(BUILD, FOLDER)
    try:
        row.prepare()
        row.ours()
        before = row.site.processor_s()
        seconds = record(row.site)
        after = row.site.processor_s()
    finally:
        row.close(False)
    print(f"{engine.MANY / seconds:,.0f} tasks/s under perf; microseconds of processor a task:")
    for name in sorted(after, key=lambda name: before.get(name, 0) - after[name]):
        print(f"  {(after[name] - before.get(name, 0)) * 1e6 / engine.MANY:6.2f}  {name}")
    for name in ("core", "worker"):
        report(name, "tid", 8)
        report(name, "comm,dso,symbol", options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
