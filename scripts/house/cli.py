"""The verbs of ``make``: set up what a verb needs, then do it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from house import environment, files, source
from house.cluster import Cluster, Server, named
from house.console import Problem
from house.settings import MIN_FREE, Settings

RUNNING = ("odoo", "suite", "postgres")
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
    "python": WORKING,
    "clean": (),
}


def main(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else ""
    if verb not in VERBS:
        print(f"usage: python3 -m house {' | '.join(VERBS)}", file=sys.stderr)
        return 2
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


def _outside(settings: Settings, verb: str, arguments: list[str]) -> int:
    """Set up with the machine's Python, then go on in the environment's."""
    layers = VERBS[verb]
    if verb == "clean":
        from house.clean import clean

        return clean(settings)
    if not layers and not settings.python.exists():
        print("  nothing is set up here yet")
        return 0
    if verb == "run":
        from house.server import Running, require_port

        if not Running(settings).path.exists():
            require_port(settings.port)  # before minutes of work, not after
    if layers:
        with files.locked(settings.data / "setup.lock", "the set-up"):
            set_up(settings, layers)
    environment.enter(settings, arguments)
    raise AssertionError("unreachable")


def set_up(settings: Settings, layers: tuple[str, ...]) -> None:
    """Bring environment, Odoo and packages to what the layers ask for."""
    if not settings.venv.exists():
        files.require_space(settings.data, MIN_FREE)
    inherited = environment.ensure(settings)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:  # one waits for PyPI, one for the archive
        tasks = [
            pool.submit(source.ensure, settings, inherited),
            pool.submit(environment.install, settings, *layers),
        ]
        problems = [task.exception() for task in tasks]
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


def verbs_help() -> str:
    return " ".join(VERBS)
