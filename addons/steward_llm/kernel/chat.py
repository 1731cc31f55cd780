"""A conversation with a model: what goes out, and what comes back.

Messages are plain JSON of one shape for all vendors, so that they can be kept:

- ``{"role": "system" | "user", "content": …}``
- ``{"role": "assistant", "content": …, "tool_calls": [{"id", "name", "arguments"}]}``
- ``{"role": "tool", "tool_call_id": …, "content": …}``

A content is a text, or a list of ``{"type": "text", "text"}`` and ``{"type": "image",
"media_type", "data"}`` with base64. A tool is ``{"name", "description", "parameters"}``
with a JSON Schema.

>>> question = Question([{"role": "user", "content": "How late is S00042?"}])
>>> question.needs(), question.tokens()
(frozenset(), 10)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import usage as usages
from .answers import Broken, Unusable
from .usage import Usage

JSON = Any
Message = dict[str, Any]
ToolSpec = dict[str, Any]

MB = 1024 * 1024
MAX_TEXT = 5 * MB  # bytes of an answer's text and its tools' arguments
MAX_CALLS = 1_000  # of tools, in one answer
MAX_IMAGE = 20 * MB
MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
CHARACTERS = 4  # of English in a token, roughly
AROUND = 5  # tokens around each message
IMAGE_TOKENS = 1_600  # the dearest there is, for a picture of a common size
ABSURD = 20_000_000  # tokens of one call: ten times the longest context there is

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLES = ("system", "user", "assistant", "tool")
_FINISH = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filtered",
    "safety": "filtered",
}


class ToolCall(NamedTuple):
    """A tool that the model wants to use.

    :param arguments: None when they cannot be used
    :param problem: why not
    """

    id: str
    name: str
    arguments: dict[str, JSON] | None
    problem: str | None = None


class Answer(NamedTuple):
    """What a model said.

    :param finish: ``stop``, ``length`` (it had to stop), ``tool_calls`` or ``filtered``
    :param model: as the provider names it
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish: str
    usage: Usage
    model: str

    def message(self) -> Message:
        """The answer as a message, for the next question.

        >>> call = ToolCall("call_1", "find", {"name": "Azure"})
        >>> Answer("", (call,), "tool_calls", Usage(), "gpt").message()["tool_calls"]
        [{'id': 'call_1', 'name': 'find', 'arguments': {'name': 'Azure'}}]
        """
        message: Message = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "name": call.name, "arguments": call.arguments or {}}
                for call in self.tool_calls
            ]
        return message

    def to_json(self) -> JSON:
        """Everything, as it can be kept."""
        return {
            **self._asdict(),
            "tool_calls": [list(call) for call in self.tool_calls],
            "usage": list(self.usage),
        }

    @classmethod
    def of_json(cls, told: JSON) -> Answer:
        """What `to_json` made.

        >>> answer = Answer("fine", (ToolCall("1", "f", {}),), "stop", Usage(1), "gpt")
        >>> Answer.of_json(json.loads(json.dumps(answer.to_json()))) == answer
        True
        """
        calls = tuple(ToolCall(*call) for call in told["tool_calls"])
        return cls(**{**told, "tool_calls": calls, "usage": Usage(*told["usage"])})


class Delta(NamedTuple):
    """A piece of an answer's text, as it comes."""

    text: str


class Question(NamedTuple):
    """All that decides about an answer, beside the model.

    :param schema: of the answer, which is JSON then
    :param max_tokens: of the answer; None: as many as the model likes
    """

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    schema: JSON | None = None
    max_tokens: int | None = None

    def check(self) -> None:
        """Refuse what no model could answer.

        >>> Question([{"role": "robot", "content": "hello"}]).check()
        Traceback (most recent call last):
        ValueError: message 1 is of nobody: 'robot'
        """
        if not self.messages:
            raise ValueError("there is no message")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError("an answer has at least one token")
        for number, message in enumerate(self.messages, 1):
            if problem := _problem(message):
                raise ValueError(f"message {number} {problem}")
        for tool in self.tools:
            if not _NAME.fullmatch(name := tool.get("name", "")):
                raise ValueError(f"no model can call a tool {name!r}")

    def needs(self) -> frozenset[str]:
        """What a model must be able to do, as `catalog.CAPABILITIES` names it."""
        needed = {"tools": self.tools, "json": self.schema is not None}
        needed["vision"] = any(map(_images, self.messages))
        return frozenset(name for name, is_needed in needed.items() if is_needed)

    def tokens(self) -> int:
        """About how long it is; see `tokens`."""
        return tokens(self.messages, self.tools)

    def key(self, model: str) -> bytes:
        """The same for the same question to the same model, and for no other.

        >>> one, other = (Question([{"role": "user", "content": c}]) for c in "ab")
        >>> one.key("gpt") == one.key("gpt"), one.key("gpt") == other.key("gpt")
        (True, False)
        """
        said = json.dumps([model, *self], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).digest()


