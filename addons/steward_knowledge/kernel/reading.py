r"""Documents as plain data for a screen, and where in them a passage stands.

Texts come from anywhere, so no markup is made of them at all: Markdown becomes blocks
of words, which a screen shows as text; a link survives only when it leads to the web.

>>> heading, text = blocks("# Refunds\n\nSee **all** [rules](https://a.example/r).")
>>> heading.kind, heading.level, heading.spans[0].text
('heading', 1, 'Refunds')
>>> for span in text.spans:
...     print(tuple(span))
('See ', '', '')
('all', 'bold', '')
(' ', '', '')
('rules', '', 'https://a.example/r')
('.', '', '')
>>> [span.href for span in spans("[x](javascript:alert(1)) <b>y</b>")]
['', '']
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MOST = 200_000  # characters of a document that are shown at once


class Span(NamedTuple):
    """Words that look alike."""

    text: str
    look: str = ""  # bold, italic, code, image
    href: str = ""


@dataclass(slots=True)
class Block:
    """A heading, paragraph, point of a list, quotation, piece of code or table."""

    kind: str  # heading, text, point, quote, code, table, rule
    start: int  # in the text, in characters
    end: int
    level: int = 0  # of a heading; how deep a point stands
    sign: str = ""  # of a point: • or 3.
    spans: list[Span] = field(default_factory=list)
    rows: list[list[list[Span]]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What it says, however it looks.

        >>> blocks("# To *be*")[0].words
        'To be'
        """
        return "".join(span.text for span in self.spans)

    def plain(self) -> dict[str, object]:
        """Return what a screen gets.

        >>> Block("text", 3, 9, spans=[Span("Oh"), Span("go", "", "http://a.b")]).plain()
        {'kind': 'text', 'start': 3, 'spans': [['Oh'], ['go', '', 'http://a.b']]}
        """
        told: dict[str, object] = {"kind": self.kind, "start": self.start}
        if self.level:
            told["level"] = self.level
        if self.sign:
            told["sign"] = self.sign
        if self.spans:
            told["spans"] = [_short(span) for span in self.spans]
        if self.rows:
            told["rows"] = [
                [[_short(span) for span in cell] for cell in row] for row in self.rows
            ]
        return told


# every repetition is bounded: a hostile line must not take quadratic time
_INLINE = re.compile(
    r"(?P<tick>`{1,2})(?P<code>[^`\n]{1,400})(?P=tick)"
    r"|\*\*(?P<bold>[^*\n]{1,400})\*\*"
    r"|(?<![\w*])[*_](?P<italic>[^\s*_][^*_\n]{0,400})[*_](?![\w*])"
    r"|(?P<image>!)?\[(?P<words>[^\[\]\n]{0,400})\]"
    r"\((?P<to>[^\s()]{0,2000}(?:\([^\s()]{0,200}\)[^\s()]{0,200})?)"
    r"(?:[ ]\"[^\"\n]{0,400}\")?\)"
    r"|(?P<bare>https?://[^\s<>()\[\]\"'`]{1,2000}[^\s<>()\[\]\"'`.,;:!?])"
)
_HEADING = re.compile(r"(#{1,6})[ \t]+([^\n]{0,2000}?)[ \t]*#{0,6}[ \t]*$")
_POINT = re.compile(r"([ \t]{0,40})([-*+•]|\d{1,9}[.)])[ \t]+(?=\S)")
_FENCE = re.compile(r"[ ]{0,3}(```+|~~~+)")
_RULE = re.compile(r"[ ]{0,3}([-*_])[ ]?(?:\1[ ]?){2,200}$")
_LINES_OF_TABLE = re.compile(r"\|?[ ]*:?-{2,}:?[ ]*(\|[ ]*:?-*:?[ ]*){0,200}$")
_WORD = re.compile(r"\w+")


def _short(span: Span) -> list[str]:
    return [span.text, *([span.look, span.href] if span.look or span.href else [])]


def is_web(address: str) -> bool:
    """Whether an address may become a link.

    >>> is_web("https://a.example"), is_web("JavaScript:x"), is_web("//a.example")
    (True, False, False)
    """
    return address.lower().startswith(("http://", "https://"))


def spans(line: str) -> list[Span]:
    """Cut a line into words that look alike.

    >>> for span in spans("Use `a*b` at *last*: https://a.example/x.")[1::2]:
    ...     print(tuple(span))
    ('a*b', 'code', '')
    ('last', 'italic', '')
    ('https://a.example/x', '', 'https://a.example/x')
    >>> spans("![Logo](x.png)")
    [Span(text='Logo', look='image', href='')]
    >>> spans("snake_case_name and 2 * 3 * 4")
    [Span(text='snake_case_name and 2 * 3 * 4', look='', href='')]
    """
    found: list[Span] = []
    end = 0
    for match in _INLINE.finditer(line):
        if match.start() > end:
            found.append(Span(line[end : match.start()]))
        end = match.end()
        found += _seen(match)
    if end < len(line):
        found.append(Span(line[end:]))
    return found


