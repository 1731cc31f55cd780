"""Leads a model and its tools through a task; can stop and go on between two moves.

The second kind of machine: what `machine.Machine` is for playbooks. It decides and does
nothing itself. Ask it for the `next` move, do that, tell it how that went, and keep
what `position` and `variables` hold.

>>> talk = Conversation({}, begin("You help.", "Count the partners.", "00ff"))
>>> talk.next(0.0)
Recall(step='recall', iteration='', attempt=1)
>>> talk.succeed("")
>>> talk.next(0.0)
Think(step='think', iteration='0', attempt=1)
>>> talk.succeed({"text": "", "finish": "tool_calls", "tool_calls": [
...     {"id": "a", "name": "count_records", "arguments": {"model": "res.partner"}}]})
>>> move = talk.next(0.0)
>>> move.tool, move.arguments, move.iteration
('count_records', {'model': 'res.partner'}, '0.0')
>>> talk.succeed({"count": 7})
>>> elsewhere = Conversation(talk.position, talk.variables)
>>> elsewhere.next(0.0).iteration
'1'
>>> elsewhere.succeed({"text": "There are 7.", "finish": "stop", "tool_calls": []})
>>> elsewhere.next(0.0)
Done(output='There are 7.')

Each message is a variable of its own, so that a checkpoint writes only new ones. Which
calls of an answer are still open is read from the messages: an answer's call is open
until a message answers it, and there is no second place that could say otherwise.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from .failure import policy
from .ledger import clean
from .machine import MAX_MOVES, Act, Done, Failed, Variables, Wait
from .pictures import content as content_of
from .pictures import pictures_of, text_of, without
from .untrusted import moved, rules, wrap, wrap_value

JSON = Any
Message = dict[str, JSON]

SAME: Final = 3  # times that the same call may lead to the same result in a row
POOR: Final = 2  # answers in a row that may be empty or cut off
DENIED: Final = 8  # calls in a row that may be refused
NAME_LIMIT: Final = 64  # characters of a tool's name
RESULT_LIMIT: Final = 40_000  # characters of one result that the model is told
RETRY_AT_MOST: Final = 120.0  # seconds that a provider may ask us to wait

# what the machine itself says to a model
CUT_OFF: Final = "Your answer was cut off at its longest. Answer again, and shorter."
EMPTY: Final = "Your answer was empty. Answer the task, or call a tool."

_ODD: Final = re.compile(r"[^a-zA-Z0-9_-]")
_PREFIX: Final = "message:"
_LEFT_OUT: Final = "(left out here: it was long, and long ago)"


# --- moves ---------------------------------------------------------------------------


class Recall(NamedTuple):
    """Look for what is known about the task, before the model begins."""

    step: str
    iteration: str
    attempt: int


class Think(NamedTuple):
    """Let the model answer to the messages so far.

    :param iteration: which answer of the run: "0", "1", …
    """

    step: str
    iteration: str
    attempt: int


Move = Recall | Think | Act | Wait | Done | Failed


# --- beginning -----------------------------------------------------------------------


def begin(
    system: str,
    task: str,
    boundary: str,
    about: JSON = None,
    before: Iterable[Message] = (),
    pictures: Iterable[Mapping[str, JSON]] = (),
) -> Variables:
    """The memory of a conversation that starts with a task.

    :param system: what the agent is told to be
    :param about: what the task is about, as data
    :param before: messages of an earlier run that this one goes on from
    :param pictures: that belong to the task: ``{"attachment", "media_type"}``
    """
    variables = Variables({})
    variables["#system"] = f"{system.strip()}\n\n{rules(boundary)}".strip()
    variables["#boundary"] = boundary
    variables["#task"] = task
    messages = [*mended(before)]
    if about is not None:
        content = wrap_value(about, boundary, "the record at hand", RESULT_LIMIT)
        messages.append({"role": "user", "content": content})
    messages.append({"role": "user", "content": content_of(task, pictures)})
    for number, message in enumerate(messages):
        variables[_name(number)] = message
    return variables


def messages_of(variables: Mapping[str, JSON]) -> list[Message]:
    """The messages that a memory holds, in order, without the system's.

    >>> messages_of(begin("You help.", "Count.", "00ff"))
    [{'role': 'user', 'content': 'Count.'}]
    """
    return [variables[n] for n in sorted(variables) if n.startswith(_PREFIX)]


def carried(variables: Mapping[str, JSON], boundary: str) -> list[Message]:
    """The messages of an ended run, for one that goes on with another boundary.

    >>> old = begin("You help.", "Count.", "00ff", about={"id": 1})
    >>> carried(old, "1234")[0]["content"].splitlines()[-1]
    '<<end 1234>>'
    """
    old = variables["#boundary"]
    found = []
    for message in mended(messages_of(variables)):
        content = message.get("content")
        if isinstance(content, str):
            message = {**message, "content": moved(content, old, boundary)}
        found.append(message)
    return found


def mended(messages: Iterable[Message]) -> list[Message]:
    """Messages in which each call is answered once: a run may have ended before.

    >>> call = {"id": "a", "name": "count", "arguments": {}}
    >>> [m["role"] for m in mended([
    ...     {"role": "assistant", "content": "", "tool_calls": [call]},
    ...     {"role": "user", "content": "Go on."}])]
    ['assistant', 'tool', 'user']
    """
    found: list[Message] = []
    waiting: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            if waiting.pop(str(message.get("tool_call_id")), None) is None:
                continue
        elif waiting:
            found += [_not_done(*call) for call in waiting.items()]
            waiting = {}
        for call in message.get("tool_calls") or ():
            waiting[call["id"]] = call["name"]
        found.append(message)
    return found + [_not_done(*call) for call in waiting.items()]


def _not_done(call_id: str, name: str) -> Message:
    said = "Not done: the run ended before."
    return {"role": "tool", "tool_call_id": call_id, "name": name, "content": said}


def shortened(
    messages: Sequence[Message], limit: int, count: Callable[[list[Message]], int]
) -> list[Message]:
    """Messages within a number of tokens, as far as leaving out old data gets there.

    Results of tools and pictures go first, the oldest before the others; what people
    and the model said stays, and so do the last messages.

    >>> old = {"role": "tool", "tool_call_id": "a", "name": "b", "content": "x" * 100}
    >>> size = lambda messages: sum(len(m["content"]) for m in messages)
    >>> [m["content"] for m in shortened([old] + [{"role": "user", "content": "y"}] * 4,
    ...     60, size)][0]
    '(left out here: it was long, and long ago)'
    """
    found = list(messages)
    for place in range(max(0, len(found) - 4)):
        if count(found) <= limit:
            break
        message = found[place]
        if any(pictures_of([message])):
            found[place] = without(message)
        elif message["role"] == "tool" and len(message["content"]) > len(_LEFT_OUT):
            found[place] = {**message, "content": _LEFT_OUT}
    return found


# --- the conversation ----------------------------------------------------------------


class Conversation:
    """One run's talk between a model and its tools.

    :param position: a small JSON object, to be kept after each move
    :param variables: the messages, and what was given at the beginning
    """

    def __init__(self, position: Mapping[str, JSON], variables: Variables) -> None:
        self.variables = variables
        self.position: dict[str, JSON] = dict(position) or {
            "turn": 0,  # answers so far
            "moves": 0,
            "attempt": 1,
            "poor": 0,
            "denied": 0,
        }
        # read once: what another process adds, it adds before it makes its own
        self._messages = messages_of(variables)

    @property
    def boundary(self) -> str:
        """What encloses data in this run."""
        found: str = self.variables["#boundary"]
        return found

    @property
    def system(self) -> Message:
        """What the model is told before all messages."""
        return {"role": "system", "content": self.variables["#system"]}

    @property
    def messages(self) -> list[Message]:
        """What was said so far, without the system's message."""
        return list(self._messages)

    # -- what to do ----------------------------------------------------------------

    def next(self, now: float) -> Move:
        """The next thing to do; the same again until told how it went.

        :param now: seconds since 1970
        """
        position = self.position
        until = position.get("until")
        if until is not None:
            if now < until:
                return Wait(until)
            del position["until"]
        if "failure" in position:
            return Failed(*position["failure"])
        if "output" in position:
            return Done(position["output"])
        if position["moves"] >= MAX_MOVES:
            self._give_up("prompt", f"more than {MAX_MOVES} steps", "think")
            return self.next(now)
        if "recalled" not in position:
            return Recall("recall", "", position["attempt"])
        while (open_call := self._open_call()) is not None:
            index, call = open_call
            problem = position.get("problems", {}).get(str(index))
            if problem is None:
                return Act(
                    "call",
                    f"{position['turn'] - 1}.{index}",
                    "",
                    call["name"],
                    call["arguments"],
                    position["attempt"],
                    None,
                )
            self._answer(call, f"Not called: {problem}", problem)
            self._strike("prompt")
            if "failure" in position:
                return self.next(now)
        return Think("think", str(position["turn"]), position["attempt"])

    # -- how it went ---------------------------------------------------------------

    def succeed(self, value: JSON) -> None:
        """The move that `next` told is done.

        :param value: of a `Recall` the text, of a `Think` the answer as ``{"text",
            "tool_calls", "finish", "value"?}``, of an `Act` what the tool answered
        """
        if "recalled" not in self.position:
            self.position["recalled"] = True
            if value:
                content = wrap(value, self.boundary, "what is known about the task")
                self._insert_before_task(content)
            self._over()
        elif (open_call := self._open_call()) is not None:
            _index, call = open_call
            self.position["denied"] = 0
            source = f"tool {call['name']}"
            content = wrap_value(value, self.boundary, source, RESULT_LIMIT)
            self._answer(call, content, value)
            self._over()
        else:
            self._take_answer(value)
            self._over()

    def fail(
        self,
        category: str,
        message: str,
        now: float,
        retry_after: float | None = None,
        may_repeat: bool = True,
    ) -> None:
        """The move that `next` told did not work.

        A tool's failure is told to the model, which knows best what to do instead. A
        model's failure ends the conversation, when trying again does not help.

        :param retry_after: seconds that whoever failed asks for
        :param may_repeat: whether once more does no harm
        """
        position = self.position
        if "recalled" not in position:
            self.succeed("")  # without what is known, then
            return
        open_call = self._open_call()
        attempt = position["attempt"]
        times, wait = policy(category) if may_repeat else (0, 0.0)
        wait = max(wait * 2 ** (attempt - 1), retry_after or 0.0)
        if attempt <= times and wait <= RETRY_AT_MOST:
            position["attempt"] = attempt + 1
            position["until"] = now + wait
            return
        if open_call is None:
            self._give_up(category, message, "think")
            return
        _index, call = open_call
        # the sentence is ours, what it quotes may be anybody's
        told = wrap(message, self.boundary, f"failure of tool {call['name']}")
        self._answer(call, f"Failed.\n{told}", message)
        if category == "rights":
            self._strike(category)
        self._over()

    def hear(self, text: str, pictures: Iterable[Mapping[str, JSON]] = ()) -> None:
        """A person says something more; it is answered next."""
        self._append({"role": "user", "content": content_of(text, pictures)})
        self.position.pop("output", None)
        self.position["poor"] = 0

    # -- answers of the model --------------------------------------------------------

    def _take_answer(self, answer: Mapping[str, JSON]) -> None:
        text = clean(answer.get("text") or "")
        calls = answer.get("tool_calls") or []
        finish = answer.get("finish")
        position = self.position
        number = position["turn"]
        position["turn"] = number + 1
        position.pop("problems", None)
        if finish == "filtered":
            self._give_up(
                "prompt", "The provider's filter held the answer back.", "think"
            )
        elif calls:
            position["poor"] = 0
            self._append(
                {
                    "role": "assistant",
                    "content": text,
                    "tool_calls": list(self._numbered(calls, number)),
                }
            )
            problems = {
                str(index): call["problem"]
                for index, call in enumerate(calls)
                if call.get("problem")
            }
            if problems:
                position["problems"] = problems
        elif finish == "length" or not text.strip():
            self._take_poor_answer(text)
        else:
            self._append({"role": "assistant", "content": text})
            position["output"] = answer.get("value", text)

    def _take_poor_answer(self, text: str) -> None:
        """Nothing, or only the beginning: say so, but not for ever."""
        self.position["poor"] += 1
        cut = bool(text.strip())
        if self.position["poor"] > POOR:
            what = "only the beginning of an answer" if cut else "nothing"
            self._give_up(
                "prompt", f"The model gave {what}, {POOR + 1} times in a row.", "think"
            )
            return
        if cut:
            self._append({"role": "assistant", "content": text})
            asked = CUT_OFF
        else:
            asked = EMPTY
        self._append({"role": "user", "content": asked})

    def _numbered(
        self, calls: Iterable[Mapping[str, JSON]], number: int
    ) -> Iterable[JSON]:
        """Calls with an id each that no other of the answer has: providers forget."""
        seen: set[str] = set()
        for index, call in enumerate(calls):
            call_id = call.get("id")
            if not isinstance(call_id, str) or not call_id or call_id in seen:
                call_id = f"call_{number}_{index}"
            while call_id in seen:
                call_id += "_"
            seen.add(call_id)
            arguments = call.get("arguments")
            yield {
                "id": call_id,
                # what no tool is called, no provider takes back either
                "name": _ODD.sub("_", str(call.get("name") or "_"))[:NAME_LIMIT],
                "arguments": arguments if isinstance(arguments, dict) else {},
            }

    # -- calls -----------------------------------------------------------------------

    def _open_call(self) -> tuple[int, JSON] | None:
        """The first call of the last answer that nobody answered yet."""
        answered = 0
        while (
            self._messages[-1 - answered]["role"] == "tool"
        ):  # the first is a person's
            answered += 1
        calls = self._messages[-1 - answered].get("tool_calls") or []
        return (answered, calls[answered]) if answered < len(calls) else None

    def _answer(self, call: Mapping[str, JSON], content: str, result: JSON) -> None:
        self._append(
            {
                "role": "tool",
                "tool_call_id": call["id"],
                "name": call["name"],
                "content": content,
            }
        )
        told = json.dumps([call["name"], call["arguments"], result], sort_keys=True)
        digest = blake2b(told.encode("utf-8", "replace"), digest_size=8).hexdigest()
        last, times = self.position.get("same", ("", 0))
        times = times + 1 if last == digest else 1
        self.position["same"] = [digest, times]
        if times >= SAME:
            self._give_up(
                "prompt",
                f"The model called {call['name']} {SAME} times in a row with the same"
                " arguments, and the result was the same.",
                "call",
            )

    def _strike(self, category: str) -> None:
        """One more call in a row that could not be."""
        self.position["denied"] += 1
        if self.position["denied"] >= DENIED:
            self._give_up(
                category,
                f"The model made {DENIED} calls in a row that it may not make or that"
                " make no sense.",
                "call",
            )

    # -- small things ------------------------------------------------------------------

    def _give_up(self, category: str, message: str, step: str) -> None:
        self.position.setdefault("failure", [category, message, step])

    def _over(self) -> None:
        self.position["attempt"] = 1
        self.position.pop("as_of", None)  # when people were asked about a call
        self.position["moves"] += 1

    def _append(self, message: Message) -> None:
        self.variables[_name(len(self._messages))] = message
        self._messages.append(message)

    def _insert_before_task(self, content: str) -> None:
        """Data goes before the task, which stays what is answered."""
        *before, task = self._messages
        self._messages = [*before, {"role": "user", "content": content}, task]
        for number in (len(before), len(before) + 1):
            self.variables[_name(number)] = self._messages[number]