def tokens(messages: Iterable[Message], tools: Iterable[ToolSpec] = ()) -> int:
    """About how many tokens these are; no vendor's own counting is here to ask.

    A letter beyond ASCII counts as a token: true of Chinese, careful with Greek.

    >>> tokens([{"role": "user", "content": "twelve words"}]), weight("你好")
    (8, 2)
    """
    count = 0
    for message in messages:
        count += AROUND + IMAGE_TOKENS * len(_images(message))
        count += sum(map(weight, _texts(message)))
        count += sum(weight(_dumps(call)) for call in message.get("tool_calls") or ())
    return count + sum(weight(_dumps(tool)) for tool in tools)


def weight(text: str) -> int:
    """About how many tokens a text has."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return math.ceil(plain / CHARACTERS) + len(text) - plain


def _texts(message: Message) -> list[str]:
    content = message.get("content")
    if isinstance(content, list):
        return [part["text"] for part in content if part["type"] == "text"]
    return [content or ""]


def _images(message: Message) -> list[Message]:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return [part for part in parts if part["type"] == "image"]


def _problem(message: Message) -> str | None:
    """What is wrong with a message, as it goes on behind its number."""
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        return f"is of nobody: {role!r}"
    if role == "tool" and not message.get("tool_call_id"):
        return "answers no call of a tool"
    if isinstance(content, list):
        return next(filter(None, map(_problem_of_part, content)), None)
    if not isinstance(content, str) and not message.get("tool_calls"):
        return "says nothing"
    return None


def _problem_of_part(part: Message) -> str | None:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return None
    if kind != "image":
        return f"has a part that is neither text nor picture: {kind!r}"
    if part.get("media_type") not in MEDIA_TYPES:
        return f"has a picture of a kind that models do not see: {part['media_type']}"
    try:
        size = len(base64.b64decode(part["data"], validate=True))
    except binascii.Error:
        return "has a picture that is no base64"
    if size > MAX_IMAGE:
        return f"has a picture of {size / MB:.0f} MB; {MAX_IMAGE // MB} are the most"
    return None


def _dumps(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- as OpenAI's protocol has it -----------------------------------------------------


def to_openai(messages: Iterable[Message]) -> list[Message]:
    """Messages for the wire.

    >>> to_openai([{"role": "assistant", "content": "", "tool_calls": [
    ...     {"id": "1", "name": "find", "arguments": {"n": 1}}]}])[0]["tool_calls"]
    [{'id': '1', 'type': 'function', 'function': {'name': 'find', \
'arguments': '{"n": 1}'}}]
    """
    return [_to_openai(message) for message in messages]


def _to_openai(message: Message) -> Message:
    told: Message = {
        name: message[name]
        for name in ("role", "name", "tool_call_id")
        if name in message
    }
    content = message.get("content")
    if isinstance(content, list):
        told["content"] = [_part_to_openai(part) for part in content]
    else:
        told["content"] = _sound(content or "")
    if calls := message.get("tool_calls"):
        told["content"] = told["content"] or None
        told["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {
                    "name": call["name"],
                    "arguments": json.dumps(call["arguments"] or {}),
                },
            }
            for call in calls
        ]
    return told


def _part_to_openai(part: Message) -> Message:
    if part["type"] == "text":
        return {"type": "text", "text": _sound(part["text"])}
    url = f"data:{part['media_type']};base64,{part['data']}"
    return {"type": "image_url", "image_url": {"url": url}}


def tools_to_openai(tools: Iterable[ToolSpec]) -> list[Message]:
    """Tools for the wire."""
    return [{"type": "function", "function": dict(tool)} for tool in tools]


def events(pieces: Iterable[bytes]) -> Iterator[str]:
    r"""The data of each event in a stream, until it says that it is done.

    >>> list(events([b'data: {"a"', b': 1}\r\n\n: alive\ndata:2\n\ndata: [DONE]\n\n']))
    ['{"a": 1}', '2']
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > 2 * MAX_TEXT:
            raise _too_long()
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip().decode("utf-8", "replace")
                if data == "[DONE]":
                    return
                yield data


