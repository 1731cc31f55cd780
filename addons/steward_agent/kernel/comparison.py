r"""Two runs side by side: which steps belong together, and what differs in them.

>>> pairs(["ask", "find", "say"], ["ask", "count", "find", "say"])
[(0, 0), (None, 1), (1, 2), (2, 3)]
>>> difference("It is so.\nThe end.", "It is not so.\nThe end.")
[('gone', 'It is so.'), ('new', 'It is not so.'), ('same', 'The end.')]
"""

from collections.abc import Hashable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

MAX_STEPS: Final = 1000  # of a run, that are compared
MAX_LINES: Final = 2000  # of a text

Pair = tuple[int | None, int | None]


def pairs(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Pair]:
    """Places of what belongs together, in order; None: the other has nothing like it.

    >>> pairs([], ["a"])
    [(None, 0)]
    """
    found: list[Pair] = []
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for kind, a, a_end, b, b_end in matcher.get_opcodes():
        if kind == "equal":
            found += zip(range(a, a_end), range(b, b_end), strict=True)
        else:
            found += [(place, None) for place in range(a, a_end)]
            found += [(None, place) for place in range(b, b_end)]
    return found


def differing(
    left: Mapping[str, Any], right: Mapping[str, Any], names: Sequence[str]
) -> list[str]:
    """In which of these two things are not the same.

    >>> differing({"a": 1, "b": 2}, {"a": 1, "b": 3}, ("a", "b"))
    ['b']
    """
    return [name for name in names if left.get(name) != right.get(name)]


def difference(left: str, right: str) -> list[tuple[str, str]]:
    """Two texts as one, line by line: ``same``, ``gone`` or ``new``.

    What is longer than anybody reads is compared as far as people would.

    >>> difference("", "")
    []
    """
    one, two = left.splitlines()[:MAX_LINES], right.splitlines()[:MAX_LINES]
    found: list[tuple[str, str]] = []
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    for kind, a, a_end, b, b_end in matcher.get_opcodes():
        if kind == "equal":
            found += [("same", line) for line in one[a:a_end]]
        else:
            found += [("gone", line) for line in one[a:a_end]]
            found += [("new", line) for line in two[b:b_end]]
    return found
