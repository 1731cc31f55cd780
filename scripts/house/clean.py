"""Remove all that the set-up made: environment, Odoo, clusters, databases."""

import shutil
from pathlib import Path

from house.cluster import Cluster
from house.console import Problem, step
from house.server import Running
from house.settings import Settings


def clean(settings: Settings) -> int:
    with step("clean") as line:
        removed = [settings.venv, settings.data]
        if settings.python.exists():
            if _serving(settings):
                raise Problem("the server is running", "make stop, then make clean")
            for name in ("main", "test"):
                if settings.server is None:
                    cluster = Cluster(settings, name, durable=name == "main")
                    cluster.stop_if_unused()
                    removed += [cluster.socket, cluster.home]
        for path in removed:
            shutil.rmtree(path, ignore_errors=True)
        left = [str(path) for path in removed if Path(path).exists()]
        if left:
            raise Problem(f"could not be removed: {', '.join(left)}")
        line.text = "environment, Odoo, databases and their files removed"
    return 0


def _serving(settings: Settings) -> bool:
    try:
        return Running(settings).process() is not None
    except ModuleNotFoundError:  # the machine's own Python has no psutil
        return Running(settings).path.exists()
