"""Every server that speaks the OpenAI protocol, through the library `openai`."""

import json
import random
import time
from contextlib import closing, contextmanager

from odoo.addons.steward.exceptions import (
    AddressRefused,
    BadAnswer,
    External,
    RemoteError,
    StewardError,
)
from odoo.addons.steward.kernel import backoff
from odoo.addons.steward.kernel.redactor import redact

from ..kernel import answers, catalog
from ..kernel import chat as chats
from ..kernel import usage as usages
from . import Adapter, Embedded

RETRIES = 2
WAITS = backoff.Backoff(base=0.5, cap=10)  # seconds between attempts
MAX_BYTES = 64 * 1024 * 1024  # of an answer: 2,048 embeddings of 3,072 numbers as text
MAX_MODELS = 5000  # of a provider's list
SILENCE = 60  # seconds, in the middle of a stream
# who calls the limit of an answer by its new name, and refuses the old one
NEW_LIMIT = ("openai", "azure")


class OpenAICompatible(Adapter):
    """Steward repeats, times and limits itself; the library knows the protocol."""

    def models(self):
        return self._call(
            lambda client: client.models.with_raw_response.list(),
            lambda response: _read_models(_as_object(response)),
        )

    def embed(self, model_name, texts, purpose="document", dimensions=None):  # noqa: ARG002 - the protocol does not tell them apart
        def read(response):
            told = _as_object(response)
            found = answers.embeddings(told.get("data"), len(texts), dimensions)
            usage = usages.of_openai(told.get("usage")) or usages.guessed(texts)
            return Embedded(found, usage)

        return self._call(
            lambda client: client.embeddings.with_raw_response.create(
                model=model_name, input=texts, encoding_format="float"
            ),
            read,
        )

    def test(self):
        names = self.models()
        return self.env._("It answers and offers %(count)s models.", count=len(names))

    def chat(
        self,
        model_name,
        messages,
        tools=(),
        schema=None,
        max_tokens=None,
        on_delta=None,
        deadline=None,
    ):
        asked = {"model": model_name, "messages": chats.to_openai(messages)}
        if tools:
            asked["tools"] = chats.tools_to_openai(tools)
        if schema is not None:
            form = {"name": "answer", "schema": schema}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        if max_tokens:
            is_new = self.provider.preset in NEW_LIMIT
            name = "max_completion_tokens" if is_new else "max_tokens"
            asked[name] = max_tokens
        if on_delta:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        telling = _Telling(on_delta, chats.tokens(messages, tools))
        try:
            return self._call(
                lambda client: client.chat.completions.with_raw_response.create(
                    **asked
                ),
                telling.hear,
                deadline,
                may_repeat=lambda: not telling.has_told,
            )
        except Exception as error:  # whatever it is: it goes on
            error.usage = telling.usage()  # what was said until then is paid
            raise

    # -- the one way there --------------------------------------------------------

    def _call(self, ask, read, deadline=None, may_repeat=lambda: True):
        """Ask, again if that may help, and return what `read` makes of the answer.

        The breaker hears of each attempt as a whole: an answer that makes no sense is
        a failure of the service as much as none.

        :param ask: takes a client and returns a raw response
        :param read: takes a response; raises `Unusable` when it cannot be used
        :param deadline: if it is sooner than the provider's own
        :param may_repeat: is asked before anything is repeated
        """
        http = self.env["steward.http"]
        own_deadline = time.monotonic() + self.provider._timeout()
        deadline = min(deadline or own_deadline, own_deadline)
        for attempt in range(RETRIES + 1):
            try:
                with (
                    http._guard_circuit(self.provider._circuit()),
                    self._own_errors(),
                    self._client(deadline) as client,
                ):
                    return read(ask(client).http_response)
            except External as error:
                if not error.retryable or attempt == RETRIES or not may_repeat():
                    raise
                pause = WAITS.full(attempt, random)
                if error.retry_after is not None:
                    pause = error.retry_after + min(pause, 1)
                if time.monotonic() + pause >= deadline:
                    raise
                http._pause(pause)
        raise AssertionError  # the last attempt returns or raises

    @contextmanager
    def _client(self, deadline):
        """The library's client, on Steward's transport and on nothing else.

        What it does not get here, it would look up in the server's environment: a key
        for OpenAI, or a project's name, is nobody else's business.
        """
        import httpx2
        import openai

        provider = self.provider
        key = provider._key()
        headers = {
            "OpenAI-Organization": openai.Omit(),
            "OpenAI-Project": openai.Omit(),
            **provider._get_headers(key),
        }
        transport = self.env["steward.model.http"]._httpx_transport(
            circuit=provider._circuit(),
            timeout=max(0.1, deadline - time.monotonic()),
            idle_timeout=SILENCE,
            max_bytes=MAX_BYTES,
        )
        hooks = {} if key else {"request": [_without_key]}
        with httpx2.Client(transport=transport, event_hooks=hooks) as http_client:
            yield openai.OpenAI(
                api_key=key or "none",
                base_url=provider._address(),
                organization="",
                project="",
                max_retries=0,
                default_headers=headers,
                http_client=http_client,
            )

    @contextmanager
    def _own_errors(self):
        """Turn what the library raises into Steward's errors, with a sentence."""
        import openai

        try:
            yield
        except answers.Broken as error:
            raise RemoteError(
                self.env._(
                    "%(name)s broke off with an error. It says: “%(reason)s”",
                    name=self.provider.name,
                    reason=redact(str(error)),
                ),
                status_code=error.status,
            ) from error
        except answers.Unusable as error:
            raise BadAnswer(
                self.env._(
                    "The answer of %(name)s cannot be used: %(what)s.",
                    name=self.provider.name,
                    what=error,
                ),
                detail=error.detail,
            ) from error
        except openai.APIStatusError as error:
            raise self._status_error(error) from error
        except (openai.OpenAIError, StewardError) as error:
            known = self.env["steward.http"]._parse_library_error(error)
            if isinstance(known, AddressRefused):
                known = self._refused(known)
            raise known from error

    def _status_error(self, error):
        status = error.response.status_code
        reason = redact(_reason(error.body))
        hint = self._hints().get(status, "")
        sentence = self.env._(
            "%(name)s answered with an error (HTTP %(status)s). %(hint)s",
            name=self.provider.name,
            status=status,
            hint=hint,
        ).strip()
        if reason:
            sentence += " " + self.env._("It says: “%(reason)s”", reason=reason)
        return RemoteError(
            sentence,
            status_code=status,
            detail=redact(str(error.body))[:2000],
            retry_after=backoff.retry_after(
                error.response.headers.get("Retry-After"), time.time(), 60
            ),
        )

    def _hints(self):
        """Return, by status, what somebody may do about it."""
        key = self.env._("It does not accept the key: look at the provider's secret.")
        return {
            401: key,
            403: key,
            404: self.env._(
                "Look at the address, which mostly ends in /v1, and at the model."
            ),
            429: self.env._(
                "It has enough of us for now: too many calls, or no credit left."
            ),
        }

    def _refused(self, error):
        """Say what to do about an address that Steward may not call."""
        return AddressRefused(
            self.env._(
                "%(reason)s If %(name)s runs in your own network, enter its host or"
                " network under Settings > Steward > Outbound calls, “Private networks"
                " that may be called”.",
                reason=error.sentence,
                name=self.provider.name,
            ),
            detail=error.detail,
        )


