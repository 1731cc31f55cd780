"""Making a backup: files held still, one snapshot, a dump, the files, the manifest."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..runner.job import Job
from ..runner.postgres import LOCK_TIMEOUT, snapshot
from ..runner.problems import HandedBack, Problem, Refused
from . import filestore
from .checking import read_back
from .engine import Engine, Writer
from .manifest import FORMAT, SigningKey, encode
from .source import Source
from .storage import backup_name, space_of

_FINISHED = re.compile(r"pg_dump: finished item (\d+) ")
_TROUBLE = re.compile(r"pg_dump: (warning|error):|^WARNING:")
LISTED = 100  # missing files that the manifest names


def backup(
    job: Job, engine: Engine, key: SigningKey, wish: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Make one backup; nothing is left of one that fails.

    :param wish: of another operation that needs one first
    """
    if wish is None:
        wish = job.arguments
        job.plan(
            snapshot=4,
            dump=50,
            filestore=25,
            checksum=0 if engine.stages else 1,
            upload=60 if engine.stages else 0,
            readback=20,
        )
    name = backup_name(
        wish["database"],
        time.strftime("%Y%m%d-%H%M%S", time.gmtime(job.began)),
        job.short,
    )
    with ExitStack() as stack:
        if scratch := engine.scratch(name):
            stack.enter_context(job.making(**scratch, doomed=True))
        manifest = _write(job, engine, key, name, wish)
        return _proven(job, engine, name, manifest)


def _write(
    job: Job, engine: Engine, key: SigningKey, name: str, wish: dict[str, Any]
) -> dict[str, Any]:
    database, kind = wish["database"], wish.get("kind") or "full"
    with ExitStack() as stack:
        enter = stack.enter_context
        job.step("snapshot")
        held = None
        if kind != "database":
            held = _hold(job, stack, database, wish.get("filestore"))
        connection, exported = enter(snapshot(job.server, database))
        source = Source(connection)
        taken_at = time.time()
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "uuid": job.uuid,
            "name": name,
            "kind": kind,
            "engine": "restic" if engine.stages else "archive",
            "label": wish.get("label") or "",
            "plan_uuid": wish.get("plan_uuid") or "",
            "started_at": _utc(job.began),
            "snapshot_at": _utc(taken_at),
            "database": source.identity(),
            "contents": None,
            "dump": None,
            "filestore": None,
            "encryption": engine.encryption,
            "key_id": key.id,
            "tools": {"pg_dump": job.server.tools_version, "runner": job.config.name},
        }
        size = manifest["database"]["bytes"] = job.server.size(database)
        _expect_room(job, engine, database, size if kind != "filestore" else 0)
        missing = _second_pass(job, source, held) if held else []
        writer = enter(engine.writing(name, wish, lambda _bytes: job.check()))
        if kind != "filestore":
            job.step("dump")
            manifest |= _dump(job, source, exported, writer, manifest, wish)
        connection.close()  # the snapshot is not held longer than it is needed
        if held:
            job.step("filestore")
            manifest["filestore"] = _files(job, held, missing, writer)
        job.step("upload" if engine.stages else "checksum")
        written = writer.close()
        manifest |= {
            "parts": written.parts,
            "bytes": written.bytes,
            "added": written.added or written.bytes,
            "findings": job.findings,
            "ended_at": _utc(time.time()),
        }
        data = encode(manifest)
        with job.undisturbed():
            # should we die between the two: a backup that is there was made
            job.journal.write("intent", job.uuid, name="backup", facts={"path": name})
            writer.seal(data, key.sign(data))
    return manifest


def _expect_room(job: Job, engine: Engine, database: str, size: int) -> None:
    """Refuse to begin what would not fit: a full disk hurts others as well.

    :param size: of the database, or 0 if it is not dumped
    """
    estimate = engine.estimate(database)
    wanted = size if estimate is None else estimate
    places = [("in the storage", engine.space(), wanted)]
    if engine.stages:
        places.append(("in the runner's work folder", space_of(job.config.work), size))
    for where, space, needed in places:
        if space and space[0] < needed:
            raise Problem(
                f"There is no space left {where}: {_megabytes(space[0])} are free, and"
                f" about {_megabytes(needed)} are needed. Make room, then try again."
            )


def _megabytes(size: int) -> str:
    return f"{max(0.1, size / 1_000_000):.1f} MB"


def _proven(
    job: Job, engine: Engine, name: str, manifest: dict[str, Any]
) -> dict[str, Any]:
    """Read a new backup back; one that is not what was written is taken away."""
    try:
        job.step("readback")
        level = engine.sample(name, manifest, lambda _bytes: job.check())
        if not level:
            level = "readback"
            if found := read_back(job, engine, name, manifest):
                raise Problem(f"The backup could not be read back: {found[0]}")
    except HandedBack:
        level = "written"  # it is whole; begun anew, there would be two
    except BaseException:
        engine.remove(name)
        raise
    return result(engine, name, manifest, level, job.began)


