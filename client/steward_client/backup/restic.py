"""The engine ``restic``: what did not change is kept once, and all is encrypted.

A backup is up to three snapshots of one name: of the dump, of the files, and last of
the manifest; it is there when the manifest is. The manifest has the tree of each, a
SHA-256 over all that is in it, so its signature covers every byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import tarfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, unquote

from ..runner.config import Config
from ..runner.job import remove
from ..runner.problems import Corrupt, KeyMissing, Problem, Refused, Unreachable
from ..runner.processes import LOOK, Program
from . import manifest as manifests
from .engine import Engine, Tick, Writer, Written
from .filestore import expected_sum, sha1
from .packing import CHUNK, Member, open_regular
from .storage import NAME, backup_name, checked_name, checked_part, space_of

OLDEST = "0.17"  # before, it did not say in codes and JSON what is wrong
HOST = "steward"  # the same whatever the machine is called: it finds what it had
DUMP, FILES, MANIFEST = "dump", "filestore", "manifest"
SAMPLE = "5%"  # of the repository's data that is read after each backup
LOCKED = "--retry-lock=2m"  # until somebody else has done with the repository
LOOKS, LOOKED = 24, "--retry-lock=5s"  # as long, with looks whether he has died
PATIENCE = 60.0  # seconds for a repository to answer
# told to end, it may hold its lock for as long as a send takes; of the dead, a lock
# is known to be left behind
ORPHANED = signal.SIGKILL
_REMOTE = re.compile(r"(s3|rest):(https?://)?[A-Za-z0-9][^@\s]*")
_PASSWORD = ("wrong password", "no key found", "password is empty")
_UNKNOWN = (
    *("401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("The Access Key Id you provided", "The request signature we calculated"),
)
_DENIED = ("403 Forbidden", "Access Denied", "AccessDenied")
_AWAY = (
    *("connection refused", "connection reset", "dial tcp", "i/o timeout"),
    *("no such host", "EOF", "503 Service Unavailable", "SlowDown"),
)
# of the runner's own environment: what leads to other machines, and nothing secret
_PASSED = (
    *("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


def program(config: Config) -> Path | None:
    """restic, where the settings or the machine have it."""
    if config.restic:
        return config.restic if config.restic.is_file() else None
    found = shutil.which("restic")
    return Path(found) if found else None


def version(config: Config) -> str | None:
    """The version of restic, if there is one."""
    found = program(config)
    return _version_of(found) if found else None


@lru_cache
def _version_of(found: Path) -> str | None:
    try:
        said = subprocess.run(
            [found, "version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return said[1] if len(said) > 1 else None


class Restic(Engine):
    """A repository of restic's; for what is kept there and for how.

    :param told: the storage of an operation's arguments
    :param secret: the value that a reference leads to
    :param check: raises when the work has to stop
    """

    encryption = {"cipher": "restic"}
    stages = True

    def __init__(
        self,
        told: dict[str, Any],
        config: Config,
        key: manifests.SigningKey,
        secret: Callable[[str], str],
        check: Callable[[], None],
    ) -> None:
        self.told, self.config, self.key = told, config, key
        self.secret, self.check = secret, check
        self.local: Path | None = None
        self.repository = self._repository(str(told.get("repository") or ""))
        self._listed: list[dict[str, Any]] | None = None
        self._there = False

    def _repository(self, told: str) -> str:
        if _REMOTE.fullmatch(told):
            return told
        path = Path(os.path.realpath(told))
        if not told.startswith("/") or ".." in Path(told).parts:
            raise Refused(
                f"The repository {told!r} must be an absolute path, s3:https://… or"
                " rest:https://… (name and password are secrets, not in the address)."
            )
        roots = [Path(os.path.realpath(root)) for root in self.config.storages]
        if not any(path.is_relative_to(root) for root in roots):
            raise Refused(
                f"The repository {told} is in no folder that the runner may write to"
                f" ({', '.join(map(str, roots))}); see 'storages' in its settings."
            )
        self.local = path
        return str(path)

    # -- the program -----------------------------------------------------------

    @cached_property
    def _program(self) -> Path:
        found = program(self.config)
        if found is None:
            raise Refused(
                "The runner finds no restic: install the package of that name, or say"
                ' in its settings where it is (restic = "/usr/bin/restic").'
            )
        return found

    @cached_property
    def _env(self) -> dict[str, str]:
        """Of the child alone; nothing secret stands in a command or in a file."""
        env = {name: os.environ[name] for name in _PASSED if name in os.environ}
        env |= {
            "RESTIC_REPOSITORY": self.repository,
            "RESTIC_PASSWORD": self.secret(str(self.told.get("password") or "")),
            "RESTIC_CACHE_DIR": str(self.config.work / "restic-cache"),
            "RESTIC_PROGRESS_FPS": "2",
            "TMPDIR": str(self.config.scratch),
        }
        rest = self.repository.startswith("rest:")
        names = ("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD")
        for name, field in zip(
            names if rest else ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            ("access_key", "secret_key"),
            strict=True,
        ):
            if self.told.get(field):
                env[name] = self.secret(str(self.told[field])).strip()
        return env

    def _run(
        self,
        *words: str | Path,
        folder: Path | None = None,
        told: Callable[[dict[str, Any]], None] | None = None,
        source: IO[bytes] | None = None,
    ) -> list[Any]:
        """What it says, as far as that is JSON.

        :param told: is given each of its messages, which are not kept then
        """
        self.config.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        messages: list[Any] = []
        with Program(
            [self._program, *words],
            self._env,
            self.check,
            folder=folder,
            source=source,
            output=subprocess.PIPE,
            errors=subprocess.STDOUT,
            orphaned=ORPHANED,
        ) as running:
            for line in running.lines():
                try:
                    message = json.loads(line) if line[:1] in ("{", "[") else None
                except ValueError:
                    continue
                if message is None:
                    continue
                if told and isinstance(message, dict):
                    told(message)
                else:
                    messages.append(message)
            code = running.wait()
        if code:
            raise self._problem(str(words[0]), code, list(running.last))
        return messages

    def _problem(self, verb: str, code: int, said: list[str]) -> Problem:
        words = _words(said)
        if any(sign in words for sign in _PASSWORD):
            return KeyMissing(
                f"The password does not open the repository {self.repository}: see"
                " which secret the storage names, and what it holds."
            )
        if any(sign in words for sign in _UNKNOWN):
            return KeyMissing(
                f"The server of the repository {self.repository} does not know this"
                " name and password: see which secrets the storage names, and what"
                " they hold."
            )
        if any(sign in words for sign in _DENIED):
            return Problem(
                f"The server of the repository {self.repository} does not allow that"
                f" to whom the storage names: {words}"
            )
        if code == 10 or "unable to open config file" in words:
            if any(sign in words for sign in _AWAY):
                return Unreachable(f"The repository does not answer: {words}")
            return _NoRepository(f"There is no repository {self.repository}.")
        if code == 3:
            return Problem(
                f"restic could not read everything, so this is no whole backup: {words}"
            )
        if "already locked" in words:
            return _Locked(
                f"The repository is locked by somebody else: {words} If nobody is,"
                " 'restic unlock' removes what was left behind."
            )
        if any(sign in words for sign in _AWAY):
            return Unreachable(f"The repository does not answer: {words}")
        return Problem(f"restic {verb} ended with code {code}: {words}")

    def _ready(self) -> None:
        """Make the repository if there is none; forget the locks of the dead."""
        self._snapshots()
        if not self._there:
            self._run("init")
            self._there = True
        self._unlock()

    def _unlock(self) -> None:
        """Remove locks whose restic died with its runner; others stay."""
        locks = self.local and self.local / "locks"
        if not locks or (locks.is_dir() and any(locks.iterdir())):
            self._run("unlock")

    # -- snapshots -------------------------------------------------------------

    def _snapshots(self) -> list[dict[str, Any]]:
        """All of ours, the oldest first; each with `name` and `part`.

        Each call of restic takes half a second to derive its key: few are made.
        """
        if self._listed is not None:
            return self._listed
        found: list[Any] = []
        with self._patience():
            try:
                found = self._run("snapshots", "--json", "--no-lock", "--host", HOST)
                self._there = True
            except _NoRepository:
                self._there = False
        self._sealed: dict[str, str] = {}
        listed = []
        for snapshot in (found[-1] if found else None) or []:
            tags = dict(t.partition("=")[::2] for t in snapshot.get("tags") or [])
            name = unquote(tags.get("name", ""))
            if NAME.fullmatch(name):
                told = {"name": name, "part": tags.get("part", "")}
                listed.append(snapshot | told)
        self._listed = sorted(listed, key=lambda s: str(s["time"]))
        return self._listed

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Give up sooner than restic, which tries for a quarter of an hour."""
        check, until = self.check, time.monotonic() + PATIENCE

        def patient() -> None:
            check()
            if time.monotonic() > until:
                raise Unreachable(f"The repository {self.repository} does not answer.")

        self.check = patient
        try:
            yield
        finally:
            self.check = check

    def snapshot(self, name: str, part: str) -> dict[str, Any]:
        """A snapshot that was just made."""
        found = self._find(name, part)
        if not found:
            self._listed = None
            found = self._find(name, part)
        if not found:
            raise Problem(f"restic made no snapshot of {name}.")
        return found

    def _find(self, name: str, part: str) -> dict[str, Any] | None:
        return next(
            (s for s in self._snapshots() if (s["name"], s["part"]) == (name, part)),
            None,
        )

    def _save(
        self, name: str, part: str, folder: Path, tick: Tick | None = None
    ) -> dict[str, Any]:
        """Make a snapshot of a folder's contents; restic's summary."""
        before = [
            s["id"]
            for s in self._snapshots()
            if s["part"] == part and s["name"].split("/")[0] == name.split("/")[0]
        ]
        summary: dict[str, Any] = {}

        def told(message: dict[str, Any]) -> None:
            if message.get("message_type") == "summary":
                summary.update(message)
            elif tick:
                tick(0)

        self._run(
            *("backup", LOCKED, "--json", "--host", HOST, "--tag", f"part={part}"),
            *("--tag", f"name={quote(name)}"),
            # a link to a file is as good as the file
            *("--ignore-inode", "--ignore-ctime"),
            *(["--parent", before[-1]] if before else ["--force"]),
            ".",
            folder=folder,
            told=told,
        )
        if not summary.get("snapshot_id"):
            raise Problem(f"restic made no snapshot of {name}.")
        return summary

    def _save_all(
        self, name: str, folders: dict[str, Path], tick: Tick
    ) -> dict[str, dict[str, Any]]:
        """Make snapshots side by side; when one fails, the others do not go on."""
        failed: list[BaseException] = []

        def expect_success() -> None:
            check()
            if failed:
                raise Problem("Another part of the backup failed.")

        def save(part: str) -> dict[str, Any]:
            try:
                return self._save(name, part, folders[part], tick)
            except BaseException as problem:
                failed.append(problem)
                raise

        check, self.check = self.check, expect_success
        try:
            with ThreadPoolExecutor() as pool:
                saving = {part: pool.submit(save, part) for part in folders}
            if failed:
                raise failed[0]
            return {part: saved.result() for part, saved in saving.items()}
        finally:
            self.check = check

    # -- what it has -----------------------------------------------------------

    def known(self, name: str) -> Marks:
        """The files that the last backup has, and whose sums were right."""
        last = self._last(name)
        if not last or not self.has(last["name"]):
            return Marks()
        return self._noted(last) or self._told(last)

    def _last(self, name: str) -> dict[str, Any] | None:
        """The snapshot of the files of this database's last backup."""
        folder = name.split("/")[0]
        ours = (s for s in self._snapshots() if s["name"].split("/")[0] == folder)
        return next((s for s in reversed(list(ours)) if s["part"] == FILES), None)

    def _told(self, last: dict[str, Any]) -> Marks:
        """What the repository tells; it takes three calls."""
        try:
            manifest = self.manifest(last["name"])
            list(self._parts(manifest, FILES + "/"))
        except Problem:
            return Marks()
        told = manifest["filestore"]
        found = Marks(told["changed"])
        if told["changed_count"] > len(told["changed"]):
            return found

        def take(node: dict[str, Any]) -> None:
            if node.get("type") == "file":
                path = str(node["path"]).lstrip("/")
                found.add(path, node.get("size", 0), _moment(node["mtime"]))

        self._run("ls", "--json", "--no-lock", last["id"], told=take)
        return found

    def _notes(self, name: str) -> Path:
        """Where this runner notes what the last backup of a database has."""
        place = f"{self.repository}\n{name.split('/')[0]}"
        return self.config.work / "restic-notes" / _sum(place.encode())[:32]

    def _noted(self, last: dict[str, Any]) -> Marks | None:
        """What we noted ourselves, if it is of that backup."""
        path = self._notes(last["name"])
        with suppress(OSError, ValueError, KeyError):
            data, _newline, signature = path.read_bytes().rpartition(b"\n")
            if self.key.signs(data, signature.decode("ascii")):
                told = json.loads(data)
                if (told["id"], told["tree"]) == (last["id"], last["tree"]):
                    return Marks.of(told["marks"], told["changed"])
        path.unlink(missing_ok=True)
        return None

    def note(self, name: str, marks: Marks, told: dict[str, Any]) -> None:
        """Remember what a new backup has, so that the next one need not ask.

        :param told: the manifest on the files
        """
        last, path = self._last(name), self._notes(name)
        if not last or last["name"] != name:
            return
        if told["changed_count"] > len(told["changed"]):
            return
        noted = {"id": last["id"], "tree": last["tree"], "changed": told["changed"]}
        data = json.dumps(noted | {"marks": marks.as_json()}).encode()
        with suppress(OSError):  # then the repository tells
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data + b"\n" + self.key.sign(data).encode())

    # -- an engine -------------------------------------------------------------

    def scratch(self, name: str) -> dict[str, Any] | None:
        return {"kind": "restic", "storage": self.told, "name": checked_name(name)}

    def _folder(self, name: str) -> Path:
        """Where a backup lies until restic has taken it."""
        return self.config.scratch / f"{name[-8:]}-restic"

    @contextmanager
    def writing(
        self,
        name: str,
        arguments: dict[str, Any],  # noqa: ARG002
        tick: Tick,
    ) -> Iterator[Writer]:
        self._ready()
        if self.has(name):
            raise Refused(f"There is a backup {name} already.")
        folder = self._folder(name)
        remove(folder)
        (folder / DUMP).mkdir(parents=True, mode=0o700)
        try:
            yield _Writer(self, name, folder, tick)
        except BaseException:
            self.check = _on  # what has to go goes, also when told to stop
            with suppress(Unreachable):  # the journal knows of it: it is tried again
                self.erase(name)
            raise
        finally:
            remove(folder)

    def has(self, name: str) -> bool:
        return self._find(name, MANIFEST) is not None

    def open(self, name: str, part: str) -> IO[bytes]:
        """Read the manifest, or its signature."""
        found = self._find(checked_name(name), MANIFEST)
        if not found:
            raise Corrupt(f"{part} of {name} is not in the repository.")
        with self._tar(found["id"]) as tar:
            for info in tar:
                if info.name.strip("./") == part and info.isreg():
                    file = cast(IO[bytes], tar.extractfile(info))
                    return io.BytesIO(file.read(manifests.LIMIT + 1))
        raise Corrupt(f"{part} of {name} is not in the repository.")

    def manifest(self, name: str, *, foreign: bool = False) -> dict[str, Any]:
        if not self.has(name):
            raise Problem(f"There is no backup {name} in the repository.")
        manifest = manifests.read(self, name, self.key, foreign=foreign)
        if (manifest["encryption"] or {}).get("cipher") != "restic":
            raise Corrupt(f"{name} was not made by restic.")
        return manifest

    def digest(self, name: str) -> str:
        known = self._sealed.get(name)
        return known or manifests.digest(self, name)

    def sealed(self, name: str, id_: str, manifest: bytes) -> None:
        """There is another backup, with such a manifest."""
        self._sealed[name] = _sum(manifest)
        listed = {"id": id_, "name": name, "part": MANIFEST, "time": "9999"}
        self._listed = [*self._snapshots(), listed]

    def estimate(self, database: str) -> int | None:
        """What the last one added: what did not change takes no room."""
        folder = backup_name(database, "", "").split("/")[0]
        ours = [s for s in self._snapshots() if s["name"].split("/")[0] == folder]
        last = next((s["name"] for s in reversed(ours) if s["part"] == MANIFEST), None)
        if last is None:
            return None
        return sum(_added(s.get("summary") or {}) for s in ours if s["name"] == last)

    def space(self) -> tuple[int, int] | None:
        return space_of(self.local) if self.local else None

    def used(self) -> int:
        """The bytes that the repository takes."""
        self._snapshots()
        if not self._there:
            return 0
        found = self._run("stats", "--json", "--mode", "raw-data", "--no-lock")
        return int(found[-1].get("total_size", 0)) if found else 0

    def remark(self) -> str:
        """What a person should know of it, though it works."""
        ours = version(self.config) or "?"
        if _is_older(ours):
            return f"restic {ours} is older than {OLDEST}: install a later one."
        return ""

    def try_out(self) -> str:
        """That it opens; it is made by a test in Odoo, or by the first backup."""
        self._snapshots()
        if not self._there:
            raise Problem(
                f"There is no repository {self.repository} yet: Test it in Odoo, which"
                " makes it."
            )
        return self.remark() or f"restic {version(self.config)} opens it"

    def echo(self, name: str, data: bytes) -> bytes:
        """Write something small, read it back, remove it."""
        self._ready()
        folder = self._folder(name)
        remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        try:
            (folder / "probe").write_bytes(data)
            saved = self._save(name, "probe", folder)
            with self._tar(saved["snapshot_id"]) as tar:
                found = [
                    cast(IO[bytes], tar.extractfile(info)).read()
                    for info in tar
                    if info.isreg()
                ]
            return b"".join(found)
        finally:
            remove(folder)
            self._listed = None
            self.erase(name)

    def _parts(
        self, manifest: dict[str, Any], prefix: str = ""
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The snapshots of a backup that the manifest vouches for."""
        for part in manifests.parts(manifest, prefix):
            id_ = part.path.split("/")[-1]
            found = next((s for s in self._snapshots() if s["id"] == id_), None)
            if not found:
                raise Corrupt(f"{part.path} is not in the repository.")
            if found["tree"] != part.sha256:
                raise Corrupt(f"{part.path} is not what was written: its sum differs.")
            yield id_, found

    def expect_key(self, manifest: dict[str, Any]) -> None:
        """The password opened the repository, or there would be no manifest."""

    def sample(self, name: str, manifest: dict[str, Any], tick: Tick) -> str:  # noqa: ARG002
        self._verify(manifest, f"--read-data-subset={SAMPLE}")
        return "written"

    def checksum(self, name: str, manifest: dict[str, Any], tick: Tick) -> None:  # noqa: ARG002
        self._verify(manifest, "--read-data")

    def _verify(self, manifest: dict[str, Any], how: str) -> None:
        list(self._parts(manifest))
        for _look in range(LOOKS - 1):
            with suppress(_Locked):
                self._check(how)
                return
        self._check(how)

    def _check(self, how: str) -> None:
        """Have it checked, unless somebody is at work in it, or died just now."""
        if self.local:
            self._unlock()
        try:
            self._run("check", LOOKED, how)
        except (KeyMissing, Unreachable, _Locked):
            raise
        except Problem as problem:
            raise Corrupt(f"The repository is damaged: {problem.sentence}") from None

    def unpack_dump(
        self,
        name: str,  # noqa: ARG002
        manifest: dict[str, Any],
        to: Path,
        tick: Tick,
        only: str = "",
    ) -> int:
        total = 0
        for id_, _snapshot in self._parts(manifest, DUMP + "/"):
            for member in self._members(id_, tick):
                total += member.size
                if member.name.endswith(only):
                    member.write_to(to / member.name)
                else:
                    member.read()
        return total

    def unpack_files(
        self,
        name: str,  # noqa: ARG002
        manifest: dict[str, Any],
        to: Path | None,
        tick: Tick,
        also: Callable[[str, int, str], None],
    ) -> None:
        for id_, _snapshot in self._parts(manifest, FILES + "/"):
            for member in self._members(id_, tick):
                total = sha1() if expected_sum(member.name) else None
                update = total.update if total else None
                if to:
                    member.write_to(to / member.name, update)
                else:
                    member.read(update)
                also(member.name, member.size, total.hexdigest() if total else "")

    def _members(self, id_: str, tick: Tick) -> Iterator[Member]:
        """The files of a snapshot; restic checks the sum of each piece it reads."""
        with self._tar(id_, tick) as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it keeps all it saw
                if info.isdir():
                    continue
                if not info.isreg():
                    raise Corrupt(f"{info.name!r} is no file.")
                name = checked_part(info.name.removeprefix("./").lstrip("/"))
                extents = [(0, info.size)] if info.size else []
                yield Member(name, info.size, extents, tar.fileobj)

    @contextmanager
    def _tar(self, id_: str, tick: Tick | None = None) -> Iterator[tarfile.TarFile]:
        """A snapshot as it is read; not whole unless restic ends well."""
        self.config.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        errors = self.config.scratch / f"restic-{os.getpid()}.err"
        with (
            errors.open("w+b") as said,
            Program(
                [self._program, "dump", "--no-lock", id_, "/"],
                self._env,
                self.check,
                output=subprocess.PIPE,
                errors=said,
                orphaned=ORPHANED,
            ) as running,
        ):
            errors.unlink()
            pipe = _Pipe(running, tick)

            def expect_end() -> None:
                while pipe.read(CHUNK):
                    pass
                if code := running.wait():
                    said.seek(0)
                    lines = said.read().decode("utf-8", "replace").splitlines()
                    problem = self._problem("dump", code, lines)
                    if type(problem) is Problem:
                        raise Corrupt(problem.sentence)
                    raise problem

            try:
                with tarfile.open(fileobj=pipe, mode="r|", bufsize=CHUNK) as tar:
                    yield tar
            except (tarfile.TarError, EOFError) as error:
                expect_end()
                raise Corrupt(f"The snapshot cannot be unpacked: {error}") from None
            except Corrupt:
                expect_end()  # restic's own word on it says more
                raise
            expect_end()

    def remove(self, name: str) -> None:
        self.erase(name)

    def erase(self, name: str) -> None:
        """Forget what there is of a backup, the sign of its wholeness first."""
        self._listed = None
        there = [s for s in self._snapshots() if s["name"] == name]
        if there:
            self._unlock()
        last = [s["id"] for s in there if s["part"] == MANIFEST]
        rest = [s["id"] for s in there if s["part"] != MANIFEST]
        for ids in (last, rest):
            if ids:
                self._run("forget", LOCKED, *ids)
        self._listed = None

    def compact(self, tick: Tick) -> None:
        if self._there:
            self._run("prune", LOCKED, told=lambda _message: tick(0))


class _NoRepository(Problem):
    """There is none yet."""


class _Locked(Problem):
    """Somebody else works with it."""


class _Writer(Writer):
    """Gathers a dump and finds the files where they are held; then calls restic."""

    def __init__(self, engine: Restic, name: str, folder: Path, tick: Tick) -> None:
        self._engine, self._name, self._folder = engine, name, folder
        self._tick = tick
        self._files: Path | None = None
        self._known: Marks | None = None
        self._marks = Marks()

    def dumped(self, path: Path) -> None:
        path.rename(self._folder / DUMP / path.name)

    def add(self, name: str, path: Path, also: Callable[[bytes], object]) -> bool:
        self._files = Path(str(path)[: -len(name) - 1])
        if self._known is None:
            self._known = self._engine.known(self._name)
        status = path.stat()
        self._marks.add(name, status.st_size, status.st_mtime_ns)
        if self._known.has(name, status.st_size, status.st_mtime_ns):
            return False  # restic will not read it either
        with open_regular(path) as file:
            while data := file.read(CHUNK):
                also(data)
                self._tick(len(data))
        return True

    def close(self) -> Written:
        dump = self._folder / DUMP
        folders = {DUMP: dump if any(dump.iterdir()) else None, FILES: self._files}
        there = {part: folder for part, folder in folders.items() if folder}
        saved = self._engine._save_all(self._name, there, self._tick)
        written = Written()
        for part, told in saved.items():
            snapshot = self._engine.snapshot(self._name, part)
            size = int(told.get("total_bytes_processed", 0))
            row = {"path": f"{part}/{snapshot['id']}", "bytes": size}
            written.parts.append(row | {"sha256": snapshot["tree"]})
            written.bytes += size
            written.added += _added(told)
        return written

    def seal(self, manifest: bytes, signature: str) -> None:
        folder = self._folder / MANIFEST
        folder.mkdir(mode=0o700)
        (folder / manifests.MANIFEST).write_bytes(manifest)
        (folder / manifests.SIGNATURE).write_text(signature + "\n")
        saved = self._engine._save(self._name, MANIFEST, folder)
        self._engine.sealed(self._name, str(saved["snapshot_id"]), manifest)
        if told := json.loads(manifest)["filestore"]:
            self._engine.note(self._name, self._marks, told)


class _Pipe(io.RawIOBase):
    """What a program writes, read so that the work can be told to stop meanwhile."""

    def __init__(self, running: Program, tick: Tick | None) -> None:
        self._running, self._tick = running, tick
        self._file = cast(IO[bytes], running.process.stdout).fileno()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with selectors.DefaultSelector() as selector:
            selector.register(self._file, selectors.EVENT_READ)
            while not selector.select(LOOK):
                self._running.check()
        data = os.read(self._file, len(buffer))
        buffer[: len(data)] = data
        if self._tick:
            self._tick(len(data))
        return len(data)


class Marks:
    """Files as they are, in eight bytes each: there may be a million.

    :param changed: names of which nothing is known: their sums were wrong

    >>> marks = Marks(["ab/bad"])
    >>> marks.add("ab/abc", 5, 1)
    >>> marks.add("ab/bad", 5, 1)
    >>> marks.has("ab/abc", 5, 1), marks.has("ab/abc", 5, 2), marks.has("x", 5, 1)
    (True, False, False)
    >>> marks.has("ab/bad", 5, 1)
    False
    >>> Marks.of(marks.as_json()).has("ab/abc", 5, 1)
    True
    """

    def __init__(self, changed: Iterable[str] = ()) -> None:
        self._changed = frozenset(changed)
        self._folders: dict[str, array[int]] = {}
        self._folder: str | None = None
        self._there: set[int] = set()

    @classmethod
    def of(cls, told: dict[str, str], changed: Iterable[str] = ()) -> Marks:
        """From what `as_json` told."""
        marks = cls(changed)
        for folder, text in told.items():
            marks._folders[folder] = array("Q", bytes.fromhex(text))
        return marks

    def as_json(self) -> dict[str, str]:
        """As it can be written down."""
        return {name: marks.tobytes().hex() for name, marks in self._folders.items()}

    def add(self, name: str, size: int, moment: int) -> None:
        """Know a file."""
        folder = self._folders.setdefault(_folder(name), array("Q"))
        folder.append(_mark(name, size, moment))

    def has(self, name: str, size: int, moment: int) -> bool:
        """Is it known like this? Asked for a folder's files one after the other."""
        folder = _folder(name)
        if folder != self._folder:
            self._folder, self._there = folder, set(self._folders.get(folder, ()))
        return name not in self._changed and _mark(name, size, moment) in self._there


def _mark(name: str, size: int, moment: int) -> int:
    text = f"{name}\0{size}\0{moment}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _moment(text: str) -> int:
    """Nanoseconds since 1970.

    >>> _moment("1970-01-01T01:00:01.5+01:00"), _moment("1970-01-01T00:00:02Z")
    (1500000000, 2000000000)
    """
    match = re.fullmatch(r"([^.Z+]+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return -1
    seconds = int(datetime.fromisoformat(match[1] + match[3]).timestamp())
    return seconds * 10**9 + int((match[2] or "0").ljust(9, "0")[:9])


def _added(summary: dict[str, Any]) -> int:
    return int(summary.get("data_added_packed") or summary.get("data_added", 0))


def _is_older(ours: str) -> bool:
    """Is it a version of which we know too little?

    >>> [_is_older(ours) for ours in ("0.16.4", "0.17.0", "0.18.1-dev", "?")]
    [True, False, False, False]
    """
    numbers = re.findall(r"\d+", ours)[:2]
    oldest = [int(number) for number in OLDEST.split(".")]
    return bool(numbers) and [int(number) for number in numbers] < oldest


def _on() -> None:
    """Nothing stops it."""


def _words(said: list[str]) -> str:
    """What restic says went wrong; it says other things as well.

    >>> _words(['{"message_type":"error","error":{"message":"lost"}}', "Fatal: no"])
    'lost no'
    """
    found = []
    for line in said:
        if line.startswith("{"):
            with suppress(ValueError):
                message = json.loads(line)
                error = message.get("error")
                if isinstance(error, dict):
                    error = error.get("message")
                if text := error or (
                    message.get("message")
                    if message.get("message_type") == "exit_error"
                    else None
                ):
                    found.append(str(text))
        elif line.strip():
            found.append(line.strip().removeprefix("Fatal: "))
    return " ".join(found[-4:])[:600]
