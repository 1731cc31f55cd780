"""Plain values, that JSON and XML-RPC carry alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

LARGEST = 2**31 - 1  # of an integer of XML-RPC


def plain(value: Any) -> Any:
    """Turn a value into words, numbers, lists and dictionaries.

    What is unknown is left out of a dictionary and is ``False`` in a list: XML-RPC
    has no None. Large integers become floats, moments and whatever else words.

    >>> plain({"value": None, 1: Decimal("0.5"), "row": (2**40, None, True)})
    {'1': 0.5, 'row': [1099511627776.0, False, True]}
    >>> plain(float("nan")), plain(object) == str(object)
    (False, True)
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if _known(v)}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(member) for member in value]
    if not _known(value):
        return False
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST else float(value)
    if isinstance(value, Decimal):
        return float(value)
    return str(value)


def _known(value: Any) -> bool:
    """None, NaN and infinity say nothing."""
    if isinstance(value, Decimal):
        return value.is_finite()
    if isinstance(value, float):
        return math.isfinite(value)
    return value is not None
