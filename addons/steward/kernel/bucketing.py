"""Who gets what: stable assignment of units to variants, and of keys to nodes.

A unit (a session, user, partner or run) falls on the same spot each time, in any
process, on any machine: nothing is stored to find it again. blake2b, as crc32 and
``hash()`` are neither uniform on similar names nor the same in two processes.

>>> split = Split("checkout-prompt", {"old": 90, "new": 10})
>>> split.variant("user:7"), split.variant("user:13")
('old', 'new')
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b

HASH_VERSION = 1  # part of what is hashed: another scheme reshuffles everyone

_STEPS = 2**53  # of a float in [0, 1)


def bucket(unit: str, salt: str, version: int = HASH_VERSION) -> float:
    """The spot of a unit in [0, 1), uniform over units and independent between salts.

    >>> bucket("user:7", "checkout-prompt")
    0.43774039675565835
    >>> bucket("user:7", "another-experiment")
    0.3186509727038581
    """
    if not unit:
        # all that have no name would follow each other into one variant
        raise ValueError("a unit needs a name")
    if ":" in salt:
        raise ValueError(f"a salt holds no colon, unlike {salt!r}")
    # 53 of the 64 bits: (2**64 - 1) / 2**64 is 1.0 as a float, and would fall off the
    # end of the last range
    return (_hash(f"{version}:{salt}:{unit}") >> 11) / _STEPS


def ranges(weights: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Cut [0, 1) into one range for each variant, in the order given.

    Raising one variant's share at the expense of the others only *grows* its range:
    those before it shrink or stay, so it starts no later; those after it do too, so it
    ends no earlier. (If another's share grows as well, no rule without a memory can
    keep both.) Exact fractions make that true to the last bit.

    >>> ranges({"control": 80, "short": 10, "long": 10})
    {'control': (0.0, 0.8), 'short': (0.8, 0.9), 'long': (0.9, 1.0)}
    >>> ranges({"control": 70, "short": 20, "long": 10})
    {'control': (0.0, 0.7), 'short': (0.7, 0.9), 'long': (0.9, 1.0)}
    """
    if not all(0 <= weight < math.inf for weight in weights.values()):
        raise ValueError(f"weights are positive numbers or zero, unlike {weights}")
    total = sum(map(Fraction, weights.values()), Fraction())
    if not total:
        raise ValueError("no variant has any weight")
    cut = {}
    reached = Fraction()
    for name, weight in weights.items():
        start, reached = reached, reached + Fraction(weight)
        cut[name] = (float(start / total), float(reached / total))
    return cut


@dataclass(frozen=True)
class Split:
    """The rule by which one experiment or rollout assigns its units.

    Two independent spots of a unit decide: the one in the *layer* whether it takes part
    at all, the one under the experiment's own ``salt`` which variant it gets. So each
    variant has its share times the coverage, and

    - raising the end of ``slot`` (the coverage) moves nobody who takes part already;
    - raising a variant's share keeps everybody whom it already had, at any coverage.
      (Cutting share times coverage from one spot, as is often done, breaks this one.)

    >>> canary = Split("v8", {"v7": 99, "v8": 1})
    >>> wider = Split("v8", {"v7": 90, "v8": 10})
    >>> users = [f"user:{n}" for n in range(1000)]
    >>> had = {user for user in users if canary.variant(user) == "v8"}
    >>> has = {user for user in users if wider.variant(user) == "v8"}
    >>> len(had), len(has), had <= has
    (17, 100, True)

    Experiments in one layer with slots that do not overlap never share a unit (Tang et
    al. 2010, "Overlapping Experiment Infrastructure", https://research.google/pubs/36500):

    >>> tone = Split("tone", {"warm": 1, "dry": 1}, layer="prompt", slot=(0.0, 0.3))
    >>> size = Split("size", {"long": 1, "short": 1}, layer="prompt", slot=(0.3, 1.0))
    >>> [(tone.variant(user), size.variant(user)) for user in users[6:9]]
    [(None, 'long'), (None, 'long'), ('warm', None)]
    """

    salt: str
    weights: Mapping[str, float]
    layer: str = ""
    slot: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        start, end = self.slot
        if not 0.0 <= start <= end <= 1.0:
            raise ValueError(f"a slot lies within 0 and 1, unlike {self.slot}")
        if self.layer == self.salt:
            # who takes part would decide which variant, too
            raise ValueError(f"the layer needs another salt than {self.salt!r}")
        bucket("any", self.salt)
        bucket("any", self.layer)
        _ = self.ranges

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The part of [0, 1) that each variant has."""
        return ranges(self.weights)

    def variant(self, unit: str) -> str | None:
        """The unit's variant, or None when it takes no part.

        >>> Split("tone", {"warm": 1}, slot=(0.0, 0.0)).variant("user:7") is None
        True
        """
        start, end = self.slot
        if not start <= bucket(unit, self.layer or f"{self.salt}/coverage") < end:
            return None
        spot = bucket(unit, self.salt)
        return next(
            name for name, (low, high) in self.ranges.items() if low <= spot < high
        )


def rendezvous(key: str, nodes: Iterable[str], salt: str = "") -> list[str]:
    """The nodes in the order in which they should serve a key, its home first.

    Highest random weight (Thaler, Ravishankar 1998,
    https://www.microsoft.com/en-us/research/publication/a-name-based-mapping-scheme-for-rendezvous/):
    when a node goes, only its keys move, each to the second in its own order.

    >>> rendezvous("session:4", ["gpu-a", "gpu-b", "gpu-c"])
    ['gpu-a', 'gpu-c', 'gpu-b']
    >>> rendezvous("session:4", ["gpu-b", "gpu-c"])
    ['gpu-c', 'gpu-b']
    """
    # the length keeps ("ab", "c") and ("a", "bc") apart; the name decides a tie
    return sorted(
        set(nodes),
        key=lambda node: (_hash(f"{salt}:{len(node)}:{node}:{key}"), node),
        reverse=True,
    )


def _hash(text: str) -> int:
    # surrogatepass: a broken name from outside is still a name
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
