"""A server on loopback that speaks HTTP as badly as it is told to.

    with Server() as server:
        server.on("/slow", lambda peer: peer.drip(b"...", every=0.05))
        ... server.url("/slow") ...

It speaks on raw sockets, so that a behaviour can break off anywhere. What arrived is
in `server.requests`. With ``tls=True`` it has a certificate for ``api.test``, of the
authority in the file `server.ca_file`.
"""

import contextlib
import datetime
import functools
import json
import socketserver
import ssl
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass
from http.client import parse_headers
from pathlib import Path

TLS_HOST = "api.test"


@dataclass
class Received:
    method: str
    target: str
    headers: object
    body: bytes

    @property
    def path(self):
        return self.target.partition("?")[0]

    def json(self):
        return json.loads(self.body)


class Peer(socketserver.StreamRequestHandler):
    """One connection; a behaviour gets it with `request_` read."""

    disable_nagle_algorithm = True

    def handle(self):
        self.stay = True
        self.server.owner.connections += 1
        with contextlib.suppress(OSError):
            while self.stay and self.next_request():
                self.server.owner.behave(self)

    def next_request(self):
        line = self.rfile.readline().decode("latin-1").split()
        if len(line) < 2:
            return False
        headers = parse_headers(self.rfile)
        body = self.rfile.read(int(headers.get("Content-Length") or 0))
        self.received = Received(line[0], line[1], headers, body)
        self.server.owner.requests.append(self.received)
        return True

    def send(self, data):
        self.wfile.write(data)

    def head(self, status=200, *headers):
        lines = [f"HTTP/1.1 {status} X", *headers]
        self.send("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))

    def answer(self, status=200, body=b"", *headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers = ("Content-Type: application/json", *headers)
        self.head(status, f"Content-Length: {len(body)}", *headers)
        self.send(body)

    def redirect(self, location, status=302):
        self.answer(status, b"", f"Location: {location}")

    def drip(self, data, every):
        """Send byte by byte, until the other side has enough."""
        for byte in data:
            self.send(bytes([byte]))
            if self.server.owner.over.wait(every):
                return

    def wait(self):
        """Say nothing for as long as the server lives."""
        self.server.owner.over.wait(30)
        self.cut()

    def cut(self):
        self.stay = False


class Server:
    def __init__(self, tls=False):
        self.tls = tls
        self.behaviours = {}
        self.requests = []
        self.connections = 0
        self.over = threading.Event()
        self.counts = defaultdict(int)

    def __enter__(self):
        self.listener = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Peer)
        self.listener.daemon_threads = True
        self.listener.block_on_close = False
        self.listener.handle_error = lambda *_args: None
        self.listener.owner = self
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates()["server"])
            self.listener.socket = context.wrap_socket(
                self.listener.socket, server_side=True
            )
        self.port = self.listener.server_address[1]
        thread = threading.Thread(
            target=self.listener.serve_forever, kwargs={"poll_interval": 0.02}
        )
        thread.daemon = True
        thread.start()
        return self

    def __exit__(self, *_error):
        self.over.set()
        self.listener.shutdown()
        self.listener.server_close()

    @property
    def ca_file(self):
        return certificates()["ca"]

    def url(self, path="/", host=None):
        host = host or (TLS_HOST if self.tls else "127.0.0.1")
        return f"http{'s' if self.tls else ''}://{host}:{self.port}{path}"

    def on(self, path, *behaviours):
        """Behave so at this path: one after the other, the last one for ever."""
        self.behaviours[path] = behaviours
        self.counts[path] = 0

    def behave(self, peer):
        path = peer.received.path
        if path not in self.behaviours:
            return peer.answer(404, b"nothing here")
        behaviours = self.behaviours[path]
        count = self.counts[path]
        self.counts[path] += 1
        return behaviours[min(count, len(behaviours) - 1)](peer)

    def clear(self):
        self.behaviours.clear()
        self.requests.clear()
        self.connections = 0


@functools.cache
def certificates():
    """An authority and a certificate for `TLS_HOST`, in files of this run."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tempfile.TemporaryDirectory(prefix="steward-test-")
    certificates.folder = folder  # lives as long as the process
    now = datetime.datetime.now(datetime.UTC)

    def make(name, issuer, key, signer, extensions):
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name(
                [x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]
            ),
            subject_name=x509.Name(
                [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
            ),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=1),
            not_valid_after=now + datetime.timedelta(days=1),
            extensions=[
                x509.Extension(e.oid, critical, e) for e, critical in extensions
            ],
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM
        )

    ca_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = make(
        "Test CA",
        "Test CA",
        ca_key,
        ca_key,
        [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (usage, True),
            (subject, False),
        ],
    )
    leaf = make(
        TLS_HOST,
        "Test CA",
        key,
        ca_key,
        [
            (x509.SubjectAlternativeName([x509.DNSName(TLS_HOST)]), False),
            (
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject),
                False,
            ),
        ],
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    paths = {name: str(Path(folder.name, f"{name}.pem")) for name in ("ca", "server")}
    Path(paths["ca"]).write_bytes(ca)
    Path(paths["server"]).write_bytes(private + leaf)
    return paths
