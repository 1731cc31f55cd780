"""What several runs have in common: which steps, what varies, and where it comes from.

>>> from .trace import Step, Trace
>>> def run(city, *ids):
...     given = {"model": "res.partner", "domain": [["city", "=", city]]}
...     found = {"records": [{"id": n} for n in ids]}
...     steps = [Step("0", "tool_call", "find_records", given=given, result=found)]
...     for n in ids:
...         given = {"model": "res.partner", "record_id": n, "summary": "Call"}
...         steps.append(Step(f"1.{n}", "tool_call", "schedule_activity", given=given))
...     return Trace(city, f"Call our customers in {city}", tuple(steps))
>>> runs = [run("Ghent", 1, 2), run("Bruges", 3), run("Ostend", 4, 5, 6)]
>>> {signature(one) for one in runs}
{('find_records res.partner', 'schedule_activity res.partner')}
>>> found = procedure(runs)
>>> found.inputs
{'city': ['Ghent', 'Bruges', 'Ostend']}
>>> found.blocks[0].steps[0].arguments["domain"]
[['city', '=', '{{ city }}']]
>>> found.blocks[1].over, found.blocks[1].steps[0].arguments["record_id"]
('found.records', '{{ item.id }}')
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from .trace import JSON, MISSING, Step, Trace, at, leaves

ROUND: Final = 3  # steps of a loop at most
MOST_TRACES: Final = 20  # of one group that are compared
LONGEST: Final = 60  # calls of a run that can be learnt from
SHORTEST: Final = 3  # characters of a text that is recognised within another
NEAR: Final = 0.8  # cosine from which on two tasks are the same kind of task
SHARED: Final = 0.5  # the same for words, where there are no vectors
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_UNTOLD: Final = "…"  # where nobody knows what belongs


# --- which runs are alike -------------------------------------------------------------


def keys_of(trace: Trace) -> tuple[str, ...]:
    """The calls that worked: tool, and the model it was used on."""
    return tuple(_key(step) for step in trace.calls() if step.ok)


def _key(step: Step) -> str:
    model = at(step.given, "model")
    return f"{step.name} {model}" if isinstance(model, str) else step.name


def signature(trace: Trace) -> tuple[str, ...]:
    """The calls of a run, each loop once: the same for runs of one procedure."""
    return tuple(key for keys, _rounds in _collapsed(keys_of(trace)) for key in keys)


def _collapsed(keys: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """The keys with repetitions told as such: block, and how often in a row.

    >>> _collapsed(["a", "b", "c", "b", "c", "d", "d"])
    [(('a',), 1), (('b', 'c'), 2), (('d',), 2)]
    """
    blocks: list[tuple[tuple[str, ...], int]] = []
    place = 0
    while place < len(keys):
        best = (tuple(keys[place : place + 1]), 1)
        for size in range(1, ROUND + 1):
            block = tuple(keys[place : place + size])
            rounds = 1
            while tuple(keys[place + rounds * size :][:size]) == block:
                rounds += 1
            if rounds > 1 and rounds * size > len(best[0]) * best[1]:
                best = (block, rounds)
        blocks.append(best)
        place += len(best[0]) * best[1]
    return blocks


def words(text: str) -> frozenset[str]:
    """What a task is about, without numbers and marks.

    >>> sorted(words("Call the 7 customers"))
    ['call', 'customers', 'the']
    """
    return frozenset(_WORD.findall(text.lower()))


def groups(
    traces: Iterable[Trace],
    shape: Callable[[str], str],
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> list[list[Trace]]:
    """Runs that did the same for the same kind of task, the largest group first.

    :param shape: a task without what varies; tasks of one shape are the same
    :param vectors: by shape, of length one; without them, words are compared
    """
    found: dict[tuple[str, ...], list[tuple[str, list[Trace]]]] = {}
    known: dict[tuple[tuple[str, ...], str], list[Trace]] = {}
    for trace in traces:
        did = signature(trace)
        if not did or len(trace.steps) > LONGEST:
            continue
        task = shape(about(trace))
        group = known.get((did, task))
        if group is None:
            leaders = found.setdefault(did, [])
            near = (one for other, one in leaders if _alike(task, other, vectors))
            group = next(near, None)
            if group is None:
                group = []
                leaders.append((task, group))
            known[did, task] = group
        group.append(trace)
    every = [group for leaders in found.values() for _task, group in leaders]
    return sorted(every, key=len, reverse=True)


def about(trace: Trace) -> str:
    """The task without what the run was given: that varies from one to the next.

    >>> given = {"values": {"name": "Ann", "city": "Ghent"}}
    >>> about(Trace("t", "Enter Ann", (Step("1", "tool_call", "a", given=given),)))
    'Enter <…>'
    """
    task = trace.task
    values = {
        value
        for step in trace.calls()
        for _path, value in leaves(step.given)
        if isinstance(value, str) and len(value) > 1 and value in task
    }
    for value in sorted(values, key=len, reverse=True):
        task = task.replace(value, "<…>")
    return task


def _alike(one: str, other: str, vectors: Mapping[str, Sequence[float]] | None) -> bool:
    if vectors and one in vectors and other in vectors:
        pairs = zip(vectors[one], vectors[other], strict=True)
        return sum(a * b for a, b in pairs) >= NEAR
    return overlap(words(one), words(other)) >= SHARED


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of words that two texts share (Jaccard).

    >>> overlap(frozenset("ab"), frozenset("bc")), overlap(frozenset(), frozenset())
    (0.3333333333333333, 1.0)
    """
    every = one | other
    return len(one & other) / len(every) if every else 1.0


