"""Statistics for rollouts and experiments that are looked at while they run.

Two habits run through this module:

- **Too little data is unknown.** Such a function answers ``None`` or ``"unknown"``,
  takes ``None`` for an answer from the one before, and never says that all is well.
- **Looking is free.** The sequential bounds hold at *every* look at once. A plain
  z-test that is checked every 20 observations cries wolf in 37 % of harmless
  experiments.

>>> control, canary = Moments.of_binary(5, 200), Moments.of_binary(60, 200)
>>> change = difference(canary.estimate(), control.estimate())
>>> low, high = sequential_interval(change)
>>> f"{change.value:.3f}, surely from {low:.2f} to {high:.2f}"
'0.275, surely from 0.17 to 0.38'
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple, Self

ALPHA = 0.05  # the share of harmless experiments that may raise a false alarm
HORIZON = 500  # N*, the number of units at which a sequential bound is tightest
MIN_PER_ARM = 30  # units before a guardrail is judged at all
MIN_EXPECTED = 8  # units per arm before an uneven split can be told from chance
SRM_THRESHOLD = 0.001  # p below which a split is called uneven


class Interval(NamedTuple):
    """What the true value lies within.

    >>> low, high = wilson(7, 10)
    >>> low < 0.7 < high
    True
    """

    low: float
    high: float


class Estimate(NamedTuple):
    """A measured value, its standard error, and the units that it rests upon.

    >>> Moments.of([1.0, 2.0, 2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0]).estimate()
    Estimate(value=2.0, error=0.16666666666666666, units=9)
    """

    value: float
    error: float
    units: float


@dataclass
class Moments:
    """Count, mean and variance of a stream, one value at a time (Welford 1962).

    Mergeable (Chan, Golub, LeVeque 1979), so each worker keeps its own; numerically
    stable, unlike sums of squares.

    >>> moments = Moments.of([2.0, 4.0, 9.0])
    >>> moments.count, moments.mean, moments.variance
    (3, 5.0, 13.0)
    >>> Moments.of([2.0]).merge(Moments.of([4.0, 9.0])).variance
    13.0
    >>> print(Moments.of([2.0]).variance)  # of one value nobody knows the spread
    None
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # the sum of squared distances from the mean

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The moments of some values."""
        moments = cls()
        for value in values:
            moments.add(value)
        return moments

    @classmethod
    def of_binary(cls, events: int, units: int) -> Self:
        """The moments of ``units`` zeros and ones, ``events`` of them ones.

        >>> Moments.of_binary(1, 4), Moments.of([0, 0, 0, 1]).variance
        (Moments(count=4, mean=0.25, squares=0.75), 0.25)
        """
        if not 0 <= events <= units:
            raise ValueError(f"{events} events in {units} units")
        share = events / units if units else 0.0
        return cls(units, share, units * share * (1 - share))

    def add(self, value: float) -> None:
        """Count one value; one that is not finite would spoil all that follow."""
        if not math.isfinite(value):
            raise ValueError(f"a finite number is expected, not {value!r}")
        self.count += 1
        distance = value - self.mean
        self.mean += distance / self.count
        self.squares += distance * (value - self.mean)

    def merge(self, other: "Moments") -> Self:
        """Add the other's values to these, and return these."""
        if count := self.count + other.count:
            distance = other.mean - self.mean
            self.squares += other.squares
            self.squares += distance * distance * self.count * other.count / count
            self.mean += distance * other.count / count
            self.count = count
        return self

    @property
    def variance(self) -> float | None:
        """The sample variance, or None below two values."""
        return self.squares / (self.count - 1) if self.count > 1 else None

    def estimate(self) -> Estimate | None:
        """The mean with its standard error, or None below two values.

        >>> Moments.of_binary(50, 100).estimate().value
        0.5
        """
        if (variance := self.variance) is None:
            return None
        return Estimate(self.mean, math.sqrt(variance / self.count), self.count)


