from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from .ledger_common import LedgerCase, run


class TestFeedback(LedgerCase):
    def judge(self, user, *arguments, **more):
        user = self.users[user] if isinstance(user, str) else user
        return self.runs.with_user(user).feedback("t1", *arguments, **more)

    def teachable(self):
        return self.runs.search(self.runs._teachable_domain())

    def test_feedback(self):
        self.accept(run(status="ok"))
        self.assertFalse(self.teachable())
        answer = self.judge("reviewer", "approved", 5, "As I would", "Remind gently")
        self.assertEqual(answer, {"trace_id": "t1"})
        head = self.run_of()
        self.assertEqual(
            (head.verdict, head.score, head.comment, head.intent),
            ("approved", 5, "As I would", "Remind gently"),
        )
        self.assertEqual(head.judged_by_id, self.users["reviewer"])
        self.assertTrue(head.judged_at)
        self.assertEqual(self.teachable(), head)
        self.judge("operator", "rejected")
        self.assertEqual((head.verdict, head.score), ("rejected", 0))
        self.assertFalse(self.teachable())

    def test_a_failed_run_teaches_nothing(self):
        self.accept(run(status="error"))
        self.judge("reviewer", "approved")
        self.assertFalse(self.teachable())

    def test_nonsense(self):
        self.accept(run(status="ok"))
        for arguments in (
            ("good",),
            ("approved", 0),
            ("approved", 6),
            ("approved", True),
            ("approved", 4.5),
            ("approved", 5, ["x"]),
            ("approved", 5, "x", 7),
        ):
            with self.subTest(arguments), self.assertRaises(Invalid):
                self.judge("reviewer", *arguments)
        self.assertFalse(self.run_of().verdict)

    def test_not_yet(self):
        self.accept(run())
        with self.assertRaisesRegex(Invalid, "goes on"):
            self.judge("reviewer", "approved")

    def test_who_may(self):
        self.accept(run(status="ok"), user="agent")
        both = new_test_user(
            self.env,
            "ledger_both",
            groups="steward.group_agent,steward.group_reviewer",
        )
        for user in ("viewer", "agent", both):
            with self.subTest(user), self.assertRaises(AccessError):
                self.judge(user, "approved")
        with self.assertRaisesRegex(Invalid, "or it is not yours"):
            self.judge("employee", "approved")
        self.assertFalse(self.run_of().verdict)

    def test_whom_it_worked_for(self):
        self.accept(run(status="ok"))
        self.run_of()._write_own({"user_id": self.users["employee"].id})
        self.env.flush_all()
        self.judge("employee", "approved")
        self.assertEqual(self.run_of().judged_by_id, self.users["employee"])

    def test_status(self):
        self.accept(run(), user="agent")
        for role in ("agent", "viewer", "operator"):
            answer = self.runs.with_user(self.users[role]).status("t1")
            self.assertEqual(answer, {"trace_id": "t1", "state": "running"})
        other = new_test_user(self.env, "ledger_other", groups="steward.group_agent")
        for user in (self.users["employee"], other):
            with self.assertRaises(Invalid):
                self.runs.with_user(user).status("t1")
        with self.assertRaises(Invalid):
            self.runs.with_user(self.users["viewer"]).status("none")

    def test_another_companys_run(self):
        self.accept(run(status="ok"))
        company = self.env["res.company"].create({"name": "Other"})
        there = new_test_user(
            self.env,
            "ledger_there",
            groups="steward.group_reviewer",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        for call in (
            lambda runs: runs.status("t1"),
            lambda runs: runs.feedback("t1", "approved"),
        ):
            with self.assertRaises(Invalid):
                call(self.runs.with_user(there))
