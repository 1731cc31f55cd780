"""Walks a playbook step by step, and can stop and go on between any two of them.

The machine decides and does nothing itself. Ask it for the `next` move, do that, tell
it how that went, and keep what `position` and `variables` hold: another process makes
a machine of them and goes on at the same step.

>>> from .playbook import parse
>>> playbook = parse('''
... name: Greetings
... inputs: {names: {type: list}}
... steps:
...   - for_each: names
...     as: name
...     do:
...       - tool: greet
...         arguments: {who: "{{ name }}"}
... ''')
>>> machine = Machine({"": playbook}, {}, Variables({":names": ["Ann", "Bob"]}))
>>> move = machine.next(0.0)
>>> move.tool, move.arguments, move.iteration
('greet', {'who': 'Ann'}, '0')
>>> machine.succeed("Hello Ann")
>>> elsewhere = Machine({"": playbook}, machine.position, machine.variables)
>>> elsewhere.next(0.0).arguments
{'who': 'Bob'}
>>> elsewhere.succeed("Hello Bob")
>>> elsewhere.next(0.0)
Done(output='Hello Bob')
"""

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from .expression import NOW, ExpressionError, evaluate, names_in, render
from .failure import policy
from .playbook import Playbook, Step, fits_input, given_inputs

JSON = Any
Frame = dict[str, JSON]
GIVEN_NAMES: Final = frozenset({"run", "error", NOW})
MAX_MOVES: Final = 10_000  # of one run, rounds of loops included


# --- moves ---------------------------------------------------------------------------


class Act(NamedTuple):
    """Call a tool.

    :param step: the step's key in its playbook
    :param iteration: in which round of the loops around it: "", "3" or "3.0"; after a
        playbook was called, by which step: "/2", "3/2.0"
    """

    step: str
    iteration: str
    name: str
    tool: str
    arguments: JSON
    attempt: int
    timeout: float | None


class Ask(NamedTuple):
    """Ask a person, and go on with the answer."""

    step: str
    iteration: str
    name: str
    question: str
    to: str
    choices: tuple[str, ...]
    expires: float | None  # seconds


class Wait(NamedTuple):
    """Nothing to do before that time (seconds since 1970)."""

    until: float


class Done(NamedTuple):
    """The playbook ended well."""

    output: JSON


class Failed(NamedTuple):
    """It ended badly; what could be taken back, was."""

    category: str
    message: str
    step: str


Move = Act | Ask | Wait | Done | Failed


# --- memory --------------------------------------------------------------------------


class Variables(MutableMapping[str, JSON]):
    """What a run remembers, and which of it is not kept yet.

    >>> variables = Variables({":a": 1})
    >>> variables[":b"] = 2
    >>> del variables[":a"]
    >>> variables.take_changes()
    ({':b': 2}, [':a'])
    >>> variables.take_changes()
    ({}, [])
    """

    def __init__(self, values: Mapping[str, JSON]) -> None:
        self._values = dict(values)
        self._changed: dict[str, None] = {}

    def __getitem__(self, name: str) -> JSON:
        return self._values[name]

    def __setitem__(self, name: str, value: JSON) -> None:
        self._values[name] = value
        self._changed[name] = None

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self._changed[name] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def take_changes(self) -> tuple[dict[str, JSON], list[str]]:
        """What was set, and what was deleted, since the last time."""
        changed = list(self._changed)
        self._changed.clear()
        kept = {n: self._values[n] for n in changed if n in self._values}
        return kept, [name for name in changed if name not in kept]


