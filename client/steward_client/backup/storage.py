"""Where backups are kept: an adapter, and the folder as the simplest of them.

A storage holds backups by name, ``<database>/<stamp>-<short>``; each has parts, files
with a relative name. A backup is there as a whole or not at all.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

from ..runner.job import remove
from ..runner.journal import sync_folder
from ..runner.problems import Corrupt, Problem, Refused, Unreachable

PART = ".part"  # a backup that is being written, or that nobody finished
PROBE = ".probe"  # as if of a database: what is written to try a storage out
NAME = re.compile(r"[^/\0]{1,200}/\d{8}-\d{6}-[0-9a-f]{8}")


def backup_name(database: str, stamp: str, short: str) -> str:
    """The name of a backup.

    >>> backup_name("müller & co", "20260304-020000", "0a1b2c3d")
    'müller & co/20260304-020000-0a1b2c3d'
    >>> backup_name("../etc", "20260304-020000", "0a1b2c3d")
    '..%2Fetc/20260304-020000-0a1b2c3d'
    """
    safe = database.replace("%", "%25").replace("/", "%2F")
    if safe in ("", ".", ".."):
        safe = quote(safe).replace(".", "%2E")
    return f"{safe}/{stamp}-{short}"


def checked_name(name: str) -> str:
    """The name itself, if it is one.

    >>> checked_name("production/../../etc/20260304-020000-0a1b2c3d")
    Traceback (most recent call last):
    ...
    steward_client.runner.problems.Refused: production/../../etc/20260304-020000-\
0a1b2c3d is no name of a backup.
    """
    if not NAME.fullmatch(name) or name.split("/")[0] in (".", ".."):
        raise Refused(f"{name} is no name of a backup.")
    return name


def checked_part(name: str) -> str:
    """The relative name of a part, if it stays below its backup.

    >>> checked_part("dump/../../x")
    Traceback (most recent call last):
    ...
    steward_client.runner.problems.Corrupt: 'dump/../../x' is no name of a part.
    """
    pieces = name.split("/")
    if any(p in ("", ".", "..") for p in pieces) or "\0" in name or "\\" in name:
        raise Corrupt(f"{name!r} is no name of a part.")
    return name


def space_of(folder: Path) -> tuple[int, int]:
    """Free and total bytes where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.free, usage.total


class Echoing(Protocol):
    """What gives back what it is given."""

    def echo(self, name: str, data: bytes) -> bytes:
        """See `Storage.echo`."""


def expect_echo(place: Echoing, name: str) -> None:
    """Have a place keep something small for a moment."""
    data = secrets.token_bytes(64)
    if place.echo(name, data) != data:
        raise Problem("The storage does not give back what it was given.")


class Draft(ABC):
    """A backup being written."""

    @abstractmethod
    def open(self, part: str) -> IO[bytes]:
        """A new part; it is durable when it is closed."""

    @abstractmethod
    def commit(self) -> None:
        """Show the backup as a whole; nothing is added afterwards."""

    @abstractmethod
    def discard(self) -> None:
        """Take away what was written; nothing may be left."""


class Storage(ABC):
    """A place for backups."""

    @abstractmethod
    def draft(self, name: str) -> Draft:
        """Begin a backup; refused if there is one of this name."""

    @abstractmethod
    def scratch(self, name: str) -> dict[str, Any]:
        """What the journal must know to take a draft away: see `job.CLEANERS`."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Is there a whole backup of this name?"""

    @abstractmethod
    def names(self) -> Iterator[str]:
        """The whole backups."""

    @abstractmethod
    def open(self, name: str, part: str) -> IO[bytes]:
        """Read a part."""

    @abstractmethod
    def size(self, name: str, part: str) -> int:
        """The bytes of a part, -1 if it is not there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a backup, the sign of its wholeness first."""

    @abstractmethod
    def space(self) -> tuple[int, int] | None:
        """Free and total bytes; None where there is no telling."""

    @abstractmethod
    def used(self) -> int:
        """The bytes of all that is kept there."""

    def remark(self) -> str:
        """What a person should know of it, though it works."""
        return ""

    def try_out(self) -> str:
        """How it is, for who looks before it is needed; a `Problem` if it is not."""
        name = backup_name(PROBE, "20000101-000000", secrets.token_hex(4))
        expect_echo(self, name)
        return self.remark() or "something small was written, read back and removed"

    def echo(self, name: str, data: bytes) -> bytes:
        """Write something small, read it back, remove it."""
        with drafting(self, name) as draft:
            with draft.open("probe") as file:
                file.write(data)
            draft.commit()
        try:
            with self.open(name, "probe") as file:
                return file.read()
        finally:
            self.remove(name)