def _without_key(request):
    """The library insists on a key."""
    request.headers.pop("Authorization", None)


def _as_object(answer):
    try:
        told = answer.json()
    except (ValueError, RecursionError) as error:
        raise answers.Unusable("it is no JSON", redact(answer.text[:200])) from error
    if not isinstance(told, dict):
        raise answers.Unusable("it is no JSON object", redact(answer.text[:200]))
    return told


def _read_models(told):
    entries = told.get("data")
    if not isinstance(entries, list):
        raise answers.Unusable("there is no list of models in it")
    found = map(catalog.describe, entries[:MAX_MODELS])
    return list({info.name: info for info in found if info}.values())


class _Telling:
    """Reads a chat's answer, and tells its text while it comes."""

    def __init__(self, on_delta, asked):
        self.on_delta = on_delta
        self.asked = asked
        self.has_told = False
        self.reading = None

    def hear(self, response):
        self.reading = chats.Reading()
        with closing(response):
            # some answer in one piece though they were asked for a stream
            if "event-stream" in response.headers.get("Content-Type", ""):
                for data in chats.events(response.iter_bytes()):
                    self._take(_loaded(data))
                if not self.reading.is_whole():
                    raise answers.Unusable("it ends in the middle")
            else:
                response.read()
                self._take(_as_object(response))
        return self.reading.answer(self.asked)

    def _take(self, told):
        if (text := self.reading.add(told)) and self.on_delta:
            self.has_told = True
            self.on_delta(chats.Delta(text))

    def usage(self):
        has_begun = self.reading and self.reading.has_begun
        return self.reading.usage(self.asked) if has_begun else None


def _loaded(data):
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise answers.Unusable("a part of it is no JSON", redact(data[:200])) from error


def _reason(body):
    """What the service says itself, shortly."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(message.split())[:300] if isinstance(message, str) else ""
