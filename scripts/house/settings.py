"""Where things are and what the environment asks for; the only reader of os.environ."""

import configparser
import hashlib
import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from house.console import Problem

ROOT = Path(__file__).resolve().parents[2]
ADDONS = ROOT / "addons"
EXAMPLE_CONF = ROOT / "odoo.conf.example"
REQUIREMENTS = ROOT / "scripts" / "requirements"
MIN_FREE = 2500 << 20  # bytes: Odoo 1100 MB, environment 600 MB, databases


def _port(name: str, default: int) -> int:
    text = os.environ.get(name, "") or str(default)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Problem(
            f"{name}={text} is no port number",
            f"set {name} to a number from 1 to 65535",
        )
    return int(text)


@dataclass(frozen=True)
class Settings:
    """One call's settings, from the environment and an optional ``odoo.conf``."""

    data: Path = field(
        default_factory=lambda: Path(
            os.environ.get("STEWARD_DATA") or ROOT / ".data"
        ).absolute()
    )
    database: str = field(
        default_factory=lambda: os.environ.get("STEWARD_DB") or "steward"
    )
    port: int = field(default_factory=lambda: _port("STEWARD_PORT", 8069))
    detach: bool = field(
        default_factory=lambda: os.environ.get("DETACH", "") not in ("", "0")
    )
    odoo_src: str = field(default_factory=lambda: os.environ.get("ODOO_SRC", ""))
    odoo_git: str = field(
        default_factory=lambda: (
            os.environ.get("ODOO_GIT") or "https://github.com/odoo/odoo.git"
        )
    )

    @property
    def venv(self) -> Path:
        return ROOT / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def odoo(self) -> Path:
        """The script that starts Odoo; a real file, because Odoo re-executes it."""
        return self.venv / "bin" / "odoo"

    @property
    def cache(self) -> Path:
        """Downloads, shared by all checkouts of this user where there is a home."""
        home = os.environ.get("XDG_CACHE_HOME") or (
            os.environ.get("HOME", "") and os.environ["HOME"] + "/.cache"
        )
        wanted = Path(home) / "steward" if home else self.data / "cache"
        try:
            wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:  # a home that is not there or not ours to write
            return self.data / "cache"
        return wanted if os.access(wanted, os.W_OK) else self.data / "cache"

    @property
    def short_id(self) -> str:
        """Tells this checkout's sockets and folders from those of another."""
        return hashlib.sha256(str(self.data).encode()).hexdigest()[:10]

    @cached_property
    def user_conf(self) -> dict[str, str]:
        """What the checkout's own ``odoo.conf`` says, where there is one."""
        parser = configparser.RawConfigParser()
        path = ROOT / "odoo.conf"
        try:
            parser.read(path, encoding="utf-8")
        except configparser.Error as error:
            raise Problem(
                f"{path} cannot be read: {error}", "correct the file"
            ) from None
        return dict(parser["options"]) if parser.has_section("options") else {}

    @cached_property
    def server(self) -> dict[str, str] | None:
        """The PostgreSQL server the user named, as PG* variables; None: our own."""
        conf = self.user_conf
        named = {
            "PGHOST": os.environ.get("PGHOST") or conf.get("db_host", ""),
            "PGPORT": os.environ.get("PGPORT") or conf.get("db_port", "") or "5432",
            "PGUSER": os.environ.get("PGUSER") or conf.get("db_user", ""),
            "PGPASSWORD": os.environ.get("PGPASSWORD") or conf.get("db_password", ""),
        }
        if named["PGHOST"] in ("", "False"):
            return None
        if not named["PGUSER"]:
            raise Problem(
                f"PostgreSQL at {named['PGHOST']} is named, but no user",
                "set PGUSER (and PGPASSWORD), or db_user in odoo.conf",
            )
        if named["PGUSER"] == "postgres":
            raise Problem(
                "Odoo refuses to work as PostgreSQL's user 'postgres'",
                "make a role for it: createuser --createdb odoo; then set PGUSER=odoo",
            )
        return named


def site_packages(venv: Path) -> Path:
    return (
        venv
        / "lib"
        / f"python{sys.version_info.major}.{sys.version_info.minor}"
        / "site-packages"
    )


def addons() -> list[str]:
    """Every addon of the suite, by name."""
    return sorted(path.parent.name for path in ADDONS.glob("*/__manifest__.py"))


def product_addons() -> list[str]:
    """The addons a user installs: all but those that only hold tests."""
    return [name for name in addons() if not name.startswith("test_")]
