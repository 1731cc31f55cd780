"""Encryption of parts, before they leave the machine: AES-256-GCM in chunks.

A part begins with `MAGIC` and a salt, from which its own key is derived. Each chunk is
authenticated with the backup's name, the part's, its number, and whether it is the
last: what was cut, moved or exchanged does not open.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import IO, Any

from ..runner.problems import Corrupt, KeyMissing, Refused

CIPHER = "AES-256-GCM"
MAGIC = b"STEWARD1"
SALT = 32  # bytes
CHUNK = 1024 * 1024  # bytes of content that are encrypted at a time
TAG = 16  # bytes by which a chunk grows
_HEX = re.compile(r"[0-9a-fA-F]{64}")


class Key:
    """One key; it is known by its fingerprint and never shown.

    >>> Key(b"0" * 32).id
    'c818cd179395a685'
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = hashlib.sha256(b"steward encryption key" + secret).hexdigest()[:16]

    @classmethod
    def parse(cls, text: str, name: str) -> Key:
        """Read 64 hexadecimal digits.

        >>> Key.parse("open sesame", "env:KEY")
        Traceback (most recent call last):
        ...
        steward_client.runner.problems.KeyMissing: env:KEY holds no key, which is 64 \
hexadecimal digits: make one with 'openssl rand -hex 32'.
        """
        if not _HEX.fullmatch(text.strip()):
            raise KeyMissing(
                f"{name} holds no key, which is 64 hexadecimal digits: make one with"
                " 'openssl rand -hex 32'."
            )
        return cls(bytes.fromhex(text.strip()))

    def cipher(self, salt: bytes) -> Any:
        """The cipher of one part: no two parts share a key, so none shares a nonce."""
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ImportError:
            raise Refused(
                "Encryption needs more: pip install 'steward-client[runner]'."
            ) from None
        derived = HKDF(SHA256(), 32, salt, b"steward part").derive(self._secret)
        return AESGCM(derived)


class Keys:
    """The key for what is written, and all those for what is read.

    :param told: ``{"key": reference, "keys": [references of earlier ones]}``
    :param read: the value that a reference leads to
    """

    def __init__(self, told: dict[str, Any] | None, read: Callable[[str], str]) -> None:
        self._told, self._read = told or {}, read

    @cached_property
    def current(self) -> Key | None:
        """The key to write with; None: nothing is encrypted."""
        reference = self._told.get("key")
        return Key.parse(self._read(reference), reference) if reference else None

    def find(self, key_id: str, name: str) -> Key:
        """The key with a fingerprint."""
        problems = []
        for reference in self._references():
            try:
                key = Key.parse(self._read(reference), reference)
            except KeyMissing as problem:
                problems.append(problem.sentence)
                continue
            if key.id == key_id:
                return key
        sentence = (
            f"{name} was encrypted with the key {key_id}, which is not among those that"
            " are named: name it as one of the earlier keys."
        )
        raise KeyMissing(" ".join([sentence, *problems]))

    def _references(self) -> Iterable[str]:
        if self._told.get("key"):
            yield self._told["key"]
        yield from self._told.get("keys") or []


def _bound(name: str, part: str, number: int, last: bool) -> tuple[bytes, bytes]:
    """Nonce and associated data of a chunk."""
    nonce = number.to_bytes(11, "big") + bytes([last])
    return nonce, "\0".join((CIPHER, name, part, str(number), str(last))).encode(
        "utf-8", "surrogateescape"
    )


class Encrypting:
    """Encrypts what is written through it; `finish` writes the last chunk."""

    def __init__(self, sink: Any, key: Key, name: str, part: str) -> None:
        salt = os.urandom(SALT)
        self._sink, self._name, self._part = sink, name, part
        self._cipher, self._number, self._buffer = key.cipher(salt), 0, bytearray()
        sink.write(MAGIC + salt)

    def write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) > CHUNK:  # one is kept: it may be the last
            self._chunk(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(data)

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        """Write what is left, as the last chunk."""
        self._chunk(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _chunk(self, data: bytes, *, last: bool) -> None:
        nonce, bound = _bound(self._name, self._part, self._number, last)
        self._sink.write(self._cipher.encrypt(nonce, data, bound))
        self._number += 1


class Decrypting(io.RawIOBase):
    """Reads what `Encrypting` wrote; gives no byte that was not proved."""

    def __init__(self, source: IO[bytes], key: Key, name: str, part: str) -> None:
        self._source, self._name, self._part = source, name, part
        head = self._take(len(MAGIC) + SALT)
        if head[: len(MAGIC)] != MAGIC or len(head) < len(MAGIC) + SALT:
            raise Corrupt(f"{part} is not encrypted as the manifest says.")
        self._cipher, self._number = key.cipher(head[len(MAGIC) :]), 0
        self._plain = b""
        self._next: bytes | None = self._take(CHUNK + TAG)

    def _take(self, size: int) -> bytes:
        pieces = []
        while size:
            data = self._source.read(size)
            if not data:
                break
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def _open(self) -> None:
        from cryptography.exceptions import InvalidTag

        data = self._next or b""
        self._next = self._take(CHUNK + TAG) or None
        nonce, bound = _bound(
            self._name, self._part, self._number, last=self._next is None
        )
        try:
            self._plain = self._cipher.decrypt(nonce, data, bound)
        except (InvalidTag, ValueError):
            raise Corrupt(
                f"{self._part} does not open with its key: it was cut or changed."
            ) from None
        self._number += 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain and self._next is not None:
            self._open()
        data = self._plain[: len(buffer)]
        self._plain = self._plain[len(data) :]
        buffer[: len(data)] = data
        return len(data)