@dataclass
class Pairs:
    """Moments of two numbers per unit, for ratios and for CUPED; mergeable.

    A *unit* is what was assigned (a user, a session), not a single call: calls of one
    user resemble each other, and counting them singly claims a certainty nobody has.

    >>> cost_per_call = Pairs.of([(4, 0.8), (1, 0.3), (5, 1.0)])  # (calls, cost)
    >>> cost_per_call.ratio()
    Estimate(value=0.21000000000000002, error=0.013527749258468646, units=3)
    """

    x: Moments
    y: Moments
    products: float = 0.0  # the sum of products of the distances from the means

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]] = ()) -> Self:
        """The moments of some pairs."""
        moments = cls(Moments(), Moments())
        for x, y in pairs:
            moments.add(x, y)
        return moments

    def add(self, x: float, y: float) -> None:
        """Count one unit."""
        before = x - self.x.mean
        self.x.add(x)
        self.y.add(y)
        self.products += before * (y - self.y.mean)

    def merge(self, other: "Pairs") -> Self:
        """Add the other's units to these, and return these."""
        if count := self.x.count + other.x.count:
            weight = self.x.count * other.x.count / count
            apart = (other.x.mean - self.x.mean) * (other.y.mean - self.y.mean)
            self.products += other.products + apart * weight
        self.x.merge(other.x)
        self.y.merge(other.y)
        return self

    def ratio(self) -> Estimate | None:
        """The sum of y over the sum of x, its error by the delta method.

        Deng, Knoblich, Lu 2018, https://arxiv.org/abs/1803.06336, formula 3. None below
        two units or when x sums to zero.

        >>> print(Pairs.of([(0, 1.0), (0, 2.0)]).ratio())
        None
        """
        x, y = self.x, self.y
        if x.count < 2 or not x.mean:
            return None
        ratio = y.mean / x.mean
        spread = y.squares - 2 * ratio * self.products + ratio * ratio * x.squares
        # the spread of y - ratio x: below zero only by rounding
        variance = max(0.0, spread) / (x.count - 1) / x.count
        return Estimate(ratio, math.sqrt(variance) / abs(x.mean), x.count)


def cuped(treatment: Pairs, control: Pairs) -> tuple[Estimate | None, Estimate | None]:
    """Each arm's mean of y, freed from what x (the same before the start) foretold.

    Deng, Xu, Kohavi, Walker 2013, https://exp-platform.com/cuped: the difference stays
    the same on average, its error shrinks by the correlation of before and after. The
    slope is shared by both arms and taken within them, so an effect does not leak in.

    >>> before_after = [(1, 11), (2, 12), (3, 13), (4, 14.5)]
    >>> control = Pairs.of(before_after)
    >>> treatment = Pairs.of((x, y + 1) for x, y in before_after)
    >>> plain = difference(treatment.y.estimate(), control.y.estimate(), minimum=4)
    >>> freed = difference(*cuped(treatment, control), minimum=4)
    >>> round(plain.value, 6), round(freed.value, 6), plain.error > 5 * freed.error
    (1.0, 1.0, True)
    """
    arms = treatment, control
    spread = sum(arm.x.squares for arm in arms)
    slope = sum(arm.products for arm in arms) / spread if spread else 0.0
    count = sum(arm.x.count for arm in arms)
    center = sum(arm.x.mean * arm.x.count for arm in arms) / count if count else 0.0

    def freed(arm: Pairs) -> Estimate | None:
        squares = arm.y.squares - 2 * slope * arm.products + slope**2 * arm.x.squares
        mean = arm.y.mean - slope * (arm.x.mean - center)
        return Moments(arm.y.count, mean, max(0.0, squares)).estimate()

    return freed(treatment), freed(control)


