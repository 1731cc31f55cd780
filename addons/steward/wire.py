"""One HTTP exchange under rules: where it may go, how long, how much.

`exchange` is what `steward.http` and the transport for other libraries both stand on.
It is made of the standard library's ``http.client`` and a socket of our own, because
three promises cannot be kept from above a bigger client:

- the connection is made to the very address that was checked (no second look-up);
- a deadline holds at each single read, also in the headers: one byte a second ends;
- sizes are capped while reading, before and after decompression.

It knows no retries, breakers or logs: those belong to `steward.http`.
"""

import contextlib
import functools
import http.client
import io
import ipaddress
import os
import select
import socket
import ssl
import threading
import time
import zlib
from dataclasses import dataclass, field, replace
from urllib.parse import urldefrag, urljoin, urlsplit

import requests

from .exceptions import (
    AddressRefused,
    BadAnswer,
    Invalid,
    StewardError,
    TimedOut,
    Unreachable,
)
from .kernel import netguard

PIECE = 64 * 1024  # bytes read at once
HEAD_LIMIT = 256 * 1024  # bytes of status line and headers
MAX_BYTES = 10 * 1024 * 1024  # of an answer, as it is and decompressed
MAX_RATIO = 200  # decompressed to compressed, beyond the first …
RATIO_FROM = 1024 * 1024  # … bytes
REDIRECTS = 5
ADDRESSES = 4  # of one host that are tried
IDLE_SECONDS = 20  # that a connection is kept for the next call
IDLE_PER_PLACE = 8
IDLE_IN_ALL = 64

REDIRECT_STATUSES = (301, 302, 303, 307, 308)
# what may follow a redirect to another host; a key may be in any other header
HARMLESS_HEADERS = ("accept", "accept-language", "content-type", "user-agent")


@dataclass(frozen=True)
class Rules:
    """What the administrator allows; never a parameter of a public method.

    :param proxy: ``http://host:port`` through which all calls are tunnelled
    :param ca_file: certificates that are trusted beside the public ones
    :param only_loopback: in tests: nothing leaves the machine
    """

    policy: netguard.Policy = field(default_factory=netguard.Policy)
    proxy: str = ""
    ca_file: str = ""
    only_loopback: bool = False

    def with_host(self, host):
        """Allow a private host that a setting of the administrator names."""
        hosts = self.policy.allowed_hosts | {host.lower()}
        return replace(self, policy=replace(self.policy, allowed_hosts=hosts))


@dataclass(frozen=True)
class Limits:
    """How long, in seconds, and how much, in bytes.

    :param read: longest silence
    :param idle: longest silence once something of the body has come, if that is less
    :param total: all of it: redirects, repetitions and the waits between them, too
    """

    connect: float = 5
    read: float = 30
    total: float = 60
    max_bytes: int = MAX_BYTES
    idle: float = float("inf")


@dataclass(frozen=True)
class Request:
    """What is sent; `headers` without those that belong to the connection."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Deadline:
    """The moment at which a call ends, whatever it is doing."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self, at_most=float("inf")):
        """Seconds that the next step may take.

        :raises TimeoutError: when there are none
        """
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("The time for the whole call is over.")
        return min(left, at_most)


# -- connections ------------------------------------------------------------------


def resolve(host, port):
    """All addresses of a host; tests put a resolver of their own here."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [address[0] for *_kind, address in found]


def dial(address, port, timeout, only_loopback=False):
    """Connect to an address that was checked; never to a name."""
    if only_loopback and not ipaddress.ip_address(address).is_loopback:
        raise AddressRefused("Tests call nobody outside this machine.", detail=address)
    sock = socket.create_connection((address, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@functools.lru_cache(8)
def _tls(ca_file, _changed):
    context = ssl.create_default_context(cafile=requests.certs.where())
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Invalid(
                "The file of trusted certificates in Steward's settings cannot be"
                " read.",
                detail=repr(error),
            ) from error
    return context


def tls_context(ca_file):
    """Verify as the world does, and by the administrator's own authority."""
    try:
        changed = os.stat(ca_file).st_mtime_ns if ca_file else 0  # noqa: PTH116
    except OSError:
        changed = 0
    return _tls(ca_file, changed)