def result(
    engine: Engine, name: str, manifest: dict[str, Any], level: str, began: float
) -> dict[str, Any]:
    """What Odoo is told of a backup."""
    files = manifest["filestore"] or {}
    contents = manifest["contents"] or {}
    return {
        "backup": {
            "path": name,
            "manifest_sha256": engine.digest(name),
            "bytes": manifest["bytes"],
            "added_bytes": manifest.get("added", manifest["bytes"]),
            "encryption": manifest["encryption"],
            "database_bytes": manifest["database"]["bytes"],
            "filestore_bytes": files.get("bytes", 0),
            "filestore_files": files.get("files", 0),
            "duration": round(time.time() - began, 2),
            "parts": len(manifest["parts"]),
            "odoo_version": manifest["database"]["odoo"],
            "pg_version": str(manifest["database"]["postgresql"]),
            "modules_count": len(contents.get("modules", {})),
            "key_id": manifest["key_id"],
            "snapshot_at": manifest["snapshot_at"],
            "findings": manifest["findings"],
        },
        "level": level,
    }


# -- the files ---------------------------------------------------------------------


def _hold(
    job: Job, stack: ExitStack, database: str, told: str | None
) -> filestore.Snapshot:
    root = Path(told) if told else job.config.filestore
    if ".." in root.parts or not root.is_relative_to(job.config.filestore):
        raise Refused(f"{root} is not in the filestore that the runner may read.")
    source = filestore.database_folder(root, database)
    if not source.is_dir():
        job.find(f"There is no filestore {source}: the database's files are not in it.")
    # beside the filestore, because links do not lead to another file system
    target = job.config.filestore / f".steward-{job.short}"
    stack.enter_context(job.making("folder", path=str(target)))
    held = filestore.Snapshot(source, target)
    held.take(job.check)
    return held


def _second_pass(job: Job, source: Source, held: filestore.Snapshot) -> list[str]:
    """Hold the files that came between the links and the snapshot; tell who is gone."""
    missing: list[str] = []
    if not source.has("ir_attachment"):
        return missing
    with source.connection.cursor("stored") as cursor:
        cursor.execute(filestore.STORED)
        for (name,) in cursor:
            job.check()
            if filestore.expected_sum(name) is None:
                job.find(
                    f"An attachment's file has a name that Odoo never gives: {name}"
                )
            elif not held.has(name) and not held.hold(name):
                missing.append(name)
    if missing:
        job.find(
            f"{len(missing)} attachments have no file in the filestore, {missing[0]}"
            " for one: they were lost before this backup."
        )
    return sorted(set(missing))


def _files(
    job: Job, held: filestore.Snapshot, missing: list[str], writer: Writer
) -> dict[str, Any]:
    names = sum(1 for _name in filestore.files(held.target))
    count = size = 0
    changed: list[str] = []
    for name in filestore.files(held.target):
        path = held.target / name
        total = filestore.sha1()
        size += path.stat().st_size
        complete = writer.add(name, path, total.update)
        count += 1
        wanted = filestore.expected_sum(name)
        if complete and wanted and total.hexdigest() != wanted:
            changed.append(name)
        job.advance(count / names, size)
    if changed:
        job.find(
            f"{len(changed)} files are not what their names say, {changed[0]} for one:"
            " they were damaged before this backup, or were just being written."
        )
    return {
        "files": count,
        "bytes": size,
        "missing": missing[:LISTED],
        "missing_count": len(missing),
        "changed": changed[:LISTED],
        "changed_count": len(changed),
    }


# -- the database ------------------------------------------------------------------


def _dump(
    job: Job,
    source: Source,
    exported: str,
    writer: Writer,
    manifest: dict[str, Any],
    wish: dict[str, Any],
) -> dict[str, Any]:
    """Dump and count in one snapshot; each file is packed as soon as it is finished."""
    jobs = int(wish.get("jobs") or job.config.jobs)
    expected = max(1, manifest["database"]["bytes"])
    done = 0

    def take(path: Path) -> None:
        nonlocal done
        done += path.stat().st_size
        writer.dumped(path)
        job.advance(0.95 * min(1.0, done / expected), done)

    with job.folder("dump") as scratch:
        folder = scratch / "dump"
        command = [
            *(job.server.program("pg_dump"), "--format=directory", "--verbose"),
            *(f"--jobs={jobs}", f"--file={folder}", f"--snapshot={exported}"),
            *("--compress=0", "--no-sync"),
            f"--lock-wait-timeout={LOCK_TIMEOUT * 1000}",
            f"--dbname={job.server.words(manifest['database']['name'])}",
        ]
        with job.program(command, job.server.env) as program:
            # while pg_dump works: what is counted is what it sees
            contents = source.facts(lambda _share: job.check())
            for line in program.lines():
                if _TROUBLE.search(line):
                    job.find(line)
                if match := _FINISHED.match(line):
                    path = folder / f"{match[1]}.dat"
                    if path.exists():  # an item without data has none
                        take(path)
            program.expect_success("The database could not be dumped")
        if not (folder / "toc.dat").exists():
            raise Problem("pg_dump left no table of contents.")
        for path in sorted(folder.iterdir()):
            take(path)
    return {
        "contents": contents,
        "dump": {"bytes": done, "format": "directory", "jobs": jobs},
    }


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
