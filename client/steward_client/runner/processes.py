"""Programs that the runner starts: watched, ended with it, and their words kept."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from .problems import Problem

LOOK = 0.2  # seconds between looks whether to go on
GRACE = 5.0  # seconds for a program to end by itself
KEPT = 40  # lines of what a program said last
_LIBC = ctypes.CDLL(None)
_PARENT_DEATH = 1


def _die_with(parent: int, how: signal.Signals) -> None:
    """In the child: be told when the runner is gone, also by ``kill -9``."""
    _LIBC.prctl(_PARENT_DEATH, how)
    if os.getppid() != parent:  # it was gone before we asked to be told
        os._exit(1)


class Program:
    """One running program.

    :param check: called again and again; raises when the work has to stop
    :param grace: seconds to end by itself when it has to
    :param orphaned: what it gets when the runner is gone
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        check: Callable[[], None],
        *,
        source: IO[bytes] | None = None,
        output: IO[bytes] | int | None = None,
        errors: IO[bytes] | int | None = None,
        folder: Path | None = None,
        grace: float = GRACE,
        orphaned: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = Path(command[0]).name
        self.check, self.grace = check, grace
        self.last: deque[str] = deque(maxlen=KEPT)
        try:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=dict(env),
                cwd=folder,
                stdin=source or subprocess.DEVNULL,
                stdout=output or subprocess.DEVNULL,
                stderr=errors or subprocess.PIPE,
                start_new_session=True,
                # no locks are taken in it: the library was loaded long before
                preexec_fn=partial(_die_with, os.getpid(), orphaned),  # noqa: PLW1509
            )
        except OSError as error:
            raise Problem(f"{self.name} cannot be started: {error}") from None

    def lines(self) -> Iterator[str]:
        """What it says on its error output, or on both if they are one."""
        said = self.process.stderr or self.process.stdout
        if said is None:
            return
        handle = said.fileno()
        os.set_blocking(handle, False)
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while True:
                self.check()
                if not selector.select(LOOK):
                    if self.process.poll() is not None:
                        return  # what it started may hold the pipe for long
                    yield ""
                    continue
                data = os.read(handle, 65536)
                *whole, pending = (pending + data).split(b"\n")
                for line in [*whole, *([pending] if not data and pending else [])]:
                    text = line.decode("utf-8", "replace").rstrip()
                    self.last.append(text)
                    yield text
                if not data:
                    return

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(LOOK)
            self.check()

    def finish(self, what: str) -> None:
        """Wait for its end; a bad one is a `Problem`."""
        for _line in self.lines():
            pass
        self.expect_success(what)

    def expect_success(self, what: str) -> None:
        """Its exit code is 0, and only then was anything done."""
        code = self.wait()
        if code:
            how = f"signal {-code}" if code < 0 else f"code {code}"
            said = [line for line in self.last if ": error:" in line or "FATAL" in line]
            words = " ".join(said[:3] or [line for line in self.last if line][-2:])
            raise Problem(f"{what}: {self.name} ended with {how}. {words}".strip())

    def end(self) -> None:
        """Have it gone, and all that it started."""
        if self.grace and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self.grace
            while self.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
