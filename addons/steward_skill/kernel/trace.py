"""What a run did, as learning looks at it.

>>> step = Step("1", "tool_call", "count", given=read('{"model": "res.partner"}'))
>>> step.given["model"]
'res.partner'
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

JSON = Any
MISSING: Final = object()  # what a path leads to where nothing is
DEPTH: Final = 8  # levels of arguments that are looked at


class Step(NamedTuple):
    """One thing that was done.

    :param given: the tool's arguments; None: nobody knows
    :param result: what came of it; None: nothing, or nobody knows
    :param error: the error's type
    :param place: which step of the playbook it was
    """

    span: str
    kind: str
    name: str
    ok: bool = True
    given: JSON = None
    result: JSON = None
    error: str = ""
    message: str = ""
    place: str = ""


class Trace(NamedTuple):
    """One run.

    :param agent: its code
    :param kind: of agent
    :param message: why it failed, if it did
    :param category: the kind of failure that whoever ran it saw
    """

    id: str
    task: str
    steps: tuple[Step, ...]
    ok: bool = True
    agent: str = ""
    kind: str = "playbook"
    message: str = ""
    category: str = ""

    def calls(self) -> list[Step]:
        """The calls of tools, in their order."""
        return [step for step in self.steps if step.kind == "tool_call"]


def read(text: str | None) -> JSON:
    """What a text of the ledger holds; None where it was cut or not kept.

    >>> read('{"a": 1}'), read('{"a": 1, "b'), read("All is well."), read(None)
    ({'a': 1}, None, 'All is well.', None)
    """
    if not text or text.startswith("sha256:"):
        return None
    if text[0] not in '{["' and not text[0].isdigit():
        return {"true": True, "false": False, "null": None}.get(text, text)
    try:
        return json.loads(text)
    except ValueError:
        return None if text[0] in '{["' else text


def leaves(
    value: JSON, path: str = "", depth: int = DEPTH
) -> Iterator[tuple[str, JSON]]:
    """The single values of a tree, each with the path that leads there.

    >>> list(leaves({"model": "a", "values": {"x": 1, "y": []}, "ids": [7]}))
    [('model', 'a'), ('values.x', 1), ('values.y', []), ('ids.0', 7)]
    """
    items: Iterator[tuple[Any, JSON]]
    if depth and isinstance(value, dict) and value:
        items = iter(value.items())
    elif depth and isinstance(value, list) and value:
        items = iter(enumerate(value))
    else:
        yield path, value
        return
    for key, member in items:
        yield from leaves(member, f"{path}.{key}" if path else str(key), depth - 1)


def at(value: JSON, path: str | tuple[str, ...]) -> JSON:
    """What a path leads to, or `MISSING`.

    >>> at({"values": {"lines": [{"price": 5}]}}, "values.lines.0.price")
    5
    >>> at({"values": {}}, "values.lines.0") is MISSING
    True
    """
    for key in path.split(".") if isinstance(path, str) else path:
        if isinstance(value, dict):
            value = value.get(key, MISSING)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return MISSING
        if value is MISSING:
            return MISSING
    return value


def is_empty(value: JSON) -> bool:
    """Whether there is nothing in it, however deep: an empty list of records, say.

    >>> is_empty({"records": []}), is_empty({"records": [{"id": 3}]}), is_empty(0)
    (True, False, False)
    """
    if isinstance(value, dict):
        return all(map(is_empty, value.values()))
    return value is None or value == "" or value == []
