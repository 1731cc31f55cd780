"""Fingerprints: which failures are the same failure.

Two failures are the same if the same kind of agent met the same error at the same
place with the same message, apart from what changes from one run to the next: line
numbers, ids, times, paths, values. See "Fingerprint" in ``semantics.md``.

    >>> def failure(message, line):
    ...     text = f'File "/srv/addons/shop/models/cart.py", line {line}, in pay'
    ...     frames = in_app_frames(text, ["odoo.addons.shop"])
    ...     return fingerprint("sales", "ValueError", frames, message)
    >>> failure("no stock for order 17", 40) == failure("no stock for order 99", 44)
    True
    >>> failure("no stock for order 17", 40) == failure("no price for order 17", 40)
    False
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import NamedTuple

MESSAGE_LIMIT = 4096  # characters of a message that count
FRAME_LIMIT = 50  # innermost in-app frames that count
VERSION = "v1"

_ROUNDS = 6

# Alternatives are tried in this order at each place. All repetitions are bounded.
_HEX = "[0-9A-Fa-f]"
_PARTS = {
    "done": r"<(?:url|email|uuid|time|ip|addr|str|path|hex|num)>",
    "url": r"\b[A-Za-z][A-Za-z0-9+.\-]{1,15}://[^\s\"'<>]{1,2048}",
    "email": r"[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,5}",
    "uuid": rf"\b{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}\b",
    "time": (
        r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
        r"(?:Z|[ ]?[+\-]\d\d:?\d\d)?)?(?!\d)"
        r"|\b\d{1,2}/(?:\d{1,2}|[A-Z][a-z]{2})/\d{4}(?!\d)"
        r"|\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?![\d:])"
    ),
    "ip": (
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.])"
        rf"|(?<![\w:])(?:{_HEX}{{0,4}}:){{2,7}}{_HEX}{{1,4}}(?![\w:])"
    ),
    "addr": r"\b0[xX][0-9A-Fa-f]{1,32}\b",
    "str": (
        r"(?<!\w)[bBuUrRfF]?(?:'(?:[^'\\\n]|\\.){0,1000}'(?!\w)"
        r'|"(?:[^"\\\n]|\\.){0,1000}"|“[^”\n]{0,1000}”|«[^»\n]{0,1000}»)'
    ),
    "path": (
        r"(?<![\w<>.])(?:~|\.{1,2})?/[\w.@+\-]{1,255}(?:/[\w.@+\-]{1,255}){1,64}/?"
        r"|\b[A-Za-z]:\\[\w.@+\- ]{1,255}(?:\\[\w.@+\-]{1,255}){0,64}"
    ),
    "hex": rf"\b(?=[A-Fa-f]{{0,64}}\d)(?=\d{{0,64}}[A-Fa-f]){_HEX}{{8,128}}\b",
    "num": r"(?<![\w.])[+\-]?\d(?:[\d.,_]{0,60}\d)?(?:[eE][+\-]?\d{1,4})?|\d{1,4096}",
}
_VARIABLE = re.compile(
    "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PARTS.items())
)
_BLANK = re.compile(r"\s+")
# (1, 2, 3) and (1, 2) are the same list of values
_LIST = re.compile(r"(<[a-z]{2,5}>)(?: ?, ?\1)+")


def _replace(found: re.Match[str]) -> str:
    return found[0] if found.lastgroup == "done" else f"<{found.lastgroup}>"


def parameterize(message: str) -> str:
    """Replace what changes from one occurrence of a message to the next.

    >>> parameterize("user 42 (bob@example.com) has no access to /srv/data/7.pdf")
    'user <num> (<email>) has no access to <path>'
    >>> parameterize("WHERE id IN (7, 8, 9) AND name = 'Bob' at 0x7f3a21")
    'WHERE id IN (<num>) AND name = <str> at <addr>'

    What it returns has at most `MESSAGE_LIMIT` characters and stays as it is when
    it is parameterized again.

    >>> parameterize(parameterize("job 3 failed")) == parameterize("job 3 failed")
    True
    """
    text = message[:MESSAGE_LIMIT]
    for _round in range(_ROUNDS):
        before = text
        text = _BLANK.sub(" ", _VARIABLE.sub(_replace, text)).strip()
        text = _LIST.sub(r"\1", text)[:MESSAGE_LIMIT].strip()
        if text == before:
            return text
    return "<str>"  # a text made to never settle


class Frame(NamedTuple):
    """A place in the code that survives edits above it: no line number, no path.

    >>> Frame("odoo.addons.shop.models.cart", "pay").function
    'pay'
    """

    module: str
    function: str


_TEXT_FRAME = re.compile(
    r"^[ \t]*File \"(?P<path>[^\"\n]{1,4096})\", line \d{1,9},"
    r" in (?P<name>[^\n]{1,500})",
    re.MULTILINE,
)
_TEXT_START = "Traceback (most recent call last):"


def in_app_frames(
    traceback: TracebackType | str | Iterable[Sequence[str]] | None,
    app_prefixes: Iterable[str],
) -> tuple[Frame, ...]:
    """Return the frames of a traceback in the modules of the application.

    Takes a traceback object, the text of one (the last, if exceptions are chained)
    or pairs of module and function. All three give the same frames.

    >>> text = '''Traceback (most recent call last):
    ...   File "/opt/odoo/odoo/http.py", line 2000, in dispatch
    ...   File "/srv/addons/shop/models/cart.py", line 17, in pay
    ...   File "/usr/lib/python3/dist-packages/requests/api.py", line 59, in request
    ... ConnectionError: refused'''
    >>> in_app_frames(text, ["odoo.addons.shop"])
    (Frame(module='odoo.addons.shop.models.cart', function='pay'),)

    A function that calls itself is one frame, however deep the recursion was.

    >>> in_app_frames([("shop.a", "f"), ("shop.a", "f"), ("os", "g")], ["shop"])
    (Frame(module='shop.a', function='f'),)
    """
    prefixes = tuple(app_prefixes)
    frames: list[Frame] = []
    for frame in _frames(traceback, prefixes):
        inside = any(
            frame.module == prefix or frame.module.startswith(f"{prefix}.")
            for prefix in prefixes
        )
        if inside and frames[-1:] != [frame]:
            frames.append(frame)
    return tuple(frames[-FRAME_LIMIT:])


def _frames(
    traceback: TracebackType | str | Iterable[Sequence[str]] | None,
    prefixes: tuple[str, ...],
) -> Iterable[Frame]:
    if isinstance(traceback, str):
        last = traceback.rpartition(_TEXT_START)[2]
        for found in _TEXT_FRAME.finditer(last):
            yield Frame(_module(found["path"], prefixes), found["name"].strip())
    elif isinstance(traceback, TracebackType):
        step: TracebackType | None = traceback
        while step:
            frame = step.tb_frame
            name = frame.f_globals.get("__name__", "")
            yield Frame(str(name), frame.f_code.co_name)
            step = step.tb_next
    else:
        for module, function in traceback or ():
            yield Frame(module, function)


def _module(path: str, prefixes: tuple[str, ...]) -> str:
    """The dotted name of the module in a file, wherever it is installed."""
    parts = path.replace("\\", "/").removesuffix(".py").split("/")
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    for anchor in ("site-packages", "dist-packages"):
        if anchor in parts:
            parts = parts[parts.index(anchor) + 1 :]
    if "addons" in parts[:-1]:
        # the last "addons" that an addon can follow: addons are a flat folder
        place = len(parts) - 2 - parts[-2::-1].index("addons")
        return ".".join(["odoo", "addons", *parts[place + 1 :]])
    for prefix in prefixes:
        root = prefix.partition(".")[0]
        if root in parts:
            return ".".join(parts[parts.index(root) :])
    return ".".join(part for part in parts if part)


def fingerprint(
    agent_type: str,
    error_type: str,
    frames_or_tool: Iterable[Sequence[str]] | str,
    message: str,
    version: str = VERSION,
) -> str:
    """Return the fingerprint of a failure, 64 hex digits.

    The place of a failure is the chain of in-app frames, or the name of the tool
    that failed.

    >>> fingerprint("sales", "Timeout", "crm.search", "no answer in 30 s")[:16]
    '0497eb0e789542f2'
    >>> fingerprint("sales", "Timeout", "crm.search", "no answer in 45 s")[:16]
    '0497eb0e789542f2'
    """
    place: list[object]
    if isinstance(frames_or_tool, str):
        place = ["tool", frames_or_tool]
    else:
        place = ["frames", *(list(frame) for frame in frames_or_tool)]
    # JSON keeps ("a", "bc") and ("ab", "c") apart
    what = [version, agent_type, error_type, place, parameterize(message)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
