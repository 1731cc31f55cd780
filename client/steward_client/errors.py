"""What can go wrong, by what the caller can do about it."""

from __future__ import annotations

import re

# how the command line ends
REFUSED, MISUSED, UNREACHABLE = 1, 2, 3

_CODE = re.compile(r"^(STEWARD-[A-Z0-9-]+): (.*)$", re.DOTALL)


class StewardClientError(Exception):
    """The root.

    :param message: a sentence for people
    :param code: the stable code of the server, ``STEWARD-…``; empty where it gave none
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.message = message
        self.code = code


class Misused(StewardClientError):
    """The client was called in a way that cannot work: no address, no key."""


class Unreachable(StewardClientError):
    """No server answered, or not in time; trying again later may help."""


class Failed(StewardClientError):
    """The server answered that it failed."""


class Refused(Failed):
    """The server will not do this, whatever the reason; see the code."""


class Denied(Refused):
    """The key is not valid, or its user may not do this."""


class NotFound(Refused):
    """The server knows no such thing; perhaps the addon is not installed."""


def from_answer(status: int, name: str, message: str) -> Failed:
    """The error that an answer of JSON-2 stands for.

    >>> error = from_answer(422, "…UserError", "STEWARD-INVALID: No such plan.")
    >>> type(error).__name__, error.code, error.message
    ('Refused', 'STEWARD-INVALID', 'No such plan.')
    >>> type(from_answer(403, "odoo.exceptions.AccessError", "No.")).__name__
    'Denied'
    >>> [type(from_answer(status, "", "")).__name__ for status in (404, 500)]
    ['NotFound', 'Failed']
    """
    match = _CODE.match(message)
    code, sentence = (match[1], match[2]) if match else ("", message)
    kind: type[Failed] = Failed
    if status in (401, 403) or name.endswith(("AccessError", "AccessDenied")):
        kind = Denied
    elif status == 404:
        kind = NotFound
    elif 400 <= status < 500 or code:
        kind = Refused
    return kind(sentence or f"the server answered {status}", code)
