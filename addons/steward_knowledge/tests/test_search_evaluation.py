from odoo.addons.queue_job.tests.common import trap_jobs
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .test_search_case import CaseKit


@tagged("post_install", "-at_install")
class TestEvaluation(CaseKit):
    def start(self, **options):
        return self.env["steward.search.evaluation"]._start(**options)

    def finish(self, trap):
        while trap.enqueued_jobs:
            jobs, trap.enqueued_jobs[:] = list(trap.enqueued_jobs), []
            for job in jobs:
                job.perform()

    def evaluate(self):
        with trap_jobs() as trap:
            evaluation = self.start()
            self.finish(trap)
        return evaluation

    def test_numbers_and_lines(self):
        self.make_cases(3)
        self.answers["q1"] = [self.wrong, self.right]
        self.answers["q2"] = []
        self.make_case("unknown", "nowhere")
        evaluation = self.evaluate()
        self.assertEqual(evaluation.state, "done")
        self.assertEqual((evaluation.case_total, evaluation.case_done), (4, 4))
        self.assertEqual(evaluation.case_count, 3)
        self.assertAlmostEqual(evaluation.mrr, 0.5)
        self.assertAlmostEqual(evaluation.zero, 1 / 3)
        lines = evaluation.line_ids.sorted("query")
        self.assertEqual(lines.mapped("rank"), [1, 2, 0])
        self.assertEqual(lines.front_id, self.right | self.wrong)
        same = self.cases._evaluate()
        self.assertAlmostEqual(evaluation.ndcg, same["ndcg"])

    def test_it_goes_on_in_jobs_and_can_be_cancelled(self):
        self.make_cases(5)
        with trap_jobs() as trap:
            evaluation = self.start()
            [job] = trap.enqueued_jobs
            self.assertEqual(job.channel, "root.steward.heavy")
            evaluation._ask_next(at_once=2)
            self.assertEqual((evaluation.case_done, evaluation.progress), (2, 40))
            # the first job comes late, after a killed worker: nothing is asked twice
            evaluation._ask_next(at_once=2)
            self.assertEqual(len(evaluation.line_ids), 4)
            evaluation.action_cancel()
            evaluation._ask_next()
        self.assertEqual((evaluation.state, evaluation.case_done), ("cancelled", 4))
        self.assertEqual(len(evaluation.line_ids), 4)

    def test_without_questions_it_says_what_to_do(self):
        with self.assertRaises(Invalid) as caught:
            self.start()
        self.assertIn("no test question", caught.exception.sentence)

    def test_compared_with_the_one_before(self):
        cases = self.make_cases(25)
        before = self.evaluate()
        for number in range(20):
            self.answers[f"q{number}"] = [self.wrong, self.right]
        cases[-1].unlink()
        after = self.evaluate()
        self.assertEqual(after.baseline_id, before)
        self.assertEqual(after.verdict, "worse")
        self.assertAlmostEqual(after.change, -0.3691 * 20 / 24, 3)
        self.assertIn("on 24 questions", after.change_sentence)
        line = after.line_ids.filtered(lambda line: line.query == "q3")
        self.assertEqual((line.baseline_rank, line.rank), (1, 2))
        action = after.action_open_worse()
        worse = self.env["steward.search.evaluation.line"].search(action["domain"])
        self.assertEqual(len(worse), 20)
        after.baseline_id = False
        self.assertFalse(after.verdict)

    def test_who_may_not_read_a_document_does_not_see_its_title(self):
        self.make_cases(1)
        evaluation = self.evaluate()
        self.source.group_ids = self.env.ref("base.group_system")
        line = evaluation.line_ids.with_user(self.users["viewer"])
        self.assertFalse(line.front_id)

    def test_rights(self):
        self.make_cases(1)
        evaluations = self.env["steward.search.evaluation"]
        with self.assertRaises(AccessError):
            evaluations.with_user(self.users["employee"]).search([])
        with self.assertRaises(AccessError):
            evaluations.with_user(self.users["viewer"]).action_start()
        with trap_jobs():
            evaluations.with_user(self.users["operator"]).action_start()
        mine = evaluations.with_user(self.users["operator"]).search([], limit=1)
        with self.assertRaises(Refused):
            mine.write({"ndcg": 1.0})
        with self.assertRaises(AccessError):
            mine.with_user(self.users["viewer"]).action_cancel()
