"""Real database servers for tests: a private PostgreSQL 15 and a private MariaDB, each in a temporary folder, reached by a
unix socket alone, started when the first test wants it and gone when the tests are over.

    from servers import mariadb, postgres  # noqa: F401  (fixtures)

    def test_something(site, postgres):
        database = postgres.new_database()
        postgres.sql("CREATE TABLE kunde (id INTEGER PRIMARY KEY)", database)
        site.start(sources={"shop": postgres.source(database)})  # and its password: servers.PASSWORD

Both refuse to run as root, so root starts them as nobody. There is an owner, who may do everything, and a `reader`, who may
read everything and has a password with all the characters that connection strings find difficult. Freshly made data folders
are kept in the temporary folder as a template, one for each version of a server, and shared by all who run tests there.
"""
import atexit
import fcntl
import hashlib
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

PASSWORD = "g;e{h}e'i\"m =ü\\"
OWNER_PASSWORD = "owner"
READY_WITHIN_S = 60  # a machine that does other things, too
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
SHARED = pathlib.Path(tempfile.gettempdir()) / f"campaignd-test-servers-{os.getuid()}"


def _as_servers_user():
    """The beginning of a command: as nobody if we are root; its end is the end of the server, too."""
    command = ["setpriv", "--pdeathsig", "KILL"]
    if os.getuid() == 0:
        command += ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    return command


def _give(path):
    """Let the server's user own a file or folder."""
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        shutil.chown(path, nobody.pw_uid, nobody.pw_gid)


