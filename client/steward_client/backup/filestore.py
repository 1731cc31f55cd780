"""The files of a database: held still while they are read, and checked by their names.

Odoo names a file after the SHA-1 of its contents and never changes it, so links hold a
filestore still in no time. What may happen meanwhile is that files appear, or that the
daily clean-up takes some away.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..runner.problems import Refused

_FICLONE = 0x40049409
_SHA1 = re.compile(r"[0-9a-f]{2}/([0-9a-f]{40})")
STORED = "SELECT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL"


def files(root: Path) -> Iterator[str]:
    """The relative names of the files below a folder, in a lasting order."""
    pending = [""]
    while pending:
        folder = pending.pop()
        names, folders = [], []
        with suppress(FileNotFoundError), os.scandir(root / folder) as entries:
            for entry in entries:
                name = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name + "/")
                elif entry.is_file(follow_symlinks=False):
                    names.append(name)
        yield from sorted(names)
        pending += sorted(folders, reverse=True)


def database_folder(root: Path, database: str) -> Path:
    """The folder of a database's files."""
    if database in ("", ".", "..") or "/" in database or "\0" in database:
        raise Refused(f"{database!r} is no name of a database with files.")
    return root / database


class Snapshot:
    """A picture of a filestore, beside it."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target
        self._way: Callable[[Path, Path], None] = os.link

    def take(self, tick: Callable[[], None]) -> None:
        """Hold every file that is there now."""
        self.target.mkdir(parents=True, mode=0o700)
        for name in files(self.source):
            tick()
            self.hold(name)

    def hold(self, name: str) -> bool:
        """Hold one file; False if there is none any more."""
        target = self.target / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._way(self.source / name, target)
        except FileNotFoundError:
            return False
        except FileExistsError:
            pass
        except OSError as error:
            if self._way is not os.link or error.errno not in (
                *(errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK),
                *(errno.ENOTSUP, errno.ENOSYS),
            ):
                raise
            self._way = copy  # another file system, or files that are not ours
            return self.hold(name)
        return True

    def has(self, name: str) -> bool:
        """Is a file held?"""
        return (self.target / name).is_file()


def copy(source: Path, target: Path) -> None:
    """Copy a file; where the file system can, without copying its contents."""
    with source.open("rb") as read, target.open("xb") as written:
        try:
            fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())
        except OSError:
            shutil.copyfileobj(read, written, 1024 * 1024)


def expected_sum(name: str) -> str | None:
    """The SHA-1 that a file of this name must have; None: it is not named after it.

    >>> expected_sum("checklist/4f/x") is None
    True
    """
    match = _SHA1.fullmatch(name)
    return match[1] if match else None


def sha1() -> hashlib._Hash:
    """As Odoo uses it: to name, not to protect."""
    return hashlib.sha1(usedforsecurity=False)


def drop_cache(handle: int) -> None:
    """Let the kernel forget what was read once."""
    with suppress(OSError, AttributeError):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
