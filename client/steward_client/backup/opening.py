"""From what an operation's arguments name to the engine and storage that do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..runner import secret
from ..runner.config import Config
from ..runner.problems import Refused
from .archive import Archive
from .encryption import Keys
from .engine import Engine
from .manifest import SigningKey
from .restic import Restic
from .s3 import S3
from .storage import Folder, Storage

_KNOWN = {
    "folder": {"path"},
    "s3": {
        *("endpoint", "region", "bucket", "prefix", "access_key", "secret_key"),
        "path_style",
    },
    "restic": {"repository", "password", "access_key", "secret_key"},
}


def _go_on() -> None:
    """Nothing stops what is done outside of an operation."""


def _expect_known(told: dict[str, Any]) -> str:
    kind = str(told.get("kind"))
    if kind not in _KNOWN or not set(told) <= {"kind", *_KNOWN[kind]}:
        raise Refused(f"This runner cannot use such a storage: {kind}.")
    return kind


def told_of(row: dict[str, Any]) -> dict[str, Any]:
    """A storage's row in Odoo as an operation's arguments would name it."""
    words = _KNOWN.get(row["kind"], set())
    return {"kind": row["kind"], **{w: row[w] for w in words if row.get(w)}}


def open_place(
    told: dict[str, Any],
    config: Config,
    check: Callable[[], None] = _go_on,
    wait: Callable[[float], None] = time.sleep,
) -> Storage | Restic:
    """The place that an operation's arguments name.

    :param check: raises when the work has to stop
    :param wait: sleeps; raises as well
    """
    kind = _expect_known(told)
    read = partial(secret.read, config=config)
    if kind == "folder":
        return Folder(str(told.get("path") or ""), config.storages)
    if kind == "s3":
        return S3(told, read, wait)
    return Restic(told, config, SigningKey.load(config.signing_key_file), read, check)


def open_engine(
    told: dict[str, Any],
    config: Config,
    encryption: dict[str, Any] | None = None,
    check: Callable[[], None] = _go_on,
    wait: Callable[[float], None] = time.sleep,
) -> Engine:
    """The engine that keeps backups in such a place."""
    place = open_place(told, config, check, wait)
    if isinstance(place, Restic):
        return place
    keys = Keys(encryption, partial(secret.read, config=config))
    return Archive(place, SigningKey.load(config.signing_key_file), keys)


def take_away(what: dict[str, Any], config: Config) -> None:
    """Remove what there is of a backup that nobody finished; a whole one stays.

    :param what: as `Engine.scratch` told the journal; ``whole`` is true of one that
        seems complete, but of which it was told that there is none
    """
    place = open_place(what["storage"], config)
    if isinstance(place, S3):
        place.hurried = True
    if isinstance(place, S3 | Restic) and (
        what.get("whole") or not place.has(what["name"])
    ):
        place.erase(what["name"])
