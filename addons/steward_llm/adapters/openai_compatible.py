"""Every server that speaks the OpenAI protocol, through the library `openai`."""

import random
import time
from contextlib import contextmanager

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
from ..kernel import usage as usages
from . import Adapter, Embedded

RETRIES = 2
WAITS = backoff.Backoff(base=0.5, cap=10)  # seconds between attempts
MAX_BYTES = 64 * 1024 * 1024  # of an answer: 2,048 embeddings of 3,072 numbers as text
MAX_MODELS = 5000  # of a provider's list
GREETING = "Say: ready"


class OpenAICompatible(Adapter):
    """Steward repeats, times and limits itself; the library knows the protocol."""

    def models(self):
        return self._call(
            lambda client: client.models.with_raw_response.list(), _read_models
        )

    def embed(self, model_name, texts, purpose="document", dimensions=None):  # noqa: ARG002 - the protocol does not tell them apart
        def read(told):
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

    def try_chat(self, model_name):
        return self._call(
            lambda client: client.chat.completions.with_raw_response.create(
                model=model_name, messages=[{"role": "user", "content": GREETING}]
            ),
            _read_greeting,
        )

    # -- the one way there --------------------------------------------------------

    def _call(self, ask, read):
        """Ask, again if that may help, and return what `read` makes of the answer.

        The breaker hears of each attempt as a whole: an answer that makes no sense is
        a failure of the service as much as none.

        :param ask: takes a client and returns a raw response
        :param read: takes a JSON object; raises `Unusable` when it cannot be used
        """
        http = self.env["steward.http"]
        deadline = time.monotonic() + self.provider._timeout()
        for attempt in range(RETRIES + 1):
            try:
                with (
                    http._guard_circuit(self.provider._circuit()),
                    self._own_errors(),
                    self._client(deadline) as client,
                ):
                    return read(_as_object(ask(client).http_response))
            except External as error:
                if not error.retryable or attempt == RETRIES:
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


def _read_greeting(told):
    try:
        answer = told["choices"][0]["message"].get("content") or ""
    except (AttributeError, LookupError, TypeError) as error:
        raise answers.Unusable("there is no message in it") from error
    usage = usages.of_openai(told.get("usage"))
    return usage or usages.guessed([GREETING], str(answer))


def _reason(body):
    """What the service says itself, shortly."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(message.split())[:300] if isinstance(message, str) else ""
