"""How a consistent set of dump and files becomes a backup, and a set again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEVELS = ("written", "checksummed", "readback")

Tick = Callable[[int], None]  # told of bytes; raises when the work has to stop


@dataclass
class Written:
    """What a writer took."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    added: int = 0  # that the storage did not have yet; 0: as many as were written


class Writer(ABC):
    """A backup being written; gone unless it was sealed."""

    @abstractmethod
    def dumped(self, path: Path) -> None:
        """Take a file of the dump that is finished; it may be removed."""

    @abstractmethod
    def add(self, name: str, path: Path, also: Callable[[bytes], object]) -> bool:
        """Take a file of the filestore; see `packing.Packer.add`."""

    @abstractmethod
    def close(self) -> Written:
        """Bring all that was taken to the storage."""

    @abstractmethod
    def seal(self, manifest: bytes, signature: str) -> None:
        """Write the manifest and show the backup, as a whole."""


class Engine(ABC):
    """One way of keeping backups in a storage."""

    encryption: dict[str, Any] | None = None  # of what is written, for the manifest
    stages = False  # the whole dump lies on the disk before it is taken

    @abstractmethod
    def scratch(self, name: str) -> dict[str, Any] | None:
        """What the journal must know to take an unfinished backup away."""

    @abstractmethod
    def writing(
        self, name: str, arguments: dict[str, Any], tick: Tick
    ) -> AbstractContextManager[Writer]:
        """Begin a backup.

        :param arguments: of the operation: compression, jobs
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Is there a whole backup of this name?"""

    @abstractmethod
    def manifest(self, name: str, *, foreign: bool = False) -> dict[str, Any]:
        """Its manifest, with the signature checked."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """The SHA-256 of its manifest."""

    @abstractmethod
    def estimate(self, database: str) -> int | None:
        """About how many bytes the next backup takes; None if there was none."""

    @abstractmethod
    def space(self) -> tuple[int, int] | None:
        """Free and total bytes of the storage; None where there is no telling."""

    @abstractmethod
    def expect_key(self, manifest: dict[str, Any]) -> None:
        """Refuse a backup that could not be read for want of its key."""

    @abstractmethod
    def sample(self, name: str, manifest: dict[str, Any], tick: Tick) -> str:
        """Look a new backup over where reading all of it back would take too long.

        :return: the level that this proves; empty: it has to be read back
        """

    @abstractmethod
    def checksum(self, name: str, manifest: dict[str, Any], tick: Tick) -> None:
        """Compare every part with its sum; `Corrupt` where one differs."""

    @abstractmethod
    def unpack_dump(
        self, name: str, manifest: dict[str, Any], to: Path, tick: Tick, only: str = ""
    ) -> int:
        """Write the dump's files into a folder; `Corrupt` where one is not whole.

        :param only: how the names end of those to write; the others are only read
        :return: the bytes of all of them
        """

    @abstractmethod
    def unpack_files(
        self,
        name: str,
        manifest: dict[str, Any],
        to: Path | None,
        tick: Tick,
        also: Callable[[str, int, str], None],
    ) -> None:
        """Write the filestore's files into a folder, or only read them.

        :param also: told name, bytes and SHA-1 of each
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a backup."""

    @abstractmethod
    def compact(self, tick: Tick) -> None:
        """Give back the room of what was removed, where that is a step of its own."""