# --- what they have in common ---------------------------------------------------------


@dataclass
class Line:
    """One step of a procedure.

    :param arguments: a template, as playbooks have them
    :param save: the variable that its result goes to
    """

    tool: str
    arguments: JSON
    save: str


@dataclass
class Block:
    """Steps that are done once, or for each item of what a step found.

    :param over: the expression that gives the items; "": once
    """

    steps: list[Line]
    over: str = ""
    is_loop: bool = False


@dataclass
class Procedure:
    """How a kind of task is done.

    :param inputs: what varies, with the values that it had; by trace, in order
    :param gaps: arguments of which nobody knows where they come from
    :param traces: those that it fits, and that it was learnt from
    """

    blocks: list[Block]
    inputs: dict[str, list[JSON]] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    def steps(self) -> Iterator[Line]:
        """All steps, loops once."""
        for block in self.blocks:
            yield from block.steps

    def given(self, number: int) -> dict[str, JSON]:
        """What the inputs were in one of the runs."""
        return {name: values[number] for name, values in self.inputs.items()}

    def tools(self) -> list[str]:
        """The tools that it needs, in the order of their first use."""
        return list(dict.fromkeys(line.tool for line in self.steps()))


class _Seen(NamedTuple):
    """One value of an argument: in which trace, in which round."""

    trace: int
    round: int
    value: JSON


Rounds = list[list[Step]]


def procedure(traces: Sequence[Trace]) -> Procedure | None:
    """What runs of one signature have in common; None if that is nothing."""
    traces = list(traces)[:MOST_TRACES]
    shape = _shape(traces)
    split = {trace.id: _split(trace, shape) for trace in traces}
    fitting = [trace for trace in traces if split[trace.id] is not None]
    if not fitting:
        return None
    return _Learner(shape, fitting, [split[t.id] or [] for t in fitting]).learn()


def _shape(traces: Sequence[Trace]) -> list[tuple[tuple[str, ...], bool]]:
    """The blocks of the run in which most of them show as loops."""
    every = [_collapsed(keys_of(trace)) for trace in traces]
    clearest = max(every, key=lambda blocks: sum(1 for _k, n in blocks if n > 1))
    loops = {keys for blocks in every for keys, rounds in blocks if rounds > 1}
    return [(keys, keys in loops) for keys, _rounds in clearest]


def _split(
    trace: Trace, shape: Sequence[tuple[tuple[str, ...], bool]]
) -> list[Rounds] | None:
    """The calls of a run, block by block and round by round; None: it does not fit."""
    calls = [step for step in trace.calls() if step.ok]
    if any(not isinstance(step.given, dict) for step in calls):
        return None  # not kept, or cut: nothing can be learnt from it
    keys = [_key(step) for step in calls]
    place, blocks = 0, []
    for block, is_loop in shape:
        rounds: Rounds = []
        while tuple(keys[place : place + len(block)]) == block:
            rounds.append(calls[place : place + len(block)])
            place += len(block)
            if not is_loop:
                break
        if not rounds:
            return None
        blocks.append(rounds)
    return blocks if place == len(calls) else None


