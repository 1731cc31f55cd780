"""The commands about backups, against a server that answers as Odoo does."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "client"))

from steward_client import backups
from steward_client.cli import cli

JOB = "0a1b2c3d-0000-4000-8000-000000000000"


class Fake:
    """Answers of JSON-2 by model and method; each call is kept."""

    def __init__(self):
        self.calls, self.states = [], []
        self.answers = {
            ("steward.backup.plan", "run"): {"backup_id": 4, "job": JOB},
            ("steward.backup", "verify"): {"job": JOB},
            ("steward.backup", "restore"): {"job": JOB},
            ("steward.operation", "search"): [7],
            ("steward.backup", "search_read"): [
                {"id": 4, "database": "production", "bytes": 1536.0, "label": False}
            ],
            ("steward.drill", "search_read"): [{"id": 9, "ok": True}],
            ("steward.drill", "read"): [
                {"id": 9, "ok": False, "error": "Rows differ."}
            ],
        }

    def answer(self, model, method, arguments):
        self.calls.append((model, method, arguments))
        if (model, method) == ("steward.operation", "status"):
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            told = {"id": 7, "title": "Back up", "progress": 50.0, "step": "Read it"}
            return [{**told, **state}]
        return self.answers[model, method]


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def command(fake, monkeypatch):
    monkeypatch.setattr(backups, "PACE", 0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            _empty, _json, _two, model, method = self.path.split("/")
            length = int(self.headers["Content-Length"])
            arguments = json.loads(self.rfile.read(length))
            body = json.dumps(fake.answer(model, method, arguments)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    env = {"STEWARD_URL": url, "STEWARD_API_KEY": "key"}
    try:
        yield lambda *words: CliRunner().invoke(cli, words, env=env)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


RUNNING = {"state": "running", "applied": False}
DONE = {"state": "done", "applied": True}


def test_run_and_wait(command, fake):
    # done is not enough: Odoo has not written it down yet
    fake.states = [RUNNING, {**DONE, "applied": False}, DONE]
    done = command("backup", "run", "production", "--wait")
    assert done.exit_code == 0, done.output
    assert "50.0 %  Read it" in done.stderr
    assert "Back up: done" in done.stdout
    assert fake.calls[0] == (
        *("steward.backup.plan", "run"),
        {"plan": "production"},
    )
    assert [c[1] for c in fake.calls].count("status") == 3


def test_what_ends_badly(command, fake):
    fake.states = [{"state": "failed", "applied": True, "error": "The disk is full."}]
    done = command("backup", "run", "1", "--wait", "--json")
    assert done.exit_code == 1
    [told] = json.loads(done.stdout)["operations"]
    assert told["error"] == "The disk is full."


def test_without_waiting(command, fake):
    done = command("restore", "4", "copy", "--alive")
    assert (done.exit_code, JOB in done.stdout) == (0, True)
    wish = {"backup_id": 4, "target_db": "copy", "neutralize": False}
    assert fake.calls == [("steward.backup", "restore", wish)]
    done = command("backup", "verify", "4", "--level", "checksummed")
    assert fake.calls[-1][2] == {"backup_id": 4, "level": "checksummed"}
    assert done.exit_code == 0
    assert command("backup", "verify", "4", "--level", "believed").exit_code == 2


def test_lists(command):
    done = command("backup", "list")
    assert "1,536" in done.stdout
    assert "production" in done.stdout
    found = json.loads(command("drill", "list", "--json").stdout)
    assert found == [{"id": 9, "ok": True}]


def test_a_drill_that_was_held_and_not_passed(command, fake):
    fake.states = [DONE]
    fake.answers["steward.backup", "verify"] = {"job": JOB, "drill_id": 9}
    done = command("drill", "run", "4", "--wait")
    assert done.exit_code == 1
    assert "Rows differ." in done.stderr
    assert fake.calls[0][2] == {"backup_id": 4, "level": "restored"}


def test_nobody_there():
    env = {"STEWARD_URL": "http://127.0.0.1:9", "STEWARD_API_KEY": "key"}
    done = CliRunner().invoke(cli, ["backup", "list"], env=env)
    assert done.exit_code == 3
