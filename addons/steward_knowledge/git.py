"""The git program: fetches a repository's last state, and reads files from it.

Nothing is checked out, so no filter, hook, link or submodule of a repository ever
comes to life. Addresses are checked as all calls of Steward's are, and git is pinned to
the address that was checked. No text reaches a shell.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from odoo.addons.steward import wire
from odoo.addons.steward.exceptions import (
    BadAnswer,
    Invalid,
    TimedOut,
    Unreachable,
)
from odoo.addons.steward.kernel import netguard
from odoo.addons.steward.kernel.redactor import redact

SECONDS = 300  # for one fetch
MEGABYTES = 500  # of one repository
POLL = 0.1  # seconds between two looks at a running git
READ_SECONDS = 60
SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)([\w.-]+)(?::\d+)?[:/][\w./~-]+")
BRANCH = re.compile(r"(?!-)[\w./-]{1,200}")


class Entry(NamedTuple):
    """A file of a commit."""

    path: str
    sha: str
    size: int


class Repository:
    """A bare repository in a folder of ours, of which one commit is wanted.

    :param token: for https; handed over in the environment, not in the command
    :param rules: where calls may go, see `wire.Rules`
    :param local: whether a folder of this server may be named
    """

    def __init__(self, folder, address, *, rules, token="", local=False):
        self.folder = Path(folder)
        self.address = address
        self.rules = rules
        self.token = token
        self.local = local

    def fetch(self, branch="", seconds=SECONDS, megabytes=MEGABYTES):
        """Bring the last commit of a branch here, and return its number."""
        if branch and not BRANCH.fullmatch(branch):
            raise Invalid(f"{branch} is not the name of a branch.")
        options = self._checked_options()
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._run(["init", "--quiet", "--bare", "--template=", str(self.folder)])
        wanted = branch or "HEAD"
        self._run(
            [
                *options,
                *("--git-dir", str(self.folder)),
                *("fetch", "--quiet", "--depth=1", "--no-tags", "--force"),
                *("--no-recurse-submodules", "--no-auto-gc", "--no-write-fetch-head"),
                "--",
                self.address,
                f"{wanted}:refs/heads/steward",
            ],
            seconds=seconds,
            megabytes=megabytes,
        )
        return self._read(["rev-parse", "refs/heads/steward"]).decode().strip()

    def has(self, commit):
        """Whether a commit is here: the folder may be another machine's."""
        if not (self.folder / "HEAD").exists():
            return False
        with contextlib.suppress(BadAnswer, Unreachable):
            self._read(["cat-file", "-e", f"{commit}^{{commit}}"])
            return True
        return False

    def entries(self, commit):
        """All files of a commit; links and submodules are left out."""
        listed = self._read(["ls-tree", "-r", "-l", "-z", "--full-tree", commit])
        found = []
        for line in filter(None, listed.split(b"\0")):
            head, _tab, path = line.partition(b"\t")
            mode, kind, sha, size = head.split()
            if kind == b"blob" and mode != b"120000":
                name = path.decode("utf-8", "replace")
                found.append(Entry(name, sha.decode(), int(size)))
        return found

    def content(self, sha):
        """The content of a file by its number."""
        return self._read(["cat-file", "blob", sha])

    def remove(self):
        """Forget all that is here."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- where it may go -----------------------------------------------------------

    def _checked_options(self):
        """Refuse what may not be called; pin git to the address that was checked."""
        parts = urlsplit(self.address)
        if parts.scheme == "https":
            if parts.username or parts.password:
                raise Invalid("Keep the key in a secret, not in the address.")
            target = wire.checked(self.address)
            address = self._picked(target.host, target.port)
            options = ["-c", "http.followRedirects=false"]
            if self.rules.proxy:
                options += ["-c", f"http.proxy={self.rules.proxy}"]
            else:
                pin = f"{target.host}:{target.port}:{address}"
                options += ["-c", "http.proxy=", "-c", f"http.curloptResolve={pin}"]
            if self.rules.ca_file:
                options += ["-c", f"http.sslCAInfo={self.rules.ca_file}"]
            return options
        if match := SSH.fullmatch(self.address):
            self._picked(match[1], parts.port if parts.scheme == "ssh" else 22)
            return []
        if self.local and Path(self.address).is_absolute():
            return ["-c", "protocol.file.allow=always"]
        raise Invalid("A repository's address begins with https:// or git@.")

    def _picked(self, host, port):
        with wire.blamed(host):
            addresses = wire.resolve(host, port or 22)
            return netguard.pick(addresses, self.rules.policy, host)[0]

    # -- running it ----------------------------------------------------------------

    def _environment(self, home):
        protocols = "https:ssh:file" if self.local else "https:ssh"
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": protocols,
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=10",
        }
        if self.local:  # a repository of another owner, which we only read
            env |= _configured({"safe.directory": "*"})
        elif self.token:
            import base64

            pair = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
            env |= _configured({"http.extraHeader": f"Authorization: Basic {pair}"})
        if agent := os.environ.get("SSH_AUTH_SOCK"):
            env["SSH_AUTH_SOCK"] = agent
        return env

    def _run(self, arguments, seconds=READ_SECONDS, megabytes=None):
        """Run git and return what it says; ended when it takes too long or too much."""
        with tempfile.TemporaryDirectory(prefix="steward-git-") as home:
            said, faults = Path(home, "out"), Path(home, "err")
            with said.open("wb") as out, faults.open("wb") as err:
                process = _started(arguments, self._environment(home), out, err)
                try:
                    self._watch(process, seconds, megabytes)
                finally:
                    _end(process)
            if process.returncode:
                text = redact(faults.read_text("utf-8", "replace").strip()[-500:])
                raise self._failure(text)
            return said.read_bytes()

    def _read(self, arguments):
        return self._run(["--git-dir", str(self.folder), *arguments])

    def _watch(self, process, seconds, megabytes):
        end, look = time.monotonic() + seconds, 0.0
        while process.poll() is None:
            if time.monotonic() > end:
                raise TimedOut(
                    f"The repository did not come within {seconds:.0f} seconds."
                )
            if time.monotonic() > look:
                self._check_size(process, megabytes)
                look = time.monotonic() + 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL)
        self._check_size(process, megabytes)

    def _check_size(self, process, megabytes):
        if megabytes and _megabytes(self.folder) > megabytes:
            _end(process)
            self.remove()
            raise BadAnswer(f"The repository is larger than {megabytes} MB.")

    def _failure(self, text):
        if re.search(r"couldn't find remote ref|not our ref", text):
            return BadAnswer("The repository has no such branch.", detail=text)
        if re.search(r"[Aa]uthentication|could not read Username|[Pp]ermission", text):
            return BadAnswer("The repository asks for a key, or another.", detail=text)
        if re.search(r"not found|does not exist|not appear to be a git", text):
            return BadAnswer("There is no such repository.", detail=text)
        return Unreachable("The repository cannot be fetched.", detail=text)


def _configured(settings):
    """Settings of git in its environment, where nobody else sees them."""
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def _started(arguments, env, out, err):
    try:
        return subprocess.Popen(
            ["git", "-c", "core.hooksPath=/dev/null", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Invalid("There is no git on this server; install it.") from error


def _end(process):
    """End git and its helpers."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _megabytes(folder):
    size = 0
    for root, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(root, name).lstat().st_size
    return size / 1024 / 1024
