"""Enrolment: for which database this runner works, and how each knows the other."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..backup.manifest import SigningKey, new_key
from .config import Config
from .postgres import Connection, Server
from .problems import Refused


@dataclass(frozen=True)
class Identity:
    """A database as its enrolled runner must find it."""

    runner: int
    database_uuid: str
    database_name: str
    system_identifier: str


def _one(connection: Connection, query: str, *values: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def _found(connection: Connection) -> dict[str, str]:
    """What the database says of itself."""
    [there] = _one(connection, "SELECT to_regclass('steward_runner')") or [None]
    if not there:
        raise Refused("This database has no Steward: install the addon first.")
    row = _one(
        connection,
        "SELECT current_database(),"
        " (SELECT system_identifier FROM pg_control_system()),"
        " (SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'),"
        " (SELECT value FROM ir_config_parameter"
        "   WHERE key = 'database.is_neutralized')",
    )
    assert row
    name, system, uuid, neutralized = row
    if str(neutralized or "").lower() not in ("", "false", "f", "0"):
        raise Refused(f"{name} is neutralized, a copy: no runner works for it.")
    return {
        "database_uuid": str(uuid or ""),
        "database_name": str(name),
        "system_identifier": str(system),
    }


def recognise(connection: Connection, config: Config) -> Identity:
    """The enrolment that this runner's key proves; refused for any other database."""
    found = _found(connection)
    row = config.key_file.exists() and _one(
        connection,
        "SELECT id, active, database_uuid, database_name, system_identifier"
        " FROM steward_runner WHERE key_hash = %s",
        _hash(_read_key(config.key_file)),
    )
    if not row:
        raise Refused(
            "This runner is not enrolled: enrol it with a code from Odoo, under"
            " Steward > Configuration > Runners."
        )
    id_, active, *known = row
    if not active:
        raise Refused("This runner was switched off in Odoo.")
    for (what, value), told in zip(found.items(), known, strict=True):
        if value != told:
            raise Refused(
                f"This runner was enrolled for another database: its"
                f" {what.replace('_', ' ')} was {told}, this one's is {value}."
            )
    return Identity(id_, **found)


def enrol(config: Config, code: str = "", *, auto: bool = False) -> Identity:
    """Make this runner known to the database of its DSN.

    :param code: as Odoo showed it to an administrator; it works once
    :param auto: without a code: only for the role that owns the database
    """
    server = Server(config.dsn, config.pg_bin, config.maintenance)
    key, signing = _keys(config)
    connection = server.connect()
    try:
        found = _found(connection)
        values = {
            **found,
            "key_hash": _hash(key),
            "key_id": signing.id,
            "hostname": platform.node(),
        }
        columns = list(values)
        if auto:
            id_ = _insert(connection, config, columns, list(values.values()))
        else:
            row = _one(
                connection,
                "UPDATE steward_runner SET code_hash = NULL, code_until = NULL, "  # noqa: S608
                + ", ".join(f"{column} = %s" for column in columns)
                + " WHERE active AND code_hash = %s"
                " AND code_until > now() AT TIME ZONE 'UTC' RETURNING id",
                *values.values(),
                _hash(code.strip()),
            )
            if row is None:
                raise Refused(
                    "The code is wrong, was used, or is older than 15 minutes."
                )
            id_ = row[0]
        return Identity(int(id_), **found)
    finally:
        connection.close()


def _insert(
    connection: Connection, config: Config, columns: list[str], values: list[Any]
) -> int:
    owner = _one(
        connection,
        "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database"
        " WHERE datname = current_database()",
    )
    if not owner or not owner[0]:
        raise Refused(
            "Without a code, only the role that owns the database enrols a runner."
        )
    known = _one(
        connection,
        "UPDATE steward_runner SET active = true, "  # noqa: S608 - our own columns
        + ", ".join(f"{column} = %s" for column in columns)
        + " WHERE key_hash = %s RETURNING id",
        *values,
        values[columns.index("key_hash")],
    )
    if known:
        return int(known[0])
    row = _one(
        connection,
        f"INSERT INTO steward_runner (name, active, {', '.join(columns)})"  # noqa: S608
        f" VALUES (%s, true{', %s' * len(columns)}) RETURNING id",
        config.name,
        *values,
    )
    assert row
    return int(row[0])


def _keys(config: Config) -> tuple[str, SigningKey]:
    """The runner's two keys, made where they are not there yet."""
    for path in (config.key_file, config.signing_key_file):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(new_key())
    return _read_key(config.key_file), SigningKey.load(config.signing_key_file)


def _read_key(path: Path) -> str:
    try:
        key = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"The runner's key cannot be read: {error}") from None
    if len(key) < 32:
        raise Refused(f"The runner's key {path} is too short.")
    return key


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache
def odoo_works(config: Config) -> bool:
    """Can Odoo's command be started? Drills and neutral copies need it."""
    if not config.odoo:
        return False
    try:
        done = subprocess.run(
            [*config.odoo, "--version"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
