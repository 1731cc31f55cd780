from odoo.exceptions import AccessError

from ..kernel.failure import CATEGORIES
from .ledger_common import LedgerCase, run, step


class TestFailure(LedgerCase):
    def failures(self):
        return self.env["steward.failure"].search([], order="id")

    def test_the_same_failure_is_one(self):
        self.accept(
            run("t1", "A"),
            run("t2", "B"),
            step("1", "t1", error_type="Timeout", error_message="no answer in 30 s"),
            step("2", "t1", error_type="Timeout", error_message="no answer in 45 s"),
            step("1", "t2", error_type="Timeout", error_message="no answer in 9 s"),
            step("2", "t2", error_type="KeyError", error_message="'partner'"),
        )
        timeout, other = self.failures()
        if timeout.error_type != "Timeout":
            timeout, other = other, timeout
        self.assertEqual((timeout.times, timeout.category), (3, "external"))
        self.assertEqual(set(timeout.agent_ids.mapped("code")), {"a", "b"})
        self.assertEqual(timeout.last_run_id, self.run_of("t2"))
        self.assertEqual(timeout.detail, "no answer in 9 s")
        self.assertEqual((other.times, other.category), (1, "tool"))
        self.assertEqual(self.run_of("t2").error_count, 2)
        self.assertEqual(self.run_of("t2").category, "tool")
        self.accept(
            step(
                *("3", "t1"),
                error_type="Timeout",
                error_message="no answer in 7 s",
                started_at="2020-01-01",
            )
        )
        self.env.invalidate_all()
        self.assertEqual((timeout.times, timeout.detail), (4, "no answer in 9 s"))
        self.assertEqual(timeout.first_at.year, 2020)
        action = timeout.with_user(self.users["viewer"]).action_steps()
        self.assertEqual(self.steps.search_count(action["domain"]), 4)

    def test_duplicates_do_not_count(self):
        for _time in range(2):
            self.accept(run(), step("1", error_message="no"))
        self.assertEqual(self.failures().times, 1)

    def test_a_run_that_failed_without_a_step(self):
        for _time in range(2):
            self.accept(run(status="error", error="context length exceeded: 9000"))
        failure = self.failures()
        self.assertEqual((failure.times, failure.category), (1, "context"))
        self.assertEqual(self.run_of().fingerprint, failure.fingerprint)
        self.accept(run("t2"))
        self.accept(run("t2", status="error", error="context length exceeded: 17"))
        self.assertEqual(failure.times, 2)
        self.assertEqual(failure.last_run_id, self.run_of("t2"))

    def test_a_run_that_failed_with_a_step(self):
        self.accept(run("t1"), step("1", error_message="no"))
        self.accept(run("t1", status="error", error="no"))
        self.accept(run("t2", status="error"), step("1", "t2", error_message="no"))
        self.assertEqual(self.failures().times, 2)

    def test_words(self):
        for category, _label in CATEGORIES:
            failure = self.env["steward.failure"].create(
                {
                    "company_id": self.env.company.id,
                    "fingerprint": category,
                    "category": category,
                    "place": "send_invoice" if category != "bug" else False,
                }
            )
            place = "a step" if category == "bug" else "send_invoice"
            if category != "rights" or "send_invoice" in failure.sentence:
                self.assertIn(place, failure.sentence)
            self.assertTrue(failure.advice.endswith("."))

    def test_who_may_read(self):
        self.accept(run(), step("1", error_message="no"))
        for role in ("viewer", "operator", "reviewer"):
            mine = self.failures().with_user(self.users[role])
            self.assertTrue(mine.sentence)
            with self.assertRaises(AccessError):
                mine.write({"times": 7})
        for role in ("employee", "agent"):
            with self.assertRaises(AccessError):
                self.failures().with_user(self.users[role]).read(["times"])
