"""Files that survive an interruption: locked, hashed, moved into place when whole."""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from house.console import Problem, say


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold an exclusive lock; the kernel frees it when this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("wait", f"another call is busy with {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def quietly_locked(path: Path) -> Iterator[None]:
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def built(target: Path) -> Iterator[Path]:
    """Build a folder beside its place and move it there only when it is whole."""
    for left in target.parent.glob(f".{target.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)  # an earlier call was interrupted
    fresh = target.parent / f".{target.name}.new-{uuid.uuid4().hex[:8]}"
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(parts: Iterable[str | bytes]) -> str:
    """A short key of several parts, each told from its neighbour."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def require_space(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Problem(
            f"{folder} has {free >> 20} MB free, the set-up needs {needed >> 20} MB",
            "free some space, or set STEWARD_DATA to a folder on a larger disk",
        )
