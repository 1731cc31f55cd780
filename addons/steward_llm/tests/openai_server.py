"""A server on loopback that speaks the OpenAI protocol, as well or as badly as told.

    with OpenAIServer() as server:
        server.reply("It is ready.")                       # the next chat answer
        server.reply(tools=[call("find", name="Azure")])   # then one that calls a tool
        ... openai.OpenAI(base_url=server.base_url, api_key=server.key) ...
        server.requests[-1].json()["messages"]

It knows ``/v1/models``, ``/v1/chat/completions`` (tool calls, also several at once,
structured output, streams with usage) and ``/v1/embeddings``. Without a script a chat
echoes the last message, or fills the JSON schema that was asked for; embeddings depend
on the text alone. `fail` puts faults before the answers:

    server.fail(CHAT, refuse(429, retry_after=7), garbage, times=2)

A fault is a behaviour of `steward.tests.server`: a function of the connection.
"""

import hashlib
import itertools
import json
import math

from odoo.addons.steward.tests.server import Server

MODELS = "/v1/models"
CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
KEY = "sk-" + "loopback" * 4
MB = 1024 * 1024
CREATED = 1_750_000_000


class OpenAIServer(Server):
    """A `Server` with the protocol upon it.

    :param models: what it offers: names, or whole entries of the list
    :param dimensions: of its embeddings
    :param tells_usage: some servers do not
    """

    def __init__(
        self,
        models=("gpt-test", "embed-test"),
        dimensions=8,
        tells_usage=True,
        key=KEY,
    ):
        super().__init__()
        self.models = list(models)
        self.dimensions = dimensions
        self.tells_usage = tells_usage
        self.key = key
        self.script = []
        self.faults = {}
        self.numbers = itertools.count(1)

    @property
    def base_url(self):
        return self.url("/v1")

    # -- what tests say -----------------------------------------------------------

    def reply(
        self,
        text=None,
        *,
        tools=(),
        usage=None,
        finish=None,
        gap=0,
        role="assistant",
        refusal=None,
    ):
        """Add an answer to the script of the chat.

        :param tools: of `call`; several are called at once
        :param usage: fields of the answer's usage that differ
        :param gap: seconds between the pieces of a stream
        :param role: some answer as somebody else
        """
        self.script.append(
            {
                "text": text,
                "tools": tools,
                "usage": usage,
                "finish": finish,
                "gap": gap,
                "role": role,
                "refusal": refusal,
            }
        )

    def fail(self, path, *faults, times=1):
        """Let these faults come first at a path, each so many times."""
        queue = self.faults.setdefault(path, [])
        queue += [fault for fault in faults for _time in range(times)]

    def asked(self, path):
        """What came to a path, as JSON."""
        return [r.json() for r in self.requests if r.path == path]

    def clear(self):
        self.script.clear()
        self.faults.clear()
        return super().clear()

    # -- the protocol -------------------------------------------------------------

    def behave(self, peer):
        path = peer.received.path
        if path in self.behaviours:
            return super().behave(peer)
        if queue := self.faults.get(path):
            return queue.pop(0)(peer)
        answers = {MODELS: self._models, CHAT: self._chat, EMBEDDINGS: self._embeddings}
        if path not in answers:
            return refuse(404, "there is no such page")(peer)
        if self.key and peer.received.headers["Authorization"] != f"Bearer {self.key}":
            return refuse(401, "Incorrect API key provided")(peer)
        return answers[path](peer)

    def _models(self, peer):
        entries = [
            {"object": "model", "created": CREATED, "owned_by": "tests"}
            | (model if isinstance(model, dict) else {"id": model})
            for model in self.models
        ]
        peer.answer(200, {"object": "list", "data": entries})

    def _known(self, peer, asked):
        names = [m["id"] if isinstance(m, dict) else m for m in self.models]
        if asked.get("model") in names:
            return True
        refuse(404, f"The model {asked.get('model')} does not exist")(peer)
        return False

    def _embeddings(self, peer):
        asked = peer.received.json()
        if not self._known(peer, asked):
            return
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        peer.answer(200, self.embedded(texts, asked.get("dimensions")))

    def embedded(self, texts, dimensions=None):
        """The whole answer for these texts; faults change it."""
        answer = {
            "object": "list",
            "model": "embed-test",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": vector(text, dimensions or self.dimensions),
                }
                for index, text in enumerate(texts)
            ],
        }
        if self.tells_usage:
            tokens = sum(map(tokens_of, texts))
            answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return answer

    def _chat(self, peer):
        asked = peer.received.json()
        if not self._known(peer, asked):
            return
        step = self.script.pop(0) if self.script else {}
        text, tools = step.get("text"), list(step.get("tools") or ())
        if text is None and not tools and not step.get("refusal"):
            text = _unscripted(asked)
        calls = [
            {
                "id": f"call_{next(self.numbers)}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments
                    if isinstance(arguments, str)
                    else json.dumps(arguments),
                },
            }
            for name, arguments in tools
        ]
        finish = step.get("finish") or ("tool_calls" if calls else "stop")
        usage = self._usage(asked, text, calls) | (step.get("usage") or {})
        head = {
            "id": f"chatcmpl-{next(self.numbers)}",
            "created": CREATED,
            "model": asked["model"],
        }
        if asked.get("stream"):
            told = (asked.get("stream_options") or {}).get("include_usage")
            told = usage if told and self.tells_usage else None
            role = step.get("role", "assistant")
            self._stream(
                peer,
                _pieces(head, text, calls, finish, told, role),
                step.get("gap", 0),
            )
            return
        message = {"role": step.get("role", "assistant"), "content": text}
        if step.get("refusal"):
            message["refusal"] = step["refusal"]
        if calls:
            message["tool_calls"] = calls
        answer = head | {
            "object": "chat.completion",
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        }
        if self.tells_usage:
            answer["usage"] = usage
        peer.answer(200, answer)

    def _usage(self, asked, text, calls):
        tokens_in = sum(tokens_of(m.get("content")) for m in asked["messages"])
        tokens_out = tokens_of(text) + sum(tokens_of(json.dumps(c)) for c in calls)
        return {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }

    def _stream(self, peer, pieces, gap):
        peer.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        for piece in [*map(json.dumps, pieces), "[DONE]"]:
            if gap and self.over.wait(gap):
                return
            send_event(peer, piece)
        peer.send(b"0\r\n\r\n")


