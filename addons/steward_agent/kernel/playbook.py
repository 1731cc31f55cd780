"""Playbooks: ordered steps that people write as YAML, and that need no model.

>>> playbook = parse('''
... name: Greet new partners
... inputs:
...   days: {type: integer, default: 7}
... steps:
...   - tool: find_records
...     arguments:
...       model: res.partner
...       domain: [["create_date", ">=", "{{ date_add(today(), days=-days) }}"]]
...     save: found
...   - for_each: found.records
...     as: partner
...     do:
...       - name: Say hello
...         tool: post_message
...         arguments:
...           {model: res.partner, record_id: "{{ partner.id }}", body: Welcome!}
...         on_error: continue
... ''')
>>> [(step.key, step.kind) for step in playbook.walk()]
[('1', 'tool'), ('2', 'for_each'), ('2.1', 'tool')]

Whatever can be known while it is written is told with its line: keys that do not exist,
expressions that are none, variables that no step before has set, tools that the agent
does not have, playbooks that call each other in a circle.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from odoo.addons.steward.kernel.schema import (
    Document,
    Problem,
    Problems,
    SchemaProblem,
    load,
    validate,
)

from . import expression
from .expression import ExpressionError

JSON = Any

MAX_STEPS: Final = 500  # written in one playbook
MAX_ROUNDS: Final = 1_000  # of a loop, unless it says otherwise
MOST_ROUNDS: Final = 10_000
CATEGORIES: Final = (
    "prompt",
    "tool",
    "context",
    "external",
    "budget",
    "rights",
    "bug",
)  # of failures
RETRIED: Final = ("external", "tool")  # unless a step says otherwise
KINDS: Final = {
    "tool": "calls a tool",
    "set": "sets variables",
    "for_each": "repeats its steps for each item of a list",
    "if": "does its steps when something holds",
    "choose": "does the steps of the first branch that holds",
    "human": "asks a person and waits for the answer",
    "wait": "waits",
    "playbook": "runs another playbook",
    "stop": "ends the run well",
    "fail": "ends the run as failed",
}
INPUT_TYPES: Final = (
    "text",
    "integer",
    "number",
    "boolean",
    "date",
    "list",
    "object",
    "records",
)
# what the executor puts there itself: about the run (its task, agent, company …), and
# the error that fallbacks, rollbacks and what is done on failure answer
GIVEN: Final = ("run", "error")
_SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604800,
}
_DURATION: Final = r"[0-9]{1,4}(\.[0-9]{1,3})? (second|minute|hour|day|week)s?"
LONGEST: Final = 10**9  # seconds that a duration may be
_NAME: Final = "[a-z][a-z0-9_]{0,62}"

Kind = Literal[
    "tool", "set", "for_each", "choose", "human", "wait", "playbook", "stop", "fail"
]


@dataclass(frozen=True)
class Retry:
    """How often, and when, a step that failed is tried again."""

    times: int = 0
    wait: float = 30  # seconds before the first repetition; each next waits double
    on: tuple[str, ...] = RETRIED  # the categories of failures for which it helps


@dataclass(frozen=True)
class Branch:
    """One way that a choice may go; the last may have no condition."""

    when: str | None
    steps: tuple["Step", ...]


@dataclass(frozen=True)
class Step:
    """One step, and of each field only what its kind needs is filled.

    Expressions are kept as written, templates too: the run renders them.
    """

    key: str  # unique in the whole playbook: names the step in the ledger
    kind: Kind
    line: int  # where it stands in the text
    name: str = ""
    when: str | None = None  # an expression; the step is skipped if it is false
    save: str | None = None  # the variable that its result goes to
    timeout: float | None = None  # seconds
    retry: Retry | None = None  # as the failure's category says
    on_error: Literal["fail", "continue", "fallback"] = "fail"
    fallback: tuple["Step", ...] = ()
    rollback: tuple["Step", ...] = ()  # done, last first, if the run fails later

    tool: str | None = None
    arguments: JSON = None  # of a tool: a tree of templates
    values: JSON = None  # of set: variable -> template; of playbook: its inputs
    items: str | None = None  # of for_each: an expression that gives a list
    item: str = "item"  # the variable that holds the one at hand
    most: int = MAX_ROUNDS
    steps: tuple["Step", ...] = ()  # of for_each
    branches: tuple[Branch, ...] = ()  # of choose
    question: str | None = None  # of human: a template
    to: str | None = None  # a login, a group's XML id, or "responsible"
    choices: tuple[str, ...] = ()
    expires: float | None = None  # seconds; then the step fails
    seconds: float | str | None = None  # of wait: a number, or an expression
    until: str | None = None  # of wait: an expression: a time, or true when it is time
    every: float = 60  # seconds between two looks at `until`
    playbook: str | None = None  # the code of another
    message: str | None = None  # of stop and fail: a template

    def title(self) -> str:
        """What the step does, in a few words.

        >>> Step("1", "for_each", 1, items="orders", item="order").title()
        'For each order of orders'
        """
        match self.kind:
            case "tool":
                return f"{self.tool}"
            case "set":
                return f"Set {', '.join(self.values)}"
            case "for_each":
                return f"For each {self.item} of {self.items}"
            case "choose":
                conditions = [branch.when or "otherwise" for branch in self.branches]
                return f"If {' / '.join(conditions)}"
            case "human":
                return f"Ask {self.to}: {self.question}"
            case "wait":
                return (
                    f"Wait until {self.until}"
                    if self.until
                    else f"Wait {self.seconds} s"
                )
            case "playbook":
                return f"Playbook {self.playbook}"
            case "stop":
                return f"Stop: {self.message}"
            case _:
                return f"Fail: {self.message}"

    def groups(self) -> Iterator[tuple[str, tuple["Step", ...]]]:
        """The lists of steps below this one, with what they are for."""
        yield "do", self.steps
        for branch in self.branches:
            yield "branch", branch.steps
        yield "fallback", self.fallback
        yield "rollback", self.rollback


@dataclass(frozen=True)
class Input:
    """What a playbook is told when it starts."""

    type: str = "text"
    required: bool = True
    default: JSON = None
    description: str = ""


@dataclass(frozen=True)
class Playbook:
    """What a run follows: pinned as JSON, so that it ends as it began."""

    name: str
    steps: tuple[Step, ...]
    description: str = ""
    inputs: Mapping[str, Input] = dataclasses.field(default_factory=dict)
    on_failure: tuple[Step, ...] = ()

    def walk(self) -> Iterator[Step]:
        r"""All steps, in the order in which they are written.

        >>> playbook = parse("name: a\nsteps: [{if: 'true', then: [{stop: b}]}]")
        >>> [step.key for step in playbook.walk()]
        ['1', '1.1.1']
        """
        yield from _walk(self.steps)
        yield from _walk(self.on_failure)

    def tools(self) -> set[str]:
        """The names of all tools that it may call."""
        return {step.tool for step in self.walk() if step.tool}

    def calls(self) -> set[str]:
        """The codes of the playbooks that it may run."""
        return {step.playbook for step in self.walk() if step.playbook}

    def to_json(self) -> dict[str, JSON]:
        r"""Plain data of which `from_json` makes the same playbook again.

        >>> playbook = parse("name: a\nsteps: [{wait: 2 hours}]")
        >>> playbook.to_json()["steps"]
        [{'key': '1', 'kind': 'wait', 'line': 2, 'seconds': 7200}]
        >>> from_json(playbook.to_json()) == playbook
        True
        """
        found: dict[str, JSON] = _plain(self)
        return found


def _walk(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for _purpose, below in step.groups():
            yield from _walk(below)


def _plain(value: JSON) -> JSON:
    """Dataclasses as objects, without what is as it would be anyway."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(member)
            for field in dataclasses.fields(value)
            if (member := getattr(value, field.name)) != _usual(field)
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return value


