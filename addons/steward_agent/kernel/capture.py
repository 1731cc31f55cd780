"""What is kept of what an agent saw and said: by its setting, and never a secret.

The redactor is the ground floor's; a kernel imports none of another floor, so it is
handed in.
"""

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from .ledger import MAX_INT, clean

TRUNCATED: Final = 2000  # characters of a text
FULL: Final = 256 * 1024
MESSAGE: Final = 4000  # characters of an error's message
MAX_ATTRIBUTES: Final = 100
ATTRIBUTE: Final = 1000  # characters of one

_TEXTS = ("name", "model", "provider", "error_type")


class Redactor(Protocol):
    """What is needed of ``kernel.redactor.Redactor``."""

    def redact(self, text: str) -> str:
        """Mask the secrets in a text."""

    def redact_text(self, text: str, limit: int) -> str:
        """Mask the secrets in the beginning of a text."""

    def redact_value(self, value: Any) -> Any:
        """Mask the secrets in a JSON-like value."""


class Capture(NamedTuple):
    """Keeps what may be kept.

    :param sensitive: the kind of secret that a field of a name holds, if any
    :param outline: a message without its values
    """

    redactor: Redactor
    sensitive: Callable[[str], str | None]
    outline: Callable[[str], str]

    def step(self, step: dict[str, Any], setting: str) -> None:
        """Make of a step's contents what is stored, in place."""
        limit = _LIMITS.get(setting)
        texts = {key: text for key in _TEXTS if (text := step[key])}
        for key in ("input", "output"):
            value = step[key]
            if value is not None and value != "" and setting != "none":
                texts[key] = self._text(value, limit or FULL)
            step[key] = None
        if step["error_message"] is not None:
            message = self._text(step["error_message"], MESSAGE)
            texts["error_message"] = message if limit else self.outline(message)
        step |= self._redacted(texts)
        if setting == "hashed":
            for key in ("input", "output"):
                step[key] = step[key] and hashed(step[key])
        if step["attributes"] is not None:
            step["attributes"] = self._attributes(step["attributes"], bool(limit))

    def text(self, value: Any, setting: str) -> str | None:
        """One text of a run."""
        if value is None or setting == "none":
            return None
        text = self.redactor.redact(self._text(value, _LIMITS.get(setting) or FULL))
        return hashed(text) if setting == "hashed" else text

    def message(self, value: Any, setting: str) -> str:
        """An error's message; without its values where no contents are kept."""
        text = self.redactor.redact(self._text(value, MESSAGE))
        return text if _LIMITS.get(setting) else self.outline(text)

    def _text(self, value: Any, limit: int) -> str:
        if not isinstance(value, str):
            value = _storable(self.redactor.redact_value(value), FULL)
            value = json.dumps(value, ensure_ascii=False)
        if len(value) > limit:
            value = self.redactor.redact_text(value, limit)
        return clean(value)

    def _redacted(self, texts: dict[str, str]) -> dict[str, str]:
        # one look at all of a step: nearly always there is nothing to mask
        probe = "\n".join(texts.values())
        if self.redactor.redact(probe) == probe:
            return texts
        return {key: self.redactor.redact(text) for key, text in texts.items()}

    def _attributes(self, value: Any, texts: bool) -> Any:
        if not isinstance(value, dict):
            value = {"value": value}
        dropped = len(value) - MAX_ATTRIBUTES
        if dropped > 0:
            value = dict(list(value.items())[:MAX_ATTRIBUTES])
        if not texts:
            value = {
                key: member
                for key, member in value.items()
                if isinstance(member, int | float)
            }
        if not self._is_plain(value):
            value = _storable(self.redactor.redact_value(value), ATTRIBUTE)
            if len(json.dumps(value)) > MAX_ATTRIBUTES * ATTRIBUTE:
                value = {"…": "too much to be kept"}
        if dropped > 0:
            value["…"] = f"{dropped} more attributes were not kept"
        return value

    def _is_plain(self, value: dict[Any, Any]) -> bool:
        """Whether it can be stored as it is: flat, small, and with no secret."""
        probe = []
        for key, member in value.items():
            if not isinstance(key, str) or _sensitive(self.sensitive, key):
                return False
            kind = type(member)
            if kind is str:
                if len(member) > ATTRIBUTE:
                    return False
                probe.append(member)
            elif kind is int or kind is float:
                if not -MAX_INT <= member <= MAX_INT:  # nor is NaN
                    return False
            elif kind is not bool:
                return False
            probe.append(key)
        text = "\n".join(probe)
        return clean(text) == text and self.redactor.redact(text) == text


def hashed(text: str) -> str:
    """The fingerprint of a text: tells equal ones, not what they say.

    >>> hashed("a")
    'sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'
    """
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


_LIMITS: Final = {"truncated": TRUNCATED, "full": FULL}


@lru_cache(4096)
def _sensitive(sensitive: Callable[[str], str | None], key: str) -> bool:
    return sensitive(key) is not None


def _storable(value: Any, limit: int) -> Any:
    """JSON that PostgreSQL holds and XML-RPC carries: no NUL, NaN, null, large number.

    >>> _storable({"a": None, 2: [None, 1, 2**40, float("nan")]}, 10)
    {'2': ['', 1, '1099511627776', 'nan']}
    >>> _storable("a long text", 6)
    'a long…'
    """
    match value:
        case str():
            return clean(value if len(value) <= limit else f"{value[:limit]}…")
        case bool():
            return value
        case int() | float():
            # jsonb gives 3e9 back as a whole number
            return value if -MAX_INT <= value <= MAX_INT else str(value)
        case dict():
            return {
                clean(str(key)[:ATTRIBUTE]): _storable(member, limit)
                for key, member in value.items()
                if member is not None
            }
        case list() | tuple():
            return ["" if item is None else _storable(item, limit) for item in value]
        case _:
            return "" if value is None else clean(str(value))
