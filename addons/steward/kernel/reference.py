"""References to secrets: where a value is kept, never the value.

    >>> parse("env:OPENAI_API_KEY")
    Reference(scheme='env', target='OPENAI_API_KEY', key='')
    >>> print(parse("vault:secret/steward/openai#api_key"))
    vault:secret/steward/openai#api_key

People paste the key itself into the field for its reference. That is refused with a
hint, and no error repeats what was typed where it could be a secret.

    >>> parse("sk-" + "4f" * 20)
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.reference.Invalid: This looks like the secret itself. \
Keep it where it is and enter its reference: env:NAME, file:name or vault:path#key.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from .redactor import redact

FILE_LIMIT = 64 * 1024  # bytes
VAULT_LIMIT = 1024 * 1024  # bytes of an answer
REFERENCE_LIMIT = 1024  # characters


class ReferenceProblem(Exception):
    """A reference that does not lead to a secret; `code` says why.

    >>> NotFound("The variable API_KEY is not set.").code
    'not_found'
    """

    code = "unavailable"


class NotFound(ReferenceProblem):
    """There is nothing at that place.

    >>> issubclass(NotFound, ReferenceProblem)
    True
    """

    code = "not_found"


class Refused(ReferenceProblem):
    """The place exists, but must not or may not be read.

    >>> Refused.code
    'refused'
    """

    code = "refused"


class Sealed(ReferenceProblem):
    """The vault is there and locked: someone has to unseal it.

    >>> Sealed.code
    'sealed'
    """

    code = "sealed"


class Unavailable(ReferenceProblem):
    """No answer that tells anything: worth trying again later.

    >>> Unavailable.code
    'unavailable'
    """

    code = "unavailable"


class Invalid(ReferenceProblem):
    """The reference or the secret that it leads to has a wrong form.

    >>> Invalid.code
    'invalid'
    """

    code = "invalid"


@dataclass(frozen=True)
class Reference:
    """Where a secret is kept.

    >>> str(Reference("file", "/run/secrets/openai"))
    'file:/run/secrets/openai'
    """

    scheme: str
    target: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}:{self.target}{'#' if self.key else ''}{self.key}"


@dataclass(frozen=True)
class FileSecret:
    """What was read from a file; its ``repr`` does not show the value.

    >>> FileSecret("hunter2", "Other users may read it.")
    FileSecret(warning='Other users may read it.')
    """

    value: str = field(repr=False)
    warning: str = ""


_HOW = "env:NAME, file:name or vault:path#key"
_RAW = (
    "This looks like the secret itself. Keep it where it is and enter its "
    f"reference: {_HOW}."
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_VAULT_KEY = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_HEX = re.compile(r"[0-9a-fA-F]{24,}")
_MIXED = re.compile(
    r"(?=.{0,200}?[0-9])(?=.{0,200}?[a-z])(?=.{0,200}?[A-Z])[A-Za-z0-9+=]{20,}"
)


def _looks_raw(text: str) -> bool:
    """Whether a text reads like a key: to a scanner, or to a person."""
    return any(
        redact(part) != part or _HEX.fullmatch(part) or _MIXED.fullmatch(part)
        for part in (text, *re.split(r"[/#]", text))
    )


def parse(text: str) -> Reference:
    """Read a reference; raise `Invalid` with a sentence that shows no secret.

    >>> parse(" file:/run/secrets/openai ").target
    '/run/secrets/openai'
    >>> parse("file:../etc/shadow")
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.reference.Invalid: A file reference must not \
contain "..".
    """
    text = text.strip()
    if not text:
        raise Invalid(f"Enter a reference: {_HOW}.")
    if len(text) > REFERENCE_LIMIT or not text.isprintable():
        # a private key or a certificate, most likely
        raise Invalid(_RAW)
    scheme, colon, rest = text.partition(":")
    reader = _READERS.get(scheme.lower())
    if _looks_raw(rest if reader else text):
        raise Invalid(_RAW)
    if not colon or not reader:
        raise Invalid(f"This is no reference. Enter {_HOW}; never the secret itself.")
    return reader(rest)


def _parse_env(rest: str) -> Reference:
    if not _ENV_NAME.fullmatch(rest):
        raise Invalid(
            "The name of an environment variable has letters, digits and "
            "underscores, and does not start with a digit."
        )
    return Reference("env", rest)


def _parse_file(rest: str) -> Reference:
    if not rest or rest.endswith("/"):
        raise Invalid("A file reference names a file: file:name or file:/path/name.")
    if ".." in PurePosixPath(rest).parts:
        raise Invalid('A file reference must not contain "..".')
    return Reference("file", rest)


def _parse_vault(rest: str) -> Reference:
    path, _hash, key = rest.partition("#")
    segments = path.strip("/").split("/")
    if len(segments) < 2 or not key:
        raise Invalid(
            "A Vault reference names the mount, the path and the key: "
            "vault:secret/path#key."
        )
    if any(segment in ("", ".", "..") for segment in segments):
        raise Invalid(
            'The path of a Vault reference must not contain "..", "." or "//".'
        )
    if not _VAULT_KEY.fullmatch(key):
        raise Invalid(
            "The key of a Vault reference has letters, digits, underscores, dots "
            "and dashes."
        )
    return Reference("vault", "/".join(segments), key)


_READERS = {"env": _parse_env, "file": _parse_file, "vault": _parse_vault}


def resolve_env(reference: Reference, environ: Mapping[str, str]) -> str:
    """Return the value of an environment variable.

    >>> resolve_env(parse("env:API_KEY"), {"API_KEY": "hunter2"})
    'hunter2'
    >>> resolve_env(parse("env:API_KEY"), {})
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.reference.NotFound: The environment variable API_KEY \
is not set for the server.
    """
    value = environ.get(reference.target)
    if value is None:
        raise NotFound(
            f"The environment variable {reference.target} is not set for the server."
        )
    if not value.strip():
        raise Invalid(f"The environment variable {reference.target} is empty.")
    return value


def resolve_file(reference: Reference, allowed_folders: Iterable[str]) -> FileSecret:
    """Read a secret from a file in one of the allowed folders.

    A relative name is sought in each of the folders in turn. Symbolic links are
    followed as long as they stay inside (Kubernetes mounts secrets that way).

    >>> resolve_file(parse("file:/etc/passwd"), ["/run/secrets"])
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.reference.Refused: The file is not in a folder that is \
allowed to hold secrets.
    """
    folders = [os.path.realpath(folder) for folder in allowed_folders]
    missing = NotFound(f"There is no file {reference.target}.")
    if not folders:
        raise Refused("No folder is allowed to hold secrets on this server.")
    if PurePosixPath(reference.target).is_absolute():
        return _read_file(reference.target, folders, missing)
    for folder in folders:
        try:
            return _read_file(f"{folder}/{reference.target}", folders, missing)
        except NotFound:
            continue
    raise missing


def _read_file(path: str, folders: list[str], missing: NotFound) -> FileSecret:
    outside = Refused("The file is not in a folder that is allowed to hold secrets.")
    # Whether a file outside exists is nobody's business, so look before opening too.
    if not _is_inside(os.path.realpath(path), folders):
        raise outside
    try:
        # Not blocking: a named pipe would keep us waiting for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise missing from None
        raise Refused("The server is not allowed to read the file.") from None
    try:
        # What was opened counts, not what the path said before: the path may have
        # been changed in between.
        status = os.fstat(handle)
        real = os.path.realpath(path)
        if not _is_inside(real, folders):
            raise outside
        if not _is_same(status, real):
            raise Refused("The file changed while it was being read.")
        if not stat.S_ISREG(status.st_mode):
            raise Refused("The reference leads to a folder or device, not to a file.")
        data = b""
        while chunk := os.read(handle, FILE_LIMIT + 1 - len(data)):
            data += chunk
    finally:
        os.close(handle)
    warning = ""
    if status.st_mode & stat.S_IROTH:
        warning = "Every user of the server's machine may read the file."
    return FileSecret(_file_text(data), warning)


def _is_inside(real: str, folders: list[str]) -> bool:
    return any(PurePosixPath(real).is_relative_to(folder) for folder in folders)


def _is_same(status: os.stat_result, real: str) -> bool:
    try:
        return os.path.samestat(status, Path(real).lstat())
    except OSError:
        return False


def _file_text(data: bytes) -> str:
    if len(data) > FILE_LIMIT:
        raise Invalid(f"The file has more than {FILE_LIMIT // 1024} kB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # without its cause, which quotes the bytes
        raise Invalid("The file is no UTF-8 text.") from None
    if "\0" in text:
        raise Invalid("The file is no text.")
    text = text.rstrip("\r\n")
    if not text.strip():
        raise Invalid("The file is empty.")
    return text


def vault_url(address: str, reference: Reference) -> str:
    """Return the address at which Vault (KV version 2) answers for the reference.

    The first part of the path is the mount.

    >>> vault_url("https://vault:8200/", parse("vault:secret/my app/openai#key"))
    'https://vault:8200/v1/secret/data/my%20app/openai'
    """
    try:
        base = urlsplit(address.strip())
        sound = (
            base.scheme in ("http", "https")
            and base.hostname
            and "@" not in base.netloc
            and not base.query
            and not base.fragment
            and base.port != 0
            and ".." not in base.path
            and address.strip().isprintable()
        )
    except ValueError:
        sound = False
    if not sound:
        raise Invalid(
            "The address of Vault has the form https://host:port, with no user, "
            "password or query."
        )
    segments = reference.target.split("/")
    if len(segments) < 2 or any(part in ("", ".", "..") for part in segments):
        raise Invalid("A Vault reference names the mount and the path.")
    mount, *path = (quote(segment, safe="") for segment in segments)
    root = f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}"
    return f"{root}/v1/{mount}/data/{'/'.join(path)}"


def parse_vault_response(
    status: int, content_type: str, body: bytes | str, key: str
) -> str:
    """Return the secret from an answer of Vault's KV version 2 engine.

    >>> body = '{"data": {"data": {"api_key": "hunter2"}, "metadata": {}}}'
    >>> parse_vault_response(200, "application/json", body, "api_key")
    'hunter2'
    >>> parse_vault_response(503, "application/json", '{"errors": []}', "api_key")
    Traceback (most recent call last):
    ...
    odoo.addons.steward.kernel.reference.Sealed: Vault is sealed: it has to be unsealed.
    """
    answer = _vault_json(content_type, body)
    if status in _VAULT_PROBLEMS:
        # a proxy in front of Vault has its own 403 and 503, in HTML
        if answer is None:
            raise Unavailable(f"Something other than Vault answered (HTTP {status}).")
        problem, sentence = _VAULT_PROBLEMS[status]
        raise problem(sentence)
    if status not in (200, 404):
        raise Unavailable(f"Vault gave an unexpected answer (HTTP {status}).")
    if answer is None:
        raise Unavailable(
            "The answer is not JSON: is this the address of Vault, or of a proxy?"
        )
    outer = answer.get("data")
    metadata = outer.get("metadata") if isinstance(outer, dict) else None
    if isinstance(metadata, dict):
        if metadata.get("destroyed") is True:
            raise NotFound("This version of the secret was destroyed in Vault.")
        if metadata.get("deletion_time"):
            raise NotFound("This version of the secret was deleted in Vault.")
    if status == 404:
        raise NotFound("Vault has no secret at this path.")
    return _vault_value(outer, key)


_VAULT_PROBLEMS: dict[int, tuple[type[ReferenceProblem], str]] = {
    400: (Invalid, "Vault does not understand the request: check mount and path."),
    403: (Refused, "Vault refuses: its policy or the token does not allow this path."),
    412: (Unavailable, "This Vault server is behind the others: try again."),
    429: (Unavailable, "Vault is busy, or this server is on standby: try again."),
    472: (Unavailable, "This Vault server is a recovery replica on standby."),
    473: (Unavailable, "This Vault server is on standby."),
    501: (Unavailable, "Vault is not initialized."),
    503: (Sealed, "Vault is sealed: it has to be unsealed."),
}


def _vault_json(content_type: str, body: bytes | str) -> dict[str, Any] | None:
    """The answer as a dictionary; None if it is no JSON at all."""
    if "json" not in content_type.lower():
        return None
    if len(body) > VAULT_LIMIT:
        raise Invalid("Vault's answer is too large to be a secret.")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else {}


def _vault_value(outer: Any, key: str) -> str:
    if not isinstance(outer, dict):
        raise Invalid("Vault's answer has no data: is this a KV engine?")
    data = outer.get("data")
    if not isinstance(data, dict):
        raise Invalid("Vault's answer is not that of a KV engine of version 2.")
    if key not in data:
        raise NotFound(f"The secret in Vault has no key {key}.")
    value = data[key]
    if not isinstance(value, str):
        raise Invalid(f"The key {key} in Vault holds no text.")
    if not value.strip():
        raise Invalid(f"The key {key} in Vault is empty.")
    return value
