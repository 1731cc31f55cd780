"""A histogram of latencies that many workers fill and anyone may add up.

Every quantile it tells is within 1 % of the true one. The buckets grow by 2 % each, as
in DDSketch (Masson, Rim, Lee 2019, https://arxiv.org/abs/1908.10693): a value in the
bucket ``(g, 1.02 g]`` is answered with the middle, at most 0.99 % away.

Unlike DDSketch the range is fixed instead of collapsing when full, and the sum is kept
in whole billionths instead of a float: so merging is *exactly* associative and
commutative, and a retried or reordered roll-up gives the same row to the last bit.

>>> minute = Histogram([0.2, 0.3, 0.3, 9.0])
>>> minute.count, minute.sum, minute.min, minute.max
(4, 9.8, 0.2, 9.0)
>>> round(minute.quantile(0.5), 2)
0.3
"""

import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Self

VERSION = 1  # of the stored form; another growth or range would be another version
GROWTH = 1.02  # of the buckets: (1.02 - 1) / (1.02 + 1) = 0.99 % relative error
RESOLUTION = 1e-9  # smaller values count as this bucket: as good as zero
HIGHEST = 1e12  # the largest value taken: 31 years in milliseconds

_SCALE = 1_000_000_000  # 1 / RESOLUTION, exactly
_LOG_GROWTH = math.log(GROWTH)
MAX_BUCKETS = math.ceil(math.log(HIGHEST * _SCALE) / _LOG_GROWTH) + 1  # 2,443


