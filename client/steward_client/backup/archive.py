"""The engine ``archive``: parts of tar and zstd, and a manifest beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from ..runner.problems import Corrupt, Problem, Refused
from . import manifest as manifests
from .encryption import CHUNK, CIPHER, Decrypting, Encrypting, Keys
from .engine import Engine, Tick, Writer, Written
from .filestore import expected_sum, sha1
from .packing import LEVEL, Hashed, Packer, Part, unpack
from .storage import Draft, Storage, backup_name, drafting

DUMP, FILES = "dump", "filestore"


class _Writer(Writer):
    def __init__(self, draft: Draft, tick: Tick, **settings: Any) -> None:
        self.draft = draft
        self._parts: list[Part] = []
        self._packer: Packer | None = None
        self._settings = settings
        self._tick = tick

    def dumped(self, path: Path) -> None:
        self._packing(DUMP).add(path.name, path)
        path.unlink()  # the scratch folder never holds the whole dump

    def add(self, name: str, path: Path, also: Callable[[bytes], object]) -> bool:
        return self._packing(FILES).add(name, path, also)

    def _packing(self, prefix: str) -> Packer:
        """The packer of one kind; two at a time would take twice the memory."""
        if self._packer is None or self._packer.prefix != prefix:
            self._end()
            self._packer = Packer(self.draft, prefix, self._tick, **self._settings)
        return self._packer

    def _end(self) -> None:
        if self._packer:
            self._parts += self._packer.close()
        self._packer = None

    def close(self) -> Written:
        self._end()
        parts = self._parts
        return Written([p.as_json() for p in parts], sum(p.bytes for p in parts))

    def seal(self, manifest: bytes, signature: str) -> None:
        for name, data in (
            (manifests.SIGNATURE, signature.encode() + b"\n"),
            (manifests.MANIFEST, manifest),
        ):
            with self.draft.open(name) as file:
                file.write(data)
        self.draft.commit()


class Archive(Engine):
    """Backups as files that need nothing but tar and zstd to be read."""

    def __init__(
        self, storage: Storage, key: manifests.SigningKey, keys: Keys | None = None
    ) -> None:
        self.storage, self.key = storage, key
        self.keys = keys or Keys(None, str)

    @property
    def encryption(self) -> dict[str, Any] | None:  # type: ignore[override]
        """The fingerprint of the key, never the key."""
        key = self.keys.current
        if key is None:
            return None
        return {"cipher": CIPHER, "chunk": CHUNK, "key_id": key.id}

    def scratch(self, name: str) -> dict[str, Any] | None:
        return self.storage.scratch(name)

    @contextmanager
    def writing(
        self, name: str, arguments: dict[str, Any], tick: Tick
    ) -> Iterator[Writer]:
        told = arguments.get("compression")
        level = told if isinstance(told, int) else LEVEL
        threads = int(arguments.get("jobs") or 1)
        key, seal = self.keys.current, None
        if key:
            seal = lambda sink, part: Encrypting(sink, key, name, part)  # noqa: E731
        with drafting(self.storage, name) as draft:
            yield _Writer(draft, tick, level=level, threads=threads, seal=seal)

    def has(self, name: str) -> bool:
        return self.storage.has(name)

    def manifest(self, name: str, *, foreign: bool = False) -> dict[str, Any]:
        if not self.storage.has(name):
            raise Problem(f"There is no backup {name} in the storage.")
        return manifests.read(self.storage, name, self.key, foreign=foreign)

    def digest(self, name: str) -> str:
        return manifests.digest(self.storage, name)

    def estimate(self, database: str) -> int | None:
        folder = backup_name(database, "", "").split("/")[0]
        names = [n for n in self.storage.names() if n.split("/")[0] == folder]
        for name in sorted(names, reverse=True)[:1]:
            with suppress(Corrupt, Refused):
                return int(manifests.read(self.storage, name, self.key)["bytes"])
        return None

    def space(self) -> tuple[int, int] | None:
        return self.storage.space()

    def expect_key(self, manifest: dict[str, Any]) -> None:
        self._opener(manifest, "")

    def _opener(
        self, manifest: dict[str, Any], part: str
    ) -> Callable[[Hashed], Decrypting] | None:
        """What decrypts a part; None: it is not encrypted."""
        encryption, name = manifest["encryption"], manifest["name"]
        if encryption is None:
            return None
        key = self.keys.find(encryption["key_id"], name)
        return lambda reader: Decrypting(cast(IO[bytes], reader), key, name, part)

    def checksum(self, name: str, manifest: dict[str, Any], tick: Tick) -> None:
        for part in manifests.parts(manifest):
            with Hashed(self.storage.open(name, part.path), part, tick) as reader:
                reader.expect_whole()

    def unpack_dump(
        self, name: str, manifest: dict[str, Any], to: Path, tick: Tick, only: str = ""
    ) -> int:
        total = 0
        for part in manifests.parts(manifest, DUMP + "/"):
            with Hashed(self.storage.open(name, part.path), part, tick) as reader:
                for member in unpack(reader, self._opener(manifest, part.path)):
                    total += member.size
                    if member.name.endswith(only):
                        member.write_to(to / member.name)
                    else:
                        for _chunk in member.chunks():
                            pass
        return total

    def unpack_files(
        self,
        name: str,
        manifest: dict[str, Any],
        to: Path | None,
        tick: Tick,
        also: Callable[[str, int, str], None],
    ) -> None:
        for part in manifests.parts(manifest, FILES + "/"):
            with Hashed(self.storage.open(name, part.path), part, tick) as reader:
                for member in unpack(reader, self._opener(manifest, part.path)):
                    # a file that is not named after its contents has no sum to meet
                    total = sha1() if expected_sum(member.name) else None
                    if to:
                        member.write_to(
                            to / member.name, total.update if total else None
                        )
                    else:
                        member.read(total.update if total else None)
                    also(member.name, member.size, total.hexdigest() if total else "")

    def sample(self, name: str, manifest: dict[str, Any], tick: Tick) -> str:  # noqa: ARG002
        return ""

    def remove(self, name: str) -> None:
        self.storage.remove(name)

    def compact(self, tick: Tick) -> None:
        pass
