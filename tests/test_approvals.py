"""Approvals on a real server: deciders at the same moment, and workers that die.

The run makes one partner, and asks before. What counts in the end is the database: no
partner that nobody agreed to, and each of the others once.
"""

import random
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Odoo
from test_runs import CHANNELS, ENDED, Runs, names

from house.settings import product_addons


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
