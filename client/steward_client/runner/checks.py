"""What the runner needs, looked at before it is needed: `steward runner check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg2

from ..backup.manifest import SigningKey
from ..backup.opening import open_place, told_of
from ..backup.s3 import S3
from . import rows
from .config import Config
from .enrol import odoo_works, recognise
from .postgres import Server
from .problems import Away, Problem, Unreachable


@dataclass(frozen=True)
class Found:
    """How one thing is.

    :param away: it did not answer; another time it may
    """

    name: str
    ok: bool
    sentence: str
    away: bool = False


def check(config: Config) -> Iterator[Found]:
    """All that the runner needs, one by one; storages as Odoo has them last."""
    server = Server(config.dsn, config.pg_bin, config.maintenance)
    storages: list[dict[str, Any]] = []

    def enrolled() -> str:
        connection = server.connect()
        try:
            identity = recognise(connection, config)
            storages.extend(rows.storages(connection))
        finally:
            connection.close()
        return f"runner {identity.runner} of {identity.database_name}"

    def rights() -> str:
        [(create, superuser)] = server.query(
            "SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        if not (create or superuser):
            raise Problem("The role may not create databases: ALTER ROLE … CREATEDB.")
        return "the role may create databases"

    def filestore() -> str:
        if not os.access(config.filestore, os.R_OK | os.W_OK | os.X_OK):
            raise Problem(f"{config.filestore} cannot be read and written.")
        return str(config.filestore)

    def roots() -> str:
        for root in config.storages:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(root, os.W_OK):
                raise Problem(f"{root} cannot be written.")
        return ", ".join(map(str, config.storages))

    def odoo() -> str:
        if not odoo_works(config):
            raise Problem(
                "Odoo's command does not work: neither drills nor neutral copies."
            )
        return " ".join(config.odoo)

    yield _found("enrolled", enrolled)
    yield _found("rights", rights)
    yield _found("programs", lambda: server.tools_version)
    yield _found("filestore", filestore)
    yield _found("storages", roots)
    yield _found("odoo", odoo)
    yield _found("signing key", lambda: SigningKey.load(config.signing_key_file).id)
    for row in storages:
        yield _found(f"storage {row['name']}", partial(_tried, row, config))


def _tried(row: dict[str, Any], config: Config) -> str:
    place = open_place(told_of(row), config)
    if isinstance(place, S3):
        place.hurried = True  # somebody waits
    return place.try_out()


def _found(name: str, ask: Callable[[], str]) -> Found:
    try:
        return Found(name, True, ask())
    except (Problem, OSError, psycopg2.Error) as error:
        words = " ".join(str(error).split())
        return Found(name, False, words, isinstance(error, Away | Unreachable))