class _Learner:
    """Compares the arguments of runs that have the same blocks."""

    def __init__(
        self,
        shape: Sequence[tuple[tuple[str, ...], bool]],
        traces: list[Trace],
        split: list[list[Rounds]],
    ) -> None:
        self.shape, self.split = shape, split
        self.found = Procedure([], traces=traces)
        # what steps found so far: by variable, one result for each trace
        self.results: dict[str, list[JSON]] = {}

    def learn(self) -> Procedure:
        for number, (_keys, is_loop) in enumerate(self.shape):
            rounds = [blocks[number] for blocks in self.split]
            self.found.blocks.append(self._block(rounds, is_loop))
        return self.found

    def _block(self, rounds: list[Rounds], is_loop: bool) -> Block:
        block = Block([], is_loop=is_loop)
        items: list[list[JSON]] = []
        if is_loop:
            block.over, items = self._source(rounds)
        for position in range(len(rounds[0][0])):
            seen = [
                _Seen(trace, n, steps[position].given)
                for trace, every in enumerate(rounds)
                for n, steps in enumerate(every)
            ]
            first = rounds[0][0][position]
            save = self._variable(first)
            arguments = self._template(seen, "", items)
            block.steps.append(Line(first.name, arguments, save))
            if not is_loop:
                self.results[save] = [every[0][position].result for every in rounds]
        return block

    def _variable(self, step: Step) -> str:
        base = "found" if step.name.startswith(("find", "read", "count")) else "done"
        taken = {line.save for line in self.found.steps()} | self.results.keys()
        return _free(base, taken)

    # -- what a loop goes over -----------------------------------------------------

    def _source(self, rounds: list[Rounds]) -> tuple[str, list[list[JSON]]]:
        """A list among the results before that is as long as there were rounds."""
        for name, results in self.results.items():
            for path in _lists(results[0]):
                lists = [at(result, path) if path else result for result in results]
                if all(
                    isinstance(items, list) and len(items) == len(every)
                    for items, every in zip(lists, rounds, strict=True)
                ):
                    return _expression(name, path), lists
        return "", []

    # -- templates -----------------------------------------------------------------

    def _template(self, seen: list[_Seen], path: str, items: list[list[JSON]]) -> JSON:
        values = [one.value for one in seen]
        if all(value == values[0] and _same_kind(value, values[0]) for value in values):
            return values[0]
        if all(isinstance(value, dict) for value in values):
            names = [n for n in values[0] if all(n in value for value in values)]
            return {
                name: self._template(
                    [one._replace(value=one.value[name]) for one in seen],
                    f"{path}.{name}" if path else name,
                    items,
                )
                for name in names
            }
        if _lists_alike(values):
            return [
                self._template(
                    [one._replace(value=one.value[n]) for one in seen],
                    f"{path}.{n}",
                    items,
                )
                for n in range(len(values[0]))
            ]
        return self._varying(seen, path, items)

    def _varying(self, seen: list[_Seen], path: str, items: list[list[JSON]]) -> JSON:
        """Where a value comes from that is not always the same."""
        if expression := self._of_item(seen, items):
            return f"{{{{ {expression} }}}}"
        if expression := self._of_result(seen):
            return f"{{{{ {expression} }}}}"
        if text := self._of_words(seen, items):
            return text
        if (name := self._input(seen, path)) is not None:
            return f"{{{{ {name} }}}}"
        self.found.gaps.append(path)
        return _UNTOLD

    def _of_item(self, seen: list[_Seen], items: list[list[JSON]]) -> str:
        if not items:
            return ""
        first = items[seen[0].trace][seen[0].round]
        for path, value in leaves(first):
            if _same(value, seen[0].value) and all(
                _same(self._item(items, one, path), one.value) for one in seen
            ):
                return _expression("item", path)
        return ""

    def _item(self, items: list[list[JSON]], one: _Seen, path: str) -> JSON:
        item = items[one.trace][one.round]
        return at(item, path) if path else item

    def _of_result(self, seen: list[_Seen]) -> str:
        for name, results in self.results.items():
            for path, value in leaves(results[seen[0].trace]):
                if _same(value, seen[0].value) and all(
                    _same(at(results[one.trace], path), one.value) for one in seen
                ):
                    return _expression(name, path)
        return ""

    def _of_words(self, seen: list[_Seen], items: list[list[JSON]]) -> str:
        """A text with something known within it."""
        if not all(isinstance(one.value, str) for one in seen):
            return ""
        texts: list[str] = [one.value for one in seen]
        known = [
            (values, expression)
            for expression, values in self._known(seen, items)
            if _all_within(values, texts)
        ]
        # the longest first: a name, rather than the city that is part of it
        for values, expression in sorted(known, key=lambda one: -len(one[0][0])):
            if not _all_within(values, texts):
                continue
            texts = [
                text.replace(value, f"{{{{ {expression} }}}}")
                for value, text in zip(values, texts, strict=True)
            ]
            if len(set(texts)) == 1:
                return texts[0]
        return ""

    def _known(
        self, seen: list[_Seen], items: list[list[JSON]]
    ) -> Iterator[tuple[str, list[JSON]]]:
        """What is known at a step, with its values: inputs, the item, results."""
        for name, values in self.found.inputs.items():
            yield name, [values[one.trace] for one in seen]
        first = seen[0]
        if items:
            for path, _value in leaves(items[first.trace][first.round]):
                values = [self._item(items, one, path) for one in seen]
                yield _expression("item", path), values
        for name, results in self.results.items():
            for path, _value in leaves(results[first.trace]):
                values = [at(results[one.trace], path) for one in seen]
                yield _expression(name, path), values

    def _input(self, seen: list[_Seen], path: str) -> str | None:
        """An input of the procedure, if the value stays the same within each run."""
        values: dict[int, JSON] = {}
        for one in seen:
            if not _same(values.setdefault(one.trace, one.value), one.value):
                return None
        told = [values[n] for n in range(len(self.found.traces))]
        for name, known in self.found.inputs.items():
            if known == told:
                return name
        name = _free(self._named(path), self.found.inputs.keys() | _TAKEN)
        self.found.inputs[name] = told
        return name

    def _named(self, path: str) -> str:
        """What an input is called: as its argument; in a domain, as the field."""
        parts = [part for part in path.split(".") if not part.isdigit()]
        name = parts[-1] if parts else "value"
        if name == "domain" and (field := self._field_of(path)):
            name = field
        plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        return plain if plain[:1].isalpha() else f"value_{plain}".rstrip("_")

    def _field_of(self, path: str) -> str:
        """The field of the condition that a path leads into."""
        parts = path.split(".")
        for steps in (rounds for blocks in self.split for rounds in blocks):
            condition = at(steps[0][0].given, ".".join(parts[:-1]))
            if isinstance(condition, list) and len(condition) == 3:
                return str(condition[0]).split(".", maxsplit=1)[0]
        return ""


