"""An answer on its way to a screen: in pieces, not too often, and without secrets.

What a later word may still turn into a secret is held back: the last word, a row of
digits, what stands after ``password:``.

>>> stream = Stream(lambda text: text.replace("hunter2", "[redacted]"))
>>> stream.feed("My password: hun", 0.0)
Piece(seq=0, text='My ', whole=False)
>>> stream.feed("ter2 is", 0.01)  # too soon after the last one
>>> stream.feed(" known ", 0.21)
Piece(seq=1, text='password: [redacted] is known ', whole=False)
>>> stream.close()
Piece(seq=2, text='My password: [redacted] is known ', whole=True)
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

EVERY: Final = 0.2  # seconds between two pieces: each costs the server some work
WINDOW: Final = 4000  # characters before the end within which a secret is looked for
LONGEST: Final = 200_000  # characters that are shown while they come

# what may be the beginning of a secret at the end of a text
_HELD: Final = re.compile(
    r"(?:-----BEGIN[^\n]*\n(?:(?!-----END)[\s\S])*|[\w.\-]+[\"']?\s*[:=]\s*\S*"
    r"|(?:bearer|basic)\s+\S*|[\d \-]*\d[\d \-]*|\S+)\Z",
    re.IGNORECASE,
)


class Piece(NamedTuple):
    """What a screen is told.

    :param seq: counts from 0 within one answer: a gap says that a piece is missing
    :param text: what is added, or all there is when it is the whole
    """

    seq: int
    text: str
    whole: bool


class Stream:
    """Makes pieces of what comes in.

    :param redact: masks the secrets in a text
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._raw = ""
        self._settled = 0  # characters of `_raw` that are behind the window
        self._kept = ""  # those, without secrets
        self._told = ""
        self._seq = 0
        self._at: float | None = None

    def feed(self, text: str, now: float) -> Piece | None:
        """Take what came; a piece when it is time for one."""
        self._raw += text
        if len(self._told) > LONGEST or (
            self._at is not None and now - self._at < EVERY
        ):
            return None
        held = _HELD.search(self._raw, max(self._settled, len(self._raw) - WINDOW))
        ready = held.start() if held else len(self._raw)
        shown = self._kept + self._redact(self._raw[self._settled : ready])
        if shown == self._told:
            return None
        self._at = now
        if shown.startswith(self._told):
            piece = self._piece(shown[len(self._told) :], whole=False)
        else:
            piece = self._piece(shown, whole=True)
        self._told = shown
        self._settle(ready)
        return piece

    def close(self) -> Piece:
        """All of it: whoever missed a piece has it now."""
        shown = self._kept + self._redact(self._raw[self._settled :])
        return self._piece(shown[:LONGEST], whole=True)

    def _piece(self, text: str, whole: bool) -> Piece:
        piece = Piece(self._seq, text, whole)
        self._seq += 1
        return piece

    def _settle(self, ready: int) -> None:
        """Leave behind what no later word changes: whole paragraphs, long ago."""
        end = self._raw.rfind("\n\n", self._settled, max(0, ready - WINDOW))
        if end > self._settled:
            self._kept += self._redact(self._raw[self._settled : end])
            self._settled = end
