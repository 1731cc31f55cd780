"""Packing files into parts and back: tar in zstd, streaming, in little memory.

``zstd -d < 0001.tar.zst | tar -x`` unpacks a part without Steward. Holes of sparse
files are not written (GNU tar's sparse format 1.0).
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from ..runner.problems import Corrupt, Problem
from .encryption import Encrypting
from .storage import Draft, checked_part

CHUNK = 1024 * 1024
BLOCK = 512
PART_SIZE = 1024**3  # bytes of content after which the next part begins
LEVEL = 3
JOB = 2 * 1024 * 1024  # bytes that a thread packs at a time: more takes more memory
LARGEST_WINDOW = 128 * 1024 * 1024  # memory that reading a part may take


@dataclass
class Part:
    """One file of a backup."""

    path: str
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        return asdict(self)


class _Hashing:
    """Counts and hashes what is written through it."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink, self.bytes, self.hash = sink, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sink.write(data)
        self.hash.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        pass


class Packer:
    """Writes files into numbered parts of a draft, each whole in itself.

    :param prefix: the folder of the parts
    :param tick: called with the bytes just read; raises when the work has to stop
    :param seal: what encrypts on the way into a part, given its sink and its name
    """

    def __init__(
        self,
        draft: Draft,
        prefix: str,
        tick: Callable[[int], None],
        *,
        level: int = LEVEL,
        threads: int = 1,
        part_size: int = PART_SIZE,
        seal: Callable[[Any, str], Encrypting] | None = None,
    ) -> None:
        self.draft, self.prefix, self.tick = draft, prefix, tick
        self.level, self.threads, self.part_size = level, threads, part_size
        self.parts: list[Part] = []
        self.files = self.bytes = 0
        self._room = 0
        self._out: Any = None
        self._sink: _Hashing | None = None
        self._file: IO[bytes] | None = None
        self._seal, self._sealing = seal, cast(Encrypting | None, None)

    def add(
        self, name: str, path: Path, also: Callable[[bytes], object] | None = None
    ) -> bool:
        """Add a regular file.

        :param also: is given its bytes
        :return: whether it was given all of them; the holes of a file are no bytes
        """
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            size = status.st_size
            if self._out is None or self._room <= 0:
                self._next()
            extents = _extents(file.fileno(), status)
            sizes = sum(length for _start, length in extents)
            info = tarfile.TarInfo(name)
            info.mtime, info.mode = int(status.st_mtime), 0o600
            table = b""
            if sizes < size:
                table = _sparse_table(extents, size)
                info.name = f"GNUSparseFile.0/{name}"
                info.pax_headers = {
                    "GNU.sparse.major": "1",
                    "GNU.sparse.minor": "0",
                    "GNU.sparse.name": name,
                    "GNU.sparse.realsize": str(size),
                }
            info.size = len(table) + sizes
            header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            self._out.write(header + table)
            for start, length in extents:
                self._copy(file, start, length, path, also)
            self._out.write(b"\0" * (-info.size % BLOCK))
            self._room -= info.size
        self.files += 1
        self.bytes += size
        return sizes == size

    def _copy(
        self,
        file: IO[bytes],
        start: int,
        length: int,
        path: Path,
        also: Callable[[bytes], object] | None,
    ) -> None:
        file.seek(start)
        while length:
            data = file.read(min(CHUNK, length))
            if not data:
                raise Problem(f"{path.name} became shorter while it was read.")
            self._out.write(data)
            if also:
                also(data)
            length -= len(data)
            self.tick(len(data))

    def _next(self) -> None:
        self._finish()
        name = f"{self.prefix}/{len(self.parts) + 1:04}.tar.zst"
        self._file = self.draft.open(name)
        self._sink = _Hashing(self._file)
        parameters = zstandard.ZstdCompressionParameters.from_level(
            self.level, threads=self.threads, job_size=JOB, write_checksum=True
        )
        settings = zstandard.ZstdCompressor(compression_params=parameters)
        sink: Any = self._sink
        if self._seal:
            sink = self._sealing = self._seal(sink, name)
        self._out = settings.stream_writer(sink, closefd=False)
        self.parts.append(Part(name, 0, ""))
        self._room = self.part_size

    def _finish(self) -> None:
        if self._out is None or self._sink is None or self._file is None:
            return
        self._out.write(b"\0" * BLOCK * 2)
        self._out.close()
        if self._sealing:
            self._sealing.finish()
        self._file.close()
        self.parts[-1].bytes = self._sink.bytes
        self.parts[-1].sha256 = self._sink.hash.hexdigest()
        self._out = self._sink = self._file = self._sealing = None

    def close(self) -> list[Part]:
        """End the last part; the parts that were written."""
        self._finish()
        return self.parts


