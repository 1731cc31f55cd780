"""Restoring: under a hidden name, compared, and only then shown; or nothing at all."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from ..runner import rows
from ..runner.job import Job
from ..runner.journal import sync_folder
from ..runner.postgres import HIDDEN, Server
from ..runner.problems import Away, Corrupt, Problem, Refused, TooNew
from . import filestore, neutral
from .checking import FileCount, ticker
from .engine import Engine
from .making import backup
from .manifest import SigningKey
from .source import Source, differences

_ITEM = re.compile(r"pg_restore: finished item \d+ ")
_LISTED = re.compile(r"^\d+; \d+ \d+ ")
# what the template of the new database has, and only its owner may comment on
_SKIPPED = re.compile(
    r"^\d+; \d+ \d+ (COMMENT - (EXTENSION|SCHEMA public)|SCHEMA - public)"
)
_EXTENSION = re.compile(r"^\d+; \d+ \d+ EXTENSION - (\S+)")
# of our own sessions: the last commit, of the swap, is durable and all before it then
_FAST = "-c synchronous_commit=off -c maintenance_work_mem=128MB"
SHOWN = 5  # differences that a sentence names
AHEAD = 1000  # changes of the old registry until it is replaced
AGAIN = 2.0  # seconds until PostgreSQL is asked again

_logger = logging.getLogger(__name__)


@dataclass
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    sentence: str
    expected: Any = None
    found: Any = None

    def as_json(self) -> dict[str, Any]:
        """Without what there is nothing to say about."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass
class Copy:
    """A restored database that nobody sees yet, and its files."""

    database: str
    files: Path
    manifest: dict[str, Any]
    checks: list[Check] = field(default_factory=list)

    def check(
        self,
        name: str,
        ok: bool,
        sentence: str,
        expected: Any = None,
        found: Any = None,
    ) -> bool:
        """Note how something was found; answer whether it is fine."""
        self.checks.append(Check(name, ok, sentence, expected, found))
        return ok

    def expect_all(self) -> None:
        """Fail with what was not fine."""
        if bad := [check.sentence for check in self.checks if not check.ok]:
            raise Corrupt(f"The restored database is not what was backed up: {bad[0]}")


def restore(
    job: Job, engine: Engine, safety: Engine | None, key: SigningKey
) -> dict[str, Any]:
    """Restore a backup to a new database, or in place of one that was named twice."""
    wish = job.arguments
    target, server = wish["target"], job.server
    manifest = engine.manifest(wish["path"], foreign=bool(wish.get("foreign")))
    expect_readable(job, manifest)
    _find_other_series(job, manifest)
    replaced = _expect_allowed(job, target)
    result: dict[str, Any] = {"database": target, "level": "restored"}
    job.plan(fetch=10, restore=55, filestore=15, compare=8, neutralize=4, swap=1)
    if replaced and safety:
        wishes = {"database": target, "kind": "full", "label": f"before {job.short}"}
        made = backup(job, safety, key, wishes)
        result["safety"], result["safety_backup"] = made["backup"]["path"], made
    began = time.time()
    place = job.config.filestore / f"{HIDDEN}{job.short}"
    with (
        job.making("folder", path=str(place)),
        ExitStack() as stack,
    ):
        queries = None
        if wish.get("neutralize"):
            queries = stack.enter_context(neutral.asking(job, manifest))
        copy = stack.enter_context(restored(job, engine, manifest, place))
        copy.expect_all()
        source = manifest["database"]
        if queries:
            job.step("neutralize")
            neutral.neutralize(job, copy.database, queries())
        is_copy = source["name"] != target or bool(wish.get("neutralize"))
        if is_copy or (replaced and _uuid(server, target) != source["uuid"]):
            neutral.rotate(job.server, copy.database)
        server.query("ANALYZE", database=copy.database)
        if replaced:
            _outdate(server, target, copy.database)
        if target == server.home:
            _carry_over(job, copy.database, manifest["uuid"])
        job.step("swap")
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
        result["seconds"] = result["rto"] = round(time.time() - began, 2)
        result["checks"] = [check.as_json() for check in copy.checks]
        result["findings"] = [*manifest["findings"], *job.findings]
        facts = {
            "hidden": copy.database,
            "target": target,
            "before": _before(target, stamp) if replaced else "",
            "place": str(place) if manifest["filestore"] else "",
            "result": result,
        }
        if replaced:
            result["kept_as"] = facts["before"]
        with job.undisturbed():
            job.journal.write("intent", job.uuid, name="swap", facts=facts)
            _swap_at_last(job, facts)
    return result


def _swap_at_last(job: Job, facts: dict[str, Any]) -> None:
    """Swap, however long PostgreSQL is away: until then nobody enters a database.

    The runner could do nothing else meanwhile, and whoever kills it leaves it to the
    next one.
    """
    while True:
        try:
            return swap(job, facts)
        except Away as problem:
            _logger.warning("the swap waits: %s", problem)
            time.sleep(AGAIN)


