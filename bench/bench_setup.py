"""How long a developer waits: a second start, and the tests of one addon."""

import os
import subprocess
import time
from pathlib import Path

from harness import Row, report
from house import server as serving
from house.databases import Databases
from house.settings import ROOT, Settings, product_addons

settings = Settings()
databases = Databases.of_tests(settings)
PORT = 8391


def serve(database: str) -> float:
    """Seconds until a server's login page answers."""
    log = Path(settings.data / "log" / "bench-setup.log")
    began = time.perf_counter()
    process = serving.start(settings, databases.conf, database, PORT, log)
    serving.wait_until_served(process, PORT, log)
    seconds = time.perf_counter() - began
    serving.end(process)
    return seconds


def clone() -> float:
    began = time.perf_counter()
    with databases.clone(databases.template(product_addons()), "bench"):
        return time.perf_counter() - began


full = databases.template(product_addons())
bare = databases.foundation(product_addons())
with databases.clone(full, "bench") as ours, databases.clone(bare, "bench") as odoo:
    serve(ours), serve(odoo)  # the first page compiles the assets
    times = [(serve(ours), serve(odoo)) for _ in range(3)]
second, baseline = min(t[0] for t in times), min(t[1] for t in times)

env = {k: v for k, v in os.environ.items() if k != "STEWARD_INSIDE"}
began = time.perf_counter()
subprocess.run(
    ["make", "-s", "fast", "t=addons/steward/tests/test_app.py"],
    cwd=ROOT,
    env=env,
    check=True,
    stdout=subprocess.DEVNULL,
)
fast = time.perf_counter() - began
copy = min(clone() for _ in range(5))

report(
    "setup",
    [
        Row(
            "second start until the login page",
            second,
            "s",
            baseline,
            second / baseline,
            "< 10 s; bare: Odoo without the suite",
            second < 10,
        ),
        Row(
            "make fast on one file, browser tour included",
            fast,
            "s",
            None,
            None,
            "seconds (< 30)",
            fast < 30,
        ),
        Row(
            "a fresh database from the template",
            copy,
            "s",
            None,
            None,
            "< 1 s",
            copy < 1,
        ),
    ],
)