class _Durable:
    """A file that is on the disk when it is closed, whatever the cache thinks."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._path = path

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view):
            written += self._file.write(view[written:]) or 0
        return written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if not self._file.closed:
            try:
                os.fsync(self._file.fileno())
            finally:
                self._file.close()

    def __enter__(self) -> _Durable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _FolderDraft(Draft):
    def __init__(self, path: Path, target: Path) -> None:
        self.path, self.target = path, target
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(mode=0o700)

    def open(self, part: str) -> IO[bytes]:
        path = self.path / checked_part(part)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        return _Durable(path)  # type: ignore[return-value]  # all that writers use

    def commit(self) -> None:
        for folder in (*(p for p in self.path.rglob("*") if p.is_dir()), self.path):
            sync_folder(folder)
        self.path.rename(self.target)
        sync_folder(self.target.parent)
        sync_folder(self.target.parent.parent)

    def discard(self) -> None:
        remove(self.path)


class Folder(Storage):
    """A folder below one of the roots that the runner's settings allow."""

    def __init__(self, path: str, roots: Iterable[Path]) -> None:
        roots = [Path(os.path.realpath(root)) for root in roots]
        wanted = Path(path) if path else roots[0]
        real = Path(os.path.realpath(wanted if path else roots[0]))
        if not wanted.is_absolute() or ".." in wanted.parts:
            raise Refused(f"The storage {path!r} must be an absolute path.")
        if not any(real.is_relative_to(root) for root in roots):
            allowed = ", ".join(map(str, roots))
            raise Refused(
                f"The storage {path} is in no folder that the runner may write to"
                f" ({allowed}); see 'storages' in its settings."
            )
        self.root = real

    def _path(self, name: str) -> Path:
        path = self.root / checked_name(name)
        if Path(os.path.realpath(path.parent)) != path.parent or path.is_symlink():
            raise Refused(f"{name} leads out of the storage.")
        return path

    def draft(self, name: str) -> Draft:
        path = self._path(name)
        if path.exists():
            raise Refused(f"There is a backup {name} already.")
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _FolderDraft(path.with_name(path.name + PART), path)
        except OSError as error:
            raise Problem(f"Nothing can be written to the storage: {error}") from None

    def scratch(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        return {"kind": "folder", "path": str(path.with_name(path.name + PART))}

    def has(self, name: str) -> bool:
        return self._path(name).is_dir()

    def names(self) -> Iterator[str]:
        for path in sorted(self.root.glob("*/*")):
            name = f"{path.parent.name}/{path.name}"
            if NAME.fullmatch(name) and path.is_dir() and not path.is_symlink():
                yield name

    def open(self, name: str, part: str) -> IO[bytes]:
        path = self._path(name) / checked_part(part)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            return os.fdopen(handle, "rb")
        except OSError as error:
            raise Corrupt(f"{part} of {name} cannot be read: {error}") from None

    def size(self, name: str, part: str) -> int:
        path = self._path(name) / checked_part(part)
        return path.lstat().st_size if path.is_file() else -1

    def remove(self, name: str) -> None:
        path = self._path(name)
        if not path.is_dir():
            return
        doomed = path.with_name(path.name + PART)
        remove(doomed)
        path.rename(doomed)  # from now on it is none of the whole ones
        sync_folder(path.parent)
        remove(doomed)

    def space(self) -> tuple[int, int] | None:
        return space_of(self.root)

    def used(self) -> int:
        return sum(
            path.lstat().st_size
            for name in self.names()
            for path in (self.root / name).rglob("*")
            if path.is_file()
        )


@contextmanager
def drafting(storage: Storage, name: str) -> Iterator[Draft]:
    """A draft that is discarded unless it was committed."""
    draft = storage.draft(name)
    try:
        yield draft
    except BaseException:
        with suppress(Unreachable):  # the journal knows of it: it is tried again
            draft.discard()
        raise
