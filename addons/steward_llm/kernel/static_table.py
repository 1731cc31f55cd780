"""Embeddings by table: a vector for each word, their weighted sum for a text.

The table is distilled from a sentence model: each piece of its vocabulary and each
frequent word goes through it alone; principal components shorten the vectors, and the
more frequent a word is, the less it counts (Arora et al., "A simple but tough-to-beat
baseline for sentence embeddings"; the idea is model2vec's). No text is needed for it,
and the same weights give the same table everywhere.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import safetensors
from .common_words import STOP_WORDS
from .minilm import Floats
from .wordpiece import WordPiece, words

DIMENSIONS = 256
WORDS_AT_ONCE = 512  # through the model, between two reports of progress
FREQUENCY = 1e-3  # a word this frequent counts half
ZIPF = 10  # the frequency of the word of rank r is about 1 / (ZIPF * r)
RARE = 30_000  # rank of what no list knows
SINGLE = 3_000  # rank of the single characters before "the", the first in rank
STOP_WEIGHT = 0.1
MAX_KNOWN = 100_000  # words whose rows a process remembers

# token ids of several texts -> their embeddings
Embed = Callable[[list[list[int]]], Floats]


class _Known(dict[str, list[int]]):
    """Rows of words; those of a new one are learned, within bounds."""

    def __init__(self, learn: Callable[[str], list[int]]) -> None:
        super().__init__()
        self._learn = learn

    def __missing__(self, word: str) -> list[int]:
        if len(self) >= MAX_KNOWN:
            self.clear()
        rows = self[word] = self._learn(word)
        return rows


class StaticTable:
    """A row of small integers for each piece or word, and the scale of each row."""

    def __init__(
        self, names: Sequence[str], rows: npt.NDArray[np.int8], scales: Floats
    ) -> None:
        self.rows, self.scales = rows, scales
        self.numbers = {name: number for number, name in enumerate(names)}
        self._pieces = WordPiece(["[UNK]", "[CLS]", "[SEP]", *names[1:]])
        self._known = _Known(self._learn)

    # -- use -----------------------------------------------------------------------

    @property
    def dimensions(self) -> int:
        return int(self.rows.shape[1])

    def embed(self, texts: Sequence[str]) -> Floats:
        """Embed texts as vectors of length one."""
        found = np.empty((len(texts), self.dimensions), np.float32)
        for number, text in enumerate(texts):
            chosen = self._rows_of(text)
            found[number] = self.scales[chosen] @ self.rows[chosen]
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    def _rows_of(self, text: str) -> list[int]:
        rows = map(self._known.__getitem__, words(text))
        # nothing known in it: what the model has for unknown
        return list(chain.from_iterable(rows)) or [0]

    def _learn(self, word: str) -> list[int]:
        number = self.numbers.get(word)
        if number is not None:
            return [number]
        if any(map(str.isalnum, word)):
            # the names stand two places later in the vocabulary of pieces
            return [n - 2 for n in self._pieces.pieces(word) if n > 2]
        return []  # punctuation

    # -- keeping -------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Keep the table in a file."""
        names = "\n".join(self.numbers).encode()
        arrays: dict[str, npt.NDArray[Any]] = {
            "rows": self.rows,
            "scales": self.scales,
            "names": np.frombuffer(names, np.uint8),
        }
        safetensors.write(path, arrays)

    @classmethod
    def load(cls, path: Path) -> "StaticTable":
        """Map a file that `save` made.

        :raises safetensors.Malformed: when it is none
        """
        arrays = safetensors.read(path)
        try:
            names = arrays["names"].tobytes().decode().split("\n")
            return cls(names, arrays["rows"], arrays["scales"])
        except (KeyError, UnicodeDecodeError) as error:
            raise safetensors.Malformed(f"{path.name} is no table") from error


# -- making -----------------------------------------------------------------------


def distil(
    embed: Embed,
    pieces: WordPiece,
    frequent: Sequence[str],
    progress: Callable[[float], None],
) -> StaticTable:
    """Make a table: some half a minute for a real model.

    :param frequent: words, the most frequent first
    :param progress: is told the share that is done, between 0 and 1
    """
    begin, end = pieces.special.begin, pieces.special.end
    known = [
        name
        for name in pieces.ids
        if not (name.startswith("[") and name.endswith("]"))
        and any(map(str.isalnum, name))
    ]
    more = [word for word in dict.fromkeys(frequent) if word not in pieces.ids]
    names = ["[UNK]", *known, *more]
    token_ids = [[begin, pieces.ids[name], end] for name in names[: len(known) + 1]]
    token_ids += [pieces.encode(word) for word in more]
    parts = []
    for first in range(0, len(token_ids), WORDS_AT_ONCE):
        parts.append(embed(token_ids[first : first + WORDS_AT_ONCE]))
        progress(min(1.0, (first + WORDS_AT_ONCE) / len(token_ids)))
    vectors = _shortened(np.vstack(parts))
    vectors *= _weights(names, pieces, frequent)[:, None]
    scales = np.abs(vectors).max(axis=1) / 127
    scales[scales == 0] = 1
    rows = np.round(vectors / scales[:, None]).astype(np.int8)
    return StaticTable(names, rows, scales)


def _shortened(vectors: Floats) -> Floats:
    """Principal components, the strong ones moderated; the same on every machine."""
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    strengths, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    order = np.argsort(-strengths)[: min(DIMENSIONS, len(strengths))]
    axes = axes[:, order]
    # an axis may point either way: its largest part shall be positive
    largest = np.abs(axes).argmax(axis=0)
    axes *= np.sign(axes[largest, range(len(order))])
    spread = np.sqrt(np.maximum(strengths[order], 1e-12))
    return np.asarray(centred @ axes / np.sqrt(spread), np.float32)


def _weights(
    names: Sequence[str], pieces: WordPiece, frequent: Sequence[str]
) -> Floats:
    """The less, the more frequent."""
    of_list = {word: rank for rank, word in enumerate(frequent, 1)}
    # from "the" on, BERT's vocabulary is in the order of frequency
    first = pieces.ids.get("the", 0)
    weights = np.empty(len(names), np.float32)
    for number, name in enumerate(names):
        place = pieces.ids.get(name)
        if place is None:
            rank = RARE
        else:
            rank = place - first + 1 if place >= first else SINGLE
        frequency = 1 / (ZIPF * min(rank, of_list.get(name, RARE)))
        weights[number] = FREQUENCY / (FREQUENCY + frequency)
        if name in STOP_WORDS:
            weights[number] *= STOP_WEIGHT
    return weights
