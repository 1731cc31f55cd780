"""Guardrails: what is checked by code before a step, so that a failure stays the last.

A guardrail says for which calls it is there (tool, arguments, what the run did so far)
and what happens then.

>>> guards = Guards([
...     Guard.of(1, "rewrite", {
...         "tool": "create_record",
...         "arguments": [
...             {"path": "model", "is": "equal", "value": "res.partner"},
...             {"path": "values.fax", "is": "present"},
...         ],
...         "change": {"drop": ["values.fax"]},
...     }),
... ])
>>> call = Call("create_record", {"model": "res.partner", "values": {"fax": "7"}})
>>> [guard.id for guard in guards.met(call)]
[1]
>>> guards.met(call)[0].changed(call.arguments)
{'model': 'res.partner', 'values': {}}
>>> guards.met(call._replace(tool="write_records"))
[]

There are no regular expressions in them: whatever somebody writes, a look takes no
longer than a look should.
"""

import copy
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from .trace import JSON, MISSING, Trace, at

Action = Literal["block", "approve", "rewrite", "warn", "retry"]
ACTIONS: Final = [
    ("block", "Block"),
    ("approve", "Ask a person"),
    ("rewrite", "Put it right"),
    ("warn", "Warn"),
    ("retry", "Wait, then try"),
]
MOST_CONDITIONS: Final = 20
MOST_TEXT: Final = 1000  # characters of a value
LONGEST_WAIT: Final = 24 * 3600  # seconds
MOST_BEFORE: Final = 100  # calls of a run that count

KINDS: Final = {
    "text": str,
    "number": (int, float),
    "list": list,
    "object": dict,
    "boolean": bool,
    "nothing": type(None),
}


def kind_of(value: JSON) -> str:
    """What a value is, in words.

    >>> kind_of("a"), kind_of(True), kind_of(3), kind_of(None)
    ('text', 'boolean', 'number', 'nothing')
    """
    if isinstance(value, bool):
        return "boolean"
    return next(name for name, kind in KINDS.items() if isinstance(value, kind))  # type: ignore[arg-type]


def _number(value: JSON) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else None


def _above(value: JSON, limit: JSON) -> bool:
    number = _number(value)
    return number is not None and number > limit


def _below(value: JSON, limit: JSON) -> bool:
    number = _number(value)
    return number is not None and number < limit


def _longer(value: JSON, limit: JSON) -> bool:
    return isinstance(value, str | list | dict) and len(value) > limit


def _like(value: JSON, pattern: JSON) -> bool:
    return isinstance(value, str) and fnmatchcase(value[:MOST_TEXT], pattern)


def _same(value: JSON, other: JSON) -> bool:
    return type(value) is type(other) and bool(value == other)


# what may be asked of the value that a path leads to
OPERATORS: Final[Mapping[str, Callable[[JSON, JSON], bool]]] = {
    "present": lambda value, _other: value is not MISSING,
    "missing": lambda value, _other: value is MISSING,
    "empty": lambda value, _other: value in (None, "", [], {}) and value is not False,
    "equal": _same,
    "different": lambda value, other: not _same(value, other),
    "among": lambda value, others: any(_same(value, other) for other in others),
    "not_among": lambda value, others: not any(_same(value, one) for one in others),
    "above": _above,
    "below": _below,
    "longer": _longer,
    "like": _like,
    "kind": lambda value, kind: value is not MISSING and kind_of(value) == kind,
    "not_kind": lambda value, kind: value is not MISSING and kind_of(value) != kind,
}
_NEEDS: Final = {
    **dict.fromkeys(("among", "not_among"), "list"),
    **dict.fromkeys(("above", "below", "longer"), "number"),
    **dict.fromkeys(("like", "kind", "not_kind"), "text"),
}


class Call(NamedTuple):
    """What is about to be done.

    :param agent: its code
    :param before: what the run did so far, as `Before`; asked only when a guardrail
        wants to know
    """

    tool: str
    arguments: JSON
    agent: str = ""
    kind: str = "playbook"
    company: int | None = None
    before: Callable[[], "Before"] | None = None