class _Scope(Mapping[str, JSON]):
    """The variables that the steps of one playbook see."""

    def __init__(
        self, variables: Variables, scope: str, given: Mapping[str, JSON]
    ) -> None:
        self._variables, self._prefix, self._given = variables, f"{scope}:", given

    def __getitem__(self, name: str) -> JSON:
        if name in self._given:
            return self._given[name]
        return self._variables[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        yield from self._given
        for name in self._variables:
            if name.startswith(self._prefix):
                yield name.removeprefix(self._prefix)

    def __len__(self) -> int:
        return sum(1 for _name in self)


def inputs_of(values: Mapping[str, JSON]) -> Variables:
    """The memory of a run that begins with these inputs.

    >>> dict(inputs_of({"days": 14}))
    {':days': 14}
    """
    variables = Variables({})
    for name, value in values.items():
        variables[f":{name}"] = value
    return variables


# --- the machine ---------------------------------------------------------------------


class Machine:
    """One run's walk.

    :param playbooks: by code, as they were when the run began; "" is the run's own
    :param position: a small JSON object, to be kept after each step
    :param variables: what may be large; only what changed needs to be kept
    :param run: what expressions read as ``run``
    """

    def __init__(
        self,
        playbooks: Mapping[str, Playbook],
        position: Mapping[str, JSON],
        variables: Variables,
        run: Mapping[str, JSON] | None = None,
    ) -> None:
        self.playbooks = playbooks
        self.variables = variables
        self.position: dict[str, JSON] = dict(position) or {
            "frames": [_frame("", "", "steps", "")],
            "moves": 0,
            "attempt": 1,
            "undo": 0,
        }
        self._run = run or {}
        self._steps: dict[str, dict[str, Step]] = {}

    # -- what to do ----------------------------------------------------------------

    def next(self, now: float) -> Move:
        """The next thing to do; the same again until told how it went.

        :param now: seconds since 1970
        """
        while True:
            until = self.position.get("until")
            if until is not None:
                if now < until:
                    return Wait(until)
                del self.position["until"]
            if not self.position["frames"]:
                if "failure" not in self.position:
                    return Done(self.position.get("output"))
                if (failed := self._take_back()) is not None:
                    return failed
                continue
            frame = self.position["frames"][-1]
            block = self._block(frame)
            if frame["at"] >= len(block):
                self._leave(frame)
                continue
            if self.position["moves"] >= MAX_MOVES:
                self._give_up("prompt", f"more than {MAX_MOVES} steps")
                continue
            try:
                move = self._begin(frame, block[frame["at"]], now)
            except ExpressionError as error:
                self._handle("prompt", str(error))
                continue
            if move is not None:
                return move

    def _begin(self, frame: Frame, step: Step, now: float) -> Move | None:
        """Start a step; None: it was done at once, or led elsewhere."""
        # what people were asked about stays what it was, however long they think
        scope = self._scope(frame, self.position.get("as_of", now))
        if step.when is not None and not evaluate(step.when, scope):
            self._over(frame)
            return None
        match step.kind:
            case "tool":
                return Act(
                    step.key,
                    self._iteration(),
                    step.name,
                    step.tool or "",
                    render(step.arguments, scope),
                    self.position["attempt"],
                    step.timeout,
                )
            case "human":
                return Ask(
                    step.key,
                    self._iteration(),
                    step.name,
                    str(render(step.question, scope)),
                    str(render(step.to, scope)),
                    step.choices,
                    step.expires,
                )
            case "set":
                for name, value in step.values.items():
                    # in turn: the second may use the first
                    self._set(frame, name, render(value, scope))
                self._over(frame)
            case "for_each":
                self._begin_loop(frame, step, scope)
            case "choose":
                self._begin_branch(frame, step, scope)
            case "playbook":
                self._begin_playbook(frame, step, scope)
            case "wait":
                self._begin_wait(frame, step, scope, now)
            case "stop":
                self.position["output"] = render(step.message, scope)
                self.position["frames"] = []
            case "fail":
                self._handle("prompt", str(render(step.message, scope)))
        return None

    # -- how it went ---------------------------------------------------------------

    def succeed(self, value: JSON) -> None:
        """The move that `next` told is done.

        :param value: what came of it
        """
        frame, step = self._here()
        self.position["output"] = value
        if step.save:
            self._set(frame, step.save, value)
        if step.rollback:
            self._remember(frame, step)
        self._over(frame)

    def fail(
        self,
        category: str,
        message: str,
        now: float,
        retry_after: float | None = None,
        may_repeat: bool = True,
    ) -> None:
        """The move that `next` told did not work: again, otherwise, or not at all.

        :param category: one of `playbook.CATEGORIES`
        :param retry_after: seconds that whoever failed asks for
        :param may_repeat: whether once more does no harm, should it have worked; a
            step that names its retries takes that upon itself
        """
        _frame, step = self._here()
        attempt = self.position["attempt"]
        if step.retry:
            times = step.retry.times if category in step.retry.on else 0
            wait = step.retry.wait
        else:
            times, wait = policy(category) if may_repeat else (0, 0.0)
        if attempt <= times:
            wait *= 2 ** (attempt - 1)
            self.position["attempt"] = attempt + 1
            self.position["until"] = now + max(wait, retry_after or 0)
            return
        self._handle(category, message)

    # -- failing -------------------------------------------------------------------

    def _handle(self, category: str, message: str) -> None:
        """Let the nearest step around it that knows what to do, deal with a failure."""
        _frame, failed = self._here()
        self._attempt_over()
        left = ""
        while self.position["frames"]:
            frame, step = self._here()
            # a fallback that fails is not tried again
            if step.on_error != "fail" and left != "fallback":
                error = {"category": category, "message": message, "step": failed.key}
                self._set(frame, "error", error)
                if step.on_error == "continue":
                    self._over(frame)
                else:
                    self._enter(frame, step, "fallback")
                return
            left = self.position["frames"].pop()["group"]
        self._give_up(category, message, failed.key)

    def _give_up(self, category: str, message: str, step: str | None = None) -> None:
        """No fallback: what was done is taken back, then the run has failed."""
        if step is None:
            step = self._here()[1].key
        self.position["frames"] = []
        self._attempt_over()
        if "failure" in self.position:  # while taking back: told, and the next one
            self.position["failure"]["left"].append(message)
            return
        self.position["failure"] = {
            "category": category,
            "message": message,
            "step": step,
            "left": [],
        }

    def _take_back(self) -> Failed | None:
        """Begin the next thing that a failed run has to do; None: it has some."""
        failure = self.position["failure"]
        error = {name: failure[name] for name in ("category", "message", "step")}
        if self.position["undo"]:
            self.position["undo"] -= 1
            name = f"@{self.position['undo']}"
            undo = self.variables.pop(name)
            scope = f"undo{self.position['undo']}"
            self._open_scope(scope, {**undo["values"], "error": error})
            frame = _frame(undo["of"], undo["step"], "rollback", scope)
            frame["rounds"] = undo["iteration"]
            self.position["frames"] = [frame]
            return None
        if not failure.get("told") and self.playbooks[""].on_failure:
            failure["told"] = True
            self.variables[":error"] = error
            self.position["frames"] = [_frame("", "", "on_failure", "")]
            return None
        message = failure["message"]
        if failure["left"]:
            left = "; ".join(failure["left"])
            message = f"{message} (and then, while taking back: {left})"
        return Failed(failure["category"], message, failure["step"])

    def _remember(self, frame: Frame, step: Step) -> None:
        """Keep what taking this step back will need, as it is now."""
        if "failure" in self.position:
            return  # nothing takes back the taking back
        scope = self._scope(frame, 0)
        used = set().union(*(_names(undo) for undo in step.rollback))
        self.variables[f"@{self.position['undo']}"] = {
            "of": frame["of"],
            "step": step.key,
            "iteration": self._iteration(),
            "values": {
                name: scope[name]
                for name in sorted(used - GIVEN_NAMES)
                if name in scope
            },
        }
        self.position["undo"] += 1

    # -- blocks of steps -------------------------------------------------------------

    def _begin_loop(self, frame: Frame, step: Step, scope: "_Scope") -> None:
        told = step.items
        items = evaluate(told, scope) if isinstance(told, str) else render(told, scope)
        if not isinstance(items, list):
            raise ExpressionError(f"for_each goes through a list, not {items!r:.60}")
        if len(items) > step.most:
            raise ExpressionError(
                f"{len(items)} rounds are more than {step.most}, the most allowed"
            )
        inner = self._enter(frame, step, "do", round=-1, of_rounds=len(items))
        self.variables[self._hidden(inner, "items")] = items
        if step.save:
            self.variables[self._hidden(inner, "saved")] = []
        self._next_round(inner, step)

    def _next_round(self, frame: Frame, step: Step) -> None:
        frame["round"] += 1
        frame["at"] = len(step.steps)  # an empty list: nothing to do
        if frame["round"] < frame["of_rounds"]:
            items = self.variables[self._hidden(frame, "items")]
            self._set(frame, step.item, items[frame["round"]])
            self._set(frame, "index", frame["round"])
            frame["at"] = 0

    def _begin_branch(self, frame: Frame, step: Step, scope: "_Scope") -> None:
        for index, branch in enumerate(step.branches):
            if branch.when is None or evaluate(branch.when, scope):
                self._enter(frame, step, f"branch.{index}")
                return
        self._over(frame)

    def _begin_playbook(self, frame: Frame, step: Step, scope: "_Scope") -> None:
        code = step.playbook or ""
        values = render(step.values or {}, scope)
        try:
            values = given_inputs(self.playbooks[code], values)
        except (KeyError, ValueError) as error:
            raise ExpressionError(f"playbook {code}: {error}") from error
        called = _frame(code, "", "steps", f"{frame['scope']}/{step.key}")
        # its steps may have the keys of ours, and it may be called again elsewhere
        called["rounds"] = f"{self._iteration()}/{step.key}"
        self.position["frames"].append(called)
        self._open_scope(called["scope"], values)

    def _begin_wait(
        self, frame: Frame, step: Step, scope: "_Scope", now: float
    ) -> None:
        if step.until is None:
            if self.position.pop("waited", False):
                self._over(frame)
                return
            seconds = step.seconds
            if isinstance(seconds, str):
                seconds = evaluate(seconds, scope)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float):
                raise ExpressionError(f"{seconds!r:.60} is no number of seconds")
            self.position["waited"] = True
            self.position["until"] = now + seconds
            return
        value, look = evaluate(step.until, scope), now + step.every
        since = self.position.setdefault("since", now)
        if fits_input(value, "date"):
            at = datetime.fromisoformat(value)
            look = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
            value = now >= look
        if value:
            self._over(frame)
        elif step.timeout is not None and now - since >= step.timeout:
            self._handle("context", f"waited in vain for {step.until}")
        else:
            self.position["until"] = look

    def _leave(self, frame: Frame) -> None:
        """A block is over: the next round, or the step that it belongs to is done."""
        if frame["group"] == "do":
            step = self._step(frame["of"], frame["key"])
            if step.save and frame["round"] >= 0:
                name = self._hidden(frame, "saved")
                if frame["round"] < frame["of_rounds"]:
                    saved = [*self.variables[name], self.position.get("output")]
                    self.variables[name] = saved
                if frame["round"] + 1 >= frame["of_rounds"]:
                    self.position["output"] = self.variables.pop(name)
            if frame["round"] + 1 < frame["of_rounds"]:
                self._next_round(frame, step)
                return
            self.variables.pop(self._hidden(frame, "items"), None)
        self.position["frames"].pop()
        if not self.position["frames"]:
            return
        above, step = self._here()
        if frame["group"] in ("do", "steps") and step.save:
            self._set(above, step.save, self.position.get("output"))
        if frame["group"] == "steps" and step.rollback:
            self._remember(above, step)
        self._over(above)

    # -- small things ----------------------------------------------------------------

    def _over(self, frame: Frame) -> None:
        """The step at hand is over, and the next one has its turn."""
        frame["at"] += 1
        self._attempt_over()
        self.position["moves"] += 1

    def _attempt_over(self) -> None:
        self.position["attempt"] = 1
        for name in ("until", "since", "waited", "as_of"):
            self.position.pop(name, None)

    def _enter(self, frame: Frame, step: Step, group: str, **more: JSON) -> Frame:
        inner = _frame(frame["of"], step.key, group, frame["scope"], **more)
        self.position["frames"].append(inner)
        return inner

    def _here(self) -> tuple[Frame, Step]:
        frame = self.position["frames"][-1]
        return frame, self._block(frame)[frame["at"]]

    def _block(self, frame: Frame) -> tuple[Step, ...]:
        """The list of steps that a frame walks through."""
        if not frame["key"]:
            block: tuple[Step, ...] = getattr(
                self.playbooks[frame["of"]], frame["group"]
            )
            return block
        step = self._step(frame["of"], frame["key"])
        match frame["group"].partition("."):
            case ("branch", _dot, index):
                return step.branches[int(index)].steps
            case ("do", *_rest):
                return step.steps
            case ("fallback", *_rest):
                return step.fallback
        return step.rollback

    def _step(self, of: str, key: str) -> Step:
        if of not in self._steps:
            self._steps[of] = {step.key: step for step in self.playbooks[of].walk()}
        return self._steps[of][key]

    def _scope(self, frame: Frame, now: float) -> "_Scope":
        clock = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")
        given = {"run": self._run, NOW: clock}
        return _Scope(self.variables, frame["scope"], given)

    def _set(self, frame: Frame, name: str, value: JSON) -> None:
        self.variables[f"{frame['scope']}:{name}"] = value

    def _open_scope(self, scope: str, values: Mapping[str, JSON]) -> None:
        """Begin with these variables, and none that an earlier round left."""
        for name in list(self.variables):
            if name.startswith((f"{scope}:", f"{scope}/")):
                del self.variables[name]
        for name, value in values.items():
            self.variables[f"{scope}:{name}"] = value

    def _hidden(self, frame: Frame, what: str) -> str:
        return f"#{frame['scope']}/{frame['key']}:{what}"

    def _iteration(self) -> str:
        rounds = []
        for frame in self.position["frames"]:
            if frame["rounds"]:
                rounds = [frame["rounds"]]
            if frame["round"] is not None:
                rounds.append(str(frame["round"]))
        return ".".join(rounds)


def _frame(of: str, key: str, group: str, scope: str, **more: JSON) -> Frame:
    """A block of steps, and how far it is done.

    :param of: the playbook's code
    :param key: the step that the block belongs to; "" is the playbook itself
    """
    return {
        "of": of,
        "key": key,
        "group": group,
        "scope": scope,
        "at": 0,
        "round": None,
        "rounds": "",
        **more,
    }


def _names(step: Step) -> set[str]:
    """The variables that a step and those below it may use."""
    found = names_in([step.arguments, step.values, step.question, step.message])
    for expression in (step.when, step.items, step.until, step.seconds):
        if isinstance(expression, str):
            found |= names_in(f"{{{{ {expression} }}}}")
    for branch in step.branches:
        if branch.when:
            found |= names_in(f"{{{{ {branch.when} }}}}")
    for _purpose, below in step.groups():
        for inner in below:
            found |= _names(inner)
    return found
