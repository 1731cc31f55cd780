import functools
import json as jsonlib
import logging
import random
import re
import time
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import tenacity

from odoo import models
from odoo.modules import module
from odoo.release import version

from .. import log, wire
from ..exceptions import (
    BadAnswer,
    External,
    Invalid,
    RemoteError,
    StewardError,
    converted,
)
from ..kernel import backoff, netguard
from ..kernel.redactor import redact

_logger = logging.getLogger(__name__)

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2
RETRIES = 2
WAITS = backoff.Backoff(base=0.5, cap=10)  # seconds between attempts
RETRY_AFTER_CAP = 60  # seconds that a service may make us wait
CONNECTION_HEADERS = frozenset(  # our own business, whoever calls
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True)
class Answer:
    """What a service said, read to its end.

    :param headers: of which the case does not matter
    :param url: where it came from, after redirects
    """

    status: int
    headers: Any
    content: bytes
    url: str

    @property
    def text(self):
        charset = self.headers.get_content_charset("utf-8")
        try:
            return self.content.decode(charset, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self):
        """The content as JSON.

        :raises BadAnswer: when it is none
        """
        try:
            return jsonlib.loads(self.content)
        except (ValueError, RecursionError) as error:
            host = urlsplit(self.url).hostname
            raise BadAnswer(
                f"{host} did not answer with JSON.",
                detail=redact(self.text[:200]),
            ) from error


@functools.lru_cache(16)
def _policy(networks, hosts):
    def words(text):
        return [word for word in re.split(r"[\s,;]+", text) if word]

    return netguard.Policy.of(words(networks), words(hosts))