# -- parts of answers ---------------------------------------------------------------


def call(name, /, **arguments):
    """A tool's call, for `OpenAIServer.reply`."""
    return name, arguments


def misspelt(name, arguments):
    """A tool's call with arguments that are just text."""
    return name, arguments


def vector(text, dimensions):
    """A unit vector that depends on the text alone."""
    numbers = []
    for place in range(dimensions):
        drawn = hashlib.blake2b(f"{place}:{text}".encode(), digest_size=8).digest()
        numbers.append(int.from_bytes(drawn, "big") / 2**63 - 1)
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


def tokens_of(text):
    """So many tokens has a text here: its words."""
    return len(str(text or "").split())


def send_event(peer, data):
    """One event of a stream, as a chunk of its own."""
    peer.send(_event(data))


def _event(data):
    event = f"data: {data}\n\n".encode()
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


def _unscripted(asked):
    form = asked.get("response_format") or {}
    if form.get("type") == "json_schema":
        return json.dumps(_filled(form["json_schema"]["schema"]))
    if form.get("type") == "json_object":
        return "{}"
    return f"You said: {asked['messages'][-1].get('content')}"


def _filled(schema):
    """Something small that fits a JSON schema of the plain kind."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "object":
        return {k: _filled(v) for k, v in schema.get("properties", {}).items()}
    if kind == "array":
        return [_filled(schema.get("items", {}))]
    return {"string": "text", "integer": 1, "number": 0.5, "boolean": True}.get(kind)


def _pieces(head, text, calls, finish, usage, role="assistant"):
    """The chunks of a stream: words, then each call in two parts, then the end."""

    def piece(delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return head | {"object": "chat.completion.chunk", "choices": [choice]}

    yield piece({"role": role, "content": ""})
    words = (text or "").split(" ") if text else []
    for place, word in enumerate(words):
        yield piece({"content": f" {word}" if place else word})
    for index, made in enumerate(calls):
        arguments = made["function"]["arguments"]
        middle = len(arguments) // 2
        begun = {"name": made["function"]["name"], "arguments": arguments[:middle]}
        yield piece({"tool_calls": [{**made, "index": index, "function": begun}]})
        rest = {"index": index, "function": {"arguments": arguments[middle:]}}
        yield piece({"tool_calls": [rest]})
    yield piece({}, finish)
    if usage is not None:
        yield head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}


# -- faults -------------------------------------------------------------------------


def refuse(status, message="no", retry_after=None, code=None):
    """An error in the protocol's own form."""
    headers = () if retry_after is None else (f"Retry-After: {retry_after}",)
    error = {"message": message, "type": "error", "param": None, "code": code}
    return lambda peer: peer.answer(status, {"error": error}, *headers)


