#!/usr/bin/python3
"""profile.py [--loose] [--top N]: where engine.tasks_per_s spends its time, by `perf record` on core and worker apart.

Prints each thread's share and the functions that take most of it; the recordings stay in build/bench/*.perf for perf report.
"""
import argparse
import collections
import os
import pathlib
import re
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


def samples(name):
    """{(thread's label, function): count} and {thread's label: count} of a recording; the innermost function counts."""
    script = subprocess.run(["perf", "script", "-i", FOLDER / f"{name}.perf", "-F", "comm,pid,tid,ip,sym,dso"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    functions, threads = collections.Counter(), collections.Counter()
    for sample in script.stdout.split("\n\n"):
        lines = sample.strip().splitlines()
        head = re.match(r"(.+?)\s+(\d+)/(\d+)", lines[0].strip()) if len(lines) > 1 else None
        if not head:
            continue
        thread = "loop" if head.group(2) == head.group(3) else f"{head.group(1)} {head.group(3)}"
        symbol, _, library = lines[1].strip().partition(" ")[2].rpartition(" ")
        library = library.strip("()").rsplit("/", 1)[-1]
        # A hidden function of a library has no name here: the library's are counted together.
        functions[thread, library if symbol.startswith("[unknown") else f"{symbol.split('+')[0]} ({library})"] += 1
        threads[thread] += 1
    return functions, threads


def report(name, top):
    functions, threads = samples(name)
    for thread, total in threads.most_common(4):
        print(f"\n{name} {thread}: {total} samples, {100 * total / sum(threads.values()):.0f} % of {name}")
        of_thread = [(count, function) for (owner, function), count in functions.items() if owner == thread]
        for count, function in sorted(of_thread, reverse=True)[:top]:
            print(f"  {100 * count / total:5.1f} %  {function}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loose", action="store_true", help="with durable_begin = no")
    parser.add_argument("--top", type=int, default=14)
    options = parser.parse_args()
    row = (engine.LooseTasks if options.loose else engine.Tasks)(BUILD, FOLDER)
    try:
        row.prepare()
        row.ours()
        before = row.site.processor_s()
        seconds = record(row.site)
        used = row.site.processor_since(before)
    finally:
        row.close(False)
    print(f"{engine.MANY / seconds:,.0f} tasks/s under perf; microseconds of processor a task:")
    for name in sorted(used, key=used.get, reverse=True):
        print(f"  {used[name] * 1e6 / engine.MANY:6.2f}  {name}")
    for name in ("core", "null"):
        report(name, options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