def open_regular(path: Path) -> IO[bytes]:
    """A regular file; never a link that leads elsewhere, never a pipe that waits."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Problem(f"{path.name} is no file.")
    return os.fdopen(handle, "rb", buffering=0)


def _extents(handle: int, status: os.stat_result) -> list[tuple[int, int]]:
    """Where a file has data: offset and length."""
    size = status.st_size
    if status.st_blocks * 512 >= size:
        return [(0, size)] if size else []
    found, position = [], 0
    while position < size:
        try:
            start = os.lseek(handle, position, os.SEEK_DATA)
        except OSError:  # nothing but a hole from here on
            break
        position = os.lseek(handle, start, os.SEEK_HOLE)
        found.append((start, position - start))
    return found


def _sparse_table(extents: list[tuple[int, int]], size: int) -> bytes:
    if sum(extents[-1] if extents else (0, 0)) < size:
        extents = [*extents, (size, 0)]  # so that GNU tar makes the hole at the end
    numbers = [len(extents), *(number for extent in extents for number in extent)]
    text = "".join(f"{number}\n" for number in numbers).encode()
    return text + b"\0" * (-len(text) % BLOCK)


class Hashed(io.RawIOBase):
    """Reads a part, and knows at its end whether it is what the manifest says."""

    def __init__(
        self, source: IO[bytes], part: Part, tick: Callable[[int], None]
    ) -> None:
        self.source, self.part, self.tick = source, part, tick
        self._hash, self._bytes = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.source.read(len(buffer))
        buffer[: len(data)] = data
        self._hash.update(data)
        self._bytes += len(data)
        self.tick(len(data))
        return len(data)

    def expect_whole(self) -> None:
        """Read what is left; another size or checksum is a `Corrupt`."""
        buffer = bytearray(CHUNK)
        while self.readinto(buffer):
            pass
        if self._bytes != self.part.bytes:
            raise Corrupt(
                f"{self.part.path} has {self._bytes} bytes instead of"
                f" {self.part.bytes}: it was cut or written over."
            )
        if self._hash.hexdigest() != self.part.sha256:
            raise Corrupt(f"{self.part.path} is not what was written: its sum differs.")

    def close(self) -> None:
        if not self.closed:
            self.source.close()
        super().close()


@dataclass
class Member:
    """A file in a part, to be read before the next one."""

    name: str
    size: int  # with its holes
    extents: list[tuple[int, int]]
    _stream: Any

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Its data, each with its offset."""
        for start, length in self.extents:
            done = 0
            while done < length:
                data = self._stream.read(min(CHUNK, length - done))
                if not data:
                    raise Corrupt(f"{self.name} ends too early.")
                yield start + done, data
                done += len(data)

    def read(self, also: Callable[[bytes], object] | None = None) -> None:
        """Read all of it.

        :param also: is given its bytes, holes as zeros
        """
        position = 0
        for start, data in self.chunks():
            _zeros(also, start - position)
            if also:
                also(data)
            position = start + len(data)
        _zeros(also, self.size - position)

    def write_to(
        self, path: Path, also: Callable[[bytes], object] | None = None
    ) -> None:
        """Write it to a new file, holes as holes.

        :param also: is given its bytes, holes as zeros
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        position = 0
        with os.fdopen(os.open(path, flags, 0o640), "wb", buffering=0) as file:
            for start, data in self.chunks():
                _zeros(also, start - position)
                file.seek(start)
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                if also:
                    also(data)
                position = start + len(data)
            _zeros(also, self.size - position)
            file.truncate(self.size)


def _zeros(also: Callable[[bytes], object] | None, count: int) -> None:
    """Give somebody the bytes of a hole."""
    zeros = bytes(min(CHUNK, count)) if also else b""
    while also and count:
        also(zeros[:count])
        count -= min(len(zeros), count)


def unpack(
    reader: Hashed, opened: Callable[[Hashed], io.RawIOBase] | None = None
) -> Iterator[Member]:
    """The files of a part; when the last one was taken, the part proved whole.

    :param opened: what decrypts it
    """
    settings = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    try:
        source = cast(IO[bytes], opened(reader) if opened else reader)
        stream = settings.stream_reader(source, closefd=False)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it keeps all it saw
                if not info.isreg():
                    raise Corrupt(f"{info.name!r} is no file.")
                name = checked_part(info.name)
                sparse = getattr(info, "sparse", None)
                size = info.size
                extents = [(0, size)] if sparse is None else list(sparse)
                extents = [(start, length) for start, length in extents if length]
                yield Member(name, size, extents, tar.fileobj)
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise Corrupt(f"{reader.part.path} cannot be unpacked: {error}") from None
    reader.expect_whole()
