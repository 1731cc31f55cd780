"""One operation at work: its steps, what it makes on the way, whether to go on."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .config import Config
from .journal import Journal
from .postgres import Server
from .problems import Interrupted, LostFence, Problem, Refused, Unreachable
from .processes import Program
from .rows import Claim

_logger = logging.getLogger(__name__)


class Job:
    """What a verb works with.

    Its facts are read by the thread that tells Odoo of them; only the thread that
    works writes them.
    """

    def __init__(
        self, claim: Claim, config: Config, server: Server, journal: Journal
    ) -> None:
        self.uuid, self.verb, self.arguments = claim.uuid, claim.verb, claim.arguments
        self.short = claim.uuid.replace("-", "")[:8]
        self.config, self.server, self.journal = config, server, journal
        self.began = time.time()
        self.findings: list[str] = []
        self._weights: dict[str, float] = {}
        self._share = 0.0
        self._steps: list[dict[str, Any]] = []
        self._stop: type[Interrupted] | None = None
        self._calm = 0  # depth of what must not be interrupted

    # -- whether to go on ------------------------------------------------------

    def stop(self, reason: type[Interrupted]) -> None:
        """Have the work end at its next look; a lost fence counts most."""
        if self._stop is not LostFence:
            self._stop = reason

    def check(self) -> None:
        """Raise when the work has to stop."""
        if self._stop and not self._calm:
            raise self._stop

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What is done within is brought to its end."""
        self.check()
        self._calm += 1
        try:
            yield
        finally:
            self._calm -= 1

    def sleep(self, seconds: float) -> None:
        """Wait, and be told to stop meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.1))

    # -- how far it is ---------------------------------------------------------

    def plan(self, **weights: float) -> None:
        """Say which steps there will be, and about how long each takes."""
        self._weights = weights

    def step(self, name: str) -> None:
        """Begin a step: it is in the journal before anything of it is done."""
        self.check()
        self.close_step()
        self.journal.write("step", self.uuid, name=name)
        self._share = 0.0
        self._steps.append({"name": name, "started_at": _utc(time.time())})

    def close_step(self) -> None:
        """Note when the step ended."""
        if self._steps and "ended_at" not in self._steps[-1]:
            self._steps[-1]["ended_at"] = _utc(time.time())

    def advance(self, share: float, size: int | None = None) -> None:
        """Say which share of the step is done, and with how many bytes."""
        self.check()
        self._share = min(1.0, max(self._share, share))
        if size is not None and self._steps:
            self._steps[-1]["bytes"] = size

    @property
    def told(self) -> dict[str, Any]:
        """Progress, step, steps and expected seconds, as Odoo shows them."""
        total = sum(self._weights.values()) or 1.0
        done = [self._weights.get(step["name"], 0.0) for step in self._steps[:-1]]
        now = self._weights.get(self._steps[-1]["name"], 0.0) if self._steps else 0.0
        share = min(1.0, (sum(done) + now * self._share) / total)
        spent = time.time() - self.began
        return {
            "progress": round(min(99.0, share * 100), 1),
            "step": self._steps[-1]["name"] if self._steps else None,
            "steps": [dict(step) for step in self._steps],
            "remaining": spent * (1 - share) / share if share >= 0.05 else None,
        }

    # -- what it makes on the way ----------------------------------------------

    @contextmanager
    def making(self, kind: str, *, doomed: bool = False, **what: Any) -> Iterator[None]:
        """Take away what is made within, also if it is the next runner that does.

        :param kind: one of `CLEANERS`
        :param doomed: whether also what is whole has to go when this fails; in a
            storage, where each look takes its time, nothing goes when it does not
        """
        key = f"{kind}:{sorted(what.items())}"
        what["kind"] = kind
        self.journal.write("making", self.uuid, key=key, what=what)
        begun, failed = True, False
        try:
            yield
        except BaseException as problem:
            failed = True
            begun = not isinstance(problem, Refused)
            if doomed:
                what["whole"] = True
                self.journal.write("making", self.uuid, key=key, what=what)
            raise
        finally:
            self._calm += 1  # also when the work was told to stop
            try:
                if failed or kind not in REMOTE:
                    clean(what, self.config, self.server)
                self.journal.write("gone", self.uuid, key=key)
            except Unreachable as problem:
                if begun:  # it stays in the journal, for another time
                    name = what.get("name")
                    _logger.warning("%s waits to be taken away: %s", name, problem)
                else:
                    self.journal.write("gone", self.uuid, key=key)
            finally:
                self._calm -= 1

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """A folder of the runner's own, gone afterwards."""
        path = self.config.scratch / f"{self.short}-{name}"
        with self.making("folder", path=str(path)):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True, mode=0o700)
            yield path

    def program(
        self, command: Sequence[str | Path], env: Mapping[str, str], **more: Any
    ) -> Program:
        """Start a program that ends when the work has to."""
        return Program(command, env, self.check, **more)

    def find(self, sentence: str) -> None:
        """Note something that a person should know, though the work goes on."""
        if len(self.findings) < 100:
            self.findings.append(sentence)


def clean(what: dict[str, Any], config: Config, server: Server) -> None:
    """Take away something that an operation made on the way."""
    CLEANERS[what["kind"]](what, config, server)


def _clean_folder(what: dict[str, Any], config: Config, _server: Server) -> None:
    path = Path(what["path"])
    roots = (config.scratch, config.filestore, *config.storages)
    if not any(path.is_relative_to(root) and path != root for root in roots):
        raise Refused(f"{path} is in no folder of the runner.")
    remove(path)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it; there may be none."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    for _attempt in range(3):
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
        if not path.exists():
            return


def _clean_database(what: dict[str, Any], _config: Config, server: Server) -> None:
    server.drop(what["name"])


def _clean_remote(what: dict[str, Any], config: Config, _server: Server) -> None:
    from ..backup.opening import take_away

    try:
        take_away(what, config)
    except Problem as problem:  # whatever it is, it may be mended
        raise Unreachable(problem.sentence) from None


REMOTE = ("s3", "restic")  # who succeeded has left nothing half-done there
CLEANERS = {
    "folder": _clean_folder,
    "database": _clean_database,
    "s3": _clean_remote,
    "restic": _clean_remote,
}


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
