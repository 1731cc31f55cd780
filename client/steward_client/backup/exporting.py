"""The standard zip, which Odoo's own database manager restores."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

from ..runner.job import Job
from ..runner.journal import sync_folder
from ..runner.problems import Problem, Refused
from .checking import FileCount, ticker
from .engine import Engine
from .filestore import files

FOLDER = "exports"  # below a storage: where Odoo has them written
_VERSION = re.compile(r"(saas[~-])?\d+\.\d+")


def export(job: Job, engine: Engine) -> dict[str, Any]:
    """Write a backup as zip into one of the storages' folders."""
    wish = job.arguments
    manifest = engine.manifest(wish["path"], foreign=bool(wish.get("foreign")))
    if not manifest["dump"]:
        raise Refused(f"{wish['path']} holds files only: there is no database in it.")
    target = _target(job, wish["to"])
    job.plan(fetch=30, dump=30, pack=40)
    part = target.with_name(f".{target.name}.{job.short}.part")
    with job.making("folder", path=str(part)), job.folder("export") as folder:
        job.step("fetch")
        tick = ticker(job, manifest)
        engine.unpack_dump(wish["path"], manifest, folder / "dump", tick)
        count = FileCount(manifest)
        if manifest["filestore"]:
            engine.unpack_files(
                wish["path"], manifest, folder / "filestore", tick, count.take
            )
            if found := count.findings():
                raise Problem(found[0])
        job.step("dump")
        command = [
            *(job.server.program("pg_restore"), "--no-owner", "--no-privileges"),
            *(f"--file={folder / 'dump.sql'}", str(folder / "dump")),
        ]
        with job.program(command, job.server.env) as program:
            program.finish("The dump could not be written as SQL")
        job.step("pack")
        _zip(job, folder, part, manifest)
        result = {"path": str(target), "bytes": part.stat().st_size}
        with job.undisturbed():
            # should we die between the two: a zip that is there was made
            job.journal.write("intent", job.uuid, name="export", facts=result)
            part.rename(target)
            sync_folder(target.parent)
    return result


def finished(facts: dict[str, Any]) -> dict[str, Any] | None:
    """The result of an export that was written, though nobody was told."""
    return facts if Path(facts["path"]).is_file() else None


def discard(job: Job) -> dict[str, Any]:
    """Remove an export, unless somebody reads it just now."""
    job.plan(cleanup=1)
    job.step("cleanup")
    told = Path(job.arguments["path"])
    roots = [Path(os.path.realpath(root)) for root in job.config.storages]
    if told.suffix != ".zip" or told.parent not in [root / FOLDER for root in roots]:
        raise Refused(f"{told} is no export of this runner.")
    if told.is_symlink() or (told.exists() and not told.is_file()):
        raise Refused(f"{told.name} is no file.")
    if told.exists():
        if _is_open(told):
            return {"removed": False, "sentence": f"{told.name} is being read."}
        told.unlink()
        sync_folder(told.parent)
    return {"removed": True}


def _is_open(path: Path) -> bool:
    """Does anybody have it open? Only who is alone is given a lease for writing."""
    with path.open("rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            # other file systems know of no leases; who reads then reads on to the end
            return error.errno == errno.EAGAIN
    return False


def _target(job: Job, to: str) -> Path:
    """Where the zip goes: below a folder that the runner may write to."""
    roots = [Path(os.path.realpath(root)) for root in job.config.storages]
    wanted = roots[0] / to
    target = Path(os.path.realpath(wanted))
    if ".." in Path(to).parts or not any(target.is_relative_to(root) for root in roots):
        raise Refused(f"{to} is in no folder that the runner may write to.")
    if target.suffix != ".zip" or target.exists():
        raise Refused(f"{to} must be the name of a new .zip file.")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return target


def _zip(job: Job, folder: Path, part: Path, manifest: dict[str, Any]) -> None:
    database, modules = manifest["database"], manifest["contents"]["modules"]
    match = _VERSION.match(database["odoo"])
    version = match[0] if match else database["odoo"]
    told = {
        "odoo_dump": "1",
        "db_name": database["name"],
        "version": version,
        "version_info": [*map(int, re.findall(r"\d+", version)[:2]), 0, "final", 0, ""],
        "major_version": version,
        "pg_version": f"{database['postgresql']}.0",
        "modules": modules,
    }
    names = list(files(folder / "filestore"))
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    with (
        os.fdopen(os.open(part, flags, 0o600), "w+b") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as zipped,
    ):
        zipped.writestr("manifest.json", json.dumps(told, indent=4))
        zipped.write(folder / "dump.sql", "dump.sql")
        for number, name in enumerate(names):
            zipped.write(folder / "filestore" / name, f"filestore/{name}")
            job.advance(number / len(names))
        zipped.close()
        file.flush()
        os.fsync(file.fileno())