def _usual(field: "dataclasses.Field[Any]") -> JSON:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def from_json(data: Mapping[str, JSON]) -> Playbook:
    """A playbook from what `to_json` gave."""
    inputs = {name: Input(**given) for name, given in data.get("inputs", {}).items()}
    lists = {name: _steps_from(data.get(name, ())) for name in ("steps", "on_failure")}
    return Playbook(**{**data, "inputs": inputs, **lists})


def _steps_from(data: Iterable[Mapping[str, JSON]]) -> tuple[Step, ...]:
    return tuple(map(_step_from, data))


def _step_from(data: Mapping[str, JSON]) -> Step:
    made = dict(data)
    for name in ("fallback", "rollback", "steps"):
        made[name] = _steps_from(data.get(name, ()))
    made["branches"] = tuple(
        Branch(branch["when"], _steps_from(branch["steps"]))
        for branch in data.get("branches", ())
    )
    made["choices"] = tuple(data.get("choices", ()))
    if "retry" in data:
        retry = dict(data["retry"])
        if "on" in retry:
            retry["on"] = tuple(retry["on"])
        made["retry"] = Retry(**retry)
    return Step(**made)


# --- the form ------------------------------------------------------------------------


def _schema() -> dict[str, JSON]:
    """The JSON Schema of a playbook; each kind of step has its own."""

    def text(description: str, **more: JSON) -> dict[str, JSON]:
        return {
            "type": "string",
            "minLength": 1,
            "description": description,
            **more,
        }

    steps = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}
    condition = {
        "type": ["string", "boolean"],
        "description": "an expression, as amount > 100",
    }
    template_or_number = {"type": ["string", "integer", "number"]}
    duration = {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
            {
                "type": "string",
                "pattern": f"^{_DURATION}$",
            },
        ],
        "description": "seconds, or as 10 minutes, 2 days",
    }
    variable = {"type": "string", "pattern": f"^{_NAME}$"}
    common: dict[str, JSON] = {
        "id": variable | {"description": "names the step in the ledger for good"},
        "name": text("what people call the step"),
        "when": condition,
    }
    effects: dict[str, JSON] = {
        "save": variable | {"description": "the variable that the result goes to"},
        "timeout": duration,
        "retry": {
            "type": "object",
            "properties": {
                "times": {"type": "integer", "minimum": 1, "maximum": 20},
                "wait": duration,
                "on": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"enum": list(CATEGORIES)},
                },
            },
            "required": ["times"],
            "additionalProperties": False,
        },
        "on_error": {"anyOf": [{"enum": ["fail", "continue"]}, steps]},
        "rollback": steps,
    }
    branch = {
        "type": "object",
        "properties": {"when": condition, "do": steps},
        "required": ["do"],
        "additionalProperties": False,
    }
    wait = {
        "type": "object",
        "properties": {"until": text("an expression"), "every": duration},
        "required": ["until"],
        "additionalProperties": False,
    }
    kinds: dict[str, tuple[list[str], dict[str, JSON]]] = {
        # kind: (what it cannot be without, what it may have)
        "tool": (
            [],
            {"tool": text("its name"), "arguments": {"type": "object"}, **effects},
        ),
        "set": ([], {"set": {"type": "object", "minProperties": 1}}),
        "for_each": (
            ["do"],
            {
                "for_each": {
                    "type": ["string", "array"],
                    "description": "a list, or an expression that gives one",
                },
                "as": variable,
                "do": steps,
                "max": {"type": "integer", "minimum": 1, "maximum": MOST_ROUNDS},
                "save": effects["save"],
                "on_error": effects["on_error"],
            },
        ),
        "if": (["then"], {"if": condition, "then": steps, "else": steps}),
        "choose": (
            [],
            {"choose": {"type": "array", "minItems": 1, "items": branch}},
        ),
        "human": (
            [],
            {
                "human": text("the question"),
                "to": text("a login, a group's XML id, or responsible"),
                "choices": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": text("an answer"),
                },
                "expires": duration,
                "save": effects["save"],
                "on_error": effects["on_error"],
            },
        ),
        "wait": (
            [],
            {"wait": {"anyOf": [template_or_number, wait]}, "timeout": duration},
        ),
        "playbook": (
            [],
            {
                "playbook": text("its code"),
                "inputs": {"type": "object"},
                **{k: v for k, v in effects.items() if k != "retry"},
            },
        ),
        "stop": ([], {"stop": text("why")}),
        "fail": ([], {"fail": text("why")}),
    }
    every_key = {
        key: True
        for _needed, keys in kinds.values()
        for key in {**common, **keys}
        if key not in kinds
    }
    step: dict[str, JSON] = {
        "type": "object",
        "properties": dict.fromkeys(kinds, True) | every_key,
        "additionalProperties": False,
    }
    for kind, (needed, keys) in reversed(kinds.items()):
        form = {
            "title": KINDS[kind],
            "properties": {**common, **keys},
            "required": [kind, *needed],
            "additionalProperties": False,
        }
        step = {"if": {"required": [kind]}, "then": form, "else": step}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A playbook of Steward",
        "type": "object",
        "properties": {
            "name": text("what people call it", maxLength=200),
            "description": {"type": "string"},
            "inputs": {
                "type": "object",
                "propertyNames": {"pattern": f"^{_NAME}$"},
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "type": {"enum": list(INPUT_TYPES)},
                        "default": True,
                        "description": {"type": "string"},
                    },
                    "required": ["type"],
                    "additionalProperties": False,
                },
            },
            "steps": steps,
            "on_failure": steps,
        },
        "required": ["name", "steps"],
        "additionalProperties": False,
        "$defs": {"step": {"type": "object", **step}},
    }


