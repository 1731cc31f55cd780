"""A transport for libraries that bring their own HTTP client (`openai`: httpx2).

The class is made at its first use: Steward itself needs no httpx.
"""

import functools
import sys
from contextlib import ExitStack
from dataclasses import replace

from . import wire
from .models.steward_http import own_headers

# of the original encoding: what we hand on is decoded and has another length
GONE = frozenset({"connection", "content-encoding", "content-length", "keep-alive"})
GONE |= {"transfer-encoding"}


@functools.cache
def transport_class():
    """The class, on the httpx that `openai` 3 and later really use."""
    import httpx2

    class Stream(httpx2.SyncByteStream):
        """The body as it comes; the call ends with it, for breaker and log too."""

        def __init__(self, call, reply, error):
            self.call = call
            self.reply = reply
            self.error = error

        def __iter__(self):
            try:
                yield from self.reply.stream()
            except Exception:
                self.call.__exit__(*sys.exc_info())
                raise

        def close(self):
            # an answer that blames the service, though it was read without trouble
            if self.error:
                self.call.__exit__(type(self.error), self.error, None)
            self.call.close()

    class Transport(httpx2.BaseTransport):
        def __init__(self, http, limits, circuit, rate):
            self.http = http
            self.limits = limits
            self.circuit = circuit
            self.rate = rate

        def handle_request(self, request):
            asked = request.extensions.get("timeout") or {}
            limits = replace(
                self.limits,
                connect=_least(self.limits.connect, asked.get("connect")),
                read=_least(self.limits.read, asked.get("read")),
            )
            with ExitStack() as stack:
                reply = stack.enter_context(
                    self.http._exchange(
                        wire.Request(
                            request.method.upper(),
                            str(request.url),
                            own_headers(request.headers.multi_items()),
                            request.read() or None,
                        ),
                        limits,
                        wire.Deadline(limits.total),
                        self.circuit,
                        self.rate,
                    )
                )
                error = None
                if reply.status >= 400:
                    error = self.http._remote_error(
                        reply.status, reply.headers, reply.url
                    )
                return httpx2.Response(
                    reply.status,
                    headers=[
                        (name, value)
                        for name, value in reply.headers.items()
                        if name.lower() not in GONE
                    ],
                    stream=Stream(stack.pop_all(), reply, error),
                    extensions={"http_version": b"HTTP/1.1"},
                )

    return Transport


def _least(ours, theirs):
    return ours if theirs is None else min(ours, theirs)
