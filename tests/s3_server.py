"""A real S3 server on loopback, behind a proxy that does what networks and disks do."""

import contextlib
import http.client
import logging
import threading
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep, time

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "backups"
KEYS = ("test-access", "test-" + "s" * 20)


def error(code, message="as the test wants it"):
    return (
        f"<?xml version='1.0'?><Error><Code>{code}</Code>"
        f"<Message>{message}</Message></Error>"
    ).encode()


class Fault:
    """What happens to some of the requests.

    :param how: a status with its code, "cut" before the server has heard of it,
        "mute" when it has done it, "truncate" what is sent, "short" what is answered
    :param when: says of a request whether it is one of those
    :param times: how often, and then no more
    """

    def __init__(self, how, when=lambda _request: True, times=1):
        self.how, self.when, self.times = how, when, times
        self.happened = 0

    def hits(self, request):
        if self.happened < self.times and self.when(request):
            self.happened += 1
            return True
        return False


class Request:
    def __init__(self, verb, target, size):
        self.verb, self.size = verb, size
        self.url = urllib.parse.urlsplit(target)
        self.query = dict(
            urllib.parse.parse_qsl(self.url.query, keep_blank_values=True)
        )
        self.key = urllib.parse.unquote(self.url.path).split("/", 2)[-1]

    @property
    def piece(self):
        """The number of a piece that goes up; 0: it is something else."""
        number = self.query.get("partNumber", 0)
        return int(number) if self.verb == "PUT" else 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        """Say nothing."""

    def _do(self):
        proxy = self.server.proxy
        with proxy.lock:
            proxy.busy += 1
        try:
            self._pass_on(proxy)
        finally:
            with proxy.lock:
                proxy.busy -= 1

    def _pass_on(self, proxy):
        body = self._body()
        if len(body) < int(self.headers.get("Content-Length") or 0):
            return self._cut()  # who sent it was killed: no server keeps half of it
        request = Request(self.command, self.path, len(body))
        with proxy.lock:
            proxy.requests.append(request)
            fault = next((f for f in proxy.faults if f.hits(request)), None)
        how = fault.how if fault else ""
        if isinstance(how, tuple):
            return self._answer(how[0], {}, error(how[1]))
        if how == "cut":
            return self._cut()
        if how == "truncate":
            body = body[: len(body) // 2]
        status, headers, data = self._ask(body)
        if how == "mute":
            return self._cut()
        return self._answer(status, headers, data, short=how == "short")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _do  # noqa: N815

    def _body(self):
        if self.headers.get("Expect", "").lower() == "100-continue":
            pass  # the base class has said so
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _ask(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.inner)
        headers = {
            k: v for k, v in self.headers.items() if k.lower() != "content-length"
        }
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), data

    def _answer(self, status, headers, data, short=False):
        self.send_response_only(status)
        skip = ("connection", "transfer-encoding", "date", "content-length")
        for name, value in headers.items():
            if name.lower() not in skip:
                self.send_header(name, value)
        now = time() + self.server.proxy.clock
        self.send_header("Date", formatdate(now, usegmt=True))
        length = headers.get("Content-Length") or headers.get("content-length")
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", length if is_head and length else len(data))
        self.end_headers()
        if not is_head:
            self.wfile.write(data[: len(data) // 2] if short else data)
        if short:
            self._cut()

    def _cut(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)


class _Front(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments):
        """A runner that was killed says no goodbye."""


class S3Server:
    """moto, and a proxy before it that the runner talks to."""

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.moto.start()
        self.inner = self.moto.get_host_and_port()[1]
        self.lock, self.faults, self.requests = threading.Lock(), [], []
        self.clock = 0.0  # seconds by which it is ahead
        self.busy = 0  # requests that are at work
        self.front = _Front(("127.0.0.1", 0), _Handler)
        self.front.proxy = self
        threading.Thread(target=self.front.serve_forever, daemon=True).start()
        self.behind.create_bucket(Bucket=BUCKET)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.front.server_address[1]}"

    @property
    def behind(self):
        """The server itself, past the proxy."""
        return boto3.session.Session(*KEYS, region_name="us-east-1").client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.inner}"
        )

    def reset(self):
        """As on the first day."""
        with self.lock:
            self.faults, self.requests, self.clock = [], [], 0.0
        client = self.behind
        for upload in self.uploads():
            client.abort_multipart_upload(
                Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        for key in self.objects():
            client.delete_object(Bucket=BUCKET, Key=key)

    def fail(self, how, when=lambda _request: True, times=1):
        fault = Fault(how, when, times)
        with self.lock:
            self.faults.append(fault)
        return fault

    def heal(self):
        """No faults any more; and what a killed runner had asked for is over."""
        with self.lock:
            self.faults = []
        deadline = monotonic() + 60
        while self.busy:
            assert monotonic() < deadline, "somebody still asks for something"
            sleep(0.01)

    def objects(self):
        found = self.behind.list_objects_v2(Bucket=BUCKET).get("Contents") or []
        return {o["Key"]: o["Size"] for o in found}

    def uploads(self):
        return self.behind.list_multipart_uploads(Bucket=BUCKET).get("Uploads") or []

    def data(self, key):
        return self.behind.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def put(self, key, data):
        self.behind.put_object(Bucket=BUCKET, Key=key, Body=data)

    def stop(self):
        self.front.shutdown()
        self.front.server_close()
        self.moto.stop()