def difference(
    treatment: Estimate | None,
    control: Estimate | None,
    margin: float = 0.0,
    minimum: float = MIN_PER_ARM,
) -> Estimate | None:
    """The treatment's value minus (1 + margin) times the control's.

    A margin asks "worse by more than 10 %?" without dividing by a noisy control. The
    units are ``4 nA nB / (nA + nB)``: two equal arms count in full, a small canary
    beside a large control counts little more than four times the canary.

    None when an arm has fewer than ``minimum`` units: what follows takes the mean for
    normal and the spread for known, which a handful of units does not warrant.

    >>> canary, control = Moments.of_binary(6, 50), Moments.of_binary(9, 450)
    >>> difference(canary.estimate(), control.estimate())
    Estimate(value=0.09999999999999999, error=0.04689087973224157, units=180.0)
    >>> print(difference(Moments.of_binary(6, 20).estimate(), control.estimate()))
    None
    """
    if treatment is None or control is None:
        return None
    if min(treatment.units, control.units) < minimum:
        return None
    factor = 1.0 + margin
    return Estimate(
        treatment.value - factor * control.value,
        math.hypot(treatment.error, factor * control.error),
        4 * treatment.units * control.units / (treatment.units + control.units),
    )


def sequential_interval(
    estimate: Estimate | None, alpha: float = ALPHA, horizon: float = HORIZON
) -> Interval | None:
    """The asymptotic confidence sequence: an interval that holds at all looks at once.

    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, https://arxiv.org/abs/2103.06476,
    theorem 2.2; it is tightest around ``horizon`` units. None when nothing varied yet
    (no event in either arm): that says nothing about the next hundred units.

    >>> sequential_interval(Estimate(0.25, 0.04, 400))
    Interval(low=0.12838505150151835, high=0.37161494849848165)
    """
    if estimate is None or not estimate.error:
        return None
    growth = _growth(alpha, horizon) * estimate.units
    radius = estimate.error * math.sqrt(
        2 * (growth + 1) / growth * math.log(math.sqrt(growth + 1) / alpha)
    )
    return Interval(estimate.value - radius, estimate.value + radius)


def sequential_lower_bound(
    estimate: Estimate, alpha: float = ALPHA, horizon: float = HORIZON
) -> float:
    """What the true value is above, at all looks at once (one-sided, the same paper).

    >>> sequential_lower_bound(Estimate(0.25, 0.04, 400))
    0.13851373151125762
    """
    growth = _growth(2 * alpha, horizon) * estimate.units
    return estimate.value - estimate.error * math.sqrt(
        2 * (growth + 1) / growth * math.log1p(math.sqrt(growth + 1) / (2 * alpha))
    )


def sequential_p_value(
    estimate: Estimate | None, alpha: float = ALPHA, horizon: float = HORIZON
) -> float | None:
    """A p-value that may be looked at any time: below ``alpha`` exactly when
    :func:`sequential_interval` excludes zero; feed it to :func:`holm`.

    >>> sequential_p_value(Estimate(0.25, 0.04, 400)) < 0.001
    True
    >>> sequential_p_value(Estimate(0.0, 0.04, 400))
    1.0
    """
    if estimate is None or not estimate.error:
        return None
    growth = _growth(alpha, horizon) * estimate.units
    z = estimate.value / estimate.error
    log_p = math.log(growth + 1) / 2 - z * z * growth / (2 * (growth + 1))
    return math.exp(min(0.0, log_p))


def _growth(alpha: float, horizon: float) -> float:
    """The paper's rho squared, which makes the bound tightest at the horizon."""
    if not 0 < alpha < 1 or not horizon > 0:
        raise ValueError(f"alpha {alpha!r}, horizon {horizon!r}")
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / horizon


Verdict = Literal["harm", "clear", "unknown"]


