"""Databases: made from keyed templates, whole or not at all.

A database that we made says so in its comment (``steward:<key>``), so a call that
was killed half-way leaves nothing that the next call could mistake for a whole one.
"""

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from house import files, manifests, odoo
from house.cluster import Server
from house.console import Problem, step
from house.settings import Settings

MARK = "steward:"
KEPT_TEMPLATES = 24  # of about 30 MB each
LEAVING = 60  # seconds for sessions that were ended to be gone


class Databases:
    """The databases of one server, and their files."""

    def __init__(self, settings: Settings, server: Server, name: str) -> None:
        """:param name: ``run`` or ``test``: configuration, log and file names"""
        self.settings, self.server, self.name = settings, server, name
        self.conf = odoo.write_conf(settings, name, server, {})
        self.filestore = settings.data / "filestore" / name / "filestore"

    @classmethod
    def of_tests(cls, settings: Settings) -> "Databases":
        """In a test or a bench: the server that ``house.testing`` handed on."""
        conf = json.loads(os.environ["STEWARD_TEST_SERVER"])
        names = ("db_host", "db_port", "db_user", "db_password", "db_template")
        return cls(settings, Server(*(conf[name] for name in names)), "test")

    # -- plain SQL -------------------------------------------------------------

    def sql(self, query: str, database: str = "postgres", *args: Any) -> list[Any]:
        import psycopg2

        try:
            connection = psycopg2.connect(
                host=self.server.host,
                port=self.server.port,
                user=self.server.user,
                password=self.server.password or None,
                dbname=database,
            )
        except psycopg2.OperationalError as error:
            raise Problem(f"database {database}: {error}", "", "database") from None
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, args or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def comment(self, database: str) -> str | None:
        """The key it was made with; "" if not by us, None if it is not there."""
        rows = self.sql(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = %s",
            "postgres",
            database,
        )
        if not rows:
            return None
        text = rows[0][0] or ""
        return text[len(MARK) :] if text.startswith(MARK) else ""

    def mark(self, database: str, key: str) -> None:
        self.sql(f"COMMENT ON DATABASE \"{database}\" IS '{MARK}{key}'")

    def create(self, database: str, template: str | None = None) -> None:
        source = template or self.server.template
        extra = ""
        if source == "template0":
            extra = " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{source}"{extra}')
        if source == "template0":
            try:
                self.sql("CREATE EXTENSION IF NOT EXISTS vector", database)
            except Exception as error:  # noqa: BLE001 - whatever it says is told
                self.drop(database)
                raise Problem(
                    f"{self.server.user} may not create the extension 'vector':"
                    f" {error}",
                    "as a superuser of that server, in the database template1:"
                    " CREATE EXTENSION vector; new databases then have it",
                    "database",
                ) from None
        if template:
            self._copy_files(template, database)

    def _copy_files(self, source: str, target: str) -> None:
        """Attachments never change once written: links do."""
        if (self.filestore / source).exists():
            shutil.copytree(
                self.filestore / source,
                self.filestore / target,
                copy_function=os.link,
                dirs_exist_ok=True,
            )

    def drop(self, database: str) -> None:
        import psycopg2

        deadline = time.monotonic() + LEAVING
        while True:
            try:
                self._drop(database)
                break
            except psycopg2.errors.ObjectInUse:  # sent away, and still there
                if time.monotonic() > deadline:
                    raise
        shutil.rmtree(self.filestore / database, ignore_errors=True)

    def _drop(self, database: str) -> None:
        import psycopg2

        try:
            self.sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        except psycopg2.errors.InsufficientPrivilege:
            # autovacuum, a superuser, is in it: it makes way for a plain one
            self.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND backend_type IS NOT NULL",
                "postgres",
                database,
            )
            self.sql(f'DROP DATABASE IF EXISTS "{database}"')

    def rename(self, old: str, new: str) -> None:
        self.sql(f'ALTER DATABASE "{old}" RENAME TO "{new}"')
        shutil.rmtree(self.filestore / new, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            (self.filestore / old).rename(self.filestore / new)

    # -- made by Odoo ----------------------------------------------------------

    def odoo(self, database: str, *arguments: str, log: str, what: str) -> Path:
        """Run Odoo's server command on a database to its end; returns its log."""
        path = self.settings.data / "log" / f"{log}.log"
        odoo.call(
            self.settings,
            self.conf,
            *("server", "-d", database, f"--db-filter=^{database}$"),
            *("--no-http", "--max-cron-threads=0", "--stop-after-init"),
            *arguments,
            log=path,
            what=what,
        )
        return path

    def build(
        self, target: str, key: str, install: list[str], *, demo: bool, base: str | None
    ) -> None:
        """Make a database under a hidden name and show it when it is whole."""
        for (left,) in self.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE %s",
            "postgres",
            f"{target}_new_%",
        ):
            self.drop(left)  # an earlier call was interrupted
        fresh = f"{target}_new_{uuid.uuid4().hex[:6]}"
        try:
            self.create(fresh, base)
            self.odoo(
                fresh,
                *("-i", ",".join(install)),
                *(["--with-demo"] if demo else []),
                log=f"install-{target}",
                what=f"installing {', '.join(install)} failed",
            )
            self.mark(fresh, key)
            self.rename(fresh, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self.drop(fresh)
            raise

    # -- templates for tests ---------------------------------------------------

    def foundation(self, names: list[str]) -> str:
        """A template with what these addons need of Odoo and OCA, without them."""
        outer = manifests.foreign(names)
        odoo_stamp = files.read(self.settings.venv / "steward-odoo-from")
        # on a server that others use as well, the files are here and not with them
        place = self.settings.short_id if self.settings.server else ""
        key = files.digest([place, manifests.foundation_key(odoo_stamp), *outer])
        return self._cached(f"tpl_{key}", key, outer or ["base"], None)

    def template(self, names: list[str]) -> str:
        """A template with these addons installed, from the cache or made now."""
        inner, base = manifests.ours(names), self.foundation(names)
        key = files.digest([base, manifests.content_key(inner)])
        return self._cached(f"tpl_{key}", key, inner, base)

    def _cached(self, name: str, key: str, modules: list[str], base: str | None) -> str:
        with files.locked(self.settings.data / "templates.lock", "a template"):
            if self.comment(name) != key or not (self.filestore / name).is_dir():
                with step("template") as line:
                    self.drop(name)
                    self.build(name, key, modules, demo=False, base=base)
                    line.text = f"with {', '.join(modules)}"
            self._touch(name)
        return name

    def _touch(self, used: str) -> None:
        """Keep the templates used last, drop the oldest beyond a handful."""
        stamps = self.settings.data / "templates"
        stamps.mkdir(exist_ok=True)
        (stamps / used).touch()
        ordered = sorted(stamps.iterdir(), key=lambda p: p.stat().st_mtime_ns)
        for old in ordered[:-KEPT_TEMPLATES]:
            with contextlib.suppress(Exception):  # in use by another call
                self.drop(old.name)
                old.unlink()

    @contextmanager
    def clone(self, template: str, prefix: str = "t") -> Iterator[str]:
        """A fresh copy of a template, gone afterwards."""
        database = f"{prefix}_{uuid.uuid4().hex[:10]}"
        self.create(database, template)
        try:
            yield database
        finally:
            self.drop(database)
