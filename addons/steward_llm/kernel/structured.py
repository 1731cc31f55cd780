r"""Answers that are JSON of an agreed shape, and how to ask for them again.

>>> schema = {"type": "object", "properties": {"days": {"type": "integer"}}}
>>> read('```json\n{"days": 3}\n```', schema)
({'days': 3}, [])
>>> read('{"days": "three"}', schema)[1]
["line 1, column 2: days: should be a whole number, not the text 'three'"]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from odoo.addons.steward.kernel.schema import SchemaProblem, load, validate

from .chat import Message

JSON = Any

# what a model puts around it though it was told not to
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)


def check(schema: JSON) -> None:
    """Refuse what is no JSON Schema, or refers to something outside of itself.

    >>> check({"type": "whole"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    odoo.addons.steward.kernel.schema.SchemaProblem: ...
    """
    validate(load("null", "json"), schema)


def read(text: str, schema: JSON) -> tuple[JSON, list[str]]:
    """The value of an answer; or None, and all that is wrong with it."""
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    try:
        document = load(text, "json")
    except SchemaProblem as error:
        return None, [str(error)]
    problems = validate(document, schema)
    if problems:
        return None, [str(problem) for problem in problems]
    return document.value, []


def instructed(messages: Sequence[Message], schema: JSON) -> list[Message]:
    """The messages with a word about the shape: not every server forces it.

    >>> said = instructed([{"role": "user", "content": "How late?"}], {})
    >>> [message["role"] for message in said], len(instructed(said, {}))
    (['system', 'user'], 2)
    """
    words = (
        "Give your final answer as one JSON value that fits this JSON Schema, with"
        f" nothing before or after it: {json.dumps(schema)}"
    )
    first, *rest = messages
    if first["role"] == "system" and isinstance(first["content"], str):
        return [{**first, "content": f"{first['content']}\n\n{words}"}, *rest]
    return [{"role": "system", "content": words}, first, *rest]


def correction(problems: Iterable[str]) -> Message:
    """What is said to a model whose answer does not fit."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return {
        "role": "user",
        "content": "Your answer does not fit the JSON Schema:\n"
        f"{listed}\nGive the whole corrected JSON value, and nothing else.",
    }
