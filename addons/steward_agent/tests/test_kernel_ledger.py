import json
import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.ledger import (
    MAX_COST,
    MAX_INT,
    MAX_MS,
    Rejected,
    clean,
    code_of,
    complete,
    read_run,
    read_step,
)
from .ledger_common import at, run, step

NOW = at("2026-11-21T13:00")
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["ok", "error", "tool_call", "2026-01-01", "t1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def keys(row):
    return st.dictionaries(st.sampled_from(sorted(row)), anything)


RUN = run(status="ok", ended_at="2026-11-21T12:30:00Z", task="x", tags=["a"])
RUN |= {"output": 1, "error": "", "session": "s", "idempotency_key": "k"}
STEP = step(duration_ms=1, cost=1, tokens_in=1, model="m", error_type="E")
STEP |= {"input": 1, "status": "ok", "tokens_out": 1, "tokens_cached": 1}


class TestLedger(BaseCase):
    @given(keys(RUN) | anything)
    def test_a_run_is_read_or_rejected(self, change):
        row = {**RUN, **change} if isinstance(change, dict) else change
        try:
            told = read_run(row, NOW)
        except Rejected as error:
            self.assertRegex(error.code, "^[a-z-]+$")
            self.assertTrue(error.reason)
            return
        self.assertLessEqual(told["started_at"], NOW)
        self.assertLessEqual(told["started_at"], told.get("ended_at", NOW))
        self.assertTrue(code_of(told["agent"]))

    @given(keys(STEP) | anything)
    def test_a_step_is_read_or_rejected(self, change):
        row = {**STEP, **change} if isinstance(change, dict) else change
        try:
            told = read_step(row, NOW)
        except Rejected as error:
            self.assertRegex(error.code, "^[a-z-]+$")
            return
        for key in ("tokens_in", "tokens_out", "tokens_cached"):
            self.assertTrue(told[key] is None or 0 <= told[key] <= MAX_INT)
        self.assertTrue(told["cost"] is None or 0 <= told["cost"] <= MAX_COST)
        self.assertTrue(
            told["duration_ms"] is None or 0 <= told["duration_ms"] <= MAX_MS
        )
        for key in ("name", "model", "error_type"):
            self.assertTrue(told[key] is None or json.dumps(told[key]).isascii())
            self.assertNotIn("\0", told[key] or "")

    def test_defaults(self):
        self.assertEqual(read_run(run(), NOW)["state"], "running")
        ended = read_run(run(ended_at="2026-11-21T12:30:00Z"), NOW)
        self.assertEqual(ended["state"], "completed")
        self.assertEqual(read_step(step(kind="error"), NOW)["status"], "error")
        self.assertEqual(read_step(step(error_message="x"), NOW)["status"], "error")
        self.assertEqual(read_run(run(tags="a"), NOW)["tags"], ["a"])
        for tags in (7, [7]):
            with self.assertRaises(Rejected):
                read_run(run(tags=tags), NOW)

    @given(st.text(st.characters()))
    def test_clean(self, text):
        cleaned = clean(text)
        cleaned.encode()
        self.assertNotIn("\0", cleaned)
        self.assertEqual(clean(cleaned), cleaned)

    def test_clocks(self):
        for value in (
            "2026-11-21T12:00:00Z",
            "2026-11-21 12:00:00",
            "2026-11-21T13:00:00+01:00",
            1795262400000,
            1795262400000.0,
            "1795262400000.9",
        ):
            told = read_step(step(started_at=value), NOW)["started_at"]
            self.assertEqual(told, at("2026-11-21T12:00"), value)
        ahead = NOW + timedelta(hours=23)
        told = read_step(step(started_at=ahead.isoformat()), NOW)["started_at"]
        self.assertEqual(told, NOW)
        for value, code in (
            ("2026-11-23", "future"),
            ("1999-12-31", "past"),
            (math.inf, "time"),
            (True, "time"),
            ([], "time"),
            (10**40, "time"),
            (None, "missing"),
        ):
            with self.assertRaises(Rejected) as caught:
                read_step(step(started_at=value), NOW)
            self.assertEqual(caught.exception.code, code, value)

    @given(
        st.sampled_from(["running", "paused", "completed", "failed", "terminated"]),
        st.sampled_from(["running", "ok", "error", "cancelled"]),
    )
    def test_complete_twice_is_once(self, state, status):
        told = read_run(run(status=status, output="x"), NOW)
        told |= {"agent_id": 1, "agent_name": "A"}
        old = {"state": state, "started_at": NOW - timedelta(hours=2)}
        changes = complete(old, told)
        again = complete({**old, **changes}, told)
        self.assertEqual(again, {})
        if state in ("completed", "failed", "terminated"):
            self.assertNotIn("state", changes)
            self.assertNotIn("ended_at", changes)

    def test_complete_places_the_start(self):
        old = {"state": "running", "started_at": NOW, "placeholder": True}
        told = read_run(run(status="ok", ended_at="2026-11-21T12:00:02Z"), NOW)
        changes = complete(old, told)
        self.assertEqual(changes["started_at"], at("2026-11-21T12:00"))
        self.assertEqual(changes["duration_ms"], 2000)