def _seen(match: re.Match[str]) -> list[Span]:
    if match["code"] is not None:
        return [Span(match["code"], "code")]
    if match["bold"] is not None:
        return [Span(match["bold"], "bold")]
    if match["italic"] is not None:
        return [Span(match["italic"], "italic")]
    if match["bare"] is not None:
        return [Span(match["bare"], href=match["bare"])]
    words, to = match["words"], match["to"]
    if match["image"]:
        return [Span(words, "image")] if words else []
    href = to if is_web(to) else ""
    shown = words or href
    return [Span(shown, href=href)] if shown else []


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def blocks(text: str) -> list[Block]:
    r"""Cut Markdown into blocks; whatever is none is a paragraph.

    >>> for block in blocks("- a\n  - b\n3. c\n\n> q\n\n---"):
    ...     print(block.kind, block.sign, block.level)
    point • 0
    point • 1
    point 3. 0
    quote  0
    rule  0
    >>> [b.spans[0].text for b in blocks("```py\nif x:\n    y\n```\nend")]
    ['if x:\n    y', 'end']
    >>> table = blocks("| a | b |\n|---|---|\n| 1 | *2* |")[0]
    >>> [[cell[0].text for cell in row] for row in table.rows]
    [['a', 'b'], ['1', '2']]
    """
    found: list[Block] = []
    current: Block | None = None  # what the next line may go on with
    fence = ""
    for start, line in _lines(text):
        end = start + len(line)
        if fence and current:
            if line.strip().startswith(fence):
                fence, current.end, current = "", end, None
            else:
                _extend(current, line, end, "\n")
            continue
        if opened := _FENCE.match(line):
            fence = opened[1]
            current = Block("code", start, end)
            found.append(current)
            continue
        words = line.strip()
        if not words:
            current = None
        elif current and current.kind == "table" and "|" in words:
            _add_row(current, words, end)
        elif words.startswith("|"):
            current = Block("table", start, end)
            _add_row(current, words, end)
            found.append(current)
        elif heading := _HEADING.match(words):
            current = None
            found.append(
                Block("heading", start, end, len(heading[1]), spans=spans(heading[2]))
            )
        elif _RULE.match(line):
            current = None
            found.append(Block("rule", start, end))
        elif point := _POINT.match(line):
            depth = len(point[1].expandtabs(4)) // 2
            sign = point[2].replace(")", ".") if point[2][0].isdigit() else "•"
            current = Block("point", start, end, depth, sign)
            current.spans = spans(line[point.end() :].rstrip())
            found.append(current)
        elif words.startswith(">"):
            words = words.lstrip("> ")
            if not current or current.kind != "quote":
                current = Block("quote", start, end)
                found.append(current)
            _extend(current, words, end, " ")
        elif current and current.kind in ("text", "point", "quote"):
            _extend(current, words, end, " ")
        else:
            current = Block("text", start, end, spans=spans(words))
            found.append(current)
    return found


def _extend(block: Block, words: str, end: int, between: str) -> None:
    block.end = end
    if block.kind == "code":
        before = block.spans.pop().text + between if block.spans else ""
        block.spans.append(Span(before + words))
    else:
        if block.spans:
            block.spans.append(Span(between))
        block.spans += spans(words)


def _add_row(table: Block, words: str, end: int) -> None:
    table.end = end
    if not _LINES_OF_TABLE.match(words):
        cells = words.strip("|").split("|")
        table.rows.append([spans(cell.strip()) for cell in cells])


def locate(text: str, passage: str) -> tuple[int, int] | None:
    r"""Find where a passage stands, by its words: spaces and signs may differ.

    >>> locate("One.\n\nTwo *three*  four!", "two three four")
    (6, 23)
    >>> print(locate("One two", "three"), locate("One two", "…"))
    None None

    Of one that was put together from several places its beginning and end are found:

    >>> words = " ".join(map(str, range(30)))
    >>> text = words.replace("15", "15 and what was left out")
    >>> locate(text, words) == (0, len(text))
    True
    """
    sought = [word.lower() for word in _WORD.findall(passage)]
    places = [match.span() for match in _WORD.finditer(text)]
    if not sought or not places:
        return None
    words = [text[start:end].lower() for start, end in places]
    if whole := _run(words, sought):
        first, last = whole
    else:
        head, tail = sought[:8], sought[-8:]
        begin = _run(words, head)
        if len(sought) < 2 * len(head) or not begin:
            return None
        finish = _run(words, tail, begin[1] + 1)
        first, last = begin[0], (finish or begin)[1]
    return places[first][0], places[last][1]


def _run(words: list[str], sought: list[str], since: int = 0) -> tuple[int, int] | None:
    """Find a row of words among words: the places of the first and the last.

    >>> _run(["a", "ab", "c"], ["b", "c"])
    >>> _run(["a", "b", "c"], ["b", "c"])
    (1, 2)
    """
    # words hold no line break, so that searching in a string is the fastest way
    hay = "\n" + "\n".join(words[since:]) + "\n"
    at = hay.find("\n" + "\n".join(sought) + "\n")
    if at < 0:
        return None
    first = since + hay.count("\n", 0, at)
    return first, first + len(sought) - 1


def window(size: int, place: tuple[int, int] | None, most: int = MOST) -> slice:
    """Which part of a long text to show: that around the place.

    >>> window(100, (10, 20), 1000), window(1000, None, 100)
    (slice(0, 100, None), slice(0, 100, None))
    >>> window(1000, (500, 510), 100)
    slice(450, 550, None)
    >>> window(1000, (990, 1000), 100)
    slice(900, 1000, None)
    """
    start = max(0, place[0] - most // 2) if place else 0
    start = max(0, min(start, size - most))
    return slice(start, min(size, start + most))
