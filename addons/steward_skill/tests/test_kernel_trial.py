import random

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.trial import VERDICTS, Arm, compare, confidence

counts = st.integers(0, 400)


class TestTrial(BaseCase):
    @given(counts, counts, counts, counts, st.floats(0.05, 0.9), st.floats(0, 30))
    def test_a_verdict_for_whatever_comes(self, runs, good, others, fine, share, days):
        told = Arm(runs, min(good, runs))
        untold = Arm(others, min(fine, others))
        result = compare(told, untold, share, days)
        self.assertIn(result.verdict, dict(VERDICTS))
        if result.verdict in ("helps", "harms", "same"):
            self.assertTrue(
                result.interval.low <= result.effect <= result.interval.high
            )
            self.assertGreaterEqual(min(runs, others), 100)

    def test_verdicts(self):
        for told, untold, verdict in (
            ((300, 290), (300, 200), "helps"),
            ((300, 200), (300, 290), "harms"),
            ((300, 280), (300, 281), "same"),
            ((300, 290), (100, 60), "uneven"),
            ((90, 80), (90, 40), "early"),
            ((300, 300), (300, 300), "early"),  # nothing ever went wrong
            ((300, 2), (300, 200), "early"),
        ):
            with self.subTest(verdict):
                result = compare(Arm(*told), Arm(*untold), 0.5, 9)
                self.assertEqual(result.verdict, verdict)
        self.assertEqual(compare(Arm(), Arm(), 0.1, 9), ("early", None, None))

    def test_looking_each_day_cries_wolf_seldom(self):
        """Of 200 skills that do nothing, at most a few are ever called good or bad."""
        chance = random.Random(5)
        wrong = 0
        for _skill in range(200):
            told, untold = Arm(), Arm()
            for day in range(20):
                for arm in (told, untold):
                    arm.runs += 30
                    arm.good += sum(chance.random() < 0.8 for _n in range(30))
                if compare(told, untold, 0.5, day + 1).verdict in ("helps", "harms"):
                    wrong += 1
                    break
        self.assertLessEqual(wrong, 10)

    @given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 20))
    def test_confidence_is_a_share(self, good, bad, approved):
        self.assertTrue(0 <= confidence(good, good + bad, approved) <= 1)

    def test_good_use_makes_it_surer(self):
        self.assertLess(confidence(5, 5, 3), confidence(50, 50, 3))
        self.assertLess(confidence(5, 50, 3), confidence(25, 50, 3))
