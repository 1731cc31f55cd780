"""Texts with the names of fields in braces.

>>> fill("{name}: {note}", {"name": "Lamp", "note": "{name}"}.get)
'Lamp: {name}'
>>> names("{name} costs {{list_price}}")
['name']
"""

import re
from collections.abc import Callable

PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class TemplateError(ValueError):
    """A template that cannot be filled in; the sentence says where."""


def names(template: str) -> list[str]:
    """Return the fields that a template names.

    :raises TemplateError: when a brace is alone, or something else is in braces
    """
    found: dict[str, None] = {}
    for match in PART.finditer(template):
        if match[0] in ("{{", "}}"):
            continue
        name = match[1]
        if name is None:
            raise TemplateError(f"A brace is alone in: {template[:80]}")
        if not NAME.fullmatch(name):
            raise TemplateError(f"{{{name[:40]}}} is not the name of a field.")
        found[name] = None
    return list(found)


def fill(template: str, told: Callable[[str], str | None]) -> str:
    """Return a template with its fields; what comes in is not looked at again.

    >>> fill("a {{b}} {c}", {"c": "}"}.get)
    'a {b} }'
    """
    names(template)

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        return told(match[1]) or ""

    return PART.sub(value, template)