class Guardrail(NamedTuple):
    """A measure that a canary must not worsen by more than the margin.

    >>> errors = Guardrail(
    ...     Moments.of_binary(18, 40).estimate(), Moments.of_binary(3, 200).estimate()
    ... )
    >>> cost = Guardrail(Estimate(0.12, 0.01, 40), Estimate(0.11, 0.01, 200), 0.10)
    >>> canary_verdict({"error": errors, "cost": cost})
    CanaryVerdict(verdict='harm', guardrails={'error': 'harm', 'cost': 'clear'})
    """

    canary: Estimate | None
    control: Estimate | None
    margin: float = 0.0  # the share of the control's value that is tolerated
    better: Literal["lower", "higher"] = "lower"


class CanaryVerdict(NamedTuple):
    """What the guardrails say together, and each by itself."""

    verdict: Verdict
    guardrails: dict[str, Verdict]


def canary_verdict(
    guardrails: Mapping[str, Guardrail],
    alpha: float = ALPHA,
    horizon: float = HORIZON,
    minimum: int = MIN_PER_ARM,
) -> CanaryVerdict:
    """Whether a canary does harm, at any look, with alpha split across the guardrails.

    One harm suffices for "harm"; one unknown (fewer than ``minimum`` units in an arm,
    or no guardrail at all) keeps the whole from being "clear".

    >>> few = Guardrail(Estimate(1.0, 0.0, 3), Estimate(0.0, 0.0, 300))
    >>> canary_verdict({"error": few}).verdict
    'unknown'
    """
    verdicts = {
        name: _judge(guardrail, alpha / len(guardrails), horizon, minimum)
        for name, guardrail in guardrails.items()
    }
    found = set(verdicts.values())
    if "harm" in found:
        return CanaryVerdict("harm", verdicts)
    return CanaryVerdict("clear" if found == {"clear"} else "unknown", verdicts)


def _judge(guardrail: Guardrail, alpha: float, horizon: float, minimum: int) -> Verdict:
    canary, control, margin, better = guardrail
    worse = difference(
        canary, control, margin if better == "lower" else -margin, minimum
    )
    if worse is None or control is None:
        return "unknown"
    if better == "higher":
        worse = worse._replace(value=-worse.value)
    bound = sequential_lower_bound(worse, alpha, horizon)
    # two constants may differ in their last bit, with no spread to cover it
    return "harm" if bound > 1e-9 * abs(control.value) else "clear"


class SampleRatio(NamedTuple):
    """Whether units arrived in the arms as planned, and how surprising that is."""

    verdict: Literal["ok", "mismatch", "unknown"]
    p_value: float | None


def sample_ratio(
    units: Sequence[int],
    weights: Sequence[float],
    threshold: float = SRM_THRESHOLD,
    minimum: float = MIN_EXPECTED,
) -> SampleRatio:
    """The sample ratio mismatch check: do the arms have the sizes that were planned?

    If not, assignment or logging lost units, and no result can be believed. Fabijan et
    al. 2019, https://dl.acm.org/doi/10.1145/3292500.3330722.

    >>> sample_ratio([5_020, 4_980], [1, 1]).verdict
    'ok'
    >>> sample_ratio([5_200, 4_800], [1, 1])
    SampleRatio(verdict='mismatch', p_value=6.334248366623984e-05)
    >>> sample_ratio([9, 0], [1, 1])  # fewer than 8 expected in an arm
    SampleRatio(verdict='unknown', p_value=None)
    """
    total, whole = sum(units), math.fsum(weights)
    if not all(0 < weight < math.inf for weight in weights):
        raise ValueError(f"weights are positive, unlike {list(weights)}")
    pairs = [
        (seen, total * weight / whole)
        for seen, weight in zip(units, weights, strict=True)
    ]
    if len(pairs) < 2 or min(expected for _, expected in pairs) < minimum:
        return SampleRatio("unknown", None)
    statistic = math.fsum((seen - fair) ** 2 / fair for seen, fair in pairs)
    p_value = chi_square_survival(statistic, len(pairs) - 1)
    return SampleRatio("mismatch" if p_value < threshold else "ok", p_value)


