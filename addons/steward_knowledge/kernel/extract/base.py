"""What reading a file or page leads to."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

# why no text can be had; who shows it has the sentence
REASONS: Final = (
    "empty",
    "too_large",
    "unsupported",
    "broken",
    "scanned",
    "encrypted",
    "login",
)


class Unreadable(Exception):
    """No text can be had of it.

    :param reason: one of `REASONS`
    :param detail: the technical side
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Limits(NamedTuple):
    """Where reading ends. What lies beyond is left out, and ``meta`` says so."""

    size: int = 32 * 1024 * 1024  # bytes as fetched, and unpacked four times as many
    markup: int = 3_000_000  # characters of HTML
    characters: int = 2_000_000  # of text
    pages: int = 1_000
    rows: int = 5_000  # of a table
    seconds: float = 60


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a document as Markdown, and what it says of itself."""

    text: str
    title: str = ""
    language: str = ""
    date: datetime | None = None
    meta: Mapping[str, str | int | bool] = field(
        default_factory=lambda: MappingProxyType({})
    )


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    r"""Return text that a database takes, with one kind of newline.

    >>> clean("a\x00b\r\nc  \n\n\n\n\nd\ud800")
    'ab\nc\n\nd'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    text = _CONTROL.sub("", text)
    text = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def line(text: str | None, limit: int = 300) -> str:
    r"""Return a text as one line.

    >>> line(" Sales\n  orders ")
    'Sales orders'
    """
    return _SPACE.sub(" ", _CONTROL.sub("", text or "")).strip()[:limit]


def table(rows: list[list[str]]) -> str:
    r"""Return rows as a Markdown table, the first one its head.

    >>> print(table([["Code", "Name"], ["400000", "Product|Sales"], ["1"]]))
    | Code | Name |
    | --- | --- |
    | 400000 | Product\|Sales |
    | 1 |  |
    """
    width = max((len(row) for row in rows), default=0)
    if not width:
        return ""
    lines = []
    for number, row in enumerate(rows):
        cells = [line(cell, 1_000).replace("|", "\\|") for cell in row]
        cells += [""] * (width - len(cells))
        lines.append("| " + " | ".join(cells) + " |")
        if not number:
            lines.append("|" + " --- |" * width)
    return "\n".join(lines)


def fence(code: str, language: str = "") -> str:
    """Return code between fences that it does not hold itself.

    >>> print(fence("x = 1", "python"))
    ```python
    x = 1
    ```
    """
    runs = [len(run) for run in re.findall(r"^ *(`{3,})", code, re.MULTILINE)]
    ticks = "`" * max([3, *(run + 1 for run in runs)])
    return f"{ticks}{language}\n{code.rstrip()}\n{ticks}"


@cache
def quiet(*names: str) -> None:
    """Let libraries not log what a foreign file made them stumble over."""
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)


_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?")


def moment(text: str | None) -> datetime | None:
    """Return when, as far as the text begins with a date of ISO 8601.

    >>> moment("2025-03-01T10:30:00+01:00")
    datetime.datetime(2025, 3, 1, 10, 30)
    >>> moment("last week") is moment("2025-99-99") is None
    True
    """
    found = _DATE.match((text or "").strip())
    if not found:
        return None
    try:
        return datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type] # noqa: DTZ001 - as told
    except ValueError:
        return None