def expect_readable(job: Job, manifest: dict[str, Any]) -> None:
    """Can this server take the backup?"""
    if not manifest["dump"]:
        raise Refused(f"{manifest['name']} holds files only: no database is in it.")
    version = manifest["database"]["postgresql"]
    if version > job.server.version:
        raise TooNew(
            f"{manifest['name']} comes from PostgreSQL {version}, this server is"
            f" {job.server.version}: restore it to a server as new."
        )


def _find_other_series(job: Job, manifest: dict[str, Any]) -> None:
    """A database of another Odoo is restored as well; it is just of no use to this."""
    connection = job.server.connect()
    try:
        ours = _series(Source(connection).odoo_version())
    finally:
        connection.close()
    theirs = _series(manifest["database"]["odoo"])
    if theirs and ours and theirs != ours:
        job.find(
            f"It is a database of Odoo {theirs}, and Odoo {ours} cannot work with it:"
            f" start Odoo {theirs} on it, or upgrade it."
        )


def _series(version: str) -> str:
    """The part of a module's version that is Odoo's.

    >>> _series("19.0.1.3"), _series("saas~19.1.1.0"), _series("")
    ('19.0', 'saas~19.1', '')
    """
    return ".".join(version.split(".")[:2])


def _expect_allowed(job: Job, target: str) -> bool:
    """May the database of this name be made? Answer whether one is replaced."""
    wish, server = job.arguments, job.server
    if (
        target.startswith((HIDDEN, "-", "."))
        or any(sign in target for sign in "/\0\\")
        or len(target.encode()) > 63
        or target in (server.maintenance, "template0", "template1", job.config.template)
    ):
        raise Refused(f"No database may be called {target!r}.")
    if not server.exists(target):
        return False
    if not wish.get("replace"):
        raise Refused(
            f"There is a database {target}; it is not replaced unless you say so."
        )
    if wish.get("confirmed_name") != target:
        raise Refused(f"To replace {target}, its name must be typed.")
    return True


@contextmanager
def restored(
    job: Job,
    engine: Engine,
    manifest: dict[str, Any],
    place: Path,
    copy: Copy | None = None,
) -> Iterator[Copy]:
    """The backup as a database that no Odoo sees, with its files, compared.

    It is dropped afterwards, unless it was given another name within.

    :param copy: where its checks are noted, for who wants them also if it fails
    """
    copy = copy or Copy("", place, manifest)
    copy.database, copy.files, copy.manifest = f"{HIDDEN}{job.short}", place, manifest
    expect_readable(job, manifest)
    name = job.arguments["path"]
    with job.making("database", name=copy.database):
        job.server.drop(copy.database)
        with job.folder("dump") as folder:
            job.step("fetch")
            engine.unpack_dump(name, manifest, folder, _share(job, manifest, "dump/"))
            job.step("restore")
            _load(job, copy, folder)
        if manifest["filestore"]:
            job.step("filestore")
            count = FileCount(manifest)
            tick = _share(job, manifest, "filestore/")
            engine.unpack_files(name, manifest, place, tick, count.take)
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = count.findings()
            copy.check(
                "files",
                not found,
                " ".join(found) or f"All {count.files} files are whole.",
                manifest["filestore"]["files"],
                count.files,
            )
        job.step("compare")
        _compare(job, copy)
        yield copy


def _share(job: Job, manifest: dict[str, Any], prefix: str) -> Callable[[int], None]:
    parts = [p for p in manifest["parts"] if p["path"].startswith(prefix)]
    tick: Callable[[int], None] = ticker(job, {"parts": parts})
    return tick


def _load(job: Job, copy: Copy, folder: Path) -> None:
    """Create the database and let pg_restore fill it; its first error ends it."""
    server, locale = job.server, copy.manifest["database"]["locale"]
    owner = server.owner(server.home)
    role = "" if owner == _user(server) else owner
    server.create_hidden(copy.database, job.config.template, locale, role)
    listing = folder / "steward.list"
    program = [server.program("pg_restore"), "--list", f"--file={listing}", str(folder)]
    with job.program(program, server.env) as listed:
        listed.finish("The dump's table of contents cannot be read")
    items = _choose(server, copy.database, listing)
    jobs = int(job.config.jobs)
    command = [
        *(server.program("pg_restore"), "--exit-on-error", "--verbose"),
        *("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"),
        *(f"--jobs={jobs}", f"--use-list={listing}"),
        *([f"--role={role}"] if role else []),
        f"--dbname={server.words(copy.database)}",
        str(folder),
    ]
    env = {**server.env, "PGOPTIONS": _FAST}
    done = 0
    with job.program(command, env) as program_:
        for line in program_.lines():
            if _ITEM.match(line):
                done += 1
                job.advance(min(1.0, done / max(1, items)))
        program_.expect_success("The dump could not be restored")


def _choose(server: Server, database: str, listing: Path) -> int:
    """Leave out what the new database has from its template; how much is left."""
    there = {
        name
        for (name,) in server.query(
            "SELECT extname FROM pg_extension", database=database
        )
    }
    kept, items = [], 0
    for line in listing.read_text("utf-8", "surrogateescape").splitlines(keepends=True):
        match = _EXTENSION.match(line)
        if _SKIPPED.match(line) or (match and match[1] in there):
            continue
        kept.append(line)
        items += bool(_LISTED.match(line))
    listing.write_text("".join(kept), "utf-8", "surrogateescape")
    return items