class _Socket:
    """A connected socket for ``http.client`` that looks at the clock each time."""

    def __init__(self, sock):
        self.sock = sock
        self.readers = 0
        self.closing = False
        self.begin(Deadline(0), 0)

    def begin(self, deadline, silence):
        """Start an exchange."""
        self.deadline = deadline
        self.silence = silence
        self.received = 0
        self.ended = False

    def allow(self, silence):
        """Be less patient from now on."""
        self.silence = min(self.silence, silence)

    def arm(self):
        self.sock.settimeout(self.deadline.left(self.silence))

    def sendall(self, data):
        view = memoryview(data)
        while view:
            self.arm()
            view = view[self.sock.send(view[: 4 * PIECE]) :]

    def makefile(self, _mode):
        self.readers += 1
        return io.BufferedReader(_Reader(self), PIECE)

    def close(self):
        # as with a socket of Python, what reads from it outlives it
        self.closing = True
        if not self.readers:
            self.sock.close()

    def is_stale(self):
        """Whether the other side closed it, or said something nobody asked."""
        # poll: select fails in a process with more than a thousand open files
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(0))


class _Reader(io.RawIOBase):
    def __init__(self, owner):
        super().__init__()
        self.owner = owner
        self.in_head = True

    def readable(self):
        return True

    def readinto(self, buffer):
        owner = self.owner
        owner.arm()
        count = owner.sock.recv_into(buffer)
        owner.received += count
        owner.ended |= not count
        if self.in_head and owner.received > HEAD_LIMIT + PIECE:
            raise http.client.HTTPException("The headers never end.")
        return count

    def close(self):
        if not self.closed:
            self.owner.readers -= 1
            if self.owner.closing:
                self.owner.close()
        return super().close()


class _Connection(http.client.HTTPConnection):
    """``http.client`` on a socket that we connected."""

    def __init__(self, place, sock):
        super().__init__("unused", blocksize=PIECE)
        self.auto_open = 0  # it never connects by itself
        self.place = place
        self.sock = self.pipe = _Socket(sock)
        self.idle_since = 0.0


@dataclass(frozen=True)
class _Place:
    """Where a connection leads and what it trusts: what makes two interchangeable."""

    scheme: str
    host: str
    address: str
    port: int
    rules: Rules


class _Idle:
    """Connections that wait for the next call to the same place."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kept = {}

    def take(self, place):
        while True:
            with self.lock:
                waiting = self.kept.get(place)
                connection = waiting.pop() if waiting else None
                if waiting is not None and not waiting:
                    del self.kept[place]
            if connection is None:
                return None
            age = time.monotonic() - connection.idle_since
            if age < IDLE_SECONDS and not connection.pipe.is_stale():
                return connection
            connection.close()

    def give(self, connection):
        connection.idle_since = time.monotonic()
        gone = connection
        with self.lock:
            waiting = self.kept.setdefault(connection.place, [])
            if len(waiting) < IDLE_PER_PLACE:
                waiting.append(connection)
                gone = None
            if sum(map(len, self.kept.values())) > IDLE_IN_ALL:
                oldest = next(iter(self.kept))
                gone = self.kept[oldest].pop(0)
                if not self.kept[oldest]:
                    del self.kept[oldest]
        if gone:
            gone.close()

    def forget(self):
        """Close them all; also in a child process, which must not share them."""
        kept, self.kept, self.lock = self.kept, {}, threading.Lock()
        for waiting in kept.values():
            for connection in waiting:
                connection.close()


IDLE = _Idle()
os.register_at_fork(after_in_child=IDLE.forget)


def _connect(place, limits, deadline):
    rules = place.rules
    end = (place.address, place.port)
    if rules.proxy:
        end = _proxy_end(rules.proxy)
    sock = dial(*end, deadline.left(limits.connect), rules.only_loopback)
    try:
        if rules.proxy:
            _tunnel(sock, place, limits, deadline)
        if place.scheme == "https":
            sock.settimeout(deadline.left(limits.connect))
            # the certificate must be that of the name, though we connect by number
            sock = tls_context(rules.ca_file).wrap_socket(
                sock, server_hostname=place.host
            )
    except BaseException:
        sock.close()
        raise
    return _Connection(place, sock)


def _proxy_end(proxy):
    """The proxy's own address: the administrator named it, so any will do."""
    target = netguard.check_url(proxy)
    return _found(target)[0], target.port


def _tunnel(sock, place, limits, deadline):
    """Ask the proxy for a connection to the address that we checked."""
    host = f"[{place.address}]" if ":" in place.address else place.address
    pipe = _Socket(sock)
    pipe.begin(deadline, limits.read)
    end = f"{host}:{place.port}"
    pipe.sendall(f"CONNECT {end} HTTP/1.1\r\nHost: {end}\r\n\r\n".encode("ascii"))
    response = http.client.HTTPResponse(pipe, method="CONNECT")
    try:
        response.begin()
        if response.status != 200:
            raise Unreachable(
                "The proxy in Steward's settings refuses the connection"
                f" (HTTP {response.status}).",
                detail=end,
            )
    finally:
        response.close()


