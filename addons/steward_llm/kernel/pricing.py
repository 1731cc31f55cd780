"""What tokens cost, in exact arithmetic.

Money is US dollars as `Decimal` with nine places, because all price lists are. What is
not known is None, never 0: a sum that silently misses something is worse than none.

>>> from decimal import Decimal
>>> gpt = flat(Rates(Decimal("2.50"), Decimal(10), cached=Decimal("1.25")))
>>> cost(Usage(tokens_in=1000, tokens_out=100, tokens_cached=800), gpt)
Decimal('0.002500000')
>>> print(cost(Usage(tokens_in=1000), flat(Rates(output=Decimal("10")))))
None
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, NamedTuple, get_args

from .usage import Usage

MILLION = Decimal(10**6)
PLACES = Decimal("1e-9")  # numeric(18,9)
LARGEST = Decimal(10**9)  # dollars that the column takes

# where a cost comes from, the best first
Source = Literal["provided", "computed", "estimated", "unknown"]
_SOURCES: tuple[Source, ...] = get_args(Source)


class Rates(NamedTuple):
    """Dollars for a million tokens; None is unknown.

    Cached tokens without a rate of their own cost what others of the input cost,
    reasoning what others of the output cost.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None


class Tier(NamedTuple):
    """Rates of calls with more than ``above`` tokens of input: for all of them."""

    above: int
    rates: Rates


Price = tuple[Tier, ...]  # sorted by `above`
FREE = Rates(*(Decimal(0),) * 5)


class Quote(NamedTuple):
    """A price that applies, where it comes from, and which it is."""

    price: Price
    source: Source
    price_id: int | None
    version: str


class Cost(NamedTuple):
    """An amount, or None, and how it was found."""

    amount: Decimal | None
    source: Source
    price_id: int | None = None
    version: str = ""  # which price, for people and for later


def flat(rates: Rates) -> Price:
    """One price, however long the input."""
    return (Tier(0, rates),)


def tiered(tiers: Iterable[tuple[int, Rates]]) -> Price:
    """A price by length of the input.

    >>> long, short = Rates(Decimal(6)), Rates(Decimal(3))
    >>> price = tiered([(200_000, long), (0, short)])
    >>> [cost(Usage(n), price) for n in (200_000, 200_001)]
    [Decimal('0.600000000'), Decimal('1.200006000')]
    """
    return tuple(Tier(*tier) for tier in sorted(tiers, key=lambda tier: tier[0]))


def rates_for(tokens_in: int, price: Price) -> Rates:
    """The rates for a call with so long an input."""
    found = Rates()
    for tier in price:
        if tier.above == 0 or tokens_in > tier.above:
            found = tier.rates
    return found


def cost(usage: Usage, price: Price) -> Decimal | None:
    """What a call costs; None when a rate that it needs is unknown."""
    rates = rates_for(usage.tokens_in, price)
    shares = usage.shares()
    parts = (
        (shares.fresh, rates.input),
        (shares.cached, _first(rates.cached, rates.input)),
        (shares.cache_write, _first(rates.cache_write, rates.input)),
        (shares.answer, rates.output),
        (shares.reasoning, _first(rates.reasoning, rates.output)),
    )
    total = Decimal(0)
    for tokens, rate in parts:
        if not tokens:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return rounded(total / MILLION)


def charge(usage: Usage, quote: Quote | None) -> Cost:
    """What a call costs by a price; without one it is unknown.

    >>> charge(Usage(1000), None)
    Cost(amount=None, source='unknown', price_id=None, version='')
    >>> quote = Quote(flat(FREE), "computed", None, "free")
    >>> charge(Usage(1000), quote)[:2], charge(Usage(1000, estimated=True), quote)[:2]
    ((Decimal('0E-9'), 'computed'), (Decimal('0E-9'), 'estimated'))
    """
    if quote is None:
        return Cost(None, "unknown")
    amount = cost(usage, quote.price)
    if amount is None:
        return Cost(None, "unknown", quote.price_id, quote.version)
    source: Source = "estimated" if usage.estimated else quote.source
    return Cost(amount, source, quote.price_id, quote.version)


def together(costs: Iterable[Cost]) -> Cost:
    """What several calls cost; as little known as the least known of them.

    >>> known, guess = Cost(Decimal(1), "computed"), Cost(Decimal(2), "estimated")
    >>> together([known, guess]), together([known, Cost(None, "unknown")]).source
    (Cost(amount=Decimal('3'), source='estimated', price_id=None, version=''), \
'unknown')
    >>> together([]).amount
    Decimal('0')
    """
    costs = list(costs)
    if len(costs) == 1:
        return costs[0]
    amount = Decimal(0)
    source: Source = "provided" if costs else "computed"
    for each in costs:
        if each.amount is None:
            return Cost(None, "unknown")
        amount += each.amount
        source = max(source, each.source, key=_SOURCES.index)
    return Cost(amount, source)


def rounded(amount: Decimal) -> Decimal:
    """To the nine places that are kept.

    >>> rounded(Decimal("0.0000000005")), rounded(Decimal("0.0000000015"))
    (Decimal('0E-9'), Decimal('2E-9'))
    """
    return amount.quantize(PLACES, ROUND_HALF_EVEN)


def believable(provided: Decimal | None) -> Decimal | None:
    """What somebody says that it cost, unless that is nonsense.

    >>> believable(Decimal("0.25")), believable(Decimal(-1)), believable(Decimal("NaN"))
    (Decimal('0.250000000'), None, None)
    """
    if provided is None or not provided.is_finite():
        return None
    return rounded(provided) if 0 <= provided < LARGEST else None


def _first(*rates: Decimal | None) -> Decimal | None:
    return next((rate for rate in rates if rate is not None), None)
