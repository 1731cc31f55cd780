"""Approvals on a real server: deciders at the same moment, and workers that die.

The run makes one partner, and asks before. What counts in the end is the database: no
partner that nobody agreed to, and each of the others once.
"""

import json
import random
import sys
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from conftest import ROOT, Odoo
from test_runs import CHANNELS, ENDED, Runs, names

from house.settings import product_addons

sys.path.insert(0, str(ROOT / "client"))

from steward_client.cli import cli


class Approvals(Runs):
    """What a test does with an agent that has to ask."""

    def prepare(self):
        super().prepare()
        tools = self.call(
            *("steward.tool", "search"), domain=[["name", "=", "create_record"]]
        )
        rule = {"agents": "all", "tool_id": tools[0], "when": "always"}
        self.call("steward.approval.rule", "create", vals_list=[rule])

    def asked(self, trace):
        """The approval that a run waits for."""
        self.until(trace, ["waiting"])
        pending = self.call("steward.approval", "pending", limit=200)
        return next(one["id"] for one in pending if one["trace_id"] == trace)

    def decide(self, approval, decision):
        """Whether it was this decision that counted."""
        try:
            self.call(
                "steward.approval", "decide", id=approval, decision=decision, reason=""
            )
        except urllib.error.HTTPError:
            return False
        return True


@pytest.fixture(scope="module")
def approvals(settings, databases):
    template = databases.template(product_addons())
    with databases.clone(template, "approvals") as database:
        server = Odoo(settings, databases, database, env=CHANNELS).start()
        try:
            approvals = Approvals(server, server.make_key())
            approvals.prepare()
            yield approvals
        finally:
            server.stop()


def test_deciders_at_the_same_moment(approvals):
    """One of them decides, and it is so."""
    for number in range(3):
        name = f"decided-{number}"
        trace = approvals.start(*names(name, 1))["trace_id"]
        approval = approvals.asked(trace)
        words = ["approve", "refuse"] * 3
        random.shuffle(words)
        with ThreadPoolExecutor(len(words)) as pool:
            counted = list(
                pool.map(lambda w, a=approval: approvals.decide(a, w), words)
            )
        assert counted.count(True) == 1
        agreed = words[counted.index(True)] == "approve"
        state = approvals.until(trace, ENDED)
        assert state == ("completed" if agreed else "failed")
        assert approvals.made(name) == (
            dict.fromkeys(names(name, 1), 1) if agreed else {}
        )


def test_killed_between_decision_and_call(approvals):
    """The call happens once, wherever its worker died."""
    for pause in (0.0, 0.15, 0.4):
        name = f"dying-{int(pause * 100)}"
        trace = approvals.start(*names(name, 1))["trace_id"]
        assert approvals.decide(approvals.asked(trace), "approve")
        time.sleep(pause)
        approvals.server.kill()
        approvals.server.start()
        assert approvals.until(trace, ENDED) == "completed"
        assert approvals.made(name) == dict.fromkeys(names(name, 1), 1)


@pytest.fixture
def steward(approvals):
    """The command line, with the key of a Reviewer."""
    server = approvals.server
    env = {
        "STEWARD_URL": server.url,
        "STEWARD_DATABASE": server.database,
        "STEWARD_API_KEY": approvals.key,
        "STEWARD_TIMEOUT": "300",
    }
    return lambda *words, **more: CliRunner().invoke(cli, words, env={**env, **more})


def test_from_the_command_line(approvals, steward):
    """What waits is listed, decided, and nothing is decided twice."""
    wanted = [names(f"typed-{n}", 1) for n in range(3)]
    traces = [approvals.start(*some)["trace_id"] for some in wanted]
    first, second, third = map(approvals.asked, traces)
    listed = steward("approvals", "--json", "--limit", "200")
    assert listed.exit_code == 0, listed.output
    mine = [one for one in json.loads(listed.stdout) if one["id"] == first]
    assert mine[0]["trace_id"] == traces[0]
    assert f"Name: - → {wanted[0][0]}" in steward("approvals", "--limit", "200").stdout

    told = steward("approve", str(first), "--reason", "Looks right", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["state"] == "approved"
    told = steward("refuse", str(second), "--reason", "We have one")
    assert told.exit_code == 0, told.output
    assert f"{second}: refused" in told.stdout
    assert approvals.until(traces[0], ENDED) == "completed"
    assert approvals.until(traces[1], ENDED) == "failed"
    assert approvals.made("typed-0") == dict.fromkeys(wanted[0], 1)
    assert approvals.made("typed-1") == {}

    again = steward("refuse", str(first))
    assert again.exit_code == 1
    assert "decided already" in again.stderr
    assert steward("approve", "999999").exit_code == 1
    assert steward("approve", str(third), "--choice", "perhaps").exit_code == 1
    assert steward("approve").exit_code == 2
    assert steward("approve", "first").exit_code == 2
    nowhere = "http://127.0.0.1:9"
    assert steward("approvals", STEWARD_URL=nowhere).exit_code == 3
    assert steward("approvals", STEWARD_API_KEY="x" * 40).exit_code == 1
    assert steward("refuse", str(third)).exit_code == 0
