"""demo_*: the demo's own campaign, with 2,000 recipients instead of its 240 or so."""
import email.message
import email.policy
import html
import mailbox
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

from bench_site import Site, Trouble, remove_folder
from row import Row

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPIENTS = 2_000
LETTERS = "Nur Briefe"


def make_customers(path):
    """The demo's customers who are to be written to, over and over, until there are enough."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    subprocess.run([sys.executable, ROOT / "conf" / "demo" / "make-customers", path], check=True, stdout=subprocess.DEVNULL)
    db = sqlite3.connect(path)
    db.execute("DELETE FROM kunde WHERE potentiell <> 1 OR coalesce(widerspruch, 0) <> 0 OR coalesce(einwilligung_email, 0) <> 1 "
               "OR coalesce(email, '') NOT LIKE '%_@_%'")
    columns = [row[1] for row in db.execute("PRAGMA table_info(kunde)") if row[1] != "kundennummer"]
    people = db.execute(f"SELECT {', '.join(columns)} FROM kunde ORDER BY kundennummer").fetchall()
    if not people:
        raise Trouble("make-customers made nobody to write to")
    db.execute("DELETE FROM kunde")
    db.executemany(f"INSERT INTO kunde (kundennummer, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})",
                   ((10_000 + n, *people[n % len(people)]) for n in range(RECIPIENTS)))
    db.commit()
    db.close()


def make_site(row):
    """A running site with the demo's definitions, and a second campaign of its letter alone."""
    database = row.folder.parent / f"{row.name}.db"
    make_customers(database)
    site = Site(row.build, row.folder, row.build / "plugins", database, {
        "briefe": {"plugin": "print"},
        "post": {"plugin": "email", "server": f"maildir:{row.folder / 'Maildir'}",
                 "from": "Alpenrad Manufaktur <info@alpenrad.example>"}})
    site.start()
    subprocess.run(["sqlite3", site.definitions()], stdin=open(ROOT / "conf" / "demo" / "definitions.sql"), cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    db = sqlite3.connect(site.definitions(), timeout=10)
    db.executescript(f"""
        PRAGMA foreign_keys = ON;
        INSERT INTO campaign (name, description, purpose, language, query, group_name)
        SELECT '{LETTERS}', description, purpose, language, query, group_name FROM campaign WHERE name = 'Informationskampagne';
        INSERT INTO step (campaign, position, name, action, parameters)
        SELECT c.id, 1, s.name, s.action, s.parameters
        FROM campaign AS c JOIN step AS s JOIN campaign AS i ON i.id = s.campaign
        WHERE c.name = '{LETTERS}' AND i.name = 'Informationskampagne' AND s.position = 1;""")
    db.close()
    time.sleep(1)  # the daemon looks every half second
    return site


def check_steps(site, run):
    for step in run["steps"]:
        if step["delivered"] != RECIPIENTS:
            raise Trouble(f"step »{step['name']}«: {step['delivered']} of {RECIPIENTS} delivered; log: {site.last_words()}")


class Letters(Row):
    name = "demo_letters_per_s"
    unit = "letters/s"
    note = "letters have their peers in rows of their own, when they come"
    campaign = LETTERS

    def prepare(self):
        self.site = None
        self.site = make_site(self)

    def ours(self):
        remove_folder(self.folder / "Maildir")
        before = self.site.processor_s()
        run, seconds = self.site.run(self.campaign)
        check_steps(self.site, run)
        self.details["processor_ms_per_recipient"] = {
            name: round(used * 1000 / RECIPIENTS, 2) for name, used in self.site.processor_since(before).items()
            if used * 1000 / RECIPIENTS >= 0.01}
        self.details["run_s"] = round(seconds, 2)
        self.details["run"] = run["number"]
        return RECIPIENTS / seconds

    def close(self, keep):
        if getattr(self, "site", None):
            self.site.close(keep)


class Mails(Letters):
    """The whole campaign: a letter for each, and a mail with it. The peer is given the letter."""
    name = "demo_mails_per_s"
    unit = "mails/s"
    peer_name = "Python: email + mailbox.Maildir, one ready-made PDF attached, no letter made"
    note = "ours makes, files and attaches a letter for each mail in the same time; both sync each mail"
    campaign = "Informationskampagne"

    def ours(self):
        rate = super().ours()
        mails = len(os.listdir(self.folder / "Maildir" / "new"))
        if mails != RECIPIENTS:
            raise Trouble(f"{mails} mails lie in the Maildir, not {RECIPIENTS}")
        return rate

    def people(self):
        definitions = sqlite3.connect(self.site.definitions(), timeout=10)
        sql = definitions.execute("SELECT g.sql FROM query_group AS g JOIN query AS q ON q.id = g.query "
                                  "WHERE q.name = 'Interessenten mit E-Mail'").fetchone()[0]
        template = definitions.execute("SELECT html FROM report_variant AS v JOIN report AS r ON r.id = v.report "
                                       "WHERE r.name = 'Begleitmail'").fetchone()[0]
        definitions.close()
        source = sqlite3.connect(self.folder.parent / f"{self.name}.db")
        source.row_factory = sqlite3.Row
        people = [dict(row) for row in source.execute(sql)]
        source.close()
        return template, people

    def letter(self):
        """The first letter of the last run, as it lies in the archive."""
        run = self.details["run"]
        journal = sqlite3.connect(f"file:{self.folder / 'state'}/runs/{run}.db?mode=ro", uri=True)
        segment, offset, length = journal.execute("SELECT segment, offset, length FROM document ORDER BY id LIMIT 1").fetchone()
        journal.close()
        folder = self.folder / "state" / "archive"
        file = next(path for path in (folder / str(run) / segment, folder / segment, self.folder / "state" / segment)
                    if path.exists())
        with open(file, "rb") as archive:
            archive.seek(offset)
            content = archive.read(length)
        if not content.startswith(b"%PDF"):
            raise Trouble(f"{file}: no PDF at {offset}")
        return content

    def peer(self):
        template, people = self.people()
        letter = self.letter()
        path = self.folder / "peer-Maildir"
        remove_folder(path)
        box = mailbox.Maildir(path, create=True)
        since = time.perf_counter()
        for person in people:
            box.add(self.message(template, person, letter))
        return len(people) / (time.perf_counter() - since)

    @staticmethod
    def message(template, person, letter):
        text = re.sub(r"{{[#^/]\s*\w+\s*}}", "", template)
        text = re.sub(r"{{\s*(\w+)\s*}}", lambda match: html.escape(str(person.get(match.group(1)) or "")), text)
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["From"] = "Alpenrad Manufaktur <info@alpenrad.example>"
        message["To"] = person["email"]
        message["Subject"] = f"Neues von der Alpenrad Manufaktur, {person['vorname'] or ''}"
        message["Message-ID"] = f"<{person['kundennummer']}@bench.example>"
        message.set_content(re.sub(r"<[^>]*>", "", text))
        message.add_alternative(text, subtype="html")
        message.add_attachment(letter, maintype="application", subtype="pdf", filename="Infoschreiben.pdf")
        return message


def rows(build, folder):
    return [Letters(build, folder), Mails(build, folder)]