def chi_square_survival(statistic: float, degrees: int) -> float:
    """The chance that chi-square with some degrees of freedom exceeds the statistic.

    It is the regularized upper incomplete gamma function Q(degrees/2, statistic/2): by
    its series (https://dlmf.nist.gov/8.7.E1) left of the mean, right of it by its
    continued fraction (https://dlmf.nist.gov/8.9.E2), where each converges fast.

    >>> round(chi_square_survival(3.841459, 1), 6)
    0.05
    """
    if degrees < 1 or not statistic >= 0:
        raise ValueError(f"statistic {statistic!r} with {degrees!r} degrees of freedom")
    a, x = degrees / 2, statistic / 2
    if not x:
        return 1.0
    if math.isinf(x):
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = 1
        while term > total * 1e-17:
            term *= x / (a + n)
            total += term
            n += 1
        return 1 - front * total
    # Lentz's method as in Numerical Recipes 6.2; the fraction's terms never vanish here
    b = x + 1 - a
    c, d = math.inf, 1 / b
    fraction = d
    n = 1
    while abs(c * d - 1) > 1e-15:
        factor = -n * (n - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction *= c * d
        n += 1
    return front * fraction


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: the chance of *any* false finding stays below alpha.

    Holm 1979; for several variants of one experiment.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(_ascending(p_values)):
        highest = max(highest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: the *share* of false findings stays below alpha.

    Benjamini, Hochberg 1995; for a search through many candidate causes.

    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.5])
    [0.04, 0.04, 0.04, 0.5]
    """
    adjusted = [0.0] * len(p_values)
    lowest = 1.0
    for rank, i in reversed(list(enumerate(_ascending(p_values), start=1))):
        lowest = min(lowest, p_values[i] * len(p_values) / rank)
        adjusted[i] = lowest
    return adjusted


def _ascending(p_values: Sequence[float]) -> list[int]:
    """The positions of the p-values, smallest first."""
    if not all(0 <= p_value <= 1 for p_value in p_values):
        raise ValueError(f"p-values lie from 0 to 1, unlike {list(p_values)}")
    return sorted(range(len(p_values)), key=p_values.__getitem__)


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """The two-sided p-value of the table ``[[a, b], [c, d]]``, exact for small counts.

    The sum of all tables with these margins that are no likelier than the one seen, as
    R's ``fisher.test`` and scipy define it. One look at a planned end, no peeking.

    >>> round(fisher_exact(8, 2, 1, 5), 4)
    0.035
    """
    if min(a, b, c, d) < 0:
        raise ValueError(f"counts are not negative, unlike {(a, b, c, d)}")
    row, column, total = a + b, a + c, a + b + c + d

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    def log_chance(k: int) -> float:
        inside = log_choose(column, k) + log_choose(total - column, row - k)
        return inside - log_choose(total, row)

    # equally likely tables differ in their last bits; R uses this tolerance, too
    limit = log_chance(a) + 1e-7
    chances = map(log_chance, range(max(0, row + column - total), min(row, column) + 1))
    return min(1.0, math.fsum(math.exp(p) for p in chances if p <= limit))


def wilson(events: int, units: int, confidence: float = 0.95) -> Interval | None:
    """The interval of a share that stays sensible for few units and shares near 0 or 1.

    Wilson 1927; for display and one look, not for a decision that is looked at often.

    >>> wilson(0, 10)
    Interval(low=0.0, high=0.27753279986288915)
    >>> print(wilson(0, 0))
    None
    """
    if not 0 <= events <= units:
        raise ValueError(f"{events} events in {units} units")
    if not units:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, per_unit = events / units, z * z / units
    center = (share + per_unit / 2) / (1 + per_unit)
    spread = share * (1 - share) / units + per_unit / units / 4
    radius = z / (1 + per_unit) * math.sqrt(spread)
    # exactly 0 and 1 at the ends, where rounding would leave a trace
    return Interval(
        center - radius if events else 0.0,
        center + radius if events < units else 1.0,
    )