def garbage(peer):
    """Something that begins like JSON."""
    peer.answer(
        200, b'{"object": "list", "data": [{"emb', "Content-Type: application/json"
    )


def page(peer):
    """What a proxy before the server says: a page for people."""
    peer.answer(200, b"<html>Welcome to nginx!</html>", "Content-Type: text/html")


def says(body):
    """Sound JSON that is not what was agreed."""
    return lambda peer: peer.answer(200, body)


def embeds(change):
    """Embeddings that were changed before they are sent.

    :param change: takes the whole answer and returns what is sent
    """

    def behave(peer):
        texts = peer.received.json()["input"]
        peer.answer(200, change(peer.server.owner.embedded(texts)))

    return behave


def cut(peer):
    """Half of an answer, and then nothing more."""
    body = json.dumps(peer.server.owner.embedded(["half"])).encode()
    peer.head(200, "Content-Type: application/json", f"Content-Length: {len(body)}")
    peer.send(body[: len(body) // 2])
    peer.cut()


def half_a_stream(peer, pieces=3):
    """The first pieces of a stream, and then nothing more."""
    _begin_stream(peer, pieces)
    peer.cut()


def stalled_stream(peer):
    """The first words of a stream, and then silence."""
    _begin_stream(peer)
    peer.wait()


def broken_stream(peer, pieces=3, code=529):
    """A stream that ends in an error, though it began well."""
    _begin_stream(peer, pieces)
    error = {"message": "Overloaded", "type": "server_error", "code": code}
    send_event(peer, json.dumps({"error": error}))
    peer.send(b"0\r\n\r\n")


def stream_of(*events):
    """A stream of just these events, sent at once and ended as it should be."""
    told = [event if isinstance(event, str) else json.dumps(event) for event in events]

    def behave(peer):
        peer.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        peer.send(b"".join(map(_event, told)) + b"0\r\n\r\n")

    return behave


def _begin_stream(peer, count=3):
    head = {"id": "chatcmpl-0", "created": CREATED, "model": "gpt-test"}
    peer.head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
    pieces = _pieces(head, "one two three four", [], "stop", None)
    # all at once: however slow the machine is, there is no silence between them
    peer.send(b"".join(_event(json.dumps(p)) for p in itertools.islice(pieces, count)))


def silence(peer):
    """A connection that is accepted and never answered."""
    peer.wait()


def slow(seconds):
    """Wait before the usual answer."""

    def behave(peer):
        owner = peer.server.owner
        if not owner.over.wait(seconds):
            owner.behave(peer)

    return behave


def bulky(size=5 * MB):
    """A sound answer with very much in it that nobody asked for."""

    def behave(peer):
        texts = peer.received.json().get("input") or []
        peer.answer(200, peer.server.owner.embedded(texts) | {"padding": "x" * size})

    return behave
