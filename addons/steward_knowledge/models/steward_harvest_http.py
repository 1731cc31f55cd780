import time
from contextlib import contextmanager

from odoo import models
from odoo.addons.steward import wire
from odoo.addons.steward.exceptions import BadAnswer, RateLimited
from odoo.addons.steward.models.steward_http import Answer, own_headers

PATIENCE = 2.0  # seconds that a worker waits for its turn; longer: another job does
LONGEST_RATE_WAIT = 3600  # seconds until a service's own limit is asked again
READ = (
    "text/",
    "application/xhtml",
    "application/xml",
    "application/json",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml",
    "application/gzip",
    "application/x-gzip",
    "application/octet-stream",  # of servers that do not know: looked at
)


class StewardHarvestHttp(models.AbstractModel):
    """The way out to sources: slowly, and reading only what is worth it."""

    _name = "steward.harvest.http"
    _inherit = "steward.http"
    _description = "Outbound HTTP to Sources"

    def _take_rate(self, name):
        self.env["steward.rate.limit"]._take(name, wait=PATIENCE)

    @contextmanager
    def _guard_circuit(self, name):
        """One page that cannot be used says nothing about the health of its site."""
        unusable = None
        with super()._guard_circuit(name):
            try:
                yield
            except BadAnswer as error:
                unusable = error
        if unusable:
            raise unusable

    def _remote_error(self, status, headers, url):
        """A service that counts calls says when it will answer again."""
        if status in (403, 429) and headers.get("X-RateLimit-Remaining") == "0":
            try:
                wait = float(headers.get("X-RateLimit-Reset") or 0) - time.time()
            except ValueError:
                wait = 60
            return RateLimited(
                self.env._("The service wants no more calls for now."),
                retry_after=min(max(wait, 1), LONGEST_RATE_WAIT),
            )
        return super()._remote_error(status, headers, url)

    @contextmanager
    def _opened(self, url, headers, *, rate, max_bytes, seconds, agent=""):
        """Ask for a page once; its body is read by whoever wants it."""
        headers = self._get_headers(headers)
        if agent:
            headers["User-Agent"] = agent
        request = wire.Request("GET", url, own_headers(headers.items()))
        limits = wire.Limits(read=min(30, seconds), total=seconds, max_bytes=max_bytes)
        deadline = wire.Deadline(seconds)
        with self._exchange(request, limits, deadline, rate=rate) as reply:
            if reply.status >= 400:
                raise self._remote_error(reply.status, reply.headers, reply.url)
            yield reply

    def _page(self, url, headers, **limits):
        """Fetch a page. The body of what is no document is not even read.

        :rtype: Answer
        """
        with self._opened(url, headers, **limits) as reply:
            kind = reply.headers.get_content_type()
            told = "Content-Type" in reply.headers
            read = not told or kind.startswith(READ)
            content = reply.whole() if read else b""
            return Answer(reply.status, reply.headers, content, reply.url)
