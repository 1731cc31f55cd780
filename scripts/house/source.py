"""Odoo's source: from the first way that works."""

import os
import re
import shutil
from pathlib import Path

from house import apt, commands, environment, files
from house.console import Problem, step, warn
from house.settings import Settings

# the package this suite is tested with; the archive is rolling
PACKAGE = "odoo-19"
PINNED = "odoo-19_19.0.0+dfsg-1_all.deb"
PINNED_SHA256 = "9d2f598b0555db17e291d48ed24df184c70823c053c4c5ed53c467ca7f629bbf"


def ensure(settings: Settings, inherited: Path | None) -> None:
    """Find or fetch Odoo 19 and attach it to the environment."""
    stamp = files.read(settings.venv / "steward-odoo-from").splitlines()
    chosen = settings.odoo_src or (str(inherited) if inherited else "")
    attached = stamp and Path(stamp[0]) / "odoo" / "release.py"
    there = attached and attached.exists() and settings.odoo.exists()
    if there and chosen in ("", stamp[0]):
        return
    with step("odoo") as line:
        if settings.odoo_src:
            source = Path(settings.odoo_src).absolute()
            _check_source(source)
            version = "19.0 from ODOO_SRC"
        elif inherited:
            source, version = inherited, "19.0 as installed with Python"
        else:
            source, version = _fetched(settings)
        environment.attach_odoo(settings, source, version)
        line.text = f"{version}"


def _check_source(source: Path) -> None:
    release = files.read(source / "odoo" / "release.py")
    match = re.search(r"version_info = \((\d+), (\d+)", release)
    if not match:
        raise Problem(
            f"ODOO_SRC={source} holds no Odoo", "name the folder that holds odoo-bin"
        )
    if match[1] != "19":
        raise Problem(
            f"ODOO_SRC={source} is Odoo {match[1]}.{match[2]}, needed is 19.0",
            "check out the branch 19.0 there",
        )


def _fetched(settings: Settings) -> tuple[Path, str]:
    files.require_space(settings.data, 1300 << 20)
    try:
        apt.require_tools()
        with files.locked(settings.cache / "debs.lock", "the download of Odoo"):
            return _from_package(settings)
    except apt.NoArchive as reason:
        warn(f"Odoo's package cannot be had: {reason.cause.splitlines()[0]}")
        return _from_git(settings, reason)


def _from_package(settings: Settings) -> tuple[Path, str]:
    log = settings.data / "log" / "odoo.log"
    target = settings.data / "odoo"
    packages = settings.cache / "debs"
    found = sorted(packages.glob(f"{PACKAGE}_*.deb"))
    pinned = packages / PINNED
    cached = pinned if pinned in found else (found[-1] if found else None)
    query = sorted(packages.glob("libjs-jquery_*.deb"))
    if not cached or not query:
        with files.built(packages) as work:
            for package in apt.fetch(work, [PACKAGE, "libjs-jquery"], log):
                package.rename(work / package.name)
            for rest in ("state", "cache", "debs"):
                shutil.rmtree(work / rest)
        return _from_package(settings)
    source = target / "usr/lib/python3/dist-packages"
    if files.read(target / "steward-from") == cached.name:
        return source, f"{cached.name} (unpacked before)"
    if files.sha256(cached) != PINNED_SHA256:
        if cached.name == PINNED:
            cached.unlink()
            raise Problem(
                f"{PINNED} in {packages} is not what it was (checksum)",
                "it has been removed: call the same again",
            )
        warn(
            f"the archive moved on to {cached.name}; this suite is tested with"
            f" {PINNED}. Its signature was checked; going on with the newer one"
        )
    with files.built(target) as fresh:
        for package in (cached, query[-1]):
            apt.extract(package, fresh, log)
        _complete(fresh)
        files.write(fresh / "steward-from", cached.name, 0o644)
    return source, f"{cached.name} (distribution)"


def _complete(prefix: Path) -> None:
    """Mend what the package leaves to its dependencies or to the licence."""
    packages = prefix / "usr/lib/python3/dist-packages"
    for stray in ("addons", "doc", "setup"):  # a second, py-only copy of all addons
        shutil.rmtree(packages / stray, ignore_errors=True)
    for info in packages.glob("odoo-*.egg-info"):
        shutil.rmtree(info)  # pip reads our own, without its list of packages
    # left out by Debian for its licence; without it every page logs an error
    camera = packages / "odoo/addons/mail/static/lib/selfie_segmentation"
    camera.mkdir(parents=True, exist_ok=True)
    (camera / "selfie_segmentation.js").write_text("/* not in the package */\n")
    for folder, names, leaves in os.walk(prefix):
        for name in (*names, *leaves):
            path = Path(folder, name)
            if path.is_symlink() and not path.exists():
                path.unlink()  # fonts of packages that are not here


def _from_git(settings: Settings, reason: Problem) -> tuple[Path, str]:
    if not shutil.which("git"):
        raise Problem(
            f"no way to get Odoo 19: {reason.cause}; and there is no git",
            "install git, or set ODOO_SRC to a checkout of Odoo 19.0",
        )
    target = settings.data / "odoo"
    with files.built(target) as fresh:
        fresh.rmdir()
        commands.run(
            ["git", "clone", "-q", "--depth", "1", "--branch", "19.0"]
            + [settings.odoo_git, fresh],
            log=settings.data / "log" / "odoo.log",
            env={"GIT_TERMINAL_PROMPT": "0"},
            what="Odoo could not be cloned",
            remedy="check the network, or set ODOO_SRC to a checkout of Odoo 19.0",
        )
        _check_source(fresh)
    return target, "19.0 cloned from Odoo's repository"