SCHEMA: Final = _schema()


# --- reading -------------------------------------------------------------------------


def parse(
    text: str,
    tools: Collection[str] | None = None,
    playbooks: Mapping[str, Collection[str]] | None = None,
    code: str | None = None,
) -> Playbook:
    r"""Read a playbook.

    >>> try:
    ...     parse("name: a\nsteps:\n  - tool: serach\n  - set: {n: '{{ m + 1 }}'}",
    ...           tools=["search"])
    ... except Problems as problems:
    ...     print(problems)
    line 3, column 5: steps.0.tool: there is no tool 'serach'; did you mean 'search'?
    line 4, column 11: steps.1.set.n: there is no variable 'm'

    :param tools: the names of the tools there are; not looked at without
    :param playbooks: code -> codes of the playbooks it calls; not looked at without
    :param code: of this playbook itself: it may not call itself in a circle
    :raises Problems: all that is wrong with it
    """
    try:
        document = load(text)
        found = validate(document, SCHEMA)
    except SchemaProblem as error:
        raise Problems([error.problem]) from error
    found += _idle(document, {problem.path for problem in found})
    if found:
        raise Problems(found)
    reader = _Reader(document, tools, playbooks, code)
    playbook = reader.playbook()
    if reader.problems:
        raise Problems(reader.problems)
    return playbook


