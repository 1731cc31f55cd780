"""What one call of a model used, counted so that nothing is counted twice.

>>> usage = of_openai({"prompt_tokens": 1000, "completion_tokens": 200,
...                    "prompt_tokens_details": {"cached_tokens": 800},
...                    "completion_tokens_details": {"reasoning_tokens": 150}})
>>> usage.shares()
Shares(fresh=200, cached=800, cache_write=0, answer=50, reasoning=150)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

LARGEST = 2**31 - 1  # tokens; more is a mistake, and no column takes it
CHARACTERS = 4  # of English text in a token, roughly


class Shares(NamedTuple):
    """The same tokens, each in one place only: this is what prices apply to."""

    fresh: int
    cached: int
    cache_write: int
    answer: int
    reasoning: int


class Usage(NamedTuple):
    """Tokens as the ledger keeps them.

    ``tokens_in`` includes cached ones and those written to the cache, ``tokens_out``
    includes reasoning. ``estimated`` says that nobody told and we counted ourselves.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_cache_write: int = 0
    tokens_reasoning: int = 0
    estimated: bool = False

    def shares(self) -> Shares:
        """Split what includes from what is included.

        Contradictions (more cached than there was) never make a share negative.

        >>> Usage(10, 5, tokens_cached=99, tokens_reasoning=7).shares()
        Shares(fresh=0, cached=10, cache_write=0, answer=0, reasoning=5)
        """
        tokens_in, tokens_out, *included = (max(0, n) for n in self[:5])
        cached = min(included[0], tokens_in)
        cache_write = min(included[1], tokens_in - cached)
        reasoning = min(included[2], tokens_out)
        return Shares(
            tokens_in - cached - cache_write,
            cached,
            cache_write,
            tokens_out - reasoning,
            reasoning,
        )

    def plus(self, other: Usage) -> Usage:
        """Both together; an estimate in it makes the sum one.

        >>> Usage(1, 2).plus(Usage(10, 20, estimated=True))[:2]
        (11, 22)
        """
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            self.tokens_cache_write + other.tokens_cache_write,
            self.tokens_reasoning + other.tokens_reasoning,
            self.estimated or other.estimated,
        )


def of_openai(told: object) -> Usage | None:
    """Read the ``usage`` of an answer; None when it says nothing that can be used.

    Servers disagree whether the prompt's count includes cached tokens (OpenAI: yes)
    and the completion's the reasoning (xAI: no). The total tells which it is, and a
    part larger than its whole does, too.

    >>> of_openai({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40,
    ...            "completion_tokens_details": {"reasoning_tokens": 25}}).tokens_out
    30
    >>> of_openai({"prompt_tokens": 10, "cache_read_input_tokens": 90}).tokens_in
    100
    >>> of_openai({"prompt_tokens": "many"}), of_openai("nothing")
    (None, None)
    """
    if not isinstance(told, Mapping):
        return None
    tokens_in = _count(told, "prompt_tokens", "input_tokens")
    if tokens_in is None:
        return None
    tokens_out = _count(told, "completion_tokens", "output_tokens") or 0
    total = _count(told, "total_tokens")
    of_prompt = _inside(told, "prompt_tokens_details", "input_tokens_details")
    of_answer = _inside(told, "completion_tokens_details", "output_tokens_details")
    cached = _count(of_prompt, "cached_tokens")
    if cached is None:
        cached = _count(told, "cache_read_input_tokens") or 0
    written = _count(told, "cache_creation_input_tokens") or 0
    reasoning = _count(of_answer, "reasoning_tokens") or 0
    kept = cached + written
    # counted apart for sure when it is more than its whole
    ways = [
        (apart_in, apart_out)
        for apart_in in ((kept,) if kept > tokens_in else (0, kept))
        for apart_out in ((reasoning,) if reasoning > tokens_out else (0, reasoning))
    ]
    fitting = (way for way in ways if total == tokens_in + tokens_out + sum(way))
    apart_in, apart_out = next(fitting, ways[0])
    tokens_in += apart_in
    tokens_out += apart_out
    if max(tokens_in, tokens_out) > LARGEST:
        return None
    return Usage(tokens_in, tokens_out, cached, written, reasoning)


def guessed(texts: Iterable[str], answer: str = "") -> Usage:
    """What it probably was, for servers that do not tell.

    >>> guessed(["four", "eight letters"])
    Usage(tokens_in=5, tokens_out=0, tokens_cached=0, tokens_cache_write=0, \
tokens_reasoning=0, estimated=True)
    """
    tokens_in = sum(math.ceil(len(text) / CHARACTERS) for text in texts)
    tokens_out = math.ceil(len(answer) / CHARACTERS)
    return Usage(tokens_in, tokens_out, estimated=True)


def _count(told: Mapping[str, object], *names: str) -> int | None:
    """The first of these that is a sound number of tokens."""
    for name in names:
        value = told.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _inside(told: Mapping[str, object], *names: str) -> Mapping[str, object]:
    for name in names:
        details = told.get(name)
        if isinstance(details, Mapping):
            return details
    return {}
