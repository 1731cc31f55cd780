r"""Pictures in a conversation.

What a run remembers says only which attachment a picture is; the bytes are added when
a model is asked (`shown`), so that they stand in no row of the memory or the ledger.

>>> seen = content("What is wrong here?", [{"attachment": 7}])
>>> seen[1]
{'type': 'image', 'attachment': 7}
>>> text_of(seen), list(pictures_of([{"role": "user", "content": seen}]))
('What is wrong here?\n[picture]', [7])
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

JSON = Any
Message = dict[str, JSON]

MOST_SHOWN: Final = 20  # of a conversation in one question, the newest
LEFT_OUT: Final = {
    "type": "text",
    "text": "(a picture, left out here: it was long ago, or is not kept any longer)",
}


def content(text: str, pictures: Iterable[Mapping[str, JSON]] = ()) -> JSON:
    """What a person says, as a message has it: a text, or parts when there is more.

    >>> content("Count."), content("", [{"attachment": 7}])
    ('Count.', [{'type': 'image', 'attachment': 7}])
    """
    seen = [{"type": "image", **picture} for picture in pictures]
    said = [{"type": "text", "text": text}] if text else []
    return said + seen if seen else text


def text_of(content: JSON, mark: str = "[picture]") -> str:
    """The words of a content.

    :param mark: what stands for a picture
    """
    if isinstance(content, list):
        return "\n".join(filter(None, (part.get("text", mark) for part in content)))
    return content or ""


def pictures_of(messages: Iterable[Message]) -> Iterator[int]:
    """The attachments that messages refer to."""
    for message in messages:
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            if "attachment" in part:
                yield part["attachment"]


def without(message: Message) -> Message:
    """A message whose pictures are left out.

    >>> seen = {"role": "user", "content": content("", [{"attachment": 7}])}
    >>> without(seen)["content"] == [LEFT_OUT]
    True
    """
    parts = [LEFT_OUT if "attachment" in part else part for part in message["content"]]
    return {**message, "content": parts}


def shown(
    messages: Sequence[Message], load: Callable[[int], str | None]
) -> list[Message]:
    """Messages with their pictures, as a model is sent them.

    :param load: of an attachment its base64, or None when it is not kept any longer

    >>> said = [{"role": "user", "content": content("", [{"attachment": n}])}
    ...     for n in (1, 2)]
    >>> told = shown(said, {2: "iVBO"}.get)
    >>> told[0]["content"] == [LEFT_OUT], told[1]["content"]
    (True, [{'type': 'image', 'data': 'iVBO'}])
    """
    wanted = set(list(pictures_of(messages))[-MOST_SHOWN:])
    return [
        {**message, "content": [_shown(part, wanted, load) for part in parts]}
        if isinstance(parts := message.get("content"), list)
        else message
        for message in messages
    ]


def _shown(part: Message, wanted: set[int], load: Callable[[int], str | None]) -> JSON:
    if "attachment" not in part:
        return part
    number = part["attachment"]
    data = load(number) if number in wanted else None
    if data is None:
        return LEFT_OUT
    rest = {name: value for name, value in part.items() if name != "attachment"}
    return {**rest, "data": data}
