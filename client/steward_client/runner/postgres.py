"""PostgreSQL as the runner uses it: connections, its programs, whole databases."""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2 import sql

from .problems import Away, Problem, Refused

TRIES = 3  # to drop a database that somebody enters again
LOOK = 0.2  # seconds between looks whether to go on
LOCK_TIMEOUT = 60  # seconds; whoever waits longer is in somebody's way
# a column that PostgreSQL has from 15 on
PROVIDER = "coalesce(to_jsonb(d)->>'datlocprovider', 'c')"
HIDDEN = "steward_restoring_"  # databases that are not whole yet
SESSION = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';"
    " SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmlbinary = 'base64'"
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")

Connection = psycopg2.extensions.connection


_worker = threading.local()


@contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Have this thread's statements look now and then whether to go on.

    A statement may wait for somebody's lock, and nobody waits for us that long.
    """
    psycopg2.extensions.set_wait_callback(_wait)
    _worker.check = check
    try:
        yield
    finally:
        del _worker.check


def _wait(connection: Connection) -> None:
    check = getattr(_worker, "check", None)
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        handle = [connection.fileno()]
        reading = state == psycopg2.extensions.POLL_READ
        select.select(handle if reading else [], [] if reading else handle, [], LOOK)
        if check:
            try:
                check()
            except BaseException:
                connection.cancel()
                raise


class Server:
    """The server that a DSN leads to.

    :param dsn: of any of its databases
    :param binaries: where PostgreSQL's programs are, if that was said
    :param maintenance: the database to be in while others are made or renamed
    """

    def __init__(
        self, dsn: str, binaries: Path | None = None, maintenance: str = "postgres"
    ) -> None:
        try:
            self._parts: dict[str, Any] = psycopg2.extensions.parse_dsn(dsn)
        except psycopg2.ProgrammingError as error:
            raise Refused(f"The DSN cannot be read: {error}".strip()) from None
        self.maintenance, self._told = maintenance, binaries

    @property
    def home(self) -> str:
        """The database of the DSN itself."""
        return str(self._parts.get("dbname", ""))

    def connect(self, database: str = "", *, autocommit: bool = True) -> Connection:
        """A connection; without a name, to the database of the DSN."""
        parts: dict[str, Any] = {"connect_timeout": 10}
        parts |= {"application_name": "steward-runner", **self._parts}
        try:
            connection: Connection = psycopg2.connect(
                **(parts | {"dbname": database or self.home})
            )
        except (psycopg2.OperationalError, UnicodeError) as error:
            raise Away(f"PostgreSQL does not let us in: {error}".strip()) from None
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(SESSION)
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
        connection.autocommit = autocommit
        return connection

    def query(
        self, query: str | sql.Composable, *values: Any, database: str = ""
    ) -> list[tuple[Any, ...]]:
        """Rows of one statement, in a connection of its own."""
        connection = self.connect(database or self.maintenance)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    # -- its programs ----------------------------------------------------------

    def words(self, database: str) -> str:
        """The DSN of one of its databases for a program; without the password."""
        parts = {k: v for k, v in self._parts.items() if k != "password"}
        return str(psycopg2.extensions.make_dsn(**(parts | {"dbname": database})))

    @property
    def env(self) -> dict[str, str]:
        """The environment of its programs; the password is seen by nobody else."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        kept.update(
            {
                k: v
                for k, v in os.environ.items()
                if k in ("PGPASSWORD", "PGPASSFILE", "PGSSLROOTCERT")
            }
        )
        if "password" in self._parts:
            kept["PGPASSWORD"] = str(self._parts["password"])
        return {**kept, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"}

    @cached_property
    def version(self) -> int:
        """Its major version."""
        return int(self.query("SHOW server_version_num")[0][0]) // 10000

    def program(self, name: str) -> str:
        """The path of pg_dump or pg_restore, of a version that fits the server."""
        return str(self.binaries / name)

    @cached_property
    def binaries(self) -> Path:
        """The folder of its programs: not older than the server, as near as can be."""
        found = {
            version: folder
            for folder in reversed(self._folders())
            if (version := _version_of(folder)) and version >= self.version
        }
        if not found:
            raise Refused(
                f"PostgreSQL {self.version} needs its own pg_dump and pg_restore:"
                f" install postgresql-client-{self.version}, or set pg_bin."
            )
        return found[min(found)]

    def _folders(self) -> list[Path]:
        if self._told:
            return [self._told]
        path = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p]
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        return [*debian, *Path("/usr").glob("pgsql-*/bin"), *path]

    @cached_property
    def tools_version(self) -> str:
        """What pg_dump says of itself."""
        told = subprocess.run(
            [self.program("pg_dump"), "--version"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        return told.strip()

    # -- whole databases -------------------------------------------------------

    def exists(self, database: str) -> bool:
        """Is there a database of this name, whether or not we may enter it?"""
        found = self.query("SELECT 1 FROM pg_database WHERE datname = %s", database)
        return bool(found)

    def size(self, database: str) -> int:
        """Its bytes on the server's disk."""
        return int(self.query("SELECT pg_database_size(%s)", database)[0][0])

    def owner(self, database: str) -> str:
        """The role that owns it."""
        rows = self.query(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s",
            database,
        )
        return str(rows[0][0]) if rows else ""

    def create_hidden(
        self, database: str, template: str, locale: dict[str, Any], owner: str = ""
    ) -> None:
        """Make a database that no Odoo sees: it passes for a template.

        :param locale: encoding, collate, ctype, provider, icu; a template of other
            locale is not used, template0 is
        """
        same = self.query(
            "SELECT 1 FROM pg_database d WHERE datname = %s"  # noqa: S608 - a constant
            " AND pg_encoding_to_char(encoding) = %s AND datcollate = %s"
            f" AND datctype = %s AND {PROVIDER} = %s",
            *(template, locale["encoding"], locale["collate"], locale["ctype"]),
            locale["provider"],
        )
        parts = [
            sql.SQL("CREATE DATABASE {} TEMPLATE {} IS_TEMPLATE true").format(
                sql.Identifier(database),
                sql.Identifier(template if same else "template0"),
            )
        ]
        if owner:
            parts.append(sql.SQL("OWNER {}").format(sql.Identifier(owner)))
        if not same or template == "template0":
            wanted = {"ENCODING": locale["encoding"], "LC_COLLATE": locale["collate"]}
            wanted["LC_CTYPE"] = locale["ctype"]
            if locale["provider"] == "i":
                wanted |= {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": locale["icu"]}
            elif locale["provider"] == "b":
                wanted |= {"LOCALE_PROVIDER": "builtin"}
                wanted |= {"BUILTIN_LOCALE": locale["icu"]}
            for word, value in wanted.items():
                parts.append(sql.SQL(word + " {}").format(sql.Literal(value)))
        self.query(sql.SQL(" ").join(parts))
        self.query(
            sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(
                sql.Identifier(database)
            )
        )

    def drop(self, database: str) -> None:
        """Remove a database that is hidden; never another."""
        if not database.startswith(HIDDEN):
            raise Refused(f"{database} is none of the runner's own databases.")
        if not self.exists(database):
            return
        # WITH (FORCE) is refused while autovacuum, a superuser, is in the database
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database))
        connection = self.connect(self.maintenance)
        try:
            with connection.cursor() as cursor:
                _alter(cursor, database, "IS_TEMPLATE false")
                for left in reversed(range(TRIES)):
                    _end_sessions(cursor, database)
                    try:
                        cursor.execute(drop)
                        break
                    except psycopg2.errors.ObjectInUse:  # somebody came meanwhile
                        if not left:
                            raise
        finally:
            connection.close()

    def rename_hidden(self, hidden: str, name: str) -> None:
        """Give a hidden database another name; it stays hidden."""
        connection = self.connect(self.maintenance)
        try:
            with connection.cursor() as cursor:
                _end_sessions(cursor, hidden)
                _rename(cursor, hidden, name)
        finally:
            connection.close()

    def show(self, hidden: str, target: str, replaced: str = "") -> None:
        """Give a hidden database its name, in one transaction.

        :param replaced: the name under which the one that has it now is kept; nobody
            may enter that one any more, lest its scheduled actions go on
        """
        connection = self.connect(self.maintenance)
        try:
            with connection.cursor() as cursor:
                if replaced:
                    # first, and for itself: no new ones come while the others go
                    _alter(cursor, target, "ALLOW_CONNECTIONS false")
                    _end_sessions(cursor, target)
                _end_sessions(cursor, hidden)
                cursor.execute("BEGIN")
                if replaced:
                    _rename(cursor, target, replaced)
                _rename(cursor, hidden, target)
                _alter(cursor, target, "IS_TEMPLATE false")
                grant = sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO PUBLIC")
                cursor.execute(grant.format(sql.Identifier(target)))
                cursor.execute("COMMIT")
        except psycopg2.Error as error:
            if connection.closed:
                raise Away(f"PostgreSQL went away: {error}".strip()) from None
            if replaced:
                with connection.cursor() as cursor:
                    cursor.execute("ROLLBACK")
                    _alter(cursor, target, "ALLOW_CONNECTIONS true")
            raise Problem(f"The database could not be put in place: {error}") from None
        finally:
            connection.close()


def _alter(cursor: Any, database: str, change: str) -> None:
    words = sql.SQL("ALTER DATABASE {} " + change)
    cursor.execute(words.format(sql.Identifier(database)))


def _rename(cursor: Any, old: str, new: str) -> None:
    words = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    cursor.execute(words.format(sql.Identifier(old), sql.Identifier(new)))


def _end_sessions(cursor: Any, database: str) -> None:
    """Have all leave a database whom we may send away.

    Others do not show us what they are. Autovacuum is one of them: who drops or renames
    a database has it make way.
    """
    deadline = time.monotonic() + 10
    while True:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()"
            "   AND backend_type IS NOT NULL",
            [database],
        )
        if not cursor.rowcount or time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _version_of(folder: Path) -> int | None:
    """The version of a folder's pg_dump, if there is one beside a pg_restore."""
    if not (folder / "pg_dump").exists() or not (folder / "pg_restore").exists():
        return None
    try:
        told = subprocess.run(
            [folder / "pg_dump", "--version"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = _VERSION.search(told)
    return int(match[1]) if match else None


@contextmanager
def snapshot(server: Server, database: str) -> Iterator[tuple[Connection, str]]:
    """A transaction that sees the database as it is now, and its name for pg_dump."""
    connection = server.connect(database, autocommit=False)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            [name] = cursor.fetchone() or [""]
        yield connection, str(name)
    finally:
        connection.close()
