from odoo.exceptions import AccessError
from odoo.tests import Form, tagged

from .answers_common import AnswersCase


@tagged("post_install", "-at_install")
class TestReport(AnswersCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Asking"})
        for user in cls.users.values():
            user.write(
                {"company_ids": [(6, 0, cls.company.ids)], "company_id": cls.company.id}
            )

    def questions(self, role="operator"):
        return (
            self.env["steward.search.question"].with_user(self.users[role]).search([])
        )

    def days(self, role="viewer"):
        return self.env["steward.search.day"].with_user(self.users[role]).search([])

    def test_the_same_words_are_one_question(self):
        page = self.make_document("Page", external_id="docs/page")
        self.searched("How to  refund?", hours=2, results=0, empty=True)
        self.searched("how to refund", verdict="useful", document_id=page.id)
        self.searched("HOW TO REFUND ?", verdict="useless", results=3)
        self.searched("gone", results=0, empty=True)
        by_name = {one.name: one for one in self.questions()}
        self.assertEqual(set(by_name), {"how to refund", "gone"})
        refund = by_name["how to refund"]
        self.assertEqual((refund.times, refund.zero_times), (3, 1))
        self.assertEqual((refund.useful, refund.useless), (1, 1))
        self.assertEqual((refund.is_zero, refund.results), (False, 3))
        self.assertTrue(by_name["gone"].is_zero)

    def test_a_test_question_is_made_of_it(self):
        page = self.make_document("Page", external_id="docs/page")
        self.searched("Refund?", verdict="useful", document_id=page.id)
        [question] = self.questions()
        context = question.action_make_case()["context"]
        cases = self.env["steward.search.case"].with_user(self.users["operator"])
        case = Form(cases.with_context(**context)).save()
        self.assertEqual((case.query, case.expected), ("refund", "docs/page"))
        self.assertEqual((case.company_id, case.document_ids), (self.company, page))
        action = question.action_search()
        self.assertEqual(action["params"], {"question": "refund"})

    def test_by_day(self):
        for took in range(1, 101):
            self.searched("quick", took_ms=took)
        self.searched("none", took_ms=50, results=0, empty=True, degraded="No vectors")
        self.searched("before", hours=48, verdict="useful")
        today, before = self.days()
        self.assertEqual((today.searches, today.zeros, today.degraded), (101, 1, 1))
        self.assertAlmostEqual(today.p50, 50)
        self.assertAlmostEqual(today.p95, 95)
        self.assertEqual((before.searches, before.useful_share), (1, 1))

    def test_what_others_asked_is_for_operators(self):
        self.searched("private matter")
        for role in ("employee", "viewer"):
            with self.assertRaises(AccessError):
                self.questions(role)
        with self.assertRaises(AccessError):
            self.days("employee")
        self.assertEqual(len(self.questions()), 1)

    def test_other_companies_ask_for_themselves(self):
        self.searched("ours")
        main = self.env.ref("base.main_company")
        self.users["employee"].write(
            {"company_ids": [(4, main.id)], "company_id": main.id}
        )
        self.searched("theirs")
        self.assertEqual(self.questions().mapped("name"), ["ours"])
        self.assertEqual(sum(self.days().mapped("searches")), 1)
