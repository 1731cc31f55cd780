"""Secrets: an operation says where one is kept, and only here it is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .config import Config
from .problems import KeyMissing

LIMIT = 64 * 1024  # bytes of a file


def read(reference: str, config: Config) -> str:
    """The value that a reference leads to; no message has it.

    :param reference: ``env:NAME``, or ``file:name`` in a folder of `Config.secrets`
    """
    scheme, _colon, target = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(target, "")
        if not value.strip():
            raise KeyMissing(f"The runner has no environment variable {target}.")
        return value
    if scheme != "file" or ".." in Path(target).parts:
        raise KeyMissing(f"{reference} is no secret that a runner can read.")
    if not config.secrets:
        raise KeyMissing(
            f"The runner may read no file as a secret: name the folder of {target} as"
            " 'secrets' in its settings."
        )
    for root in config.secrets:
        path = Path(os.path.realpath(root / target))
        if not path.is_relative_to(os.path.realpath(root)):
            continue
        try:
            return _contents(path)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise KeyMissing(f"The secret {target} cannot be read: {why}.") from None
    folders = ", ".join(map(str, config.secrets))
    raise KeyMissing(f"There is no secret {target} in {folders}.")


def _contents(path: Path) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise KeyMissing(f"The secret {path.name} is no file.")
        text = file.read(LIMIT + 1).decode().rstrip("\r\n")
    if not text.strip() or len(text) > LIMIT:
        raise KeyMissing(f"The secret {path.name} is empty, or no secret.")
    return text
