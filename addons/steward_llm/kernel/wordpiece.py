"""Words into the pieces that BERT's vocabulary knows (uncased), in plain Python.

Gives the very ids of Hugging Face's ``tokenizers`` for ``bert-base-uncased``, with one
difference on purpose: ``[SEP]`` and its like are commands there even in the middle of a
text; here a text is only ever text. (The few hundred characters that Unicode got since
its version 8 count here for what they are.)
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MAX_WORD = 100  # characters; a longer word is unknown
MAX_KNOWN = 50_000  # words whose pieces a process remembers; then it starts anew

_PUNCTUATION = r"!-/:-@\[-`{-~"
_WORDS = re.compile(rf"[^\s{_PUNCTUATION}]+|[{_PUNCTUATION}]")
_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127))
_HAN = (  # as BERT sees them: each is a word of its own
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def words(text: str) -> list[str]:
    r"""Cut a text into words: lower case, no accents, punctuation for itself.

    >>> words("Who's paid? Élan vital, 50€")
    ['who', "'", 's', 'paid', '?', 'elan', 'vital', ',', '50€']
    >>> words("A\x00B\u200bC\u00a0東京")
    ['abc', '東', '京']
    """
    if text.isascii():
        return _WORDS.findall(text.translate(_CONTROLS).lower())
    return _WORDS.findall("".join(_plain(text)))


def _plain(text: str) -> Iterator[str]:
    cleaned = "".join(map(_cleaned, text))
    for character in unicodedata.normalize("NFD", cleaned):
        category = unicodedata.category(character)
        if category == "Mn":
            continue
        if category[0] == "P":
            yield f" {character} "
        else:
            yield character.lower()


def _cleaned(character: str) -> str:
    if character in "\t\n\r" or character.isspace():
        # the separators of Unicode's category C go, as other control characters do
        return "" if character in "\x0b\x0c\x1c\x1d\x1e\x1f\x85" else " "
    if character == "\ufffd" or unicodedata.category(character) in _DROPPED:
        return ""
    point = ord(character)
    if point > 0x2FFF and any(first <= point <= last for first, last in _HAN):
        return f" {character} "
    return character


_DROPPED = frozenset({"Cc", "Cf", "Co", "Cs"})


class Special(NamedTuple):
    """Ids of the pieces that are not text."""

    unknown: int
    begin: int
    end: int


class WordPiece:
    """A vocabulary, and how words fall apart in it.

    >>> pieces = WordPiece(["[UNK]", "[CLS]", "[SEP]", "in", "##voice", "##s", "?"])
    >>> pieces.encode("Invoices?")
    [1, 3, 4, 5, 6, 2]
    >>> pieces.encode("Invoices? What?", length=4)
    [1, 3, 4, 2]
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self.ids = {piece: number for number, piece in enumerate(vocabulary)}
        self.special = Special(*(self.ids[n] for n in ("[UNK]", "[CLS]", "[SEP]")))
        self._known: dict[str, tuple[int, ...]] = {}

    @classmethod
    def of_file(cls, path: Path) -> "WordPiece":
        """Read a ``vocab.txt``: one piece a line."""
        with path.open(encoding="utf-8") as lines:
            return cls([line.rstrip("\r\n") for line in lines])

    def encode(self, text: str, length: int = 256) -> list[int]:
        """Return a text's ids between begin and end, cut off at ``length``."""
        ids = [self.special.begin]
        for word in words(text):
            ids += self.pieces(word)
            if len(ids) >= length:
                break
        return [*ids[: length - 1], self.special.end]

    def pieces(self, word: str) -> tuple[int, ...]:
        """Return a word's ids: always the longest piece that fits next."""
        known = self._known.get(word)
        if known is None:
            known = self._cut(word)
            if len(self._known) >= MAX_KNOWN:
                self._known = {}
            self._known[word] = known
        return known

    def _cut(self, word: str) -> tuple[int, ...]:
        unknown = (self.special.unknown,)
        if len(word) > MAX_WORD:
            return unknown
        found: list[int] = []
        begin, prefix = 0, ""
        while begin < len(word):
            for end in range(len(word), begin, -1):
                number = self.ids.get(prefix + word[begin:end])
                if number is not None:
                    break
            else:
                return unknown
            found.append(number)
            begin, prefix = end, "##"
        return tuple(found)
