"""List prices of the world's providers, from the package `genai-prices`, offline.

The package can also fetch newer prices from the network, in a thread. That is never
used: prices change here when the pinned package does. It is imported at the first
question, because it brings thousands of objects.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from .pricing import Price, Rates, tiered

if TYPE_CHECKING:
    from genai_prices import types
    from genai_prices.data_snapshot import DataSnapshot

# a field of our rates -> the same in the book
FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}
# how others call a provider of the book: OpenTelemetry's names and some old ones
ALIASES = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "mistral_ai": "mistral",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}


class Entry(NamedTuple):
    """A model in the book.

    :param exact: what this very provider asks, also where the book says that it asks
        what the maker does; otherwise another's price for the same model
    """

    provider: str
    model: str
    exact: bool
    context_size: int | None
    info: Any

    def price(self, at: datetime) -> tuple[Price, bool]:
        """The list price at that time, and whether that is all it costs."""
        return _converted(self.info.get_prices(at))


@functools.cache
def version() -> str:
    """Which book this is; empty when the package is not there.

    >>> version().startswith("genai-prices ")
    True
    """
    try:
        return f"genai-prices {metadata.version('genai-prices')}"
    except metadata.PackageNotFoundError:  # the book is a convenience
        return ""


@functools.lru_cache(4096)
def find(model: str, provider: str) -> Entry | None:
    """Look a model up: at its provider, else wherever the book has it.

    >>> found = find("gpt-4o-2024-08-06", "openai")
    >>> found.model, found.exact
    ('gpt-4o', True)
    >>> find("gpt-4o", "our-own-gateway").exact
    False
    >>> print(find("our-own-model", "openai"))
    None
    """
    if not version():
        return None
    book = _book()
    provider = ALIASES.get(provider.lower(), provider.lower())
    own = next((p for p in book.providers if p.id == provider), None)
    try:
        if own:
            found, info = book.find_provider_model(model, own, None, None)
        else:
            # gateways say "openai/gpt-4o"
            wanted = model.rpartition("/")[2]
            found, info = book.find_provider_model(wanted, None, None, None)
    except LookupError:
        return None
    return Entry(found.id, info.id, own is not None, info.context_window, info)


@functools.cache
def _book() -> DataSnapshot:
    """The data of the package itself, whatever else in this process updates it."""
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def _converted(price: types.ModelPrice) -> tuple[Price, bool]:
    known = _CONVERTED.get(id(price))
    if known is None:
        known = _CONVERTED[id(price)] = _convert(dict(price.__dict__))
    return known


# by identity: the book's prices live as long as the process and cannot be hashed
_CONVERTED: dict[int, tuple[Price, bool]] = {}


def _convert(told: Mapping[str, Any]) -> tuple[Price, bool]:
    """Our form of a price of the book.

    A fee for each call is none of ours: whoever has one costs more than we can say.
    """
    values = {ours: told.get(theirs) for ours, theirs in FIELDS.items()}
    starts = {0}
    for value in values.values():
        starts |= {tier.start for tier in getattr(value, "tiers", ())}
    price = tiered(
        (start, Rates(**{name: _at(value, start) for name, value in values.items()}))
        for start in starts
    )
    return price, not told.get("requests_kcount")


def _at(value: Any, start: int) -> Decimal | None:
    """A rate of the book in the tier that begins there."""
    found: Decimal | None = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if start >= tier.start:
            found = tier.price
    return found
