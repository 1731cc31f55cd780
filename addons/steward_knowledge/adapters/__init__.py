"""Kinds of sources: one adapter for each way to get at documents."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..kernel.draft import Draft


class Found(NamedTuple):
    """Something that a source has: an address, a path, an issue, a record.

    :param key: what the source calls it; the document's `external_id`
    :param revision: what changes when it changes; empty: only fetching tells
    :param shape: what it shares with others like it, see `kernel.addresses.shape`
    :param payload: what the listing told already
    """

    key: str
    url: str = ""
    depth: int = 0
    revision: str = ""
    shape: str = ""
    payload: dict[str, Any] | None = None


class Step(NamedTuple):
    """One step of a discovery; each is a transaction.

    :param over: whether it was the last
    """

    found: list[Found]
    over: bool = True


@dataclass(slots=True)
class Fetched:
    """What became of one item.

    :param state: of the item: done, unchanged, gone, skipped
    :param same_as: the key of the item that holds the same
    :param links: what it led to
    """

    state: str = "done"
    draft: Draft | None = None
    reason: str = ""
    same_as: str = ""
    etag: str = ""
    last_modified: str = ""
    links: list[Found] = field(default_factory=list)
    size: int = 0


def skipped(reason: str, **told: Any) -> Fetched:
    """Say why an item is left out."""
    return Fetched("skipped", reason=reason, **told)


class Adapter(ABC):
    """How Steward gets at one source. One instance per source and transaction.

    Whatever goes wrong comes out as an error of `steward.exceptions`. An error of the
    remote side concerns one item, and it is tried again; a `Retryable` of our own (a
    rate limit, an open circuit) concerns them all, and the harvest waits.

    :param memory: of this harvest: plain JSON, kept between transactions
    """

    is_outside = True  # whether it calls somebody: those of a copy must not
    is_limited = True  # whether it stops at the source's limit of pages
    is_certain = False  # whether what its listing lacks is gone beyond doubt

    def __init__(self, source: Any, memory: dict[str, Any] | None = None) -> None:
        self.source = source
        self.env = source.env
        self.memory: dict[str, Any] = {} if memory is None else memory

    @abstractmethod
    def check(self) -> None:
        """Raise `SourceInvalid` when a setting is missing or makes no sense."""

    @abstractmethod
    def discover(self) -> Step:
        """Look for what there is: one step, whose place `memory` remembers."""

    @abstractmethod
    def fetch(self, item: Any) -> Fetched:
        """Get one item."""

    def is_complete(self) -> bool:
        """Whether all was discovered: what was not found is gone."""
        return True

    def estimate(self) -> int | None:
        """How many items a harvest would look at; None: nobody knows before it."""
        return None

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """Called at the end of a harvest that did not fail."""

    def rate(self, host: str) -> str:
        """The name of a host's rate limit, which this source's settings made."""
        known = self.memory.setdefault("rates", [])
        if host not in known:
            self.source._set_rate(host)
            known.append(host)
        return f"harvest/{host}"
