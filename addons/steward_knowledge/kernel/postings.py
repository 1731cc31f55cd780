"""Which words a passage holds, where, and how PostgreSQL is told.

>>> stems = {"orders": ("order",), "order": ("order",), "the": ()}
>>> fields = [(read("Orders"), "A"), (read("the sale.order"), "D")]
>>> found = postings(fields, stems.get)
>>> found["order"], found["sale.order"]
([(1, 'A'), (5, 'D')], [(4, 'D')])
>>> as_tsvector({"it's": [(1, "A"), (4, "D")]})
"'it''s':1A,4"
>>> as_sparsevec({7: 0.5, 2: 1.25})
'{2:1.25,7:0.5}/1000000000'
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from .ranking import HEADING, TEXT, TITLE
from .words import read

Place = tuple[int, str]
Postings = dict[str, list[Place]]
Field = tuple[Iterable[tuple[str, bool]], str]
Stem = Callable[[str], Sequence[str] | None]

COUNTS = {"A": TITLE, "B": HEADING, "C": TEXT, "D": TEXT}
_PLACES = {"A": "%dA", "B": "%dB", "C": "%dC", "D": "%d"}
LAST_PLACE = 16_383  # PostgreSQL counts no further
MOST_PLACES = 250  # of one word; PostgreSQL keeps 255
DIMENSIONS = 1_000_000_000  # of a sparsevec, at most
MOST_WORDS = 16_000  # different ones that a sparsevec holds


def postings(fields: Iterable[Field], stem: Stem) -> Postings:
    """Return the places of each lexeme in some fields, one after the other.

    :param fields: words, with their weight: A title, B headings, C address, D text
    :param stem: word -> its lexemes, none for a stop word; None: the word itself
    """
    found: Postings = {}
    place = 0
    for words, letter in fields:
        for word, whole in words:
            stems = None if whole else stem(word)
            # what is kept whole stands where its first part will
            place += not whole
            for lexeme in (word,) if stems is None else stems:
                places = found.get(lexeme)
                if places is None:
                    places = found[lexeme] = []
                if len(places) < MOST_PLACES:
                    places.append((min(place + whole, LAST_PLACE), letter))
        place += 1  # no phrase reaches over two fields
    return found


def counted(found: Postings) -> Counter[str]:
    """Return how often each lexeme counts: more in a title."""
    counts: Counter[str] = Counter()
    for lexeme, places in found.items():
        total = 0
        for _place, letter in places:
            total += COUNTS[letter]
        counts[lexeme] = total
    return counts


def as_tsvector(found: Mapping[str, Sequence[Place]]) -> str:
    """Write postings as a literal of PostgreSQL's ``tsvector``."""
    return " ".join(
        [
            quoted(lexeme)
            + ":"
            + ",".join([_PLACES[letter] % at for at, letter in at_])
            for lexeme, at_ in found.items()
        ]
    )


def quoted(lexeme: str) -> str:
    r"""Write a lexeme so that nothing in it is taken for syntax.

    >>> print(quoted("a'b\\c"))
    'a''b\\c'
    """
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def as_sparsevec(weights: Mapping[int, float]) -> str:
    """Write weights by number as a literal of pgvector's ``sparsevec``."""
    kept = list(weights.items())
    if len(kept) > MOST_WORDS:
        kept = sorted(kept, key=lambda item: -item[1])[:MOST_WORDS]
    parts = ",".join(["%d:%g" % item for item in sorted(kept)])  # noqa: UP031 - twice as quick
    return f"{{{parts}}}/{DIMENSIONS}"


def phrase(text: str, stem: Stem) -> str:
    """Write a text as a ``tsquery`` of its words next to each other.

    >>> phrase("confirm the order", {"the": ()}.get)
    "'confirm' <2> 'order'"
    """
    parts: list[str] = []
    place = last = 0
    for word, whole in read(text):
        if whole:
            continue
        place += 1
        stems = stem(word)
        lexemes = (word,) if stems is None else stems
        if not lexemes:
            continue
        if parts:
            parts.append(f"<{place - last}>" if place - last > 1 else "<->")
        parts.append(quoted(lexemes[0]))
        last = place
    return " ".join(parts)
