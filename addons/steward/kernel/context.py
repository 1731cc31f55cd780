"""What an agent is told before it begins: the best of what is known, and no more.

Providers hand over items, best first. They are put together within a number of tokens,
each with a number by which it can be cited.

>>> items = {"passages": [Item("Close the period first.", "Closing", score=0.9)]}
>>> context = assemble(items, 100)
>>> print(context.text)
## Passages
[1] Closing
Close the period first.
>>> context.tokens <= 100
True
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# in the order in which they are read; and the share each has at least, if it needs it
KINDS: Final = {"guardrails": 0.2, "skills": 0.3, "passages": 0.4, "memory": 0.1}
LEAST: Final = 24  # tokens of an item that is cut short; below that it says nothing
_WORDS = re.compile(r"\w+|[^\w\s]", re.ASCII)
_WIDE = re.compile(r"[^\x00-\u024f\s]")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing worth knowing.

    :param title: where it stands
    :param url: where it can be read in full
    :param about: what else the caller may want to know, as plain JSON
    """

    text: str
    title: str = ""
    url: str = ""
    score: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """:param chosen: by kind, the items that fit, with their number and text"""

    text: str
    tokens: int
    chosen: dict[str, list[dict[str, Any]]]
    left_out: int


def tokens_of(text: str) -> int:
    """About how many tokens a text has, rather too many than too few.

    Words of ordinary length are one to two, other scripts one for each character.

    >>> tokens_of(""), tokens_of("Close the period first."), tokens_of("会計")
    (0, 6, 2)
    """
    wide = len(_WIDE.findall(text))
    plain = _WIDE.sub(" ", text) if wide else text
    return wide + sum(1 + (len(word) - 1) // 5 for word in _WORDS.findall(plain))


def cut(text: str, tokens: int) -> str:
    """The beginning of a text, up to the end of a word, that fits.

    >>> cut("Close the period first.", 3)
    'Close the …'
    """
    if tokens_of(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high)
            if tokens_of(text[:middle]) < tokens  # the dots are one, too
            else (low, middle - 1)
        )
    kept = text[:low]
    if low < len(text) and " " in kept and not text[low].isspace():
        kept = kept[: kept.rindex(" ")]
    return f"{kept.rstrip()} …"


def assemble(
    items: Mapping[str, Sequence[Item]], budget: int, first: int = 1
) -> Context:
    """Choose among the items what is worth most within the budget.

    Each kind is sure of its share; what one does not need is there for the others.
    The same text is told once.

    :param first: the number of the first item, where others were told before
    """
    chosen: dict[str, list[tuple[Item, str]]] = {kind: [] for kind in KINDS}
    seen: set[str] = set()
    waiting: list[tuple[str, Item, int, int]] = []
    used = 0

    def take(kind: str, item: Item, size: int, head: int, limit: int) -> bool:
        nonlocal used
        if not chosen[kind]:
            head += tokens_of(_title(kind)) + 1
        text, room = item.text, limit - head
        if size > room:
            if room < LEAST:
                return False
            text = cut(text, room)
            size = tokens_of(text)
        chosen[kind].append((item, text))
        used += head + size
        return True

    for kind, share in KINDS.items():
        own = used + int(budget * share)
        for item in items.get(kind, ()):
            key = " ".join(item.text.split()).lower()
            if not key or key in seen:
                continue
            seen.add(key)
            size, head = tokens_of(item.text), tokens_of(_head(1000, item)) + 2
            # only whole ones within the share: later there may be room for more
            if used + size + head + 6 > own or not take(
                kind, item, size, head, own - used
            ):
                waiting.append((kind, item, size, head))
    left = [one for one in waiting if not take(*one, budget - used)]
    return _written(chosen, len(left), first)


def _written(
    chosen: dict[str, list[tuple[Item, str]]], left_out: int, first: int
) -> Context:
    told: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    blocks = []
    number = first - 1
    for kind, rows in chosen.items():
        if not rows:
            continue
        lines = [_title(kind)]
        for item, text in rows:
            number += 1
            lines += [_head(number, item), text]
            told[kind].append(
                {
                    **item.about,
                    "number": number,
                    "title": item.title,
                    "url": item.url,
                    "text": text,
                    "score": round(item.score, 4),
                }
            )
        blocks.append("\n".join(lines))
    text = "\n\n".join(blocks)
    return Context(text, tokens_of(text), told, left_out)


def _title(kind: str) -> str:
    return f"## {kind.capitalize()}"


def _head(number: int, item: Item) -> str:
    where = f" ({item.url})" if item.url else ""
    return f"[{number}] {item.title}{where}".rstrip()
