"""What the runner is told by its file, in TOML.

dsn = "host=/run/postgresql user=steward_runner dbname=production"
work = "/var/lib/steward"                 # journal and scratch, of this runner alone
filestore = "/var/lib/odoo/filestore"     # the folder with one folder per database
storages = ["/srv/backups"]               # where backups may be kept
odoo = ["/usr/bin/odoo"]                  # how Odoo's command is started
odoo_conf = "/etc/odoo/odoo.conf"
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .problems import Refused

DEFAULT = "~/.config/steward/runner.toml"


def default_path() -> Path:
    """Where the file is unless it is named."""
    return Path(os.environ.get("STEWARD_RUNNER_CONFIG") or DEFAULT).expanduser()


@dataclass(frozen=True)
class Config:
    """The runner's settings; every path is absolute."""

    path: Path
    dsn: str
    work: Path
    filestore: Path
    storages: tuple[Path, ...]
    key_file: Path
    signing_key_file: Path
    pg_bin: Path | None = None  # else what is found that fits the server
    maintenance: str = "postgres"  # the database to be in while others are renamed
    template: str = "template0"  # of new databases; one that has the extensions
    odoo: tuple[str, ...] = ()
    odoo_conf: Path | None = None
    restic: Path | None = None  # the program, else what is found
    secrets: tuple[Path, ...] = ()  # folders whose files may be named as secrets
    jobs: int = 2
    nice: int = 10
    poll: float = 1.0  # seconds between looks for work
    lease: float = 30.0  # seconds until an operation of a silent runner is lost
    name: str = field(default_factory=lambda: os.uname().nodename)

    @property
    def journal(self) -> Path:
        """The file of what was done."""
        return self.work / "journal.jsonl"

    @property
    def scratch(self) -> Path:
        """The folder of what is gone after each operation."""
        return self.work / "scratch"


_LISTS = ("storages", "odoo", "secrets")
_PATHS = (
    *("work", "filestore", "key_file", "signing_key_file", "pg_bin", "odoo_conf"),
    *("storages", "secrets", "restic"),
)


def load(path: Path) -> Config:
    """Read the file; a setting that is not known is an error, not a comment."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Refused(f"The runner's settings cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is no TOML: {error}") from None
    return read(told, path)


def read(told: dict[str, Any], path: Path) -> Config:
    """Make settings of what a file says.

    >>> read({"dsn": "dbname=x", "jobs": "two"}, Path("/etc/runner.toml"))
    Traceback (most recent call last):
    ...
    steward_client.runner.problems.Refused: /etc/runner.toml: jobs must be a number.
    """
    known = {f.name for f in fields(Config)} - {"path"}
    if unknown := sorted(set(told) - known):
        raise Refused(f"{path}: there is no setting {', '.join(unknown)}.")
    values: dict[str, Any] = {
        "key_file": str(path.parent / "runner.key"),
        "signing_key_file": str(path.parent / "signing.key"),
        **told,
    }
    for name, value in values.items():
        values[name] = _checked(name, value, path)
    missing = {"dsn", "work", "filestore", "storages"} - set(values)
    if missing:
        raise Refused(f"{path} does not say {', '.join(sorted(missing))}.")
    return Config(path=path, **values)


def _checked(name: str, value: Any, path: Path) -> Any:
    if name in _LISTS:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise Refused(f"{path}: {name} must be a list of texts.")
        return tuple(_absolute(name, v, path) for v in value)
    if name in ("jobs", "nice", "poll", "lease"):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Refused(f"{path}: {name} must be a number.")
        return value
    if not isinstance(value, str) or not value:
        raise Refused(f"{path}: {name} must be a text.")
    return _absolute(name, value, path)


def _absolute(name: str, value: str, path: Path) -> str | Path:
    if name not in _PATHS:
        return value
    found = Path(value).expanduser()
    if not found.is_absolute():
        raise Refused(f"{path}: {name} must be an absolute path.")
    return found