_TAKEN: Final = frozenset({"item", "found", "done", "run", "error"})


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, with a number if it is taken.

    >>> _free("a", ["a", "a_2"])
    'a_3'
    """
    names, number, free = set(taken), 1, name
    while free in names:
        number += 1
        free = f"{name}_{number}"
    return free


def _expression(name: str, path: str) -> str:
    """What leads to a value in a playbook.

    >>> _expression("found", "records.0.id")
    'found.records[0].id'
    """
    parts = path.split(".") if path else []
    return name + "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in parts)


def _all_within(values: Sequence[JSON], texts: Sequence[str]) -> bool:
    """Whether each value is a part of its text."""
    return all(
        isinstance(value, str) and len(value) >= SHORTEST and value in text
        for value, text in zip(values, texts, strict=True)
    )


def _lists(result: JSON) -> Iterator[str]:
    """Paths of the lists in a result, the outermost first."""
    if isinstance(result, list):
        yield ""
    elif isinstance(result, dict):
        for name, member in result.items():
            for path in _lists(member):
                yield f"{name}.{path}" if path else name


def _lists_alike(values: Sequence[JSON]) -> bool:
    """Whether they are lists of one length, that can be compared one by one."""
    if not all(isinstance(value, list) and value for value in values):
        return False
    return all(len(one) == len(other) for one, other in pairwise(values))


def _same_kind(one: JSON, other: JSON) -> bool:
    return isinstance(one, bool) is isinstance(other, bool)


def _same(one: JSON, other: JSON) -> bool:
    if one is MISSING or one in (None, "", [], {}):
        return False  # nothing is the same as any other nothing
    return type(one) is type(other) and bool(one == other)


def type_of(values: Iterable[Any]) -> str:
    """The type of an input that had these values, as playbooks name it.

    >>> type_of([1, 2]), type_of([1, 2.5]), type_of(["2026-01-31"]), type_of([True])
    ('integer', 'number', 'date', 'boolean')
    """
    kinds = {_type(value) for value in values}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "text"


def _type(value: JSON) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "list"
        case dict():
            return "object"
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return "date"
        case _:
            return "text"
