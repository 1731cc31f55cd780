"""The verbs as they run under the environment's own Python."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from house import server as serving
from house.cluster import Cluster, Server, named
from house.databases import Databases
from house.odoo import environment
from house.settings import Settings

UseServer = Callable[[], AbstractContextManager[Server]]


def do(settings: Settings, verb: str, arguments: list[str], use: UseServer) -> int:
    if verb == "run":
        return serving.run(settings, use)
    if verb == "stop":
        return serving.stop(settings)
    if verb == "update":
        with use() as server:
            serving.update(settings, Databases(settings, server, "run"))
        return 0
    if verb == "shell":
        return _shell(settings, use)
    if verb == "python":  # for other tools: the set-up's own Python
        return subprocess.run([settings.python, *arguments], check=False).returncode
    if verb == "lint":
        from house import lint

        return lint.main(settings)
    if verb == "audit":
        from house import audit

        return audit.main(settings)
    if verb == "demo-knowledge":
        from house import demo

        return demo.knowledge(settings, *map(Path, arguments))
    if verb == "demo-learning":
        from house import demo_learning

        return demo_learning.learning(settings, int(os.environ.get("DAYS") or 0))
    from house import testing

    if verb == "test":
        return testing.whole(settings, thorough=bool(os.environ.get("all")))
    if verb == "fast":
        return testing.fast(settings, arguments or [os.environ.get("t", "")])
    if verb == "bench":
        return testing.bench(settings, os.environ.get("b", ""))
    return testing.pot(settings)


def _shell(settings: Settings, use: UseServer) -> int:
    with use() as server:
        databases = Databases(settings, server, "run")
        serving.ensure_database(settings, databases)
        command = [settings.odoo, "shell", "-c", databases.conf, "--no-http"]
        return subprocess.run(
            [*command, "-d", settings.database],
            env=environment(settings),
            check=False,
        ).returncode


@contextmanager
def test_server(settings: Settings) -> Iterator[Server]:
    """Where tests and builds work: their own cluster, or the server the user named."""
    if settings.server:
        with named(settings.server) as server:
            yield server
    else:
        with Cluster(settings, "test", durable=False).running() as server:
            yield server
