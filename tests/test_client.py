"""The client and its command: against the real server, and against none."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

CLIENT = Path(__file__).resolve().parents[1] / "client"
sys.path.insert(0, str(CLIENT))

from steward_client import (  # noqa: E402
    Client,
    Denied,
    Failed,
    Misused,
    NotFound,
    Refused,
    Unreachable,
)
from steward_client import client as module  # noqa: E402
from steward_client.cli import cli  # noqa: E402

PARTS = {"database", "modules", "jobs", "crons", "services", "mail", "disk"}


@pytest.fixture(scope="session")
def key(odoo):
    """An API key of the administrator, made as a person would make it."""
    return odoo.make_key()


@pytest.fixture
def command(odoo, monkeypatch):
    for name in list(os.environ):
        if name.startswith("STEWARD_"):
            monkeypatch.delenv(name)

    def run(*arguments, **env):
        told = {"STEWARD_URL": odoo.url, "STEWARD_DATABASE": odoo.database}
        env = {**told, "STEWARD_TIMEOUT": "300", **env}
        return CliRunner().invoke(cli, arguments, env=env)

    return run


# -- against the real server -----------------------------------------------------


def test_health_with_facts(odoo, key):
    answer = Client(odoo.url, odoo.database, key).health()
    assert {part["name"] for part in answer["parts"]} >= PARTS
    disk = next(part for part in answer["parts"] if part["name"] == "disk")
    assert disk["facts"]["free_gib"] > 0


def test_health_of_anybody(odoo):
    answer = Client(odoo.url, odoo.database).public_health()
    assert {part["name"] for part in answer["parts"]} >= PARTS
    assert all(set(part) == {"name", "status", "reason"} for part in answer["parts"])


def test_wrong_key(odoo):
    with pytest.raises(Denied):
        Client(odoo.url, odoo.database, "0" * 40).health()


def test_unknown_things(odoo, key):
    client = Client(odoo.url, odoo.database, key)
    with pytest.raises(NotFound):
        client.call("steward.no_such_model", "health")
    with pytest.raises(Denied):
        client.call("steward.status", "_health")
    with pytest.raises(Refused):
        client.call("steward.status", "health", surprise=1)
    [name] = client.call("res.users", "read", [2], fields=["login"])
    assert name["login"] == "admin"


def test_another_database(odoo, key):
    with pytest.raises(Failed):
        Client(odoo.url, "no_such_database", key).health()


def test_command(command, key, tmp_path):
    done = command("health", "--json", STEWARD_API_KEY=key)
    assert done.exit_code in (0, 1), done.output
    answer = json.loads(done.stdout)
    assert (answer["status"] == "failed") == (done.exit_code == 1)
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    done = command("--key-file", str(file), "health")
    assert "free_gib" in done.stdout, done.output
    done = command("health")
    assert "database" in done.stdout, done.output
    assert "free_gib" not in done.stdout


def test_command_is_denied(command):
    done = command("health", STEWARD_API_KEY="0" * 40)
    assert done.exit_code == 1
    assert done.stdout == ""


def test_as_a_program(odoo):
    """Started as its users start it."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENT)}
    env.update(STEWARD_URL=odoo.url, STEWARD_DATABASE=odoo.database)
    words = [sys.executable, "-m", "steward_client", "health"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert "The database answers." in done.stdout


# -- against nothing, and against worse ------------------------------------------


def test_unreachable(command):
    with pytest.raises(Unreachable):
        Client("http://127.0.0.1:9", timeout=2).public_health()
    done = command("health", STEWARD_URL="http://127.0.0.1:9")
    assert done.exit_code == 3
    assert "does not answer" in done.stderr


def test_wrong_usage(command, tmp_path):
    for arguments, env in (
        (("health",), {"STEWARD_URL": ""}),
        (("health",), {"STEWARD_URL": "example.com"}),
        (("--key-file", str(tmp_path / "none"), "health"), {}),
        (("--timeout", "0", "health"), {}),
        (("no-such-command",), {}),
        (("health", "--no-such-option"), {}),
    ):
        done = command(*arguments, **env)
        assert done.exit_code == 2, (arguments, env, done.output)
    (tmp_path / "empty").write_text("\n")
    assert command("--key-file", str(tmp_path / "empty"), "health").exit_code == 2


def test_the_key_is_no_option(command):
    assert command("--api-key", "secret", "health").exit_code == 2
    assert "API key" in command("--help").output


def test_misuse():
    for url in ("https://user:word@example.com", "file:///etc/passwd", "https://"):
        with pytest.raises(Misused):
            Client(url)
    with pytest.raises(Misused):
        Client("https://example.com", api_key="two\r\nlines")
    with pytest.raises(Misused):
        Client("https://example.com").health()
    assert "secret" not in repr(Client("https://example.com", api_key="secret"))


@pytest.fixture
def strange():
    """A server that answers as it is told."""
    answer = {"status": 200, "body": b"", "headers": {}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer["seen"] = dict(self.headers)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer["body"])

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer["url"] = f"http://127.0.0.1:{server.server_port}"
    yield answer
    server.shutdown()
    server.server_close()


def test_not_steward(strange):
    client = Client(strange["url"], api_key="key")
    for body in (b"<html>", b"[]", b'{"parts": 1}', b"null"):
        strange["body"] = body
        with pytest.raises(Failed, match="not that of Steward"):
            client.public_health()
        with pytest.raises(Failed, match="not that of Steward"):
            client.health()
    strange.update(status=404, body=b"<html>")
    with pytest.raises(NotFound, match="not installed"):
        client.public_health()
    strange.update(status=502, body=b"<html>bad gateway")
    with pytest.raises(Failed, match="502"):
        client.health()


def test_the_key_goes_nowhere_else(strange):
    strange.update(status=302, headers={"Location": "http://127.0.0.1:9/"})
    with pytest.raises(Failed, match="elsewhere"):
        Client(strange["url"], api_key="key").health()


def test_too_large(strange, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10)
    strange["body"] = b'"' + b"x" * 20 + b'"'
    with pytest.raises(Failed, match="too large"):
        Client(strange["url"]).public_health()


def test_code_of_an_error(strange):
    message = "STEWARD-CIRCUIT-OPEN: It is left alone."
    body = {"name": "odoo.exceptions.UserError", "message": message}
    strange.update(status=422, body=json.dumps(body).encode())
    with pytest.raises(Refused) as caught:
        Client(strange["url"], "db", "key").call("steward.status", "health")
    assert caught.value.code == "STEWARD-CIRCUIT-OPEN"
    assert strange["seen"]["X-Odoo-Database"] == "db"
    assert strange["seen"]["Authorization"] == "Bearer key"


def test_failed_system(strange, command):
    part = {"name": "jobs", "status": "failed", "reason": "No job runner."}
    body = {"status": "failed", "parts": [part]}
    strange.update(status=503, body=json.dumps(body).encode())
    done = command("health", STEWARD_URL=strange["url"])
    assert done.exit_code == 1
    assert done.stdout == "x jobs       No job runner.\n= failed\n"