def _compare(job: Job, copy: Copy) -> None:
    """Ask the copy what the source was asked; and whether its files are there."""
    connection = job.server.connect(copy.database)
    try:
        source = Source(connection)
        expected = copy.manifest["contents"]
        found = source.facts(job.advance, expected["samples"])
        wrong = differences(expected, found)
        for kind, title in (
            ("rows", "tables have their rows"),
            ("objects", "kinds of objects are complete"),
            ("samples", "samples have their sums"),
            ("modules", "modules have their versions"),
        ):
            bad = [w for w in wrong if w[0].startswith(kind)]
            shown = "; ".join(
                f"{w}: {e} expected, {f} found" for w, e, f in bad[:SHOWN]
            )
            total = len(expected[kind])
            copy.check(
                kind, not bad, shown or f"All {total} {title}.", total, total - len(bad)
            )
        if copy.manifest["filestore"] and source.has("ir_attachment"):
            _compare_files(source, copy)
    finally:
        connection.close()


def _compare_files(source: Source, copy: Copy) -> None:
    absent, example = 0, ""
    for (name,) in source.rows(f"SELECT DISTINCT f FROM ({filestore.STORED}) s (f)"):  # noqa: S608
        if filestore.expected_sum(name) and not (copy.files / name).is_file():
            absent, example = absent + 1, name
    known = copy.manifest["filestore"]["missing_count"]
    copy.check(
        "attachments",
        absent <= known,
        f"{absent} attachments have no file, {example} for one."
        if absent
        else "Every attachment has its file.",
        known,
        absent,
    )


# -- putting it into place -----------------------------------------------------------


def swap(job: Job, facts: dict[str, Any]) -> None:
    """Give database and files their names; done twice, it is as if done once."""
    server, target = job.server, facts["target"]
    if server.exists(facts["hidden"]):
        before = facts["before"] if server.exists(target) else ""
        server.show(facts["hidden"], target, before)
    if not facts["place"]:
        return
    place = Path(facts["place"])
    if place.is_dir():
        files = filestore.database_folder(job.config.filestore, target)
        if files.exists():  # also one that a database of this name left behind
            kept = facts["before"] or _before(target, f"{int(time.time())}")
            files.rename(files.with_name(kept))
        _give(job.config.filestore, place)
        place.rename(files)
        sync_folder(files.parent)


def finish_swap(job: Job, facts: dict[str, Any]) -> dict[str, Any]:
    """Bring a swap to its end that was begun: all was proven before."""
    swap(job, facts)
    result: dict[str, Any] = facts["result"]
    return result


def _before(target: str, stamp: str) -> str:
    """The name under which a replaced database is kept.

    >>> _before("x" * 60, "20260304100000")
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_before_20260304100000'
    """
    tail = f"_before_{stamp}"
    return target.encode()[: 63 - len(tail)].decode("utf-8", "ignore") + tail


def _give(root: Path, place: Path) -> None:
    """Files belong to whom the filestore belongs, if we may say so."""
    status = root.stat()
    if os.geteuid() or (status.st_uid, status.st_gid) == (0, 0):
        return
    for folder, _folders, names in os.walk(place):
        for name in ("", *names):
            os.chown(Path(folder, name), status.st_uid, status.st_gid)


def _user(server: Server) -> str:
    return str(server.query("SELECT current_user")[0][0])


def _uuid(server: Server, database: str) -> str:
    """Odoo's number of a database; empty where it is none of Odoo's."""
    try:
        connection = server.connect(database)
    except Problem:
        return ""
    try:
        return Source(connection).parameter("database.uuid")
    except psycopg2.Error:
        return ""
    finally:
        connection.close()


def _outdate(server: Server, old: str, new: str) -> None:
    """Have Odoo's servers load anew what they have in mind of the old database.

    They compare this number with the one that they know; a backup's may be the same.
    """
    highest = "SELECT max(id) FROM orm_signaling_registry"
    numbers = []
    for database in (old, new):
        try:
            [(number,)] = server.query(highest, database=database)
        except (psycopg2.errors.UndefinedTable, Away):
            return  # one of them is none of Odoo's, or lets nobody in
        numbers.append(number or 0)
    server.query(
        "INSERT INTO orm_signaling_registry (id) VALUES (%s)",
        max(numbers) + AHEAD,
        database=new,
    )
    server.query(
        "SELECT setval(pg_get_serial_sequence('orm_signaling_registry', 'id'), %s)",
        max(numbers) + AHEAD,
        database=new,
    )


def _carry_over(job: Job, database: str, restored: str) -> None:
    """Let the database that replaces ours know its runner and what came after it."""
    ours, theirs = job.server.connect(), job.server.connect(database)
    try:
        rows.carry_over(ours, theirs, job.uuid, restored)
    finally:
        ours.close()
        theirs.close()
