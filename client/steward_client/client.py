"""The client: JSON-2 with an API key, nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from .errors import Failed, Misused, Unreachable, from_answer

TIMEOUT = 30.0  # seconds without a sign of life from the server
LARGEST = 64 * 1024 * 1024  # bytes of an answer
HEALTH = "/steward/health"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key goes to the server it was made for, and to no other."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class Client:
    """One Odoo database with Steward, as one user.

    :param url: where Odoo is, ``https://odoo.example.com``
    :param database: its name; may be left out where the server has one only
    :param api_key: of the user to act as; without, only `public_health` works
    :param timeout: seconds without a sign of life until giving up

    >>> Client("ftp://example.com")
    Traceback (most recent call last):
    steward_client.errors.Misused: 'ftp://example.com' is no address: https://…
    >>> Client("https://example.com/", api_key="secret")
    <Client of https://example.com>
    """

    def __init__(
        self,
        url: str,
        database: str = "",
        api_key: str = "",
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misused(f"{url!r} is no address: https://…")
        if parts.username or parts.password:
            raise Misused("an address holds no password; use an API key")
        if any(ord(c) < 33 or ord(c) > 126 for c in api_key):
            raise Misused("the API key holds a character that no key has")
        self.url = url.rstrip("/")
        self.database = database
        self.timeout = timeout
        self._api_key = api_key
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __repr__(self) -> str:
        """Never with the key."""
        return f"<Client of {self.url}>"

    # -- what a server can do --------------------------------------------------

    def call(
        self, model: str, method: str, ids: list[int] | None = None, **arguments: Any
    ) -> Any:
        """Call a public method of a model.

        :param ids: the records it is called on, if any
        :raises Unreachable: when there is no answer; it may have been done, or not
        :raises Failed: when the answer is an error; the class says which kind
        """
        if not self._api_key:
            raise Misused("an API key is needed: STEWARD_API_KEY")
        if ids:
            arguments["ids"] = ids
        path = "/json/2/" + "/".join(
            urllib.parse.quote(part, safe="") for part in (model, method)
        )
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Content-Type": "application/json; charset=utf-8",
        }
        # Odoo takes a POST without content for a GET
        status, body = self._send(path, json.dumps(arguments).encode(), headers)
        if status == 200:
            return body
        facts = body if isinstance(body, dict) else {}
        raise from_answer(
            status, str(facts.get("name", "")), str(facts.get("message", ""))
        )

    def health(self) -> dict[str, Any]:
        """How the system is, with facts; the user must be a Viewer."""
        return self._expect_health(self.call("steward.status", "health"))

    def public_health(self) -> dict[str, Any]:
        """How the system is, as anybody may know it; needs no key."""
        status, body = self._send(HEALTH, None, {})
        if status == 404:
            raise from_answer(status, "", "Steward is not installed there.")
        return self._expect_health(body)

    # -- the wire --------------------------------------------------------------

    @staticmethod
    def _expect_health(body: Any) -> dict[str, Any]:
        if isinstance(body, dict) and isinstance(body.get("parts"), list):
            return body
        raise Failed("the answer is not that of Steward")

    def _send(
        self, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        """Status and decoded body of an answer; the body is None if it is no JSON."""
        if self.database:
            headers["X-Odoo-Database"] = self.database
        headers["User-Agent"] = "steward-client"
        request = urllib.request.Request(  # noqa: S310 - http(s) only, see __init__
            self.url + path, data=data, headers=headers
        )
        try:
            try:
                answer = self._opener.open(request, timeout=self.timeout)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                content = answer.read(LARGEST + 1)
                status = int(answer.status)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"{self.url} does not answer: {reason}") from error
        if len(content) > LARGEST:
            raise Failed("the answer is too large")
        if 300 <= status < 400:
            raise Failed(f"{self.url} sends us elsewhere; use its final address")
        try:
            return status, json.loads(content)
        except ValueError:
            if status == 200:
                raise Failed("the answer is not that of Steward") from None
            return status, None
