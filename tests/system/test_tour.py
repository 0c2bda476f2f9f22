"""docs/tour.md and docs/queries.md are true: their commands are run as they stand and in their order, and print what the page says.

Blocks marked `sh` are run; in those marked `console` commands stand after "$ " (and "> ", where they go on) and below them what they
print. Times, sizes and rates differ from run to run. A line "…" stands for any lines, "…" in a line for anything.

`python3 tests/system/test_tour.py` runs the pages, too, and writes into them what was printed where that is something else; it needs
PGHOST, PGUSER and PGPASSWORD. With names of pages it runs those alone.
"""
import difflib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import pytest

from conftest import BUILD, PATIENCE
from servers import OWNER_PASSWORD, postgres  # noqa: F401  (a fixture)

TOP = pathlib.Path(__file__).parents[2]
DOCS = TOP / "docs"
MARK = "=== tour"
SECONDS = 120
CHANGING = [  # what, and what stands for it in both texts
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
    (r"\b20\d\d-\d\d-\d\d\b", "DAY"),
    (r" after \d+ m?s", " after TIME"),
    (r"[\d,]+( bytes|  +TIME)", "SIZE\\1"),
    (r"  +", "  "),
]


class Command:
    """One command, or a block of them: what is run, and what the page says that it prints (None: nothing is said)."""

    def __init__(self, text, first_line):
        self.text, self.first_line, self.printed, self.lines = text, first_line, None, range(0)


def commands(page):
    """All commands of the page, in its order."""
    found, kind, lines = [], None, page.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("```"):
            kind = None if kind else line[3:] or "text"
            if kind == "sh":
                found.append(Command("", number))
        elif kind == "sh":
            found[-1].text += line + "\n"
        elif kind == "console" and line.startswith("$ "):
            found.append(Command(line[2:] + "\n", number))
            found[-1].printed, found[-1].lines = [], range(number + 1, number + 1)
        elif kind == "console" and line.startswith("> ") and not found[-1].printed:
            found[-1].text += line[2:] + "\n"
            found[-1].lines = range(number + 1, number + 1)
        elif kind == "console":
            found[-1].printed.append(line)
            found[-1].lines = range(found[-1].lines.start, number + 1)
    return found


def run(steps, folder, environment):
    """What each of them printed, as lists of lines; all run in one shell, in `folder`."""
    script = "trap '[ -z \"$daemon\" ] || kill $daemon 2>/dev/null' EXIT\n" + "".join(
        f"{step.text}printf '{MARK} %s\\n' $?\n" for step in steps)
    shell = subprocess.Popen(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             cwd=folder, env={**os.environ, "LC_ALL": "C.UTF-8", **environment}, start_new_session=True)
    try:
        output = shell.communicate(timeout=SECONDS * PATIENCE)[0].decode(errors="replace")
    finally:
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    parts = re.split(rf"(?m)^{MARK} \d+\n", output)
    assert len(parts) == len(steps) + 1, f"the shell came to an end too early:\n{output[-4000:]}"
    return [part.splitlines() for part in parts[:-1]]


def same_each_time(lines):
    text = "\n".join(line.rstrip() for line in lines)
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text)
    return text.split("\n")


def agree(said, printed):
    """Does the page say what was printed?"""
    pattern = "\n".join(re.escape(line).replace("…", ".*") for line in same_each_time(said))
    pattern = re.sub(r"(?m)^\.\*$", r"[\\s\\S]*", pattern)
    return re.fullmatch(pattern, "\n".join(same_each_time(printed))) is not None


def clone_at(folder, build):
    """What the page calls CLONE: this source, and the build that is tested."""
    folder.mkdir()
    (folder / "tests").symlink_to(TOP / "tests")
    (folder / "build").symlink_to(build)
    return folder


def environment(folder, **server):
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"CLONE": str(clone_at(folder / "clone", BUILD)), "PATH": path, **server}


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(prefix="cd-") as folder:  # a socket's path has 107 bytes
        yield pathlib.Path(folder)


def test_the_tour_prints_what_its_page_says(short_folder, postgres):  # noqa: F811
    check_page("tour.md", 40, short_folder, PGHOST=str(postgres.folder), PGUSER="owner", PGPASSWORD=OWNER_PASSWORD)


def test_queries_print_what_their_page_says(short_folder):
    check_page("queries.md", 20, short_folder)


def check_page(name, least, folder, **server):
    steps = commands((DOCS / name).read_text(encoding="utf-8"))
    assert len(steps) > least
    outputs = run(steps, folder, environment(folder, **server))
    for step, printed in zip(steps, outputs):
        said = step.printed or []
        assert agree(said, printed), f"docs/{name}, line {step.first_line + 1}: {step.text}" + "\n".join(
            difflib.unified_diff(same_each_time(said), same_each_time(printed), "the page says", "it printed", lineterm=""))


def write_page(name):
    text = (DOCS / name).read_text(encoding="utf-8")
    lines, steps = text.splitlines(), commands(text)
    with tempfile.TemporaryDirectory(prefix="cd-") as folder:
        outputs = run(steps, folder, environment(pathlib.Path(folder)))
    for step, printed in reversed(list(zip(steps, outputs))):
        if step.printed is not None and not agree(step.printed, printed):
            lines[step.lines.start:step.lines.stop] = [line.rstrip() for line in printed]
        elif step.printed is None and printed:
            print(f"line {step.first_line + 1} should print nothing, but: {printed}", file=sys.stderr)
    (DOCS / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for page in sys.argv[1:] or ("tour.md", "queries.md"):
        write_page(page)