class Before(NamedTuple):
    """The calls of a run so far: tool, arguments as text, and whether it worked.

    :param same: the text that this very call would have
    """

    calls: Sequence[tuple[str, str | None, bool]] = ()
    same: str = ""

    def failures(self, tool: str) -> int:
        """How often a tool failed.

        >>> Before((("a", "{}", False), ("a", "{}", True))).failures("a")
        1
        """
        return sum(1 for name, _given, ok in self.calls if name == tool and not ok)

    def repeats(self, tool: str) -> int:
        """How often this very call was made.

        >>> Before([("a", "{1}", True), ("a", "{2}", True)], "{2}").repeats("a")
        1
        """
        wanted = (tool, self.same)
        return sum(1 for name, given, _ok in self.calls if (name, given) == wanted)


def key(arguments: JSON) -> str:
    """The same text for the same arguments."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"))


class Condition(NamedTuple):
    """One thing that must hold of the arguments."""

    path: tuple[str, ...]
    operator: str
    value: JSON

    def holds(self, arguments: JSON) -> bool:
        """Whether it holds.

        >>> Condition(("limit",), "above", 100).holds({"limit": 500})
        True
        """
        return OPERATORS[self.operator](at(arguments, self.path), self.value)


class Guard(NamedTuple):
    """One guardrail as it is checked.

    :param tool: a name, or a pattern with ``*``
    :param failures: how often the tool failed in this run before
    :param repeats: how often this very call was made in this run before
    :param wait: seconds
    """

    id: int
    action: Action
    tool: str
    conditions: tuple[Condition, ...] = ()
    agents: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    company: int | None = None
    failures: int = 0
    repeats: int = 0
    change: Mapping[str, JSON] = {}
    wait: float = 0

    @classmethod
    def of(
        cls, id_: int, action: Action, definition: Mapping[str, JSON], company: int = 0
    ) -> "Guard":
        """A guardrail of its definition, which is sound; see `problems`."""
        context = definition.get("context", {})
        return cls(
            id_,
            action,
            definition["tool"],
            tuple(
                Condition(tuple(c["path"].split(".")), c["is"], c.get("value"))
                for c in definition.get("arguments", ())
            ),
            frozenset(context.get("agents", ())),
            frozenset(context.get("kinds", ())),
            company or None,
            context.get("failures", 0),
            context.get("repeats", 0),
            definition.get("change", {}),
            definition.get("wait", 0),
        )

    def meets(self, call: Call) -> bool:
        """Whether it is there for this call; what costs most is asked last."""
        if self.company and self.company != call.company:
            return False
        if self.agents and call.agent not in self.agents:
            return False
        if self.kinds and call.kind not in self.kinds:
            return False
        for condition in self.conditions:
            if not condition.holds(call.arguments):
                return False
        if not (self.failures or self.repeats):
            return True
        before = call.before() if call.before else Before()
        return (
            before.failures(call.tool) >= self.failures
            and before.repeats(call.tool) >= self.repeats
        )

    def changed(self, arguments: JSON) -> JSON:
        """The arguments as they should be.

        >>> change = {"set": {"limit": 80, "values.a.b": 1}}
        >>> guard = Guard(1, "rewrite", "find", change=change)
        >>> guard.changed({"limit": 5000, "values": {}})
        {'limit': 80, 'values': {'a': {'b': 1}}}
        """
        changed = copy.deepcopy(arguments)
        for path in self.change.get("drop", ()):
            *way, last = path.split(".")
            place = at(changed, tuple(way)) if way else changed
            if isinstance(place, dict):
                place.pop(last, None)
        for path, value in self.change.get("set", {}).items():
            *way, last = path.split(".")
            place = changed
            for name in way:
                if isinstance(place, dict):
                    place = place.setdefault(name, {})
            if isinstance(place, dict):
                place[last] = copy.deepcopy(value)
        return changed


Path = tuple[str, ...]
_Question = tuple[Callable[[JSON, JSON], bool], JSON, int]


class Guards:
    """Many guardrails, so that few of them have to be asked.

    They are kept by tool, and there by the path of one of their conditions: what a
    path leads to is looked up once for all of them, and of those that want it to be
    equal to a text, only the ones that want this very text are touched.
    """

    def __init__(self, guards: Iterable[Guard]) -> None:
        self._all = list(guards)
        self._exact: dict[str, dict[Path, dict[JSON, list[int]]]] = {}
        self._asked: dict[str, dict[Path, list[_Question]]] = {}
        self._always: dict[str, list[int]] = {}
        self._patterns: list[int] = []
        for n, guard in enumerate(self._all):
            self._file(n, guard)

    def _file(self, n: int, guard: Guard) -> None:
        if "*" in guard.tool:
            self._patterns.append(n)
        elif wanted := next((c for c in guard.conditions if _is_key(c)), None):
            paths = self._exact.setdefault(guard.tool, {})
            paths.setdefault(wanted.path, {}).setdefault(wanted.value, []).append(n)
        elif guard.conditions:
            first = guard.conditions[0]
            asked = self._asked.setdefault(guard.tool, {}).setdefault(first.path, [])
            asked.append((OPERATORS[first.operator], first.value, n))
        else:
            self._always.setdefault(guard.tool, []).append(n)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Guard]:
        return iter(self._all)

    def met(self, call: Call) -> list[Guard]:
        """Those that are there for a call, in their order."""
        tool, arguments = call.tool, call.arguments
        numbers = list(self._always.get(tool, ()))
        for path, values in self._exact.get(tool, {}).items():
            value = at(arguments, path)
            if isinstance(value, str):
                numbers += values.get(value, ())
        for path, asked in self._asked.get(tool, {}).items():
            value = at(arguments, path)
            numbers += [n for holds, other, n in asked if holds(value, other)]
        numbers += [n for n in self._patterns if fnmatchcase(tool, self._all[n].tool)]
        guards = map(self._all.__getitem__, sorted(numbers))
        return [guard for guard in guards if guard.meets(call)]


def _is_key(condition: Condition) -> bool:
    return condition.operator == "equal" and isinstance(condition.value, str)


# --- writing them ---------------------------------------------------------------------


def problems(action: str, definition: Any) -> list[str]:
    """What is wrong with a definition, in words; nothing: it can be checked.

    >>> problems("block", {"tool": "a", "arguments": [{"path": "x", "is": "odd"}]})
    ['arguments 1: “is” should be one of present, missing, empty, equal, different, \
among, not_among, above, below, longer, like, kind, not_kind']
    >>> problems("rewrite", {"tool": "a"})
    ['change: says nothing to set or to drop']
    """
    if not isinstance(definition, dict):
        return ["should be an object with keys"]
    return [
        *_unknown(definition, ("tool", "arguments", "context", "change", "wait"), ""),
        *_tool_problems(definition.get("tool")),
        *_condition_problems(definition.get("arguments", [])),
        *_context_problems(definition.get("context", {})),
        *_change_problems(action, definition.get("change", {})),
        *_wait_problems(action, definition.get("wait", 0)),
    ]


def _unknown(
    value: Mapping[str, JSON], names: Collection[str], where: str
) -> list[str]:
    return [f"{where}{name}: is not known" for name in value if name not in names]


def _tool_problems(tool: JSON) -> list[str]:
    if not isinstance(tool, str) or not tool.strip():
        return ["tool: is missing; a name, or a pattern as *_record"]
    return ["tool: has characters that no name has"] if set(tool) & set("[]?") else []


def _condition_problems(conditions: JSON) -> list[str]:
    if not isinstance(conditions, list) or len(conditions) > MOST_CONDITIONS:
        return [f"arguments: should be a list of at most {MOST_CONDITIONS}"]
    found = []
    for n, condition in enumerate(conditions, 1):
        where = f"arguments {n}: "
        if not isinstance(condition, dict):
            found.append(f"{where}should be an object with keys")
            continue
        found += _unknown(condition, ("path", "is", "value"), where)
        if not isinstance(condition.get("path"), str) or not condition["path"]:
            found.append(f"{where}“path” is missing")
        operator = condition.get("is")
        if not isinstance(operator, str) or operator not in OPERATORS:
            found.append(f"{where}“is” should be one of {', '.join(OPERATORS)}")
        elif needs := _NEEDS.get(operator):
            value = condition.get("value")
            if kind_of(value) != needs:
                found.append(f"{where}“value” should be a {needs}")
            elif operator in ("kind", "not_kind") and value not in KINDS:
                found.append(f"{where}“value” should be one of {', '.join(KINDS)}")
    return found


def _context_problems(context: JSON) -> list[str]:
    if not isinstance(context, dict):
        return ["context: should be an object with keys"]
    found = _unknown(context, ("agents", "kinds", "failures", "repeats"), "context.")
    for name in ("agents", "kinds"):
        names = context.get(name, [])
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            found.append(f"context.{name}: should be a list of texts")
    for name in ("failures", "repeats"):
        times = context.get(name, 0)
        if type(times) is not int or not 0 <= times <= MOST_BEFORE:
            found.append(f"context.{name}: should be a number up to {MOST_BEFORE}")
    return found


def _change_problems(action: str, change: JSON) -> list[str]:
    if not isinstance(change, dict):
        return ["change: should be an object with keys"]
    found = _unknown(change, ("set", "drop"), "change.")
    dropped, given = change.get("drop", []), change.get("set", {})
    if not isinstance(dropped, list) or not all(isinstance(p, str) for p in dropped):
        found.append("change.drop: should be a list of paths")
    if not isinstance(given, dict):
        found.append("change.set: should be an object: path and value")
    if action == "rewrite" and not (dropped or given):
        found.append("change: says nothing to set or to drop")
    if action not in ("rewrite", "retry") and (dropped or given):
        found.append("change: only what puts right or tries again changes anything")
    return found


def _wait_problems(action: str, wait: JSON) -> list[str]:
    if _number(wait) is None or not 0 <= wait <= LONGEST_WAIT:
        return [f"wait: should be seconds, at most {LONGEST_WAIT}"]
    if action == "retry" and not wait:
        return ["wait: is missing; how many seconds"]
    return []


# --- trying them ----------------------------------------------------------------------


class Tried(NamedTuple):
    """How a guardrail would have done.

    :param caught: of the ``failed`` runs, in how many it meets the step that failed
    :param hit: of the ``good`` runs, how many it would have disturbed
    """

    caught: int
    failed: int
    hit: int
    good: int

    @property
    def share(self) -> float | None:
        """The share of good runs that it would have disturbed; None: there are none."""
        return self.hit / self.good if self.good else None

    def passes(self, most: float) -> bool:
        """Whether it may be used: it catches what it is for, and little else.

        One that somebody wrote ahead of a failure has nothing to catch yet.

        >>> Tried(1, 1, 0, 40).passes(0.02), Tried(0, 1, 0, 40).passes(0.02)
        (True, False)
        >>> Tried(0, 0, 0, 40).passes(0.02), Tried(0, 0, 9, 40).passes(0.02)
        (True, False)
        """
        is_quiet = self.share is None or self.share <= most
        return is_quiet and self.caught == self.failed


def tried(guard: Guard, failed: Iterable[Trace], good: Iterable[Trace]) -> Tried:
    """Let a guardrail look at runs of the past, step by step."""
    failures = [_meets_failure(guard, trace) for trace in failed]
    hits = [any(_met_steps(guard, trace)) for trace in good]
    return Tried(sum(failures), len(failures), sum(hits), len(hits))


def _meets_failure(guard: Guard, trace: Trace) -> bool:
    calls, met = trace.calls(), _met_steps(guard, trace)
    if all(step.ok for step in calls):
        return any(met)  # it failed of what it did again and again
    return any(hit and not step.ok for hit, step in zip(met, calls, strict=True))


def _met_steps(guard: Guard, trace: Trace) -> list[bool]:
    """For each call of a run, whether the guardrail would have met it."""
    met = []
    before: list[tuple[str, str | None, bool]] = []
    for step in trace.calls():
        same = key(step.given)
        so_far = Before(before[-MOST_BEFORE:], same)
        call = Call(
            step.name,
            step.given,
            trace.agent,
            trace.kind,
            guard.company,
            partial(_given, so_far),
        )
        is_known = step.given is not None or not guard.conditions
        met.append(
            is_known and fnmatchcase(step.name, guard.tool) and guard.meets(call)
        )
        before.append((step.name, same, step.ok))
    return met


def _given(before: Before) -> Before:
    return before
