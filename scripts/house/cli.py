"""The verbs of ``make``: set up what a verb needs, then do it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from house import commands, environment, files, restic, source
from house.cluster import Cluster, Server, named
from house.console import Problem
from house.settings import MIN_FREE, Settings

RUNNING = ("odoo", "suite", "weights", "postgres")
WORKING = (*RUNNING, "dev")
# verb -> the layers of packages it needs
VERBS = {
    "run": RUNNING,
    "stop": (),
    "shell": RUNNING,
    "update": RUNNING,
    "test": WORKING,
    "fast": WORKING,
    "lint": WORKING,
    "bench": WORKING,
    "audit": WORKING,
    "pot": WORKING,
    "demo-knowledge": WORKING,
    "demo-learning": WORKING,
    "python": WORKING,
    "clean": (),
}


def main(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else ""
    if verb not in VERBS:
        print(f"usage: python3 -m house {' | '.join(VERBS)}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        settings = Settings()
        if os.environ.get("STEWARD_INSIDE"):
            return _inside(settings, verb, arguments[1:])
        return _outside(settings, verb, arguments)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n  interrupted; the next call goes on from here", file=sys.stderr)
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _outside(settings: Settings, verb: str, arguments: list[str]) -> int:
    """Set up with the machine's Python, then go on in the environment's."""
    _leave_own_environment(settings, arguments)
    layers = VERBS[verb]
    if verb == "clean":
        from house.clean import clean

        return clean(settings)
    if not layers and not settings.python.exists():
        print("  nothing is set up here yet")
        return 0
    if verb == "run":
        from house.server import Running, require_port

        if not Running(settings).perhaps():
            require_port(settings.port)  # before minutes of work, not after
    if layers:
        with files.locked(settings.data / "setup.lock", "the set-up"):
            set_up(settings, layers)
    environment.enter(settings, arguments)
    raise AssertionError("unreachable")


def _leave_own_environment(settings: Settings, arguments: list[str]) -> None:
    """With ``.venv`` activated, go on under the Python it was made with.

    Else the environment would take Odoo for the machine's own, and remove itself.
    """
    base = getattr(sys, "_base_executable", sys.executable)
    if Path(sys.prefix) == settings.venv and base != sys.executable:
        os.execv(base, [base, "-m", "house", *arguments])


def set_up(settings: Settings, layers: tuple[str, ...]) -> None:
    """Bring environment, Odoo and packages to what the layers ask for."""
    if not settings.venv.exists():
        files.require_space(settings.data, MIN_FREE)
    # root's clusters run as another user, who must get through
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o755)
    settings.data.chmod(0o755 if os.geteuid() == 0 else 0o700)
    for private in ("log", "conf"):
        (settings.data / private).mkdir(exist_ok=True, mode=0o700)
    inherited = environment.ensure(settings)
    wanted = (restic.PACKAGE, *([restic.SERVER] if "dev" in layers else []))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:  # one waits for PyPI, two for the archive
        tasks = [
            pool.submit(source.ensure, settings, inherited),
            pool.submit(environment.install, settings, *layers),
            pool.submit(restic.ensure, settings, *wanted),
        ]
        try:
            problems = [task.exception() for task in tasks]
        except KeyboardInterrupt:
            commands.stop_all()  # else the pool would wait for all they still do
            raise
    for problem in problems:
        if problem:
            raise problem


def _inside(settings: Settings, verb: str, arguments: list[str]) -> int:
    @contextmanager
    def main_server() -> Iterator[Server]:
        if settings.server:
            with named(settings.server) as server:
                yield server
        else:
            with Cluster(settings, "main", durable=True).running() as server:
                yield server

    from house import inside

    return inside.do(settings, verb, arguments, main_server)
