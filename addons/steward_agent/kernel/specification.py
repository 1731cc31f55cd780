r"""An agent as a document: what people write, exchange and keep in version control.

>>> specification = parse('''
... name: Quotation keeper
... code: quotations
... playbook: stale-quotations
... tools: [find_records, schedule_activity]
... may: [write]
... limits: {steps: 200}
... schedule: {every: 1, unit: days, task: Look after old quotations}
... ''')
>>> specification["tools"], specification["limits"]
(['find_records', 'schedule_activity'], {'steps': 200})
>>> try:
...     parse("name: a\ncode: A 1\nplaybok: x")
... except Problems as problems:
...     print(problems)
line 2, column 1: code: should match the pattern ^[a-z0-9][a-z0-9-]{0,62}$
line 3, column 1: 'playbok' is not known here; did you mean 'playbook'?

Records are named by what is the same in every database: tools and playbooks by their
code, the user by its login, never by a number.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from odoo.addons.steward.kernel.schema import (
    Problems,
    SchemaProblem,
    load,
    stays_text,
    validate,
)

JSON = Any

FORMAT: Final = 1  # of the documents; grows when one could be misread by older code
KINDS: Final = {
    "playbook": "Follows a playbook",
    "chat": "Thinks with a model",
    "external": "Works elsewhere",
}
SHARES: Final = {  # of the runs that are told what is known about their task
    "0": "No run",
    "10": "One run in ten",
    "50": "Every other run",
    "100": "Every run",
}
CAPTURES: Final = {
    "none": "Nothing",
    "hashed": "Fingerprints only",
    "truncated": "The beginning",
    "full": "Everything",
}
UNITS: Final = {
    "minutes": "Minutes",
    "hours": "Hours",
    "days": "Days",
    "weeks": "Weeks",
    "months": "Months",
}
PERMISSIONS: Final = {  # in the document -> the field
    "write": "may_write",
    "destroy": "may_destroy",
    "call_out": "may_call_out",
}
CODE: Final = "^[a-z0-9][a-z0-9-]{0,62}$"
TOOL: Final = "^[a-z][a-z0-9_]{0,62}$"

SCHEMA: Final[dict[str, JSON]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "An agent of Steward",
    "type": "object",
    "properties": {
        "format": {"const": FORMAT, "description": "of this document"},
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "code": {
            "type": "string",
            "pattern": CODE,
            "description": "how programs call it: small letters, digits, dashes",
        },
        "description": {"type": "string"},
        "kind": {"enum": list(KINDS), "default": "playbook"},
        "run_as": {
            "type": "string",
            "minLength": 1,
            "description": "login of the user whose rights it has",
        },
        "playbook": {"type": "string", "pattern": CODE, "description": "its code"},
        "prompt": {"type": "string", "pattern": CODE, "description": "its code"},
        "model": {
            "type": "string",
            "minLength": 1,
            "description": "that it thinks with; the cheapest that can without",
        },
        "context": {
            "enum": list(map(int, SHARES)),
            "default": 100,
            "description": "percent of runs that are told what is known",
        },
        "output": {
            "type": "object",
            "description": "JSON Schema of its answer, when it is no text",
        },
        "tools": {
            "type": "array",
            "uniqueItems": True,
            "items": {"type": "string", "pattern": TOOL},
            "description": "the tools it may use; all others are refused",
        },
        "may": {
            "type": "array",
            "uniqueItems": True,
            "items": {"enum": list(PERMISSIONS)},
            "description": "what its tools may do beyond reading",
        },
        "limits": {
            "type": "object",
            "properties": {
                "steps": {"type": "integer", "minimum": 1, "maximum": 10_000},
                "seconds": {"type": "integer", "minimum": 1, "maximum": 2_592_000},
                "cost": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": 1_000_000,
                    "description": "USD for one run; 0: no limit",
                },
                "tokens": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 2_000_000_000,
                    "description": "in and out, of one run; 0: no limit",
                },
                "at_a_time": {"type": "integer", "minimum": 1, "maximum": 1000},
            },
            "additionalProperties": False,
        },
        "capture": {
            "enum": list(CAPTURES),
            "description": "how much of inputs and outputs is kept",
        },
        "schedule": {
            "type": "object",
            "properties": {
                "every": {"type": "integer", "minimum": 1, "maximum": 1000},
                "unit": {"enum": list(UNITS)},
                "task": {"type": "string", "minLength": 1},
            },
            "required": ["every", "unit", "task"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "code"],
    "additionalProperties": False,
}


def parse(text: str, format: Literal["yaml", "json"] = "yaml") -> dict[str, JSON]:
    """Read a specification.

    :raises Problems: all that is wrong with it
    """
    try:
        document = load(text, format)
        found = validate(document, SCHEMA)
    except SchemaProblem as error:
        raise Problems([error.problem]) from error
    if found:
        raise Problems(found)
    specification: dict[str, JSON] = document.value
    return specification


def position(text: str, key: str) -> tuple[int, int]:
    r"""The line and column on which a key of a specification stands.

    >>> position("name: a\ncode: b\nrun_as: nobody", "/run_as")
    (3, 1)
    """
    try:
        return load(text).position(key)
    except SchemaProblem:  # JSON that is no YAML: indented with tabs
        return load(text, "json").position(key)


def dump(specification: Mapping[str, JSON]) -> str:
    """Write a specification, in the order in which it is explained.

    >>> print(dump({"code": "a", "name": "no", "tools": ["b"]}), end="")
    name: 'no'
    code: a
    tools:
    - b
    """
    return as_yaml({key: specification[key] for key in _ORDER if key in specification})


def as_yaml(value: JSON) -> str:
    r"""Any plain data as YAML, long texts as people write them.

    >>> print(as_yaml({"note": "one\ntwo\n", "n": [1], "code": "1e3"}), end="")
    note: |
      one
      two
    n:
    - 1
    code: '1e3'
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Its own, as representers belong to a class."""

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None if stays_text(value) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(
        value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=88
    )
    return written


_ORDER: Final = list(SCHEMA["properties"])
