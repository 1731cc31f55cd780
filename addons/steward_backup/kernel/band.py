"""Whether a number is what it usually is: median and MAD, which outliers do not move.

>>> sizes = [100, 101, 99, 103, 102, 900]
>>> band = usual(sizes, share=0.3)
>>> band.low, band.high
(71.05, 131.95)
>>> band.side(60), band.side(104), band.side(140)
('low', '', 'high')
>>> print(usual([100, 101, 99], share=0.3))  # of three nobody knows what is usual
None
"""

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

NEEDED = 5  # numbers, before anything is usual
SPREAD = 4 * 1.4826  # MADs; 1.4826 of them are a standard deviation of normal numbers


class Band(NamedTuple):
    """Between these, a number is usual."""

    low: float
    middle: float
    high: float

    def side(self, value: float) -> str:
        """On which side of the band a number lies: low, high, or "" inside."""
        if value < self.low:
            return "low"
        return "high" if value > self.high else ""


def usual(history: Iterable[float], share: float, floor: float = 0.0) -> Band | None:
    """The band of what was usual; None as long as too little is known.

    :param history: the last ones, without the number that is judged
    :param share: of the median: so much off is usual in any case
    :param floor: so much off is usual in any case, in the number's own unit
    """
    numbers = list(history)
    if len(numbers) < NEEDED:
        return None
    middle = median(numbers)
    mad = median(abs(number - middle) for number in numbers)
    reach = max(SPREAD * mad, share * abs(middle), floor)
    return Band(middle - reach, middle, middle + reach)
