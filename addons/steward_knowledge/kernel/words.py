"""Texts into words that can be looked up, in any script.

A word is folded: lower case, no accents. What belongs together is kept whole and in
its parts: a model's name, a field, a dotted path, a version, an error code.

    >>> [(t.word, t.whole) for t in tokens("Call sale.order in 17.0!")]
    [('call', False), ('sale.order', True), ('sale', False), ('order', False), \
('in', False), ('17.0', True), ('17', False), ('0', False)]

Scripts without blanks between words are looked up by pairs of characters:

    >>> [t.word for t in tokens("東京都")]
    ['東京', '京都']

How words of a language are shortened to what they share is PostgreSQL's business
(its Snowball dictionaries); which dictionary is `DICTIONARIES`'.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

LONGEST = 64  # characters of a word that are looked at

# ISO 639 -> PostgreSQL's text search configuration, where it has one
DICTIONARIES = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}

# no blanks between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese; and Korean,
# whose words carry their endings
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0640"
# combining signs of scripts such as Devanagari are parts of their words
_LETTER = rf"(?:[^\W{_DENSE}]|[\u0900-\u0dff\u0300-\u036f\u064b-\u0670])"
_TOKEN = re.compile(rf"[{_DENSE}]+|{_LETTER}+(?:[.:/\\@&+-]{_LETTER}+)*")
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9_]+(?:[.:/\\@&+-][A-Za-z0-9_]+)*")
_IS_DENSE = re.compile(f"[{_DENSE}]")
_BETWEEN = re.compile(r"[_.:/\\@&+-]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STRIPPED = re.compile(f"[{_MARKS}]")
_IDENTIFIER = re.compile(r"[_.:/\\@\d]|[a-z][A-Z]|^[A-Z][A-Z-]+$")


class Token(NamedTuple):
    """A word, where it stands, and whether it is kept whole beside its parts."""

    word: str
    start: int
    end: int
    whole: bool = False


def fold(text: str) -> str:
    """Return a text in lower case and without accents.

    >>> fold("Élan, STRASSE, straße, ﬁn")
    'elan, strasse, strasse, fin'
    """
    if text.isascii():
        return text.lower()
    parted = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", _STRIPPED.sub("", parted))


def is_identifier(word: str) -> bool:
    """Return whether nobody should correct it: it is no word of a language.

    >>> [is_identifier(w) for w in ("sale.order", "AccountMove", "S00012", "invocie")]
    [True, True, True, False]
    """
    return bool(_IDENTIFIER.search(word))


def tokens(text: str) -> Iterator[Token]:
    """Yield a text's words in their order, what is kept whole before its parts."""
    for found in _pattern(text).finditer(text):
        first = found.start()
        for word, start, end, whole in _analysed(found.group()):
            yield Token(word, first + start, first + end, whole)


def read(text: str) -> list[tuple[str, bool]]:
    """Return a text's words, and whether each is a whole: `tokens` without places.

    >>> read("sale.order")
    [('sale.order', True), ('sale', False), ('order', False)]
    """
    found: list[tuple[str, bool]] = []
    for written in _pattern(text).findall(text):
        found += _pairs_of(written)
    return found


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_TOKEN if text.isascii() else _TOKEN


@lru_cache(maxsize=100_000)
def _pairs_of(written: str) -> tuple[tuple[str, bool], ...]:
    return tuple((token.word, token.whole) for token in _analysed(written))


@lru_cache(maxsize=10_000)
def _analysed(written: str) -> tuple[Token, ...]:
    """The words of what stands together."""
    if _IS_DENSE.match(written):
        if len(written) == 1:
            return (Token(fold(written), 0, 1),)
        return tuple(
            Token(fold(written[place : place + 2]), place, place + 2)
            for place in range(len(written) - 1)
        )
    parts = tuple(_parts(written))
    whole = _plain(written.strip("_"))
    if len(parts) > 1:
        return (Token(whole, 0, len(written), whole=True), *parts)
    return parts


def _parts(text: str) -> Iterator[Token]:
    place = 0
    for piece in _BETWEEN.split(text):
        place = text.index(piece, place)
        inside = place
        for hump in _HUMPS.split(piece) if not piece.isupper() else [piece]:
            word = _plain(hump)
            if word:
                yield Token(word, inside, inside + len(hump))
            inside += len(hump)
        place += len(piece)


def _plain(word: str) -> str:
    return fold(word)[:LONGEST]
