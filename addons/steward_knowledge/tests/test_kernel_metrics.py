import math

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel import metrics
from ..kernel.metrics import Difference, difference, judge, summary, verdict, worsens

documents = st.integers(0, 40)
answers = st.lists(documents, max_size=30)
rights = st.sets(documents, min_size=1, max_size=20)


class TestJudge(BaseCase):
    @given(answers, rights)
    def test_all_numbers_are_shares(self, found, right):
        score = judge(found, right)
        for value in score[1:4]:
            self.assertTrue(0 <= value <= 1 + 1e-12, score)
        self.assertEqual(score.zero, not found)
        self.assertEqual(bool(score.rank), bool(score.ndcg))

    @given(rights)
    def test_right_ones_in_front_are_perfect(self, right):
        self.assertEqual(judge(sorted(right), right)[:2], (1, 1.0))

    @given(answers, rights, st.data())
    def test_moving_a_right_one_forward_never_costs(self, found, right, data):
        found = list(dict.fromkeys(found))
        right_ones = [place for place, one in enumerate(found) if one in right]
        if not right_ones:
            return
        place = data.draw(st.sampled_from(right_ones))
        moved = [found[place], *found[:place], *found[place + 1 :]]
        before, after = judge(found, right), judge(moved, right)
        self.assertGreaterEqual(after.ndcg + 1e-12, before.ndcg)
        self.assertGreaterEqual(after.reciprocal, before.reciprocal)
        self.assertGreaterEqual(after.recall, before.recall)

    @given(answers, rights)
    def test_places_after_the_tenth_count_for_nothing(self, found, right):
        first = list(dict.fromkeys(found))[: metrics.DEPTH]
        self.assertEqual(judge(found, right), judge(first, right))

    def test_against_a_number_computed_by_hand(self):
        score = judge(["x", "a", "y", "b"], {"a", "b", "c"})
        gain = 1 / math.log2(3) + 1 / math.log2(5)
        ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
        self.assertAlmostEqual(score.ndcg, gain / ideal)
        self.assertEqual((score.rank, score.reciprocal), (2, 0.5))
        self.assertAlmostEqual(score.recall, 2 / 3)

    def test_a_question_without_answer_is_refused(self):
        with self.assertRaises(ValueError):
            judge(["a"], set())


class TestSummary(BaseCase):
    @given(st.lists(st.tuples(st.floats(0.1, 10), answers, rights), min_size=1))
    def test_means_lie_between_extremes(self, cases):
        scores = [(weight, judge(found, right)) for weight, found, right in cases]
        total = summary(scores)
        values = [score.ndcg for _weight, score in scores]
        self.assertEqual(total.cases, len(cases))
        self.assertTrue(min(values) - 1e-9 <= total.ndcg <= max(values) + 1e-9)

    def test_no_weight_says_nothing(self):
        self.assertIsNone(summary([(0, judge("a", "a"))]))


class TestVerdict(BaseCase):
    @given(st.lists(st.floats(0, 1), min_size=20, max_size=60))
    def test_no_change_is_none(self, values):
        change = difference((value, value) for value in values)
        self.assertEqual((change.value, change.margin), (0, 0))
        self.assertEqual(verdict(change), "same")

    def test_one_question_tells_nothing(self):
        change = difference([(0, 1)])
        self.assertEqual((change.margin, verdict(change)), (math.inf, "unknown"))
        self.assertEqual(verdict(None), "unknown")

    @given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
    def test_the_gate_follows_the_threshold(self, before, after, cases):
        refused = worsens(before, after, cases, 0.02)
        if refused:
            self.assertGreaterEqual(cases, metrics.ENOUGH)
            self.assertGreater(before - after, 0.02)
            self.assertFalse(worsens(before, after, cases, 1.0))

    def test_words(self):
        self.assertEqual(verdict(Difference(0.1, 0.05, 20)), "better")
        self.assertEqual(verdict(Difference(-0.1, 0.05, 20)), "worse")
