r"""Two texts beside each other, as a person compares them.

>>> for row in rows("a\nb\nc", "a\nB\nc\nd"):
...     print(row.kind, row.left, row.right)
same a a
changed b B
same c c
added None d
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, Literal, NamedTuple

CONTEXT: Final = 3  # lines that stayed the same, around those that did not


class Row(NamedTuple):
    """A line on each side; None where a side has none."""

    kind: Literal["same", "changed", "added", "removed", "gap"]
    left: str | None = None
    right: str | None = None


def rows(left: str, right: str, context: int = CONTEXT) -> list[Row]:
    r"""The lines of both that differ, with some around them.

    >>> rows("a", "a")
    []
    >>> [row.kind for row in rows("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\n5\nx", 1)]
    ['gap', 'same', 'changed']
    """
    before, after = left.splitlines(), right.splitlines()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    found: list[Row] = []
    at = 0  # lines of `before` that were shown or passed over
    for group in matcher.get_grouped_opcodes(context):
        if group[0][1] > at:
            found.append(Row("gap"))
        for tag, left_from, left_to, right_from, right_to in group:
            found += _rows(
                tag == "equal", before[left_from:left_to], after[right_from:right_to]
            )
        at = group[-1][2]
    if found and at < len(before):
        found.append(Row("gap"))
    return found


def _rows(same: bool, before: list[str], after: list[str]) -> Iterator[Row]:
    for old, new in zip_longest(before, after):
        if same:
            yield Row("same", old, new)
        elif old is None:
            yield Row("added", None, new)
        elif new is None:
            yield Row("removed", old, None)
        else:
            yield Row("changed", old, new)
