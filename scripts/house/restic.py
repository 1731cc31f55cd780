"""restic, for repositories of backups: the machine's own, or Debian's package."""

import shutil
import subprocess
from pathlib import Path

from house import apt, files
from house.console import step, warn
from house.settings import Settings

PACKAGE = "restic"
SERVER = "restic-rest-server"  # its repositories over HTTP; only tests need it


def program(settings: Settings, package: str = PACKAGE) -> Path | None:
    """The program, where it is; it is called like its package."""
    ours = settings.data / package / "usr" / "bin" / package
    if ours.exists():
        return ours
    found = shutil.which(package)
    return Path(found) if found else None


def ensure(settings: Settings, *packages: str) -> None:
    """Fetch what is not there; without it, all but its repositories works."""
    for package in packages:
        if not program(settings, package):
            _ensure(settings, package)


def _ensure(settings: Settings, package: str) -> None:
    with step(package) as line:
        try:
            apt.require_tools()
            lock = settings.cache / f"{package}.lock"
            with files.locked(lock, f"the download of {package}"):
                version = _fetched(settings, package)
        except apt.NoArchive as reason:
            cause = reason.cause.splitlines()[0]
            warn(f"no {package}: {cause}. Repositories need it")
            line.text = "not here"
        else:
            line.text = f"{version} (distribution)"


def _fetched(settings: Settings, name: str) -> str:
    log = settings.data / "log" / "restic.log"
    packages = settings.cache / name
    if not list(packages.glob("*.deb")):
        with files.built(packages) as work:
            for package in apt.fetch(work, [name], log):
                package.rename(work / package.name)
            for rest in ("state", "cache", "debs"):
                shutil.rmtree(work / rest)
    package = sorted(packages.glob("*.deb"))[-1]
    with files.built(settings.data / name) as fresh:
        apt.extract(package, fresh, log)
        said = subprocess.run(
            [fresh / "usr" / "bin" / name, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            raise apt.NoArchive(f"{package.name} does not run on this machine")
    return package.name
