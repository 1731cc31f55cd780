"""Domains that programs and models write: their form is checked before their sense.

Odoo forgives much in a domain, and what it forgives may match every record. Here a
domain says exactly what it seems to say, or it is refused.

>>> read_domain([["name", "ilike", "azure"], ["active", "=", True]])
[('name', 'ilike', 'azure'), ('active', '=', True)]
>>> try:
...     read_domain(["name", "=", "azure"])
... except QueryProblem as problem:
...     print(problem)
item 1, 'name', is neither a condition [field, operator, value] nor one of & | !
"""

import re
from typing import Any, Final

from .expression import near

JSON = Any

MAX_CONDITIONS: Final = 100
OPERATORS: Final = (
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "like",
    "not like",
    "ilike",
    "not ilike",
    "=like",
    "=ilike",
    "child_of",
    "parent_of",
)
_ARITY: Final = {"&": 2, "|": 2, "!": 1}


class QueryProblem(ValueError):
    """Why a domain is none, in a sentence."""


def read_domain(written: JSON) -> list[str | tuple[str, str, JSON]]:
    """The items of a domain, in Polish notation as Odoo writes it.

    :raises QueryProblem: when it is none, or matches more than it seems to
    """
    if not isinstance(written, list):
        raise QueryProblem(f"it should be a list, not {written!r:.60}")
    if len(written) > 2 * MAX_CONDITIONS:
        raise QueryProblem(f"more than {MAX_CONDITIONS} conditions")
    items: list[str | tuple[str, str, JSON]] = []
    open_operands = 0  # that the operators so far still wait for
    for number, item in enumerate(written, 1):
        if isinstance(item, str) and item in _ARITY:
            # the first operator at the top begins an expression of its own
            open_operands = max(open_operands - 1, 0) + _ARITY[item]
            items.append(item)
        else:
            items.append(_condition(item, number))
            open_operands = max(open_operands - 1, 0)
    if open_operands:
        raise QueryProblem("an operator & | ! has no condition to stand before")
    return items


def _condition(item: JSON, number: int) -> tuple[str, str, JSON]:
    if not isinstance(item, list) or len(item) != 3:
        raise QueryProblem(
            f"item {number}, {item!r:.60}, is neither a condition"
            " [field, operator, value] nor one of & | !"
        )
    path, operator, value = item
    if not isinstance(path, str) or not re.fullmatch(r"\w+(\.\w+){0,5}", path):
        raise QueryProblem(f"item {number}: {path!r:.60} is no field")
    if operator not in OPERATORS:
        hint = near(operator, OPERATORS) if isinstance(operator, str) else ""
        raise QueryProblem(
            f"item {number}: there is no operator {operator!r:.60}{hint}"
        )
    is_list = isinstance(value, list)
    if is_list and any(isinstance(one, list | dict) for one in value):
        raise QueryProblem(f"item {number}: a list of values holds no lists")
    if operator in ("in", "not in"):
        if not is_list:
            raise QueryProblem(f"item {number}: {operator!r} wants a list of values")
    elif operator in ("child_of", "parent_of"):
        values = value if is_list else [value]
        if not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
            raise QueryProblem(f"item {number}: {operator!r} wants ids")
    elif is_list:
        raise QueryProblem(f"item {number}: a list of values wants 'in' or 'not in'")
    elif isinstance(value, dict):
        raise QueryProblem(f"item {number}: an object is no value")
    elif "like" in operator:
        if not isinstance(value, str) or not value.strip("%_ "):
            # an empty text is like everything
            raise QueryProblem(f"item {number}: {operator!r} wants a text to look for")
    elif operator in ("<", "<=", ">", ">=") and (
        value is None or isinstance(value, bool)
    ):
        raise QueryProblem(f"item {number}: {operator!r} wants a value to compare with")
    return path, operator, value
