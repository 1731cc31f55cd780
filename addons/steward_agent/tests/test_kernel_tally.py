from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.kernel.histogram import Histogram
from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.tally import COUNTS, DAY, HOUR, MINUTE, Tally, floor, place
from .ledger_common import at

tokens = st.none() | st.integers(0, 1000)
steps = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["ok", "error", "cancelled"]),
            "tokens_in": tokens,
            "tokens_out": tokens,
            "tokens_cached": tokens,
            "cost": st.none() | st.decimals(0, 9, places=9),
            "cost_source": st.sampled_from([None, "unknown", "provided"]),
            "duration_ms": st.none() | st.floats(0, 1e6),
        }
    ),
    max_size=10,
)


def rows(tally):
    return {key: row.values() for key, row in tally}


class TestTally(BaseCase):
    @given(steps, steps)
    def test_stored_rows_add_up_to_the_same(self, first, second):
        whole, merged = Tally(Histogram), Tally(Histogram)
        for step in first + second:
            whole.add_step("key", step)
        for part in (first, second):
            tally = Tally(Histogram)
            for step in part:
                tally.add_step("key", step)
            for key, row in tally:
                merged.add_values(
                    key,
                    (row.counts[name] for name in COUNTS),
                    row.cost,
                    [row.latency, None],
                )
        self.assertEqual(rows(merged), rows(whole))

    def test_what_is_counted(self):
        tally = Tally(Histogram)
        step = {"status": "error", "tokens_in": 5, "tokens_out": None}
        step |= {"tokens_cached": 2, "cost": None, "duration_ms": 10}
        tally.add_step("a", {**step, "cost_source": "unknown"})
        tally.add_step("a", {**step, "cost_source": None, "status": "ok"})
        tally.add_step("a", {**step, "cost": Decimal(2), "cost_source": "provided"})
        tally.add_run("b", True, 30.0)
        tally.add_run("b", False, None)
        told = rows(tally)
        self.assertEqual(told["a"]["steps"], 3)
        self.assertEqual((told["a"]["errors"], told["a"]["unpriced"]), (2, 1))
        self.assertEqual((told["a"]["tokens_in"], told["a"]["cost"]), (15, "2"))
        self.assertEqual(told["a"]["latency"]["count"], 3)
        self.assertEqual((told["b"]["runs"], told["b"]["failures"]), (2, 1))
        self.assertEqual(told["b"]["run_latency"]["count"], 1)
        self.assertIsNone(told["b"]["latency"])

    @given(st.datetimes(at("2000-01-01"), at("2040-01-01")), st.integers(0))
    def test_place_only_ever_gets_coarser(self, start, later):
        now = at("2040-01-02")
        grain, begins = place(start, now)
        self.assertLessEqual(begins, start)
        self.assertEqual(place(begins, now), (grain, begins))
        later = now + timedelta(hours=later % 10**4)
        self.assertGreaterEqual(place(start, later)[0], grain)

    def test_floor(self):
        moment = at("2026-11-21T12:34:56.000789")
        self.assertEqual(floor(moment, MINUTE), at("2026-11-21T12:34"))
        self.assertEqual(floor(moment, HOUR), at("2026-11-21T12:00"))
        self.assertEqual(floor(moment, DAY), at("2026-11-21"))