# -- answers ----------------------------------------------------------------------


class _Inflater:
    """Decompresses piece by piece, and gives up on a bomb before it goes off."""

    def __init__(self, encoding):
        self.gzip = encoding in ("gzip", "x-gzip")
        self.engine = zlib.decompressobj(31 if self.gzip else 15)
        self.taken = self.given = 0

    def feed(self, data):
        self.taken += len(data)
        piece = b""
        while data or len(piece) == PIECE:  # all is taken, more may be to come out
            if self.engine.eof:  # several members one after the other
                if not self.gzip or not data:
                    return
                self.engine = zlib.decompressobj(31)
            try:
                piece = self.engine.decompress(data, PIECE)
            except zlib.error:
                if self.gzip or self.given:
                    raise
                self.engine = zlib.decompressobj(-15)  # "deflate" of old servers
                piece = self.engine.decompress(data, PIECE)
            self.given += len(piece)
            if self.given > max(RATIO_FROM, MAX_RATIO * self.taken):
                raise BadAnswer(
                    "The answer is compressed so much that it looks like an attack.",
                    detail=f"{self.taken} bytes became more than {self.given}",
                )
            if piece:
                yield piece
            data = self.engine.unconsumed_tail or self.engine.unused_data

    def is_complete(self):
        return self.engine.eof or not self.taken


