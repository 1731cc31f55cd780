"""Texts that are read by people as they are: Markdown, plain text, tables."""

import csv
import io
import re
from collections.abc import Iterator

from .base import LIMITS, Extracted, Limits, Unreadable, line, table

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.{1,300}?)[\"']?[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,2}[ \t]+(.{1,300}?)[ \t#]*$", re.MULTILINE)
_UNDERLINED = re.compile(r"\A\s*(\S.*)\n=+[ \t]*(?:\n|\Z)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HIDDEN = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), end)
    for pattern, end in (
        (r"<!--.*?-->", "-->"),
        (r"<script\b.*?</script\s*>", "</script"),
        (r"<style\b.*?</style\s*>", "</style"),
    )
)
COLUMNS = 60


def markdown(text: str) -> Extracted:
    r"""Return Markdown without what no reader sees.

    >>> found = markdown("---\ntitle: 'Leave'\n---\nAsk **early**.<!-- you obey -->")
    >>> found.title, found.text
    ('Leave', 'Ask **early**.')
    """
    title = ""
    if front := _FRONT.match(text):
        if found := _FRONT_TITLE.search(front[1]):
            title = line(found[1])
        text = text[front.end() :]
    parts = [
        part if is_code else _visible(part)
        for part, is_code in _parts(text.split("\n"))
    ]
    prose = parts[0]
    heading = _UNDERLINED.match(prose) or _HEADING.search("\n".join(parts[::2]))
    if heading and not title:
        title = line(heading[1].replace("`", ""))
    return Extracted("\n".join(parts).strip(), title)


def _parts(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Cut into prose and code by turns: an example may well show a comment."""
    part: list[str] = []
    mark = ""
    for each in lines:
        found = _FENCE.match(each)
        if found and not mark:
            yield "\n".join(part), False
            part, mark = [each], found[1]
        elif found and found[1].startswith(mark):
            yield "\n".join([*part, each]), True
            part, mark = [], ""
        else:
            part.append(each)
    yield "\n".join(part), bool(mark)


def _visible(text: str) -> str:
    for pattern, end in _HIDDEN:
        # up to the last end only: looking for one from each beginning costs squares
        last = text.lower().rfind(end)
        if last >= 0:
            last = text.find(">", last) + 1 or len(text)
            text = pattern.sub("", text[:last]) + text[last:]
    return text


def plain(text: str) -> Extracted:
    r"""Return a plain text; its first line is its title if it looks like one.

    >>> plain("Opening hours\n\nFrom nine to five.").title
    'Opening hours'
    >>> plain("We open at nine.\nWe close at five.").title
    ''
    """
    first, _newline, rest = text.strip().partition("\n")
    is_title = len(first) <= 100 and rest.startswith("\n")
    return Extracted(text, line(first) if is_title else "")


def comma_separated(text: str, limits: Limits = LIMITS) -> Extracted:
    r"""Return a table.

    >>> print(comma_separated("Code;Name\n400;Sales").text)
    | Code | Name |
    | --- | --- |
    | 400 | Sales |
    """
    # the head of a table has no commas in its cells, as a rule
    head = text.lstrip("\n").partition("\n")[0]
    between = max(",;\t|", key=head.count)
    rows: list[list[str]] = []
    more = False
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=between):
            if any(cell.strip() for cell in row):
                if more := len(rows) >= limits.rows:
                    break
                rows.append(row[:COLUMNS])
    except csv.Error as error:  # a cell without end
        raise Unreadable("broken", str(error)) from error
    return Extracted(table(rows), meta={"truncated": True} if more else {})
