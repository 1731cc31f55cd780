"""What the calls that failed have in common, and those that worked do not.

>>> failed = [{"model": "res.partner", "values": {"name": n, "fax": "7"}} for n in "ab"]
>>> worked = [{"model": "res.partner", "values": {"name": n}} for n in "abcdefgh"]
>>> found = contrast(failed, worked, "values: res.partner has no field 'fax'")
>>> found.conditions
[{'path': 'values.fax', 'is': 'present'}]
>>> found.change
{'drop': ['values.fax']}
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, NamedTuple

from .cause import CIRCLE, cause_of
from .guardrail import KINDS, Condition, Guard, kind_of
from .trace import JSON, MISSING, Step, Trace, at, leaves

MOST: Final = 0.02  # of the good calls, that a guardrail may meet
ENOUGH: Final = 3  # good calls, before a limit between good and bad can be told
USUAL: Final = 0.9  # of the good calls have it: the others lack it
LONGEST: Final = 200  # characters of a value that is compared
CONDITIONS: Final = 3  # that tell failed calls from good ones, at most
WAIT: Final = 30  # seconds until a service that failed may be back
_WORD: Final = re.compile(r"\w+")

# the plainest first: of several that tell calls apart, one that people understand
_RANK: Final = ("missing", "empty", "not_kind", "above", "below", "longer", "present")


class Contrast(NamedTuple):
    """What tells failed calls from good ones.

    :param conditions: as a guardrail's definition has them
    :param share: of the good calls that fit them all the same; None: there are none
    :param change: what would have made good calls of the failed, if that is known
    """

    conditions: list[dict[str, JSON]]
    share: float | None
    change: dict[str, JSON]


class _Candidate(NamedTuple):
    condition: Condition
    named: bool  # whether the error's message speaks of it
    hits: frozenset[int]  # of the good calls


def contrast(
    failed: Sequence[JSON], worked: Sequence[JSON], message: str
) -> Contrast | None:
    """The fewest conditions that all failed calls fit, and few of the good.

    :param failed: arguments of the calls that failed alike
    :param worked: arguments of calls of the same tool that worked
    :return: None when nothing tells them apart
    """
    candidates = _candidates(failed, worked, message)
    chosen: list[_Candidate] = []
    left = frozenset(range(len(worked)))
    if worked:
        while len(left) > MOST * len(worked) and len(chosen) < CONDITIONS:
            best = min(
                candidates,
                key=lambda one: (len(one.hits & left), not one.named, _rank(one)),
                default=None,
            )
            if best is None or len(best.hits & left) == len(left):
                return None
            chosen.append(best)
            left &= best.hits
        if len(left) > MOST * len(worked):
            return None
    else:
        # as narrow as what is known: exactly like those that failed
        same = [one for one in candidates if one.condition.operator == "equal"]
        other = [one for one in candidates if one.named and one not in same]
        chosen = [*other[:1], *sorted(same, key=lambda one: not one.named)[:CONDITIONS]]
    if not chosen:
        return None
    return Contrast(
        [_told(one.condition) for one in chosen],
        len(left) / len(worked) if worked else None,
        _change(chosen[0].condition, worked) if worked else {},
    )


def _rank(one: _Candidate) -> tuple[int, int]:
    operator = one.condition.operator
    place = _RANK.index(operator) if operator in _RANK else len(_RANK)
    return place, len(one.condition.path)


def _told(condition: Condition) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "path": ".".join(condition.path),
        "is": condition.operator,
    }
    if condition.operator not in ("present", "missing", "empty"):
        told["value"] = condition.value
    return told


def _candidates(
    failed: Sequence[JSON], worked: Sequence[JSON], message: str
) -> list[_Candidate]:
    said = set(_WORD.findall(message.lower()))
    found = []
    for condition in dict.fromkeys(_conditions(failed, worked, said)):
        if all(condition.holds(given) for given in failed):
            hits = frozenset(n for n, ok in enumerate(worked) if condition.holds(ok))
            named = condition.path[-1].lower() in said
            found.append(_Candidate(condition, named, hits))
    return found


def _conditions(
    failed: Sequence[JSON], worked: Sequence[JSON], said: Collection[str]
) -> Iterator[Condition]:
    first = failed[0]
    for path in _paths(first):
        way = tuple(path.split("."))
        values = [at(given, path) for given in failed]
        good = [value for given in worked if (value := at(given, path)) is not MISSING]
        yield Condition(way, "present", None)
        yield Condition(way, "empty", None)
        value = values[0]
        if isinstance(value, str | int) and len(str(value)) <= LONGEST:
            yield Condition(way, "equal", value)
        yield from _beyond(way, values, good, said)
    counts = Counter(path for given in worked for path in set(_paths(given)))
    for path, count in counts.items():
        if count >= USUAL * len(worked) and len(worked) >= ENOUGH:
            yield Condition(tuple(path.split(".")), "missing", None)


def _beyond(
    way: tuple[str, ...],
    values: Sequence[JSON],
    good: Sequence[JSON],
    said: Collection[str],
) -> Iterator[Condition]:
    """Limits that good calls keep: of kind, of size, of length."""
    if len(good) < ENOUGH:
        return
    kinds = {kind_of(value) for value in good}
    if len(kinds) != 1:
        return
    kind = kinds.pop()
    yield Condition(way, "not_kind", kind)
    if kind == "number":
        numbers = [value for value in values if kind_of(value) == kind]
        yield Condition(way, "above", _limit(max(good), numbers, said, min))
        yield Condition(way, "below", _limit(min(good), numbers, said, max))
    elif kind in ("text", "list") and all(
        isinstance(value, KINDS[kind])  # type: ignore[arg-type]
        for value in values
    ):
        yield Condition(way, "longer", max(map(len, good)))


def _limit(
    good: float,
    bad: Sequence[float],
    said: Collection[str],
    nearest: Callable[[Sequence[float]], float],
) -> float:
    """The limit that the error's message names, or else the last good value.

    >>> _limit(120, [5000], {"from", "1", "to", "1000"}, min)
    1000
    >>> _limit(120, [5000], set(), min)
    120
    """
    named = [int(word) for word in said if word.isdigit() and len(word) < 10]
    low, high = sorted((good, nearest(bad))) if bad else (good, good)
    between = [number for number in named if low <= number <= high]
    return next((n for n in between if n not in bad), good)


def _paths(given: JSON) -> Iterator[str]:
    """Where values stand; within a list they have no name."""
    seen = set()
    for path, _value in leaves(given):
        parts = path.split(".")
        cut = next((n for n, part in enumerate(parts) if part.isdigit()), len(parts))
        for end in range(1, cut + 1):
            name = ".".join(parts[:end])
            if name and name not in seen:
                seen.add(name)
                yield name


def _change(condition: Condition, worked: Sequence[JSON]) -> dict[str, JSON]:
    """What makes a good call of one that fits the condition, where that is plain."""
    path = ".".join(condition.path)
    good = [value for given in worked if (value := at(given, path)) is not MISSING]
    if condition.operator == "present" and not good:
        return {"drop": [path]}
    if condition.operator in ("above", "below"):
        return {"set": {path: condition.value}}
    if len(good) >= ENOUGH and all(value == good[0] for value in good):
        return {"set": {path: good[0]}}
    return {}


# --- a guardrail against a cause ------------------------------------------------------


class Proposal(NamedTuple):
    """A guardrail that would have kept a failure from happening."""

    action: str
    definition: dict[str, JSON]


def proposal(
    category: str, failed: Sequence[Trace], good: Sequence[Trace]
) -> Proposal | None:
    """What to check before which step; None where code can tell nothing.

    Money is no case for a guardrail: budgets are that.

    :param failed: runs that failed alike
    :param good: runs that used the same tools and were fine
    """
    if circles := [circle for trace in failed if (circle := _circle(trace))]:
        return Proposal(
            "block", {"tool": circles[-1], "context": {"repeats": CIRCLE - 1}}
        )
    ends = [step for trace in failed if (step := _end(trace)) is not None]
    if not ends or category == "budget":
        return None
    step = ends[-1]
    if category == "external":
        return Proposal(
            "retry", {"tool": step.name, "context": {"failures": 1}, "wait": WAIT}
        )
    calls = [one for trace in good for one in trace.calls() if one.name == step.name]
    known = [one.given for one in ends if one.given is not None]
    if not known or len(known) < len(ends):
        return None
    worked = [one.given for one in calls if one.ok and one.given is not None]
    model = at(known[0], "model")
    of_model: list[dict[str, JSON]] = []
    if isinstance(model, str) and all(at(one, "model") == model for one in known):
        of_model = [{"path": "model", "is": "equal", "value": model}]
        worked = [given for given in worked if at(given, "model") == model]
    found = contrast(known, worked, step.message)
    if found is None:
        return None
    told = [one for one in found.conditions if one["path"] != "model"]
    definition: dict[str, JSON] = {"tool": step.name, "arguments": of_model + told}
    if category == "rights":
        definition["context"] = {"agents": sorted({trace.agent for trace in failed})}
        return Proposal("block", definition)
    if found.change:
        return Proposal("rewrite", {**definition, "change": found.change})
    return Proposal("warn" if category == "prompt" else "block", definition)


def _circle(trace: Trace) -> str:
    """The tool that a run called over and over, if that was why it failed."""
    cause = cause_of(trace)
    return cause.place if cause and cause.why == "circle" else ""


def _end(trace: Trace) -> Step | None:
    """The call that failed."""
    return next((step for step in reversed(trace.calls()) if not step.ok), None)


def guard_of(made: Proposal) -> Guard:
    """A proposal as it is checked.

    >>> guard_of(Proposal("block", {"tool": "pay"})).tool
    'pay'
    """
    return Guard.of(0, made.action, made.definition)  # type: ignore[arg-type]
