"""The manifest: what a backup holds, signed with a key that is kept elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import IO, Any, Protocol

from ..runner.problems import Corrupt, Foreign, Refused, TooNew
from .packing import Part
from .storage import checked_part

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CIPHERS = ("AES-256-GCM", "restic")
LIMIT = 64 * 1024 * 1024  # bytes of a manifest
_NEEDED = {"format", "uuid", "kind", "database", "parts", "key_id", "filestore"}


class Holder(Protocol):
    """What manifests are read from."""

    def open(self, name: str, part: str) -> IO[bytes]:
        """Read a part of a backup."""


class SigningKey:
    """The key with which this runner signs; it never leaves its file.

    >>> key = SigningKey(b"0" * 32)
    >>> key.id
    '57eddd8ddbbb31ef'
    >>> key.signs(b"text", key.sign(b"text")), key.signs(b"texd", key.sign(b"text"))
    (True, False)
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = hashlib.sha256(b"steward signing key" + secret).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read it from its file."""
        try:
            secret = bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError) as error:
            raise Refused(f"The signing key {path} cannot be read: {error}") from None
        if len(secret) < 32:
            raise Refused(f"The signing key {path} is too short.")
        return cls(secret)

    def sign(self, data: bytes) -> str:
        """The signature of a text."""
        return hmac.new(self._secret, data, hashlib.sha256).hexdigest()

    def signs(self, data: bytes, signature: str) -> bool:
        """Is it ours?"""
        return hmac.compare_digest(self.sign(data).encode(), signature.encode())


def new_key() -> str:
    """What the file of a new key holds."""
    return secrets.token_hex(32) + "\n"


def encode(manifest: dict[str, Any]) -> bytes:
    """The bytes that are signed."""
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
    return text.encode("utf-8", "surrogateescape") + b"\n"


def read(
    storage: Holder, name: str, key: SigningKey, *, foreign: bool = False
) -> dict[str, Any]:
    """The manifest of a backup, if it is what this runner signed.

    :param foreign: take also one that another runner signed, or nobody
    """
    data = _contents(storage, name, MANIFEST)
    try:
        manifest = json.loads(data)
    except ValueError:
        raise Corrupt(f"The manifest of {name} is no JSON.") from None
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise Corrupt(f"The manifest of {name} lacks its format.")
    if manifest["format"] != FORMAT:
        raise TooNew(
            f"{name} has format {manifest['format']}, this runner knows {FORMAT}:"
            " update the runner."
        )
    if missing := _NEEDED - set(manifest):
        raise Corrupt(f"The manifest of {name} lacks {', '.join(sorted(missing))}.")
    if manifest["key_id"] != key.id:
        if not foreign:
            raise Foreign(
                f"{name} was signed with another key ({manifest['key_id']}, ours is"
                f" {key.id}): what it holds cannot be trusted unless you say so."
            )
    else:
        signature = _contents(storage, name, SIGNATURE).decode("ascii", "replace")
        if not key.signs(data, signature.strip()):
            raise Corrupt(
                f"The manifest of {name} was changed: its signature is wrong."
            )
    encryption = manifest["encryption"]
    if encryption is not None and encryption.get("cipher") not in CIPHERS:
        raise TooNew(
            f"{name} is encrypted in a way that this runner does not know: update it."
        )
    return manifest


def _contents(storage: Holder, name: str, part: str) -> bytes:
    with storage.open(name, part) as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise Corrupt(f"{part} of {name} is too large.")
    return data


def digest(storage: Holder, name: str) -> str:
    """The sum by which Odoo knows the manifest."""
    return hashlib.sha256(_contents(storage, name, MANIFEST)).hexdigest()


def parts(manifest: dict[str, Any], prefix: str = "") -> list[Part]:
    """The parts of a backup, or those of one kind."""
    found = [Part(**part) for part in manifest["parts"]]
    return [p for p in found if checked_part(p.path).startswith(prefix)]