class Reading:
    """An answer that is being read, in one piece or in many.

    >>> reading = Reading()
    >>> for word in ("It", " is"):
    ...     said = reading.add({"choices": [{"delta": {"content": word}}]})
    >>> said
    ' is'
    >>> reading.add({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    ''
    >>> reading.answer(10)[:3], reading.answer(10).usage.estimated
    (('It is', (), 'stop'), True)
    """

    def __init__(self) -> None:
        self.size = 0
        self.model = ""
        self._texts: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._finish: str | None = None
        self._has_refused = False
        self._usage: object = None
        self.has_begun = False

    def add(self, told: object) -> str:
        """Take a piece, or all of it; return its text."""
        if not isinstance(told, Mapping):
            raise Unusable("a part of it is no JSON object")
        if error := told.get("error"):
            raise Broken(error)
        if isinstance(told.get("usage"), Mapping):
            self._usage = told["usage"]
        if isinstance(told.get("model"), str):
            self.model = told["model"]
        choices = told.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, Mapping):
            return ""
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]
        is_whole = "message" in choice
        part = choice["message"] if is_whole else choice.get("delta")
        return self._take(part, is_whole) if isinstance(part, Mapping) else ""

    def _take(self, part: Mapping[str, Any], is_whole: bool) -> str:
        self.has_begun = True
        role = part.get("role") or "assistant"
        if role != "assistant":
            raise Unusable(f"it speaks as {role!r}")
        text = _text(part.get("content"))
        if refusal := part.get("refusal"):
            text += _text(refusal)
            self._has_refused = True
        calls = part.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            self._take_call(call, place if is_whole else None)
        self._texts.append(text)
        self._grow(text)
        return text

    def _take_call(self, told: object, place: int | None) -> None:
        function = told.get("function") if isinstance(told, Mapping) else None
        if not isinstance(told, Mapping) or not isinstance(function, Mapping):
            raise Unusable("a call of a tool is no object")
        index = told.get("index") if place is None else place
        if not isinstance(index, int):  # some leave it out: a name begins another call
            index = max(self._calls, default=-1) + bool(function.get("name"))
        call = self._calls.setdefault(index, _Call())
        if len(self._calls) > MAX_CALLS:
            raise Unusable(f"it calls more than {MAX_CALLS} tools")
        call.id = call.id or _text(told.get("id"))
        call.name = call.name or _text(function.get("name"))
        arguments = function.get("arguments")
        if isinstance(arguments, Mapping):  # as Ollama does
            arguments = json.dumps(arguments)
        call.arguments.append(_text(arguments))
        self._grow(call.arguments[-1])

    def _grow(self, text: str) -> None:
        self.size += len(text.encode("utf-8", "replace"))
        if self.size > MAX_TEXT:
            raise _too_long()

    def is_whole(self) -> bool:
        """Whether the answer's end has come."""
        return self._finish is not None

    def answer(self, asked: int) -> Answer:
        """The answer, now that all of it is here.

        :param asked: tokens of the question, for servers that do not tell
        """
        if not self.has_begun:
            raise Unusable("there is no message in it")
        calls = tuple(_read_calls(self._calls[index] for index in sorted(self._calls)))
        finish = _FINISH.get(self._finish or "", "stop")
        if self._has_refused:
            finish = "filtered"
        elif calls and finish == "stop":
            finish = "tool_calls"
        text = _sound("".join(self._texts))
        return Answer(text, calls, finish, self.usage(asked), self.model)

    def usage(self, asked: int) -> Usage:
        """What it took so far: as it was told, if that can be true."""
        counted = weight("".join(self._texts)) + sum(
            weight(call.name) + weight("".join(call.arguments))
            for call in self._calls.values()
        )
        told = usages.of_openai(self._usage)
        if told is None or (counted and not told.tokens_out):
            return Usage(asked, counted, estimated=True)
        if max(told.tokens_in, told.tokens_out) > ABSURD:
            return Usage(asked, counted, estimated=True)
        return told


class _Call:
    """A tool's call that is being read."""

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] = []


def _read_calls(calls: Iterable[_Call]) -> Iterator[ToolCall]:
    known: set[str] = set()
    for number, call in enumerate(calls, 1):
        if not call.name:
            raise Unusable("it calls a tool without a name")
        # some give none, or all the same
        name = call.id if call.id and call.id not in known else f"call_{number}"
        while name in known:
            name += "_"
        known.add(name)
        try:
            arguments = _arguments("".join(call.arguments))
        except ValueError as error:
            yield ToolCall(name, call.name, None, str(error))
        else:
            yield ToolCall(name, call.name, arguments)


def _arguments(text: str) -> dict[str, JSON]:
    try:
        told = json.loads(text or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the arguments are no JSON: {error}") from error
    if not isinstance(told, dict):
        raise ValueError("the arguments are no JSON object")  # noqa: TRY004 - told
    return {_sound(name): _cleaned(value) for name, value in told.items()}


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _cleaned(value: JSON) -> JSON:
    """What a database takes: no half characters, no NUL."""
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_sound(name): _cleaned(item) for name, item in value.items()}
    return value


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _text(told: object) -> str:
    """A text, which some send in parts."""
    if told is None:
        return ""
    if isinstance(told, str):
        return told
    if not isinstance(told, list):
        raise Unusable("its text is none")
    return "".join(
        part["text"]
        for part in told
        if isinstance(part, Mapping) and isinstance(part.get("text"), str)
    )


def _too_long() -> Unusable:
    return Unusable(f"it is longer than {MAX_TEXT // MB} MB")


OnDelta = Callable[[Delta], object]
