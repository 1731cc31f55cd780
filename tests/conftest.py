"""What the tests from outside share: real databases, real servers, a real browser."""

import contextlib
import json
import socket
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from forge import Forge  # noqa: E402

from house import server as serving  # noqa: E402
from house.databases import Databases  # noqa: E402
from house.settings import Settings, product_addons  # noqa: E402


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings()


@pytest.fixture(scope="session")
def databases(settings) -> Databases:
    """The test cluster's databases, as the test run handed them to us."""
    return Databases.of_tests(settings)


PATIENCE = 300  # seconds for an answer; a busy machine takes its time


def held_port() -> socket.socket:
    """A port that nobody else is given while this socket is open.

    A server of ours may listen at it all the same: both say that they share it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Odoo:
    """A running server on a database of its own.

    :param extra: more words for its command line
    :param env: more variables for its environment
    :param name: tells its log from that of another server on the same database
    """

    def __init__(self, settings, databases, database, *extra, env=None, name=""):
        self.settings, self.databases, self.database = settings, databases, database
        self.place = held_port()
        self.port = self.place.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = settings.data / "log" / f"outside-{database}{name}.log"
        self.extra, self.env = extra, env
        self.process = None

    def start(self):
        self.process = serving.start(
            self.settings,
            self.databases.conf,
            self.database,
            self.port,
            self.log,
            extra=self.extra,
            env=self.env,
        )
        serving.wait_until_served(self.process, self.port, self.log)
        return self

    def stop(self):
        serving.end(self.process)
        self.place.close()

    def kill(self):
        """As a machine that loses its power would."""
        self.process.kill()
        self.process.wait()

    def json2(self, key, model, method, **arguments):
        """The answer of a call over JSON-2."""
        request = urllib.request.Request(
            f"{self.url}/json/2/{model}/{method}",
            data=json.dumps({"context": {}, **arguments}).encode(),
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": self.database,
            },
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def get(self, path, **headers):
        """Status and decoded JSON of a GET."""
        request = urllib.request.Request(f"{self.url}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def make_key(self, login="admin", password="admin"):
        """An API key, made as a person makes it: Odoo asks for the password again."""
        session = requests.Session()

        def call(model, method, *args, **kwargs):
            params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
            url = f"{self.url}/web/dataset/call_kw/{model}/{method}"
            answer = session.post(url, json={"params": params}, timeout=PATIENCE).json()
            assert "error" not in answer, answer
            return answer["result"]

        params = {"db": self.database, "login": login, "password": password}
        url = f"{self.url}/web/session/authenticate"
        answer = session.post(url, json={"params": params}, timeout=PATIENCE).json()
        assert answer.get("result"), answer
        until = datetime.now(UTC) + timedelta(days=1)
        wish = {"name": "test", "duration": "1", "expiration_date": f"{until:%F %T}"}
        [wizard] = call("res.users.apikeys.description", "create", [wish])
        asked = call("res.users.apikeys.description", "make_key", [wizard])["res_id"]
        context = {"password": password}
        shown = call("res.users.identitycheck", "run_check", [asked], context=context)
        return shown["context"]["default_key"]

    def sql(self, query, *args):
        return self.databases.sql(query, self.database, *args)

    @contextlib.contextmanager
    def amid(self, query, *args, **options):
        """A transaction of somebody else's, which began with a query and goes on."""
        server = self.databases.server
        connection = psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password or None,
            dbname=self.database,
            **options,
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, args or None)
            yield
        finally:
            connection.close()


@pytest.fixture(scope="session")
def odoo(settings, databases):
    """One server with the whole suite, for the tests that leave no harm behind."""
    with databases.clone(databases.template(product_addons()), "outside") as database:
        server = Odoo(settings, databases, database).start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def forge(settings, databases, base):
    """Makes workers on the module's own database."""
    forge = Forge(settings, databases, base)
    yield forge
    forge.end()


@pytest.fixture
def worker(forge):
    """Starts a worker process; its answer is a line of JSON."""
    return forge.start
