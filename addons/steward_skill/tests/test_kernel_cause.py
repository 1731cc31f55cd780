import sys
from collections import Counter

from odoo.addons.steward_agent.kernel.failure import CATEGORIES
from odoo.tests import BaseCase

from ..kernel.cause import WHYS, cause_of
from ..kernel.trace import Step, Trace, at, read
from .injected import find, injected, model, tool

ORDER = [name for name, _label in CATEGORIES]


class TestCause(BaseCase):
    def test_failures_of_known_cause(self):
        """At least 80 % of 100 and more: the category, and the steps that show it."""
        confusion, wrong, right_evidence = Counter(), [], 0
        every = list(injected())
        for trace, category, evidence in every:
            found = cause_of(trace)
            confusion[category, found.category] += 1
            self.assertIn(found.why, WHYS)
            self.assertTrue(0 < found.confidence <= 1)
            if found.category == category and found.evidence == evidence:
                right_evidence += 1
            else:
                wrong.append((trace.message, category, evidence, found))
        table = self.table(confusion)
        right = sum(confusion[name, name] for name in ORDER)
        sys.stdout.write(
            f"\n{table}\n{right} categories, {right_evidence} with their evidence, of"
            f" {len(every)}\n"
        )
        self.assertGreaterEqual(len(every), 100)
        self.assertEqual({category for _t, category, _e in every}, set(ORDER))
        self.assertGreaterEqual(right_evidence / len(every), 0.8, wrong)
        for name in ORDER:  # of no kind does it miss most
            of_kind = sum(confusion[name, other] for other in ORDER)
            self.assertGreaterEqual(confusion[name, name] / of_kind, 0.7, name)

    def table(self, confusion):
        head = "cause    → told as " + "".join(f"{name:>9}" for name in ORDER)
        lines = [
            f"{name:<18} " + "".join(f"{confusion[name, other]:>9}" for other in ORDER)
            for name in ORDER
        ]
        return "\n".join([head, *lines])

    def test_a_run_that_did_not_fail_has_no_cause(self):
        self.assertIsNone(cause_of(Trace("t", "", (find(),))))

    def test_without_any_step(self):
        found = cause_of(Trace("t", "", (), False, "bot", message="402 payment"))
        self.assertEqual((found.category, found.evidence), ("budget", ()))
        self.assertEqual(found.place, "bot")

    def test_it_looks_back_no_further_than_needed(self):
        steps = (
            find("0", {"records": []}),
            find("1"),
            tool("2", "post_message", "UserError", "The order is locked."),
        )
        found = cause_of(Trace("t", "", steps, False, message="The order is locked."))
        self.assertEqual((found.category, found.evidence), ("tool", ("2",)))

    def test_a_failure_nobody_passed_over(self):
        """A failure that has nothing to do with the end is not blamed."""
        steps = (
            tool("1", "get_rate", "STEWARD-TIMED-OUT", "No answer."),
            tool("2", "post_message", "AccessError", "You may not post here."),
        )
        found = cause_of(Trace("t", "", steps, False, message="You may not post here."))
        self.assertEqual(found.category, "rights")

    def test_a_model_is_not_blamed_for_a_rule_of_the_data(self):
        steps = (
            model("1", '{"tool_calls": [{"name": "confirm"}]}'),
            tool("2", "confirm", "UserError", "The customer is blocked."),
        )
        found = cause_of(
            Trace("t", "", steps, False, message="The customer is blocked.")
        )
        self.assertEqual((found.category, found.evidence), ("tool", ("2",)))

    def test_many_tries_make_it_surer(self):
        def sure(times):
            tries = [tool(str(n), "pay", "X", "timed out") for n in range(times)]
            return cause_of(Trace("t", "", tuple(tries), False)).confidence

        self.assertLess(sure(1), sure(2))
        self.assertLessEqual(sure(40), 0.95)


class TestTrace(BaseCase):
    def test_what_was_cut_is_not_known(self):
        self.assertIsNone(read('{"model": "res.partner", "valu'))
        self.assertIsNone(read("sha256:abc"))
        self.assertEqual(read("7 apples"), "7 apples")
        self.assertEqual(read("7"), 7)
        self.assertIs(read("true"), True)

    def test_calls(self):
        step = Step("1", "tool_call", "a")
        self.assertEqual(Trace("t", "", (model("0"), step)).calls(), [step])

    def test_paths_into_nothing(self):
        self.assertEqual(at({"a": [1]}, "a.0"), 1)
        for path in ("a.1", "a.b", "a.0.c", "b"):
            self.assertNotIn(at({"a": [1]}, path), (1, None))
