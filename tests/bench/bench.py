#!/usr/bin/python3
"""bench.py [--rows PATTERN] [--rounds N] [--keep]: our figures beside the peers', in a table and in build/bench.json.

Each row is one piece of work that we and a peer do in this same run, round by round in turn after one round that does not count;
the medians are compared. `ratio` is ours / peer; `met` says whether ours reaches the target. docs/benchmarks.md tells what each row
does and what its peer leaves out. Everything is written below build/bench, which should be on a real disk: durable means synced.

--rows PATTERN  only the rows whose name matches (a shell pattern, or a part of the name); may be given more than once
--rounds N      how many rounds count (default 3)
--keep          leave the sites and databases in build/bench
--list          name the rows
Exit status: 0, 1 if a row could not be measured. A target that is not met is no failure: it stands in the table.
"""
import argparse
import datetime
import fnmatch
import json
import os
import pathlib
import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time

import demo
import engine
import source
import start

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CAMPAIGND_BUILD") or ROOT / "build").absolute()
FOLDER = ROOT / "build" / "bench"
RESULT = ROOT / "build" / "bench.json"
IN_MEMORY = ("tmpfs", "ramfs", "overlay")


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        return done.stdout.strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return None


def file_system(path):
    """(device, type, options) of the mount that holds a path."""
    best = ("", "", "", "")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        device, point, kind, options = line.split()[:4]
        if os.path.commonpath([point, path]) == point and len(point) >= len(best[0]):
            best = (point, device, kind, options)
    return best[1:]


def sync_ms(folder):
    """What one small durable write costs here: the median of 50."""
    path = folder / "sync"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    times = []
    for _ in range(50):
        os.write(file, b"x" * 4096)
        since = time.perf_counter()
        os.fdatasync(file)
        times.append(time.perf_counter() - since)
    os.close(file)
    path.unlink()
    return round(statistics.median(times) * 1000, 3)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    device, kind, options = file_system(str(FOLDER))
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": os.cpu_count(),
            "memory_mb": int(memory.group(1)) // 1024, "kernel": platform.release(),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME"), "disk": f"{kind} on {device} ({options})",
            "sync_ms": sync_ms(FOLDER), "load_before": round(os.getloadavg()[0], 2)}


def versions():
    return {"campaignd": first_line(BUILD / "campaignd", "--version"),
            "commit": first_line("git", "-C", ROOT, "describe", "--always", "--dirty"),
            "gcc": first_line("gcc", "--version"), "nginx": first_line("nginx", "-v"),
            "sqlite": sqlite3.sqlite_version, "postgres": first_line("/usr/lib/postgresql/15/bin/postgres", "--version"), "python": platform.python_version()}


# ---- rows

def measure(row, rounds):
    """Warm up, then ours and the peer's in turn, so that what else the machine does hits both."""
    ours, peer = [], []
    row.prepare()
    for number in range(rounds + 1):
        values = (row.ours(), row.peer() if row.peer_name else None)
        if number:
            ours.append(values[0])
            if row.peer_name:
                peer.append(values[1])
    return ours, peer


def reached(row, ours, target):
    if target is None:
        return None
    return ours >= target if row.better == "more" else ours <= target


def result_of(row, ours, peer):
    middle = statistics.median(ours)
    beside = statistics.median(peer) if peer else None
    target = row.target(beside)
    return {"name": row.name, "ours": round(middle, 2), "peer": None if beside is None else round(beside, 2), "unit": row.unit,
            "ratio": round(middle / beside, 3) if beside else None, "target": target, "met": reached(row, middle, target),
            "better": row.better, "peer_name": row.peer_name, "note": row.note,
            "rounds_ours": [round(value, 2) for value in ours], "rounds_peer": [round(value, 2) for value in peer],
            "details": row.details}


def failure_of(row, problem):
    return {"name": row.name, "ours": None, "peer": None, "unit": row.unit, "ratio": None, "target": row.target(None), "met": None,
            "better": row.better, "peer_name": row.peer_name, "note": row.note, "error": str(problem)}


def run_row(row, rounds, keep):
    print(f"{row.name} …", end="", file=sys.stderr, flush=True)
    since = time.monotonic()
    try:
        result = result_of(row, *measure(row, rounds))
    except Exception as problem:  # whatever it is, the other rows still count
        result = failure_of(row, problem)
    finally:
        row.close(keep)
    print(f" {time.monotonic() - since:.0f} s{': ' + result['error'] if 'error' in result else ''}", file=sys.stderr)
    return result


def chosen(rows, patterns):
    return [row for row in rows if not patterns or
            any(fnmatch.fnmatch(row.name, pattern) or pattern in row.name for pattern in patterns)]


# ---- the table

def shown(value):
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def table(results):
    lines = [("row", "ours", "peer", "unit", "ratio", "target", "met", "peer is")]
    for result in results:
        lines.append((result["name"], *(shown(result[key]) for key in ("ours", "peer")), result["unit"],
                      *(shown(result[key]) for key in ("ratio", "target", "met")),
                      result.get("error") or result["peer_name"] or f"none: {result['note']}"))
    widths = [max(len(line[i]) for line in lines) for i in range(7)]
    for line in lines:
        yield "  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in (1, 2)), line[3].ljust(widths[3]),
                         *(line[i].rjust(widths[i]) for i in (4, 5)), line[6].ljust(widths[6]), line[7]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", action="append", metavar="PATTERN")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    rows = chosen([*start.rows(BUILD, FOLDER), *demo.rows(BUILD, FOLDER), *engine.rows(BUILD, FOLDER),
                   *source.rows(BUILD, FOLDER)], options.rows)
    if options.list:
        print(*(row.name for row in rows), sep="\n")
        return 0
    if not rows or options.rounds < 1:
        parser.error("no row has such a name (--list names them), or no rounds")
    FOLDER.mkdir(parents=True, exist_ok=True)
    facts = machine()
    print(f"{facts['cpu']}, {facts['cores']} cores, load {facts['load_before']}; state on {facts['disk']}, "
          f"a sync takes {facts['sync_ms']} ms", file=sys.stderr)
    if facts["disk"].split()[0] in IN_MEMORY:
        print("warning: this is no disk of its own; figures of durable work mean little here", file=sys.stderr)
    results = [run_row(row, options.rounds, options.keep) for row in rows]
    facts["load_after"] = round(os.getloadavg()[0], 2)
    RESULT.write_text(json.dumps({
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "command": [os.path.relpath(sys.argv[0], ROOT),
                                                                                           *sys.argv[1:]],
        "rounds": options.rounds, "machine": facts, "versions": versions(), "rows": results}, indent=2, ensure_ascii=False) + "\n")
    if not options.keep:
        shutil.rmtree(FOLDER, ignore_errors=True)
    print(*table(results), sep="\n")
    print(f"\nAll of it: {os.path.relpath(RESULT)}")
    return 1 if any("error" in result for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