def _run(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, encoding="utf-8", errors="replace", **more)
    assert done.returncode == 0, f"{command[0]} failed with status {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Server:
    """One server: its folder, its process, and ways to reach it."""

    program = None
    killing = signal.SIGKILL
    names = itertools.count(1)

    def __init__(self):
        assert pathlib.Path(self.program).exists(), f"{self.program} is missing; make test installs what tests need"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cd-db-"))
        self.data = self.folder / "data"
        self.log_file = self.folder / "log"
        self.process = None
        _give(self.folder)
        shutil.copytree(self.template(), self.data, copy_function=shutil.copy, symlinks=True)
        _run(["chmod", "-R", "go=", self.data])
        _run(["chown", "-R", "--reference", self.folder, self.data])
        self.start()

    def template(self):
        """A data folder as this version of the server makes it; made once."""
        # The version, and how this file makes it: what differs is another template.
        mark = _run([self.program, "--version"]).encode() + pathlib.Path(__file__).read_bytes()
        SHARED.mkdir(mode=0o711, exist_ok=True)
        assert SHARED.stat().st_uid == os.getuid(), f"{SHARED} belongs to somebody else; remove it"
        made = SHARED / f"{type(self).__name__.lower()}-{hashlib.sha256(mark).hexdigest()[:12]}"
        with open(SHARED / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                half_made = SHARED / "half-made"
                shutil.rmtree(half_made, ignore_errors=True)
                half_made.mkdir()
                _give(half_made)
                self.make(half_made)
                half_made.rename(made)
        return made

    def make(self, folder):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """What every fresh server gets: the owner's and the reader's accounts."""

    def ready(self):
        raise NotImplementedError

    def start(self):
        first = self.process is None
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(_as_servers_user() + [str(word) for word in self.command()],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + READY_WITHIN_S
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                pytest.fail(f"{self.program} did not start:\n{self.log_file.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        if first:
            self.prepare()

    def kill(self):
        """End it at once, with all its connections; start() makes it recover."""
        if self.process.poll() is None:
            self.process.send_signal(self.killing)
            self.process.wait(READY_WITHIN_S)

    def close(self):
        if self.folder.exists():
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self, **how):
        """Make an empty database; its name."""
        name = f"test{next(self.names)}"
        self.create_database(name, **how)
        return name


class Postgres(Server):
    program = POSTGRES / "postgres"
    killing = signal.SIGQUIT  # its processes would outlive SIGKILL for a while
    owner_database = "postgres"

    def make(self, folder):
        secret = folder.parent / "owner-password"
        secret.write_text(OWNER_PASSWORD)
        secret.chmod(0o644)
        _run(_as_servers_user() + [POSTGRES / "initdb", "-D", folder / "data", "-U", "owner", "--pwfile", secret,
                                   "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
                                   "--no-sync", "--no-instructions"], cwd="/")
        for entry in (folder / "data").iterdir():
            entry.rename(folder / entry.name)
        (folder / "data").rmdir()

    def command(self):
        settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off",
                    "full_page_writes": "off", "shared_buffers": "32MB",
                    "max_connections": "30", "autovacuum": "off", "wal_level": "minimal", "max_wal_senders": "0",
                    "timezone": "Europe/Vienna"}
        return [self.program, "-D", self.data] + [word for name, value in settings.items()
                                                  for word in ("-c", f"{name}={value}")]

    def ready(self):
        return subprocess.run([POSTGRES / "pg_isready", "-q", "-h", self.folder]).returncode == 0

    def prepare(self):
        quoted = PASSWORD.replace("'", "''")
        self.sql(f"CREATE ROLE reader LOGIN PASSWORD '{quoted}'; GRANT pg_read_all_data TO reader")

    def sql(self, statements, database=owner_database):
        """Run statements as the owner; what psql prints (unaligned, no headings)."""
        return _run([POSTGRES / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "owner", "-d", database],
                    input=statements, env={**os.environ, "PGPASSWORD": OWNER_PASSWORD, "PGOPTIONS": "-c client_encoding=utf8"})

    def create_database(self, name, encoding="UTF8"):
        self.sql(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
                 if encoding != "UTF8" else f'CREATE DATABASE "{name}"')

    def connection(self, database, user="reader"):
        return f"host={self.folder} dbname={database} user={user}"

    def source(self, database, **more):
        """The keys of a [source.NAME] section."""
        return {"driver": "postgres", "connection": self.connection(database), **more}


class Mariadb(Server):
    program = "/usr/sbin/mariadbd"
    owner_database = "mysql"

    @property
    def socket(self):
        return self.folder / "s"

    def make(self, folder):
        _run(_as_servers_user() + ["mariadb-install-db", "--no-defaults", f"--datadir={folder}", "--skip-test-db",
                                   "--skip-name-resolve", "--auth-root-authentication-method=normal",
                                   "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"], cwd="/")

    def command(self):
        return [self.program, "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", "--skip-networking",
                f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}", "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M", "--innodb-doublewrite=0", "--skip-log-bin",
                "--character-set-server=utf8mb4", "--max-allowed-packet=64M", "--default-time-zone=+01:00"]

    def ready(self):
        return self.socket.exists() and subprocess.run(
            ["mariadb", "--no-defaults", "-S", self.socket, "-u", "root", "-e", "SELECT 1"], capture_output=True).returncode == 0

    def prepare(self):
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        self.sql(f"CREATE USER reader@localhost IDENTIFIED BY '{quoted}'; GRANT SELECT ON *.* TO reader@localhost")

    def sql(self, statements, database=owner_database):
        """Run statements as the owner; what the client prints (tab-separated, no headings)."""
        return _run(["mariadb", "--no-defaults", "-S", self.socket, "-u", "root", "--default-character-set=utf8mb4",
                     "--max-allowed-packet=64M", "-BN", database], input=statements)

    def create_database(self, name, charset="utf8mb4"):
        self.sql(f"CREATE DATABASE `{name}` CHARACTER SET {charset}")

    def connection(self, database, user="reader"):
        return f"Driver=MariaDB Unicode;SOCKET={self.socket};UID={user};DATABASE={database}"

    def source(self, database, **more):
        """The keys of a [source.NAME] section."""
        return {"driver": "odbc", "connection": self.connection(database), **more}


_started = {}


def _started_server(kind):
    if kind not in _started:
        _started[kind] = kind()
        atexit.register(_started[kind].close)
    return _started[kind]


@pytest.fixture(scope="session")
def postgres():
    yield _started_server(Postgres)
    _started[Postgres].close()


@pytest.fixture(scope="session")
def mariadb():
    yield _started_server(Mariadb)
    _started[Mariadb].close()