def _name(number: int) -> str:
    return f"{_PREFIX}{number:06}"


# --- for people ----------------------------------------------------------------------


def news(messages: Sequence[Message]) -> list[Message]:
    """What the model has not answered yet: what a step of the ledger tells of.

    >>> news([{"role": "user"}, {"role": "assistant"}, {"role": "tool"}])
    [{'role': 'tool'}]
    """
    for place in range(len(messages), 0, -1):
        if messages[place - 1]["role"] == "assistant":
            return list(messages[place:])
    return list(messages)


def as_text(messages: Iterable[Message]) -> str:
    r"""Messages as people read them.

    >>> print(as_text([{"role": "user", "content": "Count."}, {"role": "assistant",
    ...     "content": "", "tool_calls": [
    ...     {"name": "count", "arguments": {"model": "res.partner"}}]}]))
    user: Count.
    <BLANKLINE>
    assistant: count({"model": "res.partner"})
    """
    blocks = []
    for message in messages:
        who = message.get("name") or message["role"]
        content = text_of(message.get("content"))
        calls = [
            f"{call['name']}({json.dumps(call['arguments'], ensure_ascii=False)})"
            for call in message.get("tool_calls") or ()
        ]
        blocks.append(f"{who}: " + "\n".join(filter(None, [content, *calls])))
    return "\n\n".join(blocks)


def spoken(messages: Iterable[Message], boundary: str) -> list[dict[str, str]]:
    """What people and an agent said to each other: no data, no results of tools.

    >>> messages = messages_of(begin("", "Count.", "00ff", about={"id": 1}))
    >>> spoken(messages, "00ff")
    [{'by': 'person', 'text': 'Count.'}]
    """
    told = []
    for message in messages:
        content = text_of(message.get("content"))
        if message["role"] == "tool" or not content.strip():
            continue
        if content.startswith(f"<<data {boundary} ") or content in (CUT_OFF, EMPTY):
            continue
        by = "agent" if message["role"] == "assistant" else "person"
        told.append({"by": by, "text": content})
    return told