class Reply:
    """An answer of which the head is read; close it, or read it to its end.

    :param status: of HTTP
    :param headers: case does not matter; those of the encoding are gone
    :param url: where it came from, after redirects
    """

    def __init__(self, connection, response, url, limits):
        self._connection = connection
        self._response = response
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.url = url
        self.host = connection.place.host
        self.max_bytes = limits.max_bytes
        self.idle = limits.idle
        self.size = 0
        encoding = (self.headers.get("Content-Encoding") or "").strip().lower()
        self._inflater = None
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._inflater = _Inflater(encoding)
            del self.headers["Content-Encoding"]
            del self.headers["Content-Length"]
        elif encoding not in ("", "identity"):
            raise BadAnswer(
                f"{self.host} compressed its answer in a way nobody asked for.",
                detail=encoding[:40],
            )

    def stream(self):
        """The body, decompressed, as it comes."""
        with blamed(self.host), contextlib.closing(self):
            if (self._response.length or 0) > self.max_bytes:
                raise self._too_large()
            for piece in self._pieces():
                self.size += len(piece)
                if self.size > self.max_bytes:
                    raise self._too_large()
                yield piece
            self._finish()

    def whole(self):
        """All of the body, decompressed."""
        return b"".join(self.stream())

    def close(self):
        """Let go of the connection, wherever it stands. Twice is no error."""
        connection, self._connection = self._connection, None
        if connection:
            self._response.close()
            connection.close()

    def _pieces(self):
        response = self._response
        taken = 0
        while data := response.read1(PIECE):
            taken += len(data)
            self._connection.pipe.allow(self.idle)
            if taken > self.max_bytes:
                raise self._too_large()
            if self._inflater:
                yield from self._inflater.feed(data)
            else:
                yield data
        if response.length:  # http.client says nothing when it is cut off
            raise http.client.IncompleteRead(b"", response.length)
        if self._inflater and not self._inflater.is_complete():
            raise zlib.error("The compressed data ends early.")

    def _finish(self):
        """Keep the connection for the next call, if both sides want to."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        keep = not self._response.will_close and not connection.pipe.ended
        self._response.close()
        if keep:
            IDLE.give(connection)
        else:
            connection.close()

    def _too_large(self):
        return BadAnswer(
            f"The answer of {self.host} is larger than"
            f" {self.max_bytes / 1024 / 1024:.3g} MB."
        )


class _Stale(Exception):
    """A kept connection was closed while it waited: no failure of the service."""


# -- the exchange -----------------------------------------------------------------


# What OpenSSL calls an answer that is no TLS: its older and its newer word.
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})


@contextlib.contextmanager
def blamed(host):
    """Say in our words what goes wrong between us and a host."""
    try:
        yield
    except StewardError:
        raise
    except netguard.Refusal as error:
        raise AddressRefused(
            f"{host or 'This address'} must not be called: {error} An administrator"
            " can allow more in Steward's settings.",
            detail=error.rule,
        ) from error
    except socket.gaierror as error:
        raise Unreachable(
            f"Nobody knows the name {host}.", detail=str(error)
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise BadAnswer(
            f"The certificate of {host} cannot be trusted.",
            detail=error.verify_message or str(error),
        ) from error
    except TimeoutError as error:
        raise TimedOut(f"{host} did not answer in time.", detail=str(error)) from error
    except (http.client.IncompleteRead, OSError) as error:
        if getattr(error, "reason", None) in NOT_TLS:
            problem = (
                f"{host} does not speak TLS there: is it http:// and not https://?"
            )
        else:
            problem = f"The connection to {host} failed or broke."
        raise Unreachable(problem, detail=repr(error)) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise Invalid(
            "The request cannot be sent as it is: a header, the method or the address"
            " is malformed.",
            detail=type(error).__name__,
        ) from error
    except (http.client.HTTPException, zlib.error) as error:
        raise BadAnswer(
            f"{host} answered something that is not sound HTTP.", detail=repr(error)
        ) from error


def checked(url):
    """Return where an address leads.

    :rtype: netguard.Target
    :raises AddressRefused: when it is written to deceive
    """
    with blamed(_shown_host(url)):
        return netguard.check_url(url)


def exchange(request, rules, limits, deadline):
    """Send a request, follow its redirects, and return the answer's head.

    :rtype: Reply
    :raises StewardError: whatever goes wrong
    """
    for _hop in range(REDIRECTS + 1):
        reply = _exchange_once(request, rules, limits, deadline)
        location = reply.headers.get("Location")
        if reply.status not in REDIRECT_STATUSES or not location:
            return reply
        reply.close()
        with blamed(reply.host):
            request = _redirected(request, reply.status, location)
    raise BadAnswer(f"{reply.host} redirects again and again.")


def _exchange_once(request, rules, limits, deadline):
    host = _shown_host(request.url)
    with blamed(host):
        target = netguard.check_url(request.url)
        addresses = netguard.pick(_found(target), rules.policy, target.host)
        places = [
            _Place(target.scheme, target.host, address, target.port, rules)
            for address in addresses[:ADDRESSES]
        ]
        deadline.left()
        for place in places:
            if connection := IDLE.take(place):
                with contextlib.suppress(_Stale):
                    return _ask(connection, request, limits, deadline, used=True)
        return _ask(_connect_any(places, limits, deadline), request, limits, deadline)


def _connect_any(places, limits, deadline):
    for place in places:
        try:
            return _connect(place, limits, deadline)
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            failure = error
    raise failure


def _found(target):
    try:
        return [str(ipaddress.ip_address(target.host))]
    except ValueError:
        return resolve(target.host, target.port)


def _shown_host(url):
    try:
        return (urlsplit(url).hostname or "")[:253]
    except ValueError:
        return ""


def _ask(connection, request, limits, deadline, used=False):
    pipe = connection.pipe
    pipe.begin(deadline, limits.read)
    try:
        _send(connection, request)
        response = connection.getresponse()
        response.fp.raw.in_head = False
        if pipe.ended:  # http.client takes that for the end of the headers
            response.close()
            raise http.client.IncompleteRead(b"")
        if response.status < 200:
            raise http.client.HTTPException(f"status {response.status}")
        return Reply(connection, response, request.url, limits)
    except BaseException as error:
        connection.close()
        gone = isinstance(error, ConnectionError) and not pipe.received
        if used and gone and request.method in ("GET", "HEAD", "OPTIONS"):
            raise _Stale from error
        raise


def _send(connection, request):
    parts = urlsplit(request.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest(
        request.method, path, skip_host=True, skip_accept_encoding=True
    )
    connection.putheader("Host", parts.netloc)
    connection.putheader("Accept-Encoding", "gzip, deflate")
    if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(request.body or b"")))
    for name, value in request.headers.items():
        connection.putheader(name, value)
    connection.endheaders(request.body)


def _redirected(request, status, location):
    """The request that a redirect asks for.

    It loses what could be a credential when it leaves the host, and never goes from
    https to http; a body is not handed on to somebody else.
    """
    try:
        url = urldefrag(urljoin(request.url, location)).url
    except ValueError as error:
        raise http.client.HTTPException("a malformed redirect") from error
    old, new = netguard.check_url(request.url), netguard.check_url(url)
    if old.scheme == "https" and new.scheme != "https":
        raise AddressRefused(
            f"{old.host} redirects to an address without encryption; that is refused."
        )
    if status == 303 or (status in (301, 302) and request.method == "POST"):
        method = "HEAD" if request.method == "HEAD" else "GET"
        kept = {
            name: value
            for name, value in request.headers.items()
            if not name.lower().startswith("content-")
        }
        request = replace(request, method=method, headers=kept, body=None)
    if old != new:
        if request.body is not None:
            raise AddressRefused(
                f"{old.host} redirects a request with its content to {new.host}; that"
                " is refused."
            )
        kept = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in HARMLESS_HEADERS
        }
        request = replace(request, headers=kept)
    return replace(request, url=url)
