r"""What a model is told: a text with variables, and of what type these are.

>>> prompt = Prompt.of(
...     "Answer {{ customer }} in {{ n }} words.", "n: {type: integer, default: 50}"
... )
>>> prompt.render({"customer": "Ann"}, "2026-01-31 08:00:00")
'Answer Ann in 50 words.'
>>> prompt.render({"customer": "{{ n }}"}, "")  # what comes from outside stays data
'Answer {{ n }} in 50 words.'
>>> try:
...     prompt.render({"customer": "Ann", "n": "many"}, "")
... except PromptError as error:
...     print(error)
The variable 'n' should be a whole number.

A variable that is used and not described is a text, and has to be given. The
expressions are those of playbooks; see `expression`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from odoo.addons.steward.kernel.schema import SchemaProblem, load, validate

from .expression import NOW, ExpressionError, as_text, names_in, near, render
from .playbook import INPUT_TYPES, Input, fits_input, input_type
from .specification import as_yaml

JSON = Any

LABEL: Final = "^[a-z0-9][a-z0-9-]{0,62}$"
PRODUCTION: Final = "production"
MAX_TEXT: Final = 200_000  # characters of a prompt

VARIABLES: Final[dict[str, JSON]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "patternProperties": {
        "^[A-Za-z_][A-Za-z0-9_]{0,62}$": {
            "type": "object",
            "properties": {
                "type": {"enum": list(INPUT_TYPES)},
                "default": True,
                "description": {"type": "string"},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}


class PromptError(ValueError):
    """Why a prompt cannot be used, in a sentence."""


@dataclass(frozen=True)
class Prompt:
    """A text with variables."""

    text: str
    variables: Mapping[str, Input]

    @classmethod
    def of(cls, text: str, variables: str = "") -> "Prompt":
        """Read what people wrote.

        :param variables: YAML, of those that are more than a text
        :raises PromptError: when it cannot be used
        """
        if len(text) > MAX_TEXT:
            raise PromptError(f"A prompt has at most {MAX_TEXT} characters.")
        try:
            used = names_in(text)
        except ExpressionError as error:
            raise PromptError(f"In the text: {error}.") from error
        described = _described(variables)
        for name in described:
            if name not in used:
                hint = near(name, used)
                raise PromptError(f"The text does not use {name!r}{hint}.")
        return cls(text, dict.fromkeys(sorted(used), Input()) | described)

    @classmethod
    def loaded(cls, document: str) -> "Prompt":
        """A prompt as `written`."""
        value = load(document).value
        described = value.get("variables")
        return cls.of(value["text"], as_yaml(described) if described else "")

    def written(self) -> str:
        r"""The whole prompt as one document, of which versions are kept.

        >>> print(Prompt.of("Hello {{ name }}").written(), end="")
        text: Hello {{ name }}
        >>> Prompt.loaded(Prompt.of("Hello {{ name }}").written()).text
        'Hello {{ name }}'
        """
        document: dict[str, JSON] = {"text": self.text}
        if described := self.described():
            document["variables"] = described
        return as_yaml(document)

    def described(self) -> dict[str, JSON]:
        """What is said of the variables that are more than a text."""
        return {
            name: {
                **({"type": known.type} if known.type != "text" else {}),
                **({} if known.required else {"default": known.default}),
                **({"description": known.description} if known.description else {}),
            }
            for name, known in self.variables.items()
            if known != Input()
        }

    def render(self, values: Mapping[str, JSON], now: str) -> str:
        """The text with these values in it.

        :param now: for `today()` and the like, in UTC as ``2026-01-31 08:30:00``
        :raises PromptError: for what is unknown, missing or of another type
        """
        for name in values:
            if name not in self.variables:
                hint = near(name, self.variables)
                raise PromptError(f"The prompt knows no variable {name!r}{hint}.")
        given = {}
        for name, wanted in self.variables.items():
            if name not in values and wanted.required:
                raise PromptError(f"The variable {name!r} is missing.")
            given[name] = values.get(name, wanted.default)
            if name in values and not fits_input(given[name], wanted.type):
                kind = input_type(wanted.type)
                raise PromptError(f"The variable {name!r} should be {kind}.")
        try:
            return as_text(render(self.text, {**given, NOW: now}))
        except ExpressionError as error:
            raise PromptError(f"The prompt cannot be filled in: {error}.") from error


def _described(text: str) -> dict[str, Input]:
    if not text.strip():
        return {}
    try:
        document = load(text)
        problems = validate(document, VARIABLES)
    except SchemaProblem as error:
        raise PromptError(f"In the variables: {error}.") from error
    if problems:
        raise PromptError(f"In the variables: {'; '.join(map(str, problems))}.")
    found = {}
    for name, said in document.value.items():
        kind = said.get("type", "text")
        default = said.get("default")
        if "default" in said and not fits_input(default, kind):
            raise PromptError(f"The default of {name!r} should be {input_type(kind)}.")
        found[name] = Input(
            kind, "default" not in said, default, said.get("description", "")
        )
    return found
