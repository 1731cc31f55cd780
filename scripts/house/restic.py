"""restic, for repositories of backups: the machine's own, or Debian's package."""

import shutil
import subprocess
from pathlib import Path

from house import apt, files
from house.console import step, warn
from house.settings import Settings

PACKAGE = "restic"


def program(settings: Settings) -> Path | None:
    """The program, where it is."""
    ours = settings.data / PACKAGE / "usr" / "bin" / PACKAGE
    if ours.exists():
        return ours
    found = shutil.which(PACKAGE)
    return Path(found) if found else None


def ensure(settings: Settings) -> None:
    """Fetch it unless it is there; without it, all but its repositories works."""
    if program(settings):
        return
    with step(PACKAGE) as line:
        try:
            apt.require_tools()
            with files.locked(settings.cache / "restic.lock", "the download of restic"):
                version = _fetched(settings)
        except apt.NoArchive as reason:
            warn(f"no restic: {reason.cause.splitlines()[0]}. Repositories need it")
            line.text = "not here"
        else:
            line.text = f"{version} (distribution)"


def _fetched(settings: Settings) -> str:
    log = settings.data / "log" / "restic.log"
    packages = settings.cache / PACKAGE
    if not list(packages.glob("*.deb")):
        with files.built(packages) as work:
            for package in apt.fetch(work, [PACKAGE], log):
                package.rename(work / package.name)
            for rest in ("state", "cache", "debs"):
                shutil.rmtree(work / rest)
    package = sorted(packages.glob("*.deb"))[-1]
    with files.built(settings.data / PACKAGE) as fresh:
        apt.extract(package, fresh, log)
        said = subprocess.run(
            [fresh / "usr" / "bin" / PACKAGE, "version"],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            raise apt.NoArchive(f"{package.name} does not run on this machine")
    return package.name