class Histogram:
    """Counts of values in buckets that are 2 % wide.

    The unit is the caller's; choose seconds or milliseconds and stay with it.

    >>> morning, evening = Histogram([120, 130]), Histogram([5_000])
    >>> day = morning.merge(evening)
    >>> day
    <Histogram of 3: 120.0 … 5000.0>
    >>> Histogram.from_dict(day.to_dict()) == Histogram.loads(day.dumps()) == day
    True

    What was never measured has no quantile, and it is not zero:

    >>> print(Histogram().quantile(0.95))
    None
    """

    __slots__ = ("_billionths", "_buckets", "count", "max", "min")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.count = 0
        self.min: float | None = None
        self.max: float | None = None
        self._billionths = 0
        self._buckets: dict[int, int] = {}
        for value in values:
            self.add(value)

    def add(self, value: float) -> None:
        """Count one value; refuse what is no latency, as one NaN would spoil the sum.

        >>> histogram = Histogram()
        >>> histogram.add(0.25)
        >>> histogram.add(-0.1)  # a clock that went backwards
        Traceback (most recent call last):
        ...
        ValueError: a value from 0 to 1e+12 is expected, not -0.1
        """
        if not 0.0 <= value <= HIGHEST:  # NaN fails every comparison
            raise ValueError(
                f"a value from 0 to {HIGHEST:g} is expected, not {value!r}"
            )
        scaled = value * _SCALE
        # a loop-free 0.6 µs: this runs for each call of each agent
        index = math.ceil(math.log(scaled) / _LOG_GROWTH) if scaled > 1.0 else 0
        self._buckets[index] = self._buckets.get(index, 0) + 1
        self._billionths += round(scaled)
        self.count += 1
        if self.min is None or self.max is None:
            self.min = self.max = float(value)
        elif value < self.min:
            self.min = float(value)
        elif value > self.max:
            self.max = float(value)

    def merge(self, other: "Histogram") -> Self:
        """Add the other's values to this one, and return this one.

        >>> hours = [Histogram([1, 2]), Histogram(), Histogram([3])]
        >>> day = Histogram()
        >>> for hour in hours:
        ...     _ = day.merge(hour)
        >>> day.count, day.mean
        (3, 2.0)
        """
        for index, count in list(other._buckets.items()):
            self._buckets[index] = self._buckets.get(index, 0) + count
        self._billionths += other._billionths
        self.count += other.count
        self.min = min(
            (low for low in (self.min, other.min) if low is not None), default=None
        )
        self.max = max(
            (high for high in (self.max, other.max) if high is not None), default=None
        )
        return self

    @property
    def sum(self) -> float:
        """The sum of all values, exact to half a billionth for each."""
        return self._billionths / _SCALE

    @property
    def mean(self) -> float | None:
        """The mean, or None when nothing was counted."""
        return self.sum / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The smallest value that at least the share ``q`` of all values do not exceed.

        The same definition as PostgreSQL's ``percentile_disc``, so that a figure of a
        dashboard agrees with the query beneath it.

        >>> latencies = Histogram(range(1, 101))
        >>> [round(latencies.quantile(q)) for q in (0.0, 0.5, 0.95, 1.0)]
        [1, 50, 95, 100]
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a share from 0 to 1 is expected, not {q!r}")
        if self.min is None or self.max is None:
            return None
        rank = max(1, math.ceil(q * self.count))
        indexes = sorted(self._buckets)
        reached = list(accumulate(self._buckets[index] for index in indexes))
        middle = _middle(indexes[bisect_left(reached, rank)])
        return min(max(middle, self.min), self.max)

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON, made for a ``jsonb`` column that SQL can read.

        >>> Histogram([0, 2e-9]).to_dict()["buckets"]
        {'0': 1, '36': 1}
        """
        return {
            "version": VERSION,
            "count": self.count,
            "billionths": self._billionths,
            "min": self.min,
            "max": self.max,
            "buckets": {str(i): self._buckets[i] for i in sorted(self._buckets)},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The histogram that :meth:`to_dict` wrote; what does not add up is refused.

        >>> Histogram.from_dict({"version": 1, "count": 3, "billionths": 0,
        ...     "min": 0, "max": 0, "buckets": {"0": 2}})
        Traceback (most recent call last):
        ...
        ValueError: not a histogram: its buckets hold 2 values, not 3
        """
        try:
            if data["version"] != VERSION:
                raise ValueError(f"its version is {data['version']!r}, not {VERSION}")
            histogram = cls()
            for key, count in data["buckets"].items():
                if not 0 <= int(key) < MAX_BUCKETS or _whole(count) == 0:
                    raise ValueError(f"it holds {count!r} values in bucket {key!r}")
                histogram._buckets[int(key)] = count
            held = sum(histogram._buckets.values())
            if held != _whole(data["count"]):
                raise ValueError(f"its buckets hold {held} values, not {data['count']}")
            histogram.count = held
            histogram._billionths = _whole(data["billionths"])
            if held:
                histogram.min, histogram.max = float(data["min"]), float(data["max"])
                if not 0.0 <= histogram.min <= histogram.max <= HIGHEST:
                    raise ValueError(f"min {histogram.min}, max {histogram.max}")
        except KeyError as error:
            raise ValueError(f"not a histogram: {error} is missing") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"not a histogram: {error}") from error
        return histogram

    def dumps(self) -> str:
        """The compact form: one JSON list, its buckets as pairs of (gap, count).

        >>> Histogram([1.0, 1.0, 1.05]).dumps()
        '[1,3050000000,1.0,1.05,1047,2,2,1]'
        """
        flat: list[float | None] = [VERSION, self._billionths, self.min, self.max]
        previous = 0
        for index, count in sorted(self._buckets.items()):
            flat += [index - previous, count]
            previous = index
        return json.dumps(flat, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Self:
        """The histogram that :meth:`dumps` wrote.

        >>> Histogram.loads('[1,3050000000,1.0,1.05,1047,2,2,1]').count
        3
        >>> Histogram.loads("[]")
        Traceback (most recent call last):
        ...
        ValueError: not a histogram: '[]'
        """
        try:
            version, billionths, low, high, *pairs = json.loads(text)
            buckets: Counter[str] = Counter()
            index = 0
            for gap, count in zip(pairs[::2], pairs[1::2], strict=True):
                index += _whole(gap)
                buckets[str(index)] += _whole(count)
        except (TypeError, ValueError) as error:
            raise ValueError(f"not a histogram: {text[:40]!r}") from error
        return cls.from_dict(
            {
                "version": version,
                "count": sum(buckets.values()),
                "billionths": billionths,
                "min": low,
                "max": high,
                "buckets": buckets,
            }
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Histogram of {self.count}: {self.min} … {self.max}>"


def _middle(index: int) -> float:
    """The value that is relatively nearest to all of a bucket."""
    return RESOLUTION * GROWTH**index * 2 / (1 + GROWTH) if index else 0.0


def _whole(number: Any) -> int:
    """A count read from outside: a whole number that is not negative."""
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no count")
    return number
