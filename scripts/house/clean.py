"""Remove all that the set-up made: environment, Odoo, clusters, databases."""

import contextlib
import fcntl
import os
import shutil
import signal
import time
from pathlib import Path

from house import files
from house.cluster import STATE
from house.console import Problem, say, step
from house.settings import Settings

LOCKS = ("setup.lock", "main.users", "test.users")


def clean(settings: Settings) -> int:
    """Works without the environment too, and with a named server set."""
    with step("clean") as line, contextlib.ExitStack() as held:
        for name in LOCKS:
            _refuse_if_busy(settings.data / name, held)
        homes = (settings.data / "postgres", STATE / settings.short_id)
        for home in homes:
            for name in ("main", "test"):
                _end_cluster(home / name)
        removed = [
            *(settings.venv, settings.data, *homes),
            Path(f"/tmp/steward-{os.geteuid()}-{settings.short_id}"),
        ]
        for path in removed:
            shutil.rmtree(path, ignore_errors=True)
        left = [str(path) for path in removed if Path(path).exists()]
        if left:
            raise Problem(f"could not be removed: {', '.join(left)}")
        with contextlib.suppress(OSError):
            STATE.rmdir()  # where no other checkout uses it
        line.text = "environment, Odoo, databases and their files removed"
    if settings.server:
        say("clean", f"databases at {settings.server['PGHOST']} are left: dropdb ...")
    say("clean", f"downloads, shared by all checkouts, are kept: {settings.cache}")
    return 0


def _refuse_if_busy(path: Path, held: contextlib.ExitStack) -> None:
    if path.exists():
        file = held.enter_context(path.open("a+"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(
                "the server, or another call, is at work here",
                "make stop, or wait for it to end; then make clean",
            ) from None


def _end_cluster(folder: Path) -> None:
    """Stop a PostgreSQL that was left, without asking its programs."""
    pid = files.read(folder / "postmaster.pid").partition("\n")[0]
    process = Path("/proc") / (pid or "none")
    with contextlib.suppress(OSError):
        if (process / "cwd").readlink() == folder.resolve():
            os.kill(int(pid), signal.SIGINT)
            deadline = time.monotonic() + 30
            while (process / "cwd").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