class StewardHttp(models.AbstractModel):
    """The one way out of this database over HTTP.

    Call ``self.env["steward.http"]._request(…)``, or inherit it under a name of your
    own and override hooks: each returns data, so that an override is one line. All of
    it is private on purpose: nobody gets to call addresses over RPC.
    """

    _name = "steward.http"
    _description = "Outbound HTTP"

    def _register_hook(self):
        """Redact the log from the moment the registry is ready, whoever set it up."""
        super()._register_hook()
        log.install()

    # -- hooks --------------------------------------------------------------------

    def _get_url(self, url, params):
        """Return the whole address. Called once, before anything is checked."""
        if not params:
            return url
        pairs = [pair for pair in _pairs(params) if pair[1] is not None]
        query = urlencode(pairs, doseq=True)
        if not query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def _get_headers(self, headers):
        """Return what is sent with each request, the caller's headers included."""
        return {"Accept": "application/json, */*;q=0.5", "User-Agent": AGENT, **headers}

    def _get_auth(self, url):  # noqa: ARG002 - for overrides
        """Return headers that prove who we are. Never sent on to another host."""
        return {}

    def _get_circuit(self, target):
        """Return the circuit breaker's name for calls that name none.

        Called with scheme, host and port of an address whose form is sound.
        """
        return f"http:{target.host}:{target.port}"

    def _get_rules(self):
        """Return where calls may go: the administrator's settings, nothing else."""
        # sudo: ir.config_parameter - the limits hold for every user, who reads none
        get = self.env["ir.config_parameter"].sudo().get_param
        try:
            policy = _policy(
                get("steward.http.allowed_networks") or "",
                get("steward.http.allowed_hosts") or "",
            )
        except ValueError as error:
            raise Invalid(
                self.env._(
                    "The networks that Steward may call are misspelt in its settings."
                ),
                detail=str(error),
            ) from error
        return wire.Rules(
            policy=policy,
            proxy=get("steward.http.proxy") or "",
            ca_file=get("steward.http.ca_file") or "",
            only_loopback=bool(module.current_test),
        )

    def _guard_circuit(self, name):
        """Return a context manager around one attempt.

        :raises CircuitOpen: when entered while the service is left alone
        """
        if "steward.circuit" in self.env:
            return self.env["steward.circuit"]._guard(name)
        return nullcontext()

    def _take_rate(self, name):
        """Take one call from a rate limit. Called before each attempt.

        :raises RateLimited: when there is none
        """
        if "steward.rate.limit" in self.env:
            self.env["steward.rate.limit"]._take(name)

    def _pause(self, seconds):
        """Wait before the next attempt."""
        time.sleep(seconds)

    def _parse_error(self, answer):
        """Return the error that an answer means, or None if it is none."""
        if answer.status < 400:
            return None
        return self._remote_error(answer.status, answer.headers, answer.url)

    def _parse_content(self, answer):
        """Return what the caller gets. Called when there is no error."""
        return answer

    def _log_call(self, method, url, status, size, seconds, error):
        """Write the one line of a call; called after each attempt, in any case."""
        level = logging.INFO if error else logging.DEBUG
        if not _logger.isEnabledFor(level):
            return
        _logger.log(
            level,
            "%s %s -> %s, %d bytes, %.0f ms",
            method,
            _shown(url),
            getattr(error, "code", None) if status is None else status,
            size,
            seconds * 1000,
        )

    # -- requests -----------------------------------------------------------------

    def _request(
        self,
        method,
        url,
        *,
        headers=None,
        params=None,
        json=None,
        data=None,
        circuit=None,
        rate=None,
        timeout=60,
        connect_timeout=5,
        read_timeout=30,
        retries=RETRIES,
        idempotent=None,
        max_bytes=wire.MAX_BYTES,
    ):
        """Call a service and return its answer.

        :param json: what is sent as JSON; or
        :param data: bytes or text as they are, a dictionary as a form
        :param circuit: name of the circuit breaker; the host's without one
        :param rate: name of the rate limit to take from; the circuit's without one
        :param timeout: seconds for all of it, repetitions and waits included
        :param read_timeout: longest silence within it
        :param retries: repetitions of what is worth repeating …
        :param idempotent: … and may be: by the method, if not said
        :rtype: Answer, or what `_parse_content` makes of it
        :raises StewardError: whatever goes wrong
        """
        method = method.upper()
        url = self._get_url(url, params)
        body, content_type = _encoded(json, data)
        headers = self._get_headers(headers or {})
        if content_type and not any(n.lower() == "content-type" for n in headers):
            headers["Content-Type"] = content_type
        headers = {**headers, **self._get_auth(url)}
        request = wire.Request(method, url, own_headers(headers.items()), body)
        limits = wire.Limits(connect_timeout, read_timeout, timeout, max_bytes)
        deadline = wire.Deadline(timeout)
        if idempotent is None:
            idempotent = method in IDEMPOTENT
        attempts = 1 + (retries if idempotent else 0)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_repeating),
            wait=_wait,
            # a wait beyond the deadline could only end in a worse error
            stop=lambda state: (
                state.attempt_number >= attempts
                or time.monotonic() + state.upcoming_sleep >= deadline.end
            ),
            sleep=self._pause,
            reraise=True,
        )
        answer = retrying(self._attempt, request, limits, deadline, circuit, rate)
        return self._parse_content(answer)

    def _attempt(self, request, limits, deadline, circuit, rate):
        with self._exchange(request, limits, deadline, circuit, rate) as reply:
            answer = Answer(reply.status, reply.headers, reply.whole(), reply.url)
            if error := self._parse_error(answer):
                raise error
            return answer

    @contextmanager
    def _exchange(self, request, limits, deadline, circuit=None, rate=None):
        """One attempt, guarded and logged: what every call goes through.

        :return: a `wire.Reply` of which the head is read
        """
        began = time.monotonic()
        reply = error = None
        try:
            target = wire.checked(request.url)
            name = circuit or self._get_circuit(target)
            with self._guard_circuit(name):
                self._take_rate(rate or name)
                reply = wire.exchange(request, self._get_rules(), limits, deadline)
                with closing(reply):
                    yield reply
        except StewardError as failure:
            error = failure
            raise
        finally:
            self._log_call(
                request.method,
                request.url,
                reply.status if reply else None,
                reply.size if reply else 0,
                time.monotonic() - began,
                error,
            )

    def _remote_error(self, status, headers, url):
        """Return the error for a status, with the wait that the service asks for."""
        return RemoteError(
            self.env._(
                "%(host)s answered with an error (HTTP %(status)s).",
                host=urlsplit(url).hostname,
                status=status,
            ),
            status_code=status,
            retry_after=backoff.retry_after(
                headers.get("Retry-After"), time.time(), RETRY_AFTER_CAP
            ),
        )

    # -- other libraries ----------------------------------------------------------

    def _httpx_transport(
        self,
        *,
        circuit=None,
        rate=None,
        timeout=600,
        idle_timeout=float("inf"),
        connect_timeout=10,
        max_bytes=wire.MAX_BYTES,
    ):
        """Return a transport for a library that brings its own HTTP client.

        ``openai.OpenAI(http_client=httpx2.Client(transport=…), max_retries=0)`` then
        obeys the same rules: addresses, sizes, times, breaker, rate limit, log. It
        does not repeat; errors come out as Steward's own. Streams stream.

        :param timeout: seconds for one call, its stream included
        :param idle_timeout: longest silence in the middle of a stream
        """
        from ..transport import transport_class

        limits = wire.Limits(connect_timeout, timeout, timeout, max_bytes, idle_timeout)
        return transport_class()(self, limits, circuit, rate)

    def _parse_library_error(self, error):
        """Bring what such a library raises into the tree, also if it wrapped ours."""
        cause = error
        for _level in range(8):
            if cause is None or isinstance(cause, StewardError):
                break
            cause = cause.__cause__
        return cause or converted(error)


AGENT = f"Steward (Odoo {version})"


def own_headers(items):
    return {
        name: value for name, value in items if name.lower() not in CONNECTION_HEADERS
    }


def _pairs(params):
    return params.items() if hasattr(params, "items") else params


def _encoded(json, data):
    """The body and its type."""
    if json is not None:
        if data is not None:
            raise Invalid("A request has one content: json or data, not both.")
        return jsonlib.dumps(json).encode(), "application/json"
    if data is None:
        return None, None
    if isinstance(data, bytes | bytearray):
        return bytes(data), "application/octet-stream"
    if isinstance(data, str):
        return data.encode(), "text/plain; charset=utf-8"
    form = urlencode(list(_pairs(data)), doseq=True)
    return form.encode(), "application/x-www-form-urlencoded"


def _is_worth_repeating(error):
    # what we refuse ourselves (an open circuit, a limit) will not change in a second
    return isinstance(error, External) and error.retryable


def _wait(state):
    """Seconds before the next attempt: as the service asks, or more and more."""
    asked = state.outcome.exception().retry_after
    drawn = WAITS.full(state.attempt_number - 1, random)
    return drawn if asked is None else asked + min(drawn, 1)


def _shown(url):
    """An address for the log: without the values of its query."""
    try:
        parts = urlsplit(url)
        names = [pair.partition("=")[0] for pair in parts.query.split("&") if pair]
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "[malformed address]"
    query = f"?{'&'.join(names)}" if names else ""
    return redact(f"{parts.scheme}://{host}{port}{parts.path}{query}")[:500]