def problems(
    text: str,
    tools: Collection[str] | None = None,
    playbooks: Mapping[str, Collection[str]] | None = None,
    code: str | None = None,
) -> list[Problem]:
    r"""All that is wrong with a playbook; [] if nothing is.

    >>> print(*problems("name: a\nsteps: [{tool: x, argumets: {}}]"))
    line 2, column 19: steps.0: 'argumets' is not known here; did you mean 'arguments'?
    """
    try:
        parse(text, tools, playbooks, code)
    except Problems as error:
        return error.problems
    return []


def seconds(duration: float | str) -> float:
    """A duration in seconds.

    >>> seconds(90), seconds("1.5 hours"), seconds("2 days")
    (90, 5400, 172800)
    """
    if not isinstance(duration, str):
        return duration
    number, unit = duration.split(" ")
    found = float(number) * _SECONDS[unit.removesuffix("s")]
    return int(found) if found.is_integer() else found


def circle(code: str, calls: Mapping[str, Collection[str]]) -> list[str]:
    """The way on which a playbook comes back to itself; [] if it does not.

    >>> circle("a", {"a": ["b"], "b": ["c", "d"], "c": ["a"]})
    ['a', 'b', 'c', 'a']
    """
    ways = [[code]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for called in sorted(calls.get(way[-1], ())):
            if called == code:
                return [*way, code]
            if called not in seen:
                seen.add(called)
                ways.append([*way, called])
    return []


_BELOW: Final = ("do", "then", "else", "on_error", "rollback")  # keys that hold steps


def _written(value: JSON, path: str, keys: Iterable[str]) -> Iterator[tuple[str, JSON]]:
    """All steps as they are written, with their paths, sound or not."""
    for key in keys:
        steps = value.get(key) if isinstance(value, dict) else None
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            here = f"{path}/{key}/{index}"
            yield here, step
            yield from _written(step, here, _BELOW)
            branches = step.get("choose") if isinstance(step, dict) else None
            for way, branch in enumerate(
                branches if isinstance(branches, list) else ()
            ):
                yield from _written(branch, f"{here}/choose/{way}", ["do"])


def _idle(document: Document, told: Collection[str]) -> Iterator[Problem]:
    """Steps that do not say what they do, unless another problem tells more."""
    for path, step in _written(document.value, "", ("steps", "on_failure")):
        if isinstance(step, dict) and not set(KINDS) & set(step) and path not in told:
            message = f"a step has one of: {', '.join(KINDS)}"
            yield Problem(*document.position(path), path, message)


class _Reader:
    """Makes the steps of a document whose form is sound, and looks at their sense."""

    def __init__(
        self,
        document: Document,
        tools: Collection[str] | None,
        playbooks: Mapping[str, Collection[str]] | None,
        code: str | None,
    ) -> None:
        self.document = document
        self.tools = tools
        self.playbooks = playbooks
        self.code = code
        self.problems: list[Problem] = []
        self.keys: dict[str, int] = {}
        self.known: set[str] = set(GIVEN)

    def tell(self, path: str, message: str) -> None:
        self.problems.append(Problem(*self.document.position(path), path, message))

    def playbook(self) -> Playbook:
        value = self.document.value
        inputs = {}
        for name, given in value.get("inputs", {}).items():
            if name in GIVEN:
                self.tell(f"/inputs/{name}", f"{name!r} is set by the run itself")
            inputs[name] = Input(
                given["type"],
                "default" not in given,
                given.get("default"),
                given.get("description", ""),
            )
            self._check_default(name, inputs[name])
            self.known.add(name)
        if sum(1 for _ in _written(value, "", ("steps", "on_failure"))) > MAX_STEPS:
            self.tell("/steps", f"more than {MAX_STEPS} steps; call other playbooks")
        steps = self.steps(value["steps"], "/steps", "")
        on_failure = self.steps(value.get("on_failure", []), "/on_failure", "failure.")
        self._check_circle(steps + on_failure)
        return Playbook(
            value["name"], steps, value.get("description", ""), inputs, on_failure
        )

    def _check_default(self, name: str, given: Input) -> None:
        fits = given.required or fits_input(given.default, given.type)
        if not fits:
            self.tell(
                f"/inputs/{name}/default",
                f"should be {_INPUTS[given.type][0]}, or absent",
            )

    def steps(self, written: list[JSON], path: str, prefix: str) -> tuple[Step, ...]:
        return tuple(
            self.step(step, f"{path}/{index}", f"{prefix}{index + 1}")
            for index, step in enumerate(written)
        )

    def step(self, written: dict[str, JSON], path: str, derived: str) -> Step:
        kind = next(kind for kind in KINDS if kind in written)
        key = written.get("id", derived)
        line = self.document.position(path)[0]
        if key in self.keys:
            self.tell(f"{path}/id", f"{key!r} is taken; see line {self.keys[key]}")
        self.keys[key] = line
        read: Callable[..., dict[str, JSON]] = getattr(self, f"_{kind}")
        when = self.condition(written, "when", path)
        made = read(written, path, key)
        made |= self._effects(written, path, key)
        return Step(
            key=key,
            kind="choose" if kind == "if" else kind,  # type: ignore[arg-type]
            line=line,
            name=written.get("name", ""),
            when=when,
            **made,
        )

    def _effects(
        self, written: dict[str, JSON], path: str, key: str
    ) -> dict[str, JSON]:
        """What many kinds of steps have: results, repetitions, what failure means."""
        made: dict[str, JSON] = {}
        on_error = written.get("on_error", "fail")
        if isinstance(on_error, list):
            made["on_error"] = "fallback"
            made["fallback"] = self.steps(on_error, f"{path}/on_error", f"{key}.error.")
        elif on_error != "fail":
            made["on_error"] = on_error
        if save := written.get("save"):
            self.learn(save, f"{path}/save")
            made["save"] = save
        if timeout := written.get("timeout"):
            made["timeout"] = seconds(timeout)
        if retry := written.get("retry"):
            made["retry"] = Retry(
                retry["times"],
                seconds(retry.get("wait", Retry.wait)),
                tuple(retry.get("on", RETRIED)),
            )
        # after `save`: what is undone may need what was done
        if rollback := written.get("rollback"):
            made["rollback"] = self.steps(
                rollback, f"{path}/rollback", f"{key}.rollback."
            )
        return made

    def learn(self, name: str, path: str) -> None:
        if name in GIVEN:
            self.tell(path, f"{name!r} is set by the run itself")
        self.known.add(name)

    # -- expressions ---------------------------------------------------------------

    def condition(self, written: dict[str, JSON], key: str, path: str) -> str | None:
        if key not in written:
            return None
        value = written[key]
        if isinstance(value, bool):
            return str(value).lower()
        return self.expression(value, f"{path}/{key}")

    def expression(self, text: str, path: str) -> str:
        self._look(functools.partial(expression.names, text), path)
        return text

    def template(self, tree: JSON, path: str) -> JSON:
        """A tree of templates; each text is looked at where it stands."""
        if isinstance(tree, dict):
            for key, member in tree.items():
                escaped = key.replace("~", "~0").replace("/", "~1")
                self.template(member, f"{path}/{escaped}")
        elif isinstance(tree, list):
            for index, item in enumerate(tree):
                self.template(item, f"{path}/{index}")
        elif isinstance(tree, str):
            self._look(functools.partial(expression.names_in, tree), path)
        return tree

    def _look(self, names: Callable[[], set[str]], path: str) -> None:
        try:
            unknown = sorted(names() - self.known)
        except ExpressionError as error:
            self.tell(path, str(error))
            return
        for name in unknown:
            self.tell(
                path,
                f"there is no variable {name!r}{expression.near(name, self.known)}",
            )

    # -- kinds ---------------------------------------------------------------------

    def _tool(self, written: dict[str, JSON], path: str, _key: str) -> dict[str, JSON]:
        name = written["tool"]
        if self.tools is not None and name not in self.tools:
            near = expression.near(name, self.tools)
            self.tell(f"{path}/tool", f"there is no tool {name!r}{near}")
        arguments = self.template(written.get("arguments", {}), f"{path}/arguments")
        return {"tool": name, "arguments": arguments}

    def _set(self, written: dict[str, JSON], path: str, _key: str) -> dict[str, JSON]:
        for name, value in written["set"].items():
            here = f"{path}/set/{name}"
            if not re.fullmatch(_NAME, name):
                self.tell(here, f"{name!r} is no name of a variable")
            # in turn: the second may use the first
            self.template(value, here)
            self.learn(name, here)
        return {"values": written["set"]}

    def _for_each(
        self, written: dict[str, JSON], path: str, key: str
    ) -> dict[str, JSON]:
        items = written["for_each"]
        if isinstance(items, str):
            self.expression(items, f"{path}/for_each")
        else:
            self.template(items, f"{path}/for_each")
        item = written.get("as", Step.item)
        self.learn(item, f"{path}/as")
        self.learn("index", f"{path}/for_each")
        return {
            "items": items,
            "item": item,
            "most": written.get("max", MAX_ROUNDS),
            "steps": self.steps(written["do"], f"{path}/do", f"{key}."),
        }

    def _if(self, written: dict[str, JSON], path: str, key: str) -> dict[str, JSON]:
        when = self.condition(written, "if", path)
        branches = [
            Branch(when, self.steps(written["then"], f"{path}/then", f"{key}.1."))
        ]
        if "else" in written:
            steps = self.steps(written["else"], f"{path}/else", f"{key}.2.")
            branches.append(Branch(None, steps))
        return {"branches": tuple(branches)}

    def _choose(self, written: dict[str, JSON], path: str, key: str) -> dict[str, JSON]:
        branches = []
        for index, branch in enumerate(written["choose"]):
            here = f"{path}/choose/{index}"
            when = self.condition(branch, "when", here)
            if when is None and index + 1 < len(written["choose"]):
                self.tell(here, "only the last branch may be without 'when'")
            steps = self.steps(branch["do"], f"{here}/do", f"{key}.{index + 1}.")
            branches.append(Branch(when, steps))
        return {"branches": tuple(branches)}

    def _human(self, written: dict[str, JSON], path: str, _key: str) -> dict[str, JSON]:
        made = {
            "question": self.template(written["human"], f"{path}/human"),
            "to": self.template(written.get("to", "responsible"), f"{path}/to"),
            "choices": tuple(written.get("choices", ("approve", "refuse"))),
        }
        if expires := written.get("expires"):
            made["expires"] = seconds(expires)
        return made

    def _wait(self, written: dict[str, JSON], path: str, _key: str) -> dict[str, JSON]:
        wait = written["wait"]
        if isinstance(wait, dict):
            until = self.expression(wait["until"], f"{path}/wait/until")
            return {"until": until, "every": seconds(wait.get("every", Step.every))}
        if isinstance(wait, str):
            if re.fullmatch(_DURATION, wait):
                return {"seconds": seconds(wait)}
            return {"seconds": self.expression(wait, f"{path}/wait")}
        if not 0 <= wait <= LONGEST:
            self.tell(f"{path}/wait", f"should be from 0 to {LONGEST} seconds")
        return {"seconds": wait}

    def _playbook(
        self, written: dict[str, JSON], path: str, _key: str
    ) -> dict[str, JSON]:
        code = written["playbook"]
        if self.playbooks is not None and code not in {*self.playbooks, self.code}:
            near = expression.near(code, self.playbooks)
            self.tell(f"{path}/playbook", f"there is no playbook {code!r}{near}")
        values = self.template(written.get("inputs", {}), f"{path}/inputs")
        return {"playbook": code, "values": values}

    def _stop(self, written: dict[str, JSON], path: str, _key: str) -> dict[str, JSON]:
        return {"message": self.template(written["stop"], f"{path}/stop")}

    def _fail(self, written: dict[str, JSON], path: str, _key: str) -> dict[str, JSON]:
        return {"message": self.template(written["fail"], f"{path}/fail")}

    def _check_circle(self, steps: tuple[Step, ...]) -> None:
        if self.code is None:
            return
        called = {step.playbook: step for step in _walk(steps) if step.playbook}
        way = circle(self.code, {**(self.playbooks or {}), self.code: list(called)})
        if way:
            step = called[way[1]]
            self.problems.append(
                Problem(
                    step.line,
                    1,
                    "",
                    f"the playbooks call each other in a circle: {' → '.join(way)}",
                )
            )


# --- moving --------------------------------------------------------------------------


def moved(text: str, start: int, to: int) -> str:
    r"""The text with one of its top steps elsewhere; comments before it go along.

    >>> print(moved("name: a\nsteps:\n  # first\n  - stop: b\n  - stop: c\n", 0, 1))
    name: a
    steps:
      - stop: c
      # first
      - stop: b
    <BLANKLINE>

    :raises Problems: when the text cannot be read
    :raises ValueError: when its steps cannot be told apart by their lines
    """
    try:
        document = load(text)
    except SchemaProblem as error:
        raise Problems([error.problem]) from error
    value = document.value if isinstance(document.value, dict) else {}
    written = value.get("steps")
    count = len(written) if isinstance(written, list) else 0
    if not (0 <= start < count and 0 <= to < count):
        raise ValueError("there is no such step")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    # a step begins with its dash, which no other step shares
    first = [document.position(f"/steps/{index}")[0] - 1 for index in range(count)]
    if len(set(first)) < count or not all(
        lines[line].lstrip().startswith("- ") for line in first
    ):
        raise ValueError("write each step on lines of its own to move it here")
    begins = [_with_comments(lines, line) for line in first]
    follower = next(
        (
            document.position(f"/{key}")[0] - 1
            for key in value
            if document.position(f"/{key}")[0] - 1 > first[-1]
        ),
        None,
    )
    ends = [
        *begins[1:],
        len(lines) if follower is None else _with_comments(lines, follower),
    ]
    blocks = [lines[begin:end] for begin, end in zip(begins, ends, strict=True)]
    blocks.insert(to, blocks.pop(start))
    return "".join(
        [
            *lines[: begins[0]],
            *(line for block in blocks for line in block),
            *lines[ends[-1] :],
        ]
    )


def _with_comments(lines: list[str], line: int) -> int:
    """The first of the comment lines that stand directly before a line."""
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
    return line


# --- inputs --------------------------------------------------------------------------

_INPUTS: Final[dict[str, tuple[str, Callable[[JSON], bool]]]] = {
    "text": ("text", lambda value: isinstance(value, str)),
    "integer": (
        "a whole number",
        lambda value: isinstance(value, int) and not isinstance(value, bool),
    ),
    "number": (
        "a number",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    ),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "date": (
        "a date as 2026-01-31",
        lambda value: (
            isinstance(value, str)
            and bool(re.fullmatch(r"\d{4}-\d\d-\d\d([ T].*)?", value))
        ),
    ),
    "list": ("a list", lambda value: isinstance(value, list)),
    "object": ("a group of keys", lambda value: isinstance(value, dict)),
    "records": (
        'a group of keys as {"model": "res.partner", "ids": [1, 2]}',
        lambda value: isinstance(value, dict) and set(value) == {"model", "ids"},
    ),
}


def fits_input(value: JSON, kind: str) -> bool:
    """Whether a value is of the type of an input.

    >>> fits_input(3, "integer"), fits_input(True, "integer"), fits_input("x", "date")
    (True, False, False)
    """
    return _INPUTS[kind][1](value)


def input_type(kind: str) -> str:
    """The type of an input, in words.

    >>> input_type("integer")
    'a whole number'
    """
    return _INPUTS[kind][0]


def given_inputs(playbook: Playbook, given: Mapping[str, JSON]) -> dict[str, JSON]:
    r"""The variables a run begins with: what it was given, and defaults for the rest.

    >>> playbook = parse("name: a\ninputs: {n: {type: integer}}\nsteps: [{stop: b}]")
    >>> given_inputs(playbook, {"n": 3})
    {'n': 3}
    >>> given_inputs(playbook, {"m": 3})
    Traceback (most recent call last):
        ...
    ValueError: the playbook knows no input 'm'

    :raises ValueError: with a sentence, for what is unknown, missing or of another type
    """
    for name in given:
        if name not in playbook.inputs:
            near = expression.near(name, playbook.inputs)
            raise ValueError(f"the playbook knows no input {name!r}{near}")
    values = {}
    for name, wanted in playbook.inputs.items():
        if name not in given and wanted.required:
            raise ValueError(f"the input {name!r} is missing")
        values[name] = given.get(name, wanted.default)
        if name in given and not fits_input(values[name], wanted.type):
            raise ValueError(f"the input {name!r} should be {_INPUTS[wanted.type][0]}")
    return values
