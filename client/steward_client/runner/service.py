"""The runner itself: it looks for work, does it, and tells how it ended."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import platform
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

from ..backup import restic
from . import rows
from .config import Config
from .enrol import Identity, recognise
from .job import Job, clean
from .journal import Journal
from .postgres import Connection, Server, interruptible
from .problems import (
    Cancelled,
    HandedBack,
    Interrupted,
    LostFence,
    Problem,
    Refused,
    Unreachable,
)
from .rows import Claim
from .verbs import VERBS, expect_sound

BEAT = 5.0  # seconds between signs of life while at work
BRIEF = 0.5  # seconds between words about progress
SEEN = 15.0  # seconds between signs of life while idle
NUDGE = 5.0  # seconds until an Odoo that took nothing over is told again
TRIES = 2  # how often an operation is begun that kills its runner
LOOK_AGAIN = 10.0  # seconds after the database did not answer
SWEEP = 300.0  # seconds between tries to take away what could not be reached
GIVE_UP = 7 * 24 * 3600.0  # seconds after which it is left to people
DAY = 24 * 3600.0  # seconds between compactions of the journal
ALONE = 15.0  # seconds a killed runner's half-started program may hold its lock

# a word in archive_command -> whose it is
ARCHIVERS = {
    "pgbackrest": "pgBackRest",
    "wal-g": "WAL-G",
    "wal-e": "WAL-E",
    "barman": "Barman",
}

_logger = logging.getLogger(__name__)


class Runner:
    """One runner; there is one for each work folder."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.server = Server(config.dsn, config.pg_bin, config.maintenance)
        self.ending = threading.Event()
        self.job: Job | None = None
        self._connection: Connection | None = None
        self._identity: Identity | None = None
        self._seen = self._nudged = 0.0
        self._swept = self._compacted = 0.0

    # -- life ------------------------------------------------------------------

    def run(self, *, once: bool = False) -> int:
        """Work until told to end, or until there is nothing to do.

        :return: how many operations were brought to an end
        """
        ended = 0
        with self._alone(), self._journal() as self.journal:
            tidy = False
            while not self.ending.is_set():
                try:
                    if not tidy:
                        self._tidy()
                        tidy = True
                    worked = self._look()
                    tidy = not (worked and self.journal.left)
                except (psycopg2.Error, Problem, OSError) as error:
                    self._forget()
                    tidy = False  # what could not be taken away then can be now
                    if once:
                        raise
                    _logger.warning("nothing can be done now: %s", error)
                    self.ending.wait(LOOK_AGAIN)
                    continue
                ended += worked
                if not worked:
                    if once:
                        break
                    self._wait()
            self._forget()
        return ended

    def end(self, *_: object) -> None:
        """Hand back what is at work, and end; also a signal handler."""
        self.ending.set()
        if self.job:
            self.job.stop(HandedBack)

    def listen_to_signals(self) -> None:
        """End on SIGTERM and Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.end)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two runners of one journal would not know of each other's work."""
        self.config.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.config.work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + ALONE
        try:
            while not _locked(lock):
                if time.monotonic() > until:
                    raise Refused(
                        f"Another runner works in {self.config.work}; "
                        "each needs its own."
                    )
                time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        journal = Journal(self.config.journal)
        try:
            yield journal
        finally:
            journal.close()

    # -- the database of the rows ------------------------------------------------

    def _connect(self) -> Connection:
        """The connection for looking, to a database that is the one we work for."""
        if self._connection is None or self._connection.closed:
            connection = self.server.connect()
            try:
                self._identity = recognise(connection, self.config)
                with connection.cursor() as cursor:
                    cursor.execute("LISTEN steward_operation")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._repair()
        return self._connection

    def _forget(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    @property
    def identity(self) -> Identity:
        """What the database and we know of each other."""
        if self._identity is None:
            raise Refused("This runner is not enrolled.")
        return self._identity

    def _wait(self) -> None:
        """Until Odoo says that there is something, or it is time to look anyway."""
        connection = self._connect()
        until = time.monotonic() + self.config.poll
        while not self.ending.is_set() and time.monotonic() < until:
            connection.poll()
            if connection.notifies:
                connection.notifies.clear()
                return
            self.ending.wait(0.1)

    def _look(self) -> int:
        """Do one operation, if one waits; how many were done."""
        connection = self._connect()
        if time.monotonic() - self._seen > SEEN:
            # again each time: a copy may have been made of it, or it became one
            self._identity = recognise(connection, self.config)
            rows.seen(connection, self.identity.runner, self.facts())
            self._seen = time.monotonic()
        if time.monotonic() - self._nudged > NUDGE:
            self._nudged = time.monotonic()
            if rows.is_untold(connection):  # it was being started, or restored
                self._notify()
        self._tend()
        held = rows.claim(connection, self.identity.runner, self.config.lease)
        if held is None:
            return 0
        if self.journal.finished(held.uuid):
            # a database that was restored has forgotten how it ended
            self._tell(held.uuid)
            return 1
        return self._do(held)

    def facts(self) -> dict[str, Any]:
        """What Odoo shows of this runner and its machine."""
        from .enrol import odoo_works

        try:
            tools = {"pg_dump": self.server.tools_version}
            tools["server"] = str(self.server.version)
        except Problem as problem:
            tools = {"error": problem.sentence}
        roots = []
        for root in self.config.storages:
            folder = root
            while not folder.exists():
                folder = folder.parent
            usage = shutil.disk_usage(folder)
            room = {"free_bytes": usage.free, "total_bytes": usage.total}
            roots.append({"path": str(root), **room})
        return {
            "clock": rows.clock(),
            "verbs": sorted(VERBS),
            "roots": roots,
            "pg": tools,
            "restic": restic.version(self.config),
            "s3": find_spec("boto3") is not None,
            "pitr": self._pitr(),
            "load": round(os.getloadavg()[0], 2),
            "odoo_ok": odoo_works(self.config),
            "filestore": str(self.config.filestore),
            "signing_key_ok": self.config.signing_key_file.is_file(),
            "hostname": platform.node(),
            "version": runner_version(),
        }

    def _pitr(self) -> dict[str, Any]:
        """Which program keeps the server's log of changes elsewhere, if one does."""
        try:
            found = self.server.query(
                "SELECT current_setting('archive_mode'),"
                " current_setting('archive_command'),"
                " current_setting('archive_library', true),"
                " to_char(last_archived_time AT TIME ZONE 'UTC',"
                "         'YYYY-MM-DD HH24:MI:SS'),"
                " coalesce(last_failed_time > last_archived_time,"
                "          last_failed_time IS NOT NULL)"
                " FROM pg_stat_archiver"
            )
        except (Problem, psycopg2.Error):
            return {}
        mode, command, library, archived, failing = found[0]
        tool = archiver(str(command or ""), str(library or ""))
        if mode == "off" or not tool:
            return {}
        return {"tool": tool, "archived_at": archived, "failing": bool(failing)}

    # -- work --------------------------------------------------------------------

    def _do(self, held: Claim) -> int:
        self.journal.write(
            "claimed", held.uuid, verb=held.verb, arguments=held.arguments
        )
        _logger.info("%s %s begins", held.verb, held.uuid)
        job = self.job = Job(held, self.config, self.server, self.journal)
        if self.ending.is_set():
            job.stop(HandedBack)
        teller = _Teller(self, job, held)
        teller.start()
        outcome: dict[str, Any] | None
        try:
            outcome = self._outcome(job, held)
        finally:
            teller.stop()
            self.job = None
        if outcome is None:
            return 0
        self.journal.write("finished", held.uuid, outcome=outcome)
        _logger.info("%s %s is %s", held.verb, held.uuid, outcome["state"])
        self._forget()  # the database may be another one now
        self._connect()
        return 1

    def _outcome(self, job: Job, held: Claim) -> dict[str, Any] | None:
        """How an operation ended; None if it did not, and is not ours any more."""
        state, result, error, detail = "failed", None, "", ""
        try:
            expect_sound(held.verb, held.arguments)
            with interruptible(job.check):
                result = VERBS[held.verb](job)
            state = "done"
        except Cancelled:
            state, error = "cancelled", "It was cancelled."
        except HandedBack:
            rows.hand_back(self._connection or self._connect(), held)
            self.journal.write("handed_back", held.uuid, in_order=True)
            return None
        except LostFence:
            _logger.warning("%s %s is no longer ours", held.verb, held.uuid)
            self.journal.write("lost", held.uuid)
            return None
        except Interrupted:
            raise
        except Problem as problem:
            error, detail = problem.sentence, f"{problem.code}"
        except psycopg2.Error as problem:
            error = f"PostgreSQL refused: {str(problem).strip().splitlines()[0]}"
            detail = traceback.format_exc()
        except OSError as problem:
            error, detail = _of_the_machine(problem), traceback.format_exc()
        except Exception as problem:  # of a verb; the runner goes on
            _logger.exception("%s %s failed", held.verb, held.uuid)
            error = f"The runner failed: {problem!r}"
            detail = traceback.format_exc()
        return outcome_of(job, state, result, error, detail)

    # -- after a death ---------------------------------------------------------

    def _tidy(self) -> None:
        """Take away what operations left that nobody brought to an end."""
        from .recovery import go_on

        for entry in list(self.journal.entries.values()):
            if entry.open:
                go_on(entry, self.config, self.server, self.journal)
        self._sweep()

    def _tend(self) -> None:
        """From time to time: what could not be done when it was time."""
        now = time.monotonic()
        if self.journal.leftovers and now - self._swept > SWEEP:
            self._sweep()
            self._repair()
        if now - self._compacted > DAY:
            self._compacted = now
            self.journal.compact()

    def _sweep(self) -> None:
        self._swept = time.monotonic()
        for entry in list(self.journal.entries.values()):
            for key, what in list(entry.scratch.items()):
                try:
                    clean(what, self.config, self.server)
                except Unreachable as problem:
                    _logger.warning(
                        "%s waits to be taken away: %s", what.get("name"), problem
                    )
                    continue
                except Refused as problem:  # the settings are others now
                    _logger.warning("left where it is: %s", problem)
                except OSError as problem:  # perhaps another time
                    _logger.warning("cannot be taken away: %s", problem)
                    continue
                self.journal.write("gone", entry.uuid, key=key)

    def _repair(self) -> None:
        """Bring the rows to what the journal says."""
        from .recovery import recover

        connection = self._connect()
        for held in rows.stranded(connection, self.identity.runner):
            entry = self.journal.entry(held.uuid)
            if entry.outcome:  # the database was restored, and has forgotten
                self._tell(held.uuid)
            elif entry.claims < TRIES and not entry.intents:
                rows.hand_back(connection, held)
                self.journal.write("handed_back", held.uuid, in_order=False)
        for entry in list(self.journal.entries.values()):
            if entry.open:
                try:
                    outcome = recover(entry, self.config, self.server, self.journal)
                except Unreachable as problem:  # nobody knows yet how it ended
                    _logger.warning("%s is not known: %s", entry.uuid, problem)
                    continue
                self.journal.write("finished", entry.uuid, outcome=outcome)
            if entry.outcome and not entry.told:
                self._tell(entry.uuid)

    def _tell(self, uuid: str) -> None:
        outcome = self.journal.entry(uuid).outcome
        if outcome and rows.tell(self._connect(), uuid, outcome):
            self._notify()
        self.journal.write("told", uuid)

    def _notify(self) -> None:
        """Wake Odoo's scheduled actions, which listen in the maintenance database."""
        with suppress(Problem, psycopg2.Error):
            database = self.server.home
            self.server.query("SELECT pg_notify('cron_trigger', %s)", database)


class _Teller(threading.Thread):
    """Renews the lease and tells progress while the other thread works.

    It has a connection of its own and touches nothing of the job but `told` and
    `stop`.
    """

    def __init__(self, runner: Runner, job: Job, held: Claim) -> None:
        super().__init__(name="steward-teller", daemon=True)
        self.runner, self.job, self.held = runner, job, held
        self._over = threading.Event()
        self._seen = 0.0
        self._connection: Connection | None = None

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._beat()
            except LostFence:
                self.job.stop(LostFence)
                break
            except (psycopg2.Error, Problem) as error:
                # the lease goes on for a while; the work does not depend on us
                _logger.info("no word of %s: %s", self.held.uuid, error)
                self._drop()
            self._rest()
        self._drop()

    def _rest(self) -> None:
        """Until there is something to tell, or to be told: somebody may cancel."""
        told = self.job.told
        until = time.monotonic() + BEAT
        while time.monotonic() < until and not self._over.wait(BRIEF):
            now = self.job.told
            if now["step"] != told["step"] or now["progress"] - told["progress"] >= 1:
                return
            if self._connection:
                with suppress(psycopg2.Error):
                    self._connection.poll()
                if self._connection.notifies:
                    self._connection.notifies.clear()
                    return

    def _beat(self) -> None:
        if self._connection is None:
            self._connection = self.runner.server.connect()
            with self._connection.cursor() as cursor:
                cursor.execute("LISTEN steward_operation")
        if time.monotonic() - self._seen > SEEN:
            rows.alive(self._connection, self.runner.identity.runner)
            self._seen = time.monotonic()
        lease, told = self.runner.config.lease, self.job.told
        if rows.beat(self._connection, self.held, lease, told):
            self.job.stop(Cancelled)

    def _drop(self) -> None:
        if self._connection:
            with suppress(psycopg2.Error):
                self._connection.close()
        self._connection = None

    def stop(self) -> None:
        """End, and give the connection up."""
        self._over.set()
        self.join(10)


def outcome_of(
    job: Job, state: str, result: Any, error: str = "", detail: str = ""
) -> dict[str, Any]:
    """What the journal and the row are told."""
    job.close_step()
    return {
        "state": state,
        "result": result,
        "error": error,
        "detail": detail,
        "ended": time.time(),
        "steps": job.told["steps"],
    }


def archiver(command: str, library: str) -> str:
    """What PostgreSQL gives its finished log files to; never with which words.

    >>> archiver("pgbackrest --stanza=main archive-push %p", "")
    'pgBackRest'
    >>> archiver("envdir /e wal-g wal-push %p", ""), archiver("", "basic_archive")
    ('WAL-G', 'basic_archive')
    >>> archiver("cp %p /mnt/%f", ""), archiver("(disabled)", "")
    ('archive_command', '')
    """
    if library:
        return library
    if command in ("", "(disabled)", "/bin/true", "true"):
        return ""
    for sign, name in ARCHIVERS.items():
        if sign in command:
            return name
    return "archive_command"


def _of_the_machine(error: OSError) -> str:
    where = Path(error.filename).name if error.filename else "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"There is no space left for {where}: free some, then try again."
    return f"The machine refused {where}: {error.strerror or error}"


def runner_version() -> str:
    """The version of the client that this is."""
    try:
        return version("steward-client")
    except PackageNotFoundError:
        return "development"


def _locked(lock: int) -> bool:
    """Whether the lock is ours now.

    A program that was being started when its runner was killed holds the lock
    until it runs: that is soon.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def calm(nice: int) -> None:
    """Stand back for others who want processor and disk."""
    with suppress(OSError):
        os.nice(nice)
    if nice and (tool := shutil.which("ionice")):
        import subprocess

        words = [tool, "-c2", "-n7", "-p", str(os.getpid())]
        subprocess.run(words, check=False, capture_output=True)
