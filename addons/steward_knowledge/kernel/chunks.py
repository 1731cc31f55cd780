r"""Markdown into passages: what is embedded, found and cited.

A passage is a slice of the text, so that whatever is found in it can be shown in its
place. It belongs to one section, or to several small ones that follow each other, and
bears their headings as its path. Sizes are counted in pieces, about as an embedder
cuts words: English has some 1.4 of them a word.

    >>> text = "# Orders\nAn order has lines.\n## States\nDraft, sent, sale."
    >>> [(c.headings, text[c.start : c.end]) for c in cut(text, few=0)]
    [(('Orders',), 'An order has lines.'), (('Orders', 'States'), 'Draft, sent, sale.')]
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

FEW = 85  # pieces, about 60 words: a smaller section joins its neighbour
GOOD = 170  # 120 words of prose, fewer of what is full of signs
MOST = 240  # with a short path in front still within 256, what MiniLM reads

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*?)[ \t#]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# ideographic full stops, and full-width marks, need no blank after them
_SENTENCE = re.compile(r"(?<=[.!?:;])\s+|(?<=[\u3002\uff01\uff1f])|\n")
_SPACE = re.compile(r"\s+")
# five letters of a word are a piece, all else is one for itself
_PIECE = re.compile(r"[a-zA-Z]{1,5}|\S")


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a passage stands in its text, and under which headings."""

    start: int
    end: int
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Block:
    start: int
    end: int
    kind: str  # heading, code, table, prose


def size(text: str) -> int:
    """Count a text's pieces, rather too many than too few.

    >>> size("Confirm it."), size("東京"), size("")
    (4, 2, 0)
    """
    return len(_PIECE.findall(text))


def cut(text: str, few: int = FEW, good: int = GOOD, most: int = MOST) -> list[Passage]:
    """Cut a text into passages, in its order.

    Nothing but headings (which are in the path) and blanks lies between them.

    :param few: a passage smaller than this is joined with its neighbour
    :param good: how large joined ones may become
    :param most: no passage is larger
    """
    passages: list[tuple[Passage, int]] = []
    for headings, blocks in _sections(text):
        for start, end, pieces in _packed(text, blocks, good, most):
            passage = Passage(start, end, headings)
            if passages:
                before, had = passages[-1]
                joined = size(text[before.start : end])
                if min(had, pieces) < few and joined <= good:
                    passages[-1] = (_join(before, passage), joined)
                    continue
            passages.append((passage, pieces))
    return [passage for passage, _pieces in passages]


def _join(first: Passage, second: Passage) -> Passage:
    """Two neighbours as one, under the headings of the first."""
    return Passage(first.start, second.end, first.headings)


# -- what the text consists of -----------------------------------------------------


def _blocks(text: str) -> Iterator[_Block]:
    """Headings, code, tables and paragraphs in their order."""
    fence, kind, start, end = "", "", 0, 0
    for found in _LINE.finditer(text):
        line = found.group().rstrip("\n")
        if fence:
            end = found.end()
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                yield _Block(start, end, "code")
                fence = kind = ""
            continue
        opening, heading = _FENCE.match(line), _HEADING.match(line)
        if opening:
            now = "code"
        elif heading:
            now = "heading"
        elif not line.strip():
            now = ""
        else:
            now = "table" if line.lstrip().startswith("|") else "prose"
        if kind and now != kind:
            yield _Block(start, end, kind)
        if now != kind:
            start = found.start()
        kind, end = now, found.end()
        if opening:
            fence = opening.group(1)
        elif heading:
            yield _Block(start, end, kind)
            kind = ""
    if kind:  # a fence that nobody closed reaches to the end
        yield _Block(start, end, kind)


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], list[_Block]]]:
    """The blocks under each heading.

    A heading without any is one itself, unless those below it have it in their path.
    """
    path: list[tuple[int, str]] = []
    blocks: list[_Block] = []
    bare: _Block | None = None
    for block in _blocks(text):
        if block.kind != "heading":
            blocks.append(block)
            bare = None
            continue
        depth, title = _heading(text[block.start : block.end])
        if blocks or (bare and depth <= path[-1][0]):
            yield _titles(path), [bare] if bare else blocks
        path = [*(above for above in path if above[0] < depth), (depth, title)]
        blocks, bare = [], block
    if blocks or bare:
        yield _titles(path), [bare] if bare else blocks


def _heading(line: str) -> tuple[int, str]:
    """How deep a heading is, and what it says."""
    found = _HEADING.match(line.rstrip("\n"))
    assert found
    return len(found[1]), found[2]


def _titles(path: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(title for _depth, title in path)


# -- packing -----------------------------------------------------------------------


def _packed(
    text: str, blocks: list[_Block], good: int, most: int
) -> Iterator[tuple[int, int, int]]:
    """Fill passages with blocks: (start, end, pieces)."""
    begun: tuple[int, int, int] | None = None
    for start, end, pieces in _units(text, blocks, good, most):
        if begun and begun[2] + pieces <= good:
            begun = (begun[0], end, begun[2] + pieces)
            continue
        if begun:
            yield begun
        begun = (start, end, pieces)
    if begun:
        yield begun


def _units(
    text: str, blocks: list[_Block], good: int, most: int
) -> Iterator[tuple[int, int, int]]:
    """What is not cut: blocks, or parts of those that are too large."""
    for block in blocks:
        start, end = _stripped(text, block.start, block.end)
        pieces = size(text[start:end])
        # code and tables stay whole as long as they can be embedded whole
        if pieces <= (good if block.kind == "prose" else most):
            if end > start:
                yield start, end, pieces
            continue
        between = _SENTENCE if block.kind == "prose" else re.compile("\n")
        for first, last in _parts(text, start, end, between):
            yield from _small(text, first, last, most)


def _small(
    text: str, start: int, end: int, most: int
) -> Iterator[tuple[int, int, int]]:
    """A part that is small enough, or its words, or what a word is cut into."""
    pieces = size(text[start:end])
    if pieces <= most:
        yield start, end, pieces
        return
    # a sentence without an end is filled up word by word
    first, had = start, 0
    reach = start
    for left, right in _parts(text, start, end, _SPACE):
        for low, high in _slices(left, right, most):
            count = size(text[low:high])
            if had and had + count > most:
                yield first, reach, had
                first, had = low, 0
            if not had:
                first = low
            had, reach = had + count, high
    if had:
        yield first, reach, had


def _slices(start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """A character is a piece at most."""
    for low in range(start, end, most):
        yield low, min(end, low + most)


def _parts(
    text: str, start: int, end: int, between: re.Pattern[str]
) -> Iterator[tuple[int, int]]:
    """What stands between separators, without blanks around it."""
    first = start
    for found in between.finditer(text, start, end):
        if found.start() > first:
            yield from _solid(text, first, found.start())
        first = found.end()
    if end > first:
        yield from _solid(text, first, end)


def _solid(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    start, end = _stripped(text, start, end)
    if end > start:
        yield start, end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The same without blanks around it; code keeps its first indentation."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
