"""What somebody asks, taken apart.

>>> asked = parse('why does sale.order say "not allowed"?')
>>> asked.phrases, asked.exact, asked.words[:3]
(('not allowed',), ('sale.order',), ['why', 'does', 'sale.order'])
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .words import Token, tokens

MOST = 1_000  # characters that are looked at
MOST_WORDS = 100
MOST_PHRASES = 5

_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]{2,})[\"“”„«»]")
_DOTTED = re.compile(r"[^\W\d]{3,}[._:]|[._:][^\W\d]{3,}")
_CODE = re.compile(r"[A-Z0-9]+(?:[-_][A-Z0-9]+)+")
_HUMPED = re.compile(r"[A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Question:
    """A question without what no search can use.

    :param cut: whether there was more of it
    """

    text: str
    cut: bool = False

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        return tuple(tokens(self.text))[:MOST_WORDS]

    @property
    def words(self) -> list[str]:
        return [token.word for token in self.tokens]

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """What stands in quotes: to be found just so."""
        found = (" ".join(part.split()) for part in _QUOTED.findall(self.text))
        return tuple(part for part in found if any(tokens(part)))[:MOST_PHRASES]

    @cached_property
    def exact(self) -> tuple[str, ...]:
        """Names of models, fields, errors: whoever writes one means just that."""
        found = []
        for token in self.tokens:
            written = self.text[token.start : token.end]
            if token.whole and (
                _DOTTED.search(written)
                or _CODE.fullmatch(written)
                or _HUMPED.fullmatch(written)
            ):
                found.append(token.word)
        return tuple(dict.fromkeys(found))

    def replaced(self, corrections: dict[str, str]) -> str:
        """Return its text with some words put right.

        >>> parse("Pay invocie, please").replaced({"invocie": "invoice"})
        'Pay invoice, please'
        """
        text, shift = self.text, 0
        for token in self.tokens:
            better = None if token.whole else corrections.get(token.word)
            if better is not None:
                start, end = token.start + shift, token.end + shift
                text = text[:start] + better + text[end:]
                shift += len(better) - (end - start)
        return text

    def doubtful(self, unknown: Sequence[str]) -> list[str]:
        """Return which of some words may be misspelt: no names, no parts of such.

        >>> parse("ask Grzegorz about sael.order and invocie").doubtful(
        ...     ["grzegorz", "sael", "invocie"])
        ['invocie']
        """
        wanted, found, reach, first = set(unknown), [], 0, True
        for token in self.tokens:
            if token.whole:
                reach = token.end
                continue
            name = self.text[token.start].isupper() and not first
            if token.word in wanted and token.start >= reach and not name:
                found.append(token.word)
            first = False
        return found


def parse(text: str) -> Question:
    r"""Take anything for a question.

    >>> parse("a\x00b " * 9999).cut, parse(" hi ").text
    (True, 'hi')
    """
    cut = len(text) > MOST
    return Question(_UNFIT.sub(" ", text[:MOST]).strip(), cut)
