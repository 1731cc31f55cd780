"""What every bench shares: rows with a baseline beside them, kept and compared.

A bench is a script ``bench/bench_<name>.py`` that ends in ``report(name, rows)``.
These machines are noisy, so what counts is the ratio to a baseline measured in the
same run, alternating with it.
"""

import json
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from house import server as serving
from house.databases import Databases
from house.settings import Settings, product_addons

RESULTS = Path(__file__).parent / "results"
FALL = 0.2  # a ratio that got worse by this share is told


@dataclass
class Row:
    """One figure of a bench.

    :param value: what was measured, in ``unit``
    :param baseline: the same for the bare way of doing it, where there is one
    :param ratio: value / baseline
    :param target: what the issue asks for, in words
    :param ok: whether the target is met
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    target: str
    ok: bool


def alternate(
    ours: Callable[[], object], bare: Callable[[], object], rounds: int = 7
) -> tuple[float, float]:
    """Median seconds of two ways, run in turn so that noise hits both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for way, kept in zip((ours, bare), times, strict=True):
            began = time.perf_counter()
            way()
            kept.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


@contextmanager
def environment() -> Iterator[Any]:
    """An Odoo environment on a fresh database with the suite, as superuser."""
    import odoo.sql_db
    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry
    from odoo.tools import config

    databases = Databases.of_tests(Settings())
    template = databases.template(product_addons())
    with databases.clone(template, "bench") as database:
        options = ["-c", str(databases.conf), "-d", database, "--log-level=warn"]
        config.parse_config(options, setup_logging=True)
        with Registry(database).cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})
            cr.rollback()
        Registry.delete(database)
        odoo.sql_db.close_db(database)


def model_at(env: Any, address: str, **abilities: bool) -> Any:
    """A chat model with a price, of a provider on loopback.

    :param abilities: what it can besides, as ``can_tools=True``
    """
    env["ir.config_parameter"].set_param("steward.http.allowed_networks", "127.0.0.1")
    provider = env["steward.provider"].create(
        {"name": "Bench", "code": "bench", "base_url": address}
    )
    env["steward.price"].create(
        {"model_name": "gpt-test", "rate_input": 1, "rate_output": 4}
    )
    return env["steward.model"].create(
        {
            "name": "gpt-test",
            "provider_id": provider.id,
            "can_chat": True,
            "can_streaming": True,
            **abilities,
        }
    )


class Caller:
    """Who calls a server over JSON-2."""

    def __init__(self, url: str, database: str, key: str) -> None:
        self.url, self.database, self.key = url, database, key

    def call(self, model: str, method: str, **arguments: Any) -> Any:
        """The answer of a call."""
        request = urllib.request.Request(
            f"{self.url}/json/2/{model}/{method}",
            data=json.dumps(arguments).encode(),
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": self.database,
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


class Server(Caller):
    """An Odoo with one process on the database of an environment.

    :param channels: of its job runner; none unless some are named
    """

    def __init__(self, env: Any, channels: str = "root:0") -> None:
        self.uid = env.ref("base.user_admin").id
        expires = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
        keys = env["res.users.apikeys"].with_user(self.uid)
        key = keys._generate(None, "bench", expires)
        env.cr.commit()
        settings = Settings()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        super().__init__(f"http://127.0.0.1:{port}", env.cr.dbname, key)
        log = settings.data / "log" / "bench.log"
        self.process = serving.start(
            settings,
            Databases.of_tests(settings).conf,
            self.database,
            port,
            log,
            env={"ODOO_QUEUE_JOB_CHANNELS": channels},
        )
        serving.wait_until_served(self.process, port, log)

    def end(self) -> None:
        """End it."""
        serving.end(self.process)


def report(name: str, rows: list[Row]) -> None:
    """Print the rows, warn of a fall, keep them; exit 1 when a target is missed."""
    path = RESULTS / f"{name}.json"
    before = {}
    if path.exists():
        before = {row["name"]: row for row in json.loads(path.read_text())}
    for row in rows:
        bare = "" if row.baseline is None else f"bare {row.baseline:>10.3f}"
        ratio = "" if row.ratio is None else f"x{row.ratio:.2f}"
        mark = "ok    " if row.ok else "MISSED"
        print(
            f"    {mark} {row.name:<40} {row.value:>10.3f} {row.unit:<8} {bare:<16}"
            f" {ratio:<8} target {row.target}"
        )
        old = before.get(row.name, {}).get("ratio")
        if old and row.ratio and row.ratio > old * (1 + FALL):
            print(f"    WORSE  {row.name}: ratio {old:.2f} before, {row.ratio:.2f} now")
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if not all(row.ok for row in rows):
        sys.exit(1)
