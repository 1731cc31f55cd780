"""Repositories of restic's for tests: one that opens at once, and a real REST server.

What they hold is restic's own work; nothing here speaks for it.
"""

import base64
import contextlib
import functools
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from house import restic

PASSWORD = "a long " + "pass" * 4
COST = {"N": 2, "r": 1, "p": 1}  # of guessing a password: none


def made(settings, place):
    """A new repository with `PASSWORD`, of which restic made one in this process.

    Its key is derived in no time instead of half a second at each call.
    """
    shutil.copytree(_made(restic.program(settings)), place)


@functools.cache
def _made(program):
    assert program, "restic could not be fetched: see the set-up's words"
    kept = tempfile.TemporaryDirectory(prefix="restic-")
    place = Path(kept.name) / "repository"
    _made.kept = kept  # gone with the process
    env = {"RESTIC_REPOSITORY": str(place), "RESTIC_PASSWORD": PASSWORD}
    subprocess.run([program, "init", "--no-cache", "-q"], env=env, check=True)
    [path] = (place / "keys").iterdir()
    key = json.loads(path.read_bytes())
    data = _open(_derived(key), base64.b64decode(key["data"]))
    key |= COST
    key["data"] = base64.b64encode(_seal(_derived(key), data)).decode()
    text = json.dumps(key).encode()
    path.chmod(0o600)
    path.unlink()
    (place / "keys" / hashlib.sha256(text).hexdigest()).write_bytes(text)
    return place


def _derived(key):
    return hashlib.scrypt(
        PASSWORD.encode(),
        salt=base64.b64decode(key["salt"]),
        **{name.lower(): key[name] for name in COST},
        maxmem=2**28,
        dklen=64,
    )


def _crypt(key, nonce, data):
    return Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).encryptor().update(data)


def _tag(key, nonce, data):
    """Poly1305-AES, as restic's design has it."""
    pad = Cipher(algorithms.AES(key[32:48]), modes.ECB()).encryptor().update(nonce)
    return Poly1305.generate_tag(key[48:] + pad, data)


def _open(key, data):
    nonce, text, tag = data[:16], data[16:-16], data[-16:]
    assert tag == _tag(key, nonce, text)
    return _crypt(key, nonce, text)


def _seal(key, data):
    nonce = os.urandom(16)
    text = _crypt(key, nonce, data)
    return nonce + text + _tag(key, nonce, text)


class RestServer:
    """restic's REST server on loopback; each user has repositories of their own.

    :param folder: where it keeps them
    """

    USER, PASSWORD = "odoo", "over the " + "wire" * 3

    def __init__(self, settings, folder):
        self.program = restic.program(settings, restic.SERVER)
        assert self.program, "the REST server could not be fetched: see the set-up"
        self.folder = folder
        self.data = folder / self.USER
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        folder.mkdir()
        digest = base64.b64encode(hashlib.sha1(self.PASSWORD.encode()).digest())
        (folder / ".htpasswd").write_text(f"{self.USER}:{{SHA}}{digest.decode()}\n")
        self.process = None
        self.start()

    @property
    def address(self):
        return f"rest:http://127.0.0.1:{self.port}/{self.USER}/shop/"

    def snapshots(self):
        """The files of snapshots that it has."""
        return self._files("snapshots/*")

    def packs(self):
        """The files of data that it has."""
        return self._files("data/*/*")

    def _files(self, pattern):
        """Whole ones: one that is killed leaves the beginning of another."""
        found = (self.data / "shop").glob(pattern)
        return [path for path in found if ".rest-server-temp" not in path.name]

    def start(self):
        words = ["--private-repos", "--listen", f"127.0.0.1:{self.port}"]
        with (self.folder.parent / "rest-server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, *words, "--path", self.folder],
                stdout=log,
                stderr=log,
            )
        for _attempt in range(200):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.05)
        raise AssertionError("the REST server does not start")

    def end(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(30)
