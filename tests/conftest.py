"""What the tests from outside share: real databases, real servers, a real browser."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from house import server as serving  # noqa: E402
from house.cluster import Server  # noqa: E402
from house.databases import Databases  # noqa: E402
from house.settings import Settings, product_addons  # noqa: E402


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings()


@pytest.fixture(scope="session")
def databases(settings) -> Databases:
    """The test cluster's databases, as the test run handed them to us."""
    conf = json.loads(os.environ["STEWARD_TEST_SERVER"])
    server = Server(
        *(conf[f"db_{k}"] for k in ("host", "port", "user", "password")),
        conf["db_template"],
    )
    return Databases(settings, server, "test")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Odoo:
    """A running server on a database of its own."""

    def __init__(self, settings, databases, database, *extra):
        self.settings, self.databases, self.database = settings, databases, database
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = settings.data / "log" / f"outside-{database}.log"
        self.extra = extra
        self.process = None

    def start(self):
        self.process = serving.start(
            self.settings,
            self.databases.conf,
            self.database,
            self.port,
            self.log,
            extra=self.extra,
        )
        serving.wait_until_served(self.process, self.port, self.log)
        return self

    def stop(self):
        serving.end(self.process)

    def sql(self, query, *args):
        return self.databases.sql(query, self.database, *args)


@pytest.fixture(scope="session")
def odoo(settings, databases):
    """One server with the whole suite, for the tests that leave no harm behind."""
    with databases.clone(databases.template(product_addons()), "outside") as database:
        server = Odoo(settings, databases, database).start()
        try:
            yield server
        finally:
            server.stop()
