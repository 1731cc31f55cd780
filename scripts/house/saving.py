"""What a context saves: questions whose answer is known, asked in two ways.

The usual way is to find documents and to hand them over whole; ours is the context that
agents are told. What counts is whether the fact that answers a question is in it, and
how many tokens that took.
"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

FACTS = "facts.json"
Asked = Callable[[str], tuple[str, int]]  # a question -> what is told, its tokens


class Case(NamedTuple):
    """A question, and words of the document that answers it."""

    question: str
    fact: str

    def is_in(self, text: str) -> bool:
        """Whether a text holds the fact, however its lines are broken."""
        return " ".join(self.fact.split()) in " ".join(text.split())


class Saving(NamedTuple):
    """How both ways went, over all questions.

    :param ours: questions whose fact our context holds
    :param whole: those whose fact the whole documents hold
    :param lost: questions that only the whole documents answer
    :param share: of the tokens that were saved, all questions together
    :param median: of the same, question by question
    """

    asked: int
    ours: int
    whole: int
    lost: list[str]
    share: float
    median: float

    def is_enough(self) -> bool:
        """Equal answers, and a third of the tokens saved at least."""
        return self.ours >= self.whole > 0 and min(self.share, self.median) >= 1 / 3

    def __str__(self) -> str:
        """In a line."""
        return (
            f"{self.ours} of {self.asked} facts told, {self.whole} by whole documents;"
            f" {self.share:.0%} of the tokens saved, {self.median:.0%} in the median"
        )


def cases(folder: Path) -> list[Case]:
    """The questions of a folder's world."""
    return [Case(**row) for row in json.loads((folder / FACTS).read_text())]


def compare(asked: list[Case], ours: Asked, whole: Asked) -> Saving:
    """Ask every question in both ways."""
    held: dict[str, list[bool]] = {"ours": [], "whole": []}
    tokens: dict[str, list[int]] = {"ours": [], "whole": []}
    for case in asked:
        for name, ask in (("ours", ours), ("whole", whole)):
            text, length = ask(case.question)
            held[name].append(case.is_in(text))
            tokens[name].append(length)
    pairs = list(zip(tokens["ours"], tokens["whole"], strict=True))
    answered = zip(asked, held["ours"], held["whole"], strict=True)
    return Saving(
        len(asked),
        sum(held["ours"]),
        sum(held["whole"]),
        [case.question for case, mine, theirs in answered if theirs and not mine],
        1 - sum(tokens["ours"]) / max(sum(tokens["whole"]), 1),
        statistics.median(1 - mine / max(theirs, 1) for mine, theirs in pairs),
    )


def ways(env: Any, tokens: int = 2000) -> tuple[Asked, Asked]:
    """Our context of so many tokens, and the documents that a search finds, whole."""
    from odoo.addons.steward.kernel.context import tokens_of

    documents = env["steward.document"]

    def ours(question: str) -> tuple[str, int]:
        context = env["steward.context"]._assemble(question, tokens)
        return context["text"], context["tokens"]

    def whole(question: str) -> tuple[str, int]:
        found = documents.find(question)
        texts = documents.browse(row["document_id"] for row in found).mapped("text")
        text = "\n\n".join(texts)
        return text, tokens_of(text)

    return ours, whole
