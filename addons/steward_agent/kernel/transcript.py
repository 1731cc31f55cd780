"""A conversation as people read it on a screen: what was said, what was done for it.

Messages are made for models. A screen shows lines: of a person, of the agent, and one
for each call of a tool, which knows its place in the run's ledger.

>>> call = {"id": "a", "name": "find", "arguments": {}}
>>> for line in lines([
...     {"role": "user", "content": "Who is Ann?"},
...     {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
...     {"role": "tool", "tool_call_id": "a", "name": "find", "content": "…"},
...     {"role": "assistant", "content": "A customer."},
... ], "00ff"):
...     print(line.by, line.place, line.text)
person  Who is Ann?
agent 0 Let me see.
tool 0.0 find
agent 1 A customer.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from .conversation import CUT_OFF, EMPTY, Message
from .pictures import pictures_of, text_of

JSON = Any

MAX_SOURCES: Final = 20  # of one answer
LEAST_NAME: Final = 4  # letters of a record's name, for it to be told from a word


class Line(NamedTuple):
    """One thing on the screen.

    :param by: ``person``, ``agent`` or ``tool``
    :param text: what was said; of a tool its name
    :param place: the number of the answer (``2``), of a call with its own (``2.0``):
        the iteration of the step in the ledger
    :param sources: what an answer refers to
    :param arguments: of a tool's call
    :param pictures: attachments that a person showed
    """

    by: str
    text: str
    place: str = ""
    sources: tuple[dict[str, JSON], ...] = ()
    arguments: Mapping[str, JSON] | None = None
    pictures: tuple[int, ...] = ()


def lines(
    messages: Sequence[Message],
    boundary: str,
    sources: Iterable[Mapping[str, JSON]] = (),
    before: Iterable[Message] = (),
) -> list[Line]:
    """What a screen shows of one run's messages.

    :param messages: those of this run alone, from its task on
    :param sources: what the model was told to be known, before it began
    :param before: messages of earlier runs, whose sources it may refer to, too
    """
    found: list[Line] = []
    known: list[Mapping[str, JSON]] = list(sources)
    known += _found_before(before, boundary)
    asked: dict[str, Mapping[str, JSON]] = {}
    turn = 0
    for message in messages:
        content = text_of(message.get("content"), mark="")
        match message["role"]:
            case "assistant":
                if content.strip():
                    told = tuple(cited(content, known))
                    found.append(Line("agent", content, str(turn), told))
                for index, call in enumerate(message.get("tool_calls") or ()):
                    asked[call["id"]] = call["arguments"]
                    place = f"{turn}.{index}"
                    line = Line("tool", call["name"], place, (), call["arguments"])
                    found.append(line)
                turn += 1
            case "tool":
                arguments = asked.get(message["tool_call_id"], {})
                known += sources_of(unwrapped(content, boundary), arguments)
            case _ if content == EMPTY:
                turn += 1  # the answer before it left no message
            case _ if content != CUT_OFF and not _is_data(content, boundary):
                seen = tuple(pictures_of([message]))
                found.append(Line("person", content, pictures=seen))
    return found


def _found_before(
    messages: Iterable[Message], boundary: str
) -> Iterator[dict[str, JSON]]:
    asked: dict[str, Mapping[str, JSON]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            asked[call["id"]] = call["arguments"]
        if message["role"] == "tool":
            arguments = asked.get(message["tool_call_id"], {})
            yield from sources_of(unwrapped(message["content"], boundary), arguments)


def unwrapped(content: str, boundary: str) -> JSON:
    r"""The value of a tool's message; None when it has none that can be read.

    >>> unwrapped('<<data 00ff from tool a>>\n{"n": 1}\n<<end 00ff>>', "00ff")
    {'n': 1}
    >>> unwrapped("Not called.", "00ff")
    """
    end = f"\n<<end {boundary}>>"
    if not (_is_data(content, boundary) and content.endswith(end)):
        return None
    _head, _break, rest = content.partition("\n")
    try:
        return json.loads(rest.removesuffix(end))
    except ValueError:  # it was text, or was cut
        return None


def sources_of(value: JSON, arguments: Mapping[str, JSON]) -> Iterator[dict[str, JSON]]:
    """What can be referred to in a tool's result: passages and records.

    >>> list(sources_of({"passages": [{"number": 1, "title": "Refunds",
    ...     "url": "/r", "text": "…"}]}, {}))
    [{'title': 'Refunds', 'number': 1, 'url': '/r'}]
    >>> list(sources_of({"records": [{"id": 7, "name": "Azure"}]},
    ...     {"model": "res.partner"}))
    [{'title': 'Azure', 'model': 'res.partner', 'id': 7}]
    """
    model = arguments.get("model")
    rows = [value] if isinstance(value, dict) else []
    if isinstance(value, dict):
        for part in value.values():
            rows += part if isinstance(part, list) else []
    for row in rows:
        if not isinstance(row, dict):
            continue
        title = row.get("title") or row.get("display_name") or row.get("name")
        if not isinstance(title, str) or not title.strip():
            continue
        number, url, record = row.get("number"), row.get("url"), row.get("id")
        if type(number) is int and isinstance(url, str):
            yield {"title": title, "number": number, "url": url}
        elif type(record) is int and isinstance(model, str):
            yield {"title": title, "model": model, "id": record}


def cited(text: str, known: Iterable[Mapping[str, JSON]]) -> list[dict[str, JSON]]:
    """Those sources that an answer refers to: by number, or a record by its name.

    Two searches may have given the same number to two passages. Then only the one
    whose title the answer tells is meant for sure.

    >>> known = [{"title": "Refunds", "number": 1, "url": "/r"},
    ...     {"title": "Azure Interior", "model": "res.partner", "id": 7}]
    >>> [one["title"] for one in cited("Azure Interior gets it back [1].", known)]
    ['Refunds', 'Azure Interior']
    >>> cited("It is so [2].", known)
    []
    >>> [one["title"] for one in cited("So [1]. Returns",
    ...     [*known, {"title": "Returns", "number": 1, "url": "/s"}])]
    ['Returns']
    """
    unique = {json.dumps(one, sort_keys=True): dict(one) for one in known}
    found = []
    for one in unique.values():
        number, is_told = one.get("number"), one["title"] in text
        if number is None:
            wanted = is_told and len(one["title"]) >= LEAST_NAME
        else:
            same = [other for other in unique.values() if other.get("number") == number]
            wanted = f"[{number}]" in text and (len(same) == 1 or is_told)
        if wanted:
            found.append(one)
    return found[:MAX_SOURCES]


def _is_data(content: str, boundary: str) -> bool:
    return content.startswith(f"<<data {boundary} ")
