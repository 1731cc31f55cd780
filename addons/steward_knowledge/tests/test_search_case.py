import base64
import json

from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from ..kernel import metrics
from ..models.steward_search_case import Trial
from .answers_common import AnswersCase

WARNS = "odoo.addons.steward_knowledge.models.steward_search_case"


class CaseKit(AnswersCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cases = cls.env["steward.search.case"]
        cls.cases.search([]).unlink()
        cls.right = cls.make_document("Right", external_id="docs/right")
        cls.wrong = cls.make_document(
            "Wrong", external_id="docs/wrong", url="https://docs.example.com/wrong"
        )

    def make_case(self, query="how?", expected="docs/right", **values):
        return self.cases.create({"query": query, "expected": expected, **values})

    def make_cases(self, count=metrics.ENOUGH):
        cases = self.cases.create(
            [{"query": f"q{n}", "expected": "docs/right"} for n in range(count)]
        )
        self.answers = {f"q{n}": [self.right, self.wrong] for n in range(count)}
        return cases


@tagged("post_install", "-at_install")
class TestCases(CaseKit):
    def test_documents_by_what_their_source_calls_them_or_address(self):
        case = self.make_case(
            expected="docs/right\n\n https://docs.example.com/wrong \nnowhere"
        )
        self.assertEqual(case.document_ids, self.right | self.wrong)
        self.assertTrue(case.is_known)
        other = self.env["steward.source"].create({"name": "Other"})
        twin = self.make_document("Twin", source=other, external_id="docs/right")
        case.source_id = other
        self.assertEqual(case.document_ids, twin)
        self.assertFalse(self.make_case("where?", "nowhere").is_known)

    def test_a_question_needs_words_and_an_answer(self):
        for query, expected in ((" ", "docs/right"), ("how?", " \n ")):
            with self.assertRaises(ValidationError), self.cr.savepoint():
                self.make_case(query, expected)

    def test_rights(self):
        with self.assertRaises(AccessError):
            self.cases.with_user(self.users["employee"]).search([])
        viewer = self.cases.with_user(self.users["viewer"])
        self.assertTrue(viewer.search([]) or True)
        with self.assertRaises(AccessError):
            viewer.create({"query": "how?", "expected": "x"})
        operator = self.cases.with_user(self.users["operator"])
        self.assertTrue(operator.create({"query": "how?", "expected": "x"}))

    def test_another_companys_questions(self):
        company = self.env["res.company"].create({"name": "Other"})
        case = self.make_case(company_id=company.id)
        mine = self.cases.with_user(self.users["operator"]).search([])
        self.assertNotIn(case, mine)


@tagged("post_install", "-at_install")
class TestEvaluate(CaseKit):
    def test_numbers(self):
        self.make_case("first")
        self.make_case("second", weight=3)
        self.make_case("missed")
        self.make_case("nothing")
        self.make_case("not here", "nowhere")
        self.answers = {
            "first": [self.right],
            "second": [self.wrong, self.right],
            "missed": [self.wrong],
            "not here": [self.right],
        }
        told = self.cases._evaluate()
        self.assertEqual(told["cases"], 4)
        self.assertAlmostEqual(told["mrr"], (1 + 3 * 0.5) / 6)
        self.assertAlmostEqual(told["recall"], 4 / 6)
        self.assertAlmostEqual(told["zero"], 1 / 6)
        self.assertAlmostEqual(told["ndcg"], (1 + 3 * 0.6309) / 6, 3)
        self.assertFalse(any(options["log"] for *_more, options in self.asked))

    def test_nothing_to_judge_is_not_zero(self):
        self.assertEqual(self.cases._evaluate(), {"cases": 0})

    def test_what_is_not_counted_leaves_its_place(self):
        self.make_case("first", excluded="docs/wrong")
        self.answers = {"first": [self.wrong, self.right]}
        self.assertEqual(self.cases._evaluate()["mrr"], 1)

    def test_the_original_of_a_duplicate_is_right_too(self):
        self.wrong._write_own({"duplicate_of_id": self.right.id})
        self.make_case("first", "docs/wrong")
        self.answers = {"first": [self.right]}
        self.assertEqual(self.cases._evaluate()["ndcg"], 0.6131471927654584)
        self.assertEqual(self.cases._evaluate()["mrr"], 1)

    def test_a_companys_question_is_asked_there(self):
        company = self.env["res.company"].create({"name": "Other"})
        self.make_case("first", company_id=company.id)
        self.make_case("second")
        self.cases._evaluate()
        theirs, all_of_them = (env.companies for env, *_more in self.asked)
        if self.asked[0][1] == "second":
            theirs, all_of_them = all_of_them, theirs
        self.assertEqual(theirs, company)
        self.assertIn(company, all_of_them)
        self.assertGreater(len(all_of_them), 1)


@tagged("post_install", "-at_install")
class TestImport(CaseKit):
    def run_import(self, data, name="cases.json", **values):
        wizard = self.env["steward.search.import"].with_user(self.users["operator"])
        if not isinstance(data, bytes):
            data = data.encode()
        values |= {"file": base64.b64encode(data), "file_name": name}
        wizard = wizard.create(values)
        wizard.action_import()
        return wizard.result

    def test_json(self):
        rows = [
            {"set": "anchor", "q": "RPC call", "rel": ["a", "b"], "exclude": ["c"]},
            {"query": "weighty", "expected": "a", "weight": 2, "language": "en"},
            {"q": "no answer", "rel": []},
            {"rel": ["a"]},
            {"q": "light", "rel": ["a"], "weight": "none"},
            {"q": "lighter", "rel": ["a"], "weight": -1},
            "words",
        ]
        told = self.run_import(json.dumps(rows))
        self.assertIn("2 new, 0 updated, 5 rejected.", told)
        self.assertIn("Question 3: No right document is named.", told)
        case = self.cases.search([("query", "=", "RPC call")])
        self.assertEqual(
            (case.set_name, case.expected, case.excluded), ("anchor", "a\nb", "c")
        )
        case = self.cases.search([("query", "=", "weighty")])
        self.assertEqual((case.set_name, case.weight), ("cases.json", 2))
        again = self.run_import(json.dumps(rows[:2]))
        self.assertIn("0 new, 2 updated, 0 rejected.", again)
        self.assertEqual(self.cases.search_count([]), 2)

    def test_json_lines_and_csv(self):
        rows = '{"q": "one", "rel": ["a"]}\n\n{"q": "two", "rel": ["b"]}\n'
        self.assertIn("2 new", self.run_import(rows))
        table = "query,expected,weight\nthree,a|b,2\n"
        self.assertIn("1 new", self.run_import("\ufeff" + table, "cases.csv"))
        case = self.cases.search([("query", "=", "three")])
        self.assertEqual((case.expected, case.weight), ("a\nb", 2))

    def test_files_that_are_none(self):
        for data in (b"\xff\xfe\x00", "[1", '{"q": ', "a,b\n1,2", b"x" * 10_000_001):
            with self.assertRaises(Invalid), self.cr.savepoint():
                self.run_import(data)

    def test_denied(self):
        wizard = self.env["steward.search.import"].with_user(self.users["viewer"])
        with self.assertRaises(AccessError):
            wizard.create({"file": base64.b64encode(b"[]")})


@tagged("post_install", "-at_install")
class TestGate(CaseKit):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        model = cls.env["steward.model"].search([("can_embedding", "=", True)], limit=1)
        cls.env["steward.space"].search([("state", "=", "active")])._write_own(
            {"state": "ready"}
        )
        cls.env.flush_all()  # there is one in use, not two
        cls.space, cls.other = cls.env["steward.space"]._create_own(
            [
                {
                    "name": name,
                    "model_id": model.id,
                    "dimensions": model.dimensions or 8,
                    "state": state,
                    "is_paused": False,
                    "weight_lexical": 0.5,
                    "weight_vector": 0.5,
                }
                for name, state in (("Now", "active"), ("Next", "ready"))
            ]
        )

    def found(self, good):
        """Answer well while the trial, or what is in use without one, is good."""

        def answer(env):
            trial = env.context.get("steward_trial")
            return [self.right if good(trial) else self.wrong]

        return answer

    def answer_by(self, good, count=metrics.ENOUGH):
        self.make_cases(count)
        self.answers = {f"q{n}": self.found(good) for n in range(count)}

    def test_a_change_for_the_worse_is_refused(self):
        self.answer_by(lambda trial: not trial)
        with self.assertRaises(Refused) as caught:
            self.cases._check_change(self.other)
        self.assertIn("from 1.000 to 0.000", caught.exception.sentence)
        self.assertIn("20 test questions", caught.exception.sentence)

    def test_a_change_for_the_better_is_told(self):
        self.answer_by(lambda trial: trial)
        told = self.cases._check_change(self.other)
        self.assertEqual((told["before"], told["after"]), (0, 1))
        trials = {env.context["steward_trial"] for env, *_more in self.asked}
        self.assertEqual(trials, {None, Trial(self.other.id)})

    def test_with_too_few_questions_nothing_is_refused(self):
        self.answer_by(lambda trial: not trial, metrics.ENOUGH - 1)
        told = self.cases._check_change(self.other)
        self.assertIn("too few", told["sentence"])

    def test_the_setting_decides(self):
        self.answer_by(lambda trial: not trial)
        settings = self.env["res.config.settings"].create(
            {"steward_search_worse_most": 1.0}
        )
        settings.execute()
        self.assertEqual(self.cases._check_change(self.other)["after"], 0)
        with self.assertRaises(ValidationError):
            settings.steward_search_worse_most = 1.5

    def test_an_administrator_goes_on_with_a_reason(self):
        self.answer_by(lambda trial: not trial)
        cases = self.cases.with_user(self.users["administrator"])
        for reason in (None, "", "  "):
            with self.assertRaises(Refused):
                cases._check_change(self.other, reason=reason)
        with self.assertLogs(WARNS, "WARNING"):
            told = cases._check_change(self.other, reason="Cheaper by far")
        self.assertEqual(told["after"], 0)
        operator = self.cases.with_user(self.users["operator"])
        with self.assertRaises(Refused) as caught:
            operator._check_change(self.other, reason="I like it")
        self.assertIn("Only an Administrator", caught.exception.sentence)

    def test_weights_in_use_pass_the_gate(self):
        self.answer_by(lambda trial: not trial)
        with self.assertRaises(Refused), self.cr.savepoint():
            self.space.write({"weight_lexical": 0.9, "weight_vector": 0.1})
        trials = {env.context["steward_trial"] for env, *_more in self.asked}
        self.assertIn(Trial(self.space.id, (0.9, 0.1)), trials)
        self.asked.clear()
        self.other.write({"weight_lexical": 0.9, "weight_vector": 0.1})
        self.space.write({"weight_lexical": 0.5, "name": "Still"})
        self.assertFalse(self.asked, "nothing that counts was changed")

    def test_weights_for_the_worse_need_a_reason(self):
        self.answer_by(lambda trial: not trial)
        weights = {"weight_lexical": 0.9, "weight_vector": 0.1}
        space = self.space.with_user(self.users["administrator"])
        with self.assertLogs(WARNS, "WARNING"):
            space.write({**weights, "override_reason": "Cheaper by far"})
        self.assertEqual(self.space.weight_lexical, 0.9)

    def test_a_trial_is_nothing_that_a_caller_could_send(self):
        spaces = self.env["steward.space"]
        self.assertEqual(spaces._active(), self.space)
        tried = spaces.with_context(steward_trial=Trial(self.other.id))
        self.assertEqual(tried._active(), self.other)
        for forged in ({"space_id": self.other.id}, [self.other.id], self.other.id):
            sent = spaces.with_context(steward_trial=forged)
            self.assertEqual(sent._active(), self.space)
